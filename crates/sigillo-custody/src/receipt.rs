//! Giving receipts: everything in one is derived from the archive, nothing is stored for it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use sigillo_ers::{AlgorithmTable, EvidenceTree, TrustAnchors};
use sigillo_evidence_log::{
    Archive, BatchObjectError, LoggedBatch, RevokedRenewals, ToldRevocations, read_leaves,
    read_pack_list,
};
use sigillo_merkle::{MemoryTree, inclusion_path, leaf_hash, parse_cosigned_checkpoint};
use sigillo_model::{
    Entry, Finding, ListedPack, ObjectKey, Sha256Digest, SubmissionCompleted, SubmissionId,
    VersionId,
};
use sigillo_proof::{
    BUNDLE_DOCUMENTS_MAX, Base64Bytes, BatchSection, Counts, DocumentSection, EntryPlace,
    RECEIPT_BATCHES_MAX, RECEIPT_BYTES_MAX, RECEIPT_DOCUMENTS_MAX, RECEIPT_VALIDATION_BYTES_MAX,
    Receipt, ReceiptError, StatedReport, SubmissionSection, extends, needs_leaves,
};
use sigillo_store::ReadPool;

use crate::{
    CustodyError, GiveReceiptError, GivenReceipt, ReceiptLog, receipt_instead::Judged,
    receipt_kept::keep_from, receipt_lost::LeftOut, receipt_records::read_records,
    receipt_sealings::seal_batches, receipt_trees::place_in_trees, report_check::REPORT_BYTES_MAX,
};

/// What a receipt is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReceiptOf {
    /// A whole submission: all that it archived, what was there before, what was refused.
    Submission(SubmissionId),
    /// Single versions of documents.
    Versions(Vec<VersionId>),
}

impl ReceiptOf {
    /// Returns what a receipt was for.
    pub fn of(receipt: &Receipt) -> Self {
        match &receipt.submission {
            Some(submission) => Self::Submission(submission.id),
            None => Self::Versions(receipt.documents.iter().map(|it| it.version_id).collect()),
        }
    }
}

/// Gives receipts.
#[derive(Debug)]
pub struct ReceiptMaker<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What its log says.
    pub log: &'a ReceiptLog,
    /// Threads that read packs.
    pub reads: &'a ReadPool,
    /// What is told to be revoked anywhere in the archive.
    pub told: &'a ToldRevocations,
    /// Certificates that time-stamps may lead to.
    pub anchors: &'a TrustAnchors,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
    /// The time now.
    pub at: Timestamp,
}

