//! Merkle trees of RFC 6962/9162 and the C2SP files around them: inclusion and consistency
//! proofs, tiles, entry bundles, signed notes, checkpoints, cosignatures.
//!
//! Pure: no clock, no randomness, no input or output, and nothing of Sigillo's own vocabulary, so
//! that an auditor can use it alone. What comes from outside is checked before it is believed;
//! whether a key deserves trust is the caller's business.
//!
//! Whoever reads hashes from slow places works in two steps: ask `needed_for_…` which complete
//! subtrees a proof is made of, fetch them ([`tile_for_subtree`], [`subtree_from_tile`]), and run
//! the making function over a map of them.

mod hash;

mod frontier;
mod range;
mod subtree;

mod consistency;
mod inclusion;

mod entries;
mod tile;
mod tile_path;

mod checkpoint;
mod cosignature;
mod log_keys;
mod note;
mod tlog_proof;
mod verifier_key;

mod policy;
mod witness;

pub use checkpoint::{
    CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointError, SignedCheckpointError,
    parse_cosigned_checkpoint, parse_signed_checkpoint,
};
pub use consistency::{
    consistency_path, needed_for_consistency, verify_consistency, verify_subtree_consistency,
};
pub use cosignature::{CosignedAt, cosignature_message};
pub use entries::{BundleError, ENTRY_BYTES_MAX, decode_entries, encode_entries};
pub use frontier::{Frontier, FrontierError, TREE_SIZE_MAX, root_of};
pub use hash::{ParseTreeHashError, TreeHash, empty_root, leaf_hash, node_hash};
pub use inclusion::{
    ProofError, inclusion_path, needed_for_inclusion, verify_inclusion, verify_subtree_inclusion,
};
pub use log_keys::{KEY_ROTATIONS_MAX, KeysOfLog, RotationError, rotation_text};
pub use note::{
    NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, NoteError, NoteSignature, SignedNote, VerifiedSignature,
};
pub use policy::{
    POLICY_BYTES_MAX, POLICY_NAMES_MAX, PolicyError, PolicyFault, PolicyWitness, WitnessPolicy,
};
pub use subtree::{
    MemoryTree, MissingSubtree, RangeError, SubtreeHashes, TreeError, frontier_at,
    needed_for_frontier, root_at,
};
pub use tile::{
    TileError, entry_bundles_for_growth, entry_bundles_of_size, subtree_from_tile, tile_bytes,
    tile_for_subtree, tiles_for_growth, tiles_of_size,
};
pub use tile_path::{
    EntryBundleId, ParseTilePathError, TILE_HEIGHT, TILE_LEVEL_MAX, TILE_PATH_BYTES_MAX,
    TILE_WIDTH, TileId,
};
pub use tlog_proof::{write_tlog_proof, write_witness_request};
pub use verifier_key::{VERIFIER_KEY_BYTES_MAX, VerifierKey, VerifierKeyError};
pub use witness::{
    WITNESS_HASHES_MAX, WITNESS_REQUEST_BYTES_MAX, WitnessRefusal, WitnessRequest,
    WitnessRequestError,
};
