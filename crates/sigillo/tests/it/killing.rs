//! The program killed at any moment of an ingest, as a machine or an impatient operator would: what
//! it left is no obstacle, and the next run brings everything in, once.

use std::{
    fs,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::program::{ENTITY, World, next, noise, tree};

/// Tells whether the long form of the tests was asked for.
fn slow() -> bool {
    std::env::var_os("SIGILLO_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// So many kills are aimed at one archive before it is brought to its end.
const KILLS_OF_ONE_ARCHIVE: u32 = 10;

/// The longest document of these tests, in bytes.
const DOCUMENT_BYTES_MAX: u64 = 8_000;

fn command(world: &World) -> Command {
    let mut command = world.command(["ingest", "carte", "--create", "--entity", ENTITY, "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits without doing anything.
fn pause(duration: Duration) {
    let (_sender, never) = mpsc::channel::<()>();
    never.recv_timeout(duration).ok();
}

/// Runs an ingest and kills it after `micros`; tells whether it was still alive then.
fn kill_after(world: &World, micros: u64) -> bool {
    let mut child = command(world).spawn().unwrap();
    pause(Duration::from_micros(micros));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    match status.code() {
        None => true,
        Some(code) => {
            assert_eq!(code, 0, "an ingest after kills ends with {status}");
            false
        }
    }
}

fn write_documents(world: &World, documents: u64, random: &mut u64) {
    for folder in 0..100 {
        fs::create_dir_all(world.source().join(folder.to_string())).unwrap();
    }
    for number in 0..documents {
        let length = next(random) % DOCUMENT_BYTES_MAX;
        let bytes = noise(number, usize::try_from(length).unwrap());
        let path = format!("{}/{number}.bin", number % 100);
        fs::write(world.source().join(path), bytes).unwrap();
    }
}

#[test]
fn whenever_it_is_killed_the_next_ingest_brings_everything_in_once() {
    let (documents, kills_wanted) = if slow() { (20_000, 200) } else { (2_000, 20) };
    let mut random = 0x5eed_2026;
    let world = World::new();
    write_documents(&world, documents, &mut random);
    // About as long as a whole ingest takes, which is found on the way.
    let mut whole_micros = 500_000;
    let (mut kills, mut archives) = (0, 0);
    while kills < kills_wanted {
        archives += 1;
        for place in ["archivio", "home"] {
            fs::remove_dir_all(world.place(place)).ok();
        }
        fs::create_dir(world.home()).unwrap();
        for _ in 0..KILLS_OF_ONE_ARCHIVE {
            if kill_after(&world, next(&mut random) % whole_micros) {
                kills += 1;
                whole_micros = whole_micros * 21 / 20;
            } else {
                whole_micros = whole_micros * 4 / 5;
                break;
            }
        }
        let ran = world.create_with(&["--json"]);
        let of = |name: &str| ran.json()["submissions"][0][name].as_u64().unwrap();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(of("archived") + of("already"), documents);
        world.check_intact(documents);
        assert!(world.export() == tree(&world.source()), "what comes back is not what was sent");
    }
    println!("{kills} kills of ingests of {documents} documents into {archives} archives");
}

#[test]
fn after_a_kill_between_batches_nothing_that_is_committed_is_read_again() {
    if !slow() {
        println!(
            "the short form leaves this out: it needs several batches, of 25,000 documents each"
        );
        return;
    }
    let world = World::new();
    let documents: u64 = 250_000;
    for folder in 0..250 {
        fs::create_dir_all(world.source().join(folder.to_string())).unwrap();
    }
    for number in 0..documents {
        let path = format!("{}/{number}.txt", number / 1000);
        fs::write(world.source().join(path), format!("documento {number:06}")).unwrap();
    }
    // What changed just before an ingest is not remembered: it could change again unseen.
    pause(Duration::from_secs(4));
    let each = "documento 000000".len() as u64;
    let mut child = command(&world).spawn().unwrap();
    // Commit 1 makes the archive, 2 receives the submission, 3 is the first batch.
    let first_batch = world.archive().join(format!("log/seq/{:020}", 3));
    while !first_batch.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        pause(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = world.create_with(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let submission = ran.json()["submissions"][0].clone();
    let of = |name: &str| submission[name].as_u64().unwrap();
    let (already, archived) = (of("already"), of("archived"));
    assert!(already >= 24_000 && archived < documents, "{already} already, {archived} archived");
    let read_again = of("bytes_read") - archived * each;
    println!("{already} documents already, {archived} archived, {read_again} bytes read again");
    assert!(read_again * 100 <= already * each, "{read_again} bytes were read again");
    world.check_intact(documents);
}

#[test]
fn an_archive_whose_making_died_before_its_first_commit_gets_it_from_whatever_writes_next() {
    for args in [&["ingest", "carte", "--create", "--entity", ENTITY][..], &["ingest", "carte"]] {
        let world = World::new();
        world.write("uno.txt", b"uno");
        assert_eq!(world.run(["init", "--entity", ENTITY]).code, 0);
        // As it is when the program dies right after `archive.json` is durable.
        fs::remove_dir_all(world.archive().join("log")).unwrap();
        let keys = tree(&world.home()).into_keys().map(|path| String::from_utf8(path).unwrap());
        let memory: Vec<_> = keys.filter(|path| path.ends_with("last-signed.json")).collect();
        let memory = world.home().join(&memory[0]);
        let mut signed: Value = serde_json::from_slice(&fs::read(&memory).unwrap()).unwrap();
        signed["last"] = Value::Null;
        fs::write(&memory, signed.to_string()).unwrap();
        for folder in [".local/state", ".config"] {
            fs::remove_dir_all(world.home().join(folder)).unwrap();
        }
        let ran = world.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        world.check_intact(1);
    }
}
