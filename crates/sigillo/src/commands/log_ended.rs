//! Checkpoints of logs that ended and that these do not contain: what each says, by the act of the end.

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{Archive, Uncontained, ended_log_contains, uncontained};
use sigillo_merkle::Checkpoint;
use sigillo_model::{
    ErrorKind, Finding, FindingCode, ObjectKey, Sha256Digest, Succession, SuccessionReason,
};

use crate::{context::Context, error::CommandError, output::counted};

/// Tells what a checkpoint may be of that bears the name of a log of the archive and no signature by its keys.
pub(crate) fn told_of_lost(error: CommandError, archive: &Archive, note: &[u8]) -> CommandError {
    let stated = str::from_utf8(note).ok().and_then(Checkpoint::stated);
    let is_of = |it: &u64| {
        stated.as_ref().is_some_and(|stated| archive.description().origin_of(*it) == stated.origin)
    };
    let generation = (2..=archive.generation()).find(is_of);
    let keys = generation.and_then(|it| archive.log_keys_of(it));
    match generation.filter(|_| keys.is_some_and(|it| it.is_stranger(note))) {
        None => error,
        Some(generation) => error.hint(format!(
            "another key signed it for log {generation} of this archive: if that log took the place of a lost \
             one (`sigillo log succeed --lost-successor`), it is of the lost one, and what the archive does \
             not have of that has to be ingested again; else somebody made it up"
        )),
    }
}

/// A checkpoint of a log that ended and that does not contain it.
pub(crate) struct NotContained {
    generation: u64,
    end: Succession,
    /// The log that ended because others may sign with its keys, and why: this one or a later one.
    exposed: Option<(u64, SuccessionReason)>,
    size: u64,
    says: Uncontained,
}

impl NotContained {
    /// Looks whether a checkpoint is one; nothing if its log contains it, or did not end.
    pub(crate) async fn find(
        context: &Context,
        archive: &Archive,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Self>, CommandError> {
        let is_of = |it: &u64| archive.description().origin_of(*it) == checkpoint.origin;
        let Some(generation) = (1..archive.generation()).find(is_of) else { return Ok(None) };
        let next = generation + 1;
        let Some(end) = archive.succession(next).map(|it| it.succession) else { return Ok(None) };
        let size = checkpoint.size;
        let root = Sha256Digest::from_bytes(*checkpoint.root.as_bytes());
        let head = SignedHead { size, root };
        if ended_log_contains(archive, generation, head).await? {
            return Ok(None);
        }
        // Who believes the next log by the old key alone takes nobody's word for what is lost.
        let named = context.trust.successors_of(archive)?;
        let is_named = |it| {
            let shown = archive.log_keys_of(it).map(|keys| (it, keys.first().clone()));
            shown.is_some_and(|it| named.contains(&it))
        };
        let exposed = archive.exposed_since(generation).filter(|it| is_named(it.0 + 1));
        let theirs = exposed.is_some();
        let says =
            if is_named(next) { uncontained(&end, theirs, head) } else { Uncontained::Damage };
        Ok(Some(Self { generation, end, exposed, size, says }))
    }

    /// Says what is so, in a word for programs and in words, if it is no damage.
    pub(crate) fn explained(&self) -> Option<(&'static str, String)> {
        let Self { generation, end, exposed, size, says } = self;
        let ended = format!("log {generation} ended with {}", counted(end.size, "entry"));
        match says {
            Uncontained::Damage => None,
            Uncontained::Lost => {
                let words = format!(
                    "{ended}, and the checkpoint covers {size}: what it covers more is lost, as the act of \
                     that end says"
                );
                Some(("lost", words))
            }
            Uncontained::Theirs => {
                let why = exposed.filter(|it| it.0 != *generation).map_or_else(
                    || format!("it ended because {}", end.reason.in_words()),
                    |(log, reason)| {
                        let why = reason.in_words();
                        format!("log {log} ended because {why}, and the older ones lie beside them")
                    },
                );
                let words = format!(
                    "{ended} and does not contain the checkpoint of {size}: it may be anybody's who signs with \
                     those keys, for {why}"
                );
                Some(("unvouched", words))
            }
        }
    }

    /// Says what is so, as a verification does.
    pub(crate) fn told(&self) -> Told {
        let Self { generation, end, .. } = self;
        if let Some((_, words)) = self.explained() {
            return Told { code: FindingCode::OriginUnknown, words };
        }
        let words = format!(
            "log {generation} signed it, ended with {}, and does not contain it: it was rolled back or \
             rewritten",
            counted(end.size, "entry")
        );
        Told { code: FindingCode::LogRolledBack, words }
    }

    /// Refuses what was to rest on it, if it is no damage.
    pub(crate) fn refused(&self) -> Option<CommandError> {
        let (_, words) = self.explained()?;
        Some(CommandError::new(ErrorKind::Invalid, words).hint("nothing is wrong with the archive"))
    }
}

/// What a verification says of a checkpoint that a log that ended does not contain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) code: FindingCode,
    pub(crate) words: String,
}

impl Told {
    /// Says it of the checkpoint in a file, of so many entries.
    pub(crate) fn finding(&self, file: &str, size: u64) -> Finding {
        let object = match self.code {
            FindingCode::LogRolledBack => "log/seq".to_owned(),
            _ => ObjectKey::checkpoint().to_string(),
        };
        let (size, words) = (counted(size, "entry"), &self.words);
        Finding::new(self.code, object, format!("{file} is a checkpoint of {size}: {words}"))
    }
}
