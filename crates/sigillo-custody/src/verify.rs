//! Verifying an archive: the log, every batch, the presence of every pack and, if asked, every
//! byte.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{StreamExt as _, stream};

use sigillo_authorities::SignedHead;
use sigillo_ers::RevocationSummary;
use sigillo_evidence_log::{
    Archive, AuditKnowledge, Chains, LogView, LoggedStamp, audit_log, check_objects, read_pack_list,
};
use sigillo_model::{
    BatchCommitted, Blake3Digest, Finding, FindingCode, KeptFindings, ObjectKey, Verdict, VersionId,
};
use sigillo_store::{BackendError, CpuPool, pack::PackError};

use crate::{
    CustodyError, Located, Rehasher,
    batch_check::{BatchCheck, CheckedPack, check_batch, not_read},
    links::Links,
    pack_check::{PackCheck, PackTask, check_document, check_pack},
    report_check::check_submissions,
    trees_check::{damaged_leaves_of, left_out_of, missing_of, trees_of},
};

/// At most this many findings are kept in words beside the first of each code; more are counted.
pub const FINDINGS_MAX: usize = 10_000;

/// At most this many packs are read at once: each holds a chunk of 4 MiB.
const PACKS_IN_FLIGHT_MAX: usize = 4;

/// How much is verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The log, its published copies, statements, seals and time-stamps.
    Log,
    /// And every batch, every report of a submission, and the presence and size of every pack.
    Presence,
    /// And every byte of every pack.
    Full,
}

/// How far a verification is; it only counts up.
#[derive(Debug, Default)]
pub struct VerifyProgress {
    /// Bytes of packs read.
    pub bytes_read: AtomicU64,
    /// Bytes of packs to be read, once that is known.
    pub bytes_found: AtomicU64,
    /// Documents dealt with.
    pub documents: AtomicU64,
}

/// Verifies one archive.
#[derive(Debug)]
pub struct Verifier {
    /// The archive.
    pub archive: Archive,
    /// Threads that compute.
    pub cpu: CpuPool,
    /// What is known apart from the archive.
    pub knowledge: AuditKnowledge,
    /// How far it is.
    pub progress: Arc<VerifyProgress>,
}

/// What a verification met.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// How much was verified.
    pub scope: Scope,
    /// The outcome in three values.
    pub verdict: Verdict,
    /// What was met, gravest first.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept in words.
    pub more_findings: u64,
    /// What the log says.
    pub view: LogView,
    /// The head that was proven, if the whole tree could be derived.
    pub head: Option<SignedHead>,
    /// Documents in the archive, by the log.
    pub documents: u64,
    /// Documents whose every byte was read and found as it was.
    pub documents_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Packs in the archive, by its lists.
    pub packs: u64,
    /// By what the revocation of certificates was judged.
    pub revocation: RevocationSummary,
}

impl Verifier {
    /// Verifies as much as `scope` says.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] only if it could not look; damage is a finding.
    pub async fn verify(&self, scope: Scope) -> Result<VerifyReport, CustodyError> {
        let audit = audit_log(&self.archive, &self.knowledge, &mut |_, _| {}).await?;
        let mut report = VerifyReport {
            scope,
            verdict: Verdict::Intact,
            findings: audit.findings,
            more_findings: 0,
            documents: audit.view.documents(),
            documents_read: 0,
            bytes_read: 0,
            packs: 0,
            revocation: audit.revocation,
            view: audit.view,
            head: audit.head,
        };
        if scope != Scope::Log {
            self.batches(&mut report, scope).await?;
        }
        self.hash_trees(&mut report, scope).await?;
        if scope != Scope::Log {
            report.findings.extend(check_submissions(&self.archive, &report.view).await);
        }
        report.conclude();
        Ok(report)
    }

