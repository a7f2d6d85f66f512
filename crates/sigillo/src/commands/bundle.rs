//! `sigillo prove` and `sigillo check`: proof in one file, for who has neither archive nor network.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use sigillo_custody::{AddedValidation, ReceiptLog, ReceiptMaker, ReceiptOf};
use sigillo_model::{ErrorKind, Sha256Digest, Verdict};
use sigillo_proof::{
    ArchiveSection, BUNDLE_BYTES_MAX, Bundle, BundleCheck, BundleRules, CheckedPage, CheckedSort,
    PERIOD_BYTES_MAX, ProofSort, RECEIPT_VALIDATION_BYTES_MAX, RECEIPT_VALIDATION_MAX,
    ReceiptCheck, ReceiptTrust, check_bundle, is_period_statement, render_html,
};
use sigillo_store::ReadPool;

use crate::{
    commands::{
        EXIT_FINDINGS,
        er::algorithms,
        er_revocation::{summary_json, summary_text},
        export::locate,
        log_statement,
        receipt::{
            cosigned_json, cosigned_text, fork, given_file, is_believed, logs_json, logs_text,
            not_counting, other_sort, renewals_in, stamps_json, stamps_text, teaches,
            told_left_out,
        },
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, size_text, visible},
    places::{read_beginning, refuse_taken, write_new},
    require::{Requirement, nothing_sealed, require, unstamped},
    seen::MetTrust,
    trust_store::TrustStore,
};

/// Prove documents to somebody who has neither the archive nor a connection to it
///
/// Writes a bundle: the records of the documents, evidence records (RFC 4998), the proofs that they
/// stand in the log, its signed checkpoint, seals and time-stamps. `sigillo check` checks it, and so
/// do openssl and other programs; README.txt in it says how. The files themselves are in it only with
/// --files: a bundle has at most 64 MiB.
///
/// Who gets a bundle learns the digests of all files of the documents in it.
///
/// Exits with 3 if what says that a certificate was revoked found no room in it.
///
/// Example: sigillo prove 5c1e9a02 -o delibera.zip --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct ProveArgs {
    /// A version id, a document id, at least 8 digits of one, or a key: SOURCE/PATH or
    /// STRUCTURE/REGISTER/YEAR/NUMBER
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// The file to write the bundle to; it is not overwritten
    #[arg(short, long, value_name = "BUNDLE")]
    output: PathBuf,
    /// Put the files of the documents into the bundle as well
    #[arg(long)]
    files: bool,
}

