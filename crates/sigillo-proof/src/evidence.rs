//! Evidence records of RFC 4998, made from what a receipt holds.

use std::collections::HashMap;

use sigillo_ers::{
    EvidenceTree, HashFunction, StampParts, list_value, renewal_lists, write_chain, write_record,
};
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

/// Makes the evidence records of the documents of one receipt. Nothing in it is checked: an evidence
/// record proves itself.
#[derive(Debug)]
pub struct EvidenceMaker<'r> {
    receipt: &'r Receipt,
    /// The trees of the batches that have their leaves in the receipt.
    trees: Vec<Option<EvidenceTree>>,
    /// The sealings whose entry can be read, by their number.
    sealings: HashMap<u64, (&'r SealingSection, BatchesSealed)>,
}

impl<'r> EvidenceMaker<'r> {
    /// Computes what the documents of the receipt share.
    pub fn new(receipt: &'r Receipt) -> Self {
        let sealings = receipt.sealings.iter().filter_map(|section| {
            let body = sealing_of(section)?;
            Some((body.number, (section, body)))
        });
        Self {
            receipt,
            trees: receipt.batches.iter().map(tree_of).collect(),
            sealings: sealings.collect(),
        }
    }

    /// Makes the evidence records of a document: one for each time-stamp of its sealing, none before
    /// it is stamped, or where the receipt does not say enough.
    ///
    /// The first list holds exactly the digests of `record.json` and of every file it lists, the
    /// following ones a sibling each: up to the root of the batch, up to that of the sealing, S, up
    /// to what the token covers. Renewals follow as further time-stamps of the chain, without those whose
    /// token is lost: each names all before it, so none needs another. Source: RFC 4998 §4.2, §5.2,
    /// `docs/format.md`, "Evidence records".
    pub fn records_of(&self, document: &DocumentSection) -> Vec<DocumentEvidence> {
        let Some((lists, sealing)) = self.lists_up_to_sealing(document) else { return Vec::new() };
        let made = sealing.tokens.iter().map(|token| {
            let mut lists = lists.clone();
            lists.extend(token.path.iter().map(|sibling| alone(*sibling)));
            let hash = HashFunction::Sha256;
            let mut stamps = vec![StampParts { hash, lists, token: &token.token.0 }];
            for (place, renewal) in token.renewals.iter().enumerate() {
                // A list names also a token that is lost; its own time-stamp is left out.
                let (Some(raw), Some(older)) = (&renewal.token, token.older_than(place)) else {
                    continue;
                };
                let lists = renewal_lists(&older, &renewal.path);
                stamps.push(StampParts { hash, lists, token: &raw.0 });
            }
            let record = write_record(&[hash], &[&write_chain(&stamps)]);
            DocumentEvidence { line: token.line.clone(), record }
        });
        made.collect()
    }

    /// Returns the lists from the group of a document up to the value of its sealing, V.
    fn lists_up_to_sealing(
        &self,
        document: &DocumentSection,
    ) -> Option<(Vec<Vec<Vec<u8>>>, &'r SealingSection)> {
        let place = usize::try_from(document.batch).ok()?;
        let sealed = self.receipt.batches.get(place)?.sealed.as_ref()?;
        let (sealing, body) = self.sealings.get(&sealed.number)?;
        let record = Record::parse(document.record.as_bytes()).ok()?;

        let mut group = vec![document.record_sha256.as_bytes().to_vec()];
        group.extend(record.files.iter().map(|file| file.sha256.as_bytes().to_vec()));
        let path = match (&document.tree_path, self.trees.get(place)?) {
            (Some(path), _) => path.clone(),
            (None, Some(tree)) => tree.path(usize::try_from(document.leaf_index).ok()?)?,
            (None, None) => return None,
        };
        let mut lists = vec![group];
        lists.extend(path.into_iter().map(alone));
        lists.extend(sealed.tree_path.iter().map(|sibling| alone(*sibling)));
        lists.push(alone(list_value(&[body.statement_sha256, body.seal_sha256])?));
        Some((lists, sealing))
    }
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

fn tree_of(batch: &BatchSection) -> Option<EvidenceTree> {
    let (leaves, _) = batch.leaves.as_ref()?.0.as_chunks::<32>();
    let leaves = leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf)).collect();
    Some(EvidenceTree::new(leaves))
}
