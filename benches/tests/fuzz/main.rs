//! What the fuzz targets demand, of their seeds and of thousands of changed ones: without libFuzzer,
//! and with the same finds.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{fs, path::Path};

#[path = "../../../fuzz/src/lib.rs"]
pub mod targets;

/// A target by its name.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 12] = [
    ("token", targets::token),
    ("record", targets::record),
    ("checkpoint", targets::checkpoint),
    ("proof", targets::proof),
    ("bundle", targets::bundle),
    ("receipt", targets::receipt),
    ("trusted_list", targets::trusted_list),
    ("log_keys", targets::log_keys),
    ("witness", targets::witness),
    ("tlog_proof", targets::tlog_proof),
    ("hash_tree", targets::hash_tree),
    ("revocation", targets::revocation),
];

/// How many changed seeds each target takes.
const CHANGED: u64 = 300;
/// The same in the long form.
const CHANGED_LONG: u64 = 20_000;

/// Returns the seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Draws the next number of a sequence that is the same every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

/// Changes a few places of `bytes`: a bit, a byte, a piece left out or put in from `other`.
fn change(bytes: &mut Vec<u8>, other: &[u8], state: &mut u64) {
    for _ in 0..=next(state) % 4 {
        let at = next(state) % (bytes.len() + 1);
        let end = (at + next(state) % 64).min(bytes.len());
        match next(state) % 5 {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let from = next(state) % (other.len() + 1);
                let to = (from + next(state) % 64).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff][next(state) % 5];
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (next(state) % 8);
                }
            }
        }
    }
}

#[test]
fn every_seed_is_taken() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seed");
        target(&[]);
        for seed in &seeds {
            target(seed);
        }
    }
}

#[test]
fn changed_seeds_are_taken() {
    let is_long = std::env::var_os("SIGILLO_SLOW_TESTS").is_some();
    let count = if is_long { CHANGED_LONG } else { CHANGED };
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        for number in 0..count {
            let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut bytes = seeds[next(&mut state) % seeds.len()].clone();
            let other = &seeds[next(&mut state) % seeds.len()];
            change(&mut bytes, other, &mut state);
            let taken = std::panic::catch_unwind(|| target(&bytes));
            assert!(taken.is_ok(), "{name}, change {number}: {}", hex_of(&bytes));
        }
    }
}

fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_seeds_are_proven_so_that_changes_begin_at_what_holds() {
    use sigillo_merkle::SignedNote;
    use sigillo_proof::{Bundle, Receipt};
    for seed in seeds("bundle") {
        assert!(Bundle::parse(&seed).is_ok());
    }
    for seed in seeds("receipt") {
        assert!(Receipt::parse(&seed).is_ok());
    }
    for seed in seeds("record") {
        assert!(sigillo_ers::EvidenceRecord::read(&seed).is_ok());
    }
    assert!(seeds("checkpoint").iter().any(|seed| SignedNote::parse(seed).is_ok()));
}

#[test]
fn the_seeds_of_what_is_signed_hold() {
    use sigillo_ers::{RevocationSet, RevocationStatus, pem_blocks};
    use sigillo_formats::TrustedList;
    use sigillo_merkle::WitnessRequest;
    let signers = pem_blocks(targets::LIST_SIGNERS, "CERTIFICATE").unwrap();
    for seed in seeds("trusted_list") {
        assert!(TrustedList::read(&seed, &signers).is_ok());
    }
    let log = targets::log_key();
    let requests = seeds("witness").into_iter().map(|it| WitnessRequest::parse(&it).unwrap());
    assert!(requests.clone().any(|it| it.judge(&log, None).is_ok()));
    assert!(requests.clone().any(|it| 0 < it.old_size && it.old_size < it.checkpoint.size));
    assert!(requests.clone().any(|it| it.judge(&log, Some(&it.checkpoint)).is_ok()));
    // A list and an answer before the certificate was revoked, and the same after that.
    let (mut good, mut revoked) = (0, 0);
    for seed in seeds("revocation") {
        let mut evidence = RevocationSet::new();
        evidence.add("seed", &seed).unwrap();
        match targets::revocation_by(&evidence).first() {
            Some(RevocationStatus::Good { .. }) => good += 1,
            Some(RevocationStatus::Revoked { .. }) => revoked += 1,
            other => assert!(other.is_none(), "{other:?}"),
        }
    }
    assert_eq!((good, revoked), (2, 2));
}

#[test]
fn the_seeds_of_rotated_keys_count() {
    use sigillo_merkle::{KeysOfLog, VerifierKey};
    use sigillo_model::Entry;
    for seed in seeds("log_keys") {
        let text = String::from_utf8(seed).unwrap();
        let mut lines = text.split('\n');
        let mut keys = KeysOfLog::new(VerifierKey::parse(lines.next().unwrap()).unwrap());
        for (index, line) in (0..).zip(lines) {
            let Ok(Entry::KeyRotated(body)) = Entry::parse_line(line.as_bytes()) else { continue };
            keys.rotate(index, body.number, &body.log, &body.signature).unwrap();
        }
        assert_eq!(keys.rotations(), 2);
    }
}
