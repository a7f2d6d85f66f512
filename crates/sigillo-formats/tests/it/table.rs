//! A CSV: its header, its cells, and what is wrong with single rows.

use jiff::civil::date;
use rstest::rstest;
use sigillo_formats::{
    METADATA_BYTES_MAX, METADATA_ROWS_MAX, Manifest, MetadataError, StatedDocument, StatedKey,
    read_metadata_csv,
};
use sigillo_model::{DESCRIPTION_MEMBERS_MAX, DocumentKey, Operation, TEXT_BYTES_MAX};

pub(crate) fn read(csv: &str) -> Manifest {
    read_metadata_csv(csv.as_bytes()).unwrap()
}

/// Reads a CSV with which nothing is wrong.
#[track_caller]
pub(crate) fn documents(csv: &str) -> Vec<StatedDocument> {
    let manifest = read(csv);
    assert_eq!(manifest.problems, [], "{csv}");
    manifest.documents
}

/// Reads a CSV that describes one document.
#[track_caller]
fn document(csv: &str) -> StatedDocument {
    let documents = documents(csv);
    let [document] = &documents[..] else { panic!("{} documents", documents.len()) };
    document.clone()
}

/// Checks that a CSV has one problem: its line, column and path, and what its reason holds.
#[track_caller]
pub(crate) fn check_problem(csv: &str, line: u64, column: Option<&str>, part: &str) {
    let manifest = read(csv);
    let [problem] = &manifest.problems[..] else { panic!("{:?}", manifest.problems) };
    assert_eq!((problem.line, problem.column.as_deref()), (line, column), "{problem:?}");
    assert!(problem.reason.contains(part), "{problem:?}");
    assert!(!problem.remedy.is_empty(), "{problem:?}");
    assert_eq!(manifest.documents, []);
}

fn paths(documents: &[StatedDocument]) -> Vec<(u64, &str)> {
    documents.iter().map(|document| (document.line, document.files[0].path.as_str())).collect()
}

#[test]
fn every_column_finds_its_place() {
    let csv = "path;main;structure;register;year;number;date;subject;document_type;series;class;\
               aggregation;closed_on;stated_retention;operation;Firmatario\n\
               Delibere/1.pdf;;AOO1;delibere;2026;12/bis;2026-03-01;Bilancio;delibera;Delibere di \
               giunta;VI.3;2026/VI.3/1|Bilanci;31/12/2026;illimitata;new-version;Anna B.\n";
    let it = document(csv);
    let text = str::to_owned;
    assert_eq!(it.line, 2);
    assert_eq!(
        (it.files.len(), &*it.files[0].path, &*it.files[0].role),
        (1, "Delibere/1.pdf", "main")
    );
    assert_eq!(
        it.key,
        StatedKey::Register(DocumentKey::Register {
            number: text("12/bis"),
            register: text("delibere"),
            structure: text("AOO1"),
            year: text("2026"),
        })
    );
    assert_eq!(it.structure.as_deref(), Some("AOO1"));
    assert_eq!(it.operation, Some(Operation::NewVersion));
    let it = it.description;
    assert_eq!(it.aggregations, ["2026/VI.3/1", "Bilanci"]);
    assert_eq!((it.date, it.closed_on), (Some(date(2026, 3, 1)), Some(date(2026, 12, 31))));
    assert_eq!(it.class.as_deref(), Some("VI.3"));
    assert_eq!(it.document_type.as_deref(), Some("delibera"));
    assert_eq!(it.series.as_deref(), Some("Delibere di giunta"));
    assert_eq!(it.stated_retention.as_deref(), Some("illimitata"));
    assert_eq!(it.subject.as_deref(), Some("Bilancio"));
    assert_eq!(
        it.metadata.into_iter().collect::<Vec<_>>(),
        [(text("Firmatario"), text("Anna B."))]
    );
}

#[test]
fn a_path_alone_is_a_document_known_by_its_path() {
    let it = document("path\na b/è.pdf\n");
    assert_eq!(it.key, StatedKey::Path("a b/è.pdf".to_owned()));
    assert!(it.description.is_empty());
    assert_eq!((it.structure, it.operation), (None, None));
}

