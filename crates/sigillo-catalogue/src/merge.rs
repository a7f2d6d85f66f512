//! Making one run of several: which, and how.

use std::{io, path::Path, sync::Arc};

use crate::{
    IndexError,
    block::{BLOCK_BYTES, Block, PAYLOAD_BYTES},
    error::failed,
    run::{Run, first_of},
    shape::{Section, Shape},
    version::{self, VersionBytes},
    writer::RunWriter,
};

/// Runs of fewer versions count as equal.
const LEVEL_VERSIONS_MIN: u64 = 1024;

/// So many runs of a level become one, and a level holds runs up to so many times larger than the
/// one below.
const FAN_IN: u64 = 4;

/// Runs of so many versions are left as they are, so that no merge takes longer than a second or
/// two. Four runs just smaller make one of at most [`RUN_VERSIONS_MAX`](crate::RUN_VERSIONS_MAX).
const LEFT_ALONE_VERSIONS_MIN: u64 = 1_000_000;

/// Blocks read at once, over all the runs that are merged: 8 MiB.
const READ_BLOCKS_MAX: usize = 2048;

/// Returns from which run on those up to the last should become one, given their versions from the
/// oldest run to the newest; `None` if they should stay.
///
/// An older run of a lower level than the newest joins it, and so do the runs of its level once
/// they are [`FAN_IN`]. Levels thus never rise from old to new below the size that is left alone,
/// with at most three runs in each, and a version is rewritten about once for each level.
pub(crate) fn merge_from(sizes: &[u64]) -> Option<usize> {
    let last = sizes.len().checked_sub(1)?;
    let (mut begin, mut sum) = (last, sizes[last]);
    loop {
        if sum >= LEFT_ALONE_VERSIONS_MIN {
            break;
        }
        let level = level_of(sum);
        let older = &sizes[..begin];
        let lower = older.iter().rev().take_while(|size| level_of(**size) < level).count();
        let equal = older.iter().rev().take_while(|size| level_of(**size) == level);
        let equal = equal.take_while(|size| **size < LEFT_ALONE_VERSIONS_MIN).count();
        let joining = match (lower, equal as u64 + 1) {
            (0, FAN_IN..) => FAN_IN - 1,
            (0, _) => break,
            _ => 1,
        };
        for _ in 0..joining {
            begin -= 1;
            sum += sizes[begin];
        }
    }
    (begin < last).then_some(begin)
}

fn level_of(size: u64) -> u32 {
    let (mut level, mut bound) = (0, LEVEL_VERSIONS_MIN);
    while size >= bound {
        level += 1;
        bound *= FAN_IN;
    }
    level
}

/// Returns the shape of the run that several runs, each after the one before, make together.
pub(crate) fn merged_shape(runs: &[Arc<Run>]) -> Option<Shape> {
    let (first, last) = (runs.first()?.shape(), runs.last()?.shape());
    Some(Shape {
        archive: last.archive,
        after: first.after,
        through: last.through,
        versions: runs.iter().map(|run| run.shape().versions).sum(),
        packs: runs.iter().map(|run| run.shape().packs).sum(),
    })
}

/// Writes what several runs have as one.
pub(crate) fn merge(
    runs: &[Arc<Run>],
    writer: &mut RunWriter,
    folder: &Path,
) -> Result<(), IndexError> {
    let write_failed = failed(folder, "writing a merged run");
    let mut pack_offsets = Vec::with_capacity(runs.len());
    let mut packs: u32 = 0;
    for run in runs {
        pack_offsets.push(packs);
        packs += u32::try_from(run.shape().packs).expect("a run has at most 4 million");
    }
    merge_section(runs, Section::Versions, &mut |from, entry| {
        let mut version: VersionBytes = entry.try_into().expect("versions have this length");
        let number = version::pack_number_of(&version).saturating_add(pack_offsets[from]);
        version::set_pack_number(&mut version, number);
        writer.push_version(&version).map_err(&write_failed)
    })?;
    writer.end_section().map_err(&write_failed)?;
    merge_section(runs, Section::References, &mut |_, entry| {
        writer.push(Section::References, entry).map_err(&write_failed)
    })?;
    writer.end_section().map_err(&write_failed)?;
    for run in runs {
        let mut cursor = Cursor::new(run, Section::Packs, READ_BLOCKS_MAX / runs.len());
        while let Some(entry) = cursor.next()? {
            writer.push(Section::Packs, entry).map_err(&write_failed)?;
        }
    }
    writer.end_section().map_err(&write_failed)
}

