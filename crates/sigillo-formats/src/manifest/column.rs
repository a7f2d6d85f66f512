//! The columns of a CSV: ours by name, all others the producer's.

use std::collections::BTreeSet;

use sigillo_model::DESCRIPTION_MEMBERS_MAX;

use super::{
    error::{MetadataError, MisspeltColumn},
    meant::{letters, meant_column},
    rows::{Row, Rows},
    value::metadata_name_fault,
};

/// No header has more columns, named or not; spreadsheets like to add empty ones at the end.
const COLUMNS_MAX: usize = 1_000;

/// A column with a meaning.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Column {
    Aggregation,
    Class,
    ClosedOn,
    Date,
    DocumentType,
    Main,
    Number,
    Operation,
    Path,
    Register,
    Series,
    StatedRetention,
    Structure,
    Subject,
    Year,
}

impl Column {
    /// Every column with a meaning.
    pub(super) const ALL: [Self; 15] = [
        Self::Aggregation,
        Self::Class,
        Self::ClosedOn,
        Self::Date,
        Self::DocumentType,
        Self::Main,
        Self::Number,
        Self::Operation,
        Self::Path,
        Self::Register,
        Self::Series,
        Self::StatedRetention,
        Self::Structure,
        Self::Subject,
        Self::Year,
    ];

    /// Returns its name in a header, which is also its name in a sidecar.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Aggregation => "aggregation",
            Self::Class => "class",
            Self::ClosedOn => "closed_on",
            Self::Date => "date",
            Self::DocumentType => "document_type",
            Self::Main => "main",
            Self::Number => "number",
            Self::Operation => "operation",
            Self::Path => "path",
            Self::Register => "register",
            Self::Series => "series",
            Self::StatedRetention => "stated_retention",
            Self::Structure => "structure",
            Self::Subject => "subject",
            Self::Year => "year",
        }
    }
}

/// What the cells under a name are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HeaderCell {
    /// One of ours.
    Ours(Column),
    /// The producer's, under this name.
    Metadata(String),
    /// A column without a name, whose cells must be empty.
    Unnamed,
}

impl HeaderCell {
    /// Returns the name as problems write it.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Ours(column) => Some(column.name()),
            Self::Metadata(name) => Some(name),
            Self::Unnamed => None,
        }
    }
}

/// Reads the header of `text`; returns its columns and the rows below.
///
/// The separator is the one of `;` and `,` with which there is a column `path`.
pub(super) fn read_header(text: &str) -> Result<(Vec<HeaderCell>, Rows<'_>), MetadataError> {
    let mut first_fault = None;
    for separator in [b';', b','] {
        let mut rows = Rows::new(text, separator, COLUMNS_MAX);
        let fault = match rows.next() {
            None => return Err(MetadataError::NoHeader),
            Some(Err(open)) => MetadataError::OpenQuote { line: open.line },
            Some(Ok(header)) if has_path(&header) => {
                let columns = columns(&header)?;
                let cells_max = columns.len();
                return Ok((columns, rows.with_cells_max(cells_max)));
            }
            Some(Ok(header)) => no_path(&header),
        };
        // What was read with the wrong separator says less than a name that can be mended.
        if matches!(fault, MetadataError::MisspeltColumns { .. }) {
            return Err(fault);
        }
        first_fault.get_or_insert(fault);
    }
    Err(first_fault.expect("the loop has set it"))
}

/// Says what is wrong with a header without a column `path`.
fn no_path(header: &Row<'_>) -> MetadataError {
    let line = header.line;
    let names = || header.cells.iter().map(|name| name.trim());
    if names().any(|name| name.split('\t').any(|name| meant_column(name) == Some(Column::Path)))
        && names().any(|name| name.contains('\t'))
    {
        return MetadataError::TabSeparated { line };
    }
    if names().any(|name| meant_column(name) == Some(Column::Path)) {
        let columns = misspelt(names(), &BTreeSet::new());
        return MetadataError::MisspeltColumns { columns };
    }
    MetadataError::NoPathColumn { line }
}

fn has_path(header: &Row<'_>) -> bool {
    header.cells.iter().any(|name| name.trim().eq_ignore_ascii_case(Column::Path.name()))
}

fn columns(header: &Row<'_>) -> Result<Vec<HeaderCell>, MetadataError> {
    if header.cell_count > COLUMNS_MAX {
        let (count, count_max) = (header.cell_count, COLUMNS_MAX);
        return Err(MetadataError::TooManyColumns { count, count_max });
    }
    let mut seen = BTreeSet::new();
    let names = || header.cells.iter().map(|name| name.trim());
    let is_there = |column: &Column| names().any(|name| name.eq_ignore_ascii_case(column.name()));
    let there: BTreeSet<Column> = Column::ALL.into_iter().filter(is_there).collect();
    let misspelt = misspelt(names(), &there);
    if !misspelt.is_empty() {
        return Err(MetadataError::MisspeltColumns { columns: misspelt });
    }
    let mut columns = Vec::with_capacity(header.cells.len());
    for (index, name) in header.cells.iter().enumerate() {
        let column = header_cell(index, name.trim())?;
        if let Some(name) = column.name()
            && !seen.insert(name.to_owned())
        {
            return Err(MetadataError::DuplicateColumn { name: name.to_owned() });
        }
        columns.push(column);
    }
    let ours = |column: &&HeaderCell| matches!(column, HeaderCell::Ours(_));
    let count_max = DESCRIPTION_MEMBERS_MAX + columns.iter().filter(ours).count();
    let count = seen.len();
    if count > count_max {
        return Err(MetadataError::TooManyColumns { count, count_max });
    }
    Ok(columns)
}

fn header_cell(index: usize, name: &str) -> Result<HeaderCell, MetadataError> {
    if name.is_empty() {
        return Ok(HeaderCell::Unnamed);
    }
    let ours = Column::ALL.into_iter().find(|it| name.eq_ignore_ascii_case(it.name()));
    if let Some(column) = ours {
        return Ok(HeaderCell::Ours(column));
    }
    match metadata_name_fault(name) {
        Some(fault) => Err(MetadataError::ColumnName { index, fault }),
        None => Ok(HeaderCell::Metadata(name.to_owned())),
    }
}

/// Returns the names that probably stand for a column that is not there; and those that are spelt
/// as one of ours but for what stands between words.
fn misspelt<'a>(
    names: impl Iterator<Item = &'a str>,
    there: &BTreeSet<Column>,
) -> Vec<MisspeltColumn> {
    let misspelt = names.filter_map(|name| {
        let column = meant_column(name).filter(|column| {
            !name.eq_ignore_ascii_case(column.name())
                && (!there.contains(column) || letters(name) == letters(column.name()))
        })?;
        Some(MisspeltColumn { name: name.to_owned(), meant: column.name() })
    });
    misspelt.collect()
}
