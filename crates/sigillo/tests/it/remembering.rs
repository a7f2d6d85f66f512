//! What is remembered of logs that were seen or met: apart from each other, and outranked by what the trust
//! store says.

use std::fs;

use serde_json::Value;

use sigillo_merkle::VerifierKey;
use sigillo_model::Signer as _;
use sigillo_testkit::MemorySigner;

use crate::{
    program::{Ran, World},
    succeeding::{copy, keys_of},
    witnessing::{ask, cosigned, elsewhere, introduced},
};

fn succeed(world: &World, reason: &str, more: &[&str]) {
    let args = ["log", "succeed", "--reason", reason, "--trial", "--yes"];
    let ran = world.run(args.iter().chain(more));
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn ingest_more(world: &World, name: &str, content: &[u8]) {
    world.write(name, content);
    assert_eq!(world.ingest(&[]).code, 0);
}

fn keep(world: &World) {
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
}

fn take_back(world: &World, folders: &[&str]) {
    for folder in folders {
        fs::remove_dir_all(world.place(folder)).unwrap();
        copy(&world.place(format!("{folder}-copia")), &world.place(folder));
    }
}

/// Makes a bundle as somebody does who has copied the keys: the archive and its owner know nothing of it.
fn stolen(world: &World, name: &str, content: &[u8]) {
    keep(world);
    ingest_more(world, "ladro.txt", content);
    world.run(["prove", "carte/ladro.txt", "-o", name]).check(0, "");
    take_back(world, &["archivio", "home"]);
    fs::remove_file(world.place("carte/ladro.txt")).unwrap();
    for folder in ["archivio-copia", "home-copia"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
    }
}

/// Somebody else, who has neither the archive's keys nor its home.
fn auditor(world: &World, args: &[&str]) -> Ran {
    world.run(args.iter().chain(&["--config", "revisore", "--state", "stato", "--keys", "senza"]))
}

fn exported(world: &World, name: &str) {
    fs::write(world.place(name), world.run(["trust", "export"]).stdout).unwrap();
}

#[test]
fn a_bundle_of_a_thief_is_named_and_never_said_to_be_a_loss() {
    let world = World::with(&[("uno.txt", b"uno")]);
    stolen(&world, "ladro.zip", b"ladro");
    world.run(["check", "ladro.zip"]).check(0, "PROVEN");
    let refused = world.ingest(&[]);
    refused.check_error(5, "entries was met in ladro.zip on 20");
    for said in ["bring back its newest state", "--reason keys-exposed", "/met-"] {
        assert!(refused.stderr.contains(said), "{said}: {refused:?}");
    }
    for command in ["verify", "status"] {
        let told = world.run([command]);
        told.check(5, "was met in ladro.zip on 20");
        assert!(told.stdout.contains("or others have its keys"), "{told:?}");
    }
    world.run(["get", "carte/uno.txt", "-o", "uscita"]).check(0, "");
    let plan = ["log", "succeed", "--reason", "backup-restored"];
    world.run(plan).check(0, "was met in ladro.zip on 20");
    assert_eq!(world.run(plan.iter().chain(&["--json"])).json()["lost"], 0);
    succeed(&world, "keys-exposed", &[]);
    ingest_more(&world, "due.txt", b"due");
    world.check_intact(2);
    let told = world.run(["verify"]);
    assert!(!told.stdout.contains("are lost"), "{told:?}");
    world.run(["check", "ladro.zip"]).check(3, "F601");
    world.check_intact(2);
}

#[test]
fn a_fork_that_was_met_is_not_forgotten_for_what_is_newer() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "chiavi.json");
    stolen(&world, "ladro.zip", b"ladro");
    ingest_more(&world, "due.txt", b"due");
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "");
    ingest_more(&world, "tre.txt", b"tre");
    world.run(["prove", "carte/tre.txt", "-o", "tre.zip"]).check(0, "");
    auditor(&world, &["trust", "add", "chiavi.json"]).check(0, "Believed");
    auditor(&world, &["check", "due.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify"]).check(0, "INTACT");
    auditor(&world, &["check", "ladro.zip"]).check(5, "met in due.zip on 20");
    auditor(&world, &["check", "tre.zip"]).check(0, "PROVEN");
    auditor(&world, &["check", "ladro.zip"]).check(5, "met in due.zip on 20");
    // What the archive was seen to have is proven as before.
    auditor(&world, &["check", "due.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify"]).check(5, "met in ladro.zip on 20");
    // Nor does the owner go on writing.
    world.run(["check", "ladro.zip"]).check(0, "PROVEN");
    world.run(["check", "tre.zip"]).check(0, "PROVEN");
    world.ingest(&[]).check_error(5, "was met in ladro.zip on 20");
}

