//! What hash trees of SHA-512 leave out, and whether the objects that they consist of are there.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt as _, stream};

use sigillo_evidence_log::{Archive, BatchObjectError, Chains, LogView, read_rehashed_leaves};
use sigillo_model::{
    BATCH_DOCUMENTS_MAX, BatchId, Finding, FindingCode, HashTree, ObjectKey, Sha512Digest,
    is_sha512_line,
};
use sigillo_store::StoreError;

use crate::{Check, CustodyError, batch_check::not_read};

/// At most this many objects are looked for at once.
const LOOKED_FOR_MAX: usize = 8;

/// At most this many objects of leaves, of 6.4 MB at most, are read at once.
const READ_AHEAD_MAX: usize = 4;

/// A document, by its place in its batch.
type Member = (BatchId, u32);

/// Returns the hash trees that count, first those under first time-stamps, with what damage to them is.
pub(crate) fn trees_of(chains: &Chains) -> impl Iterator<Item = (FindingCode, &HashTree)> {
    let first = chains.first_trees().filter_map(|(_, made)| made.as_ref().ok());
    let first = first.map(|made| (FindingCode::TokenDamaged, &made.tree));
    let made = chains.rehashes().iter().filter_map(|made| made.as_ref().ok());
    first.chain(made.map(|made| (FindingCode::RenewalDamaged, &made.tree)))
}

/// Tells of the documents that were left out of hash trees when these were made, by sealing and line.
pub(crate) fn left_out_of(view: &LogView, chains: &Chains) -> Vec<Finding> {
    let (nowhere, mut findings) = (in_no_tree(chains), Vec::new());
    for (_, tree) in trees_of(chains) {
        for sealing in &tree.sealings {
            let left_out = sealing.left_out().count();
            if left_out == 0 {
                continue;
            }
            let nowhere = nowhere.get(&sealing.number).map_or(0, HashSet::len);
            let documents = documents_of(view, sealing.number);
            let (number, line) = (sealing.number, &tree.line);
            let of = if is_sha512_line(line) { "the" } else { "the new" };
            let rest = if nowhere == 0 {
                "those of another line have them all".to_owned()
            } else {
                format!(
                    "{nowhere} are in no other hash trees either; with them back from a copy of the \
                     archive, another line of SHA-512 takes them in"
                )
            };
            let message = format!(
                "{left_out} of {documents} documents of sealing {number} were left out of {of} hash trees \
                 on the evidence line {line}, for they were not there as they were archived, and never will \
                 be in these; {rest}"
            );
            let key = ObjectKey::hash_tree(tree.renewal);
            findings.push(Finding::new(FindingCode::DocumentsLeftOut, key, message));
        }
    }
    findings
}

/// Says whether every document is in hash trees of its sealing, as far as there are any; `None` if there
/// are none.
pub fn check_trees(chains: &Chains) -> Option<Check> {
    let name = "hash-trees";
    trees_of(chains).next()?;
    let nowhere = in_no_tree(chains);
    let documents: usize = nowhere.values().map(HashSet::len).sum();
    let sealings = nowhere.values().filter(|it| !it.is_empty()).count();
    if documents == 0 {
        let words = "sealings that have hash trees of SHA-512 had all their documents in some when these were \
                     made (whether all of that is there, `sigillo verify` says)";
        return Some(Check::ok(name, words));
    }
    let left = nowhere.iter().filter(|(_, left_out)| !left_out.is_empty());
    let is_renewed = left.map(|(number, _)| *number).all(|number| has_line_without(chains, number));
    let what = if is_renewed {
        "if SHA-256 falls, nothing proves these"
    } else {
        "newer time-stamps do nothing for some of these, and what came before new hash trees, if anything did, \
         ends one day (`sigillo renew` says when)"
    };
    let words = format!(
        "hash trees of SHA-512 were made without {documents} documents of {sealings} sealings, which were \
         not there as they were archived: {what}"
    );
    let mend = "sigillo verify --full   (then bring back what is damaged, and add another line of SHA-512: \
                docs/operations/README.md)";
    Some(Check::warn(name, words, mend))
}

/// Tells whether a sealing has a line without hash trees, whose newer time-stamps are of all its documents.
fn has_line_without(chains: &Chains, number: u64) -> bool {
    let mut of_sealing = chains.iter().filter(|(_, it, _)| *it == number);
    of_sealing.any(|(_, _, chain)| chain.iter().all(|it| chains.trees_under(it).is_none()))
}

