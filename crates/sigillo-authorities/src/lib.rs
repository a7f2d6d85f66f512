//! The keys of an archive and the authorities that put a time on its evidence: the key folder,
//! the signers over it, the local trial authority and RFC 3161 over HTTP.
//!
//! Effects only: what a token or certificate must look like is the business of `sigillo-ers`.

mod folder;

mod checkpoint;
mod witness;

mod authorities;

mod authority;
mod http;
mod revocation;
mod trial;

mod durable;
mod key_error;
mod signers;

pub use authorities::{AllRefused, Authorities, Refusal, Stamped};
pub use authority::{AuthorityError, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, TimeStampAuthority};
pub use checkpoint::{CheckpointSigner, LOG_KEYS_MAX, SignedHead};
pub use folder::{KeyFolder, SealKey};
pub use http::{Credentials, HttpAuthority, HttpSettings, HttpSettingsError};
pub use key_error::KeyError;
pub use revocation::{GatheredEvidence, GatheredRevocation, GathererError, RevocationGatherer};
pub use trial::TrialAuthority;
pub use witness::{
    OLDER_REFUSALS_MAX, REFUSALS_MAX, WITNESSED_LOGS_MAX, Witness, WitnessRefused, Witnessed,
};
