//! Large files: memory stays within bounds, and so do problems.

use std::{fmt::Write as _, fs};

use sigillo_formats::read_metadata_csv;

/// Returns the most memory that this process has used so far, in bytes.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

#[test]
fn a_hundred_thousand_rows_are_read_in_bounded_memory() {
    let mut csv =
        String::from("path;main;structure;register;year;number;date;subject;class;nota\n");
    for number in 0..50_000 {
        writeln!(
            csv,
            "Delibere/2026/{number}.pdf;;AOO1;delibere;2026;{number};01/03/2026;Oggetto della \
             delibera {number};VI.3;Anna B.\nDelibere/2026/{number}-a.pdf;Delibere/2026/{number}.pdf;\
             ;;;;;;;"
        )
        .unwrap();
    }
    let before = peak_memory_bytes();
    let manifest = read_metadata_csv(csv.as_bytes()).unwrap();
    let after = peak_memory_bytes();
    assert_eq!((manifest.documents.len(), manifest.problems.len()), (50_000, 0));
    assert!(manifest.documents.iter().all(|document| document.files.len() == 2));
    if let (Some(before), Some(after)) = (before, after) {
        let used = after - before;
        assert!(used < 128 << 20, "{used} bytes for a CSV of {} bytes", csv.len());
    }
}

#[test]
fn many_tiny_cells_need_the_memory_that_was_estimated() {
    let names: Vec<String> = (0..200).map(|n| format!("m{n}")).collect();
    let row = format!(";{}\n", ["x"; 200].join(";"));
    let mut csv = format!("path;{}\n", names.join(";"));
    for number in 0..2_000 {
        csv += &number.to_string();
        csv += &row;
    }
    let before = peak_memory_bytes();
    let manifest = read_metadata_csv(csv.as_bytes()).unwrap();
    let after = peak_memory_bytes();
    assert_eq!(manifest.documents.len(), 2_000);
    // The estimate that decides (600 + 544 + 200 × 161 bytes a row) must not be far too low.
    let estimate = 2_000 * (600 + 544 + 200 * 161);
    if let (Some(before), Some(after)) = (before, after) {
        let used = after - before;
        assert!(used < 2 * estimate, "{used} bytes, estimated at {estimate}");
    }
}

#[test]
fn many_bad_rows_get_one_problem_each_and_no_more() {
    let csv = "path;date;year;class\n".to_owned() + &"/a;x;26;\u{1}\n".repeat(20_000);
    let manifest = read_metadata_csv(csv.as_bytes()).unwrap();
    assert!(manifest.problems.len() <= 30_000, "{} problems", manifest.problems.len());
    assert!(manifest.problems.chunk_by(|a, b| a.line == b.line).count() == 20_000);
}
