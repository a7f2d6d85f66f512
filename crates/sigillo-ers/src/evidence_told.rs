//! What single pieces of revocation evidence tell, whatever verdict follows from all of them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    TrustAnchors,
    revocation::{Fact, RevocationKind, RevocationSet, Said},
    revocation_check::RevocationCheck,
    revocation_piece::Form,
    revocation_reason::RevocationReason,
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
    evidence_told_each(raw, anchors, &[evidence]).into_iter().flatten().collect()
}

/// Says the same of several sets, of each as if there were no other.
pub fn evidence_told_each(
    raw: &[u8],
    anchors: &TrustAnchors,
    sets: &[&RevocationSet],
) -> Vec<Vec<ToldEvidence>> {
    let Ok(token) = ReadToken::read(raw) else { return vec![Vec::new(); sets.len()] };
    let pool = token.certificates();
    let anchored = anchored_path(&token, anchors).unwrap_or_default();
    let path = match token.signer() {
        Some(signer) if anchored.is_empty() => {
            RevocationCheck::new(None).follow(signer, &pool, anchors)
        }
        _ => RevocationCheck::new(None).ended(anchored, &pool, anchors),
    };
    let told = sets.iter().map(|set| {
        let mut check = RevocationCheck::new(None);
        check.add_delegates(&pool);
        for (name, piece) in set.items() {
            // What is too much tells nothing.
            let _is_taken = check.add_piece(name, piece, Timestamp::MIN).is_ok();
        }
        check.told(&path)
    });
    told.collect()
}

/// Returns what sort of evidence something is; `None` if it is none.
pub fn revocation_kind(der: &[u8]) -> Option<RevocationKind> {
    Form::read(der).ok().map(|form| form.kind())
}

/// Returns the revocation lists and OCSP responses that the token `raw` brings with it; none if it cannot be
/// read.
pub fn evidence_within(raw: &[u8]) -> Vec<&[u8]> {
    ReadToken::read(raw).map(|token| token.beside().revocations.clone()).unwrap_or_default()
}

/// Tells whether a piece of evidence says of any certificate that it is revoked.
pub fn tells_of_revocation(der: &[u8]) -> bool {
    match Form::read(der) {
        Ok(Form::Crl(crl)) => {
            let mut is_any = false;
            crl.each_listed(|_| is_any = true);
            is_any
        }
        Ok(Form::Ocsp(ocsp)) => ocsp.revoked().next().is_some(),
        Err(_) => false,
    }
}

/// Certificates by the names of their issuers and their serial numbers, to choose quickly which evidence
/// is worth looking at, and for which tokens.
#[derive(Clone, Debug, Default)]
pub struct CertificateNames {
    /// By issuer and serial number, the tokens that brought the certificate.
    brought: HashMap<Vec<u8>, HashMap<Vec<u8>, BTreeSet<usize>>>,
    count: usize,
    tokens: usize,
}

/// Evidence that says of some certificates that they are revoked, by the names in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedRevoked {
    /// What it is.
    pub kind: RevocationKind,
    /// The tokens that brought one of them, by their numbers.
    pub tokens: BTreeSet<usize>,
}

impl CertificateNames {
    /// Takes in the certificates that came with a token, beyond a number none; returns the number of the
    /// token, from 0, if one of them is new.
    pub fn add_token(&mut self, raw: &[u8]) -> Option<usize> {
        let token = ReadToken::read(raw).ok()?;
        let (before, number, pool) = (self.count, self.tokens, token.certificates());
        let certificates: Vec<_> =
            pool.iter().filter_map(|raw| Certificate::read(raw).ok()).collect();
        for certificate in &certificates {
            if self.count == NAMES_MAX {
                break;
            }
            let serials = self.brought.entry(certificate.issuer.to_vec()).or_default();
            let is_new = !serials.contains_key(certificate.serial);
            serials.entry(certificate.serial.to_vec()).or_default();
            self.count += usize::from(is_new);
        }
        if self.count == before {
            return None;
        }
        for certificate in &certificates {
            let serials = self.brought.get_mut(certificate.issuer);
            if let Some(tokens) = serials.and_then(|serials| serials.get_mut(certificate.serial)) {
                tokens.insert(number);
            }
        }
        self.tokens += 1;
        Some(number)
    }

    /// Tells what a piece of evidence says to be revoked among them, by the names in it; whether it was
    /// signed by who may say so is not looked at.
    pub fn named_revoked(&self, der: &[u8]) -> Option<NamedRevoked> {
        let (form, mut tokens) = (Form::read(der).ok()?, BTreeSet::new());
        match &form {
            Form::Crl(crl) => {
                let serials = self.brought.get(crl.issuer)?;
                crl.each_listed(|it| tokens.extend(serials.get(it).into_iter().flatten()));
            }
            Form::Ocsp(ocsp) => {
                let brought = |serial| self.brought.values().filter_map(move |it| it.get(serial));
                tokens.extend(ocsp.revoked().flat_map(brought).flatten());
            }
        }
        (!tokens.is_empty()).then(|| NamedRevoked { kind: form.kind(), tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token behind its imprint.
    const OTHER: &[u8] = include_bytes!("../../../fuzz/seeds/token/stamp");
    const TOKEN: &[u8] = include_bytes!("../../../fuzz/seeds/trust/revoked.tst");
    const GOOD: [&[u8]; 2] = [
        include_bytes!("../../../fuzz/seeds/revocation/good.crl"),
        include_bytes!("../../../fuzz/seeds/revocation/good.ocsp"),
    ];
    const REVOKED: [&[u8]; 2] = [
        include_bytes!("../../../fuzz/seeds/revocation/revoked.crl"),
        include_bytes!("../../../fuzz/seeds/revocation/revoked.ocsp"),
    ];

    #[test]
    fn a_revocation_is_looked_at_for_the_tokens_that_brought_the_certificate() {
        let mut names = CertificateNames::default();
        assert_eq!(names.add_token(&OTHER[32..]), Some(0));
        assert!(REVOKED.iter().all(|der| names.named_revoked(der).is_none()));
        assert_eq!(names.add_token(TOKEN), Some(1));
        assert_eq!(names.add_token(TOKEN), None, "it brings nothing new");
        for der in REVOKED {
            assert_eq!(names.named_revoked(der).unwrap().tokens, BTreeSet::from([1]));
        }
        assert!(GOOD.iter().all(|der| names.named_revoked(der).is_none()));
    }
}
