//! The record of one version of a document: what is kept beside its files.

use serde::{Deserialize, Serialize};

use crate::{
    Description, DocumentId, DocumentKey, JsonError, LogTime, Sha256Digest, Sha512Digest,
    VersionId, parse_json,
};

/// Largest record accepted, in bytes.
pub const RECORD_BYTES_MAX: u64 = 16 << 20;

/// Most records are shorter, in bytes.
const USUAL_BYTES: usize = 768;

/// Length of the random salt, in bytes.
pub const SALT_BYTES: usize = 32;

/// The record of one version of a document, stored as `record.json` in its pack.
///
/// Its members stand in canonical order, so that writing it is one pass. Source:
/// `docs/format.md`, "Record".
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// What its producer says of it.
    #[serde(default, skip_serializing_if = "Description::is_empty")]
    pub description: Description,
    /// The document, the same for all its versions.
    pub document: DocumentId,
    /// Every file of this version, at least one; duplicates are kept.
    pub files: Vec<FileEntry>,
    /// The format of the record: 1.
    pub format: u32,
    /// What the producer calls the document.
    pub key: DocumentKey,
    /// What the record describes.
    pub kind: RecordKind,
    /// How this version came to be.
    pub operation: Operation,
    /// When the pole received the version, by its own clock.
    pub received_at: LogTime,
    /// 32 random bytes as 64 lower-case hexadecimal digits: without them nothing can be guessed.
    pub salt: String,
    /// The version this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<VersionId>,
    /// Number of the version, from 1.
    pub version: u32,
}

/// What a record describes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// An aggregation of documents (fascicolo, serie); its one file lists its members.
    Aggregation,
    /// A document (unità documentaria).
    Document,
}

/// How a version came to be.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Files came to those of the version before, which stay where they are.
    AddedFile,
    /// The description changed; the files are those of the version before.
    CorrectedMetadata,
    /// The first version of a document.
    New,
    /// Other content in place of the version before.
    NewVersion,
}

/// One file of a version.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FileEntry {
    /// Media type found in the bytes, when one was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Name of the file, spelt as `encode_name` does.
    pub name: String,
    /// PRONOM identifier found in the bytes, when one was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puid: Option<String>,
    /// What the file is to the document: `main` for the document itself.
    pub role: String,
    /// SHA-256 of the file's bytes.
    pub sha256: Sha256Digest,
    /// SHA-512 of the file's bytes, where the archive was asked for a second digest: with it hash
    /// trees are renewed without reading the file again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<Sha512Digest>,
    /// Length of the file, in bytes.
    pub size: u64,
    /// The earlier version of the same document that holds the bytes, when this one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_in: Option<VersionId>,
}

impl Record {
    /// Writes the record in canonical form.
    pub fn to_json(&self) -> Vec<u8> {
        // The members are declared in canonical order; a test holds that to `to_canonical`.
        let mut json = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut json, self).expect("our types have text keys and no floats");
        json
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for a text that is too long, is no record, or breaks one of its rules.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let size_bytes = bytes.len() as u64;
        if size_bytes > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong { size_bytes });
        }
        let record: Self = parse_json(bytes).map_err(|error| RecordError::Json { error })?;
        if record.format != 1 {
            return Err(RecordError::UnknownFormat { format: record.format });
        }
        if record.files.is_empty() {
            return Err(RecordError::NoFiles);
        }
        let mut salt = [0; SALT_BYTES];
        if hex::decode_to_slice(&record.salt, &mut salt).is_err() {
            return Err(RecordError::BadSalt);
        }
        Ok(record)
    }

    /// Returns the digest by which two submissions are the same: all that the producer stated.
    ///
    /// Ids, salt, version, times of receipt and what we recognised in the bytes play no part.
    pub fn sameness(&self) -> Sha256Digest {
        #[derive(Serialize)]
        struct SameFile<'a> {
            name: &'a str,
            role: &'a str,
            sha256: Sha256Digest,
        }
        #[derive(Serialize)]
        struct Same<'a> {
            description: &'a Description,
            files: Vec<SameFile<'a>>,
            key: &'a DocumentKey,
            kind: RecordKind,
        }
        let files = self.files.iter();
        let files = files.map(|f| SameFile { name: &f.name, role: &f.role, sha256: f.sha256 });
        let same = Same {
            description: &self.description,
            files: files.collect(),
            key: &self.key,
            kind: self.kind,
        };
        let mut json = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut json, &same).expect("our types have text keys");
        Sha256Digest::of(&json)
    }
}

