//! What the renewals of a time-stamp in a receipt cover.

use sigillo_ers::{RevocationSet, TreeDigest, evidence_value, list_value, walk_path};
use sigillo_model::{Entry, EvidenceDigest, Sha256Digest, Sha512Digest};

use crate::{RenewalSection, TokenSection};

/// A chain of a receipt, by its place; the second one is over new hash trees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainSection<'r> {
    pub(crate) place: usize,
    /// Whether it is of SHA-512: the second one, or any of a line of that.
    pub(crate) is_sha512: bool,
    /// The first token.
    pub(crate) first: &'r [u8],
    pub(crate) renewals: &'r [RenewalSection],
}

impl TokenSection {
    /// Returns its chains, oldest first.
    pub(crate) fn chains(&self) -> impl Iterator<Item = ChainSection<'_>> {
        let tree = self.hash_tree.iter().map(|it| (&it.token, &it.renewals));
        let chains = std::iter::once((&self.token, &self.renewals)).chain(tree);
        chains.enumerate().map(|(place, (first, renewals))| ChainSection {
            place,
            is_sha512: place > 0 || self.is_over_trees(),
            first: &first.0,
            renewals,
        })
    }
}

impl ChainSection<'_> {
    /// Returns the digests of all tokens that the renewal at `at`, from 0, is over, oldest first; `None`
    /// if there is no such renewal, or the entry of one whose token is lost does not say.
    fn older_than(&self, at: usize) -> Option<Vec<EvidenceDigest>> {
        let first = Some(self.digest(self.first));
        let renewals = self.renewals.get(..at)?.iter().map(|it| self.digest_of(it));
        std::iter::once(first).chain(renewals).collect()
    }

    /// Returns what the token of the renewal at `at`, from 0, should cover.
    pub(crate) fn imprint(&self, at: usize) -> Option<EvidenceDigest> {
        fn root<D: TreeDigest + Into<EvidenceDigest>>(
            older: &[EvidenceDigest],
            path: &[EvidenceDigest],
            of: impl Fn(&EvidenceDigest) -> Option<D>,
        ) -> Option<EvidenceDigest> {
            let older: Option<Vec<D>> = older.iter().map(&of).collect();
            let path: Option<Vec<D>> = path.iter().map(&of).collect();
            Some(walk_path(list_value(&older?)?, &path?).into())
        }
        let (older, renewal) = (self.older_than(at)?, self.renewals.get(at)?);
        let path = &renewal.path;
        if !renewal.validation.is_empty()
            && evidence_value(&renewal.validation) != path.first().copied()
        {
            return None;
        }
        if self.is_sha512 {
            root(&older, path, EvidenceDigest::sha512)
        } else {
            root(&older, path, EvidenceDigest::sha256)
        }
    }

    /// Tells a set which revocation evidence each renewal covers.
    pub(crate) fn cover(&self, set: &mut RevocationSet) {
        for (at, renewal) in self.renewals.iter().enumerate() {
            // That it does is to follow from what its token covers.
            if let (Some(token), Some(_)) = (&renewal.token, self.imprint(at)) {
                set.cover(&renewal.validation, Sha256Digest::of(&token.0));
            }
        }
    }

    /// Returns the digest of the token of a renewal, which the log entry states of one that is lost.
    pub(crate) fn digest_of(&self, renewal: &RenewalSection) -> Option<EvidenceDigest> {
        if let Some(raw) = &renewal.token {
            return Some(self.digest(&raw.0));
        }
        let Entry::EvidenceRenewed(body) = Entry::parse_line(renewal.entry.line.as_bytes()).ok()?
        else {
            return None;
        };
        if self.is_sha512 {
            body.token_sha512.map(Into::into)
        } else {
            Some(body.token_sha256.into())
        }
    }

    fn digest(&self, token: &[u8]) -> EvidenceDigest {
        if self.is_sha512 { Sha512Digest::of(token).into() } else { Sha256Digest::of(token).into() }
    }
}
