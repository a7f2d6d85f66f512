//! The trust store: whose logs and certificates this user believes.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use sigillo_ers::{TrustAnchors, pem_blocks};
use sigillo_evidence_log::{Archive, LogView, is_vouched_by_old_key};
use sigillo_merkle::{KeysOfLog, VerifierKey};
use sigillo_model::{
    ArchiveId, Entry, ErrorKind, LogSucceeded, LogTime, Sha256Digest, SuccessionReason, parse_json,
    to_canonical,
};
use sigillo_proof::{ArchiveSection, EndedLog, ReceiptTrust, SuccessorKeys};

use crate::{
    error::CommandError,
    places::{write_new, write_whole},
};

/// Largest file of the trust store, in bytes.
const TRUST_BYTES_MAX: u64 = 1 << 20;

/// At most so many archives are believed.
const TRUSTED_MAX: usize = 10_000;

/// What is needed to believe one archive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Trusted {
    /// Certificates that its seals and time-stamps lead to, PEM.
    pub(crate) anchors: Vec<String>,
    pub(crate) archive: ArchiveId,
    /// Its commit key, as a C2SP verifier key.
    pub(crate) commit: String,
    pub(crate) entity: String,
    pub(crate) format: u32,
    /// Its newest log key, as a C2SP verifier key.
    pub(crate) log: String,
    /// The keys that led to `log`; none as long as the log has its first key, or if they are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated: Option<TrustedRotations>,
    /// The logs that came after the first, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) successors: Vec<TrustedSuccessor>,
    /// Whether it is for trial only.
    pub(crate) trial: bool,
}

/// A log that came after another one, and the keys that it began with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TrustedSuccessor {
    /// Its commit key, as a C2SP verifier key.
    commit: String,
    /// Its number, from 2.
    pub(crate) generation: u64,
    /// Its first log key, as a C2SP verifier key.
    pub(crate) log: String,
    /// How the log before it ended; older files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<TrustedEnd>,
}

/// How a log ended that another one came after.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TrustedEnd {
    at: LogTime,
    reason: SuccessionReason,
    pub(crate) root: Sha256Digest,
    /// How many entries it has.
    pub(crate) size: u64,
}

/// How a log came to its newest key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TrustedRotations {
    /// Its first key.
    first: String,
    rotations: Vec<TrustedRotation>,
}

/// A rotation, as the log has it at `index`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct TrustedRotation {
    index: u64,
    log: String,
    number: u64,
    signature: String,
}

impl Trusted {
    /// Says what others need to believe this archive.
    pub(crate) fn of(archive: &Archive, anchors: Vec<String>) -> Self {
        let description = archive.description();
        Self {
            anchors,
            archive: description.archive,
            commit: description.keys.commit.clone(),
            entity: description.entity.name.clone(),
            format: 1,
            log: description.keys.log.clone(),
            rotated: None,
            successors: (2..=archive.generation())
                .filter_map(|it| TrustedSuccessor::of(archive, it))
                .collect(),
            trial: description.trial,
        }
    }

    /// Adds the rotations of the first log's key that count.
    pub(crate) fn rotated_by(mut self, archive: &Archive, view: &LogView) -> Self {
        let Some(known) = archive.log_keys_of(1) else { return self };
        let (keys, faults) = view.log_keys_of(1, known.first().clone());
        let false_ones: Vec<_> = faults.iter().map(|(it, _)| it.entry_index).collect();
        let count = view.rotations.iter().filter(|it| it.generation == 1);
        let count = count.filter(|it| !false_ones.contains(&it.entry_index));
        let rotations: Vec<_> = count
            .map(|it| TrustedRotation {
                index: it.entry_index,
                log: it.body.log.clone(),
                number: it.body.number,
                signature: it.body.signature.clone(),
            })
            .collect();
        if !rotations.is_empty() {
            let first = std::mem::replace(&mut self.log, keys.current().to_string());
            self.rotated = Some(TrustedRotations { first, rotations });
        }
        self
    }

