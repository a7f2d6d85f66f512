//! Asking for revocation data: a server that answers, answers wrongly, or not at all.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they skip"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use jiff::SignedDuration;
use sigillo_authorities::{GatheredRevocation, RevocationGatherer};
use sigillo_ers::{RevocationKind, RevocationStatus, TrustAnchors, pem_blocks};
use sigillo_model::Clock;
use tempfile::TempDir;

/// Returns the answer to a request: its first line, and its body.
type Handler = dyn Fn(&Path, &str, &[u8], &mut TcpStream) + Send + Sync;

/// A root with a time-stamping authority, whose certificate names a server; and a token.
struct Installation {
    folder: TempDir,
    token: Vec<u8>,
    anchors: TrustAnchors,
    /// The first lines of all requests.
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "OpenSSL stamps with the real time")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Tells whether there is an OpenSSL; without it prints so, and fails in CI.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        println!("SKIPPED: openssl is missing");
    }
    found
}

/// Runs OpenSSL, which must succeed.
#[track_caller]
fn openssl(folder: &Path, line: &str) {
    let ran = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (head.lines().next().unwrap().to_owned(), body)
}

impl Installation {
    fn new(handler: &'static Handler) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, place) = (Arc::clone(&asked), folder.path().to_owned());
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (line, body) = read_request(&mut stream);
                seen.lock().unwrap().push(line.clone());
                handler(&place, &line, &body, &mut stream);
            }
        });
        let configuration = format!(
            "[req]\ndistinguished_name=name\n[name]\n\
             [root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
             [tsa]\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n\
             crlDistributionPoints=URI:http://{address}/a.crl\n\
             authorityInfoAccess=OCSP;URI:http://{address}/ocsp\n\
             [ca]\ndefault_md=sha256\ndatabase=index\ncrlnumber=number\n\
             [t]\nserial=serial\nsigner_cert=tsa.pem\ncerts=root.pem\nsigner_key=tsa.key\nsigner_digest=sha256\n\
             default_policy=1.2.3.4.1\ndigests=sha256\ness_cert_id_alg=sha256\n"
        );
        for (name, text) in [
            ("openssl.cnf", configuration.as_str()),
            ("serial", "01\n"),
            ("number", "01\n"),
            ("index", "V\t400101000000Z\t\t20\tunknown\t/CN=tsa\n"),
            ("data", "data"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let run = |line: &str| openssl(folder.path(), line);
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf";
        run(&format!(
            "req -x509 {new_key} -keyout root.key -out root.pem -days 7300 -subj /CN=Root \
             -extensions root"
        ));
        run(&format!("req -new {new_key} -keyout tsa.key -subj /CN=tsa -out tsa.csr"));
        run("x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 0x20 -days 3650 \
             -extfile openssl.cnf -extensions tsa -out tsa.pem");
        run("ts -query -data data -cert -sha256 -out request.tsq");
        run(
            "ts -reply -config openssl.cnf -section t -queryfile request.tsq -token_out -out token",
        );
        run(
            "ca -config openssl.cnf -name ca -gencrl -cert root.pem -keyfile root.key -crldays 30 \
             -out list.pem",
        );
        run("crl -in list.pem -outform DER -out list.crl");
        let token = fs::read(folder.path().join("token")).unwrap();
        let mut anchors = TrustAnchors::new();
        let root = fs::read_to_string(folder.path().join("root.pem")).unwrap();
        anchors.add_der("root", &pem_blocks(&root, "CERTIFICATE").unwrap()[0]).unwrap();
        Self { folder, token, anchors, asked }
    }

    async fn gather(&self, limit: Duration) -> GatheredRevocation {
        let gatherer = RevocationGatherer::new(limit, RevocationGatherer::ALL_LIMIT).unwrap();
        gatherer.gather(&self.token, &self.anchors, None, &RealClock).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn respond(stream: &mut TcpStream, head: &str, body: &[u8]) {
    // The client may have read enough before the end.
    drop(stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes()));
    drop(stream.write_all(body));
}

/// Answers as OpenSSL does.
fn answer(folder: &Path, request: &[u8]) -> Vec<u8> {
    fs::write(folder.join("request.ocsp"), request).unwrap();
    openssl(
        folder,
        "ocsp -index index -rsigner root.pem -rkey root.key -CA root.pem -reqin request.ocsp \
         -ndays 30 -respout answer.ocsp",
    );
    fs::read(folder.join("answer.ocsp")).unwrap()
}

fn is_good(gathered: &GatheredRevocation) -> bool {
    let [only] = &gathered.certificates[..] else { panic!("{gathered:?}") };
    matches!(only.status, RevocationStatus::Good { .. })
}

const LIMIT: Duration = RevocationGatherer::ANSWER_LIMIT;

#[tokio::test]
async fn a_responder_is_asked_and_its_answer_is_enough() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new(&|folder, line, body, stream| {
        assert!(line.starts_with("post /ocsp "), "{line}");
        respond(stream, "200 OK", &answer(folder, body));
    });
    let gathered = world.gather(LIMIT).await;
    assert!(is_good(&gathered), "{gathered:?}");
    let [evidence] = &gathered.evidence[..] else { panic!("{gathered:?}") };
    assert_eq!(evidence.kind, RevocationKind::Ocsp);
    assert_eq!(evidence.der, fs::read(world.folder.path().join("answer.ocsp")).unwrap());
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn a_list_helps_where_no_responder_does() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new(&|folder, line, _, stream| match line {
        _ if line.starts_with("get /a.crl ") => {
            respond(stream, "200 OK", &fs::read(folder.join("list.crl")).unwrap());
        }
        _ => respond(stream, "302 Found\r\nLocation: /elsewhere", b""),
    });
    let gathered = world.gather(LIMIT).await;
    assert!(is_good(&gathered), "{gathered:?}");
    assert_eq!(gathered.evidence[0].kind, RevocationKind::Crl);
    assert_eq!(gathered.refused.len(), 1);
    // Nobody followed the redirect.
    assert_eq!(world.asked().len(), 2);
}

