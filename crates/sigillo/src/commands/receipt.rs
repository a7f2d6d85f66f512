//! `sigillo receipt`: the report of a submission (rapporto di versamento), given and completed; and
//! `sigillo verify --receipt`, which needs no archive.

use std::{
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use sigillo_custody::{PREFIX_DIGITS_MIN, ReceiptLog, ReceiptMaker, ReceiptOf};
use sigillo_evidence_log::Archive;
use sigillo_merkle::Checkpoint;
use sigillo_model::{
    ErrorKind, Finding, FindingCode, Severity, Sha256Digest, Sha256Hasher, Sha512Hasher,
    SubmissionId, Verdict, encode_name,
};
use sigillo_proof::{
    AttestedTime, BundleRules, CheckedLog, CheckedPage, CheckedSort, CosignedBy, GivenFile,
    ProofSort, RECEIPT_BYTES_MAX, RECEIPT_VALIDATION_BYTES_MAX, Receipt, ReceiptCheck,
    check_receipt_at, render_html, render_text,
};
use sigillo_store::ReadPool;

use crate::{
    commands::{
        EXIT_CLEAN,
        bundle::name_of,
        er::algorithms,
        er_revocation::summary_text,
        export::locate,
        receipt_refresh,
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, grouped, size_text, visible},
    places::{read_beginning, refuse_taken, write_new, write_whole},
    require::{Requirement, nothing_sealed, require, unknown_of_receipt, unstamped},
    seen::MetTrust,
};

/// At most this many documents and refusals are printed; the JSON has all of them.
const PRINTED_MAX: usize = 100;

/// Files beside a receipt are hashed in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// Give the receipt of a submission or of documents (rapporto di versamento)
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Give a receipt, with all that proves it without the archive
    ///
    /// For a whole submission, by its id or at least 8 digits of it: what was archived, what was
    /// there before, what was refused and why. Or for single documents. Without -o it is printed
    /// in words; with -o it is written as JSON, for `sigillo verify --receipt`. It holds the records
    /// of the documents: give it to their producer only.
    ///
    /// Example: sigillo receipt show 5c1e9a02 -o rdv.json --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Show(ShowArgs),
    /// Complete a receipt with the sealing and time-stamps that came since
    ///
    /// Gives it anew from the archive and writes it in place of the old one, unless the archive
    /// does not say any more what the old one says.
    ///
    /// Example: sigillo receipt refresh rdv.json --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Refresh(RefreshArgs),
}

