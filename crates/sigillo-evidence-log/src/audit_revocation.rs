//! What an audit of time-stamps makes of the revocation evidence that lies beside them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use sigillo_ers::{RecordReport, RevocationError, RevocationSet, RevocationSummary, TrustAnchors};
use sigillo_model::{
    EvidenceDigest, Finding, FindingCode, ObjectKey, Sha256Digest, Sha512Digest,
    VALIDATION_EVIDENCE_MAX,
};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, TokenFrom, ToldRevocations,
    validation::read_named,
};

/// Revocation evidence that a renewal covers and that is not there: the list that names it, its digest.
pub(crate) type LostEvidence = (ObjectKey, EvidenceDigest);

/// Most bytes of evidence that are kept to be shared by the time-stamps beside which the same lies.
const SHARED_BYTES_MAX: usize = 64 << 20;

/// The revocation evidence of an audit, and what it was used for.
#[derive(Debug, Default)]
pub(crate) struct RevocationAudit {
    summary: RevocationSummary,
    /// Time-stamps that were taken in: that of a renewal proves many sealings.
    taken: HashSet<Sha256Digest>,
    /// What lies beside renewals, by the token, read once.
    renewals: HashMap<Sha256Digest, Vec<Piece>>,
    /// What is told to be revoked anywhere in the archive.
    told: Vec<Piece>,
    /// Evidence that was read, by its SHA-512.
    shared: HashMap<Sha512Digest, Arc<ReadEvidence>>,
    shared_bytes: usize,
    /// What is not looked at, for it is too much.
    cut: BTreeSet<String>,
}

/// A piece of evidence where it lies.
#[derive(Clone, Debug)]
struct Piece {
    name: String,
    sha256: Sha256Digest,
    sha512: Sha512Digest,
    read: Arc<ReadEvidence>,
}

/// What can be read of a piece of evidence, and whether it is more than a set holds.
#[derive(Debug)]
struct ReadEvidence {
    set: RevocationSet,
    is_cut: bool,
}

impl RevocationAudit {
    /// Begins with what is told to be revoked anywhere in the archive.
    pub(crate) async fn begin(
        of: (&Archive, &LogView, &Chains),
        anchors: &TrustAnchors,
    ) -> Result<Self, LogError> {
        Ok(Self::of(&ToldRevocations::read(of, anchors).await?))
    }

    /// Begins with what is told to be revoked.
    pub(crate) fn of(told: &ToldRevocations) -> Self {
        let mut this = Self::default();
        if told.is_full() {
            this.cut.insert("certificates".to_owned());
        }
        for it in told.pieces() {
            let piece = this.piece(it.key.to_string(), it.sha256, &it.der);
            this.told.push(piece);
        }
        this
    }

    /// Reads a piece of evidence, unless the same was read before: so it is judged once for all time-stamps
    /// that share it.
    fn piece(&mut self, name: String, sha256: Sha256Digest, der: &[u8]) -> Piece {
        let sha512 = Sha512Digest::of(der);
        if let Some(read) = self.shared.get(&sha512) {
            return Piece { name, sha256, sha512, read: Arc::clone(read) };
        }
        let mut set = RevocationSet::new();
        let is_cut = matches!(set.add(&name, der), Err(RevocationError::TooMany));
        let read = Arc::new(ReadEvidence { set, is_cut });
        if der.len() <= SHARED_BYTES_MAX - self.shared_bytes {
            self.shared_bytes += der.len();
            self.shared.insert(sha512, Arc::clone(&read));
        }
        Piece { name, sha256, sha512, read }
    }

