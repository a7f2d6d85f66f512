//! Prints what the index costs: building it, opening it, looking keys up, adding to it.
//!
//! Usage: `cargo run --release -p sigillo-catalogue --example index_figures FOLDER [VERSIONS]`,
//! 5,000,000 versions by default, in batches of 100,000; what the folder has already stays.
//! Figures are CPU seconds of the one thread that does all the work, so that a busy machine does
//! not change them much.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::{error::Error, fs, path::Path};

use sigillo_catalogue::{IndexedVersion, KeyIndex, RecordPlace};
use sigillo_model::{ArchiveId, Blake3Digest, DocumentId, Sha256Digest, VersionId};

const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);
const BATCH: u64 = 100_000;
/// As in the corpus of the design: documents of 19 kB in packs of 64 MiB.
const VERSIONS_PER_PACK: u64 = 3_500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give a folder for the index, and perhaps a number")?;
    let count: u64 = arguments.next().map_or(Ok(5_000_000), |text| text.parse())?;
    let folder = Path::new(&folder);
    println!("{:<32}{:>9}  {:>12}", "step", "CPU s", "memory KiB");

    let (mut index, mut added, mut dearest, mut runs_max) =
        (KeyIndex::open(folder, ARCHIVE)?, 0.0, 0.0_f64, 0);
    for batch in index.complete_to()..count / BATCH {
        let versions = batch_of(batch);
        let (result, seconds) = timed(|| index.add(batch + 1, versions))?;
        result?;
        added += seconds;
        dearest = dearest.max(seconds);
        runs_max = runs_max.max(index.runs());
    }
    show("build", added)?;
    show("the dearest add of the build", dearest)?;
    let (runs, written, kept) = (index.runs(), bytes_written()?, bytes_in(folder)?);
    drop(index);

    let (opened, seconds) = timed(|| KeyIndex::open(folder, ARCHIVE))?;
    let mut index = opened?;
    show("open", seconds)?;
    let absent: Vec<_> = (0..BATCH).map(|number| key(number + (1 << 40))).collect();
    let present: Vec<_> = (0..BATCH).map(|number| key(number * 245_489 % count)).collect();
    for (what, keys, expected) in [("absent", &absent, 0), ("present", &present, present.len())] {
        for round in ["first", "again"] {
            let (found, seconds) = timed(|| found(&index, keys))?;
            assert_eq!(found?, expected, "the index answers wrongly");
            show(&format!("{} {what} keys, {round}", keys.len()), seconds)?;
        }
    }
    let prefix = document(count / 2).to_string();
    let (documents, seconds) = timed(|| index.documents_with_prefix(&prefix[..8], 10))?;
    assert!(documents?.contains(&document(count / 2)), "the index answers wrongly");
    show("documents by 8 digits", seconds)?;
    let versions = batch_of(count / BATCH);
    let (result, seconds) = timed(|| index.add(count / BATCH + 1, versions))?;
    result?;
    show("add of 100,000", seconds)?;

    println!("runs {runs}, at most {runs_max}; {} bytes a version", kept / count);
    let per_byte = written.checked_div(kept / 100).unwrap_or(0);
    println!("written {} MB for {} MB, {per_byte} %", written / 1_000_000, kept / 1_000_000);
    Ok(())
}

fn found(index: &KeyIndex, keys: &[Sha256Digest]) -> Result<usize, Box<dyn Error>> {
    let mut found = 0;
    for key in keys {
        found += usize::from(index.lookup(*key)?.is_some());
    }
    Ok(found)
}

fn batch_of(batch: u64) -> Vec<IndexedVersion> {
    (batch * BATCH..(batch + 1) * BATCH).map(version).collect()
}

fn key(number: u64) -> Sha256Digest {
    Sha256Digest::of(&number.to_be_bytes())
}

fn document(number: u64) -> DocumentId {
    let digest = Blake3Digest::of(&number.to_be_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_bytes()[..16]);
    DocumentId::from_bytes(id)
}

fn version(number: u64) -> IndexedVersion {
    let digest = Blake3Digest::of(&number.to_le_bytes());
    IndexedVersion {
        key: key(number),
        sameness: Sha256Digest::from_bytes(*digest.as_bytes()),
        version: VersionId::from_bytes(*digest.as_bytes()),
        document: document(number),
        number: 1,
        commit: number / BATCH + 1,
        leaf: u32::try_from(number % BATCH).unwrap_or(u32::MAX),
        record: RecordPlace {
            pack: Blake3Digest::of(&(number / VERSIONS_PER_PACK).to_be_bytes()),
            offset: number % VERSIONS_PER_PACK * 19_000,
            size_bytes: 1_200,
        },
    }
}

/// Runs something and returns the CPU seconds of this thread, kernel included.
fn timed<T>(work: impl FnOnce() -> T) -> Result<(T, f64), Box<dyn Error>> {
    let before = cpu_nanoseconds()?;
    let done = work();
    #[expect(clippy::cast_precision_loss, reason = "an hour has fewer than 2^52 nanoseconds")]
    let seconds = (cpu_nanoseconds()? - before) as f64 / 1e9;
    Ok((done, seconds))
}

fn cpu_nanoseconds() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().ok_or("no figure")?.parse()?)
}

fn show(what: &str, seconds: f64) -> Result<(), Box<dyn Error>> {
    let memory = number_after("/proc/self/status", "VmRSS:")?;
    println!("{what:<32}{seconds:>9.3}  {memory:>12}");
    Ok(())
}

fn bytes_written() -> Result<u64, Box<dyn Error>> {
    number_after("/proc/self/io", "wchar:")
}

fn number_after(path: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no figure")?;
    Ok(line.split_whitespace().next().ok_or("no figure")?.parse()?)
}

fn bytes_in(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
