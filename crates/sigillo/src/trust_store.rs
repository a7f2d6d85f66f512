//! The trust store: whose logs and certificates this user believes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use sigillo_ers::TrustAnchors;
use sigillo_evidence_log::{Archive, BelievedKeys};
use sigillo_merkle::VerifierKey;
use sigillo_model::{ArchiveId, ErrorKind, parse_json};
use sigillo_proof::{ArchiveSection, ReceiptTrust};

use crate::{
    error::CommandError,
    places::{json_files, read_beginning, write_new, write_whole},
    trust::Trusted,
};

/// Largest file of the trust store, in bytes.
const TRUST_BYTES_MAX: u64 = 1 << 20;

/// At most so many members are named that are not known, each with so many characters.
const UNKNOWN_MAX: usize = 20;
const UNKNOWN_CHARS_MAX: usize = 100;

/// At most so many archives are believed.
const TRUSTED_MAX: usize = 10_000;

/// A folder with one file for each archive that is believed.
#[derive(Clone, Debug)]
pub(crate) struct TrustStore {
    folder: PathBuf,
}

impl TrustStore {
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads everybody who is believed, by archive id.
    pub(crate) fn list(&self) -> Result<Vec<Trusted>, CommandError> {
        Ok(self.files()?.into_iter().map(|it| it.1).collect())
    }

    /// Reads all files, in the order of their names.
    fn files(&self) -> Result<Vec<(PathBuf, Trusted)>, CommandError> {
        let read = |path: PathBuf| read_trusted(&path).map(|it| (path, it));
        json_files(&self.folder, TRUSTED_MAX)?.into_iter().map(read).collect()
    }

    /// Joins all files of one archive, whatever they are called; nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if one cannot be used, or two contradict each other.
    pub(crate) fn joined_of(&self, archive: ArchiveId) -> Result<Option<Trusted>, CommandError> {
        let mut files = self.files()?;
        files.retain(|(_, it)| it.archive == archive);
        let mut all: Option<Trusted> = None;
        for (at, (path, trusted)) in files.iter().enumerate() {
            trusted.check()?;
            let Some(known) = all.take() else {
                all = Some(trusted.clone());
                continue;
            };
            all = Some(known.joined(trusted).map_err(|what| {
                let mut before = files.iter().take(at);
                let other = before.find(|it| it.1.clone().joined(trusted).is_err());
                let other = other.map_or(path, |it| &it.0);
                let words = format!(
                    "{} and {} contradict each other about the archive of {}: {what}",
                    other.display(),
                    path.display(),
                    trusted.entity
                );
                CommandError::new(ErrorKind::Invalid, words).hint(
                    "ask the entity by another way which is theirs, and take the other one out",
                )
            })?);
        }
        Ok(all)
    }

    /// Believes an archive from now on. Certificates that were believed before stay so, as far as
    /// they can be used. Returns what is believed now.
    pub(crate) fn add(&self, trusted: &Trusted) -> Result<Trusted, CommandError> {
        trusted.check()?;
        let path = self.file_of(trusted.archive);
        let merged = if path.exists() {
            read_trusted(&path)?.joined(trusted).map_err(|what| {
                let words = format!(
                    "the trust store has other keys for this archive of {}, or another end of a log: {what}",
                    trusted.entity
                );
                CommandError::new(ErrorKind::Invalid, words)
                    .hint(format!("if the change is right, remove {} first", path.display()))
            })?
        } else {
            trusted.clone()
        };
        write_whole(&path, &merged.to_json())?;
        Ok(merged)
    }

    /// Sees that what is stored of an archive can be used; returns how many certificates it has.
    pub(crate) fn check(&self, archive: &Archive) -> Result<usize, CommandError> {
        let trusted = read_trusted(&self.file_of(archive.description().archive))?;
        trusted.check()?;
        Ok(trusted.anchors.len())
    }

    /// Returns the file of what is believed of an archive.
    pub(crate) fn file_of(&self, archive: ArchiveId) -> PathBuf {
        self.folder.join(format!("{archive}.json"))
    }

    /// Tells whether anything is believed of an archive.
    pub(crate) fn knows(&self, archive: &Archive) -> bool {
        self.file_of(archive.description().archive).exists()
    }

