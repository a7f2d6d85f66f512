//! The revocation evidence in a receipt: that it is what its names say, and what is judged by it.

use std::collections::HashSet;

use sigillo_ers::{RecordReport, RevocationSet, RevocationSummary, is_revocation_known};
use sigillo_model::{Finding, FindingCode, Sha256Digest};

use crate::{Receipt, TokenSection, ValidationSection, check::Checker};

/// Checks that evidence stands in order, each piece once, under the digest of its bytes. What it says
/// is signed, and looked at where certificates are judged.
pub(crate) fn check_validation(checker: &mut Checker, receipt: &Receipt) {
    let differs = FindingCode::ReceiptDiffers;
    if !receipt.validation.is_sorted_by(|a, b| a.sha256 < b.sha256) {
        let message = "the revocation evidence does not stand in the order of its digests";
        checker.find(differs, "validation", message);
    }
    for section in &receipt.validation {
        if Sha256Digest::of(&section.evidence.0) != section.sha256 {
            let message = "revocation evidence does not have the digest that names it";
            checker.find(differs, name(section), message);
        }
    }
}

/// Returns the evidence in a receipt, with a note on each piece that cannot be read.
pub(crate) fn evidence(receipt: &Receipt) -> (RevocationSet, Vec<Finding>) {
    let (mut set, mut findings) = (RevocationSet::new(), Vec::new());
    for section in &receipt.validation {
        if let Err(error) = set.add(&name(section), &section.evidence.0) {
            let message = format!("it is not used: {error}");
            findings.push(Finding::new(FindingCode::RecordUnusual, name(section), message));
        }
    }
    let tokens = receipt.sealings.iter().flat_map(|section| &section.tokens);
    for chain in tokens.flat_map(TokenSection::chains) {
        chain.cover(&mut set);
    }
    (set, findings)
}

fn name(section: &ValidationSection) -> String {
    format!("validation/{}", section.sha256)
}

/// What is known of the revocation of the certificates of a receipt.
#[derive(Debug, Default)]
pub(crate) struct RevocationCheck {
    pub(crate) summary: RevocationSummary,
    /// The time-stamps taken in, by their digests: those of renewals stand in several records.
    taken: HashSet<Sha256Digest>,
}

impl RevocationCheck {
    /// Takes in the time-stamps of an evidence record that is called `name`. Says whether all is known of
    /// them.
    pub(crate) fn take(&mut self, name: &str, report: &RecordReport) -> bool {
        let mut is_known = true;
        for stamp in &report.stamps {
            let Some(token) = &stamp.token else { continue };
            is_known &= !token.trial && is_revocation_known(&stamp.revocation);
            if !self.taken.insert(stamp.token_sha256) {
                continue;
            }
            if token.trial {
                self.summary.trial += 1;
            } else {
                let object = format!("{name}, time-stamp {}", stamp.position);
                self.summary.take(&object, &stamp.revocation);
            }
        }
        is_known
    }

    /// Says what cannot be told, in one finding; none if all is known.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let summary = &self.summary;
        if summary.known + summary.unknown + summary.trial == 0 {
            let message = "whether a certificate was revoked was not looked at: there is no \
                           time-stamp that could be verified";
            return Some(Finding::new(FindingCode::RevocationUnknown, "certificates", message));
        }
        summary.finding().or_else(|| summary.trial_finding())
    }
}
