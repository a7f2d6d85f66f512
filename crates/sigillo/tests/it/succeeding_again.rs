//! A succession that was broken off, repeated, or made where something else is lost as well: nothing is
//! begun twice, nobody is locked out, and what is lost is said.

use std::{fs, path::Path};

use serde_json::Value;

use sigillo_merkle::VerifierKey;

use crate::{
    program::{Ran, World, skip},
    succeeding::{codes, copy, keys_of, openssl},
};

fn try_to(world: &World, reason: &str, more: &[&str]) -> Ran {
    let args = ["log", "succeed", "--reason", reason, "--trial", "--yes"];
    world.run(args.iter().chain(more))
}

fn succeed(world: &World, reason: &str) {
    try_to(world, reason, &[]).check(0, "Log ");
}

fn ingest_more(world: &World, name: &str) {
    world.write(name, name.as_bytes());
    assert_eq!(world.ingest(&[]).code, 0);
}

/// Puts a folder back as it was kept.
fn bring_back(kept: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    copy(kept, to);
}

/// Brings trust store and memory back as they were kept in `home`: as if the program had died before it
/// wrote to them.
fn forget(world: &World, home: &str) {
    for name in [".config", ".local/state"] {
        bring_back(&world.place(home).join(name), &world.home().join(name));
    }
}

/// Lets a key folder forget what it signed.
fn unsign(folder: &Path) {
    let memory = folder.join("last-signed.json");
    let text = fs::read_to_string(&memory).unwrap();
    let from = text.find("\"last\":").unwrap();
    let to = from + text[from..].find('}').unwrap() + 1;
    fs::write(&memory, format!("{}\"last\":null{}", &text[..from], &text[to..])).unwrap();
}

/// Reads the newest act that the archive has of the log that began as the second.
fn acts(world: &World) -> Vec<Value> {
    let objects = world.objects();
    let acts = objects.iter().filter(|it| it.starts_with("log-2/succession/"));
    let acts = acts.filter(|it| Path::new(it).extension().is_some_and(|it| it == "json"));
    acts.map(|it| serde_json::from_slice(&fs::read(world.archive().join(it)).unwrap()).unwrap())
        .collect()
}

#[test]
fn after_lost_keys_an_interrupted_succession_is_completed_by_its_owner() {
    for has_signed in [false, true] {
        let world = World::with(&[("uno.txt", b"uno")]);
        fs::remove_dir_all(keys_of(&world)).unwrap();
        copy(&world.home(), &world.place("casa"));
        succeed(&world, "keys-lost");
        if !has_signed {
            fs::remove_dir_all(world.archive().join("log-2/tile")).unwrap();
            fs::remove_file(world.archive().join("log-2/checkpoint")).unwrap();
            unsign(&keys_of(&world).join("g2"));
        }
        forget(&world, "casa");
        let before = world.objects();
        let refused = world.run(["ingest", "carte"]);
        refused.check_error(5, "LOG_UNBELIEVED");
        assert!(refused.stderr.contains("`sigillo log succeed` again completes it"), "{refused:?}");
        assert!(!refused.stderr.contains("take them out"), "{refused:?}");
        world.run(["log", "succeed"]).check(0, "is not complete");
        let doctor = world.run(["doctor"]);
        assert_eq!(doctor.code, 3, "{doctor:?}");
        assert!(doctor.stdout.contains("sigillo log succeed"), "{doctor:?}");
        assert!(!doctor.stdout.contains("restore the key folder"), "{doctor:?}");
        assert_eq!(world.objects(), before);
        try_to(&world, "keys-lost", &[]).check(0, "had begun, and is complete now");
        world.run(["log", "checkpoint"]).check(0, "/g2");
        ingest_more(&world, "due.txt");
        world.check_intact(2);
        // Nobody else completes it: the keys are not theirs.
        let other = world.run(["log", "succeed", "--reason", "keys-lost", "--keys", "altrove"]);
        assert!(!other.stdout.contains("is complete now"), "{other:?}");
    }
}

