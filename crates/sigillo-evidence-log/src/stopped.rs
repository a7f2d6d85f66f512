//! Sealings that cannot be renewed on a line any more, or get no new hash trees there: what does not count
//! stands in the way. And documents that renewals do nothing for, for hash trees do not have them, or no more.

use std::collections::BTreeSet;

use jiff::Timestamp;

use sigillo_model::{Finding, FindingCode, Severity, is_sha512_line};

use crate::{
    Archive, Chains, LogError, LogView, RenewalRules, ToldRevocations,
    standing::{Left, StandingLines},
    tree_parts::TreeParts,
};

/// What a finding about several sealings is of.
const SEALINGS: &str = "sealings";

/// What one line cannot do for some sealings, for new hash trees are over all their time-stamps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopped {
    /// Those whose newer hash trees do not count, and whether only for certificates on hold.
    renewals: Vec<(u64, bool)>,
    /// Those of whose documents leaves are lost under hash trees: a newer time-stamp does nothing for these.
    documents: Vec<(u64, bool)>,
    /// Those of whose documents new hash trees left some out: it does nothing for these either.
    left_out: Vec<(u64, bool)>,
    /// Those of which a time-stamp is lost or does not count, so that no hash trees are made over it.
    trees: Vec<(u64, bool)>,
}

impl Stopped {
    /// Takes in a sealing whose new hash trees do not count.
    pub(crate) fn renewals(&mut self, number: u64, on_hold: bool) {
        self.renewals.push((number, on_hold));
    }

    /// Takes in a sealing of whose documents leaves are lost.
    pub(crate) fn documents(&mut self, number: u64) {
        self.documents.push((number, false));
    }

    /// Takes in a sealing of whose documents new hash trees left some out.
    pub(crate) fn left_out(&mut self, number: u64) {
        self.left_out.push((number, false));
    }

    /// Takes in a sealing that wants new hash trees, and gets none.
    pub(crate) fn trees(&mut self, number: u64) {
        self.trees.push((number, false));
    }

    /// Says it: what no other line stands for cannot wait. What `parts` knows of hash trees is not read again.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer.
    pub(crate) async fn findings(
        self,
        of: (&Archive, &LogView, &Chains),
        (told, rules): (&ToldRevocations, &RenewalRules<'_>),
        parts: &TreeParts,
    ) -> Result<Vec<Finding>, LogError> {
        let mut findings = Vec::new();
        let sorts = [&self.renewals, &self.documents, &self.left_out, &self.trees];
        if sorts.iter().all(|it| it.is_empty()) {
            return Ok(findings);
        }
        let (_, view, chains) = of;
        let by = (rules.anchors, rules.algorithms);
        let standing = StandingLines::new(of, by, (told, rules.at), parts.clone());
        let lines: BTreeSet<&str> = chains.iter().map(|(line, ..)| line).collect();
        let mut others = Others { chains, line: rules.line, lines, standing, view };
        let renewals = others.sorted(&self.renewals).await?;
        findings.extend(renewals.finding(|it| stopped(rules.line, it)));
        let documents = others.sorted(&self.documents).await?;
        findings.extend(documents.finding(|it| leafless(rules.line, it)));
        let documents = others.sorted(&self.left_out).await?;
        findings.extend(documents.finding(|it| left_out(rules.line, it)));
        let trees = others.sorted(&self.trees).await?;
        findings.extend(trees.finding(|it| no_trees(rules.line, it.all)));
        Ok(findings)
    }
}

/// How many sealings there are of a sort, and what is left of them without their new hash trees.
#[derive(Debug, Default)]
pub(crate) struct Count {
    all: u64,
    /// Of how many it is only for certificates on hold.
    held: u64,
    /// Of how many nothing is left.
    nothing: u64,
    /// When the first of what is left ends.
    first: Option<Timestamp>,
}

impl Count {
    /// Takes in one.
    pub(crate) fn take(&mut self, left: Left, on_hold: bool) {
        self.all += 1;
        self.held += u64::from(on_hold);
        match left {
            Left::Until(end) => self.first = [self.first, end].into_iter().flatten().min(),
            Left::Nothing => self.nothing += 1,
        }
    }

