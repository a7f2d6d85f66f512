//! Renewing time-stamps: one newer time-stamp over those of all sealings that ask for it.
//!
//! A plan says which sealings do and why; carrying it out asks for one time-stamp and commits it.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use sigillo_authorities::{AllRefused, Authorities, Refusal, Stamped};
use sigillo_ers::{
    AlgorithmTable, Due, HashFunction, Renewal, TimeStampToken, TrustAnchors, renewal_leaf,
    tree_root,
};
use sigillo_model::{
    Clock, Entropy, Entry, EvidenceDigest, EvidenceRenewed, Finding, FindingCode, ObjectKey,
    RENEWAL_BYTES_MAX, RENEWAL_MEMBERS_MAX, RENEWAL_TOKENS_MAX, RenewalId, RenewalMember,
    RenewalMembers, Sha256Digest, Sha512Digest, to_canonical,
};

use crate::{
    Archive, ChainToken, Chains, CommitOutcome, Committed, LogError, LogView, LogWriter,
    ToldRevocations, Unread, chain_hash, last_chain,
    lost::{Judged, judge},
    read_view,
    renewal_fit::{Fit, Standing},
    revoked_out::RevokedOut,
    sealing::create_fresh,
    stopped::Stopped,
    tree_parts::TreeParts,
};

/// How long before their end time-stamps are renewed, unless somebody says otherwise: half a year.
pub const RENEWAL_LEAD: SignedDuration = SignedDuration::from_hours(24 * 183);

/// At most this often a renewal is committed again because others committed.
const COMMIT_ATTEMPTS_MAX: u32 = 100;

/// At most this many time-stamps are read at once.
pub(crate) const TOKENS_AHEAD_MAX: usize = 16;

/// The format of `members.json`.
const FORMAT: u32 = 1;

/// By what rules it is decided what is to be renewed.
#[derive(Clone, Copy, Debug)]
pub struct RenewalRules<'a> {
    /// The evidence line.
    pub line: &'a str,
    /// Certificates that time-stamps may lead to.
    pub anchors: &'a TrustAnchors,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
    /// The time now.
    pub at: Timestamp,
    /// How long before the end of a time-stamp it is to be renewed.
    pub lead: SignedDuration,
    /// Renew also what does not ask for it.
    pub all: bool,
    /// Make new hash trees also where nothing asks for them.
    pub all_trees: bool,
    /// Renew also where newer time-stamps than the newest sound one are lost for ever.
    pub over_lost: bool,
}

/// A sealing whose time-stamps are to be renewed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedRenewal {
    /// Number of the sealing.
    pub number: u64,
    /// SHA-256 of the time-stamps of its last chain on the line, oldest first.
    pub tokens: Vec<Sha256Digest>,
    /// The hash function of that chain.
    pub hash: HashFunction,
    /// Their digests by it.
    digests: Vec<EvidenceDigest>,
    /// The revocation evidence that is to be covered with them, by it.
    pub validation: Vec<EvidenceDigest>,
    /// Why, the first reason to come; `None` if nothing asks for it.
    pub due: Option<Due>,
    /// What a newer one must be better than.
    standing: Standing,
}

/// A sealing that is to get new hash trees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedRehash {
    /// Number of the sealing.
    pub number: u64,
    /// SHA-256 of all time-stamps that it has on the line, oldest first.
    pub tokens: Vec<Sha256Digest>,
    /// Why; `None` if nothing asks for it.
    pub due: Option<Due>,
    /// What a newer one must be better than.
    pub(crate) standing: Standing,
}

/// What is to be renewed on one evidence line.
#[derive(Clone, Debug, Default)]
pub struct RenewalPlan {
    /// The evidence line.
    pub line: String,
    /// The newest commit that it takes account of.
    pub head: u64,
    /// The sealings to renew now, by number.
    pub due: Vec<PlannedRenewal>,
    /// How many others have time-stamps on the line that can be verified.
    pub not_due: u64,
    /// When the first of those others has to be renewed at the latest, if that is known.
    pub next_before: Option<Timestamp>,
    /// The sealings whose hash function comes to its end, by number: they are to get new hash trees.
    /// Those of them whose time-stamps end as well are among `due` too, unless the function has come to
    /// its end already.
    pub trees: Vec<PlannedRehash>,
    /// How many sealings have a hash function that comes to its end, and no other to go on with here.
    pub stuck: u64,
    /// How many are held back, for what is lost may have renewed them.
    pub held_back: u64,
    /// How many are left out, or held back, for the newest is lost: who asks for it renews over what is left.
    pub left_by_lost: u64,
    /// What this line can do no more.
    pub(crate) stopped: Stopped,
    /// What is known of the objects that hash trees consist of.
    pub(crate) parts: TreeParts,
    /// What is told to be revoked: nobody stamps with that.
    pub told: ToldRevocations,
    /// What cannot be renewed as it is: newest time-stamps that could not be verified, renewals that
    /// do not count.
    pub findings: Vec<Finding>,
}

