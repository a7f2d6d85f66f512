//! The names of a pack's entries, each with exactly one spelling, and their order.

use std::fmt;

use sigillo_model::VersionId;

/// No name of an entry is longer: 64 digits, a slash, ten digits, a dot and eight letters.
pub const ENTRY_NAME_BYTES_MAX: usize = 64 + 1 + 10 + 1 + Extension::LENGTH_BYTES_MAX;

const RECORD: &str = "record.json";

/// The name of an entry: whose it is, and what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntryName {
    /// The version of a document that the entry belongs to.
    pub version: VersionId,
    /// Which part of it the entry is.
    pub part: Part,
}

/// A part of a version: one of its files, or its record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// A file.
    File {
        /// Its position in the record, from 1.
        position: u32,
        /// The extension that it shows in the pack, if any.
        ext: Option<Extension>,
    },
    /// The record.
    Record,
}

impl EntryName {
    /// Parses a name, or returns nothing if we cannot have spelt it.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, part) = text.split_once('/')?;
        let version = version.parse().ok()?;
        if part == RECORD {
            return Some(Self { version, part: Part::Record });
        }
        let (position, ext) = match part.split_once('.') {
            Some((position, ext)) => (position, Some(Extension::parse(ext)?)),
            None => (part, None),
        };
        // One spelling: no sign, no leading zero.
        let spelt = position.starts_with(|c: char| matches!(c, '1'..='9'));
        let position = position.parse().ok().filter(|_| spelt)?;
        Some(Self { version, part: Part::File { position, ext } })
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::File { position, ext: Some(ext) } => {
                write!(f, "{}/{position}.{ext}", self.version)
            }
            Part::File { position, ext: None } => write!(f, "{}/{position}", self.version),
            Part::Record => write!(f, "{}/{RECORD}", self.version),
        }
    }
}

/// The name of an entry with its spelling, in one piece: an ingest makes two for each document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SpeltName {
    name: EntryName,
    bytes: [u8; ENTRY_NAME_BYTES_MAX],
    length: usize,
}

impl SpeltName {
    /// Spells a name.
    pub fn new(name: EntryName) -> Self {
        let mut spelt = Self { name, bytes: [0; ENTRY_NAME_BYTES_MAX], length: 0 };
        let mut version = [0; 2 * VersionId::LENGTH_BYTES];
        hex::encode_to_slice(name.version.as_bytes(), &mut version).expect("twice the length");
        spelt.push(&version);
        spelt.push(b"/");
        match name.part {
            Part::Record => spelt.push(RECORD.as_bytes()),
            Part::File { position, ext } => {
                spelt.push_decimal(position);
                if let Some(ext) = ext {
                    spelt.push(b".");
                    spelt.push(ext.as_str().as_bytes());
                }
            }
        }
        spelt
    }

    /// Returns the name.
    pub fn name(&self) -> &EntryName {
        &self.name
    }

    /// Returns its spelling.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).expect("only ASCII is ever put in")
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn push_decimal(&mut self, number: u32) {
        if number >= 10 {
            self.push_decimal(number / 10);
        }
        self.push(&[b'0' + u8::try_from(number % 10).expect("a digit")]);
    }
}

impl std::ops::Deref for SpeltName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for SpeltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Spells the name of a file in a pack; `position` counts from 1.
pub fn entry_name(version: VersionId, position: u32, ext: Option<&Extension>) -> SpeltName {
    SpeltName::new(EntryName { version, part: Part::File { position, ext: ext.copied() } })
}

/// Spells the name of a record in a pack.
pub fn record_name(version: VersionId) -> SpeltName {
    SpeltName::new(EntryName { version, part: Part::Record })
}

/// The extension that a file shows in a pack: one to eight of `a` to `z` and `0` to `9`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Extension {
    /// Zeros after its last letter.
    letters: [u8; Self::LENGTH_BYTES_MAX],
}

impl Extension {
    /// No extension is longer.
    pub const LENGTH_BYTES_MAX: usize = 8;

    /// Parses an extension without its dot, or returns nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let mut letters = [0; Self::LENGTH_BYTES_MAX];
        letters.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        fits.then_some(Self { letters })
    }

    /// Takes the extension of a file's name or path, in lower case; nothing if it does not fit.
    pub fn from_file_name(name: &str) -> Option<Self> {
        let name = name.rsplit('/').next()?;
        let (stem, extension) = name.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        Self::parse(&extension.to_ascii_lowercase())
    }

    /// Returns the extension as text, without a dot.
    pub fn as_str(&self) -> &str {
        let length = self.letters.iter().position(|&b| b == 0).unwrap_or(self.letters.len());
        std::str::from_utf8(&self.letters[..length]).expect("only ASCII is ever put in")
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extension({self})")
    }
}