    /// Says what is left.
    fn left(&self) -> String {
        const NOTHING: &str = "does not hold by itself: a time-stamp that it needs is lost, revoked or not \
                               believed, or ended";
        if self.nothing == self.all {
            return format!("What came before these {NOTHING}.");
        }
        let until = self.first.map_or_else(
            || "no end of that is in sight".to_owned(),
            |until| format!("the first of that ends on {until}"),
        );
        if self.nothing == 0 {
            return format!("What came before these holds by itself, and {until}.");
        }
        let holding = self.all - self.nothing;
        format!(
            "What came before these holds by itself for {holding} of them, and {until}; for the others it \
             {NOTHING}."
        )
    }
}

/// Those of a sort, by whether another line stands for them.
#[derive(Default)]
struct Sorted {
    alone: Count,
    elsewhere: Count,
}

impl Sorted {
    /// Makes a finding of those that no other line stands for, or else a note of the others.
    fn finding(&self, say: impl Fn(&Count) -> Finding) -> Option<Finding> {
        match (self.alone.all, self.elsewhere.all) {
            (0, 0) => None,
            (0, _) => {
                let why = "those on another line hold in their place";
                Some(say(&self.elsewhere).not_needed(why))
            }
            _ => Some(Finding { severity: Severity::CannotTell, ..say(&self.alone) }),
        }
    }
}

/// Says that sealings cannot be renewed on a line any more, but as a note.
pub(crate) fn stopped(line: &str, count: &Count) -> Finding {
    let (what, mend) = if count.held == count.all {
        (
            "cannot be renewed for now: new hash trees are over them, and a certificate behind these is on hold",
            "Once the hold ends, `sigillo renew --gather --yes` learns of it, and they count again. Until then",
        )
    } else {
        (
            "can be renewed no more: new hash trees are over them that do not count, or of which something is \
             lost",
            "Bring what is lost back from a copy of the archive, or",
        )
    };
    let message = format!(
        "the time-stamps of {} sealings on the line {line} {what}. {} {mend} name another line in the settings \
         (`[[lines]]`), with an authority that the trust store believes, and run `sigillo seal --stamp-only`",
        count.all,
        count.left(),
    );
    Finding::new(FindingCode::LineStopped, SEALINGS, message)
}

/// Says that newer time-stamps do nothing for documents on a line, but as a note.
fn leafless(line: &str, count: &Count) -> Finding {
    let left = if is_sha512_line(line) {
        "Nothing else on the line proves them.".to_owned()
    } else {
        count.left()
    };
    let message = format!(
        "leaves of documents of {} sealings are lost under the hash trees on the line {line}: newer \
         time-stamps do nothing for these documents until the leaves are back. {left} Bring them back from a \
         copy of the archive, or name another line in the settings (`[[lines]]`), with an authority that the \
         trust store believes, and run `sigillo seal --stamp-only`",
        count.all,
    );
    Finding::new(FindingCode::LineStopped, SEALINGS, message)
}

/// Says that newer time-stamps do nothing for documents that new hash trees on a line left out, but as a note.
pub(crate) fn left_out(line: &str, count: &Count) -> Finding {
    let message = format!(
        "documents of {} sealings were left out of the new hash trees on the line {line}, for they were not \
         there as they were archived: newer time-stamps do nothing for these documents. {} Bring back what is \
         damaged from a copy of the archive (`sigillo verify --full` names it), name another line in the \
         settings (`[[lines]]`), with an authority that the trust store believes, and run `sigillo seal \
         --stamp-only`",
        count.all,
        count.left(),
    );
    Finding::new(FindingCode::LineStopped, SEALINGS, message)
}

/// Says that sealings get no new hash trees on a line, but as a note.
fn no_trees(line: &str, count: u64) -> Finding {
    let message = format!(
        "{count} sealings get no new hash trees on the line {line}: these would be over all their time-stamps, \
         and one is lost, or does not count, for its certificate was revoked, or is on hold (once that ends, `sigillo \
         renew --gather --yes` learns of it). Bring what is lost back from a \
         copy of the archive, or name another line in the settings (`[[lines]]`), with an authority that the \
         trust store believes, and run `sigillo seal --stamp-only`"
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
    /// Sorts sealings by whether another line stands for them.
    async fn sorted(&mut self, numbers: &[(u64, bool)]) -> Result<Sorted, LogError> {
        let mut sorted = Sorted::default();
        for (number, on_hold) in numbers {
            let elsewhere = self.stand(*number).await?;
            let left = self.standing.left(self.chains.of(self.line, *number)).await?;
            let sort = if elsewhere { &mut sorted.elsewhere } else { &mut sorted.alone };
            sort.take(left, *on_hold);
        }
        Ok(sorted)
    }

    /// Tells whether time-stamps on another line stand for a sealing in place of these.
    async fn stand(&mut self, number: u64) -> Result<bool, LogError> {
        let own = self.chains.of(self.line, number);
        let trial = own.iter().any(|it| it.stated(self.view).1);
        for line in self.lines.iter().filter(|line| **line != self.line) {
            let chain = self.chains.of(line, number);
            if self.standing.stand((number, chain), trial).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
