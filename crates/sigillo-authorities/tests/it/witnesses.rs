//! The witness's key and memory: what it cosigned outlives it, and is not forgotten unnoticed.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use sigillo_authorities::{
    KeyError, OLDER_REFUSALS_MAX, REFUSALS_MAX, Witness, WitnessRefused, Witnessed,
};
use sigillo_model::{LogTime, Sha256Digest};
use tempfile::TempDir;

const ORIGIN: &str = "sigillo.invalid/un comune";

fn folder() -> (TempDir, PathBuf) {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let path = temporary.path().join("above").join("witness");
    (temporary, path)
}

fn witnessed(origin: &str, size: u64, word: &str) -> Witnessed {
    Witnessed {
        at: LogTime::new("2026-06-01T10:00:00Z".parse().expect("a time")),
        checkpoint: format!("{origin}\n{size}\n{word}\n"),
        origin: origin.to_owned(),
        root: Sha256Digest::of(word.as_bytes()),
        size,
    }
}

/// Cosigns whatever is asked.
#[track_caller]
fn check_cosigned(witness: &Witness, new: &Witnessed) {
    let cosigned =
        witness.cosign::<()>((&new.origin, None), |_| Ok((new.clone(), b"message".to_vec())));
    let signature = cosigned.expect("a memory").expect("an agreement");
    UnparsedPublicKey::new(&ED25519, witness.public_key())
        .verify(b"message", &signature)
        .expect("a true signature");
    assert_eq!(witness.last(&new.origin, None).expect("a memory").as_ref(), Some(new));
}

#[test]
fn a_witness_is_made_once_and_only_its_owner_can_read_it() {
    let (_temporary, path) = folder();
    assert!(matches!(Witness::open(&path), Err(KeyError::Missing { .. })));
    let made = Witness::create(&path, "polo.example/1").expect("a witness");
    let again = Witness::create(&path, "polo.example/1").expect("the same witness");
    assert_eq!((again.name(), again.public_key()), ("polo.example/1", made.public_key()));
    let other = Witness::create(&path, "polo.example/2").expect_err("another name");
    assert!(matches!(other, KeyError::Taken { .. }), "{other:?}");
    assert_eq!(Witness::open(&path).expect("a witness").public_key(), made.public_key());
    let key = path.join("witness.key");
    assert_eq!(fs::metadata(&key).expect("a file").permissions().mode() & 0o7777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("permissions");
    assert!(matches!(Witness::open(&path), Err(KeyError::Exposed { .. })));
}

#[test]
fn what_was_cosigned_of_each_log_outlives_the_process() {
    let (_temporary, path) = folder();
    let witness = Witness::create(&path, "w").expect("a witness");
    assert_eq!(witness.last(ORIGIN, None).expect("a memory"), None);
    check_cosigned(&witness, &witnessed(ORIGIN, 5, "a"));
    check_cosigned(&witness, &witnessed("another log", 3, "b"));
    check_cosigned(&witness, &witnessed(ORIGIN, 9, "c"));
    let reopened = Witness::open(&path).expect("a witness");
    let mut told = None;
    let refused = reopened.cosign((ORIGIN, None), |last| {
        told = last.cloned();
        Err::<(Witnessed, Vec<u8>), _>("no")
    });
    assert_eq!(refused.expect("a memory"), Err("no"));
    assert_eq!(told, Some(witnessed(ORIGIN, 9, "c")));
    let kept = reopened.last("another log", None).expect("a memory");
    assert_eq!(kept, Some(witnessed("another log", 3, "b")));
    assert_eq!(reopened.last(ORIGIN, None).expect("a memory"), Some(witnessed(ORIGIN, 9, "c")));
}

#[test]
fn a_memory_that_was_lost_changed_or_is_anothers_stops_the_witness() {
    let (_temporary, path) = folder();
    let witness = Witness::create(&path, "w").expect("a witness");
    check_cosigned(&witness, &witnessed(ORIGIN, 5, "a"));
    let file = path.join("cosigned").join(format!("{}.json", Sha256Digest::of(ORIGIN.as_bytes())));
    let whole = fs::read_to_string(&file).expect("a memory");
    let asked = || {
        let agree = |_: Option<&Witnessed>| Ok((witnessed(ORIGIN, 4, "fork"), Vec::new()));
        witness.cosign::<()>((ORIGIN, None), agree).expect_err("no cosignature")
    };
    for (text, what) in [
        (whole.replace(ORIGIN, "sigillo.invalid/un altro"), "another log"),
        (whole.replace("\"size\":5", "\"size\":5 "), "another spelling"),
        (whole[..20].to_owned(), "cut"),
    ] {
        fs::write(&file, text).expect("a file");
        assert!(matches!(asked(), KeyError::Damaged { .. }), "{what}");
    }
    fs::remove_file(&file).expect("a file");
    assert!(matches!(asked(), KeyError::Missing { .. }));
    assert!(matches!(witness.last(ORIGIN, None), Err(KeyError::Missing { .. })));
    // Another key with the memory of this one.
    let (_other, elsewhere) = folder();
    Witness::create(&elsewhere, "w").expect("a witness");
    fs::copy(elsewhere.join("witness.key"), path.join("witness.key")).expect("a copy");
    assert!(matches!(Witness::open(&path), Err(KeyError::Damaged { .. })));
}

#[test]
fn a_log_in_place_of_another_is_no_fork_of_it_if_it_is_known_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::create(&folder.path().join("witness"), "polo.example/1").unwrap();
    let last = |key| witness.last(ORIGIN, key).unwrap().map(|it| it.size);
    let cosign = |key, size| {
        let agree = |_: Option<&Witnessed>| Ok((witnessed(ORIGIN, size, "a"), b"m".to_vec()));
        witness.cosign::<()>((ORIGIN, key), agree).unwrap().unwrap();
    };
    cosign(None, 5);
    // Which key it has was not known yet: it is still that log.
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(5); 3]);
    cosign(Some("one"), 9);
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(9), Some(9), None]);
    cosign(Some("two"), 3);
    // Neither forgets, and who names no key speaks of the first.
    cosign(None, 10);
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(10), Some(10), Some(3)]);
    cosign(Some("two"), 4);
    assert_eq!([Some("one"), Some("two"), Some("three")].map(last), [Some(10), Some(4), None]);
}

