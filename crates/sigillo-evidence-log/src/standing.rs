//! Whether the time-stamps of a sealing on one line hold, for who asks whether they stand for those on
//! another, or what is left of them, without auditing everything.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use sigillo_ers::{AlgorithmTable, Renewal, Trust, TrustAnchors, token_renewals_due, verify_token};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, RevokedRenewals, TokenFrom, ToldRevocations,
    revoked_out::Counting, tree_parts::TreeParts,
};

/// The lines of an archive, and by what they are judged.
pub(crate) struct StandingLines<'a> {
    of: (&'a Archive, &'a LogView, &'a Chains),
    anchors: &'a TrustAnchors,
    algorithms: &'a AlgorithmTable,
    at: Timestamp,
    revoked: RevokedRenewals<'a>,
    parts: TreeParts,
}

/// What is left of the time-stamps of a sealing on a line without its new hash trees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Left {
    /// They hold until then, `None` if no end is in sight.
    Until(Option<Timestamp>),
    /// Nothing holds.
    Nothing,
}

/// What the time-stamps of a sealing on a line prove.
#[derive(Clone, Copy, Debug)]
struct Proven {
    /// Until when those that count hold, of documents that their hash trees have, if there are any.
    newest: Left,
    /// The same of other documents, by what came before; `None` if there are none.
    others: Option<Left>,
    /// Whether new hash trees do not count: what is put over them does not either.
    is_cut: bool,
}

impl Proven {
    /// Tells whether all documents are proven.
    fn is_all(&self) -> bool {
        self.newest != Left::Nothing && self.others != Some(Left::Nothing)
    }
}

impl<'a> StandingLines<'a> {
    /// What `parts` knows of hash trees is not read again.
    pub(crate) fn new(
        of: (&'a Archive, &'a LogView, &'a Chains),
        (anchors, algorithms): (&'a TrustAnchors, &'a AlgorithmTable),
        (told, at): (&ToldRevocations, Timestamp),
        parts: TreeParts,
    ) -> Self {
        let revoked = RevokedRenewals::new(told, (anchors, at));
        Self { of, anchors, algorithms, at, revoked, parts }
    }

    /// Tells whether the time-stamps that a sealing has on a line prove all its documents, as who verifies them
    /// says: each that counts leads to an anchor and lasted until the next covered it, the newest until now.
    /// What is revoked, or lost and not needed, is left out. Documents that are not in hash trees, for these
    /// left them out or their leaves are lost, what came before the trees must prove. Time-stamps for trial prove
    /// something only to who asks for `trial`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn hold(
        &mut self,
        of: (u64, &[ChainToken]),
        trial: bool,
    ) -> Result<bool, LogError> {
        Ok(self.proven(of, trial).await?.is_all())
    }

    /// Tells whether they hold, and newer ones can be put over them for all those documents.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn stand(
        &mut self,
        of: (u64, &[ChainToken]),
        trial: bool,
    ) -> Result<bool, LogError> {
        let proven = self.proven(of, trial).await?;
        Ok(proven.is_all() && proven.others.is_none() && !proven.is_cut)
    }

    /// Looks what time-stamps that a sealing has on a line prove.
    async fn proven(
        &mut self,
        (number, chain): (u64, &[ChainToken]),
        trial: bool,
    ) -> Result<Proven, LogError> {
        let (_, view, _) = self.of;
        let mut proven = Proven { newest: Left::Nothing, others: None, is_cut: false };
        if !trial && chain.iter().any(|it| it.stated(view).1) {
            return Ok(proven);
        }
        let Some(counting) = self.revoked.counting(self.of, chain).await? else {
            return Ok(proven);
        };
        (proven.newest, proven.is_cut) = (self.last(chain, &counting), counting.is_cut(chain));
        // Where new hash trees do not count, what came before them proves all documents.
        if !proven.is_cut && self.lacks((number, chain)).await {
            proven.others = Some(self.left(chain).await?);
        }
        Ok(proven)
    }

    /// Tells whether hash trees do not have all documents of a sealing, or it is not known.
    async fn lacks(&self, (number, chain): (u64, &[ChainToken])) -> bool {
        let (archive, _, chains) = self.of;
        if chains.left_out((number, chain)).next().is_some() {
            return true;
        }
        self.parts.read((archive, chains), std::iter::once((number, chain))).await;
        let lost = self.parts.lost_of(chains, (number, chain));
        lost.has_leaves || lost.unread_leaves
    }

    /// Tells what is left of some time-stamps of a sealing without its hash trees, and what came later: nothing
    /// if the first is over such.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn left(&mut self, chain: &[ChainToken]) -> Result<Left, LogError> {
        let is_first = |it: &ChainToken| it.sha512.is_some();
        if chain.first().is_some_and(is_first) {
            return Ok(Left::Nothing);
        }
        let is_tree = |it: &ChainToken| matches!(it.from, TokenFrom::Rehashed { .. });
        let before = chain.split(is_tree).next().unwrap_or_default();
        let counting = self.revoked.counting(self.of, before).await?;
        Ok(counting.map_or(Left::Nothing, |it| self.last(before, &it)))
    }

    /// Tells until when the time-stamps last that count: nothing unless each of them is believed and lasts until
    /// the next one covers it, and the newest until now.
    fn last(&self, chain: &[ChainToken], counting: &Counting) -> Left {
        let mut end = None;
        let tokens = counting.tokens().into_iter().map(|(place, raw)| (chain[place], raw));
        let tokens: Vec<_> = tokens.collect();
        for (place, token) in tokens.iter().enumerate() {
            match self.lasts(token, tokens.get(place + 1).map(|(next, _)| next)) {
                Some(last) if !counting.is_first_revoked => end = last.until,
                _ => return Left::Nothing,
            }
        }
        Left::Until(end)
    }

    /// Tells whether a time-stamp is believed and lasts until the next one covers it, or until now.
    fn lasts(
        &self,
        (token, raw): &(ChainToken, Bytes),
        next: Option<&ChainToken>,
    ) -> Option<Lasting> {
        let (_, view, _) = self.of;
        // The next of the same chain relies on the same hash function.
        let ends_chain = next.is_none_or(|it| matches!(it.from, TokenFrom::Rehashed { .. }));
        let covered_at = next.map(|it| it.stated(view).0.parse()).transpose().ok()?;
        let until = covered_at.unwrap_or(self.at);
        let verified = verify_token(raw, token.covers(view)?, self.anchors).ok()?;
        if verified.trust == Trust::Unknown {
            return None;
        }
        let due = token_renewals_due(raw, self.algorithms, (self.anchors, until)).ok()?;
        let counts = due.iter().filter(|it| ends_chain || it.renewal == Renewal::TimeStamp);
        let is_due = counts.clone().any(|it| it.is_due(until, SignedDuration::ZERO));
        (!is_due).then(|| Lasting { until: counts.filter_map(|due| due.before).min() })
    }
}

/// Until when a time-stamp lasts, `None` if no end is in sight.
struct Lasting {
    until: Option<Timestamp>,
}