#[test]
fn what_the_archive_was_seen_to_have_is_proven_of_a_log_that_ended_as_well() {
    let world = World::with(&[("uno.txt", b"uno")]);
    stolen(&world, "ladro.zip", b"ladro");
    ingest_more(&world, "due.txt", b"due");
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "");
    ingest_more(&world, "tre.txt", b"tre");
    succeed(&world, "certificates-ended", &[]);
    exported(&world, "nuovo.json");
    // Who never saw the first log while it was the newest.
    auditor(&world, &["trust", "add", "nuovo.json"]).check(0, "Believed");
    auditor(&world, &["check", "due.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify"]).check(0, "INTACT");
    for _ in 0..2 {
        auditor(&world, &["check", "ladro.zip"]).check(5, "F304");
        auditor(&world, &["check", "due.zip"]).check(0, "PROVEN");
    }
    auditor(&world, &["verify"]).check(5, "was met in ladro.zip on 20");
}

#[test]
fn a_bundle_that_cannot_be_told_teaches_nothing() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let mut trusted = world.run(["trust", "export"]).json();
    trusted["anchors"] = serde_json::json!([]);
    fs::write(world.place("senza.json"), trusted.to_string()).unwrap();
    stolen(&world, "ladro.zip", b"ladro");
    auditor(&world, &["trust", "add", "senza.json"]).check(0, "Believed");
    auditor(&world, &["check", "ladro.zip"]).check(3, "CANNOT TELL");
    let told = auditor(&world, &["verify"]);
    assert!(told.code == 3 && !told.stdout.contains("ladro.zip"), "{told:?}");
}

#[test]
fn who_knows_where_a_log_ended_is_not_told_of_a_thiefs_head_of_that_size() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "vecchio.json");
    stolen(&world, "ladro.zip", b"ladro");
    ingest_more(&world, "due.txt", b"due");
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "");
    auditor(&world, &["trust", "add", "vecchio.json"]).check(0, "Believed");
    auditor(&world, &["check", "ladro.zip"]).check(0, "PROVEN");
    auditor(&world, &["check", "due.zip"]).check(5, "met in ladro.zip on 20");
    succeed(&world, "keys-exposed", &[]);
    ingest_more(&world, "tre.txt", b"tre");
    world.run(["prove", "carte/tre.txt", "-o", "tre.zip"]).check(0, "");
    exported(&world, "nuovo.json");
    auditor(&world, &["trust", "add", "nuovo.json"]).check(0, "Believed");
    auditor(&world, &["check", "tre.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify"]).check(0, "INTACT");
    auditor(&world, &["check", "ladro.zip"]).check(3, "F601");
    auditor(&world, &["check", "tre.zip"]).check(0, "PROVEN");
}

