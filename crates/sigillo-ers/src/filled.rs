//! Time-stamp tokens into which what judges their certificates is filled, beside what is signed.

use crate::{
    RevocationKind, TokenError, TrustAnchors,
    asn1::OCSP_OF_CMS,
    cms::EMBEDDED_CERTIFICATES_MAX,
    der::{self, DerError, Element},
    token::{ReadToken, TOKEN_BYTES_MAX},
    token_revocation::anchored_path,
};

/// Most revocation lists and OCSP responses in a token that is filled here.
pub const FILLED_REVOCATIONS_MAX: usize = 64;

/// Certificates with a format of their own in `certificates`; they ask for version 5.
const OTHER_CERTIFICATE: u8 = 0xa3;

/// Why a token cannot be filled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FillError {
    /// It would be larger than a token may be.
    #[error(
        "with what is known of its certificates it has {size_bytes} bytes, more than {TOKEN_BYTES_MAX}"
    )]
    TooLarge {
        /// The size that it would have.
        size_bytes: usize,
    },
    /// There would be more in it than is read of one.
    #[error("more certificates, revocation lists and OCSP responses belong in it than it may have")]
    TooMany,
    /// It cannot be read, or could not any more.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The parts of a token, raw.
struct Parts<'a> {
    kind: &'a [u8],
    version: &'a [u8],
    digest_algorithms: &'a [u8],
    content: &'a [u8],
    certificates: Vec<&'a [u8]>,
    revocations: Vec<&'a [u8]>,
    signers: &'a [u8],
}

/// Fills into the token `raw` the certificates from its signer's up to the anchor, as far as they are
/// not there, and `evidence`: each revocation list as it is, each OCSP response as other revocation
/// information (RFC 5652 §10.2.1, RFC 5940 §2.1). Both sets are written in the order of DER.
///
/// Nothing that is signed is touched: content, signed attributes and signature stay as they are, byte
/// for byte. Filling what is filled already changes nothing. Of a token that leads to none of `anchors`
/// no certificates are known.
///
/// # Errors
///
/// [`FillError`] if it cannot be read, or could not any more.
pub fn fill_token(
    raw: &[u8],
    anchors: &TrustAnchors,
    evidence: &[(RevocationKind, &[u8])],
) -> Result<Vec<u8>, FillError> {
    let token = ReadToken::read(raw)?;
    let path = anchored_path(&token, anchors)?;
    let parts = Parts::read(raw).map_err(TokenError::from)?;
    let certificates: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
    let revocations: Vec<Vec<u8>> = evidence.iter().map(|(kind, der)| choice(*kind, der)).collect();
    let revocations: Vec<&[u8]> = revocations.iter().map(Vec::as_slice).collect();
    let filled = parts.with(&certificates, &revocations)?;
    // What is kept for decades is read back at once.
    let read = ReadToken::read(&filled)?;
    anchored_path(&read, anchors)?;
    Ok(filled)
}

/// Tells whether `filled` is what [`fill_token`] makes of `received` with the certificates, revocation
/// lists and OCSP responses that it has beyond those of `received`.
pub fn is_filled_from(filled: &[u8], received: &[u8]) -> bool {
    // That the version fits is seen here alone, where filling writes another one.
    if ReadToken::read(received).is_err() {
        return false;
    }
    let (Ok(new), Ok(old)) = (Parts::read(filled), Parts::read(received)) else { return false };
    let beyond = |new: &[&'_ [u8]], old: &[&[u8]]| -> Vec<Vec<u8>> {
        new.iter().filter(|it| !old.contains(*it)).map(|it| it.to_vec()).collect()
    };
    let certificates = beyond(&new.certificates, &old.certificates);
    let revocations = beyond(&new.revocations, &old.revocations);
    let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let revocations: Vec<&[u8]> = revocations.iter().map(Vec::as_slice).collect();
    old.with(&certificates, &revocations).is_ok_and(|again| again == filled)
}

