//! Forgeries that are right by themselves: all that follows from them was made anew.

use jiff::Timestamp;

use sigillo_ers::{AlgorithmTable, list_value, pair_value, walk_path};
use sigillo_model::{BatchCommitted, Entry, FindingCode, Record, Sha256Digest, Verdict, VersionId};
use sigillo_proof::{
    Base64Bytes, Bundle, BundleCheck, BundleRules, GivenFile, Receipt, ReceiptCheck, ReceiptTrust,
    check_bundle, check_receipt,
};

use crate::world::{Changes, Plan, World, file_bytes, receipt, receipt_changed};

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

/// Checks a receipt of documents as the bundle it makes, which is read from its bytes.
fn check_as_bundle(receipt: &Receipt, trust: &ReceiptTrust) -> BundleCheck {
    let zip = Bundle { receipt: receipt.clone(), files: Vec::new() }.to_zip().unwrap();
    let at: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let rules = BundleRules { trust, algorithms: &algorithms, at };
    check_bundle(&Bundle::parse(&zip).unwrap(), &[], &rules)
}

#[track_caller]
fn check_damaged(world: &World, receipt: &Receipt, code: FindingCode, said: &str) {
    let checked = check_receipt(receipt, &world.trust(), &[]);
    assert_eq!(checked.verdict, Verdict::Damaged, "{:?}", checked.findings);
    let told = |it: &&sigillo_model::Finding| it.code == code && it.message.contains(said);
    assert!(checked.findings.iter().any(|it| told(&it)), "{said}: {:?}", checked.findings);
    if receipt.submission.is_none() {
        assert_eq!(check_as_bundle(receipt, &world.trust()).verdict, Verdict::Damaged);
    }
}

/// A sealed archive of one batch, and the receipt of all its documents.
fn documents(count: usize) -> (World, Receipt) {
    let (world, mut receipt) = receipt(&Plan { batches: vec![count], every: 1, sealed: true });
    receipt.submission = None;
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!(check.verdict, Verdict::Intact, "{:?}", check.findings);
    (world, receipt)
}

fn batch_of(receipt: &Receipt) -> BatchCommitted {
    match Entry::parse_line(receipt.batches[0].entry.line.as_bytes()).unwrap() {
        Entry::BatchCommitted(body) => body,
        other => panic!("{other:?}"),
    }
}

fn value(version: VersionId) -> Sha256Digest {
    Sha256Digest::from_bytes(*version.as_bytes())
}

#[test]
fn a_bundle_made_wholly_with_keys_of_ones_own_is_consistent_and_never_believed() {
    let plan = Plan { batches: vec![5], every: 1, sealed: true };
    let (victim, _) = receipt(&plan);
    // The same archive id, origin, name and documents, and not one key of the victim's.
    let (forger, mut invented) =
        receipt_changed(&plan, &Changes { log_key: 7, ..Changes::default() });
    invented.submission = None;
    let own = check_as_bundle(&invented, &forger.trust());
    assert_eq!(own.verdict, Verdict::Intact, "{:?}", own.findings);
    let checked = check_as_bundle(&invented, &victim.trust());
    assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
    let codes: Vec<_> = checked.findings.iter().map(|it| it.code).collect();
    for code in
        [FindingCode::OriginUnknown, FindingCode::SealOriginUnknown, FindingCode::AuthorityUnknown]
    {
        assert!(codes.contains(&code), "{code:?}: {codes:?}");
    }
    // Each key alone is not enough either: the log's with other certificates, and the reverse.
    let log = ReceiptTrust { anchors: victim.anchors.clone(), ..forger.trust() };
    let anchors = ReceiptTrust { anchors: forger.anchors.clone(), ..victim.trust() };
    for trust in [log, anchors] {
        assert_eq!(check_as_bundle(&invented, &trust).verdict, Verdict::CannotTell);
    }
    // With the victim's key stated in place of the forger's, nothing holds together.
    let (_, honest) = receipt(&plan);
    invented.archive.log = honest.archive.log;
    assert_eq!(check_as_bundle(&invented, &victim.trust()).verdict, Verdict::Damaged);
}

