//! Receipts from an archive in memory with real keys: whole submissions with what was there before,
//! completed after sealing, and refused where the archive does not bear them out.

use std::sync::Arc;

use jiff::SignedDuration;
use tempfile::TempDir;
use tokio::runtime::Handle;

use sigillo_authorities::{Authorities, KeyFolder};
use sigillo_custody::{GiveReceiptError, GivenReceipt, ReceiptLog, ReceiptMaker, ReceiptOf};
use sigillo_ers::{AlgorithmTable, TrustAnchors, pem_blocks, tree_root, version_id};
use sigillo_evidence_log::{
    Archive, CommitOutcome, EVIDENCE_LINE, LogKeys, LogWriter, NewArchive, SealOutcome, Sealer,
    SuccessionTerms, ToldRevocations, plan_succession, read_view, sign_succession_act,
    stamp_sealings, succeed_log, write_succession_act,
};
use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{
    BatchCommitted, BatchId, Entity, Entropy as _, Entry, ErrorKind, Finding, ListedPack, LogTime,
    ObjectKey, PackList, Severity, Sha256Digest, SubmissionCompleted, SubmissionId,
    SubmissionReceived, SuccessionReason, Verdict, VersionId, to_canonical,
};
use sigillo_proof::{
    RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_LOGS as SEVERAL, Receipt, ReceiptCheck, ReceiptTrust,
    check_receipt,
};
use sigillo_store::{
    ReadPool, Store,
    pack::{PackWriter, SegmentEntry, entry_name, record_name},
};
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::export::{add, record};

pub(crate) const FIRST: SubmissionId = SubmissionId::from_bytes([1; 16]);
const SECOND: SubmissionId = SubmissionId::from_bytes([2; 16]);

