//! Counting a period: what the entries of a log between two checkpoints add up to.

use std::collections::BTreeMap;

use serde::Deserialize;

use sigillo_merkle::{Frontier, leaf_hash};
use sigillo_model::{
    BATCH_PACKS_MAX, BatchCommitted, CommitOpened, Entry, JSON_INTEGER_MAX, PackList, Sha256Digest,
    SubmissionCompleted, parse_json,
};

use crate::{
    TypeCount,
    period::{PERIOD_TYPES_MAX, PeriodBatch, PeriodCommit, PeriodCounts},
};

/// The format of the lists of packs that this program knows.
const PACK_LIST_FORMAT: u32 = 1;

/// The types of entries, of version 1, that this schema knows: those that are written, and those
/// that are reserved. Source: `docs/format.md`, "Entries".
pub const ENTRY_TYPES: [&str; 37] = [
    "archive.created",
    "batch.committed",
    "batches.sealed",
    "checkpoint.anchored",
    "commit.opened",
    "content.disclosed",
    "content.erased",
    "copy.registered",
    "copy.repaired",
    "copy.retired",
    "disposal.authorised",
    "disposal.completed",
    "disposal.decided",
    "disposal.ordered",
    "disposal.proposed",
    "disposal.started",
    "disposal.submitted",
    "entity.changed",
    "evidence.rehashed",
    "evidence.renewed",
    "fact.corrected",
    "fact.recorded",
    "fixity.checked",
    "hold.placed",
    "hold.released",
    "key.rotated",
    "log.succeeded",
    "operator.enrolled",
    "operator.revoked",
    "pack.removed",
    "pack.rewritten",
    "policy.adopted",
    "sealing.stamped",
    "submission.completed",
    "submission.received",
    "submission.refused",
    "unit.annulled",
];

/// The types of entries, of version 2, that are on evidence lines of SHA-512.
const TYPES_OF_TREES: [&str; 2] = ["evidence.renewed", "sealing.stamped"];

impl TypeCount {
    /// Tells whether this schema knows the type: of others only their number can be told.
    pub fn is_known(&self) -> bool {
        self.v == 1 && ENTRY_TYPES.contains(&self.type_name.as_str()) || self.is_of_trees()
    }

    /// Tells whether it is one of those of evidence lines of SHA-512, which are known and in no sum.
    pub fn is_of_trees(&self) -> bool {
        self.v == 2 && TYPES_OF_TREES.contains(&self.type_name.as_str())
    }
}

/// What the entries of a period say, each looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CountedPeriod {
    /// The batches, in log order.
    pub batches: Vec<PeriodBatch>,
    /// The sums.
    pub counts: PeriodCounts,
    /// The first commit, if there is any.
    pub first: Option<PeriodCommit>,
    /// The last commit.
    pub last: Option<PeriodCommit>,
    /// How many entries there are of each type and version, sorted by both.
    pub types: Vec<TypeCount>,
}

/// Why entries are not those of a period of a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodFault {
    /// A line is no entry, or not in its place.
    #[error("log entry {index}: {what}")]
    Entry {
        /// Its place in the log, from 0.
        index: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The last line has no newline.
    #[error("the last entry, or the last list of packs, does not end in a newline")]
    NoNewline,
    /// The lists of packs are not those of the batches.
    #[error("the list of packs of batch {number} of the period {what}")]
    Packs {
        /// Which batch, from 1.
        number: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There are more types of entries than a period may have.
    #[error("the entries are of more than {PERIOD_TYPES_MAX} types")]
    TooManyTypes,
}

/// Counts the entries that follow on the log of `older`, and takes them into it.
///
/// `entries` and `packs` are as in a [`PeriodStatement`](crate::PeriodStatement). The entries must
/// be whole commits that follow on each other; of their headers, number, place, root and time are
/// compared with what came before. Whether `older` is a log worth believing, and the root that is
/// reached, are the caller's business. Sums that no JSON number holds are cut down to 2⁵³−1.
///
/// # Errors
///
/// [`PeriodFault`] if they are not; `older` then has taken in what came before the fault.
pub fn count_period(
    older: &mut Frontier,
    entries: &str,
    packs: &str,
) -> Result<CountedPeriod, PeriodFault> {
    if [entries, packs].iter().any(|text| !text.is_empty() && !text.ends_with('\n')) {
        return Err(PeriodFault::NoNewline);
    }
    let mut counting = Counting {
        packs: packs.split_terminator('\n'),
        counted: CountedPeriod::default(),
        types: BTreeMap::new(),
    };
    for line in entries.split_terminator('\n') {
        counting.take(older, line)?;
        older.push(leaf_hash(line.as_bytes()));
    }
    counting.finish()
}

struct Counting<'a> {
    counted: CountedPeriod,
    types: BTreeMap<(String, u64), u64>,
    packs: std::str::SplitTerminator<'a, char>,
}

