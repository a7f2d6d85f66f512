//! Conservation: no document of a submission gets lost between its receipt and its report.

use std::collections::BTreeMap;

use serde_json::Value;

use sigillo_model::VersionId;

use super::{Invariant, ReplayedLog, Violation, batches::FoundVersion, log::text};

/// What the log says of one submission.
#[derive(Debug, Default)]
struct Account {
    received: Option<u64>,
    packed: u64,
    aggregations: u64,
    completed: Vec<Value>,
}

/// I8: received = archived + already + refused + pending, and what was archived is in batches.
pub(super) fn check_conserved(
    log: &ReplayedLog,
    found: &BTreeMap<VersionId, FoundVersion>,
    violations: &mut Vec<Violation>,
) {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let mut broken = |message: String| {
        violations.push(Violation::new(Invariant::Conserved, message));
    };
    for entry in &log.entries {
        let id = text(&entry.body, "submission").to_owned();
        match text(&entry.body, "type") {
            "submission.received" => {
                let account = accounts.entry(id.clone()).or_default();
                if account.received.is_some() || account.packed > 0 {
                    broken(format!("submission {id} is received twice, or after its documents"));
                }
                account.received = number(&entry.body, "received");
            }
            "batch.committed" => {
                let documents = number(&entry.body, "documents").unwrap_or(0);
                let aggregations = found.values().filter(|it| it.commit == entry.commit);
                let aggregations = aggregations.filter(|it| it.members.is_some()).count() as u64;
                let account = accounts.entry(id).or_default();
                account.packed += documents.saturating_sub(aggregations);
                account.aggregations += aggregations;
            }
            "submission.completed" => {
                accounts.entry(id).or_default().completed.push(entry.body.clone());
            }
            _ => {}
        }
    }
    for (id, account) in accounts {
        let Some(received) = account.received else {
            broken(format!("submission {id} has documents, and was never received"));
            continue;
        };
        let [body] = &account.completed[..] else {
            // It was interrupted: what is not archived is pending.
            if account.completed.len() > 1 || account.packed > received {
                broken(format!("submission {id} ends twice, or has more than was received"));
            }
            continue;
        };
        let of = |name| number(body, name).unwrap_or(u64::MAX / 8);
        let sum = of("archived") + of("already") + of("refused") + of("pending");
        if sum != of("received") || of("received") != received {
            broken(format!("submission {id} received {received} and accounts for {sum}: {body}"));
        }
        if (of("archived"), of("aggregations")) != (account.packed, account.aggregations) {
            broken(format!("submission {id} is not what its batches hold, {account:?}: {body}"));
        }
    }
}

fn number(body: &Value, name: &str) -> Option<u64> {
    body[name].as_u64()
}
