//! What is lost of renewals: chains go on without it as far as the log and the rest say how.

use std::collections::{BTreeMap, BTreeSet, HashSet, btree_map::Entry};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use sigillo_ers::{Due, Renewal, TrustAnchors, token_renewals_due, verify_token};
use sigillo_model::{Finding, FindingCode, ObjectKey, Sha256Digest, is_sha512_line};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, RenewalPlan, RenewalRules, TokenFrom,
    covering::cover_validation,
    last_chain,
    renewing::{Newest, Renewable, TOKENS_AHEAD_MAX},
    revoked_out::RevokedOut,
    sealing_chains::read_token,
};

/// The place of a sealing in a renewal that cannot be read.
const UNPLACED: usize = usize::MAX;

/// A renewal whose list of what it covers is not there, by its place in the view.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unread {
    /// One of time-stamps.
    Renewal(usize),
    /// One of hash trees.
    Rehash(usize),
}

impl Unread {
    /// Returns its evidence line.
    pub(crate) fn line(self, view: &LogView) -> &str {
        match self {
            Self::Renewal(at) => &view.renewals[at].body.line,
            Self::Rehash(at) => &view.rehashes[at].body.line,
        }
    }

    fn commit(self, view: &LogView) -> u64 {
        match self {
            Self::Renewal(at) => view.renewals[at].commit,
            Self::Rehash(at) => view.rehashes[at].commit,
        }
    }

    /// Returns the generation of the log of its entry, and its place in that.
    pub fn entry_place(self, view: &LogView) -> (u64, u64) {
        match self {
            Self::Renewal(at) => (view.renewals[at].generation, view.renewals[at].entry_index),
            Self::Rehash(at) => (view.rehashes[at].generation, view.rehashes[at].entry_index),
        }
    }

    /// Returns where what it covers should lie.
    pub fn key(self, view: &LogView) -> ObjectKey {
        match self {
            Self::Renewal(at) => ObjectKey::renewal_members(view.renewals[at].body.renewal),
            Self::Rehash(at) => ObjectKey::hash_tree(view.rehashes[at].body.renewal),
        }
    }

    /// Returns the time that its token attests, as the log states it.
    pub fn stamped_at(self, view: &LogView) -> &str {
        match self {
            Self::Renewal(at) => &view.renewals[at].body.stamped_at,
            Self::Rehash(at) => &view.rehashes[at].body.stamped_at,
        }
    }

    /// Returns its token.
    fn token(self, view: &LogView) -> ChainToken {
        match self {
            Self::Renewal(at) => {
                let body = &view.renewals[at].body;
                let from = TokenFrom::Renewed { renewal: at, member: UNPLACED };
                ChainToken { sha256: body.token_sha256, sha512: body.token_sha512, from }
            }
            Self::Rehash(at) => {
                let body = &view.rehashes[at].body;
                let from = TokenFrom::Rehashed { rehash: at, leaf: UNPLACED };
                ChainToken { sha256: body.token_sha256, sha512: Some(body.token_sha512), from }
            }
        }
    }
}

impl ChainToken {
    /// Returns the commit that added it.
    fn commit(&self, view: &LogView) -> u64 {
        match self.from {
            TokenFrom::Stamped { stamp, .. } => view.stamps[stamp].commit,
            TokenFrom::Renewed { renewal, .. } => view.renewals[renewal].commit,
            TokenFrom::Rehashed { rehash, .. } => view.rehashes[rehash].commit,
        }
    }

    /// Tells whether it is known how it leads to its sealing: without that it proves nothing, however
    /// sound it is.
    pub fn is_placed(&self) -> bool {
        !matches!(
            self.from,
            TokenFrom::Stamped { is_placed: false, .. }
                | TokenFrom::Renewed { member: UNPLACED, .. }
                | TokenFrom::Rehashed { leaf: UNPLACED, .. }
        )
    }
}

