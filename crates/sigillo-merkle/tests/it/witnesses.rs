//! What witnesses are asked, when they cosign, and whose cosignatures are enough: by the sentences
//! of C2SP tlog-cosignature, tlog-witness and tlog-policy.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use rstest::rstest;

use sigillo_merkle::{
    Checkpoint, CosignedAt, MemoryTree, NoteSignature, PolicyFault, ProofError, SignedNote,
    TreeHash, VerifierKey, WITNESS_HASHES_MAX, WITNESS_REQUEST_BYTES_MAX, WitnessPolicy,
    WitnessRefusal, WitnessRequest, WitnessRequestError, consistency_path, cosignature_message,
    empty_root, leaf_hash, parse_cosigned_checkpoint, root_at, write_witness_request,
};

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

const ORIGIN: &str = "example.com/log";

/// Checkpoints that sunlight's own tests cosign (`cmd/skylight/testdata`), and their witnesses.
const SUNLIGHT: [(&str, &str); 2] = [
    (
        "rome2026h1.example.org\n300\nlCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=\n\n\
         — witness.example.org uKLPIAAAAABpVGeAhm2bOvKc3LaB9PFN1ruG19Y5yqslmcAAbhftnn1Zznmo0LXFZq4LGvqKqLX8jWlwLKasxEGTLIqAVusneCBmBw==\n",
        "witness.example.org+b8a2cf20+BFLN3yikSfFkVAJtrnh/CiY3Zozkoy7clp+P7XB28qUN",
    ),
    (
        "milan2026h1.example.org\n300\nlCkHUpkmVBEms2r2T1K6Og69+wUuuN3MIEW1/ezu2v0=\n\n\
         — witness2.example.org LlW4lgAAAABpVGeAN/uFWqfjdU94rrKxFycCggM0Sa1L5tOJCJdYBwJ41CQsgKWA6B0+vywok3cPI3JIzuPeR+VotuYe/eNy0+30Dw==\n",
        "witness2.example.org+2e55b896+BIZ7fpceQWd60IfqQeS9IAnmNOCZjMDne8lZuguz/bi9",
    ),
];

/// A log, or a witness, that signs with a key of these tests.
struct Party {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Party {
    fn log(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public_key = pair.public_key().as_ref().try_into().unwrap();
        Self { pair, key: VerifierKey::new_ed25519(ORIGIN, public_key).unwrap() }
    }

    fn witness(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public_key = pair.public_key().as_ref().try_into().unwrap();
        Self { pair, key: VerifierKey::new_cosigner(name, public_key).unwrap() }
    }

    fn sign(&self, checkpoint: &Checkpoint) -> SignedNote {
        let text = checkpoint.to_text();
        let signature = self.pair.sign(text.as_bytes()).as_ref().try_into().unwrap();
        let signature = NoteSignature::ed25519(&self.key, signature);
        SignedNote::new(text, vec![signature]).unwrap()
    }

    fn cosign(&self, text: &str) -> NoteSignature {
        let at = CosignedAt::from_unix_seconds(1_764_000_000).unwrap();
        let message = cosignature_message(at, text.as_bytes());
        let signature = self.pair.sign(&message).as_ref().try_into().unwrap();
        NoteSignature::cosignature(&self.key, at, signature)
    }
}

/// A history of the log: entries of its own from `forked_at` on.
fn tree(forked_at: u64, size: u64) -> MemoryTree {
    let entry = |index: u64| {
        let word = if index < forked_at { "entry" } else { "other" };
        leaf_hash(format!("{word} {index}").as_bytes())
    };
    (0..size).map(entry).collect()
}

fn checkpoint(tree: &MemoryTree, size: u64) -> Checkpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size, root: root_at(size, tree).unwrap() }
}

/// Asks for the checkpoint of a tree at a size, with the proof from another.
fn request(log: &Party, tree: &MemoryTree, old: u64, size: u64) -> WitnessRequest {
    let path = consistency_path(old.min(size), size, tree).unwrap();
    let note = log.sign(&checkpoint(tree, size)).to_bytes();
    let text = write_witness_request(old, &path, std::str::from_utf8(&note).unwrap());
    WitnessRequest::parse(text.as_bytes()).unwrap()
}

