//! Evidence records made from receipts, verified as anybody would.

use proptest::prelude::*;

use sigillo_ers::{
    AlgorithmTable, Authorities, EvidenceRecord, HashFunction, RecordObject, RecordReport,
    RecordRules, RevocationRules, verify_record,
};
use sigillo_model::{FindingCode, Record, Sha256Digest, Verdict};
use sigillo_proof::{DocumentEvidence, DocumentSection, EvidenceMaker, Receipt};

use crate::world::{Plan, World, receipt};

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

/// Returns the digests of the record and of the files of a document.
fn group(document: &DocumentSection) -> Vec<Sha256Digest> {
    let record = Record::parse(document.record.as_bytes()).unwrap();
    let files = record.files.iter().map(|file| file.sha256);
    std::iter::once(Sha256Digest::of(document.record.as_bytes())).chain(files).collect()
}

fn evidence_records(receipt: &Receipt, document: &DocumentSection) -> Vec<DocumentEvidence> {
    EvidenceMaker::new(receipt).records_of(document)
}

fn verify(world: &World, raw: &[u8], objects: &[Sha256Digest]) -> RecordReport {
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let digests: Vec<_> = objects
        .iter()
        .map(|digest| {
            move |hash| (hash == HashFunction::Sha256).then(|| digest.as_bytes().to_vec())
        })
        .collect();
    let objects: Vec<_> =
        digests.iter().map(|digest| RecordObject { name: "object", digest }).collect();
    let rules = RecordRules {
        authorities: Authorities::Anchored(&world.anchors),
        algorithms: &algorithms,
        at: None,
        whole_group: true,
        revocation: RevocationRules::EMBEDDED,
    };
    verify_record(raw, &objects, &rules)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn every_sealed_document_has_an_evidence_record_over_exactly_its_group(
        batches in prop::collection::vec(1_usize..120, 1..4),
        every in prop_oneof![Just(1_usize), 2_usize..40],
    ) {
        let (world, receipt) = receipt(&Plan { batches, every, sealed: true });
        for document in &receipt.documents {
            let made = evidence_records(&receipt, document);
            prop_assert_eq!(made.len(), 1);
            let group = group(document);
            let report = verify(&world, &made[0].record, &group);
            prop_assert_eq!(report.verdict(), Verdict::Intact, "{:?}", report.findings);
            let read = EvidenceRecord::read(&made[0].record).unwrap();
            let lists = read.chains[0].stamps[0].lists.as_ref().unwrap();
            // Bouncy Castle computes no root if a later list holds more than one hash.
            prop_assert!(lists[1..].iter().all(|list| list.len() == 1));
            prop_assert_eq!(lists[0].len(), group.len());
        }
    }
}

#[test]
fn an_evidence_record_proves_nothing_else() {
    let (world, receipt) = receipt(&Plan { batches: vec![5], every: 1, sealed: true });
    let (first, second) = (&receipt.documents[0], &receipt.documents[1]);
    let made = evidence_records(&receipt, first).remove(0).record;
    let of_another = verify(&world, &made, &group(second));
    assert_eq!(of_another.verdict(), Verdict::Damaged);
    assert_eq!(of_another.findings[0].code, FindingCode::RecordObject);
    // A hash of an inner node is no object, although its value would lead to the root.
    let inner = Sha256Digest::from_bytes(*first.version_id.as_bytes());
    assert_eq!(verify(&world, &made, &[inner]).verdict(), Verdict::Damaged);
}

#[test]
fn before_it_is_sealed_a_document_has_no_evidence_record() {
    let (_, receipt) = receipt(&Plan { batches: vec![5], every: 1, sealed: false });
    assert_eq!(evidence_records(&receipt, &receipt.documents[0]), []);
}