/// Returns the time-stamps that a renewal names in `tokens` beyond those of the last chain of a
/// sealing, if they are those of renewals that cannot be read: that it names them says that they were
/// there. The first of them may have begun a chain, and then all in it are named.
pub(crate) fn told_by_later(
    view: &LogView,
    unread: &[Unread],
    tokens_by_then: &[ChainToken],
    tokens: &[Sha256Digest],
) -> Option<Vec<ChainToken>> {
    if let Some(told) = told(view, unread, (tokens_by_then, last_chain(tokens_by_then)), tokens)
        && told.iter().all(|it| !matches!(it.from, TokenFrom::Rehashed { .. }))
    {
        return Some(told);
    }
    let told = told(view, unread, (tokens_by_then, &[]), tokens)?;
    let begins = told.first().is_some_and(|it| matches!(it.from, TokenFrom::Rehashed { .. }));
    let once = told.iter().skip(1).all(|it| !matches!(it.from, TokenFrom::Rehashed { .. }));
    (begins && once).then_some(told)
}

/// As [`told_by_later`], for new hash trees, which name all time-stamps of a sealing.
pub(crate) fn told_by_tree(
    view: &LogView,
    unread: &[Unread],
    tokens_by_then: &[ChainToken],
    tokens: &[Sha256Digest],
) -> Option<Vec<ChainToken>> {
    let told = told(view, unread, (tokens_by_then, tokens_by_then), tokens)?;
    let whole = told.iter().all(|it| !matches!(it.from, TokenFrom::Rehashed { .. }));
    whole.then_some(told)
}

fn told(
    view: &LogView,
    unread: &[Unread],
    (by_then, named): (&[ChainToken], &[ChainToken]),
    tokens: &[Sha256Digest],
) -> Option<Vec<ChainToken>> {
    let (known, more) = tokens.split_at_checked(named.len())?;
    if !named.iter().map(|it| it.sha256).eq(known.iter().copied()) {
        return None;
    }
    let mut left = unread_after(view, unread, by_then).map(|it| it.token(view));
    more.iter().map(|sha256| left.find(|it| it.sha256 == *sha256)).collect()
}

/// Returns those of the renewals that came after all time-stamps of a sealing: it may be in them.
fn unread_after<'a>(
    view: &'a LogView,
    unread: &'a [Unread],
    tokens: &[ChainToken],
) -> impl Iterator<Item = Unread> + 'a {
    let last = tokens.last().map(|it| it.commit(view));
    let after = move |it: &Unread| last.is_some_and(|last| it.commit(view) > last);
    unread.iter().copied().filter(after)
}

impl Chains {
    /// Returns the renewals that cannot be read and may have renewed the time-stamps of a sealing on a
    /// line: no later one says whether.
    pub fn perhaps_renewed(&self, view: &LogView, line: &str, number: u64) -> Vec<Unread> {
        let unread = self.unread_of(view, line);
        unread_after(view, &unread, self.of(line, number)).collect()
    }
}

/// What is known of the time-stamps on which a renewal can be put.
pub(crate) type Judged = BTreeMap<Sha256Digest, Result<Newest, Finding>>;

/// Reads and verifies the newest time-stamp of a chain.
pub(crate) async fn judge(
    archive: &Archive,
    view: &LogView,
    token: &ChainToken,
    rules: &RenewalRules<'_>,
) -> Result<Result<Newest, Finding>, LogError> {
    let (key, code) = (token.key(view), token.damage());
    let damaged = |what: String| Ok(Err(Finding::new(code, &key, what)));
    let Some(covers) = token.covers(view) else {
        return damaged("the log names no sealing of its number".to_owned());
    };
    let bytes = match read_token(archive, view, token).await? {
        Ok(bytes) => bytes,
        Err(finding) => return Ok(Err(finding)),
    };
    let verified = match verify_token(&bytes, covers, rules.anchors) {
        Ok(verified) => verified,
        Err(error) if error.is_unknown_algorithm() => {
            let finding = Finding::new(FindingCode::AlgorithmUnknown, key, error.to_string());
            return Ok(Err(finding));
        }
        Err(error) => return damaged(error.to_string()),
    };
    match token_renewals_due(&bytes, rules.algorithms, (rules.anchors, rules.at)) {
        Ok(due) => Ok(Ok(Newest { due, stamped_at: verified.stamped_at })),
        Err(error) => damaged(error.to_string()),
    }
}

