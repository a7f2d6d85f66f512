//! The period statement as it is written and read: all that a log took in between two checkpoints.

use serde::{Deserialize, Serialize};

use sigillo_model::{ArchiveId, BatchId, JsonError, LogTime, Sha256Digest};

use crate::{
    ArchiveSection, Base64Bytes, PROOF_HASHES_MAX, ReceiptError,
    sort::schema_of,
    spelling::{is_spelling_of, written_bytes},
};

/// The schema of the period statements of the first log of an archive.
pub const PERIOD_SCHEMA: &str = "sigillo.period-statement/1";

/// The schema of the period statements that need several logs, one after the other.
pub const PERIOD_SCHEMA_OF_LOGS: &str = "sigillo.period-statement/2";

/// The newest version of the schema that is known here.
const SCHEMA_VERSION_MAX: u32 = 2;

/// What the schema of every period statement begins with.
pub(crate) const SCHEMA_PREFIX: &str = "sigillo.period-statement/";

/// Largest period statement written or read, in bytes.
pub const PERIOD_BYTES_MAX: u64 = 64 << 20;

/// Most log entries in one period: some 50,000 batches, or a commit a minute for a month.
pub const PERIOD_ENTRIES_MAX: usize = 100_000;

/// Most types of entries, and versions of them, in one period.
pub const PERIOD_TYPES_MAX: usize = 1_000;

/// What proves on its own what happened in an archive between two checkpoints of its log.
///
/// Members stand in canonical order. Texts of the archive are carried byte for byte, since they are
/// hashed as stored. Source: `docs/format.md`, "Period statements".
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodStatement {
    /// The archive; the entry that created it leads to the newer checkpoint.
    pub archive: ArchiveSection,
    /// The hashes by which the older checkpoint's log became the newer one's (RFC 6962), for the
    /// programs of others: `edge` and `entries` prove the same and more.
    pub consistency: Vec<Sha256Digest>,
    /// The roots of the complete subtrees of the older checkpoint's tree, largest first.
    pub edge: Vec<Sha256Digest>,
    /// What proves the newer checkpoint, if it is of a log that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedPeriod>,
    /// Every entry of the period in order, each with its newline.
    pub entries: String,
    /// `packs.json` of every batch of the period in order, each followed by a newline.
    pub packs: String,
    /// [`PERIOD_SCHEMA`], or [`PERIOD_SCHEMA_OF_LOGS`].
    pub schema: String,
    /// The seal over `statement` (CAdES).
    pub seal: Base64Bytes,
    /// What is stated, the canonical JSON of a [`StatedPeriod`], byte for byte.
    pub statement: String,
    /// A time-stamp over statement and seal, if an authority gave one (RFC 3161).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Base64Bytes>,
}

/// What proves the newer checkpoint of a period in a log that ended: its key may be lost.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EndedPeriod {
    /// A signed checkpoint of the newest log that the archive names.
    pub checkpoint: String,
    /// The hashes by which the log of the newer checkpoint became the one that ended (RFC 6962).
    pub consistency: Vec<Sha256Digest>,
}

/// What a period statement says: the text that is sealed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatedPeriod {
    /// The archive.
    pub archive: ArchiveId,
    /// When it was stated, by the archive's clock.
    pub at: LogTime,
    /// The batches of the period, in log order.
    pub batches: Vec<PeriodBatch>,
    /// What the entries add up to.
    pub counts: PeriodCounts,
    /// The first commit of the period, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<PeriodCommit>,
    /// The last commit of the period, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<PeriodCommit>,
    /// The checkpoint at the end of the period: signed, or, of a log that ended, its three lines.
    pub newer: String,
    /// The checkpoint at its beginning, likewise; absent at the beginning of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<String>,
    /// How many entries there are of each type and version, sorted by both.
    pub types: Vec<TypeCount>,
}

