//! Every operation on documents that the archive has, under every fault and beside other ingests.

use std::cell::RefCell;

use sigillo_model::{DocumentKey, Sha256Digest};
use sigillo_simulator::{
    Actor, Bounds, Expected, Gate, Schedule, Sending, Template, World, checker, run_to_end,
};
use sigillo_testkit::{Durability, Fault};

use crate::{
    faults::check_every_call_of,
    ingests::{Beside, check_all, check_ingests_of},
    support::{LAST_EVERY, either},
};

const HEADER: &str = "path;structure;register;year;number;subject;aggregation;closed_on;operation";

fn register(number: &str) -> DocumentKey {
    DocumentKey::Register {
        number: number.to_owned(),
        register: "protocollo".to_owned(),
        structure: "AOO1".to_owned(),
        year: "2026".to_owned(),
    }
}

fn expected(number: &str, version: u32, first_file: &str) -> Expected {
    let sha256 = Sha256Digest::of(first_file.as_bytes());
    Expected { key: register(number), number: version, sha256 }
}

/// A sending of files whose bytes are given, described by rows of `path;number;subject;…`.
fn sending(
    files: &[(&str, &str)],
    rows: &[(&str, &str, &str)],
    expected: Vec<Expected>,
) -> Sending {
    let files: Vec<_> = files.iter().map(|(name, it)| (*name, it.as_bytes().to_vec())).collect();
    let rows = rows
        .iter()
        .map(|(path, number, rest)| format!("\n{path};AOO1;protocollo;2026;{number};{rest}"));
    let table = format!("{HEADER}{}", rows.collect::<String>());
    Sending::described(&files, &table, expected).unwrap()
}

/// Three documents, two of them in an aggregation.
fn first() -> Sending {
    sending(
        &[("uno.txt", "uno"), ("due.txt", "due"), ("tre.txt", "tre")],
        &[
            ("uno.txt", "1", "Primo;2026/1;;"),
            ("due.txt", "2", "Secondo;2026/1;;"),
            ("tre.txt", "3", "Terzo;;;"),
        ],
        vec![expected("1", 1, "uno"), expected("2", 1, "due"), expected("3", 1, "tre")],
    )
}

/// Every operation once: other content, a late attachment, a correction that brings a document to an
/// aggregation, and a new document that closes the other one.
fn second() -> Sending {
    sending(
        &[("uno.txt", "UNO"), ("allegato.txt", "allegato"), ("quattro.txt", "quattro")],
        &[
            ("uno.txt", "1", "Primo;2026/1;;new-version"),
            ("allegato.txt", "2", ";;;added-file"),
            ("tre.txt", "3", "Terzo, corretto;2026/2;;corrected-metadata"),
            ("quattro.txt", "4", "Quarto;2026/1;31/12/2026;"),
        ],
        vec![
            expected("1", 2, "UNO"),
            expected("2", 2, "due"),
            expected("3", 2, "tre"),
            expected("4", 1, "quattro"),
        ],
    )
}

async fn template() -> Template {
    let template = Template::make(Durability::OnAnswer, 0, &[]).await.unwrap();
    let template = template.followed_by(first()).await.unwrap();
    template.followed_by(second()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_during_an_operation_breaks_a_promise() {
    let template = template().await;
    for fault in Fault::ALL {
        check_every_call_of(&template, fault, 0).await;
    }
    check_every_call_of(&template, Fault::Fails, 1).await;
}

#[test]
fn the_same_operations_from_two_processes_at_once_are_done_once() {
    let template = run_to_end(Box::pin(template()));
    let bounds = either(Bounds::all(1, 0), Bounds::all(3, 0).last_every(LAST_EVERY));
    check_ingests_of("two ingests of operations", &template, Beside::Ingest, bounds);
}

#[test]
fn operations_that_a_sweep_overtakes_are_done_anew() {
    let template = run_to_end(Box::pin(template()));
    let bounds = either(Bounds::all(1, 0), Bounds::all(3, 0).last_every(LAST_EVERY));
    check_ingests_of("operations and a sweep", &template, Beside::Sweep, bounds);
}

/// What became of a sending: how many documents were archived, and how many refused.
type Counts = RefCell<Vec<(&'static str, u64, u64)>>;

fn actor<'a>(
    name: &'static str,
    number: u64,
    (world, sending): (&'a World<'_>, &'a Sending),
    counts: &'a Counts,
) -> Actor<'a> {
    let gate = Gate::default();
    let store = gate.wrap(&world.backend().store());
    let mut process = run_to_end(world.open(store, number)).unwrap();
    let work = async move {
        let outcome = world.ingest_other(&mut process, sending).await.unwrap();
        counts.borrow_mut().push((name, outcome.archived, outcome.refused));
    };
    Actor::new(name, gate, Box::pin(work))
}

/// One sending closes an aggregation while another one brings a document to it.
fn run_closing(schedule: &mut Schedule, template: &Template, bounds: Bounds) -> Vec<String> {
    let closing = sending(
        &[("chiude.txt", "chiude")],
        &[("chiude.txt", "8", "Chiude;2026/1;31/12/2026;")],
        vec![expected("8", 1, "chiude")],
    );
    let entering = sending(
        &[("entra.txt", "entra"), ("sta fuori.txt", "fuori")],
        &[("entra.txt", "9", "Entra;2026/1;;"), ("sta fuori.txt", "10", "Sta fuori;;;")],
        vec![expected("9", 1, "entra"), expected("10", 1, "fuori")],
    );
    let world = template.world(1).unwrap();
    let counts = RefCell::default();
    let mut actors = [
        actor("closing", 500, (&world, &closing), &counts),
        actor("entering", 501, (&world, &entering), &counts),
    ];
    schedule.run(&mut actors, bounds, &mut || {});
    drop(actors);
    let mut violations = checker::check(&world.snapshot(), world.outside());
    violations.extend(checker::check_members(&world.snapshot()));
    let mut wrong: Vec<String> = violations.iter().map(ToString::to_string).collect();
    for (name, archived, refused) in counts.into_inner() {
        let allowed: &[_] = if name == "closing" { &[(1, 0)] } else { &[(2, 0), (1, 1)] };
        if !allowed.contains(&(archived, refused)) {
            wrong.push(format!("{name}: {archived} archived, {refused} refused"));
        }
    }
    wrong
}

#[test]
fn no_document_enters_an_aggregation_that_another_process_closed() {
    let template = run_to_end(Box::pin(async {
        let template = Template::make(Durability::OnAnswer, 0, &[]).await.unwrap();
        let none = Sending::of_files(&[]).unwrap();
        template.followed_by(first()).await.unwrap().followed_by(none).await.unwrap()
    }));
    let bounds = either(Bounds::all(2, 0), Bounds::all(3, 0).last_every(LAST_EVERY));
    check_all("closing and entering", bounds, |it| run_closing(it, &template, bounds));
}
