//! What the workers of one ingest share, and what they know of one document.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sigillo_catalogue::{IndexedVersion, KeyIndex};
use sigillo_ers::version_id;
use sigillo_evidence_log::indexed;
use sigillo_formats::identify;
use sigillo_model::{
    Description, DocumentId, DocumentKey, Entropy, FileEntry, LogTime, Operation, Record,
    RecordKind, SALT_BYTES, Sha256Digest, VersionId, encode_name, salt_text,
};
use sigillo_store::pack::Extension;

use crate::{FolderSource, Note, Progress, Refusal, RefusalCode};

/// At most this many refusals and notes are kept in words; all are counted.
pub(crate) const WORDS_MAX: usize = 100_000;

/// What all workers of one ingest share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) source: Arc<FolderSource>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The keys known when the ingest began.
    pub(crate) index: KeyIndex,
    pub(crate) received_at: LogTime,
    pub(crate) progress: Arc<Progress>,
    /// Nothing new is begun once this is set; what was begun is finished.
    pub(crate) stop: Arc<AtomicBool>,
    /// Set when the work downstream failed: everything ends at once.
    pub(crate) aborted: AtomicBool,
    pub(crate) already: AtomicU64,
    pub(crate) refused: AtomicU64,
    words: Mutex<(Vec<Refusal>, Vec<Note>)>,
}

impl Shared {
    pub(crate) fn new(
        source: Arc<FolderSource>,
        entropy: Arc<dyn Entropy>,
        index: KeyIndex,
        received_at: LogTime,
        progress: Arc<Progress>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            source,
            entropy,
            index,
            received_at,
            progress,
            stop,
            aborted: AtomicBool::new(false),
            already: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            words: Mutex::default(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.aborted.load(Ordering::Relaxed)
    }

    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.0.len() < WORDS_MAX {
            words.0.push(refusal);
        }
    }

    pub(crate) fn note(&self, note: Note) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.1.len() < WORDS_MAX {
            words.1.push(note);
        }
    }

    /// Returns refusals and notes, by path.
    pub(crate) fn take_words(&self) -> (Vec<Refusal>, Vec<Note>) {
        let mut words =
            std::mem::take(&mut *self.words.lock().unwrap_or_else(PoisonError::into_inner));
        words.0.sort_by(|a, b| a.path.cmp(&b.path));
        words.1.sort_by(|a, b| a.path.cmp(&b.path));
        words
    }
}

/// A document whose bytes were read and hashed.
#[derive(Debug)]
pub(crate) struct ReadDocument {
    pub(crate) version: VersionId,
    pub(crate) record: Vec<u8>,
    pub(crate) indexed: IndexedVersion,
}

/// What became of a document that was read.
pub(crate) enum Decided {
    New(ReadDocument),
    Already,
    Refused(Refusal),
}

/// Secret and fresh bytes of one document.
pub(crate) const FRESH_BYTES: usize = SALT_BYTES + DocumentId::LENGTH_BYTES;

/// Writes the record of a document and decides, by its key, whether it is new.
pub(crate) fn decide(
    shared: &Shared,
    path: &[u8],
    (sha256, size): (Sha256Digest, u64),
    head: &[u8],
    fresh: &[u8; FRESH_BYTES],
) -> Decided {
    let record = record_of(shared, path, (sha256, size), head, fresh);
    let bytes = record.to_json();
    let version = version_id(Sha256Digest::of(&bytes), &[sha256]);
    let indexed = indexed(version, &record);
    match shared.index.lookup(indexed.key) {
        None => Decided::New(ReadDocument { version, record: bytes, indexed }),
        Some(known) if known.sameness == indexed.sameness => Decided::Already,
        Some(known) => {
            let refusal = Refusal::new(RefusalCode::KeyExists, encode_name(path));
            Decided::Refused(refusal.because(format!("version {}", known.version)))
        }
    }
}

fn record_of(
    shared: &Shared,
    path: &[u8],
    (sha256, size): (Sha256Digest, u64),
    head: &[u8],
    fresh: &[u8; FRESH_BYTES],
) -> Record {
    let (mut salt, mut document) = ([0; SALT_BYTES], [0; DocumentId::LENGTH_BYTES]);
    salt.copy_from_slice(&fresh[..SALT_BYTES]);
    document.copy_from_slice(&fresh[SALT_BYTES..]);
    let format = identify(head);
    let file = FileEntry {
        media_type: format.map(|it| it.media_type.to_owned()),
        name: encode_name(name_of(path)),
        puid: format.and_then(|it| it.puid).map(str::to_owned),
        role: "main".to_owned(),
        sha256,
        size,
        stored_in: None,
    };
    Record {
        document: DocumentId::from_bytes(document),
        files: vec![file],
        format: 1,
        description: Description::default(),
        key: DocumentKey::Path { path: encode_name(path), source: shared.source.name.clone() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: shared.received_at,
        salt: salt_text(&salt),
        supersedes: None,
        version: 1,
    }
}

/// Returns the extension that the file of a document shows in its pack.
pub(crate) fn extension_of(path: &[u8]) -> Option<Extension> {
    Extension::from_file_name(std::str::from_utf8(name_of(path)).ok()?)
}

fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