/// Reads the leaves that hash trees have of some batches: nothing else leads from their documents to the
/// time-stamps over the trees. Each object is read once.
pub(crate) async fn damaged_leaves_of(
    archive: &Archive,
    chains: &Chains,
    batches: &HashSet<BatchId>,
) -> Vec<Finding> {
    let (mut seen, mut wanted) = (HashSet::new(), Vec::new());
    for (code, tree) in trees_of(chains) {
        let of_trees = tree.sealings.iter().flat_map(|sealing| &sealing.batches);
        for batch in of_trees.filter(|it| batches.contains(&it.batch)) {
            if let Some(sha256) = batch.leaves.filter(|sha256| seen.insert(*sha256)) {
                wanted.push((code, ObjectKey::hash_tree_leaves(sha256), batch));
            }
        }
    }
    let read = stream::iter(wanted)
        .map(|(code, key, batch)| async move {
            match read_rehashed_leaves(archive.store(), batch).await {
                Ok(_) => None,
                Err(BatchObjectError::Store(error)) => Some(not_read(&key, &error.into())),
                Err(error) => Some(Finding::new(code, &key, error.to_string())),
            }
        })
        .buffered(READ_AHEAD_MAX);
    read.filter_map(|finding| async move { finding }).collect().await
}

/// Looks whether the leaves and the lists that hash trees consist of are there, without reading them.
pub(crate) async fn missing_of(archive: &Archive, chains: &Chains) -> Vec<Finding> {
    let mut wanted: Vec<(FindingCode, ObjectKey)> = Vec::new();
    for (code, tree) in trees_of(chains) {
        let batches = tree.sealings.iter().flat_map(|sealing| &sealing.batches);
        let leaves = batches.filter_map(|batch| batch.leaves).map(ObjectKey::hash_tree_leaves);
        wanted.extend(leaves.map(|key| (code, key)));
        let lists = 1..=tree.objects.len() as u64;
        let lists = lists.map(|number| ObjectKey::hash_tree_objects(tree.renewal, number));
        wanted.extend(lists.map(|key| (code, key)));
    }
    let looked = stream::iter(wanted)
        .map(|(code, key)| async move { look_for(archive, code, &key).await })
        .buffered(LOOKED_FOR_MAX);
    looked.filter_map(|finding| async move { finding }).collect().await
}

async fn look_for(archive: &Archive, code: FindingCode, key: &ObjectKey) -> Option<Finding> {
    let what = match archive.store().size(key).await {
        // A list of nothing is empty; leaves are whole hashes.
        Ok(size) if is_of_leaves(key) && !is_of_hashes(size) => "it is no list of hashes",
        Ok(_) => return None,
        Err(StoreError::NotFound { .. }) => "it is not in the store",
        Err(StoreError::NotAnObject { .. }) => {
            "something that is not a regular file is in its place"
        }
        Err(source) => {
            let doing = "looking for what hash trees consist of";
            return Some(not_read(key, &CustodyError::Store { doing, source }));
        }
    };
    Some(Finding::new(code, key, what))
}

/// Length of a leaf.
const LEAF_BYTES: u64 = Sha512Digest::LENGTH_BYTES as u64;

/// Tells whether a list of leaves can have this many bytes.
fn is_of_hashes(size: u64) -> bool {
    let bytes_max = LEAF_BYTES * u64::from(BATCH_DOCUMENTS_MAX);
    (LEAF_BYTES..=bytes_max).contains(&size) && size.is_multiple_of(LEAF_BYTES)
}

fn is_of_leaves(key: &ObjectKey) -> bool {
    key.to_string().starts_with("renewals/leaves/")
}

/// Returns by sealing what all hash trees of it leave out.
fn in_no_tree(chains: &Chains) -> BTreeMap<u64, HashSet<Member>> {
    let mut nowhere: BTreeMap<u64, HashSet<Member>> = BTreeMap::new();
    for sealing in trees_of(chains).flat_map(|(_, tree)| &tree.sealings) {
        let left_out: HashSet<Member> = sealing.left_out().collect();
        match nowhere.get_mut(&sealing.number) {
            Some(known) => known.retain(|member| left_out.contains(member)),
            None => drop(nowhere.insert(sealing.number, left_out)),
        }
    }
    nowhere
}

fn documents_of(view: &LogView, number: u64) -> u64 {
    let batches = view.sealing(number).into_iter().flat_map(|it| view.batches_of(&it.body));
    batches.map(|batch| u64::from(batch.body.documents)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_leaves_is_of_whole_hashes_and_of_no_more_than_a_batch_has() {
        for (size, is_right) in [
            (0, false),
            (63, false),
            (64, true),
            (65, false),
            (LEAF_BYTES * u64::from(BATCH_DOCUMENTS_MAX), true),
            (LEAF_BYTES * (u64::from(BATCH_DOCUMENTS_MAX) + 1), false),
            (200_000_000, false),
        ] {
            assert_eq!(is_of_hashes(size), is_right, "{size}");
        }
    }
}
