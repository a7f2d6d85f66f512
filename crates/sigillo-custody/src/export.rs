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
    pack::{PackEntry, PackError},
};

use crate::{
    CustodyError, KnownVersions, Located,
    claims::Claims,
    give_back::{Given, Held, Packed, Ready},
    holder::{Holders, OpenPack},
    locate::packs_of,
    output_folder::OutputFolder,
    records_file::RecordsFile,
    target::{Hindrance, Target},
    window::{Prepared, length_of, windows_of},
};

/// At most this many windows of a pack are read at once.
const WINDOWS_READ_MAX: usize = 8;

/// At most this many windows of a pack are written at once.
const WINDOWS_WRITTEN_MAX: usize = 8;

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
    /// Documents that were given back, and not where their keys say.
    pub aside: Vec<Aside>,
    /// What was not given back.
    pub problems: Vec<ExportProblem>,
}

/// A document whose files are in `_others/<version id>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aside {
    /// The version.
    pub version: VersionId,
    /// What the producer calls it.
    pub key: String,
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
    /// `_aggregations`. What cannot lie there, because an earlier one in the archive does or its name
    /// is too long, goes to `_others/<version id>`. The records of all of them go to
    /// `_records.jsonl`. Nothing is overwritten, and no link in the folder is followed.
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
        let job = self.job(known, folder, true)?;
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

    /// Gives the files of these versions back into `folder`, under their own names; those that lie
    /// in earlier versions, too. Of two with the same name in a version, the later one begins with
    /// its position; a version whose names an earlier one took goes to `_others/<version id>`.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if a pack cannot be read, or the folder.
    pub async fn get(
        &self,
        view: &LogView,
        known: KnownVersions,
        located: &[Located],
        folder: &Path,
    ) -> Result<ExportOutcome, CustodyError> {
        let job = self.job(known, folder, false)?;
        let (mut outcome, mut claims) = (ExportOutcome::default(), Claims::default());
        let mut asked = HashSet::new();
        for located in located.iter().filter(|it| asked.insert(it.version)) {
            let (version, name) = (located.version, located.pack.name);
            let sink = Arc::clone(self.archive.store().packs());
            let opened = self.reads.run(move || OpenPack::open(&*sink, name)).await;
            let opened = opened.map_err(|_| CustodyError::Panicked)?;
            let key = ObjectKey::pack(name);
            let pack = opened.map_err(|source| CustodyError::Pack { key, source })?;
            let entries = pack.entries(version).to_vec();
            let (source, first_job) = (Arc::clone(&pack.source), Arc::clone(&job));
            let read = self.reads.run(move || {
                let packed = Packed { source: &*source, version, entries: &entries };
                let ready = packed.ready(first_job.target());
                (ready, entries)
            });
            let (ready, entries) = read.await.map_err(|_| CustodyError::Panicked)?;
            let given = match ready {
                Err(hindrance) => Given::Not { key: None, hindrance },
                Ok(mut ready) => {
                    ready.claim(&mut claims);
                    self.whole(view, &job, (&pack.source, ready, entries)).await?
                }
            };
            outcome.take(version, given);
        }
        Ok(outcome)
    }

    fn job(
        &self,
        known: KnownVersions,
        folder: &Path,
        by_key: bool,
    ) -> Result<Arc<Job>, CustodyError> {
        let holders = Holders::new(Arc::clone(self.archive.store().packs()));
        let opened = OutputFolder::open(folder);
        let folder = Arc::new(opened.map_err(|source| CustodyError::Write {
            path: folder.display().to_string(),
            source,
        })?);
        let records = by_key.then(|| RecordsFile::in_folder(Arc::clone(&folder)));
        Ok(Arc::new(Job { known, by_key, folder, records, holders }))
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
        let windows = windows_of(&pack.index);
        for window in &windows {
            uncounted = uncounted.saturating_sub(length_of(window));
        }
        let prepared = stream::iter(windows).map(|window| {
            let (source, job) = (Arc::clone(&pack.source), Arc::clone(job));
            let (listed, progress) = (Arc::clone(&listed), Arc::clone(&self.progress));
            self.reads.run(move || Prepared::read(source, window, &listed, job.target(), &progress))
        });
        // Who gets a place is decided in the order of the pack, whatever is read or written first.
        let mut claims = Claims::default();
        let mut written = prepared
            .buffered(WINDOWS_READ_MAX)
            .map(|prepared| {
                let prepared = prepared.map(|mut prepared| {
                    prepared.claim(&mut claims);
                    prepared
                });
                let (job, progress) = (Arc::clone(job), Arc::clone(&self.progress));
                async move {
                    let prepared = prepared?;
                    self.reads.run(move || prepared.write(job.target(), &progress)).await
                }
            })
            .buffered(WINDOWS_WRITTEN_MAX);
        let (mut outcome, mut elsewhere) = (ExportOutcome::default(), Vec::new());
        while let Some(window) = written.next().await {
            let (window, more) = window.map_err(|_| CustodyError::Panicked)?;
            outcome.add(window);
            elsewhere.extend(more);
        }
        drop(written);
        for ready in elsewhere {
            let version = ready.version;
            let entries = pack.entries(version).to_vec();
            let given = self.whole(view, job, (&pack.source, ready, entries)).await?;
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
        (source, ready, entries): (&Arc<dyn PackSource>, Ready, Vec<PackEntry>),
    ) -> Result<Given, CustodyError> {
        let (source, first_job) = (Arc::clone(source), Arc::clone(job));
        let sought = self.reads.run(move || {
            let places = first_job.holders_of(&ready.record);
            (ready, places)
        });
        let (ready, places) = sought.await.map_err(|_| CustodyError::Panicked)?;
        let mut places = match places {
            Ok(places) => places,
            Err(hindrance) => return Ok(Given::Not { key: None, hindrance }),
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
            let packed = Packed { source: &*source, version: ready.version, entries: &entries };
            packed.give_back(&ready, job.target(), Some(&held))
        });
        given.await.map_err(|_| CustodyError::Panicked)
    }
}

/// What holds for all documents of one export.
struct Job {
    known: KnownVersions,
    by_key: bool,
    folder: Arc<OutputFolder>,
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
    pub(crate) fn damage(version: VersionId, reason: String) -> Self {
        Self { version: Some(version), key: None, reason, damage: true }
    }
}

impl ExportOutcome {
    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.aside.extend(other.aside);
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
    pub(crate) fn take(&mut self, version: VersionId, given: Given) {
        let (key, hindrance) = match given {
            Given::Written { bytes, aside } => {
                self.documents += 1;
                self.bytes += bytes;
                self.aside.extend(aside.map(|key| Aside { version, key }));
                return;
            }
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

/// Sorts what is damaged, which stops only its batch, from a store that does not answer.
fn usable<T>(read: Result<T, BatchObjectError>) -> Result<Result<T, String>, CustodyError> {
    match read {
        Ok(object) => Ok(Ok(object)),
        Err(BatchObjectError::Store(error)) => Err(CustodyError::Log(error)),
        Err(damaged) => Ok(Err(damaged.to_string())),
    }
}
