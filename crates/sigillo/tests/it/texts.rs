//! What the program says, word for word, without ids, times and the folder of the test.

use std::{fs, os::unix::fs::symlink};

use rstest::rstest;

use crate::program::{ENTITY, Ran, World};

/// Everything before this in a time is digits and dashes, as in `2026-11-25T`.
const DATE_BYTES: usize = 11;

/// Puts a word in the place of every id, digest, time and path that differs from run to run.
fn without_what_differs(world: &World, text: &str) -> String {
    let folder = world.folder.path().to_str().unwrap();
    let mut rest = text.replace(folder, "[folder]");
    let mut kept = String::new();
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (said, length) = if is_time(&rest) {
            ("[time]", rest.find('Z').unwrap() + 1)
        } else if word_end >= 8 && rest[..word_end].bytes().all(|b| b.is_ascii_hexdigit()) {
            ("[id]", word_end)
        } else if word_end > 0 {
            kept.push_str(&rest[..word_end]);
            ("", word_end)
        } else {
            kept.push(first);
            ("", first.len_utf8())
        };
        kept.push_str(said);
        rest.drain(..length);
    }
    // The folder of a pack is the beginning of its name.
    let mut parts = kept.split("packs/");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.get(2..).filter(|rest| rest.starts_with("/[id]"));
        text.push_str(&named.map_or(format!("packs/{part}"), |rest| format!("packs/[2]{rest}")));
    }
    text
}

fn is_time(text: &str) -> bool {
    let Some(date) = text.get(..DATE_BYTES) else { return false };
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T"
}

/// Returns exit code and words of a run.
fn said(world: &World, ran: &Ran) -> String {
    let text = format!("exit code {}\n{}{}", ran.code, ran.stdout, ran.stderr);
    without_what_differs(world, &text)
}

#[track_caller]
fn check(name: &str, world: &World, ran: &Ran) {
    insta::assert_snapshot!(name, said(world, ran));
}

#[rstest]
#[case::the_program("", "help")]
#[case::init("init", "help_init")]
#[case::ingest("ingest", "help_ingest")]
#[case::status("status", "help_status")]
#[case::find("find", "help_find")]
#[case::get("get", "help_get")]
#[case::export("export", "help_export")]
#[case::verify("verify", "help_verify")]
#[case::seal("seal", "help_seal")]
#[case::renew("renew", "help_renew")]
#[case::rebuild("rebuild", "help_rebuild")]
#[case::sweep("sweep", "help_sweep")]
#[case::doctor("doctor", "help_doctor")]
#[case::submission("submission", "help_submission")]
#[case::submission_list("submission list", "help_submission_list")]
#[case::submission_pending("submission pending", "help_submission_pending")]
#[case::receipt("receipt", "help_receipt")]
#[case::receipt_show("receipt show", "help_receipt_show")]
#[case::receipt_refresh("receipt refresh", "help_receipt_refresh")]
#[case::log("log", "help_log")]
#[case::prove("prove", "help_prove")]
#[case::check("check", "help_check")]
#[case::er("er", "help_er")]
#[case::er_create("er create", "help_er_create")]
#[case::er_renew("er renew", "help_er_renew")]
#[case::er_show("er show", "help_er_show")]
#[case::er_verify("er verify", "help_er_verify")]
#[case::log_checkpoint("log checkpoint", "help_log_checkpoint")]
#[case::log_consistency("log consistency", "help_log_consistency")]
#[case::log_witness("log witness", "help_log_witness")]
#[case::log_add_cosignature("log add-cosignature", "help_log_add_cosignature")]
#[case::log_anchor("log anchor", "help_log_anchor")]
#[case::log_rotate_key("log rotate-key", "help_log_rotate_key")]
#[case::log_succeed("log succeed", "help_log_succeed")]
#[case::log_entries("log entries", "help_log_entries")]
#[case::log_statement("log statement", "help_log_statement")]
#[case::trust("trust", "help_trust")]
#[case::trust_list("trust list", "help_trust_list")]
#[case::trust_add("trust add", "help_trust_add")]
#[case::trust_witness("trust witness", "help_trust_witness")]
#[case::trust_import_list("trust import-list", "help_trust_import_list")]
#[case::trust_export("trust export", "help_trust_export")]
#[case::completions("completions", "help_completions")]
#[case::man("man", "help_man")]
fn every_command_explains_itself(#[case] command: &str, #[case] name: &str) {
    let world = World::new();
    let mut help = world.command(command.split_whitespace());
    help.arg("--help").env_remove("SIGILLO_ARCHIVE");
    let ran = crate::program::finish(help);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(name, ran.stdout);
}

