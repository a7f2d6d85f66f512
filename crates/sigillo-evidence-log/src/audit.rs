//! Auditing the log: everything is derived from the commits again and compared.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use sigillo_authorities::SignedHead;
use sigillo_ers::{AlgorithmTable, RevocationSummary, TrustAnchors};
use sigillo_merkle::KeysOfLog;
use sigillo_model::{CommitOpened, Entry, Finding, FindingCode, ObjectKey, Sha256Digest};
use sigillo_store::StoreError;

use crate::{
    Archive, Commit, CommitFault, LogError, LogView,
    anchoring::audit_anchors,
    audit_derived::{DerivedAudit, check_checkpoint, check_no_successor, lines_from_bundles},
    audit_received::audit_received,
    audit_renewals::audit_renewals,
    audit_sealings::audit_sealings,
    audit_seals::audit_seals,
    audit_succession::audit_successions,
    chain::Chain,
    commit::COMMIT_BYTES_MAX,
    find_head,
    head::exists,
    publish::{published_note, signed_checkpoint},
    seen_log::{SeenHead, SeenLog},
};

/// At most this many commits are read ahead.
const COMMITS_AHEAD_MAX: usize = 16;

/// Two clocks that differ by more are a finding, in seconds.
pub(crate) const CLOCK_DIFFERENCE_SECONDS_MAX: i64 = 600;

/// Whom and what the auditor knows apart from the archive.
#[derive(Clone, Debug, Default)]
pub struct AuditKnowledge {
    /// Certificates that seals and time-stamps may lead to.
    pub anchors: TrustAnchors,
    /// Whether the log's key is in the auditor's trust store.
    pub log_key_trusted: bool,
    /// A checkpoint of the newest log that the auditor saw earlier.
    pub seen: Option<SignedHead>,
    /// Other logs of the archive that the auditor saw earlier, or was told of.
    pub seen_before: Vec<SeenLog>,
    /// As of when time-stamps must hold; `None` looks at each only at its own time.
    pub time: Option<AuditTime>,
}

/// As of when evidence must hold, and by which rules.
#[derive(Clone, Debug)]
pub struct AuditTime {
    /// How long algorithms may be relied on.
    pub algorithms: AlgorithmTable,
    /// The time.
    pub at: Timestamp,
}

/// What an audit of the log met, and what the log says.
#[derive(Clone, Debug, Default)]
pub struct LogAudit {
    /// What was met.
    pub findings: Vec<Finding>,
    /// What the log says, as far as it could be read.
    pub view: LogView,
    /// The head that was proven, if the whole tree could be derived.
    pub head: Option<SignedHead>,
    /// By what the revocation of certificates was judged; empty if no time was asked for.
    pub revocation: RevocationSummary,
}

/// Size and root after each commit; nothing where the tree could not be derived.
pub(crate) type Boundaries = Vec<Option<SignedHead>>;

/// Audits commits, tree, published copies, statements, seals and time-stamps.
///
/// `progress` is told the commits read and their number.
///
/// # Errors
///
/// [`LogError`] only if the audit could not be made; damage is a finding.
pub async fn audit_log(
    archive: &Archive,
    knowledge: &AuditKnowledge,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LogAudit, LogError> {
    let mut audit = ChainAudit::new(archive);
    let head = match find_head(archive.store(), 0).await {
        Ok(head) => head,
        // A gap is met again below, where it is named.
        Err(LogError::CommitMissing { number }) => last_of_gap(archive, number).await?,
        Err(error) => return Err(error),
    };
    let mut commits = stream::iter(1..=head)
        .map(|number| async move { (number, read_commit(archive, number).await) })
        .buffered(COMMITS_AHEAD_MAX);
    while let Some((number, read)) = commits.next().await {
        audit.take(number, read?).await?;
        progress(number, head);
    }
    audit.finish(head, knowledge).await
}

/// Finds the last of the commits that follow a gap, as far as they follow each other closely.
async fn last_of_gap(archive: &Archive, missing: u64) -> Result<u64, LogError> {
    const GAP_MAX: u64 = 64;
    let mut last = missing;
    let mut probed = missing + 1;
    while probed <= last + GAP_MAX {
        if exists(archive.store(), probed).await? {
            last = probed;
        }
        probed += 1;
    }
    Ok(last)
}

enum ReadCommit {
    /// What it is shows only when the commits before it are known.
    Bytes(Bytes),
    Missing,
    Damaged(CommitFault),
    /// The store did not give it: nothing is known against it.
    Unreadable(StoreError),
}

async fn read_commit(archive: &Archive, number: u64) -> Result<ReadCommit, LogError> {
    match archive.store().read(&ObjectKey::commit(number), COMMIT_BYTES_MAX).await {
        Ok(bytes) => Ok(ReadCommit::Bytes(bytes)),
        Err(StoreError::NotFound { .. }) => Ok(ReadCommit::Missing),
        Err(StoreError::TooLarge { .. }) => Ok(ReadCommit::Damaged(CommitFault::Spelling)),
        Err(StoreError::NotAnObject { .. }) => Ok(ReadCommit::Damaged(CommitFault::NotAnObject)),
        Err(error) => Ok(ReadCommit::Unreadable(error)),
    }
}

/// Spells an error with what caused it, on one line.
pub(crate) fn causes_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

struct ChainAudit<'a> {
    archive: &'a Archive,
    chain: Chain,
    /// Whether `chain` holds the tree over all commits so far.
    tree_known: bool,
    /// Commits that could not be read since the last good one.
    lost: u64,
    /// All commits that could not be read.
    bad: BTreeSet<u64>,
    view: LogView,
    boundaries: Boundaries,
    derived: DerivedAudit,
    findings: Vec<Finding>,
}

