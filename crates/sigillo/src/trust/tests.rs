//! What is believed of an archive: joining what two files say, and comparing it with what is shown.

use std::sync::Arc;

use sigillo_authorities::{KeyFolder, SignedHead};
use sigillo_evidence_log::{LogKeys, LogWriter, NewArchive, read_view, rotate_log_key};
use sigillo_merkle::{NoteSignature, rotation_text};
use sigillo_model::{Entity, Signer as _};
use sigillo_store::Store;
use sigillo_testkit::{ManualClock, MemorySigner, SeededEntropy};
use tempfile::TempDir;

use super::*;
use crate::trust_ends::{allows, is_end};

const ID: &str = "00112233445566778899aabbccddeeff";

fn origin(generation: u64) -> String {
    let first = format!("sigillo.invalid/{ID}");
    if generation == 1 { first } else { format!("{first}/g{generation}") }
}

fn key(name: &str, seed: u64) -> VerifierKey {
    let public_key = MemorySigner::new(seed).public_key().try_into().unwrap();
    VerifierKey::new_ed25519(name.to_owned(), public_key).unwrap()
}

/// Rotates from the key of each seed to that of the next.
fn rotations(origin: &str, seeds: &[u64]) -> Vec<TrustedRotation> {
    let pairs = seeds.iter().zip(seeds.iter().skip(1));
    let rotated = (1..).zip(pairs).map(|(number, (old, new))| {
        let (text, signer) = (rotation_text(number, &key(origin, *new)), MemorySigner::new(*old));
        let signature = signer.sign(text.as_bytes()).unwrap().try_into().unwrap();
        let line = NoteSignature::ed25519(&key(origin, *old), signature).to_line();
        TrustedRotation {
            index: 10 * number,
            log: key(origin, *new).to_string(),
            number,
            signature: line.trim_end().to_owned(),
        }
    });
    rotated.collect()
}

/// An archive whose first log had the keys of these seeds.
fn file(seeds: &[u64]) -> Trusted {
    let (origin, rotations) = (origin(1), rotations(&origin(1), seeds));
    let first = key(&origin, seeds[0]).to_string();
    Trusted {
        anchors: Vec::new(),
        archive: ID.parse().unwrap(),
        commit: key(&format!("{origin}/commit"), 99).to_string(),
        entity: "Comune di Prova".to_owned(),
        format: 1,
        log: rotations.last().map_or_else(|| first.clone(), |it| it.log.clone()),
        rotated: (!rotations.is_empty()).then_some(TrustedRotations { first, rotations }),
        successors: Vec::new(),
        trial: true,
    }
}

fn end(size: u64) -> TrustedEnd {
    TrustedEnd {
        at: LogTime::new("2026-11-29T08:00:00Z".parse().unwrap()),
        reason: SuccessionReason::KeysExposed,
        root: Sha256Digest::of(b"root"),
        size,
    }
}

fn next(generation: u64, seeds: &[u64], before: Option<TrustedEnd>) -> TrustedSuccessor {
    let origin = origin(generation);
    TrustedSuccessor {
        commit: key(&format!("{origin}/commit"), 99 + generation).to_string(),
        generation,
        log: key(&origin, seeds[0]).to_string(),
        before,
        rotations: rotations(&origin, seeds),
    }
}

/// Joins two files in both orders, which must come to the same.
fn joined(one: &Trusted, two: &Trusted) -> Result<Trusted, String> {
    let [there, back] = [(one, two), (two, one)].map(|(one, two)| one.clone().joined(two));
    assert_eq!(there, back);
    there
}