    /// Reads what is believed of an archive; nothing if that is not in the trust store.
    pub(crate) fn of(&self, archive: &Archive) -> Result<Option<Trusted>, CommandError> {
        self.knows(archive)
            .then(|| read_trusted(&self.file_of(archive.description().archive)))
            .transpose()
    }

    /// Returns what is believed of the keys of each log of an archive, with its generation; nothing of one
    /// that is not in the trust store.
    pub(crate) fn believed_of(
        &self,
        archive: &Archive,
    ) -> Result<Vec<(u64, BelievedKeys)>, CommandError> {
        Ok(self.of(archive)?.map(|it| it.believed(archive)).unwrap_or_default())
    }

    /// Returns the logs after the first that are believed of an archive, each with its generation and
    /// its first key.
    pub(crate) fn successors_of(
        &self,
        archive: &Archive,
    ) -> Result<Vec<(u64, VerifierKey)>, CommandError> {
        let logs = self.believed_of(archive)?.into_iter().filter(|it| it.0 > 1);
        Ok(logs.map(|(generation, keys)| (generation, keys.log.first().clone())).collect())
    }

    /// Returns the certificates that are believed of an archive, PEM.
    pub(crate) fn anchors_of(&self, archive: &Archive) -> Result<Vec<String>, CommandError> {
        Ok(self.of(archive)?.map(|it| it.anchors).unwrap_or_default())
    }

    /// Returns whether the newest log that the archive shows is believed, whatever logs after it are
    /// believed as well.
    pub(crate) fn believes_shown(&self, archive: &Archive) -> Result<bool, CommandError> {
        Ok(self.of(archive)?.is_some_and(|it| it.vouches_for_newest(archive)))
    }

    /// Refuses an archive of which other keys are believed than those that it shows:
    /// [`add`](Self::add) would, too late.
    pub(crate) fn refuse_others(&self, archive: &Archive) -> Result<(), CommandError> {
        let Some(known) = self.of(archive)? else { return Ok(()) };
        let shown = Trusted::of(archive, Vec::new());
        if known.vouches_for_newest(archive) || known.joined(&shown).is_ok() {
            return Ok(());
        }
        let path = self.file_of(shown.archive);
        let words = format!("the trust store has other keys for this archive of {}", shown.entity);
        Err(CommandError::new(ErrorKind::Invalid, words)
            .hint(format!("see whose they are: {}; nothing was written", path.display())))
    }

    /// Takes back that logs are believed of an archive, each by its generation and first key, and keeps
    /// what was believed in a file with `kept` behind its name; tells whether any was.
    pub(crate) fn forget_successors(
        &self,
        archive: &Archive,
        lost: &[(u64, VerifierKey)],
        kept: &str,
    ) -> Result<bool, CommandError> {
        if !self.successors_of(archive)?.iter().any(|it| lost.contains(it)) {
            return Ok(false);
        }
        let path = self.file_of(archive.description().archive);
        let mut trusted = read_trusted(&path)?;
        write_new(
            &self.folder.join(format!("{}.json{kept}", trusted.archive)),
            &trusted.to_json(),
        )?;
        trusted.successors.retain(|it| {
            !lost.iter().any(|(number, key)| *number == it.generation && key.to_string() == it.log)
        });
        write_whole(&path, &trusted.to_json()).map(|()| true)
    }

    /// Returns whether the archive's log is believed, and which certificates count for it.
    pub(crate) fn knowledge_of(
        &self,
        archive: &Archive,
    ) -> Result<(bool, TrustAnchors), CommandError> {
        let mut anchors = TrustAnchors::new();
        self.add_listed(&mut anchors)?;
        let Some(trusted) = self.of(archive)?.filter(|it| it.matches(archive)) else {
            return Ok((false, anchors));
        };
        trusted.anchors_into(&mut anchors)?;
        Ok((true, anchors))
    }

    /// Does the same for a folder of exported files, whatever they are called.
    pub(crate) fn exported_trust(
        &self,
        section: &ArchiveSection,
    ) -> Result<ReceiptTrust, CommandError> {
        let mut trust = ReceiptTrust { witnesses: self.witnesses()?, ..ReceiptTrust::default() };
        self.add_listed(&mut trust.anchors)?;
        if let Some(trusted) = self.joined_of(section.id)?
            && trusted.names(section)
        {
            trusted.believe(&mut trust)?;
        }
        Ok(trust)
    }