pub(crate) struct World {
    _folder: TempDir,
    keys: KeyFolder,
    pub(crate) clock: ManualClock,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) archive: Archive,
    pub(crate) log: LogWriter,
    pub(crate) reads: ReadPool,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting("2026-11-25T08:00:00Z");
        let entropy = Arc::new(SeededEntropy::new(1));
        let place = folder.path().join("keys");
        let keys = KeyFolder::create(&place, "Comune di Prova", &clock, &*entropy).unwrap();
        let new = NewArchive {
            entity: Entity { ipa: None, name: "Comune di Prova".to_owned() },
            commit_key: keys.commit_signer().public_key().try_into().unwrap(),
            log_key: keys.log_signer().public_key(),
            seal_pem: keys.seal_pem().to_owned(),
            trial: true,
        };
        let store = Store::memory(Handle::current());
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        let archive = new.create(store, at, &*entropy).await.unwrap();
        let log_keys = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        let log = LogWriter::open(archive.clone(), log_keys, Arc::new(clock.clone()), &*entropy, 0);
        let log = log.await.unwrap();
        let reads = ReadPool::start().unwrap();
        Self { _folder: folder, keys, clock, entropy, archive, log, reads }
    }

    async fn commit(&mut self, entry: Entry) {
        let outcome = self.log.commit(&[entry]).await.unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }

    /// Commits a batch with a pack for each of these numbers of documents.
    pub(crate) async fn batch(&mut self, submission: SubmissionId, packs: &[u8]) -> Vec<VersionId> {
        let (mut versions, mut listed) = (Vec::new(), Vec::new());
        for count in packs {
            // No document is archived twice.
            let source = BatchId::random(&*self.entropy).to_string();
            let (pack, in_it) = self.pack(&source, *count).await;
            listed.push(pack);
            versions.extend(in_it);
        }
        let batch = BatchId::random(&*self.entropy);
        let leaves: Vec<u8> = versions.iter().flat_map(|it| *it.as_bytes()).collect();
        let list = to_canonical(&PackList { format: 1, packs: listed });
        let digests: Vec<_> =
            versions.iter().map(|it| Sha256Digest::from_bytes(*it.as_bytes())).collect();
        let order = root_of(versions.iter().map(|it| leaf_hash(it.as_bytes())));
        let body = BatchCommitted {
            batch,
            documents: u32::try_from(versions.len()).unwrap(),
            leaves_sha256: Sha256Digest::of(&leaves),
            order_root: Sha256Digest::from_bytes(*order.as_bytes()),
            packs_sha256: Sha256Digest::of(&list),
            root: tree_root(&digests).unwrap(),
            submission,
        };
        self.put(ObjectKey::leaves(batch), leaves).await;
        self.put(ObjectKey::pack_list(batch), list).await;
        self.commit(Entry::BatchCommitted(body)).await;
        versions
    }

    async fn pack(&self, source: &str, count: u8) -> (ListedPack, Vec<VersionId>) {
        let (mut segment, mut entries, mut versions) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let content = format!("{source} {number}").into_bytes();
            let sha256 = Sha256Digest::of(&content);
            let record = record(source, number, sha256, content.len() as u64).to_json();
            let version = version_id(Sha256Digest::of(&record), &[sha256]);
            add(&mut segment, &mut entries, entry_name(version, 1, None), &content);
            add(&mut segment, &mut entries, record_name(version), &record);
            versions.push(version);
        }
        let sink = Arc::clone(self.archive.store().packs());
        let entries: Vec<SegmentEntry> = entries;
        let mut attempt = [0; 16];
        self.entropy.fill(&mut attempt);
        let closed = self.reads.run(move || {
            let mut writer = PackWriter::begin(&*sink, attempt, None).unwrap();
            writer.add_segment(&segment, &entries).unwrap();
            writer.finish().unwrap()
        });
        let name = closed.await.unwrap().name;
        let size = self.archive.store().size(&ObjectKey::pack(name)).await.unwrap();
        (ListedPack { documents: count.into(), name, size }, versions)
    }

    async fn put(&self, key: ObjectKey, bytes: Vec<u8>) {
        self.archive.store().create(&key, bytes.into()).await.unwrap();
    }

    async fn receive(&mut self, submission: SubmissionId, received: u64) {
        let received_sha256 = Sha256Digest::of(b"received");
        let body = SubmissionReceived { received, received_sha256, submission };
        self.commit(Entry::SubmissionReceived(body)).await;
    }

    /// Ends a submission that had these documents already.
    pub(crate) async fn end(
        &mut self,
        submission: SubmissionId,
        archived: u64,
        already: &[VersionId],
    ) {
        let report = to_canonical(&serde_json::json!({
            "already_versions": already, "format": 1, "received_at": "2026-11-25T08:00:00Z",
            "refusals": [], "source": "atti", "submission": submission,
        }));
        let report_sha256 = Sha256Digest::of(&report);
        self.put(ObjectKey::submission_report(submission), report).await;
        self.commit(Entry::SubmissionCompleted(SubmissionCompleted {
            aggregations: 0,
            already: already.len() as u64,
            archived,
            pending: 0,
            received: archived + already.len() as u64,
            refused: 0,
            report_sha256,
            submission,
        }))
        .await;
    }

    pub(crate) async fn seal(&mut self) {
        let key = self.keys.seal();
        let sealer = Sealer { key: &key, entropy: &*self.entropy };
        let outcome = sealer.seal(&mut self.log).await.unwrap();
        assert!(matches!(outcome, SealOutcome::Sealed(_)));
        self.stamp_on(EVIDENCE_LINE).await;
    }

    async fn stamp_on(&mut self, line: &str) {
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::clone(&self.entropy));
        let trial = self.keys.trial_authority(clock, entropy);
        let list: Vec<Arc<dyn sigillo_authorities::TimeStampAuthority>> = vec![Arc::new(trial)];
        let asked = Authorities::new(list, self.anchors(), SignedDuration::from_mins(1));
        let (clock, entropy) = (&self.clock, &*self.entropy);
        let stamped = stamp_sealings(&mut self.log, line, &asked, clock, entropy).await;
        assert_eq!(stamped.unwrap().waiting, 0);
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::new();
        for der in pem_blocks(self.keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            anchors.add_der("trial root", &der).unwrap();
        }
        anchors
    }

    /// Lets another log begin, as if the keys of the old one were lost unless they are to sign for it.
    async fn succeed(&mut self, vouched: bool) {
        let reason =
            if vouched { SuccessionReason::CertificatesEnded } else { SuccessionReason::KeysLost };
        self.succeed_for(reason, vouched).await;
    }

    async fn succeed_for(&mut self, reason: SuccessionReason, vouched: bool) {
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::clone(&self.entropy));
        let (old, entity) = (self.keys.path().to_owned(), "Comune di Prova");
        let keys =
            KeyFolder::create_successor(&old.join("g2"), Some(&old), entity, &*clock, &*entropy);
        let keys = keys.unwrap();
        let signers = || LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        let at = LogTime::new("2026-11-25T09:00:00Z".parse().unwrap());
        let words = "furto".to_owned();
        let terms = SuccessionTerms { at, checkpoint: None, clock_ahead: None, reason, words };
        let plan = plan_succession(&self.archive).await.unwrap();
        let new = (&signers(), keys.seal_pem());
        let act = write_succession_act(&self.archive, &plan, new, terms).unwrap();
        let signature = sign_succession_act(&keys.seal(), &act, at).unwrap();
        let with = (signers(), vouched.then(|| self.keys.log_signer()));
        let (archive, given) = (self.archive.clone(), (act.as_slice(), signature.as_slice()));
        let done = succeed_log(archive, with, given, &self.anchors(), clock, &*entropy).await;
        (self.log, self.keys) = (done.unwrap().writer, keys);
    }

    async fn give(&self, of: ReceiptOf) -> Result<Receipt, GiveReceiptError> {
        self.give_by(of, &self.anchors()).await.map(|it| it.receipt)
    }

    async fn give_by(
        &self,
        of: ReceiptOf,
        anchors: &TrustAnchors,
    ) -> Result<GivenReceipt, GiveReceiptError> {
        let log = ReceiptLog::read_for_receipts(&self.archive).await?;
        let (archive, log, reads) = (&self.archive, &log, &self.reads);
        let (told, algorithms) = (&ToldRevocations::default(), &algorithms());
        let at = sigillo_model::Clock::now(&self.clock);
        let maker = ReceiptMaker { archive, log, reads, told, anchors, algorithms, at };
        maker.make(&of).await
    }

    async fn refresh(&self, older: &Receipt) -> Result<Receipt, GiveReceiptError> {
        let log = ReceiptLog::read_for_receipts(&self.archive).await?;
        let (archive, log, reads) = (&self.archive, &log, &self.reads);
        let (told, anchors) = (&ToldRevocations::default(), &self.anchors());
        let (at, algorithms) = (sigillo_model::Clock::now(&self.clock), &algorithms());
        let maker = ReceiptMaker { archive, log, reads, told, anchors, algorithms, at };
        maker.refresh(older).await.map(|it| it.receipt)
    }

    fn check(&self, receipt: &Receipt) -> ReceiptCheck {
        // Who knows the first log, and no other.
        let log = self.archive.log_keys_of(1);
        let trust = ReceiptTrust { log, anchors: self.anchors(), ..ReceiptTrust::default() };
        check_receipt(&Receipt::parse(&receipt.to_json()).unwrap(), &trust, &[])
    }
}

