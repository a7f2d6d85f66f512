//! How long algorithms may be relied on: a table that is data, and its evaluation at a time.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;

use crate::{
    hash::HashFunction,
    signature::{SignatureScheme, SignatureUse},
};

/// Largest table accepted, in bytes.
pub const ALGORITHM_TABLE_BYTES_MAX: usize = 1 << 20;

/// How long each algorithm may be relied on, as a table says.
///
/// An algorithm that has reached its end makes evidence weak, not wrong: what a later and stronger
/// time-stamp covered before that day stays proven.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AlgorithmTable {
    /// Where the table comes from, in words.
    pub source: String,
    /// The day on which its source was issued.
    pub issued: Date,
    #[serde(default)]
    hash: Vec<HashRule>,
    #[serde(default)]
    signature: Vec<SignatureRule>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct HashRule {
    name: String,
    until: Option<Date>,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct SignatureRule {
    scheme: Scheme,
    bits_min: usize,
    until: Option<Date>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    RsaPkcs1,
    RsaPss,
    Ecdsa,
    Ed25519,
}

/// How long an algorithm may be relied on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifetime {
    /// No end is foreseen.
    Open,
    /// Until this instant, which is not part of it.
    Until(Timestamp),
    /// The table does not have the algorithm.
    Unknown,
}

impl Lifetime {
    /// Tells whether the algorithm may be relied on at `at`.
    pub fn holds_at(self, at: Timestamp) -> bool {
        match self {
            Self::Open => true,
            Self::Until(end) => at < end,
            Self::Unknown => false,
        }
    }

    /// Returns the earlier of two ends; what is unknown is earliest.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Open, end) | (end, Self::Open) => end,
            (Self::Until(a), Self::Until(b)) => Self::Until(a.min(b)),
        }
    }

    fn of(until: Option<Date>) -> Self {
        // A day whose beginning no instant expresses is beyond all times that matter.
        let end = until.map(|day| day.to_zoned(TimeZone::UTC));
        end.map_or(Self::Open, |end| end.map_or(Self::Open, |end| Self::Until(end.timestamp())))
    }
}

/// A table cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AlgorithmTableError {
    /// Not TOML, or not such a table.
    #[error("the table of algorithms is malformed: {what}")]
    Malformed {
        /// What was wrong, with its place.
        what: String,
    },
    /// Larger than [`ALGORITHM_TABLE_BYTES_MAX`].
    #[error("the table of algorithms has more than {ALGORITHM_TABLE_BYTES_MAX} bytes")]
    TooLarge,
    /// A hash function that is not known here, or twice.
    #[error("the table of algorithms names the hash function {name:?}, unknown or twice")]
    UnusableHash {
        /// The name.
        name: String,
    },
}

impl AlgorithmTable {
    /// Reads a table, which is TOML.
    ///
    /// # Errors
    ///
    /// [`AlgorithmTableError`].
    pub fn from_toml(text: &str) -> Result<Self, AlgorithmTableError> {
        if text.len() > ALGORITHM_TABLE_BYTES_MAX {
            return Err(AlgorithmTableError::TooLarge);
        }
        let table: Self = toml::from_str(text)
            .map_err(|error| AlgorithmTableError::Malformed { what: error.to_string() })?;
        let mut seen = Vec::new();
        for HashRule { name, .. } in &table.hash {
            match name.parse::<HashFunction>() {
                Ok(hash) if !seen.contains(&hash) => seen.push(hash),
                _ => return Err(AlgorithmTableError::UnusableHash { name: name.clone() }),
            }
        }
        Ok(table)
    }

    /// Returns how long `hash` may be relied on.
    pub fn hash(&self, hash: HashFunction) -> Lifetime {
        let rule = self.hash.iter().find(|rule| rule.name.parse() == Ok(hash));
        rule.map_or(Lifetime::Unknown, |rule| Lifetime::of(rule.until))
    }

