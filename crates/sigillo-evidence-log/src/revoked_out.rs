//! Which renewals do not count, for the certificate of their authority was revoked: chains go on without
//! them, as without lost ones.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use sigillo_ers::TrustAnchors;
use sigillo_model::{Finding, FindingCode, Severity, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, ToldRevocations,
    audit_revocation::RevocationAudit,
};

/// The renewals that do not count in the chains of some sealings on a line.
#[derive(Clone, Debug, Default)]
pub(crate) struct RevokedOut {
    /// By the number of the sealing: places among all its time-stamps, and the newest that counts.
    sealings: HashMap<u64, (BTreeSet<usize>, usize)>,
    /// What is told of each of them.
    pub(crate) findings: Vec<Finding>,
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
            let (left_out, is_whole) = revoked.left_out(of, chain).await?;
            for (place, why) in &left_out {
                if seen.insert(chain[*place].sha256) {
                    this.findings.push(finding(view, &chain[*place], why));
                }
            }
            if left_out.is_empty() {
                continue;
            }
            let places: BTreeSet<usize> = left_out.into_iter().map(|(place, _)| place).collect();
            let last = chain.len() - 1;
            let newest = (0..=last).rev().find(|place| !places.contains(place));
            let newest = newest.filter(|_| is_whole).unwrap_or(last);
            this.sealings.insert(number, (places, newest));
        }
        Ok(this)
    }

    /// Returns the newest time-stamp of a sealing that counts. Where new hash trees do not count it is the
    /// newest of all: what came before them can be renewed no more.
    pub(crate) fn newest<'c>(
        &self,
        number: u64,
        chain: &'c [ChainToken],
    ) -> Option<&'c ChainToken> {
        match self.sealings.get(&number) {
            Some((_, newest)) => chain.get(*newest),
            None => chain.last(),
        }
    }

    /// Tells whether a time-stamp of a sealing does not count.
    pub(crate) fn has(&self, number: u64, place: usize) -> bool {
        self.sealings.get(&number).is_some_and(|(places, _)| places.contains(&place))
    }

    /// Tells whether anything of a sealing does not count.
    pub(crate) fn is_of(&self, number: u64) -> bool {
        self.sealings.contains_key(&number)
    }

    /// Returns the tokens that do not count in some chain of a line.
    pub(crate) fn tokens(&self, line: &str, chains: &Chains) -> BTreeSet<Sha256Digest> {
        let each = self.sealings.iter().flat_map(|(number, (places, _))| {
            let chain = chains.of(line, *number);
            places.iter().filter_map(|place| Some(chain.get(*place)?.sha256))
        });
        each.collect()
    }
}

/// Says that a renewal does not count.
pub(crate) fn finding(view: &LogView, token: &ChainToken, why: &str) -> Finding {
    let message = format!("{why}: what it renewed is judged as if it had not been");
    Finding::new(FindingCode::RenewalRevoked, token.key(view), message)
}

/// Says that a sealing gets no new hash trees, which is more than a note: they were asked for, or are due.
pub(crate) fn no_trees(number: u64) -> Finding {
    let message = format!(
        "sealing {number} gets no new hash trees on the line: they are over all its time-stamps, and the \
         certificate of one was revoked. Name another line in the settings (`[[lines]]`), and run \
         `sigillo seal --stamp-only`"
    );
    let severity = Severity::CannotTell;
    let object = format!("sealing {number}");
    Finding { severity, ..Finding::new(FindingCode::RenewalRevoked, object, message) }
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
        let (left_out, _) = self.left_out(of, chain).await?;
        Ok(left_out.into_iter().map(|(place, why)| (chain[place].sha256, why)).collect())
    }

    /// Returns their places, and whether no chain is left out as a whole.
    async fn left_out(
        &mut self,
        of: (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<(Vec<(usize, String)>, bool), LogError> {
        if !self.is_any || chain.len() < 2 {
            return Ok((Vec::new(), true));
        }
        let Ok(mut read) = SealingChains::read(of, chain, &mut self.known).await? else {
            return Ok((Vec::new(), true));
        };
        let count = read.count();
        let (set, _) = self.audit.evidence(of, chain).await?;
        let left_out = read.leave_revoked_out(chain, (self.anchors, &set), self.at);
        Ok((left_out, read.count() == count))
    }
}