/// What became of a renewal.
#[derive(Debug, Default)]
pub struct RenewOutcome {
    /// The renewals that are in the log now.
    pub renewed: Vec<(EvidenceRenewed, Committed)>,
    /// How many sealings still wait: no authority helped.
    pub waiting: usize,
    /// Whether somebody else renewed meanwhile: what is left is for a new plan.
    pub overtaken: bool,
    /// What authorities answered that was refused, also where a later one helped.
    pub refused: Vec<Refusal>,
}

/// Says what is to be renewed on a line. Writes nothing.
///
/// The newest time-stamp of every sealing is read and verified: what cannot be verified now is not
/// put under a newer time-stamp. Of what is to be renewed the older ones are read as well: that one
/// is missing or changed is told, and keeps nothing from being renewed.
///
/// # Errors
///
/// [`LogError`] if the log or the store failed; damage is a finding.
pub async fn plan_renewals(
    archive: &Archive,
    rules: &RenewalRules<'_>,
) -> Result<RenewalPlan, LogError> {
    let view = read_view(archive).await?;
    let chains = Chains::read(archive, &view).await?;
    let of = (archive, &view, &chains);
    let told = ToldRevocations::read(of, rules.anchors).await?;
    plan_of(of, (&told, &TreeParts::default()), rules).await
}

pub(crate) async fn plan_of(
    of: (&Archive, &LogView, &Chains),
    (told, parts): (&ToldRevocations, &TreeParts),
    rules: &RenewalRules<'_>,
) -> Result<RenewalPlan, LogError> {
    let (archive, view, chains) = of;
    let (line, told, parts) = (rules.line.to_owned(), told.clone(), parts.clone());
    let mut plan = RenewalPlan { line, head: view.head, told, parts, ..RenewalPlan::default() };
    plan.findings.extend(faults_of((view, chains), rules.line));
    let by = (&plan.told, rules.anchors, rules.at);
    let revoked = RevokedOut::read(of, rules.line, by, &plan.parts).await?;
    plan.findings.extend(revoked.findings.iter().cloned());
    if rules.over_lost {
        plan.over_lost(of, rules, &revoked).await?;
        return Ok(plan);
    }
    let of_line: Vec<_> = chains.iter().filter(|(line, ..)| *line == rules.line).collect();
    let newest: BTreeMap<Sha256Digest, ChainToken> = of_line
        .iter()
        .filter_map(|(_, number, chain)| revoked.newest(*number, chain))
        .map(|it| (it.sha256, *it))
        .collect();
    let judged: Judged = stream::iter(newest.into_values())
        .map(|token| async move {
            Ok::<_, LogError>((token.sha256, judge(archive, view, &token, rules).await?))
        })
        .buffer_unordered(TOKENS_AHEAD_MAX)
        .try_collect()
        .await?;
    plan.findings.extend(judged.values().filter_map(|it| it.as_ref().err()).cloned());
    for (_, number, chain) in of_line {
        let by = (chains, &revoked);
        let Some(newest) = plan.renewable(by, number, chain) else { continue };
        let judged = match judged.get(&newest.sha256) {
            Some(Ok(judged)) => judged,
            Some(Err(finding)) => {
                let is_lost = finding.code == FindingCode::RenewalDamaged;
                plan.left_by_lost += u64::from(is_lost);
                continue;
            }
            None => continue,
        };
        let perhaps = chains.perhaps_renewed(view, rules.line, number);
        if !perhaps.is_empty() {
            plan.held_back += 1;
            let is_tree = |it: &Unread| matches!(it, Unread::Rehash(_));
            plan.left_by_lost += u64::from(!perhaps.iter().any(is_tree));
            continue;
        }
        if let Some(gap) = judged.gap((view, chain), newest, rules.at) {
            plan.findings.push(gap);
            continue;
        }
        let (judged, trial) = (judged.not_before((view, chain)), newest.stated(view).1);
        let is_whole = !revoked.is_of(number);
        plan.take(&Renewable { number, tokens: chain, is_whole }, &judged, trial, rules);
    }
    plan.older(of, rules.anchors, revoked.tokens(rules.line, chains)).await?;
    let mut seen = BTreeSet::new();
    plan.findings.retain(|it| seen.insert((it.code.code(), it.object.clone())));
    plan.say_stopped(of, rules).await?;
    Ok(plan)
}

