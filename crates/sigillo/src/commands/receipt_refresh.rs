//! `sigillo receipt refresh`: a receipt is given anew, with what came since, and keeps what it has.

use std::path::Path;

use sigillo_custody::{GiveReceiptError, ReceiptLog, ReceiptMaker};
use sigillo_evidence_log::Archive;
use sigillo_merkle::Checkpoint;
use sigillo_model::{ErrorKind, Severity};
use sigillo_proof::{
    RECEIPT_BYTES_MAX, RECEIPT_VALIDATION_BYTES_MAX, Receipt, ReceiptError, check_receipt, extends,
    keep_cosignatures,
};
use sigillo_store::ReadPool;

use crate::{
    commands::{
        er::algorithms,
        log_ended::{NotContained, told_of_unsigned},
        receipt::{documents_text, evidence_text, summary, told_left_out, write_receipt},
    },
    context::Context,
    error::CommandError,
    output::visible,
    places::read_beginning,
};

/// Completes a receipt in its place.
pub(super) async fn refresh(context: &Context, file: &Path) -> Result<u8, CommandError> {
    let bytes = read_beginning(file, RECEIPT_BYTES_MAX)?;
    let older = Receipt::parse(&bytes).map_err(|error| unusable(file, &error))?;
    let archive = context.archive().await?;
    if archive.description().archive != older.archive.id {
        let words = format!("{} is a receipt of another archive", file.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint(format!("it is of the archive {}", older.archive.id)));
    }
    refuse_changed(context, file, &older)?;
    refuse_not_contained(context, &archive, &older).await?;
    let (log, reads) = (ReceiptLog::read_for_receipts(&archive).await?, ReadPool::start()?);
    let anchors = &context.knowledge(&archive)?.anchors;
    let told = &log.told_revocations(&archive, anchors).await?;
    let by = (anchors, told);
    let (at, algorithms) = (context.clock.now(), &algorithms()?);
    let maker =
        ReceiptMaker { archive: &archive, log: &log, reads: &reads, told, anchors, algorithms, at };
    let given = maker.refresh(&older).await.map_err(|error| {
        let is_foreign = matches!(error, GiveReceiptError::Foreign { .. });
        let note = if is_foreign { older.checkpoint.as_bytes() } else { &[] };
        told_of_unsigned(error.into(), &archive, note)
    })?;
    let mut newer = given.receipt;
    log.add_validation(&archive, &mut newer, by, RECEIPT_VALIDATION_BYTES_MAX).await?;
    let mut witnesses = context.trust.witness_keys()?;
    // What the receipt has is kept, whether or not this user knows them.
    let own = older.witness_keys().map_err(|error| CommandError::of(ErrorKind::Invalid, &error))?;
    witnesses.extend(own);
    let bare = newer.clone();
    log.add_cosignatures(&archive, &mut newer, &witnesses).await?;
    if extends(&older, &newer).is_err() {
        // What was cosigned is older than what the receipt had before.
        newer = bare;
    }
    for lacking in keep_cosignatures(&older, &mut newer) {
        let name = lacking.split('+').next().unwrap_or_default();
        context.output.say(&format!(
            "The cosignature of {} was of an older checkpoint, and is not in the receipt any more: have the \
             newest one cosigned, and refresh it again",
            visible(name)
        ));
    }
    write_receipt(file, &newer.to_json())?;
    let text = format!(
        "The receipt for {} in {} was given anew: {}.\n",
        documents_text(&newer),
        file.display(),
        evidence_text(&newer)
    );
    let value = summary(&newer, file, &given.findings);
    context.output.result("sigillo.receipt.refresh/1", &text, value);
    Ok(told_left_out(context, &given.findings))
}

/// Refuses a receipt under a checkpoint of a log that ended, where the act of that end says why the log does
/// not contain it.
async fn refuse_not_contained(
    context: &Context,
    archive: &Archive,
    older: &Receipt,
) -> Result<(), CommandError> {
    let Some(checkpoint) = Checkpoint::stated(&older.checkpoint) else { return Ok(()) };
    let found = NotContained::find(context, archive, &checkpoint).await?;
    found.and_then(|it| it.refused()).map_or(Ok(()), |refused| {
        Err(refused.hint(
            "`sigillo receipt show` gives a new receipt of what the archive has; what is lost has to be \
             ingested again",
        ))
    })
}

/// Refuses a receipt that does not hold by itself: nothing is wrong with the archive then.
fn refuse_changed(context: &Context, file: &Path, older: &Receipt) -> Result<(), CommandError> {
    let trust = context.trust.receipt_trust(&older.archive)?;
    let check = check_receipt(older, &trust, &[]);
    let Some(damage) = check.findings.iter().find(|it| it.severity == Severity::Damage) else {
        return Ok(());
    };
    let words = format!("{} was changed since it was given: nothing is refreshed", file.display());
    let mut this = CommandError::new(ErrorKind::Integrity, words);
    this.words.push(format!("{} {}", damage.code.code(), damage.message));
    Err(this.hint(
        "the archive is not in question; give a new one with `sigillo receipt show`, and see \
         `sigillo verify --receipt` for all that was changed",
    ))
}

fn unusable(file: &Path, error: &ReceiptError) -> CommandError {
    let words = format!("{} is no receipt that can be used", file.display());
    let mut this = CommandError::new(ErrorKind::Invalid, words);
    this.words.push(error.to_string());
    this
}
