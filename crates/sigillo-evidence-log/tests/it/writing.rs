//! Writers of one log: first commit, opening again, recovery, rivals, and logs that are not theirs.

use std::fs;

use bytes::Bytes;
use rstest::rstest;

use sigillo_evidence_log::{CommitOutcome, LogError, LogWriter, find_head};
use sigillo_merkle::{Checkpoint, SignedNote};
use sigillo_model::{Blake3Digest, Entry, ErrorKind, ObjectKey, Sha256Digest};
use sigillo_store::{RemoveOutcome, StoreError};

use crate::world::{Place, World, commit, completed, faults, log_keys};

fn size_of(note: &[u8]) -> u64 {
    let note = SignedNote::parse(note).unwrap();
    Checkpoint::parse_strict(&note.text).unwrap().size
}

#[rstest]
#[case(Place::Memory)]
#[case(Place::Folder)]
#[tokio::test]
async fn a_new_archive_has_one_commit_and_creating_it_again_adds_none(#[case] place: Place) {
    let world = World::empty(place);
    let archive = world.new_archive().await.unwrap();
    let first = world.create_log(archive).await.unwrap();
    assert_eq!((first.head(), first.size(), first.sealed()), (1, 2, 0));
    let again = world.create_log(world.new_archive().await.unwrap()).await.unwrap();
    assert_eq!((again.head(), again.size()), (1, 2));
    assert!(faults(&world.audit().await).is_empty());
}

#[rstest]
#[case(Place::Memory)]
#[case(Place::Folder)]
#[tokio::test]
async fn what_was_committed_is_there_after_opening_again(#[case] place: Place) {
    let world = World::new(place).await;
    let mut log = world.writer().await;
    for number in 1..=20 {
        let committed = commit(&mut log, &[completed(number), completed(number)]).await;
        assert_eq!(committed.number, u64::from(number) + 1);
        assert_eq!(committed.first_entry, 2 + 3 * (u64::from(number) - 1) + 1);
        assert_eq!(committed.size, 2 + 3 * u64::from(number));
        assert_eq!(size_of(committed.checkpoint.as_bytes()), committed.size);
    }
    let mut opened = world.writer().await;
    assert_eq!((opened.head(), opened.size()), (21, 62));
    assert_eq!(commit(&mut opened, &[]).await.number, 22);
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    assert_eq!(audit.view.completed.len(), 40);
    assert_eq!(audit.head.unwrap().size, 63);
}

#[tokio::test]
async fn time_never_decreases_although_the_clock_does() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    world.clock.set("2026-11-25T09:00:00Z".parse().unwrap());
    let late = commit(&mut log, &[completed(1)]).await.at;
    world.clock.set("2026-11-25T08:30:00Z".parse().unwrap());
    assert_eq!(commit(&mut log, &[completed(2)]).await.at, late);
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    let codes: Vec<_> = audit.findings.iter().map(|finding| finding.code.code()).collect();
    assert!(codes.contains(&"F305"), "{codes:?}");
}

