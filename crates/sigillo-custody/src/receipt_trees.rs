//! Where the documents of a receipt are in the hash trees of SHA-512 of their sealings.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sigillo_ers::EvidenceTree;
use sigillo_evidence_log::{
    Archive, BatchObjectError, Chains, LoggedBatch, Rehash, read_pack_list, read_rehashed_leaves,
};
use sigillo_model::{Blake3Digest, Entry, ObjectKey, Sha512Digest, VersionId};
use sigillo_proof::{BatchSection, DocumentTreeSection, Receipt, SealingSection};
use sigillo_store::ReadPool;

use crate::{
    CustodyError, GiveReceiptError, ReceiptLog,
    holder::Holders,
    locate::packs_of,
    receipt_lost::LeftOut,
    rehash_pack::{DigestReader, Without},
};

/// Says of every document of a receipt where it is in hash trees of SHA-512, with its second digests.
///
/// Content is read only where a record does not state the second digest of a file. What is not there as
/// it was is left out.
pub(crate) async fn place_in_trees(
    (archive, reads): (&Archive, &ReadPool),
    log: &ReceiptLog,
    receipt: &mut Receipt,
    batches: &[&LoggedBatch],
    left_out: &mut LeftOut,
) -> Result<(), GiveReceiptError> {
    let lines = lines_of(receipt);
    if lines.is_empty() {
        return Ok(());
    }
    let chains = Chains::read(archive, &log.view).await?;
    let mut placed: Vec<(usize, DocumentTreeSection)> = Vec::new();
    let mut unplaced: Vec<Unplaced<'_>> = Vec::new();
    for (number, line) in &lines {
        let Some(rehash) = rehash_of(&chains, line, *number) else { continue };
        let trees = Trees { line, number: *number, rehash };
        for (at, batch) in batches.iter().enumerate() {
            let sealed = receipt.batches[at].sealed.as_ref().map(|sealed| sealed.number);
            if sealed != Some(*number) {
                continue;
            }
            match in_batch(archive, receipt, (at, batch), trees).await? {
                Ok(found) => {
                    placed.extend(found.placed);
                    unplaced.push(Unplaced { trees, documents: found.left_out, lost: None });
                }
                Err(lost) => {
                    let documents = documents_in(receipt, at).map(|(document, _)| document);
                    let documents = documents.collect();
                    unplaced.push(Unplaced { trees, documents, lost: Some(lost) });
                }
            }
        }
    }
    for (document, place) in placed {
        receipt.documents[document].hash_trees.push(place);
    }
    for at in 0..receipt.documents.len() {
        let section = &mut receipt.documents[at];
        section.hash_trees.sort_by(|a, b| a.line.cmp(&b.line));
        if section.hash_trees.is_empty() {
            continue;
        }
        let batch = usize::try_from(section.batch).unwrap_or(usize::MAX);
        let place = (section.leaf_index, section.version_id);
        match second_digests((archive, reads), log, batches[batch], place).await? {
            Ok(digests) => receipt.documents[at].sha512 = digests,
            Err(lost) => {
                let sealed = receipt.batches[batch].sealed.as_ref().map(|sealed| sealed.number);
                for place in std::mem::take(&mut receipt.documents[at].hash_trees) {
                    let known = lines
                        .iter()
                        .find(|(number, line)| Some(*number) == sealed && *line == place.line);
                    let trees = known.and_then(|(number, line)| {
                        let rehash = rehash_of(&chains, line, *number)?;
                        Some(Trees { line, number: *number, rehash })
                    });
                    let lost = Some(lost.clone());
                    let documents = vec![at];
                    unplaced.extend(trees.map(|trees| Unplaced { trees, documents, lost }));
                }
            }
        }
    }
    for unplaced in unplaced.into_iter().filter(|it| !it.documents.is_empty()) {
        unplaced.tell(left_out);
    }
    Ok(())
}

/// Hash trees that a sealing has on a line.
#[derive(Clone, Copy)]
struct Trees<'a> {
    line: &'a str,
    /// The number of the sealing.
    number: u64,
    rehash: &'a Rehash,
}

