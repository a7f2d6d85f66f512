//! Packs as other people's tools see them: `unzip`, Python's `zipfile` and the `zip` crate.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops at what it did not expect, and says what it skips"
)]

use std::{fs::File, io::Read as _, path::Path, process::Command};

use sigillo_model::ObjectKey;
use sigillo_store::pack::{
    ClosedPack, LargePackWriter, PackWriter, merge_blocks, read_pack_index, scan_pack,
};

use crate::support::{Document, NONCE, blocking, folder_store, packs_of, write_pack};

/// Says loudly that a tool is missing, and forbids it where everything should be there.
fn missing(tool: &str) {
    assert!(std::env::var_os("CI").is_none(), "{tool} is not on this machine");
    eprintln!("SKIPPED: {tool} is not on this machine, so it has not read the packs");
}

fn check_tool(tool: &str, arguments: &[&str], pack: &Path) {
    match Command::new(tool).args(arguments).arg(pack).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => missing(tool),
        Err(error) => panic!("{tool}: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let complained = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{tool} refused a pack: {said}{complained}");
            // Python's zipfile reports a bad entry and ends well.
            assert!(!said.contains("corrupt"), "{tool} found damage: {said}");
        }
    }
}

fn check_crate<'a>(pack: &Path, documents: impl IntoIterator<Item = &'a Document>) {
    let mut archive = zip::ZipArchive::new(File::open(pack).unwrap()).unwrap();
    let comment = format!("sigillo 1 {}", hex::encode(NONCE));
    assert_eq!(archive.comment(), comment.as_bytes());
    let mut index = 0;
    for (name, bytes) in documents.into_iter().flat_map(Document::entries) {
        let mut entry = archive.by_index(index).unwrap();
        assert_eq!(entry.name().unwrap(), name.as_str());
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        let mut found = Vec::new();
        entry.read_to_end(&mut found).unwrap();
        assert!(found == bytes, "{name} has other bytes");
        index += 1;
    }
    assert_eq!(archive.len(), index);
}

/// Writes a pack and shows it to everybody.
async fn check_pack<F>(documents: Vec<Document>, write: F)
where
    F: FnOnce(&dyn sigillo_store::PackSink, &[Document]) -> ClosedPack + Send + 'static,
{
    let (folder, store) = folder_store();
    let packs = packs_of(&store);
    let folder_path = folder.path().to_owned();
    blocking(move || {
        let pack = write(&*packs, &documents);
        let path = folder_path.join(ObjectKey::pack(pack.name).as_str());
        check_tool("unzip", &["-tqq"], &path);
        check_tool("python3", &["-m", "zipfile", "-t"], &path);
        check_crate(&path, &documents);
        let index = read_pack_index(&*packs.open(&pack.name).unwrap()).unwrap();
        let entries: usize = documents.iter().map(|document| document.files.len() + 1).sum();
        assert_eq!(index.entries.len(), entries);
    })
    .await;
}

#[tokio::test]
async fn one_small_document_is_read_by_everybody() {
    check_pack(vec![Document::new(1, &[100])], write_pack).await;
}

#[tokio::test]
async fn many_documents_are_read_by_everybody() {
    let lengths = |number: u32| vec![number as usize * 7 % 3000; 1 + number as usize % 3];
    let documents = (1..=500).map(|number| Document::new(number, &lengths(number))).collect();
    check_pack(documents, write_pack).await;
}

#[tokio::test]
async fn a_large_document_is_read_by_everybody() {
    check_pack(vec![Document::new(1, &[9_000_000])], |packs, documents| {
        let entries = documents[0].entries();
        let ((name, file), (record_name, record)) = (&entries[0], &entries[1]);
        let mut writer =
            LargePackWriter::begin(packs, NONCE, name.len(), file.len() as u64).unwrap();
        for piece in file.chunks(100_000) {
            writer.append(piece).unwrap();
        }
        writer.finish(name, crc32fast::hash(file), record_name, record).unwrap()
    })
    .await;
}

/// 70,000 entries do not fit the 16 bits of the old end record. 65,534 do, 65,535 is the mark
/// itself, and 65,536 is the first number that does not fit.
#[tokio::test]
async fn more_entries_than_16_bits_count_are_read_by_everybody() {
    let odd = |count: u32| {
        // Two entries each, but for one document of three.
        let pairs = (2..=count / 2).map(|number| Document::new(number, &[1]));
        let first = Document::new(1, if count.is_multiple_of(2) { &[1] } else { &[1, 2] });
        [first].into_iter().chain(pairs).collect::<Vec<_>>()
    };
    for count in [65_534, 65_535, 65_536, 70_000] {
        check_pack(odd(count), write_in_large_segments).await;
    }
}

fn write_in_large_segments(
    packs: &dyn sigillo_store::PackSink,
    documents: &[Document],
) -> ClosedPack {
    let mut writer = PackWriter::begin(packs, NONCE, Some(20 << 20)).unwrap();
    for documents in documents.chunks(1000) {
        let (mut segment, mut entries) = (Vec::new(), Vec::new());
        for document in documents {
            let (bytes, mut described) = document.segment();
            for entry in &mut described {
                entry.header_offset_in_segment += segment.len() as u64;
            }
            segment.extend(bytes);
            entries.extend(described);
        }
        writer.add_segment(&segment, &entries).unwrap();
    }
    writer.finish().unwrap()
}

/// Sizes and offsets beyond 32 bits. Writes and reads more than 4 GiB three times, so it runs only
/// if `SIGILLO_SLOW_TESTS` is set.
#[tokio::test]
async fn a_file_beyond_32_bits_is_read_by_everybody() {
    const FILE_BYTES: u64 = (4 << 30) + 12_345;
    if std::env::var_os("SIGILLO_SLOW_TESTS").is_none() {
        return;
    }
    let (folder, store) = folder_store();
    let packs = packs_of(&store);
    let folder_path = folder.path().to_owned();
    blocking(move || {
        let document = Document::new(1, &[1 << 20]);
        let entries = document.entries();
        let ((name, piece), (record_name, record)) = (&entries[0], &entries[1]);
        let mut writer = LargePackWriter::begin(&*packs, NONCE, name.len(), FILE_BYTES).unwrap();
        let (mut crc32, mut left) = (crc32fast::Hasher::new(), FILE_BYTES);
        while 0 < left {
            let length = usize::try_from(left).unwrap().min(piece.len());
            crc32.update(&piece[..length]);
            writer.append(&piece[..length]).unwrap();
            left -= length as u64;
        }
        let pack = writer.finish(name, crc32.finalize(), record_name, record).unwrap();
        let path = folder_path.join(ObjectKey::pack(pack.name).as_str());
        check_tool("unzip", &["-tqq"], &path);
        check_tool("python3", &["-m", "zipfile", "-t"], &path);
        let mut archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(archive.by_index(0).unwrap().size(), FILE_BYTES);
        let mut found = Vec::new();
        archive.by_index(1).unwrap().read_to_end(&mut found).unwrap();
        assert_eq!(found, record[..]);

        let source = packs.open(&pack.name).unwrap();
        let index = read_pack_index(&*source).unwrap();
        assert_eq!(index.entries[0].size_bytes, FILE_BYTES);
        assert!(u64::from(u32::MAX) < index.entries[1].header_offset);
        let scan = scan_pack(&*source, &mut |_, _| {}).unwrap();
        assert_eq!(scan.name_found, pack.name);
        assert_eq!(merge_blocks(&scan.blocks, pack.size_bytes), Some(pack.name));
    })
    .await;
}
