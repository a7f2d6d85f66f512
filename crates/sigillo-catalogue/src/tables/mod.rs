//! The open tables of an archive: Parquet segments under a log of the Delta protocol.
//!
//! A protocol without input or output, as the kernel of Delta is: bytes in, bytes out. Whoever has
//! a store fetches what is asked for and stores what is made. Both tables follow from the packs
//! and the log of the archive, so that whatever is wrong with them is mended by making them again.

mod coverage;
mod error;
mod row;

mod delta;
mod plan;
mod state;

mod columns;
mod footer;
mod merging;
mod schema;
mod segment;
mod stats;

pub use columns::{Rows, TABLE_TEXT_BYTES_MAX};
pub use coverage::{COVERAGE_INTERVALS_MAX, Coverage, ParseCoverageError};
pub use delta::{AppendInfo, DELTA_COMMIT_BYTES_MAX, append_commit, create_commit, merge_commit};
pub use error::TableError;
pub use footer::{FOOTER_BYTES_MAX, GroupReader, SegmentFooter};
pub use merging::{COPIED_ROWS_MIN, merge_segments};
pub use plan::{MERGE_BYTES_MAX, MERGE_SEGMENTS_MIN, plan_merge};
pub use row::{RowDraft, TablePlace, TableRow};
pub use schema::{DescriptionColumn, TableKind};
pub use segment::{FooterPlace, ROW_GROUP_ROWS_MAX, Segment, SortedRows, write_segment};
pub use state::{SEGMENTS_MAX, SegmentFile, TableState};
