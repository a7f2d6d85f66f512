//! Giving documents back: every file checked against its digest before it counts.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use sigillo_evidence_log::{
    Archive, BatchObjectError, LogView, proven_record, read_leaves, read_pack_list,
};
use sigillo_model::{
    BatchCommitted, DocumentKey, ListedPack, ObjectKey, RECORD_BYTES_MAX, Record, Sha256Digest,
    VersionId, encode_name,
};
use sigillo_store::{
    PackSource, ReadPool,
    pack::{PackEntry, PackError, PackIndex, Part, read_pack_index},
};

use crate::{
    CustodyError, Located,
    path::{file_below, place_below},
};

/// Documents are read from a pack together up to this many bytes.
const WINDOW_BYTES: u64 = 4 << 20;

/// At most this many windows are on their way at once.
const WINDOWS_IN_FLIGHT_MAX: usize = 16;

/// A large file is written in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// A document that was not given back, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportProblem {
    /// The version; none where a whole batch was not given back, because its lists are damaged.
    pub version: Option<VersionId>,
    /// What the producer calls it, if its record could be read.
    pub key: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// Whether the archive is damaged, and not the place it was to be written to.
    pub damage: bool,
}

/// What became of an export.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExportOutcome {
    /// Documents given back, all their digests checked.
    pub documents: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// What was not given back.
    pub problems: Vec<ExportProblem>,
}

/// Gives documents back.
#[derive(Debug)]
pub struct Exporter {
    /// The archive.
    pub archive: Archive,
    /// Threads that read packs and write files.
    pub reads: ReadPool,
    /// Documents given back so far.
    pub progress: Arc<AtomicU64>,
}

impl Exporter {
    /// Gives every document back below `folder`, as `<source>/<path>`. Nothing is overwritten.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the archive cannot be read; what cannot be written is a problem.
    pub async fn export_all(
        &self,
        view: &LogView,
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let mut total = ExportOutcome::default();
        for batch in &view.batches {
            let store = self.archive.store();
            let leaves = usable(read_leaves(store, &batch.body).await)?;
            let list = usable(read_pack_list(store, &batch.body).await)?;
            let (leaves, list) = match (leaves, list) {
                (Ok(leaves), Ok(list)) => (leaves, list),
                (Err(what), _) => {
                    total.lose_batch(&batch.body, &ObjectKey::leaves(batch.body.batch), &what);
                    continue;
                }
                (_, Err(what)) => {
                    total.lose_batch(&batch.body, &ObjectKey::pack_list(batch.body.batch), &what);
                    continue;
                }
            };
            let mut first = 0;
            for pack in list {
                let end = first + usize::try_from(pack.documents).unwrap_or(usize::MAX);
                let versions = leaves.get(first..end).unwrap_or_default();
                first = end;
                total.add(self.export_pack(&pack, versions, folder).await?);
            }
        }
        Ok(total)
    }

    /// Gives the files of one version back into `folder`, under their own names.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the pack cannot be read.
    pub async fn get(
        &self,
        located: &Located,
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let sink = Arc::clone(self.archive.store().packs());
        let (version, name, folder) = (located.version, located.pack.name, folder.to_owned());
        let key = ObjectKey::pack(name);
        let got = self.reads.run(move || {
            let source = sink
                .open(&name)
                .map_err(|source| PackError::Store { doing: "opening it", source })?;
            let index = read_pack_index(&*source)?;
            let entries: Vec<_> =
                index.entries.iter().filter(|it| it.version == version).copied().collect();
            let target = Target { folder: &folder, by_key: false };
            let mut outcome = ExportOutcome::default();
            outcome.document(&*source, version, &entries, &target);
            Ok(outcome)
        });
        let got = got.await.map_err(|_| CustodyError::Panicked)?;
        got.map_err(|source| CustodyError::Pack { key, source })
    }

