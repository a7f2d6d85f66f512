//! What proves one sealing: the chains of its time-stamps, with their bytes.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_ers::{
    ChainStamps, HashFunction, RevocationSet, TOKEN_BYTES_MAX, TrustAnchors, revoked_stamp,
};
use sigillo_model::{EvidenceDigest, Finding, FindingCode, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, audit_sealings::read_stated, chain_hash,
    chains_of,
};

/// The chains of a sealing on a line, oldest first, as far as they can be verified.
#[derive(Clone, Debug)]
pub struct SealingChains {
    chains: Vec<ReadChain>,
    /// The first time-stamp that is not there as the log says.
    lost: Option<Finding>,
    /// Whether what was left out for revocation, if anything was, only has certificates on hold.
    on_hold: bool,
}

#[derive(Clone, Debug)]
struct ReadChain {
    hash: HashFunction,
    /// The siblings above what the sealing has of its own, and the token.
    first: (Vec<EvidenceDigest>, Bytes),
    newer: Vec<NewerToken>,
}

#[derive(Clone, Debug)]
enum NewerToken {
    There(Vec<EvidenceDigest>, Bytes),
    Lost(EvidenceDigest),
}

/// Tokens that were read: each may stand in the chains of many sealings.
pub type ReadTokens = HashMap<Sha256Digest, Bytes>;