#[test]
fn names_of_columns_are_matched_without_case_and_spaces() {
    let it = document(" Subject ,PATH, Nota \nx,a.pdf,y\n");
    assert_eq!(it.description.subject.as_deref(), Some("x"));
    assert_eq!(it.description.metadata.keys().collect::<Vec<_>>(), ["Nota"]);
}

#[test]
fn commas_within_texts_are_no_separators_in_a_file_with_semicolons() {
    let it = document("path;subject, short\na.pdf;one, two, three\n");
    assert_eq!(it.description.metadata["subject, short"], "one, two, three");
    let it = document("path,subject\na.pdf,\"one, two; three\"\n");
    assert_eq!(it.description.subject.as_deref(), Some("one, two; three"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    assert_eq!(
        document("\u{feff}path;subject\na.pdf;x\n").key,
        StatedKey::Path("a.pdf".to_owned())
    );
    assert_eq!(document("\u{feff}\"path\"\na.pdf\n").line, 2);
}

#[test]
fn lines_are_counted_over_quotes_empty_lines_and_returns() {
    let csv =
        "path;subject\r\na.pdf;\"one\r\ntwo\nthree\"\r\n\r\n;\r\nb.pdf;x\r\nc.pdf;\"\n\"\r\nd.pdf;";
    let documents = documents(csv);
    assert_eq!(paths(&documents), [(2, "a.pdf"), (7, "b.pdf"), (8, "c.pdf"), (10, "d.pdf")]);
    assert_eq!(documents[0].description.subject.as_deref(), Some("one\ntwo\nthree"));
    assert_eq!(documents[2].description.subject, None);
}

#[test]
fn spaces_around_cells_are_left_out_but_not_those_of_paths() {
    let it = document("path;subject;date;class\n a.pdf ; x y ; 2026-03-01\t;  \n");
    assert_eq!(it.files[0].path, " a.pdf ");
    assert_eq!(it.description.subject.as_deref(), Some("x y"));
    assert_eq!(it.description.date, Some(date(2026, 3, 1)));
    assert_eq!(it.description.class, None);
}

#[test]
fn what_looks_like_a_formula_is_text() {
    let it = document("path;subject;nota\n=a.pdf;=1+1;@SUM(A1)\n");
    assert_eq!(it.files[0].path, "=a.pdf");
    assert_eq!(it.description.subject.as_deref(), Some("=1+1"));
    assert_eq!(it.description.metadata["nota"], "@SUM(A1)");
}

#[test]
fn names_of_aggregations_are_sorted_and_stand_once() {
    let it = document("path;aggregation\na.pdf; b | a||b |\n");
    assert_eq!(it.description.aggregations, ["a", "b"]);
}

#[rstest]
#[case("2026-02-28", Some(date(2026, 2, 28)))]
#[case("29/02/2028", Some(date(2028, 2, 29)))]
#[case("01/12/2026", Some(date(2026, 12, 1)))]
#[case("2026-02-29", None)]
#[case("12/31/2026", None)]
#[case("1/3/2026", Some(date(2026, 3, 1)))]
#[case("3/2/2025", Some(date(2025, 2, 3)))]
#[case("03.02.2025", Some(date(2025, 2, 3)))]
#[case("3.2.2025", Some(date(2025, 2, 3)))]
#[case("03/02/2025 00:00", Some(date(2025, 2, 3)))]
#[case("3/2/2025 0:00:00", Some(date(2025, 2, 3)))]
#[case("2025-02-03 00:00:00", Some(date(2025, 2, 3)))]
#[case("03/02/2025 10:30", None)]
#[case("03/02/25", None)]
#[case("003/2/2025", None)]
#[case("3/2.2025", None)]
#[case("2025-2-3", None)]
#[case("01-03-2026", None)]
#[case("2026/03/01", None)]
#[case("20260301", None)]
#[case("2026-03-01T00:00:00", None)]
#[case("+026-03-01", None)]
#[case("٢026-03-1", None)]
#[case("ieri", None)]
fn days_are_written_as_in_iso_8601_or_as_in_italy(
    #[case] cell: &str,
    #[case] day: Option<jiff::civil::Date>,
) {
    let csv = format!("path;date\na.pdf;{cell}\n");
    if day.is_some() {
        assert_eq!(document(&csv).description.date, day);
    } else {
        check_problem(&csv, 2, Some("date"), "is no date");
        assert!(read(&csv).problems[0].remedy.contains("2026-03-01 or 01/03/2026"));
    }
}

#[rstest]
#[case("", "AOO1;protocollo;2026;", "number", "number is missing")]
#[case("", "AOO1;;;12", "register", "register, year are missing")]
#[case("", "AOO1;;;", "register", "register, year, number are missing")]
#[case("", "AOO1;protocollo;26;12", "year", "four digits")]
#[case("", "AOO1;protocollo;٢٠٢٦;12", "year", "four digits")]
#[case("", "AOO/1;protocollo;2026;12", "structure", "holds `/`")]
#[case("", "AOO1;a/b;2026;12", "register", "holds `/`")]
#[case("", "AOO1;protocollo;2026;\"1\n2\"", "number", "line break")]
#[case("", "AOO\t1;protocollo;2026;1", "structure", "tab")]
fn a_key_that_is_not_whole_is_a_problem(
    #[case] main: &str,
    #[case] cells: &str,
    #[case] column: &str,
    #[case] part: &str,
) {
    let csv = format!("path;main;structure;register;year;number\na.pdf;{main};{cells}\n");
    check_problem(&csv, 2, Some(column), part);
}

#[rstest]
#[case("/a.pdf", "absolute")]
#[case("a//b.pdf", "an empty name")]
#[case("a/", "an empty name")]
#[case("../a.pdf", "`..`")]
#[case("a/../b.pdf", "`..`")]
#[case("./a.pdf", "`.`")]
#[case("\"a\nb.pdf\"", "line break")]
#[case("a\u{1b}b.pdf", "U+001B")]
#[case("a\0b.pdf", "U+0000")]
fn a_path_that_leads_elsewhere_is_a_problem(#[case] path: &str, #[case] part: &str) {
    check_problem(&format!("subject;path\nx;{path}\n"), 2, Some("path"), part);
}

#[test]
fn a_path_longer_than_linux_takes_is_a_problem() {
    assert_eq!(documents(&format!("path\n{}\n", "a".repeat(4_095))).len(), 1);
    check_problem(&format!("path\n{}\n", "a".repeat(4_096)), 2, Some("path"), "4096 bytes");
}

#[test]
fn a_row_without_a_path_is_a_problem() {
    check_problem("path;subject\n;x\n", 2, Some("path"), "names no file");
    check_problem("path;operation\n ;corrected-metadata\n", 2, Some("path"), "names no file");
}

#[test]
fn a_row_of_another_length_is_a_problem_and_the_next_is_not() {
    for row in ["a.pdf", "a.pdf;x;y"] {
        let manifest = read(&format!("path;subject\n{row}\nb.pdf;x\n"));
        assert_eq!(paths(&manifest.documents), [(3, "b.pdf")]);
        let [problem] = &manifest.problems[..] else { panic!("{row}") };
        assert_eq!((problem.line, problem.path.as_deref()), (2, Some("a.pdf")));
        assert!(problem.reason.contains("the header 2 columns"), "{problem:?}");
    }
}

#[test]
fn a_quoted_cell_that_goes_on_is_a_problem() {
    check_problem("path;subject\na.pdf;\"x\" y\n", 2, Some("subject"), "closing quote");
}

#[test]
fn texts_keep_line_breaks_and_tabs_and_no_other_control_characters() {
    let it = document("path;subject\na.pdf;\"one\n\ttwo\"\n");
    assert_eq!(it.description.subject.as_deref(), Some("one\n\ttwo"));
    for (text, code) in [("a\u{b}b", "U+000B"), ("a\u{85}b", "U+0085"), ("\"a\rb\"", "U+000D")] {
        check_problem(&format!("path;subject\na.pdf;{text}\n"), 2, Some("subject"), code);
        check_problem(&format!("path;nota\na.pdf;{text}\n"), 2, Some("nota"), code);
    }
}

#[test]
fn texts_have_a_longest_length() {
    let fits = "è".repeat(TEXT_BYTES_MAX / 2);
    assert_eq!(documents(&format!("path;subject;nota\na.pdf;{fits};{fits}\n")).len(), 1);
    for column in ["subject", "nota", "aggregation"] {
        let csv = format!("path;{column}\na.pdf;{fits}x\n");
        check_problem(&csv, 2, Some(column), "16385 bytes, more than 16384");
    }
}

#[test]
fn there_is_a_largest_number_of_aggregations() {
    let names = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
    let csv = |count| format!("path;aggregation\na.pdf;{}\n", names(count));
    assert_eq!(
        document(&csv(DESCRIPTION_MEMBERS_MAX)).description.aggregations.len(),
        DESCRIPTION_MEMBERS_MAX
    );
    check_problem(&csv(DESCRIPTION_MEMBERS_MAX + 1), 2, Some("aggregation"), "more than 200");
}

#[test]
fn an_operation_that_is_none_is_a_problem() {
    for (cell, operation) in [
        ("new", Operation::New),
        ("New-Version", Operation::NewVersion),
        ("corrected-metadata", Operation::CorrectedMetadata),
    ] {
        let it = document(&format!("path;operation\na.pdf;{cell}\n"));
        assert_eq!(it.operation, Some(operation));
    }
    check_problem("path;operation\na.pdf;update\n", 2, Some("operation"), "`update`");
}

#[test]
fn closing_needs_an_aggregation() {
    check_problem("path;closed_on\na.pdf;2026-12-31\n", 2, Some("closed_on"), "none is named");
}

#[test]
fn every_problem_of_a_row_is_told() {
    let manifest = read("path;date;year;nota\n/a.pdf;x;26;\u{1}\n");
    let columns: Vec<_> =
        manifest.problems.iter().map(|problem| problem.column.as_deref().unwrap()).collect();
    assert_eq!(columns, ["path", "date", "year", "nota"]);
}

#[test]
fn a_column_without_a_name_may_stand_there_empty() {
    assert_eq!(documents("path;subject;;\na.pdf;x;;\n").len(), 1);
    check_problem("path;;subject\na.pdf;y;x\n", 2, None, "`y` stands in a column without a name");
}

#[rstest]
#[case("", "there is no header", "first line")]
#[case("\u{feff}\r\n\n", "there is no header", "first line")]
#[case("\n\nallegati;subject\na;b\n", "line 3 has no column `path`", "`;` or `,`")]
#[case("path\tsubject\na\tb\n", "line 1 are separated by tabs", "`;` or `,`")]
#[case("percorso\toggetto\na\tb\n", "line 1 are separated by tabs", "`;` or `,`")]
#[case("percorso,oggetto\na,b\n", "`percorso` is not known; `path` is", "`path`, `subject`")]
#[case("path;Oggetto\n", "`Oggetto` is not known; `subject` is", "`ente: Oggetto`")]
#[case("path;aoo\n", "`aoo` is not known; `structure` is", "`structure`")]
#[case("path;registro\n", "`registro` is not known; `register` is", "`register`")]
#[case("path;anno\n", "`anno` is not known; `year` is", "`year`")]
#[case("path;numero\n", "`numero` is not known; `number` is", "`number`")]
#[case("path;data\n", "`data` is not known; `date` is", "`date`")]
#[case("path;classifica\n", "`classifica` is not known; `class` is", "`class`")]
#[case("path;classification\n", "`classification` is not known; `class` is", "`class`")]
#[case("path;fascicolo\n", "`fascicolo` is not known; `aggregation` is", "`aggregation`")]
#[case("path;aggregations\n", "`aggregations` is not known; `aggregation` is", "`aggregation`")]
#[case("path;tipologia\n", "`tipologia` is not known; `document_type` is", "`document_type`")]
#[case("path;serie\n", "`serie` is not known; `series` is", "`series`")]
#[case("path;Data chiusura\n", "`Data chiusura` is not known; `closed_on` is", "`closed_on`")]
#[case("path;subjet;yaer\n", "`subjet` is not known; `subject` is; the column `yaer`", "`year`")]
#[case("path;Date;date\n", "`date` is there twice", "rename")]
#[case("path;nota;nota \n", "`nota` is there twice", "rename")]
#[case(
    "path;Document Type\n",
    "`Document Type` is not known; `document_type` is",
    "`document_type`"
)]
#[case("path;closed-on\n", "`closed-on` is not known", "`closed_on`")]
#[case("path;\"a\nb\"\n", "column 2 holds a control character", "plain name")]
#[case("path;x;😀\n", "column 3 holds a character beyond U+D7FF", "plain name")]
#[case("path;\u{fb01}ne\n", "column 2 holds a character beyond U+D7FF", "plain name")]
#[case("path;subject\na;\"b\nc;d\n", "opens on line 2 is never closed", "close the quote")]
fn what_spoils_a_whole_file_is_an_error_with_a_remedy(
    #[case] csv: &str,
    #[case] message: &str,
    #[case] remedy: &str,
) {
    let error = read_metadata_csv(csv.as_bytes()).unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
    assert!(error.remedy().contains(remedy), "{}", error.remedy());
}

