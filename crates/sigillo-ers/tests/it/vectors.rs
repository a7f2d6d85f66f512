//! Responses and tokens of other makers, read where the shared test inputs are.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they skip"
)]

use std::path::PathBuf;

use jiff::SignedDuration;
use sigillo_ers::{
    CmsError, Expectations, HashFunction, ResponseError, TimeStampRequest, TokenError, Trust,
    TrustAnchors, check_response, pem_blocks, verify_token,
};
use sigillo_model::Sha256Digest;

use crate::{forge::Node, world::time};

/// Returns the folder of the vectors; without it prints so, and fails in CI.
pub(crate) fn vectors() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("SIGILLO_SHARED").map_or(PathBuf::from(default), PathBuf::from);
    let folder = shared.join("vectors");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", folder.display());
    println!("SKIPPED: {} is missing", folder.display());
    None
}

fn sigstage_anchors(folder: &std::path::Path) -> TrustAnchors {
    let text = std::fs::read_to_string(folder.join("tsp/sigstage__ts_chain.pem")).unwrap();
    let mut anchors = TrustAnchors::new();
    // The last of the chain is the root; the first is the authority itself.
    let blocks = pem_blocks(&text, "CERTIFICATE").unwrap();
    anchors.add_der("sigstage root", blocks.last().unwrap()).unwrap();
    anchors
}

#[test]
fn responses_of_sigstore_are_judged_as_expected() {
    let Some(folder) = vectors() else { return };
    let anchors = sigstage_anchors(&folder);
    let imprint = Sha256Digest::of(b"hello");
    let verify = |name: &str| {
        let response = std::fs::read(folder.join("tsp").join(name)).unwrap();
        let token = Node::parse(&response).nodes.remove(1).encode();
        assert!(response.ends_with(&token));
        verify_token(&token, imprint, &anchors)
    };
    let verified = verify("sigstage__response-sha256.tsr").unwrap();
    assert_eq!(verified.stamped_at, time("2025-05-09T11:58:55Z"));
    assert_eq!(verified.policy, "1.3.6.1.4.1.57264.2");
    assert_eq!(verified.serial, "784b4c5e57aaa63b570f15cba4df95251668ae9e");
    assert_eq!(verified.authority, "O=sigstore.dev, CN=sigstore-tsa");
    assert_eq!(verified.trust, Trust::Anchored { anchor: "sigstage root".to_owned() });
    assert!(!verified.trial);

    let found = verify("sigstage__response-invalid-signature.tsr");
    assert_eq!(found, Err(TokenError::Cms(CmsError::WrongSignature)));

    // Over SHA-512: the signature is right, but nothing here knows such an imprint.
    let error = verify("sigstage__response-sha512.tsr").unwrap_err();
    assert_eq!(error, TokenError::UnknownHash { found: "2.16.840.1.101.3.4.2.3".to_owned() });
    assert!(error.is_unknown_algorithm());
}

#[test]
fn a_response_to_another_request_does_not_count() {
    let Some(folder) = vectors() else { return };
    let anchors = sigstage_anchors(&folder);
    let response = std::fs::read(folder.join("tsp/sigstage__response-sha256.tsr")).unwrap();
    let imprint = Sha256Digest::of(b"hello").into();
    let request = TimeStampRequest { imprint, nonce: [1; 8], policy: None };
    let at = time("2025-05-09T11:58:55Z");
    let tolerance = SignedDuration::from_mins(1);
    let expected = Expectations { request: &request, at, tolerance, anchors: &anchors };
    // Its nonce has 20 bytes.
    let found = check_response(&response, &expected);
    assert!(matches!(found, Err(ResponseError::OtherNonce { .. })), "{found:?}");
}

