//! Putting rows together to documents, and what can be wrong between rows.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_model::Operation;

use super::{
    ATTACHMENT, MAIN, Manifest, MetadataProblem, StatedDocument, StatedFile, StatedKey,
    column::Column,
    value::{Closing, Fault, Stated, shown},
};

/// Beyond so many problems, each further row gets one only.
const DETAILED_PROBLEMS_MAX: usize = 10_000;

/// One row, as far as it was understood.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: u64,
    pub(super) path: Option<String>,
    /// The cell `main`, unless it is empty or repeats the path.
    pub(super) main: Option<String>,
    pub(super) stated: Box<Stated>,
}

impl Entry {
    /// Tells whether the row is about a file that comes to one already in the archive.
    pub(super) fn adds_file(&self) -> bool {
        self.stated.operation == Some(Operation::AddedFile)
    }

    /// Tells whether the file is not the document itself.
    pub(super) fn is_attachment(&self) -> bool {
        self.main.is_some() || self.adds_file()
    }

    /// Tells whether the row begins a document that is not said to be in the archive.
    fn is_new(&self) -> bool {
        !self.is_attachment() && matches!(self.stated.operation, None | Some(Operation::New))
    }
}

/// The rows of a CSV, with what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    entries: Vec<Entry>,
    /// Whether there is a problem with the row.
    refused: Vec<bool>,
    /// Whether there is a row whose aggregations, or whose structure, cannot be read.
    is_unreadable: bool,
    problems: Vec<MetadataProblem>,
}

/// A row, by its index, and what is wrong with it.
type RowFault = (usize, Fault);

impl Assembly {
    /// Adds a row.
    pub(super) fn add(&mut self, entry: Entry, faults: Vec<Fault>) {
        let row = self.entries.len();
        self.is_unreadable |= faults.iter().any(|fault| hides_aggregations(fault, &entry));
        self.entries.push(entry);
        self.refused.push(false);
        self.refuse(faults.into_iter().map(|fault| (row, fault)));
    }

