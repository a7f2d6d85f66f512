//! What holds for any bytes at all.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sigillo_formats::{
    Manifest, MetadataProblem, StatedDocument, StatedKey, read_metadata_csv, read_sidecar,
};
use sigillo_model::{
    DESCRIPTION_MEMBERS_MAX, Description, DocumentKey, Operation, TEXT_BYTES_MAX, to_canonical,
};

fn check_text(text: &str) {
    assert!(!text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX, "{text:?}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}

fn check_path(path: &str) {
    assert!(path.len() < 4_096, "{path:?}");
    assert!(path.split('/').all(|name| !matches!(name, "" | "." | "..")), "{path:?}");
}

fn check_description(description: &Description) {
    let it = description;
    let texts = [&it.class, &it.document_type, &it.series, &it.stated_retention, &it.subject];
    texts.into_iter().flatten().for_each(|text| check_text(text));
    it.aggregations.iter().for_each(|name| check_text(name));
    assert!(it.aggregations.is_sorted_by(|a, b| a < b), "{it:?}");
    assert!(it.aggregations.len() <= DESCRIPTION_MEMBERS_MAX);
    assert!(it.metadata.len() <= DESCRIPTION_MEMBERS_MAX);
    assert!(it.closed_on.is_none() || !it.aggregations.is_empty(), "{it:?}");
    for (name, text) in &it.metadata {
        check_text(text);
        assert!(!name.is_empty() && name.chars().count() <= 100, "{name:?}");
        assert!(name.chars().all(|c| !c.is_control() && c < '\u{e000}'), "{name:?}");
    }
    // The order of members must be that of the canonical form.
    assert_eq!(serde_json::to_vec(it).unwrap(), to_canonical(it));
}

fn check_document(document: &StatedDocument) {
    match &document.key {
        StatedKey::Path(path) => {
            check_path(path);
            assert_eq!(document.structure, None);
        }
        StatedKey::Register(DocumentKey::Register { number, register, structure, year }) => {
            assert_eq!(document.structure.as_ref(), Some(structure));
            for text in [number, register, structure] {
                check_text(text);
                assert!(!text.contains(char::is_control), "{text:?}");
            }
            assert!(!register.contains('/') && !structure.contains('/'), "{document:?}");
            assert!(year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()));
        }
        StatedKey::Register(other) => panic!("{other:?}"),
    }
    let roles: Vec<&str> = document.files.iter().map(|file| file.role.as_str()).collect();
    document.files.iter().for_each(|file| check_path(&file.path));
    match (document.operation, &roles[..]) {
        (Some(Operation::CorrectedMetadata), []) => {}
        (Some(Operation::AddedFile), [_, ..]) => {
            assert!(roles.iter().all(|role| *role == "attachment"), "{document:?}");
        }
        (None | Some(Operation::New | Operation::NewVersion), ["main", attachments @ ..]) => {
            assert!(attachments.iter().all(|role| *role == "attachment"), "{document:?}");
        }
        other => panic!("{other:?}"),
    }
    check_description(&document.description);
}

fn check_problem(problem: &MetadataProblem) {
    assert!(!problem.reason.is_empty() && !problem.remedy.is_empty(), "{problem:?}");
    assert!(problem.reason.len() < 1_000, "{problem:?}");
}

fn check_manifest(manifest: &Manifest) {
    let mut lines = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for document in &manifest.documents {
        check_document(document);
        assert!(document.line >= 2 && lines.insert(document.line), "{document:?}");
        for file in &document.files {
            assert!(paths.insert(&file.path), "{} is in two documents", file.path);
        }
    }
    assert!(manifest.documents.is_sorted_by_key(|document| document.line));
    for problem in &manifest.problems {
        check_problem(problem);
        assert!(problem.line >= 2 && !lines.contains(&problem.line), "{problem:?}");
        if let Some(path) = &problem.path {
            assert!(!paths.contains(path), "{path} is taken in, and refused");
        }
    }
    assert!(manifest.problems.is_sorted_by_key(|problem| problem.line));
    let refused_rows: BTreeSet<u64> = manifest.problems.iter().map(|it| it.line).collect();
    let refused = manifest.refused_documents;
    assert!(refused <= refused_rows.len() as u64, "{manifest:?}");
    assert_eq!(refused == 0, refused_rows.is_empty(), "{manifest:?}");
}

fn any_of(cells: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(cells)
}

/// Cells that fit their columns often enough for documents to come out.
fn row() -> impl Strategy<Value = Vec<&'static str>> {
    let key = prop_oneof![
        Just(["", "", "", ""]),
        Just(["", "", "", ""]),
        Just(["A", "p", "2026", "1"]),
        Just(["A", "p", "2026", "2"]),
        Just(["A", "p", "26", ""]),
    ];
    (
        any_of(&["a", "b", "c", "d/e", "", "/f", "\"g;h\""]),
        any_of(&["", "", "", "a", "b", "d/e", "z"]),
        key,
        any_of(&["", "", "F1", "F1|F2"]),
        any_of(&["", "", "2026-12-31", "30/12/2026", "x"]),
        any_of(&["", "", "", "new", "new-version", "added-file", "corrected-metadata", "x"]),
        any_of(&["", "", "x", "\"y\nz\"", "\u{1}"]),
        any_of(&["", "", "", "", "", ";"]),
    )
        .prop_map(|(path, main, key, aggregation, closed_on, operation, note, more)| {
            let [structure, register, year, number] = key;
            vec![
                path,
                main,
                structure,
                register,
                year,
                number,
                aggregation,
                closed_on,
                operation,
                note,
                more,
            ]
        })
}

