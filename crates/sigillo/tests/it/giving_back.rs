//! Documents given back: named in every way, and never over what is there.

use std::fs;

use serde_json::Value;

use sigillo_catalogue::{IndexedVersion, KeyIndex};
use sigillo_model::Record;

use crate::program::{Ran, Tree, World, given_back, noise, tree};

/// The version and document ids of every document, by path, as an outsider reads them from the
/// records in the packs.
fn ids(world: &World) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for key in world.packs() {
        let pack = fs::read(world.archive().join(key)).unwrap();
        let starts = |at: &usize| pack[*at..].starts_with(b"/record.json{");
        for at in (0..pack.len()).filter(starts) {
            let version = String::from_utf8(pack[at - 64..at].to_vec()).unwrap();
            let json = &pack[at + "/record.json".len()..];
            let value = serde_json::Deserializer::from_slice(json).into_iter::<Value>().next();
            let bytes = serde_json::to_vec(&value.unwrap().unwrap()).unwrap();
            let record = Record::parse(&bytes).unwrap();
            let sigillo_model::DocumentKey::Path { path, .. } = record.key else { continue };
            found.push((path, version, record.document.to_string()));
        }
    }
    found.sort();
    found
}

fn get(world: &World, id: &str, output: &str) -> Ran {
    world.run(["get", id, "-o", output])
}

#[track_caller]
fn check_given(world: &World, id: &str, bytes: &[u8]) {
    let output = tempfile::tempdir_in(world.folder.path()).unwrap();
    let ran = get(world, id, output.path().to_str().unwrap());
    ran.check(0, "1 document");
    let given: Vec<_> = tree(output.path()).into_values().collect();
    assert_eq!(given, [bytes.to_vec()], "{id}");
}

#[test]
fn a_document_is_named_by_any_of_its_ids_and_by_its_key() {
    let world = World::with(&[("uno.txt", b"uno"), ("sotto/due.txt", b"due")]);
    let ids = ids(&world);
    assert_eq!(ids.len(), 2);
    for (path, version, document) in &ids {
        let bytes = fs::read(world.source().join(path)).unwrap();
        let key = format!("carte/{path}");
        let names = [version, &version[..8], &version[..63], document, &document[..8], &key];
        for name in names {
            check_given(&world, name, &bytes);
        }
        world.run(["verify", &version[..8]]).check(0, "Read 1 of 1 document");
    }
    let both = [&ids[0].1[..10], "carte/uno.txt"];
    let ran = world.run(["get", both[0], both[1], "-o", "fuori"]);
    ran.check(0, "2 documents");
}

#[test]
fn a_name_of_nothing_is_refused_with_the_reason() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let version = &ids(&world)[0].1;
    let mut other = version.clone();
    other.replace_range(63.., if version.ends_with('0') { "1" } else { "0" });
    let long = format!("{version}0");
    for name in ["carte/due.txt", "altre/uno.txt", "uno.txt", &other, &long, "/", "carte/"] {
        get(&world, name, "fuori").check_error(1, "the archive has no document");
    }
    for name in ["", "a", &version[..7]] {
        get(&world, name, "fuori").check_error(1, "is too short: give at least 8 digits");
    }
    world.run(["verify", "deadbeef"]).check_error(1, "the archive has no document");
    assert!(tree(&world.place("fuori")).is_empty());
}

#[test]
fn what_is_there_is_never_written_over() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    fs::create_dir_all(world.place("fuori/carte")).unwrap();
    fs::write(world.place("fuori/uno.txt"), b"mio").unwrap();
    fs::write(world.place("fuori/carte/uno.txt"), b"mio").unwrap();
    get(&world, "carte/uno.txt", "fuori").check(1, "not given back: carte/uno.txt");
    let ran = world.run(["export", "--all", "-o", "fuori"]);
    ran.check(1, "1 document");
    ran.check(1, "not given back: carte/uno.txt");
    let wanted = [("uno.txt", "mio"), ("carte/uno.txt", "mio"), ("carte/due.txt", "due")];
    let wanted = wanted.map(|(path, bytes)| (path.as_bytes().to_vec(), bytes.into()));
    assert_eq!(given_back(&world.place("fuori")), Tree::from(wanted));
    // Twice into the same folder: all is there, and all of it stays as it is.
    world.run(["export", "--all", "-o", "fuori"]).check(1, "NOTHING was given back");
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let world = World::with(&[("uno.txt", b"uno")]);
    fs::create_dir(world.place("fuori")).unwrap();
    std::os::unix::fs::symlink("../altrove", world.place("fuori/uno.txt")).unwrap();
    get(&world, "carte/uno.txt", "fuori").check(1, "not given back: carte/uno.txt");
    assert!(!world.place("altrove").exists());
}