/// Says which renewals and hash trees of a line do not count, for what is in them.
fn faults_of((view, chains): (&LogView, &Chains), line: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, what) in chains.faults() {
        let body = &view.renewals[at].body;
        if body.line == line {
            let key = ObjectKey::renewal_members(body.renewal);
            findings.push(Finding::new(FindingCode::RenewalDamaged, key, what));
        }
    }
    for (rehash, made) in view.rehashes.iter().zip(chains.rehashes()) {
        if let (true, Err(what)) = (rehash.body.line == line, made) {
            let key = ObjectKey::hash_tree(rehash.body.renewal);
            findings.push(Finding::new(FindingCode::RenewalDamaged, key, what.as_str()));
        }
    }
    for (stamp, made) in chains.first_trees() {
        let body = &view.stamps[stamp].body;
        if let (true, Err(what), Some(tree)) = (body.line == line, made, &body.tree) {
            let key = ObjectKey::hash_tree(tree.renewal);
            findings.push(Finding::new(FindingCode::TokenDamaged, key, what.as_str()));
        }
    }
    findings
}

/// What is known of a newest time-stamp.
#[derive(Clone)]
pub(crate) struct Newest {
    pub(crate) due: Vec<Due>,
    pub(crate) stamped_at: Timestamp,
}

/// A sealing, and all time-stamps that it has on the line.
pub(crate) struct Renewable<'a> {
    pub(crate) number: u64,
    pub(crate) tokens: &'a [ChainToken],
    /// Whether all of them count: new hash trees are over all, so that what is revoked would be in them.
    pub(crate) is_whole: bool,
}

impl RenewalPlan {
    /// Decides on one sealing.
    pub(crate) fn take(
        &mut self,
        &Renewable { number, tokens: chain, is_whole }: &Renewable<'_>,
        newest: &Newest,
        trial: bool,
        rules: &RenewalRules<'_>,
    ) {
        let is_due = |due: &&Due| due.is_due(rules.at, rules.lead);
        let of = |renewal| newest.due.iter().filter(move |due| due.renewal == renewal);
        let ends = of(Renewal::HashTree).find(is_due).copied();
        let has_other = chain_hash(chain) == HashFunction::Sha256;
        let wants_trees = has_other && (ends.is_some() || rules.all_trees);
        if wants_trees && !is_whole {
            self.stopped.trees(number);
        } else if wants_trees {
            let tokens = chain.iter().map(|it| it.sha256).collect();
            let until = newest.due.iter().filter_map(|due| due.before).min();
            let standing = Standing { newest_at: newest.stamped_at, trial, until, longer: false };
            self.trees.push(PlannedRehash { number, tokens, due: ends, standing });
        }
        self.stuck += u64::from(!has_other && ends.is_some());
        // A newer time-stamp does not help what has a hash function of the past.
        if of(Renewal::HashTree).any(|due| due.is_due(rules.at, SignedDuration::ZERO)) {
            return;
        }
        let due = of(Renewal::TimeStamp).find(is_due).copied();
        if due.is_none() && !rules.all {
            self.not_due += 1;
            let before = of(Renewal::TimeStamp).find_map(|due| due.before);
            self.next_before = self.next_before.into_iter().chain(before).min();
            return;
        }
        if chain.len() >= RENEWAL_TOKENS_MAX {
            let message = format!(
                "sealing {number} has {RENEWAL_TOKENS_MAX} time-stamps on the line, and gets no more"
            );
            let object = format!("sealing {number}");
            self.findings.push(Finding::new(FindingCode::RenewalDue, object, message));
            return;
        }
        let (hash, last) = (chain_hash(chain), last_chain(chain));
        let tokens = last.iter().map(|it| it.sha256).collect();
        let digests = last.iter().map(ChainToken::digest).collect();
        let until = of(Renewal::TimeStamp).filter_map(|due| due.before).min();
        let longer = due.is_some();
        let standing = Standing { newest_at: newest.stamped_at, trial, until, longer };
        let validation = Vec::new();
        let planned = PlannedRenewal { number, tokens, hash, digests, validation, due, standing };
        self.due.push(planned);
    }
}

/// What renewing needs besides the log.
#[derive(Clone, Copy, Debug)]
pub struct Renewer<'a> {
    /// Who gives the time-stamp.
    pub authorities: &'a Authorities,
    /// Certificates that verdicts let time-stamps lead to: how long a new one holds depends on them.
    pub anchors: &'a TrustAnchors,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where names and nonces come from.
    pub entropy: &'a dyn Entropy,
}

