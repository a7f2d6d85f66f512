//! What this user remembers of the logs of one archive: what was seen in the archive itself and, apart from
//! that, what was met in files made from it, as in bundles.
//!
//! Whoever has stolen keys can make such files. So what was met is told with the name of its file, and
//! what the trust store says outranks both.

use std::{
    cmp::Reverse,
    fs::{File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    time::Duration,
};

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::SeenHead;
use sigillo_merkle::{KeysOfLog, VerifierKey};
use sigillo_model::{Finding, FindingCode, LogTime, Sha256Digest};
use sigillo_proof::{ReceiptTrust, SuccessorKeys, end_of};

use self::met_heads::{MetHead, is_contradicted};
use crate::{error::CommandError, output::visible, places::write_whole, trust_ends::allows};

/// The file that names the logs after the first that the archive showed last, while they were believed.
pub(crate) const SEEN_LOGS: &str = "seen-logs";

/// The file that names those that were met in files.
const MET_LOGS: &str = "met-logs";

/// The file that is locked while what is remembered changes.
const LOCK: &str = "memory.lock";

/// So long another process is waited for at most that changes it: that takes an instant.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// At most so many of each are read.
const LOGS_MAX: usize = 1000;

/// At most so many characters of the name of a file are remembered.
const FILE_NAME_CHARS_MAX: usize = 200;

/// The memory of one archive: a folder of the state.
pub(crate) struct Memory {
    folder: PathBuf,
}

/// A log after the first that was seen in the archive, or met in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KnownLog {
    pub(crate) generation: u64,
    /// Its first key.
    pub(crate) log: VerifierKey,
    at: Option<LogTime>,
    met_in: Option<String>,
}

/// What a file that was made from an archive shows of its logs.
#[derive(Debug)]
pub(crate) struct Met {
    /// The logs, oldest first, and their keys.
    pub(crate) logs: Vec<(u64, KeysOfLog)>,
    /// Heads of them that it proves.
    pub(crate) heads: Vec<(u64, SignedHead)>,
    /// The name of the file.
    pub(crate) file: String,
}

impl Met {
    fn heads(&self) -> impl Iterator<Item = (u64, &KeysOfLog, SignedHead)> {
        self.heads.iter().filter_map(|(generation, head)| {
            let (_, keys) = self.logs.iter().find(|it| it.0 == *generation)?;
            Some((*generation, keys, *head))
        })
    }
}

impl Memory {
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The newest head of a log that was seen in the archive.
    pub(crate) fn seen(&self, log: &VerifierKey) -> Option<SeenHead> {
        read(&self.seen_file(log)).map(|it| SeenHead { met_in: None, ..it })
    }

    /// The heads of a log that were met in files, the newest first: not those that whatever has the head that
    /// was seen has as well, nor those that are known to be by a key that has retired.
    pub(crate) fn met(&self, log: &VerifierKey, known: Option<&KeysOfLog>) -> Vec<SeenHead> {
        let seen = self.seen(log).map(|it| it.head);
        let counts = |it: &MetHead| !it.is_settled(seen) && !it.is_retired(known);
        let heads = met_heads::read(&self.met_file(log)).into_iter().filter(counts);
        let mut heads: Vec<_> = heads.map(|it| it.known).collect();
        heads.sort_by_key(|it| Reverse(it.head.size));
        heads
    }

    /// Notes that the archive was found to contain these of the heads of a log that were met.
    pub(crate) fn settle(&self, log: &VerifierKey, found: &[SeenHead]) -> Result<(), CommandError> {
        let settled = |it: MetHead| MetHead {
            is_contained: it.is_contained || found.contains(&it.known),
            ..it
        };
        let file = self.met_file(log);
        self.change(
            || met_heads::read(&file),
            |heads| heads.iter().cloned().map(settled).collect(),
            |heads: &Vec<_>| met_heads::write(&file, heads),
        )
    }

    /// Changes something that is remembered, if it is not so yet: what another process learns meanwhile is
    /// not lost.
    fn change<T: PartialEq>(
        &self,
        read: impl Fn() -> T,
        changed: impl Fn(&T) -> T,
        write: impl Fn(&T) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let is_so = |known: &T| changed(known) == *known;
        if is_so(&read()) {
            return Ok(());
        }
        let lock = self.lock();
        let known = read();
        if !is_so(&known) {
            write(&changed(&known))?;
        }
        drop(lock);
        Ok(())
    }

