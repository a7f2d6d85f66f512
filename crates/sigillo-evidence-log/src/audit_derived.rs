//! Comparing the published log, tiles, entry bundles and checkpoint, with what the commits give.

use bytes::Bytes;

use sigillo_authorities::SignedHead;
use sigillo_merkle::{
    Checkpoint, EntryBundleId, KeysOfLog, NOTE_BYTES_MAX, TILE_WIDTH, TileId, TreeHash,
    decode_entries, encode_entries,
};
use sigillo_model::{Finding, FindingCode, ObjectKey};

use crate::{
    Archive, LogError, RightEdge,
    audit::causes_of,
    audit_succession::is_said_lost,
    chain::sha256_of,
    head::exists,
    publish::{ended_note, read_derived, signed_checkpoint},
    right_edge::tile_content,
};

/// Largest tile or entry bundle read.
const DERIVED_BYTES_MAX: u64 = 256 * (65_535 + 2);

/// Finished tiles and bundles on their way to being compared.
#[derive(Debug)]
pub(crate) struct DerivedAudit {
    /// The generation of the log that they are of.
    generation: u64,
    tiles: Vec<(TileId, Vec<u8>)>,
    bundles: Vec<(u64, Vec<Bytes>)>,
    entries: Vec<Bytes>,
    bundles_finished: u64,
}

impl DerivedAudit {
    /// Begins with the log of a generation, from 1.
    pub(crate) fn of(generation: u64) -> Self {
        Self {
            generation,
            tiles: Vec::new(),
            bundles: Vec::new(),
            entries: Vec::new(),
            bundles_finished: 0,
        }
    }

    /// Returns that generation.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn tile_finished(&mut self, tile: TileId, hashes: &[TreeHash]) {
        self.tiles.push((tile, tile_content(hashes)));
    }

    pub(crate) fn entry(&mut self, line: &Bytes) {
        self.entries.push(line.clone());
        if self.entries.len() == usize::from(TILE_WIDTH) {
            let full = std::mem::take(&mut self.entries);
            self.bundles.push((self.bundles_finished, full));
            self.bundles_finished += 1;
        }
    }

    /// Compares what became full since the last call.
    pub(crate) async fn check_finished(
        &mut self,
        archive: &Archive,
        findings: &mut Vec<Finding>,
    ) -> Result<(), LogError> {
        for (tile, content) in std::mem::take(&mut self.tiles) {
            compare((archive, self.generation), &tile.path(), &content, findings).await?;
        }
        for (index, entries) in std::mem::take(&mut self.bundles) {
            compare_bundle((archive, self.generation), index, &entries, findings).await?;
        }
        Ok(())
    }

    /// Compares the unfinished tiles and the unfinished bundle.
    pub(crate) async fn check_edge(
        &self,
        archive: &Archive,
        edge: &RightEdge,
        findings: &mut Vec<Finding>,
    ) -> Result<(), LogError> {
        for (tile, hashes) in edge.partial_tiles() {
            compare((archive, self.generation), &tile.path(), &tile_content(hashes), findings)
                .await?;
        }
        if !self.entries.is_empty() {
            compare_bundle(
                (archive, self.generation),
                self.bundles_finished,
                &self.entries,
                findings,
            )
            .await?;
        }
        Ok(())
    }
}

/// Compares the published checkpoint with size and root after each commit, the newest last.
///
/// One that is good but belongs to no commit proves that commits were taken back or replaced: it
/// is signed only after its commits were read back.
pub(crate) async fn check_checkpoint(
    (archive, keys, generation): (&Archive, &KeysOfLog, u64),
    boundaries: &[Option<SignedHead>],
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let key = ObjectKey::checkpoint_of(generation);
    let read = read_derived(archive.store(), &key, NOTE_BYTES_MAX as u64).await;
    let bytes = read.map_err(LogError::store("reading the checkpoint"))?;
    let published = bytes.as_ref().and_then(|bytes| signed_checkpoint(keys, bytes));
    let head = boundaries.last().copied().flatten();
    let (code, message) = match (&bytes, published) {
        (Some(bytes), None) if is_said_lost_note(archive, generation, bytes) => return Ok(()),
        (bytes, None) if archive.opened(generation + 1).is_some() => {
            let is_known = ended_note(archive, generation, keys).is_some();
            match bytes {
                None if !is_known => return Ok(()),
                None => (
                    FindingCode::CheckpointDamaged,
                    "the last checkpoint of this log, which ended, is not there any more"
                        .to_owned(),
                ),
                Some(_) => (
                    FindingCode::CheckpointDamaged,
                    "the published checkpoint is not one of this log, which ended".to_owned(),
                ),
            }
        }
        (None, _) => {
            (FindingCode::CheckpointDamaged, "the checkpoint was not published".to_owned())
        }
        (Some(_), None) => {
            let message = "the published checkpoint is not one of this log".to_owned();
            (FindingCode::CheckpointDamaged, message)
        }
        (Some(_), Some(it)) => {
            let published = Some(SignedHead { size: it.size, root: sha256_of(it.root) });
            let size = head.map_or(0, |head| head.size);
            let is_ended = archive.opened(generation + 1).is_some();
            let next = archive.opened(generation).unwrap_or(1) - u64::from(generation == 1)
                + u64::try_from(boundaries.len()).unwrap_or(u64::MAX);
            let body = archive.succession(generation + 1);
            let is_lost = |head| body.as_ref().is_some_and(|it| is_said_lost(&it.succession, head));
            let theirs = archive.exposed_since(generation).is_some();
            let is_left = theirs && ended_note(archive, generation, keys).is_none();
            // Nobody may be left who can sign the last one of a log that another one follows, and what
            // it covers may be lost: the act that ended the log says so then, and F308 tells it.
            let is_told = boundaries.contains(&published) || published.is_some_and(is_lost);
            if is_ended && (is_told || is_left) {
                return Ok(());
            }
            // A commit may come while the audit is under way.
            let has_more = !is_ended && it.size > size && exists(archive.store(), next).await?;
            if published == head || has_more {
                return Ok(());
            }
            // Of commits that could not be read, the boundaries are not known.
            let known = !boundaries.contains(&None) || it.size >= size;
            if known && !boundaries.contains(&published) {
                contradiction((it.size, size), theirs)
            } else {
                let message =
                    format!("the published checkpoint covers {} of {size} entries", it.size);
                (FindingCode::CheckpointDamaged, message)
            }
        }
    };
    findings.push(Finding::new(code, key, message));
    Ok(())
}

