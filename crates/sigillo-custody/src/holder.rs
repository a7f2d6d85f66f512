//! Packs held open to find files that lie in earlier versions of a document.

use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use sigillo_evidence_log::proven_record;
use sigillo_model::{Blake3Digest, DocumentId, FileEntry, RECORD_BYTES_MAX, Record, VersionId};
use sigillo_store::{
    PackSink, PackSource,
    pack::{PackEntry, PackError, PackIndex, Part, read_pack_index},
};

/// At most this many packs are held open for what later versions refer to.
const PACKS_OPEN_MAX: usize = 4;

/// A pack with its directory, in which versions are found at once.
pub(crate) struct OpenPack {
    pub(crate) source: Arc<dyn PackSource>,
    pub(crate) index: PackIndex,
    places: HashMap<VersionId, Range<usize>>,
}

impl OpenPack {
    /// Opens a pack and reads its directory.
    ///
    /// # Errors
    ///
    /// [`PackError`] if it cannot be read or its directory is damaged.
    pub(crate) fn open(sink: &dyn PackSink, name: Blake3Digest) -> Result<Self, PackError> {
        let source =
            sink.open(&name).map_err(|source| PackError::Store { doing: "opening it", source })?;
        let index = read_pack_index(&*source)?;
        let mut places = HashMap::new();
        let mut start = 0;
        for document in index.entries.chunk_by(|a, b| a.version == b.version) {
            let end = start + document.len();
            places.insert(document[0].version, start..end);
            start = end;
        }
        Ok(Self { source: Arc::from(source), index, places })
    }

    /// Returns the entries of a version, none if it is not in the pack.
    pub(crate) fn entries(&self, version: VersionId) -> &[PackEntry] {
        self.places.get(&version).map_or(&[], |range| &self.index.entries[range.clone()])
    }
}

/// Packs held open, the one used last at the end.
pub(crate) struct Holders {
    sink: Arc<dyn PackSink>,
    open: Mutex<VecDeque<(Blake3Digest, Arc<OpenPack>)>>,
}

impl Holders {
    pub(crate) fn new(sink: Arc<dyn PackSink>) -> Self {
        Self { sink, open: Mutex::default() }
    }

    /// Opens a pack, or returns it if it is open; blocks.
    ///
    /// # Errors
    ///
    /// [`PackError`] if it cannot be read or its directory is damaged.
    pub(crate) fn pack(&self, name: Blake3Digest) -> Result<Arc<OpenPack>, PackError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(known, _)| *known == name) {
            let known = open.remove(at).expect("a position that was just found");
            let pack = Arc::clone(&known.1);
            open.push_back(known);
            return Ok(pack);
        }
        if open.len() == PACKS_OPEN_MAX {
            open.pop_front();
        }
        let pack = Arc::new(OpenPack::open(&*self.sink, name)?);
        open.push_back((name, Arc::clone(&pack)));
        Ok(pack)
    }
}

/// Reads the record of a version, if it is there and proves itself.
pub(crate) fn read_record(
    source: &dyn PackSource,
    version: VersionId,
    entries: &[PackEntry],
) -> Option<Record> {
    read_stored_record(source, version, entries).map(|(record, _)| record)
}

/// As [`read_record`], with its bytes.
pub(crate) fn read_stored_record(
    source: &dyn PackSource,
    version: VersionId,
    entries: &[PackEntry],
) -> Option<(Record, Vec<u8>)> {
    given_record(source, version, entries).ok().flatten()
}

/// As [`read_stored_record`], and tells a record that is damaged (`None`) from one that the store does not
/// give now.
///
/// # Errors
///
/// [`PackError::Store`] if its bytes could not be read.
pub(crate) fn given_record(
    source: &dyn PackSource,
    version: VersionId,
    entries: &[PackEntry],
) -> Result<Option<(Record, Vec<u8>)>, PackError> {
    let entry = entries.iter().find(|entry| entry.part == Part::Record);
    let Some(entry) = entry.filter(|entry| entry.size_bytes <= RECORD_BYTES_MAX) else {
        return Ok(None);
    };
    let Ok(size) = usize::try_from(entry.size_bytes) else { return Ok(None) };
    let mut bytes = vec![0; size];
    let read = source.read_exact_at(entry.data_offset, &mut bytes);
    read.map_err(|source| PackError::Store { doing: "reading a record", source })?;
    Ok(proven_record(version, &bytes).map(|record| (record, bytes)))
}

/// Returns the entry of the file in an earlier version that a later one refers to, or says in words
/// why that version does not have it.
pub(crate) fn held_file(
    held: &Record,
    entries: &[PackEntry],
    document: DocumentId,
    (sha256, size): (sigillo_model::Sha256Digest, u64),
) -> Result<PackEntry, &'static str> {
    if held.document != document {
        return Err("which belongs to another document");
    }
    let is_same =
        |file: &FileEntry| file.stored_in.is_none() && (file.sha256, file.size) == (sha256, size);
    let positions = (1..).zip(&held.files).filter(|(_, file)| is_same(file));
    let mut positions = positions.map(|(position, _)| position).peekable();
    if positions.peek().is_none() {
        return Err("which states no such file of its own");
    }
    for wanted in positions {
        let found = entries.iter().find(|entry| {
            matches!(entry.part, Part::File { position, .. } if position == wanted)
                && entry.size_bytes == size
        });
        if let Some(found) = found {
            return Ok(*found);
        }
    }
    Err("whose pack does not hold it")
}
