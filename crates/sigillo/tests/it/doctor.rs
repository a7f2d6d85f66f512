//! What `sigillo doctor` finds, each mistake made on purpose: it must name it and say what mends it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use serde_json::Value;

use crate::program::{ENTITY, Ran, World, finish, skip};

fn healthy() -> World {
    World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")])
}

/// Returns what the doctor says of one thing.
#[track_caller]
fn said_of(ran: &Ran, name: &str) -> Value {
    let report = ran.json();
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{ran:?}"));
    let found: Vec<_> = checks.iter().filter(|check| check["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {report}");
    found[0].clone()
}

/// Sees that one thing is as expected, and that mending it is told in these words.
#[track_caller]
fn check(ran: &Ran, name: &str, state: &str, said: &str, mend: &str) {
    let check = said_of(ran, name);
    let message = check["message"].as_str().unwrap();
    assert!(check["state"] == state && message.contains(said), "{check}");
    assert_eq!(check["mend"].is_null(), mend.is_empty(), "{check}");
    assert!(check["mend"].as_str().unwrap_or_default().contains(mend), "{check}");
    if state != "ok" {
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_ne!(ran.json()["state"], "ok");
    }
}

fn doctor(world: &World) -> Ran {
    world.run(["doctor", "--json"])
}

fn key_folder(world: &World) -> PathBuf {
    let root = world.home().join(".local/share/sigillo/keys");
    root.read_dir().unwrap().next().unwrap().unwrap().path()
}

fn write_settings(world: &World, text: &str) {
    fs::write(world.home().join(".config/sigillo/settings.toml"), text).unwrap();
}

#[test]
fn a_sound_archive_is_well_but_for_the_disk_of_the_test() {
    let world = healthy();
    let ran = doctor(&world);
    let report = ran.json();
    let mut names = Vec::new();
    for check in report["checks"].as_array().unwrap() {
        let name = check["name"].as_str().unwrap();
        names.push(name.to_owned());
        // The disk is that of whoever runs the test.
        let of_disk = ["durability", "space", "state-space"].contains(&name);
        assert!(of_disk || check["state"] == "ok", "{check}");
    }
    assert_eq!(
        names.join(" "),
        "settings archive store keys qualification trust log published-log signer certificates \
         clock sealing time-stamps index catalogue last-full-read durability space leftovers state-space"
    );
    check(&ran, "qualification", "ok", "TRIAL keys", "");
    check(&ran, "last-full-read", "ok", "not known", "");
    assert_eq!(world.run(["verify", "--full"]).code, 0);
    check(&doctor(&world), "last-full-read", "ok", "every byte was last read at 2", "");
    // The same place by another name, and a copy of it, of which nothing is known.
    let link = world.place("altrove");
    std::os::unix::fs::symlink(world.archive(), &link).unwrap();
    let copy = world.place("copia");
    let mut cp = Command::new("cp");
    assert!(cp.arg("-a").arg(world.archive()).arg(&copy).status().unwrap().success());
    for (place, said) in [(&link, "every byte was last read at 2"), (&copy, "not known")] {
        let mut command = world.command(["doctor", "--json", "--archive"]);
        command.arg(place);
        check(&finish(command), "last-full-read", "ok", said, "");
    }
    let text = world.run(["doctor"]).stdout;
    assert!(text.contains("OK    published-log   everybody can read all "), "{text}");
    check(&world.run(["doctor", "--online", "--json"]), "authorities", "ok", "time-stamps", "");
}

#[test]
fn settings_that_cannot_be_used_are_found() {
    let world = healthy();
    write_settings(&world, "[[authorities]]\nnam = \"tsa\"\n");
    let ran = doctor(&world);
    check(&ran, "settings", "fail", "unknown field `nam`", "settings.toml'");
    check(&ran, "settings", "fail", "line 2, column 1", "did you mean `name`?");
    let pem = key_folder(&world).join("root.pem");
    let with_url = |url: &str| {
        let pem = pem.display();
        let text =
            format!("[[authorities]]\nname = \"tsa\"\nurl = \"{url}\"\nanchor_file = \"{pem}\"\n");
        write_settings(&world, &text);
    };
    with_url("ftp://tsa.example/");
    check(&doctor(&world), "settings", "fail", "neither https:// nor http://", "settings.toml'");
    with_url("http://127.0.0.1:9/tsr");
    check(&doctor(&world), "settings", "ok", "authorities: tsa", "");
    let ran = world.run(["doctor", "--online", "--json"]);
    let found = said_of(&ran, "authorities");
    assert!(found["state"] != "ok" && !found["mend"].is_null(), "{found}");
    write_settings(
        &world,
        "[[authorities]]\nname = \"tsa\"\nurl = \"http://tsa.example\"\nanchor_file = \"nessuno.pem\"\n",
    );
    check(&doctor(&world), "settings", "fail", "nessuno.pem", "settings.toml'");
}

#[test]
fn an_archive_that_is_not_there_or_cannot_be_read_is_found() {
    let world = World::new();
    check(&doctor(&world), "archive", "fail", "there is no archive in", "sigillo init");
    let world = healthy();
    let path = world.archive().join("archive.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"format\":1", "\"format\":2")).unwrap();
    check(&doctor(&world), "archive", "fail", "states format 2", "sigillo verify --full");
}

