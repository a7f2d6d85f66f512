//! Several programs at once on one archive: each succeeds, and nothing is there twice.

use std::{ffi::OsString, fs, thread};

use crate::program::{Ran, World, finish, tree};

/// So many documents each of them brings.
const DOCUMENTS: u64 = 150;

/// Runs several ingests at once.
fn at_once(world: &World, commands: &[&[&str]]) -> Vec<Ran> {
    thread::scope(|scope| {
        let started: Vec<_> = commands
            .iter()
            .map(|args| {
                let args = args.iter().map(OsString::from);
                let command = world.command(["ingest".into()].into_iter().chain(args));
                scope.spawn(move || finish(command))
            })
            .collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn count(ran: &Ran, name: &str) -> u64 {
    ran.json()["submissions"][0][name].as_u64().unwrap()
}

fn fill(world: &World, folder: &str) {
    for number in 0..DOCUMENTS {
        let path = world.place(folder).join(format!("{number}.txt"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{folder} {number}")).unwrap();
    }
}

#[test]
fn two_ingests_of_different_folders_both_succeed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["sinistra", "destra"] {
        fill(&world, folder);
    }
    let runs = at_once(&world, &[&["sinistra", "--json"], &["destra", "--json"]]);
    for ran in &runs {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(count(ran, "archived"), DOCUMENTS, "{ran:?}");
    }
    world.check_intact(2 * DOCUMENTS + 1);
    let ran = world.run(["export", "--all", "-o", "fuori"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for folder in ["sinistra", "destra", "carte"] {
        assert_eq!(tree(&world.place("fuori").join(folder)), tree(&world.place(folder)));
    }
}

#[test]
fn two_ingests_of_the_same_folder_archive_it_once() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fill(&world, "stessa");
    let runs = at_once(&world, &[&["stessa", "--json"], &["stessa", "--json"]]);
    for ran in &runs {
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(count(ran, "archived") + count(ran, "already"), DOCUMENTS, "{ran:?}");
    }
    let archived: u64 = runs.iter().map(|ran| count(ran, "archived")).sum();
    assert_eq!(archived, DOCUMENTS);
    world.check_intact(DOCUMENTS + 1);
    let ran = world.run(["export", "--all", "-o", "fuori"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(tree(&world.place("fuori/stessa")), tree(&world.place("stessa")));
}

#[test]
fn two_ingests_that_both_make_the_archive_end_with_one_archive() {
    let world = World::new();
    for folder in ["sinistra", "destra"] {
        fill(&world, folder);
    }
    let create = ["--create", "--entity", crate::program::ENTITY, "--json"];
    let commands = ["sinistra", "destra"].map(|folder| [&create[..], &[folder]].concat());
    let runs = at_once(&world, &[&commands[0], &commands[1]]);
    let done: u64 = runs.iter().filter(|ran| ran.code == 0).map(|ran| count(ran, "archived")).sum();
    for ran in &runs {
        // Whoever comes second to an archive half made may be told to try again, never worse.
        assert!([0, 1, 4].contains(&ran.code), "{ran:?}");
    }
    assert!(done >= DOCUMENTS, "{runs:?}");
    world.check_intact(done);
}