#[test]
fn what_tells_more_counts_whatever_came_first() {
    let (young, old) = (file(&[1]), file(&[1, 2, 3]));
    assert_eq!(joined(&young, &old).unwrap(), old);
    assert_eq!(joined(&file(&[1, 2]), &old).unwrap(), old);
    let with = |successors: Vec<TrustedSuccessor>| Trusted { successors, ..old.clone() };
    let bare = with(vec![next(2, &[5], None)]);
    let whole = with(vec![next(2, &[5, 6], Some(end(30))), next(3, &[7], None)]);
    for less in [&young, &old, &bare, &with(vec![next(2, &[5, 6], None)]), &whole] {
        assert_eq!(joined(less, &whole).unwrap(), whole);
    }
    // Each knows something that the other does not know.
    let parts = [with(vec![next(2, &[5, 6], None)]), with(vec![next(2, &[5], Some(end(30)))])];
    let both = with(vec![next(2, &[5, 6], Some(end(30)))]);
    assert_eq!(joined(&parts[0], &parts[1]).unwrap(), both);
    let mut earlier = next(2, &[5], Some(end(30)));
    let at = LogTime::new("2026-11-28T08:00:00Z".parse().unwrap());
    earlier.before.as_mut().unwrap().at = at;
    let joined = joined(&with(vec![earlier]), &both).unwrap();
    assert_eq!(joined.successors[0].before.as_ref().unwrap().at, at);
}

#[test]
fn what_contradicts_what_is_known_is_not_taken_in() {
    let known = Trusted { successors: vec![next(2, &[5, 6], Some(end(30)))], ..file(&[1, 2]) };
    let with = |successor| Trusted { successors: vec![successor], ..known.clone() };
    let mut otherwise = with(next(2, &[5, 6], Some(end(30))));
    otherwise.successors[0].before.as_mut().unwrap().reason = SuccessionReason::TailLost;
    let mut later = file(&[1, 2]);
    later.rotated.as_mut().unwrap().rotations[0].index += 1;
    let commit =
        Trusted { commit: key("sigillo.invalid/x/commit", 5).to_string(), ..file(&[1, 2]) };
    for (other, what) in [
        (file(&[4]), "the keys of its log"),
        (file(&[1, 3]), "the keys of its log"),
        (file(&[2]), "the keys of its log"),
        (later, "the keys of its log"),
        (commit, "the key of its commits"),
        (with(next(2, &[7], None)), "the keys of log 2"),
        (with(next(2, &[5, 7], None)), "the keys of log 2"),
        (with(next(2, &[5], Some(end(31)))), "the end of log 1"),
        (otherwise, "the end of log 1"),
    ] {
        assert_eq!(joined(&known, &other), Err(what.to_owned()));
    }
}

