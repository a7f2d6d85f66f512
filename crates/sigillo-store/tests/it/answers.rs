//! What services answer when something is wrong, and what is made of it: a service in this process
//! keeps objects, and answers as a script says.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use sigillo_model::{Blake3Digest, ErrorKind, ObjectKey};
use sigillo_store::{
    AlignedBuffer, BackendError, CpuPool, CreateOutcome, PACK_CHUNK_BYTES, ServiceAccess, Store,
    StoreError, StoreUrl,
};

/// What the service does with a request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// It does what it is asked and says so.
    Serve,
    /// It does what it is asked and cuts the connection.
    ServeAndCut,
    /// It cuts the connection before it does anything.
    Cut,
    /// It does what it is asked, and answers this.
    ServeAndAnswer(u16, &'static str),
    /// It does nothing, and answers this.
    Answer(u16, &'static str),
    /// It sends half of the answer and cuts the connection.
    Half,
    /// It never answers.
    Silence,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    writes: VecDeque<Act>,
    reads: VecDeque<Act>,
    /// What is done when the script is at its end.
    for_ever: Option<Act>,
    /// The methods of all requests, in order.
    seen: Vec<String>,
}

/// A service that listens until the process ends.
#[derive(Clone, Debug)]
struct Service {
    address: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Service {
    /// Starts a service whose first writes and reads go as these scripts say.
    fn start(writes: &[Act], reads: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (writes, reads) = (writes.iter().copied().collect(), reads.iter().copied().collect());
        let state = State { writes, reads, ..State::default() };
        let this = Self { address, state: Arc::new(Mutex::new(state)) };
        let service = this.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let service = service.clone();
                thread::spawn(move || service.answer(stream.unwrap()));
            }
        });
        this
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn count(&self, method: &str) -> usize {
        self.state().seen.iter().filter(|seen| *seen == method).count()
    }

    fn store(&self, spool: &tempfile::TempDir) -> Store {
        let access = ServiceAccess::from_variables(|name| match name {
            "AWS_ENDPOINT_URL" => Some(format!("http://{}", self.address)),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("testing".to_owned()),
            _ => None,
        });
        let access = access.with_spool_folder(spool.path());
        let url = StoreUrl::parse("s3://bucket/part").unwrap().with_access(access);
        Store::open(&url, tokio::runtime::Handle::current()).unwrap()
    }

    fn answer(&self, mut stream: TcpStream) {
        let request = read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        let Some(request) = request else { return };
        let act = {
            let mut state = self.state();
            state.seen.push(request.method.clone());
            let script = if request.method == "PUT" { &mut state.writes } else { &mut state.reads };
            let next = script.pop_front();
            next.or(state.for_ever).unwrap_or(Act::Serve)
        };
        let served = match act {
            Act::Serve => self.serve(&request),
            Act::ServeAndCut => {
                self.serve(&request);
                return;
            }
            Act::ServeAndAnswer(status, code) => {
                self.serve(&request);
                explanation(status, code)
            }
            Act::Answer(status, code) => explanation(status, code),
            Act::Half => {
                let mut served = self.serve(&request);
                served.truncate(served.len() - 50);
                served
            }
            Act::Cut => return,
            Act::Silence => {
                // Until the client closes the connection.
                stream.read_to_end(&mut Vec::new()).ok();
                return;
            }
        };
        stream.write_all(&served).ok();
    }

    fn serve(&self, request: &Request) -> Vec<u8> {
        let mut state = self.state();
        if request.method == "PUT" {
            check_signed(request);
            let conditional = request.headers.contains_key("if-none-match");
            if conditional && state.objects.contains_key(&request.path) {
                return explanation(412, "PreconditionFailed");
            }
            state.objects.insert(request.path.clone(), request.body.clone());
            return head(200, 0, "");
        }
        let Some(object) = state.objects.get(&request.path) else {
            return explanation(404, "NoSuchKey");
        };
        let whole = object.len();
        let range = request.headers.get("range").map(|range| {
            let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
            (start, (end + 1).min(whole))
        });
        let (mut answer, body) = match range {
            None => (head(200, whole, ""), &object[..]),
            Some((start, end)) => {
                let range = format!("Content-Range: bytes {start}-{}/{whole}\r\n", end - 1);
                (head(206, end - start, &range), &object[start..end])
            }
        };
        if request.method == "GET" {
            answer.extend_from_slice(body);
        }
        answer
    }
}

