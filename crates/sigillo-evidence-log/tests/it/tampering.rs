//! What an audit says when an object of an archive is damaged, missing or taken back: the expected
//! code, the object, and nothing else.

use std::fs;

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{
    Archive, AuditKnowledge, LogAudit, LogError, SeenHead, SeenLog, audit_log, rebuild_log,
};
use sigillo_model::{ErrorKind, FindingCode, LogTime, ObjectKey, Verdict};

use crate::world::{Place, World, commit, completed, faults};

/// An archive in a folder with two sealings, both stamped, and commits before, between and after.
async fn archive() -> World {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for round in 1..=2 {
        commit(&mut log, &[world.batch(3).await]).await;
        commit(&mut log, &[world.batch(2).await, completed(round)]).await;
        world.sealed(&mut log).await;
        assert_eq!(world.stamp(&mut log).await.stamped.len(), 1);
        commit(&mut log, &[completed(10 + round)]).await;
    }
    assert_eq!(faults(&world.audit().await), []);
    world
}

/// The code an audit must give for a damaged object, `None` for what the log does not protect or
/// what `custody` reads.
fn expected_code(key: &str) -> Option<&'static str> {
    let name = key.rsplit('/').next().unwrap();
    match key.split('/').next().unwrap() {
        "log" if key.starts_with("log/seq/") => Some("F302"),
        "log" if key.starts_with("log/tile/") => Some("F401"),
        "log" => Some("F402"),
        "sealings" if name == "statement.json" => Some("F501"),
        "sealings" if name == "seal.p7s" => Some("F502"),
        "sealings" => Some("F503"),
        "batches" | "README.txt" => None,
        other => panic!("{other} is a folder that no row is about"),
    }
}