#[test]
fn cosignatures_of_other_software_are_verified() {
    for (note, key) in SUNLIGHT {
        let key = VerifierKey::parse(key).unwrap();
        assert!(key.is_cosigner());
        let parsed = SignedNote::parse(note.as_bytes()).unwrap();
        let verified = parsed.verify(std::slice::from_ref(&key)).unwrap();
        assert_eq!(verified[0].cosigned_at.unwrap().as_unix_seconds(), 1_767_139_200);
        let changed = note.replacen("300", "301", 1);
        let changed = SignedNote::parse(changed.as_bytes()).unwrap();
        assert!(changed.verify(std::slice::from_ref(&key)).is_err());
    }
}

/// Spells the message out by the structure of the specification.
fn ml_dsa_message(name: &str, seconds: u64, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut message = b"subtree/v1\n\0".to_vec();
    message.push(u8::try_from(name.len()).unwrap());
    message.extend(name.as_bytes());
    message.extend(seconds.to_be_bytes());
    message.push(u8::try_from(checkpoint.origin.len()).unwrap());
    message.extend(checkpoint.origin.as_bytes());
    message.extend([0; 8]);
    message.extend(checkpoint.size.to_be_bytes());
    message.extend(checkpoint.root.as_bytes());
    message
}

#[test]
fn a_cosigner_of_ml_dsa_44_vouches_for_name_origin_size_and_root() {
    let pair = PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).unwrap();
    let name = "witness.example/w2";
    let key = [&[6], pair.public_key().as_ref()].concat();
    let id = hex::encode(&sha256(&[name.as_bytes(), b"\n", &key].concat())[..4]);
    let text = format!("{name}+{id}+{}", STANDARD.encode(&key));
    let witness = VerifierKey::parse(&text).unwrap();
    assert!(witness.is_cosigner() && witness.to_string() == text);
    let tree = tree(9, 9);
    let signed = checkpoint(&tree, 7);
    let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
    pair.sign(&ml_dsa_message(name, 1_764_000_000, &signed), &mut signature).unwrap();
    let signature = [&1_764_000_000_u64.to_be_bytes()[..], &signature].concat();
    let at = witness.verify_cosignature(signed.to_text().as_bytes(), &signature).unwrap();
    assert_eq!(at.as_unix_seconds(), 1_764_000_000);
    // It does not cover extension lines, and says so in its specification.
    let extended = format!("{}extension\n", signed.to_text());
    assert!(witness.verify_cosignature(extended.as_bytes(), &signature).is_some());
    for other in [
        Checkpoint { origin: "example.com/log2".to_owned(), ..signed.clone() },
        checkpoint(&tree, 8),
        Checkpoint { root: empty_root(), ..signed.clone() },
    ] {
        assert_eq!(witness.verify_cosignature(other.to_text().as_bytes(), &signature), None);
    }
    for place in [0, 7, 8, signature.len() - 1] {
        let mut flipped = signature.clone();
        flipped[place] ^= 1;
        assert_eq!(witness.verify_cosignature(signed.to_text().as_bytes(), &flipped), None);
    }
    assert_eq!(witness.verify_cosignature(b"no checkpoint\n", &signature), None);
    // A key of another length, and a type that nobody knows.
    let cut = |kind: u8, length: usize| {
        let key = [&[kind], &key[1..length]].concat();
        let id = hex::encode(&sha256(&[name.as_bytes(), b"\n", &key].concat())[..4]);
        VerifierKey::parse(&format!("{name}+{id}+{}", STANDARD.encode(&key)))
    };
    assert!(cut(6, 1313).is_ok() && cut(4, 33).is_ok() && cut(1, 33).is_ok());
    assert!(cut(6, 1312).is_err() && cut(4, 1313).is_err() && cut(5, 33).is_err());
}

