//! `archive.json`: what an archive says of itself, once and for all.

use serde::{Deserialize, Serialize};

use crate::{ArchiveId, LogTime};

/// Largest `archive.json` accepted, in bytes.
pub const ARCHIVE_BYTES_MAX: u64 = 64 << 10;

/// What an archive says of itself, in `archive.json`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ArchiveDescription {
    /// The digests in use: `sha256` for evidence, `blake3` for the addresses of packs.
    pub algorithms: Algorithms,
    /// The archive's id.
    pub archive: ArchiveId,
    /// When it was made, by its maker's clock.
    pub created_at: LogTime,
    /// How content is encrypted: `none`.
    pub encryption: String,
    /// The public body whose records these are.
    pub entity: Entity,
    /// The stored format: 1.
    pub format: u32,
    /// The first keys; later ones are announced in the log.
    pub keys: ArchiveKeys,
    /// The C2SP origin of the log.
    pub origin: String,
    /// Whether the keys and time-stamps are for trial only.
    pub trial: bool,
}

/// The digests in use.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Algorithms {
    /// The digest of addresses.
    pub address: String,
    /// The digest of evidence.
    pub evidence: String,
}

/// A public body (ente titolare).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entity {
    /// Its code in the index of public administrations (IPA), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipa: Option<String>,
    /// Its name.
    pub name: String,
}

/// The first keys of an archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ArchiveKeys {
    /// The key that signs commits, as a C2SP verifier key named `<origin>/commit`.
    pub commit: String,
    /// The key that signs checkpoints, as a C2SP verifier key named as the origin.
    pub log: String,
    /// The certificate of the seal key, PEM.
    pub seal: String,
}
