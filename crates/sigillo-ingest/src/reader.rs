//! The readers' side of an ingest: groups of units in, segments and packs of their own out.

use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc::SyncSender};

use rayon::iter::{ParallelBridge as _, ParallelIterator as _};

use sigillo_store::{PackSink, pack::PackError};

use crate::{
    document::{FRESH_BYTES, Hindrance, Prepared},
    large::{Broken, LargeGate, Streamed, stream_unit},
    pack_thread::Item,
    segment::{Buffers, LaidOut, Segment},
    shared::Shared,
    unit::{Stated, Unit},
    walk::Group,
};

/// Reads and hashes units on the threads of a pool.
pub(crate) struct Reader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sink: Arc<dyn PackSink>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) gate: LargeGate,
}

/// A unit that is streamed into a pack of its own.
struct LargeUnit<'a> {
    unit: Unit,
    prepared: Box<Prepared>,
    fresh: &'a [u8; FRESH_BYTES],
}

/// Why a reader goes no further.
enum Stop {
    /// Nobody takes what it sends any more, or everything is given up: the reason is told
    /// elsewhere.
    Unwanted,
    Pack(PackError),
}

impl Reader {
    /// Reads every group on the threads of the pool this runs on.
    pub(crate) fn read_all(
        &self,
        groups: Box<dyn Iterator<Item = Group> + Send>,
        items: &SyncSender<Item>,
    ) -> Result<(), PackError> {
        match groups.par_bridge().try_for_each(|group| self.read_group(group, items)) {
            Ok(()) | Err(Stop::Unwanted) => Ok(()),
            Err(Stop::Pack(error)) => {
                self.shared.abort();
                Err(error)
            }
        }
    }

    fn read_group(&self, group: Group, items: &SyncSender<Item>) -> Result<(), Stop> {
        let mut fresh = vec![[0; FRESH_BYTES]; group.len()];
        self.shared.entropy.fill(fresh.as_flattened_mut());
        let mut segment = Segment::in_buffer(self.buffers.take());
        let mut large = Vec::new();
        for (unit, fresh) in group.into_iter().zip(&fresh) {
            if self.shared.is_aborted() {
                return Err(Stop::Unwanted);
            }
            match self.read_unit(unit, fresh, &mut segment)? {
                Some((unit, prepared)) => large.push(LargeUnit { unit, prepared, fresh }),
                None => self.shared.progress.done(),
            }
            if segment.is_full() {
                let next = Segment::in_buffer(self.buffers.take());
                send(items, Item::Segment(std::mem::replace(&mut segment, next)))?;
            }
        }
        // Before the segment is sent: the pack that it begins sets much space aside, which on a disk
        // that is nearly full these may need.
        self.read_large_ones(large, items)?;
        if segment.is_empty() {
            self.buffers.give(segment.into_buffer());
            return Ok(());
        }
        send(items, Item::Segment(segment))
    }

    /// Reads the large units of a group on this thread and on another: they may be all that there
    /// is to do.
    fn read_large_ones(
        &self,
        large: Vec<LargeUnit<'_>>,
        items: &SyncSender<Item>,
    ) -> Result<(), Stop> {
        if large.is_empty() {
            return Ok(());
        }
        let left = Mutex::new(large.into_iter());
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || -> Result<(), Stop> {
            while let Some(LargeUnit { unit, prepared, fresh }) = next() {
                if self.shared.is_aborted() {
                    return Err(Stop::Unwanted);
                }
                self.gate.run(|| self.read_large(unit, *prepared, fresh, items))?;
                self.shared.progress.done();
            }
            Ok(())
        };
        let (one, other) = rayon::join(work, work);
        one.and(other)
    }

    /// Reads a unit into the segment; hands it back if it is too large for that.
    fn read_unit(
        &self,
        unit: Unit,
        fresh: &[u8; FRESH_BYTES],
        segment: &mut Segment,
    ) -> Result<Option<(Unit, Box<Prepared>)>, Stop> {
        // Those of one file are called by it.
        let name = (!unit.others.is_empty()).then(|| unit.name());
        let stated = unit.stated.clone();
        let laid_out = Prepared::look_up(&self.shared, &unit)
            .and_then(|prepared| segment.add_unit(&self.shared, unit, prepared, fresh));
        match laid_out {
            Ok(LaidOut::Placed) => {}
            Ok(LaidOut::Already(unit, known, journal)) => {
                self.shared.already(&unit, &known, journal);
            }
            Ok(LaidOut::TooLarge(unit, prepared)) => return Ok(Some((unit, prepared))),
            Err(hindrance) => self.hinder(hindrance, name.as_deref(), stated.as_deref())?,
        }
        Ok(None)
    }

    fn read_large(
        &self,
        unit: Unit,
        prepared: Prepared,
        fresh: &[u8; FRESH_BYTES],
        items: &SyncSender<Item>,
    ) -> Result<(), Stop> {
        // Read before anything of the pack is written.
        let epoch = self.shared.epoch.load(Ordering::SeqCst);
        let mut nonce = [0; 16];
        self.shared.entropy.fill(&mut nonce);
        let (name, stated) = (unit.name(), unit.stated.clone());
        match stream_unit(&self.shared, &*self.sink, unit, prepared, (nonce, fresh)) {
            Ok(Streamed::Packed(pack, document, journal)) => {
                send(items, Item::OwnPack(pack, document, journal, epoch))
            }
            Ok(Streamed::Already(unit, known, journal)) => {
                self.shared.already(&unit, &known, journal);
                Ok(())
            }
            Err(Broken::Refused(refusal)) => {
                self.hinder(refusal.into(), Some(&name), stated.as_deref())
            }
            Err(Broken::Index(error)) => self.hinder(Hindrance::Index(error), None, None),
            Err(Broken::Pack(error)) => Err(Stop::Pack(error)),
            Err(Broken::Aborted) => Err(Stop::Unwanted),
        }
    }

    /// Takes in why a document goes no further; it is called `name`, if not by its only file.
    fn hinder(
        &self,
        hindrance: Hindrance,
        name: Option<&str>,
        stated: Option<&Stated>,
    ) -> Result<(), Stop> {
        match hindrance {
            Hindrance::Refused(refusal) => {
                self.shared.hold_open(stated.into_iter().flat_map(Stated::aggregations));
                self.shared.refuse(match name {
                    Some(name) => refusal.of_document(name),
                    None => refusal,
                });
                Ok(())
            }
            Hindrance::Index(error) => {
                self.shared.fail_index(error);
                Err(Stop::Unwanted)
            }
        }
    }
}

fn send(items: &SyncSender<Item>, item: Item) -> Result<(), Stop> {
    items.send(item).map_err(|_| Stop::Unwanted)
}
