//! Period statements and samples on the command line: made here, checked elsewhere, drawn alike by
//! everybody.

use std::{fs, path::Path};

use serde_json::Value;

use sigillo_merkle::{CosignedAt, NoteSignature, SignedNote, VerifierKey, cosignature_message};
use sigillo_model::Signer as _;
use sigillo_testkit::MemorySigner;

use crate::program::{ENTITY, Ran, World, finish};

/// Makes an archive of three documents, two of them in the first submission, one refused.
fn with_two_submissions() -> (World, String) {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.write("due.txt", b"due");
    std::os::unix::fs::symlink("uno.txt", world.source().join("rinvio")).unwrap();
    assert_eq!(world.create().code, 1);
    let kept = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("prima.txt"), &kept).unwrap();
    fs::remove_file(world.source().join("rinvio")).unwrap();
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    (world, kept)
}

/// Checks a statement in another place, by a trust store alone.
fn check_elsewhere(world: &World, name: &str, more: &[&str]) -> Ran {
    let folder = world.place("altrove");
    fs::create_dir_all(folder.join("fidati")).unwrap();
    let exported = world.run(["trust", "export"]).stdout;
    fs::write(folder.join("fidati/comune.json"), exported).unwrap();
    let mut command = world.command(["check"]);
    command.arg(world.place(name)).args(["--trust", "fidati"]).args(more).current_dir(&folder);
    command.env_remove("SIGILLO_ARCHIVE").env("HOME", &folder);
    finish(command)
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_statement_proves_the_period_to_who_has_no_archive() {
    let (world, _) = with_two_submissions();
    let made = world.run(["log", "statement", "-o", "tutto.json"]);
    made.check(0, "sealed (TRIAL, not qualified), with a time-stamp of ");
    made.check(0, "from the beginning of the log");
    made.check(0, "         3  documents archived");
    made.check(0, "         1  … refused");
    let checked = check_elsewhere(&world, "tutto.json", &[]);
    checked.check(0, "PROVEN: these are all the entries between the two checkpoints");
    checked.check(0, "         3  documents archived");
    checked.check(0, "sealed by ");
    checked.check(0, "F507");
    let report = check_elsewhere(&world, "tutto.json", &["--json"]).json();
    assert_eq!((&report["verdict"], &report["entity"]), (&"intact".into(), &ENTITY.into()));
    let counts = &report["counts"];
    assert_eq!(counts["documents"], 3);
    assert_eq!(counts["submissions_completed"], 2);
    assert_eq!((&counts["refused"], &counts["already"]), (&1.into(), &2.into()));
    for (name, number) in counts.as_object().unwrap() {
        let rare = ["holds", "disposals", "erasures", "renewals", "fixity", "incidents"];
        assert!(*number == 0 || !rare.iter().any(|it| name.starts_with(it)), "{name} {number}");
    }
    let packs = world.packs();
    let size = |key: &String| fs::metadata(world.archive().join(key)).unwrap().len();
    assert_eq!(counts["bytes"], packs.iter().map(size).sum::<u64>());
    assert_eq!(report["batches"].as_array().unwrap().len(), 2);
    // Whom nobody trusts; what is no statement; what cannot be beside one; a name that is taken.
    let nobody = world.run(["check", "tutto.json", "--config", "nessuno"]);
    nobody.check(3, "CANNOT TELL");
    nobody.check(3, "F601");
    fs::write(world.place("rotta.json"), b"{}").unwrap();
    world.run(["check", "rotta.json"]).check(5, "F821");
    world.run(["check", "tutto.json", "carte/uno.txt"]).check_error(2, "has no files");
    world.run(["log", "statement", "-o", "tutto.json"]).check_error(1, "is there already");
    // Printed, it is the same.
    let printed = world.run(["log", "statement"]);
    fs::write(world.place("detto.json"), &printed.stdout).unwrap();
    check_elsewhere(&world, "detto.json", &[]).check(0, "PROVEN");
}

#[test]
fn a_statement_with_another_count_is_refused() {
    let (world, _) = with_two_submissions();
    world.run(["log", "statement", "-o", "tutto.json"]).check(0, "sealed");
    let text = fs::read_to_string(world.place("tutto.json")).unwrap();
    for (said, instead) in [
        (r#"\"documents\":3,\"entries\""#, r#"\"documents\":4,\"entries\""#),
        (r#"\"refused\":1,\"renewals\""#, r#"\"refused\":0,\"renewals\""#),
        (r#"\"holds_placed\":0"#, r#"\"holds_placed\":1"#),
        (r#"\"incidents\":0"#, r#"\"incidents\":2"#),
    ] {
        assert!(text.contains(said), "{said}");
        fs::write(world.place("altra.json"), text.replace(said, instead)).unwrap();
        let checked = check_elsewhere(&world, "altra.json", &[]);
        checked.check(5, "DAMAGED: it does not prove what it says");
        checked.check(5, "F824");
        checked.check(5, "F825");
    }
    let mut value = json_of(&world.place("tutto.json"));
    let entries = value["entries"].as_str().unwrap().to_owned();
    let lines = entries.lines().filter(|line| !line.contains("submission.completed"));
    value["entries"] = (lines.collect::<Vec<_>>().join("\n") + "\n").into();
    fs::write(world.place("altra.json"), value.to_string()).unwrap();
    let checked = check_elsewhere(&world, "altra.json", &[]);
    checked.check(5, "F823");
    assert!(!checked.stdout.contains("documents archived"), "{checked:?}");
}

#[test]
fn periods_are_bounded_by_checkpoints_and_dates_and_leave_no_gap() {
    let (world, kept) = with_two_submissions();
    let run = |args: &[&str]| world.run([&["log", "statement"], args].concat());
    run(&["--to", "prima.txt", "-o", "a.json", "--json"]).check(0, "");
    let second = run(&["--from", "prima.txt", "-o", "b.json", "--json"]).json();
    let (first, b) = (json_of(&world.place("a.json")), json_of(&world.place("b.json")));
    let stated = |value: &Value| -> Value {
        serde_json::from_str(value["statement"].as_str().unwrap()).unwrap()
    };
    assert_eq!(stated(&first)["newer"], kept.as_str());
    assert_eq!(stated(&b)["older"], kept.as_str(), "the end of one is the beginning of the next");
    assert_eq!(second["counts"]["documents"], 1);
    assert_eq!(second["counts"]["already"], 2);
    check_elsewhere(&world, "b.json", &[]).check(0, "from the checkpoint of ");
    // Nothing happened: a period of no commits.
    let newest = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("ora.txt"), newest).unwrap();
    run(&["--from", "ora.txt", "--to", "ora.txt", "-o", "c.json"]).check(0, "no commit");
    check_elsewhere(&world, "c.json", &[]).check(0, "PROVEN");
    // Dates: the times of the commits decide.
    let commits = second["first"]["at"].as_str().unwrap();
    let day = &commits[..10];
    run(&["--from", day, "-o", "d.json", "--json"]).check(0, "\"documents\":3");
    run(&["--from", "2000-01-01", "--to", "9998-12-31", "-o", "e.json"]).check(0, "beginning");
    run(&["--from", "9000-01-01", "-o", "f.json"]).check(0, "no commit");
    run(&["--to", "2000-01-01"]).check_error(1, "no such period");
    run(&["--from", "ora.txt", "--to", "prima.txt"]).check_error(1, "no such period");
    run(&["--from", "2000-01-01T00:00:00Z", "--to", "2000-01-02T00:00:00Z"])
        .check_error(1, "no such period");
    run(&["--from", "manca.txt"]).check_error(1, "give a day as 2026-01-31");
    run(&["--from", "carte/uno.txt"]).check_error(1, "is no checkpoint of this log");
    let other = World::with(&[("uno.txt", b"uno")]);
    let foreign = other.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("altro.txt"), foreign).unwrap();
    run(&["--from", "altro.txt"]).check_error(1, "is no checkpoint of this log");
}

#[test]
fn a_log_that_lost_its_end_gives_no_statement_since_a_checkpoint_that_was_kept() {
    let (world, _) = with_two_submissions();
    let newest = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("ora.txt"), newest).unwrap();
    let commits: Vec<_> =
        world.objects().into_iter().filter(|key| key.starts_with("log/seq/")).collect();
    for key in &commits[commits.len() - 2..] {
        fs::remove_file(world.archive().join(key)).unwrap();
    }
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    world.run(["log", "statement", "--from", "ora.txt"]).check_error(5, "does not contain");
    // Without it who saw the end refuses, and who did not by the memory of the keys.
    world.run(["log", "statement"]).check_error(5, "LOG_DIVERGED: a checkpoint of");
    let elsewhere = ["log", "statement", "--state", "altro-stato"];
    world.run(elsewhere).check_error(5, "LOG_DIVERGED: the log key signed");
    fs::remove_file(world.object("batches/", &packs_of(&world))).unwrap();
    world.run(["log", "statement", "--to", "prima.txt"]).check_error(5, "");
}

/// Returns the end of the key of the list of packs of the first batch.
fn packs_of(world: &World) -> String {
    let objects = world.objects();
    objects.into_iter().find(|key| key.ends_with("packs.json")).unwrap()[8..].to_owned()
}

#[test]
fn without_an_authority_the_statement_says_so() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let settings = world.home().join(".config/sigillo/settings.toml");
    let exported = world.run(["trust", "export"]).json();
    let anchor = world.place("radice.pem");
    fs::write(&anchor, exported["anchors"][0].as_str().unwrap()).unwrap();
    fs::write(
        settings,
        format!(
            "[[authorities]]\nname = \"Altrove\"\nurl = \"http://127.0.0.1:9/\"\n\
             anchor_file = {:?}\nanswer_seconds_max = 2\n",
            anchor.to_str().unwrap()
        ),
    )
    .unwrap();
    let made = world.run(["log", "statement", "-o", "senza.json"]);
    made.check(0, "without a time-stamp");
    made.check(0, "the authority Altrove did not help");
    check_elsewhere(&world, "senza.json", &[]).check(0, "F827");
}

fn sample(world: &World, args: &[&str]) -> Ran {
    world.run([&["verify", "--sample"], args].concat())
}

/// Returns what a sample drew.
#[track_caller]
fn drawn(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code, code, "{ran:?}");
    ran.json()["sample"]["drawn"].clone()
}