impl<'a> ChainAudit<'a> {
    fn new(archive: &'a Archive) -> Self {
        Self {
            archive,
            chain: Chain::default(),
            tree_known: true,
            lost: 0,
            bad: BTreeSet::new(),
            view: LogView::default(),
            boundaries: vec![Some(SignedHead {
                size: 0,
                root: Sha256Digest::from_bytes(*sigillo_merkle::empty_root().as_bytes()),
            })],
            derived: DerivedAudit::of(1),
            findings: Vec::new(),
        }
    }

    fn find(&mut self, code: FindingCode, number: u64, message: impl Into<String>) {
        self.findings.push(Finding::new(code, ObjectKey::commit(number), message));
    }

    async fn take(&mut self, number: u64, read: ReadCommit) -> Result<(), LogError> {
        match read {
            ReadCommit::Bytes(bytes) => match self.archive.parse_commit(number, &bytes).await {
                Ok(commit) => self.take_good(commit).await?,
                Err(LogError::CommitDamaged { fault, .. }) => self.take_damaged(number, &fault),
                // One that names a log which a sound commit would have begun is not of this archive.
                Err(LogError::CommitMissing { number: before }) if !self.bad.contains(&before) => {
                    let fault =
                        CommitFault::Opening { opened: before, what: "follows from no commit" };
                    self.take_damaged(number, &fault);
                }
                Err(error) => {
                    let message = format!("its log is not known: {}", causes_of(&error));
                    self.find(FindingCode::NotRead, number, message);
                    self.lost += 1;
                }
            },
            ReadCommit::Missing => {
                let message = format!("commit {number} is not in the store");
                self.find(FindingCode::CommitMissing, number, message);
                self.lost += 1;
            }
            ReadCommit::Unreadable(error) => {
                let message = format!("commit {number} could not be read: {}", causes_of(&error));
                self.find(FindingCode::NotRead, number, message);
                self.lost += 1;
            }
            ReadCommit::Damaged(fault) => self.take_damaged(number, &fault),
        }
        // What a lost commit left behind is only known once a good one follows.
        if self.lost > 0 {
            self.bad.insert(number);
            self.boundaries.push(None);
        }
        Ok(())
    }

    fn take_damaged(&mut self, number: u64, fault: &CommitFault) {
        let (code, message) = match fault {
            CommitFault::AfterEnd { .. } => {
                (FindingCode::CommitChain, format!("commit {number} does not belong: {fault}"))
            }
            // What began its log is known to be damaged, so that this one may be sound. If it is sound,
            // and begins no log, this one is of none.
            CommitFault::Opening { opened, .. }
                if *opened != number && self.bad.contains(opened) =>
            {
                (FindingCode::NotRead, format!("commit {number} could not be checked: {fault}"))
            }
            _ => (FindingCode::CommitDamaged, format!("commit {number} is damaged: {fault}")),
        };
        self.find(code, number, message);
        self.lost += 1;
    }

