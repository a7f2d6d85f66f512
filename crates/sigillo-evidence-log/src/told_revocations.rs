//! What the revocation evidence of an archive says to be revoked, wherever it lies.
//!
//! A revocation that was learnt of one time-stamp, or that one brings with it, is one of every time-stamp by
//! the same certificate; and what ends a hold ends it for all.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use sigillo_authorities::GatheredEvidence;
use sigillo_ers::{
    CertificateNames, NamedRevoked, RevocationKind, RevocationReason, RevocationSet, ToldEvidence,
    TrustAnchors, evidence_told, evidence_within, revocation_kind, revoked_now,
    tells_of_revocation,
};
use sigillo_model::{ObjectKey, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, chains::logged_tokens, gathering::read_token,
    read_validation,
};

/// At most this many time-stamps are read at once, or have their evidence read.
const READ_AHEAD_MAX: usize = 8;
/// Most time-stamps by whose certificates evidence is looked at: one for each new certificate.
const CERTIFICATES_MAX: usize = 1_000;
/// Most revocations that are kept, each by another date or for another reason.
const REVOCATIONS_MAX: usize = 500;
/// How many of the newest time-stamps are looked at by who looks at some, and how many of the others at
/// most.
const SOME_MAX: usize = 32;
/// How much evidence is read by who looks at some, but for what is being read when that is reached.
const SOME_BYTES_MAX: usize = 64 << 20;

/// A certificate by its digest, since when it is revoked, and why.
type Claim = (Sha256Digest, Timestamp, Option<RevocationReason>);

/// Evidence that tells of a revocation or that a hold ended, and where it lies.
#[derive(Clone, Debug)]
pub struct ToldRevocation {
    /// Where it lies, or the time-stamp that it is in.
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

/// Evidence that tells of revocations of certificates behind time-stamps, of each the newest, and of
/// certificates on hold the newest that says good since.
#[derive(Clone, Debug, Default)]
pub struct ToldRevocations {
    pieces: Vec<ToldRevocation>,
    lifted: Vec<Lifted>,
    is_full: bool,
}

/// A certificate that was on hold.
#[derive(Clone, Copy, Debug)]
struct Lifted {
    certificate: Sha256Digest,
    /// As of when it was on hold last, before the evidence that says good.
    held: Timestamp,
    /// The SHA-256 of that evidence.
    sha256: Sha256Digest,
}

impl Lifted {
    /// Tells whether some evidence ends the hold.
    fn is_ended_by(&self, told: &ToldEvidence) -> bool {
        told.ends_hold && told.certificate == self.certificate && self.held < told.as_of
    }
}

impl ToldRevocations {
    /// Looks through all evidence beside real time-stamps and in them. What counts is signed by who may say
    /// so; that the signature held until now is not asked.
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
        Self::beside((archive, view, &tokens), anchors, usize::MAX).await
    }

    /// Looks through the evidence beside some real time-stamps, or in them, alone, on whatever line: the newest first, then
    /// others evenly spread over all that came before, as long as that is not too much to read. So it costs
    /// no more where there are many, for who has no time to look through all. What was learnt later than at
    /// stamping lies beside all time-stamps by the same certificate, once `renew --gather` put it there.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer; what is damaged tells nothing.
    pub(crate) async fn read_some(
        (archive, view): (&Archive, &LogView),
        anchors: &TrustAnchors,
    ) -> Result<Self, LogError> {
        let mut tokens = some_of(logged_tokens(view));
        tokens.reverse();
        Self::beside((archive, view, &tokens), anchors, SOME_BYTES_MAX).await
    }

    async fn beside(
        (archive, view, tokens): (&Archive, &LogView, &[ChainToken]),
        anchors: &TrustAnchors,
        bytes_max: usize,
    ) -> Result<Self, LogError> {
        let (mut names, mut raws) = (CertificateNames::default(), Vec::new());
        let mut bringing = Bringing::default();
        let mut read = read_tokens((archive, view), tokens);
        while let Some((token, raw)) = read.try_next().await? {
            let Some(raw) = raw else { continue };
            bringing.note(token, &raw);
            if names.add_token(&raw).is_some_and(|number| number < CERTIFICATES_MAX) {
                raws.push(raw);
            }
        }
        let (mut found, mut seen) = (Found::default(), HashSet::new());
        let (mut looked_at, mut bytes) = (0, 0_usize);
        let mut read = kept_beside((archive, view), tokens)
            .chain(kept_within((archive, view), &bringing.revocations));
        while let Some(kept) = read.try_next().await? {
            looked_at += 1;
            for (key, der) in kept {
                bytes = bytes.saturating_add(der.len());
                let Some(NamedRevoked { kind, tokens }) = names.named_revoked(&der) else {
                    continue;
                };
                let sha256 = Sha256Digest::of(&der);
                if seen.insert(sha256) {
                    let raws = tokens.iter().filter_map(|at| Some((*at, raws.get(*at)?)));
                    found.take(&ToldRevocation { key, der, sha256, kind }, (raws, anchors));
                }
            }
            if bytes >= bytes_max {
                break;
            }
        }
        drop(read);
        let tokens = tokens.get(..looked_at).unwrap_or(tokens);
        if !found.held.is_empty() {
            let read = kept_beside((archive, view), tokens)
                .chain(kept_within((archive, view), &bringing.all));
            found.look_for_ends(read, (&raws, anchors)).await?;
        }
        Ok(found.conclude())
    }

