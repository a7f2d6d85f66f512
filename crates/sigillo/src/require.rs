//! What else a verdict must have, where its user says so: notes become findings, unless something else does
//! without what they say.

use clap::ValueEnum;

use sigillo_model::{Finding, FindingCode, Severity, Verdict};

/// What `--require` can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Requirement {
    /// The checkpoint from elsewhere that `sigillo verify --checkpoint` names is of all entries of the newest
    /// log; no receipt, bundle or period statement shows that it is of the newest state
    Fresh,
    /// Nothing is for trial, and trusted lists prove that the time-stamps are qualified; of each sealing,
    /// those on one evidence line that holds are enough
    Qualified,
    /// Whether the certificates of the time-stamps were revoked is known; of each sealing, of those on
    /// one evidence line that holds, and in a proof everything has one; no period statement shows that
    Revocation,
    /// Everything is sealed and time-stamped
    Stamped,
    /// As many known witnesses cosigned as the trust store asks for
    Witnessed,
}

impl Requirement {
    /// Returns the notes that tell that it is not met.
    const fn notes(self) -> &'static [FindingCode] {
        match self {
            Self::Fresh => &[FindingCode::FreshnessUnknown],
            Self::Qualified => &[FindingCode::TrialEvidence, FindingCode::NotQualified],
            Self::Revocation => &[FindingCode::RevocationUnknown],
            Self::Stamped => {
                &[FindingCode::NotStamped, FindingCode::NotSealed, FindingCode::PeriodNotStamped]
            }
            Self::Witnessed => &[FindingCode::NotWitnessed],
        }
    }
}

/// Tells of a receipt what is required and nothing in it shows.
pub(crate) fn unknown_of_receipt(requirements: &[Requirement]) -> Option<Finding> {
    let message = "whether the archive has grown since, or destroyed a document, is not known here";
    let unknown = || Finding::new(FindingCode::FreshnessUnknown, "checkpoint", message);
    requirements.contains(&Requirement::Fresh).then(unknown)
}

/// Tells the same of a period statement.
pub(crate) fn unknown_of_period(requirements: &[Requirement]) -> Vec<Finding> {
    let all = [
        (
            Requirement::Fresh,
            FindingCode::FreshnessUnknown,
            "whether the log has grown since is not known here",
        ),
        (
            Requirement::Revocation,
            FindingCode::RevocationUnknown,
            "whether a certificate was revoked is not looked at in a period statement",
        ),
    ];
    let asked = all.into_iter().filter(|it| requirements.contains(&it.0));
    asked.map(|(_, code, message)| Finding::new(code, "period", message)).collect()
}

/// Makes findings of the notes that tell of what is required and missing, the gravest first, and
/// returns the verdict that follows; `verdict` is that without requirements.
pub(crate) fn require(
    findings: &mut [Finding],
    requirements: &[Requirement],
    verdict: Verdict,
) -> Verdict {
    let mut is_missing = false;
    for finding in findings.iter_mut() {
        let asked = requirements.iter().any(|it| it.notes().contains(&finding.code));
        if asked && finding.severity == Severity::Note && !finding.is_outweighed {
            finding.severity = Severity::CannotTell;
            is_missing = true;
        }
    }
    findings.sort_by(|a, b| (b.severity, a.code).cmp(&(a.severity, b.code)));
    if is_missing { verdict.max(Verdict::CannotTell) } else { verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_period_statement_lacks_or_never_shows_is_a_finding_where_it_is_required() {
        let codes = |required: Requirement| {
            let note = |code| Finding::new(code, "period", "it is so");
            let mut findings = vec![
                note(FindingCode::PeriodNotStamped),
                note(FindingCode::TrialEvidence),
                note(FindingCode::NotWitnessed),
            ];
            findings.extend(unknown_of_period(&[required]));
            let verdict = require(&mut findings, &[required], Verdict::Intact);
            assert_eq!(verdict, Verdict::CannotTell, "{required:?}");
            let graver = findings.iter().filter(|it| it.severity == Severity::CannotTell);
            graver.map(|it| it.code.code()).collect::<Vec<_>>()
        };
        assert_eq!(codes(Requirement::Fresh), ["F604"]);
        assert_eq!(codes(Requirement::Qualified), ["F507"]);
        assert_eq!(codes(Requirement::Revocation), ["F915"]);
        assert_eq!(codes(Requirement::Stamped), ["F827"]);
        assert_eq!(codes(Requirement::Witnessed), ["F605"]);
    }

    #[test]
    fn no_receipt_shows_that_it_is_of_the_newest_state() {
        assert_eq!(unknown_of_receipt(&[Requirement::Stamped]), None);
        let mut findings: Vec<_> = unknown_of_receipt(&[Requirement::Fresh]).into_iter().collect();
        let verdict = require(&mut findings, &[Requirement::Fresh], Verdict::Intact);
        assert_eq!((verdict, findings[0].code.code()), (Verdict::CannotTell, "F604"));
    }
}
