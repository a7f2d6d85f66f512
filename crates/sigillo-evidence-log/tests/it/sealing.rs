//! Sealing and stamping with the keys and the authority of a trial.

use sigillo_authorities::Authorities;
use sigillo_ers::{
    Trust, list_value, pair_value, sealing_value, tree_root, verify_seal, verify_token,
};
use sigillo_evidence_log::{EVIDENCE_LINE, SealOutcome, read_view, stamp_sealings};
use sigillo_merkle::SignedNote;
use sigillo_model::{Entry, ObjectKey, Sha256Digest, Statement, parse_canonical};

use crate::world::{Place, World, commit, completed, faults};

#[tokio::test]
async fn batches_are_sealed_once_and_stamped_once() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let batches = [world.batch(3).await, world.batch(1).await];
    for batch in &batches {
        commit(&mut log, std::slice::from_ref(batch)).await;
    }
    let sealed = world.sealed(&mut log).await;
    assert_eq!((sealed.batches, sealed.documents), (2, 4));
    let place = (sealed.body.number, sealed.body.after, sealed.body.through);
    assert_eq!(place, (1, 0, 3));
    assert_eq!(log.sealed(), 3);
    assert_eq!(world.seal(&mut log).await.unwrap(), SealOutcome::NothingNew);
    let outcome = world.stamp(&mut log).await;
    assert_eq!((outcome.stamped.len(), outcome.waiting), (1, 0));
    assert!(outcome.stamped[0].trial);
    assert_eq!(world.stamp(&mut log).await.stamped, []);
    assert_eq!(world.seal(&mut log).await.unwrap(), SealOutcome::NothingNew);
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    let notes: Vec<_> = audit.findings.iter().map(|finding| finding.code.code()).collect();
    assert_eq!(notes, ["F604", "F507"]);
}

#[tokio::test]
async fn statement_seal_and_token_say_what_the_format_says() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    let Entry::BatchCommitted(batch) = world.batch(5).await else { unreachable!() };
    commit(&mut log, &[Entry::BatchCommitted(batch.clone())]).await;
    let body = world.sealed(&mut log).await.body;
    let stamped = world.stamp(&mut log).await.stamped.remove(0);

    let bytes = world.read(&ObjectKey::statement(body.sealing)).await;
    let statement_sha256 = Sha256Digest::of(&bytes);
    assert_eq!(statement_sha256, body.statement_sha256);
    let statement: Statement = parse_canonical(&bytes).unwrap();
    assert_eq!(statement.batches.len(), 1);
    assert_eq!(statement.batches[0].root, batch.root);
    let text = SignedNote::parse(statement.checkpoint.as_bytes()).unwrap().text;
    let root = tree_root(&[batch.root, Sha256Digest::of(text.as_bytes())]).unwrap();
    assert_eq!(root, body.root);

    let seal = world.read(&ObjectKey::seal(body.sealing)).await;
    let seal_sha256 = Sha256Digest::of(&seal);
    let at = "2026-11-25T08:00:00Z".parse().unwrap();
    let verified = verify_seal(&seal, statement_sha256, &world.anchors(), at).unwrap();
    assert!(matches!(verified.trust, Trust::Anchored { .. }) && verified.trial);

    let signed = list_value(&[statement_sha256, seal_sha256]).unwrap();
    let imprint = pair_value(root, signed);
    assert_eq!(imprint, sealing_value(&body));
    let key = ObjectKey::token(body.sealing, EVIDENCE_LINE, stamped.token_sha256);
    let token = verify_token(&world.read(&key).await, imprint, &world.anchors()).unwrap();
    assert_eq!(token.stamped_at.to_string(), stamped.stamped_at);
}

#[tokio::test]
async fn sealings_continue_each_other_also_from_another_process() {
    let world = World::new(Place::Memory).await;
    for round in 1..=3_u64 {
        let mut log = world.writer().await;
        let batch = world.batch(2).await;
        commit(&mut log, &[batch]).await;
        let mut other = world.writer().await;
        let sealed = world.sealed(&mut other).await;
        assert_eq!(sealed.body.number, round);
        assert_eq!(sealed.body.after, log.sealed());
        assert_eq!(sealed.body.through, log.head());
    }
    let mut log = world.writer().await;
    let outcome = world.stamp(&mut log).await;
    let numbers: Vec<_> = outcome.stamped.iter().map(|stamped| stamped.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(faults(&world.audit().await), []);
}

#[tokio::test]
async fn a_sealing_that_others_overtake_takes_them_in() {
    let world = World::new(Place::Memory).await;
    let (mut notary, mut ingester) = (world.writer().await, world.writer().await);
    commit(&mut ingester, &[world.batch(1).await]).await;
    commit(&mut ingester, &[world.batch(1).await]).await;
    let sealed = world.sealed(&mut notary).await;
    assert_eq!((sealed.batches, sealed.body.through), (2, 3));
    commit_after_loss(&mut ingester).await;
    // A submission alone is worth sealing, with no batch in the statement.
    let sealed = world.sealed(&mut notary).await;
    assert_eq!((sealed.batches, sealed.body.after, sealed.body.through), (0, 3, 5));
    assert_eq!(faults(&world.audit().await), []);
}

async fn commit_after_loss(log: &mut sigillo_evidence_log::LogWriter) {
    log.catch_up().await.unwrap();
    log.take_unseen();
    commit(log, &[completed(1)]).await;
}

#[tokio::test]
async fn without_an_authority_the_sealing_waits_and_nothing_is_lost() {
    let world = World::new(Place::Memory).await;
    let mut log = world.writer().await;
    commit(&mut log, &[world.batch(1).await]).await;
    world.sealed(&mut log).await;
    let nobody = Authorities::new(Vec::new(), world.anchors(), jiff::SignedDuration::ZERO);
    let head = log.head();
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let outcome = stamp_sealings(&mut log, EVIDENCE_LINE, &nobody, clock, entropy).await.unwrap();
    assert_eq!((outcome.stamped.len(), outcome.waiting), (0, 1));
    assert_eq!(log.head(), head);
    let audit = world.audit().await;
    assert_eq!(faults(&audit), []);
    assert!(audit.findings.iter().any(|finding| finding.code.code() == "F505"));
    assert_eq!(world.stamp(&mut log).await.stamped.len(), 1);
    assert!(read_view(&world.archive().await).await.unwrap().without_stamp().next().is_none());
}
