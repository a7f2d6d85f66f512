//! Names of tiles and entry bundles, and the paths under which C2SP tlog-tiles keeps them.

use std::fmt;

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The highest level of a tile: 2⁶⁴ leaves have no higher one.
pub const TILE_LEVEL_MAX: u32 = 63 / TILE_HEIGHT;

/// The longest path that is read, in bytes; those of the largest tree are shorter.
pub const TILE_PATH_BYTES_MAX: usize = 64;

/// Up to 256 neighbouring hashes of tree level 8 × `level`.
///
/// Source: C2SP tlog-tiles, "Merkle Tree".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TileId {
    /// Level of the tile: 0 (leaf hashes) to [`TILE_LEVEL_MAX`].
    pub level: u32,
    /// Tiles of that level to its left.
    pub index: u64,
    /// Hashes in the tile: 1 to [`TILE_WIDTH`]; a tile below that width is partial.
    pub width: u16,
}

impl TileId {
    /// Returns whether the tile holds all the hashes it ever will.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Returns the path of the tile below the log's prefix: `tile/<L>/<N>[.p/<W>]`.
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, NumberedPath(self.index, self.width))
    }

    /// Reads a path as [`path`](Self::path) makes it.
    ///
    /// # Errors
    ///
    /// [`ParseTilePathError`] for other spellings, and for tiles that no tree has.
    pub fn parse(path: &str) -> Result<Self, ParseTilePathError> {
        let (level, numbered) = path
            .strip_prefix("tile/")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(ParseTilePathError)?;
        let level = level.parse().map_err(|_| ParseTilePathError)?;
        let (index, width) = parse_numbered(numbered).ok_or(ParseTilePathError)?;
        let tile = Self { level, index, width };
        // What re-encodes to the same path was its one spelling.
        if tile.exists() && tile.path() == path { Ok(tile) } else { Err(ParseTilePathError) }
    }

    /// Returns whether a tree could have the tile.
    pub(crate) fn exists(&self) -> bool {
        self.level <= TILE_LEVEL_MAX
            && self.index <= u64::MAX.checked_shr(TILE_HEIGHT * (self.level + 1)).unwrap_or(0)
            && (1..=TILE_WIDTH).contains(&self.width)
    }
}

/// Up to 256 neighbouring entries.
///
/// Source: C2SP tlog-tiles, "Log entries".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EntryBundleId {
    /// Bundles to its left.
    pub index: u64,
    /// Entries in the bundle: 1 to [`TILE_WIDTH`]; a bundle below that width is partial.
    pub width: u16,
}

impl EntryBundleId {
    /// Returns whether the bundle holds all the entries it ever will.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Returns the path of the bundle below the log's prefix: `tile/entries/<N>[.p/<W>]`.
    pub fn path(&self) -> String {
        format!("tile/entries/{}", NumberedPath(self.index, self.width))
    }

    /// Reads a path as [`path`](Self::path) makes it.
    ///
    /// # Errors
    ///
    /// [`ParseTilePathError`] for other spellings, and for bundles that no log has.
    pub fn parse(path: &str) -> Result<Self, ParseTilePathError> {
        let numbered = path.strip_prefix("tile/entries/").ok_or(ParseTilePathError)?;
        let (index, width) = parse_numbered(numbered).ok_or(ParseTilePathError)?;
        let bundle = Self { index, width };
        // There are as many bundles as tiles of leaf hashes.
        let exists = TileId { level: 0, index, width }.exists();
        if exists && bundle.path() == path { Ok(bundle) } else { Err(ParseTilePathError) }
    }
}

/// The text is not the path of a tile, or of an entry bundle, in its one spelling.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the path of a tile or an entry bundle")]
pub struct ParseTilePathError;

/// `<N>[.p/<W>]` of an index and a width.
struct NumberedPath(u64, u16);

