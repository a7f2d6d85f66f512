//! What is believed of one archive: its keys and its certificates, as `sigillo trust export` prints them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use sigillo_ers::{TrustAnchors, pem_blocks};
use sigillo_evidence_log::{Archive, BelievedKeys, LogView, is_vouched_by_old_key};
use sigillo_merkle::{KeysOfLog, VerifierKey};
use sigillo_model::{
    ArchiveId, Entry, ErrorKind, GENERATIONS_MAX, LogSucceeded, LogTime, Sha256Digest,
    SuccessionReason, to_canonical,
};
use sigillo_proof::{ArchiveSection, EndedLog, ReceiptTrust, SuccessorKeys};

use crate::error::CommandError;

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
    /// How it came from its first key to its newest; none as long as it has its first, or if that is not
    /// known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<TrustedRotation>,
}

/// How a log ended that another one came after.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TrustedEnd {
    at: LogTime,
    pub(crate) reason: SuccessionReason,
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

    /// Adds the rotations of each log's key that count.
    pub(crate) fn rotated_by(mut self, archive: &Archive, view: &LogView) -> Self {
        let rotations = rotations_that_count(archive, view, 1);
        if let Some(newest) = rotations.last().map(|it| it.log.clone()) {
            let first = std::mem::replace(&mut self.log, newest);
            self.rotated = Some(TrustedRotations { first, rotations });
        }
        for it in &mut self.successors {
            it.rotations = rotations_that_count(archive, view, it.generation);
        }
        self
    }

    /// Returns the keys of its log, as far as they are known here.
    pub(crate) fn log_keys(&self) -> Result<KeysOfLog, String> {
        let Some(rotated) = &self.rotated else { return keys_from(&self.log, &[]) };
        let keys = keys_from(&rotated.first, &rotated.rotations)?;
        if keys.current().to_string() == self.log {
            return Ok(keys);
        }
        Err("its rotations lead to another key".to_owned())
    }

    /// Returns those of the log of a generation.
    pub(crate) fn keys_of(&self, generation: u64) -> Option<KeysOfLog> {
        if generation == 1 {
            return self.log_keys().ok();
        }
        self.successors.iter().find(|it| it.generation == generation)?.log_keys()
    }

    /// Returns the keys of its log before the newest.
    pub(crate) fn older_keys(&self) -> Vec<String> {
        let keys = self.log_keys().map(|keys| keys.iter().map(ToString::to_string).collect());
        let mut keys: Vec<String> = keys.unwrap_or_default();
        keys.pop();
        keys
    }

    /// Returns whether a receipt names a key of the log that is known here.
    pub(crate) fn names(&self, section: &ArchiveSection) -> bool {
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
    pub(crate) fn believe(&self, trust: &mut ReceiptTrust) -> Result<(), CommandError> {
        trust.log = self.log_keys().ok();
        trust.successors = self.successors.iter().filter_map(TrustedSuccessor::keys).collect();
        self.anchors_into(&mut trust.anchors)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        to_canonical(self)
    }

    /// Tells whether the archive is believed: somebody vouches for its newest log, and it has all that is
    /// known of its logs.
    pub(crate) fn matches(&self, archive: &Archive) -> bool {
        let has_all = self.successors.iter().all(|it| it.generation <= archive.generation());
        let has = |(generation, believed): &(u64, BelievedKeys)| {
            let shown = archive.commit_key_of(*generation).zip(archive.log_keys_of(*generation));
            shown.is_some_and(|(commit, keys)| {
                keys.first() == believed.log.first()
                    && believed.contradiction(*generation, &commit, &keys).is_none()
            })
        };
        has_all && self.vouches_for_newest(archive) && self.believed(archive).iter().all(has)
    }

    /// Tells whether the newest log that the archive shows is known here, or comes from one that is.
    pub(crate) fn vouches_for_newest(&self, archive: &Archive) -> bool {
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
            && self.agrees_on_ends(archive)
            && self.knows_newest(archive).unwrap_or_else(believes_first)
    }

    /// Returns what is believed of the keys of each log, with its generation.
    ///
    /// Of a log that ended, by a next one that is known here, only the rotations up to its end: what lay
    /// beyond is lost. None where others may sign with its keys, for they may have rotated them as well.
    pub(crate) fn believed(&self, archive: &Archive) -> Vec<(u64, BelievedKeys)> {
        let rotated = self.rotated.as_ref();
        let first = match (rotated, self.log_keys(), archive.log_keys_of(1)) {
            // Only the newest key is known, and the archive has it.
            (None, Ok(known), Some(shown)) if shown.contains(known.current()) => {
                shown.first().to_string()
            }
            _ => rotated.map_or_else(|| self.log.clone(), |it| it.first.clone()),
        };
        let rotations = rotated.map_or(&[][..], |it| &it.rotations);
        let later = self.successors.iter();
        let later = later.map(|it| (it.generation, &it.commit, &it.log, &it.rotations[..]));
        let all = [(1, &self.commit, &first, rotations)].into_iter().chain(later);
        let believed = all.filter_map(|(generation, commit, first, rotations)| {
            let end = self.end_in(archive, generation);
            let end = end.map(|it| if it.others_may_sign { 0 } else { it.size });
            let is_left = |it: &&TrustedRotation| end.is_none_or(|end| it.index < end);
            let left: Vec<_> = rotations.iter().filter(is_left).cloned().collect();
            let log = keys_from(first, &left).ok()?;
            Some((generation, BelievedKeys { commit: VerifierKey::parse(commit).ok()?, log }))
        });
        believed.collect()
    }

    /// Takes in what another file says of the same archive: what tells more counts, whichever is newer.
    ///
    /// # Errors
    ///
    /// In words what the two contradict each other in.
    pub(crate) fn joined(mut self, other: &Self) -> Result<Self, String> {
        if (self.archive, &self.commit) != (other.archive, &other.commit) {
            return Err("the key of its commits".to_owned());
        }
        let (known, new) = (self.log_keys()?, other.log_keys()?);
        if known.begins(&new) {
            (self.log, self.rotated) = (other.log.clone(), other.rotated.clone());
        } else if !new.begins(&known) {
            return Err("the keys of its log".to_owned());
        }
        for new in &other.successors {
            match self.successors.iter_mut().find(|it| it.generation == new.generation) {
                Some(known) => known.join(new)?,
                None => self.successors.push(new.clone()),
            }
        }
        self.successors.sort_by_key(|it| it.generation);
        self.anchors = without_repeats(self.anchors.into_iter().chain(other.anchors.clone()));
        self.entity.clone_from(&other.entity);
        self.trial |= other.trial;
        Ok(self)
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

    /// Returns the name of a key that is not named as those of this archive are: nobody speaks for the log
    /// of another.
    pub(crate) fn stranger(&self) -> Option<String> {
        let origin = format!("sigillo.invalid/{}", self.archive);
        let mut named = vec![(&self.commit, commit_key_name(&origin)), (&self.log, origin.clone())];
        named.extend(self.rotated.iter().map(|it| (&it.first, origin.clone())));
        for it in &self.successors {
            let origin = format!("{origin}/g{}", it.generation);
            named.extend([(&it.commit, commit_key_name(&origin)), (&it.log, origin)]);
        }
        named.into_iter().find_map(|(key, expected)| {
            // What is no key at all is told where keys are read.
            let key = VerifierKey::parse(key).ok()?;
            (key.name() != expected || key.is_cosigner()).then(|| key.name().to_owned())
        })
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
        if let Some(name) = self.stranger() {
            return Err(unusable(format!("the key {name:?} is none of archive {}", self.archive)));
        }
        if let Err(what) = self.log_keys() {
            return Err(unusable(format!("its log keys: {what}")));
        }
        for it in &self.successors {
            if !(2..=GENERATIONS_MAX).contains(&it.generation) {
                return Err(unusable(format!("it names a log {}", it.generation)));
            }
            let commit = VerifierKey::parse(&it.commit).map_err(|error| error.to_string());
            if let Err(what) = commit.and_then(|_| keys_from(&it.log, &it.rotations)) {
                return Err(unusable(format!("a key of log {} is none: {what}", it.generation)));
            }
        }
        for (at, pem) in self.anchors.iter().enumerate() {
            if let Err(what) = certificates_in(pem) {
                return Err(unusable(format!("anchor {} is no certificate: {what}", at + 1)));
            }
        }
        Ok(())
    }

    pub(crate) fn anchors_into(&self, anchors: &mut TrustAnchors) -> Result<(), CommandError> {
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
            rotations: Vec::new(),
        })
    }

    /// Takes in what another file says of the same log.
    fn join(&mut self, other: &Self) -> Result<(), String> {
        let of_log = || format!("the keys of log {}", self.generation);
        let (known, new) = self.log_keys().zip(other.log_keys()).ok_or_else(of_log)?;
        if !self.has_keys_of(other) || !(known.begins(&new) || new.begins(&known)) {
            return Err(of_log());
        }
        if known.begins(&new) {
            self.rotations.clone_from(&other.rotations);
        }
        self.before = match (self.before.take(), &other.before) {
            (Some(known), Some(new)) if !known.is_end(new) => {
                return Err(format!("the end of log {}", self.generation.saturating_sub(1)));
            }
            // The earlier time lets less of the old log count.
            (Some(known), Some(new)) => Some(TrustedEnd { at: known.at.min(new.at), ..known }),
            (known, new) => known.or_else(|| new.clone()),
        };
        Ok(())
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
    pub(crate) fn keys(&self) -> Option<SuccessorKeys> {
        Some(SuccessorKeys {
            generation: self.generation,
            commit: VerifierKey::parse(&self.commit).ok()?,
            log: self.log_keys()?,
            before: self.before.as_ref().map(TrustedEnd::ended),
        })
    }

    /// Returns the keys of its log, as far as they are known here.
    pub(crate) fn log_keys(&self) -> Option<KeysOfLog> {
        keys_from(&self.log, &self.rotations).ok()
    }
}

