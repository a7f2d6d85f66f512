//! `sigillo sweep`: what no commit names is listed and, where that is asked for, removed.

use serde_json::{Value, json};

use sigillo_custody::{SweepOutcome, SweepPlan, perform_sweep, plan_sweep};
use sigillo_store::ListedObject;

use crate::{
    cli::SweepArgs,
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    output::{grouped, size_text, visible},
};

/// At most so many objects are printed one by one.
const PRINTED_MAX: usize = 20;

/// At most so many objects are listed in JSON; all are counted.
const LISTED_MAX: usize = 10_000;

/// Shows what would be removed and, with `--yes`, removes it.
pub(crate) async fn run(context: &Context, args: SweepArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    if !args.yes {
        let plan = plan_sweep(&archive).await?;
        let mut text = plan_text(&plan);
        text.push_str(if plan.unnamed.is_empty() && plan.staging.is_empty() {
            "There is nothing to sweep.\n"
        } else {
            "Nothing was removed. To remove it: sigillo sweep --yes\n"
        });
        let value = json!({"performed": false, "plan": plan_json(&plan), "outcome": null});
        context.output.result("sigillo.sweep/1", &text, value);
        return Ok(EXIT_CLEAN);
    }
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let plan = plan_sweep(&archive).await?;
    let (mut text, planned) = (plan_text(&plan), plan_json(&plan));
    // The plan is shown before anything is removed.
    if !context.output.is_json() {
        context.output.data(&std::mem::take(&mut text));
    }
    let outcome = perform_sweep(&mut log, plan).await?;
    let value = json!({"performed": true, "plan": planned, "outcome": outcome_json(&outcome)});
    context.output.result("sigillo.sweep/1", &outcome_text(&outcome), value);
    context.remember_signed_or_warn(&archive, &keys);
    Ok(EXIT_CLEAN)
}

fn plan_text(plan: &SweepPlan) -> String {
    let mut text = format!(
        "No commit up to {} names {} objects, {}.\n",
        plan.head,
        grouped(plan.unnamed.len() as u64),
        size_text(bytes_of(&plan.unnamed)),
    );
    push_objects(&mut text, &plan.unnamed);
    if !plan.staging.is_empty() {
        text.push_str(&format!(
            "{} files were not finished, {}; they go if nobody else writes to the archive.\n",
            grouped(plan.staging.len() as u64),
            size_text(bytes_of(&plan.staging)),
        ));
        push_objects(&mut text, &plan.staging);
    }
    for (count, what) in [
        (plan.unfinished, "reports of submissions that did not come to their end"),
        (plan.strange, "files that are not Sigillo's"),
        (plan.batches, "lists of batches that no commit names, which are small"),
    ] {
        if count > 0 {
            text.push_str(&format!("{} {what} stay.\n", grouped(count)));
        }
    }
    if plan.more {
        text.push_str("There is more: sweep again afterwards.\n");
    }
    text
}

fn push_objects(text: &mut String, objects: &[ListedObject]) {
    for object in objects.iter().take(PRINTED_MAX) {
        let (key, size) = (visible(object.key.as_str()), size_text(object.size_bytes));
        text.push_str(&format!("  {key}  {size}\n"));
    }
    if objects.len() > PRINTED_MAX {
        let more = (objects.len() - PRINTED_MAX) as u64;
        text.push_str(&format!("  and {} more; --json lists them\n", grouped(more)));
    }
}

fn outcome_text(outcome: &SweepOutcome) -> String {
    let mut text = format!(
        "Removed {} objects, {}, after commit {} put epoch {} in force.\n",
        grouped(outcome.removed.len() as u64),
        size_text(bytes_of(&outcome.removed)),
        outcome.commit,
        outcome.epoch,
    );
    for (count, what) in [
        (outcome.named_since, "objects came to be named meanwhile and stay."),
        (outcome.vanished, "objects were gone already."),
    ] {
        if count > 0 {
            text.push_str(&format!("{} {what}\n", grouped(count)));
        }
    }
    if outcome.staging.in_use {
        text.push_str(
            "Unfinished files stay: another program writes to the archive, or that cannot be told. \
             Sweep again when it is done.\n",
        );
    } else if !outcome.staging.removed.is_empty() {
        text.push_str(&format!(
            "Removed {} unfinished files, {}.\n",
            grouped(outcome.staging.removed.len() as u64),
            size_text(bytes_of(&outcome.staging.removed)),
        ));
    }
    text
}

fn plan_json(plan: &SweepPlan) -> Value {
    json!({
        "head": plan.head,
        "kept": {
            "batches": plan.batches,
            "strange": plan.strange,
            "unfinished": plan.unfinished,
        },
        "more": plan.more,
        "staging": objects_json(&plan.staging),
        "unnamed": objects_json(&plan.unnamed),
    })
}

fn outcome_json(outcome: &SweepOutcome) -> Value {
    json!({
        "commit": outcome.commit,
        "epoch": outcome.epoch,
        "named_since": outcome.named_since,
        "removed": objects_json(&outcome.removed),
        "staging": objects_json(&outcome.staging.removed),
        "staging_in_use": outcome.staging.in_use,
        "vanished": outcome.vanished,
    })
}

fn objects_json(objects: &[ListedObject]) -> Value {
    let listed = objects.iter().take(LISTED_MAX);
    json!({
        "bytes": bytes_of(objects),
        "count": objects.len(),
        "objects": listed
            .map(|object| json!({"key": object.key.as_str(), "size": object.size_bytes}))
            .collect::<Vec<_>>(),
    })
}

fn bytes_of(objects: &[ListedObject]) -> u64 {
    objects.iter().map(|object| object.size_bytes).sum()
}
