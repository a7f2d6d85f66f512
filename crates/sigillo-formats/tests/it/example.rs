//! The examples that producers are shown are read as the pages say.

use std::{fs, path::Path};

use sigillo_formats::{StatedDocument, read_metadata_csv, read_sidecar};

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Returns the first block of `kind` on the page for producers.
fn block(kind: &str) -> String {
    let page = fs::read_to_string(project().join("docs/metadata.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Checks that every file of the documents lies in `folder`.
#[track_caller]
fn check_files(documents: &[StatedDocument], folder: &Path) {
    for file in documents.iter().flat_map(|document| &document.files) {
        assert!(folder.join(&file.path).is_file(), "{}", file.path);
    }
}

#[test]
fn the_example_files_are_described_without_a_problem() {
    let folder = project().join("testdata/metadata");
    let csv = fs::read(folder.join("versamento.csv")).unwrap();
    let manifest = read_metadata_csv(&csv).unwrap();
    assert_eq!(manifest.problems, []);
    assert_eq!(manifest.documents.len(), 4);
    assert_eq!(manifest.documents[0].files.len(), 3);
    check_files(&manifest.documents, &folder.join("versamento"));
    let described: usize = manifest.documents.iter().map(|document| document.files.len()).sum();
    assert_eq!(described, 6);
}

#[test]
fn the_example_sidecar_is_read_without_a_problem() {
    let folder = project().join("testdata/metadata/con-sidecar");
    let json = fs::read(folder.join("determina-7.txt.sigillo.json")).unwrap();
    let document = read_sidecar(&json, "determina-7.txt").unwrap();
    assert_eq!(document.files.len(), 2);
    check_files(&[document], &folder);
}

#[test]
fn the_examples_on_the_page_are_those_files() {
    let folder = project().join("testdata/metadata");
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
    assert_eq!(block("csv"), read("versamento.csv"));
    assert_eq!(block("json"), read("con-sidecar/determina-7.txt.sigillo.json"));
}