    /// Returns how long a signature may be relied on: scheme, size of the key and hash function
    /// together.
    pub fn signature(&self, signature: &SignatureUse) -> Lifetime {
        let scheme = match signature.scheme {
            SignatureScheme::RsaPkcs1 => Scheme::RsaPkcs1,
            SignatureScheme::RsaPss => Scheme::RsaPss,
            SignatureScheme::Ecdsa => Scheme::Ecdsa,
            SignatureScheme::Ed25519 => Scheme::Ed25519,
            SignatureScheme::Other => return Lifetime::Unknown,
        };
        let bits = signature.bits.unwrap_or(0);
        let fitting = self.signature.iter().filter(|it| it.scheme == scheme && it.bits_min <= bits);
        let rule = fitting.max_by_key(|rule| rule.bits_min);
        let of_scheme = rule.map_or(Lifetime::Unknown, |rule| Lifetime::of(rule.until));
        let of_hash = signature.hash.map_or(Lifetime::Unknown, |hash| self.hash(hash));
        of_scheme.earlier(of_hash)
    }

    /// Returns when a signature comes to its end at the latest, whatever the size of its key; `None` if no
    /// end is in sight, or the table does not have it.
    pub(crate) fn signature_at_most(&self, signature: &SignatureUse) -> Option<Timestamp> {
        match self.signature(&SignatureUse { bits: Some(usize::MAX), ..*signature }) {
            Lifetime::Until(end) => Some(end),
            Lifetime::Open | Lifetime::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        source = "test"
        issued = "2024-10-13"
        [[hash]]
        name = "SHA-1"
        until = "2012-08-01"
        [[hash]]
        name = "SHA-256"
        [[signature]]
        scheme = "rsa-pkcs1"
        bits_min = 1900
        until = "2029-01-01"
        [[signature]]
        scheme = "rsa-pkcs1"
        bits_min = 1024
        until = "2019-10-01"
        [[signature]]
        scheme = "ecdsa"
        bits_min = 256
    "#;

    fn until(day: &str) -> Lifetime {
        Lifetime::Until(format!("{day}T00:00:00Z").parse().unwrap())
    }

    #[test]
    fn the_largest_size_that_is_reached_decides_and_so_does_the_hash() {
        let table = AlgorithmTable::from_toml(TABLE).unwrap();
        let of = |scheme, bits, hash| {
            table.signature(&SignatureUse { scheme, bits: Some(bits), hash: Some(hash) })
        };
        let rsa = SignatureScheme::RsaPkcs1;
        assert_eq!(of(rsa, 4096, HashFunction::Sha256), until("2029-01-01"));
        assert_eq!(of(rsa, 1899, HashFunction::Sha256), until("2019-10-01"));
        assert_eq!(of(rsa, 2048, HashFunction::Sha1), until("2012-08-01"));
        assert_eq!(of(rsa, 512, HashFunction::Sha256), Lifetime::Unknown);
        assert_eq!(of(rsa, 2048, HashFunction::Sha512), Lifetime::Unknown);
        assert_eq!(of(SignatureScheme::Ecdsa, 256, HashFunction::Sha256), Lifetime::Open);
        assert_eq!(of(SignatureScheme::Ed25519, 0, HashFunction::Sha256), Lifetime::Unknown);
    }

    #[test]
    fn the_last_day_is_not_part_of_it() {
        let end = until("2012-08-01");
        assert!(end.holds_at("2012-07-31T23:59:59Z".parse().unwrap()));
        assert!(!end.holds_at("2012-08-01T00:00:00Z".parse().unwrap()));
        assert!(!Lifetime::Unknown.holds_at(Timestamp::MIN));
    }

    #[test]
    fn a_table_that_cannot_be_used_is_refused() {
        let twice = TABLE.replace("SHA-256", "sha1");
        let name = "sha1".to_owned();
        assert_eq!(
            AlgorithmTable::from_toml(&twice),
            Err(AlgorithmTableError::UnusableHash { name })
        );
        for text in ["", "x = 1", &TABLE.replace("2012-08-01", "2012-13-01")] {
            let error = AlgorithmTable::from_toml(text).unwrap_err();
            assert!(matches!(error, AlgorithmTableError::Malformed { .. }), "{error}");
        }
    }
}
