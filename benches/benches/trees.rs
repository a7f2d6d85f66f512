//! The trees: RFC 6962 for the log and the order of a batch, RFC 4998 for its evidence.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use sigillo_ers::{EvidenceTree, tree_path, tree_root, version_id};
use sigillo_merkle::{
    Frontier, MemoryTree, TreeHash, inclusion_path, leaf_hash, root_of, verify_inclusion,
};
use sigillo_model::Sha256Digest;

/// Entries of a large log.
const ENTRIES: u64 = 1_000_000;

/// Documents of a full batch.
const DOCUMENTS: u64 = 100_000;

/// Batches under one seal.
const SEALED_BATCHES: u64 = 100;

/// Length of an entry, in bytes: that of `batch.committed`.
const ENTRY_BYTES: usize = 420;

fn hashes(count: u64) -> Vec<TreeHash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

fn digests(count: u64) -> Vec<Sha256Digest> {
    (0..count).map(|number| Sha256Digest::of(&number.to_be_bytes())).collect()
}

fn log_tree(criterion: &mut Criterion) {
    let leaves = hashes(ENTRIES);
    let entry = vec![b'e'; ENTRY_BYTES];
    let mut group = criterion.benchmark_group("log tree");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hash and add one entry", |bencher| {
        let mut tree = Frontier::default();
        bencher.iter(|| tree.push(leaf_hash(&entry)));
    });
    group.throughput(Throughput::Elements(ENTRIES)).sample_size(10);
    group.bench_function("root over 1,000,000 leaves", |bencher| {
        bencher.iter(|| root_of(leaves.iter().copied()));
    });
    group.finish();

    let tree: MemoryTree = leaves.iter().copied().collect();
    let root = root_of(leaves.iter().copied());
    let index = ENTRIES * 2 / 3;
    let leaf = leaves[usize::try_from(index).expect("a million fits")];
    let path = inclusion_path(index, ENTRIES, &tree).expect("the tree is whole");
    let mut group = criterion.benchmark_group("one entry of 1,000,000");
    group.bench_function("prove", |bencher| bencher.iter(|| inclusion_path(index, ENTRIES, &tree)));
    group.bench_function("check", |bencher| {
        bencher.iter(|| verify_inclusion(leaf, index, &path, ENTRIES, root));
    });
    group.finish();
}

fn evidence_tree(criterion: &mut Criterion) {
    let leaves = digests(DOCUMENTS);
    let mut group = criterion.benchmark_group("evidence");
    group.throughput(Throughput::Elements(DOCUMENTS)).sample_size(20);
    group.bench_function("root of a batch of 100,000", |bencher| {
        bencher.iter(|| tree_root(&leaves));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("path of one document of 100,000", |bencher| {
        bencher.iter(|| tree_path(&leaves, 66_666));
    });
    group.bench_function("version id of a document of one file", |bencher| {
        bencher.iter(|| version_id(leaves[0], &leaves[1..2]));
    });
    group.finish();
}

/// Everything that a receipt says of one document and its batch, from trees that are in memory: its place
/// among the leaves, its path to the batch's root, that root's path to the sealed one, and the entry's in
/// the log.
fn one_document(criterion: &mut Criterion) {
    let order: MemoryTree = hashes(DOCUMENTS).into_iter().collect();
    let batch = EvidenceTree::new(digests(DOCUMENTS));
    let sealing = EvidenceTree::new(digests(SEALED_BATCHES));
    let log: MemoryTree = hashes(ENTRIES).into_iter().collect();
    let (document, sealed) = (66_666, 66);
    criterion.bench_function("prove one document, all trees in memory", |bencher| {
        bencher.iter(|| {
            let order_proof =
                inclusion_path(66_666, DOCUMENTS, &order).expect("it is in the batch");
            let tree_path = batch.path(document).expect("it is in the batch");
            let sealed_path = sealing.path(sealed).expect("the batch is sealed");
            let log_proof = inclusion_path(666_666, ENTRIES, &log).expect("it is in the log");
            (order_proof, tree_path, sealed_path, log_proof)
        });
    });
}

criterion_group!(benches, log_tree, evidence_tree, one_document);
criterion_main!(benches);
