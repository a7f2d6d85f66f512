//! Packs written, read back, hashed by blocks, and damaged.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use rstest::rstest;

use sigillo_model::Blake3Digest;
use sigillo_store::{
    PACK_CHUNK_BYTES, PackSink, Store,
    pack::{
        BLOCK_BYTES, ClosedPack, LargePackWriter, PackError, PackWriter, damaged_blocks,
        merge_blocks, read_pack_index, record_name, scan_pack,
    },
};
use sigillo_testkit::{Fault, FaultPlan, VolatileBackend};

use crate::support::{Claimed, Document, NONCE, blocking, folder_store, read_pack, write_pack};

/// Writes a large document in pieces of this many bytes.
fn write_large(
    packs: &dyn PackSink,
    document: &Document,
    piece_bytes: usize,
) -> Result<ClosedPack, PackError> {
    let entries = document.entries();
    let [(file_name, file), (record_name, record)] = &entries[..] else {
        panic!("a large document has one file")
    };
    let mut writer = LargePackWriter::begin(packs, NONCE, file_name.len(), file.len() as u64)?;
    for piece in file.chunks(piece_bytes) {
        writer.append(piece)?;
    }
    writer.finish(file_name, crc32fast::hash(file), record_name, record)
}

#[track_caller]
fn check_pack(packs: &dyn PackSink, pack: &ClosedPack, documents: &[Document]) {
    let source = packs.open(&pack.name).unwrap();
    assert_eq!(source.size_bytes(), pack.size_bytes);
    let index = read_pack_index(&*source).unwrap();
    assert_eq!(index.nonce, NONCE);
    let whole = read_pack(packs, pack);
    let found = index.entries.iter().map(|entry| {
        let start = usize::try_from(entry.data_offset).unwrap();
        let bytes = &whole[start..start + usize::try_from(entry.size_bytes).unwrap()];
        assert_eq!(entry.crc32, crc32fast::hash(bytes));
        (entry.name().to_string(), bytes.to_vec())
    });
    let expected = documents.iter().flat_map(Document::entries);
    assert!(found.eq(expected.map(|(name, bytes)| (name.to_string(), bytes.to_vec()))));

    let mut offset = 0;
    let scan = scan_pack(&*source, &mut |at, piece| {
        assert_eq!(at, offset);
        offset += piece.len() as u64;
    })
    .unwrap();
    assert_eq!(offset, pack.size_bytes);
    assert_eq!(scan.name_found, pack.name);
    assert_eq!(scan.blocks, pack.blocks);
    assert_eq!(pack.name, Blake3Digest::of(&whole));
    let merged = (BLOCK_BYTES as u64) < pack.size_bytes;
    assert_eq!(merge_blocks(&pack.blocks, pack.size_bytes), merged.then_some(pack.name));
}

#[rstest]
#[case::one_empty_file(vec![vec![0]])]
#[case::one_small_document(vec![vec![100]])]
#[case::a_record_and_two_files(vec![vec![10, 20]])]
#[case::several_documents(vec![vec![10], vec![0, 5000], vec![1], vec![100_000], vec![3, 2, 1]])]
#[case::more_than_a_chunk(vec![vec![PACK_CHUNK_BYTES], vec![1000, PACK_CHUNK_BYTES - 1], vec![7]])]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_gives_back_what_was_put_in(#[case] lengths: Vec<Vec<usize>>) {
    let (_folder, folder) = folder_store();
    for store in [Store::memory(tokio::runtime::Handle::current()), folder] {
        let lengths = lengths.clone();
        blocking(move || {
            let documents: Vec<_> =
                lengths.iter().zip(1..).map(|(l, number)| Document::new(number, l)).collect();
            let packs = &**store.packs();
            check_pack(packs, &write_pack(packs, &documents), &documents);
        })
        .await;
    }
}

#[rstest]
#[case(0, 1)]
#[case(1, 1)]
#[case(65_000, 1000)]
#[case(300_000, 65_536)]
#[case(PACK_CHUNK_BYTES - 200, 100_000)]
// Around the sizes at which the pack fills its first chunk exactly, header or end included.
#[case(PACK_CHUNK_BYTES, PACK_CHUNK_BYTES)]
#[case(2 * PACK_CHUNK_BYTES + 5, 1 << 20)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_pack_is_the_one_that_an_ordinary_writer_makes(
    #[case] length: usize,
    #[case] piece_bytes: usize,
) {
    let (_folder, store) = folder_store();
    blocking(move || {
        let packs = &**store.packs();
        let document = Document::new(1, &[length]);
        let large = write_large(packs, &document, piece_bytes).unwrap();
        check_pack(packs, &large, std::slice::from_ref(&document));
        assert_eq!(write_pack(packs, &[document]), large);
    })
    .await;
}

#[tokio::test]
async fn a_large_pack_that_fills_its_first_chunk_to_the_byte_is_whole() {
    let store = VolatileBackend::with_fsync().store();
    let packs = &**store.packs();
    let around = write_large(packs, &Document::new(1, &[1000]), 1000).unwrap().size_bytes - 1000;
    let header = 30 + Document::new(1, &[1]).entries()[0].0.len();
    for filled_up in [usize::try_from(around).unwrap(), header] {
        for more in [-1, 0, 1] {
            let length = (PACK_CHUNK_BYTES - filled_up).checked_add_signed(more).unwrap();
            let document = Document::new(1, &[length]);
            let large = write_large(packs, &document, 1 << 20).unwrap();
            check_pack(packs, &large, &[document]);
        }
    }
}