    async fn export_pack(
        &self,
        pack: &ListedPack,
        versions: &[VersionId],
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let (name, sink) = (pack.name, Arc::clone(self.archive.store().packs()));
        let opened = self.reads.run(move || {
            let source = sink
                .open(&name)
                .map_err(|source| PackError::Store { doing: "opening it", source })?;
            let index = read_pack_index(&*source)?;
            Ok::<_, PackError>((Arc::<dyn PackSource>::from(source), index))
        });
        let (source, index) = match opened.await.map_err(|_| CustodyError::Panicked)? {
            Ok(opened) => opened,
            Err(error) => return Ok(ExportOutcome::lost(versions, &error)),
        };
        let listed: Arc<HashSet<VersionId>> = Arc::new(versions.iter().copied().collect());
        let folder: Arc<Path> = Arc::from(folder);
        let mut outcome = ExportOutcome::default();
        let mut exported = stream::iter(windows_of(&index))
            .map(|window| {
                let (source, folder) = (Arc::clone(&source), Arc::clone(&folder));
                let listed = Arc::clone(&listed);
                let progress = Arc::clone(&self.progress);
                self.reads.run(move || {
                    let outcome = export_window(&*source, &window, &listed, &folder);
                    progress.fetch_add(outcome.documents, Ordering::Relaxed);
                    outcome
                })
            })
            .buffer_unordered(WINDOWS_IN_FLIGHT_MAX);
        while let Some(window) = exported.next().await {
            outcome.add(window.map_err(|_| CustodyError::Panicked)?);
        }
        let found: HashSet<VersionId> = index.entries.iter().map(|entry| entry.version).collect();
        for version in versions.iter().filter(|version| !found.contains(version)) {
            let reason = format!("it is not in its pack, {name}");
            outcome.problems.push(ExportProblem::damage(*version, reason));
        }
        Ok(outcome)
    }
}

impl ExportProblem {
    fn damage(version: VersionId, reason: String) -> Self {
        Self { version: Some(version), key: None, reason, damage: true }
    }
}

impl ExportOutcome {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.problems.extend(other.problems);
    }

    fn lost(versions: &[VersionId], error: &PackError) -> Self {
        let problems = versions.iter().map(|version| {
            ExportProblem::damage(*version, format!("its pack cannot be read: {error}"))
        });
        Self { problems: problems.collect(), ..Self::default() }
    }

    /// Notes that nothing of a batch is given back.
    fn lose_batch(&mut self, batch: &BatchCommitted, list: &ObjectKey, what: &str) {
        let documents = batch.documents;
        let reason = format!("{list} is damaged ({what}), with its {documents} documents");
        self.problems.push(ExportProblem { version: None, key: None, reason, damage: true });
    }

    /// Writes the files of one document, or says why not.
    fn document(
        &mut self,
        source: &dyn PackSource,
        version: VersionId,
        entries: &[PackEntry],
        target: &Target<'_>,
    ) {
        let problem = |key, (reason, damage)| {
            let version = Some(version);
            ExportProblem { version, key, reason, damage }
        };
        let Some(record) = read_record(source, version, entries) else {
            let what = ("its record is damaged".to_owned(), true);
            return self.problems.push(problem(None, what));
        };
        if let Some(position) = missing_file(&record, entries) {
            let what = (format!("file {position} of it is not in the pack"), true);
            return self.problems.push(problem(Some(record.key.to_string()), what));
        }
        let files = entries.iter().filter_map(|entry| match entry.part {
            Part::File { position, .. } => Some((position, entry)),
            Part::Record => None,
        });
        let mut written = 0;
        for (position, entry) in files {
            let stated = record.files.get(position as usize - 1);
            let result = match stated {
                Some(file) if file.size == entry.size_bytes => target
                    .place(&record, position)
                    .and_then(|place| write_file(source, entry, file.sha256, &place)),
                _ => Err(("the pack holds a file that its record does not state".to_owned(), true)),
            };
            match result {
                Ok(()) => written += entry.size_bytes,
                Err(what) => {
                    return self.problems.push(problem(Some(record.key.to_string()), what));
                }
            }
        }
        self.documents += 1;
        self.bytes += written;
    }
}

/// Where files are written.
struct Target<'a> {
    folder: &'a Path,
    by_key: bool,
}

impl Target<'_> {
    fn place(&self, record: &Record, position: u32) -> Result<PathBuf, (String, bool)> {
        let file = &record.files[position as usize - 1];
        let place = match &record.key {
            _ if !self.by_key => file_below(self.folder, &file.name),
            DocumentKey::Path { path, source } if record.files.len() == 1 => {
                place_below(self.folder, source, path)
            }
            key => folder_of(self.folder, key).and_then(|folder| file_below(&folder, &file.name)),
        };
        place.ok_or_else(|| ("its path would leave the folder".to_owned(), false))
    }
}

/// Returns the folder for the files of a document that has several, or a key without a path.
fn folder_of(root: &Path, key: &DocumentKey) -> Option<PathBuf> {
    match key {
        DocumentKey::Path { path, source } => place_below(root, source, path),
        DocumentKey::Aggregation { aggregation, structure } => {
            let structure = file_below(root, &encode_name(structure.as_bytes()))?;
            file_below(&structure, &one_name(aggregation))
        }
        DocumentKey::Register { number, register, structure, year } => {
            let mut folder = root.to_owned();
            for name in [structure, register, year, number] {
                folder = file_below(&folder, &one_name(name))?;
            }
            Some(folder)
        }
    }
}

