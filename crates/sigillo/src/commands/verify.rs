//! `sigillo verify`: is everything as it was?

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use clap::Args;
use serde_json::json;

use sigillo_custody::{
    SampleReport, Scope, Verifier, VerifyProgress, VerifyReport, is_revocation_known,
    read_cosignatures, unqualified_stamps,
};
use sigillo_ers::RevocationSummary;
use sigillo_evidence_log::{Archive, LogView, read_view};
use sigillo_merkle::{Checkpoint, NOTE_BYTES_MAX, TreeHash};
use sigillo_model::{ErrorKind, Finding, FindingCode, ObjectKey, Severity, Verdict};
use sigillo_proof::{CosignedBy, REVOCATION_KNOWN, is_witnessed, not_witnessed};
use sigillo_store::{CpuPool, ReadPool};

use crate::{
    commands::{
        EXIT_CLEAN, EXIT_DAMAGE, EXIT_FINDINGS,
        er_revocation::{summary_json, summary_text},
        export::locate,
        freshness::{self, Named},
        receipt,
        sample::{sample_json, sample_text, seed_of},
    },
    context::{Context, head_text},
    error::CommandError,
    output::{counted, grouped, size_text, visible},
    places::read_beginning,
    progress::{Count, Shown, Work},
    require::{Requirement, require, unstamped},
};

/// At most this many findings are printed; --json lists more.
const PRINTED_MAX: usize = 100;

/// Verify the archive, or some of its documents
///
/// Checks the log, every batch, seals, time-stamps, and that every pack is there, and the leaves and
/// lists of hash trees, without reading these; with --full also every byte. With documents named it
/// checks the log, seals and time-stamps, every byte of these, and the leaves of their batches. Reads
/// only. Every finding has a code, listed in docs/findings.md.
///
/// With --receipt no archive is needed: the receipt, and the files named beside it, are checked
/// against each other and against the trust store.
///
/// With --sample and --seed-from, documents that a seed draws are read to the last byte: everybody
/// with the same seed draws the same ones (docs/format.md, Samples). A seed is a checkpoint of the
/// log, best one that witnesses cosigned, or a time-stamp token, as in sealings/…/lines; it draws
/// among the documents that it came after. What such a sample finds, and who could have steered it,
/// is said.
///
/// Nothing in an archive shows that this is its newest state: for that, get a checkpoint from where
/// others have it, such as a witness or a page of the entity's, and name it with --checkpoint.
///
/// Exits with 0 if nothing is wrong, 3 for findings that `sigillo rebuild` mends or that cannot
/// be told, 5 for damage.
///
/// Example: sigillo verify --full --archive /srv/archive
///
/// Example: sigillo verify --sample 300 --seed-from token.tst --archive /srv/archive
///
/// Example: sigillo verify --require fresh --checkpoint checkpoint.txt --archive /srv/archive
///
/// Example: sigillo verify --receipt rdv.json delibera.pdf
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// Documents to read to the last byte [default: the whole archive, without reading contents]
    #[arg(value_name = "ID|FILE")]
    pub(crate) ids: Vec<String>,
    /// What must be so for exit code 0, beyond what a verdict asks for
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub(crate) require: Vec<Requirement>,
    /// A checkpoint of the newest log, as somebody else has it now: for --require fresh it must be of all
    /// its entries. If its log, be it one that ended, does not contain it, the archive was rolled back,
    /// unless others may sign for that log
    #[arg(long, value_name = "CHECKPOINT", conflicts_with = "receipt")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Check this receipt and the files named, without an archive
    #[arg(long, value_name = "RECEIPT", conflicts_with_all = ["full", "log_only"])]
    pub(crate) receipt: Option<PathBuf>,
    /// Write the outcome for the receipt as a page to be printed as well, HTML; it is not overwritten
    #[arg(long, value_name = "FILE", requires = "receipt")]
    pub(crate) html: Option<PathBuf>,
    /// Read every byte of every document
    #[arg(long, conflicts_with_all = ["ids", "log_only"])]
    pub(crate) full: bool,
    /// Only the log, its published copies, seals and time-stamps
    #[arg(long, conflicts_with = "ids")]
    pub(crate) log_only: bool,
    /// Read so many documents, drawn by a seed
    #[arg(long, value_name = "N", requires = "seed_from", value_parser = clap::value_parser!(u64).range(1..=sigillo_proof::SAMPLE_DOCUMENTS_MAX), conflicts_with_all = ["ids", "full", "log_only", "receipt"])]
    pub(crate) sample: Option<u64>,
    /// What draws them: a checkpoint of the log, or a time-stamp token
    #[arg(long, value_name = "CHECKPOINT|TOKEN", requires = "sample")]
    pub(crate) seed_from: Option<PathBuf>,
    /// The key of a witness whose cosignature of the checkpoint is part of the seed; may be repeated
    #[arg(long, value_name = "VKEY", requires = "seed_from")]
    pub(crate) witness: Vec<String>,
}

