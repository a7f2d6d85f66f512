//! Signed notes and cosignatures, by the sentences of C2SP signed-note and tlog-cosignature.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use proptest::prelude::*;
use rstest::rstest;

use sigillo_merkle::{
    Checkpoint, CosignedAt, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, NoteError, NoteSignature,
    SignedNote, VerifierKey, VerifierKeyError, cosignature_message, empty_root,
};

/// The note in the documentation of Go's `golang.org/x/mod/sumdb/note`, with its two keys.
const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                       then you don't know what your problem is.\n";
const GO_PETER: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const GO_ENOCH: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";
const GO_PETER_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_ENOCH_KEY: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";

/// A log or a witness of these tests.
struct Party {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Party {
    fn log(name: &str, seed: u8) -> Self {
        let (pair, public_key) = pair(seed);
        Self { pair, key: VerifierKey::new_ed25519(name, public_key).unwrap() }
    }

    fn witness(name: &str, seed: u8) -> Self {
        let (pair, public_key) = pair(seed);
        Self { pair, key: VerifierKey::new_cosigner(name, public_key).unwrap() }
    }

    fn raw_signature(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().unwrap()
    }

    fn sign(&self, text: &str) -> NoteSignature {
        NoteSignature::ed25519(&self.key, self.raw_signature(text.as_bytes()))
    }

    fn cosign(&self, text: &str, seconds: u64) -> NoteSignature {
        let at = CosignedAt::from_unix_seconds(seconds).unwrap();
        let signature = self.raw_signature(&cosignature_message(at, text.as_bytes()));
        NoteSignature::cosignature(&self.key, at, signature)
    }
}

fn pair(seed: u8) -> (Ed25519KeyPair, [u8; 32]) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public_key = pair.public_key().as_ref().try_into().unwrap();
    (pair, public_key)
}

fn note(text: &str, signatures: &[NoteSignature]) -> SignedNote {
    SignedNote::new(text.to_owned(), signatures.to_vec()).unwrap()
}

fn checkpoint_text() -> String {
    Checkpoint { origin: "example.com/log".to_owned(), size: 0, root: empty_root() }.to_text()
}

#[test]
fn a_note_of_gos_documentation_is_verified() {
    let bytes = format!("{GO_TEXT}\n{GO_PETER}{GO_ENOCH}");
    let note = SignedNote::parse(bytes.as_bytes()).unwrap();
    assert_eq!(note.text, GO_TEXT);
    assert_eq!(note.to_bytes(), bytes.as_bytes());
    let keys = [GO_ENOCH_KEY, GO_PETER_KEY].map(|key| VerifierKey::parse(key).unwrap());
    let verified = note.verify(&keys).unwrap();
    let indexes: Vec<_> = verified.iter().map(|v| (v.signature_index, v.key_index)).collect();
    assert_eq!(indexes, [(0, 1), (1, 0)]);
    // One known key is enough; the other signature says nothing.
    for (known, signature_index) in [(1, 0), (0, 1)] {
        let verified = note.verify(&keys[known..=known]).unwrap();
        assert_eq!(verified.len(), 1);
        assert_eq!((verified[0].signature_index, verified[0].key_index), (signature_index, 0));
        assert_eq!(verified[0].cosigned_at, None);
    }
    assert_eq!(note.verify(&[]), Err(NoteError::NoKnownSignature));
}

#[test]
fn a_key_has_one_spelling() {
    for text in [GO_PETER_KEY, GO_ENOCH_KEY] {
        assert_eq!(VerifierKey::parse(text).unwrap().to_string(), text);
    }
    let witness = Party::witness("witness.example/w", 1).key;
    assert_eq!(VerifierKey::parse(&witness.to_string()), Ok(witness.clone()));
    assert!(witness.is_cosigner());
    let wrong_id = Err(VerifierKeyError::WrongId);
    assert_eq!(VerifierKey::parse(&GO_PETER_KEY.replace("c74f20a3", "c74f20a4")), wrong_id);
    assert_eq!(VerifierKey::parse(&GO_PETER_KEY.replace("c74f20a3", "C74F20A3")), wrong_id);
    assert_eq!(VerifierKey::parse(&GO_PETER_KEY.replace("Peter", "Pater")), wrong_id);
    for text in ["", "a", "a+b", "a+00000000", "a+00000000+", "a+00000000+AQ=="] {
        assert!(VerifierKey::parse(text).is_err(), "{text}");
    }
    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{85}b"] {
        let made = VerifierKey::new_ed25519(name, [1; 32]);
        assert_eq!(made, Err(VerifierKeyError::InvalidName), "{name:?}");
    }
}

