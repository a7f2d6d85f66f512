//! Gathering revocation evidence again: for time-stamps of whose certificates too little is known.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_authorities::{Authorities, GatheredEvidence};
use sigillo_ers::{
    AlgorithmTable, CertificateRevocation, RevocationEffect, RevocationReason, RevocationSet,
    RevocationStatus, TOKEN_BYTES_MAX, ToldEvidence, TrustAnchors, revocation_questions,
    token_revocation,
};
use sigillo_model::{Clock, EvidenceDigest, ObjectKey, Sha256Digest, Sha512Digest, ValidationOf};
use sigillo_store::StoreError;

use crate::{
    Archive, ChainToken, Chains, GatherOutcome, KeptEvidence, LogError, LogView, LogWriter,
    RevokedCertificate, RevokedRenewals, ToldRevocation, ToldRevocations, read_validation,
    read_view,
    standing::StandingLines,
    told_revocations::told_by,
    tree_parts::TreeParts,
    validation::{GATHERING_MAX, store},
};

/// By what it is judged which time-stamps want more evidence.
#[derive(Clone, Copy, Debug)]
pub struct GatherRules<'a> {
    /// Whom the certificates lead to: nobody is asked about others.
    pub anchors: &'a TrustAnchors,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
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
    /// Whether enough is known for a verdict today, so that asking brings only what was learnt since.
    pub is_known: bool,
    of: ValidationOf,
    sha256: Sha256Digest,
}

impl PlannedGathering {
    /// Returns from when on it is enough to know that a certificate was not revoked.
    fn since(&self) -> Option<Timestamp> {
        self.stamped_at.parse().ok()
    }
}

/// Evidence of a revocation, or of the end of a hold, that lies elsewhere in the archive, and is to be put
/// beside a time-stamp by the same certificate as well.
#[derive(Clone, Debug)]
pub struct PlannedCopy {
    /// The token.
    pub key: ObjectKey,
    line: String,
    of: ValidationOf,
    sha256: Sha256Digest,
    evidence: Vec<GatheredEvidence>,
}

/// The time-stamps about which somebody is to be asked.
#[derive(Clone, Debug, Default)]
pub struct GatherPlan {
    /// Those of whose certificates too little is known, oldest first.
    pub wanting: Vec<PlannedGathering>,
    /// How many of those, of which not enough is known, name nobody who could be asked.
    pub nobody: u64,
    /// Time-stamps of whose certificates enough is known.
    pub known: u64,
    /// Time-stamps for trial, about which nobody is asked.
    pub trial: u64,
    /// Time-stamps that could not be read, or whose certificate leads to no anchor.
    pub unanchored: u64,
    /// Certificates that are revoked by all that is known, so that a time-stamp is worth nothing or may be
    /// dated back, and no others stand for all that it is of.
    pub revoked: Vec<RevokedCertificate>,
    /// Time-stamps by such certificates, in whose place others stand.
    pub replaced: u64,
    /// Revocations, and ends of holds, that are known of one time-stamp and do not lie beside another by the
    /// same certificate.
    pub copies: Vec<PlannedCopy>,
}

impl GatherPlan {
    /// Returns how many time-stamps there are of whose certificates not enough is known.
    pub fn unknown(&self) -> u64 {
        self.wanting.iter().filter(|it| !it.is_known).count() as u64
    }
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
    let told = ToldRevocations::read((archive, &view, &chains), rules.anchors).await?;
    let covered_at = covered_times((archive, &view, &chains), (&told, rules)).await?;
    let planner = Planner { archive, view: &view, chains: &chains, rules, told, covered_at };
    let (mut plan, mut seen) = (GatherPlan::default(), HashSet::new());
    for (line, _, chain) in chains.iter() {
        for place in 0..chain.len() {
            if seen.insert(chain[place].sha256) {
                planner.take(&mut plan, line, &chain[place..]).await?;
            }
        }
    }
    let before = plan.revoked.len();
    let of = (archive, &view, &chains);
    let replaced = replaced(of, (&plan.revoked, &planner.told), rules).await?;
    plan.revoked.retain(|it| !replaced.contains(&it.token_sha256));
    plan.replaced = (before - plan.revoked.len()) as u64;
    plan.wanting.sort_by(|a, b| (&a.stamped_at, &a.key).cmp(&(&b.stamped_at, &b.key)));
    plan.copies.sort_by(|a, b| a.key.cmp(&b.key));
    plan.revoked.sort_by_key(|it| (it.at, it.token_sha256));
    Ok(plan)
}

