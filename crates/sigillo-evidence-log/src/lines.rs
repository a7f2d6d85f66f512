//! Evidence lines: what their names say, and what is to be renewed on each.

use sigillo_model::{Finding, FindingCode, ObjectKey, is_sha512_line};

use crate::{
    Archive, Chains, EVIDENCE_LINE, LogError, LogView, RenewalPlan, RenewalRules, ToldRevocations,
    read_view, renewing::plan_of, tree_parts::TreeParts,
};

/// Longest name of an evidence line, in characters.
pub const LINE_NAME_CHARS_MAX: usize = 64;

/// What the tokens of an evidence line hold beside what their authority signed. The name of the line
/// begins with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineProfile {
    /// Nothing: they are kept as received.
    Plain,
    /// Certificates, revocation lists and OCSP responses by which theirs can be judged.
    TrEsor,
}

/// The hash function of an evidence line, from its first time-stamps on until new hash trees.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HashFamily {
    /// SHA-256: what time-stamps cover follows from the log.
    #[default]
    Sha256,
    /// SHA-512, over hash trees of its own.
    Sha512,
}

impl HashFamily {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the hash function of the line of this name.
    pub fn of_line(line: &str) -> Self {
        if is_sha512_line(line) { Self::Sha512 } else { Self::Sha256 }
    }
}

impl LineProfile {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::TrEsor];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::TrEsor => "tr-esor",
        }
    }

    /// Returns what the names of its lines begin with: profile and hash family.
    pub fn prefix(self, family: HashFamily) -> String {
        format!("{}-{}-", self.name(), family.name())
    }

    /// Returns the profile of the line of this name; `None` for a name that is none of this version.
    pub fn of_line(line: &str) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = line.len() <= LINE_NAME_CHARS_MAX && line.bytes().all(is_plain);
        let of = |it: Self, family| line.strip_prefix(&it.prefix(family));
        let begins = |it: &Self| {
            HashFamily::ALL
                .into_iter()
                .filter_map(|family| of(*it, family))
                .any(|it| !it.is_empty())
        };
        Self::ALL.into_iter().find(begins).filter(|_| fits)
    }
}

impl LogView {
    /// Returns the evidence lines in order: `first`, then all others on which sealings have
    /// time-stamps, by name.
    pub fn lines_after(&self, first: &[String]) -> Vec<String> {
        let others = self.lines().into_iter().filter(|line| !first.iter().any(|it| it == line));
        first.iter().cloned().chain(others.map(str::to_owned)).collect()
    }

    /// Says which sealings have a time-stamp, but none on one of `wanted`: that they have none at all
    /// an audit says.
    pub fn without_lines(&self, wanted: &[String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for line in wanted {
            let stamped = |number| self.stamps.iter().any(|it| it.body.number == number);
            let lacking = self.unstamped(line).into_iter().filter(|it| stamped(it.body.number));
            findings.extend(lacking.map(|sealing| {
                let key = ObjectKey::statement(sealing.body.sealing);
                let message = format!(
                    "sealing {} has no time-stamp yet on the evidence line {line}, which the settings \
                     ask for",
                    sealing.body.number
                );
                Finding::new(FindingCode::NotStamped, key, message)
            }));
        }
        findings
    }
}

/// Says what is to be renewed on every evidence line: on `first`, and on all others on which the log
/// has time-stamps. That of `rules` is not looked at. Writes nothing.
///
/// # Errors
///
/// As [`plan_renewals`](crate::plan_renewals).
pub async fn plan_lines(
    archive: &Archive,
    first: &[String],
    rules: &RenewalRules<'_>,
) -> Result<Vec<RenewalPlan>, LogError> {
    let view = read_view(archive).await?;
    let chains = Chains::read(archive, &view).await?;
    let of = (archive, &view, &chains);
    let told = ToldRevocations::read(of, rules.anchors).await?;
    // Lines of SHA-512 share leaves.
    let (mut plans, parts) = (Vec::new(), TreeParts::default());
    for line in view.lines_after(first) {
        let rules = RenewalRules { line: &line, ..*rules };
        plans.push(plan_of(of, (&told, &parts), &rules).await?);
    }
    Ok(plans)
}

/// Tells whether a line is that of the trial authority: no other gives time-stamps on it, and it gives
/// them on no other.
pub fn is_trial_line(line: &str) -> bool {
    line == EVIDENCE_LINE
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain-sha256-trial", Some(LineProfile::Plain))]
    #[case("plain-sha256-unqualified", Some(LineProfile::Plain))]
    #[case("tr-esor-sha256-1", Some(LineProfile::TrEsor))]
    #[case("plain-sha256-", None)]
    #[case("plain-sha512-a", Some(LineProfile::Plain))]
    #[case("tr-esor-sha512-a", Some(LineProfile::TrEsor))]
    #[case("plain-sha512-", None)]
    #[case("plain-sha384-a", None)]
    #[case("tr-esor", None)]
    #[case("plain-sha256-A", None)]
    #[case("plain-sha256-a/b", None)]
    #[case("plain-sha256-è", None)]
    fn the_name_of_a_line_says_its_profile(
        #[case] line: &str,
        #[case] profile: Option<LineProfile>,
    ) {
        assert_eq!(LineProfile::of_line(line), profile, "{line}");
    }

    #[test]
    fn the_name_of_a_line_has_an_end() {
        let long = |count| format!("plain-sha256-{}", "a".repeat(count));
        assert!(LineProfile::of_line(&long(LINE_NAME_CHARS_MAX - 13)).is_some());
        assert!(LineProfile::of_line(&long(LINE_NAME_CHARS_MAX - 12)).is_none());
    }
}
