//! Other keys of the log: learning them from the commits, and rotating to the next.

use sigillo_authorities::CheckpointSigner;
use sigillo_merkle::{KeysOfLog, NoteSignature, RotationError, VerifierKey, rotation_text};
use sigillo_model::{Entry, KeyRotated, LogTime};

use crate::{Archive, Commit, CommitOutcome, LogError, LogView, LogWriter};

/// At most this often a rotation is tried again because others were faster.
const ROTATE_ATTEMPTS_MAX: u32 = 1000;

/// A rotation of the log's key and where the log has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedRotation {
    /// What the log says of it.
    pub body: KeyRotated,
    /// The commit that has it.
    pub commit: u64,
    /// The time of that commit.
    pub at: LogTime,
    /// Place of its entry in its log, from 0.
    pub entry_index: u64,
    /// The generation of that log.
    pub generation: u64,
}

/// What one process knows of the keys of a log.
#[derive(Clone, Debug)]
pub(crate) struct KnownKeys {
    pub(crate) keys: KeysOfLog,
    /// The commit up to which they are known: the newest with a rotation, 0 for none.
    newest: u64,
}

impl KnownKeys {
    pub(crate) fn new(first: VerifierKey) -> Self {
        Self { keys: KeysOfLog::new(first), newest: 0 }
    }
}

/// Takes in a rotation; one that does not count leaves the keys as they are.
fn take(keys: &mut KeysOfLog, index: u64, body: &KeyRotated) -> Result<(), RotationError> {
    keys.rotate(index, body.number, &body.log, &body.signature)
}

impl LogView {
    /// Returns the keys that the checkpoints of the newest log are signed with, `first` being the first,
    /// and the rotations that do not count.
    pub fn log_keys(
        &self,
        first: VerifierKey,
    ) -> (KeysOfLog, Vec<(&LoggedRotation, RotationError)>) {
        self.log_keys_of(self.generation(), first)
    }

    /// Returns those of the log of a generation.
    pub fn log_keys_of(
        &self,
        generation: u64,
        first: VerifierKey,
    ) -> (KeysOfLog, Vec<(&LoggedRotation, RotationError)>) {
        let (mut keys, mut faults) = (KeysOfLog::new(first), Vec::new());
        for rotation in self.rotations.iter().filter(|it| it.generation == generation) {
            if let Err(fault) = take(&mut keys, rotation.entry_index, &rotation.body) {
                faults.push((rotation, fault));
            }
        }
        (keys, faults)
    }
}

impl Archive {
    /// Learns the keys of the log up to a commit, from it and those that it leads back to.
    pub(crate) async fn learn_keys(&self, commit: &Commit) -> Result<(), LogError> {
        let Some(target) = commit.rotated_after() else { return Ok(()) };
        let generation = commit.header.generation;
        loop {
            let Some(base) = self.known_keys(generation, |known| known.newest) else {
                return Ok(());
            };
            let mut found = Vec::new();
            let mut number = target;
            while number > base {
                let read;
                let has = if number == commit.header.commit {
                    commit
                } else {
                    read = self.read_commit(number).await?;
                    read.as_ref().ok_or(LogError::CommitMissing { number })?
                };
                found.extend(has.rotations().map(|(index, body)| (index, body.clone())));
                let before = has.header.rotated.unwrap_or(0);
                // A header that points forward is damage, which an audit names.
                number = if before < number { before } else { base };
            }
            found.sort_by_key(|(index, _)| *index);
            let is_learned = self.known_keys(generation, |known| {
                if known.newest != base {
                    return false;
                }
                for (index, body) in &found {
                    // What does not count is damage, which an audit names.
                    if let Err(error) = take(&mut known.keys, *index, body) {
                        tracing::warn!(%error, index, "a rotation of the log's key does not count");
                    }
                }
                known.newest = target.max(base);
                true
            });
            if is_learned != Some(false) {
                return Ok(());
            }
        }
    }

    /// Works on what is known of the keys of a generation; nothing if that is not known.
    fn known_keys<T>(&self, generation: u64, work: impl FnOnce(&mut KnownKeys) -> T) -> Option<T> {
        self.with_logs(|logs| logs.of_mut(generation).map(|it| work(&mut it.keys)))
    }
}

/// A rotation that was made or completed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RotatedKey {
    /// Number of the rotation, from 1.
    pub number: u64,
    /// The key until then.
    pub old: VerifierKey,
    /// The key from here on.
    pub new: VerifierKey,
    /// A checkpoint signed by it.
    pub checkpoint: String,
}

/// Returns whether the newest rotation in the log was interrupted before its key had signed: opening
/// the log for writing completes it.
///
/// # Errors
///
/// [`LogError::Keys`] if the memory of what was signed cannot be read.
pub fn is_rotation_unfinished(view: &LogView, signer: &CheckpointSigner) -> Result<bool, LogError> {
    let last = signer.last_signed().map_err(LogError::keys("reading what was signed last"))?;
    let is_before = |it: &LoggedRotation| last.is_none_or(|last| last.size <= it.entry_index);
    let newest = view.rotations.last().filter(|it| it.generation == view.generation());
    Ok(newest.is_some_and(is_before))
}

/// Rotates the log's key to the next one of the key folder, which is made if it is not there yet.
///
/// The new key is durable before anything is committed, so that whatever a crash leaves is completed
/// by the next call: until the entry is in the log the key before it signs, from then on the new one.
/// `signer` is any of the log's keys. Others that rotate at once end up with the same key.
///
/// # Errors
///
/// [`LogError::Keys`] if the key folder cannot make, read or use a key; otherwise as
/// [`LogWriter::commit`]. [`LogError::Crowded`] if others were faster every time.
pub async fn rotate_log_key(
    writer: &mut LogWriter,
    signer: &CheckpointSigner,
) -> Result<RotatedKey, LogError> {
    let old = writer.archive().log_keys().current().clone();
    let old_signer =
        signer.of_key(old.public_key()).map_err(LogError::keys("reading the log's key"))?;
    let next = old_signer.next_key().map_err(LogError::keys("making the next key of the log"))?;
    let new = VerifierKey::new_ed25519(old.name(), next.public_key())
        .map_err(|error| LogError::BadDescription { reason: error.to_string() })?;
    let number = writer.archive().log_keys().rotations() + 1;
    let text = rotation_text(number, &new);
    let signature = old_signer
        .sign_rotation(text.as_bytes())
        .map_err(LogError::keys("signing the next key of the log"))?;
    let line = NoteSignature::ed25519(&old, signature).to_line();
    let entry = Entry::KeyRotated(KeyRotated {
        log: new.to_string(),
        number,
        signature: line.trim_end().to_owned(),
    });
    for _ in 0..ROTATE_ATTEMPTS_MAX {
        // Somebody else may have rotated to the same key meanwhile: once is enough.
        if writer.archive().log_keys().contains(&new) {
            let checkpoint = writer.signed_checkpoint().await?;
            return Ok(RotatedKey { number, old, new, checkpoint });
        }
        if let CommitOutcome::Committed(done) = writer.commit(std::slice::from_ref(&entry)).await? {
            return Ok(RotatedKey { number, old, new, checkpoint: done.checkpoint });
        }
    }
    Err(LogError::Crowded { attempts: ROTATE_ATTEMPTS_MAX })
}
