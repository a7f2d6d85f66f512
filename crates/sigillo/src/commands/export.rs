//! `sigillo get` and `sigillo export`: documents given back.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use serde_json::json;

use sigillo_catalogue::{KeyIndex, LeftOut};
use sigillo_custody::{
    ExportOutcome, ExportProblem, Exporter, KnownVersions, Locator, OTHERS, RECORDS,
};
use sigillo_evidence_log::{Archive, LogView, catch_up_index, forget_foreign_index, read_view};
use sigillo_model::VersionId;
use sigillo_store::ReadPool;

use crate::{
    cli::{ExportArgs, GetArgs},
    commands::{EXIT_CLEAN, EXIT_DAMAGE, EXIT_REFUSED, suggest::with_suggestions},
    context::Context,
    error::CommandError,
    output::{counted, size_text, visible},
    places::archive_around,
    progress::{Count, Shown, Work},
};

/// What `export --json` prints.
const EXPORT: &str = "sigillo.export/1";

/// At most this many problems are printed.
const PRINTED_MAX: usize = 50;

/// Gives single documents back.
pub(crate) async fn get(context: &Context, args: GetArgs) -> Result<u8, CommandError> {
    refuse_archive(&args.output)?;
    let (archive, view, exporter) = open(context).await?;
    let located = locate(context, &archive, &view, &exporter.reads, &args.ids).await?;
    // As far as it is known: what it does not have is looked for in the lists of the batches.
    let known = KnownVersions::new(context.index(&archive)?);
    make_folder(&args.output)?;
    let outcome = exporter.get(&view, known, &located, &args.output).await?;
    Ok(report(context, "sigillo.get/1", &outcome, &args.output))
}

/// Gives every document back.
pub(crate) async fn export(context: &Context, args: ExportArgs) -> Result<u8, CommandError> {
    refuse_archive(&args.output)?;
    let (archive, view, exporter) = open(context).await?;
    let (known, incomplete) = know_versions(context, &archive, &view, &exporter.reads).await?;
    make_folder(&args.output)?;
    let counted = Arc::clone(&exporter.progress);
    let work = Work { verb: "Exported", unit: "bytes" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: counted.bytes.load(Ordering::Relaxed),
        total: counted.bytes_found.load(Ordering::Relaxed),
        bytes: 0,
    });
    let mut outcome = exporter.export_all(&view, known, &args.output).await?;
    outcome.problems.extend(incomplete);
    drop(shown);
    Ok(report(context, EXPORT, &outcome, &args.output))
}

/// Finds the documents that texts name, with an index that is up to the log.
pub(crate) async fn locate(
    context: &Context,
    archive: &Archive,
    view: &LogView,
    reads: &ReadPool,
    ids: &[String],
) -> Result<Vec<sigillo_custody::Located>, CommandError> {
    let mut index = context.index(archive)?;
    forget_foreign_index(archive, &mut index).await?;
    // A whole version id needs no index: what is damaged elsewhere must not keep it back.
    let is_whole = |id: &String| id.parse::<VersionId>().is_ok();
    if !ids.iter().all(is_whole) {
        catch_up_index(archive, &mut index, reads).await?;
        if let Some(words) = lacking(&index) {
            let words = visible(&words);
            context
                .output
                .say(&format!("note: {words}; a newer version of what is named may be among them"));
        }
    }
    let locator = Locator { archive, view, index: &index };
    let mut located = Vec::new();
    for id in ids {
        match locator.locate(id).await {
            Ok(found) => located.push(found),
            Err(error) => return Err(with_suggestions(&locator, error).await),
        }
    }
    Ok(located)
}

/// Learns which versions there are; where damage keeps the index from being completed, from what
/// can be read, and says so.
async fn know_versions(
    context: &Context,
    archive: &Archive,
    view: &LogView,
    reads: &ReadPool,
) -> Result<(KnownVersions, Option<ExportProblem>), CommandError> {
    let mut index = context.index(archive)?;
    forget_foreign_index(archive, &mut index).await?;
    let problem = |reason| ExportProblem { version: None, key: None, reason, damage: true };
    let Err(error) = catch_up_index(archive, &mut index, reads).await else {
        let reason = lacking(&index).map(|words| {
            format!("{words}, so which versions are the newest was told without them")
        });
        return Ok((KnownVersions::new(index), reason.map(problem)));
    };
    let commit = index.complete_to() + 1;
    let reason = format!(
        "the index of keys cannot take in commit {commit}, so which versions are the newest was \
         told from what can be read: {}",
        words_of(&error)
    );
    let mut known = KnownVersions::new(index);
    known.read_beyond(archive, view, reads).await?;
    Ok((known, Some(problem(reason))))
}

