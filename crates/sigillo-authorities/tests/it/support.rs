//! Clock, entropy, folders and openssl for the tests.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
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
        Self::of(temporary, path, keys)
    }

    pub(crate) fn of(temporary: TempDir, path: PathBuf, keys: KeyFolder) -> Self {
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

/// Runs openssl; `None` where there is none, which a continuous-integration machine must have.
#[expect(clippy::print_stdout, reason = "what is skipped is said aloud")]
pub(crate) fn openssl(arguments: &[&str]) -> Option<Output> {
    match Command::new("openssl").args(arguments).output() {
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("SKIPPED: openssl cannot be run: {error}");
            None
        }
        result => Some(result.expect("openssl, which the tests need")),
    }
}
