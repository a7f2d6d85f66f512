//! Why a pack could not be written, or is not one.

use sigillo_model::ErrorKind;

use crate::BackendError;

/// Why a pack could not be written or read. The caller knows its name and adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The bytes are not those of a pack as we write it.
    #[error("not a pack: {what}, at byte {offset}")]
    Malformed {
        /// Where, from the start of the pack.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },

    /// What was to be written would not be a pack.
    #[error("cannot be a part of a pack: {what}")]
    Refused {
        /// What is wrong with it.
        what: &'static str,
    },

    /// Where the pack is kept did not do what it was asked.
    #[error("pack store failed while {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What stood in the way.
        source: BackendError,
    },
}

impl PackError {
    /// Returns what a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            // Packs are opened because a list names them: one that is not there is lost.
            Self::Malformed { .. } | Self::Store { source: BackendError::NotFound, .. } => {
                ErrorKind::Integrity
            }
            Self::Refused { .. } => ErrorKind::Bug,
            Self::Store { source, .. } => source.kind(),
        }
    }

    /// Adds to a backend's error what was being done with the pack.
    pub(crate) fn store(doing: &'static str) -> impl FnOnce(BackendError) -> Self {
        move |source| Self::Store { doing, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_is_not_there_is_damage_and_no_refusal() {
        let missing = PackError::Store { doing: "opening it", source: BackendError::NotFound };
        assert_eq!(missing.kind(), ErrorKind::Integrity);
    }
}