#[test]
fn no_command_is_without_a_snapshot_of_its_help() {
    let world = World::new();
    let names = |args: &[&str]| {
        let help = world.run([args, &["--help"]].concat()).stdout;
        let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let first_words = commands.lines().map(|line| line.split_whitespace().next().unwrap());
        first_words.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names(&[]),
        "init ingest status find get export verify seal renew rebuild sweep doctor submission receipt \
         prove check er log trust completions man help"
    );
    assert_eq!(names(&["submission"]), "list pending help");
    assert_eq!(names(&["receipt"]), "show refresh help");
    assert_eq!(
        names(&["log"]),
        "checkpoint consistency witness add-cosignature rotate-key succeed anchor entries statement \
         help"
    );
    assert_eq!(names(&["trust"]), "list add witness import-list export help");
}

#[test]
fn a_first_archive_is_told_from_beginning_to_end() {
    let world = World::new();
    world.write("delibera n. 1.txt", b"Si delibera.");
    world.write("caff\u{e8}.txt", b"composto");
    world.write("caffe\u{300}.txt", b"scomposto");
    symlink("delibera n. 1.txt", world.source().join("rinvio")).unwrap();
    symlink("altrove", world.source().join("rosso\u{1b}[31m")).unwrap();
    check("init", &world, &world.run(["init", "--entity", ENTITY]));
    check("status_of_nothing", &world, &world.run(["status"]));
    check("ingest_unsealed", &world, &world.ingest(&["--no-seal"]));
    check("status_unsealed", &world, &world.run(["status"]));
    check("verify_unsealed", &world, &world.run(["verify"]));
    check("seal", &world, &world.run(["seal"]));
    check("ingest_again", &world, &world.ingest(&[]));
    check("status", &world, &world.run(["status"]));
    check("verify", &world, &world.run(["verify"]));
    check("verify_full", &world, &world.run(["verify", "--full"]));
    check("verify_log_only", &world, &world.run(["verify", "--log-only"]));
    check("verify_one", &world, &world.run(["verify", "carte/delibera n. 1.txt"]));
    check("export", &world, &world.run(["export", "--all", "-o", "fuori"]));
    check("export_again", &world, &world.run(["export", "--all", "-o", "fuori"]));
    check("trust_list", &world, &world.run(["trust", "list"]));
    check("rebuild", &world, &world.run(["rebuild"]));
}

#[test]
fn damage_is_told_in_words() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    check("verify_derived", &world, &world.run(["verify", "--full"]));
    let ran = world.run(["verify", "--full", "--config", "nessuno", "--state", "nessuno"]);
    check("verify_of_a_stranger", &world, &ran);
    let pack = world.object("packs/", ".zip");
    let mut bytes = fs::read(&pack).unwrap();
    let at = bytes.windows(3).position(|window| window == b"due").unwrap();
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    check("verify_damaged", &world, &world.run(["verify", "--full"]));
    check("export_damaged", &world, &world.run(["export", "--all", "-o", "fuori"]));
    fs::remove_file(world.archive().join("archive.json")).unwrap();
    check("verify_undescribed", &world, &world.run(["verify"]));
}
