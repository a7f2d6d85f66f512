//! One archive: its store, what it says of itself, and the keys that its log is checked with.

use std::sync::{Arc, RwLock};

use bytes::Bytes;

use sigillo_merkle::{KeysOfLog, SignedNote, VerifierKey};
use sigillo_model::{
    ARCHIVE_BYTES_MAX, Algorithms, ArchiveDescription, ArchiveId, ArchiveKeys, Entity, Entropy,
    Entry, LogTime, ObjectKey, Sha256Digest, parse_canonical, to_canonical,
};
use sigillo_store::{Store, StoreError};

use crate::{
    Commit, CommitFault, LogError, commit::COMMIT_BYTES_MAX, generation::KnownLogs, head::exists,
};

const README: &str = include_str!("readme.txt");

/// An archive that exists.
#[derive(Clone, Debug)]
pub struct Archive {
    store: Store,
    description: ArchiveDescription,
    description_sha256: Sha256Digest,
    /// What is known of its logs and their keys; clones learn together.
    logs: Arc<RwLock<KnownLogs>>,
}

impl Archive {
    /// Opens the archive in `store`. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`LogError::NoArchive`], [`LogError::Store`], [`LogError::LaterProgram`] if the description
    /// states what this program does not know, or [`LogError::BadDescription`], also if only the
    /// description is missing: it is made before the first commit.
    pub async fn open(store: Store) -> Result<Self, LogError> {
        let bytes = match store.read(&ObjectKey::archive(), ARCHIVE_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) if exists(&store, 1).await? => {
                let reason = "it is missing, although the log has commits".to_owned();
                return Err(LogError::BadDescription { reason });
            }
            Err(StoreError::NotFound { .. }) => {
                return Err(LogError::NoArchive { place: place_of(&store) });
            }
            Err(source) => return Err(LogError::Store { doing: "opening the archive", source }),
        };
        let archive = Self::from_description(store, &bytes)?;
        let Some(what) = archive.description.unknown() else { return Ok(archive) };
        // What the first commit does not name was not written so: it is damage.
        if archive.is_described_by_log().await? {
            Err(LogError::LaterProgram { what })
        } else {
            let reason = format!("it states {what}, which this program does not know");
            Err(LogError::BadDescription { reason })
        }
    }

    /// Tells whether the first commit names this very description.
    async fn is_described_by_log(&self) -> Result<bool, LogError> {
        let entries = match self.commit(1).await {
            Ok(commit) => commit.map_or(Vec::new(), |commit| commit.entries),
            Err(LogError::CommitDamaged { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(entries.iter().any(|entry| match entry {
            Entry::ArchiveCreated(created) => created.archive_sha256 == self.description_sha256,
            _ => false,
        }))
    }

    fn from_description(store: Store, bytes: &Bytes) -> Result<Self, LogError> {
        let bad = |reason: String| LogError::BadDescription { reason };
        let description: ArchiveDescription =
            parse_canonical(bytes).map_err(|error| bad(error.to_string()))?;
        let key = |text: &str, name: &str| match VerifierKey::parse(text) {
            Ok(key) if key.name() == name && !key.is_cosigner() => Ok(key),
            Ok(_) => Err(bad(format!("the key {name} has another name or type"))),
            Err(error) => Err(bad(format!("the key {name}: {error}"))),
        };
        let commit = key(&description.keys.commit, &commit_key_name(&description.origin))?;
        let log = key(&description.keys.log, &description.origin)?;
        Ok(Self {
            logs: Arc::new(RwLock::new(KnownLogs::new(&description, commit, log))),
            description_sha256: Sha256Digest::of(bytes),
            description,
            store,
        })
    }

    /// Returns the store the archive is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns what the archive says of itself.
    pub fn description(&self) -> &ArchiveDescription {
        &self.description
    }

    /// Returns the SHA-256 of `archive.json`.
    pub fn description_sha256(&self) -> Sha256Digest {
        self.description_sha256
    }

    pub(crate) fn known(&self) -> &RwLock<KnownLogs> {
        &self.logs
    }

    /// Returns the key that `note`, a checkpoint, must be signed with, by the size that it states.
    ///
    /// Only a note that claims to be signed by a key that is not known yet makes it look for
    /// rotations and successions: an archive whose key never changed costs nothing.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log cannot be read for it.
    pub async fn key_of(&self, note: &[u8]) -> Result<VerifierKey, LogError> {
        let keys = self.keys_of_note(note);
        if keys.is_stranger(note) || self.is_of_later_log(&keys, note) {
            self.learn().await?;
        }
        Ok(self.keys_of_note(note).of_note(note).clone())
    }

    /// Tells whether a note claims to be signed by a log that succeeded those of these keys.
    fn is_of_later_log(&self, keys: &KeysOfLog, note: &[u8]) -> bool {
        let later = format!("{}/g", self.description.origin);
        let name = keys.first().name();
        SignedNote::parse(note).is_ok_and(|note| {
            note.signatures.iter().any(|it| it.name.starts_with(&later) && it.name != name)
        })
    }

    /// Reads commit `number`, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`LogError::CommitDamaged`] or [`LogError::Store`].
    pub async fn commit(&self, number: u64) -> Result<Option<Commit>, LogError> {
        let commit = self.read_commit(number).await?;
        if let Some(commit) = &commit {
            self.learn_keys(commit).await?;
        }
        Ok(commit)
    }

    /// Reads it without learning from it.
    pub(crate) async fn read_commit(&self, number: u64) -> Result<Option<Commit>, LogError> {
        let Some(bytes) = self.commit_bytes(number).await? else { return Ok(None) };
        self.parse_commit(number, &bytes).await.map(Some)
    }

    /// Reads the object of commit `number`, whatever it is.
    pub(crate) async fn commit_bytes(&self, number: u64) -> Result<Option<Bytes>, LogError> {
        match self.store.read_optional(&ObjectKey::commit(number), COMMIT_BYTES_MAX).await {
            Ok(read) => Ok(read),
            Err(StoreError::NotAnObject { .. }) => {
                Err(LogError::CommitDamaged { number, fault: CommitFault::NotAnObject })
            }
            Err(source) => Err(LogError::Store { doing: "reading a commit", source }),
        }
    }

    /// Reads commit `number`, which must exist.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), and [`LogError::CommitMissing`].
    pub async fn existing_commit(&self, number: u64) -> Result<Commit, LogError> {
        self.commit(number).await?.ok_or(LogError::CommitMissing { number })
    }
}

/// What is needed to make an archive.
#[derive(Clone, Debug)]
pub struct NewArchive {
    /// The public body whose records it will hold.
    pub entity: Entity,
    /// Public key of the commit key.
    pub commit_key: [u8; 32],
    /// Public key of the log key.
    pub log_key: [u8; 32],
    /// Certificate of the seal key, PEM.
    pub seal_pem: String,
    /// Whether keys and time-stamps are for trial only.
    pub trial: bool,
}

impl NewArchive {
    /// Makes the objects of a new archive, or completes one that these keys began.
    ///
    /// Its first commit is left to [`LogWriter::open`](crate::LogWriter::open).
    ///
    /// # Errors
    ///
    /// [`LogError::OtherArchive`] if another archive is there, [`LogError::Store`].
    pub async fn create(
        self,
        store: Store,
        at: LogTime,
        entropy: &dyn Entropy,
    ) -> Result<Archive, LogError> {
        match Archive::open(store.clone()).await {
            Ok(existing) => return self.same(existing),
            Err(LogError::NoArchive { .. }) => {}
            Err(error) => return Err(error),
        }
        store.prepare().await.map_err(LogError::store("preparing the store"))?;
        let description = self.describe(at, entropy)?;
        let bytes = Bytes::from(to_canonical(&description));
        let readme = Bytes::from_static(README.as_bytes());
        for (key, bytes) in [(ObjectKey::readme(), readme), (ObjectKey::archive(), bytes)] {
            let created = store.create(&key, bytes).await;
            // Taken: another README does no harm, and another description is compared below.
            created.map_err(LogError::store("describing the archive"))?;
        }
        self.same(Archive::open(store).await?)
    }

    fn describe(&self, at: LogTime, entropy: &dyn Entropy) -> Result<ArchiveDescription, LogError> {
        let archive = ArchiveId::random(entropy);
        let origin = format!("sigillo.invalid/{archive}");
        let key = |name: String, public_key| {
            VerifierKey::new_ed25519(name, public_key)
                .map(|key| key.to_string())
                .map_err(|error| LogError::BadDescription { reason: error.to_string() })
        };
        Ok(ArchiveDescription {
            algorithms: Algorithms {
                address: Algorithms::ADDRESS.to_owned(),
                evidence: Algorithms::EVIDENCE.to_owned(),
            },
            archive,
            created_at: at,
            encryption: ArchiveDescription::ENCRYPTION.to_owned(),
            entity: self.entity.clone(),
            format: ArchiveDescription::FORMAT,
            keys: ArchiveKeys {
                commit: key(commit_key_name(&origin), self.commit_key)?,
                log: key(origin.clone(), self.log_key)?,
                seal: self.seal_pem.clone(),
            },
            origin,
            trial: self.trial,
        })
    }

    fn same(&self, archive: Archive) -> Result<Archive, LogError> {
        let of_first =
            |key: Option<VerifierKey>, ours: &[u8]| key.is_some_and(|key| key.public_key() == ours);
        let log = archive.log_keys_of(1).map(|keys| keys.first().clone());
        let same = of_first(archive.commit_key_of(1), &self.commit_key)
            && of_first(log, &self.log_key)
            && archive.description.entity.name == self.entity.name;
        if same {
            return Ok(archive);
        }
        Err(LogError::OtherArchive {
            place: place_of(&archive.store),
            entity: archive.description.entity.name,
        })
    }
}

/// Names a store for people: without the numbers that tell it apart for machines.
pub fn place_of(store: &Store) -> String {
    let identity = store.identity();
    let place = identity.split_once(" device ").map_or(identity.as_str(), |(place, _)| place);
    place.strip_prefix("file:").unwrap_or(place).to_owned()
}

/// Names the key of the commits of a log.
pub(crate) fn commit_key_name(origin: &str) -> String {
    format!("{origin}/commit")
}
