//! Archives that vouch for each other's logs: cosigned, taken in, believed, refused.

use std::{fs, path::Path, process::Command};

use sigillo_merkle::{NoteSignature, SignedNote, VerifierKey};

use crate::{
    evidence_records::shared,
    program::{Ran, World, finish, skip},
};

const WITNESS: &str = "polo.example/1";

/// Another pole: a home of its own beside the archive, which it cannot see.
pub(crate) fn elsewhere(world: &World, args: &[&str]) -> Ran {
    let mut command = world.command(args);
    fs::create_dir_all(world.place("polo")).unwrap();
    command.env("HOME", world.place("polo")).env_remove("SIGILLO_ARCHIVE");
    finish(command)
}

/// Makes a witness that knows the archive, and an archive that knows the witness.
pub(crate) fn introduced(world: &World) -> String {
    let made = elsewhere(world, &["log", "witness", "--new-key", WITNESS]);
    assert_eq!(made.code, 0, "{made:?}");
    fs::write(world.place("polo.txt"), &made.stdout).unwrap();
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    elsewhere(world, &["trust", "add", "comune.json"]).check(0, "Believed from now on");
    world.run(["trust", "witness", "polo.txt"]).check(0, WITNESS);
    made.stdout.trim().to_owned()
}

/// Asks the witness about what is published, since what it cosigned last.
pub(crate) fn ask(world: &World) -> Ran {
    let request = world.run(["log", "consistency", "--since-witness", WITNESS]);
    assert_eq!(request.code, 0, "{request:?}");
    fs::write(world.place("richiesta.txt"), &request.stdout).unwrap();
    elsewhere(world, &["log", "witness", "richiesta.txt"])
}

/// Has what is published cosigned, and takes the cosignature in.
pub(crate) fn cosigned(world: &World) -> Ran {
    let ran = ask(world);
    assert_eq!(ran.code, 0, "{ran:?}");
    fs::write(world.place("firma.txt"), &ran.stdout).unwrap();
    world.run(["log", "add-cosignature", "firma.txt"]).check(0, "Stored: the checkpoint of");
    ran
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Takes the archive and its keys back to what was kept of them.
fn take_back(world: &World) {
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        copy(&world.place(format!("{folder}-copia")), &world.place(folder));
    }
}

fn keep(world: &World) {
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
}

fn size(world: &World) -> u64 {
    world.run(["log", "checkpoint", "--json"]).json()["size"].as_u64().unwrap()
}

