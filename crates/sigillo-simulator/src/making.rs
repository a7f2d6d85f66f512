//! Making what worlds begin with: folders in memory, keys, archives, logs of a length.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use sigillo_authorities::KeyFolder;
use sigillo_ers::{CertificateError, TrustAnchors, pem_blocks};
use sigillo_evidence_log::{Archive, LogError, LogKeys, LogWriter, NewArchive};
use sigillo_model::{Clock as _, Entity, Entry, LogTime};
use sigillo_store::Store;
use sigillo_testkit::{ManualClock, SeededEntropy};

use crate::SimulationError;

/// Whose records these are.
pub(crate) const ENTITY: &str = "Comune di Prova";

/// Every world begins at this instant.
pub(crate) const START: &str = "2026-11-25T08:00:00Z";

/// Adds one commit, if need be, after which the log has `size` entries: the same thing said again.
pub(crate) async fn lengthen(log: &mut LogWriter, size: u64) -> Result<(), LogError> {
    let first = log.archive().existing_commit(1).await?;
    let created = first.entries.into_iter().nth(1).expect("commit 1 says that the archive begins");
    let missing = size.saturating_sub(log.size() + 1);
    let entries: Vec<Entry> = (0..missing).map(|_| created.clone()).collect();
    if !entries.is_empty() {
        log.commit(&entries).await?;
    }
    Ok(())
}

/// Makes a temporary folder, in memory where the system has one: keys are synced at every signature.
pub(crate) fn folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }
}

pub(crate) fn copy_private_folder(from: &Path, to: &PathBuf) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

pub(crate) fn log_keys(keys: &KeyFolder) -> LogKeys {
    LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() }
}

/// Returns the trust of an auditor who knows the trial root of these keys.
///
/// # Errors
///
/// [`CertificateError`] if the root cannot be read.
pub fn anchors(keys: &KeyFolder) -> Result<TrustAnchors, CertificateError> {
    let mut anchors = TrustAnchors::new();
    for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE")? {
        anchors.add_der("trial root", &der)?;
    }
    Ok(anchors)
}

pub(crate) async fn new_archive(
    keys: &KeyFolder,
    store: Store,
    clock: &ManualClock,
    entropy: &SeededEntropy,
) -> Result<Archive, SimulationError> {
    let commit_key = keys.commit_signer().public_key();
    let commit_key = commit_key.try_into().expect("an Ed25519 key has 32 bytes");
    let new = NewArchive {
        entity: Entity { ipa: None, name: ENTITY.to_owned() },
        commit_key,
        log_key: keys.log_signer().public_key(),
        seal_pem: keys.seal_pem().to_owned(),
        trial: true,
    };
    Ok(new.create(store, LogTime::new(clock.now()), entropy).await?)
}
