//! Giving documents back: every file checked against its digest before it counts.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{StreamExt as _, stream};

use sigillo_evidence_log::{Archive, BatchObjectError, LogView, read_leaves, read_pack_list};
use sigillo_model::{BatchCommitted, Blake3Digest, ListedPack, ObjectKey, Record, VersionId};
use sigillo_store::{
    PackSource, ReadPool,
    pack::{PackEntry, PackError, PackIndex, Part},
};

use crate::{
    CustodyError, KnownVersions, Located,
    give_back::{Given, Held, Packed},
    holder::{Holders, OpenPack},
    locate::packs_of,
    records_file::RecordsFile,
    target::{Hindrance, Target},
};

/// Documents are read from a pack together up to this many bytes.
const WINDOW_BYTES: u64 = 4 << 20;

/// At most this many windows are on their way at once.
const WINDOWS_IN_FLIGHT_MAX: usize = 16;

/// A document that was not given back, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportProblem {
    /// The version; none where the reason is about more than one document: the lists of a batch
    /// are damaged, or the index of keys cannot be completed.
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
    /// Records written beside them.
    pub records: u64,
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
    /// How far it is.
    pub progress: Arc<ExportProgress>,
}

/// How far an export is; it only counts up.
#[derive(Debug, Default)]
pub struct ExportProgress {
    /// Documents given back.
    pub documents: AtomicU64,
    /// Bytes of packs dealt with.
    pub bytes: AtomicU64,
    /// Bytes of packs to be dealt with, once that is known.
    pub bytes_found: AtomicU64,
}

