//! `sigillo status`: what is in the archive and what waits.

use serde_json::json;

use sigillo_evidence_log::read_view;

use crate::{
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    output::{grouped, visible},
};

/// Reads the log and says what is in it.
pub(crate) async fn run(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let view = read_view(&archive).await?;
    let description = archive.description();
    let unsealed: Vec<_> = view.unsealed().collect();
    let unsealed_documents: u64 =
        unsealed.iter().map(|batch| u64::from(batch.body.documents)).sum();
    let unstamped: Vec<_> = view.without_stamp().collect();
    let mut text = format!(
        "Archive of {}{}\n  {} documents in {} batches, {} submissions\n  log: {} entries in {} \
         commits\n  {} sealings\n",
        visible(&description.entity.name),
        if description.trial { " (TRIAL keys, not qualified)" } else { "" },
        grouped(view.documents()),
        grouped(view.batches.len() as u64),
        grouped(view.received.len() as u64),
        grouped(view.size),
        grouped(view.head),
        grouped(view.sealings.len() as u64),
    );
    if let Some(header) = &view.header {
        text.push_str(&format!("  newest commit of {}\n", header.at));
    }
    if let Some(stamp) = view.stamps.last() {
        text.push_str(&format!("  newest time-stamp of {}\n", visible(&stamp.body.stamped_at)));
    }
    match unsealed.first() {
        None => text.push_str("  everything is sealed\n"),
        Some(oldest) => text.push_str(&format!(
            "  {} documents wait to be sealed, the oldest since {}: sigillo seal\n",
            grouped(unsealed_documents),
            oldest.at
        )),
    }
    if let Some(oldest) = unstamped.first() {
        text.push_str(&format!(
            "  {} sealings wait for a time-stamp, the oldest since {}: sigillo seal --stamp-only\n",
            unstamped.len(),
            oldest.at
        ));
    }
    let value = json!({
        "archive": description.archive,
        "entity": description.entity.name,
        "trial": description.trial,
        "batches": view.batches.len(),
        "commits": view.head,
        "documents": view.documents(),
        "entries": view.size,
        "newest_commit_at": view.header.as_ref().map(|header| header.at),
        "newest_stamp_at": view.stamps.last().map(|stamp| &stamp.body.stamped_at),
        "sealings": view.sealings.len(),
        "submissions": view.received.len(),
        "unsealed_documents": unsealed_documents,
        "unsealed_since": unsealed.first().map(|batch| batch.at),
        "unstamped_sealings": unstamped.len(),
        "unstamped_since": unstamped.first().map(|sealing| sealing.at),
    });
    context.output.result("sigillo.status/1", &text, value);
    Ok(EXIT_CLEAN)
}
