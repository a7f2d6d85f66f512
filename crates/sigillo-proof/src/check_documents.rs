//! Checking the documents of a receipt: record, version id, place in the batch.

use sigillo_ers::{tree_root, version_id, walk_path};
use sigillo_merkle::{leaf_hash, root_of, verify_inclusion};
use sigillo_model::{BatchCommitted, FindingCode, Record, Sha256Digest, VersionId};

use crate::{
    BatchSection, DocumentSection, Receipt,
    check::{CheckedRecord, Checker, FileMatcher, tree_hash},
};

/// How the documents of a batch show that they are in it.
enum Shown<'a> {
    /// Each by proofs of its own.
    OneByOne,
    /// By the leaves of the batch.
    Leaves(&'a [VersionId]),
    /// By leaves that are not those of the batch: a finding of their own.
    WrongLeaves,
}

/// Checks every document, and shows `files` the records that are those of their versions.
pub(crate) fn check_documents(
    checker: &mut Checker,
    receipt: &Receipt,
    batches: &[Option<BatchCommitted>],
    files: &mut FileMatcher<'_>,
) {
    let pairs = receipt.batches.iter().zip(batches);
    let leaves: Vec<_> = (0..)
        .zip(pairs)
        .map(|(number, (section, body))| check_leaves(checker, number, section, body.as_ref()))
        .collect();
    let mut before = None;
    for (number, document) in receipt.documents.iter().enumerate() {
        let place = (document.batch, document.leaf_index);
        if before.is_some_and(|before| place <= before) {
            let what = (number, document.version_id, None);
            let message = "the documents do not stand in the order of their batches";
            checker.find_document(FindingCode::ReceiptDiffers, what, message);
        }
        before = Some(place);
        let record = check_record(checker, number, document);
        let key = record.as_ref().map(|it| it.record.key.to_string());
        let batch = usize::try_from(document.batch).unwrap_or(usize::MAX);
        let what = (number, document.version_id, key);
        let outcome = match (receipt.batches.get(batch), batches.get(batch)) {
            (Some(section), Some(Some(body))) => {
                let by = match (&section.leaves, &leaves[batch]) {
                    (None, _) => Shown::OneByOne,
                    (Some(_), Some(leaves)) => Shown::Leaves(leaves),
                    (Some(_), None) => Shown::WrongLeaves,
                };
                check_place(document, body, &by)
            }
            // The batch was found wanting already.
            (Some(_), _) => continue,
            (None, _) => Err("its batch is not in the receipt"),
        };
        match outcome {
            Err(message) => checker.find_document(FindingCode::ReceiptBatchProof, what, message),
            Ok(true) if record.is_some() => checker.documents += 1,
            Ok(_) => {}
        }
        // One at a time: parsed, they take more memory than the receipt.
        if let Some(record) = &record {
            files.look_at(record, &document.sha512);
        }
    }
}

/// Checks that a record, with the digests it states, gives the version id.
fn check_record(
    checker: &mut Checker,
    number: usize,
    document: &DocumentSection,
) -> Option<CheckedRecord> {
    let code = FindingCode::ReceiptDocument;
    let what = (number, document.version_id, None);
    let bytes = document.record.as_bytes();
    let record_sha256 = Sha256Digest::of(bytes);
    if record_sha256 != document.record_sha256 {
        checker.find_document(code, what, "its record does not have the digest stated");
        return None;
    }
    match Record::parse(bytes) {
        Err(error) => checker.find_document(code, what, error.to_string()),
        Ok(record) => {
            let files: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
            if version_id(record_sha256, &files) == document.version_id {
                return Some(CheckedRecord { version: document.version_id, record });
            }
            let message = "its record and file digests do not give its version id";
            checker.find_document(code, what, message);
        }
    }
    None
}

/// Reads the leaves of a batch if they give its roots.
fn check_leaves(
    checker: &mut Checker,
    number: u64,
    section: &BatchSection,
    body: Option<&BatchCommitted>,
) -> Option<Vec<VersionId>> {
    let (bytes, body) = (section.leaves.as_ref()?, body?);
    let (leaves, rest) = bytes.0.as_chunks::<32>();
    let digests: Vec<_> = leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf)).collect();
    let message = if !rest.is_empty() || leaves.len() as u64 != u64::from(body.documents) {
        "it has another number of leaves than the log says"
    } else if tree_root(&digests) != Some(body.root) {
        "its leaves do not give its evidence root"
    } else if root_of(leaves.iter().map(|leaf| leaf_hash(leaf))) != tree_hash(body.order_root) {
        "its leaves do not give its order root"
    } else {
        return Some(leaves.iter().map(|leaf| VersionId::from_bytes(*leaf)).collect());
    };
    checker.find(FindingCode::ReceiptBatchProof, format_args!("batch {number}"), message);
    None
}

/// Checks that a document is where the receipt says in its batch; false if that is not known.
fn check_place(
    document: &DocumentSection,
    body: &BatchCommitted,
    by: &Shown<'_>,
) -> Result<bool, &'static str> {
    let (order_proof, tree_path) = match (by, &document.order_proof, &document.tree_path) {
        (Shown::OneByOne, Some(order_proof), Some(tree_path)) => (order_proof, tree_path),
        (Shown::WrongLeaves, None, None) => return Ok(false),
        (Shown::Leaves(leaves), None, None) => {
            let index = usize::try_from(document.leaf_index).ok();
            let leaf = index.and_then(|index| leaves.get(index));
            let at_its_place = leaf == Some(&document.version_id);
            return if at_its_place { Ok(true) } else { Err("it is not that leaf of its batch") };
        }
        _ => return Err("it has not exactly one sort of proof"),
    };
    let value = Sha256Digest::from_bytes(*document.version_id.as_bytes());
    if walk_path(value, tree_path) != body.root {
        return Err("its tree path does not lead to the evidence root of its batch");
    }
    let proof: Vec<_> = order_proof.iter().copied().map(tree_hash).collect();
    let (leaf, size) = (leaf_hash(document.version_id.as_bytes()), u64::from(body.documents));
    verify_inclusion(leaf, document.leaf_index, &proof, size, tree_hash(body.order_root))
        .map(|()| true)
        .map_err(|_| "its order proof does not lead to the order root of its batch")
}
