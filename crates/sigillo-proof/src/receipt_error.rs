//! Why bytes are no receipt.

use sigillo_model::JsonError;

use crate::{RECEIPT_BYTES_MAX, RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_TREES};

/// Why bytes are no receipt that this program reads.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text is not JSON as it is written here.
    #[error("{error}")]
    Json {
        /// What is wrong with the text.
        error: JsonError,
    },
    /// A later schema, which this program does not read.
    #[error(
        "the receipt has the schema {schema}, this program reads {RECEIPT_SCHEMA} and {RECEIPT_SCHEMA_OF_TREES}"
    )]
    LaterSchema {
        /// The schema found.
        schema: String,
    },
    /// The text does not have the members of a receipt.
    #[error("the text is no receipt: {reason}")]
    Shape {
        /// Where and why.
        reason: String,
    },
    /// The text is longer than a receipt may be.
    #[error("the receipt has {size_bytes} bytes, more than {RECEIPT_BYTES_MAX}")]
    TooLong {
        /// Length found.
        size_bytes: u64,
    },
    /// There is more of something than a receipt may have.
    #[error("the receipt has {count} {what}, more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were found.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}
