//! Rows of a CSV together: attachments, operations, and what is wrong between rows.

use rstest::rstest;
use sigillo_formats::{StatedDocument, StatedKey};
use sigillo_model::{DocumentKey, Operation};

use crate::table::{check_problem, documents, read};

fn files(document: &StatedDocument) -> Vec<(&str, &str)> {
    document.files.iter().map(|file| (file.path.as_str(), file.role.as_str())).collect()
}

/// Checks that nothing is taken in, and on which lines, in which columns, naming which line.
#[track_caller]
fn check_lines(csv: &str, problems: &[(u64, Option<&str>, &str)]) {
    let manifest = read(csv);
    let found: Vec<_> =
        manifest.problems.iter().map(|it| (it.line, it.column.as_deref())).collect();
    let expected: Vec<_> = problems.iter().map(|(line, column, _)| (*line, *column)).collect();
    assert_eq!(found, expected, "{:#?}", manifest.problems);
    for (problem, (.., part)) in manifest.problems.iter().zip(problems) {
        assert!(problem.reason.contains(part), "{part}: {problem:?}");
        assert!(!problem.remedy.is_empty(), "{problem:?}");
    }
    assert_eq!(manifest.documents, []);
}

#[test]
fn attachments_follow_their_main_file_in_the_order_of_rows() {
    let csv = "path;main;subject\n\
               all/b.pdf;a.pdf;\n\
               a.pdf;a.pdf;Bilancio\n\
               c.pdf;;Altro\n\
               all/a.pdf;a.pdf;Bilancio\n";
    let documents = documents(csv);
    let [first, second] = &documents[..] else { panic!("{documents:?}") };
    assert_eq!(
        files(first),
        [("a.pdf", "main"), ("all/b.pdf", "attachment"), ("all/a.pdf", "attachment")]
    );
    assert_eq!((first.line, &first.key), (3, &StatedKey::Path("a.pdf".to_owned())));
    assert_eq!(first.description.subject.as_deref(), Some("Bilancio"));
    assert_eq!((second.line, files(second)), (4, vec![("c.pdf", "main")]));
}

#[test]
fn an_attachment_may_repeat_what_its_main_row_says_in_another_spelling() {
    let csv = "path;main;structure;register;year;number;date;aggregation;closed_on;nota\n\
               a.pdf;;AOO1;protocollo;2026;1;2026-03-01;b|a;2026-12-31;x\n\
               b.pdf;a.pdf;;;2026;;01/03/2026;a|b;31/12/2026;x\n";
    assert_eq!(documents(csv)[0].files.len(), 2);
}

#[test]
fn an_attachment_may_repeat_the_whole_key_of_its_document() {
    let csv = format!("{KEYED}a.pdf;;AOO1;p;2026;1;new\nb.pdf;a.pdf;AOO1;p;2026;1;\n");
    assert_eq!(documents(&csv)[0].files.len(), 2);
}

#[rstest]
#[case("subject", "other")]
#[case("date", "2026-03-02")]
#[case("aggregation", "a|c")]
#[case("number", "2")]
#[case("operation", "new")]
#[case("nota", "other")]
fn an_attachment_that_says_something_else_is_a_problem(#[case] column: &str, #[case] cell: &str) {
    let names = ["subject", "date", "aggregation", "number", "operation", "nota"];
    let cells = names.map(|name| if name == column { cell } else { "" }).join(";");
    let csv = format!("path;main;{}\na.pdf;;;;;;;\nb.pdf;a.pdf;{cells}\n", names.join(";"));
    check_lines(
        &csv,
        &[
            (2, None, "line 3 of the same document"),
            (3, Some(column), "something else than line 2"),
        ],
    );
}