/// SHA-256 and ECDSA hold for ever.
fn algorithms() -> AlgorithmTable {
    let table = "source = \"made up\"\nissued = \"2026-01-01\"\n[[hash]]\nname = \"SHA-256\"\n\
                 [[signature]]\nscheme = \"ecdsa\"\nbits_min = 256";
    AlgorithmTable::from_toml(table).unwrap()
}

#[track_caller]
fn check_intact(check: &ReceiptCheck, documents: u64, codes: &[&str]) {
    let found: Vec<_> = check.findings.iter().map(|it| it.code.code()).collect();
    assert_eq!((check.verdict, check.documents), (Verdict::Intact, documents), "{check:?}");
    assert_eq!(found, codes);
}

#[tokio::test]
async fn a_submissions_receipt_has_what_was_there_before_and_is_completed_later() {
    let mut world = World::new().await;
    let before = world.batch(FIRST, &[5]).await;
    world.end(FIRST, 5, &[]).await;
    world.seal().await;
    world.receive(SECOND, 72).await;
    let own = world.batch(SECOND, &[40, 30]).await;
    world.end(SECOND, 70, &[before[1], before[4]]).await;
    let older = world.give(ReceiptOf::Submission(SECOND)).await.unwrap();
    check_intact(&world.check(&older), 72, &["F506", "F507", "F605"]);
    assert!(older.batches[0].leaves.is_none() && older.batches[0].sealed.is_some());
    assert!(older.batches[1].leaves.is_some() && older.batches[1].sealed.is_none());
    let listed: Vec<_> = older.documents.iter().map(|it| it.version_id).collect();
    assert_eq!(listed, [&[before[1], before[4]], &own[..]].concat());

    world.seal().await;
    let newer = world.refresh(&older).await.unwrap();
    check_intact(&world.check(&newer), 72, &["F507", "F605"]);
    assert_eq!(newer.documents, older.documents);
    assert_eq!(newer.sealings.len(), 2);
    assert_eq!(world.give(ReceiptOf::Submission(SECOND)).await.unwrap(), newer);
}