#[test]
fn nor_is_who_knows_that_a_later_log_was_exposed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "vecchio.json");
    stolen(&world, "ladro.zip", b"ladro");
    for name in ["due.txt", "tre.txt"] {
        ingest_more(&world, name, name.as_bytes());
    }
    succeed(&world, "certificates-ended", &[]);
    world.run(["check", "ladro.zip"]).check(0, "PROVEN");
    auditor(&world, &["trust", "add", "vecchio.json"]).check(0, "Believed");
    auditor(&world, &["check", "ladro.zip"]).check(0, "PROVEN");
    for told in [world.run(["verify"]), auditor(&world, &["verify"])] {
        told.check(5, "was met in ladro.zip on 20");
        assert!(told.stdout.contains("ends the newest log with"), "{told:?}");
    }
    succeed(&world, "keys-exposed", &[]);
    exported(&world, "nuovo.json");
    auditor(&world, &["trust", "add", "nuovo.json"]).check(0, "Believed");
    for told in [world.run(["verify"]), auditor(&world, &["verify"])] {
        told.check(0, "INTACT");
    }
}

#[test]
fn a_bundle_by_a_key_that_has_retired_stops_nobody_who_knows_that() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "vecchio.json");
    stolen(&world, "ladro.zip", b"ladro");
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1");
    ingest_more(&world, "due.txt", b"due");
    // The owner has the new key, whatever the trust store was told.
    world.run(["check", "ladro.zip"]).check(0, "PROVEN");
    ingest_more(&world, "tre.txt", b"tre");
    world.check_intact(3);
    auditor(&world, &["trust", "add", "vecchio.json"]).check(0, "Believed");
    auditor(&world, &["check", "ladro.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify"]).check(5, "was met in ladro.zip on 20");
    exported(&world, "nuovo.json");
    auditor(&world, &["trust", "add", "nuovo.json"]).check(0, "Believed");
    auditor(&world, &["verify"]).check(0, "INTACT");
}

#[test]
fn what_was_seen_of_a_log_that_ended_must_be_there_before_anything_is_written() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "vecchio.json");
    keep(&world);
    ingest_more(&world, "due.txt", b"due");
    world.check_intact(2);
    take_back(&world, &["archivio"]);
    succeed(&world, "backup-restored", &[]);
    // Another machine of the owner, which was told nothing of the loss.
    let elsewhere = |args: &[&str]| world.run(args.iter().chain(&["--config", "altra"]));
    elsewhere(&["trust", "add", "vecchio.json"]).check(0, "Believed");
    elsewhere(&["verify"]).check(5, "F304");
    elsewhere(&["status"]).check(5, "entries of log 1 was seen on 20");
    let before = world.objects();
    for args in [&["ingest", "carte"][..], &["seal"], &["rebuild"]] {
        let refused = elsewhere(args);
        refused.check_error(5, "LOG_DIVERGED: a checkpoint of");
        for said in ["of log 1 was seen on 20", "`sigillo trust add` it", "/seen-"] {
            assert!(refused.stderr.contains(said), "{said}: {refused:?}");
        }
        assert_eq!(world.objects(), before);
    }
    exported(&world, "nuovo.json");
    elsewhere(&["trust", "add", "nuovo.json"]).check(0, "Believed");
    elsewhere(&["ingest", "carte"]).check(0, "");
    elsewhere(&["verify"]).check(0, "INTACT");
    world.check_intact(2);
}

#[test]
fn a_log_that_was_seen_is_no_loss_where_the_trust_store_names_another() {
    let world = World::with(&[("uno.txt", b"uno")]);
    keep(&world);
    succeed(&world, "tail-lost", &[]);
    exported(&world, "perso.json");
    let adds = |file| auditor(&world, &["trust", "add", file]);
    adds("perso.json").check(0, "Believed");
    auditor(&world, &["verify"]).check(0, "INTACT");
    take_back(&world, &["archivio"]);
    auditor(&world, &["verify"]).check(5, "F304");
    succeed(&world, "backup-restored", &["--lost-successor"]);
    ingest_more(&world, "due.txt", b"due");
    exported(&world, "nuovo.json");
    auditor(&world, &["verify"]).check(5, "F304");
    adds("nuovo.json").check_error(1, "other keys");
    fs::remove_dir_all(world.place("revisore/trust")).unwrap();
    adds("nuovo.json").check(0, "Believed");
    auditor(&world, &["verify"]).check(0, "INTACT");
    auditor(&world, &["get", "carte/due.txt", "-o", "uscita"]).check(0, "");
}

