//! `sigillo renew --hash-tree`: new hash trees over documents and all that proves them, and what
//! others say of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    evidence_records::{can_judge, shared},
    program::{World, finish},
    renewing::{json, let_others_verify},
};

/// An archive with two sealings, of four documents and of one.
pub(crate) fn two_sealings(more: &[&str]) -> World {
    let world = World::new();
    for (name, content) in
        [("uno", "uno, che si ritrova"), ("due", "due"), ("tre", "tre"), ("quattro", "quattro")]
    {
        world.write(&format!("{name}.txt"), content.as_bytes());
    }
    assert_eq!(world.create_with(more).code, 0);
    world.write("cinque.txt", b"cinque");
    assert_eq!(world.ingest(more).code, 0);
    world
}

fn rehashed(done: &Value) -> &Value {
    &done["hash_trees"][0]["rehashed"]
}

#[test]
fn new_hash_trees_are_made_renewed_and_borne_out() {
    let world = two_sealings(&[]);
    json(&world, 0, &["renew", "--all", "--yes"]);
    let plan = json(&world, 0, &["renew", "--hash-tree"]);
    assert_eq!(plan["plan"]["hash_trees"].as_array().unwrap().len(), 2);
    assert_eq!((&plan["performed"], &plan["hash_trees"]), (&false.into(), &Value::Array(vec![])));
    let done = json(&world, 0, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(
        (&rehashed(&done)["documents"], &rehashed(&done)["sealings"]),
        (&5.into(), &2.into())
    );
    let verified = json(&world, 0, &["verify", "--full"]);
    assert_eq!((&verified["verdict"], &verified["renewals"]), (&"intact".into(), &2.into()));
    // What has them gets no others; its time-stamps are renewed in the new chain.
    let again = json(&world, 0, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(again["hash_trees"], Value::Array(vec![]));
    for _ in 0..2 {
        let done = json(&world, 0, &["renew", "--all", "--yes"]);
        assert_eq!(done["outcome"]["renewed"][0]["members"], 2, "{done}");
    }
    assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact");
    // A sealing of later has no part in them, and gets its own.
    world.write("sei.txt", b"sei");
    json(&world, 0, &["ingest", "carte"]);
    let done = json(&world, 0, &["renew", "--all", "--hash-tree", "--yes"]);
    assert_eq!(done["outcome"]["renewed"].as_array().unwrap().len(), 2, "one for each function");
    assert_eq!(
        (&rehashed(&done)["documents"], &rehashed(&done)["sealings"]),
        (&1.into(), &1.into())
    );
    assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact");
    for name in ["uno", "cinque", "sei"] {
        let file = format!("carte/{name}.txt");
        let bundle = format!("{name}.zip");
        json(&world, 0, &["prove", &file, "-o", &bundle, "--files"]);
        let checked = json(&world, 0, &["check", &bundle, &file]);
        assert_eq!(checked["verdict"], "intact", "{checked}");
    }
}

#[test]
fn others_verify_new_hash_trees() {
    let Some(shared) = shared() else { return };
    if !can_judge() {
        return;
    }
    let world = two_sealings(&[]);
    for options in [["--all"], ["--hash-tree"], ["--all"]] {
        json(&world, 0, &[&["renew", "--yes"], &options[..]].concat());
    }
    let stamps = ["", ".renewal-1", ".hash-tree", ".hash-tree-renewal-1"];
    let_others_verify(&world, &shared, ("carte/due.txt", 0), &stamps);
    // The lists of objects are such that coreutils check them.
    let list = files_below(&world.archive().join("renewals"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|it| it == "sha512"))
        .unwrap();
    let mut check = Command::new("sha512sum");
    check.args(["--check", "--quiet"]).arg(list).current_dir(world.archive());
    let ran = finish(check);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn content_is_read_only_where_no_second_digest_is_stated() {
    for (more, content_bytes) in [(&["--second-digest"][..], 0), (&[], 19 + 3 + 3 + 7 + 6)] {
        let world = two_sealings(more);
        let done = json(&world, 0, &["renew", "--hash-tree", "--yes"]);
        let made = &done["hash_trees"][0];
        assert_eq!(made["content_bytes"], content_bytes, "{more:?}: {made}");
        assert_eq!((&rehashed(&done)["documents"], &made["left_out"]), (&5.into(), &0.into()));
        assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact");
        json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
        json(&world, 0, &["check", "prova.zip", "carte/uno.txt"]);
    }
}

#[test]
fn what_is_damaged_is_left_out_and_told_and_the_rest_is_renewed() {
    let world = two_sealings(&[]);
    spoil(&world, b"uno, che si ritrova");
    let done = json(&world, 5, &["renew", "--hash-tree", "--yes"]);
    assert_eq!(
        (&rehashed(&done)["documents"], &done["hash_trees"][0]["left_out"]),
        (&4.into(), &1.into())
    );
    let ran = world.run(["renew", "--hash-tree"]);
    assert!(!ran.stdout.contains("to get new hash trees"), "{ran:?}");
    // The others have their places all the same.
    json(&world, 0, &["prove", "carte/tre.txt", "-o", "prova.zip"]);
    json(&world, 0, &["check", "prova.zip", "carte/tre.txt"]);
    let verified = world.run(["verify", "--full"]);
    verified.check(5, "DAMAGE");
    assert!(!verified.stdout.contains("F510"), "the trees are as they were made: {verified:?}");
}

#[test]
fn what_is_changed_under_new_hash_trees_is_found() {
    for (ends, said) in [
        ("tree.json", "it does not have the digest"),
        ("token.tst", "its bytes do not have the digest"),
        ("objects-1.sha512", "its bytes are not those that the hash trees cover"),
        ("leaves/", "its bytes do not have the digest"),
        ("packs.json", "its bytes are not those that hash trees cover"),
    ] {
        let world = two_sealings(&[]);
        json(&world, 0, &["renew", "--hash-tree", "--yes"]);
        let found = files_below(&world.archive()).into_iter().find(|path| {
            let path = path.to_str().unwrap();
            path.ends_with(ends) || ends.ends_with('/') && path.contains("renewals/leaves/")
        });
        let path = found.unwrap_or_else(|| panic!("{ends} is there"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let ran = world.run(["verify", "--full"]);
        let words = ["F510", said];
        assert!(ran.code == 5 && words.iter().any(|it| ran.stdout.contains(it)), "{ends}: {ran:?}");
        assert!(ran.stdout.contains("F510"), "{ends}: {ran:?}");
    }
}

/// Finds the object of a renewal whose path ends so, in the order of their making.
fn renewal_objects(world: &World, ends: &str) -> Vec<PathBuf> {
    let mut found = files_below(&world.archive().join("renewals"));
    found.retain(|path| path.to_str().unwrap().ends_with(ends));
    found.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    found
}

#[test]
fn what_is_lost_of_new_hash_trees_is_left_out_of_proofs_and_told() {
    for (lost, place, more) in [
        ("tree.json", 0, "tree.json"),
        ("token.tst", 1, "token.tst"),
        ("token.tst", 0, "token.tst"),
        ("leaves", 0, "renewals/leaves"),
    ] {
        let world = two_sealings(&[]);
        for option in ["--all", "--hash-tree", "--all"] {
            json(&world, 0, &["renew", "--yes", option]);
        }
        let objects = if lost == "leaves" {
            let mut all = files_below(&world.archive().join("renewals/leaves"));
            all.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
            all
        } else {
            renewal_objects(&world, lost)
        };
        fs::rename(&objects[place], world.place("kept")).unwrap();
        let ran = world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]);
        assert_eq!(ran.code, 3, "{lost} {place}: {ran:?}");
        assert!(ran.stderr.contains(more) || ran.stdout.contains(more), "{lost}: {ran:?}");
        // What is left is honest, and no more than it is.
        let checked = world.run(["check", "prova.zip", "carte/uno.txt", "--json"]);
        assert_eq!((checked.code, &checked.json()["verdict"]), (0, &"intact".into()), "{lost}");
        for what in ["--full", "carte/uno.txt"] {
            let ran = world.run(["verify", what]);
            assert!(ran.code == 5 && ran.stdout.contains("F510"), "{lost}, {what}: {ran:?}");
        }
        // Brought back, everything counts again.
        fs::rename(world.place("kept"), &objects[place]).unwrap();
        assert_eq!(json(&world, 0, &["verify", "--full"])["verdict"], "intact", "{lost}");
        fs::remove_file(world.place("prova.zip")).unwrap();
        json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
        let checked = json(&world, 0, &["check", "prova.zip", "carte/uno.txt"]);
        assert_eq!(checked["time_stamps"].as_array().unwrap().len(), 4, "{lost}");
        let said = json(&world, 0, &["prove", "carte/uno.txt", "-o", "ancora.zip"]);
        assert_eq!((&said["time_stamps"], &said["renewals"]), (&1.into(), &3.into()), "{lost}");
    }
}

/// Changes the bytes of a file within its pack.
pub(crate) fn spoil(world: &World, content: &[u8]) {
    let packs = files_below(&world.archive().join("packs"));
    let zips = packs.into_iter().filter(|path| path.extension().is_some_and(|it| it == "zip"));
    for path in zips {
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(content.len()).position(|window| window == content);
        if let Some(at) = at {
            bytes[at] ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            return;
        }
    }
    panic!("no pack holds it");
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
