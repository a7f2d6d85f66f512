//! Keys that live in memory and are the same in every run.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use sigillo_model::{Signer, SignerError};

/// An Ed25519 key in memory, made from a seed.
pub struct MemorySigner {
    pair: Ed25519KeyPair,
}

impl MemorySigner {
    /// Makes the key of `seed`: the same in every run, so it protects nothing.
    pub fn new(seed: u64) -> Self {
        let secret = blake3::derive_key("Sigillo 2026-11 testkit key", &seed.to_le_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(&secret)
            .expect("every 32 bytes are the seed of an Ed25519 key");
        Self { pair }
    }
}

impl Signer for MemorySigner {
    fn public_key(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}

impl fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySigner").field("public_key", &self.public_key()).finish()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_seed_gives_one_key_whose_signatures_verify() {
        let signer = MemorySigner::new(1);
        assert_eq!(signer.public_key(), MemorySigner::new(1).public_key());
        assert_ne!(signer.public_key(), MemorySigner::new(2).public_key());
        let key = UnparsedPublicKey::new(&ED25519, signer.public_key());
        let signature = signer.sign(b"message").unwrap();
        assert!(key.verify(b"message", &signature).is_ok());
        assert!(key.verify(b"massage", &signature).is_err());
    }
}