    /// Returns the evidence.
    pub fn pieces(&self) -> &[ToldRevocation] {
        &self.pieces
    }

    /// Says why a token that was made now proves nothing, or perhaps nothing, by all that is told to be
    /// revoked: a clock that is behind, ours or that of the authority, lets nothing through.
    pub(crate) fn said_of(
        &self,
        raw: &[u8],
        (anchors, now): (&TrustAnchors, Timestamp),
    ) -> Option<String> {
        let mut set = RevocationSet::new();
        for piece in &self.pieces {
            // What finds no room is told by an audit.
            let _is_taken = set.add(piece.key.as_str(), &piece.der).is_ok();
        }
        revoked_now(raw, (anchors, &set), now)
    }

    /// Tells whether some of it says that a certificate behind a token is on hold.
    pub(crate) fn has_hold_of(&self, of: (&[u8], &TrustAnchors)) -> bool {
        let ders: Vec<Bytes> = self.pieces.iter().map(|it| it.der.clone()).collect();
        told_by(&ders, of).any(|it| it.is_hold())
    }

    /// Tells whether more revocations were told than are kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns those that tell of a certificate behind a token that it is revoked, or no longer on hold,
    /// where `kept`, which lies beside it, does not.
    pub fn missing_beside(
        &self,
        (raw, anchors): (&[u8], &TrustAnchors),
        kept: &[Bytes],
    ) -> Vec<&ToldRevocation> {
        if self.pieces.is_empty() {
            return Vec::new();
        }
        let kept: Vec<ToldEvidence> = told_by(kept, (raw, anchors)).collect();
        let known: HashSet<Claim> = kept.iter().filter_map(claim).collect();
        let is_new = |it: &ToldEvidence| {
            if let Some(claim) = claim(it) {
                return !known.contains(&claim);
            }
            let mut ended = self.lifted.iter().filter(|lifted| {
                lifted.sha256 == it.sha256 && lifted.certificate == it.certificate
            });
            ended.any(|lifted| !kept.iter().any(|it| lifted.is_ended_by(it)))
        };
        let ders = self.pieces.iter().map(|it| it.der.clone()).collect::<Vec<_>>();
        let told = told_by(&ders, (raw, anchors));
        let new: HashSet<Sha256Digest> = told.filter(is_new).map(|it| it.sha256).collect();
        self.pieces.iter().filter(|it| new.contains(&it.sha256)).collect()
    }
}

/// Returns the newest of some time-stamps, which are in order, and of the others every so many.
fn some_of<T>(tokens: Vec<T>) -> Vec<T> {
    let older = tokens.len().saturating_sub(SOME_MAX);
    let step = older.div_ceil(SOME_MAX).max(1);
    let each = tokens.into_iter().enumerate();
    // Of the older ones the last is always among them.
    let chosen = each.filter(|(at, _)| *at >= older || (older - 1 - at).is_multiple_of(step));
    chosen.map(|(_, token)| token).collect()
}

/// Time-stamps that bring evidence with them which no older one brings.
#[derive(Default)]
struct Bringing {
    seen: HashSet<Sha256Digest>,
    all: Vec<ChainToken>,
    /// Those of them whose evidence tells of a revocation.
    revocations: Vec<ChainToken>,
}

impl Bringing {
    fn note(&mut self, token: ChainToken, raw: &[u8]) {
        let mut new = evidence_within(raw);
        new.retain(|der| self.seen.insert(Sha256Digest::of(der)));
        if new.iter().any(|der| tells_of_revocation(der)) {
            self.revocations.push(token);
        }
        if !new.is_empty() {
            self.all.push(token);
        }
    }
}

/// Reads time-stamps.
fn read_tokens<'a>(
    (archive, view): (&'a Archive, &'a LogView),
    tokens: &'a [ChainToken],
) -> impl Stream<Item = Result<(ChainToken, Option<Bytes>), LogError>> + Unpin + 'a {
    let read = stream::iter(tokens.iter().copied()).map(move |token| async move {
        Ok((token, read_token(archive, &token.key(view), token.sha256).await?))
    });
    Box::pin(read.buffered(READ_AHEAD_MAX))
}

/// Pieces of evidence, and where each lies.
type Kept = Vec<(ObjectKey, Bytes)>;

/// Reads what lies beside each of some time-stamps.
fn kept_beside<'a>(
    (archive, view): (&'a Archive, &'a LogView),
    tokens: &'a [ChainToken],
) -> impl Stream<Item = Result<Kept, LogError>> + Unpin + 'a {
    let read = stream::iter(tokens.iter().copied()).map(move |token| async move {
        let of = token.validation_of(view);
        let kept = read_validation(archive, of, token.sha256).await?.into_iter();
        Ok(kept.map(|der| (ObjectKey::validation(of, Sha256Digest::of(&der)), der)).collect())
    });
    Box::pin(read.buffered(READ_AHEAD_MAX))
}