/// Returns an archive of forty documents, and the place of its token.
fn forty() -> (World, String) {
    let world = World::new();
    for number in 0..40 {
        world.write(&format!("{number}.txt"), format!("documento {number}").as_bytes());
    }
    assert_eq!(world.create().code, 0);
    let token = world.object("sealings/", ".tst");
    (world, token.to_str().unwrap().to_owned())
}

#[test]
fn a_seed_draws_the_same_documents_for_everybody_whatever_comes_later() {
    let (world, token) = forty();
    let kept = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("seme.txt"), &kept).unwrap();
    let ran = sample(&world, &["10", "--seed-from", "seme.txt"]);
    ran.check(0, "Read 10 of 10 documents to the last byte");
    ran.check(0, "sample: 10 of 40 documents, drawn by the seed ");
    ran.check(0, "if 1 of them were damaged, such a sample would find one or more with 25.00 %");
    ran.check(0, "found with 95 % or more: 10 documents damaged, 25.00 % of all");
    ran.check(0, "F831");
    ran.check(0, "the archive alone signed");
    let json = sample(&world, &["10", "--seed-from", "seme.txt", "--json"]);
    let first = drawn(&json, 0);
    assert_eq!(first.as_array().unwrap().len(), 10);
    assert_eq!(json.json()["sample"]["later"], 0);
    let by_token = drawn(&sample(&world, &["10", "--seed-from", &token, "--json"]), 0);
    assert_ne!(by_token, first);
    sample(&world, &["10", "--seed-from", &token]).check(0, "for sealing 1");
    sample(&world, &["10", "--seed-from", &token]).check(0, "trial authority");
    // More documents, a copy in another place, another user: the same are drawn.
    for number in 40..50 {
        world.write(&format!("{number}.txt"), b"nuovo");
    }
    assert_eq!(world.ingest(&[]).code, 0);
    let json = sample(&world, &["10", "--seed-from", "seme.txt", "--json"]);
    assert_eq!(drawn(&json, 0), first);
    assert_eq!(
        (&json.json()["sample"]["later"], &json.json()["sample"]["population"]),
        (&10.into(), &40.into())
    );
    sample(&world, &["10", "--seed-from", "seme.txt"]).check(0, "F832");
    assert_eq!(drawn(&sample(&world, &["10", "--seed-from", &token, "--json"]), 0), by_token);
    let all = drawn(&sample(&world, &["99", "--seed-from", "seme.txt", "--json"]), 0);
    assert_eq!(all.as_array().unwrap().len(), 40);
    let places: Vec<_> = all.as_array().unwrap().iter().map(|it| it["place"].clone()).collect();
    assert_eq!(places, (0..40).map(Value::from).collect::<Vec<_>>());
    let stranger =
        sample(&world, &["10", "--seed-from", "seme.txt", "--json", "--config", "nessuno"]);
    assert_eq!(drawn(&stranger, 3), first);
}