    /// Checks the rows against each other and makes documents of those that are good.
    pub(super) fn finish(mut self) -> Manifest {
        let by_path = self.rows_by_path();
        self.refuse(self.same_paths(&by_path));
        let (heads, faults) = self.heads(&by_path);
        drop(by_path);
        self.refuse(faults);
        self.refuse(self.same_keys());
        self.refuse(self.closing_conflicts(&heads));
        self.refuse(self.incomplete_documents(&heads));
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| problem.line);
        let refused_documents = self.refused_documents(&heads);
        let (refused_aggregations, is_refused_unreadable) =
            (self.refused_aggregations(), self.is_unreadable);
        Manifest {
            problems,
            refused_documents,
            refused_aggregations,
            is_refused_unreadable,
            own_columns: Vec::new(),
            documents: self.documents(&heads),
        }
    }

    fn refuse(&mut self, faults: impl IntoIterator<Item = RowFault>) {
        for (row, fault) in faults {
            if self.refused[row] && self.problems.len() >= DETAILED_PROBLEMS_MAX {
                continue;
            }
            self.refused[row] = true;
            let entry = &self.entries[row];
            let Fault { column, reason, remedy } = fault;
            let (line, path) = (entry.line, entry.path.clone());
            self.problems.push(MetadataProblem { line, column, path, reason, remedy });
        }
    }

    /// Returns the rows that have a path, sorted by it and then by line.
    fn rows_by_path(&self) -> Vec<usize> {
        let rows = 0..self.entries.len();
        let mut rows: Vec<usize> = rows.filter(|row| self.entries[*row].path.is_some()).collect();
        rows.sort_by_key(|row| self.entries[*row].path.as_deref());
        rows
    }

    fn find(&self, by_path: &[usize], path: &str) -> Option<usize> {
        let at = by_path.partition_point(|row| self.entries[*row].path.as_deref() < Some(path));
        by_path.get(at).copied().filter(|row| self.entries[*row].path.as_deref() == Some(path))
    }

    fn same_paths(&self, by_path: &[usize]) -> Vec<RowFault> {
        let groups = by_path.chunk_by(|a, b| self.entries[*a].path == self.entries[*b].path);
        self.twins(groups, Column::Path, "path", "describe each file in one row")
    }

    fn same_keys(&self) -> Vec<RowFault> {
        let key = |row: &usize| self.entries[*row].stated.register_parts();
        let rows = 0..self.entries.len();
        let is_keyed = |row: &usize| self.entries[*row].is_new() && key(row).is_some();
        let mut rows: Vec<usize> = rows.filter(is_keyed).collect();
        rows.sort_by_key(key);
        let remedy = "correct the number of one; if both rows are files of one document, write the \
                      path of its main file in the column main of the other; if one follows the \
                      other, write the operation new-version";
        self.twins(rows.chunk_by(|a, b| key(a) == key(b)), Column::Number, "register key", remedy)
    }

    /// Returns a fault for every row of a group of several, naming another one.
    fn twins<'a>(
        &self,
        groups: impl Iterator<Item = &'a [usize]>,
        column: Column,
        what: &str,
        remedy: &str,
    ) -> Vec<RowFault> {
        let mut faults = Vec::new();
        for group in groups {
            let [first, second, ..] = *group else { continue };
            for row in group {
                let other = if *row == first { second } else { first };
                let other = self.entries[other].line;
                let reason = format!("line {other} has the same {what}");
                faults.push((*row, Fault::new(column.name(), reason, remedy)));
            }
        }
        faults
    }

    /// Finds the first row of the document that each row belongs to; its own where there is none.
    fn heads(&self, by_path: &[usize]) -> (Vec<usize>, Vec<RowFault>) {
        let mut heads: Vec<usize> = (0..self.entries.len()).collect();
        let mut faults = Vec::new();
        let mut adding = BTreeMap::new();
        for (row, entry) in self.entries.iter().enumerate() {
            let main = entry.main.as_deref().and_then(|main| self.find(by_path, main));
            heads[row] = main.unwrap_or(row);
            if entry.adds_file() {
                match self.addition(row, main) {
                    Ok(key) => heads[row] = *adding.entry(key).or_insert(row),
                    Err(fault) => {
                        faults.push((row, fault));
                        continue;
                    }
                }
            } else if let (Some(path), None) = (&entry.main, main) {
                faults.push((row, missing_main(path)));
            } else if let Some(main) = main
                && self.entries[main].is_attachment()
            {
                faults.extend(self.attachment_of_attachment(row, main));
                continue;
            }
            faults.extend(self.disagreement(row, heads[row]).map(|fault| (row, fault)));
        }
        // A row that is no good by itself may be understood wrongly: one problem is enough.
        faults.retain(|(row, _)| !self.refused[*row]);
        (heads, faults)
    }

    /// Returns the key of the document in the archive to which the row adds a file.
    fn addition(&self, row: usize, main: Option<usize>) -> Result<StatedKey, Fault> {
        let entry = &self.entries[row];
        let name = Column::Main.name();
        if let Some(main) = main {
            let line = self.entries[main].line;
            let reason = format!(
                "added-file is for documents in the archive, but line {line} sends the main file"
            );
            return Err(Fault::new(
                name,
                reason,
                "leave operation empty: the file comes with its document",
            ));
        }
        match (entry.stated.register_key(), entry.main.clone()) {
            (Some(key), None) => Ok(key),
            (None, Some(main)) => Ok(StatedKey::Path(main)),
            (Some(_), Some(_)) => {
                let reason = "the document is named twice, by main and by its register key";
                Err(Fault::new(name, reason, "leave main empty"))
            }
            (None, None) => {
                let reason = "the row does not say to which document it adds the file";
                let remedy = "fill in structure, register, year and number; or, if the document is \
                              known by its path, write that path in the column main";
                Err(Fault::new(name, reason, remedy))
            }
        }
    }

    fn attachment_of_attachment(&self, row: usize, main: usize) -> [RowFault; 2] {
        let name = Column::Main.name();
        let remedy = "write the path of the document's main file in the column main of all its \
                      attachments";
        let (own, other) = (self.entries[row].line, self.entries[main].line);
        let reason = format!(
            "the row attaches the file to that of line {other}, which is an attachment itself"
        );
        let other_reason =
            format!("the file is an attachment, but line {own} attaches another to it");
        [(row, Fault::new(name, reason, remedy)), (main, Fault::new(name, other_reason, remedy))]
    }

    /// Says how a row contradicts the first row of its document, if it does.
    fn disagreement(&self, row: usize, head: usize) -> Option<Fault> {
        if row == head || self.refused[row] || self.refused[head] {
            return None;
        }
        let (entry, first) = (&self.entries[row], &self.entries[head]);
        if first.stated.operation == Some(Operation::CorrectedMetadata) {
            let reason = format!(
                "line {} corrects the metadata of a document, and takes no files in",
                first.line
            );
            let remedy = "remove the row; or send the document as a new version";
            return Some(Fault::new(Column::Operation.name(), reason, remedy));
        }
        let column = entry.stated.contradiction(&first.stated)?;
        let reason = format!(
            "it says something else than line {}, which describes the same document",
            first.line
        );
        let remedy =
            "leave the cell empty: what the first row of a document says holds for all its files";
        Some(Fault::new(column, reason, remedy))
    }

    /// Finds aggregations that are closed on different days, or said to be open as well.
    fn closing_conflicts(&self, heads: &[usize]) -> Vec<RowFault> {
        let mut closings: Vec<(Option<&str>, &str, usize, Closing)> = Vec::new();
        for (row, entry) in self.entries.iter().enumerate().filter(|(row, _)| heads[*row] == *row) {
            let stated = &entry.stated;
            let Some(closed_on) = stated.closing() else { continue };
            for name in &stated.description.aggregations {
                closings.push((stated.structure.as_deref(), name, row, closed_on));
            }
        }
        closings.sort_unstable();
        let mut faults = Vec::new();
        for group in closings.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let first = &group[0];
            let Some(second) = group.iter().find(|closing| closing.3 != first.3) else { continue };
            for (_, name, row, closed_on) in group {
                let other = if *closed_on == first.3 { second } else { first };
                let (line, name) = (self.entries[other.2].line, shown(name));
                let reason = format!(
                    "the aggregation `{name}` is {closed_on} here, {} on line {line}",
                    other.3
                );
                let remedy = "write the same day in all rows of the aggregation, or in one only";
                faults.push((*row, Fault::new(Column::ClosedOn.name(), reason, remedy)));
            }
        }
        faults
    }

    /// A document is taken in whole or not at all.
    fn incomplete_documents(&self, heads: &[usize]) -> Vec<RowFault> {
        let mut refused_heads: BTreeMap<usize, u64> = BTreeMap::new();
        let rows = || heads.iter().enumerate();
        for (row, head) in rows().filter(|(row, _)| self.refused[*row]) {
            refused_heads.entry(*head).or_insert(self.entries[row].line);
        }
        let good = rows().filter(|(row, _)| !self.refused[*row]);
        good.filter_map(|(row, head)| {
            let line = refused_heads.get(head)?;
            let reason = format!("line {line} of the same document cannot be taken in");
            Some((row, Fault::of_all(reason, format!("mend line {line}"))))
        })
        .collect()
    }

    /// Returns the aggregations of the refused rows, with their structures.
    fn refused_aggregations(&self) -> BTreeSet<(Option<String>, String)> {
        let refused = self.entries.iter().zip(&self.refused).filter(|(_, refused)| **refused);
        refused
            .flat_map(|(entry, _)| {
                let Stated { structure, description, .. } = &*entry.stated;
                description.aggregations.iter().map(|name| (structure.clone(), name.clone()))
            })
            .collect()
    }

    /// Counts the documents that the refused rows describe: rows that name each other, or one
    /// another in a row, are one document.
    fn refused_documents(&self, heads: &[usize]) -> u64 {
        // The walk on which a row was met, from 1.
        let mut met = vec![0; heads.len()];
        let mut count = 0;
        for start in (0..heads.len()).filter(|row| self.refused[*row]) {
            let (walk, mut row) = (start + 1, start);
            while met[row] == 0 {
                met[row] = walk;
                row = heads[row];
            }
            // It ended where no walk has been before: at a first row, or in a circle.
            count += u64::from(met[row] == walk);
        }
        count
    }

    fn documents(self, heads: &[usize]) -> Vec<StatedDocument> {
        let mut documents: Vec<StatedDocument> = Vec::new();
        // Where the document of a first row stands among the documents.
        let mut places = vec![usize::MAX; heads.len()];
        let mut attachments = Vec::new();
        for (row, entry) in self.entries.into_iter().enumerate() {
            if self.refused[row] {
                continue;
            }
            if heads[row] == row {
                places[row] = documents.len();
                documents.extend(document(entry));
            } else {
                attachments.extend(entry.path.map(|path| (heads[row], entry.line, path)));
            }
        }
        for (head, line, path) in attachments {
            if let Some(document) = documents.get_mut(places[head]) {
                document.files.push(StatedFile { line, path, role: ATTACHMENT.to_owned() });
            }
        }
        documents
    }
}

