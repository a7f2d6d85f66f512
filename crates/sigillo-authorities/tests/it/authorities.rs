//! Several authorities in order: who answers badly is passed over, and named.

use std::{io::Write as _, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::SignedDuration;
use rstest::rstest;
use sigillo_authorities::{
    Authorities, AuthorityError, HttpAuthority, HttpSettings, RESPONSE_BYTES_MAX,
    TimeStampAuthority, TrialAuthority,
};
use sigillo_ers::{TimeStampRequest, TrustAnchors};
use sigillo_model::{ErrorKind, Sha256Digest};

use crate::{
    server::{Server, ok},
    support::{CountingEntropy, FixedClock, TestFolder},
};

const REPLY: &str = "application/timestamp-reply";
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// What a bad authority does to what passes through its hands.
type Twist = fn(TimeStampRequest) -> TimeStampRequest;

/// Answers another request than the one that was made.
#[derive(Debug)]
struct Twisted {
    inner: TrialAuthority,
    twist: Twist,
}

#[async_trait]
impl TimeStampAuthority for Twisted {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn is_trial(&self) -> bool {
        false
    }

    async fn ask(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = TimeStampRequest::parse(request_der).expect("a request");
        self.inner.ask(&(self.twist)(request).to_der()).await
    }
}

/// Answers with the same bytes always.
#[derive(Debug)]
struct Parrot(Vec<u8>);

#[async_trait]
impl TimeStampAuthority for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    fn is_trial(&self) -> bool {
        false
    }

    async fn ask(&self, _request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        Ok(self.0.clone())
    }
}

fn imprint() -> Sha256Digest {
    Sha256Digest::of(b"what is to be stamped")
}

fn far(url: &str) -> Arc<dyn TimeStampAuthority> {
    let settings =
        HttpSettings { answer_limit: Duration::from_mins(1), ..HttpSettings::new("far", url) };
    Arc::new(HttpAuthority::new(settings).expect("a usable address"))
}

fn other_nonce(request: TimeStampRequest) -> TimeStampRequest {
    TimeStampRequest { nonce: [9; 8], ..request }
}

fn other_imprint(request: TimeStampRequest) -> TimeStampRequest {
    TimeStampRequest { imprint: Sha256Digest::of(b"something else").into(), ..request }
}

fn unchanged(request: TimeStampRequest) -> TimeStampRequest {
    request
}

#[tokio::test]
async fn the_first_who_answers_is_the_only_one_asked() {
    let folder = TestFolder::new();
    let list: Vec<Arc<dyn TimeStampAuthority>> =
        vec![Arc::new(folder.authority()), Arc::new(Parrot(Vec::new()))];
    let authorities = Authorities::new(list, folder.anchors(), TOLERANCE);
    assert!(!authorities.is_empty());
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    let stamped = stamped.expect("a token");
    assert_eq!(stamped.authority, "local trial authority");
    assert!(stamped.trial);
    assert_eq!(stamped.refused, []);
    assert!(!stamped.token.raw().is_empty());
}

#[rstest]
#[case::nonce(other_nonce, "nonce")]
#[case::imprint(other_imprint, "is over")]
#[tokio::test]
async fn who_answers_another_request_is_passed_over(#[case] twist: Twist, #[case] words: &str) {
    let folder = TestFolder::new();
    let list: Vec<Arc<dyn TimeStampAuthority>> =
        vec![Arc::new(Twisted { inner: folder.authority(), twist }), Arc::new(folder.authority())];
    let authorities = Authorities::new(list, folder.anchors(), TOLERANCE);
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    let stamped = stamped.expect("a token of the second");
    assert_eq!(stamped.authority, "local trial authority");
    assert_eq!(stamped.refused.len(), 1);
    assert_eq!(stamped.refused[0].authority, "twisted");
    assert!(stamped.refused[0].words.contains(words), "{}", stamped.refused[0].words);
}