#[test]
fn a_file_speaks_for_the_logs_of_its_own_archive_only() {
    let known = Trusted { successors: vec![next(2, &[5, 6], Some(end(30)))], ..file(&[1, 2]) };
    assert_eq!(known.stranger(), None);
    let foreign = |name: &str| key(name, 7).to_string();
    let others = "sigillo.invalid/ffeeddccbbaa99887766554433221100";
    let rotated = |first: String| known.rotated.clone().map(|it| TrustedRotations { first, ..it });
    let with = |change: &dyn Fn(&mut Trusted)| {
        let mut this = known.clone();
        change(&mut this);
        this
    };
    for changed in [
        with(&|it| it.log = foreign(others)),
        with(&|it| it.log = foreign(&origin(2))),
        with(&|it| it.commit = foreign(&format!("{others}/commit"))),
        with(&|it| it.commit = foreign(&origin(1))),
        with(&|it| it.rotated = rotated(foreign(others))),
        with(&|it| it.successors[0].log = foreign(&format!("{others}/g2"))),
        with(&|it| it.successors[0].log = foreign(&origin(3))),
        with(&|it| it.successors[0].commit = foreign(&format!("{others}/g2/commit"))),
        with(&|it| it.archive = "ffeeddccbbaa99887766554433221100".parse().unwrap()),
    ] {
        assert!(changed.stranger().is_some(), "{changed:?}");
        assert!(changed.check().is_err(), "{changed:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        std::fs::write(&path, changed.to_json()).unwrap();
        let error = crate::trust_store::read_trusted(&path).unwrap_err();
        assert!(error.words[0].starts_with("TRUST_UNUSABLE"), "{error:?}");
    }
}

#[test]
fn of_a_log_whose_keys_others_may_have_only_its_end_is_vouched_for() {
    let (root, other) = (Sha256Digest::of(b"root"), Sha256Digest::of(b"other"));
    for (reason, before) in [
        (SuccessionReason::KeysExposed, false),
        (SuccessionReason::LogForked, false),
        (SuccessionReason::KeysLost, true),
        (SuccessionReason::TailLost, true),
    ] {
        let end = TrustedEnd { reason, ..end(30) };
        let heads = [(29, other), (30, root), (30, other), (31, other)];
        let heads = heads.map(|(size, root)| SignedHead { size, root });
        let allowed = heads.map(|head| allows(&end.ended(), head));
        assert_eq!(allowed, [before, true, false, false], "{reason:?}");
        // A witness cosigns no more than that, whatever ended it.
        let cosigned = heads.map(|head| is_end(&end.ended(), head));
        assert_eq!(cosigned, [false, true, false, false], "{reason:?}");
    }
}

#[test]
fn of_older_logs_too_whose_keys_lie_beside_those() {
    let (before, other) = (SignedHead { size: 29, root: Sha256Digest::of(b"other") }, origin(7));
    let ended = TrustedEnd { reason: SuccessionReason::CertificatesEnded, ..end(30) };
    let second = next(2, &[5], Some(ended));
    let known = Trusted { successors: vec![second.clone()], ..file(&[1]) };
    let (reason, end_of_first) = known.end_of_origin(&origin(1)).unwrap();
    assert_eq!(reason, SuccessionReason::CertificatesEnded);
    assert!(allows(&end_of_first, before));
    let exposed = Trusted { successors: vec![second, next(3, &[6], Some(end(9)))], ..file(&[1]) };
    assert!(!allows(&exposed.end_of_origin(&origin(1)).unwrap().1, before));
    assert!(!allows(
        &exposed.end_of_origin(&origin(2)).unwrap().1,
        SignedHead { size: 8, ..before }
    ));
    assert_eq!((exposed.end_of_origin(&origin(3)), exposed.end_of_origin(&other)), (None, None));
}

#[test]
fn all_files_of_one_archive_are_joined_and_two_that_contradict_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::trust_store::TrustStore::in_folder(folder.path().to_owned());
    let write = |name: &str, trusted: &Trusted| {
        std::fs::write(folder.path().join(name), trusted.to_json()).unwrap();
    };
    let (young, old) =
        (file(&[1]), Trusted { successors: vec![next(2, &[5], Some(end(30)))], ..file(&[1, 2]) });
    for (first, last) in [(&young, &old), (&old, &young)] {
        write("a.json", first);
        write("z.json", last);
        assert_eq!(store.joined_of(old.archive).unwrap().as_ref(), Some(&old));
    }
    write("m.json", &file(&[3]));
    let error = store.joined_of(old.archive).unwrap_err();
    assert!(error.words[0].contains("a.json") && error.words[0].contains("m.json"), "{error:?}");
}

#[test]
fn nothing_that_is_known_of_an_end_is_lost_by_adding_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::trust_store::TrustStore::in_folder(folder.path().to_owned());
    let with = |before| Trusted { successors: vec![next(2, &[5], before)], ..file(&[1]) };
    let known = with(Some(end(30)));
    assert_eq!(store.add(&known).unwrap(), known);
    assert_eq!(store.add(&with(None)).unwrap(), known);
    let error = store.add(&with(Some(end(31)))).unwrap_err();
    assert!(error.words[0].contains("the end of log 1"), "{error:?}");
    assert_eq!(store.list().unwrap(), [known]);
}

