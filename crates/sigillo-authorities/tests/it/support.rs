//! Clock, entropy and folders for the tests.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use sigillo_authorities::{KeyFolder, TrialAuthority};
use sigillo_ers::{TrustAnchors, pem_blocks};
use sigillo_model::{Clock, Entropy, Sha256Digest};
use tempfile::TempDir;

/// Names of people and places are as long as they are.
pub(crate) const ENTITY: &str = "Unione dei Comuni della Val d'Ænza";

/// Always the same instant, in the past of whoever runs the tests.
#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        "2026-06-01T10:00:00.123456789Z".parse().expect("a time")
    }
}

/// Counts: never the same bytes twice, and the same in every run.
#[derive(Debug, Default)]
pub(crate) struct CountingEntropy {
    drawn: AtomicU64,
}

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let digest = Sha256Digest::of(&drawn);
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        // So that clearing the top bit of a nonce shows.
        bytes[0] |= 0x80;
    }
}

/// A key folder in a temporary one.
pub(crate) struct TestFolder {
    _temporary: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) keys: KeyFolder,
}

impl TestFolder {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let path = temporary.path().join("above").join("keys");
        let keys = create(&path).expect("a new key folder");
        Self { _temporary: temporary, path, keys }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn authority(&self) -> TrialAuthority {
        self.keys.trial_authority(Arc::new(FixedClock), Arc::new(CountingEntropy::default()))
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        anchors(&self.keys)
    }
}

pub(crate) fn create(path: &Path) -> Result<KeyFolder, sigillo_authorities::KeyError> {
    KeyFolder::create(path, ENTITY, &FixedClock, &CountingEntropy::default())
}

pub(crate) fn anchors(keys: &KeyFolder) -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE").expect("PEM") {
        anchors.add_der("trial root", &der).expect("a certificate");
    }
    anchors
}
