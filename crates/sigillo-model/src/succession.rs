//! How a log is succeeded by the next: what the log says of it, and the act that a person signs.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{ArchiveId, LogTime, Sha256Digest};

/// The format of the acts that this program writes and reads.
pub const SUCCESSION_ACT_FORMAT: u32 = 1;

/// Largest act accepted, in bytes.
pub const SUCCESSION_ACT_BYTES_MAX: u64 = 64 << 10;

/// Most bytes of the words that give the reason.
pub const SUCCESSION_WORDS_BYTES_MAX: usize = 4096;

/// Most bytes of the checkpoint of the old log that an act names.
pub const SUCCESSION_CHECKPOINT_BYTES_MAX: usize = 4096;

/// Most logs of one archive, one after the other.
pub const GENERATIONS_MAX: u64 = 64;

/// The clocks of who ends a log and of those who time-stamp it may differ by so much, in seconds.
pub const CLOCK_TOLERANCE_SECONDS: i64 = 600;

/// First line of what the key of the old log signs to name the new one: no checkpoint and no rotation
/// begins so.
const SUCCESSION_HEADER: &str = "sigillo log succession v1";

/// Why a log is succeeded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SuccessionReason {
    /// The store was restored from a backup, and what came after that is lost.
    BackupRestored,
    /// The certificates of seal and trial authority come to their end, or have ended.
    CertificatesEnded,
    /// The hash function of the log comes to its end.
    HashFunction,
    /// Somebody else may have the keys.
    KeysExposed,
    /// A key of the log or of its commits is lost.
    KeysLost,
    /// The keys signed two logs that do not continue each other.
    LogForked,
    /// The newest commits are lost.
    TailLost,
}

impl SuccessionReason {
    /// Says it in words, behind "because".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::BackupRestored => "the store was restored from a backup",
            Self::CertificatesEnded => "its certificates come to their end",
            Self::HashFunction => "its hash function comes to its end",
            Self::KeysExposed => "somebody else may have its keys",
            Self::KeysLost => "its keys are lost",
            Self::LogForked => "its keys signed two histories",
            Self::TailLost => "its newest commits are lost",
        }
    }
}

impl SuccessionReason {
    /// Tells whether others than the archive may sign with the keys of the log that ended.
    pub const fn others_may_sign(self) -> bool {
        matches!(self, Self::KeysExposed | Self::LogForked)
    }
}

/// Where one log ends and how the next begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Succession {
    /// The newest checkpoint of the old log that is known, whole or without signatures; absent if none
    /// is. It can cover more entries than the old log has now: then the others are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The key that signs commits from here on, as a C2SP verifier key.
    pub commit: String,
    /// The generation that begins, from 2.
    pub generation: u64,
    /// The last commit of the old log.
    pub last: u64,
    /// SHA-256 of that commit's object.
    pub last_sha256: Sha256Digest,
    /// The first key of the new log, as a C2SP verifier key.
    pub log: String,
    /// Why it begins.
    pub reason: SuccessionReason,
    /// RFC 6962 root over all entries of the old log.
    pub root: Sha256Digest,
    /// The certificate of the seal key, PEM, if it is another than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// Entries of the old log.
    pub size: u64,
}

/// What is known of a log that ended beyond its end, by the newest checkpoint that a succession names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BeyondEnd {
    /// Nothing: no checkpoint was known, or it covers no more than the log has.
    Nothing,
    /// It covers so many entries more, which are lost.
    Lost(u64),
    /// It is of another history, or may be: where that parts from the log is not known, and whatever it
    /// covers that is not in the log is not vouched for.
    Other {
        /// Entries that it covers.
        size: u64,
    },
}

impl BeyondEnd {
    /// Counts the entries that are lost; nothing if that cannot be told.
    pub const fn lost(self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Lost(entries) => Some(entries),
            Self::Other { .. } => None,
        }
    }

    /// Says it in words, behind where and why the log ended.
    pub fn in_words(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Lost(entries) => {
                format!("; {entries} entries that a checkpoint of it covers are lost")
            }
            Self::Other { size } => format!(
                "; a checkpoint of {size} entries was known, which this log does not contain: what it \
                 covers and this log does not have is not vouched for"
            ),
        }
    }
}

impl Succession {
    /// Tells what is known of the old log beyond its end; `stated` are size and root of the
    /// [`checkpoint`](Self::checkpoint).
    ///
    /// Where others may sign with the keys of the old log, what covers more may be theirs: nothing of
    /// that is counted as lost.
    pub fn beyond_end(&self, stated: Option<(u64, Sha256Digest)>) -> BeyondEnd {
        let Some((size, root)) = stated else { return BeyondEnd::Nothing };
        match size.cmp(&self.size) {
            Ordering::Less => BeyondEnd::Nothing,
            Ordering::Equal if root == self.root => BeyondEnd::Nothing,
            Ordering::Greater if !self.reason.others_may_sign() => {
                BeyondEnd::Lost(size - self.size)
            }
            _ => BeyondEnd::Other { size },
        }
    }
}

