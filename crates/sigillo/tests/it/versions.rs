//! Documents with several versions: given back whole, apart from each other, and verified whole.

use std::fs;

use serde_json::Value;

use sigillo_model::{DocumentKey, Record};

use crate::{
    judge::Changed,
    program::{Ran, Tree, World, given_back, tree},
};

/// Damages an object.
type Change<'a> = Box<dyn Fn() -> Changed + 'a>;

/// A version as an outsider finds it in a pack.
struct Found {
    version: String,
    pack: String,
    record: Record,
}

/// The versions of the document with this path or number, in their order.
fn versions(world: &World, name: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for key in world.packs() {
        let pack = fs::read(world.archive().join(&key)).unwrap();
        let starts = |at: &usize| pack[*at..].starts_with(b"/record.json{");
        for at in (0..pack.len()).filter(starts) {
            let version = String::from_utf8(pack[at - 64..at].to_vec()).unwrap();
            let json = &pack[at + "/record.json".len()..];
            let value = serde_json::Deserializer::from_slice(json).into_iter::<Value>().next();
            let bytes = serde_json::to_vec(&value.unwrap().unwrap()).unwrap();
            let record = Record::parse(&bytes).unwrap();
            let is_named = match &record.key {
                DocumentKey::Path { path, .. } => path == name,
                DocumentKey::Register { number, .. } => number == name,
                DocumentKey::Aggregation { .. } => false,
            };
            if is_named {
                found.push(Found { version, pack: key.clone(), record });
            }
        }
    }
    found.sort_by_key(|it| it.record.version);
    found
}

/// Ingests with a CSV of these lines.
#[track_caller]
fn ingest_stated(world: &World, lines: &[&str]) {
    fs::write(world.place("dati.csv"), lines.join("\n")).unwrap();
    world.ingest(&["--metadata", "dati.csv"]).check(0, "");
}

/// An archive in which `uno.txt` has five versions: new, other content, two late attachments with
/// one name, and a corrected subject; `due.txt` has one.
fn five_versions() -> World {
    let world = World::with(&[("uno.txt", b"uno prima"), ("due.txt", b"due")]);
    world.write("uno.txt", b"uno dopo");
    world.ingest(&["--new-versions"]).check(0, "");
    for name in ["uno.txt", "due.txt"] {
        fs::remove_file(world.source().join(name)).unwrap();
    }
    let header = "path;main;subject;operation";
    world.write("a/allegato.txt", b"primo allegato");
    ingest_stated(&world, &[header, "a/allegato.txt;uno.txt;;added-file"]);
    fs::remove_file(world.source().join("a/allegato.txt")).unwrap();
    world.write("b/allegato.txt", b"secondo allegato");
    ingest_stated(&world, &[header, "b/allegato.txt;uno.txt;;added-file"]);
    fs::remove_file(world.source().join("b/allegato.txt")).unwrap();
    ingest_stated(&world, &[header, "uno.txt;;Oggetto giusto;corrected-metadata"]);
    world
}

fn files(wanted: &[(&str, &str)]) -> Tree {
    let files = wanted.iter().map(|(path, text)| ((*path).into(), (*text).into()));
    files.collect()
}

const WHOLE: [(&str, &str); 3] = [
    ("uno.txt", "uno dopo"),
    ("allegato.txt", "primo allegato"),
    ("3-allegato.txt", "secondo allegato"),
];

/// Runs a command that writes into a fresh folder; returns what it wrote, too.
fn given(world: &World, args: &[&str]) -> (Ran, Tree) {
    let output = tempfile::tempdir_in(world.folder.path()).unwrap();
    let mut args = args.to_vec();
    args.extend(["-o", output.path().to_str().unwrap()]);
    let ran = world.run(args);
    (ran, given_back(output.path()))
}

/// The findings with this code, as the program reports them.
fn findings(report: &Value, code: &str) -> Vec<(String, String, String)> {
    let all = report["findings"].as_array().unwrap().iter();
    let with_code = all.filter(|finding| finding["code"] == code);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    with_code.map(|it| (text(&it["version"]), text(&it["object"]), text(&it["message"]))).collect()
}