/// Options of `receipt show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// A submission, or documents: version id, document id, 8 digits of one, or key as SOURCE/PATH
    #[arg(required = true, value_name = "SUBMISSION|ID")]
    pub(crate) ids: Vec<String>,
    /// The file to write the receipt to, as JSON; it is not overwritten
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Options of `receipt refresh`.
#[derive(Args, Debug)]
pub(crate) struct RefreshArgs {
    /// The receipt that `sigillo receipt show -o` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

pub(crate) async fn run(context: &Context, command: ReceiptCommand) -> Result<u8, CommandError> {
    match command {
        ReceiptCommand::Show(args) => show(context, &args).await,
        ReceiptCommand::Refresh(args) => receipt_refresh::refresh(context, &args.file).await,
    }
}

async fn show(context: &Context, args: &ShowArgs) -> Result<u8, CommandError> {
    if let Some(file) = &args.output
        && file.exists()
    {
        let words = format!("{} is there already", file.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("`sigillo receipt refresh FILE` completes a receipt; else choose another name"));
    }
    let archive = context.archive().await?;
    let (log, reads) = (ReceiptLog::read_for_receipts(&archive).await?, ReadPool::start()?);
    let of = named(context, &archive, &log, &reads, &args.ids).await?;
    let anchors = &context.knowledge(&archive)?.anchors;
    let told = &log.told_revocations(&archive, anchors).await?;
    let by = (anchors, told);
    let (at, algorithms) = (context.clock.now(), &algorithms()?);
    let maker =
        ReceiptMaker { archive: &archive, log: &log, reads: &reads, told, anchors, algorithms, at };
    let given = maker.make(&of).await?;
    let mut receipt = given.receipt;
    log.add_cosignatures(&archive, &mut receipt, &context.trust.witness_keys()?).await?;
    log.add_validation(&archive, &mut receipt, by, RECEIPT_VALIDATION_BYTES_MAX).await?;
    match &args.output {
        Some(file) => {
            let bytes = receipt.to_json();
            write_receipt(file, &bytes)?;
            let text = format!(
                "The receipt for {} is in {} ({}): {}.\n",
                documents_text(&receipt),
                file.display(),
                size_text(bytes.len() as u64),
                evidence_text(&receipt),
            );
            let value = summary(&receipt, file, &given.findings);
            context.output.result("sigillo.receipt.show/1", &text, value);
        }
        None if context.output.is_json() => {
            context.output.data(&String::from_utf8_lossy(&receipt.to_json()));
            context.output.data("\n");
        }
        None => context.output.data(&render_text(&receipt, PRINTED_MAX)),
    }
    Ok(told_left_out(context, &given.findings))
}

/// Says beside the result which renewals and lines a proof leaves out, and returns the exit code. The JSON of a
/// result has the same as `findings`; that of a receipt has not, for it is the receipt.
pub(crate) fn told_left_out(context: &Context, findings: &[Finding]) -> u8 {
    if findings.is_empty() {
        return EXIT_CLEAN;
    }
    let text = findings_text(findings, 0);
    let is_of_renewals =
        |it: &Finding| matches!(it.code, FindingCode::RenewalLeftOut | FindingCode::RenewalRevoked);
    let of_renewals = findings.iter().any(is_of_renewals);
    let of_lines = findings.iter().any(|it| it.code == FindingCode::LineLeftOut);
    let what = match (of_renewals, of_lines) {
        (true, _) => "NOT ALL RENEWALS ARE IN IT, OR NOT FOR ALL DOCUMENTS",
        (false, true) => "NOT ALL TIME-STAMPS ARE IN IT, OR NOT WITH ALL DOCUMENTS",
        (false, false) => "NOT ALL DOCUMENTS ARE IN ALL HASH TREES",
    };
    context.output.say(&format!("{what}:\n{}", text.trim_end()));
    exit_code(findings)
}

/// Counts the renewals in a receipt whose tokens are there, those of hash trees too.
pub(crate) fn renewals_in(receipt: &Receipt) -> u64 {
    let tokens = receipt.sealings.iter().flat_map(|it| &it.tokens);
    let renewals = tokens.clone().flat_map(|it| &it.renewals);
    let trees = tokens.filter_map(|it| it.hash_tree.as_ref());
    let newer = trees.clone().flat_map(|it| &it.renewals);
    let there = renewals.chain(newer).filter(|it| it.token.is_some()).count();
    (there + trees.count()) as u64
}

/// Says how many time-stamps there are, and how many renewals of them.
pub(crate) fn stamps_text(stamps: u64, renewals: u64) -> String {
    match renewals {
        0 => counted(stamps, "time-stamp"),
        _ => format!("{} and {}", counted(stamps, "time-stamp"), counted(renewals, "renewal")),
    }
}

/// Finds out what a receipt is asked for: one submission, or documents.
async fn named(
    context: &Context,
    archive: &Archive,
    log: &ReceiptLog,
    reads: &ReadPool,
    ids: &[String],
) -> Result<ReceiptOf, CommandError> {
    let known = log.submissions();
    let mut submissions: Vec<SubmissionId> = Vec::new();
    for id in ids {
        submissions.extend(submissions_of(&known, id));
    }
    match (&submissions[..], ids.len()) {
        ([], _) => {}
        ([submission], 1) => return Ok(ReceiptOf::Submission(*submission)),
        (_, 1) => {
            let matches: Vec<_> = submissions.iter().map(ToString::to_string).collect();
            let words = format!("{:?} is ambiguous: it may be {}", ids[0], matches.join(", "));
            return Err(CommandError::new(ErrorKind::Invalid, words));
        }
        _ => {
            return Err(CommandError::usage("a receipt is for one submission, or for documents")
                .hint("ask for each submission by itself"));
        }
    }
    let located = locate(context, archive, &log.view, reads, ids).await?;
    Ok(ReceiptOf::Versions(located.iter().map(|it| it.version).collect()))
}

/// Returns the submissions whose id begins with `text`.
fn submissions_of(known: &[SubmissionId], text: &str) -> Vec<SubmissionId> {
    if text.len() < PREFIX_DIGITS_MIN {
        return Vec::new();
    }
    known.iter().filter(|it| it.to_string().starts_with(text)).copied().collect()
}

/// Writes a receipt whole, also into the working folder; where a link stands, to where it leads.
pub(super) fn write_receipt(file: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let path = file.canonicalize().or_else(|_| std::path::absolute(file));
    write_whole(&path.map_err(|error| CommandError::file("writing", file, &error))?, bytes)
}

/// Checks a receipt and the files beside it with the trust store alone.
pub(crate) fn verify(
    context: &Context,
    file: &Path,
    others: &[String],
    requirements: &[Requirement],
    html: Option<&Path>,
) -> Result<u8, CommandError> {
    html.map_or(Ok(()), refuse_taken)?;
    let bytes = read_beginning(file, RECEIPT_BYTES_MAX)?;
    let given = others.iter().map(|path| given_file(Path::new(path)));
    let given = given.collect::<Result<Vec<_>, _>>()?;
    let parsed = Receipt::parse(&bytes);
    let sort = parsed.as_ref().err().and_then(|_| ProofSort::of(&bytes));
    let sha256 = html.map(|_| Sha256Digest::of(&bytes));
    drop(bytes);
    let (mut log_believed, at, algorithms) = (false, context.clock.now(), algorithms()?);
    let (mut check, revocation, receipt) = match parsed {
        Ok(receipt) => {
            let trust = context.trust.receipt_trust(&receipt.archive)?;
            let rules = BundleRules { trust: &trust, algorithms: &algorithms, at };
            let (mut check, revocation) = check_receipt_at(&receipt, &given, &rules);
            log_believed = is_believed(&check.findings);
            let met = MetTrust { judged: &trust, own: Some(&trust) };
            if let Some(fork) = fork(context, (&receipt, file), &check, &met) {
                check.verdict = Verdict::Damaged;
                check.findings.push(fork);
            }
            check.findings.extend(unknown_of_receipt(requirements));
            check.findings.extend(nothing_sealed(receipt.batches.len(), requirements));
            (check, Some(revocation), Some(receipt))
        }
        Err(error) => match sort {
            Some(ProofSort::Bundle) => {
                return Err(other_sort(
                    file,
                    "no receipt but a ZIP, as bundles are",
                    "sigillo check",
                ));
            }
            Some(ProofSort::Period) => {
                return Err(other_sort(file, "a period statement and no receipt", "sigillo check"));
            }
            _ => (ReceiptCheck::unreadable(&error), None, None),
        },
    };
    check.findings.extend(unstamped(&check.findings, requirements));
    check.verdict = require(&mut check.findings, requirements, check.verdict);
    if let Some((path, sha256)) = html.zip(sha256) {
        let page = CheckedPage {
            sort: CheckedSort::Receipt,
            name: &name_of(file),
            sha256,
            at,
            verdict: check.verdict,
            findings: &check.findings,
            more_findings: check.more_findings,
            receipt: receipt.as_ref().map(|receipt| (receipt, &check)),
            files_inside: 0,
            revocation: revocation.as_ref(),
            log_believed,
        };
        write_new(path, render_html(&page).as_bytes())?;
    }
    let mut text = check_text(&check, receipt.as_ref());
    text.push_str(&revocation.as_ref().map(summary_text).unwrap_or_default());
    let value = check_json(&check, receipt.as_ref());
    context.output.result("sigillo.verify.receipt/1", &text, value);
    Ok(exit_code(&check.findings))
}

/// Compares the logs of a receipt, if the newest is believed, with what was seen of each: its checkpoint,
/// where those before it ended, and which log came after each.
pub(crate) fn fork(
    context: &Context,
    (receipt, file): (&Receipt, &Path),
    check: &ReceiptCheck,
    trust: &MetTrust<'_>,
) -> Option<Finding> {
    // What is damaged is compared with nothing, and only what is proven teaches anything.
    let is_whole = check.logs.len() as u64 == receipt.archive.newest_log();
    if !teaches(&check.findings, check.verdict) || !is_whole {
        return None;
    }
    let heads = check.logs.iter().map(|it| (it.generation, &it.checkpoint));
    let own = trust.own.filter(|_| check.verdict == Verdict::Intact);
    context.meet((&receipt.archive, file), &MetTrust { own, ..*trust }, heads)
}

/// Tells whether whoever checked a receipt believes the key of its log.
pub(crate) fn is_believed(findings: &[Finding]) -> bool {
    findings.iter().all(|it| it.code != FindingCode::OriginUnknown)
}

/// Tells whether what was found of a proof lets it teach what logs there are: what is damaged may be made up.
pub(crate) fn teaches(findings: &[Finding], verdict: Verdict) -> bool {
    is_believed(findings) && verdict != Verdict::Damaged
}

/// Refuses a proof of another sort than a command checks.
pub(crate) fn other_sort(file: &Path, what: &str, command: &str) -> CommandError {
    let words = format!("{} is {what}", file.display());
    CommandError::new(ErrorKind::Invalid, words)
        .hint(format!("`{command} {}` checks it", file.display()))
}

pub(crate) fn given_file(path: &Path) -> Result<GivenFile, CommandError> {
    let failed = |error| CommandError::file("reading", path, &error);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut sha256, mut sha512, mut size) = (Sha256Hasher::default(), Sha512Hasher::default(), 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece).map_err(failed)?;
        if length == 0 {
            break;
        }
        size += length as u64;
        sha256.update(&piece[..length]);
        sha512.update(&piece[..length]);
    }
    let name = path.file_name().map(|name| encode_name(name.as_bytes())).unwrap_or_default();
    Ok(GivenFile { name, sha256: sha256.finish(), sha512: Some(sha512.finish()), size })
}

