//! A period statement in words.

use crate::{PeriodBatch, PeriodCounts, StatedPeriod, TypeCount};

/// Puts what is stated of a period into words, with at most `batches_max` of its batches.
///
/// Italian words stand beside where archivists use them. Nothing is checked here.
pub fn render_period(stated: &StatedPeriod, batches_max: usize) -> String {
    let mut text = String::new();
    match (&stated.first, &stated.last) {
        (Some(first), Some(last)) => text.push_str(&format!(
            "  commits {} to {}, from {} to {}\n",
            first.commit, last.commit, first.at, last.at
        )),
        _ => text.push_str("  no commit: nothing happened between the checkpoints\n"),
    }
    for (what, number) in lines_of(&stated.counts) {
        text.push_str(&format!("  {number:>16}  {what}\n"));
    }
    for TypeCount { count, type_name, .. } in stated.types.iter().filter(|it| it.is_of_trees()) {
        let what = "entries more, on evidence lines of SHA-512, of the type";
        text.push_str(&format!("  {count:>16}  {what} {type_name}\n"));
    }
    for PeriodBatch { batch, bytes, documents, root, .. } in stated.batches.iter().take(batches_max)
    {
        text.push_str(&format!(
            "  batch (lotto) {batch}: {documents} documents, {bytes} bytes, root {root}\n"
        ));
    }
    let more = stated.batches.len().saturating_sub(batches_max);
    if more > 0 {
        text.push_str(&format!("  and {more} more batches\n"));
    }
    text
}

/// Names every count.
fn lines_of(counts: &PeriodCounts) -> [(&'static str, u64); 24] {
    [
        ("documents archived (unità documentarie), versions each", counts.documents),
        ("bytes in their packs", counts.bytes),
        ("batches (lotti)", counts.batches),
        ("submissions received (pacchetti di versamento)", counts.submissions_received),
        ("submissions completed", counts.submissions_completed),
        ("submissions refused as a whole", counts.submissions_refused),
        ("documents in the submissions completed", counts.received),
        ("… of these archived", counts.archived),
        ("… there before", counts.already),
        ("… refused (rifiutati)", counts.refused),
        ("… pending (in sospeso)", counts.pending),
        ("new versions of aggregations (fascicoli, serie)", counts.aggregations),
        ("holds placed (sospensioni dello scarto)", counts.holds_placed),
        ("holds released", counts.holds_released),
        ("disposals completed (scarti)", counts.disposals),
        ("erasures of content (cancellazioni)", counts.erasures),
        ("units annulled (annullamenti)", counts.annulments),
        ("sealings (sigillature)", counts.sealings),
        ("time-stamps of sealings", counts.time_stamps),
        ("renewals of evidence (rinnovi)", counts.renewals),
        ("fixity reads (verifiche di integrità)", counts.fixity_reads),
        ("incidents (incidenti)", counts.incidents),
        ("commits", counts.commits),
        ("entries of the log (voci)", counts.entries),
    ]
}
