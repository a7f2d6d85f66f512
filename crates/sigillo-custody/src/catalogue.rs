//! Looking whether the catalogue is whole: nothing true is lost with it, but `find` needs it.

use sigillo_catalogue::tables::{SegmentFile, TableError, TableKind, TableState};
use sigillo_evidence_log::{Archive, TableFault, read_table};
use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{ReadPool, StoreError};

use crate::{
    Check,
    find::{is_damage, missing},
};

/// What makes it anew.
const MEND: &str = "sigillo rebuild";

/// Of each table so many bytes are read at most; of what lies beyond, only the sizes are compared.
const READ_BYTES_MAX: u64 = 64 << 20;

/// Looks whether the catalogue has all documents, and whether its files are there and undamaged.
///
/// # Errors
///
/// [`TableFault`] if it could not look.
pub async fn check_catalogue(archive: &Archive, reads: &ReadPool) -> Result<Check, TableFault> {
    let name = "catalogue";
    let (mut rows, mut lacking, mut read, mut files) = (0, 0, 0, 0);
    for kind in TableKind::ALL {
        let looked = look_at(archive, reads, kind).await;
        match looked {
            Ok((table, looked)) => {
                rows = table.rows();
                lacking = looked.lacking.max(lacking);
                (read, files) = (read + looked.read_files, files + table.files().len());
            }
            Err(fault) if is_damage(&fault) => {
                return Ok(Check::warn(name, in_words(&fault), MEND));
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(match lacking {
        0 => Check::ok(
            name,
            format!("`sigillo find` can look at all {rows} documents; {}", looked_at(read, files)),
        ),
        lacking => {
            let words = format!("{lacking} documents are not in it, so `sigillo find` misses them");
            let mend = format!("{MEND}   (what it calls damaged must come back from a copy first)");
            Check::warn(name, words, mend)
        }
    })
}

/// Says what was looked at.
fn looked_at(read: usize, files: usize) -> String {
    if read == files {
        format!("every byte of {files} files was read")
    } else {
        format!("of {files} files {read} were read, of the others only the sizes compared")
    }
}

/// What was seen of a table.
struct Looked {
    /// How many documents it lacks.
    lacking: u64,
    /// Of how many files every byte was read.
    read_files: usize,
}

/// Reads a table, and looks at its files.
async fn look_at(
    archive: &Archive,
    reads: &ReadPool,
    kind: TableKind,
) -> Result<(TableState, Looked), TableFault> {
    let table = read_table(archive, kind).await?;
    let mut looked = Looked { lacking: missing(archive, &table).await?, read_files: 0 };
    let mut read = 0;
    for file in table.files() {
        let is_read = read + file.size_bytes <= READ_BYTES_MAX;
        look_at_segment(archive, reads, (kind, file), is_read).await?;
        if is_read {
            read += file.size_bytes;
            looked.read_files += 1;
        }
    }
    Ok((table, looked))
}

async fn look_at_segment(
    archive: &Archive,
    reads: &ReadPool,
    (kind, file): (TableKind, &SegmentFile),
    is_read: bool,
) -> Result<(), TableFault> {
    let key = ObjectKey::table_segment(kind.name(), &file.path);
    let damaged = |what: &str| TableFault::Damaged {
        key: key.clone(),
        source: TableError::Segment { what: what.to_owned() },
    };
    let size = match archive.store().size(&key).await {
        Err(StoreError::NotAnObject { .. }) => return Err(damaged("it is no file")),
        size => size.map_err(TableFault::store("looking for a segment"))?,
    };
    if size != file.size_bytes {
        return Err(damaged("it has another size"));
    }
    if !is_read {
        return Ok(());
    }
    let bytes = archive.store().read(&key, size).await;
    let bytes = bytes.map_err(TableFault::store("reading a segment"))?;
    let named = reads.run(move || Blake3Digest::of(&bytes)).await;
    let named = named.map_err(|_| TableFault::Panicked)?;
    if file.path == format!("{named}.parquet") { Ok(()) } else { Err(damaged("it was changed")) }
}

fn in_words(fault: &TableFault) -> String {
    let causes = std::iter::successors(Some(fault as &dyn std::error::Error), |it| it.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
