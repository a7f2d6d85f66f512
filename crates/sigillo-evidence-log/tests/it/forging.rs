//! Commits with a good signature that do not belong, and those of later programs: what follows is
//! decided by what they say, not by who signed them.

use std::fs;

use bytes::Bytes;
use rstest::rstest;

use sigillo_evidence_log::{Commit, CommitFault, LogError};
use sigillo_merkle::{NoteSignature, SignedNote, leaf_hash, root_of};
use sigillo_model::{CommitOpened, Entry, ErrorKind, LogTime, ObjectKey, Sha256Digest, WriterId};

use crate::world::{Place, World, commit, completed, faults};

/// An archive of five commits, the third of them with two batches.
async fn archive() -> World {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    commit(&mut log, &[world.batch(2).await, world.batch(1).await]).await;
    world.sealed(&mut log).await;
    commit(&mut log, &[completed(2)]).await;
    world
}

/// Signs lines as the archive's own key would.
pub(crate) async fn signed(world: &World, lines: &[String]) -> Bytes {
    let text = lines.concat();
    let signer = world.keys.commit_signer();
    let signature = signer.sign(text.as_bytes()).unwrap().try_into().unwrap();
    let archive = world.archive().await;
    let signature = NoteSignature::ed25519(&archive.commit_key(), signature);
    SignedNote::new(text, vec![signature]).unwrap().to_bytes().into()
}

pub(crate) fn line_of(entry: &Entry) -> String {
    String::from_utf8(entry.to_line().unwrap()).unwrap() + "\n"
}

/// Replaces commit `number` by one whose header was changed and that is signed again.
async fn replace_header(world: &World, number: u64, change: &dyn Fn(&mut CommitOpened)) {
    let original = world.archive().await.existing_commit(number).await.unwrap();
    let mut header = original.header;
    change(&mut header);
    let mut lines = vec![line_of(&Entry::CommitOpened(header))];
    lines.extend(original.entries[1..].iter().map(line_of));
    let bytes = signed(world, &lines).await;
    fs::write(world.file(&ObjectKey::commit(number)), bytes).unwrap();
}

const OTHER: Sha256Digest = Sha256Digest::from_bytes([7; 32]);

fn later(time: LogTime) -> LogTime {
    LogTime::new(time.timestamp() + jiff::SignedDuration::from_secs(1))
}

#[rstest]
#[case::previous(&|header: &mut CommitOpened| header.previous = Some(OTHER))]
#[case::no_previous(&|header: &mut CommitOpened| header.previous = None)]
#[case::first_leaf(&|header: &mut CommitOpened| header.first_leaf += 1)]
#[case::root(&|header: &mut CommitOpened| header.root = OTHER)]
#[case::sealed(&|header: &mut CommitOpened| header.sealed += 1)]
#[case::epoch(&|header: &mut CommitOpened| header.epoch = 0)]
#[case::generation(&|header: &mut CommitOpened| header.generation = 2)]
#[case::at(&|header: &mut CommitOpened| header.at = later(header.at))]
#[tokio::test]
async fn a_header_that_does_not_follow_is_found_at_every_place(
    #[case] change: &dyn Fn(&mut CommitOpened),
    #[values(2, 3, 5)] number: u64,
) {
    let world = archive().await;
    replace_header(&world, number, change).await;
    let key = ObjectKey::commit(number);
    let audit = world.audit().await;
    assert!(faults(&audit).contains(&("F303", key.as_str())), "{:?}", audit.findings);
    if number == 5 {
        // The newest one: no writer goes on from it, whatever it says of those before it.
        let error = world.try_writer().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    }
}

#[rstest]
#[case::previous(&|header: &mut CommitOpened| header.previous = Some(OTHER))]
#[case::sealed(&|header: &mut CommitOpened| header.sealed += 1)]
#[case::epoch(&|header: &mut CommitOpened| header.epoch = 0)]
#[case::generation(&|header: &mut CommitOpened| header.generation = 2)]
#[tokio::test]
async fn no_writer_goes_on_from_a_newest_commit_that_does_not_follow(
    #[case] change: &dyn Fn(&mut CommitOpened),
) {
    let world = archive().await;
    let lines = next_lines(&world, &[]).await;
    let Ok(Entry::CommitOpened(mut header)) = Entry::parse_line(lines[0].trim_end().as_bytes())
    else {
        panic!("no header");
    };
    let number = header.commit;
    change(&mut header);
    let bytes = signed(&world, &[line_of(&Entry::CommitOpened(header))]).await;
    fs::write(world.file(&ObjectKey::commit(number)), bytes).unwrap();
    let checkpoint = world.read(&ObjectKey::checkpoint()).await;
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::CommitDamaged { number: found, .. } if found == number));
    assert_eq!(world.read(&ObjectKey::checkpoint()).await, checkpoint);
}

