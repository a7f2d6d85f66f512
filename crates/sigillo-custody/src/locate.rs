//! Finding a document by its version id, its document id, a prefix of either, or its key.

use std::collections::{HashMap, HashSet};

use sigillo_catalogue::{IndexError, KeyIndex};
use sigillo_evidence_log::{Archive, BatchObjectError, LogView, read_leaves, read_pack_list};
use sigillo_model::{
    BatchCommitted, Blake3Digest, DocumentKey, ErrorKind, ListedPack, ObjectKey, VersionId,
};

use crate::CustodyError;

/// A shorter prefix of an id is refused.
pub const PREFIX_DIGITS_MIN: usize = 8;

/// At most this many matches of an ambiguous prefix are told.
pub const MATCHES_MAX: usize = 20;

/// Where a version lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located {
    /// The version.
    pub version: VersionId,
    /// The commit of its batch.
    pub commit: u64,
    /// What the log says of its batch.
    pub batch: BatchCommitted,
    /// Its place among the leaves of the batch, from 0.
    pub leaf_index: u64,
    /// The pack it is in.
    pub pack: ListedPack,
}

/// Finds versions in an archive.
#[derive(Debug)]
pub struct Locator<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What its log says.
    pub view: &'a LogView,
    /// The index of keys, complete to the head but for what it states to be left out.
    pub index: &'a KeyIndex,
}

/// Why a text names no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// Several versions begin so.
    #[error("{text:?} is ambiguous: it may be {}", matches.join(", "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The ids that begin so; at most [`MATCHES_MAX`].
        matches: Vec<String>,
    },
    /// It is not among what could be looked at: the index lacks documents that could not be read, or a list
    /// of a batch cannot be used.
    #[error(
        "whether the archive has {text:?} cannot be told: documents of commit {commit} could not be \
         read from {object} ({what})"
    )]
    CannotTell {
        /// What was asked for.
        text: String,
        /// The first commit of whose documents not all are known.
        commit: u64,
        /// The object that could not be read.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The archive could not be read.
    #[error("the archive could not be read")]
    Custody(#[source] CustodyError),
    /// The index of keys cannot be read.
    #[error("the index of keys failed")]
    Index(#[source] IndexError),
    /// There is no such document.
    #[error("the archive has no document {text:?}")]
    NotFound {
        /// What was asked for.
        text: String,
    },
    /// An id of fewer digits could be anything.
    #[error(
        "{text:?} is too short: give at least {PREFIX_DIGITS_MIN} digits of an id, or a key as SOURCE/PATH or STRUCTURE/REGISTER/YEAR/NUMBER"
    )]
    TooShort {
        /// What was asked for.
        text: String,
    },
}

impl LocateError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Custody(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::CannotTell { .. } => ErrorKind::Integrity,
            _ => ErrorKind::Invalid,
        }
    }
}

