//! Making, completing, opening and refusing key folders.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use jiff::Timestamp;
use rstest::rstest;
use sigillo_authorities::{Authorities, KeyError, KeyFolder, SignedHead};
use sigillo_model::{Clock, ErrorKind, Sha256Digest};

use crate::support::{CountingEntropy, ENTITY, FixedClock, TestFolder, create, openssl};

/// Every file of a key folder, in the order in which they are made.
const FILES: [&str; 9] = [
    "commit.key",
    "last-signed.json",
    "log.key",
    "seal.key",
    "tsa.key",
    "root.key",
    "root.pem",
    "tsa.pem",
    "seal.pem",
];

/// The private ones among them.
const KEYS: [&str; 5] = ["commit.key", "log.key", "seal.key", "tsa.key", "root.key"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

/// Writes as the owner's own file.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    set_mode(path, 0o600);
}

/// A clock that stands at an instant.
#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[test]
fn certificates_that_end_soon_or_are_not_valid_yet_are_made_anew_for_the_next_log() {
    let folder = TestFolder::new();
    let seal = read(&folder.path.join("seal.pem"));
    // The certificates are valid for ten years, and were made by a clock that may have been ahead.
    for (day, goes_on) in
        [("2025-01-01", false), ("2035-05-01", true), ("2035-08-01", false), ("2040-01-01", false)]
    {
        let at = At(format!("{day}T00:00:00Z").parse().expect("a time"));
        let next = folder.path.with_file_name(format!("next-{day}"));
        let (old, entropy) = (Some(folder.path.as_path()), CountingEntropy::default());
        KeyFolder::create_successor(&next, old, ENTITY, &at, &entropy).expect("a key folder");
        assert_eq!(read(&next.join("seal.pem")) == seal, goes_on, "{day}");
        assert_ne!(read(&next.join("log.key")), read(&folder.path.join("log.key")), "{day}");
    }
}

#[test]
fn a_new_folder_holds_every_key_and_only_its_owner_can_read_it() {
    let folder = TestFolder::new();
    assert_eq!(mode(&folder.path), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder.path).expect("a folder") {
        let entry = entry.expect("a file");
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().expect("a name"));
    }
    names.sort_unstable();
    let mut expected = [&FILES[..], &["lock"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn an_opened_folder_has_the_keys_that_were_made() {
    let made = TestFolder::new();
    let opened = KeyFolder::open(&made.path).expect("a complete folder");
    let keys = &made.keys;
    assert_eq!(opened.commit_signer().public_key(), keys.commit_signer().public_key());
    assert_eq!(opened.log_signer().public_key(), keys.log_signer().public_key());
    assert_eq!(opened.seal().signer.public_key(), keys.seal().signer.public_key());
    assert_eq!(opened.seal().certificate_der, keys.seal().certificate_der);
    assert_eq!(opened.seal_pem(), keys.seal_pem());
    assert_eq!(opened.trial_root_pem(), keys.trial_root_pem());
    assert_eq!(KeyFolder::read_trial_root(keys.path()).unwrap(), keys.trial_root_pem());
    assert_eq!(opened.log_signer().last_signed().expect("a memory"), None);
}

#[test]
fn keys_sign_with_the_algorithms_that_they_are_for() {
    let keys = TestFolder::new().keys;
    let commit = keys.commit_signer();
    let signature = commit.sign(b"commit").expect("a signature");
    assert_eq!((commit.public_key().len(), signature.len()), (32, 64));
    let verifier = UnparsedPublicKey::new(&ED25519, commit.public_key());
    verifier.verify(b"commit", &signature).expect("a true signature");
    verifier.verify(b"other", &signature).expect_err("a signature of something else");

    let seal = keys.seal().signer;
    let signature = seal.sign(b"seal").expect("a signature");
    assert_eq!(seal.public_key().len(), 65);
    let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, seal.public_key());
    verifier.verify(b"seal", &signature).expect("a true signature");
}

#[test]
fn no_debug_text_shows_a_private_key() {
    let folder = TestFolder::new();
    let shown = format!("{:?} {:?}", folder.keys, folder.authority());
    for file in KEYS {
        let text = read(&folder.file(file));
        let secret = text.lines().nth(1).expect("base64");
        assert!(!shown.contains(secret));
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}

#[test]
fn creating_again_changes_nothing() {
    let folder = TestFolder::new();
    let before = FILES.map(|file| read(&folder.file(file)));
    create(&folder.path).expect("the same folder");
    assert_eq!(FILES.map(|file| read(&folder.file(file))), before);
}

#[tokio::test]
async fn whatever_a_crash_leaves_is_completed_with_the_keys_that_exist() {
    let whole = TestFolder::new();
    for count in 0..=FILES.len() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let path = temporary.path().join("keys");
        fs::create_dir(&path).expect("a folder");
        set_mode(&path, 0o700);
        for file in &FILES[..count] {
            write_private(&path.join(file), &read(&whole.file(file)));
        }
        if let Some(next) = FILES.get(count) {
            let half = &read(&whole.file(next))[..20];
            write_private(&path.join(format!("{next}.new")), half);
        }

        let keys = create(&path).unwrap_or_else(|error| panic!("after {count} files: {error}"));
        for file in FILES[..count].iter().filter(|file| **file != "last-signed.json") {
            assert_eq!(read(&path.join(file)), read(&whole.file(file)), "{file} of {count}");
        }
        // The certificates belong to each other, whichever were made when.
        let completed = TestFolder::of(temporary, path, keys);
        let authorities = Authorities::new(
            vec![std::sync::Arc::new(completed.authority())],
            completed.anchors(),
            jiff::SignedDuration::from_secs(1),
        );
        let (imprint, entropy) = (Sha256Digest::of(b"imprint"), CountingEntropy::default());
        let stamped = authorities.stamp(imprint, &FixedClock, &entropy).await;
        stamped.unwrap_or_else(|error| panic!("after {count} files: {error}"));
        for file in FILES {
            assert!(!completed.file(&format!("{file}.new")).exists(), "{file}.new is left");
        }
    }
}

#[test]
fn processes_that_create_at_once_end_up_with_the_same_keys() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let path = temporary.path().join("keys");
    let made: Vec<KeyFolder> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| create(&path))).collect();
        threads.into_iter().map(|t| t.join().expect("no panic").expect("a folder")).collect()
    });
    for keys in &made {
        assert_eq!(keys.commit_signer().public_key(), made[0].commit_signer().public_key());
        assert_eq!(keys.log_signer().public_key(), made[0].log_signer().public_key());
        assert_eq!(keys.seal_pem(), made[0].seal_pem());
    }
}

