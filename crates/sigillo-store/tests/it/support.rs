//! What several tests of the store need.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use std::sync::Arc;

use bytes::Bytes;

use sigillo_model::{ObjectKey, VersionId};
use sigillo_store::{
    BackendError, CpuPool, PackSink, PackSource, Store, StoreUrl,
    pack::{
        ClosedPack, Extension, PackWriter, SegmentEntry, SpeltName, entry_name, local_header_bytes,
        record_name, write_local_header,
    },
};

/// The nonce of the packs of these tests.
pub(crate) const NONCE: [u8; 16] = *b"0123456789abcdef";

/// Makes a store in a folder of its own, which goes when the first part is dropped.
pub(crate) fn folder_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::in_folder(folder.path());
    let store = Store::open(&url, tokio::runtime::Handle::current()).unwrap();
    (folder, store)
}

pub(crate) fn key(path: &str) -> ObjectKey {
    ObjectKey::listed(path.to_owned())
}

/// Runs what may block on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    CpuPool::start(1).unwrap().run(task).await.unwrap()
}

/// A document of a pack: the files of a version and its record.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) version: VersionId,
    pub(crate) files: Vec<Bytes>,
    pub(crate) record: Bytes,
}

impl Document {
    /// Makes document `number`, whose files have these lengths.
    pub(crate) fn new(number: u32, lengths: &[usize]) -> Self {
        let mut version = [0; 32];
        version[..4].copy_from_slice(&number.to_be_bytes());
        version[31] = 0xab;
        let files = lengths.iter().enumerate().map(|(position, length)| {
            let byte = |at: usize| (at ^ (at >> 8) ^ (at >> 16) ^ position).to_le_bytes()[0];
            Bytes::from((0..*length).map(byte).collect::<Vec<_>>())
        });
        Self {
            version: VersionId::from_bytes(version),
            files: files.collect(),
            record: Bytes::from(format!("{{\"number\":{number}}}")),
        }
    }

    /// Lists the names of its entries with their bytes, in order.
    pub(crate) fn entries(&self) -> Vec<(SpeltName, Bytes)> {
        let ext = Extension::parse("bin").unwrap();
        let files = self.files.iter().zip(1..);
        let files =
            files.map(|(file, at)| (entry_name(self.version, at, Some(&ext)), file.clone()));
        files.chain([(record_name(self.version), self.record.clone())]).collect()
    }

    /// Lays it out as ingest does.
    pub(crate) fn segment(&self) -> (Vec<u8>, Vec<SegmentEntry>) {
        let (mut segment, mut entries) = (Vec::new(), Vec::new());
        for (name, bytes) in self.entries() {
            let (crc32, size_bytes) = (crc32fast::hash(&bytes), bytes.len() as u64);
            let start = segment.len();
            let length = local_header_bytes(name.len(), size_bytes);
            segment.resize(start + length, 0);
            write_local_header(&mut segment[start..], &name, crc32, size_bytes);
            segment.extend_from_slice(&bytes);
            let header_offset_in_segment = start as u64;
            entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
        }
        (segment, entries)
    }
}

/// Writes a pack of these documents.
pub(crate) fn write_pack(packs: &dyn PackSink, documents: &[Document]) -> ClosedPack {
    let mut writer = PackWriter::begin(packs, NONCE, None).unwrap();
    for document in documents {
        let (segment, entries) = document.segment();
        writer.add_segment(&segment, &entries).unwrap();
    }
    writer.finish().unwrap()
}

/// Reads all bytes of a pack.
pub(crate) fn read_pack(packs: &dyn PackSink, pack: &ClosedPack) -> Vec<u8> {
    let source = packs.open(&pack.name).unwrap();
    let mut bytes = vec![0; usize::try_from(source.size_bytes()).unwrap()];
    source.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// Bytes that pass for a pack, whatever they are.
#[derive(Debug)]
pub(crate) struct Claimed(pub(crate) Vec<u8>);

impl PackSource for Claimed {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let start = usize::try_from(offset).unwrap();
        let bytes = self.0.get(start..).and_then(|rest| rest.get(..buf.len()));
        // The reader must not ask for what it could know not to be there.
        let Some(bytes) = bytes else { panic!("a read of {} bytes at {offset}", buf.len()) };
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// Returns the packs of a store, for a thread that may block.
pub(crate) fn packs_of(store: &Store) -> Arc<dyn PackSink> {
    Arc::clone(store.packs())
}