#[tokio::test]
async fn a_flipped_byte_is_located_to_its_block() {
    let store = VolatileBackend::with_fsync().store();
    let documents: Vec<_> = (1..=6).map(|number| Document::new(number, &[50_000, 777])).collect();
    let pack = write_pack(&**store.packs(), &documents);
    let whole = read_pack(&**store.packs(), &pack);
    assert_eq!(pack.blocks.len(), whole.len().div_ceil(BLOCK_BYTES));
    let places = (0..whole.len()).step_by(9973).chain([whole.len() - 1, 65_535, 65_536]);
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        let scan = scan_pack(&Claimed(damaged), &mut |_, _| {}).unwrap();
        assert_ne!(scan.name_found, pack.name);
        assert_eq!(damaged_blocks(&scan.blocks, &pack.blocks), [(place / BLOCK_BYTES) as u64]);
    }
}

#[tokio::test]
async fn what_would_be_no_pack_is_refused() {
    let store = VolatileBackend::with_fsync().store();
    let packs = &**store.packs();
    let refused = |writer: &mut PackWriter, change: &dyn Fn(&mut Vec<u8>, &mut Vec<_>)| {
        let (mut segment, mut entries) = Document::new(1, &[10, 20]).segment();
        change(&mut segment, &mut entries);
        let before = writer.size_bytes();
        let added = writer.add_segment(&segment, &entries);
        assert!(matches!(added, Err(PackError::Refused { .. })), "{added:?}");
        assert_eq!(writer.size_bytes(), before, "something was added nevertheless");
    };
    let mut writer = PackWriter::begin(packs, NONCE, None).unwrap();
    refused(&mut writer, &|segment, _| segment.push(0));
    refused(&mut writer, &|segment, _| segment.truncate(segment.len() - 1));
    refused(&mut writer, &|segment, _| segment[20] ^= 1);
    refused(&mut writer, &|_, entries| entries[0].crc32 ^= 1);
    refused(&mut writer, &|_, entries| entries[0].size_bytes += 1);
    refused(&mut writer, &|_, entries| entries[1].size_bytes = u64::MAX);
    refused(&mut writer, &|_, entries| entries[1].header_offset_in_segment += 1);
    refused(&mut writer, &|_, entries| {
        entries[2].name = record_name(Document::new(2, &[]).version);
    });
    refused(&mut writer, &|_, entries| entries.swap(0, 1));
    refused(&mut writer, &|_, entries| entries.truncate(entries.len() - 1));
    refused(&mut writer, &|_, entries| entries.clear());
    let (segment, entries) = Document::new(1, &[10, 20]).segment();
    writer.add_segment(&segment, &entries).unwrap();
    let pack = writer.finish().unwrap();
    check_pack(packs, &pack, &[Document::new(1, &[10, 20])]);

    let empty = PackWriter::begin(packs, NONCE, None).unwrap().finish();
    assert!(matches!(empty, Err(PackError::Refused { .. })), "{empty:?}");
}

#[tokio::test]
async fn a_large_file_of_another_length_than_was_said_is_refused() {
    let backend = VolatileBackend::with_fsync();
    let store = backend.store();
    let entries = Document::new(1, &[1000]).entries();
    let (name, record_name) = (&entries[0].0, &entries[1].0);
    let begin = |size| LargePackWriter::begin(&**store.packs(), NONCE, name.len(), size).unwrap();
    let mut longer = begin(10);
    longer.append(&[0; 10]).unwrap();
    assert!(matches!(longer.append(&[0]), Err(PackError::Refused { .. })));
    let mut shorter = begin(10);
    shorter.append(&[0; 9]).unwrap();
    assert!(matches!(shorter.finish(name, 0, record_name, b"{}"), Err(PackError::Refused { .. })));
    for (name, record_name) in
        [(&name[1..], &record_name[..]), (name, name), (record_name, record_name)]
    {
        let mut misnamed = begin(0);
        misnamed.append(&[]).unwrap();
        let finished = misnamed.finish(name, 0, record_name, b"{}");
        assert!(matches!(finished, Err(PackError::Refused { .. })), "{finished:?}");
    }
    assert!(backend.objects().is_empty());
}

#[tokio::test]
async fn a_pack_whose_store_fails_at_any_call_is_whole_or_absent() {
    let document = Document::new(1, &[PACK_CHUNK_BYTES + 10]);
    let passing = FaultPlan::none();
    let store = passing.wrap(&VolatileBackend::with_fsync().store());
    write_large(&**store.packs(), &document, 1 << 20).unwrap();
    assert_eq!(passing.calls(), 4, "a begin, two chunks and a finish");
    for number in 1..=passing.calls() {
        for fault in Fault::ALL {
            let backend = VolatileBackend::with_fsync();
            let store = FaultPlan::at(number, fault).wrap(&backend.store());
            let error = write_large(&**store.packs(), &document, 1 << 20).unwrap_err();
            assert!(matches!(error, PackError::Store { .. }), "{error:?}");
            // Only the last call makes anything visible.
            let made = number == 4 && matches!(fault, Fault::LosesAnswer | Fault::CrashesAfter);
            assert_eq!(backend.objects().len(), usize::from(made), "{fault:?} at {number}");
            let again = write_large(&**backend.store().packs(), &document, 1 << 20).unwrap();
            check_pack(&**backend.store().packs(), &again, std::slice::from_ref(&document));
        }
    }
}