/// Writes a choice of `RevocationInfoChoices`.
fn choice(kind: RevocationKind, der: &[u8]) -> Vec<u8> {
    match kind {
        RevocationKind::Crl => der.to_vec(),
        RevocationKind::Ocsp => {
            let oid = der::oid_content(OCSP_OF_CMS).expect("a constant of this crate is an OID");
            let format = der::wrap(der::OBJECT_IDENTIFIER, &[&oid]);
            der::wrap(der::context(1), &[&format, der])
        }
    }
}

impl<'a> Parts<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, DerError> {
        let mut info = der::read_checked(raw, "a ContentInfo")?.inside();
        let kind = info.expect(der::OBJECT_IDENTIFIER, "a content type")?.raw;
        let mut explicit = info.expect(der::context(0), "the content")?.inside();
        info.end("a ContentInfo")?;
        let mut fields = explicit.expect(der::SEQUENCE, "the SignedData")?.inside();
        explicit.end("the content")?;
        let version = fields.expect(der::INTEGER, "a version")?.raw;
        let digest_algorithms = fields.expect(der::SET, "the digest algorithms")?.raw;
        let content = fields.expect(der::SEQUENCE, "the encapsulated content")?.raw;
        let certificates = elements(fields.optional(der::context(0))?)?;
        let revocations = elements(fields.optional(der::context(1))?)?;
        let signers = fields.expect(der::SET, "the signers")?.raw;
        fields.end("the SignedData")?;
        Ok(Self { kind, version, digest_algorithms, content, certificates, revocations, signers })
    }

    /// Writes the token anew with more certificates and revocation data.
    fn with(&self, certificates: &[&[u8]], revocations: &[&[u8]]) -> Result<Vec<u8>, FillError> {
        let certificates = joined(&self.certificates, certificates);
        let revocations = joined(&self.revocations, revocations);
        let many = certificates.len() > EMBEDDED_CERTIFICATES_MAX
            || revocations.len() > FILLED_REVOCATIONS_MAX;
        if many {
            return Err(FillError::TooMany);
        }
        let is_other = |tag: u8| move |raw: &&[u8]| raw.first() == Some(&tag);
        let of_five = revocations.iter().any(is_other(der::context(1)))
            || certificates.iter().any(is_other(OTHER_CERTIFICATE));
        let five = der::unsigned_integer(&[5]);
        let version = if of_five { &five[..] } else { self.version };
        let set = |tag, parts: &[&[u8]]| match parts {
            [] => Vec::new(),
            parts => der::wrap(tag, parts),
        };
        let (certificates, revocations) =
            (set(der::context(0), &certificates), set(der::context(1), &revocations));
        let data = der::wrap(
            der::SEQUENCE,
            &[
                version,
                self.digest_algorithms,
                self.content,
                &certificates,
                &revocations,
                self.signers,
            ],
        );
        let explicit = der::wrap(der::context(0), &[&data]);
        let token = der::wrap(der::SEQUENCE, &[self.kind, &explicit]);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(FillError::TooLarge { size_bytes: token.len() });
        }
        Ok(token)
    }
}

fn elements(set: Option<Element<'_>>) -> Result<Vec<&[u8]>, DerError> {
    let Some(set) = set else { return Ok(Vec::new()) };
    let (mut elements, mut reader) = (Vec::new(), set.inside());
    while let Some(element) = reader.next()? {
        elements.push(element.raw);
    }
    Ok(elements)
}

/// Joins two sets in the order of DER (X.690 §11.6): none of two elements begins with the other, so
/// that of their bytes is the same.
fn joined<'s>(there: &[&'s [u8]], more: &[&'s [u8]]) -> Vec<&'s [u8]> {
    let mut all = there.to_vec();
    for element in more {
        if !all.contains(element) {
            all.push(element);
        }
    }
    all.sort_unstable();
    all
}
