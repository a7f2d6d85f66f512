//! Judging the time-stamps of a bundle or a receipt as of a time.

use std::collections::HashSet;

use sigillo_ers::{
    Authorities, HashFunction, RecordObject, RecordReport, RecordRules, RevocationRules,
    RevocationSet, verify_record,
};
use sigillo_model::{Finding, FindingCode};

use crate::{
    BundleRules, EvidenceMaker, Receipt, check::Checker, check_validation::RevocationCheck,
    evidence::sealing_record, line_findings::LineOf,
};

/// Judges all time-stamps of a bundle or a receipt: those of each evidence line once for every number of chains that
/// its documents have there, and once with all of them, whatever the documents say.
///
/// A document outside of the new hash trees of a line has to hold without them, and one under no
/// time-stamp at all is told. Without documents only the lines themselves are judged.
pub(crate) fn judge_times(
    checker: &mut Checker,
    (receipt, with_documents): (&Receipt, bool),
    rules: &BundleRules<'_>,
    evidence: &RevocationSet,
) -> RevocationCheck {
    let maker = EvidenceMaker::new(receipt);
    let revocation = RevocationCheck::default();
    let mut judge = Judge { checker, rules, evidence, revocation, judged: HashSet::new() };
    if with_documents {
        judge.documents(&maker, receipt);
    }
    judge.sealings(&maker);
    judge.revocation
}

struct Judge<'a> {
    checker: &'a mut Checker,
    rules: &'a BundleRules<'a>,
    evidence: &'a RevocationSet,
    revocation: RevocationCheck,
    /// The lines that were judged, each with the number of chains.
    judged: HashSet<(LineOf, usize)>,
}

impl Judge<'_> {
    fn documents(&mut self, maker: &EvidenceMaker<'_>, receipt: &Receipt) {
        for (number, document) in (1..).zip(&receipt.documents) {
            let Some((section, body)) = maker.sealing_of(document) else { continue };
            let records = maker.records_of(document);
            if records.is_empty() && !section.tokens.is_empty() {
                let message = "no evidence record of it follows from the time-stamps of its sealing: \
                               when it was there is not proven";
                let object = format!("documents/{number}");
                self.checker.find(FindingCode::DocumentNotStamped, object, message);
            }
            for it in records {
                let line = (body.number, it.line);
                if self.judged.insert((line.clone(), it.chains)) {
                    let name = format!("documents/{number}, {}", line.1);
                    self.judge((&name, line), &it.record, &[document.record.as_bytes()]);
                }
            }
        }
    }

    fn sealings(&mut self, maker: &EvidenceMaker<'_>) {
        for (section, body) in maker.sealings() {
            for token in &section.tokens {
                let line = (body.number, token.line.clone());
                if self.judged.insert((line.clone(), token.chains().count())) {
                    let name = format!("sealing {}, {}", body.number, token.line);
                    let record = sealing_record(section, body, token);
                    let group = [section.statement.as_bytes(), &section.seal.0];
                    self.judge((&name, line), &record, &group);
                }
            }
        }
    }

    /// Judges the time-stamps of an evidence record over some objects.
    fn judge(&mut self, (name, line): (&str, LineOf), record: &[u8], objects: &[&[u8]]) {
        let report = self.verify(record, objects);
        if !self.revocation.take(name, &report) {
            self.checker.lines.revocation_unknown(&line);
        }
        self.checker.look_at_line(Some(line));
        for finding in report.findings.into_iter().filter(is_of_time) {
            let object = format!("{name}, {}", finding.object);
            self.checker.add(Finding { object, ..finding });
        }
        self.checker.look_at_line(None);
    }

    fn verify(&self, record: &[u8], objects: &[&[u8]]) -> RecordReport {
        let digest_of = |bytes| move |hash: HashFunction| Some(hash.digest(bytes));
        let digests: Vec<_> = objects.iter().map(|bytes| digest_of(*bytes)).collect();
        let objects: Vec<_> =
            digests.iter().map(|digest| RecordObject { name: "object", digest }).collect();
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.rules.trust.anchors),
            algorithms: self.rules.algorithms,
            at: Some(self.rules.at),
            whole_group: false,
            revocation: RevocationRules { evidence: Some(self.evidence), required: false },
        };
        verify_record(record, &objects, &rules)
    }
}

/// Tells whether a finding is about time, which the receipt does not look at: what else is wrong with
/// an evidence record is wrong with the receipt that it follows from.
fn is_of_time(finding: &Finding) -> bool {
    matches!(
        finding.code,
        FindingCode::RenewedLate
            | FindingCode::AlgorithmExpired
            | FindingCode::EvidenceEnded
            | FindingCode::RecordFromLater
            | FindingCode::CertificateRevoked
            | FindingCode::RevokedLater
    )
}
