//! Why a certificate was revoked.

use std::fmt;

use crate::der::DerError;

/// Why a certificate was revoked: the number of a `CRLReason`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevocationReason(pub(crate) u8);

impl RevocationReason {
    pub(crate) const HOLD: Self = Self(6);

    /// Reads an ENUMERATED.
    pub(crate) fn read(value: &[u8]) -> Result<Self, DerError> {
        match value {
            [0x0a, 1, code] => Ok(Self(*code)),
            _ => Err(DerError { what: "a reason of revocation" }),
        }
    }

    /// Tells whether it says that the key stayed safe: what was made before then is not touched.
    ///
    /// Unspecified, affiliation changed, superseded and cessation of operation, as RFC 3161 §4 lists
    /// them for time-stamping authorities, and privilege withdrawn, which came with RFC 5280.
    pub(crate) fn leaves_key_safe(self) -> bool {
        matches!(self.0, 0 | 3 | 4 | 5 | 9)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "unspecified",
            1 => "key compromise",
            2 => "compromise of its authority",
            3 => "affiliation changed",
            4 => "superseded",
            5 => "cessation of operation",
            6 => "on hold",
            8 => "removed from a list",
            9 => "privilege withdrawn",
            10 => "compromise of an attribute authority",
            other => return write!(f, "reason {other}"),
        })
    }
}
