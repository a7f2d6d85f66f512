//! How each commit follows from the ones before it.

use bytes::Bytes;

use sigillo_merkle::{TileId, TreeHash};
use sigillo_model::{CommitOpened, LogTime, Sha256Digest};

use crate::{Commit, CommitFault, RightEdge};

/// What the next commit must follow from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Chain {
    /// Number of the newest commit, 0 for none.
    pub(crate) number: u64,
    /// SHA-256 of its object.
    pub(crate) digest: Option<Sha256Digest>,
    /// Its time.
    pub(crate) at: Option<LogTime>,
    /// The newest commit with another key of the log.
    pub(crate) rotated: Option<u64>,
    /// The last sealed commit.
    pub(crate) sealed: u64,
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
            rotated: header.rotated,
            sealed: header.sealed,
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
        if header.generation != 1 {
            return fault("its generation");
        }
        if header.previous != self.digest {
            return fault("the digest of the previous commit");
        }
        if header.first_leaf != self.edge.size() {
            return fault("the number of entries before it");
        }
        if header.root != sha256_of(self.edge.root()) {
            return fault("the root over the entries before it");
        }
        if header.sealed != self.sealed {
            return fault("the last sealed commit");
        }
        if header.rotated != self.rotated {
            return fault("the last commit with another key of the log");
        }
        if header.epoch < self.epoch.max(1) {
            return fault("its epoch");
        }
        let expected_at = self.at.map_or(header.clock, |before| before.max(header.clock));
        // After recovery the time of the commit before is not known, only that it is no later.
        let known = self.at.is_some() || self.number == 0;
        if header.at < expected_at || (known && header.at != expected_at) {
            return fault("its time");
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
        self.number = commit.header.commit;
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