#[test]
fn a_succession_that_is_repeated_is_one() {
    let world = World::with(&[("uno.txt", b"uno")]);
    succeed(&world, "tail-lost");
    let before = world.objects();
    try_to(&world, "tail-lost", &[]).check(0, "Log 2 had begun, and is complete now");
    assert_eq!(world.objects(), before);
    // Killed after the key had signed, and before anything was published.
    fs::remove_dir_all(world.archive().join("log-2/tile")).unwrap();
    fs::remove_file(world.archive().join("log-2/checkpoint")).unwrap();
    try_to(&world, "tail-lost", &[]).check(0, "Log 2 had begun, and is complete now");
    assert_eq!(world.objects(), before);
    world.run(["log", "checkpoint"]).check(0, "/g2");
    // Other words, another reason, or a log that has gone on: another one is meant.
    try_to(&world, "tail-lost", &["--words", "un altro disco"]).check(0, "Log 3 has begun");
    try_to(&world, "tail-lost", &["--words", "un altro disco"]).check(0, "Log 3 had begun");
    ingest_more(&world, "due.txt");
    try_to(&world, "tail-lost", &["--words", "un altro disco"]).check(0, "Log 4 has begun");
    world.check_intact(2);
}

#[test]
fn a_successor_that_is_lost_is_said_to_be_and_nothing_is_written_before() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    succeed(&world, "tail-lost");
    ingest_more(&world, "due.txt");
    world.run(["receipt", "show", "carte/due.txt", "-o", "perso.json"]).check(0, "is in");
    fs::write(world.place("perso.txt"), world.run(["log", "checkpoint"]).stdout).unwrap();
    bring_back(&world.place("prima"), &world.archive());
    let before = world.objects();
    let refused = try_to(&world, "backup-restored", &[]);
    refused.check_error(5, "LOG_DIVERGED");
    for said in ["--lost-successor", "/g2", "/trust/", "seen-logs"] {
        assert!(refused.stderr.contains(said), "{said}: {refused:?}");
    }
    // Not even without the keys of the lost log is anything written before the trust store is asked.
    fs::rename(keys_of(&world).join("g2"), world.place("via")).unwrap();
    try_to(&world, "backup-restored", &[]).check_error(5, "--lost-successor");
    assert!(!keys_of(&world).join("g2").exists());
    fs::rename(world.place("via"), keys_of(&world).join("g2")).unwrap();
    let plan = ["log", "succeed", "--lost-successor", "--reason", "backup-restored"];
    let ran = world.run(plan);
    ran.check(0, "Nothing was changed");
    assert!(ran.stdout.contains("Log 2, which came after it, is lost: "), "{ran:?}");
    assert_eq!(world.objects(), before);
    assert!(keys_of(&world).join("g2").exists());
    try_to(&world, "backup-restored", &["--lost-successor"]).check(0, "Log 2 has begun");
    let words = acts(&world)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains("Log 2, which came after it, is lost: "), "{words}");
    // Nothing is deleted.
    let kept = |folder: &Path, starts: &str| {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name());
        names.filter(|it| it.to_str().unwrap().starts_with(starts)).count()
    };
    assert_eq!(kept(&keys_of(&world), "g2"), 2);
    assert_eq!(kept(&world.home().join(".config/sigillo/trust"), ""), 2);
    for args in [
        &["receipt", "refresh", "perso.json"][..],
        &["log", "consistency", "perso.txt"],
        &["log", "statement", "--from", "perso.txt"],
        &["verify", "--sample", "1", "--seed-from", "perso.txt"],
        &["log", "succeed", "--reason", "tail-lost", "--checkpoint", "perso.txt"],
    ] {
        let refused = world.run(args);
        refused.check_error(1, "no signature by a known key");
        assert!(refused.stderr.contains("it is of the lost one"), "{refused:?}");
        assert!(!refused.stderr.contains("do not write"), "{refused:?}");
    }
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(2);
    try_to(&world, "backup-restored", &[]).check(0, "Log 3 has begun");
}

#[test]
fn a_lost_successor_is_followed_also_by_whom_it_interrupts() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    succeed(&world, "tail-lost");
    bring_back(&world.place("prima"), &world.archive());
    copy(&world.home(), &world.place("casa"));
    try_to(&world, "backup-restored", &["--lost-successor"]).check(0, "Log 2 has begun");
    forget(&world, "casa");
    world.run(["ingest", "carte"]).check_error(5, "LOG_DIVERGED");
    try_to(&world, "backup-restored", &[]).check_error(5, "--lost-successor");
    try_to(&world, "backup-restored", &["--lost-successor"]).check(0, "is complete now");
    ingest_more(&world, "due.txt");
    world.check_intact(2);
}