#[test]
fn a_log_that_only_grows_is_cosigned() {
    let (log, tree) = (Party::log(1), tree(40, 40));
    let mut last: Option<Checkpoint> = None;
    for size in [0, 0, 1, 7, 7, 8, 31, 32, 40] {
        let old = last.as_ref().map_or(0, |last| last.size);
        let request = request(&log, &tree, old, size);
        assert_eq!(request.judge(&log.key, last.as_ref()), Ok(()), "{old} to {size}");
        last = Some(request.checkpoint);
    }
}

#[test]
fn a_forked_a_rolled_back_and_an_unproven_log_are_refused_and_named() {
    let log = Party::log(1);
    let (honest, forked) = (tree(40, 40), tree(5, 40));
    let last = checkpoint(&honest, 20);
    // The same size with another root, whatever the proof.
    let refused = |request: WitnessRequest| request.judge(&log.key, Some(&last)).unwrap_err();
    let fork = checkpoint(&forked, 20).root;
    let expected = WitnessRefusal::Forked { size: 20, last_root: last.root, root: fork };
    for old in [20, 5, 0] {
        assert_eq!(refused(request(&log, &forked, old, 20)), expected);
    }
    assert!(expected.is_evidence());
    // Longer than what was cosigned, but not its continuation.
    let error = ProofError::RootMismatch;
    let expected = WitnessRefusal::Inconsistent { last_size: 20, size: 31, error };
    assert_eq!(refused(request(&log, &forked, 20, 31)), expected);
    assert!(expected.is_evidence());
    // Shorter.
    for tree in [&honest, &forked] {
        let expected = WitnessRefusal::RolledBack { last_size: 20, size: 19 };
        assert_eq!(refused(request(&log, tree, 19, 19)), expected);
        assert!(expected.is_evidence());
    }
    // A proof from elsewhere says nothing against the log.
    let expected = WitnessRefusal::OldSize { last_size: 20, old_size: 10 };
    assert_eq!(refused(request(&log, &honest, 10, 31)), expected);
    assert!(!expected.is_evidence());
    let first = request(&log, &honest, 10, 31).judge(&log.key, None).unwrap_err();
    assert_eq!(first, WitnessRefusal::OldSize { last_size: 0, old_size: 10 });
    let beyond = request(&log, &honest, 32, 31);
    let expected = WitnessRefusal::OldAboveNew { old_size: 32, size: 31 };
    assert_eq!(refused(beyond), expected);
    // A checkpoint of nothing with a root of something.
    let empty = Checkpoint { size: 0, ..last.clone() };
    let note = String::from_utf8(log.sign(&empty).to_bytes()).unwrap();
    let request = WitnessRequest::parse(write_witness_request(0, &[], &note).as_bytes()).unwrap();
    assert_eq!(request.judge(&log.key, None), Err(WitnessRefusal::EmptyRoot));
}

#[test]
fn only_the_log_itself_is_cosigned() {
    let (log, other, tree) = (Party::log(1), Party::log(2), tree(9, 9));
    let asked = request(&log, &tree, 0, 9);
    let stranger = asked.judge(&other.key, None).unwrap_err();
    assert!(matches!(stranger, WitnessRefusal::NotSigned(_)) && !stranger.is_evidence());
    let public_key: [u8; 32] = log.key.public_key().try_into().unwrap();
    let renamed = VerifierKey::new_ed25519("example.com/other", public_key).unwrap();
    assert_eq!(asked.judge(&renamed, None), Err(WitnessRefusal::OtherOrigin));
    let cosigner = VerifierKey::new_cosigner(ORIGIN, public_key).unwrap();
    assert_eq!(asked.judge(&cosigner, None), Err(WitnessRefusal::OtherOrigin));
    let mut forged = request(&log, &tree, 0, 9);
    forged.signed.signatures[0].signature[0] ^= 1;
    assert!(matches!(forged.judge(&log.key, None), Err(WitnessRefusal::NotSigned(_))));
    // Signatures of others below change nothing.
    let witness = Party::witness("witness", 3);
    let mut seen = request(&log, &tree, 0, 9);
    seen.signed.signatures.push(witness.cosign(&seen.signed.text));
    assert_eq!(seen.judge(&log.key, None), Ok(()));
}

