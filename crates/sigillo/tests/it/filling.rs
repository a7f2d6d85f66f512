//! Lines of the profile `tr-esor`: what judges the certificates of a time-stamp is in the time-stamp.

use std::{fs, path::PathBuf, process::Command, sync::atomic::Ordering};

use rstest::rstest;
use serde_json::Value;

use crate::{
    evidence_records::{can_judge, shared},
    lines::{believe, codes, second_verifier},
    program::{World, finish},
    renewing::{has_bouncy_castle, json},
    revoking::{Authority, LIST, RESPONDER, has_openssl},
};

const LINE: &str = "tr-esor-sha256-1";

/// A certificate that names a list and a responder.
const BOTH: &str = "authorityInfoAccess=OCSP;URI:http://ADDRESS/ocsp\n\
                    crlDistributionPoints=URI:http://ADDRESS/crl";

/// An archive with one document that is sealed, and waits for a time-stamp that can be filled.
fn waiting(whom: &str) -> Option<(World, Authority)> {
    if !has_openssl() {
        return None;
    }
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.create_with(&["--no-seal"]).check(0, "Not sealed");
    let authority = Authority::naming(world.place("altra"), whom);
    let line =
        format!("[[lines]]\nname = \"{LINE}\"\nprofile = \"tr-esor\"\nauthorities = [\"Altra\"]\n");
    let settings = world.home().join(".config/sigillo/settings.toml");
    fs::write(settings, authority.section() + &line).unwrap();
    believe(&world);
    Some((world, authority))
}

fn of_line(world: &World, ends: &str) -> Vec<PathBuf> {
    let objects = world.objects().into_iter();
    let found = objects.filter(|key| key.contains("/lines/") && key.ends_with(ends));
    found.map(|key| world.archive().join(key)).collect()
}

#[test]
fn a_time_stamp_that_cannot_be_filled_does_not_count_and_the_line_waits() {
    let Some((world, authority)) = waiting(LIST) else { return };
    let sealed = json(&world, 4, &["seal"]);
    let words = sealed["refused"][0]["words"].as_str().unwrap();
    assert!(words.starts_with("its time-stamp cannot be filled: CN=tsa: no revocation"), "{words}");
    assert!(words.contains("/crl"), "{words}");
    assert!(of_line(&world, "").is_empty());
    world.run(["verify"]).check(0, "F505");
    authority.answers.store(true, Ordering::SeqCst);
    assert_eq!(json(&world, 0, &["seal", "--stamp-only"])["stamped"][0]["line"], LINE);
}

#[test]
fn what_was_revoked_is_not_filled_in() {
    let Some((world, authority)) = waiting(LIST) else { return };
    let entry = "R\t491231000000Z\t250101000000Z,superseded\t20\tunknown\t/CN=tsa\n";
    fs::write(authority.folder.join("index"), entry).unwrap();
    authority.answers.store(true, Ordering::SeqCst);
    let sealed = json(&world, 4, &["seal"]);
    let words = sealed["refused"][0]["words"].as_str().unwrap();
    assert!(words.contains("it was revoked at 2025-01-01"), "{words}");
    assert!(of_line(&world, "").is_empty());
}

