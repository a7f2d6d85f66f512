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
