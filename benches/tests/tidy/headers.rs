//! Every file says what is in it, and every package takes the lints of the workspace.

use toml::{Table, Value};

use crate::tree::{RustFile, TextFile};

fn silent_files(files: &[RustFile]) -> Vec<String> {
    let silent = files.iter().filter(|file| {
        !file.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 8)
    });
    silent.map(|file| format!("{}: does not open with a `//!` sentence", file.path)).collect()
}

/// Packages of tests and benches: they may state the lints of the workspace themselves, without
/// those that are no use there.
const TEST_PACKAGES: [&str; 4] =
    ["sigillo-testkit", "sigillo-simulator", "sigillo-benches", "sigillo-fuzz"];

/// Lints that test packages may leave out; `todo` is looked for in `words.rs`.
const LEFT_OUT_IN_TESTS: [&str; 5] =
    ["panic", "print_stderr", "print_stdout", "todo", "unwrap_used"];

/// The groups they must repeat; `cargo doc` with warnings denied covers the third.
const GROUPS: [&str; 2] = ["rust", "clippy"];

fn packages_without_lints(manifests: &[TextFile], workspace: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for manifest in manifests {
        let table: Table = manifest.text.parse().unwrap_or_default();
        let lints = table.get("lints").and_then(Value::as_table).cloned().unwrap_or_default();
        let name = table.get("package").and_then(|package| package.get("name")?.as_str());
        let taken = lints.get("workspace").and_then(Value::as_bool) == Some(true);
        let own =
            name.is_some_and(|name| TEST_PACKAGES.contains(&name)) && repeats(&lints, workspace);
        if !taken && !own {
            problems.push(format!("{}: does not take the lints of the workspace", manifest.path));
        }
    }
    problems
}

/// Tells whether `lints` states every lint of the workspace that tests do not leave out.
fn repeats(lints: &Table, workspace: &Table) -> bool {
    GROUPS.iter().all(|group| {
        let stated = lints.get(*group).and_then(Value::as_table);
        let wanted = workspace.get(*group).and_then(Value::as_table).into_iter().flatten();
        wanted
            .filter(|(lint, level)| {
                !LEFT_OUT_IN_TESTS.contains(&lint.as_str()) && level.as_str() != Some("allow")
            })
            .all(|(lint, level)| stated.and_then(|stated| stated.get(lint)) == Some(level))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assert_none, assert_one,
        tree::{file, manifests, rust_files},
    };

    fn workspace_lints() -> Table {
        let workspace: Table = file("Cargo.toml").text.parse().expect("cargo has read it");
        workspace["workspace"]["lints"].as_table().expect("the workspace has lints").clone()
    }

    fn check_package(name: &str, lints: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n{lints}");
        let manifest = TextFile { path: "crates/x/Cargo.toml".to_owned(), text };
        packages_without_lints(&[manifest], &workspace_lints())
    }

    #[test]
    fn every_file_opens_with_what_is_in_it() {
        assert_none(&silent_files(&rust_files()));
    }

    #[test]
    fn a_silent_file_is_seen() {
        assert_one(&silent_files(&[RustFile::new("a.rs", "use std::fmt;\n")]), "a.rs");
        assert_one(&silent_files(&[RustFile::new("a.rs", "")]), "a.rs");
        assert_one(&silent_files(&[RustFile::new("a.rs", "//!\n//! Late.\n")]), "a.rs");
    }

    #[test]
    fn every_package_takes_the_lints() {
        assert_none(&packages_without_lints(&manifests(), &workspace_lints()));
    }

    #[test]
    fn a_package_without_lints_is_seen() {
        assert_none(&check_package("sigillo-model", "[lints]\nworkspace = true\n"));
        assert_one(&check_package("sigillo-model", ""), "crates/x");
        assert_one(&check_package("sigillo-testkit", ""), "crates/x");
        assert_one(&check_package("sigillo-model", "[lints]\nworkspace = false\n"), "crates/x");
    }

    #[test]
    fn only_test_packages_leave_lints_out_and_only_some() {
        let mut lints = workspace_lints();
        let clippy = lints["clippy"].as_table_mut().expect("the workspace has lints of clippy");
        clippy.retain(|lint, _| !LEFT_OUT_IN_TESTS.contains(&lint));
        let own = Table::from_iter([("lints".to_owned(), Value::Table(lints))]).to_string();
        assert_none(&check_package("sigillo-benches", &own));
        assert_one(&check_package("sigillo-model", &own), "crates/x");
        let less = own.replace("unsafe_code = \"forbid\"", "");
        assert_one(&check_package("sigillo-benches", &less), "crates/x");
    }
}
