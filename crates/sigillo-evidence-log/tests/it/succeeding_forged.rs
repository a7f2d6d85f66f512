//! Logs that come after another as somebody would write them who can write to the store: whatever they
//! state, it is found, nothing panics and no reader goes round in circles.

use std::fs;

use rstest::rstest;

use sigillo_evidence_log::{CommitFault, LogAudit, LogError, rebuild_log};
use sigillo_merkle::{NoteSignature, SignedNote};
use sigillo_model::{
    CommitOpened, Entry, ErrorKind, LogSucceeded, ObjectKey, Sha256Digest, SuccessionReason,
};

use crate::{
    forging::line_of,
    succeeding::{archive, succeeded},
    world::{Place, World, commit, completed, faults},
};

/// Stores a commit of these entries, signed by the newest keys of a world.
async fn store(world: &World, header: CommitOpened, body: LogSucceeded) {
    let number = header.commit;
    let lines = [Entry::CommitOpened(header), Entry::LogSucceeded(Box::new(body))];
    let text = lines.iter().map(line_of).collect::<String>();
    let signature = world.keys.commit_signer().sign(text.as_bytes()).unwrap();
    let archive = world.archive().await;
    archive.learn().await.unwrap();
    let signature = NoteSignature::ed25519(&archive.commit_key(), signature.try_into().unwrap());
    let note = SignedNote::new(text, vec![signature]).unwrap();
    fs::write(world.file(&ObjectKey::commit(number)), note.to_bytes()).unwrap();
}

/// Puts another commit in the place of the one that began the new log.
async fn forged(change: impl Fn(&mut CommitOpened, &mut LogSucceeded)) -> World {
    let mut world = archive(Place::Folder).await;
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    let original = world.archive().await.existing_commit(done.commit).await.unwrap();
    drop(done.writer);
    let mut body = original.succession().unwrap().clone();
    let mut header = original.header.clone();
    change(&mut header, &mut body);
    store(&world, header, body).await;
    world
}

async fn forged_opening(change: impl Fn(&mut LogSucceeded)) -> World {
    forged(|_, body| change(body)).await
}

fn codes(audit: &LogAudit) -> Vec<&'static str> {
    faults(audit).into_iter().map(|it| it.0).collect()
}

#[tokio::test]
async fn a_succession_that_states_another_end_is_found() {
    let world = forged_opening(|body| body.succession.size += 1).await;
    assert!(codes(&world.audit().await).contains(&"F303"));
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}

#[tokio::test]
async fn a_succession_that_differs_from_its_act_is_found() {
    let world = forged_opening(|body| body.succession.reason = SuccessionReason::LogForked).await;
    assert!(codes(&world.audit().await).contains(&"F307"));
}

#[tokio::test]
async fn a_succession_that_the_old_key_did_not_sign_as_it_says_is_found() {
    let world = forged_opening(|body| body.signature = Some("\u{2014} x y".to_owned())).await;
    assert!(codes(&world.audit().await).contains(&"F307"));
}

#[tokio::test]
async fn a_succession_that_teaches_no_keys_stops_readers_and_writers() {
    let world = forged_opening(|body| body.succession.last -= 1).await;
    assert!(codes(&world.audit().await).contains(&"F302"));
    let error = world.try_writer().await.map(drop).unwrap_err();
    let opening =
        matches!(error, LogError::CommitDamaged { fault: CommitFault::Opening { .. }, .. });
    assert!(opening, "{error}");
}

/// What no log begins with.
#[rstest]
#[case::entries_before_it(&|header: &mut CommitOpened| header.first_leaf = 7, "F302")]
#[case::a_root(&|header: &mut CommitOpened| header.root = Sha256Digest::of(b"other"), "F302")]
#[case::a_rotation(&|header: &mut CommitOpened| header.rotated = Some(3), "F302")]
#[case::the_highest_epoch(&|header: &mut CommitOpened| header.epoch = (1 << 53) - 1, "F303")]
#[case::the_same_epoch(&|header: &mut CommitOpened| header.epoch -= 1, "F303")]
#[tokio::test]
async fn a_log_begins_with_nothing(#[case] change: &dyn Fn(&mut CommitOpened), #[case] code: &str) {
    let world = forged(|header, _| change(header)).await;
    assert!(codes(&world.audit().await).contains(&code));
    let error = world.try_writer().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
}

#[rstest]
#[tokio::test]
async fn a_log_begins_once(#[values(0, 1, 2, 3)] generation: u64) {
    let mut world = archive(Place::Folder).await;
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    let original = world.archive().await.existing_commit(done.commit).await.unwrap();
    drop(done.writer);
    let (mut header, mut body) = (original.header, done.body);
    header.commit += 1;
    header.succeeded = Some(header.commit);
    body.succession.generation = generation;
    let key = ObjectKey::commit(header.commit);
    store(&world, header, body).await;
    let audit = world.audit().await;
    assert!(faults(&audit).contains(&("F302", key.as_str())), "{:?}", audit.findings);
    assert_eq!(audit.view.successions.len(), 1);
    assert!(world.try_writer().await.is_err());
}

#[tokio::test]
async fn a_copy_of_what_the_old_log_published_stops_nobody() {
    let mut world = archive(Place::Folder).await;
    drop(succeeded(&mut world, SuccessionReason::KeysExposed).await);
    let old = world.read(&ObjectKey::checkpoint_of(1)).await;
    fs::write(world.file(&ObjectKey::checkpoint_of(2)), &old).unwrap();
    let found = world.audit().await;
    assert_eq!(faults(&found), [("F402", ObjectKey::checkpoint_of(2).as_str())]);
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    assert_eq!(faults(&world.audit().await), []);
    fs::write(world.file(&ObjectKey::checkpoint_of(2)), &old).unwrap();
    rebuild_log(&mut log, &mut |_, _| {}).await.unwrap();
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_checkpoint_of_a_log_that_no_commit_begins_is_told() {
    let mut world = archive(Place::Folder).await;
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    fs::remove_file(world.file(&ObjectKey::commit(done.commit))).unwrap();
    drop(done);
    let found = world.audit().await;
    assert_eq!(faults(&found), [("F608", ObjectKey::checkpoint_of(2).as_str())]);
}

#[tokio::test]
async fn a_report_is_given_where_the_opening_of_a_log_is_lost_and_the_one_before_had_two_keys() {
    let mut world = archive(Place::Folder).await;
    let mut log = world.writer().await;
    sigillo_evidence_log::rotate_log_key(&mut log, &world.keys.log_signer()).await.unwrap();
    commit(&mut log, &[completed(1)]).await;
    drop(log);
    let mut done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    commit(&mut done.writer, &[completed(2)]).await;
    fs::remove_file(world.file(&ObjectKey::commit(done.commit))).unwrap();
    let found = world.audit().await;
    assert!(codes(&found).contains(&"F301"), "{:?}", found.findings);
}
