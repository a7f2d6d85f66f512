//! Several revocations of one certificate, and holds that ended.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::Command;

use sigillo_ers::{RecordReport, RevocationEffect, RevocationKind, RevocationStatus};

use crate::{
    forge::Node,
    revocations::{GOOD, Installation, TSA, has_openssl, of_tsa},
};

const RESPONDER: &str = "30";

/// The place of the entries in what is signed of a list.
const ENTRIES: usize = 5;

/// Puts the entries of another list into the first, and signs it again.
fn joined(world: &Installation, [first, other]: [&[u8]; 2]) -> Vec<u8> {
    let (mut list, other) = (Node::parse(first), Node::parse(other));
    let entries = other.nodes[0].nodes[ENTRIES].nodes.clone();
    list.at(&[0, ENTRIES]).nodes.extend(entries);
    std::fs::write(world.path().join("to-sign"), list.nodes[0].encode()).unwrap();
    let arguments = ["dgst", "-sha256", "-sign", "authority.key", "to-sign"];
    let signed = Command::new("openssl").args(arguments).current_dir(world.path()).output();
    list.nodes[2].bytes = [&[0], &signed.unwrap().stdout[..]].concat();
    list.encode()
}

#[test]
fn of_two_entries_of_a_list_the_one_counts_that_means_most_for_the_time_stamp() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let one = |at, reason| world.list("authority", 10, &[(TSA, at, reason)], "");
    let effect = |lists: [&[u8]; 2]| match of_tsa(&world.verify(&[joined(&world, lists)])) {
        RevocationStatus::Revoked { effect, .. } => Some(effect),
        _ => None,
    };
    // The earlier one leaves the key safe.
    let [safe, compromise] = [one(5, "superseded"), one(9, "keyCompromise")];
    assert_eq!(effect([&safe, &compromise]), Some(RevocationEffect::Doubtful));
    assert_eq!(effect([&compromise, &safe]), Some(RevocationEffect::Doubtful));
    let [void, late] = [one(-1, "superseded"), one(9, "superseded")];
    assert_eq!(effect([&void, &late]), Some(RevocationEffect::Void));
    assert_eq!(effect([&late, &void]), Some(RevocationEffect::Void));
}

#[test]
fn a_hold_on_whoever_signs_responses_ends_as_any_other() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let answer = world.answer("responder", GOOD);
    let held = world.list("authority", -2, &[(RESPONDER, -3, "certificateHold")], "");
    let source = |report: RecordReport| match of_tsa(&report) {
        RevocationStatus::Good { source } => Some(source.kind),
        _ => None,
    };
    let report = world.verify(&[answer.clone(), held.clone()]);
    assert_eq!(source(report), Some(RevocationKind::Crl), "the response does not count");
    let lifted = world.list("authority", -1, &[], "");
    let report = world.verify(&[answer, held, lifted]);
    assert_eq!(source(report), Some(RevocationKind::Ocsp));
}
