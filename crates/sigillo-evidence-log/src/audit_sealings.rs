//! Auditing statements, seals and time-stamps against the log.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;

use sigillo_ers::{
    TOKEN_BYTES_MAX, Trust, TrustAnchors, VerifiedToken, pem_blocks, sealing_value, verify_token,
};
use sigillo_merkle::KeysOfLog;
use sigillo_model::{
    EvidenceDigest, Finding, FindingCode, LogTime, ObjectKey, STATEMENT_BYTES_MAX, SealedBatch,
    Sha256Digest, Statement, parse_canonical,
};
use sigillo_store::StoreError;

use crate::{
    Archive, LogError, LogView, LoggedSealing, LoggedStamp,
    audit::{Boundaries, CLOCK_DIFFERENCE_SECONDS_MAX, causes_of},
    batch_objects::NOT_AN_OBJECT,
    publish::signed_checkpoint,
    sealing::{FORMAT, POLICY, PROFILE, sealing_root},
};

/// When the statement of each sealing says that it was written, in the order of the log, if it can be read.
pub(crate) type StatedTimes = Vec<Option<jiff::Timestamp>>;

/// Audits every statement and time-stamp that the log names. Returns what the statements say of when they
/// were written: seals are judged once it is known what proves a time.
pub(crate) async fn audit_sealings(
    (archive, keys): (&Archive, &[KeysOfLog]),
    view: &LogView,
    boundaries: &Boundaries,
    anchors: &TrustAnchors,
    findings: &mut Vec<Finding>,
) -> Result<StatedTimes, LogError> {
    let unknown = BTreeSet::new();
    let mut audit = SealingsAudit { archive, keys, view, boundaries, anchors, findings, unknown };
    let (mut through, mut stated) = (0, StatedTimes::new());
    for (number, sealing) in (1..).zip(&view.sealings) {
        let key = ObjectKey::commit(sealing.commit);
        if sealing.body.number != number || sealing.body.after != through {
            let message = "a sealing does not continue the one before it";
            audit.findings.push(Finding::new(FindingCode::CommitChain, key, message));
        }
        through = sealing.body.through;
        stated.push(audit.statement(sealing).await?);
    }
    for stamp in &view.stamps {
        audit.stamp(stamp).await?;
    }
    audit.notes();
    Ok(stated)
}

struct SealingsAudit<'a> {
    archive: &'a Archive,
    /// The keys of each log, oldest first.
    keys: &'a [KeysOfLog],
    view: &'a LogView,
    boundaries: &'a Boundaries,
    anchors: &'a TrustAnchors,
    findings: &'a mut Vec<Finding>,
    /// Numbers of the sealings whose statements have an unknown shape.
    unknown: BTreeSet<u64>,
}

/// The one member that every format of a statement has.
#[derive(Deserialize)]
struct FormatOf {
    format: u32,
}