#[rstest]
#[case::nothing("", WitnessRequestError::NoRequest)]
#[case::no_checkpoint("old 1\n", WitnessRequestError::NoRequest)]
#[case::no_old("new 1\n\n{note}", WitnessRequestError::OldSize)]
#[case::no_size("old \n\n{note}", WitnessRequestError::OldSize)]
#[case::zeros("old 01\n\n{note}", WitnessRequestError::OldSize)]
#[case::sign("old +1\n\n{note}", WitnessRequestError::OldSize)]
#[case::return_("old 1\r\n\n{note}", WitnessRequestError::OldSize)]
#[case::too_large("old 18446744073709551616\n\n{note}", WitnessRequestError::OldSize)]
#[case::no_hash("old 1\nAAAA\n\n{note}", WitnessRequestError::Hash { position: 0 })]
#[case::no_empty_line("old 1\n{note}", WitnessRequestError::Hash { position: 0 })]
fn what_is_no_request_is_refused(#[case] text: &str, #[case] error: WitnessRequestError) {
    let note = log_note();
    assert!(WitnessRequest::parse(format!("old 1\n\n{note}").as_bytes()).is_ok());
    let text = text.replace("{note}", &note);
    assert_eq!(WitnessRequest::parse(text.as_bytes()), Err(error), "{text}");
}

fn log_note() -> String {
    let note = Party::log(1).sign(&checkpoint(&tree(9, 9), 9));
    String::from_utf8(note.to_bytes()).unwrap()
}

#[test]
fn what_is_too_much_is_refused_unread() {
    let (hash, note) = (empty_root().to_base64(), log_note());
    let of = |count: usize| format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(count));
    assert_eq!(WitnessRequest::parse(of(WITNESS_HASHES_MAX).as_bytes()).unwrap().path.len(), 63);
    let many = WitnessRequest::parse(of(WITNESS_HASHES_MAX + 1).as_bytes());
    assert_eq!(many, Err(WitnessRequestError::TooManyHashes));
    let long = vec![b'o'; WITNESS_REQUEST_BYTES_MAX + 1];
    let refusal = WitnessRequestError::TooLong { length_bytes: long.len() };
    assert_eq!(WitnessRequest::parse(&long), Err(refusal));
    for (note, what) in [("text\n", "note"), ("no\ncheckpoint\n\n— x AAAAAAE=\n", "checkpoint")] {
        let error = WitnessRequest::parse(format!("old 1\n\n{note}").as_bytes()).unwrap_err();
        let is_it = match &error {
            WitnessRequestError::Note(_) => what == "note",
            WitnessRequestError::Checkpoint(_) => what == "checkpoint",
            _ => false,
        };
        assert!(is_it, "{error:?}");
    }
}

#[test]
fn a_cosigned_checkpoint_has_one_spelling() {
    let (log, tree) = (Party::log(1), tree(9, 9));
    let (one, two) = (Party::witness("a", 2), Party::witness("b", 3));
    let note = log.sign(&checkpoint(&tree, 9));
    let with = |lines: &[NoteSignature]| {
        let signatures = [&note.signatures[..], lines].concat();
        SignedNote { text: note.text.clone(), signatures }.to_bytes()
    };
    let (a, b) = (one.cosign(&note.text), two.cosign(&note.text));
    let keys = [one.key.clone(), two.key.clone()];
    let good = with(&[a.clone(), b.clone()]);
    let (read, times) = parse_cosigned_checkpoint(&good, &log.key, &keys).unwrap();
    assert_eq!((read, times.len()), (checkpoint(&tree, 9), 2));
    assert!(parse_cosigned_checkpoint(&note.to_bytes(), &log.key, &[]).is_ok());
    let turned = [two.key.clone(), one.key.clone()];
    let twice = [one.key.clone(), one.key.clone()];
    let bad: [(Vec<u8>, &[VerifierKey]); 8] = [
        (with(&[b.clone(), a.clone()]), &keys),
        (with(&[b.clone(), a.clone()]), &turned),
        (with(&[a.clone(), a.clone()]), &twice),
        (with(std::slice::from_ref(&a)), &keys),
        (with(&[a.clone(), b.clone()]), &keys[..1]),
        (with(std::slice::from_ref(&b)), &keys[..1]),
        (with(std::slice::from_ref(&a)), &[]),
        (
            with(&[log.sign(&checkpoint(&tree, 9)).signatures[0].clone()]),
            std::slice::from_ref(&log.key),
        ),
    ];
    for (number, (note, keys)) in bad.iter().enumerate() {
        assert!(parse_cosigned_checkpoint(note, &log.key, keys).is_err(), "{number}");
    }
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[place] ^= 1 << bit;
            let read = parse_cosigned_checkpoint(&flipped, &log.key, &keys);
            assert!(read.is_err(), "bit {bit} of byte {place}");
        }
    }
}

