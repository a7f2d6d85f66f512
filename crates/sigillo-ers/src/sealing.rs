//! What a sealing makes of its batches: the leaves of its tree and the value its time-stamp covers.

use sigillo_model::{BatchesSealed, Sha256Digest, Statement};

use crate::{list_value, pair_value};

/// Returns the leaves of a sealing's tree: the batches' roots in log order, then the checkpoint.
///
/// `checkpoint` is the SHA-256 of the text of the statement's checkpoint, without its signatures.
pub fn sealing_leaves(statement: &Statement, checkpoint: Sha256Digest) -> Vec<Sha256Digest> {
    let roots = statement.batches.iter().map(|batch| batch.root);
    roots.chain([checkpoint]).collect()
}

/// Returns what a sealing's time-stamp covers: V = node{tree root, node{statement, seal}}.
pub fn sealing_value(sealing: &BatchesSealed) -> Sha256Digest {
    let signed = [sealing.statement_sha256, sealing.seal_sha256];
    let signed = list_value(&signed).unwrap_or(sealing.statement_sha256);
    pair_value(sealing.root, signed)
}
