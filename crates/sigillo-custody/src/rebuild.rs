//! Rebuilding the block values of packs, after the packs proved themselves.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use sigillo_evidence_log::{Archive, LogView};
use sigillo_model::{ErrorKind, ObjectKey};
use sigillo_store::{
    CpuPool,
    pack::{PackError, scan_pack},
};

use crate::{
    CustodyError,
    batch_check::{BatchCheck, check_batch},
};

/// What became of a rebuilding.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RebuildOutcome {
    /// Block values written anew.
    pub rebuilt: Vec<ObjectKey>,
    /// Packs whose block values could not be rebuilt, because they do not have their own name.
    pub damaged: Vec<ObjectKey>,
}

/// How far a rebuilding of block values is; it only counts up.
#[derive(Debug, Default)]
pub struct RebuildProgress {
    /// Batches dealt with.
    pub batches: AtomicU64,
    /// Bytes of packs read.
    pub bytes_read: AtomicU64,
}

/// Writes anew the block values that are missing or do not give the name of their pack.
///
/// # Errors
///
/// [`CustodyError`] if the archive cannot be read or written.
pub async fn rebuild_blocks(
    archive: &Archive,
    view: &LogView,
    cpu: &CpuPool,
    progress: Arc<RebuildProgress>,
) -> Result<RebuildOutcome, CustodyError> {
    let mut outcome = RebuildOutcome::default();
    for batch in &view.batches {
        let BatchCheck { packs, not_read, .. } = check_batch(archive, cpu, &batch.body).await?;
        if let Some(error) = not_read {
            return Err(error);
        }
        let block_bytes = sigillo_store::pack::BLOCK_BYTES as u64;
        let unsound = packs
            .into_iter()
            .filter(|pack| pack.present && pack.blocks.is_none() && pack.listed.size > block_bytes);
        for pack in unsound {
            let (sink, name) = (Arc::clone(archive.store().packs()), pack.listed.name);
            let counted = Arc::clone(&progress);
            let scan = cpu.run(move || {
                let source = sink
                    .open(&name)
                    .map_err(|source| PackError::Store { doing: "opening it", source })?;
                scan_pack(&*source, &mut |_, bytes| {
                    let length = bytes.len() as u64;
                    counted.bytes_read.fetch_add(length, Ordering::Relaxed);
                })
            });
            let key = ObjectKey::pack(name);
            let scan = scan.await.map_err(|_| CustodyError::Panicked)?;
            let scan = match scan {
                Err(source) if source.kind() == ErrorKind::Integrity => {
                    outcome.damaged.push(key);
                    continue;
                }
                scan => scan.map_err(|source| CustodyError::Pack { key: key.clone(), source })?,
            };
            if scan.name_found != name {
                outcome.damaged.push(key);
                continue;
            }
            let key = ObjectKey::blocks(name);
            let bytes = Bytes::from(scan.blocks.concat());
            archive
                .store()
                .replace_derived(&key, bytes)
                .await
                .map_err(|source| CustodyError::Store { doing: "writing block values", source })?;
            outcome.rebuilt.push(key);
        }
        progress.batches.fetch_add(1, Ordering::Relaxed);
    }
    Ok(outcome)
}
