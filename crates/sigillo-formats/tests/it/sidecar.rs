//! Sidecars: one JSON object beside the main file.

use jiff::civil::date;
use rstest::rstest;
use sigillo_formats::{
    SIDECAR_BYTES_MAX, StatedDocument, StatedKey, read_metadata_csv, read_sidecar,
};
use sigillo_model::{DESCRIPTION_MEMBERS_MAX, Operation};

const PATH: &str = "Delibere/a.pdf";

fn read(json: &str) -> StatedDocument {
    read_sidecar(json.as_bytes(), PATH).unwrap()
}

fn files(document: &StatedDocument) -> Vec<(&str, &str)> {
    document.files.iter().map(|file| (file.path.as_str(), file.role.as_str())).collect()
}

#[track_caller]
fn check_problem(json: &str, column: Option<&str>, part: &str) {
    let problem = read_sidecar(json.as_bytes(), PATH).unwrap_err();
    assert_eq!((problem.line, problem.column.as_deref()), (0, column), "{problem:?}");
    assert_eq!(problem.path.as_deref(), Some(PATH));
    assert!(problem.reason.contains(part), "{problem:?}");
    assert!(!problem.remedy.is_empty(), "{problem:?}");
}

#[test]
fn a_sidecar_says_what_a_row_says() {
    let json = r#"{"structure": "AOO1", "register": "p", "year": 2026, "number": "12/bis",
        "date": "01/03/2026", "subject": " Bilancio ", "document_type": "delibera", "series": "S",
        "class": "VI.3", "aggregations": ["F2", "F1"], "closed_on": "2026-12-31",
        "stated_retention": "illimitata", "operation": "new", "metadata": {"nota": "x", "e": ""}}"#;
    let csv = "path;structure;register;year;number;date;subject;document_type;series;class;\
               aggregation;closed_on;stated_retention;operation;nota\n\
               Delibere/a.pdf;AOO1;p;2026;12/bis;2026-03-01;Bilancio;delibera;S;VI.3;\
               F1|F2;2026-12-31;illimitata;new;x\n";
    let mut row = read_metadata_csv(csv.as_bytes()).unwrap().documents.remove(0);
    (row.line, row.files[0].line) = (0, 0);
    assert_eq!(read(json), row);
}

#[rstest]
#[case("oggetto", "write `subject` for `oggetto`")]
#[case("subjet", "write `subject` for `subjet`")]
#[case("allegati", "write `attachments` for `allegati`")]
#[case("fascicoli", "write `aggregations` for `fascicoli`")]
#[case("percorso", "correct the name")]
fn a_member_of_another_name_is_asked_for_under_ours(#[case] name: &str, #[case] remedy: &str) {
    let problem = read_sidecar(format!("{{\"{name}\":\"x\"}}").as_bytes(), PATH).unwrap_err();
    assert!(problem.remedy.contains(remedy), "{problem:?}");
    let own = format!("{{\"metadata\":{{\"{name}\":\"x\"}}}}");
    assert_eq!(read(&own).description.metadata[name], "x");
}

#[test]
fn an_empty_object_says_nothing() {
    for json in ["{}", "\u{feff}{}", r#"{"date": null, "metadata": {"a": null}, "subject": " "}"#] {
        let it = read(json);
        assert_eq!(it.key, StatedKey::Path(PATH.to_owned()));
        assert_eq!(files(&it), [(PATH, "main")]);
        assert!(it.description.is_empty());
    }
}

