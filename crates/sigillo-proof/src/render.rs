//! A receipt in words.

use std::fmt::Write as _;

use sigillo_model::{BatchCommitted, Entry, Record};

use crate::{LoggedLine, Receipt, SubmissionSection};

/// Puts a receipt into words, for people. Nothing is checked here.
///
/// Shows at most `documents_max` documents and as many refusals, and says how many more there are.
pub fn render_text(receipt: &Receipt, documents_max: usize) -> String {
    let mut text = String::from("INGEST RECEIPT / Rapporto di versamento (RdV)\n\n");
    let archive = &receipt.archive;
    let trial = if archive.trial { "  (TRIAL, not qualified / di prova)" } else { "" };
    line(&mut text, "Entity / ente titolare", &format!("{}{trial}", shown(&archive.entity)));
    line(&mut text, "Archive / archivio", &archive.id.to_string());
    if let Some(submission) = &receipt.submission {
        submission_text(&mut text, submission, documents_max);
    }
    let mut head = receipt.checkpoint.lines().skip(1);
    if let (Some(size), Some(root)) = (head.next(), head.next()) {
        line(&mut text, "Checkpoint", &shown(&format!("{size} entries, root {root}")));
    }
    let logs = archive.newest_log();
    if logs > 1 {
        let words = format!(
            "{logs}, one after the other / uno dopo l'altro; the checkpoint is of the newest"
        );
        line(&mut text, "Logs / registri", &words);
    }
    documents_text(&mut text, receipt, documents_max);
    sealings_text(&mut text, receipt);
    text
}

fn submission_text(text: &mut String, submission: &SubmissionSection, refusals_max: usize) {
    line(text, "Submission / versamento", &submission.id.to_string());
    if let Some(source) = &submission.source {
        line(text, "Source / sorgente", &shown(source));
    }
    if let Some(received_at) = &submission.received_at {
        line(text, "Received at / ricevuto il", &received_at.to_string());
    }
    match &submission.counts {
        None => {
            line(text, "Outcome / esito", "not at its end yet, or its end is not in this receipt");
        }
        Some(counts) => {
            let outcome = format!(
                "{} received = {} archived + {} there before + {} refused + {} pending",
                counts.received, counts.archived, counts.already, counts.refused, counts.pending
            );
            line(text, "Outcome / esito", &outcome);
            if counts.aggregations > 0 {
                let count = format!("{} new versions", counts.aggregations);
                line(text, "Aggregations / aggregazioni", &count);
            }
        }
    }
    if !submission.refusals.is_empty() {
        text.push_str("\nRefused / rifiutati:\n");
    }
    for refusal in submission.refusals.iter().take(refusals_max) {
        let [path, code, reason, remedy] =
            [&refusal.path, &refusal.code, &refusal.reason, &refusal.remedy].map(|it| shown(it));
        text.push_str(&format!("  {path}: {code} - {reason}. What to do: {remedy}.\n"));
    }
    more(text, submission.refusals.len(), refusals_max);
    if !submission.refusals.is_empty() {
        text.push('\n');
    }
}

fn documents_text(text: &mut String, receipt: &Receipt, documents_max: usize) {
    let batches: Vec<_> = receipt.batches.iter().map(|it| batch_of(&it.entry)).collect();
    text.push_str(&format!("\nDocuments / unità documentarie: {}\n", receipt.documents.len()));
    for document in receipt.documents.iter().take(documents_max) {
        let Ok(record) = Record::parse(document.record.as_bytes()) else {
            text.push_str(&format!("  (unreadable record)\n    version {}\n", document.version_id));
            continue;
        };
        let batch = usize::try_from(document.batch).ok().and_then(|at| batches.get(at));
        let batch = batch.and_then(Option::as_ref);
        let ours = receipt.submission.as_ref().map(|it| it.id);
        let there_before = ours.is_some() && batch.map(|it| it.submission) != ours;
        text.push_str(&format!(
            "  {}{}\n    document {}, version {}\n    version id {}\n",
            shown(&record.key.to_string()),
            if there_before { "  (there before / già presente)" } else { "" },
            record.document,
            record.version,
            document.version_id,
        ));
        for file in &record.files {
            text.push_str(&format!(
                "    {}: {}, {} bytes, SHA-256 {}\n",
                shown(&file.role),
                shown(&file.name),
                file.size,
                file.sha256
            ));
        }
        if let Some(batch) = batch {
            let (of, place) = (batch.documents, document.leaf_index + 1);
            text.push_str(&format!("    document {place} of {of} in batch {}\n", batch.batch));
        }
    }
    more(text, receipt.documents.len(), documents_max);
}

fn sealings_text(text: &mut String, receipt: &Receipt) {
    text.push_str("\nEvidence / evidenze:\n");
    let unsealed = receipt.batches.iter().filter(|batch| batch.sealed.is_none()).count();
    if unsealed > 0 {
        text.push_str(&format!(
            "  {unsealed} of {} batches are not sealed yet; `sigillo receipt refresh` completes \
             the receipt once they are\n",
            receipt.batches.len()
        ));
    }
    for sealing in &receipt.sealings {
        let Ok(Entry::BatchesSealed(body)) = Entry::parse_line(sealing.entry.line.as_bytes())
        else {
            continue;
        };
        text.push_str(&format!("  sealing / sigillatura {}\n", body.number));
        for token in &sealing.tokens {
            let Ok(Entry::SealingStamped(body)) = Entry::parse_line(token.entry.line.as_bytes())
            else {
                continue;
            };
            let what = if body.trial {
                "TRIAL time-stamp, not qualified / validazione temporale di prova"
            } else {
                "time-stamp / validazione temporale"
            };
            let (stamped_at, line) = (shown(&body.stamped_at), shown(&body.line));
            text.push_str(&format!("    {what}: {stamped_at} ({line})\n"));
            let renewals = token.chains().flat_map(|chain| chain.renewals);
            let lost: Vec<_> =
                renewals.filter(|it| it.token.is_none()).map(|it| it.entry.place()).collect();
            for newer in token.lines().skip(1) {
                let (what, stamped_at) = match Entry::parse_line(newer.line.as_bytes()) {
                    Ok(Entry::EvidenceRenewed(body)) => ("renewed / rinnovata", body.stamped_at),
                    Ok(Entry::EvidenceRehashed(body)) => {
                        ("new hash trees / nuovi alberi di hash", body.stamped_at)
                    }
                    _ => continue,
                };
                let lost = if lost.contains(&newer.place()) {
                    ", its token is lost / il token è andato perduto"
                } else {
                    ""
                };
                text.push_str(&format!("      {what}: {}{lost}\n", shown(&stamped_at)));
            }
        }
        if sealing.tokens.is_empty() {
            text.push_str("    no time-stamp yet\n");
        }
    }
}

fn batch_of(entry: &LoggedLine) -> Option<BatchCommitted> {
    match Entry::parse_line(entry.line.as_bytes()) {
        Ok(Entry::BatchCommitted(body)) => Some(body),
        _ => None,
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "{name:<28} {value}").expect("writing to memory cannot fail");
}

fn more(text: &mut String, count: usize, max: usize) {
    if count > max {
        text.push_str(&format!("  and {} more, in the JSON of the receipt\n", count - max));
    }
}

/// Spells out what could mislead a reader or a terminal: control and direction-changing characters.
pub(crate) fn shown(text: &str) -> String {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    let spell = |c: char| if misleads(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}
