//! Auditing renewals of time-stamps, and how long the evidence of each sealing holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use sigillo_ers::{
    Authorities, Due, HashFunction, RecordObject, RecordReport, RecordRules, RevocationRules,
    RevocationSet, RevocationSummary, SEAL_BYTES_MAX, TOKEN_BYTES_MAX, list_value, rehashed_group,
    renewals_due, verify_record, verify_token, write_record,
};
use sigillo_model::{
    BatchesSealed, EvidenceDigest, Finding, FindingCode, LogTime, ObjectKey, STATEMENT_BYTES_MAX,
    Severity, Sha256Digest, Sha512Digest,
};

use crate::{
    Archive, AuditKnowledge, ChainToken, Chains, LogError, LogView, RENEWAL_LEAD,
    audit::AuditTime,
    audit_lines::{ProvenTimes, weigh},
    audit_revocation::RevocationAudit,
    audit_sealings::{read_stated, told_of},
    chains_of, revoked_out,
    sealing_chains::{ReadTokens, SealingChains},
    standing::Left,
    stopped::{Count, left_out, stopped},
};

/// Why it does not matter who made a renewal.
const LEFT_OUT: &str = "what it renewed is judged without it, for its certificate was revoked";
/// What the data objects of the evidence record of a sealing are called.
const OBJECTS: [&str; 2] = ["the statement", "the seal"];

/// Audits every renewal that the log names and, as of a time, what proves each sealing, and by when.
pub(crate) async fn audit_renewals(
    archive: &Archive,
    view: &LogView,
    knowledge: &AuditKnowledge,
    findings: &mut Vec<Finding>,
) -> Result<(RevocationSummary, ProvenTimes), LogError> {
    let chains = Chains::read(archive, view).await?;
    let (tokens, told, due) = (ReadTokens::new(), HashSet::new(), BTreeMap::new());
    let alone = HashSet::new();
    let revocation = match &knowledge.time {
        Some(_) => RevocationAudit::begin((archive, view, &chains), &knowledge.anchors).await?,
        None => RevocationAudit::default(),
    };
    let mut audit = RenewalsAudit {
        archive,
        view,
        knowledge,
        chains: &chains,
        findings,
        tokens,
        told,
        due,
        stopped: BTreeMap::new(),
        without: BTreeMap::new(),
        alone,
        revocation,
        left_out: HashMap::new(),
    };
    let faulty: HashSet<usize> = chains.faults().map(|(at, _)| at).collect();
    for (at, what) in chains.faults() {
        let key = ObjectKey::renewal_members(view.renewals[at].body.renewal);
        audit.find(FindingCode::RenewalDamaged, &key, what);
    }
    for (at, renewal) in view.renewals.iter().enumerate() {
        if !faulty.contains(&at) {
            let body = &renewal.body;
            let key = ObjectKey::renewal_token(body.renewal);
            let stated = (body.token_sha256, body.stamped_at.as_str(), body.trial);
            audit.token(&key, body.root, stated, renewal.at).await?;
        }
    }
    for (stamp, made) in chains.first_trees() {
        if let (Err(what), Some(tree)) = (made, &view.stamps[stamp].body.tree) {
            audit.find(FindingCode::TokenDamaged, &ObjectKey::hash_tree(tree.renewal), what);
        }
    }
    for (rehash, made) in view.rehashes.iter().zip(chains.rehashes()) {
        let body = &rehash.body;
        if let Err(what) = made {
            audit.find(FindingCode::RenewalDamaged, &ObjectKey::hash_tree(body.renewal), what);
            continue;
        }
        let key = ObjectKey::renewal_token(body.renewal);
        let stated = (body.token_sha256, body.stamped_at.as_str(), body.trial);
        audit.token(&key, body.root.into(), stated, rehash.at).await?;
    }
    for (line, number, chain) in chains.iter() {
        audit.order(chain);
        audit.holds((line, number), chain).await?;
    }
    audit.stray();
    audit.due();
    let (summary, cut) = audit.revocation.conclude();
    let alone = std::mem::take(&mut audit.alone);
    let trial = archive.description().trial;
    let proven = weigh((view, &chains), (&alone, trial), findings);
    findings.extend(summary.finding().into_iter().chain(cut));
    Ok((summary, proven))
}