/// The example of the specification, with keys.
fn example() -> (String, Vec<VerifierKey>) {
    let names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"];
    let keys: Vec<_> =
        (10..).zip(names).map(|(seed, name)| Party::witness(name, seed).key).collect();
    let mut text = format!("log {} https://example.com/\n\n", Party::log(1).key);
    for (name, key) in names.iter().zip(&keys) {
        text.push_str(&format!("\twitness {name}   {key}\t \n"));
    }
    text.push_str("# 2 of X and 1 of Y\ngroup X-witnesses 2 X1 X2 X3\n");
    text.push_str("group Y-witnesses any Y1 Y2 Y3\n  group X-and-Y all X-witnesses Y-witnesses\n");
    text.push_str("quorum X-and-Y\n");
    (text, keys)
}

#[test]
fn a_quorum_is_met_by_those_it_asks_for() {
    let (text, keys) = example();
    let policy = WitnessPolicy::parse(text.as_bytes()).unwrap();
    assert_eq!((policy.logs.len(), policy.witnesses.len()), (1, 6));
    assert!(!policy.asks_for_none());
    for set in 0_u32..64 {
        let has = |at: usize| set & (1 << at) != 0;
        let met = policy.is_met(|key| has(keys.iter().position(|it| it == key).unwrap()));
        let expected = (set & 0b111).count_ones() >= 2 && set & 0b11_1000 != 0;
        assert_eq!(met, expected, "{set:06b}");
    }
    let none = WitnessPolicy::parse(b"quorum none\n").unwrap();
    assert!(none.is_met(|_| false) && none.asks_for_none());
    let single = format!("witness w {}\nquorum w\n", keys[0]);
    let single = WitnessPolicy::parse(single.as_bytes()).unwrap();
    assert!(single.is_met(|_| true) && !single.is_met(|_| false));
}

