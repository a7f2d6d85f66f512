//! What is said of a log that ended: only what a believed time-stamp of before proves to be older is the
//! archive's for sure, and what the end itself covers, unless others may have written there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use sigillo_model::{CLOCK_TOLERANCE_SECONDS, FindingCode};

use crate::{
    ArchiveSection, EndedLog, EntryPlace, Receipt, ReceiptTrust, SubmissionSection, SuccessorKeys,
    check::{Checker, tree_hash},
    line_findings::LineOf,
    logged::SUCCESSION_INDEX,
};

/// The first time-stamp of a sealing on an evidence line, if it is what the log says.
#[derive(Clone, Debug)]
pub(crate) struct FirstStamp {
    /// The sealing and the line.
    pub(crate) line: LineOf,
    /// The time that it attests.
    pub(crate) at: Timestamp,
    /// Whether it counts: one for trial does in an archive for trial only.
    pub(crate) counts: bool,
}

/// What is proven to be older than the end of a log.
#[derive(Debug, Default)]
struct Older {
    /// The sealings, by number.
    sealings: BTreeSet<u64>,
    /// How many entries of each log.
    sizes: BTreeMap<u64, u64>,
    /// The newest log.
    newest: u64,
}

impl Older {
    /// Returns what the time-stamps prove that hold on their line, and were made until `until`.
    fn of(checker: &Checker, newest: u64, until: i64) -> Self {
        let is_before = |it: &&FirstStamp| {
            it.counts && it.at.as_second() <= until && checker.lines.is_sound(&it.line)
        };
        let stamps = checker.stamps.iter().filter(is_before);
        let mut older =
            Self { sealings: stamps.map(|it| it.line.0).collect(), newest, ..Self::default() };
        for (number, head) in &checker.heads {
            if older.sealings.contains(number) {
                let size = older.sizes.entry(head.log).or_default();
                *size = head.index.max(*size);
            }
        }
        older
    }

    /// Tells whether an entry is: because a checkpoint is that covers it, or because the entry is with
    /// which the next log begins.
    fn has(&self, place: EntryPlace) -> bool {
        let later = (place.log + 1..=self.newest).map(|log| (log, SUCCESSION_INDEX));
        let mut places = std::iter::once((place.log, place.index)).chain(later);
        places.any(|(log, index)| self.sizes.get(&log).is_some_and(|size| index < *size))
    }

    fn has_submission(&self, section: &SubmissionSection) -> bool {
        let mut entries = section.received.iter().chain(&section.completed);
        entries.all(|it| self.has(it.place()))
    }
}

/// Tells of a receipt of a log that ended what was made after that, and what nothing proves to be from
/// before.
pub(crate) fn check_ended(checker: &mut Checker, receipt: &Receipt, trust: &ReceiptTrust) {
    let section = &receipt.archive;
    let Some(ended) = Ended::of(section, trust).filter(|it| !it.is_reached_by(checker)) else {
        return;
    };
    if let Some(closed) = ended.closed
        && sealings_after(checker, closed)
    {
        return;
    }
    let older = Older::of(checker, section.newest_log(), ended.until());
    let mut batches = receipt.batches.iter();
    let are_older =
        batches.all(|it| it.sealed.as_ref().is_some_and(|it| older.sealings.contains(&it.number)));
    if !are_older || !older.has(section.created.place()) {
        ended.not_older(checker, "checkpoint", "that this is older");
    }
    if receipt.submission.as_ref().is_some_and(|it| !older.has_submission(it)) {
        let what = "that what is said of the submission as a whole is older: its counts, and what was refused";
        ended.not_older(checker, "submission", what);
    }
}

/// What the caller knows of the end of a log.
struct Ended<'t> {
    /// How it ended, if nobody else was known then to have its keys.
    closed: Option<&'t EndedLog>,
    /// Since when others may sign for it.
    exposed: Option<&'t EndedLog>,
}

impl<'t> Ended<'t> {
    /// Returns what is known of the end of the newest log of a section, if anything is.
    fn of(section: &ArchiveSection, trust: &'t ReceiptTrust) -> Option<Self> {
        let this = Self { closed: closed(section, trust), exposed: exposed(section, trust) };
        (this.closed.is_some() || this.exposed.is_some()).then_some(this)
    }

    /// Tells whether the checkpoint is that of the end itself, which proves whatever it covers, and nobody
    /// else may have written there before.
    fn is_reached_by(&self, checker: &Checker) -> bool {
        let Some((end, head)) = self.closed.zip(checker.checkpoint.as_ref()) else { return false };
        self.exposed.is_none() && head.size == end.size && head.root == tree_hash(end.root)
    }