impl fmt::Display for NumberedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(index, width) = *self;
        let digits = index.to_string();
        let groups = digits.len().div_ceil(3);
        let padded = format!("{index:0>length$}", length = groups * 3);
        // Group by group, so that no folder has more than a thousand members of a kind.
        for group in 0..groups {
            let prefix = if group + 1 < groups { "x" } else { "" };
            let slash = if group > 0 { "/" } else { "" };
            write!(f, "{slash}{prefix}{}", &padded[group * 3..group * 3 + 3])?;
        }
        if width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
    }
}

/// Reads `<N>[.p/<W>]` leniently: the caller compares spellings.
fn parse_numbered(text: &str) -> Option<(u64, u16)> {
    if text.len() > TILE_PATH_BYTES_MAX {
        return None;
    }
    let (number, width) = match text.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (text, TILE_WIDTH),
    };
    let digits: String = number.split('/').map(|group| group.trim_start_matches('x')).collect();
    Some((digits.parse().ok()?, width))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0, 256, "tile/0/000")]
    #[case(0, 7, 256, "tile/0/007")]
    #[case(1, 999, 256, "tile/1/999")]
    #[case(0, 1000, 256, "tile/0/x001/000")]
    #[case(0, 1_234_067, 256, "tile/0/x001/x234/067")]
    #[case(0, 1_234_067, 1, "tile/0/x001/x234/067.p/1")]
    #[case(0, 273, 112, "tile/0/273.p/112")]
    #[case(1, 1, 17, "tile/1/001.p/17")]
    #[case(2, 0, 1, "tile/2/000.p/1")]
    #[case(7, 0, 255, "tile/7/000.p/255")]
    #[case(0, (1 << 56) - 1, 256, "tile/0/x072/x057/x594/x037/x927/935")]
    fn tiles_lie_where_the_specification_says(
        #[case] level: u32,
        #[case] index: u64,
        #[case] width: u16,
        #[case] path: &str,
    ) {
        let tile = TileId { level, index, width };
        assert_eq!(tile.path(), path);
        assert_eq!(TileId::parse(path), Ok(tile));
        if level == 0 {
            let path = path.replace("tile/0/", "tile/entries/");
            let bundle = EntryBundleId { index, width };
            assert_eq!(bundle.path(), path);
            assert_eq!(EntryBundleId::parse(&path), Ok(bundle));
        }
    }

    #[rstest]
    #[case("")]
    #[case("tile/0")]
    #[case("tile/0/")]
    #[case("/tile/0/000")]
    #[case("tile/00/000")]
    #[case("tile/+0/000")]
    #[case("tile/-1/000")]
    #[case("tile/8/000")]
    #[case("tile/63/000")]
    #[case("tile/0/0")]
    #[case("tile/0/0000")]
    #[case("tile/0/+00")]
    #[case("tile/0/x000/001")]
    #[case("tile/0/x001/x234")]
    #[case("tile/0/001/234")]
    #[case("tile/0/xx01/234")]
    #[case("tile/0/x001/234/")]
    #[case("tile/0/1234")]
    #[case("tile/0/000.p/0")]
    #[case("tile/0/000.p/01")]
    #[case("tile/0/000.p/+1")]
    #[case("tile/0/000.p/256")]
    #[case("tile/0/000.p/65537")]
    #[case("tile/0/000.p/1/")]
    #[case("tile/0/000.p/1.p/1")]
    #[case("tile/7/001")]
    #[case("tile/0/x072/x057/x594/x037/x927/936")]
    #[case("tile/0/x018/x446/x744/x073/x709/x551/616")]
    fn a_path_spelt_otherwise_is_refused(#[case] path: &str) {
        assert_eq!(TileId::parse(path), Err(ParseTilePathError), "{path}");
        let path = path.replace("tile/0/", "tile/entries/");
        assert_eq!(EntryBundleId::parse(&path), Err(ParseTilePathError), "{path}");
    }

    #[test]
    fn a_bundle_is_no_tile_and_a_tile_no_bundle() {
        assert!(TileId::parse("tile/entries/000").is_err());
        assert!(EntryBundleId::parse("tile/0/000").is_err());
    }

    #[test]
    fn an_endless_path_is_refused_unread() {
        assert!(TileId::parse(&format!("tile/0/{}000", "x000/".repeat(1 << 20))).is_err());
    }
}