#[tokio::test]
async fn single_versions_have_proofs_of_their_own() {
    let mut world = World::new().await;
    let versions = world.batch(FIRST, &[100, 3]).await;
    let asked = vec![versions[102], versions[0], versions[57]];
    let receipt = world.give(ReceiptOf::Versions(asked)).await.unwrap();
    check_intact(&world.check(&receipt), 3, &["F506", "F507", "F605"]);
    assert_eq!((receipt.submission.as_ref(), receipt.batches.len()), (None, 1));
    let places: Vec<_> = receipt.documents.iter().map(|it| it.leaf_index).collect();
    assert_eq!(places, [0, 57, 102]);
}

#[tokio::test]
async fn a_submission_that_was_cut_short_has_a_receipt_too() {
    let mut world = World::new().await;
    world.receive(FIRST, 4).await;
    world.batch(FIRST, &[2]).await;
    let receipt = world.give(ReceiptOf::Submission(FIRST)).await.unwrap();
    check_intact(&world.check(&receipt), 2, &["F506", "F507", "F605", "F810"]);
    world.batch(FIRST, &[1, 1]).await;
    world.end(FIRST, 4, &[]).await;
    let newer = world.refresh(&receipt).await.unwrap();
    check_intact(&world.check(&newer), 4, &["F506", "F507", "F605"]);
}

#[tokio::test]
async fn of_a_lost_line_it_is_said_whether_another_one_holds_in_its_place() {
    let mut world = World::new().await;
    let versions = world.batch(FIRST, &[2]).await;
    world.end(FIRST, 2, &[]).await;
    world.seal().await;
    world.stamp_on("plain-sha256-other").await;
    let view = read_view(&world.archive).await.unwrap();
    let body = &view.stamp_of(1, EVIDENCE_LINE).unwrap().body;
    let key = ObjectKey::token(body.sealing, &body.line, body.token_sha256);
    world.archive.store().parts().0.replace(&key, "lost".into()).await.unwrap();
    let (believed, nobody) = (world.anchors(), TrustAnchors::new());
    let said = async |world: &World, anchors| {
        let mut all = Vec::new();
        for of in [ReceiptOf::Versions(versions.clone()), ReceiptOf::Submission(FIRST)] {
            let mut given = world.give_by(of, anchors).await.unwrap().findings;
            assert_eq!((given.len(), given[0].code.code()), (1, "F516"), "{given:?}");
            let Finding { severity, message, .. } = given.remove(0);
            all.push((
                severity,
                message.contains("prove it alone"),
                message.contains("none holds"),
            ));
        }
        assert_eq!(all[0], all[1]);
        all[0]
    };
    assert_eq!(said(&world, &believed).await, (Severity::Note, true, false));
    assert_eq!(said(&world, &nobody).await, (Severity::CannotTell, false, true));
    world.clock.advance(std::time::Duration::from_hours(24 * 3_660));
    assert_eq!(said(&world, &believed).await, (Severity::CannotTell, false, true));
}

