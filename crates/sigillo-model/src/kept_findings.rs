//! Findings as far as they are kept in words.

use std::collections::BTreeSet;

use crate::{Finding, FindingCode, Severity};

/// Keeps so many findings and counts the others. Of each code the first of each severity, outweighed or not,
/// is kept whatever came before it, so that what follows from the kept ones follows from all.
#[derive(Debug)]
pub struct KeptFindings {
    max: usize,
    findings: Vec<Finding>,
    more: u64,
    seen: BTreeSet<(FindingCode, Severity, bool)>,
}

impl KeptFindings {
    /// Keeps none yet, and `max` at most beside the first of each code and severity.
    pub const fn new(max: usize) -> Self {
        Self { max, findings: Vec::new(), more: 0, seen: BTreeSet::new() }
    }

    /// Takes a finding in.
    pub fn push(&mut self, finding: Finding) {
        let is_first = self.seen.insert((finding.code, finding.severity, finding.is_outweighed));
        if is_first || self.findings.len() < self.max {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Returns those that are kept, the gravest first, and how many more there were.
    pub fn conclude(mut self) -> (Vec<Finding>, u64) {
        self.findings.sort_by(|a, b| (b.severity, a.code).cmp(&(a.severity, b.code)));
        (self.findings, self.more)
    }
}

impl Extend<Finding> for KeptFindings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_not_lost_among_many() {
        let mut kept = KeptFindings::new(100);
        for number in 0..1_000 {
            kept.push(Finding::new(FindingCode::NotQualified, number, "a note"));
        }
        kept.push(Finding::new(FindingCode::NotStamped, "late", "another note"));
        kept.push(Finding::new(FindingCode::SealDamaged, "late", "damage"));
        kept.push(Finding::new(FindingCode::SealDamaged, "later", "damage"));
        let (findings, more) = kept.conclude();
        assert_eq!((findings.len(), more), (102, 901));
        assert_eq!(findings[0].code, FindingCode::SealDamaged);
        assert!(findings.iter().any(|it| it.code == FindingCode::NotStamped));
    }
}
