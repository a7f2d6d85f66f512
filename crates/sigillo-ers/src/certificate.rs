//! Trial certificates, and certificates as PEM text.

/// Largest certificate accepted, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;
/// Largest PEM text accepted, in bytes.
pub const PEM_BYTES_MAX: usize = 4 << 20;
/// Most blocks read from one PEM text.
pub const PEM_BLOCKS_MAX: usize = 1_000;

/// What a trial certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateRole {
    /// The self-signed root of an installation's trial certificates.
    TrialRoot,
    /// The local trial time-stamping authority.
    TrialTimeStamping,
    /// The trial seal of an archive.
    TrialSeal,
}

/// What a trial certificate says.
#[derive(Clone, Debug)]
pub struct CertificateContent {
    /// What it is for.
    pub role: CertificateRole,
    /// Common name of the subject; contains `TRIAL`.
    pub subject: String,
    /// Common name of the issuer.
    pub issuer: String,
    /// Serial number, random by the caller's care.
    pub serial: [u8; 16],
    /// First instant of validity.
    pub not_before: jiff::Timestamp,
    /// Last instant of validity.
    pub not_after: jiff::Timestamp,
    /// The subject's P-256 key, an uncompressed point.
    pub public_key: Vec<u8>,
    /// The issuer's P-256 key, an uncompressed point.
    pub issuer_public_key: Vec<u8>,
}

/// A certificate could not be made or read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// Larger than [`CERTIFICATE_BYTES_MAX`].
    #[error("the certificate has {size_bytes} bytes, more than {CERTIFICATE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
}

/// A certificate that lacks only its signature.
#[derive(Clone, Debug)]
pub struct PreparedCertificate {
    to_sign: Vec<u8>,
}

impl PreparedCertificate {
    /// Returns the bytes to sign with ECDSA P-256 and SHA-256.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// Encodes the certificate with the issuer's signature, which is DER.
    pub fn finish(self, _signature_der: &[u8]) -> Vec<u8> {
        todo!()
    }
}

/// Prepares a trial certificate: X.509 v3, ECDSA P-256 with SHA-256.
pub fn prepare_certificate(
    _content: &CertificateContent,
) -> Result<PreparedCertificate, CertificateError> {
    todo!()
}

/// Writes `der` as a PEM block.
pub fn to_pem(_label: &str, _der: &[u8]) -> String {
    todo!()
}

/// Reads the blocks named `label` from `text`, in order.
pub fn pem_blocks(_text: &str, _label: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    todo!()
}
