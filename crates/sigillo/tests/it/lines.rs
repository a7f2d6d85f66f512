//! Several evidence lines: each sealing is stamped by several authorities that have nothing to do with
//! each other, and what one of them does or loses stops no other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rstest::rstest;
use serde_json::Value;

use sigillo_authorities::{KeyFolder, TimeStampAuthority as _};
use sigillo_ers::TimeStampRequest;
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::{
    program::{ENTITY, Ran, World, finish},
    renewing::{SECOND, json},
    time_stamping::{answer, now, serve},
};

const A: &str = "plain-sha256-a";
const B: &str = "plain-sha256-b";

/// Nobody listens on this port.
const SILENT: &str = "http://127.0.0.1:9/";

/// An authority that has nothing to do with the archive.
#[derive(Clone)]
struct Authority {
    name: &'static str,
    keys: PathBuf,
    url: String,
}

impl Authority {
    fn new(world: &World, name: &'static str, seed: u64) -> Self {
        let (keys, at) = (world.place(name), now(world));
        let clock = Arc::new(ManualClock::at(at));
        KeyFolder::create(&keys, ENTITY, &*clock, &SeededEntropy::new(seed)).unwrap();
        let entropy = Arc::new(SeededEntropy::new(seed + 100));
        let authority = KeyFolder::open(&keys).unwrap().trial_authority(clock, entropy);
        let url = serve(move |body, stream| {
            TimeStampRequest::parse(&body).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            answer(stream, &runtime.block_on(authority.ask(&body)).unwrap());
        });
        Self { name, keys, url }
    }

    fn root(&self) -> PathBuf {
        self.keys.join("root.pem")
    }

    fn silent(&self) -> Self {
        Self { name: self.name, keys: self.keys.clone(), url: format!("{SILENT}{}", self.name) }
    }

    fn settings(&self) -> String {
        format!(
            "[[authorities]]\nname = \"{}\"\nurl = \"{}\"\nanchor_file = {:?}\n",
            self.name,
            self.url,
            self.root().to_str().unwrap()
        )
    }
}

fn line(name: &str, authorities: &str) -> String {
    format!("[[lines]]\nname = \"{name}\"\nprofile = \"plain\"\nauthorities = [{authorities}]\n")
}

fn write_settings(world: &World, parts: &[String]) {
    fs::write(world.home().join(".config/sigillo/settings.toml"), parts.concat()).unwrap();
}

/// An archive with one document that is not sealed yet, and two authorities with a line each.
fn two_lines() -> (World, [Authority; 2]) {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.create_with(&["--no-seal"]).check(0, "Not sealed");
    let both = [Authority::new(&world, "Prima", 1), Authority::new(&world, "Seconda", 2)];
    set(&world, &both);
    (world, both)
}

fn set(world: &World, [first, second]: &[Authority; 2]) {
    let lines = [line(A, "\"Prima\""), line(B, "\"Seconda\"")].concat();
    write_settings(world, &[first.settings(), second.settings(), lines]);
}

/// Gives up the second line, and its authority.
fn set_first(world: &World, [first, _]: &[Authority; 2]) {
    write_settings(world, &[first.settings(), line(A, "\"Prima\"")]);
}

/// Believes the anchors of the settings.
pub(crate) fn believe(world: &World) {
    let exported = world.run(["trust", "export"]);
    fs::write(world.place("fidati.json"), &exported.stdout).unwrap();
    world.run(["trust", "add", "fidati.json"]).check(0, "Believed from now on");
}

fn stamped_on(outcome: &Value) -> Vec<(&str, u64)> {
    let stamped = outcome["stamped"].as_array().unwrap().iter();
    stamped.map(|it| (it["line"].as_str().unwrap(), it["number"].as_u64().unwrap())).collect()
}

pub(crate) fn codes(value: &Value) -> Vec<&str> {
    let findings = value["findings"].as_array().unwrap().iter();
    findings.map(|it| it["code"].as_str().unwrap()).collect()
}

/// Returns the one token on a line.
fn token_of(world: &World, line: &str) -> PathBuf {
    let objects = world.objects();
    let mut found = objects.iter().filter(|key| key.contains(&format!("/lines/{line}/")));
    let found = (found.next().unwrap(), found.next());
    assert!(found.1.is_none(), "{objects:?}");
    world.archive().join(found.0)
}