/// Verifies and reports; remembers the head if it is sound.
pub(crate) async fn run(context: &Context, args: VerifyArgs) -> Result<u8, CommandError> {
    if let Some(file) = &args.receipt {
        return receipt::verify(context, file, &args.ids, &args.require, args.html.as_deref());
    }
    let checkpoint = args.checkpoint.as_ref().map(|it| read_beginning(it, NOTE_BYTES_MAX as u64));
    let checkpoint = checkpoint.transpose()?;
    let archive = match context.archive_as_found().await {
        Err(error) if error.kind == ErrorKind::Integrity => {
            return Ok(undescribed(context, &args, &error));
        }
        opened => opened?,
    };
    let (verifier, mut report, sample) = judged(context, &args, &archive).await?;
    let of_seen =
        |it: &&mut Finding| it.code == FindingCode::LogRolledBack && it.object == "log/seq";
    if let Some(finding) = report.findings.iter_mut().rev().find(of_seen)
        && let Ok(Some(words)) = context.shrunk(&archive).await
    {
        finding.message = words;
    }
    let named = match args.checkpoint.as_deref().zip(checkpoint.as_deref()) {
        Some(file) => Some(Named::of(context, &archive, file).await),
        None => None,
    };
    let fresh = args.require.contains(&Requirement::Fresh);
    freshness::judge(&mut report.findings, report.head, named.as_ref(), fresh);
    report.verdict = report.verdict.max(Verdict::of(&report.findings));
    if report.verdict != Verdict::Damaged
        && let Some(head) = report.head
    {
        context.remember_or_warn(&archive, head);
        if report.verdict == Verdict::Intact {
            context.settle_or_warn(&archive, &verifier.knowledge.seen_before);
        }
    }
    if report.verdict == Verdict::Intact && report.scope == Scope::Full {
        context.remember_full_read(&archive)?;
    }
    report.findings.extend(unwitnessed(context, &archive, &report, &args.require).await?);
    if args.require.contains(&Requirement::Revocation) {
        report.findings.extend(report.revocation.trial_finding());
        let of = (&archive, &report.view);
        if is_revocation_known(of, &report.revocation, &report.findings).await? {
            known_enough(&mut report.findings);
        }
    }
    report.findings.extend(unstamped(&report.findings, &args.require));
    let lacking = lacking_stamps(context, &verifier, &report, &args.require).await?;
    report.findings.extend(lacking);
    report.verdict = require(&mut report.findings, &args.require, report.verdict);
    let named = match &sample {
        Some(sample) => Some(sample.drawn.len() as u64),
        None => (!args.ids.is_empty()).then_some(args.ids.len() as u64),
    };
    let text = text_of(&report, named, sample.as_ref());
    context.output.result("sigillo.verify/1", &text, json_of(&report, sample.as_ref()));
    Ok(exit_code(&report.findings))
}

/// Verifies what is asked for.
///
/// Whom to believe is asked for the logs that are known before anything is read. If others come up, it
/// is asked anew, and all is read once more.
async fn judged(
    context: &Context,
    args: &VerifyArgs,
    archive: &Archive,
) -> Result<(Verifier, VerifyReport, Option<SampleReport>), CommandError> {
    loop {
        let known = archive.generation();
        let verifier = Verifier {
            archive: archive.clone(),
            cpu: CpuPool::start(0)?,
            knowledge: context.knowledge(archive)?,
            progress: Arc::new(VerifyProgress::default()),
        };
        let (report, sample) = verified(context, args, &verifier).await?;
        // At most once for each log that an archive can have.
        if archive.generation() == known {
            return Ok((verifier, report, sample));
        }
    }
}

async fn verified(
    context: &Context,
    args: &VerifyArgs,
    verifier: &Verifier,
) -> Result<(VerifyReport, Option<SampleReport>), CommandError> {
    let (archive, progress) = (&verifier.archive, Arc::clone(&verifier.progress));
    let work = Work { verb: "Read", unit: "bytes" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: progress.bytes_read.load(Ordering::Relaxed),
        total: progress.bytes_found.load(Ordering::Relaxed),
        bytes: 0,
    });
    let mut sample = None;
    let report = if let (Some(count), Some(file)) = (args.sample, &args.seed_from) {
        let seed = seed_of(file, &args.witness, archive, &verifier.knowledge).await?;
        let (report, drawn) = verifier.verify_sample(&seed, count).await?;
        sample = Some(drawn);
        report
    } else if args.ids.is_empty() {
        verifier.verify(scope_of(args)).await?
    } else {
        let view = read_view(archive).await?;
        let reads = ReadPool::start()?;
        let located = locate(context, archive, &view, &reads, &args.ids).await?;
        verifier.verify_documents(&located).await?
    };
    drop(shown);
    Ok((report, sample))
}

