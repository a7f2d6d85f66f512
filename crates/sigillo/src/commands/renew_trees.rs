//! New hash trees of `sigillo renew --yes`.

use std::sync::{Arc, atomic::Ordering};

use serde_json::{Value, json};

use sigillo_authorities::Refusal;
use sigillo_custody::{MadeTree, RehashJournal, Rehasher, VerifyProgress};
use sigillo_evidence_log::{
    Archive, Chains, LogWriter, RehashOutcome, RenewalPlan, RenewalRules, Renewer,
    commit_hash_tree, plan_renewals, read_view,
};
use sigillo_model::{Finding, HASH_TREE_SEALINGS_MAX, RenewalId};
use sigillo_store::CpuPool;

use crate::{
    context::Context,
    error::CommandError,
    output::{counted, size_text, visible},
    progress::{Count, Shown, Work},
};

/// What became of new hash trees.
#[derive(Default)]
pub(crate) struct Trees {
    made: Vec<(MadeTree, RehashOutcome)>,
    /// How many sealings still wait for theirs.
    pub(crate) waiting: usize,
    /// Whether some wait for what is missing of them.
    lacks: bool,
    /// What could not be read, and is left out.
    pub(crate) findings: Vec<Finding>,
}

/// Makes new hash trees for what a fresh plan says is to get them, and asks for time-stamps.
pub(crate) async fn make_trees(
    context: &Context,
    (archive, log): (&Archive, &mut LogWriter),
    renewer: &Renewer<'_>,
    rules: &RenewalRules<'_>,
) -> Result<Trees, CommandError> {
    let cpu = CpuPool::start(0)?;
    let mut trees = Trees::default();
    loop {
        // What was renewed just now stands under the trees as well.
        let plan = plan_renewals(archive, rules).await?;
        trees.waiting = plan.trees.len();
        if plan.trees.is_empty() {
            return Ok(trees);
        }
        let chunk = plan.trees.len().min(HASH_TREE_SEALINGS_MAX);
        let mut planned = plan.clone();
        planned.trees.truncate(chunk);
        let (made, journal) = make(context, archive, &cpu, &planned).await?;
        trees.findings.extend(made.findings.iter().cloned());
        let whole = made.tree.sealings.len() == chunk;
        trees.lacks |= !whole;
        if made.tree.sealings.is_empty() {
            return Ok(trees);
        }
        let outcome = commit_hash_tree(renewer, log, &planned, made.unstamped()).await?;
        let done = outcome.rehashed.is_some();
        trees.waiting -= if done { made.tree.sealings.len() } else { 0 };
        trees.made.push((made, outcome));
        if !done {
            return Ok(trees);
        }
        if let Err(error) = journal.finish() {
            tracing::warn!(%error, "the journal of new hash trees could not be removed");
        }
        // Sealings that cannot get theirs would be planned for ever.
        if !whole || trees.waiting == 0 {
            return Ok(trees);
        }
    }
}

/// Makes the trees of a plan, which lack only their time-stamp.
async fn make(
    context: &Context,
    archive: &Archive,
    cpu: &CpuPool,
    plan: &RenewalPlan,
) -> Result<(MadeTree, RehashJournal), CommandError> {
    let view = read_view(archive).await?;
    let chains = Chains::read(archive, &view).await?;
    let path = context.rehash_journal(archive, &plan.line);
    let mut journal = RehashJournal::open(path.clone())
        .map_err(|error| CommandError::file("writing", &path, &error))?;
    let progress = Arc::new(VerifyProgress::default());
    let shown = {
        let (progress, total) = (Arc::clone(&progress), view.documents());
        let work = Work { verb: "Hashed", unit: "documents" };
        Shown::begin(context.global.progress, context.output, work, move || Count {
            done: progress.documents.load(Ordering::Relaxed),
            total,
            bytes: progress.bytes_read.load(Ordering::Relaxed),
        })
    };
    let rehasher =
        Rehasher { archive, cpu, view: &view, chains: &chains, line: &plan.line, progress };
    let renewal = RenewalId::random(&*context.entropy);
    let made = rehasher.make(&plan.trees, renewal, &mut journal).await?;
    drop(shown);
    Ok((made, journal))
}

impl Trees {
    /// Says what became of them; `again` is the command that goes on.
    pub(crate) fn text(&self, again: &str) -> String {
        let mut text = String::new();
        for (made, outcome) in &self.made {
            if let Some((body, committed)) = &outcome.rehashed {
                let what =
                    if body.trial { "a TRIAL time-stamp, not qualified" } else { "a time-stamp" };
                text.push_str(&format!(
                    "{} of {} are in new hash trees of SHA-512, under {what}, of {}, by commit {}. {} \
                     of content were read for it.\n",
                    counted(body.documents, "document"),
                    counted(body.sealings, "sealing"),
                    visible(&body.stamped_at),
                    committed.number,
                    size_text(made.content_bytes),
                ));
            }
            if made.left_out > 0 {
                text.push_str(&format!(
                    "  {} could not be read as they were archived, and are left out\n",
                    counted(made.left_out, "document"),
                ));
            }
            for Refusal { authority, words } in &outcome.refused {
                let (authority, words) = (visible(authority), visible(words));
                text.push_str(&format!("The authority {authority} did not help: {words}\n"));
            }
            if outcome.overtaken {
                text.push_str("Somebody else renewed meanwhile. See what is left: sigillo renew\n");
            }
        }
        if self.waiting > 0 {
            let how = if self.lacks {
                "something of them is missing, as is told below; once it is back"
            } else {
                "to go on"
            };
            text.push_str(&format!(
                "{} still without new hash trees. What was made is kept; {how}: {again}\n",
                match self.waiting as u64 {
                    1 => "1 sealing is".to_owned(),
                    waiting => format!("{} are", counted(waiting, "sealing")),
                },
            ));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let made = self.made.iter().map(|(made, outcome)| {
            let rehashed = outcome.rehashed.as_ref().map(|(body, committed)| {
                json!({
                    "commit": committed.number,
                    "documents": body.documents,
                    "line": body.line,
                    "renewal": body.renewal,
                    "sealings": body.sealings,
                    "stamped_at": body.stamped_at,
                    "trial": body.trial,
                })
            });
            let refused = outcome
                .refused
                .iter()
                .map(|refused| json!({"authority": refused.authority, "words": refused.words}));
            json!({
                "content_bytes": made.content_bytes,
                "left_out": made.left_out,
                "overtaken": outcome.overtaken,
                "refused": refused.collect::<Vec<_>>(),
                "rehashed": rehashed,
            })
        });
        made.collect()
    }
}
