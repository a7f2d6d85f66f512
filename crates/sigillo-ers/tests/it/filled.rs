//! Tokens into which certificates, revocation lists and OCSP responses are filled.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use sigillo_ers::{
    FillError, RevocationKind, RevocationStatus, TOKEN_BYTES_MAX, TrustAnchors, fill_token,
    is_filled_from,
};
use sigillo_model::{FindingCode, Sha256Digest, Verdict};

use crate::{
    forge::Node,
    revocations::{GOOD, Installation, has_openssl},
};

const CRL: RevocationKind = RevocationKind::Crl;
const OCSP: RevocationKind = RevocationKind::Ocsp;

/// The parts of a `SignedData`.
fn parts(token: &[u8]) -> Vec<Node> {
    Node::parse(token).at(&[1, 0]).nodes.clone()
}

/// A token, and it filled with the lists of both issuers.
fn filled() -> Option<(Installation, Vec<[Vec<u8>; 2]>)> {
    if !has_openssl() {
        return None;
    }
    let world = Installation::new();
    let lists = [world.list("authority", 1, &[], ""), world.list("root", 1, &[], "")];
    let answer = world.answer("authority", GOOD);
    let fill = |evidence: &[(RevocationKind, &[u8])]| {
        let filled = fill_token(&world.token, &world.anchors, evidence).unwrap();
        [filled, world.token.clone()]
    };
    let both = vec![
        fill(&[(CRL, &lists[0]), (CRL, &lists[1])]),
        fill(&[(OCSP, &answer), (CRL, &lists[1])]),
    ];
    Some((world, both))
}

#[test]
fn what_is_filled_in_is_judged_by_and_nothing_signed_is_touched() {
    let Some((world, both)) = filled() else { return };
    for ([filled, received], version) in both.iter().zip([3, 5]) {
        let report = world.verify_token(filled);
        assert_eq!(report.verdict(), Verdict::Intact, "{:?}", report.findings);
        let told = &report.stamps[0].revocation;
        assert_eq!(told.len(), 2);
        let is_good = |status: &RevocationStatus| matches!(status, RevocationStatus::Good { .. });
        assert!(told.iter().all(|it| is_good(&it.status)), "{told:?}");
        let unknown = FindingCode::RevocationUnknown;
        assert!(report.findings.iter().all(|it| it.code != unknown), "{:?}", report.findings);
        let (new, old) = (parts(filled), parts(received));
        assert_eq!(new[0].encode(), [2, 1, version]);
        for (place, from_end) in [(1, 0), (2, 0), (0, 1)] {
            let of = |parts: &[Node]| match from_end {
                0 => parts[place].encode(),
                _ => parts[parts.len() - 1].encode(),
            };
            assert_eq!(of(&new), of(&old), "{place}");
        }
        // Certificates of signer, authority and root; both sets in the order of DER.
        assert_eq!((new[3].nodes.len(), old[3].nodes.len()), (3, 2));
        for set in &new[3..5] {
            let raw: Vec<_> = set.nodes.iter().map(Node::encode).collect();
            assert!(raw.is_sorted(), "{raw:02x?}");
        }
    }
}

#[test]
fn filling_again_changes_nothing() {
    let Some((world, both)) = filled() else { return };
    let lists = [world.list("authority", 1, &[], ""), world.list("root", 1, &[], "")];
    for [filled, _] in &both {
        assert_eq!(fill_token(filled, &world.anchors, &[]).as_deref(), Ok(&filled[..]));
    }
    let first = &both[0][0];
    let more = fill_token(first, &world.anchors, &[(CRL, &lists[0])]).unwrap();
    assert!(more == *first || more.len() > first.len());
    let again = fill_token(&more, &world.anchors, &[(CRL, &lists[0])]).unwrap();
    assert_eq!(Sha256Digest::of(&again), Sha256Digest::of(&more));
}

#[test]
fn whatever_is_changed_of_what_was_received_is_seen() {
    let Some((_, both)) = filled() else { return };
    for [filled, received] in &both {
        assert!(is_filled_from(filled, received));
        assert!(is_filled_from(filled, filled));
        for at in 0..received.len() {
            let mut changed = received.clone();
            changed[at] ^= 1;
            assert!(!is_filled_from(filled, &changed), "byte {at}");
        }
        assert!(!is_filled_from(filled, &received[..received.len() - 1]));
        assert!(!is_filled_from(received, filled));
        assert!(!is_filled_from(filled, b""));
    }
}

#[test]
fn what_would_be_no_token_any_more_is_not_made() {
    let Some((world, _)) = filled() else { return };
    let large = vec![0x30; TOKEN_BYTES_MAX];
    let found = fill_token(&world.token, &world.anchors, &[(CRL, &large)]);
    assert!(matches!(found, Err(FillError::TooLarge { .. })), "{found:?}");
    let list = world.list("root", 1, &[], "");
    let many: Vec<Vec<u8>> = (0..=255).map(|byte| [&list[..], &[byte]].concat()).collect();
    let many: Vec<_> = many.iter().map(|it| (CRL, &it[..])).collect();
    assert_eq!(fill_token(&world.token, &world.anchors, &many), Err(FillError::TooMany));
    let broken = fill_token(&world.token, &world.anchors, &[(CRL, b"\x30\x05")]);
    assert!(matches!(broken, Err(FillError::Token(_))), "{broken:?}");
    let nobody = fill_token(&world.token, &TrustAnchors::new(), &[]).unwrap();
    assert_eq!(parts(&nobody)[3].nodes.len(), 2);
}
