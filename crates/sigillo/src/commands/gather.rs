//! `sigillo renew --gather`: asking again whether the certificates of time-stamps were revoked.

use serde_json::{Value, json};

use sigillo_evidence_log::{
    GatherOutcome, GatherPlan, GatherRules, RevokedCertificate, copy_revocations, gather_again,
    plan_gathering,
};
use sigillo_model::ObjectKey;

use crate::{
    commands::{EXIT_CLEAN, EXIT_FINDINGS, EXIT_TRANSIENT, er::algorithms},
    context::Context,
    error::CommandError,
    output::{counted, size_text, visible},
};

/// At most so many time-stamps are printed; --json lists all.
const PRINTED_MAX: usize = 20;

/// Shows of which time-stamps too little is known and, with `yes`, asks.
pub(crate) async fn run(context: &Context, yes: bool) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let anchors = context.knowledge(&archive)?.anchors;
    let algorithms = &algorithms()?;
    let rules = GatherRules { anchors: &anchors, algorithms, at: context.clock.now() };
    let plan = plan_gathering(&archive, &rules).await?;
    let mut text = plan_text(&plan);
    if !yes || (plan.wanting.is_empty() && plan.copies.is_empty()) {
        text.push_str(&revoked_text(&plan.revoked));
        if !plan.wanting.is_empty() {
            text.push_str("Nobody was asked. To ask: sigillo renew --gather --yes\n");
        } else if !plan.copies.is_empty() {
            text.push_str("Nothing was written. To do it: sigillo renew --gather --yes\n");
        }
        let value = json!({"outcome": null, "performed": yes, "plan": plan_json(&plan)});
        context.output.result("sigillo.renew.gather/1", &text, value);
        return Ok(if plan.revoked.is_empty() { EXIT_CLEAN } else { EXIT_FINDINGS });
    }
    // The plan is shown before anybody is asked.
    if !context.output.is_json() {
        context.output.data(&std::mem::take(&mut text));
    }
    let keys = context.keys(&archive)?;
    let log = context.log(&archive, &keys).await?;
    let clock = &*context.clock;
    let mut outcome = GatherOutcome::default();
    if !plan.wanting.is_empty() {
        let authorities = context.real_authorities()?.believing(anchors.clone());
        outcome = gather_again(&log, &plan, &rules, &authorities, clock).await?;
    }
    let rules = GatherRules { at: context.clock.now(), ..rules };
    let left = plan_gathering(&archive, &rules).await?;
    let copied = copy_revocations(&log, &left, clock).await?;
    outcome.damaged.extend(copied.damaged.iter().cloned());
    text.push_str(&outcome_text(&outcome, &left, copied.stored));
    let value = json!({
        "outcome": outcome_json(&outcome, &left, copied.stored),
        "performed": true,
        "plan": plan_json(&plan),
    });
    context.output.result("sigillo.renew.gather/1", &text, value);
    // Where certificates name nobody to ask, nobody answers later either.
    Ok(if !left.revoked.is_empty() || !outcome.damaged.is_empty() {
        EXIT_FINDINGS
    } else if left.unknown() > left.nobody {
        EXIT_TRANSIENT
    } else {
        EXIT_CLEAN
    })
}

fn plan_text(plan: &GatherPlan) -> String {
    let others = plan.trial + plan.unanchored;
    let mut text = match plan.wanting.len() as u64 {
        0 if others == 0 && plan.known == 0 => "There is no time-stamp yet.\n".to_owned(),
        0 if others == 0 => {
            "Of the certificates of all time-stamps it is known whether they were revoked.\n"
                .to_owned()
        }
        0 => format!(
            "Of the certificates of {} it is not known whether they were revoked, and nobody is asked:\n",
            counted(others, "time-stamp")
        ),
        wanting => format!(
            "Of the certificates of {} it is not known well enough whether they were revoked:\n",
            counted(wanting, "time-stamp")
        ),
    };
    for planned in plan.wanting.iter().take(PRINTED_MAX) {
        text.push_str(&format!(
            "  {} of {}: {}\n",
            planned.key,
            visible(&planned.stamped_at),
            visible(&planned.why)
        ));
        match &planned.addresses[..] {
            [] => text.push_str("      its certificates name nobody who could be asked\n"),
            addresses => {
                for address in addresses {
                    text.push_str(&format!("      to be asked: {}\n", visible(address)));
                }
            }
        }
    }
    let more = plan.wanting.len().saturating_sub(PRINTED_MAX) as u64;
    if more > 0 {
        text.push_str(&format!("  and of {} more\n", counted(more, "time-stamp")));
    }
    for (count, words) in [
        (plan.known, "of whose certificates enough is known"),
        (plan.replaced, "whose certificate was revoked, in whose place others stand"),
        (plan.trial, "for trial, about which nobody is asked"),
        (
            plan.unanchored,
            "that cannot be read or lead to no anchor of the trust store, about which nobody is asked",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("  {} {words}\n", counted(count, "time-stamp")));
        }
    }
    if !plan.copies.is_empty() {
        text.push_str(&format!(
            "  {} whose certificate is revoked, or no longer on hold, by what lies elsewhere in the archive \
             only: it is to be put beside them, too\n",
            counted(plan.copies.len() as u64, "time-stamp")
        ));
    }
    text
}

