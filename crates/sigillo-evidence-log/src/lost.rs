//! What is lost of renewals: chains go on without it as far as the log and the rest say how.

use std::collections::{BTreeMap, HashSet, btree_map::Entry};

use jiff::SignedDuration;

use sigillo_ers::{Due, Renewal};
use sigillo_model::{Finding, FindingCode, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, RenewalPlan, RenewalRules, TokenFrom,
    renewing::{Newest, judge},
};

/// The place of a sealing among the members of a renewal whose members are not there.
const UNPLACED: usize = usize::MAX;

impl ChainToken {
    /// Returns the commit that added it.
    fn commit(&self, view: &LogView) -> u64 {
        match self.from {
            TokenFrom::Stamped { stamp } => view.stamps[stamp].commit,
            TokenFrom::Renewed { renewal, .. } => view.renewals[renewal].commit,
        }
    }
}

/// Returns the time-stamps that `tokens` names beyond those of a chain, if they are those of renewals
/// whose members are not there: `unread`, by place in the view. That a later renewal names them says
/// that they were in the chain.
pub(crate) fn told_by_later(
    view: &LogView,
    unread: &[usize],
    chain: &[ChainToken],
    tokens: &[Sha256Digest],
) -> Option<Vec<ChainToken>> {
    let (known, more) = tokens.split_at_checked(chain.len())?;
    if !chain.iter().map(|it| it.sha256).eq(known.iter().copied()) {
        return None;
    }
    let mut left = unread_after(view, unread, chain);
    let told = more.iter().map(|sha256| {
        let renewal = left.find(|it| view.renewals[*it].body.token_sha256 == *sha256)?;
        let from = TokenFrom::Renewed { renewal, member: UNPLACED };
        Some(ChainToken { sha256: *sha256, from })
    });
    told.collect()
}

/// Returns those of the renewals, by place in the view, that came after all of a chain: it may be
/// among their members.
fn unread_after<'a>(
    view: &'a LogView,
    unread: &'a [usize],
    chain: &[ChainToken],
) -> impl Iterator<Item = usize> + 'a {
    let last = chain.last().map(|it| it.commit(view));
    let after = move |it: &usize| last.is_some_and(|last| view.renewals[*it].commit > last);
    unread.iter().copied().filter(after)
}

impl Chains {
    /// Returns the renewals, by place in the view, whose members are not there and which may have
    /// renewed the time-stamps of a sealing on a line: no later one says whether.
    pub fn perhaps_renewed(&self, view: &LogView, line: &str, number: u64) -> Vec<usize> {
        let of_line = |it: &usize| view.renewals[*it].body.line == line;
        let unread: Vec<_> = self.unread().iter().copied().filter(of_line).collect();
        unread_after(view, &unread, self.of(line, number)).collect()
    }

    /// Tells whether it is known how a time-stamp leads to its sealing: without that it proves
    /// nothing, however sound it is.
    pub fn is_placed(&self, token: &ChainToken) -> bool {
        !matches!(token.from, TokenFrom::Renewed { member: UNPLACED, .. })
    }
}

/// What is known of the time-stamps on which a renewal can be put.
pub(crate) type Judged = BTreeMap<Sha256Digest, Result<Newest, Finding>>;

/// Finds the newest time-stamp of a chain that is there and can be verified, for who renews over
/// lost ones: all of them are named in the new list all the same, and RFC 4998 §5.2 asks of it only
/// that the one before is. One that has come to its end carries nothing any more: that is a finding.
pub(crate) async fn newest_sound(
    (archive, view, chains): (&Archive, &LogView, &Chains),
    chain: &[ChainToken],
    rules: &RenewalRules<'_>,
    judged: &mut Judged,
) -> Result<Option<Result<ChainToken, Finding>>, LogError> {
    for token in chain.iter().rev().filter(|it| chains.is_placed(it)) {
        let known = match judged.entry(token.sha256) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(judge(archive, view, token, rules).await?),
        };
        let Ok(newest) = known else { continue };
        let is_newest = chain.last() == Some(token);
        let ended = newest.ends().filter(|due| due.is_due(rules.at, SignedDuration::ZERO));
        let end = ended.and_then(|due| due.before).filter(|_| !is_newest);
        return Ok(Some(match end {
            None => Ok(*token),
            Some(end) => {
                let message = format!(
                    "the newest time-stamp that is there ended on {end}: none that is put over it \
                     now closes the gap; bring the newer ones back from a copy of the archive"
                );
                Err(Finding::new(FindingCode::EvidenceEnded, token.key(view), message))
            }
        }));
    }
    Ok(None)
}

impl Newest {
    /// Returns what asks first for a newer time-stamp.
    fn ends(&self) -> Option<Due> {
        let mut due = self.due.iter();
        due.find(|due| due.renewal == Renewal::TimeStamp).copied()
    }
}

impl RenewalPlan {
    /// Plans over the newest time-stamps that are there, whatever newer ones are lost.
    pub(crate) async fn over_lost(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        rules: &RenewalRules<'_>,
    ) -> Result<(), LogError> {
        let (mut judged, mut told) = (Judged::new(), Vec::new());
        for (_, number, chain) in chains.iter().filter(|(line, ..)| *line == rules.line) {
            let found = newest_sound((archive, view, chains), chain, rules, &mut judged).await?;
            let sound = match found {
                Some(Ok(sound)) => sound,
                Some(Err(finding)) => {
                    told.push(finding);
                    continue;
                }
                None => continue,
            };
            let Some(Ok(newest)) = judged.get(&sound.sha256) else { continue };
            let mut newest = newest.clone();
            let mut tokens: Vec<_> = chain.iter().map(|it| it.sha256).collect();
            let perhaps = chains.perhaps_renewed(view, rules.line, number);
            tokens.extend(perhaps.iter().map(|it| view.renewals[*it].body.token_sha256));
            // The new one must not be older than those that are lost either.
            let stated = chain.iter().map(|it| it.stated(view).0);
            let stated =
                stated.chain(perhaps.iter().map(|it| &*view.renewals[*it].body.stamped_at));
            let newest_at = stated.filter_map(|it| it.parse().ok()).max();
            newest.stamped_at = newest_at.unwrap_or(newest.stamped_at).max(newest.stamped_at);
            self.take(number, tokens, &newest, sound.stated(view).1, rules);
        }
        self.findings.extend(judged.into_values().filter_map(Result::err));
        self.findings.extend(told);
        self.older(archive, view, chains).await?;
        // One that was looked at for its own sake is older than what another chain begins with.
        let mut seen = HashSet::new();
        self.findings.retain(|it| seen.insert((it.code, it.object.clone())));
        Ok(())
    }
}
