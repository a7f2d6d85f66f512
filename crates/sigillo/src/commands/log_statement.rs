//! `sigillo log statement`, and `sigillo check` of what it made.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use sigillo_custody::{MadePeriod, MakePeriodError, PeriodAsked, PeriodBound, PeriodMaker};
use sigillo_evidence_log::Archive;
use sigillo_merkle::{Checkpoint, NOTE_BYTES_MAX};
use sigillo_model::{ErrorKind, Finding, Verdict};
use sigillo_proof::{
    ArchiveSection, PeriodCheck, PeriodCommit, PeriodStatement, TypeCount, check_period,
    render_period,
};

use crate::{
    commands::{
        EXIT_CLEAN,
        bundle::BothTrusts,
        log::checkpoint_of,
        log_ended::{NotContained, told_of_unsigned},
        receipt::{logs_text, teaches},
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, size_text, visible},
    places::{read_beginning, refuse_taken, write_new},
    require::{Requirement, require, unknown_of_period, unstamped},
    seen::MetTrust,
};

/// At most so many batches are printed; --json lists all of them.
const PRINTED_MAX: usize = 20;

/// Length of a day as it is written, YYYY-MM-DD.
const DAY_BYTES: usize = 10;

/// State what happened in a period, in one sealed file (rendiconto di periodo)
///
/// Counts documents, bytes, batches, submissions, refusals, holds, disposals, renewals, fixity reads
/// and incidents. Every entry of the period is in the file, and leads from a signed checkpoint of the
/// log to another one: `sigillo check` counts them anew, with neither archive nor network.
///
/// A period begins and ends at a checkpoint that you kept, or at a date: a day, of UTC, is meant
/// with all its hours; a time as 2026-01-31T18:00:00Z is where the period begins, or where it has
/// ended. The times that commits state decide. Without --from it begins with the log, without --to
/// it goes on to the newest commit. Statements leave no gap if the newer checkpoint of one is the
/// older one of the next; `sigillo check` names both.
///
/// A statement is of one log. Where a log was succeeded by another within the period, state each by
/// itself: with --generation 1 to the end of the first, with --generation 2 from there on.
///
/// Example: sigillo log statement --from 2026-01-01 --to 2026-12-31 -o 2026.json --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatementArgs {
    /// Where the period begins
    #[arg(long, value_name = "CHECKPOINT|DATE")]
    from: Option<String>,
    /// Where the period ends
    #[arg(long, value_name = "CHECKPOINT|DATE")]
    to: Option<String>,
    /// The log that it is of, where one came after another, from 1 [default: that of the entries]
    #[arg(long, value_name = "NUMBER")]
    generation: Option<u64>,
    /// The file to write the statement to; it is not overwritten [default: it is printed]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: &StatementArgs) -> Result<u8, CommandError> {
    if let Some(output) = &args.output {
        refuse_taken(output)?;
    }
    let archive = context.archive().await?;
    // What is sealed here would be believed: nothing is stated of a log that lost its newest part.
    context.refuse_diverged(&archive).await?;
    let asked = PeriodAsked {
        from: match &args.from {
            Some(from) => Some(bound_of(from, &archive, false).await?),
            None => None,
        },
        to: match &args.to {
            Some(to) => Some(bound_of(to, &archive, true).await?),
            None => None,
        },
        generation: args.generation,
    };
    refuse_not_contained(context, &archive, &asked).await?;
    let keys = context.keys(&archive)?;
    let authorities = context.authorities(&keys)?;
    let maker = PeriodMaker {
        archive: &archive,
        log_key: &keys.log_signer(),
        seal_key: &keys.seal(),
        authorities: &authorities,
        clock: &*context.clock,
        entropy: &*context.entropy,
    };
    let made = maker.make(&asked).await.map_err(|error| explained(&error))?;
    let bytes = made.statement.to_json();
    let Some(output) = &args.output else {
        context.output.data(&String::from_utf8_lossy(&bytes));
        context.output.data("\n");
        return Ok(EXIT_CLEAN);
    };
    write_new(output, &bytes)?;
    let text = made_text(&made, output, bytes.len() as u64);
    let value = json!({
        "bytes": bytes.len(),
        "counts": made.stated.counts,
        "file": output.display().to_string(),
        "first": commit_json(made.stated.first.as_ref()),
        "generation": made.generation,
        "last": commit_json(made.stated.last.as_ref()),
        "newer": checkpoint_json(Some(&made.newer)),
        "older": checkpoint_json(made.older.as_ref()),
        "refused": made.refused.iter().map(|refused| json!({
            "authority": refused.authority, "words": refused.words,
        })).collect::<Vec<_>>(),
        "stamped_at": made.stamped_at,
        "trial": made.statement.archive.trial,
        "unknown": unknown(&made.stated.types),
    });
    context.output.result("sigillo.log.statement/1", &text, value);
    Ok(EXIT_CLEAN)
}