#[test]
fn a_memory_that_names_no_key_is_kept_aside_only_for_who_says_that_another_log_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::create(&folder.path().join("witness"), "polo.example/1").unwrap();
    let last = |key| witness.last(ORIGIN, key).unwrap().map(|it| it.size);
    let agree =
        |size| move |_: Option<&Witnessed>| Ok((witnessed(ORIGIN, size, "a"), b"m".to_vec()));
    let cosign = |key, size| {
        witness.cosign::<()>((ORIGIN, key), agree(size)).unwrap().unwrap();
    };
    let apart = |key, size| {
        let mut before = None;
        let judge = |it: Option<&Witnessed>| {
            before = it.map(|it| it.size);
            agree(size)(it)
        };
        witness.cosign_apart::<()>((ORIGIN, key), judge).unwrap().unwrap();
        before
    };
    cosign(None, 5);
    assert_eq!(apart("two", 3), None);
    // From then on it is known without being said, and the other is what it was.
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(5), Some(5), Some(3)]);
    cosign(Some("two"), 4);
    cosign(Some("one"), 7);
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(7), Some(7), Some(4)]);
    // What was cosigned of a log under its own key is never kept aside.
    assert_eq!([apart("one", 8), apart("two", 6)], [Some(7), Some(4)]);
    let reopened = Witness::open(&folder.path().join("witness")).unwrap();
    let last = |key| reopened.last(ORIGIN, key).unwrap().map(|it| it.size);
    assert_eq!([None, Some("one"), Some("two")].map(last), [Some(8), Some(8), Some(6)]);
}

