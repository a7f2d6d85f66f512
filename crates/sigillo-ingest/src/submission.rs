//! The two ends of a submission in the log: what was received, and what became of it.

use sigillo_evidence_log::{CommitOutcome, Committed};
use sigillo_model::{
    Clock, Entropy, Entry, LogTime, ObjectKey, Sha256Digest, SubmissionCompleted, SubmissionId,
    SubmissionReceived, salt_text,
};
use sigillo_store::ReadPool;

use crate::{
    IngestError, IngestOutcome, Note, NoteCode,
    batch::create_all,
    completing::complete_index,
    ingest::{Run, Tally},
    report::{Arrival, Report},
    shared::WORDS_MAX,
};

/// At most this often an end of a submission is committed again because others were faster.
const COMMIT_ATTEMPTS_MAX: u32 = 1000;

/// Logs that a submission was received, before anything of it is read.
pub(crate) async fn receive(
    run: &mut Run<'_>,
    reads: &ReadPool,
    entropy: &dyn Entropy,
) -> Result<(), IngestError> {
    let committed = log_arrival(run, entropy).await?;
    if run.index.complete_to() + 1 == committed.number {
        if let Err(error) = run.index.add(committed.number, Vec::new()) {
            tracing::warn!(%error, "the index was not written; it will be made again");
        }
    } else {
        complete_index(run.log.archive(), run.index, reads).await?;
    }
    Ok(())
}

async fn log_arrival(run: &mut Run<'_>, entropy: &dyn Entropy) -> Result<Committed, IngestError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        let received = Arrival {
            format: 1,
            received: run.received,
            received_at: run.received_at,
            salt: fresh_salt(entropy),
            source: &run.source_name,
            submission: run.submission,
        };
        let received = received.to_json();
        let entry = Entry::SubmissionReceived(SubmissionReceived {
            received: run.received,
            received_sha256: Sha256Digest::of(&received),
            submission: run.submission,
        });
        let key = ObjectKey::submission_received(run.submission);
        match commit_with(run, (key, received), &entry).await? {
            Ended::Committed(committed) => return Ok(committed),
            // The sweep may remove the object at any moment, so it needs another name.
            Ended::Fenced => run.submission = SubmissionId::random(entropy),
        }
    }
    Err(IngestError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

/// Stores the report and logs the end of a submission.
pub(crate) async fn complete(
    mut run: Run<'_>,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    stopped: bool,
) -> Result<IngestOutcome, IngestError> {
    let mut tally = std::mem::take(&mut run.tally);
    if tally.made_anew > 0 {
        tally.notes.push(Note {
            code: NoteCode::MadeAnew,
            path: run.source_name.clone(),
            text: format!(
                "a sweep came between writing and committing {} documents, so they were written \
                 again; nothing is lost",
                tally.made_anew
            ),
        });
    }
    tally.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    tally.refusals.truncate(WORDS_MAX);
    tally.notes.sort_by(|a, b| a.path.cmp(&b.path));
    tally.notes.truncate(WORDS_MAX);
    let dealt_with = tally.archived + tally.already_count + tally.refused;
    let pending = if stopped { run.received.saturating_sub(dealt_with) } else { 0 };
    let received = dealt_with + pending;
    let already_versions: Vec<_> = std::mem::take(&mut tally.already).into_iter().collect();
    let report = Report {
        aggregations: tally.aggregations,
        already: tally.already_count,
        already_versions: &already_versions,
        archived: tally.archived,
        finished_at: LogTime::new(clock.now()),
        format: 1,
        notes: &tally.notes,
        pending,
        received,
        received_at: run.received_at,
        refusals: &tally.refusals,
        refused: tally.refused,
        salt: fresh_salt(entropy),
        source: &run.source_name,
        submission: run.submission,
    };
    let report = report.to_json();
    let entry = Entry::SubmissionCompleted(SubmissionCompleted {
        aggregations: tally.aggregations,
        already: tally.already_count,
        archived: tally.archived,
        pending,
        received,
        refused: tally.refused,
        report_sha256: Sha256Digest::of(&report),
        submission: run.submission,
    });
    let key = ObjectKey::submission_report(run.submission);
    let committed = log_report(&mut run, (key, report), &entry).await?;
    let Tally { archived, aggregations, refused, refusals, notes, already_count, batches, .. } =
        tally;
    Ok(IngestOutcome {
        submission: run.submission,
        received,
        archived,
        already: already_count,
        refused,
        pending,
        aggregations,
        refusals,
        notes,
        already_versions,
        batches,
        checkpoint: committed.checkpoint,
        stopped,
    })
}

/// Commits the end of a submission. No sweep removes the report of one that was logged as received,
/// so it keeps its name when the epoch was raised.
async fn log_report(
    run: &mut Run<'_>,
    object: (ObjectKey, Vec<u8>),
    entry: &Entry,
) -> Result<Committed, IngestError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        if let Ended::Committed(committed) = commit_with(run, object.clone(), entry).await? {
            return Ok(committed);
        }
    }
    Err(IngestError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

/// What became of an end of a submission.
enum Ended {
    /// It is in the log.
    Committed(Committed),
    /// The epoch was raised.
    Fenced,
}

/// Stores an object and commits the entry that names it.
async fn commit_with(
    run: &mut Run<'_>,
    (key, bytes): (ObjectKey, Vec<u8>),
    entry: &Entry,
) -> Result<Ended, IngestError> {
    create_all(run.log.archive().store(), vec![(key, bytes)]).await?;
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match run.log.commit(std::slice::from_ref(entry)).await? {
            CommitOutcome::Committed(committed) => return Ok(Ended::Committed(committed)),
            CommitOutcome::Lost(_) => {}
            CommitOutcome::Fenced { .. } => {
                run.take_epoch();
                return Ok(Ended::Fenced);
            }
        }
    }
    Err(IngestError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}

fn fresh_salt(entropy: &dyn Entropy) -> String {
    let mut salt = [0; 32];
    entropy.fill(&mut salt);
    salt_text(&salt)
}
