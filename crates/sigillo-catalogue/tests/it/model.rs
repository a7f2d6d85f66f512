//! The index against maps that remember everything.

use proptest::prelude::*;
use sigillo_catalogue::{IndexedVersion, KeyIndex};

use crate::shared::{ARCHIVE, Model, document, files, key, version};

#[derive(Clone, Debug)]
enum Step {
    /// A commit adds versions of keys from a few numbers on.
    Add { count: u32, keys_from: u32, keys: u32 },
    /// The process ends, and another one opens the index.
    Reopen,
    /// A snapshot is taken; it must answer the same at the end.
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    let add = |count| {
        (count, 0..500_u32, 1..400_u32).prop_map(|(count, keys_from, keys)| Step::Add {
            count,
            keys_from,
            keys,
        })
    };
    prop_oneof![
        6 => add(0..40_u32),
        3 => add(500..2500),
        2 => Just(Step::Reopen),
        1 => Just(Step::Snapshot),
    ]
}

fn versions(commit: u64, count: u32, keys_from: u32, keys: u32) -> Vec<IndexedVersion> {
    (0..count).map(|leaf| version(keys_from + leaf * 31 % keys, commit, leaf)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_index_answers_like_a_map_whatever_is_added_merged_and_reopened(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut on_disk = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        let mut in_memory = KeyIndex::in_memory(ARCHIVE);
        let (mut model, mut snapshots, mut commit) = (Model::default(), Vec::new(), 0);
        let mut last_with_versions = 0;
        for step in steps {
            match step {
                Step::Add { count, keys_from, keys } => {
                    commit += 1;
                    let versions = versions(commit, count, keys_from, keys);
                    if count > 0 {
                        last_with_versions = commit;
                    }
                    model.add(&versions);
                    on_disk.add(commit, versions.clone()).unwrap();
                    in_memory.add(commit, versions).unwrap();
                    prop_assert_eq!(on_disk.complete_to(), commit);
                    prop_assert_eq!(on_disk.runs(), in_memory.runs());
                }
                Step::Reopen => {
                    on_disk = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
                    prop_assert_eq!(on_disk.complete_to(), last_with_versions);
                    prop_assert_eq!(files(folder.path()).len(), on_disk.runs());
                }
                Step::Snapshot => snapshots.push((on_disk.clone(), in_memory.clone(), model.clone())),
            }
        }
        snapshots.push((KeyIndex::open(folder.path(), ARCHIVE).unwrap(), in_memory, model.clone()));
        model.check(&on_disk);
        for (on_disk, in_memory, model) in snapshots {
            model.check(&on_disk);
            model.check(&in_memory);
        }
    }
}

#[test]
fn runs_stay_few_when_many_commits_add_little() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    let mut model = Model::default();
    for commit in 1..=300 {
        let versions = versions(commit, 5, u32::try_from(commit).unwrap(), 5);
        model.add(&versions);
        index.add(commit, versions).unwrap();
        assert!(index.runs() <= 6, "{} runs after {commit} commits", index.runs());
    }
    model.check(&index);
    model.check(&KeyIndex::open(folder.path(), ARCHIVE).unwrap());
}

#[test]
fn a_run_may_name_more_packs_than_are_kept_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    let mut model = Model::default();
    for commit in 1..=4 {
        let mut versions = versions(commit, 3000, 0, 3000);
        for version in &mut versions {
            version.record.pack = sigillo_model::Blake3Digest::of(version.version.as_bytes());
        }
        model.add(&versions);
        index.add(commit, versions).unwrap();
    }
    assert_eq!(index.runs(), 1, "four equal runs are merged");
    for index in [index, KeyIndex::open(folder.path(), ARCHIVE).unwrap()] {
        model.check(&index);
    }
}

#[test]
fn an_index_that_was_cleared_is_empty_and_can_be_filled_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    for commit in 1..=9 {
        index.add(commit, versions(commit, 10, 0, 10)).unwrap();
    }
    let snapshot = index.clone();
    index.clear().unwrap();
    assert_eq!((index.complete_to(), index.len()), (0, 0));
    assert_eq!(files(folder.path()).len(), 0);
    assert_eq!(index.lookup(key(3)).unwrap(), None);
    assert_eq!(snapshot.versions_of(document(3)).unwrap().len(), 9);
    index.add(1, versions(1, 10, 0, 10)).unwrap();
    assert_eq!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().len(), 10);
}
