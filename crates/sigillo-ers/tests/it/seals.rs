//! Seals: what verifies, and what does not.

use sigillo_ers::{
    CertificateError, CmsError, SealError, Trust, TrustAnchors, VerifiedSeal, is_seal_anchored,
    prepare_seal, verify_seal, verify_stamped_seal,
};
use sigillo_model::Sha256Digest;

use crate::{
    forge::{
        CONTENT_TYPE, EXTENDED_KEY_USAGE, Forgery, KEY_USAGE, Node, SIGNING_CERTIFICATE_V2,
        SIGNING_TIME, change_certificate, extensions,
    },
    world::{World, now, time},
};

const CONTENT: &[u8] = b"the statement of a sealing";

fn verify(world: &World, raw: &[u8]) -> Result<VerifiedSeal, SealError> {
    verify_seal(raw, Sha256Digest::of(CONTENT), &world.anchors, now())
}

#[test]
fn a_trial_seal_is_verified() {
    let world = World::new();
    for chain in [&[][..], std::slice::from_ref(&world.root)] {
        let raw = world.seal_over(CONTENT, chain);
        let seal = verify(&world, &raw).unwrap();
        assert_eq!(seal.signer, "CN=Comune di Prova TRIAL seal");
        assert_eq!(seal.claimed_at, time("2026-11-25T08:30:15Z"));
        assert_eq!(seal.trust, Trust::Anchored { anchor: "trial".to_owned() });
        assert_eq!(seal.certificate_sha256, Sha256Digest::of(&world.seal));
        assert!(seal.trial);
        let other = verify_seal(&raw, Sha256Digest::of(b"other"), &world.anchors, now());
        assert_eq!(other, Err(SealError::Cms(CmsError::DigestMismatch)));
        let nobody = TrustAnchors::new();
        let seal = verify_seal(&raw, Sha256Digest::of(CONTENT), &nobody, now()).unwrap();
        assert_eq!(seal.trust, Trust::Unknown);
    }
}

#[test]
fn the_certificate_of_a_seal_leads_to_an_anchor_or_does_not() {
    // The root of another world has the same name, and another key.
    let (world, other) = (World::new(), World::new());
    let anchored = |anchors| is_seal_anchored(&world.seal, &[], anchors).unwrap();
    assert!(anchored(&world.anchors));
    assert!(!anchored(&other.anchors));
    assert!(!anchored(&TrustAnchors::new()));
    assert!(is_seal_anchored(b"none", &[], &world.anchors).is_err());
}

#[test]
fn the_certificate_must_be_valid_at_the_time_that_counts() {
    let world = World::new();
    let raw = world.seal_over(CONTENT, &[]);
    for at in ["2025-12-31T23:59:59Z", "2036-01-01T00:00:01Z"] {
        let found = verify_seal(&raw, Sha256Digest::of(CONTENT), &world.anchors, time(at));
        assert!(matches!(found, Err(SealError::Cms(CmsError::OutsideValidity { .. }))), "{at}");
    }
}

#[test]
fn a_seal_that_was_time_stamped_too_late_is_doubtful_and_not_wrong() {
    let world = World::new();
    let raw = world.seal_over(CONTENT, &[]);
    let stamped = |at| verify_stamped_seal(&raw, Sha256Digest::of(CONTENT), &world.anchors, at);
    let seal = stamped(time("2035-12-31T23:59:59Z")).unwrap();
    assert_eq!(seal.doubt(), None);
    for at in ["2036-01-01T00:00:01Z", "2025-12-31T23:59:59Z"] {
        let seal = stamped(time(at)).unwrap();
        assert!(seal.doubt().unwrap().contains("2036-01-01T00:00:00Z"), "{at}");
    }
    // What is wrong stays wrong.
    let other = Sha256Digest::of(b"other");
    let found = verify_stamped_seal(&raw, other, &world.anchors, time("2036-01-01T00:00:01Z"));
    assert_eq!(found, Err(SealError::Cms(CmsError::DigestMismatch)));
}

