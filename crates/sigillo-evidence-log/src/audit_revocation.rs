//! What an audit of time-stamps makes of the revocation evidence that lies beside them.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

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

/// The revocation evidence of an audit, and what it was used for.
#[derive(Debug, Default)]
pub(crate) struct RevocationAudit {
    summary: RevocationSummary,
    /// Time-stamps that were taken in: that of a renewal proves many sealings.
    taken: HashSet<Sha256Digest>,
    /// What lies beside renewals, by the token, read once.
    renewals: HashMap<Sha256Digest, Vec<(String, Bytes)>>,
    /// What is told to be revoked anywhere in the archive.
    told: ToldRevocations,
    /// What is not looked at, for it is too much.
    cut: BTreeSet<String>,
}

impl RevocationAudit {
    /// Begins with what is told to be revoked anywhere in the archive.
    pub(crate) async fn begin(
        of: (&Archive, &LogView, &Chains),
        anchors: &TrustAnchors,
    ) -> Result<Self, LogError> {
        let mut this = Self { told: ToldRevocations::read(of, anchors).await?, ..Self::default() };
        if this.told.is_full() {
            this.cut.insert("certificates".to_owned());
        }
        Ok(this)
    }

    /// Begins with what is told to be revoked.
    pub(crate) fn of(told: ToldRevocations) -> Self {
        Self { told, ..Self::default() }
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
        let mut beside: Vec<(String, Bytes)> = Vec::new();
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
            let named: Vec<(String, Bytes)> = found
                .evidence
                .into_iter()
                .map(|der| (ObjectKey::validation(of, Sha256Digest::of(&der)).to_string(), der))
                .collect();
            beside.extend(named.iter().cloned());
            if !matches!(token.from, TokenFrom::Stamped { .. }) {
                self.renewals.insert(token.sha256, named);
            }
        }
        let mut by_digest: Vec<(Sha256Digest, (String, Bytes))> =
            beside.into_iter().map(|named| (Sha256Digest::of(&named.1), named)).collect();
        for (sha256, (_, der)) in &by_digest {
            there.insert(EvidenceDigest::from(*sha256));
            there.insert(Sha512Digest::of(der).into());
        }
        let told: HashSet<Sha256Digest> = self.told.pieces().iter().map(|it| it.sha256).collect();
        by_digest.sort_by_key(|(sha256, _)| !told.contains(sha256));
        let elsewhere = self.told.pieces().iter();
        let elsewhere = elsewhere.filter(|it| !there.contains(&it.sha256.into()));
        let elsewhere = elsewhere.map(|it| (it.key.to_string(), it.der.clone()));
        let beside = by_digest.into_iter().map(|(_, named)| named);
        let is_cut = fill(&mut set, elsewhere.chain(beside));
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
fn fill(set: &mut RevocationSet, named: impl Iterator<Item = (String, Bytes)>) -> bool {
    let mut is_cut = false;
    for (name, der) in named {
        is_cut |= matches!(set.add(&name, &der), Err(RevocationError::TooMany));
    }
    is_cut
}
