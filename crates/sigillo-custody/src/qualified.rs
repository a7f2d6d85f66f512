//! Which time-stamps of an archive no trusted list proves to be qualified.

use std::collections::BTreeSet;

use sigillo_ers::{TOKEN_BYTES_MAX, TrustAnchors, verify_token};
use sigillo_evidence_log::{Archive, Chains, LogView};
use sigillo_model::{Finding, FindingCode};

use crate::CustodyError;

/// Tells of each time-stamp that is not for trial and not proven to be qualified, one note each.
///
/// What is damaged or missing is passed over: verifying the archive tells of that.
///
/// # Errors
///
/// [`CustodyError`] if the renewals of the archive could not be read.
pub async fn unqualified_stamps(
    archive: &Archive,
    view: &LogView,
    anchors: &TrustAnchors,
) -> Result<Vec<Finding>, CustodyError> {
    let chains = Chains::read(archive, view).await?;
    let (mut seen, mut findings) = (BTreeSet::new(), Vec::new());
    for (_, _, tokens) in chains.iter() {
        for token in tokens.iter().filter(|token| !token.stated(view).1) {
            let (key, covers) = (token.key(view), token.covers(view));
            if !seen.insert(key.to_string()) {
                continue;
            }
            let Some(covers) = covers else { continue };
            let Ok(bytes) = archive.store().read(&key, TOKEN_BYTES_MAX as u64).await else {
                continue;
            };
            let Ok(verified) = verify_token(&bytes, covers, anchors) else { continue };
            if !verified.qualification.is_qualified() {
                let message = format!("not proven to be qualified: {}", verified.qualification);
                findings.push(Finding::new(FindingCode::NotQualified, key, message));
            }
        }
    }
    Ok(findings)
}
