//! A run of the index: what some commits added, sorted by key and read block by block.

use std::{
    fmt,
    fs::{self, File},
    io,
    ops::RangeInclusive,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use sigillo_model::{Blake3Digest, Sha256Digest};

use crate::{
    IndexError, IndexedVersion,
    block::{self, BLOCK_BYTES, Block, Identity, PAYLOAD_BYTES},
    error::{damaged, failed, is_damage},
    filter::Filter,
    shape::{FOOTER_BYTES, Footer, Section, Shape},
    version::{self, VersionBytes},
};

/// The names of packs stay in memory if they are at most so many blocks, 8064 names.
const PACK_BLOCKS_LOADED_MAX: u64 = 64;

/// A run that was opened: filter and fence are in memory, versions where they were written.
pub(crate) struct Run {
    pub(crate) footer: Footer,
    pub(crate) identity: Identity,
    /// The first eight bytes of the first entry of each block of versions and references.
    pub(crate) fence: Vec<u64>,
    pub(crate) filter: Filter,
    /// The names of packs, or nothing if they are too many to keep.
    pub(crate) packs: Vec<Blake3Digest>,
    pub(crate) source: Source,
}

/// Where the bytes of a run are.
pub(crate) enum Source {
    /// In a file, which stays readable after it was removed.
    File(File, PathBuf),
    /// In memory: the index has no folder, or it could not be written to.
    Memory(Vec<u8>),
}

impl Source {
    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.read_exact_at(buffer, at),
            Self::Memory(bytes) => {
                let part = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let part = part.and_then(|part| part.get(..buffer.len()));
                buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

impl Run {
    /// Opens the file of a run, reading all but its blocks: about 2 bytes for each version.
    ///
    /// The error says whether the file is damaged, see [`is_damage`].
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let torn = || damaged("the file of a run is torn");
        let file_bytes = file.metadata()?.len();
        let footer_at = file_bytes.checked_sub(FOOTER_BYTES as u64).ok_or_else(torn)?;
        let source = Source::File(file, path.to_owned());
        let mut footer = [0; FOOTER_BYTES];
        source.read_exact_at(&mut footer, footer_at)?;
        let footer = Footer::decode(&footer).ok_or_else(torn)?;
        let shape = footer.shape;
        if shape.file_bytes() != file_bytes {
            return Err(torn());
        }
        let part = |at, length: u64, sum: Blake3Digest| {
            let mut bytes = vec![0; usize::try_from(length).map_err(|_| torn())?];
            source.read_exact_at(&mut bytes, at)?;
            if Blake3Digest::of(&bytes) == sum { Ok(bytes) } else { Err(torn()) }
        };
        let fence = part(shape.fence_at(), shape.fence_bytes(), footer.fence_sum)?;
        let filter_at = shape.fence_at() + shape.fence_bytes();
        let filter = part(filter_at, shape.filter_bytes(), footer.filter_sum)?;
        let (fence, _) = fence.as_chunks();
        let mut run = Self {
            footer,
            identity: shape.identity(),
            fence: fence.iter().map(|first| u64::from_be_bytes(*first)).collect(),
            filter: Filter::from_bytes(filter),
            packs: Vec::new(),
            source,
        };
        run.load_packs()?;
        Ok(run)
    }

    fn load_packs(&mut self) -> io::Result<()> {
        if Self::keeps_packs(&self.footer.shape) {
            for number in 0..self.footer.shape.packs {
                if number % Section::Packs.entries_per_block() == 0 {
                    let block = self.pack_block(number)?;
                    let (names, _) = block[..PAYLOAD_BYTES].as_chunks();
                    self.packs.extend(names.iter().copied().map(Blake3Digest::from_bytes));
                }
            }
            let count = usize::try_from(self.footer.shape.packs).unwrap_or(usize::MAX);
            self.packs.truncate(count);
        }
        Ok(())
    }

    /// Tells whether the names of packs are few enough to stay in memory.
    pub(crate) fn keeps_packs(shape: &Shape) -> bool {
        shape.blocks(Section::Packs) <= PACK_BLOCKS_LOADED_MAX
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.footer.shape
    }

    /// Returns the path of its file, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(_, path) => Some(path),
            Source::Memory(_) => None,
        }
    }

    /// Returns a version of its newest commit.
    pub(crate) fn newest(&self) -> Result<IndexedVersion, IndexError> {
        let per_block = Section::Versions.entries_per_block();
        let read = || {
            let block = self.block(self.footer.newest_at / per_block)?;
            let (versions, _) = block[..PAYLOAD_BYTES].as_chunks();
            let at = usize::try_from(self.footer.newest_at % per_block).unwrap_or(usize::MAX);
            self.decode(versions.get(at).ok_or(io::ErrorKind::UnexpectedEof)?)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Adds the versions of a key to `found`.
    pub(crate) fn versions_of_key(
        &self,
        key: Sha256Digest,
        found: &mut Vec<IndexedVersion>,
    ) -> Result<(), IndexError> {
        if !self.filter.may_have(key.as_bytes()) {
            return Ok(());
        }
        let first = first_of(key.as_bytes());
        self.scan_versions(first, &mut |bytes| {
            if version::key_of(bytes) == key {
                found.push(self.decode(bytes)?);
            }
            Ok(true)
        })
        .map_err(|error| self.failed(error))
    }

    /// Calls `take` with every version, in the order of their keys.
    pub(crate) fn scan_all(&self, take: &mut dyn FnMut(IndexedVersion)) -> Result<(), IndexError> {
        self.scan(Section::Versions, 0..=u64::MAX, &mut |entry| {
            let entry = entry.try_into().map_err(|_| damaged("a version has another length"))?;
            take(self.decode(entry)?);
            Ok(true)
        })
        .map_err(|error| self.failed(error))
    }

    /// Calls `take` with the versions of documents whose id begins with 8 bytes in a range, until
    /// it returns false.
    pub(crate) fn scan_documents(
        &self,
        documents: RangeInclusive<u64>,
        take: &mut dyn FnMut(IndexedVersion) -> bool,
    ) -> Result<(), IndexError> {
        let mut last = None;
        self.scan(Section::References, documents, &mut |reference| {
            // A document's versions mostly have one key, so their references are equal.
            if last.as_deref() == Some(reference) {
                return Ok(true);
            }
            last = Some(reference.to_vec());
            let (document, key) = (first_of(reference), first_of(&reference[8..]));
            let mut goes_on = true;
            self.scan_versions(key, &mut |bytes| {
                if first_of(version::document_of(bytes).as_bytes()) == document {
                    goes_on = take(self.decode(bytes)?);
                }
                Ok(goes_on)
            })?;
            Ok(goes_on)
        })
        .map_err(|error| self.failed(error))
    }

    /// Calls `take` with the versions whose key begins with 8 bytes, until it returns false.
    fn scan_versions(
        &self,
        first: u64,
        take: &mut dyn FnMut(&VersionBytes) -> io::Result<bool>,
    ) -> io::Result<()> {
        self.scan(Section::Versions, first..=first, &mut |entry| {
            take(entry.try_into().map_err(|_| damaged("a version has another length"))?)
        })
    }

    /// Calls `take` with the entries of a section whose first eight bytes are in a range, until it
    /// returns false.
    fn scan(
        &self,
        section: Section,
        range: RangeInclusive<u64>,
        take: &mut dyn FnMut(&[u8]) -> io::Result<bool>,
    ) -> io::Result<()> {
        let first_block = self.shape().first_block(section);
        let blocks = self.shape().blocks(section);
        let begin = usize::try_from(first_block).unwrap_or(usize::MAX);
        let end = begin.saturating_add(usize::try_from(blocks).unwrap_or(usize::MAX));
        let fence = self.fence.get(begin..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        // Entries that begin like the first one of a block may end the block before it.
        let from = fence.partition_point(|first| first < range.start()).saturating_sub(1);
        for (at, first) in fence.iter().enumerate().skip(from) {
            if first > range.end() {
                break;
            }
            let block = self.block(first_block + at as u64)?;
            let mut entries = block[..PAYLOAD_BYTES].chunks_exact(section.entry_bytes());
            let before = at as u64 * section.entries_per_block();
            let count = usize::try_from(self.shape().count(section) - before).unwrap_or(usize::MAX);
            let mut in_range = entries
                .by_ref()
                .take(count)
                .skip_while(|entry| first_of(entry) < *range.start())
                .take_while(|entry| first_of(entry) <= *range.end());
            for entry in &mut in_range {
                if !take(entry)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn decode(&self, bytes: &VersionBytes) -> io::Result<IndexedVersion> {
        let number = version::pack_number_of(bytes);
        if u64::from(number) >= self.shape().packs {
            return Err(damaged("a version refers to a pack that its run does not name"));
        }
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(pack) = self.packs.get(at) {
            return Ok(version::decode(bytes, *pack));
        }
        let block = self.pack_block(number.into())?;
        let (names, _) = block[..PAYLOAD_BYTES].as_chunks();
        let in_block = u64::from(number) % Section::Packs.entries_per_block();
        let at = usize::try_from(in_block).unwrap_or(usize::MAX);
        let name = names.get(at).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(version::decode(bytes, Blake3Digest::from_bytes(*name)))
    }

    /// Reads the block that names a pack.
    fn pack_block(&self, number: u64) -> io::Result<Block> {
        let first = self.shape().first_block(Section::Packs);
        self.block(first + number / Section::Packs.entries_per_block())
    }

    fn block(&self, number: u64) -> io::Result<Block> {
        let mut block = [0; BLOCK_BYTES];
        self.read_blocks(number, std::slice::from_mut(&mut block))?;
        Ok(block)
    }

    /// Reads blocks from the one numbered `first` on.
    pub(crate) fn read_blocks(&self, first: u64, blocks: &mut [Block]) -> io::Result<()> {
        self.source.read_exact_at(blocks.as_flattened_mut(), first * BLOCK_BYTES as u64)?;
        for (number, block) in (first..).zip(blocks) {
            if !block::is_sound(block, &self.identity, number) {
                return Err(damaged(format!("block {number} is not what was written")));
            }
        }
        Ok(())
    }

    /// Makes the error for a run that could not be read. The file of a damaged one is removed, so
    /// that the next opening leaves it out and the log is read again from there.
    pub(crate) fn failed(&self, error: io::Error) -> IndexError {
        let Some(path) = self.path() else {
            return failed(Path::new("memory"), "reading a run")(error);
        };
        let folder = path.parent().unwrap_or(path);
        if !is_damage(&error) {
            return failed(folder, "reading a run")(error);
        }
        match fs::remove_file(path) {
            Ok(()) => failed(folder, "reading a damaged run, now removed: it is made again")(error),
            Err(_) => failed(folder, "reading a damaged run: `sigillo rebuild` mends it")(error),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("shape", self.shape()).finish_non_exhaustive()
    }
}

/// Returns the first eight bytes, by which entries are sorted before all else.
pub(crate) fn first_of(entry: &[u8]) -> u64 {
    u64::from_be_bytes(*entry.first_chunk().expect("entries have at least 16 bytes"))
}
