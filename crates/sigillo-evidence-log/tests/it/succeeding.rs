//! A log that comes after another: what begins it, who vouches for it, what a crash leaves, and old
//! writers that go on.

use std::{fs, sync::Arc};

use jiff::SignedDuration;

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{
    ClockBehind, CommitFault, CommitOutcome, EVIDENCE_LINE, LogError, LogSummary, LogWriter,
    SucceededLog, SuccessionTerms, clock_behind, find_head, log_contains, plan_succession,
    read_checkpoint, read_view, rebuild_log, rotate_log_key, sign_succession_act, stamp_sealings,
    succeed_log, summarise, write_succession_act,
};
use sigillo_merkle::parse_signed_checkpoint;
use sigillo_model::{ErrorKind, LogTime, ObjectKey, SuccessionReason};
use sigillo_testkit::{Fault, FaultPlan};

use crate::world::{Place, World, commit, completed, faults, log_keys};

/// What a test does not say of a succession.
fn terms(reason: SuccessionReason) -> SuccessionTerms {
    SuccessionTerms {
        at: LogTime::new("2026-11-25T09:00:00Z".parse().unwrap()),
        checkpoint: None,
        clock_ahead: None,
        reason,
        words: "guasto del disco".to_owned(),
    }
}

/// Makes the keys of the next log, or opens them.
fn next_keys(world: &World, old: &KeyFolder) -> KeyFolder {
    let path = old.path().join("g2");
    KeyFolder::create_successor(
        &path,
        Some(old.path()),
        "Comune di Prova",
        &world.clock,
        &*world.entropy,
    )
    .unwrap()
}

/// Writes an act about the log as it is, and signs it as trial archives may.
async fn act(world: &World, keys: &KeyFolder, terms: SuccessionTerms) -> (Vec<u8>, Vec<u8>) {
    let archive = world.archive().await;
    let plan = plan_succession(&archive).await.unwrap();
    let at = terms.at;
    let new = (&log_keys(keys), keys.seal_pem());
    let act = write_succession_act(&archive, &plan, new, terms).unwrap();
    let signature = sign_succession_act(&keys.seal(), &act, at).unwrap();
    (act, signature)
}

/// Carries out an act; `old` signs for the new keys.
async fn carry_out(
    world: &World,
    (keys, old): (&KeyFolder, Option<&KeyFolder>),
    (act, signature): &(Vec<u8>, Vec<u8>),
) -> Result<SucceededLog, LogError> {
    let signers = (log_keys(keys), old.map(KeyFolder::log_signer));
    let clock = Arc::new(world.clock.clone());
    let given = (act.as_slice(), signature.as_slice());
    let archive = world.archive().await;
    succeed_log(archive, signers, given, &world.anchors(), clock, &*world.entropy).await
}

/// Succeeds the log of a world whose keys are all there; the world has the new keys from then on.
pub(crate) async fn succeeded(world: &mut World, reason: SuccessionReason) -> SucceededLog {
    succeeded_with(world, reason, None).await
}

/// Does the same where a checkpoint of the log is known.
pub(crate) async fn succeeded_with(
    world: &mut World,
    reason: SuccessionReason,
    checkpoint: Option<String>,
) -> SucceededLog {
    let old = world.keys.clone();
    let keys = next_keys(world, &old);
    let given = act(world, &keys, SuccessionTerms { checkpoint, ..terms(reason) }).await;
    let done = carry_out(world, (&keys, Some(&old)), &given).await.unwrap();
    world.keys = keys;
    done
}

/// An archive with five commits, the newest not sealed.
pub(crate) async fn archive(place: Place) -> World {
    let world = World::new(place).await;
    let mut log = world.writer().await;
    commit(&mut log, &[world.batch(2).await]).await;
    world.sealed(&mut log).await;
    world.stamp(&mut log).await;
    commit(&mut log, &[world.batch(1).await]).await;
    world
}

