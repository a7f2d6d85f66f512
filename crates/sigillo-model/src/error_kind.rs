//! What a caller can do about an error.

/// What a caller can do about an error; it alone decides retries and exit codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// Stored content or evidence is damaged: never retried, it goes to a conservator.
    Integrity,
    /// The request or its input is not acceptable as it is.
    Invalid,
    /// Somebody else was faster, or the state changed: read again and decide again.
    Conflict,
    /// The outside did not answer, or may answer differently later.
    Transient,
    /// Our own mistake.
    Bug,
}
