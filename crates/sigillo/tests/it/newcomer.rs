//! Where somebody stumbled who used the program for the first time.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::program::{ENTITY, World, finish, tree};

#[test]
fn a_folder_of_documents_does_not_become_an_archive() {
    let world = World::new();
    fs::create_dir(world.archive()).unwrap();
    fs::write(world.archive().join("delibera.pdf"), b"%PDF").unwrap();
    let before = tree(&world.archive());
    for args in
        [&["init", "--entity", ENTITY][..], &["ingest", "carte", "--create", "--entity", ENTITY]]
    {
        let ran = world.run(args);
        ran.check_error(1, "FOLDER_NOT_EMPTY");
        ran.check_error(1, "holds \"delibera.pdf\"");
        ran.check_error(1, "archivio-archive");
        assert_eq!(tree(&world.archive()), before, "{args:?}");
        assert!(!world.home().join(".local/share/sigillo/keys").exists(), "{args:?}");
    }
    // Neither does one whose documents lie in a folder, nor one with a file of a folder's name.
    fs::remove_file(world.archive().join("delibera.pdf")).unwrap();
    fs::create_dir(world.archive().join("delibere")).unwrap();
    world.run(["init", "--entity", ENTITY]).check_error(1, "holds \"delibere\"");
    fs::remove_dir(world.archive().join("delibere")).unwrap();
    fs::write(world.archive().join("log"), b"x").unwrap();
    world.run(["init", "--entity", ENTITY]).check_error(1, "holds \"log\"");
}

#[test]
fn no_archive_is_made_within_another() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for place in ["archivio/altro", "archivio/packs/altro/ancora"] {
        let ran = world.run(["init", "--entity", ENTITY, place]);
        ran.check_error(1, "INSIDE_ARCHIVE");
        assert!(!world.place(place).exists(), "{place} was made");
    }
    assert_eq!(world.run(["init", "--entity", ENTITY, "altro"]).code, 0);
}

#[test]
fn what_an_archive_says_of_its_entity_stays_as_it_was_made() {
    let world = World::new();
    world.run(["init", "--entity", ENTITY, "--ipa", "c_a123"]).check(0, "is ready");
    world.run(["init", "--entity", ENTITY]).check(0, "is ready");
    world.run(["init", "--entity", ENTITY, "--ipa", "c_a123"]).check(0, "is ready");
    let ran = world.run(["init", "--entity", ENTITY, "--ipa", "c_b456"]);
    ran.check_error(1, "OTHER_IPA");
    ran.check_error(1, "the IPA code \"c_a123\", not \"c_b456\"");
    ran.check_error(1, "leave out --ipa");
}

#[test]
fn what_is_believed_is_not_forgotten_and_must_be_usable() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let exported = world.run(["trust", "export", "--json"]).json()["trusted"].clone();
    let other = World::new();
    assert_eq!(other.run(["init", "--entity", ENTITY]).code, 0);
    let root = other.run(["trust", "export", "--json"]).json()["trusted"]["anchors"][0].clone();
    let mut two = exported.clone();
    two["anchors"].as_array_mut().unwrap().push(root.clone());
    let add = |trusted: &Value| {
        fs::write(world.place("fiducia.json"), trusted.to_string()).unwrap();
        world.run(["trust", "add", "fiducia.json"])
    };
    let stored = world.home().join(".config/sigillo/trust");
    let stored = stored.read_dir().unwrap().next().unwrap().unwrap().path();
    let anchors = || {
        let stored: Value = serde_json::from_slice(&fs::read(&stored).unwrap()).unwrap();
        stored["anchors"].as_array().unwrap().len()
    };
    add(&two).check(0, "Believed from now on");
    assert_eq!(anchors(), 2);
    world.run(["init", "--entity", ENTITY]).check(0, "is ready");
    assert_eq!(anchors(), 2);
    add(&exported).check(0, "1 certificate believed before stay");
    assert_eq!(anchors(), 2);
    for (member, value, said) in [
        ("anchors", Value::from(vec!["not pem"]), "anchor 1 is no certificate"),
        ("format", 9.into(), "it has format 9"),
        ("log", "x".into(), "its log key is none"),
        ("commit", "x".into(), "its commit key is none"),
    ] {
        let mut bad = two.clone();
        bad[member] = value;
        let ran = add(&bad);
        ran.check_error(1, "TRUST_UNUSABLE");
        ran.check_error(1, said);
        ran.check_error(1, "`sigillo trust export`");
        assert_eq!(anchors(), 2);
    }
    world.check_intact(1);
}

#[test]
fn what_a_dead_init_left_is_no_stranger() {
    let world = World::new();
    fs::create_dir_all(world.archive().join("packs/00")).unwrap();
    fs::create_dir_all(world.archive().join("probe/aa")).unwrap();
    fs::create_dir(world.archive().join("lost+found")).unwrap();
    fs::write(world.archive().join("README.txt"), b"x").unwrap();
    fs::write(world.archive().join("archive.json#1"), b"{").unwrap();
    world.run(["init", "--entity", ENTITY]).check(0, "is ready");
    world.check_intact(0);
}

#[test]
fn an_entity_that_is_named_must_be_that_of_the_archive() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.write("due.txt", b"due");
    for more in [&["--create"][..], &[]] {
        let ran = world.ingest(&[&["--entity", "Altro Comune"], more].concat());
        ran.check_error(1, "OTHER_ENTITY");
        ran.check_error(1, "archive of \"Comune di Prova\", not of \"Altro Comune\"");
    }
    world.check_intact(1);
    world.create().check(0, "1 document archived, 1 there before");
}

