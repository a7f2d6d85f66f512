//! Bytes that are no pack of ours: each is refused, or found to be another pack.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use proptest::prelude::*;

use sigillo_store::{
    BackendError, PackSource,
    pack::{PACK_DIRECTORY_BYTES_MAX, PACK_ENTRIES_MAX, PackError, PackIndex, read_pack_index},
};
use sigillo_testkit::VolatileBackend;

use crate::support::{Claimed, Document, read_pack, write_pack};

/// Bytes of the end record with its comment.
const END_BYTES: usize = 22 + 42;

fn small_pack() -> Vec<u8> {
    let store = VolatileBackend::with_fsync().store();
    let documents = [Document::new(1, &[100, 7]), Document::new(2, &[33])];
    let pack = write_pack(&**store.packs(), &documents);
    read_pack(&**store.packs(), &pack)
}

/// Reads where the directory begins from the end record.
fn directory_offset(pack: &[u8]) -> usize {
    let end = &pack[pack.len() - END_BYTES..];
    u32::from_le_bytes(*end[16..].first_chunk().unwrap()) as usize
}

fn read(bytes: Vec<u8>) -> Result<PackIndex, PackError> {
    read_pack_index(&Claimed(bytes))
}

#[track_caller]
fn check_refused(bytes: Vec<u8>, what: &str) {
    let read = read(bytes);
    assert!(matches!(read, Err(PackError::Malformed { .. })), "{what}: {read:?}");
}

#[test]
fn every_truncation_is_refused() {
    let pack = small_pack();
    for length in 0..pack.len() {
        check_refused(pack[..length].to_vec(), &format!("{length} bytes"));
        check_refused(pack[pack.len() - length..].to_vec(), &format!("the last {length} bytes"));
    }
}

#[test]
fn what_stands_around_a_pack_is_refused() {
    let pack = small_pack();
    for length in [1, 2, 22, 64, 76, 100, 70_000] {
        for byte in [0, b'P', 0xff] {
            let junk = vec![byte; length];
            check_refused([&pack[..], &junk].concat(), "junk behind");
            check_refused([&junk, &pack[..]].concat(), "junk in front");
        }
        let middle = directory_offset(&pack);
        let (front, back) = pack.split_at(middle);
        check_refused([front, &vec![0; length], back].concat(), "a gap before the directory");
        let (front, back) = pack.split_at(pack.len() - END_BYTES);
        check_refused([front, &vec![0; length], back].concat(), "a gap before the end");
    }
    check_refused([&pack[..], &pack].concat(), "two packs in one file");
}

/// No two byte strings mean the same pack: what the index says leaves no byte of directory and end
/// unaccounted for.
#[test]
fn every_flipped_bit_of_directory_and_end_is_refused_or_says_something_else() {
    let pack = small_pack();
    let index = read(pack.clone()).unwrap();
    let (mut refused, mut other) = (0, 0);
    for place in directory_offset(&pack)..pack.len() {
        for bit in 0..8 {
            let mut flipped = pack.clone();
            flipped[place] ^= 1 << bit;
            match read(flipped) {
                Err(PackError::Malformed { .. }) => refused += 1,
                Ok(found) => {
                    assert_ne!(found, index, "bit {bit} of byte {place} says nothing");
                    other += 1;
                }
                Err(error) => panic!("bit {bit} of byte {place}: {error:?}"),
            }
        }
    }
    assert!(refused > other, "{refused} refused, {other} read as another pack");
}

