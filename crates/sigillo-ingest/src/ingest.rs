//! One ingest from end to end: a submission is received, read, committed batch by batch, and ends
//! with a report.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::sync_channel,
    },
};

use tokio::sync::{mpsc, oneshot};

use sigillo_catalogue::{Journal, JournalEntry, JournalWriter, KeyIndex};
use sigillo_evidence_log::{LogError, LogWriter, Tables, forget_foreign_index};
use sigillo_formats::Manifest;
use sigillo_model::{BatchCommitted, Clock, Entropy, LogTime, SubmissionId, VersionId};
use sigillo_store::ReadPool;

use crate::{
    FolderSource, IngestError, Note, Progress, Refusal,
    aggregations::{AggregationError, Members, pack_aggregations},
    batch::{BatchOutcome, commit_batch, rows_of},
    completing::complete_index,
    large::LargeGate,
    pack_thread::{BatchLimits, FinishedBatch, PackThread},
    previous::Previous,
    reader::Reader,
    receive::{Listed, list},
    segment::{Buffers, Source},
    shared::Shared,
    submission::{complete, receive},
    turns::{PUT_OFF_PASSES_MAX, Turns, refuse_put_off},
    unit::Unit,
    walk::{GROUP_UNITS, Group, Walk},
};

/// At most this many segments wait for the thread that writes packs.
const ITEMS_WAITING_MAX: usize = 4;

/// At most this often what must be made anew is made anew.
const PASSES_MAX: u32 = 10;

/// What became of an ingest.
#[derive(Clone, Debug)]
pub struct IngestOutcome {
    /// The submission it was logged as.
    pub submission: SubmissionId,
    /// Documents that the submission had.
    pub received: u64,
    /// Documents archived now.
    pub archived: u64,
    /// Documents that were in the archive before, with the same content.
    pub already: u64,
    /// Documents refused.
    pub refused: u64,
    /// Documents that it was stopped before.
    pub pending: u64,
    /// New versions of aggregations.
    pub aggregations: u64,
    /// The refusals in words, by path; at most 100,000.
    pub refusals: Vec<Refusal>,
    /// What else is worth knowing; at most 100,000.
    pub notes: Vec<Note>,
    /// The versions that were in the archive before, sorted.
    pub already_versions: Vec<VersionId>,
    /// The batches committed, with their commits.
    pub batches: Vec<(u64, BatchCommitted)>,
    /// A signed checkpoint that covers all of it.
    pub checkpoint: String,
    /// Whether it was stopped before the end of the source.
    pub stopped: bool,
}

/// How a submission is to be taken in.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestOptions {
    /// At most so many documents are committed together, if fewer than the format allows.
    pub batch_documents_max: Option<usize>,
    /// Whether other content under a key that the archive has is a new version of the document,
    /// and not refused.
    pub new_versions: bool,
    /// Whether records state SHA-512 of their files as well: with it hash trees are renewed one day
    /// without reading the files again.
    pub second_digest: bool,
}

/// What a producer sends.
#[derive(Debug)]
pub struct Submission {
    /// Where its files are.
    pub source: FolderSource,
    /// What the producer says of them, if in a table.
    pub table: Option<Manifest>,
    /// Files of it that were read before.
    pub journal: Journal,
    /// How it is to be taken in.
    pub options: IngestOptions,
}

/// Where an ingest goes to.
#[derive(Debug)]
pub struct Target<'a> {
    /// The log of the archive.
    pub log: &'a mut LogWriter,
    /// The index of its keys.
    pub index: &'a mut KeyIndex,
    /// Its catalogue, if it is to be kept up at once; else the next catch-up does it.
    pub tables: Option<&'a mut Tables>,
}

/// How an ingest is watched and stopped.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Ends it early once it is set: what was read is finished.
    pub stop: Arc<AtomicBool>,
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

/// What one ingest carries from pass to pass.
pub(crate) struct Run<'a> {
    pub(crate) log: &'a mut LogWriter,
    pub(crate) index: &'a mut KeyIndex,
    tables: Option<&'a mut Tables>,
    pub(crate) submission: SubmissionId,
    pub(crate) source_name: String,
    pub(crate) received: u64,
    pub(crate) received_at: LogTime,
    limits: BatchLimits,
    /// Whether others committed since the workers of this pass were given the index.
    pub(crate) others_committed: bool,
    /// The epoch in force, shared with those who write packs.
    epoch: Arc<AtomicU64>,
    journal: Arc<Journal>,
    journal_writer: Option<JournalWriter>,
    pub(crate) tally: Tally,
    members: Members,
}

/// What was counted and told so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) archived: u64,
    pub(crate) aggregations: u64,
    pub(crate) refused: u64,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) notes: Vec<Note>,
    pub(crate) already: BTreeSet<VersionId>,
    pub(crate) already_count: u64,
    pub(crate) batches: Vec<(u64, BatchCommitted)>,
    /// Documents that were written again because a sweep came first.
    pub(crate) made_anew: u64,
}

