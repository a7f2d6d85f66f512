//! Auditing what lies beside tokens that were filled: the same as their authorities gave them.

use sigillo_ers::{TOKEN_BYTES_MAX, is_filled_from};
use sigillo_model::{Finding, FindingCode, ObjectKey, Sha256Digest};

use crate::{Archive, LineProfile, LogError, LogView, audit_sealings::read_stated};

/// A token that was filled, its digest, and where it lies as received.
type Filled = (ObjectKey, Sha256Digest, ObjectKey);

/// Compares every token that was filled with what its authority gave. No verdict rests on that: the
/// signature is in both, and what was filled in proves itself.
pub(crate) async fn audit_received(
    archive: &Archive,
    view: &LogView,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    for (key, sha256, received_key) in filled_tokens(view) {
        let code = FindingCode::ReceivedTokenDiffers;
        // What is wrong with the token itself is told elsewhere.
        let mut told = Vec::new();
        let named = (&key, TOKEN_BYTES_MAX as u64, sha256);
        let Some(token) = read_stated(archive, named, code, &mut told).await? else { continue };
        let read = archive.store().read_optional(&received_key, TOKEN_BYTES_MAX as u64).await;
        let what = match read {
            Ok(Some(received)) if is_filled_from(&token, &received) => continue,
            Ok(Some(_)) => format!("{key} was not filled from it"),
            Ok(None) => "it is not in the store".to_owned(),
            Err(error) => format!("it could not be read: {error}"),
        };
        let message = format!("{what}; the token that counts is not in question");
        findings.push(Finding::new(code, received_key, message));
    }
    Ok(())
}

fn filled_tokens(view: &LogView) -> Vec<Filled> {
    let is_filled = |line: &str| LineProfile::of_line(line) == Some(LineProfile::TrEsor);
    let stamps = view.stamps.iter().map(|it| &it.body).filter(|it| is_filled(&it.line));
    let stamps = stamps.map(|it| {
        let of = |key: fn(_, &str, _) -> ObjectKey| key(it.sealing, &it.line, it.token_sha256);
        (of(ObjectKey::token), it.token_sha256, of(ObjectKey::received_token))
    });
    let renewals = view.renewals.iter().map(|it| &it.body).filter(|it| is_filled(&it.line));
    let renewals = renewals.map(|it| (it.renewal, it.token_sha256));
    let trees = view.rehashes.iter().map(|it| &it.body).filter(|it| is_filled(&it.line));
    let trees = trees.map(|it| (it.renewal, it.token_sha256));
    let newer = renewals.chain(trees).map(|(renewal, sha256)| {
        let key = ObjectKey::renewal_token(renewal);
        (key, sha256, ObjectKey::renewal_received_token(renewal))
    });
    stamps.chain(newer).collect()
}