fn outcome_text(outcome: &GatherOutcome, left: &GatherPlan, copied: usize) -> String {
    let mut text = String::new();
    for kept in &outcome.kept {
        text.push_str(&format!(
            "{} gave the {} {} ({}).\n",
            visible(&kept.address),
            kept.kind,
            kept.sha256,
            size_text(kept.size_bytes)
        ));
    }
    for refused in &outcome.refused {
        text.push_str(&format!(
            "{} gave nothing that counts: {}\n",
            visible(&refused.authority),
            visible(&refused.words)
        ));
    }
    text.push_str(&revoked_text(&left.revoked));
    text.push_str(&damaged_text(&outcome.damaged));
    if copied > 0 {
        text.push_str(&format!(
            "What lies elsewhere in the archive and says that certificates are revoked, or no longer on hold, \
             was put beside {} by the same certificates.\n",
            counted(left.copies.len() as u64, "time-stamp"),
        ));
    }
    text.push_str(&format!("Kept {}", counted(outcome.stored as u64, "answer")));
    if outcome.unchanged > 0 {
        let unchanged = counted(outcome.unchanged as u64, "time-stamp");
        text.push_str(&format!("; nothing new for {unchanged}"));
    }
    if outcome.left > 0 {
        let left = counted(outcome.left as u64, "time-stamp");
        text.push_str(&format!("; no time was left for {left}"));
    }
    text.push_str(".\n");
    if left.unknown() > 0 {
        text.push_str(&format!(
            "Of {} it is still not known. Later: sigillo renew --gather --yes\n",
            counted(left.unknown(), "time-stamp"),
        ));
    }
    text
}

/// Says which certificates are revoked, so that time-stamps are not worth what they seem to be.
pub(crate) fn revoked_text(revoked: &[RevokedCertificate]) -> String {
    let more = revoked.len().saturating_sub(PRINTED_MAX) as u64;
    let more =
        (more > 0).then(|| format!("REVOKED: those of {} more\n", counted(more, "time-stamp")));
    let each = revoked.iter().take(PRINTED_MAX).map(|revoked| {
        let (head, what) = if revoked.on_hold {
            let later = "That may end: run `sigillo renew --gather --yes` again later. Until then do not";
            ("REVOKED (on hold)", later)
        } else {
            ("REVOKED", "Do not")
        };
        format!(
            "{head}: the certificate of {} behind the time-stamp {}, since {}. {what} rely on that \
             time-stamp; `sigillo verify` says more. A renewal is left out (F522): renew again, by another \
             authority. Else name another authority in the settings, on a line of its own (`[[lines]]`), \
             and run `sigillo seal --stamp-only`: one line that holds is enough\n",
            visible(&revoked.subject),
            revoked.token_sha256,
            revoked.at,
        )
    });
    each.chain(more).collect()
}

/// Says what was got again and lies damaged where it is to be stored.
pub(crate) fn damaged_text(damaged: &[ObjectKey]) -> String {
    let each = damaged.iter().map(|key| {
        format!(
            "DAMAGED: {key} has other bytes than its name says, so that what came again could not be kept \
             there. Take it from a copy of the archive\n"
        )
    });
    each.collect()
}

pub(crate) fn revoked_json(revoked: &[RevokedCertificate]) -> Vec<Value> {
    let each = revoked.iter().map(|it| {
        json!({"at": it.at.to_string(), "subject": it.subject, "token_sha256": it.token_sha256})
    });
    each.collect()
}

fn plan_json(plan: &GatherPlan) -> Value {
    let wanting = plan.wanting.iter().map(|it| {
        json!({
            "addresses": it.addresses,
            "line": it.line,
            "object": it.key.as_str(),
            "stamped_at": it.stamped_at,
            "why": it.why,
        })
    });
    json!({
        "known": plan.known,
        "lying_elsewhere": plan.copies.len(),
        "names_nobody": plan.nobody,
        "revoked": revoked_json(&plan.revoked),
        "trial": plan.trial,
        "unanchored": plan.unanchored,
        "wanting": wanting.collect::<Vec<_>>(),
    })
}

fn outcome_json(outcome: &GatherOutcome, left: &GatherPlan, copied: usize) -> Value {
    json!({
        "copied": copied,
        "damaged": outcome.damaged.iter().map(ObjectKey::as_str).collect::<Vec<_>>(),
        "gave": outcome.kept.iter().map(|kept| json!({
            "address": kept.address,
            "kind": kept.kind.to_string(),
            "sha256": kept.sha256,
            "size_bytes": kept.size_bytes,
        })).collect::<Vec<_>>(),
        "kept": outcome.stored,
        "not_asked": outcome.left,
        "refused": outcome.refused.iter().map(|refused| json!({
            "address": refused.authority, "words": refused.words,
        })).collect::<Vec<_>>(),
        "revoked": revoked_json(&left.revoked),
        "still_wanting": left.unknown(),
        "unchanged": outcome.unchanged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_none_is_not_said_to_be_known_of_all() {
        let first = |known, trial, unanchored| {
            let plan = GatherPlan { known, trial, unanchored, ..GatherPlan::default() };
            plan_text(&plan).lines().next().map(str::to_owned)
        };
        let unknown = |count: &str| {
            Some(format!(
                "Of the certificates of {count} it is not known whether they were revoked, and nobody is \
                 asked:"
            ))
        };
        assert_eq!(first(0, 0, 2), unknown("2 time-stamps"));
        assert_eq!(first(5, 1, 0), unknown("1 time-stamp"));
        assert_eq!(first(0, 0, 0).unwrap(), "There is no time-stamp yet.");
        let all = "Of the certificates of all time-stamps it is known whether they were revoked.";
        assert_eq!(first(3, 0, 0).unwrap(), all);
    }
}
