//! Gathering revocation evidence again: for time-stamps of whose certificates too little is known.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_authorities::{Authorities, GatheredEvidence};
use sigillo_ers::{
    CertificateRevocation, RevocationSet, RevocationStatus, TOKEN_BYTES_MAX, TrustAnchors,
    revocation_questions, token_revocation,
};
use sigillo_model::{Clock, EvidenceDigest, ObjectKey, Sha256Digest, Sha512Digest, ValidationOf};
use sigillo_store::StoreError;

use crate::{
    Archive, ChainToken, Chains, GatherOutcome, KeptEvidence, LogError, LogView, LogWriter,
    read_validation, read_view,
    validation::{GATHERING_MAX, store},
};

/// By what it is judged which time-stamps want more evidence.
#[derive(Clone, Copy, Debug)]
pub struct GatherRules<'a> {
    /// Whom the certificates lead to: nobody is asked about others.
    pub anchors: &'a TrustAnchors,
    /// The time of judgement.
    pub at: Timestamp,
}

/// A time-stamp of whose certificates more is to be learnt.
#[derive(Clone, Debug)]
pub struct PlannedGathering {
    /// The token.
    pub key: ObjectKey,
    /// The evidence line.
    pub line: String,
    /// The time it attests, as the log says.
    pub stamped_at: String,
    /// Why, in words.
    pub why: String,
    /// Whom its certificates say to ask.
    pub addresses: Vec<String>,
    of: ValidationOf,
    sha256: Sha256Digest,
}

/// The time-stamps about which somebody is to be asked.
#[derive(Clone, Debug, Default)]
pub struct GatherPlan {
    /// Those of whose certificates too little is known, oldest first.
    pub wanting: Vec<PlannedGathering>,
    /// How many of those name nobody who could be asked.
    pub nobody: u64,
    /// Time-stamps of whose certificates enough is known.
    pub known: u64,
    /// Time-stamps for trial, about which nobody is asked.
    pub trial: u64,
    /// Time-stamps that could not be read, or whose certificate leads to no anchor.
    pub unanchored: u64,
}

/// Says of which time-stamps, first ones and those of renewals, too little is known of the revocation
/// of the certificates: something cannot be told, or what is known is from before the time-stamp,
/// so that a revocation in between would not be in it. Asks nobody.
///
/// # Errors
///
/// [`LogError`] if the log or the store failed.
pub async fn plan_gathering(
    archive: &Archive,
    rules: &GatherRules<'_>,
) -> Result<GatherPlan, LogError> {
    let view = read_view(archive).await?;
    let chains = Chains::read(archive, &view).await?;
    let (mut plan, mut seen) = (GatherPlan::default(), HashSet::new());
    for (line, _, chain) in chains.iter() {
        for (place, token) in chain.iter().enumerate() {
            if !seen.insert(token.sha256) {
                continue;
            }
            let (stamped_at, trial) = token.stated(&view);
            if trial {
                plan.trial += 1;
                continue;
            }
            let (key, of) = (token.key(&view), token.validation_of(&view));
            let Some(raw) = read_token(archive, &key, token.sha256).await? else {
                plan.unanchored += 1;
                continue;
            };
            let kept = read_validation(archive, of, token.sha256).await?;
            let judged = |evidence: &[Bytes], at| {
                let mut set = RevocationSet::new();
                fill(&mut set, evidence);
                token_revocation(&raw, rules.anchors, &set, at).unwrap_or_default()
            };
            let says_enough = |told: &Vec<CertificateRevocation>| {
                !told.is_empty() && wanting(told, stamped_at).is_none()
            };
            let told = covered((&view, &chains), &chain[place + 1..], &kept)
                .map(|(evidence, at)| judged(&evidence, at))
                .filter(says_enough)
                .unwrap_or_else(|| judged(&kept, rules.at));
            if told.is_empty() {
                plan.unanchored += 1;
                continue;
            }
            let Some(why) = wanting(&told, stamped_at) else {
                plan.known += 1;
                continue;
            };
            let questions = revocation_questions(&raw, rules.anchors).unwrap_or_default();
            let addresses: BTreeSet<String> = questions.into_iter().map(|it| it.url).collect();
            plan.nobody += u64::from(addresses.is_empty());
            let (line, stamped_at) = (line.to_owned(), stamped_at.to_owned());
            let (addresses, sha256) = (addresses.into_iter().collect(), token.sha256);
            let planned = PlannedGathering { key, line, stamped_at, why, addresses, of, sha256 };
            plan.wanting.push(planned);
        }
    }
    plan.wanting.sort_by(|a, b| (&a.stamped_at, &a.key).cmp(&(&b.stamped_at, &b.key)));
    Ok(plan)
}

