//! Sealings that cannot be renewed on a line any more, or get no new hash trees there: what does not count
//! stands in the way.

use std::collections::BTreeSet;

use jiff::Timestamp;

use sigillo_model::{Finding, FindingCode, Severity};

use crate::{
    Archive, Chains, LogError, LogView, RenewalRules, ToldRevocations, standing::StandingLines,
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
        let (_, view, chains) = of;
        let by = (rules.anchors, rules.algorithms);
        let standing = StandingLines::new(of, by, (told, rules.at));
        let lines: BTreeSet<&str> = chains.iter().map(|(line, ..)| line).collect();
        let mut others = Others { chains, line: rules.line, lines, standing, view };
        let (mut renewals, mut ends) = (Count::default(), [None; 2]);
        for (number, end) in self.renewals {
            let elsewhere = renewals.take(others.hold(number).await?);
            let first: &mut Option<Timestamp> = &mut ends[usize::from(elsewhere)];
            *first = [*first, end].into_iter().flatten().min();
        }
        let until = if renewals.alone > 0 { ends[0] } else { ends[1] };
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
        "the time-stamps of {count} sealings on the line {line} can be renewed no more: new hash trees are over \
         them that do not count, or of which something is lost. What came before these holds by itself, and \
         {until}. Bring what is lost back from a copy of the archive, or name another line in the settings \
         (`[[lines]]`), with an authority that the trust store believes, and run `sigillo seal --stamp-only`"
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
    chains: &'a Chains,
    line: &'a str,
    lines: BTreeSet<&'a str>,
    standing: StandingLines<'a>,
    view: &'a LogView,
}

impl Others<'_> {
    /// Tells whether time-stamps on another line hold for a sealing in place of these.
    async fn hold(&mut self, number: u64) -> Result<bool, LogError> {
        let own = self.chains.of(self.line, number);
        let trial = own.iter().any(|it| it.stated(self.view).1);
        for line in self.lines.iter().filter(|line| **line != self.line) {
            let chain = self.chains.of(line, number);
            if self.standing.hold((number, chain), trial).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
