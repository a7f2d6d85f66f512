//! The requests themselves: what the service really answered, and bodies that are sent from a file.
//!
//! `object_store` hides the status of an answer, reads error bodies without a bound, and takes
//! bodies from memory only. So it is given a client that notes the first, bounds the second, and
//! puts a spooled body, signed anew, in the place of an empty one.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::{
    ClientOptions, HeaderValue,
    aws::{AwsAuthorizer, AwsCredential},
    azure::{AzureAuthorizer, AzureCredential},
    client::{
        CredentialProvider, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
        HttpResponse, HttpService, ReqwestConnector,
    },
};

use super::spool::Spool;
/// At most this many bytes of an error's explanation are read.
const EXPLANATION_BYTES_MAX: usize = 64 << 10;

/// At most this many characters of it are shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// A spooled body is sent in pieces of this many bytes.
const PIECE_BYTES: u64 = 1 << 20;

tokio::task_local! {
    /// The call that the current task makes.
    static CALL: Arc<Call>;
}

/// One call of a service: what it sends from a spool, if anything, and what was answered last.
#[derive(Debug, Default)]
pub(crate) struct Call {
    upload: Option<Upload>,
    answer: Mutex<Option<Answer>>,
}

/// A body that is sent from a spool.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) spool: Arc<Spool>,
    pub(crate) sha256: [u8; 32],
    pub(crate) runtime: tokio::runtime::Handle,
}

/// What became of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It was never sent.
    NotSent,
    /// It was sent, perhaps in part, and no answer came.
    Lost,
    /// It was answered.
    Status {
        /// The HTTP status.
        status: u16,
        /// The service's own code for an error; may be empty.
        code: String,
        /// The service's explanation, shortened, on one line; may be empty.
        message: String,
    },
}

impl Call {
    pub(crate) fn sending(upload: Upload) -> Self {
        Self { upload: Some(upload), ..Self::default() }
    }

    /// Runs a request, or several in turn, and returns with its result what was answered last.
    pub(crate) async fn run<T>(self, request: impl Future<Output = T>) -> (T, Option<Answer>) {
        let call = Arc::new(self);
        let result = CALL.scope(Arc::clone(&call), request).await;
        let answer = call.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        (result, answer)
    }

    fn note(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

/// Signs a request whose body was replaced.
#[derive(Debug)]
pub(crate) enum Signing {
    /// As Amazon does it, for this region.
    S3 { region: String, credentials: Arc<dyn CredentialProvider<Credential = AwsCredential>> },
    /// As Azure does it, for this account.
    Azure {
        account: String,
        credentials: Arc<dyn CredentialProvider<Credential = AzureCredential>>,
    },
}

/// Makes the clients of a store. What signs is known only once the store is built.
#[derive(Clone, Debug, Default)]
pub(crate) struct WireConnector {
    pub(crate) signing: Arc<OnceLock<Signing>>,
}

impl HttpConnector for WireConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        let uploads = reqwest::Client::builder()
            .connect_timeout(super::CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| object_store::Error::Generic {
                store: "HTTP",
                source: error.into(),
            })?;
        Ok(HttpClient::new(Wire { inner, uploads, signing: Arc::clone(&self.signing) }))
    }
}

#[derive(Debug)]
struct Wire {
    inner: HttpClient,
    /// For bodies from a spool.
    uploads: reqwest::Client,
    signing: Arc<OnceLock<Signing>>,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let call = CALL.try_with(Arc::clone).ok();
        let upload = call.as_ref().and_then(|call| call.upload.clone());
        let is_object =
            request.method() == "PUT" && request.headers().contains_key("if-none-match");
        let answered = match upload.filter(|_| is_object) {
            Some(upload) => self.send(request, upload).await,
            None => self.inner.execute(request).await,
        };
        let (answered, answer) = match answered {
            Ok(response) => explained(response).await,
            Err(error) => {
                let not_sent = error.kind() == HttpErrorKind::Connect;
                (Err(error), if not_sent { Answer::NotSent } else { Answer::Lost })
            }
        };
        if let Some(call) = call {
            call.note(answer);
        }
        answered
    }
}

