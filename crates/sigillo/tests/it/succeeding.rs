//! A log that cannot go on, on the command line: another begins, and work goes on.

use std::{fs, path::Path, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    program::{Ran, World, skip},
    witnessing::{ask, cosigned, elsewhere, introduced},
};

pub(crate) fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Begins another log as trial archives may.
fn succeed(world: &World, reason: &str) -> Ran {
    let ran = world.run(["log", "succeed", "--reason", reason, "--trial", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.json()["performed"], true);
    ran
}

/// Returns the one key folder of a world.
pub(crate) fn keys_of(world: &World) -> PathBuf {
    let mut folders = world.home().join(".local/share/sigillo/keys").read_dir().unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    folder
}

#[test]
fn work_goes_on_in_the_next_log() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["prove", "carte/uno.txt", "-o", "prima.zip"]).check(0, "prima.zip");
    world.run(["log", "succeed"]).check(0, "Nothing was changed");
    let reason = ["log", "succeed", "--reason", "keys-exposed"];
    world.run(reason).check(0, "Log 1 would end with commit");
    let before = world.objects();
    world.run(reason.into_iter().chain(["--trial"])).check(0, "Nothing was changed");
    assert_eq!(world.objects(), before);
    assert!(!keys_of(&world).join("g2").exists());

    let ran = succeed(&world, "keys-exposed");
    assert_eq!((&ran.json()["generation"], &ran.json()["lost"]), (&2.into(), &0.into()));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
    world.run(["verify"]).check(0, "note F308 log/seq/");
    world.run(["status"]).check(0, "everything is sealed");
    let doctor = world.run(["doctor"]);
    for check in ["keys", "signer", "published-log", "trust", "log"] {
        assert!(doctor.stdout.contains(&format!("OK    {check} ")), "{check}: {doctor:?}");
    }
    let checkpoint = world.run(["log", "checkpoint"]);
    assert!(checkpoint.stdout.lines().next().unwrap().ends_with("/g2"), "{checkpoint:?}");
    fs::write(world.place("tenuto.txt"), &checkpoint.stdout).unwrap();
    world
        .run(["log", "entries", "--from", "1", "--count", "1"])
        .check(0, "\"type\":\"log.succeeded\"");
    let first = ["log", "entries", "--from", "1", "--count", "1", "--generation", "1"];
    world.run(first).check(0, "\"type\":\"archive.created\"");
    world.run(["log", "entries", "--generation", "3"]).check_error(1, "has no log 3");
    check_as_stranger(&world);
    world.run(["log", "consistency", "tenuto.txt"]).check_error(0, "only grew");
    world.run(["verify", "--sample", "1", "--seed-from", "tenuto.txt"]).check(0, "");
    world.run(["rebuild"]).check(0, "");
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1 is in the log");
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["renew", "--all", "--yes"]).check(0, "");
    world.check_intact(3);
    assert_eq!(world.export().len(), 3);
    // What was given out stays, and every document is proven, wherever the log of its proofs is.
    world.run(["receipt", "show", "carte/uno.txt", "-o", "uno.json"]).check(0, "");
    world.run(["verify", "--receipt", "uno.json"]).check(0, "");
    world.run(["prove", "carte/uno.txt", "-o", "poi.zip"]).check(0, "1 renewal");
    world.run(["prove", "carte/tre.txt", "-o", "tre.zip"]).check(0, "1 renewal");
    for name in ["prima.zip", "poi.zip", "tre.zip"] {
        world.run(["check", name]).check(0, "PROVEN");
    }
    check_statements(&world);
}

