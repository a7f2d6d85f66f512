//! What somebody can do who can write to the store and has no key, and what becomes of an archive that
//! lacks the log that is known to have come after another.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::program::{World, finish};

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Begins another log as trial archives may.
fn succeed(world: &World, reason: &str) {
    let ran = world.run(["log", "succeed", "--reason", reason, "--trial", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Lets a stranger who can write to the store begin another log and add a document.
fn forge(world: &World) {
    let stranger = world.place("estraneo");
    fs::create_dir_all(&stranger).unwrap();
    fs::create_dir_all(world.place("false")).unwrap();
    fs::write(world.place("false/falso.txt"), "falso").unwrap();
    for args in
        [&["log", "succeed", "--reason", "keys-lost", "--trial", "--yes"][..], &["ingest", "false"]]
    {
        let mut command = world.command(args);
        command.env("HOME", &stranger);
        let ran = finish(command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn a_log_that_a_stranger_began_is_not_read_and_nobody_is_led_to_follow_it() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("vero"));
    forge(&world);
    let (code, report) = world.verify();
    assert_eq!(code, 3, "{report}");
    assert!(codes(&report).contains(&"F601"), "{report}");
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains("LOG_UNBELIEVED: nothing in the trust store"), "{doctor:?}");
    world.write("due.txt", b"due");
    for args in [
        &["ingest", "carte"][..],
        &["status"],
        &["find", "falso"],
        &["get", "false/falso.txt", "-o", "fuori"],
        &["export", "--all", "-o", "tutto"],
        &["prove", "carte/uno.txt", "-o", "uno.zip"],
        &["log", "checkpoint"],
        &["trust", "export"],
        &["rebuild"],
        &["renew"],
        &["log", "succeed", "--reason", "keys-lost"],
        &["log", "succeed", "--reason", "tail-lost", "--trial", "--yes"],
    ] {
        world.run(args).check_error(5, "LOG_UNBELIEVED: log 2");
    }
    assert!(!world.place("tutto/false").exists() && !world.place("fuori").exists());
    // What was looked at leaves no trace: the true archive is what it was.
    copy(&world.place("vero"), &world.archive());
    world.check_intact(1);
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
}

#[test]
fn whom_to_believe_is_asked_of_the_logs_that_were_read() {
    let world = World::with(&[("uno.txt", b"uno")]);
    forge(&world);
    // With a gap nobody finds out beforehand which logs there are.
    fs::remove_file(world.archive().join("log/seq/00000000000000000004")).unwrap();
    let ran = world.run(["verify", "--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let report = ran.json();
    assert!(codes(&report).contains(&"F601") && codes(&report).contains(&"F301"), "{report}");
}

#[test]
fn an_archive_that_lacks_a_believed_log_is_not_believed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    copy(&world.home(), &world.place("casa"));
    succeed(&world, "backup-restored");
    copy(&world.place("prima"), &world.archive());
    // The trust store alone knows of it: no state, and no keys.
    for args in [&["verify", "--full", "--json"][..], &["verify", "--json"]] {
        let ran = world.run(args.iter().chain(&["--state", "altro", "--keys", "senza"]));
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(codes(&ran.json()).contains(&"F304"), "{ran:?}");
    }
    let ingest = ["ingest", "carte", "--state", "altro"];
    world.run(ingest).check_error(5, "LOG_DIVERGED: log 2");
    // The keys alone know of it.
    for name in [".config", ".local/state"] {
        copy(&world.place("casa").join(name), &world.home().join(name));
    }
    let before = world.objects();
    world.write("due.txt", b"due");
    world.run(["ingest", "carte"]).check_error(5, "g2 signed 2 entries of log 2");
    let again = ["log", "succeed", "--reason", "backup-restored", "--trial", "--yes"];
    world.run(again).check_error(5, "--lost-successor goes on without it");
    assert_eq!(world.objects(), before);
    // Other keys begin another log in its place.
    let keys = world.home().join(".local/share/sigillo/keys");
    let keys = fs::read_dir(keys).unwrap().next().unwrap().unwrap().path();
    fs::rename(keys.join("g2"), world.place("chiavi-perse")).unwrap();
    succeed(&world, "backup-restored");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
}

#[test]
fn keys_that_others_may_have_sign_nothing_any_more() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let seal = |folder: &Path| fs::read(folder.join("seal.pem")).unwrap();
    let keys = world.home().join(".local/share/sigillo/keys");
    let keys = fs::read_dir(keys).unwrap().next().unwrap().unwrap().path();
    // Made for another reason, and not used.
    let act = ["log", "succeed", "--reason", "tail-lost", "--act", "atto.json"];
    world.run(act).check(0, "Have it signed");
    assert_eq!(seal(&keys), seal(&keys.join("g2")));
    let exposed = ["log", "succeed", "--reason", "keys-exposed", "--trial", "--yes"];
    world.run(exposed).check_error(1, "were there before");
    fs::remove_dir_all(keys.join("g2")).unwrap();
    succeed(&world, "keys-exposed");
    for name in ["seal.key", "seal.pem", "tsa.key", "root.key", "commit.key", "log.key"] {
        let [old, new] = [&keys, &keys.join("g2")].map(|it| fs::read(it.join(name)).unwrap());
        assert_ne!(old, new, "{name}");
    }
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(1);
}

#[test]
fn a_checkpoint_of_a_log_that_ended_is_compared_with_that_log() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("primo.txt"), world.run(["log", "checkpoint"]).stdout).unwrap();
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    fs::write(world.place("secondo.txt"), world.run(["log", "checkpoint"]).stdout).unwrap();
    succeed(&world, "log-forked");
    for file in ["primo.txt", "secondo.txt"] {
        world.run(["log", "consistency", file]).check_error(0, "is of log 1, which only grew");
        let json = world.run(["log", "consistency", file, "--json"]).json();
        assert_eq!(json["standing"], "ended");
    }
    let given = ["log", "succeed", "--reason", "tail-lost", "--checkpoint", "primo.txt", "--trial"];
    world.run(given).check_error(1, "a log of this archive that ended");
    // One of a continuation that was lost before the end.
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("copia"));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    fs::write(world.place("secondo.txt"), world.run(["log", "checkpoint"]).stdout).unwrap();
    copy(&world.place("copia"), &world.archive());
    succeed(&world, "backup-restored");
    let lost = "what it covers more is lost, as the act of that end says";
    world.run(["log", "consistency", "secondo.txt"]).check_error(3, lost);
    let json = world.run(["log", "consistency", "secondo.txt", "--json"]).json();
    assert_eq!(json["standing"], "lost");
    let stated = world.run(["log", "statement", "--from", "secondo.txt", "-o", "periodo.json"]);
    stated.check_error(1, lost);
}

