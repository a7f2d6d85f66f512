//! Trusted lists: which services a state vouches for (ETSI TS 119 612, versions 5 and 6 of the
//! format), read only where the signature over the very elements that are read is right.

mod c14n;
mod read;
mod signature;
mod status;
mod xml;

use jiff::Timestamp;

use sigillo_ers::BareSignatureError;

pub use status::{ListedStatus, ServiceKind, listed_periods};

/// Largest trusted list accepted, in bytes. The largest national ones have some 15 MB.
pub const TRUSTED_LIST_BYTES_MAX: u64 = 32 << 20;
/// Most certificates that one list may be signed with.
pub const LIST_SIGNERS_MAX: usize = 1_000;
/// Most certificates in one digital identity.
const IDENTITY_CERTIFICATES_MAX: usize = 64;
/// Most services for time-stamps that are read of one list.
pub const LIST_SERVICES_MAX: usize = 5_000;
/// Most states in the history of a service.
const HISTORY_MAX: usize = 256;
/// Longest name taken from a list, in characters.
const NAME_CHARACTERS_MAX: usize = 200;

/// What a trusted list says, as far as it concerns time-stamps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedList {
    /// The territory, two capital letters; `EU` for that of the Union.
    pub territory: String,
    /// Who keeps it.
    pub operator: String,
    /// Whether it is a list of the lists of others, whose signers are in `pointers`.
    pub is_list_of_lists: bool,
    /// The version of its format: 5 or 6.
    pub version: u64,
    /// Its number, which grows with each issue.
    pub sequence: u64,
    /// When it was issued.
    pub issued: Timestamp,
    /// When the next one comes at the latest; `None` if the list is closed and none will come.
    pub next_update: Option<Timestamp>,
    /// Services that make time-stamps, or did so.
    pub services: Vec<TrustedService>,
    /// Other lists, with the certificates that may sign them.
    pub pointers: Vec<ListPointer>,
    /// The certificate that signed it, DER.
    pub signer: Vec<u8>,
    /// What could not be read of single services, and was left out.
    pub left_out: Vec<String>,
}

/// A service that makes time-stamps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedService {
    /// Who provides it.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// The certificates that it is known by, DER.
    pub certificates: Vec<Vec<u8>>,
    /// What it was, newest first.
    pub statuses: Vec<ListedStatus>,
}

/// Where another list is, and who may sign it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListPointer {
    /// The territory of the list.
    pub territory: String,
    /// Where it is published.
    pub location: String,
    /// The certificates that may sign it, DER.
    pub signers: Vec<Vec<u8>>,
}

/// Why nothing of a trusted list is taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedListError {
    /// Larger than [`TRUSTED_LIST_BYTES_MAX`].
    #[error("it has more than {TRUSTED_LIST_BYTES_MAX} bytes")]
    TooLarge,
    /// Something is beyond a limit that is seen to before parsing.
    #[error("{what}")]
    BeyondLimit {
        /// What there is too much of.
        what: &'static str,
    },
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// No well-formed XML without document type and entities.
    #[error("it is no XML that is read here: {what}")]
    Xml {
        /// What was wrong.
        what: String,
    },
    /// No trusted list, or one that lacks something.
    #[error("it is no trusted list: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: String,
    },
    /// A version of the format that nothing here knows.
    #[error("it has version {found:.20?} of the format, and only 5 and 6 are known")]
    UnknownVersion {
        /// The version found.
        found: String,
    },
    /// The signature is not one that covers the whole list and nothing else.
    #[error("its signature is not of the one shape that is accepted: {what}")]
    SignatureShape {
        /// What was wrong.
        what: &'static str,
    },
    /// An algorithm that nothing here knows.
    #[error("its signature uses {algorithm:.120?}, which is not known")]
    UnknownAlgorithm {
        /// The address of the algorithm.
        algorithm: String,
    },
    /// An algorithm that is too weak.
    #[error("its signature uses {algorithm:.120?}, which is too weak to be accepted")]
    WeakAlgorithm {
        /// The address of the algorithm.
        algorithm: String,
    },
    /// The certificate that signed it is none of those given.
    #[error("it is signed by {subject}, SHA-256 {sha256}, which is none of the signers given")]
    UnknownSigner {
        /// The subject of the first certificate in it.
        subject: String,
        /// SHA-256 of that certificate.
        sha256: String,
    },
    /// What was signed is not what is there.
    #[error("it was changed after it was signed: the digest of {what} is another")]
    OtherDigest {
        /// Which part.
        what: &'static str,
    },
    /// The signature is wrong, or its key cannot be used.
    #[error(transparent)]
    Signature(#[from] BareSignatureError),
}

impl TrustedList {
    /// Reads the trusted list `bytes`, if one of the certificates `signers` (DER) signed it.
    ///
    /// The signature must be an enveloped one over the whole document (XML Signature 1.1, profile of
    /// ETSI TS 119 612 annex B), its certificate one of `signers` byte for byte and valid when the
    /// list was issued.
    ///
    /// # Errors
    ///
    /// [`TrustedListError`], in words; nothing is taken of a list that was changed.
    pub fn read(bytes: &[u8], signers: &[Vec<u8>]) -> Result<Self, TrustedListError> {
        if bytes.len() as u64 > TRUSTED_LIST_BYTES_MAX {
            return Err(TrustedListError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TrustedListError::NotUtf8)?;
        let document = xml::parse(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        let root = document.root_element();
        let issued = read::issued(root)?;
        let signer = signature::check(root, signers, issued)?;
        read::list(root, issued, signer)
    }

    /// Returns the territory that a list claims, unverified, so that its signers can be looked up.
    ///
    /// # Errors
    ///
    /// [`TrustedListError`] if it is no list.
    pub fn claimed_territory(bytes: &[u8]) -> Result<String, TrustedListError> {
        if bytes.len() as u64 > TRUSTED_LIST_BYTES_MAX {
            return Err(TrustedListError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TrustedListError::NotUtf8)?;
        let document = xml::parse(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        read::claimed_territory(document.root_element())
    }

    /// Returns the instant from which on the list says nothing: its next update, or of a closed list
    /// the time of its issue.
    pub fn speaks_until(&self) -> Timestamp {
        self.next_update.unwrap_or(self.issued)
    }
}