    /// Verifies the log, and the given documents to their last byte, with the leaves that hash trees have of
    /// their batches.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] only if it could not look; damage is a finding.
    pub async fn verify_documents(
        &self,
        documents: &[Located],
    ) -> Result<VerifyReport, CustodyError> {
        let mut report = self.verify(Scope::Log).await?;
        let mut links = Links::default();
        for located in documents {
            let (sink, name) = (Arc::clone(self.archive.store().packs()), located.pack.name);
            let version = located.version;
            let checked = self.cpu.run(move || check_document(&*sink, name, version)).await;
            let key = ObjectKey::pack(name);
            match checked.map_err(|_| CustodyError::Panicked)? {
                Ok(checked) => {
                    self.take(&mut report, &mut links, name, checked).await?;
                }
                Err(PackError::Store { source: BackendError::NotFound, .. }) => {
                    let message = "it is missing, with the document in it";
                    report.findings.push(Finding::new(FindingCode::PackMissing, key, message));
                }
                Err(PackError::Store { source: BackendError::NotAnObject, .. }) => {
                    let message = "something that is not a regular file is in its place; the \
                                   document was in it";
                    report.findings.push(Finding::new(FindingCode::PackMissing, key, message));
                }
                Err(PackError::Malformed { offset, what }) => {
                    let message = format!("its directory cannot be read: {what}, at byte {offset}");
                    report.findings.push(Finding::new(FindingCode::PackDirectory, key, message));
                }
                Err(source) => {
                    let error = CustodyError::Pack { key: key.clone(), source };
                    report.findings.push(not_read(key, &error));
                }
            }
        }
        self.follow(&mut report, &mut links).await?;
        self.leaves_of(&mut report, documents).await?;
        report.conclude();
        Ok(report)
    }

    async fn leaves_of(
        &self,
        report: &mut VerifyReport,
        documents: &[Located],
    ) -> Result<(), CustodyError> {
        if !has_trees(&report.view) {
            return Ok(());
        }
        let chains = Chains::read(&self.archive, &report.view).await?;
        let batches = documents.iter().map(|it| it.batch.batch).collect();
        report.findings.extend(damaged_leaves_of(&self.archive, &chains, &batches).await);
        Ok(())
    }

    /// Checks batch after batch, and lets go of what is known of one before the next.
    async fn batches(&self, report: &mut VerifyReport, scope: Scope) -> Result<(), CustodyError> {
        let mut prefixes: Vec<u64> = Vec::new();
        let mut names: HashSet<Blake3Digest> = HashSet::new();
        let mut links = Links::default();
        let batches: Vec<_> = report.view.batches.iter().map(|it| it.body.clone()).collect();
        if scope == Scope::Full {
            self.find_bytes(&batches).await;
        }
        for batch in &batches {
            let checked = check_batch(&self.archive, &self.cpu, batch).await?;
            let BatchCheck { findings, packs, leaves, .. } = checked;
            prefixes.extend(leaves.iter().map(prefix_of));
            report.findings.extend(findings);
            report.packs += packs.len() as u64;
            let listed = packs.iter().map(|pack| pack.listed.name);
            if let Some(name) = listed_twice(&mut names, listed) {
                let message = format!("pack {name} is listed twice, here or in an earlier batch");
                let key = ObjectKey::pack_list(batch.batch);
                report.findings.push(Finding::new(FindingCode::PackListDamaged, key, message));
            }
            if scope == Scope::Full {
                self.packs(report, &mut links, packs).await?;
            }
        }
        self.follow(report, &mut links).await?;
        prefixes.sort_unstable();
        for twice in prefixes.windows(2).filter(|pair| pair[0] == pair[1]) {
            let message = format!(
                "the version id that begins with {:016x} stands in the archive twice",
                twice[0]
            );
            report.findings.push(Finding::new(FindingCode::VersionTwice, "batches", message));
        }
        Ok(())
    }

    /// Says what hash trees of SHA-512 leave out, and looks whether they are there; in full, compares them
    /// with the documents, and the objects under them with what they were.
    async fn hash_trees(
        &self,
        report: &mut VerifyReport,
        scope: Scope,
    ) -> Result<(), CustodyError> {
        if !has_trees(&report.view) {
            return Ok(());
        }
        let view = report.view.clone();
        let chains = Chains::read(&self.archive, &view).await?;
        report.findings.extend(left_out_of(&view, &chains));
        match scope {
            Scope::Log => return Ok(()),
            Scope::Presence => {
                report.findings.extend(missing_of(&self.archive, &chains).await);
                return Ok(());
            }
            Scope::Full => {}
        }
        // One that does not count is a finding already.
        for (code, tree) in trees_of(&chains) {
            let rehasher = Rehasher {
                archive: &self.archive,
                cpu: &self.cpu,
                view: &view,
                chains: &chains,
                line: &tree.line,
                progress: Arc::new(VerifyProgress::default()),
            };
            report.findings.extend(rehasher.compare(tree).await?);
            let lists = (tree.renewal, tree.objects.as_slice());
            report.findings.extend(check_objects(&self.archive, lists, code).await?);
        }
        Ok(())
    }

