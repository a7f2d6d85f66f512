//! The whole pipeline into a store in memory: read, hash, record, pack, commit, seal, stamp.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use sigillo_simulator::Template;
use sigillo_testkit::{Durability, FaultPlan};

/// Documents of one ingest.
const DOCUMENTS: usize = 2_000;

/// Lengths of a document, in bytes.
const DOCUMENT_BYTES: [usize; 2] = [200, 19_000];

fn ingests(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("threads can be had");
    let mut group = criterion.benchmark_group("ingest into memory");
    for length in DOCUMENT_BYTES {
        let names: Vec<String> = (0..DOCUMENTS).map(|number| format!("{number:05}.txt")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), vec![b'd'; length])).collect();
        let template = runtime.block_on(Template::make(Durability::OnAnswer, 0, &files));
        let template = template.expect("nothing fails in memory");
        group.throughput(Throughput::Bytes((DOCUMENTS * length) as u64)).sample_size(10);
        let id = BenchmarkId::new("2,000 documents", length);
        group.bench_with_input(id, &template, |bencher, template| {
            let run = |mut world: sigillo_simulator::World<'_>| {
                let run = Box::pin(async { world.run(&FaultPlan::none(), 0).await });
                runtime.block_on(run).expect("nothing fails in memory");
            };
            let world = || template.world(1).expect("the key folder can be copied");
            bencher.iter_batched(world, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, ingests);
criterion_main!(benches);
