//! What an answer that is no success means: whether it happened, whether to ask again, and what a
//! person can do about it.

use super::wire::Answer;
use crate::{BackendError, url::ServiceKind};

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such object.
    NotFound,
    /// A create found something there.
    Exists,
    /// It surely did not happen, and may happen if it is asked again.
    NotDone(String),
    /// It may have happened, or not: busy, out of order, out of time, cut off.
    Unclear(String),
    /// It did not happen, and will not until a person has done something.
    Refused(String),
    /// A range that leaves the object.
    Outside,
}

/// What a fault is about, for the words.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: ServiceKind,
    pub(crate) bucket: &'a str,
}

impl Fault {
    /// Sorts a failed request by what was answered, if anything was.
    pub(crate) fn of(
        subject: &Subject<'_>,
        error: &object_store::Error,
        answer: Option<Answer>,
    ) -> Self {
        match answer {
            Some(Answer::NotSent) => Self::NotDone("the service cannot be reached".to_owned()),
            Some(Answer::Lost) => Self::Unclear("the connection was cut".to_owned()),
            Some(Answer::Status { status, code, message }) => {
                Self::of_status(subject, status, &code, &message)
            }
            // Nothing was sent: no credentials, or a key that cannot be.
            None => Self::Refused(error.to_string()),
        }
    }

    fn of_status(subject: &Subject<'_>, status: u16, code: &str, message: &str) -> Self {
        let said = said(status, code, message);
        let bucket = subject.bucket;
        let (noun, region, key) = match subject.kind {
            ServiceKind::S3 => ("bucket", "AWS_REGION", "AWS_ACCESS_KEY_ID"),
            ServiceKind::Azure => {
                ("container", "AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME")
            }
        };
        match (status, code) {
            // Success whose body could not be read, or was cut short.
            (200..300, _) => Self::Unclear("the answer was cut short".to_owned()),
            (_, "NoSuchBucket" | "ContainerNotFound") => Self::Refused(format!(
                "there is no {noun} {bucket} ({said}): make it, or mend the name and the endpoint"
            )),
            (404, _) => Self::NotFound,
            (304 | 412, _) | (409, "BlobAlreadyExists") => Self::Exists,
            (416, _) => Self::Outside,
            (409, "ConditionalRequestConflict") => Self::NotDone(said),
            (400, "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "Md5Mismatch") => {
                Self::NotDone(format!("the bytes were damaged on their way ({said})"))
            }
            (400, "RequestTimeout") | (408 | 409 | 425 | 429 | 500 | 502.., _) => {
                Self::Unclear(said)
            }
            (300..400, _)
            | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                Self::Refused(format!("{noun} {bucket} is elsewhere ({said}): set {region}"))
            }
            (403, "RequestTimeTooSkewed") => {
                Self::Refused(format!("the clock of this machine is wrong ({said}): set it"))
            }
            (401 | 403, _) => Self::Refused(format!(
                "it does not let us ({said}): check {key} and its secret, and what it may do in \
                 {noun} {bucket}: list, read, write, and delete below probe/ and catalogue/"
            )),
            (501, _) => Self::Refused(format!("it cannot do what an archive needs ({said})")),
            _ => Self::Refused(said),
        }
    }

    /// Turns a fault of reading, or of what else may be asked again, into the error that remains.
    pub(crate) fn of_reading(self) -> BackendError {
        match self {
            Self::NotFound => BackendError::NotFound,
            Self::Refused(what) => BackendError::Refused { what },
            Self::NotDone(what) | Self::Unclear(what) => BackendError::failed(what),
            Self::Exists => BackendError::failed("it speaks of a condition that was not set"),
            Self::Outside => BackendError::failed("the range is not inside the object"),
        }
    }

    /// Tells whether the same request may have another answer soon.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NotDone(_) | Self::Unclear(_))
    }
}

fn said(status: u16, code: &str, message: &str) -> String {
    let mut said = format!("status {status}");
    for part in [code, message] {
        if !part.is_empty() {
            said.push_str(", ");
            said.push_str(part.trim_end_matches('.'));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: ServiceKind, status: u16, code: &str) -> Fault {
        Fault::of_status(&Subject { kind, bucket: "carte" }, status, code, "")
    }

    #[test]
    fn what_surely_did_not_happen_is_told_from_what_may_have() {
        let s3 = |status, code| fault(ServiceKind::S3, status, code);
        assert!(matches!(s3(412, "PreconditionFailed"), Fault::Exists));
        assert!(matches!(s3(409, "ConditionalRequestConflict"), Fault::NotDone(_)));
        assert!(matches!(s3(400, "BadDigest"), Fault::NotDone(_)));
        for (status, code) in [
            (503, "SlowDown"),
            (429, ""),
            (500, ""),
            (409, "OperationAborted"),
            (400, "RequestTimeout"),
        ] {
            assert!(matches!(s3(status, code), Fault::Unclear(_)), "{status} {code}");
        }
        // Azure answers so to a create that finds something there.
        assert!(matches!(fault(ServiceKind::Azure, 409, "BlobAlreadyExists"), Fault::Exists));
        assert!(matches!(
            fault(ServiceKind::Azure, 409, "ContainerBeingDeleted"),
            Fault::Unclear(_)
        ));
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        assert!(matches!(fault(ServiceKind::S3, 404, "NoSuchKey"), Fault::NotFound));
        for (kind, code) in
            [(ServiceKind::S3, "NoSuchBucket"), (ServiceKind::Azure, "ContainerNotFound")]
        {
            let Fault::Refused(words) = fault(kind, 404, code) else { panic!("{code}") };
            assert!(words.contains("carte") && words.contains("make it"), "{words}");
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (status, code, remedy) in [
            (301, "PermanentRedirect", "set AWS_REGION"),
            (400, "AuthorizationHeaderMalformed", "set AWS_REGION"),
            (403, "InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
            (403, "RequestTimeTooSkewed", "clock"),
            (501, "NotImplemented", "cannot do"),
        ] {
            let Fault::Refused(words) = fault(ServiceKind::S3, status, code) else {
                panic!("{code}")
            };
            assert!(words.contains(remedy) && words.contains(code), "{words}");
        }
    }
}
