//! Whether a newer receipt still says everything that an older one said.

use std::collections::{BTreeMap, HashMap};

use sigillo_merkle::SignedNote;
use sigillo_model::Entry;

use crate::{
    DocumentSection, EntryPlace, RECEIPT_WITNESSES_MAX, Receipt, SealingSection, SubmissionSection,
    TokenSection,
};

/// What an older receipt said and a newer one does not say any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptDifference {
    /// They are of two archives, or the archive describes itself otherwise.
    #[error("the archive is another one")]
    Archive,
    /// The log is shorter than it was.
    #[error("the log is shorter than it was")]
    Checkpoint,
    /// A document is missing, or in another place, be it of hash trees.
    #[error("document {number} of it is missing, or elsewhere")]
    Document {
        /// Which of the older receipt's documents, from 0.
        number: usize,
    },
    /// A sealing or one of its time-stamps is missing or another one.
    #[error("sealing {number}, or a time-stamp or a renewal of it, is missing or another one")]
    Sealing {
        /// Its number in the log, or, if its entry does not say, which it is of the older receipt.
        number: u64,
    },
    /// They are of two submissions, or it ended otherwise.
    #[error("the submission is another one, or ended otherwise")]
    Submission,
}

/// Checks that `newer` says everything that `older` says, apart from proofs, which grow with the
/// log. That the newer log begins with the older one is for the holder of the log to show.
///
/// # Errors
///
/// [`ReceiptDifference`] with the first thing that is missing.
pub fn extends(older: &Receipt, newer: &Receipt) -> Result<(), ReceiptDifference> {
    let (a, b) = (&older.archive, &newer.archive);
    let same = (a.id, &a.description, &a.log) == (b.id, &b.description, &b.log)
        && a.created.place() == b.created.place()
        && a.created.line == b.created.line;
    if !same {
        return Err(ReceiptDifference::Archive);
    }
    if (a.newest_log(), size_of(older)) > (b.newest_log(), size_of(newer)) {
        return Err(ReceiptDifference::Checkpoint);
    }
    match (&older.submission, &newer.submission) {
        (None, None) => {}
        (Some(older), Some(newer)) if submission_extends(older, newer) => {}
        _ => return Err(ReceiptDifference::Submission),
    }
    let places: HashMap<_, _> =
        newer.documents.iter().map(|it| (it.version_id, place_of(newer, it))).collect();
    let trees: HashMap<_, _> =
        newer.documents.iter().map(|it| (it.version_id, &it.hash_trees)).collect();
    for (number, document) in older.documents.iter().enumerate() {
        let is_kept = |place| trees.get(&document.version_id).is_some_and(|it| it.contains(place));
        if places.get(&document.version_id) != Some(&place_of(older, document))
            || !document.hash_trees.iter().all(is_kept)
        {
            return Err(ReceiptDifference::Document { number });
        }
    }
    for (place, sealing) in (1..).zip(&older.sealings) {
        if !newer.sealings.iter().any(|newer| sealing_extends(sealing, newer)) {
            let number = match Entry::parse_line(sealing.entry.line.as_bytes()) {
                Ok(Entry::BatchesSealed(body)) => body.number,
                _ => place,
            };
            return Err(ReceiptDifference::Sealing { number });
        }
    }
    Ok(())
}

/// Takes over the cosignatures that an older receipt has and a newer one lacks, if both are under the same
/// checkpoint. Returns the verifier keys of the witnesses whose cosignatures it lacks nevertheless.
pub fn keep_cosignatures(older: &Receipt, newer: &mut Receipt) -> Vec<String> {
    let lacking = older.witnesses.iter().filter(|it| !newer.witnesses.contains(it));
    let lacking: Vec<String> = lacking.cloned().collect();
    if lacking.is_empty() {
        return lacking;
    }
    match joined_cosignatures(older, newer) {
        Some((checkpoint, witnesses)) => {
            (newer.checkpoint, newer.witnesses) = (checkpoint, witnesses);
            Vec::new()
        }
        None => lacking,
    }
}

/// Joins the cosignatures of two receipts, in the order of the witnesses' keys; nothing if they are under two
/// checkpoints.
fn joined_cosignatures(older: &Receipt, newer: &Receipt) -> Option<(String, Vec<String>)> {
    let [old, new] = [older, newer].map(|it| SignedNote::parse(it.checkpoint.as_bytes()).ok());
    let (old, new) = (old?, new?);
    let log = new.signatures.first()?.clone();
    if old.text != new.text {
        return None;
    }
    let newest = newer.witnesses.iter().zip(new.signatures.iter().skip(1));
    let mut all: BTreeMap<_, _> =
        older.witnesses.iter().zip(old.signatures.iter().skip(1)).collect();
    all.extend(newest);
    if all.len() > RECEIPT_WITNESSES_MAX {
        return None;
    }
    let witnesses = all.keys().map(ToString::to_string).collect();
    let signatures = std::iter::once(log).chain(all.into_values().cloned()).collect();
    let note = SignedNote::new(new.text, signatures).ok()?;
    Some((String::from_utf8(note.to_bytes()).ok()?, witnesses))
}

/// Returns the size that a receipt's checkpoint states, 0 if it states none.
fn size_of(receipt: &Receipt) -> u64 {
    receipt.checkpoint.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)
}

/// Record, batch and place in it: what must not change.
fn place_of<'a>(
    receipt: &'a Receipt,
    document: &'a DocumentSection,
) -> (&'a str, Option<(EntryPlace, &'a str)>, u64) {
    let batch = usize::try_from(document.batch).ok().and_then(|at| receipt.batches.get(at));
    let entry = batch.map(|batch| (batch.entry.place(), batch.entry.line.as_str()));
    (&document.record, entry, document.leaf_index)
}

fn submission_extends(older: &SubmissionSection, newer: &SubmissionSection) -> bool {
    let line = |section: &SubmissionSection| {
        section.completed.as_ref().map(|it| (it.place(), it.line.clone()))
    };
    older.id == newer.id
        && (older.completed.is_none() || line(older) == line(newer))
        && (older.report.is_none() || older.report == newer.report)
}

fn sealing_extends(older: &SealingSection, newer: &SealingSection) -> bool {
    let same = (older.entry.place(), &older.entry.line) == (newer.entry.place(), &newer.entry.line)
        && older.statement == newer.statement
        && older.seal == newer.seal;
    let kept = |token: &TokenSection| {
        newer.tokens.iter().any(|it| it.token == token.token && renewals_extend(token, it))
    };
    same && older.tokens.iter().all(kept)
}

/// Tells whether the renewals of a time-stamp are there, and perhaps later ones.
fn renewals_extend(older: &TokenSection, newer: &TokenSection) -> bool {
    let (mut a, mut b) = (older.chains(), newer.chains());
    a.by_ref().all(|older| {
        b.next().is_some_and(|newer| {
            let mut pairs = older.renewals.iter().zip(newer.renewals);
            newer.first == older.first
                && older.renewals.len() <= newer.renewals.len()
                && pairs.all(|(a, b)| {
                    a.entry.line == b.entry.line && (a.token.is_none() || a.token == b.token)
                })
        })
    })
}
