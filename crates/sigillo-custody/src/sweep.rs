//! Sweeping: what no commit names is listed, the epoch raised, and what is still unnamed removed.

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_evidence_log::{
    Archive, BatchObjectError, Commit, LogWriter, find_head, read_pack_list,
};
use sigillo_model::{Blake3Digest, Entry, ListedPack, ObjectKey};
use sigillo_store::{ListedObject, RemoveOutcome, StagingSweep, StoreError, SweepPermit};

use crate::{CustodyError, Names, Standing};

/// At most so many objects, and so many unfinished files, are swept at once; the next sweep takes
/// the rest.
pub const SWEPT_MAX: usize = 1_000_000;

/// At most so many objects of one folder are listed.
const LISTED_MAX: usize = 1_000_000;

/// At most so many commits are read at once.
const READS_IN_FLIGHT_MAX: usize = 8;

/// At most so many objects are removed at once.
const REMOVALS_IN_FLIGHT_MAX: usize = 8;

/// What a sweep would remove, and what it leaves alone.
#[derive(Clone, Debug, Default)]
pub struct SweepPlan {
    /// The newest commit that was read.
    pub head: u64,
    /// Content that no commit up to it names, sorted by key.
    pub unnamed: Vec<ListedObject>,
    /// Files that writers did not finish, or not yet.
    pub staging: Vec<ListedObject>,
    /// Reports of submissions whose end is not logged; they stay.
    pub unfinished: u64,
    /// What is no object of ours, next to content; it stays.
    pub strange: u64,
    /// Batches that no commit names; they are truth, which is never removed, and small.
    pub batches: u64,
    /// Whether there is more than one sweep removes.
    pub more: bool,
    names: Names,
}

/// What became of a sweep.
#[derive(Clone, Debug, Default)]
pub struct SweepOutcome {
    /// The epoch now in force.
    pub epoch: u64,
    /// The commit that put it in force.
    pub commit: u64,
    /// What is gone, durably.
    pub removed: Vec<ListedObject>,
    /// What was gone before it could be removed.
    pub vanished: u64,
    /// What a commit came to name before the epoch was raised; it stays.
    pub named_since: u64,
    /// What became of unfinished files.
    pub staging: StagingSweep,
}

/// Lists the content that no commit names and the files that writers left. Writes nothing.
///
/// # Errors
///
/// [`CustodyError`] if the log cannot be read whole, or anything that it names is missing: then it
/// is not the time to remove anything.
pub async fn plan_sweep(archive: &Archive) -> Result<SweepPlan, CustodyError> {
    let store = archive.store();
    let mut plan = SweepPlan { head: find_head(store, 0).await?, ..SweepPlan::default() };
    take_names(archive, &mut plan.names, 1..=plan.head).await?;
    // One folder after the other: only what no commit names is kept.
    for first_byte in 0..=u8::MAX {
        let listed = list(archive, &format!("packs/{first_byte:02x}"), &mut plan.more).await?;
        check_present(archive, plan.names.packs_of(first_byte), &listed).await?;
        plan.take(listed);
    }
    for folder in ["acts", "submissions"] {
        let listed = list(archive, folder, &mut plan.more).await?;
        plan.take(listed);
    }
    let batches = list(archive, "batches", &mut false).await?;
    let staging = store.list_staging(SWEPT_MAX).await;
    plan.staging = staging.map_err(store_error("listing unfinished files"))?;
    // What was committed meanwhile was listed and not yet named.
    let head = find_head(store, plan.head).await?;
    take_names(archive, &mut plan.names, plan.head + 1..=head).await?;
    plan.head = head;
    plan.unnamed = still_unnamed(std::mem::take(&mut plan.unnamed), &plan.names);
    plan.unnamed.sort_by(|a, b| a.key.cmp(&b.key));
    let unnamed = batches.iter().filter(|object| !plan.names.has_batch(&object.key));
    let folders = unnamed.map(|object| object.key.as_str().split('/').nth(1));
    plan.batches = folders.collect::<HashSet<_>>().len() as u64;
    Ok(plan)
}

/// Raises the epoch and removes what was planned and is still unnamed.
///
/// # Errors
///
/// [`CustodyError`]; what was removed until then stays removed, and the same sweep may be repeated.
pub async fn perform_sweep(
    log: &mut LogWriter,
    plan: SweepPlan,
) -> Result<SweepOutcome, CustodyError> {
    let permit = log.begin_sweep().await?;
    let archive = log.archive().clone();
    let SweepPlan { head, unnamed, mut names, .. } = plan;
    take_names(&archive, &mut names, head + 1..=permit.commit()).await?;
    let planned = unnamed.len();
    let unnamed: Vec<ListedObject> = still_unnamed(unnamed, &names);
    let mut outcome = SweepOutcome {
        epoch: permit.epoch(),
        commit: permit.commit(),
        named_since: (planned - unnamed.len()) as u64,
        ..SweepOutcome::default()
    };
    let mut removals = stream::iter(unnamed)
        .map(|object| remove(&archive, object, &permit))
        .buffer_unordered(REMOVALS_IN_FLIGHT_MAX);
    while let Some((object, removed)) = removals.try_next().await? {
        match removed {
            RemoveOutcome::Removed => outcome.removed.push(object),
            RemoveOutcome::WasGone => outcome.vanished += 1,
        }
    }
    drop(removals);
    let swept = archive.store().sweep_staging(SWEPT_MAX, &permit).await;
    outcome.staging = swept.map_err(store_error("removing unfinished files"))?;
    outcome.removed.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(outcome)
}

