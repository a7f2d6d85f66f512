//! What producers say of their documents, and what is inside files as far as their first bytes
//! tell: bytes in, values out, limits on everything.

mod manifest;
mod signature;
mod trusted_list;

pub use manifest::{
    METADATA_BYTES_MAX, METADATA_MEMORY_BYTES_MAX, METADATA_ROWS_MAX, Manifest, MetadataError,
    MetadataProblem, MisspeltColumn, SIDECAR_BYTES_MAX, StatedDocument, StatedFile, StatedKey,
    read_metadata_csv, read_sidecar,
};
pub use signature::{HEAD_BYTES_MAX, MediaType, identify};
pub use trusted_list::{
    LIST_SERVICES_MAX, LIST_SIGNERS_MAX, ListPointer, ListedStatus, ServiceKind,
    TRUSTED_LIST_BYTES_MAX, TrustedList, TrustedListError, TrustedService, listed_periods,
};
