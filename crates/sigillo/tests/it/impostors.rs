//! What somebody shows as the archive who can write to its store, to a reader who knows the true one: an
//! archive of the same name with other keys, or the true one from before its key changed.

use std::{fs, path::Path, process::Command, sync::Arc};

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, LogKeys, LogWriter, NewArchive};
use sigillo_model::{Entity, Entropy, LogTime};
use sigillo_store::{Store, StoreUrl};
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::{
    program::{ENTITY, World},
    succeeding::codes,
    witnessing::{ask, elsewhere, introduced},
};

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Draws the id of another archive first.
#[derive(Debug)]
struct Copied(std::sync::Mutex<Option<[u8; 16]>>, SeededEntropy);

impl Entropy for Copied {
    fn fill(&self, bytes: &mut [u8]) {
        match self.0.lock().unwrap().take() {
            Some(id) => bytes.copy_from_slice(&id),
            None => self.1.fill(bytes),
        }
    }
}

/// Writes an archive with the id of the one in `world`, and other keys, in its place.
fn write_impostor(world: &World) {
    let text = fs::read_to_string(world.archive().join("archive.json")).unwrap();
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = hex::decode(description["archive"].as_str().unwrap()).unwrap();
    fs::rename(world.archive(), world.place("vero")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = world.archive();
    runtime.block_on(async {
        let entropy = Copied(None.into(), SeededEntropy::new(9));
        let clock = ManualClock::starting("2026-11-25T08:00:00Z");
        let keys = KeyFolder::create(&world.place("ladro"), ENTITY, &clock, &entropy).unwrap();
        *entropy.0.lock().unwrap() = Some(id.try_into().unwrap());
        let url = StoreUrl::parse(folder.to_str().unwrap()).unwrap();
        let store = Store::open_or_make(&url, tokio::runtime::Handle::current()).unwrap();
        let new = NewArchive {
            entity: Entity { ipa: None, name: ENTITY.to_owned() },
            commit_key: keys.commit_signer().public_key().try_into().unwrap(),
            log_key: keys.log_signer().public_key(),
            seal_pem: keys.seal_pem().to_owned(),
            trial: true,
        };
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        let archive: Archive = new.create(store, at, &entropy).await.unwrap();
        let signers = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        LogWriter::open(archive, signers, Arc::new(clock), &entropy, 0).await.unwrap();
    });
}

/// Sees that every command that gives something out, or writes, refuses the archive.
#[track_caller]
fn check_refused(world: &World, words: &str) {
    for args in [
        &["get", "carte/uno.txt", "-o", "fuori"][..],
        &["export", "--all", "-o", "tutto"],
        &["prove", "carte/uno.txt", "-o", "uno.zip"],
        &["receipt", "show", "carte/uno.txt", "-o", "uno.json"],
        &["find", "uno"],
        &["status"],
        &["log", "checkpoint"],
        &["log", "consistency"],
        &["ingest", "carte"],
        &["trust", "export"],
        &["rebuild"],
    ] {
        world.run(args).check_error(5, words);
    }
    for name in ["fuori", "tutto", "uno.zip", "uno.json"] {
        assert!(!world.place(name).exists(), "{name}");
    }
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains(words), "{doctor:?}");
}

/// Sees that the archive is told to be another one, in words; returns them.
#[track_caller]
fn check_damaged(world: &World) -> String {
    let (code, report) = world.verify();
    assert_eq!(code, 5, "{report}");
    assert!(codes(&report).contains(&"F304"), "{report}");
    let findings = report["findings"].as_array().unwrap().iter();
    let message = findings.filter(|it| it["code"] == "F304").map(|it| it["message"].to_string());
    message.collect()
}

#[test]
fn another_archive_of_the_same_name_is_not_taken_for_the_one_that_is_believed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.check_intact(1);
    write_impostor(&world);
    let words = check_damaged(&world);
    assert!(words.contains("log 1 of this archive was seen with "), "{words}");
    assert!(words.contains("; log 1 here has "), "{words}");
    check_refused(&world, "LOG_DIVERGED: log 1 of this archive was seen with ");
    // Who knows neither is no wiser than before.
    let stranger = world.run(["verify", "--json", "--config", "altra", "--state", "altro"]);
    assert_eq!(stranger.code, 3, "{stranger:?}");
    // Nothing of it was remembered, and no keys were lost.
    fs::remove_dir_all(world.archive()).unwrap();
    fs::rename(world.place("vero"), world.archive()).unwrap();
    world.check_intact(1);
}

