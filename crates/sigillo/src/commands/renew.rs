//! `sigillo renew`: which time-stamps come to their end and, where that is asked for, a newer one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use sigillo_authorities::Refusal;
use sigillo_evidence_log::{RenewOutcome, RenewalPlan, RenewalRules, Renewer, plan_renewals};
use sigillo_model::{Finding, FindingCode, Verdict};

use crate::{
    cli::RenewArgs,
    commands::{
        EXIT_TRANSIENT,
        er::{algorithms, due_in_json, due_text, second},
        gather,
        renew_trees::{Trees, make_trees},
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
        all_trees: args.hash_tree,
        over_lost: args.over_lost,
    };
    if !args.yes {
        context.refuse_diverged(&archive).await?;
        let plan = plan_renewals(&archive, &rules).await?;
        return Ok(show(context, &args, &plan, rules.at));
    }
    let keys = context.keys(&archive)?;
    let (authorities, line) = context.authorities(&keys)?;
    // Before anything waits for others: whoever renews meanwhile is met, and not renewed again.
    let plan = plan_renewals(&archive, &RenewalRules { line, ..rules }).await?;
    let mut log = context.log(&archive, &keys).await?;
    let mut text = plan_text(&plan, rules.at);
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
    text.push_str(&outcome_text(&outcome));
    let rules = RenewalRules { line, ..rules };
    let trees = if plan.trees.is_empty() {
        Trees::default()
    } else {
        make_trees(context, (&archive, &mut log), &renewer, &rules).await?
    };
    context.remember_signed_or_warn(&archive, &keys);
    text.push_str(&trees.text());
    let mut findings = plan.findings.clone();
    findings.extend(trees.findings.iter().cloned());
    text.push_str(&lost_text(&plan, args.over_lost));
    text.push_str(&findings_text(&findings, 0));
    let value = json!({
        "hash_trees": trees.json(),
        "outcome": outcome_json(&outcome),
        "performed": true,
        "plan": plan_json(&plan),
    });
    context.output.result("sigillo.renew/1", &text, value);
    let damaged = Verdict::of(&findings) == Verdict::Damaged;
    let waiting = outcome.waiting > 0 || trees.waiting > 0;
    Ok(if waiting && !damaged { EXIT_TRANSIENT } else { exit_code(&findings) })
}

/// Shows a plan that is not carried out.
fn show(context: &Context, args: &RenewArgs, plan: &RenewalPlan, at: Timestamp) -> u8 {
    let mut text = plan_text(plan, at);
    if !plan.due.is_empty() || !plan.trees.is_empty() {
        let options = [
            (args.all, " --all"),
            (args.hash_tree, " --hash-tree"),
            (args.over_lost, " --over-lost"),
        ];
        let options = options.map(|(given, option)| if given { option } else { "" }).concat();
        text.push_str(&format!("Nothing was renewed. To renew it: sigillo renew --yes{options}\n"));
    }
    text.push_str(&lost_text(plan, args.over_lost));
    text.push_str(&findings_text(&plan.findings, 0));
    let planned = plan_json(plan);
    let value = json!({"hash_trees": [], "outcome": null, "performed": false, "plan": planned});
    context.output.result("sigillo.renew/1", &text, value);
    exit_code(&plan.findings)
}

fn plan_text(plan: &RenewalPlan, at: Timestamp) -> String {
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
        text.push_str(&due_text(first, at));
    }
    if plan.not_due > 0 {
        let until = plan.next_before.map_or_else(
            || "no end of theirs is in sight".to_owned(),
            |before| format!("the first of them has to be renewed before {}", second(before)),
        );
        text.push_str(&format!("  {} not yet: {until}\n", counted(plan.not_due, "other")));
    }
    let trees = plan.trees.len() as u64;
    if trees > 0 {
        text.push_str(&format!(
            "  {} to get new hash trees of SHA-512, over documents and all that proves them\n",
            match trees {
                1 => "1 sealing is".to_owned(),
                _ => format!("{} are", counted(trees, "sealing")),
            },
        ));
        let due = plan.trees.iter().filter_map(|it| it.due.as_ref());
        if let Some(first) = due.min_by_key(|due| due.before) {
            text.push_str(&due_text(first, at));
        }
    }
    if plan.stuck > 0 {
        text.push_str(&format!(
            "  the hash function under {} comes to its end, and no time-stamp helps: that wants \
             hash trees of a function that this version does not have\n",
            counted(plan.stuck, "sealing"),
        ));
    }
    text
}

/// Says what to do about what is lost.
fn lost_text(plan: &RenewalPlan, over_lost: bool) -> String {
    let mut text = String::new();
    if plan.held_back > 0 {
        text.push_str(&format!(
            "  {} not renewed: a renewal of which it is lost what it covers may be of them\n",
            counted(plan.held_back, "sealing"),
        ));
    }
    let is_lost =
        |it: &Finding| matches!(it.code, FindingCode::TokenDamaged | FindingCode::RenewalDamaged);
    if plan.findings.iter().any(is_lost) {
        text.push_str("  What is missing or changed: bring it back from a copy of the archive.\n");
        if !over_lost {
            text.push_str(
                "  If there is none any more, renew over the time-stamps that are left, before they \
                 end too: sigillo renew --over-lost\n",
            );
        }
    }
    text
}

fn outcome_text(outcome: &RenewOutcome) -> String {
    let mut text = String::new();
    for (body, committed) in &outcome.renewed {
        let what = if body.trial { "a TRIAL time-stamp, not qualified" } else { "a time-stamp" };
        text.push_str(&format!(
            "The time-stamps of {} are under {what}, of {}, by commit {}.\n",
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
        "held_back": plan.held_back,
        "line": plan.line,
        "next_before": plan.next_before.map(|it: Timestamp| it.to_string()),
        "not_due": plan.not_due,
        "hash_trees": plan.trees.iter().map(|it| json!({
            "due": it.due.as_ref().map(due_in_json),
            "number": it.number,
            "time_stamps": it.tokens.len(),
        })).collect::<Vec<_>>(),
        "stuck": plan.stuck,
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