    /// Waits until no other process changes what is remembered, but no longer than [`LOCK_WAIT`].
    ///
    /// Where nothing can be locked (there are no locks, the file is somebody else's, or another process hangs)
    /// something that is lost is better than nothing that is learnt.
    pub(crate) fn lock(&self) -> Option<File> {
        let path = self.folder.join(LOCK);
        drop(std::fs::create_dir_all(&self.folder));
        let new = File::options().create(true).truncate(false).write(true).open(&path);
        let file = new.or_else(|_| File::open(&path)).ok()?;
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Interrupted => {
                return None;
            }
            Err(_) => {}
        }
        let (sender, receiver) = sync_channel(1);
        std::thread::spawn(move || {
            while file.lock().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
            // Whoever does not wait any more lets it go.
            drop(sender.send(file));
        });
        receiver.recv_timeout(LOCK_WAIT).ok()
    }

    /// Where [`seen`](Self::seen) is: whoever copies the archive's id has another key.
    pub(crate) fn seen_file(&self, log: &VerifierKey) -> PathBuf {
        self.folder.join(format!("seen-{}", short(log)))
    }

    /// Where [`met`](Self::met) is.
    pub(crate) fn met_file(&self, log: &VerifierKey) -> PathBuf {
        self.folder.join(format!("met-{}", short(log)))
    }

    /// Remembers that a head was seen in the archive, if it is newer.
    pub(crate) fn see(
        &self,
        log: &VerifierKey,
        head: SignedHead,
        at: LogTime,
    ) -> Result<(), CommandError> {
        let new = SeenHead { head, at: Some(at), met_in: None };
        let file = self.seen_file(log);
        self.change(
            || self.seen(log),
            |seen| match seen {
                Some(seen) if head.size <= seen.head.size => Some(seen.clone()),
                _ => Some(new.clone()),
            },
            |seen| {
                let line = seen.as_ref().map(head_line).unwrap_or_default();
                write_whole(&file, format!("{line}\n").as_bytes())
            },
        )
    }

    /// Returns the logs after the first that the archive showed last.
    pub(crate) fn seen_logs(&self) -> Vec<KnownLog> {
        self.read_logs(SEEN_LOGS)
    }

    /// Where [`seen_logs`](Self::seen_logs) are.
    pub(crate) fn seen_logs_file(&self) -> PathBuf {
        self.folder.join(SEEN_LOGS)
    }

    /// Remembers which logs after the first the archive shows, in place of what it showed before. Those that come
    /// after the last of these stay: who read the archive before they began may be the last to end, and what is
    /// known to be lost is forgotten by itself.
    pub(crate) fn see_logs(&self, logs: &[(u64, VerifierKey)]) -> Result<(), CommandError> {
        let new = |(generation, log): &(u64, VerifierKey)| KnownLog {
            generation: *generation,
            log: log.clone(),
            at: None,
            met_in: None,
        };
        let file = self.seen_logs_file();
        self.change(
            || self.seen_logs(),
            |known: &Vec<KnownLog>| {
                let mut shown: Vec<_> = logs.iter().map(new).collect();
                let last = shown.last().map_or(1, |it| it.generation);
                let known = unless_named(known.clone(), logs);
                shown.extend(known.into_iter().filter(|it| it.generation > last));
                shown
            },
            |logs: &Vec<_>| write_logs(&file, logs),
        )
    }

    /// Says what a file that is believed shows otherwise than what was seen or met earlier: two roots of
    /// one size, or two logs after one. `trust` says which of two logs is the archive's, where one ended that
    /// others may have gone on with, and which keys have retired.
    pub(crate) fn contradiction(&self, met: &Met, trust: &ReceiptTrust) -> Option<Finding> {
        let heads = || met.heads().find_map(|it| self.other_head(it, trust));
        heads().or_else(|| self.other_log(met, &trust.successors))
    }

    fn other_head(
        &self,
        (generation, keys, head): (u64, &KeysOfLog, SignedHead),
        trust: &ReceiptTrust,
    ) -> Option<Finding> {
        let (log, known) = (keys.first(), keys_in(trust, generation));
        let counts =
            |head| end_of(generation, &trust.successors).is_none_or(|end| allows(&end, head));
        let (seen, met) = (self.seen(log), met_heads::read(&self.met_file(log)));
        let newest = seen.as_ref().map(|it| it.head);
        let is_in_archive = |it: &MetHead| it.head() == head && it.is_settled(newest);
        if newest == Some(head) || met.iter().any(is_in_archive) {
            // The archive itself says which of the two is its own.
            return None;
        }
        let met = met.into_iter().filter(|it| !it.is_retired(known)).map(|it| it.known);
        let known = seen.into_iter().chain(met).filter(|it| counts(it.head));
        let is_other = |it: &SeenHead| it.head.size == head.size && it.head.root != head.root;
        let other = known.filter(|_| counts(head)).find(is_other)?;
        let is_met = other.met_in.is_some();
        let file = if is_met { self.met_file(log) } else { self.seen_file(log) };
        let message = format!(
            "the log was forked: of {} entries it signed the root {}, {}, and here {}; that is remembered in {}",
            head.size,
            other.head.root,
            other.how(),
            head.root,
            file.display()
        );
        Some(Finding::new(FindingCode::LogRolledBack, "checkpoint", message))
    }

    fn other_log(&self, met: &Met, named: &[SuccessorKeys]) -> Option<Finding> {
        let logs_in = |file| unless_named(self.read_logs(file), &keys_of(named));
        let known = [MET_LOGS, SEEN_LOGS].map(|file| (file, logs_in(file)));
        let known = || known.iter().flat_map(|(file, logs)| logs.iter().map(move |it| (*file, it)));
        let mut pairs = met.logs.iter().flat_map(|shown| known().map(move |it| (shown, it)));
        let ((generation, keys), (file, other)) = pairs
            .find(|(shown, (_, it))| it.generation == shown.0 && it.log != *shown.1.first())?;
        let how = match (&other.met_in, other.at) {
            (Some(file), Some(at)) => format!("met in {file} on {at}"),
            _ => "seen earlier".to_owned(),
        };
        let message = format!(
            "the log was forked: after log {} came one with the key {}, as was {how}, and here one with the \
             key {}; that is remembered in {}",
            generation.saturating_sub(1),
            other.log,
            keys.first(),
            self.folder.join(file).display()
        );
        Some(Finding::new(FindingCode::LogRolledBack, format!("log {generation}"), message))
    }

    /// Remembers what a file shows, beside what it contradicts: nothing of a log beyond where it ended, or by
    /// a key that has retired, and no other log in the place of one that is known.
    pub(crate) fn learn(
        &self,
        met: &Met,
        trust: &ReceiptTrust,
        at: LogTime,
    ) -> Result<(), CommandError> {
        let named = &trust.successors[..];
        let file: String = visible(&met.file).chars().take(FILE_NAME_CHARS_MAX).collect();
        for (generation, keys) in &met.logs {
            self.learn_heads((*generation, keys), met, trust, (at, &file))?;
        }
        if self.other_log(met, named).is_some() {
            return Ok(());
        }
        let keys = keys_of(named);
        let learnt = |known: &Vec<KnownLog>| {
            let known = unless_named(known.clone(), &keys);
            let is_new = |it: &&(u64, KeysOfLog)| {
                it.0 > 1 && known.iter().all(|known| known.generation != it.0)
            };
            let new = met.logs.iter().filter(is_new).map(|(generation, keys)| KnownLog {
                generation: *generation,
                log: keys.first().clone(),
                at: Some(at),
                met_in: Some(file.clone()),
            });
            let new: Vec<_> = new.collect();
            [known, new].concat()
        };
        let path = self.folder.join(MET_LOGS);
        self.change(|| self.read_logs(MET_LOGS), learnt, |logs| write_logs(&path, logs))
    }

    /// Remembers the heads of one log that a file proves. One that the file has another one beyond is in
    /// that, so it needs a place of its own only if it contradicts one.
    fn learn_heads(
        &self,
        (generation, keys): (u64, &KeysOfLog),
        met: &Met,
        trust: &ReceiptTrust,
        (at, file): (LogTime, &str),
    ) -> Result<(), CommandError> {
        let (path, known_keys) = (self.met_file(keys.first()), keys_in(trust, generation));
        let end = end_of(generation, &trust.successors);
        let counts = |it: &MetHead| {
            end.as_ref().is_none_or(|end| allows(end, it.head())) && !it.is_retired(known_keys)
        };
        let shown = met.heads().filter(|it| it.0 == generation).map(|it| it.2);
        let new = shown.map(|head| MetHead {
            known: SeenHead { head, at: Some(at), met_in: Some(file.to_owned()) },
            key: Some(keys.of_size(head.size).clone()),
            is_contained: false,
        });
        let new: Vec<_> = new.filter(counts).collect();
        let Some(newest) = new.iter().map(MetHead::head).max_by_key(|it| it.size) else {
            return Ok(());
        };
        let shown: Vec<_> = new.iter().map(MetHead::head).collect();
        let learnt = |before: &Vec<MetHead>| {
            let known: Vec<_> = before.iter().filter(|it| counts(it)).cloned().collect();
            let is_within = |it: &MetHead| {
                let head = it.head();
                shown.contains(&head) && head.size < newest.size && !is_contradicted(&known, it)
            };
            let mut heads = known.clone();
            if let Some(stands) = new.iter().find(|it| it.head() == newest) {
                met_heads::replace(&mut heads, is_within, stands);
            }
            for head in new.iter().filter(|it| !is_within(it)) {
                met_heads::add(&mut heads, head.clone());
            }
            heads
        };
        self.change(|| met_heads::read(&path), learnt, |heads| met_heads::write(&path, heads))
    }

    fn read_logs(&self, file: &str) -> Vec<KnownLog> {
        let text = text_of(&self.folder.join(file));
        let lines = text.lines().take(LOGS_MAX).filter_map(|line| {
            let mut parts = line.splitn(4, ' ');
            Some(KnownLog {
                generation: parts.next()?.parse().ok()?,
                log: VerifierKey::parse(parts.next()?).ok()?,
                at: parts.next().and_then(|at| at.parse().ok()).map(LogTime::new),
                met_in: parts.next().map(str::to_owned),
            })
        });
        lines.collect()
    }
}

