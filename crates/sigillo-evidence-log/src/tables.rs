//! The open tables of the catalogue in the store: opening them, appending what was committed,
//! merging, and making them anew.
//!
//! They follow from packs and log. Whatever is wrong with them stops neither ingest nor
//! verification: it is reported with its remedy, `sigillo rebuild`.

use std::sync::Arc;

use sigillo_catalogue::tables::{
    AppendInfo, Coverage, DELTA_COMMIT_BYTES_MAX, Segment, SegmentFile, SortedRows, TableError,
    TableKind, TablePlace, TableRow, TableState, append_commit, create_commit, merge_commit,
    merge_segments, plan_merge, write_segment,
};
use sigillo_model::{BatchCommitted, Clock, Entry, ErrorKind, LogTime, ObjectKey};
use sigillo_store::{CreateOutcome, ReadPool, StoreError};

use crate::{
    Archive, LogError,
    records::{BatchRecord, read_batch},
};

/// Rows are appended, at the latest, when there are so many.
const APPEND_ROWS_MAX: usize = 100_000;

/// Rows are appended, at the latest, when they take so much memory, in bytes.
const APPEND_BYTES_MAX: usize = 64 << 20;

/// Documents of one batch are left out of the tables if they take more memory than this, in bytes.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// At most this often a version of a table is written again because others were faster.
const APPEND_ATTEMPTS_MAX: u32 = 1000;

/// No table's log has more versions.
const VERSIONS_MAX: u64 = 1_000_000;

/// A rebuild removes at most this many files of a table.
const REMOVED_FILES_MAX: usize = 4_000_000;

/// Before an append, at most this many commits are looked at for documents that it would pass by.
const LOOKED_AT_MAX: u64 = 64;

/// Why the tables could not be read or written. Nothing true is lost by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// A file of a table is damaged or missing.
    #[error("{key} of the catalogue is damaged; `sigillo rebuild` makes it anew")]
    Damaged {
        /// The object.
        key: ObjectKey,
        /// What is wrong with it.
        source: TableError,
    },
    /// A file of a table is not there.
    #[error("{key} of the catalogue is missing; `sigillo rebuild` makes it anew")]
    Missing {
        /// The object.
        key: ObjectKey,
    },
    /// The log, the packs or the store could not be read.
    #[error("the catalogue could not be used")]
    Log {
        /// What stood in the way.
        source: LogError,
    },
    /// Other writers were faster again and again.
    #[error("other writers wrote the catalogue's next version {attempts} times in a row")]
    Crowded {
        /// How often it was tried.
        attempts: u32,
    },
    /// A task that read or wrote a segment panicked.
    #[error("a task that read or wrote a segment of the catalogue panicked")]
    Panicked,
}

impl TableFault {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { source, .. } => source.kind(),
            Self::Missing { .. } => ErrorKind::Integrity,
            Self::Log { source } => source.kind(),
            Self::Crowded { .. } => ErrorKind::Conflict,
            Self::Panicked => ErrorKind::Bug,
        }
    }

    /// Adds to an error of a store which object it was about, and what was being done.
    pub fn store(doing: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| match source {
            StoreError::NotFound { key, .. } => Self::Missing { key },
            source => Self::Log { source: LogError::Store { doing, source } },
        }
    }
}

impl From<LogError> for TableFault {
    fn from(source: LogError) -> Self {
        Self::Log { source }
    }
}

/// What a catch-up did.
#[derive(Debug, Default)]
pub struct CaughtUp {
    /// How many versions of documents were appended.
    pub appended: u64,
    /// Commits whose documents are not in the tables, and why: they are tried again next time.
    pub left_out: Vec<(u64, LogError)>,
}

/// Both tables of an archive, for one process that appends to them.
#[derive(Debug)]
pub struct Tables {
    archive: Archive,
    reads: ReadPool,
    clock: Arc<dyn Clock>,
    states: [TableState; 2],
    /// Commits that were looked at and add no documents.
    without_documents: Coverage,
}

/// Reads the log of a table. One that is not there yet is empty.
///
/// # Errors
///
/// [`TableFault::Damaged`] if a version cannot be used, [`TableFault::Log`].
pub async fn read_table(archive: &Archive, kind: TableKind) -> Result<TableState, TableFault> {
    let mut table = TableState::new(kind);
    read_on(archive, &mut table).await?;
    Ok(table)
}