/// Documents of one batch that have no place in hash trees of their sealing.
struct Unplaced<'a> {
    trees: Trees<'a>,
    documents: Vec<usize>,
    /// What is not there as it was; `None` if they were left out when the trees were made.
    lost: Option<NotThere>,
}

/// What is not there as it was, and what is wrong with it.
type NotThere = (ObjectKey, String);

impl Unplaced<'_> {
    /// Takes note of them.
    fn tell(self, left_out: &mut LeftOut) {
        let Trees { line, number, rehash } = self.trees;
        let (key, what) = match self.lost {
            Some((key, what)) => (key, Some(what)),
            None => (ObjectKey::hash_tree(rehash.tree.renewal), None),
        };
        left_out.places(key, (number, line), what.as_deref(), &self.documents);
    }
}

/// Returns the documents of a receipt that a sealing is of.
pub(crate) fn documents_of(receipt: &Receipt, number: u64) -> impl Iterator<Item = usize> {
    let is_of = move |batch: u64| sealing_in(&receipt.batches, batch) == Some(number);
    let documents = receipt.documents.iter().enumerate();
    documents.filter(move |(_, it)| is_of(it.batch)).map(|(at, _)| at)
}

/// Returns the number of the sealing that one of these batches leads to.
pub(crate) fn sealing_in(batches: &[BatchSection], batch: u64) -> Option<u64> {
    let batch = usize::try_from(batch).ok().and_then(|at| batches.get(at))?;
    batch.sealed.as_ref().map(|sealed| sealed.number)
}

/// Returns the sealings and lines of a receipt that have hash trees.
pub(crate) fn lines_of(receipt: &Receipt) -> Vec<(u64, String)> {
    let numbers: BTreeMap<_, _> = sections_of(receipt).collect();
    let lines = numbers.into_iter().flat_map(|(number, section)| {
        let tokens = section.tokens.iter().filter(|token| token.has_trees());
        tokens.map(move |token| (number, token.line.clone()))
    });
    lines.collect()
}

/// Returns the sealings of a receipt with their numbers.
pub(crate) fn sections_of(receipt: &Receipt) -> impl Iterator<Item = (u64, &SealingSection)> {
    receipt.sealings.iter().filter_map(|section| {
        match Entry::parse_line(section.entry.line.as_bytes()) {
            Ok(Entry::BatchesSealed(body)) => Some((body.number, section)),
            _ => None,
        }
    })
}

/// Returns the documents of a receipt that are in a batch of it, with their places there.
fn documents_in(receipt: &Receipt, batch: usize) -> impl Iterator<Item = (usize, u64)> {
    let documents = receipt.documents.iter().enumerate();
    let documents = documents.filter(move |(_, it)| usize::try_from(it.batch) == Ok(batch));
    documents.map(|(at, it)| (at, it.leaf_index))
}

fn rehash_of<'c>(chains: &'c Chains, line: &str, number: u64) -> Option<&'c Rehash> {
    chains.of(line, number).iter().find_map(|token| chains.trees_under(token))
}

/// The documents of a batch in the hash trees of its sealing.
#[derive(Default)]
struct InTrees {
    placed: Vec<(usize, DocumentTreeSection)>,
    /// Those that were left out when the trees were made.
    left_out: Vec<usize>,
}