#[rstest]
#[case::with_a_list(LIST)]
#[case::with_an_answer(RESPONDER)]
#[case::with_a_list_where_both_are_named(BOTH)]
fn what_is_in_the_time_stamp_is_judged_by_everywhere(#[case] whom: &str) {
    let Some((world, authority)) = waiting(whom) else { return };
    authority.answers.store(true, Ordering::SeqCst);
    json(&world, 0, &["seal"]);
    json(&world, 0, &["renew", "--all", "--yes"]);
    // From here on nobody answers any more, and nothing lies beside the time-stamps.
    authority.answers.store(false, Ordering::SeqCst);
    assert!(!world.objects().iter().any(|key| key.contains("/validation/")));
    let verified = json(&world, 0, &["verify", "--full", "--require", "revocation,stamped"]);
    assert_eq!(verified["revocation"]["time_stamps_known"], 2);
    assert_eq!(codes(&verified).iter().filter(|it| **it == "F517").count(), 0);
    world.run(["renew", "--gather"]).check(0, "of all time-stamps it is known");
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    let required = ["check", "prova.zip", "carte/uno.txt", "--require", "revocation"];
    assert_eq!(json(&world, 0, &required)["verdict"], "intact");
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e", "prova.zip", "aperta"]).current_dir(world.folder.path());
    finish(unzip).check(0, "");
    let (evidence, root) =
        (format!("aperta/documents/1/1-{LINE}.er"), authority.folder.join("root.pem"));
    let verify = ["er", "verify", &evidence, "aperta/documents/1/record.json", "carte/uno.txt"];
    let alone = ["--group", "--require", "revocation", "--trust", root.to_str().unwrap()];
    world.run([&verify[..], &alone].concat()).check(0, "PROVEN: 2 objects");
    second_verifier(&world, std::slice::from_ref(&root)).check(0, "INTACT");
    others(&world, &evidence, (&root, whom != RESPONDER));
}

/// Lets others verify the evidence record, and OpenSSL the time-stamps in which it can read everything.
fn others(world: &World, evidence: &str, (root, by_openssl): (&PathBuf, bool)) {
    let stamps = if by_openssl { &["", ".renewal-1"][..] } else { &[] };
    for stamp in stamps {
        let token = format!("aperta/sealings/1/1-{LINE}{stamp}");
        let imprint = fs::read_to_string(world.place(format!("{token}.imprint"))).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-verify", "-token_in", "-digest", &imprint, "-in"]);
        openssl.arg(format!("{token}.tst")).arg("-CAfile").arg(root);
        openssl.current_dir(world.folder.path());
        finish(openssl).check(0, "Verification: OK");
    }
    let Some(shared) = shared().filter(|_| can_judge()) else { return };
    let (judges, objects) =
        (shared.join("verifiers"), ["aperta/documents/1/record.json", "carte/uno.txt"]);
    let mut python = Command::new("python3");
    python.arg(judges.join("verify_er.py")).args(["--strict", "--group", "--ca"]).arg(root);
    python.arg(evidence).args(objects).current_dir(world.folder.path());
    finish(python).check(0, "VALID");
    if has_bouncy_castle() {
        let mut castle = Command::new("sh");
        castle.arg(judges.join("verify_er_bc.sh")).args(["--group", "--ca"]).arg(root);
        castle.arg(evidence).args(objects).env("ER_BC_BUILD", world.place("bc"));
        castle.current_dir(world.folder.path());
        finish(castle).check(0, "VALID");
    }
}

#[test]
fn the_token_as_received_is_kept_beside_and_no_verdict_rests_on_it() {
    let Some((world, authority)) = waiting(LIST) else { return };
    authority.answers.store(true, Ordering::SeqCst);
    json(&world, 0, &["seal"]);
    json(&world, 0, &["renew", "--all", "--yes"]);
    let renewed = world.object("renewals/", "/token.received");
    let stamped = of_line(&world, ".received").remove(0);
    assert_eq!(stamped.file_stem(), of_line(&world, ".tst")[0].file_stem());
    let told = |verified: &Value| codes(verified).iter().filter(|it| **it == "F517").count();
    for file in [stamped, renewed] {
        let received = fs::read(&file).unwrap();
        let at = received.len() / 2;
        let mut changed = received.clone();
        changed[at] ^= 1;
        fs::remove_file(&file).unwrap();
        for bytes in [Some(&changed), None, Some(&received)] {
            if let Some(bytes) = bytes {
                fs::write(&file, bytes).unwrap();
            }
            let verified = json(&world, 0, &["verify", "--full"]);
            let is_received = bytes == Some(&received);
            assert_eq!(told(&verified), usize::from(!is_received), "{verified}");
            if bytes.is_some() {
                fs::remove_file(&file).unwrap();
            }
        }
        fs::write(&file, &received).unwrap();
    }
}