#[test]
fn damage_in_a_document_that_is_drawn_is_found() {
    let (world, token) = forty();
    let pack = world.object("packs/", ".zip");
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.windows(11).position(|it| it == b"documento 7").unwrap();
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let all = sample(&world, &["40", "--seed-from", &token]);
    all.check(5, "DAMAGED");
    all.check(5, "Read 39 of 40 documents");
    all.check(5, "F105");
    // Whether a smaller one finds it is whether it draws it.
    for count in ["5", "10", "20"] {
        let ran = sample(&world, &[count, "--seed-from", &token, "--json"]);
        let report = ran.json();
        let damaged: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["version"].as_str())
            .collect();
        let drawn = report["sample"]["drawn"].as_array().unwrap();
        let hit = drawn.iter().any(|it| damaged.contains(&it["version"].as_str().unwrap()));
        assert_eq!(ran.code, if hit { 5 } else { 0 }, "{report}");
    }
    let leaves = world.object("batches/", "leaves");
    let mut bytes = fs::read(&leaves).unwrap();
    bytes[0] ^= 1;
    fs::write(&leaves, bytes).unwrap();
    sample(&world, &["5", "--seed-from", &token]).check(5, "F201");
}

#[test]
fn documents_in_other_packs_of_a_batch_are_drawn_as_all_are() {
    let world = World::new();
    world.write("grande.bin", &vec![7; 9 << 20]);
    world.write("piccolo.txt", b"piccolo");
    assert_eq!(world.create().code, 0);
    assert!(world.packs().len() > 1, "large documents lie in packs of their own");
    let token = world.object("sealings/", ".tst");
    let ran = sample(&world, &["9", "--seed-from", token.to_str().unwrap()]);
    ran.check(0, "Read 2 of 2 documents to the last byte");
}