#[rstest]
#[case("", 0, PolicyFault::NoQuorum)]
#[case("quorum none", 0, PolicyFault::LastLine)]
#[case("quorum none\nquorum none\n", 2, PolicyFault::QuorumTwice)]
#[case("quorum w\n", 1, PolicyFault::UnknownName("w".to_owned()))]
#[case("group g any w\nquorum g\n", 1, PolicyFault::UnknownName("w".to_owned()))]
#[case("group g any none\nquorum g\n", 1, PolicyFault::UnknownName("none".to_owned()))]
#[case("group g any g\nquorum g\n", 1, PolicyFault::UnknownName("g".to_owned()))]
#[case("group g any\nquorum g\n", 1, PolicyFault::UnknownLine)]
#[case("quorum\n", 1, PolicyFault::UnknownLine)]
#[case("witness w\n", 1, PolicyFault::UnknownLine)]
#[case("Quorum none\n", 1, PolicyFault::UnknownLine)]
#[case("quorum none # so\n", 1, PolicyFault::UnknownLine)]
#[case("quorum none\r\n", 1, PolicyFault::ControlCharacter)]
#[case("# \u{0}\n", 1, PolicyFault::ControlCharacter)]
#[case("{w1}{w1}", 2, PolicyFault::DuplicateKey)]
#[case("{w1}{v1}", 2, PolicyFault::DuplicateKey)]
#[case("{w1}{w2}", 2, PolicyFault::DuplicateName("w".to_owned()))]
#[case("{none}", 1, PolicyFault::DuplicateName("none".to_owned()))]
#[case("{log as witness}", 1, PolicyFault::KeyType)]
#[case("{witness as log}", 1, PolicyFault::KeyType)]
#[case("{w1}group w any w\n", 2, PolicyFault::DuplicateName("w".to_owned()))]
#[case("{w1}group g any w w\n", 2, PolicyFault::MemberTwice("w".to_owned()))]
#[case("{w1}group g any w\ngroup h any w\n", 3, PolicyFault::MemberTwice("w".to_owned()))]
#[case("{w1}group g 0 w\n", 2, PolicyFault::Threshold("0".to_owned()))]
#[case("{w1}group g 2 w\n", 2, PolicyFault::Threshold("2".to_owned()))]
#[case("{w1}group g +1 w\n", 2, PolicyFault::Threshold("+1".to_owned()))]
#[case("{w1}group g most w\n", 2, PolicyFault::Threshold("most".to_owned()))]
fn what_is_no_policy_is_refused(
    #[case] text: &str,
    #[case] line: usize,
    #[case] what: PolicyFault,
) {
    let (log, one, two) = (Party::log(1), Party::witness("k", 2), Party::witness("k", 3));
    let renamed = Party::witness("another", 2);
    let text = text
        .replace("{w1}", &format!("witness w {}\n", one.key))
        .replace("{v1}", &format!("witness v {}\n", renamed.key))
        .replace("{w2}", &format!("witness w {}\n", two.key))
        .replace("{none}", &format!("witness none {}\n", one.key))
        .replace("{log as witness}", &format!("witness w {}\n", log.key))
        .replace("{witness as log}", &format!("log {}\n", one.key));
    let error = WitnessPolicy::parse(text.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.what), (line, what), "{text}");
}

proptest! {
    #[test]
    fn no_bytes_bring_the_readers_down(
        parts in prop::collection::vec(prop_oneof![
            Just("old 7"), Just("\n"), Just("\n\n"), Just("quorum "), Just("group "), Just("any "),
            Just("witness "), Just("log "), Just("none"), Just("— a AAAAAAE="), Just("9"),
            Just("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), Just("é"), Just("\t"),
        ], 0..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = parts.concat().into_bytes();
        let bytes = &bytes[..cut.index(bytes.len() + 1)];
        drop(WitnessPolicy::parse(bytes));
        if let Ok(request) = WitnessRequest::parse(bytes) {
            prop_assert!(request.judge(&Party::log(1).key, None).is_err());
            let text = write_witness_request(request.old_size, &request.path, &request.note);
            prop_assert_eq!(text.as_bytes(), bytes);
        }
    }

    #[test]
    fn a_witness_cosigns_one_history_only(
        steps in prop::collection::vec((0_u64..30, 0_u64..30, any::<bool>()), 1..20),
    ) {
        // Whatever it is asked, in any order: everything cosigned belongs to one history.
        let log = Party::log(1);
        let histories = [tree(4, 40), tree(40, 40)];
        let mut cosigned: Vec<(u64, TreeHash)> = Vec::new();
        let mut last: Option<Checkpoint> = None;
        for (old, size, honest) in steps {
            let old = if honest { last.as_ref().map_or(0, |it| it.size) } else { old };
            let asked = request(&log, &histories[usize::from(old % 2 == 0)], old, size);
            if asked.judge(&log.key, last.as_ref()).is_ok() {
                cosigned.push((asked.checkpoint.size, asked.checkpoint.root));
                last = Some(asked.checkpoint);
            }
        }
        let of = |tree: &MemoryTree| {
            cosigned.iter().all(|(size, root)| root_at(*size, tree) == Ok(*root))
        };
        prop_assert!(histories.iter().any(of));
        prop_assert!(cosigned.is_sorted_by_key(|(size, _)| *size));
    }
}
