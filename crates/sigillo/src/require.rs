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
    /// Nothing is for trial, everything has a time-stamp, and trusted lists prove that those are qualified;
    /// of each sealing, those on one evidence line that holds are enough
    Qualified,
    /// Whether the certificates of the time-stamps were revoked is known; of each sealing, of those on
    /// one evidence line that holds, and everything has one; no period statement shows that
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

/// Tells of a receipt or a bundle without any batch that nothing in it is sealed, where more is required: all
/// of a submission was refused, or it is not known yet what became of it.
pub(crate) fn nothing_sealed(batches: usize, requirements: &[Requirement]) -> Option<Finding> {
    let asks = |it: &Requirement| {
        matches!(it, Requirement::Qualified | Requirement::Revocation | Requirement::Stamped)
    };
    let message = "nothing in it was archived, so nothing of it is sealed or has a time-stamp";
    let none = || Finding::new(FindingCode::NotSealed, "batches", message);
    (batches == 0 && requirements.iter().any(asks)).then(none)
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

/// Tells of what has no time-stamp that it has none that is qualified, and none of whose certificates is known
/// whether they were revoked, where that is required; `findings` are those of the verification, without those
/// of evidence lines that only the settings ask for.
pub(crate) fn unstamped(findings: &[Finding], requirements: &[Requirement]) -> Vec<Finding> {
    let is_bare = |it: &Finding| Requirement::Stamped.notes().contains(&it.code);
    if !findings.iter().any(is_bare) {
        return Vec::new();
    }
    let all = [
        (
            Requirement::Qualified,
            FindingCode::NotQualified,
            "not everything has a time-stamp, so not everything has a qualified one",
        ),
        (
            Requirement::Revocation,
            FindingCode::RevocationUnknown,
            "whether a certificate was revoked is known of no more than the time-stamps that are here, and not \
             everything has one",
        ),
    ];
    let is_told = |code| findings.iter().any(|it| it.code == code && !it.is_outweighed);
    let asked = all.into_iter().filter(|it| requirements.contains(&it.0) && !is_told(it.1));
    asked.map(|(_, code, message)| Finding::new(code, "time-stamps", message)).collect()
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
    fn what_has_no_time_stamp_has_no_qualified_one_and_none_of_which_revocation_is_known() {
        let codes = |missing: &[FindingCode], required: Requirement| {
            let note = |code: &FindingCode| Finding::new(*code, "sealing", "it is so");
            let mut findings: Vec<_> = missing.iter().map(note).collect();
            findings.extend(unstamped(&findings, &[required]));
            require(&mut findings, &[required], Verdict::Intact);
            let graver = findings.iter().filter(|it| it.severity == Severity::CannotTell);
            graver.map(|it| it.code.code()).collect::<Vec<_>>()
        };
        let missing =
            [FindingCode::NotStamped, FindingCode::NotSealed, FindingCode::PeriodNotStamped];
        for code in missing {
            assert_eq!(codes(&[code], Requirement::Qualified), ["F607"], "{code:?}");
            assert_eq!(codes(&[code], Requirement::Revocation), ["F915"], "{code:?}");
            assert_eq!(codes(&[code], Requirement::Witnessed), [""; 0], "{code:?}");
        }
        let other = [FindingCode::NotWitnessed];
        assert_eq!(codes(&other, Requirement::Qualified), [""; 0]);
        assert_eq!(codes(&other, Requirement::Revocation), [""; 0]);
    }

    #[test]
    fn a_proof_of_nothing_that_was_archived_is_neither_sealed_nor_stamped() {
        let codes = |batches, required: Requirement| {
            let mut findings: Vec<_> = nothing_sealed(batches, &[required]).into_iter().collect();
            findings.extend(unstamped(&findings, &[required]));
            require(&mut findings, &[required], Verdict::Intact);
            let graver = findings.iter().filter(|it| it.severity == Severity::CannotTell);
            graver.map(|it| it.code.code()).collect::<Vec<_>>()
        };
        assert_eq!(codes(0, Requirement::Stamped), ["F506"]);
        assert_eq!(codes(0, Requirement::Qualified), ["F607"]);
        assert_eq!(codes(0, Requirement::Revocation), ["F915"]);
        assert_eq!(codes(0, Requirement::Witnessed), [""; 0]);
        assert_eq!(codes(1, Requirement::Stamped), [""; 0]);
    }

    #[test]
    fn no_receipt_shows_that_it_is_of_the_newest_state() {
        assert_eq!(unknown_of_receipt(&[Requirement::Stamped]), None);
        let mut findings: Vec<_> = unknown_of_receipt(&[Requirement::Fresh]).into_iter().collect();
        let verdict = require(&mut findings, &[Requirement::Fresh], Verdict::Intact);
        assert_eq!((verdict, findings[0].code.code()), (Verdict::CannotTell, "F604"));
    }
}