/// Returns the time-stamps by revoked certificates in whose place others stand: of every sealing that one is
/// of, a line that holds and whose newest time-stamp is by none of these, the same or another.
async fn replaced(
    of: (&Archive, &LogView, &Chains),
    (revoked, told): (&[RevokedCertificate], &ToldRevocations),
    rules: &GatherRules<'_>,
) -> Result<HashSet<Sha256Digest>, LogError> {
    let (_, _, chains) = of;
    let all: HashSet<_> = revoked.iter().map(|it| it.token_sha256).collect();
    let is_in = |chain: &[ChainToken]| chain.iter().any(|it| all.contains(&it.sha256));
    let concerned = chains.iter().filter(|(_, _, chain)| is_in(chain));
    let concerned: HashSet<u64> = concerned.map(|(_, number, _)| number).collect();
    let by = (rules.anchors, rules.algorithms);
    let mut lines = StandingLines::new(of, by, (told, rules.at), TreeParts::default());
    let mut standing = HashSet::new();
    for (_, number, chain) in chains.iter().filter(|(_, number, _)| concerned.contains(number)) {
        let is_newest_revoked = chain.last().is_some_and(|it| all.contains(&it.sha256));
        if !is_newest_revoked && lines.hold((number, chain), false).await? {
            standing.insert(number);
        }
    }
    let mut replaced = all.clone();
    for (_, number, chain) in chains.iter() {
        for token in chain.iter().filter(|_| !standing.contains(&number)) {
            replaced.remove(&token.sha256);
        }
    }
    Ok(replaced)
}

/// Returns when something newer that is there and counts covers each time-stamp, in all chains that it is in.
/// Where nothing is revoked nothing rests on it, and what the log says is enough.
async fn covered_times(
    of: (&Archive, &LogView, &Chains),
    (told, rules): (&ToldRevocations, &GatherRules<'_>),
) -> Result<HashMap<Sha256Digest, Option<Timestamp>>, LogError> {
    let (_, view, chains) = of;
    let mut revoked = RevokedRenewals::new(told, (rules.anchors, rules.at));
    let mut times: HashMap<Sha256Digest, Option<Timestamp>> = HashMap::new();
    for (_, _, chain) in chains.iter() {
        let counting = match told.pieces() {
            [] => None,
            _ => revoked.counting(of, chain).await?,
        };
        let counting = counting.map(|it| it.tokens().into_iter().map(|(place, _)| place));
        let counting: Option<HashSet<usize>> = counting.map(Iterator::collect);
        let counts = |at: &usize| counting.as_ref().is_none_or(|it| it.contains(at));
        for (place, token) in chain.iter().enumerate() {
            let newer = (place + 1..chain.len()).find(&counts);
            let newer = newer.and_then(|at| chain[at].stated(view).0.parse().ok());
            let known = times.entry(token.sha256).or_insert(newer);
            *known = (*known).zip(newer).map(|(known, newer): (Timestamp, _)| known.max(newer));
        }
    }
    Ok(times)
}

/// What planning rests on.
struct Planner<'a> {
    archive: &'a Archive,
    view: &'a LogView,
    chains: &'a Chains,
    rules: &'a GatherRules<'a>,
    told: ToldRevocations,
    covered_at: HashMap<Sha256Digest, Option<Timestamp>>,
}