pub(super) fn documents_text(receipt: &Receipt) -> String {
    let documents = counted(receipt.documents.len() as u64, "document");
    match &receipt.submission {
        Some(submission) => format!("submission {} with {documents}", submission.id),
        None => documents,
    }
}

pub(super) fn evidence_text(receipt: &Receipt) -> &'static str {
    let is_sealed = receipt.batches.iter().all(|batch| batch.sealed.is_some());
    let is_stamped = receipt.sealings.iter().all(|sealing| !sealing.tokens.is_empty());
    match (is_sealed, is_stamped, receipt.archive.trial) {
        _ if receipt.batches.is_empty() => "nothing in it was archived, so nothing is sealed",
        (false, ..) => "not sealed yet, `sigillo receipt refresh` completes it later",
        (true, false, _) => "sealed, without time-stamp yet",
        (true, true, true) => "sealed, with a TRIAL time-stamp, not qualified",
        (true, true, false) => "sealed, with a time-stamp",
    }
}

pub(super) fn summary(receipt: &Receipt, file: &Path, findings: &[Finding]) -> Value {
    json!({
        "batches": receipt.batches.len(),
        "documents": receipt.documents.len(),
        "file": file.display().to_string(),
        "findings": findings,
        "renewals": renewals_in(receipt),
        "sealed": receipt.batches.iter().filter(|batch| batch.sealed.is_some()).count(),
        "submission": receipt.submission.as_ref().map(|it| it.id),
        "time_stamps": receipt.sealings.iter().map(|it| it.tokens.len()).sum::<usize>(),
        "trial": receipt.archive.trial,
    })
}

