//! What keeps this user from reading or adding to a log that is not the one that they know: one that
//! nobody believed vouches for, one that was rolled back, one that has another successor.

use std::path::{Path, PathBuf};

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, log_contains};
use sigillo_model::{ErrorKind, GENERATIONS_MAX};

use crate::{context::Context, error::CommandError};

impl Context {
    /// Opens the archive for reading. That another log begins meanwhile is an error then, for who
    /// vouches for it was not asked.
    pub(crate) async fn archive(&self) -> Result<Archive, CommandError> {
        let archive = self.opened().await?;
        archive.learn().await?;
        if self.lacks_log(&archive)?.is_some() {
            archive.learn_hidden().await?;
        }
        archive.learn_no_more();
        self.refuse_unbelieved(&archive)?;
        Ok(archive)
    }

    /// Refuses to take a log for the archive's, if the trust store knows the archive and nothing in it
    /// vouches for that log, or knows more of it than it shows: whoever can write to the store can begin
    /// another, or write another archive of the same name in its place.
    fn refuse_unbelieved(&self, archive: &Archive) -> Result<(), CommandError> {
        if !self.trust.knows(archive) || self.trust.knowledge_of(archive)?.0 {
            return Ok(());
        }
        Err(self.unbelieved(archive)?)
    }

    /// Says why the log is not to be read: the archive lacks one that is known here, or something of it,
    /// or nobody who is believed vouches for it.
    pub(crate) fn unbelieved(&self, archive: &Archive) -> Result<CommandError, CommandError> {
        let generation = archive.generation();
        let is_shown_believed = self.trust.believes_shown(archive)?;
        let own = self.own_keys(archive).filter(|_| !is_shown_believed);
        let own = own.map(|keys| {
            format!(
                "the keys in {} began log {generation}: the same `sigillo log succeed` again completes it",
                keys.path().display()
            )
        });
        if let Some((words, file)) = self.lacks_log(archive)? {
            let words = format!("LOG_DIVERGED: {words}; nothing was written");
            let is_later = self.lost_logs(archive)?.iter().any(|it| it.generation > generation);
            let this = CommandError::new(ErrorKind::Integrity, words)
                .hint(BACKUP)
                .hint(format!("what is known is in {}", file.display()))
                .hint(if is_later { LOST_SUCCESSOR } else { OTHERS_WROTE });
            return Ok(match own {
                Some(own) => this.hint(own),
                None => this,
            });
        }
        if generation == 1 {
            let words = "LOG_UNBELIEVED: what the trust store says of this archive does not vouch for its \
                         log; nothing was read or written";
            let file = self.trust.file_of(archive.description().archive);
            return Ok(CommandError::new(ErrorKind::Integrity, words)
                .hint(format!("see what is believed of it: {}", file.display()))
                .hint(OTHERS_WROTE));
        }
        let words = format!(
            "LOG_UNBELIEVED: log {generation} of this archive began with commit {}, and nothing in the \
             trust store vouches for it; nothing was read or written",
            archive.opened(generation).unwrap_or_default()
        );
        let this = CommandError::new(ErrorKind::Integrity, words);
        if let Some(own) = own {
            return Ok(this.hint(own));
        }
        Ok(this
            .hint("`sigillo verify` says by whose act it began; ask the entity whether it is theirs")
            .hint("if it is, get what `sigillo trust export` prints there, and `sigillo trust add` it")
            .hint(format!(
                "if it is not, somebody wrote to the store who should not: keep these commits, and all \
                 of log-{generation}/, elsewhere and take them out of log/seq and the archive; the log \
                 before goes on then"
            )))
    }

    /// Returns the keys of a log that succeeded another, if they are this user's: nobody else can have
    /// begun it.
    pub(crate) fn own_keys(&self, archive: &Archive) -> Option<KeyFolder> {
        let keys = self.keys(archive).ok().filter(|_| archive.generation() > 1)?;
        let is_own = keys.log_signer().public_key()[..] == *archive.log_keys().first().public_key();
        is_own.then_some(keys)
    }