impl Planner<'_> {
    /// Plans for the first of some time-stamps; the others are newer ones in its chain.
    async fn take(
        &self,
        plan: &mut GatherPlan,
        line: &str,
        chain: &[ChainToken],
    ) -> Result<(), LogError> {
        let Self { archive, view, chains, rules, .. } = self;
        let [token, newer @ ..] = chain else { return Ok(()) };
        let (stamped_at, trial) = token.stated(view);
        if trial {
            plan.trial += 1;
            return Ok(());
        }
        let (key, of, sha256) = (token.key(view), token.validation_of(view), token.sha256);
        let Some(raw) = read_token(archive, &key, sha256).await? else {
            plan.unanchored += 1;
            return Ok(());
        };
        let kept = read_validation(archive, of, sha256).await?;
        let missing = self.told.missing_beside((&raw, rules.anchors), &kept);
        let all: Vec<Bytes> =
            missing.iter().map(|it| it.der.clone()).chain(kept.iter().cloned()).collect();
        let evidence: Vec<_> = missing.into_iter().map(ToldRevocation::as_gathered).collect();
        if !evidence.is_empty() {
            let (key, line) = (key.clone(), line.to_owned());
            plan.copies.push(PlannedCopy { key, line, of, sha256, evidence });
        }
        let judged = |evidence: &[Bytes], at| {
            let mut set = RevocationSet::new();
            fill(&mut set, evidence);
            token_revocation(&raw, rules.anchors, &set, at).unwrap_or_default()
        };
        let covered_at = self.covered_at.get(&sha256).copied().flatten();
        let is_revoked =
            |it: &CertificateRevocation| matches!(it.status, RevocationStatus::Revoked { .. });
        let mut told = judged(&all, rules.at);
        plan.revoked.extend(told.iter().filter_map(|it| revoked(it, sha256, covered_at)));
        if !told.iter().any(is_revoked) {
            let then = covered((view, chains), newer, &kept);
            let then = then.map(|(evidence, at)| judged(&evidence, at));
            let is_enough = |told: &Vec<CertificateRevocation>| {
                !told.is_empty() && wanting(told, stamped_at, covered_at).is_none()
            };
            told = then.filter(is_enough).unwrap_or(told);
        }
        if told.is_empty() {
            plan.unanchored += 1;
            return Ok(());
        }
        let Some((why, is_known)) = wanting(&told, stamped_at, covered_at) else {
            plan.known += 1;
            return Ok(());
        };
        let questions = revocation_questions(&raw, rules.anchors).unwrap_or_default();
        let addresses: BTreeSet<String> = questions.into_iter().map(|it| it.url).collect();
        plan.nobody += u64::from(addresses.is_empty() && !is_known);
        let (line, stamped_at) = (line.to_owned(), stamped_at.to_owned());
        let addresses = addresses.into_iter().collect();
        let planned =
            PlannedGathering { key, line, stamped_at, why, addresses, is_known, of, sha256 };
        plan.wanting.push(planned);
        Ok(())
    }
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
            let gathered = authorities.gather_for(&raw, planned.since(), clock).await;
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
        let there: HashSet<_> = kept.iter().map(|der| Sha256Digest::of(der)).collect();
        fresh.retain(|evidence| !there.contains(&Sha256Digest::of(&evidence.der)));
        if planned.is_known && says_nothing_new(&fresh, &kept, (&raw, rules.anchors)) {
            fresh.clear();
        }
        if fresh.is_empty() {
            outcome.unchanged += 1;
            continue;
        }
        outcome.note_stored(store(log, (*of, line, *sha256), fresh, clock).await?);
    }
    Ok(outcome)
}

/// Puts evidence of revocations beside the time-stamps of a plan that they concern, too, so that it goes
/// with them into renewals, receipts and copies.
///
/// # Errors
///
/// [`LogError`] if the store failed.
pub async fn copy_revocations(
    log: &LogWriter,
    plan: &GatherPlan,
    clock: &dyn Clock,
) -> Result<GatherOutcome, LogError> {
    let mut outcome = GatherOutcome::default();
    for PlannedCopy { line, of, sha256, evidence, .. } in &plan.copies {
        let done = store(log, (*of, line, *sha256), evidence.clone(), clock).await?;
        outcome.note_stored(done);
    }
    Ok(outcome)
}

/// Tells whether all that came tells what is known already: the same revocations, or none, and of no hold
/// that it ended.
fn says_nothing_new(
    fresh: &[GatheredEvidence],
    kept: &[Bytes],
    of: (&[u8], &TrustAnchors),
) -> bool {
    let known: Vec<ToldEvidence> = told_by(kept, of).collect();
    let of_same = |new: &ToldEvidence| {
        let certificate = new.certificate;
        known.iter().filter(move |old| old.certificate == certificate)
    };
    let is_new = |new: ToldEvidence| {
        if new.revoked.is_some() {
            return !of_same(&new).any(|old| old.revoked == new.revoked);
        }
        let ended = of_same(&new).filter(|old| old.ends_hold).map(|old| old.as_of).max();
        let held = of_same(&new).filter(|old| old.is_hold()).map(|old| old.as_of).max();
        new.ends_hold && ended < held && held < Some(new.as_of)
    };
    let ders: Vec<Bytes> = fresh.iter().map(|it| Bytes::from(it.der.clone())).collect();
    !told_by(&ders, of).any(is_new)
}

