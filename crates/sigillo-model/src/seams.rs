//! The seams through which time, randomness and signatures come in.

use std::fmt;

/// The only way this workspace learns the time.
///
/// Pure functions take an `at: Timestamp` instead; only workflows hold a clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the current instant. Not required to be monotonic.
    fn now(&self) -> jiff::Timestamp;
}

/// The only way this workspace obtains randomness.
///
/// # Contract
///
/// In production the bytes come from the operating system's generator: salts are secrets, and two
/// attempts must never draw the same name.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills `bytes` with fresh random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// One private key and the signature algorithm that goes with it.
///
/// # Contract
///
/// The key never leaves the signer. Ed25519 signatures are 64 raw bytes, ECDSA ones are DER.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the public key: 32 raw bytes for Ed25519, an uncompressed point for P-256.
    fn public_key(&self) -> Vec<u8>;

    /// Signs `message`.
    ///
    /// # Errors
    ///
    /// [`SignerError`] if the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// A key could not sign.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the {key} key could not sign: {reason}")]
pub struct SignerError {
    /// Which key, in words (`commit`, `log`, `seal`, `trial TSA`).
    pub key: &'static str,
    /// What stood in the way.
    pub reason: String,
}
