//! Commits to the log: signed, read back and published, in memory and in a folder.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use sigillo_evidence_log::CommitOutcome;
use sigillo_model::{BatchCommitted, BatchId, Entry, Sha256Digest, SubmissionId};
use sigillo_simulator::{LogTemplate, run_to_end};

/// Entries that are committed together.
const GROUP_ENTRIES: usize = 1000;

fn entry(number: usize) -> Entry {
    let digest = Sha256Digest::of(&number.to_be_bytes());
    Entry::BatchCommitted(BatchCommitted {
        batch: BatchId::from_bytes([7; 16]),
        documents: 1,
        leaves_sha256: digest,
        order_root: digest,
        packs_sha256: digest,
        root: digest,
        submission: SubmissionId::from_bytes([8; 16]),
    })
}

fn commits(criterion: &mut Criterion) {
    let entries: Vec<Entry> = (0..GROUP_ENTRIES).map(entry).collect();
    let template = LogTemplate::make(0).expect("nothing fails in memory");
    let world = template.world().expect("the key folder can be copied");
    let keys = world.keys().expect("the key folder can be opened");
    let writer = world.writer(world.backend().store(), &keys, 1);
    let mut log = run_to_end(writer).expect("the log can be opened");
    let mut group = criterion.benchmark_group("commit in memory");
    group.throughput(Throughput::Elements(GROUP_ENTRIES as u64)).sample_size(20);
    group.bench_function("of 1,000 entries", |bencher| {
        bencher.iter(|| match run_to_end(log.commit(&entries)) {
            Ok(CommitOutcome::Committed(committed)) => committed.size,
            other => unreachable!("nobody else writes: {other:?}"),
        });
    });
    group.finish();
}

criterion_group!(benches, commits);
criterion_main!(benches);
