//! Checkpoints: the text by which a log states its size and root.

use crate::{CosignedAt, NoteError, ParseTreeHashError, SignedNote, TreeHash, VerifierKey};

/// The longest text of a checkpoint that is read, in bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 64 << 10;

/// A log's statement of its size and root: the text of a note, without its signatures.
///
/// Source: C2SP tlog-checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Name of the log: one line, not empty.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: TreeHash,
}

impl Checkpoint {
    /// Writes the three lines that are signed, each with its newline.
    ///
    /// Only an origin of one line, not empty, gives a text that is read as the same checkpoint.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads the text of any log's checkpoint; extension lines are accepted and dropped.
    ///
    /// Signatures cover those lines too: they are over the text, not over [`to_text`](Self::to_text).
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] for a text that is no checkpoint.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let (checkpoint, extensions) = parse_lines(text)?;
        if extensions.lines().any(str::is_empty) {
            return Err(CheckpointError::EmptyLine);
        }
        Ok(checkpoint)
    }

    /// Reads what a text states, be it a signed note or a checkpoint without signatures; nothing if it is
    /// neither. No signature is verified.
    pub fn stated(text: &str) -> Option<Self> {
        let note = SignedNote::parse(text.as_bytes()).ok();
        Self::parse(note.as_ref().map_or(text, |note| &note.text)).ok()
    }

    /// Reads the text of a checkpoint of three lines: exactly what [`to_text`](Self::to_text)
    /// writes.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] for a text that is no checkpoint or has extension lines.
    pub fn parse_strict(text: &str) -> Result<Self, CheckpointError> {
        match parse_lines(text)? {
            (checkpoint, "") => Ok(checkpoint),
            _ => Err(CheckpointError::ExtensionLines),
        }
    }
}

/// Reads a checkpoint that bears the one signature of `key`, spelt as a log spells its own: three
/// lines, the origin is the name of the key, nothing that the signature does not cover.
///
/// # Errors
///
/// [`SignedCheckpointError`] for anything else.
pub fn parse_signed_checkpoint(
    note: &[u8],
    key: &VerifierKey,
) -> Result<Checkpoint, SignedCheckpointError> {
    let parsed = SignedNote::parse(note).map_err(SignedCheckpointError::Note)?;
    parsed.verify(std::slice::from_ref(key)).map_err(SignedCheckpointError::Note)?;
    let checkpoint =
        Checkpoint::parse_strict(&parsed.text).map_err(SignedCheckpointError::Checkpoint)?;
    if checkpoint.origin != key.name() {
        return Err(SignedCheckpointError::OtherOrigin);
    }
    if parsed.signatures.len() != 1 || parsed.to_bytes() != note {
        return Err(SignedCheckpointError::Spelling);
    }
    Ok(checkpoint)
}

/// Reads a checkpoint that bears the signature of `key`, and below it one cosignature of each of
/// `witnesses`, in their order and nothing else; returns when each says that it saw it.
///
/// The witnesses must stand in the order of their texts, each once, so that there is one spelling.
/// Without any it is as [`parse_signed_checkpoint`]. Whether they are believed is for the caller.
///
/// # Errors
///
/// [`SignedCheckpointError`] for anything else.
pub fn parse_cosigned_checkpoint(
    note: &[u8],
    key: &VerifierKey,
    witnesses: &[VerifierKey],
) -> Result<(Checkpoint, Vec<CosignedAt>), SignedCheckpointError> {
    let mut parsed = SignedNote::parse(note).map_err(SignedCheckpointError::Note)?;
    if parsed.to_bytes() != note {
        return Err(SignedCheckpointError::Spelling);
    }
    let in_order = witnesses.is_sorted_by(|a, b| a.to_string() < b.to_string());
    if !in_order || parsed.signatures.len() != 1 + witnesses.len() {
        return Err(SignedCheckpointError::Cosignatures);
    }
    let mut times = Vec::with_capacity(witnesses.len());
    for (line, witness) in parsed.signatures.iter().skip(1).zip(witnesses) {
        let is_claimed = line.id == witness.id() && line.name == witness.name();
        let text = parsed.text.as_bytes();
        let at = witness.verify_cosignature(text, &line.signature).filter(|_| is_claimed);
        times.push(at.ok_or(SignedCheckpointError::Cosignatures)?);
    }
    parsed.signatures.truncate(1);
    Ok((parse_signed_checkpoint(&parsed.to_bytes(), key)?, times))
}

/// Why bytes are not the signed checkpoint of a log.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedCheckpointError {
    /// What is signed is no checkpoint.
    #[error("what is signed is no checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// The cosignatures are not those of the witnesses, one of each in their order.
    #[error("its cosignatures are not valid ones of the witnesses named, each once and in order")]
    Cosignatures,
    /// The bytes are no note, or not signed by the key.
    #[error("{0}")]
    Note(NoteError),
    /// It is the checkpoint of another log.
    #[error("it is the checkpoint of another log")]
    OtherOrigin,
    /// There is more than one signature, or another spelling.
    #[error("it is not spelt as a log spells its own checkpoint")]
    Spelling,
}

