//! Other keys of the log: who signs what, what a crash leaves, and rotations that do not count.

use std::{fs, os::unix::fs::PermissionsExt as _};

use sigillo_authorities::{KeyFolder, SignedHead};
use sigillo_evidence_log::{
    AuditKnowledge, BelievedKeys, LogError, LogWriter, RotatedKey, SeenHead, SeenLog, find_head,
    read_checkpoint, read_view, rotate_log_key,
};
use sigillo_merkle::{
    KeysOfLog, NoteSignature, VerifierKey, parse_signed_checkpoint, rotation_text,
};
use sigillo_model::{
    ArchiveDescription, Entry, FindingCode, KeyRotated, LogTime, ObjectKey, Sha256Digest,
    Signer as _, parse_canonical,
};
use sigillo_testkit::{Fault, FaultPlan, MemorySigner};

use crate::{
    examples::read_examples,
    world::{Place, World, commit, completed, faults},
};

/// Returns what is signed, and the entry, of the example on the page.
pub(crate) fn rotation_example() -> (String, String) {
    let origin = "sigillo.invalid/00112233445566778899aabbccddeeff";
    let key = |signer: &MemorySigner| {
        VerifierKey::new_ed25519(origin, signer.public_key().try_into().unwrap()).unwrap()
    };
    let (old, new) = (MemorySigner::new(2), key(&MemorySigner::new(3)));
    let text = rotation_text(1, &new);
    let signature = old.sign(text.as_bytes()).unwrap().try_into().unwrap();
    let line = NoteSignature::ed25519(&key(&old), signature).to_line();
    let signature = line.trim_end().to_owned();
    let entry = Entry::KeyRotated(KeyRotated { log: new.to_string(), number: 1, signature });
    (text, String::from_utf8(entry.to_line().unwrap()).unwrap() + "\n")
}

#[test]
fn the_rotation_on_the_page_leads_from_the_key_of_its_archive_to_the_next() {
    let page = read_examples();
    let archive: ArchiveDescription =
        parse_canonical(page["archive"].trim_end().as_bytes()).unwrap();
    let Ok(Entry::KeyRotated(body)) = Entry::parse_line(page["key-rotated"].trim_end().as_bytes())
    else {
        panic!("no rotation");
    };
    let mut keys = KeysOfLog::new(VerifierKey::parse(&archive.keys.log).unwrap());
    keys.rotate(9, body.number, &body.log, &body.signature).unwrap();
    assert_eq!(page["key-rotation-text"], rotation_text(1, keys.current()));
    assert_eq!([9, 10].map(|size| keys.of_size(size) == keys.first()), [true, false]);
}

async fn rotated(world: &World, log: &mut LogWriter) -> RotatedKey {
    rotate_log_key(log, &world.keys.log_signer()).await.unwrap()
}

async fn keys(world: &World) -> KeysOfLog {
    let archive = world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let (keys, faults) = view.log_keys(archive.log_keys().first().clone());
    assert_eq!(faults, []);
    keys
}