/// Reads the records beside an export, by where the first of their files was written.
fn records(folder: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(folder.join("_records.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let path = |it: &Value| it["paths"][0].as_str().unwrap_or("-").to_owned();
    let mut records: Vec<_> = lines.map(|line| (path(&line), line)).collect();
    records.sort_by(|a, b| a.0.cmp(&b.0));
    records
}

#[test]
fn an_export_holds_all_that_was_stated_of_the_documents() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.write("due.txt", b"due");
    let table = "path;main;structure;register;year;number;subject;class;date;aggregation;Firmatario\n\
                 uno.txt;;AOO;prot;2026;1;Primo;II.4;03/02/2025;2026/1;Anna Bianchi\n\
                 due.txt;;;;;;Secondo;;;;\n";
    fs::write(world.place("tabella.csv"), table).unwrap();
    assert_eq!(world.create_with(&["--metadata", "tabella.csv"]).code, 0);
    let ran = world.run(["export", "--all", "-o", "tutto", "--json"]);
    assert_eq!((ran.code, &ran.json()["records"]), (0, &3.into()), "{ran:?}");
    let records = records(&world.place("tutto"));
    let paths: Vec<_> = records.iter().map(|it| it.0.as_str()).collect();
    let aggregation = "_aggregations/AOO/2026%2F1/members.json";
    assert_eq!(paths, ["AOO/prot/2026/1/uno.txt", aggregation, "carte/due.txt"]);
    assert!(world.place("tutto").join(aggregation).exists());
    let first = &records[0].1;
    let description = &first["record"]["description"];
    assert_eq!(description["subject"], "Primo");
    assert_eq!(
        (&description["class"], &description["date"]),
        (&"II.4".into(), &"2025-02-03".into())
    );
    assert_eq!(description["metadata"]["Firmatario"], "Anna Bianchi");
    // The members of an aggregation are found again among the records.
    let members = fs::read(world.place("tutto").join(aggregation)).unwrap();
    let members: Vec<String> = serde_json::from_slice(&members).unwrap();
    assert_eq!(Value::from(members[0].clone()), first["record"]["document"]);
    let id = first["version_id"].as_str().unwrap();
    world.run(["get", id, "-o", "uno"]).check(0, "1 document");
}

#[test]
fn records_are_not_written_over_and_nothing_takes_their_place() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    assert_eq!(world.create_with(&["--source", "_records.jsonl"]).code, 0);
    fs::create_dir(world.place("fuori")).unwrap();
    fs::write(world.place("fuori/_records.jsonl"), b"mio").unwrap();
    let ran = world.run(["export", "--all", "-o", "fuori"]);
    ran.check(1, "the records were not all given back");
    ran.check(1, "is there already and is not overwritten; name another folder with -o");
    assert_eq!(fs::read(world.place("fuori/_records.jsonl")).unwrap(), b"mio");
    assert_eq!(fs::read(world.place("fuori/%5Frecords.jsonl/uno.txt")).unwrap(), b"uno");
    let ran = world.run(["get", "_records.jsonl/uno.txt", "-o", "fuori/%5Frecords.jsonl"]);
    ran.check(1, "NOTHING was given back");
    ran.check(1, "is there already and is not overwritten");
}

#[test]
fn who_asks_for_a_key_that_is_not_there_is_told_both_forms() {
    let world = World::with(&[("uno.txt", b"uno")]);
    for id in ["C_A123/PG/2025/3", "carte/due.txt", "uno.txt.pdf"] {
        let ran = world.run(["get", id, "-o", "fuori"]);
        ran.check_error(1, "SOURCE/PATH, or STRUCTURE/REGISTER/YEAR/NUMBER if it was registered");
        ran.check_error(1, "`sigillo find WORD`");
    }
}

#[test]
fn a_changed_file_beside_a_sound_receipt_is_told_apart() {
    let world = World::with(&[("z.txt", b"prima")]);
    world.run(["receipt", "show", "carte/z.txt", "-o", "rdv.json"]).check(0, "1 document");
    fs::write(world.place("z.txt"), b"dopo").unwrap();
    let ran = world.run(["verify", "--receipt", "rdv.json", "z.txt"]);
    ran.check(5, "DAMAGED: the receipt is sound, but not the archived file: z.txt\n");
    ran.check(5, "F808");
}

#[test]
fn keys_that_are_gone_must_be_brought_back() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let keys = world.home().join(".local/share/sigillo/keys");
    let folder = keys.read_dir().unwrap().next().unwrap().unwrap().path();
    fs::rename(&folder, world.place("chiavi")).unwrap();
    let ran = world.ingest(&[]);
    ran.check_error(1, "does not exist: keys of this archive are missing");
    let place = format!("bring the key folder back from its copy to {}", folder.display());
    ran.check_error(1, &place);
    assert!(!ran.stderr.contains("sigillo init"), "{ran:?}");
    fs::rename(world.place("chiavi"), &folder).unwrap();
    assert_eq!(world.ingest(&[]).code, 0);
}

#[test]
fn the_script_without_an_archive_says_what_it_needs() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify_document.py");
    let mut python = Command::new("python3");
    python.arg(script);
    finish(python).check_error(1, "Usage: verify_document.py ARCHIVE VERSION_ID_PREFIX");
}
