//! What is no receipt is refused in words, whatever it is.

use sigillo_model::{FindingCode, Verdict};
use sigillo_proof::{
    PROOF_HASHES_MAX, ProofSort, RECEIPT_BYTES_MAX, RECEIPT_TOKENS_MAX, Receipt, ReceiptCheck,
    ReceiptError,
};

use crate::world::{Plan, receipt};

#[track_caller]
fn check_refused(bytes: &[u8], code: FindingCode, said: &str) {
    let error = Receipt::parse(bytes).unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
    let check = ReceiptCheck::unreadable(&error);
    assert_eq!(check.findings[0].code, code);
    assert_ne!(check.verdict, Verdict::Intact);
}

#[test]
fn what_is_no_receipt_is_refused() {
    let malformed = FindingCode::ReceiptMalformed;
    let too_long = vec![b' '; usize::try_from(RECEIPT_BYTES_MAX).unwrap() + 1];
    check_refused(&too_long, malformed, "more than");
    check_refused(b"", malformed, "no receipt");
    check_refused(b"[]", malformed, "no receipt");
    check_refused(&b"[".repeat(100_000), malformed, "no receipt");
    check_refused(br#"{"schema":"sigillo.receipt/0"}"#, malformed, "schema");
    check_refused(b"\xff\xfe", malformed, "no receipt");
    let (_, receipt) = receipt(&Plan { batches: vec![1], every: 1, sealed: false });
    let bytes = receipt.to_json();
    let text = String::from_utf8(bytes.clone()).unwrap();
    check_refused(text.replace(',', ", ").as_bytes(), malformed, "canonical");
    check_refused(&[&bytes[..], b"\n\n"].concat(), malformed, "canonical");
    let more = text.replacen("{\"archive\"", "{\"a\":1,\"archive\"", 1);
    check_refused(more.as_bytes(), malformed, "unknown field");
    let twice = text.replacen("\"batches\":", "\"batches\":[],\"batches\":", 1);
    check_refused(twice.as_bytes(), malformed, "duplicate");
    let mut emptied = receipt.clone();
    (emptied.submission, emptied.documents) = (None, Vec::new());
    check_refused(&emptied.to_json(), malformed, "neither a document nor a submission");
    assert_eq!(Receipt::parse(&[&bytes[..], b"\n"].concat()), Ok(receipt));
}

#[test]
fn a_proof_of_another_sort_is_told_by_what_it_is_meant_to_be() {
    let (_, receipt) = receipt(&Plan { batches: vec![1], every: 1, sealed: false });
    assert_eq!(ProofSort::of(&receipt.to_json()), Some(ProofSort::Receipt));
    let period = br#"{"a":[1.5],"schema":"sigillo.period-statement/7"}"#;
    assert_eq!(ProofSort::of(period), Some(ProofSort::Period));
    assert_eq!(ProofSort::of(b"PK\x03\x04 and more"), Some(ProofSort::Bundle));
    for other in [&b"PK"[..], b"", b"[]", br#"{"schema":"sigillo.bundle/1"}"#, br#"{"schema":1}"#] {
        assert_eq!(ProofSort::of(other), None);
    }
}

#[test]
fn a_later_schema_cannot_be_told() {
    let (_, mut receipt) = receipt(&Plan { batches: vec![1], every: 1, sealed: false });
    let unknown = FindingCode::ReceiptSchemaUnknown;
    receipt.schema = "sigillo.receipt/4".to_owned();
    check_refused(&receipt.to_json(), unknown, "sigillo.receipt/4");
    check_refused(br#"{"else":[1.5],"schema":"sigillo.receipt/7"}"#, unknown, "receipt/7");
}

#[test]
fn lists_longer_than_they_may_be_are_refused() {
    let (_, receipt) = receipt(&Plan { batches: vec![1], every: 1, sealed: true });
    let mut long = receipt.clone();
    let hash = long.documents[0].record_sha256;
    long.documents[0].tree_path = Some(vec![hash; PROOF_HASHES_MAX + 1]);
    check_refused(&long.to_json(), FindingCode::ReceiptMalformed, "hashes in a proof");
    let mut long = receipt;
    let token = long.sealings[0].tokens[0].clone();
    long.sealings[0].tokens = vec![token; RECEIPT_TOKENS_MAX + 1];
    let what = "time-stamps of a sealing";
    let (count, max) = (RECEIPT_TOKENS_MAX + 1, RECEIPT_TOKENS_MAX);
    assert_eq!(Receipt::parse(&long.to_json()), Err(ReceiptError::TooMany { what, count, max }));
}
