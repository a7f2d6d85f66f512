//! Trust anchors, and the paths of certificates that end at them.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, VerifiedPath};

use crate::{
    certificate::{CERTIFICATE_BYTES_MAX, CertificateError},
    cms::check_validity,
    der::Reader,
    listed::{Listed, ListedService, Qualification},
    pss::RSA_PSS_SPELLINGS,
    x509::Certificate,
};

/// Most anchors in one set, and most certificates of trusted lists besides.
pub const ANCHORS_MAX: usize = 10_000;
/// Most certificates beside a signer's that are looked at for a path, and of those most of one name:
/// there are more paths among a few dozen of one name than can be tried.
const CANDIDATES_MAX: usize = 16;
const CANDIDATES_OF_NAME_MAX: usize = 4;
/// Longest name of an anchor, in bytes.
pub const ANCHOR_NAME_BYTES_MAX: usize = 1_024;

/// The certificates at which a path may end. Never taken from what is being verified.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors {
    own: AnchorSet,
    /// What trusted lists say of services; counts for time-stamps alone.
    listed: Listed,
}

/// Certificates at which a path may end.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnchorSet {
    anchors: Vec<Anchor>,
    /// One for each of `anchors`, in the same order, as the path search wants them.
    roots: Vec<TrustAnchor<'static>>,
}

/// A certificate at which a path may end.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) name: String,
    pub(crate) der: Vec<u8>,
    /// Whether it may certify others; if not, it alone is believed.
    certifies: bool,
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
    /// The certificates from the first to the anchor, both included; none without an anchor.
    pub(crate) certificates: Vec<Vec<u8>>,
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

/// Returns the first instant at which the certificate `der` is valid. Who issued it is not looked at.
///
/// # Errors
///
/// [`CertificateError`] if `der` is no certificate.
pub fn certificate_start(der: &[u8]) -> Result<Timestamp, CertificateError> {
    Ok(Certificate::read(der)?.not_before)
}

impl TrustAnchors {
    /// Starts with no anchor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the certificate `der` under `name`, by which verdicts call it.
    ///
    /// Not only roots: the certificate of a signer itself may be an anchor, as those of
    /// time-stamping units in trusted lists are. What may not certify others vouches for itself
    /// alone. That an anchor has ended is not looked at.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if `der` is no certificate or there are too many anchors.
    pub fn add_der(&mut self, name: &str, der: &[u8]) -> Result<(), CertificateError> {
        self.own.add(name, der)
    }

    /// Adds a time-stamping service of a trusted list, whose signature the caller has checked.
    ///
    /// Its certificates count as anchors of time-stamps made while the list calls it active, and
    /// of nothing else.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if one of its certificates is none or there are too many.
    pub fn add_listed(&mut self, service: &ListedService) -> Result<(), CertificateError> {
        self.listed.add(service)
    }

    /// Tells whether there is no anchor. Services of trusted lists are not counted.
    pub fn is_empty(&self) -> bool {
        self.own.anchors.is_empty()
    }

    /// Returns name and DER of each anchor, in the order in which they were added, without those
    /// of trusted lists.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.own.anchors.iter().map(|anchor| (anchor.name.as_str(), anchor.der.as_slice()))
    }

    /// Looks for a path from the `certificate` of a time-stamp made at `stamped_at`, as
    /// [`judge`](Self::judge) does and, where that finds none, to the services that a trusted list
    /// called active then; says too whether the time-stamp is qualified.
    pub(crate) fn judge_stamp(
        &self,
        certificate: &[u8],
        others: &[&[u8]],
        (stamped_at, at): (Timestamp, Timestamp),
        purpose: impl ExtendedKeyUsageValidator + Clone,
    ) -> (Path, Qualification) {
        let own = self.judge(certificate, others, at, purpose.clone());
        let signer = (certificate, others);
        let (listed, qualification) = self.listed.judge(signer, stamped_at, |set, time| {
            set.judge(certificate, others, time.unwrap_or(at), purpose.clone())
        });
        match listed {
            Some(path) if own.trust == Trust::Unknown => (path, qualification),
            _ => (own, qualification),
        }
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
        self.own.judge(certificate, others, at, purpose)
    }

    /// Returns the anchors whose subject is `name`, which has tag and length; those of trusted
    /// lists as well.
    pub(crate) fn named(&self, name: &[u8]) -> Vec<&[u8]> {
        let content = name_content(name);
        let own = self.own.roots.iter().zip(&self.own.anchors);
        let named = own.filter(|(root, _)| root.subject.as_ref() == content);
        let own = named.map(|(_, anchor)| anchor.der.as_slice());
        own.chain(self.listed.named(content)).collect()
    }

    /// Tells whether `certificate` is an anchor, be it one of a trusted list.
    pub(crate) fn holds(&self, certificate: &[u8]) -> bool {
        self.own.anchors.iter().any(|anchor| anchor.der == certificate)
            || self.listed.holds(certificate)
    }
}

