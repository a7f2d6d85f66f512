//! Evidence records of RFC 4998, made from what a receipt holds.

use std::collections::HashMap;

use sigillo_ers::{
    ChainStamps, EvidenceTree, HashFunction, list_value, rehashed_group, write_record,
};
use sigillo_model::{BatchesSealed, Entry, EvidenceDigest, Record, Sha256Digest, Sha512Digest};

use crate::{
    BatchSection, DocumentSection, Receipt, SealingSection, TokenSection, renewals::ChainSection,
};

/// Lists of a reduced hash tree, and the siblings above them, one by one.
type Lists = (Vec<Vec<Vec<u8>>>, Vec<Sha256Digest>);

/// An evidence record over a version of a document: its record and its files, as one group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentEvidence {
    /// The evidence line of its time-stamps.
    pub line: String,
    /// The place of the line among those of its sealing, from 1.
    pub place: usize,
    /// How many chains it has: two if the document is in the new hash trees of its sealing.
    pub chains: usize,
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
    /// to what the token covers. On a line of SHA-512 they lead through the hash trees of that. Renewals
    /// follow as further time-stamps of the chain, new hash trees as a second chain. Source: RFC 4998
    /// §4.2, §5.2, `docs/format.md`, "Evidence records".
    pub fn records_of(&self, document: &DocumentSection) -> Vec<DocumentEvidence> {
        let Some((lists, sealing)) = self.lists_up_to_sealing(document) else { return Vec::new() };
        let made = (1..).zip(&sealing.tokens).filter_map(|(place, token)| {
            let (first, hash) = if token.is_over_trees() {
                let chain = token.chains().next()?;
                (tree_chain(document, (token, chain), &[])?, HashFunction::Sha512)
            } else {
                (first_chain(token, lists.clone()), HashFunction::Sha256)
            };
            let mut hashes = vec![hash];
            let newer = token.chains().nth(1);
            let second = newer.and_then(|chain| tree_chain(document, (token, chain), &[&first]));
            if second.is_some() {
                hashes.push(HashFunction::Sha512);
            }
            let chains: Vec<&[u8]> =
                std::iter::once(&first).chain(&second).map(Vec::as_slice).collect();
            let record = write_record(&hashes, &chains);
            Some(DocumentEvidence { line: token.line.clone(), place, chains: chains.len(), record })
        });
        made.collect()
    }

    /// Returns what a document is in the hash trees of its sealing on a line: the value of record and
    /// files, joined with their older chain if they have one. `None` where the receipt does not say
    /// enough.
    pub(crate) fn tree_value(
        &self,
        document: &DocumentSection,
        line: &str,
    ) -> Option<Sha512Digest> {
        let (lists, sealing) = self.lists_up_to_sealing(document)?;
        let token = sealing.tokens.iter().find(|token| token.line == line)?;
        let group = group_of(document);
        if token.is_over_trees() {
            return list_value(&group);
        }
        list_value(&rehashed_group(&group, &[&first_chain(token, lists)]))
    }

    /// Returns the sealing of a document, if it has one that can be read.
    pub(crate) fn sealing_of(
        &self,
        document: &DocumentSection,
    ) -> Option<&(&'r SealingSection, BatchesSealed)> {
        let batch = self.receipt.batches.get(usize::try_from(document.batch).ok()?)?;
        self.sealings.get(&batch.sealed.as_ref()?.number)
    }

    /// Returns the sealings that can be read, each once, by number.
    pub(crate) fn sealings(&self) -> impl Iterator<Item = &(&'r SealingSection, BatchesSealed)> {
        let mut known: Vec<_> = self.sealings.values().collect();
        known.sort_by_key(|(_, body)| body.number);
        known.into_iter()
    }

    /// Returns the lists from the group of a document up to the value of its sealing, V.
    fn lists_up_to_sealing(
        &self,
        document: &DocumentSection,
    ) -> Option<(Lists, &'r SealingSection)> {
        let place = usize::try_from(document.batch).ok()?;
        let sealed = self.receipt.batches.get(place)?.sealed.as_ref()?;
        let (sealing, body) = self.sealings.get(&sealed.number)?;
        let record = Record::parse(document.record.as_bytes()).ok()?;

        let mut group = vec![document.record_sha256.as_bytes().to_vec()];
        group.extend(record.files.iter().map(|file| file.sha256.as_bytes().to_vec()));
        let mut path = match (&document.tree_path, self.trees.get(place)?) {
            (Some(path), _) => path.clone(),
            (None, Some(tree)) => tree.path(usize::try_from(document.leaf_index).ok()?)?,
            (None, None) => return None,
        };
        path.extend(&sealed.tree_path);
        path.push(list_value(&[body.statement_sha256, body.seal_sha256])?);
        Some(((vec![group], path), sealing))
    }
}