    /// Returns the keys of its log, as far as they are known here.
    pub(crate) fn log_keys(&self) -> Result<KeysOfLog, String> {
        let key = |text: &str| VerifierKey::parse(text).map_err(|error| error.to_string());
        let Some(rotated) = &self.rotated else { return Ok(KeysOfLog::new(key(&self.log)?)) };
        let mut keys = KeysOfLog::new(key(&rotated.first)?);
        for it in &rotated.rotations {
            keys.rotate(it.index, it.number, &it.log, &it.signature)
                .map_err(|error| format!("rotation {}: {error}", it.number))?;
        }
        if keys.current().to_string() == self.log {
            return Ok(keys);
        }
        Err("its rotations lead to another key".to_owned())
    }

    /// Returns the keys of its log before the newest.
    pub(crate) fn older_keys(&self) -> Vec<String> {
        let keys = self.log_keys().map(|keys| keys.iter().map(ToString::to_string).collect());
        let mut keys: Vec<String> = keys.unwrap_or_default();
        keys.pop();
        keys
    }

    /// Returns whether a receipt names a key of the log that is known here.
    fn names(&self, section: &ArchiveSection) -> bool {
        let Ok(keys) = self.log_keys() else { return false };
        let shown =
            section.rotations.iter().filter_map(|it| match Entry::parse_line(it.line.as_bytes()) {
                Ok(Entry::KeyRotated(it)) => Some(it.log),
                _ => None,
            });
        let known: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let is_successor = |it: &TrustedSuccessor| {
            let shown = section.first_key_of(it.generation);
            shown.is_some_and(|key| key.to_string() == it.log)
        };
        self.archive == section.id
            && (shown.chain([section.log.clone()]).any(|key| known.contains(&key))
                || self.successors.iter().any(is_successor))
    }

    /// Says whom to believe of a receipt that names one of its keys.
    fn believe(&self, trust: &mut ReceiptTrust) -> Result<(), CommandError> {
        trust.log = self.log_keys().ok();
        trust.successors = self.successors.iter().filter_map(TrustedSuccessor::keys).collect();
        self.anchors_into(&mut trust.anchors)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        to_canonical(self)
    }

    fn matches(&self, archive: &Archive) -> bool {
        let description = archive.description();
        let believes_first = || {
            self.commit == description.keys.commit
                && self.log_keys().is_ok_and(|keys| {
                    let first = VerifierKey::parse(&description.keys.log);
                    let shown = archive.log_keys_of(1);
                    first.is_ok_and(|first| keys.contains(&first))
                        || shown.is_some_and(|shown| shown.contains(keys.current()))
                })
        };
        self.archive == description.archive
            && self.successors.iter().all(|it| it.generation <= archive.generation())
            && self.agrees_on_ends(archive)
            && self.knows_newest(archive).unwrap_or_else(believes_first)
    }

    /// Tells whether the newest log of an archive is known here, or comes from one that is, each by the
    /// signature of the key before it; nothing if that leads back to the first log.
    fn knows_newest(&self, archive: &Archive) -> Option<bool> {
        for generation in (2..=archive.generation()).rev() {
            let shown = TrustedSuccessor::of(archive, generation);
            let known = self.successors.iter().find(|it| it.generation == generation);
            if let Some(known) = known {
                return Some(shown.is_some_and(|it| it.has_keys_of(known)));
            }
            let old = archive.log_keys_of(generation - 1);
            let body = archive.succession(generation);
            let origin = archive.description().origin_of(generation - 1);
            let is_vouched = body
                .zip(old)
                .is_some_and(|(body, old)| is_vouched_by_old_key(&body, &origin, &old));
            if !is_vouched {
                return Some(false);
            }
        }
        None
    }

