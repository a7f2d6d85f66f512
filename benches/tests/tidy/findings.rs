//! Every code a verification can print is explained, and nothing else is.

use std::collections::BTreeMap;

const CODES: &str = "crates/sigillo-model/src/finding.rs";
const PAGE: &str = "docs/findings.md";

/// Severity in kebab case, by code.
type Severities = BTreeMap<String, String>;

fn problems(defined: &Severities, explained: &Severities) -> Vec<String> {
    let mut problems = Vec::new();
    for (code, severity) in defined {
        match explained.get(code) {
            None => problems.push(format!("{PAGE}: says nothing of {code}")),
            Some(other) if other != severity => {
                problems.push(format!("{PAGE}: {code} is {other} there, {severity} in {CODES}"));
            }
            Some(_) => {}
        }
    }
    for code in explained.keys().filter(|code| !defined.contains_key(*code)) {
        problems.push(format!("{PAGE}: explains {code}, which does not exist"));
    }
    problems
}

/// Reads the lines `Name = "F101", Severity;` of the table in the code.
fn defined(source: &str) -> Severities {
    let lines = source.lines().filter_map(|line| {
        let (_, row) = line.trim().split_once(" = \"")?;
        let (code, severity) = row.strip_suffix(';')?.split_once("\", ")?;
        is_code(code).then(|| (code.to_owned(), kebab_case(severity)))
    });
    lines.collect()
}

/// Reads the rows `| F101 | severity | …` of the page.
fn explained(page: &str) -> Severities {
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let (code, severity) = (cells.next()?, cells.next()?);
        // What it means and what to do about it.
        let rest = [cells.next()?, cells.next()?];
        let whole = is_code(code) && rest.iter().all(|cell| !cell.is_empty());
        whole.then(|| (code.to_owned(), severity.to_owned()))
    });
    rows.collect()
}

fn is_code(text: &str) -> bool {
    text.len() == 4
        && text.strip_prefix('F').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_none, assert_one, tree::file};

    const ONE_CODE: &str = "    /// A pack.\n    PackMissing = \"F101\", CannotTell;\n";
    const ONE_ROW: &str = "| code | s | m | d |\n| F101 | cannot-tell | Gone. | Look. |\n";

    #[test]
    fn every_finding_is_explained_and_no_other() {
        let defined = defined(&file(CODES).text);
        assert!(defined.len() > 20, "the table of codes was not understood: {defined:?}");
        assert_none(&problems(&defined, &explained(&file(PAGE).text)));
    }

    #[test]
    fn a_page_that_says_the_same_passes() {
        assert_none(&problems(&defined(ONE_CODE), &explained(ONE_ROW)));
    }

    #[test]
    fn a_code_without_explanation_is_seen() {
        assert_one(&problems(&defined(ONE_CODE), &explained("")), "says nothing of F101");
        let half = "| F101 | cannot-tell | Gone. | |\n";
        assert_one(&problems(&defined(ONE_CODE), &explained(half)), "says nothing of F101");
    }

    #[test]
    fn an_explanation_without_code_is_seen() {
        assert_one(&problems(&defined(""), &explained(ONE_ROW)), "F101, which does not exist");
    }

    #[test]
    fn another_severity_is_seen() {
        let page = ONE_ROW.replace("cannot-tell", "damage");
        assert_one(&problems(&defined(ONE_CODE), &explained(&page)), "F101 is damage there");
    }
}
