//! What sort of proof bytes are meant to be.

use serde::Deserialize;

use crate::{period, receipt_schema};

/// What the first entry of a ZIP begins with.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// A sort of proof that Sigillo gives in one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProofSort {
    /// A bundle.
    Bundle,
    /// A period statement.
    Period,
    /// A receipt.
    Receipt,
}

impl ProofSort {
    /// Returns what bytes are meant to be: a ZIP, or an object that names its schema. Whether they are one,
    /// its own `parse` says.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(ZIP_MAGIC) {
            return Some(Self::Bundle);
        }
        let schema = schema_of(bytes)?;
        if schema.starts_with(receipt_schema::SCHEMA_PREFIX) {
            return Some(Self::Receipt);
        }
        schema.starts_with(period::SCHEMA_PREFIX).then_some(Self::Period)
    }
}

/// Returns the schema that an object names.
pub(crate) fn schema_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    serde_json::from_slice::<Schema>(bytes).ok().map(|it| it.schema)
}
