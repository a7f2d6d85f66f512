//! `sigillo renew`: which time-stamps come to their end and, where that is asked for, a newer one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use sigillo_authorities::{KeyFolder, Refusal};
use sigillo_evidence_log::{
    Archive, LogWriter, RenewOutcome, RenewalPlan, RenewalRules, Renewer, is_trial_line, plan_lines,
};
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
    lines::Line,
    output::{counted, visible},
};

/// How many days before its end evidence is renewed, unless somebody says otherwise: half a year.
pub(crate) const LEAD_DAYS: u16 = 183;

/// What became of one evidence line.
struct RenewedLine {
    plan: RenewalPlan,
    outcome: RenewOutcome,
    trees: Trees,
}

/// Shows what is to be renewed and, with `--yes`, renews it.
pub(crate) async fn run(context: &Context, args: RenewArgs) -> Result<u8, CommandError> {
    if args.gather {
        return gather::run(context, args.yes).await;
    }
    let archive = context.archive().await?;
    let (algorithms, anchors) = (algorithms()?, context.knowledge(&archive)?.anchors);
    let rules = RenewalRules {
        line: "",
        anchors: &anchors,
        algorithms: &algorithms,
        at: context.clock.now(),
        lead: SignedDuration::from_hours(24 * i64::from(args.lead_days)),
        all: args.all,
        all_trees: args.hash_tree,
        over_lost: args.over_lost,
    };
    let written = context.line_names()?;
    if !args.yes {
        context.refuse_diverged(&archive).await?;
        let plans = plan_lines(&archive, &written, &rules).await?;
        return Ok(show(context, &args, (&plans, &written), rules.at));
    }
    let keys = context.keys(&archive)?;
    // Settings that cannot be used are told before anything is read.
    context.lines(&keys)?;
    // Before anything waits for others: whoever renews meanwhile is met, and not renewed again.
    let plans = plan_lines(&archive, &written, &rules).await?;
    let mut log = context.log(&archive, &keys).await?;
    let mut text: String = plans.iter().map(|plan| plan_text(plan, &written, rules.at)).collect();
    // The plan is shown before anything is asked for.
    if !context.output.is_json() {
        context.output.data(&std::mem::take(&mut text));
    }
    let (mut done, is_one) = (Vec::new(), plans.len() == 1);
    for plan in plans {
        let line = renew_line(context, (&archive, &mut log), &keys, &rules, plan).await?;
        text.push_str(&line_text(&line, is_one, &args));
        done.push(line);
    }
    context.remember_signed_or_warn(&archive, &keys);
    let findings: Vec<Finding> = done.iter().flat_map(RenewedLine::findings).collect();
    text.push_str(&findings_text(&findings, 0));
    let lines = done.iter().map(|it| {
        json!({
            "hash_trees": it.trees.json(),
            "outcome": outcome_json(&it.outcome),
            "plan": plan_json(&it.plan, &written),
        })
    });
    context.output.result("sigillo.renew/1", &text, all_json(lines, true));
    let damaged = Verdict::of(&findings) == Verdict::Damaged;
    let waits = done.iter().any(|it| it.waits(&written));
    Ok(if waits && !damaged { EXIT_TRANSIENT } else { exit_code(&findings) })
}

/// Carries out the plan of one line. That nobody helps there stops no other line.
async fn renew_line(
    context: &Context,
    (archive, log): (&Archive, &mut LogWriter),
    keys: &KeyFolder,
    rules: &RenewalRules<'_>,
    plan: RenewalPlan,
) -> Result<RenewedLine, CommandError> {
    let Line { name, authorities } = context.line(keys, plan.line.clone())?;
    let renewer = Renewer {
        authorities: &authorities,
        anchors: rules.anchors,
        algorithms: rules.algorithms,
        clock: &*context.clock,
        entropy: &*context.entropy,
    };
    let outcome = renewer.renew(log, &plan).await?;
    let rules = RenewalRules { line: &name, ..*rules };
    let trees = if plan.trees.is_empty() {
        Trees::default()
    } else {
        make_trees(context, (archive, log), &renewer, &rules).await?
    };
    Ok(RenewedLine { plan, outcome, trees })
}

