//! The index that an ingest decides by: complete, or nothing is decided.

use sigillo_catalogue::KeyIndex;
use sigillo_evidence_log::{Archive, catch_up_index};
use sigillo_store::ReadPool;

use crate::IngestError;

/// Takes in everything that was committed since the index was complete.
///
/// # Errors
///
/// [`IngestError::IndexIncomplete`] if it lacks documents that could not be read: an earlier version
/// of what comes in may be among them, and would be archived as new a second time.
pub(crate) async fn complete_index(
    archive: &Archive,
    index: &mut KeyIndex,
    reads: &ReadPool,
) -> Result<(), IngestError> {
    catch_up_index(archive, index, reads).await?;
    match index.left_out().first() {
        None => Ok(()),
        Some(left_out) => Err(IngestError::IndexIncomplete {
            commit: left_out.commit,
            documents: left_out.documents,
            object: left_out.object.clone(),
            what: left_out.what.clone(),
        }),
    }
}
