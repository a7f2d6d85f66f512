//! Whether the time-stamps of a sealing on one line hold, for who asks whether they stand for those on
//! another without auditing everything.

use jiff::{SignedDuration, Timestamp};

use sigillo_ers::{AlgorithmTable, Renewal, Trust, TrustAnchors, token_renewals_due, verify_token};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, RevokedRenewals, TokenFrom, ToldRevocations,
    sealing_chains::read_token,
};

/// The lines of an archive, and by what they are judged.
pub(crate) struct StandingLines<'a> {
    of: (&'a Archive, &'a LogView, &'a Chains),
    anchors: &'a TrustAnchors,
    algorithms: &'a AlgorithmTable,
    at: Timestamp,
    revoked: RevokedRenewals<'a>,
}

impl<'a> StandingLines<'a> {
    pub(crate) fn new(
        of: (&'a Archive, &'a LogView, &'a Chains),
        (anchors, algorithms): (&'a TrustAnchors, &'a AlgorithmTable),
        (told, at): (&ToldRevocations, Timestamp),
    ) -> Self {
        let revoked = RevokedRenewals::new(told, (anchors, at));
        Self { of, anchors, algorithms, at, revoked }
    }

    /// Tells whether the time-stamps that a sealing has on a line prove it, with all its documents: each
    /// that counts leads to an anchor and lasted until the next covered it, the newest until now, and what
    /// is revoked is left out. Those for trial prove something only to who asks for `trial`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn hold(
        &mut self,
        (number, chain): (u64, &[ChainToken]),
        trial: bool,
    ) -> Result<bool, LogError> {
        let (_, view, chains) = self.of;
        let is_of_use = |it: &ChainToken| it.is_placed() && (trial || !it.stated(view).1);
        let has_all = chains.left_out((number, chain)).next().is_none();
        if chain.is_empty() || !has_all || !chain.iter().all(is_of_use) {
            return Ok(false);
        }
        let left_out = self.revoked.left_out(self.of, chain).await?;
        if left_out.is_cut || self.revoked.is_first_revoked(self.of, chain).await? {
            return Ok(false);
        }
        let each = chain.iter().enumerate();
        let counts = each.filter(|(place, _)| !left_out.places.contains_key(place));
        self.last(&counts.map(|(_, token)| *token).collect::<Vec<_>>()).await
    }

    /// Tells whether each of some time-stamps is believed and lasts until the next one covers it, and the
    /// newest until now. What cannot be read does not.
    async fn last(&self, tokens: &[ChainToken]) -> Result<bool, LogError> {
        let (archive, view, _) = self.of;
        for (place, token) in tokens.iter().enumerate() {
            let next = tokens.get(place + 1);
            // The next of the same chain relies on the same hash function.
            let ends_chain = next.is_none_or(|it| matches!(it.from, TokenFrom::Rehashed { .. }));
            let covered_at = next.map(|it| it.stated(view).0.parse()).transpose();
            let Ok(until) = covered_at.map(|at| at.unwrap_or(self.at)) else { return Ok(false) };
            let Some(covers) = token.covers(view) else { return Ok(false) };
            let Ok(raw) = read_token(archive, view, token).await? else { return Ok(false) };
            let verified = verify_token(&raw, covers, self.anchors);
            if !verified.is_ok_and(|it| it.trust != Trust::Unknown) {
                return Ok(false);
            }
            let by = (self.anchors, until);
            let Ok(due) = token_renewals_due(&raw, self.algorithms, by) else { return Ok(false) };
            let mut counts = due.iter().filter(|it| ends_chain || it.renewal == Renewal::TimeStamp);
            if counts.any(|it| it.is_due(until, SignedDuration::ZERO)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