#[test]
fn the_64_bytes_of_two_leaves_are_no_document_of_the_batch() {
    let (world, honest) = documents(4);
    let leaves: Vec<_> = honest.documents.iter().map(|it| value(it.version_id)).collect();
    let (node, sibling) = (pair_value(leaves[0], leaves[1]), pair_value(leaves[2], leaves[3]));
    // In a tree of RFC 4998, which does not tell leaves from nodes, the file is proven.
    let mut spelt = [leaves[0], leaves[1]];
    spelt.sort_unstable();
    let file = spelt.map(|it| *it.as_bytes()).concat();
    assert_eq!((file.len(), Sha256Digest::of(&file)), (64, node));
    let (root, order_root) = (batch_of(&honest).root, batch_of(&honest).order_root);
    assert_eq!(walk_path(node, &[sibling]), root);
    assert_ne!(root, order_root);
    // Beside the receipt it is a stranger.
    let given = GivenFile { name: "due.bin".to_owned(), sha256: node, sha512: None, size: 64 };
    let beside = check_receipt(&honest, &world.trust(), &[given]);
    assert_eq!(beside.verdict, Verdict::CannotTell);
    assert_eq!(beside.findings[0].code, FindingCode::ReceiptFileUnknown);
    // As a version of its own, with each of the proofs that there are.
    for proof in [Some(Vec::new()), Some(vec![sibling]), honest.documents[0].order_proof.clone()] {
        for record in [honest.documents[0].record.clone(), "{}".to_owned()] {
            let mut forged = honest.clone();
            forged.documents.truncate(1);
            let document = &mut forged.documents[0];
            document.record_sha256 = Sha256Digest::of(record.as_bytes());
            document.record = record;
            document.version_id = VersionId::from_bytes(*node.as_bytes());
            document.tree_path = Some(vec![sibling]);
            document.order_proof.clone_from(&proof);
            let said = "its order proof does not lead to the order root";
            check_damaged(&world, &forged, FindingCode::ReceiptBatchProof, said);
            check_damaged(&world, &forged, FindingCode::ReceiptDocument, "");
        }
    }
}

#[test]
fn the_64_bytes_of_record_and_file_are_no_document_of_the_batch() {
    let (world, honest) = documents(4);
    let document = &honest.documents[1];
    let file = Sha256Digest::of(file_bytes(0, 1).as_bytes());
    let version = list_value(&[document.record_sha256, file]).unwrap();
    assert_eq!(version, value(document.version_id), "the version id is the digest of 64 bytes");
    let given = GivenFile { name: "0-1.pdf".to_owned(), sha256: version, sha512: None, size: 64 };
    let beside = check_receipt(&honest, &world.trust(), &[given]);
    assert_eq!(beside.findings[0].code, FindingCode::ReceiptFileDiffers);
    // A record without files would have the digest of the record as its version id.
    let mut record = Record::parse(document.record.as_bytes()).unwrap();
    record.files.clear();
    let mut forged = honest.clone();
    forged.documents = vec![document.clone()];
    forged.documents[0].record = String::from_utf8(record.to_json()).unwrap();
    let sha256 = Sha256Digest::of(forged.documents[0].record.as_bytes());
    forged.documents[0].record_sha256 = sha256;
    forged.documents[0].version_id = VersionId::from_bytes(*sha256.as_bytes());
    check_damaged(&world, &forged, FindingCode::ReceiptDocument, "file");
}