#[tokio::test]
async fn life_goes_on_in_the_next_log() {
    let mut world = archive(Place::Folder).await;
    let before = read_view(&world.archive().await).await.unwrap();
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    assert_eq!((done.commit, done.body.succession.size), (before.head + 1, before.size));
    let mut log = done.writer;
    assert_eq!((log.head(), log.size()), (before.head + 1, 2));
    let origin = format!("{}/g2", world.archive().await.description().origin);
    assert_eq!(done.checkpoint.lines().take(2).collect::<Vec<_>>(), [origin.as_str(), "2"]);
    for _ in 0..3 {
        commit(&mut log, &[world.batch(1).await]).await;
    }
    // The first sealing goes over the border.
    let sealed = world.sealed(&mut log).await;
    assert_eq!((sealed.body.number, sealed.batches), (2, 4));
    world.stamp(&mut log).await;
    drop(log);
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    assert!(audit.findings.iter().any(|it| it.code.code() == "F308"), "{:?}", audit.findings);
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    let archive = world.archive().await;
    archive.learn().await.unwrap();
    assert_eq!((archive.generation(), archive.origin()), (2, origin));
    let published = read_checkpoint(&archive).await.unwrap().unwrap();
    assert_eq!(published.head.size, log.size());
    assert!(world.file(&ObjectKey::checkpoint_of(2)).exists());
    assert!(log_contains(&archive, published.head).await.unwrap());
    let view = read_view(&archive).await.unwrap();
    assert_eq!((view.generation(), view.successions.len(), view.batches.len()), (2, 1, 5));
    let sum =
        summarise(&archive, LogSummary::default(), &[EVIDENCE_LINE.to_owned()]).await.unwrap();
    assert_eq!((sum.head, sum.size, sum.successions), (view.head, view.size, 1));
}

