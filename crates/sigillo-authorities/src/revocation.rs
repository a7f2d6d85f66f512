//! Asking for revocation lists and OCSP responses over HTTP, at the addresses that the certificates
//! of a token name.

use std::{collections::HashSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
    redirect::Policy,
};
use sigillo_ers::{
    CertificateRevocation, REVOCATION_BYTES_MAX, RevocationKind, RevocationQuestion, RevocationSet,
    RevocationStatus, TrustAnchors, revocation_questions, token_revocation,
};
use sigillo_model::{Clock, Sha256Digest};

use crate::{AuthorityError, Refusal, authorities::words};

/// Media type of an OCSP request. Source: RFC 6960 §A.2.
const REQUEST: &str = "application/ocsp-request";
/// How far a responder's clock may be ahead of ours.
const CLOCK_DIFFERENCE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Largest OCSP response read, in bytes.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// Whoever can be asked, and how long that may take.
#[derive(Clone, Debug)]
pub struct RevocationGatherer {
    client: Client,
    answer_limit: Duration,
    all_limit: SignedDuration,
    lists_first: bool,
}

/// What was gathered about one token.
#[derive(Clone, Debug, Default)]
pub struct GatheredRevocation {
    /// Revocation lists and OCSP responses that say something of a certificate of the token, as
    /// received, every check of [`token_revocation`] passed.
    pub evidence: Vec<GatheredEvidence>,
    /// What is known of each certificate with them.
    pub certificates: Vec<CertificateRevocation>,
    /// Who was asked and gave nothing that counts.
    pub refused: Vec<Refusal>,
}

/// One piece of evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatheredEvidence {
    /// Its kind.
    pub kind: RevocationKind,
    /// Where it was got.
    pub url: String,
    /// Its bytes.
    pub der: Vec<u8>,
}

/// No HTTP client could be set up.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for revocation data")]
pub struct GathererError {
    source: reqwest::Error,
}

impl RevocationGatherer {
    /// How long one answer may take if nothing else is said.
    pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);
    /// How long all answers about one token may take if nothing else is said.
    pub const ALL_LIMIT: SignedDuration = SignedDuration::from_secs(30);

    /// Prepares to ask. Connects to nobody yet; redirects are not followed, and nobody is asked over
    /// HTTPS, for which the certificates of servers would have to be judged first.
    ///
    /// # Errors
    ///
    /// [`GathererError`] if the HTTP client cannot be set up.
    pub fn new(answer_limit: Duration, all_limit: SignedDuration) -> Result<Self, GathererError> {
        let builder = Client::builder()
            .connect_timeout(answer_limit)
            .timeout(answer_limit)
            .redirect(Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .tls_certs_only([]);
        let client = builder.build().map_err(|source| GathererError { source })?;
        Ok(Self { client, answer_limit, all_limit, lists_first: false })
    }

    /// Asks for the revocation lists of a certificate before it asks its responders.
    #[must_use]
    pub fn lists_first(mut self) -> Self {
        self.lists_first = true;
        self
    }

    /// Asks about every certificate of `token` but the anchor, until each is known of or everybody
    /// was asked; that one was not revoked at some time before `since` is not enough. Takes no longer than
    /// the limits; what goes wrong is told and changes nothing else. What the token brings with it is not
    /// gathered.
    pub async fn gather(
        &self,
        token: &[u8],
        anchors: &TrustAnchors,
        since: Option<Timestamp>,
        clock: &dyn Clock,
    ) -> GatheredRevocation {
        let mut gathered = GatheredRevocation::default();
        // Only tokens that were verified are asked about.
        let mut questions = revocation_questions(token, anchors).unwrap_or_default();
        if self.lists_first {
            questions.sort_by_key(|it| (it.certificate, it.kind != RevocationKind::Crl));
        }
        let begun = clock.now();
        let mut set = RevocationSet::new();
        gathered.judge(token, anchors, &set, clock);
        let brought = gathered.sources();
        for question in questions {
            let known = gathered.certificates.get(question.certificate);
            if known.is_some_and(|it| gathered.is_known(it, since)) {
                continue;
            }
            let left = self.all_limit - clock.now().duration_since(begun);
            let Ok(left) = Duration::try_from(left) else { break };
            if left.is_zero() {
                break;
            }
            let refuse = |words| Refusal { authority: question.url.clone(), words };
            let der = match self.ask(&question, left.min(self.answer_limit)).await {
                Ok(der) => der,
                Err(error) => {
                    gathered.refused.push(refuse(words(&error)));
                    continue;
                }
            };
            if let Err(error) = set.add(&question.url, &der) {
                gathered.refused.push(refuse(words(&error)));
                continue;
            }
            gathered.judge(token, anchors, &set, clock);
            if brought.contains(&Sha256Digest::of(&der)) {
                continue;
            }
            if gathered.is_used(&der) {
                let RevocationQuestion { kind, url, .. } = question;
                gathered.evidence.push(GatheredEvidence { kind, url, der });
            } else {
                let found = gathered.certificates.get(question.certificate);
                gathered.refused.push(refuse(missing(found)));
            }
        }
        gathered
    }

    /// Asks one question.
    async fn ask(
        &self,
        question: &RevocationQuestion,
        limit: Duration,
    ) -> Result<Vec<u8>, AuthorityError> {
        let builder = match &question.request {
            None => self.client.get(&question.url),
            Some(request) => {
                let builder = self.client.post(&question.url).header(CONTENT_TYPE, REQUEST);
                builder.header(ACCEPT, "application/ocsp-response").body(request.clone())
            }
        };
        let failure = |error: reqwest::Error| {
            let is_timeout = error.is_timeout();
            let source = Box::new(error.without_url());
            if is_timeout {
                AuthorityError::TimedOut { limit }
            } else {
                AuthorityError::Unreachable { source }
            }
        };
        let response = builder.timeout(limit).send().await.map_err(failure)?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(AuthorityError::Status { status, location: None });
        }
        let bytes_max = match question.kind {
            RevocationKind::Crl => REVOCATION_BYTES_MAX,
            RevocationKind::Ocsp => RESPONSE_BYTES_MAX,
        };
        read_body(response, bytes_max, failure).await
    }
}

