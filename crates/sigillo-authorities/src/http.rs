//! RFC 3161 over HTTP and HTTPS.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Client, Proxy, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION},
    redirect::Policy,
};

use crate::{AuthorityError, RESPONSE_BYTES_MAX, TimeStampAuthority};

/// Media type of a request. Source: RFC 3161 §3.4.
const QUERY: &str = "application/timestamp-query";
/// Media type of a response.
const REPLY: &str = "application/timestamp-reply";

/// Longest piece of somebody else's header that is repeated in an error, in characters.
const REPEATED_CHARS_MAX: usize = 200;

/// Where an authority is and how to talk to it: data, as settings give it.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The name by which reports call it.
    pub name: String,
    /// Its address, `http://…` or `https://…`.
    pub url: String,
    /// The policy that its tokens must be under, a dotted OID, if not any.
    pub policy: Option<String>,
    /// What it knows us by, if it asks.
    pub credentials: Option<Credentials>,
    /// The proxy on the way, `http://…`; none is taken from the environment.
    pub proxy: Option<String>,
    /// How long connecting may take.
    pub connect_limit: Duration,
    /// How long everything together may take, connecting included.
    pub answer_limit: Duration,
}

/// User name and password, sent as HTTP basic authentication.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: String,
}

/// A time-stamping authority that is asked over HTTP.
///
/// Over `http://` the answer is as safe as over `https://`, for it is signed, but a password is
/// not. Certificates of HTTPS servers are checked against the operating system's store.
#[derive(Clone, Debug)]
pub struct HttpAuthority {
    name: String,
    url: Url,
    policy: Option<String>,
    credentials: Option<Credentials>,
    answer_limit: Duration,
    client: Client,
}

/// The settings of an authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSettingsError {
    /// The address is none of an HTTP server.
    #[error("the address of time-stamping authority {name:?} cannot be used: {reason}")]
    Address {
        /// The authority's name.
        name: String,
        /// What is wrong with it. The address itself is left out, it may hold a password.
        reason: String,
    },

    /// The HTTP client could not be set up.
    #[error("no HTTP client for time-stamping authority {name:?}")]
    Client {
        /// The authority's name.
        name: String,
        /// What stood in the way, such as no root certificates on this machine.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl HttpSettings {
    /// How long connecting may take if nothing else is said.
    pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

    /// How long an answer may take if nothing else is said.
    pub const ANSWER_LIMIT: Duration = Duration::from_secs(30);

    /// Describes the authority at `url`, with the usual limits and no credentials.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            policy: None,
            credentials: None,
            proxy: None,
            connect_limit: Self::CONNECT_LIMIT,
            answer_limit: Self::ANSWER_LIMIT,
        }
    }
}

impl Credentials {
    /// Takes a user name and a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }
}

/// Shows the user and never the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl HttpAuthority {
    /// Prepares to ask the authority that `settings` describe. Connects to nobody yet.
    ///
    /// # Errors
    ///
    /// [`HttpSettingsError`] if the address or the proxy is none, or holds a password of its own,
    /// or if HTTPS is asked for on a machine without root certificates.
    pub fn new(settings: HttpSettings) -> Result<Self, HttpSettingsError> {
        let HttpSettings { name, url, policy, credentials, proxy, connect_limit, answer_limit } =
            settings;
        let address = |reason: String| HttpSettingsError::Address { name: name.clone(), reason };
        let url = Url::parse(&url).map_err(|error| address(error.to_string()))?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(address("it starts with neither https:// nor http://".to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            // Addresses end up in logs and reports.
            return Err(address("it holds a user name or password, which go apart".to_owned()));
        }
        if credentials.is_some() && !is_https {
            tracing::warn!(authority = name, "a password is sent over a connection in the clear");
        }
        let mut builder = Client::builder()
            .connect_timeout(connect_limit)
            .timeout(answer_limit)
            .redirect(Policy::none())
            .referer(false)
            // One question a night: an idle connection would be dead by the next one.
            .pool_max_idle_per_host(0)
            .no_proxy();
        builder = match proxy {
            Some(proxy) => {
                let proxy = Proxy::all(proxy.as_str()).map_err(|error| {
                    address(format!("its proxy is none ({})", error.without_url()))
                })?;
                builder.proxy(proxy)
            }
            // Without TLS no root certificates are needed, and a machine without any is no error.
            None if !is_https => builder.tls_certs_only([]),
            None => builder,
        };
        match builder.build() {
            Ok(client) => Ok(Self { name, url, policy, credentials, answer_limit, client }),
            Err(source) => Err(HttpSettingsError::Client { name, source: source.into() }),
        }
    }

    /// Asks without a limit on the time.
    async fn exchange(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, QUERY)
            .header(ACCEPT, REPLY)
            .body(request_der.to_vec());
        if let Some(Credentials { user, password }) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let response = request.send().await.map_err(|error| self.failure(error, false))?;
        check_head(&response)?;
        self.read_body(response).await
    }

    /// Reads the body, and no further than a response can reach.
    async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, AuthorityError> {
        let too_large = || AuthorityError::TooLarge { bytes_max: RESPONSE_BYTES_MAX };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > RESPONSE_BYTES_MAX) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error, true))? {
            if chunk.len() > RESPONSE_BYTES_MAX - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failure(&self, error: reqwest::Error, is_answering: bool) -> AuthorityError {
        let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
        let source = Box::new(error.without_url());
        match () {
            () if is_connect => AuthorityError::Unreachable { source },
            () if is_timeout => AuthorityError::TimedOut { limit: self.answer_limit },
            () if is_answering => AuthorityError::Broken { source },
            () => AuthorityError::Unreachable { source },
        }
    }
}

#[async_trait]
impl TimeStampAuthority for HttpAuthority {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_trial(&self) -> bool {
        false
    }

    fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    async fn ask(&self, request_der: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        self.exchange(request_der).await
    }
}

/// Refuses an answer that cannot be a response, by its first lines.
fn check_head(response: &Response) -> Result<(), AuthorityError> {
    let status = response.status();
    if status != StatusCode::OK {
        let location =
            header_text(response.headers(), &LOCATION).filter(|_| status.is_redirection());
        return Err(AuthorityError::Status { status: status.as_u16(), location });
    }
    let found = header_text(response.headers(), &CONTENT_TYPE);
    let essence = found.as_deref().unwrap_or_default().split(';').next().unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case(REPLY) {
        return Ok(());
    }
    let found = found.map_or_else(|| "no media type".to_owned(), |found| format!("{found:?}"));
    Err(AuthorityError::ContentType { found })
}

/// Returns a header as text, cut to [`REPEATED_CHARS_MAX`].
fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let bytes = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(bytes).chars().take(REPEATED_CHARS_MAX).collect())
}
