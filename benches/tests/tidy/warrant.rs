//! The values without which nothing is erased or swept have one maker each.

use crate::{
    scan::{line_of, past_closing_brace, words},
    tree::RustFile,
};

/// What erases, and what removes content that no commit names.
const WARRANTS: [&str; 2] = ["ErasureWarrant", "SweepPermit"];

/// Traits through which one would be made a second time, or out of nothing.
const FORBIDDEN_DERIVES: [&str; 4] = ["Clone", "Copy", "Default", "Deserialize"];

fn problems(files: &[RustFile]) -> Vec<String> {
    WARRANTS.iter().flat_map(|warrant| problems_of(warrant, files)).collect()
}

fn problems_of(warrant: &str, files: &[RustFile]) -> Vec<String> {
    let mut makers = Vec::new();
    let mut callers = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let place = |at| format!("{}:{}", file.path, line_of(&file.code, at));
        makers.extend(constructions(&file.code, warrant).into_iter().map(place));
        callers.extend(words(&file.code, &format!("{warrant}::issue")).into_iter().map(place));
        for (at, derive) in forbidden_derives(&file.code, warrant) {
            problems.push(format!("{}: a warrant that is {derive}", place(at)));
        }
    }
    for (what, places) in [("is made", makers), ("is issued", callers)] {
        if places.len() > 1 {
            problems.push(format!("{warrant} {what} in more than one place: {places:?}"));
        }
    }
    problems
}

/// Returns where a literal of the warrant stands, under its own name or, in its `impl`, as `Self`.
fn constructions(code: &str, warrant: &str) -> Vec<usize> {
    let mut found: Vec<_> =
        words(code, warrant).into_iter().filter(|&at| is_literal(code, at, warrant)).collect();
    for at in words(code, "impl") {
        let Some(open) = code[at..].find('{').map(|offset| at + offset) else { continue };
        let of_warrant = code[at..open].split_whitespace().next_back() == Some(warrant);
        if let (true, Some(end)) = (of_warrant, past_closing_brace(code, open)) {
            let inside = words(&code[open..end], "Self").into_iter().map(|at| open + at);
            found.extend(inside.filter(|&at| is_literal(code, at, "Self")));
        }
    }
    found
}

/// Tells a literal from what else is followed by a brace: an item, a return type, a pattern.
fn is_literal(code: &str, at: usize, name: &str) -> bool {
    let before = code[..at].trim_end();
    let no_literal = ["struct", "impl", "for", "->", "let", "|", "mut", "enum", "trait"];
    let mut after = code[at + name.len()..].trim_start();
    if after.starts_with('(') {
        // A tuple struct is made by a call.
        return name != "Self" && !before.ends_with("struct");
    }
    if !after.starts_with('{') || no_literal.iter().any(|word| before.ends_with(word)) {
        return false;
    }
    let end = past_closing_brace(after, 0).unwrap_or(after.len());
    after = after[end..].trim_start();
    let is_pattern =
        after.starts_with("=>") || (after.starts_with('=') && !after.starts_with("=="));
    !is_pattern
}

fn forbidden_derives(code: &str, warrant: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for at in words(code, warrant) {
        if !code[..at].trim_end().ends_with("struct") {
            continue;
        }
        let attributes = code[..at].rfind([';', '}']).map_or(0, |end| end + 1);
        for derive in FORBIDDEN_DERIVES {
            if !words(&code[attributes..at], derive).is_empty() {
                found.push((at, derive));
            }
        }
    }
    for derive in FORBIDDEN_DERIVES {
        for at in words(code, derive) {
            let rest = code[at + derive.len()..].trim_start();
            if rest.strip_prefix("for ").is_some_and(|rest| rest.trim_start().starts_with(warrant))
            {
                found.push((at, derive));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_none, assert_one, tree::rust_files};

    const MAKER: &str = "
        /// Made once.
        #[derive(Debug)]
        pub struct ErasureWarrant { plan: Plan }
        impl ErasureWarrant {
            pub fn issue(plan: Plan) -> Self { Self { plan } }
            pub fn spend(self) -> Plan { let Self { plan } = self; plan }
        }
        impl Drop for ErasureWarrant { fn drop(&mut self) {} }
        fn f(warrant: ErasureWarrant) -> ErasureWarrant { warrant }
    ";

    fn check_seen(code: &str, about: &str) {
        let files = [RustFile::new("a.rs", MAKER), RustFile::new("b.rs", code)];
        assert_one(&problems(&files), about);
    }

    #[test]
    fn warrants_have_one_maker() {
        assert_none(&problems(&rust_files()));
    }

    #[test]
    fn the_one_maker_is_counted_once() {
        assert_eq!(constructions(MAKER, WARRANTS[0]).len(), 1);
        assert_none(&problems(&[RustFile::new("a.rs", MAKER)]));
    }

    #[test]
    fn a_second_maker_is_seen() {
        check_seen("fn g() { h(ErasureWarrant { plan }) }", "is made");
        check_seen("impl ErasureWarrant { fn g() -> Self { Self { plan } } }", "is made");
    }

    #[test]
    fn a_second_caller_is_seen() {
        check_seen("fn g() { ErasureWarrant::issue(a); ErasureWarrant::issue(b) }", "is issued");
    }

    #[test]
    fn a_second_caller_of_the_permit_to_sweep_is_seen() {
        check_seen("fn g() { SweepPermit::issue(a); SweepPermit::issue(b) }", "is issued");
    }

    #[test]
    fn a_warrant_that_can_be_copied_is_seen() {
        check_seen("#[derive(Debug, Clone)] struct ErasureWarrant;", "Clone");
        check_seen("impl Default for ErasureWarrant {}", "Default");
    }
}
