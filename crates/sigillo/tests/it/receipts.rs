//! Receipts: given before and after sealing, completed, and checked by who has nothing else.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::Value;

use crate::program::{Ran, World, finish};

/// Makes an archive of two documents and a refusal; returns the submission.
fn with_submission(more: &[&str]) -> (World, String) {
    let world = World::new();
    world.write("delibera.txt", b"Si delibera.");
    world.write("allegato.txt", b"in allegato");
    symlink("delibera.txt", world.source().join("rinvio")).unwrap();
    let ran = world.create_with(&[&["--json"], more].concat());
    let submission = ran.json()["submissions"][0]["submission"].as_str().unwrap().to_owned();
    (world, submission)
}

#[test]
fn a_receipt_of_a_submission_that_was_wholly_refused_is_neither_sealed_nor_stamped() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::remove_file(world.place("carte/uno.txt")).unwrap();
    symlink("altrove.txt", world.source().join("rinvio")).unwrap();
    let refused = world.ingest(&["--json"]).json();
    let submission = refused["submissions"][0]["submission"].as_str().unwrap();
    let shown = world.run(["receipt", "show", submission, "-o", "rifiuto.json"]);
    shown.check(0, "nothing in it was archived, so nothing is sealed");
    assert!(!shown.stdout.contains("time-stamp"), "{shown:?}");
    world.run(["verify", "--receipt", "rifiuto.json"]).check(0, "INTACT");
    for (required, code) in [("stamped", "F506"), ("qualified", "F607"), ("revocation", "F915")] {
        let checked = world.run(["verify", "--receipt", "rifiuto.json", "--require", required]);
        checked.check(3, &format!("CANNOT TELL {code}"));
    }
}

/// Runs `verify --receipt` in an empty folder with nothing but a trust store.
fn verify_elsewhere(world: &World, args: &[&str]) -> Ran {
    let folder = world.place("altrove");
    fs::create_dir_all(&folder).unwrap();
    let receipt = world.place("rdv.json");
    let mut command = world.command(["verify", "--receipt"]);
    command.arg(receipt).args(args).current_dir(folder);
    command.env_remove("SIGILLO_ARCHIVE").env("HOME", world.place("altrove"));
    command.arg("--config").arg(world.place("fiducia"));
    finish(command)
}

