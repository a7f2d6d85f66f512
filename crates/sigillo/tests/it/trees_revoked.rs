//! New hash trees whose authority's certificate is revoked afterwards: what came before them holds by itself,
//! and the line can be renewed no more.

use std::{fs, path::PathBuf, sync::atomic::Ordering};

use serde_json::Value;

use crate::{
    hash_families::{Families, SHORT, anchors, audited, line},
    hash_trees::{files_below, spoil},
    lines::{believe, codes},
    renewing::json,
};

const CONTENT: &[u8] = b"uno, che si ritrova";

/// An archive of two documents, of which new hash trees leave one out that was brought back.
fn with_trees() -> Option<Families> {
    let it = Families::new()?;
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    world.write("uno.txt", CONTENT);
    assert_eq!(world.create().code, 0);
    let packs = files_below(&world.archive().join("packs")).into_iter();
    let kept: Vec<_> = packs.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    spoil(world, CONTENT);
    let both = [it.short.section(), it.long.section()].concat();
    it.set(&[&both, &*line(SHORT, "sha256", "Seconda")].concat());
    believe(world);
    json(world, 5, &["renew", "--hash-tree", "--yes"]);
    for (path, bytes) in &kept {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
    world.run(["verify", "--full"]).check(0, "INTACT");
    Some(it)
}

/// The same; then the certificate of the authority that stamped the hash trees was revoked.
fn revoked() -> Option<Families> {
    let it = with_trees()?;
    revoke(&it);
    Some(it)
}

fn revoke(it: &Families) {
    let world = &it.world;
    it.long.list("R", "250101000000Z,keyCompromise", "20");
    it.long.answers.store(true, Ordering::SeqCst);
    world.run(["renew", "--gather", "--yes"]).check(3, "REVOKED: the certificate of CN=tsa");
}

#[test]
fn a_receipt_that_is_given_anew_has_no_places_in_hash_trees_that_do_not_count() {
    let Some(it) = with_trees() else { return };
    let world = &it.world;
    json(world, 0, &["receipt", "show", "carte/due.txt", "-o", "rdv.json"]);
    let places = || {
        let receipt: Value =
            serde_json::from_slice(&fs::read(world.place("rdv.json")).unwrap()).unwrap();
        receipt["documents"][0]["hash_trees"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(places(), 1);
    revoke(&it);
    assert_eq!(codes(&json(world, 0, &["receipt", "refresh", "rdv.json"])), ["F522"]);
    assert_eq!(places(), 0);
    world.run(["verify", "--receipt", "rdv.json", "carte/due.txt"]).check(0, "INTACT");
}

#[test]
fn of_a_renewal_that_is_left_out_no_day_is_named_where_what_it_renewed_is_revoked() {
    let Some(it) = with_trees() else { return };
    let world = &it.world;
    let below = files_below(&world.archive().join("renewals"));
    let token = below.into_iter().find(|it| it.ends_with("token.tst")).unwrap();
    fs::remove_file(token).unwrap();
    let message = |proof: &str| {
        let given = json(world, 3, &["prove", "carte/due.txt", "-o", proof]);
        let mut found = given["findings"].as_array().unwrap().iter();
        found.find(|it| it["code"] == "F514").unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert!(message("prima.zip").contains("holds until 20"), "{}", message("altra.zip"));
    it.short.list("R", "250101000000Z,keyCompromise", "20");
    it.short.answers.store(true, Ordering::SeqCst);
    let gathered = world.run(["renew", "--gather", "--yes"]);
    assert!(gathered.stdout.contains("REVOKED"), "{gathered:?}");
    let words = message("prova.zip");
    assert!(words.contains("does not hold, by what is known here"), "{words}");
    world.run(["check", "prova.zip", "carte/due.txt"]).check(5, "F917");
}

#[test]
fn what_revoked_hash_trees_leave_out_is_proven_by_what_came_before_them() {
    let Some(it) = revoked() else { return };
    let world = &it.world;
    let verified = json(world, 0, &["verify", "--full"]);
    assert!(!codes(&verified).contains(&"F520"), "{verified}");
    assert_eq!(audited(world, anchors(&it), false), [""; 0]);
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    json(world, 0, &["check", "prova.zip", "carte/uno.txt"]);
}

#[test]
fn a_line_with_revoked_hash_trees_is_not_renewed_and_another_line_is_asked_for() {
    let Some(it) = revoked() else { return };
    let world = &it.world;
    let told = "can be renewed no more: new hash trees are over them that do not count";
    world.run(["verify"]).check(0, told);
    it.long.certify("21", 5000);
    for command in
        [&["renew"][..], &["renew", "--all"], &["renew", "--all", "--over-lost", "--yes"]]
    {
        let planned = json(world, 3, command);
        let finding = planned["plan"]["findings"].as_array().unwrap();
        let finding = finding.iter().find(|it| it["code"] == "F523").unwrap();
        assert_eq!(finding["severity"], "cannot-tell", "{command:?}");
        assert_eq!(planned["plan"]["due"].as_array().unwrap().len(), 0, "{planned}");
        let words = finding["message"].as_str().unwrap();
        assert!(words.contains(told) && words.contains("ends on 20"), "{words}");
    }
    // Another line stands for it.
    let both = [it.short.section(), it.long.section()].concat();
    it.set(&[both, line("plain-sha512-c", "sha512", "Seconda")].concat());
    let stamped = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!(stamped["stamped"].as_array().unwrap().len(), 1, "{stamped}");
    let told = world.run(["renew"]);
    told.check(0, "those on another line hold in their place");
    assert!(told.stdout.contains("the first of that ends on 20"), "{told:?}");
    world.run(["renew", "--gather"]).check(0, "in whose place others stand");
}

#[test]
fn nothing_is_renewed_over_hash_trees_of_which_something_is_lost() {
    let Some(it) = with_trees() else { return };
    let world = &it.world;
    it.long.certify("21", 5000);
    let of_trees = |it: &PathBuf| it.parent().unwrap().join("tree.json").exists();
    let below = files_below(&world.archive().join("renewals"));
    let mut lost = below.into_iter().filter(|it| it.ends_with("token.tst"));
    let lost = lost.find(of_trees).unwrap();
    let first = files_below(&world.archive().join("sealings"));
    let first = first.into_iter().find(|it| it.extension().is_some_and(|it| it == "tst")).unwrap();
    for (lost, code) in [(lost, "F510"), (first, "F503")] {
        let away = world.place("via");
        fs::rename(&lost, &away).unwrap();
        for command in [&["renew"][..], &["renew", "--all", "--over-lost", "--yes"]] {
            let planned = json(world, 5, command);
            let findings = planned["plan"]["findings"].as_array().unwrap();
            assert!(findings.iter().any(|it| it["code"] == code), "{planned}");
            assert_eq!(planned["plan"]["due"].as_array().unwrap().len(), 0, "{planned}");
        }
        let told = world.run(["renew"]);
        assert!(told.stdout.contains("F523"), "{told:?}");
        let holds = told.stdout.contains("these holds by itself");
        assert_eq!(holds, code == "F510", "without its first time-stamp nothing does: {told:?}");
        assert!(!told.stdout.contains("--over-lost"), "{told:?}");
        fs::rename(&away, &lost).unwrap();
    }
    // Of the document that the trees left out what came before them ends all the same.
    let planned = json(world, 3, &["renew", "--all", "--yes"]);
    assert_eq!(planned["plan"]["due"].as_array().unwrap().len(), 1, "{planned}");
}
