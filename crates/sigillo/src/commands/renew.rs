//! `sigillo renew`: which time-stamps come to their end and, where that is asked for, a newer one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use sigillo_authorities::Refusal;
use sigillo_evidence_log::{RenewOutcome, RenewalPlan, RenewalRules, Renewer, plan_renewals};
use sigillo_model::{Finding, Verdict};

use crate::{
    cli::RenewArgs,
    commands::{
        EXIT_TRANSIENT,
        er::{algorithms, due_in_json, due_text, second},
        gather,
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, visible},
};

/// Shows what is to be renewed and, with `--yes`, renews it.
pub(crate) async fn run(context: &Context, args: RenewArgs) -> Result<u8, CommandError> {
    if args.gather {
        return gather::run(context, args.yes).await;
    }
    let archive = context.archive().await?;
    let (algorithms, anchors) = (algorithms()?, context.knowledge(&archive)?.anchors);
    let rules = RenewalRules {
        line: context.line()?,
        anchors: &anchors,
        algorithms: &algorithms,
        at: context.clock.now(),
        lead: SignedDuration::from_hours(24 * i64::from(args.lead_days)),
        all: args.all,
    };
    if !args.yes {
        let plan = plan_renewals(&archive, &rules).await?;
        let mut text = plan_text(&plan);
        if !plan.due.is_empty() {
            text.push_str("Nothing was renewed. To renew it: sigillo renew --yes\n");
        }
        text.push_str(&findings_text(&plan.findings, 0));
        let value = json!({"outcome": null, "performed": false, "plan": plan_json(&plan)});
        context.output.result("sigillo.renew/1", &text, value);
        return Ok(exit_code(&plan.findings));
    }
    let keys = context.keys(&archive)?;
    let (authorities, line) = context.authorities(&keys)?;
    let mut log = context.log(&archive, &keys).await?;
    let plan = plan_renewals(&archive, &RenewalRules { line, ..rules }).await?;
    let mut text = plan_text(&plan);
    // The plan is shown before anything is asked for.
    if !context.output.is_json() {
        context.output.data(&std::mem::take(&mut text));
    }
    let renewer = Renewer {
        authorities: &authorities,
        algorithms: &algorithms,
        clock: &*context.clock,
        entropy: &*context.entropy,
    };
    let outcome = renewer.renew(&mut log, &plan).await?;
    context.remember_signed_or_warn(&archive, &keys);
    text.push_str(&outcome_text(&outcome));
    text.push_str(&findings_text(&plan.findings, 0));
    let planned = plan_json(&plan);
    let value = json!({"outcome": outcome_json(&outcome), "performed": true, "plan": planned});
    context.output.result("sigillo.renew/1", &text, value);
    let damaged = Verdict::of(&plan.findings) == Verdict::Damaged;
    let code = exit_code(&plan.findings);
    Ok(if outcome.waiting > 0 && !damaged { EXIT_TRANSIENT } else { code })
}

fn plan_text(plan: &RenewalPlan) -> String {
    let mut text = match plan.due.len() as u64 {
        0 => format!("Evidence line {}: nothing is to be renewed.\n", plan.line),
        due => format!(
            "Evidence line {}: the time-stamps of {} are to be renewed, by one newer time-stamp.\n",
            plan.line,
            counted(due, "sealing"),
        ),
    };
    let due = plan.due.iter().filter_map(|it| it.due.as_ref());
    if let Some(first) = due.min_by_key(|due| due.before) {
        text.push_str(&due_text(first));
    }
    if plan.not_due > 0 {
        let until = plan.next_before.map_or_else(
            || "no end of theirs is in sight".to_owned(),
            |before| format!("the first of them has to be renewed before {}", second(before)),
        );
        text.push_str(&format!("  {} not yet: {until}\n", counted(plan.not_due, "other")));
    }
    if plan.hash_tree > 0 {
        text.push_str(&format!(
            "  the hash function under {} comes to its end, and no time-stamp helps: that wants \
             new hash trees, which this version does not make\n",
            counted(plan.hash_tree, "sealing"),
        ));
    }
    text
}

fn outcome_text(outcome: &RenewOutcome) -> String {
    let mut text = String::new();
    for (body, committed) in &outcome.renewed {
        let what = if body.trial { "a TRIAL time-stamp, not qualified" } else { "a time-stamp" };
        text.push_str(&format!(
            "The time-stamps of {} are under {what} of {}, by commit {}.\n",
            counted(body.members, "sealing"),
            visible(&body.stamped_at),
            committed.number,
        ));
    }
    for Refusal { authority, words } in &outcome.refused {
        let (authority, words) = (visible(authority), visible(words));
        text.push_str(&format!("The authority {authority} did not help: {words}\n"));
    }
    if outcome.overtaken {
        text.push_str("Somebody else renewed meanwhile. See what is left: sigillo renew\n");
    } else if outcome.waiting > 0 {
        text.push_str(&format!(
            "The time-stamps of {} are not renewed yet. Once an authority helps: sigillo renew --yes\n",
            counted(outcome.waiting as u64, "sealing"),
        ));
    }
    text
}

fn plan_json(plan: &RenewalPlan) -> Value {
    let due = plan.due.iter().map(|it| {
        json!({
            "due": it.due.as_ref().map(due_in_json),
            "number": it.number,
            "time_stamps": it.tokens.len(),
        })
    });
    let findings: &[Finding] = &plan.findings;
    json!({
        "due": due.collect::<Vec<_>>(),
        "findings": findings,
        "head": plan.head,
        "line": plan.line,
        "next_before": plan.next_before.map(|it: Timestamp| it.to_string()),
        "not_due": plan.not_due,
        "wants_hash_tree": plan.hash_tree,
    })
}

fn outcome_json(outcome: &RenewOutcome) -> Value {
    json!({
        "overtaken": outcome.overtaken,
        "refused": outcome.refused.iter().map(|refused| json!({
            "authority": refused.authority, "words": refused.words,
        })).collect::<Vec<_>>(),
        "renewed": outcome.renewed.iter().map(|(body, committed)| json!({
            "commit": committed.number,
            "line": body.line,
            "members": body.members,
            "renewal": body.renewal,
            "stamped_at": body.stamped_at,
            "trial": body.trial,
        })).collect::<Vec<_>>(),
        "waiting": outcome.waiting,
    })
}