#[test]
fn a_column_with_the_meaning_of_one_that_is_there_is_the_producers_own() {
    let manifest = read("path;subject;Oggetto;date;data;subjet;mail;note;stato\na;b;c;;;;;;\n");
    assert_eq!(manifest.own_columns, ["Oggetto", "data", "subjet", "mail", "note", "stato"]);
    assert_eq!(manifest.documents[0].description.metadata["Oggetto"], "c");
    assert_eq!(read("path;ente: oggetto\na;b\n").own_columns, ["ente: oggetto"]);
}

#[rstest]
#[case("a;;x\nb;a;y\nc;;\n", 1)]
#[case("a;b;\nb;c;\nc;d;\nd;;\ne;;\n", 1)]
#[case("a;b;\nb;a;\nc;d;\nd;c;\n", 2)]
#[case("a;;x\nb;;y\nc;z;\nd;;\n", 3)]
#[case("a;;\n", 0)]
fn refused_documents_are_counted_not_their_rows(#[case] rows: &str, #[case] refused: u64) {
    let manifest = read(&format!("path;main;date\n{rows}"));
    assert_eq!(manifest.refused_documents, refused, "{manifest:?}");
}

#[test]
fn names_of_columns_have_a_longest_length() {
    assert_eq!(documents(&format!("path;{}\na;b\n", "è".repeat(100))).len(), 1);
    let error = read_metadata_csv(format!("path;{}\n", "è".repeat(101)).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("more than 100 characters"), "{error}");
}

