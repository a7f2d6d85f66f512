//! Signature algorithms that OpenSSL does not put into time-stamps or seals.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sigillo_ers::{
    AlgorithmTable, CmsError, DueCause, HashFunction, Imprint, Renewal, ResponseError,
    TimeStampRequest, TokenError, Trust, TrustAnchors, check_response, token_renewals_due,
};
use sigillo_model::{FindingCode, Severity};

use crate::{
    forge::{Forgery, Node, change_certificate},
    world::{World, time, verify_lone},
};

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Forges a token whose signer has the Ed25519 key `key`.
fn forge(world: &World, key: &Ed25519KeyPair) -> Forgery {
    forge_over(world, key, &World::request())
}

fn forge_over(world: &World, key: &Ed25519KeyPair, request: &TimeStampRequest) -> Forgery {
    let der = change_certificate(&world.tsa, &world.root_key, |tbs| {
        let bits = [&[0], key.public_key().as_ref()].concat();
        let algorithm = Node::list(0x30, vec![Node::leaf(6, ED25519)]);
        *tbs.at(&[6]) = Node::list(0x30, vec![algorithm, Node::leaf(3, &bits)]);
    });
    let mut forgery = Forgery::of_response(&world.response(request, &[]));
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

/// A table in which SHA-256 ends in 2030, and nothing else does.
const TABLE: &str = r#"
    source = "made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    until = "2030-01-01"
    [[hash]]
    name = "SHA-512"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
    [[signature]]
    scheme = "ed25519"
    bits_min = 0
"#;

#[test]
fn a_time_stamp_falls_with_what_its_certificate_is_signed_with() {
    let (world, key) = (World::new(), Ed25519KeyPair::generate().unwrap());
    let hash = HashFunction::Sha512;
    let imprint = Imprint::new(hash, hash.digest(b"what is stamped")).unwrap();
    let request = TimeStampRequest { imprint, ..World::request() };
    let token = forge_over(&world, &key, &request).token();
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let codes = |at: &str| {
        let report = verify_lone(&token, hash, &world.anchors, (&algorithms, time(at)));
        let doubts = report.findings.iter().filter(|it| it.severity > Severity::Note);
        doubts.map(|it| (it.code, it.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(codes("2029-12-01T00:00:00Z"), []);
    let found = codes("2030-02-01T00:00:00Z");
    let [(FindingCode::AlgorithmExpired, words)] = &found[..] else { panic!("{found:?}") };
    assert!(words.starts_with("ECDSA, 256 bits, SHA-256, of a certificate, could be"), "{words}");
    // Who plans is told so too, whether or not the key above came along, and is known.
    let mut forgery = forge_over(&world, &key, &request);
    forgery.certificates().nodes.push(Node::parse(&world.root));
    for token in [&token, &forgery.token()] {
        for anchors in [&world.anchors, &TrustAnchors::new()] {
            let by = (anchors, time("2027-01-01T00:00:00Z"));
            let due = token_renewals_due(token, &algorithms, by).unwrap();
            let [first, ..] = &due[..] else { panic!("{due:?}") };
            assert_eq!(first.before, Some(time("2030-01-01T00:00:00Z")), "{due:?}");
            assert_eq!(first.renewal, Renewal::TimeStamp);
            assert!(matches!(first.cause, DueCause::CertificateSignature(_)), "{due:?}");
        }
    }
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