#[tokio::test]
async fn each_key_signs_the_checkpoints_from_its_entry_to_the_next() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let first = commit(&mut log, &[world.batch(2).await]).await;
    world.sealed(&mut log).await;
    let mut notes = vec![(first.size, first.checkpoint)];
    for number in 1..=2 {
        let before = log.size();
        let rotation = rotated(&world, &mut log).await;
        assert_eq!(rotation.number, number);
        // The header, and the entry itself: only a checkpoint with the entry is the new key's.
        assert_eq!(log.size(), before + 2);
        notes.push((log.size(), rotation.checkpoint));
        let later = commit(&mut log, &[world.batch(1).await]).await;
        notes.push((later.size, later.checkpoint));
        world.sealed(&mut log).await;
    }
    let keys = keys(&world).await;
    assert_eq!(keys.rotations(), 2);
    let [one, two, three] = keys.iter().cloned().collect::<Vec<_>>().try_into().unwrap();
    for ((size, note), key) in notes.iter().zip([&one, &two, &two, &three, &three]) {
        assert_eq!(keys.of_size(*size), key);
        assert_eq!(parse_signed_checkpoint(note.as_bytes(), key).unwrap().size, *size);
        assert_eq!(keys.of_note(note.as_bytes()), key);
    }
    assert_eq!(world.stamp(&mut log).await.stamped.len(), 3);
    assert_eq!(faults(&world.audit().await), []);
    // Whoever begins anew, from the head or from the published checkpoint, knows the keys.
    let published = read_checkpoint(&world.archive().await).await.unwrap().unwrap();
    assert_eq!(published.head.size, log.size());
    let note = world.read(&ObjectKey::checkpoint()).await;
    assert_eq!(world.archive().await.key_of(&note).await.unwrap(), three);
    let mut other = world.writer().await;
    assert_eq!(other.archive().log_keys(), keys);
    commit(&mut other, &[completed(1)]).await;
    commit(&mut log.reopened(&world).await, &[completed(2)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

/// Audits as somebody who believes these keys of the first log, and says how that was contradicted.
async fn contradicted(world: &World, commit: &VerifierKey, log: &KeysOfLog) -> Vec<String> {
    let believed = BelievedKeys { commit: commit.clone(), log: log.clone() };
    let at = Some(LogTime::new("2026-11-25T08:00:00Z".parse().unwrap()));
    let head = SignedHead { size: 9, root: Sha256Digest::of(b"seen") };
    let heads = vec![SeenHead { head, at, met_in: None }];
    let first = log.first().clone();
    let seen = SeenLog {
        generation: 1,
        log: first,
        heads: Vec::new(),
        believed: Some(believed),
        ended: None,
    };
    let audit = world
        .audit_of(AuditKnowledge {
            anchors: world.anchors(),
            log_key_trusted: true,
            seen: None,
            // What was seen of a log is told only where the log has its key.
            seen_before: vec![seen.clone(), SeenLog { heads, log: commit.clone(), ..seen }],
            time: None,
        })
        .await;
    let found = audit.findings.into_iter().filter(|it| it.code == FindingCode::LogRolledBack);
    found.map(|it| it.message).collect()
}

#[tokio::test]
async fn who_knows_of_a_rotation_misses_it_in_an_archive_without_it() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    let archive = world.archive().await;
    let (commit_key, before) = (archive.commit_key(), archive.log_keys());
    let end = find_head(&world.store, 0).await.unwrap();
    rotated(&world, &mut log).await;
    let after = keys(&world).await;
    let at = log.size() - 1;
    let lost = |messages: &[String], expected: &str| {
        assert!(messages.iter().any(|it| it.contains(expected)), "{expected}: {messages:?}");
    };
    for believed in [&before, &after] {
        let messages = contradicted(&world, &commit_key, believed).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        lost(&messages, "log 1 of this archive was seen with 9 entries on 2026-11-25T08:00:00Z");
        lost(&messages, &format!("; log 1 here has {} entries, the newest of 2026", log.size()));
    }
    let messages = contradicted(&world, before.first(), &before).await;
    lost(&messages, "the commits of log 1 are signed with another key");
    // The same rotation at another place is another history.
    let Some(Entry::KeyRotated(body)) = archive
        .commit(end + 1)
        .await
        .unwrap()
        .and_then(|it| it.entries.into_iter().find(|it| matches!(it, Entry::KeyRotated(_))))
    else {
        panic!("no rotation");
    };
    let mut elsewhere = before.clone();
    elsewhere.rotate(at + 1, body.number, &body.log, &body.signature).unwrap();
    let messages = contradicted(&world, &commit_key, &elsewhere).await;
    lost(&messages, &format!("entry {} of log 1 gave it another key", at + 1));
    fs::remove_file(world.file(&ObjectKey::commit(end + 1))).unwrap();
    let messages = contradicted(&world, &commit_key, &after).await;
    lost(&messages, &format!("entry {at} of log 1 gave it another key"));
    // Nobody else misses it: what is published is by a key that the log does not name any more.
    assert_eq!(contradicted(&world, &commit_key, &before).await.len(), 1);
}

/// Opens a writer anew.
trait Reopened {
    async fn reopened(self, world: &World) -> LogWriter;
}

impl Reopened for LogWriter {
    async fn reopened(self, world: &World) -> LogWriter {
        drop(self);
        world.writer().await
    }
}

#[tokio::test]
async fn a_writer_that_was_open_meanwhile_goes_on_with_the_new_key() {
    let world = World::new(Place::Folder).await;
    let (mut log, mut other) = (world.writer().await, world.writer().await);
    let rotation = rotated(&world, &mut log).await;
    // The first attempt takes in the rotation.
    other.commit(&[completed(1)]).await.unwrap();
    let committed = commit(&mut other, &[completed(1)]).await;
    parse_signed_checkpoint(committed.checkpoint.as_bytes(), &rotation.new).unwrap();
    // Two that rotate at once end up with one new key.
    let [one, two] = [rotated(&world, &mut log).await, rotated(&world, &mut other).await];
    let known = keys(&world).await;
    assert!(known.contains(&one.new) && known.contains(&two.new));
    assert_eq!(faults(&world.audit().await), []);
}

/// Rotates while a call of the store goes wrong, and sees that the same again completes it. Returns
/// whether the fault was reached.
async fn check_fault(number: u64, fault: Fault) -> bool {
    let mut world = World::new(Place::Memory).await;
    commit(&mut world.writer().await, &[completed(1)]).await;
    let (whole, faulty) = (world.store.clone(), FaultPlan::at(number, fault));
    world.store = faulty.wrap(&whole);
    let mut acknowledged = None;
    if let Ok(mut log) = world.try_writer().await {
        acknowledged = rotate_log_key(&mut log, &world.keys.log_signer()).await.ok();
    }
    world.store = whole;
    let what = format!("call {number}, {fault:?}");
    let mut log = world.writer().await;
    let found = log.archive().log_keys().rotations();
    assert!(found <= 1 && (found == 1 || acknowledged.is_none()), "{what}");
    assert_eq!(faults(&world.audit().await), [], "{what}");
    if found == 0 {
        let again = rotated(&world, &mut log).await;
        assert_eq!(again.number, 1, "{what}");
    }
    // The key that the crashed attempt made is the one.
    let second = world.keys.log_signer().next_key().unwrap().public_key();
    assert_eq!(log.archive().log_keys().current().public_key(), second, "{what}");
    commit(&mut log, &[completed(2)]).await;
    assert_eq!(faults(&world.audit().await), [], "{what}");
    faulty.struck()
}

#[tokio::test]
async fn whatever_call_goes_wrong_a_rotation_is_there_or_is_completed() {
    for fault in Fault::ALL {
        let mut number = 1;
        while check_fault(number, fault).await {
            number += 1;
        }
        assert!(number > 10, "{number} calls only");
    }
}

#[tokio::test]
async fn a_key_folder_without_the_new_key_writes_nothing() {
    let world = World::new(Place::Folder).await;
    let backup = world.copy_of_keys();
    let mut log = world.writer().await;
    rotated(&world, &mut log).await;
    let head = find_head(&world.store, 0).await.unwrap();
    let error = world.writer_with(&backup).await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::Keys { .. }), "{error}");
    assert_eq!(find_head(&world.store, 0).await.unwrap(), head);
    // With the new key beside it, it is as good as any.
    let (from, to) = (world.keys.path().join("log-2.key"), backup.path().join("log-2.key"));
    fs::copy(from, &to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
    commit(&mut world.writer_with(&backup).await.unwrap(), &[completed(1)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn the_memory_of_what_was_signed_outlives_the_key() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    rotated(&world, &mut log).await;
    commit(&mut log, &[completed(1)]).await;
    let last = log.head();
    drop(log);
    fs::remove_file(world.file(&ObjectKey::commit(last))).unwrap();
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::Diverged { .. }), "{error}");
}

