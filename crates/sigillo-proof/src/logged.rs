//! The log entries that receipts and period statements carry, and the archive whose logs they are in.

use serde::{Deserialize, Serialize};

use sigillo_merkle::{KEY_ROTATIONS_MAX, KeysOfLog, VerifierKey};
use sigillo_model::{
    ArchiveId, Entry, GENERATIONS_MAX, JSON_INTEGER_MAX, LogSucceeded, Sha256Digest,
};

use crate::{PROOF_HASHES_MAX, ReceiptError, bytes::up_to};

/// Most logs that came after the first one of an archive.
const SUCCESSIONS_MAX: usize = 63;
const _: () = assert!(SUCCESSIONS_MAX as u64 + 1 == GENERATIONS_MAX, "no more and no fewer");

/// The place of `log.succeeded` in the log that it begins: behind the header.
pub const SUCCESSION_INDEX: u64 = 1;

/// Where an entry stands among those of all logs of an archive, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EntryPlace {
    /// The generation of the log, from 1.
    pub log: u64,
    /// Its place in that log, from 0.
    pub index: u64,
}

/// An entry of a log, with the proof that it is in its tree: under the checkpoint, or, of a log that
/// ended, under the root that the next one names.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedLine {
    /// Its place in the log, from 0.
    pub index: u64,
    /// The entry as it stands in the log, without newline.
    pub line: String,
    /// The generation of the log; left out for the first.
    #[serde(default = "first_log", skip_serializing_if = "is_first_log")]
    pub log: u64,
    /// The siblings from its leaf up to the root (RFC 6962).
    pub proof: Vec<Sha256Digest>,
}

const fn first_log() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_first_log(log: &u64) -> bool {
    *log == first_log()
}

impl LoggedLine {
    /// Returns where the entry stands.
    pub const fn place(&self) -> EntryPlace {
        EntryPlace { log: self.log, index: self.index }
    }

    /// Returns how the line is called in a finding.
    pub(crate) fn name(&self) -> String {
        match self.log {
            1 => format!("log entry {}", self.index),
            log => format!("entry {} of log {log}", self.index),
        }
    }
}

/// The archive that a receipt is of.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSection {
    /// The entry `archive.created`, which holds the digest of the description.
    pub created: LoggedLine,
    /// `archive.json`, byte for byte.
    pub description: String,
    /// The public body whose records these are.
    pub entity: String,
    /// The archive's id.
    pub id: ArchiveId,
    /// The first key of the first log, as a C2SP verifier key.
    pub log: String,
    /// The C2SP origin of the first log.
    pub origin: String,
    /// The entries `key.rotated` of the first log, in its order: they lead from the first key to the one
    /// that signs at its end, or the checkpoint.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, KEY_ROTATIONS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub rotations: Vec<LoggedLine>,
    /// The logs that came after the first one, up to that of the checkpoint, oldest first.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, SUCCESSIONS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub successions: Vec<SuccessionSection>,
    /// Whether keys and time-stamps are for trial only.
    pub trial: bool,
}

/// A log that came after another one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessionSection {
    /// The entry `log.succeeded` with which it begins: it names its keys, and size and root of the log
    /// before it.
    pub entry: LoggedLine,
    /// The entries `key.rotated` of this log, in its order.
    #[serde(
        default,
        deserialize_with = "up_to::<_, _, KEY_ROTATIONS_MAX>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub rotations: Vec<LoggedLine>,
}

impl SuccessionSection {
    /// Reads what the entry says. Nothing is believed.
    pub fn body(&self) -> Option<LogSucceeded> {
        match Entry::parse_line(self.entry.line.as_bytes()).ok()? {
            Entry::LogSucceeded(body) => Some(*body),
            _ => None,
        }
    }
}

impl ArchiveSection {
    /// Returns the generation of the log that the checkpoint is of.
    pub fn newest_log(&self) -> u64 {
        self.successions.len() as u64 + 1
    }

    /// Returns the first key that the log of a generation is said to have.
    pub fn first_key_of(&self, log: u64) -> Option<VerifierKey> {
        let at = usize::try_from(log.checked_sub(1)?).ok()?;
        match at.checked_sub(1) {
            None => VerifierKey::parse(&self.log).ok(),
            Some(at) => {
                let body = self.successions.get(at)?.body()?;
                VerifierKey::parse(&body.succession.log).ok()
            }
        }
    }

    /// Returns the keys that the log of a generation is said to have had, as far as each follows from the one
    /// before it.
    pub fn keys_of(&self, log: u64) -> Option<KeysOfLog> {
        let mut keys = KeysOfLog::new(self.first_key_of(log)?);
        let later = usize::try_from(log.checked_sub(1)?).ok()?.checked_sub(1);
        let rotations = later
            .map_or(Some(&self.rotations), |at| self.successions.get(at).map(|it| &it.rotations));
        for logged in rotations? {
            let Ok(Entry::KeyRotated(it)) = Entry::parse_line(logged.line.as_bytes()) else {
                break;
            };
            if keys.rotate(logged.index, it.number, &it.log, &it.signature).is_err() {
                break;
            }
        }
        Some(keys)
    }

    /// Returns the rotations of the key of the log that the checkpoint is of.
    pub fn newest_rotations_mut(&mut self) -> &mut Vec<LoggedLine> {
        match self.successions.last_mut() {
            Some(newest) => &mut newest.rotations,
            None => &mut self.rotations,
        }
    }

    /// Returns the entries with which archive and later logs begin.
    pub(crate) fn begins(&self) -> impl Iterator<Item = &LoggedLine> {
        std::iter::once(&self.created).chain(self.successions.iter().map(|it| &it.entry))
    }

    /// Checks that no log is missing or named where it is not, and that no proof or number is too large.
    pub(crate) fn check_bounds(&self) -> Result<(), ReceiptError> {
        let is_in_place = |(log, it): (u64, &SuccessionSection)| {
            it.entry.log == log && it.rotations.iter().all(|line| line.log == log)
        };
        let first = self.rotations.iter().all(|line| line.log == 1) && self.created.log == 1;
        if !first || !(2..).zip(&self.successions).all(is_in_place) {
            let reason = "its logs do not stand in order".to_owned();
            return Err(ReceiptError::Shape { reason });
        }
        let later = self.successions.iter().flat_map(|it| &it.rotations);
        for line in self.begins().chain(&self.rotations).chain(later) {
            let (count, max) = (line.proof.len(), PROOF_HASHES_MAX);
            if count > max {
                return Err(ReceiptError::TooMany { what: "hashes in a proof", count, max });
            }
            if line.index > JSON_INTEGER_MAX {
                let reason = "a number above 2^53-1".to_owned();
                return Err(ReceiptError::Shape { reason });
            }
        }
        Ok(())
    }
}
