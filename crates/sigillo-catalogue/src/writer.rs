//! Writing a run from front to back.

use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};

use sigillo_model::Blake3Digest;

use crate::{
    block::{self, BLOCK_BYTES, Block, Identity},
    filter::Filter,
    run::{Run, Source, first_of},
    shape::{Footer, Section, Shape},
    version::{self, Encoded, VersionBytes},
};

/// So many bytes are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Takes the entries of a run in the order of the file: sorted versions, sorted references, packs.
///
/// It keeps the filter and the fence in memory, 2 bytes for each version, and 1 MiB besides.
pub(crate) struct RunWriter {
    shape: Shape,
    identity: Identity,
    target: Option<(File, PathBuf)>,
    /// What was not written to the target yet; without one, everything.
    bytes: Vec<u8>,
    block: Block,
    filled_bytes: usize,
    blocks: u64,
    versions: u64,
    /// The newest commit seen, and where.
    newest: (u64, u64),
    fence: Vec<u64>,
    filter: Filter,
    packs: Vec<Blake3Digest>,
}

impl RunWriter {
    /// Starts a run in a file that is to have the given path, or in memory.
    pub(crate) fn new(shape: Shape, target: Option<(File, PathBuf)>) -> Self {
        let filter_bytes = usize::try_from(shape.filter_bytes()).unwrap_or(usize::MAX);
        Self {
            shape,
            identity: shape.identity(),
            target,
            bytes: Vec::new(),
            block: [0; BLOCK_BYTES],
            filled_bytes: 0,
            blocks: 0,
            versions: 0,
            newest: (0, 0),
            fence: Vec::new(),
            filter: Filter::from_bytes(vec![0; filter_bytes]),
            packs: Vec::new(),
        }
    }

    /// Writes everything.
    pub(crate) fn write(&mut self, encoded: &Encoded) -> io::Result<()> {
        for version in &encoded.versions {
            self.push_version(version)?;
        }
        self.end_section()?;
        let mut references: Vec<_> = encoded.versions.iter().map(version::reference_of).collect();
        references.sort_unstable();
        for reference in &references {
            self.push(Section::References, reference)?;
        }
        self.end_section()?;
        for pack in &encoded.packs {
            self.push(Section::Packs, pack.as_bytes())?;
        }
        self.end_section()
    }

    pub(crate) fn push_version(&mut self, version: &VersionBytes) -> io::Result<()> {
        self.filter.insert(version::key_of(version).as_bytes());
        let commit = version::commit_of(version);
        if commit > self.newest.0 {
            self.newest = (commit, self.versions);
        }
        self.versions += 1;
        self.push(Section::Versions, version)
    }

    /// Writes one entry; those of versions go through [`push_version`](Self::push_version).
    pub(crate) fn push(&mut self, section: Section, entry: &[u8]) -> io::Result<()> {
        if self.filled_bytes == 0 && section != Section::Packs {
            self.fence.push(first_of(entry));
        }
        if section == Section::Packs && Run::keeps_packs(&self.shape) {
            let name = entry.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
            self.packs.push(Blake3Digest::from_bytes(name));
        }
        self.block[self.filled_bytes..self.filled_bytes + entry.len()].copy_from_slice(entry);
        self.filled_bytes += entry.len();
        if self.filled_bytes == block::PAYLOAD_BYTES { self.end_section() } else { Ok(()) }
    }

    /// Ends a block and with it a section: the next entry begins a block.
    pub(crate) fn end_section(&mut self) -> io::Result<()> {
        if self.filled_bytes == 0 {
            return Ok(());
        }
        self.block[self.filled_bytes..].fill(0);
        block::seal(&mut self.block, &self.identity, self.blocks);
        self.bytes.extend_from_slice(&self.block);
        self.blocks += 1;
        self.filled_bytes = 0;
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes fence, filter and footer, and returns the run as if it had been opened.
    pub(crate) fn finish(mut self) -> io::Result<Run> {
        let fence: Vec<u8> = self.fence.iter().flat_map(|first| first.to_be_bytes()).collect();
        let footer = Footer {
            shape: self.shape,
            newest_at: self.newest.1,
            fence_sum: Blake3Digest::of(&fence),
            filter_sum: Blake3Digest::of(self.filter.as_bytes()),
        };
        self.bytes.extend_from_slice(&fence);
        self.bytes.extend_from_slice(self.filter.as_bytes());
        self.bytes.extend_from_slice(&footer.encode());
        self.flush()?;
        let source = match self.target {
            Some((file, path)) => Source::File(file, path),
            None => Source::Memory(self.bytes),
        };
        Ok(Run {
            footer,
            identity: self.identity,
            fence: self.fence,
            filter: self.filter,
            packs: self.packs,
            source,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some((file, _)) = &mut self.target {
            file.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}