#[test]
fn a_folder_of_trust_that_is_named_decides_and_plants_nothing() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "vecchio.json");
    auditor(&world, &["trust", "add", "vecchio.json"]).check(0, "Believed");
    keep(&world);
    for name in ["una", "altra"] {
        take_back(&world, &["archivio", "home"]);
        succeed(&world, "log-forked", &[]);
        ingest_more(&world, "due.txt", name.as_bytes());
        world.run(["prove", "carte/due.txt", "-o", &format!("{name}.zip")]).check(0, "");
        let statement = format!("{name}.statement");
        world.run(["log", "statement", "--generation", "2", "-o", &statement]).check(0, "");
        fs::create_dir(world.place(name)).unwrap();
        exported(&world, &format!("{name}/comune.json"));
        fs::remove_file(world.place("carte/due.txt")).unwrap();
    }
    let check = |file: &str, trust: &str| auditor(&world, &["check", file, "--trust", trust]);
    // The own trust store believes either, by the old key: of two the one that was met first.
    check("una.zip", "una").check(0, "PROVEN");
    for file in ["altra.zip", "altra.statement"] {
        check(file, "altra").check(0, "PROVEN");
        auditor(&world, &["check", file]).check(5, "as was met in una.zip on 20");
    }
    auditor(&world, &["check", "una.zip"]).check(0, "PROVEN");
    // Whom the own trust store does not believe is not remembered.
    let nobody = ["--config", "nessuno", "--state", "altro", "--trust"];
    for name in ["una", "altra"] {
        let checked =
            world.run([&["check", &format!("{name}.zip")], &nobody[..], &[name]].concat());
        checked.check(0, "PROVEN");
    }
    let state = fs::read_dir(world.place("altro")).map(Iterator::count);
    assert_eq!(state.unwrap_or(0), 0);
}

#[test]
fn a_log_in_place_of_a_lost_one_is_cosigned_once_the_trust_store_names_it() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    cosigned(&world);
    copy(&world.archive(), &world.place("archivio-copia"));
    let believes = || {
        fs::remove_dir_all(world.place("polo/.config/sigillo/trust")).unwrap();
        exported(&world, "comune.json");
        elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    };
    succeed(&world, "tail-lost", &[]);
    ingest_more(&world, "due.txt", b"due");
    believes();
    cosigned(&world);
    take_back(&world, &["archivio"]);
    succeed(&world, "backup-restored", &["--lost-successor"]);
    // By its name alone it is a fork of the other one.
    let refused = ask(&world);
    assert_ne!(refused.code, 0, "{refused:?}");
    believes();
    let ran = cosigned(&world);
    assert!(ran.stderr.contains("Another log of this name was cosigned before"), "{ran:?}");
    ingest_more(&world, "tre.txt", b"tre");
    let ran = cosigned(&world);
    assert!(ran.stderr.contains("it only grew since the"), "{ran:?}");
}

