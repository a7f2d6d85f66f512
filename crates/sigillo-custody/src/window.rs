//! Documents of a pack that lie together: read at once, placed in order, written at once.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sigillo_model::VersionId;
use sigillo_store::{
    BackendError, PackSource,
    pack::{PackEntry, PackIndex, Part},
};

use crate::{
    claims::Claims,
    export::{ExportOutcome, ExportProblem, ExportProgress},
    give_back::{Given, Packed, Ready},
    target::Target,
};

/// Documents are read from a pack together up to this many bytes.
const WINDOW_BYTES: u64 = 4 << 20;

/// Groups the entries of whole documents into windows.
pub(crate) fn windows_of(index: &PackIndex) -> Vec<Vec<PackEntry>> {
    let mut windows = Vec::new();
    let (mut window, mut start) = (Vec::new(), 0);
    for entry in &index.entries {
        window.push(*entry);
        let end = entry.data_offset + entry.size_bytes;
        if entry.part == Part::Record && end - start >= WINDOW_BYTES {
            windows.push(std::mem::take(&mut window));
            start = end;
        }
    }
    windows.push(window);
    windows
}

/// A window whose records were read.
pub(crate) struct Prepared {
    entries: Vec<PackEntry>,
    /// The bytes of the window, if they are few enough and could be read.
    bytes: Option<Window>,
    source: Arc<dyn PackSource>,
    /// Its documents, each with the range of its entries.
    documents: Vec<(Range<usize>, Ready)>,
    /// What cannot be given back.
    outcome: ExportOutcome,
    so_far: AtomicU64,
}

impl Prepared {
    /// Reads the records of a window, as far as the batch lists them.
    pub(crate) fn read(
        source: Arc<dyn PackSource>,
        entries: Vec<PackEntry>,
        listed: &HashSet<VersionId>,
        target: Target<'_>,
        progress: &ExportProgress,
    ) -> Self {
        let (bytes, so_far) = (Window::read(&*source, &entries), AtomicU64::new(0));
        let mut prepared = Self {
            entries,
            bytes,
            source,
            documents: Vec::new(),
            outcome: ExportOutcome::default(),
            so_far,
        };
        if prepared.bytes.is_some() {
            prepared.counted(progress).count(length_of(&prepared.entries));
        }
        let mut start = 0;
        for document in prepared.entries.chunk_by(|a, b| a.version == b.version) {
            let (version, range) = (document[0].version, start..start + document.len());
            start = range.end;
            // It may prove itself: that does not make it a document of this archive.
            if !listed.contains(&version) {
                let reason = "the batch lists no such document in this pack".to_owned();
                prepared.outcome.problems.push(ExportProblem::damage(version, reason));
                continue;
            }
            let counted = prepared.counted(progress);
            let source: &dyn PackSource = match &prepared.bytes {
                Some(window) => window,
                None => &counted,
            };
            match (Packed { source, version, entries: document }).ready(target) {
                Ok(ready) => prepared.documents.push((range, ready)),
                Err(hindrance) => {
                    prepared.outcome.take(version, Given::Not { key: None, hindrance });
                }
            }
        }
        prepared
    }

    /// Lets every document that does not get the places it would have lie aside.
    pub(crate) fn claim(&mut self, claims: &mut Claims) {
        self.documents.iter_mut().for_each(|(_, ready)| ready.claim(claims));
    }

    /// Writes the documents; returns those that have files elsewhere, too.
    pub(crate) fn write(
        mut self,
        target: Target<'_>,
        progress: &ExportProgress,
    ) -> (ExportOutcome, Vec<Ready>) {
        let mut waiting = Vec::new();
        for (range, ready) in std::mem::take(&mut self.documents) {
            if ready.has_files_elsewhere() {
                waiting.push(ready);
                continue;
            }
            let counted = self.counted(progress);
            let source: &dyn PackSource = match &self.bytes {
                Some(window) => window,
                None => &counted,
            };
            let packed = Packed { source, version: ready.version, entries: &self.entries[range] };
            let given = packed.give_back(&ready, target, None);
            self.outcome.take(ready.version, given);
        }
        self.counted(progress).count(length_of(&self.entries));
        progress.documents.fetch_add(self.outcome.documents, Ordering::Relaxed);
        (self.outcome, waiting)
    }

    fn counted<'a>(&'a self, progress: &'a ExportProgress) -> Counted<'a> {
        Counted {
            source: &*self.source,
            bytes: &progress.bytes,
            length: length_of(&self.entries),
            so_far: &self.so_far,
        }
    }
}

/// Returns how many bytes of its pack the entries of a window take.
pub(crate) fn length_of(window: &[PackEntry]) -> u64 {
    match (window.first(), window.last()) {
        (Some(first), Some(last)) => last.data_offset + last.size_bytes - first.header_offset,
        _ => 0,
    }
}

/// A pack that counts what is read of one of its windows, each byte once.
struct Counted<'a> {
    source: &'a dyn PackSource,
    /// Where it is added to.
    bytes: &'a AtomicU64,
    /// The length of the window.
    length: u64,
    so_far: &'a AtomicU64,
}

impl Counted<'_> {
    fn count(&self, bytes: u64) {
        let before = self.so_far.fetch_add(bytes, Ordering::Relaxed);
        let left = self.length.saturating_sub(before);
        self.bytes.fetch_add(bytes.min(left), Ordering::Relaxed);
    }
}

impl PackSource for Counted<'_> {
    fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        self.source.read_exact_at(offset, buf)?;
        self.count(buf.len() as u64);
        Ok(())
    }
}

/// A part of a pack in memory.
struct Window {
    offset: u64,
    bytes: Vec<u8>,
    size_bytes: u64,
}

impl Window {
    fn read(source: &dyn PackSource, entries: &[PackEntry]) -> Option<Self> {
        let (first, length) = (entries.first()?, length_of(entries));
        if length > 4 * WINDOW_BYTES {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        source.read_exact_at(first.header_offset, &mut bytes).ok()?;
        Some(Self { offset: first.header_offset, bytes, size_bytes: source.size_bytes() })
    }
}

impl PackSource for Window {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let start = offset.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        let part = start.and_then(|at| self.bytes.get(at..at.checked_add(buf.len())?));
        let part = part.ok_or_else(|| BackendError::failed("outside the window"))?;
        buf.copy_from_slice(part);
        Ok(())
    }
}
