//! The documents and batches of the little archive.

use sigillo_ers::{EvidenceTree, tree_root, version_id};
use sigillo_merkle::{MemoryTree, inclusion_path, leaf_hash, root_of};
use sigillo_model::{
    BatchCommitted, BatchId, Description, DocumentId, DocumentKey, FileEntry, LogTime, Operation,
    Record, RecordKind, Sha256Digest, VersionId,
};
use sigillo_proof::{Base64Bytes, DocumentSection, Receipt, needs_leaves};

use crate::world::{SUBMISSION, digests, now};

/// Returns a record and its version id.
pub(crate) fn document(batch: usize, index: usize) -> (String, VersionId) {
    let name = format!("{batch}-{index}.pdf");
    let record = Record {
        description: Description { subject: Some("Bilancio".to_owned()), ..Description::default() },
        document: DocumentId::from_bytes(first_bytes(name.as_bytes())),
        files: vec![FileEntry {
            media_type: Some("application/pdf".to_owned()),
            sha256: Sha256Digest::of(file_bytes(batch, index).as_bytes()),
            size: file_bytes(batch, index).len() as u64,
            name: name.clone(),
            puid: None,
            role: "main".to_owned(),
            sha512: None,
            stored_in: None,
        }],
        format: 1,
        key: DocumentKey::Path { path: name.clone(), source: "atti".to_owned() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: LogTime::new(now()),
        salt: Sha256Digest::of(format!("salt of {name}").as_bytes()).to_string(),
        supersedes: None,
        version: 1,
    };
    let bytes = record.to_json();
    let version = version_id(Sha256Digest::of(&bytes), &[record.files[0].sha256]);
    (String::from_utf8(bytes).unwrap(), version)
}

/// Returns what the file of a document holds.
pub(crate) fn file_bytes(batch: usize, index: usize) -> String {
    format!("document {index} of batch {batch}")
}

pub(crate) fn batch(number: usize, documents: &[(String, VersionId)]) -> BatchCommitted {
    let leaves: Vec<_> =
        documents.iter().map(|(_, id)| Sha256Digest::from_bytes(*id.as_bytes())).collect();
    let order = root_of(documents.iter().map(|(_, id)| leaf_hash(id.as_bytes())));
    BatchCommitted {
        batch: BatchId::from_bytes(first_bytes(&number.to_be_bytes())),
        documents: u32::try_from(documents.len()).unwrap(),
        leaves_sha256: Sha256Digest::of(b"leaves"),
        order_root: Sha256Digest::from_bytes(*order.as_bytes()),
        packs_sha256: Sha256Digest::of(b"packs"),
        root: tree_root(&leaves).unwrap(),
        submission: SUBMISSION,
    }
}

/// Adds every so-many-th document of a batch; returns its leaves if they are needed.
pub(crate) fn add_documents(
    receipt: &mut Receipt,
    documents: &[(String, VersionId)],
    every: usize,
) -> Option<Base64Bytes> {
    let listed = documents.len().div_ceil(every) as u64;
    let with_leaves = needs_leaves(listed, documents.len() as u64);
    let leaves: Vec<_> =
        documents.iter().map(|(_, id)| Sha256Digest::from_bytes(*id.as_bytes())).collect();
    let evidence = EvidenceTree::new(leaves);
    let order: MemoryTree = documents.iter().map(|(_, id)| leaf_hash(id.as_bytes())).collect();
    for (index, (record, version)) in documents.iter().enumerate().step_by(every) {
        let proof = || digests(&inclusion_path(index as u64, order.size(), &order).unwrap());
        receipt.documents.push(DocumentSection {
            batch: receipt.batches.len() as u64,
            hash_trees: Vec::new(),
            leaf_index: index as u64,
            order_proof: (!with_leaves).then(proof),
            record: record.clone(),
            record_sha256: Sha256Digest::of(record.as_bytes()),
            sha512: Vec::new(),
            tree_path: (!with_leaves).then(|| evidence.path(index).unwrap()),
            version_id: *version,
        });
    }
    let bytes = documents.iter().flat_map(|(_, id)| *id.as_bytes()).collect();
    with_leaves.then_some(Base64Bytes(bytes))
}

fn first_bytes(text: &[u8]) -> [u8; 16] {
    Sha256Digest::of(text).as_bytes()[..16].try_into().unwrap()
}