/// Returns the files beside a receipt that have other bytes than it states, if nothing else is
/// damaged.
fn differing_files(check: &ReceiptCheck) -> Vec<String> {
    let damage = check.findings.iter().filter(|finding| finding.severity == Severity::Damage);
    let damage: Vec<_> = damage.collect();
    let of_files = |it: &&Finding| it.code == FindingCode::ReceiptFileDiffers;
    if check.more_findings > 0 || !damage.iter().all(of_files) {
        return Vec::new();
    }
    damage.iter().map(|finding| visible(&finding.object)).collect()
}

/// Tells whether the receipt does not say what became of all of its submission.
fn is_open(check: &ReceiptCheck) -> bool {
    check.findings.iter().any(|finding| finding.code == FindingCode::ReceiptSubmissionOpen)
}

fn check_text(check: &ReceiptCheck, receipt: Option<&Receipt>) -> String {
    let mut text = String::new();
    let differing = differing_files(check);
    let (word, tail) = match check.verdict {
        Verdict::Damaged if !differing.is_empty() => (
            "DAMAGED",
            format!(
                ": the receipt is sound, but not the archived {}: {}",
                if differing.len() == 1 { "file" } else { "files" },
                differing.join(", ")
            ),
        ),
        Verdict::Damaged => {
            ("DAMAGED", ": the receipt does not prove what it says, see below".to_owned())
        }
        Verdict::CannotTell => {
            ("CANNOT TELL", ": nothing is known to be wrong, see below".to_owned())
        }
        Verdict::Intact if is_open(check) => (
            "INTACT",
            ", as far as it goes: the end of the submission is not yet in this receipt".to_owned(),
        ),
        Verdict::Intact => ("INTACT", String::new()),
    };
    text.push_str(&format!("{word}{tail}\n"));
    if let Some(receipt) = receipt {
        text.push_str(&format!(
            "  {} of {} proven, archive of {}\n",
            grouped(check.documents),
            counted(receipt.documents.len() as u64, "document"),
            visible(&receipt.archive.entity)
        ));
    }
    if let Some(checkpoint) = &check.checkpoint {
        text.push_str(&format!("  under a checkpoint of {}\n", counted(checkpoint.size, "entry")));
    }
    if check.logs.len() > 1 {
        text.push_str(&logs_text(&check.logs));
    }
    text.push_str(&cosigned_text(&check.cosigned));
    for time in &check.times {
        let what = match (time.trial, time.qualified) {
            (true, _) => "TRIAL time-stamp, not qualified",
            (false, true) => "qualified time-stamp",
            (false, false) => "time-stamp",
        };
        text.push_str(&format!(
            "  sealing {}{}: {what} of {}, by {}{}\n",
            time.sealing,
            if time.renewal { ", renewed" } else { "" },
            visible(&time.stamped_at),
            visible(&time.authority),
            not_counting(time),
        ));
    }
    for file in check.files.iter().take(PRINTED_MAX) {
        text.push_str(&format!(
            "  {} is {} of {}\n",
            visible(&file.given),
            visible(&file.name),
            visible(&file.key)
        ));
    }
    text.push_str(&findings_text(&check.findings, check.more_findings));
    text
}

