//! What the archive has already: records of earlier versions, read where the index says they lie.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sigillo_catalogue::IndexedVersion;
use sigillo_evidence_log::proven_record;
use sigillo_model::{RECORD_BYTES_MAX, Record, Sha256Digest, VersionId};
use sigillo_store::{
    PackSink,
    pack::{local_header_bytes, record_name},
};

/// At most this many answers about aggregations are remembered.
const CLOSED_MAX: usize = 10_000;

/// Reads records of versions that the archive has; every call may block.
#[derive(Debug)]
pub(crate) struct Previous {
    sink: Arc<dyn PackSink>,
    /// Which versions of aggregations are closed.
    closed: Mutex<HashMap<VersionId, bool>>,
}

/// Why an earlier version cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unreadable(pub(crate) String);

impl Previous {
    pub(crate) fn new(sink: Arc<dyn PackSink>) -> Self {
        Self { sink, closed: Mutex::default() }
    }

    /// Reads the record of a version; what is read proves itself by the version's id.
    pub(crate) fn record(&self, version: &IndexedVersion) -> Result<Record, Unreadable> {
        let place = version.record;
        let unreadable = |what: &dyn std::fmt::Display| {
            Unreadable(format!("version {}: {what}", version.version))
        };
        if u64::from(place.size_bytes) > RECORD_BYTES_MAX {
            return Err(unreadable(&"its record is too long"));
        }
        let source = self.sink.open(&place.pack).map_err(|error| unreadable(&error))?;
        let mut bytes = vec![0; place.size_bytes as usize];
        source.read_exact_at(place.offset, &mut bytes).map_err(|error| unreadable(&error))?;
        proven_record(version.version, &bytes)
            .ok_or_else(|| unreadable(&"its record is not where the index says, or damaged"))
    }

    /// Reads the bytes of the one file of a version, which lie right before its record.
    pub(crate) fn only_file(
        &self,
        version: &IndexedVersion,
        record: &Record,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Unreadable> {
        let unreadable = |what: &dyn std::fmt::Display| {
            Unreadable(format!("version {}: {what}", version.version))
        };
        let [file] = &record.files[..] else { return Err(unreadable(&"it has several files")) };
        if file.size > bytes_max {
            return Err(unreadable(&"its file is larger than it can be"));
        }
        let name_length = record_name(version.version).len();
        let header_bytes = local_header_bytes(name_length, version.record.size_bytes.into()) as u64;
        let offset = version.record.offset.checked_sub(header_bytes + file.size);
        let offset = offset.ok_or_else(|| unreadable(&"its file is not before its record"))?;
        let source = self.sink.open(&version.record.pack).map_err(|error| unreadable(&error))?;
        let mut bytes = vec![0; usize::try_from(file.size).unwrap_or(0)];
        source.read_exact_at(offset, &mut bytes).map_err(|error| unreadable(&error))?;
        if Sha256Digest::of(&bytes) != file.sha256 {
            return Err(unreadable(&"its file does not have the digest that its record states"));
        }
        Ok(bytes)
    }

    /// Tells whether a version of an aggregation says that it is closed.
    pub(crate) fn is_closed(&self, aggregation: &IndexedVersion) -> Result<bool, Unreadable> {
        let known = || self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closed) = known().get(&aggregation.version) {
            return Ok(*closed);
        }
        let closed = self.record(aggregation)?.description.closed_on.is_some();
        let mut known = known();
        if known.len() < CLOSED_MAX {
            known.insert(aggregation.version, closed);
        }
        Ok(closed)
    }
}
