//! `sigillo renew`: one newer time-stamp over those of all sealings, and what others say of it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    evidence_records::{can_judge, only_root, shared},
    program::{World, finish, skip},
};

/// The verifier that was written from the specification alone.
pub(crate) const SECOND: &str = "../../docs/verify/sigillo_verify.py";

/// Runs a command, and returns what it printed as JSON.
pub(crate) fn json(world: &World, code: i32, args: &[&str]) -> Value {
    let ran = world.run(args.iter().copied().chain(["--json"]));
    assert_eq!(ran.code, code, "{args:?}: {ran:?}");
    ran.json()
}

/// An archive with three sealings.
pub(crate) fn three_sealings() -> World {
    let world = World::with(&[("uno.txt", b"uno")]);
    for name in ["due", "tre"] {
        world.write(&format!("{name}.txt"), name.as_bytes());
        json(&world, 0, &["ingest", "carte"]);
    }
    world
}

#[test]
fn a_plan_is_shown_and_carried_out_once() {
    let world = three_sealings();
    let plan = json(&world, 0, &["renew"]);
    assert_eq!((&plan["performed"], &plan["plan"]["not_due"]), (&false.into(), &3.into()));
    assert!(plan["plan"]["next_before"].is_string());
    let planned = json(&world, 0, &["renew", "--all"]);
    assert_eq!(planned["plan"]["due"].as_array().unwrap().len(), 3);
    let done = json(&world, 0, &["renew", "--all", "--yes"]);
    let renewed = &done["outcome"]["renewed"];
    assert_eq!((renewed.as_array().unwrap().len(), &renewed[0]["members"]), (1, &3.into()));
    let verified = json(&world, 0, &["verify", "--full"]);
    assert_eq!(verified["verdict"], "intact");
    // The trial authority has one certificate, so it cannot put the end off.
    let refused = json(&world, 4, &["renew", "--lead-days", "5000", "--yes"]);
    assert_eq!(refused["outcome"]["waiting"], 3);
    let words = refused["outcome"]["refused"][0]["words"].as_str().unwrap();
    assert!(words.contains("newer certificate"), "{words}");
    // Nothing new to seal comes of it.
    assert!(json(&world, 0, &["seal"])["sealed"].is_null());
}

#[test]
fn receipts_and_bundles_carry_renewals_and_bear_out_older_ones() {
    let world = three_sealings();
    json(&world, 0, &["receipt", "show", "carte/uno.txt", "-o", "prima.json"]);
    let before = fs::metadata(world.place("prima.json")).unwrap().len();
    for _ in 0..2 {
        json(&world, 0, &["renew", "--all", "--yes"]);
    }
    json(&world, 0, &["receipt", "refresh", "prima.json"]);
    let after = fs::metadata(world.place("prima.json")).unwrap().len();
    assert!(after > before, "{after} bytes after {before}");
    let checked = json(&world, 0, &["verify", "--receipt", "prima.json", "carte/uno.txt"]);
    let renewals: Vec<_> = times_renewed(&checked);
    assert_eq!(renewals, [false, true, true]);
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    let checked = json(&world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    assert_eq!(times_renewed(&checked), renewals);
}

fn times_renewed(checked: &Value) -> Vec<bool> {
    let times = checked["time_stamps"].as_array().unwrap();
    times.iter().map(|time| time["renewal"].as_bool().unwrap()).collect()
}

/// Runs a program in the folder of a world, and demands that it says this.
fn demand(world: &World, command: &mut Command, said: &str) {
    let mut owned = Command::new(command.get_program());
    owned.args(command.get_args()).current_dir(world.folder.path());
    finish(owned).check(0, said);
}

/// Tells whether Bouncy Castle and a compiler are there; without them says so, and fails in CI.
pub(crate) fn has_bouncy_castle() -> bool {
    let compiler = Command::new("javac").arg("-version").output();
    if compiler.is_ok() && Path::new("/usr/share/java/bcpkix.jar").is_file() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "javac or Bouncy Castle is missing");
    skip("javac or Bouncy Castle is missing");
    false
}

/// Lets others verify a document by its bundle: the evidence record, the time-stamps, whose files have
/// `stamps` in their names, and the whole. `code` is what giving the bundle exits with.
pub(crate) fn let_others_verify(
    world: &World,
    shared: &Path,
    (file, code): (&str, i32),
    stamps: &[&str],
) {
    json(world, code, &["prove", file, "-o", "prova.zip"]);
    let mut python = Command::new("python3");
    demand(world, python.args(["-m", "zipfile", "-e", "prova.zip", "aperta"]), "");
    let (root, judges) = (only_root(world), shared.join("verifiers"));
    let evidence = "aperta/documents/1/1-plain-sha256-trial.er";
    let objects = ["aperta/documents/1/record.json", file];
    let again = ["er", "verify", evidence, objects[0], objects[1], "--group"];
    world.run(again).check(0, "PROVEN: 2 objects");
    let mut python = Command::new("python3");
    python.arg(judges.join("verify_er.py")).args(["--strict", "--group", "--ca"]).arg(&root);
    demand(world, python.arg(evidence).args(objects), "VALID");
    let mut openssl = Command::new("sh");
    openssl.arg(judges.join("verify_ts_openssl.sh")).arg("er").arg(&root).arg(evidence);
    demand(world, &mut openssl, "VALID");
    if has_bouncy_castle() {
        let mut castle = Command::new("sh");
        castle.arg(judges.join("verify_er_bc.sh")).args(["--group", "--ca"]).arg(&root);
        castle.arg(evidence).args(objects).env("ER_BC_BUILD", world.place("bc"));
        castle.current_dir(world.folder.path());
        finish(castle).check(0, "VALID");
    }
    // Each token over what is said beside it.
    for stamp in stamps {
        let token = format!("aperta/sealings/1/1-plain-sha256-trial{stamp}");
        let imprint = fs::read_to_string(world.place(format!("{token}.imprint"))).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-token_in", "-digest", &imprint, "-in"]);
        openssl.arg(format!("{token}.tst")).arg("-CAfile").arg(&root);
        demand(world, &mut openssl, "Verification: OK");
    }
    let key = json(world, 0, &["trust", "export"])["trusted"]["log"].as_str().unwrap().to_owned();
    let mut second = Command::new("python3");
    second.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SECOND)).arg("bundle");
    second.args(["prova.zip", file, "--log-key", &key]).arg("--ca").arg(&root);
    demand(world, &mut second, "INTACT");
}

#[test]
fn others_verify_what_was_renewed() {
    let Some(shared) = shared() else { return };
    if !can_judge() {
        return;
    }
    let world = three_sealings();
    for _ in 0..2 {
        json(&world, 0, &["renew", "--all", "--yes"]);
    }
    let_others_verify(&world, &shared, ("carte/due.txt", 0), &["", ".renewal-1", ".renewal-2"]);
}
