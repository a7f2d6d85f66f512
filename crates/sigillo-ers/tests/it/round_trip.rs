//! What is made here is verified here, and is DER as another encoder writes it.

use jiff::SignedDuration;
use sigillo_ers::{
    CertificateContent, CertificateError, CertificateRole, Imprint, ResponseError, TRIAL_POLICY,
    TimeStampRequest, TokenError, Trust, TrustAnchors, check_response, pem_blocks,
    prepare_certificate, refusal, to_pem, verify_token,
};
use sigillo_model::Sha256Digest;

use crate::world::{Key, ROOT_NAME, World, certificate, content, now, time};

#[test]
fn a_trial_token_is_verified() {
    let world = World::new();
    let request = TimeStampRequest { policy: Some(TRIAL_POLICY.to_owned()), ..World::request() };
    for chain in [&[][..], std::slice::from_ref(&world.root)] {
        let response = world.response(&request, chain);
        let token = check_response(&response, &world.expectations(&request)).unwrap();
        let verified = token.verified();
        assert_eq!(verified.stamped_at, now());
        assert_eq!(verified.policy, TRIAL_POLICY);
        assert_eq!(verified.serial, "90".repeat(16));
        assert_eq!(verified.authority, "CN=Sigillo TRIAL time-stamps");
        assert_eq!(verified.trust, Trust::Anchored { anchor: "trial".to_owned() });
        assert!(verified.trial);
        assert_eq!(verified.stray_certificates, 0);
        // The raw bytes are a part of the response as it came, and verify alone.
        assert!(response.ends_with(token.raw()));
        let again = verify_token(token.raw(), request.imprint.clone(), &world.anchors);
        assert_eq!(again.as_ref(), Ok(verified));
    }
}

#[test]
fn without_an_anchor_the_trust_is_unknown_and_a_response_is_refused() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, std::slice::from_ref(&world.root));
    let token = check_response(&response, &world.expectations(&request)).unwrap();
    let stranger = World::new();
    for anchors in [TrustAnchors::new(), stranger.anchors] {
        let verified = verify_token(token.raw(), request.imprint.clone(), &anchors).unwrap();
        assert_eq!(verified.trust, Trust::Unknown);
        let expected =
            sigillo_ers::Expectations { anchors: &anchors, ..world.expectations(&request) };
        let authority = "CN=Sigillo TRIAL time-stamps".to_owned();
        assert_eq!(
            check_response(&response, &expected),
            Err(ResponseError::Untrusted { authority })
        );
    }
}

#[test]
fn the_certificate_of_an_authority_may_be_the_anchor_itself() {
    let world = World::new();
    let request = World::request();
    let mut anchors = TrustAnchors::new();
    anchors.add_der("direct", &world.tsa).unwrap();
    let expected = sigillo_ers::Expectations { anchors: &anchors, ..world.expectations(&request) };
    let token = check_response(&world.response(&request, &[]), &expected).unwrap();
    assert_eq!(token.verified().trust, Trust::Anchored { anchor: "direct".to_owned() });
}

#[test]
fn a_token_over_another_digest_is_no_proof() {
    let world = World::new();
    let request = World::request();
    let response = world.response(&request, &[]);
    let token = check_response(&response, &world.expectations(&request)).unwrap();
    let expected = Imprint::from(Sha256Digest::of(b"something else"));
    assert_eq!(
        verify_token(token.raw(), expected.clone(), &world.anchors),
        Err(TokenError::OtherImprint { found: request.imprint, expected })
    );
}

#[test]
fn a_refusal_is_read_in_words() {
    let world = World::new();
    let request = World::request();
    let error = check_response(&refusal("niente\u{7}nonce"), &world.expectations(&request));
    let failure = "badRequest".to_owned();
    let text = "niente\u{fffd}nonce".to_owned();
    assert_eq!(error, Err(ResponseError::Refused { status: 2, failure, text }));
    let long = refusal(&"è".repeat(1_000));
    let error = check_response(&long, &world.expectations(&request)).unwrap_err();
    assert!(matches!(error, ResponseError::Refused { text, .. } if text == "è".repeat(250)));
}

