//! Checking what is kept of submissions against the digests that the log states.

use sigillo_evidence_log::{Archive, LogView};
use sigillo_model::{Finding, FindingCode, ObjectKey, Sha256Digest};
use sigillo_store::StoreError;

use crate::{CustodyError, batch_check::not_read};

/// Largest report read, in bytes.
pub(crate) const REPORT_BYTES_MAX: u64 = 256 << 20;

/// Reads what is kept of every submission; says what is wrong with it.
pub(crate) async fn check_submissions(archive: &Archive, view: &LogView) -> Vec<Finding> {
    let received = view.received.iter();
    let received =
        received.map(|it| (ObjectKey::submission_received(it.submission), it.received_sha256));
    let completed = view.completed.iter();
    let completed =
        completed.map(|it| (ObjectKey::submission_report(it.submission), it.report_sha256));
    let mut findings = Vec::new();
    for (key, sha256) in received.chain(completed) {
        findings.extend(check_report(archive, key, sha256).await);
    }
    findings
}

async fn check_report(archive: &Archive, key: ObjectKey, sha256: Sha256Digest) -> Option<Finding> {
    let (code, message) = match archive.store().read(&key, REPORT_BYTES_MAX).await {
        Ok(bytes) if Sha256Digest::of(&bytes) == sha256 => return None,
        Ok(_) => {
            (FindingCode::ReportDamaged, "its bytes do not have the digest that the log states")
        }
        Err(StoreError::NotFound { .. }) => (FindingCode::ReportDamaged, "it is not in the store"),
        Err(StoreError::NotAnObject { .. }) => {
            (FindingCode::ReportDamaged, "something that is not a regular file is in its place")
        }
        Err(StoreError::TooLarge { .. }) => (FindingCode::NotRead, "it is too large to be read"),
        // Of one that cannot be read nothing is known; the others are looked at all the same.
        Err(source) => {
            return Some(not_read(key, &CustodyError::Store { doing: "reading a report", source }));
        }
    };
    Some(Finding::new(code, key, message))
}
