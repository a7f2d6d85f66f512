//! Archives and statements of later programs: what is not known here is neither taken for what is
//! known, nor for damage.

use std::fs;

use rstest::rstest;

use sigillo_ers::{prepare_seal, tree_root};
use sigillo_evidence_log::{Archive, LogError, checkpoint_value};
use sigillo_model::{
    ArchiveCreated, BatchesSealed, Entry, ErrorKind, ObjectKey, SealedBatch, SealingId,
    Sha256Digest, Statement, Verdict, to_canonical,
};

use crate::{
    forging::{line_of, signed},
    world::{Place, World, commit, faults},
};

/// What is replaced in `archive.json`, and what the refusal says.
type Change = (&'static str, &'static str, &'static str);

const FORMAT: Change = (r#""format":1"#, r#""format":2"#, "format 2");
const ENCRYPTION: Change =
    (r#""encryption":"none""#, r#""encryption":"aes""#, r#"the encryption "aes""#);
const ADDRESS: Change = (r#""address":"blake3""#, r#""address":"sha3""#, r#"the algorithm "sha3""#);
const EVIDENCE: Change =
    (r#""evidence":"sha256""#, r#""evidence":"sha512""#, r#"the algorithm "sha512""#);

fn changed(text: &str, (from, to, _): Change) -> String {
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1)
}

/// Describes an archive anew, in `archive.json` and in its first and only commit, which is signed
/// again.
async fn describe(world: &World, change: impl FnOnce(String) -> String) {
    let commit = world.archive().await.existing_commit(1).await.unwrap();
    let file = world.file(&ObjectKey::archive());
    let text = change(fs::read_to_string(&file).unwrap());
    let lines = commit.entries.into_iter().map(|entry| match entry {
        Entry::ArchiveCreated(created) => {
            let archive_sha256 = Sha256Digest::of(text.as_bytes());
            line_of(&Entry::ArchiveCreated(ArchiveCreated { archive_sha256, ..created }))
        }
        entry => line_of(&entry),
    });
    let bytes = signed(world, &lines.collect::<Vec<_>>()).await;
    fs::write(world.file(&ObjectKey::commit(1)), bytes).unwrap();
    fs::write(file, text).unwrap();
}

#[rstest]
#[case(FORMAT)]
#[case(ENCRYPTION)]
#[case(ADDRESS)]
#[case(EVIDENCE)]
#[tokio::test]
async fn an_archive_of_a_later_program_is_refused_as_such(#[case] change: Change) {
    let world = World::new(Place::Folder).await;
    // An archive that is known, so that what is refused below is the change.
    describe(&world, |text| text).await;
    assert_eq!(faults(&world.audit().await), []);
    describe(&world, |text| changed(&text, change)).await;
    let error = Archive::open(world.store.clone()).await.unwrap_err();
    assert!(matches!(error, LogError::LaterProgram { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(change.2), "{error}");
}

#[rstest]
#[case(FORMAT)]
#[case(ENCRYPTION)]
#[case(ADDRESS)]
#[case(EVIDENCE)]
#[tokio::test]
async fn an_unknown_value_that_the_log_does_not_confirm_is_damage(#[case] change: Change) {
    let world = World::new(Place::Folder).await;
    let file = world.file(&ObjectKey::archive());
    let text = changed(&fs::read_to_string(&file).unwrap(), change);
    fs::write(&file, text).unwrap();
    let error = Archive::open(world.store.clone()).await.unwrap_err();
    assert!(matches!(error, LogError::BadDescription { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains(change.2), "{error}");
}

/// Seals a batch under a statement that was changed before it was signed, stamps it, and returns
/// the world and the key of the statement.
async fn sealed_with(change: &dyn Fn(Statement) -> Vec<u8>) -> (World, ObjectKey) {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let Entry::BatchCommitted(batch) = world.batch(3).await else { panic!("no batch") };
    let number = commit(&mut log, &[Entry::BatchCommitted(batch.clone())]).await.number;
    let sealing = SealingId::from_bytes([6; 16]);
    let statement = Statement {
        after: 0,
        at: log.now(),
        batches: vec![SealedBatch {
            batch: batch.batch,
            commit: number,
            documents: batch.documents,
            order_root: batch.order_root,
            root: batch.root,
        }],
        checkpoint: log.signed_checkpoint().await.unwrap(),
        format: 1,
        number: 1,
        policy: "none".to_owned(),
        profile: "plain".to_owned(),
        sealing,
        through: number,
    };
    let root = tree_root(&[batch.root, checkpoint_value(&statement).unwrap()]).unwrap();
    let at = statement.at.timestamp();
    let bytes = change(statement);
    let statement_sha256 = Sha256Digest::of(&bytes);
    let key = world.keys.seal();
    let prepared = prepare_seal(statement_sha256, &key.certificate_der, &key.chain, at).unwrap();
    let signature = key.signer.sign(prepared.to_sign()).unwrap();
    let seal = prepared.finish(&signature);
    let seal_sha256 = Sha256Digest::of(&seal);
    let objects = [(ObjectKey::statement(sealing), bytes), (ObjectKey::seal(sealing), seal)];
    for (key, bytes) in objects {
        world.store.create(&key, bytes.into()).await.unwrap();
    }
    let body = BatchesSealed {
        after: 0,
        number: 1,
        root,
        seal_sha256,
        sealing,
        statement_sha256,
        through: number,
    };
    commit(&mut log, &[Entry::BatchesSealed(body)]).await;
    assert_eq!(world.stamp(&mut log).await.stamped.len(), 1);
    (world, ObjectKey::statement(sealing))
}

#[tokio::test]
async fn a_statement_as_this_program_writes_it_is_no_fault() {
    let (world, _) = sealed_with(&|statement| to_canonical(&statement)).await;
    assert_eq!(faults(&world.audit().await), []);
}

#[rstest]
#[case::format(&|statement| to_canonical(&Statement { format: 2, ..statement }))]
#[case::format_of_another_shape(&|_| br#"{"format":2}"#.to_vec())]
#[case::profile(&|it| to_canonical(&Statement { profile: "renewed".to_owned(), ..it }))]
#[tokio::test]
async fn a_statement_of_a_later_program_cannot_be_told(
    #[case] change: &dyn Fn(Statement) -> Vec<u8>,
) {
    let (world, key) = sealed_with(change).await;
    let audit = world.audit().await;
    let found = faults(&audit);
    assert!(found.contains(&("F509", key.as_str())), "{:?}", audit.findings);
    // Nor what its time-stamp covers.
    assert!(found.iter().all(|fault| fault.0 == "F509") && found.len() == 2, "{found:?}");
    assert_eq!(Verdict::of(&audit.findings), Verdict::CannotTell);
}

#[tokio::test]
async fn a_statement_under_an_unknown_policy_cannot_be_told_but_is_compared() {
    let under = |policy: &str, statement| {
        to_canonical(&Statement { policy: policy.to_owned(), ..statement })
    };
    let (world, key) = sealed_with(&|statement| under("2027", statement)).await;
    assert_eq!(faults(&world.audit().await), [("F509", key.as_str())]);
    let (world, key) =
        sealed_with(&|it| under("2027", Statement { batches: Vec::new(), ..it })).await;
    let audit = world.audit().await;
    assert_eq!(faults(&audit), [("F509", key.as_str()), ("F504", key.as_str())]);
}

#[tokio::test]
async fn a_statement_of_this_format_that_cannot_be_read_is_damaged() {
    let (world, key) = sealed_with(&|_| br#"{"format":1}"#.to_vec()).await;
    assert_eq!(faults(&world.audit().await), [("F501", key.as_str())]);
}