struct RenewalsAudit<'a> {
    archive: &'a Archive,
    view: &'a LogView,
    knowledge: &'a AuditKnowledge,
    chains: &'a Chains,
    findings: &'a mut Vec<Finding>,
    /// The tokens of renewals that are as they should be: each proves many sealings.
    tokens: ReadTokens,
    /// What was told already of a time-stamp that proves several sealings.
    told: HashSet<(FindingCode, String)>,
    /// By line, how many sealings are to be renewed soon, and the first reason to come.
    due: BTreeMap<String, (u64, Due)>,
    /// By line, how many sealings can be renewed there no more, and what is left of these.
    stopped: BTreeMap<String, Count>,
    /// By line, of how many sealings new hash trees leave documents out, and what is left of these.
    without: BTreeMap<String, Count>,
    /// Where hash trees leave documents out: the sealings, by line and number, whose first chain holds
    /// without these, for it is all that proves those documents on the line.
    alone: HashSet<(String, u64)>,
    /// What is known of the revocation of certificates.
    revocation: RevocationAudit,
    /// Of how many sealings a renewal was left out, by its token.
    left_out: HashMap<String, usize>,
}

impl RenewalsAudit<'_> {
    fn find(&mut self, code: FindingCode, key: &ObjectKey, message: impl Into<String>) {
        self.findings.push(Finding::new(code, key, message));
    }

    /// Checks the token of a renewal against what the log states: its digest, its time, whether it is
    /// for trial.
    async fn token(
        &mut self,
        key: &ObjectKey,
        root: EvidenceDigest,
        (sha256, stamped_at, trial): (Sha256Digest, &str, bool),
        at: LogTime,
    ) -> Result<(), LogError> {
        let code = FindingCode::RenewalDamaged;
        let named = (key, TOKEN_BYTES_MAX as u64, sha256);
        let Some(bytes) = read_stated(self.archive, named, code, self.findings).await? else {
            return Ok(());
        };
        match verify_token(&bytes, root, &self.knowledge.anchors) {
            Ok(token) => {
                self.findings.extend(told_of(&token, (stamped_at, trial), at, (code, key)));
                self.tokens.insert(sha256, bytes);
            }
            Err(error) if error.is_unknown_algorithm() => {
                self.find(FindingCode::AlgorithmUnknown, key, error.to_string());
            }
            Err(error) => self.find(code, key, error.to_string()),
        }
        Ok(())
    }

    /// Checks that the time-stamps of a sealing stand in the order of their times, and are all for
    /// trial or all real.
    fn order(&mut self, chain: &[ChainToken]) {
        for pair in chain.windows(2) {
            let [(older, was_trial), (newer, is_trial)] =
                [pair[0].stated(self.view), pair[1].stated(self.view)];
            let times = [older, newer].map(|time| time.parse::<Timestamp>().ok());
            let what = match times {
                [Some(older), Some(newer)] if newer < older => {
                    format!("it attests {newer}, before the {older} of what it renews")
                }
                _ if was_trial != is_trial => "it joins trial time-stamps and real ones".to_owned(),
                _ => continue,
            };
            let key = pair[1].key(self.view);
            if self.told.insert((FindingCode::RenewalDamaged, key.to_string())) {
                self.find(FindingCode::RenewalDamaged, &key, what);
            }
        }
    }

    /// Verifies what proves a sealing as an evidence record: that it leads to its new hash trees if it
    /// has them and, if there is a time as of which it is to hold, what is about time. The rest is looked
    /// at where it lies.
    async fn holds(
        &mut self,
        (line, number): (&str, u64),
        tokens: &[ChainToken],
    ) -> Result<(), LogError> {
        let has_trees = tokens.iter().any(|it| self.chains.trees_under(it).is_some());
        if self.knowledge.time.is_none() && !has_trees {
            return Ok(());
        }
        let Some(sealing) = self.view.sealing(number) else { return Ok(()) };
        let sealing = &sealing.body;
        let of = (self.archive, self.view, self.chains);
        let read = SealingChains::read_with(of, tokens, &mut self.tokens, true).await?;
        // What is not there as it should be is told where it lies.
        let Ok(read) = read else { return Ok(()) };
        let Some(record) = self.record(sealing, tokens, &read).await? else { return Ok(()) };
        let Some(time) = &self.knowledge.time else {
            if self.leaves_out((number, tokens)) {
                self.alone.insert((line.to_owned(), number));
            }
            return Ok(());
        };
        let (evidence, missing) = self.revocation.evidence(of, tokens).await?;
        for (key, digest) in missing {
            let code = FindingCode::CoveredEvidenceLost;
            if self.told.insert((code, digest.to_string())) {
                let message = format!(
                    "it covers the revocation evidence {digest}, which is missing or damaged"
                );
                self.find(code, &key, message);
            }
        }
        let judged = self.judged((sealing, tokens), (record, read), (time, &evidence)).await?;
        let Some((record, read, report)) = judged else { return Ok(()) };
        // Where new hash trees do not count, or are lost, nothing is renewed any more.
        let is_without = read.count() < chains_of(tokens).count();
        let is_cut = is_without || self.chains.perhaps_rehashed(self.view, (line, number));
        if self.leaves_out((number, tokens)) {
            let first = self.report(sealing, &record.first(), (time, &evidence));
            let left = left_by(&first, &read, time);
            if left != Left::Nothing {
                self.alone.insert((line.to_owned(), number));
            }
            if !is_cut {
                self.without.entry(line.to_owned()).or_default().take(left, false);
            }
        }
        self.revocation.take(self.view, (tokens, &read), &report);
        let left = left_by(&report, &read, time);
        for finding in report.findings {
            let Some(at) = stamp_of(&finding, &read) else { continue };
            let Some(token) = tokens.get(at) else { continue };
            let key = token.key(self.view);
            if self.told.insert((finding.code, key.to_string())) {
                self.find(finding.code, &key, finding.message);
            }
        }
        let Some(last) = report.stamps.last() else { return Ok(()) };
        let due = renewals_due(last, &time.algorithms);
        if is_cut {
            let count = self.stopped.entry(line.to_owned()).or_default();
            count.take(left, is_without && read.is_on_hold());
            return Ok(());
        }
        if let Some(due) = due.into_iter().find(|due| due.is_due(time.at, RENEWAL_LEAD)) {
            let entry = self.due.entry(line.to_owned()).or_insert((0, due));
            entry.0 += 1;
            if due.before < entry.1.before {
                entry.1 = due;
            }
        }
        Ok(())
    }

    /// Tells whether hash trees leave documents out that have a chain without them.
    fn leaves_out(&self, (number, tokens): (u64, &[ChainToken])) -> bool {
        let is_rehashed = chains_of(tokens).count() > 1;
        is_rehashed && self.chains.left_out((number, tokens)).next().is_some()
    }

    /// Verifies a record as of a time; where renewals rest on revoked certificates, the one without them,
    /// which is told. `None` if something of that is not there as it should be.
    async fn judged(
        &mut self,
        (sealing, tokens): (&BatchesSealed, &[ChainToken]),
        (record, mut read): (Evidence, SealingChains),
        (time, revoked): (&AuditTime, &RevocationSet),
    ) -> Result<Option<(Evidence, SealingChains, RecordReport)>, LogError> {
        let report = self.report(sealing, &record, (time, revoked));
        let is_of_renewal = |it: &Finding| {
            let codes = [FindingCode::CertificateRevoked, FindingCode::RevokedLater];
            codes.contains(&it.code) && stamp_of(it, &read).is_some_and(|at| at > 0)
        };
        if !report.findings.iter().any(is_of_renewal) {
            return Ok(Some((record, read, report)));
        }
        let by = (&self.knowledge.anchors, revoked);
        for (place, why) in read.leave_revoked_out(tokens, by, time.at) {
            let finding = revoked_out::finding(self.view, &tokens[place], &why);
            *self.left_out.entry(finding.object.clone()).or_default() += 1;
            if self.told.insert((finding.code, finding.object.clone())) {
                self.findings.push(finding);
            }
        }
        let Some(record) = self.record(sealing, tokens, &read).await? else { return Ok(None) };
        let report = self.report(sealing, &record, (time, revoked));
        Ok(Some((record, read, report)))
    }

    /// Writes the evidence record of statement and seal; `None` if something in it is not there as it
    /// should be.
    async fn record(
        &mut self,
        sealing: &BatchesSealed,
        tokens: &[ChainToken],
        read: &SealingChains,
    ) -> Result<Option<Evidence>, LogError> {
        let first = tokens.first().filter(|it| it.sha512.is_some());
        let mut evidence = Evidence { chains: Vec::new(), hashes: Vec::new(), sha512: None };
        if first.is_none() {
            let signed = [sealing.statement_sha256, sealing.seal_sha256];
            let group = signed.iter().map(|it| it.as_bytes().to_vec()).collect();
            let lists = vec![group, vec![sealing.root.as_bytes().to_vec()]];
            let Some(stamps) = read.stamps(0, &[]) else { return Ok(None) };
            evidence.push(HashFunction::Sha256, stamps.write(lists));
        }
        let place = evidence.chains.len();
        if read.count() > place {
            let over = tokens.iter().find(|it| self.chains.trees_under(it).is_some());
            let (Some(over), Some(signed)) = (over, self.signed(sealing).await?) else {
                return Ok(None);
            };
            let older: Vec<&[u8]> = evidence.chains.iter().map(Vec::as_slice).collect();
            let group =
                if older.is_empty() { signed.to_vec() } else { rehashed_group(&signed, &older) };
            if !self.leads(over, sealing.number, &group) {
                return Ok(None);
            }
            let lists = vec![group.iter().map(|it| it.as_bytes().to_vec()).collect()];
            let Some(stamps) = read.stamps(place, read.path(place)) else { return Ok(None) };
            evidence.push(HashFunction::Sha512, stamps.write(lists));
            evidence.sha512 = Some(signed);
        }
        Ok(Some(evidence))
    }

    /// Reads the SHA-512 of statement and seal, if they are as they should be.
    async fn signed(&self, sealing: &BatchesSealed) -> Result<Option<[Sha512Digest; 2]>, LogError> {
        // What is wrong with them is told where they are audited.
        let mut ignored = Vec::new();
        let id = sealing.sealing;
        let (code, key) = (FindingCode::StatementDamaged, ObjectKey::statement(id));
        let named = (&key, STATEMENT_BYTES_MAX, sealing.statement_sha256);
        let statement = read_stated(self.archive, named, code, &mut ignored).await?;
        let key = ObjectKey::seal(id);
        let named = (&key, SEAL_BYTES_MAX as u64, sealing.seal_sha256);
        let seal = read_stated(self.archive, named, code, &mut ignored).await?;
        let both = statement.zip(seal);
        Ok(both.map(|(statement, seal)| [Sha512Digest::of(&statement), Sha512Digest::of(&seal)]))
    }

    /// Tells whether statement and seal give the value that the hash trees under a token have of the
    /// sealing.
    fn leads(&mut self, token: &ChainToken, number: u64, group: &[Sha512Digest]) -> bool {
        let Some(made) = self.chains.trees_under(token) else { return false };
        let stated = made.tree.sealings.binary_search_by_key(&number, |it| it.number);
        let stated = stated.ok().map(|at| made.tree.sealings[at].value);
        if stated == list_value(group) {
            return true;
        }
        let key = ObjectKey::hash_tree(made.tree.renewal);
        let message = format!(
            "statement, seal and time-stamps of sealing {number} do not give the value that it has there"
        );
        self.find(token.damage(), &key, message);
        false
    }

    /// Verifies an evidence record of statement and seal as of a time.
    fn report(
        &self,
        sealing: &BatchesSealed,
        evidence: &Evidence,
        (time, revoked): (&AuditTime, &RevocationSet),
    ) -> RecordReport {
        let chains: Vec<&[u8]> = evidence.chains.iter().map(Vec::as_slice).collect();
        let record = write_record(&evidence.hashes, &chains);
        let signed = [sealing.statement_sha256, sealing.seal_sha256];
        let digests = [0, 1].map(|at| {
            let sha512 = evidence.sha512.map(|signed| signed[at]);
            move |hash| match hash {
                HashFunction::Sha256 => Some(signed[at].as_bytes().to_vec()),
                HashFunction::Sha512 => sha512.map(|it| it.as_bytes().to_vec()),
                _ => None,
            }
        });
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.knowledge.anchors),
            algorithms: &time.algorithms,
            at: Some(time.at),
            whole_group: true,
            revocation: RevocationRules { evidence: Some(revoked), required: false },
        };
        let objects = [0, 1].map(|at| RecordObject { name: OBJECTS[at], digest: &digests[at] });
        verify_record(&record, &objects, &rules)
    }

    /// Makes notes of what is told of the authorities of renewals that are left out of all sealings.
    fn stray(&mut self) {
        if self.left_out.is_empty() {
            return;
        }
        let mut all: HashMap<String, usize> = HashMap::new();
        for token in self.chains.iter().flat_map(|(_, _, chain)| chain) {
            *all.entry(token.key(self.view).to_string()).or_default() += 1;
        }
        for finding in self.findings.iter_mut() {
            let count = self.left_out.get(&finding.object);
            let is_stray = finding.code == FindingCode::AuthorityUnknown && count.is_some();
            if is_stray && count == all.get(&finding.object) {
                *finding = finding.clone().not_needed(LEFT_OUT);
            }
        }
    }

    /// Says what is to be renewed soon, what can be renewed no more, and for what that does nothing.
    fn due(&mut self) {
        for (line, count) in std::mem::take(&mut self.stopped) {
            self.findings.push(stopped(&line, &count));
        }
        for (line, count) in std::mem::take(&mut self.without) {
            self.findings.push(left_out(&line, &count));
        }
        for (line, (count, due)) in std::mem::take(&mut self.due) {
            let now = self.knowledge.time.as_ref().map(|time| time.at);
            let before = match due.before {
                None => "at once".to_owned(),
                Some(before) if now.is_some_and(|now| before <= now) => {
                    format!("at once, for it ended on {before}")
                }
                Some(before) => format!("before {before}"),
            };
            let message = format!(
                "time-stamps of {count} sealings on the line {line} are to be renewed, the first \
                 {before}: {}",
                due.cause
            );
            self.findings.push(Finding::new(FindingCode::RenewalDue, "sealings", message));
        }
    }
}