/// Follows the order of entries: each version's files by rising position, then its record.
///
/// Positions may skip: a file whose bytes an earlier version holds is not in the pack again.
#[derive(Debug, Default)]
pub(crate) struct EntryOrder {
    /// The version whose record is still to come, and the last position seen of it.
    open: Option<(VersionId, u32)>,
}

impl EntryOrder {
    /// Takes the next name, or says why it cannot come next.
    pub(crate) fn accept(&mut self, name: &EntryName) -> Result<(), &'static str> {
        match (self.open, name.part) {
            (Some((version, _)), _) if version != name.version => {
                Err("another version begins before the record of the last one")
            }
            (Some((_, last)), Part::File { position, .. }) if position <= last => {
                Err("the files of a version are out of order")
            }
            (_, Part::File { position, .. }) => {
                self.open = Some((name.version, position));
                Ok(())
            }
            (_, Part::Record) => {
                self.open = None;
                Ok(())
            }
        }
    }

    /// Tells whether every version begun so far has its record.
    pub(crate) fn is_complete(&self) -> bool {
        self.open.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERSION: VersionId = VersionId::from_bytes([0xab; 32]);

    fn file(version: u8, position: u32) -> EntryName {
        let version = VersionId::from_bytes([version; 32]);
        EntryName { version, part: Part::File { position, ext: None } }
    }

    fn record(version: u8) -> EntryName {
        EntryName { version: VersionId::from_bytes([version; 32]), part: Part::Record }
    }

    #[track_caller]
    fn check_order(names: &[EntryName], accepted: bool) {
        let mut order = EntryOrder::default();
        let complete = names.iter().all(|name| order.accept(name).is_ok()) && order.is_complete();
        assert_eq!(complete, accepted, "{names:?}");
    }

    #[test]
    fn names_have_one_spelling() {
        let id = "ab".repeat(32);
        let pdf = Extension::parse("pdf");
        assert_eq!(entry_name(VERSION, 1, pdf.as_ref()).as_str(), format!("{id}/1.pdf"));
        assert_eq!(entry_name(VERSION, 12, None).as_str(), format!("{id}/12"));
        assert_eq!(record_name(VERSION).as_str(), format!("{id}/record.json"));
        for part in [
            "0",
            "01",
            "+1",
            "-1",
            "1.",
            "1.PDF",
            "1.a.b",
            "1.toolong99",
            "4294967296",
            "",
            "record.json2",
            "record",
            "1/2",
            "1 ",
            "../1",
            "1.p\u{e8}",
        ] {
            assert_eq!(EntryName::parse(&format!("{id}/{part}")), None, "{part:?}");
        }
        assert_eq!(EntryName::parse(&format!("{}/1", id.to_uppercase())), None);
        assert_eq!(EntryName::parse(&format!("{}/1", &id[1..])), None);
    }

    #[test]
    fn the_longest_name_has_the_stated_length() {
        let longest = entry_name(VERSION, u32::MAX, Extension::parse("12345678").as_ref());
        assert_eq!(longest.len(), ENTRY_NAME_BYTES_MAX);
    }

    #[test]
    fn extensions_come_from_file_names_when_they_fit() {
        let of = |name| Extension::from_file_name(name).map(|ext| ext.to_string());
        assert_eq!(of("Delibera.PDF").as_deref(), Some("pdf"));
        assert_eq!(of("a/b.c/fattura.xml.p7m").as_deref(), Some("p7m"));
        for name in ["README", ".profile", "a.", "a.b c", "a.123456789", "a.\u{e8}", "x.y/z", ""] {
            assert_eq!(of(name), None, "{name:?}");
        }
    }

    #[test]
    fn versions_are_contiguous_and_end_with_their_record() {
        check_order(&[file(1, 1), file(1, 2), record(1), file(2, 1), record(2)], true);
        check_order(&[record(1)], true);
        check_order(&[file(1, 2), file(1, 5), record(1)], true);
        check_order(&[file(1, 1)], false);
        check_order(&[file(1, 1), file(1, 1), record(1)], false);
        check_order(&[file(1, 2), file(1, 1), record(1)], false);
        check_order(&[file(1, 1), record(2)], false);
        check_order(&[file(1, 1), file(2, 1), record(2), record(1)], false);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(
            version in any::<[u8; 32]>(),
            position in 1..=u32::MAX,
            ext in proptest::option::of("[a-z0-9]{1,8}"),
        ) {
            let ext = ext.map(|ext| Extension::parse(&ext).unwrap());
            let version = VersionId::from_bytes(version);
            let name = EntryName { version, part: Part::File { position, ext } };
            prop_assert_eq!(EntryName::parse(&name.to_string()), Some(name));
            let spelt = SpeltName::new(name);
            prop_assert_eq!(spelt.as_str(), name.to_string());
            let record = record_name(version);
            prop_assert_eq!(record.as_str(), record.name().to_string());
        }

        #[test]
        fn whatever_parses_is_spelt_the_same(text in "[0-9a-f]{64}/[0-9a-z.+]{0,12}") {
            if let Some(name) = EntryName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