/// Says that a certificate is revoked so that its time-stamp, which something covered at a time, is worth
/// nothing or may be dated back.
fn revoked(
    told: &CertificateRevocation,
    token_sha256: Sha256Digest,
    covered_at: Option<Timestamp>,
) -> Option<RevokedCertificate> {
    let RevocationStatus::Revoked { at, effect, reason, .. } = told.status else { return None };
    let on_hold = reason.is_some_and(RevocationReason::is_hold);
    let subject = told.subject.clone();
    let revoked = RevokedCertificate { subject, at, on_hold, token_sha256 };
    (!stands(effect, at, covered_at)).then_some(revoked)
}

/// Tells whether a time-stamp, which something covered at a time, stands in spite of a revocation.
fn stands(effect: RevocationEffect, at: Timestamp, covered_at: Option<Timestamp>) -> bool {
    match effect {
        RevocationEffect::None => true,
        RevocationEffect::Doubtful => covered_at.is_some_and(|covered| covered < at),
        RevocationEffect::Void => false,
    }
}

/// Says why more is to be learnt of the certificates of a time-stamp, which something covered at a time, and
/// whether enough is known for a verdict today; `None` if nothing more is needed ever.
fn wanting(
    told: &[CertificateRevocation],
    stamped_at: &str,
    covered_at: Option<Timestamp>,
) -> Option<(String, bool)> {
    let stamped_at: Option<Timestamp> = stamped_at.parse().ok();
    let wants =
        told.iter().filter_map(|CertificateRevocation { subject, status, .. }| match status {
            RevocationStatus::Unknown { missing } => Some((format!("{subject}: {missing}"), false)),
            RevocationStatus::Good { source } if stamped_at.is_some_and(|at| source.as_of < at) => {
                let as_of = source.as_of;
                Some((format!("{subject}: the newest is of {as_of}, before the time-stamp"), false))
            }
            // Somebody may find out later that the key was not safe.
            RevocationStatus::Revoked { at, effect: RevocationEffect::None, .. }
                if covered_at.is_none_or(|covered| *at <= covered) =>
            {
                let why =
                    format!("{subject}: revoked on {at}, for a reason that leaves the key safe");
                Some((format!("{why}; a graver one may have been learnt since"), true))
            }
            // A hold may end, as if it had never been.
            RevocationStatus::Revoked { at, reason: Some(reason), .. } if reason.is_hold() => {
                let why = format!("{subject}: on hold since {at}; that may have ended since");
                Some((why, true))
            }
            RevocationStatus::Good { .. } | RevocationStatus::Revoked { .. } => None,
        });
    // What is missing comes before what may be learnt.
    wants.min_by_key(|(_, is_known)| *is_known)
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
pub(crate) async fn read_token(
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
    use sigillo_ers::{RevocationKind, RevocationSource};

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
            let told = [CertificateRevocation { subject, serial, status }];
            wanting(&told, stamped_at, None).map(|(_, is_known)| is_known)
        };
        let before = source("2029-12-31T23:59:59Z");
        assert_eq!(is_wanting(RevocationStatus::Good { source: before.clone() }), Some(false));
        assert_eq!(is_wanting(RevocationStatus::Good { source: source(stamped_at) }), None);
        let unknown = RevocationStatus::Unknown { missing: "all".to_owned() };
        assert_eq!(is_wanting(unknown), Some(false));
        let revoked = |effect| RevocationStatus::Revoked {
            source: before.clone(),
            at: before.as_of,
            reason: None,
            effect,
        };
        assert_eq!(is_wanting(revoked(RevocationEffect::Void)), None);
        assert_eq!(is_wanting(revoked(RevocationEffect::None)), Some(true));
    }
}
