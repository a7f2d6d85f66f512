//! Reading objects whose digest the log states.

use bytes::Bytes;

use sigillo_evidence_log::Archive;
use sigillo_model::{ObjectKey, Sha256Digest};
use sigillo_store::StoreError;

use crate::CustodyError;

/// Reads an object whose digest the log states, or says what is there in its place.
///
/// # Errors
///
/// [`CustodyError::Store`] if the store did not answer.
pub(crate) async fn read_or_lost(
    archive: &Archive,
    key: &ObjectKey,
    bytes_max: u64,
    sha256: Sha256Digest,
) -> Result<Result<Bytes, &'static str>, CustodyError> {
    match archive.store().read(key, bytes_max).await {
        Ok(bytes) if Sha256Digest::of(&bytes) == sha256 => Ok(Ok(bytes)),
        Ok(_) => Ok(Err("it does not have the digest that the log states")),
        Err(StoreError::NotFound { .. }) => Ok(Err("it is not in the store")),
        Err(StoreError::TooLarge { .. }) => Ok(Err("it is larger than it can be")),
        Err(StoreError::NotAnObject { .. }) => Ok(Err("something else stands in its place")),
        Err(source) => Err(CustodyError::Store { doing: "reading evidence", source }),
    }
}
