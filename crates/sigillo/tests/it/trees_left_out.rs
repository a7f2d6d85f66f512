//! Documents that are left out of hash trees of SHA-512: what is told of them, and what takes them in later.

use std::{fs, path::PathBuf};

use sigillo_model::Verdict;

use crate::{
    hash_families::{
        Families, LONG, SHORT, anchors, audited, audited_later, bundle, line, verdict,
    },
    hash_trees::{files_below, spoil, two_sealings},
    lines::{believe, codes, second_verifier},
    program::World,
    renewing::json,
};

/// What the file has that is damaged and brought back.
const CONTENT: &[u8] = b"uno, che si ritrova";

/// The bytes of packs, with their paths.
type Kept = Vec<(PathBuf, Vec<u8>)>;

/// Damages a document and returns what brings it back.
fn spoilt(world: &World) -> Kept {
    let packs = files_below(&world.archive().join("packs")).into_iter();
    let kept = packs.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    spoil(world, CONTENT);
    kept
}

fn bring_back(kept: &[(PathBuf, Vec<u8>)]) {
    for (path, bytes) in kept {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// An archive of two documents, of which one is left out of its line of SHA-512.
fn left_out() -> Option<(Families, Kept)> {
    let it = Families::new()?;
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    world.write("uno.txt", CONTENT);
    assert_eq!(world.create().code, 0);
    let kept = spoilt(world);
    it.set(&it.both());
    world.run(["seal", "--stamp-only"]).check(5, "F105");
    believe(world);
    Some((it, kept))
}

#[test]
fn what_was_left_out_of_a_line_of_sha_512_is_told_again_until_another_line_has_it() {
    let Some((it, kept)) = left_out() else { return };
    let world = &it.world;
    let told = format!(
        "1 of 2 documents of sealing 1 were left out of the hash trees on the evidence \
                        line {LONG}"
    );
    let nowhere = "1 are in no other hash trees either";
    bring_back(&kept);
    for scope in [&["verify"][..], &["verify", "--full"], &["verify", "carte/due.txt"]] {
        let verified = world.run(scope);
        verified.check(0, &told);
        assert!(verified.stdout.contains("F521") && verified.stdout.contains(nowhere), "{scope:?}");
    }
    let examined = world.run(["doctor"]);
    examined.check(examined.code, "without 1 documents of 1 sealings");
    let given = json(world, 0, &["prove", "carte/uno.txt", "carte/due.txt", "-o", "prova.zip"]);
    assert_eq!(codes(&given), ["F521"], "{given}");
    fs::remove_file(world.place("prova.zip")).unwrap();
    let given = json(world, 0, &["prove", "carte/due.txt", "-o", "prova.zip"]);
    assert!(codes(&given).is_empty(), "{given}");
    // It is back, and the line does not take it in.
    let again = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!(again["stamped"].as_array().unwrap().len(), 0, "{again}");
    // Where SHA-256 has fallen, the line does not stand in for the other.
    assert_eq!(audited(world, anchors(&it), false), [""; 0]);
    assert_eq!(audited(world, anchors(&it), true), ["F910", "F520"]);
    let third = "plain-sha512-c";
    // Its authority signs for the new line from now on.
    it.set(&it.both().replace(LONG, third));
    let stamped = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!(stamped["stamped"][0]["tree"]["documents"], 2, "{stamped}");
    let verified = world.run(["verify", "--full"]);
    verified.check(0, "those of another line have them all");
    assert_eq!([false, true].map(|fallen| audited(world, anchors(&it), fallen)), [[""; 0]; 2]);
    let examined = world.run(["doctor"]);
    examined.check(examined.code, "have all their documents in some");
    fs::remove_file(world.place("prova.zip")).unwrap();
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    json(world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    assert_eq!(verdict(&it, &bundle(world), true), Verdict::Intact);
}

#[test]
fn what_was_left_out_of_new_hash_trees_is_told_again_and_no_later_ones_take_it_in() {
    let world = two_sealings(&[]);
    let kept = spoilt(&world);
    json(&world, 5, &["renew", "--hash-tree", "--yes"]);
    bring_back(&kept);
    world.run(["verify"]).check(0, "were left out of the new hash trees");
    let given = json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    assert_eq!(codes(&given), ["F521"], "{given}");
    json(&world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    let planned = json(&world, 3, &["renew", "--hash-tree"]);
    assert_eq!(planned["plan"]["hash_trees"].as_array().unwrap().len(), 0, "{planned}");
    let told = &planned["plan"]["findings"][0];
    assert_eq!((&told["code"], &told["severity"]), (&"F523".into(), &"cannot-tell".into()));
    let words = "were left out of the new hash trees";
    assert!(told["message"].as_str().unwrap().contains(words), "{told}");
    world.run(["verify"]).check(0, "holds by itself, and the first of that ends on 20");
}

#[test]
fn what_new_hash_trees_leave_out_holds_as_long_as_what_came_before_them() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    // The authority signs with SHA-512, so only the first hash tree ends with SHA-256.
    it.set(&[it.long.section(), line(SHORT, "sha256", "Seconda")].concat());
    world.write("uno.txt", CONTENT);
    assert_eq!(world.create().code, 0);
    believe(world);
    let kept = spoilt(world);
    json(world, 5, &["renew", "--hash-tree", "--yes"]);
    bring_back(&kept);
    assert_eq!(audited(world, anchors(&it), false), [""; 0]);
    assert_eq!(audited_later(world, anchors(&it)), ["F520"]);
}

#[test]
fn where_no_other_line_is_a_proof_does_not_say_that_others_prove_it() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.long.section(), line(LONG, "sha512", "Seconda")].concat());
    assert_eq!(world.create().code, 0);
    believe(world);
    let leaves = files_below(&world.archive().join("renewals/leaves")).remove(0);
    fs::rename(&leaves, world.place("foglie")).unwrap();
    let given = json(world, 3, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    let finding = &given["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"F516".into(), &"cannot-tell".into()));
    let words = finding["message"].as_str().unwrap();
    assert!(words.contains("and no other line of the sealing has them"), "{words}");
    assert!(!words.contains("prove them alone"), "{words}");
    fs::rename(world.place("foglie"), &leaves).unwrap();
    fs::remove_file(world.place("prova.zip")).unwrap();
    json(world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    second_verifier(world, &[it.long.folder.join("root.pem")]).check(0, "INTACT");
}

#[test]
fn a_document_that_the_only_line_leaves_out_is_told_when_it_is_proven() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    world.write("uno.txt", CONTENT);
    assert_eq!(world.create_with(&["--no-seal"]).code, 0);
    let kept = spoilt(world);
    it.set(&[it.long.section(), line(LONG, "sha512", "Seconda")].concat());
    world.run(["seal"]).check(5, "F105");
    bring_back(&kept);
    believe(world);
    let given = json(world, 3, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    let finding = &given["findings"][0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"F521".into(), &"cannot-tell".into()));
    fs::remove_file(world.place("prova.zip")).unwrap();
    json(world, 0, &["prove", "carte/due.txt", "-o", "prova.zip"]);
    let verified = world.run(["verify", "--full"]);
    verified.check(3, "F520");
    assert!(verified.stdout.contains("1 documents of sealing 1 were left out"), "{verified:?}");
}

/// Finds something that hash trees consist of: of a name, or leaves.
fn object_of_trees(world: &World, name: &str) -> PathBuf {
    let is_it = |path: &PathBuf| {
        let path = path.to_str().unwrap();
        if name == "leaves" { path.contains("renewals/leaves/") } else { path.ends_with(name) }
    };
    files_below(&world.archive()).into_iter().find(is_it).unwrap()
}

#[test]
fn a_short_verification_misses_what_hash_trees_consist_of() {
    for ends in ["leaves", "objects-1.sha512"] {
        let Some(it) = Families::new() else { return };
        let world = &it.world;
        assert_eq!(world.create().code, 0);
        believe(world);
        world.run(["verify"]).check(0, "");
        let lost = object_of_trees(world, ends);
        fs::rename(&lost, world.place("via")).unwrap();
        let ran = world.run(["verify"]);
        ran.check(5, "F503");
        assert!(ran.stdout.contains("it is not in the store"), "{ends}: {ran:?}");
        let ran = world.run(["renew"]);
        ran.check(5, "F503");
        assert_eq!(ran.stdout.contains("F523"), ends == "leaves", "{ran:?}");
        fs::rename(world.place("via"), &lost).unwrap();
        world.run(["verify"]).check(0, "");
    }
    for ends in ["leaves", "objects-1.sha512"] {
        let world = two_sealings(&[]);
        json(&world, 0, &["renew", "--hash-tree", "--yes"]);
        let lost = object_of_trees(&world, ends);
        fs::remove_file(&lost).unwrap();
        let (ran, renewed) = (world.run(["verify"]), world.run(["renew"]));
        ran.check(5, "F510");
        assert!(ran.stdout.contains("it is not in the store"), "{ends}: {ran:?}");
        renewed.check(5, "F510");
        assert_eq!(renewed.stdout.contains("F523"), ends == "leaves", "{renewed:?}");
        assert!(!renewed.stdout.contains("--over-lost"), "{renewed:?}");
    }
}

#[test]
fn an_ingest_that_meets_damage_at_stamping_says_so_by_its_exit_code() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    world.write("uno.txt", CONTENT);
    assert_eq!(world.create().code, 0);
    spoil(world, CONTENT);
    it.set(&it.both());
    world.write("tre.txt", b"tre");
    world.ingest(&[]).check(5, "F105");
    // The new sealing has its time-stamps all the same.
    let status = json(world, 0, &["status"]);
    assert_eq!(status["lines"][1]["unstamped_sealings"], 0, "{status}");
}

#[test]
fn a_sealing_whose_packs_are_away_waits_and_keeps_no_other_waiting() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    assert_eq!(world.create().code, 0);
    let pack = files_below(&world.archive().join("packs"));
    let pack = pack.iter().find(|path| path.extension().is_some_and(|it| it == "zip")).unwrap();
    world.write("tre.txt", b"tre");
    assert_eq!(world.ingest(&[]).code, 0);
    it.set(&it.both());
    let folder = pack.parent().unwrap();
    fs::rename(folder, world.place("cartella")).unwrap();
    let ran = world.run(["seal", "--stamp-only", "--json"]);
    let done = ran.json();
    assert_eq!((ran.code, &done["left_out"][0]["code"]), (5, &"F101".into()), "{done}");
    assert_eq!((&done["stamped"][0]["number"], &done["waiting"]), (&2.into(), &1.into()), "{done}");
    fs::rename(world.place("cartella"), folder).unwrap();
    let done = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!(done["stamped"][0]["tree"]["documents"], 2, "{done}");
}

