//! Evidence lines of SHA-512 from the first time-stamp on: what they prove when SHA-256 has fallen, and what
//! others say of them.

use std::{fs, path::PathBuf, process::Command, sync::atomic::Ordering};

use jiff::SignedDuration;
use rstest::rstest;
use serde_json::Value;

use sigillo_ers::{AlgorithmTable, TrustAnchors, pem_blocks};
use sigillo_evidence_log::{Archive, AuditKnowledge, AuditTime, audit_log};
use sigillo_model::{FindingCode, Severity, Verdict};
use sigillo_proof::{Bundle, BundleRules, RECEIPT_SCHEMA_OF_TREES, ReceiptTrust, check_bundle};
use sigillo_store::{Store, StoreUrl};

use crate::{
    evidence_records::{can_judge, only_root, shared},
    hash_trees::{files_below, spoil},
    lines::{believe, codes, second_verifier},
    program::{World, finish},
    renewing::{has_bouncy_castle, json},
    revoking::{Authority, RESPONDER, has_openssl, now},
};

pub(crate) const SHORT: &str = "plain-sha256-a";
pub(crate) const LONG: &str = "plain-sha512-b";

/// An archive whose sealings are stamped on a line of SHA-256 and on one of SHA-512, by two authorities
/// that sign with these.
pub(crate) struct Families {
    pub(crate) world: World,
    pub(crate) short: Authority,
    pub(crate) long: Authority,
}

impl Families {
    pub(crate) fn new() -> Option<Self> {
        if !has_openssl() {
            return None;
        }
        let world = World::new();
        let of = |folder, what| Authority::signing(world.place(folder), RESPONDER, what);
        let short = of("prima", ("Prima", "sha256", "P-256"));
        let long = of("seconda", ("Seconda", "sha512", "P-384"));
        let this = Self { world, short, long };
        this.set(&this.both());
        this.world.write("uno.txt", b"uno");
        this.world.write("due.txt", b"due");
        Some(this)
    }

    pub(crate) fn both(&self) -> String {
        [
            self.short.section(),
            self.long.section(),
            line(SHORT, "sha256", "Prima"),
            line(LONG, "sha512", "Seconda"),
        ]
        .concat()
    }

    pub(crate) fn set(&self, settings: &str) {
        let folder = self.world.home().join(".config/sigillo");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("settings.toml"), settings).unwrap();
    }

    fn roots(&self) -> [PathBuf; 2] {
        [&self.short, &self.long].map(|it| it.folder.join("root.pem"))
    }
}

pub(crate) fn line(name: &str, hash: &str, authority: &str) -> String {
    format!(
        "[[lines]]\nname = \"{name}\"\nprofile = \"plain\"\nhash = \"{hash}\"\n\
         authorities = [\"{authority}\"]\n"
    )
}

/// Returns the anchors of an archive and of authorities.
pub(crate) fn anchors(it: &Families) -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    for root in it.roots().iter().chain([&only_root(&it.world)]) {
        let pem = fs::read_to_string(root).unwrap();
        anchors.add_der("root", &pem_blocks(&pem, "CERTIFICATE").unwrap()[0]).unwrap();
    }
    anchors
}

/// Tables of algorithms that were made up: SHA-256 as it is, and ended long ago.
fn table(fallen: bool) -> AlgorithmTable {
    table_until(fallen.then_some("2020-01-01"))
}

/// The table in which SHA-256 ends on a day.
fn table_until(day: Option<&str>) -> AlgorithmTable {
    let until = day.map(|day| format!("until = \"{day}\"\n")).unwrap_or_default();
    let table = format!(
        "source = \"made up\"\nissued = \"2026-01-01\"\n[[hash]]\nname = \"SHA-256\"\n{until}\
         [[hash]]\nname = \"SHA-512\"\n[[signature]]\nscheme = \"ecdsa\"\nbits_min = 256\n"
    );
    AlgorithmTable::from_toml(&table).unwrap()
}

pub(crate) fn verdict(it: &Families, bundle: &Bundle, fallen: bool) -> Verdict {
    let trust = ReceiptTrust { anchors: anchors(it), ..ReceiptTrust::default() };
    let (algorithms, at) = (table(fallen), now());
    let rules = BundleRules { trust: &trust, algorithms: &algorithms, at };
    let check = check_bundle(bundle, &[], &rules);
    // Whom the log is of, everybody decides for himself.
    let mut others = check.findings.iter().filter(|it| it.code != FindingCode::OriginUnknown);
    Verdict::of(&others.by_ref().cloned().collect::<Vec<_>>())
}

