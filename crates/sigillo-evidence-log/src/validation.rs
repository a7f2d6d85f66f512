//! What is gathered to judge the certificates of time-stamps later, without a network.

use std::collections::HashSet;

use bytes::Bytes;

use jiff::{SignedDuration, Timestamp};
use sigillo_authorities::{Authorities, GatheredEvidence, Refusal};
use sigillo_ers::{
    REVOCATION_BYTES_MAX, RevocationEffect, RevocationKind, RevocationReason, RevocationSet,
    RevocationStatus, TimeStampToken, TrustAnchors, token_revocation,
};
use sigillo_model::{
    Clock, EvidenceKind, ListedEvidence, LogTime, ObjectKey, SealingStamped, Sha256Digest,
    VALIDATION_EVIDENCE_MAX, VALIDATION_FORMAT, VALIDATION_LIST_BYTES_MAX, VALIDATION_LISTS_MAX,
    VALIDATION_NAMED_MAX, ValidationList, ValidationOf, parse_canonical, to_canonical,
};
use sigillo_store::{CreateOutcome, StoreError};

use crate::{Archive, LogError, LogWriter};

/// How long gathering for all time-stamps of one run may take; the rest is left for another time.
pub(crate) const GATHERING_MAX: SignedDuration = SignedDuration::from_secs(60);

/// What was gathered in one run.
#[derive(Debug, Default)]
pub struct GatherOutcome {
    /// How many pieces of evidence were stored.
    pub stored: usize,
    /// Who was asked and gave nothing that counts.
    pub refused: Vec<Refusal>,
    /// How many time-stamps nobody was asked about, for want of time.
    pub left: usize,
    /// What was got, each once, and where.
    pub kept: Vec<KeptEvidence>,
    /// For how many time-stamps nothing came that was not there already.
    pub unchanged: usize,
    /// Certificates that what came says to be revoked, so that a time-stamp is worth nothing or may be
    /// dated back.
    pub revoked: Vec<RevokedCertificate>,
    /// What was got again and lies damaged where it is to be stored.
    pub damaged: Vec<ObjectKey>,
}

/// A certificate behind a time-stamp that was revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevokedCertificate {
    /// Its subject, in words.
    pub subject: String,
    /// Since when.
    pub at: Timestamp,
    /// Whether it is on hold only, which may end.
    pub on_hold: bool,
    /// SHA-256 of the token that rests on it.
    pub token_sha256: Sha256Digest,
}

impl GatherOutcome {
    pub(crate) fn note_stored(&mut self, done: Stored) {
        self.stored += done.stored;
        self.damaged.extend(done.damaged);
    }

    /// Notes which certificates of a token are revoked by what is known of them at a time.
    pub(crate) fn note_revoked<'e>(
        &mut self,
        (raw, anchors): (&[u8], &TrustAnchors),
        evidence: impl Iterator<Item = &'e [u8]>,
        at: Timestamp,
    ) {
        let mut set = RevocationSet::new();
        for der in evidence {
            // What cannot be read says nothing.
            let _is_read = set.add("gathered", der).is_ok();
        }
        let told = token_revocation(raw, anchors, &set, at).unwrap_or_default();
        let token_sha256 = Sha256Digest::of(raw);
        self.revoked.extend(told.into_iter().filter_map(|it| match it.status {
            RevocationStatus::Revoked { at, effect, reason, .. }
                if effect != RevocationEffect::None =>
            {
                let on_hold = reason.is_some_and(RevocationReason::is_hold);
                Some(RevokedCertificate { subject: it.subject, at, on_hold, token_sha256 })
            }
            _ => None,
        }));
    }
}

/// A piece of evidence that an address gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptEvidence {
    /// The address.
    pub address: String,
    /// What it is.
    pub kind: RevocationKind,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its size.
    pub size_bytes: u64,
}

impl KeptEvidence {
    pub(crate) fn of(evidence: &GatheredEvidence) -> Self {
        Self {
            address: evidence.url.clone(),
            kind: evidence.kind,
            sha256: Sha256Digest::of(&evidence.der),
            size_bytes: evidence.der.len() as u64,
        }
    }
}

/// Gathers what is known now of the revocation of the certificates of time-stamps, and stores it:
/// first each revocation list and OCSP response under its digest, then the next numbered list that
/// names them.
///
/// Trial time-stamps are not asked about. That nobody answers is an outcome, not an error.
///
/// # Errors
///
/// [`LogError`] if the store failed.
pub async fn gather_validation(
    log: &LogWriter,
    stamps: &[(SealingStamped, TimeStampToken)],
    authorities: &Authorities,
    clock: &dyn Clock,
) -> Result<GatherOutcome, LogError> {
    let (mut outcome, begun) = (GatherOutcome::default(), clock.now());
    for (body, token) in stamps.iter().filter(|(body, _)| !body.trial) {
        if clock.now().duration_since(begun) > GATHERING_MAX {
            outcome.left += 1;
            continue;
        }
        let gathered = authorities.gather_revocation(token, clock).await;
        outcome.refused.extend(gathered.refused);
        if gathered.evidence.is_empty() {
            continue;
        }
        let evidence = gathered.evidence.iter().map(|it| &it.der[..]);
        outcome.note_revoked((token.raw(), authorities.anchors()), evidence, clock.now());
        outcome.kept.extend(gathered.evidence.iter().map(KeptEvidence::of));
        let of = (body.sealing.into(), body.line.as_str(), body.token_sha256);
        outcome.note_stored(store(log, of, gathered.evidence, clock).await?);
    }
    Ok(outcome)
}

