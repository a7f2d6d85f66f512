//! One ingest from end to end: readers, the pack thread and the commits, side by side.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
    mpsc::{SyncSender, sync_channel},
};

use rayon::iter::{ParallelBridge as _, ParallelIterator as _};
use tokio::sync::{mpsc, oneshot};

use sigillo_catalogue::KeyIndex;
use sigillo_evidence_log::{
    CommitOutcome, LogError, LogWriter, catch_up_index, forget_foreign_index,
};
use sigillo_model::{
    BatchCommitted, Clock, Entropy, Entry, LogTime, ObjectKey, Sha256Digest, SubmissionCompleted,
    SubmissionId,
};
use sigillo_store::{PackSink, ReadPool, pack::PackError};

use crate::{
    FolderSource, IngestError, Note, Refusal,
    batch::{BatchOutcome, commit_batch, create_all},
    document::{FRESH_BYTES, Shared},
    large::{LARGE_BYTES, LargeGate, Streamed, stream_file},
    pack_thread::{BatchLimits, FinishedBatch, Item, PackThread},
    read::OpenFile,
    report::Report,
    segment::{Buffers, Segment},
    walk::{GROUP_FILES, Group, Walk},
};

/// At most this many segments wait for the thread that writes packs.
const ITEMS_WAITING_MAX: usize = 4;

/// At most this often what must be made anew is made anew.
const PASSES_MAX: u32 = 10;

/// At most this often the end of a submission is committed again because others were faster.
const COMMIT_ATTEMPTS_MAX: u32 = 1000;