/// Audits the log of an archive as of now and, with `fallen`, where SHA-256 has ended long ago, and returns
/// the codes of what lets it not be intact.
pub(crate) fn audited(world: &World, anchors: TrustAnchors, fallen: bool) -> Vec<&'static str> {
    audited_at(world, anchors, AuditTime { algorithms: table(fallen), at: now() })
}

/// Audits the log of an archive as of two days from now, with SHA-256 ended the day before.
pub(crate) fn audited_later(world: &World, anchors: TrustAnchors) -> Vec<&'static str> {
    let [ended, at] = [24, 48].map(|hours| now() + SignedDuration::from_hours(hours));
    let day = ended.strftime("%Y-%m-%d").to_string();
    audited_at(world, anchors, AuditTime { algorithms: table_until(Some(&day)), at })
}

fn audited_at(world: &World, anchors: TrustAnchors, time: AuditTime) -> Vec<&'static str> {
    let url = StoreUrl::in_folder(world.archive());
    let time = Some(time);
    let knowledge =
        AuditKnowledge { anchors, log_key_trusted: true, time, ..AuditKnowledge::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let audit = runtime.block_on(async {
        let store = Store::open(&url, tokio::runtime::Handle::current()).unwrap();
        let archive = Archive::open(store).await.unwrap();
        audit_log(&archive, &knowledge, &mut |_, _| {}).await.unwrap()
    });
    let doubts = audit.findings.iter().filter(|it| it.severity > Severity::Note);
    doubts.map(|it| it.code.code()).collect()
}

pub(crate) fn bundle(world: &World) -> Bundle {
    Bundle::parse(&fs::read(world.place("prova.zip")).unwrap()).unwrap()
}

#[test]
fn lines_of_sha_512_go_on_in_the_log_that_comes_after_another() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    assert_eq!(world.create().code, 0);
    believe(world);
    world.run(["log", "succeed", "--reason", "log-forked", "--trial", "--yes"]).check(0, "Log 2");
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    world.run(["renew", "--all", "--yes"]).check(0, "");
    world.check_intact(3);
    // Of before the border, renewed behind it, and of both at once.
    for ids in [&["carte/uno.txt"][..], &["carte/uno.txt", "carte/tre.txt"]] {
        let _ = fs::remove_file(world.place("prova.zip")).ok();
        world.run(["prove", "-o", "prova.zip"].iter().chain(ids)).check(0, "prova.zip");
        let bundle = bundle(world);
        assert_eq!(bundle.receipt.schema, RECEIPT_SCHEMA_OF_TREES);
        assert_eq!(bundle.receipt.archive.successions.len(), 1);
        world.run(["check", "prova.zip", "carte/uno.txt"]).check(0, "PROVEN");
        second_verifier(world, &it.roots()).check(0, "INTACT");
        assert_eq!([false, true].map(|fallen| verdict(&it, &bundle, fallen)), [Verdict::Intact; 2]);
    }
}

#[test]
fn a_document_holds_by_its_line_of_sha_512_when_sha_256_falls_over_night() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    let created = world.create();
    created.check(0, &format!("on the line {SHORT}"));
    created.check(0, &format!("on the line {LONG}"));
    believe(world);
    let verified = json(world, 0, &["verify", "--full", "--require", "stamped"]);
    assert_eq!((&verified["verdict"], &verified["time_stamps"]), (&"intact".into(), &2.into()));
    json(world, 0, &["prove", "carte/uno.txt", "carte/due.txt", "-o", "prova.zip", "--files"]);
    let checked = json(world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    assert_eq!(checked["verdict"], "intact", "{checked}");
    second_verifier(world, &it.roots()).check(0, "INTACT");
    // Who believes the authority of either line alone is told the same.
    for root in it.roots() {
        second_verifier(world, &[root]).check(0, "INTACT");
    }
    let both = bundle(world);
    assert_eq!([false, true].map(|fallen| verdict(&it, &both, fallen)), [Verdict::Intact; 2]);
    // With the first line alone nothing can be told any more.
    let mut short = both.clone();
    short.receipt.sealings[0].tokens.pop();
    short.receipt.documents.iter_mut().for_each(|it| it.hash_trees.clear());
    short.receipt.documents.iter_mut().for_each(|it| it.sha512.clear());
    short.receipt.schema = short.receipt.schema_wanted().to_owned();
    let verdicts = [false, true].map(|fallen| verdict(&it, &short, fallen));
    assert_eq!(verdicts, [Verdict::Intact, Verdict::CannotTell]);
    // Nor where one of the documents is not on the other.
    let mut partly = both.clone();
    partly.receipt.documents[0].hash_trees.clear();
    partly.receipt.documents[0].sha512.clear();
    let verdicts = [false, true].map(|fallen| verdict(&it, &partly, fallen));
    assert_eq!(verdicts, [Verdict::Intact, Verdict::CannotTell]);
    fs::write(world.place("prova.zip"), partly.to_zip().unwrap()).unwrap();
    let [short, long] = it.roots();
    second_verifier(world, &[long]).check(3, "CANNOT TELL");
    second_verifier(world, &[short]).check(0, "INTACT");
}