    /// Refuses a log that lacks what this user saw of it, or what these keys signed, if they are here.
    pub(crate) async fn refuse_diverged(&self, archive: &Archive) -> Result<(), CommandError> {
        self.refuse_older(archive).await?;
        let Ok(keys) = self.keys(archive) else { return Ok(()) };
        refuse_used_keys(archive, &keys)?;
        let Some(last) = keys.log_signer().last_signed()? else { return Ok(()) };
        if log_contains(archive, last).await? {
            return Ok(());
        }
        let words = format!(
            "LOG_DIVERGED: the log key signed a log of {} entries that is not this one; nothing was \
             written",
            last.size
        );
        Err(CommandError::new(ErrorKind::Integrity, words).hint(BACKUP))
    }

    /// Refuses to add to a log that lacks what this user saw of it, or of one that ended before it, before
    /// anything is written: the keys may have forgotten it, as those from a backup do.
    pub(crate) async fn refuse_older(&self, archive: &Archive) -> Result<(), CommandError> {
        let (words, file, hint) = match self.lacks_log(archive)? {
            Some((words, file)) => (words, file, None),
            None => match self.lacked_head(archive).await? {
                Some((head, words)) if head.met_in.is_some() => {
                    (words, self.met_file(archive), Some(KEYS_KNOWN))
                }
                Some((_, words)) => (words, self.seen_file(archive), None),
                None => match self.lacked_by_ended(archive).await? {
                    Some((words, file)) => (words, file, Some(SAID_LOST)),
                    None => return Ok(()),
                },
            },
        };
        let words = format!("LOG_DIVERGED: {words}; nothing was written");
        let this = CommandError::new(ErrorKind::Integrity, words).hint(BACKUP);
        let this = hint.into_iter().fold(this, CommandError::hint);
        Err(this.hint(format!("what is known is remembered in {}", file.display())))
    }
}

/// What to do about a log that is older than what is known of it.
pub(crate) const BACKUP: &str =
    "the store may have been restored from a backup: bring back its newest state";

/// What to do about a file that shows more of a log than the log has.
const KEYS_KNOWN: &str = "if nothing is lost, others have the keys and made that file: `sigillo log succeed \
                          --reason keys-exposed` ends the log as it is, and what they signed counts no more";

/// What to do about a log that ended and lacks what was seen of it.
const SAID_LOST: &str = "if that was lost when the log ended (`sigillo verify` says so, F308), get what \
                         `sigillo trust export` prints where the next one began, and `sigillo trust add` it";

/// What to do about a log that is another one than the archive's.
const OTHERS_WROTE: &str = "if it was not, somebody wrote to the store who should not: keep it as it is, and \
                            bring the archive back from a copy";

/// What to do about a log that came after another, and is nowhere any more.
const LOST_SUCCESSOR: &str = "if that log is lost for good, `sigillo log succeed --lost-successor` goes on \
                              without it: it says what is lost, and what it keeps elsewhere";

/// Refuses to go on with a log where the keys of a later one were used already: the archive had that,
/// and does not show it.
pub(crate) fn refuse_used_keys(archive: &Archive, keys: &KeyFolder) -> Result<(), CommandError> {
    let generation = archive.generation();
    let base = base_of(keys.path(), generation);
    for later in generation + 1..=GENERATIONS_MAX {
        let folder = keys_of_log(&base, later);
        let Ok(signer) = KeyFolder::open_log_signer(&folder) else { continue };
        if let Ok(Some(last)) = signer.last_signed() {
            let words = format!(
                "LOG_DIVERGED: the keys in {} signed {} entries of log {later}, which this archive \
                 does not show; nothing was written",
                folder.display(),
                last.size
            );
            return Err(CommandError::new(ErrorKind::Integrity, words)
                .hint(BACKUP)
                .hint(LOST_SUCCESSOR));
        }
    }
    Ok(())
}

/// Returns the folder of the keys of the log of a generation: those of the first lie in the key folder
/// itself, those of the next in `g2` below it.
pub(crate) fn keys_of_log(folder: &Path, generation: u64) -> PathBuf {
    if generation <= 1 { folder.to_owned() } else { folder.join(format!("g{generation}")) }
}

/// Returns the key folder that the folder of the keys of a log is, or lies in.
pub(crate) fn base_of(folder: &Path, generation: u64) -> PathBuf {
    let above = folder.parent().filter(|above| keys_of_log(above, generation) == folder);
    above.map_or_else(|| folder.to_owned(), Path::to_owned)
}
