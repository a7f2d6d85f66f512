//! Renewals of which something is lost: proofs are given without it and say so, and there is a way to
//! renew over it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    evidence_records::{can_judge, shared},
    program::World,
    renewing::{json, let_others_verify, three_sealings},
};

/// The object of the only renewal that is not among those there were before.
fn renewed(world: &World, name: &str, before: &[String]) -> PathBuf {
    let is_new = |key: &String| key.ends_with(name) && !before.contains(key);
    let mut keys = world.objects().into_iter().filter(|key| key.starts_with("renewals/"));
    let key = keys.find(is_new).unwrap();
    world.archive().join(key)
}

/// Renews everything once, and returns token and members of the renewal.
fn renew(world: &World) -> [PathBuf; 2] {
    let before = world.objects();
    json(world, 0, &["renew", "--all", "--yes"]);
    ["token.tst", "members.json"].map(|name| renewed(world, name, &before))
}

fn codes(value: &Value) -> Vec<&str> {
    let findings = value["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// Demands that proofs of a document are given without a renewal, and say so.
fn check_left_out(world: &World, object: &str, renewals: u64) {
    let proof = world.place("prova.zip");
    let ran = world.run(["prove", "carte/due.txt", "-o", "prova.zip"]);
    ran.check(3, "The proof of 1 document is in");
    for said in
        ["NOT ALL RENEWALS ARE IN IT", object, "holds until 20", "from a copy of the archive"]
    {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
    let checked = json(world, 0, &["check", "prova.zip", "carte/due.txt"]);
    assert_eq!(checked["verdict"], "intact");
    fs::remove_file(&proof).unwrap();
    let told = json(world, 3, &["prove", "carte/due.txt", "-o", "prova.zip"]);
    assert_eq!((codes(&told), &told["renewals"]), (vec!["F514"], &renewals.into()));
    let ran = world.run(["receipt", "show", "carte/due.txt"]);
    assert!(ran.code == 3 && ran.stderr.contains(object), "{ran:?}");
    fs::remove_file(proof).unwrap();
}

#[test]
fn of_a_renewal_without_its_token_proofs_are_given_without_it_and_say_so() {
    let world = three_sealings();
    let [token, _] = renew(&world);
    let bytes = fs::read(&token).unwrap();
    fs::remove_file(&token).unwrap();
    check_left_out(&world, "token.tst: it is not in the store", 0);
    fs::write(&token, &bytes[1..]).unwrap();
    check_left_out(&world, "token.tst: it does not have the digest", 0);
    fs::write(&token, &bytes).unwrap();
    renew(&world);
    json(&world, 0, &["receipt", "show", "carte/due.txt", "-o", "rdv.json"]);
    fs::remove_file(&token).unwrap();
    check_left_out(&world, "token.tst: it is not in the store", 1);
    // A receipt from before has it, and keeps it.
    let told = json(&world, 0, &["receipt", "refresh", "rdv.json"]);
    assert_eq!((codes(&told), &told["renewals"]), (vec![], &2.into()));
    json(&world, 0, &["verify", "--receipt", "rdv.json"]);
}

#[test]
fn of_a_renewal_without_its_members_proofs_are_given_without_it_and_say_so() {
    let world = three_sealings();
    let [_, members] = renew(&world);
    json(&world, 0, &["receipt", "show", "carte/due.txt", "-o", "rdv.json"]);
    let bytes = fs::read(&members).unwrap();
    fs::write(&members, b"{}").unwrap();
    check_left_out(&world, "members.json: its bytes do not have the digest", 0);
    let told = json(&world, 0, &["receipt", "refresh", "rdv.json"]);
    assert_eq!((codes(&told), &told["renewals"]), (vec![], &1.into()));
    json(&world, 0, &["verify", "--receipt", "rdv.json"]);
    let held = json(&world, 5, &["renew", "--all"]);
    assert_eq!(
        (&held["plan"]["held_back"], &held["plan"]["due"]),
        (&3.into(), &Value::Array(vec![]))
    );
    // A later one that was made before counts, and says that this one was there.
    fs::write(&members, &bytes).unwrap();
    renew(&world);
    fs::remove_file(&members).unwrap();
    check_left_out(&world, "members.json: it is not in the store", 1);
    let told = json(&world, 5, &["verify"]);
    let damage =
        told["findings"].as_array().unwrap().iter().filter(|it| it["severity"] == "damage");
    assert_eq!(damage.count(), 1, "{told}");
    fs::write(&members, bytes).unwrap();
    json(&world, 0, &["verify"]);
}

#[test]
fn a_receipt_keeps_a_lost_renewal_whichever_log_it_is_in() {
    let begin_next = ["log", "succeed", "--reason", "keys-exposed", "--trial", "--yes"];
    for renewed_before in [true, false] {
        let world = three_sealings();
        let members = if renewed_before {
            let [_, members] = renew(&world);
            json(&world, 0, &["receipt", "show", "carte/due.txt", "-o", "rdv.json"]);
            json(&world, 0, &begin_next);
            members
        } else {
            json(&world, 0, &begin_next);
            let [_, members] = renew(&world);
            json(&world, 0, &["receipt", "show", "carte/due.txt", "-o", "rdv.json"]);
            members
        };
        fs::remove_file(&members).unwrap();
        let told = json(&world, 0, &["receipt", "refresh", "rdv.json"]);
        assert_eq!((codes(&told), &told["renewals"]), (vec![], &1.into()));
        let checked = json(&world, 0, &["verify", "--receipt", "rdv.json"]);
        assert_eq!(checked["logs"].as_array().unwrap().len(), 2 - usize::from(renewed_before));
    }
}

#[test]
fn over_a_lost_newest_time_stamp_it_is_renewed_on_demand_and_others_verify_what_is_left() {
    let world = three_sealings();
    renew(&world);
    let [lost, _] = renew(&world);
    let bytes = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let ran = world.run(["renew", "--all", "--yes"]);
    ran.check(5, "bring it back from a copy of the archive");
    ran.check(5, "sigillo renew --over-lost");
    let done = json(&world, 5, &["renew", "--all", "--over-lost", "--yes"]);
    assert_eq!(done["outcome"]["renewed"][0]["members"], 3);
    check_left_out(&world, "token.tst: it is not in the store", 2);
    if let Some(shared) = shared().filter(|_| can_judge()) {
        let stamps = ["", ".renewal-1", ".renewal-3"];
        let_others_verify(&world, &shared, ("carte/due.txt", 3), &stamps);
    }
    // Once it is brought back, all count.
    fs::write(&lost, bytes).unwrap();
    json(&world, 0, &["verify"]);
    let told = json(&world, 0, &["prove", "carte/uno.txt", "-o", "tutto.zip"]);
    assert_eq!(told["renewals"], 3);
    for command in ["status", "verify"] {
        assert_eq!(json(&world, 0, &[command])["renewals"], 3);
        world.run([command]).check(0, "3 renewals of ");
    }
}