/// Returns what statement and seal are in the hash trees of their sealing: their value as a group,
/// joined with their older chain if they have one.
pub(crate) fn sealing_tree_value(
    section: &SealingSection,
    body: &BatchesSealed,
    token: &TokenSection,
) -> Option<Sha512Digest> {
    let again = second_digests(section);
    if token.is_over_trees() {
        return list_value(&again);
    }
    list_value(&rehashed_group(&again, &[&sealing_chain(body, token)]))
}

/// Makes the evidence record of a time-stamp and all that came after it over statement and seal, as one
/// group: what a document of the sealing has, without what leads from it to the sealing.
pub(crate) fn sealing_record(
    section: &SealingSection,
    body: &BatchesSealed,
    token: &TokenSection,
) -> Vec<u8> {
    let again = second_digests(section);
    let (mut hashes, mut chains) = (Vec::new(), Vec::<Vec<u8>>::new());
    for chain in token.chains() {
        let older: Vec<&[u8]> = chains.iter().map(Vec::as_slice).collect();
        let written = match (chain.is_sha512, &token.hash_tree) {
            (false, _) => sealing_chain(body, token),
            (true, Some(tree)) if chain.place > 0 => {
                chain_over_trees(&again, &tree.path, chain, &older)
            }
            (true, _) => chain_over_trees(&again, &token.path, chain, &older),
        };
        hashes.push(if chain.is_sha512 { HashFunction::Sha512 } else { HashFunction::Sha256 });
        chains.push(written);
    }
    let chains: Vec<&[u8]> = chains.iter().map(Vec::as_slice).collect();
    write_record(&hashes, &chains)
}

/// Returns the SHA-512 of statement and seal.
fn second_digests(section: &SealingSection) -> [Sha512Digest; 2] {
    [section.statement.as_bytes(), &section.seal.0].map(Sha512Digest::of)
}

/// Writes the chain of SHA-256 over statement and seal.
fn sealing_chain(body: &BatchesSealed, token: &TokenSection) -> Vec<u8> {
    let signed = [body.statement_sha256, body.seal_sha256];
    let group = signed.iter().map(|digest| digest.as_bytes().to_vec()).collect();
    first_chain(token, (vec![group], vec![body.root]))
}

/// Writes the chain of the first time-stamp of a line and of its renewals.
fn first_chain(token: &TokenSection, (lists, path): Lists) -> Vec<u8> {
    let own = path.into_iter().map(EvidenceDigest::from);
    let path: Vec<EvidenceDigest> = own.chain(token.path.iter().copied()).collect();
    let mut stamps = ChainStamps::new(HashFunction::Sha256, &path, &token.token.0);
    add_renewals(&mut stamps, token.chains().next());
    stamps.write(lists)
}

/// Writes the chain of a time-stamp over hash trees, if the document is in them.
fn tree_chain(
    document: &DocumentSection,
    (token, chain): (&TokenSection, ChainSection<'_>),
    older: &[&[u8]],
) -> Option<Vec<u8>> {
    let place = document.hash_trees.iter().find(|place| place.line == token.line)?;
    Some(chain_over_trees(&group_of(document), &place.path, chain, older))
}

/// Writes the chain of a time-stamp over hash trees, and of its renewals, for a group whose value leads
/// there by `path`.
fn chain_over_trees<D: Into<EvidenceDigest> + Copy>(
    group: &[Sha512Digest],
    path: &[D],
    chain: ChainSection<'_>,
    older: &[&[u8]],
) -> Vec<u8> {
    let mut stamps = ChainStamps::new(HashFunction::Sha512, path, chain.first);
    add_renewals(&mut stamps, Some(chain));
    let bytes = |digest: &Sha512Digest| digest.as_bytes().to_vec();
    let first = if older.is_empty() {
        group.iter().map(bytes).collect()
    } else {
        rehashed_group(group, older).iter().map(bytes).collect()
    };
    stamps.write(vec![first])
}

/// Adds the renewals of a chain, without those whose token is lost: each names all before it, so none
/// needs another.
fn add_renewals<'r>(stamps: &mut ChainStamps<'r>, chain: Option<ChainSection<'r>>) {
    let Some(chain) = chain else { return };
    for renewal in chain.renewals {
        match (&renewal.token, chain.digest_of(renewal)) {
            (Some(raw), _) => stamps.renew(&renewal.path, &raw.0),
            (None, Some(digest)) => stamps.lose(digest),
            (None, None) => {}
        }
    }
}

/// Returns the SHA-512 of record and files.
fn group_of(document: &DocumentSection) -> Vec<Sha512Digest> {
    let record = Sha512Digest::of(document.record.as_bytes());
    std::iter::once(record).chain(document.sha512.iter().copied()).collect()
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
