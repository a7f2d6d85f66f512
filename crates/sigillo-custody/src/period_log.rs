//! The logs of an archive as period statements need them: what of each is in a period.

use jiff::Timestamp;

use sigillo_evidence_log::{Archive, Commit, read_commits};
use sigillo_merkle::{Checkpoint, KeysOfLog, MemoryTree, inclusion_path, root_at};
use sigillo_model::{BatchCommitted, Entry, LogTime};
use sigillo_proof::{EntryPlace, LoggedLine, PERIOD_BYTES_MAX, PERIOD_ENTRIES_MAX};

use crate::{MakePeriodError, PeriodAsked, PeriodBound, period::digest};

/// Where a period begins or ends among the entries of all logs.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Entry(EntryPlace),
    Time(Timestamp),
}

/// What is in a period.
#[derive(Debug)]
struct Bounds {
    from: Option<Bound>,
    to: Option<Bound>,
    generation: Option<u64>,
}

impl Bounds {
    fn of(archive: &Archive, asked: &PeriodAsked) -> Result<Self, MakePeriodError> {
        let place = |bound: &PeriodBound| {
            let kept = match bound {
                PeriodBound::Time(at) => return Ok(Bound::Time(*at)),
                PeriodBound::Checkpoint(kept) => kept,
            };
            let is_of = |log: &u64| archive.description().origin_of(*log) == kept.origin;
            match (1..=archive.generation()).find(is_of) {
                Some(log) => Ok(Bound::Entry(EntryPlace { log, index: kept.size })),
                None => Err(MakePeriodError::LogDiffers { size: kept.size }),
            }
        };
        let from = asked.from.as_ref().map(place).transpose()?;
        let to = asked.to.as_ref().map(place).transpose()?;
        match (from, to) {
            (Some(Bound::Time(from)), Some(Bound::Time(to))) if to < from => {
                Err(MakePeriodError::Empty)
            }
            _ => Ok(Self { from, to, generation: asked.generation }),
        }
    }

    /// Tells whether a commit that begins at `place` is not before the period.
    fn have_begun(&self, place: EntryPlace, at: LogTime) -> bool {
        match self.from {
            None => true,
            Some(Bound::Entry(from)) => place >= from,
            Some(Bound::Time(from)) => at.timestamp() >= from,
        }
    }

    /// Tells whether a commit that ends before `place` is not after the period.
    fn go_on(&self, place: EntryPlace, at: LogTime) -> bool {
        match self.to {
            None => true,
            Some(Bound::Entry(to)) => place <= to,
            Some(Bound::Time(to)) => at.timestamp() < to,
        }
    }
}

/// All logs of an archive, oldest first, with what of each is in a period.
#[derive(Debug)]
pub(crate) struct PeriodLogs {
    logs: Vec<PeriodLog>,
    generation: Option<u64>,
}

impl PeriodLogs {
    /// Reads every commit.
    pub(crate) async fn read(
        archive: &Archive,
        asked: &PeriodAsked,
    ) -> Result<Self, MakePeriodError> {
        archive.learn().await?;
        let generations = archive.generation();
        if let Some(generation) = asked.generation.filter(|it| !(1..=generations).contains(it)) {
            return Err(MakePeriodError::NoLog { generation });
        }
        let bounds = Bounds::of(archive, asked)?;
        let of = |log| PeriodLog {
            origin: archive.description().origin_of(log),
            ..PeriodLog::default()
        };
        let mut logs: Vec<_> = (1..=generations).map(of).collect();
        read_commits(archive, (0, 0), &mut |commit| {
            // A log that begins meanwhile is for the next statement.
            let at = usize::try_from(commit.header.generation - 1).unwrap_or(usize::MAX);
            if let Some(log) = logs.get_mut(at) {
                log.take(&bounds, commit);
            }
        })
        .await?;
        for bound in [&asked.from, &asked.to] {
            let Some(PeriodBound::Checkpoint(kept)) = bound else { continue };
            for log in logs.iter().filter(|log| log.origin == kept.origin) {
                log.check_kept(kept)?;
            }
        }
        // What is before the period may reach into a later log than what is up to its end.
        let reach = |size: fn(&PeriodLog) -> u64| {
            let reached = (1_u64..).zip(logs.iter().map(size)).filter(|(_, size)| *size > 0);
            reached.last()
        };
        if reach(|log| log.older_size) > reach(|log| log.newer_size) {
            return Err(MakePeriodError::Empty);
        }
        Ok(Self { logs, generation: asked.generation })
    }