/// Commits a rotation as whoever has the commit key can.
async fn forge(world: &World, log: &mut LogWriter, body: KeyRotated) -> ObjectKey {
    commit(log, &[Entry::KeyRotated(body)]).await;
    assert_eq!(world.archive().await.origin(), log.archive().origin());
    ObjectKey::commit(log.head())
}

/// Writes the entry of a rotation from one key folder to the key of another.
fn rotation(number: u64, name: &str, by: &KeyFolder, to: [u8; 32], text: &str) -> KeyRotated {
    let new = VerifierKey::new_ed25519(name, to).unwrap();
    let old = VerifierKey::new_ed25519(name, by.log_signer().public_key()).unwrap();
    let text = if text.is_empty() { rotation_text(number, &new) } else { text.to_owned() };
    let signature = by.log_signer().sign_rotation(text.as_bytes()).unwrap();
    let line = NoteSignature::ed25519(&old, signature).to_line();
    KeyRotated { log: new.to_string(), number, signature: line.trim_end().to_owned() }
}

#[tokio::test]
async fn a_rotation_that_the_key_before_it_did_not_sign_does_not_count() {
    let world = World::new(Place::Folder).await;
    let stranger = World::empty(Place::Memory);
    let origin = world.archive().await.origin();
    let theirs = stranger.keys.log_signer().public_key();
    let right = rotation(1, &origin, &world.keys, theirs, "");
    let (name, ours) = (origin.as_str(), world.keys.log_signer().public_key());
    let mut log = world.writer().await;
    let mut expected = Vec::new();
    for forged in [
        // By the new key itself, for another number, for another log, out of turn, back to itself.
        rotation(1, name, &stranger.keys, theirs, ""),
        KeyRotated { number: 2, ..right.clone() },
        rotation(2, name, &world.keys, theirs, ""),
        rotation(1, "sigillo.invalid/other", &world.keys, theirs, ""),
        rotation(1, name, &world.keys, ours, ""),
        // By the right key over something else.
        rotation(1, name, &world.keys, theirs, "sigillo key rotation v1\nsomething else\n"),
        KeyRotated { log: log.archive().commit_key().to_string(), ..right.clone() },
        KeyRotated { signature: right.signature.replace("\u{2014} ", ""), ..right.clone() },
        KeyRotated { signature: format!("{}\n{}", right.signature, right.signature), ..right },
    ] {
        expected.push(forge(&world, &mut log, forged).await);
        assert_eq!(log.archive().log_keys().rotations(), 0);
    }
    let audit = world.audit().await;
    let expected: Vec<_> = expected.iter().map(|key| ("F306", key.as_str())).collect();
    assert_eq!(faults(&audit), expected);
    // They stand in nobody's way.
    assert_eq!(rotated(&world, &mut log).await.number, 1);
    assert_eq!(faults(&world.audit().await), expected);
}

