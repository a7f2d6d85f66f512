//! One bit changed, in every object of an archive and at many places of it: always found, and
//! nothing else accused.

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use sigillo_custody::Scope;
use sigillo_model::{Finding, FindingCode};

use crate::{
    judge::{Changed, Judge, Kind, accused, archive_of_every_kind, documents},
    program::{World, is_pack, next},
};

/// So many places of every object besides the first, the middle and the last are tried.
const PLACES: usize = 20;

/// Of objects up to this size every place is tried, where there is time.
const EVERY_PLACE_BYTES_MAX: usize = 4096;

/// Headers and record of a document are no longer than this.
const RECORD_AND_HEADERS_BYTES_MAX: usize = 4096;

/// Returns the places of an object to be tried.
fn places(seed: u64, length: usize) -> BTreeSet<usize> {
    if std::env::var_os("SIGILLO_SLOW_TESTS").is_some() && length <= EVERY_PLACE_BYTES_MAX {
        return (0..length).collect();
    }
    let mut state = seed | 1;
    let drawn = (0..PLACES).map(|_| usize::try_from(next(&mut state) >> 1).unwrap() % length);
    drawn.chain([0, length / 2, length - 1]).collect()
}

fn flip(path: &Path, place: usize) -> Changed {
    Changed::with(path, |bytes| bytes[place] ^= 1 << (place % 8))
}

fn objects_of(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.object.clone()).collect()
}

#[test]
fn a_bit_changed_anywhere_is_found_and_nothing_else_is_accused() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    for (seed, key) in (1..).zip(world.objects()) {
        // Packs have a test of their own below.
        if is_pack(&key) {
            continue;
        }
        let path = world.archive().join(&key);
        let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
        for place in places(seed, length) {
            let changed = flip(&path, place);
            let (code, findings) = judge.verify(Scope::Presence);
            judge.check_told(&key, (code, &objects_of(&findings)), &format!("byte {place}"));
            drop(changed);
        }
    }
    assert_eq!(judge.verify(Scope::Full), (0, Vec::new()));
}

#[test]
fn the_program_tells_of_a_changed_bit_and_rebuilds_what_follows_from_the_truth() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let mut kinds = BTreeSet::new();
    for (seed, key) in (1000..).zip(world.objects()) {
        let path = world.archive().join(&key);
        let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
        let place = usize::try_from(next(&mut { seed }) >> 1).unwrap() % length;
        let changed = flip(&path, place);
        let (code, report) = world.verify();
        judge.check_told(&key, (code, &accused(&report)), &format!("byte {place}"));
        let kind = judge.kind(&key);
        kinds.insert(format!("{kind:?}"));
        if kind == Kind::Derived {
            let ran = world.run(["rebuild"]);
            assert_eq!(ran.code, 0, "{key}: {ran:?}");
            changed.check_mended();
            world.check_intact(15);
        }
    }
    assert_eq!(kinds.len(), 3);
    world.check_intact(15);
}

/// Where the bytes of a document lie in a pack.
struct Lies {
    key: String,
    bytes: Range<usize>,
}

fn find_documents(pack: &[u8]) -> Vec<Lies> {
    let mut found = Vec::new();
    for (name, bytes) in documents() {
        let Some(start) = pack.windows(16).position(|window| window == &bytes[..16]) else {
            continue;
        };
        assert!(pack[start..].starts_with(&bytes), "{name}");
        found.push(Lies { key: format!("carte/{name}"), bytes: start..start + bytes.len() });
    }
    found
}

/// Sees that damage of a pack is told with the document it is in and the block, and no document
/// that lies elsewhere.
#[track_caller]
fn check_located(findings: &[Finding], pack: (&str, &[u8]), lies: &[Lies], place: usize) {
    const BLOCK: usize = 64 << 10;
    let (key, bytes) = pack;
    let block = place / BLOCK * BLOCK..((place / BLOCK + 1) * BLOCK).min(bytes.len());
    for finding in findings {
        assert_eq!((finding.object.as_str(), finding.code), (key, FindingCode::PackDamaged));
        let (start, end) = finding.place.bytes.unwrap();
        assert_eq!((start, end), (block.start as u64, block.end as u64), "byte {place} of {key}");
    }
    let named: Vec<_> = findings.iter().filter_map(|it| it.place.key.as_deref()).collect();
    if let Some(hit) = lies.iter().find(|it| it.bytes.contains(&place)) {
        assert!(named.contains(&hit.key.as_str()), "byte {place} of {key}: {findings:?}");
    }
    for other in lies {
        let reach = RECORD_AND_HEADERS_BYTES_MAX;
        let apart = other.bytes.end + reach <= block.start || block.end + reach < other.bytes.start;
        assert!(!(apart && named.contains(&other.key.as_str())), "{} at {place}", other.key);
    }
}

#[test]
fn a_bit_changed_in_a_pack_is_located_by_document_and_block() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let (mut packs, mut documents_seen) = (0, 0);
    for (seed, key) in (2000..).zip(world.packs()) {
        packs += 1;
        let path = world.archive().join(&key);
        let bytes = fs::read(&path).unwrap();
        let lies = find_documents(&bytes);
        documents_seen += lies.len();
        // The middle of every document, so that each is named at least once.
        let middles = lies.iter().map(|it| usize::midpoint(it.bytes.start, it.bytes.end));
        for place in places(seed, bytes.len()).into_iter().chain(middles) {
            let changed = flip(&path, place);
            let (code, findings) = judge.verify(Scope::Full);
            judge.check_told(&key, (code, &objects_of(&findings)), &format!("byte {place}"));
            check_located(&findings, (&key, &bytes), &lies, place);
            drop(changed);
        }
    }
    assert_eq!((packs, documents_seen), (3, documents().len()));
}

#[test]
fn documents_beside_the_damage_are_still_given_back() {
    let world = archive_of_every_kind();
    let bytes = &documents()[5].1;
    let pack = packs_with(&world, bytes);
    let content = fs::read(&pack).unwrap();
    let place = content.windows(16).position(|window| window == &bytes[..16]).unwrap();
    let _changed = flip(&pack, place + 7);
    let ran = world.run(["export", "--all", "-o", "fuori", "--json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["documents"]), (5, &14.into()), "{report}");
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0]["key"], format!("carte/{}", documents()[5].0));
    // Nothing unchecked is left behind under the document's name.
    assert!(!world.place("fuori").join("carte").join(&documents()[5].0).exists());
    let ran = world.run(["get", &format!("carte/{}", documents()[5].0), "-o", "uno"]);
    ran.check(5, "not given back: carte/poi/0.bin");
    assert!(!world.place("uno").join("0.bin").exists());
    let ran = world.run(["verify", "carte/poi/0.bin"]);
    ran.check(5, "DAMAGE F105");
    world.run(["verify", "carte/poi/1.bin"]).check(0, "INTACT");
}

fn packs_with(world: &World, bytes: &[u8]) -> PathBuf {
    let mut paths = world.packs().into_iter().map(|key| world.archive().join(key));
    let holds =
        |path: &PathBuf| fs::read(path).unwrap().windows(16).any(|window| window == &bytes[..16]);
    paths.find(holds).unwrap()
}