/// Leaves out the logs that are others than those that are named, and all that came after such a one.
pub(crate) fn unless_named(mut logs: Vec<KnownLog>, named: &[(u64, VerifierKey)]) -> Vec<KnownLog> {
    let is_other =
        |it: &&KnownLog| named.iter().any(|named| named.0 == it.generation && named.1 != it.log);
    if let Some(first) = logs.iter().filter(is_other).map(|it| it.generation).min() {
        logs.retain(|it| it.generation < first);
    }
    logs
}

fn keys_of(named: &[SuccessorKeys]) -> Vec<(u64, VerifierKey)> {
    named.iter().map(|it| (it.generation, it.log.first().clone())).collect()
}

/// Returns the keys that are known of the log of a generation.
fn keys_in(trust: &ReceiptTrust, generation: u64) -> Option<&KeysOfLog> {
    if generation == 1 {
        return trust.log.as_ref();
    }
    trust.successors.iter().find(|it| it.generation == generation).map(|it| &it.log)
}

/// Writes logs, a line for each: generation, first key and, where it was met, time and file.
pub(crate) fn write_logs(file: &Path, logs: &[KnownLog]) -> Result<(), CommandError> {
    let line = |it: &KnownLog| match it.at.as_ref().zip(it.met_in.as_ref()) {
        None => format!("{} {}\n", it.generation, it.log),
        Some((at, met_in)) => format!("{} {} {at} {met_in}\n", it.generation, it.log),
    };
    write_whole(file, logs.iter().map(line).collect::<String>().as_bytes())
}

/// Spells a head, and when and where it came to be known, in one line.
fn head_line(it: &SeenHead) -> String {
    let at = it.at.map(|at| at.to_string()).unwrap_or_default();
    let met_in = it.met_in.as_deref().unwrap_or_default();
    format!("{} {} {at} {met_in}", it.head.size, it.head.root).trim_end().to_owned()
}

/// Reads a line of [`head_line`]; older versions did not say when and where.
fn head_in(line: &str) -> Option<SeenHead> {
    let mut parts = line.trim_end().splitn(4, ' ');
    let (size, root) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let at = parts.next().and_then(|at| at.parse().ok()).map(LogTime::new);
    let met_in = parts.next().map(str::to_owned);
    Some(SeenHead { head: SignedHead { size, root }, at, met_in })
}

/// Reads the head in the first line of a file.
fn read(path: &Path) -> Option<SeenHead> {
    head_in(text_of(path).lines().next()?)
}

/// Reads a file as text, if it is there: a byte of it that is none spoils its own line alone.
fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Names the files of a log.
fn short(log: &VerifierKey) -> String {
    Sha256Digest::of(log.public_key()).to_string()[..16].to_owned()
}

mod met_heads;
#[cfg(test)]
mod tests;
