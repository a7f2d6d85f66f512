//! What a producer says of a document beside its key.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// No text of a description is longer, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// No description has more members of the producer's own, nor more aggregations.
pub const DESCRIPTION_MEMBERS_MAX: usize = 200;

/// What a producer says of a document or an aggregation.
///
/// Its members stand in canonical order. Source: `docs/format.md`, "Record".
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Description {
    /// The aggregations it belongs to, by the names their producer gave them, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggregations: Vec<String>,
    /// The class (voce di titolario), as the producer's classification scheme writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The day an aggregation was closed; it is open without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_on: Option<Date>,
    /// The day of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The document type (tipologia documentaria).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<String>,
    /// What else the producer states, under the producer's own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The series it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// How long the producer says it must be kept, in the producer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_retention: Option<String>,
    /// What it is about (oggetto).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Description {
    /// Tells whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::to_canonical;

    pub(crate) fn description() -> Description {
        Description {
            aggregations: vec!["2026/VI.3/1".to_owned()],
            class: Some("VI.3".to_owned()),
            closed_on: Some(Date::constant(2026, 12, 31)),
            date: Some(Date::constant(2026, 3, 1)),
            document_type: Some("delibera".to_owned()),
            metadata: BTreeMap::from([("firmatario".to_owned(), "Anna B.".to_owned())]),
            series: Some("delibere".to_owned()),
            stated_retention: Some("illimitata".to_owned()),
            subject: Some("Bilancio".to_owned()),
        }
    }

    #[test]
    fn a_description_is_written_in_canonical_form_and_read_back() {
        let json = serde_json::to_vec(&description()).unwrap();
        assert_eq!(json, to_canonical(&description()));
        assert_eq!(serde_json::from_slice::<Description>(&json).unwrap(), description());
        assert!(serde_json::from_slice::<Description>(b"{}").unwrap().is_empty());
    }
}