#[test]
fn others_verify_a_line_of_sha_512_and_what_renewed_it() {
    let Some(it) = Families::new() else { return };
    let Some(shared) = shared() else { return };
    if !can_judge() {
        return;
    }
    let world = &it.world;
    assert_eq!(world.create().code, 0);
    it.long.certify_again();
    it.short.certify_again();
    json(world, 0, &["renew", "--all", "--yes"]);
    believe(world);
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    second_verifier(world, &it.roots()).check(0, "INTACT");
    let run = |command: &mut Command, said: &str| {
        let mut owned = Command::new(command.get_program());
        owned.args(command.get_args()).current_dir(world.folder.path());
        finish(owned).check(0, said);
    };
    run(Command::new("python3").args(["-m", "zipfile", "-e", "prova.zip", "aperta"]), "");
    let (root, judges) = (it.long.folder.join("root.pem"), shared.join("verifiers"));
    let evidence = format!("aperta/documents/1/2-{LONG}.er");
    let objects = ["aperta/documents/1/record.json", "carte/uno.txt"];
    let trust = ["--group", "--trust", root.to_str().unwrap()];
    let verify = [&["er", "verify", &evidence][..], &objects, &trust].concat();
    world.run(verify).check(0, "PROVEN: 2 objects");
    world.run(["er", "show", &evidence]).check(0, "SHA-512");
    let mut python = Command::new("python3");
    python.arg(judges.join("verify_er.py")).args(["--strict", "--group", "--ca"]).arg(&root);
    run(python.arg(&evidence).args(objects), "VALID");
    let mut openssl = Command::new("sh");
    openssl.arg(judges.join("verify_ts_openssl.sh")).arg("er").arg(&root).arg(&evidence);
    run(&mut openssl, "VALID");
    if has_bouncy_castle() {
        let mut castle = Command::new("sh");
        castle.arg(judges.join("verify_er_bc.sh")).args(["--group", "--ca"]).arg(&root);
        castle.arg(&evidence).args(objects).env("ER_BC_BUILD", world.place("bc"));
        castle.current_dir(world.folder.path());
        finish(castle).check(0, "VALID");
    }
    for stamp in ["", ".renewal-1"] {
        let token = format!("aperta/sealings/1/2-{LONG}{stamp}");
        let imprint = fs::read_to_string(world.place(format!("{token}.imprint"))).unwrap();
        assert_eq!(imprint.len(), 128);
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-token_in", "-digest", &imprint, "-in"]);
        openssl.arg(format!("{token}.tst")).arg("-CAfile").arg(&root);
        run(&mut openssl, "Verification: OK");
    }
}

