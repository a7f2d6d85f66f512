//! Statements of a period in a log that ended: the next log proves them, for the key of the old one may
//! be lost.

use sigillo_merkle::consistency_path;
use sigillo_model::{FindingCode, Verdict, to_canonical};
use sigillo_proof::{EndedPeriod, EntryPlace, PERIOD_SCHEMA_OF_LOGS, PeriodDraft, PeriodStatement};

use crate::{
    mutations::{changes, each_scalar},
    period_log::Log,
    schema::compare,
    world::{Changes, digests},
};

const SCHEMA: &str = include_str!("../../../../docs/schemas/period-statement.json");

/// Returns the text of a note without its signatures.
fn bare(note: &str) -> String {
    note.split("\n\n").next().unwrap().to_owned() + "\n"
}

/// Drafts the statement of a period of a log, which then ends.
fn draft(log: &mut Log, after: usize, through: usize) -> PeriodDraft {
    let mut draft = log.draft(after, through);
    let end = log.world.tree.size();
    let path = consistency_path(log.sizes[through], end, &log.world.tree).unwrap();
    log.world.succeed(&Changes::default(), log.sizes.len() as u64);
    let created = EntryPlace { log: 1, index: draft.archive.created.index };
    draft.archive.created = log.world.line_at(created);
    draft.archive.successions = log.world.successions();
    draft.ended = Some(EndedPeriod {
        checkpoint: log.world.signed_checkpoint(),
        consistency: digests(&path),
    });
    draft.newer = bare(&draft.newer);
    draft.older = draft.older.as_deref().map(bare);
    draft
}

fn statement(log: &Log, draft: PeriodDraft) -> PeriodStatement {
    let stated = draft.state().unwrap();
    log.sealed(draft, &stated)
}

#[test]
fn a_period_of_a_log_that_ended_is_proven_by_the_next() {
    for (after, through) in [(0, 5), (0, 1), (2, 4), (3, 3)] {
        let mut log = Log::new();
        let draft = draft(&mut log, after, through);
        let statement = statement(&log, draft);
        assert_eq!(statement.schema, PERIOD_SCHEMA_OF_LOGS);
        let check = log.check(&statement);
        assert_eq!(check.verdict, Verdict::Intact, "{:?}", check.findings);
        assert_eq!(
            (check.generation, check.checkpoint.unwrap().size),
            (Some(1), log.sizes[through])
        );
        assert!(check.findings.iter().any(|it| it.code == FindingCode::LogSucceeded));
        let (schema, mut problems) = (serde_json::from_str(SCHEMA).unwrap(), Vec::new());
        compare(&schema, &schema, &serde_json::to_value(&statement).unwrap(), "", &mut problems);
        assert_eq!(problems, Vec::<String>::new());
    }
}

#[test]
fn nothing_in_a_statement_of_a_log_that_ended_can_be_changed() {
    let mut log = Log::new();
    let draft = draft(&mut log, 2, 4);
    let statement = statement(&log, draft);
    let whole = serde_json::to_value(&statement).unwrap();
    let mut unnoticed = Vec::new();
    each_scalar(&whole, "", &mut |path, value| {
        for change in changes(value) {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = change;
            let read = PeriodStatement::parse(&to_canonical(&changed));
            if read.is_ok_and(|read| log.check(&read).verdict == Verdict::Intact) {
                unnoticed.push(path.to_owned());
            }
        }
    });
    assert_eq!(unnoticed, Vec::<String>::new());
}

#[test]
fn who_can_seal_cannot_state_another_end_of_it() {
    let mut log = Log::new();
    let honest = draft(&mut log, 2, 4);
    let refused = |change: &dyn Fn(&mut PeriodDraft)| {
        let mut draft = honest.clone();
        change(&mut draft);
        log.check_refused(&statement(&log, draft), FindingCode::PeriodEntries)
    };
    let said = refused(&|it| it.newer = bare(&it.ended.as_ref().unwrap().checkpoint));
    assert!(said.contains("of no log that is proven to have ended"), "{said}");
    let said = refused(&|it| it.newer = it.older.clone().unwrap());
    assert!(said.contains("not of the log that ended"), "{said}");
    let said = refused(&|it| it.older = Some(bare(&it.ended.as_ref().unwrap().checkpoint)));
    assert!(said.contains("of another log"), "{said}");
    // A signed one would have a second spelling.
    let said = refused(&|it| it.newer = log.world.signed_checkpoint());
    assert!(said.contains("the newer checkpoint"), "{said}");
    let mut left_out = honest.clone();
    left_out.ended = None;
    let check = log.check(&statement(&log, left_out));
    assert_eq!(check.verdict, Verdict::Damaged, "{:?}", check.findings);
}
