//! What is asked over the border of two logs, or of a log that ended, is answered as within one log, or
//! refused with what is wrong.

use std::{ffi::OsStr, fs};

use sigillo_merkle::{Checkpoint, SignedNote, TreeHash, verify_consistency};

use crate::{
    program::{World, finish},
    succeeding::copy,
};

fn succeed(world: &World, reason: &str) {
    let ran = world.run(["log", "succeed", "--reason", reason, "--trial", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn ingest_more(world: &World, name: &str) {
    world.write(name, name.as_bytes());
    assert_eq!(world.ingest(&[]).code, 0);
}

/// Keeps the checkpoint of the archive, as an auditor does.
fn keep(world: &World, name: &str) -> String {
    let printed = world.run(["log", "checkpoint"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    fs::write(world.place(name), &printed.stdout).unwrap();
    printed.stdout
}

fn parsed(note: &str) -> Checkpoint {
    Checkpoint::parse(&SignedNote::parse(note.as_bytes()).unwrap().text).unwrap()
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused_also_over_a_border() {
    let world = World::with(&[("uno.txt", b"uno")]);
    keep(&world, "vecchio.txt");
    ingest_more(&world, "due.txt");
    keep(&world, "primo.txt");
    succeed(&world, "tail-lost");
    ingest_more(&world, "tre.txt");
    keep(&world, "secondo.txt");
    for (from, to) in [
        ("primo.txt", "vecchio.txt"),
        ("secondo.txt", "vecchio.txt"),
        ("secondo.txt", "primo.txt"),
        ("2999-01-01", "primo.txt"),
        ("2999-01-01", "2998-01-01"),
    ] {
        let mut args = vec!["log", "statement", "--from", from, "--to", to, "-o", "anno.json"];
        world.run(&args).check_error(1, "it would end before it begins");
        args.extend(["--generation", "1"]);
        world.run(&args).check_error(1, "it would end before it begins");
    }
    assert!(!world.place("anno.json").exists());
    // A period without entries is one.
    for from in ["primo.txt", "secondo.txt"] {
        let args = ["log", "statement", "--from", from, "--to", from];
        assert_eq!(world.run(args).code, 0);
    }
}

#[test]
fn a_log_that_ended_is_proven_to_have_only_grown_up_to_its_end() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let old = parsed(&keep(&world, "vecchio.txt"));
    ingest_more(&world, "due.txt");
    let last = keep(&world, "primo.txt");
    succeed(&world, "log-forked");
    let end = parsed(&last);
    let proven = |note: &str| {
        let ran = world.run(["log", "consistency", "vecchio.txt"]);
        ran.check_error(0, "is of log 1, which only grew");
        assert!(ran.stderr.contains("when it ended"), "{ran:?}");
        let (proof, printed) = ran.stdout.split_once("\n\n").unwrap();
        assert_eq!(printed, note);
        let mut lines = proof.lines();
        assert_eq!(lines.next(), Some(&*format!("old {}", old.size)));
        let path: Vec<_> = lines.map(|line| TreeHash::from_base64(line).unwrap()).collect();
        assert!(!path.is_empty());
        assert_eq!(verify_consistency(old.size, old.root, end.size, end.root, &path), Ok(()));
        let json = world.run(["log", "consistency", "vecchio.txt", "--json"]).json();
        assert_eq!((&json["standing"], &json["checkpoint"]), (&"ended".into(), &note.into()));
        assert_eq!(json["proof"].as_array().unwrap().len(), path.len());
    };
    proven(&last);
    // Without its last checkpoint there is still what the next log names.
    fs::copy(world.place("vecchio.txt"), world.archive().join("log/checkpoint")).unwrap();
    proven(&end.to_text());
}

#[test]
fn the_time_stamps_over_checkpoints_of_all_logs_are_listed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["log", "anchor"]).check(0, "TRIAL time-stamp");
    succeed(&world, "tail-lost");
    let listed = |count: usize| {
        let ran = world.run(["log", "anchor", "--list"]);
        ran.check(0, "log 1, ");
        assert_eq!(ran.stdout.matches("TRIAL time-stamp").count(), count, "{ran:?}");
        let json = world.run(["log", "anchor", "--list", "--json"]).json();
        assert_eq!(json["anchors"].as_array().unwrap().len(), count, "{json}");
    };
    listed(1);
    let ran = world.run(["log", "anchor"]);
    ran.check(0, "log 2, ");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    listed(2);
    // One that is lost is missed, of whatever log it is.
    fs::remove_file(world.object("log/anchors/", ".tst")).unwrap();
    world.run(["log", "anchor", "--list"]).check(5, "although the log names it");
}

#[test]
fn what_is_missing_of_a_log_that_ended_is_named() {
    let world = World::with(&[("uno.txt", b"uno")]);
    // The next log is smaller than what is left of this one: the gap must not pass for its end.
    succeed(&world, "tail-lost");
    fs::remove_file(world.archive().join("log/seq/00000000000000000003")).unwrap();
    for args in [&["receipt", "show", "carte/uno.txt"][..], &["log", "consistency"]] {
        world.run(args).check_error(5, "commit 3 is missing although later ones exist");
    }
}

#[test]
fn commits_of_the_old_keys_behind_the_newest_hide_no_log() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-rubata")));
    }
    succeed(&world, "keys-exposed");
    let newest = world.objects().into_iter().rfind(|key| key.starts_with("log/seq/")).unwrap();
    let thief = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("HOME", world.place("home-rubata"));
        command.env("SIGILLO_ARCHIVE", world.place("archivio-rubata"));
        assert_eq!(finish(command).code, 0);
    };
    for name in ["falso.txt", "altro.txt"] {
        fs::create_dir_all(world.place("false")).unwrap();
        fs::write(world.place("false").join(name), name).unwrap();
        thief(&["ingest", "false"]);
    }
    let seq = world.place("archivio-rubata/log/seq");
    let newest = OsStr::new(newest.strip_prefix("log/seq/").unwrap());
    let later = fs::read_dir(&seq).unwrap().map(|it| it.unwrap().file_name());
    let later: Vec<_> = later.filter(|it| **it > *newest).collect();
    assert!(later.len() > 4, "{later:?}");
    for name in &later {
        fs::copy(seq.join(name), world.archive().join("log/seq").join(name)).unwrap();
    }
    let hidden = |more: &[&str]| {
        for args in [
            &["status"][..],
            &["find", "uno"],
            &["get", "carte/uno.txt", "-o", "fuori"],
            &["prove", "carte/uno.txt", "-o", "uno.zip"],
            &["log", "checkpoint"],
            &["log", "succeed"],
            &["ingest", "carte"],
        ] {
            world.run(args.iter().chain(more)).check_error(5, "it is of log 1, which ended with");
        }
    };
    hidden(&[]);
    // Who knows nothing of the next log sees what is published of it.
    hidden(&["--state", "altro", "--config", "altra"]);
    // Where that is gone, whoever believes the next log is told.
    fs::remove_file(world.archive().join("log-2/checkpoint")).unwrap();
    hidden(&["--state", "terzo"]);
}

