//! Comparing and counting what would be written, without writing it.

use std::io;

use serde::Serialize;

/// Tells whether `value` would be written as `bytes`. A difference stops the writing, so that no
/// second copy is made only to be compared.
pub(crate) fn is_spelling_of<T: Serialize>(bytes: &[u8], value: &T) -> bool {
    let mut rest = Expected(bytes);
    serde_json::to_writer(&mut rest, value).is_ok() && rest.0.is_empty()
}

/// The bytes that are still to be written; others are an error.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let rest = self.0.strip_prefix(written);
        self.0 = rest.ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the length of a value as it would be written, in bytes.
pub(crate) fn written_bytes<T: Serialize>(value: &T) -> u64 {
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, value).expect("our types have text keys and no floats");
    counted.0
}

/// How many bytes were written.
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 += written.len() as u64;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
