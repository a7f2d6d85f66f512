//! What every byte of a document goes through: SHA-256, CRC-32 and, as part of a pack, BLAKE3.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};
use sigillo_model::Sha256Digest;

/// Small documents show the cost per document, large ones the hash itself.
const DOCUMENT_BYTES: [usize; 4] = [4 << 10, 19_000, 256 << 10, 16 << 20];

/// Bytes of a pack that are hashed in one call.
const PIECE_BYTES: usize = 4 << 20;

fn document(length: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(length).collect()
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    for length in DOCUMENT_BYTES {
        let bytes = document(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_with_input(BenchmarkId::new("sha-256", length), &bytes, |bencher, bytes| {
            bencher.iter(|| Sha256Digest::of(bytes));
        });
        let id = BenchmarkId::new("sha-256 of RustCrypto", length);
        group.bench_with_input(id, &bytes, |bencher, bytes| {
            bencher.iter(|| Sha256::digest(bytes));
        });
        group.bench_with_input(BenchmarkId::new("crc-32", length), &bytes, |bencher, bytes| {
            bencher.iter(|| crc32fast::hash(bytes));
        });
    }
    group.finish();
}

fn pieces(criterion: &mut Criterion) {
    let bytes = document(PIECE_BYTES);
    let mut group = criterion.benchmark_group("pack");
    group.throughput(Throughput::Bytes(PIECE_BYTES as u64));
    group.bench_function("blake3, one thread", |bencher| bencher.iter(|| blake3::hash(&bytes)));
    group.finish();
}

criterion_group!(benches, documents, pieces);
criterion_main!(benches);