#[test]
fn a_new_archive_was_probed() {
    let world = World::new();
    assert_eq!(world.run(["init", "--entity", ENTITY]).code, 0);
    check(&doctor(&world), "store", "ok", "as it proved before", "");
}

#[test]
fn a_store_that_was_not_probed_or_fails_the_probe_is_found() {
    let world = healthy();
    check(&doctor(&world), "store", "ok", "as it proved before", "");
    fs::remove_dir_all(world.home().join(".local/state")).unwrap();
    check(&doctor(&world), "store", "warn", "not probed", "sigillo doctor --probe");
    check(&world.run(["doctor", "--probe", "--json"]), "store", "ok", "just now", "");
    check(&doctor(&world), "store", "ok", "as it proved before", "");
    fs::write(world.archive().join("probe"), b"in the way").unwrap();
    let ran = world.run(["doctor", "--probe", "--json"]);
    assert_ne!(said_of(&ran, "store")["state"], "ok", "{ran:?}");
}

#[test]
fn keys_that_are_open_lost_or_of_another_are_found() {
    let world = healthy();
    let folder = key_folder(&world);
    let key = folder.join("seal.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mend = format!("chmod 600 '{}'", key.display());
    check(&doctor(&world), "keys", "fail", "open to others", &mend);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    check(&doctor(&world), "keys", "fail", "open to others", "chmod 700 ");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let mend = format!("restore '{}'", key.display());
    check(&doctor(&world), "keys", "fail", "does not exist", &mend);
    fs::write(&key, kept).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let other = World::new();
    assert_eq!(other.run(["init", "--entity", ENTITY]).code, 0);
    let foreign = key_folder(&other);
    let ran = world.run(["doctor", "--json", "--keys", foreign.to_str().unwrap()]);
    check(&ran, "keys", "fail", "are not this archive's", "--keys");
    // Commit key and log key of the archive, the seal of another.
    for name in ["seal.key", "seal.pem", "root.key", "root.pem", "tsa.key", "tsa.pem"] {
        fs::copy(foreign.join(name), folder.join(name)).unwrap();
    }
    check(&doctor(&world), "keys", "fail", "not those of the archive", "restore");
}

#[test]
fn keys_that_signed_another_log_are_found() {
    let world = healthy();
    let copy = world.place("copia");
    let copied = Command::new("cp").arg("-r").arg(world.archive()).arg(&copy).status().unwrap();
    assert!(copied.success());
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    let ran = world.run(["doctor", "--json", "--archive", copy.to_str().unwrap()]);
    check(&ran, "signer", "fail", "LOG_DIVERGED", "write to no other");
}

#[test]
fn what_is_believed_and_cannot_be_used_is_found() {
    let world = healthy();
    check(&doctor(&world), "trust", "ok", "with 1 anchor", "");
    let folder = world.home().join(".config/sigillo/trust");
    let file = folder.read_dir().unwrap().next().unwrap().unwrap().path();
    let mut trusted: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    trusted["anchors"] = Value::from(vec!["not pem"]);
    fs::write(&file, trusted.to_string()).unwrap();
    check(&doctor(&world), "trust", "fail", "anchor 1 is no certificate", "sigillo trust export");
}

#[test]
fn an_archive_that_nobody_believes_is_found() {
    let world = healthy();
    fs::remove_dir_all(world.home().join(".config/sigillo/trust")).unwrap();
    check(&doctor(&world), "trust", "warn", "does not believe", "sigillo trust add");
}

#[test]
fn a_published_log_that_is_not_the_log_is_found() {
    let world = healthy();
    let path = world.archive().join("log/checkpoint");
    let old = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    check(&doctor(&world), "published-log", "warn", "no checkpoint", "sigillo rebuild");
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    check(&doctor(&world), "published-log", "ok", "everybody can read", "");
    fs::write(&path, old).unwrap();
    check(&doctor(&world), "published-log", "warn", " entries", "sigillo rebuild");
    assert_eq!(world.run(["rebuild"]).code, 0);
    for folder in ["log/tile/0/", "log/tile/entries/"] {
        for change in [None, Some(&b""[..]), Some(b"x")] {
            for key in world.objects().iter().filter(|key| key.starts_with(folder)) {
                let path = world.archive().join(key);
                fs::remove_file(&path).unwrap();
                if let Some(bytes) = change {
                    fs::write(&path, bytes).unwrap();
                }
            }
            let said =
                if change.is_some() { "has a size that it cannot have" } else { "is missing" };
            check(&doctor(&world), "published-log", "warn", said, "sigillo rebuild");
            assert_eq!(world.run(["rebuild"]).code, 0);
            check(&doctor(&world), "published-log", "ok", "tiles and bundles of entries", "");
        }
    }
    fs::remove_file(world.archive().join("log/seq/00000000000000000003")).unwrap();
    check(&doctor(&world), "log", "fail", "", "sigillo verify --full");
}

#[test]
fn full_tiles_and_bundles_that_are_gone_are_found() {
    let world = World::new();
    let sources: Vec<String> = (0..45).map(|number| format!("fonte{number}")).collect();
    for source in &sources {
        fs::create_dir(world.place(source)).unwrap();
        fs::write(world.place(source).join("uno.txt"), source).unwrap();
    }
    let args = ["ingest", "--create", "--entity", ENTITY, "--no-seal"].map(str::to_owned);
    assert_eq!(world.run(args.iter().chain(&sources)).code, 0);
    check(&doctor(&world), "published-log", "ok", "all 5 tiles and bundles", "");
    for key in ["log/tile/0/000", "log/tile/entries/000"] {
        let path = world.archive().join(key);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let said = format!("{key} is missing, of all 5");
        check(&doctor(&world), "published-log", "warn", &said, "sigillo rebuild");
        fs::write(&path, b"").unwrap();
        let said = format!("{key} has a size that it cannot have");
        check(&doctor(&world), "published-log", "warn", &said, "sigillo rebuild");
        fs::write(&path, bytes).unwrap();
    }
    check(&doctor(&world), "published-log", "ok", "everybody can read all", "");
}

#[test]
fn a_certificate_that_ends_soon_is_found() {
    let world = healthy();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=tsa", "-keyout", "tsa.key", "-out", "tsa.pem"]);
    openssl.current_dir(world.folder.path());
    if openssl.output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "there is no openssl");
        return skip("there is no openssl to make a certificate with");
    }
    let pem = world.place("tsa.pem");
    let pem = pem.display();
    write_settings(
        &world,
        &format!(
            "[[authorities]]\nname = \"tsa\"\nurl = \"http://tsa.example\"\nanchor_file = \"{pem}\"\n"
        ),
    );
    let ran = doctor(&world);
    check(&ran, "certificates", "warn", "ends in 29 days", "whose certificate lasts longer");
}

