//! Damaged, torn and missing files: a wrong answer is never given.

use std::{fs, path::Path};

use sigillo_catalogue::KeyIndex;

use crate::shared::{ARCHIVE, Files, Model, document, files, folder_of, key, version};

const VERSIONS: u32 = 30;

fn small_run() -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    index.add(1, (0..VERSIONS).map(|leaf| version(leaf, 1, leaf)).collect()).unwrap();
    files(folder.path()).pop_first().unwrap()
}

/// Checks that the index answers what is so, or an error, or that it left the run out; returns
/// whether it was as if nothing had happened. Stops at the first error unless it is to go on.
#[track_caller]
fn is_whole_and_never_wrong(folder: &Path, goes_on: bool) -> bool {
    let index = KeyIndex::open(folder, ARCHIVE).unwrap();
    if index.complete_to() == 0 {
        assert!(index.is_empty());
        return false;
    }
    let mut is_whole = true;
    for number in (0..VERSIONS).step_by(3) {
        let expected = [version(number, 1, number)];
        for (answer, expected) in [
            (index.versions(key(number)), &expected[..]),
            (index.versions_of(document(number)), &expected[..]),
            (index.versions(key(number + 1000)), &[]),
        ] {
            match answer {
                Ok(versions) => assert_eq!(versions, expected),
                Err(_) => is_whole = false,
            }
        }
        if !is_whole && !goes_on {
            return false;
        }
    }
    match index.documents_with_prefix("", 1000) {
        Ok(documents) => assert_eq!(documents.len(), VERSIONS as usize),
        Err(_) => is_whole = false,
    }
    is_whole
}

#[test]
fn no_changed_byte_gives_a_wrong_answer_or_goes_unnoticed() {
    let (name, mut bytes) = small_run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, &bytes).unwrap();
    assert!(is_whole_and_never_wrong(folder.path(), true));
    for at in 0..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let is_whole = is_whole_and_never_wrong(folder.path(), at % 16 == 0);
        assert!(!is_whole, "byte {at} was changed and nothing noticed");
        assert!(!path.exists(), "byte {at}: the damaged run was not removed");
        bytes[at] ^= 1 << (at % 8);
    }
}

#[test]
fn a_torn_or_lengthened_file_is_left_out() {
    let (name, mut bytes) = small_run();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().is_empty(), "{length} bytes");
    }
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    assert!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().is_empty());
}

#[test]
fn a_file_that_shrinks_while_it_is_open_is_an_error() {
    let (name, bytes) = small_run();
    let folder = folder_of([(&name, &bytes)]);
    let index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    fs::File::options().write(true).open(folder.path().join(&name)).unwrap().set_len(1000).unwrap();
    assert!((0..VERSIONS).all(|number| index.versions(key(number)).is_err()));
    assert!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().is_empty());
}

#[test]
fn a_run_under_the_name_of_another_is_not_believed() {
    let (_, bytes) = small_run();
    let name = "00000000000000000000-00000000000000000002.run".to_owned();
    let folder = folder_of([(&name, &bytes)]);
    assert_eq!(KeyIndex::open(folder.path(), ARCHIVE).unwrap().complete_to(), 0);
}

/// Makes the files of an index of four commits as they are before and after the merge of the four
/// runs.
fn around_a_merge() -> (Model, Files, Files) {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::default();
    let lock = fs::File::create(folder.path().join("merging.lock")).unwrap();
    lock.lock().unwrap();
    let commit_all = |index: &mut KeyIndex, model: &mut Model, from| {
        for commit in from..=4 {
            let versions: Vec<_> = (0..100).map(|leaf| version(leaf, commit, leaf)).collect();
            model.add(&versions);
            index.add(commit, versions).unwrap();
        }
    };
    commit_all(&mut KeyIndex::open(folder.path(), ARCHIVE).unwrap(), &mut model, 1);
    let before = files(folder.path());
    lock.unlock().unwrap();
    // As if the process had died after three commits.
    fs::remove_file(folder.path().join(before.keys().next_back().unwrap())).unwrap();
    let mut index = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
    let from = index.complete_to() + 1;
    commit_all(&mut index, &mut Model::default(), from);
    let after = files(folder.path());
    assert_eq!((before.len(), after.len()), (4, 1));
    (model, before, after)
}

#[test]
fn a_crash_at_any_point_of_a_merge_loses_nothing() {
    let (model, before, after) = around_a_merge();
    let (merged_name, merged) = after.first_key_value().unwrap();
    let staged_name = merged_name.replace(".run", ".99-0.part");
    let names: Vec<_> = before.keys().cloned().collect();
    let check = |then: Files, expected: &Files| {
        let folder = folder_of(&then);
        let opened = KeyIndex::open(folder.path(), ARCHIVE).unwrap();
        assert_eq!(opened.complete_to(), 4);
        model.check(&opened);
        assert!(files(folder.path()).keys().eq(expected.keys()));
    };
    // While the merged run is written.
    for length in (0..=merged.len()).step_by(4096) {
        let mut then = before.clone();
        then.insert(staged_name.clone(), merged[..length].to_vec());
        check(then, &before);
    }
    // Named, but a power cut left it torn or empty.
    for length in [0, 1, 5000, merged.len() - 1] {
        let mut then = before.clone();
        then.insert(merged_name.clone(), merged[..length].to_vec());
        check(then, &before);
    }
    // While the merged runs are removed.
    for removed in 0..=names.len() {
        let mut then = before.clone();
        names[..removed].iter().for_each(|name| drop(then.remove(name)));
        then.insert(merged_name.clone(), merged.clone());
        check(then, &after);
    }
}

#[test]
fn an_index_that_cannot_be_written_is_complete_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("index");
    let mut index = KeyIndex::open(&folder, ARCHIVE).unwrap();
    let mut model = Model::default();
    for commit in 1..=20 {
        let versions: Vec<_> = (0..100).map(|leaf| version(leaf, commit, leaf)).collect();
        model.add(&versions);
        if commit == 3 {
            fs::remove_dir_all(&folder).unwrap();
            fs::write(&folder, "in the way").unwrap();
        }
        assert_eq!(index.add(commit, versions).is_ok(), commit < 3);
        assert_eq!(index.complete_to(), commit);
    }
    model.check(&index);
    fs::remove_file(&folder).unwrap();
    index.add(21, vec![version(7, 21, 0)]).unwrap();
    model.add(&[version(7, 21, 0)]);
    model.check(&index);
    // What others can open is not more than what is there.
    let opened = KeyIndex::open(&folder, ARCHIVE).unwrap();
    assert!(matches!((opened.complete_to(), opened.len()), (0, 0) | (21, 2001)));
}
