//! Writing the files of one document: all of them, each with its digest, or none.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::io::Errno;

use sigillo_model::{FileEntry, Record, Sha256Digest, Sha256Hasher, VersionId};
use sigillo_store::{
    PackSource,
    pack::{PackEntry, Part},
};

use crate::{
    claims::Claims,
    holder::{OpenPack, held_file, read_record, read_stored_record},
    output_folder::OutputFolder,
    target::{Hindrance, Target, others, stands_in_the_way},
};

/// A large file is written in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A document as it lies in its pack.
#[derive(Clone, Copy)]
pub(crate) struct Packed<'a> {
    pub(crate) source: &'a dyn PackSource,
    pub(crate) version: VersionId,
    pub(crate) entries: &'a [PackEntry],
}

/// Where the earlier versions lie that hold files of a document, or why they cannot be read.
pub(crate) type Held = HashMap<VersionId, Result<Arc<OpenPack>, String>>;

/// A document whose record was read and proves itself.
pub(crate) struct Ready {
    pub(crate) version: VersionId,
    pub(crate) record: Record,
    /// The record as it is stored.
    stored: Vec<u8>,
    /// The places of its files by key and names; none if they are not to go there.
    pub(crate) natural: Result<Option<Vec<PathBuf>>, Hindrance>,
}

impl Ready {
    /// Tells whether some of its files lie in earlier versions.
    pub(crate) fn has_files_elsewhere(&self) -> bool {
        self.record.files.iter().any(|file| file.stored_in.is_some())
    }

    /// Takes its places, or lets it lie aside if another document has one of them.
    pub(crate) fn claim(&mut self, claims: &mut Claims) {
        if let Ok(natural) = &mut self.natural
            && natural.as_ref().is_some_and(|places| !claims.take(places))
        {
            *natural = None;
        }
    }
}

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Given {
    /// It was written, with so many bytes; `aside` is its key if it is not in the place of it.
    Written { bytes: u64, aside: Option<String> },
    /// Nothing of it was left behind.
    Not { key: Option<String>, hindrance: Hindrance },
}

impl Packed<'_> {
    /// Reads the record of the document and where its files go, if it proves itself.
    pub(crate) fn ready(&self, target: Target<'_>) -> Result<Ready, Hindrance> {
        let (record, stored) = read_stored_record(self.source, self.version, self.entries)
            .ok_or_else(|| Hindrance::damaged("its record is damaged"))?;
        let natural = target.natural(&record, self.version);
        Ok(Ready { version: self.version, record, stored, natural })
    }

    /// Writes the files of the document; `held` is needed if some lie in earlier versions.
    pub(crate) fn give_back(
        &self,
        ready: &Ready,
        target: Target<'_>,
        held: Option<&Held>,
    ) -> Given {
        let written = self.write(ready, target, held);
        if let Some(records) = target.records {
            let places = written.as_ref().map_or(&[][..], |it| &it.places);
            records.add(self.version, &ready.stored, places);
        }
        let key = ready.record.key.to_string();
        match written {
            Ok(Written { bytes, aside, .. }) => {
                Given::Written { bytes, aside: aside.then_some(key) }
            }
            Err(hindrance) => Given::Not { key: Some(key), hindrance },
        }
    }

    /// Writes the files, where they belong or, if they cannot lie there, aside.
    fn write(
        &self,
        ready: &Ready,
        target: Target<'_>,
        held: Option<&Held>,
    ) -> Result<Written, Hindrance> {
        let found = self.find(&ready.record, held)?;
        if let Some(natural) = ready.natural.clone()? {
            match self.write_all(&ready.record, &found, &natural, target.folder) {
                Ok(bytes) => return Ok(Written { places: natural, bytes, aside: false }),
                Err(failed) if !failed.gives_way(target.folder) => return Err(failed.hindrance),
                Err(_) => {}
            }
        }
        let places = others(&ready.record, self.version);
        let bytes = self.write_all(&ready.record, &found, &places, target.folder);
        let bytes = bytes.map_err(|failed| failed.hindrance)?;
        Ok(Written { places, bytes, aside: true })
    }

    /// Writes all files or leaves none behind; returns how many bytes they have.
    fn write_all(
        &self,
        record: &Record,
        found: &[Found],
        places: &[PathBuf],
        folder: &OutputFolder,
    ) -> Result<u64, Failed> {
        let mut bytes = 0;
        for (at, (found, place)) in found.iter().zip(places).enumerate() {
            let source = found.holder.as_ref().map_or(self.source, |pack| &*pack.source);
            let sha256 = record.files[at].sha256;
            if let Err(failed) = write_file(source, &found.entry, sha256, (folder, place)) {
                remove(folder, &places[..at]);
                return Err(failed);
            }
            bytes += found.entry.size_bytes;
        }
        Ok(bytes)
    }

    /// Reads all files of the document into memory, each with its digest checked. Whoever asks
    /// bounds their sizes, which are those that `record` states.
    pub(crate) fn read_all(
        &self,
        record: &Record,
        held: Option<&Held>,
    ) -> Result<Vec<Vec<u8>>, Hindrance> {
        let found = self.find(record, held)?;
        let read = found.iter().zip(&record.files).map(|(found, file)| {
            let source = found.holder.as_ref().map_or(self.source, |pack| &*pack.source);
            let length = usize::try_from(found.entry.size_bytes);
            let length = length.map_err(|_| Hindrance::other("a file of it is too large"))?;
            let mut bytes = vec![0; length];
            source
                .read_exact_at(found.entry.data_offset, &mut bytes)
                .map_err(|error| Hindrance::damaged(format!("its pack cannot be read: {error}")))?;
            if Sha256Digest::of(&bytes) != file.sha256 {
                return Err(Hindrance::damaged(
                    "a file does not have the digest its record states",
                ));
            }
            Ok(bytes)
        });
        read.collect()
    }

    /// Finds every file of the document before the first of them is written.
    fn find(&self, record: &Record, held: Option<&Held>) -> Result<Vec<Found>, Hindrance> {
        let mut own = HashMap::new();
        for entry in self.entries {
            if let Part::File { position, .. } = entry.part {
                own.insert(position, *entry);
            }
        }
        let mut found = Vec::with_capacity(record.files.len());
        let mut records = HashMap::new();
        for (position, file) in (1..).zip(&record.files) {
            if let Some(holder) = file.stored_in {
                let in_holder = find_held(record, file, held, &mut records);
                found.push(in_holder.map_err(|what| {
                    let what = format!("file {position} of it lies in version {holder}, {what}");
                    Hindrance::damaged(what)
                })?);
                continue;
            }
            let missing =
                || Hindrance::damaged(format!("file {position} of it is not in the pack"));
            let entry = own.remove(&position).ok_or_else(missing)?;
            if entry.size_bytes != file.size {
                return Err(unstated());
            }
            found.push(Found { holder: None, entry });
        }
        if own.is_empty() { Ok(found) } else { Err(unstated()) }
    }
}