/// Says who cosigned, a line each.
pub(crate) fn cosigned_text(by: &[CosignedBy]) -> String {
    let line = |it: &CosignedBy| {
        let unknown = if it.is_known { "" } else { ", a witness that is not in the trust store" };
        format!("  cosigned at {} by {}{unknown}\n", it.at, visible(&it.witness))
    };
    by.iter().map(line).collect()
}

/// Says which logs were proven, a line each.
pub(crate) fn logs_text(logs: &[CheckedLog]) -> String {
    let line = |it: &CheckedLog| {
        let Checkpoint { origin, size, .. } = &it.checkpoint;
        let ended = if it.ended { ", which ended; the next names its root" } else { "" };
        format!("  log {} of {}{ended}\n", visible(origin), counted(*size, "entry"))
    };
    logs.iter().map(line).collect()
}

/// Says the same to programs.
pub(crate) fn logs_json(logs: &[CheckedLog]) -> Value {
    let value = |it: &CheckedLog| {
        let Checkpoint { origin, size, root } = &it.checkpoint;
        json!({
            "ended": it.ended, "generation": it.generation, "origin": origin,
            "root": root.to_string(), "size": size,
        })
    };
    logs.iter().map(value).collect()
}

/// Says who cosigned to programs.
pub(crate) fn cosigned_json(by: &[CosignedBy]) -> Value {
    let value = |it: &CosignedBy| json!({"at": it.at, "key": it.key, "known": it.is_known, "witness": it.witness});
    by.iter().map(value).collect()
}

/// Says of each time-stamp what it attests, and whether it counts.
pub(crate) fn stamps_json(times: &[AttestedTime]) -> Vec<Value> {
    let times = times.iter().map(|time| {
        json!({
            "authority": time.authority,
            "holds": time.holds(),
            "line": time.line,
            "qualified": time.qualified,
            "renewal": time.renewal,
            "sealing": time.sealing,
            "stamped_at": time.stamped_at,
            "trial": time.trial,
        })
    });
    times.collect()
}

/// Says of a time-stamp that it counts for nothing, if that is so.
pub(crate) fn not_counting(time: &AttestedTime) -> &'static str {
    if time.holds() { "" } else { ": does not count, see what was found on its evidence line" }
}

fn check_json(check: &ReceiptCheck, receipt: Option<&Receipt>) -> Value {
    let files = check.files.iter().map(|file| {
        json!({
            "given": file.given, "key": file.key, "name": file.name, "version": file.version,
        })
    });
    json!({
        "archive": receipt.map(|it| it.archive.id),
        "documents": receipt.map(|it| it.documents.len()),
        "documents_proven": check.documents,
        "files": files.collect::<Vec<_>>(),
        "findings": check.findings,
        "log": check.checkpoint.as_ref().map(|it| {
            json!({"root": it.root.to_string(), "size": it.size})
        }),
        "logs": logs_json(&check.logs),
        "more_findings": check.more_findings,
        "sealings": check.sealings,
        "submission": receipt.and_then(|it| it.submission.as_ref()).map(|it| it.id),
        "time_stamps": stamps_json(&check.times),
        "verdict": check.verdict,
        "witnessed": check.is_witnessed,
        "witnesses": cosigned_json(&check.cosigned),
    })
}