/// Why a text is not that of a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The text exceeds [`CHECKPOINT_BYTES_MAX`].
    #[error("the checkpoint is too long: {length_bytes} bytes")]
    TooLong {
        /// Bytes of the text.
        length_bytes: usize,
    },
    /// There are fewer than three lines, or the last one has no newline.
    #[error("the checkpoint has fewer than three lines or does not end in a newline")]
    MissingLine,
    /// The origin or an extension line is empty.
    #[error("the checkpoint has an empty line")]
    EmptyLine,
    /// The second line is not a size in decimal without leading zeros.
    #[error("the checkpoint's size is not a decimal number below 2^64 without leading zeros")]
    InvalidSize,
    /// The third line is not a root.
    #[error("the checkpoint's root is not the base64 of 32 bytes")]
    InvalidRoot(#[source] ParseTreeHashError),
    /// There are more than the three lines expected.
    #[error("the checkpoint has extension lines")]
    ExtensionLines,
}

/// Reads the three lines and returns what follows them.
fn parse_lines(text: &str) -> Result<(Checkpoint, &str), CheckpointError> {
    if text.len() > CHECKPOINT_BYTES_MAX {
        return Err(CheckpointError::TooLong { length_bytes: text.len() });
    }
    let mut lines = text.splitn(4, '\n');
    let mut next_line = || lines.next().ok_or(CheckpointError::MissingLine);
    let (origin, size, root, extensions) = (next_line()?, next_line()?, next_line()?, next_line()?);
    if !extensions.is_empty() && !extensions.ends_with('\n') {
        return Err(CheckpointError::MissingLine);
    }
    if origin.is_empty() {
        return Err(CheckpointError::EmptyLine);
    }
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: parse_size(size).ok_or(CheckpointError::InvalidSize)?,
        root: TreeHash::from_base64(root).map_err(CheckpointError::InvalidRoot)?,
    };
    Ok((checkpoint, extensions))
}

/// Reads a decimal number in its one spelling.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::empty_root;

    const ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn a_checkpoint_is_three_lines() {
        let (origin, root) = ("example.com/log 42".to_owned(), empty_root());
        let checkpoint = Checkpoint { origin, size: 20_852_163, root };
        let text = format!("example.com/log 42\n20852163\n{ROOT}\n");
        assert_eq!(checkpoint.to_text(), text);
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::parse_strict(&text), Ok(checkpoint));
    }

    #[test]
    fn extension_lines_are_tolerated_only_in_foreign_checkpoints() {
        let text = format!("origin\n0\n{ROOT}\nextension\nanother\n");
        assert_eq!(Checkpoint::parse(&text).unwrap().size, 0);
        assert_eq!(Checkpoint::parse_strict(&text), Err(CheckpointError::ExtensionLines));
        let text = format!("origin\n0\n{ROOT}\nextension\n\nanother\n");
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::EmptyLine));
        let text = format!("origin\n0\n{ROOT}\n\n");
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::EmptyLine));
        assert_eq!(Checkpoint::parse_strict(&text), Err(CheckpointError::ExtensionLines));
        let text = format!("origin\n0\n{ROOT}\nextension without newline");
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::MissingLine));
    }

    #[rstest]
    #[case("")]
    #[case("+1")]
    #[case("-0")]
    #[case("00")]
    #[case("01")]
    #[case(" 1")]
    #[case("1 ")]
    #[case("1\r")]
    #[case("0x1")]
    #[case("18446744073709551616")]
    fn a_size_has_one_spelling(#[case] size: &str) {
        let text = format!("origin\n{size}\n{ROOT}\n");
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::InvalidSize));
    }

    #[test]
    fn the_largest_size_is_read() {
        let text = format!("origin\n{}\n{ROOT}\n", u64::MAX);
        assert_eq!(Checkpoint::parse_strict(&text).unwrap().size, u64::MAX);
    }

    #[test]
    fn a_checkpoint_cut_anywhere_is_refused() {
        let text = format!("origin\n7\n{ROOT}\n");
        for length in 0..text.len() {
            assert!(Checkpoint::parse(&text[..length]).is_err(), "{length}");
        }
        assert_eq!(Checkpoint::parse(&format!("\n7\n{ROOT}\n")), Err(CheckpointError::EmptyLine));
        let text = format!("origin\n7\n{}\n", ROOT.trim_end_matches('='));
        assert!(matches!(Checkpoint::parse(&text), Err(CheckpointError::InvalidRoot(_))));
    }

    #[test]
    fn an_endless_checkpoint_is_refused_unread() {
        let length_bytes = CHECKPOINT_BYTES_MAX + 1;
        let refusal = CheckpointError::TooLong { length_bytes };
        assert_eq!(Checkpoint::parse(&"o".repeat(length_bytes)), Err(refusal));
    }
}
