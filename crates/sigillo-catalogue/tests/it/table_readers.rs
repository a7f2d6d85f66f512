//! The programs of others read both tables: `deltalake` and `DuckDB`, from Python.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use sigillo_catalogue::tables::{Coverage, TableKind};

use crate::{
    samples::sample,
    tables::{Table, filled},
};

/// Names the Python that has the packages deltalake, duckdb and pyarrow.
const PYTHON: &str = "SIGILLO_DELTA_PYTHON";

fn python() -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON).map(PathBuf::from);
    if python.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{PYTHON} is not set");
        println!("SKIPPED: {PYTHON} does not name a Python with deltalake, duckdb and pyarrow");
    }
    python
}

/// Writes a table as its store would have it, and returns what a reader says of it.
fn ask(python: &Path, table: &Table, rows: &[Value]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("_delta_log");
    fs::create_dir(&log).unwrap();
    for (number, version) in table.log.iter().enumerate() {
        fs::write(log.join(format!("{number:020}.json")), version).unwrap();
    }
    for (name, bytes) in &table.segments {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut lines = String::new();
    for row in rows {
        writeln!(lines, "{row}").unwrap();
    }
    let expected = folder.path().join("expected.jsonl");
    fs::write(&expected, lines).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/read_tables.py");
    let done = Command::new(python).arg(script).arg(folder.path()).arg(expected).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

#[test]
fn others_read_what_was_appended_and_merged_and_appended_again() {
    let Some(python) = python() else { return };
    for kind in TableKind::ALL {
        let (mut table, mut rows) = filled(kind);
        let said = ask(&python, &table, &rows).unwrap();
        assert!(said.starts_with("500 rows"), "{said}");
        assert!(table.merge());
        ask(&python, &table, &rows).unwrap();
        let samples: Vec<_> = (0..60).map(|leaf| sample(30, leaf)).collect();
        let more: Vec<_> = samples.iter().map(|it| it.row.clone()).collect();
        table.append(&more, &Coverage::from(30..=30));
        rows.extend(samples.into_iter().map(|it| it.expected[kind as usize].clone()));
        let said = ask(&python, &table, &rows).unwrap();
        assert!(said.starts_with("560 rows"), "{said}");
    }
}

/// The reason for "all or none": with bounds of one column, others find nothing by the rest.
#[test]
fn statistics_of_some_columns_make_others_answer_wrongly() {
    let Some(python) = python() else { return };
    let (table, rows) = filled(TableKind::Documents);
    let mut partial = Table::new(TableKind::Documents);
    for version in &table.log[1..] {
        let text = String::from_utf8(version.clone()).unwrap();
        let mut changed = String::new();
        for line in text.lines() {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if let Some(stats) = action.pointer_mut("/add/stats") {
                let mut inner: Value = serde_json::from_str(stats.as_str().unwrap()).unwrap();
                for bounds in ["minValues", "maxValues"] {
                    inner[bounds] = serde_json::json!({"commit": inner[bounds]["commit"]});
                }
                *stats = Value::from(inner.to_string());
            }
            writeln!(changed, "{action}").unwrap();
        }
        partial.commit(changed.into_bytes()).unwrap();
    }
    partial.segments = table.segments;
    let wrong = ask(&python, &partial, &rows).unwrap_err();
    assert!(wrong.contains(", not "), "{wrong}");
}
