//! What the renewals of a time-stamp in a receipt cover.

use sigillo_ers::{list_value, walk_path};
use sigillo_model::{Entry, Sha256Digest};

use crate::{RenewalSection, TokenSection};

impl TokenSection {
    /// Returns the SHA-256 of all tokens that the renewal at `place`, from 0, is over, oldest first;
    /// `None` if there is no such renewal, or the entry of one whose token is lost does not say.
    pub fn older_than(&self, place: usize) -> Option<Vec<Sha256Digest>> {
        let first = Some(Sha256Digest::of(&self.token.0));
        let renewals = self.renewals.get(..place)?.iter().map(RenewalSection::token_sha256);
        std::iter::once(first).chain(renewals).collect()
    }

    /// Returns what the token of the renewal at `place`, from 0, should cover.
    pub(crate) fn renewal_imprint(&self, place: usize) -> Option<Sha256Digest> {
        Some(walk_path(list_value(&self.older_than(place)?)?, &self.renewals.get(place)?.path))
    }
}

impl RenewalSection {
    /// Returns the SHA-256 of the token, which the log entry states of one that is lost.
    pub fn token_sha256(&self) -> Option<Sha256Digest> {
        if let Some(raw) = &self.token {
            return Some(Sha256Digest::of(&raw.0));
        }
        match Entry::parse_line(self.entry.line.as_bytes()).ok()? {
            Entry::EvidenceRenewed(body) => Some(body.token_sha256),
            _ => None,
        }
    }
}