impl TrustedEnd {
    /// Returns what of it is told to those who check proofs.
    pub(crate) fn ended(&self) -> EndedLog {
        EndedLog {
            at: self.at,
            others_may_sign: self.reason.others_may_sign(),
            root: self.root,
            size: self.size,
        }
    }

    /// Tells whether two say the same of where a log ended and why.
    fn is_end(&self, other: &Self) -> bool {
        (self.reason, self.root, self.size) == (other.reason, other.root, other.size)
    }
}

/// Names the key of the commits of a log.
fn commit_key_name(origin: &str) -> String {
    format!("{origin}/commit")
}

/// Follows the rotations from the first key of a log.
fn keys_from(first: &str, rotations: &[TrustedRotation]) -> Result<KeysOfLog, String> {
    let first = VerifierKey::parse(first).map_err(|error| error.to_string())?;
    let mut keys = KeysOfLog::new(first);
    for it in rotations {
        keys.rotate(it.index, it.number, &it.log, &it.signature)
            .map_err(|error| format!("rotation {}: {error}", it.number))?;
    }
    Ok(keys)
}

/// Returns the rotations of the key of the log of a generation that count.
fn rotations_that_count(
    archive: &Archive,
    view: &LogView,
    generation: u64,
) -> Vec<TrustedRotation> {
    let Some(known) = archive.log_keys_of(generation) else { return Vec::new() };
    let (_, faults) = view.log_keys_of(generation, known.first().clone());
    let false_ones: Vec<_> = faults.iter().map(|(it, _)| it.entry_index).collect();
    let count = view.rotations.iter().filter(|it| it.generation == generation);
    let count = count.filter(|it| !false_ones.contains(&it.entry_index));
    let rotations = count.map(|it| TrustedRotation {
        index: it.entry_index,
        log: it.body.log.clone(),
        number: it.body.number,
        signature: it.body.signature.clone(),
    });
    rotations.collect()
}

/// Reads the certificates of an anchor, at least one.
pub(crate) fn certificates_in(pem: &str) -> Result<Vec<Vec<u8>>, String> {
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

#[cfg(test)]
mod tests;
