//! Controls: harnesses and writers that are wrong on purpose. Each must be caught, for a check that
//! finds nothing in them finds nothing at all.

use std::{cell::RefCell, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use sigillo_authorities::{KeyFolder, SignedHead};
use sigillo_evidence_log::{LogError, LogWriter};
use sigillo_merkle::{
    Checkpoint, NoteSignature, SignedNote, TreeHash, VerifierKey, leaf_hash, root_of,
};
use sigillo_model::{
    BatchCommitted, BatchId, CommitOpened, Entry, LogTime, ObjectKey, Sha256Digest, SubmissionId,
    WriterId,
};
use sigillo_simulator::{
    Actor, ActorFuture, Gate, LogTemplate, LogWorld,
    checker::{
        Invariant, Outside, ReplayedLog, Snapshot, Violation, check, check_log, packed, replay,
    },
    run_to_end,
};
use sigillo_store::{
    BackendError, CreateAnswer, CreateOutcome, ListedObject, ObjectBackend, Store,
};
use sigillo_testkit::{Durability, Fault, FaultPlan};

use crate::support::{documents, template_of};

/// The first commit after the making of an archive.
const FIRST_BATCH: &str = "log/seq/00000000000000000002";

/// The first batch that an ingest commits in a new archive, after it said what it received.
const FIRST_INGESTED: &str = "log/seq/00000000000000000003";

fn count(violations: &[Violation], invariant: Invariant) -> usize {
    let count = violations.iter().filter(|it| it.invariant == invariant).count();
    println!("{invariant:?}: {count} of {} violations", violations.len());
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fsync_a_power_cut_takes_what_was_acknowledged() {
    for (durability, caught) in [(Durability::OnAnswer, false), (Durability::OnFlush, true)] {
        let template = template_of(durability, &documents()).await;
        let mut world = template.world(1).unwrap();
        world.run(&FaultPlan::none(), 0).await.unwrap();
        assert_eq!(check(&world.snapshot(), world.outside()), []);
        world.backend().power_cut();
        let violations = check(&world.snapshot(), world.outside());
        let lost = count(&violations, Invariant::AcknowledgedVerifies);
        assert_eq!(lost >= documents().len(), caught, "{durability:?}");
        assert_eq!(count(&violations, Invariant::LogExtends) > 0, caught, "{durability:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledging_what_is_only_in_a_pack_is_caught() {
    let template = template_of(Durability::OnAnswer, &documents()).await;
    let whole = FaultPlan::none();
    template.world(1).unwrap().run(&whole, 0).await.unwrap();
    let trace = whole.trace();
    let commit = trace.iter().find(|it| it.operation == "create" && it.key == FIRST_INGESTED);
    let commit = commit.unwrap().number;
    for (fault, early, caught) in [
        (Fault::Crashes, true, true),
        (Fault::Crashes, false, false),
        (Fault::CrashesAfter, true, false),
    ] {
        let mut world = template.world(1).unwrap();
        world.run(&FaultPlan::at(commit, fault), 0).await.unwrap_err();
        if early {
            let packed = packed(&world.snapshot());
            assert_eq!(packed.len(), documents().len());
            world.outside_mut().documents.extend(packed);
        }
        let violations = world.finish_and_check().await.unwrap();
        let lost = count(&violations, Invariant::AcknowledgedVerifies);
        assert_eq!(lost >= documents().len(), caught, "{fault:?}, early: {early}");
        assert_eq!(violations.is_empty(), !caught, "{fault:?}, early: {early}");
    }
}

/// Lets somebody win a race for commit 2 and die before signing, while `loser`, whose store says
/// that it won, waits to create the same number; then the loser goes on.
fn lose_the_race<'a>(world: &'a LogWorld, gate: &Gate, loser: ActorFuture<'a>) {
    let mut loser = Actor::new("loser", gate.clone(), loser);
    while gate.first_waiting().is_none_or(|call| call != format!("create {FIRST_BATCH}")) {
        assert!(!loser.step(), "the loser never creates a commit");
    }
    let winning = Gate::default();
    let mut log = writer(world, winning.wrap(&world.backend().store()), 1);
    let commit = async move { drop(log.commit(&[Entry::BatchCommitted(batch(1))]).await) };
    let mut winner = Actor::new("winner", winning.clone(), Box::pin(commit));
    while winning.first_waiting().is_none_or(|call| call != format!("read {FIRST_BATCH}")) {
        assert!(!winner.step(), "the winner never reads back");
    }
    drop(winner);
    while !loser.step() {}
}

#[test]
fn without_reading_back_a_lost_race_is_signed_and_acknowledged() {
    let world = LogTemplate::make(0).unwrap().world().unwrap();
    let (gate, told) = (Gate::default(), RefCell::new(Outside::default()));
    let store = gate.wrap(&lying(&world));
    let careless = CarelessWriter::open(&world, store);
    let commit = async {
        let (commit, body, checkpoint) = careless.commit(Entry::BatchCommitted(batch(2))).await;
        told.borrow_mut().batches.push((commit, body));
        told.borrow_mut().checkpoints.insert(checkpoint);
    };
    lose_the_race(&world, &gate, Box::pin(commit));
    let outside = told.into_inner();
    assert_eq!(outside.batches.len(), 1, "it was acknowledged");
    let violations = check(&Snapshot::from_objects(world.backend().objects()), &outside);
    assert!(count(&violations, Invariant::LogExtends) > 0);
    assert!(count(&violations, Invariant::AcknowledgedVerifies) > 0);
}

#[test]
fn the_real_writer_reads_back_and_neither_signs_nor_acknowledges() {
    let world = LogTemplate::make(0).unwrap().world().unwrap();
    let (gate, told) = (Gate::default(), RefCell::new(None));
    let mut log = writer(&world, gate.wrap(&lying(&world)), 2);
    let before = world.memory().unwrap();
    let commit = async {
        let outcome = log.commit(&[Entry::BatchCommitted(batch(2))]).await;
        *told.borrow_mut() = Some(outcome);
    };
    lose_the_race(&world, &gate, Box::pin(commit));
    let outcome = told.into_inner();
    assert!(matches!(outcome, Some(Err(LogError::ReadBack { .. }))), "{outcome:?}");
    assert_eq!(world.memory().unwrap(), before, "it signed");
    let signed = world.keys().unwrap().log_signer().last_signed().unwrap();
    let outside = Outside { signed: signed.into_iter().collect(), ..Outside::default() };
    let mut violations = Vec::new();
    check_log(&Snapshot::from_objects(world.backend().objects()), &outside, &mut violations);
    assert_eq!(violations, []);
}

fn writer(world: &LogWorld, store: Store, seed: u64) -> LogWriter {
    run_to_end(world.writer(store, &world.keys().unwrap(), seed)).unwrap()
}

fn batch(actor: u8) -> BatchCommitted {
    let digest = Sha256Digest::of(&[actor]);
    BatchCommitted {
        batch: BatchId::from_bytes([actor; 16]),
        documents: 1,
        leaves_sha256: digest,
        order_root: digest,
        packs_sha256: digest,
        root: digest,
        submission: SubmissionId::from_bytes([actor; 16]),
    }
}

fn lying(world: &LogWorld) -> Store {
    let (inner, packs) = world.backend().store().parts();
    Store::from_parts(Arc::new(LyingBackend { inner }), packs)
}

/// Answers "created" to a create of a commit that somebody else's bytes already have.
#[derive(Debug)]
struct LyingBackend {
    inner: Arc<dyn ObjectBackend>,
}

#[async_trait]
impl ObjectBackend for LyingBackend {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        self.inner.create(key, bytes).await.map(|_| CreateAnswer::Created)
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.inner.replace(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        self.inner.read(key, bytes_max).await
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        self.inner.read_range(key, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        self.inner.size(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        self.inner.list(prefix, count_max).await
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.settle(key).await
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.remove_derived(key).await
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }
}

/// The steps of the real writer, but for one: it does not read back what it created.
#[derive(Debug)]
struct CarelessWriter {
    store: Store,
    keys: KeyFolder,
    log: ReplayedLog,
    previous: Sha256Digest,
    commit_key: VerifierKey,
}

impl CarelessWriter {
    fn open(world: &LogWorld, store: Store) -> Self {
        let snapshot = Snapshot::from_objects(world.backend().objects());
        let log = replay(&snapshot, &mut Vec::new());
        let keys = world.keys().unwrap();
        let public_key = keys.commit_signer().public_key().try_into().unwrap();
        let commit_key = VerifierKey::new_ed25519(format!("{}/commit", log.origin), public_key);
        let previous = snapshot.get(ObjectKey::commit(log.head).as_str()).unwrap();
        let previous = Sha256Digest::of(previous);
        Self { store, keys, log, previous, commit_key: commit_key.unwrap() }
    }

    /// Commits one entry; returns the commit, the entry and the checkpoint that acknowledge it.
    async fn commit(&self, entry: Entry) -> (u64, serde_json::Value, String) {
        let (size, number) = (self.log.leaves.len() as u64, self.log.head + 1);
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        let root = self.log.root_at(size).unwrap();
        let header = Entry::CommitOpened(CommitOpened {
            at,
            clock: at,
            commit: number,
            epoch: 1,
            first_leaf: size,
            generation: 1,
            previous: Some(self.previous),
            root: Sha256Digest::from_bytes(*root.as_bytes()),
            rotated: None,
            sealed: 0,
            succeeded: None,
            writer: WriterId::from_bytes([2; 16]),
        });
        let lines = [header.to_line().unwrap(), entry.to_line().unwrap()];
        let text = String::from_utf8([&lines[0][..], &lines[1], b""].join(&b'\n')).unwrap();
        let signature = self.keys.commit_signer().sign(text.as_bytes()).unwrap();
        let (name, id) = (self.commit_key.name().to_owned(), self.commit_key.id());
        let note = SignedNote::new(text, vec![NoteSignature { name, id, signature }]).unwrap();
        let bytes = Bytes::from(note.to_bytes());
        let created = self.store.create(&ObjectKey::commit(number), bytes).await.unwrap();
        assert_eq!(created, CreateOutcome::Created);
        // Here the real writer reads back.
        let mut leaves = self.log.leaves.clone();
        leaves.extend(lines.iter().map(|line| leaf_hash(line)));
        let checkpoint = self.checkpoint(leaves.len() as u64, root_of(leaves));
        (number, serde_json::from_slice(&lines[1]).unwrap(), checkpoint)
    }

    fn checkpoint(&self, size: u64, root: TreeHash) -> String {
        let text = Checkpoint { origin: self.log.origin.clone(), size, root }.to_text();
        let head = SignedHead { size, root: Sha256Digest::from_bytes(*root.as_bytes()) };
        // What was signed last is the head that it opened.
        let before = self.log.leaves.len() as u64;
        let signed =
            self.keys.log_signer().sign(head, text.as_bytes(), &mut |last| last.size == before);
        let signature = NoteSignature::ed25519(self.log.log_key.as_ref().unwrap(), signed.unwrap());
        let note = SignedNote { text, signatures: vec![signature] };
        String::from_utf8(note.to_bytes()).unwrap()
    }
}