/// Reads what some time-stamps bring with them.
fn kept_within<'a>(
    (archive, view): (&'a Archive, &'a LogView),
    tokens: &'a [ChainToken],
) -> impl Stream<Item = Result<Kept, LogError>> + Unpin + 'a {
    read_tokens((archive, view), tokens).map_ok(move |(token, raw)| {
        let raw = raw.unwrap_or_default();
        let within = evidence_within(&raw).into_iter();
        within.map(|der| (token.key(view), Bytes::copy_from_slice(der))).collect()
    })
}

/// The newest evidence of each revocation.
#[derive(Default)]
struct Found {
    newest: BTreeMap<Claim, (Timestamp, ToldRevocation)>,
    /// Certificates on hold, each by the place of a token that it is behind.
    held: BTreeMap<Sha256Digest, usize>,
    /// Of these the newest evidence that says good.
    good: BTreeMap<Sha256Digest, (Timestamp, ToldRevocation)>,
    is_full: bool,
}

impl Found {
    fn take<'r>(
        &mut self,
        piece: &ToldRevocation,
        (raws, anchors): (impl Iterator<Item = (usize, &'r Bytes)>, &TrustAnchors),
    ) {
        let alone = std::slice::from_ref(&piece.der);
        let told = raws.flat_map(|(at, raw)| {
            told_by(alone, (raw, anchors)).map(move |it| (at, it)).collect::<Vec<_>>()
        });
        for (at, told) in told {
            let Some(claim) = claim(&told) else { continue };
            if told.is_hold() {
                self.held.entry(told.certificate).or_insert(at);
            }
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

    /// Looks through all evidence once more, for what says good of certificates on hold.
    async fn look_for_ends(
        &mut self,
        mut read: impl Stream<Item = Result<Kept, LogError>> + Unpin,
        (raws, anchors): (&[Bytes], &TrustAnchors),
    ) -> Result<(), LogError> {
        let behind: BTreeSet<usize> = self.held.values().copied().collect();
        let mut seen = HashSet::new();
        while let Some(kept) = read.try_next().await? {
            for (key, der) in kept {
                let sha256 = Sha256Digest::of(&der);
                let Some(kind) = revocation_kind(&der).filter(|_| seen.insert(sha256)) else {
                    continue;
                };
                let piece = ToldRevocation { key, der, sha256, kind };
                for raw in behind.iter().filter_map(|at| raws.get(*at)) {
                    self.take_good(&piece, (raw, anchors));
                }
            }
        }
        Ok(())
    }

    fn take_good(&mut self, piece: &ToldRevocation, of: (&[u8], &TrustAnchors)) {
        for told in told_by(std::slice::from_ref(&piece.der), of) {
            if !told.ends_hold || !self.held.contains_key(&told.certificate) {
                continue;
            }
            let known = self.good.get(&told.certificate);
            if known.is_none_or(|(as_of, it)| (*as_of, it.sha256) < (told.as_of, piece.sha256)) {
                self.good.insert(told.certificate, (told.as_of, piece.clone()));
            }
        }
    }

    fn conclude(self) -> ToldRevocations {
        let mut lifted = Vec::new();
        for (certificate, (good, piece)) in &self.good {
            let holds = self.newest.iter().filter(|((of, _, reason), _)| {
                of == certificate && reason.is_some_and(RevocationReason::is_hold)
            });
            let held = holds.map(|(_, (as_of, _))| *as_of).filter(|as_of| as_of < good).max();
            let (certificate, sha256) = (*certificate, piece.sha256);
            lifted.extend(held.map(|held| Lifted { certificate, held, sha256 }));
        }
        let good = self.good.into_values().map(|(_, piece)| piece);
        let good = good.filter(|piece| lifted.iter().any(|it| it.sha256 == piece.sha256));
        let all = self.newest.into_values().map(|(_, piece)| piece).chain(good);
        let by_digest: BTreeMap<Sha256Digest, ToldRevocation> =
            all.map(|piece| (piece.sha256, piece)).collect();
        let pieces = by_digest.into_values().collect();
        ToldRevocations { pieces, lifted, is_full: self.is_full }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_time_stamps_the_newest_are_chosen_and_others_evenly_spread() {
        for count in [0_usize, 1, 31, 32, 33, 64, 65, 1_000, 100_003] {
            let chosen = some_of((0..count).collect());
            assert!(chosen.len() <= 2 * SOME_MAX, "{count}: {}", chosen.len());
            let newest = count.saturating_sub(SOME_MAX);
            assert!(chosen.ends_with(&(newest..count).collect::<Vec<_>>()), "{count}: {chosen:?}");
            let widest = chosen.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(1);
            assert!(widest <= newest.div_ceil(SOME_MAX).max(1), "{count}: {chosen:?}");
            let first = chosen.first().copied().unwrap_or(0);
            assert!(first < newest.div_ceil(SOME_MAX).max(1), "{count}: {chosen:?}");
        }
    }
}
