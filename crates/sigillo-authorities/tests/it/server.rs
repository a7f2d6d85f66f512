//! An HTTP server of one answer, written by hand so that it can do everything wrong.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

/// The server's address and, in the end, what its handler returned.
pub(crate) struct Server<T> {
    pub(crate) url: String,
    thread: JoinHandle<T>,
}

/// What a client sent.
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl<T: Send + 'static> Server<T> {
    /// Waits for one connection, reads one request and leaves the rest to `handler`.
    pub(crate) fn start(handler: impl FnOnce(Received, TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            // Whoever comes next, such as a follower of a redirect, is turned away.
            drop(listener);
            let received = read_request(&mut stream);
            handler(received, stream)
        });
        Self { url: format!("http://{address}/tsa"), thread }
    }

    /// Waits for the handler, which ends at the latest when the client has gone.
    pub(crate) fn finish(self) -> T {
        self.thread.join().expect("a handler that did not panic")
    }
}

impl Server<()> {
    /// Answers with these bytes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, mut stream| {
            // The client may have read enough before the end.
            drop(stream.write_all(&answer));
        })
    }
}

/// Waits until the client closes the connection, or for `limit`; tells whether it is still there.
pub(crate) fn is_connected_after(stream: &mut TcpStream, limit: Duration) -> bool {
    stream.set_read_timeout(Some(limit)).expect("a limit that is not zero");
    // The client has said all it has to say: what can be read now is the end.
    let error = stream.read_exact(&mut [0]).expect_err("no more bytes");
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// Returns a whole answer with status 200.
pub(crate) fn ok(content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn read_request(stream: &mut TcpStream) -> Received {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head that is text").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.expect("a length").parse().expect("a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    Received { head, body }
}
