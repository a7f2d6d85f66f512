//! Who may depend on whom, read from the manifests, and what pure crates must not touch.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{
    scan::{leading_identifier, line_of, past_closing_brace, words},
    tree::{RustFile, TextFile},
};

/// What a crate is for decides what it may touch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Layer {
    Pure,
    Effect,
    Workflow,
    Binary,
    TestOnly,
}

/// A row of the table: a crate without its prefix, its layer, and those of ours it may use.
type Row = (&'static str, Layer, &'static [&'static str]);

const PREFIX: &str = "sigillo-";

/// The crate that tests may use besides what the code may.
const TESTKIT: &str = "testkit";

/// Stands for every crate of ours.
const ALL: &[&str] = &["*"];

/// The table of crates. A crate that is not in it must not be there.
const ROWS: &[Row] = &[
    ("model", Layer::Pure, &[]),
    ("merkle", Layer::Pure, &[]),
    ("ers", Layer::Pure, &["model"]),
    ("policy", Layer::Pure, &["model"]),
    ("formats", Layer::Pure, &["model", "ers"]),
    ("proof", Layer::Pure, &["model", "merkle", "ers"]),
    ("store", Layer::Effect, &["model"]),
    ("catalogue", Layer::Effect, &["model"]),
    ("authorities", Layer::Effect, &["model", "ers"]),
    (
        "evidence-log",
        Layer::Workflow,
        &["model", "merkle", "ers", "store", "catalogue", "authorities"],
    ),
    (
        "ingest",
        Layer::Workflow,
        &[
            "model",
            "merkle",
            "ers",
            "policy",
            "formats",
            "proof",
            "store",
            "catalogue",
            "evidence-log",
        ],
    ),
    (
        "custody",
        Layer::Workflow,
        &[
            "model",
            "merkle",
            "ers",
            "policy",
            "proof",
            "store",
            "catalogue",
            "authorities",
            "evidence-log",
        ],
    ),
    (
        "disposal",
        Layer::Workflow,
        &[
            "model",
            "merkle",
            "ers",
            "policy",
            "proof",
            "store",
            "catalogue",
            "authorities",
            "evidence-log",
            "custody",
        ],
    ),
    (
        "sigillo",
        Layer::Binary,
        &[
            "model",
            "merkle",
            "ers",
            "policy",
            "formats",
            "proof",
            "store",
            "catalogue",
            "authorities",
            "evidence-log",
            "ingest",
            "custody",
            "disposal",
        ],
    ),
    (TESTKIT, Layer::TestOnly, &["model", "merkle", "ers", "store", "catalogue", "authorities"]),
    ("simulator", Layer::TestOnly, ALL),
    ("benches", Layer::TestOnly, ALL),
    ("fuzz", Layer::TestOnly, &["model", "merkle", "ers", "formats", "proof"]),
];

/// Dependencies that one crate alone may name, by the start of their name.
const SOLE_USERS: &[(&str, &str)] =
    &[("rasn", "ers"), ("object_store", "store"), ("parquet", "catalogue"), ("arrow", "catalogue")];

/// Dependencies, by the start of their name, that pure crates must not have.
const IMPURE_CRATES: &[&str] =
    &["tokio", "object_store", "rand", "getrandom", "reqwest", "rustix", "tempfile"];

/// Modules of the standard library that pure crates must not use outside tests.
const IMPURE_MODULES: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// Clocks of the standard library.
const CLOCKS: &[&str] = &["Instant", "SystemTime"];

/// A dependency that a manifest states.
#[derive(Debug)]
struct Dependency {
    package: String,
    for_tests: bool,
}

fn problems(manifests: &[TextFile], workspace: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    for manifest in manifests {
        let table: Table = match manifest.text.parse() {
            Ok(table) => table,
            Err(error) => {
                problems.push(format!("{}: {error}", manifest.path));
                continue;
            }
        };
        let name = lookup(&table, &["package", "name"]).and_then(Value::as_str).unwrap_or_default();
        let Some(&(crate_name, layer, allowed)) =
            ROWS.iter().find(|(row, ..)| *row == short_name(name))
        else {
            problems.push(format!("{}: {name} is not in the table of crates", manifest.path));
            continue;
        };
        let folder = manifest.path.trim_end_matches("/Cargo.toml");
        if folder != format!("crates/{name}") && folder != crate_name {
            problems.push(format!("{}: the folder is not named {name}", manifest.path));
        }
        for dependency in dependencies(&table, workspace) {
            if let Some(reason) = refusal(crate_name, layer, allowed, &dependency) {
                problems.push(format!("{name} → {}: {reason}", dependency.package));
            }
        }
    }
    problems
}

fn refusal(
    crate_name: &str,
    layer: Layer,
    allowed: &[&str],
    dependency: &Dependency,
) -> Option<String> {
    let package = dependency.package.as_str();
    if package == "sigillo" || package.starts_with(PREFIX) {
        let used = short_name(package);
        let in_table = allowed == ALL || allowed.contains(&used);
        let in_tests = dependency.for_tests && (used == TESTKIT || used == crate_name);
        return (!in_table && !in_tests).then(|| "not in the table of crates".to_owned());
    }
    for (prefix, user) in SOLE_USERS {
        if is_of_family(package, prefix) && crate_name != *user {
            return Some(format!("only {user} may name it"));
        }
    }
    let impure = IMPURE_CRATES.iter().any(|prefix| is_of_family(package, prefix));
    // The tests of a pure crate may use files.
    let tests_may = dependency.for_tests && package == "tempfile";
    (layer == Layer::Pure && impure && !tests_may).then(|| "the crate is pure".to_owned())
}

/// Tells whether a package is `prefix` or one of its family: `rasn` has `rasn-cms`.
fn is_of_family(package: &str, prefix: &str) -> bool {
    package.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn dependencies(manifest: &Table, workspace: &Table) -> Vec<Dependency> {
    let mut tables = vec![manifest];
    if let Some(Value::Table(targets)) = manifest.get("target") {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut found = Vec::new();
    for table in tables {
        for (kind, for_tests) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            for (key, stated) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let package = package_of(key, stated, workspace);
                found.push(Dependency { package, for_tests });
            }
        }
    }
    found
}

/// A dependency may go under another name, here or in the workspace.
fn package_of(key: &str, stated: &Value, workspace: &Table) -> String {
    let inherited = lookup(workspace, &["workspace", "dependencies", key]);
    let package = [Some(stated), inherited].into_iter().flatten().find_map(|stated| {
        stated.as_table().and_then(|table| table.get("package")).and_then(Value::as_str)
    });
    package.unwrap_or(key).to_owned()
}

fn lookup<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (last, folders) = path.split_last()?;
    let mut table = table;
    for folder in folders {
        table = table.get(*folder)?.as_table()?;
    }
    table.get(*last)
}

fn short_name(package: &str) -> &str {
    package.strip_prefix(PREFIX).unwrap_or(package)
}

/// Returns the uses of impure modules of `std` in pure crates, above their test modules.
fn impure_uses(files: &[RustFile]) -> Vec<String> {
    let pure: BTreeMap<String, Layer> = ROWS
        .iter()
        .filter(|(_, layer, _)| *layer == Layer::Pure)
        .map(|(name, layer, _)| (format!("crates/{PREFIX}{name}/src/"), *layer))
        .collect();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| pure.keys().any(|at| file.path.starts_with(at))) {
        let code = file.code.split("#[cfg(test)]").next().unwrap_or_default();
        for at in words(code, "std") {
            let Some(rest) = code[at + 3..].strip_prefix("::") else { continue };
            for module in first_segments(rest) {
                if IMPURE_MODULES.contains(&module) {
                    let line = line_of(code, at);
                    problems.push(format!("{}:{line}: std::{module} in a pure crate", file.path));
                }
            }
        }
        for clock in CLOCKS {
            for at in words(code, clock) {
                let line = line_of(code, at);
                problems.push(format!("{}:{line}: {clock} in a pure crate", file.path));
            }
        }
    }
    problems
}

