//! What a sweep shows and removes, on folders, through the program.

use std::{fs, path::PathBuf};

use rustix::fs::FlockOperation;

use crate::program::{Ran, World, is_pack, noise};

/// An archive with two documents, and in it what dead ingests left.
fn littered() -> (World, Vec<PathBuf>) {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    let name = "ab".repeat(32);
    let mut litter = Vec::new();
    let mut leave = |key: String, length: usize| {
        let path = world.archive().join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, noise(1, length)).unwrap();
        litter.push(path);
    };
    leave(format!("packs/ab/{name}.zip"), 70_000);
    leave(format!("packs/ab/{name}.blocks"), 64);
    leave(format!("submissions/{}/received.json", "0c".repeat(16)), 10);
    leave("packs/000000010000000000000000#1".to_owned(), 5_000);
    leave("log/seq/00000000000000000099#1".to_owned(), 40);
    (world, litter)
}

fn gone(litter: &[PathBuf]) -> Vec<bool> {
    litter.iter().map(|path| !path.exists()).collect()
}

fn count(ran: &Ran, of: &str, what: &str) -> u64 {
    ran.json()[of][what]["count"].as_u64().unwrap()
}

#[test]
fn a_sweep_shows_what_no_commit_names_and_removes_it_only_if_told_to() {
    let (world, litter) = littered();
    // What is not ours, next to what is.
    let strange = world.archive().join("packs/ab/letter.txt");
    fs::write(&strange, b"letter").unwrap();
    let before = world.objects();
    let ran = world.run(["sweep"]);
    ran.check(0, "names 3 objects, 68.4 KiB.");
    ran.check(0, "2 files were not finished, 4.9 KiB");
    ran.check(0, &format!("  packs/ab/{}.zip  68.3 KiB", "ab".repeat(32)));
    ran.check(0, "1 files that are not Sigillo's stay.");
    ran.check(0, "Nothing was removed. To remove it: sigillo sweep --yes");
    assert_eq!(world.objects(), before);
    let ran = world.run(["sweep", "--json"]);
    assert_eq!((count(&ran, "plan", "unnamed"), count(&ran, "plan", "staging")), (3, 2));
    assert_eq!(ran.json()["performed"], false);
    world.check_intact(2);

    let ran = world.run(["sweep", "--yes"]);
    ran.check(0, "names 3 objects, 68.4 KiB.");
    ran.check(0, "Removed 3 objects, 68.4 KiB, after commit ");
    ran.check(0, " put epoch 2 in force.");
    ran.check(0, "Removed 2 unfinished files, 4.9 KiB.");
    assert_eq!(gone(&litter), [true; 5]);
    assert!(strange.exists());
    world.check_intact(2);
    assert_eq!(world.export().len(), 2);

    let ran = world.run(["sweep", "--yes", "--json"]);
    assert_eq!((count(&ran, "outcome", "removed"), count(&ran, "outcome", "staging")), (0, 0));
    assert_eq!(ran.json()["outcome"]["epoch"], 3);
    world.run(["sweep"]).check(0, "There is nothing to sweep.");
    world.write("tre.txt", b"tre");
    world.ingest(&[]).check(0, "carte: 1 document archived, 2 there before");
    world.check_intact(3);
}

#[test]
fn unfinished_files_stay_while_another_program_writes() {
    let (world, litter) = littered();
    // As every writer does from its first write on.
    let folder = fs::File::open(world.archive()).unwrap();
    rustix::fs::flock(&folder, FlockOperation::LockShared).unwrap();
    let ran = world.run(["sweep", "--yes"]);
    ran.check(0, "Removed 3 objects");
    ran.check(0, "Unfinished files stay: another program writes to the archive");
    assert_eq!(gone(&litter), [true, true, true, false, false]);
    drop(folder);
    world.run(["sweep", "--yes"]).check(0, "Removed 2 unfinished files, 4.9 KiB.");
    assert_eq!(gone(&litter), [true; 5]);
}

#[test]
fn nothing_is_swept_while_a_pack_that_the_log_names_is_missing() {
    let (world, litter) = littered();
    let named = world.objects().into_iter().find(|key| is_pack(key) && !key.contains("/ab/"));
    fs::remove_file(world.archive().join(named.unwrap())).unwrap();
    for args in [&["sweep"][..], &["sweep", "--yes"]] {
        let ran = world.run(args);
        ran.check_error(5, "is missing; nothing was removed");
        ran.check_error(5, "bring the pack back from a copy");
    }
    assert_eq!(gone(&litter), [false; 5]);
}