#[test]
fn a_line_of_sha_512_is_renewed_and_gets_no_new_hash_trees() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    assert_eq!(world.create().code, 0);
    believe(world);
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    let planned = json(world, 0, &["renew", "--hash-tree"]);
    let trees = |it: &Value| it["plan"]["hash_trees"].as_array().unwrap().len();
    assert_eq!([&planned, &planned["other_lines"][0]].map(trees), [2, 0]);
    let done = json(world, 0, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(done["hash_trees"][0]["rehashed"]["documents"], 3, "{done}");
    assert_eq!(done["other_lines"][0]["hash_trees"], Value::Array(vec![]));
    for _ in 0..2 {
        it.long.certify_again();
        it.short.certify_again();
        let done = json(world, 0, &["renew", "--all", "--yes"]);
        for line in [&done, &done["other_lines"][0]] {
            assert_eq!(line["outcome"]["renewed"][0]["members"], 2, "{done}");
        }
    }
    let status = json(world, 0, &["status"]);
    let names = [SHORT, LONG].map(Value::from);
    assert_eq!([&status["lines"][0]["line"], &status["lines"][1]["line"]], [&names[0], &names[1]]);
    json(world, 0, &["verify", "--full"]);
    let all = ["carte/uno.txt", "carte/due.txt", "carte/tre.txt"];
    json(world, 0, &[&["prove"][..], &all, &["-o", "prova.zip"]].concat());
    assert_eq!(json(world, 0, &["check", "prova.zip"])["verdict"], "intact");
    second_verifier(world, &it.roots()).check(0, "INTACT");
    let html = ["check", "prova.zip", "--html", "verdetto.html"];
    world.run(html).check(0, "PROVEN");
    let page = fs::read_to_string(world.place("verdetto.html")).unwrap();
    let root = bundle(world).receipt.sealings[0].tokens[1].entry.line.clone();
    let root = serde_json::from_str::<Value>(&root).unwrap()["tree"]["root"].clone();
    assert!(page.contains("over hash trees, SHA-512") && page.contains(root.as_str().unwrap()));
    // A period statement names what it does not count.
    json(world, 0, &["log", "statement", "-o", "rendiconto.json"]);
    world
        .run(["check", "rendiconto.json"])
        .check(0, "2  entries more, on evidence lines of SHA-512");
    let stated = fs::read_to_string(world.place("rendiconto.json")).unwrap();
    assert!(stated.contains(r#"{\"count\":2,\"type\":\"sealing.stamped\",\"v\":2}"#), "{stated}");
    // Both hold now that SHA-256 has fallen, one by its new trees.
    assert_eq!(verdict(&it, &bundle(world), true), Verdict::Intact);
    json(world, 0, &["receipt", "show", "carte/tre.txt", "-o", "ricevuta.json"]);
    json(world, 0, &["verify", "--receipt", "ricevuta.json", "carte/tre.txt"]);
    json(world, 0, &["receipt", "refresh", "ricevuta.json"]);
}

#[test]
fn sealings_from_before_the_line_are_stamped_on_it_and_their_documents_are_read_once() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    assert_eq!(world.create().code, 0);
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    it.set(&it.both());
    world.run(["status"]).check(0, &format!("on the line {LONG}"));
    let stamped = json(world, 0, &["seal", "--stamp-only"]);
    let lines: Vec<_> =
        stamped["stamped"].as_array().unwrap().iter().map(|it| &it["line"]).collect();
    assert_eq!(lines, [LONG, LONG], "{stamped}");
    believe(world);
    assert_eq!(json(world, 0, &["verify", "--full"])["verdict"], "intact");
    // What comes from now on states its second digests.
    world.write("quattro.txt", b"quattro");
    assert_eq!(world.ingest(&[]).code, 0);
    let all = ["carte/uno.txt", "carte/due.txt", "carte/tre.txt", "carte/quattro.txt"];
    json(world, 0, &[&["prove"][..], &all, &["-o", "prova.zip"]].concat());
    let records = bundle(world).receipt.documents;
    let stating = records.iter().filter(|it| it.record.contains("\"sha512\":"));
    assert_eq!((records.len(), stating.count()), (4, 1));
    assert_eq!(verdict(&it, &bundle(world), true), Verdict::Intact);
}

#[test]
fn a_document_that_is_damaged_is_left_out_of_the_line_and_told() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    world.write("uno.txt", b"uno, che si ritrova");
    assert_eq!(world.create().code, 0);
    spoil(world, b"uno, che si ritrova");
    it.set(&it.both());
    let stamped = json(world, 5, &["seal", "--stamp-only"]);
    assert_eq!(codes(&serde_json::json!({"findings": stamped["left_out"]})), ["F105"]);
    assert_eq!(stamped["stamped"][0]["tree"]["documents"], 1, "{stamped}");
    believe(world);
    json(world, 0, &["prove", "carte/due.txt", "-o", "prova.zip"]);
    json(world, 0, &["check", "prova.zip", "carte/due.txt"]);
    assert_eq!(verdict(&it, &bundle(world), true), Verdict::Intact);
    let verified = world.run(["verify", "--full"]);
    verified.check(5, "DAMAGE");
    assert!(!verified.stdout.contains("F503"), "the trees are as they were made: {verified:?}");
}

