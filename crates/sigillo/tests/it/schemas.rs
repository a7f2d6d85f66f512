//! What every command prints with --json, done and failed, checked against its schema by somebody
//! else's program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use serde_json::{Value, json};

use crate::program::{ENTITY, Ran, World, finish, skip};

/// Checks every case against its schema, and that one member more would not have passed.
const PYTHON: &str = r#"
import json, sys
from jsonschema import Draft202012Validator
folder, cases = sys.argv[1], json.load(open(sys.argv[2]))
for case in cases:
    name = case["value"]["schema"].removeprefix("sigillo.").split("/")[0]
    schema = json.load(open(f"{folder}/{name}.json"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for error in validator.iter_errors(case["value"]):
        print(case["command"], error.json_path, error.message)
    if validator.is_valid(dict(case["value"], unforeseen=1)):
        print(case["command"], "a member that no schema knows is accepted")
"#;

/// What commands printed, and which of them.
#[derive(Debug, Default)]
struct Cases {
    list: Vec<Value>,
    codes: BTreeMap<String, BTreeSet<i32>>,
}

impl Cases {
    /// Runs a command with --json, which must end with this code, and keeps what it printed.
    #[track_caller]
    fn run(&mut self, world: &World, code: i32, args: &[&str]) -> Value {
        let ran = world.run([args, &["--json"]].concat());
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        self.keep(args, &ran)
    }

    #[track_caller]
    fn keep(&mut self, args: &[&str], ran: &Ran) -> Value {
        let value = ran.json();
        let schema = value["schema"].as_str().unwrap_or_else(|| panic!("{args:?}: {value}"));
        self.codes.entry(schema.to_owned()).or_default().insert(ran.code);
        self.list.push(json!({"command": args.join(" "), "value": value}));
        value
    }
}

fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

/// Runs every command that needs nothing but an archive, before there is one and after.
fn everyday(cases: &mut Cases) {
    let world = World::new();
    cases.run(&world, 0, &["trust", "list"]);
    for args in [
        &["status"][..],
        &["doctor"],
        &["verify"],
        &["seal"],
        &["renew"],
        &["renew", "--yes"],
        &["rebuild"],
        &["find", "delibera"],
        &["sweep"],
        &["export", "--all", "-o", "fuori"],
        &["get", "5c1e9a02", "-o", "fuori"],
        &["submission", "list"],
        &["submission", "pending"],
        &["log", "checkpoint"],
        &["log", "entries"],
        &["trust", "export"],
        &["receipt", "show", "5c1e9a02"],
        &["prove", "5c1e9a02", "-o", "prova.zip"],
        &["ingest", "carte"],
    ] {
        let code = if args[0] == "doctor" { 3 } else { 1 };
        cases.run(&world, code, args);
    }
    cases.run(&world, 0, &["init", "--entity", ENTITY]);
    cases.run(&world, 0, &["status"]);
    world.write("delibera.txt", b"Si delibera.");
    world.write("allegato.txt", b"in allegato");
    std::os::unix::fs::symlink("delibera.txt", world.source().join("rinvio")).unwrap();
    cases.run(&world, 1, &["ingest", "carte", "--no-seal"]);
    cases.run(&world, 0, &["status"]);
    cases.run(&world, 0, &["seal"]);
    cases.run(&world, 0, &["seal", "--stamp-only"]);
    renewals(cases, &world);
    cases.run(&world, 1, &["ingest", "carte"]);
    let listed = cases.run(&world, 0, &["submission", "list"]);
    cases.run(&world, 0, &["submission", "pending"]);
    cases.run(&world, 0, &["verify"]);
    cases.run(&world, 0, &["verify", "--full"]);
    cases.run(&world, 0, &["verify", "--log-only"]);
    cases.run(&world, 0, &["verify", "carte/delibera.txt"]);
    cases.run(&world, 3, &["verify", "--config", "nessuno"]);
    let kept = cases.run(&world, 0, &["log", "checkpoint"]);
    fs::write(world.place("kept.txt"), kept["checkpoint"].as_str().unwrap()).unwrap();
    cases.run(&world, 0, &["log", "consistency", "kept.txt"]);
    cases.run(&world, 1, &["log", "consistency", "carte/delibera.txt"]);
    cases.run(&world, 0, &["log", "entries"]);
    witnesses(cases, &world);
    statements(cases, &world);
    cases.run(&world, 0, &["get", "carte/delibera.txt", "-o", "fuori"]);
    cases.run(&world, 1, &["get", "carte/delibera.txt", "-o", "fuori"]);
    cases.run(&world, 0, &["export", "--all", "-o", "tutto"]);
    cases.run(&world, 0, &["rebuild"]);
    cases.run(&world, 0, &["find", "delibera"]);
    fs::write(
        world.archive().join("packs/aa").join(format!("aa{}.zip", "0".repeat(62))),
        b"orfano",
    )
    .unwrap();
    cases.run(&world, 0, &["sweep"]);
    cases.run(&world, 0, &["sweep", "--yes"]);
    cases.run(&world, 0, &["log", "rotate-key"]);
    cases.run(&world, 0, &["log", "rotate-key", "--yes"]);
    trusts(cases, &world);
    proofs(cases, &world);
    cases.run(&world, 0, &["completions", "bash"]);
    cases.run(&world, 0, &["man", "-o", "pagine"]);
    receipts(cases, &world, listed["submissions"][0]["submission"].as_str().unwrap());
}

/// Lets another log begin, and looks at what is left of the first.
fn successions(cases: &mut Cases, world: &World) {
    let because = ["log", "succeed", "--reason", "tail-lost"];
    cases.run(world, 0, &["log", "succeed"]);
    cases.run(world, 0, &[&because[..], &["--act", "atto.json"]].concat());
    cases.run(world, 1, &[&because[..], &["--act", "atto.json"]].concat());
    cases.run(world, 0, &[&because[..], &["--trial", "--yes"]].concat());
    cases.run(world, 0, &["trust", "export"]);
    cases.run(world, 0, &["log", "checkpoint"]);
    cases.run(world, 0, &["log", "entries", "--generation", "1"]);
    cases.run(world, 0, &["verify"]);
    cases.run(world, 0, &["prove", "carte/delibera.txt", "-o", "ancora.zip"]);
    cases.run(world, 1, &["log", "statement", "-o", "poi.json"]);
}

fn trusts(cases: &mut Cases, world: &World) {
    let exported = cases.run(world, 0, &["trust", "export"])["trusted"].to_string();
    fs::write(world.place("trust.json"), exported).unwrap();
    cases.run(world, 0, &["trust", "add", "trust.json"]);
    let lists = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/trusted-lists");
    let [lotl, signer, list] = ["lotl.xml", "signer-p384.pem", "it-2.xml"]
        .map(|name| lists.join(name).to_str().unwrap().to_owned());
    cases.run(world, 0, &["trust", "import-list", &lotl, "--signer", &signer]);
    cases.run(world, 0, &["trust", "import-list", &list]);
    cases.run(world, 0, &["trust", "list"]);
}

fn renewals(cases: &mut Cases, world: &World) {
    cases.run(world, 0, &["renew"]);
    cases.run(world, 0, &["renew", "--all"]);
    cases.run(world, 0, &["renew", "--gather"]);
    cases.run(world, 0, &["renew", "--gather", "--yes"]);
    cases.run(world, 0, &["renew", "--all", "--yes"]);
    cases.run(world, 4, &["renew", "--lead-days", "5000", "--yes"]);
}

/// Lets the archive be witnessed by its own user, which is enough to see what is printed.
fn witnesses(cases: &mut Cases, world: &World) {
    let request = world.run(["log", "consistency"]).stdout;
    fs::write(world.place("richiesta.txt"), &request).unwrap();
    cases.run(world, 1, &["log", "witness", "richiesta.txt"]);
    let made = cases.run(world, 0, &["log", "witness", "--new-key", "polo.example/1"]);
    let cosigned = cases.run(world, 0, &["log", "witness", "richiesta.txt"]);
    fs::write(world.place("firma.txt"), cosigned["cosignature"].as_str().unwrap()).unwrap();
    let origin = request.lines().nth(2).unwrap();
    cases.run(world, 0, &["log", "witness", "--last", origin]);
    cases.run(world, 1, &["log", "add-cosignature", "firma.txt"]);
    cases.run(world, 0, &["trust", "witness", made["witness"].as_str().unwrap()]);
    cases.run(world, 0, &["log", "add-cosignature", "firma.txt"]);
    cases.run(world, 0, &["log", "checkpoint"]);
    cases.run(world, 0, &["log", "consistency", "--since-witness", "polo.example/1"]);
    cases.run(world, 0, &["log", "anchor", "--list"]);
    cases.run(world, 0, &["log", "anchor"]);
    cases.run(world, 3, &["log", "anchor", "--list", "--config", "nessuno"]);
}

fn statements(cases: &mut Cases, world: &World) {
    cases.run(world, 0, &["log", "statement", "--from", "kept.txt"]);
    cases.run(world, 0, &["log", "statement", "-o", "periodo.json"]);
    cases.run(world, 1, &["log", "statement", "-o", "periodo.json"]);
    cases.run(world, 0, &["check", "periodo.json"]);
    cases.run(world, 3, &["check", "periodo.json", "--config", "nessuno"]);
    fs::write(world.place("niente.json"), b"{}").unwrap();
    cases.run(world, 5, &["check", "niente.json"]);
    cases.run(world, 0, &["verify", "--sample", "1", "--seed-from", "kept.txt"]);
}

fn proofs(cases: &mut Cases, world: &World) {
    cases.run(world, 0, &["prove", "carte/delibera.txt", "-o", "prova.zip"]);
    cases.run(world, 1, &["prove", "carte/delibera.txt", "-o", "prova.zip"]);
    cases.run(world, 0, &["check", "prova.zip", "carte/delibera.txt"]);
    cases.run(world, 3, &["check", "prova.zip", "--config", "nessuno"]);
    cases.run(world, 5, &["check", "carte/delibera.txt"]);
    cases.run(world, 0, &["er", "create", "carte/delibera.txt", "-o", "delibera.er"]);
    cases.run(world, 1, &["er", "create", "carte/delibera.txt", "-o", "delibera.er"]);
    cases.run(world, 0, &["er", "renew", "delibera.er", "-o", "delibera-2.er"]);
    let hash = ["--hash", "sha512", "-o", "delibera-3.er"];
    let renew = ["er", "renew", "delibera-2.er", "carte/delibera.txt"];
    cases.run(world, 0, &[&renew[..], &hash[..]].concat());
    cases.run(world, 1, &[&renew[..], &hash[..]].concat());
    cases.run(world, 0, &["er", "show", "delibera.er"]);
    cases.run(world, 1, &["er", "show", "carte/delibera.txt"]);
    cases.run(world, 0, &["er", "verify", "delibera.er", "carte/delibera.txt"]);
    cases.run(world, 5, &["er", "verify", "delibera.er", "carte/allegato.txt"]);
}

fn receipts(cases: &mut Cases, world: &World, submission: &str) {
    cases.run(world, 0, &["receipt", "show", submission]);
    cases.run(world, 0, &["receipt", "show", submission, "-o", "rdv.json"]);
    cases.run(world, 1, &["receipt", "show", submission, "-o", "rdv.json"]);
    cases.run(world, 0, &["receipt", "refresh", "rdv.json"]);
    cases.run(world, 0, &["verify", "--receipt", "rdv.json", "carte/delibera.txt"]);
    cases.run(world, 3, &["verify", "--receipt", "rdv.json", "--config", "nessuno"]);
    fs::write(world.place("altro.txt"), b"altro").unwrap();
    cases.run(world, 3, &["verify", "--receipt", "rdv.json", "altro.txt"]);
    fs::write(world.place("rotta.json"), b"{}").unwrap();
    cases.run(world, 5, &["verify", "--receipt", "rotta.json"]);
    successions(cases, world);
}

/// Runs what meets damage.
fn damaged(cases: &mut Cases) {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    cases.run(&world, 3, &["verify"]);
    cases.run(&world, 3, &["doctor"]);
    cases.run(&world, 3, &["log", "checkpoint"]);
    let pack = world.object("packs/", ".zip");
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.windows(3).position(|window| window == b"due").unwrap();
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    cases.run(&world, 5, &["verify", "--full"]);
    cases.run(&world, 5, &["export", "--all", "-o", "fuori"]);
    cases.run(&world, 5, &["get", "carte/due.txt", "-o", "altrove"]);
    fs::remove_file(world.archive().join("archive.json")).unwrap();
    cases.run(&world, 5, &["verify"]);
}

/// Runs what cannot be understood.
fn misunderstood(cases: &mut Cases) {
    let world = World::new();
    for args in [&["verfy"][..], &["get"], &["receipt"], &["verify", "--full", "--log-only"]] {
        let value = cases.run(&world, 2, args);
        assert_eq!(value["error"]["kind"], "usage", "{args:?}");
    }
    let mut command = world.command(["status", "--json"]);
    command.env_remove("SIGILLO_ARCHIVE");
    let ran = finish(command);
    assert_eq!(ran.code, 2);
    cases.keep(&["status without an archive"], &ran);
}

#[test]
fn what_every_command_prints_is_as_its_schema_says() {
    let mut cases = Cases::default();
    everyday(&mut cases);
    damaged(&mut cases);
    misunderstood(&mut cases);
    let names = schemas().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let names = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    for name in names {
        let schema = format!("sigillo.{name}/1");
        assert!(cases.codes.contains_key(&schema), "no test prints {schema}");
    }
    assert_eq!(cases.codes["sigillo.verify/1"], BTreeSet::from([0, 3, 5]));
    assert_eq!(cases.codes["sigillo.error/1"], BTreeSet::from([1, 2]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.json");
    fs::write(&file, serde_json::to_vec(&cases.list).unwrap()).unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", PYTHON]).arg(schemas()).arg(file);
    let ran = finish(python);
    if ran.stderr.contains("No module named 'jsonschema'") {
        assert!(std::env::var_os("CI").is_none(), "Python has no jsonschema");
        return skip("Python has no jsonschema, so no output was checked against its schema");
    }
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
}