/// What is done with an entry of the run in a place among the runs.
type Take<'a> = dyn FnMut(usize, &[u8]) -> Result<(), IndexError> + 'a;

/// Calls `take` with the entries of a section of all runs in their common order.
fn merge_section(
    runs: &[Arc<Run>],
    section: Section,
    take: &mut Take<'_>,
) -> Result<(), IndexError> {
    let mut cursors: Vec<_> =
        runs.iter().map(|run| Cursor::new(run, section, READ_BLOCKS_MAX / runs.len())).collect();
    let mut heads = Vec::with_capacity(runs.len());
    for (from, cursor) in cursors.iter_mut().enumerate() {
        if let Some(entry) = cursor.next()? {
            heads.push((first_of(entry), entry.to_vec(), from));
        }
    }
    while let Some(least) = (0..heads.len()).min_by(|a, b| heads[*a].cmp(&heads[*b])) {
        let (first, entry, from) = &mut heads[least];
        take(*from, entry)?;
        match cursors[*from].next()? {
            Some(next) => {
                *first = first_of(next);
                entry.copy_from_slice(next);
            }
            None => {
                heads.swap_remove(least);
            }
        }
    }
    Ok(())
}

/// Reads the entries of a section one after the other.
struct Cursor<'a> {
    run: &'a Run,
    section: Section,
    blocks: Vec<Block>,
    read_blocks_max: usize,
    /// The place of the next entry in the section.
    next: u64,
}

impl<'a> Cursor<'a> {
    fn new(run: &'a Run, section: Section, read_blocks_max: usize) -> Self {
        Self { run, section, blocks: Vec::new(), read_blocks_max: read_blocks_max.max(1), next: 0 }
    }

    fn next(&mut self) -> Result<Option<&[u8]>, IndexError> {
        let shape = self.run.shape();
        if self.next == shape.count(self.section) {
            return Ok(None);
        }
        let per_block = self.section.entries_per_block();
        let (block, at) = (self.next / per_block, self.next % per_block);
        let place = usize::try_from(block % self.read_blocks_max as u64).unwrap_or(usize::MAX);
        if at == 0 && place == 0 {
            self.fill(block).map_err(|error| self.run.failed(error))?;
        }
        let at = usize::try_from(at).unwrap_or(usize::MAX) * self.section.entry_bytes();
        self.next += 1;
        Ok(Some(&self.blocks[place][..PAYLOAD_BYTES][at..at + self.section.entry_bytes()]))
    }

    /// Reads the blocks from the one in place `block` of the section on.
    fn fill(&mut self, block: u64) -> io::Result<()> {
        let left = self.run.shape().blocks(self.section) - block;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.read_blocks_max);
        self.blocks.resize(count, [0; BLOCK_BYTES]);
        let first = self.run.shape().first_block(self.section) + block;
        self.run.read_blocks(first, &mut self.blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RUN_VERSIONS_MAX;

    /// Adds runs of these sizes; returns the most runs there were, and how often each version was
    /// written on average, in percent.
    fn check_adding(sizes: impl IntoIterator<Item = u64>) -> (usize, u64) {
        let (mut runs, mut runs_max, mut written, mut added) = (Vec::new(), 0, 0, 0);
        for size in sizes {
            runs.push(size);
            written += size;
            added += size;
            if let Some(begin) = merge_from(&runs) {
                let merged = runs.drain(begin..).sum();
                assert!(merged <= RUN_VERSIONS_MAX, "a run of {merged}");
                written += merged;
                runs.push(merged);
                assert_eq!(merge_from(&runs), None, "one merge is enough: {runs:?}");
            }
            runs_max = runs_max.max(runs.len());
        }
        (runs_max, written * 100 / added)
    }

    #[test]
    fn five_million_versions_are_at_most_eight_runs_written_thrice() {
        assert_eq!(check_adding([100_000; 50]), (8, 268));
    }

    #[test]
    fn whatever_is_added_runs_stay_few() {
        let (runs_max, percent) = check_adding(std::iter::repeat_n(1, 3000));
        assert!(runs_max <= 6, "{runs_max} runs");
        assert!(percent <= 30_000, "{percent} % of tiny runs");
        let mut size = 1_u64;
        for limit in [10, 3_000, 100_000, 999_999] {
            let sizes = std::iter::repeat_with(|| {
                size = size.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                1 + (size >> 33) % limit
            });
            let (runs_max, _) = check_adding(sizes.take(500));
            let left_alone = usize::try_from(500 * limit / LEFT_ALONE_VERSIONS_MIN).unwrap();
            assert!(runs_max <= 18 + left_alone, "{runs_max} runs of up to {limit}");
        }
    }
}
