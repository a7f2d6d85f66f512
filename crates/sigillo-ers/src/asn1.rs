//! Wire types of our own, each under its ASN.1 production, and the object identifiers by name.

use rasn::prelude::*;
use rasn_pkix::AlgorithmIdentifier;

use crate::der::DerError;

pub(crate) const DATA: &str = "1.2.840.113549.1.7.1";
pub(crate) const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub(crate) const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";

pub(crate) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(crate) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(crate) const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub(crate) const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
pub(crate) const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

pub(crate) const SHA_1: &str = "1.3.14.3.2.26";
pub(crate) const SHA_224: &str = "2.16.840.1.101.3.4.2.4";
pub(crate) const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
pub(crate) const SHA_384: &str = "2.16.840.1.101.3.4.2.2";
pub(crate) const SHA_512: &str = "2.16.840.1.101.3.4.2.3";

pub(crate) const SHA3_256: &str = "2.16.840.1.101.3.4.2.8";
pub(crate) const SHA3_384: &str = "2.16.840.1.101.3.4.2.9";
pub(crate) const SHA3_512: &str = "2.16.840.1.101.3.4.2.10";

pub(crate) const RSA_SHA_1: &str = "1.2.840.113549.1.1.5";
pub(crate) const RSA_SHA_224: &str = "1.2.840.113549.1.1.14";
pub(crate) const RSA_SHA3_256: &str = "2.16.840.1.101.3.4.3.14";
pub(crate) const RSA_SHA3_384: &str = "2.16.840.1.101.3.4.3.15";
pub(crate) const RSA_SHA3_512: &str = "2.16.840.1.101.3.4.3.16";
pub(crate) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
pub(crate) const MASK_GENERATION_1: &str = "1.2.840.113549.1.1.8";
pub(crate) const RSA_PSS: &str = "1.2.840.113549.1.1.10";
pub(crate) const RSA_SHA_256: &str = "1.2.840.113549.1.1.11";
pub(crate) const RSA_SHA_384: &str = "1.2.840.113549.1.1.12";
pub(crate) const RSA_SHA_512: &str = "1.2.840.113549.1.1.13";
pub(crate) const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
pub(crate) const ECDSA_SHA_256: &str = "1.2.840.10045.4.3.2";
pub(crate) const ECDSA_SHA_384: &str = "1.2.840.10045.4.3.3";
pub(crate) const ECDSA_SHA_512: &str = "1.2.840.10045.4.3.4";
pub(crate) const P_256: &str = "1.2.840.10045.3.1.7";
pub(crate) const P_384: &str = "1.3.132.0.34";
pub(crate) const P_521: &str = "1.3.132.0.35";
pub(crate) const ED25519: &str = "1.3.101.112";

pub(crate) const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
pub(crate) const KEY_USAGE: &str = "2.5.29.15";
pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub(crate) const DISTRIBUTION_POINTS: &str = "2.5.29.31";
pub(crate) const CERTIFICATE_POLICIES: &str = "2.5.29.32";
pub(crate) const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub(crate) const AUTHORITY_INFORMATION: &str = "1.3.6.1.5.5.7.1.1";

pub(crate) const OCSP: &str = "1.3.6.1.5.5.7.48.1";
pub(crate) const OCSP_BASIC: &str = "1.3.6.1.5.5.7.48.1.1";
pub(crate) const OCSP_OF_CMS: &str = "1.3.6.1.5.5.7.16.2";
pub(crate) const CERTIFICATE_VALUES: &str = "1.2.840.113549.1.9.16.2.23";
pub(crate) const REVOCATION_VALUES: &str = "1.2.840.113549.1.9.16.2.24";

pub(crate) const ANY_PURPOSE: &str = "2.5.29.37.0";
pub(crate) const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(crate) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
pub(crate) const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
pub(crate) const DOCUMENT_SIGNING: &str = "1.3.6.1.5.5.7.3.36";
pub(crate) const COMMON_NAME: &str = "2.5.4.3";

/// An OBJECT IDENTIFIER as raw content: arcs under 2.25 have 128 bits, rasn's have 32.
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
#[rasn(delegate, tag(universal, 6))]
pub(crate) struct RawOid(pub(crate) OctetString);

/// An INTEGER as raw content: serial numbers and nonces are compared and shown, not counted with.
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
#[rasn(delegate, tag(universal, 2))]
pub(crate) struct RawInteger(pub(crate) OctetString);

/// ```text
/// MessageImprint ::= SEQUENCE {
///   hashAlgorithm AlgorithmIdentifier,
///   hashedMessage OCTET STRING }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct MessageImprint {
    pub(crate) hash_algorithm: AlgorithmIdentifier,
    pub(crate) hashed_message: OctetString,
}

/// ```text
/// TimeStampReq ::= SEQUENCE {
///   version        INTEGER { v1(1) },
///   messageImprint MessageImprint,
///   reqPolicy      TSAPolicyId OPTIONAL,
///   nonce          INTEGER OPTIONAL,
///   certReq        BOOLEAN DEFAULT FALSE,
///   extensions     [0] IMPLICIT Extensions OPTIONAL }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct TimeStampReq {
    pub(crate) version: u64,
    pub(crate) message_imprint: MessageImprint,
    pub(crate) req_policy: Option<RawOid>,
    pub(crate) nonce: Option<RawInteger>,
    #[rasn(default)]
    pub(crate) cert_req: bool,
    #[rasn(tag(0))]
    pub(crate) extensions: Option<SequenceOf<TstExtension>>,
}