#[test]
fn what_the_trust_store_contradicts_is_refused_before_anything_is_written() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let other = World::with(&[("uno.txt", b"uno")]);
    let exported = other.run(["trust", "export", "--json"]).json()["trusted"].clone();
    let folder = world.home().join(".config/sigillo/trust");
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut trusted: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let key = |it: &Value| VerifierKey::parse(it["commit"].as_str().unwrap()).unwrap();
    let name = key(&trusted).name().to_owned();
    let others = VerifierKey::new_ed25519(name, key(&exported).public_key().try_into().unwrap());
    trusted["commit"] = others.unwrap().to_string().into();
    fs::write(&file, trusted.to_string()).unwrap();
    let before = world.objects();
    try_to(&world, "tail-lost", &[]).check_error(1, "the trust store has other keys");
    assert_eq!(world.objects(), before);
    assert!(!keys_of(&world).join("g2").exists());
}

#[test]
fn an_archive_that_lacks_its_newest_log_is_rolled_back_and_no_commit_is_to_be_removed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    succeed(&world, "log-forked");
    copy(&world.archive(), &world.place("prima"));
    succeed(&world, "hash-function");
    bring_back(&world.place("prima"), &world.archive());
    let before = world.objects();
    let succeeding = ["log", "succeed", "--reason", "tail-lost", "--trial", "--yes"];
    for args in [&["status"][..], &["ingest", "carte"], &succeeding] {
        let ran = world.run(args);
        ran.check_error(5, "LOG_DIVERGED: log 3 of this archive");
        assert!(!ran.stderr.contains("out of log/seq"), "{ran:?}");
        assert!(!ran.stderr.contains("completes it"), "{ran:?}");
        assert!(ran.stderr.contains("bring back its newest state"), "{ran:?}");
    }
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains("FAIL  trust           LOG_DIVERGED"), "{doctor:?}");
    assert_eq!(world.objects(), before);
    // Also for the reason that the shown log began with: another is meant, in place of the lost one.
    try_to(&world, "log-forked", &["--lost-successor"]).check(0, "Log 3 has begun");
    try_to(&world, "log-forked", &["--lost-successor"]).check(0, "Log 3 had begun");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(1);
}

/// Signs an act as a person; says no without openssl.
fn sign(world: &World) -> bool {
    let openssl = |line: &str| openssl(world, &line.split(' ').collect::<Vec<_>>());
    openssl("ecparam -name prime256v1 -genkey -noout -out rdc.key")
        && openssl(
            "req -x509 -new -key rdc.key -subj /CN=Responsabile -days 30 -addext \
             keyUsage=digitalSignature,nonRepudiation -out rdc.pem",
        )
        && openssl(
            "cms -sign -binary -cades -md sha256 -in atto.json -signer rdc.pem -inkey rdc.key \
             -outform DER -out atto.p7s",
        )
}

const CARRY_OUT: [&str; 6] = ["log", "succeed", "--act", "atto.json", "--signature", "atto.p7s"];

#[test]
fn an_act_is_not_carried_out_without_the_old_key_that_is_to_sign_for_the_new() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world
        .run(["log", "succeed", "--reason", "tail-lost", "--act", "atto.json"])
        .check(0, "Have it signed");
    if !sign(&world) {
        return skip("there is no openssl");
    }
    let before = world.objects();
    let keys = keys_of(&world);
    fs::create_dir(world.place("via")).unwrap();
    for name in ["log.key", "commit.key"] {
        fs::rename(keys.join(name), world.place("via").join(name)).unwrap();
    }
    let refused = world.run(CARRY_OUT);
    refused.check_error(1, "the key of log 1, which is to sign for the next, is not");
    assert!(refused.stderr.contains("--keys"), "{refused:?}");
    assert_eq!(world.objects(), before);
    for name in ["log.key", "commit.key"] {
        fs::rename(world.place("via").join(name), keys.join(name)).unwrap();
    }
    // The keys of an archive that was moved are found, old and new.
    fs::rename(world.archive(), world.place("trasloco")).unwrap();
    let moved = |args: &[&str]| world.run(args.iter().chain(&["--archive", "trasloco"]));
    moved(&CARRY_OUT).check(0, "Log 2 has begun");
    moved(&["verify"]).check(0, "its key signed for the next");
}