impl Renewer<'_> {
    /// Carries out a plan: one time-stamp for up to [`RENEWAL_MEMBERS_MAX`] sealings, fewer if the list of
    /// them would be longer than [`RENEWAL_BYTES_MAX`].
    ///
    /// That no authority helps is an outcome, not an error: nothing is lost, and the same may be
    /// tried again. Members and token are durable before the commit that names them; whoever dies
    /// between leaves objects that nothing names.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log or the store failed.
    pub async fn renew(
        &self,
        log: &mut LogWriter,
        plan: &RenewalPlan,
    ) -> Result<RenewOutcome, LogError> {
        log.catch_up().await?;
        log.take_unseen();
        let mut outcome = RenewOutcome { waiting: plan.due.len(), ..RenewOutcome::default() };
        if !still_holds(log, (plan.head, &plan.line)).await? {
            outcome.overtaken = true;
            return Ok(outcome);
        }
        // One tree is of one hash function.
        let of = |hash| plan.due.iter().filter(move |it| it.hash == hash).cloned();
        let [older, newer] =
            [HashFunction::Sha256, HashFunction::Sha512].map(|hash| of(hash).collect::<Vec<_>>());
        for members in chunks_of(&older).chain(chunks_of(&newer)) {
            let Some((members, root, stamped)) =
                self.stamp_over(members.to_vec(), &plan.told, &mut outcome.refused).await
            else {
                break;
            };
            let listed = listed(&plan.line, &members, RenewalId::random(self.entropy));
            let body = store(log, &listed, root, &stamped).await?;
            let entry = Entry::EvidenceRenewed(body.clone());
            let Some(committed) = commit_unless_renewed(log, &entry, &body.line).await? else {
                outcome.overtaken = true;
                break;
            };
            outcome.renewed.push((body, committed));
            outcome.waiting -= members.len();
        }
        Ok(outcome)
    }

    /// Has members stamped together. If no authority has a time-stamp that outlasts those of all, those
    /// are stamped that the longest outlasts; the others have to wait.
    async fn stamp_over(
        &self,
        mut members: Vec<PlannedRenewal>,
        told: &ToldRevocations,
        refused: &mut Vec<Refusal>,
    ) -> Option<(Vec<PlannedRenewal>, EvidenceDigest, Stamped)> {
        loop {
            let root = root_of(&members)?;
            let revoked = (told, self.authorities.anchors(), self.clock.now());
            let by = ((self.algorithms, self.anchors), revoked);
            let fits = Fit::new(members.iter().map(|it| it.standing), by);
            let look = |token: &TimeStampToken| fits.look_at(token);
            match self.authorities.stamp_fitting(root, (self.clock, self.entropy), &look).await {
                Ok(stamped) => {
                    refused.extend(stamped.refused.iter().cloned());
                    return Some((members, root, stamped));
                }
                Err(AllRefused { refusals }) => refused.extend(refusals),
            }
            let (longest, count) = (fits.longest()?, members.len());
            members.retain(|it| it.standing.gains_by(longest));
            if members.len() == count {
                return None;
            }
        }
    }
}

/// Parts what is to be renewed so that each part has no more members, and no larger list of them, than
/// is read again.
fn chunks_of(members: &[PlannedRenewal]) -> impl Iterator<Item = &[PlannedRenewal]> {
    let mut rest = members;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |it: &&PlannedRenewal| {
            bytes += listed_bytes(it);
            bytes <= RENEWAL_BYTES_MAX
        };
        let count = rest.iter().take(RENEWAL_MEMBERS_MAX).take_while(fits).count().max(1);
        let (chunk, more) = rest.split_at_checked(count)?;
        rest = more;
        Some(chunk)
    })
}

/// Returns how many bytes a member takes in `members.json` at most, with its share of the rest.
fn listed_bytes(member: &PlannedRenewal) -> u64 {
    const NAMES_BYTES_MAX: u64 = 256;
    let digest_bytes = |digest: &EvidenceDigest| 2 * digest.as_bytes().len() as u64 + 3;
    let tokens = member.tokens.len() as u64 * digest_bytes(&Sha256Digest::of(b"").into());
    NAMES_BYTES_MAX + tokens + member.validation.iter().map(digest_bytes).sum::<u64>()
}