#[test]
fn a_log_that_grows_is_cosigned_and_its_proofs_say_so() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let key = introduced(&world);
    let first = cosigned(&world);
    assert!(first.stderr.contains("the first checkpoint of it seen here"), "{first:?}");
    world.run(["prove", "carte/uno.txt", "-o", "prima.zip"]).check(0, "prima.zip");
    let before = size(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    // What was cosigned before still covers the first document, and not the second.
    world.run(["prove", "carte/uno.txt", "-o", "dopo.zip"]).check(0, "dopo.zip");
    world.run(["prove", "carte/due.txt", "-o", "due.zip"]).check(0, "due.zip");
    for (bundle, covers) in [("prima.zip", true), ("dopo.zip", true), ("due.zip", false)] {
        let checked = world.run(["check", bundle, "--json"]).json();
        assert_eq!(checked["witnessed"], covers, "{bundle}: {checked}");
        assert_eq!(checked["log"]["size"] == before, covers, "{bundle}: {checked}");
    }
    world.run(["check", "due.zip"]).check(0, "note F605 checkpoint: no witness has cosigned");
    world.run(["check", "due.zip", "--require", "witnessed"]).check(3, "CANNOT TELL F605");
    world.run(["check", "dopo.zip", "--require", "witnessed,stamped"]).check(0, "PROVEN");
    let ran = world.run(["verify", "--require", "witnessed"]);
    ran.check(3, "CANNOT TELL F605 log/checkpoint: no witness has cosigned");
    let second = cosigned(&world);
    assert!(second.stderr.contains("it only grew since the"), "{second:?}");
    world.run(["verify", "--require", "witnessed"]).check(0, "INTACT");
    // Who does not know the witness is told that, and that its word is sound.
    let stranger = world.run(["check", "dopo.zip", "--config", "altra-fiducia", "--json"]).json();
    assert_eq!(
        (&stranger["witnessed"], &stranger["witnesses"][0]["key"]),
        (&false.into(), &key.into())
    );
    world.run(["check", "dopo.zip", "--require", "qualified"]).check(3, "CANNOT TELL F507");
    world.run(["check", "dopo.zip", "--require", "fresh"]).check(3, "CANNOT TELL F604");
    // Receipts too, given and completed.
    let submission = world.run(["submission", "list", "--json"]).json();
    let id = submission["submissions"][0]["submission"].as_str().unwrap().to_owned();
    world.run(["receipt", "show", &id, "-o", "rdv.json"]).check(0, "rdv.json");
    world
        .run(["verify", "--receipt", "rdv.json", "--require", "witnessed"])
        .check(0, "cosigned at");
    world.run(["receipt", "refresh", "rdv.json"]).check(0, "given anew");
    world.run(["verify", "--receipt", "rdv.json", "--require", "witnessed"]).check(0, "INTACT");
    // Who does not know the witness does not take its word away, also if the archive has lost it.
    for _ in 0..2 {
        let refresh = ["receipt", "refresh", "rdv.json", "--config", "altra-fiducia"];
        world.run(refresh).check(0, "given anew");
        let witnessed = ["verify", "--receipt", "rdv.json", "--require", "witnessed"];
        world.run(witnessed).check(0, "INTACT");
        drop(fs::remove_dir_all(world.archive().join("log/cosignatures")));
    }
}

#[test]
fn the_published_checkpoint_is_printed_with_its_cosignatures_which_others_verify() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let key = introduced(&world);
    cosigned(&world);
    let printed = world.run(["log", "checkpoint"]);
    let published = fs::read_to_string(world.archive().join("log/checkpoint")).unwrap();
    let line = fs::read_to_string(world.place("firma.txt")).unwrap();
    assert_eq!(printed.stdout, format!("{published}{line}"));
    assert!(printed.stderr.contains("cosigned at") && printed.stderr.contains(WITNESS));
    let witness = VerifierKey::parse(&key).unwrap();
    let note = SignedNote::parse(printed.stdout.as_bytes()).unwrap();
    assert!(note.verify(std::slice::from_ref(&witness)).unwrap()[0].cosigned_at.is_some());
    // A second time nothing changes, and a cosignature of the same checkpoint later is as good.
    world.run(["log", "add-cosignature", "firma.txt"]).check(0, "Stored");
    let again = ask(&world);
    assert_eq!(again.code, 0, "{again:?}");
    // Other people's verifier: the static log with the cosigned checkpoint, one witness of one.
    let Some(shared) = shared() else { return };
    copy(&world.archive().join("log"), &world.place("statico"));
    fs::write(world.place("statico/checkpoint"), &printed.stdout).unwrap();
    let trusted = world.run(["trust", "list", "--json"]).json();
    let log = trusted["trusted"][0]["log"].as_str().unwrap();
    let mut python = Command::new("python3");
    python.arg(shared.join("verifiers/verify_tlog.py")).arg("log");
    python.arg(world.place("statico")).args(["--vkey", log, "--witness", &key, "--quorum", "1"]);
    let ran = finish(python);
    if ran.stderr.contains("No module named 'cryptography'") {
        assert!(std::env::var_os("CI").is_none(), "Python has no cryptography");
        return skip("Python has no cryptography, so no other program verified the cosignature");
    }
    assert!(ran.code == 0 && ran.stdout.contains(WITNESS), "{ran:?}");
}

