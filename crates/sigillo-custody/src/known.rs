//! Which versions there are of a document, also where the index of keys could not be completed.

use std::collections::{HashMap, HashSet};

use sigillo_catalogue::{IndexError, KeyIndex};
use sigillo_evidence_log::{Archive, BatchObjectError, LogView, read_leaves, read_pack_list};
use sigillo_model::{Blake3Digest, Record, Sha256Digest, VersionId};
use sigillo_store::{ReadPool, pack::Part};

use crate::{
    CustodyError,
    holder::{OpenPack, read_record},
};

/// At most this many later versions are kept of commits that the index does not have.
const BEYOND_MAX: usize = 1_000_000;

/// The versions of an archive by key: what the index has, and beyond it what packs that can be read
/// say.
#[derive(Clone, Debug)]
pub struct KnownVersions {
    index: KeyIndex,
    /// The newest version of each key in commits that the index does not have, where it is not the
    /// first of its document.
    beyond: HashMap<Sha256Digest, (u32, VersionId)>,
}

impl KnownVersions {
    /// Takes what the index has; commits that it does not have are not looked at.
    pub fn new(index: KeyIndex) -> Self {
        Self { index, beyond: HashMap::new() }
    }

    /// Reads what can be read of the commits that the index does not have.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the store fails; what is damaged is left out, and met again by whoever
    /// reads its documents.
    pub async fn read_beyond(
        &mut self,
        archive: &Archive,
        view: &LogView,
        reads: &ReadPool,
    ) -> Result<(), CustodyError> {
        let complete_to = self.index.complete_to();
        for batch in view.batches.iter().filter(|batch| batch.commit > complete_to) {
            let Some(leaves) = sound(read_leaves(archive.store(), &batch.body).await)? else {
                continue;
            };
            let Some(list) = sound(read_pack_list(archive.store(), &batch.body).await)? else {
                continue;
            };
            let mut first = 0;
            for pack in list {
                let end = first + usize::try_from(pack.documents).unwrap_or(usize::MAX);
                let listed = leaves.get(first..end).unwrap_or_default();
                let listed: HashSet<VersionId> = listed.iter().copied().collect();
                first = end;
                let sink = std::sync::Arc::clone(archive.store().packs());
                let read = reads.run(move || {
                    let pack = OpenPack::open(&*sink, pack.name).ok()?;
                    Some(later_versions(&pack, &listed))
                });
                let read = read.await.map_err(|_| CustodyError::Panicked)?;
                self.take(read.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Returns the newest version of a key, if any is known.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub(crate) fn newest(&self, key: Sha256Digest) -> Result<Option<VersionId>, IndexError> {
        if let Some((_, version)) = self.beyond.get(&key) {
            return Ok(Some(*version));
        }
        Ok(self.index.lookup(key)?.map(|newest| newest.version))
    }

    /// Returns the pack of a version of the document of `record`, if the index has it.
    ///
    /// # Errors
    ///
    /// [`IndexError`] if the index cannot be read.
    pub(crate) fn pack_of(
        &self,
        record: &Record,
        version: VersionId,
    ) -> Result<Option<Blake3Digest>, IndexError> {
        let versions = self.index.versions(record.key.digest())?;
        let found = versions.iter().find(|known| known.version == version);
        Ok(found.map(|known| known.record.pack))
    }

    fn take(&mut self, versions: Vec<(Sha256Digest, u32, VersionId)>) {
        for (key, number, version) in versions {
            let is_full = self.beyond.len() >= BEYOND_MAX;
            match self.beyond.get_mut(&key) {
                Some(known) if known.0 < number => *known = (number, version),
                None if !is_full => {
                    self.beyond.insert(key, (number, version));
                }
                _ => {}
            }
        }
    }
}

/// Returns those versions of a pack that the batch lists and that are not the first of their
/// document.
fn later_versions(
    pack: &OpenPack,
    listed: &HashSet<VersionId>,
) -> Vec<(Sha256Digest, u32, VersionId)> {
    let records = pack.index.entries.iter().filter(|entry| entry.part == Part::Record);
    let listed = records.filter(|entry| listed.contains(&entry.version));
    let read = listed.filter_map(|entry| {
        let record = read_record(&*pack.source, entry.version, std::slice::from_ref(entry))?;
        Some((record.key.digest(), record.version, entry.version))
    });
    read.filter(|(_, number, _)| *number > 1).collect()
}

fn sound<T>(read: Result<T, BatchObjectError>) -> Result<Option<T>, CustodyError> {
    match read {
        Ok(object) => Ok(Some(object)),
        Err(BatchObjectError::Store(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}
