//! The ZIP of a bundle: stored, without dates, one spelling for the same entries in the same order.

/// Largest bundle written or read, in bytes, files included.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;
/// Most entries in one bundle.
pub const BUNDLE_ENTRIES_MAX: usize = 65_534;
/// Longest name of an entry, in bytes.
const NAME_BYTES_MAX: usize = 200;

const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const LOCAL_HEADER_BYTES: usize = 30;
const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Version needed 1.0, names in UTF-8, stored, midnight, 1 January 1980.
const FIRST_FIELDS: [u8; 10] = [10, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
/// Made on Unix, by version 3.0 of the specification.
const MADE_BY: [u8; 2] = [30, 3];
/// A regular file that its owner may write and all may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// One entry: name and bytes.
pub(crate) type ZipEntry = (String, Vec<u8>);

/// Writes the entries in their order; `None` beyond the limits.
pub(crate) fn write_zip(entries: &[ZipEntry]) -> Option<Vec<u8>> {
    if entries.len() > BUNDLE_ENTRIES_MAX {
        return None;
    }
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        if name.len() > NAME_BYTES_MAX || bytes.len() + content.len() > BUNDLE_BYTES_MAX {
            return None;
        }
        let offset = u32::try_from(bytes.len()).ok()?;
        let mut shared = FIRST_FIELDS.to_vec();
        let size = u32::try_from(content.len()).ok()?.to_le_bytes();
        shared.extend(crc32fast::hash(content).to_le_bytes());
        shared.extend([size, size].concat());
        shared.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
        // No extra field.
        shared.extend([0, 0]);
        bytes.extend(LOCAL_HEADER);
        bytes.extend(&shared);
        bytes.extend(name.as_bytes());
        bytes.extend(content);
        directory.extend(CENTRAL_HEADER);
        directory.extend(MADE_BY);
        directory.extend(&shared);
        // No comment, first disk, no internal attributes.
        directory.extend([0; 6]);
        directory.extend(ATTRIBUTES.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(entries.len()).ok()?.to_le_bytes();
    let offset = u32::try_from(bytes.len()).ok()?.to_le_bytes();
    let length = u32::try_from(directory.len()).ok()?.to_le_bytes();
    bytes.extend(directory);
    bytes.extend(END);
    bytes.extend([0; 4]);
    bytes.extend([count, count].concat());
    bytes.extend([length, offset].concat());
    bytes.extend([0, 0]);
    (bytes.len() <= BUNDLE_BYTES_MAX).then_some(bytes)
}

/// Reads the entries of a ZIP in the one spelling that [`write_zip`] gives them.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) fn read_zip(bytes: &[u8]) -> Result<Vec<ZipEntry>, &'static str> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err("it is too large");
    }
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while rest.starts_with(&LOCAL_HEADER) {
        let cut = "an entry is cut short";
        let header = rest.get(..LOCAL_HEADER_BYTES).ok_or(cut)?;
        let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let size = number(18) | number(20) << 16;
        let name_end = LOCAL_HEADER_BYTES + number(26);
        let name = rest.get(LOCAL_HEADER_BYTES..name_end).ok_or(cut)?;
        let name = std::str::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
        let content = rest.get(name_end..).and_then(|after| after.get(..size)).ok_or(cut)?;
        if entries.len() == BUNDLE_ENTRIES_MAX {
            return Err("it has too many entries");
        }
        entries.push((name.to_owned(), content.to_vec()));
        rest = &rest[name_end + size..];
    }
    // Headers, checksums, directory and end follow from the entries.
    match write_zip(&entries) {
        Some(again) if again == bytes => Ok(entries),
        _ => Err("it is not the ZIP that its entries make: damaged, or packed by another program"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<ZipEntry> {
        vec![
            ("a/b.txt".to_owned(), b"uno".to_vec()),
            ("vuoto".to_owned(), Vec::new()),
            ("PK.bin".to_owned(), b"PK\x03\x04PK\x01\x02".to_vec()),
        ]
    }

    #[test]
    fn entries_are_read_back() {
        let bytes = write_zip(&entries()).unwrap();
        assert_eq!(read_zip(&bytes), Ok(entries()));
        assert_eq!(read_zip(&write_zip(&[]).unwrap()), Ok(Vec::new()));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let bytes = write_zip(&entries()).unwrap();
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                assert!(read_zip(&changed).is_err(), "byte {place} bit {bit}");
            }
            assert!(read_zip(&bytes[..place]).is_err(), "{place} bytes");
        }
        assert!(read_zip(&[&bytes[..], b"x"].concat()).is_err());
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let name = "n".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(write_zip(&[(name, Vec::new())]), None);
        let many = vec![("n".to_owned(), Vec::new()); BUNDLE_ENTRIES_MAX + 1];
        assert_eq!(write_zip(&many), None);
    }
}
