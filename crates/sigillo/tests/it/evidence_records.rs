//! Evidence records on the command line: those of others, and one made here.

use std::{fs, path::PathBuf, process::Command};

use crate::program::{PROGRAM, World, finish, skip};

/// Returns the folder of shared inputs; without it says so, and fails in CI.
fn shared() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("SIGILLO_SHARED").map_or(PathBuf::from(default), PathBuf::from);
    if shared.join("vectors/ERS_CASES.tsv").is_file() {
        return Some(shared);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", shared.display());
    skip(&format!("{} is missing", shared.display()));
    None
}

#[test]
fn the_table_of_records_of_others_is_answered_as_it_expects() {
    let Some(shared) = shared() else { return };
    let world = World::new();
    let mut command = Command::new("python3");
    command.arg(shared.join("verifiers/run_ers_cases.py")).arg(shared.join("vectors"));
    command.arg("--cmd").arg(format!("{PROGRAM} er verify --trust any"));
    command.env("HOME", world.home()).current_dir(world.folder.path());
    let ran = finish(command);
    ran.check(0, "38 cases, 0 disagree");
}

#[test]
fn a_record_over_files_outside_of_any_archive_is_made_and_verified() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    world
        .run(["er", "create", "carte/uno.txt", "carte/due.txt", "-o", "due.er"])
        .check(0, "over 2 files is in due.er, with a TRIAL time-stamp");
    let both = ["er", "verify", "due.er", "carte/uno.txt", "carte/due.txt", "--group"];
    world.run(both).check(0, "PROVEN: 2 objects");
    world.run(["er", "verify", "due.er", "carte/due.txt"]).check(0, "PROVEN: 1 object");
    world.run(["er", "verify", "due.er", "carte/due.txt", "--group"]).check(5, "F908");
    fs::write(world.place("tre.txt"), b"tre").unwrap();
    world.run(["er", "verify", "due.er", "tre.txt"]).check(5, "NOT PROVEN");
    let again = world.run(["er", "create", "tre.txt", "-o", "due.er"]);
    again.check_error(1, "due.er is there already");
    // Whoever believes nobody, and whoever looks too late, cannot tell.
    let nobody = world.run(["er", "verify", "due.er", "carte/uno.txt", "--config", "nessuno"]);
    nobody.check(3, "F603");
    let late = world.run(["er", "verify", "due.er", "carte/uno.txt", "--at", "2999-01-01"]);
    late.check(3, "F911");
    world.run(["er", "show", "due.er"]).check(0, "chain 1, time-stamp 1");
}

#[test]
fn what_cannot_be_verified_is_told_with_a_remedy() {
    let world = World::new();
    fs::write(world.place("uno.txt"), b"uno").unwrap();
    fs::write(world.place("rotto.er"), b"uno").unwrap();
    world.run(["er", "verify", "rotto.er", "uno.txt", "--trust", "any"]).check(5, "F901");
    world.run(["er", "show", "rotto.er"]).check_error(1, "is no evidence record");
    world.run(["er", "verify", "rotto.er"]).check_error(2, "name the files");
    for (digest, said) in [
        ("x", "this is no digest"),
        ("md5:00", "is no hash function known here"),
        ("sha256:00", "has 32 bytes"),
        ("sha256:zz", "not hexadecimal"),
    ] {
        let args = ["er", "verify", "rotto.er", "--digest", digest, "--trust", "any"];
        world.run(args).check_error(2, said);
    }
    world.run(["er", "verify", "manca.er", "uno.txt"]).check_error(1, "manca.er");
    let args = ["er", "verify", "rotto.er", "uno.txt", "--trust", "uno.txt"];
    world.run(args).check_error(1, "BEGIN CERTIFICATE");
}
