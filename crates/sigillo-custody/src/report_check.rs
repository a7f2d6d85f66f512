//! Checking the reports of submissions against the digests that the log states.

use sigillo_evidence_log::Archive;
use sigillo_model::{Finding, FindingCode, ObjectKey, Sha256Digest, SubmissionCompleted};
use sigillo_store::StoreError;

use crate::CustodyError;

/// Largest report read, in bytes.
pub(crate) const REPORT_BYTES_MAX: u64 = 256 << 20;

/// Reads the report of a submission; says what is wrong with it, if anything.
pub(crate) async fn check_report(
    archive: &Archive,
    submission: &SubmissionCompleted,
) -> Result<Option<Finding>, CustodyError> {
    let key = ObjectKey::submission_report(submission.submission);
    let (code, message) = match archive.store().read(&key, REPORT_BYTES_MAX).await {
        Ok(bytes) if Sha256Digest::of(&bytes) == submission.report_sha256 => return Ok(None),
        Ok(_) => {
            (FindingCode::ReportDamaged, "its bytes do not have the digest that the log states")
        }
        Err(StoreError::NotFound { .. }) => (FindingCode::ReportDamaged, "it is not in the store"),
        Err(StoreError::NotAnObject { .. }) => {
            (FindingCode::ReportDamaged, "something that is not a regular file is in its place")
        }
        Err(StoreError::TooLarge { .. }) => (FindingCode::NotRead, "it is too large to be read"),
        Err(source) => return Err(CustodyError::Store { doing: "reading a report", source }),
    };
    Ok(Some(Finding::new(code, key, message)))
}
