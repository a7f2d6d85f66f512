//! The local trial authority, checked by `sigillo-ers` and by openssl.

use std::{fs, sync::Arc};

use jiff::SignedDuration;
use sigillo_authorities::TimeStampAuthority as _;
use sigillo_ers::{
    Expectations, ResponseError, TRIAL_POLICY, TimeStampRequest, TrustAnchors, check_response,
};
use sigillo_model::{Clock as _, Sha256Digest};

use crate::support::{CountingEntropy, FixedClock, TestFolder, openssl};

const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

fn request() -> TimeStampRequest {
    let imprint = Sha256Digest::of(b"what is to be stamped").into();
    TimeStampRequest { imprint, nonce: [1, 2, 3, 4, 5, 6, 7, 8], policy: None }
}

fn expectations<'a>(request: &'a TimeStampRequest, anchors: &'a TrustAnchors) -> Expectations<'a> {
    Expectations { request, at: FixedClock.now(), tolerance: TOLERANCE, anchors }
}

#[tokio::test]
async fn its_answer_passes_every_check_and_says_trial() {
    let folder = TestFolder::new();
    let (authority, request, anchors) = (folder.authority(), request(), folder.anchors());
    assert!(authority.is_trial());
    let response = authority.ask(&request.to_der()).await.expect("a response");
    let token = check_response(&response, &expectations(&request, &anchors)).expect("a token");
    assert!(token.verified().trial);
    assert_eq!(token.verified().policy, TRIAL_POLICY);
    let off = token.verified().stamped_at.duration_since(FixedClock.now()).abs();
    assert!(off < TOLERANCE, "{off:#}");
}

#[tokio::test]
async fn its_tokens_have_serial_numbers_of_their_own() {
    let folder = TestFolder::new();
    let (authority, request, anchors) = (folder.authority(), request(), folder.anchors());
    let mut serials = Vec::new();
    for _ in 0..3 {
        let response = authority.ask(&request.to_der()).await.expect("a response");
        let token = check_response(&response, &expectations(&request, &anchors)).expect("a token");
        serials.push(token.verified().serial.clone());
    }
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), 3);
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_words_and_not_by_silence() {
    let folder = TestFolder::new();
    let (authority, request, anchors) = (folder.authority(), request(), folder.anchors());
    for garbage in [&b""[..], b"garbage", &request.to_der()[..20], &vec![0x30; 1 << 20]] {
        let response = authority.ask(garbage).await.expect("a response");
        let error = check_response(&response, &expectations(&request, &anchors));
        assert!(matches!(error, Err(ResponseError::Refused { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn openssl_verifies_its_answer() {
    let folder = TestFolder::new();
    let entropy = Arc::new(CountingEntropy::default());
    let authority = folder.keys.trial_authority(Arc::new(FixedClock), entropy);
    let request = request().to_der();
    let response = authority.ask(&request).await.expect("a response");
    let (query_file, reply_file) = (folder.file("query.tsq"), folder.file("reply.tsr"));
    fs::write(&query_file, &request).expect("a file");
    let root = folder.file("root.pem");
    let files = [&reply_file, &query_file, &root].map(|path| path.to_str().expect("a path"));
    let arguments = ["ts", "-verify", "-in", files[0], "-queryfile", files[1], "-CAfile", files[2]];

    fs::write(&reply_file, &response).expect("a file");
    let Some(verified) = openssl(&arguments) else { return };
    let words = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "{words}");

    // The control: a changed signature is no good.
    let mut changed = response;
    *changed.last_mut().expect("a byte") ^= 1;
    fs::write(&reply_file, &changed).expect("a file");
    assert!(!openssl(&arguments).expect("openssl was there").status.success());
}
