//! The revocation of the certificates behind one token: whom to ask, and what is known.

use std::collections::HashMap;

use jiff::Timestamp;
use sigillo_model::Sha256Digest;

use crate::{
    TokenError, Trust, TrustAnchors,
    crl::ADDRESS_BYTES_MAX,
    der::Reader,
    evidence_told::evidence_within,
    ocsp,
    record_revocation::{Judging, StampsCheck},
    revocation::{
        CertificateRevocation, RevocationEffect, RevocationKind, RevocationSet, RevocationStatus,
    },
    revocation_check::RevocationCheck,
    revocation_reason::RevocationReason,
    signature::Accepted,
    token::ReadToken,
    x509::ADDRESS,
};

/// Most questions about one token.
pub const REVOCATION_QUESTIONS_MAX: usize = 16;

/// Where to ask whether a certificate was revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationQuestion {
    /// The certificate's place in the path, the signer's is 0.
    pub certificate: usize,
    /// What is to be got there.
    pub kind: RevocationKind,
    /// The address, which begins with `http://`: what it gives is signed.
    pub url: String,
    /// The request to send, DER; none for a revocation list.
    pub request: Option<Vec<u8>>,
}

/// Returns whom to ask about the certificates of the token `raw`, by what they say themselves: the
/// responders of each first, then its revocation lists.
///
/// Nobody is to be asked about a token whose certificate leads to none of `anchors`: its addresses
/// are anybody's. If it is an anchor itself, its issuer is asked if that is in the token or among
/// `anchors`. Addresses of other schemes than HTTP are left out.
///
/// # Errors
///
/// [`TokenError`] if the token cannot be read, or its signature is wrong.
pub fn revocation_questions(
    raw: &[u8],
    anchors: &TrustAnchors,
) -> Result<Vec<RevocationQuestion>, TokenError> {
    let token = ReadToken::read(raw)?;
    let path = anchored_path(&token, anchors)?;
    let path = RevocationCheck::new(None).ended(path, &token.certificates(), anchors);
    let mut certificates = path.read();
    // An anchor is asked about where it is the signer itself.
    certificates.truncate(path.certificates.len().max(2));
    let mut questions = Vec::new();
    for (certificate, pair) in certificates.windows(2).enumerate() {
        let [this, issuer] = pair else { continue };
        for content in &this.responders {
            let request = Some(ocsp::request(this, issuer));
            let kind = RevocationKind::Ocsp;
            questions.extend(address(content).map(|url| RevocationQuestion {
                certificate,
                kind,
                url,
                request,
            }));
        }
        for name in &this.distribution_points {
            let Ok(name) = Reader::new(name).any("a name") else { continue };
            let url = if name.tag == ADDRESS { address(name.content) } else { None };
            let (kind, request) = (RevocationKind::Crl, None);
            questions.extend(url.map(|url| RevocationQuestion { certificate, kind, url, request }));
        }
    }
    questions.truncate(REVOCATION_QUESTIONS_MAX);
    Ok(questions)
}

/// Says what is known of the revocation of each certificate of the token `raw`, the signer's first,
/// by what the token brings with it and by `evidence`, as of `known_by`. Anchors above the signer's are
/// not asked about, and told if they are revoked; for a token that leads to no anchor the answer is empty.
///
/// # Errors
///
/// [`TokenError`] if the token cannot be read, or its signature is wrong.
pub fn token_revocation(
    raw: &[u8],
    anchors: &TrustAnchors,
    evidence: &RevocationSet,
    known_by: Timestamp,
) -> Result<Vec<CertificateRevocation>, TokenError> {
    let (token, alone) = (ReadToken::read(raw)?, HashMap::new());
    let path = anchored_path(&token, anchors)?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let (anchors, evidence, at) = (Some(anchors), Some(evidence), Some(known_by));
    let judging = Judging { evidence, anchors, algorithms: None, at, as_of: known_by };
    Ok(StampsCheck::new(&[Some(token)], &alone, judging).judge(0, &path))
}

/// A time-stamp that proves nothing, or perhaps nothing, for a certificate behind it was revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevokedStamp {
    /// Its place among those that were looked at.
    pub place: usize,
    /// Why it does not count, in words.
    pub why: String,
    /// Whether all that is against it are holds, which may end as if they had never been.
    pub on_hold: bool,
}