/// An archive in memory, and the folder of its keys.
struct World {
    log: LogWriter,
    keys: KeyFolder,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting("2026-11-25T08:00:00Z");
        let entropy = SeededEntropy::new(1);
        let keys =
            KeyFolder::create(&folder.path().join("keys"), "Prova", &clock, &entropy).unwrap();
        let new = NewArchive {
            entity: Entity { ipa: None, name: "Prova".to_owned() },
            commit_key: keys.commit_signer().public_key().try_into().unwrap(),
            log_key: keys.log_signer().public_key(),
            seal_pem: keys.seal_pem().to_owned(),
            trial: true,
        };
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        let store = Store::memory(tokio::runtime::Handle::current());
        let archive = new.create(store, at, &entropy).await.unwrap();
        let signers = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        let log = LogWriter::open(archive, signers, Arc::new(clock), &entropy, 0).await.unwrap();
        Self { log, keys, _folder: folder }
    }

    async fn rotate(&mut self) {
        rotate_log_key(&mut self.log, &self.keys.log_signer()).await.unwrap();
    }

    async fn exported(&self) -> Trusted {
        let archive = self.log.archive();
        let view = read_view(archive).await.unwrap();
        Trusted::of(archive, Vec::new()).rotated_by(archive, &view)
    }
}

#[tokio::test]
async fn who_knows_of_a_rotation_believes_only_what_has_it() {
    let mut world = World::new().await;
    let before = world.exported().await;
    assert!(before.matches(world.log.archive()));
    let cut = Archive::open(world.log.archive().store().clone()).await.unwrap();
    world.rotate().await;
    let after = world.exported().await;
    for known in [&before, &after] {
        assert!(known.matches(world.log.archive()), "{known:?}");
    }
    // Nothing was read of it yet: so it looks to who cuts it off before the rotation, or goes on
    // from there with the older key.
    assert!(before.matches(&cut) && after.vouches_for_newest(&cut) && !after.matches(&cut));
    let mut elsewhere = after.clone();
    elsewhere.rotated.as_mut().unwrap().rotations[0].index += 1;
    assert!(!elsewhere.matches(world.log.archive()));
    let commit = key(VerifierKey::parse(&before.commit).unwrap().name(), 7).to_string();
    assert!(!Trusted { commit, ..before }.matches(&cut));
}

#[tokio::test]
async fn what_lay_beyond_the_end_of_a_log_is_not_missed_in_it() {
    let mut world = World::new().await;
    let cut = Archive::open(world.log.archive().store().clone()).await.unwrap();
    world.rotate().await;
    let mut known = world.exported().await;
    let index = known.rotated.as_ref().unwrap().rotations[0].index;
    let rotations_with = |before: Option<TrustedEnd>, known: &mut Trusted| {
        known.successors = vec![next(2, &[5], before)];
        known.believed(&cut)[0].1.log.rotations()
    };
    let lost = |reason, size| Some(TrustedEnd { reason, ..end(size) });
    for (before, expected) in [
        (None, 1),
        (lost(SuccessionReason::BackupRestored, index + 1), 1),
        (lost(SuccessionReason::BackupRestored, index), 0),
        (lost(SuccessionReason::KeysExposed, index + 1), 0),
    ] {
        assert_eq!(rotations_with(before.clone(), &mut known), expected, "{before:?}");
    }
}

#[test]
fn members_that_are_not_known_are_named_and_files_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let known = Trusted { successors: vec![next(2, &[5], Some(end(30)))], ..file(&[1, 2]) };
    let mut value = serde_json::to_value(&known).unwrap();
    let unknown = |value: &serde_json::Value| {
        std::fs::write(&path, value.to_string()).unwrap();
        let trusted = crate::trust_store::read_trusted(&path).unwrap();
        assert_eq!(trusted, known);
        crate::trust_store::unknown_members(&path, &trusted).unwrap()
    };
    assert_eq!(unknown(&value), [""; 0]);
    value["until"] = "2030-01-01".into();
    value["empty"] = serde_json::json!([]);
    value["successors"][0]["before"]["by"] = 1.into();
    assert_eq!(unknown(&value), ["successors.before.by", "until"]);
    let error = crate::trust_store::read_trusted(std::path::Path::new("/dev/zero")).unwrap_err();
    assert!(error.words[0].contains("too large"), "{error:?}");
}
