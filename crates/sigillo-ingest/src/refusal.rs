//! Why a document was refused, each reason with a code, a sentence and a remedy.

use serde::Serialize;

/// Defines the codes with their sentence and remedy, once.
macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal, $remedy:literal;)*) => {
        /// Why a document was refused. Codes are public, stable and never reused.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
        }

        impl RefusalCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code as it is printed.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns the reason as a sentence.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// Returns what to do about it.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

refusal_codes! {
    /// The file or folder could not be read.
    Unreadable = "UNREADABLE", "it could not be read",
        "see that the file exists, that you may read it and that its disk is sound, then ingest again";
    /// The file changed while it was read.
    Changed = "CHANGED", "it changed while it was read",
        "wait until no program writes to it, then ingest again";
    /// A symbolic link: links are never followed.
    SymbolicLink = "SYMBOLIC_LINK", "it is a symbolic link, and links are never followed",
        "put the file itself in its place, or ingest the folder that the link leads to";
    /// A pipe, a socket or a device.
    NotAFile = "NOT_A_FILE", "it is a pipe, a socket or a device, not a file",
        "remove it from the folder";
    /// The file is larger than the limit.
    TooLarge = "TOO_LARGE", "it is larger than the limit for one file",
        "raise the limit with --file-bytes-max, or split the document";
    /// The path is longer than the operating system allows.
    PathTooLong = "PATH_TOO_LONG", "its path is too long for the operating system",
        "ingest a folder further down, so that the path becomes shorter";
    /// The archive has another document, or another version, under the same key.
    KeyExists = "KEY_EXISTS", "the archive holds the same key with something else",
        "if it is meant to follow the version that is there, say so in the column operation: corrected-metadata if only the description changes, added-file for files that come to it, new-version (or --new-versions for all) for everything else; if it is another document, give it another key (path, source or number)";
    /// A file that is to be added is in the document already.
    FileExists = "FILE_EXISTS", "a file that it is to bring is in the document already",
        "leave that file out and send the others again; to change what is said of the document, send a row with corrected-metadata";
    /// The operation builds on a document that the archive does not have.
    UnknownDocument = "UNKNOWN_DOCUMENT", "the archive has no document with this key to build on",
        "check the key, or send the document as new first";
    /// The version before cannot be read from the archive.
    PreviousUnreadable = "PREVIOUS_UNREADABLE", "an earlier version in the archive cannot be read",
        "run `sigillo verify` and mend what it finds, then ingest again";
    /// The aggregation is closed.
    AggregationClosed = "AGGREGATION_CLOSED", "it would enter an aggregation that is closed",
        "name another aggregation, or none; if it was closed too early, first send a row of a document in it with corrected-metadata in the column operation and `open` in closed_on";
    /// The metadata cannot be used.
    MetadataInvalid = "METADATA_INVALID", "what is stated about it cannot be used",
        "mend the metadata as the reason says, then ingest again";
    /// A file that was found, or that the metadata name, is not there.
    FileMissing = "FILE_MISSING", "it is not in the source",
        "put the file in its place, or mend the metadata that name it, then ingest again";
    /// The metadata do not name the file.
    NotListed = "NOT_LISTED", "the metadata do not name this file",
        "add a row for it to the metadata, or remove it from the source";
    /// More documents of one submission have its key than are taken in one after the other.
    TooManyAtOnce = "TOO_MANY_AT_ONCE", "too many documents of this submission have the same key",
        "send those that were refused again by themselves, in another submission";
    /// The record of the document would be too large.
    RecordTooLarge = "RECORD_TOO_LARGE", "what is stated about it, or its list of files, is too long",
        "shorten the metadata or split the document";
}

impl Serialize for RefusalCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One document that was refused; nothing of it is in the archive.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// Its path within the source, spelt as `encode_name` does.
    pub path: String,
    /// Why, as a sentence, with what the operating system said.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

impl Refusal {
    /// Makes a refusal in the words of its code.
    pub fn new(code: RefusalCode, path: impl Into<String>) -> Self {
        let (reason, remedy) = (code.reason().to_owned(), code.remedy().to_owned());
        Self { code, path: path.into(), reason, remedy }
    }

    /// Makes the refusal of one file that of its document, called `name`.
    #[must_use]
    pub(crate) fn of_document(mut self, name: &str) -> Self {
        if self.path != name {
            let file = std::mem::replace(&mut self.path, name.to_owned());
            self.reason = format!("its file {file}: {}", self.reason);
        }
        self
    }

    /// Adds what the operating system said.
    #[must_use]
    pub fn because(mut self, detail: impl std::fmt::Display) -> Self {
        self.reason = format!("{} ({detail})", self.reason);
        self
    }
}

/// What a conservator may want to know beside what was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoteCode {
    /// No new version of an aggregation was made.
    AggregationLeft,
    /// An aggregation was not closed on the day that is stated.
    ClosingLeft,
    /// Documents came to an aggregation that was closed while they were on their way.
    EnteredClosed,
    /// A sweep came between writing and committing, so documents were written again.
    MadeAnew,
    /// Two names in one folder look the same but are spelt differently in Unicode.
    NameTwins,
    /// Columns of the table have none of the known names.
    OwnColumns,
}

impl NoteCode {
    /// Returns the code as it is printed.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AggregationLeft => "AGGREGATION_LEFT",
            Self::ClosingLeft => "CLOSING_LEFT",
            Self::EnteredClosed => "ENTERED_CLOSED",
            Self::MadeAnew => "MADE_ANEW",
            Self::NameTwins => "NAME_TWINS",
            Self::OwnColumns => "OWN_COLUMNS",
        }
    }
}

impl Serialize for NoteCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One note.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Note {
    /// What about.
    pub code: NoteCode,
    /// The path within the source.
    pub path: String,
    /// In a sentence.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique() {
        let codes: BTreeSet<_> = RefusalCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
    }
}