impl Ingester {
    /// Ingests a submission into an archive.
    ///
    /// # Errors
    ///
    /// [`IngestError`]; what was committed until then stays.
    pub async fn ingest(
        &self,
        target: Target<'_>,
        submission: Submission,
        watch: Watch,
    ) -> Result<IngestOutcome, IngestError> {
        let Target { log, index, tables } = target;
        log.take_unseen();
        forget_foreign_index(log.archive(), index).await?;
        complete_index(log.archive(), index, &self.reads).await?;
        if index.complete_to() < log.head() {
            return Err(LogError::CommitMissing { number: index.complete_to() + 1 }.into());
        }
        let Submission { source, table, journal, options } = submission;
        let source = Arc::new(source);
        let epoch = Arc::new(AtomicU64::new(log.epoch()));
        let mut run = Run {
            log,
            epoch,
            index,
            tables,
            submission: SubmissionId::random(&*self.entropy),
            source_name: source.name.clone(),
            received: 0,
            received_at: LogTime::new(self.clock.now()),
            limits: BatchLimits::with_documents(options.batch_documents_max),
            others_committed: false,
            journal_writer: journal.writer(),
            journal: Arc::new(journal),
            tally: Tally::default(),
            members: Members::default(),
        };
        let shared = self.share(&mut run, &source, options, &watch);
        let listed = self.list(&shared, table).await?;
        run.take_told(&shared)?;
        run.received = listed.received;
        receive(&mut run, &self.reads, &*self.entropy).await?;
        let mut shared = self.share(&mut run, &source, options, &watch);
        let mut groups = groups_of(&shared, listed);
        let (mut passes, mut times_put_off) = (0, 0);
        while passes < PASSES_MAX {
            let groups_in_turn = Box::new(Turns::new(Arc::clone(&shared), groups));
            let mut left = self.pass(&mut run, &shared, groups_in_turn).await?;
            // Units that waited for others of their key come to an end by themselves: each pass
            // takes one of each key.
            passes += u32::from(!left.is_empty());
            let put_off = run.take_told(&shared)?;
            times_put_off += u32::from(!put_off.is_empty());
            if times_put_off > PUT_OFF_PASSES_MAX {
                refuse_put_off(&shared, &put_off);
                run.take_told(&shared)?;
            } else if !watch.stop.load(Ordering::Relaxed) {
                left.extend(put_off);
            }
            if left.is_empty() {
                if watch.stop.load(Ordering::Relaxed) {
                    run.members.hold_all_open();
                }
                self.write_aggregations(&mut run, &source, options, &watch).await?;
                let stopped = watch.stop.load(Ordering::Relaxed);
                return complete(run, (&*self.clock, &*self.entropy), stopped).await;
            }
            shared = self.share(&mut run, &source, options, &watch);
            let left: Vec<Group> = left.chunks(GROUP_UNITS).map(<[Unit]>::to_vec).collect();
            groups = Box::new(left.into_iter());
        }
        Err(IngestError::StillChanging { passes: PASSES_MAX })
    }

    /// Makes what the workers of a pass share: they decide by the index as it is now.
    fn share(
        &self,
        run: &mut Run<'_>,
        source: &Arc<FolderSource>,
        options: IngestOptions,
        watch: &Watch,
    ) -> Arc<Shared> {
        run.others_committed = false;
        let previous = Previous::new(Arc::clone(run.log.archive().store().packs()));
        Arc::new(Shared::new(
            (Arc::clone(source), options),
            Arc::clone(&self.entropy),
            (run.index.clone(), previous, Arc::clone(&run.journal)),
            (run.received_at, Arc::clone(&run.epoch)),
            (Arc::clone(&watch.progress), Arc::clone(&watch.stop)),
        ))
    }

    async fn list(
        &self,
        shared: &Arc<Shared>,
        table: Option<Manifest>,
    ) -> Result<Listed, IngestError> {
        let for_list = Arc::clone(shared);
        let listed = self.reads.run(move || list(&for_list, table.as_ref())).await;
        let listed = listed.map_err(|_| IngestError::Panicked)?;
        shared.progress.found(listed.received);
        Ok(listed)
    }

    /// Reads all groups and commits what they become; returns the units to be read anew.
    async fn pass(
        &self,
        run: &mut Run<'_>,
        shared: &Arc<Shared>,
        groups: Box<dyn Iterator<Item = Group> + Send>,
    ) -> Result<Vec<Unit>, IngestError> {
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
            epoch: Arc::clone(&run.epoch),
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
        // Whatever went wrong, nothing is written any more once this returns.
        let packed = packed.await;
        // The order matters: a failure downstream is what made the others give up.
        let again = committed?;
        packed.map_err(|_| IngestError::Panicked)?.map_err(IngestError::Pack)?;
        read.map_err(|_| IngestError::Panicked)?.map_err(IngestError::Pack)?;
        Ok(again)
    }

