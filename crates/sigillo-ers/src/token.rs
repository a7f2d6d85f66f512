//! Time-stamp tokens of RFC 3161, verified at the time they state.

use jiff::Timestamp;
use webpki::KeyUsage;

use crate::{
    CmsError, Imprint, Qualification, Trust, TrustAnchors,
    asn1::{self, TIME_STAMPING, TST_INFO, TstInfo},
    beside::Beside,
    cms::{self, Rules, SignedData},
    der::{self, DerError},
    hash::HashFunction,
    issue::TRIAL_POLICY,
    signature::{Accepted, SignatureUse},
    time,
    x509::Certificate,
};

/// Largest token accepted, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Most bytes in the serial number of a token. RFC 3161 §2.4.2 promises 20.
const SERIAL_BYTES_MAX: usize = 64;
/// The content of the OID of time-stamping, as webpki wants it.
const TIME_STAMPING_CONTENT: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 8];

/// What a verified token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedToken {
    /// The time it states.
    pub stamped_at: Timestamp,
    /// The policy under which it was made, a dotted OID.
    pub policy: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// The subject of the signer's certificate, in words.
    pub authority: String,
    /// What the path of the signer's certificate led to.
    pub trust: Trust,
    /// Whether trusted lists prove that it is qualified; a trial token never is.
    pub qualification: Qualification,
    /// Whether it is a trial token: by its policy, or by that of the signer's certificate.
    pub trial: bool,
    /// How many embedded certificates this verdict does not rest on. They are not protected by
    /// the signature: nothing is known about them.
    pub stray_certificates: usize,
}

/// A token does not prove what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// The signature or what is around it.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// The time-stamp inside is not well-formed.
    #[error("the time-stamp is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// A version other than 1.
    #[error("the time-stamp has version {found}, not 1")]
    UnknownVersion {
        /// The version found.
        found: u64,
    },
    /// The digest is of a hash function other than expected.
    #[error("the time-stamp is over a digest of {found}, another hash function than expected")]
    UnknownHash {
        /// The hash function found, dotted.
        found: String,
    },
    /// A critical extension that nothing here knows.
    #[error("the time-stamp has the critical extension {found}, which is not known")]
    UnknownExtension {
        /// The extension found, dotted.
        found: String,
    },
    /// Another digest was stamped.
    #[error("the time-stamp is over {found}, not {expected}")]
    OtherImprint {
        /// The digest found.
        found: Imprint,
        /// The digest expected.
        expected: Imprint,
    },
}

impl TokenError {
    /// Tells whether the token could not be judged, as opposed to being wrong: an algorithm, a
    /// hash function or a critical extension is not known here.
    pub fn is_unknown_algorithm(&self) -> bool {
        match self {
            Self::Cms(error) => error.is_unknown_algorithm(),
            Self::UnknownHash { .. } | Self::UnknownExtension { .. } => true,
            _ => false,
        }
    }
}

impl From<DerError> for TokenError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

/// Verifies the token `raw` over `imprint` at the time that it states.
///
/// Checks form, signature, signed attributes, the signer's certificate and the path to `anchors`,
/// all at the token's own time; that a certificate is named by SHA-1 only, as in old tokens, is
/// accepted. Revocation is not looked at.
///
/// # Errors
///
/// [`TokenError`], which [`TokenError::is_unknown_algorithm`] parts into wrong and unknown. A path
/// that leads nowhere is no error but [`Trust::Unknown`]. Source: RFC 3161 §2.4.2, RFC 5816.
pub fn verify_token(
    raw: &[u8],
    imprint: impl Into<Imprint>,
    anchors: &TrustAnchors,
) -> Result<VerifiedToken, TokenError> {
    examine(raw, &imprint.into(), anchors, Accepted::Kept).map(|examined| examined.verified)
}

/// A verified token, whatever it is over, with what nobody but its authority could have chosen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DrawnToken {
    /// What it says.
    pub verified: VerifiedToken,
    /// What was signed: the `TSTInfo`, DER.
    pub content: Vec<u8>,
    /// What cannot be foreseen without the authority's key, and not changed without it either: of a
    /// signature of two integers (DSA, ECDSA) the content of the first, of others all of it.
    pub unforeseen: Vec<u8>,
}

