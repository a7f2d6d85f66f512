//! What an audit of time-stamps makes of the revocation evidence that lies beside them.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use sigillo_ers::{RecordReport, RevocationSet, RevocationSummary};
use sigillo_model::{EvidenceDigest, ObjectKey, Sha256Digest, Sha512Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, TokenFrom, read_validation,
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
}

impl RevocationAudit {
    /// Reads the evidence beside the time-stamps of a chain, and says what of it is lost that a renewal
    /// covers. What cannot be read says nothing, and neither does what is more than a set holds.
    pub(crate) async fn evidence(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<(RevocationSet, Vec<LostEvidence>), LogError> {
        let (mut set, mut there) = (RevocationSet::new(), HashSet::new());
        for token in chain {
            set.cover(chains.validation(token), token.sha256);
            if token.stated(view).1 {
                continue;
            }
            if let Some(known) = self.renewals.get(&token.sha256) {
                fill(&mut set, &mut there, known);
                continue;
            }
            let of = token.validation_of(view);
            let named: Vec<(String, Bytes)> = read_validation(archive, of, token.sha256)
                .await?
                .into_iter()
                .map(|der| (ObjectKey::validation(of, Sha256Digest::of(&der)).to_string(), der))
                .collect();
            fill(&mut set, &mut there, &named);
            if !matches!(token.from, TokenFrom::Stamped { .. }) {
                self.renewals.insert(token.sha256, named);
            }
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

    /// Returns what was found out.
    pub(crate) fn conclude(self) -> RevocationSummary {
        self.summary
    }
}

fn fill(set: &mut RevocationSet, there: &mut HashSet<EvidenceDigest>, named: &[(String, Bytes)]) {
    for (name, der) in named {
        there.insert(Sha256Digest::of(der).into());
        there.insert(Sha512Digest::of(der).into());
        let _is_read = set.add(name, der).is_ok();
    }
}
