//! RFC 3161 over HTTP, with servers that do everything wrong.
//!
//! The runtime has threads of its own, so that it goes on while a test waits for its server.

use std::{io::Write as _, net::TcpListener, time::Duration};

use rstest::rstest;
use sigillo_authorities::{
    AuthorityError, Credentials, HttpAuthority, HttpSettings, HttpSettingsError,
    RESPONSE_BYTES_MAX, TimeStampAuthority as _,
};

use crate::server::{Server, is_connected_after, ok};

const REPLY: &str = "application/timestamp-reply";

/// Long enough for a busy machine, where the test expects an answer.
const PATIENT: Duration = Duration::from_mins(1);

/// Where the test expects that patience ends.
const IMPATIENT: Duration = Duration::from_millis(300);

fn authority(url: &str, answer_limit: Duration) -> HttpAuthority {
    let settings = HttpSettings { answer_limit, ..HttpSettings::new("far", url) };
    HttpAuthority::new(settings).expect("a usable address")
}

async fn ask(url: &str) -> Result<Vec<u8>, AuthorityError> {
    authority(url, PATIENT).ask(b"request").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_out_and_the_bytes_of_the_answer_come_back() {
    let server = Server::start(|received, mut stream| {
        stream.write_all(&ok(REPLY, b"\x00answer\xff")).expect("a client that reads");
        received
    });
    let answer = ask(&server.url).await;
    let received = server.finish();
    assert_eq!(answer.expect("an answer"), b"\x00answer\xff");
    assert_eq!(received.body, b"request");
    assert!(received.head.starts_with("post /tsa http/1.1\r\n"), "{}", received.head);
    assert!(received.head.contains("\r\ncontent-type: application/timestamp-query\r\n"));
    assert!(!received.head.contains("authorization"), "{}", received.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_out_as_basic_authentication_and_never_into_a_debug_text() {
    let server = Server::start(|received, mut stream| {
        stream.write_all(&ok(REPLY, b"answer")).expect("a client that reads");
        received
    });
    let credentials = Some(Credentials::new("polo", "s3gr3ta"));
    let settings = HttpSettings { credentials, ..HttpSettings::new("far", &server.url) };
    assert!(!format!("{settings:?}").contains("s3gr3ta"));
    let authority = HttpAuthority::new(settings).expect("a usable address");
    assert!(!format!("{authority:?}").contains("s3gr3ta"));
    authority.ask(b"request").await.expect("an answer");
    // base64 of polo:s3gr3ta, in the lower case of the test server.
    let head = server.finish().head;
    assert!(head.contains("\r\nauthorization: basic cg9sbzpzm2dym3rh\r\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_type_may_have_parameters_and_any_case() {
    let server = Server::answering(ok("Application/Timestamp-Reply; charset=binary", b"answer"));
    assert_eq!(ask(&server.url).await.expect("an answer"), b"answer");
    server.finish();
}

#[rstest]
#[case(&b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"[..], "status 500")]
#[case(&b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"[..], "status 401")]
#[case(&b"HTTP/1.1 204 No Content\r\n\r\n"[..], "status 204")]
#[case(
    &b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n"[..],
    "a redirect to \"http://127.0.0.1:1/elsewhere\" that is not followed"
)]
#[case(&ok("text/html", b"<h1>Welcome</h1>")[..], "\"text/html\"")]
#[case(&b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer"[..], "no media type")]
#[case(&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "could not be reached")]
#[case(&b""[..], "could not be reached")]
#[case(
    &b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nContent-Length: 9\r\n\r\nhalf"[..],
    "broke"
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_refused_in_words(#[case] answer: &[u8], #[case] words: &str) {
    let server = Server::answering(answer);
    let error = ask(&server.url).await.expect_err("no answer");
    server.finish();
    assert!(error.to_string().contains(words), "{error}");
}

#[rstest]
#[case::unannounced("Connection: close")]
#[case::chunked("Transfer-Encoding: chunked")]
#[case::announced("Content-Length: 104857600")]
#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_100_mib_is_given_up_at_the_limit(#[case] framing: &'static str) {
    const BODY_BYTES: usize = 100 << 20;
    // What the sockets of both sides may hold although nobody reads it.
    const SENT_BYTES_MAX: usize = RESPONSE_BYTES_MAX + (16 << 20);
    let server = Server::start(move |_, mut stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {REPLY}\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a client that reads");
        let piece = if framing.ends_with("chunked") {
            [&b"10000\r\n"[..], &vec![0; 0x1_0000], b"\r\n"].concat()
        } else {
            vec![0; 0x1_0000]
        };
        let mut sent = 0;
        while sent < BODY_BYTES && stream.write_all(&piece).is_ok() {
            sent += piece.len();
        }
        sent
    });
    let answer = ask(&server.url).await;
    let sent = server.finish();
    assert!(matches!(answer, Err(AuthorityError::TooLarge { .. })), "{answer:?}");
    assert!(sent < SENT_BYTES_MAX, "{sent} bytes were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_just_the_limit_is_read() {
    let body = vec![7; RESPONSE_BYTES_MAX];
    let server = Server::answering(ok(REPLY, &body));
    assert_eq!(ask(&server.url).await.expect("an answer").len(), RESPONSE_BYTES_MAX);
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_sends_a_byte_at_a_time_is_left_when_time_is_up() {
    let server = Server::start(|_, mut stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {REPLY}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("a client that reads");
        // Far longer than the client's patience, and never silent for as long.
        let mut sent = 0;
        while sent < 1_000 && is_connected_after(&mut stream, Duration::from_millis(100)) {
            stream.write_all(b"x").expect("a client that reads");
            sent += 1;
        }
        sent
    });
    let answer = authority(&server.url, IMPATIENT).ask(b"request").await;
    assert!(matches!(answer, Err(AuthorityError::TimedOut { limit: IMPATIENT })), "{answer:?}");
    let sent = server.finish();
    assert!(sent < 1_000, "{sent} bytes were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_left_when_time_is_up() {
    let server = Server::start(|_, mut stream| is_connected_after(&mut stream, PATIENT));
    let answer = authority(&server.url, IMPATIENT).ask(b"request").await;
    let error = answer.expect_err("no answer");
    assert_eq!(error.to_string(), "no complete answer within 0.3 s");
    assert!(!server.finish(), "the connection was left open");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_address_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = ask(&format!("http://{address}/")).await.expect_err("no answer");
    assert!(matches!(error, AuthorityError::Unreachable { .. }), "{error:?}");
}

#[rstest]
#[case("ftp://tsa.example/")]
#[case("tsa.example")]
#[case("")]
#[case("http://")]
#[case("https://polo:s3gr3ta@tsa.example/")]
fn an_address_that_cannot_be_asked_is_refused_without_being_repeated(#[case] url: &str) {
    let error = HttpAuthority::new(HttpSettings::new("far", url)).expect_err("a refusal");
    assert!(matches!(error, HttpSettingsError::Address { .. }), "{error:?}");
    assert!(error.to_string().contains("\"far\""), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3gr3ta"), "{error:?}");
}