#[tokio::test]
async fn a_trial_token_is_a_trial_token_whoever_brings_it() {
    let folder = TestFolder::new();
    let twisted = Twisted { inner: folder.authority(), twist: unchanged };
    let authorities = Authorities::new(vec![Arc::new(twisted)], folder.anchors(), TOLERANCE);
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    assert!(stamped.expect("a token").trial);
}

#[tokio::test]
async fn an_old_answer_played_again_is_passed_over() {
    let folder = TestFolder::new();
    let entropy = CountingEntropy::default();
    let request = TimeStampRequest { imprint: imprint().into(), nonce: [1; 8], policy: None };
    let old = folder.authority().ask(&request.to_der()).await.expect("a response");
    let list: Vec<Arc<dyn TimeStampAuthority>> = vec![Arc::new(Parrot(old))];
    let authorities = Authorities::new(list, folder.anchors(), TOLERANCE);
    let refused = authorities.stamp(imprint(), &FixedClock, &entropy).await.expect_err("a refusal");
    assert!(refused.refusals[0].words.contains("nonce"), "{refused}");
}

#[tokio::test]
async fn a_token_that_leads_to_no_anchor_is_refused() {
    let (folder, stranger) = (TestFolder::new(), TestFolder::new());
    for anchors in [stranger.anchors(), TrustAnchors::new()] {
        let authorities = Authorities::new(vec![Arc::new(folder.authority())], anchors, TOLERANCE);
        let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
        let refused = stamped.expect_err("a refusal");
        assert!(refused.to_string().contains("anchor"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_over_http_counts_like_any_other() {
    let folder = TestFolder::new();
    let inner = folder.authority();
    let server = Server::start(move |received, mut stream| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let response = runtime.block_on(inner.ask(&received.body)).expect("a response");
        stream.write_all(&ok(REPLY, &response)).expect("a client that reads");
    });
    let authorities = Authorities::new(vec![far(&server.url)], folder.anchors(), TOLERANCE);
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    server.finish();
    assert_eq!(stamped.expect("a token").authority, "far");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_all_refuse_each_is_listed_with_its_name_and_words() {
    let folder = TestFolder::new();
    let broken = Server::answering(&b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"[..]);
    let garbage = Server::answering(ok(REPLY, b"garbage"));
    let list: Vec<Arc<dyn TimeStampAuthority>> = vec![
        far(&broken.url),
        far(&garbage.url),
        Arc::new(Parrot(vec![0; RESPONSE_BYTES_MAX + 1])),
        Arc::new(Parrot(sigillo_ers::refusal("closed\u{1b}[31m on Sundays"))),
        Arc::new(Twisted { inner: folder.authority(), twist: other_nonce }),
    ];
    let authorities = Authorities::new(list, folder.anchors(), TOLERANCE);
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    broken.finish();
    garbage.finish();
    let refused = stamped.expect_err("a refusal");
    assert_eq!(refused.kind(), ErrorKind::Transient);
    let expected = [
        ("far", "status 503"),
        ("far", "malformed"),
        ("parrot", "more than 1048576 bytes"),
        ("parrot", "on Sundays"),
        ("twisted", "nonce"),
    ];
    assert_eq!(refused.refusals.len(), expected.len());
    for (refusal, (name, words)) in refused.refusals.iter().zip(expected) {
        assert_eq!(refusal.authority, name);
        assert!(refusal.words.contains(words), "{name}: {}", refusal.words);
        assert!(refused.to_string().contains(&format!("{name}: {}", refusal.words)), "{refused}");
    }
    assert!(!refused.to_string().contains(char::is_control), "{refused}");
}

#[tokio::test]
async fn without_authorities_there_is_no_token_and_the_words_say_why() {
    let authorities = Authorities::new(Vec::new(), TrustAnchors::new(), TOLERANCE);
    assert!(authorities.is_empty());
    let stamped = authorities.stamp(imprint(), &FixedClock, &CountingEntropy::default()).await;
    let refused = stamped.expect_err("a refusal");
    assert_eq!(refused.to_string(), "no time-stamping authority is set up");
    assert_eq!(refused.kind(), ErrorKind::Transient);
}