/// States what happened in each of two logs.
fn check_statements(world: &World) {
    let state = |args: &[&str]| world.run(["log", "statement"].iter().chain(args));
    state(&["-o", "anno.json"]).check_error(1, "entries of log 1 and of log 2");
    state(&["-o", "anno.json"]).check_error(1, "with --generation 1, then with --generation 2");
    state(&["--generation", "3", "-o", "anno.json"]).check_error(1, "has no log 3");
    state(&["--generation", "1", "-o", "primo.json"]).check(0, "from the beginning of the log");
    state(&["--generation", "2", "-o", "secondo.json"]).check(0, "from the beginning of log 2");
    world.run(["check", "primo.json"]).check(0, "PROVEN");
    world.run(["check", "secondo.json"]).check(0, "PROVEN");
    // From a checkpoint of the second log there is no border to cross.
    state(&["--from", "tenuto.txt", "-o", "poi.json"]).check(0, "from the checkpoint of");
    world.run(["check", "poi.json"]).check(0, "PROVEN");
    let counts = |name: &str| world.run(["check", name, "--json"]).json()["counts"].clone();
    let (first, second) = (counts("primo.json"), counts("secondo.json"));
    assert_eq!((&first["archived"], &first["incidents"]), (&1.into(), &0.into()));
    assert_eq!((&second["archived"], &second["incidents"]), (&2.into(), &1.into()));
}

/// Lets the program of the format's page verify one document of each batch, over the border of logs.
fn check_as_stranger(world: &World) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_document.py");
    for key in world.objects().iter().filter(|key| key.ends_with("/leaves")) {
        let leaves = fs::read(world.archive().join(key)).unwrap();
        let version = hex::encode(&leaves[..32]);
        let ran = Command::new("python3").arg(&script).arg(world.archive()).arg(&version).output();
        let Ok(ran) = ran else { return skip("there is no python3") };
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && told.contains("OK  log ended before"), "{told}");
    }
}

#[test]
fn an_archive_restored_from_a_backup_goes_on() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("copia"));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["receipt", "show", "carte/due.txt", "-o", "perduta.json"]).check(0, "");
    // What is published of the log was not lost.
    fs::copy(world.archive().join("log/checkpoint"), world.place("copia/log/checkpoint")).unwrap();
    fs::remove_dir_all(world.archive()).unwrap();
    fs::rename(world.place("copia"), world.archive()).unwrap();
    world.run(["ingest", "carte"]).check_error(5, "is missing: a checkpoint of");
    world.run(["log", "succeed"]).check(0, "of them are lost, and stay so");
    let ran = succeed(&world, "backup-restored");
    assert!(ran.json()["lost"].as_u64().unwrap() > 0, "{ran:?}");
    assert_eq!(world.ingest(&[]).code, 0);
    // That something is gone is said for ever, and who added the next log to the trust store knows it.
    let (code, report) = world.verify();
    assert_eq!(code, 0, "{report}");
    assert!(
        codes(&report).contains(&"F308") && report.to_string().contains("are lost"),
        "{report}"
    );
    let ran = world.run(["verify", "--full", "--json", "--state", "altro"]);
    assert!(ran.code == 0 && codes(&ran.json()).contains(&"F308"), "{ran:?}");
    // Who believes it by the old key alone, and saw what is lost, is not content.
    let folder = format!("{}/.config/sigillo/trust", world.home().display());
    let file = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
    let file = file.filter(|it| it.extension().is_some_and(|it| it == "json")).last().unwrap();
    let named = fs::read(&file).unwrap();
    let mut old: Value = serde_json::from_slice(&named).unwrap();
    old.as_object_mut().unwrap().remove("successors").unwrap();
    fs::write(&file, old.to_string()).unwrap();
    let (code, report) = world.verify();
    assert_eq!(code, 5, "{report}");
    assert!(codes(&report).contains(&"F304") && codes(&report).contains(&"F308"), "{report}");
    fs::copy(world.archive().join("log/checkpoint"), world.place("tenuto.txt")).unwrap();
    let kept = ["log", "consistency", "tenuto.txt"];
    world.run(kept).check_error(5, "entries were taken back");
    fs::write(&file, named).unwrap();
    world.run(kept).check_error(3, "is lost, as the act of that end says");
    // The checkpoint of a statement takes the place of that which covers what is lost.
    world.run(["prove", "carte/uno.txt", "-o", "uno.zip"]).check(0, "");
    world.run(["check", "uno.zip"]).check(0, "PROVEN");
    // What came in again is proven by the next log; what proved it before is beyond the end that is known.
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "");
    world.run(["check", "due.zip"]).check(0, "entries that a checkpoint of it covers are lost");
    world
        .run(["verify", "--receipt", "perduta.json"])
        .check(3, "F601 checkpoint: this log ended with");
    let refreshed = world.run(["receipt", "refresh", "perduta.json"]);
    refreshed.check_error(1, "what it covers more is lost, as the act of that end says");
    // The last checkpoint of the log that ended is made again from the act.
    let published = world.archive().join("log/checkpoint");
    let last = fs::read(&published).unwrap();
    fs::remove_file(&published).unwrap();
    world.run(["verify"]).check(3, "REBUILD F402 log/checkpoint");
    world.run(["rebuild"]).check(0, "");
    assert_eq!(fs::read(&published).unwrap(), last);
    world.run(["verify", "--full", "--state", "terzo"]).check(0, "INTACT");
    world.run(["status"]).check(0, "2 documents");
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
}

