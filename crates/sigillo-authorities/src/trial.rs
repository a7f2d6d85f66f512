//! The local trial time-stamping authority.

use std::sync::Arc;

use async_trait::async_trait;
use sigillo_ers::{TimeStampRequest, TokenContent, prepare_token, refusal};
use sigillo_model::{Clock, Entropy};

use crate::{AuthorityError, SealKey, TimeStampAuthority};

/// A time-stamping authority in this process, so that an archive works from its first minute.
///
/// Its tokens are real RFC 3161 tokens that state what our own clock says; they carry the trial
/// policy and prove nothing to anybody else.
#[derive(Clone, Debug)]
pub struct TrialAuthority {
    key: SealKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl TrialAuthority {
    pub(crate) fn new(key: SealKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { key, clock, entropy }
    }

    /// Answers a request as an authority does: with a token, or with a refusal in words.
    fn answer(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = match TimeStampRequest::parse(request_der) {
            Ok(request) => request,
            Err(error) => return Ok(refusal(&error.to_string())),
        };
        let mut serial = [0; 16];
        self.entropy.fill(&mut serial);
        let content = TokenContent {
            request: &request,
            serial,
            stamped_at: self.clock.now(),
            certificate_der: &self.key.certificate_der,
            chain: &self.key.chain,
        };
        match prepare_token(&content) {
            Ok(token) => {
                let signature = self.key.signer.sign(token.to_sign())?;
                Ok(token.finish(&signature))
            }
            Err(error) => Ok(refusal(&error.to_string())),
        }
    }
}

#[async_trait]
impl TimeStampAuthority for TrialAuthority {
    fn name(&self) -> &'static str {
        "local trial authority"
    }

    fn is_trial(&self) -> bool {
        true
    }

    async fn ask(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        self.answer(request_der)
    }
}
