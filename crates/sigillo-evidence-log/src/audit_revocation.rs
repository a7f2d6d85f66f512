//! What an audit of time-stamps makes of the revocation evidence that lies beside them.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use sigillo_ers::{RecordReport, RevocationSet, RevocationSummary};
use sigillo_model::{ObjectKey, Sha256Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, SealingChains, TokenFrom, read_validation,
};

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
    /// Reads the evidence beside the time-stamps of a chain. What cannot be read says nothing, and
    /// neither does what is more than a set holds.
    pub(crate) async fn evidence(
        &mut self,
        (archive, view, chains): (&Archive, &LogView, &Chains),
        chain: &[ChainToken],
    ) -> Result<RevocationSet, LogError> {
        let mut set = RevocationSet::new();
        for token in chain {
            set.cover(chains.validation(token), token.sha256);
            if token.stated(view).1 {
                continue;
            }
            if let Some(known) = self.renewals.get(&token.sha256) {
                fill(&mut set, known);
                continue;
            }
            let of = token.validation_of(view);
            let named: Vec<(String, Bytes)> = read_validation(archive, of, token.sha256)
                .await?
                .into_iter()
                .map(|der| (ObjectKey::validation(of, Sha256Digest::of(&der)).to_string(), der))
                .collect();
            fill(&mut set, &named);
            if !matches!(token.from, TokenFrom::Stamped { .. }) {
                self.renewals.insert(token.sha256, named);
            }
        }
        Ok(set)
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

fn fill(set: &mut RevocationSet, named: &[(String, Bytes)]) {
    for (name, der) in named {
        let _is_read = set.add(name, der).is_ok();
    }
}
