//! Sealing and time-stamps that come later than the documents.

use std::fs;

use crate::program::World;

/// Nobody listens on this port.
const SILENT: &str = "http://127.0.0.1:9/";

#[test]
fn what_was_not_sealed_is_sealed_later() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.create_with(&["--no-seal"]).check(0, "Not sealed: run `sigillo seal`.");
    world.run(["status"]).check(0, "1 document waits to be sealed");
    world.run(["verify"]).check(0, "note F506");
    world.run(["seal"]).check(0, "Sealing 1 covers 1 document in 1 batch.");
    world.run(["status"]).check(0, "everything is sealed");
    world.run(["seal"]).check(0, "Nothing new to seal.");
    assert!(!world.run(["verify"]).stdout.contains("F506"));
    world.check_intact(1);
}

#[test]
fn an_authority_that_does_not_answer_stops_nothing_and_is_asked_again_later() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let root = world.home().join(".local/share/sigillo/keys");
    let root = root.read_dir().unwrap().next().unwrap().unwrap().path().join("root.pem");
    let settings = world.home().join(".config/sigillo/settings.toml");
    let authority = format!(
        "[[authorities]]\nname = \"Muta\"\nurl = \"{SILENT}\"\nanchor_file = {:?}\n",
        root.to_str().unwrap()
    );
    fs::write(&settings, authority).unwrap();
    world.write("due.txt", b"due");
    let ran = world.ingest(&[]);
    ran.check(0, "carte: 1 document archived, 1 there before, 0 refused");
    ran.check(0, "The authority Muta did not help: ");
    ran.check(0, "wait for a time-stamp; nothing is lost. Later: sigillo seal --stamp-only");
    world.run(["status"]).check(0, "2 sealings wait for a time-stamp on the line plain-sha256-un");
    world.run(["verify"]).check(0, "note F505");
    world.check_intact(2);
    world.run(["seal", "--stamp-only"]).check(4, "Nothing new to seal.");
    fs::remove_file(settings).unwrap();
    let ran = world.run(["seal", "--stamp-only"]);
    ran.check(0, "Sealing 2 has a TRIAL time-stamp");
    assert!(!world.run(["status"]).stdout.contains("wait"));
    assert!(!world.run(["verify"]).stdout.contains("F505"));
    world.check_intact(2);
}

#[test]
fn only_time_stamps_are_asked_for_where_only_they_are_wanted() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    assert_eq!(world.create_with(&["--no-seal"]).code, 0);
    world.run(["seal", "--stamp-only"]).check(0, "Nothing new to seal.");
    world.run(["status"]).check(0, "1 document waits to be sealed");
}
