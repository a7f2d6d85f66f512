//! Reading a CSV: its rows, each by itself.

use sigillo_model::Operation;

use super::{
    Manifest,
    assemble::{Assembly, Entry},
    column::{Column, HeaderCell, read_header},
    error::{METADATA_BYTES_MAX, METADATA_MEMORY_BYTES_MAX, METADATA_ROWS_MAX, MetadataError},
    rows::{Row, line_ends},
    value::{Fault, Stated, check_path, check_plain, shown},
};

/// Reads what a CSV says of the documents of a source. `docs/metadata.md` has its rules.
///
/// Pure: whether the files are there, and what the archive holds already, is the caller's business.
/// What comes out needs up to [`METADATA_MEMORY_BYTES_MAX`] of memory.
///
/// # Errors
///
/// [`MetadataError`] where nothing can be taken in. What is wrong with single rows is no error:
/// it stands in [`Manifest::problems`].
pub fn read_metadata_csv(bytes: &[u8]) -> Result<Manifest, MetadataError> {
    read_within(bytes, METADATA_MEMORY_BYTES_MAX)
}

fn read_within(bytes: &[u8], memory_bytes_max: u64) -> Result<Manifest, MetadataError> {
    let size_bytes = bytes.len() as u64;
    if size_bytes > METADATA_BYTES_MAX {
        return Err(MetadataError::TooLarge { size_bytes });
    }
    let (columns, rows) = read_header(utf8(bytes)?)?;
    let mut assembly = Assembly::default();
    let (mut count, mut memory_bytes) = (0, 0);
    for row in rows {
        let row = row.map_err(|open| MetadataError::OpenQuote { line: open.line })?;
        count += 1;
        if count > METADATA_ROWS_MAX {
            return Err(MetadataError::TooManyRows);
        }
        // Spreadsheets write rows of separators below the last one.
        if row.cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        memory_bytes += row_memory_bytes(&columns, &row);
        if memory_bytes > memory_bytes_max {
            return Err(MetadataError::TooMuchStated { line: row.line });
        }
        let (entry, faults) = read_row(&columns, &row);
        assembly.add(entry, faults);
    }
    let own = columns.into_iter().filter_map(|column| match column {
        HeaderCell::Metadata(name) => Some(name),
        HeaderCell::Ours(_) | HeaderCell::Unnamed => None,
    });
    Ok(Manifest { own_columns: own.collect(), ..assembly.finish() })
}

/// Estimates the memory that a row needs until its document has been handed out, in bytes.
///
/// Small cells cost many times their length: each is a text of its own, and the producer's stand in
/// a tree with their names. The figures were measured on 64-bit Linux.
fn row_memory_bytes(columns: &[HeaderCell], row: &Row<'_>) -> u64 {
    const ROW: u64 = 600;
    const CELL: u64 = 40;
    const METADATA_CELL: u64 = 160;
    const METADATA_TREE: u64 = 544;
    let (mut memory_bytes, mut has_metadata) = (ROW, false);
    for (column, cell) in columns.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_empty()) {
        let is_metadata = matches!(column, HeaderCell::Metadata(_));
        has_metadata |= is_metadata;
        let room = if is_metadata { METADATA_CELL } else { CELL };
        memory_bytes += room + cell.len() as u64;
    }
    memory_bytes + if has_metadata { METADATA_TREE } else { 0 }
}

fn utf8(bytes: &[u8]) -> Result<&str, MetadataError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line_begin = good.iter().rposition(|byte| matches!(byte, b'\r' | b'\n'));
        let byte = good.len() - line_begin.map_or(0, |end| end + 1) + 1;
        MetadataError::NotUtf8 { line: line_ends(good) + 1, byte: byte as u64 }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Takes in one row, as far as it can be understood.