#[test]
fn every_version_is_given_back_with_all_its_files() {
    let world = five_versions();
    let known = versions(&world, "uno.txt");
    assert_eq!(known.len(), 5);
    let wanted = [&[("uno.txt", "uno prima")], &WHOLE[..1], &WHOLE[..2], &WHOLE, &WHOLE];
    for (known, wanted) in known.iter().zip(wanted) {
        let (ran, found) = given(&world, &["get", &known.version]);
        ran.check(0, "1 document");
        assert_eq!(found, files(wanted), "version {}", known.record.version);
    }
    let (ran, found) = given(&world, &["get", "carte/uno.txt"]);
    ran.check(0, "1 document");
    assert_eq!(found, files(&WHOLE));
    // The same without an index, which knows where earlier versions lie.
    fs::remove_dir_all(world.home().join(".local/state/sigillo")).unwrap();
    let (ran, found) = given(&world, &["get", &known[4].version]);
    ran.check(0, "1 document");
    assert_eq!(found, files(&WHOLE));
}

#[test]
fn the_newest_versions_are_exported_apart_from_the_earlier_ones() {
    let world = five_versions();
    let (ran, found) = given(&world, &["export", "--all"]);
    ran.check(0, "6 documents");
    let wanted = files(&[
        ("carte/due.txt", "due"),
        ("carte/uno.txt/uno.txt", "uno dopo"),
        ("carte/uno.txt/allegato.txt", "primo allegato"),
        ("carte/uno.txt/3-allegato.txt", "secondo allegato"),
        ("_versions/1/carte/uno.txt", "uno prima"),
        ("_versions/2/carte/uno.txt", "uno dopo"),
        ("_versions/3/carte/uno.txt/uno.txt", "uno dopo"),
        ("_versions/3/carte/uno.txt/allegato.txt", "primo allegato"),
        ("_versions/4/carte/uno.txt/uno.txt", "uno dopo"),
        ("_versions/4/carte/uno.txt/allegato.txt", "primo allegato"),
        ("_versions/4/carte/uno.txt/3-allegato.txt", "secondo allegato"),
    ]);
    assert_eq!(found, wanted);
}

#[test]
fn registers_and_aggregations_have_folders_of_their_own() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    let header = "path;structure;register;year;number;aggregation";
    fs::write(
        world.place("dati.csv"),
        [header, "uno.txt;AOO1;atti;2026;1/bis;2026/II.4/1"].join("\n"),
    )
    .unwrap();
    world.create_with(&["--metadata", "dati.csv"]).check(0, "");
    fs::remove_file(world.source().join("uno.txt")).unwrap();
    world.write("due.txt", b"due");
    ingest_stated(&world, &[header, "due.txt;AOO1;atti;2026;2;2026/II.4/1"]);
    let (ran, found) = given(&world, &["export", "--all"]);
    ran.check(0, "4 documents");
    let members = |path: &str| {
        let list: Vec<String> = serde_json::from_slice(&found[path.as_bytes()]).unwrap();
        list
    };
    let [first, second] =
        ["1/bis", "2"].map(|number| versions(&world, number)[0].record.document.to_string());
    let mut both = [first.clone(), second];
    both.sort();
    let list = "_aggregations/AOO1/2026%2FII.4%2F1/members.json";
    assert_eq!(members(list), both);
    assert_eq!(members(&format!("_versions/1/{list}")), [first]);
    assert_eq!(found[&b"AOO1/atti/2026/1%2Fbis/uno.txt"[..]], b"uno");
    assert_eq!(found[&b"AOO1/atti/2026/2/due.txt"[..]], b"due");
    assert_eq!(found.len(), 4);
}