    /// Returns the one log that has entries in the period, with its generation; of a period without any,
    /// the newest that goes so far.
    pub(crate) fn of_period(&self) -> Result<(u64, &PeriodLog), MakePeriodError> {
        let logs = (1..).zip(&self.logs);
        // One whose time was pushed ahead has none in the period, and yet commits that were made in it.
        let is_in =
            |log: &PeriodLog| log.count > 0 || (log.is_clocked && self.generation.is_none());
        let all_in: Vec<_> = logs.clone().filter(|(_, log)| is_in(log)).collect();
        if let [(first, _), .., (last, _)] = all_in[..] {
            return Err(MakePeriodError::OverBorder { first, last });
        }
        let mut with: Vec<_> = logs.clone().filter(|(_, log)| log.count > 0).collect();
        let asked = |(generation, _): &(u64, &PeriodLog)| Some(*generation) == self.generation;
        let reached = |(_, log): &(u64, &PeriodLog)| log.newer_size > 0;
        let found = with.pop().or_else(|| logs.clone().find(asked));
        let found = found.or_else(|| logs.clone().filter(reached).last());
        found.or_else(|| logs.last()).ok_or(MakePeriodError::Empty)
    }
}

/// A log, with all that a statement of a period of it needs.
#[derive(Debug, Default)]
pub(crate) struct PeriodLog {
    /// Its C2SP origin.
    origin: String,
    /// 64 bytes for each entry of the log.
    pub(crate) tree: MemoryTree,
    /// The entry that created the archive, and its place.
    pub(crate) created: Option<(u64, String)>,
    /// The rotations of the log's key: place, line, and the key that each names.
    rotations: Vec<(u64, String, String)>,
    /// Whether a commit was made in the period, by the clock of its writer.
    is_clocked: bool,
    /// Entries before the period, whole commits.
    older_size: u64,
    /// Entries up to its end, whole commits.
    newer_size: u64,
    /// The entries of the period, each with its newline.
    pub(crate) entries: String,
    /// Their number, also beyond what is kept.
    count: u64,
    /// Their length, also beyond what is kept, in bytes.
    bytes: u64,
    /// The batches of the period.
    pub(crate) batches: Vec<BatchCommitted>,
}

impl PeriodLog {
    fn take(&mut self, bounds: &Bounds, commit: &Commit) {
        let (header, size_after) = (&commit.header, commit.size_after());
        if let Some(index) =
            commit.entries.iter().position(|it| matches!(it, Entry::ArchiveCreated(_)))
            && self.created.is_none()
        {
            let line = String::from_utf8_lossy(&commit.lines[index]).into_owned();
            self.created = Some((header.first_leaf + index as u64, line));
        }
        for ((index, entry), line) in (header.first_leaf..).zip(&commit.entries).zip(&commit.lines)
        {
            if let Entry::KeyRotated(body) = entry {
                let line = String::from_utf8_lossy(line).into_owned();
                self.rotations.push((index, line, body.log.clone()));
            }
        }
        self.tree.extend(commit.leaves());
        let log = header.generation;
        let (first, after) =
            (EntryPlace { log, index: header.first_leaf }, EntryPlace { log, index: size_after });
        let begun = bounds.have_begun(first, header.at);
        let goes_on = bounds.go_on(after, header.at);
        self.is_clocked |=
            bounds.have_begun(first, header.clock) && bounds.go_on(after, header.clock);
        if !begun {
            self.older_size = size_after;
        }
        if goes_on {
            self.newer_size = size_after;
        }
        if begun && goes_on && bounds.generation.is_none_or(|it| it == log) {
            self.keep(commit);
        }
    }

    /// Keeps the entries of a commit of the period, as long as they are no more than may be.
    fn keep(&mut self, commit: &Commit) {
        self.count += commit.lines.len() as u64;
        self.bytes += commit.lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        if self.is_too_large() {
            return;
        }
        for line in &commit.lines {
            self.entries.push_str(&String::from_utf8_lossy(line));
            self.entries.push('\n');
        }
        self.batches.extend(commit.entries.iter().filter_map(|entry| match entry {
            Entry::BatchCommitted(body) => Some(body.clone()),
            _ => None,
        }));
    }

    /// Returns the rotations that count under a checkpoint of `size` entries, with their proofs.
    pub(crate) fn rotations(
        &self,
        keys: &KeysOfLog,
        size: u64,
    ) -> Result<Vec<LoggedLine>, MakePeriodError> {
        let counts = |(index, _, key): &&(u64, String, String)| {
            *index < size && keys.of_size(*index + 1).to_string() == *key
        };
        let rotations = self.rotations.iter().filter(counts);
        let logged = rotations.map(|(index, line, _)| self.logged(*index, line, size));
        logged.collect()
    }

    /// Proves that an entry is under the checkpoint of `size` entries.
    pub(crate) fn logged(
        &self,
        index: u64,
        line: &str,
        size: u64,
    ) -> Result<LoggedLine, MakePeriodError> {
        let proof =
            inclusion_path(index, size, &self.tree).map_err(|_| MakePeriodError::Outside)?;
        let proof = proof.into_iter().map(digest).collect();
        Ok(LoggedLine { index, line: line.to_owned(), log: 1, proof })
    }

    fn is_too_large(&self) -> bool {
        self.count > PERIOD_ENTRIES_MAX as u64 || self.bytes > PERIOD_BYTES_MAX
    }

