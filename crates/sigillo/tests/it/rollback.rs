//! An archive put back to what it was: who saw it later knows, who did not cannot.

use std::{fs, path::Path, process::Command};

use sigillo_merkle::{Checkpoint, SignedNote, TreeHash, verify_consistency};

use crate::{judge::accused, program::World};

fn codes(report: &serde_json::Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// An archive that was restored from a backup made before its last submission.
fn restored() -> World {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("copia"));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
    fs::remove_dir_all(world.archive()).unwrap();
    fs::rename(world.place("copia"), world.archive()).unwrap();
    world
}

#[test]
fn an_older_state_is_known_for_one_by_who_saw_the_newer() {
    let world = restored();
    let (code, report) = world.verify();
    assert_eq!((code, accused(&report)), (5, vec!["log/seq".to_owned()]), "{report}");
    assert!(codes(&report).contains(&"F304"));
    // It stays so: what was found damaged is not taken for the newest state.
    assert_eq!(world.verify().0, 5);
}

#[test]
fn nothing_is_written_to_an_older_state() {
    let world = restored();
    let before = world.objects();
    for args in [
        &["ingest", "carte"][..],
        &["seal"],
        &["rebuild"],
        &["renew"],
        &["renew", "--all", "--yes"],
        &["log", "statement"],
        &["log", "statement", "-o", "anno.json"],
    ] {
        world.run(args).check_error(5, "LOG_DIVERGED");
        assert_eq!(world.objects(), before);
    }
    assert!(!world.place("anno.json").exists(), "nothing is stated of it");
    // Who has seen nothing but has the keys is told as well.
    for args in [&["renew"][..], &["log", "statement", "-o", "anno.json"]] {
        let elsewhere = args.iter().copied().chain(["--state", "altro-stato"]);
        world.run(elsewhere).check_error(5, "LOG_DIVERGED");
    }
    assert!(!world.place("anno.json").exists(), "nothing is stated of it");
}

#[test]
fn who_saw_nothing_before_is_told_that_freshness_is_unknown() {
    let world = restored();
    let ran = world.run(["verify", "--full", "--json", "--state", "altro-stato"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["verdict"]), (0, &"intact".into()), "{report}");
    assert!(codes(&report).contains(&"F604"));
    let ran = world.run(["verify", "--state", "altro-stato2"]);
    ran.check(0, "note F604 log/checkpoint: no checkpoint from elsewhere is known");
    // From then on it is remembered.
    let ran = world.run(["verify", "--json", "--state", "altro-stato2"]);
    assert!(!codes(&ran.json()).contains(&"F604"));
}

#[test]
fn who_trusts_nobody_cannot_tell_the_origin() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let ran = world.run(["verify", "--full", "--json", "--config", "altra-fiducia"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["verdict"]), (3, &"cannot-tell".into()), "{report}");
    for code in ["F601", "F602", "F603"] {
        assert!(codes(&report).contains(&code), "{code}: {report}");
    }
    world.run(["verify", "--config", "altra-fiducia"]).check(3, "CANNOT TELL");
    // With what the archive's owner exports, they can.
    let exported = world.run(["trust", "export"]);
    fs::write(world.place("prova.json"), exported.stdout).unwrap();
    let ran = world.run(["trust", "add", "prova.json", "--config", "altra-fiducia"]);
    ran.check(0, "Believed from now on");
    world.run(["trust", "list", "--config", "altra-fiducia"]).check(0, "Comune di Prova (TRIAL)");
    world.run(["verify", "--full", "--config", "altra-fiducia"]).check(0, "INTACT");
}