impl SealingsAudit<'_> {
    fn find(&mut self, code: FindingCode, key: &ObjectKey, message: impl Into<String>) {
        self.findings.push(Finding::new(code, key, message));
    }

    async fn read(
        &mut self,
        key: &ObjectKey,
        bytes_max: u64,
        sha256: Sha256Digest,
        code: FindingCode,
    ) -> Result<Option<Bytes>, LogError> {
        read_stated(self.archive, (key, bytes_max, sha256), code, self.findings).await
    }

    /// Checks a statement and returns when it says it was written.
    async fn statement(
        &mut self,
        sealing: &LoggedSealing,
    ) -> Result<Option<jiff::Timestamp>, LogError> {
        let key = ObjectKey::statement(sealing.body.sealing);
        let (sha256, code) = (sealing.body.statement_sha256, FindingCode::StatementDamaged);
        let Some(bytes) = self.read(&key, STATEMENT_BYTES_MAX, sha256, code).await? else {
            return Ok(None);
        };
        let statement = match parse_canonical::<Statement>(&bytes) {
            Ok(statement) => statement,
            Err(error) => {
                match parse_canonical::<FormatOf>(&bytes) {
                    Ok(FormatOf { format }) if format != FORMAT => {
                        self.unknown_shape(sealing, &key, &format!("format {format}"));
                    }
                    _ => self.find(code, &key, error.to_string()),
                }
                return Ok(None);
            }
        };
        if statement.format != FORMAT {
            self.unknown_shape(sealing, &key, &format!("format {}", statement.format));
        } else if statement.profile != PROFILE {
            self.unknown_shape(sealing, &key, &format!("profile {:?}", statement.profile));
        } else {
            if statement.policy != POLICY {
                let message = format!(
                    "it was made under the policy {:?}, which this program does not know",
                    statement.policy
                );
                self.find(FindingCode::StatementUnknown, &key, message);
            }
            if let Some(message) = self.difference(sealing, &statement) {
                self.find(FindingCode::StatementDiffers, &key, message);
            }
        }
        Ok(Some(statement.at.timestamp()))
    }

    /// Notes a statement whose shape is unknown: neither it nor its time-stamps can be compared.
    fn unknown_shape(&mut self, sealing: &LoggedSealing, key: &ObjectKey, what: &str) {
        self.unknown.insert(sealing.body.number);
        let message =
            format!("it has {what}, which this program does not know, so it was not compared");
        self.find(FindingCode::StatementUnknown, key, message);
    }

    /// Says in what a statement differs from the log, if it does.
    fn difference(&self, sealing: &LoggedSealing, statement: &Statement) -> Option<&'static str> {
        let body = &sealing.body;
        let header = (statement.number, statement.after, statement.through, statement.sealing);
        if header != (body.number, body.after, body.through, body.sealing) {
            return Some("it states another number or interval than the log");
        }
        if statement.through >= sealing.commit {
            return Some("it covers commits that came after it");
        }
        let within = |commit: u64| body.after < commit && commit <= body.through;
        let logged = self.view.batches.iter().filter(|batch| within(batch.commit));
        let logged: Vec<SealedBatch> = logged
            .map(|batch| SealedBatch {
                batch: batch.body.batch,
                commit: batch.commit,
                documents: batch.body.documents,
                order_root: batch.body.order_root,
                root: batch.body.root,
            })
            .collect();
        if logged != statement.batches {
            return Some("it lists other batches than the log");
        }
        if sealing_root(statement) != Some(body.root) {
            return Some("its batches and checkpoint do not give the root in the log");
        }
        let generation = self.archive.generation_of(body.through);
        let keys = usize::try_from(generation - 1).ok().and_then(|at| self.keys.get(at));
        let note = statement.checkpoint.as_bytes();
        let Some(checkpoint) = keys.and_then(|keys| signed_checkpoint(keys, note)) else {
            return Some("its checkpoint does not bear the log's signature");
        };
        let through = usize::try_from(body.through).ok();
        let boundary = through.and_then(|at| self.boundaries.get(at)).copied().flatten();
        let known = boundary.is_none_or(|head| {
            head.size == checkpoint.size && head.root.as_bytes() == checkpoint.root.as_bytes()
        });
        (!known).then_some("its checkpoint is not that of the commits it covers")
    }

    async fn stamp(&mut self, stamp: &LoggedStamp) -> Result<(), LogError> {
        let body = &stamp.body;
        let key = ObjectKey::token(body.sealing, &body.line, body.token_sha256);
        let code = FindingCode::TokenDamaged;
        let sealings = self.view.sealings.iter();
        let Some(sealing) = sealings.map(|it| &it.body).find(|it| it.number == body.number) else {
            self.find(code, &key, "the log names no sealing of its number");
            return Ok(());
        };
        let bytes_max = TOKEN_BYTES_MAX as u64;
        let Some(bytes) = self.read(&key, bytes_max, body.token_sha256, code).await? else {
            return Ok(());
        };
        if self.unknown.contains(&body.number) {
            let message = "what it covers is unknown, as is the shape of the statement";
            self.find(FindingCode::StatementUnknown, &key, message);
            return Ok(());
        }
        let own = || EvidenceDigest::from(sealing_value(sealing));
        let covered = body.tree.as_ref().map_or_else(own, |tree| tree.root.into());
        match verify_token(&bytes, covered, self.anchors) {
            Ok(token) => {
                let stated = (body.stamped_at.as_str(), body.trial);
                self.findings.extend(told_of(&token, stated, stamp.at, (code, &key)));
            }
            Err(error) if error.is_unknown_algorithm() => {
                self.find(FindingCode::AlgorithmUnknown, &key, error.to_string());
            }
            Err(error) => self.find(code, &key, error.to_string()),
        }
        Ok(())
    }

    /// Says what is not there yet, and what the evidence is not.
    fn notes(&mut self) {
        for sealing in self.view.without_stamp() {
            let key = ObjectKey::statement(sealing.body.sealing);
            let message = format!("sealing {} has no time-stamp yet", sealing.body.number);
            self.findings.push(Finding::new(FindingCode::NotStamped, key, message));
        }
        let unsealed = self.view.unsealed().count();
        if unsealed > 0 {
            let message = format!("{unsealed} batches are not sealed yet");
            self.findings.push(Finding::new(FindingCode::NotSealed, "batches", message));
        }
        if self.archive.description().trial {
            let message = "seals and time-stamps are for trial, not qualified";
            self.findings.push(Finding::new(FindingCode::TrialEvidence, "sealings", message));
        }
    }
}

