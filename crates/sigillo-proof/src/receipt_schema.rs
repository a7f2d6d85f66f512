//! Which schema a receipt has: it says what a reader must know.

use sigillo_model::is_sha512_line;

use crate::{Receipt, ReceiptError, TokenSection, sort::schema_of};

/// The schema of the receipts that need one log, and have no evidence line of SHA-512.
pub const RECEIPT_SCHEMA: &str = "sigillo.receipt/1";

/// The schema of the receipts that need several logs of an archive, one after the other.
pub const RECEIPT_SCHEMA_OF_LOGS: &str = "sigillo.receipt/2";

/// The schema of the receipts with an evidence line of SHA-512, of one log or several: who knows the
/// others alone would take them for changed.
pub const RECEIPT_SCHEMA_OF_TREES: &str = "sigillo.receipt/3";

/// The schemas that are known here.
const SCHEMAS: [&str; 3] = [RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_LOGS, RECEIPT_SCHEMA_OF_TREES];

/// What the schema of every receipt begins with.
pub(crate) const SCHEMA_PREFIX: &str = "sigillo.receipt/";

impl Receipt {
    /// Returns the schema that the receipt must have, by what is in it.
    pub fn schema_wanted(&self) -> &'static str {
        let mut tokens = self.sealings.iter().flat_map(|sealing| &sealing.tokens);
        if tokens.any(TokenSection::is_over_trees) {
            RECEIPT_SCHEMA_OF_TREES
        } else if self.archive.successions.is_empty() {
            RECEIPT_SCHEMA
        } else {
            RECEIPT_SCHEMA_OF_LOGS
        }
    }
}

impl TokenSection {
    /// Tells whether it is of SHA-512, over hash trees of its own.
    pub fn is_over_trees(&self) -> bool {
        is_sha512_line(&self.line)
    }

    /// Tells whether documents have places in hash trees on its line, if they are in them.
    pub fn has_trees(&self) -> bool {
        self.hash_tree.is_some() || self.is_over_trees()
    }
}

/// Tells a receipt of a later schema from what is no receipt.
pub(crate) fn unreadable(bytes: &[u8], error: &serde_json::Error) -> ReceiptError {
    match schema_of(bytes) {
        Some(schema) if !SCHEMAS.contains(&schema.as_str()) => other_schema(schema),
        _ => ReceiptError::Shape { reason: error.to_string() },
    }
}

pub(crate) fn other_schema(schema: String) -> ReceiptError {
    let is_later = schema
        .strip_prefix(SCHEMA_PREFIX)
        .and_then(|version| version.parse().ok())
        .is_some_and(|version: u32| version > 1 && !SCHEMAS.contains(&schema.as_str()));
    if is_later {
        return ReceiptError::LaterSchema { schema };
    }
    let reason =
        "its schema is not that of a receipt, or not of one with these logs and evidence lines";
    ReceiptError::Shape { reason: reason.to_owned() }
}
