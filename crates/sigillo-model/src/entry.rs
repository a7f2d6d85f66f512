//! The entries of the evidence log.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    ArchiveId, BatchId, EvidenceDigest, JsonError, LogSucceeded, LogTime, RenewalId, SealingId,
    Sha256Digest, Sha512Digest, SubmissionId, WriterId, json::parse_canonical,
    line::is_sha512_line, to_canonical,
};

/// Longest entry, in bytes without its newline (C2SP tlog-tiles entry bundles allow no more).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Most entries in one commit.
pub const COMMIT_ENTRIES_MAX: usize = 10_000;

/// One entry of the log: something that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// `commit.opened`: the header of a commit.
    CommitOpened(CommitOpened),
    /// `archive.created`: the archive begins.
    ArchiveCreated(ArchiveCreated),
    /// `submission.received`: a producer sent documents.
    SubmissionReceived(SubmissionReceived),
    /// `submission.completed`: what became of them.
    SubmissionCompleted(SubmissionCompleted),
    /// `batch.committed`: documents are durable.
    BatchCommitted(BatchCommitted),
    /// `batches.sealed`: batches are under a statement and a seal.
    BatchesSealed(BatchesSealed),
    /// `sealing.stamped`: a sealing has a time-stamp.
    SealingStamped(SealingStamped),
    /// `evidence.renewed`: time-stamps of sealings are under a newer one.
    EvidenceRenewed(EvidenceRenewed),
    /// `evidence.rehashed`: documents and what proves them are under hash trees of another function.
    EvidenceRehashed(EvidenceRehashed),
    /// A time-stamp over a checkpoint is kept beside the log.
    CheckpointAnchored(CheckpointAnchored),
    /// `key.rotated`: another key signs the checkpoints from here on.
    KeyRotated(KeyRotated),
    /// `log.succeeded`: the log before ended, and this one begins.
    LogSucceeded(Box<LogSucceeded>),
    /// An entry of a type this program does not know; it counts and is hashed all the same.
    Other {
        /// Its type.
        type_name: String,
    },
}

/// The header of a commit: its first entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CommitOpened {
    /// The later of our clock and the previous commit's time; it never decreases.
    pub at: LogTime,
    /// What our clock said.
    pub clock: LogTime,
    /// Number of the commit, from 1.
    pub commit: u64,
    /// The epoch: a writer that reads a higher one makes its uncommitted objects anew.
    pub epoch: u64,
    /// Number of log entries before this commit.
    pub first_leaf: u64,
    /// The generation of the log, from 1; a successor log has the next one.
    pub generation: u64,
    /// SHA-256 of the previous commit object; absent in the first commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Sha256Digest>,
    /// RFC 6962 root over the `first_leaf` entries before this commit.
    pub root: Sha256Digest,
    /// The newest commit before this one that has another key of the log; absent as long as none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<u64>,
    /// The last commit covered by a sealing that an earlier commit records, 0 for none.
    pub sealed: u64,
    /// The commit that began this log in place of an older one; absent in the first log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<u64>,
    /// The process that wrote the commit.
    pub writer: WriterId,
}

/// The archive begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ArchiveCreated {
    /// The archive.
    pub archive: ArchiveId,
    /// SHA-256 of `archive.json`.
    pub archive_sha256: Sha256Digest,
}

/// A producer sent documents; nothing is archived yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SubmissionReceived {
    /// Number of documents it was found to have.
    pub received: u64,
    /// SHA-256 of what says where they came from, an erasable object.
    pub received_sha256: Sha256Digest,
    /// The submission.
    pub submission: SubmissionId,
}

/// What became of a submission. Its documents are conserved: received = archived + already +
/// refused + pending.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SubmissionCompleted {
    /// New versions of aggregations, made beside the documents.
    pub aggregations: u64,
    /// Documents that were in the archive before, with the same content.
    pub already: u64,
    /// Documents archived.
    pub archived: u64,
    /// Documents that it ended before: the same submission again takes them in.
    pub pending: u64,
    /// Documents it had, counted at its end.
    pub received: u64,
    /// Documents refused.
    pub refused: u64,
    /// SHA-256 of the report, an erasable object.
    pub report_sha256: Sha256Digest,
    /// The submission.
    pub submission: SubmissionId,
}

