//! Conversions between lengths in memory and sizes of objects.

/// Returns a length in memory as a size in bytes.
pub(crate) fn size_of_len(length: usize) -> u64 {
    u64::try_from(length).expect("a usize has at most 64 bits")
}
