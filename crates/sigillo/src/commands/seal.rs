//! `sigillo seal`: statement, seal and time-stamp for what waits.

use std::sync::{Arc, atomic::Ordering};

use clap::Args;
use serde_json::{Value, json};

use sigillo_authorities::KeyFolder;
use sigillo_custody::{Rehasher, VerifyProgress};
use sigillo_evidence_log::{
    Chains, HashFamily, LogWriter, SealOutcome, Sealed, Sealer, StampOutcome, StampWith, Stamping,
    stamp_sealings,
};
use sigillo_model::{
    BatchesSealed, ErrorKind, Finding, FindingCode, ObjectKey, RenewalId, Verdict,
};
use sigillo_store::CpuPool;

use crate::{
    commands::{
        EXIT_CLEAN, EXIT_FINDINGS, EXIT_TRANSIENT,
        gather::{damaged_text, revoked_json, revoked_text},
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    lines::Line,
    output::{counted, visible, waiting},
    progress::{Count, Shown, Work},
};

/// Seal and time-stamp what waits for it
///
/// Every sealing gets a time-stamp on each evidence line of the settings. Exits with 4 if one waits,
/// for no authority of its line helped: nothing is lost, and no other line waits for that. Exits with 5
/// if a line of SHA-512 leaves out documents that are damaged or lost: they are never on that line.
/// What the store does not give now makes its sealing wait, with 4. Exits with 3 if the certificate
/// behind a new time-stamp is revoked: do not rely on that one. Where that is known of an authority
/// before, the next one is asked.
///
/// Example: sigillo seal --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct SealArgs {
    /// Only ask for the time-stamps that sealings wait for
    #[arg(long)]
    pub(crate) stamp_only: bool,
}

/// What was sealed and stamped.
#[derive(Debug)]
pub(crate) struct SealReport {
    sealed: Option<Box<Sealed>>,
    /// What became of each evidence line.
    lines: Vec<(String, StampOutcome)>,
    /// What could not be read, and is left out of the hash trees of a line of SHA-512.
    left_out: Vec<Finding>,
}

/// Seals what is new, unless only time-stamps are asked for, and asks for the time-stamps.
pub(crate) async fn run(context: &Context, args: SealArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let report = seal_and_stamp(context, &mut log, &keys, !args.stamp_only).await?;
    context.remember_signed_or_warn(&archive, &keys);
    context.output.result("sigillo.seal/1", &report.text(), report.json());
    Ok(report.exit_code())
}

/// Seals and stamps; that no authority answers is told, and is no failure. Each evidence line is
/// stamped for itself: what stops one stops no other.
pub(crate) async fn seal_and_stamp(
    context: &Context,
    log: &mut LogWriter,
    keys: &KeyFolder,
    seal: bool,
) -> Result<SealReport, CommandError> {
    let mut sealed = None;
    if seal {
        let key = keys.seal();
        let with = Sealer { key: &key, entropy: &*context.entropy };
        if let SealOutcome::Sealed(done) = with.seal(log).await? {
            sealed = Some(done);
        }
    }
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    for line in context.lines(keys)? {
        let stamps = stamp_line(context, log, &line, &mut left_out).await?;
        lines.push((line.name, stamps));
    }
    Ok(SealReport { sealed, lines, left_out })
}

/// Stamps what waits on a line; one of SHA-512 gets hash trees of its own, from which what cannot be read
/// is left out.
async fn stamp_line(
    context: &Context,
    log: &mut LogWriter,
    Line { name, authorities }: &Line,
    left_out: &mut Vec<Finding>,
) -> Result<StampOutcome, CommandError> {
    let (clock, entropy) = (&*context.clock, &*context.entropy);
    if HashFamily::of_line(name) == HashFamily::Sha256 {
        return Ok(stamp_sealings(log, name, authorities, clock, entropy).await?);
    }
    let with = StampWith { line: name, authorities, clock, entropy };
    let mut stamping = Stamping::begin(log, with).await?;
    let waiting = stamping.waiting();
    if waiting.is_empty() {
        return Ok(stamping.finish(log).await?);
    }
    let (archive, view) = (log.archive().clone(), stamping.view().clone());
    let (cpu, chains) = (CpuPool::start(0)?, Chains::default());
    let progress = Arc::new(VerifyProgress::default());
    let batches = waiting.iter().flat_map(|sealing| view.batches_of(sealing));
    let total = batches.map(|batch| u64::from(batch.body.documents)).sum();
    let shown = shown(context, Arc::clone(&progress), total);
    let (archive, cpu, view, chains) = (&archive, &cpu, &view, &chains);
    let rehasher = Rehasher { archive, cpu, view, chains, line: name, progress };
    for sealing in waiting {
        let mut made = match rehasher.first(&sealing, RenewalId::random(entropy)).await {
            Ok(made) => made,
            Err(error) if error.kind() == ErrorKind::Bug => return Err(error.into()),
            Err(error) => {
                left_out.push(waits_for(&sealing, name, &error.into()));
                continue;
            }
        };
        left_out.append(&mut made.findings);
        // One whose statement or seal is not there waits, and keeps no other waiting.
        let is_made = !made.tree.sealings.is_empty();
        if is_made && !stamping.stamp(log, &sealing, Some(made.unstamped())).await? {
            break;
        }
    }
    drop(shown);
    Ok(stamping.finish(log).await?)
}

/// Says that a sealing waits, for the store does not give now what its hash trees are made of.
fn waits_for(sealing: &BatchesSealed, line: &str, error: &CommandError) -> Finding {
    let (number, why) = (sealing.number, error.words.join(": "));
    let message = format!("sealing {number} waits for its time-stamp on the line {line}: {why}");
    Finding::new(FindingCode::NotRead, ObjectKey::statement(sealing.sealing), message)
}