impl Exporter {
    /// Gives every document back below `folder`: the newest version as `<source>/<path>` or
    /// `<structure>/<register>/<year>/<number>/`, with the files that lie in earlier versions;
    /// earlier versions in the same way below `_versions/<number>`; aggregations below
    /// `_aggregations`. The records of all of them go to `_records.jsonl`. Nothing is overwritten.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the archive cannot be read; what cannot be written is a problem.
    pub async fn export_all(
        &self,
        view: &LogView,
        known: KnownVersions,
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let job = self.job(known, folder, true);
        let mut total = ExportOutcome::default();
        self.find_bytes(view).await;
        for batch in &view.batches {
            let store = self.archive.store();
            let leaves = usable(read_leaves(store, &batch.body).await)?;
            let list = usable(read_pack_list(store, &batch.body).await)?;
            let (leaves, list) = match (leaves, list) {
                (Ok(leaves), Ok(list)) => (leaves, list),
                (Err(what), list) => {
                    let listed = list.iter().flatten().map(|pack| pack.size).sum();
                    self.progress.bytes.fetch_add(listed, Ordering::Relaxed);
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
                total.add(self.export_pack(view, &pack, versions, &job).await?);
            }
        }
        total.take_records(&job);
        Ok(total)
    }

    /// Adds up what there is to be read, for the progress; a damaged list is met again later.
    async fn find_bytes(&self, view: &LogView) {
        for batch in &view.batches {
            if let Ok(packs) = read_pack_list(self.archive.store(), &batch.body).await {
                let bytes = packs.iter().map(|pack| pack.size).sum();
                self.progress.bytes_found.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    /// Gives the files of one version back into `folder`, under their own names; those that lie in
    /// earlier versions, too. Of two with the same name, the later one begins with its position.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the pack cannot be read.
    pub async fn get(
        &self,
        view: &LogView,
        known: KnownVersions,
        located: &Located,
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let (sink, name) = (Arc::clone(self.archive.store().packs()), located.pack.name);
        let opened = self.reads.run(move || OpenPack::open(&*sink, name)).await;
        let opened = opened.map_err(|_| CustodyError::Panicked)?;
        let key = ObjectKey::pack(name);
        let pack = opened.map_err(|source| CustodyError::Pack { key, source })?;
        let entries = pack.entries(located.version).to_vec();
        let job = self.job(known, folder, false);
        let mut outcome = ExportOutcome::default();
        let given = self.whole(view, &job, (&pack.source, located.version, entries)).await?;
        outcome.take(located.version, given);
        Ok(outcome)
    }

    fn job(&self, known: KnownVersions, folder: &Path, by_key: bool) -> Arc<Job> {
        let holders = Holders::new(Arc::clone(self.archive.store().packs()));
        let records = by_key.then(|| RecordsFile::in_folder(folder));
        Arc::new(Job { known, by_key, folder: Arc::from(folder), records, holders })
    }

    async fn export_pack(
        &self,
        view: &LogView,
        pack: &ListedPack,
        versions: &[VersionId],
        job: &Arc<Job>,
    ) -> Result<ExportOutcome, CustodyError> {
        let (name, sink) = (pack.name, Arc::clone(self.archive.store().packs()));
        let opened = self.reads.run(move || OpenPack::open(&*sink, name)).await;
        // What is in no window: the directory, or all of a pack that cannot be read.
        let mut uncounted = pack.size;
        let pack = match opened.map_err(|_| CustodyError::Panicked)? {
            Ok(opened) => opened,
            Err(error) => {
                self.progress.bytes.fetch_add(uncounted, Ordering::Relaxed);
                return Ok(ExportOutcome::lost(versions, &error));
            }
        };
        let listed: Arc<HashSet<VersionId>> = Arc::new(versions.iter().copied().collect());
        let mut outcome = ExportOutcome::default();
        let mut elsewhere = Vec::new();
        let windows = windows_of(&pack.index);
        for window in &windows {
            uncounted = uncounted.saturating_sub(length_of(window));
        }
        let mut exported = stream::iter(windows)
            .map(|window| {
                let (source, job) = (Arc::clone(&pack.source), Arc::clone(job));
                let listed = Arc::clone(&listed);
                let progress = Arc::clone(&self.progress);
                self.reads.run(move || {
                    let length = length_of(&window);
                    let source = Counted {
                        source: &*source,
                        bytes: &progress.bytes,
                        length,
                        so_far: AtomicU64::new(0),
                    };
                    let (outcome, elsewhere) = export_window(&source, &window, &listed, &job);
                    source.count(length);
                    progress.documents.fetch_add(outcome.documents, Ordering::Relaxed);
                    (outcome, elsewhere)
                })
            })
            .buffer_unordered(WINDOWS_IN_FLIGHT_MAX);
        while let Some(window) = exported.next().await {
            let (window, more) = window.map_err(|_| CustodyError::Panicked)?;
            outcome.add(window);
            elsewhere.extend(more);
        }
        drop(exported);
        for version in elsewhere {
            let entries = pack.entries(version).to_vec();
            let given = self.whole(view, job, (&pack.source, version, entries)).await?;
            outcome.take(version, given);
            self.progress.documents.fetch_add(1, Ordering::Relaxed);
        }
        self.progress.bytes.fetch_add(uncounted, Ordering::Relaxed);
        for version in versions.iter().filter(|version| pack.entries(**version).is_empty()) {
            let reason = format!("it is not in its pack, {name}");
            outcome.problems.push(ExportProblem::damage(*version, reason));
        }
        Ok(outcome)
    }

    /// Gives one document back with its files that lie in earlier versions.
    async fn whole(
        &self,
        view: &LogView,
        job: &Arc<Job>,
        (source, version, entries): (&Arc<dyn PackSource>, VersionId, Vec<PackEntry>),
    ) -> Result<Given, CustodyError> {
        let (first, first_job) = ((Arc::clone(source), entries), Arc::clone(job));
        let sought = self.reads.run(move || {
            let (source, entries) = first;
            let packed = Packed { source: &*source, version, entries: &entries };
            let places = packed.record().map(|record| first_job.holders_of(&record));
            (source, entries, places)
        });
        let (source, entries, places) = sought.await.map_err(|_| CustodyError::Panicked)?;
        let mut places = match places {
            Some(Ok(places)) => places,
            Some(Err(hindrance)) => return Ok(Given::Not { key: None, hindrance }),
            None => HashMap::new(),
        };
        // What the index does not have may be in the archive all the same.
        let unknown = places.iter().filter(|(_, pack)| pack.is_none()).map(|(version, _)| *version);
        let unknown: HashSet<VersionId> = unknown.collect();
        if !unknown.is_empty() {
            let batches = view.batches.iter().map(|batch| &batch.body);
            let found = packs_of(&self.archive, batches, &unknown).await?;
            for (version, pack) in found.packs {
                places.insert(version, Some(pack));
            }
        }
        let job = Arc::clone(job);
        let given = self.reads.run(move || {
            let held = job.open(places);
            let packed = Packed { source: &*source, version, entries: &entries };
            packed.give_back(job.target(), Some(&held))
        });
        given.await.map_err(|_| CustodyError::Panicked)
    }
}

/// What holds for all documents of one export.
struct Job {
    known: KnownVersions,
    by_key: bool,
    folder: Arc<Path>,
    records: Option<RecordsFile>,
    holders: Holders,
}

impl Job {
    fn target(&self) -> Target<'_> {
        let by_key = self.by_key.then_some(&self.known);
        Target { folder: &self.folder, by_key, records: self.records.as_ref() }
    }

    /// Returns the packs of the earlier versions that hold files of a document, as far as the index
    /// has them.
    fn holders_of(
        &self,
        record: &Record,
    ) -> Result<HashMap<VersionId, Option<Blake3Digest>>, Hindrance> {
        let mut places = HashMap::new();
        for holder in record.files.iter().filter_map(|file| file.stored_in) {
            if places.contains_key(&holder) {
                continue;
            }
            let pack = self.known.pack_of(record, holder);
            let pack = pack.map_err(|error| Hindrance::other(error.to_string()))?;
            places.insert(holder, pack);
        }
        Ok(places)
    }

    fn open(&self, places: HashMap<VersionId, Option<Blake3Digest>>) -> Held {
        let known = places.into_iter().filter_map(|(version, pack)| Some((version, pack?)));
        let opened = known.map(|(version, name)| {
            let pack = self.holders.pack(name);
            (version, pack.map_err(|error| format!("whose pack cannot be read: {error}")))
        });
        opened.collect()
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

    /// Takes in what became of the records.
    fn take_records(&mut self, job: &Job) {
        let Some((records, hindrance)) = job.records.as_ref().map(RecordsFile::finish) else {
            return;
        };
        self.records = records;
        self.problems.extend(hindrance.map(|Hindrance { reason, damage }| ExportProblem {
            version: None,
            key: None,
            reason,
            damage,
        }));
    }

    /// Takes in what became of a document.
    fn take(&mut self, version: VersionId, given: Given) {
        let (key, hindrance) = match given {
            Given::Written { bytes } => {
                self.documents += 1;
                self.bytes += bytes;
                return;
            }
            Given::Elsewhere => (None, Hindrance::damaged("its files were not looked for")),
            Given::Not { key, hindrance } => (key, hindrance),
        };
        let Hindrance { reason, damage } = hindrance;
        self.problems.push(ExportProblem { version: Some(version), key, reason, damage });
    }

    /// Notes that nothing of a batch is given back.
    fn lose_batch(&mut self, batch: &BatchCommitted, list: &ObjectKey, what: &str) {
        let documents = batch.documents;
        let reason = format!(
            "a whole batch was not given back: {list} is damaged ({what}), with its {documents} \
             documents"
        );
        self.problems.push(ExportProblem { version: None, key: None, reason, damage: true });
    }
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

/// Gives the documents of a window back, as far as the batch lists them; returns those that have
/// files elsewhere, too.
fn export_window(
    source: &dyn PackSource,
    window: &[PackEntry],
    listed: &HashSet<VersionId>,
    job: &Job,
) -> (ExportOutcome, Vec<VersionId>) {
    let (mut outcome, mut elsewhere) = (ExportOutcome::default(), Vec::new());
    let Some(first) = window.first() else { return (outcome, elsewhere) };
    let length = length_of(window);
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
        let source = match &in_memory {
            Some(Some(window)) => window,
            _ => source,
        };
        let packed = Packed { source, version, entries: document };
        match packed.give_back(job.target(), None) {
            Given::Elsewhere => elsewhere.push(version),
            given => outcome.take(version, given),
        }
    }
    (outcome, elsewhere)
}

/// Returns how many bytes of its pack the entries of a window take.
fn length_of(window: &[PackEntry]) -> u64 {
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
    so_far: AtomicU64,
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

    fn read_exact_at(
        &self,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), sigillo_store::BackendError> {
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

/// Sorts what is damaged, which stops only its batch, from a store that does not answer.
fn usable<T>(read: Result<T, BatchObjectError>) -> Result<Result<T, String>, CustodyError> {
    match read {
        Ok(object) => Ok(Ok(object)),
        Err(BatchObjectError::Store(error)) => Err(CustodyError::Log(error)),
        Err(damaged) => Ok(Err(damaged.to_string())),
    }
}