impl Locator<'_> {
    /// Finds the one version that `text` names: an id, a prefix of one, or `SOURCE/PATH`.
    ///
    /// # Errors
    ///
    /// [`LocateError`] if it names none, several, or the archive cannot be read.
    pub async fn locate(&self, text: &str) -> Result<Located, LocateError> {
        match self.find(text).await {
            Err(LocateError::NotFound { text }) => Err(self.not_found(text).await),
            found => found,
        }
    }

    /// Makes the error for a text that names nothing which could be looked at.
    async fn not_found(&self, text: String) -> LocateError {
        let is_version = text.parse::<VersionId>().is_ok();
        if let Some(it) = self.index.left_out().first().filter(|_| !is_version) {
            let (commit, object, what) = (it.commit, it.object.clone(), it.what.clone());
            return LocateError::CannotTell { text, commit, object, what };
        }
        match self.damaged_list().await {
            Ok(None) => LocateError::NotFound { text },
            Ok(Some((commit, key, what))) => {
                LocateError::CannotTell { text, commit, object: key.to_string(), what }
            }
            Err(error) => LocateError::Custody(error),
        }
    }

    /// Returns the first list of a batch that cannot be used, with its commit and what is wrong with it.
    async fn damaged_list(&self) -> Result<Option<(u64, ObjectKey, String)>, CustodyError> {
        for batch in &self.view.batches {
            let (store, body) = (self.archive.store(), &batch.body);
            let damaged = if let Err(error) = read_leaves(store, body).await {
                Some((ObjectKey::leaves(body.batch), error))
            } else {
                let list = read_pack_list(store, body).await;
                list.err().map(|error| (ObjectKey::pack_list(body.batch), error))
            };
            match damaged {
                None => {}
                Some((_, BatchObjectError::Store(error))) => return Err(error.into()),
                Some((key, error)) => return Ok(Some((batch.commit, key, error.to_string()))),
            }
        }
        Ok(None)
    }

    async fn find(&self, text: &str) -> Result<Located, LocateError> {
        if text.contains('/') {
            return self.locate_key(text).await;
        }
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !is_hex {
            return Err(LocateError::NotFound { text: text.to_owned() });
        }
        if text.len() < PREFIX_DIGITS_MIN {
            return Err(LocateError::TooShort { text: text.to_owned() });
        }
        self.locate_prefix(text, text).await
    }

    /// Returns the ids of versions and documents that begin with `prefix`, at most about
    /// [`MATCHES_MAX`]: what somebody may have meant whose id names nothing.
    ///
    /// # Errors
    ///
    /// [`LocateError`] if the archive cannot be read.
    pub async fn beginning_with(&self, prefix: &str) -> Result<Vec<String>, LocateError> {
        let documents = self.index.documents_with_prefix(prefix, MATCHES_MAX);
        let documents = documents.map_err(LocateError::Index)?;
        let versions = self.versions(prefix).await.map_err(LocateError::Custody)?;
        let versions = versions.iter().map(|it| it.version.to_string());
        Ok(versions.chain(documents.iter().map(ToString::to_string)).collect())
    }

    /// Finds the newest version of the one document whose key is written so; if there is none, of
    /// the one whose path is spelt so.
    async fn locate_key(&self, text: &str) -> Result<Located, LocateError> {
        let mut known = Vec::new();
        for key in DocumentKey::readings(text) {
            known.extend(self.index.lookup(key.digest()).map_err(LocateError::Index)?);
        }
        if known.is_empty()
            && let Some(key) = DocumentKey::spelt(text)
        {
            known.extend(self.index.lookup(key.digest()).map_err(LocateError::Index)?);
        }
        match known[..] {
            [] => Err(LocateError::NotFound { text: text.to_owned() }),
            [only] => self.locate_prefix(&only.version.to_string(), text).await,
            _ => {
                let matches = known.iter().map(|it| format!("document {}", it.document)).collect();
                Err(LocateError::Ambiguous { text: text.to_owned(), matches })
            }
        }
    }

    async fn locate_prefix(&self, prefix: &str, text: &str) -> Result<Located, LocateError> {
        let custody = LocateError::Custody;
        let mut found = self.versions(prefix).await.map_err(custody)?;
        let mut matches: Vec<_> = found.iter().map(|it| it.version.to_string()).collect();
        let index = LocateError::Index;
        for document in self.index.documents_with_prefix(prefix, MATCHES_MAX).map_err(index)? {
            let versions = self.index.versions_of(document).map_err(index)?;
            if let Some(newest) = versions.iter().max_by_key(|version| version.number) {
                matches.push(format!("document {document}"));
                let version = newest.version.to_string();
                found.extend(self.versions(&version).await.map_err(custody)?);
            }
        }
        found.dedup();
        match found.len() {
            0 => Err(LocateError::NotFound { text: text.to_owned() }),
            1 => Ok(found.remove(0)),
            _ => Err(LocateError::Ambiguous { text: text.to_owned(), matches }),
        }
    }

    /// Finds the versions whose id begins with `prefix`, at most [`MATCHES_MAX`].
    async fn versions(&self, prefix: &str) -> Result<Vec<Located>, CustodyError> {
        let mut found = Vec::new();
        for batch in &self.view.batches {
            let leaves = object(read_leaves(self.archive.store(), &batch.body).await)?;
            for (leaf_index, version) in (0_u64..).zip(leaves.unwrap_or_default()) {
                if !starts_with(&version, prefix) {
                    continue;
                }
                let list = object(read_pack_list(self.archive.store(), &batch.body).await)?;
                let pack = list.and_then(|list| pack_of(list, leaf_index));
                let Some(pack) = pack else { continue };
                let (commit, batch) = (batch.commit, batch.body.clone());
                found.push(Located { version, commit, batch, leaf_index, pack });
                if found.len() == MATCHES_MAX {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// The packs of some versions.
#[derive(Debug)]
pub(crate) struct FoundPacks {
    pub(crate) packs: HashMap<VersionId, Blake3Digest>,
    /// Whether every list could be read, so that what was not found is not in the archive.
    pub(crate) complete: bool,
}

/// Finds the packs of versions by the lists of all batches, without an index.
pub(crate) async fn packs_of<'a>(
    archive: &Archive,
    batches: impl Iterator<Item = &'a BatchCommitted>,
    wanted: &HashSet<VersionId>,
) -> Result<FoundPacks, CustodyError> {
    let mut found = FoundPacks { packs: HashMap::new(), complete: true };
    for batch in batches {
        if found.packs.len() == wanted.len() {
            break;
        }
        let Some(leaves) = object(read_leaves(archive.store(), batch).await)? else {
            found.complete = false;
            continue;
        };
        if !leaves.iter().any(|leaf| wanted.contains(leaf)) {
            continue;
        }
        let Some(list) = object(read_pack_list(archive.store(), batch).await)? else {
            found.complete = false;
            continue;
        };
        let mut rest = &leaves[..];
        for pack in list {
            let documents = usize::try_from(pack.documents).unwrap_or(usize::MAX);
            let (within, after) = rest.split_at(documents.min(rest.len()));
            rest = after;
            let within = within.iter().filter(|leaf| wanted.contains(leaf));
            found.packs.extend(within.map(|leaf| (*leaf, pack.name)));
        }
    }
    Ok(found)
}

/// Damaged lists are for `verify` to report; here they just hold nothing.
fn object<T>(read: Result<T, BatchObjectError>) -> Result<Option<T>, CustodyError> {
    match read {
        Ok(object) => Ok(Some(object)),
        Err(BatchObjectError::Store(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn starts_with(version: &VersionId, prefix: &str) -> bool {
    let bytes = version.as_bytes();
    prefix.len() <= 2 * bytes.len()
        && prefix.bytes().enumerate().all(|(at, digit)| {
            let byte = bytes[at / 2];
            let nibble = if at % 2 == 0 { byte >> 4 } else { byte & 15 };
            char::from(digit).to_digit(16) == Some(nibble.into())
        })
}

fn pack_of(list: Vec<ListedPack>, leaf_index: u64) -> Option<ListedPack> {
    let mut end = 0;
    list.into_iter().find(|pack| {
        end += u64::from(pack.documents);
        leaf_index < end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_compared_digit_by_digit() {
        let version = VersionId::from_bytes([0xab; 32]);
        for prefix in ["", "a", "ab", "aba", &"ab".repeat(32)] {
            assert!(starts_with(&version, prefix), "{prefix}");
        }
        for prefix in ["b", "aa", "abb", &"ab".repeat(33)] {
            assert!(!starts_with(&version, prefix), "{prefix}");
        }
    }
}
