//! What is required is demanded of every sort of proof, and nobody's own look shows the newest state.

use std::fs;

use crate::{
    program::{Ran, World},
    succeeding::copy,
};

fn ingest_more(world: &World, name: &str) {
    world.write(name, name.as_bytes());
    assert_eq!(world.ingest(&[]).code, 0);
}

/// Keeps the published checkpoint, as somebody does who has it elsewhere.
fn kept(world: &World, name: &str) {
    fs::write(world.place(name), world.run(["log", "checkpoint"]).stdout).unwrap();
}

/// Somebody else, who has neither the archive's keys nor its home.
fn auditor(world: &World, args: &[&str]) -> Ran {
    world.run(args.iter().chain(&["--config", "revisore", "--state", "stato", "--keys", "senza"]))
}

fn known_to_auditor(world: &World) {
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    auditor(world, &["trust", "add", "comune.json"]).check(0, "Believed");
}

#[test]
fn what_is_required_of_a_period_statement_is_demanded() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["log", "statement", "-o", "anno.json"]).check(0, "");
    world.run(["check", "anno.json"]).check(0, "PROVEN");
    for (required, code) in [
        ("fresh", "F604 period"),
        ("qualified", "F507"),
        ("revocation", "F915 period"),
        ("witnessed", "F605"),
    ] {
        let checked = world.run(["check", "anno.json", "--require", required]);
        checked.check(3, &format!("CANNOT TELL {code}"));
        assert!(checked.stdout.starts_with("CANNOT TELL"), "{required}: {checked:?}");
    }
    world.run(["check", "anno.json", "--require", "stamped"]).check(0, "PROVEN");
}

#[test]
fn only_a_checkpoint_from_elsewhere_shows_the_newest_state() {
    let world = World::with(&[("uno.txt", b"uno")]);
    known_to_auditor(&world);
    let fresh = ["verify", "--require", "fresh"];
    let by = |file| auditor(&world, &[&fresh[..], &["--checkpoint", file]].concat());
    // However often it was seen, or met in a file.
    world.run(["prove", "carte/uno.txt", "-o", "uno.zip"]).check(0, "");
    for _ in 0..2 {
        auditor(&world, &fresh).check(3, "CANNOT TELL F604 log/checkpoint");
        auditor(&world, &["check", "uno.zip"]).check(0, "PROVEN");
        auditor(&world, &["log", "consistency"]).check(0, "");
    }
    auditor(&world, &["verify"]).check(0, "INTACT");
    kept(&world, "vecchio.txt");
    by("vecchio.txt").check(0, "INTACT");
    copy(&world.archive(), &world.place("copia"));
    ingest_more(&world, "due.txt");
    kept(&world, "nuovo.txt");
    by("vecchio.txt").check(3, "CANNOT TELL F604 log/checkpoint: vecchio.txt is a checkpoint of");
    auditor(&world, &["verify", "--checkpoint", "vecchio.txt"]).check(0, "note F604");
    by("nuovo.txt").check(0, "INTACT");
    by("carte/uno.txt").check(3, "CANNOT TELL F604 log/checkpoint: uno.txt does not tell");
    // An older copy, and one who saw no more than that.
    fs::remove_dir_all(world.archive()).unwrap();
    copy(&world.place("copia"), &world.archive());
    fs::remove_dir_all(world.place("stato")).unwrap();
    for _ in 0..2 {
        auditor(&world, &fresh).check(3, "CANNOT TELL F604");
    }
    let told = by("nuovo.txt");
    told.check(5, "DAMAGE F304 log/seq: nuovo.txt is a checkpoint of ");
    assert!(!told.stdout.contains("F604"), "{told:?}");
    // What is damaged is not remembered.
    auditor(&world, &["verify"]).check(0, "INTACT");
}