/// What became of evidence that was to be stored.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) stored: usize,
    /// What lies there already with other bytes: it was damaged, and nothing is written over it.
    pub(crate) damaged: Vec<ObjectKey>,
}

/// Stores what was gathered for the time-stamp with a digest on a line, then the next list. What lies
/// there damaged is told, and keeps nothing else from being stored.
pub(crate) async fn store(
    log: &LogWriter,
    (of, line, token_sha256): (ValidationOf, &str, Sha256Digest),
    evidence: Vec<GatheredEvidence>,
    clock: &dyn Clock,
) -> Result<Stored, LogError> {
    let (mut listed, mut done) = (Vec::with_capacity(evidence.len()), Stored::default());
    for GatheredEvidence { kind, der, .. } in evidence {
        let (sha256, size_bytes) = (Sha256Digest::of(&der), der.len() as u64);
        let kind = match kind {
            RevocationKind::Crl => EvidenceKind::Crl,
            RevocationKind::Ocsp => EvidenceKind::Ocsp,
        };
        let key = ObjectKey::validation(of, sha256);
        match log
            .archive()
            .store()
            .create(&key, Bytes::from(der))
            .await
            .map_err(LogError::store("storing evidence"))?
        {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => {
                listed.push(ListedEvidence { kind, sha256, size_bytes });
            }
            CreateOutcome::Taken(_) => done.damaged.push(key),
        }
    }
    if listed.is_empty() {
        return Ok(done);
    }
    done.stored = listed.len();
    let list = ValidationList {
        at: LogTime::new(clock.now()),
        evidence: listed,
        format: VALIDATION_FORMAT,
        line: line.to_owned(),
        token_sha256,
    };
    let bytes = Bytes::from(to_canonical(&list));
    for number in 1..=VALIDATION_LISTS_MAX {
        let key = ObjectKey::validation_list(of, number);
        match log
            .archive()
            .store()
            .create(&key, bytes.clone())
            .await
            .map_err(LogError::store("storing evidence"))?
        {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => return Ok(done),
            CreateOutcome::Taken(_) => {}
        }
    }
    // So many lists say enough.
    Ok(done)
}

/// The revocation evidence on one time-stamp.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validation {
    pub(crate) evidence: Vec<Bytes>,
    /// Whether more is named than is read.
    pub(crate) has_more: bool,
}

/// Reads what was gathered for the time-stamp `token` of a sealing or a renewal, up to the first number without a
/// list, or to [`VALIDATION_EVIDENCE_MAX`] pieces. Lists that cannot be read and evidence that is missing or has
/// another digest are left out: nothing but what can be told of revocation rests on them, and whatever is there
/// proves itself.
///
/// # Errors
///
/// [`LogError`] if the store did not answer.
pub async fn read_validation(
    archive: &Archive,
    of: impl Into<ValidationOf>,
    token: Sha256Digest,
) -> Result<Vec<Bytes>, LogError> {
    Ok(read_named(archive, of.into(), token).await?.evidence)
}

/// Reads the same, and says whether more is named.
pub(crate) async fn read_named(
    archive: &Archive,
    of: ValidationOf,
    token: Sha256Digest,
) -> Result<Validation, LogError> {
    let (mut found, mut seen, mut named) = (Validation::default(), HashSet::new(), 0);
    for number in 1..=VALIDATION_LISTS_MAX {
        let key = ObjectKey::validation_list(of, number);
        let Some(bytes) = read(archive, &key, VALIDATION_LIST_BYTES_MAX).await? else { break };
        let Ok(list) = parse_canonical::<ValidationList>(&bytes) else { continue };
        named += list.evidence.len();
        if named > VALIDATION_NAMED_MAX {
            found.has_more = true;
            break;
        }
        if list.token_sha256 != token {
            continue;
        }
        for listed in list.evidence {
            if !seen.insert(listed.sha256) {
                continue;
            }
            if seen.len() > VALIDATION_EVIDENCE_MAX {
                found.has_more = true;
                return Ok(found);
            }
            let key = ObjectKey::validation(of, listed.sha256);
            let bytes = read(archive, &key, REVOCATION_BYTES_MAX as u64).await?;
            found.evidence.extend(bytes.filter(|bytes| Sha256Digest::of(bytes) == listed.sha256));
        }
    }
    Ok(found)
}

async fn read(
    archive: &Archive,
    key: &ObjectKey,
    bytes_max: u64,
) -> Result<Option<Bytes>, LogError> {
    match archive.store().read(key, bytes_max).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        // It is there, and says nothing.
        Err(StoreError::TooLarge { .. } | StoreError::NotAnObject { .. }) => Ok(Some(Bytes::new())),
        Err(error) => Err(LogError::store("reading evidence")(error)),
    }
}