impl ReceiptMaker<'_> {
    /// Gives a receipt as far as things are: with sealing and time-stamps once they exist, without
    /// the renewals that are lost.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if what it is for is not in the archive or under its checkpoint, or if
    /// something that the receipt must show cannot be read.
    pub async fn make(&self, of: &ReceiptOf) -> Result<GivenReceipt, GiveReceiptError> {
        let (receipt, left_out) = self.make_of_logs(of).await?;
        let findings = self.findings(&receipt, left_out).await?;
        Ok(GivenReceipt { receipt, findings })
    }

    /// Says what is left out, and what the check of the rest will say of it as of now.
    async fn findings(
        &self,
        receipt: &Receipt,
        left_out: LeftOut,
    ) -> Result<Vec<Finding>, GiveReceiptError> {
        if left_out.is_empty() {
            return Ok(Vec::new());
        }
        let (mut whole, by) = (receipt.clone(), (self.anchors, self.algorithms));
        let (known, room) = ((self.anchors, self.told), RECEIPT_VALIDATION_BYTES_MAX);
        self.log.add_validation(self.archive, &mut whole, known, room).await?;
        Ok(left_out.findings(&Judged::new(&whole, by, self.at)))
    }

    /// Makes it of as many logs as it needs.
    async fn make_of_logs(&self, of: &ReceiptOf) -> Result<(Receipt, LeftOut), GiveReceiptError> {
        let (mut receipt, left_out) = self.make_of_all_logs(of).await?;
        // Who knows only the first log needs no other, and other programs read what they always read.
        if let Some(first) = self.log.alone(&receipt) {
            let under = (first.note.clone(), first.checkpoint.size);
            first.prove_under(&mut receipt, under)?;
        }
        Ok((receipt, left_out))
    }

    async fn make_of_all_logs(
        &self,
        of: &ReceiptOf,
    ) -> Result<(Receipt, LeftOut), GiveReceiptError> {
        let mut submission = None;
        let covered = match of {
            ReceiptOf::Submission(id) => {
                let section = self.submission(*id).await?;
                let report = section.report.as_deref().map(StatedReport::parse).transpose();
                let report = report.map_err(|error| self.unreadable(*id, &error.to_string()))?;
                let already = report.and_then(|it| it.already_versions).unwrap_or_default();
                submission = Some(section);
                self.cover(Some(*id), &already).await
            }
            ReceiptOf::Versions(versions) => self.cover(None, versions).await,
        };
        let covered = covered?;
        let mut receipt = Receipt {
            archive: self.log.archive_section(self.archive).await?,
            batches: Vec::with_capacity(covered.len()),
            checkpoint: self.log.note.clone(),
            documents: Vec::new(),
            schema: String::new(),
            sealings: Vec::new(),
            submission,
            validation: Vec::new(),
            witnesses: Vec::new(),
        };
        for batch in &covered {
            self.add_batch(&mut receipt, batch).await?;
        }
        let batches: Vec<_> = covered.iter().map(|it| it.logged).collect();
        let mut revoked = RevokedRenewals::new(self.told, (self.anchors, self.at));
        let (archive, log) = (self.archive, self.log);
        let mut left_out = seal_batches(archive, log, &mut receipt, &batches, &mut revoked).await?;
        // In one of a submission that would be most of its length.
        if receipt.submission.is_none() && receipt.documents.len() <= BUNDLE_DOCUMENTS_MAX {
            let from = (self.archive, self.reads);
            place_in_trees(from, self.log, &mut receipt, &batches, &mut left_out).await?;
        }
        receipt.schema = receipt.schema_wanted().to_owned();
        let size_bytes = receipt.size_bytes();
        if size_bytes > RECEIPT_BYTES_MAX {
            return Err(GiveReceiptError::TooLarge(ReceiptError::TooLong { size_bytes }));
        }
        Ok((receipt, left_out))
    }

    /// Gives an older receipt anew, with what came since. Renewals and evidence lines that it has and the
    /// archive has lost stay in it, and are not told of as left out; renewals that do not count, for a
    /// certificate behind them was revoked, do not stay in it.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make), [`GiveReceiptError::Foreign`] if the older one is under a checkpoint of no log
    /// of the archive, and [`GiveReceiptError::Differs`] or [`GiveReceiptError::LogDiffers`] if the archive does not bear out the older one.
    pub async fn refresh(&self, older: &Receipt) -> Result<GivenReceipt, GiveReceiptError> {
        let bad = |what: String| GiveReceiptError::Foreign { what };
        let witnesses = older.witness_keys().map_err(|error| bad(error.to_string()))?;
        let note = older.checkpoint.as_bytes();
        let log = self.archive.key_of(note).await?;
        let read = parse_cosigned_checkpoint(note, &log, &witnesses);
        let (checkpoint, _) = read.map_err(|error| bad(error.to_string()))?;
        if !self.log.begins_with(&checkpoint) {
            return Err(GiveReceiptError::LogDiffers { size: checkpoint.size });
        }
        // What needed several logs has perhaps lost what is in the later ones, and gets it from the older.
        let (mut receipt, left_out) = if older.archive.successions.is_empty() {
            self.make_of_logs(&ReceiptOf::of(older)).await?
        } else {
            self.make_of_all_logs(&ReceiptOf::of(older)).await?
        };
        let log = self.log.behind(&receipt);
        let older = left_out.without_revoked(older);
        keep_from(&older, &mut receipt, log)?;
        receipt.schema_wanted().clone_into(&mut receipt.schema);
        extends(&older, &receipt).map_err(GiveReceiptError::Differs)?;
        let findings = self.findings(&receipt, left_out).await?;
        Ok(GivenReceipt { receipt, findings })
    }

    /// Says what the log and its report say of a submission.
    async fn submission(&self, id: SubmissionId) -> Result<SubmissionSection, GiveReceiptError> {
        let mut section = SubmissionSection {
            completed: None,
            counts: None,
            id,
            received: None,
            received_at: None,
            refusals: Vec::new(),
            report: None,
            source: None,
        };
        let mut known = false;
        for (place, entry) in self.log.entries() {
            match entry {
                Entry::SubmissionReceived(body) if body.submission == id => {
                    section.received = Some(self.log.line(place)?);
                }
                Entry::SubmissionCompleted(body) if body.submission == id => {
                    section.completed = Some(self.log.line(place)?);
                    self.add_report(&mut section, body).await?;
                }
                Entry::BatchCommitted(body) if body.submission == id => {}
                _ => continue,
            }
            known = true;
        }
        match (known, self.log.submissions().contains(&id)) {
            (true, _) => Ok(section),
            (false, true) => Err(GiveReceiptError::NotCovered { what: "the submission" }),
            (false, false) => Err(GiveReceiptError::NoSubmission { submission: id }),
        }
    }

    async fn add_report(
        &self,
        section: &mut SubmissionSection,
        body: &SubmissionCompleted,
    ) -> Result<(), GiveReceiptError> {
        let key = ObjectKey::submission_report(section.id);
        let read = self.archive.store().read(&key, REPORT_BYTES_MAX).await;
        let bytes =
            read.map_err(|source| CustodyError::Store { doing: "reading a report", source })?;
        if Sha256Digest::of(&bytes) != body.report_sha256 {
            return Err(self.unreadable(section.id, "it has not the digest that the log states"));
        }
        let text = String::from_utf8(bytes.to_vec());
        let text = text.map_err(|error| self.unreadable(section.id, &error.to_string()))?;
        let stated = StatedReport::parse(&text);
        let stated = stated.map_err(|error| self.unreadable(section.id, &error.to_string()))?;
        section.counts = Some(Counts::from(body));
        section.received_at = Some(stated.received_at);
        section.refusals = stated.refusals;
        section.source = Some(stated.source);
        section.report = Some(text);
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "it stands beside its callers")]
    fn unreadable(&self, submission: SubmissionId, what: &str) -> GiveReceiptError {
        unreadable(ObjectKey::submission_report(submission), what)
    }

    /// Finds the batches, with their leaves, that hold all of a submission and these versions.
    async fn cover(
        &self,
        submission: Option<SubmissionId>,
        versions: &[VersionId],
    ) -> Result<Vec<Covered<'_>>, GiveReceiptError> {
        let mut missing: BTreeSet<_> = versions.iter().copied().collect();
        let (mut covered, mut documents) = (Vec::new(), 0);
        for logged in &self.log.view.batches {
            let is_whole = submission == Some(logged.body.submission);
            if !is_whole && missing.is_empty() {
                continue;
            }
            let leaves = usable(
                ObjectKey::leaves(logged.body.batch),
                read_leaves(self.archive.store(), &logged.body).await,
            )?;
            let wanted: BTreeSet<_> = (0..)
                .zip(&leaves)
                .filter(|(_, leaf)| missing.remove(*leaf) || is_whole)
                .map(|(index, _)| index)
                .collect();
            if wanted.is_empty() {
                continue;
            }
            if !self.log.covers(place_of(logged)) {
                return Err(GiveReceiptError::NotCovered { what: "all of the documents" });
            }
            documents += wanted.len();
            covered.push(Covered { logged, leaves, wanted });
        }
        if let Some(version) = missing.first() {
            return Err(GiveReceiptError::NoVersion { version: *version });
        }
        for (what, count, max) in [
            ("documents", documents, RECEIPT_DOCUMENTS_MAX),
            ("batches", covered.len(), RECEIPT_BATCHES_MAX),
        ] {
            if count > max {
                let error = ReceiptError::TooMany { what, count, max };
                return Err(GiveReceiptError::TooLarge(error));
            }
        }
        Ok(covered)
    }

    /// Adds a batch and its documents.
    async fn add_batch(
        &self,
        receipt: &mut Receipt,
        batch: &Covered<'_>,
    ) -> Result<(), GiveReceiptError> {
        let number = receipt.batches.len() as u64;
        let records = self.records(batch).await?;
        let with_leaves = needs_leaves(batch.wanted.len() as u64, batch.leaves.len() as u64);
        let trees = (!with_leaves).then(|| Trees::new(&batch.leaves));
        for (index, record) in records {
            let proofs = trees.as_ref().and_then(|trees| trees.proofs(index));
            let (order_proof, tree_path) = proofs.unzip();
            receipt.documents.push(DocumentSection {
                batch: number,
                hash_trees: Vec::new(),
                leaf_index: index,
                order_proof,
                record_sha256: Sha256Digest::of(record.as_bytes()),
                record,
                sha512: Vec::new(),
                tree_path,
                version_id: batch.leaves[usize::try_from(index).unwrap_or(usize::MAX)],
            });
        }
        let leaves = with_leaves
            .then(|| Base64Bytes(batch.leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect()));
        let entry = self.log.line(place_of(batch.logged))?;
        receipt.batches.push(BatchSection { entry, leaves, sealed: None });
        Ok(())
    }

    /// Reads the records of the wanted documents of a batch, by place in the batch.
    async fn records(
        &self,
        batch: &Covered<'_>,
    ) -> Result<BTreeMap<u64, String>, GiveReceiptError> {
        let key = ObjectKey::pack_list(batch.logged.body.batch);
        let list =
            usable(key.clone(), read_pack_list(self.archive.store(), &batch.logged.body).await)?;
        let (mut first, mut records) = (0, BTreeMap::new());
        for pack in list {
            let end = first + u64::from(pack.documents);
            let wanted: HashMap<VersionId, u64> = batch
                .wanted
                .range(first..end)
                .map(|index| (batch.leaves[usize::try_from(*index).unwrap_or(0)], *index))
                .collect();
            first = end;
            if wanted.is_empty() {
                continue;
            }
            for (version, record) in self.pack_records(&pack, &wanted).await? {
                records.extend(wanted.get(&version).map(|index| (*index, record)));
            }
        }
        if !records.keys().eq(&batch.wanted) {
            return Err(unreadable(key, "its packs do not hold all documents of the batch"));
        }
        Ok(records)
    }

    async fn pack_records(
        &self,
        pack: &ListedPack,
        wanted: &HashMap<VersionId, u64>,
    ) -> Result<Vec<(VersionId, String)>, GiveReceiptError> {
        let sink = Arc::clone(self.archive.store().packs());
        let wanted: HashSet<_> = wanted.keys().copied().collect();
        let (key, pack) = (ObjectKey::pack(pack.name), pack.clone());
        let read = self.reads.run(move || read_records(&*sink, &pack, &wanted)).await;
        let read = read.map_err(|_| CustodyError::Panicked)?;
        Ok(read.map_err(|source| CustodyError::Pack { key, source })?)
    }
}