#[test]
fn a_request_of_others_over_sha_512_is_read() {
    let Some(folder) = vectors() else { return };
    let request = std::fs::read(folder.join("tsp/sigstage__request.der")).unwrap();
    let read = TimeStampRequest::parse(&request).unwrap();
    assert_eq!(read.imprint.hash(), HashFunction::Sha512);
    assert_eq!(read.imprint.digest().len(), 64);
    // Its algorithm has NULL for parameters, where those written here have none (RFC 5754).
    assert_eq!(TimeStampRequest::parse(&read.to_der()), Ok(read));
}

#[test]
fn the_response_of_identrust_is_sound_up_to_its_unknown_imprint() {
    let Some(folder) = vectors() else { return };
    let response = std::fs::read(folder.join("tsp/identrust__issue-104.tsr")).unwrap();
    let token = Node::parse(&response).nodes.remove(1).encode();
    let found = verify_token(&token, Sha256Digest::of(b""), &TrustAnchors::new());
    // It names its certificate by SHA-1 and its imprint is SHA-512: its signature was checked
    // before the imprint was looked at.
    let found_hash = "2.16.840.1.101.3.4.2.3".to_owned();
    assert_eq!(found, Err(TokenError::UnknownHash { found: found_hash }));
}

/// Returns every `ContentInfo` with signed data in `node`.
fn tokens(node: &Node, found: &mut Vec<Node>) {
    const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    if node.nodes.first().is_some_and(|first| first.tag == 6 && first.bytes == SIGNED_DATA) {
        found.push(node.clone());
    } else {
        node.nodes.iter().for_each(|inner| tokens(inner, found));
    }
}

/// Returns the embedded certificates of authorities as anchors: what a trust store might hold.
fn authorities_in(token: &mut Node) -> TrustAnchors {
    // BasicConstraints with cA true, without a bound on the path and with one.
    const AUTHORITY: [&[u8]; 2] = [&[0x30, 3, 1, 1, 0xff], &[0x30, 6, 1, 1, 0xff]];
    let mut anchors = TrustAnchors::new();
    for certificate in &token.at(&[1, 0, 3]).nodes {
        let der = certificate.encode();
        if der.windows(5).any(|window| AUTHORITY.contains(&window)) {
            anchors.add_der("embedded", &der).unwrap();
        }
    }
    anchors
}

#[test]
fn tokens_of_evidence_records_are_right_or_unknown_wherever_the_record_is_valid() {
    let Some(folder) = vectors() else { return };
    let table = std::fs::read_to_string(folder.join("ERS_CASES.tsv")).unwrap();
    let (mut right, mut unknown) = (0, 0);
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        if !fields[2].starts_with("valid") {
            continue;
        }
        let record = std::fs::read(folder.join(fields[0])).unwrap();
        let mut found = Vec::new();
        tokens(&Node::parse(&record), &mut found);
        assert!(!found.is_empty(), "{line}");
        for mut token in found {
            let raw = token.encode();
            let mut info = Node::parse(&token.at(&[1, 0, 2, 1, 0]).bytes);
            let imprint: Result<[u8; 32], _> = info.at(&[2, 1]).bytes.as_slice().try_into();
            let imprint = Sha256Digest::from_bytes(imprint.unwrap_or_default());
            match verify_token(&raw, imprint, &TrustAnchors::new()) {
                Ok(alone) => {
                    // Every one comes with the certificate of its authority: an anchor for a moment.
                    right += 1;
                    let anchors = authorities_in(&mut token);
                    let found = verify_token(&raw, imprint, &anchors).unwrap();
                    assert_eq!(found.trust, Trust::Anchored { anchor: "embedded".to_owned() });
                    // The strays that remain are the signers of embedded OCSP responses.
                    assert!(found.stray_certificates <= 2, "{line}");
                    assert_eq!((found.stamped_at, found.serial), (alone.stamped_at, alone.serial));
                }
                Err(error) if error.is_unknown_algorithm() => unknown += 1,
                Err(error) => panic!("{line}: {error}"),
            }
        }
    }
    println!("{right} tokens right, {unknown} with unknown algorithms");
    assert!(right >= 20 && unknown > 0, "{right} right, {unknown} unknown");
}