    /// Commits batches as they come; returns the units of those that must be made anew.
    async fn commit_all(
        &self,
        run: &mut Run<'_>,
        shared: &Shared,
        mut finished: mpsc::Receiver<FinishedBatch>,
    ) -> Result<Vec<Unit>, IngestError> {
        let mut again = Vec::new();
        while let Some(batch) = finished.recv().await {
            match self.commit(run, batch).await {
                Ok(None) => {}
                Ok(Some(batch)) => again.extend(batch.into_units()),
                Err(error) => {
                    shared.abort();
                    return Err(error);
                }
            }
        }
        Ok(again)
    }

    /// Commits a batch; returns one that must be made anew.
    async fn commit(
        &self,
        run: &mut Run<'_>,
        mut batch: FinishedBatch,
    ) -> Result<Option<FinishedBatch>, IngestError> {
        // Before the commit, so that whoever dies right after it need not read these files again.
        // A journal says what was read, not what is archived: that is the index's to say.
        run.remember(std::mem::take(&mut batch.journal));
        // The threads that read the source may all be waiting for this very commit.
        let reads = self.reads.aside();
        let committed = commit_batch(run, &reads, &*self.entropy, &batch).await?;
        match committed {
            BatchOutcome::Again => Ok(Some(batch)),
            BatchOutcome::Fenced => {
                let documents = batch.documents().count();
                run.tally.made_anew += documents as u64;
                tracing::warn!(documents, "a sweep came first: they are written again");
                Ok(Some(batch))
            }
            BatchOutcome::Committed(commit, body) => {
                let documents = body.documents;
                tracing::info!(commit, documents, "a batch is durable, logged and provable");
                let id = body.batch;
                run.tally.batches.push((commit, *body));
                for document in batch.documents() {
                    match &document.source {
                        Source::Unit(unit) => {
                            run.tally.archived += 1;
                            run.members.add(unit, document.identity.document);
                        }
                        Source::Aggregation => run.tally.aggregations += 1,
                    }
                }
                if let Some(tables) = &mut run.tables {
                    tables.append_batch(commit, rows_of(batch, commit, id)).await;
                }
                Ok(None)
            }
        }
    }

    /// Writes new versions of the aggregations that the documents name.
    async fn write_aggregations(
        &self,
        run: &mut Run<'_>,
        source: &Arc<FolderSource>,
        options: IngestOptions,
        watch: &Watch,
    ) -> Result<(), IngestError> {
        let members = Arc::new(std::mem::take(&mut run.members));
        let (mut passes, mut behind) = (0, None);
        while passes < PASSES_MAX {
            let shared = self.share(run, source, options, watch);
            let sink = Arc::clone(run.log.archive().store().packs());
            let (for_pack, members) = (Arc::clone(&shared), Arc::clone(&members));
            let (from, documents_max) = (behind.clone(), run.limits.documents);
            let pack = move || {
                pack_aggregations(&for_pack, &*sink, (&members, from.as_ref()), documents_max)
            };
            let packed = self.reads.run(pack).await.map_err(|_| IngestError::Panicked)?;
            let packed = packed.map_err(|error| match error {
                AggregationError::Index(error) => IngestError::Index(error),
                AggregationError::Pack(error) => IngestError::Pack(error),
            });
            run.take_told(&shared)?;
            let Some((batch, last)) = packed? else { return Ok(()) };
            if self.commit(run, batch).await?.is_none() {
                (passes, behind) = (0, Some(last));
            } else {
                passes += 1;
            }
        }
        Err(IngestError::StillChanging { passes: PASSES_MAX })
    }
}

impl Run<'_> {
    /// Takes in that the epoch was raised: what is begun from now on is made in the new one.
    pub(crate) fn take_epoch(&self) {
        self.epoch.store(self.log.epoch(), Ordering::SeqCst);
    }

    /// Adds to the journal files that were read.
    fn remember(&mut self, files: Vec<JournalEntry>) {
        let Some(writer) = &mut self.journal_writer else { return };
        if let Err(error) = writer.add(files) {
            tracing::warn!(%error, "the journal was not written; files will be read again");
        }
    }

    /// Takes in what the workers of a pass told; returns the units that they put off.
    fn take_told(&mut self, shared: &Shared) -> Result<Vec<Unit>, IngestError> {
        let told = shared.take_told();
        if let Some(error) = told.index_error {
            return Err(IngestError::Index(error));
        }
        self.tally.refused += shared.refused.swap(0, Ordering::Relaxed);
        self.tally.refusals.extend(told.refusals);
        self.tally.notes.extend(told.notes);
        self.tally.already_count += told.already.len() as u64;
        self.tally.already.extend(told.already);
        self.remember(told.journal);
        self.members.extend(told.members);
        Ok(told.put_off)
    }
}

fn groups_of(shared: &Arc<Shared>, listed: Listed) -> Box<dyn Iterator<Item = Group> + Send> {
    let stop = Arc::clone(shared);
    match listed.groups {
        Some(groups) => Box::new(groups.into_iter().take_while(move |_| !stop.is_stopped())),
        None => Box::new(Walk::new(Arc::clone(&shared.source), Arc::clone(shared))),
    }
}