#[test]
fn a_sealing_whose_statement_is_lost_waits_and_nobody_says_that_nothing_is_lost() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    assert_eq!(world.create().code, 0);
    let sealings = files_below(&world.archive().join("sealings"));
    let statement = sealings.iter().find(|path| path.ends_with("statement.json")).unwrap();
    fs::rename(statement, world.place("via")).unwrap();
    it.set(&it.both());
    let ran = world.run(["seal", "--stamp-only"]);
    ran.check(5, "its statement is not there as it was");
    assert!(!ran.stdout.contains("nothing is lost"), "{ran:?}");
    fs::rename(world.place("via"), statement).unwrap();
    assert_eq!(json(world, 0, &["seal", "--stamp-only"])["waiting"], 0);
}

/// Moves the packs of an archive away and returns where they were.
fn without_packs(world: &World) -> Vec<(PathBuf, PathBuf)> {
    let packs = files_below(&world.archive().join("packs"));
    let zips = packs.into_iter().filter(|path| path.extension().is_some_and(|it| it == "zip"));
    let moved: Vec<_> = zips
        .enumerate()
        .map(|(number, path)| (path, world.folder.path().join(format!("via-{number}"))))
        .collect();
    for (from, to) in &moved {
        fs::rename(from, to).unwrap();
    }
    moved
}

#[test]
fn a_sealing_none_of_whose_documents_is_there_waits_and_no_tree_without_documents_is_stamped() {
    let Some(it) = Families::new() else { return };
    let world = &it.world;
    it.set(&[it.short.section(), line(SHORT, "sha256", "Prima")].concat());
    assert_eq!(world.create().code, 0);
    it.set(&it.both());
    let moved = without_packs(world);
    let ran = world.run(["seal", "--stamp-only"]);
    ran.check(5, "sealing 1 is in no hash trees, and waits");
    assert!(ran.stdout.contains("F101") && !ran.stdout.contains("has a time-stamp"), "{ran:?}");
    let renewed = world.run(["renew", "--hash-tree", "--yes"]);
    renewed.check(5, "sealing 1 is in no hash trees, and waits");
    for (from, to) in &moved {
        fs::rename(to, from).unwrap();
    }
    let stamped = json(world, 0, &["seal", "--stamp-only"]);
    assert_eq!(stamped["stamped"][0]["tree"]["documents"], 2, "{stamped}");
    let done = json(world, 0, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(done["hash_trees"][0]["rehashed"]["documents"], 2, "{done}");
    believe(world);
    assert_eq!(json(world, 0, &["verify", "--full"])["verdict"], "intact");
}
