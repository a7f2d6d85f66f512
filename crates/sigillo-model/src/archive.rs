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

impl ArchiveDescription {
    /// The stored format that this program knows.
    pub const FORMAT: u32 = 1;
    /// The encryption of content that this program knows.
    pub const ENCRYPTION: &str = "none";

    /// Returns the C2SP origin of the log of a generation, from 1: the first is `origin`, the next is
    /// `origin/g2`.
    pub fn origin_of(&self, generation: u64) -> String {
        if generation <= 1 {
            return self.origin.clone();
        }
        format!("{}/g{generation}", self.origin)
    }

    /// Says what the description states that this program does not know, if anything.
    pub fn unknown(&self) -> Option<String> {
        let Algorithms { address, evidence } = &self.algorithms;
        if self.format != Self::FORMAT {
            Some(format!("format {}", self.format))
        } else if self.encryption != Self::ENCRYPTION {
            Some(format!("the encryption {:?}", self.encryption))
        } else if address != Algorithms::ADDRESS {
            Some(format!("the algorithm {address:?} for addresses"))
        } else if evidence != Algorithms::EVIDENCE {
            Some(format!("the algorithm {evidence:?} for evidence"))
        } else {
            None
        }
    }
}

impl Algorithms {
    /// The digest of addresses that this program knows.
    pub const ADDRESS: &str = "blake3";
    /// The digest of evidence that this program knows.
    pub const EVIDENCE: &str = "sha256";
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
