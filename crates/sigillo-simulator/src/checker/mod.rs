//! The checker: what must hold of a store after any crash, judged from its bytes and from what was
//! kept outside it, with as little as possible of the code that wrote them.
//!
//! Signed notes, checkpoints and trees are read with `sigillo-merkle` alone, JSON as plain values,
//! ZIP and RFC 4998 hashes by code of its own. Source: `reference/reliability.md` §7.

mod batches;
mod conserved;
mod log;
mod objects;
mod outside;
mod published;
mod versions;
mod zip;

use std::fmt;

pub use batches::{label, packed};
pub use log::{LogEntry, ReplayedLog, replay};
pub use objects::{
    NAMED_FOLDERS, OBJECTS_MAX, Snapshot, named, named_by_the_code_under_test, orphans,
};
pub use outside::{Acknowledged, Outside};

/// What must hold after every crash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Invariant {
    /// I1: what was acknowledged is there and verifies.
    AcknowledgedVerifies,
    /// I2: no batch is half there.
    NoHalfBatch,
    /// I3: the log extends every checkpoint ever emitted.
    LogExtends,
    /// I4: no size of the log has two roots.
    OneRootForOneSize,
    /// I5: a second recovery writes nothing.
    RecoveryIdempotent,
    /// I6: nothing that is referenced is missing, and orphans are what no commit names.
    NothingReferencedMissing,
    /// I7: sending the same again archives nothing and gives the same receipts.
    ResubmissionSame,
    /// I8: no document of a submission is lost: received = archived + already + refused + pending.
    Conserved,
    /// Not one of the eight: aggregations list their documents, and closed ones take no more.
    Aggregated,
    /// Not one of the eight: who holds the published checkpoint finds the tiles it is made of.
    PublishedIsServed,
    /// Not one of the eight: once faults stop, everything must come to its end.
    ComesToItsEnd,
}

/// One invariant that does not hold, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// What was found, in words.
    pub message: String,
}

impl Violation {
    /// Says that `invariant` does not hold, and why.
    pub fn new(invariant: Invariant, message: impl Into<String>) -> Self {
        Self { invariant, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.message)
    }
}

/// Checks everything about a store that needs nothing to be run: I1 to I4, I6, I8, and of I7 that one
/// document was acknowledged under one version only.
pub fn check(snapshot: &Snapshot, outside: &Outside) -> Vec<Violation> {
    let mut violations = Vec::new();
    let log = check_log(snapshot, outside, &mut violations);
    let documents = batches::check_batches(snapshot, &log, &mut violations);
    outside::check_acknowledged(outside, &log, &documents, &mut violations);
    versions::check_versions(&documents, &mut violations);
    versions::check_closed(&documents, &mut violations);
    objects::check_references(snapshot, &log, &mut violations);
    conserved::check_conserved(&log, &documents, &mut violations);
    violations
}

/// Checks that aggregations list their documents, as they must once all work came to its end.
pub fn check_members(snapshot: &Snapshot) -> Vec<Violation> {
    let mut violations = Vec::new();
    let log = replay(snapshot, &mut violations);
    let documents = batches::check_batches(snapshot, &log, &mut violations);
    versions::check_members(&documents, &mut violations);
    violations
}

/// Checks the log alone: that its commits follow from each other, I3, I4, and what is published.
pub fn check_log(
    snapshot: &Snapshot,
    outside: &Outside,
    violations: &mut Vec<Violation>,
) -> ReplayedLog {
    let log = replay(snapshot, violations);
    outside::check_checkpoints(snapshot, outside, &log, violations);
    published::check_published(snapshot, &log, violations);
    log
}
