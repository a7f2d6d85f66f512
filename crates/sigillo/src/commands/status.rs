//! `sigillo status`: what is in the archive and what waits.

use serde_json::json;

use sigillo_evidence_log::{Archive, LineSummary, LogSummary, summarise};

use crate::{
    commands::{EXIT_CLEAN, EXIT_DAMAGE, EXIT_FINDINGS},
    context::Context,
    error::CommandError,
    guard::BACKUP,
    output::{counted, visible, waiting},
};

/// Says what is in the log; reads what came since it was last asked.
pub(crate) async fn run(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let lines = context.line_names()?;
    let view = summarise(&archive, context.known_summary(&archive), &lines).await?;
    context.remember_summary(&archive, &view);
    let (rolled_back, lacking, code) = lacking(context, &archive).await?;
    let description = archive.description();
    let (unsealed, unstamped) = (&view.unsealed, view.waiting());
    let unsealed_documents: u64 = unsealed.iter().map(|batch| batch.documents).sum();
    let mut text = format!(
        "Archive of {}{}\n  {} in {}, {}\n  log: {} in {}\n  {}\n",
        visible(&description.entity.name),
        if description.trial { " (TRIAL keys, not qualified)" } else { "" },
        counted(view.documents, "document"),
        counted(view.batches, "batch"),
        counted(view.submissions, "submission"),
        counted(view.size, "entry"),
        counted(view.head, "commit"),
        counted(view.sealings, "sealing"),
    );
    if view.renewals > 0 {
        text.push_str(&format!("  {} of time-stamps\n", counted(view.renewals, "renewal")));
    }
    if let Some(at) = view.newest_commit_at {
        text.push_str(&format!("  newest commit of {at}\n"));
    }
    if let Some(at) = &view.newest_stamp_at {
        text.push_str(&format!("  newest time-stamp of {}\n", visible(at)));
    }
    match unsealed.first() {
        None => text.push_str("  everything is sealed\n"),
        Some(oldest) => text.push_str(&format!(
            "  {} to be sealed, the oldest since {}: sigillo seal\n",
            waiting(unsealed_documents, "document"),
            oldest.at
        )),
    }
    text.push_str(&lines_text(&view));
    text.push_str(&lacking);
    let value = json!({
        "archive": description.archive,
        "entity": description.entity.name,
        "trial": description.trial,
        "batches": view.batches,
        "commits": view.head,
        "documents": view.documents,
        "entries": view.size,
        "lines": view.lines.iter().map(|it| json!({
            "line": it.line,
            "newest_stamp_at": it.newest_stamp_at,
            "unstamped_sealings": it.unstamped.len(),
            "unstamped_since": it.unstamped.first().map(|sealing| sealing.at),
        })).collect::<Vec<_>>(),
        "newest_commit_at": view.newest_commit_at,
        "newest_stamp_at": view.newest_stamp_at,
        "renewals": view.renewals,
        "rolled_back": rolled_back,
        "sealings": view.sealings,
        "submissions": view.submissions,
        "unsealed_documents": unsealed_documents,
        "unsealed_since": unsealed.first().map(|batch| batch.at),
        "unstamped_sealings": unstamped.len(),
        "unstamped_since": unstamped.first().map(|sealing| sealing.at),
    });
    context.output.result("sigillo.status/1", &text, value);
    Ok(code)
}

/// Says that the archive lacks what this user saw of it, or what is published of it, if that is so: in words,
/// as lines of text, and with the exit code.
async fn lacking(
    context: &Context,
    archive: &Archive,
) -> Result<(Option<String>, String, u8), CommandError> {
    // A log that cannot be read so far is for `sigillo verify` to judge.
    if let Some(words) = context.rolled_back(archive).await.unwrap_or_default() {
        let text = format!("  DAMAGE: {words}\n  write nothing to it; {BACKUP}\n");
        return Ok((Some(words), text, EXIT_DAMAGE));
    }
    if !archive.is_next_published().await? {
        return Ok((None, String::new(), EXIT_CLEAN));
    }
    let words = format!(
        "a checkpoint of log {} is published, and no commit begins that log: the newest commits may be \
         lost, or somebody put it there; sigillo verify",
        archive.generation() + 1
    );
    let text = format!("  CANNOT TELL: {words}\n");
    Ok((Some(words), text, EXIT_FINDINGS))
}

/// Says what each evidence line has, and what waits for a time-stamp on it.
fn lines_text(view: &LogSummary) -> String {
    let mut text = String::new();
    for LineSummary { line, newest_stamp_at, unstamped } in &view.lines {
        if let Some(at) = newest_stamp_at.as_ref().filter(|_| view.lines.len() > 1) {
            text.push_str(&format!("  line {line}: newest time-stamp of {}\n", visible(at)));
        }
        if let Some(oldest) = unstamped.first() {
            text.push_str(&format!(
                "  {} for a time-stamp on the line {line}, the oldest since {}: sigillo seal \
                 --stamp-only\n",
                waiting(unstamped.len() as u64, "sealing"),
                oldest.at
            ));
        }
    }
    text
}