#[test]
fn a_header_has_a_largest_number_of_columns() {
    let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>().join(";");
    let csv = |count| format!("path;subject;{}\n", names(count));
    assert_eq!(documents(&csv(DESCRIPTION_MEMBERS_MAX)), []);
    let refused = |csv: String| read_metadata_csv(csv.as_bytes()).unwrap_err();
    assert_eq!(
        refused(csv(DESCRIPTION_MEMBERS_MAX + 1)),
        MetadataError::TooManyColumns { count: 203, count_max: 202 }
    );
    let empty = format!("path{}\n", ";".repeat(1_000));
    assert_eq!(refused(empty), MetadataError::TooManyColumns { count: 1_001, count_max: 1_000 });
}

#[test]
fn a_file_in_latin_1_is_refused_with_its_place() {
    let error = read_metadata_csv(b"path;subject\r\na.pdf;x\r\nb.pdf;citt\xe0\r\n").unwrap_err();
    assert_eq!(error, MetadataError::NotUtf8 { line: 3, byte: 11 });
    assert_eq!(error.to_string(), "the file is not UTF-8: line 3, byte 11");
    assert!(error.remedy().contains("save the file as UTF-8"), "{}", error.remedy());
    let utf16 = read_metadata_csv(b"\xff\xfep\0a\0t\0h\0").unwrap_err();
    assert_eq!(utf16, MetadataError::NotUtf8 { line: 1, byte: 1 });
}

#[test]
fn a_file_has_a_largest_length() {
    let size_bytes = METADATA_BYTES_MAX + 1;
    let bytes = vec![b'\n'; usize::try_from(size_bytes).unwrap()];
    assert_eq!(read_metadata_csv(&bytes), Err(MetadataError::TooLarge { size_bytes }));
}

#[test]
fn a_file_has_a_largest_number_of_rows() {
    let rows = |count: u64| format!("path\n{}", " \n".repeat(usize::try_from(count).unwrap()));
    assert_eq!(documents(&rows(METADATA_ROWS_MAX)), []);
    let error = read_metadata_csv(rows(METADATA_ROWS_MAX + 1).as_bytes());
    assert_eq!(error, Err(MetadataError::TooManyRows));
}
