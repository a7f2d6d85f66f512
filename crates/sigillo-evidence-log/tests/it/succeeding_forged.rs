//! Logs that come after another as somebody would write them who can write to the store: whatever they
//! state, it is found, nothing panics and no reader goes round in circles.

use std::fs;

use rstest::rstest;

use sigillo_evidence_log::{CommitFault, LogAudit, LogError, rebuild_log, rotate_log_key};
use sigillo_merkle::{NoteSignature, SignedNote};
use sigillo_model::{
    CommitOpened, Entry, ErrorKind, LogSucceeded, LogTime, ObjectKey, Sha256Digest,
    SuccessionReason,
};

use crate::{
    forging::{line_of, next_lines, signed},
    succeeding::{archive, succeeded, succeeded_with},
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
#[case::a_later_epoch(&|header: &mut CommitOpened| header.epoch += 1, "F303")]
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
    rotate_log_key(&mut log, &world.keys.log_signer()).await.unwrap();
    commit(&mut log, &[completed(1)]).await;
    drop(log);
    let mut done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    commit(&mut done.writer, &[completed(2)]).await;
    fs::remove_file(world.file(&ObjectKey::commit(done.commit))).unwrap();
    let found = world.audit().await;
    assert!(codes(&found).contains(&"F301"), "{:?}", found.findings);
}

#[rstest]
#[case(2, 4)]
#[case(3, 4)]
#[case(64, 3)]
#[tokio::test]
async fn a_commit_that_says_to_be_of_a_log_that_no_commit_begins_is_damage(
    #[case] generation: u64,
    #[case] succeeded: u64,
) {
    let world = archive(Place::Folder).await;
    let key = ObjectKey::commit(5);
    let text = String::from_utf8(world.read(&key).await.to_vec()).unwrap();
    let stated = format!("\"generation\":{generation},");
    let text = text.replacen("\"generation\":1,", &stated, 1);
    let stated = format!(",\"succeeded\":{succeeded},\"type\":\"commit.opened\"");
    let text = text.replacen(",\"type\":\"commit.opened\"", &stated, 1);
    fs::write(world.file(&key), text).unwrap();
    let audit = world.audit().await;
    assert!(faults(&audit).contains(&("F302", key.as_str())), "{:?}", audit.findings);
}

#[tokio::test]
async fn whoever_had_the_old_keys_cannot_use_up_epochs_or_time() {
    let mut world = archive(Place::Folder).await;
    let lines = next_lines(&world, &[]).await;
    let Ok(Entry::CommitOpened(mut header)) = Entry::parse_line(lines[0].trim_end().as_bytes())
    else {
        panic!("no header");
    };
    let number = header.commit;
    header.epoch = (1 << 53) - 1;
    header.clock = LogTime::new("2060-01-01T00:00:00Z".parse().unwrap());
    header.at = header.clock;
    let bytes = signed(&world, &[line_of(&Entry::CommitOpened(header))]).await;
    fs::write(world.file(&ObjectKey::commit(number)), bytes).unwrap();
    // What could not be read again takes no number.
    let error = world.writer().await.raise_epoch().await.map(drop).unwrap_err();
    assert!(matches!(error, LogError::Entries { .. }), "{error}");
    assert!(!world.file(&ObjectKey::commit(number + 1)).exists());
    let mut log = succeeded(&mut world, SuccessionReason::KeysExposed).await.writer;
    commit(&mut log, &[completed(1)]).await;
    log.raise_epoch().await.unwrap();
    assert_eq!(faults(&world.audit().await), []);
}

#[rstest]
#[tokio::test]
async fn commits_of_the_old_keys_behind_the_newest_do_not_hide_the_log(
    #[values(1, 2, 3, 40)] strays: u64,
) {
    let mut world = archive(Place::Folder).await;
    let lines = next_lines(&world, &[]).await;
    let old = world.keys.clone();
    let done = succeeded(&mut world, SuccessionReason::KeysExposed).await;
    drop(done.writer);
    let new = std::mem::replace(&mut world.keys, old);
    let from = format!("\"commit\":{},", done.commit);
    for number in done.commit + 1..=done.commit + strays {
        // Signed anew, as the old key can.
        let line = lines[0].replace(&from, &format!("\"commit\":{number},"));
        let bytes = signed(&world, &[line]).await;
        fs::write(world.file(&ObjectKey::commit(number)), bytes).unwrap();
    }
    world.keys = new;
    let reader = world.archive().await;
    let error = reader.learn().await.unwrap_err();
    assert_eq!((reader.generation(), error.kind()), (2, ErrorKind::Integrity), "{error}");
    // Nor where nothing is published of it, for who knows that there is one.
    fs::remove_file(world.file(&ObjectKey::checkpoint_of(2))).unwrap();
    let reader = world.archive().await;
    assert!(reader.learn_hidden().await.is_err());
    assert_eq!(reader.generation(), 2);
}

#[tokio::test]
async fn a_checkpoint_by_a_key_that_is_lost_with_the_entries_that_name_it_is_no_damage() {
    let mut world = archive(Place::Folder).await;
    let mut log = world.writer().await;
    let first = log.head() + 1;
    rotate_log_key(&mut log, &world.keys.log_signer()).await.unwrap();
    let last = commit(&mut log, &[completed(1)]).await;
    drop(log);
    for number in first..=last.number {
        fs::remove_file(world.file(&ObjectKey::commit(number))).unwrap();
    }
    succeeded_with(&mut world, SuccessionReason::TailLost, Some(last.checkpoint)).await;
    assert_eq!(faults(&world.audit().await), []);
}