#[test]
fn a_fork_is_refused_named_and_kept_with_both_checkpoints() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    keep(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    cosigned(&world);
    let (honest, old) = (world.run(["log", "checkpoint"]).stdout, size(&world));
    take_back(&world);
    // Another history, with the right keys: of the same size first, and then longer.
    world.write("due.txt", b"un altro due");
    assert_eq!(world.ingest(&[]).code, 0);
    assert_eq!(size(&world), old);
    let forked = world.run(["log", "checkpoint"]).stdout;
    let ran = ask(&world);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    for said in ["the log was forked", &format!("of {old} entries it signed the root"), "came on 2"]
    {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
    let kept = world.place("polo/.local/share/sigillo/witness/refused");
    let kept: Vec<_> = kept.read_dir().unwrap().map(|it| it.unwrap().path()).collect();
    let evidence: serde_json::Value = serde_json::from_slice(&fs::read(&kept[0]).unwrap()).unwrap();
    assert_eq!(kept.len(), 1);
    let text = |note: &str| SignedNote::parse(note.as_bytes()).unwrap().text;
    for (member, checkpoint) in [("last", &honest), ("refused", &forked)] {
        let note = evidence[member]["checkpoint"].as_str().unwrap();
        assert_eq!(text(note), text(checkpoint), "{member}");
    }
    let json = elsewhere(&world, &["log", "witness", "richiesta.txt", "--json"]);
    let value = json.json();
    assert_eq!((json.code, &value["cosignature"]), (5, &serde_json::Value::Null), "{value}");
    assert_eq!((&value["last"]["size"], &value["asked"]["size"]), (&old.into(), &old.into()));
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    // A proof since what was cosigned, as if that were of this history.
    let longer = finish({
        fs::write(world.place("altra.txt"), &forked).unwrap();
        world.command(["log", "consistency", "altra.txt"])
    });
    fs::write(world.place("richiesta.txt"), &longer.stdout).unwrap();
    let ran = elsewhere(&world, &["log", "witness", "richiesta.txt"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert!(ran.stderr.contains(&format!("begin with the {old} cosigned last")), "{ran:?}");
}

#[test]
fn that_a_log_ended_excuses_no_fork_of_what_was_cosigned() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    keep(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    cosigned(&world);
    for folder in ["archivio", "home"] {
        fs::rename(world.place(folder), world.place(format!("{folder}-vero"))).unwrap();
        copy(&world.place(format!("{folder}-copia")), &world.place(folder));
    }
    // A thief with the keys signs another history of as many entries, before the log ends.
    world.write("due.txt", b"un altro due");
    assert_eq!(world.ingest(&[]).code, 0);
    let request = world.run(["log", "consistency"]).stdout;
    fs::write(world.place("falsa.txt"), &request).unwrap();
    // One letter of its signature is another one.
    let place = request.len() - 40;
    let letter = if &request[place..=place] == "A" { "B" } else { "A" };
    let broken = [&request[..place], letter, &request[place + 1..]].concat();
    fs::write(world.place("rotta.txt"), broken).unwrap();
    for folder in ["archivio", "home"] {
        fs::remove_dir_all(world.place(folder)).unwrap();
        fs::rename(world.place(format!("{folder}-vero")), world.place(folder)).unwrap();
    }
    world.write("due.txt", b"due");
    world.write("tre.txt", b"tre");
    let ran = world.ingest(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    fs::write(world.place("vecchia.txt"), world.run(["log", "consistency"]).stdout).unwrap();
    world.write("quattro.txt", b"quattro");
    assert_eq!(world.ingest(&[]).code, 0);
    let succeed = ["log", "succeed", "--reason", "certificates-ended", "--trial", "--yes"];
    assert_eq!(world.run(succeed).code, 0);
    fs::write(world.place("comune.json"), world.run(["trust", "export"]).stdout).unwrap();
    elsewhere(&world, &["trust", "add", "comune.json"]).check(0, "Believed");
    let asked = |file: &str| elsewhere(&world, &["log", "witness", file]);
    let forked = asked("falsa.txt");
    assert_eq!((forked.code, forked.stdout.as_str()), (5, ""), "{forked:?}");
    for said in ["the log was forked", "Both are kept", "The log ended with"] {
        assert!(forked.stderr.contains(said), "{said}: {forked:?}");
    }
    let kept = world.place("polo/.local/share/sigillo/witness/refused");
    assert_eq!(kept.read_dir().unwrap().count(), 1);
    asked("rotta.txt").check_error(1, "it does not bear the signature of the log");
    asked("vecchia.txt").check_error(5, "may be in order");
    assert_eq!(kept.read_dir().unwrap().count(), 1);
}

#[test]
fn a_rollback_is_refused_and_a_proof_from_elsewhere_is_explained() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    keep(&world);
    let old = size(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    cosigned(&world);
    let newest = size(&world);
    // From nothing again: a mistake of whoever asks, and no evidence.
    let request = world.run(["log", "consistency"]);
    fs::write(world.place("richiesta.txt"), &request.stdout).unwrap();
    let ran = elsewhere(&world, &["log", "witness", "richiesta.txt"]);
    ran.check_error(1, &format!("{newest} were cosigned last"));
    let origin = request.stdout.lines().nth(2).unwrap().to_owned();
    let last = elsewhere(&world, &["log", "witness", "--last", &origin]);
    assert_eq!(last.stdout, fs::read_to_string(world.archive().join("log/checkpoint")).unwrap());
    take_back(&world);
    let ran = ask(&world);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    let said = format!("it has {old} entries, and {newest} were cosigned before");
    assert!(ran.stderr.contains("rolled back") && ran.stderr.contains(&said), "{ran:?}");
    assert_eq!(
        world.place("polo/.local/share/sigillo/witness/refused").read_dir().unwrap().count(),
        1
    );
}

#[test]
fn only_who_is_known_is_cosigned_and_taken_in() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let request = world.run(["log", "consistency"]);
    fs::write(world.place("richiesta.txt"), &request.stdout).unwrap();
    let asked = elsewhere(&world, &["log", "witness", "richiesta.txt"]);
    asked.check_error(1, "there is no witness in");
    elsewhere(&world, &["log", "witness", "--new-key", "un nome"]).check_error(1, "name");
    let made = elsewhere(&world, &["log", "witness", "--new-key", WITNESS]);
    assert_eq!(elsewhere(&world, &["log", "witness"]).stdout, made.stdout);
    elsewhere(&world, &["log", "witness", "--new-key", "altro"]).check_error(1, "already");
    let asked = elsewhere(&world, &["log", "witness", "richiesta.txt"]);
    asked.check_error(1, "the trust store does not know the log");
    // By the key, got otherwise; another's does not do.
    let log = world.run(["trust", "list", "--json"]).json()["trusted"][0]["log"].clone();
    let log = log.as_str().unwrap();
    let other = World::with(&[("uno.txt", b"uno")]);
    let foreign = other.run(["trust", "list", "--json"]).json()["trusted"][0]["log"].clone();
    let foreign = foreign.as_str().unwrap();
    let asked = elsewhere(&world, &["log", "witness", "richiesta.txt", "--log", foreign]);
    asked.check_error(1, "another log");
    let asked = elsewhere(&world, &["log", "witness", "richiesta.txt", "--log", log]);
    assert_eq!(asked.code, 0, "{asked:?}");
    fs::write(world.place("firma.txt"), &asked.stdout).unwrap();
    world.run(["log", "add-cosignature", "firma.txt"]).check_error(1, "knows no witness");
    world.run(["trust", "witness", log]).check_error(1, "the key of a log");
    world.run(["trust", "witness", made.stdout.trim()]).check(0, WITNESS);
    // A changed line, and that of another archive.
    let line = NoteSignature::parse_line(asked.stdout.trim_end()).unwrap();
    let mut changed = line.clone();
    changed.signature[70] ^= 1;
    fs::write(world.place("rotta.txt"), changed.to_line()).unwrap();
    world
        .run(["log", "add-cosignature", "rotta.txt"])
        .check_error(1, "of no checkpoint of this log");
    world.run(["log", "add-cosignature", "carte/uno.txt"]).check_error(1, "has no cosignature");
    world.run(["log", "add-cosignature", "firma.txt"]).check(0, "Stored");
    let line_of_another = world.place("firma.txt");
    other.run(["trust", "witness", made.stdout.trim()]).check(0, WITNESS);
    let taken = other.run(["log", "add-cosignature", line_of_another.to_str().unwrap()]);
    taken.check_error(1, "of no checkpoint of this log");
    // Nobody can slip a line of theirs into the place of the witness's.
    let object = world.object("log/cosignatures/", "");
    let before = fs::read(&object).unwrap();
    fs::write(
        &object,
        String::from_utf8(before.clone()).unwrap().replace(&line.to_line(), &changed.to_line()),
    )
    .unwrap();
    assert!(!world.run(["log", "checkpoint"]).stdout.contains(WITNESS));
    fs::write(&object, before).unwrap();
    assert!(world.run(["log", "checkpoint"]).stdout.contains(WITNESS));
}

#[test]
fn a_cosignature_that_comes_after_the_log_grew_is_taken_in_and_so_is_a_quorum() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    let asked = ask(&world);
    let old = size(&world);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    fs::write(world.place("firma.txt"), &asked.stdout).unwrap();
    let added = world.run(["log", "add-cosignature", "firma.txt"]);
    added.check(0, &format!("Stored: the checkpoint of {old} entries"));
    world.run(["prove", "carte/uno.txt", "-o", "uno.zip"]).check(0, "uno.zip");
    world.run(["check", "uno.zip", "--require", "witnessed"]).check(0, "PROVEN");
    // Two of two: one is not enough any more.
    let second = VerifierKey::new_cosigner("polo.example/2", [9; 32]).unwrap();
    let both = world.run(["trust", "witness", &second.to_string(), "--quorum", "2"]);
    both.check(0, "polo.example/2");
    world.run(["check", "uno.zip"]).check(0, "1 of the witnesses known here cosigned");
    world.run(["check", "uno.zip", "--require", "witnessed"]).check(3, "F605");
    world.run(["trust", "witness", &second.to_string(), "--quorum", "3"]).check_error(1, "number");
    // A policy of one's own is taken whole, and not written over.
    let policy = world.home().join(".config/sigillo/trust/witnesses.txt");
    let text = fs::read_to_string(&policy).unwrap();
    let own = text.replace("group known 2", "group miei 1").replace("quorum known", "quorum miei");
    fs::write(world.place("politica.txt"), &own).unwrap();
    world.run(["trust", "witness", "politica.txt"]).check_error(1, "another policy");
    fs::remove_file(&policy).unwrap();
    world.run(["trust", "witness", "politica.txt"]).check(0, WITNESS);
    world.run(["check", "uno.zip", "--require", "witnessed"]).check(0, "PROVEN");
    world.run(["trust", "witness", &second.to_string()]).check_error(1, "a policy of its own");
    fs::write(world.place("rotta.txt"), own.replace("quorum", "quorom")).unwrap();
    world.run(["trust", "witness", "rotta.txt"]).check_error(1, "line 5");
    world.run(["trust", "list"]).check(0, "witness polo.example/2");
}

#[test]
fn witnesses_of_one_folder_at_once_never_cosign_two_histories() {
    let world = World::with(&[("uno.txt", b"uno")]);
    introduced(&world);
    keep(&world);
    let mut requests = Vec::new();
    for history in ["a", "b"] {
        take_back(&world);
        for step in 0..2 {
            world.write(&format!("{history}{step}.txt"), history.as_bytes());
            assert_eq!(world.ingest(&[]).code, 0);
        }
        let name = format!("richiesta-{history}.txt");
        fs::write(world.place(&name), world.run(["log", "consistency"]).stdout).unwrap();
        requests.push(name);
    }
    // The keys and the archive of one history know nothing of the other: both are well signed.
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let runs: Vec<_> = requests
            .iter()
            .cycle()
            .take(6)
            .map(|name| scope.spawn(|| elsewhere(&world, &["log", "witness", name]).code))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let of = |first: usize| codes.iter().skip(first).step_by(2).filter(|code| **code == 0).count();
    assert_eq!(of(0).min(of(1)), 0, "{codes:?}");
    assert_eq!(of(0) + of(1), 1, "{codes:?}");
}

#[test]
fn the_log_of_what_was_cosigned_last_is_named_by_its_origin_alone() {
    let world = World::new();
    let asked = world.run(["log", "witness", "--last", "registro", "--log", "chiave"]);
    asked.check_error(2, "cannot be used with");
}

#[test]
fn a_checkpoint_is_time_stamped_between_sealings_and_openssl_agrees() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["log", "anchor", "--list"]).check(0, "No checkpoint was time-stamped");
    let size = size(&world);
    let anchored = world.run(["log", "anchor"]);
    anchored.check(0, &format!("{size} entries: TRIAL time-stamp, not qualified, of 20"));
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&[]).code, 0);
    let before = self::size(&world);
    let note = world.run(["log", "checkpoint"]).stdout;
    let text = SignedNote::parse(note.as_bytes()).unwrap().text;
    world.run(["log", "anchor"]).check(0, "TRIAL time-stamp");
    let listed = world.run(["log", "anchor", "--list", "--json"]).json();
    let sizes = listed["anchors"].as_array().unwrap().iter().map(|it| it["size"].as_u64().unwrap());
    assert_eq!(sizes.collect::<Vec<_>>(), [size, before]);
    assert_eq!(world.verify().0, 0);
    let entries = world.run(["log", "entries"]).stdout;
    assert_eq!(entries.matches("checkpoint.anchored").count(), 2, "{entries}");
    // An anchor is no reason to seal again.
    world.run(["seal"]).check(0, "");
    assert_eq!(self::size(&world), before + 2, "header and anchor");
    // What it covers is the text of the checkpoint, by anybody's program.
    fs::write(world.place("testo.txt"), text).unwrap();
    let root = world.run(["trust", "export"]).json()["anchors"][0].clone();
    fs::write(world.place("root.pem"), root.as_str().unwrap()).unwrap();
    let token = world.archive().join(listed["anchors"][1]["key"].as_str().unwrap());
    let mut openssl = Command::new("openssl");
    openssl.args(["ts", "-verify", "-token_in", "-in"]).arg(&token).arg("-data");
    openssl.arg(world.place("testo.txt")).arg("-CAfile").arg(world.place("root.pem"));
    if Command::new("openssl").arg("version").output().is_ok() {
        let ran = finish(openssl);
        assert!(ran.code == 0, "{ran:?}");
    } else {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        skip("openssl is missing, so no other program verified the time-stamp");
    }
    // In the place of another size it says nothing, and neither does one that was changed.
    let elsewhere = world.archive().join(format!("log/anchors/{}", size - 1));
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(&token, elsewhere.join(token.file_name().unwrap())).unwrap();
    world.run(["log", "anchor", "--list"]).check(0, "; no entry of the log names it");
    fs::remove_dir_all(&elsewhere).unwrap();
    let mut bytes = fs::read(&token).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&token, bytes).unwrap();
    world.run(["log", "anchor", "--list"]).check(5, "do not have the digest that its name states");
    world.run(["verify"]).check(5, "F518");
    // One that is lost is missed, by the log.
    fs::remove_file(&token).unwrap();
    world.run(["log", "anchor", "--list"]).check(5, "it is not there, although the log names it");
    let verified = world.run(["verify"]);
    verified.check(5, "F518");
    assert!(
        verified.stdout.contains(listed["anchors"][1]["key"].as_str().unwrap()),
        "{verified:?}"
    );
}