/// Documents are durable.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BatchCommitted {
    /// The batch.
    pub batch: BatchId,
    /// Number of its leaves.
    pub documents: u32,
    /// SHA-256 of the object `leaves`.
    pub leaves_sha256: Sha256Digest,
    /// RFC 6962 root over the leaves, each a raw 32-byte entry: order, count and membership.
    pub order_root: Sha256Digest,
    /// SHA-256 of `packs.json`.
    pub packs_sha256: Sha256Digest,
    /// Root of the RFC 4998 hash tree over the leaves: what the time-stamp covers.
    pub root: Sha256Digest,
    /// The submission the documents came with.
    pub submission: SubmissionId,
}

/// Batches are under a statement and a seal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BatchesSealed {
    /// The last commit that earlier sealings cover, 0 for the first.
    pub after: u64,
    /// Number of the sealing, from 1.
    pub number: u64,
    /// Root of the tree over the batches' roots and the checkpoint.
    pub root: Sha256Digest,
    /// SHA-256 of `seal.p7s`.
    pub seal_sha256: Sha256Digest,
    /// The sealing's folder.
    pub sealing: SealingId,
    /// SHA-256 of `statement.json`.
    pub statement_sha256: Sha256Digest,
    /// The last commit that this sealing covers.
    pub through: u64,
}

/// A sealing has a time-stamp.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SealingStamped {
    /// The evidence line: profile, hash family and trust class, as `plain-sha256-trial`.
    pub line: String,
    /// Number of the sealing.
    pub number: u64,
    /// The sealing's folder.
    pub sealing: SealingId,
    /// What the authority attests, RFC 3339 with its own precision.
    pub stamped_at: String,
    /// SHA-256 of the token as received.
    pub token_sha256: Sha256Digest,
    /// What a token of the hash family SHA-512 covers; absent on other lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<StampedTree>,
    /// Whether the token is for trial only.
    pub trial: bool,
}

/// The hash tree of SHA-512 that the first time-stamp of a sealing covers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StampedTree {
    /// How many documents are in it.
    pub documents: u64,
    /// The folder of `tree.json`.
    pub renewal: RenewalId,
    /// Root of the tree: what the time-stamp covers.
    pub root: Sha512Digest,
    /// SHA-512 of the token as received.
    pub token_sha512: Sha512Digest,
    /// SHA-256 of `tree.json`.
    pub tree_sha256: Sha256Digest,
}

/// Time-stamps of sealings are under a newer one (RFC 4998 §5.2, time-stamp renewal).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceRenewed {
    /// The evidence line of all time-stamps covered, and of the new one.
    pub line: String,
    /// How many sealings it covers.
    pub members: u64,
    /// SHA-256 of `members.json`.
    pub members_sha256: Sha256Digest,
    /// The renewal's folder.
    pub renewal: RenewalId,
    /// Root of the tree over the members: what the new time-stamp covers. It is of the hash function
    /// of the time-stamps that it renews.
    pub root: EvidenceDigest,
    /// What the authority attests, RFC 3339 with its own precision.
    pub stamped_at: String,
    /// SHA-256 of the token as received.
    pub token_sha256: Sha256Digest,
    /// SHA-512 of the token as received, if `root` is of SHA-512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha512: Option<Sha512Digest>,
    /// Whether the token is for trial only.
    pub trial: bool,
}

