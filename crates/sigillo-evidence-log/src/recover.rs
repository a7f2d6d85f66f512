//! Recovery: from the head back to the nearest commit whose tree the tiles prove, and forward.

use bytes::Bytes;
use futures::future::try_join_all;

use sigillo_authorities::SignedHead;
use sigillo_merkle::{EntryBundleId, TILE_WIDTH, TileId, TreeHash, decode_entries, leaf_hash};
use sigillo_model::{CommitOpened, ObjectKey};

use crate::{
    Archive, Commit, LogError, RightEdge,
    chain::{Chain, Tail, tree_hash_of},
    find_head,
    publish::read_derived,
};

/// Largest entry bundle read: 256 entries of 65,535 bytes with their lengths.
const BUNDLE_BYTES_MAX: u64 = 256 * (65_535 + 2);

/// Largest tile read.
const TILE_BYTES_MAX: u64 = 256 * 32;

/// The newest commit and the tree over all entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) chain: Chain,
    pub(crate) tail: Tail,
    /// Tiles that became full since the commit that the recovery began at.
    pub(crate) finished: Vec<(TileId, Vec<TreeHash>)>,
}

impl Recovered {
    /// Finds the head and the tree over all entries, with O(log n) reads where tiles are good.
    pub(crate) async fn read(archive: &Archive, known: u64) -> Result<Self, LogError> {
        let head = find_head(archive.store(), known).await?;
        if head == 0 {
            return Ok(Self::default());
        }
        // Never from the newest one itself: what its header says of those before it is checked.
        let mut back = 1;
        loop {
            // A log that came after another begins with an empty tree, which needs no tiles.
            let begun = archive.opened(archive.generation()).filter(|begun| *begun < head);
            let number = head.saturating_sub(back).max(begun.unwrap_or(1));
            let commit = archive.existing_commit(number).await?;
            if let Some(edge) = edge_before(archive, &commit.header).await? {
                return Self::forward(archive, commit, edge, head).await;
            }
            if number <= begun.unwrap_or(1) {
                let what = "the root over the entries before it";
                let fault = crate::CommitFault::Chain { what };
                return Err(LogError::CommitDamaged { number, fault });
            }
            back = back.saturating_mul(2).saturating_add(1);
        }
    }

    async fn forward(
        archive: &Archive,
        first: Commit,
        edge: RightEdge,
        head: u64,
    ) -> Result<Self, LogError> {
        let entries = entries_before(archive, &first.header, &edge).await?;
        let mut recovered = Self {
            chain: Chain::before(&first.header, edge),
            tail: Tail { finished: Vec::new(), entries },
            finished: Vec::new(),
        };
        recovered.advance(&first)?;
        for number in first.header.commit + 1..=head {
            recovered.advance(&archive.existing_commit(number).await?)?;
        }
        Ok(recovered)
    }

    /// Returns size and root of the newest commit.
    pub(crate) fn head(&self) -> SignedHead {
        SignedHead { size: self.chain.edge.size(), root: self.chain.root() }
    }

    /// Tells whether a head is that of this log, as far as it is known here, at some commit.
    pub(crate) async fn contains(
        &self,
        archive: &Archive,
        head: SignedHead,
    ) -> Result<bool, LogError> {
        if self.chain.edge.size() <= head.size {
            return Ok(self.head() == head);
        }
        let commits = (self.chain.succeeded.unwrap_or(1), self.chain.number);
        is_stated_before(archive, commits, head).await
    }

    /// Checks the next commit and takes it in.
    pub(crate) fn advance(&mut self, commit: &Commit) -> Result<(), LogError> {
        let number = commit.header.commit;
        let mut position = commit.header.first_leaf;
        let begins = commit.header.succeeded == Some(number);
        let finished = &mut self.finished;
        if begins {
            // What is left of the old log is not published under the new one.
            finished.clear();
        }
        self.chain
            .advance(commit, &mut |tile, hashes| finished.push((tile, hashes.to_vec())))
            .map_err(|fault| LogError::CommitDamaged { number, fault })?;
        if begins {
            self.tail = Tail::default();
        }
        for line in &commit.lines {
            self.tail.entries.push(line.clone());
            position += 1;
            if position.is_multiple_of(u64::from(TILE_WIDTH)) {
                let full = std::mem::take(&mut self.tail.entries);
                self.tail.finished.push((position / u64::from(TILE_WIDTH) - 1, full));
            }
        }
        Ok(())
    }
}

/// Tells whether the newest log has a head that was seen earlier, at one of its commits. Writes nothing.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn log_contains(archive: &Archive, seen: SignedHead) -> Result<bool, LogError> {
    Recovered::read(archive, 0).await?.contains(archive, seen).await
}

