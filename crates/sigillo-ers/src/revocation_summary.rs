//! Which evidence of revocation was used for many time-stamps, together.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_model::{Finding, FindingCode, Sha256Digest};

use crate::{
    CertificateRevocation,
    revocation::{RevocationSource, RevocationStatus},
};

/// Most pieces of evidence that are kept by name; those beyond are counted.
pub const USED_EVIDENCE_MAX: usize = 1_000;

/// Most time-stamps that are kept by name of which something cannot be told.
const UNKNOWN_NAMES_MAX: usize = 1_000_000;

/// What the revocation of the certificates behind time-stamps was judged by.
#[derive(Clone, Debug, Default)]
pub struct RevocationSummary {
    /// The evidence used, by the SHA-256 of its bytes.
    used: BTreeMap<Sha256Digest, UsedEvidence>,
    /// Verdicts that rest on evidence beyond [`USED_EVIDENCE_MAX`].
    pub more_used: u64,
    /// Time-stamps of whose certificates all is known.
    pub known: u64,
    /// Time-stamps of whose certificates something cannot be told.
    pub unknown: u64,
    /// Time-stamps for trial, about which nobody is asked.
    pub trial: u64,
    /// Those that cannot be told, by name.
    unknown_names: BTreeSet<String>,
    /// The first of those that cannot be told: which time-stamp, and why.
    first_unknown: Option<(String, String)>,
}

/// A piece of evidence, and for how many verdicts on certificates it was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UsedEvidence {
    /// The evidence.
    pub source: RevocationSource,
    /// By it a certificate was not revoked: how often.
    pub not_revoked: u64,
    /// By it a certificate was revoked: how often.
    pub revoked: u64,
}

impl RevocationSummary {
    /// Takes in what is known of the certificates of one time-stamp, which `object` names. That
    /// nothing is known of any certificate means that no path was found.
    pub fn take(&mut self, object: &str, certificates: &[CertificateRevocation]) {
        for CertificateRevocation { status, .. } in certificates {
            match status {
                RevocationStatus::Good { source } => self.used(source, false),
                RevocationStatus::Revoked { source, .. } => self.used(source, true),
                RevocationStatus::Unknown { .. } => {}
            }
        }
        match missing_of(certificates) {
            None => self.known += 1,
            Some(why) => {
                self.unknown += 1;
                if self.unknown_names.len() < UNKNOWN_NAMES_MAX {
                    self.unknown_names.insert(object.to_owned());
                }
                self.first_unknown.get_or_insert_with(|| (object.to_owned(), why));
            }
        }
    }

    fn used(&mut self, source: &RevocationSource, is_revoked: bool) {
        let has_room = self.used.len() < USED_EVIDENCE_MAX;
        if !has_room && !self.used.contains_key(&source.sha256) {
            self.more_used += 1;
            return;
        }
        let none = || UsedEvidence { source: source.clone(), not_revoked: 0, revoked: 0 };
        let entry = self.used.entry(source.sha256).or_insert_with(none);
        *if is_revoked { &mut entry.revoked } else { &mut entry.not_revoked } += 1;
    }

    /// Returns the evidence that was used, the oldest first.
    pub fn evidence(&self) -> Vec<&UsedEvidence> {
        let mut used: Vec<&UsedEvidence> = self.used.values().collect();
        used.sort_by_key(|it| (it.source.as_of, it.source.sha256));
        used
    }

    /// Tells whether all is known of the certificates of a time-stamp that was taken in; of none if there
    /// are too many of which it is not.
    pub fn is_known(&self, object: &str) -> bool {
        self.unknown_names.len() < UNKNOWN_NAMES_MAX && !self.unknown_names.contains(object)
    }

    /// Says in one finding that something cannot be told; none if all is known.
    pub fn finding(&self) -> Option<Finding> {
        let (object, why) = self.first_unknown.as_ref()?;
        let all = self.known + self.unknown;
        let message = match (self.unknown, all) {
            (1, 1) => format!("cannot tell: revocation of {why}"),
            (unknown, _) => format!(
                "cannot tell: revocation of certificates of {unknown} of {all} time-stamps; of the \
                 first, {why}"
            ),
        };
        Some(Finding::new(FindingCode::RevocationUnknown, object, message))
    }

    /// Says that of time-stamps for trial nothing is known; none if there are none.
    pub fn trial_finding(&self) -> Option<Finding> {
        let message = format!(
            "cannot tell: revocation of the certificates of {} trial time-stamps, about which nobody \
             is asked",
            self.trial
        );
        let code = FindingCode::RevocationUnknown;
        (self.trial > 0).then(|| Finding::new(code, "certificates", message))
    }
}

/// Tells whether it is known of all certificates behind a time-stamp whether they were revoked.
pub fn is_revocation_known(certificates: &[CertificateRevocation]) -> bool {
    missing_of(certificates).is_none()
}

/// Says what is not known of the certificates of a time-stamp.
fn missing_of(certificates: &[CertificateRevocation]) -> Option<String> {
    if certificates.is_empty() {
        return Some("its certificate leads to no anchor of the trust store".to_owned());
    }
    certificates.iter().find_map(|CertificateRevocation { subject, status, .. }| match status {
        RevocationStatus::Unknown { missing } => {
            Some(format!("the certificate of {subject}: {missing}"))
        }
        _ => None,
    })
}