/// ```text
/// TSTInfo ::= SEQUENCE {
///   version        INTEGER { v1(1) },
///   policy         TSAPolicyId,
///   messageImprint MessageImprint,
///   serialNumber   INTEGER,
///   genTime        GeneralizedTime,
///   accuracy       Accuracy OPTIONAL,
///   ordering       BOOLEAN DEFAULT FALSE,
///   nonce          INTEGER OPTIONAL,
///   tsa            [0] GeneralName OPTIONAL,
///   extensions     [1] IMPLICIT Extensions OPTIONAL }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct TstInfo {
    pub(crate) version: u64,
    pub(crate) policy: RawOid,
    pub(crate) message_imprint: MessageImprint,
    pub(crate) serial_number: RawInteger,
    pub(crate) gen_time: GeneralizedTime,
    pub(crate) accuracy: Option<rasn_cms::tsp::Accuracy>,
    #[rasn(default)]
    pub(crate) ordering: bool,
    pub(crate) nonce: Option<RawInteger>,
    #[rasn(tag(explicit(0)))]
    pub(crate) tsa: Option<Any>,
    #[rasn(tag(1))]
    pub(crate) extensions: Option<SequenceOf<TstExtension>>,
}

/// ```text
/// Extension ::= SEQUENCE {
///   extnID    OBJECT IDENTIFIER,
///   critical  BOOLEAN DEFAULT FALSE,
///   extnValue OCTET STRING }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct TstExtension {
    pub(crate) extn_id: RawOid,
    #[rasn(default)]
    pub(crate) critical: bool,
    pub(crate) extn_value: OctetString,
}

/// ```text
/// SigningCertificateV2 ::= SEQUENCE {
///   certs    SEQUENCE OF ESSCertIDv2,
///   policies SEQUENCE OF PolicyInformation OPTIONAL }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct SigningCertificateV2 {
    pub(crate) certs: SequenceOf<EssCertIdV2>,
    pub(crate) policies: Option<SequenceOf<Any>>,
}

/// ```text
/// ESSCertIDv2 ::= SEQUENCE {
///   hashAlgorithm AlgorithmIdentifier DEFAULT { algorithm id-sha256 },
///   certHash      OCTET STRING,
///   issuerSerial  IssuerSerial OPTIONAL }
/// ```
///
/// The default is told apart by its absence: it and the OCTET STRING have different tags.
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct EssCertIdV2 {
    pub(crate) hash_algorithm: Option<AlgorithmIdentifier>,
    pub(crate) cert_hash: OctetString,
    pub(crate) issuer_serial: Option<IssuerSerial>,
}

/// ```text
/// SigningCertificate ::= SEQUENCE {
///   certs    SEQUENCE OF ESSCertID,
///   policies SEQUENCE OF PolicyInformation OPTIONAL }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct SigningCertificate {
    pub(crate) certs: SequenceOf<EssCertId>,
    pub(crate) policies: Option<SequenceOf<Any>>,
}

/// ```text
/// ESSCertID ::= SEQUENCE {
///   certHash     OCTET STRING,
///   issuerSerial IssuerSerial OPTIONAL }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct EssCertId {
    pub(crate) cert_hash: OctetString,
    pub(crate) issuer_serial: Option<IssuerSerial>,
}

/// ```text
/// IssuerSerial ::= SEQUENCE {
///   issuer       GeneralNames,
///   serialNumber INTEGER }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct IssuerSerial {
    pub(crate) issuer: SequenceOf<Any>,
    pub(crate) serial_number: RawInteger,
}

/// ```text
/// RSASSA-PSS-params ::= SEQUENCE {
///   hashAlgorithm    [0] HashAlgorithm DEFAULT sha1,
///   maskGenAlgorithm [1] MaskGenAlgorithm DEFAULT mgf1SHA1,
///   saltLength       [2] INTEGER DEFAULT 20,
///   trailerField     [3] TrailerField DEFAULT trailerFieldBC }
/// ```
#[derive(AsnType, Clone, Debug, Decode, Encode, Eq, Hash, PartialEq)]
pub(crate) struct RsaPssParameters {
    #[rasn(tag(explicit(0)))]
    pub(crate) hash_algorithm: Option<AlgorithmIdentifier>,
    #[rasn(tag(explicit(1)))]
    pub(crate) mask_algorithm: Option<AlgorithmIdentifier>,
    #[rasn(tag(explicit(2)))]
    pub(crate) salt_length: Option<u64>,
    #[rasn(tag(explicit(3)))]
    pub(crate) trailer_field: Option<u64>,
}

/// Decodes `bytes`, all of them, as DER.
pub(crate) fn decode<T: Decode>(bytes: &[u8], what: &'static str) -> Result<T, DerError> {
    rasn::der::decode(bytes).map_err(|_| DerError { what })
}

/// Returns `oid` as dotted text.
pub(crate) fn dotted(oid: &ObjectIdentifier) -> String {
    oid.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}