/// Says which sealings have no time-stamp on an evidence line that the settings ask for and, if it is
/// required, which time-stamps are not qualified. Settings that cannot be read keep nothing from being
/// verified, unless it is required that everything is stamped.
async fn lacking_stamps(
    context: &Context,
    verifier: &Verifier,
    VerifyReport { view, findings: found, .. }: &VerifyReport,
    requirements: &[Requirement],
) -> Result<Vec<Finding>, CommandError> {
    let wanted = match context.lines_wanted() {
        Err(_) if !requirements.contains(&Requirement::Stamped) => Vec::new(),
        lines => lines?,
    };
    let mut findings = view.without_lines(&wanted);
    if requirements.contains(&Requirement::Qualified) {
        let anchors = &verifier.knowledge.anchors;
        findings.extend(unqualified_stamps((&verifier.archive, view), anchors, found).await?);
    }
    Ok(findings)
}

/// Says that what is not known of the revocation of some certificates is not needed.
fn known_enough(findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|it| it.code == FindingCode::RevocationUnknown) {
        *finding = finding.clone().not_needed(REVOCATION_KNOWN);
    }
}

/// Tells whether the witnesses of the trust store, if it has any or they are required, vouch for the
/// head that was proven.
async fn unwitnessed(
    context: &Context,
    archive: &Archive,
    report: &VerifyReport,
    requirements: &[Requirement],
) -> Result<Option<Finding>, CommandError> {
    let policy = context.trust.witnesses()?;
    let Some(head) = report.head else { return Ok(None) };
    if policy.is_none() && !requirements.contains(&Requirement::Witnessed) {
        return Ok(None);
    }
    let log = &archive.log_keys();
    let root = TreeHash::from_bytes(*head.root.as_bytes());
    let expected = Checkpoint { origin: archive.origin(), size: head.size, root };
    let keys = context.trust.witness_keys()?;
    let cosigned = read_cosignatures(archive, &expected, &keys).await?;
    let seen = cosigned.map(|it| it.witnesses).unwrap_or_default();
    let by: Vec<_> =
        seen.iter().map(|(key, at)| CosignedBy::new(key, *at, policy.as_ref())).collect();
    if policy.as_ref().is_some_and(|it| is_witnessed(it, log, &by)) {
        return Ok(None);
    }
    let message = not_witnessed(&by, policy.as_ref());
    Ok(Some(Finding::new(FindingCode::NotWitnessed, ObjectKey::checkpoint(), message)))
}

/// Counts the renewals of time-stamps and of hash trees, and returns the time of the newest.
fn renewals_of(view: &LogView) -> Option<(u64, &str)> {
    let stamps = view.renewals.iter().map(|it| (it.commit, it.body.stamped_at.as_str()));
    let trees = view.rehashes.iter().map(|it| (it.commit, it.body.stamped_at.as_str()));
    let newest = stamps.chain(trees).max_by_key(|it| it.0)?;
    Some(((view.renewals.len() + view.rehashes.len()) as u64, newest.1))
}

fn scope_of(args: &VerifyArgs) -> Scope {
    match (args.full, args.log_only) {
        (true, _) => Scope::Full,
        (_, true) => Scope::Log,
        _ if args.ids.is_empty() => Scope::Presence,
        _ => Scope::Log,
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Log => "log",
        Scope::Presence => "presence",
        Scope::Full => "full",
    }
}

/// Reports that nothing can be verified because `archive.json`, with the keys, is damaged.
fn undescribed(context: &Context, args: &VerifyArgs, error: &CommandError) -> u8 {
    let words = error.words.join(": ");
    let finding = Finding::new(FindingCode::ArchiveDamaged, ObjectKey::archive(), words);
    let text = format!(
        "DAMAGED: see below; nothing else was checked, for the keys to check it with are in it\n{}",
        finding_text(&finding)
    );
    let value = json!({
        "batches": 0, "bytes_read": 0, "documents": 0, "documents_read": 0,
        "findings": [finding], "log": null, "more_findings": 0, "packs": 0,
        "renewals": 0,
        "revocation": summary_json(&RevocationSummary::default()),
        "sample": null, "scope": scope_name(scope_of(args)), "sealings": 0, "time_stamps": 0,
        "verdict": Verdict::Damaged,
    });
    context.output.result("sigillo.verify/1", &text, value);
    EXIT_DAMAGE
}

