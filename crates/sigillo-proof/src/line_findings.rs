//! What is found on the evidence lines of a sealing: one that holds is enough.

use std::collections::BTreeMap;

use sigillo_model::{Finding, Severity};

use crate::check::FINDINGS_MAX;

/// An evidence line of a sealing: the number of the sealing, and the name of the line.
pub(crate) type LineOf = (u64, String);

/// Findings that say of one evidence line that it does not hold, or that it cannot be told, kept until
/// it is known whether another line of the same sealing does.
#[derive(Debug, Default)]
pub(crate) struct LineFindings {
    lines: BTreeMap<LineOf, LineState>,
    waiting: Vec<(LineOf, Finding)>,
}

#[derive(Debug, Default)]
struct LineState {
    /// Whether its first time-stamp is sound.
    is_verified: bool,
    /// Whether that is for trial.
    trial: bool,
    /// How far it is in doubt.
    doubt: Doubt,
}

/// How far an evidence line is in doubt.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
enum Doubt {
    #[default]
    None,
    /// It does not prove all that it should.
    Incomplete,
    /// Something was found that speaks against it.
    Faulty,
}

impl LineFindings {
    /// Takes note of a first time-stamp that is sound.
    pub(crate) fn verified(&mut self, line: &LineOf, trial: bool) {
        let state = self.lines.entry(line.clone()).or_default();
        (state.is_verified, state.trial) = (true, trial);
    }

    /// Takes note that a line does not prove all that it should: no other one rests on it.
    pub(crate) fn doubt(&mut self, line: &LineOf) {
        let state = self.lines.entry(line.clone()).or_default();
        state.doubt = state.doubt.max(Doubt::Incomplete);
    }

    /// Tells whether the first time-stamp of a line is sound, and nothing speaks against it or what came
    /// after it.
    pub(crate) fn is_sound(&self, line: &LineOf) -> bool {
        self.lines.get(line).is_some_and(|it| it.is_verified && it.doubt < Doubt::Faulty)
    }

    /// Takes in a finding on a line. Gives back what counts whatever other lines are like: that
    /// something was changed after it was made, and what says nothing against the line.
    pub(crate) fn take(&mut self, line: &LineOf, finding: Finding) -> Option<Finding> {
        if finding.severity < Severity::CannotTell {
            return Some(finding);
        }
        self.lines.entry(line.clone()).or_default().doubt = Doubt::Faulty;
        if !finding.code.is_of_one_line() || self.waiting.len() == FINDINGS_MAX {
            return Some(finding);
        }
        self.waiting.push((line.clone(), finding));
        None
    }

    /// Returns the findings that were kept: as notes where another line holds, which does not rest on
    /// this one; time-stamps for trial hold for nobody but others for trial.
    pub(crate) fn settle(self) -> Vec<Finding> {
        let Self { lines, waiting } = self;
        let holds = |(number, line): &LineOf| {
            let trial = lines.get(&(*number, line.clone())).is_some_and(|it| it.trial);
            let of_sealing = lines.iter().filter(|((sealing, _), _)| sealing == number);
            let mut others = of_sealing.filter(|((_, other), _)| other != line);
            let found = others
                .find(|(_, it)| it.is_verified && it.doubt == Doubt::None && (trial || !it.trial));
            found.map(|((_, other), _)| other.clone())
        };
        let settled = waiting.into_iter().map(|(line, finding)| match holds(&line) {
            Some(other) => finding.outweighed(&line.1, &other),
            None => finding,
        });
        settled.collect()
    }
}

#[cfg(test)]
mod tests {
    use sigillo_model::FindingCode;

    use super::*;

    fn line(name: &str) -> LineOf {
        (1, name.to_owned())
    }

    /// Settles what is found on line `a` where `b` is so: verified, for trial, doubtful.
    fn severity(code: FindingCode, (verified, trial, doubtful): (bool, bool, bool)) -> Severity {
        let mut findings = LineFindings::default();
        findings.verified(&line("a"), false);
        if verified {
            findings.verified(&line("b"), trial);
        }
        if doubtful {
            let other = Finding::new(FindingCode::EvidenceEnded, "b", "it ended");
            assert!(findings.take(&line("b"), other).is_none());
        }
        let finding = Finding::new(code, "a", "it does not hold");
        let kept = findings.take(&line("a"), finding);
        kept.unwrap_or_else(|| findings.settle().pop().unwrap()).severity
    }

    #[test]
    fn a_line_that_holds_is_enough() {
        let sound = (true, false, false);
        assert_eq!(severity(FindingCode::AuthorityUnknown, sound), Severity::Note);
        assert_eq!(severity(FindingCode::CertificateRevoked, sound), Severity::Note);
    }

    #[test]
    fn a_line_that_does_not_hold_itself_is_not() {
        for other in [(false, false, false), (true, true, false), (true, false, true)] {
            let found = severity(FindingCode::AuthorityUnknown, other);
            assert_eq!(found, Severity::CannotTell, "{other:?}");
            let found = severity(FindingCode::CertificateRevoked, other);
            assert_eq!(found, Severity::Damage, "{other:?}");
        }
    }

    #[test]
    fn what_was_changed_is_damage_whatever_other_lines_are_like() {
        let sound = (true, false, false);
        assert_eq!(severity(FindingCode::TokenDamaged, sound), Severity::Damage);
        assert_eq!(severity(FindingCode::RenewalDamaged, sound), Severity::Damage);
    }

    #[test]
    fn the_line_of_another_sealing_does_not_help() {
        let mut findings = LineFindings::default();
        findings.verified(&(2, "b".to_owned()), false);
        let finding = Finding::new(FindingCode::AuthorityUnknown, "a", "unknown");
        assert!(findings.take(&line("a"), finding).is_none());
        assert_eq!(findings.settle()[0].severity, Severity::CannotTell);
    }
}