/// Documents, and all that proves them, are under hash trees of another hash function (RFC 4998
/// §5.2, hash-tree renewal).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceRehashed {
    /// How many documents it covers.
    pub documents: u64,
    /// The evidence line of all time-stamps covered, and of the new one.
    pub line: String,
    /// The renewal's folder.
    pub renewal: RenewalId,
    /// Root of the tree: what the new time-stamp covers.
    pub root: Sha512Digest,
    /// How many sealings it covers.
    pub sealings: u64,
    /// What the authority attests, RFC 3339 with its own precision.
    pub stamped_at: String,
    /// SHA-256 of the token as received.
    pub token_sha256: Sha256Digest,
    /// SHA-512 of the token as received.
    pub token_sha512: Sha512Digest,
    /// SHA-256 of `tree.json`.
    pub tree_sha256: Sha256Digest,
    /// Whether the token is for trial only.
    pub trial: bool,
}

/// A time-stamp over a checkpoint of this log is kept beside it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CheckpointAnchored {
    /// Entries of the checkpoint.
    pub size: u64,
    /// What the authority attests, RFC 3339 with its own precision.
    pub stamped_at: String,
    /// SHA-256 of the token as received.
    pub token_sha256: Sha256Digest,
    /// Whether the token is for trial only.
    pub trial: bool,
}

/// Another key signs the checkpoints that cover this entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KeyRotated {
    /// The new key, as a C2SP verifier key under the log's origin.
    pub log: String,
    /// Number of the rotation, from 1.
    pub number: u64,
    /// The signature line of the key before it over the text that names the new one, without newline.
    pub signature: String,
}

impl Entry {
    /// Writes the entry as its canonical line, without newline.
    ///
    /// # Errors
    ///
    /// [`EntryError::TooLong`] beyond [`ENTRY_BYTES_MAX`].
    ///
    /// # Panics
    ///
    /// For [`Entry::Other`], which only reading makes.
    pub fn to_line(&self) -> Result<Vec<u8>, EntryError> {
        let line = match self {
            Self::CommitOpened(body) => line_of("commit.opened", body),
            Self::ArchiveCreated(body) => line_of("archive.created", body),
            Self::SubmissionReceived(body) => line_of("submission.received", body),
            Self::SubmissionCompleted(body) => line_of("submission.completed", body),
            Self::BatchCommitted(body) => line_of("batch.committed", body),
            Self::BatchesSealed(body) => line_of("batches.sealed", body),
            Self::SealingStamped(body) => {
                versioned("sealing.stamped", version_on(&body.line), body)
            }
            Self::EvidenceRenewed(body) => {
                versioned("evidence.renewed", version_on(&body.line), body)
            }
            Self::EvidenceRehashed(body) => line_of("evidence.rehashed", body),
            Self::CheckpointAnchored(body) => line_of("checkpoint.anchored", body),
            Self::KeyRotated(body) => line_of("key.rotated", body),
            Self::LogSucceeded(body) => line_of("log.succeeded", body),
            Self::Other { type_name } => unreachable!("{type_name} entries are never written"),
        };
        if line.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong { size_bytes: line.len() });
        }
        Ok(line)
    }

    /// Reads the line of an entry.
    ///
    /// # Errors
    ///
    /// [`EntryError`] for a line that is too long, not canonical JSON, or not what its type says.
    pub fn parse_line(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong { size_bytes: line.len() });
        }
        let value: Value = parse_canonical(line).map_err(|error| EntryError::Json { error })?;
        let type_name = match (value.get("type"), value.get("v")) {
            (Some(Value::String(name)), Some(Value::Number(_))) => name.clone(),
            _ => return Err(EntryError::NoType),
        };
        let version = match (type_name.as_str(), value.get("line")) {
            ("sealing.stamped" | "evidence.renewed", Some(Value::String(line))) => version_on(line),
            _ => 1,
        };
        if value.get("v").and_then(Value::as_u64) != Some(version) {
            return Ok(Self::Other { type_name });
        }
        match type_name.as_str() {
            "commit.opened" => body_of(value).map(Self::CommitOpened),
            "archive.created" => body_of(value).map(Self::ArchiveCreated),
            "submission.received" => body_of(value).map(Self::SubmissionReceived),
            "submission.completed" => body_of(value).map(Self::SubmissionCompleted),
            "batch.committed" => body_of(value).map(Self::BatchCommitted),
            "batches.sealed" => body_of(value).map(Self::BatchesSealed),
            "sealing.stamped" => stamped_of(value).map(Self::SealingStamped),
            "evidence.renewed" => body_of(value).map(Self::EvidenceRenewed),
            "evidence.rehashed" => body_of(value).map(Self::EvidenceRehashed),
            "checkpoint.anchored" => body_of(value).map(Self::CheckpointAnchored),
            "key.rotated" => body_of(value).map(Self::KeyRotated),
            "log.succeeded" => body_of(value).map(|it| Self::LogSucceeded(Box::new(it))),
            _ => Ok(Self::Other { type_name }),
        }
    }

    /// Returns the version of the entry's type: 1, but for what is on evidence lines of SHA-512. `None`
    /// for what this program does not know.
    pub fn version(&self) -> Option<u64> {
        match self {
            Self::SealingStamped(SealingStamped { line, .. })
            | Self::EvidenceRenewed(EvidenceRenewed { line, .. }) => Some(version_on(line)),
            Self::Other { .. } => None,
            _ => Some(1),
        }
    }

    /// Returns the entry's type, as the log spells it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::CommitOpened(_) => "commit.opened",
            Self::ArchiveCreated(_) => "archive.created",
            Self::SubmissionReceived(_) => "submission.received",
            Self::SubmissionCompleted(_) => "submission.completed",
            Self::BatchCommitted(_) => "batch.committed",
            Self::BatchesSealed(_) => "batches.sealed",
            Self::SealingStamped(_) => "sealing.stamped",
            Self::EvidenceRenewed(_) => "evidence.renewed",
            Self::EvidenceRehashed(_) => "evidence.rehashed",
            Self::CheckpointAnchored(_) => "checkpoint.anchored",
            Self::KeyRotated(_) => "key.rotated",
            Self::LogSucceeded(_) => "log.succeeded",
            Self::Other { type_name } => type_name,
        }
    }
}

