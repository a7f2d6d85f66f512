//! What the program does not do: each has an exit code, words, and says what to do instead.

use std::fs;

use crate::program::{ENTITY, World, tree};

#[test]
fn without_the_name_of_an_archive_the_options_are_told() {
    let world = World::new();
    let mut command = world.command(["status"]);
    command.env_remove("SIGILLO_ARCHIVE");
    let ran = crate::program::finish(command);
    ran.check_error(2, "error: no archive is named");
    ran.check_error(2, "hint: name it with --archive PLACE, or set SIGILLO_ARCHIVE");
}

#[test]
fn where_there_is_no_archive_every_command_says_how_to_make_one() {
    let world = World::new();
    let read = [&["status"][..], &["verify"], &["seal"], &["rebuild"], &["log", "checkpoint"]];
    let more = [&["export", "--all", "-o", "x"][..], &["trust", "export"], &["ingest", "carte"]];
    for args in read.iter().chain(&more) {
        let ran = world.run(*args);
        ran.check_error(1, "there is no archive in");
        ran.check_error(1, "hint: make one with `sigillo init ARCHIVE --entity NAME`");
        assert!(!world.archive().exists(), "{args:?}");
    }
    fs::create_dir(world.archive()).unwrap();
    world.run(["verify"]).check_error(1, "hint: make one with `sigillo init");
    let ran = world.run(["status", "--json"]);
    let error = &ran.json()["error"];
    assert_eq!((ran.code, &error["kind"]), (1, &"invalid".into()));
    assert!(error["hints"][0].as_str().unwrap().contains("sigillo init"));
}

#[test]
fn an_archive_is_made_again_only_for_the_same_entity() {
    let world = World::new();
    world.run(["init", "--entity", ENTITY]).check(0, "The archive of Comune di Prova is ready");
    let before = tree(&world.archive());
    let ran = world.run(["init", "--entity", "Comune di Altrove"]);
    ran.check_error(1, "already holds another archive, of Comune di Prova");
    world.run(["init", "--entity", ENTITY]).check(0, "is ready");
    assert_eq!(tree(&world.archive()), before);
    world.run(["init", "--entity", "a\nb"]).check_error(2, "control characters");
    world.check_intact(0);
}

#[test]
fn the_same_folder_again_archives_nothing_twice() {
    let world = World::with(&[("uno.txt", b"uno"), ("sotto/due.txt", b"due")]);
    let ran = world.ingest(&[]);
    ran.check(0, "carte: 0 documents archived, 2 there before, 0 refused");
    world.write("tre.txt", b"tre");
    world.ingest(&[]).check(0, "carte: 1 document archived, 2 there before, 0 refused");
    world.check_intact(3);
    assert_eq!(world.export(), tree(&world.source()));
}

#[test]
fn other_content_under_the_same_key_is_refused_and_the_first_stays() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.write("uno.txt", b"un altro");
    let ran = world.ingest(&[]);
    ran.check(1, "carte: 0 documents archived, 0 there before, 1 refused");
    ran.check(1, "refused uno.txt: KEY_EXISTS");
    assert_eq!(world.export()[b"uno.txt".as_slice()], b"uno");
    world.ingest(&["--source", "altre"]).check(0, "altre: 1 document archived");
    world.check_intact(2);
}

#[test]
fn sources_and_archive_must_not_lie_in_each_other() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let ran = world.run(["ingest", ".", "--source", "tutto"]);
    ran.check_error(2, "an archive cannot take itself in");
    fs::create_dir_all(world.place("altro/carte")).unwrap();
    let ran = world.run(["ingest", "carte", "altro/carte"]);
    ran.check_error(2, "two sources are called carte");
    world.run(["ingest", "manca"]).check_error(1, "manca");
    world.run(["ingest", "carte", "--source", "a/b"]).check_error(1, "cannot name a source");
    world.check_intact(1);
}

#[test]
fn a_command_line_that_cannot_be_understood_ends_with_two() {
    let world = World::new();
    for args in [
        &["fai"][..],
        &["export", "-o", "x"],
        &["verify", "--full", "--log-only"],
        &["verify", "--full", "12345678"],
        &["ingest", "--create", "carte"],
        &["init"],
        &[],
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("Usage"), "{args:?}: {ran:?}");
    }
}

#[test]
fn stores_that_are_not_served_yet_are_named() {
    let world = World::new();
    for place in ["s3://bucket/x", "ftp://host/x", "file://host/x"] {
        let ran = world.run(["status", "--archive", place]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn without_its_keys_an_archive_can_be_read_and_says_how_to_name_them() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let keys = world.home().join(".local/share/sigillo/keys");
    let own = keys.read_dir().unwrap().next().unwrap().unwrap().path();
    let elsewhere = world.place("chiavi");
    fs::rename(&own, &elsewhere).unwrap();
    let before = tree(&world.archive());
    world.write("due.txt", b"due");
    for args in [&["ingest", "carte"][..], &["seal"], &["rebuild"]] {
        let ran = world.run(args);
        ran.check_error(1, "hint: name the folder with this archive's keys with --keys");
    }
    assert_eq!(tree(&world.archive()), before);
    world.check_intact(1);
    assert_eq!(world.export().len(), 1);
    let ran = world.ingest(&["--keys", elsewhere.to_str().unwrap()]);
    ran.check(0, "carte: 1 document archived, 1 there before");
    world.check_intact(2);
}

#[test]
fn keys_of_another_archive_are_refused() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let ran = world.run(["init", "altro", "--entity", "Altro Comune", "--keys", "altre-chiavi"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = world.ingest(&["--keys", "altre-chiavi"]);
    ran.check_error(1, "are not this archive's");
    world.check_intact(1);
}

#[test]
fn an_archive_that_was_moved_still_finds_its_keys() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let moved = world.place("altrove");
    fs::rename(world.archive(), &moved).unwrap();
    world.write("due.txt", b"due");
    let ran = world.ingest(&["--archive", moved.to_str().unwrap()]);
    ran.check(0, "carte: 1 document archived, 1 there before");
    let ran = world.run(["verify", "--full", "--archive", moved.to_str().unwrap()]);
    ran.check(0, "Read 2 of 2 documents");
    // And a new archive in the old place gets keys of its own.
    world.create_with(&["--source", "altre"]).check(0, "altre: 2 documents archived");
    world.check_intact(2);
    let ran = world.run(["verify", "--full", "--archive", moved.to_str().unwrap()]);
    ran.check(0, "INTACT");
}

#[test]
fn a_settings_file_that_cannot_be_understood_is_named() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let settings = world.home().join(".config/sigillo/settings.toml");
    fs::write(&settings, "autorita = 1\n").unwrap();
    world.run(["seal"]).check_error(1, "settings.toml cannot be understood");
}

#[test]
fn a_user_without_a_password_and_a_password_without_a_user_are_named() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let settings = world.home().join(".config/sigillo/settings.toml");
    let authority = "[[authorities]]\nname = \"Prova\"\nurl = \"http://127.0.0.1:9/\"\n\
                     anchor_file = \"root.pem\"\n";
    fs::write(&settings, format!("{authority}user = \"rossi\"\n")).unwrap();
    let ran = world.run(["seal"]);
    ran.check_error(1, "gives the authority Prova a user without a password_file");
    ran.check_error(1, "hint: add the password_file, or remove the user");
    fs::write(&settings, format!("{authority}password_file = \"segreto\"\n")).unwrap();
    world.run(["seal"]).check_error(1, "gives the authority Prova a password_file without a user");
}