fn read_row(columns: &[HeaderCell], row: &Row<'_>) -> (Entry, Vec<Fault>) {
    let cell_of = |column| {
        let index = columns.iter().position(|it| *it == HeaderCell::Ours(column))?;
        let cell = row.cells.get(index).filter(|cell| !cell.trim().is_empty())?;
        Some(cell.as_ref())
    };
    let path = cell_of(Column::Path);
    let main = cell_of(Column::Main).filter(|main| Some(*main) != path);
    let mut entry = Entry {
        line: row.line,
        path: path.map(str::to_owned),
        main: main.map(str::to_owned),
        stated: Box::default(),
    };
    // Cells that stand under the wrong names would only lead astray.
    if let Some(fault) = shape_fault(columns, row) {
        return (entry, vec![fault]);
    }
    let mut faults = Vec::new();
    for (column, cell) in [(Column::Path, path), (Column::Main, main)] {
        if let Some(path) = cell {
            let checked = check_plain(column.name(), path);
            faults.extend(checked.and_then(|()| check_path(column.name(), path)).err());
        }
    }
    for (column, cell) in columns.iter().zip(&row.cells) {
        faults.extend(set(&mut entry.stated, column, cell).err());
    }
    if faults.is_empty() {
        faults.extend(check_row(&entry).err());
    }
    (entry, faults)
}

fn shape_fault(columns: &[HeaderCell], row: &Row<'_>) -> Option<Fault> {
    if let Some(index) = row.loose_quote {
        let reason = "a quoted cell goes on after its closing quote";
        let remedy = "write every quote within a quoted cell twice";
        let mut fault = Fault::of_all(reason, remedy);
        fault.column = columns.get(index).and_then(HeaderCell::name).map(str::to_owned);
        return Some(fault);
    }
    (row.cell_count != columns.len()).then(|| {
        let (cells, columns) = (row.cell_count, columns.len());
        let reason = format!("the row has {cells} cells, the header {columns} columns");
        let remedy = "give the row as many cells as there are columns; put a text that holds the \
                      separator in double quotes";
        Fault::of_all(reason, remedy)
    })
}

fn set(stated: &mut Stated, column: &HeaderCell, cell: &str) -> Result<(), Fault> {
    match column {
        HeaderCell::Ours(column) => stated.set(*column, cell),
        HeaderCell::Metadata(name) => stated.set_metadata(name, cell),
        HeaderCell::Unnamed if cell.trim().is_empty() => Ok(()),
        HeaderCell::Unnamed => {
            let reason = format!("`{}` stands in a column without a name", shown(cell));
            Err(Fault::of_all(reason, "give the column a name in the header, or empty the cell"))
        }
    }
}

/// Checks what can be checked only when all cells of the row are good.
fn check_row(entry: &Entry) -> Result<(), Fault> {
    if !entry.is_attachment() || entry.adds_file() {
        entry.stated.check_together()?;
    }
    let corrected = entry.stated.operation == Some(Operation::CorrectedMetadata);
    let is_named = corrected && entry.main.is_none() && entry.stated.register_key().is_some();
    if entry.path.is_none() && !is_named {
        let remedy = "write the path of the file that the row describes";
        return Err(Fault::new(Column::Path.name(), "the row names no file", remedy));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_states_more_than_fits_into_memory_is_refused_at_that_line() {
        let csv = format!("path;a;b\n{}", "p;x;y\nq;;\n".repeat(3));
        let two_rows = 600 + 544 + 41 + 2 * 161 + 600 + 41;
        let refused = |line| Err(MetadataError::TooMuchStated { line });
        assert!(read_within(csv.as_bytes(), 3 * two_rows).is_ok());
        assert_eq!(read_within(csv.as_bytes(), 3 * two_rows - 1), refused(7));
        assert_eq!(read_within(csv.as_bytes(), 600), refused(2));
        let error = refused(7).unwrap_err();
        assert!(error.to_string().contains("line 7"), "{error}");
        assert!(error.remedy().contains("several files"));
    }
}
