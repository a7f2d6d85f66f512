//! Making a period statement: what is to be sealed, and the statement once it is.

use sigillo_ers::pair_value;
use sigillo_merkle::{Frontier, TreeHash};
use sigillo_model::{LogTime, Sha256Digest, to_canonical_in_order};

use crate::{
    ArchiveSection, Base64Bytes, EndedPeriod, PERIOD_BYTES_MAX, PeriodError, PeriodFault,
    PeriodStatement, StatedPeriod, period::schema_of_archive, period_count::count_period,
};

/// Everything that a period statement is made of before it is sealed.
#[derive(Clone, Debug)]
pub struct PeriodDraft {
    /// The archive; the entry that created it leads to the newer checkpoint.
    pub archive: ArchiveSection,
    /// When it is stated.
    pub at: LogTime,
    /// The hashes by which the older log became the newer one.
    pub consistency: Vec<TreeHash>,
    /// The log at the beginning of the period.
    pub edge: Frontier,
    /// What proves the newer checkpoint, if it is of a log that ended.
    pub ended: Option<EndedPeriod>,
    /// Every entry of the period in order, each with its newline.
    pub entries: String,
    /// The checkpoint at the end: signed, or, of a log that ended, its three lines.
    pub newer: String,
    /// The checkpoint at the beginning, likewise; none at the beginning of the log.
    pub older: Option<String>,
    /// `packs.json` of every batch of the period in order, each followed by a newline.
    pub packs: String,
}

impl PeriodDraft {
    /// Counts the period, and returns what is to be stated of it.
    ///
    /// # Errors
    ///
    /// [`PeriodFault`] if the entries are not those of a log.
    pub fn state(&self) -> Result<StatedPeriod, PeriodFault> {
        let counted = count_period(&mut self.edge.clone(), &self.entries, &self.packs)?;
        Ok(StatedPeriod {
            archive: self.archive.id,
            at: self.at,
            batches: counted.batches,
            counts: counted.counts,
            first: counted.first,
            last: counted.last,
            newer: self.newer.clone(),
            older: self.older.clone(),
            types: counted.types,
        })
    }

    /// Puts the statement together; `seal` is the seal over [`StatedPeriod::to_json`].
    ///
    /// # Errors
    ///
    /// [`PeriodError`] if it would have more of something than a period statement may.
    pub fn seal(
        self,
        stated: &StatedPeriod,
        seal: Vec<u8>,
    ) -> Result<PeriodStatement, PeriodError> {
        let digests = |hashes: &[TreeHash]| {
            hashes.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect()
        };
        let this = PeriodStatement {
            consistency: digests(&self.consistency),
            edge: digests(self.edge.edge()),
            schema: schema_of_archive(&self.archive).to_owned(),
            archive: self.archive,
            ended: self.ended,
            entries: self.entries,
            packs: self.packs,
            seal: Base64Bytes(seal),
            statement: stated.to_json(),
            token: None,
        };
        this.check_bounds()?;
        let size_bytes = this.size_bytes();
        if size_bytes > PERIOD_BYTES_MAX {
            return Err(PeriodError::TooLong { size_bytes });
        }
        Ok(this)
    }
}

impl StatedPeriod {
    /// Writes what is stated, as it is sealed: canonical JSON.
    pub fn to_json(&self) -> String {
        let bytes = to_canonical_in_order(self);
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }
}

/// Returns what the time-stamp of a period statement covers: the hash of the SHA-256 of what is
/// stated and of that of the seal, the smaller first.
pub fn period_value(statement_sha256: Sha256Digest, seal_sha256: Sha256Digest) -> Sha256Digest {
    pair_value(statement_sha256, seal_sha256)
}