/// Returns `[fs]` of `fs::File` and `[fmt, fs]` of `{fmt, fs::{File, read}}`.
fn first_segments(path: &str) -> Vec<&str> {
    if !path.starts_with('{') {
        return vec![leading_identifier(path)];
    }
    let end = past_closing_brace(path, 0).unwrap_or(path.len());
    let (mut depth, mut segments) = (0, Vec::new());
    for (at, byte) in path.bytes().enumerate().take(end) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && (byte == b'{' || byte == b',') {
            segments.push(leading_identifier(&path[at + 1..]));
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assert_none, assert_one,
        tree::{file, manifests, rust_files},
    };

    fn workspace() -> Table {
        file("Cargo.toml").text.parse().expect("cargo has read it")
    }

    fn check(name: &str, dependencies: &str) -> Vec<String> {
        let manifest = TextFile {
            path: format!("crates/{name}/Cargo.toml"),
            text: format!("[package]\nname = \"{name}\"\n{dependencies}"),
        };
        problems(&[manifest], &workspace())
    }

    #[test]
    fn nothing_depends_on_what_the_table_does_not_say() {
        assert_none(&problems(&manifests(), &workspace()));
    }

    #[test]
    fn pure_crates_touch_nothing_outside() {
        assert_none(&impure_uses(&rust_files()));
    }

    #[test]
    fn an_arrow_against_the_table_is_seen() {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let wrong = format!("[{kind}]\nsigillo-store.workspace = true\n");
            assert_one(&check("sigillo-model", &wrong), "sigillo-model → sigillo-store");
            assert_none(&check("sigillo-custody", &wrong));
        }
        let by_target = "[target.'cfg(unix)'.dependencies]\nsigillo-custody.workspace = true\n";
        assert_one(&check("sigillo-ingest", by_target), "sigillo-custody");
    }

    #[test]
    fn only_tests_use_the_testkit() {
        let line = "sigillo-testkit.workspace = true\n";
        assert_none(&check("sigillo-store", &format!("[dev-dependencies]\n{line}")));
        assert_one(&check("sigillo-store", &format!("[dependencies]\n{line}")), "testkit");
    }

    #[test]
    fn a_second_user_of_a_guarded_crate_is_seen() {
        for (dependency, user, other) in [
            ("rasn", "sigillo-ers", "sigillo-authorities"),
            ("rasn-cms", "sigillo-ers", "sigillo"),
            ("object_store", "sigillo-store", "sigillo-evidence-log"),
            ("parquet", "sigillo-catalogue", "sigillo-custody"),
        ] {
            let stated = format!("[dependencies]\n{dependency} = \"1\"\n");
            assert_none(&check(user, &stated));
            assert_one(&check(other, &stated), dependency);
        }
        let renamed = "[dependencies]\nx = { version = \"1\", package = \"rasn\" }\n";
        assert_one(&check("sigillo", renamed), "rasn");
    }

    #[test]
    fn an_impure_dependency_is_seen() {
        for dependency in ["tokio", "tokio-util", "rand_core", "reqwest", "rustix"] {
            let stated = format!("[dependencies]\n{dependency} = \"1\"\n");
            assert_one(&check("sigillo-merkle", &stated), "pure");
            assert_none(&check("sigillo-store", &stated));
        }
        assert_none(&check("sigillo-ers", "[dev-dependencies]\ntempfile = \"3\"\n"));
        assert_one(&check("sigillo-ers", "[dependencies]\ntempfile = \"3\"\n"), "pure");
    }

    #[test]
    fn an_unknown_crate_and_a_wrong_folder_are_seen() {
        assert_one(&check("sigillo-other", ""), "not in the table");
        let moved = TextFile {
            path: "crates/ers/Cargo.toml".to_owned(),
            text: "[package]\nname = \"sigillo-model\"\n".to_owned(),
        };
        assert_one(&problems(&[moved], &workspace()), "folder");
    }

    #[test]
    fn an_impure_module_is_seen() {
        let check = |path: &str, code: &str| impure_uses(&[RustFile::new(path, code)]);
        let pure = "crates/sigillo-model/src/a.rs";
        assert_one(&check(pure, "use std::fs::File;"), "std::fs");
        assert_one(
            &check(pure, "use std::{\n    fmt,\n    collections::{fs},\n    net,\n};"),
            "net",
        );
        assert_one(&check(pure, "fn f() { std::env::var(x) }"), "std::env");
        assert_one(&check(pure, "use std::time::{Duration, Instant};"), "Instant");
        assert_none(&check(pure, "use std::time::Duration;"));
        assert_none(&check(pure, "use std::fmt; // std::fs\n#[cfg(test)]\nuse std::fs;"));
        assert_none(&check("crates/sigillo-store/src/a.rs", "use std::fs;"));
    }
}