/// Returns which evidence there is of a time-stamp that newer ones in its chain cover, and when all of it
/// was covered, as the log says; `None` if there is none. What told enough by then need not be asked for
/// again.
fn covered(
    (view, chains): (&LogView, &Chains),
    newer: &[ChainToken],
    kept: &[Bytes],
) -> Option<(Vec<Bytes>, Timestamp)> {
    let covered_at = |der: &Bytes| -> Option<Timestamp> {
        let either: [EvidenceDigest; 2] =
            [Sha256Digest::of(der).into(), Sha512Digest::of(der).into()];
        let covers = |token: &&ChainToken| {
            let covered = chains.validation(token);
            either.iter().any(|digest| covered.binary_search(digest).is_ok())
        };
        newer.iter().find(covers)?.stated(view).0.parse().ok()
    };
    let found: Vec<(Bytes, Timestamp)> =
        kept.iter().filter_map(|der| Some((der.clone(), covered_at(der)?))).collect();
    let last = found.iter().map(|(_, at)| *at).max()?;
    Some((found.into_iter().map(|(der, _)| der).collect(), last))
}

/// Asks about the time-stamps of a plan, and stores what comes and was not there: it can be done again
/// and again. What was got for one time-stamp is used for the next ones without asking again, and
/// nobody is asked after a minute: the rest is left for another time.
///
/// # Errors
///
/// [`LogError`] if the store failed.
pub async fn gather_again(
    log: &LogWriter,
    plan: &GatherPlan,
    rules: &GatherRules<'_>,
    authorities: &Authorities,
    clock: &dyn Clock,
) -> Result<GatherOutcome, LogError> {
    let (mut outcome, begun) = (GatherOutcome::default(), clock.now());
    let mut pool: Vec<GatheredEvidence> = Vec::new();
    for planned in plan.wanting.iter().filter(|it| !it.addresses.is_empty()) {
        let PlannedGathering { key, line, of, sha256, .. } = planned;
        let archive = log.archive();
        let Some(raw) = read_token(archive, key, *sha256).await? else { continue };
        let kept = read_validation(archive, *of, *sha256).await?;
        let mut fresh = from_pool(&raw, &kept, &pool, rules);
        if fresh.is_empty() {
            if clock.now().duration_since(begun) > GATHERING_MAX {
                outcome.left += 1;
                continue;
            }
            let gathered = authorities.gather_for(&raw, clock).await;
            for refused in gathered.refused {
                if !outcome.refused.contains(&refused) {
                    outcome.refused.push(refused);
                }
            }
            for evidence in &gathered.evidence {
                let is_new = !pool.iter().any(|it| it.der == evidence.der);
                if is_new {
                    pool.push(evidence.clone());
                    outcome.kept.push(KeptEvidence::of(evidence));
                }
            }
            fresh = gathered.evidence;
        }
        let known = kept.iter().map(|der| &der[..]);
        let known = known.chain(fresh.iter().map(|it| &it.der[..]));
        outcome.note_revoked((&raw, rules.anchors), known, clock.now());
        let there: HashSet<_> = kept.iter().map(|der| Sha256Digest::of(der)).collect();
        fresh.retain(|evidence| !there.contains(&Sha256Digest::of(&evidence.der)));
        if fresh.is_empty() {
            outcome.unchanged += 1;
            continue;
        }
        outcome.stored += fresh.len();
        store(log, (*of, line, *sha256), fresh, clock).await?;
    }
    Ok(outcome)
}

