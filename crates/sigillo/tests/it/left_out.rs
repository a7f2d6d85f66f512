//! One damaged pack: everything intact goes on, and nothing is archived as new a second time.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::program::{ENTITY, Ran, World};

/// Makes an archive of two batches: `s1` with two documents, `s2` with one.
fn two_batches() -> World {
    let world = World::new();
    for (path, bytes) in
        [("s1/d1.txt", "documento uno"), ("s1/f1.bin", "uno"), ("s2/d2.txt", "documento due")]
    {
        let path = world.place(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(world.run(["init", "--entity", ENTITY]).code, 0);
    assert_eq!(world.run(["ingest", "s1"]).code, 0);
    assert_eq!(world.run(["ingest", "s2"]).code, 0);
    world
}

/// Returns the pack of the first batch.
fn first_pack(world: &World) -> PathBuf {
    let packs = world.packs().into_iter().map(|key| world.archive().join(key));
    let holds = |path: &PathBuf| find(&fs::read(path).unwrap(), b"documento uno").is_some();
    let found: Vec<_> = packs.filter(holds).collect();
    assert_eq!(found.len(), 1);
    found[0].clone()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[test]
fn of_a_batch_whose_list_is_lost_no_document_is_said_not_to_be_there() {
    for list in ["/leaves", "/packs.json"] {
        let world = two_batches();
        let verify = || world.run(["verify", "s1/d1.txt"]);
        verify().check(0, "INTACT");
        let path =
            world.archive().join(world.objects().iter().find(|it| it.ends_with(list)).unwrap());
        let kept = world.place("kept");
        fs::rename(&path, &kept).unwrap();
        let both = ["s1/d1.txt", "s2/d2.txt"].map(|it| world.run(["verify", it]));
        let lost: Vec<_> = both.iter().filter(|it| it.code != 0).collect();
        assert_eq!(lost.len(), 1, "{both:?}");
        lost[0].check_error(5, "cannot be told: documents of commit");
        lost[0].check_error(5, &format!("{list} (it is not in the store)"));
        fs::rename(&kept, &path).unwrap();
        verify().check(0, "INTACT");
        world.run(["verify", "s1/altro.txt"]).check_error(1, "the archive has no document");
    }
}

/// Changes a byte within the record of `s1/d1.txt`, and returns its pack with what it was.
fn damage_record(world: &World) -> (PathBuf, Vec<u8>) {
    let pack = first_pack(world);
    let before = fs::read(&pack).unwrap();
    let mut bytes = before.clone();
    let at = find(&bytes, b"d1.txt\"").expect("the record names its file");
    bytes[at] ^= 1;
    fs::write(&pack, bytes).unwrap();
    (pack, before)
}

fn lose_state(world: &World) {
    fs::remove_dir_all(world.home().join(".local/state")).unwrap();
}

/// Sees that all that is intact comes back: `ids` in a fresh folder.
#[track_caller]
fn check_given(world: &World, ids: &[&str]) -> Ran {
    let output = tempfile::tempdir_in(world.folder.path()).unwrap();
    let mut args = vec!["get"];
    args.extend(ids);
    args.extend(["-o", output.path().to_str().unwrap()]);
    let ran = world.run(args);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Returns what the doctor says of the index.
#[track_caller]
fn doctor_of_index(world: &World) -> (i32, Value) {
    let ran = world.run(["doctor", "--json"]);
    let checks = ran.json()["checks"].as_array().unwrap().clone();
    (ran.code, checks.into_iter().find(|check| check["name"] == "index").unwrap())
}

fn object_name(pack: &std::path::Path) -> String {
    pack.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_rebuild_beside_a_damaged_pack_keeps_what_the_index_knew() {
    let world = two_batches();
    let (pack, _) = damage_record(&world);
    check_given(&world, &["s1/f1.bin", "s2/d2.txt"]);
    for _ in 0..2 {
        let ran = world.run(["rebuild"]);
        ran.check(5, "1 document of commit 3 cannot be read (");
        ran.check(5, "the index still knows what it knew of them");
        ran.check(5, &object_name(&pack));
        ran.check(5, "the index of 3 documents");
        check_given(&world, &["s1/f1.bin", "s2/d2.txt"]);
        let ran = world.run(["receipt", "show", "s2/d2.txt"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        // Known documents are known, new ones are archived.
        world.run(["ingest", "s1"]).check(0, "0 documents archived, 2 there before");
        assert_eq!(doctor_of_index(&world).1["state"], "ok");
    }
    fs::write(world.place("s2/d3.txt"), b"tre").unwrap();
    world.run(["ingest", "s2"]).check(0, "1 document archived, 1 there before");
    // What is damaged is said of the document that is asked for.
    let ran = world.run(["get", "s1/d1.txt", "-o", "fuori"]);
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[test]
fn without_state_nothing_is_archived_while_a_record_cannot_be_read() {
    let world = two_batches();
    let (pack, before) = damage_record(&world);
    lose_state(&world);
    let index = || {
        let state = world.home().join(".local/state/sigillo");
        state.read_dir().into_iter().flatten().any(|it| it.unwrap().path().join("index").exists())
    };
    // The doctor tries, and writes nothing.
    let (code, said) = doctor_of_index(&world);
    assert!(code == 3 && said["state"] == "fail" && !index(), "{said}");
    assert!(said["message"].as_str().unwrap().contains("it lacks 1 document that"), "{said}");
    let ran = check_given(&world, &["s1/f1.bin", "s2/d2.txt"]);
    ran.check_error(0, "note: the index of keys lacks 1 document, which could not be read");
    let ran = world.run(["get", "s1/d1.txt", "-o", "fuori"]);
    ran.check_error(5, "whether the archive has \"s1/d1.txt\" cannot be told");
    ran.check_error(5, "bring the damaged object back from a copy, then run `sigillo rebuild`");
    let commits = || world.objects().iter().filter(|key| key.starts_with("log/seq/")).count();
    let committed = commits();
    for _ in 0..2 {
        for source in ["s1", "s2"] {
            let ran = world.run(["ingest", source]);
            ran.check_error(5, "INDEX_INCOMPLETE");
            ran.check_error(5, &object_name(&pack));
            ran.check_error(5, "then run `sigillo rebuild`");
        }
        let ran = world.run(["rebuild"]);
        ran.check(5, "the index lacks them");
        ran.check(5, "nothing can be ingested");
        let (code, said) = doctor_of_index(&world);
        assert!(code == 3 && said["state"] == "fail", "{said}");
        assert!(said["mend"].as_str().unwrap().contains("back from a copy"), "{said}");
        check_given(&world, &["s1/f1.bin", "s2/d2.txt"]);
    }
    assert_eq!(commits(), committed);
    let ran = world.run(["export", "--all", "-o", "tutto"]);
    ran.check(5, "2 documents");
    ran.check(5, "which versions are the newest was told without them");
    // From the copy.
    fs::write(&pack, before).unwrap();
    world.run(["ingest", "s1"]).check_error(5, "INDEX_INCOMPLETE");
    world.run(["rebuild"]).check(0, "the index of 3 documents and the catalogue of 3");
    world.run(["ingest", "s1"]).check(0, "0 documents archived, 2 there before");
    assert_eq!(doctor_of_index(&world).1["state"], "ok");
    world.check_intact(3);
}

#[test]
fn a_pack_whose_directory_is_damaged_or_that_is_gone_takes_nothing_else_with_it() {
    let world = two_batches();
    let pack = first_pack(&world);
    let before = fs::read(&pack).unwrap();
    for damaged in [Some(&before[..before.len() - 30]), None] {
        fs::remove_file(&pack).unwrap();
        if let Some(damaged) = damaged {
            fs::write(&pack, damaged).unwrap();
        }
        lose_state(&world);
        fs::remove_dir_all(world.archive().join("catalogue")).unwrap();
        let ran = world.run(["rebuild", "--json"]);
        let report = ran.json();
        assert_eq!((ran.code, &report["index_lacks_documents"]), (5, &2.into()), "{report}");
        assert_eq!(
            (&report["indexed_documents"], &report["listed_documents"]),
            (&1.into(), &1.into())
        );
        check_given(&world, &["s2/d2.txt"]);
        world.run(["find", "d2"]).check(3, "s2/d2.txt");
        assert_eq!(world.run(["receipt", "show", "s2/d2.txt"]).code, 0);
        world.run(["ingest", "s2"]).check_error(5, "INDEX_INCOMPLETE");
        world.run(["verify"]).check(5, "DAMAGED");
    }
    fs::write(&pack, before).unwrap();
    world.run(["rebuild"]).check(0, "the index of 3 documents and the catalogue of 3");
    world.check_intact(3);
}