#[test]
fn a_checkpoint_of_a_log_that_ended_is_compared_with_that_log() {
    for (reason, code, told) in [
        ("certificates-ended", 5, "DAMAGE F304 log/seq: tagliato.txt is a checkpoint of "),
        ("keys-exposed", 3, "CANNOT TELL F601 log/checkpoint: tagliato.txt is a checkpoint of "),
    ] {
        let world = World::with(&[("uno.txt", b"uno")]);
        kept(&world, "primo.txt");
        for folder in ["archivio", "home"] {
            copy(&world.place(folder), &world.place(format!("{folder}-copia")));
        }
        ingest_more(&world, "due.txt");
        kept(&world, "tagliato.txt");
        // The store is put back, and whoever ends the log saw no more than that.
        for folder in ["archivio", "home"] {
            fs::remove_dir_all(world.place(folder)).unwrap();
            copy(&world.place(format!("{folder}-copia")), &world.place(folder));
        }
        world.run(["log", "succeed", "--reason", reason, "--trial", "--yes"]).check(0, "");
        known_to_auditor(&world);
        let by = |file| auditor(&world, &["verify", "--checkpoint", file]);
        let ended = by("primo.txt");
        ended.check(3, "of log 1, which has what it covers; that log has ended");
        assert!(!ended.stdout.contains("F304") && !ended.stdout.contains("F601"), "{ended:?}");
        let cut = by("tagliato.txt");
        cut.check(code, told);
        assert!(cut.stdout.contains("CANNOT TELL F604 log/checkpoint"), "{cut:?}");
        auditor(&world, &["verify"]).check(0, "INTACT");
        // One of the next log, on a store that was put back, for who knows nothing of that.
        kept(&world, "dopo.txt");
        fs::remove_dir_all(world.archive()).unwrap();
        copy(&world.place("archivio-copia"), &world.archive());
        let ignorant =
            ["verify", "--checkpoint", "dopo.txt", "--config", "ignaro", "--state", "ignaro"];
        let put_back = world.run(ignorant.iter().chain(&["--keys", "senza"]));
        assert!(put_back.stdout.contains("was put back to before log 2 began"), "{put_back:?}");
    }
}

#[test]
fn a_receipt_is_of_the_newest_state_for_nobody() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    let verified = world.run(["verify", "--receipt", "rdv.json"]);
    verified.check(0, "INTACT");
    assert!(!verified.stdout.contains("F604"), "{verified:?}");
    let demanded = world.run(["verify", "--receipt", "rdv.json", "--require", "fresh"]);
    demanded.check(3, "CANNOT TELL F604 checkpoint");
}

#[test]
fn a_proof_of_another_sort_is_said_to_be_one_with_the_command_that_checks_it() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    world.run(["prove", "carte/uno.txt", "-o", "uno.zip"]).check(0, "");
    world.run(["log", "statement", "-o", "anno.json"]).check(0, "");
    let other = world.run(["check", "rdv.json"]);
    other.check_error(1, "rdv.json is a receipt and no bundle");
    assert!(other.stderr.contains("`sigillo verify --receipt rdv.json` checks it"), "{other:?}");
    for (file, what) in [("uno.zip", "a ZIP, as bundles are"), ("anno.json", "a period statement")]
    {
        let other = world.run(["verify", "--receipt", file]);
        other.check_error(1, what);
        assert!(other.stderr.contains(&format!("`sigillo check {file}` checks it")), "{other:?}");
    }
    // One that was cut is damaged, whatever it was.
    fs::write(world.place("meta.json"), b"{\"archive\":").unwrap();
    world.run(["verify", "--receipt", "meta.json"]).check(5, "F801");
}

#[test]
fn what_ones_own_trust_store_finds_damaged_is_not_remembered_whatever_a_folder_believes() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::create_dir_all(world.place("cartella")).unwrap();
    fs::write(world.place("cartella/vecchia.json"), world.run(["trust", "export"]).stdout).unwrap();
    let succeed = ["log", "succeed", "--reason", "certificates-ended", "--trial", "--yes"];
    // The keys of the next log are there before it begins, and stolen with the others.
    let act =
        ["log", "succeed", "--reason", "certificates-ended", "--words", "w", "--act", "atto.json"];
    world.run(act).check(0, "The act is in atto.json");
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    // Another end of the log, and what came after it.
    ingest_more(&world, "ladro.txt");
    world.run(succeed).check(0, "");
    ingest_more(&world, "dopo.txt");
    world.run(["prove", "carte/dopo.txt", "-o", "ladro.zip"]).check(0, "");
    let statement = ["log", "statement", "--generation", "2", "-o", "ladro.json"];
    world.run(statement).check(0, "");
    for name in ["carte/ladro.txt", "carte/dopo.txt"] {
        fs::remove_file(world.place(name)).unwrap();
    }
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        copy(&world.place(format!("{folder}-copia")), &world.place(folder));
    }
    world.run(succeed).check(0, "");
    known_to_auditor(&world);
    for file in ["ladro.zip", "ladro.json"] {
        auditor(&world, &["check", file]).check(5, "F307");
        auditor(&world, &["check", file, "--trust", "cartella"]).check(0, "PROVEN");
    }
    auditor(&world, &["verify"]).check(0, "INTACT");
}