#[test]
fn the_same_path_twice_is_a_problem_of_both_rows() {
    check_lines(
        "path;subject\na.pdf;x\nb.pdf;y\na.pdf;z\nb.pdf;y\na.pdf;z\n",
        &[
            (2, Some("path"), "line 4 has the same path"),
            (3, Some("path"), "line 5 has the same path"),
            (4, Some("path"), "line 2 has the same path"),
            (5, Some("path"), "line 3 has the same path"),
            (6, Some("path"), "line 2 has the same path"),
        ],
    );
}

const KEYED: &str = "path;main;structure;register;year;number;operation\n";

#[test]
fn the_same_register_key_twice_is_a_problem_of_both_rows() {
    let csv = format!(
        "{KEYED}a.pdf;;AOO1;p;2026;1;\nb.pdf;;AOO1;p;2026;1;new\nc.pdf;;AOO2;p;2026;1;new\n"
    );
    let manifest = read(&csv);
    assert_eq!(manifest.documents.len(), 1);
    let found: Vec<_> = manifest.problems.iter().map(|it| (it.line, &*it.reason)).collect();
    assert_eq!(
        found,
        [(2, "line 3 has the same register key"), (3, "line 2 has the same register key")]
    );
}

#[test]
fn versions_of_one_document_may_follow_each_other() {
    let csv = format!(
        "{KEYED}a.pdf;;AOO1;p;2026;1;new\nb.pdf;;AOO1;p;2026;1;new-version\n\
         c.pdf;;AOO1;p;2026;1;new-version\n"
    );
    let documents = documents(&csv);
    assert_eq!(documents.iter().map(|it| it.line).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(documents.iter().all(|it| it.key == documents[0].key));
}

#[test]
fn an_attachment_of_what_is_not_there_is_a_problem() {
    let csv = "path;main\nb.pdf;a.pdf\n";
    check_problem(csv, 2, Some("main"), "no row has the path `a.pdf`");
    assert!(read(csv).problems[0].remedy.contains("added-file"));
}

#[test]
fn an_attachment_of_an_attachment_is_a_problem_of_all_rows() {
    check_lines(
        "path;main\na.pdf;\nb.pdf;a.pdf\nc.pdf;b.pdf\n",
        &[
            (2, None, "line 3 of the same document"),
            (3, Some("main"), "line 4 attaches another"),
            (4, Some("main"), "line 3, which is an attachment itself"),
        ],
    );
}

#[test]
fn two_files_that_attach_each_other_are_no_document() {
    let manifest = read("path;main\na.pdf;b.pdf\nb.pdf;a.pdf\n");
    assert_eq!(manifest.documents, []);
    let lines: Vec<_> = manifest.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 2, 3, 3]);
}

#[test]
fn a_document_with_one_bad_row_is_not_taken_in() {
    check_lines(
        "path;main;date\na.pdf;;x\nb.pdf;a.pdf;\n",
        &[(2, Some("date"), "no date"), (3, None, "line 2 of the same document")],
    );
    check_lines(
        "path;main;date\na.pdf;;\nb.pdf;a.pdf\nc.pdf;a.pdf;\n",
        &[
            (2, None, "line 3 of the same document"),
            (3, None, "2 cells"),
            (4, None, "line 3 of the same document"),
        ],
    );
}

#[test]
fn files_are_added_to_a_document_of_a_register() {
    let csv = format!(
        "{KEYED}b.pdf;;AOO1;p;2026;1;added-file\nx.pdf;;AOO1;p;2026;2;added-file\n\
         a.pdf;;AOO1;p;2026;1;added-file\n"
    );
    let documents = documents(&csv);
    let [first, second] = &documents[..] else { panic!("{documents:?}") };
    assert_eq!(files(first), [("b.pdf", "attachment"), ("a.pdf", "attachment")]);
    assert_eq!(files(second), [("x.pdf", "attachment")]);
    assert_eq!(first.operation, Some(Operation::AddedFile));
    let StatedKey::Register(DocumentKey::Register { number, .. }) = &first.key else { panic!() };
    assert_eq!((number.as_str(), first.structure.as_deref()), ("1", Some("AOO1")));
}