/// Finds the newest time-stamp of a chain that is there and can be verified, for who renews over
/// lost ones: all of them are named in the new list all the same, and RFC 4998 §5.2 asks of it only
/// that the one before is. One that has come to its end carries nothing any more: that is a finding.
pub(crate) async fn newest_sound(
    (archive, view): (&Archive, &LogView),
    (chain, counts): (&[ChainToken], &dyn Fn(usize) -> bool),
    rules: &RenewalRules<'_>,
    judged: &mut Judged,
) -> Result<Option<Result<ChainToken, Finding>>, LogError> {
    let placed = chain.iter().enumerate().rev().filter(|(at, it)| it.is_placed() && counts(*at));
    for (_, token) in placed {
        let known = match judged.entry(token.sha256) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(judge(archive, view, token, rules).await?),
        };
        let Ok(newest) = known else { continue };
        return Ok(Some(newest.gap((view, chain), token, rules.at).map_or(Ok(*token), Err)));
    }
    Ok(None)
}

impl Newest {
    /// Says that a time-stamp has ended that is to carry another one though it is not the newest: newer ones
    /// are lost, or do not count.
    pub(crate) fn gap(
        &self,
        (view, chain): (&LogView, &[ChainToken]),
        token: &ChainToken,
        at: Timestamp,
    ) -> Option<Finding> {
        let is_newest = chain.last() == Some(token);
        let ended = self.ends().filter(|due| due.is_due(at, SignedDuration::ZERO));
        let end = ended.and_then(|due| due.before).filter(|_| !is_newest)?;
        let message = format!(
            "the newest time-stamp that is there, and counts, ended on {end}: none that is put over it now \
             closes the gap; bring newer ones that are lost back from a copy of the archive"
        );
        Some(Finding::new(FindingCode::EvidenceEnded, token.key(view), message))
    }

    /// Returns the same as the newest of these, also of those that are lost or do not count: a new one must
    /// be older than none of them.
    pub(crate) fn not_before(&self, (view, whole): (&LogView, &[ChainToken])) -> Self {
        let stated = whole.iter().filter_map(|it| it.stated(view).0.parse().ok());
        let stamped_at = stated.max().unwrap_or(self.stamped_at).max(self.stamped_at);
        Self { stamped_at, due: self.due.clone() }
    }

    /// Returns what asks first for a newer time-stamp.
    fn ends(&self) -> Option<Due> {
        let mut due = self.due.iter();
        due.find(|due| due.renewal == Renewal::TimeStamp).copied()
    }
}

