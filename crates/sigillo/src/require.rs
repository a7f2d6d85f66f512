//! What else a verdict must have, where its user says so: notes become findings, unless something else does
//! without what they say.

use clap::ValueEnum;

use sigillo_model::{Finding, FindingCode, Severity, Verdict};

/// What `--require` can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Requirement {
    /// A checkpoint from elsewhere shows that this is the newest state
    Fresh,
    /// Nothing is for trial, and trusted lists prove that the time-stamps are qualified; of each sealing,
    /// those on one evidence line that holds are enough
    Qualified,
    /// Whether the certificates of the time-stamps were revoked is known; of each sealing, of those on
    /// one evidence line that holds
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
            Self::Stamped => &[FindingCode::NotStamped, FindingCode::NotSealed],
            Self::Witnessed => &[FindingCode::NotWitnessed],
        }
    }
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