/// Check a bundle or a period statement, without archive and network
///
/// Everything in the bundle is computed anew, from the files, if any are named, up to the checkpoint
/// of the log and the time-stamps; so is everything in a statement of `sigillo log statement`, from
/// the entries of its period. Whom to believe comes from the trust store, or from the folder that
/// --trust names: files NAME.json that `sigillo trust export` printed, and witnesses.txt, a policy for
/// witnesses (C2SP tlog-policy). What was not checked is said.
///
/// Exits with 0 if the bundle proves the documents, or the statement its counts, 3 if something
/// cannot be told, such as from whom it is, 5 if it does not prove what it says, or a file is another.
///
/// Example: sigillo check delibera.zip delibera.pdf
///
/// Example: sigillo check 2026.json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct CheckArgs {
    /// The bundle, or a period statement
    #[arg(value_name = "BUNDLE|STATEMENT")]
    bundle: PathBuf,
    /// Files that are to be in it
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A folder of files NAME.json that `sigillo trust export` printed [default: your trust store]
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// What must be so for exit code 0, beyond what a verdict asks for
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    require: Vec<Requirement>,
    /// Write the outcome of a bundle as a page to be printed as well, HTML; the file is not
    /// overwritten. There is none for period statements
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) async fn prove(context: &Context, args: ProveArgs) -> Result<u8, CommandError> {
    let output = &args.output;
    refuse_taken(output)?;
    let archive = context.archive().await?;
    let (log, reads) = (ReceiptLog::read_for_receipts(&archive).await?, ReadPool::start()?);
    let located = locate(context, &archive, &log.view, &reads, &args.ids).await?;
    let of = ReceiptOf::Versions(located.iter().map(|it| it.version).collect());
    let anchors = &context.knowledge(&archive)?.anchors;
    let told = &log.told_revocations(&archive, anchors).await?;
    let (at, algorithms) = (context.clock.now(), &algorithms()?);
    let maker =
        ReceiptMaker { archive: &archive, log: &log, reads: &reads, told, anchors, algorithms, at };
    let given = maker.make(&of).await?;
    let mut bundle = Bundle { receipt: given.receipt, files: Vec::new() };
    let witnesses = context.trust.witness_keys()?;
    log.add_cosignatures(&archive, &mut bundle.receipt, &witnesses).await?;
    let (by, room) = ((anchors, told), RECEIPT_VALIDATION_BYTES_MAX);
    let validation = log.add_validation(&archive, &mut bundle.receipt, by, room).await?;
    let unfit = |error| CommandError::of(ErrorKind::Invalid, &error);
    let mut zip = bundle.to_zip().map_err(unfit)?;
    if args.files {
        let room = BUNDLE_BYTES_MAX.saturating_sub(zip.len()) as u64;
        bundle.files = maker.files(&bundle.receipt, room).await.map_err(|error| {
            let this = CommandError::from(error);
            this.hint(format!(
                "a bundle has at most {}: leave --files out, and send the files beside it",
                size_text(BUNDLE_BYTES_MAX as u64)
            ))
        })?;
        drop(zip);
        zip = bundle.to_zip().map_err(unfit)?;
    }
    write_new(output, &zip)?;
    let (receipt, size) = (&bundle.receipt, zip.len() as u64);
    let (documents, renewals) = (receipt.documents.len() as u64, renewals_in(receipt));
    let stamps = receipt.sealings.iter().map(|it| it.tokens.len()).sum::<usize>() as u64;
    let unsealed = receipt.batches.iter().filter(|batch| batch.sealed.is_none()).count() as u64;
    let mut text = format!(
        "The proof of {} {}is in {} ({}), with {}{}.\n  \
         Who gets it learns the digests of all files of the documents in it.\n",
        counted(documents, "document"),
        if args.files { "with the files themselves " } else { "" },
        output.display(),
        size_text(size),
        stamps_text(stamps, renewals),
        if receipt.archive.trial { ", TRIAL, not qualified" } else { "" },
    );
    if unsealed > 0 {
        text.push_str(&format!(
            "  {} not sealed yet: after `sigillo seal` a new bundle proves more\n",
            counted(unsealed, "batch"),
        ));
    }
    text.push_str(&no_room_text(validation));
    let value = json!({
        "bytes": size,
        "documents": documents,
        "file": output.display().to_string(),
        "files": bundle.files.len(),
        "findings": given.findings,
        "renewals": renewals,
        "revocation": validation_json(validation),
        "time_stamps": stamps,
        "trial": receipt.archive.trial,
        "unsealed": unsealed,
    });
    context.output.result("sigillo.prove/1", &text, value);
    let code = told_left_out(context, &given.findings);
    Ok(if validation.silent > 0 { code.max(EXIT_FINDINGS) } else { code })
}

fn validation_json(AddedValidation { added, left_out, silent }: AddedValidation) -> Value {
    json!({"answers": added, "left_out": left_out, "revoked_left_out": silent})
}

/// Says how many answers on revocation are not in a bundle, and that they matter if they do.
fn no_room_text(validation: AddedValidation) -> String {
    if validation.left_out == 0 {
        return String::new();
    }
    let mut text = format!(
        "  {} on whether certificates were revoked found no room: at most {} of {} go in\n",
        counted(validation.left_out as u64, "answer"),
        RECEIPT_VALIDATION_MAX,
        size_text(RECEIPT_VALIDATION_BYTES_MAX as u64),
    );
    if validation.silent > 0 {
        text.push_str(&format!(
            "  REVOKED: what says so of {} found no room, so nothing is in it that says otherwise, and \
             whoever checks it cannot tell. `sigillo verify` says more\n",
            counted(validation.silent as u64, "certificate"),
        ));
    }
    text
}

