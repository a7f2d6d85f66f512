//! What receipts and period statements say of their archive: its description, and its logs.

use sigillo_evidence_log::Archive;
use sigillo_model::{ARCHIVE_BYTES_MAX, Entry, ObjectKey};
use sigillo_proof::{ArchiveSection, EntryPlace, LoggedLine, SUCCESSION_INDEX, SuccessionSection};

use crate::{CustodyError, GiveReceiptError, ReceiptLog, receipt::unreadable};

impl ReceiptLog {
    /// Describes the archive, with its logs up to that of the checkpoint.
    pub(crate) async fn archive_section(
        &self,
        archive: &Archive,
    ) -> Result<ArchiveSection, GiveReceiptError> {
        let created = self.entries().find(|(_, it)| matches!(it, Entry::ArchiveCreated(_)));
        let what = "the beginning of the archive";
        let (place, _) = created.ok_or(GiveReceiptError::NotCovered { what })?;
        let read = archive.store().read(&ObjectKey::archive(), ARCHIVE_BYTES_MAX).await;
        let bytes = read.map_err(|source| CustodyError::Store {
            doing: "reading the description of the archive",
            source,
        })?;
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|error| unreadable(ObjectKey::archive(), &error.to_string()))?;
        let description = archive.description();
        Ok(ArchiveSection {
            created: self.line(place)?,
            description: text,
            entity: description.entity.name.clone(),
            id: description.archive,
            log: description.keys.log.clone(),
            origin: description.origin.clone(),
            rotations: self.rotations_of(archive, 1)?,
            successions: self.successions(archive)?,
            trial: description.trial,
        })
    }

    /// Proves what is said of the newest log under its first `size` entries.
    pub(crate) fn prove_section(
        &self,
        section: &mut ArchiveSection,
        size: u64,
    ) -> Result<(), GiveReceiptError> {
        // A rotation that is not among them has not signed their checkpoint.
        let rotations = section.newest_rotations_mut();
        rotations.retain(|line| line.index < size);
        for line in rotations {
            line.proof = self.inclusion(line.place(), size)?;
        }
        if let Some(newest) = section.successions.last_mut() {
            newest.entry.proof = self.inclusion(newest.entry.place(), size)?;
        }
        Ok(())
    }

    /// Returns what leads from the first key of a log to the one that signs its end, or the checkpoint.
    fn rotations_of(
        &self,
        archive: &Archive,
        log: u64,
    ) -> Result<Vec<LoggedLine>, GiveReceiptError> {
        let keys = archive.log_keys_of(log).unwrap_or_else(|| archive.log_keys());
        let rotations = self.rotations(log, &keys, self.size_of(log)).into_iter();
        rotations.map(|place| self.line(place)).collect()
    }

    /// Returns how the log of the checkpoint came after the first.
    fn successions(&self, archive: &Archive) -> Result<Vec<SuccessionSection>, GiveReceiptError> {
        let later = (2..=self.generation()).map(|log| {
            let entry = self.line(EntryPlace { log, index: SUCCESSION_INDEX })?;
            Ok(SuccessionSection { entry, rotations: self.rotations_of(archive, log)? })
        });
        later.collect()
    }
}