#[tokio::test]
async fn without_tiles_the_tree_comes_from_the_commits_and_everything_is_published_again() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for number in 1..=30 {
        commit(&mut log, &[completed(number)]).await;
    }
    let (head, checkpoint) = (log.head(), world.read(&ObjectKey::checkpoint()).await);
    fs::remove_dir_all(world.file(&ObjectKey::tile("tile"))).unwrap();
    fs::remove_file(world.file(&ObjectKey::checkpoint())).unwrap();
    let opened = world.writer().await;
    assert_eq!((opened.head(), opened.size()), (head, log.size()));
    assert_eq!(world.read(&ObjectKey::checkpoint()).await, checkpoint);
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_wrong_tile_is_not_believed() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for number in 1..=30 {
        commit(&mut log, &[completed(number)]).await;
    }
    // The tile before the newest commit is what recovery reads first.
    for name in ["tile/0/000.p/62", "tile/0/000.p/60", "tile/entries/000.p/60"] {
        let file = world.file(&ObjectKey::tile(name));
        let mut bytes = fs::read(&file).unwrap();
        bytes[5] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    let mut opened = world.writer().await;
    let root = opened.signed_checkpoint().await.unwrap();
    assert_eq!(root, log.signed_checkpoint().await.unwrap());
    commit(&mut opened, &[completed(31)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_stale_checkpoint_is_published_again() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let stale = world.read(&ObjectKey::checkpoint()).await;
    commit(&mut log, &[completed(1)]).await;
    let newest = world.read(&ObjectKey::checkpoint()).await;
    fs::write(world.file(&ObjectKey::checkpoint()), &stale).unwrap();
    assert_eq!(faults(&world.audit().await), [("F402", "log/checkpoint")]);
    drop(log);
    world.writer().await;
    assert_eq!(world.read(&ObjectKey::checkpoint()).await, newest);
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn of_two_writers_the_slower_one_is_told_what_it_missed_and_writes_nothing() {
    let world = World::new(Place::Memory).await;
    let (mut one, mut two) = (world.writer().await, world.writer().await);
    for round in 1..=10_u8 {
        commit(&mut one, &[completed(round)]).await;
        let head = two.head();
        match two.commit(&[completed(100 + round)]).await.unwrap() {
            CommitOutcome::Lost(others) => {
                assert_eq!(others.len(), 1);
                assert_eq!(others[0].header.commit, head + 1);
                assert_eq!(others[0].entries[1], completed(round));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(find_head(&world.store, 0).await.unwrap(), head + 1);
        commit(&mut two, &[completed(100 + round)]).await;
        one.catch_up().await.unwrap();
        assert_eq!(one.take_unseen().len(), 1);
    }
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    let logged: Vec<_> = audit.view.completed.iter().map(|it| it.archived).collect();
    let expected: Vec<u64> = (1..=10).flat_map(|round| [round, 100 + round]).collect();
    assert_eq!(logged, expected);
}

#[tokio::test]
async fn writers_at_once_lose_nothing_and_add_nothing_twice() {
    let world = World::new(Place::Memory).await;
    let writer = async |name: u8| {
        let mut log = world.writer().await;
        for round in 0..15 {
            let entry = completed(name + round);
            while let CommitOutcome::Lost(others) =
                log.commit(std::slice::from_ref(&entry)).await.unwrap()
            {
                assert!(!others.is_empty());
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(writer(0), writer(100), writer(200));
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    let mut logged: Vec<_> = audit.view.completed.iter().map(|it| it.archived).collect();
    logged.sort_unstable();
    let expected: Vec<u64> = (0..15).chain(100..115).chain(200..215).collect();
    assert_eq!(logged, expected);
}

#[tokio::test]
async fn a_raised_epoch_fences_whoever_did_not_know_of_it() {
    let world = World::new(Place::Memory).await;
    let (mut sweeper, mut ingester) = (world.writer().await, world.writer().await);
    let raised = sweeper.raise_epoch().await.unwrap();
    assert!(matches!(raised, CommitOutcome::Committed(_)), "{raised:?}");
    // The first attempt meets the higher epoch, whether the number was taken or read before.
    let fenced = ingester.commit(&[completed(1)]).await.unwrap();
    assert_eq!(fenced, CommitOutcome::Fenced { epoch: 2 });
    // Then it is told of the commits it missed, and goes on in the new epoch.
    let lost = ingester.commit(&[completed(2)]).await.unwrap();
    assert!(matches!(lost, CommitOutcome::Lost(others) if others.len() == 1));
    commit(&mut ingester, &[completed(2)]).await;
    let newest = world.archive().await.existing_commit(ingester.head()).await.unwrap();
    assert_eq!(newest.header.epoch, 2);
    let mut third = world.writer().await;
    third.raise_epoch().await.unwrap();
    let newest = world.archive().await.existing_commit(third.head()).await.unwrap();
    assert_eq!((newest.header.epoch, newest.lines.len()), (3, 1));
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_permit_to_sweep_comes_with_a_higher_epoch_and_removes_content_only() {
    for place in [Place::Memory, Place::Folder] {
        let world = World::new(place).await;
        let (mut sweeper, mut other) = (world.writer().await, world.writer().await);
        commit(&mut other, &[completed(1)]).await;
        let permit = sweeper.begin_sweep().await.unwrap();
        assert_eq!(
            (permit.epoch(), permit.commit()),
            (2, 3),
            "the second attempt, after the other"
        );
        assert_eq!(sweeper.epoch(), 2);
        let store = sweeper.archive().store().clone();
        let pack = ObjectKey::pack(Blake3Digest::of(b"pack"));
        store.create(&pack, Bytes::from_static(b"pack")).await.unwrap();
        let removed = store.remove_unnamed(&pack, &permit).await.unwrap();
        assert_eq!(removed, RemoveOutcome::Removed);
        assert!(matches!(store.size(&pack).await, Err(StoreError::NotFound { .. })));
        let removed = store.remove_unnamed(&pack, &permit).await.unwrap();
        assert_eq!(removed, RemoveOutcome::WasGone);
        for key in [ObjectKey::commit(1), ObjectKey::archive(), ObjectKey::checkpoint()] {
            let refused = store.remove_unnamed(&key, &permit).await;
            assert!(matches!(refused, Err(StoreError::NotContent { .. })), "{key}: {refused:?}");
            assert!(store.size(&key).await.is_ok(), "{key}");
        }
        assert_eq!(faults(&world.audit().await), []);
    }
}

#[tokio::test]
async fn a_checkpoint_that_proves_lost_commits_is_not_replaced_although_the_keys_forgot_it() {
    let world = World::new(Place::Folder).await;
    let restored = world.copy_of_keys();
    let mut log = world.writer().await;
    commit(&mut log, &[completed(2)]).await;
    commit(&mut log, &[completed(3)]).await;
    let checkpoint = world.read(&ObjectKey::checkpoint()).await;
    fs::remove_file(world.file(&ObjectKey::commit(3))).unwrap();
    let refused = world.writer_with(&restored).await;
    assert!(matches!(refused, Err(LogError::Diverged { .. })), "{refused:?}");
    assert_eq!(world.read(&ObjectKey::checkpoint()).await, checkpoint);
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_not_written_to() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for number in 1..=5 {
        commit(&mut log, &[completed(number)]).await;
    }
    let (head, size) = (log.head(), log.size());
    fs::remove_file(world.file(&ObjectKey::commit(head))).unwrap();
    let error = world.try_writer().await.unwrap_err();
    assert!(
        matches!(error, LogError::Diverged { last, found_size }
            if last.size == size && found_size == size - 2),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(find_head(&world.store, 0).await.unwrap(), head - 1);
    assert!(error.to_string().starts_with("LOG_DIVERGED"));
}

#[tokio::test]
async fn a_log_that_went_another_way_is_not_written_to() {
    let world = World::new(Place::Folder).await;
    let restored = world.copy_of_keys();
    commit(&mut world.writer().await, &[completed(1)]).await;
    // A backup of archive and keys from before goes on, and takes the place of the archive.
    fs::remove_file(world.file(&ObjectKey::commit(2))).unwrap();
    fs::remove_file(world.file(&ObjectKey::checkpoint())).unwrap();
    let mut fork = world.writer_with(&restored).await.unwrap();
    commit(&mut fork, &[completed(2)]).await;
    let before = world.keys_in_folder();
    let error = world.try_writer().await.unwrap_err();
    assert!(matches!(error, LogError::Diverged { found_size: 4, .. }), "{error}");
    assert_eq!(world.keys_in_folder(), before);
    // Nor is a longer log of the other way.
    commit(&mut fork, &[completed(3)]).await;
    let error = world.try_writer().await.unwrap_err();
    assert!(matches!(error, LogError::Diverged { found_size: 6, .. }), "{error}");
}

#[tokio::test]
async fn a_writer_at_work_notices_that_its_keys_signed_another_log() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    let (mut stale, kept) = (world.writer().await, world.read(&ObjectKey::commit(2)).await);
    commit(&mut log, &[completed(2)]).await;
    fs::remove_file(world.file(&ObjectKey::commit(3))).unwrap();
    let error = stale.commit(&[completed(3)]).await.unwrap_err();
    assert!(matches!(error, LogError::Diverged { found_size: 4, .. }), "{error}");
    assert_eq!(find_head(&world.store, 0).await.unwrap(), 2);
    assert_eq!(world.read(&ObjectKey::commit(2)).await, kept);
}

#[tokio::test]
async fn the_keys_of_another_archive_are_refused() {
    let (world, other) = (World::new(Place::Memory).await, World::empty(Place::Memory));
    let refused = world.writer_with(&other.keys).await.map(drop);
    assert!(matches!(refused, Err(LogError::OtherArchive { .. })), "{refused:?}");
    let commit_alone = sigillo_evidence_log::LogKeys {
        commit: other.keys.commit_signer(),
        ..log_keys(&world.keys)
    };
    let archive = world.archive().await;
    let clock = std::sync::Arc::new(world.clock.clone());
    let refused = LogWriter::open(archive, commit_alone, clock, &*world.entropy, 0).await;
    assert!(matches!(refused, Err(LogError::OtherArchive { .. })));
    assert_eq!(find_head(&world.store, 0).await.unwrap(), 1);
}

#[tokio::test]
async fn another_archive_in_the_same_place_is_refused() {
    let world = World::new(Place::Folder).await;
    let mut other = World::empty(Place::Memory);
    other.store = world.store.clone();
    let refused = other.new_archive().await.map(drop);
    assert!(matches!(refused, Err(LogError::OtherArchive { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_missing_commit_near_the_head_stops_every_writer() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for number in 1..=6 {
        commit(&mut log, &[completed(number)]).await;
    }
    fs::remove_file(world.file(&ObjectKey::commit(6))).unwrap();
    match world.try_writer().await.map(drop) {
        Err(LogError::CommitMissing { number: 6 }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_commit_holds_only_what_an_object_can_hold() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    let entries = vec![completed(1); 10_000];
    let error = log.commit(&entries).await.unwrap_err();
    assert!(matches!(error, LogError::Entries { source: None }), "{error}");
    let committed = commit(&mut log, &entries[1..]).await;
    assert_eq!(committed.size, 2 + 10_000);
    let commit = world.archive().await.existing_commit(2).await.unwrap();
    assert_eq!(commit.lines.len(), 10_000);
    assert!(matches!(commit.entries[0], Entry::CommitOpened(_)));
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_commit_names_the_bytes_of_the_one_before_it() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    let archive = world.archive().await;
    let bytes = world.read(&ObjectKey::commit(1)).await;
    let second = archive.existing_commit(2).await.unwrap();
    assert_eq!(second.header.previous, Some(Sha256Digest::of(&bytes)));
    assert!(archive.commit(3).await.unwrap().is_none());
    let missing = archive.store().read(&ObjectKey::commit(3), 1).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}
