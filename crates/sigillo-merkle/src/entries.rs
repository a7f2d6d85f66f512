//! Entry bundles: up to 256 log entries in one file.

use crate::TILE_WIDTH;

/// The longest entry, in bytes: its length is stored in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Bytes of the length before each entry.
const LENGTH_PREFIX_BYTES: usize = 2;

/// Encodes the entries of one bundle: before each its length, as 16 bits, big-endian.
///
/// # Errors
///
/// [`BundleError`] for no entries, more than 256, or one longer than [`ENTRY_BYTES_MAX`].
/// Source: C2SP tlog-tiles, "Log entries".
pub fn encode_entries(entries: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, BundleError> {
    check_count(entries.len())?;
    let mut bytes = Vec::new();
    for (position, entry) in entries.iter().map(AsRef::as_ref).enumerate() {
        let length_bytes = entry.len();
        let length = u16::try_from(length_bytes)
            .map_err(|_| BundleError::EntryTooLong { position, length_bytes })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Decodes a bundle of `width` entries.
///
/// # Errors
///
/// [`BundleError`] for a width that no bundle has, and for bytes that end before the last entry
/// or go on after it.
pub fn decode_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    check_count(width.into())?;
    let mut entries = Vec::with_capacity(width.into());
    let mut rest = bytes;
    for position in 0..usize::from(width) {
        let split = rest
            .split_first_chunk::<LENGTH_PREFIX_BYTES>()
            .and_then(|(length, after)| after.split_at_checked(u16::from_be_bytes(*length).into()));
        let (entry, after) = split.ok_or(BundleError::Truncated { position })?;
        entries.push(entry);
        rest = after;
    }
    match rest.len() {
        0 => Ok(entries),
        length_bytes => Err(BundleError::TrailingBytes { length_bytes }),
    }
}

/// Why bytes or entries are not those of an entry bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A bundle has 1 to 256 entries.
    #[error("an entry bundle cannot have {count} entries")]
    WrongCount {
        /// Entries asked for.
        count: usize,
    },
    /// The entry's length does not fit in 16 bits.
    #[error("entry {position} of the bundle is too long: {length_bytes} bytes")]
    EntryTooLong {
        /// Place in the bundle, from 0.
        position: usize,
        /// Bytes of the entry.
        length_bytes: usize,
    },
    /// The bytes end before the entry does.
    #[error("the bundle ends within entry {position}")]
    Truncated {
        /// Place in the bundle, from 0.
        position: usize,
    },
    /// The bytes go on after the last entry.
    #[error("{length_bytes} bytes follow the last entry of the bundle")]
    TrailingBytes {
        /// Bytes left over.
        length_bytes: usize,
    },
}

/// Refuses a number of entries that no bundle has.
fn check_count(count: usize) -> Result<(), BundleError> {
    let is_possible = (1..=usize::from(TILE_WIDTH)).contains(&count);
    if is_possible { Ok(()) } else { Err(BundleError::WrongCount { count }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_empty_ones_and_longest_ones_too() {
        let longest = vec![7; ENTRY_BYTES_MAX];
        let entries: [&[u8]; 3] = [b"", b"entry", &longest];
        let bytes = encode_entries(&entries).unwrap();
        assert_eq!(bytes[..9], *b"\0\0\0\x05entry");
        assert_eq!(decode_entries(&bytes, 3).unwrap(), entries);
    }

    #[test]
    fn an_entry_longer_than_its_length_field_is_refused() {
        let entries = [vec![], vec![7; ENTRY_BYTES_MAX + 1]];
        let refusal = BundleError::EntryTooLong { position: 1, length_bytes: 65_536 };
        assert_eq!(encode_entries(&entries), Err(refusal));
    }

    #[test]
    fn a_bundle_cut_anywhere_is_refused() {
        let bytes = encode_entries(&["first", "", "third"]).unwrap();
        for length in 0..bytes.len() {
            let verdict = decode_entries(&bytes[..length], 3);
            assert!(matches!(verdict, Err(BundleError::Truncated { .. })), "{length}");
        }
    }

    #[test]
    fn a_bundle_of_another_width_is_refused() {
        let bytes = encode_entries(&["first", "second"]).unwrap();
        assert_eq!(decode_entries(&bytes, 1), Err(BundleError::TrailingBytes { length_bytes: 8 }));
        assert_eq!(decode_entries(&bytes, 3), Err(BundleError::Truncated { position: 2 }));
    }

    #[test]
    fn no_bundle_is_empty_or_wider_than_a_tile() {
        for count in [0, 257, 65_535] {
            let refusal = BundleError::WrongCount { count: count.into() };
            assert_eq!(decode_entries(&[], count), Err(refusal));
            assert_eq!(encode_entries(&vec![""; count.into()]), Err(refusal));
        }
    }
}