#[test]
fn lost_keys_are_followed_by_others_that_have_to_be_given() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("vecchio.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.run(["trust", "add", "vecchio.json", "--config", "vecchio"]).check(0, "Believed");
    let refused = ["log", "succeed", "--reason", "keys-lost", "--trial", "--yes"];
    world.run(refused).check_error(1, "are not lost");
    fs::remove_dir_all(keys_of(&world)).unwrap();
    world.run(["seal"]).check_error(1, "missing");
    let other = ["log", "succeed", "--reason", "tail-lost", "--trial", "--yes"];
    world.run(other).check_error(1, "say so: --reason keys-lost");
    succeed(&world, "keys-lost");
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
    // What needs the first log alone is proven to who knows no other; nothing is of the next.
    for name in ["uno", "due"] {
        let bundle = format!("{name}.zip");
        world.run(["prove", &format!("carte/{name}.txt"), "-o", &bundle]).check(0, "");
        world.run(["check", &bundle]).check(0, "PROVEN");
    }
    let by_old = |name| world.run(["check", name, "--config", "vecchio"]);
    by_old("uno.zip").check(0, "PROVEN");
    let ran = by_old("due.zip");
    ran.check(3, "F601");
    assert!(ran.stdout.contains("did not sign for it"), "{ran:?}");
    // The old key could not sign for the new one.
    let ran = world.run(["verify", "--json", "--config", "vecchio"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(codes(&ran.json()).contains(&"F601"), "{ran:?}");
    fs::write(world.place("nuovo.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.run(["trust", "add", "nuovo.json", "--config", "vecchio"]).check(0, "Believed");
    world.run(["verify", "--full", "--config", "vecchio"]).check(0, "INTACT");
    by_old("due.zip").check(0, "PROVEN");
    // What happened in the log whose keys are lost is stated all the same.
    world.run(["log", "statement", "--generation", "1", "-o", "primo.json"]).check(0, "");
    by_old("primo.json").check(0, "PROVEN");
}

#[test]
fn who_believes_the_old_key_believes_the_next_that_it_signed_for() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("vecchio.json"), world.run(["trust", "export"]).stdout).unwrap();
    world.run(["trust", "add", "vecchio.json", "--config", "vecchio"]).check(0, "Believed");
    world.run(["log", "rotate-key", "--yes"]).check(0, "Rotation 1");
    succeed(&world, "log-forked");
    assert_eq!(world.ingest(&[]).code, 0);
    succeed(&world, "hash-function");
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["verify", "--full", "--config", "vecchio"]).check(0, "INTACT");
    world.run(["log", "checkpoint"]).check(0, "/g3");
    world.check_intact(2);
    world.run(["prove", "carte/uno.txt", "carte/due.txt", "-o", "due.zip"]).check(0, "");
    let ran = world.run(["check", "due.zip", "--config", "vecchio", "--html", "due.html"]);
    ran.check(0, "PROVEN");
    for said in ["which ended", "/g2 of ", "/g3 of ", "log 2 ended with commit"] {
        assert!(ran.stdout.contains(said), "{said}: {ran:?}");
    }
    let page = fs::read_to_string(world.place("due.html")).unwrap();
    for said in ["/g3", "next log", "the acts by which a log came after another"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    world.run(["receipt", "show", "carte/due.txt", "-o", "due.json"]).check(0, "");
    world.run(["receipt", "refresh", "due.json"]).check(0, "");
    world
        .run(["verify", "--receipt", "due.json", "--config", "vecchio"])
        .check(0, "log 3 came after it");
}

#[test]
fn a_log_that_ended_with_two_histories_of_one_size_is_forked() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::write(world.place("vecchio.json"), world.run(["trust", "export"]).stdout).unwrap();
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    let prove = |content: &[u8], bundle: &str| {
        world.write("due.txt", content);
        assert_eq!(world.ingest(&[]).code, 0);
        succeed(&world, "log-forked");
        world.write("tre.txt", b"tre");
        assert_eq!(world.ingest(&[]).code, 0);
        world.run(["prove", "carte/tre.txt", "-o", bundle]).check(0, "");
        let period = format!("{bundle}.json");
        world.run(["log", "statement", "--generation", "2", "-o", &period]).check(0, "");
    };
    prove(b"due", "una.zip");
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-copia")), world.place(folder)).unwrap();
    }
    fs::remove_file(world.place("carte/tre.txt")).unwrap();
    prove(b"un altro due", "altra.zip");
    let auditor = ["--config", "revisore", "--state", "revisore-stato"];
    let run = |args: &[&str]| world.run([args, &auditor[..]].concat());
    run(&["trust", "add", "vecchio.json"]).check(0, "Believed");
    run(&["check", "una.zip"]).check(0, "PROVEN");
    run(&["check", "una.zip"]).check(0, "PROVEN");
    run(&["check", "altra.zip"]).check(5, "DAMAGE F304 checkpoint: the log was forked");
    // The same with statements of a period of the next log.
    let second = ["--config", "revisore", "--state", "secondo-stato"];
    let run = |args: &[&str]| world.run([args, &second[..]].concat());
    run(&["check", "una.zip.json"]).check(0, "which ended; the next names its root");
    run(&["check", "altra.zip.json"]).check(5, "DAMAGE F304 checkpoint: the log was forked");
}