#[test]
fn every_line_is_stamped_and_all_documents_hold_with_both() {
    let (world, both) = two_lines();
    let sealed = json(&world, 0, &["seal"]);
    assert_eq!(stamped_on(&sealed), [(A, 1), (B, 1)]);
    world.write("due.txt", b"due");
    let ran = world.ingest(&[]);
    ran.check(0, &format!("Sealing 2 has a TRIAL time-stamp, not qualified on the line {A}"));
    ran.check(0, &format!("Sealing 2 has a TRIAL time-stamp, not qualified on the line {B}"));
    world.run(["verify"]).check(3, "CANNOT TELL F603");
    // One line that is believed is enough, and the other one is told of.
    set_first(&world, &both);
    believe(&world);
    let noted = world.run(["verify", "--full"]);
    noted.check(0, "note F603");
    noted.check(0, &format!("on the evidence line {B}; the time-stamps on the line {A} hold"));
    set(&world, &both);
    believe(&world);
    let verified = json(&world, 0, &["verify", "--full", "--require", "stamped"]);
    assert_eq!((&verified["verdict"], &verified["time_stamps"]), (&"intact".into(), &4.into()));
    let status = json(&world, 0, &["status"]);
    assert_eq!(status["lines"][0]["line"], A);
    assert_eq!(
        (&status["lines"][1]["line"], &status["unstamped_sealings"]),
        (&B.into(), &0.into())
    );
    check_documents(&world, &both);
}

/// Gives a receipt, a bundle and a period statement, and lets everybody check them.
fn check_documents(world: &World, both: &[Authority; 2]) {
    json(world, 0, &["receipt", "show", "carte/due.txt", "-o", "ricevuta.json"]);
    let checked = json(world, 0, &["verify", "--receipt", "ricevuta.json", "carte/due.txt"]);
    assert_eq!(checked["time_stamps"].as_array().unwrap().len(), 2);
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    let checked = json(world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    assert_eq!(checked["verdict"], "intact");
    assert_eq!(checked["time_stamps"].as_array().unwrap().len(), 2);
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e", "prova.zip", "aperta"]).current_dir(world.folder.path());
    finish(unzip).check(0, "");
    for (place, name, authority) in [(1, A, &both[0]), (2, B, &both[1])] {
        let evidence = format!("aperta/documents/1/{place}-{name}.er");
        let root = authority.root();
        let verify = ["er", "verify", &evidence, "aperta/documents/1/record.json", "carte/uno.txt"];
        let alone = ["--group", "--trust", root.to_str().unwrap()];
        world.run([&verify[..], &alone].concat()).check(0, "PROVEN: 2 objects");
    }
    let roots = [both[0].root(), both[1].root()];
    second_verifier(world, &roots).check(0, "INTACT");
}

/// Lets the second verifier check the bundle `prova.zip` with these roots beside that of the archive.
pub(crate) fn second_verifier(world: &World, roots: &[PathBuf]) -> Ran {
    let exported = json(world, 0, &["trust", "export"]);
    let key = exported["trusted"]["log"].as_str().unwrap();
    let own = world.home().join(".local/share/sigillo/keys");
    let own = own.read_dir().unwrap().next().unwrap().unwrap().path().join("root.pem");
    let roots = [&own].into_iter().chain(roots);
    let roots: Vec<_> = roots.map(|it| fs::read_to_string(it).unwrap()).collect();
    fs::write(world.place("radici.pem"), roots.concat()).unwrap();
    let mut second = Command::new("python3");
    second.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SECOND));
    second.args(["bundle", "prova.zip", "carte/uno.txt", "--log-key", key, "--ca", "radici.pem"]);
    second.current_dir(world.folder.path());
    finish(second)
}

#[test]
fn an_authority_that_is_down_keeps_no_other_line_from_being_stamped() {
    let (world, [first, second]) = two_lines();
    set(&world, &[first.silent(), second.clone()]);
    let sealed = world.run(["seal", "--json"]);
    assert_eq!((sealed.code, stamped_on(&sealed.json())), (4, vec![(B, 1)]));
    assert_eq!(sealed.json()["waiting"], 1);
    assert_eq!(sealed.json()["refused"][0]["line"], A);
    world.run(["status"]).check(0, &format!("1 sealing waits for a time-stamp on the line {A}"));
    let examined = json(&world, 3, &["doctor", "--online"]);
    let of = |name: &str| -> Vec<(&str, bool)> {
        let checks = examined["checks"].as_array().unwrap().iter().filter(|it| it["name"] == name);
        checks
            .map(|it| (it["state"].as_str().unwrap(), it["message"].to_string().contains(A)))
            .collect()
    };
    assert_eq!(of("authorities"), [("warn", true), ("ok", false)], "{examined}");
    assert_eq!(of("time-stamps"), [("ok", true), ("ok", false)], "{examined}");
    believe(&world);
    let lacks = format!("has no time-stamp yet on the evidence line {A}");
    world.run(["verify"]).check(0, &lacks);
    world.run(["verify", "--require", "stamped"]).check(3, &lacks);
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    assert_eq!(json(&world, 0, &["check", "prova.zip"])["verdict"], "intact");
    set(&world, &[first, second]);
    let sealed = json(&world, 0, &["seal", "--stamp-only"]);
    assert_eq!(stamped_on(&sealed), [(A, 1)]);
    assert_eq!(json(&world, 0, &["verify", "--require", "stamped"])["verdict"], "intact");
}