/// A batch of a period.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodBatch {
    /// The batch.
    pub batch: BatchId,
    /// The sizes of its packs, in sum.
    pub bytes: u64,
    /// The commit that added it.
    pub commit: u64,
    /// Number of its leaves.
    pub documents: u64,
    /// The RFC 6962 root over its leaves.
    pub order_root: Sha256Digest,
    /// The root of its RFC 4998 hash tree.
    pub root: Sha256Digest,
}

/// A commit at the beginning or the end of a period.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodCommit {
    /// Its time.
    pub at: LogTime,
    /// Its number.
    pub commit: u64,
}

/// How many entries there are of a type.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TypeCount {
    /// Their number.
    pub count: u64,
    /// The type, as the log spells it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The version of the type.
    pub v: u64,
}

/// What the entries of a period add up to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodCounts {
    /// New versions of aggregations, by the submissions that came to their end.
    pub aggregations: u64,
    /// Documents that were there before, by the same.
    pub already: u64,
    /// Units annulled.
    pub annulments: u64,
    /// Documents archived, by the submissions that came to their end.
    pub archived: u64,
    /// Batches.
    pub batches: u64,
    /// The sizes of the packs of these batches, in sum.
    pub bytes: u64,
    /// Commits.
    pub commits: u64,
    /// Disposals that came to their end.
    pub disposals: u64,
    /// Leaves of these batches: versions of documents and aggregations.
    pub documents: u64,
    /// Entries, the headers of commits among them.
    pub entries: u64,
    /// Erasures of content.
    pub erasures: u64,
    /// Readings that checked whether content is as it was.
    pub fixity_reads: u64,
    /// Holds placed.
    pub holds_placed: u64,
    /// Holds released.
    pub holds_released: u64,
    /// Copies that had to be repaired, and logs that had to be succeeded.
    pub incidents: u64,
    /// Documents that submissions ended before, by those that came to their end.
    pub pending: u64,
    /// Documents that the submissions had which came to their end.
    pub received: u64,
    /// Documents refused, by the same.
    pub refused: u64,
    /// Renewals of evidence.
    pub renewals: u64,
    /// Sealings.
    pub sealings: u64,
    /// Submissions that came to their end.
    pub submissions_completed: u64,
    /// Submissions received.
    pub submissions_received: u64,
    /// Submissions refused as a whole.
    pub submissions_refused: u64,
    /// Time-stamps of sealings.
    pub time_stamps: u64,
}

impl StatedPeriod {
    /// Reads what is stated.
    ///
    /// # Errors
    ///
    /// [`PeriodError`] for a text that is not the canonical JSON of one.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        // Straight into its type: a text of another shape takes no memory.
        let this: Self = serde_json::from_str(text).map_err(|error| PeriodError::Stated {
            error: JsonError::Shape { reason: error.to_string() },
        })?;
        if !is_spelling_of(text.as_bytes(), &this) {
            return Err(PeriodError::Stated { error: JsonError::NotCanonical });
        }
        Ok(this)
    }
}

impl PeriodStatement {
    /// Writes the statement in canonical form (RFC 8785).
    pub fn to_json(&self) -> Vec<u8> {
        // The members are declared in canonical order; a test holds that to `to_canonical`.
        serde_json::to_vec(self).expect("our types have text keys and no floats")
    }

    /// Reads a period statement, which may end in one newline. Nothing in it is believed yet.
    ///
    /// # Errors
    ///
    /// [`PeriodError`] for a text that is too long, of another schema, no period statement, or not
    /// in canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, PeriodError> {
        if bytes.len() as u64 > PERIOD_BYTES_MAX {
            return Err(PeriodError::TooLong { size_bytes: bytes.len() as u64 });
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let this: Self = match serde_json::from_slice(bytes) {
            Ok(this) => this,
            Err(error) => return Err(unreadable(bytes, &error)),
        };
        if this.schema != schema_of_archive(&this.archive) {
            return Err(other_schema(this.schema));
        }
        this.check_bounds()?;
        if !is_spelling_of(bytes, &this) {
            return Err(PeriodError::Json { error: JsonError::NotCanonical });
        }
        Ok(this)
    }