#[test]
fn what_is_no_seed_of_this_archive_draws_nothing() {
    let (world, token) = forty();
    let other = World::with(&[("uno.txt", b"uno")]);
    let foreign = other.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("altro.txt"), foreign).unwrap();
    sample(&world, &["5", "--seed-from", "altro.txt"]).check_error(1, "cannot draw a sample");
    sample(&world, &["5", "--seed-from", "carte/1.txt"]).check_error(1, "cannot draw a sample");
    sample(&world, &["5", "--seed-from", "manca"]).check_error(1, "reading manca");
    sample(&world, &["0", "--seed-from", &token]).check_error(2, "0");
    sample(&world, &["5"]).check_error(2, "--seed-from");
    sample(&world, &["100001", "--seed-from", &token]).check_error(2, "100001");
    world.run(["verify", "--seed-from", &token]).check_error(2, "--sample");
    sample(&world, &["5", "--seed-from", &token, "--full"]).check_error(2, "cannot be used");
    // A token of somebody else, whom nobody here trusts: nobody knows who made it.
    let stranger = other.object("sealings/", ".tst");
    let ran = sample(&world, &["5", "--seed-from", stranger.to_str().unwrap()]);
    ran.check(3, "F603");
    ran.check(3, "the log does not name it as the first of a sealing");
}

#[test]
fn witnesses_that_are_named_are_part_of_the_seed() {
    let (world, token) = forty();
    let kept = world.run(["log", "checkpoint"]).stdout;
    let signer = MemorySigner::new(7);
    let public_key = signer.public_key().try_into().unwrap();
    let key = VerifierKey::new_cosigner("testimone.invalid".to_owned(), public_key).unwrap();
    let mut note = SignedNote::parse(kept.as_bytes()).unwrap();
    let at = CosignedAt::from_unix_seconds(1_790_000_000).unwrap();
    let message = cosignature_message(at, note.text.as_bytes());
    let signature = signer.sign(&message).unwrap().try_into().unwrap();
    note.signatures.push(NoteSignature::cosignature(&key, at, signature));
    fs::write(world.place("sola.txt"), &kept).unwrap();
    fs::write(world.place("due.txt"), note.to_bytes()).unwrap();
    let key = key.to_string();
    let alone = drawn(&sample(&world, &["9", "--seed-from", "sola.txt", "--json"]), 0);
    let passed = drawn(&sample(&world, &["9", "--seed-from", "due.txt", "--json"]), 0);
    assert_eq!(alone, passed);
    let args = ["9", "--seed-from", "due.txt", "--witness", &key, "--json"];
    assert_ne!(drawn(&sample(&world, &args), 0), alone);
    sample(&world, &args[..5]).check(0, "the cosignatures of testimone.invalid are in the seed");
    sample(&world, &["9", "--seed-from", "sola.txt", "--witness", &key])
        .check_error(1, "bears no cosignature of testimone.invalid");
    sample(&world, &["9", "--seed-from", &token, "--witness", &key])
        .check_error(2, "only a checkpoint has witnesses");
    sample(&world, &["9", "--seed-from", "due.txt", "--witness", "niente"])
        .check_error(2, "is no key of a witness");
}

#[test]
fn a_seed_that_the_log_does_not_contain_proves_that_it_was_shortened() {
    let (world, _) = with_two_submissions();
    let newest = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("ora.txt"), newest).unwrap();
    let commits: Vec<_> =
        world.objects().into_iter().filter(|key| key.starts_with("log/seq/")).collect();
    fs::remove_file(world.archive().join(commits.last().unwrap())).unwrap();
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    let ran = sample(&world, &["5", "--seed-from", "ora.txt"]);
    ran.check(5, "F304");
    ran.check(5, "the checkpoint of ");
}
