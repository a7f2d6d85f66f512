//! Comparing what is published of the log with its commits: the checkpoint, and whether tiles and
//! entry bundles are there. What is in them is for `verify` to compare.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_evidence_log::{Archive, LogView, Standing, read_checkpoint};
use sigillo_merkle::{
    EntryBundleId, TILE_WIDTH, TileId, TreeHash, entry_bundles_of_size, tiles_of_size,
};
use sigillo_model::ObjectKey;
use sigillo_store::StoreError;

use crate::{Check, CustodyError};

/// At most so many tiles and bundles are looked at, those of the newest entries first: all of them
/// in a log of half a million entries.
const LOOKED_AT_MAX: usize = 4000;

/// At most so many are asked for at once.
const IN_FLIGHT_MAX: usize = 16;

/// A tile or a bundle that readers of the log need.
struct Published {
    /// Where it is, as far as it goes now; and full, which serves as well.
    keys: [ObjectKey; 2],
    /// The sizes it can have under either, in bytes.
    sizes: [Size; 2],
    /// The last entry that it is about.
    end: u64,
}

/// The size that something can have, in bytes.
#[derive(Clone, Copy)]
enum Size {
    Exactly(u64),
    MoreThan(u64),
}

impl Size {
    fn fits(self, bytes: u64) -> bool {
        match self {
            Self::Exactly(size) => bytes == size,
            Self::MoreThan(size) => bytes > size,
        }
    }
}

/// Compares what is published of the log with its commits: the checkpoint, and whether the tiles
/// and entry bundles that readers need for every proof are there and have a size that they can have.
///
/// # Errors
///
/// [`CustodyError`] if it could not look.
pub async fn check_published(archive: &Archive, view: &LogView) -> Result<Check, CustodyError> {
    let name = "published-log";
    let Some(published) = read_checkpoint(archive).await? else {
        let words = "no checkpoint with the log's signature is published";
        return Ok(Check::warn(name, words, "sigillo rebuild"));
    };
    let covers = published.head.size;
    Ok(match published.standing {
        Standing::Contradicted { .. } => Check::fail(
            name,
            format!("the published checkpoint of {covers} entries is not of these commits"),
            "sigillo verify --full",
        ),
        Standing::Older { size } => Check::warn(
            name,
            format!("the published checkpoint covers {covers} of {size} entries"),
            "sigillo rebuild",
        ),
        Standing::Newest => check_files(archive, view.size, name).await?,
    })
}

/// Looks whether tiles and bundles are there.
async fn check_files(
    archive: &Archive,
    size: u64,
    name: &'static str,
) -> Result<Check, CustodyError> {
    let log = archive.generation();
    let tiles = tiles_of_size(size).into_iter().map(|it| Published::tile(log, it));
    let bundles = entry_bundles_of_size(size).into_iter().map(|it| Published::bundle(log, it));
    let mut all: Vec<Published> = tiles.chain(bundles).collect();
    let total = all.len();
    all.sort_by_key(|it| std::cmp::Reverse(it.end));
    all.truncate(LOOKED_AT_MAX);
    let looked_at = all.len();
    let mut wrong = stream::iter(all)
        .map(|published| published.fault(archive))
        .buffered(IN_FLIGHT_MAX)
        .try_filter_map(|fault| std::future::ready(Ok(fault)));
    let (mut first, mut others) = (None, 0_u64);
    while let Some(fault) = wrong.try_next().await? {
        match first {
            None => first = Some(fault),
            Some(_) => others += 1,
        }
    }
    let looked = if looked_at == total {
        format!("all {total} tiles and bundles of entries")
    } else {
        format!("the newest {looked_at} of {total} tiles and bundles of entries")
    };
    Ok(match first {
        Some((key, what)) => {
            let more = if others == 0 { String::new() } else { format!(", and {others} more") };
            Check::warn(name, format!("{key} {what}{more}, of {looked}"), "sigillo rebuild")
        }
        None => Check::ok(
            name,
            format!("everybody can read all {size} entries: {looked} are there, by their sizes"),
        ),
    })
}

impl Published {
    fn tile(log: u64, tile: TileId) -> Self {
        let full = TileId { width: TILE_WIDTH, ..tile };
        let size = |it: TileId| Size::Exactly(u64::from(it.width) * TreeHash::LENGTH_BYTES as u64);
        // Of 256 hashes of level 1 each stands for 256 entries, and so on.
        let hashes = tile.index * u64::from(TILE_WIDTH) + u64::from(tile.width);
        let end = (0..tile.level).fold(hashes, |end, _| end.saturating_mul(TILE_WIDTH.into()));
        Self {
            keys: [tile, full].map(|it| ObjectKey::tile_of(log, &it.path())),
            sizes: [tile, full].map(size),
            end,
        }
    }

    fn bundle(log: u64, bundle: EntryBundleId) -> Self {
        let full = EntryBundleId { width: TILE_WIDTH, ..bundle };
        // Before each entry come two bytes with its length.
        let size = |it: EntryBundleId| Size::MoreThan(2 * u64::from(it.width));
        Self {
            keys: [bundle, full].map(|it| ObjectKey::tile_of(log, &it.path())),
            sizes: [bundle, full].map(size),
            end: bundle.index * u64::from(TILE_WIDTH) + u64::from(bundle.width),
        }
    }

    /// Returns what is wrong, if anything.
    async fn fault(
        self,
        archive: &Archive,
    ) -> Result<Option<(ObjectKey, &'static str)>, CustodyError> {
        let mut is_there = false;
        for (key, size) in self.keys.iter().zip(self.sizes) {
            match size_of(archive, key).await? {
                Some(bytes) if size.fits(bytes) => return Ok(None),
                found => is_there |= found.is_some(),
            }
        }
        let [key, _] = self.keys;
        let what = if is_there { "has a size that it cannot have" } else { "is missing" };
        Ok(Some((key, what)))
    }
}

async fn size_of(archive: &Archive, key: &ObjectKey) -> Result<Option<u64>, CustodyError> {
    match archive.store().size(key).await {
        Ok(size) => Ok(Some(size)),
        Err(StoreError::NotFound { .. } | StoreError::NotAnObject { .. }) => Ok(None),
        Err(source) => Err(CustodyError::Store { doing: "looking for a tile", source }),
    }
}
