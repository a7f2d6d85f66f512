//! Auditing renewals of time-stamps, and how long the evidence of each sealing holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_ers::{
    Authorities, Due, HashFunction, RecordObject, RecordReport, RecordRules, RevocationRules,
    RevocationSummary, StampParts, TOKEN_BYTES_MAX, renewal_lists, renewals_due, verify_record,
    verify_token, write_chain, write_record,
};
use sigillo_model::{Finding, FindingCode, ObjectKey, Sha256Digest};

use crate::{
    Archive, AuditKnowledge, ChainToken, Chains, LogError, LogView, LoggedRenewal, RENEWAL_LEAD,
    TokenFrom,
    audit::AuditTime,
    audit_revocation::RevocationAudit,
    audit_sealings::{read_stated, told_of},
};

/// What the sealing is called as the data object of an evidence record.
const OBJECT: &str = "the sealing";

/// Audits every renewal that the log names and, as of a time, what proves each sealing.
pub(crate) async fn audit_renewals(
    archive: &Archive,
    view: &LogView,
    knowledge: &AuditKnowledge,
    findings: &mut Vec<Finding>,
) -> Result<RevocationSummary, LogError> {
    let chains = Chains::read(archive, view).await?;
    let (tokens, told, due) = (HashMap::new(), HashSet::new(), BTreeMap::new());
    let revocation = RevocationAudit::default();
    let mut audit = RenewalsAudit {
        archive,
        view,
        knowledge,
        chains: &chains,
        findings,
        tokens,
        told,
        due,
        revocation,
    };
    let faulty: HashSet<usize> = chains.faults().map(|(at, _)| at).collect();
    for (at, what) in chains.faults() {
        let key = ObjectKey::renewal_members(view.renewals[at].body.renewal);
        audit.find(FindingCode::RenewalDamaged, &key, what);
    }
    for (at, renewal) in view.renewals.iter().enumerate() {
        if !faulty.contains(&at) {
            audit.renewal(renewal).await?;
        }
    }
    for (line, _, chain) in chains.iter() {
        audit.order(chain);
        if let Some(time) = &knowledge.time {
            audit.holds(line, chain, time).await?;
        }
    }
    audit.due();
    let summary = audit.revocation.conclude();
    findings.extend(summary.finding());
    Ok(summary)
}

struct RenewalsAudit<'a> {
    archive: &'a Archive,
    view: &'a LogView,
    knowledge: &'a AuditKnowledge,
    chains: &'a Chains,
    findings: &'a mut Vec<Finding>,
    /// The tokens of renewals that are as they should be: each proves many sealings.
    tokens: HashMap<Sha256Digest, Bytes>,
    /// What was told already of a time-stamp that proves several sealings.
    told: HashSet<(FindingCode, String)>,
    /// By line, how many sealings are to be renewed soon, and the first reason to come.
    due: BTreeMap<String, (u64, Due)>,
    /// What is known of the revocation of certificates.
    revocation: RevocationAudit,
}