impl RenewalPlan {
    /// Returns the newest time-stamp of a sealing that counts, if another one can be put over it for anything;
    /// takes note of what that does nothing for.
    pub(crate) fn renewable<'c>(
        &mut self,
        (chains, revoked): (&Chains, &RevokedOut),
        number: u64,
        chain: &'c [ChainToken],
    ) -> Option<&'c ChainToken> {
        if let Some(on_hold) = revoked.cut(number) {
            self.stopped.renewals(number, on_hold);
            return None;
        }
        if revoked.is_leafless(number) {
            self.stopped.documents(number);
        }
        // What a line of SHA-512 left out nothing on it ever proved.
        let is_left_out = || chains.left_out((number, chain)).next().is_some();
        if !is_sha512_line(&self.line) && is_left_out() {
            self.stopped.left_out(number);
        }
        revoked.newest(number, chain)
    }

    /// Tells of older time-stamps of what is to be renewed that are not there as they were. Their
    /// digests are in the log, so they are renewed all the same, for the day they are brought back. What
    /// revocation evidence they covered, as those in `lost` did, is covered anew. New hash trees are over all
    /// of them, and cannot be made without one.
    pub(crate) async fn older(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        anchors: &TrustAnchors,
        mut lost: BTreeSet<Sha256Digest>,
    ) -> Result<(), LogError> {
        let mut older = BTreeMap::new();
        let numbers =
            self.due.iter().map(|it| it.number).chain(self.trees.iter().map(|it| it.number));
        for number in numbers {
            if let [tokens @ .., _newest] = chains.of(&self.line, number) {
                older.extend(tokens.iter().map(|token| (token.sha256, *token)));
            }
        }
        let read: Vec<(Sha256Digest, Result<Bytes, Finding>)> = stream::iter(older.into_values())
            .map(|token| async move {
                Ok::<_, LogError>((token.sha256, read_token(archive, view, &token).await?))
            })
            .buffered(TOKENS_AHEAD_MAX)
            .try_collect()
            .await?;
        for (sha256, read) in read {
            if let Err(finding) = read {
                lost.insert(sha256);
                self.findings.push(finding);
            }
        }
        self.stop_trees(view, chains);
        let on = (&*self.line, &lost, anchors);
        cover_validation((archive, view, chains), on, &mut self.due).await
    }

    /// Lets no new hash trees be made of sealings with a time-stamp that is known not to be there as it was, or
    /// not to be led to.
    fn stop_trees(&mut self, view: &LogView, chains: &Chains) {
        let damage = [FindingCode::TokenDamaged, FindingCode::RenewalDamaged];
        let damaged = self.findings.iter().filter(|it| damage.contains(&it.code));
        let damaged: HashSet<&str> = damaged.map(|it| it.object.as_str()).collect();
        let is_there = |it: &ChainToken| it.is_placed() && !damaged.contains(it.key(view).as_str());
        let (line, stopped) = (&self.line, &mut self.stopped);
        self.trees.retain(|planned| {
            let chain = chains.of(line, planned.number);
            let is_whole = chain.len() == planned.tokens.len() && chain.iter().all(is_there);
            if !is_whole {
                stopped.trees(planned.number);
            }
            is_whole
        });
    }

    /// Tells of what this line can do no more.
    pub(crate) async fn say_stopped(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        rules: &RenewalRules<'_>,
    ) -> Result<(), LogError> {
        let stopped = std::mem::take(&mut self.stopped);
        self.findings.extend(stopped.findings(of, (&self.told, rules), &self.parts).await?);
        Ok(())
    }

    /// Plans over the newest time-stamps that are there, whatever newer ones are lost.
    pub(crate) async fn over_lost(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        rules: &RenewalRules<'_>,
        revoked: &RevokedOut,
    ) -> Result<(), LogError> {
        let (mut judged, mut told) = (Judged::new(), Vec::new());
        for (_, number, chain) in chains.iter().filter(|(line, ..)| *line == rules.line) {
            if self.renewable((chains, revoked), number, chain).is_none() {
                continue;
            }
            let counts = |place: usize| revoked.counts(number, place);
            let of = (chain, &counts as &dyn Fn(usize) -> bool);
            let found = newest_sound((archive, view), of, rules, &mut judged).await?;
            let sound = match found {
                Some(Ok(sound)) => sound,
                Some(Err(finding)) => {
                    told.push(finding);
                    continue;
                }
                None => continue,
            };
            let Some(Ok(newest)) = judged.get(&sound.sha256) else { continue };
            let perhaps = chains.perhaps_renewed(view, rules.line, number);
            // Which chain it would be in nobody can say.
            if perhaps.iter().any(|it| matches!(it, Unread::Rehash(_))) {
                self.held_back += 1;
                continue;
            }
            let more = perhaps.iter().map(|it| it.token(view));
            let whole: Vec<ChainToken> = chain.iter().copied().chain(more).collect();
            let (newest, trial) = (newest.not_before((view, &whole)), sound.stated(view).1);
            let is_whole = !revoked.is_of(number);
            // What is lost is renewed over at once, also where what is left lasts for years.
            let all = rules.all || whole.last() != Some(&sound);
            let rules = &RenewalRules { all, ..*rules };
            self.take(&Renewable { number, tokens: &whole, is_whole }, &newest, trial, rules);
        }
        let mut lost = revoked.tokens(rules.line, chains);
        lost.extend(judged.iter().filter(|(_, it)| it.is_err()).map(|(sha256, _)| *sha256));
        self.findings.extend(judged.into_values().filter_map(Result::err));
        self.findings.extend(told);
        self.older((archive, view, chains), rules.anchors, lost).await?;
        // One that was looked at for its own sake is older than what another chain begins with.
        let mut seen = HashSet::new();
        self.findings.retain(|it| seen.insert((it.code, it.object.clone())));
        self.say_stopped((archive, view, chains), rules).await
    }
}