    /// Returns the length of the statement as it would be written, in bytes.
    pub fn size_bytes(&self) -> u64 {
        written_bytes(self)
    }

    /// Checks that there is no more of anything than there may be.
    ///
    /// # Errors
    ///
    /// [`PeriodError::TooMany`] and [`PeriodError::Shape`].
    pub(crate) fn check_bounds(&self) -> Result<(), PeriodError> {
        let ended = self.ended.as_ref().map(|it| &it.consistency);
        let proofs = [&self.consistency, &self.edge].into_iter().chain(ended);
        let counts = [
            ("entries", newlines(&self.entries), PERIOD_ENTRIES_MAX),
            ("lists of packs", newlines(&self.packs), PERIOD_ENTRIES_MAX),
            ("hashes in a proof", proofs.map(Vec::len).max().unwrap_or(0), PROOF_HASHES_MAX),
        ];
        for (what, count, max) in counts {
            if count > max {
                return Err(PeriodError::TooMany { what, count, max });
            }
        }
        if self.ended.is_some() && self.archive.successions.is_empty() {
            let reason = "a log that ended, and none after it".to_owned();
            return Err(PeriodError::Shape { reason });
        }
        self.archive.check_bounds().map_err(|error| match error {
            ReceiptError::TooMany { what, count, max } => PeriodError::TooMany { what, count, max },
            other => PeriodError::Shape { reason: other.to_string() },
        })
    }
}

/// Returns the schema of a period statement of the logs that are named.
pub(crate) fn schema_of_archive(archive: &ArchiveSection) -> &'static str {
    if archive.successions.is_empty() { PERIOD_SCHEMA } else { PERIOD_SCHEMA_OF_LOGS }
}

/// Tells whether bytes are meant to be a period statement: an object that names its schema, or none
/// that can be read. Whether they are one, [`PeriodStatement::parse`] says.
pub fn is_period_statement(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
        && schema_of(bytes).is_none_or(|schema| schema.starts_with(SCHEMA_PREFIX))
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// Tells a period statement of a later schema from what is none.
fn unreadable(bytes: &[u8], error: &serde_json::Error) -> PeriodError {
    match schema_of(bytes) {
        Some(schema) if ![PERIOD_SCHEMA, PERIOD_SCHEMA_OF_LOGS].contains(&&*schema) => {
            other_schema(schema)
        }
        _ => PeriodError::Shape { reason: error.to_string() },
    }
}

fn other_schema(schema: String) -> PeriodError {
    let version = schema.strip_prefix(SCHEMA_PREFIX).and_then(|version| version.parse().ok());
    if version.is_some_and(|version: u32| version > SCHEMA_VERSION_MAX) {
        return PeriodError::LaterSchema { schema };
    }
    let reason = "its schema is not that of a period statement, or not that of one of so many logs";
    PeriodError::Shape { reason: reason.to_owned() }
}

/// Why bytes are no period statement that this program reads, or why none could be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeriodError {
    /// The text is not JSON as it is written here.
    #[error("{error}")]
    Json {
        /// What is wrong with the text.
        error: JsonError,
    },
    /// A later schema, which this program does not read.
    #[error(
        "the period statement has the schema {schema}, this program reads {PERIOD_SCHEMA} and \
         {PERIOD_SCHEMA_OF_LOGS}"
    )]
    LaterSchema {
        /// The schema found.
        schema: String,
    },
    /// The text does not have the members of a period statement.
    #[error("the text is no period statement: {reason}")]
    Shape {
        /// Where and why.
        reason: String,
    },
    /// What is sealed in it is not what a period statement says.
    #[error("what is sealed in the period statement cannot be read: {error}")]
    Stated {
        /// What is wrong with the text.
        error: JsonError,
    },
    /// The text is longer than a period statement may be.
    #[error("the period statement has {size_bytes} bytes, more than {PERIOD_BYTES_MAX}")]
    TooLong {
        /// Length found.
        size_bytes: u64,
    },
    /// There is more of something than a period statement may have.
    #[error("the period has {count} {what}, more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were found.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}