/// Says what the index lacks, if anything.
fn lacking(index: &KeyIndex) -> Option<String> {
    let first = index.left_out().first()?;
    let documents: u64 = index.left_out().iter().map(|it| it.documents).sum();
    let (documents, LeftOut { object, what, .. }) = (counted(documents, "document"), first);
    let more = index.left_out().len() - 1;
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    Some(format!(
        "the index of keys lacks {documents}, which could not be read ({object}: {what}{more})"
    ))
}

/// Puts an error and its causes into words.
fn words_of(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

async fn open(context: &Context) -> Result<(Archive, LogView, Exporter), CommandError> {
    let archive = context.archive().await?;
    let view = read_view(&archive).await?;
    let exporter =
        Exporter { archive: archive.clone(), reads: ReadPool::start()?, progress: Arc::default() };
    Ok((archive, view, exporter))
}

fn make_folder(folder: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(folder)
        .map_err(|error| CommandError::file("making", folder, &error))?;
    // Now it is known where the path leads.
    refuse_archive(folder)
}

/// Refuses to write among the objects of an archive, where a file could pass for one.
fn refuse_archive(folder: &Path) -> Result<(), CommandError> {
    let Some(archive) = archive_around(folder) else { return Ok(()) };
    let words = if folder.canonicalize().is_ok_and(|it| it == archive) {
        format!("{} is an archive: nothing is given back into it", folder.display())
    } else {
        format!("{} lies in an archive, {}", folder.display(), archive.display())
    };
    Err(CommandError::usage(words).hint("name a folder outside of every archive with -o"))
}

/// Says what was given back, and what was not.
fn headline(outcome: &ExportOutcome, folder: &Path) -> String {
    let folder = folder.display();
    let documents = counted(outcome.documents, "document");
    let mut text = if outcome.documents == 0 && !outcome.problems.is_empty() {
        format!("NOTHING was given back in {folder}:\n")
    } else {
        let size = size_text(outcome.bytes);
        let end = if outcome.problems.is_empty() { "." } else { "; NOT everything:" };
        format!("{documents} ({size}) given back in {folder}, every digest checked{end}\n")
    };
    if outcome.records > 0 {
        let records = counted(outcome.records, "record");
        text.push_str(&format!(
            "  {records}, all that was stated of them, in {folder}/{RECORDS}\n"
        ));
    }
    text
}

/// Says which documents are not where their keys say.
fn aside_text(outcome: &ExportOutcome) -> String {
    let mut text = String::new();
    if outcome.aside.is_empty() {
        return text;
    }
    text.push_str(&format!(
        "  {} could not lie in the place of the key, which another has or no file system takes, \
         and went to {OTHERS}/VERSION:\n",
        counted(outcome.aside.len() as u64, "document")
    ));
    for aside in outcome.aside.iter().take(PRINTED_MAX) {
        text.push_str(&format!("    {}: {OTHERS}/{}\n", visible(&aside.key), aside.version));
    }
    if outcome.aside.len() > PRINTED_MAX {
        let more = outcome.aside.len() - PRINTED_MAX;
        text.push_str(&format!("    and {more} more; --json lists them all\n"));
    }
    text
}

fn report(context: &Context, schema: &str, outcome: &ExportOutcome, folder: &Path) -> u8 {
    let mut text = headline(outcome, folder);
    text.push_str(&aside_text(outcome));
    for problem in outcome.problems.iter().take(PRINTED_MAX) {
        let what = problem.version.map_or_else(String::new, |version| {
            let key = problem.key.as_deref().unwrap_or("(its name cannot be read)");
            format!("not given back: {} ({}…): ", visible(key), &version.to_string()[..8])
        });
        text.push_str(&format!("  {what}{}\n", visible(&problem.reason)));
    }
    if outcome.problems.len() > PRINTED_MAX {
        let more = outcome.problems.len() - PRINTED_MAX;
        text.push_str(&format!("  and {more} more; --json lists them all\n"));
    }
    let problems = outcome.problems.iter().map(|problem| {
        json!({
            "damage": problem.damage, "key": problem.key,
            "reason": problem.reason, "version": problem.version,
        })
    });
    let aside = outcome.aside.iter().map(|it| json!({"key": it.key, "version": it.version}));
    let mut value = json!({
        "aside": aside.collect::<Vec<_>>(),
        "bytes": outcome.bytes,
        "documents": outcome.documents,
        "folder": folder.display().to_string(),
        "problems": problems.collect::<Vec<_>>(),
    });
    if schema == EXPORT {
        value["records"] = outcome.records.into();
    }
    context.output.result(schema, &text, value);
    match outcome.problems.iter().map(|problem| problem.damage).max() {
        None => EXIT_CLEAN,
        Some(false) => EXIT_REFUSED,
        Some(true) => EXIT_DAMAGE,
    }
}
