//! An archive with real keys in a temporary folder, and what tests do to it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use bytes::Bytes;
use jiff::SignedDuration;
use tempfile::TempDir;
use tokio::runtime::Handle;

use sigillo_authorities::{Authorities, KeyFolder};
use sigillo_ers::{TrustAnchors, pem_blocks, tree_root};
use sigillo_evidence_log::{
    Archive, AuditKnowledge, CommitOutcome, Committed, EVIDENCE_LINE, LogAudit, LogError, LogKeys,
    LogWriter, NewArchive, SealOutcome, Sealed, Sealer, StampOutcome, audit_log, stamp_sealings,
};
use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{
    BatchCommitted, BatchId, Entity, Entropy as _, Entry, LogTime, ObjectKey, Sha256Digest,
    SubmissionCompleted, SubmissionId,
};
use sigillo_store::{CreateOutcome, Store, StoreUrl};
use sigillo_testkit::{ManualClock, SeededEntropy};

/// Whose archive it is.
const ENTITY: &str = "Comune di Prova";

/// Where the objects of a world are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Memory,
    Folder,
}

/// One archive, its keys, and a clock that stands still.
pub(crate) struct World {
    temporary: TempDir,
    pub(crate) keys: KeyFolder,
    pub(crate) clock: ManualClock,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) store: Store,
}

