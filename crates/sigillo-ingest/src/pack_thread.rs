//! The one thread that writes packs: segments in, finished batches out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::sync::mpsc::Sender;

use sigillo_catalogue::JournalEntry;
use sigillo_model::{BATCH_DOCUMENTS_MAX, Clock, Entropy};
use sigillo_store::{
    PackSink,
    pack::{ClosedPack, PackError, PackWriter},
};

use crate::{
    segment::{Buffers, PlacedDocument, Segment, Source},
    unit::Unit,
    walk::GROUP_UNITS,
};

/// A pack is closed once it has this many bytes.
const PACK_BYTES: u64 = 128 << 20;

/// A batch is closed once it has this many documents: a quarter of what the format allows, because
/// all that is known of them waits in memory, and so does that of the batches before and after; and
/// because everything else waits while the last batch is committed.
const BATCH_DOCUMENTS: usize = BATCH_DOCUMENTS_MAX as usize / 4;

/// How often an idle thread looks whether its batch is old enough.
const IDLE: Duration = Duration::from_secs(1);

/// When a batch is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchLimits {
    pub(crate) documents: usize,
    pub(crate) bytes: u64,
    pub(crate) record_bytes: u64,
    pub(crate) age_seconds: i64,
}

impl BatchLimits {
    /// The limits of memory and of patience: 25,000 documents, 1 GiB, 48 MiB of records, one minute.
    pub(crate) const DEFAULT: Self = Self {
        documents: BATCH_DOCUMENTS,
        bytes: 1 << 30,
        record_bytes: 48 << 20,
        age_seconds: 60,
    };

    /// The same with fewer documents, but no fewer than come in one segment.
    pub(crate) fn with_documents(documents_max: Option<usize>) -> Self {
        let documents = documents_max.unwrap_or(Self::DEFAULT.documents);
        Self { documents: documents.clamp(GROUP_UNITS, Self::DEFAULT.documents), ..Self::DEFAULT }
    }
}

/// What the readers send.
#[derive(Debug)]
pub(crate) enum Item {
    /// Documents to be packed with others.
    Segment(Segment),
    /// A document that has a pack of its own, and the epoch in which the pack was begun.
    OwnPack(ClosedPack, Box<PlacedDocument>, Vec<JournalEntry>, u64),
}

/// Packs that are durable and wait to be committed together.
#[derive(Debug)]
pub(crate) struct FinishedBatch {
    /// In the order of the batch's leaves.
    pub(crate) packs: Vec<(ClosedPack, Vec<PlacedDocument>)>,
    /// What the journal is to remember of their files.
    pub(crate) journal: Vec<JournalEntry>,
    /// The lowest epoch in which any of them was begun: in a higher one they may be gone.
    pub(crate) epoch: u64,
}

impl Default for FinishedBatch {
    fn default() -> Self {
        Self { packs: Vec::new(), journal: Vec::new(), epoch: u64::MAX }
    }
}

impl FinishedBatch {
    fn add(&mut self, pack: ClosedPack, documents: Vec<PlacedDocument>, epoch: u64) {
        self.packs.push((pack, documents));
        self.epoch = self.epoch.min(epoch);
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = &PlacedDocument> {
        self.packs.iter().flat_map(|(_, documents)| documents)
    }

    /// Returns the units to be read anew; aggregations are made anew by whoever made them.
    pub(crate) fn into_units(self) -> impl Iterator<Item = Unit> {
        let documents = self.packs.into_iter().flat_map(|(_, documents)| documents);
        documents.filter_map(|document| match document.source {
            Source::Unit(unit) => Some(unit),
            Source::Aggregation => None,
        })
    }

    fn count(&self) -> usize {
        self.packs.iter().map(|(_, documents)| documents.len()).sum()
    }

    fn size_bytes(&self) -> u64 {
        self.packs.iter().map(|(pack, _)| pack.size_bytes).sum()
    }
}

/// Writes packs until the readers are done.
pub(crate) struct PackThread {
    pub(crate) sink: Arc<dyn PackSink>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: BatchLimits,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) finished: Sender<FinishedBatch>,
    /// The epoch in force, as far as it is known.
    pub(crate) epoch: Arc<AtomicU64>,
}