impl SweepPlan {
    /// Sorts what was listed by what the commits say of it.
    fn take(&mut self, listed: Vec<ListedObject>) {
        for object in listed {
            match self.names.standing(&object.key) {
                Standing::Named => {}
                Standing::Unnamed if self.unnamed.len() < SWEPT_MAX => self.unnamed.push(object),
                Standing::Unnamed => self.more = true,
                Standing::Unfinished => self.unfinished += 1,
                Standing::Strange => self.strange += 1,
            }
        }
    }
}

/// Keeps of what was planned that which no commit came to name.
fn still_unnamed(planned: Vec<ListedObject>, names: &Names) -> Vec<ListedObject> {
    let unnamed = |object: &ListedObject| names.standing(&object.key) == Standing::Unnamed;
    planned.into_iter().filter(unnamed).collect()
}

async fn list(
    archive: &Archive,
    folder: &str,
    more: &mut bool,
) -> Result<Vec<ListedObject>, CustodyError> {
    let found = archive.store().list(folder, LISTED_MAX).await;
    let found = found.map_err(store_error("listing content"))?;
    *more |= found.len() == LISTED_MAX;
    Ok(found)
}

/// Takes in what these commits name; every one of them must be there.
async fn take_names(
    archive: &Archive,
    names: &mut Names,
    commits: std::ops::RangeInclusive<u64>,
) -> Result<(), CustodyError> {
    let mut read = stream::iter(commits)
        .map(|number| read_commit(archive, number))
        .buffered(READS_IN_FLIGHT_MAX);
    while let Some((commit, mut packs)) = read.try_next().await? {
        for entry in &commit.entries {
            let packs = match entry {
                Entry::BatchCommitted(_) => packs.pop().unwrap_or_default(),
                _ => Vec::new(),
            };
            names.take(commit.header.commit, entry, &packs);
        }
        if names.is_full() {
            return Err(CustodyError::TooManyNames { limit: crate::NAMED_MAX });
        }
    }
    Ok(())
}

/// Reads a commit and the lists of packs of its batches, the last first.
async fn read_commit(
    archive: &Archive,
    number: u64,
) -> Result<(Commit, Vec<Vec<ListedPack>>), CustodyError> {
    let commit = archive.existing_commit(number).await?;
    let mut packs = Vec::new();
    for entry in commit.entries.iter().rev() {
        if let Entry::BatchCommitted(batch) = entry {
            let list = read_pack_list(archive.store(), batch).await;
            packs.push(list.map_err(|error| unreadable(ObjectKey::pack_list(batch.batch), error))?);
        }
    }
    Ok((commit, packs))
}

/// Sees that packs that the log names are there, listed or not: a listing may be incomplete.
async fn check_present(
    archive: &Archive,
    named: impl Iterator<Item = (Blake3Digest, u64)>,
    listed: &[ListedObject],
) -> Result<(), CustodyError> {
    let listed: HashSet<&ObjectKey> = listed.iter().map(|object| &object.key).collect();
    for (name, commit) in named {
        let key = ObjectKey::pack(name);
        if listed.contains(&key) {
            continue;
        }
        match archive.store().size(&key).await {
            Ok(_) => {}
            Err(StoreError::NotFound { .. }) => {
                return Err(CustodyError::NamedMissing { key, commit });
            }
            Err(error) => return Err(store_error("looking for a pack")(error)),
        }
    }
    Ok(())
}

async fn remove(
    archive: &Archive,
    object: ListedObject,
    permit: &SweepPermit,
) -> Result<(ListedObject, RemoveOutcome), CustodyError> {
    let removed = archive.store().remove_unnamed(&object.key, permit).await;
    Ok((object, removed.map_err(store_error("removing what no commit names"))?))
}

fn unreadable(key: ObjectKey, error: BatchObjectError) -> CustodyError {
    match error {
        BatchObjectError::Store(error) => CustodyError::Log(error),
        error => CustodyError::Unreadable { key, source: std::io::Error::other(error) },
    }
}

fn store_error(doing: &'static str) -> impl Fn(StoreError) -> CustodyError {
    move |source| CustodyError::Store { doing, source }
}