#[test]
fn a_line_whose_time_stamps_are_lost_is_left_out_and_the_other_one_proves() {
    let (world, both) = two_lines();
    json(&world, 0, &["seal"]);
    believe(&world);
    json(&world, 0, &["receipt", "show", "carte/uno.txt", "-o", "prima.json"]);
    for (lost, kept) in [(A, B), (B, A)] {
        let file = token_of(&world, lost);
        let token = fs::read(&file).unwrap();
        let mut changed = token.clone();
        changed[token.len() / 2] ^= 1;
        for bytes in [None, Some(&changed)] {
            fs::remove_file(&file).unwrap();
            if let Some(bytes) = bytes {
                fs::write(&file, bytes).unwrap();
            }
            assert!(codes(&json(&world, 5, &["verify"])).contains(&"F503"));
            let given = json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
            assert_eq!((codes(&given), &given["time_stamps"]), (vec!["F516"], &1.into()));
            let checked = json(&world, 0, &["check", "prova.zip", "carte/uno.txt"]);
            assert_eq!(checked["verdict"], "intact", "{kept}: {checked}");
            let roots = both.each_ref().map(Authority::root);
            second_verifier(&world, &roots).check(0, "INTACT");
            fs::remove_file(world.place("prova.zip")).unwrap();
            // An older receipt is a copy of what was lost.
            let refreshed = json(&world, 0, &["receipt", "refresh", "prima.json"]);
            assert_eq!(codes(&refreshed), Vec::<&str>::new(), "{lost} is in it: {refreshed}");
            let checked = json(&world, 0, &["verify", "--receipt", "prima.json"]);
            assert_eq!(checked["time_stamps"].as_array().unwrap().len(), 2);
            fs::write(&file, &token).unwrap();
        }
    }
    // Without any line there is no proof of time to give.
    for line in [A, B] {
        fs::remove_file(token_of(&world, line)).unwrap();
    }
    world
        .run(["prove", "carte/uno.txt", "-o", "prova.zip"])
        .check_error(5, "it is not in the store");
}

#[test]
fn one_line_that_is_believed_is_enough() {
    let (world, both) = two_lines();
    json(&world, 0, &["seal"]);
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    // Nobody is believed.
    let checked = json(&world, 3, &["check", "prova.zip"]);
    assert_eq!(codes(&checked).iter().filter(|it| **it == "F603").count(), 2);
    set_first(&world, &both);
    believe(&world);
    let checked = json(&world, 0, &["check", "prova.zip"]);
    let unknown = checked["findings"].as_array().unwrap().iter().find(|it| it["code"] == "F603");
    let unknown = unknown.unwrap();
    assert_eq!(unknown["severity"], "note");
    let message = unknown["message"].as_str().unwrap();
    assert!(message.contains(B) && message.contains(A), "{message}");
    second_verifier(&world, &[]).check(3, "CANNOT TELL");
    for authority in &both {
        second_verifier(&world, &[authority.root()]).check(0, "INTACT");
    }
}

#[test]
fn every_line_is_renewed_also_one_that_is_not_written_any_more() {
    let (world, [first, second]) = two_lines();
    json(&world, 0, &["seal"]);
    believe(&world);
    let planned = json(&world, 0, &["renew", "--all"]);
    let lines = |value: &Value, of: &str| -> Vec<(String, bool)> {
        let all = [value].into_iter().chain(value["other_lines"].as_array().unwrap());
        let line = |it: &Value| it[of]["line"].as_str().unwrap().to_owned();
        all.map(|it| (line(it), it["plan"]["written"] == true)).collect()
    };
    assert_eq!(lines(&planned, "plan"), [(A.to_owned(), true), (B.to_owned(), true)]);
    // The first line is given up, and its authority too.
    write_settings(&world, &[second.settings(), line(B, "\"Seconda\"")]);
    let done = json(&world, 0, &["renew", "--all", "--yes"]);
    assert_eq!(lines(&done, "plan"), [(B.to_owned(), true), (A.to_owned(), false)]);
    for it in [&done, &done["other_lines"][0]] {
        assert_eq!(it["outcome"]["renewed"].as_array().unwrap().len(), 1, "{done}");
    }
    let again = json(&world, 0, &["renew", "--hash-tree", "--yes"]);
    for it in [&again, &again["other_lines"][0]] {
        assert!(it["hash_trees"][0]["rehashed"].is_object(), "{again}");
    }
    assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact");
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    assert_eq!(json(&world, 0, &["check", "prova.zip", "carte/uno.txt"])["verdict"], "intact");
    second_verifier(&world, &[first.root(), second.root()]).check(0, "INTACT");
}

