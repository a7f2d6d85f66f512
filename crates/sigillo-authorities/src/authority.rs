//! The seam behind which time-stamping authorities stand.

use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use sigillo_model::SignerError;

/// Largest request that the local authority reads, in bytes.
pub const REQUEST_BYTES_MAX: usize = sigillo_ers::REQUEST_BYTES_MAX;

/// Largest response that is accepted, in bytes: 1 MiB, where real ones have 10 KiB at most.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Somebody who puts a time on a digest.
///
/// # Contract
///
/// An answer ends, within a time that the implementation bounds, and holds
/// [`RESPONSE_BYTES_MAX`] bytes at most. Nobody is trusted: what comes back are bytes, and
/// [`Authorities::stamp`](crate::Authorities::stamp) checks them before they count.
#[async_trait]
pub trait TimeStampAuthority: fmt::Debug + Send + Sync {
    /// Returns the name by which reports call it.
    fn name(&self) -> &str;

    /// Tells whether its tokens are trial ones, worth nothing in law.
    fn is_trial(&self) -> bool;

    /// Returns the policy that its tokens must be under, a dotted OID; by default any will do.
    fn policy(&self) -> Option<&str> {
        None
    }

    /// Sends a `TimeStampReq`, DER, and returns the bytes of the response, unchecked.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`] if nothing came back that could be a response.
    async fn ask(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError>;
}

/// A time-stamping authority gave no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The connection broke before the response was complete.
    #[error("the connection broke before the response was complete")]
    Broken {
        /// What the network said.
        source: Box<dyn Error + Send + Sync>,
    },

    /// The answer is no time-stamp response, by its media type.
    #[error("it answered with {found}, not with application/timestamp-reply")]
    ContentType {
        /// What it says it is, shortened.
        found: String,
    },

    /// It cannot sign.
    #[error(transparent)]
    Signer(#[from] SignerError),

    /// It answered with an HTTP status other than 200. Redirects are not followed.
    #[error("it answered with HTTP status {status}{}", location_words(location.as_deref()))]
    Status {
        /// The status.
        status: u16,
        /// Where it points to, shortened.
        location: Option<String>,
    },

    /// It did not answer in time.
    #[error("no complete answer within {}", seconds(*limit))]
    TimedOut {
        /// How long it had.
        limit: Duration,
    },

    /// The response is larger than any can be; the rest was not read.
    #[error("its response has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },

    /// It could not be reached.
    #[error("it could not be reached")]
    Unreachable {
        /// What the network said.
        source: Box<dyn Error + Send + Sync>,
    },
}

fn location_words(location: Option<&str>) -> String {
    location.map_or_else(String::new, |to| format!(", a redirect to {to:?} that is not followed"))
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}
