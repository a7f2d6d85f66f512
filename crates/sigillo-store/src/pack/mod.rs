//! Packs: plain ZIP files, stored, that any `unzip` reads, named by the BLAKE3 of their bytes.
//!
//! Everything about the bytes of a pack is here: how they are laid out, written, read back and
//! compared with the values of their 64 KiB blocks. Source: APPNOTE.TXT 6.3.10 (ZIP), the BLAKE3
//! paper §2.1 (the tree), `docs/format.md` (what we choose among what they allow).

mod blocks;
mod layout;
mod name;

mod large;
mod output;
mod writer;

mod reader;
mod scan;

mod error;

pub use blocks::{BLOCK_BYTES, damaged_blocks, merge_blocks};
pub use error::PackError;
pub use large::LargePackWriter;
pub use layout::{local_header_bytes, write_local_header};
pub use name::{
    ENTRY_NAME_BYTES_MAX, EntryName, Extension, Part, SpeltName, entry_name, record_name,
};
pub use output::ClosedPack;
pub use reader::{
    PACK_DIRECTORY_BYTES_MAX, PACK_ENTRIES_MAX, PackEntry, PackIndex, read_pack_index,
};
pub use scan::{PackScan, scan_pack};
pub use writer::{PackWriter, SegmentEntry};
