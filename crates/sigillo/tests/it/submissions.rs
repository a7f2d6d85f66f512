//! Submissions as the log tells of them: completed, with refusals, and without an end.

use std::{fs, os::unix::fs::symlink};

use serde_json::Value;

use crate::program::World;

fn listed(world: &World, which: &str) -> Vec<Value> {
    let ran = world.run(["submission", which, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let submissions = ran.json()["submissions"].as_array().unwrap().clone();
    for it in &submissions {
        let count = |name: &str| it[name].as_u64().unwrap();
        let sum = ["archived", "already", "refused", "pending"].map(count).iter().sum::<u64>();
        assert_eq!(count("received"), sum, "{it}");
    }
    submissions
}

#[test]
fn submissions_are_listed_with_what_became_of_them() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    symlink("uno.txt", world.source().join("rinvio")).unwrap();
    assert_eq!(world.create().code, 1);
    world.write("due.txt", b"due");
    assert_eq!(world.ingest(&["--source", "altra"]).code, 1);
    let all = listed(&world, "list");
    let counts = |it: &Value| {
        ["received", "archived", "already", "refused"].map(|name| it[name].as_u64().unwrap())
    };
    assert_eq!(all.iter().map(counts).collect::<Vec<_>>(), [[2, 1, 0, 1], [3, 2, 0, 1]]);
    assert_eq!((&all[0]["source"], &all[1]["source"]), (&"carte".into(), &"altra".into()));
    assert_eq!(listed(&world, "pending"), Vec::<Value>::new());
    world.run(["submission", "pending"]).check(0, "Nothing is pending");
    let newest = world.run(["submission", "list", "--count", "1"]);
    newest.check(0, "1 of 2 submissions; --count shows more.");
    newest.check(0, "  altra  completed\n  3 documents: 2 archived, 1 refused\n");
    assert!(!newest.stdout.contains("carte"), "{newest:?}");
}

#[test]
fn a_submission_without_an_end_is_pending() {
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.write("due.txt", b"due");
    assert_eq!(world.create_with(&["--no-seal"]).code, 0);
    // As if the program had been killed before its last commit.
    let commits: Vec<_> =
        world.objects().into_iter().filter(|key| key.starts_with("log/seq/")).collect();
    fs::remove_file(world.archive().join(commits.last().unwrap())).unwrap();
    // What is published says that there was more.
    let ran = world.run(["submission", "pending"]);
    ran.check_error(5, "commit 4");
    fs::remove_file(world.archive().join("log/checkpoint")).unwrap();
    let pending = listed(&world, "pending");
    assert_eq!(pending.len(), 1);
    assert_eq!((&pending[0]["completed_at"], &pending[0]["archived"]), (&Value::Null, &2.into()));
    // And before that of its batch.
    fs::remove_file(world.archive().join(&commits[commits.len() - 2])).unwrap();
    let pending = listed(&world, "pending");
    assert_eq!((&pending[0]["pending"], &pending[0]["archived"]), (&2.into(), &0.into()));
    let ran = world.run(["submission", "pending"]);
    ran.check(0, "  carte  WITHOUT AN END\n  2 documents: 0 archived, 2 pending; interrupted");
    ran.check(0, "The same ingest again takes in what is pending");
}
