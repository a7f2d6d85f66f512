//! What is found on the evidence lines of a sealing: one that holds is enough.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_model::{Finding, Severity};

use crate::check::FINDINGS_MAX;

/// An evidence line of a sealing: the number of the sealing, and the name of the line.
pub(crate) type LineOf = (u64, String);

/// Findings that say of one evidence line that it does not hold, that it cannot be told, or what it is not
/// proven to be, kept until it is known whether another line of the same sealing does without.
#[derive(Debug, Default)]
pub(crate) struct LineFindings {
    lines: BTreeMap<LineOf, LineState>,
    waiting: Vec<(LineOf, Finding)>,
    /// Notes on what is not proven of time-stamps: there may be many, and they take no room from those above.
    lacking: Vec<(LineOf, Finding)>,
}

#[derive(Debug, Default)]
struct LineState {
    /// Whether its first time-stamp is sound.
    is_verified: bool,
    /// Whether that is for trial.
    trial: bool,
    /// How far it is in doubt.
    doubt: Doubt,
    /// What of its time-stamps is not proven.
    lacks: BTreeSet<Lack>,
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

/// What may not be proven of a time-stamp, and be demanded.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Lack {
    /// That it is qualified, and not for trial.
    Quality,
    /// Whether its certificates were revoked.
    Revocation,
}

impl LineState {
    /// Tells whether it holds without another.
    fn holds(&self) -> bool {
        self.is_verified && self.doubt == Doubt::None
    }
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

    /// Returns the lines that are, and whether their time-stamps are for trial.
    pub(crate) fn sound(&self) -> impl Iterator<Item = (LineOf, bool)> {
        let sound = self.lines.iter().filter(|(line, _)| self.is_sound(line));
        sound.map(|(line, it)| (line.clone(), it.trial))
    }

    /// Takes note that it cannot be told whether certificates under a line were revoked.
    pub(crate) fn revocation_unknown(&mut self, line: &LineOf) {
        self.lines.entry(line.clone()).or_default().lacks.insert(Lack::Revocation);
    }

    /// Tells whether every sealing has a line that holds and of which all about revocation is known.
    pub(crate) fn is_revocation_known(&self) -> bool {
        let mut sealings = BTreeMap::<u64, bool>::new();
        for ((number, _), line) in &self.lines {
            let is_known = line.holds() && !line.trial && !line.lacks.contains(&Lack::Revocation);
            *sealings.entry(*number).or_default() |= is_known;
        }
        !sealings.is_empty() && sealings.values().all(|is_known| *is_known)
    }

    /// Takes in a finding on a line. Gives back what counts whatever other lines are like: that
    /// something was changed after it was made, and what says nothing of the line as a whole.
    pub(crate) fn take(&mut self, line: &LineOf, finding: Finding) -> Option<Finding> {
        let is_quality = finding.code.is_quality_of_one_line();
        if !is_quality && finding.severity < Severity::CannotTell {
            return Some(finding);
        }
        let state = self.lines.entry(line.clone()).or_default();
        let waiting = if is_quality {
            state.lacks.insert(Lack::Quality);
            &mut self.lacking
        } else {
            state.doubt = Doubt::Faulty;
            &mut self.waiting
        };
        let waits = is_quality || finding.code.is_of_one_line();
        if !waits || waiting.len() == FINDINGS_MAX {
            return Some(finding);
        }
        waiting.push((line.clone(), finding));
        None
    }