impl Counting<'_> {
    fn take(&mut self, before: &Frontier, line: &str) -> Result<(), PeriodFault> {
        let index = before.size();
        let fault = |what: String| PeriodFault::Entry { index, what };
        let entry = Entry::parse_line(line.as_bytes()).map_err(|it| fault(it.to_string()))?;
        if let Entry::CommitOpened(header) = &entry {
            self.header(before, header).map_err(|what| fault(what.to_owned()))?;
        } else if self.counted.last.is_none() {
            return Err(fault("the period does not begin with the header of a commit".to_owned()));
        }
        let counts = &mut self.counted.counts;
        add(&mut counts.entries, 1);
        match &entry {
            Entry::BatchCommitted(body) => self.batch(body)?,
            Entry::SubmissionCompleted(body) => counts.take_submission(body),
            _ => {}
        }
        let v = version_of(&entry, line).map_err(fault)?;
        if v == 1 {
            self.counted.counts.take_type(entry.type_name());
        }
        add(self.types.entry((entry.type_name().to_owned(), v)).or_default(), 1);
        if self.types.len() > PERIOD_TYPES_MAX {
            return Err(PeriodFault::TooManyTypes);
        }
        Ok(())
    }

    /// Takes in the header of a commit, if it follows.
    fn header(&mut self, before: &Frontier, header: &CommitOpened) -> Result<(), &'static str> {
        let root = Sha256Digest::from_bytes(*before.root().as_bytes());
        if (header.first_leaf, header.root) != (before.size(), root) {
            return Err("the header states another log before it");
        }
        let follows = |last: PeriodCommit| {
            header.commit.checked_sub(1) == Some(last.commit) && header.at >= last.at
        };
        if !self.counted.last.is_none_or(follows) {
            return Err("the commit does not follow on the one before it");
        }
        let commit = PeriodCommit { at: header.at, commit: header.commit };
        self.counted.first.get_or_insert(commit);
        self.counted.last = Some(commit);
        Ok(())
    }

    fn batch(&mut self, body: &BatchCommitted) -> Result<(), PeriodFault> {
        let number = self.counted.batches.len() + 1;
        let fault = |what| PeriodFault::Packs { number, what };
        let list = self.packs.next().ok_or(fault("is missing"))?;
        if Sha256Digest::of(list.as_bytes()) != body.packs_sha256 {
            return Err(fault("does not have the digest that the log states"));
        }
        // Straight into its type: its bytes are those that the log states, whatever they are.
        let list: PackList = serde_json::from_str(list).map_err(|_| fault("cannot be read"))?;
        if list.format != PACK_LIST_FORMAT || list.packs.len() > BATCH_PACKS_MAX {
            return Err(fault("is of another format, or too long"));
        }
        let mut bytes = 0;
        for pack in &list.packs {
            add(&mut bytes, pack.size);
        }
        let counts = &mut self.counted.counts;
        add(&mut counts.bytes, bytes);
        add(&mut counts.documents, u64::from(body.documents));
        self.counted.batches.push(PeriodBatch {
            batch: body.batch,
            bytes,
            commit: self.counted.last.map_or(0, |it| it.commit),
            documents: u64::from(body.documents),
            order_root: body.order_root,
            root: body.root,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<CountedPeriod, PeriodFault> {
        if self.packs.next().is_some() {
            let number = self.counted.batches.len() + 1;
            return Err(PeriodFault::Packs { number, what: "belongs to no batch" });
        }
        let types = self.types.into_iter();
        self.counted.types =
            types.map(|((type_name, v), count)| TypeCount { count, type_name, v }).collect();
        Ok(self.counted)
    }
}

impl PeriodCounts {
    fn take_submission(&mut self, body: &SubmissionCompleted) {
        add(&mut self.aggregations, body.aggregations);
        add(&mut self.already, body.already);
        add(&mut self.archived, body.archived);
        add(&mut self.pending, body.pending);
        add(&mut self.received, body.received);
        add(&mut self.refused, body.refused);
    }

    /// Counts an entry of version 1 by its type. Source: `docs/format.md`, "Period statements".
    fn take_type(&mut self, type_name: &str) {
        let sum = match type_name {
            "batch.committed" => &mut self.batches,
            "batches.sealed" => &mut self.sealings,
            "commit.opened" => &mut self.commits,
            "content.erased" => &mut self.erasures,
            "copy.repaired" | "log.succeeded" => &mut self.incidents,
            "disposal.completed" => &mut self.disposals,
            "evidence.renewed" | "evidence.rehashed" => &mut self.renewals,
            "fixity.checked" => &mut self.fixity_reads,
            "hold.placed" => &mut self.holds_placed,
            "hold.released" => &mut self.holds_released,
            "sealing.stamped" => &mut self.time_stamps,
            "submission.completed" => &mut self.submissions_completed,
            "submission.received" => &mut self.submissions_received,
            "submission.refused" => &mut self.submissions_refused,
            "unit.annulled" => &mut self.annulments,
            _ => return,
        };
        add(sum, 1);
    }
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more).min(JSON_INTEGER_MAX);
}

/// Returns the version of an entry's type.
fn version_of(entry: &Entry, line: &str) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    if let Some(version) = entry.version() {
        return Ok(version);
    }
    let version = parse_json::<Version>(line.as_bytes());
    version.map(|it| it.v).map_err(|error| error.to_string())
}
