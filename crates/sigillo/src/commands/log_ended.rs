//! Checkpoints of logs that ended and that these do not contain: what each says, by the act of the end.

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{Archive, Uncontained, ended_log_contains, uncontained};
use sigillo_merkle::{Checkpoint, KeysOfLog, SignedNote, VerifierKey};
use sigillo_model::{
    ErrorKind, Finding, FindingCode, GENERATIONS_MAX, ObjectKey, Sha256Digest, Succession,
    SuccessionReason,
};

use crate::{context::Context, error::CommandError, output::counted};

/// Tells beside an error what a checkpoint may be of that bears the name of a log of the archive, and not the
/// signature that it should.
pub(crate) fn told_of_unsigned(
    error: CommandError,
    archive: &Archive,
    note: &[u8],
) -> CommandError {
    unsigned_words(archive, note).into_iter().fold(error, CommandError::hint)
}

/// Says what a note may be that bears the name of a log of the archive, or of one after its newest, and not the
/// signature of that log's key of its size; nothing if it bears no such name, or nobody's signature.
pub(crate) fn unsigned_words(archive: &Archive, note: &[u8]) -> Option<String> {
    let keys = (1..=archive.generation()).map_while(|it| archive.log_keys_of(it));
    let origin_of = |it| archive.description().origin_of(it);
    words_of_unsigned(&keys.collect::<Vec<_>>(), origin_of, note)
}

/// Says it by the keys of all logs, oldest first.
fn words_of_unsigned(
    logs: &[KeysOfLog],
    origin_of: impl Fn(u64) -> String,
    note: &[u8],
) -> Option<String> {
    const ASK: &str =
        "Ask the entity, and `sigillo trust add` what `sigillo trust export` prints there";
    let stated = str::from_utf8(note).ok().and_then(Checkpoint::stated)?;
    let generation = (1..=GENERATIONS_MAX).find(|it| origin_of(*it) == stated.origin)?;
    let index = usize::try_from(generation - 1).ok()?;
    let Some(keys) = logs.get(index) else {
        return Some(format!(
            "it bears the name of log {generation} of this archive, and the newest here is log {}: either \
             the archive was put back to before log {generation} began, or somebody made the file up. {ASK}",
            logs.len()
        ));
    };
    if keys.is_stranger(note) {
        let lost = if generation > 1 {
            format!(
                "if log {generation} took the place of a lost one (`sigillo log succeed --lost-successor`), it \
                 is of the lost one, and what the archive does not have of that has to be ingested again; else "
            )
        } else {
            String::new()
        };
        return Some(format!(
            "it bears the name of log {generation} of this archive and the signature of a key that this log \
             does not know: {lost}the archive was put back to before that key came in the place of the one \
             here, or is another one of this name, or somebody made the file up. {ASK}"
        ));
    }
    let signed = SignedNote::parse(note).ok()?;
    let of_size = keys.of_size(stated.size);
    let is_by =
        |key: &&VerifierKey| *key != of_size && signed.verify(std::slice::from_ref(*key)).is_ok();
    keys.iter().find(is_by).map(|_| {
        format!(
            "a key of log {generation} of this archive signed it that does not sign for {} here: either the \
             archive was rewritten, with that key rotated elsewhere, or somebody else has the key. Keep the \
             file. {ASK}",
            counted(stated.size, "entry")
        )
    })
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

#[cfg(test)]
mod tests {
    use sigillo_merkle::{NoteSignature, TreeHash, rotation_text};
    use sigillo_model::Signer as _;
    use sigillo_testkit::MemorySigner;

    use super::*;

    fn origin_of(generation: u64) -> String {
        if generation == 1 { "log".to_owned() } else { format!("log/g{generation}") }
    }

    fn key(generation: u64, seed: u64) -> VerifierKey {
        let public_key = MemorySigner::new(seed).public_key().try_into().unwrap();
        VerifierKey::new_ed25519(origin_of(generation), public_key).unwrap()
    }

    /// A checkpoint of the log of a generation, signed by the key of a seed.
    fn checkpoint(generation: u64, seed: u64, size: u64) -> Vec<u8> {
        let root = TreeHash::from_bytes([7; 32]);
        let text = Checkpoint { origin: origin_of(generation), size, root }.to_text();
        let signature = MemorySigner::new(seed).sign(text.as_bytes()).unwrap();
        let signature =
            NoteSignature::ed25519(&key(generation, seed), signature.try_into().unwrap());
        SignedNote::new(text, vec![signature]).unwrap().to_bytes()
    }

    #[test]
    fn a_checkpoint_without_the_signature_that_it_should_have_is_said_to_be_what_it_may_be() {
        let mut first = KeysOfLog::new(key(1, 1));
        let signature = MemorySigner::new(1).sign(rotation_text(1, &key(1, 8)).as_bytes()).unwrap();
        let line = NoteSignature::ed25519(&key(1, 1), signature.try_into().unwrap()).to_line();
        first.rotate(12, 1, &key(1, 8).to_string(), line.trim_end()).unwrap();
        let logs = [first, KeysOfLog::new(key(2, 2))];
        let check = |note: &[u8], expected: &[&str]| {
            let words = words_of_unsigned(&logs, origin_of, note).unwrap_or_default();
            assert_eq!(words.is_empty(), expected.is_empty(), "{words}");
            for expected in expected {
                assert!(words.contains(expected), "{expected}: {words}");
            }
        };
        // By a key of the log, and not that of its size: of before a rotation, and of after it.
        check(&checkpoint(1, 1, 22), &["of log 1 of this archive signed it", "was rewritten"]);
        check(&checkpoint(1, 8, 9), &["of log 1 of this archive signed it", "was rewritten"]);
        // By one that it does not know.
        check(
            &checkpoint(1, 9, 22),
            &["put back to before that key came", "another one of this name"],
        );
        check(&checkpoint(2, 9, 22), &["took the place of a lost one", "put back to before"]);
        check(&checkpoint(3, 9, 22), &["log 3 of this archive", "the newest here is log 2"]);
        // As it should be, of another archive, and nobody's.
        check(&checkpoint(1, 8, 22), &[]);
        check(&checkpoint(1, 1, 12), &[]);
        check(b"log/x\n1\nAA==\n", &[]);
        let text =
            Checkpoint { origin: origin_of(1), size: 22, root: TreeHash::from_bytes([7; 32]) };
        check(text.to_text().as_bytes(), &[]);
    }
}
