//! Seals: detached CAdES-B signatures over a digest, ECDSA P-256 with SHA-256.

use jiff::Timestamp;
use sigillo_model::Sha256Digest;
use webpki::{ExtendedKeyUsageValidator, KeyPurposeIdIter};

use crate::{
    CertificateError, CmsError, Trust, TrustAnchors,
    asn1::{ANY_PURPOSE, DATA, DOCUMENT_SIGNING, EMAIL_PROTECTION},
    certificate_end,
    cms::{self, Rules, SignedData},
    hash::HashFunction,
    issue::TRIAL_POLICY,
    sign::{self, ToSign, Unsigned},
    signature::Accepted,
    x509::Certificate,
};

/// Largest seal accepted, in bytes.
pub const SEAL_BYTES_MAX: usize = 1 << 20;
/// Purposes that go with sealing: those above and those of two makers of office software.
const SEALING: [&str; 5] = [
    EMAIL_PROTECTION,
    DOCUMENT_SIGNING,
    ANY_PURPOSE,
    "1.3.6.1.4.1.311.10.3.12",
    "1.2.840.113583.1.1.5",
];

/// A seal that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedSeal {
    unsigned: Unsigned,
}

impl PreparedSeal {
    /// Returns the bytes to sign with ECDSA P-256 and SHA-256.
    pub fn to_sign(&self) -> &[u8] {
        self.unsigned.to_sign()
    }

    /// Encodes the seal with the signature, which is DER.
    ///
    /// The signature is not checked here: whoever signs with a new key runs [`verify_seal`].
    pub fn finish(self, signature_der: &[u8]) -> Vec<u8> {
        self.unsigned.finish(signature_der)
    }
}

/// Prepares a seal over the content with digest `content_sha256`, made at `at` to the second.
///
/// `chain` holds the certificates above the signer's; they are embedded with it.
///
/// # Errors
///
/// [`CertificateError`] if a certificate cannot be read or has no elliptic-curve key, or the signer's is
/// not valid at `at`. Source: ETSI EN 319 122-1 (CAdES-B), RFC 5652, RFC 5035.
pub fn prepare_seal(
    content_sha256: Sha256Digest,
    certificate_der: &[u8],
    chain: &[Vec<u8>],
    at: Timestamp,
) -> Result<PreparedSeal, CertificateError> {
    let signer = Certificate::read(certificate_der)
        .map_err(|error| CertificateError::Malformed { what: error.what })?;
    cms::check_validity(&signer, at)
        .map_err(|error| CertificateError::NotValid { reason: error.to_string() })?;
    let unsigned = sign::prepare(&ToSign {
        content_type: DATA,
        content: None,
        content_sha256,
        signing_time: Some(at),
        certificate_der,
        chain,
    })?;
    Ok(PreparedSeal { unsigned })
}

/// What a verified seal says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedSeal {
    /// The subject of the signer's certificate, in words.
    pub signer: String,
    /// The time that the signer claims. Only a time-stamp proves one.
    pub claimed_at: Timestamp,
    /// What the path of the signer's certificate led to.
    pub trust: Trust,
    /// That the signer's certificate was not valid at the time that is attested, but at the one claimed.
    pub untimely: Option<String>,
    /// Whether the certificate is a trial one, by its policy.
    pub trial: bool,
    /// SHA-256 of the signer's certificate.
    pub certificate_sha256: Sha256Digest,
    /// How many embedded certificates this verdict does not rest on. They are not protected by
    /// the signature: nothing is known about them.
    pub stray_certificates: usize,
}

/// A seal does not prove what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// The signature or what is around it.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// The content is inside instead of beside it.
    #[error("the seal is not detached from its content")]
    NotDetached,
}

impl SealError {
    /// Tells whether the seal could not be judged, as opposed to being wrong.
    pub fn is_unknown_algorithm(&self) -> bool {
        matches!(self, Self::Cms(error) if error.is_unknown_algorithm())
    }
}