#[test]
fn a_key_that_is_lost_from_a_folder_in_use_is_not_replaced() {
    for file in FILES {
        let folder = TestFolder::new();
        let head = SignedHead { size: 1, root: Sha256Digest::of(b"root") };
        folder.keys.log_signer().sign(head, b"text", &mut |_| false).expect("a signature");
        fs::remove_file(folder.file(file)).expect("a file");
        let error = create(&folder.path).expect_err("a refusal");
        assert!(matches!(error, KeyError::Missing { .. }), "{file}: {error:?}");
        assert!(error.to_string().contains(file), "{error}");
        assert!(!folder.file(file).exists(), "{file} was made anew");
    }
}

#[test]
fn a_memory_that_is_lost_is_noticed_although_nothing_was_signed() {
    let folder = TestFolder::new();
    fs::remove_file(folder.file("last-signed.json")).expect("a file");
    for error in [create(&folder.path), KeyFolder::open(&folder.path)] {
        let error = error.expect_err("a refusal");
        assert!(error.to_string().contains("last-signed.json does not exist"), "{error}");
    }
}

#[rstest]
#[case("", 0o755, "chmod 700")]
#[case("", 0o701, "chmod 700")]
#[case("commit.key", 0o640, "chmod 600")]
#[case("log.key", 0o604, "chmod 600")]
#[case("seal.key", 0o644, "chmod 600")]
#[case("tsa.key", 0o620, "chmod 600")]
#[case("root.key", 0o602, "chmod 600")]
#[case("root.pem", 0o644, "chmod 600")]
#[case("tsa.pem", 0o644, "chmod 600")]
#[case("seal.pem", 0o644, "chmod 600")]
#[case("last-signed.json", 0o660, "chmod 600")]
fn what_others_can_reach_is_refused_until_it_is_mended(
    #[case] file: &str,
    #[case] exposed: u32,
    #[case] remedy: &str,
) {
    let folder = TestFolder::new();
    let path = if file.is_empty() { folder.path.clone() } else { folder.file(file) };
    let right = mode(&path);
    set_mode(&path, exposed);
    for result in [KeyFolder::open(&folder.path), create(&folder.path)] {
        let error = result.expect_err("a refusal");
        assert!(matches!(error, KeyError::Exposed { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let words = error.to_string();
        assert!(words.contains(&format!("`{remedy} '{}'`", path.display())), "{words}");
    }
    set_mode(&path, right);
    KeyFolder::open(&folder.path).expect("a mended folder");
}

#[test]
fn a_folder_that_is_not_there_is_said_so() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let error = KeyFolder::open(&temporary.path().join("none")).expect_err("a refusal");
    assert!(matches!(error, KeyError::Missing { .. }), "{error:?}");
    let file = temporary.path().join("file");
    write_private(&file, "");
    assert!(KeyFolder::open(&file).is_err());
    assert!(create(&file).is_err());
}

#[rstest]
fn a_damaged_file_is_named(
    #[values(
        "commit.key",
        "log.key",
        "seal.key",
        "tsa.key",
        "root.key",
        "root.pem",
        "tsa.pem",
        "seal.pem",
        "last-signed.json"
    )]
    file: &str,
) {
    let folder = TestFolder::new();
    let text = read(&folder.file(file));
    let half = &text[..text.len() / 2];
    for damaged in ["", "garbage", half, &"x".repeat(1 << 20)] {
        write_private(&folder.file(file), damaged);
        let error = KeyFolder::open(&folder.path).expect_err("a refusal");
        assert!(matches!(error, KeyError::Damaged { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Integrity);
        let path = folder.file(file);
        assert!(error.to_string().starts_with(&format!("{} is", path.display())), "{error}");
    }
    fs::write(folder.file(file), b"\xff\xfe").expect("a file");
    assert!(matches!(KeyFolder::open(&folder.path), Err(KeyError::Damaged { .. })));
}

#[rstest]
fn no_changed_letter_changes_a_key_unnoticed(
    #[values("commit.key", "log.key", "seal.key", "tsa.key")] file: &str,
) {
    let folder = TestFolder::new();
    let text = read(&folder.file(file));
    let public_keys = |keys: &KeyFolder| {
        let log = keys.log_signer().public_key().to_vec();
        let seal = keys.seal();
        (keys.commit_signer().public_key(), log, seal.signer.public_key(), seal.certificate_der)
    };
    let before = public_keys(&folder.keys);
    for index in (0..text.len()).filter(|index| text.as_bytes()[*index].is_ascii_alphanumeric()) {
        let mut changed = text.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        write_private(&folder.file(file), &String::from_utf8(changed).expect("ASCII"));
        match KeyFolder::open(&folder.path) {
            Err(error) => assert!(matches!(error, KeyError::Damaged { .. }), "{error:?}"),
            Ok(keys) => assert_eq!(public_keys(&keys), before, "letter {index}"),
        }
    }
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (folder, other) = (TestFolder::new(), TestFolder::new());
    for file in ["root.pem", "tsa.pem", "seal.pem"] {
        let own = read(&folder.file(file));
        write_private(&folder.file(file), &read(&other.file(file)));
        let error = KeyFolder::open(&folder.path).expect_err("a refusal");
        assert!(matches!(error, KeyError::Mismatch { .. }), "{error:?}");
        assert!(error.to_string().contains(file), "{error}");
        write_private(&folder.file(file), &own);
    }
    let own = read(&folder.file("last-signed.json"));
    write_private(&folder.file("last-signed.json"), &read(&other.file("last-signed.json")));
    let error = KeyFolder::open(&folder.path).expect_err("a refusal");
    assert!(error.to_string().contains("belongs to another log key"), "{error}");
    write_private(&folder.file("last-signed.json"), &own);
    KeyFolder::open(&folder.path).expect("the folder as it was");
}

#[rstest]
#[case("")]
#[case(" ")]
#[case("two\nlines")]
#[case("escape \u{1b}[31m")]
fn a_name_that_cannot_stand_in_a_certificate_is_refused_before_anything_is_made(
    #[case] entity: &str,
) {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let path = temporary.path().join("keys");
    let entropy = CountingEntropy::default();
    let error = KeyFolder::create(&path, entity, &FixedClock, &entropy).expect_err("a refusal");
    assert!(matches!(error, KeyError::Entity { .. }), "{error:?}");
    assert!(!error.to_string().contains(char::is_control), "{error}");
    assert!(!path.exists());
}

#[test]
fn certificates_are_not_completed_for_another_entity() {
    let folder = TestFolder::new();
    fs::remove_file(folder.file("seal.pem")).expect("a file");
    let entropy = CountingEntropy::default();
    let error = KeyFolder::create(&folder.path, "Comune di Altrove", &FixedClock, &entropy)
        .expect_err("a refusal");
    assert!(error.to_string().contains("made for another entity"), "{error}");
    assert!(!folder.file("seal.pem").exists());
    create(&folder.path).expect("the entity of the root");
}

#[rstest]
#[case("root.pem", "TRIAL root", "2046")]
#[case("tsa.pem", "TRIAL TSA", "2036")]
#[case("seal.pem", "TRIAL seal", "2036")]
fn openssl_reads_the_certificates_and_keys(
    #[case] file: &str,
    #[case] role: &str,
    #[case] last_year: &str,
) {
    let folder = TestFolder::new();
    let path = folder.file(file);
    let path = path.to_str().expect("a path");
    let options = ["-noout", "-subject", "-enddate", "-nameopt", "utf8,-esc_msb"];
    let Some(shown) = openssl(&[&["x509", "-in", path], &options[..]].concat()) else { return };
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("{role}, {ENTITY}")), "{shown}");
    assert!(shown.contains(&format!("{last_year} GMT")), "{shown}");
    for key in KEYS {
        let key = folder.file(key);
        let read = openssl(&["pkey", "-in", key.to_str().expect("a path"), "-check", "-noout"]);
        let read = read.expect("openssl was there a moment ago");
        assert!(read.status.success(), "{key:?}: {}", String::from_utf8_lossy(&read.stderr));
    }
}

#[test]
fn a_long_name_is_cut_to_what_a_certificate_holds() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let (path, entity) = (temporary.path().join("keys"), "è".repeat(300));
    let entropy = CountingEntropy::default();
    KeyFolder::create(&path, &entity, &FixedClock, &entropy).expect("a folder");
}