#[test]
fn an_end_that_promises_too_much_is_refused_before_it_is_believed() {
    let pack = small_pack();
    let end = pack.len() - END_BYTES;
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = pack.clone();
        changed[end + at..end + at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for count in [0_u16, 1, 4, 6, 0xfffe, 0xffff] {
        let twice = [count.to_le_bytes(), count.to_le_bytes()].concat();
        check_refused(with(8, &twice), &format!("{count} entries"));
    }
    for number in [0_u32, 1, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff] {
        check_refused(with(12, &number.to_le_bytes()), &format!("a directory of {number} bytes"));
        check_refused(with(16, &number.to_le_bytes()), &format!("a directory at {number}"));
    }
    // An end that points to a ZIP64 record that is made up.
    let offset = directory_offset(&pack);
    for (entries, bytes, at) in [
        (u64::MAX, u64::MAX, u64::MAX),
        (70_000, u64::MAX, 0),
        (u64::MAX, 1 << 40, 1),
        (70_000, 70_000 * 46, 0),
        (5, (end - offset) as u64, offset as u64),
    ] {
        let mut record = b"PK\x06\x06".to_vec();
        record.extend(44_u64.to_le_bytes());
        record.extend([45, 3, 45, 0]);
        record.extend([0; 8]);
        for number in [entries, entries, bytes, at] {
            record.extend(number.to_le_bytes());
        }
        record.extend(b"PK\x06\x07\0\0\0\0");
        record.extend((end as u64).to_le_bytes());
        record.extend(1_u32.to_le_bytes());
        let mut plain = pack[end..].to_vec();
        plain[8..20].fill(0xff);
        check_refused([&pack[..end], &record, &plain].concat(), &format!("{entries} entries"));
    }
}

/// Unlike junk alone, these are packs whose ends tell the truth about where things lie.
#[test]
fn bytes_that_no_entry_accounts_for_are_refused() {
    let pack = small_pack();
    let (offset, end) = (directory_offset(&pack), pack.len() - END_BYTES);
    let (entries, directory, tail) = (&pack[..offset], &pack[offset..end], &pack[end..]);
    let with_end = |directory_bytes: usize, offset: usize| {
        let mut tail = tail.to_vec();
        tail[12..16].copy_from_slice(&u32::try_from(directory_bytes).unwrap().to_le_bytes());
        tail[16..20].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        tail
    };
    let same = [entries, directory, &with_end(directory.len(), offset)].concat();
    assert_eq!(same, pack);
    for length in [1, 46, 1000] {
        let junk = vec![b'x'; length];
        let end = with_end(directory.len(), offset + length);
        check_refused([entries, &junk, directory, &end].concat(), "a gap after the last entry");
        check_refused([&junk, entries, directory, &end].concat(), "a gap before the first entry");
        let end = with_end(directory.len() + length, offset);
        check_refused([entries, directory, &junk, &end].concat(), "a gap in the directory");
        check_refused([entries, &junk, directory, &end].concat(), "a gap before the directory");
        if length < 100 {
            let end = with_end(directory.len(), offset - length);
            let fewer = &entries[..offset - length];
            check_refused([fewer, directory, &end].concat(), "a last entry cut short");
        }
    }
}

#[test]
fn a_pack_that_breaks_off_after_a_file_is_refused() {
    let pack = small_pack();
    let (offset, end) = (directory_offset(&pack), pack.len() - END_BYTES);
    let index = read(pack.clone()).unwrap();
    let mut records = Vec::new();
    let mut at = offset;
    while at < end {
        let name_bytes = u16::from_le_bytes(*pack[at + 28..].first_chunk().unwrap());
        records.push(at);
        at += 46 + usize::from(name_bytes);
    }
    assert_eq!(records.len(), index.entries.len());
    // Cut before the record of the first document, and before that of the second.
    for kept in [0, 1, 2, 4] {
        let cut = index.entries[kept].header_offset;
        let cut = usize::try_from(cut).unwrap();
        let directory = &pack[offset..records[kept]];
        let mut tail = pack[end..].to_vec();
        for place in [8, 10] {
            tail[place..place + 2].copy_from_slice(&u16::try_from(kept).unwrap().to_le_bytes());
        }
        tail[12..16].copy_from_slice(&u32::try_from(directory.len()).unwrap().to_le_bytes());
        tail[16..20].copy_from_slice(&u32::try_from(cut).unwrap().to_le_bytes());
        check_refused([&pack[..cut], directory, &tail].concat(), &format!("{kept} entries"));
    }
}

/// A pack of any claimed size, of which only the end may be read.
#[derive(Debug)]
struct EndOnly {
    size_bytes: u64,
    end: Vec<u8>,
}

impl PackSource for EndOnly {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let start = usize::try_from(offset + self.end.len() as u64 - self.size_bytes).unwrap();
        assert_eq!(start + buf.len(), self.end.len(), "more than the end was read");
        buf.copy_from_slice(&self.end[start..]);
        Ok(())
    }
}

#[test]
fn counts_beyond_any_pack_are_refused_before_the_directory_is_read() {
    let plain = &small_pack()[..];
    let plain = &plain[plain.len() - END_BYTES..];
    for (entries, directory_bytes) in [
        (PACK_ENTRIES_MAX + 1, (PACK_ENTRIES_MAX + 1) * 100),
        (100_000, PACK_DIRECTORY_BYTES_MAX + 1),
        // Fewer bytes than so many entries need.
        (PACK_ENTRIES_MAX, 46),
        (100_000, 46 * 100_000 - 1),
    ] {
        let offset = 1_u64 << 33;
        let mut end = b"PK\x06\x06".to_vec();
        end.extend(44_u64.to_le_bytes());
        end.extend([45, 3, 45, 0]);
        end.extend([0; 8]);
        for number in [entries, entries, directory_bytes, offset] {
            end.extend(number.to_le_bytes());
        }
        end.extend(b"PK\x06\x07\0\0\0\0");
        end.extend((offset + directory_bytes).to_le_bytes());
        end.extend(1_u32.to_le_bytes());
        let mut plain = plain.to_vec();
        plain[8..12].fill(0xff);
        let small = u32::try_from(directory_bytes).unwrap_or(u32::MAX);
        plain[12..16].copy_from_slice(&small.to_le_bytes());
        plain[16..20].fill(0xff);
        end.extend(plain);
        let size_bytes = offset + directory_bytes + end.len() as u64;
        let read = read_pack_index(&EndOnly { size_bytes, end });
        assert!(
            matches!(read, Err(PackError::Malformed { what, .. })
                if what.contains("more entries") || what.contains("cannot hold")),
            "{entries} entries in {directory_bytes} bytes: {read:?}"
        );
    }
}

#[test]
fn documents_out_of_order_or_twice_are_refused() {
    let store = VolatileBackend::with_fsync().store();
    let (one, two) = (Document::new(1, &[5]), Document::new(2, &[5]));
    let pack = write_pack(&**store.packs(), &[one.clone(), two]);
    let bytes = read_pack(&**store.packs(), &pack);
    // Every name of the second document becomes one of the first.
    let (from, to) = (Document::new(2, &[]).version.to_string(), one.version.to_string());
    let mut twice = bytes.clone();
    for place in 0..bytes.len() - from.len() {
        if bytes[place..].starts_with(from.as_bytes()) {
            twice[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    assert_ne!(twice, bytes);
    check_refused(twice, "a version twice");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_bring_the_reader_down(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut pack = small_pack();
        let start = directory_offset(&pack);
        for (place, byte) in changes {
            let place = start + place.index(pack.len() - start);
            pack[place] = byte;
        }
        if !whole {
            pack.truncate(length.index(pack.len()));
        }
        let read = read(pack);
        prop_assert!(matches!(read, Ok(_) | Err(PackError::Malformed { .. })), "{:?}", read);
    }
}