    /// Reads the evidence beside the time-stamps of a chain, and says what of it is lost that a renewal
    /// covers. What cannot be read says nothing; what is more than a set holds is told in the end. What tells
    /// of a revocation, here or elsewhere, comes first.
    pub(crate) async fn evidence(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<(RevocationSet, Vec<LostEvidence>), LogError> {
        let (mut set, mut there) = (RevocationSet::new(), HashSet::new());
        let mut beside: Vec<Piece> = Vec::new();
        for token in chain {
            set.cover(chains.validation(token), token.sha256);
            if token.stated(view).1 {
                continue;
            }
            if let Some(known) = self.renewals.get(&token.sha256) {
                beside.extend(known.iter().cloned());
                continue;
            }
            let of = token.validation_of(view);
            let found = read_named(archive, of, token.sha256).await?;
            if found.has_more {
                self.cut.insert(token.key(view).to_string());
            }
            let mut pieces = Vec::with_capacity(found.evidence.len());
            for der in found.evidence {
                let sha256 = Sha256Digest::of(&der);
                pieces.push(self.piece(
                    ObjectKey::validation(of, sha256).to_string(),
                    sha256,
                    &der,
                ));
            }
            beside.extend(pieces.iter().cloned());
            if !matches!(token.from, TokenFrom::Stamped { .. }) {
                self.renewals.insert(token.sha256, pieces);
            }
        }
        for piece in &beside {
            there.insert(EvidenceDigest::from(piece.sha256));
            there.insert(piece.sha512.into());
        }
        let told: HashSet<Sha256Digest> = self.told.iter().map(|it| it.sha256).collect();
        beside.sort_by_key(|it| !told.contains(&it.sha256));
        let elsewhere = self.told.iter().filter(|it| !there.contains(&it.sha256.into()));
        let is_cut = fill(&mut set, elsewhere.chain(&beside));
        if let Some(token) = chain.first().filter(|_| is_cut) {
            self.cut.insert(token.key(view).to_string());
        }
        let mut lost = Vec::new();
        for token in chain {
            let TokenFrom::Renewed { renewal, .. } = token.from else { continue };
            let members = ObjectKey::renewal_members(view.renewals[renewal].body.renewal);
            let missing = chains.validation(token).iter().filter(|it| !there.contains(*it));
            lost.extend(missing.map(|digest| (members.clone(), *digest)));
        }
        Ok((set, lost))
    }

    /// Takes in what was found out about the time-stamps of a chain.
    pub(crate) fn take(
        &mut self,
        view: &LogView,
        (tokens, read): (&[ChainToken], &SealingChains),
        report: &RecordReport,
    ) {
        for stamp in &report.stamps {
            let place = (stamp.chain.saturating_sub(1), stamp.position.saturating_sub(1));
            let token = read.place(place.0, place.1).and_then(|at| tokens.get(at));
            let Some(token) = token else { continue };
            // What is wrong with a token that does not verify is told elsewhere.
            if stamp.token.is_none() || !self.taken.insert(token.sha256) {
                continue;
            }
            if token.stated(view).1 {
                self.summary.trial += 1;
            } else {
                self.summary.take(token.key(view).as_str(), &stamp.revocation);
            }
        }
    }

    /// Returns what was found out, and whether more evidence lies there than was looked at.
    pub(crate) fn conclude(self) -> (RevocationSummary, Option<Finding>) {
        let cut = self.cut.first().map(|first| {
            let message = format!(
                "cannot tell: revocation: on {} time-stamps, of which this is the first, more revocation \
                 evidence lies in the archive than the {VALIDATION_EVIDENCE_MAX} pieces that are looked at",
                self.cut.len()
            );
            Finding::new(FindingCode::RevocationUnknown, first, message)
        });
        (self.summary, cut)
    }
}

/// Fills a set; returns whether something found no room in it.
fn fill<'p>(set: &mut RevocationSet, pieces: impl Iterator<Item = &'p Piece>) -> bool {
    let mut is_cut = false;
    for Piece { name, read, .. } in pieces {
        is_cut |= set.add_shared(name, &read.set).is_err() || read.is_cut;
    }
    is_cut
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = include_bytes!("../../../fuzz/seeds/revocation/good.crl");

    /// Reads the same list from two places; says whether it was read once.
    fn is_read_once(audit: &mut RevocationAudit) -> bool {
        let [one, two] =
            ["one", "two"].map(|name| audit.piece(name.to_owned(), Sha256Digest::of(LIST), LIST));
        assert_eq!((&*one.name, &*two.name), ("one", "two"));
        assert!(!one.read.set.is_empty() && !two.read.set.is_empty());
        Arc::ptr_eq(&one.read, &two.read)
    }

    #[test]
    fn the_same_evidence_is_read_once_wherever_it_lies() {
        assert!(is_read_once(&mut RevocationAudit::default()));
    }

    #[test]
    fn no_more_evidence_is_shared_than_the_limit() {
        let shared_bytes = SHARED_BYTES_MAX - LIST.len();
        let with = |shared_bytes| RevocationAudit { shared_bytes, ..RevocationAudit::default() };
        assert!(is_read_once(&mut with(shared_bytes)));
        assert!(!is_read_once(&mut with(shared_bytes + 1)));
    }
}
