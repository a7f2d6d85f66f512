//! Identifiers of 128 random bits, one type for each thing that is named by one.

use std::{fmt, str::FromStr};

/// Defines an id of 16 random bytes that is written as 32 lower-case hexadecimal digits.
macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; Self::LENGTH_BYTES]);

        impl $name {
            /// Length of the id, in bytes.
            pub const LENGTH_BYTES: usize = 16;

            /// Takes 16 bytes, random by the caller's care, as an id.
            pub const fn from_bytes(bytes: [u8; Self::LENGTH_BYTES]) -> Self {
                Self(bytes)
            }

            /// Draws a fresh id.
            pub fn random(entropy: &dyn crate::Entropy) -> Self {
                let mut bytes = [0; Self::LENGTH_BYTES];
                entropy.fill(&mut bytes);
                Self(bytes)
            }

            /// Returns the bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; Self::LENGTH_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * Self::LENGTH_BYTES];
                hex::encode_to_slice(self.0, &mut text).expect("the buffer has twice the length");
                f.write_str(std::str::from_utf8(&text).expect("hex is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; Self::LENGTH_BYTES];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if !text.bytes().any(|b| b.is_ascii_uppercase()) => Ok(Self(bytes)),
                    _ => Err(ParseIdError { text: text.chars().take(80).collect() }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; 2 * Self::LENGTH_BYTES];
                hex::encode_to_slice(self.0, &mut text).expect("the buffer has twice the length");
                serializer.serialize_str(std::str::from_utf8(&text).expect("hex is ASCII"))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type! {
    /// The id of an archive: one entity, one root, one log.
    ArchiveId
}
id_type! {
    /// The id of a document, the same for all its versions.
    DocumentId
}
id_type! {
    /// The name of one attempt to write a batch.
    BatchId
}
id_type! {
    /// The name of one attempt to write a sealing.
    SealingId
}
id_type! {
    /// The name of one attempt to renew time-stamps.
    RenewalId
}
id_type! {
    /// The name of a submission and of the folder that keeps its report.
    SubmissionId
}
id_type! {
    /// The name of the erasable body of a log entry, under `acts/`.
    ActId
}
id_type! {
    /// The name of one process that writes to a log, drawn afresh at every start.
    WriterId
}

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not an id of 32 lower-case hexadecimal digits")]
pub struct ParseIdError {
    text: String,
}