/// Makes a document of its first row.
fn document(entry: Entry) -> Option<StatedDocument> {
    let adds_file = entry.adds_file();
    let Entry { line, path, main, stated } = entry;
    let key = stated.register_key().or_else(|| {
        let path = if adds_file { main } else { path.clone() };
        path.map(StatedKey::Path)
    })?;
    let role = if adds_file { ATTACHMENT } else { MAIN };
    let is_read = stated.operation != Some(Operation::CorrectedMetadata);
    let (path, unread) = if is_read { (path, None) } else { (None, path) };
    let files = path.map(|path| StatedFile { line, path, role: role.to_owned() });
    let Stated { structure, operation, reopens, description, .. } = *stated;
    Some(StatedDocument {
        line,
        files: files.into_iter().collect(),
        unread,
        key,
        structure,
        description,
        operation,
        reopens,
    })
}

/// Tells whether a row with this fault may belong to aggregations that are not known.
fn hides_aggregations(fault: &Fault, entry: &Entry) -> bool {
    let says_where = [Column::Aggregation, Column::Structure].map(Column::name);
    fault.column.as_deref().is_none_or(|column| says_where.contains(&column))
        || *entry.stated == Stated::default()
}

fn missing_main(path: &str) -> Fault {
    let reason = format!("no row has the path `{}`, which column main names", shown(path));
    let remedy = "add a row for the main file; or, if it is in the archive already, write \
                  added-file in the column operation";
    Fault::new(Column::Main.name(), reason, remedy)
}
