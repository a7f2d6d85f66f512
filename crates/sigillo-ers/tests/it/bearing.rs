//! How long the certificates of a time-stamp bear it: who plans is told what a verdict says.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use jiff::Timestamp;
use sigillo_ers::{
    AlgorithmTable, CertificateRole, Due, DueCause, HashFunction, SignatureScheme, SignatureUse,
    TrustAnchors, renewals_due, token_certificate_end, token_renewals_due,
};

use crate::{
    forge::{Forgery, Node, change_certificate},
    world::{Key, ROOT_NAME, World, certificate, content, time, verify_lone},
};

/// RSA ends in 2029, and nothing else does.
const TABLE: &str = r#"
    source = "made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
    [[signature]]
    scheme = "rsa-pkcs1"
    bits_min = 2000
    until = "2029-01-01"
"#;

/// When certificates end of which nothing else is said.
const END: &str = "2036-01-01T00:00:00Z";

/// The algorithm `sha256WithRSAEncryption`.
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];

/// Who issues certificates.
struct Issuer {
    name: &'static str,
    key: Key,
}

impl Issuer {
    fn new(name: &'static str) -> Self {
        Self { name, key: Key::generate() }
    }

    /// Returns the certificate that it issued for itself, until `end`.
    fn own(&self, end: &str) -> Vec<u8> {
        let mut content = content(CertificateRole::TrialRoot, self.name, &self.key, &self.key);
        self.name.clone_into(&mut content.issuer);
        content.not_after = time(end);
        certificate(&content, &self.key)
    }

    /// Returns a certificate that another one issued for it, until `end`.
    fn by(&self, other: &Self, end: &str) -> Vec<u8> {
        let name = Node::parse(&other.own(END)).at(&[0, 5]).clone();
        change_certificate(&self.own(end), &other.key, |tbs| *tbs.at(&[3]) = name)
    }

    /// Returns a token of a unit that it certified, with `beside` in it.
    fn token(&self, beside: &[Vec<u8>]) -> Vec<u8> {
        let mut world = World::new();
        let role = CertificateRole::TrialTimeStamping;
        let mut unit = content(role, "TRIAL unit", &world.tsa_key, &self.key);
        self.name.clone_into(&mut unit.issuer);
        world.tsa = certificate(&unit, &self.key);
        Forgery::of_response(&world.response(&World::request(), beside)).token()
    }
}

fn anchors(certificates: &[&Vec<u8>]) -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    for der in certificates {
        anchors.add_der("anchor", der).unwrap();
    }
    anchors
}

fn due(token: &[u8], by: (&TrustAnchors, Timestamp)) -> Vec<Due> {
    token_renewals_due(token, &AlgorithmTable::from_toml(TABLE).unwrap(), by).unwrap()
}

/// Sees that a time-stamp is due as a verdict says, whenever that is asked, and when that is.
#[track_caller]
fn check(token: &[u8], anchors: &TrustAnchors, expected: &str) {
    check_at(token, anchors, &["2026-12-01", "2028-12-31", "2030-06-01", "2040-01-01"], expected);
}

#[track_caller]
fn check_at(token: &[u8], anchors: &TrustAnchors, days: &[&str], expected: &str) {
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    for day in days {
        let at = time(&format!("{day}T00:00:00Z"));
        let report = verify_lone(token, HashFunction::Sha256, anchors, (&algorithms, at));
        let stamp = &report.stamps[0];
        let trust = stamp.token.as_ref().map(|it| it.trust.clone());
        let judged = renewals_due(stamp, &algorithms);
        let found = due(token, (anchors, at));
        assert_eq!(found, judged, "{day}, {trust:?}");
        assert_eq!(found[0].before, Some(time(expected)), "{day}, {trust:?}");
        let end = token_certificate_end(token, (anchors, at));
        assert_eq!(end.ok(), stamp.certificate_end, "{day}, {trust:?}");
    }
}

/// Makes a root with an RSA key, and a token of a unit that it certified, which came alone.
fn under_rsa() -> (Vec<u8>, Vec<u8>) {
    let (mut world, rsa) = (World::new(), KeyPair::generate(KeySize::Rsa2048).unwrap());
    let mut root = Node::parse(&world.root);
    *root.at(&[0, 6]) = Node::parse(rsa.public_key().as_der().unwrap().as_ref());
    let algorithm = Node::list(0x30, vec![Node::leaf(6, SHA256_WITH_RSA), Node::leaf(5, &[])]);
    let mut unit = Node::parse(&world.tsa);
    *unit.at(&[0, 2]) = algorithm.clone();
    *unit.at(&[1]) = algorithm;
    let mut signature = vec![0; rsa.public_modulus_len()];
    let message = unit.at(&[0]).encode();
    rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut signature).unwrap();
    unit.at(&[2]).bytes = [&[0], &signature[..]].concat();
    world.tsa = unit.encode();
    let token = Forgery::of_response(&world.response(&World::request(), &[])).token();
    (root.encode(), token)
}