/// A pack that is being filled, and the epoch in which it was begun.
struct OpenPack {
    pack: PackWriter,
    documents: Vec<PlacedDocument>,
    epoch: u64,
}

/// The pack and the batch that are being filled.
#[derive(Default)]
struct Open {
    pack: Option<OpenPack>,
    batch: FinishedBatch,
    /// What was said of its documents waits in memory with them.
    record_bytes: u64,
    began_at_seconds: Option<i64>,
}

impl Open {
    fn count(&self) -> usize {
        self.batch.count() + self.pack.as_ref().map_or(0, |open| open.documents.len())
    }

    fn size_bytes(&self) -> u64 {
        self.batch.size_bytes() + self.pack.as_ref().map_or(0, |open| open.pack.size_bytes())
    }
}

impl PackThread {
    /// Takes items until there are no more, or nobody takes what is finished.
    pub(crate) fn run(self, items: &Receiver<Item>) -> Result<(), PackError> {
        let mut open = Open::default();
        loop {
            match items.recv_timeout(IDLE) {
                Ok(item) => self.take(&mut open, item)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.hand_over(&mut open).map(drop),
            }
            if self.is_due(&open) && !self.hand_over(&mut open)? {
                return Ok(());
            }
        }
    }

    fn take(&self, open: &mut Open, item: Item) -> Result<(), PackError> {
        let coming = match &item {
            Item::Segment(segment) => segment.documents.len(),
            Item::OwnPack(..) => 1,
        };
        if open.count() + coming > self.limits.documents && open.count() > 0 {
            self.hand_over(open)?;
        }
        open.began_at_seconds.get_or_insert_with(|| self.clock.now().as_second());
        match item {
            Item::OwnPack(pack, document, mut journal, epoch) => {
                open.record_bytes += u64::from(document.record_bytes);
                open.batch.journal.append(&mut journal);
                open.batch.add(pack, vec![*document], epoch);
            }
            Item::Segment(mut segment) => {
                if open.pack.is_none() {
                    // Read before anything of the pack is written.
                    let epoch = self.epoch.load(Ordering::SeqCst);
                    let pack = PackWriter::begin(&*self.sink, self.nonce(), Some(PACK_BYTES))?;
                    open.pack = Some(OpenPack { pack, documents: Vec::new(), epoch });
                }
                let OpenPack { pack, documents, .. } =
                    open.pack.as_mut().expect("it was begun just above");
                let offset = pack.next_offset();
                pack.add_segment(segment.bytes(), &segment.entries)?;
                for document in &mut segment.documents {
                    open.record_bytes += u64::from(document.record_bytes);
                    document.record_offset += offset;
                }
                documents.append(&mut segment.documents);
                open.batch.journal.append(&mut segment.journal);
                self.buffers.give(segment.into_buffer());
                if pack.size_bytes() >= PACK_BYTES {
                    close_pack(open)?;
                }
            }
        }
        Ok(())
    }

    fn is_due(&self, open: &Open) -> bool {
        let Some(began) = open.began_at_seconds else { return false };
        open.count() >= self.limits.documents
            || open.size_bytes() >= self.limits.bytes
            || open.record_bytes >= self.limits.record_bytes
            || self.clock.now().as_second() - began >= self.limits.age_seconds
    }

    /// Closes pack and batch and hands the batch over; tells whether anybody took it.
    fn hand_over(&self, open: &mut Open) -> Result<bool, PackError> {
        close_pack(open)?;
        (open.began_at_seconds, open.record_bytes) = (None, 0);
        let batch = std::mem::take(&mut open.batch);
        Ok(batch.packs.is_empty() || self.finished.blocking_send(batch).is_ok())
    }

    fn nonce(&self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce);
        nonce
    }
}

fn close_pack(open: &mut Open) -> Result<(), PackError> {
    if let Some(OpenPack { pack, documents, epoch }) = open.pack.take() {
        open.batch.add(pack.finish()?, documents, epoch);
    }
    Ok(())
}
