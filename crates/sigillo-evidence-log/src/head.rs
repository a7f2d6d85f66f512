//! Finding the newest commit without a listing.

use sigillo_model::ObjectKey;
use sigillo_store::{Store, StoreError};

use crate::LogError;

/// No log has more commits than this; the search stops there.
pub const COMMITS_MAX: u64 = 1 << 40;

/// How far behind the head a gap is looked for: 2¹, 2², 2³ numbers.
const GAP_STEPS: [u64; 3] = [2, 4, 8];

/// Finds the number of the newest commit, 0 for none, beginning at one `known` to exist (or 0).
///
/// Doubles from the known number, then bisects: O(log n) questions. Source: `docs/format.md`,
/// "Finding the head".
///
/// # Errors
///
/// [`LogError::CommitMissing`] if the known commit, or one before the head, is not there;
/// [`LogError::Store`] if the store did not answer.
pub async fn find_head(store: &Store, known: u64) -> Result<u64, LogError> {
    if known > 0 && !exists(store, known).await? {
        return Err(LogError::CommitMissing { number: known });
    }
    let mut known = known;
    loop {
        let head = search(store, known).await?;
        match gap_after(store, head).await? {
            None => return Ok(head),
            // A later number exists: either the missing one appeared meanwhile, or it is lost.
            Some(later) => {
                if !exists(store, head + 1).await? {
                    return Err(LogError::CommitMissing { number: head + 1 });
                }
                known = later;
            }
        }
    }
}

async fn search(store: &Store, known: u64) -> Result<u64, LogError> {
    let (mut present, mut step) = (known, 1);
    let mut absent = loop {
        let probed = known.saturating_add(step).min(COMMITS_MAX);
        if probed == present || !exists(store, probed).await? {
            break probed.max(present + 1);
        }
        present = probed;
        step *= 2;
    };
    while absent - present > 1 {
        let middle = present + (absent - present) / 2;
        if exists(store, middle).await? {
            present = middle;
        } else {
            absent = middle;
        }
    }
    Ok(present)
}

async fn gap_after(store: &Store, head: u64) -> Result<Option<u64>, LogError> {
    for step in GAP_STEPS {
        if exists(store, head + step).await? {
            return Ok(Some(head + step));
        }
    }
    Ok(None)
}

pub(crate) async fn exists(store: &Store, number: u64) -> Result<bool, LogError> {
    is_there(store, &ObjectKey::commit(number)).await
}

/// Tells whether an object, or something else in its place, is there.
pub(crate) async fn is_there(store: &Store, key: &ObjectKey) -> Result<bool, LogError> {
    match store.size(key).await {
        // Whatever takes the place of a commit is met as damage by whoever reads it.
        Ok(_) | Err(StoreError::NotAnObject { .. }) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(source) => Err(LogError::Store { doing: "looking for the newest commit", source }),
    }
}