/// Takes in the versions of a table's log that came since.
async fn read_on(archive: &Archive, table: &mut TableState) -> Result<(), TableFault> {
    while table.next_version() < VERSIONS_MAX {
        let key = ObjectKey::table_version(table.kind().name(), table.next_version());
        let read = archive.store().read_optional(&key, DELTA_COMMIT_BYTES_MAX).await;
        let read = read.map_err(TableFault::store("reading the log of a table"))?;
        let Some(bytes) = read else { break };
        table.apply(&bytes).map_err(|source| TableFault::Damaged { key, source })?;
    }
    Ok(())
}

impl Tables {
    /// Reads the logs of both tables. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`read_table`].
    pub async fn open(
        archive: &Archive,
        reads: ReadPool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TableFault> {
        let [documents, descriptions] = TableKind::ALL;
        let states =
            [read_table(archive, documents).await?, read_table(archive, descriptions).await?];
        let without_documents = Coverage::default();
        Ok(Self { archive: archive.clone(), reads, clock, states, without_documents })
    }

    /// Removes both tables and begins anew. Other processes must not be appending meanwhile.
    ///
    /// The log goes first, from its end, so that whoever reads finds a shorter table or none.
    ///
    /// # Errors
    ///
    /// [`TableFault::Log`] if the store did not do it.
    pub async fn remove_all(
        archive: &Archive,
        reads: ReadPool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TableFault> {
        let store = archive.store();
        for kind in TableKind::ALL {
            let folder = format!("catalogue/{}", kind.name());
            let listed = store.list(&folder, REMOVED_FILES_MAX).await;
            let listed = listed.map_err(TableFault::store("listing the catalogue"))?;
            let mut keys: Vec<ObjectKey> = listed.into_iter().map(|it| it.key).collect();
            let is_log = |key: &ObjectKey| key.as_str().contains("/_delta_log/");
            keys.sort_by(|a, b| is_log(b).cmp(&is_log(a)).then_with(|| b.cmp(a)));
            for key in &keys {
                let removed = store.remove_derived(key).await;
                removed.map_err(TableFault::store("removing the catalogue"))?;
            }
        }
        Self::open(archive, reads, clock).await
    }

    /// Takes in one batch that was just committed, if it can: a failure is only logged, for the
    /// next [`catch_up`](Self::catch_up) makes up for it.
    pub async fn append_batch(&mut self, commit: u64, rows: Vec<TableRow>) {
        self.look_before(commit).await;
        let commits = Coverage::from(commit..=commit);
        if let Err(error) = self.append(rows, &commits).await {
            tracing::warn!(%error, commit, "the catalogue was not written; it will be completed");
        }
    }

    /// Looks at the commits before one, for most of them add no documents.
    async fn look_before(&mut self, commit: u64) {
        let covered = self.states.iter().map(|table| table.coverage().first_missing(1)).min();
        for number in covered.unwrap_or(1).max(commit.saturating_sub(LOOKED_AT_MAX))..commit {
            if self.without_documents.contains(number) {
                continue;
            }
            match self.archive.commit(number).await {
                Ok(Some(commit)) if batches_of(&commit.entries).next().is_none() => {
                    self.without_documents.insert(number..=number);
                }
                _ => {}
            }
        }
    }

    /// Appends rows to both tables, those of `commits` that a table does not have yet.
    ///
    /// `rows` are all documents of `commits`.
    ///
    /// # Errors
    ///
    /// [`TableFault`]; then one table may have them and the other not, which
    /// [`catch_up`](Self::catch_up) evens out.
    pub async fn append(
        &mut self,
        rows: Vec<TableRow>,
        commits: &Coverage,
    ) -> Result<(), TableFault> {
        let reads = self.reads.clone();
        let sorted = reads.run(move || SortedRows::new(rows)).await;
        let rows = Arc::new(sorted.map_err(|_| TableFault::Panicked)?);
        let missing = |index: usize| commits.without(self.states[index].coverage());
        let of_both = [missing(0), missing(1)];
        let (documents, descriptions) = tokio::join!(
            self.make_segment(self.states[0].kind(), &rows, of_both[0].clone()),
            self.make_segment(self.states[1].kind(), &rows, of_both[1].clone()),
        );
        let [of_documents, of_descriptions] = of_both;
        let documents = documents?.map(|segment| (of_documents, segment));
        let descriptions = descriptions?.map(|segment| (of_descriptions, segment));
        self.append_to(0, &rows, commits, documents).await?;
        self.append_to(1, &rows, commits, descriptions).await
    }

    /// Appends to one table; `segment` is what was made for it, and of which commits.
    async fn append_to(
        &mut self,
        index: usize,
        rows: &Arc<SortedRows>,
        commits: &Coverage,
        mut segment: Option<(Coverage, Segment)>,
    ) -> Result<(), TableFault> {
        let kind = self.states[index].kind();
        for _ in 0..APPEND_ATTEMPTS_MAX {
            read_on(&self.archive, &mut self.states[index]).await?;
            let table = &self.states[index];
            let (missing, at) = (commits.without(table.coverage()), self.now());
            if table.next_version() == 0 {
                let first = create_commit(kind, self.archive.description().archive, at);
                self.write_version(index, first).await?;
                continue;
            }
            let mut covered = self.without_documents.without(table.coverage());
            covered.extend(&missing);
            // Others may have taken in a part of it meanwhile.
            if segment.as_ref().is_none_or(|(of, _)| *of != missing) {
                let Some(made) = self.make_segment(kind, rows, missing.clone()).await? else {
                    return Ok(());
                };
                segment = Some((missing, made));
            }
            let Some((_, segment)) = &segment else { return Ok(()) };
            self.store_segment(kind, segment).await?;
            let info = AppendInfo { commits: &covered, at };
            let version = append_commit(std::slice::from_ref(segment), &info);
            if self.write_version(index, version).await? {
                return Ok(());
            }
        }
        Err(TableFault::Crowded { attempts: APPEND_ATTEMPTS_MAX })
    }

    /// Makes a segment of those rows whose commits are missing, or none if there are none.
    async fn make_segment(
        &self,
        kind: TableKind,
        rows: &Arc<SortedRows>,
        missing: Coverage,
    ) -> Result<Option<Segment>, TableFault> {
        let rows = Arc::clone(rows);
        let made = self.reads.run(move || match rows.only(|commit| missing.contains(commit)) {
            None => write_segment(kind, &rows),
            Some(rows) => write_segment(kind, &rows),
        });
        made.await.map_err(|_| TableFault::Panicked)?.map_err(|source| TableFault::Damaged {
            key: ObjectKey::table_segment(kind.name(), ""),
            source,
        })
    }

    /// Stores a segment under the name that its bytes give it.
    async fn store_segment(&self, kind: TableKind, segment: &Segment) -> Result<(), TableFault> {
        let key = ObjectKey::table_segment(kind.name(), &segment.name);
        let store = self.archive.store();
        match store.create(&key, segment.bytes.clone()).await {
            Ok(CreateOutcome::Created | CreateOutcome::AlreadyEqual) => Ok(()),
            // It does not have its own name: whatever was there was damaged.
            Ok(CreateOutcome::Taken(_)) => {
                let replaced = store.replace_derived(&key, segment.bytes.clone()).await;
                replaced.map_err(TableFault::store("replacing a segment"))
            }
            Err(error) => Err(TableFault::store("storing a segment")(error)),
        }
    }

    /// Writes the next version of a table's log; tells whether nobody was faster.
    async fn write_version(&mut self, index: usize, version: Vec<u8>) -> Result<bool, TableFault> {
        let table = &mut self.states[index];
        let key = ObjectKey::table_version(table.kind().name(), table.next_version());
        let version = bytes::Bytes::from(version);
        let created = self.archive.store().create(&key, version.clone()).await;
        let (won, bytes) = match created.map_err(TableFault::store("writing a table's log"))? {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => (true, version),
            CreateOutcome::Taken(bytes) => (false, bytes),
        };
        table.apply(&bytes).map_err(|source| TableFault::Damaged { key, source })?;
        Ok(won)
    }

    /// Appends everything that was committed and is not in the tables yet, then merges segments.
    ///
    /// What cannot be read out of a batch is left out, and reported.
    ///
    /// # Errors
    ///
    /// [`TableFault`] if the tables or the log cannot be used; what was appended stays.
    pub async fn catch_up(&mut self) -> Result<CaughtUp, TableFault> {
        let mut done = CaughtUp::default();
        for table in &mut self.states {
            read_on(&self.archive, table).await?;
        }
        let mut gathered = Gathered::default();
        let mut number = 1;
        loop {
            let missing = self.states.iter().map(|table| table.coverage().first_missing(number));
            let missing = missing.min().unwrap_or(number);
            number = self.without_documents.first_missing(missing);
            if number != missing {
                continue;
            }
            let Some(commit) = self.archive.commit(number).await? else { break };
            for batch in batches_of(&commit.entries) {
                if gathered.is_full(batch) {
                    self.append_gathered(&mut gathered, &mut done).await?;
                }
            }
            self.gather(number, &commit.entries, &mut gathered, &mut done).await?;
            number += 1;
        }
        self.append_gathered(&mut gathered, &mut done).await?;
        self.merge().await?;
        Ok(done)
    }

    async fn gather(
        &mut self,
        number: u64,
        entries: &[Entry],
        gathered: &mut Gathered,
        done: &mut CaughtUp,
    ) -> Result<(), TableFault> {
        let mut batches = batches_of(entries).peekable();
        if batches.peek().is_none() {
            self.without_documents.insert(number..=number);
            return Ok(());
        }
        let before = (gathered.rows.len(), gathered.weight_bytes);
        for batch in batches {
            let mut take = |it: BatchRecord| {
                let place = TablePlace {
                    commit: number,
                    batch: batch.batch,
                    leaf: it.leaf,
                    record: it.place,
                };
                if gathered.weight_bytes - before.1 <= BATCH_BYTES_MAX {
                    let row = TableRow::new(it.version, &it.record, place);
                    gathered.weight_bytes += row.weight_bytes();
                    gathered.rows.push(row);
                }
            };
            let mut read = read_batch(&self.archive, &self.reads, batch, &mut take).await;
            if read.is_ok() && gathered.weight_bytes - before.1 > BATCH_BYTES_MAX {
                let what = "its descriptions are too large for the catalogue";
                read = Err(LogError::Unindexable { key: ObjectKey::pack_list(batch.batch), what });
            }
            let Err(error) = read else { continue };
            gathered.rows.truncate(before.0);
            gathered.weight_bytes = before.1;
            if error.kind() != ErrorKind::Integrity {
                return Err(error.into());
            }
            tracing::warn!(%error, commit = number, "documents are left out of the catalogue");
            done.left_out.push((number, error));
            return Ok(());
        }
        gathered.commits.insert(number..=number);
        Ok(())
    }

    async fn append_gathered(
        &mut self,
        gathered: &mut Gathered,
        done: &mut CaughtUp,
    ) -> Result<(), TableFault> {
        let Gathered { rows, commits, .. } = std::mem::take(gathered);
        if rows.is_empty() {
            return Ok(());
        }
        done.appended += rows.len() as u64;
        self.append(rows, &commits).await
    }

    /// Makes few segments of many, where that is due.
    ///
    /// # Errors
    ///
    /// [`TableFault`] if a segment cannot be read or the store did not do it.
    pub async fn merge(&mut self) -> Result<(), TableFault> {
        for index in 0..self.states.len() {
            while let Some(plan) = plan_merge(&self.states[index]) {
                let kind = self.states[index].kind();
                let merged = self.merge_files(kind, &plan).await?;
                self.store_segment(kind, &merged).await?;
                let version = merge_commit(&plan, &merged, self.now());
                // Whoever was faster may have merged the same: the next time will show.
                if !self.write_version(index, version).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn merge_files(
        &self,
        kind: TableKind,
        plan: &[SegmentFile],
    ) -> Result<Segment, TableFault> {
        let mut inputs = Vec::with_capacity(plan.len());
        for file in plan {
            let key = ObjectKey::table_segment(kind.name(), &file.path);
            let bytes = self.archive.store().read(&key, file.size_bytes).await;
            inputs.push((file.footer, bytes.map_err(TableFault::store("reading a segment"))?));
        }
        let merged = self.reads.run(move || merge_segments(kind, &inputs)).await;
        merged.map_err(|_| TableFault::Panicked)?.map_err(|source| TableFault::Damaged {
            key: ObjectKey::table_segment(kind.name(), "*.parquet"),
            source,
        })
    }

    /// Returns how many versions of documents the tables have.
    pub fn rows(&self) -> u64 {
        self.states[1].rows()
    }

    fn now(&self) -> LogTime {
        LogTime::new(self.clock.now())
    }
}

/// Rows that wait to be appended, and their commits.
#[derive(Debug, Default)]
struct Gathered {
    rows: Vec<TableRow>,
    weight_bytes: usize,
    commits: Coverage,
}

impl Gathered {
    /// Tells whether a batch should find none of them there.
    fn is_full(&self, batch: &BatchCommitted) -> bool {
        let rows = self.rows.len().saturating_add(batch.documents as usize);
        !self.rows.is_empty() && (rows > APPEND_ROWS_MAX || self.weight_bytes > APPEND_BYTES_MAX)
    }
}

fn batches_of(entries: &[Entry]) -> impl Iterator<Item = &BatchCommitted> {
    entries.iter().filter_map(|entry| match entry {
        Entry::BatchCommitted(batch) => Some(batch),
        _ => None,
    })
}