pub(crate) fn check(context: &Context, args: &CheckArgs) -> Result<u8, CommandError> {
    args.html.as_deref().map_or(Ok(()), refuse_taken)?;
    let bytes = read_beginning(&args.bundle, PERIOD_BYTES_MAX.max(BUNDLE_BYTES_MAX as u64))?;
    if is_period_statement(&bytes) {
        if args.html.is_some() {
            let words = "the page of --html is for bundles, and this is a period statement";
            return Err(CommandError::usage(words).hint("leave out --html"));
        }
        let trust = |archive: &_| trust(context, args.trust.as_deref(), archive);
        let asked = (&*args.files, &*args.require);
        return log_statement::check(context, (&bytes, &args.bundle), asked, &trust);
    }
    let given = args.files.iter().map(|path| given_file(path)).collect::<Result<Vec<_>, _>>()?;
    let algorithms = algorithms()?;
    let (at, mut log_believed) = (context.clock.now(), false);
    let (mut check, bundle) = match Bundle::parse(&bytes) {
        Err(_) if ProofSort::of(&bytes) == Some(ProofSort::Receipt) => {
            return Err(other_sort(
                &args.bundle,
                "a receipt and no bundle",
                "sigillo verify --receipt",
            ));
        }
        Err(error) => (BundleCheck::unreadable(&error), None),
        Ok(bundle) => {
            let receipt = &bundle.receipt;
            let (trust, own) = trust(context, args.trust.as_deref(), &receipt.archive)?;
            let rules = BundleRules { trust: &trust, algorithms: &algorithms, at };
            let mut check = check_bundle(&bundle, &given, &rules);
            log_believed = is_believed(&check.findings);
            let believes = |it: &&ReceiptTrust| {
                let check = check_bundle(&bundle, &given, &BundleRules { trust: it, ..rules });
                teaches(&check.findings, check.verdict)
            };
            let own = own.as_ref().map_or(Some(&trust), |own| Some(own).filter(believes));
            let (met, place) = (MetTrust { judged: &trust, own }, (receipt, &*args.bundle));
            let checked = check.receipt.as_ref();
            if let Some(fork) = checked.and_then(|it| fork(context, place, it, &met)) {
                check.verdict = Verdict::Damaged;
                check.findings.push(fork);
            }
            check.findings.extend(nothing_sealed(receipt.batches.len(), &args.require));
            (check, Some(bundle))
        }
    };
    check.findings.extend(unstamped(&check.findings, &args.require));
    check.verdict = require(&mut check.findings, &args.require, check.verdict);
    if let Some(file) = &args.html {
        let receipt = bundle.as_ref().zip(check.receipt.as_ref());
        let page = CheckedPage {
            sort: CheckedSort::Bundle,
            name: &name_of(&args.bundle),
            sha256: Sha256Digest::of(&bytes),
            at,
            verdict: check.verdict,
            findings: &check.findings,
            more_findings: check.more_findings,
            receipt: receipt.map(|(bundle, check)| (&bundle.receipt, check)),
            files_inside: check.files,
            revocation: Some(&check.revocation),
            log_believed,
        };
        write_new(file, render_html(&page).as_bytes())?;
    }
    let text = check_text(&check, bundle.as_ref());
    context.output.result("sigillo.check/1", &text, check_json(&check, bundle.as_ref()));
    Ok(exit_code(&check.findings))
}

/// Whom to believe, and the user's own trust if that is another.
pub(crate) type BothTrusts = (ReceiptTrust, Option<ReceiptTrust>);

/// Returns whom to believe about an archive: the user's own trust store or, if a folder is named, what is in
/// that, with the own one beside it.
fn trust(
    context: &Context,
    folder: Option<&Path>,
    archive: &ArchiveSection,
) -> Result<BothTrusts, CommandError> {
    let own = context.trust.receipt_trust(archive);
    let Some(folder) = folder else { return Ok((own?, None)) };
    if !folder.is_dir() {
        let words = format!("{} is no folder", folder.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("name a folder of files that `sigillo trust export` printed"));
    }
    let named = TrustStore::in_folder(folder.to_owned()).exported_trust(archive)?;
    // Whoever cannot read their own believes nobody by that.
    Ok((named, Some(own.unwrap_or_default())))
}

