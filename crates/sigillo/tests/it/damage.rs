//! Objects that are missing, cut off, added to or in each other's place.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use sigillo_custody::Scope;
use sigillo_model::{Finding, FindingCode};

use crate::{
    judge::{Changed, Judge, Kind, accused, archive_of_every_kind},
    program::{Ran, World, next},
};

fn objects_of(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.object.clone()).collect()
}

/// Changes every object, one after the other, and sees that each change is told.
#[track_caller]
fn check_all(world: &World, change: impl Fn(&mut Vec<u8>), what: &str) {
    let judge = Judge::of(world);
    for key in world.objects() {
        let changed = Changed::with(&world.archive().join(&key), &change);
        let (code, findings) = judge.verify(Scope::Presence);
        judge.check_told(&key, (code, &objects_of(&findings)), what);
        drop(changed);
    }
    assert_eq!(judge.verify(Scope::Full), (0, Vec::new()));
}

#[test]
fn an_object_that_was_cut_off_or_added_to_is_found() {
    let world = archive_of_every_kind();
    check_all(&world, |bytes| bytes.truncate(bytes.len() / 2), "half of it");
    check_all(&world, Vec::clear, "nothing of it");
    check_all(&world, |bytes| bytes.truncate(bytes.len() - 1), "all but the last byte");
    check_all(&world, |bytes| bytes.push(0), "a zero more");
    check_all(&world, |bytes| bytes.push(b'\n'), "a newline more");
    check_all(&world, |bytes| bytes.extend_from_within(..), "twice the same");
    let junk = next(&mut 77).to_le_bytes();
    check_all(&world, move |bytes| bytes.extend(junk), "junk at its end");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_looked_at() {
    let world = World::with(&[("delibera.txt", b"Si delibera.")]);
    // A link to a name that no file can have: opening it fails, and not for want of a file.
    let unreadable = |path: &Path| {
        let kept = world.place("aside");
        fs::rename(path, &kept).unwrap();
        symlink("x".repeat(300), path).unwrap();
        kept
    };
    let codes = |ran: &Ran| {
        let findings = ran.json()["findings"].clone();
        let code = |it: &serde_json::Value| it["code"].as_str().unwrap().to_owned();
        findings.as_array().unwrap().iter().map(code).collect::<Vec<_>>()
    };
    for ends in ["/report.json", "/received.json"] {
        let path = world.object("submissions/", ends);
        let kept = unreadable(&path);
        let ran = world.run(["verify", "--full", "--json"]);
        assert_eq!((ran.code, &*codes(&ran)[0]), (3, "F701"), "{ran:?}");
        fs::rename(kept, path).unwrap();
    }
    let found = world.run(["find", "--json", "--path", "delibera"]);
    let version = found.json()["documents"][0]["version_id"].as_str().unwrap().to_owned();
    let path = world.archive().join(&world.packs()[0]);
    unreadable(&path);
    let ran = world.run(["verify", &version, "--json"]);
    assert_eq!((ran.code, &*codes(&ran)[0]), (3, "F701"), "{ran:?}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let ran = world.run(["verify", &version, "--json"]);
    assert_eq!((ran.code, &*codes(&ran)[0]), (5, "F101"), "{ran:?}");
}

#[test]
fn an_object_that_is_missing_is_found() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let newest = world.objects().into_iter().rfind(|key| key.starts_with("log/seq/")).unwrap();
    for key in world.objects() {
        let removed = Changed::removed(&world.archive().join(&key));
        let (code, findings) = judge.verify(Scope::Presence);
        if key == newest {
            // The log just ends earlier: only the checkpoint knows better.
            assert_eq!((code, findings[0].code), (5, FindingCode::LogRolledBack), "{findings:?}");
        } else {
            judge.check_told(&key, (code, &objects_of(&findings)), "missing");
        }
        drop(removed);
    }
}

#[test]
fn the_program_tells_of_what_is_missing_and_rebuilds_what_follows_from_the_truth() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    for key in world.objects().into_iter().filter(|key| judge.kind(key) == Kind::Derived) {
        let removed = Changed::removed(&world.archive().join(&key));
        let (code, report) = world.verify();
        judge.check_told(&key, (code, &accused(&report)), "missing");
        assert_eq!(world.run(["rebuild"]).code, 0);
        removed.check_mended();
        world.check_intact(15);
    }
    let removed = Changed::removed(&world.archive().join("archive.json"));
    let (code, report) = world.verify();
    assert_eq!((code, accused(&report)), (5, vec!["archive.json".to_owned()]));
    assert_eq!(report["verdict"], "damaged");
    // And no new archive is made over the old log.
    let ran = world.run(["init", "--entity", "Altro Comune"]);
    ran.check_error(5, "it is missing, although the log has commits");
    drop(removed);
    world.check_intact(15);
}