/// Refuses a bound that is a checkpoint of a log that ended, where the act of that end says why the log does
/// not contain it.
async fn refuse_not_contained(
    context: &Context,
    archive: &Archive,
    asked: &PeriodAsked,
) -> Result<(), CommandError> {
    for bound in [&asked.from, &asked.to] {
        let Some(PeriodBound::Checkpoint(kept)) = bound else { continue };
        let found = NotContained::find(context, archive, kept).await?;
        if let Some(refused) = found.and_then(|it| it.refused()) {
            return Err(
                refused.hint("let the period begin and end with a date, or another checkpoint")
            );
        }
    }
    Ok(())
}

/// Reads where a period begins, or ends: a day, a time, or a file with a checkpoint.
async fn bound_of(
    text: &str,
    archive: &Archive,
    is_end: bool,
) -> Result<PeriodBound, CommandError> {
    if text.len() == DAY_BYTES
        && let Ok(day) = text.parse::<Date>()
    {
        let day = if is_end { day.checked_add(1.day()).ok() } else { Some(day) };
        let instant = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        let instant = instant.ok_or_else(|| CommandError::usage(format!("{text} is too late")))?;
        return Ok(PeriodBound::Time(instant.timestamp()));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(PeriodBound::Time(time));
    }
    let path = Path::new(text);
    let forms = "give a day as 2026-01-31, a time as 2026-01-31T18:00:00Z, or a file that `sigillo \
                 log checkpoint` printed for this archive";
    let bytes = read_beginning(path, NOTE_BYTES_MAX as u64).map_err(|error| error.hint(forms))?;
    let checkpoint = checkpoint_of(&bytes, &archive.key_of(&bytes).await?).map_err(|what| {
        let words = format!("{text} is no checkpoint of this log: {what}");
        told_of_unsigned(CommandError::new(ErrorKind::Invalid, words).hint(forms), archive, &bytes)
    })?;
    Ok(PeriodBound::Checkpoint(checkpoint))
}

fn explained(error: &MakePeriodError) -> CommandError {
    let this = CommandError::of(error.kind(), error);
    match error {
        _ if error.is_too_large() => {
            this.hint("state shorter periods, one after the other: months instead of a year")
        }
        MakePeriodError::Empty => {
            this.hint("`sigillo log entries` lists what there is, with the times of the commits")
        }
        MakePeriodError::OverBorder { first, last } => {
            let each = (*first..=*last).map(|it| format!("--generation {it}"));
            let each = each.collect::<Vec<_>>().join(", then with ");
            this.hint(format!("state each log by itself, over the same period: with {each}"))
        }
        MakePeriodError::LogDiffers { .. } => this.hint(
            "keep the checkpoint: it proves that the log was shortened or rewritten; `sigillo log \
             consistency` says which",
        ),
        _ => this,
    }
}

