//! The elliptic curves that trial certificates have keys of, each with the hash function that is signed
//! with it.

use crate::{
    HashFunction,
    asn1::{ECDSA_SHA_256, ECDSA_SHA_384, P_256, P_384, SHA_256, SHA_384},
};

/// A curve, and how its keys sign.
#[derive(Debug)]
pub(crate) struct Curve {
    /// OID of the curve.
    pub(crate) oid: &'static str,
    /// OID of ECDSA with its hash function.
    pub(crate) signature: &'static str,
    /// The hash function, with its OID.
    pub(crate) hash: HashFunction,
    pub(crate) hash_oid: &'static str,
    /// Length of an uncompressed point, in bytes.
    point_bytes: usize,
}

const CURVES: [Curve; 2] = [
    Curve {
        oid: P_256,
        signature: ECDSA_SHA_256,
        hash: HashFunction::Sha256,
        hash_oid: SHA_256,
        point_bytes: 65,
    },
    Curve {
        oid: P_384,
        signature: ECDSA_SHA_384,
        hash: HashFunction::Sha384,
        hash_oid: SHA_384,
        point_bytes: 97,
    },
];

/// Returns the curve of a public key, an uncompressed point; `None` for any other key.
pub(crate) fn curve_of(point: &[u8]) -> Option<&'static Curve> {
    let uncompressed = point.first() == Some(&4);
    CURVES.iter().find(|curve| uncompressed && curve.point_bytes == point.len())
}