/// Returns the root of the tree over what is renewed of sealings, all of one hash function.
fn root_of(members: &[PlannedRenewal]) -> Option<EvidenceDigest> {
    let values = members.iter().map(|it| renewal_leaf(&it.digests, &it.validation));
    let values: Vec<EvidenceDigest> = values.collect::<Option<_>>()?;
    let sha256: Option<Vec<_>> = values.iter().map(EvidenceDigest::sha256).collect();
    if let Some(leaves) = sha256 {
        return tree_root(&leaves).map(Into::into);
    }
    let sha512: Option<Vec<_>> = values.iter().map(EvidenceDigest::sha512).collect();
    tree_root(&sha512?).map(Into::into)
}

/// Lists the members of a renewal as `members.json` does.
fn listed(line: &str, members: &[PlannedRenewal], renewal: RenewalId) -> RenewalMembers {
    let members = members.iter().map(|it| RenewalMember {
        number: it.number,
        tokens: it.tokens.clone(),
        validation: it.validation.clone(),
    });
    RenewalMembers { format: FORMAT, line: line.to_owned(), members: members.collect(), renewal }
}

/// Tells whether nobody renewed since the plan was made.
pub(crate) async fn still_holds(
    log: &LogWriter,
    (head, line): (u64, &str),
) -> Result<bool, LogError> {
    for number in head + 1..=log.head() {
        let commit = log.archive().existing_commit(number).await?;
        if commit.entries.iter().any(|entry| renews(entry, line)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn renews(entry: &Entry, line: &str) -> bool {
    match entry {
        Entry::EvidenceRenewed(body) => body.line == line,
        Entry::EvidenceRehashed(body) => body.line == line,
        _ => false,
    }
}

/// Stores members and token, and returns the entry that names them.
async fn store(
    log: &LogWriter,
    listed: &RenewalMembers,
    root: EvidenceDigest,
    stamped: &Stamped,
) -> Result<EvidenceRenewed, LogError> {
    let (bytes, token) = (to_canonical(listed), stamped.token.raw());
    let body = EvidenceRenewed {
        line: listed.line.clone(),
        members: listed.members.len() as u64,
        members_sha256: Sha256Digest::of(&bytes),
        renewal: listed.renewal,
        root,
        stamped_at: stamped.token.verified().stamped_at.to_string(),
        token_sha256: Sha256Digest::of(token),
        token_sha512: root.sha512().map(|_| Sha512Digest::of(token)),
        trial: stamped.token.verified().trial,
    };
    create_fresh(log, ObjectKey::renewal_members(listed.renewal), bytes).await?;
    if let Some(received) = &stamped.received {
        let key = ObjectKey::renewal_received_token(listed.renewal);
        create_fresh(log, key, received.clone()).await?;
    }
    create_fresh(log, ObjectKey::renewal_token(listed.renewal), token.to_vec()).await?;
    Ok(body)
}

/// Commits a renewal unless another one of the same line came first: it would not cover that one.
pub(crate) async fn commit_unless_renewed(
    log: &mut LogWriter,
    entry: &Entry,
    line: &str,
) -> Result<Option<Committed>, LogError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match log.commit(std::slice::from_ref(entry)).await? {
            CommitOutcome::Committed(committed) => return Ok(Some(committed)),
            // Neither members nor token are content: no sweep removes them.
            CommitOutcome::Fenced { .. } => {}
            CommitOutcome::Lost(others) => {
                let entries = others.iter().flat_map(|commit| &commit.entries);
                if entries.into_iter().any(|entry| renews(entry, line)) {
                    return Ok(None);
                }
            }
        }
    }
    Err(LogError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(number: u64, evidence: usize) -> PlannedRenewal {
        let digest = Sha256Digest::of(&number.to_be_bytes());
        PlannedRenewal {
            number,
            tokens: vec![digest],
            hash: HashFunction::Sha256,
            digests: vec![digest.into()],
            validation: vec![digest.into(); evidence],
            due: None,
            standing: Standing {
                newest_at: Timestamp::UNIX_EPOCH,
                trial: false,
                until: None,
                longer: false,
            },
        }
    }

    #[test]
    fn what_is_renewed_together_can_be_read_again() {
        assert_eq!(chunks_of(&[]).count(), 0);
        let few: Vec<_> = (1..=1_000).map(|number| planned(number, 3)).collect();
        assert_eq!(chunks_of(&few).count(), 1, "one time-stamp for all");
        // Each takes some 17 KiB.
        let large: Vec<_> = (1..=8_000).map(|number| planned(number, 256)).collect();
        let chunks: Vec<_> = chunks_of(&large).collect();
        assert!(chunks.len() > 1);
        assert_eq!(chunks.concat(), large);
        for chunk in chunks {
            let list = listed("plain-sha256-a", chunk, RenewalId::from_bytes([7; 16]));
            assert!(to_canonical(&list).len() as u64 <= RENEWAL_BYTES_MAX);
        }
    }
}