#[test]
fn nothing_is_sealed_with_a_certificate_that_has_ended() {
    let world = World::new();
    for at in ["2025-12-31T23:59:59Z", "2036-01-01T00:00:01Z"] {
        let found = prepare_seal(Sha256Digest::of(CONTENT), &world.seal, &[], time(at));
        assert!(matches!(found, Err(CertificateError::NotValid { .. })), "{at}");
    }
}

#[test]
fn a_time_stamping_certificate_makes_no_seal() {
    let world = World::new();
    let digest = Sha256Digest::of(CONTENT);
    let prepared = prepare_seal(digest, &world.tsa, &[], now()).unwrap();
    let signature = world.tsa_key.sign(prepared.to_sign());
    let found = verify(&world, &prepared.finish(&signature));
    assert!(matches!(found, Err(SealError::Cms(CmsError::WrongPurpose { .. }))), "{found:?}");
}

#[test]
fn a_signature_by_another_key_is_wrong() {
    let world = World::new();
    let prepared = prepare_seal(Sha256Digest::of(CONTENT), &world.seal, &[], now()).unwrap();
    let signature = world.tsa_key.sign(prepared.to_sign());
    let found = verify(&world, &prepared.finish(&signature));
    assert_eq!(found, Err(SealError::Cms(CmsError::WrongSignature)));
}

#[track_caller]
fn check_forged(change: impl FnOnce(&World, &mut Forgery), expected: &SealError) {
    let world = World::new();
    let mut forgery = Forgery(Node::parse(&world.seal_over(CONTENT, &[])));
    // A detached seal has no content element, so everything stands where it does in a token.
    change(&world, &mut forgery);
    forgery.sign(&world.seal_key);
    assert_eq!(verify(&world, &forgery.token()).as_ref(), Err(expected));
}

#[test]
fn a_seal_with_its_content_inside_is_refused() {
    let attach = |_: &World, forgery: &mut Forgery| {
        let content = Node::list(0xa0, vec![Node::leaf(4, CONTENT)]);
        forgery.0.at(&[1, 0, 2]).nodes.push(content);
    };
    check_forged(attach, &SealError::NotDetached);
}

#[test]
fn every_signed_attribute_is_required() {
    for (oid, attribute) in [
        (CONTENT_TYPE, "contentType"),
        (SIGNING_TIME, "signingTime"),
        (SIGNING_CERTIFICATE_V2, "signingCertificateV2"),
    ] {
        let remove = |_: &World, forgery: &mut Forgery| {
            let attributes = forgery.attributes();
            attributes.nodes.remove(attributes.position_of(oid));
        };
        check_forged(remove, &SealError::Cms(CmsError::MissingAttribute { attribute }));
    }
}

#[test]
fn a_key_that_may_not_sign_makes_no_seal() {
    let change = |world: &World, forgery: &mut Forgery| {
        let der = change_certificate(&world.seal, &world.root_key, |tbs| {
            let index = extensions(tbs).position_of(KEY_USAGE);
            // keyEncipherment only.
            extensions(tbs).at(&[index]).nodes[2].bytes = vec![3, 2, 5, 0x20];
        });
        forgery.change_certificate(&der);
    };
    let subject = "CN=Comune di Prova TRIAL seal".to_owned();
    let reason = "the key usage does not allow signing";
    check_forged(change, &SealError::Cms(CmsError::WrongPurpose { subject, reason }));
}

#[test]
fn a_certificate_without_purposes_may_seal() {
    let world = World::new();
    let mut forgery = Forgery(Node::parse(&world.seal_over(CONTENT, &[])));
    let der = change_certificate(&world.seal, &world.root_key, |tbs| {
        let index = extensions(tbs).position_of(EXTENDED_KEY_USAGE);
        extensions(tbs).nodes.remove(index);
    });
    forgery.change_certificate(&der);
    forgery.sign(&world.seal_key);
    let seal = verify(&world, &forgery.token()).unwrap();
    assert_eq!(seal.trust, Trust::Anchored { anchor: "trial".to_owned() });
}