#[test]
fn an_archive_from_before_its_key_changed_is_not_taken_for_the_newest() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    copy(&world.home(), &world.place("casa"));
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1");
    fs::write(world.place("fidato.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    copy(&world.archive(), &world.place("vero"));
    // A reader who was told of it, and saw nothing.
    let reader = ["--config", "altra", "--state", "altro", "--keys", "senza"];
    world.run(["trust", "add", "fidato.json"].iter().chain(&reader)).check(0, "after 1 rotation");
    let damaged = |what: &str| {
        let ran = world.run(["verify", "--full", "--json"].iter().chain(&reader));
        assert_eq!(ran.code, 5, "{what}: {ran:?}");
        assert!(codes(&ran.json()).contains(&"F304"), "{what}: {ran:?}");
        let get = ["get", "carte/uno.txt", "-o", "fuori"];
        world.run(get.iter().chain(&reader)).check_error(5, "gave it another key");
    };
    copy(&world.place("prima"), &world.archive());
    damaged("cut off");
    // A thief of the older keys goes on from there.
    world.write("falso.txt", b"falso");
    let mut command = world.command(["ingest", "carte"]);
    command.env("HOME", world.place("casa"));
    assert_eq!(crate::program::finish(command).code, 0);
    damaged("gone on");
    copy(&world.place("vero"), &world.archive());
    let ran = world.run(["verify", "--full"].iter().chain(&reader));
    ran.check(0, "INTACT");
}

#[test]
fn an_archive_without_its_next_log_gives_nothing_out() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    let succeed = ["log", "succeed", "--reason", "keys-exposed", "--trial", "--yes"];
    assert_eq!(world.run(succeed).code, 0);
    copy(&world.place("prima"), &world.archive());
    let words = check_damaged(&world);
    assert!(words.contains("log 2 of this archive was seen with 2 entries on 2"), "{words}");
    assert!(words.contains("; log 1 here has "), "{words}");
    check_refused(&world, "LOG_DIVERGED: log 2 of this archive was seen with 2 entries");
}

#[test]
fn the_key_of_a_later_log_that_changed_is_exported_and_believed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    let succeed = ["log", "succeed", "--reason", "backup-restored", "--trial", "--yes"];
    assert_eq!(world.run(succeed).code, 0);
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1");
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "due.zip");
    let exported = world.run(["trust", "export", "--json"]).json();
    let rotations = &exported["trusted"]["successors"][0]["rotations"];
    assert_eq!(rotations.as_array().map(Vec::len), Some(1), "{exported}");
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    let asked = ask(&world);
    assert_eq!(asked.code, 0, "{asked:?}");
    world.run(["trust", "add", "comune.json", "--config", "altra"]).check(0, "Believed");
    world.run(["check", "due.zip", "--config", "altra"]).check(0, "PROVEN");
    world.run(["verify", "--config", "altra"]).check(0, "INTACT");
}

#[test]
fn of_a_log_that_ended_only_what_it_had_is_cosigned_and_taken_in() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    let older = world.run(["log", "consistency"]).stdout;
    fs::write(world.place("prima.txt"), older).unwrap();
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    let asked = ask(&world);
    assert_eq!(asked.code, 0, "{asked:?}");
    fs::write(world.place("firma.txt"), &asked.stdout).unwrap();
    let succeed = ["log", "succeed", "--reason", "keys-exposed", "--trial", "--yes"];
    assert_eq!(world.run(succeed).code, 0);
    let add = ["log", "add-cosignature", "firma.txt"];
    world.run(add).check(0, "Stored: the checkpoint of");
    // Somebody who can write to the store puts something else in its place.
    let folder = fs::read_dir(world.archive().join("log/cosignatures")).unwrap().next().unwrap();
    let file = fs::read_dir(folder.unwrap().path()).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&file).unwrap();
    fs::write(&file, "x").unwrap();
    let ran = world.run(add);
    assert!(ran.code == 5 && ran.stderr.contains("is no cosignature of this witness"), "{ran:?}");
    // Another witness is asked about what somebody else may have signed by now.
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    fs::remove_dir_all(world.place("polo")).unwrap();
    let made = elsewhere(&world, &["log", "witness", "--new-key", "altro.example/1"]);
    assert_eq!(made.code, 0, "{made:?}");
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    let asked = |name: &str| elsewhere(&world, &["log", "witness", name]);
    asked("prima.txt").check_error(5, " ended with ");
    let end = asked("richiesta.txt");
    assert_eq!(end.code, 0, "{end:?}");
}
