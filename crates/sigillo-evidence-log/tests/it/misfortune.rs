//! A clock that was wrong once, and objects that cannot be read: no damage, and no end of the audit.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use sigillo_model::{FindingCode, ObjectKey, Severity};

use crate::world::{Place, World, commit, faults};

/// Makes the file system fail at a file: a link in its place leads to a name that is too long.
fn make_unreadable(path: &Path) {
    fs::remove_file(path).unwrap();
    symlink("x".repeat(300), path).unwrap();
}

#[tokio::test]
async fn a_clock_that_was_wrong_once_damages_no_later_sealing() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    commit(&mut log, &[world.batch(1).await]).await;
    let right = sigillo_model::Clock::now(&world.clock);
    world.clock.advance(Duration::from_hours(80 * 365 * 24));
    commit(&mut log, &[world.batch(1).await]).await;
    world.clock.set(right);
    commit(&mut log, &[world.batch(1).await]).await;
    world.sealed(&mut log).await;
    let before = world.audit().await;
    assert_eq!(damage(&before.findings), [] as [&str; 0], "judged at the statement's time");
    assert_eq!(world.stamp(&mut log).await.waiting, 0);
    let after = world.audit().await;
    assert_eq!(damage(&after.findings), [] as [&str; 0], "judged at the time-stamp's time");
    assert!(after.findings.iter().any(|it| it.code == FindingCode::ClockDifference));
}

fn damage(findings: &[sigillo_model::Finding]) -> Vec<&str> {
    let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage);
    damage.map(|finding| finding.message.as_str()).collect()
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_is_audited() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    commit(&mut log, &[world.batch(2).await]).await;
    let body = world.sealed(&mut log).await.body;
    world.stamp(&mut log).await;
    let tile = world.keys_in_folder().into_iter().find(|it| it.as_str().ends_with("/0/000.p/8"));
    let unreadable = [ObjectKey::statement(body.sealing), tile.unwrap()];
    for key in &unreadable {
        make_unreadable(&world.file(key));
    }
    let audit = world.audit().await;
    let expected: Vec<_> = unreadable.iter().map(|key| ("F701", key.as_str())).collect();
    let mut found = faults(&audit);
    found.sort_by_key(|(_, object)| expected.iter().position(|it| it.1 == *object));
    assert_eq!(found, expected);
}