#[test]
fn a_memory_that_names_no_key_is_kept_aside_for_the_log_that_is_named_by_trust_store_and_key() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    cosigned(&world);
    copy(&world.archive(), &world.place("archivio-copia"));
    let newest_key = || {
        exported(&world, "comune.json");
        let trusted: Value =
            serde_json::from_slice(&fs::read(world.place("comune.json")).unwrap()).unwrap();
        trusted["successors"][0]["log"].as_str().unwrap().to_owned()
    };
    let ask_with = |key: &str| {
        ask(&world);
        elsewhere(&world, &["log", "witness", "richiesta.txt", "--log", key])
    };
    succeed(&world, "tail-lost", &[]);
    ingest_more(&world, "due.txt", b"due");
    let lost = newest_key();
    ask_with(&lost).check(0, "polo.example/1");
    take_back(&world, &["archivio"]);
    succeed(&world, "backup-restored", &["--lost-successor"]);
    // The key alone may be one that the log was given later.
    let next = newest_key();
    let refused = ask_with(&next);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(
        refused.stderr.contains("`sigillo trust add` what its owner exports now"),
        "{refused:?}"
    );
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    // So may the one that the trust store names be of before that.
    let refused = ask(&world);
    assert_ne!(refused.code, 0, "{refused:?}");
    let hint = format!("--log {next}: what was cosigned of the lost one is kept");
    assert!(refused.stderr.contains(&hint), "{refused:?}");
    let ran = ask_with(&next);
    ran.check(0, "polo.example/1");
    fs::write(world.place("firma.txt"), &ran.stdout).unwrap();
    world.run(["log", "add-cosignature", "firma.txt"]).check(0, "Stored: the checkpoint of");
    assert!(ran.stderr.contains("Another log of this name was cosigned before"), "{ran:?}");
    ingest_more(&world, "tre.txt", b"tre");
    let ran = cosigned(&world);
    assert!(ran.stderr.contains("it only grew since the"), "{ran:?}");
    // What was cosigned of the lost log stays.
    let memories = fs::read_dir(world.place("polo/.local/share/sigillo/witness/cosigned")).unwrap();
    assert_eq!(memories.count(), 3);
}

#[test]
fn what_is_exported_has_the_certificates_of_all_logs_or_says_which_are_missing() {
    let world = World::with(&[("uno.txt", b"uno")]);
    succeed(&world, "keys-exposed", &[]);
    let export = || world.run(["trust", "export", "--json", "--config", "nuova"]);
    let ran = export();
    assert_eq!(ran.json()["trusted"]["anchors"].as_array().unwrap().len(), 2, "{ran:?}");
    assert_eq!(ran.stderr, "");
    fs::rename(keys_of(&world).join("root.pem"), world.place("via.pem")).unwrap();
    let ran = export();
    assert_eq!(ran.json()["trusted"]["anchors"].as_array().unwrap().len(), 1, "{ran:?}");
    assert!(ran.stderr.contains("the seal of log 1 leads to is not here"), "{ran:?}");
    // The own trust store knows it.
    assert_eq!(world.run(["trust", "export"]).stderr, "");
}

#[test]
fn a_receipt_that_is_damaged_teaches_nothing_of_logs() {
    let world = World::with(&[("uno.txt", b"uno")]);
    exported(&world, "fidati.json");
    auditor(&world, &["trust", "add", "fidati.json"]).check(0, "Believed from now on");
    succeed(&world, "certificates-ended", &[]);
    ingest_more(&world, "due.txt", b"due");
    world.run(["prove", "carte/due.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world.run(["receipt", "show", "carte/due.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    // Whoever has no key writes another one into the entry that names the second log.
    let honest = fs::read_to_string(world.place("rdv.json")).unwrap();
    let mut forged: Value = serde_json::from_str(&honest).unwrap();
    let line = &mut forged["archive"]["successions"][0]["entry"]["line"];
    let mut entry: Value = serde_json::from_str(line.as_str().unwrap()).unwrap();
    let key = VerifierKey::parse(entry["log"].as_str().unwrap()).unwrap();
    let public_key = MemorySigner::new(77).public_key().try_into().unwrap();
    let strange = VerifierKey::new_ed25519(key.name().to_owned(), public_key).unwrap();
    (entry["log"], entry["last"]) = (strange.to_string().into(), 0.into());
    *line = serde_json::to_string(&entry).unwrap().into();
    fs::write(world.place("falsa.json"), serde_json::to_string(&forged).unwrap()).unwrap();
    let ran = auditor(&world, &["verify", "--receipt", "falsa.json"]);
    ran.check(5, "F307");
    auditor(&world, &["check", "prova.zip"]).check(0, "PROVEN");
    auditor(&world, &["verify", "--receipt", "rdv.json"]).check(0, "INTACT");
}
