//! How long the certificates above a time-stamp bear it: when the first of them ends, and what they are
//! signed with.

use jiff::Timestamp;

use crate::{
    Trust, TrustAnchors, VerifiedToken,
    hash::HashFunction,
    signature::{SignatureUse, Signing, describe, describe_unchecked},
    token::{ReadToken, TokenError},
    x509::Certificate,
};

/// At most this many certificates are followed from a signer to an anchor.
const PATH_CERTIFICATES_MAX: usize = 10;

/// What evidence rests on above the signer's key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PathBearing {
    /// The last instant at which all certificates below the anchor are valid.
    pub(crate) end: Timestamp,
    /// What they are signed with, the signer's first, as far as the key is known that signed them.
    pub(crate) signatures: Vec<SignatureUse>,
    /// What the last one is signed with if the key is not known; then its size is not, either.
    pub(crate) unfollowed: Option<SignatureUse>,
}

impl PathBearing {
    fn of_signer(signer: &Certificate<'_>) -> Self {
        Self { end: signer.not_after, signatures: Vec::new(), unfollowed: None }
    }

    /// Returns that of a path whose last certificate is the anchor, and of the signer's alone where there
    /// is no path, or the signer is the anchor: whoever trusts an anchor trusts it without an end.
    pub(crate) fn of_path(signer: &Certificate<'_>, path: &[Vec<u8>]) -> Self {
        let mut this = Self::of_signer(signer);
        let read: Vec<_> = path.iter().map_while(|raw| Certificate::read(raw).ok()).collect();
        for pair in read.windows(2) {
            this.add(&pair[0], &pair[1]);
        }
        this
    }

    /// Returns that of the certificates that came with a time-stamp, as far as one signed the other, for
    /// who has no path to an anchor. One that signed itself ends it as an anchor would.
    fn of_beside(signer: &Certificate<'_>, beside: &[&[u8]]) -> Self {
        let mut this = Self::of_signer(signer);
        let read: Vec<_> = beside.iter().filter_map(|raw| Certificate::read(raw).ok()).collect();
        let mut below = signer;
        for _ in 0..PATH_CERTIFICATES_MAX {
            if below.is_issued_by(below) {
                return this;
            }
            // Of several that have the key, the one that bears it longest.
            let above = read.iter().filter(|it| below.is_issued_by(it));
            let Some(above) = above.max_by_key(|it| it.not_after) else { break };
            this.add(below, above);
            below = above;
        }
        this.end = this.end.min(below.not_after);
        this.unfollowed = describe_unchecked(&below.algorithm);
        this
    }

    /// Takes in a certificate and the one that signed it.
    fn add(&mut self, below: &Certificate<'_>, above: &Certificate<'_>) {
        self.end = self.end.min(below.not_after);
        let hash = HashFunction::Sha256;
        self.signatures.push(describe(&Signing {
            algorithm: &below.algorithm,
            hash,
            key: &above.key,
        }));
    }
}

/// A time-stamp whose certificates were judged.
pub(crate) struct Judged {
    /// What it says, and who made it.
    pub(crate) verified: VerifiedToken,
    /// The path to an anchor, the signer's certificate first; empty if there is none.
    pub(crate) path: Vec<Vec<u8>>,
    /// How long the path bears it.
    pub(crate) bearing: PathBearing,
    /// The time at which the path was looked for: that of the time-stamp if none reaches further.
    pub(crate) at: Timestamp,
}

/// Judges the certificates of a time-stamp, whose signer's is `certificate`, at the time that it must hold
/// until or, if one of them ended before, at its own.
pub(crate) fn judge_until(
    token: &ReadToken<'_>,
    certificate: &Certificate<'_>,
    until: Timestamp,
    anchors: &TrustAnchors,
) -> Result<Judged, TokenError> {
    let judge = |at| {
        let (verified, path) = token.judge(certificate.clone(), at, anchors)?;
        let bearing = PathBearing::of_path(certificate, &path);
        Ok(Judged { verified, path, bearing, at })
    };
    if until.as_second() > certificate.not_after.as_second() {
        return judge(token.stamped_at);
    }
    let judged = judge(until)?;
    if judged.verified.trust != Trust::Unknown || until <= token.stamped_at {
        return Ok(judged);
    }
    // One above the signer's may have ended since.
    let then = judge(token.stamped_at)?;
    if then.bearing.end < until { Ok(then) } else { Ok(judged) }
}

/// Returns how long the certificates of a time-stamp, whose signer's is `certificate`, bear it as of `at`:
/// by the path that a verdict takes or, where none leads to an anchor, by those that came with it.
pub(crate) fn bearing_of(
    token: &ReadToken<'_>,
    certificate: &Certificate<'_>,
    (anchors, at): (&TrustAnchors, Timestamp),
) -> Result<PathBearing, TokenError> {
    let judged = judge_until(token, certificate, at.max(token.stamped_at), anchors)?;
    Ok(match judged.verified.trust {
        Trust::Anchored { .. } => judged.bearing,
        Trust::Unknown => PathBearing::of_beside(certificate, &token.certificates()),
    })
}
