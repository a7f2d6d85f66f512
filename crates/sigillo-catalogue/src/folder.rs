//! The folder of the index: which files are its runs, how one gets there, and what is left over.
//!
//! Several processes may use one folder. A run is written under a name of its own that no other
//! process uses, locked, and renamed when it is whole; a file once named is never written again.
//! Merging is done under a lock, so that no two processes remove each other's results.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sigillo_model::ArchiveId;

use crate::{
    IndexError,
    error::{failed, is_damage},
    left_out,
    run::{Run, Source},
    shape::Shape,
    writer::RunWriter,
};

const SUFFIX: &str = "run";
const STAGED_SUFFIX: &str = "part";
const LOCK_NAME: &str = "merging.lock";

/// A listing is repeated so often if another process merges what was listed.
const LISTINGS_MAX: usize = 20;

/// A file is made so often if another process took it for a leftover before it was locked.
const STAGINGS_MAX: usize = 1000;

/// What the name of a file says of a run: its commits, as in `{after:020}-{through:020}.run`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct RunName {
    after: u64,
    through: u64,
}

impl RunName {
    fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:020}-{:020}.{SUFFIX}", self.after, self.through))
    }

    fn parse(path: &Path) -> Option<Self> {
        let (after, through) = path.file_stem()?.to_str()?.split_once('-')?;
        let name = Self { after: after.parse().ok()?, through: through.parse().ok()? };
        let folder = path.parent()?;
        (name.after < name.through && name.path(folder) == path).then_some(name)
    }
}

/// Opens the runs that follow each other from the first commit on, the longest where several
/// begin together, and removes what they make superfluous.
pub(crate) fn open_runs(folder: &Path, archive: ArchiveId) -> Result<Vec<Arc<Run>>, IndexError> {
    fs::create_dir_all(folder).map_err(failed(folder, "making it"))?;
    let mut listing = 1;
    loop {
        let (names, leftovers) = list(folder)?;
        match open_listed(folder, archive, &names, &remove) {
            Some(runs) => {
                remove_leftovers(folder, &runs, &names, &leftovers);
                return Ok(runs);
            }
            None if listing == LISTINGS_MAX => {
                let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                return Err(failed(folder, "opening runs that others keep merging")(busy));
            }
            None => listing += 1,
        }
    }
}

/// Opens the runs that follow each other from the first commit on, and changes nothing in the
/// folder; none where there is no folder.
pub(crate) fn peek_runs(folder: &Path, archive: ArchiveId) -> Result<Vec<Arc<Run>>, IndexError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    for _ in 0..LISTINGS_MAX {
        let (names, _) = list(folder)?;
        if let Some(runs) = open_listed(folder, archive, &names, &|_| ()) {
            return Ok(runs);
        }
    }
    let busy = io::Error::from(io::ErrorKind::ResourceBusy);
    Err(failed(folder, "opening runs that others keep merging")(busy))
}

/// Returns the names of runs, and the paths of files that are none.
fn list(folder: &Path) -> Result<(Vec<RunName>, Vec<PathBuf>), IndexError> {
    let (mut names, mut leftovers) = (Vec::new(), Vec::new());
    for entry in folder.read_dir().map_err(failed(folder, "listing it"))? {
        let path = entry.map_err(failed(folder, "listing it"))?.path();
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some(SUFFIX) => match RunName::parse(&path) {
                Some(name) => names.push(name),
                None => leftovers.push(path),
            },
            Some(STAGED_SUFFIX) => leftovers.push(path),
            _ => {}
        }
    }
    Ok((names, leftovers))
}