/// Sees that the service could tell if a byte was changed on its way.
#[track_caller]
fn check_signed(request: &Request) {
    let digest = Sha256::digest(&request.body);
    assert_eq!(request.headers["x-amz-checksum-sha256"], BASE64_STANDARD.encode(digest));
    assert_eq!(request.headers["x-amz-content-sha256"], hex::encode(digest));
    assert!(request.headers["authorization"].contains("x-amz-checksum-sha256"));
}

fn read_request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut first = lines[0].split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    // A body of unknown length is none that services take.
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

fn head(status: u16, length: usize, more: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nETag: \"x\"\r\n{more}\
         Last-Modified: Wed, 25 Nov 2026 09:00:00 GMT\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

fn explanation(status: u16, code: &str) -> Vec<u8> {
    let text = format!("<Error><Code>{code}</Code><Message>as the script says</Message></Error>");
    let mut answer = head(status, text.len(), "");
    answer.extend_from_slice(text.as_bytes());
    answer
}

fn key() -> ObjectKey {
    ObjectKey::listed("object".to_owned())
}

const OURS: Bytes = Bytes::from_static(b"ours");

/// Creates one object while the service acts so.
async fn create(writes: &[Act], reads: &[Act]) -> (Service, Result<CreateOutcome, StoreError>) {
    let spool = tempfile::tempdir().unwrap();
    let service = Service::start(writes, reads);
    let outcome = service.store(&spool).create(&key(), OURS).await;
    (service, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_was_lost_is_found_to_be_ours() {
    for act in [
        Act::ServeAndCut,
        Act::ServeAndAnswer(503, "SlowDown"),
        Act::ServeAndAnswer(500, "InternalError"),
        Act::ServeAndAnswer(409, "OperationAborted"),
    ] {
        let (service, outcome) = create(&[act], &[]).await;
        assert_eq!(outcome.unwrap(), CreateOutcome::Created, "{act:?}");
        assert_eq!(service.count("PUT"), 2, "{act:?}");
        assert_eq!(service.count("GET"), 1, "{act:?}: nobody looked what is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_did_not_happen_is_made_again() {
    for act in [
        Act::Cut,
        Act::Answer(503, "SlowDown"),
        Act::Answer(429, ""),
        Act::Answer(409, "ConditionalRequestConflict"),
        Act::Answer(400, "BadDigest"),
        Act::Answer(400, "RequestTimeout"),
    ] {
        let (service, outcome) = create(&[act, act], &[]).await;
        assert_eq!(outcome.unwrap(), CreateOutcome::Created, "{act:?}");
        assert_eq!(service.count("PUT"), 3, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_meanwhile_is_taken_and_never_ours() {
    for writes in [
        &[][..],
        &[Act::Answer(503, "SlowDown")],
        &[Act::Cut],
        &[Act::Answer(409, "ConditionalRequestConflict")],
    ] {
        let spool = tempfile::tempdir().unwrap();
        let service = Service::start(writes, &[]);
        service.state().objects.insert("/bucket/part/object".to_owned(), b"theirs".to_vec());
        let outcome = service.store(&spool).create(&key(), OURS).await.unwrap();
        let theirs = Bytes::from_static(b"theirs");
        assert_eq!(outcome, CreateOutcome::Taken(theirs), "{writes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_bytes_of_somebody_else_are_told_from_a_lost_answer() {
    let spool = tempfile::tempdir().unwrap();
    let service = Service::start(&[], &[]);
    let store = service.store(&spool);
    assert_eq!(store.create(&key(), OURS).await.unwrap(), CreateOutcome::Created);
    assert_eq!(store.create(&key(), OURS).await.unwrap(), CreateOutcome::AlreadyEqual);
    // A clash of which the service says for certain that nothing was stored leaves no doubt.
    service.state().writes.push_back(Act::Answer(409, "ConditionalRequestConflict"));
    assert_eq!(store.create(&key(), OURS).await.unwrap(), CreateOutcome::AlreadyEqual);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_asked_again_and_is_no_reason_to_try_again() {
    for (status, code) in [(403, "AccessDenied"), (301, "PermanentRedirect"), (404, "NoSuchBucket")]
    {
        let (service, outcome) = create(&[Act::Answer(status, code)], &[]).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(
            matches!(&error, StoreError::WriteFailed { source: BackendError::Refused { what }, .. }
                if what.contains(code)),
            "{error:?}"
        );
        assert_eq!(service.state().seen, ["PUT"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stays_out_of_order_is_asked_so_often_and_no_more() {
    let spool = tempfile::tempdir().unwrap();
    let service = Service::start(&[], &[]);
    service.state().for_ever = Some(Act::Answer(503, "SlowDown"));
    let error = service.store(&spool).create(&key(), OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!((service.count("PUT"), service.count("GET")), (6, 6));
}

/// The clock of the test runs ahead whenever there is nothing to do but wait.
#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_is_given_up() {
    let spool = tempfile::tempdir().unwrap();
    let service = Service::start(&[], &[]);
    service.state().for_ever = Some(Act::Silence);
    let begun = tokio::time::Instant::now();
    let error = service.store(&spool).create(&key(), OURS).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    let minutes = begun.elapsed().as_secs() / 60;
    assert!((2..10).contains(&minutes), "given up after {minutes} minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_breaks_off_is_made_again() {
    let spool = tempfile::tempdir().unwrap();
    let script = [Act::Half, Act::Cut, Act::Answer(500, ""), Act::Serve, Act::Half, Act::Serve];
    let service = Service::start(&[], &script);
    let store = service.store(&spool);
    let whole = Bytes::from(vec![7; 1000]);
    store.create(&key(), whole.clone()).await.unwrap();
    assert_eq!(store.read(&key(), 1000).await.unwrap(), whole);
    assert_eq!(store.read_range(&key(), 10..500).await.unwrap(), whole.slice(10..500));
    assert_eq!(service.count("GET"), 6);
}

/// Sends a pack that goes through a file, and returns what became of it.
async fn send_pack(service: &Service) -> Result<(), BackendError> {
    let spool = tempfile::tempdir().unwrap();
    let (_, packs) = service.store(&spool).parts();
    let send = move || {
        let chunk = AlignedBuffer::zeroed(PACK_CHUNK_BYTES);
        let mut staged = packs.begin(None)?;
        for index in 0..9 {
            staged.write_at((index * PACK_CHUNK_BYTES) as u64, &chunk)?;
        }
        let whole = vec![0; 9 * PACK_CHUNK_BYTES];
        staged.finish(&Blake3Digest::of(&whole), whole.len() as u64)
    };
    CpuPool::start(1).unwrap().run(send).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_whose_answer_was_lost_is_found_by_its_digest() {
    for act in [Act::ServeAndCut, Act::ServeAndAnswer(503, ""), Act::Cut, Act::Answer(503, "")] {
        let service = Service::start(&[act], &[]);
        send_pack(&service).await.unwrap();
        assert_eq!(service.count("PUT"), 2, "{act:?}");
        assert_eq!(service.state().objects.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_the_name_of_a_pack_are_refused() {
    let service = Service::start(&[], &[]);
    send_pack(&service).await.unwrap();
    send_pack(&service).await.unwrap();
    let path = service.state().objects.keys().next().unwrap().clone();
    for spoil in [|bytes: &mut Vec<u8>| bytes[20_000_000] = 1, |bytes: &mut Vec<u8>| bytes.push(0)]
    {
        spoil(service.state().objects.get_mut(&path).unwrap());
        let error = send_pack(&service).await.unwrap_err();
        assert!(matches!(error, BackendError::Failed { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_a_pack_is_few_requests_and_its_end_is_one() {
    let service = Service::start(&[], &[]);
    send_pack(&service).await.unwrap();
    let before = service.count("GET");
    let spool = tempfile::tempdir().unwrap();
    let (_, packs) = service.store(&spool).parts();
    let reading = service.clone();
    let read = move || {
        let name = Blake3Digest::of(&vec![0; 9 * PACK_CHUNK_BYTES]);
        let source = packs.open(&name).unwrap();
        let scan = sigillo_store::pack::scan_pack(&*source, &mut |_, _| ()).unwrap();
        assert_eq!(scan.name_found, name);
        let scanned = reading.count("GET");
        for distance in [98, 5000, 60_000] {
            source.read_exact_at(source.size_bytes() - distance, &mut [0; 90]).unwrap();
        }
        (scanned - before, reading.count("GET") - scanned)
    };
    let (scanned, at_end) = CpuPool::start(1).unwrap().run(read).await.unwrap();
    assert!(scanned <= 6, "36 MiB in {scanned} requests");
    assert!(at_end <= 1, "the end of a pack in {at_end} requests");
}
