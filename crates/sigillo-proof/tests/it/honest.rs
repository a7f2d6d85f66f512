//! Honest receipts are proven, whoever checks them says what is not known.

use proptest::prelude::*;

use sigillo_merkle::VerifierKey;
use sigillo_model::{FindingCode, Sha256Digest, Verdict, to_canonical};
use sigillo_proof::{
    DocumentTreeSection, GivenFile, Receipt, ReceiptCheck, ReceiptDifference, ReceiptTrust,
    check_receipt, extends, render_text,
};

use crate::world::{Changes, Plan, file_bytes, receipt, receipt_changed};

fn codes(check: &ReceiptCheck) -> Vec<&'static str> {
    check.findings.iter().map(|finding| finding.code.code()).collect()
}

fn given(name: &str, bytes: &[u8]) -> GivenFile {
    let sha256 = Sha256Digest::of(bytes);
    GivenFile { name: name.to_owned(), sha256, sha512: None, size: bytes.len() as u64 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn receipts_over_any_batches_are_proven(
        batches in prop::collection::vec(1_usize..200, 1..4),
        every in prop_oneof![Just(1_usize), 2_usize..40],
        sealed: bool,
    ) {
        let (world, receipt) = receipt(&Plan { batches, every, sealed });
        let bytes = receipt.to_json();
        prop_assert_eq!(&bytes, &to_canonical(&receipt));
        prop_assert_eq!(receipt.size_bytes(), bytes.len() as u64);
        prop_assert_eq!(Receipt::parse(&bytes), Ok(receipt.clone()));
        let check = check_receipt(&receipt, &world.trust(), &[]);
        let expected = if sealed { vec!["F507", "F605"] } else { vec!["F506", "F507", "F605"] };
        prop_assert_eq!(codes(&check), expected);
        prop_assert_eq!(check.verdict, Verdict::Intact);
        prop_assert_eq!(check.documents, receipt.documents.len() as u64);
        prop_assert_eq!((check.sealings, check.times.len()), (u64::from(sealed), usize::from(sealed)));
    }
}

#[test]
fn who_trusts_nobody_learns_that_the_receipt_is_consistent_and_no_more() {
    let (world, receipt) = receipt(&Plan { batches: vec![3], every: 1, sealed: true });
    let check = check_receipt(&receipt, &ReceiptTrust::default(), &[]);
    assert_eq!(check.verdict, Verdict::CannotTell);
    assert_eq!(codes(&check), ["F601", "F602", "F603", "F507", "F605"]);
    let other = "sigillo.invalid/prova".to_owned();
    let other = VerifierKey::new_ed25519(other, [9; 32]).unwrap();
    let trust = ReceiptTrust { log: Some(other.into()), ..world.trust() };
    assert_eq!(codes(&check_receipt(&receipt, &trust, &[])), ["F601", "F507", "F605"]);
}

#[test]
fn files_beside_a_receipt_are_those_in_it_or_not() {
    let (world, receipt) = receipt(&Plan { batches: vec![3], every: 1, sealed: true });
    let own = file_bytes(0, 1);
    let check = |file: GivenFile| check_receipt(&receipt, &world.trust(), &[file]);
    let good = check(given("0-1.pdf", own.as_bytes()));
    assert_eq!((good.verdict, good.files[0].key.as_str()), (Verdict::Intact, "atti/0-1.pdf"));
    let renamed = check(given("copia.pdf", own.as_bytes()));
    assert_eq!((renamed.verdict, renamed.files.len()), (Verdict::Intact, 1));
    let changed = check(given("0-1.pdf", b"changed"));
    assert_eq!((changed.verdict, codes(&changed)[0]), (Verdict::Damaged, "F808"));
    let stranger = check(given("altro.pdf", b"stranger"));
    assert_eq!((stranger.verdict, codes(&stranger)[0]), (Verdict::CannotTell, "F809"));
}

#[test]
fn a_completed_receipt_extends_the_one_before_and_no_other() {
    let plan = Plan { batches: vec![3, 70], every: 1, sealed: true };
    let (_, sealed) = receipt(&plan);
    let mut before = sealed.clone();
    before.sealings.clear();
    before.batches.iter_mut().for_each(|batch| batch.sealed = None);
    assert_eq!(extends(&before, &sealed), Ok(()));
    assert_eq!(extends(&sealed, &before), Err(ReceiptDifference::Sealing { number: 1 }));
    let mut fewer = sealed.clone();
    fewer.documents.remove(1);
    assert_eq!(extends(&sealed, &fewer), Err(ReceiptDifference::Document { number: 1 }));
    let mut moved = sealed.clone();
    moved.documents[0].leaf_index = 9;
    assert_eq!(extends(&sealed, &moved), Err(ReceiptDifference::Document { number: 0 }));
    let mut placed = sealed.clone();
    let place = DocumentTreeSection { line: "plain-sha512-a".to_owned(), path: Vec::new() };
    placed.documents[2].hash_trees.push(place);
    assert_eq!(extends(&sealed, &placed), Ok(()));
    assert_eq!(extends(&placed, &sealed), Err(ReceiptDifference::Document { number: 2 }));
    let mut other = sealed.clone();
    other.submission = None;
    assert_eq!(extends(&sealed, &other), Err(ReceiptDifference::Submission));
    let mut other = sealed.clone();
    other.archive.description.push(' ');
    assert_eq!(extends(&sealed, &other), Err(ReceiptDifference::Archive));
}

#[test]
fn a_submission_without_its_end_is_told_as_open() {
    let (world, mut receipt) = receipt(&Plan { batches: vec![2], every: 1, sealed: false });
    let section = receipt.submission.as_mut().unwrap();
    (section.completed, section.counts, section.report) = (None, None, None);
    (section.received_at, section.source) = (None, None);
    section.refusals.clear();
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!(codes(&check), ["F506", "F507", "F605", "F810"]);
    assert!(render_text(&receipt, 10).contains("not at its end yet"));
}

#[test]
fn without_its_report_nobody_can_tell_what_was_refused() {
    let (world, mut receipt) = receipt(&Plan { batches: vec![2], every: 1, sealed: false });
    let section = receipt.submission.as_mut().unwrap();
    (section.report, section.received_at, section.source) = (None, None, None);
    section.refusals.clear();
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!((check.verdict, codes(&check)[0]), (Verdict::CannotTell, "F701"));
}

#[test]
fn a_document_left_out_of_a_submission_is_missed() {
    let (world, mut receipt) = receipt(&Plan { batches: vec![4], every: 1, sealed: false });
    receipt.documents.remove(2);
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!(
        (check.verdict, check.findings[0].code),
        (Verdict::Damaged, FindingCode::ReceiptDiffers)
    );
}

#[test]
fn people_read_what_was_received_refused_and_proven() {
    let (_, receipt) = receipt(&Plan { batches: vec![3], every: 1, sealed: true });
    let text = render_text(&receipt, 2);
    for part in [
        "Rapporto di versamento (RdV)",
        "Comune di Prova  (TRIAL, not qualified / di prova)",
        "4 received = 3 archived + 0 there before + 1 refused + 0 pending",
        "rinvio: SYMBOLIC_LINK - it is a symbolic link. What to do: put the file itself",
        "atti/0-1.pdf",
        "document 1 of 3 in batch ",
        "and 1 more, in the JSON of the receipt",
        "TRIAL time-stamp, not qualified / validazione temporale di prova",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("marca temporale") && !text.contains("0-2.pdf"));
}

#[test]
fn every_log_entry_of_a_receipt_can_be_proven_anew() {
    let plan = Plan { batches: vec![2, 1], every: 1, sealed: true };
    let (_, mut receipt) = receipt_changed(&plan, &Changes { renewals: 2, ..Changes::default() });
    let mut read: Vec<_> = receipt.lines().map(|line| line.index).collect();
    let mut written: Vec<_> = receipt.lines_mut().map(|line| line.index).collect();
    read.sort_unstable();
    written.sort_unstable();
    assert_eq!(read, written);
    let json = serde_json::to_string(&receipt).unwrap();
    assert_eq!(json.matches("\"proof\":").count(), read.len());
}
