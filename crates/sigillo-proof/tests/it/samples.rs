//! Samples: drawn as the specification says and as a small program of nobody's draws them, without
//! favour, and with the chances that they are said to have.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};

use sigillo_merkle::{CosignedAt, NoteSignature, SignedNote, VerifierKey, cosignature_message};
use sigillo_model::{Sha256Digest, Signer as _};
use sigillo_proof::{
    SAMPLE_DOCUMENTS_MAX, SeedError, checkpoint_seed, detection_ppm, draw_sample, smallest_found,
    token_seed,
};
use sigillo_testkit::MemorySigner;

use crate::world::World;

const FORMAT: &str = include_str!("../../../../docs/format.md");
const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sample_oracle.py");

/// Returns the worked example of that name.
fn example(name: &str) -> &'static str {
    let (_, after) = FORMAT.split_once(&format!(" example={name}\n")).unwrap();
    after.split_once("\n```").unwrap().0
}

/// Asks the program of nobody's; an answer a line.
fn ask(cases: &[Value]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.json");
    fs::write(&file, serde_json::to_vec(cases).unwrap()).unwrap();
    let ran = Command::new("python3").arg(ORACLE).arg(file).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A witness, and its key.
struct Witness {
    signer: MemorySigner,
    key: VerifierKey,
}

impl Witness {
    fn new(name: &str, seed: u8) -> Self {
        let signer = MemorySigner::new(seed.into());
        let public_key = signer.public_key().try_into().unwrap();
        let key = VerifierKey::new_cosigner(name.to_owned(), public_key).unwrap();
        Self { signer, key }
    }

    fn cosign(&self, note: &str, seconds: u64) -> String {
        let mut note = SignedNote::parse(note.as_bytes()).unwrap();
        let at = CosignedAt::from_unix_seconds(seconds).unwrap();
        let message = cosignature_message(at, note.text.as_bytes());
        let signature = self.signer.sign(&message).unwrap().try_into().unwrap();
        note.signatures.push(NoteSignature::cosignature(&self.key, at, signature));
        String::from_utf8(note.to_bytes()).unwrap()
    }
}

#[test]
fn the_worked_example_is_drawn_as_the_page_says() {
    let archive: Value = serde_json::from_str(example("archive")).unwrap();
    let log = VerifierKey::parse(archive["keys"]["log"].as_str().unwrap()).unwrap();
    let note = format!("{}\n", example("checkpoint"));
    let seed = checkpoint_seed(note.as_bytes(), &log, &[]).unwrap().seed;
    let words: Vec<_> = (0..2_u64)
        .map(|number| {
            let block = [&seed.as_bytes()[..], &number.to_be_bytes()].concat();
            Sha256Digest::of(&block).to_string()[..16].to_owned()
        })
        .collect();
    let places = |population, count| format!("{:?}", draw_sample(seed, population, count));
    let text = format!(
        "seed                   {seed}\n\
         word 0                 {}\n\
         word 1                 {}\n\
         5 of 1000              {}\n\
         3 of 3                 {}\n\
         8 of 10                {}\n\
         299 of 100000: found   {} if 1 % is damaged, in millionths\n\
         299 of 100000: found   {} damaged with 95 % or more",
        words[0],
        words[1],
        places(1000, 5),
        places(3, 3),
        places(10, 8),
        detection_ppm(100_000, 1_000, 299),
        smallest_found(100_000, 299).unwrap(),
    );
    assert_eq!(example("sample"), text, "the page should say:\n{text}");
}

#[test]
fn a_program_that_knows_only_the_page_draws_the_same_documents() {
    let world = World::new();
    let mut log = world;
    for number in 0..5_u8 {
        log.push_line(format!("{{\"n\":{number}}}").into_bytes());
    }
    let note = log.checkpoint_of(5);
    let (prima, seconda) = (Witness::new("prima.invalid", 7), Witness::new("seconda.invalid", 8));
    let cosigned = seconda.cosign(&prima.cosign(&note, 1_790_000_000), 1_790_000_009);
    let stamped = Sha256Digest::of(b"stamped");
    let token = log.stamp(stamped).0;
    let mut cases = Vec::new();
    let mut expected = Vec::new();
    let keys = [prima.key.clone(), seconda.key.clone()];
    for (note, keys) in [
        (&note, &keys[..0]),
        (&cosigned, &keys[..0]),
        (&cosigned, &keys[..1]),
        (&cosigned, &keys[..]),
    ] {
        let names: Vec<_> = keys.iter().map(VerifierKey::name).collect();
        cases.push(json!({"note": note, "witnesses": names}));
        let seed = checkpoint_seed(note.as_bytes(), log.log_key(), keys).unwrap();
        assert_eq!(seed.witnesses.len(), keys.len());
        expected.push(seed.seed.to_string());
    }
    cases.push(json!({"token": STANDARD.encode(&token)}));
    expected.push(token_seed(&token, &log.anchors).unwrap().seed.to_string());
    for number in 0..200_u64 {
        let seed = Sha256Digest::of(&number.to_be_bytes());
        let population = [1, 2, 7, 100, 4_096, 5_000_000, (1 << 53) - 1, (1 << 63) + 1]
            [usize::try_from(number % 8).unwrap()];
        let count = number % 61 + 1;
        cases.push(json!({"seed": seed, "population": population, "count": count}));
        expected.push(serde_json::to_string(&draw_sample(seed, population, count)).unwrap());
    }
    assert_eq!(ask(&cases), expected);
}

#[test]
fn what_is_added_to_a_seed_by_who_hands_it_on_changes_nothing() {
    let mut log = World::new();
    log.push_line(b"{}".to_vec());
    let note = log.checkpoint_of(1);
    let (prima, seconda) = (Witness::new("prima.invalid", 7), Witness::new("seconda.invalid", 8));
    let seed =
        |note: &str, keys: &[VerifierKey]| checkpoint_seed(note.as_bytes(), log.log_key(), keys);
    let alone = seed(&note, &[]).unwrap().seed;
    let one = prima.cosign(&note, 1_790_000_000);
    assert_eq!(seed(&one, &[]).unwrap().seed, alone, "a cosignature that nobody asks for");
    let keys = [prima.key.clone()];
    let drawn = seed(&one, &keys).unwrap().seed;
    assert_ne!(drawn, alone);
    let more = seconda.cosign(&one, 1_790_000_001);
    assert_eq!(seed(&more, &keys).unwrap().seed, drawn);
    let twice = [prima.key.clone(), prima.key.clone()];
    assert_eq!(seed(&one, &twice).unwrap().seed, drawn);
    // In whatever order lines and keys stand.
    let both = [prima.key.clone(), seconda.key.clone()];
    let swapped = prima.cosign(&seconda.cosign(&note, 1_790_000_001), 1_790_000_000);
    let turned = [seconda.key.clone(), prima.key.clone()];
    assert_eq!(seed(&more, &both).unwrap().seed, seed(&swapped, &turned).unwrap().seed);
    // Another second is another seed: so often a witness has to be asked.
    assert_ne!(seed(&prima.cosign(&note, 1_790_000_002), &keys).unwrap().seed, drawn);
    assert!(matches!(seed(&note, &keys), Err(SeedError::Uncosigned { .. })));
    let of_log = [log.log_key().clone()];
    assert!(matches!(seed(&note, &of_log), Err(SeedError::NoWitness { .. })));
    let stranger = Witness::new("prima.invalid", 9);
    assert!(matches!(seed(&one, &[stranger.key]), Err(SeedError::Uncosigned { .. })));
    let broken = one.replace("cosign", "x").replacen("1\n", "2\n", 1);
    assert!(matches!(seed(&broken, &[]), Err(SeedError::Note(_))));
    let other = World::new();
    assert!(seed(&other.checkpoint_of(0), &[]).is_ok(), "all worlds have the same log key");
    assert!(seed("sigillo", &[]).is_err());
    let many = vec![prima.key; 33];
    assert!(matches!(seed(&one, &many), Err(SeedError::TooManyWitnesses { count: 33 })));
}

#[test]
fn a_token_draws_by_what_its_authority_alone_could_choose() {
    let world = World::new();
    let stamped = Sha256Digest::of(b"stamped");
    let (first, second) = (world.stamp(stamped).0, world.stamp(stamped).0);
    let seed = |token: &[u8]| token_seed(token, &world.anchors);
    // Nonce, serial number and time are the same in these: the signature is not.
    assert_ne!(seed(&first).unwrap().seed, seed(&second).unwrap().seed);
    assert_eq!(seed(&first).unwrap(), seed(&first).unwrap());
    let mut changed = 0;
    for at in 0..first.len() {
        let mut token = first.clone();
        token[at] ^= 1;
        match seed(&token) {
            Err(SeedError::Token(_)) => {}
            Ok(other) => {
                assert_eq!(other.seed, seed(&first).unwrap().seed, "byte {at}");
                changed += 1;
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(changed < first.len() / 2, "{changed}");
    assert!(seed(b"0").is_err());
}

#[test]
fn every_place_is_drawn_as_often_as_any_other() {
    let mut drawn = [0_u32; 7];
    for number in 0..70_000_u64 {
        let places = draw_sample(Sha256Digest::of(&number.to_be_bytes()), 7, 2);
        assert_eq!(places.len(), 2);
        for place in places {
            drawn[usize::try_from(place).unwrap()] += 1;
        }
    }
    // 20,000 expected, 120 is one standard deviation.
    assert!(drawn.iter().all(|it| (19_300..20_700).contains(it)), "{drawn:?}");
}

#[test]
fn a_sample_has_no_more_documents_than_one_may() {
    let seed = Sha256Digest::of(b"seed");
    let drawn = draw_sample(seed, 1_000_000, u64::MAX);
    assert_eq!(drawn.len() as u64, SAMPLE_DOCUMENTS_MAX);
    assert_eq!(draw_sample(seed, 0, 5), Vec::<u64>::new());
    assert_eq!(draw_sample(seed, 5, 0), Vec::<u64>::new());
    assert_eq!(draw_sample(seed, 100_000, 99_999).len(), 99_999);
}

/// Counts subsets plainly: of `population` things, `damaged` of them marked, how many of all sets of
/// `count` have a marked one, in millionths.
fn found_by_counting(population: u64, damaged: u64, count: u64) -> u64 {
    let (mut all, mut found) = (0_u64, 0_u64);
    for set in 0..1_u64 << population {
        if u64::from(set.count_ones()) == count {
            all += 1;
            found += u64::from(set & ((1 << damaged) - 1) != 0);
        }
    }
    found * 1_000_000 / all
}

#[test]
fn the_chance_is_that_of_all_samples_counted_one_by_one() {
    for population in 0..=12 {
        for damaged in 0..=population {
            for count in 0..=population {
                let counted = found_by_counting(population, damaged, count);
                assert_eq!(
                    detection_ppm(population, damaged, count),
                    counted,
                    "{population} {damaged} {count}"
                );
            }
        }
    }
    // The rule of thumb of auditors: 299 find 1 % with 95 %.
    assert!(detection_ppm(1_000_000, 10_000, 299) >= 950_000);
    assert!(detection_ppm(1_000_000, 10_000, 297) < 950_000);
    assert_eq!(smallest_found(0, 5), None);
    assert_eq!(smallest_found(5, 0), None);
    assert_eq!(smallest_found(100, 100), Some(1));
    assert_eq!(smallest_found(100, 95), Some(1));
    assert_eq!(smallest_found(100, 94), Some(2));
}

proptest! {
    #[test]
    fn more_documents_and_more_damage_are_never_found_less(
        population in 1_u64..2_000, damaged in 0_u64..2_000, count in 0_u64..2_000,
    ) {
        let chance = detection_ppm(population, damaged, count);
        prop_assert!(chance <= 1_000_000);
        prop_assert!(chance <= detection_ppm(population, damaged + 1, count));
        prop_assert!(chance <= detection_ppm(population, damaged, count + 1));
        if let Some(smallest) = smallest_found(population, count) {
            prop_assert!(detection_ppm(population, smallest, count) >= 950_000);
            prop_assert!(smallest == 1 || detection_ppm(population, smallest - 1, count) < 950_000);
        }
    }

    #[test]
    fn what_is_drawn_is_sorted_different_and_in_place(
        seed in any::<[u8; 32]>(), population in 1_u64..10_000, count in 0_u64..200,
    ) {
        let drawn = draw_sample(Sha256Digest::from_bytes(seed), population, count);
        prop_assert_eq!(drawn.len() as u64, count.min(population));
        prop_assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(drawn.iter().all(|place| *place < population));
        // One more keeps those that were drawn.
        let more = draw_sample(Sha256Digest::from_bytes(seed), population, count + 1);
        prop_assert!(drawn.iter().all(|place| more.contains(place)));
    }
}