#[test]
fn sibling_leaves_do_not_change_places() {
    let (world, honest) = documents(4);
    let mut forged = honest.clone();
    let [first, second, ..] = &mut forged.documents[..] else { panic!("there are four") };
    std::mem::swap(&mut first.record, &mut second.record);
    std::mem::swap(&mut first.record_sha256, &mut second.record_sha256);
    std::mem::swap(&mut first.version_id, &mut second.version_id);
    std::mem::swap(&mut first.tree_path, &mut second.tree_path);
    // To a tree of RFC 4998 they are the same.
    let path = forged.documents[0].tree_path.as_ref().unwrap();
    assert_eq!(walk_path(value(forged.documents[0].version_id), path), batch_of(&honest).root);
    let said = "its order proof does not lead to the order root";
    check_damaged(&world, &forged, FindingCode::ReceiptBatchProof, said);
    // With the order proofs that would be right if the leaves had been swapped.
    let siblings = [0, 1].map(|at| honest.documents[at].version_id);
    for (document, sibling) in forged.documents.iter_mut().zip(siblings) {
        let hash = sigillo_merkle::leaf_hash(sibling.as_bytes());
        document.order_proof.as_mut().unwrap()[0] = Sha256Digest::from_bytes(*hash.as_bytes());
    }
    check_damaged(&world, &forged, FindingCode::ReceiptBatchProof, said);
}

#[test]
fn sibling_leaves_do_not_change_places_where_all_leaves_are_given() {
    let (world, honest) = documents(66);
    let mut forged = honest.clone();
    let leaves = &mut forged.batches[0].leaves.as_mut().unwrap().0;
    let (first, second) = leaves.split_at_mut(32);
    first.swap_with_slice(&mut second[..32]);
    let said = "its leaves do not give its order root";
    check_damaged(&world, &forged, FindingCode::ReceiptBatchProof, said);
    // As nodes in place of leaves: half as many, and the same evidence root.
    let mut forged = honest;
    let (pairs, _) = forged.batches[0].leaves.as_ref().unwrap().0.as_chunks::<64>();
    let nodes = pairs.iter().flat_map(|pair| {
        let (a, b) = pair.split_at(32);
        let [a, b] = [a, b].map(|it| Sha256Digest::from_bytes(it.try_into().unwrap()));
        *pair_value(a, b).as_bytes()
    });
    forged.batches[0].leaves = Some(Base64Bytes(nodes.collect()));
    let said = "another number of leaves";
    check_damaged(&world, &forged, FindingCode::ReceiptBatchProof, said);
}

/// A receipt whose statement says something else of its batch, sealed, logged and stamped with the
/// keys of the archive.
fn stated(change: &dyn Fn(&mut sigillo_model::SealedBatch)) -> (World, ReceiptCheck, Receipt) {
    let plan = Plan { batches: vec![3], every: 1, sealed: true };
    let statement = &|it: &mut sigillo_model::Statement| change(&mut it.batches[0]);
    let (world, mut receipt) = receipt_changed(&plan, &Changes { statement, ..Changes::default() });
    receipt.submission = None;
    let check = check_receipt(&receipt, &world.trust(), &[]);
    (world, check, receipt)
}

#[test]
fn a_statement_with_another_count_is_damage_though_all_keys_signed_it() {
    let (_, honest, _) = stated(&|_| ());
    assert_eq!((honest.verdict, honest.sealings), (Verdict::Intact, 1), "{:?}", honest.findings);
    for count in [2, 4, 0, u32::MAX] {
        let (world, check, receipt) = stated(&|it| it.documents = count);
        // Seal, token, log and root of the sealing are right; the log has another count.
        let codes: Vec<_> = check.findings.iter().map(|it| it.code).collect();
        let notes = [FindingCode::TrialEvidence, FindingCode::NotWitnessed];
        assert_eq!(codes, [&[FindingCode::StatementDiffers][..], &notes].concat());
        let said = "the statement of its sealing does not list it";
        check_damaged(&world, &receipt, FindingCode::StatementDiffers, said);
    }
    // Another place in the log, and another order of the leaves.
    let (world, _, receipt) = stated(&|it| it.order_root = it.root);
    check_damaged(&world, &receipt, FindingCode::StatementDiffers, "does not list it");
}