impl AnchorSet {
    pub(crate) fn add(&mut self, name: &str, der: &[u8]) -> Result<(), CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge { size_bytes: der.len() });
        }
        if self.anchors.len() == ANCHORS_MAX || name.len() > ANCHOR_NAME_BYTES_MAX {
            return Err(CertificateError::TooManyAnchors);
        }
        let read = Certificate::read(der)
            .map_err(|error| CertificateError::Malformed { what: error.what })?;
        let certifies = read.certifies_as_anchor();
        let certificate = CertificateDer::from(der);
        let root = webpki::anchor_from_trusted_cert(&certificate)
            .map_err(|_| CertificateError::Malformed { what: "a trust anchor" })?
            .to_owned();
        self.anchors.push(Anchor { name: name.to_owned(), der: der.to_vec(), certifies });
        self.roots.push(root);
        Ok(())
    }

    /// Returns the anchors, each with the content of its subject's name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Anchor, &[u8])> {
        self.anchors.iter().zip(self.roots.iter().map(|root| root.subject.as_ref()))
    }

    /// Returns the anchors at `places` alone.
    pub(crate) fn only(&self, places: &[usize]) -> Self {
        let pick =
            |at: &usize| Some((self.anchors.get(*at)?.clone(), self.roots.get(*at)?.clone()));
        let (anchors, roots) = places.iter().filter_map(pick).unzip();
        Self { anchors, roots }
    }

    fn judge(
        &self,
        certificate: &[u8],
        others: &[&[u8]],
        at: Timestamp,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Path {
        let others: Vec<&[u8]> =
            others.iter().copied().filter(|other| *other != certificate).collect();
        let (trust, used, end) = match self.search(certificate, &others, at, purpose) {
            None => (Trust::Unknown, Vec::new(), None),
            Some((anchor, used)) => {
                let end = [anchor.der.clone()];
                // Of a certificate that is an anchor itself the path has one.
                let end = if anchor.der == certificate { Vec::new() } else { end.to_vec() };
                (Trust::Anchored { anchor: anchor.name.clone() }, used, Some(end))
            }
        };
        let needed = |other: &&[u8]| {
            used.iter().any(|used| used.as_slice() == *other)
                || self.anchors.iter().any(|anchor| anchor.der == *other)
        };
        let stray_certificates = others.iter().filter(|other| !needed(other)).count();
        let certificates = match end {
            Some(end) => [&[certificate.to_vec()], &used[..], &end[..]].concat(),
            None => Vec::new(),
        };
        Path { trust, certificates, stray_certificates }
    }

    /// Returns the anchor of a path, and the certificates between; `None` without one.
    fn search(
        &self,
        certificate: &[u8],
        others: &[&[u8]],
        at: Timestamp,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Option<(&Anchor, Vec<Vec<u8>>)> {
        if let Some(direct) = self.anchors.iter().find(|anchor| anchor.der == certificate) {
            return Some((direct, Vec::new()));
        }
        let seconds = u64::try_from(at.as_second()).ok()?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let der = CertificateDer::from(certificate);
        let entity = EndEntityCert::try_from(&der).ok()?;
        let (others, issuers) = above(&Certificate::read(certificate).ok()?, others, at);
        let others: Vec<CertificateDer<'_>> =
            others.iter().map(|other| CertificateDer::from(*other)).collect();
        let algorithms = [ALL_VERIFICATION_ALGS, &RSA_PSS_SPELLINGS].concat();
        let may_end_it = |(root, anchor): &(&TrustAnchor<'_>, &Anchor)| {
            anchor.certifies
                && issuers.iter().any(|name| name_content(name) == root.subject.as_ref())
        };
        let ends: Vec<_> = self.roots.iter().zip(&self.anchors).filter(may_end_it).collect();
        let roots: Vec<TrustAnchor<'_>> = ends.iter().map(|(root, _)| (*root).clone()).collect();
        let path = entity.verify_for_usage(
            &algorithms,
            &roots,
            &others,
            time,
            purpose,
            None,
            Some(&check_usages),
        );
        let path = path.ok()?;
        let (_, anchor) = ends.iter().find(|(root, _)| *root == path.anchor())?;
        let used = path.intermediate_certificates().map(|cert| cert.der().to_vec()).collect();
        Some((*anchor, used))
    }
}

/// Returns those of `others` that a path from `certificate` can lead over at `at`, by their names alone,
/// and the names of all that may have issued one of them.
///
/// At most [`CANDIDATES_MAX`], and [`CANDIDATES_OF_NAME_MAX`] of one name.
fn above<'a>(
    certificate: &Certificate<'a>,
    others: &[&'a [u8]],
    at: Timestamp,
) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    let read = others.iter().filter_map(|raw| Certificate::read(raw).ok());
    let read: Vec<_> = read.filter(|it| check_validity(it, at).is_ok()).collect();
    let (mut chosen, mut issuers, mut next) = (Vec::new(), vec![certificate.issuer], 0);
    while let Some(issuer) = issuers.get(next).copied() {
        let named = read.iter().filter(|it| it.subject_name == issuer);
        let room = CANDIDATES_MAX.saturating_sub(chosen.len()).min(CANDIDATES_OF_NAME_MAX);
        for one in named.take(room) {
            chosen.push(one.raw);
            if !issuers.contains(&one.issuer) {
                issuers.push(one.issuer);
            }
        }
        next += 1;
    }
    (chosen, issuers)
}

/// Returns the content of a name that has tag and length.
fn name_content(name: &[u8]) -> &[u8] {
    Reader::new(name).any("a name").map_or(&[][..], |name| name.content)
}

/// Refuses a path over a certificate whose key may not sign others, which webpki does not look at.
fn check_usages(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    let may_certify = |der: CertificateDer<'_>| {
        Certificate::read(&der).is_ok_and(|certificate| certificate.allows_certifying())
    };
    let all = path.intermediate_certificates().all(|above| may_certify(above.der()));
    if all { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
}
