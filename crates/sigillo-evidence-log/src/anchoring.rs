//! Time-stamps over checkpoints of the log: committing that one is kept, and auditing those that are.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_ers::{TOKEN_BYTES_MAX, TrustAnchors, verify_token};
use sigillo_merkle::Checkpoint;
use sigillo_model::{CheckpointAnchored, Entry, Finding, FindingCode, ObjectKey, Sha256Digest};

use crate::{
    Archive, CommitOutcome, Committed, LogError, LogView, LogWriter,
    audit::{Boundaries, boundaries_of},
    audit_sealings::read_stated,
    chain::tree_hash_of,
};

/// At most this often an anchor is committed again because others committed.
const COMMIT_ATTEMPTS_MAX: u32 = 100;

/// Commits that a time-stamp over a checkpoint is kept beside the log, so that it is missed if it is
/// lost. The token must be durable before.
///
/// # Errors
///
/// [`LogError`] if the log or the store failed; [`LogError::Crowded`] if others were faster every time.
pub async fn commit_anchor(
    log: &mut LogWriter,
    body: &CheckpointAnchored,
) -> Result<Committed, LogError> {
    let entry = Entry::CheckpointAnchored(body.clone());
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match log.commit(std::slice::from_ref(&entry)).await? {
            CommitOutcome::Committed(committed) => return Ok(committed),
            // A token is not content: no sweep removes it, and any number of them may be kept.
            CommitOutcome::Fenced { .. } | CommitOutcome::Lost(_) => {}
        }
    }
    Err(LogError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

/// Audits the time-stamps over checkpoints that the log names: each is there, and covers the text of
/// the checkpoint of its size. Whom their certificates lead to is not asked.
pub(crate) async fn audit_anchors(
    archive: &Archive,
    view: &LogView,
    boundaries: &Boundaries,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let generations: BTreeSet<u64> = view.anchors.iter().map(|it| it.generation).collect();
    let heads = |generation| boundaries_of(archive, boundaries, generation).iter().flatten();
    let roots: BTreeMap<(u64, u64), Sha256Digest> = generations
        .into_iter()
        .flat_map(|it| heads(it).map(move |head| ((it, head.size), head.root)))
        .collect();
    for anchor in &view.anchors {
        let generation = anchor.generation;
        let CheckpointAnchored { size, token_sha256, .. } = anchor.body;
        let code = FindingCode::AnchorDamaged;
        let key = ObjectKey::anchor(generation, size, token_sha256);
        let named = (&key, TOKEN_BYTES_MAX as u64, token_sha256);
        let Some(token) = read_stated(archive, named, code, findings).await? else { continue };
        // Without the tree up to there nobody can tell what it should cover.
        let Some(root) = roots.get(&(generation, size)) else { continue };
        let (origin, root) = (archive.description().origin_of(generation), tree_hash_of(*root));
        let imprint = Sha256Digest::of(Checkpoint { origin, size, root }.to_text().as_bytes());
        match verify_token(&token, imprint, &TrustAnchors::new()) {
            Ok(_) => {}
            Err(error) => {
                let is_unknown = error.is_unknown_algorithm();
                let code = if is_unknown { FindingCode::AlgorithmUnknown } else { code };
                findings.push(Finding::new(code, key, error.to_string()));
            }
        }
    }
    Ok(())
}
