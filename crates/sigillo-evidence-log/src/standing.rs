//! Whether the time-stamps of a sealing on one line hold, for who asks whether they stand for those on
//! another, or what is left of them, without auditing everything.

use std::collections::BTreeSet;

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

    /// Tells whether the time-stamps that a sealing has on a line prove it, with all its documents: each is
    /// there, with all that hash trees under it consist of; each that counts leads to an anchor and lasted
    /// until the next covered it, the newest until now; and what is revoked is left out. Those for trial prove
    /// something only to who asks for `trial`.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn hold(
        &mut self,
        (number, chain): (u64, &[ChainToken]),
        trial: bool,
    ) -> Result<bool, LogError> {
        let (archive, _, chains) = self.of;
        if chains.left_out((number, chain)).next().is_some() {
            return Ok(false);
        }
        self.parts.read((archive, chains), std::iter::once((number, chain))).await;
        if !self.parts.lost_of(chains, (number, chain)).findings.is_empty() {
            return Ok(false);
        }
        self.tokens_hold(chain, trial).await
    }

    /// Tells the same of the time-stamps alone, whatever is under them.
    async fn tokens_hold(&mut self, chain: &[ChainToken], trial: bool) -> Result<bool, LogError> {
        let (_, view, _) = self.of;
        let is_of_use = |it: &ChainToken| it.is_placed() && (trial || !it.stated(view).1);
        if !chain.iter().all(is_of_use) {
            return Ok(false);
        }
        let counting = self.revoked.counting(self.of, chain).await?;
        let counting = counting.filter(|it| !it.is_less(chain));
        Ok(counting.is_some_and(|it| self.last(chain, &it) != Left::Nothing))
    }

    /// Tells what is left of some time-stamps of a sealing without its new hash trees, and what came later.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn left(&mut self, chain: &[ChainToken]) -> Result<Left, LogError> {
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

/// Returns on which lines the time-stamps hold of some sealings, by the numbers of these: what is under hash
/// trees is not looked at. Those for trial hold in an archive for trial alone.
///
/// # Errors
///
/// [`LogError`] if the store did not answer.
pub async fn standing_lines(
    of: (&Archive, &LogView, &Chains),
    by: (&TrustAnchors, &AlgorithmTable),
    told: (&ToldRevocations, Timestamp),
    numbers: &BTreeSet<u64>,
) -> Result<BTreeSet<(u64, String)>, LogError> {
    let (archive, _, chains) = of;
    let mut lines = StandingLines::new(of, by, told, TreeParts::default());
    let (trial, mut standing) = (archive.description().trial, BTreeSet::new());
    for (line, number, chain) in chains.iter().filter(|(_, number, _)| numbers.contains(number)) {
        if lines.tokens_hold(chain, trial).await? {
            standing.insert((number, line.to_owned()));
        }
    }
    Ok(standing)
}
