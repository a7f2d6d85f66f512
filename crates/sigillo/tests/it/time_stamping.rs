//! Time-stamping authorities that do everything wrong: the ingest succeeds, the sealing waits, nothing
//! invalid is kept, and a later request succeeds.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use sigillo_authorities::{KeyFolder, RESPONSE_BYTES_MAX, TimeStampAuthority as _, TrialAuthority};
use sigillo_ers::TimeStampRequest;
use sigillo_model::Sha256Digest;
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::program::{ENTITY, World};

/// What an authority answers with.
const REPLY: &str = "application/timestamp-reply";

/// How long the program waits for an answer.
const SECONDS_MAX: u64 = 2;

/// Answers requests, one after the other, until the test ends; returns its address.
pub(crate) fn serve(handler: impl Fn(Vec<u8>, TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let body = read_request(&mut stream);
            handler(body, stream);
        }
    });
    format!("http://{address}/tsa")
}

fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Says that so many bytes of an answer follow.
fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {REPLY}\r\nContent-Length: {length}\r\n\r\n")
}

pub(crate) fn answer(mut stream: TcpStream, body: &[u8]) {
    // The client may have had enough before the end.
    drop(stream.write_all(head(body.len()).as_bytes()).and_then(|()| stream.write_all(body)));
}

/// Answers as the trial authority does, to a request that is another than the one made.
fn twisted(
    authority: TrialAuthority,
    twist: impl Fn(TimeStampRequest) -> TimeStampRequest + Send + 'static,
) -> String {
    serve(move |body, stream| {
        let request = twist(TimeStampRequest::parse(&body).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        answer(stream, &runtime.block_on(authority.ask(&request.to_der())).unwrap());
    })
}

/// The keys of an archive in a world.
fn key_folder(world: &World) -> PathBuf {
    let keys = world.home().join(".local/share/sigillo/keys");
    keys.read_dir().unwrap().next().unwrap().unwrap().path()
}

/// The time, as the archive has it.
pub(crate) fn now(world: &World) -> Timestamp {
    let status = world.run(["status", "--json"]).json();
    status["newest_commit_at"].as_str().unwrap().parse().unwrap()
}

fn authority_at(keys: &Path, at: Timestamp) -> TrialAuthority {
    let (clock, entropy) = (Arc::new(ManualClock::at(at)), Arc::new(SeededEntropy::new(1)));
    KeyFolder::open(keys).unwrap().trial_authority(clock, entropy)
}

/// Keys that have nothing to do with the archive, made at some time.
fn other_keys(world: &World, made_at: Timestamp) -> PathBuf {
    let path = world.place("others");
    let clock = ManualClock::at(made_at);
    KeyFolder::create(&path, ENTITY, &clock, &SeededEntropy::new(2)).unwrap();
    path
}

/// What an authority does wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wrong {
    Refuses,
    Unreachable,
    Hangs,
    ByteByByte,
    TooMuch,
    Garbage,
    Nonce,
    Imprint,
    Policy,
    Untrusted,
    Expired,
    Fast,
    Slow,
}

/// Sets up an authority that does this wrong; returns its address and the anchor of its tokens.
fn set_up(world: &World, wrong: Wrong) -> (String, PathBuf) {
    let (keys, now) = (key_folder(world), now(world));
    let day = SignedDuration::from_hours(24);
    let root = keys.join("root.pem");
    let good = authority_at(&keys, now);
    let url = match wrong {
        Wrong::Refuses => {
            serve(|_, stream| answer(stream, &sigillo_ers::refusal("closed for holidays")))
        }
        Wrong::Unreachable => "http://127.0.0.1:9/tsa".to_owned(),
        Wrong::Hangs => serve(|_, mut stream| {
            // Until the client has had enough.
            drop(stream.read(&mut [0]));
        }),
        Wrong::ByteByByte => serve(|_, mut stream| {
            let mut sent = stream.write_all(head(1_000).as_bytes());
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            while sent.is_ok() && !matches!(stream.read(&mut [0]), Ok(0)) {
                sent = stream.write_all(b"x");
            }
        }),
        Wrong::TooMuch => serve(|_, mut stream| {
            let mut sent = stream.write_all(head(100 << 20).as_bytes());
            for _ in 0..100 {
                sent = sent.and_then(|()| stream.write_all(&vec![0; RESPONSE_BYTES_MAX]));
            }
            drop(sent);
        }),
        Wrong::Garbage => serve(|_, stream| answer(stream, &crate::program::noise(7, 4_000))),
        Wrong::Nonce => twisted(good, |it| TimeStampRequest { nonce: [9; 8], ..it }),
        Wrong::Imprint => {
            twisted(good, |it| TimeStampRequest { imprint: Sha256Digest::of(b"x").into(), ..it })
        }
        Wrong::Policy => twisted(good, |it| it),
        Wrong::Untrusted => twisted(authority_at(&other_keys(world, now), now), |it| it),
        Wrong::Expired => {
            let keys = other_keys(world, "1971-01-01T00:00:00Z".parse().unwrap());
            return (twisted(authority_at(&keys, now), |it| it), keys.join("root.pem"));
        }
        Wrong::Fast => twisted(authority_at(&keys, now + day), |it| it),
        Wrong::Slow => twisted(authority_at(&keys, now - day), |it| it),
    };
    (url, root)
}

