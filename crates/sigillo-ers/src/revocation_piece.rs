//! One piece of revocation evidence: reading it, and finding out who signed it, once for all who share
//! it; and what it says of a certificate.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jiff::Timestamp;
use self_cell::self_cell;
use sigillo_model::{Sha256Digest, Sha512Digest};

use crate::{
    crl::Crl,
    der::{self, DerError, Reader},
    ocsp::Ocsp,
    revocation::{RevocationKind, Said},
    signature::SignatureUse,
    x509::Certificate,
};

/// Most possible signers of which it is kept whether they signed a piece; beyond that the signature is
/// checked again for each who asks.
const SIGNERS_KEPT_MAX: usize = 256;

/// A revocation list or an OCSP response that was read.
///
/// Those who share it read it once, and check its signature once for each possible signer.
#[derive(Clone, Debug)]
pub(crate) struct RevocationPiece(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    read: ReadPiece,
    sha256: Sha256Digest,
    /// Only where somebody asks for it.
    sha512: OnceLock<Sha512Digest>,
    signers: Signers,
}

self_cell! {
    /// What was read, beside the bytes that it points into.
    struct ReadPiece {
        owner: Vec<u8>,
        #[covariant]
        dependent: Form,
    }

    impl { Debug }
}

impl RevocationPiece {
    pub(crate) fn read(der: &[u8]) -> Result<Self, DerError> {
        let (sha256, sha512) = (Sha256Digest::of(der), OnceLock::new());
        let read = ReadPiece::try_new(der.to_vec(), |der| Form::read(der))?;
        Ok(Self(Arc::new(Kept { read, sha256, sha512, signers: Signers::default() })))
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.0.read.borrow_owner()
    }

    pub(crate) fn form(&self) -> &Form<'_> {
        self.0.read.borrow_dependent()
    }

    pub(crate) fn signers(&self) -> &Signers {
        &self.0.signers
    }

    pub(crate) fn sha256(&self) -> Sha256Digest {
        self.0.sha256
    }

    pub(crate) fn sha512(&self) -> Sha512Digest {
        *self.0.sha512.get_or_init(|| Sha512Digest::of(self.der()))
    }
}

/// Who was found to have signed a piece of evidence, or why that does not count, by the digest of who may
/// have.
#[derive(Debug, Default)]
pub(crate) struct Signers(Mutex<HashMap<Sha512Digest, Result<Signer, String>>>);

/// Who signed a piece of evidence.
#[derive(Clone, Debug)]
struct Signer {
    with: SignatureUse,
    /// The certificate of who signed it for the issuer, if that was another.
    delegate: Option<Vec<u8>>,
}

impl Signers {
    /// Returns what was found out before, or finds it out.
    fn find(
        &self,
        candidates: Sha512Digest,
        check: impl FnOnce() -> Result<Signer, String>,
    ) -> Result<Signer, String> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&candidates).cloned();
        known.unwrap_or_else(|| {
            let found = check();
            let mut kept = lock();
            if kept.len() < SIGNERS_KEPT_MAX {
                kept.insert(candidates, found.clone());
            }
            found
        })
    }
}

/// What a piece of evidence says of a certificate, or why that does not count; `None` if it is about
/// others.
pub(crate) type Told = Option<Result<Statement, String>>;

/// What evidence is asked: all that its answer depends on.
pub(crate) struct Question<'q> {
    certificate: &'q Certificate<'q>,
    issuer: &'q Certificate<'q>,
    /// Certificates for signing OCSP responses that are at hand.
    delegates: Vec<&'q [u8]>,
    /// Over the issuer's certificate.
    issuer_digest: Sha512Digest,
    /// Over it and all of `delegates`, each hashed by itself.
    signers_digest: Sha512Digest,
}

impl<'q> Question<'q> {
    pub(crate) fn new(
        certificate: &'q Certificate<'q>,
        issuer: &'q Certificate<'q>,
        delegates: Vec<&'q [u8]>,
    ) -> Self {
        let issuer_digest = Sha512Digest::of(issuer.raw);
        let delegate_digests = delegates.iter().map(|it| Sha512Digest::of(it));
        let all: Vec<Sha512Digest> = [issuer_digest].into_iter().chain(delegate_digests).collect();
        let signers_digest = Sha512Digest::of_parts(all.iter().map(|it| &it.as_bytes()[..]));
        Self { certificate, issuer, delegates, issuer_digest, signers_digest }
    }
}

/// What a piece of evidence says of a certificate, signed by who may say so at a time at which that counts.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// That it is good, or each revocation for a reason of its own.
    pub(crate) said: Vec<Said>,
    pub(crate) maker: Maker,
    /// As of when it speaks.
    pub(crate) as_of: Timestamp,
    pub(crate) signed_at: Timestamp,
    pub(crate) next_update: Option<Timestamp>,
    /// Certificates that ended at this time or later are still known.
    pub(crate) keeps_from: Option<Timestamp>,
}

impl Statement {
    /// Sees that the signer's certificate was valid as of when it speaks, and when it was signed.
    fn check_times(self) -> Result<Self, String> {
        let Maker { not_before, not_after, .. } = self.maker;
        for at in [self.as_of, self.signed_at] {
            if at < not_before || not_after.as_second() < at.as_second() {
                return Err(format!("it is of {at}, when its signer's certificate was not valid"));
            }
        }
        Ok(self)
    }
}

/// Who signed a piece of evidence, as far as that counts.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) text: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) with: SignatureUse,
    /// The certificate of who signed it for the issuer, if that was another.
    pub(crate) delegate: Option<Vec<u8>>,
}