#[test]
fn an_archive_without_the_log_that_was_seen_is_rolled_back() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("copia"));
    copy(&world.home(), &world.place("casa"));
    succeed(&world, "keys-exposed");
    assert_eq!(world.verify().0, 0);
    let newer = world.place("nuovo");
    fs::rename(world.archive(), &newer).unwrap();
    copy(&world.place("copia"), &world.archive());
    let (code, report) = world.verify();
    assert_eq!(code, 5, "{report}");
    assert!(codes(&report).contains(&"F304"), "{report}");
    world.run(["ingest", "carte"]).check_error(5, "LOG_DIVERGED");
    // So is one that another log succeeded.
    let state = world.home().join(".local/state");
    let kept = world.place("stato");
    copy(&state, &kept);
    fs::remove_dir_all(world.home()).unwrap();
    copy(&world.place("casa"), &world.home());
    succeed(&world, "keys-exposed");
    let config = world.home().join(".config");
    for is_named in [false, true] {
        let named = world.place("nuova-fiducia");
        if is_named {
            // What the trust store names outranks what was seen.
            fs::remove_dir_all(&config).unwrap();
            copy(&named, &config);
        } else {
            fs::rename(&config, &named).unwrap();
            copy(&world.place("casa/.config"), &config);
        }
        fs::remove_dir_all(&state).unwrap();
        copy(&kept, &state);
        let (code, report) = world.verify();
        assert_eq!(code == 0, is_named, "{report}");
        assert_eq!(codes(&report).contains(&"F304"), !is_named, "{report}");
    }
}

#[test]
fn a_witness_cosigns_the_next_log_once_it_is_told_of_it() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    cosigned(&world);
    succeed(&world, "keys-exposed");
    ask(&world).check_error(1, "does not know the log");
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    cosigned(&world);
    world.run(["verify", "--require", "witnessed"]).check(0, "INTACT");
    // A bundle of each log has what was cosigned of it.
    for name in ["uno", "due"] {
        let bundle = format!("{name}.zip");
        world.run(["prove", &format!("carte/{name}.txt"), "-o", &bundle]).check(0, "");
        world.run(["check", &bundle, "--require", "witnessed"]).check(0, "cosigned at");
    }
}