#[test]
fn signatures_of_unknown_keys_are_ignored() {
    let (ours, theirs) = (Party::log("ours", 1), Party::log("theirs", 2));
    let mut forged = theirs.sign("text\n");
    forged.signature[0] ^= 1;
    let note = note("text\n", &[forged, ours.sign("text\n"), theirs.sign("text\n")]);
    let verified = note.verify(std::slice::from_ref(&ours.key)).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!(verified[0].signature_index, 1);
    let stranger = Party::log("stranger", 3).key;
    assert_eq!(note.verify(&[stranger]), Err(NoteError::NoKnownSignature));
}

#[test]
fn a_key_is_known_by_name_and_id_together() {
    let ours = Party::log("log", 1);
    let note = note("text\n", &[ours.sign("text\n")]);
    // The same name with another key, the same key under another name or of another kind.
    for other in [Party::log("log", 2), Party::log("logs", 1), Party::witness("log", 1)] {
        assert_ne!(other.key.id(), ours.key.id());
        assert_eq!(note.verify(&[other.key]), Err(NoteError::NoKnownSignature));
    }
    let mut renamed = ours.sign("text\n");
    renamed.name = "another".to_owned();
    let note = self::note("text\n", &[renamed]);
    assert_eq!(note.verify(&[ours.key]), Err(NoteError::NoKnownSignature));
}

#[test]
fn a_bad_signature_of_a_known_key_spoils_the_note() {
    let (one, two) = (Party::log("one", 1), Party::log("two", 2));
    let keys = [one.key.clone(), two.key.clone()];
    let spoils = |bad: NoteSignature| {
        for signatures in [vec![bad.clone(), two.sign("text\n")], vec![two.sign("text\n"), bad]] {
            let refusal = NoteError::BadSignature { name: "one".to_owned() };
            assert_eq!(note("text\n", &signatures).verify(&keys), Err(refusal));
        }
    };
    let mut flipped = one.sign("text\n");
    flipped.signature[63] ^= 1;
    spoils(flipped);
    let mut shorter = one.sign("text\n");
    shorter.signature.pop();
    spoils(shorter);
    let mut longer = one.sign("text\n");
    longer.signature.push(0);
    spoils(longer);
    spoils(one.sign("another text\n"));
    spoils(one.sign("text"));
}

#[test]
fn a_doubled_signature_counts_once_but_must_be_good() {
    let ours = Party::log("ours", 1);
    let good = ours.sign("text\n");
    let keys = [ours.key.clone(), ours.key];
    let verified = note("text\n", &[good.clone(), good.clone()]).verify(&keys).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!((verified[0].signature_index, verified[0].key_index), (0, 0));
    let mut bad = good.clone();
    bad.signature[0] ^= 1;
    let refusal = Err(NoteError::BadSignature { name: "ours".to_owned() });
    assert_eq!(note("text\n", &[good, bad]).verify(&keys), refusal);
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    let ours = Party::log("ours", 1);
    let line = String::from_utf8(note("x\n", &[ours.sign("x\n")]).to_bytes()).unwrap();
    let line = line.strip_prefix("x\n\n").unwrap().to_owned();
    // A text may have blank lines, end in some, and have lines that look like signatures.
    for text in ["a\n\nb\n", "a\n\n", "\n", "\n\n\n", &format!("a\n\n{line}"), "— x AAAAAAE=\n"] {
        let made = note(text, &[ours.sign(text)]);
        let read = SignedNote::parse(&made.to_bytes()).unwrap();
        assert_eq!(read.text, text);
        assert_eq!(read.verify(std::slice::from_ref(&ours.key)).unwrap().len(), 1);
    }
    for text in ["", "a", "a\n\nb"] {
        let made = SignedNote::new(text.to_owned(), vec![ours.sign(text)]);
        assert!(made.is_err(), "{text:?} is a text");
    }
    assert!(SignedNote::new("a\n".to_owned(), Vec::new()).is_err(), "a note nobody signed");
}