#[test]
fn aggregations_may_be_a_list_or_one_text() {
    assert_eq!(read(r#"{"aggregation": "b|a"}"#).description.aggregations, ["a", "b"]);
    assert_eq!(read(r#"{"aggregations": ["b|a"]}"#).description.aggregations, ["b|a"]);
    assert_eq!(
        read(r#"{"aggregations": ["a"], "closed_on": "2026-12-31"}"#).description.closed_on,
        Some(date(2026, 12, 31))
    );
}

#[test]
fn attachments_come_back_as_plain_names_after_the_main_file() {
    let it = read(r#"{"attachments": ["z.pdf", "b c.pdf"]}"#);
    assert_eq!(files(&it), [(PATH, "main"), ("z.pdf", "attachment"), ("b c.pdf", "attachment")]);
}

#[test]
fn operations_decide_over_files() {
    let key = r#""structure":"A","register":"p","year":"2026","number":"1""#;
    let added = read(&format!(r#"{{{key},"operation":"added-file","attachments":["b.pdf"]}}"#));
    assert_eq!(files(&added), [(PATH, "attachment"), ("b.pdf", "attachment")]);
    assert!(matches!(added.key, StatedKey::Register(_)));
    let corrected = read(r#"{"operation": "corrected-metadata"}"#);
    assert_eq!(corrected.operation, Some(Operation::CorrectedMetadata));
    assert_eq!(files(&corrected), []);
    assert_eq!(corrected.key, StatedKey::Path(PATH.to_owned()));
}

#[rstest]
#[case("", None, "not acceptable JSON")]
#[case("[]", None, "no JSON object")]
#[case("{\"a\":1,\"a\":1}", None, "stands twice")]
#[case(r#"{"path": "x"}"#, Some("path"), "no member `path`")]
#[case(r#"{"main": "x"}"#, Some("main"), "no member `main`")]
#[case(r#"{"oggetto": "x", "titolo": "y"}"#, Some("oggetto"), "no member `oggetto`, `titolo`")]
#[case(r#"{"Subject": "x"}"#, Some("Subject"), "no member `Subject`")]
#[case(r#"{"subject": 1}"#, Some("subject"), "is no text")]
#[case(r#"{"year": 26}"#, Some("year"), "four digits")]
#[case(r#"{"year": 2026}"#, Some("structure"), "structure, register, number are missing")]
#[case(r#"{"date": "2026-13-01"}"#, Some("date"), "is no date")]
#[case(r#"{"closed_on": "2026-12-31"}"#, Some("closed_on"), "none is named")]
#[case(r#"{"aggregations": "a"}"#, Some("aggregations"), "no list of texts")]
#[case(r#"{"aggregations": [1]}"#, Some("aggregations"), "no list of texts")]
#[case(r#"{"aggregations": ["a\nb"]}"#, Some("aggregations"), "line break")]
#[case(r#"{"aggregations": [], "aggregation": "a"}"#, Some("aggregations"), "stated twice")]
#[case(r#"{"metadata": []}"#, Some("metadata"), "no object of texts")]
#[case(r#"{"metadata": {"a": 1}}"#, Some("a"), "is no text")]
#[case(r#"{"metadata": {"": "x"}}"#, Some("metadata"), "is empty")]
#[case(r#"{"metadata": {" a": "x"}}"#, Some("metadata"), "` a` begins or ends with a space")]
#[case(r#"{"metadata": {"😀": "x"}}"#, Some("metadata"), "`😀` holds a character beyond U+D7FF")]
#[case(r#"{"metadata": {"a": "\u0001"}}"#, Some("a"), "U+0001")]
#[case(r#"{"attachments": "b.pdf"}"#, Some("attachments"), "no list of texts")]
#[case(r#"{"attachments": ["x/b.pdf"]}"#, Some("attachments"), "another folder")]
#[case(r#"{"attachments": [".."]}"#, Some("attachments"), "`..`")]
#[case(r#"{"attachments": [""]}"#, Some("attachments"), "an empty name")]
#[case(r#"{"attachments": ["a.pdf"]}"#, Some("attachments"), "is the main file")]
#[case(r#"{"attachments": ["b", "b"]}"#, Some("attachments"), "twice")]
#[case(r#"{"operation": "added-file"}"#, Some("operation"), "to which document")]
#[case(
    r#"{"operation": "corrected-metadata", "attachments": ["b"]}"#,
    Some("attachments"),
    "no files"
)]
fn what_is_wrong_with_a_sidecar_is_told(
    #[case] json: &str,
    #[case] column: Option<&str>,
    #[case] part: &str,
) {
    check_problem(json, column, part);
}

#[test]
fn a_sidecar_that_is_not_utf8_is_a_problem() {
    let problem = read_sidecar(b"{\"subject\": \"citt\xe0\"}", PATH).unwrap_err();
    assert!(problem.reason.contains("not UTF-8"), "{problem:?}");
}

#[test]
fn sidecars_have_a_largest_length_and_number_of_members() {
    let room = usize::try_from(SIDECAR_BYTES_MAX).unwrap();
    assert!(read_sidecar(format!("{{}}{}", " ".repeat(room - 2)).as_bytes(), PATH).is_ok());
    check_problem(&format!("{{}}{}", " ".repeat(room - 1)), None, "1048577 bytes");
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!(r#""m{n}":"x""#)).collect();
        format!(r#"{{"metadata":{{{}}}}}"#, members.join(","))
    };
    assert_eq!(
        read(&members(DESCRIPTION_MEMBERS_MAX)).description.metadata.len(),
        DESCRIPTION_MEMBERS_MAX
    );
    check_problem(&members(DESCRIPTION_MEMBERS_MAX + 1), Some("metadata"), "more than 200");
}

#[test]
fn the_path_beside_which_it_lies_must_be_one() {
    for main in ["", "/a", "../a", "a//b"] {
        let problem = read_sidecar(b"{}", main).unwrap_err();
        assert_eq!(problem.column.as_deref(), Some("path"), "{main}");
    }
}