#[test]
fn what_is_changed_under_a_line_of_sha_512_is_found_and_the_other_line_proves() {
    for (ends, said, lost) in [
        ("tree.json", "it does not have the digest", true),
        (".tst", "its bytes do not have the digest", true),
        ("objects-1.sha512", "its bytes are not those that the hash trees cover", false),
        ("leaves/", "its bytes do not have the digest", true),
    ] {
        let Some(it) = Families::new() else { return };
        let world = &it.world;
        assert_eq!(world.create().code, 0);
        believe(world);
        json(world, 0, &["receipt", "show", "carte/uno.txt", "-o", "prima.json"]);
        let found = files_below(&world.archive()).into_iter().find(|path| {
            let path = path.to_str().unwrap();
            let is_leaves = ends.ends_with('/') && path.contains("renewals/leaves/");
            is_leaves || path.ends_with(ends) && (ends != ".tst" || path.contains(LONG))
        });
        let path = found.unwrap_or_else(|| panic!("{ends} is there"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let ran = world.run(["verify", "--full"]);
        assert!(ran.code == 5 && ran.stdout.contains("F503"), "{ends}: {ran:?}");
        assert!(ran.stdout.contains(said) || ends == "tree.json", "{ends}: {ran:?}");
        if lost {
            world.run(["verify", "carte/uno.txt"]).check(5, "F503");
            let sample = ["verify", "--sample", "1", "--seed-from", "saputo"];
            fs::copy(world.archive().join("log/checkpoint"), world.place("saputo")).unwrap();
            world.run(sample).check(5, "F503");
        }
        let given = json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
        assert_eq!(codes(&given).contains(&"F516"), lost, "{ends}: {given}");
        assert_eq!(json(world, 0, &["check", "prova.zip"])["verdict"], "intact", "{ends}");
        second_verifier(world, &it.roots()).check(0, "INTACT");
        // An older receipt is a copy of what was lost.
        let refreshed = json(world, 0, &["receipt", "refresh", "prima.json"]);
        assert_eq!(codes(&refreshed), Vec::<&str>::new(), "{ends}: it has what it had");
        let checked = json(world, 0, &["verify", "--receipt", "prima.json"]);
        assert_eq!(checked["time_stamps"].as_array().unwrap().len(), 2, "{ends}");
        assert!(!codes(&checked).contains(&"F511"), "{ends}: {checked}");
    }
}

/// Settings in which nobody answers where an authority is.
fn without_answer(it: &Families, authority: &Authority) -> String {
    let silent = |line: &str| {
        if line.starts_with("url") { "url = \"http://127.0.0.1:9/\"" } else { line }.to_owned()
    };
    let section = authority.section();
    let lines: Vec<String> = section.lines().map(silent).collect();
    it.both().replace(section.trim_end(), &lines.join("\n"))
}

#[test]
fn an_authority_of_the_line_that_is_down_keeps_its_sealings_waiting_and_no_others() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&without_answer(&it, &it.long));
    world.create().check(0, &format!("waits for a time-stamp on the line {LONG}"));
    let left = files_below(&world.archive().join("renewals"));
    let is_leaves = |path: &PathBuf| path.to_str().unwrap().contains("/renewals/leaves/");
    assert!(left.len() == 1 && left.iter().all(is_leaves), "{left:?}");
    for _ in 0..2 {
        json(world, 4, &["seal", "--stamp-only"]);
        assert_eq!(
            files_below(&world.archive().join("renewals")),
            left,
            "trying again leaves more"
        );
    }
    it.set(&it.both());
    let stamped = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!((&stamped["stamped"][0]["line"], &stamped["waiting"]), (&LONG.into(), &0.into()));
    believe(world);
    assert_eq!(json(world, 0, &["verify", "--full"])["verdict"], "intact");
}

#[test]
fn new_hash_trees_that_no_authority_stamps_leave_their_leaves_alone_and_these_are_taken_up() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    assert_eq!(world.create().code, 0);
    let short = [it.short.section(), line(SHORT, "sha256", "Prima")].concat();
    it.set(&without_answer(&it, &it.short).replace(&line(LONG, "sha512", "Seconda"), ""));
    let renewals = world.archive().join("renewals");
    json(world, 4, &["renew", "--hash-tree", "--yes"]);
    let left = files_below(&renewals);
    assert!(left.len() == 1 && left[0].to_str().unwrap().contains("/leaves/"), "{left:?}");
    json(world, 4, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(files_below(&renewals), left);
    it.set(&short);
    json(world, 0, &["renew", "--hash-tree", "--yes"]);
    assert!(left.iter().all(|path| files_below(&renewals).contains(path)));
    believe(world);
    assert_eq!(json(world, 0, &["verify", "--full"])["verdict"], "intact");
}

