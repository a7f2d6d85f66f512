//! Creating one object when answers may be lost: read back, compare, try again, within bounds.

use bytes::Bytes;

use sigillo_model::ObjectKey;

use crate::{
    BackendError, CreateAnswer, CreateOutcome, ObjectBackend, StoreError, convert::size_of_len,
};

/// At most this often one object is tried when nothing is found after a lost answer.
pub const CREATE_ATTEMPTS_MAX: u32 = 3;

/// At most this many bytes of somebody else's object are read back, or as many as our own has.
const EXISTING_BYTES_MAX: u64 = 64 << 20;

/// Creates an object and resolves every doubt about it by reading it back.
///
/// # Errors
///
/// [`StoreError::WriteFailed`] if it was not written or must not be trusted,
/// [`StoreError::Undecided`] if the store keeps contradicting itself, [`StoreError::Unavailable`]
/// if it cannot be read back.
pub(crate) async fn create_compared(
    backend: &dyn ObjectBackend,
    key: &ObjectKey,
    bytes: Bytes,
) -> Result<CreateOutcome, StoreError> {
    let mut answer_lost = false;
    for _ in 0..CREATE_ATTEMPTS_MAX {
        match backend.create(key, bytes.clone()).await {
            Ok(CreateAnswer::Created) => return Ok(CreateOutcome::Created),
            Ok(CreateAnswer::AlreadyExists) => {}
            Err(BackendError::OutcomeUnknown { source }) => {
                answer_lost = true;
                tracing::warn!(%key, error = %source, "the answer to a create was lost");
            }
            Err(source) => return Err(StoreError::WriteFailed { key: key.clone(), source }),
        }
        let bytes_max = EXISTING_BYTES_MAX.max(size_of_len(bytes.len()));
        match backend.read(key, bytes_max).await {
            Ok(existing) if existing == bytes => {
                // Visible is not yet durable: its writer may have died before its last fsync.
                settle(backend, key).await?;
                let ours = answer_lost;
                return Ok(if ours { CreateOutcome::Created } else { CreateOutcome::AlreadyEqual });
            }
            Ok(existing) => return Ok(CreateOutcome::Taken(existing)),
            // Some services answer "already exists" to a clash in which nobody won.
            Err(BackendError::NotFound) => {}
            Err(source) => return Err(StoreError::reading(key, "reading back", source)),
        }
    }
    Err(StoreError::Undecided { key: key.clone(), attempts: CREATE_ATTEMPTS_MAX })
}

async fn settle(backend: &dyn ObjectBackend, key: &ObjectKey) -> Result<(), StoreError> {
    backend.settle(key).await.map_err(|source| StoreError::WriteFailed { key: key.clone(), source })
}