/// Where the bytes of a file are.
struct Found {
    /// The pack, if it is not that of the document.
    holder: Option<Arc<OpenPack>>,
    entry: PackEntry,
}

fn unstated() -> Hindrance {
    Hindrance::damaged("the pack holds a file that its record does not state")
}

/// Finds a file in the earlier version that holds it; `records` are those read before.
fn find_held(
    record: &Record,
    file: &FileEntry,
    held: Option<&Held>,
    records: &mut HashMap<VersionId, Option<Record>>,
) -> Result<Found, String> {
    let not_there = || "which is not in the archive".to_owned();
    let holder = file.stored_in.ok_or_else(not_there)?;
    let pack = held.and_then(|held| held.get(&holder)).ok_or_else(not_there)?;
    let pack = pack.as_ref().map_err(Clone::clone)?;
    let entries = pack.entries(holder);
    let earlier = records.entry(holder);
    let earlier = earlier.or_insert_with(|| read_record(&*pack.source, holder, entries));
    let earlier = earlier.as_ref().ok_or("whose record is damaged")?;
    let entry = held_file(earlier, entries, record.document, (file.sha256, file.size))?;
    Ok(Found { holder: Some(Arc::clone(pack)), entry })
}

/// Where the files of a document were written.
struct Written {
    places: Vec<PathBuf>,
    bytes: u64,
    aside: bool,
}

/// Why a file was not written.
struct Failed {
    hindrance: Hindrance,
    /// What stood in the way of its place, before anything was written.
    place: Option<io::Error>,
}

impl Failed {
    /// Tells whether the document may lie elsewhere: what is in its place is of this export, since
    /// there was nothing before, or the file system takes no such name. What somebody else put
    /// there is told instead.
    fn gives_way(&self, folder: &OutputFolder) -> bool {
        self.place.as_ref().is_some_and(|error| {
            Errno::from_io_error(error) == Some(Errno::NAMETOOLONG)
                || folder.was_empty() && stands_in_the_way(error)
        })
    }
}

impl From<Hindrance> for Failed {
    fn from(hindrance: Hindrance) -> Self {
        Self { hindrance, place: None }
    }
}

/// Removes what was written of a document that cannot be given back whole.
fn remove(folder: &OutputFolder, places: &[PathBuf]) {
    for place in places {
        if let Err(error) = folder.remove(place) {
            tracing::warn!(place = %place.display(), %error, "a file was not removed");
        }
    }
}

/// Writes one file; what does not have its digest is removed again.
fn write_file(
    source: &dyn PackSource,
    entry: &PackEntry,
    sha256: Sha256Digest,
    (folder, place): (&OutputFolder, &Path),
) -> Result<(), Failed> {
    let cannot = |error: &io::Error| Hindrance::not_written(&folder.path_of(place), error);
    let mut file = folder
        .create(place)
        .map_err(|error| Failed { hindrance: cannot(&error), place: Some(error) })?;
    let (mut hasher, mut offset) = (Sha256Hasher::default(), 0);
    let mut buffer =
        vec![0; PIECE_BYTES.min(usize::try_from(entry.size_bytes).unwrap_or(PIECE_BYTES))];
    let result = loop {
        if offset == entry.size_bytes {
            let found = hasher.finish();
            break if found == sha256 {
                Ok(())
            } else {
                Err(Hindrance::damaged("a file does not have the digest its record states"))
            };
        }
        let left = usize::try_from(entry.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        if let Err(error) = source.read_exact_at(entry.data_offset + offset, piece) {
            break Err(Hindrance::damaged(format!("its pack cannot be read: {error}")));
        }
        hasher.update(&*piece);
        if let Err(error) = file.write_all(piece) {
            break Err(cannot(&error));
        }
        offset += piece.len() as u64;
    };
    if result.is_err() {
        // Nothing that was not checked stays behind under the document's name.
        drop(folder.remove(place));
    }
    Ok(result?)
}