/// Says what a published checkpoint proves that the commits do not contain; of a log that ended because
/// others may sign with its keys, nothing.
fn contradiction((published, size): (u64, u64), may_be_theirs: bool) -> (FindingCode, String) {
    let begin = format!(
        "a checkpoint of {published} entries bears the log's signature; the commits, of {size} entries, do not contain it"
    );
    if may_be_theirs {
        let end = "others may sign with the keys of this log, which ended";
        return (FindingCode::CheckpointDamaged, format!("{begin}: {end}"));
    }
    (FindingCode::LogRolledBack, format!("{begin}: they were taken back or replaced"))
}

/// Tells whether what is published of a log that ended is about entries that the act of its end says to be
/// lost: perhaps so is the entry that names the key that signed it.
fn is_said_lost_note(archive: &Archive, generation: u64, note: &[u8]) -> bool {
    let Some(body) = archive.succession(generation + 1) else { return false };
    let stated = std::str::from_utf8(note).ok().and_then(Checkpoint::stated);
    stated.is_some_and(|it| {
        it.origin == archive.description().origin_of(generation)
            && is_said_lost(
                &body.succession,
                SignedHead { size: it.size, root: sha256_of(it.root) },
            )
    })
}

/// Tells of a checkpoint of a log that would come after the newest: that one may be lost.
pub(crate) async fn check_no_successor(
    archive: &Archive,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let next = archive.generation() + 1;
    let key = ObjectKey::checkpoint_of(next);
    let read = read_derived(archive.store(), &key, NOTE_BYTES_MAX as u64).await;
    let bytes = read.map_err(LogError::store("looking for the checkpoint of a later log"))?;
    if bytes.is_none() || archive.generation() >= next {
        return Ok(());
    }
    let message =
        format!("a checkpoint of log {next} is published, and no commit begins such a log");
    findings.push(Finding::new(FindingCode::SuccessorMissing, key, message));
    Ok(())
}

async fn compare_bundle(
    log: (&Archive, u64),
    index: u64,
    entries: &[Bytes],
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let width = u16::try_from(entries.len()).expect("a bundle has 256 entries at most");
    let content = encode_entries(entries).expect("1 to 256 entries that a commit had");
    compare(log, &EntryBundleId { index, width }.path(), &content, findings).await
}

async fn compare(
    (archive, generation): (&Archive, u64),
    path: &str,
    content: &[u8],
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let key = ObjectKey::tile_of(generation, path);
    let read = read_derived(archive.store(), &key, DERIVED_BYTES_MAX).await;
    let message = match read {
        Ok(Some(bytes)) if bytes == content => return Ok(()),
        Ok(Some(_)) => "it is not what the commits give",
        Ok(None) => "it was not published",
        Err(error) => {
            let message = format!("it could not be read: {}", causes_of(&error));
            findings.push(Finding::new(FindingCode::NotRead, key, message));
            return Ok(());
        }
    };
    findings.push(Finding::new(FindingCode::TileDamaged, key, message));
    Ok(())
}

/// Reads the published entries from place `start` up to `end`; fewer if some are not to be had.
/// They prove nothing by themselves.
pub(crate) async fn lines_from_bundles(
    (archive, generation): (&Archive, u64),
    start: u64,
    end: u64,
) -> Result<Vec<Bytes>, LogError> {
    let width = u64::from(TILE_WIDTH);
    let mut lines = Vec::new();
    let mut position = start;
    while position < end {
        let index = position / width;
        let Some(bundle) = read_bundle((archive, generation), index, end).await? else { break };
        let skipped = usize::try_from(position % width).expect("below 256");
        let wanted = usize::try_from(end.min((index + 1) * width) - position).expect("below 256");
        let found = bundle.into_iter().skip(skipped).take(wanted);
        lines.extend(found);
        position = (index + 1) * width;
    }
    Ok(lines)
}

/// Reads the bundle of an index in the widest form that is published.
async fn read_bundle(
    (archive, generation): (&Archive, u64),
    index: u64,
    end: u64,
) -> Result<Option<Vec<Bytes>>, LogError> {
    let needed =
        u16::try_from((end - index * u64::from(TILE_WIDTH)).min(256)).expect("at most 256");
    for width in needed..=TILE_WIDTH {
        let key = ObjectKey::tile_of(generation, &EntryBundleId { index, width }.path());
        let read = read_derived(archive.store(), &key, DERIVED_BYTES_MAX).await;
        if let Some(bytes) = read.map_err(LogError::store("reading an entry bundle"))?
            && let Ok(entries) = decode_entries(&bytes, width)
        {
            return Ok(Some(entries.into_iter().map(Bytes::copy_from_slice).collect()));
        }
    }
    Ok(None)
}