/// Returns the first of some heads that the newest log did not have at one of its commits. Writes nothing.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn first_not_contained(
    archive: &Archive,
    heads: &[SignedHead],
) -> Result<Option<SignedHead>, LogError> {
    if heads.is_empty() {
        return Ok(None);
    }
    let recovered = Recovered::read(archive, 0).await?;
    for head in heads {
        if !recovered.contains(archive, *head).await? {
            return Ok(Some(*head));
        }
    }
    Ok(None)
}

/// Tells whether a log that another one followed had a head, at one of its commits; no if it is not
/// known, or did not end. Writes nothing.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn ended_log_contains(
    archive: &Archive,
    generation: u64,
    seen: SignedHead,
) -> Result<bool, LogError> {
    let (Some(first), Some(next)) = (archive.opened(generation), archive.opened(generation + 1))
    else {
        return Ok(false);
    };
    let Some(end) = archive.succession(generation + 1).map(|body| body.succession) else {
        return Ok(false);
    };
    if seen.size >= end.size {
        return Ok((seen.size, seen.root) == (end.size, end.root));
    }
    is_stated_before(archive, (first, next - 1), seen).await
}

/// Tells whether one of the commits of a log states a head as what lies before it: a checkpoint always
/// covers whole commits.
async fn is_stated_before(
    archive: &Archive,
    (mut low, mut high): (u64, u64),
    head: SignedHead,
) -> Result<bool, LogError> {
    while low < high {
        let middle = low + (high - low) / 2;
        let commit = archive.existing_commit(middle).await?;
        if commit.header.first_leaf < head.size { low = middle + 1 } else { high = middle }
    }
    let header = archive.existing_commit(low).await?.header;
    Ok(header.first_leaf == head.size && header.root == head.root)
}

/// Reads the right edge before a commit from the tiles, or returns nothing if they do not give the
/// root that its header states.
async fn edge_before(
    archive: &Archive,
    header: &CommitOpened,
) -> Result<Option<RightEdge>, LogError> {
    let size = header.first_leaf;
    let tiles = RightEdge::unfinished_tiles(size).into_iter();
    let read = tiles.map(|tile| read_tile(archive, header.generation, tile));
    let levels: Option<Vec<_>> = try_join_all(read).await?.into_iter().collect();
    let edge = levels.and_then(|levels| RightEdge::from_tiles(size, levels));
    Ok(edge.filter(|edge| edge.root() == tree_hash_of(header.root)))
}

/// Reads the first hashes of a tile from the partial one or, later, the full one.
async fn read_tile(
    archive: &Archive,
    generation: u64,
    tile: TileId,
) -> Result<Option<Vec<TreeHash>>, LogError> {
    if tile.width == 0 {
        return Ok(Some(Vec::new()));
    }
    for width in [tile.width, TILE_WIDTH] {
        let key = ObjectKey::tile_of(generation, &TileId { width, ..tile }.path());
        let read = read_derived(archive.store(), &key, TILE_BYTES_MAX).await;
        let bytes = read.map_err(LogError::store("reading a tile"))?.unwrap_or_default();
        let (hashes, _) = bytes.as_chunks::<{ TreeHash::LENGTH_BYTES }>();
        if let Some(hashes) = hashes.get(..tile.width.into()) {
            return Ok(Some(hashes.iter().map(|hash| TreeHash::from_bytes(*hash)).collect()));
        }
    }
    Ok(None)
}

/// Finds the entries of the unfinished bundle before a commit: from the published bundle if it
/// hashes to the tree's leaves, else from the commits.
async fn entries_before(
    archive: &Archive,
    header: &CommitOpened,
    edge: &RightEdge,
) -> Result<Vec<Bytes>, LogError> {
    let Some((tile, leaves)) = edge.partial_tiles().next().filter(|(tile, _)| tile.level == 0)
    else {
        return Ok(Vec::new());
    };
    let bundle = EntryBundleId { index: tile.index, width: tile.width };
    let key = ObjectKey::tile_of(header.generation, &bundle.path());
    let read = read_derived(archive.store(), &key, BUNDLE_BYTES_MAX).await;
    if let Some(bytes) = read.map_err(LogError::store("reading an entry bundle"))?
        && let Ok(entries) = decode_entries(&bytes, tile.width)
        && entries.iter().map(|entry| leaf_hash(entry)).eq(leaves.iter().copied())
    {
        return Ok(entries.into_iter().map(Bytes::copy_from_slice).collect());
    }
    let start = tile.index * u64::from(TILE_WIDTH);
    let mut entries: Vec<Bytes> = Vec::new();
    for number in (1..header.commit).rev() {
        let commit = archive.existing_commit(number).await?;
        let first_leaf = commit.header.first_leaf;
        let skipped = usize::try_from(start.saturating_sub(first_leaf)).unwrap_or(usize::MAX);
        let older = std::mem::take(&mut entries);
        entries = commit.lines.into_iter().skip(skipped).chain(older).collect();
        if first_leaf <= start {
            break;
        }
    }
    Ok(entries)
}
