//! Another key of the log on the command line: who believes it, and what was given out before.

use std::fs;

use crate::{
    program::World,
    witnessing::{ask, cosigned, elsewhere, introduced},
};

/// Rotates the key, and returns the new one.
fn rotate(world: &World) -> String {
    let ran = world.run(["log", "rotate-key", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["new"].as_str().unwrap().to_owned()
}

/// Lets another user of `config` believe what `sigillo trust export` prints now.
fn add_trust(world: &World, config: &str) {
    let exported = world.run(["trust", "export"]);
    fs::write(world.place("fidato.json"), &exported.stdout).unwrap();
    world.run(["trust", "add", "fidato.json", "--config", config]).check(0, "Believed");
}

#[test]
fn what_was_given_out_before_and_after_a_rotation_is_believed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["prove", "carte/uno.txt", "-o", "prima.zip"]).check(0, "prima.zip");
    add_trust(&world, "vecchio");
    world.run(["log", "checkpoint"]).check(0, "sigillo.invalid");
    let kept = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("tenuto.txt"), kept).unwrap();

    let plan = world.run(["log", "rotate-key"]);
    plan.check(0, "Nothing was changed");
    plan.check(0, "key number 1 of 65");
    let mut keys = Vec::new();
    for (name, content) in [("due.txt", b"due"), ("tre.txt", b"tre")] {
        keys.push(rotate(&world));
        world.write(name, content);
        assert_eq!(world.ingest(&[]).code, 0);
    }
    world.run(["verify", "--full"]).check(0, "INTACT");
    world
        .run(["log", "rotate-key"])
        .check(0, &format!("key number 3 of 65 at most:\n  {}", keys[1]));
    world.run(["log", "consistency", "tenuto.txt"]).check_error(0, "only grew");
    // What it says of disks is another matter.
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains("OK    keys"), "{doctor:?}");
    let folder = world.home().join(".local/share/sigillo/keys");
    let folder = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::rename(folder.join("log-3.key"), world.place("log-3.key")).unwrap();
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains("the key that signs the log now is not in"), "{doctor:?}");
    fs::rename(world.place("log-3.key"), folder.join("log-3.key")).unwrap();
    for (id, name) in [("carte/uno.txt", "uno.zip"), ("carte/tre.txt", "tre.zip")] {
        world.run(["prove", id, "-o", name]).check(0, name);
    }
    // Who knows the first key believes all of them, and nothing was learned silently.
    for name in ["prima.zip", "uno.zip", "tre.zip"] {
        world.run(["check", name]).check(0, "PROVEN");
        world.run(["check", name, "--config", "vecchio"]).check(0, "PROVEN");
        world.run(["check", name, "--config", "nessuno"]).check(3, "F601");
    }
    let listed = world.run(["trust", "list", "--config", "vecchio"]);
    assert!(!listed.stdout.contains("rotation"), "{listed:?}");
    // When asked, the newer key is learned; a file of before takes nothing back.
    let older = fs::read(world.place("fidato.json")).unwrap();
    add_trust(&world, "vecchio");
    let learned = format!("log key {}, after 2 rotations", keys[1]);
    world.run(["trust", "list", "--config", "vecchio"]).check(0, &learned);
    fs::write(world.place("prima.json"), older).unwrap();
    world.run(["trust", "add", "prima.json", "--config", "vecchio"]).check(0, &learned);
    for name in ["prima.zip", "uno.zip", "tre.zip"] {
        world.run(["check", name, "--config", "vecchio"]).check(0, "PROVEN");
    }
    world.run(["verify", "--config", "vecchio"]).check(0, "INTACT");
    add_trust(&world, "nuovo");
    for name in ["prima.zip", "tre.zip"] {
        world.run(["check", name, "--config", "nuovo"]).check(0, "PROVEN");
    }
}

#[test]
fn receipts_and_statements_go_on_over_a_rotation() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let give = |name: &str| {
        world.run(["receipt", "show", "carte/uno.txt", "-o", name]).check(0, "is in");
    };
    let check = |name: &str| {
        world.run(["verify", "--receipt", name]).check(0, "");
        world.run(["verify", "--receipt", name, "--config", "nessuno"]).check(3, "F601");
    };
    give("prima.json");
    world.run(["log", "statement", "-o", "prima-periodo.json"]).check(0, "prima-periodo.json");
    fs::write(world.place("tenuto.txt"), world.run(["log", "checkpoint"]).stdout).unwrap();
    rotate(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    give("poi.json");
    check("prima.json");
    check("poi.json");
    world.run(["receipt", "refresh", "prima.json"]).check(0, "prima.json");
    check("prima.json");
    let since = ["log", "statement", "--from", "tenuto.txt", "-o", "poi-periodo.json"];
    world.run(since).check(0, "poi-periodo.json");
    for name in ["prima-periodo.json", "poi-periodo.json"] {
        world.run(["check", name]).check(0, "");
        world.run(["check", name, "--config", "nessuno"]).check(3, "F601");
    }
    let seed = ["verify", "--sample", "1", "--seed-from", "tenuto.txt"];
    world.run(seed).check(0, "");
}

#[test]
fn a_witness_goes_on_once_it_is_told_of_the_new_key() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    cosigned(&world);
    rotate(&world);
    let refused = ask(&world);
    refused.check_error(1, "no signature by a known key");
    assert!(refused.stderr.contains("sigillo trust export"), "{refused:?}");
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "after 1 rotation");
    cosigned(&world);
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world.run(["check", "prova.zip", "--require", "witnessed"]).check(0, "PROVEN");
}