#[test]
fn a_missing_newest_commit_is_told_with_and_without_its_checkpoint() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let newest = world.objects().into_iter().rfind(|key| key.starts_with("log/seq/")).unwrap();
    fs::remove_file(world.archive().join(newest)).unwrap();
    let (code, report) = world.verify();
    assert!(code == 5 && codes(&report).contains(&"F304"), "{report}");
    // Also by who has never seen it, for the checkpoint bears the log's signature.
    let ran = world.run(["verify", "--json", "--state", "altro"]);
    assert!(ran.code == 5 && codes(&ran.json()).contains(&"F304"), "{ran:?}");
    // Without the checkpoint only those who saw it know.
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    let (code, report) = world.verify();
    assert!(code == 5 && codes(&report).contains(&"F304"), "{report}");
    let ran = world.run(["verify", "--json", "--state", "terzo"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(codes(&ran.json()).contains(&"F402"));
}

#[test]
fn only_a_checkpoint_of_this_log_is_printed_and_what_is_wrong_with_it_is_said() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let file = world.archive().join("log/checkpoint");
    let older = fs::read_to_string(&file).unwrap();
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    let good = fs::read_to_string(&file).unwrap();
    let ran = world.run(["log", "checkpoint"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, good.as_str(), ""));
    // An older one is printed, for it is signed, and said to be older.
    fs::write(&file, &older).unwrap();
    let ran = world.run(["log", "checkpoint"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, older.as_str()));
    ran.check_error(3, "run `sigillo rebuild`");
    // One that is not signed so is never printed.
    let size = good.lines().nth(1).unwrap();
    fs::write(&file, good.replacen(size, "1000", 1)).unwrap();
    let ran = world.run(["log", "checkpoint"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    ran.check_error(3, "nothing that bears the log's signature is published");
    fs::remove_file(&file).unwrap();
    assert_eq!(world.run(["log", "checkpoint", "--json"]).json()["standing"], "damaged");
    // One that the commits do not contain any more contradicts them.
    fs::write(&file, &good).unwrap();
    let newest = world.objects().into_iter().rfind(|key| key.starts_with("log/seq/")).unwrap();
    fs::remove_file(world.archive().join(newest)).unwrap();
    let ran = world.run(["log", "checkpoint"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, good.as_str()));
    ran.check_error(5, "the commits");
}

#[test]
fn what_others_need_includes_the_anchors_of_the_authorities_and_no_key() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let keys = world.home().join(".local/share/sigillo/keys");
    let keys = keys.read_dir().unwrap().next().unwrap().unwrap().path();
    // Another certificate than the trial root, with what must stay at home beside it.
    let seal = fs::read_to_string(keys.join("seal.pem")).unwrap();
    let secret = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    fs::write(world.place("anchor.pem"), format!("{secret}{seal}")).unwrap();
    let settings = world.home().join(".config/sigillo/settings.toml");
    let authority = "[[authorities]]\nname = \"Prova\"\nurl = \"http://127.0.0.1:9/\"\n\
                     anchor_file = \"anchor.pem\"\n";
    fs::write(settings, authority).unwrap();
    let ran = world.run(["trust", "export"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let anchors = ran.json()["anchors"].clone();
    let root = fs::read_to_string(keys.join("root.pem")).unwrap();
    assert_eq!(anchors, serde_json::json!([root, seal]));
    assert!(!ran.stdout.contains("PRIVATE"));
    fs::write(world.place("prova.json"), &ran.stdout).unwrap();
    world.run(["trust", "add", "prova.json"]).check(0, "Believed from now on");
}

/// Keeps the checkpoint of the archive, as an auditor does.
fn keep(world: &World, name: &str) -> Checkpoint {
    let printed = world.run(["log", "checkpoint"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    fs::write(world.place(name), &printed.stdout).unwrap();
    Checkpoint::parse(&SignedNote::parse(printed.stdout.as_bytes()).unwrap().text).unwrap()
}

#[test]
fn who_kept_a_checkpoint_is_given_the_proof_that_the_log_only_grew() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let old = keep(&world, "vecchio.txt");
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    let new = keep(&world, "nuovo.txt");
    assert!(new.size > old.size);

    let ran = world.run(["log", "consistency", "vecchio.txt"]);
    assert!(ran.code == 0 && ran.stderr.contains("The log only grew"), "{ran:?}");
    let (proof, note) = ran.stdout.split_once("\n\n").unwrap();
    assert_eq!(note, fs::read_to_string(world.place("nuovo.txt")).unwrap());
    let mut lines = proof.lines();
    assert_eq!(lines.next(), Some(&*format!("old {}", old.size)));
    let path: Vec<TreeHash> = lines.map(|line| TreeHash::from_base64(line).unwrap()).collect();
    assert!(!path.is_empty());
    assert_eq!(verify_consistency(old.size, old.root, new.size, new.root, &path), Ok(()));
    let same = world.run(["log", "consistency", "nuovo.txt"]);
    assert!(same.stdout.starts_with(&format!("old {}\n\n", new.size)), "{same:?}");

    // What is published is older than what was kept: nothing was taken back.
    fs::copy(world.place("vecchio.txt"), world.archive().join("log/checkpoint")).unwrap();
    let stale = world.run(["log", "consistency", "nuovo.txt"]);
    stale.check_error(3, "run `sigillo rebuild`");
    assert_eq!(stale.stdout, "");
    let stale = world.run(["log", "consistency", "vecchio.txt"]);
    stale.check_error(3, "run `sigillo rebuild`");
    assert!(stale.stdout.starts_with(&format!("old {}\n\n", old.size)), "{stale:?}");

    // The checkpoint of another archive, and none at all.
    let other = World::with(&[("uno.txt", b"uno")]);
    keep(&other, "altro.txt");
    let other = other.place("altro.txt");
    let args = ["log", "consistency", other.to_str().unwrap()];
    world.run(args).check_error(1, "no checkpoint of this log");
    world.run(["log", "consistency", "carte/uno.txt"]).check_error(1, "no checkpoint of this log");
}

#[test]
fn who_kept_a_checkpoint_sees_what_was_taken_back_or_rewritten() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    let kept = keep(&world, "nuovo.txt");
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-copia")), world.place(folder)).unwrap();
    }
    // An older copy, with the keys of then.
    let ran = world.run(["log", "consistency", "nuovo.txt"]);
    ran.check_error(5, "entries were taken back");
    assert_eq!(ran.stdout, "");
    // And then another history, which is longer.
    for number in 0..3 {
        world.write(&format!("altro-{number}.txt"), b"altro");
        assert_eq!(world.ingest(&[]).code, 0);
    }
    assert!(keep(&world, "altra-storia.txt").size > kept.size);
    let ran = world.run(["log", "consistency", "nuovo.txt"]);
    ran.check_error(5, "the log was rewritten");
    assert_eq!(ran.stdout, "");
}

#[test]
fn what_was_taken_back_is_named_with_both_sizes_and_dates() {
    let world = restored();
    let (_, report) = world.verify();
    let size = report["log"]["size"].as_u64().unwrap();
    let seen = world.home().join(".local/state/sigillo");
    let seen = seen.read_dir().unwrap().map(|it| it.unwrap().path());
    let seen = seen.flat_map(|it| it.read_dir().into_iter().flatten().map(|it| it.unwrap().path()));
    let file = seen.into_iter().find(|it| it.to_string_lossy().contains("/seen-")).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let parts: Vec<&str> = text.split_whitespace().collect();
    let (newer, at) = (parts[0], parts[2]);
    let words = format!(
        "a checkpoint of {newer} entries was seen on {at}; this log, of {size} entries, the newest \
         of 20"
    );
    world.run(["verify"]).check(5, &words);
    world.run(["status"]).check(5, &words);
    world.run(["log", "consistency"]).check_error(5, &words);
    assert_eq!(world.run(["log", "consistency"]).stdout, "");
    world.run(["seal"]).check_error(5, &words);
    // What an older version remembered has no date, and is as good.
    fs::write(&file, format!("{newer} {}\n", parts[1])).unwrap();
    world.run(["status"]).check(5, &format!("a checkpoint of {newer} entries was seen earlier"));
}

#[test]
fn two_bundles_of_two_histories_of_one_size_show_the_fork() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["prove", "carte/uno.txt", "-o", "una.zip"]).check(0, "una.zip");
    world.run(["log", "statement", "-o", "una.json"]).check(0, "una.json");
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-copia")), world.place(folder)).unwrap();
    }
    world.write("due.txt", b"un altro due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["prove", "carte/uno.txt", "-o", "altra.zip"]).check(0, "altra.zip");
    world.run(["log", "statement", "-o", "altra.json"]).check(0, "altra.json");
    // An auditor who has never seen the archive.
    let auditor = ["--config", "revisore", "--state", "revisore-stato"];
    let run = |args: &[&str]| world.run([args, &auditor[..]].concat());
    run(&["trust", "add", "comune.json"]).check(0, "Believed");
    run(&["check", "una.zip"]).check(0, "PROVEN");
    run(&["check", "una.zip"]).check(0, "PROVEN");
    let forked = run(&["check", "altra.zip"]);
    forked.check(5, "DAMAGE F304 checkpoint: the log was forked");
    forked.check(5, "met in una.zip on 20");
    // The same with statements of a period.
    // From now on of both: nothing says yet which of them is the archive's.
    run(&["check", "una.zip"]).check(5, "met in altra.zip on 20");
    run(&["check", "una.json"]).check(5, "met in altra.zip on 20");
    run(&["check", "altra.json"]).check(5, "DAMAGE F304 checkpoint: the log was forked");
    let second = ["--config", "revisore", "--state", "secondo-stato"];
    world.run([&["check", "una.json"], &second[..]].concat()).check(0, "PROVEN");
    world.run([&["check", "altra.zip"], &second[..]].concat()).check(5, "F304");
    // Who believes neither remembers neither.
    let nobody = ["--config", "nessuno", "--state", "altro-stato"];
    for bundle in ["una.zip", "altra.zip"] {
        world.run([&["check", bundle], &nobody[..]].concat()).check(3, "F601");
    }
}
