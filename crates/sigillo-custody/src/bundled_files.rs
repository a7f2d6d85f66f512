//! Reading the files of the documents of a receipt, for bundles.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sigillo_model::{Blake3Digest, ObjectKey, Record, VersionId};
use sigillo_proof::{BundledFile, Receipt};
use sigillo_store::PackSink;

use crate::{
    CustodyError, GiveReceiptError, ReceiptMaker,
    give_back::{Held, Packed},
    holder::Holders,
    locate::packs_of,
    receipt::unreadable,
};

/// A document of a receipt: its version, its record, the pack it lies in.
struct Wanted {
    version: VersionId,
    record: Record,
    pack: Blake3Digest,
}

/// Where the files of the documents of a receipt lie.
type Places = HashMap<VersionId, Blake3Digest>;

impl ReceiptMaker<'_> {
    /// Reads all files of the documents of `receipt`, each with its digest checked, in order.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError::FilesTooLarge`] before any is read if they have more than `bytes_max`
    /// bytes together, else as [`make`](Self::make).
    pub async fn files(
        &self,
        receipt: &Receipt,
        bytes_max: u64,
    ) -> Result<Vec<BundledFile>, GiveReceiptError> {
        let mut records = Vec::with_capacity(receipt.documents.len());
        for document in &receipt.documents {
            let record = Record::parse(document.record.as_bytes());
            let record = record
                .map_err(|error| unreadable(ObjectKey::archive(), &format!("a record: {error}")))?;
            records.push((document.version_id, record));
        }
        let files = records.iter().flat_map(|(_, record)| &record.files);
        let bytes = files.fold(0_u64, |sum, file| sum.saturating_add(file.size));
        if bytes > bytes_max {
            return Err(GiveReceiptError::FilesTooLarge { bytes, max: bytes_max });
        }
        let holders = records.iter().flat_map(|(version, record)| {
            record.files.iter().filter_map(|file| file.stored_in).chain([*version])
        });
        let versions: HashSet<_> = holders.collect();
        let batches = self.log.view.batches.iter().map(|it| &it.body);
        let places: Places = packs_of(self.archive, batches, &versions).await?.packs;
        let mut wanted = Vec::with_capacity(records.len());
        for (version, record) in records {
            let pack = *places.get(&version).ok_or(GiveReceiptError::NoVersion { version })?;
            wanted.push(Wanted { version, record, pack });
        }
        let sink = Arc::clone(self.archive.store().packs());
        let read = self.reads.run(move || read_files(sink, &wanted, &places)).await;
        read.map_err(|_| CustodyError::Panicked)?
    }
}

fn read_files(
    sink: Arc<dyn PackSink>,
    wanted: &[Wanted],
    places: &Places,
) -> Result<Vec<BundledFile>, GiveReceiptError> {
    let (holders, mut files) = (Holders::new(sink), Vec::new());
    for (document, it) in wanted.iter().enumerate() {
        let key = ObjectKey::pack(it.pack);
        let damaged = |what: &str| unreadable(key.clone(), what);
        let pack = holders.pack(it.pack).map_err(|error| damaged(&error.to_string()))?;
        let held: Held = it
            .record
            .files
            .iter()
            .filter_map(|file| {
                let holder = file.stored_in?;
                let pack = places.get(&holder).ok_or_else(|| "which is not there".to_owned());
                let open = |name: &Blake3Digest| {
                    holders.pack(*name).map_err(|error| format!("whose pack is damaged: {error}"))
                };
                Some((holder, pack.and_then(open)))
            })
            .collect();
        let entries = pack.entries(it.version);
        let packed = Packed { source: &*pack.source, version: it.version, entries };
        let read = packed.read_all(&it.record, Some(&held));
        let read = read.map_err(|hindrance| damaged(&hindrance.reason))?;
        let each = read.into_iter().enumerate();
        files.extend(each.map(|(position, bytes)| BundledFile { document, position, bytes }));
    }
    Ok(files)
}
