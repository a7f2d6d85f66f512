//! Where everything lies in the file of a run.
//!
//! A file is a row of blocks (versions by key, references by document, names of packs), then the
//! fence (the first eight bytes of each block of the first two sections), the filter, and a footer
//! that states the counts and holds the sums of fence, filter and itself.

use sigillo_model::{ArchiveId, Blake3Digest};

use crate::{
    block::{BLOCK_BYTES, Identity, PAYLOAD_BYTES},
    filter::Filter,
};

/// No run has more versions; a commit adds fewer.
pub const RUN_VERSIONS_MAX: u64 = 4_000_000;

pub(crate) const VERSION_BYTES: usize = 144;
pub(crate) const FOOTER_BYTES: usize = 5 * 8 + 16 + 16 + 3 * 32;

const MAGIC: &[u8; 16] = b"sigillo index 3\n";

/// The parts of a run that consist of blocks, in their order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Section {
    /// Versions, sorted by key.
    Versions,
    /// For each version the first eight bytes of its document's id and of its key, sorted.
    References,
    /// The packs that versions refer to by number.
    Packs,
}

impl Section {
    pub(crate) const ALL: [Self; 3] = [Self::Versions, Self::References, Self::Packs];

    /// Returns the length of its entries, in bytes; it divides [`PAYLOAD_BYTES`].
    pub(crate) fn entry_bytes(self) -> usize {
        match self {
            Self::Versions => VERSION_BYTES,
            Self::References => 16,
            Self::Packs => Blake3Digest::LENGTH_BYTES,
        }
    }

    pub(crate) fn entries_per_block(self) -> u64 {
        (PAYLOAD_BYTES / self.entry_bytes()) as u64
    }
}

/// What is known of a run before any of it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    pub(crate) archive: ArchiveId,
    /// The last commit before those of the run.
    pub(crate) after: u64,
    /// The last commit of the run.
    pub(crate) through: u64,
    pub(crate) versions: u64,
    pub(crate) packs: u64,
}

impl Shape {
    /// Counts the entries of a section.
    pub(crate) fn count(&self, section: Section) -> u64 {
        if section == Section::Packs { self.packs } else { self.versions }
    }

    /// Counts the blocks of a section.
    pub(crate) fn blocks(&self, section: Section) -> u64 {
        self.count(section).div_ceil(section.entries_per_block())
    }

    /// Returns the number of the first block of a section.
    pub(crate) fn first_block(&self, section: Section) -> u64 {
        let before = Section::ALL.into_iter().take_while(|it| *it != section);
        before.map(|it| self.blocks(it)).sum()
    }

    /// Returns where the fence begins, behind all blocks.
    pub(crate) fn fence_at(&self) -> u64 {
        Section::ALL.into_iter().map(|it| self.blocks(it)).sum::<u64>() * BLOCK_BYTES as u64
    }

    pub(crate) fn fence_bytes(&self) -> u64 {
        self.first_block(Section::Packs) * 8
    }

    pub(crate) fn filter_bytes(&self) -> u64 {
        Filter::length_bytes(self.versions)
    }

    /// Returns the length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.fence_at() + self.fence_bytes() + self.filter_bytes() + FOOTER_BYTES as u64
    }

    /// Returns what every block says of its run.
    pub(crate) fn identity(&self) -> Identity {
        *Blake3Digest::of(&self.encode()).as_bytes()
    }

    fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..32].copy_from_slice(self.archive.as_bytes());
        for (at, number) in [self.after, self.through, self.versions, self.packs].iter().enumerate()
        {
            bytes[32 + at * 8..40 + at * 8].copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote, if its numbers are possible.
    fn decode(bytes: &[u8; 64]) -> Option<Self> {
        let number = |at| Some(u64::from_be_bytes(*bytes[at..].first_chunk()?));
        let shape = Self {
            archive: ArchiveId::from_bytes(*bytes[16..].first_chunk()?),
            after: number(32)?,
            through: number(40)?,
            versions: number(48)?,
            packs: number(56)?,
        };
        let possible = bytes.starts_with(MAGIC)
            && shape.after < shape.through
            && (1..=RUN_VERSIONS_MAX).contains(&shape.versions)
            && (1..=shape.versions).contains(&shape.packs);
        possible.then_some(shape)
    }
}

/// The end of a file, which makes the rest of it readable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Footer {
    pub(crate) shape: Shape,
    /// The place of a version of the newest commit among the versions, from 0.
    pub(crate) newest_at: u64,
    pub(crate) fence_sum: Blake3Digest,
    pub(crate) filter_sum: Blake3Digest,
}

impl Footer {
    pub(crate) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        bytes[..64].copy_from_slice(&self.shape.encode());
        bytes[64..72].copy_from_slice(&self.newest_at.to_be_bytes());
        bytes[72..104].copy_from_slice(self.fence_sum.as_bytes());
        bytes[104..136].copy_from_slice(self.filter_sum.as_bytes());
        let sum = Blake3Digest::of(&bytes[..136]);
        bytes[136..].copy_from_slice(sum.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<32>()?;
        if Blake3Digest::of(content).as_bytes() != sum {
            return None;
        }
        let shape = Shape::decode(content.first_chunk()?)?;
        let newest_at = u64::from_be_bytes(*content[64..].first_chunk()?);
        let fence_sum = Blake3Digest::from_bytes(*content[72..].first_chunk()?);
        let filter_sum = Blake3Digest::from_bytes(*content[104..].first_chunk()?);
        (newest_at < shape.versions).then_some(Self { shape, newest_at, fence_sum, filter_sum })
    }
}
