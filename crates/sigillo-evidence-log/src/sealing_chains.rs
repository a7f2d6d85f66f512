//! What proves one sealing: the chains of its time-stamps, with their bytes.

use std::collections::HashMap;

use bytes::Bytes;

use sigillo_ers::{ChainStamps, HashFunction, TOKEN_BYTES_MAX};
use sigillo_model::{EvidenceDigest, Finding, FindingCode, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, audit_sealings::read_stated, chain_hash,
    chains_of,
};

/// The chains of a sealing on a line, oldest first.
#[derive(Clone, Debug)]
pub struct SealingChains {
    chains: Vec<(HashFunction, Vec<(Vec<EvidenceDigest>, Bytes)>)>,
}

/// Tokens that were read: each may stand in the chains of many sealings.
pub(crate) type ReadTokens = HashMap<Sha256Digest, Bytes>;

impl SealingChains {
    /// Reads all time-stamps of a sealing; a finding if one is not there as the log says.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub async fn read(
        (archive, view, chains): (&Archive, &LogView, &Chains),
        tokens: &[ChainToken],
        known: &mut ReadTokens,
    ) -> Result<Result<Self, Finding>, LogError> {
        let mut read = Vec::new();
        for chain in chains_of(tokens) {
            let mut links = Vec::with_capacity(chain.len());
            for token in chain {
                let bytes = match known.get(&token.sha256) {
                    Some(bytes) => bytes.clone(),
                    None => match read_token(archive, view, token).await? {
                        Ok(bytes) => bytes,
                        Err(finding) => return Ok(Err(finding)),
                    },
                };
                // A first time-stamp belongs to one sealing, and is not needed again.
                if token.entry_index(view).is_some() {
                    known.insert(token.sha256, bytes.clone());
                }
                links.push((chains.path(token), bytes));
            }
            read.push((chain_hash(chain), links));
        }
        Ok(Ok(Self { chains: read }))
    }

    /// Returns the number of chains.
    pub fn count(&self) -> usize {
        self.chains.len()
    }

    /// Returns the hash function of a chain, by its place.
    pub fn hash(&self, place: usize) -> Option<HashFunction> {
        self.chains.get(place).map(|chain| chain.0)
    }

    /// Returns the siblings above what the first time-stamp of a chain has of the sealing alone.
    pub fn path(&self, place: usize) -> &[EvidenceDigest] {
        let first = self.chains.get(place).and_then(|chain| chain.1.first());
        first.map_or(&[], |link| &link.0)
    }

    /// Returns a chain, `None` if there is no such; `path` are the siblings that objects have in common
    /// up to what its first time-stamp covers.
    pub fn stamps(&self, place: usize, path: &[EvidenceDigest]) -> Option<ChainStamps<'_>> {
        let (hash, links) = self.chains.get(place)?;
        let ((_, first), renewals) = links.split_first()?;
        let mut stamps = ChainStamps::new(*hash, path, first);
        for (path, token) in renewals {
            stamps.renew(path, token);
        }
        Some(stamps)
    }
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
