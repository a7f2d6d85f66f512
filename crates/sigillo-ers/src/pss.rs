//! RSA-PSS in certificates, in the spellings that webpki does not know.
//!
//! webpki compares algorithm identifiers byte by byte and knows PSS with NULL as the parameters of
//! both hash functions, under a key for RSA of any kind. Authorities also leave the NULL out, of one
//! or of both, which means the same, and some have keys marked for PSS alone.

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use webpki::aws_lc_rs::{
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY, RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
};

/// Lists, for each hash function, what webpki lacks: four spellings of the signature, with a key
/// for RSA of any kind or for PSS alone.
macro_rules! spellings {
    ($($known:ident, $hash:literal, $salt:literal;)*) => {
        [$(
            &Spelling { known: $known, spelt: &without_null($hash, $salt), pss_key: false },
            &Spelling { known: $known, spelt: &null_in_mask($hash, $salt), pss_key: false },
            &Spelling { known: $known, spelt: &null_in_hash($hash, $salt), pss_key: false },
            &Spelling { known: $known, spelt: &without_null($hash, $salt), pss_key: true },
            &Spelling { known: $known, spelt: &null_in_mask($hash, $salt), pss_key: true },
            &Spelling { known: $known, spelt: &null_in_hash($hash, $salt), pss_key: true },
            &Spelling { known: $known, spelt: &null_in_both($hash, $salt), pss_key: true },
        )*]
    };
}

/// Every spelling that webpki lacks, for each hash function.
pub(crate) static RSA_PSS_SPELLINGS: [&dyn SignatureVerificationAlgorithm; 21] = spellings![
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY, 1, 32;
    RSA_PSS_2048_8192_SHA384_LEGACY_KEY, 2, 48;
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY, 3, 64;
];

/// Content of the `AlgorithmIdentifier` of a key for PSS alone, without parameters.
const PSS_KEY: [u8; 11] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

/// An algorithm that webpki knows, under another spelling.
#[derive(Debug)]
struct Spelling {
    known: &'static dyn SignatureVerificationAlgorithm,
    /// Content of the `AlgorithmIdentifier` of the signature.
    spelt: &'static [u8],
    pss_key: bool,
}

impl SignatureVerificationAlgorithm for Spelling {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.known.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        if self.pss_key {
            AlgorithmIdentifier::from_slice(&PSS_KEY)
        } else {
            self.known.public_key_alg_id()
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(self.spelt)
    }
}

/// `hash` is the last arc of the hash function's OID, `salt` the length of salt and digest.
#[rustfmt::skip]
const fn without_null(hash: u8, salt: u8) -> [u8; 61] {
    [
        0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 48,
        0xa0, 13, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash,
        0xa1, 26, 0x30, 24, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash,
        0xa2, 3, 0x02, 1, salt,
    ]
}

#[rustfmt::skip]
const fn null_in_mask(hash: u8, salt: u8) -> [u8; 63] {
    [
        0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 50,
        0xa0, 13, 0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash,
        0xa1, 28, 0x30, 26, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 0x05, 0,
        0xa2, 3, 0x02, 1, salt,
    ]
}

#[rustfmt::skip]
const fn null_in_hash(hash: u8, salt: u8) -> [u8; 63] {
    [
        0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 50,
        0xa0, 15, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 0x05, 0,
        0xa1, 26, 0x30, 24, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        0x30, 11, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash,
        0xa2, 3, 0x02, 1, salt,
    ]
}

#[rustfmt::skip]
const fn null_in_both(hash: u8, salt: u8) -> [u8; 65] {
    [
        0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 52,
        0xa0, 15, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 0x05, 0,
        0xa1, 28, 0x30, 26, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8,
        0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, hash, 0x05, 0,
        0xa2, 3, 0x02, 1, salt,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{asn1::RSA_PSS, der, hash::HashFunction, signature::pss_hash, x509::Algorithm};

    #[test]
    fn every_spelling_is_read_as_its_hash_function() {
        for (position, spelling) in RSA_PSS_SPELLINGS.iter().enumerate() {
            let whole = der::wrap(der::SEQUENCE, &[&spelling.signature_alg_id()]);
            let element = der::read_checked(&whole, "test").unwrap();
            let algorithm = Algorithm::read(&element).unwrap();
            assert_eq!(algorithm.oid, RSA_PSS);
            let expected =
                [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512][position / 7];
            assert_eq!(pss_hash(&algorithm), Some(expected), "{position}");
        }
    }
}
