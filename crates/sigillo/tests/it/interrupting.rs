//! Ctrl-C in the middle of an ingest: what was begun is finished, and the rest comes later.

use std::{process::Command, sync::mpsc, time::Duration};

use serde_json::Value;

use crate::program::{Ran, World, finish_with, tree};

/// Enough documents that the program is not done before it is stopped.
const DOCUMENTS: u64 = 6000;

/// Looks so often whether the archive is there, at most so many times.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const LOOKS_MAX: usize = 30_000;

/// The program is stopped in the middle at least once in so many tries.
const TRIES: usize = 5;

/// Ingests the source into a new archive and interrupts it once the log has begun.
fn interrupted(world: &World) -> Ran {
    let entity = ["ingest", "carte", "--create", "--entity", crate::program::ENTITY, "--json"];
    let first_commit = world.archive().join(format!("log/seq/{:020}", 1));
    finish_with(world.command(entity), |process| {
        let (_sender, never) = mpsc::channel::<()>();
        for _ in 0..LOOKS_MAX {
            if first_commit.exists() {
                break;
            }
            never.recv_timeout(LOOK_EVERY).ok();
        }
        // A process that is done already cannot be told; then it is tried again.
        Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap();
    })
}

#[test]
fn an_interrupted_ingest_finishes_what_was_begun_and_is_completed_by_the_next() {
    for _ in 0..TRIES {
        let world = World::new();
        for number in 0..DOCUMENTS {
            world.write(&format!("{}/{number}.txt", number % 7), number.to_string().as_bytes());
        }
        let ran = interrupted(&world);
        if ran.code != 130 || ran.stdout.is_empty() {
            continue;
        }
        assert!(ran.stderr.contains("Finishing what was begun"), "{ran:?}");
        let report = ran.json();
        assert_eq!(report["stopped"], true);
        let first = report["submissions"][0].clone();
        let archived = first["archived"].as_u64().unwrap_or(0);
        world.check_intact(archived);
        if first["pending"].as_u64().is_some_and(|pending| pending > 0) {
            world.run(["submission", "list"]).check(0, "  carte  INTERRUPTED\n");
        }
        let made_up = || {
            let pending = world.run(["submission", "pending", "--json"]).json();
            pending["submissions"][0]["made_up_in"].clone()
        };
        assert_eq!(made_up(), Value::Null);
        let ran = world.ingest(&["--json"]);
        let rest = ran.json()["submissions"][0].clone();
        assert_eq!(ran.code, 0, "{rest}");
        assert_eq!((&rest["already"], &rest["refused"]), (&archived.into(), &0.into()));
        if first["pending"].as_u64().is_some_and(|pending| pending > 0) {
            assert_eq!(made_up(), rest["submission"]);
            world
                .run(["submission", "pending"])
                .check(0, "the same source came to its end later, in ");
        }
        world.check_intact(DOCUMENTS);
        assert_eq!(world.export(), tree(&world.source()));
        return;
    }
    panic!("the program was never stopped in the middle");
}
