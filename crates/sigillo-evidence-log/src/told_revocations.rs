//! What the revocation evidence of an archive says to be revoked, wherever it lies.
//!
//! A revocation that was learnt of one time-stamp is one of every time-stamp by the same certificate.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use sigillo_authorities::GatheredEvidence;
use sigillo_ers::{
    CertificateNames, NamedRevoked, RevocationKind, RevocationReason, RevocationSet, ToldEvidence,
    TrustAnchors, evidence_told,
};
use sigillo_model::{ObjectKey, Sha256Digest};

use crate::{Archive, Chains, LogError, LogView, gathering::read_token, read_validation};

/// At most this many time-stamps are read at once, or have their evidence read.
const READ_AHEAD_MAX: usize = 8;
/// Most time-stamps by whose certificates evidence is looked at: one for each new certificate.
const CERTIFICATES_MAX: usize = 1_000;
/// Most revocations that are kept, each by another date or for another reason.
const REVOCATIONS_MAX: usize = 500;

/// A certificate by its digest, since when it is revoked, and why.
type Claim = (Sha256Digest, Timestamp, Option<RevocationReason>);

/// Evidence that tells of a revocation, and where it lies.
#[derive(Clone, Debug)]
pub struct ToldRevocation {
    /// Where it lies.
    pub key: ObjectKey,
    /// Its bytes.
    pub der: Bytes,
    /// Their SHA-256.
    pub sha256: Sha256Digest,
    /// What they are.
    pub kind: RevocationKind,
}

impl ToldRevocation {
    /// Returns it as if it had been gathered where it lies.
    pub(crate) fn as_gathered(&self) -> GatheredEvidence {
        let (url, der) = (self.key.to_string(), self.der.to_vec());
        GatheredEvidence { kind: self.kind, url, der }
    }
}

/// Evidence that tells of revocations of certificates behind time-stamps, of each the newest.
#[derive(Clone, Debug, Default)]
pub struct ToldRevocations {
    pieces: Vec<ToldRevocation>,
    is_full: bool,
}

impl ToldRevocations {
    /// Looks through all evidence beside real time-stamps. What counts is signed by who may say so; that
    /// the signature held until now is not asked.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer; what is damaged tells nothing.
    pub async fn read(
        (archive, view, chains): (&Archive, &LogView, &Chains),
        anchors: &TrustAnchors,
    ) -> Result<Self, LogError> {
        let (mut tokens, mut seen) = (Vec::new(), HashSet::new());
        for token in chains.iter().flat_map(|(_, _, chain)| chain) {
            if !token.stated(view).1 && seen.insert(token.sha256) {
                tokens.push(*token);
            }
        }
        let (mut names, mut raws) = (CertificateNames::default(), Vec::new());
        let mut read = stream::iter(tokens.iter().copied())
            .map(|token| async move { read_token(archive, &token.key(view), token.sha256).await })
            .buffered(READ_AHEAD_MAX);
        while let Some(raw) = read.try_next().await? {
            let Some(raw) = raw else { continue };
            if names.add_token(&raw).is_some_and(|number| number < CERTIFICATES_MAX) {
                raws.push(raw);
            }
        }
        let (mut found, mut seen) = (Found::default(), HashSet::new());
        let mut read = stream::iter(tokens.iter().copied())
            .map(|token| async move {
                let of = token.validation_of(view);
                let kept = read_validation(archive, of, token.sha256).await?;
                Ok::<_, LogError>((of, kept))
            })
            .buffered(READ_AHEAD_MAX);
        while let Some((of, kept)) = read.try_next().await? {
            for der in kept {
                let Some(NamedRevoked { kind, tokens }) = names.named_revoked(&der) else {
                    continue;
                };
                let sha256 = Sha256Digest::of(&der);
                if seen.insert(sha256) {
                    let key = ObjectKey::validation(of, sha256);
                    let raws = tokens.iter().filter_map(|number| raws.get(*number));
                    found.take(&ToldRevocation { key, der, sha256, kind }, (raws, anchors));
                }
            }
        }
        Ok(found.conclude())
    }

    /// Returns the evidence.
    pub fn pieces(&self) -> &[ToldRevocation] {
        &self.pieces
    }

    /// Tells whether more revocations were told than are kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns those that tell of a certificate behind a token something that `kept`, which lies beside
    /// it, does not.
    pub fn missing_beside(
        &self,
        (raw, anchors): (&[u8], &TrustAnchors),
        kept: &[Bytes],
    ) -> Vec<&ToldRevocation> {
        if self.pieces.is_empty() {
            return Vec::new();
        }
        let known: HashSet<Claim> =
            told_by(kept, (raw, anchors)).filter_map(|it| claim(&it)).collect();
        let ders = self.pieces.iter().map(|it| it.der.clone()).collect::<Vec<_>>();
        let new: HashSet<Sha256Digest> = told_by(&ders, (raw, anchors))
            .filter(|it| claim(it).is_some_and(|claim| !known.contains(&claim)))
            .map(|it| it.sha256)
            .collect();
        self.pieces.iter().filter(|it| new.contains(&it.sha256)).collect()
    }
}

/// The newest evidence of each revocation.
#[derive(Default)]
struct Found {
    newest: BTreeMap<Claim, (Timestamp, ToldRevocation)>,
    is_full: bool,
}

impl Found {
    fn take<'r>(
        &mut self,
        piece: &ToldRevocation,
        (raws, anchors): (impl Iterator<Item = &'r Bytes>, &TrustAnchors),
    ) {
        let alone = std::slice::from_ref(&piece.der);
        for told in raws.flat_map(|raw| told_by(alone, (raw, anchors))) {
            let Some(claim) = claim(&told) else { continue };
            let is_newer = match self.newest.get(&claim) {
                Some((as_of, known)) => (*as_of, known.sha256) < (told.as_of, piece.sha256),
                None if self.newest.len() == REVOCATIONS_MAX => {
                    self.is_full = true;
                    false
                }
                None => true,
            };
            if is_newer {
                self.newest.insert(claim, (told.as_of, piece.clone()));
            }
        }
    }

    fn conclude(self) -> ToldRevocations {
        let by_digest: BTreeMap<Sha256Digest, ToldRevocation> =
            self.newest.into_values().map(|(_, piece)| (piece.sha256, piece)).collect();
        ToldRevocations { pieces: by_digest.into_values().collect(), is_full: self.is_full }
    }
}

/// Says what pieces of evidence tell of the certificates behind a token.
pub(crate) fn told_by(
    pieces: &[Bytes],
    (raw, anchors): (&[u8], &TrustAnchors),
) -> impl Iterator<Item = ToldEvidence> {
    let mut set = RevocationSet::new();
    for der in pieces {
        // What cannot be read tells nothing.
        let _is_read = set.add("kept", der).is_ok();
    }
    evidence_told(raw, anchors, &set).into_iter()
}

fn claim(told: &ToldEvidence) -> Option<Claim> {
    told.revoked.map(|(at, reason)| (told.certificate, at, reason))
}
