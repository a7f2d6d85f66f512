//! What all workers of one ingest share.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sigillo_catalogue::{IndexError, IndexedVersion, Journal, JournalEntry, KeyIndex};
use sigillo_model::{DocumentKey, Entropy, LogTime, VersionId};

use crate::{
    FolderSource, IngestOptions, Note, Progress, Refusal, aggregations::Members,
    previous::Previous, unit::Unit,
};

/// At most this many refusals and notes are kept in words; all are counted.
pub(crate) const WORDS_MAX: usize = 100_000;

/// What all workers of one ingest share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) source: Arc<FolderSource>,
    pub(crate) options: IngestOptions,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The keys known when the ingest began.
    pub(crate) index: KeyIndex,
    pub(crate) previous: Previous,
    /// The epoch in force, as far as it is known.
    pub(crate) epoch: Arc<AtomicU64>,
    /// Files that were read before.
    pub(crate) journal: Arc<Journal>,
    pub(crate) received_at: LogTime,
    pub(crate) progress: Arc<Progress>,
    /// Nothing new is begun once this is set; what was begun is finished.
    pub(crate) stop: Arc<AtomicBool>,
    /// Set when the work downstream failed: everything ends at once.
    pub(crate) aborted: AtomicBool,
    /// Documents refused, whatever the number of reasons.
    pub(crate) refused: AtomicU64,
    told: Mutex<Told>,
}

/// What the workers have to tell at the end.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) notes: Vec<Note>,
    /// Documents that the archive has already.
    pub(crate) already: Vec<VersionId>,
    /// What the journal is to remember of them.
    pub(crate) journal: Vec<JournalEntry>,
    /// Which of them belongs to which aggregation.
    pub(crate) members: Members,
    /// Units that wait for another one of the same key.
    pub(crate) put_off: Vec<Unit>,
    /// Why the index failed, if it did.
    pub(crate) index_error: Option<IndexError>,
}

impl Shared {
    pub(crate) fn new(
        (source, options): (Arc<FolderSource>, IngestOptions),
        entropy: Arc<dyn Entropy>,
        (index, previous, journal): (KeyIndex, Previous, Arc<Journal>),
        (received_at, epoch): (LogTime, Arc<AtomicU64>),
        (progress, stop): (Arc<Progress>, Arc<AtomicBool>),
    ) -> Self {
        Self {
            source,
            options,
            entropy,
            index,
            previous,
            epoch,
            journal,
            received_at,
            progress,
            stop,
            aborted: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.is_aborted()
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }

    /// Refuses a document.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refuse_documents(1, [refusal]);
    }

    /// Refuses so many documents, for these reasons: one document may have several.
    pub(crate) fn refuse_documents(
        &self,
        documents: u64,
        refusals: impl IntoIterator<Item = Refusal>,
    ) {
        self.refused.fetch_add(documents, Ordering::Relaxed);
        self.tell(|told| {
            let room = WORDS_MAX.saturating_sub(told.refusals.len());
            told.refusals.extend(refusals.into_iter().take(room));
        });
    }

    /// Keeps aggregations from being closed: a document that may yet enter them was refused.
    pub(crate) fn hold_open(&self, aggregations: impl IntoIterator<Item = DocumentKey>) {
        self.tell(|told| told.members.hold_open(aggregations));
    }

    /// Keeps all aggregations from being closed: it is not known which ones a refused document,
    /// or one that was not read, may yet enter.
    pub(crate) fn hold_all_open(&self) {
        self.tell(|told| told.members.hold_all_open());
    }

    pub(crate) fn note(&self, note: Note) {
        self.tell(|told| {
            if told.notes.len() < WORDS_MAX {
                told.notes.push(note);
            }
        });
    }

    /// Tells that the archive has a document already.
    pub(crate) fn already(&self, unit: &Unit, known: &IndexedVersion, journal: Vec<JournalEntry>) {
        self.tell(|told| {
            told.already.push(known.version);
            told.journal.extend(journal);
            told.members.add(unit, known.document);
        });
    }

    /// Takes in units that are to be read in the next pass.
    pub(crate) fn put_off(&self, units: Vec<Unit>) {
        self.tell(|told| told.put_off.extend(units));
    }

    /// Ends everything because the index failed.
    pub(crate) fn fail_index(&self, error: IndexError) {
        self.abort();
        self.tell(|told| told.index_error = Some(error));
    }

    /// Takes what was told.
    pub(crate) fn take_told(&self) -> Told {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, how: impl FnOnce(&mut Told)) {
        how(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