const HEADER: &str =
    "path;main;structure;register;year;number;aggregation;closed_on;operation;nota;\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(manifest) = read_metadata_csv(&bytes) {
            check_manifest(&manifest);
        }
        match read_sidecar(&bytes, "a.pdf") {
            Ok(document) => check_document(&document),
            Err(problem) => check_problem(&problem),
        }
    }

    #[test]
    fn any_bytes_below_a_header_are_read_or_refused(
        bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(&b"ab/;;;\n\n\"\r2"[..])], 0..200),
    ) {
        let mut csv = b"path;main;subject\n".to_vec();
        csv.extend(bytes);
        match read_metadata_csv(&csv) {
            Ok(manifest) => check_manifest(&manifest),
            Err(error) => prop_assert!(!error.remedy().is_empty()),
        }
    }

    #[test]
    fn every_row_is_taken_in_or_refused_and_never_both(
        rows in proptest::collection::vec(row(), 0..12),
    ) {
        let mut csv = HEADER.to_owned();
        let (mut line, mut rows_of_lines) = (2, Vec::new());
        for row in &rows {
            let text = row.join(";");
            csv += &text;
            csv.push('\n');
            if row.iter().any(|cell| !cell.trim_matches(';').is_empty()) {
                rows_of_lines.push((line, row[0].trim_matches('"').to_owned()));
            }
            line += 1 + text.matches('\n').count() as u64;
        }
        let manifest = read_metadata_csv(csv.as_bytes()).unwrap();
        check_manifest(&manifest);
        for (line, path) in rows_of_lines {
            let is_refused = manifest.problems.iter().any(|problem| problem.line == line);
            let is_taken_in = manifest.documents.iter().any(|document| {
                document.line == line || document.files.iter().any(|file| file.path == path)
            });
            prop_assert!(is_refused || is_taken_in, "line {line} of {csv:?}: {manifest:?}");
        }
    }

    #[test]
    fn any_members_of_a_sidecar_are_read_or_refused(
        members in proptest::collection::btree_map(
            proptest::sample::select(&[
                "attachments", "aggregations", "aggregation", "metadata", "year", "number",
                "register", "structure", "date", "closed_on", "operation", "subject", "other",
            ][..]),
            proptest::sample::select(&[
                "null", "1", "2026", "\"\"", "\"a\"", "\"2026-03-01\"", "[\"a\",\"b\"]", "{}",
                "{\"a\":\"b\"}", "\"added-file\"", "\"corrected-metadata\"", "[]", "true",
            ][..]),
            0..6,
        ),
    ) {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        match read_sidecar(format!("{{{}}}", members.join(",")).as_bytes(), "x/y.pdf") {
            Ok(document) => check_document(&document),
            Err(problem) => check_problem(&problem),
        }
    }
}