impl Wire {
    /// Sends a request with the body of a spool in the place of its own.
    async fn send(
        &self,
        mut request: HttpRequest,
        upload: Upload,
    ) -> Result<HttpResponse, HttpError> {
        let length = upload.spool.size_bytes();
        request.headers_mut().insert("content-length", HeaderValue::from(length));
        if let Some(signing) = self.signing.get() {
            signing.sign_anew(&mut request, &upload.sha256).await.map_err(not_sent)?;
        }
        let (parts, _) = request.into_parts();
        let url = reqwest::Url::parse(&parts.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?;
        let mut sent = reqwest::Request::new(parts.method, url);
        *sent.headers_mut() = parts.headers;
        *sent.body_mut() = Some(reqwest::Body::wrap_stream(pieces(upload, length)));
        let response = self.uploads.execute(sent).await.map_err(|error| {
            let not_sent = error.is_connect();
            let kind = if not_sent { HttpErrorKind::Connect } else { HttpErrorKind::Unknown };
            HttpError::new(kind, error.without_url())
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = response.bytes_stream();
        let mut text = Vec::new();
        while let Some(Ok(piece)) = body.next().await
            && text.len() < EXPLANATION_BYTES_MAX
        {
            text.extend_from_slice(&piece);
        }
        let mut answered = HttpResponse::new(text.into());
        *answered.status_mut() = status;
        *answered.headers_mut() = headers;
        Ok(answered)
    }
}

impl Signing {
    async fn sign_anew(
        &self,
        request: &mut HttpRequest,
        sha256: &[u8; 32],
    ) -> object_store::Result<()> {
        match self {
            Self::S3 { region, credentials } => {
                for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
                    request.headers_mut().remove(name);
                }
                let checksum = HeaderValue::from_str(&BASE64_STANDARD.encode(sha256))
                    .expect("Base64 is what a header may hold");
                request.headers_mut().insert("x-amz-checksum-sha256", checksum);
                let credential = credentials.get_credential().await?;
                AwsAuthorizer::new(&credential, "s3", region).try_authorize(request, Some(sha256))
            }
            Self::Azure { account, credentials } => {
                let credential = credentials.get_credential().await?;
                // A token covers no header, so that it holds as it is.
                if let AzureCredential::AccessKey(_) = &*credential {
                    request.headers_mut().remove("authorization");
                    AzureAuthorizer::new(&credential, account).try_authorize(request)?;
                }
                Ok(())
            }
        }
    }
}

/// The spool from its first byte to its last.
fn pieces(
    upload: Upload,
    length: u64,
) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures::stream::try_unfold((upload, 0), move |(upload, at)| async move {
        if at == length {
            return Ok(None);
        }
        let now = PIECE_BYTES.min(length - at);
        let spool = Arc::clone(&upload.spool);
        let read = upload.runtime.spawn_blocking(move || spool.read_at(at, now));
        let piece = read.await.map_err(std::io::Error::other)??;
        Ok(Some((piece, (upload, at + now))))
    })
}

/// Takes from an answer what it says of itself; the explanation of an error is read, up to a bound.
async fn explained(response: HttpResponse) -> (Result<HttpResponse, HttpError>, Answer) {
    let status = response.status().as_u16();
    if status < 300 {
        let (code, message) = (String::new(), String::new());
        return (Ok(response), Answer::Status { status, code, message });
    }
    let header = response.headers().get("x-ms-error-code");
    let header = header.and_then(|code| code.to_str().ok()).map(str::to_owned);
    let (parts, body) = response.into_parts();
    let mut stream = body.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(piece)) = stream.next().await {
        let room = EXPLANATION_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&piece[..room.min(piece.len())]);
        if room <= piece.len() {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let code = header.or_else(|| element(&text, "Code")).unwrap_or_default();
    let message = element(&text, "Message").unwrap_or_default();
    let answered = HttpResponse::from_parts(parts, text.into());
    (Ok(answered), Answer::Status { status, code, message })
}

/// Returns the text of the first XML element of this name, shortened, on one line.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, behind) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = behind.split_once(&format!("</{name}>"))?;
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    Some(inside.chars().map(shown).take(MESSAGE_CHARS_MAX).collect())
}

fn not_sent(error: object_store::Error) -> HttpError {
    HttpError::new(HttpErrorKind::Connect, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_messages_are_taken_out_of_an_explanation() {
        let text =
            "<?xml?><Error><Code>SlowDown</Code><Message>Reduce\nyour rate</Message></Error>";
        assert_eq!(element(text, "Code").unwrap(), "SlowDown");
        assert_eq!(element(text, "Message").unwrap(), "Reduce your rate");
        for text in ["", "<Code>", "</Code><Code>", "<html>502</html>"] {
            assert_eq!(element(text, "Code"), None, "{text}");
        }
        let long = format!("<Code>{}</Code>", "x".repeat(10_000));
        assert_eq!(element(&long, "Code").unwrap().len(), MESSAGE_CHARS_MAX);
    }
}
