//! What is known of the revocation of certificates: evidence from files, and the verdict in words.

use std::path::PathBuf;

use serde_json::{Value, json};

use sigillo_ers::{
    CertificateRevocation, REVOCATION_BYTES_MAX, RevocationEffect, RevocationSet, RevocationSource,
    RevocationStatus, RevocationSummary,
};
use sigillo_model::ErrorKind;

use super::er::second;
use crate::{
    error::CommandError,
    output::{counted, visible},
    places::read_beginning,
};

/// Largest file read, in bytes: a revocation list of the largest size as PEM text.
const FILE_BYTES_MAX: u64 = 2 * REVOCATION_BYTES_MAX as u64;

/// At most so many pieces of evidence are printed; --json lists more.
const PRINTED_MAX: usize = 10;

/// Reads revocation lists and OCSP responses.
pub(super) fn read(files: &[PathBuf]) -> Result<RevocationSet, CommandError> {
    let mut set = RevocationSet::new();
    for path in files {
        let bytes = read_beginning(path, FILE_BYTES_MAX)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        set.add(&name, &bytes).map_err(|error| {
            let words = format!("{} cannot be used", path.display());
            let mut this = CommandError::new(ErrorKind::Invalid, words)
                .hint("give a revocation list (DER or PEM) or an OCSP response (DER)");
            this.words.push(error.to_string());
            this
        })?;
    }
    Ok(set)
}

/// Says in a line what is known of a certificate, and by which evidence; `None` if nothing is, which
/// is a finding.
pub(super) fn in_text(certificate: &CertificateRevocation) -> Option<String> {
    let subject = visible(&certificate.subject);
    let known = match &certificate.status {
        RevocationStatus::Good { source } => format!("not revoked, by {}", source_text(source)),
        RevocationStatus::Revoked { source, at, reason, effect } => {
            let why = reason.map_or("no reason stated".to_owned(), |reason| reason.to_string());
            let meaning = match effect {
                RevocationEffect::None => "which does not touch this time-stamp",
                RevocationEffect::Doubtful => "so that it may have been dated back",
                RevocationEffect::Void => "before this time-stamp",
            };
            format!("revoked on {} ({why}), {meaning}, by {}", second(*at), source_text(source))
        }
        RevocationStatus::Unknown { .. } => return None,
    };
    Some(format!("    {subject}: {known}\n"))
}

/// Says by which evidence the revocation of the certificates of time-stamps was judged, a line each;
/// nothing if by none.
pub(super) fn summary_text(summary: &RevocationSummary) -> String {
    let evidence = summary.evidence();
    let mut text = String::new();
    for used in evidence.iter().take(PRINTED_MAX) {
        let told = [("not revoked", used.not_revoked), ("revoked", used.revoked)];
        let told: Vec<String> = told
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{} {word}", counted(count, "certificate")))
            .collect();
        text.push_str(&format!("  {}, by {}\n", told.join(", "), source_text(&used.source)));
    }
    let more = evidence.len().saturating_sub(PRINTED_MAX) as u64 + summary.more_used;
    if more > 0 {
        text.push_str(&format!("  and by {} more on revocation\n", counted(more, "answer")));
    }
    text
}

/// Says the same to programs.
pub(super) fn summary_json(summary: &RevocationSummary) -> Value {
    let evidence = summary.evidence().into_iter().map(|used| {
        let mut value = source_json(&used.source);
        value["not_revoked"] = json!(used.not_revoked);
        value["revoked"] = json!(used.revoked);
        value
    });
    json!({
        "evidence": evidence.collect::<Vec<_>>(),
        "more_evidence": summary.more_used,
        "time_stamps_known": summary.known,
        "time_stamps_trial": summary.trial,
        "time_stamps_unknown": summary.unknown,
    })
}

fn source_json(source: &RevocationSource) -> Value {
    json!({
        "as_of": second(source.as_of),
        "from": source.name,
        "kind": source.kind.to_string(),
        "made_by": source.maker,
        "next_update": source.next_update.map(second),
        "sha256": source.sha256,
    })
}

fn source_text(source: &RevocationSource) -> String {
    let RevocationSource { kind, name, maker, as_of, .. } = source;
    format!("the {kind} of {} as of {} ({})", visible(maker), second(*as_of), visible(name))
}

pub(super) fn in_json(certificate: &CertificateRevocation) -> Value {
    let CertificateRevocation { subject, serial, status } = certificate;
    let (word, source) = match status {
        RevocationStatus::Good { source } => ("good", Some(source)),
        RevocationStatus::Revoked { source, .. } => ("revoked", Some(source)),
        RevocationStatus::Unknown { .. } => ("cannot-tell", None),
    };
    let mut value = json!({ "certificate": subject, "serial": serial, "status": word });
    if let Some(source) = source {
        value["evidence"] = source_json(source);
    }
    match status {
        RevocationStatus::Good { .. } => {}
        RevocationStatus::Revoked { at, reason, effect, .. } => {
            value["revoked_at"] = json!(second(*at));
            value["reason"] = json!(reason.map(|reason| reason.to_string()));
            value["effect"] = json!(match effect {
                RevocationEffect::None => "none",
                RevocationEffect::Doubtful => "doubtful",
                RevocationEffect::Void => "void",
            });
        }
        RevocationStatus::Unknown { missing } => value["missing"] = json!(missing),
    }
    value
}
