//! What the producer calls a document: its identity within an archive.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Sha256Digest, encode_name};

/// What the producer calls a document; it identifies the document within its archive.
///
/// Source: `docs/format.md`, "Keys".
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(untagged)]
pub enum DocumentKey {
    /// An aggregation, by the name its producer gave it.
    Aggregation {
        /// Its name.
        aggregation: String,
        /// The structure (AOO) or the source that named it.
        structure: String,
    },
    /// A document known by where it lay.
    Path {
        /// The path within the source, `/` between names, spelt as `encode_name` does.
        path: String,
        /// The name of the source.
        source: String,
    },
    /// A document that was entered in a register (protocollo, repertorio).
    Register {
        /// Its number in the register, as the producer writes it.
        number: String,
        /// The register.
        register: String,
        /// The structure (AOO) that keeps the register.
        structure: String,
        /// The year of the register.
        year: String,
    },
}

impl DocumentKey {
    /// Returns the digest under which indexes know the key: SHA-256 of its canonical JSON.
    pub fn digest(&self) -> Sha256Digest {
        // The members are declared in canonical order; a test holds that to `to_canonical`.
        Sha256Digest::of(&serde_json::to_vec(self).expect("texts only"))
    }

    /// Returns every key that people may mean by `text`, as [`Display`](fmt::Display) writes them.
    pub fn readings(text: &str) -> Vec<Self> {
        let mut readings = Vec::new();
        if let Some((first, rest)) = text.split_once('/') {
            let (first, rest) = (first.to_owned(), rest.to_owned());
            let parts: Vec<&str> = text.splitn(4, '/').collect();
            if let [structure, register, year, number] = parts[..] {
                readings.push(Self::Register {
                    number: number.to_owned(),
                    register: register.to_owned(),
                    structure: structure.to_owned(),
                    year: year.to_owned(),
                });
            }
            readings
                .push(Self::Aggregation { aggregation: rest.clone(), structure: first.clone() });
            readings.push(Self::Path { path: rest, source: first });
        }
        readings
    }

    /// Returns the key that people mean who write the name of a file as it is, where its path is
    /// spelt otherwise: `atti/50% sconto.txt` for `atti/50%25 sconto.txt`.
    pub fn spelt(text: &str) -> Option<Self> {
        let (source, path) = text.split_once('/')?;
        let spelt = Some(encode_name(path.as_bytes())).filter(|spelt| spelt != path);
        spelt.map(|path| Self::Path { path, source: source.to_owned() })
    }
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregation { aggregation, structure } => write!(f, "{structure}/{aggregation}"),
            Self::Path { path, source } => write!(f, "{source}/{path}"),
            Self::Register { number, register, structure, year } => {
                write!(f, "{structure}/{register}/{year}/{number}")
            }
        }
    }
}

impl<'de> Deserialize<'de> for DocumentKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            aggregation: Option<String>,
            number: Option<String>,
            path: Option<String>,
            register: Option<String>,
            source: Option<String>,
            structure: Option<String>,
            year: Option<String>,
        }
        let it = Members::deserialize(deserializer)?;
        let key = match (it.source, it.path, it.structure, it.aggregation) {
            (Some(source), Some(path), None, None) => Self::Path { path, source },
            (None, None, Some(structure), Some(aggregation)) => {
                Self::Aggregation { aggregation, structure }
            }
            (None, None, Some(structure), None) => match (it.register, it.year, it.number) {
                (Some(register), Some(year), Some(number)) => {
                    return Ok(Self::Register { number, register, structure, year });
                }
                _ => return Err(serde::de::Error::custom("a key with a structure only")),
            },
            _ => return Err(serde::de::Error::custom("no known set of members for a key")),
        };
        match (it.register, it.year, it.number) {
            (None, None, None) => Ok(key),
            _ => Err(serde::de::Error::custom("a key with the members of two kinds")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_canonical;

    fn keys() -> [DocumentKey; 3] {
        let text = str::to_owned;
        [
            DocumentKey::Path { path: text("2026/1.pdf"), source: text("atti") },
            DocumentKey::Aggregation { aggregation: text("2026/VI.3/1"), structure: text("AOO1") },
            DocumentKey::Register {
                number: text("12/bis"),
                register: text("protocollo"),
                structure: text("AOO1"),
                year: text("2026"),
            },
        ]
    }

    #[test]
    fn a_key_is_read_back_and_hashed_in_canonical_form() {
        for key in keys() {
            let json = serde_json::to_vec(&key).unwrap();
            assert_eq!(json, to_canonical(&key));
            assert_eq!(serde_json::from_slice::<DocumentKey>(&json).unwrap(), key);
            assert_eq!(key.digest(), Sha256Digest::of(&json));
        }
    }

    #[test]
    fn a_key_of_two_kinds_or_none_is_refused() {
        for json in [
            "{}",
            r#"{"path":"a"}"#,
            r#"{"structure":"a"}"#,
            r#"{"path":"a","source":"b","structure":"c"}"#,
            r#"{"path":"a","source":"b","year":"c"}"#,
            r#"{"aggregation":"a","structure":"b","number":"1"}"#,
            r#"{"path":"a","source":"b","other":"c"}"#,
            r#"{"path":1,"source":"b"}"#,
        ] {
            assert!(serde_json::from_str::<DocumentKey>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_printed_is_understood() {
        for key in keys() {
            assert!(DocumentKey::readings(&key.to_string()).contains(&key), "{key}");
        }
        assert!(DocumentKey::readings("no-slash").is_empty());
    }
}