/// Says why more is to be learnt of the certificates of a time-stamp; `None` if enough is known.
fn wanting(told: &[CertificateRevocation], stamped_at: &str) -> Option<String> {
    let stamped_at: Option<Timestamp> = stamped_at.parse().ok();
    told.iter().find_map(|CertificateRevocation { subject, status, .. }| match status {
        RevocationStatus::Unknown { missing } => Some(format!("{subject}: {missing}")),
        RevocationStatus::Good { source } if stamped_at.is_some_and(|at| source.as_of < at) => {
            Some(format!("{subject}: the newest is of {}, before the time-stamp", source.as_of))
        }
        RevocationStatus::Good { .. } | RevocationStatus::Revoked { .. } => None,
    })
}

/// Returns what was got for other time-stamps in this run, if it tells all of this one too: who was
/// asked a moment ago would say the same.
fn from_pool(
    raw: &[u8],
    kept: &[Bytes],
    pool: &[GatheredEvidence],
    rules: &GatherRules<'_>,
) -> Vec<GatheredEvidence> {
    let mut set = RevocationSet::new();
    fill(&mut set, kept);
    for evidence in pool {
        let _is_read = set.add(&evidence.url, &evidence.der).is_ok();
    }
    let told = token_revocation(raw, rules.anchors, &set, rules.at).unwrap_or_default();
    let mut used = HashSet::new();
    for certificate in &told {
        match &certificate.status {
            RevocationStatus::Good { source } | RevocationStatus::Revoked { source, .. } => {
                used.insert(source.sha256);
            }
            RevocationStatus::Unknown { .. } => return Vec::new(),
        }
    }
    let is_used = |it: &&GatheredEvidence| used.contains(&Sha256Digest::of(&it.der));
    pool.iter().filter(is_used).cloned().collect()
}

fn fill(set: &mut RevocationSet, kept: &[Bytes]) {
    for der in kept {
        let _is_read = set.add("kept", der).is_ok();
    }
}

/// Reads a token; `None` if it is missing or changed, which an audit tells.
async fn read_token(
    archive: &Archive,
    key: &ObjectKey,
    sha256: Sha256Digest,
) -> Result<Option<Bytes>, LogError> {
    match archive.store().read(key, TOKEN_BYTES_MAX as u64).await {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| Sha256Digest::of(bytes) == sha256)),
        Err(
            StoreError::NotFound { .. }
            | StoreError::TooLarge { .. }
            | StoreError::NotAnObject { .. },
        ) => Ok(None),
        Err(error) => Err(LogError::store("reading a time-stamp")(error)),
    }
}

#[cfg(test)]
mod tests {
    use sigillo_ers::{RevocationEffect, RevocationKind, RevocationSource};

    use super::*;

    #[test]
    fn what_is_known_from_before_the_time_stamp_is_not_enough() {
        let stamped_at = "2030-01-01T00:00:00Z";
        let source = |as_of: &str| RevocationSource {
            kind: RevocationKind::Crl,
            name: "x".to_owned(),
            maker: "y".to_owned(),
            as_of: as_of.parse().unwrap(),
            next_update: None,
            sha256: Sha256Digest::of(b""),
        };
        let is_wanting = |status| {
            let (subject, serial) = ("z".to_owned(), "1".to_owned());
            wanting(&[CertificateRevocation { subject, serial, status }], stamped_at).is_some()
        };
        let before = source("2029-12-31T23:59:59Z");
        assert!(is_wanting(RevocationStatus::Good { source: before.clone() }));
        assert!(!is_wanting(RevocationStatus::Good { source: source(stamped_at) }));
        assert!(is_wanting(RevocationStatus::Unknown { missing: "all".to_owned() }));
        let (at, effect) = (before.as_of, RevocationEffect::Void);
        assert!(!is_wanting(RevocationStatus::Revoked {
            source: before,
            at,
            reason: None,
            effect
        }));
    }
}
