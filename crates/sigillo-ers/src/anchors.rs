//! Trust anchors: the certificates that the verifier's own trust store names.

use crate::certificate::{CERTIFICATE_BYTES_MAX, CertificateError};

/// Most anchors in one set.
pub const ANCHORS_MAX: usize = 10_000;

/// The certificates at which a path may end. Never taken from what is being verified.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
}

/// One anchor and the name by which verdicts call it.
#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) name: String,
    pub(crate) der: Vec<u8>,
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

impl TrustAnchors {
    /// Starts with no anchor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the certificate `der` under `name`.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if `der` is no certificate or there are too many anchors.
    pub fn add_der(&mut self, name: &str, der: &[u8]) -> Result<(), CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge { size_bytes: der.len() });
        }
        self.anchors.push(Anchor { name: name.to_owned(), der: der.to_vec() });
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
}
