//! Evidence records of RFC 4998, made from what a receipt holds.

use sigillo_ers::{HashFunction, StampParts, tree_path, write_chain, write_record};
use sigillo_model::{BatchesSealed, Entry, Record, Sha256Digest};

use crate::{BatchSection, DocumentSection, Receipt, SealingSection};

/// An evidence record over a version of a document: its record and its files, as one group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentEvidence {
    /// The evidence line of its time-stamps.
    pub line: String,
    /// The record, DER.
    pub record: Vec<u8>,
}

/// Makes the evidence records of a document of `receipt`: one for each time-stamp of its sealing,
/// none before it is stamped, or where the receipt does not say enough.
///
/// The first list holds exactly the digests of `record.json` and of every file it lists, the
/// following ones a sibling each: up to the root of the batch, up to that of the sealing, S, up to
/// what the token covers. Nothing is checked: the record proves itself. Source: RFC 4998 §4.2,
/// `docs/format.md`, "Time-stamps".
pub fn evidence_records(receipt: &Receipt, document: &DocumentSection) -> Vec<DocumentEvidence> {
    let Some((lists, sealing)) = lists_up_to_sealing(receipt, document) else { return Vec::new() };
    let made = sealing.tokens.iter().map(|token| {
        let mut lists = lists.clone();
        lists.extend(token.path.iter().map(|sibling| alone(*sibling)));
        let hash = HashFunction::Sha256;
        let chain = write_chain(&[StampParts { hash, lists, token: &token.token.0 }]);
        DocumentEvidence { line: token.line.clone(), record: write_record(&[hash], &[&chain]) }
    });
    made.collect()
}

/// Returns the lists from the group of a document up to the value of its sealing, V.
fn lists_up_to_sealing<'r>(
    receipt: &'r Receipt,
    document: &DocumentSection,
) -> Option<(Vec<Vec<Vec<u8>>>, &'r SealingSection)> {
    let batch = receipt.batches.get(usize::try_from(document.batch).ok()?)?;
    let sealed = batch.sealed.as_ref()?;
    let is_it = |(_, body): &(&SealingSection, BatchesSealed)| body.number == sealed.number;
    let (sealing, body) =
        receipt.sealings.iter().filter_map(|it| Some((it, sealing_of(it)?))).find(is_it)?;
    let record = Record::parse(document.record.as_bytes()).ok()?;

    let mut group = vec![document.record_sha256.as_bytes().to_vec()];
    group.extend(record.files.iter().map(|file| file.sha256.as_bytes().to_vec()));
    let mut lists = vec![group];
    lists.extend(path_in_batch(batch, document)?.into_iter().map(alone));
    lists.extend(sealed.tree_path.iter().map(|sibling| alone(*sibling)));
    let signed = [body.statement_sha256, body.seal_sha256];
    lists.push(alone(sigillo_ers::list_value(&signed)?));
    Some((lists, sealing))
}

fn alone(hash: Sha256Digest) -> Vec<Vec<u8>> {
    vec![hash.as_bytes().to_vec()]
}

fn sealing_of(section: &SealingSection) -> Option<BatchesSealed> {
    match Entry::parse_line(section.entry.line.as_bytes()).ok()? {
        Entry::BatchesSealed(body) => Some(body),
        _ => None,
    }
}

/// Returns the siblings of a document up to the evidence root of its batch.
fn path_in_batch(batch: &BatchSection, document: &DocumentSection) -> Option<Vec<Sha256Digest>> {
    if let Some(path) = &document.tree_path {
        return Some(path.clone());
    }
    let (leaves, _) = batch.leaves.as_ref()?.0.as_chunks::<32>();
    let leaves: Vec<_> = leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf)).collect();
    tree_path(&leaves, usize::try_from(document.leaf_index).ok()?)
}