#[test]
fn an_index_that_cannot_be_used_is_found() {
    let world = healthy();
    let states = world.home().join(".local/state/sigillo");
    let state = states.read_dir().unwrap().flatten().map(|it| it.path());
    let state = state.into_iter().find(|it| it.join("index").exists()).unwrap();
    fs::remove_dir_all(state.join("index")).unwrap();
    check(&doctor(&world), "index", "ok", "lacks the newest", "");
    assert!(!state.join("index").exists(), "the doctor wrote something");
    fs::write(state.join("index"), b"in the way").unwrap();
    check(&doctor(&world), "index", "warn", "failed while", "/index' && sigillo rebuild");
}

#[test]
fn a_catalogue_that_is_lost_or_damaged_is_found() {
    let world = healthy();
    check(&doctor(&world), "catalogue", "ok", "look at all 2 documents", "");
    let catalogue = world.archive().join("catalogue");
    for table in ["documents", "descriptions"] {
        let segment = world.object(&format!("catalogue/{table}/"), ".parquet");
        let bytes = fs::read(&segment).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        for (damage, said) in [
            (Some(&changed[..]), "it was changed"),
            (Some(&bytes[..100]), "it has another size"),
            (None, "is missing"),
        ] {
            fs::remove_file(&segment).unwrap();
            if let Some(damage) = damage {
                fs::write(&segment, damage).unwrap();
            }
            check(&doctor(&world), "catalogue", "warn", said, "sigillo rebuild");
            fs::write(&segment, &bytes).unwrap();
        }
        fs::remove_dir_all(catalogue.join(table)).unwrap();
        check(&doctor(&world), "catalogue", "warn", "2 documents are not in it", "sigillo rebuild");
        assert_eq!(world.run(["rebuild"]).code, 0);
    }
    fs::remove_dir_all(&catalogue).unwrap();
    check(&doctor(&world), "catalogue", "warn", "2 documents are not in it", "sigillo rebuild");
    assert_eq!(world.run(["rebuild"]).code, 0);
    check(&doctor(&world), "catalogue", "ok", "look at all 2 documents", "");
}

