//! A small trial installation: keys, certificates, and what is made with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{
    AlgorithmTable, Authorities, CertificateContent, CertificateRole, Expectations, HashFunction,
    RecordObject, RecordReport, RecordRules, RevocationRules, StampParts, TimeStampRequest,
    TokenContent, TrustAnchors, prepare_certificate, prepare_seal, prepare_token, verify_record,
    write_chain, write_record,
};
use sigillo_model::Sha256Digest;

pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub(crate) struct World {
    pub(crate) root_key: Key,
    pub(crate) tsa_key: Key,
    pub(crate) seal_key: Key,
    pub(crate) root: Vec<u8>,
    pub(crate) tsa: Vec<u8>,
    pub(crate) seal: Vec<u8>,
    pub(crate) anchors: TrustAnchors,
}

pub(crate) const ROOT_NAME: &str = "Sigillo TRIAL root";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The time at which everything here is stamped and sealed.
pub(crate) fn now() -> Timestamp {
    time("2026-11-25T08:30:15.25Z")
}

pub(crate) fn content(
    role: CertificateRole,
    subject: &str,
    key: &Key,
    issuer: &Key,
) -> CertificateContent {
    CertificateContent {
        role,
        subject: subject.to_owned(),
        issuer: ROOT_NAME.to_owned(),
        serial: Sha256Digest::of(subject.as_bytes()).as_bytes()[..16].try_into().unwrap(),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2036-01-01T00:00:00Z"),
        public_key: key.public(),
        issuer_public_key: issuer.public(),
    }
}

pub(crate) fn certificate(content: &CertificateContent, issuer: &Key) -> Vec<u8> {
    let prepared = prepare_certificate(content).unwrap();
    let signature = issuer.sign(prepared.to_sign());
    prepared.finish(&signature)
}

/// Verifies an evidence record of a single time-stamp over `what is stamped`, as of a time.
pub(crate) fn verify_lone(
    token: &[u8],
    hash: HashFunction,
    anchors: &TrustAnchors,
    (algorithms, at): (&AlgorithmTable, Timestamp),
) -> RecordReport {
    let digest = |hash: HashFunction| Some(hash.digest(b"what is stamped"));
    let lists = vec![vec![hash.digest(b"what is stamped")]];
    let chain = write_chain(&[StampParts { hash, lists, token }]);
    let rules = RecordRules {
        authorities: Authorities::Anchored(anchors),
        algorithms,
        at: Some(at),
        whole_group: true,
        revocation: RevocationRules::EMBEDDED,
    };
    let objects = [RecordObject { name: "object", digest: &digest }];
    verify_record(&write_record(&[hash], &[&chain]), &objects, &rules)
}

impl World {
    pub(crate) fn new() -> Self {
        let [root_key, tsa_key, seal_key] = [(); 3].map(|()| Key::generate());
        let make = |role, subject, key: &Key| {
            certificate(&content(role, subject, key, &root_key), &root_key)
        };
        let root = make(CertificateRole::TrialRoot, ROOT_NAME, &root_key);
        let tsa = make(CertificateRole::TrialTimeStamping, "Sigillo TRIAL time-stamps", &tsa_key);
        let seal = make(CertificateRole::TrialSeal, "Comune di Prova TRIAL seal", &seal_key);
        let mut anchors = TrustAnchors::new();
        anchors.add_der("trial", &root).unwrap();
        Self { root_key, tsa_key, seal_key, root, tsa, seal, anchors }
    }

    pub(crate) fn request() -> TimeStampRequest {
        let imprint = Sha256Digest::of(b"what is stamped").into();
        TimeStampRequest { imprint, nonce: [0x80, 1, 2, 3, 4, 5, 6, 7], policy: None }
    }

    /// Makes a response with the root embedded or not.
    pub(crate) fn response(&self, request: &TimeStampRequest, chain: &[Vec<u8>]) -> Vec<u8> {
        let prepared = prepare_token(&TokenContent {
            request,
            serial: [0x90; 16],
            stamped_at: now(),
            certificate_der: &self.tsa,
            chain,
        })
        .unwrap();
        let signature = self.tsa_key.sign(prepared.to_sign());
        prepared.finish(&signature)
    }

    pub(crate) fn expectations<'a>(&'a self, request: &'a TimeStampRequest) -> Expectations<'a> {
        let tolerance = SignedDuration::from_mins(5);
        Expectations { request, at: now(), tolerance, anchors: &self.anchors }
    }

    pub(crate) fn seal_over(&self, content: &[u8], chain: &[Vec<u8>]) -> Vec<u8> {
        let digest = Sha256Digest::of(content);
        let prepared = prepare_seal(digest, &self.seal, chain, now()).unwrap();
        let signature = self.seal_key.sign(prepared.to_sign());
        prepared.finish(&signature)
    }
}