    async fn take_good(&mut self, commit: Commit) -> Result<(), LogError> {
        let number = commit.header.commit;
        if commit.succession().is_some() {
            self.end_log(&commit).await?;
        }
        if self.lost > 0 {
            if commit.succession().is_none() {
                let target = (commit.header.first_leaf, commit.header.root);
                self.bridge(target).await?;
            }
            // Of the commits that are lost, only what this header says of them is known.
            let edge = self.chain.edge.clone();
            self.chain = Chain::before(&commit.header, edge);
            self.lost = 0;
        }
        if self.tree_known
            && let Err(fault) = self.chain.check(&commit)
        {
            self.find(FindingCode::CommitChain, number, format!("commit {number}: {fault}"));
            self.tree_known =
                commit.header.first_leaf == self.chain.edge.size() || commit.succession().is_some();
        }
        self.check_content(&commit);
        self.push(&commit);
        if self.tree_known {
            self.derived.check_finished(self.archive, &mut self.findings).await?;
        }
        Ok(())
    }

    fn push(&mut self, commit: &Commit) {
        // A log that came after another begins with nothing, whatever is known of that.
        self.tree_known |= commit.succession().is_some();
        let derived = &mut self.derived;
        self.chain.take(commit, &mut |tile, hashes| derived.tile_finished(tile, hashes));
        commit.lines.iter().for_each(|line| derived.entry(line));
        self.view.take(commit);
        self.boundaries.push(self.tree_known.then(|| self.head()));
    }

    /// Checks what the header's clock and the first commit say.
    fn check_content(&mut self, commit: &Commit) {
        let header = &commit.header;
        let apart = header.at.timestamp().as_second() - header.clock.timestamp().as_second();
        if apart.abs() > CLOCK_DIFFERENCE_SECONDS_MAX {
            let message = format!("the clock of its writer was {apart} seconds behind the log");
            self.find(FindingCode::ClockDifference, header.commit, message);
        }
        if header.commit > 1 {
            return;
        }
        let created = commit.entries.iter().find_map(|entry| match entry {
            Entry::ArchiveCreated(created) => Some(created),
            _ => None,
        });
        let describes = created.is_some_and(|created| {
            created.archive == self.archive.description().archive
                && created.archive_sha256 == self.archive.description_sha256()
        });
        if !describes {
            let message = "archive.json is not the one that the first commit names";
            let object = ObjectKey::archive();
            self.findings.push(Finding::new(FindingCode::ArchiveDamaged, object, message));
        }
    }

    /// Fills the place of lost commits with the entries that were published, if they lead to what
    /// a signed object says of them.
    async fn bridge(&mut self, (size, root): (u64, Sha256Digest)) -> Result<(), LogError> {
        let lines: Vec<Bytes> = if self.tree_known {
            let log = (self.archive, self.derived.generation());
            lines_from_bundles(log, self.chain.edge.size(), size).await?
        } else {
            Vec::new()
        };
        let mut edge = self.chain.edge.clone();
        for line in &lines {
            edge.push(sigillo_merkle::leaf_hash(line), &mut |_, _| {});
        }
        if !self.tree_known || edge.size() != size || crate::chain::sha256_of(edge.root()) != root {
            self.tree_known = false;
            return Ok(());
        }
        for line in &lines {
            let derived = &mut self.derived;
            let leaf = sigillo_merkle::leaf_hash(line);
            self.chain.edge.push(leaf, &mut |tile, hashes| derived.tile_finished(tile, hashes));
            derived.entry(line);
        }
        for commit in commits_of_lines(&lines, self.chain.edge.size()) {
            let CommitOpened { commit: number, first_leaf, root, .. } = commit.header;
            let before = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
            if let Some(boundary) = self.boundaries.get_mut(before) {
                *boundary = Some(SignedHead { size: first_leaf, root });
            }
            self.check_content(&commit);
            self.view.take(&commit);
        }
        let head = self.head();
        if let Some(boundary) = self.boundaries.last_mut() {
            *boundary = Some(head);
        }
        Ok(())
    }

    /// Compares what was published of a log that another one follows, which the commit given begins.
    async fn end_log(&mut self, next: &Commit) -> Result<(), LogError> {
        let (generation, terms) = (self.derived.generation(), next.succession());
        let end = terms.map(|it| (it.succession.size, it.succession.root));
        if self.lost > 0
            && let Some(end) = end
        {
            self.bridge(end).await?;
        }
        if self.tree_known {
            let edge = &self.chain.edge;
            self.derived.check_finished(self.archive, &mut self.findings).await?;
            self.derived.check_edge(self.archive, edge, &mut self.findings).await?;
            if let Some(first) = self.archive.log_keys_of(generation).map(|it| it.first().clone()) {
                let (keys, _) = self.view.log_keys_of(generation, first);
                let log = (self.archive, &keys, generation);
                let own = boundaries_of(self.archive, &self.boundaries, generation);
                check_checkpoint(log, own, &mut self.findings).await?;
            }
        }
        self.derived = DerivedAudit::of(next.header.generation);
        Ok(())
    }

