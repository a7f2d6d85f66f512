//! Prints what the open tables cost: making rows and segments, merging, reading.
//!
//! Usage: `cargo run --release -p sigillo-catalogue --example tables_figures [ROWS]`, 100,000 rows
//! by default. Figures are CPU seconds of the one thread that does all the work.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::{error::Error, fs};

use sigillo_catalogue::{
    RecordPlace,
    tables::{
        DescriptionColumn, FooterPlace, Segment, SegmentFooter, SortedRows, TableKind, TablePlace,
        TableRow, merge_segments, write_segment,
    },
};
use sigillo_model::{
    BatchId, Blake3Digest, Description, DocumentId, DocumentKey, FileEntry, LogTime, Operation,
    Record, RecordKind, Sha256Digest, VersionId,
};

const MERGED: u64 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse::<u64>())?;
    println!("{:<44}{:>9}  {:>12}", "step", "CPU s", "bytes a row");
    let records: Vec<Record> = (0..count).map(record).collect();
    let (rows, seconds) =
        timed(|| (0..).zip(records).map(|(n, it)| row(n, &it)).collect::<Vec<_>>());
    println!("{:<44}{:>9.3}", format!("{count} rows of records"), seconds?);
    for kind in TableKind::ALL {
        let (segment, seconds) = timed(|| write_segment(kind, &SortedRows::new(rows.clone())));
        let segment = segment?.ok_or("no rows")?;
        let per_row = segment.bytes.len() as u64 / count;
        println!("{:<44}{:>9.3}  {per_row:>12}", format!("{} written", kind.name()), seconds?);
        if kind == TableKind::Descriptions {
            let (found, seconds) = timed(|| search(&segment));
            println!("{:<44}{:>9.3}", format!("six columns read, {} found", found?), seconds?);
        }
        let part = usize::try_from(count / MERGED)?.max(1);
        let parts =
            rows.chunks(part).map(|rows| write_segment(kind, &SortedRows::new(rows.to_vec())));
        let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
        let inputs: Vec<(FooterPlace, _)> =
            parts.into_iter().flatten().map(|it| (it.footer, it.bytes)).collect();
        let (merged, seconds) = timed(|| merge_segments(kind, &inputs));
        assert_eq!(merged?.rows, count, "rows were lost");
        println!("{:<44}{:>9.3}", format!("merged from {}", inputs.len()), seconds?);
    }
    Ok(())
}

fn search(segment: &Segment) -> Result<usize, Box<dyn Error>> {
    use DescriptionColumn::{DocumentId, FileNames, Key, Path, Subject, Version};
    let footer = SegmentFooter::of_whole(TableKind::Descriptions, segment.footer, &segment.bytes)?;
    let mut found = 0;
    for group in 0..footer.row_groups() {
        let mut chunks = Vec::new();
        for column in [DocumentId, Version, Key, Path, Subject, FileNames] {
            let range = footer.chunk(group, column);
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            chunks.push((column, segment.bytes.slice(range)));
        }
        let mut reader = footer.read(group, chunks)?;
        while let Some(rows) = reader.next_rows(4096)? {
            let hits = (0..rows.len()).filter(|row| {
                [Key, Path, Subject, FileNames].iter().any(|column| {
                    rows.text(*column, *row).is_some_and(|text| text.contains("strada 77"))
                })
            });
            found += hits.count();
        }
    }
    Ok(found)
}

fn row(number: u64, record: &Record) -> TableRow {
    let digest = Blake3Digest::of(&number.to_le_bytes());
    let place = TablePlace {
        commit: 2,
        batch: BatchId::from_bytes([4; 16]),
        leaf: u32::try_from(number).unwrap_or(u32::MAX),
        record: RecordPlace {
            pack: Blake3Digest::of(&(number / 6_000).to_be_bytes()),
            offset: number % 6_000 * 19_000,
            size_bytes: 900,
        },
    };
    TableRow::new(VersionId::from_bytes(*digest.as_bytes()), record, place)
}

fn record(number: u64) -> Record {
    let digest = Blake3Digest::of(&number.to_be_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_bytes()[..16]);
    let path = format!("{:03}/documento-{number:07}.pdf", number / 1000);
    Record {
        description: Description {
            class: Some(format!("VI.{}", number % 60)),
            subject: Some(format!("Lavori di manutenzione della strada {}", number % 10_000)),
            document_type: Some("delibera".to_owned()),
            ..Description::default()
        },
        document: DocumentId::from_bytes(id),
        files: vec![FileEntry {
            media_type: Some("application/pdf".to_owned()),
            name: format!("documento-{number:07}.pdf"),
            puid: Some("fmt/18".to_owned()),
            role: "main".to_owned(),
            sha256: Sha256Digest::from_bytes(*digest.as_bytes()),
            size: 19_000 + number % 100,
            sha512: None,
            stored_in: None,
        }],
        format: 1,
        key: DocumentKey::Path { path, source: "corpus".to_owned() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: LogTime::new(jiff::Timestamp::UNIX_EPOCH),
        salt: String::new(),
        supersedes: None,
        version: 1,
    }
}

/// Runs something and returns the CPU seconds of this thread, kernel included.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Result<f64, Box<dyn Error>>) {
    let before = cpu_nanoseconds();
    let done = work();
    let seconds = before.and_then(|before| {
        #[expect(clippy::cast_precision_loss, reason = "an hour has fewer than 2^52 nanoseconds")]
        Ok((cpu_nanoseconds()? - before) as f64 / 1e9)
    });
    (done, seconds)
}

fn cpu_nanoseconds() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().ok_or("no figure")?.parse()?)
}