/// Finds among time-stamps of one sealing and line, oldest first, the newest after the first that proves
/// nothing, or may prove nothing, for a certificate behind it was revoked; `None` if there is none. The one
/// after it is what covers it.
///
/// What cannot be read is for others to say. Whether anybody believes an authority changes nothing. Source:
/// as for a record, RFC 3161 §4.
pub fn revoked_stamp(
    tokens: &[&[u8]],
    (anchors, evidence): (&TrustAnchors, &RevocationSet),
    known_by: Timestamp,
) -> Option<RevokedStamp> {
    let (anchors, evidence, at) = (Some(anchors), Some(evidence), Some(known_by));
    let judging = Judging { evidence, anchors, algorithms: None, at, as_of: known_by };
    newest_revoked((tokens, 1), judging)
}

/// Says why the token `raw` that was made now proves nothing, or perhaps nothing, for a certificate behind
/// it is revoked by anything that `evidence` or the token itself tells, whatever the clocks say that made
/// either.
pub fn revoked_now(
    raw: &[u8],
    (anchors, evidence): (&TrustAnchors, &RevocationSet),
    now: Timestamp,
) -> Option<String> {
    let as_of = now.max(ReadToken::read(raw).ok()?.stamped_at);
    let (anchors, evidence) = (Some(anchors), Some(evidence));
    let judging = Judging { evidence, anchors, algorithms: None, at: None, as_of };
    newest_revoked((&[raw], 0), judging).map(|it| it.why)
}

/// As [`revoked_now`], by what other time-stamps bring with them.
pub fn revoked_by_others<'t>(
    raw: &[u8],
    others: impl Iterator<Item = &'t [u8]>,
    (anchors, now): (&TrustAnchors, Timestamp),
) -> Option<String> {
    let mut set = RevocationSet::new();
    for der in others.flat_map(evidence_within) {
        // What finds no room, or cannot be read, tells nothing.
        let _is_taken = set.add("another time-stamp", der).is_ok();
    }
    revoked_now(raw, (anchors, &set), now)
}

/// Finds the newest from a place on.
fn newest_revoked((raws, from): (&[&[u8]], usize), judging: Judging<'_>) -> Option<RevokedStamp> {
    let tokens: Vec<_> = raws.iter().map(|raw| ReadToken::read(raw).ok()).collect();
    let (mut paths, mut sound) = (Vec::with_capacity(raws.len()), HashMap::new());
    for (raw, token) in raws.iter().zip(&tokens) {
        let verified = token.as_ref().zip(judging.anchors);
        let path = verified.and_then(|(token, anchors)| anchored_path(token, anchors).ok());
        if let (Some(token), Some(_)) = (token, &path) {
            sound.insert(Sha256Digest::of(raw), token.stamped_at);
        }
        paths.push(path);
    }
    let mut check = StampsCheck::new(&tokens, &sound, judging);
    paths.iter().enumerate().skip(from).rev().find_map(|(place, path)| {
        let told = check.judge(place, path.as_deref()?);
        let mut revoked = told.iter().filter_map(|it| match it.status {
            RevocationStatus::Revoked { effect: RevocationEffect::None, .. } => None,
            RevocationStatus::Revoked { at, reason, .. } => {
                let is_hold = reason.is_some_and(RevocationReason::is_hold);
                Some((it.revoked_text(at, reason), is_hold))
            }
            _ => None,
        });
        let (why, is_hold) = revoked.next()?;
        Some(RevokedStamp { place, why, on_hold: is_hold && revoked.all(|(_, is_hold)| is_hold) })
    })
}

/// Returns the certificates from the signer's to the anchor; none for [`Trust::Unknown`].
pub(crate) fn anchored_path(
    token: &ReadToken<'_>,
    anchors: &TrustAnchors,
) -> Result<Vec<Vec<u8>>, TokenError> {
    let certificate = token.check_signature(Accepted::Kept)?;
    let (verified, path) = token.judge(certificate, token.stamped_at, anchors)?;
    Ok(if verified.trust == Trust::Unknown { Vec::new() } else { path })
}

/// Returns an address that may be asked.
fn address(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?;
    let plain = text.len() <= ADDRESS_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && text.starts_with("http://")).then(|| text.to_owned())
}