#[tokio::test]
async fn no_log_ends_before_what_is_in_it_by_a_clock_that_is_behind() {
    let (lost, exposed) = (SuccessionReason::TailLost, SuccessionReason::KeysExposed);
    // The last commit, or the last time-stamp with one behind it by a clock that was set back.
    for is_stamp in [false, true] {
        for (minutes, reason, is_refused) in [
            (-11, lost, true),
            (-11, SuccessionReason::CertificatesEnded, true),
            (-9, lost, false),
            (1, lost, false),
            // Others may have written it, and who knows when.
            (-11, exposed, false),
            (-11, SuccessionReason::LogForked, false),
        ] {
            let world = archive(Place::Folder).await;
            let now = sigillo_model::Clock::now(&world.clock);
            if is_stamp {
                let mut log = world.writer().await;
                world.sealed(&mut log).await;
                world.stamp(&mut log).await;
                world.clock.set(now - SignedDuration::from_hours(1));
                commit(&mut log, &[completed(1)]).await;
            }
            let keys = next_keys(&world, &world.keys);
            let given = act(&world, &keys, terms(reason)).await;
            world.clock.set(now + SignedDuration::from_mins(minutes));
            let before = find_head(world.archive().await.store(), 0).await.unwrap();
            let done = carry_out(&world, (&keys, Some(&world.keys)), &given).await;
            assert_eq!(done.is_err(), is_refused, "{minutes} {reason:?}");
            let Err(error) = done else { continue };
            assert!(error.to_string().contains("the clock is behind"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let after = find_head(world.archive().await.store(), 0).await.unwrap();
            assert_eq!(after, before, "nothing is written");
        }
    }
}

/// An archive whose last commit was made by a clock that was a year ahead, and what is of later than now.
async fn archive_ahead(reason: SuccessionReason) -> (World, ClockBehind) {
    let world = archive(Place::Memory).await;
    let now = sigillo_model::Clock::now(&world.clock);
    world.clock.set(now + SignedDuration::from_hours(24 * 365));
    commit(&mut world.writer().await, &[completed(1)]).await;
    world.clock.set(now);
    let behind = clock_behind(&world.archive().await, reason, now).await.unwrap().unwrap();
    assert_eq!((behind.what, behind.now), ("the last commit of the log", LogTime::new(now)));
    (world, behind)
}

#[tokio::test]
async fn a_log_ends_by_a_clock_that_the_act_says_to_be_right() {
    let reason = SuccessionReason::BackupRestored;
    let (world, behind) = archive_ahead(reason).await;
    let keys = next_keys(&world, &world.keys);
    // Words alone say nothing: they may be copied from another act.
    let words = format!("guasto\n\n{}.", behind.said_right());
    let clock_ahead = Some(behind.at);
    let day = SignedDuration::from_hours(24);
    let other = Some(LogTime::new(behind.at.timestamp() - day));
    for clock_ahead in [None, other] {
        let at = behind.now;
        let terms = SuccessionTerms { at, clock_ahead, words: words.clone(), ..terms(reason) };
        let given = act(&world, &keys, terms).await;
        let refused = carry_out(&world, (&keys, Some(&world.keys)), &given).await.err().unwrap();
        assert_eq!(refused.to_string(), behind.refused().to_string());
    }
    let at = behind.now;
    let said = act(&world, &keys, SuccessionTerms { at, clock_ahead, ..terms(reason) }).await;
    let done = carry_out(&world, (&keys, Some(&world.keys)), &said).await.unwrap();
    assert_eq!(done.body.succession.generation, 2);
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn no_log_ends_by_a_clock_that_is_behind_the_act_that_says_it_to_be_right() {
    let reason = SuccessionReason::BackupRestored;
    for (minutes, is_refused) in [(-700 * 24 * 60, true), (-11, true), (-9, false), (600, false)] {
        let (world, behind) = archive_ahead(reason).await;
        let (at, clock_ahead) = (behind.now, Some(behind.at));
        let keys = next_keys(&world, &world.keys);
        let given = act(&world, &keys, SuccessionTerms { at, clock_ahead, ..terms(reason) }).await;
        world.clock.set(at.timestamp() + SignedDuration::from_mins(minutes));
        let done = carry_out(&world, (&keys, Some(&world.keys)), &given).await;
        assert_eq!(done.is_err(), is_refused, "{minutes}");
        let Err(error) = done else { continue };
        assert!(error.to_string().contains("the clock is behind: the act is of"), "{error}");
    }
}

#[tokio::test]
async fn no_clock_is_behind_what_a_log_before_this_one_has() {
    let reason = SuccessionReason::CertificatesEnded;
    let mut world = archive(Place::Memory).await;
    let now = sigillo_model::Clock::now(&world.clock);
    let mut log = world.writer().await;
    world.clock.set(now + SignedDuration::from_hours(24));
    world.sealed(&mut log).await;
    world.stamp(&mut log).await;
    world.clock.set(now);
    commit(&mut log, &[completed(1)]).await;
    drop(log);
    let behind = async |world: &World| {
        let archive = world.archive().await;
        archive.learn().await.unwrap();
        clock_behind(&archive, reason, now).await.unwrap().map(|it| it.what)
    };
    assert_eq!(behind(&world).await, Some("the last time-stamp of the log"));
    succeeded(&mut world, SuccessionReason::KeysExposed).await;
    assert_eq!(behind(&world).await, None);
}

#[tokio::test]
async fn tiles_of_both_logs_are_written_anew_and_compared() {
    let mut world = archive(Place::Folder).await;
    let mut log = world.writer().await;
    commit(&mut log, &vec![completed(7); 300]).await;
    drop(log);
    let mut log = succeeded(&mut world, SuccessionReason::HashFunction).await.writer;
    commit(&mut log, &vec![completed(8); 600]).await;
    assert_eq!(faults(&world.audit().await), []);
    let tiles = |world: &World| {
        let keys = world.keys_in_folder().into_iter();
        keys.filter(|it| it.as_str().contains("/tile/")).collect::<Vec<_>>()
    };
    let written = tiles(&world);
    for key in ["log/tile/0/000", "log-2/tile/0/001"] {
        let key = ObjectKey::listed(key.to_owned());
        assert!(written.contains(&key), "{key} in {written:?}");
        fs::write(world.file(&key), "x").unwrap();
        assert_eq!(faults(&world.audit().await), [("F401", key.as_str())]);
        rebuild_log(&mut log, &mut |_, _| {}).await.unwrap();
        assert_eq!(faults(&world.audit().await), []);
    }
    // A writer begins from tiles of the new log, or without any.
    for key in tiles(&world) {
        fs::remove_file(world.file(&key)).unwrap();
    }
    drop(log);
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    rebuild_log(&mut log, &mut |_, _| {}).await.unwrap();
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn an_old_writer_is_fenced_and_old_keys_write_nothing() {
    let mut world = archive(Place::Folder).await;
    let old = world.keys.clone();
    let mut open = world.writer().await;
    let mut done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    let head = find_head(&world.store, 0).await.unwrap();
    let is_fenced = |error: &LogError| matches!(error, LogError::Succeeded { generation: 2, .. });
    for _ in 0..2 {
        let error = open.commit(&[completed(1)]).await.unwrap_err();
        assert!(is_fenced(&error), "{error}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let error = world.writer_with(&old).await.map(drop).unwrap_err();
    assert!(is_fenced(&error), "{error}");
    assert_eq!(find_head(&world.store, 0).await.unwrap(), head);
    commit(&mut done.writer, &[completed(2)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn who_learns_no_more_is_shown_no_other_log() {
    let mut world = archive(Place::Folder).await;
    let reader = world.archive().await;
    reader.learn().await.unwrap();
    reader.learn_no_more();
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    for result in [reader.commit(done.commit).await.map(drop), read_view(&reader).await.map(drop)] {
        let error = result.unwrap_err();
        assert!(matches!(error, LogError::Succeeded { generation: 2, .. }), "{error}");
    }
    assert_eq!(reader.generation(), 1);
    assert!(reader.commit(done.commit - 1).await.unwrap().is_some());
}

#[tokio::test]
async fn a_commit_of_the_old_log_behind_its_end_is_found() {
    let mut world = archive(Place::Folder).await;
    let mut open = world.writer().await;
    let lost = [9, 10].map(completed);
    let mut numbers = Vec::new();
    for entry in lost {
        numbers.push(commit(&mut open, &[entry]).await.number);
    }
    let second = world.read(&ObjectKey::commit(numbers[1])).await;
    // Both are lost, and the log goes on without them; then the second turns up again.
    for number in &numbers {
        fs::remove_file(world.file(&ObjectKey::commit(*number))).unwrap();
    }
    fs::remove_file(world.file(&ObjectKey::checkpoint())).unwrap();
    drop(open);
    let done = succeeded(&mut world, SuccessionReason::TailLost).await;
    assert_eq!(done.commit, numbers[0]);
    drop(done);
    let key = ObjectKey::commit(numbers[1]);
    fs::write(world.file(&key), &second).unwrap();
    assert_eq!(faults(&world.audit().await), [("F303", key.as_str())]);
    let reader = world.archive().await;
    reader.commit(numbers[0]).await.unwrap();
    let error = reader.commit(numbers[1]).await.unwrap_err();
    let fault = CommitFault::AfterEnd { generation: 1, last: numbers[0] - 1 };
    assert!(
        matches!(&error, LogError::CommitDamaged { fault: found, .. } if *found == fault),
        "{error}"
    );
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}

#[tokio::test]
async fn a_log_whose_newest_commits_are_lost_goes_on() {
    let mut world = archive(Place::Folder).await;
    let (mut log, old) = (world.writer().await, world.keys.clone());
    let lost = commit(&mut log, &[completed(1)]).await;
    drop(log);
    fs::remove_file(world.file(&ObjectKey::commit(lost.number))).unwrap();
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::Diverged { .. }), "{error}");
    let keys = next_keys(&world, &old);
    let mut terms = terms(SuccessionReason::TailLost);
    terms.checkpoint = Some(lost.checkpoint.clone());
    let given = act(&world, &keys, terms).await;
    let mut done = carry_out(&world, (&keys, Some(&old)), &given).await.unwrap();
    world.keys = keys;
    commit(&mut done.writer, &[completed(2)]).await;
    let audit = world.audit().await;
    // What the published checkpoint of the old log covers is lost, as the act says.
    assert_eq!(faults(&audit), []);
    let told = audit.findings.iter().find(|it| it.code.code() == "F308").unwrap();
    assert!(told.message.contains("2 entries that a checkpoint of it covers are lost"), "{told:?}");
}

#[tokio::test]
async fn lost_keys_are_followed_by_others_that_the_old_ones_do_not_vouch_for() {
    let mut world = archive(Place::Folder).await;
    let stranger = World::empty(Place::Memory);
    let keys = next_keys(&stranger, &stranger.keys);
    let given = act(&world, &keys, terms(SuccessionReason::KeysLost)).await;
    let done = carry_out(&world, (&keys, None), &given).await.unwrap();
    assert_eq!(done.body.signature, None);
    assert!(done.body.succession.seal.is_some());
    world.keys = keys;
    let mut log = done.writer;
    commit(&mut log, &[world.batch(1).await]).await;
    world.sealed(&mut log).await;
    let audit = world.audit().await;
    // Of the seals of before nobody here knows the anchor any more.
    assert!(faults(&audit).iter().all(|it| it.0 == "F602" || it.0 == "F603"), "{audit:?}");
}

#[tokio::test]
async fn the_key_of_the_next_log_rotates_by_itself() {
    let mut world = archive(Place::Folder).await;
    let mut log = world.writer().await;
    rotate_log_key(&mut log, &world.keys.log_signer()).await.unwrap();
    commit(&mut log, &[completed(1)]).await;
    drop(log);
    let mut log = succeeded(&mut world, SuccessionReason::KeysExposed).await.writer;
    let rotation = rotate_log_key(&mut log, &world.keys.log_signer()).await.unwrap();
    assert_eq!(rotation.number, 1);
    let after = commit(&mut log, &[world.batch(1).await]).await;
    parse_signed_checkpoint(after.checkpoint.as_bytes(), &rotation.new).unwrap();
    world.sealed(&mut log).await;
    drop(log);
    commit(&mut world.writer().await, &[completed(2)]).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn an_act_is_carried_out_once_and_only_on_the_log_it_is_about() {
    let mut world = archive(Place::Folder).await;
    let old = world.keys.clone();
    let keys = next_keys(&world, &old);
    let early = act(&world, &keys, terms(SuccessionReason::KeysExposed)).await;
    commit(&mut world.writer().await, &[completed(1)]).await;
    let refused = |error: LogError| match error {
        LogError::NoSuccession { what } => what,
        other => panic!("{other}"),
    };
    let error = carry_out(&world, (&keys, Some(&old)), &early).await.map(drop).unwrap_err();
    assert!(refused(error).contains("write the act again"));
    let given = act(&world, &keys, terms(SuccessionReason::KeysExposed)).await;
    // The signature of another act, other keys, a changed act.
    let mixed = (given.0.clone(), early.1.clone());
    let error = carry_out(&world, (&keys, Some(&old)), &mixed).await.map(drop).unwrap_err();
    assert!(refused(error).contains("does not cover the act"));
    let stranger = World::empty(Place::Memory);
    let theirs = (&stranger.keys, None);
    let error = carry_out(&world, theirs, &given).await.map(drop).unwrap_err();
    assert!(refused(error).contains("other keys"));
    let head = find_head(&world.store, 0).await.unwrap();
    assert_eq!(plan_succession(&world.archive().await).await.unwrap().last, head);

    let first = carry_out(&world, (&keys, Some(&old)), &given).await.unwrap();
    let again = carry_out(&world, (&keys, Some(&old)), &given).await.unwrap();
    assert_eq!((first.commit, first.body), (again.commit, again.body));
    assert_eq!(find_head(&world.store, 0).await.unwrap(), head + 1);
    let other = act(&world, &keys, terms(SuccessionReason::TailLost)).await;
    let error = carry_out(&world, (&keys, Some(&old)), &other).await.map(drop);
    assert!(error.is_err());
    world.keys = keys;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn of_two_that_succeed_a_log_at_once_one_does() {
    let mut world = archive(Place::Folder).await;
    let old = world.keys.clone();
    let keys = next_keys(&world, &old);
    let [one, two] = [SuccessionReason::KeysExposed, SuccessionReason::TailLost].map(terms);
    let [one, two] = [act(&world, &keys, one).await, act(&world, &keys, two).await];
    let done = (
        carry_out(&world, (&keys, Some(&old)), &one).await,
        carry_out(&world, (&keys, Some(&old)), &two).await,
    );
    assert!(done.0.is_ok() && matches!(done.1, Err(LogError::NoSuccession { .. })));
    drop(done);
    world.keys = keys;
    assert_eq!(faults(&world.audit().await), []);
}

/// Succeeds the log while a call of the store goes wrong, and sees that the same again completes it.
/// Returns whether the fault was reached.
async fn check_fault(number: u64, fault: Fault) -> bool {
    let mut world = archive(Place::Memory).await;
    let old = world.keys.clone();
    let keys = next_keys(&world, &old);
    let given = act(&world, &keys, terms(SuccessionReason::KeysExposed)).await;
    let (whole, faulty) = (world.store.clone(), FaultPlan::at(number, fault));
    world.store = faulty.wrap(&whole);
    let archive = sigillo_evidence_log::Archive::open(world.store.clone()).await;
    let first = match archive {
        Ok(_) => carry_out_or_none(&world, (&keys, &old), &given).await,
        Err(_) => None,
    };
    world.store = whole;
    let what = format!("call {number}, {fault:?}");
    let done = carry_out(&world, (&keys, Some(&old)), &given).await;
    let mut done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
    if let Some(first) = first {
        assert_eq!((first.commit, first.body), (done.commit, done.body.clone()), "{what}");
    }
    world.keys = keys;
    commit(&mut done.writer, &[world.batch(1).await]).await;
    world.sealed(&mut done.writer).await;
    assert_eq!(faults(&world.audit().await), [], "{what}");
    let view = read_view(&world.archive().await).await.unwrap();
    assert_eq!(view.successions.len(), 1, "{what}");
    faulty.struck()
}

async fn carry_out_or_none(
    world: &World,
    (keys, old): (&KeyFolder, &KeyFolder),
    (act, signature): &(Vec<u8>, Vec<u8>),
) -> Option<SucceededLog> {
    let archive = sigillo_evidence_log::Archive::open(world.store.clone()).await.ok()?;
    let signers = (log_keys(keys), Some(old.log_signer()));
    let clock = Arc::new(world.clock.clone());
    let given = (act.as_slice(), signature.as_slice());
    succeed_log(archive, signers, given, &world.anchors(), clock, &*world.entropy).await.ok()
}

#[tokio::test]
async fn whatever_call_goes_wrong_a_succession_is_there_or_is_completed() {
    for fault in Fault::ALL {
        let mut number = 1;
        while check_fault(number, fault).await {
            number += 1;
        }
        assert!(number > 15, "{number} calls only");
    }
}

#[tokio::test]
async fn a_writer_beside_a_succession_commits_before_it_or_is_fenced() {
    let mut world = archive(Place::Folder).await;
    let old = world.keys.clone();
    let mut open = world.writer().await;
    let keys = next_keys(&world, &old);
    let given = act(&world, &keys, terms(SuccessionReason::KeysExposed)).await;
    let taken = commit(&mut open, &[completed(1)]).await.number;
    let error = carry_out(&world, (&keys, Some(&old)), &given).await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::NoSuccession { .. }), "{error}");
    let given = act(&world, &keys, terms(SuccessionReason::KeysExposed)).await;
    let done = carry_out(&world, (&keys, Some(&old)), &given).await.unwrap();
    assert_eq!(done.commit, taken + 1);
    assert!(open.catch_up().await.is_err());
    world.keys = keys;
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_changed_act_or_signature_is_found() {
    for is_act in [true, false] {
        let mut world = archive(Place::Folder).await;
        let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
        let key = if is_act {
            ObjectKey::succession_act(2, done.body.act_sha256)
        } else {
            ObjectKey::succession_signature(2, done.body.signature_sha256)
        };
        drop(done);
        let mut bytes = world.read(&key).await.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(world.file(&key), &bytes).unwrap();
        assert_eq!(faults(&world.audit().await), [("F307", key.as_str())]);
        fs::remove_file(world.file(&key)).unwrap();
        assert_eq!(faults(&world.audit().await), [("F307", key.as_str())]);
    }
}

#[tokio::test]
async fn a_stamp_and_a_sealing_of_before_are_found_from_the_next_log() {
    let mut world = archive(Place::Memory).await;
    let mut log: LogWriter = succeeded(&mut world, SuccessionReason::KeysExposed).await.writer;
    world.sealed(&mut log).await;
    let authorities = world.authorities();
    let stamped =
        stamp_sealings(&mut log, EVIDENCE_LINE, &authorities, &world.clock, &*world.entropy)
            .await
            .unwrap();
    assert_eq!(stamped.stamped.len(), 1);
    let outcome = log.commit(&[completed(1)]).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
    assert_eq!(faults(&world.audit().await), []);
}