/// Tells whether a partial tile or bundle has a wider successor, so that no audit compares it.
fn is_superseded(world: &World, key: &ObjectKey) -> bool {
    let Some((folder, width)) = key.as_str().split_once(".p/") else { return false };
    let width_in_folder = |other: ObjectKey| -> Option<u64> {
        other.as_str().strip_prefix(folder)?.strip_prefix(".p/")?.parse().ok()
    };
    let width = width.parse().unwrap();
    world.keys_in_folder().into_iter().filter_map(width_in_folder).any(|other| other > width)
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_found_and_named() {
    let world = archive().await;
    let (mut objects, mut flips) = (0, 0);
    for key in world.keys_in_folder() {
        if key.as_str() == "archive.json" || is_superseded(&world, &key) {
            continue;
        }
        let expected: Vec<_> =
            expected_code(key.as_str()).map(|code| (code, key.as_str())).into_iter().collect();
        objects += 1;
        let file = world.file(&key);
        let good = fs::read(&file).unwrap();
        let length = good.len();
        for position in
            [0, 1, length / 3, length / 2, length.saturating_sub(70), length - 2, length - 1]
        {
            let mut damaged = good.clone();
            damaged[position.min(length - 1)] ^= 0x04;
            fs::write(&file, &damaged).unwrap();
            let audit = world.audit().await;
            assert_eq!(faults(&audit), expected, "byte {position} of {key}");
            flips += 1;
        }
        fs::write(&file, good).unwrap();
    }
    assert!(objects > 20 && flips == 7 * objects, "{objects} objects, {flips} flips");
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn an_added_or_missing_last_byte_is_found_and_named() {
    let world = archive().await;
    for key in world.keys_in_folder() {
        let Some(code) = expected_of(&world, &key) else { continue };
        let file = world.file(&key);
        let good = fs::read(&file).unwrap();
        for damaged in [[&good[..], b"\n"].concat(), good[..good.len() - 1].to_vec(), Vec::new()] {
            fs::write(&file, &damaged).unwrap();
            let (audit, length) = (world.audit().await, damaged.len());
            assert_eq!(faults(&audit), [(code, key.as_str())], "{length} bytes of {key}");
        }
        fs::write(&file, good).unwrap();
    }
}

fn expected_of(world: &World, key: &ObjectKey) -> Option<&'static str> {
    if key.as_str() == "archive.json" || is_superseded(world, key) {
        return None;
    }
    expected_code(key.as_str())
}

#[tokio::test]
async fn a_missing_object_is_found_and_named() {
    let world = archive().await;
    let head = world.writer().await.head();
    for key in world.keys_in_folder() {
        // That the newest commit is missing shows in what was signed over it; see below.
        let Some(code) = expected_of(&world, &key).filter(|_| key != ObjectKey::commit(head))
        else {
            continue;
        };
        let code = if code == "F302" { "F301" } else { code };
        let file = world.file(&key);
        let good = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(faults(&world.audit().await), [(code, key.as_str())], "{key}");
        fs::write(&file, good).unwrap();
    }
}

#[tokio::test]
async fn a_changed_description_is_no_archive_or_not_the_one_of_the_log() {
    let world = archive().await;
    let file = world.file(&ObjectKey::archive());
    let good = fs::read(&file).unwrap();
    let (mut refused, mut found) = (0, 0);
    for position in 0..good.len() {
        let mut damaged = good.clone();
        damaged[position] ^= 0x01;
        fs::write(&file, &damaged).unwrap();
        match Archive::open(world.store.clone()).await {
            Err(LogError::BadDescription { .. }) => refused += 1,
            Err(error) => panic!("byte {position}: {error}"),
            // Too many positions to audit each one.
            Ok(_) if position % 7 != 0 => {}
            Ok(_) => {
                let audit = world.audit().await;
                assert!(faults(&audit).contains(&("F206", "archive.json")), "byte {position}");
                found += 1;
            }
        }
    }
    assert!(refused > 100 && found > 10, "{refused} refused, {found} found");
}

#[tokio::test]
async fn a_missing_commit_without_its_published_copy_leaves_the_tree_unknown() {
    let world = archive().await;
    fs::remove_file(world.file(&ObjectKey::commit(3))).unwrap();
    fs::remove_dir_all(world.file(&ObjectKey::tile("tile/entries"))).unwrap();
    let audit = world.audit().await;
    let found = faults(&audit);
    assert!(found.contains(&("F301", "log/seq/00000000000000000003")), "{found:?}");
    assert!(found.contains(&("F701", "log/tile")), "{found:?}");
    assert!(audit.head.is_none());
    assert_eq!(Verdict::of(&audit.findings), Verdict::Damaged);
}

fn head_of(audit: &LogAudit) -> SignedHead {
    audit.head.unwrap()
}

#[tokio::test]
async fn commits_taken_back_show_in_the_published_checkpoint() {
    let world = archive().await;
    let head = world.writer().await.head();
    fs::remove_file(world.file(&ObjectKey::commit(head))).unwrap();
    assert_eq!(faults(&world.audit().await), [("F304", "log/checkpoint")]);
}

#[tokio::test]
async fn a_commit_that_comes_while_an_audit_is_under_way_is_no_fault() {
    let world = archive().await;
    let head = world.writer().await.head();
    let newest = world.file(&ObjectKey::commit(head));
    let bytes = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    let (archive, anchors) = (world.archive().await, world.anchors());
    let knowledge = AuditKnowledge {
        anchors,
        log_key_trusted: true,
        seen: None,
        seen_before: Vec::new(),
        time: None,
    };
    let mut arrives = |number, of| {
        assert_eq!(of, head - 1);
        if number == of {
            fs::write(&newest, &bytes).unwrap();
        }
    };
    let audit = audit_log(&archive, &knowledge, &mut arrives).await.unwrap();
    assert_eq!(faults(&audit), []);
    assert_eq!(audit.view.head, head - 1);
}

#[tokio::test]
async fn a_log_that_went_another_way_shows_in_the_published_checkpoint() {
    let world = World::new(Place::Folder).await;
    let restored = world.copy_of_keys();
    commit(&mut world.writer().await, &[completed(1)]).await;
    let published = fs::read(world.file(&ObjectKey::checkpoint())).unwrap();
    fs::remove_file(world.file(&ObjectKey::commit(2))).unwrap();
    fs::remove_file(world.file(&ObjectKey::checkpoint())).unwrap();
    let mut fork = world.writer_with(&restored).await.unwrap();
    for number in 2..4 {
        commit(&mut fork, &[completed(number)]).await;
        // Of the same size the first time, of an earlier one the second.
        let newest = fs::read(world.file(&ObjectKey::checkpoint())).unwrap();
        fs::write(world.file(&ObjectKey::checkpoint()), &published).unwrap();
        assert_eq!(faults(&world.audit().await), [("F304", "log/checkpoint")], "{number}");
        fs::write(world.file(&ObjectKey::checkpoint()), newest).unwrap();
        assert_eq!(faults(&world.audit().await), []);
    }
}

#[tokio::test]
async fn commits_taken_back_with_all_their_copies_show_to_whoever_saw_them() {
    let world = archive().await;
    let seen = head_of(&world.audit().await);
    assert_eq!(faults(&world.audit_with(Some(seen)).await), []);
    let head = world.writer().await.head();
    fs::remove_file(world.file(&ObjectKey::commit(head))).unwrap();
    fs::remove_file(world.file(&ObjectKey::checkpoint())).unwrap();
    assert_eq!(faults(&world.audit().await), [("F402", "log/checkpoint")]);
    let found = world.audit_with(Some(seen)).await;
    assert!(faults(&found).contains(&("F304", "log/seq")));
    let other = SignedHead { size: seen.size - 2, ..seen };
    assert!(faults(&world.audit_with(Some(other)).await).contains(&("F304", "log/seq")));
}

#[tokio::test]
async fn what_was_met_in_a_file_is_told_with_its_name_and_both_that_it_can_mean() {
    let world = archive().await;
    let head = head_of(&world.audit().await);
    let log = world.archive().await.log_keys().first().clone();
    let told = async |head| {
        let at = Some(LogTime::new("2026-11-25T08:00:00Z".parse().unwrap()));
        let heads = vec![SeenHead { head, at, met_in: Some("fascicolo.zip".to_owned()) }];
        let (log, believed, ended) = (log.clone(), None, None);
        let audit = world
            .audit_of(AuditKnowledge {
                anchors: world.anchors(),
                log_key_trusted: true,
                seen_before: vec![SeenLog { generation: 1, log, heads, believed, ended }],
                ..AuditKnowledge::default()
            })
            .await;
        let codes = audit.findings.iter().map(|it| it.code.code());
        assert!(!codes.clone().any(|it| it == "F604"), "{:?}", audit.findings);
        audit.findings.into_iter().find(|it| it.code == FindingCode::LogRolledBack)
    };
    assert_eq!(told(head).await, None);
    let finding = told(SignedHead { size: head.size + 30, ..head }).await.unwrap();
    let said =
        ["met in fascicolo.zip on 2026-11-25T08:00:00Z", "rolled back", "--reason keys-exposed"];
    for said in said {
        assert!(finding.message.contains(said), "{finding:?}");
    }
}

#[tokio::test]
async fn what_was_seen_of_a_commit_that_is_damaged_now_is_still_known() {
    let world = archive().await;
    let archive = world.archive().await;
    let mut seen = Vec::new();
    for number in [4, 5, 6] {
        let header = archive.existing_commit(number).await.unwrap().header;
        seen.push(SignedHead { size: header.first_leaf, root: header.root });
    }
    for number in [4, 5] {
        fs::write(world.file(&ObjectKey::commit(number)), b"damaged").unwrap();
    }
    let damaged = ["log/seq/00000000000000000004", "log/seq/00000000000000000005"];
    for seen in seen {
        let audit = world.audit_with(Some(seen)).await;
        assert_eq!(faults(&audit), damaged.map(|key| ("F302", key)), "{}", seen.size);
    }
}

#[tokio::test]
async fn copies_larger_than_any_can_be_are_damaged_and_stop_nobody() {
    let world = archive().await;
    let (size, head) = {
        let log = world.writer().await;
        (log.size(), log.head())
    };
    let newest = world.archive().await.existing_commit(head).await.unwrap().header;
    let widths = [newest.first_leaf, size];
    let tiles = widths.map(|width| format!("tile/0/000.p/{width}"));
    let bundles = widths.map(|width| format!("tile/entries/000.p/{width}"));
    let mut keys: Vec<_> = tiles.iter().chain(&bundles).map(|path| ObjectKey::tile(path)).collect();
    keys.push(ObjectKey::checkpoint());
    for key in &keys {
        let file = fs::File::options().write(true).open(world.file(key)).unwrap();
        file.set_len(17 << 20).unwrap();
    }
    let found = [(1, "F401"), (3, "F401"), (4, "F402")];
    let audit = world.audit().await;
    assert_eq!(faults(&audit), found.map(|(at, code)| (code, keys[at].as_str())));
    // Also where a commit can only be known from its published lines.
    let good = fs::read(world.file(&ObjectKey::commit(head))).unwrap();
    fs::write(world.file(&ObjectKey::commit(head)), b"damaged").unwrap();
    let audit = world.audit().await;
    assert!(faults(&audit).contains(&("F302", ObjectKey::commit(head).as_str())));
    assert!(audit.head.is_none());
    fs::write(world.file(&ObjectKey::commit(head)), good).unwrap();
    let mut log = world.writer().await;
    assert_eq!((log.size(), log.head()), (size, head));
    commit(&mut log, &[completed(1)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_changed_description_shows_although_the_first_commit_is_damaged_too() {
    let world = archive().await;
    let key = ObjectKey::archive();
    let text = fs::read_to_string(world.file(&key)).unwrap();
    fs::write(world.file(&key), text.replace("Comune di Prova", "Comune di Frode")).unwrap();
    fs::write(world.file(&ObjectKey::commit(1)), b"damaged").unwrap();
    let audit = world.audit().await;
    let commit = ObjectKey::commit(1);
    assert_eq!(faults(&audit), [("F302", commit.as_str()), ("F206", "archive.json")]);
}

#[tokio::test]
async fn rebuilding_mends_every_derived_object() {
    let world = archive().await;
    fs::remove_dir_all(world.file(&ObjectKey::tile("tile"))).unwrap();
    fs::write(world.file(&ObjectKey::checkpoint()), b"nothing").unwrap();
    let codes: Vec<_> = faults(&world.audit().await).iter().map(|fault| fault.0).collect();
    assert_eq!(codes, ["F401", "F401", "F402"]);
    let mut log = world.writer().await;
    fs::remove_dir_all(world.file(&ObjectKey::tile("tile"))).unwrap();
    let head = log.head();
    let mut told = Vec::new();
    rebuild_log(&mut log, &mut |number, of| told.push((number, of))).await.unwrap();
    assert_eq!(told.last(), Some(&(head, head)));
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_folder_in_place_of_an_object_is_damage_of_that_object() {
    let world = archive().await;
    let head = world.writer().await.head();
    for key in world.keys_in_folder() {
        let Some(code) = expected_of(&world, &key) else { continue };
        let file = world.file(&key);
        let good = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let audit = world.audit().await;
        assert!(faults(&audit).contains(&(code, key.as_str())), "{key}: {:?}", audit.findings);
        if key != ObjectKey::commit(head) {
            assert_eq!(faults(&audit), [(code, key.as_str())], "{key}");
        }
        fs::remove_dir(&file).unwrap();
        fs::write(&file, good).unwrap();
    }
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn no_writer_goes_past_a_folder_in_place_of_a_commit() {
    let world = archive().await;
    let head = world.writer().await.head();
    for number in [head, head + 1] {
        let file = world.file(&ObjectKey::commit(number));
        let good = fs::read(&file).ok();
        drop(fs::remove_file(&file));
        fs::create_dir(&file).unwrap();
        let error = world.try_writer().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{number}: {error}");
        fs::remove_dir(&file).unwrap();
        if let Some(good) = good {
            fs::write(&file, good).unwrap();
        }
    }
    assert_eq!(faults(&world.audit().await), []);
}
