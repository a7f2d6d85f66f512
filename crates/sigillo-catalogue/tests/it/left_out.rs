//! What could not be read is left out, and whoever opens the index knows it.

use std::fs;

use sigillo_catalogue::{KeyIndex, LeftOut};

use crate::shared::{ARCHIVE, files, key, version};

fn left_out(commit: u64) -> LeftOut {
    let (object, what) = ("packs/00/x.zip".to_owned(), "a record in it is damaged".to_owned());
    LeftOut { commit, documents: 2, object, what }
}

#[test]
fn what_is_left_out_is_known_until_the_index_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    index.add(1, vec![version(1, 1, 0)]).unwrap();
    index.leave_out(2, vec![left_out(2)]).unwrap();
    index.add(2, vec![version(2, 2, 0)]).unwrap();
    index.leave_out(3, Vec::new()).unwrap();
    index.add(3, vec![version(3, 3, 0)]).unwrap();
    for _ in 0..2 {
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((opened.complete_to(), opened.len()), (3, 3));
        assert_eq!(opened.left_out(), [left_out(2)]);
    }
    // A file that cannot be read is no reason to take the index for complete.
    let path = folder.path().join(format!("{:020}.left-out", 2));
    for bytes in [&b""[..], b"[]", b"[{\"documents\":1"] {
        fs::write(&path, bytes).unwrap();
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!((opened.left_out()[0].commit, opened.left_out()[0].documents), (2, 0));
    }
    index.clear().unwrap();
    assert_eq!(index.left_out(), []);
    assert_eq!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().left_out(), []);
}

#[test]
fn what_cannot_be_remembered_keeps_the_rest_off_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    index.add(1, vec![version(1, 1, 0)]).unwrap();
    fs::create_dir(folder.path().join(format!("{:020}.left-out", 2))).unwrap();
    index.leave_out(2, vec![left_out(2)]).unwrap_err();
    index.add(2, vec![version(2, 2, 0)]).unwrap();
    assert_eq!((index.complete_to(), index.left_out().len()), (2, 1));
    let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    assert_eq!((opened.complete_to(), opened.len()), (1, 1));
}

#[test]
fn another_index_takes_the_place_of_one_only_when_it_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let (folder, beside) = (root.path().join("index"), root.path().join("beside"));
    let mut old = KeyIndex::open(&folder, ARCHIVE).unwrap();
    old.leave_out(1, vec![left_out(1)]).unwrap();
    old.leave_out(2, vec![left_out(2)]).unwrap();
    for commit in 1..=3 {
        old.add(commit, vec![version(1, commit, 0)]).unwrap();
    }
    let before = files(&folder);
    let mut new = KeyIndex::open(&beside, ARCHIVE).unwrap();
    new.leave_out(2, vec![left_out(2)]).unwrap();
    for commit in 1..=2 {
        new.add(commit, vec![version(2, commit, 0)]).unwrap();
    }
    assert_eq!(files(&folder), before);
    let index = new.take_place_of(&folder).unwrap();
    for index in [index, KeyIndex::open(&folder, ARCHIVE).unwrap()] {
        assert_eq!((index.complete_to(), index.len()), (2, 2));
        assert_eq!(index.left_out(), [left_out(2)]);
        assert_eq!(index.versions(key(1)).unwrap(), []);
    }
    // One that is in memory only does not.
    let before = files(&folder);
    KeyIndex::in_memory(ARCHIVE).take_place_of(&folder).unwrap_err();
    assert_eq!(files(&folder), before);
}

#[test]
fn looking_at_an_index_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    let mut peeked = KeyIndex::peek(&folder, ARCHIVE).unwrap();
    peeked.add(1, vec![version(1, 1, 0)]).unwrap();
    assert!(peeked.len() == 1 && !folder.exists());
    let mut index = KeyIndex::open(&folder, ARCHIVE).unwrap();
    index.add(1, vec![version(1, 1, 0)]).unwrap();
    index.add(2, vec![version(2, 2, 0), version(3, 2, 1)]).unwrap();
    let run = folder.join(files(&folder).into_keys().next_back().unwrap());
    let bytes = fs::read(&run).unwrap();
    fs::write(&run, &bytes[1..]).unwrap();
    fs::write(folder.join("x.part"), b"left").unwrap();
    let before = files(&folder);
    let peeked = KeyIndex::peek(&folder, ARCHIVE).unwrap();
    assert_eq!((peeked.complete_to(), files(&folder)), (1, before));
    fs::write(&run, bytes).unwrap();
    let peeked = KeyIndex::peek(&folder, ARCHIVE).unwrap();
    let mut of_second = Vec::new();
    peeked.versions_of_commit(2, &mut |version| of_second.push(version)).unwrap();
    of_second.sort_by_key(|version| version.leaf);
    assert_eq!(of_second, [version(2, 2, 0), version(3, 2, 1)]);
}
