//! Which revocation evidence a renewal of time-stamps covers besides them.
//!
//! Lists and responses are signed with keys that end, too. Under a newer time-stamp they need not hold
//! any longer than until then.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_ers::HashFunction;
use sigillo_model::{EvidenceDigest, RENEWAL_VALIDATION_MAX, Sha256Digest, Sha512Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, last_chain, read_validation,
    renewing::PlannedRenewal,
};

/// At most this many time-stamps have their evidence read at once.
const EVIDENCE_AHEAD_MAX: usize = 4;

/// SHA-256 and SHA-512 of what lies beside a time-stamp.
type Digests = Vec<(Sha256Digest, Sha512Digest)>;

/// Adds to each planned renewal the revocation evidence on all time-stamps of its sealing that no older
/// renewal in the chain covers, of those that are not `lost`. Nobody asks about trial time-stamps. What
/// is more than [`RENEWAL_VALIDATION_MAX`] is left for the next renewal.
///
/// # Errors
///
/// [`LogError`] if the store did not answer; what is damaged is not covered.
pub(crate) async fn cover_validation(
    (archive, view, chains): (&Archive, &LogView, &Chains),
    (line, lost): (&str, &BTreeSet<Sha256Digest>),
    due: &mut [PlannedRenewal],
) -> Result<(), LogError> {
    let tokens = due.iter().flat_map(|it| chains.of(line, it.number));
    let real = tokens.filter(|token| !token.stated(view).1);
    let each: BTreeMap<Sha256Digest, ChainToken> = real.map(|it| (it.sha256, *it)).collect();
    let evidence: BTreeMap<Sha256Digest, Digests> = stream::iter(each.into_values())
        .map(|token| async move {
            let kept = read_validation(archive, token.validation_of(view), token.sha256).await?;
            let digests = kept.iter().map(|der| (Sha256Digest::of(der), Sha512Digest::of(der)));
            Ok::<_, LogError>((token.sha256, digests.collect()))
        })
        .buffer_unordered(EVIDENCE_AHEAD_MAX)
        .try_collect()
        .await?;
    for planned in due {
        let chain = chains.of(line, planned.number);
        let sound = last_chain(chain).iter().filter(|token| !lost.contains(&token.sha256));
        let covered: BTreeSet<&EvidenceDigest> =
            sound.flat_map(|token| chains.validation(token)).collect();
        let there = chain.iter().filter_map(|token| evidence.get(&token.sha256)).flatten();
        let by_hash: BTreeSet<EvidenceDigest> = there
            .map(|(sha256, sha512)| match planned.hash {
                HashFunction::Sha512 => (*sha512).into(),
                _ => (*sha256).into(),
            })
            .collect();
        let more = by_hash.into_iter().filter(|digest| !covered.contains(digest));
        planned.validation = more.take(RENEWAL_VALIDATION_MAX).collect();
    }
    Ok(())
}