#[test]
fn one_line_that_cannot_be_renewed_keeps_no_other_from_it() {
    let (world, [first, second]) = two_lines();
    json(&world, 0, &["seal"]);
    set(&world, &[first.silent(), second]);
    let done = json(&world, 4, &["renew", "--all", "--yes"]);
    assert_eq!(done["outcome"]["waiting"], 1);
    assert_eq!(done["other_lines"][0]["outcome"]["waiting"], 0);
}

#[test]
fn going_real_leaves_the_trial_line_to_the_trial_authority() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let both = [Authority::new(&world, "Prima", 1), Authority::new(&world, "Seconda", 2)];
    set(&world, &both);
    let stamped = json(&world, 0, &["seal", "--stamp-only"]);
    assert_eq!(stamped_on(&stamped), [(A, 1), (B, 1)]);
    believe(&world);
    // Both authorities are away: the trial one is asked for its own line alone.
    set(&world, &[both[0].silent(), both[1].silent()]);
    let done = json(&world, 4, &["renew", "--all", "--yes"]);
    let trial = &done["other_lines"][1];
    assert_eq!(trial["plan"]["line"], "plain-sha256-trial");
    assert_eq!(trial["outcome"]["renewed"].as_array().unwrap().len(), 1);
    assert_eq!(done["outcome"]["waiting"], 1);
    assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact");
}

#[rstest]
#[case::twice("plain-sha256-a", "plain", "\"Prima\"", "plain-sha256-a", "names the evidence line")]
#[case::of_trial("plain-sha256-trial", "plain", "\"Prima\"", "", "for the trial authority alone")]
#[case::another_profile(
    "plain-sha256-a",
    "tr-esor",
    "\"Prima\"",
    "",
    "begin it with tr-esor-sha256-"
)]
#[case::no_such_profile("plain-sha256-a", "cades", "\"Prima\"", "", "unknown variant `cades`")]
#[case::upper_case("plain-sha256-A", "plain", "\"Prima\"", "", "go on with a-z, 0-9 and -")]
#[case::nobody("plain-sha256-a", "plain", "", "", "no authority")]
#[case::unknown("plain-sha256-a", "plain", "\"Terza\"", "", "an authority that is not there once")]
#[case::shared("plain-sha256-a", "plain", "\"Prima\"", "plain-sha256-b", "asks Prima twice")]
fn lines_that_cannot_be_are_refused_in_words(
    #[case] name: &str,
    #[case] profile: &str,
    #[case] authorities: &str,
    #[case] more: &str,
    #[case] words: &str,
) {
    let world = World::with(&[("uno.txt", b"uno")]);
    let authority =
        format!("[[authorities]]\nname = \"Prima\"\nurl = \"{SILENT}\"\nanchor_file = \"x\"\n");
    let first = format!(
        "[[lines]]\nname = \"{name}\"\nprofile = \"{profile}\"\nauthorities = [{authorities}]\n"
    );
    let second = if more.is_empty() { String::new() } else { line(more, "\"Prima\"") };
    write_settings(&world, &[authority, first, second]);
    let ran = world.run(["seal"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(words), "{words}: {ran:?}");
}

#[rstest]
#[case::the_same("http://tsa.example/tsr")]
#[case::upper_case("HTTP://TSA.example/tsr")]
#[case::its_port("http://tsa.example:80/tsr")]
#[case::a_question("http://tsa.example/tsr?a")]
#[case::a_place_in_it("http://tsa.example/tsr#b")]
#[case::a_slash("http://tsa.example/tsr/")]
#[case::two_slashes("http://tsa.example//tsr")]
#[case::encrypted("https://tsa.example/tsr")]
#[case::a_dot("http://tsa.example./%74sr")]
fn an_authority_under_another_name_is_not_another_one(#[case] url: &str) {
    let world = World::with(&[("uno.txt", b"uno")]);
    let authority = |name: &str, url: &str| {
        format!("[[authorities]]\nname = \"{name}\"\nurl = \"{url}\"\nanchor_file = \"x\"\n")
    };
    let settings = [
        authority("Prima", "http://tsa.example/tsr"),
        authority("Seconda", url),
        line(A, "\"Prima\""),
        line(B, "\"Seconda\""),
    ];
    write_settings(&world, &settings);
    let ran = world.run(["seal"]);
    assert!(ran.code == 1 && ran.stderr.contains("asks Seconda twice"), "{ran:?}");
    let elsewhere = authority("Seconda", "http://tsa.example/other");
    write_settings(&world, &[&settings[..1], &[elsewhere], &settings[2..]].concat());
    let ran = world.run(["seal"]);
    assert!(!ran.stderr.contains("twice"), "{ran:?}");
}