/// Verifies the seal `raw` over the content with digest `content_sha256`.
///
/// The certificate must be valid at `at`, best the time that a time-stamp proves, and so must its
/// path. Revocation is not looked at.
///
/// # Errors
///
/// [`SealError`], which [`SealError::is_unknown_algorithm`] parts into wrong and unknown. A path
/// that leads nowhere is no error but [`Trust::Unknown`].
pub fn verify_seal(
    raw: &[u8],
    content_sha256: Sha256Digest,
    anchors: &TrustAnchors,
    at: Timestamp,
) -> Result<VerifiedSeal, SealError> {
    let signed = SignedData::read(raw, SEAL_BYTES_MAX)?;
    if signed.content.is_some() {
        return Err(SealError::NotDetached);
    }
    let certificate = signed.verify(&Rules {
        content_type: DATA,
        digest: &|hash| (hash == HashFunction::Sha256).then(|| content_sha256.as_bytes().to_vec()),
        accepted: Accepted::New,
    })?;
    let claimed_at =
        signed.signing_time()?.ok_or(CmsError::MissingAttribute { attribute: "signingTime" })?;
    check_purpose(&certificate)?;
    cms::check_validity(&certificate, at)?;
    let path = anchors.judge(certificate.raw, &signed.certificates, at, AnyPurpose);
    Ok(VerifiedSeal {
        claimed_at,
        trust: path.trust,
        untimely: None,
        trial: certificate.policies.iter().any(|policy| policy == TRIAL_POLICY),
        certificate_sha256: Sha256Digest::of(certificate.raw),
        stray_certificates: path.stray_certificates,
        signer: certificate.subject,
    })
}

/// Verifies a seal as [`verify_seal`] does, at the time that its first time-stamp attests. If its certificate
/// was not valid then, but is at the time that the signer claims, the seal is verified as of that:
/// [`VerifiedSeal::untimely`] says so, for nothing proves that time.
///
/// # Errors
///
/// As [`verify_seal`].
pub fn verify_stamped_seal(
    raw: &[u8],
    content_sha256: Sha256Digest,
    anchors: &TrustAnchors,
    at: Timestamp,
) -> Result<VerifiedSeal, SealError> {
    let verified = verify_seal(raw, content_sha256, anchors, at);
    let Err(SealError::Cms(error @ CmsError::OutsideValidity { .. })) = verified else {
        return verified;
    };
    let Some(claimed) = SignedData::read(raw, SEAL_BYTES_MAX)?.signing_time()? else {
        return Err(error.into());
    };
    // It is wrong as well if it was not valid when the signer says that it was made.
    let seal = verify_seal(raw, content_sha256, anchors, claimed)?;
    Ok(VerifiedSeal { untimely: Some(error.to_string()), ..seal })
}

impl VerifiedSeal {
    /// Says why a seal that is right is not to be believed yet, for who judges by trust anchors.
    pub fn doubt(&self) -> Option<String> {
        if self.trust == Trust::Unknown {
            return Some(
                "the certificate of its seal leads to no anchor of the trust store".to_owned(),
            );
        }
        let untimely = self.untimely.as_ref()?;
        Some(format!(
            "its seal: {untimely}, and no time-stamp proves that it was made while that was valid"
        ))
    }
}

/// Checks that a certificate may seal: no purposes at all, or one that goes with sealing.
fn check_purpose(certificate: &Certificate<'_>) -> Result<(), CmsError> {
    let fits = certificate
        .purposes
        .as_ref()
        .is_none_or(|(purposes, _)| purposes.iter().any(|p| SEALING.contains(&p.as_str())));
    let reason = if !fits {
        "the extended key usage is for something else"
    } else if !certificate.allows_signing() {
        "the key usage does not allow signing"
    } else {
        return Ok(());
    };
    Err(CmsError::WrongPurpose { subject: certificate.subject.clone(), reason })
}

/// Tells whether a path leads from the `certificate` of a seal over `others` to an anchor, as long as it is
/// valid. Revocation is not looked at.
///
/// # Errors
///
/// [`CertificateError`] if `certificate` is none.
pub fn is_seal_anchored(
    certificate: &[u8],
    others: &[&[u8]],
    anchors: &TrustAnchors,
) -> Result<bool, CertificateError> {
    let until = certificate_end(certificate)?;
    Ok(anchors.judge(certificate, others, until, AnyPurpose).trust != Trust::Unknown)
}

/// Leaves purposes to [`check_purpose`]: certificates for seals have many, or none.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}