impl RenewedLine {
    /// Tells whether to try again later. Where real authorities took over, what the trial authority
    /// cannot renew any more it never can: its certificate ends, and there is no other.
    fn waits(&self, written: &[String]) -> bool {
        let given_up = is_trial_line(&self.plan.line) && !written.contains(&self.plan.line);
        !given_up && (self.outcome.waiting > 0 || self.trees.waiting > 0)
    }

    fn findings(&self) -> impl Iterator<Item = Finding> {
        self.plan.findings.iter().chain(&self.trees.findings).cloned()
    }
}

/// Says what became of a line, and which it is, if there are several and there is something to say.
fn line_text(line: &RenewedLine, is_one: bool, args: &RenewArgs) -> String {
    let again = again(args);
    let mut text = outcome_text(&line.outcome, &again);
    text.push_str(&line.trees.text(&again));
    text.push_str(&lost_text(&line.plan, args.over_lost));
    if is_one || text.is_empty() {
        return text;
    }
    format!("Evidence line {}:\n{text}", line.plan.line)
}

/// Puts lines together: the first one by itself, where there was but one before there could be several.
fn all_json(mut lines: impl Iterator<Item = Value>, performed: bool) -> Value {
    let mut first = lines.next().unwrap_or_default();
    first["other_lines"] = lines.collect();
    first["performed"] = performed.into();
    first
}

/// Shows plans that are not carried out.
fn show(
    context: &Context,
    args: &RenewArgs,
    (plans, written): (&[RenewalPlan], &[String]),
    at: Timestamp,
) -> u8 {
    let mut text: String = plans.iter().map(|plan| plan_text(plan, written, at)).collect();
    if plans.iter().any(|plan| !plan.due.is_empty() || !plan.trees.is_empty()) {
        text.push_str(&format!("Nothing was renewed. To renew it: {}\n", again(args)));
    }
    for plan in plans {
        text.push_str(&lost_text(plan, args.over_lost));
    }
    let findings: Vec<Finding> = plans.iter().flat_map(|plan| plan.findings.clone()).collect();
    text.push_str(&findings_text(&findings, 0));
    let lines = plans
        .iter()
        .map(|plan| json!({"hash_trees": [], "outcome": null, "plan": plan_json(plan, written)}));
    context.output.result("sigillo.renew/1", &text, all_json(lines, false));
    exit_code(&findings)
}

/// Returns the command that carries out what was asked for, and nothing else.
fn again(args: &RenewArgs) -> String {
    let options =
        [(args.all, " --all"), (args.hash_tree, " --hash-tree"), (args.over_lost, " --over-lost")];
    let options = options.map(|(given, option)| if given { option } else { "" }).concat();
    let lead = match args.lead_days {
        LEAD_DAYS => String::new(),
        days => format!(" --lead-days {days}"),
    };
    format!("sigillo renew --yes{options}{lead}")
}

fn plan_text(plan: &RenewalPlan, written: &[String], at: Timestamp) -> String {
    let line = visible(&plan.line);
    let old = if written.contains(&plan.line) { "" } else { ", which is not written any more" };
    let mut text = match plan.due.len() as u64 {
        0 => format!("Evidence line {line}{old}: nothing is to be renewed.\n"),
        due => format!(
            "Evidence line {line}{old}: the time-stamps of {} are to be renewed, by one newer \
             time-stamp.\n",
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
        // Without its first time-stamp nothing on the line proves a sealing, and what is under new hash
        // trees cannot be renewed over.
        if !over_lost && plan.left_by_lost > 0 {
            text.push_str(
                "  If there is none any more, renew over the time-stamps that are left, before they \
                 end too: sigillo renew --over-lost\n",
            );
        }
    }
    text
}

fn outcome_text(outcome: &RenewOutcome, again: &str) -> String {
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
            "The time-stamps of {} are not renewed yet. Once an authority helps: {again}\n",
            counted(outcome.waiting as u64, "sealing"),
        ));
    }
    text
}

fn plan_json(plan: &RenewalPlan, written: &[String]) -> Value {
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
        "written": written.contains(&plan.line),
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