/// How far an ingest is; it only counts up.
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicU64,
    done: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Returns how many files were found so far, how many are dealt with, and their bytes.
    pub fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.found), load(&self.done), load(&self.bytes))
    }

    pub(crate) fn found(&self, count: usize) {
        self.found.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn read_bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// What became of an ingest.
#[derive(Clone, Debug)]
pub struct IngestOutcome {
    /// The submission it was logged as.
    pub submission: SubmissionId,
    /// Documents archived now.
    pub archived: u64,
    /// Documents that were in the archive before, with the same content.
    pub already: u64,
    /// Documents refused.
    pub refused: u64,
    /// The refusals in words, by path; at most 100,000.
    pub refusals: Vec<Refusal>,
    /// What else is worth knowing; at most 100,000.
    pub notes: Vec<Note>,
    /// The batches committed, with their commits.
    pub batches: Vec<(u64, BatchCommitted)>,
    /// A signed checkpoint that covers all of it.
    pub checkpoint: String,
    /// Whether it was stopped before the end of the source.
    pub stopped: bool,
}

/// What ingest works with.
#[derive(Clone, Debug)]
pub struct Ingester {
    /// Threads that read and hash.
    pub reads: ReadPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Salts and names.
    pub entropy: Arc<dyn Entropy>,
}

impl Ingester {
    /// Ingests a source into the archive of `log`. `stop` ends it early: what was read is finished.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; what was committed until then stays.
    pub async fn ingest(
        &self,
        log: &mut LogWriter,
        index: &mut KeyIndex,
        source: FolderSource,
        progress: Arc<Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<IngestOutcome, IngestError> {
        self.ingest_within(BatchLimits::DEFAULT, log, index, source, progress, stop).await
    }

    /// As [`ingest`](Self::ingest), with at most `documents_max` documents in a batch.
    ///
    /// # Errors
    ///
    /// As [`ingest`](Self::ingest).
    pub async fn ingest_in_batches_of(
        &self,
        documents_max: usize,
        log: &mut LogWriter,
        index: &mut KeyIndex,
        source: FolderSource,
        progress: Arc<Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<IngestOutcome, IngestError> {
        let documents_max = documents_max.clamp(GROUP_FILES, BatchLimits::DEFAULT.documents);
        let limits = BatchLimits { documents: documents_max, ..BatchLimits::DEFAULT };
        self.ingest_within(limits, log, index, source, progress, stop).await
    }

    async fn ingest_within(
        &self,
        limits: BatchLimits,
        log: &mut LogWriter,
        index: &mut KeyIndex,
        source: FolderSource,
        progress: Arc<Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<IngestOutcome, IngestError> {
        log.take_unseen();
        forget_foreign_index(log.archive(), index).await?;
        catch_up_index(log.archive(), index, &self.reads).await?;
        if index.complete_to() < log.head() {
            return Err(LogError::CommitMissing { number: index.complete_to() + 1 }.into());
        }
        let received_at = LogTime::new(self.clock.now());
        let submission = SubmissionId::random(&*self.entropy);
        let source = Arc::new(source);
        let mut run = Run { log, index, limits, submission, batches: Vec::new() };
        let mut again: Option<Vec<Vec<u8>>> = None;
        let (mut already, mut refused) = (0, 0);
        let (mut refusals, mut notes) = (Vec::new(), Vec::new());
        for _ in 0..PASSES_MAX {
            let shared = Arc::new(Shared::new(
                Arc::clone(&source),
                Arc::clone(&self.entropy),
                run.index.clone(),
                received_at,
                Arc::clone(&progress),
                Arc::clone(&stop),
            ));
            let groups = groups_of(&source, &shared, again.take());
            let left = self.pass(&mut run, &shared, groups).await?;
            already += shared.already.load(Ordering::Relaxed);
            refused += shared.refused.load(Ordering::Relaxed);
            let words = shared.take_words();
            refusals.extend(words.0);
            notes.extend(words.1);
            if left.is_empty() {
                let words = Words { already, refused, refusals, notes };
                let stopped = stop.load(Ordering::Relaxed);
                return self.finish(run, words, &source.name, (received_at, stopped)).await;
            }
            again = Some(left);
        }
        Err(IngestError::StillChanging { passes: PASSES_MAX })
    }

    /// Reads all groups and commits what they become; returns the files to be read anew.
    async fn pass(
        &self,
        run: &mut Run<'_>,
        shared: &Arc<Shared>,
        groups: Box<dyn Iterator<Item = Group> + Send>,
    ) -> Result<Vec<Vec<u8>>, IngestError> {
        let (items, items_to_pack) = sync_channel(ITEMS_WAITING_MAX);
        let (finished, finished_batches) = mpsc::channel(1);
        let sink = Arc::clone(run.log.archive().store().packs());
        let buffers = Arc::new(Buffers::default());
        let thread = PackThread {
            sink: Arc::clone(&sink),
            entropy: Arc::clone(&self.entropy),
            clock: Arc::clone(&self.clock),
            limits: run.limits,
            buffers: Arc::clone(&buffers),
            finished,
        };
        let (ended, packed) = oneshot::channel();
        std::thread::Builder::new()
            .name("pack".to_owned())
            .spawn(move || ended.send(thread.run(&items_to_pack)).ok())
            .map_err(IngestError::Thread)?;
        let reader =
            Reader { shared: Arc::clone(shared), sink, buffers, gate: LargeGate::default() };
        let read = self.reads.run(move || reader.read_all(groups, &items));
        let (read, committed) = tokio::join!(read, self.commit_all(run, shared, finished_batches));
        // The order matters: a failure downstream is what made the others give up.
        let again = committed?;
        packed.await.map_err(|_| IngestError::Panicked)?.map_err(IngestError::Pack)?;
        read.map_err(|_| IngestError::Panicked)?.map_err(IngestError::Pack)?;
        Ok(again)
    }

    /// Commits batches as they come; returns the files of those that must be made anew.
    async fn commit_all(
        &self,
        run: &mut Run<'_>,
        shared: &Shared,
        mut finished: mpsc::Receiver<FinishedBatch>,
    ) -> Result<Vec<Vec<u8>>, IngestError> {
        let mut again = Vec::new();
        while let Some(batch) = finished.recv().await {
            match self.commit(run, &batch).await {
                Ok(true) => {}
                Ok(false) => again.extend(batch.documents().map(|it| it.path.clone())),
                Err(error) => {
                    shared.aborted.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(again)
    }

    async fn commit(&self, run: &mut Run<'_>, batch: &FinishedBatch) -> Result<bool, IngestError> {
        let what = (run.submission, batch);
        let committed = commit_batch(run.log, run.index, &self.reads, &*self.entropy, what).await?;
        match committed {
            BatchOutcome::Again => Ok(false),
            BatchOutcome::Committed(commit, body) => {
                let documents = body.documents;
                tracing::info!(commit, documents, "a batch is durable, logged and provable");
                run.batches.push((commit, *body));
                Ok(true)
            }
        }
    }

    /// Stores the report and logs the end of the submission.
    async fn finish(
        &self,
        run: Run<'_>,
        words: Words,
        source: &str,
        (received_at, stopped): (LogTime, bool),
    ) -> Result<IngestOutcome, IngestError> {
        let Run { log, submission, batches, .. } = run;
        let archived = batches.iter().map(|(_, batch)| u64::from(batch.documents)).sum();
        let Words { already, refused, refusals, notes } = words;
        let mut salt = [0; 32];
        self.entropy.fill(&mut salt);
        let report = Report {
            already,
            archived,
            finished_at: LogTime::new(self.clock.now()),
            format: 1,
            notes: &notes,
            received_at,
            refused,
            refusals: &refusals,
            salt: sigillo_model::salt_text(&salt),
            source,
            submission,
        };
        let report = report.to_json();
        let entry = Entry::SubmissionCompleted(SubmissionCompleted {
            aggregations: 0,
            already,
            archived,
            pending: 0,
            received: archived + already + refused,
            refused,
            report_sha256: Sha256Digest::of(&report),
            submission,
        });
        create_all(log.archive().store(), vec![(ObjectKey::submission_report(submission), report)])
            .await?;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            if let CommitOutcome::Committed(committed) =
                log.commit(std::slice::from_ref(&entry)).await?
            {
                let checkpoint = committed.checkpoint;
                return Ok(IngestOutcome {
                    submission,
                    archived,
                    already,
                    refused,
                    refusals,
                    notes,
                    batches,
                    checkpoint,
                    stopped,
                });
            }
        }
        Err(IngestError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
    }
}

/// What one ingest carries from pass to pass.
struct Run<'a> {
    log: &'a mut LogWriter,
    index: &'a mut KeyIndex,
    limits: BatchLimits,
    submission: SubmissionId,
    batches: Vec<(u64, BatchCommitted)>,
}

struct Words {
    already: u64,
    refused: u64,
    refusals: Vec<Refusal>,
    notes: Vec<Note>,
}

fn groups_of(
    source: &Arc<FolderSource>,
    shared: &Arc<Shared>,
    again: Option<Vec<Vec<u8>>>,
) -> Box<dyn Iterator<Item = Group> + Send> {
    match again {
        None => Box::new(Walk::new(Arc::clone(source), Arc::clone(shared))),
        Some(paths) => {
            let groups: Vec<Group> = paths.chunks(GROUP_FILES).map(<[_]>::to_vec).collect();
            Box::new(groups.into_iter())
        }
    }
}

/// The readers' side: groups in, segments out.
struct Reader {
    shared: Arc<Shared>,
    sink: Arc<dyn PackSink>,
    buffers: Arc<Buffers>,
    gate: LargeGate,
}

/// Nobody takes what the readers send any more: the reason is told elsewhere.
struct Unwanted;

impl Reader {
    /// Reads every group on the threads of the pool this runs on.
    fn read_all(
        &self,
        groups: Box<dyn Iterator<Item = Group> + Send>,
        items: &SyncSender<Item>,
    ) -> Result<(), PackError> {
        let read = groups.par_bridge().try_for_each(|group| self.read_group(&group, items));
        match read {
            Ok(()) | Err(Stop::Unwanted(Unwanted)) => Ok(()),
            Err(Stop::Pack(error)) => {
                self.shared.aborted.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    fn read_group(&self, group: &Group, items: &SyncSender<Item>) -> Result<(), Stop> {
        let mut fresh = vec![[0; FRESH_BYTES]; group.len()];
        self.shared.entropy.fill(fresh.as_flattened_mut());
        let mut segment = Segment::in_buffer(self.buffers.take());
        for (path, fresh) in group.iter().zip(&fresh) {
            if self.shared.aborted.load(Ordering::Relaxed) {
                return Err(Stop::Unwanted(Unwanted));
            }
            let read = OpenFile::open(&self.shared.source, path);
            let file = match read {
                Ok(file) => file,
                Err(refusal) => {
                    self.shared.refuse(refusal);
                    self.shared.progress.done();
                    continue;
                }
            };
            if file.size_bytes > LARGE_BYTES {
                self.gate.run(|| self.read_large(&file, path, fresh, items))?;
            } else {
                self.shared.progress.read_bytes(usize::try_from(file.size_bytes).unwrap_or(0));
                match segment.add_file(&self.shared, &file, path, fresh) {
                    Ok(true) => {}
                    Ok(false) => drop(self.shared.already.fetch_add(1, Ordering::Relaxed)),
                    Err(refusal) => self.shared.refuse(refusal),
                }
                if segment.is_full() {
                    let next = Segment::in_buffer(self.buffers.take());
                    send(items, Item::Segment(std::mem::replace(&mut segment, next)))?;
                }
            }
            self.shared.progress.done();
        }
        if segment.is_empty() {
            self.buffers.give(segment.into_buffer());
            return Ok(());
        }
        send(items, Item::Segment(segment))
    }

    fn read_large(
        &self,
        file: &OpenFile<'_>,
        path: &[u8],
        fresh: &[u8; FRESH_BYTES],
        items: &SyncSender<Item>,
    ) -> Result<(), Stop> {
        let mut nonce = [0; 16];
        self.shared.entropy.fill(&mut nonce);
        let streamed = stream_file(&self.shared, &*self.sink, file, path, (nonce, fresh));
        match streamed.map_err(Stop::Pack)? {
            Streamed::Packed(pack, document) => send(items, Item::OwnPack(pack, document))?,
            Streamed::Already => drop(self.shared.already.fetch_add(1, Ordering::Relaxed)),
            Streamed::Refused(refusal) => self.shared.refuse(refusal),
            Streamed::Aborted => return Err(Stop::Unwanted(Unwanted)),
        }
        Ok(())
    }
}

enum Stop {
    Unwanted(Unwanted),
    Pack(PackError),
}

fn send(items: &SyncSender<Item>, item: Item) -> Result<(), Stop> {
    items.send(item).map_err(|_| Stop::Unwanted(Unwanted))
}
