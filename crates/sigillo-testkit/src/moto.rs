//! A server that speaks like S3, for tests: `moto_server`, of the Python package `moto[server]`.

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
};

/// A server of this machine that keeps its objects in memory, until it is dropped.
#[derive(Debug)]
pub struct MotoServer {
    process: Child,
    /// Host and port.
    address: String,
}

impl MotoServer {
    /// Starts a server: the program in `SIGILLO_MOTO_SERVER`, else `moto_server` of the `PATH`.
    /// Without one it says loudly that the test is left out, and returns nothing.
    ///
    /// # Panics
    ///
    /// If there is none though `CI` is set, or it starts and ends at once.
    pub fn start_or_skip() -> Option<Self> {
        let program = env::var("SIGILLO_MOTO_SERVER").unwrap_or("moto_server".to_owned());
        let mut command = one_by_one(&program).unwrap_or_else(|| Command::new(&program));
        // Port 0: one that is free.
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(process) => Some(Self::listen(process)),
            Err(error) => {
                assert!(env::var_os("CI").is_none(), "{program} cannot be started: {error}");
                println!(
                    "SKIPPED: {program} cannot be started ({error}); pip install 'moto[server]'"
                );
                None
            }
        }
    }

    /// Waits until the server says where it listens.
    fn listen(mut process: Child) -> Self {
        let mut said = BufReader::new(process.stderr.take().expect("its stderr was asked for"));
        let mut all = String::new();
        let address = loop {
            let mut line = String::new();
            let length = said.read_line(&mut line).expect("the server can be listened to");
            all.push_str(&line);
            assert!(length > 0, "the server ended, after it said: {all}");
            if let Some((_, address)) = line.split_once("Running on http://") {
                break address.trim().to_owned();
            }
        };
        // It says something of every request; nobody need hear it, but it must not have to wait.
        thread::spawn(move || io::copy(&mut said, &mut io::sink()));
        Self { process, address }
    }

    /// Returns where the server is reached.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the value of a variable that says how to reach the server, if it needs one.
    pub fn variable(&self, name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL" => Some(self.endpoint()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("testing".to_owned()),
            _ => None,
        }
    }

    /// Makes an empty bucket.
    ///
    /// # Panics
    ///
    /// If the server does not make it.
    pub fn make_bucket(&self, name: &str) {
        let answer = self.request("PUT", &format!("/{name}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "no bucket: {answer}");
    }

    /// Makes a request without a body, and returns the whole answer.
    ///
    /// # Panics
    ///
    /// If the server does not answer in text.
    pub fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        // The server tells its services apart by who signs for what.
        let scope = "Credential=testing/20261125/us-east-1/s3/aws4_request";
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\
             Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n\r\n",
            self.address
        )
        .expect("the server takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers in text");
        answer
    }
}

/// Lets the server answer one request after the other: it looks whether a key is there and puts it in
/// two steps, so that of two conditional puts at once both could succeed, as in no real store.
const ONE_BY_ONE: &str = "
import threading
from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication as App
turn, answer = threading.Lock(), App.__call__
def in_turn(self, environ, start_response):
    with turn:
        return answer(self, environ, start_response)
App.__call__ = in_turn
server.main()
";

/// Returns the server run in that way, by the Python that its program names in its first line.
fn one_by_one(program: &str) -> Option<Command> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&folders).map(|folder| folder.join(program));
    let text = places.find_map(|place| fs::read_to_string(place).ok())?;
    let mut command = Command::new(text.lines().next()?.strip_prefix("#!")?.trim());
    command.args(["-c", ONE_BY_ONE]);
    Some(command)
}

impl Drop for MotoServer {
    fn drop(&mut self) {
        // Whatever stands in the way, the test is over.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