/// Returns the exit code of a check that met these findings: the gravest decides.
pub(crate) fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Damage) => EXIT_DAMAGE,
        Some(Severity::CannotTell | Severity::Derived) => EXIT_FINDINGS,
        Some(Severity::Note) | None => EXIT_CLEAN,
    }
}

/// Puts findings into words, a number of them, and says how many there are beyond; `more` were not
/// kept.
pub(crate) fn findings_text(findings: &[Finding], more: u64) -> String {
    let mut text: String = findings.iter().take(PRINTED_MAX).map(finding_text).collect();
    let more = findings.len().saturating_sub(PRINTED_MAX) as u64 + more;
    if more > 0 {
        text.push_str(&format!("  and {} more\n", counted(more, "finding")));
    }
    text
}

fn text_of(report: &VerifyReport, named: Option<u64>, sample: Option<&SampleReport>) -> String {
    let mut text = String::new();
    let documents = named.unwrap_or(report.documents);
    let read = match (report.scope, named) {
        (Scope::Log, None) => "Read the log; documents were not looked at.".to_owned(),
        (Scope::Presence, _) => format!(
            "Found {} for {}; their contents were not read (--full reads them).",
            counted(report.packs, "pack"),
            counted(documents, "document")
        ),
        _ => format!(
            "Read {} of {} to the last byte ({}).",
            grouped(report.documents_read),
            counted(documents, "document"),
            size_text(report.bytes_read)
        ),
    };
    text.push_str(&read);
    text.push('\n');
    let (word, tail) = match (report.verdict, exit_code(&report.findings)) {
        (Verdict::Damaged, _) => ("DAMAGED", ": see below; keep this report"),
        (Verdict::CannotTell, _) => ("CANNOT TELL", ": nothing is known to be wrong, see below"),
        (Verdict::Intact, EXIT_FINDINGS) => {
            ("INTACT", ", but copies that follow from it are not: run `sigillo rebuild`")
        }
        (Verdict::Intact, _) => ("INTACT", ""),
    };
    let log = match report.head {
        Some(head) => format!("log of {}", head_text(head)),
        None => "the tree of the log could not be derived".to_owned(),
    };
    text.push_str(&format!("{word}{tail}\n  {log}\n"));
    text.push_str(&format!(
        "  {}, {}, {}{}\n",
        counted(report.view.batches.len() as u64, "batch"),
        counted(report.view.sealings.len() as u64, "sealing"),
        counted(report.view.stamps.len() as u64, "time-stamp"),
        match report.view.stamps.last() {
            Some(stamp) => format!(", the newest of {}", visible(&stamp.body.stamped_at)),
            None => String::new(),
        }
    ));
    if let Some((count, newest)) = renewals_of(&report.view) {
        text.push_str(&format!(
            "  {} of them, the newest of {}\n",
            counted(count, "renewal"),
            visible(newest)
        ));
    }
    text.push_str(&summary_text(&report.revocation));
    text.push_str(&sample.map(sample_text).unwrap_or_default());
    text.push_str(&findings_text(&report.findings, report.more_findings));
    text
}

/// Puts a finding into words, a line or a few.
fn finding_text(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Damage => "DAMAGE",
        Severity::CannotTell => "CANNOT TELL",
        Severity::Derived => "REBUILD",
        Severity::Note => "note",
    };
    let mut text =
        format!("  {word} {} {}: {}\n", finding.code, finding.object, visible(&finding.message));
    if let Some(version) = &finding.place.version {
        let key = finding.place.key.as_deref().unwrap_or("(its name cannot be read)");
        text.push_str(&format!("      document {} (version {version})\n", visible(key)));
    }
    // Some messages say themselves where it is.
    if let Some((start, end)) = finding.place.bytes
        && !finding.message.starts_with("bytes ")
    {
        text.push_str(&format!("      bytes {} to {}\n", grouped(start), grouped(end)));
    }
    text
}

fn json_of(report: &VerifyReport, sample: Option<&SampleReport>) -> serde_json::Value {
    json!({
        "batches": report.view.batches.len(),
        "bytes_read": report.bytes_read,
        "documents": report.documents,
        "documents_read": report.documents_read,
        "findings": report.findings,
        "log": report.head.map(|head| json!({"size": head.size, "root": head.root})),
        "more_findings": report.more_findings,
        "packs": report.packs,
        "renewals": renewals_of(&report.view).map_or(0, |it| it.0),
        "revocation": summary_json(&report.revocation),
        "sample": sample.map(sample_json),
        "scope": scope_name(report.scope),
        "sealings": report.view.sealings.len(),
        "time_stamps": report.view.stamps.len(),
        "verdict": report.verdict,
    })
}
