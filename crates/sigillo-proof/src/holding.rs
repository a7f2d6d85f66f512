//! Which evidence lines of a receipt hold, for who gives it: by the rules by which it is checked.

use std::collections::BTreeSet;

use crate::{
    BundleRules, Receipt, bundle_times::judge_times, check::begin_check,
    check_validation::evidence, line_findings::LineOf,
};

/// The evidence lines of a receipt that a check finds nothing against.
#[derive(Clone, Debug, Default)]
pub struct HoldingLines(BTreeSet<LineOf>);

impl HoldingLines {
    /// Judges the lines of a receipt as of a time, each for those documents of it that have a place there, as
    /// [`check_receipt_at`](crate::check_receipt_at) does. Those for trial hold in an archive for trial alone.
    pub fn of(receipt: &Receipt, rules: &BundleRules<'_>) -> Self {
        let mut checker = begin_check(receipt, rules.trust, &[]);
        let (evidence_set, _) = evidence(receipt);
        let of = (receipt, receipt.submission.is_none());
        judge_times(&mut checker, of, rules, &evidence_set);
        let sound = checker.lines.sound();
        Self(sound.filter(|(_, trial)| receipt.archive.trial || !trial).map(|(it, _)| it).collect())
    }

    /// Tells whether a line of the sealing of this number is one of them.
    pub fn has(&self, number: u64, line: &str) -> bool {
        self.0.contains(&(number, line.to_owned()))
    }
}