/// Opens the runs that follow each other; nothing if one vanished since they were listed. What is
/// damaged goes to `discard`.
fn open_listed(
    folder: &Path,
    archive: ArchiveId,
    names: &[RunName],
    discard: &dyn Fn(&Path),
) -> Option<Vec<Arc<Run>>> {
    let mut runs: Vec<Arc<Run>> = Vec::new();
    loop {
        let after = runs.last().map_or(0, |run| run.shape().through);
        let mut next: Vec<_> = names.iter().filter(|name| name.after == after).collect();
        next.sort_unstable_by_key(|name| std::cmp::Reverse(name.through));
        let mut opened = None;
        for name in next {
            let path = name.path(folder);
            match Run::open(&path) {
                Ok(run) => {
                    let shape = run.shape();
                    let stated = (shape.archive, shape.after, shape.through);
                    if stated == (archive, name.after, name.through) {
                        opened = Some(Arc::new(run));
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                // It can be made again; what could only not be read now stays.
                Err(error) if is_damage(&error) => discard(&path),
                Err(_) => {}
            }
        }
        let Some(run) = opened else { return Some(runs) };
        runs.push(run);
    }
}

/// Removes runs that lie within another one, and unfinished files of processes that ended.
fn remove_leftovers(folder: &Path, runs: &[Arc<Run>], names: &[RunName], leftovers: &[PathBuf]) {
    for name in names {
        let covering = runs
            .iter()
            .map(|run| run.shape())
            .find(|shape| shape.after <= name.after && name.through <= shape.through);
        if covering.is_some_and(|shape| (shape.after, shape.through) != (name.after, name.through))
        {
            remove(&name.path(folder));
        }
    }
    for path in leftovers {
        // Whoever writes a file holds a lock on it, and looks again once it has the lock.
        if let Ok(file) = File::open(path)
            && file.try_lock().is_ok()
        {
            remove(path);
        }
    }
}

/// Makes the file of a run by `write`. Losing it at a power cut loses nothing, so it is not synced: its sums
/// tell whether it is whole.
pub(crate) fn write_run(
    folder: &Path,
    shape: Shape,
    write: &dyn Fn(&mut RunWriter) -> Result<(), IndexError>,
) -> Result<Run, IndexError> {
    let path = RunName { after: shape.after, through: shape.through }.path(folder);
    let (file, staged) = stage(&path).map_err(failed(folder, "making a run"))?;
    let mut writer = RunWriter::new(shape, Some((file, path.clone())));
    let run = write(&mut writer)
        .and_then(|()| writer.finish().map_err(failed(folder, "writing a run")))
        .and_then(|run| {
            fs::rename(&staged, &path).map_err(failed(folder, "naming a run"))?;
            Ok(run)
        })
        .inspect_err(|_| remove(&staged))?;
    if let Source::File(file, _) = &run.source {
        file.unlock().map_err(failed(folder, "unlocking a run"))?;
    }
    Ok(run)
}

/// Makes a file for a run under a name that nobody else uses, and locks it.
fn stage(path: &Path) -> io::Result<(File, PathBuf)> {
    static STAGED: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    for _ in 0..STAGINGS_MAX {
        let number = STAGED.fetch_add(1, Ordering::Relaxed);
        let staged =
            path.with_extension(format!("{}-{number}.{STAGED_SUFFIX}", std::process::id()));
        match File::options().read(true).write(true).create_new(true).open(&staged) {
            Ok(file) => {
                // Where there are no locks, nobody can take this file for a leftover either.
                file.lock().or_else(|error| match error.kind() {
                    io::ErrorKind::Unsupported => Ok(()),
                    _ => Err(error),
                })?;
                if staged.exists() {
                    return Ok((file, staged));
                }
            }
            // Left by a process that had our number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Tells whether every run that was read from a file still has it.
pub(crate) fn are_all_there(runs: &[Arc<Run>]) -> bool {
    runs.iter().filter_map(|run| run.path()).all(Path::exists)
}

/// Tells whether another run lies across one of the ends of the commits of `shape`. Then nothing may
/// take the place of the runs within it, for with the other one they lead further.
pub(crate) fn is_crossed(folder: &Path, shape: &Shape) -> Result<bool, IndexError> {
    let (names, _) = list(folder)?;
    let lies_across = |name: &RunName, end| name.after < end && end < name.through;
    let mut names = names.iter();
    Ok(names.any(|name| lies_across(name, shape.after) || lies_across(name, shape.through)))
}

/// Removes the files of runs that others took the place of.
pub(crate) fn remove_files(runs: &[Arc<Run>]) {
    runs.iter().filter_map(|run| run.path()).for_each(remove);
}

/// Removes every run, and then what was left out of them.
pub(crate) fn remove_all(folder: &Path) -> Result<(), IndexError> {
    if !folder.exists() {
        return Ok(());
    }
    let _lock = MergingLock::wait_for(folder)?;
    remove_runs(folder)?;
    left_out::list(folder)?.into_iter().try_for_each(|(_, path)| remove_for_good(folder, &path))
}

fn remove_runs(folder: &Path) -> Result<(), IndexError> {
    let (names, leftovers) = list(folder)?;
    for name in names {
        remove_for_good(folder, &name.path(folder))?;
    }
    remove_leftovers(folder, &[], &[], &leftovers);
    Ok(())
}

fn remove_for_good(folder: &Path, path: &Path) -> Result<(), IndexError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(folder, "removing a run")(error))
        }
        _ => Ok(()),
    }
}

/// Puts the files of the index in `made` in the place of those in `folder`.
///
/// Whenever this ends, what is left out of the runs in `folder` is known there: such files come
/// first and go last.
pub(crate) fn replace_all(made: &Path, folder: &Path) -> Result<(), IndexError> {
    fs::create_dir_all(folder).map_err(failed(folder, "making it"))?;
    let _lock = MergingLock::wait_for(folder)?;
    let before = left_out::list(folder)?;
    let rename = |from: &Path| {
        let name = from.file_name().ok_or(io::ErrorKind::InvalidInput);
        name.map_err(io::Error::from).and_then(|name| fs::rename(from, folder.join(name)))
    };
    let left_out = left_out::list(made)?;
    for (_, path) in &left_out {
        rename(path).map_err(failed(folder, "remembering what is left out"))?;
    }
    left_out::sync(folder).map_err(failed(folder, "remembering what is left out"))?;
    remove_runs(folder)?;
    for name in list(made)?.0 {
        rename(&name.path(made)).map_err(failed(folder, "naming a run"))?;
    }
    let is_past = |commit: &u64| left_out.iter().all(|(other, _)| other != commit);
    let past = before.into_iter().filter(|(commit, _)| is_past(commit));
    past.into_iter().try_for_each(|(_, path)| remove_for_good(folder, &path))
}

/// Removes a file that nobody needs; if that fails, a later opening does it.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        drop(error);
    }
}

/// The right to merge the runs of a folder, or to remove them all. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct MergingLock {
    _file: File,
}

impl MergingLock {
    /// Takes the lock, unless another process has it.
    pub(crate) fn try_take(folder: &Path) -> Result<Option<Self>, IndexError> {
        let file = Self::file(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(folder, "locking it")(error)),
        }
    }

    fn wait_for(folder: &Path) -> Result<Self, IndexError> {
        let file = Self::file(folder)?;
        file.lock().map_err(failed(folder, "locking it"))?;
        Ok(Self { _file: file })
    }

    fn file(folder: &Path) -> Result<File, IndexError> {
        let path = folder.join(LOCK_NAME);
        let file = File::options().create(true).truncate(false).write(true).open(path);
        file.map_err(failed(folder, "opening its lock"))
    }
}
