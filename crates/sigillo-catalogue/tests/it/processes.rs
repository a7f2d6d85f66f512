//! Several handles on one folder, as several processes have them: locks count for each open file.

use std::{fs, thread};

use sigillo_catalogue::{IndexedVersion, KeyIndex};

use crate::shared::{ARCHIVE, Model, files, version};

fn versions(commit: u64) -> Vec<IndexedVersion> {
    (0..200).map(|leaf| version(leaf * 3, commit, leaf)).collect()
}

#[test]
fn two_that_add_the_same_commits_do_not_harm_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    (1..=60).for_each(|commit| model.add(&versions(commit)));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
                for commit in index.complete_to() + 1..=60 {
                    index.add(commit, versions(commit)).unwrap();
                }
                model.check(&index);
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                let index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
                let expected = index.complete_to() * 200;
                assert_eq!(index.len() as u64, expected);
                drop(index);
            }
        });
    });
    let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    assert_eq!(opened.complete_to(), 60);
    model.check(&opened);
    assert_eq!(files(folder.path()).len(), opened.runs(), "something was left over");
}

#[test]
fn whoever_is_behind_does_not_merge_away_the_beginning_of_what_is_further() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    (1..=13).for_each(|commit| model.add(&versions(commit)));
    let mut ahead = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    (1..=7).for_each(|commit| ahead.add(commit, versions(commit)).unwrap());
    let lock = fs::File::create(folder.path().join("merging.lock")).unwrap();
    lock.lock().unwrap();
    (8..=9).for_each(|commit| ahead.add(commit, versions(commit)).unwrap());
    let mut behind = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    (10..=12).for_each(|commit| ahead.add(commit, versions(commit)).unwrap());
    drop(lock);
    ahead.add(13, versions(13)).unwrap();
    assert_eq!((behind.complete_to(), ahead.runs()), (9, 4), "9 to 13 are one run");
    (10..=11).for_each(|commit| behind.add(commit, versions(commit)).unwrap());
    let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    assert_eq!(opened.complete_to(), 13, "after 10 and 11 were added again");
    model.check(&opened);
}

#[test]
fn one_whose_runs_another_merged_answers_as_before_and_takes_the_merged_ones_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut one = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    let mut model = Model::default();
    for commit in 1..=3 {
        one.add(commit, versions(commit)).unwrap();
        model.add(&versions(commit));
    }
    let mut other = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    one.add(4, versions(4)).unwrap();
    assert_eq!((one.runs(), other.runs()), (1, 3));
    model.check(&other);
    other.add(4, versions(4)).unwrap();
    model.add(&versions(4));
    model.check(&other);
    assert_eq!(other.runs(), 1);
    let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    model.check(&opened);
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn nothing_is_merged_while_another_merges() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::create(folder.path().join("merging.lock")).unwrap();
    lock.lock().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    let mut model = Model::default();
    for commit in 1..=9 {
        index.add(commit, versions(commit)).unwrap();
        model.add(&versions(commit));
    }
    assert_eq!(index.runs(), 9);
    lock.unlock().unwrap();
    index.add(10, versions(10)).unwrap();
    model.add(&versions(10));
    assert!(index.runs() <= 2, "{} runs", index.runs());
    model.check(&index);
    model.check(&KeyIndex::open(folder.path(), ARCHIVE).unwrap());
}

#[test]
fn an_unfinished_file_stays_only_while_its_writer_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000000000000000000-00000000000000000001.77-0.part");
    let file = fs::File::create(&path).unwrap();
    file.lock().unwrap();
    KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    assert!(path.exists());
    drop(file);
    KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    assert!(!path.exists());
}
