//! Which renewals do not count, for the certificate of their authority was revoked: chains go on without
//! them, as without lost ones. And what is lost that hash trees cannot do without.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use sigillo_ers::TrustAnchors;
use sigillo_model::{Finding, FindingCode, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, TokenFrom, ToldRevocations,
    audit_revocation::RevocationAudit, chains_of, renewing::TOKENS_AHEAD_MAX,
    sealing_chains::read_token, tree_parts::TreeParts,
};

/// The renewals that do not count in the chains of some sealings on a line, and those that are lost so that
/// others do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct RevokedOut {
    /// By the number of the sealing.
    sealings: HashMap<u64, LeftOut>,
    /// Those of whose documents leaves are lost, or that nothing leads to from a first time-stamp over hash trees.
    leafless: HashSet<u64>,
    /// What is told of each of them.
    pub(crate) findings: Vec<Finding>,
}

/// What of the time-stamps of a sealing does not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut {
    /// By their places among all time-stamps of the sealing, and why.
    pub(crate) places: BTreeMap<usize, String>,
    /// The place of the newest that counts, unless new hash trees do not; `None` if nothing was looked at.
    pub(crate) newest: Option<usize>,
    /// Whether new hash trees do not count: then nothing does that came later, and nothing ever will, unless
    /// that is for a hold.
    pub(crate) is_cut: bool,
    /// Whether it is only for certificates on hold.
    pub(crate) on_hold: bool,
}

impl RevokedOut {
    /// Looks at the chains of a line by what is told to be revoked anywhere in the archive, and at what their
    /// hash trees consist of; where there are none of these, and nothing is revoked, nothing else is read.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn read(
        of: (&Archive, &LogView, &Chains),
        line: &str,
        (told, anchors, at): (&ToldRevocations, &TrustAnchors, Timestamp),
        parts: &TreeParts,
    ) -> Result<Self, LogError> {
        let (_, view, chains) = of;
        let (mut this, mut seen) = (Self::default(), HashSet::new());
        let mut revoked = RevokedRenewals::new(told, (anchors, at));
        for (_, number, chain) in chains.iter().filter(|(of, ..)| *of == line) {
            let left_out = revoked.left_out(of, chain).await?;
            for (place, why) in &left_out.places {
                if seen.insert(chain[*place].sha256) {
                    this.findings.push(finding(view, &chain[*place], why));
                }
            }
            if !left_out.places.is_empty() {
                this.sealings.insert(number, left_out);
            }
        }
        this.take_lost(of, line).await?;
        this.take_parts(of, line, parts).await;
        Ok(this)
    }

    /// Takes in what is lost of what hash trees consist of. What else is under them counts without it.
    async fn take_parts(
        &mut self,
        (archive, _, chains): (&Archive, &LogView, &Chains),
        line: &str,
        parts: &TreeParts,
    ) {
        let of_line = chains.iter().filter(|(of, ..)| *of == line);
        let of_line: Vec<_> = of_line.map(|(_, number, chain)| (number, chain)).collect();
        parts.read((archive, chains), of_line.iter().copied()).await;
        let mut seen = HashSet::new();
        for of in of_line {
            let lost = parts.lost_of(chains, of);
            let is_led_to = of.1.first().is_none_or(ChainToken::is_placed);
            if lost.has_leaves || !is_led_to {
                self.leafless.insert(of.0);
            }
            let new = lost.findings.into_iter().filter(|it| seen.insert(it.object.clone()));
            self.findings.extend(new);
        }
    }

    /// Takes in what is lost of new hash trees, or under them: they are over all that came before, so that
    /// they count for nothing without it.
    async fn take_lost(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        line: &str,
    ) -> Result<(), LogError> {
        let (archive, view, chains) = of;
        let is_tree = |it: &ChainToken| matches!(it.from, TokenFrom::Rehashed { .. });
        let of_line = chains.iter().filter(|(of, ..)| *of == line);
        let with_trees: Vec<_> = of_line
            .filter_map(|(_, number, chain)| {
                let trees = chain.iter().position(is_tree).filter(|at| *at > 0)?;
                Some((number, chain, trees))
            })
            .collect();
        let each = with_trees.iter().flat_map(|(_, chain, trees)| &chain[..=*trees]);
        let tokens: HashMap<Sha256Digest, ChainToken> =
            each.map(|token| (token.sha256, *token)).collect();
        let mut read = stream::iter(tokens.into_values())
            .map(|token| async move {
                Ok::<_, LogError>((token, read_token(archive, view, &token).await?))
            })
            .buffer_unordered(TOKENS_AHEAD_MAX);
        let mut lost = HashSet::new();
        while let Some((token, read)) = read.try_next().await? {
            if let Err(finding) = read {
                lost.insert(token.sha256);
                self.findings.push(finding);
            }
        }
        for (number, chain, trees) in with_trees {
            let is_there = |it: &ChainToken| it.is_placed() && !lost.contains(&it.sha256);
            if chain[..=trees].iter().all(is_there) {
                continue;
            }
            let left_out = self.sealings.entry(number).or_default();
            (left_out.is_cut, left_out.on_hold) = (true, false);
        }
        Ok(())
    }

    /// Returns the newest time-stamp of a sealing that counts; `None` if new hash trees do not, so that none
    /// that is put over it would.
    pub(crate) fn newest<'c>(
        &self,
        number: u64,
        chain: &'c [ChainToken],
    ) -> Option<&'c ChainToken> {
        match self.sealings.get(&number) {
            Some(LeftOut { is_cut: true, .. }) => None,
            Some(LeftOut { newest: Some(newest), .. }) => chain.get(*newest),
            _ => chain.last(),
        }
    }

    /// Tells whether a time-stamp of a sealing counts, as far as revocation goes.
    pub(crate) fn counts(&self, number: u64, place: usize) -> bool {
        self.sealings.get(&number).is_none_or(|it| !it.places.contains_key(&place))
    }

    /// Tells whether leaves of documents of a sealing are lost under hash trees, or the `tree.json` of its first.
    pub(crate) fn is_leafless(&self, number: u64) -> bool {
        self.leafless.contains(&number)
    }

    /// Tells whether new hash trees of a sealing do not count, so that it can be renewed no more: and if so,
    /// whether only for certificates on hold.
    pub(crate) fn cut(&self, number: u64) -> Option<bool> {
        self.sealings.get(&number).filter(|it| it.is_cut).map(|it| it.on_hold)
    }

    /// Tells whether anything of a sealing does not count.
    pub(crate) fn is_of(&self, number: u64) -> bool {
        self.sealings.contains_key(&number)
    }

    /// Returns the tokens that do not count in some chain of a line.
    pub(crate) fn tokens(&self, line: &str, chains: &Chains) -> BTreeSet<Sha256Digest> {
        let each = self.sealings.iter().flat_map(|(number, left_out)| {
            let chain = chains.of(line, *number);
            left_out.places.keys().filter_map(|place| Some(chain.get(*place)?.sha256))
        });
        each.collect()
    }
}