    /// Checks that there is such a period, and returns the sizes of the log at both ends.
    pub(crate) fn check(&self, asked: &PeriodAsked) -> Result<(u64, u64), MakePeriodError> {
        for (bound, size) in [(&asked.from, self.older_size), (&asked.to, self.newer_size)] {
            let Some(PeriodBound::Checkpoint(kept)) = bound else { continue };
            if kept.origin != self.origin {
                continue;
            }
            self.check_kept(kept)?;
            if kept.size != size {
                return Err(MakePeriodError::NotWhole { size: kept.size });
            }
        }
        if self.newer_size == 0 || self.older_size > self.newer_size {
            return Err(MakePeriodError::Empty);
        }
        let (count, max) = (self.count, PERIOD_ENTRIES_MAX as u64);
        if count > max {
            return Err(MakePeriodError::TooMuch { what: "entries", count, max });
        }
        let (count, max) = (self.bytes, PERIOD_BYTES_MAX);
        if count > max {
            return Err(MakePeriodError::TooMuch { what: "bytes of entries", count, max });
        }
        Ok((self.older_size, self.newer_size))
    }

    /// Sees that it begins with what a checkpoint of it states.
    fn check_kept(&self, kept: &Checkpoint) -> Result<(), MakePeriodError> {
        if kept.size > self.tree.size() || root_at(kept.size, &self.tree) != Ok(kept.root) {
            return Err(MakePeriodError::LogDiffers { size: kept.size });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sigillo_merkle::leaf_hash;

    use super::*;

    fn log(leaves: usize) -> PeriodLog {
        let lines = (0..leaves).map(|number| leaf_hash(&number.to_be_bytes()));
        let (origin, newer_size) = ("prova".to_owned(), leaves as u64);
        PeriodLog { origin, tree: lines.collect(), newer_size, ..PeriodLog::default() }
    }

    fn kept(log: &PeriodLog, size: u64) -> PeriodAsked {
        let root = root_at(size, &log.tree).unwrap();
        let kept = Checkpoint { origin: "prova".to_owned(), size, root };
        PeriodAsked { from: Some(PeriodBound::Checkpoint(kept)), ..PeriodAsked::default() }
    }

    #[test]
    fn a_checkpoint_amidst_a_commit_bounds_no_period() {
        let mut log = log(5);
        let asked = kept(&log, 3);
        // The commits are of the entries 0 and 1, and of 2 to 4.
        log.older_size = 2;
        assert!(matches!(log.check(&asked), Err(MakePeriodError::NotWhole { size: 3 })));
        log.older_size = 3;
        assert_eq!(log.check(&asked).unwrap(), (3, 5));
    }

    #[test]
    fn a_checkpoint_of_another_log_bounds_no_period() {
        let (mut short, other) = (log(5), log(9));
        let mut asked = kept(&other, 9);
        assert!(matches!(short.check(&asked), Err(MakePeriodError::LogDiffers { size: 9 })));
        asked = kept(&other, 3);
        short.older_size = 3;
        if let Some(PeriodBound::Checkpoint(kept)) = &mut asked.from {
            kept.root = leaf_hash(b"");
        }
        assert!(matches!(short.check(&asked), Err(MakePeriodError::LogDiffers { size: 3 })));
    }

    #[test]
    fn no_log_is_passed_over_whose_time_was_pushed_ahead() {
        let logs = |generation| PeriodLogs {
            logs: vec![
                PeriodLog { count: 1, is_clocked: true, ..log(5) },
                PeriodLog { is_clocked: true, ..log(3) },
            ],
            generation,
        };
        let error = logs(None).of_period().map(drop).unwrap_err();
        assert!(matches!(error, MakePeriodError::OverBorder { first: 1, last: 2 }), "{error}");
        assert_eq!(logs(Some(1)).of_period().map(|it| it.0).unwrap(), 1);
        let mut other = logs(None);
        other.logs[1].is_clocked = false;
        assert_eq!(other.of_period().map(|it| it.0).unwrap(), 1);
    }

    #[test]
    fn a_period_with_more_than_a_statement_holds_is_refused() {
        let asked = PeriodAsked::default();
        let most =
            PeriodLog { count: PERIOD_ENTRIES_MAX as u64, bytes: PERIOD_BYTES_MAX, ..log(5) };
        assert!(most.check(&asked).is_ok());
        let many = PeriodLog { count: PERIOD_ENTRIES_MAX as u64 + 1, ..log(5) };
        let error = many.check(&asked).unwrap_err();
        assert!(error.is_too_large() && error.to_string().contains("100001 entries"), "{error}");
        let long = PeriodLog { bytes: PERIOD_BYTES_MAX + 1, ..log(5) };
        assert!(long.check(&asked).unwrap_err().is_too_large());
        assert!(matches!(log(0).check(&asked), Err(MakePeriodError::Empty)));
        let reversed = PeriodLog { older_size: 5, newer_size: 4, ..log(5) };
        assert!(matches!(reversed.check(&asked), Err(MakePeriodError::Empty)));
    }
}