/// Returns the version of the entries about time-stamps on an evidence line: who knows SHA-256 alone
/// would take those of SHA-512 for damaged.
fn version_on(line: &str) -> u64 {
    if is_sha512_line(line) { 2 } else { 1 }
}

/// Reads the entry of a first time-stamp, which says what it covers if that does not follow from the
/// sealing.
fn stamped_of(value: Value) -> Result<SealingStamped, EntryError> {
    let body: SealingStamped = body_of(value)?;
    if body.tree.is_some() == is_sha512_line(&body.line) {
        return Ok(body);
    }
    let reason = "a hash tree goes with the lines of SHA-512, and with no other".to_owned();
    Err(EntryError::Json { error: JsonError::Shape { reason } })
}

fn line_of<T: Serialize>(type_name: &str, body: &T) -> Vec<u8> {
    versioned(type_name, 1, body)
}

fn versioned<T: Serialize>(type_name: &str, version: u64, body: &T) -> Vec<u8> {
    let mut value = serde_json::to_value(body).expect("our types have text keys and no floats");
    if let Value::Object(members) = &mut value {
        members.insert("type".to_owned(), Value::from(type_name));
        members.insert("v".to_owned(), Value::from(version));
    }
    to_canonical(&value)
}

fn body_of<T: DeserializeOwned>(value: Value) -> Result<T, EntryError> {
    serde_json::from_value(value)
        .map_err(|error| EntryError::Json { error: JsonError::Shape { reason: error.to_string() } })
}