impl RenewalsAudit<'_> {
    fn find(&mut self, code: FindingCode, key: &ObjectKey, message: impl Into<String>) {
        self.findings.push(Finding::new(code, key, message));
    }

    /// Checks the token of a renewal.
    async fn renewal(&mut self, renewal: &LoggedRenewal) -> Result<(), LogError> {
        let (body, code) = (&renewal.body, FindingCode::RenewalDamaged);
        let key = ObjectKey::renewal_token(body.renewal);
        let named = (&key, TOKEN_BYTES_MAX as u64, body.token_sha256);
        let Some(bytes) = read_stated(self.archive, named, code, self.findings).await? else {
            return Ok(());
        };
        match verify_token(&bytes, body.root, &self.knowledge.anchors) {
            Ok(token) => {
                let stated = (body.stamped_at.as_str(), body.trial);
                self.findings.extend(told_of(&token, stated, renewal.at, (code, &key)));
                self.tokens.insert(body.token_sha256, bytes);
            }
            Err(error) if error.is_unknown_algorithm() => {
                self.find(FindingCode::AlgorithmUnknown, &key, error.to_string());
            }
            Err(error) => self.find(code, &key, error.to_string()),
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

    /// Verifies what proves a sealing as an evidence record, as of a time. Only what is about time
    /// is told: the rest is looked at where it lies.
    async fn holds(
        &mut self,
        line: &str,
        chain: &[ChainToken],
        time: &AuditTime,
    ) -> Result<(), LogError> {
        let Some(report) = self.report(chain, time).await? else { return Ok(()) };
        self.revocation.take(self.view, chain, &report);
        for finding in report.findings {
            let Some(at) = stamp_of(&finding) else { continue };
            let Some(token) = chain.get(at) else { continue };
            let key = token.key(self.view);
            if self.told.insert((finding.code, key.to_string())) {
                self.find(finding.code, &key, finding.message);
            }
        }
        let Some(last) = report.stamps.last() else { return Ok(()) };
        let due = renewals_due(last, &time.algorithms);
        if let Some(due) = due.into_iter().find(|due| due.is_due(time.at, RENEWAL_LEAD)) {
            let entry = self.due.entry(line.to_owned()).or_insert((0, due));
            entry.0 += 1;
            if due.before < entry.1.before {
                entry.1 = due;
            }
        }
        Ok(())
    }

    /// Verifies the chain of a sealing; `None` if a token of it is not there as it should be.
    async fn report(
        &mut self,
        chain: &[ChainToken],
        time: &AuditTime,
    ) -> Result<Option<RecordReport>, LogError> {
        let hash = HashFunction::Sha256;
        let Some(value) = chain.first().and_then(|token| token.covers(self.view)) else {
            return Ok(None);
        };
        let mut raws = Vec::with_capacity(chain.len());
        for token in chain {
            let Some(raw) = self.token(token).await? else { return Ok(None) };
            raws.push(raw);
        }
        let digests: Vec<_> = chain.iter().map(|token| token.sha256).collect();
        let parts: Vec<StampParts<'_>> = chain
            .iter()
            .zip(&raws)
            .enumerate()
            .map(|(at, (token, raw))| {
                let lists = match at {
                    0 => vec![vec![value.as_bytes().to_vec()]],
                    _ => renewal_lists(&digests[..at], &self.chains.path(token)),
                };
                StampParts { hash, lists, token: raw }
            })
            .collect();
        let record = write_record(&[hash], &[&write_chain(&parts)]);
        let digest = move |of| (of == hash).then(|| value.as_bytes().to_vec());
        let evidence = self.revocation.evidence(self.archive, self.view, chain).await?;
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.knowledge.anchors),
            algorithms: &time.algorithms,
            at: Some(time.at),
            whole_group: false,
            revocation: RevocationRules { evidence: Some(&evidence), required: false },
        };
        let object = RecordObject { name: OBJECT, digest: &digest };
        Ok(Some(verify_record(&record, &[object], &rules)))
    }

    /// Returns a token that is as it should be; what is not is told elsewhere.
    async fn token(&self, token: &ChainToken) -> Result<Option<Bytes>, LogError> {
        if let TokenFrom::Renewed { .. } = token.from {
            return Ok(self.tokens.get(&token.sha256).cloned());
        }
        match self.archive.store().read(&token.key(self.view), TOKEN_BYTES_MAX as u64).await {
            Ok(bytes) if Sha256Digest::of(&bytes) == token.sha256 => Ok(Some(bytes)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Says what is to be renewed soon.
    fn due(&mut self) {
        for (line, (count, due)) in std::mem::take(&mut self.due) {
            let before =
                due.before.map_or_else(|| "at once".to_owned(), |it| format!("before {it}"));
            let message = format!(
                "time-stamps of {count} sealings on the line {line} are to be renewed, the first \
                 {before}: {}",
                due.cause
            );
            self.findings.push(Finding::new(FindingCode::RenewalDue, "sealings", message));
        }
    }
}

/// Returns the place in the chain of the time-stamp that a finding about time is of, from 0.
fn stamp_of(finding: &Finding) -> Option<usize> {
    let is_of_time = matches!(
        finding.code,
        FindingCode::RenewedLate
            | FindingCode::AlgorithmExpired
            | FindingCode::EvidenceEnded
            | FindingCode::CertificateRevoked
            | FindingCode::RevokedLater
    );
    let number = finding.object.strip_prefix("chain 1, time-stamp ").filter(|_| is_of_time)?;
    number.parse::<usize>().ok()?.checked_sub(1)
}