/// Spells a text of a key as the name of one folder.
fn one_name(text: &str) -> String {
    encode_name(text.as_bytes()).replace('/', "%2F")
}

/// Groups the entries of whole documents into windows.
fn windows_of(index: &PackIndex) -> Vec<Vec<PackEntry>> {
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

/// Gives the documents of a window back, as far as the batch lists them.
fn export_window(
    source: &dyn PackSource,
    window: &[PackEntry],
    listed: &HashSet<VersionId>,
    folder: &Path,
) -> ExportOutcome {
    let mut outcome = ExportOutcome::default();
    let target = Target { folder, by_key: true };
    let (Some(first), Some(last)) = (window.first(), window.last()) else { return outcome };
    let length = last.data_offset + last.size_bytes - first.header_offset;
    let in_memory = (length <= 4 * WINDOW_BYTES).then(|| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        source.read_exact_at(first.header_offset, &mut bytes).is_ok().then(|| Window {
            offset: first.header_offset,
            bytes,
            size_bytes: source.size_bytes(),
        })
    });
    for document in window.chunk_by(|a, b| a.version == b.version) {
        let version = document[0].version;
        // It may prove itself: that does not make it a document of this archive.
        if !listed.contains(&version) {
            let reason = "the batch lists no such document in this pack".to_owned();
            outcome.problems.push(ExportProblem::damage(version, reason));
            continue;
        }
        match in_memory.as_ref().and_then(Option::as_ref) {
            Some(window) => outcome.document(window, version, document, &target),
            None => outcome.document(source, version, document, &target),
        }
    }
    outcome
}

/// A part of a pack in memory.
struct Window {
    offset: u64,
    bytes: Vec<u8>,
    size_bytes: u64,
}

impl PackSource for Window {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_exact_at(
        &self,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), sigillo_store::BackendError> {
        let start = offset.checked_sub(self.offset).and_then(|at| usize::try_from(at).ok());
        let part = start.and_then(|at| self.bytes.get(at..at.checked_add(buf.len())?));
        let part = part.ok_or_else(|| sigillo_store::BackendError::failed("outside the window"))?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

fn read_record(
    source: &dyn PackSource,
    version: VersionId,
    entries: &[PackEntry],
) -> Option<Record> {
    let entry = entries.iter().find(|entry| entry.part == Part::Record)?;
    if entry.size_bytes > RECORD_BYTES_MAX {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(entry.size_bytes).ok()?];
    source.read_exact_at(entry.data_offset, &mut bytes).ok()?;
    proven_record(version, &bytes)
}

/// Returns the position of a file that should be in the pack and is not.
fn missing_file(record: &Record, entries: &[PackEntry]) -> Option<u32> {
    let stored = |wanted| {
        let is_wanted = |entry: &PackEntry| matches!(entry.part, Part::File { position, .. } if position == wanted);
        entries.iter().any(is_wanted)
    };
    let files = (1..).zip(&record.files).filter(|(_, file)| file.stored_in.is_none());
    files.map(|(position, _)| position).find(|position| !stored(*position))
}

/// Writes one file; what does not have its digest is removed again.
fn write_file(
    source: &dyn PackSource,
    entry: &PackEntry,
    sha256: Sha256Digest,
    place: &Path,
) -> Result<(), (String, bool)> {
    let cannot = |error: io::Error| (format!("cannot write {}: {error}", place.display()), false);
    let damaged = |what: String| (what, true);
    let mut file = create_new(place).map_err(cannot)?;
    let (mut hasher, mut offset) = (Sha256::new(), 0);
    let mut buffer =
        vec![0; PIECE_BYTES.min(usize::try_from(entry.size_bytes).unwrap_or(PIECE_BYTES))];
    let result = loop {
        if offset == entry.size_bytes {
            let found = Sha256Digest::from_bytes(hasher.finalize().into());
            break if found == sha256 {
                Ok(())
            } else {
                Err(damaged("a file does not have the digest its record states".to_owned()))
            };
        }
        let left = usize::try_from(entry.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        if let Err(error) = source.read_exact_at(entry.data_offset + offset, piece) {
            break Err(damaged(format!("its pack cannot be read: {error}")));
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

/// Sorts what is damaged, which stops only its batch, from a store that does not answer.
fn usable<T>(read: Result<T, BatchObjectError>) -> Result<Result<T, String>, CustodyError> {
    match read {
        Ok(object) => Ok(Ok(object)),
        Err(BatchObjectError::Store(error)) => Err(CustodyError::Log(error)),
        Err(damaged) => Ok(Err(damaged.to_string())),
    }
}