/// Returns the places of the documents of a batch in the hash trees of its sealing.
async fn in_batch(
    archive: &Archive,
    receipt: &Receipt,
    (at, batch): (usize, &LoggedBatch),
    Trees { line, number, rehash }: Trees<'_>,
) -> Result<Result<InTrees, NotThere>, GiveReceiptError> {
    let (none, sealings) = (Ok(Ok(InTrees::default())), &rehash.tree.sealings);
    let sealing = sealings.binary_search_by_key(&number, |it| it.number).ok();
    let Some(sealing) = sealing.map(|at| &sealings[at]) else { return none };
    let place = sealing.batches.iter().position(|it| it.batch == batch.body.batch);
    let Some(place) = place else { return none };
    let (listed, above) = (&sealing.batches[place], rehash.batch_path(number, place));
    let (Some(above), Some(sha256)) = (above, listed.leaves) else {
        let left_out = documents_in(receipt, at).map(|(document, _)| document).collect();
        return Ok(Ok(InTrees { placed: Vec::new(), left_out }));
    };
    let key = ObjectKey::hash_tree_leaves(sha256);
    let leaves = match read_rehashed_leaves(archive.store(), listed).await {
        Ok(leaves) => leaves,
        Err(BatchObjectError::Store(error)) => return Err(CustodyError::Log(error).into()),
        Err(error) => return Ok(Err((key, error.to_string()))),
    };
    let tree = EvidenceTree::new(leaves);
    let mut found = InTrees::default();
    for (document, leaf_index) in documents_in(receipt, at) {
        let Ok(leaf) = u32::try_from(leaf_index) else { continue };
        // Documents that could not be read then have no leaf.
        let Err(before) = listed.left_out.binary_search(&leaf) else {
            found.left_out.push(document);
            continue;
        };
        let Some(mut path) = usize::try_from(leaf).ok().and_then(|it| tree.path(it - before))
        else {
            return Ok(Err((key, "it has too few leaves".to_owned())));
        };
        path.extend(&above);
        found.placed.push((document, DocumentTreeSection { line: line.to_owned(), path }));
    }
    Ok(Ok(found))
}

/// Returns the SHA-512 of the files of a document.
async fn second_digests(
    (archive, reads): (&Archive, &ReadPool),
    log: &ReceiptLog,
    batch: &LoggedBatch,
    (leaf_index, version): (u64, VersionId),
) -> Result<Result<Vec<Sha512Digest>, NotThere>, GiveReceiptError> {
    let key = ObjectKey::pack_list(batch.body.batch);
    let list = match read_pack_list(archive.store(), &batch.body).await {
        Ok(list) => list,
        Err(BatchObjectError::Store(error)) => return Err(CustodyError::Log(error).into()),
        Err(error) => return Ok(Err((key, error.to_string()))),
    };
    let mut end = 0;
    let pack = list.iter().find(|pack| {
        end += u64::from(pack.documents);
        leaf_index < end
    });
    let Some(pack) = pack.map(|pack| pack.name) else {
        return Ok(Err((key, "its packs do not hold all documents of the batch".to_owned())));
    };
    match read_digests((archive, reads), (pack, version), None).await? {
        Ok(digests) => Ok(Ok(digests)),
        Err(Without::Waits(wanted)) => {
            let batches = log.view.batches.iter().map(|batch| &batch.body);
            let held = packs_of(archive, batches, &wanted.into_iter().collect()).await?.packs;
            match read_digests((archive, reads), (pack, version), Some(held)).await? {
                Ok(digests) => Ok(Ok(digests)),
                Err(without) => unread(pack, without),
            }
        }
        Err(without) => unread(pack, without),
    }
}

async fn read_digests(
    (archive, reads): (&Archive, &ReadPool),
    (pack, version): (Blake3Digest, VersionId),
    held: Option<HashMap<VersionId, Blake3Digest>>,
) -> Result<Result<Vec<Sha512Digest>, Without>, GiveReceiptError> {
    let holders = Holders::new(Arc::clone(archive.store().packs()));
    let read = move || {
        let open = holders.pack(pack).map_err(Without::from)?;
        let reader = DigestReader { holders: &holders, held: held.as_ref() };
        let digests = reader.read(&open, version, &mut 0)?;
        Ok(digests.sha512[1..].to_vec())
    };
    Ok(reads.run(read).await.map_err(|_| CustodyError::Panicked)?)
}

fn unread<T>(
    pack: Blake3Digest,
    without: Without,
) -> Result<Result<T, NotThere>, GiveReceiptError> {
    let key = ObjectKey::pack(pack);
    match without {
        Without::Damaged(_, what) => Ok(Err((key, what))),
        Without::Pack(source) => Err(CustodyError::Pack { key, source }.into()),
        Without::Waits(_) => {
            Ok(Err((key, "an earlier version that it needs was not found".to_owned())))
        }
    }
}
