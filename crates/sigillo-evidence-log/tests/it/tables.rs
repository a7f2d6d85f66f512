//! Several writers of the open tables, and stores that fail them: no document is there twice, and
//! none is lost once a catch-up or another append made up for it.

use std::{collections::BTreeSet, sync::Arc};

use sigillo_catalogue::{
    RecordPlace,
    tables::{Coverage, TableKind, TablePlace, TableRow, TableState},
};
use sigillo_evidence_log::{Archive, TableFault, Tables, read_table};
use sigillo_model::{
    BatchId, Blake3Digest, Description, DocumentId, DocumentKey, FileEntry, LogTime, ObjectKey,
    Operation, Record, RecordKind, Sha256Digest, VersionId,
};
use sigillo_store::{ReadPool, Store};
use sigillo_testkit::{Fault, FaultPlan, VolatileBackend};

use crate::world::{Place, World, commit, completed};

/// A document of this commit.
fn row(commit: u64) -> TableRow {
    let digest = Blake3Digest::of(&commit.to_be_bytes());
    let record = Record {
        description: Description::default(),
        document: DocumentId::from_bytes([u8::try_from(commit).unwrap(); 16]),
        files: vec![FileEntry {
            media_type: None,
            name: "a".into(),
            puid: None,
            role: "main".into(),
            sha256: Sha256Digest::of(b""),
            size: 0,
            sha512: None,
            stored_in: None,
        }],
        format: 1,
        key: DocumentKey::Path { path: commit.to_string(), source: "s".into() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: LogTime::new(jiff::Timestamp::UNIX_EPOCH),
        salt: String::new(),
        supersedes: None,
        version: 1,
    };
    let place = TablePlace {
        commit,
        batch: BatchId::from_bytes([1; 16]),
        leaf: 0,
        record: RecordPlace { pack: digest, offset: 0, size_bytes: 1 },
    };
    TableRow::new(VersionId::from_bytes(*digest.as_bytes()), &record, place)
}

async fn tables(world: &World, archive: &Archive) -> Tables {
    try_tables(world, archive).await.unwrap()
}

async fn try_tables(world: &World, archive: &Archive) -> Result<Tables, TableFault> {
    let clock = Arc::new(world.clock.clone());
    Tables::open(archive, ReadPool::start().unwrap(), clock).await
}

async fn states(archive: &Archive) -> [TableState; 2] {
    let [documents, descriptions] = TableKind::ALL;
    [
        read_table(archive, documents).await.unwrap(),
        read_table(archive, descriptions).await.unwrap(),
    ]
}

/// Both tables have so many documents, and these commits.
async fn check(archive: &Archive, rows: u64, commits: &str) {
    for state in states(archive).await {
        assert_eq!((state.rows(), state.coverage().to_string()), (rows, commits.to_owned()));
    }
}

#[tokio::test]
async fn what_another_writer_took_in_is_not_taken_in_again() {
    let world = World::new(Place::Memory).await;
    let archive = world.archive().await;
    let (mut one, mut other) = (tables(&world, &archive).await, tables(&world, &archive).await);
    one.append(vec![row(2), row(3)], &Coverage::from(1..=3)).await.unwrap();
    other.append(vec![row(3), row(4)], &Coverage::from(3..=4)).await.unwrap();
    check(&archive, 3, "1-4").await;
    one.append(vec![row(3), row(4)], &Coverage::from(3..=4)).await.unwrap();
    check(&archive, 3, "1-4").await;
    other.append(vec![row(9)], &Coverage::from(9..=9)).await.unwrap();
    check(&archive, 4, "1-4,9-9").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_at_once_every_document_is_there_once() {
    let world = World::new(Place::Folder).await;
    let archive = world.archive().await;
    let mut writers = Vec::new();
    for writer in 0..4_u64 {
        let mut tables = tables(&world, &archive).await;
        writers.push(tokio::spawn(async move {
            for round in 0..10 {
                // Its own, and one that its neighbour takes in as well.
                for commit in [10 + writer * 10 + round, 10 + (writer * 10 + round + 5) % 40] {
                    let commits = Coverage::from(commit..=commit);
                    tables.append(vec![row(commit)], &commits).await.unwrap();
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    check(&archive, 40, "10-49").await;
    tables(&world, &archive).await.merge().await.unwrap();
    check(&archive, 40, "10-49").await;
    let segments: BTreeSet<_> = states(&archive).await[0].files().map(|it| it.rows).collect();
    assert!(*segments.last().unwrap() > 1, "nothing was merged");
}

/// An archive in a store that keeps its word, and the same store as `plan` would have it.
async fn failing(plan: &FaultPlan) -> (World, Store, Archive) {
    let mut world = World::empty(Place::Memory);
    world.store = VolatileBackend::with_fsync().store();
    let archive = world.new_archive().await.unwrap();
    world.create_log(archive).await.unwrap();
    let store = world.store.clone();
    if let Ok(archive) = Archive::open(plan.wrap(&store)).await {
        return (world, store, archive);
    }
    // The fault struck before there was anything to try.
    let archive = Archive::open(store.clone()).await.unwrap();
    (world, store, archive)
}

#[tokio::test]
async fn whatever_call_of_the_store_fails_the_next_append_leaves_every_document_there_once() {
    for fault in [Fault::Fails, Fault::LosesAnswer] {
        let mut number = 1;
        loop {
            let plan = FaultPlan::at(number, fault);
            let (world, store, archive) = failing(&plan).await;
            if let Ok(mut tables) = try_tables(&world, &archive).await {
                for commit in 2..=3 {
                    let commits = Coverage::from(commit..=commit);
                    drop(tables.append(vec![row(commit)], &commits).await);
                }
            }
            let struck = plan.struck();
            // Another process, and a store that does what it is asked.
            let archive = Archive::open(store).await.unwrap();
            let mut tables = tables(&world, &archive).await;
            tables.append(vec![row(2), row(3)], &Coverage::from(2..=3)).await.unwrap();
            check(&archive, 2, "2-3").await;
            if !struck {
                break;
            }
            number += 1;
        }
        assert!(number > 15, "only {number} calls");
    }
}

#[tokio::test]
async fn commits_without_documents_are_taken_in_with_the_next_that_has_some() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    for number in 2..=4 {
        commit(&mut log, &[completed(number)]).await;
    }
    let archive = world.archive().await;
    let mut tables = tables(&world, &archive).await;
    let done = tables.catch_up().await.unwrap();
    assert_eq!((done.appended, done.left_out.len()), (0, 0));
    assert_eq!(states(&archive).await[0].next_version(), 0, "nothing is written for nothing");
    tables.append_batch(5, vec![row(5)]).await;
    check(&archive, 1, "1-5").await;
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_left_out_and_reported() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    commit(&mut log, &[world.batch(3).await]).await;
    let archive = world.archive().await;
    let mut tables = tables(&world, &archive).await;
    let done = tables.catch_up().await.unwrap();
    assert_eq!(done.left_out.iter().map(|it| it.0).collect::<Vec<_>>(), [2]);
    tables.append_batch(3, vec![row(3)]).await;
    check(&archive, 1, "1-1,3-3").await;
}

#[tokio::test]
async fn a_damaged_log_of_a_table_is_told_and_begun_anew() {
    let world = World::new(Place::Memory).await;
    let archive = world.archive().await;
    let mut first = tables(&world, &archive).await;
    for commit in 2..=4 {
        first.append(vec![row(commit)], &Coverage::from(commit..=commit)).await.unwrap();
    }
    let key = ObjectKey::table_version("documents", 2);
    archive.store().replace_derived(&key, "{".into()).await.unwrap();
    match try_tables(&world, &archive).await {
        Err(error @ TableFault::Damaged { .. }) => {
            assert!(error.to_string().contains("sigillo rebuild"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let clock = Arc::new(world.clock.clone());
    let reads = ReadPool::start().unwrap();
    let mut anew = Tables::remove_all(&archive, reads, clock).await.unwrap();
    assert!(archive.store().list("catalogue", 9).await.unwrap().is_empty());
    anew.append(vec![row(2)], &Coverage::from(2..=2)).await.unwrap();
    check(&archive, 1, "2-2").await;
}