/// Says that a renewal does not count.
pub(crate) fn finding(view: &LogView, token: &ChainToken, why: &str) -> Finding {
    let message = format!("{why}: what it renewed is judged as if it had not been");
    Finding::new(FindingCode::RenewalRevoked, token.key(view), message)
}

/// Says which renewals of a sealing do not count, for who makes proofs or plans.
#[derive(Debug)]
pub struct RevokedRenewals<'a> {
    audit: RevocationAudit,
    anchors: &'a TrustAnchors,
    at: Timestamp,
    is_any: bool,
    known: HashMap<Sha256Digest, Bytes>,
}

impl<'a> RevokedRenewals<'a> {
    /// Begins with what is told to be revoked anywhere in the archive, to be judged as of now.
    pub fn new(told: &ToldRevocations, (anchors, at): (&'a TrustAnchors, Timestamp)) -> Self {
        let (audit, is_any) = (RevocationAudit::of(told), !told.pieces().is_empty());
        Self { audit, anchors, at, is_any, known: HashMap::new() }
    }

    /// Returns the time-stamps of a sealing on a line that do not count, by their digest, and why.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub async fn of(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<HashMap<Sha256Digest, String>, LogError> {
        let places = self.left_out(of, chain).await?.places;
        Ok(places.into_iter().map(|(place, why)| (chain[place].sha256, why)).collect())
    }

    /// Returns what does not count of the time-stamps of a sealing on a line.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn left_out(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<LeftOut, LogError> {
        let all = LeftOut { newest: chain.len().checked_sub(1), ..LeftOut::default() };
        if !self.is_any || chain.len() < 2 {
            return Ok(all);
        }
        match self.counting(of, chain).await? {
            Some(counting) if !counting.left_out.is_empty() => {
                let (newest, is_cut) = (counting.read.newest(), counting.is_cut(chain));
                let on_hold = counting.read.is_on_hold();
                let places = counting.left_out.into_iter().collect();
                Ok(LeftOut { places, newest, is_cut, on_hold })
            }
            _ => Ok(all),
        }
    }

    /// Reads which of some time-stamps of a sealing on a line count; `None` if the first is not there.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn counting(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<Option<Counting>, LogError> {
        let read = SealingChains::read(of, chain, &mut self.known).await?;
        let Some(mut read) = read.ok().filter(|_| !chain.is_empty()) else { return Ok(None) };
        if !self.is_any {
            return Ok(Some(Counting { read, left_out: Vec::new(), is_first_revoked: false }));
        }
        let (set, _) = self.audit.evidence(of, chain).await?;
        let by = (self.anchors, &set);
        let left_out = read.leave_revoked_out(chain, by, self.at);
        let is_first_revoked = read.is_first_revoked(by, self.at);
        Ok(Some(Counting { read, left_out, is_first_revoked }))
    }
}

/// The time-stamps of a sealing on a line that are there and count.
#[derive(Debug)]
pub(crate) struct Counting {
    read: SealingChains,
    /// Those that were revoked: their places among all, and why.
    left_out: Vec<(usize, String)>,
    /// Whether the first proves nothing, or perhaps nothing.
    pub(crate) is_first_revoked: bool,
}

impl Counting {
    /// Returns their bytes, and their places among all.
    pub(crate) fn tokens(&self) -> Vec<(usize, Bytes)> {
        self.read.there()
    }

    /// Tells whether new hash trees do not count.
    pub(crate) fn is_cut(&self, chain: &[ChainToken]) -> bool {
        self.read.count() < chains_of(chain).count()
    }
}