#[test]
fn what_lies_in_earlier_versions_is_verified_too() {
    let world = five_versions();
    world.check_intact(6);
    let newest = versions(&world, "uno.txt").remove(4);
    // The three files lie elsewhere: 8, 14 and 16 bytes.
    let ran = world.run(["verify", &newest.version, "--json"]);
    let bytes = newest.record.to_json().len() as u64 + 8 + 14 + 16;
    assert_eq!((ran.code, &ran.json()["bytes_read"]), (0, &bytes.into()), "{ran:?}");
}

#[test]
fn damage_of_an_earlier_version_is_told_of_every_version_with_its_files() {
    let world = five_versions();
    let known = versions(&world, "uno.txt");
    let newest = &known[4];
    let second = known.iter().find(|it| it.record.version == 2).unwrap();
    let path = world.archive().join(&second.pack);
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(8).position(|it| it == b"uno dopo").unwrap();
        bytes[at] ^= 1;
    };
    let changes: [(&str, Change<'_>); 3] = [
        ("where its bytes are not as they were", Box::new(|| Changed::with(&path, flip))),
        ("whose pack is missing", Box::new(|| Changed::removed(&path))),
        (
            "whose pack has a damaged directory",
            Box::new(|| Changed::with(&path, |it| it.truncate(9))),
        ),
    ];
    for (what, change) in changes {
        let damage = change();
        let told = |version: &Found| {
            let message = format!("file 1 of it lies in version {}, {what}", second.version);
            (version.version.clone(), second.pack.clone(), message)
        };
        let (code, report) = world.verify();
        assert_eq!(code, 5);
        let mut found = findings(&report, "F107");
        found.sort();
        let mut wanted: Vec<_> = known[2..].iter().map(told).collect();
        wanted.sort();
        assert_eq!(found, wanted, "{what}");
        let ran = world.run(["verify", &newest.version, "--json"]);
        assert_eq!((ran.code, findings(&ran.json(), "F107")), (5, vec![told(newest)]), "{what}");
        // Nothing is left of a document that is not whole.
        let (ran, found) = given(&world, &["get", &newest.version]);
        ran.check(5, "not given back: carte/uno.txt");
        assert_eq!(found, Tree::new(), "{what}");
        let (ran, found) = given(&world, &["export", "--all"]);
        ran.check(5, "2 documents");
        let wanted = [("carte/due.txt", "due"), ("_versions/1/carte/uno.txt", "uno prima")];
        assert_eq!(found, files(&wanted), "{what}");
        drop(damage);
        world.check_intact(6);
    }
}

#[test]
fn a_document_that_cannot_be_written_whole_is_not_written_at_all() {
    let world = five_versions();
    fs::create_dir(world.place("fuori")).unwrap();
    fs::write(world.place("fuori/3-allegato.txt"), b"mio").unwrap();
    let ran = world.run(["get", "carte/uno.txt", "-o", "fuori"]);
    ran.check(1, "not given back: carte/uno.txt");
    assert_eq!(tree(&world.place("fuori")), files(&[("3-allegato.txt", "mio")]));
}

#[test]
fn the_newest_version_is_told_although_the_index_cannot_be_completed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let first = world.object("packs/", ".zip");
    fs::remove_file(world.source().join("uno.txt")).unwrap();
    world.write("due.txt", b"due prima");
    world.ingest(&[]).check(0, "");
    world.write("due.txt", b"due dopo");
    world.ingest(&["--new-versions"]).check(0, "");
    let intact = given(&world, &["export", "--all"]).1;
    fs::remove_dir_all(world.home().join(".local/state/sigillo")).unwrap();
    let _changed = Changed::with(&first, |bytes| bytes.truncate(bytes.len() - 1));
    let (ran, found) = given(&world, &["export", "--all"]);
    ran.check(5, "the index of keys lacks 1 document, which could not be read (packs/");
    ran.check(5, "not given back: (its name cannot be read)");
    let wanted =
        files(&[("carte/due.txt", "due dopo"), ("_versions/1/carte/due.txt", "due prima")]);
    assert_eq!(found, wanted);
    assert_eq!(intact.len(), 3);
}