#[test]
fn what_an_anchor_signed_with_counts_though_the_anchor_did_not_come_along() {
    let (root, token) = under_rsa();
    let anchors = anchors(&[&root]);
    check(&token, &anchors, "2029-01-01T00:00:00Z");
    let hash = Some(HashFunction::Sha256);
    let rsa = |bits| SignatureUse { scheme: SignatureScheme::RsaPkcs1, bits, hash };
    let found = due(&token, (&anchors, time("2027-01-01T00:00:00Z")));
    assert_eq!(found[0].cause, DueCause::CertificateSignature(rsa(Some(2048))));
    // For who knows no anchor the size of the key is not known: it is taken to be large enough.
    let found = due(&token, (&TrustAnchors::new(), time("2027-01-01T00:00:00Z")));
    assert_eq!(found[0].cause, DueCause::CertificateSignature(rsa(None)));
    assert_eq!(found[0].before, Some(time("2029-01-01T00:00:00Z")));
}

#[test]
fn of_a_root_and_the_same_certified_by_another_that_counts_which_leads_to_an_anchor() {
    let (old, new) = (Issuer::new(ROOT_NAME), Issuer::new("TRIAL new root"));
    let (own, cross) = (new.own(END), new.by(&old, "2028-01-01T00:00:00Z"));
    // A certificate that ends early is above it for who believes the old root alone.
    let both = new.token(&[own.clone(), cross.clone()]);
    check(&both, &anchors(&[&old.own(END)]), "2028-01-01T00:00:00Z");
    check(&both, &anchors(&[&own]), END);
    // It came along, and nobody needs it.
    let token = new.token(&[cross]);
    check(&token, &anchors(&[&own]), END);
    check(&token, &anchors(&[&old.own(END)]), "2028-01-01T00:00:00Z");
}

#[test]
fn of_two_certificates_of_one_name_that_counts_whose_key_signed() {
    let root = Issuer::new(ROOT_NAME);
    let [signer, other] = [(); 2].map(|()| Issuer::new("TRIAL between"));
    let (own, of_other) = (signer.by(&root, "2030-01-01T00:00:00Z"), other.by(&root, END));
    for beside in [[own.clone(), of_other.clone()], [of_other.clone(), own.clone()]] {
        let token = signer.token(&beside);
        check(&token, &anchors(&[&root.own(END)]), "2030-01-01T00:00:00Z");
        // The same for who knows no anchor.
        let none = (&TrustAnchors::new(), time("2027-01-01T00:00:00Z"));
        let end = token_certificate_end(&token, none);
        assert_eq!(end, Ok(time("2030-01-01T00:00:00Z")));
    }
    // The other way round, one that signed nothing does not shorten it.
    let short = other.by(&root, "2028-01-01T00:00:00Z");
    let token = signer.token(&[short.clone(), signer.by(&root, END)]);
    check(&token, &anchors(&[&root.own(END)]), END);
    let token = signer.token(&[short]);
    let none = (&TrustAnchors::new(), time("2027-01-01T00:00:00Z"));
    assert_eq!(token_certificate_end(&token, none), Ok(time(END)));
}

#[test]
fn of_two_certificates_of_one_key_the_other_counts_once_the_first_ended() {
    let (root, between) = (Issuer::new(ROOT_NAME), Issuer::new("TRIAL between"));
    let anchors = anchors(&[&root.own(END)]);
    // Which one is tried first depends on the length of the signatures.
    let end = "2030-01-01T00:00:00Z";
    let mut tokens =
        (0..256).map(|_| between.token(&[between.by(&root, end), between.by(&root, END)]));
    let at_first = (&anchors, time("2027-01-01T00:00:00Z"));
    let token = tokens.find(|it| token_certificate_end(it, at_first) == Ok(time(end))).unwrap();
    check_at(&token, &anchors, &["2030-06-01", "2035-06-01"], END);
}

#[test]
fn a_path_that_leads_nowhere_ends_with_the_first_of_its_certificates() {
    let (root, between) = (Issuer::new(ROOT_NAME), Issuer::new("TRIAL between"));
    let token = between.token(&[between.by(&root, "2030-01-01T00:00:00Z")]);
    let stranger = anchors(&[&Issuer::new(ROOT_NAME).own(END)]);
    let by = (&stranger, time("2027-01-01T00:00:00Z"));
    assert_eq!(token_certificate_end(&token, by), Ok(time("2030-01-01T00:00:00Z")));
    // A root that came along bears it without an end, as an anchor would.
    let root_too = [between.by(&root, END), root.own("2030-01-01T00:00:00Z")];
    assert_eq!(token_certificate_end(&between.token(&root_too), by), Ok(time(END)));
}
