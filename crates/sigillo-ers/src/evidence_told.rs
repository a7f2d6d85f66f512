//! What single pieces of revocation evidence tell, whatever verdict follows from all of them.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    TrustAnchors,
    revocation::{Fact, Form, RevocationKind, RevocationReason, RevocationSet, Said},
    revocation_check::{RevocationCheck, kind},
    token::ReadToken,
    token_revocation::anchored_path,
    x509::Certificate,
};

/// Most names of certificates that are kept together.
const NAMES_MAX: usize = 100_000;

/// What a piece of evidence tells of a certificate, signed by who may say so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ToldEvidence {
    /// SHA-256 of the evidence.
    pub sha256: Sha256Digest,
    /// SHA-256 of the certificate.
    pub certificate: Sha256Digest,
    /// As of when it speaks.
    pub as_of: Timestamp,
    /// Since when the certificate is revoked, and why; `None` if it is not.
    pub revoked: Option<(Timestamp, Option<RevocationReason>)>,
    /// Whether it says that the certificate is not revoked, so that it ends a hold that was told before.
    pub ends_hold: bool,
}

impl RevocationReason {
    /// Tells whether it says that the certificate is on hold: that may end, as if it had never been.
    pub fn is_hold(self) -> bool {
        self == Self::HOLD
    }
}

impl ToldEvidence {
    /// Tells whether it says that the certificate is on hold.
    pub fn is_hold(&self) -> bool {
        self.revoked.is_some_and(|(_, reason)| reason.is_some_and(RevocationReason::is_hold))
    }

    pub(crate) fn of(fact: &Fact, certificate: &Certificate<'_>) -> Self {
        let revoked = match fact.said {
            Said::Good => None,
            Said::Revoked { at, reason } => Some((at, reason)),
        };
        let ends_hold = fact.is_good_of(certificate.not_after);
        let certificate = Sha256Digest::of(certificate.raw);
        let (sha256, as_of) = (fact.source.sha256, fact.source.as_of);
        Self { sha256, certificate, as_of, revoked, ends_hold }
    }
}

/// Says what each piece of `evidence` tells of the certificates behind the token `raw` and of those who
/// signed responses about them, each by itself: that its signature is right and was made while its
/// signer's certificate was valid is seen to, that it held until now is not. Of a token that cannot be
/// read nothing is told; the path of one that leads to none of `anchors` is followed by names and
/// signatures.
pub fn evidence_told(
    raw: &[u8],
    anchors: &TrustAnchors,
    evidence: &RevocationSet,
) -> Vec<ToldEvidence> {
    let Ok(token) = ReadToken::read(raw) else { return Vec::new() };
    let pool = token.certificates();
    let mut check = RevocationCheck::new(None);
    check.add_delegates(&pool);
    for (name, der) in evidence.items() {
        // What cannot be read tells nothing.
        let _is_read = check.add(name, der, Timestamp::MIN).is_ok();
    }
    let anchored = anchored_path(&token, anchors).unwrap_or_default();
    let path = match token.signer() {
        Some(signer) if anchored.is_empty() => check.follow(signer, &pool, anchors),
        _ => check.ended(anchored, &pool, anchors),
    };
    check.told(&path)
}

/// Returns what sort of evidence something is; `None` if it is none.
pub fn revocation_kind(der: &[u8]) -> Option<RevocationKind> {
    Form::read(der).ok().map(|form| kind(&form))
}

/// Certificates by the names of their issuers and their serial numbers, to choose quickly which evidence
/// is worth looking at.
#[derive(Clone, Debug, Default)]
pub struct CertificateNames {
    /// Serial numbers by issuer.
    serials: HashMap<Vec<u8>, HashSet<Vec<u8>>>,
    count: usize,
}

impl CertificateNames {
    /// Takes in the certificates that came with a token, beyond a number none; returns whether one of
    /// them is new.
    pub fn add_token(&mut self, raw: &[u8]) -> bool {
        let Ok(token) = ReadToken::read(raw) else { return false };
        let before = self.count;
        for raw in token.certificates() {
            let Ok(certificate) = Certificate::read(raw) else { continue };
            if self.count == NAMES_MAX {
                break;
            }
            let serials = self.serials.entry(certificate.issuer.to_vec()).or_default();
            self.count += usize::from(serials.insert(certificate.serial.to_vec()));
        }
        self.count > before
    }

    /// Returns what sort a piece of evidence is if it says that one of them is revoked, by the names in it;
    /// whether it was signed by who may say so is not looked at.
    pub fn named_revoked(&self, der: &[u8]) -> Option<RevocationKind> {
        match Form::read(der).ok()? {
            Form::Crl(crl) => {
                let serials = self.serials.get(crl.issuer)?;
                crl.lists_any(|it| serials.contains(it)).then_some(RevocationKind::Crl)
            }
            Form::Ocsp(ocsp) => {
                let is_one = |serial: &[u8]| self.serials.values().any(|it| it.contains(serial));
                ocsp.revokes_any(is_one).then_some(RevocationKind::Ocsp)
            }
        }
    }
}