/// Why a line is no entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The line is not the JSON of an entry.
    #[error("the log entry cannot be read: {error}")]
    Json {
        /// What is wrong with the text.
        error: JsonError,
    },
    /// The line does not say what it is.
    #[error("the log entry has no type or no version")]
    NoType,
    /// The line is longer than an entry may be.
    #[error("the log entry has {size_bytes} bytes, more than {ENTRY_BYTES_MAX}")]
    TooLong {
        /// Length found.
        size_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Entry {
        Entry::CommitOpened(CommitOpened {
            at: LogTime::new("2026-11-24T10:00:00Z".parse().unwrap()),
            clock: LogTime::new("2026-11-24T09:59:59Z".parse().unwrap()),
            commit: 1,
            epoch: 1,
            first_leaf: 0,
            generation: 1,
            previous: None,
            root: Sha256Digest::of(b""),
            rotated: None,
            sealed: 0,
            succeeded: None,
            writer: WriterId::from_bytes([1; 16]),
        })
    }

    #[test]
    fn an_entry_is_one_canonical_line() {
        let line = header().to_line().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&line),
            "{\"at\":\"2026-11-24T10:00:00Z\",\"clock\":\"2026-11-24T09:59:59Z\",\"commit\":1,\
             \"epoch\":1,\"first_leaf\":0,\"generation\":1,\
             \"root\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\
             \"sealed\":0,\"type\":\"commit.opened\",\"v\":1,\
             \"writer\":\"01010101010101010101010101010101\"}"
        );
        assert_eq!(Entry::parse_line(&line), Ok(header()));
    }

    #[test]
    fn an_unknown_type_or_version_is_kept_as_other() {
        let other = Entry::Other { type_name: "moon.landed".to_owned() };
        assert_eq!(Entry::parse_line(br#"{"type":"moon.landed","v":1}"#), Ok(other));
        let later = Entry::Other { type_name: "commit.opened".to_owned() };
        assert_eq!(Entry::parse_line(br#"{"type":"commit.opened","v":2}"#), Ok(later));
    }

    fn stamped(line: &str, tree: Option<StampedTree>) -> SealingStamped {
        SealingStamped {
            line: line.to_owned(),
            number: 1,
            sealing: SealingId::from_bytes([6; 16]),
            stamped_at: "2026-11-25T08:00:03Z".to_owned(),
            token_sha256: Sha256Digest::of(b"token"),
            tree,
            trial: false,
        }
    }

    #[test]
    fn what_is_on_a_line_of_sha_512_has_version_2_and_says_what_it_covers() {
        let tree = StampedTree {
            documents: 3,
            renewal: RenewalId::from_bytes([7; 16]),
            root: Sha512Digest::of(b"root"),
            token_sha512: Sha512Digest::of(b"token"),
            tree_sha256: Sha256Digest::of(b"tree"),
        };
        let good = Entry::SealingStamped(stamped("plain-sha512-a", Some(tree.clone())));
        let line = String::from_utf8(good.to_line().unwrap()).unwrap();
        assert!(line.ends_with(r#""trial":false,"type":"sealing.stamped","v":2}"#), "{line}");
        assert_eq!((Entry::parse_line(line.as_bytes()), good.version()), (Ok(good), Some(2)));
        // A reader that meets another version than that of the line says nothing of its meaning.
        let other = Ok(Entry::Other { type_name: "sealing.stamped".to_owned() });
        let older = line.replace("\"v\":2", "\"v\":1");
        assert_eq!(Entry::parse_line(older.as_bytes()), other);
        let plain = Entry::SealingStamped(stamped("plain-sha256-a", None));
        let plain = String::from_utf8(plain.to_line().unwrap()).unwrap();
        assert_eq!(Entry::parse_line(plain.replace("\"v\":1", "\"v\":2").as_bytes()), other);
        for bad in [stamped("plain-sha512-a", None), stamped("plain-sha256-a", Some(tree))] {
            let line = Entry::SealingStamped(bad).to_line().unwrap();
            assert!(Entry::parse_line(&line).is_err());
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_refused() {
        assert_eq!(Entry::parse_line(b"{}"), Err(EntryError::NoType));
        assert!(Entry::parse_line(br#"{"type":"commit.opened","v":1}"#).is_err());
        assert!(Entry::parse_line(br#"{"v":1,"type":"x"}"#).is_err());
        let long = format!(r#"{{"type":"{}","v":1}}"#, "x".repeat(ENTRY_BYTES_MAX));
        assert!(matches!(Entry::parse_line(long.as_bytes()), Err(EntryError::TooLong { .. })));
    }
}