#[test]
fn two_logs_after_one_are_a_fork_also_for_who_meets_them_in_what_was_given_out() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("vecchio.json"), world.run(["trust", "export"]).stdout).unwrap();
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    let prove = |name: &str| {
        succeed(&world, "log-forked");
        ingest_more(&world, "tre.txt");
        world.run(["prove", "carte/tre.txt", "-o", &format!("{name}.zip")]).check(0, "");
        let statement = format!("{name}.json");
        world.run(["log", "statement", "--generation", "2", "-o", &statement]).check(0, "");
        fs::write(world.place(format!("{name}.trust")), world.run(["trust", "export"]).stdout)
            .unwrap();
    };
    prove("una");
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-copia")), world.place(folder)).unwrap();
    }
    fs::remove_file(world.place("carte/tre.txt")).unwrap();
    // The first log ends elsewhere, and the old key signs for this one as well.
    ingest_more(&world, "due.txt");
    prove("altra");
    let run = |state: &str, args: &[&str]| {
        world.run(args.iter().chain(&["--config", "revisore", "--state", state]))
    };
    run("primo", &["trust", "add", "vecchio.json"]).check(0, "Believed");
    let forked = "DAMAGE F304 log 2: the log was forked: after log 1 came";
    for (state, first, then) in [
        ("primo", "una.zip", "altra.zip"),
        ("secondo", "altra.zip", "una.zip"),
        ("terzo", "una.json", "altra.zip"),
        ("quarto", "altra.zip", "una.json"),
    ] {
        run(state, &["check", first]).check(0, "PROVEN");
        run(state, &["check", first]).check(0, "PROVEN");
        run(state, &["check", then]).check(5, forked);
        run(state, &["check", first]).check(0, "PROVEN");
    }
    // By what was seen in the archive, too.
    run("visto", &["verify"]).check(0, "INTACT");
    run("visto", &["check", "una.zip"]).check(5, forked);
    // Who is told which of the two it is believes that one, whatever was met.
    run("primo", &["trust", "add", "altra.trust"]).check(0, "Believed");
    run("primo", &["check", "altra.zip"]).check(0, "PROVEN");
    run("primo", &["check", "una.zip"]).check(3, "F601");
}

#[test]
fn status_says_what_is_known_where_the_newest_commits_are_gone() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let first = world.objects().iter().filter(|it| it.starts_with("log/seq/")).count();
    succeed(&world, "tail-lost");
    ingest_more(&world, "due.txt");
    let mut commits = world.objects();
    commits.retain(|it| it.starts_with("log/seq/"));
    fs::remove_file(world.archive().join(commits.last().unwrap())).unwrap();
    let said = format!("commit {} is missing: a checkpoint of ", commits.len());
    world.run(["status"]).check_error(5, &said);
    for commit in &commits[first..commits.len() - 1] {
        fs::remove_file(world.archive().join(commit)).unwrap();
    }
    let ran = world.run(["status"]);
    ran.check_error(5, "LOG_DIVERGED: log 2 of this archive was seen with ");
    assert!(ran.stderr.contains("bring back its newest state"), "{ran:?}");
    // Who knows nothing of it sees that something is published.
    let stranger = ["status", "--state", "altro", "--config", "altra", "--keys", "senza"];
    world.run(stranger).check(3, "CANNOT TELL: a checkpoint of log 2 is published");
    assert!(world.run(stranger.iter().chain(&["--json"])).json()["rolled_back"].is_string());
    fs::remove_dir_all(world.archive().join("log-2")).unwrap();
    world.run(stranger).check(0, "everything is sealed");
}