#[test]
fn nothing_is_cosigned_that_cannot_be_remembered_first() {
    let (_temporary, path) = folder();
    let witness = Witness::create(&path, "w").expect("a witness");
    check_cosigned(&witness, &witnessed(ORIGIN, 5, "a"));
    let id = Sha256Digest::of(ORIGIN.as_bytes());
    let obstacle = path.join("cosigned").join(format!("{id}.json.new"));
    fs::create_dir(&obstacle).expect("a folder in the way");
    let agree = |_: Option<&Witnessed>| Ok((witnessed(ORIGIN, 6, "b"), Vec::new()));
    let error = witness.cosign::<()>((ORIGIN, None), agree).expect_err("no cosignature");
    assert!(matches!(error, KeyError::Io { .. }), "{error:?}");
    assert_eq!(witness.last(ORIGIN, None).expect("a memory"), Some(witnessed(ORIGIN, 5, "a")));
    fs::remove_dir(&obstacle).expect("the folder");
    // Nor what could be written and never read again, nor under the name of another log.
    for (origin, size) in [(ORIGIN, 1 << 53), ("another", 6)] {
        let agree = |_: Option<&Witnessed>| Ok((witnessed(origin, size, "b"), Vec::new()));
        assert!(witness.cosign::<()>((ORIGIN, None), agree).is_err());
    }
    check_cosigned(&witness, &witnessed(ORIGIN, 6, "b"));
}

#[test]
fn what_was_refused_is_kept_once_and_not_without_end() {
    let (_temporary, path) = folder();
    let witness = Witness::create(&path, "w").expect("a witness");
    let refused = |size: u64, word: &str| WitnessRefused {
        last: Some(witnessed(ORIGIN, 5, "a")),
        reason: "a fork".to_owned(),
        refused: witnessed(ORIGIN, size, word),
        request: "old 0\n".to_owned(),
    };
    // What anybody can have refused takes no room from what contradicts.
    for (size, max) in [(4, OLDER_REFUSALS_MAX), (6, REFUSALS_MAX)] {
        for number in 0..max + 5 {
            let kept = witness.keep_refusal(&refused(size, &number.to_string())).expect("a file");
            assert_eq!(kept.is_some(), number < max, "{size}: {number}");
        }
    }
    let refusal = |word: &str| refused(5, word);
    let file = witness.keep_refusal(&refusal("fork")).expect("a file").expect("kept");
    let kept = fs::read_to_string(&file).expect("a refusal");
    assert!(kept.contains("a fork") && kept.contains(&format!("{ORIGIN}\\n5\\nfork\\n")), "{kept}");
    assert_eq!(witness.keep_refusal(&refusal("fork")).expect("a file"), Some(file.clone()));
    let count = || file.parent().expect("a folder").read_dir().expect("files").count();
    assert_eq!(count(), 1 + OLDER_REFUSALS_MAX + REFUSALS_MAX);
    for number in 0..REFUSALS_MAX + 5 {
        let kept = witness.keep_refusal(&refusal(&number.to_string())).expect("a file");
        assert_eq!(kept.is_some(), number + 1 < REFUSALS_MAX, "{number}");
    }
}

#[test]
fn witnesses_at_the_same_time_never_cosign_two_histories() {
    const SIZES: u64 = 60;
    let (_temporary, path) = folder();
    Witness::create(&path, "w").expect("a witness");
    let cosigned = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for word in ["a", "b"] {
            // Each with a folder of its own, as two processes have; they tell of two histories.
            let witness = Witness::open(&path).expect("a witness");
            let cosigned = &cosigned;
            scope.spawn(move || {
                for size in 1..=SIZES {
                    let judge = |last: Option<&Witnessed>| match last {
                        Some(last) if !last.checkpoint.ends_with(&format!("\n{word}\n")) => Err(()),
                        Some(last) if last.size >= size => Err(()),
                        _ => Ok((witnessed(ORIGIN, size, word), Vec::new())),
                    };
                    if witness.cosign((ORIGIN, None), judge).expect("a memory").is_ok() {
                        cosigned.lock().expect("a list").push((word, size));
                    }
                }
            });
        }
    });
    let cosigned = cosigned.into_inner().expect("a list");
    assert_eq!(cosigned.len() as u64, SIZES, "{cosigned:?}");
    assert!(cosigned.iter().all(|(word, _)| *word == cosigned[0].0), "{cosigned:?}");
}
