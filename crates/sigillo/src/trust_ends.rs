//! Where the trust store says that the logs of an archive ended: who has the keys of the next one said that
//! once, and cannot say it otherwise to others.

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::Archive;
use sigillo_model::SuccessionReason;
use sigillo_proof::{EndedLog, SuccessorKeys, end_of};

use crate::{
    error::CommandError,
    trust::{Trusted, TrustedEnd, TrustedSuccessor},
    trust_store::TrustStore,
};

/// Tells whether a head is where a log ended: all of it that a witness cosigns from then on.
pub(crate) fn is_end(end: &EndedLog, head: SignedHead) -> bool {
    (head.size, head.root) == (end.size, end.root)
}

/// Tells whether a head of a log that ended so may be remembered and compared with.
///
/// Where others may sign with its keys, only the end itself is known to be the archive's; else what
/// the log had before may be as well.
pub(crate) fn allows(end: &EndedLog, head: SignedHead) -> bool {
    let is_before = head.size < end.size && !end.others_may_sign;
    is_before || is_end(end, head)
}

impl Trusted {
    /// Returns how the log of a generation ended, if a next one is known here: as is said here, else as the
    /// archive shows it that has the next one.
    pub(crate) fn end_in(&self, archive: &Archive, generation: u64) -> Option<EndedLog> {
        let keys = self.successors.iter().filter_map(|next| {
            let shown = || TrustedSuccessor::of(archive, next.generation);
            let shown = || shown().filter(|it| it.has_keys_of(next)).and_then(|it| it.before);
            let before = next.before.clone().or_else(shown);
            Some(SuccessorKeys { before: before.as_ref().map(TrustedEnd::ended), ..next.keys()? })
        });
        end_of(generation, &keys.collect::<Vec<_>>())
    }

    /// Returns why the log of an origin ended, and how, if a next one is known here.
    pub(crate) fn end_of_origin(&self, origin: &str) -> Option<(SuccessionReason, EndedLog)> {
        let mut ends = self.successors.iter().map(|it| (it.generation, it.end_of(origin)));
        let (next, end) = ends.find_map(|(next, end)| Some((next, end?)))?;
        let keys: Vec<_> = self.successors.iter().filter_map(TrustedSuccessor::keys).collect();
        Some((end.reason, end_of(next.checked_sub(1)?, &keys)?))
    }

    /// Tells whether nothing that is known here speaks against where the logs of an archive ended. Unless a
    /// later log is known, the key must have signed for the end of the first that is the newest here: an
    /// older one signs for no end before its rotation.
    pub(crate) fn agrees_on_ends(&self, archive: &Archive) -> bool {
        let is_shown = |it: &TrustedSuccessor| TrustedSuccessor::of(archive, it.generation);
        let is_later_known = || {
            self.successors.iter().any(|it| is_shown(it).is_some_and(|shown| shown.has_keys_of(it)))
        };
        let believes_end = || {
            let shown = archive.log_keys_of(1);
            self.log_keys().ok().zip(shown).is_some_and(|(known, shown)| known.believes_end(&shown))
        };
        self.other_end(archive).is_none()
            && (archive.generation() == 1 || is_later_known() || believes_end())
    }

    /// Returns the logs that ended before one that is known here, each with its generation and its end, as
    /// far as the archive shows that one.
    fn ends(&self, archive: &Archive) -> Vec<(u64, SignedHead)> {
        let is_shown = |it: &&TrustedSuccessor| {
            TrustedSuccessor::of(archive, it.generation).is_some_and(|shown| shown.has_keys_of(it))
        };
        let shown = self.successors.iter().filter(is_shown);
        let ends = shown.filter_map(|it| {
            let TrustedEnd { size, root, .. } = it.before.as_ref()?;
            Some((it.generation.checked_sub(1)?, SignedHead { size: *size, root: *root }))
        });
        ends.collect()
    }

    /// Returns one of them that ended elsewhere in the archive: who has the keys of the next one said
    /// once where.
    pub(crate) fn other_end(&self, archive: &Archive) -> Option<(u64, SignedHead)> {
        self.ends(archive).into_iter().find(|(generation, end)| {
            let shown = archive.succession(generation + 1).map(|it| it.succession);
            shown.is_some_and(|it| (it.size, it.root) != (end.size, end.root))
        })
    }
}

impl TrustStore {
    /// Returns how the log of a generation ended, if a next one is believed.
    pub(crate) fn end_in(
        &self,
        archive: &Archive,
        generation: u64,
    ) -> Result<Option<EndedLog>, CommandError> {
        Ok(self.of(archive)?.and_then(|it| it.end_in(archive, generation)))
    }

    /// Returns the logs that ended before one that is believed and that an archive shows, each with its
    /// generation and its end.
    pub(crate) fn ends_of(
        &self,
        archive: &Archive,
    ) -> Result<Vec<(u64, SignedHead)>, CommandError> {
        Ok(self.of(archive)?.map(|it| it.ends(archive)).unwrap_or_default())
    }

    /// Returns one of them that ended elsewhere in the archive.
    pub(crate) fn other_end(
        &self,
        archive: &Archive,
    ) -> Result<Option<(u64, SignedHead)>, CommandError> {
        Ok(self.of(archive)?.and_then(|it| it.other_end(archive)))
    }
}
