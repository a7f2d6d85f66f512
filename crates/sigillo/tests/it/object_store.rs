//! The program on an archive in an object store: `moto_server`, reached as any S3 is.

use std::{fs, process::Command};

use sigillo_testkit::MotoServer;

use crate::program::{ENTITY, Ran, World, finish, noise, tree};

/// More than a pack may have in memory on its way.
const LARGE_BYTES: usize = 40 << 20;

/// What must never be seen.
const SECRET: &str = "segretissimo-e-lunghissimo";

/// A home, a source, and a server with one bucket.
struct Remote {
    world: World,
    server: MotoServer,
    place: &'static str,
}

impl Remote {
    /// Starts a server with a bucket `archivi`, and writes a source.
    fn start() -> Option<Self> {
        let server = MotoServer::start_or_skip()?;
        server.make_bucket("archivi");
        let world = World::new();
        for number in 0..30 {
            let name = format!("anno/{}/atto {number}.txt", number % 3);
            world.write(&name, format!("atto numero {number}").as_bytes());
        }
        world.write("vuoto", b"");
        Some(Self { world, server, place: "s3://archivi/enti/prova" })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("SIGILLO_ARCHIVE", self.place);
        command.env("AWS_ACCESS_KEY_ID", "chiave").env("AWS_SECRET_ACCESS_KEY", SECRET);
        command.env("AWS_ENDPOINT_URL", self.server.endpoint());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args))
    }

    #[track_caller]
    fn check_intact(&self, documents: u64) {
        let ran = self.run(&["verify", "--full", "--json"]);
        let report = ran.json();
        assert_eq!((ran.code, &report["verdict"]), (0, &"intact".into()), "{report}");
        assert_eq!(report["documents_read"], documents);
    }

    #[track_caller]
    fn check_exported(&self) {
        let output = tempfile::tempdir_in(self.world.folder.path()).unwrap();
        let ran = self.run(&["export", "--all", "-o", output.path().to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let given_back = tree(&output.path().join("carte"));
        assert!(given_back == tree(&self.world.source()), "other files were given back");
    }
}

#[test]
fn documents_go_into_a_bucket_are_verified_there_and_come_back() {
    let Some(remote) = Remote::start() else { return };
    remote.world.write("grande.bin", &noise(7, LARGE_BYTES));
    remote.run(&["init", "--entity", ENTITY, remote.place]).check(0, "");
    remote.run(&["ingest", "carte"]).check(0, "32 documents archived");
    remote.check_intact(32);
    remote.run(&["status"]).check(0, "");
    let within = format!("{}/altro", remote.place);
    let ran = remote.run(&["init", "--entity", ENTITY, &within]);
    ran.check_error(1, "INSIDE_ARCHIVE: s3://archivi/enti/prova holds an archive");
    remote.check_exported();
    remote.run(&["ingest", "carte"]).check(0, "0 documents archived, 32 there before");
    let bucket = remote.server.request("GET", "/archivi?list-type=2&prefix=enti/prova/");
    assert!(bucket.contains("<Key>enti/prova/archive.json</Key>"), "{bucket}");
    assert!(!bucket.contains("enti/prova/probe/"), "a probe stays: {bucket}");
    // Large packs wait in the state folder, and nothing of them stays there.
    let spool = remote.world.home().join(".local/state/sigillo/spool");
    assert_eq!(fs::read_dir(spool).unwrap().count(), 0);
}

#[test]
fn two_ingests_into_one_bucket_both_succeed() {
    let Some(remote) = Remote::start() else { return };
    remote.run(&["init", "--entity", ENTITY, remote.place]).check(0, "");
    fs::create_dir(remote.world.place("altre")).unwrap();
    for number in 0..30 {
        fs::write(remote.world.place(format!("altre/{number}")), [number]).unwrap();
    }
    let runs = std::thread::scope(|scope| {
        let started = ["carte", "altre"].map(|folder| {
            let command = remote.command(&["ingest", folder]);
            scope.spawn(move || finish(command))
        });
        started.map(|run| run.join().unwrap())
    });
    for ran in &runs {
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    remote.check_intact(61);
    remote.check_exported();
}

#[test]
fn what_is_wrong_with_a_service_is_said_with_a_remedy_and_without_the_secret() {
    let Some(remote) = Remote::start() else { return };
    let mut without = remote.command(&["status"]);
    without.env_remove("AWS_SECRET_ACCESS_KEY");
    finish(without).check_error(1, "AWS_SECRET_ACCESS_KEY is missing: set it");

    let mut nameless = remote.command(&["status"]);
    nameless.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    finish(nameless).check_error(1, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");

    let mut elsewhere = remote.command(&["init", "--entity", ENTITY, "s3://nessuno/x"]);
    elsewhere.env("SIGILLO_LOG", "trace");
    let ran = finish(elsewhere);
    ran.check_error(1, "there is no bucket nessuno");
    assert!(ran.stderr.contains("make it, or mend the name"), "{ran:?}");
    assert!(!ran.stderr.contains(SECRET), "the secret is in the log");

    let ran = remote.run(&["status"]);
    ran.check_error(1, "sigillo init");
    let with_key = format!("s3://chiave:{SECRET}@archivi/x");
    let ran = remote.run(&["status", "--archive", &with_key]);
    ran.check_error(1, "in the environment");
    assert!(!ran.stderr.contains(SECRET), "{ran:?}");
}

#[test]
fn a_service_out_of_reach_is_a_reason_to_try_again() {
    let Some(remote) = Remote::start() else { return };
    remote.run(&["init", "--entity", ENTITY, remote.place]).check(0, "");
    let Remote { world, server, place } = remote;
    let endpoint = server.endpoint();
    drop(server);
    let mut command = world.command(["status"]);
    command.env("SIGILLO_ARCHIVE", place).env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_ACCESS_KEY_ID", "chiave").env("AWS_SECRET_ACCESS_KEY", SECRET);
    finish(command).check_error(4, "cannot be reached");
}
