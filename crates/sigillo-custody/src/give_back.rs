//! Writing the files of one document: all of them, each with its digest, or none.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use sigillo_model::{FileEntry, Record, Sha256Digest, Sha256Hasher, VersionId};
use sigillo_store::{
    PackSource,
    pack::{PackEntry, Part},
};

use crate::{
    holder::{OpenPack, held_file, read_record, read_stored_record},
    target::{Hindrance, Target},
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

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Given {
    /// It was written, with so many bytes.
    Written { bytes: u64 },
    /// Some of its files lie in earlier versions, and nobody looked for them yet.
    Elsewhere,
    /// Nothing of it was left behind.
    Not { key: Option<String>, hindrance: Hindrance },
}

impl Packed<'_> {
    /// Reads the record of the document, if it proves itself.
    pub(crate) fn record(&self) -> Option<Record> {
        read_record(self.source, self.version, self.entries)
    }

    /// Writes the files of the document; `held` is needed if some lie in earlier versions.
    pub(crate) fn give_back(&self, target: Target<'_>, held: Option<&Held>) -> Given {
        let stored = read_stored_record(self.source, self.version, self.entries);
        let Some((record, stored)) = stored else {
            return Given::Not {
                key: None,
                hindrance: Hindrance::damaged("its record is damaged"),
            };
        };
        if held.is_none() && record.files.iter().any(|file| file.stored_in.is_some()) {
            return Given::Elsewhere;
        }
        let written = self.write(&record, target, held);
        if let Some(records) = target.records {
            let places = written.as_ref().map_or(&[][..], |(places, _)| places);
            records.add(self.version, &stored, places);
        }
        match written {
            Ok((_, bytes)) => Given::Written { bytes },
            Err(hindrance) => Given::Not { key: Some(record.key.to_string()), hindrance },
        }
    }

    /// Writes the files; returns where, and how many bytes they have.
    fn write(
        &self,
        record: &Record,
        target: Target<'_>,
        held: Option<&Held>,
    ) -> Result<(Vec<PathBuf>, u64), Hindrance> {
        let found = self.find(record, held)?;
        let places = target.places(record, self.version)?;
        let mut bytes = 0;
        for (at, (found, place)) in found.iter().zip(&places).enumerate() {
            let source = found.holder.as_ref().map_or(self.source, |pack| &*pack.source);
            if let Err(hindrance) = write_file(source, &found.entry, record.files[at].sha256, place)
            {
                remove(&places[..at]);
                return Err(hindrance);
            }
            bytes += found.entry.size_bytes;
        }
        Ok((places, bytes))
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

/// Removes what was written of a document that cannot be given back whole.
fn remove(places: &[PathBuf]) {
    for place in places {
        if let Err(error) = fs::remove_file(place) {
            tracing::warn!(place = %place.display(), %error, "a file was not removed");
        }
    }
}

/// Writes one file; what does not have its digest is removed again.
fn write_file(
    source: &dyn PackSource,
    entry: &PackEntry,
    sha256: Sha256Digest,
    place: &Path,
) -> Result<(), Hindrance> {
    let cannot = |error: io::Error| Hindrance::not_written(place, &error);
    let mut file = create_new(place).map_err(cannot)?;
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
            break Err(cannot(error));
        }
        offset += piece.len() as u64;
    };
    if result.is_err() {
        // Nothing that was not checked stays behind under the document's name.
        drop(fs::remove_file(place));
    }
    result
}

fn create_new(place: &Path) -> io::Result<File> {
    match File::create_new(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create_new(place)
        }
        created => created,
    }
}