/// Evidence that was read.
#[derive(Debug)]
pub(crate) enum Form<'a> {
    Crl(Box<Crl<'a>>),
    Ocsp(Box<Ocsp<'a>>),
}

impl<'a> Form<'a> {
    /// Reads a revocation list or an OCSP response: the latter begins with a status, or its first
    /// field with a responder.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, DerError> {
        if is_response(raw)? {
            Ok(Self::Ocsp(Box::new(Ocsp::read(raw)?)))
        } else {
            Ok(Self::Crl(Box::new(Crl::read(raw)?)))
        }
    }

    pub(crate) fn kind(&self) -> RevocationKind {
        match self {
            Self::Crl(_) => RevocationKind::Crl,
            Self::Ocsp(_) => RevocationKind::Ocsp,
        }
    }

    /// Tells whether it is about the certificate, whoever signed it.
    pub(crate) fn is_about(&self, question: &Question<'_>) -> bool {
        let Question { certificate, issuer, .. } = question;
        match self {
            Self::Crl(crl) => crl.issuer == issuer.subject_name,
            Self::Ocsp(ocsp) => ocsp.answer(certificate, issuer).is_some(),
        }
    }

    /// Returns what it says; `None` if it is about others.
    pub(crate) fn told(&self, question: &Question<'_>, signers: &Signers) -> Told {
        match self {
            Self::Crl(crl) => self.is_about(question).then(|| of_list(crl, question, signers)),
            Self::Ocsp(ocsp) => of_answer(ocsp, question, signers),
        }
    }
}

fn of_list(crl: &Crl<'_>, question: &Question<'_>, signers: &Signers) -> Result<Statement, String> {
    let issuer = question.issuer;
    if !issuer.allows_listing() {
        return Err("the key usage of its signer does not allow lists".to_owned());
    }
    let signer = signers.find(question.issuer_digest, || {
        let with = crl.signed.check(&issuer.key).map_err(|fault| fault.to_string())?;
        Ok(Signer { with, delegate: None })
    })?;
    let said = crl.say(question.certificate)?;
    let Certificate { not_before, not_after, .. } = *issuer;
    let text = crl.issuer_text.clone();
    let statement = Statement {
        said,
        maker: Maker { text, not_before, not_after, with: signer.with, delegate: None },
        as_of: crl.this_update,
        signed_at: crl.this_update,
        next_update: crl.next_update,
        keeps_from: crl.keeps_from,
    };
    statement.check_times()
}

fn of_answer(ocsp: &Ocsp<'_>, question: &Question<'_>, signers: &Signers) -> Told {
    let Question { certificate, issuer, delegates, .. } = question;
    let answered = ocsp.answer(certificate, issuer)?;
    let told = answered.and_then(|answered| {
        let Signer { with, delegate } = signers.find(question.signers_digest, || {
            let signer = ocsp.signer(issuer, delegates)?;
            let delegate = signer.delegate.map(|delegate| delegate.raw.to_vec());
            Ok(Signer { with: signer.with, delegate })
        })?;
        let read = delegate.as_deref().map(Certificate::read).transpose();
        let read = read.map_err(|error| error.to_string())?;
        let Certificate { not_before, not_after, .. } = *read.as_ref().unwrap_or(issuer);
        let text = ocsp.responder_text();
        let statement = Statement {
            said: vec![answered.said],
            maker: Maker { text, not_before, not_after, with, delegate },
            as_of: answered.this_update,
            signed_at: ocsp.produced_at,
            next_update: answered.next_update,
            keeps_from: answered.keeps_from,
        };
        statement.check_times()
    });
    Some(told)
}

fn is_response(raw: &[u8]) -> Result<bool, DerError> {
    let mut outer = Reader::new(raw).expect(der::SEQUENCE, "a structure")?.inside();
    let first = outer.any("a structure")?;
    if first.tag != der::SEQUENCE {
        return Ok(true);
    }
    let first = first.inside().any("a structure")?;
    Ok((0xa0..=0xa2).contains(&first.tag))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::certificate::pem_blocks;

    fn certificate(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/trust");
        let text = std::fs::read_to_string(format!("{folder}/{name}.pem")).unwrap();
        pem_blocks(&text, "CERTIFICATE").unwrap().remove(0)
    }

    #[test]
    fn whoever_asks_by_another_issuer_or_delegate_asks_for_another_signer() {
        let (one, two) = (certificate("root"), certificate("revoker"));
        let (one, two) = (Certificate::read(&one).unwrap(), Certificate::read(&two).unwrap());
        let mut digests = HashSet::new();
        for issuer in [&one, &two] {
            for delegates in [&[][..], &[one.raw], &[two.raw], &[one.raw, two.raw]] {
                let question = Question::new(&one, issuer, delegates.to_vec());
                assert!(digests.insert(question.signers_digest));
                assert_eq!(question.issuer_digest, Sha512Digest::of(issuer.raw));
            }
        }
    }

    #[test]
    fn a_signature_is_checked_once_for_each_signer_and_no_more_are_kept_than_the_limit() {
        let (signers, mut checked) = (Signers::default(), 0);
        let mut ask = |number: u16| {
            let refused = signers.find(Sha512Digest::of(&number.to_be_bytes()), || {
                checked += 1;
                Err(number.to_string())
            });
            assert_eq!(refused.unwrap_err(), number.to_string());
        };
        (0..300).for_each(&mut ask);
        ask(0);
        assert_eq!(checked, 300);
        let kept = signers.0.lock().unwrap().len();
        assert_eq!(kept, SIGNERS_KEPT_MAX);
    }
}
