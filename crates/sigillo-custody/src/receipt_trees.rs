//! Where the documents of a receipt are in the hash trees of SHA-512 of their sealings.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sigillo_ers::EvidenceTree;
use sigillo_evidence_log::{
    Archive, BatchObjectError, Chains, LoggedBatch, Rehash, read_pack_list, read_rehashed_leaves,
};
use sigillo_model::{Blake3Digest, ObjectKey, Sha512Digest, VersionId, is_sha512_line};
use sigillo_proof::{DocumentTreeSection, Receipt};
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
    for (number, line) in &lines {
        let Some(rehash) = rehash_of(&chains, line, *number) else { continue };
        for (at, batch) in batches.iter().enumerate() {
            let sealed = receipt.batches[at].sealed.as_ref().map(|sealed| sealed.number);
            if sealed == Some(*number) {
                let of = (*number, line.as_str(), rehash);
                match in_batch(archive, receipt, (at, batch), of).await? {
                    Ok(found) => placed.extend(found),
                    Err((key, what)) => not_there(log, left_out, (line, rehash), (key, &what)),
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
        if !section.hash_trees.is_empty() {
            let batch = usize::try_from(section.batch).unwrap_or(usize::MAX);
            let place = (section.leaf_index, section.version_id);
            match second_digests((archive, reads), log, batches[batch], place).await? {
                Ok(digests) => receipt.documents[at].sha512 = digests,
                Err((key, what)) => {
                    receipt.documents[at].hash_trees.clear();
                    let mut trees = lines.iter().filter_map(|(number, line)| {
                        Some((line.as_str(), rehash_of(&chains, line, *number)?))
                    });
                    if let Some(trees) = trees.next() {
                        not_there(log, left_out, trees, (key, &what));
                    }
                }
            }
        }
    }
    Ok(())
}

/// What is not there as it was, and what is wrong with it.
type NotThere = (ObjectKey, String);

/// Takes note of something that is not there of hash trees, which so prove no document of a batch: of a
/// renewal, or of the first time-stamps of a line.
fn not_there(
    log: &ReceiptLog,
    left_out: &mut LeftOut,
    (line, rehash): (&str, &Rehash),
    (key, what): (ObjectKey, &str),
) {
    if is_sha512_line(line) {
        left_out.line(&key, line, what);
    } else {
        left_out.add(&key, renewed_at(log, rehash), what);
    }
}

/// Returns the time that the token over new hash trees attests, as the log states it.
fn renewed_at<'l>(log: &'l ReceiptLog, rehash: &Rehash) -> &'l str {
    let mut rehashes = log.view.rehashes.iter().map(|it| &it.body);
    let body = rehashes.find(|it| it.renewal == rehash.tree.renewal);
    body.map_or("", |body| &body.stamped_at)
}

/// Returns the sealings and lines of a receipt that have hash trees.
fn lines_of(receipt: &Receipt) -> Vec<(u64, String)> {
    let numbers: BTreeMap<_, _> = receipt
        .sealings
        .iter()
        .filter_map(|section| {
            let entry = sigillo_model::Entry::parse_line(section.entry.line.as_bytes());
            match entry {
                Ok(sigillo_model::Entry::BatchesSealed(body)) => Some((body.number, section)),
                _ => None,
            }
        })
        .collect();
    let lines = numbers.into_iter().flat_map(|(number, section)| {
        let tokens = section.tokens.iter().filter(|token| token.has_trees());
        tokens.map(move |token| (number, token.line.clone()))
    });
    lines.collect()
}

fn rehash_of<'c>(chains: &'c Chains, line: &str, number: u64) -> Option<&'c Rehash> {
    chains.of(line, number).iter().find_map(|token| chains.trees_under(token))
}

/// Returns the places of the documents of a batch in the new hash trees of its sealing.
async fn in_batch(
    archive: &Archive,
    receipt: &Receipt,
    (at, batch): (usize, &LoggedBatch),
    (number, line, rehash): (u64, &str, &Rehash),
) -> Result<Result<Vec<(usize, DocumentTreeSection)>, NotThere>, GiveReceiptError> {
    let (none, sealings) = (Ok(Ok(Vec::new())), &rehash.tree.sealings);
    let sealing = sealings.binary_search_by_key(&number, |it| it.number).ok();
    let Some(sealing) = sealing.map(|at| &sealings[at]) else { return none };
    let place = sealing.batches.iter().position(|it| it.batch == batch.body.batch);
    let Some(place) = place else { return none };
    let (listed, above) = (&sealing.batches[place], rehash.batch_path(number, place));
    let (Some(above), Some(sha256)) = (above, listed.leaves) else { return none };
    let key = ObjectKey::hash_tree_leaves(sha256);
    let leaves = match read_rehashed_leaves(archive.store(), listed).await {
        Ok(leaves) => leaves,
        Err(BatchObjectError::Store(error)) => return Err(CustodyError::Log(error).into()),
        Err(error) => return Ok(Err((key, error.to_string()))),
    };
    let tree = EvidenceTree::new(leaves);
    if tree.root() != listed.root {
        return Ok(Err((key, "its leaves do not give the root of their batch".to_owned())));
    }
    let mut places = Vec::new();
    for (document, section) in receipt.documents.iter().enumerate() {
        if usize::try_from(section.batch) != Ok(at) {
            continue;
        }
        let Ok(leaf) = u32::try_from(section.leaf_index) else { continue };
        // Documents that could not be read then have no leaf.
        let Err(before) = listed.left_out.binary_search(&leaf) else { continue };
        let Some(mut path) = usize::try_from(leaf).ok().and_then(|it| tree.path(it - before))
        else {
            return Ok(Err((key, "it has too few leaves".to_owned())));
        };
        path.extend(&above);
        places.push((document, DocumentTreeSection { line: line.to_owned(), path }));
    }
    Ok(Ok(places))
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
