//! Private keys in files, and signing with them.
//!
//! A key file holds the private key (PKCS#8) and the public key that belongs to it, both as PEM,
//! so that a changed bit is noticed before anything is signed. Private keys are drawn from
//! aws-lc-rs's own generator, which the operating system seeds: unlike serial numbers and nonces
//! they never pass through the `Entropy` seam, where a test or a mistake could make them
//! predictable.

use std::fmt;

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use sigillo_ers::{pem_blocks, to_pem};
use sigillo_model::{Signer, SignerError};

/// Label of the PEM block with the private key.
const PRIVATE_LABEL: &str = "PRIVATE KEY";

/// Label of the PEM block with the public key.
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// An Ed25519 key; its signatures are 64 raw bytes.
pub(crate) struct Ed25519Signer {
    name: &'static str,
    pair: Ed25519KeyPair,
}

/// An ECDSA P-256 key that signs with SHA-256; its signatures are DER.
pub(crate) struct P256Signer {
    name: &'static str,
    pair: EcdsaKeyPair,
}

/// What both kinds of key can do with files.
pub(crate) trait FileKey: Sized {
    /// Draws a new key and returns the text of its file.
    fn generate(name: &'static str) -> Result<String, SignerError>;

    /// Reads the text of a key file; what is wrong with it is said in words.
    fn from_text(name: &'static str, text: &str) -> Result<Self, String>;
}

impl FileKey for Ed25519Signer {
    fn generate(name: &'static str) -> Result<String, SignerError> {
        let failed = |_| cannot_generate(name);
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let private = pair.to_pkcs8v1().map_err(failed)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        Ok(to_pem(PRIVATE_LABEL, private.as_ref()) + &to_pem(PUBLIC_LABEL, public.as_ref()))
    }

    fn from_text(name: &'static str, text: &str) -> Result<Self, String> {
        let (private, public) = key_blocks(text)?;
        let pair = Ed25519KeyPair::from_pkcs8(&private)
            .map_err(|reason| format!("it holds no Ed25519 key ({reason})"))?;
        let derived: Option<PublicKeyX509Der<'_>> = pair.public_key().as_der().ok();
        check_public(derived.as_ref().map(|der| der.as_ref()), &public)?;
        Ok(Self { name, pair })
    }
}

impl FileKey for P256Signer {
    fn generate(name: &'static str) -> Result<String, SignerError> {
        let failed = |_| cannot_generate(name);
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
        let private = pair.to_pkcs8v1().map_err(failed)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        Ok(to_pem(PRIVATE_LABEL, private.as_ref()) + &to_pem(PUBLIC_LABEL, public.as_ref()))
    }

    fn from_text(name: &'static str, text: &str) -> Result<Self, String> {
        let (private, public) = key_blocks(text)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &private)
            .map_err(|reason| format!("it holds no ECDSA P-256 key ({reason})"))?;
        let derived: Option<PublicKeyX509Der<'_>> = pair.public_key().as_der().ok();
        check_public(derived.as_ref().map(|der| der.as_ref()), &public)?;
        Ok(Self { name, pair })
    }
}

impl Ed25519Signer {
    /// Returns the 32 raw bytes of the public key.
    pub(crate) fn public_key_bytes(&self) -> [u8; 32] {
        let bytes = self.pair.public_key().as_ref().try_into();
        bytes.expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs `message`.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let signature = self.pair.try_sign(message).map_err(|_| cannot_sign(self.name))?;
        signature.as_ref().try_into().map_err(|_| cannot_sign(self.name))
    }
}

impl Signer for Ed25519Signer {
    fn public_key(&self) -> Vec<u8> {
        self.public_key_bytes().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.sign_bytes(message).map(Vec::from)
    }
}

impl Signer for P256Signer {
    fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| cannot_sign(self.name))
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_public(f, "Ed25519Signer", self.name, self.pair.public_key().as_ref())
    }
}

impl fmt::Debug for P256Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_public(f, "P256Signer", self.name, self.pair.public_key().as_ref())
    }
}

/// Shows which key it is, and nothing secret.
fn debug_public(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    name: &str,
    public_key: &[u8],
) -> fmt::Result {
    let public_key = hex::encode(public_key);
    f.debug_struct(kind).field("name", &name).field("public_key", &public_key).finish()
}

/// Returns the private and the public key of a key file.
fn key_blocks(text: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
    Ok((only_block(text, PRIVATE_LABEL)?, only_block(text, PUBLIC_LABEL)?))
}

fn only_block(text: &str, label: &str) -> Result<Vec<u8>, String> {
    let mut blocks = pem_blocks(text, label).map_err(|error| error.to_string())?;
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) => Ok(block),
        (None, _) => Err(format!("it has no {label} block")),
        (Some(_), false) => Err(format!("it has several {label} blocks")),
    }
}

/// Notices a private key that changed since its file was written.
fn check_public(derived: Option<&[u8]>, stored: &[u8]) -> Result<(), String> {
    if derived == Some(stored) {
        return Ok(());
    }
    Err("its private and public key do not belong together".to_owned())
}

fn cannot_generate(key: &'static str) -> SignerError {
    SignerError { key, reason: "no key could be generated".to_owned() }
}

fn cannot_sign(key: &'static str) -> SignerError {
    SignerError { key, reason: "the cryptographic library refused".to_owned() }
}