/// Verifies a token as [`verify_token`] does, whatever digest it is over.
///
/// # Errors
///
/// [`TokenError`], as there.
pub fn draw_from_token(raw: &[u8], anchors: &TrustAnchors) -> Result<DrawnToken, TokenError> {
    let token = ReadToken::read(raw)?;
    let certificate = token.check_signature(Accepted::Kept)?;
    let (verified, _) = token.judge(certificate, token.stamped_at, anchors)?;
    let signature = token.signed.signature();
    // Whoever has (r, s) can make a second signature, (r, n - s), but none with another r.
    let unforeseen = first_of_two(signature).unwrap_or(signature);
    Ok(DrawnToken { verified, content: token.content.to_vec(), unforeseen: unforeseen.to_vec() })
}

/// Returns the content of the first of the two integers that a signature consists of, if it does.
fn first_of_two(signature: &[u8]) -> Option<&[u8]> {
    let sequence = der::read_checked(signature, "a signature").ok()?;
    if sequence.tag != der::SEQUENCE {
        return None;
    }
    let mut integers = sequence.inside();
    let first = integers.expect(der::INTEGER, "a signature").ok()?;
    integers.expect(der::INTEGER, "a signature").ok()?;
    integers.end("a signature").ok()?;
    Some(first.content)
}

/// A verified token with what only a response is compared with.
pub(crate) struct Examined {
    pub(crate) verified: VerifiedToken,
    /// Content of the nonce.
    pub(crate) nonce: Option<Vec<u8>>,
}

/// Verifies a token over a digest.
pub(crate) fn examine(
    raw: &[u8],
    imprint: &Imprint,
    anchors: &TrustAnchors,
    accepted: Accepted,
) -> Result<Examined, TokenError> {
    let token = ReadToken::read(raw)?;
    let certificate = token.check_signature(accepted)?;
    let (hash, digest) = token.imprint();
    let hash = hash.map_err(|found| TokenError::UnknownHash { found })?;
    if hash != imprint.hash() {
        return Err(TokenError::UnknownHash { found: hash.oid().to_owned() });
    }
    let found =
        Imprint::new(hash, digest.to_vec()).ok_or(TokenError::Malformed { what: "a digest" })?;
    if found != *imprint {
        return Err(TokenError::OtherImprint { found, expected: imprint.clone() });
    }
    let (verified, _) = token.judge(certificate, token.stamped_at, anchors)?;
    let nonce = token.info.nonce.map(|nonce| nonce.0.to_vec());
    Ok(Examined { verified, nonce })
}

/// A token that was read; nothing of it is verified.
pub(crate) struct ReadToken<'a> {
    signed: SignedData<'a>,
    info: TstInfo,
    content: &'a [u8],
    /// The time it states.
    pub(crate) stamped_at: Timestamp,
}