    /// Sees that every member can be used: otherwise a mistake would show only when something is
    /// verified.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        let unusable = |what: String| {
            let words =
                format!("TRUST_UNUSABLE: what is said of {:?} cannot be used: {what}", self.entity);
            let this = CommandError::new(ErrorKind::Invalid, words);
            this.hint(
                "get the file again from the owner of the archive, who makes it with \
                 `sigillo trust export`",
            )
        };
        if self.format != 1 {
            let what = format!("it has format {}, and only 1 is known", self.format);
            return Err(unusable(what).hint("if it is newer, use a newer version of Sigillo"));
        }
        for (which, key) in [("commit", &self.commit), ("log", &self.log)] {
            if let Err(error) = VerifierKey::parse(key) {
                return Err(unusable(format!("its {which} key is none: {error}")));
            }
        }
        if let Err(what) = self.log_keys() {
            return Err(unusable(format!("its log keys: {what}")));
        }
        for it in &self.successors {
            if let Some(error) =
                [&it.commit, &it.log].iter().find_map(|it| VerifierKey::parse(it).err())
            {
                return Err(unusable(format!("a key of log {} is none: {error}", it.generation)));
            }
        }
        for (at, pem) in self.anchors.iter().enumerate() {
            if let Err(what) = certificates_in(pem) {
                return Err(unusable(format!("anchor {} is no certificate: {what}", at + 1)));
            }
        }
        Ok(())
    }

    fn anchors_into(&self, anchors: &mut TrustAnchors) -> Result<(), CommandError> {
        for pem in &self.anchors {
            let bad = |error: &dyn std::fmt::Display| {
                let words = format!("an anchor of {} cannot be used: {error}", self.entity);
                CommandError::new(ErrorKind::Invalid, words)
            };
            for der in pem_blocks(pem, "CERTIFICATE").map_err(|error| bad(&error))? {
                anchors.add_der(&self.entity, &der).map_err(|error| bad(&error))?;
            }
        }
        Ok(())
    }
}

impl TrustedSuccessor {
    /// Names the keys of the log of a generation; nothing if it is not known.
    pub(crate) fn of(archive: &Archive, generation: u64) -> Option<Self> {
        let before = archive.succeeded_at(generation).zip(archive.succession(generation));
        Some(Self {
            commit: archive.commit_key_of(generation)?.to_string(),
            generation,
            log: archive.log_keys_of(generation)?.first().to_string(),
            before: before.map(|(at, LogSucceeded { succession: terms, .. })| TrustedEnd {
                at,
                reason: terms.reason,
                root: terms.root,
                size: terms.size,
            }),
        })
    }

    pub(crate) fn has_keys_of(&self, other: &Self) -> bool {
        (&self.commit, self.generation, &self.log) == (&other.commit, other.generation, &other.log)
    }

    /// Returns how the log with an origin ended, if that is the one before this.
    pub(crate) fn end_of(&self, origin: &str) -> Option<&TrustedEnd> {
        let own = VerifierKey::parse(&self.log).ok()?;
        let first = own.name().strip_suffix(&format!("/g{}", self.generation))?;
        let older = self.generation.saturating_sub(1);
        let before = if older == 1 { first.to_owned() } else { format!("{first}/g{older}") };
        self.before.as_ref().filter(|_| before == origin)
    }

    /// Returns its keys, if they are some.
    fn keys(&self) -> Option<SuccessorKeys> {
        Some(SuccessorKeys {
            generation: self.generation,
            commit: VerifierKey::parse(&self.commit).ok()?,
            log: VerifierKey::parse(&self.log).ok()?,
            before: self.before.as_ref().map(|it| EndedLog {
                at: it.at,
                others_may_sign: it.reason.others_may_sign(),
                root: it.root,
                size: it.size,
            }),
        })
    }

    /// Returns its first log key.
    pub(crate) fn log_keys(&self) -> Option<KeysOfLog> {
        VerifierKey::parse(&self.log).ok().map(KeysOfLog::new)
    }
}

/// Reads the certificates of an anchor, at least one.
fn certificates_in(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    let ders = pem_blocks(pem, "CERTIFICATE").map_err(|error| error.to_string())?;
    if ders.is_empty() {
        return Err("it has no block -----BEGIN CERTIFICATE-----".to_owned());
    }
    for der in &ders {
        TrustAnchors::new().add_der("anchor", der).map_err(|error| error.to_string())?;
    }
    Ok(ders)
}

/// Leaves out certificates that were named before.
pub(crate) fn without_repeats(pems: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut ders = HashSet::new();
    let is_new = |pem: &String| certificates_in(pem).is_ok_and(|found| ders.insert(found));
    pems.into_iter().filter(is_new).collect()
}

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