pub(crate) fn write_settings(
    world: &World,
    url: &str,
    anchor: &Path,
    policy: Option<&str>,
) -> PathBuf {
    let file = world.home().join(".config/sigillo/settings.toml");
    let policy = policy.map_or_else(String::new, |policy| format!("policy = \"{policy}\"\n"));
    let settings = format!(
        "[[authorities]]\nname = \"Altrove\"\nurl = \"{url}\"\nanchor_file = {:?}\n\
         answer_seconds_max = {SECONDS_MAX}\n{policy}",
        anchor.to_str().unwrap()
    );
    fs::write(&file, settings).unwrap();
    file
}

fn tokens(world: &World) -> Vec<String> {
    world.objects().into_iter().filter(|key| key.contains("/lines/")).collect()
}

#[rstest]
#[case::that_refuses(Wrong::Refuses, "closed for holidays")]
#[case::that_cannot_be_reached(Wrong::Unreachable, "reached")]
#[case::that_hangs(Wrong::Hangs, "2 s")]
#[case::that_sends_a_byte_a_second(Wrong::ByteByByte, "2 s")]
#[case::that_sends_100_mib(Wrong::TooMuch, "more than 1048576 bytes")]
#[case::that_sends_garbage(Wrong::Garbage, "malformed")]
#[case::with_another_nonce(Wrong::Nonce, "nonce")]
#[case::with_another_imprint(Wrong::Imprint, "is over")]
#[case::with_another_policy(Wrong::Policy, "under policy")]
#[case::with_a_certificate_of_others(Wrong::Untrusted, "anchor")]
#[case::with_a_certificate_that_expired(Wrong::Expired, "valid")]
#[case::whose_clock_is_a_day_fast(Wrong::Fast, "clock")]
#[case::whose_clock_is_a_day_slow(Wrong::Slow, "clock")]
fn an_authority_stops_nothing_and_leaves_nothing(#[case] wrong: Wrong, #[case] words: &str) {
    let world = World::with(&[("uno.txt", b"uno")]);
    let (url, anchor) = set_up(&world, wrong);
    let policy = (wrong == Wrong::Policy).then_some("1.2.840.99999.7");
    let settings = write_settings(&world, &url, &anchor, policy);
    let before = tokens(&world);
    world.write("due.txt", b"due");
    let ran = world.ingest(&[]);
    ran.check(0, "carte: 1 document archived, 1 there before, 0 refused");
    ran.check(0, "The authority Altrove did not help: ");
    ran.check(0, words);
    ran.check(0, "wait for a time-stamp; nothing is lost. Later: sigillo seal --stamp-only");
    assert_eq!(tokens(&world), before, "{wrong:?}: something was kept as a token");
    let status = world.run(["status"]);
    let line = "plain-sha256-unqualified, the oldest since 20";
    status.check(0, &format!("2 sealings wait for a time-stamp on the line {line}"));
    world.run(["verify"]).check(0, "note F505");
    let ran = world.run(["seal", "--stamp-only"]);
    ran.check(4, "The authority Altrove did not help: ");
    assert_eq!(tokens(&world), before, "{wrong:?}: something was kept as a token");
    // Somebody who does it right.
    let good = twisted(authority_at(&key_folder(&world), now(&world)), |request| request);
    write_settings(&world, &good, &key_folder(&world).join("root.pem"), None);
    world.run(["seal", "--stamp-only"]).check(0, "Sealing 2 has a TRIAL time-stamp");
    assert!(tokens(&world).len() > before.len());
    assert!(!world.run(["status"]).stdout.contains("wait"));
    fs::remove_file(settings).unwrap();
    world.check_intact(2);
}

#[test]
fn a_policy_that_is_none_is_told_before_anything_is_asked() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let root = key_folder(&world).join("root.pem");
    write_settings(&world, "http://127.0.0.1:9/", &root, Some("qualified"));
    let ran = world.run(["seal", "--stamp-only"]);
    ran.check_error(1, "gives the authority Altrove a policy that is no OID");
    ran.check_error(1, "write it as numbers and dots");
}
