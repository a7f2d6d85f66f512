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

#[test]
fn the_files_themselves_may_be_in_the_bundle() {
    let world = World::with(&[("uno.pdf", b"uno"), ("due.txt", b"due"), ("vuoto", b"")]);
    let ids = ["carte/uno.pdf", "carte/due.txt", "carte/vuoto"];
    let prove = [&["prove"][..], &ids, &["--files", "-o", "prova.zip"]].concat();
    let made = world.run(prove);
    made.check(0, "3 documents with the files themselves");
    world.run(["check", "prova.zip"]).check(0, "3 files inside, with the digests of the records");
    // Each as a file of its own for every unpacker.
    let mut unzip = std::process::Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(world.place("prova.zip")).arg(world.place("aperto"));
    assert!(unzip.status().unwrap().success());
    let folder = world.place("aperto/files");
    let read = crate::program::tree(&folder);
    assert_eq!(read.len(), 3, "{:?}", read.keys());
    assert_eq!(read.keys().filter(|name| name.ends_with(b".pdf")).count(), 1);
    let mut read: Vec<_> = read.into_values().map(|it| String::from_utf8(it).unwrap()).collect();
    read.sort_unstable();
    assert_eq!(read, ["", "due", "uno"]);
    // A file that is another is told by its place.
    let mut bytes = fs::read(world.place("prova.zip")).unwrap();
    let at = bytes.windows(3).rposition(|it| it == b"uno").unwrap();
    bytes[at] = b'U';
    fs::write(world.place("rotta.zip"), &bytes).unwrap();
    world.run(["check", "rotta.zip"]).check(5, "F811");
}

#[test]
fn files_that_an_earlier_version_holds_are_in_the_bundle_too() {
    let world = World::with(&[("atto/a.txt", b"a"), ("atto/b.txt", b"b")]);
    world.write("atto/b.txt", b"B");
    assert_eq!(world.ingest(&["--new-versions"]).code, 0);
    let made = world.run(["prove", "carte/atto/b.txt", "--files", "-o", "prova.zip", "--json"]);
    let files = made.json()["files"].as_u64();
    assert!(files >= Some(1), "{made:?}");
    world.run(["check", "prova.zip"]).check(0, "inside");
}

#[test]
fn files_that_have_no_room_are_told_before_they_are_read() {
    let world = World::with(&[("grande.bin", &vec![7; (64 << 20) - 100]), ("uno.txt", b"uno")]);
    let packs = world.packs();
    // Not even opened: only the records are read.
    let made = world.run(["prove", "carte/grande.bin", "--files", "-o", "prova.zip"]);
    made.check_error(1, "the files have 67108764 bytes together");
    assert!(made.stderr.contains("leave --files out"), "{made:?}");
    assert!(!world.place("prova.zip").exists() && !packs.is_empty());
    world.run(["prove", "carte/grande.bin", "-o", "prova.zip"]).check(0, "prova.zip");
}
