//! Bundles on the command line: made, sent elsewhere, checked there.

use std::fs;

use crate::program::World;

#[test]
fn a_bundle_proves_a_document_to_who_has_no_archive() {
    let world = World::with(&[("delibera.pdf", b"%PDF-1.7 si delibera"), ("altro.txt", b"altro")]);
    let made = world.run(["prove", "carte/delibera.pdf", "-o", "prova.zip"]);
    made.check(0, "The proof of 1 document is in prova.zip");
    made.check(0, "Who gets it learns the digests of all files");
    let size = fs::metadata(world.place("prova.zip")).unwrap().len();
    assert!(size <= 30 << 10, "{size} bytes");
    // Nothing of the archive is there any more, and none is named.
    fs::rename(world.archive(), world.place("via")).unwrap();
    let mut elsewhere = world.command(["check", "prova.zip", "carte/delibera.pdf"]);
    elsewhere.env_remove("SIGILLO_ARCHIVE");
    let checked = crate::program::finish(elsewhere);
    checked.check(0, "PROVEN");
    for said in
        ["delibera.pdf is delibera.pdf of carte/delibera.pdf", "time-stamp of", "F604", "F915"]
    {
        checked.check(0, said);
    }
    world.run(["check", "prova.zip", "carte/altro.txt"]).check(3, "F809");
    fs::write(world.place("delibera.pdf"), b"%PDF-1.7 non si delibera").unwrap();
    world.run(["check", "prova.zip", "delibera.pdf"]).check(5, "F808");
    let nobody = world.run(["check", "prova.zip", "--config", "nessuno"]);
    nobody.check(3, "CANNOT TELL");
    nobody.check(3, "F601");
}

#[test]
fn whom_to_believe_can_be_named_by_a_folder() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let exported = world.run(["trust", "export"]);
    fs::create_dir(world.place("fidati")).unwrap();
    fs::write(world.place("fidati/comune.json"), &exported.stdout).unwrap();
    fs::create_dir(world.place("vuota")).unwrap();
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world.run(["check", "prova.zip", "--config", "no", "--trust", "fidati"]).check(0, "PROVEN");
    world.run(["check", "prova.zip", "--trust", "vuota"]).check(3, "F601");
    world.run(["check", "prova.zip", "--trust", "manca"]).check_error(1, "is no folder");
}

#[test]
fn what_is_no_bundle_or_was_changed_is_told() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["check", "carte/uno.txt"]).check(5, "F811");
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check_error(1, "is there already");
    let bytes = fs::read(world.place("prova.zip")).unwrap();
    for place in (0..bytes.len()).step_by(997) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(world.place("rotta.zip"), &changed).unwrap();
        let ran = world.run(["check", "rotta.zip"]);
        assert_eq!(ran.code, 5, "byte {place}: {ran:?}");
    }
    let unsealed = World::new();
    unsealed.write("uno.txt", b"uno");
    unsealed.create_with(&["--no-seal"]);
    unsealed.run(["prove", "carte/uno.txt", "-o", "p.zip"]).check(0, "not sealed yet");
    unsealed.run(["check", "p.zip"]).check(0, "F506");
}
