//! An archive put back to what it was: who saw it later knows, who did not cannot.

use std::{fs, path::Path, process::Command};

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
    for args in [&["ingest", "carte"][..], &["seal"], &["rebuild"]] {
        world.run(args).check_error(5, "LOG_DIVERGED");
        assert_eq!(world.objects(), before);
    }
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
