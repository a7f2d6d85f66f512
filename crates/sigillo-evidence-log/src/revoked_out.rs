//! Which renewals do not count, for the certificate of their authority was revoked: chains go on without
//! them, as without lost ones.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use sigillo_ers::TrustAnchors;
use sigillo_model::{Finding, FindingCode, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, TokenFrom, ToldRevocations,
    audit_revocation::RevocationAudit, chains_of, renewing::TOKENS_AHEAD_MAX,
    sealing_chains::read_token,
};

/// The renewals that do not count in the chains of some sealings on a line, and those that are lost so that
/// others do not.
#[derive(Clone, Debug, Default)]
pub(crate) struct RevokedOut {
    /// By the number of the sealing.
    sealings: HashMap<u64, LeftOut>,
    /// What is told of each of them.
    pub(crate) findings: Vec<Finding>,
}

/// What of the time-stamps of a sealing does not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut {
    /// By their places among all time-stamps of the sealing, and why.
    pub(crate) places: BTreeMap<usize, String>,
    /// The place of the newest that counts; `None` if nothing does, or nothing was looked at.
    pub(crate) newest: Option<usize>,
    /// Whether new hash trees do not count: then nothing does that came later, and nothing ever will.
    pub(crate) is_cut: bool,
}

impl LeftOut {
    /// Tells whether the time-stamp at a place counts.
    pub(crate) fn counts(&self, place: usize) -> bool {
        let is_cut_off = self.is_cut && self.newest.is_none_or(|newest| newest < place);
        !self.places.contains_key(&place) && !is_cut_off
    }
}

impl RevokedOut {
    /// Looks at the chains of a line by what is told to be revoked anywhere in the archive; where nothing is,
    /// nothing else is read.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn read(
        of: (&Archive, &LogView, &Chains),
        line: &str,
        (told, anchors, at): (&ToldRevocations, &TrustAnchors, Timestamp),
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
        Ok(this)
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
            let counts = |at: &usize| is_there(&chain[*at]) && self.counts(number, *at);
            let newest = (0..trees).rev().find(counts);
            let left_out = self.sealings.entry(number).or_default();
            (left_out.newest, left_out.is_cut) = (newest, true);
        }
        Ok(())
    }

    /// Returns the newest time-stamp of a sealing that counts; `None` if nothing does.
    pub(crate) fn newest<'c>(
        &self,
        number: u64,
        chain: &'c [ChainToken],
    ) -> Option<&'c ChainToken> {
        match self.sealings.get(&number) {
            Some(LeftOut { newest: Some(newest), .. }) => chain.get(*newest),
            Some(LeftOut { is_cut: true, .. }) => None,
            _ => chain.last(),
        }
    }

    /// Tells whether a time-stamp of a sealing counts, as far as revocation goes.
    pub(crate) fn counts(&self, number: u64, place: usize) -> bool {
        self.sealings.get(&number).is_none_or(|it| it.counts(place))
    }

    /// Tells whether new hash trees of a sealing do not count, so that it can be renewed no more.
    pub(crate) fn is_cut(&self, number: u64) -> bool {
        self.sealings.get(&number).is_some_and(|it| it.is_cut)
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
    known: HashMap<Sha256Digest, bytes::Bytes>,
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
        let Ok(mut read) = SealingChains::read(of, chain, &mut self.known).await? else {
            return Ok(all);
        };
        let (set, _) = self.audit.evidence(of, chain).await?;
        let left_out = read.leave_revoked_out(chain, (self.anchors, &set), self.at);
        if left_out.is_empty() {
            return Ok(all);
        }
        let (newest, is_cut) = (read.newest(), read.count() < chains_of(chain).count());
        Ok(LeftOut { places: left_out.into_iter().collect(), newest, is_cut })
    }

    /// Tells whether the first time-stamp of a chain proves nothing, or perhaps nothing, once what does not
    /// count of the later ones is left out.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn is_first_revoked(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<bool, LogError> {
        if !self.is_any {
            return Ok(false);
        }
        let Ok(mut read) = SealingChains::read(of, chain, &mut self.known).await? else {
            return Ok(false);
        };
        let (set, _) = self.audit.evidence(of, chain).await?;
        let by = (self.anchors, &set);
        read.leave_revoked_out(chain, by, self.at);
        Ok(read.is_first_revoked(by, self.at))
    }
}