fn made_text(made: &MadePeriod, output: &Path, size: u64) -> String {
    let trial = made.statement.archive.trial;
    let mut text = format!(
        "The statement of the period is in {} ({}), sealed{}, {}.\n",
        output.display(),
        size_text(size),
        if trial { " (TRIAL, not qualified)" } else { "" },
        match &made.stamped_at {
            Some(at) => format!("with a time-stamp of {}", visible(at)),
            None => "without a time-stamp".to_owned(),
        },
    );
    text.push_str(&bounds_text(made.older.as_ref(), &made.newer, made.generation));
    text.push_str(&render_period(&made.stated, PRINTED_MAX));
    text.push_str(&unknown_text(&unknown(&made.stated.types)));
    for refused in &made.refused {
        text.push_str(&format!(
            "  the authority {} did not help: {}\n",
            visible(&refused.authority),
            visible(&refused.words)
        ));
    }
    if made.stamped_at.is_none() {
        text.push_str("  make it again later, under another name, to have a time-stamp\n");
    }
    text
}

fn bounds_text(older: Option<&Checkpoint>, newer: &Checkpoint, generation: u64) -> String {
    let log = if generation > 1 { format!("log {generation}") } else { "the log".to_owned() };
    let from = match older {
        None => format!("the beginning of {log}"),
        Some(older) => checkpoint_text(older),
    };
    format!("  from {from}\n  to {}\n", checkpoint_text(newer))
}

fn checkpoint_text(checkpoint: &Checkpoint) -> String {
    let root = hex::encode(checkpoint.root.as_bytes());
    format!("the checkpoint of {}, root {root}", counted(checkpoint.size, "entry"))
}

fn unknown(types: &[TypeCount]) -> Vec<&TypeCount> {
    types.iter().filter(|it| !it.is_known()).collect()
}

fn unknown_text(unknown: &[&TypeCount]) -> String {
    let line = |it: &&TypeCount| {
        let name = visible(&it.type_name);
        format!("  {:>16}  entries of the unknown type {name}, version {}\n", it.count, it.v)
    };
    unknown.iter().map(line).collect()
}

fn commit_json(commit: Option<&PeriodCommit>) -> Value {
    commit.map_or(Value::Null, |it| json!({"at": it.at, "commit": it.commit}))
}

fn checkpoint_json(checkpoint: Option<&Checkpoint>) -> Value {
    checkpoint
        .map_or(Value::Null, |it| json!({"root": hex::encode(it.root.as_bytes()), "size": it.size}))
}

/// Checks a period statement, which lies in a file, by what is required of it; `trust_of` says whom to believe about the archive it
/// names, with the user's own trust if that is another.
pub(crate) fn check(
    context: &Context,
    (bytes, file): (&[u8], &Path),
    (files, requirements): (&[PathBuf], &[Requirement]),
    trust_of: &dyn Fn(&ArchiveSection) -> Result<BothTrusts, CommandError>,
) -> Result<u8, CommandError> {
    if let Some(file) = files.first() {
        let words = format!("a period statement has no files: {} cannot be in it", file.display());
        return Err(CommandError::usage(words).hint("check the statement by itself"));
    }
    let (mut check, archive) = match PeriodStatement::parse(bytes) {
        Err(error) => (PeriodCheck::unreadable(&error), None),
        Ok(period) => {
            let (trust, own) = trust_of(&period.archive)?;
            let mut check = check_period(&period, &trust);
            let own = match &own {
                None => Some(&trust),
                Some(own) => Some(own).filter(|it| {
                    let check = check_period(&period, it);
                    teaches(&check.findings, check.verdict)
                }),
            };
            let met = MetTrust { judged: &trust, own };
            if let Some(fork) = fork(context, (&period.archive, file), &check, &met) {
                check.verdict = Verdict::Damaged;
                check.findings.push(fork);
            }
            check.findings.extend(unknown_of_period(requirements));
            (check, Some(period.archive))
        }
    };
    check.findings.extend(unstamped(&check.findings, requirements));
    check.verdict = require(&mut check.findings, requirements, check.verdict);
    let text = check_text(&check, archive.as_ref());
    let value = check_json(&check, archive.as_ref());
    context.output.result("sigillo.check.statement/1", &text, value);
    Ok(exit_code(&check.findings))
}