/// Gives the stranger of [`verify_elsewhere`] a trust store with this archive in it.
fn trust_it(world: &World) {
    let exported = world.run(["trust", "export"]).stdout;
    fs::write(world.place("trust.json"), exported).unwrap();
    let ran = world.run(["trust", "add", "trust.json", "--config", "fiducia"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_receipt_is_given_completed_and_checked_without_the_archive() {
    let (world, submission) = with_submission(&["--no-seal"]);
    let ran = world.run(["receipt", "show", &submission[..8], "-o", "rdv.json"]);
    ran.check(
        0,
        &format!("The receipt for submission {submission} with 2 documents is in rdv.json"),
    );
    ran.check(0, "not sealed yet");
    let before = read(&world.place("rdv.json"));
    assert_eq!(before["submission"]["refusals"][0]["code"], "SYMBOLIC_LINK");
    assert_eq!(before["submission"]["counts"]["archived"], 2);

    verify_elsewhere(&world, &[]).check(3, "CANNOT TELL F601");
    trust_it(&world);
    let report = verify_elsewhere(&world, &["--json"]);
    assert_eq!((report.code, codes(&report.json())), (0, vec!["F506", "F507", "F605", "F915"]));

    assert_eq!(world.run(["seal"]).code, 0);
    world.run(["receipt", "refresh", "rdv.json"]).check(0, "sealed, with a TRIAL time-stamp");
    let after = read(&world.place("rdv.json"));
    assert_eq!(after["documents"], before["documents"]);
    assert_eq!(after["sealings"][0]["tokens"].as_array().unwrap().len(), 1);

    fs::remove_dir_all(world.archive()).unwrap();
    let own = world.source().join("delibera.txt");
    let ran = verify_elsewhere(&world, &[own.to_str().unwrap()]);
    ran.check(0, "2 of 2 documents proven, archive of Comune di Prova");
    ran.check(0, "sealing 1: TRIAL time-stamp, not qualified of ");
    ran.check(0, "delibera.txt is delibera.txt of carte/delibera.txt");
}

#[test]
fn a_receipt_that_was_changed_is_not_refreshed_and_the_archive_not_blamed() {
    let (world, submission) = with_submission(&[]);
    assert_eq!(world.run(["receipt", "show", &submission, "-o", "rdv.json"]).code, 0);
    let path = world.place("rdv.json");
    let honest = fs::read_to_string(&path).unwrap();
    let changed = honest.replacen("delibera.txt", "delibere.txt", 1);
    assert_ne!(changed, honest);
    fs::write(&path, &changed).unwrap();
    let ran = world.run(["receipt", "refresh", "rdv.json"]);
    ran.check_error(5, "rdv.json was changed since it was given: nothing is refreshed");
    ran.check_error(5, "the archive is not in question");
    assert!(!ran.stderr.contains("do not write to this archive"), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
}

#[test]
fn a_receipt_behind_a_link_is_refreshed_where_it_lies() {
    let (world, submission) = with_submission(&["--no-seal"]);
    assert_eq!(world.run(["receipt", "show", &submission[..8], "-o", "rdv.json"]).code, 0);
    fs::create_dir(world.place("ricevute")).unwrap();
    fs::rename(world.place("rdv.json"), world.place("ricevute/rdv.json")).unwrap();
    symlink("ricevute/rdv.json", world.place("rdv.json")).unwrap();
    let before = fs::read(world.place("ricevute/rdv.json")).unwrap();
    assert_eq!(world.run(["seal"]).code, 0);
    assert_eq!(world.run(["receipt", "refresh", "rdv.json"]).code, 0);
    assert!(world.place("rdv.json").symlink_metadata().unwrap().is_symlink());
    assert_ne!(fs::read(world.place("ricevute/rdv.json")).unwrap(), before);
}

#[test]
fn a_changed_receipt_or_file_is_damage() {
    let (world, submission) = with_submission(&[]);
    assert_eq!(world.run(["receipt", "show", &submission, "-o", "rdv.json"]).code, 0);
    trust_it(&world);
    world.write("delibera.txt", b"Si delibera altro.");
    let changed = world.source().join("delibera.txt");
    let ran = verify_elsewhere(&world, &[changed.to_str().unwrap()]);
    ran.check(5, "DAMAGE F808 delibera.txt");
    fs::write(world.place("altro.txt"), b"altro").unwrap();
    let other = world.place("altro.txt");
    verify_elsewhere(&world, &[other.to_str().unwrap()]).check(3, "CANNOT TELL F809 altro.txt");

    let path = world.place("rdv.json");
    let honest = fs::read(&path).unwrap();
    for at in (0..honest.len()).step_by(honest.len() / 12) {
        let mut flipped = honest.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        let ran = verify_elsewhere(&world, &["--json"]);
        assert_eq!(ran.json()["verdict"], "damaged", "byte {at}");
        assert_eq!(ran.code, 5, "byte {at}: {ran:?}");
    }
    fs::write(&path, b"{}").unwrap();
    verify_elsewhere(&world, &[]).check(5, "DAMAGE F801 receipt");
    world.run(["receipt", "refresh", "rdv.json"]).check_error(1, "no receipt that can be used");
}

#[test]
fn single_documents_have_receipts_that_say_nothing_of_others() {
    let (world, submission) = with_submission(&[]);
    let ran = world.run(["receipt", "show", "carte/delibera.txt", "-o", "rdv.json", "--json"]);
    let said = ran.json();
    assert_eq!((ran.code, &said["documents"]), (0, &Value::from(1)), "{ran:?}");
    assert_eq!(said["schema"], "sigillo.receipt.show/1");
    assert!(!fs::read_to_string(world.place("rdv.json")).unwrap().contains("allegato"));
    trust_it(&world);
    let report = verify_elsewhere(&world, &["--json"]);
    assert_eq!((report.code, codes(&report.json())), (0, vec!["F507", "F605", "F915"]));
    world
        .run(["receipt", "refresh", "rdv.json"])
        .check(0, "The receipt for 1 document in rdv.json");
    let again = world.run(["receipt", "show", "carte/delibera.txt", "-o", "rdv.json"]);
    again.check_error(1, "is there already");
    let mixed = world.run(["receipt", "show", &submission, "carte/delibera.txt"]);
    mixed.check_error(2, "for one submission, or for documents");
    let nothing = world.run(["receipt", "show", "ffffffffffff"]);
    nothing.check_error(1, "the archive has no document");
}

#[test]
fn people_read_a_receipt_and_programs_get_the_same_one() {
    let (world, submission) = with_submission(&[]);
    let ran = world.run(["receipt", "show", &submission]);
    ran.check(0, "Rapporto di versamento (RdV)");
    ran.check(0, "3 received = 2 archived + 0 there before + 1 refused + 0 pending");
    ran.check(0, "rinvio: SYMBOLIC_LINK");
    assert!(!ran.stdout.contains("marca temporale"));
    let printed = world.run(["receipt", "show", &submission, "--json"]).stdout;
    assert_eq!(world.run(["receipt", "show", &submission, "-o", "rdv.json"]).code, 0);
    assert_eq!(printed.trim_end(), fs::read_to_string(world.place("rdv.json")).unwrap());
    fs::write(world.place("rdv.json"), printed).unwrap();
    trust_it(&world);
    assert_eq!(verify_elsewhere(&world, &[]).code, 0);
}

#[test]
fn a_receipt_is_not_completed_from_an_archive_that_went_back() {
    let (world, submission) = with_submission(&[]);
    let before = world.place("prima");
    let mut copy = Command::new("cp");
    assert!(copy.arg("-a").arg(world.archive()).arg(&before).status().unwrap().success());
    world.write("nuovo.txt", b"nuovo");
    assert_eq!(world.ingest(&[]).code, 1);
    assert_eq!(world.run(["receipt", "show", &submission, "-o", "rdv.json"]).code, 0);
    let honest = fs::read(world.place("rdv.json")).unwrap();
    fs::remove_dir_all(world.archive()).unwrap();
    fs::rename(before, world.archive()).unwrap();
    let ran = world.run(["receipt", "refresh", "rdv.json"]);
    ran.check_error(5, "the log does not begin with the");
    assert_eq!(fs::read(world.place("rdv.json")).unwrap(), honest, "the old one stays");
}