    /// Returns the certificates of everybody who is believed.
    pub(crate) fn all_anchors(&self) -> Result<TrustAnchors, CommandError> {
        let mut anchors = TrustAnchors::new();
        self.add_listed(&mut anchors)?;
        for trusted in self.list()? {
            trusted.anchors_into(&mut anchors)?;
        }
        Ok(anchors)
    }

    /// Returns whom this user believes about the archive that a receipt names, with its log keys.
    pub(crate) fn receipt_trust(
        &self,
        section: &ArchiveSection,
    ) -> Result<ReceiptTrust, CommandError> {
        let mut trust = ReceiptTrust { witnesses: self.witnesses()?, ..ReceiptTrust::default() };
        self.add_listed(&mut trust.anchors)?;
        let path = self.file_of(section.id);
        if !path.exists() {
            return Ok(trust);
        }
        let trusted = read_trusted(&path)?;
        if trusted.names(section) {
            trusted.believe(&mut trust)?;
        }
        Ok(trust)
    }
}

/// Reads one file of the trust store, or one that was exported for it.
pub(crate) fn read_trusted(path: &Path) -> Result<Trusted, CommandError> {
    let bytes = read_file(path)?;
    let trusted: Trusted = parse_json(bytes.trim_ascii()).map_err(|error| {
        let words = format!("{} is not what `sigillo trust export` prints", path.display());
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(error.to_string());
        this
    })?;
    let Some(name) = trusted.stranger() else { return Ok(trusted) };
    let words = format!(
        "TRUST_UNUSABLE: {} is of archive {}, and its key {name:?} is not named so",
        path.display(),
        trusted.archive
    );
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("nobody speaks for the logs of another archive: take it out, and ask who made it"))
}

/// Names the members of an exported file that this version does not know, and that are not in `trusted`.
pub(crate) fn unknown_members(path: &Path, trusted: &Trusted) -> Result<Vec<String>, CommandError> {
    let bytes = read_file(path)?;
    let given: Value = parse_json(bytes.trim_ascii())
        .map_err(|error| CommandError::of(ErrorKind::Invalid, &error))?;
    let kept = serde_json::to_value(trusted).unwrap_or_default();
    let mut unknown = Vec::new();
    add_unknown(&given, &kept, "", &mut unknown);
    Ok(unknown)
}

/// Adds the members of `given` that `kept` does not have; nothing is told of one that says nothing.
fn add_unknown(given: &Value, kept: &Value, place: &str, unknown: &mut Vec<String>) {
    let says_nothing = |it: &Value| it.is_null() || it.as_array().is_some_and(Vec::is_empty);
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                let place = format!("{place}{name}");
                match kept.get(name) {
                    Some(kept) => add_unknown(value, kept, &format!("{place}."), unknown),
                    None if says_nothing(value) || unknown.len() >= UNKNOWN_MAX => {}
                    None => unknown.push(place.chars().take(UNKNOWN_CHARS_MAX).collect()),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (given, kept) in given.iter().zip(kept) {
                add_unknown(given, kept, place, unknown);
            }
        }
        _ => {}
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    let bytes = read_beginning(path, TRUST_BYTES_MAX)?;
    if bytes.len() as u64 > TRUST_BYTES_MAX {
        let words = format!("{} is too large for a trust file", path.display());
        return Err(CommandError::new(ErrorKind::Invalid, words));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_does_not_say_how_long_it_is_is_read_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let end = pipe.clone();
        let writer = std::thread::spawn(move || {
            let bytes = vec![b' '; usize::try_from(TRUST_BYTES_MAX).unwrap() + 2];
            // Who has read enough goes away.
            drop(std::fs::write(end, bytes));
        });
        let error = read_trusted(&pipe).unwrap_err();
        writer.join().unwrap();
        assert!(error.words[0].ends_with("is too large for a trust file"), "{error:?}");
    }

    #[test]
    fn nothing_but_files_is_read_from_a_folder_of_trust() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("x.json");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let store = TrustStore::in_folder(folder.path().to_owned());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(store.list().map(|_| ())));
        let read = receiver.recv_timeout(std::time::Duration::from_secs(10));
        let error = read.expect("it waits for a writer").unwrap_err();
        assert!(error.words[0].ends_with("x.json is not a file, and is not read"), "{error:?}");
    }
}