/// The evidence record of statement and seal, in its parts.
struct Evidence {
    chains: Vec<Vec<u8>>,
    hashes: Vec<HashFunction>,
    /// SHA-512 of statement and seal, where a chain needs them.
    sha512: Option<[Sha512Digest; 2]>,
}

impl Evidence {
    /// Returns what there is of it without its newer chains.
    fn first(&self) -> Self {
        let (chains, hashes) = (self.chains.iter().take(1), self.hashes.iter().take(1));
        Self {
            chains: chains.cloned().collect(),
            hashes: hashes.copied().collect(),
            sha512: self.sha512,
        }
    }

    fn push(&mut self, hash: HashFunction, chain: Vec<u8>) {
        self.hashes.push(hash);
        self.chains.push(chain);
    }
}

/// Returns what is left of time-stamps by the report on their record.
fn left_by(report: &RecordReport, read: &SealingChains, time: &AuditTime) -> Left {
    let is_doubt = |it: &Finding| it.severity >= Severity::CannotTell;
    if report.findings.iter().any(|it| is_doubt(it) && stamp_of(it, read).is_some()) {
        return Left::Nothing;
    }
    let due = report.stamps.last().map(|last| renewals_due(last, &time.algorithms));
    Left::Until(due.into_iter().flatten().filter_map(|due| due.before).min())
}

/// Returns the place among the time-stamps of a sealing of the one that a finding about time is of,
/// from 0. That the time-stamps are of later than the clock is of the newest.
fn stamp_of(finding: &Finding, read: &SealingChains) -> Option<usize> {
    if finding.code == FindingCode::RecordFromLater {
        return read.newest();
    }
    let is_of_time = matches!(
        finding.code,
        FindingCode::RenewedLate
            | FindingCode::AlgorithmExpired
            | FindingCode::EvidenceEnded
            | FindingCode::CertificateRevoked
            | FindingCode::RevokedLater
    );
    let place = finding.object.strip_prefix("chain ").filter(|_| is_of_time)?;
    let (chain, stamp) = place.split_once(", time-stamp ")?;
    let (chain, stamp) = (chain.parse::<usize>().ok()?, stamp.parse::<usize>().ok()?);
    read.place(chain.checked_sub(1)?, stamp.checked_sub(1)?)
}