#[test]
fn files_are_added_to_a_document_known_by_its_path() {
    let documents = documents(
        "path;main;operation;subject\nb.pdf;a.pdf;added-file;\nc.pdf;a.pdf;added-file;\n",
    );
    let [document] = &documents[..] else { panic!("{documents:?}") };
    assert_eq!(document.key, StatedKey::Path("a.pdf".to_owned()));
    assert_eq!(files(document), [("b.pdf", "attachment"), ("c.pdf", "attachment")]);
}

#[test]
fn an_added_file_names_one_document_of_the_archive() {
    let row = |cells: &str| format!("{KEYED}b.pdf;{cells};added-file\n");
    check_problem(&row(";;;;"), 2, Some("main"), "does not say to which document");
    check_problem(&row("b.pdf;;;;"), 2, Some("main"), "does not say to which document");
    check_problem(&row("a.pdf;AOO1;p;2026;1"), 2, Some("main"), "named twice");
    check_problem(&row(";AOO1;p;2026;"), 2, Some("number"), "number is missing");
    check_problem(&row("../a.pdf;;;;"), 2, Some("main"), "`..`");
    check_lines(
        "path;main;operation\nb.pdf;a.pdf;added-file\na.pdf;;\n",
        &[(2, Some("main"), "line 3 sends the main file"), (3, None, "line 2 of the same")],
    );
    check_lines(
        "path;main;operation\nb.pdf;a.pdf;added-file\nc.pdf;b.pdf;\n",
        &[(2, Some("main"), "line 3 attaches another"), (3, Some("main"), "an attachment itself")],
    );
    check_lines(
        "path;main;operation;date\nb.pdf;a.pdf;added-file;2026-03-01\n\
         c.pdf;a.pdf;added-file;2026-03-02\n",
        &[(2, None, "line 3 of the same"), (3, Some("date"), "something else than line 2")],
    );
}

#[test]
fn corrected_metadata_take_no_files_in() {
    let csv = format!(
        "{KEYED}a.pdf;;;;;;corrected-metadata\n;;AOO1;p;2026;1;corrected-metadata\n\
         c.pdf;;AOO1;p;2026;2;corrected-metadata\n"
    );
    let documents = documents(&csv);
    assert_eq!(documents[0].key, StatedKey::Path("a.pdf".to_owned()));
    assert!(documents[1..].iter().all(|it| matches!(it.key, StatedKey::Register(_))));
    assert!(documents.iter().all(|it| it.files.is_empty()));
    check_lines(
        "path;main;operation\na.pdf;;corrected-metadata\nb.pdf;a.pdf;\n",
        &[(2, None, "line 3 of the same"), (3, Some("operation"), "takes no files in")],
    );
}

const CLOSED: &str = "path;aggregation;closed_on;structure;register;year;number\n";

#[test]
fn one_aggregation_closed_on_two_days_is_a_problem_of_each_row() {
    let csv = format!(
        "{CLOSED}a;F1|F2;2026-12-31;;;;\nb;F1;31/12/2026;;;;\nc;F1;2026-12-30;;;;\n\
         d;F1;;;;;\ne;F1;2026-12-30;AOO1;p;2026;1\nf;F2;2026-12-31;;;;\n"
    );
    let manifest = read(&csv);
    let found: Vec<_> = manifest.problems.iter().map(|it| (it.line, &*it.reason)).collect();
    assert_eq!(
        found,
        [
            (
                2,
                "the aggregation `F1` is closed on 2026-12-31 here, closed on 2026-12-30 on line 4"
            ),
            (
                3,
                "the aggregation `F1` is closed on 2026-12-31 here, closed on 2026-12-30 on line 4"
            ),
            (
                4,
                "the aggregation `F1` is closed on 2026-12-30 here, closed on 2026-12-31 on line 2"
            ),
        ]
    );
    let lines: Vec<_> = manifest.documents.iter().map(|it| it.line).collect();
    assert_eq!(lines, [5, 6, 7]);
}