/// `log.succeeded`: a log ends, and another begins in its place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LogSucceeded {
    /// SHA-256 of the act.
    pub act_sha256: Sha256Digest,
    /// The signature line of the old log's key over [`text`](Self::text), without newline; absent if that
    /// key is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// SHA-256 of the signature over the act (CAdES, detached).
    pub signature_sha256: Sha256Digest,
    /// What the act says.
    #[serde(flatten)]
    pub succession: Succession,
}

impl LogSucceeded {
    /// Returns what the key of the old log signs; `origin` is that of the old log.
    pub fn text(&self, origin: &str) -> String {
        let Succession { commit, generation, last, last_sha256, log, root, size, .. } =
            &self.succession;
        format!(
            "{SUCCESSION_HEADER}\n{origin}\n{generation}\n{last} {last_sha256}\n{size} {root}\n{log}\n\
             {commit}\n{}\n",
            self.act_sha256
        )
    }
}

/// What the responsible person of the entity signs: that one log ends, why, and how the next begins.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SuccessionAct {
    /// The archive.
    pub archive: ArchiveId,
    /// When the act was written, by our clock.
    pub at: LogTime,
    /// The time of what the log has of later than `at`, if the act says that it was made by a clock that was
    /// ahead, and that the log ends all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<LogTime>,
    /// [`SUCCESSION_ACT_FORMAT`].
    pub format: u32,
    /// What the log will say.
    #[serde(flatten)]
    pub succession: Succession,
    /// The reason in words.
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, parse_canonical, to_canonical};

    fn succession() -> Succession {
        Succession {
            checkpoint: None,
            commit: "c".to_owned(),
            generation: 2,
            last: 7,
            last_sha256: Sha256Digest::of(b"7"),
            log: "l".to_owned(),
            reason: SuccessionReason::TailLost,
            root: Sha256Digest::of(b"root"),
            seal: None,
            size: 21,
        }
    }

    #[test]
    fn an_act_and_its_entry_are_read_as_they_were_written() {
        let at = LogTime::new("2026-11-24T10:00:00Z".parse().unwrap());
        let act = SuccessionAct {
            archive: ArchiveId::from_bytes([1; 16]),
            at,
            clock_ahead: None,
            format: SUCCESSION_ACT_FORMAT,
            succession: succession(),
            words: "the disk".to_owned(),
        };
        let bytes = to_canonical(&act);
        assert_eq!(parse_canonical::<SuccessionAct>(&bytes), Ok(act.clone()));
        assert!(!String::from_utf8_lossy(&bytes).contains("clock"));
        let act = SuccessionAct { clock_ahead: Some(at), ..act };
        assert_eq!(parse_canonical::<SuccessionAct>(&to_canonical(&act)), Ok(act));
        let body = LogSucceeded {
            act_sha256: Sha256Digest::of(&bytes),
            signature: None,
            signature_sha256: Sha256Digest::of(b"signature"),
            succession: succession(),
        };
        let line = Entry::LogSucceeded(Box::new(body.clone())).to_line().unwrap();
        assert_eq!(Entry::parse_line(&line), Ok(Entry::LogSucceeded(Box::new(body))));
    }

    #[test]
    fn no_more_is_counted_as_lost_than_what_the_log_lost() {
        use SuccessionReason::{BackupRestored, KeysExposed, LogForked, TailLost};
        let (end, other) = (Sha256Digest::of(b"root"), Sha256Digest::of(b"other"));
        for (reason, stated, known) in [
            (TailLost, None, BeyondEnd::Nothing),
            (TailLost, Some((20, other)), BeyondEnd::Nothing),
            (TailLost, Some((21, end)), BeyondEnd::Nothing),
            (TailLost, Some((21, other)), BeyondEnd::Other { size: 21 }),
            (BackupRestored, Some((24, other)), BeyondEnd::Lost(3)),
            (LogForked, Some((24, other)), BeyondEnd::Other { size: 24 }),
            (KeysExposed, Some((24, other)), BeyondEnd::Other { size: 24 }),
            (KeysExposed, Some((21, end)), BeyondEnd::Nothing),
        ] {
            let terms = Succession { reason, ..succession() };
            assert_eq!(terms.beyond_end(stated), known, "{reason:?} {stated:?}");
        }
        assert_eq!(BeyondEnd::Other { size: 24 }.lost(), None);
    }
}