#[tokio::test]
async fn what_the_archive_does_not_have_has_no_receipt() {
    let mut world = World::new().await;
    world.batch(FIRST, &[2]).await;
    let error = world.give(ReceiptOf::Submission(SECOND)).await.unwrap_err();
    assert!(matches!(error, GiveReceiptError::NoSubmission { .. }));
    let version = VersionId::from_bytes([9; 32]);
    let error = world.give(ReceiptOf::Versions(vec![version])).await.unwrap_err();
    assert!(matches!(error, GiveReceiptError::NoVersion { .. }));
}

#[tokio::test]
async fn nothing_is_given_that_the_published_checkpoint_does_not_cover() {
    let mut world = World::new().await;
    world.batch(FIRST, &[1]).await;
    let (store, key) = (world.archive.store().clone(), ObjectKey::checkpoint());
    let older = store.read(&key, u64::MAX).await.unwrap();
    let versions = world.batch(SECOND, &[1]).await;
    let newer = world.give(ReceiptOf::Versions(versions.clone())).await.unwrap();
    store.replace_derived(&key, older).await.unwrap();
    for of in [ReceiptOf::Submission(SECOND), ReceiptOf::Versions(versions)] {
        let error = world.give(of).await.unwrap_err();
        assert!(matches!(error, GiveReceiptError::NotCovered { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Transient);
    }
    let error = world.refresh(&newer).await.unwrap_err();
    assert!(matches!(error, GiveReceiptError::LogDiffers { .. }), "{error:?}");
    store.replace_derived(&key, "nonsense".into()).await.unwrap();
    let error = world.give(ReceiptOf::Submission(FIRST)).await.unwrap_err();
    assert!(matches!(error, GiveReceiptError::Checkpoint { .. }), "{error:?}");
}

#[tokio::test]
async fn a_receipt_is_completed_over_the_border_of_two_logs() {
    for vouched in [true, false] {
        let mut world = World::new().await;
        world.receive(FIRST, 3).await;
        let before = world.batch(FIRST, &[2, 1]).await;
        world.end(FIRST, 3, &[]).await;
        let older = world.give(ReceiptOf::Submission(FIRST)).await.unwrap();
        world.succeed(vouched).await;
        // Nothing of the next log is needed yet.
        assert_eq!(world.give(ReceiptOf::Submission(FIRST)).await.unwrap(), older);
        check_intact(&world.check(&older), 3, &["F506", "F507", "F605"]);
        // The first sealing of the next log covers what none had covered.
        world.seal().await;
        let newer = world.refresh(&older).await.unwrap();
        assert_eq!((older.schema.as_str(), newer.schema.as_str()), (RECEIPT_SCHEMA, SEVERAL));
        let places = |it: &Receipt| (it.batches[0].entry.log, it.sealings[0].entry.log);
        assert_eq!(places(&newer), (1, 2));
        // A later submission in the next log, with what had been there before.
        world.receive(SECOND, 3).await;
        world.batch(SECOND, &[2]).await;
        world.end(SECOND, 2, &before[..1]).await;
        world.seal().await;
        let across = world.give(ReceiptOf::Submission(SECOND)).await.unwrap();
        let logs: Vec<_> = across.batches.iter().map(|it| it.entry.log).collect();
        assert_eq!(logs, [1, 2]);
        for receipt in [&newer, &across] {
            let check = world.check(receipt);
            if vouched {
                check_intact(&check, 3, &["F308", "F507", "F605"]);
            } else {
                assert_eq!(check.verdict, Verdict::CannotTell);
                assert_eq!(check.findings[0].code.code(), "F601");
            }
        }
        assert_eq!(world.refresh(&newer).await.unwrap().documents, newer.documents);
    }
}

#[tokio::test]
async fn what_nobody_believes_under_exposed_keys_alone_is_given_under_the_next_log() {
    let mut world = World::new().await;
    world.receive(FIRST, 3).await;
    let before = world.batch(FIRST, &[3]).await;
    world.end(FIRST, 3, &[]).await;
    world.seal().await;
    world.receive(SECOND, 3).await;
    world.end(SECOND, 0, &before).await;
    let older = world.give(ReceiptOf::Submission(SECOND)).await.unwrap();
    world.succeed_for(SuccessionReason::KeysExposed, true).await;
    // Sealed and stamped: time-stamps prove that it is older.
    for of in [ReceiptOf::Versions(before), ReceiptOf::Submission(FIRST)] {
        let receipt = world.give(of).await.unwrap();
        assert_eq!(receipt.schema, RECEIPT_SCHEMA);
        check_intact(&world.check(&receipt), 3, &["F507", "F605"]);
    }
    let given = world.give(ReceiptOf::Submission(SECOND)).await.unwrap();
    for receipt in [given, world.refresh(&older).await.unwrap()] {
        assert_eq!(receipt.schema, SEVERAL);
        check_intact(&world.check(&receipt), 3, &["F308", "F507", "F605"]);
    }
}

#[tokio::test]
async fn what_no_stamped_sealing_of_before_covers_is_given_under_the_next_log() {
    for (reason, is_covered, is_late) in [
        (SuccessionReason::KeysLost, false, false),
        (SuccessionReason::CertificatesEnded, true, false),
        // The clock was behind when the log ended, which is refused for any other reason.
        (SuccessionReason::KeysExposed, false, true),
    ] {
        let mut world = World::new().await;
        world.receive(FIRST, 3).await;
        let before = world.batch(FIRST, &[3]).await;
        world.end(FIRST, 3, &[]).await;
        world.seal().await;
        let (store, key) = (world.archive.store().clone(), ObjectKey::checkpoint());
        world.receive(SECOND, 3).await;
        world.end(SECOND, 0, &before).await;
        let published = store.read(&key, u64::MAX).await.unwrap();
        world.receive(SECOND, 3).await;
        if is_late {
            let now = sigillo_model::Clock::now(&world.clock);
            world.clock.set(now - SignedDuration::from_hours(1));
        }
        world.succeed_for(reason, reason != SuccessionReason::KeysLost).await;
        if !is_covered {
            store.replace_derived(&key, published).await.unwrap();
        }
        let given = async |of| world.give(of).await.unwrap().schema == RECEIPT_SCHEMA;
        assert_eq!(given(ReceiptOf::Versions(before.clone())).await, !is_late, "{reason:?}");
        assert_eq!(given(ReceiptOf::Submission(FIRST)).await, !is_late, "{reason:?}");
        // The end itself proves what it covers.
        assert_eq!(given(ReceiptOf::Submission(SECOND)).await, is_covered, "{reason:?}");
    }
}

#[tokio::test]
async fn of_two_ends_after_which_others_may_sign_the_earlier_counts() {
    for (hours, reason, is_alone) in [
        (-1, SuccessionReason::KeysExposed, false),
        (1, SuccessionReason::KeysExposed, true),
        (1, SuccessionReason::TailLost, true),
    ] {
        let mut world = World::new().await;
        let before = world.batch(FIRST, &[1]).await;
        world.seal().await;
        world.succeed_for(SuccessionReason::HashFunction, true).await;
        let now = sigillo_model::Clock::now(&world.clock);
        world.clock.set(now + SignedDuration::from_hours(hours));
        world.succeed_for(reason, true).await;
        let receipt = world.give(ReceiptOf::Versions(before)).await.unwrap();
        assert_eq!(receipt.schema == RECEIPT_SCHEMA, is_alone, "{hours} {reason:?}");
    }
}

#[tokio::test]
async fn a_receipt_of_another_archive_is_not_completed() {
    let (mut world, mut other) = (World::new().await, World::new().await);
    world.batch(FIRST, &[1]).await;
    other.batch(FIRST, &[1]).await;
    let receipt = other.give(ReceiptOf::Submission(FIRST)).await.unwrap();
    let error = world.refresh(&receipt).await.unwrap_err();
    assert!(matches!(error, GiveReceiptError::Foreign { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Invalid, "nothing is wrong with the archive");
}
