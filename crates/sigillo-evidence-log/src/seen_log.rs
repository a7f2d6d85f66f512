//! The logs that an archive must have, and what is said of one that it does not have, or has otherwise.

use sigillo_authorities::SignedHead;
use sigillo_merkle::{KeysOfLog, VerifierKey};
use sigillo_model::LogTime;

/// A log that an archive must have, because it was seen earlier or is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenLog {
    /// Its generation, from 1.
    pub generation: u64,
    /// The first key that its checkpoints are signed with.
    pub log: VerifierKey,
    /// Heads that were seen or met of it and that it must contain.
    pub heads: Vec<SeenHead>,
    /// The keys that it must have; nothing if it was only seen.
    pub believed: Option<BelievedKeys>,
    /// Where it ended, if that was told apart from the archive.
    pub ended: Option<SignedHead>,
}

/// A head of a log that was seen in the archive, or met in what was made from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeenHead {
    /// The head.
    pub head: SignedHead,
    /// When that was, if it is known.
    pub at: Option<LogTime>,
    /// The name of the file that it was met in, as of a bundle; nothing if it was seen in the archive.
    pub met_in: Option<String>,
}

/// What is believed of the keys of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BelievedKeys {
    /// The key that its commits are signed with.
    pub commit: VerifierKey,
    /// The keys that its checkpoints are signed with, as far as they are known.
    pub log: KeysOfLog,
}

impl SeenLog {
    /// Says that an archive has no such log.
    pub fn lost_words(&self) -> String {
        let seen = match self.heads.first() {
            Some(it) => format!("was {} with {} entries {}", it.place(), it.head.size, it.when()),
            None => "was seen earlier, or is believed".to_owned(),
        };
        format!(
            "log {} of this archive {seen}, and here is none with its key: the archive was rolled back or \
             rewritten",
            self.generation
        )
    }
}

impl SeenHead {
    /// Says how it came to be known, and when.
    pub fn how(&self) -> String {
        format!("{} {}", self.place(), self.when())
    }

    fn place(&self) -> String {
        self.met_in.as_ref().map_or_else(|| "seen".to_owned(), |file| format!("met in {file}"))
    }

    fn when(&self) -> String {
        self.at.map_or_else(|| "earlier".to_owned(), |at| format!("on {at}"))
    }

    /// Says that a log does not contain it, and what that can mean; `of` names the log behind the size, and
    /// `log` is what the sentence calls it.
    pub fn lacked_words(&self, of: &str, log: &str) -> String {
        let either = if self.met_in.is_none() {
            "it was rolled back or rewritten"
        } else {
            "either it was rolled back or rewritten, or others have its keys and made that file; then its owner \
             ends the newest log with `sigillo log succeed --reason keys-exposed`"
        };
        let (size, how) = (self.head.size, self.how());
        format!("a checkpoint of {size} entries{of} was {how}; {log} does not contain it: {either}")
    }
}

impl BelievedKeys {
    /// Says how a log that an archive shows is not the one that is believed, though it has its first key:
    /// its commits are signed with `commit`, its checkpoints with `keys`. Nothing if it may be that.
    pub fn contradiction(
        &self,
        generation: u64,
        commit: &VerifierKey,
        keys: &KeysOfLog,
    ) -> Option<String> {
        if self.commit != *commit {
            return Some(format!(
                "the commits of log {generation} are signed with another key than the one that is \
                 believed: the archive was rewritten"
            ));
        }
        let index = self.log.first_lacking(keys)?;
        Some(format!(
            "entry {index} of log {generation} gave it another key, by what is believed, and here it does \
             not: the archive was rolled back or rewritten"
        ))
    }
}