#[test]
fn what_undoes_every_fsync_is_found() {
    let world = healthy();
    let mut command = world.command(["doctor", "--json"]);
    command.env("LD_PRELOAD", "libeatmydata.so");
    check(&finish(command), "durability", "fail", "eatmydata", "unset LD_PRELOAD");
    let memory = PathBuf::from("/dev/shm");
    let Ok(place) = tempfile::tempdir_in(&memory) else {
        return skip("there is no folder in memory to keep an archive in");
    };
    let archive = place.path().join("archivio");
    let archive = archive.to_str().unwrap();
    assert_eq!(world.run(["init", "--entity", ENTITY, archive]).code, 0);
    let ran = world.run(["doctor", "--json", "--archive", archive]);
    let found = said_of(&ran, "durability");
    if found["state"] == "ok" {
        return skip("/dev/shm is a disk here");
    }
    check(&ran, "durability", "warn", "in the memory of this machine", "move the archive");
}

#[test]
fn what_unfinished_writes_left_behind_is_found() {
    let world = healthy();
    fs::write(world.archive().join("packs/00/abc.zip#7"), b"half").unwrap();
    check(&doctor(&world), "leftovers", "warn", "1 files", "sigillo sweep --yes");
    // What no sweep removes is none.
    fs::create_dir(world.archive().join("a")).unwrap();
    fs::write(world.archive().join("a/foo#3"), b"mine").unwrap();
    fs::write(world.archive().join("foo#3"), b"mine").unwrap();
    check(&doctor(&world), "leftovers", "warn", "1 files", "sigillo sweep --yes");
    assert_eq!(world.run(["sweep", "--yes"]).code, 0);
    check(&doctor(&world), "leftovers", "ok", "no write was left unfinished", "");
    assert!(world.archive().join("a/foo#3").exists() && world.archive().join("foo#3").exists());
}

#[test]
fn what_waits_is_told_by_the_doctor_too() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    assert_eq!(world.create_with(&["--no-seal"]).code, 0);
    check(&doctor(&world), "sealing", "ok", "1 document waits for a seal", "");
}

#[test]
fn what_waits_for_another_authority_is_told_by_all_commands() {
    let world = healthy();
    let pem = key_folder(&world).join("root.pem");
    let pem = pem.display();
    write_settings(
        &world,
        &format!(
            "[[authorities]]\nname = \"tsa\"\nurl = \"http://127.0.0.1:9/tsr\"\nanchor_file = \"{pem}\"\n"
        ),
    );
    world.run(["seal", "--stamp-only"]).check(4, "1 sealing waits for a time-stamp");
    world.run(["status"]).check(0, "1 sealing waits for a time-stamp");
    assert_eq!(world.run(["status", "--json"]).json()["unstamped_sealings"], 1);
    check(&doctor(&world), "time-stamps", "ok", "1 sealing waits for a time-stamp", "");
    write_settings(&world, "");
    assert_eq!(world.run(["status", "--json"]).json()["unstamped_sealings"], 0);
    check(&doctor(&world), "time-stamps", "ok", "every sealing has a time-stamp", "");
}
