//! Every byte of token and seal altered in turn, and bytes of no meaning at all.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use proptest::prelude::*;
use sigillo_ers::{
    RequestError, TimeStampRequest, Trust, TrustAnchors, VerifiedSeal, VerifiedToken,
    check_response, pem_blocks, verify_seal, verify_token,
};
use sigillo_model::Sha256Digest;

use crate::world::{World, now};

const MASKS: [u8; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff];

/// Runs `check` over every altered copy of `raw`, with the position of the altered byte.
fn for_each_flip(raw: &[u8], mut check: impl FnMut(usize, &[u8])) {
    let mut altered = raw.to_vec();
    for position in 0..raw.len() {
        for mask in MASKS {
            altered[position] ^= mask;
            check(position, &altered);
            altered[position] ^= mask;
        }
    }
}

/// Returns where `part` lies in `whole`.
fn range_of(part: &[u8], whole: &[u8]) -> std::ops::Range<usize> {
    let start = whole.windows(part.len()).position(|window| window == part).unwrap();
    start..start + part.len()
}

#[test]
fn a_token_altered_in_any_byte_is_refused() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let token = check_response(&response, &world.expectations(&request)).unwrap();
    for_each_flip(token.raw(), |position, altered| {
        let found = verify_token(altered, request.imprint.clone(), &world.anchors);
        assert!(found.is_err(), "byte {position}: {found:?}");
    });
    for_each_flip(&response, |position, altered| {
        let found = check_response(altered, &world.expectations(&request));
        // Bytes 4 to 8 are the status: granted becomes granted with modifications.
        let other_status = position < response.len() - token.raw().len()
            && found.as_ref().is_ok_and(|found| *found == token);
        assert!(found.is_err() || other_status, "byte {position}: {found:?}");
    });
}

#[test]
fn an_embedded_root_altered_in_any_byte_is_refused_or_told_to_be_a_stray() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, std::slice::from_ref(&world.root));
    let token = check_response(&response, &world.expectations(&request)).unwrap();
    let root = range_of(&world.root, token.raw());
    for_each_flip(token.raw(), |position, altered| {
        match verify_token(altered, request.imprint.clone(), &world.anchors) {
            Err(_) => {}
            Ok(VerifiedToken { stray_certificates: 1, .. }) => assert!(root.contains(&position)),
            Ok(found) => panic!("byte {position}: {found:?}"),
        }
    });
    // Where the chain is all there is, whatever is altered in it leads to nobody.
    for_each_flip(token.raw(), |_, altered| {
        let found = verify_token(altered, request.imprint.clone(), &TrustAnchors::new());
        assert!(found.is_err() || found.is_ok_and(|found| found.trust == Trust::Unknown));
    });
}

#[test]
fn a_seal_altered_in_any_byte_is_refused() {
    let world = World::new();
    let digest = Sha256Digest::of(b"content");
    let raw = world.seal_over(b"content", &[]);
    for_each_flip(&raw, |position, altered| {
        let found = verify_seal(altered, digest, &world.anchors, now());
        assert!(found.is_err(), "byte {position}: {found:?}");
    });
    let raw = world.seal_over(b"content", std::slice::from_ref(&world.root));
    let root = range_of(&world.root, &raw);
    for_each_flip(&raw, |position, altered| {
        match verify_seal(altered, digest, &world.anchors, now()) {
            Err(_) => {}
            Ok(VerifiedSeal { stray_certificates: 1, .. }) => assert!(root.contains(&position)),
            Ok(found) => panic!("byte {position}: {found:?}"),
        }
    });
}

#[test]
fn a_token_cut_short_or_continued_is_refused() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let seal = world.seal_over(b"content", &[]);
    let digest = Sha256Digest::of(b"content");
    for length in 0..response.len() {
        assert!(check_response(&response[..length], &world.expectations(&request)).is_err());
    }
    for length in 0..seal.len() {
        assert!(verify_seal(&seal[..length], digest, &world.anchors, now()).is_err());
    }
    let [response, seal] = [response, seal].map(|mut bytes| {
        bytes.push(0);
        bytes
    });
    assert!(check_response(&response, &world.expectations(&request)).is_err());
    assert!(verify_seal(&seal, digest, &world.anchors, now()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_anything_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let nobody = TrustAnchors::new();
        let digest = Sha256Digest::of(b"");
        prop_assert!(verify_token(&bytes, digest, &nobody).is_err());
        prop_assert!(verify_seal(&bytes, digest, &nobody, now()).is_err());
        let parsed: Result<_, RequestError> = TimeStampRequest::parse(&bytes);
        prop_assert!(parsed.is_err());
        prop_assert!(TrustAnchors::new().add_der("any", &bytes).is_err());
        prop_assert_eq!(pem_blocks(&String::from_utf8_lossy(&bytes), "CERTIFICATE"), Ok(vec![]));
    }
}
