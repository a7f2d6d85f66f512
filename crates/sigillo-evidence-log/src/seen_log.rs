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
    /// The newest head that was seen of it; nothing if none was.
    pub head: Option<SignedHead>,
    /// When that was seen, if it is known.
    pub at: Option<LogTime>,
    /// The keys that it must have; nothing if it was only seen.
    pub believed: Option<BelievedKeys>,
    /// Where it ended, if that was told apart from the archive.
    pub ended: Option<SignedHead>,
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
        let seen = match self.head {
            Some(head) => format!("was seen with {} entries {}", head.size, self.when()),
            None => "was seen earlier, or is believed".to_owned(),
        };
        format!(
            "log {} of this archive {seen}, and here is none with its key: the archive was rolled back or \
             rewritten",
            self.generation
        )
    }

    /// Says when its head was seen.
    pub(crate) fn when(&self) -> String {
        self.at.map_or_else(|| "earlier".to_owned(), |at| format!("on {at}"))
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