#[test]
fn an_interrupted_succession_is_completed_only_when_asked() {
    let world = World::with(&[("uno.txt", b"uno")]);
    succeed(&world, "log-forked");
    let before = world.objects();
    world.run(["log", "succeed"]).check(0, "Nothing was changed");
    assert_eq!(world.objects(), before);
    world.run(["init", "archivio", "--entity", "Comune di Prova"]).check(0, "");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["log", "anchor"]).check(0, "TRIAL time-stamp");
    world.run(["log", "anchor", "--list"]).check(0, "TRIAL time-stamp");
    world.check_intact(1);
}

#[test]
fn what_a_thief_of_the_old_keys_makes_is_not_believed_by_who_knows_of_the_next_log() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let auditor = ["--config", "revisore", "--state", "revisore-stato"];
    fs::write(world.place("prima.zip.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.run(["trust", "add", "prima.zip.json"].iter().chain(&auditor)).check(0, "Believed");
    world.run(["prove", "carte/uno.txt", "-o", "vera.zip"]).check(0, "");
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-rubata")));
    }
    succeed(&world, "keys-exposed");
    fs::write(world.place("nuovo.json"), world.run(["trust", "export"]).stdout).unwrap();
    // The thief goes on with a copy, and the old keys.
    world.write("falso.txt", b"falso");
    let thief = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("HOME", world.place("home-rubata"));
        command.env("SIGILLO_ARCHIVE", world.place("archivio-rubata"));
        finish(command)
    };
    thief(&["ingest", "carte"]).check(0, "archived");
    thief(&["prove", "carte/falso.txt", "-o", "falsa.zip"]).check(0, "");
    thief(&["log", "statement", "-o", "falso.json"]).check(0, "");
    fs::write(world.place("richiesta.txt"), thief(&["log", "consistency"]).stdout).unwrap();
    fs::write(world.place("ladro.txt"), thief(&["log", "checkpoint"]).stdout).unwrap();
    thief(&["receipt", "show", "carte/falso.txt", "-o", "falsa.json"]).check(0, "");
    // Who does not know that the log ended believes it: nobody could tell.
    world
        .run(["check", "falsa.zip"].iter().chain(&["--state", "ignaro", "--config", "revisore"]))
        .check(0, "PROVEN");
    world.run(["trust", "add", "nuovo.json"].iter().chain(&auditor)).check(0, "Believed");
    for name in ["falsa.zip", "falso.json"] {
        let ran = world.run(["check", name].iter().chain(&auditor));
        ran.check(3, "F601 checkpoint: this log ended with");
    }
    world.run(["check", "vera.zip"].iter().chain(&auditor)).check(0, "PROVEN");
    // It says nothing of the archive.
    world.run(["log", "consistency", "ladro.txt"]).check_error(3, "it may be anybody's");
    world.run(["log", "statement", "--to", "ladro.txt"]).check_error(1, "it may be anybody's");
    world.run(["receipt", "refresh", "falsa.json"]).check_error(1, "it may be anybody's");
    world.run(["verify", "--full"].iter().chain(&auditor)).check(0, "INTACT");
    let witness = ["log", "witness", "--new-key", "provincia.example/w"];
    assert_eq!(world.run(witness.iter().chain(&auditor)).code, 0);
    let asked = ["log", "witness", "richiesta.txt"];
    world.run(asked.iter().chain(&auditor)).check_error(5, "nothing was cosigned");
}

