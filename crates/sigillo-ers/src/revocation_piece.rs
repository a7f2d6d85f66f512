//! One piece of revocation evidence: reading it, and what it says of a certificate, found out once for
//! all who share it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use jiff::Timestamp;
use sigillo_model::{Sha256Digest, Sha512Digest};

use crate::{
    crl::Crl,
    der::{self, DerError, Reader},
    ocsp::Ocsp,
    revocation::{RevocationKind, Said},
    signature::SignatureUse,
    x509::Certificate,
};

/// Most questions whose answers are kept with one piece; beyond that it is read again for each.
const ANSWERS_KEPT_MAX: usize = 256;

/// A revocation list or an OCSP response that can be read.
///
/// What it says of a certificate is kept with it: those who share it read it, and check its signature, once
/// for each certificate.
#[derive(Clone, Debug)]
pub(crate) struct RevocationPiece(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    der: Vec<u8>,
    kind: RevocationKind,
    sha256: Sha256Digest,
    /// Only where somebody asks for it.
    sha512: OnceLock<Sha512Digest>,
    /// What it says, by the digest of the question.
    answers: Mutex<HashMap<Sha512Digest, Told>>,
}

/// What a piece of evidence says of a certificate, or why that does not count; `None` if it is about
/// others.
pub(crate) type Told = Option<Arc<Result<Statement, String>>>;

impl RevocationPiece {
    pub(crate) fn read(der: &[u8]) -> Result<Self, DerError> {
        let kind = Form::read(der)?.kind();
        let (sha256, sha512) = (Sha256Digest::of(der), OnceLock::new());
        let (der, answers) = (der.to_vec(), Mutex::default());
        Ok(Self(Arc::new(Kept { der, kind, sha256, sha512, answers })))
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.0.der
    }

    pub(crate) fn kind(&self) -> RevocationKind {
        self.0.kind
    }

    pub(crate) fn sha256(&self) -> Sha256Digest {
        self.0.sha256
    }

    pub(crate) fn sha512(&self) -> Sha512Digest {
        *self.0.sha512.get_or_init(|| Sha512Digest::of(&self.0.der))
    }

    /// Returns what it says, if that was asked before.
    pub(crate) fn known(&self, question: &Question<'_>) -> Option<Told> {
        let answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&question.digest).cloned()
    }

    /// Keeps what it says.
    pub(crate) fn keep(&self, question: &Question<'_>, told: &Told) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < ANSWERS_KEPT_MAX {
            answers.insert(question.digest, told.clone());
        }
    }
}

/// What evidence is asked: all that its answer depends on.
pub(crate) struct Question<'q> {
    certificate: &'q Certificate<'q>,
    issuer: &'q Certificate<'q>,
    /// Certificates for signing OCSP responses that are at hand.
    delegates: Vec<&'q [u8]>,
    /// Over all of them, each hashed by itself.
    digest: Sha512Digest,
}

impl<'q> Question<'q> {
    pub(crate) fn new(
        certificate: &'q Certificate<'q>,
        issuer: &'q Certificate<'q>,
        delegates: Vec<&'q [u8]>,
    ) -> Self {
        let all = [certificate.raw, issuer.raw].into_iter().chain(delegates.iter().copied());
        let digests: Vec<Sha512Digest> = all.map(Sha512Digest::of).collect();
        let digest = Sha512Digest::of_parts(digests.iter().map(|it| &it.as_bytes()[..]));
        Self { certificate, issuer, delegates, digest }
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
    pub(crate) fn told(&self, question: &Question<'_>) -> Told {
        let told = match self {
            Self::Crl(crl) => self.is_about(question).then(|| of_list(crl, question)),
            Self::Ocsp(ocsp) => of_answer(ocsp, question),
        };
        told.map(Arc::new)
    }
}

fn of_list(crl: &Crl<'_>, question: &Question<'_>) -> Result<Statement, String> {
    let issuer = question.issuer;
    if !issuer.allows_listing() {
        return Err("the key usage of its signer does not allow lists".to_owned());
    }
    let with = crl.signed.check(&issuer.key).map_err(|fault| fault.to_string())?;
    let said = crl.say(question.certificate)?;
    let Certificate { not_before, not_after, .. } = *issuer;
    let text = crl.issuer_text.clone();
    let statement = Statement {
        said,
        maker: Maker { text, not_before, not_after, with, delegate: None },
        as_of: crl.this_update,
        signed_at: crl.this_update,
        next_update: crl.next_update,
        keeps_from: crl.keeps_from,
    };
    statement.check_times()
}

fn of_answer(ocsp: &Ocsp<'_>, question: &Question<'_>) -> Option<Result<Statement, String>> {
    let Question { certificate, issuer, delegates, .. } = question;
    let answered = ocsp.answer(certificate, issuer)?;
    let told = answered.and_then(|answered| {
        let signer = ocsp.signer(issuer, delegates)?;
        let signed_by = signer.delegate.as_ref().unwrap_or(issuer);
        let maker = Maker {
            text: ocsp.responder_text(),
            not_before: signed_by.not_before,
            not_after: signed_by.not_after,
            with: signer.with,
            delegate: signer.delegate.as_ref().map(|delegate| delegate.raw.to_vec()),
        };
        let statement = Statement {
            said: vec![answered.said],
            maker,
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
    fn whoever_asks_of_another_certificate_issuer_or_delegate_asks_something_else() {
        let (one, two) = (certificate("root"), certificate("revoker"));
        let (one, two) = (Certificate::read(&one).unwrap(), Certificate::read(&two).unwrap());
        let mut digests = HashSet::new();
        for certificate in [&one, &two] {
            for issuer in [&one, &two] {
                for delegates in [&[][..], &[one.raw], &[two.raw], &[one.raw, two.raw]] {
                    let question = Question::new(certificate, issuer, delegates.to_vec());
                    assert!(digests.insert(question.digest));
                }
            }
        }
    }

    #[test]
    fn no_more_answers_are_kept_than_the_limit() {
        let issuer = certificate("revoker");
        let issuer = Certificate::read(&issuer).unwrap();
        let piece = include_bytes!("../../../fuzz/seeds/revocation/good.crl");
        let piece = RevocationPiece::read(piece).unwrap();
        let asked: Vec<[u8; 2]> = (0..300_u16).map(u16::to_be_bytes).collect();
        for delegate in &asked {
            let question = Question::new(&issuer, &issuer, vec![delegate]);
            assert!(piece.known(&question).is_none(), "each is another question");
            piece.keep(&question, &None);
        }
        assert_eq!(piece.0.answers.lock().unwrap().len(), ANSWERS_KEPT_MAX);
        let first = Question::new(&issuer, &issuer, vec![&asked[0]]);
        assert!(piece.known(&first).is_some());
    }
}
