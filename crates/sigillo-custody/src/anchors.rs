//! Time-stamps over checkpoints, kept beside the log.

use std::collections::BTreeSet;

use bytes::Bytes;

use sigillo_ers::{TOKEN_BYTES_MAX, TokenError, Trust, TrustAnchors, VerifiedToken, verify_token};
use sigillo_evidence_log::Archive;
use sigillo_model::{ObjectKey, Severity, Sha256Digest};

use crate::{CustodyError, ReceiptLog};

/// At most so many are listed of each log.
const LISTED_MAX: usize = 10_000;

/// A time-stamp over a checkpoint, judged.
#[derive(Debug)]
pub struct CheckpointAnchor {
    /// The generation of the log that it is kept for, from 1.
    pub generation: u64,
    /// Entries of the checkpoint that it is kept for.
    pub size: u64,
    /// Its key.
    pub key: ObjectKey,
    /// Whether the log names it. What it does not name, anybody may have put there who can write to the
    /// store.
    pub is_logged: bool,
    /// What it attests; or why it attests nothing of this log.
    pub token: Result<VerifiedToken, AnchorFault>,
}

impl CheckpointAnchor {
    /// Returns how grave it is that it is as it is: nothing is wrong with an archive in which somebody puts
    /// what is none.
    pub fn severity(&self) -> Severity {
        match &self.token {
            _ if !self.is_logged => Severity::Note,
            Ok(token) if token.trust == Trust::Unknown => Severity::CannotTell,
            Ok(_) | Err(AnchorFault::AfterEnd) => Severity::Note,
            Err(AnchorFault::Token(error)) if error.is_unknown_algorithm() => Severity::CannotTell,
            Err(_) => Severity::Damage,
        }
    }
}

/// Why a time-stamp says nothing of a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorFault {
    /// The log ended before.
    #[error(
        "the log ended with fewer entries: what it covers is lost, or was never of this archive"
    )]
    AfterEnd,
    /// The log has not so many entries.
    #[error("the log has not so many entries: it was taken back, or this is of another")]
    Beyond,
    /// The log names it, and it is not there.
    #[error("it is not there, although the log names it: take it from a copy of the archive")]
    Missing,
    /// Its bytes are not those that its name states.
    #[error("its bytes do not have the digest that its name states")]
    Name,
    /// It is none, or over something else.
    #[error("{0}")]
    Token(TokenError),
}

/// Stores a time-stamp over the checkpoint of a size beside the log, once.
///
/// # Errors
///
/// [`CustodyError::Store`] if the store failed.
pub async fn store_anchor(
    archive: &Archive,
    size: u64,
    token: &[u8],
) -> Result<ObjectKey, CustodyError> {
    let key = ObjectKey::anchor(archive.generation(), size, Sha256Digest::of(token));
    let created = archive.store().create(&key, Bytes::copy_from_slice(token)).await;
    match created {
        // The name is the digest of the bytes: whatever is there is the same, or damaged.
        Ok(_) => Ok(key),
        Err(source) => Err(CustodyError::Store { doing: "storing a time-stamp", source }),
    }
}

impl ReceiptLog {
    /// Returns SHA-256 of the text of the checkpoint of a size, which time-stamps over it cover.
    pub fn checkpoint_digest(&self, size: u64) -> Option<Sha256Digest> {
        self.checkpoint_at(size).map(|it| Sha256Digest::of(it.to_text().as_bytes()))
    }

    /// Reads and judges the time-stamps over checkpoints of all logs that these name, or the store lists:
    /// the oldest log first, of each the oldest size.
    ///
    /// # Errors
    ///
    /// [`CustodyError::Store`] if the store did not answer.
    pub async fn anchors(
        &self,
        archive: &Archive,
        trusted: &TrustAnchors,
    ) -> Result<Vec<CheckpointAnchor>, CustodyError> {
        let mut anchors = Vec::new();
        for generation in 1..=self.generation() {
            anchors.extend(self.anchors_of(generation, archive, trusted).await?);
        }
        Ok(anchors)
    }

    async fn anchors_of(
        &self,
        generation: u64,
        archive: &Archive,
        trusted: &TrustAnchors,
    ) -> Result<Vec<CheckpointAnchor>, CustodyError> {
        let folder = ObjectKey::anchors(generation);
        let failed = |source| CustodyError::Store { doing: "reading time-stamps", source };
        let listed = archive.store().list(folder.as_str(), LISTED_MAX).await.map_err(failed)?;
        let mut named: Vec<(u64, Sha256Digest, ObjectKey)> =
            listed.into_iter().filter_map(|it| named(&folder, it.key)).collect();
        let logged = self.view.anchors.iter().filter(|it| it.generation == generation);
        let logged = logged.map(|it| {
            let (size, sha256) = (it.body.size, it.body.token_sha256);
            (size, sha256, ObjectKey::anchor(generation, size, sha256))
        });
        let logged: BTreeSet<_> = logged.collect();
        named.extend(logged.iter().cloned());
        named.sort();
        named.dedup();
        let has_ended = generation < self.generation();
        let mut anchors = Vec::with_capacity(named.len());
        for named in named {
            let is_logged = logged.contains(&named);
            let (size, digest, key) = named;
            let read = archive.store().read_optional(&key, TOKEN_BYTES_MAX as u64).await;
            let covered = self.checkpoint_of(generation, size);
            let token = match (read.map_err(failed)?, covered) {
                (None, _) => Err(AnchorFault::Missing),
                (Some(_), None) if has_ended => Err(AnchorFault::AfterEnd),
                (Some(_), None) => Err(AnchorFault::Beyond),
                (Some(bytes), _) if Sha256Digest::of(&bytes) != digest => Err(AnchorFault::Name),
                (Some(bytes), Some(covered)) => {
                    let imprint = Sha256Digest::of(covered.to_text().as_bytes());
                    verify_token(&bytes, imprint, trusted).map_err(AnchorFault::Token)
                }
            };
            anchors.push(CheckpointAnchor { generation, size, key, is_logged, token });
        }
        Ok(anchors)
    }
}

/// Takes the key of a time-stamp apart; nothing for other keys.
fn named(folder: &ObjectKey, key: ObjectKey) -> Option<(u64, Sha256Digest, ObjectKey)> {
    let below = key.as_str().strip_prefix(folder.as_str())?.strip_prefix('/')?;
    let (size, name) = below.split_once('/')?;
    let digest = name.strip_suffix(".tst")?.parse().ok()?;
    Some((size.parse().ok()?, digest, key))
}
