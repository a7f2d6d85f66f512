//! Which segments to merge: several of about the same size, so that each row is rewritten rarely.

use crate::tables::state::{SegmentFile, TableState};

/// So many segments of about the same size are made one.
pub const MERGE_SEGMENTS_MIN: usize = 8;

/// Merged segments are not larger, in bytes: all of a merge happens in memory.
pub const MERGE_BYTES_MAX: u64 = 32 << 20;

/// Segments count as about the same size when the largest is at most so many times the smallest.
const SIZE_RATIO_MAX: u64 = 8;

/// A segment counts as at least this large, in bytes: none is too small for its neighbours.
const SIZE_BYTES_MIN: u64 = 64 << 10;

/// Returns the segments to merge next, or none when there is nothing to gain.
pub fn plan_merge(table: &TableState) -> Option<Vec<SegmentFile>> {
    let mut files: Vec<&SegmentFile> = table.files().collect();
    files.sort_by(|a, b| a.size_bytes.cmp(&b.size_bytes).then_with(|| a.path.cmp(&b.path)));
    for (first, smallest) in files.iter().enumerate() {
        let largest = smallest.size_bytes.max(SIZE_BYTES_MIN).saturating_mul(SIZE_RATIO_MAX);
        let (mut bytes, mut end) = (0_u64, first);
        while let Some(file) = files.get(end) {
            let sum = bytes.saturating_add(file.size_bytes);
            if file.size_bytes > largest || sum > MERGE_BYTES_MAX {
                break;
            }
            (bytes, end) = (sum, end + 1);
        }
        if end - first >= MERGE_SEGMENTS_MIN {
            return Some(files[first..end].iter().map(|file| (*file).clone()).collect());
        }
    }
    None
}
