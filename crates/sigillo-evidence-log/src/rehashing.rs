//! Committing a hash-tree renewal: one newer time-stamp over new hash trees of documents and of all
//! that proves them. Whoever reads the documents makes the trees.

use sigillo_authorities::{AllRefused, Refusal};
use sigillo_ers::TimeStampToken;
use sigillo_model::{Entry, EvidenceRehashed, ObjectKey, Sha256Digest, Sha512Digest};

use crate::{
    Committed, LogError, LogWriter, PlannedRehash, RenewalPlan, Renewer, UnstampedTree,
    renewal_fit::Fit,
    renewing::{commit_unless_renewed, still_holds},
    sealing::create_fresh,
};

/// What became of a hash-tree renewal.
#[derive(Debug, Default)]
pub struct RehashOutcome {
    /// What is in the log now.
    pub rehashed: Option<(EvidenceRehashed, Committed)>,
    /// Whether somebody else renewed meanwhile: it wants a new plan.
    pub overtaken: bool,
    /// What authorities answered that was refused, also where a later one helped.
    pub refused: Vec<Refusal>,
}

/// Asks for a time-stamp over the root of a tree, stores tree and lists, and commits it. The leaves that
/// it names are durable already.
///
/// That no authority helps is an outcome, not an error: the same may be tried again.
///
/// # Errors
///
/// [`LogError`] if the log or the store failed.
pub async fn commit_hash_tree(
    renewer: &Renewer<'_>,
    log: &mut LogWriter,
    plan: &RenewalPlan,
    made: UnstampedTree<'_>,
) -> Result<RehashOutcome, LogError> {
    log.catch_up().await?;
    log.take_unseen();
    let mut outcome = RehashOutcome::default();
    if !still_holds(log, (plan.head, &plan.line)).await? {
        outcome.overtaken = true;
        return Ok(outcome);
    }
    let UnstampedTree { tree, documents, .. } = made;
    let Some(root) = sigillo_ers::tree_root(&tree.tree_leaves()) else { return Ok(outcome) };
    let is_in = |it: &&PlannedRehash| {
        tree.sealings.binary_search_by_key(&it.number, |sealing| sealing.number).is_ok()
    };
    let others = plan.trees.iter().filter(is_in).map(|it| it.standing);
    let revoked = (&plan.told, renewer.authorities.anchors(), renewer.clock.now());
    let fits = Fit::new(others, ((renewer.algorithms, renewer.anchors), revoked));
    let look = |token: &TimeStampToken| fits.look_at(token);
    let asked = (renewer.clock, renewer.entropy);
    let stamped = match renewer.authorities.stamp_fitting(root, asked, &look).await {
        Ok(stamped) => stamped,
        Err(AllRefused { refusals }) => {
            outcome.refused.extend(refusals);
            return Ok(outcome);
        }
    };
    outcome.refused.extend(stamped.refused.iter().cloned());
    let (tree_sha256, token) = (made.store(log).await?, stamped.token.raw());
    let body = EvidenceRehashed {
        documents,
        line: tree.line.clone(),
        renewal: tree.renewal,
        root,
        sealings: tree.sealings.len() as u64,
        stamped_at: stamped.token.verified().stamped_at.to_string(),
        token_sha256: Sha256Digest::of(token),
        token_sha512: Sha512Digest::of(token),
        tree_sha256,
        trial: stamped.token.verified().trial,
    };
    if let Some(received) = &stamped.received {
        let key = ObjectKey::renewal_received_token(tree.renewal);
        create_fresh(log, key, received.clone()).await?;
    }
    create_fresh(log, ObjectKey::renewal_token(tree.renewal), token.to_vec()).await?;
    let entry = Entry::EvidenceRehashed(body.clone());
    match commit_unless_renewed(log, &entry, &body.line).await? {
        Some(committed) => outcome.rehashed = Some((body, committed)),
        None => outcome.overtaken = true,
    }
    Ok(outcome)
}