#[test]
fn all_that_follows_from_the_truth_is_rebuilt_from_nothing() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let derived: Vec<_> =
        world.objects().into_iter().filter(|key| judge.kind(key) == Kind::Derived).collect();
    let mut changes: Vec<_> = Vec::new();
    for key in &derived {
        changes.push(Changed::removed(&world.archive().join(key)));
    }
    fs::remove_dir_all(world.home().join(".local/state")).unwrap();
    let (code, report) = world.verify();
    let accused: BTreeSet<_> = accused(&report).into_iter().collect();
    assert_eq!((code, accused), (3, derived.into_iter().collect()));
    world.run(["rebuild"]).check(0, "the index of 15 documents");
    for change in &changes {
        change.check_mended();
    }
    world.check_intact(15);
}

#[test]
fn objects_in_each_others_place_are_found() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let objects = world.objects();
    let truths = objects.iter().filter(|key| judge.kind(key) == Kind::Truth);
    let truths: Vec<_> = truths.collect();
    let class = |key: &str| {
        (key.split('/').next().map(str::to_owned), key.rsplit('.').next().map(str::to_owned))
    };
    let mut swapped = 0;
    for (position, first) in truths.iter().enumerate() {
        for second in &truths[position + 1..] {
            // Objects of one kind only: two packs, two commits, two seals, two leaf lists.
            let commits = first.starts_with("log/seq") && second.starts_with("log/seq");
            let same_name = first.rsplit('/').next() == second.rsplit('/').next();
            let same_class = class(first) == class(second) && !first.starts_with("batches");
            if !(commits || same_name || (same_class && !first.starts_with("log/seq"))) {
                continue;
            }
            swapped += 1;
            let paths = [first, second].map(|key| world.archive().join(key));
            let bytes = paths.clone().map(|path| fs::read(path).unwrap());
            let changes = [(0, 1), (1, 0)]
                .map(|(at, other)| Changed::with(&paths[at], |it| it.clone_from(&bytes[other])));
            let (code, findings) = judge.verify(Scope::Full);
            let accused: BTreeSet<_> = objects_of(&findings).into_iter().collect();
            let wanted = BTreeSet::from([(*first).clone(), (*second).clone()]);
            assert_eq!((code, accused), (5, wanted));
            drop(changes);
        }
    }
    assert!(swapped > 10, "{swapped}");
}

#[test]
fn a_folder_in_place_of_an_object_is_found() {
    let world = archive_of_every_kind();
    let judge = Judge::of(&world);
    let newest = world.objects().into_iter().rfind(|key| key.starts_with("log/seq/")).unwrap();
    for key in world.objects() {
        let path = world.archive().join(&key);
        let removed = Changed::removed(&path);
        fs::create_dir(&path).unwrap();
        let (code, findings) = judge.verify(Scope::Presence);
        if key == newest {
            assert_eq!(code, 5);
            assert!(objects_of(&findings).contains(&key), "{findings:?}");
            assert_eq!(world.run(["verify"]).code, 5);
        } else {
            judge.check_told(&key, (code, &objects_of(&findings)), "a folder");
        }
        fs::remove_dir(&path).unwrap();
        drop(removed);
    }
    assert_eq!(judge.verify(Scope::Full), (0, Vec::new()));
}