#[tokio::test]
async fn what_does_not_count_is_not_kept() {
    if !has_openssl() {
        return;
    }
    // An answer about another certificate, and a list with a broken signature.
    let world = Installation::new(&|folder, line, body, stream| {
        if line.starts_with("post ") {
            let mut request = body.to_vec();
            *request.last_mut().unwrap() ^= 1;
            respond(stream, "200 OK", &answer(folder, &request));
        } else {
            let mut list = fs::read(folder.join("list.crl")).unwrap();
            *list.last_mut().unwrap() ^= 1;
            respond(stream, "200 OK", &list);
        }
    });
    let gathered = world.gather(LIMIT).await;
    assert!(!is_good(&gathered), "{gathered:?}");
    assert_eq!((gathered.evidence.len(), gathered.refused.len()), (0, 2), "{gathered:?}");
    assert!(gathered.refused[1].words.contains("its signature is wrong"), "{gathered:?}");
}

#[tokio::test]
async fn whoever_says_too_much_or_nothing_is_left() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new(&|_, line, _, stream| {
        if line.starts_with("post ") {
            respond(stream, "200 OK", &vec![0; 2 << 20]);
        } else {
            // Until the client goes.
            drop(stream.read(&mut [0]));
        }
    });
    let gathered = world.gather(Duration::from_secs(2)).await;
    assert_eq!((gathered.evidence.len(), gathered.refused.len()), (0, 2), "{gathered:?}");
    assert!(gathered.refused[0].words.contains("more than 1048576 bytes"), "{gathered:?}");
    assert!(gathered.refused[1].words.contains('2'), "{gathered:?}");
}

#[tokio::test]
async fn nobody_is_asked_about_a_token_of_somebody_unknown_nor_beyond_the_limit() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new(&|_, line, _, _| panic!("{line}"));
    let asker = RevocationGatherer::new(LIMIT, RevocationGatherer::ALL_LIMIT).unwrap();
    let gathered = asker.gather(&world.token, &TrustAnchors::new(), None, &RealClock).await;
    assert!(gathered.certificates.is_empty() && gathered.refused.is_empty(), "{gathered:?}");
    let asker = RevocationGatherer::new(LIMIT, SignedDuration::ZERO).unwrap();
    let gathered = asker.gather(&world.token, &world.anchors, None, &RealClock).await;
    assert!(!is_good(&gathered) && gathered.refused.is_empty(), "{gathered:?}");
    assert_eq!(world.asked(), Vec::<String>::new());
}
