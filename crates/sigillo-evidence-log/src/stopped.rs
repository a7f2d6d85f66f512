//! Sealings that cannot be renewed on a line any more, or get no new hash trees there: what does not count
//! stands in the way.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use sigillo_model::{Finding, FindingCode, Severity};

use crate::{
    Archive, ChainToken, Chains, LogError, LogView, RenewalRules, RevokedRenewals, ToldRevocations,
    lost::judge,
};

/// What a finding about several sealings is of.
const SEALINGS: &str = "sealings";

/// What one line cannot do for some sealings, for new hash trees are over all their time-stamps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopped {
    /// Those whose newer hash trees do not count, and until when what came before these holds.
    renewals: Vec<(u64, Option<Timestamp>)>,
    /// Those of which a time-stamp does not count, so that no hash trees are made over it.
    trees: Vec<u64>,
}

impl Stopped {
    /// Takes in a sealing whose new hash trees do not count.
    pub(crate) fn renewals(&mut self, number: u64, until: Option<Timestamp>) {
        self.renewals.push((number, until));
    }

    /// Takes in a sealing that wants new hash trees, and gets none.
    pub(crate) fn trees(&mut self, number: u64) {
        self.trees.push(number);
    }

    /// Says it: what no other line stands for cannot wait.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn findings(
        self,
        of: (&Archive, &LogView, &Chains),
        (told, rules): (&ToldRevocations, &RenewalRules<'_>),
    ) -> Result<Vec<Finding>, LogError> {
        let mut findings = Vec::new();
        if self.renewals.is_empty() && self.trees.is_empty() {
            return Ok(findings);
        }
        let lines: BTreeSet<&str> = of.2.iter().map(|(line, ..)| line).collect();
        let revoked = RevokedRenewals::new(told, (rules.anchors, rules.at));
        let mut others = Others { of, rules, lines, revoked };
        let (mut renewals, mut until) = (Count::default(), None);
        for (number, end) in self.renewals {
            if !renewals.take(others.hold(number).await?) {
                until = [until, end].into_iter().flatten().min();
            }
        }
        findings.extend(renewals.finding(|count| stopped(rules.line, count, until)));
        let mut trees = Count::default();
        for number in self.trees {
            trees.take(others.hold(number).await?);
        }
        findings.extend(trees.finding(|count| no_trees(rules.line, count)));
        Ok(findings)
    }
}

/// How many sealings there are of a sort.
#[derive(Default)]
struct Count {
    /// Those that no other line stands for.
    alone: u64,
    elsewhere: u64,
}

impl Count {
    /// Counts one, and tells whether another line stands for it.
    fn take(&mut self, elsewhere: bool) -> bool {
        *(if elsewhere { &mut self.elsewhere } else { &mut self.alone }) += 1;
        elsewhere
    }

    /// Makes a finding of those that no other line stands for, or else a note of the others.
    fn finding(&self, say: impl Fn(u64) -> Finding) -> Option<Finding> {
        match (self.alone, self.elsewhere) {
            (0, 0) => None,
            (0, count) => Some(say(count).not_needed("those on another line hold in their place")),
            (count, _) => Some(Finding { severity: Severity::CannotTell, ..say(count) }),
        }
    }
}

/// Says that sealings cannot be renewed on a line any more, but as a note.
pub(crate) fn stopped(line: &str, count: u64, until: Option<Timestamp>) -> Finding {
    let until = until.map_or_else(
        || "no end of that is in sight".to_owned(),
        |until| format!("the first of that ends on {until}"),
    );
    let message = format!(
        "the time-stamps of {count} sealings on the line {line} can be renewed no more: new hash trees that do \
         not count are over them. What came before these holds by itself, and {until}. Name another line in \
         the settings (`[[lines]]`), and run `sigillo seal --stamp-only`"
    );
    Finding::new(FindingCode::LineStopped, SEALINGS, message)
}

/// Says that sealings get no new hash trees on a line, but as a note.
fn no_trees(line: &str, count: u64) -> Finding {
    let message = format!(
        "{count} sealings get no new hash trees on the line {line}: these would be over all their time-stamps, \
         and the certificate of one was revoked. Name another line in the settings (`[[lines]]`), and run \
         `sigillo seal --stamp-only`"
    );
    Finding::new(FindingCode::LineStopped, SEALINGS, message)
}

/// The other lines of an archive.
struct Others<'a> {
    of: (&'a Archive, &'a LogView, &'a Chains),
    rules: &'a RenewalRules<'a>,
    lines: BTreeSet<&'a str>,
    revoked: RevokedRenewals<'a>,
}

impl Others<'_> {
    /// Tells whether time-stamps on another line hold for a sealing, and can be renewed.
    async fn hold(&mut self, number: u64) -> Result<bool, LogError> {
        let (archive, view, chains) = self.of;
        for line in self.lines.iter().filter(|line| **line != self.rules.line) {
            let chain = chains.of(line, number);
            let is_real = |it: &ChainToken| !it.stated(view).1 || archive.description().trial;
            let is_of_use = !chain.is_empty()
                && chain.iter().all(|it| it.is_placed() && is_real(it))
                && chains.left_out((number, chain)).next().is_none();
            if !is_of_use {
                continue;
            }
            let left = self.revoked.left_out(self.of, chain).await?;
            let Some(newest) = left.newest.filter(|_| !left.is_cut) else { continue };
            let rules = RenewalRules { line, ..*self.rules };
            let Ok(judged) = judge(archive, view, &chain[newest], &rules).await? else { continue };
            if judged.due.iter().all(|it| !it.is_due(rules.at, SignedDuration::ZERO)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