impl<'a> ReadToken<'a> {
    /// Reads the token that `raw` is.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, TokenError> {
        let signed = SignedData::read(raw, TOKEN_BYTES_MAX)?;
        signed.expect_content_type(TST_INFO)?;
        let content =
            signed.content.ok_or(TokenError::Malformed { what: "there is no content" })?;
        der::read_checked(content, "a time-stamp")?;
        let info: TstInfo = asn1::decode(content, "a time-stamp")?;
        if info.version != 1 {
            return Err(TokenError::UnknownVersion { found: info.version });
        }
        let stamped_at = time::from_generalized(&info.gen_time)?;
        Ok(Self { signed, info, content, stamped_at })
    }

    /// Returns what was stamped: the hash function, or its dotted OID if it is not known here, and
    /// the digest.
    pub(crate) fn imprint(&self) -> (Result<HashFunction, String>, &[u8]) {
        let imprint = &self.info.message_imprint;
        let hash = HashFunction::of_identifier(&imprint.hash_algorithm);
        (hash, imprint.hashed_message.as_ref())
    }

    /// Tells whether the algorithm of what was stamped is spelt with parameters, which are NULL.
    pub(crate) fn has_imprint_parameters(&self) -> bool {
        self.info.message_imprint.hash_algorithm.parameters.is_some()
    }

    /// Checks the signature and that the token says nothing that is not understood here. Returns
    /// the signer's certificate.
    pub(crate) fn check_signature(
        &self,
        accepted: Accepted,
    ) -> Result<Certificate<'a>, TokenError> {
        let certificate = self.signed.verify(&Rules {
            content_type: TST_INFO,
            digest: &|hash| Some(hash.digest(self.content)),
            accepted,
        })?;
        let mut extensions = self.info.extensions.iter().flatten();
        if let Some(extension) = extensions.find(|extension| extension.critical) {
            let found = der::oid_text(&extension.extn_id.0)?;
            return Err(TokenError::UnknownExtension { found });
        }
        Ok(certificate)
    }

    /// Says what the token was signed with, as far as that is known here.
    pub(crate) fn signature_use(&self, certificate: &Certificate<'_>) -> Option<SignatureUse> {
        self.signed.signature_use(certificate)
    }

    /// Returns what came with the token for verifying it later.
    pub(crate) fn beside(&self) -> &Beside<'a> {
        &self.signed.beside
    }

    /// Returns all certificates that came with the token, raw.
    pub(crate) fn certificates(&self) -> Vec<&'a [u8]> {
        [&self.signed.certificates[..], &self.signed.beside.certificates].concat()
    }

    /// Returns the signer's certificate, raw, if it came with the token.
    pub(crate) fn signer(&self) -> Option<&'a [u8]> {
        self.signed.signer_certificate().ok().map(|certificate| certificate.raw)
    }

    /// Judges the signer's certificate, which `certificate` is: purpose, validity at the time of
    /// the token, and its path at `at`, whose certificates are returned too.
    pub(crate) fn judge(
        &self,
        certificate: Certificate<'_>,
        at: Timestamp,
        anchors: &TrustAnchors,
    ) -> Result<(VerifiedToken, Vec<Vec<u8>>), TokenError> {
        check_purpose(&certificate)?;
        cms::check_validity(&certificate, self.stamped_at)?;
        let (path, listed) = anchors.judge_stamp(
            certificate.raw,
            &self.signed.certificates,
            (self.stamped_at, at),
            // The signer's purpose was checked above, and more strictly. Authorities above it may
            // do without one, but what they state must not exclude time-stamping.
            KeyUsage::required_if_present(&TIME_STAMPING_CONTENT),
        );
        let policy = der::oid_text(&self.info.policy.0)?;
        let of_trial = |policy: &String| policy == TRIAL_POLICY;
        let trial = of_trial(&policy) || certificate.policies.iter().any(of_trial);
        let verified = VerifiedToken {
            stamped_at: self.stamped_at,
            qualification: if trial { Qualification::Trial } else { listed },
            trial,
            policy,
            serial: serial_text(&self.info.serial_number.0)?,
            authority: certificate.subject,
            trust: path.trust,
            stray_certificates: path.stray_certificates,
        };
        Ok((verified, path.certificates))
    }
}

/// Checks that a certificate is for time-stamping alone, critically so (RFC 3161 §2.3).
fn check_purpose(certificate: &Certificate<'_>) -> Result<(), CmsError> {
    let reason = match &certificate.purposes {
        None => "no extended key usage",
        Some((purposes, _)) if *purposes != [TIME_STAMPING] => {
            "the extended key usage is not time-stamping alone"
        }
        Some((_, false)) => "the extended key usage is not critical",
        Some(_) if !certificate.allows_signing() => "the key usage does not allow signing",
        Some(_) => return Ok(()),
    };
    Err(CmsError::WrongPurpose { subject: certificate.subject.clone(), reason })
}

fn serial_text(content: &[u8]) -> Result<String, TokenError> {
    match content {
        [_, ..] if content.len() <= SERIAL_BYTES_MAX => {
            let sign = usize::from(content[0] == 0 && content.len() > 1);
            Ok(hex::encode(&content[sign..]))
        }
        _ => Err(TokenError::Malformed { what: "a serial number" }),
    }
}
