//! What a table is made of, by its log.

use std::collections::BTreeMap;

use crate::tables::{
    coverage::Coverage,
    delta::{Action, parse_actions},
    error::TableError,
    schema::TableKind,
    segment::FooterPlace,
};

/// No table has more segments at once.
pub const SEGMENTS_MAX: usize = 100_000;

/// A segment that belongs to a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentFile {
    /// Its name within the table.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// How many rows it has.
    pub rows: u64,
    /// The commits whose documents it holds, those without documents too.
    pub commits: Coverage,
    /// Where its footer lies.
    pub footer: FooterPlace,
}

/// The segments of a table after some version of its log.
#[derive(Clone, Debug)]
pub struct TableState {
    kind: TableKind,
    versions: u64,
    id: Option<String>,
    files: BTreeMap<String, SegmentFile>,
    coverage: Coverage,
}

impl TableState {
    /// Returns the state before version 0.
    pub fn new(kind: TableKind) -> Self {
        Self { kind, versions: 0, id: None, files: BTreeMap::new(), coverage: Coverage::default() }
    }

    /// Takes in the next version of the log.
    ///
    /// # Errors
    ///
    /// [`TableError::Log`] if it is not one that could follow: then nothing has changed.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        let version = self.versions;
        let bad = |what: &str| TableError::Log { version, what: what.to_owned() };
        let mut next = self.clone();
        let (mut added, mut added_commits) = (Vec::new(), Coverage::default());
        let mut removed = Coverage::default();
        for action in parse_actions(self.kind, version, bytes)? {
            match action {
                Action::Add(file) => {
                    added_commits.extend(&file.commits);
                    added.push(file);
                }
                Action::Remove { path } => {
                    let file = next.files.remove(&path);
                    removed
                        .extend(&file.ok_or_else(|| bad("it removes what is not there"))?.commits);
                }
                Action::MetaData { id } => {
                    if next.id.is_some_and(|before| before != id) {
                        return Err(bad("it belongs to another table"));
                    }
                    next.id = Some(id);
                }
                Action::Other => {}
            }
        }
        if next.id.is_none() {
            return Err(bad("it does not say what the table is"));
        }
        if !removed.is_empty() {
            if !removed.without(&added_commits).is_empty() {
                return Err(bad("it removes documents"));
            }
            next.coverage = Coverage::default();
            for file in next.files.values() {
                next.coverage.extend(&file.commits);
            }
        }
        if next.coverage.meets(&added_commits) {
            return Err(bad("it adds documents a second time"));
        }
        next.coverage.extend(&added_commits);
        for file in added {
            if next.files.len() >= SEGMENTS_MAX {
                return Err(bad("the table has too many segments"));
            }
            if next.files.insert(file.path.clone(), file).is_some() {
                return Err(bad("it adds a segment a second time"));
            }
        }
        next.versions += 1;
        *self = next;
        Ok(())
    }

    /// Returns which table it is.
    pub fn kind(&self) -> TableKind {
        self.kind
    }

    /// Returns the number of the version that comes next, from 0.
    pub fn next_version(&self) -> u64 {
        self.versions
    }

    /// Returns the segments of the table.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &SegmentFile> {
        self.files.values()
    }

    /// Returns the commits that the table has taken in.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Returns the number of rows, as its log states it.
    pub fn rows(&self) -> u64 {
        self.files.values().fold(0, |sum, file| sum.saturating_add(file.rows))
    }
}
