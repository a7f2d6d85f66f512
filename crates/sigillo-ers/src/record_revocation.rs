//! What is known of the revocation of the certificates behind an evidence record.

use std::collections::HashMap;

use jiff::Timestamp;
use sigillo_model::{Finding, FindingCode, Severity, Sha256Digest};

use crate::{
    AlgorithmTable, TrustAnchors,
    record::EvidenceRecord,
    record_check::StampReport,
    revocation::{
        CertificateRevocation, RevocationEffect, RevocationReason, RevocationSet, RevocationStatus,
        RevocationTimes,
    },
    revocation_check::RevocationCheck,
    token::ReadToken,
};

/// How revocation is judged.
#[derive(Clone, Copy, Debug)]
pub struct RevocationRules<'a> {
    /// Evidence besides what the time-stamps bring with them.
    pub evidence: Option<&'a RevocationSet>,
    /// That it cannot be told is a finding rather than a note.
    pub required: bool,
}

impl RevocationRules<'_> {
    /// What the time-stamps bring with them counts, and nothing is demanded.
    pub const EMBEDDED: Self = Self { evidence: None, required: false };
}

/// What a record is judged by.
pub(crate) struct Judging<'a> {
    pub(crate) rules: RevocationRules<'a>,
    pub(crate) anchors: Option<&'a TrustAnchors>,
    pub(crate) algorithms: &'a AlgorithmTable,
    /// The time asked for, if one was.
    pub(crate) at: Option<Timestamp>,
    /// The time as of which the record is verified.
    pub(crate) as_of: Timestamp,
}

/// Judges every time-stamp of `record` whose token was verified, and returns what was found.
///
/// Each time-stamp brings evidence with it, which the next one covers; what one of them brings counts
/// for all.
pub(crate) fn judge_record(
    record: &EvidenceRecord<'_>,
    stamps: &mut [StampReport],
    judging: &Judging<'_>,
) -> Vec<Finding> {
    let raws = record.chains.iter().flat_map(|chain| &chain.stamps).map(|stamp| stamp.token);
    let tokens: Vec<Option<ReadToken<'_>>> = raws.map(|raw| ReadToken::read(raw).ok()).collect();
    let algorithms = judging.anchors.map(|_| judging.algorithms);
    let mut check = RevocationCheck::new(algorithms);
    let mut findings = Vec::new();
    let covered_at = |place: usize| {
        let mut later = tokens.iter().skip(place + 1).flatten();
        later.next().map(|token| token.stamped_at)
    };
    for (place, token) in tokens.iter().enumerate() {
        check.add_delegates(&token.as_ref().map_or_else(Vec::new, ReadToken::certificates));
        for raw in token.iter().flat_map(|token| &token.beside().revocations) {
            let until = covered_at(place).unwrap_or(judging.as_of);
            if let Err(error) = check.add(&format!("in time-stamp {}", place + 1), raw, until) {
                let message = format!("revocation data in it are not used: {error}");
                findings.push(Finding::new(
                    FindingCode::RecordUnusual,
                    name(&stamps[place]),
                    message,
                ));
            }
        }
    }
    let sound = sound_tokens(record, stamps);
    let items = judging.rules.evidence.iter().flat_map(|set| set.items().map(move |it| (*set, it)));
    for (set, (name, piece)) in items {
        let covered = set.covered_at(piece, &sound);
        let until = covered.map_or(judging.as_of, |covered| judging.as_of.min(covered));
        if let Err(error) = check.add_piece(name, piece, until) {
            findings.push(Finding::new(FindingCode::RecordUnusual, name, error.to_string()));
        }
    }
    let none = TrustAnchors::new();
    for (place, (token, stamp)) in tokens.iter().zip(stamps).enumerate() {
        let (Some(token), true) = (token, stamp.token.is_some()) else { continue };
        let pool = token.certificates();
        let anchors = judging.anchors.unwrap_or(&none);
        let path = match (&stamp.path[..], token.signer()) {
            ([], Some(signer)) => check.follow(signer, &pool, anchors),
            (path, _) => check.ended(path.to_vec(), &pool, anchors),
        };
        let times = RevocationTimes {
            stamped_at: token.stamped_at,
            covered_at: covered_at(place),
            known_by: judging.at.unwrap_or(Timestamp::MAX),
        };
        stamp.revocation = check.judge(&path, &times);
        findings.extend(findings_of(stamp, judging.rules.required));
    }
    findings
}

/// Returns when each time-stamp of a record was made whose token was verified, by its SHA-256.
fn sound_tokens(
    record: &EvidenceRecord<'_>,
    stamps: &[StampReport],
) -> HashMap<Sha256Digest, Timestamp> {
    let raws = record.chains.iter().flat_map(|chain| &chain.stamps).map(|stamp| stamp.token);
    let sound = raws.zip(stamps).filter_map(|(raw, stamp)| {
        let verified = stamp.token.as_ref()?;
        Some((Sha256Digest::of(raw), verified.stamped_at))
    });
    sound.collect()
}

fn name(stamp: &StampReport) -> String {
    format!("chain {}, time-stamp {}", stamp.chain, stamp.position)
}

impl CertificateRevocation {
    /// Says that it was revoked, when and why.
    pub(crate) fn revoked_text(&self, at: Timestamp, reason: Option<RevocationReason>) -> String {
        let why = reason.map_or("no reason stated".to_owned(), |it| it.to_string());
        format!("the certificate of {} was revoked on {at} ({why})", self.subject)
    }
}

/// Tells what is wrong, or cannot be told, of the certificates of a time-stamp.
fn findings_of(stamp: &StampReport, required: bool) -> Vec<Finding> {
    let told = stamp.revocation.iter().filter_map(|certificate| {
        let CertificateRevocation { subject, status, .. } = certificate;
        let (code, message) = match status {
            RevocationStatus::Good { .. }
            | RevocationStatus::Revoked { effect: RevocationEffect::None, .. } => return None,
            RevocationStatus::Unknown { missing } => (
                FindingCode::RevocationUnknown,
                format!("cannot tell: revocation of the certificate of {subject}: {missing}"),
            ),
            RevocationStatus::Revoked { at, reason, effect, .. } => {
                let revoked = certificate.revoked_text(*at, *reason);
                match effect {
                    RevocationEffect::Void => (
                        FindingCode::CertificateRevoked,
                        format!("{revoked}, before the time-stamp was made"),
                    ),
                    _ => (
                        FindingCode::RevokedLater,
                        format!(
                            "{revoked}, and nothing covered the time-stamp by then: it may have \
                                 been dated back"
                        ),
                    ),
                }
            }
        };
        let mut finding = Finding::new(code, name(stamp), message);
        if required && code == FindingCode::RevocationUnknown {
            finding.severity = Severity::CannotTell;
        }
        Some(finding)
    });
    told.collect()
}