/// Returns the name of a file without its folders.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn check_text(check: &BundleCheck, bundle: Option<&Bundle>) -> String {
    let word = match check.verdict {
        Verdict::Damaged => "DAMAGED: it does not prove what it says, see below",
        Verdict::CannotTell => "CANNOT TELL: consistent as far as it goes, see below",
        Verdict::Intact => "PROVEN",
    };
    let mut text = format!("{word}\n");
    if let (Some(bundle), Some(receipt)) = (bundle, &check.receipt) {
        text.push_str(&chain_text(bundle, receipt, check));
    }
    text.push_str(&findings_text(&check.findings, check.more_findings));
    text
}

/// Says how the files lead to the checkpoint, as far as it was proven.
fn chain_text(bundle: &Bundle, receipt: &ReceiptCheck, check: &BundleCheck) -> String {
    let inside = check.files;
    let archive = &bundle.receipt.archive;
    let mut text = format!(
        "  archive of {}{}, {}\n",
        visible(&archive.entity),
        if archive.trial { " (TRIAL)" } else { "" },
        archive.id,
    );
    for file in &receipt.files {
        text.push_str(&format!(
            "  {} is {} of {}\n",
            visible(&file.given),
            visible(&file.name),
            visible(&file.key),
        ));
    }
    if inside > 0 {
        let files = counted(inside as u64, "file");
        text.push_str(&format!("  {files} inside, with the digests of the records\n"));
    }
    text.push_str(&format!(
        "  {} in {}, {} proven\n",
        counted(bundle.receipt.documents.len() as u64, "document"),
        counted(bundle.receipt.batches.len() as u64, "batch"),
        receipt.documents,
    ));
    text.push_str(&format!("  {}\n", counted(receipt.sealings, "sealing")));
    for time in &receipt.times {
        text.push_str(&format!(
            "  {}time-stamp of {} by {}{}, over {}sealing {}{}\n",
            if time.qualified { "qualified " } else { "" },
            visible(&time.stamped_at),
            visible(&time.authority),
            if time.trial { " (TRIAL)" } else { "" },
            if time.renewal { "the time-stamps of " } else { "" },
            time.sealing,
            not_counting(time),
        ));
    }
    text.push_str(&summary_text(&check.revocation));
    text.push_str(&logs_text(&receipt.logs));
    text.push_str(&cosigned_text(&receipt.cosigned));
    text
}

fn check_json(check: &BundleCheck, bundle: Option<&Bundle>) -> Value {
    let receipt = check.receipt.as_ref();
    let files = receipt.map_or(&[][..], |it| &it.files);
    let times = receipt.map_or(&[][..], |it| &it.times);
    json!({
        "archive": bundle.map(|it| it.receipt.archive.id),
        "bundled_files": check.files,
        "documents": bundle.map(|it| it.receipt.documents.len()),
        "documents_proven": receipt.map_or(0, |it| it.documents),
        "entity": bundle.map(|it| &it.receipt.archive.entity),
        "files": files.iter().map(|file| json!({
            "given": file.given, "key": file.key, "name": file.name, "version": file.version,
        })).collect::<Vec<_>>(),
        "findings": check.findings,
        "log": receipt.and_then(|it| it.checkpoint.as_ref()).map(|it| json!({
            "root": it.root.to_string(), "size": it.size,
        })),
        "logs": logs_json(receipt.map_or(&[], |it| &it.logs)),
        "more_findings": check.more_findings,
        "revocation": summary_json(&check.revocation),
        "sealings": receipt.map_or(0, |it| it.sealings),
        "time_stamps": stamps_json(times),
        "verdict": check.verdict,
        "witnessed": receipt.is_some_and(|it| it.is_witnessed),
        "witnesses": cosigned_json(receipt.map_or(&[], |it| &it.cosigned)),
    })
}
