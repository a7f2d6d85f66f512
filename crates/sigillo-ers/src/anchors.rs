//! Trust anchors, and the paths of certificates that end at them.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, VerifiedPath};

use crate::{
    certificate::{CERTIFICATE_BYTES_MAX, CertificateError},
    pss::RSA_PSS_SPELLINGS,
    x509::Certificate,
};

/// Most anchors in one set.
pub const ANCHORS_MAX: usize = 10_000;
/// Longest name of an anchor, in bytes.
pub const ANCHOR_NAME_BYTES_MAX: usize = 1_024;

/// The certificates at which a path may end. Never taken from what is being verified.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
    /// One for each of `anchors`, in the same order, as the path search wants them.
    roots: Vec<TrustAnchor<'static>>,
}

#[derive(Clone, Debug)]
struct Anchor {
    name: String,
    der: Vec<u8>,
}

/// What the path of a certificate led to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trust {
    /// A valid path ends at an anchor of the verifier.
    Anchored {
        /// The name under which the anchor was added.
        anchor: String,
    },
    /// The signature is fine, but no path leads to an anchor given.
    Unknown,
}

/// A judgement on a certificate, and how many certificates it did not need.
pub(crate) struct Path {
    pub(crate) trust: Trust,
    pub(crate) stray_certificates: usize,
}

/// Returns the last instant at which the certificate `der` is valid. Who issued it is not looked at.
///
/// # Errors
///
/// [`CertificateError`] if `der` is no certificate.
pub fn certificate_end(der: &[u8]) -> Result<Timestamp, CertificateError> {
    Ok(Certificate::read(der)?.not_after)
}

impl TrustAnchors {
    /// Starts with no anchor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the certificate `der` under `name`, by which verdicts call it.
    ///
    /// Not only roots: the certificate of a signer itself may be an anchor, as those of
    /// time-stamping units in trusted lists are.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if `der` is no certificate or there are too many anchors.
    pub fn add_der(&mut self, name: &str, der: &[u8]) -> Result<(), CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge { size_bytes: der.len() });
        }
        if self.anchors.len() == ANCHORS_MAX || name.len() > ANCHOR_NAME_BYTES_MAX {
            return Err(CertificateError::TooManyAnchors);
        }
        Certificate::read(der).map_err(|error| CertificateError::Malformed { what: error.what })?;
        let certificate = CertificateDer::from(der);
        let root = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| CertificateError::Malformed { what: "a trust anchor" })?
            .to_owned();
        self.anchors.push(Anchor { name: name.to_owned(), der: der.to_vec() });
        self.roots.push(root);
        Ok(())
    }

    /// Tells whether there is no anchor.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Returns name and DER of each anchor, in the order in which they were added.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.anchors.iter().map(|anchor| (anchor.name.as_str(), anchor.der.as_slice()))
    }

    /// Looks for a path from `certificate` over `others` to an anchor, all valid at `at`.
    ///
    /// Revocation is not looked at. Source: RFC 5280 §6.1, as far as webpki implements it.
    pub(crate) fn judge(
        &self,
        certificate: &[u8],
        others: &[&[u8]],
        at: Timestamp,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Path {
        let others: Vec<&[u8]> =
            others.iter().copied().filter(|other| *other != certificate).collect();
        let (trust, used) = self.search(certificate, &others, at, purpose);
        let needed = |other: &&[u8]| {
            used.iter().any(|used| used.as_slice() == *other)
                || self.anchors.iter().any(|anchor| anchor.der == *other)
        };
        let stray_certificates = others.iter().filter(|other| !needed(other)).count();
        Path { trust, stray_certificates }
    }

    fn search(
        &self,
        certificate: &[u8],
        others: &[&[u8]],
        at: Timestamp,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> (Trust, Vec<Vec<u8>>) {
        let unknown = (Trust::Unknown, Vec::new());
        if let Some(direct) = self.anchors.iter().find(|anchor| anchor.der == certificate) {
            return (Trust::Anchored { anchor: direct.name.clone() }, Vec::new());
        }
        let Ok(seconds) = u64::try_from(at.as_second()) else { return unknown };
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let der = CertificateDer::from(certificate);
        let Ok(entity) = EndEntityCert::try_from(&der) else { return unknown };
        let others: Vec<CertificateDer<'_>> =
            others.iter().map(|other| CertificateDer::from(*other)).collect();
        let algorithms = [ALL_VERIFICATION_ALGS, &RSA_PSS_SPELLINGS].concat();
        let path = entity.verify_for_usage(
            &algorithms,
            &self.roots,
            &others,
            time,
            purpose,
            None,
            Some(&check_usages),
        );
        let Ok(path) = path else { return unknown };
        let anchor = self.roots.iter().zip(&self.anchors).find(|(root, _)| *root == path.anchor());
        let Some((_, anchor)) = anchor else { return unknown };
        let used = path.intermediate_certificates().map(|cert| cert.der().to_vec()).collect();
        (Trust::Anchored { anchor: anchor.name.clone() }, used)
    }
}

/// Refuses a path over a certificate whose key may not sign others, which webpki does not look at.
fn check_usages(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    let may_certify = |der: CertificateDer<'_>| {
        Certificate::read(&der).is_ok_and(|certificate| certificate.allows_certifying())
    };
    let all = path.intermediate_certificates().all(|above| may_certify(above.der()));
    if all { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
}