impl World {
    /// Makes keys and an empty store.
    pub(crate) fn empty(place: Place) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting("2026-11-25T08:00:00Z");
        let entropy = Arc::new(SeededEntropy::new(1));
        let keys = KeyFolder::create(&temporary.path().join("keys"), ENTITY, &clock, &*entropy);
        let store = match place {
            Place::Memory => Store::memory(Handle::current()),
            Place::Folder => {
                let folder = temporary.path().join("archive");
                let url = StoreUrl::parse(folder.to_str().unwrap()).unwrap();
                Store::open_or_make(&url, Handle::current()).unwrap()
            }
        };
        Self { temporary, keys: keys.unwrap(), clock, entropy, store }
    }

    /// Makes keys, a store and an archive with its first commit.
    pub(crate) async fn new(place: Place) -> Self {
        let world = Self::empty(place);
        let archive = world.new_archive().await.unwrap();
        world.create_log(archive).await.unwrap();
        world
    }

    pub(crate) async fn new_archive(&self) -> Result<Archive, LogError> {
        let commit_key = self.keys.commit_signer().public_key().try_into().unwrap();
        let new = NewArchive {
            entity: Entity { ipa: None, name: ENTITY.to_owned() },
            commit_key,
            log_key: self.keys.log_signer().public_key(),
            seal_pem: self.keys.seal_pem().to_owned(),
            trial: true,
        };
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        new.create(self.store.clone(), at, &*self.entropy).await
    }

    pub(crate) async fn create_log(&self, archive: Archive) -> Result<LogWriter, LogError> {
        let clock = Arc::new(self.clock.clone());
        LogWriter::open(archive, log_keys(&self.keys), clock, &*self.entropy, 0).await
    }

    pub(crate) async fn archive(&self) -> Archive {
        Archive::open(self.store.clone()).await.unwrap()
    }

    /// Opens the log as another process would.
    pub(crate) async fn writer(&self) -> LogWriter {
        self.try_writer().await.unwrap()
    }

    pub(crate) async fn try_writer(&self) -> Result<LogWriter, LogError> {
        self.writer_with(&self.keys).await
    }

    pub(crate) async fn writer_with(&self, keys: &KeyFolder) -> Result<LogWriter, LogError> {
        let archive = Archive::open(self.store.clone()).await?;
        let clock = Arc::new(self.clock.clone());
        LogWriter::open(archive, log_keys(keys), clock, &*self.entropy, 0).await
    }

    /// Copies the key folder with its memory of what was signed last, as a backup does.
    pub(crate) fn copy_of_keys(&self) -> KeyFolder {
        let folder = self.temporary.path().join("backup");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in self.temporary.path().join("keys").read_dir().unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        KeyFolder::open(&folder).unwrap()
    }

    /// Lists the keys of all objects in the folder, sorted.
    pub(crate) fn keys_in_folder(&self) -> Vec<ObjectKey> {
        let root = self.temporary.path().join("archive");
        let (mut folders, mut keys) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    keys.push(ObjectKey::listed(key.to_owned()));
                }
            }
        }
        keys.sort();
        keys
    }

    /// Stores a batch of `count` leaves that are no documents, and returns the entry for it.
    pub(crate) async fn batch(&self, count: usize) -> Entry {
        let mut leaves = vec![0; 32 * count];
        self.entropy.fill(&mut leaves);
        let digests: Vec<_> = leaves
            .chunks(32)
            .map(|leaf| Sha256Digest::from_bytes(leaf.try_into().unwrap()))
            .collect();
        let order_root = root_of(digests.iter().map(|leaf| leaf_hash(leaf.as_bytes())));
        let batch = BatchId::random(&*self.entropy);
        let body = BatchCommitted {
            batch,
            documents: u32::try_from(count).unwrap(),
            leaves_sha256: Sha256Digest::of(&leaves),
            order_root: Sha256Digest::from_bytes(*order_root.as_bytes()),
            packs_sha256: Sha256Digest::of(b"no packs"),
            root: tree_root(&digests).unwrap(),
            submission: SubmissionId::random(&*self.entropy),
        };
        let created = self.store.create(&ObjectKey::leaves(batch), leaves.into()).await.unwrap();
        assert_eq!(created, CreateOutcome::Created);
        Entry::BatchCommitted(body)
    }

    pub(crate) async fn seal(&self, log: &mut LogWriter) -> Result<SealOutcome, LogError> {
        let key = self.keys.seal();
        Sealer { key: &key, entropy: &*self.entropy }.seal(log).await
    }

    /// Seals, and demands that there was something to seal.
    pub(crate) async fn sealed(&self, log: &mut LogWriter) -> Sealed {
        match self.seal(log).await.unwrap() {
            SealOutcome::Sealed(sealed) => *sealed,
            SealOutcome::NothingNew => panic!("there was nothing to seal"),
        }
    }

    pub(crate) fn authorities(&self) -> Authorities {
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::clone(&self.entropy));
        let trial = self.keys.trial_authority(clock, entropy);
        Authorities::new(vec![Arc::new(trial)], self.anchors(), SignedDuration::from_mins(1))
    }

    pub(crate) async fn stamp(&self, log: &mut LogWriter) -> StampOutcome {
        let authorities = self.authorities();
        stamp_sealings(log, EVIDENCE_LINE, &authorities, &self.clock, &*self.entropy).await.unwrap()
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::new();
        for der in pem_blocks(self.keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            anchors.add_der("trial root", &der).unwrap();
        }
        anchors
    }

    /// Audits as somebody who trusts the archive's keys and saw no checkpoint.
    pub(crate) async fn audit(&self) -> LogAudit {
        self.audit_with(None).await
    }

    pub(crate) async fn audit_with(
        &self,
        seen: Option<sigillo_authorities::SignedHead>,
    ) -> LogAudit {
        self.audit_of(AuditKnowledge {
            anchors: self.anchors(),
            log_key_trusted: true,
            seen,
            seen_before: Vec::new(),
            time: None,
        })
        .await
    }

    pub(crate) async fn audit_of(&self, knowledge: AuditKnowledge) -> LogAudit {
        audit_log(&self.archive().await, &knowledge, &mut |_, _| {}).await.unwrap()
    }

    /// Returns the file of an object.
    pub(crate) fn file(&self, key: &ObjectKey) -> PathBuf {
        self.temporary.path().join("archive").join(key.as_str())
    }

    pub(crate) async fn read(&self, key: &ObjectKey) -> Bytes {
        self.store.read(key, u64::MAX).await.unwrap()
    }
}

pub(crate) fn log_keys(keys: &KeyFolder) -> LogKeys {
    LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() }
}

/// An entry that needs no objects.
pub(crate) fn completed(number: u8) -> Entry {
    Entry::SubmissionCompleted(SubmissionCompleted {
        aggregations: 0,
        already: 0,
        archived: u64::from(number),
        pending: 0,
        received: u64::from(number),
        refused: 0,
        report_sha256: Sha256Digest::of(&[number]),
        submission: SubmissionId::from_bytes([number; 16]),
    })
}

/// Commits, and demands that it succeeded.
pub(crate) async fn commit(log: &mut LogWriter, entries: &[Entry]) -> Committed {
    match log.commit(entries).await.unwrap() {
        CommitOutcome::Committed(committed) => committed,
        other => panic!("not committed: {other:?}"),
    }
}

/// Returns the codes and objects of what an audit met, notes left out.
pub(crate) fn faults(audit: &LogAudit) -> Vec<(&'static str, &str)> {
    let findings = audit.findings.iter();
    let faults = findings.filter(|finding| finding.severity != sigillo_model::Severity::Note);
    faults.map(|finding| (finding.code.code(), finding.object.as_str())).collect()
}
