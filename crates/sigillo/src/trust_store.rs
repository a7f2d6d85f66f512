//! The trust store: whose logs and certificates this user believes.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use sigillo_ers::TrustAnchors;
use sigillo_evidence_log::Archive;
use sigillo_merkle::VerifierKey;
use sigillo_model::{ArchiveId, ErrorKind, parse_json};
use sigillo_proof::{ArchiveSection, ReceiptTrust};

use crate::{
    error::CommandError,
    places::{write_new, write_whole},
    trust::{Trusted, TrustedSuccessor, certificates_in},
};

/// Largest file of the trust store, in bytes.
const TRUST_BYTES_MAX: u64 = 1 << 20;

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
        let entries = match self.folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(CommandError::file("listing", &self.folder, &error)),
        };
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
            .take(TRUSTED_MAX)
            .collect();
        paths.sort();
        paths.iter().map(|path| read_trusted(path)).collect()
    }

    /// Believes an archive from now on. Certificates that were believed before stay so, as far as
    /// they can be used. Returns what is believed now.
    pub(crate) fn add(&self, trusted: &Trusted) -> Result<Trusted, CommandError> {
        trusted.check()?;
        let path = self.file_of(trusted.archive);
        let known = path.exists().then(|| read_trusted(&path)).transpose()?;
        let mut merged = trusted.clone();
        if let Some(known) = known {
            let [older, newer] = [known.log_keys(), trusted.log_keys()].map(Result::ok);
            let grows = older.as_ref().zip(newer.as_ref()).is_some_and(|(older, newer)| {
                // Who signs for a key can name no other that came before it.
                newer.first() == older.first()
                    && (newer.contains(older.current()) || older.contains(newer.current()))
            });
            let differs = known.successors.iter().any(|it| {
                let mut new = trusted.successors.iter();
                new.any(|new| new.generation == it.generation && !new.has_keys_of(it))
            });
            if !grows || differs || known.commit != trusted.commit {
                let words = format!(
                    "the trust store has other keys for this archive of {}",
                    trusted.entity
                );
                return Err(CommandError::new(ErrorKind::Invalid, words)
                    .hint(format!("if the change is right, remove {} first", path.display())));
            }
            if !newer.zip(older).is_some_and(|(newer, older)| newer.contains(older.current())) {
                // What is known here goes on from there.
                (merged.log, merged.rotated) = (known.log, known.rotated);
            }
            merged.successors.extend(
                known.successors.into_iter().filter(|it| {
                    trusted.successors.iter().all(|new| new.generation != it.generation)
                }),
            );
            merged.successors.sort_by_key(|it| it.generation);
            let mut ders = HashSet::new();
            let all = known.anchors.into_iter().chain(std::mem::take(&mut merged.anchors));
            merged.anchors = all
                .filter(|pem| certificates_in(pem).is_ok_and(|found| ders.insert(found)))
                .collect();
        }
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

    /// Returns the logs after the first that are believed of an archive, each with its generation and
    /// its first key.
    pub(crate) fn successors_of(
        &self,
        archive: &Archive,
    ) -> Result<Vec<(u64, VerifierKey)>, CommandError> {
        if !self.knows(archive) {
            return Ok(Vec::new());
        }
        let trusted = read_trusted(&self.file_of(archive.description().archive))?;
        let logs = trusted.successors.iter();
        Ok(logs.filter_map(|it| Some((it.generation, VerifierKey::parse(&it.log).ok()?))).collect())
    }

    /// Returns the certificates that are believed of an archive, PEM.
    pub(crate) fn anchors_of(&self, archive: &Archive) -> Result<Vec<String>, CommandError> {
        if !self.knows(archive) {
            return Ok(Vec::new());
        }
        Ok(read_trusted(&self.file_of(archive.description().archive))?.anchors)
    }

    /// Returns whether the newest log that the archive shows is believed, whatever logs after it are
    /// believed as well.
    pub(crate) fn believes_shown(&self, archive: &Archive) -> Result<bool, CommandError> {
        if !self.knows(archive) {
            return Ok(false);
        }
        let mut trusted = read_trusted(&self.file_of(archive.description().archive))?;
        trusted.successors.retain(|it| it.generation <= archive.generation());
        Ok(trusted.matches(archive))
    }

    /// Refuses an archive of which other keys are believed than those that it shows:
    /// [`add`](Self::add) would, too late.
    pub(crate) fn refuse_others(&self, archive: &Archive) -> Result<(), CommandError> {
        if !self.knows(archive) || self.believes_shown(archive)? {
            return Ok(());
        }
        let path = self.file_of(archive.description().archive);
        let known = read_trusted(&path)?;
        let shown = Trusted::of(archive, Vec::new());
        let first = |it: &Trusted| it.log_keys().ok().map(|keys| keys.first().to_string());
        let differs = |it: &TrustedSuccessor| {
            shown.successors.iter().any(|new| new.generation == it.generation && new != it)
        };
        if known.commit == shown.commit
            && first(&known) == first(&shown)
            && !known.successors.iter().any(differs)
        {
            return Ok(());
        }
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
        let path = self.file_of(archive.description().archive);
        if !path.exists() {
            return Ok((false, anchors));
        }
        let trusted = read_trusted(&path)?;
        if !trusted.matches(archive) {
            return Ok((false, anchors));
        }
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
        for trusted in self.list()? {
            if trusted.names(section) {
                trusted.believe(&mut trust)?;
            }
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
    let failed = |error| CommandError::file("reading", path, &error);
    if path.metadata().map_err(failed)?.len() > TRUST_BYTES_MAX {
        let words = format!("{} is too large for a trust file", path.display());
        return Err(CommandError::new(ErrorKind::Invalid, words));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    parse_json(bytes.trim_ascii()).map_err(|error| {
        let words = format!("{} is not what `sigillo trust export` prints", path.display());
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(error.to_string());
        this
    })
}
