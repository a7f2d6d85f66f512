//! Reading the records of a pack, for receipts.

use std::collections::HashSet;

use sigillo_evidence_log::proven_record;
use sigillo_model::{ListedPack, RECORD_BYTES_MAX, VersionId};
use sigillo_store::{
    BackendError, PackSink,
    pack::{PackError, Part, read_pack_index},
};

/// Reads the records of the wanted versions of a pack, in its order, byte for byte.
///
/// Versions that the pack does not hold are left out; a record that does not prove itself is an
/// error, as is one that is no text.
pub(crate) fn read_records(
    sink: &dyn PackSink,
    pack: &ListedPack,
    wanted: &HashSet<VersionId>,
) -> Result<Vec<(VersionId, String)>, PackError> {
    let failed = |doing| move |source: BackendError| PackError::Store { doing, source };
    let source = sink.open(&pack.name).map_err(failed("opening it"))?;
    let index = read_pack_index(&*source)?;
    let records = index.entries.iter().filter(|entry| entry.part == Part::Record);
    let mut found = Vec::with_capacity(wanted.len());
    for entry in records.filter(|entry| wanted.contains(&entry.version)) {
        let damaged = |what| PackError::Malformed { offset: entry.data_offset, what };
        if entry.size_bytes > RECORD_BYTES_MAX {
            return Err(damaged("a record that is too long"));
        }
        let length = usize::try_from(entry.size_bytes).map_err(|_| damaged("a record"))?;
        let mut bytes = vec![0; length];
        source.read_exact_at(entry.data_offset, &mut bytes).map_err(failed("reading a record"))?;
        if proven_record(entry.version, &bytes).is_none() {
            return Err(damaged("a record that does not give its version id"));
        }
        let record = String::from_utf8(bytes).map_err(|_| damaged("a record that is no text"))?;
        found.push((entry.version, record));
    }
    Ok(found)
}