/// Returns where the entry of a batch stands.
const fn place_of(logged: &LoggedBatch) -> EntryPlace {
    EntryPlace { log: logged.generation, index: logged.entry_index }
}

/// A batch that holds documents of a receipt.
struct Covered<'a> {
    logged: &'a LoggedBatch,
    leaves: Vec<VersionId>,
    /// The places of the documents in it.
    wanted: BTreeSet<u64>,
}

/// Both trees over the leaves of a batch.
struct Trees {
    evidence: EvidenceTree,
    order: MemoryTree,
}

impl Trees {
    fn new(leaves: &[VersionId]) -> Self {
        let digests = leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf.as_bytes()));
        Self {
            evidence: EvidenceTree::new(digests.collect()),
            order: leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect(),
        }
    }

    /// Returns order proof and tree path of a leaf.
    fn proofs(&self, index: u64) -> Option<(Vec<Sha256Digest>, Vec<Sha256Digest>)> {
        let order = inclusion_path(index, self.order.size(), &self.order).ok()?;
        let order = order.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect();
        Some((order, self.evidence.path(usize::try_from(index).ok()?)?))
    }
}

/// Takes what was read of a batch; damage keeps a receipt from being given.
fn usable<T>(key: ObjectKey, read: Result<T, BatchObjectError>) -> Result<T, GiveReceiptError> {
    read.map_err(|error| match error {
        BatchObjectError::Store(error) => error.into(),
        other => unreadable(key, &other.to_string()),
    })
}

pub(crate) fn unreadable(key: ObjectKey, what: &str) -> GiveReceiptError {
    let source = std::io::Error::other(what.to_owned());
    GiveReceiptError::Custody(CustodyError::Unreadable { key, source })
}