/// Writes a table of registered documents and ingests it beside what is there.
fn ingest_table(world: &World, source: &str, rows: &[(&str, &str)]) {
    let folder = world.place("tavola");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir(&folder).unwrap();
    let mut table = "path;structure;register;year;number\n".to_owned();
    for (file, key) in rows {
        fs::write(folder.join(file), format!("{file} {key}")).unwrap();
        table.push_str(&format!("{file};{key}\n"));
    }
    fs::write(world.place("tavola.csv"), table).unwrap();
    let ran = world.run(["ingest", "--metadata", "tavola.csv", "--source", source, "tavola"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn aside(ran: &Ran) -> Vec<(String, String)> {
    let aside = ran.json()["aside"].as_array().unwrap().clone();
    let pair = |it: &Value| {
        let [key, version] = ["key", "version"].map(|name| it[name].as_str().unwrap().to_owned());
        (key, version)
    };
    aside.iter().map(pair).collect()
}

#[test]
fn documents_that_want_the_same_place_are_all_given_back() {
    let world = World::new();
    // A file where another document needs a folder, archived one after the other.
    world.write("a", b"file");
    assert_eq!(world.create().code, 0);
    fs::remove_file(world.source().join("a")).unwrap();
    world.write("a/b", b"below");
    assert_eq!(world.ingest(&[]).code, 0);
    let source = world.place("AOO1");
    fs::create_dir_all(source.join("prot/2026/1")).unwrap();
    fs::write(source.join("prot/2026/1/doc.txt"), b"by path").unwrap();
    fs::write(source.join("prot/2026/1/free.txt"), b"by path, too").unwrap();
    assert_eq!(world.run(["ingest", "AOO1"]).code, 0);
    let long = format!("AOO2;prot;2026;{}", "9".repeat(300));
    ingest_table(&world, "registri", &[("doc.txt", "AOO1;prot;2026;1"), ("lungo.txt", &long)]);

    let ran = world.run(["export", "--all", "-o", "fuori", "--json"]);
    assert_eq!((ran.code, ran.json()["documents"].as_u64()), (0, Some(6)), "{ran:?}");
    let aside = aside(&ran);
    let mut keys: Vec<_> = aside.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let long = long.replace(';', "/");
    assert_eq!(keys, ["AOO1/prot/2026/1", &long, "carte/a/b"]);
    let given = tree(&world.place("fuori"));
    let of = |place: String| given.get(place.as_bytes()).unwrap_or_else(|| panic!("{place}"));
    assert_eq!(of("carte/a".to_owned()), b"file");
    assert_eq!(of("AOO1/prot/2026/1/doc.txt".to_owned()), b"by path");
    assert_eq!(of("AOO1/prot/2026/1/free.txt".to_owned()), b"by path, too");
    let names = [("AOO1/prot/2026/1", "doc.txt"), (&long, "lungo.txt"), ("carte/a/b", "b")];
    for (key, name) in names {
        let (_, version) = aside.iter().find(|(other, _)| other == key).unwrap();
        let place = format!("_others/{version}/{name}");
        assert!(!of(place.clone()).is_empty());
        let records = String::from_utf8_lossy(of("_records.jsonl".to_owned())).into_owned();
        assert!(records.contains(&format!("{{\"paths\":[\"{place}\"]")), "{records}");
    }
    // The same archive gives the same places, and in words says so.
    let again = world.run(["export", "--all", "-o", "ancora"]);
    again.check(0, "3 documents could not lie in the place of the key");
    let without_records = |folder: &str| {
        let mut given = tree(&world.place(folder));
        given.remove(&b"_records.jsonl"[..]);
        given
    };
    assert!(without_records("ancora") == without_records("fuori"));
}

#[test]
fn documents_of_one_name_come_back_from_one_get() {
    let world = World::with(&[("x/doc.pdf", b"x"), ("y/doc.pdf", b"y")]);
    let ran = world.run(["get", "carte/x/doc.pdf", "carte/y/doc.pdf", "-o", "fuori", "--json"]);
    assert_eq!((ran.code, ran.json()["documents"].as_u64()), (0, Some(2)), "{ran:?}");
    let aside = aside(&ran);
    assert_eq!((aside.len(), &*aside[0].0), (1, "carte/y/doc.pdf"));
    let place = world.place("fuori/_others").join(&aside[0].1).join("doc.pdf");
    assert_eq!(fs::read(place).unwrap(), b"y");
    assert_eq!(fs::read(world.place("fuori/doc.pdf")).unwrap(), b"x");
}

#[test]
fn links_in_the_folder_lead_nowhere() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let victim = world.place("vittima");
    fs::create_dir_all(world.place("fuori")).unwrap();
    fs::create_dir(&victim).unwrap();
    std::os::unix::fs::symlink(&victim, world.place("fuori/carte")).unwrap();
    let ran = world.run(["export", "--all", "-o", "fuori"]);
    ran.check(1, "stands in the way of fuori/carte/uno.txt");
    assert!(tree(&victim).is_empty());
    // The folder itself may be named by a link.
    std::os::unix::fs::symlink(&victim, world.place("collegata")).unwrap();
    assert_eq!(world.run(["export", "--all", "-o", "collegata"]).code, 0);
    assert_eq!(fs::read(victim.join("carte/uno.txt")).unwrap(), b"uno");
}

#[test]
fn nothing_is_written_into_an_archive_or_taken_from_one() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let before = tree(&world.archive());
    let archive = world.archive().to_str().unwrap().to_owned();
    let inside = format!("{archive}/nuova/sotto");
    std::os::unix::fs::symlink(&archive, world.place("collegata")).unwrap();
    for output in [&*archive, &inside, "collegata/log"] {
        for args in [["export", "--all"], ["get", "carte/uno.txt"]] {
            let ran = world.run([args[0], args[1], "-o", output]);
            ran.check_error(2, "archive");
            ran.check_error(2, "outside of every archive");
        }
    }
    for source in [&*archive, &format!("{archive}/log"), &format!("{archive}/README.txt")] {
        world.run(["ingest", "--source", "x", source]).check_error(2, "archive");
    }
    assert!(tree(&world.archive()) == before);
}

#[test]
fn every_size_comes_back_byte_for_byte() {
    let world = World::new();
    let sizes =
        [0, 1, 65_535, 65_536, 65_537, (2 << 20) - 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1];
    for (seed, size) in (1..).zip(sizes) {
        world.write(&format!("{size}.bin"), &noise(seed, size));
    }
    world.create().check(0, "carte: 9 documents archived");
    world.check_intact(9);
    assert!(world.export() == tree(&world.source()));
}

#[test]
fn an_ambiguous_prefix_is_refused_with_its_matches() {
    let world = World::new();
    for number in 0..40 {
        world.write(&format!("{number}.txt"), format!("{number}").as_bytes());
    }
    world.create().check(0, "40 documents");
    let ids = ids(&world);
    // Two ids that begin alike are not met in so few documents: the index is told of one.
    craft_twin(&world, &ids[0].2, &ids[1].2);
    let ran = get(&world, &ids[0].2[..8], "fuori");
    ran.check_error(1, "is ambiguous: it may be");
    ran.check_error(1, &format!("document {}", ids[0].2));
    check_given(&world, &ids[0].1, &fs::read(world.source().join(&ids[0].0)).unwrap());
}

/// Makes the index believe that `other` is called like `document` but for its last digit.
fn craft_twin(world: &World, document: &str, other: &str) {
    let mut twin = document.to_owned();
    twin.replace_range(31.., if document.ends_with('0') { "1" } else { "0" });
    let description = fs::read(world.archive().join("archive.json")).unwrap();
    let description: Value = serde_json::from_slice(&description).unwrap();
    let archive = description["archive"].as_str().unwrap();
    let folder = world.home().join(".local/state/sigillo").join(archive).join("index");
    let mut index = KeyIndex::open(&folder, archive.parse().unwrap()).unwrap();
    let known = index.versions_of(other.parse().unwrap()).unwrap();
    let known = IndexedVersion { document: twin.parse().unwrap(), ..known[0] };
    index.add(index.complete_to() + 1, vec![known]).unwrap();
}