/// Shows how far the making of hash trees is.
fn shown(context: &Context, progress: Arc<VerifyProgress>, total: u64) -> Shown {
    let work = Work { verb: "Hashed", unit: "documents" };
    Shown::begin(context.global.progress, context.output, work, move || Count {
        done: progress.documents.load(Ordering::Relaxed),
        total,
        bytes: progress.bytes_read.load(Ordering::Relaxed),
    })
}

impl SealReport {
    pub(crate) fn exit_code(&self) -> u8 {
        let waits = self.lines.iter().any(|(_, stamps)| stamps.waiting > 0);
        let damaged = Verdict::of(&self.left_out) == Verdict::Damaged;
        if waits && !damaged {
            return EXIT_TRANSIENT;
        }
        self.damage_code().unwrap_or(EXIT_CLEAN)
    }

    /// Returns the exit code for what was left out, if something was, and for certificates that are revoked.
    pub(crate) fn damage_code(&self) -> Option<u8> {
        let gathered = || self.lines.iter().map(|(_, stamps)| &stamps.gathered);
        let is_told = gathered().any(|it| !it.revoked.is_empty() || !it.damaged.is_empty());
        let code = exit_code(&self.left_out).max(if is_told { EXIT_FINDINGS } else { EXIT_CLEAN });
        Some(code).filter(|code| *code != EXIT_CLEAN)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = match &self.sealed {
            None => "Nothing new to seal.\n".to_owned(),
            Some(sealed) => format!(
                "Sealing {} covers {} in {}.\n",
                sealed.body.number,
                counted(sealed.documents, "document"),
                counted(sealed.batches as u64, "batch"),
            ),
        };
        for (line, stamps) in &self.lines {
            // Where there is one line, nobody need know its name.
            let on =
                if self.lines.len() > 1 { format!(" on the line {line}") } else { String::new() };
            text.push_str(&stamps_text(stamps, &on, self.left_out.is_empty()));
        }
        text.push_str(&findings_text(&self.left_out, 0));
        text
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "sealed": self.sealed.as_ref().map(|sealed| json!({
                "batches": sealed.batches,
                "commit": sealed.committed.number,
                "documents": sealed.documents,
                "number": sealed.body.number,
                "sealing": sealed.body.sealing,
                "through": sealed.body.through,
            })),
            "left_out": self.left_out,
            "lines": self.lines.iter().map(|(line, stamps)| json!({
                "line": line, "stamped": stamps.stamped.len(), "waiting": stamps.waiting,
            })).collect::<Vec<_>>(),
            "revocation": {
                "kept": self.each(|it| it.gathered.stored).sum::<usize>(),
                "not_asked": self.each(|it| it.gathered.left).sum::<usize>(),
                "refused": self.all(|_, it| it.gathered.refused.iter().map(|refused| json!({
                    "address": refused.authority, "words": refused.words,
                })).collect()),
                "revoked": self.all(|_, it| revoked_json(&it.gathered.revoked)),
            },
            "stamped": self.all(|_, it| it.stamped.iter().map(|stamp| json!(stamp)).collect()),
            "refused": self.all(|line, it| it.refused.iter().map(|refused| json!({
                "authority": refused.authority, "line": line, "words": refused.words,
            })).collect()),
            "waiting": self.each(|it| it.waiting).max().unwrap_or_default(),
        })
    }

    fn each(&self, of: impl Fn(&StampOutcome) -> usize) -> impl Iterator<Item = usize> {
        self.lines.iter().map(move |(_, stamps)| of(stamps))
    }

    fn all(&self, of: impl Fn(&str, &StampOutcome) -> Vec<Value>) -> Vec<Value> {
        self.lines.iter().flat_map(|(line, stamps)| of(line, stamps)).collect()
    }
}

/// Says what became of a line; `on` says which, if that must be said, and `nothing_lost` that nothing was
/// found damaged.
fn stamps_text(stamps: &StampOutcome, on: &str, nothing_lost: bool) -> String {
    let mut text = String::new();
    for stamp in &stamps.stamped {
        let what = if stamp.trial { "a TRIAL time-stamp, not qualified" } else { "a time-stamp" };
        text.push_str(&format!(
            "Sealing {} has {what}{on}, of {}.\n",
            stamp.number,
            visible(&stamp.stamped_at)
        ));
    }
    for refused in &stamps.refused {
        text.push_str(&format!(
            "The authority {} did not help: {}\n",
            visible(&refused.authority),
            visible(&refused.words)
        ));
    }
    if stamps.gathered.stored > 0 {
        text.push_str(&format!(
            "Kept {} on whether the certificates of time-stamps were revoked.\n",
            counted(stamps.gathered.stored as u64, "answer"),
        ));
    }
    for refused in &stamps.gathered.refused {
        text.push_str(&format!(
            "Whether a certificate was revoked could not be learnt from {}: {}\n",
            visible(&refused.authority),
            visible(&refused.words)
        ));
    }
    text.push_str(&revoked_text(&stamps.gathered.revoked));
    text.push_str(&damaged_text(&stamps.gathered.damaged));
    if stamps.waiting > 0 {
        text.push_str(&format!(
            "{} for a time-stamp{on}{} sigillo seal --stamp-only\n",
            waiting(stamps.waiting as u64, "sealing"),
            if nothing_lost {
                "; nothing is lost. Later:"
            } else {
                ". See to what is told below, then:"
            },
        ));
    }
    text
}