    fn head(&self) -> SignedHead {
        SignedHead { size: self.chain.edge.size(), root: self.chain.root() }
    }

    /// Returns what the published checkpoint of the newest log covers, if it bears that log's signature
    /// by the keys that are known.
    async fn published_head(&self) -> Result<Option<(u64, Sha256Digest)>, LogError> {
        let generation = self.archive.generation();
        let Some(note) = published_note(self.archive, generation).await? else { return Ok(None) };
        let Some(known) = self.archive.log_keys_of(generation) else { return Ok(None) };
        let (keys, _) = self.view.log_keys_of(generation, known.first().clone());
        let published = signed_checkpoint(&keys, &note);
        Ok(published.map(|it| (it.size, crate::chain::sha256_of(it.root))))
    }

    async fn finish(mut self, head: u64, knowledge: &AuditKnowledge) -> Result<LogAudit, LogError> {
        if self.lost > 0 {
            let target = self.published_head().await?;
            self.bridge(target.unwrap_or((0, Sha256Digest::of(&[])))).await?;
        }
        if head == 0 {
            self.find(FindingCode::CommitMissing, 1, "the log has no commits");
        }
        let all_keys = self.keys_of_logs();
        check_no_successor(self.archive, &mut self.findings).await?;
        if self.tree_known {
            let edge = &self.chain.edge;
            self.derived.check_finished(self.archive, &mut self.findings).await?;
            self.derived.check_edge(self.archive, edge, &mut self.findings).await?;
            let generation = self.derived.generation();
            if let Some(keys) =
                all_keys.get(usize::try_from(generation).unwrap_or(usize::MAX).saturating_sub(1))
            {
                let log = (self.archive, keys, generation);
                let own = boundaries_of(self.archive, &self.boundaries, generation);
                check_checkpoint(log, own, &mut self.findings).await?;
            }
        } else {
            let message = "the tree could not be derived, so its copies were not checked";
            let object = "log/tile";
            self.findings.push(Finding::new(FindingCode::NotRead, object, message));
        }
        self.check_knowledge(knowledge, &all_keys);
        audit_successions((self.archive, &all_keys), &self.view, knowledge, &mut self.findings)
            .await?;
        let stated = audit_sealings(
            (self.archive, &all_keys),
            &self.view,
            &self.boundaries,
            &knowledge.anchors,
            &mut self.findings,
        )
        .await?;
        audit_received(self.archive, &self.view, &mut self.findings).await?;
        audit_anchors(self.archive, &self.view, &self.boundaries, &mut self.findings).await?;
        let (revocation, proven) =
            audit_renewals(self.archive, &self.view, knowledge, &mut self.findings).await?;
        let of = (self.archive, &self.view, &knowledge.anchors);
        audit_seals(of, (&stated, &proven), &mut self.findings).await?;
        let proven = self.tree_known.then(|| self.head());
        Ok(LogAudit { findings: self.findings, view: self.view, head: proven, revocation })
    }

    /// Says that a log that was seen earlier, or is believed, is not there, or not as it was.
    fn lost_of(&self, seen: &SeenLog, all_keys: &[KeysOfLog]) -> Option<String> {
        let (generation, keys) = (seen.generation, self.archive.log_keys_of(seen.generation));
        if keys.is_none_or(|keys| *keys.first() != seen.log) {
            return self.tree_known.then(|| format!("{}{}", seen.lost_words(), self.shown_words()));
        }
        let commit = self.archive.commit_key_of(generation);
        let at = usize::try_from(generation.saturating_sub(1)).unwrap_or(usize::MAX);
        let rewritten = commit.zip(all_keys.get(at)).filter(|_| self.tree_known);
        let rewritten =
            seen.believed.as_ref().zip(rewritten).and_then(|(believed, shown)| {
                believed.contradiction(generation, &shown.0, shown.1)
            });
        if let Some(words) = rewritten {
            return Some(format!("{words}{}", self.shown_words()));
        }
        let terms = self.archive.succession(generation + 1).map(|it| it.succession);
        if let Some((told, terms)) = seen.ended.zip(terms)
            && (told.size, told.root) != (terms.size, terms.root)
        {
            return Some(format!(
                "log {generation} ended with {} entries, by what the trust store says, and here with {} or \
                 with others: the archive was rewritten",
                told.size, terms.size
            ));
        }
        let own = boundaries_of(self.archive, &self.boundaries, generation);
        let is_lacked = |it: &&SeenHead| !own.contains(&None) && !own.contains(&Some(it.head));
        let lacked = seen.heads.iter().find(is_lacked)?;
        Some(lacked.lacked_words(&format!(" of log {generation}"), "that log"))
    }