/// Tells whether a digest is that of the first certificate of a PEM text.
pub(crate) fn is_certificate(pem: &str, sha256: Sha256Digest) -> bool {
    pem_blocks(pem, "CERTIFICATE")
        .is_ok_and(|blocks| blocks.first().is_some_and(|der| Sha256Digest::of(der) == sha256))
}

/// Reads an object whose greatest length and digest are known; damage is a finding of `code`.
pub(crate) async fn read_stated(
    archive: &Archive,
    (key, bytes_max, sha256): (&ObjectKey, u64, Sha256Digest),
    code: FindingCode,
    findings: &mut Vec<Finding>,
) -> Result<Option<Bytes>, LogError> {
    let message = match archive.store().read(key, bytes_max).await {
        Ok(bytes) if Sha256Digest::of(&bytes) == sha256 => return Ok(Some(bytes)),
        Ok(_) => "its bytes do not have the digest that the log states",
        Err(StoreError::NotFound { .. }) => "it is not in the store",
        Err(StoreError::TooLarge { .. }) => "it is larger than it can be",
        Err(StoreError::NotAnObject { .. }) => NOT_AN_OBJECT,
        Err(error) => {
            let message = format!("it could not be read: {}", causes_of(&error));
            findings.push(Finding::new(FindingCode::NotRead, key, message));
            return Ok(None);
        }
    };
    findings.push(Finding::new(code, key, message));
    Ok(None)
}

/// Compares a verified token with what the log says of it.
pub(crate) fn told_of(
    token: &VerifiedToken,
    (stamped_at, trial): (&str, bool),
    at: LogTime,
    (code, key): (FindingCode, &ObjectKey),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if token.stamped_at.to_string() != stamped_at || token.trial != trial {
        let message = "it attests another time than the log says";
        findings.push(Finding::new(code, key, message));
    }
    let apart = token.stamped_at.as_second() - at.timestamp().as_second();
    if apart.abs() > CLOCK_DIFFERENCE_SECONDS_MAX {
        let message = format!("authority and log are {apart} seconds apart");
        findings.push(Finding::new(FindingCode::ClockDifference, key, message));
    }
    if token.trust == Trust::Unknown {
        let message = "its authority leads to no anchor of the trust store";
        findings.push(Finding::new(FindingCode::AuthorityUnknown, key, message));
    }
    findings
}
