//! Signature algorithms that OpenSSL does not put into time-stamps or seals.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sigillo_ers::{CmsError, ResponseError, TokenError, Trust, check_response};

use crate::{
    forge::{Forgery, Node, change_certificate},
    world::World,
};

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Forges a token whose signer has the Ed25519 key `key`.
fn forge(world: &World, key: &Ed25519KeyPair) -> Forgery {
    let der = change_certificate(&world.tsa, &world.root_key, |tbs| {
        let bits = [&[0], key.public_key().as_ref()].concat();
        let algorithm = Node::list(0x30, vec![Node::leaf(6, ED25519)]);
        *tbs.at(&[6]) = Node::list(0x30, vec![algorithm, Node::leaf(3, &bits)]);
    });
    let mut forgery = Forgery::of_response(&world.response(&World::request(), &[]));
    forgery.change_certificate(&der);
    forgery.signers().at(&[0, 4, 0]).bytes = ED25519.to_vec();
    forgery.sign_by(|message| key.sign(message).as_ref().to_vec());
    forgery
}

#[test]
fn ed25519_signatures_are_checked() {
    let (world, request) = (World::new(), World::request());
    let key = Ed25519KeyPair::generate().unwrap();
    let mut forgery = forge(&world, &key);
    let token = check_response(&forgery.response(), &world.expectations(&request)).unwrap();
    assert_eq!(token.verified().trust, Trust::Anchored { anchor: "trial".to_owned() });
    let other = Ed25519KeyPair::generate().unwrap();
    forgery.sign_by(|message| other.sign(message).as_ref().to_vec());
    assert_eq!(
        check_response(&forgery.response(), &world.expectations(&request)),
        Err(ResponseError::Token(TokenError::Cms(CmsError::WrongSignature)))
    );
}

#[test]
fn a_key_of_one_kind_checks_no_signature_of_another() {
    let (world, request) = (World::new(), World::request());
    let mut forgery = forge(&world, &Ed25519KeyPair::generate().unwrap());
    // ecdsa-with-SHA256, with a key of Ed25519.
    let ecdsa = vec![0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    forgery.signers().at(&[0, 4, 0]).bytes = ecdsa;
    forgery.sign(&world.tsa_key);
    let found = check_response(&forgery.response(), &world.expectations(&request));
    let Err(ResponseError::Token(error)) = found else { panic!("{found:?}") };
    assert!(error.is_unknown_algorithm(), "{error:?}");
}