#[tokio::test]
async fn the_old_key_signs_nothing_after_its_time() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let rotation = rotated(&world, &mut log).await;
    let committed = commit(&mut log, &[completed(1)]).await;
    let (text, _) = committed.checkpoint.split_once("\n\n").unwrap();
    let text = format!("{text}\n");
    let old = world.keys.log_signer();
    let head = old.last_signed().unwrap().unwrap();
    let signature = old.sign(head, text.as_bytes(), &mut |_| true).unwrap();
    let line = NoteSignature::ed25519(&rotation.old, signature).to_line();
    fs::write(world.file(&ObjectKey::checkpoint()), format!("{text}\n{line}")).unwrap();
    assert_eq!(faults(&world.audit().await), [("F402", "log/checkpoint")]);
    assert_eq!(read_checkpoint(&world.archive().await).await.unwrap(), None);
}

#[tokio::test]
async fn a_log_key_signs_no_other_text_than_a_rotation() {
    let world = World::empty(Place::Memory);
    let signer = world.keys.log_signer();
    assert!(signer.sign_rotation(b"sigillo.invalid/1\n7\nAAAA\n").is_err());
    assert!(signer.of_key(&[7; 32]).is_err());
    // The next one is made once.
    let next = signer.next_key().unwrap();
    assert_eq!(next.public_key(), signer.next_key().unwrap().public_key());
    let after = next.next_key().unwrap().public_key();
    assert_eq!(
        KeyFolder::open(world.keys.path()).unwrap().log_signer().public_key(),
        signer.public_key()
    );
    assert_eq!(signer.of_key(&after).unwrap().public_key(), after);
}
