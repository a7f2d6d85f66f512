//! What is known of the revocation of the certificates behind an evidence record.

use std::collections::HashMap;

use jiff::Timestamp;
use sigillo_model::{Finding, FindingCode, Severity, Sha256Digest};

use crate::{
    AlgorithmTable, TrustAnchors,
    der::DerError,
    record::EvidenceRecord,
    record_check::StampReport,
    revocation::{
        CertificateRevocation, RevocationEffect, RevocationSet, RevocationStatus, RevocationTimes,
    },
    revocation_check::RevocationCheck,
    revocation_reason::RevocationReason,
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

/// What time-stamps are judged by.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    /// Evidence besides what the time-stamps bring with them.
    pub(crate) evidence: Option<&'a RevocationSet>,
    /// Whom certificates may lead to; `None`: that is not asked.
    pub(crate) anchors: Option<&'a TrustAnchors>,
    /// How long the algorithms of evidence have to hold; `None`: that is not judged.
    pub(crate) algorithms: Option<&'a AlgorithmTable>,
    /// The time asked for, if one was: evidence of a later time is not used.
    pub(crate) at: Option<Timestamp>,
    /// The time until which evidence has to hold that nothing covers.
    pub(crate) as_of: Timestamp,
}

/// The time-stamps of one record, oldest first, and all evidence about their certificates: each brings some
/// with it, which the next one covers, and what one of them brings counts for all. Who checks a record and
/// who leaves out what is revoked both ask this.
pub(crate) struct StampsCheck<'a> {
    tokens: &'a [Option<ReadToken<'a>>],
    check: RevocationCheck<'a>,
    judging: Judging<'a>,
    /// What of the evidence is not used, and why.
    pub(crate) unused: Vec<(Unused<'a>, DerError)>,
}

/// Evidence that is not used.
pub(crate) enum Unused<'a> {
    /// It came with the time-stamp at a place.
    With(usize),
    /// It is another one of a name.
    Named(&'a str),
}

impl<'a> StampsCheck<'a> {
    /// Takes in the evidence; `sound` are the times of the time-stamps that were verified, by their SHA-256.
    pub(crate) fn new(
        tokens: &'a [Option<ReadToken<'a>>],
        sound: &HashMap<Sha256Digest, Timestamp>,
        judging: Judging<'a>,
    ) -> Self {
        let (check, unused) = (RevocationCheck::new(judging.algorithms), Vec::new());
        let mut this = Self { tokens, check, judging, unused };
        for (place, token) in tokens.iter().enumerate() {
            let until = this.covered_at(place).unwrap_or(judging.as_of);
            this.check
                .add_delegates(&token.as_ref().map_or_else(Vec::new, ReadToken::certificates));
            for raw in token.iter().flat_map(|token| &token.beside().revocations) {
                let name = format!("in time-stamp {}", place + 1);
                if let Err(error) = this.check.add(&name, raw, until) {
                    this.unused.push((Unused::With(place), error));
                }
            }
        }
        let items =
            judging.evidence.into_iter().flat_map(|set| set.items().map(move |it| (set, it)));
        for (set, (name, piece)) in items {
            let covered = set.covered_at(piece, sound);
            let until = covered.map_or(judging.as_of, |covered| judging.as_of.min(covered));
            if let Err(error) = this.check.add_piece(name, piece, until) {
                this.unused.push((Unused::Named(name), error));
            }
        }
        this
    }

    /// Returns when the next time-stamp that can be read covered the one at a place.
    fn covered_at(&self, place: usize) -> Option<Timestamp> {
        let mut later = self.tokens.iter().skip(place + 1).flatten();
        later.next().map(|token| token.stamped_at)
    }

    /// Judges the certificates of the time-stamp at a place, which lead along `path` to an anchor. Without
    /// one they are followed by names and signatures: what the issuer of the signer's certificate says of it
    /// counts for who does not believe the authority as well. That issuer anybody may have certified anew, so
    /// where an anchor was to be reached and is not, that it or what is above it is revoked cannot be told.
    pub(crate) fn judge(&mut self, place: usize, path: &[Vec<u8>]) -> Vec<CertificateRevocation> {
        let Some(Some(token)) = self.tokens.get(place) else { return Vec::new() };
        let (pool, none) = (token.certificates(), TrustAnchors::new());
        let anchors = self.judging.anchors.unwrap_or(&none);
        let (is_found, path) = match (path, token.signer()) {
            ([], Some(signer)) => (false, self.check.follow(signer, &pool, anchors)),
            (path, _) => (true, self.check.ended(path.to_vec(), &pool, anchors)),
        };
        let is_held = |last: &Vec<u8>| self.judging.anchors.is_none_or(|it| it.holds(last));
        let is_stray = !is_found && !path.certificates.last().is_some_and(is_held);
        let times = RevocationTimes {
            stamped_at: token.stamped_at,
            covered_at: self.covered_at(place),
            known_by: self.judging.at.unwrap_or(Timestamp::MAX),
        };
        let mut told = self.check.judge(&path, &times);
        for above in told.iter_mut().skip(1).filter(|_| is_stray) {
            if let RevocationStatus::Revoked { at, .. } = above.status {
                let missing = format!(
                    "that it was revoked on {at} says an issuer that leads to no trust anchor"
                );
                above.status = RevocationStatus::Unknown { missing };
            }
        }
        told
    }
}

/// Judges every time-stamp of `record` whose token was verified, and returns what was found; `required`:
/// that it cannot be told is a finding rather than a note.
pub(crate) fn judge_record(
    record: &EvidenceRecord<'_>,
    stamps: &mut [StampReport],
    (judging, required): (Judging<'_>, bool),
) -> Vec<Finding> {
    let raws = record.chains.iter().flat_map(|chain| &chain.stamps).map(|stamp| stamp.token);
    let tokens: Vec<Option<ReadToken<'_>>> = raws.map(|raw| ReadToken::read(raw).ok()).collect();
    let mut check = StampsCheck::new(&tokens, &sound_tokens(record, stamps), judging);
    let unused = std::mem::take(&mut check.unused).into_iter().map(|(what, error)| match what {
        Unused::With(place) => {
            let message = format!("revocation data in it are not used: {error}");
            Finding::new(FindingCode::RecordUnusual, name(&stamps[place]), message)
        }
        Unused::Named(name) => Finding::new(FindingCode::RecordUnusual, name, error.to_string()),
    });
    let mut findings: Vec<Finding> = unused.collect();
    for (place, stamp) in stamps.iter_mut().enumerate() {
        if stamp.token.is_some() {
            stamp.revocation = check.judge(place, &stamp.path);
            findings.extend(findings_of(stamp, required));
        }
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
