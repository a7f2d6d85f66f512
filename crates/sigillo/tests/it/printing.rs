//! What is printed is whole, or the exit code says that it is not.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

use rstest::rstest;

use crate::program::{Ran, World};

/// Runs a command whose standard output goes to a device that takes nothing.
fn run_full(mut command: Command) -> Ran {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: String::new(), stderr }
}

#[rstest]
#[case(&["log", "checkpoint"])]
#[case(&["log", "entries"])]
#[case(&["trust", "export"])]
#[case(&["receipt", "show", "carte/delibera.pdf"])]
#[case(&["find", "delibera"])]
#[case(&["status"])]
#[case(&["status", "--json"])]
#[case(&["verify", "--json"])]
#[case(&["submission", "list"])]
#[case(&["completions", "bash"])]
fn what_cannot_be_printed_is_no_success(#[case] args: &[&str]) {
    let world = World::with(&[("delibera.pdf", b"una delibera")]);
    assert_eq!(world.run(args).code, 0, "{args:?}");
    let ran = run_full(world.command(args));
    ran.check_error(1, "error: failed while printing the result");
    ran.check_error(1, "(os error 28)");
    ran.check_error(1, "hint: what was printed is not whole: do not keep it");
}

#[test]
fn damage_stays_damage_where_it_cannot_be_printed() {
    let world = World::with(&[("delibera.pdf", b"una delibera")]);
    fs::remove_file(world.object("packs/", ".zip")).unwrap();
    assert_eq!(run_full(world.command(["verify"])).code, 5);
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let world = World::with(&[("delibera.pdf", b"una delibera")]);
    let mut child = world.command(["log", "entries"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn entries_behind_a_missing_commit_are_an_error() {
    let world = World::with(&[("delibera.pdf", b"una delibera")]);
    let whole = world.run(["log", "entries"]);
    let second = world.object("log/seq/", "0000000002");
    fs::remove_file(second).unwrap();
    let ran = world.run(["log", "entries"]);
    ran.check_error(5, "commit 2");
    assert!(whole.stdout.starts_with(&ran.stdout) && ran.stdout.len() < whole.stdout.len());
    // What lies before the gap can be had.
    assert_eq!(world.run(["log", "entries", "--count", "1"]).code, 0);
    let json = world.run(["log", "entries", "--json"]).json();
    assert_eq!(json["error"]["kind"], "integrity", "{json}");
}

#[test]
fn a_program_is_told_where_the_settings_are_wrong() {
    let world = World::with(&[("delibera.pdf", b"una delibera")]);
    let settings = world.home().join(".config/sigillo");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("settings.toml"), "archvie = \"x\"\n").unwrap();
    let json = world.run(["seal", "--json"]).json();
    assert_eq!(json["error"]["excerpt"][0], "line 1, column 1", "{json}");
}