#[test]
fn a_cosignature_of_what_is_lost_says_nothing_against_the_archive() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    copy(&world.archive(), &world.place("copia"));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    fs::write(world.place("firma.txt"), ask(&world).stdout).unwrap();
    fs::remove_dir_all(world.archive()).unwrap();
    copy(&world.place("copia"), &world.archive());
    succeed(&world, "backup-restored");
    let ran = world.run(["log", "add-cosignature", "firma.txt"]);
    ran.check_error(1, "what it covers more is lost, as the act of that end says");
}

/// Runs openssl beside a world; says no if there is none.
pub(crate) fn openssl(world: &World, args: &[&str]) -> bool {
    let ran = Command::new("openssl").args(args).current_dir(world.folder.path()).output();
    let Ok(ran) = ran else { return false };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    true
}

#[test]
fn a_person_signs_the_act_with_other_software() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let act =
        ["log", "succeed", "--reason", "keys-exposed", "--words", "furto", "--act", "atto.json"];
    world.run(act).check(0, "Have it signed");
    world.run(act).check_error(1, "is there already");
    world.run(["status"]).check(0, "everything is sealed");
    let new_key = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "rdc.key"];
    if !openssl(&world, &new_key) {
        return skip("there is no openssl");
    }
    let certificate = [
        "req",
        "-x509",
        "-new",
        "-key",
        "rdc.key",
        "-subj",
        "/CN=Responsabile",
        "-days",
        "30",
        "-addext",
        "keyUsage=digitalSignature,nonRepudiation",
        "-out",
        "rdc.pem",
    ];
    openssl(&world, &certificate);
    let sign = [
        "cms",
        "-sign",
        "-binary",
        "-cades",
        "-md",
        "sha256",
        "-in",
        "atto.json",
        "-signer",
        "rdc.pem",
        "-inkey",
        "rdc.key",
        "-outform",
        "DER",
        "-out",
        "atto.p7s",
    ];
    openssl(&world, &sign);
    let carry_out = ["log", "succeed", "--act", "atto.json", "--signature", "atto.p7s"];
    let bytes = fs::read(world.place("atto.json")).unwrap();
    fs::write(world.place("atto.json"), [&bytes[..], b" "].concat()).unwrap();
    world.run(carry_out).check_error(1, "the log cannot be succeeded");
    fs::write(world.place("atto.json"), &bytes).unwrap();
    world.run(carry_out).check(0, "by an act signed by");
    // Once more is once.
    world.run(carry_out).check(0, "Log 2 has begun");
    assert_eq!(world.ingest(&[]).code, 0);
    let verified = world.run(["verify"]);
    verified.check(0, "F308");
    assert!(verified.stdout.contains("Responsabile"), "{verified:?}");
    let object = world.object("log-2/succession/", ".json");
    assert_eq!(fs::read(object).unwrap(), bytes);
}

#[test]
fn a_succession_that_was_interrupted_is_completed_and_not_repeated() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.home(), &world.place("casa"));
    succeed(&world, "keys-exposed");
    // As if the program had died when the commit was made, before its key had signed.
    fs::remove_dir_all(world.archive().join("log-2/tile")).unwrap();
    fs::remove_file(world.archive().join("log-2/checkpoint")).unwrap();
    let memory = keys_of(&world).join("g2/last-signed.json");
    let text = fs::read_to_string(&memory).unwrap();
    let from = text.find("\"last\":").unwrap();
    let to = from + text[from..].find('}').unwrap() + 1;
    fs::write(&memory, format!("{}\"last\":null{}", &text[..from], &text[to..])).unwrap();
    for name in [".config", ".local/state"] {
        fs::remove_dir_all(world.home().join(name)).unwrap();
        copy(&world.place("casa").join(name), &world.home().join(name));
    }
    let before = world.objects();
    world.run(["log", "succeed"]).check(0, "Nothing was changed");
    assert_eq!(world.objects(), before);
    let again = ["log", "succeed", "--reason", "keys-exposed", "--trial", "--yes"];
    world.run(again).check(0, "had begun, and is complete now");
    world.run(["log", "checkpoint"]).check(0, "/g2");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(1);
}