    /// Says how much the archive shows, to be told beside what it lacks.
    fn shown_words(&self) -> String {
        let newest = self.chain.at.map(|at| format!(", the newest of {at}"));
        format!(
            "; log {} here has {} entries{}",
            self.archive.generation(),
            self.chain.edge.size(),
            newest.unwrap_or_default()
        )
    }

    /// Returns the keys of each log, and notes the rotations that do not count.
    fn keys_of_logs(&mut self) -> Vec<KeysOfLog> {
        let mut all = Vec::new();
        for generation in 1..=self.archive.generation() {
            let Some(known) = self.archive.log_keys_of(generation) else { break };
            let (keys, faults) = self.view.log_keys_of(generation, known.first().clone());
            for (rotation, fault) in faults {
                let message = format!("a rotation of the log's key does not count: {fault}");
                let object = ObjectKey::commit(rotation.commit);
                self.findings.push(Finding::new(FindingCode::KeyRotationFalse, object, message));
            }
            all.push(keys);
        }
        all
    }

    fn check_knowledge(&mut self, knowledge: &AuditKnowledge, all_keys: &[KeysOfLog]) {
        if !knowledge.log_key_trusted {
            let message = if self.view.successions.is_empty() {
                "the key of this log is not in the trust store: it is consistent, but who wrote it \
                 cannot be told"
            } else {
                "nobody in the trust store vouches for the key of this log, which succeeded an older \
                 one: it is consistent, but who wrote it cannot be told"
            };
            let object = ObjectKey::archive();
            self.findings.push(Finding::new(FindingCode::OriginUnknown, object, message));
        }
        let lost = knowledge.seen_before.iter().filter_map(|it| self.lost_of(it, all_keys));
        let lost: Vec<_> = lost.collect();
        for message in lost {
            self.findings.push(Finding::new(FindingCode::LogRolledBack, "log/seq", message));
        }
        let newest = self.archive.generation();
        let of_newest = knowledge.seen_before.iter().filter(|it| it.generation == newest);
        let is_met = of_newest.flat_map(|it| &it.heads).next().is_some();
        let own = boundaries_of(self.archive, &self.boundaries, newest);
        match knowledge.seen {
            Some(seen) if !own.contains(&Some(seen)) && self.tree_known => {
                let message = format!(
                    "a checkpoint of {} entries was seen earlier; this log, of {} entries, does \
                     not contain it: it was rolled back or rewritten",
                    seen.size,
                    self.chain.edge.size(),
                );
                let object = "log/seq";
                self.findings.push(Finding::new(FindingCode::LogRolledBack, object, message));
            }
            Some(_) => {}
            None if is_met => {}
            None => {
                let message = "no checkpoint from elsewhere is known, so whether this is the \
                               newest state cannot be told";
                let object = ObjectKey::checkpoint();
                self.findings.push(Finding::new(FindingCode::FreshnessUnknown, object, message));
            }
        }
    }
}

/// Returns the boundaries of the commits of a log; of the first with that of no entries.
pub(crate) fn boundaries_of<'b>(
    archive: &Archive,
    boundaries: &'b Boundaries,
    generation: u64,
) -> &'b [Option<SignedHead>] {
    let place = |commit: u64| usize::try_from(commit).unwrap_or(usize::MAX).min(boundaries.len());
    let first = archive.opened(generation).filter(|_| generation > 1).map_or(0, place);
    let end = archive.opened(generation + 1).map_or(boundaries.len(), place);
    boundaries.get(first.min(end)..end).unwrap_or_default()
}

/// Takes published lines apart into the commits they stood in, up to `size_after` entries.
fn commits_of_lines(lines: &[Bytes], size_after: u64) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    let first = size_after - u64::try_from(lines.len()).unwrap_or(0);
    for (position, line) in (first..).zip(lines) {
        let Ok(entry) = Entry::parse_line(line) else { continue };
        if let Entry::CommitOpened(header) = &entry
            && header.first_leaf == position
        {
            let digest = Sha256Digest::of(&[]);
            let (header, entries) = (header.clone(), Vec::new());
            commits.push(Commit { header, entries, lines: Vec::new(), digest });
        }
        if let Some(commit) = commits.last_mut() {
            commit.entries.push(entry);
            commit.lines.push(line.clone());
        }
    }
    commits
}