#[test]
fn who_has_the_new_keys_shows_nobody_another_end_of_the_old_log() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let act = ["log", "succeed", "--reason", "hash-function", "--act", "atto.json"];
    world.run(act).check(0, "Have it signed");
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    succeed(&world, "hash-function");
    fs::write(world.place("nuovo.json"), world.run(["trust", "export"]).stdout).unwrap();
    let auditor = |state: &str, args: &[&str]| {
        world.run([args, &["--config", "revisore", "--state", state]].concat())
    };
    auditor("uno", &["trust", "add", "nuovo.json"]).check(0, "Believed");
    auditor("uno", &["verify"]).check(0, "INTACT");
    // With the same new keys another log 1 ends elsewhere.
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-copia")), world.place(folder)).unwrap();
    }
    succeed(&world, "hash-function");
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["prove", "carte/tre.txt", "-o", "altra.zip"]).check(0, "");
    // Nothing was seen with these states: only the trust store knows.
    auditor("due", &["verify"]).check(5, "F304");
    auditor("tre", &["check", "altra.zip"]).check(5, "F307");
    auditor("quattro", &["get", "carte/uno.txt", "-o", "preso"]).check_error(5, "LOG_DIVERGED");
}

#[test]
fn a_retired_key_begins_no_log_that_is_believed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-rubata")));
    }
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1");
    fs::write(world.place("nuovo.json"), world.run(["trust", "export"]).stdout).unwrap();
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-rubata")), world.place(folder)).unwrap();
    }
    succeed(&world, "hash-function");
    let auditor = ["--config", "revisore", "--state", "revisore-stato"];
    let run = |args: &[&str]| world.run([args, &auditor[..]].concat());
    run(&["trust", "add", "nuovo.json"]).check(0, "Believed");
    let verified = run(&["verify"]);
    verified.check(5, "F304");
    assert!(verified.stdout.contains("F601"), "{verified:?}");
    run(&["get", "carte/uno.txt", "-o", "preso"]).check_error(5, "LOG_DIVERGED");
}
