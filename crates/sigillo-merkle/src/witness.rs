//! Witnesses: what they are asked, and when they cosign.

use std::str;

use crate::{
    Checkpoint, CheckpointError, NoteError, ProofError, SignedNote, TreeHash, VerifierKey,
    checkpoint::parse_size, empty_root, verify_consistency,
};

/// The longest request that is read, in bytes: the largest checkpoint with some signatures.
pub const WITNESS_REQUEST_BYTES_MAX: usize = 128 << 10;

/// The most hashes that a request may have. Source: C2SP tlog-witness, "add-checkpoint".
pub const WITNESS_HASHES_MAX: usize = 63;

/// A request to cosign a checkpoint. Nothing in it is believed.
///
/// Source: C2SP tlog-witness, "add-checkpoint".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WitnessRequest {
    /// Leaves of the checkpoint that the witness cosigned last, as the log believes.
    pub old_size: u64,
    /// The consistency proof from there.
    pub path: Vec<TreeHash>,
    /// The checkpoint, a signed note, byte for byte.
    pub note: String,
    /// The same, read.
    pub signed: SignedNote,
    /// What it states.
    pub checkpoint: Checkpoint,
}

impl WitnessRequest {
    /// Reads a request, with the checkpoint in it.
    ///
    /// # Errors
    ///
    /// [`WitnessRequestError`] for bytes that are no request, or exceed
    /// [`WITNESS_REQUEST_BYTES_MAX`] or [`WITNESS_HASHES_MAX`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WitnessRequestError> {
        if bytes.len() > WITNESS_REQUEST_BYTES_MAX {
            return Err(WitnessRequestError::TooLong { length_bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).map_err(|_| WitnessRequestError::NoRequest)?;
        // The proof has no empty line, the checkpoint one before its signatures.
        let (head, note) = text.split_once("\n\n").ok_or(WitnessRequestError::NoRequest)?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old_size.and_then(parse_size).ok_or(WitnessRequestError::OldSize)?;
        let mut path = Vec::new();
        for line in lines {
            if path.len() == WITNESS_HASHES_MAX {
                return Err(WitnessRequestError::TooManyHashes);
            }
            let hash = TreeHash::from_base64(line);
            path.push(hash.map_err(|_| WitnessRequestError::Hash { position: path.len() })?);
        }
        let signed = SignedNote::parse(note.as_bytes()).map_err(WitnessRequestError::Note)?;
        let checkpoint = Checkpoint::parse(&signed.text);
        let checkpoint = checkpoint.map_err(WitnessRequestError::Checkpoint)?;
        Ok(Self { old_size, path, note: note.to_owned(), signed, checkpoint })
    }

    /// Tells whether a witness may cosign: the checkpoint bears the signature of `log`, whose name
    /// is its origin, and goes on from `last`, the one that the witness cosigned last of this
    /// origin.
    ///
    /// Pure: that what is cosigned then becomes the last one, durably and before anybody gets the
    /// cosignature, is the caller's business. Source: C2SP tlog-witness, "add-checkpoint".
    ///
    /// # Errors
    ///
    /// [`WitnessRefusal`], the first that applies.
    pub fn judge(
        &self,
        log: &VerifierKey,
        last: Option<&Checkpoint>,
    ) -> Result<(), WitnessRefusal> {
        let Checkpoint { origin, size, root } = &self.checkpoint;
        let (size, root) = (*size, *root);
        if origin != log.name() || log.is_cosigner() {
            return Err(WitnessRefusal::OtherOrigin);
        }
        self.signed.verify(std::slice::from_ref(log)).map_err(WitnessRefusal::NotSigned)?;
        if self.old_size > size {
            return Err(WitnessRefusal::OldAboveNew { old_size: self.old_size, size });
        }
        if size == 0 && root != empty_root() {
            return Err(WitnessRefusal::EmptyRoot);
        }
        let (last_size, last_root) =
            last.map_or_else(|| (0, empty_root()), |last| (last.size, last.root));
        // Before the old size: two checkpoints of one size are proof by themselves.
        if size == last_size && root != last_root {
            return Err(WitnessRefusal::Forked { size, last_root, root });
        }
        if size < last_size {
            return Err(WitnessRefusal::RolledBack { last_size, size });
        }
        if self.old_size != last_size {
            return Err(WitnessRefusal::OldSize { last_size, old_size: self.old_size });
        }
        verify_consistency(last_size, last_root, size, root, &self.path)
            .map_err(|error| WitnessRefusal::Inconsistent { last_size, size, error })
    }
}

/// Why bytes are no request to a witness.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRequestError {
    /// The checkpoint in it is none.
    #[error("what it asks to cosign is no checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// A line of the proof is no hash.
    #[error("line {position} of its consistency proof is not the base64 of 32 bytes")]
    Hash {
        /// Place among the hashes, from 0.
        position: usize,
    },
    /// There is no empty line between proof and checkpoint, or it is no text.
    #[error("it is no request to a witness: an old size, a proof, an empty line and a checkpoint")]
    NoRequest,
    /// The checkpoint in it is no signed note.
    #[error("what it asks to cosign is no signed note: {0}")]
    Note(NoteError),
    /// The first line is not `old` and a size.
    #[error("its first line is not `old` and a size in decimal without leading zeros")]
    OldSize,
    /// The request exceeds [`WITNESS_REQUEST_BYTES_MAX`].
    #[error("the request is too long: {length_bytes} bytes")]
    TooLong {
        /// Bytes of the request, as far as they were read.
        length_bytes: usize,
    },
    /// The proof exceeds [`WITNESS_HASHES_MAX`].
    #[error("its consistency proof has more than {WITNESS_HASHES_MAX} hashes")]
    TooManyHashes,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRefusal {
    /// A checkpoint of no leaves with another root than that of no leaves.
    #[error("it is a checkpoint of no entries with a root that such a log does not have")]
    EmptyRoot,
    /// The log signed another checkpoint of the same size: it was forked.
    #[error(
        "the log was forked: of {size} entries it signed the root {last_root} before, and now {root}"
    )]
    Forked {
        /// Leaves of both.
        size: u64,
        /// The root that the witness cosigned.
        last_root: TreeHash,
        /// The root that it is to cosign.
        root: TreeHash,
    },
    /// The proof does not lead from the last checkpoint to the new one.
    #[error(
        "no proof that the {size} entries begin with the {last_size} cosigned last: {error}; \
         either the proof is wrong, or the log was forked"
    )]
    Inconsistent {
        /// Leaves of the last checkpoint cosigned.
        last_size: u64,
        /// Leaves of the new one.
        size: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
    /// The log did not sign it.
    #[error("it does not bear the signature of the log: {0}")]
    NotSigned(NoteError),
    /// The proof would lead from a larger log to a smaller one.
    #[error("its proof begins at {old_size} entries, more than the {size} of its checkpoint")]
    OldAboveNew {
        /// Where the proof begins.
        old_size: u64,
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// The proof begins elsewhere than at the last checkpoint cosigned.
    #[error("its proof begins at {old_size} entries, and {last_size} were cosigned last")]
    OldSize {
        /// Leaves of the last checkpoint cosigned; 0 if there was none.
        last_size: u64,
        /// Where the proof begins.
        old_size: u64,
    },
    /// It is the checkpoint of another log than that of the key.
    #[error("it is the checkpoint of another log than that of the key")]
    OtherOrigin,
    /// The checkpoint has fewer leaves than one cosigned before.
    #[error(
        "the log was rolled back, or this is an old checkpoint: it has {size} entries, and \
         {last_size} were cosigned before"
    )]
    RolledBack {
        /// Leaves of the last checkpoint cosigned.
        last_size: u64,
        /// Leaves of the new one.
        size: u64,
    },
}

impl WitnessRefusal {
    /// Tells whether the log, which signed the checkpoint, may have broken its word: such a
    /// refusal is worth keeping, with both checkpoints.
    pub const fn is_evidence(&self) -> bool {
        matches!(
            self,
            Self::EmptyRoot
                | Self::Forked { .. }
                | Self::Inconsistent { .. }
                | Self::RolledBack { .. }
        )
    }
}
