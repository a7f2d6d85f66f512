//! Readers of a log with holes, of one that was taken back, and an index that knows another one.

use std::fs;

use rstest::rstest;

use sigillo_authorities::SignedHead;
use sigillo_catalogue::{IndexedVersion, KeyIndex, RecordPlace};
use sigillo_evidence_log::{LogError, forget_foreign_index, log_contains, read_leaves, read_view};
use sigillo_model::{Blake3Digest, DocumentId, Entry, ObjectKey, Sha256Digest, VersionId};

use crate::world::{Place, World, commit, completed};

async fn world_of_six_commits() -> World {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for number in 2..=6 {
        assert_eq!(commit(&mut log, &[completed(number)]).await.number, u64::from(number));
    }
    world
}

#[rstest]
#[case::one_in_the_middle(&[3], 3)]
#[case::all_but_the_last(&[2, 3, 4, 5], 2)]
#[case::two_before_the_last(&[4, 5], 4)]
#[case::the_last(&[6], 6)]
#[tokio::test]
async fn a_log_with_lost_commits_is_not_read_as_a_shorter_one(
    #[case] lost: &[u64],
    #[case] first: u64,
) {
    let world = world_of_six_commits().await;
    assert_eq!(read_view(&world.archive().await).await.unwrap().head, 6);
    for &number in lost {
        fs::remove_file(world.file(&ObjectKey::commit(number))).unwrap();
    }
    match read_view(&world.archive().await).await {
        Err(LogError::CommitMissing { number }) if lost != [6] => assert_eq!(number, first),
        // No later one exists, but what is published covers more.
        Err(LogError::NewestMissing { number, covered, size }) => {
            assert!(number == first && covered > size, "{covered} {size}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_log_contains_its_heads_and_no_others() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let mut heads = Vec::new();
    for number in 2..=6 {
        commit(&mut log, &[completed(number)]).await;
        heads.push(world.audit().await.head.unwrap());
    }
    let archive = world.archive().await;
    for &head in &heads {
        assert!(log_contains(&archive, head).await.unwrap());
        let other = SignedHead { root: Sha256Digest::of(b"other"), ..head };
        assert!(!log_contains(&archive, other).await.unwrap());
        let between = SignedHead { size: head.size - 1, ..head };
        assert!(!log_contains(&archive, between).await.unwrap());
    }
    fs::remove_file(world.file(&ObjectKey::commit(6))).unwrap();
    assert!(log_contains(&archive, heads[3]).await.unwrap());
    assert!(!log_contains(&archive, heads[4]).await.unwrap());
}

#[tokio::test]
async fn an_index_of_commits_that_were_taken_back_is_forgotten() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let Entry::BatchCommitted(batch) = world.batch(3).await else { panic!("no batch") };
    let entry = Entry::BatchCommitted(batch.clone());
    let number = commit(&mut log, &[entry]).await.number;
    let archive = world.archive().await;
    let leaves = read_leaves(archive.store(), &batch).await.unwrap();
    let indexed = |commit, version| IndexedVersion {
        key: Sha256Digest::of(b"key"),
        sameness: Sha256Digest::of(b"sameness"),
        version,
        document: DocumentId::from_bytes([1; 16]),
        number: 1,
        commit,
        leaf: 0,
        record: RecordPlace { pack: Blake3Digest::of(b"pack"), offset: 0, size_bytes: 1 },
    };
    let index_of = |through, version| {
        let mut index = KeyIndex::in_memory(archive.description().archive);
        index.add(through, vec![indexed(through, version)]).unwrap();
        index
    };
    let mut ours = index_of(number, leaves[1]);
    assert!(!forget_foreign_index(&archive, &mut ours).await.unwrap());
    assert_eq!((ours.complete_to(), ours.len()), (number, 1));
    // A later commit that is gone, and one that is there with other documents.
    for (through, version) in [(number + 1, leaves[1]), (number, VersionId::from_bytes([9; 32]))] {
        let mut foreign = index_of(through, version);
        assert!(forget_foreign_index(&archive, &mut foreign).await.unwrap());
        assert_eq!((foreign.complete_to(), foreign.len()), (0, 0));
    }
}
