//! Renewals that a receipt leaves out because the archive has lost them, and what that means.

use std::collections::BTreeMap;

use jiff::Timestamp;

use sigillo_ers::token_certificate_end;
use sigillo_evidence_log::{ChainToken, Chains, LogView, TokenFrom};
use sigillo_model::{Entry, EvidenceRenewed, Finding, FindingCode, ObjectKey};
use sigillo_proof::{Receipt, RenewalSection, TokenSection};

use crate::{ReceiptLog, receipt_error::GiveReceiptError};

/// A receipt, and what it leaves out because the archive has lost it.
#[derive(Clone, Debug)]
pub struct GivenReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Which renewals are not in it, why, and until when what is in it proves something.
    pub findings: Vec<Finding>,
}

/// What is left out of a receipt, by the key of what is lost.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    objects: BTreeMap<String, Lost>,
}

/// An object of a renewal that is lost.
#[derive(Debug)]
struct Lost {
    key: ObjectKey,
    /// When the renewal was made, as the log states it.
    renewed_at: String,
    /// What was found in its place.
    what: String,
    /// Until when the evidence of all sealings that lack it holds.
    until: Option<Timestamp>,
}

impl LeftOut {
    /// Takes note of a token that was not there as the log names it, or that leads to no sealing
    /// because the members of its renewal are lost.
    pub(crate) fn token(
        &mut self,
        view: &LogView,
        chains: &Chains,
        token: &ChainToken,
        what: &str,
    ) {
        if let TokenFrom::Renewed { renewal, .. } = token.from {
            if chains.is_placed(token) {
                self.add(&token.key(view), &view.renewals[renewal].body, what);
            } else {
                self.members(view, chains, renewal);
            }
        }
    }

    /// Takes note of a renewal whose members are not there as the log names them.
    pub(crate) fn members(&mut self, view: &LogView, chains: &Chains, renewal: usize) {
        let body = &view.renewals[renewal].body;
        let fault = chains.faults().find(|(at, _)| *at == renewal);
        let what = fault.map_or("it is not in the store", |(_, what)| what);
        self.add(&ObjectKey::renewal_members(body.renewal), body, what);
    }

    fn add(&mut self, key: &ObjectKey, body: &EvidenceRenewed, what: &str) {
        let (renewed_at, what) = (body.stamped_at.clone(), what.to_owned());
        let lost = || Lost { key: key.clone(), renewed_at, what, until: None };
        self.objects.entry(key.to_string()).or_insert_with(lost);
    }

    /// Says until when the time-stamps of a sealing hold that lacks everything in `self`.
    pub(crate) fn hold(&mut self, section: &TokenSection) {
        let until = holds_until(section);
        for lost in self.objects.values_mut() {
            lost.until = lost.until.into_iter().chain(until).min();
        }
    }

    /// Takes in what another sealing lacks.
    pub(crate) fn join(&mut self, other: Self) {
        for (name, lost) in other.objects {
            let until = lost.until;
            let there = self.objects.entry(name).or_insert(lost);
            there.until = there.until.into_iter().chain(until).min();
        }
    }

    /// Puts it into words, with the way to mend it.
    pub(crate) fn findings(self) -> Vec<Finding> {
        self.objects.into_values().map(Lost::finding).collect()
    }
}

impl Lost {
    fn finding(self) -> Finding {
        let until = self.until.map_or_else(String::new, |until| {
            format!(
                "; without it the evidence given here holds until {until}, when a certificate ends"
            )
        });
        let message = format!(
            "{}: the renewal of {} is left out{until}; bring the object back from a copy of the \
             archive, then make this again",
            self.what, self.renewed_at,
        );
        Finding::new(FindingCode::RenewalLeftOut, self.key, message)
    }
}

/// Returns until when the certificates of a chain last, each from before the end of the one before.
fn holds_until(section: &TokenSection) -> Option<Timestamp> {
    let mut until = token_certificate_end(&section.token.0).ok()?;
    for renewal in &section.renewals {
        let (Some(raw), Some(body)) = (&renewal.token, renewed(renewal)) else { continue };
        let renewed_at: Option<Timestamp> = body.stamped_at.parse().ok();
        // A gap is not closed by what came after it.
        if renewed_at.is_none_or(|at| at > until) {
            break;
        }
        until = token_certificate_end(&raw.0).ok()?;
    }
    Some(until)
}

fn renewed(section: &RenewalSection) -> Option<EvidenceRenewed> {
    match Entry::parse_line(section.entry.line.as_bytes()).ok()? {
        Entry::EvidenceRenewed(body) => Some(body),
        _ => None,
    }
}

/// Keeps the renewals that an older receipt has and the archive has lost: the older one is a copy of
/// them.
pub(crate) fn keep_from(
    older: &Receipt,
    newer: &mut Receipt,
    log: &ReceiptLog,
) -> Result<(), GiveReceiptError> {
    let pairs = older.sealings.iter().flat_map(|it| &it.tokens).collect::<Vec<_>>();
    for token in newer.sealings.iter_mut().flat_map(|it| &mut it.tokens) {
        let Some(before) = pairs.iter().find(|it| it.token == token.token) else { continue };
        for kept in before.renewals.iter().filter(|it| it.token.is_some()) {
            let same = |it: &&mut RenewalSection| it.entry.line == kept.entry.line;
            if let Some(section) = token.renewals.iter_mut().find(same) {
                if section.token.is_none() {
                    (section.path, section.token) = (kept.path.clone(), kept.token.clone());
                }
                continue;
            }
            let entry = log.line(kept.entry.index)?;
            if entry.line != kept.entry.line {
                continue;
            }
            let after = |it: &RenewalSection| it.entry.index > entry.index;
            let at = token.renewals.iter().position(after).unwrap_or(token.renewals.len());
            token.renewals.insert(at, RenewalSection { entry, ..kept.clone() });
        }
    }
    Ok(())
}