#[test]
fn a_signed_act_goes_on_without_a_lost_successor_only_if_that_is_asked() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    succeed(&world, "tail-lost");
    bring_back(&world.place("prima"), &world.archive());
    let act = ["log", "succeed", "--reason", "backup-restored", "--act", "atto.json"];
    world.run(act).check_error(5, "--lost-successor");
    world.run(act.iter().chain(&["--lost-successor"])).check(0, "Have it signed");
    if !sign(&world) {
        return skip("there is no openssl");
    }
    copy(&world.home(), &world.place("casa"));
    let before = world.objects();
    world.run(CARRY_OUT).check_error(5, "LOG_DIVERGED: log 2");
    assert_eq!(world.objects(), before);
    let without = CARRY_OUT.iter().chain(&["--lost-successor"]);
    world.run(without.clone()).check(0, "Log 2 has begun");
    // Died before the trust store was written to.
    forget(&world, "casa");
    world.run(CARRY_OUT).check_error(5, "--lost-successor");
    world.run(without).check(0, "Log 2 has begun");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(1);
}

#[test]
fn keys_that_were_set_aside_are_named_where_the_log_is_found_after_all() {
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    succeed(&world, "tail-lost");
    copy(&world.archive(), &world.place("dopo"));
    bring_back(&world.place("prima"), &world.archive());
    let act = ["log", "succeed", "--reason", "backup-restored", "--act", "atto.json"];
    world.run(act.iter().chain(&["--lost-successor"])).check(0, "Have it signed");
    bring_back(&world.place("dopo"), &world.archive());
    world.write("due.txt", b"due");
    let refused = world.ingest(&[]);
    refused.check_error(1, "are not this archive's");
    let keys = keys_of(&world);
    let names = fs::read_dir(&keys).unwrap().map(|it| it.unwrap().path());
    let mut aside = names.filter(|it| it.to_str().unwrap().contains("/g2-lost-"));
    let aside = aside.next().unwrap();
    assert!(refused.stderr.contains(aside.to_str().unwrap()), "{refused:?}");
    // As the hint says.
    fs::rename(keys.join("g2"), world.place("via")).unwrap();
    fs::rename(aside, keys.join("g2")).unwrap();
    ingest_more(&world, "due.txt");
    world.check_intact(2);
}

#[test]
fn what_completes_a_succession_is_the_act_that_it_began_with() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world
        .run(["log", "succeed", "--reason", "tail-lost", "--act", "atto.json"])
        .check(0, "Have it signed");
    if !sign(&world) {
        return skip("there is no openssl");
    }
    copy(&world.home(), &world.place("casa"));
    world.run(CARRY_OUT).check(0, "Log 2 has begun");
    unsign(&keys_of(&world).join("g2"));
    forget(&world, "casa");
    let act = fs::read(world.place("atto.json")).unwrap();
    let other =
        String::from_utf8(act.clone()).unwrap().replace("\"words\":\"\"", "\"words\":\"x\"");
    fs::write(world.place("atto.json"), other).unwrap();
    copy(&world.place("atto.p7s"), &world.place("vera.p7s"));
    assert!(sign(&world));
    world.run(CARRY_OUT).check_error(1, "by another act");
    fs::write(world.place("atto.json"), &act).unwrap();
    assert!(sign(&world));
    world.run(CARRY_OUT).check_error(1, "with another signature");
    copy(&world.place("vera.p7s"), &world.place("atto.p7s"));
    world.run(CARRY_OUT).check(0, "Log 2 has begun");
    assert_eq!(world.ingest(&[]).code, 0);
    world.check_intact(1);
}

#[test]
fn keys_that_lay_in_an_exposed_folder_are_not_used() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let exposed = ["log", "succeed", "--reason", "keys-exposed", "--act", "atto.json"];
    world.run(exposed).check(0, "Have it signed");
    let before = world.objects();
    // Made for this reason too, but who has the folder has them.
    let refused = try_to(&world, "keys-exposed", &[]);
    refused.check_error(1, "were there before");
    assert!(refused.stderr.contains("mv '"), "{refused:?}");
    assert_eq!(world.objects(), before);
    fs::rename(keys_of(&world).join("g2"), world.place("via")).unwrap();
    succeed(&world, "keys-exposed");
    assert_ne!(
        fs::read(world.place("via/commit.key")).unwrap(),
        fs::read(keys_of(&world).join("g2/commit.key")).unwrap()
    );
    try_to(&world, "keys-exposed", &[]).check(0, "Log 2 had begun");
}