    /// Returns the findings that were kept: as notes where another line holds, which does not rest on
    /// this one; time-stamps for trial hold for nobody but others for trial. What is not proven of
    /// time-stamps, those on the other line must have.
    pub(crate) fn settle(self) -> Vec<Finding> {
        let Self { lines, waiting, lacking } = self;
        let holds = |(number, line): &LineOf, is_quality: bool| {
            let trial = lines.get(&(*number, line.clone())).is_some_and(|it| it.trial);
            let of_sealing = lines.iter().filter(|((sealing, _), _)| sealing == number);
            let mut others = of_sealing.filter(|((_, other), _)| other != line);
            let found = others.find(|(_, it)| {
                let lacks = is_quality && it.lacks.contains(&Lack::Quality);
                it.holds() && (trial || !it.trial) && !lacks
            });
            found.map(|((_, other), _)| other.clone())
        };
        let settled = waiting.into_iter().chain(lacking).map(|(line, finding)| {
            match holds(&line, finding.code.is_quality_of_one_line()) {
                Some(other) => finding.outweighed(&line.1, &other),
                None => finding,
            }
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

    /// Tells whether what is not proven of time-stamps on line `a` need not be demanded where `b` is so:
    /// verified, for trial, qualified.
    fn is_met(code: FindingCode, (verified, trial, qualified): (bool, bool, bool)) -> bool {
        let mut findings = LineFindings::default();
        findings.verified(&line("a"), code == FindingCode::TrialEvidence);
        if verified {
            findings.verified(&line("b"), trial);
        }
        if !qualified {
            let other = Finding::new(FindingCode::NotQualified, "b", "it is not");
            assert!(findings.take(&line("b"), other).is_none());
        }
        assert!(findings.take(&line("a"), Finding::new(code, "a", "it is not")).is_none());
        let settled = findings.settle();
        assert!(settled.iter().all(|it| it.severity == Severity::Note), "{settled:?}");
        settled.last().unwrap().is_outweighed
    }

    #[test]
    fn one_line_of_qualified_time_stamps_is_enough() {
        for code in [FindingCode::NotQualified, FindingCode::TrialEvidence] {
            assert!(is_met(code, (true, false, true)), "{code}");
            for other in [(false, false, true), (true, false, false)] {
                assert!(!is_met(code, other), "{code}, {other:?}");
            }
        }
        assert!(!is_met(FindingCode::NotQualified, (true, true, true)), "one for trial");
    }

    #[test]
    fn that_a_line_is_not_qualified_speaks_against_nothing_else_of_it() {
        assert_eq!(severity(FindingCode::AuthorityUnknown, (true, false, false)), Severity::Note);
        let mut findings = LineFindings::default();
        findings.verified(&line("b"), false);
        let other = Finding::new(FindingCode::NotQualified, "b", "it is not");
        assert!(findings.take(&line("b"), other).is_none());
        let doubt = Finding::new(FindingCode::AuthorityUnknown, "a", "unknown");
        assert!(findings.take(&line("a"), doubt).is_none());
        assert!(findings.settle().iter().all(|it| it.severity == Severity::Note));
    }

    #[test]
    fn however_many_notes_there_are_a_doubt_waits() {
        let mut findings = LineFindings::default();
        findings.verified(&line("b"), false);
        let note = || Finding::new(FindingCode::NotQualified, "b", "it is not");
        let kept = (0..=FINDINGS_MAX).filter(|_| findings.take(&line("b"), note()).is_none());
        assert_eq!(kept.count(), FINDINGS_MAX);
        let doubt = Finding::new(FindingCode::AuthorityUnknown, "a", "unknown");
        assert!(findings.take(&line("a"), doubt).is_none());
        assert!(findings.settle().iter().all(|it| it.severity == Severity::Note));
    }

    #[test]
    fn revocation_is_known_where_every_sealing_has_a_line_that_holds_and_of_which_it_is() {
        let mut findings = LineFindings::default();
        assert!(!findings.is_revocation_known(), "there is nothing");
        for name in ["a", "b"] {
            findings.verified(&line(name), false);
        }
        assert!(findings.is_revocation_known());
        findings.revocation_unknown(&line("a"));
        assert!(findings.is_revocation_known());
        let other = (2, "a".to_owned());
        findings.verified(&other, false);
        assert!(findings.is_revocation_known());
        findings.revocation_unknown(&other);
        assert!(!findings.is_revocation_known(), "that of another sealing does not help");
        findings.verified(&(2, "trial".to_owned()), true);
        assert!(!findings.is_revocation_known(), "nor one for trial");
        findings.verified(&(2, "b".to_owned()), false);
        assert!(findings.is_revocation_known());
        let ended = Finding::new(FindingCode::EvidenceEnded, "b", "it ended");
        assert!(findings.take(&line("b"), ended).is_none());
        assert!(!findings.is_revocation_known(), "nor one that does not hold");
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