#[test]
fn one_line_of_which_it_is_known_that_nothing_was_revoked_is_enough() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    assert_eq!(world.create().code, 0);
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    fs::create_dir(world.place("altrove")).unwrap();
    let exported = world.run(["trust", "export"]).stdout;
    fs::write(world.place("altrove/prima.json"), exported).unwrap();
    it.set(&it.both());
    believe(world);
    let asked = [&["check", "prova.zip"][..], &["verify"]];
    let required = |args: &[&str], code| {
        let ran = json(world, code, &[args, &["--require", "revocation"]].concat());
        let found = ran["findings"].as_array().unwrap().iter().find(|it| it["code"] == "F915");
        let found = found.unwrap();
        (found["severity"].clone(), found["message"].as_str().unwrap().to_owned())
    };
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    for args in asked {
        assert_eq!(required(args, 3).0, "cannot-tell", "{args:?}");
    }
    it.long.answers.store(true, Ordering::SeqCst);
    world.run(["renew", "--gather", "--yes"]).check(4, "Kept 1 answer");
    fs::remove_file(world.place("prova.zip")).unwrap();
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    for args in asked {
        let (severity, words) = required(args, 0);
        assert!(severity == "note" && words.contains("which is enough"), "{args:?}: {words}");
    }
    // A line whose authority is not believed helps nobody.
    let elsewhere = [asked[0], &["--trust", "altrove"]].concat();
    assert_eq!(required(&elsewhere, 3).0, "cannot-tell");
}

#[test]
fn time_stamps_of_a_line_of_sha_512_can_be_filled() {
    let Some(it) = Families::new() else { return };
    let (world, line_name) = (&it.world, "tr-esor-sha512-c");
    let line = line(line_name, "sha512", "Seconda").replace("plain", "tr-esor");
    it.set(&[it.long.section(), line].concat());
    world.create().check(0, "waits for a time-stamp");
    it.long.answers.store(true, Ordering::SeqCst);
    assert_eq!(json(world, 0, &["seal", "--stamp-only"])["stamped"][0]["line"], line_name);
    believe(world);
    assert_eq!(json(world, 0, &["verify", "--full"])["verdict"], "intact");
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    json(world, 0, &["check", "prova.zip", "--require", "revocation"]);
    second_verifier(world, &it.roots()).check(0, "INTACT");
    assert_eq!(verdict(&it, &bundle(world), true), Verdict::Intact);
}

#[test]
fn an_authority_that_signs_with_sha_256_is_told_of_on_the_line() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    assert_eq!(world.create().code, 0);
    believe(world);
    let falls = "and signs them with SHA-256: they fall with it";
    let examined = world.run(["doctor", "--online"]);
    examined.check(examined.code, &format!("Seconda gives time-stamps on the line {LONG}"));
    assert!(!examined.stdout.contains(falls), "{examined:?}");
    let swapped = [line(SHORT, "sha256", "Seconda"), line(LONG, "sha512", "Prima")];
    it.set(&[&[it.short.section(), it.long.section()], &swapped[..]].concat().concat());
    let words = format!("Prima gives time-stamps on the line {LONG}, {falls}");
    world.run(["doctor", "--online"]).check(3, &words);
}

#[rstest]
#[case::not_its_name("plain-sha512-b", "sha256", "begin it with plain-sha256-")]
#[case::not_its_hash("plain-sha256-b", "sha512", "begin it with plain-sha512-")]
#[case::no_such_hash("plain-sha384-b", "sha384", "unknown variant `sha384`")]
fn a_line_whose_name_says_another_hash_function_is_refused(
    #[case] name: &str,
    #[case] hash: &str,
    #[case] words: &str,
) {
    let world = World::with(&[("uno.txt", b"uno")]);
    let authority = "[[authorities]]\nname = \"Prima\"\nurl = \"http://127.0.0.1:9/\"\n\
                     anchor_file = \"x\"\n";
    let folder = world.home().join(".config/sigillo");
    fs::create_dir_all(&folder).unwrap();
    let settings = [authority, &line(name, hash, "Prima")].concat();
    fs::write(folder.join("settings.toml"), settings).unwrap();
    let ran = world.run(["seal"]);
    assert!(ran.code == 1 && ran.stderr.contains(words), "{words}: {ran:?}");
}