    /// Returns until when a time-stamp counts.
    fn until(&self) -> i64 {
        self.closed.into_iter().chain(self.exposed).map(until).min().unwrap_or(i64::MIN)
    }

    fn not_older(&self, checker: &mut Checker, object: &str, what: &str) {
        let ended = match (self.exposed, self.closed) {
            (Some(it), _) => {
                format!("the keys of this log may be in other hands since before {}", it.at)
            }
            (None, Some(it)) => format!(
                "this log ended on {}, by what the trust store says, and somebody may have its old keys",
                it.at
            ),
            (None, None) => return,
        };
        let message = format!("{ended}, and no time-stamp that is believed proves {what}");
        checker.find(FindingCode::OriginUnknown, object, message);
    }
}

/// Tells of sealings that were time-stamped only after the log had ended: the log that names a time-stamp
/// is younger than that. Returns whether there are any.
fn sealings_after(checker: &mut Checker, ended: &EndedLog) -> bool {
    let mut first = BTreeMap::<u64, Timestamp>::new();
    for it in &checker.stamps {
        if it.counts && checker.lines.is_sound(&it.line) {
            let first = first.entry(it.line.0).or_insert(it.at);
            *first = it.at.min(*first);
        }
    }
    first.retain(|_, at| at.as_second() > until(ended));
    for number in first.keys() {
        made_after(checker, &format!("sealing {number}"), ended);
    }
    !first.is_empty()
}

fn made_after(checker: &mut Checker, object: &str, ended: &EndedLog) {
    let message = format!(
        "this log ended on {}, by what the trust store says, and this was time-stamped only after that: it \
         is by somebody else who has its keys",
        ended.at
    );
    checker.find(FindingCode::OriginUnknown, object, message);
}

/// As [`check_ended`], for a period statement, whose time-stamp attests `at` if it is believed.
pub(crate) fn check_ended_period(
    checker: &mut Checker,
    section: &ArchiveSection,
    at: Option<Timestamp>,
    trust: &ReceiptTrust,
) {
    let Some(ended) = Ended::of(section, trust) else { return };
    let is_after = |it: &EndedLog| at.is_some_and(|at| at.as_second() > until(it));
    if let Some(closed) = ended.closed.filter(|it| is_after(it)) {
        made_after(checker, "period", closed);
    } else if at.is_none_or(|at| at.as_second() > ended.until()) {
        ended.not_older(checker, "period", "that this is older");
    }
}

/// Returns until when a time-stamp counts.
fn until(ended: &EndedLog) -> i64 {
    ended.at.timestamp().as_second() + CLOCK_TOLERANCE_SECONDS
}

/// Returns since when others may sign for the newest log of a section, by what the caller knows: since it
/// ended, or since a later log did for that reason, for whoever has the keys of that may have the older
/// ones beside them.
pub(crate) fn exposed<'t>(
    section: &ArchiveSection,
    trust: &'t ReceiptTrust,
) -> Option<&'t EndedLog> {
    let newest = section.newest_log();
    let later = trust.successors.iter().filter(|it| it.generation > newest);
    let exposed = later.filter_map(|it| Some((it.generation, it.before.as_ref()?)));
    let exposed = exposed.filter(|(_, before)| before.others_may_sign);
    exposed.min_by_key(|(generation, _)| *generation).map(|(_, before)| before)
}

/// Returns how the newest log of a section ended, by what the caller knows, if nobody else was known then to
/// have its keys.
fn closed<'t>(section: &ArchiveSection, trust: &'t ReceiptTrust) -> Option<&'t EndedLog> {
    stated(section.newest_log(), &trust.successors).filter(|it| !it.others_may_sign)
}

/// Returns how the log of a generation ended, by what is said of the next one.
fn stated(generation: u64, named: &[SuccessorKeys]) -> Option<&EndedLog> {
    named.iter().find(|it| it.generation == generation + 1)?.before.as_ref()
}

/// Returns how the log of a generation ended, by what is said of those after it: others may sign for it
/// where they may for a later one, too, for whoever has the keys of that may have the older ones, which lie
/// beside them.
pub fn end_of(generation: u64, named: &[SuccessorKeys]) -> Option<EndedLog> {
    let mut end = stated(generation, named)?.clone();
    let mut later = named.iter().filter(|it| it.generation > generation);
    end.others_may_sign =
        later.any(|it| it.before.as_ref().is_some_and(|before| before.others_may_sign));
    Some(end)
}