impl GatheredRevocation {
    fn judge(
        &mut self,
        token: &[u8],
        anchors: &TrustAnchors,
        set: &RevocationSet,
        clock: &dyn Clock,
    ) {
        let known_by = clock.now().saturating_add(CLOCK_DIFFERENCE_MAX).unwrap_or(clock.now());
        // Of a token that cannot be read nothing is known.
        self.certificates = token_revocation(token, anchors, set, known_by).unwrap_or_default();
    }

    /// Tells whether enough is known of a certificate: a hold that the token brings with it may have ended, and
    /// what is from before `since` says nothing of what came later.
    fn is_known(&self, certificate: &CertificateRevocation, since: Option<Timestamp>) -> bool {
        match &certificate.status {
            RevocationStatus::Unknown { .. } => false,
            RevocationStatus::Revoked { reason: Some(reason), source, .. } if reason.is_hold() => {
                self.evidence.iter().any(|it| Sha256Digest::of(&it.der) == source.sha256)
            }
            RevocationStatus::Good { source } => since.is_none_or(|since| since <= source.as_of),
            RevocationStatus::Revoked { .. } => true,
        }
    }

    fn is_used(&self, der: &[u8]) -> bool {
        self.sources().contains(&Sha256Digest::of(der))
    }

    /// Returns the SHA-256 of what it is by that something is known.
    fn sources(&self) -> HashSet<Sha256Digest> {
        let each = self.certificates.iter().filter_map(|certificate| match &certificate.status {
            RevocationStatus::Good { source } | RevocationStatus::Revoked { source, .. } => {
                Some(source.sha256)
            }
            RevocationStatus::Unknown { .. } => None,
        });
        each.collect()
    }
}

fn missing(certificate: Option<&CertificateRevocation>) -> String {
    match certificate.map(|certificate| &certificate.status) {
        Some(RevocationStatus::Unknown { missing }) => missing.clone(),
        _ => "its answer says nothing of the certificate that is not known by something newer"
            .to_owned(),
    }
}

/// Reads the body, and no further than allowed.
async fn read_body(
    mut response: Response,
    bytes_max: usize,
    failure: impl Fn(reqwest::Error) -> AuthorityError,
) -> Result<Vec<u8>, AuthorityError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(&failure)? {
        if chunk.len() > bytes_max - body.len() {
            return Err(AuthorityError::TooLarge { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