#[rstest]
#[case::no_signature("text\n\n")]
#[case::no_blank_line("text\n— ours AAAAAAE=\n")]
#[case::no_text("— ours AAAAAAE=\n")]
#[case::nothing("")]
#[case::no_final_newline("text\n\n— ours AAAAAAE=")]
#[case::hyphen("text\n\n- ours AAAAAAE=\n")]
#[case::no_space("text\n\n—ours AAAAAAE=\n")]
#[case::two_spaces("text\n\n—  ours AAAAAAE=\n")]
#[case::no_name("text\n\n— AAAAAAE=\n")]
#[case::name_with_plus("text\n\n— ou+rs AAAAAAE=\n")]
#[case::name_with_unicode_space("text\n\n— ou\u{2003}rs AAAAAAE=\n")]
#[case::trailing_space("text\n\n— ours AAAAAAE= \n")]
#[case::three_parts("text\n\n— ours AAAAAAE= AAAAAAE=\n")]
#[case::no_padding("text\n\n— ours AAAAAAE\n")]
#[case::stray_bits("text\n\n— ours AAAAAAF=\n")]
#[case::url_alphabet("text\n\n— ours _-__AAE=\n")]
#[case::id_only("text\n\n— ours AAAAAA==\n")]
#[case::not_base64("text\n\n— ours !!!!\n")]
#[case::second_line_broken("text\n\n— ours AAAAAAE=\nmore\n")]
#[case::carriage_return("text\r\n\r\n— ours AAAAAAE=\r\n")]
#[case::tab("te\txt\n\n— ours AAAAAAE=\n")]
#[case::nul("te\0xt\n\n— ours AAAAAAE=\n")]
fn what_is_no_note_is_refused(#[case] note: &str) {
    assert!(SignedNote::parse(note.as_bytes()).is_err(), "{note:?}");
    let good = "text\n\n— ours AAAAAAE=\n";
    assert!(SignedNote::parse(good.as_bytes()).is_ok());
}

#[test]
fn what_is_not_utf_8_or_too_much_is_refused() {
    let good = b"text\n\n\xe2\x80\x94 ours AAAAAAE=\n";
    assert!(SignedNote::parse(good).is_ok());
    let mut bad = good.to_vec();
    bad[1] = 0xff;
    assert_eq!(SignedNote::parse(&bad), Err(NoteError::NotUtf8));
    let line = &good[6..];
    let of = |count: usize| [&good[..6], &line.repeat(count)].concat();
    assert_eq!(SignedNote::parse(&of(NOTE_SIGNATURES_MAX)).unwrap().signatures.len(), 100);
    let many = SignedNote::parse(&of(NOTE_SIGNATURES_MAX + 1));
    assert_eq!(many, Err(NoteError::TooManySignatures));
    let long = [&vec![b'a'; NOTE_BYTES_MAX][..], &good[4..]].concat();
    assert_eq!(SignedNote::parse(&long), Err(NoteError::TooLong { length_bytes: long.len() }));
}

#[test]
fn a_witness_says_when_it_saw_the_checkpoint() {
    let text = checkpoint_text();
    let log = Party::log("example.com/log", 1);
    let (one, two) = (Party::witness("witness/one", 2), Party::witness("witness/two", 3));
    let signatures =
        [log.sign(&text), one.cosign(&text, 1_764_000_000), two.cosign(&text, i64::MAX as u64)];
    let bytes = note(&text, &signatures).to_bytes();
    let note = SignedNote::parse(&bytes).unwrap();
    let keys = [log.key, one.key, two.key];
    let times: Vec<_> = note.verify(&keys).unwrap().iter().map(|v| v.cosigned_at).collect();
    let at = CosignedAt::from_unix_seconds;
    assert_eq!(times, [None, at(1_764_000_000), at(i64::MAX as u64)]);
    assert!(at(1_764_000_000).is_some());
    assert_eq!(at(1 << 63), None);
}

#[test]
fn what_a_witness_signs_is_spelt_out() {
    let at = CosignedAt::from_unix_seconds(1_679_315_147).unwrap();
    let message = cosignature_message(at, b"example.com/behind-the-sofa\n20852163\nCsUYapGG=\n");
    let expected = "cosignature/v1\ntime 1679315147\n\
                    example.com/behind-the-sofa\n20852163\nCsUYapGG=\n";
    assert_eq!(message, expected.as_bytes());
}