#[test]
fn the_last_second_of_a_certificate_belongs_to_it() {
    let mut world = World::new();
    let request = World::request();
    let mut content =
        content(CertificateRole::TrialTimeStamping, "TRIAL short", &world.tsa_key, &world.root_key);
    content.not_before = time("2026-11-25T08:00:00Z");
    content.not_after = time("2026-11-25T08:30:15Z");
    world.tsa = certificate(&content, &world.root_key);
    assert!(check_response(&world.response(&request, &[]), &world.expectations(&request)).is_ok());
}

#[test]
fn all_that_is_made_is_der_as_rasn_writes_it() {
    let world = World::new();
    let request = World::request();
    for der in [&world.root, &world.tsa, &world.seal] {
        let typed: rasn_pkix::Certificate = rasn::der::decode(der).unwrap();
        assert_eq!(rasn::der::encode(&typed).unwrap(), *der);
    }
    let seal = world.seal_over(b"abc", std::slice::from_ref(&world.root));
    let response = world.response(&request, std::slice::from_ref(&world.root));
    let token = check_response(&response, &world.expectations(&request)).unwrap();
    for der in [&seal[..], token.raw()] {
        let outer: rasn_cms::ContentInfo = rasn::der::decode(der).unwrap();
        assert_eq!(rasn::der::encode(&outer).unwrap(), der);
        let inner: rasn_cms::SignedData = rasn::der::decode(outer.content.as_bytes()).unwrap();
        assert_eq!(rasn::der::encode(&inner).unwrap(), outer.content.as_bytes());
    }
}

#[test]
fn certificates_go_through_pem() {
    let world = World::new();
    let text = to_pem("CERTIFICATE", &world.root) + &to_pem("CERTIFICATE", &world.tsa);
    let blocks = pem_blocks(&text, "CERTIFICATE").unwrap();
    assert_eq!(blocks, [world.root, world.tsa]);
}

#[test]
fn content_that_makes_no_trial_certificate_is_refused() {
    let key = Key::generate();
    let good = content(CertificateRole::TrialRoot, ROOT_NAME, &key, &key);
    let refused = |change: &dyn Fn(&mut CertificateContent)| {
        let mut changed = good.clone();
        change(&mut changed);
        prepare_certificate(&changed).map(|_| ()).unwrap_err()
    };
    let subject = "Sigillo root".to_owned();
    assert_eq!(
        refused(&|c| c.subject = subject.clone()),
        CertificateError::NotCalledTrial { subject: subject.clone() }
    );
    let name = "T".repeat(64);
    assert_eq!(refused(&|c| c.subject = "T".repeat(65)), CertificateError::UnusableName { name });
    assert_eq!(
        refused(&|c| c.issuer = String::new()),
        CertificateError::UnusableName { name: String::new() }
    );
    assert_eq!(refused(&|c| c.serial = [0; 16]), CertificateError::ZeroSerial);
    assert_eq!(refused(&|c| c.public_key[0] = 2), CertificateError::UnusableKey);
    assert_eq!(refused(&|c| c.issuer_public_key.truncate(64)), CertificateError::UnusableKey);
    let other = Key::generate().public();
    assert_eq!(
        refused(&|c| c.public_key.clone_from(&other)),
        CertificateError::RootIssuedByOther { subject: ROOT_NAME.to_owned() }
    );
    let not_before = good.not_before;
    let not_after = not_before - SignedDuration::from_secs(1);
    assert_eq!(
        refused(&|c| c.not_after = not_after),
        CertificateError::EmptyValidity { not_before, not_after }
    );
    let at = time("1949-12-31T23:59:59Z");
    assert_eq!(refused(&|c| c.not_before = at), CertificateError::UnusableTime { at });
}

#[test]
fn anchors_are_bounded_and_certificates() {
    let world = World::new();
    let mut anchors = TrustAnchors::new();
    assert!(anchors.is_empty());
    assert!(anchors.add_der("broken", &world.root[1..]).is_err());
    assert!(anchors.add_der("huge", &vec![0; sigillo_ers::CERTIFICATE_BYTES_MAX + 1]).is_err());
    assert!(anchors.add_der(&"n".repeat(2_000), &world.root).is_err());
    assert!(anchors.is_empty());
    anchors.add_der("root", &world.root).unwrap();
    assert_eq!(anchors.certificates().collect::<Vec<_>>(), [("root", &world.root[..])]);
}
