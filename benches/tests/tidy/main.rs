//! The rules of this project that no compiler checks, as tests. Each rule is a function from what
//! it reads to the problems it sees, and each has a test that it can see one.

mod edges;
mod findings;
mod headers;
mod lengths;
mod links;
mod scan;
mod tree;
mod warrant;
mod words;

/// Fails with every problem at once, one a line.
#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Asserts that exactly one problem was seen and that it speaks of `about`.
#[track_caller]
fn assert_one(problems: &[String], about: &str) {
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(about), "{problems:?}");
}
