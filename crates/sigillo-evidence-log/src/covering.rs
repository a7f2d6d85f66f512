//! Which revocation evidence a renewal of time-stamps covers besides them.
//!
//! Lists and responses are signed with keys that end, too. Under a newer time-stamp they need not hold
//! any longer than until then.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use sigillo_ers::{HashFunction, TrustAnchors};
use sigillo_model::{EvidenceDigest, RENEWAL_VALIDATION_MAX, Sha256Digest, Sha512Digest};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, gathering::read_token, last_chain,
    read_validation, renewing::PlannedRenewal, told_revocations::told_by,
};

/// At most this many time-stamps have their evidence read at once.
const EVIDENCE_AHEAD_MAX: usize = 4;

/// SHA-256 and SHA-512 of evidence.
type Digests = (Sha256Digest, Sha512Digest);

/// What lies beside a time-stamp and tells something of its certificates: what is to be covered first comes
/// first.
type Worthy = Vec<((bool, Timestamp), Digests)>;

/// Adds to each planned renewal the revocation evidence on all time-stamps of its sealing that no older
/// renewal in the chain covers, of those that are not `lost`: what tells something of a certificate of
/// theirs, signed by who may say so. Nobody asks about trial time-stamps. What is more than
/// [`RENEWAL_VALIDATION_MAX`] is left for the next renewal: revocations go first, then the newest.
///
/// # Errors
///
/// [`LogError`] if the store did not answer; what is damaged is not covered.
pub(crate) async fn cover_validation(
    (archive, view, chains): (&Archive, &LogView, &Chains),
    (line, lost, anchors): (&str, &BTreeSet<Sha256Digest>, &TrustAnchors),
    due: &mut [PlannedRenewal],
) -> Result<(), LogError> {
    let tokens = due.iter().flat_map(|it| chains.of(line, it.number));
    let real = tokens.filter(|token| !token.stated(view).1);
    let each: BTreeMap<Sha256Digest, ChainToken> = real.map(|it| (it.sha256, *it)).collect();
    let evidence: BTreeMap<Sha256Digest, Worthy> = stream::iter(each.into_values())
        .map(|token| async move {
            let kept = read_validation(archive, token.validation_of(view), token.sha256).await?;
            if kept.is_empty() {
                return Ok((token.sha256, Vec::new()));
            }
            let raw = read_token(archive, &token.key(view), token.sha256).await?;
            let worthy = raw.map(|raw| worthy(&kept, (&raw, anchors)));
            Ok::<_, LogError>((token.sha256, worthy.unwrap_or_default()))
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
        let by_hash = there.map(|(rank, (sha256, sha512))| {
            let digest: EvidenceDigest = match planned.hash {
                HashFunction::Sha512 => (*sha512).into(),
                _ => (*sha256).into(),
            };
            (Reverse(*rank), digest)
        });
        let mut more: Vec<_> = by_hash.filter(|(_, digest)| !covered.contains(digest)).collect();
        more.sort_unstable();
        let mut chosen = BTreeSet::new();
        for (_, digest) in more {
            if chosen.len() < RENEWAL_VALIDATION_MAX {
                chosen.insert(digest);
            }
        }
        planned.validation = chosen.into_iter().collect();
    }
    Ok(())
}

/// Returns those of some pieces that tell something of the certificates behind a token.
fn worthy(kept: &[Bytes], of: (&[u8], &TrustAnchors)) -> Worthy {
    let ranked = kept.iter().filter_map(|der| {
        let told = told_by(std::slice::from_ref(der), of);
        let rank = told.map(|it| (it.revoked.is_some(), it.as_of)).max()?;
        Some((rank, (Sha256Digest::of(der), Sha512Digest::of(der))))
    });
    ranked.collect()
}