impl SealingChains {
    /// Reads all time-stamps of a sealing; a finding if its first is not there. A renewal that is lost
    /// is left out, for those after it name it; new hash trees are over everything before them, and are
    /// left out with all that came later if anything of that is lost. Of renewals, what is in `known` is
    /// not read again.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub async fn read(
        of: (&Archive, &LogView, &Chains),
        tokens: &[ChainToken],
        known: &mut ReadTokens,
    ) -> Result<Result<Self, Finding>, LogError> {
        Self::read_with(of, tokens, known, false).await
    }

    /// As [`read`](Self::read). With `only_known` the token of a renewal counts as lost unless it is among
    /// those that were read before.
    pub(crate) async fn read_with(
        (archive, view, chains): (&Archive, &LogView, &Chains),
        tokens: &[ChainToken],
        known: &mut ReadTokens,
        only_known: bool,
    ) -> Result<Result<Self, Finding>, LogError> {
        let mut this = Self { chains: Vec::new(), lost: None, on_hold: true };
        for chain in chains_of(tokens) {
            if this.lost.is_some() {
                break;
            }
            for token in chain {
                let read = match known.get(&token.sha256) {
                    _ if !token.is_placed() => Err(unplaced(view, token)),
                    Some(bytes) => Ok(bytes.clone()),
                    // What is wrong with it was told already.
                    None if only_known && token.entry_place(view).is_some() => {
                        Err(Finding::new(token.damage(), token.key(view), "it does not count"))
                    }
                    None => read_token(archive, view, token).await?,
                };
                let is_first = std::ptr::eq(token, &raw const chain[0]);
                let last = this.chains.last_mut().filter(|_| !is_first);
                match (read, last) {
                    (Ok(bytes), last) => {
                        // A first time-stamp belongs to one sealing, and is not needed again.
                        if token.entry_place(view).is_some() {
                            known.insert(token.sha256, bytes.clone());
                        }
                        let path = chains.path(token);
                        match last {
                            Some(last) => last.newer.push(NewerToken::There(path, bytes)),
                            None => this.chains.push(ReadChain {
                                hash: chain_hash(chain),
                                first: (path, bytes),
                                newer: Vec::new(),
                            }),
                        }
                    }
                    (Err(finding), Some(last)) => {
                        last.newer.push(NewerToken::Lost(token.digest()));
                        this.lost.get_or_insert(finding);
                    }
                    (Err(finding), None) => {
                        // Without its first token there is no chain.
                        if this.chains.is_empty() {
                            return Ok(Err(finding));
                        }
                        this.lost.get_or_insert(finding);
                        break;
                    }
                }
            }
        }
        Ok(Ok(this))
    }

    /// Returns the first time-stamp that is not there as the log says.
    pub fn lost(&self) -> Option<&Finding> {
        self.lost.as_ref()
    }

    /// Returns the number of chains.
    pub fn count(&self) -> usize {
        self.chains.len()
    }

    /// Returns the siblings above what the first time-stamp of a chain has of the sealing alone.
    pub fn path(&self, place: usize) -> &[EvidenceDigest] {
        self.chains.get(place).map_or(&[], |chain| &chain.first.0)
    }

    /// Returns a chain, `None` if there is no such; `path` are the siblings that objects have in common
    /// up to what its first time-stamp covers.
    pub fn stamps(&self, place: usize, path: &[EvidenceDigest]) -> Option<ChainStamps<'_>> {
        let chain = self.chains.get(place)?;
        let mut stamps = ChainStamps::new(chain.hash, path, &chain.first.1);
        for newer in &chain.newer {
            match newer {
                NewerToken::There(path, token) => stamps.renew(path, token),
                NewerToken::Lost(digest) => stamps.lose(*digest),
            }
        }
        Some(stamps)
    }

    /// Returns the place among all time-stamps of the sealing of one in the record of these chains; chain
    /// and place in it are counted from 0.
    pub(crate) fn place(&self, chain: usize, stamp: usize) -> Option<usize> {
        let before: usize = self.chains.get(..chain)?.iter().map(|it| 1 + it.newer.len()).sum();
        let newer = self.chains.get(chain)?.newer.iter().enumerate();
        let there = newer.filter(|(_, it)| matches!(it, NewerToken::There(..)));
        let within = std::iter::once(0).chain(there.map(|(at, _)| at + 1)).nth(stamp)?;
        Some(before + within)
    }

    /// Leaves out what does not count, for a certificate behind it was revoked by what `evidence` says:
    /// a renewal as if it were lost, new hash trees with all that came later. The first time-stamp stays.
    /// Returns the places of these, the newest first, and why.
    pub(crate) fn leave_revoked_out(
        &mut self,
        tokens: &[ChainToken],
        (anchors, evidence): (&TrustAnchors, &RevocationSet),
        known_by: Timestamp,
    ) -> Vec<(usize, String)> {
        let mut left_out = Vec::new();
        loop {
            let there = self.there();
            let raws: Vec<&[u8]> = there.iter().map(|(_, raw)| &raw[..]).collect();
            let Some(revoked) = revoked_stamp(&raws, (anchors, evidence), known_by) else {
                return left_out;
            };
            let place = there[revoked.place].0;
            self.leave_out(place, tokens);
            self.on_hold &= revoked.on_hold;
            left_out.push((place, revoked.why));
        }
    }

    /// Tells whether all that was left out was left out for certificates on hold, and nothing is lost.
    pub(crate) fn is_on_hold(&self) -> bool {
        self.on_hold && self.lost.is_none()
    }

    /// Tells whether the first time-stamp proves nothing, or perhaps nothing, for a certificate behind it was
    /// revoked by what `evidence` says, and those after it that are there do not help.
    pub(crate) fn is_first_revoked(
        &self,
        (anchors, evidence): (&TrustAnchors, &RevocationSet),
        known_by: Timestamp,
    ) -> bool {
        let there = self.there();
        // One is put before it, for the very first is not looked at.
        let first: &[u8] = &[];
        let raws: Vec<&[u8]> =
            std::iter::once(first).chain(there.iter().map(|(_, raw)| &raw[..])).collect();
        revoked_stamp(&raws, (anchors, evidence), known_by).is_some_and(|it| it.place == 1)
    }

    /// Returns the time-stamps that are there, and their places among all of the sealing.
    pub(crate) fn there(&self) -> Vec<(usize, Bytes)> {
        let (mut all, mut before) = (Vec::new(), 0);
        for chain in &self.chains {
            all.push((before, chain.first.1.clone()));
            for (at, newer) in (before + 1..).zip(&chain.newer) {
                if let NewerToken::There(_, raw) = newer {
                    all.push((at, raw.clone()));
                }
            }
            before += 1 + chain.newer.len();
        }
        all
    }

    /// Leaves out the time-stamp at a place, and what stands on it: newer hash trees are over everything.
    fn leave_out(&mut self, place: usize, tokens: &[ChainToken]) {
        let mut before = 0;
        for at in 0..self.chains.len() {
            let count = 1 + self.chains[at].newer.len();
            if place == before {
                self.chains.truncate(at);
                return;
            }
            if place < before + count {
                let digest = tokens[place].digest();
                self.chains[at].newer[place - before - 1] = NewerToken::Lost(digest);
                self.chains.truncate(at + 1);
                return;
            }
            before += count;
        }
    }

    /// Returns the place among all time-stamps of the sealing of the newest that is there.
    pub(crate) fn newest(&self) -> Option<usize> {
        let last = self.chains.len().checked_sub(1)?;
        let newer = self.chains[last].newer.iter();
        self.place(last, newer.filter(|it| matches!(it, NewerToken::There(..))).count())
    }
}

fn unplaced(view: &LogView, token: &ChainToken) -> Finding {
    let what = "what it covers is lost, so it proves nothing";
    Finding::new(token.damage(), token.key(view), what)
}

/// Reads a time-stamp, which must have the digest that the log states.
pub(crate) async fn read_token(
    archive: &Archive,
    view: &LogView,
    token: &ChainToken,
) -> Result<Result<Bytes, Finding>, LogError> {
    let mut findings = Vec::new();
    let named = (&token.key(view), TOKEN_BYTES_MAX as u64, token.sha256);
    let read = read_stated(archive, named, token.damage(), &mut findings).await?;
    let unread = || Finding::new(FindingCode::NotRead, token.key(view), "it could not be read");
    Ok(read.ok_or_else(|| findings.pop().unwrap_or_else(unread)))
}
