//! How each commit follows from the ones before it.

use bytes::Bytes;

use sigillo_merkle::{TileId, TreeHash};
use sigillo_model::{CommitOpened, LogSucceeded, LogTime, Sha256Digest};

use crate::{Commit, CommitFault, RightEdge, audit::CLOCK_DIFFERENCE_SECONDS_MAX};

/// What the next commit must follow from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Chain {
    /// Number of the newest commit, 0 for none.
    pub(crate) number: u64,
    /// SHA-256 of its object.
    pub(crate) digest: Option<Sha256Digest>,
    /// Its time.
    pub(crate) at: Option<LogTime>,
    /// The generation of the log that it belongs to, 0 for none.
    pub(crate) generation: u64,
    /// The newest commit with another key of the log.
    pub(crate) rotated: Option<u64>,
    /// The last sealed commit.
    pub(crate) sealed: u64,
    /// The commit that began the log in place of an older one.
    pub(crate) succeeded: Option<u64>,
    /// The epoch in force.
    pub(crate) epoch: u64,
    /// The tree over all entries.
    pub(crate) edge: RightEdge,
}

impl Chain {
    /// Takes a header at its word about everything before it; `edge` was checked against its root.
    pub(crate) fn before(header: &CommitOpened, edge: RightEdge) -> Self {
        Self {
            number: header.commit - 1,
            digest: header.previous,
            at: None,
            generation: header.generation.saturating_sub(u64::from(is_first(header))),
            rotated: header.rotated,
            sealed: header.sealed,
            succeeded: header.succeeded.filter(|_| !is_first(header)),
            epoch: header.epoch,
            edge,
        }
    }

    /// Checks every member of a header against the commits before it.
    pub(crate) fn check(&self, commit: &Commit) -> Result<(), CommitFault> {
        let header = &commit.header;
        let fault = |what| Err(CommitFault::Chain { what });
        if header.commit != self.number + 1 {
            return fault("its number");
        }
        let succession = commit.succession().filter(|_| is_first(header));
        let begins = succession.is_some() && self.generation > 0;
        if header.generation != self.generation.max(1) + u64::from(begins) {
            return fault("its generation");
        }
        if header.succeeded != if begins { Some(header.commit) } else { self.succeeded } {
            return fault("the commit that began its log");
        }
        if header.previous != self.digest {
            return fault("the digest of the previous commit");
        }
        if let Some(body) = succession {
            self.check_end(body)?;
        }
        let empty = RightEdge::new();
        let edge = if begins { &empty } else { &self.edge };
        if header.first_leaf != edge.size() {
            return fault("the number of entries before it");
        }
        if header.root != sha256_of(edge.root()) {
            return fault("the root over the entries before it");
        }
        if header.sealed != self.sealed {
            return fault("the last sealed commit");
        }
        if header.rotated != self.rotated.filter(|_| !begins) {
            return fault("the last commit with another key of the log");
        }
        // Every log begins with the first one: whoever had the keys of the last cannot use them up.
        if if begins { header.epoch != 1 } else { header.epoch < self.epoch.max(1) } {
            return fault("its epoch");
        }
        let expected_at = self.time_of(header.clock, succession);
        // After recovery the time of the commit before is not known, only that it is no later.
        let known = self.at.is_some() || self.number == 0;
        if header.at < expected_at || (known && header.at != expected_at) {
            return fault("its time");
        }
        Ok(())
    }

    /// Returns the time of the next commit, by the clock of its writer: it never goes back. Only a log that
    /// begins because others may have written the one before it takes no time from that which its own
    /// writer does not know.
    pub(crate) fn time_of(&self, clock: LogTime, succession: Option<&LogSucceeded>) -> LogTime {
        let Some(before) = self.at else { return clock };
        let ahead = before.timestamp().as_second() - clock.timestamp().as_second();
        let is_others = succession.is_some_and(|it| it.succession.reason.others_may_sign());
        if is_others && ahead > CLOCK_DIFFERENCE_SECONDS_MAX { clock } else { before.max(clock) }
    }

    /// Checks what a succession says of the log that it ends.
    fn check_end(&self, body: &LogSucceeded) -> Result<(), CommitFault> {
        let terms = &body.succession;
        let end = (terms.last, Some(terms.last_sha256));
        if terms.generation != self.generation + 1 || end != (self.number, self.digest) {
            return Err(CommitFault::Chain { what: "the end of the log before it" });
        }
        // Of commits that are lost only the number is known.
        if self.at.is_some() && (terms.size, terms.root) != (self.edge.size(), self.root()) {
            return Err(CommitFault::Chain { what: "the entries of the log before it" });
        }
        Ok(())
    }

    /// Checks a commit and takes it in; `finished` is handed the tiles that it completes.
    pub(crate) fn advance(
        &mut self,
        commit: &Commit,
        finished: &mut dyn FnMut(TileId, &[TreeHash]),
    ) -> Result<(), CommitFault> {
        self.check(commit)?;
        self.take(commit, finished);
        Ok(())
    }

    /// Takes in a commit as it is.
    pub(crate) fn take(&mut self, commit: &Commit, finished: &mut dyn FnMut(TileId, &[TreeHash])) {
        if is_first(&commit.header) {
            self.edge = RightEdge::new();
        }
        self.number = commit.header.commit;
        self.generation = commit.header.generation;
        self.succeeded = commit.header.succeeded;
        self.digest = Some(commit.digest);
        self.at = Some(commit.header.at);
        self.rotated = commit.rotated_after();
        self.sealed = commit.sealed_after();
        self.epoch = commit.header.epoch;
        commit.leaves().for_each(|leaf| self.edge.push(leaf, finished));
    }

    /// Returns the root of the whole log as a digest.
    pub(crate) fn root(&self) -> Sha256Digest {
        sha256_of(self.edge.root())
    }
}

/// Tells whether a header says to begin its log in place of an older one.
fn is_first(header: &CommitOpened) -> bool {
    header.succeeded == Some(header.commit)
}

/// The entries of the rightmost, unfinished bundle, and of those finished but not yet published.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) finished: Vec<(u64, Vec<Bytes>)>,
    pub(crate) entries: Vec<Bytes>,
}

/// Takes the hash of a tree as a digest: both are SHA-256.
pub(crate) const fn sha256_of(hash: TreeHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*hash.as_bytes())
}

/// Takes a digest as the hash of a tree.
pub(crate) const fn tree_hash_of(digest: Sha256Digest) -> TreeHash {
    TreeHash::from_bytes(*digest.as_bytes())
}