#[test]
fn a_cosignature_with_another_time_text_or_form_is_refused() {
    let text = checkpoint_text();
    let witness = Party::witness("witness", 2);
    let refused = |signature: NoteSignature| {
        let refusal = Err(NoteError::BadSignature { name: "witness".to_owned() });
        assert_eq!(note(&text, &[signature]).verify(std::slice::from_ref(&witness.key)), refusal);
    };
    let good = witness.cosign(&text, 1_764_000_000);
    assert_eq!(good.signature.len(), 8 + 64);
    for place in 0..good.signature.len() {
        let mut flipped = good.clone();
        flipped.signature[place] ^= 0x80;
        refused(flipped);
    }
    refused(witness.cosign("another text\n", 1_764_000_000));
    // A plain signature of the text is not a cosignature, with or without a time before it.
    let plain = witness.raw_signature(text.as_bytes());
    refused(NoteSignature { signature: plain.to_vec(), ..good.clone() });
    refused(NoteSignature { signature: [&[0; 8][..], &plain].concat(), ..good.clone() });
    for length in [1, 7, 8, 71] {
        refused(NoteSignature { signature: good.signature[..length].to_vec(), ..good.clone() });
    }
    refused(NoteSignature { signature: [&good.signature[..], &[0]].concat(), ..good.clone() });
    // A time beyond what the specification allows, rightly signed.
    let seconds = 1_u64 << 63;
    let message = format!("cosignature/v1\ntime {seconds}\n{text}");
    let signature = witness.raw_signature(message.as_bytes());
    let signature = [&seconds.to_be_bytes()[..], &signature].concat();
    refused(NoteSignature { signature, ..good });
}

#[test]
fn a_cosignature_never_passes_for_a_signature_of_a_log() {
    let text = checkpoint_text();
    let (log, witness) = (Party::log("name", 1), Party::witness("name", 1));
    assert_eq!(log.key.public_key(), witness.key.public_key());
    let keys = [log.key.clone()];
    let cosigned = note(&text, &[witness.cosign(&text, 5)]);
    assert_eq!(cosigned.verify(&keys), Err(NoteError::NoKnownSignature));
    // Even if somebody writes the other id before it.
    let mut disguised = witness.cosign(&text, 5);
    disguised.id = log.key.id();
    let refusal = Err(NoteError::BadSignature { name: "name".to_owned() });
    assert_eq!(note(&text, &[disguised]).verify(&keys), refusal);
    let cosignature = witness.cosign(&text, 5).signature;
    assert!(witness.key.verify_cosignature(text.as_bytes(), &cosignature).is_some());
    assert_eq!(log.key.verify_cosignature(text.as_bytes(), &cosignature), None);
}

#[test]
fn a_witness_that_cosigned_twice_counts_once() {
    let text = checkpoint_text();
    let witness = Party::witness("witness", 2);
    let twice = note(&text, &[witness.cosign(&text, 7), witness.cosign(&text, 9)]);
    let verified = twice.verify(std::slice::from_ref(&witness.key)).unwrap();
    assert_eq!(verified.len(), 1);
    assert_eq!(verified[0].cosigned_at, CosignedAt::from_unix_seconds(7));
}

#[test]
fn no_flipped_bit_of_a_note_changes_what_was_signed() {
    let text = checkpoint_text();
    let (log, witness) = (Party::log("example.com/log", 1), Party::witness("witness", 2));
    let bytes = note(&text, &[log.sign(&text), witness.cosign(&text, 1_764_000_000)]).to_bytes();
    let keys = [log.key, witness.key];
    let (mut refused, mut fewer) = (0, 0);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            let read = SignedNote::parse(&flipped);
            match read.and_then(|note| note.verify(&keys).map(|verified| (note, verified))) {
                Err(_) => refused += 1,
                // A name or id flipped: the signature is nobody's, the other still counts.
                Ok((note, verified)) => {
                    assert_eq!(note.text, text, "bit {bit} of byte {place}");
                    assert_eq!(verified.len(), 1, "bit {bit} of byte {place}");
                    fewer += 1;
                }
            }
        }
    }
    assert!(fewer < refused, "{fewer} read with one signature, {refused} refused");
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(
        text in prop::collection::vec(prop_oneof![
            Just("\n"), Just("\n\n"), Just("— "), Just("a"), Just(" "), Just("AAAAAAE="), Just("+"),
            Just("é"), Just("\r"),
        ], 0..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = text.concat().into_bytes();
        let bytes = &bytes[..cut.index(bytes.len() + 1)];
        if let Ok(note) = SignedNote::parse(bytes) {
            prop_assert_eq!(note.to_bytes(), bytes);
            prop_assert!(note.verify(&[]).is_err());
        }
    }
}