/// Writes `bytes` as the salt of a record.
pub fn salt_text(bytes: &[u8; SALT_BYTES]) -> String {
    let mut text = vec![0; 2 * SALT_BYTES];
    hex::encode_to_slice(bytes, &mut text).expect("the buffer has twice the length");
    String::from_utf8(text).expect("hex is ASCII")
}

/// Why a record was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The salt is not 32 bytes in hexadecimal.
    #[error("the record's salt is not 64 hexadecimal digits")]
    BadSalt,
    /// The text is not JSON with the members of a record.
    #[error("the record cannot be read: {error}")]
    Json {
        /// What is wrong with the text.
        error: JsonError,
    },
    /// The record names no file.
    #[error("the record names no file")]
    NoFiles,
    /// The text is longer than a record may be.
    #[error("the record has {size_bytes} bytes, more than {RECORD_BYTES_MAX}")]
    TooLong {
        /// Length found.
        size_bytes: u64,
    },
    /// A later format, which this program does not read.
    #[error("the record has format {format}, this program reads format 1")]
    UnknownFormat {
        /// Format found.
        format: u32,
    },
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::to_canonical;

    pub(crate) fn record() -> Record {
        Record {
            description: crate::description::tests::description(),
            document: DocumentId::from_bytes([7; 16]),
            files: vec![FileEntry {
                media_type: Some("application/pdf".to_owned()),
                name: "délibera%0A.pdf".to_owned(),
                puid: Some("fmt/18".to_owned()),
                role: "main".to_owned(),
                sha256: Sha256Digest::of(b"file"),
                size: 4,
                sha512: None,
                stored_in: None,
            }],
            format: 1,
            key: DocumentKey::Path {
                path: "2026/délibera%0A.pdf".to_owned(),
                source: "atti".to_owned(),
            },
            kind: RecordKind::Document,
            operation: Operation::New,
            received_at: LogTime::new("2026-11-24T10:00:00Z".parse().unwrap()),
            salt: salt_text(&[3; SALT_BYTES]),
            supersedes: Some(VersionId::from_bytes([9; 32])),
            version: 2,
        }
    }

    #[test]
    fn a_record_is_written_in_canonical_form_and_read_back() {
        let record = record();
        assert_eq!(record.to_json(), to_canonical(&record));
        assert_eq!(Record::parse(&record.to_json()), Ok(record.clone()));
        let mut plain = record;
        plain.description = Description::default();
        plain.files[0].media_type = None;
        plain.supersedes = None;
        assert_eq!(plain.to_json(), to_canonical(&plain));
    }

    #[test]
    fn sameness_ignores_ids_salt_version_and_receipt() {
        let (first, mut again) = (record(), record());
        again.document = DocumentId::from_bytes([8; 16]);
        again.salt = salt_text(&[4; SALT_BYTES]);
        again.received_at = LogTime::new("2027-01-01T00:00:00Z".parse().unwrap());
        again.version = 1;
        again.supersedes = None;
        again.files[0].puid = None;
        again.operation = Operation::CorrectedMetadata;
        again.files[0].stored_in = Some(VersionId::from_bytes([1; 32]));
        assert_eq!(first.sameness(), again.sameness());
        again.description.subject = Some("other".to_owned());
        assert_ne!(first.sameness(), again.sameness());
        again.description = first.description.clone();
        again.files[0].sha256 = Sha256Digest::of(b"other");
        assert_ne!(first.sameness(), again.sameness());
    }

    #[test]
    fn a_record_that_breaks_a_rule_is_refused() {
        let mut bad = record();
        bad.files.clear();
        assert_eq!(Record::parse(&bad.to_json()), Err(RecordError::NoFiles));
        let mut bad = record();
        bad.salt = "00".to_owned();
        assert_eq!(Record::parse(&bad.to_json()), Err(RecordError::BadSalt));
        let mut bad = record();
        bad.format = 2;
        assert_eq!(Record::parse(&bad.to_json()), Err(RecordError::UnknownFormat { format: 2 }));
    }
}