#[test]
fn every_known_head_that_the_log_does_not_contain_is_told() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for folder in ["archivio", "home"] {
        copy(&world.place(folder), &world.place(format!("{folder}-copia")));
    }
    ingest_more(&world, "due.txt");
    let kept = world.run(["log", "checkpoint"]).stdout;
    fs::write(world.place("tenuto.txt"), &kept).unwrap();
    let size = kept.lines().nth(1).unwrap();
    copy(&world.home(), &world.place("casa"));
    // Under copied keys another history is written, which grows longer.
    for folder in ["archivio", "home"] {
        bring_back(&world.place(format!("{folder}-copia")), &world.place(folder));
    }
    for name in ["tre.txt", "quattro.txt", "cinque.txt"] {
        ingest_more(&world, name);
    }
    bring_back(&world.place("casa"), &world.home());
    let plan = world.run(["log", "succeed", "--reason", "log-forked"]);
    plan.check(0, "does not contain");
    assert!(plan.stdout.contains(&format!("{size} entries, root ")), "{plan:?}");
    assert!(plan.stdout.contains("F304") && plan.stdout.contains("/seen-"), "{plan:?}");
    let ran = try_to(&world, "log-forked", &[]);
    ran.check(0, "Log 2 has begun");
    let words = acts(&world)[0]["words"].as_str().unwrap().to_owned();
    assert!(words.contains(&format!("{size} entries, root ")), "{words}");
    // Of two histories the one that was seen may be the other: who has the new log is not told of it.
    let (code, report) = world.verify();
    assert!(code == 0 && codes(&report).contains(&"F308"), "{report}");
    // Where the archive's is the shorter one, nobody knows how much of the longer one is the others'.
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    for name in ["due.txt", "tre.txt"] {
        ingest_more(&world, name);
    }
    let longer = world.run(["log", "checkpoint"]).stdout;
    bring_back(&world.place("prima"), &world.archive());
    let forked = ["log", "succeed", "--reason", "log-forked", "--json"];
    assert!(world.run(forked).json()["lost"].is_null());
    let ran = world.run(forked.iter().chain(&["--trial", "--yes"])).json();
    assert!(ran["performed"] == true && ran["lost"].is_null(), "{ran}");
    let said = format!("a checkpoint of {} entries was known", longer.lines().nth(1).unwrap());
    ingest_more(&world, "quattro.txt");
    world.run(["prove", "carte/quattro.txt", "-o", "quattro.zip"]).check(0, "");
    for args in [&["verify"][..], &["check", "quattro.zip"]] {
        let ran = world.run(args);
        ran.check(0, &said);
        assert!(
            ran.stdout.contains("not vouched for") && !ran.stdout.contains("are lost"),
            "{ran:?}"
        );
    }
    // Two of one size, one kept outside and one published, are named both.
    let world = World::with(&[("uno.txt", b"uno")]);
    copy(&world.archive(), &world.place("prima"));
    ingest_more(&world, "due.txt");
    bring_back(&world.place("prima"), &world.archive());
    let plan = world.run(["log", "succeed", "--reason", "tail-lost"]);
    plan.check(0, "of them are lost");
}

#[test]
fn what_is_exported_for_others_keeps_the_anchors_of_before() {
    for reason in ["keys-exposed", "keys-lost"] {
        let world = World::with(&[("uno.txt", b"uno")]);
        let root = fs::read_to_string(keys_of(&world).join("root.pem")).unwrap();
        if reason == "keys-lost" {
            fs::remove_dir_all(keys_of(&world)).unwrap();
        }
        succeed(&world, reason);
        let exported = world.run(["trust", "export", "--json"]).json();
        let anchors = exported["trusted"]["anchors"].as_array().unwrap();
        assert!(anchors.iter().any(|it| it == root.as_str()), "{anchors:?}");
        assert_eq!(anchors.len(), 2, "{anchors:?}");
        fs::write(world.place("nuovo.json"), world.run(["trust", "export"]).stdout).unwrap();
        world.run(["trust", "add", "nuovo.json", "--config", "altri"]).check(0, "Believed");
        world.run(["verify", "--full", "--config", "altri"]).check(0, "INTACT");
    }
}

#[test]
fn a_key_folder_from_before_a_rotation_has_not_the_key_that_is_to_sign() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let keys = keys_of(&world);
    copy(&keys, &world.place("chiavi"));
    world.run(["log", "rotate-key", "--yes"]).check(0, "");
    ingest_more(&world, "due.txt");
    bring_back(&world.place("chiavi"), &keys);
    try_to(&world, "tail-lost", &[]).check_error(1, "are not all in");
    assert!(!keys.join("g2").exists());
    try_to(&world, "keys-lost", &[]).check(0, "Log 2 has begun");
    ingest_more(&world, "tre.txt");
    world.run(["verify", "--full"]).check(0, "INTACT");
}