/// Compares the checkpoints of a statement, where logs ended and which came after them with what was seen
/// of them, if the newest is believed.
fn fork(
    context: &Context,
    (archive, file): (&ArchiveSection, &Path),
    check: &PeriodCheck,
    trust: &MetTrust<'_>,
) -> Option<Finding> {
    // What is damaged is compared with nothing, and only what is proven teaches anything.
    let is_whole = check.logs.len() as u64 == archive.newest_log();
    if !teaches(&check.findings, check.verdict) || !is_whole {
        return None;
    }
    // The older one of a log that ended bears no signature.
    let older = check.older.as_ref().filter(|_| check.generation == Some(archive.newest_log()));
    let bounds = older.into_iter().chain(&check.checkpoint);
    let bounds = bounds.filter_map(|it| Some((check.generation?, it)));
    let logs = check.logs.iter().map(|it| (it.generation, &it.checkpoint));
    let own = trust.own.filter(|_| check.verdict == Verdict::Intact);
    context.meet((archive, file), &MetTrust { own, ..*trust }, bounds.chain(logs))
}

fn check_text(check: &PeriodCheck, archive: Option<&ArchiveSection>) -> String {
    let word = match check.verdict {
        Verdict::Damaged => "DAMAGED: it does not prove what it says, see below",
        Verdict::CannotTell => "CANNOT TELL: consistent as far as it goes, see below",
        Verdict::Intact => "PROVEN: these are all the entries between the two checkpoints",
    };
    let mut text = format!("{word}\n");
    if let Some(archive) = archive {
        text.push_str(&format!(
            "  archive of {}{}, {}\n",
            visible(&archive.entity),
            if archive.trial { " (TRIAL)" } else { "" },
            archive.id,
        ));
    }
    if let Some(signer) = &check.sealed_by {
        text.push_str(&format!("  sealed by {}\n", visible(signer)));
    }
    if let Some(time) = &check.time {
        text.push_str(&format!(
            "  {}time-stamp of {} by {}{}\n",
            if time.qualified { "qualified " } else { "" },
            visible(&time.stamped_at),
            visible(&time.authority),
            if time.trial { " (TRIAL)" } else { "" },
        ));
    }
    if check.logs.len() > 1 {
        text.push_str(&logs_text(&check.logs));
    }
    // What does not follow from the entries is not shown as if it did.
    if let (Some(stated), Some(newer), Some(_), true) =
        (&check.stated, &check.checkpoint, &check.counted, check.verdict != Verdict::Damaged)
    {
        text.push_str(&bounds_text(check.older.as_ref(), newer, check.generation.unwrap_or(1)));
        text.push_str(&render_period(stated, PRINTED_MAX));
        text.push_str(&unknown_text(&check.unknown.iter().collect::<Vec<_>>()));
    }
    text.push_str(&findings_text(&check.findings, check.more_findings));
    text
}

fn check_json(check: &PeriodCheck, archive: Option<&ArchiveSection>) -> Value {
    let counted = check.counted.as_ref();
    json!({
        "archive": archive.map(|it| it.id),
        "batches": counted.map_or(&[][..], |it| &it.batches),
        "counts": counted.map(|it| it.counts),
        "entity": archive.map(|it| &it.entity),
        "findings": check.findings,
        "first": commit_json(counted.and_then(|it| it.first.as_ref())),
        "generation": check.generation,
        "last": commit_json(counted.and_then(|it| it.last.as_ref())),
        "more_findings": check.more_findings,
        "newer": checkpoint_json(check.checkpoint.as_ref()),
        "older": checkpoint_json(check.older.as_ref()),
        "sealed_by": check.sealed_by,
        "time_stamp": check.time.as_ref().map(|time| json!({
            "authority": time.authority, "qualified": time.qualified,
            "stamped_at": time.stamped_at, "trial": time.trial,
        })),
        "types": counted.map_or(&[][..], |it| &it.types),
        "unknown": check.unknown,
        "verdict": check.verdict,
    })
}