#[rstest]
#[tokio::test]
async fn a_commit_that_was_written_anew_is_found_at_the_one_after_it(
    #[values(1, 2, 3, 4)] number: u64,
) {
    let world = archive().await;
    replace_header(&world, number, &|header| header.writer = WriterId::from_bytes([9; 16])).await;
    let next = ObjectKey::commit(number + 1);
    let audit = world.audit().await;
    assert!(faults(&audit).contains(&("F303", next.as_str())), "{:?}", audit.findings);
}

#[tokio::test]
async fn a_commit_under_another_number_is_damaged() {
    let world = archive().await;
    let second = fs::read(world.file(&ObjectKey::commit(2))).unwrap();
    fs::write(world.file(&ObjectKey::commit(3)), second).unwrap();
    let error = world.archive().await.existing_commit(3).await.unwrap_err();
    let wrong = CommitFault::WrongNumber { found: 2 };
    assert!(matches!(error, LogError::CommitDamaged { number: 3, fault } if fault == wrong));
    assert_eq!(faults(&world.audit().await), [("F302", "log/seq/00000000000000000003")]);
}

/// Returns the lines of a next commit with the given entries behind its header.
pub(crate) async fn next_lines(world: &World, entries: &[&str]) -> Vec<String> {
    let archive = world.archive().await;
    let (mut leaves, mut newest) = (Vec::new(), None);
    for number in 1.. {
        let Some(commit) = archive.commit(number).await.unwrap() else { break };
        leaves.extend(commit.lines.iter().map(|line| leaf_hash(line)));
        newest = Some(commit);
    }
    let newest = newest.unwrap();
    let header = Entry::CommitOpened(CommitOpened {
        commit: newest.header.commit + 1,
        first_leaf: leaves.len() as u64,
        previous: Some(newest.digest),
        root: Sha256Digest::from_bytes(*root_of(leaves).as_bytes()),
        rotated: newest.rotated_after(),
        sealed: newest.sealed_after(),
        ..newest.header
    });
    let mut lines = vec![line_of(&header)];
    lines.extend(entries.iter().map(|entry| format!("{entry}\n")));
    lines
}

#[tokio::test]
async fn entries_of_later_programs_count_and_stop_nobody() {
    let world = archive().await;
    let size = world.writer().await.size();
    let unknown =
        [r#"{"type":"moon.landed","v":1}"#, r#"{"batch":0,"type":"batch.committed","v":2}"#];
    let bytes = signed(&world, &next_lines(&world, &unknown).await).await;
    let key = ObjectKey::commit(6);
    world.store.create(&key, bytes).await.unwrap();
    let mut log = world.writer().await;
    assert_eq!((log.head(), log.size()), (6, size + 3));
    commit(&mut log, &[completed(3)]).await;
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    assert_eq!(audit.view.batches.len(), 2);
}

#[rstest]
#[case::later_header(r#""v":1"#, r#""v":2"#)]
#[case::white_space(r#"{"at":"#, r#"{ "at":"#)]
#[case::escaped(r#""at":"#, "\"\\u0061t\":")]
#[tokio::test]
async fn a_header_of_a_later_program_or_another_spelling_stops_readers_and_writers(
    #[case] from: &str,
    #[case] to: &str,
) {
    let world = archive().await;
    let mut lines = next_lines(&world, &[]).await;
    lines[0] = lines[0].replacen(from, to, 1);
    let key = ObjectKey::commit(6);
    world.store.create(&key, signed(&world, &lines).await).await.unwrap();
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::CommitDamaged { number: 6, .. }), "{error}");
    assert_eq!(faults(&world.audit().await), [("F302", key.as_str())]);
}

#[tokio::test]
async fn a_commit_has_one_signature_and_one_spelling() {
    let world = archive().await;
    let archive = world.archive().await;
    let good = world.read(&ObjectKey::commit(2)).await;
    let check = |bytes: Vec<u8>| Commit::parse(&bytes.into(), 2, &archive.commit_key());
    assert!(check(good.to_vec()).is_ok());
    let note = SignedNote::parse(&good).unwrap();
    let twice = [note.signatures.clone(), note.signatures.clone()].concat();
    let twice = SignedNote { signatures: twice, ..note.clone() };
    assert_eq!(check(twice.to_bytes()), Err(CommitFault::Spelling));
    let mut stranger = note.signatures[0].clone();
    stranger.name = "example.org/witness".to_owned();
    let both = SignedNote { signatures: vec![note.signatures[0].clone(), stranger], ..note };
    assert_eq!(check(both.to_bytes()), Err(CommitFault::Spelling));
    for length in 0..good.len() {
        assert!(check(good[..length].to_vec()).is_err(), "{length}");
    }
}