    /// Adds up what there is to be read, for the progress; a damaged list is met again later.
    async fn find_bytes(&self, batches: &[BatchCommitted]) {
        for batch in batches {
            if let Ok(packs) = read_pack_list(self.archive.store(), batch).await {
                let bytes = packs.iter().map(|pack| pack.size).sum();
                self.progress.bytes_found.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    async fn packs(
        &self,
        report: &mut VerifyReport,
        links: &mut Links,
        packs: Vec<CheckedPack>,
    ) -> Result<(), CustodyError> {
        let present = packs.into_iter().filter(|pack| pack.present);
        let mut checks = stream::iter(present)
            .map(|pack| async move {
                let name = pack.listed.name;
                let task = PackTask {
                    sink: Arc::clone(self.archive.store().packs()),
                    progress: Arc::clone(&self.progress),
                    pack,
                };
                (name, self.cpu.run(move || check_pack(&task)).await)
            })
            .buffer_unordered(PACKS_IN_FLIGHT_MAX);
        while let Some((name, checked)) = checks.next().await {
            let checked = checked.map_err(|_| CustodyError::Panicked)?;
            match checked {
                Ok(checked) => {
                    self.take(report, links, name, checked).await?;
                }
                Err(error) => {
                    let message = format!("it could not be read to its end: {error}");
                    let key = ObjectKey::pack(name);
                    report.findings.push(Finding::new(FindingCode::NotRead, key, message));
                }
            }
        }
        Ok(())
    }

    /// Takes in what was met in a pack; follows what it says of earlier versions once that is much.
    async fn take(
        &self,
        report: &mut VerifyReport,
        links: &mut Links,
        name: Blake3Digest,
        mut checked: PackCheck,
    ) -> Result<(), CustodyError> {
        report.documents_read += checked.documents_good;
        report.bytes_read += checked.bytes_read;
        report.findings.append(&mut checked.findings);
        report.more_findings += checked.more_findings;
        if links.take(name, checked) {
            self.follow(report, links).await?;
        }
        Ok(())
    }

    /// Follows what versions say of earlier ones.
    async fn follow(
        &self,
        report: &mut VerifyReport,
        links: &mut Links,
    ) -> Result<(), CustodyError> {
        let batches = report.view.batches.iter().map(|batch| &batch.body);
        let followed = links.follow(&self.archive, &self.cpu, batches).await?;
        report.findings.extend(followed.findings);
        report.more_findings += followed.more_findings;
        report.bytes_read += followed.bytes_read;
        Ok(())
    }
}

/// Tells whether the log names any hash trees beside those of the batches.
fn has_trees(view: &LogView) -> bool {
    let is_over_tree = |it: &LoggedStamp| it.body.tree.is_some();
    !view.rehashes.is_empty() || view.stamps.iter().any(is_over_tree)
}

impl VerifyReport {
    /// Draws the verdict and puts the gravest findings first.
    pub(crate) fn conclude(&mut self) {
        let mut findings = std::mem::take(&mut self.findings);
        // Those that are kept are the gravest.
        findings.sort_by(|a, b| (b.severity, a.code).cmp(&(a.severity, b.code)));
        let mut kept = KeptFindings::new(FINDINGS_MAX);
        kept.extend(findings);
        let (findings, more) = kept.conclude();
        self.verdict = Verdict::of(&findings);
        (self.findings, self.more_findings) = (findings, self.more_findings + more);
    }
}

/// The first 64 bits of an id: two equal ones among millions are one id twice.
fn prefix_of(version: &VersionId) -> u64 {
    let bytes = version.as_bytes().first_chunk().expect("an id has 32 bytes");
    u64::from_be_bytes(*bytes)
}

/// Adds the packs of a batch to those known, and returns the first that was known already.
fn listed_twice(
    known: &mut HashSet<Blake3Digest>,
    listed: impl Iterator<Item = Blake3Digest>,
) -> Option<Blake3Digest> {
    let mut twice = None;
    for name in listed {
        if !known.insert(name) {
            twice.get_or_insert(name);
        }
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_two_batches_list_is_noticed() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Blake3Digest::of(bytes));
        let mut known = HashSet::new();
        assert_eq!(listed_twice(&mut known, [a, b].into_iter()), None);
        assert_eq!(listed_twice(&mut known, [c, b, a].into_iter()), Some(b));
        assert_eq!(listed_twice(&mut known, [c].into_iter()), Some(c));
    }
}
