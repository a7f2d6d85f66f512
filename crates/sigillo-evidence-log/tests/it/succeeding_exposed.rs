//! Logs that ended because others have their keys, or where another end of them is known: what those make
//! harms nobody.

use std::fs;

use jiff::{SignedDuration, Timestamp};

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{AuditKnowledge, SeenLog, audit_log, rebuild_log};
use sigillo_model::{LogTime, ObjectKey, Sha256Digest, SuccessionReason};

use crate::{
    succeeding::{archive, succeeded, succeeded_with},
    world::{Place, World, commit, completed, faults},
};

/// Makes an archive of which a thief of its keys signed more than it has, and returns the checkpoint that
/// the archive published last, and that of the thief.
async fn robbed() -> (World, String, String) {
    let world = archive(Place::Folder).await;
    let own = world.read(&ObjectKey::checkpoint()).await;
    let mut log = world.writer().await;
    let theirs = commit(&mut log, &[completed(1)]).await;
    drop(log);
    fs::remove_file(world.file(&ObjectKey::commit(theirs.number))).unwrap();
    fs::write(world.file(&ObjectKey::checkpoint()), &own).unwrap();
    (world, String::from_utf8(own.to_vec()).unwrap(), theirs.checkpoint)
}

#[tokio::test]
async fn a_checkpoint_that_others_sign_for_a_log_that_ended_is_no_damage_and_is_replaced() {
    for reason in [SuccessionReason::KeysExposed, SuccessionReason::LogForked] {
        for is_known in [true, false] {
            let (mut world, own, theirs) = robbed().await;
            let done = succeeded_with(&mut world, reason, is_known.then(|| own.clone())).await;
            drop(done);
            assert_eq!(faults(&world.audit().await), []);
            let key = ObjectKey::checkpoint();
            fs::write(world.file(&key), &theirs).unwrap();
            // Without one that the act names there is nothing to replace it with.
            let told = [("F402", key.as_str())];
            let told: &[_] = if is_known { &told } else { &[] };
            assert_eq!(faults(&world.audit().await), told);
            rebuild_log(&mut world.writer().await, &mut |_, _| {}).await.unwrap();
            assert_eq!(faults(&world.audit().await), []);
            let left = if is_known { own } else { theirs };
            assert_eq!(world.read(&key).await, left.as_bytes());
        }
    }
    // Where nobody else may sign, it proves that commits were taken back.
    let (mut world, own, theirs) = robbed().await;
    drop(succeeded_with(&mut world, SuccessionReason::HashFunction, Some(own)).await);
    let key = ObjectKey::checkpoint();
    fs::write(world.file(&key), &theirs).unwrap();
    rebuild_log(&mut world.writer().await, &mut |_, _| {}).await.unwrap();
    assert_eq!(faults(&world.audit().await), [("F304", key.as_str())]);
}

#[tokio::test]
async fn so_it_is_where_a_later_log_was_exposed() {
    let (mut world, own, theirs) = robbed().await;
    let reason = SuccessionReason::CertificatesEnded;
    drop(succeeded_with(&mut world, reason, Some(own.clone())).await);
    let key = ObjectKey::checkpoint();
    fs::write(world.file(&key), &theirs).unwrap();
    assert_eq!(faults(&world.audit().await), [("F304", key.as_str())]);
    drop(succeeded(&mut world, SuccessionReason::KeysExposed).await);
    // Whoever knows which logs there are, as every command does that looks at an archive.
    let archive = world.archive().await;
    archive.learn().await.unwrap();
    let knowledge = AuditKnowledge {
        anchors: world.anchors(),
        log_key_trusted: true,
        ..AuditKnowledge::default()
    };
    let audit = audit_log(&archive, &knowledge, &mut |_, _| {}).await.unwrap();
    assert_eq!(faults(&audit), [("F402", key.as_str())]);
    rebuild_log(&mut world.writer().await, &mut |_, _| {}).await.unwrap();
    assert_eq!(world.read(&key).await, own.as_bytes());
    assert_eq!(faults(&world.audit().await), []);
}

/// Ends a log of which a commit says that it was made a year later, and returns the times of the next
/// log: that of its first commits, and when it is said to have begun.
async fn after_a_wrong_clock(reason: SuccessionReason) -> (World, [Timestamp; 3]) {
    let mut world = archive(Place::Folder).await;
    let now = sigillo_model::Clock::now(&world.clock);
    world.clock.set(now + SignedDuration::from_hours(24 * 365));
    commit(&mut world.writer().await, &[completed(1)]).await;
    world.clock.set(now);
    commit(&mut world.writer().await, &[completed(1)]).await;
    let mut done = succeeded(&mut world, reason).await;
    let second = commit(&mut done.writer, &[completed(2)]).await.number;
    let archive = world.archive().await;
    archive.learn().await.unwrap();
    let at = async |number| archive.existing_commit(number).await.unwrap().header.at.timestamp();
    let times = [at(done.commit).await, at(second).await];
    let begun = archive.succeeded_at(2).unwrap().timestamp();
    (world, [times[0], times[1], begun])
}

#[tokio::test]
async fn a_log_takes_no_time_from_one_that_others_may_have_written() {
    for (reason, is_carried) in [
        (SuccessionReason::KeysExposed, false),
        (SuccessionReason::LogForked, false),
        (SuccessionReason::TailLost, true),
    ] {
        let (world, [first, second, begun]) = after_a_wrong_clock(reason).await;
        let now = LogTime::new(sigillo_model::Clock::now(&world.clock)).timestamp();
        assert_eq!((first > now, second > now), (is_carried, is_carried), "{reason:?}");
        assert_eq!(begun, now, "{reason:?}");
        let audit = world.audit().await;
        assert_eq!(faults(&audit), [], "{reason:?}");
        let told = audit.findings.iter().find(|it| it.code.code() == "F308").unwrap();
        assert!(told.message.contains(&format!("began on {}", LogTime::new(now))), "{told:?}");
    }
}

#[tokio::test]
async fn a_log_that_ended_elsewhere_than_was_told_is_rewritten() {
    let mut world = archive(Place::Folder).await;
    let done = succeeded(&mut world, SuccessionReason::KeysLost).await;
    let terms = done.body.succession.clone();
    drop(done);
    let log = world.archive().await.log_keys_of(1).unwrap().first().clone();
    let told = async |size, root| {
        let ended = Some(SignedHead { size, root });
        let seen =
            SeenLog { generation: 1, log: log.clone(), heads: Vec::new(), believed: None, ended };
        let knowledge = AuditKnowledge {
            anchors: world.anchors(),
            log_key_trusted: true,
            seen_before: vec![seen],
            ..AuditKnowledge::default()
        };
        let audit = world.audit_of(knowledge).await;
        faults(&audit).into_iter().map(|it| it.0).collect::<Vec<_>>()
    };
    assert_eq!(told(terms.size, terms.root).await, [""; 0]);
    for (size, root) in [
        (terms.size - 1, terms.root),
        (terms.size + 1, terms.root),
        (terms.size, Sha256Digest::of(b"another history")),
    ] {
        assert_eq!(told(size, root).await, ["F304"]);
    }
}
