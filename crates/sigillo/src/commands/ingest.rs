//! `sigillo ingest`: folders become committed, sealed and time-stamped documents.

use std::{
    collections::HashMap,
    io::Read as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use sigillo_evidence_log::{Archive, TableFault, Tables, place_of};
use sigillo_formats::{METADATA_BYTES_MAX, Manifest, read_metadata_csv};
use sigillo_ingest::{
    FolderSource, IngestOptions, IngestOutcome, Ingester, Progress, Refusal, RefusalCode,
    Submission, Target, Watch,
};
use sigillo_model::{Entity, ErrorKind};
use sigillo_store::{ReadPool, StoreUrl};

use crate::{
    cli::IngestArgs,
    commands::{
        EXIT_CLEAN, EXIT_INTERRUPTED, EXIT_REFUSED, init,
        seal::{SealReport, seal_and_stamp},
        suggest::similar_path,
    },
    context::{Context, head_of, head_text},
    error::CommandError,
    output::{Output, counted, grouped, visible},
    places::archive_around,
    progress::{Count, Shown, Work},
};

/// At most this many refusals are printed; all are in the report of the submission.
const PRINTED_MAX: usize = 20;

/// Of refusals that have the same remedy, so many are printed before others of their kind.
const ALIKE_MAX: usize = 3;

/// Ingests every source, then seals what is new.
pub(crate) async fn run(context: Context, args: IngestArgs) -> Result<u8, CommandError> {
    let stop = stop_on_interrupt(context.output)?;
    let url = context.url()?;
    let mut table = args.metadata.as_deref().map(read_table).transpose()?;
    let sources = open_sources(&args, &url)?;
    refuse_keys(&context, &url, &sources)?;
    let archive = match context.archive().await {
        Err(error) if args.create && error.kind == ErrorKind::Invalid => {
            let entity = Entity { ipa: None, name: args.entity.clone().unwrap_or_default() };
            init::create(&context, entity).await?
        }
        archive => archive?,
    };
    refuse_other_entity(&args, &archive)?;
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let mut index = context.index(&archive)?;
    let ingester = Ingester {
        reads: ReadPool::start()?,
        clock: Arc::clone(&context.clock),
        entropy: Arc::clone(&context.entropy),
    };
    let watch = Watch { progress: Arc::new(Progress::default()), stop: Arc::clone(&stop) };
    let shown = show(&context, &watch.progress);
    let mut tables = open_catalogue(&context, &archive, &ingester.reads).await;
    let options = IngestOptions {
        batch_documents_max: None,
        new_versions: args.new_versions,
        second_digest: args.second_digest || context.settings()?.wants_second_digest(),
    };
    let mut outcomes: Vec<(String, IngestOutcome, u64)> = Vec::new();
    let mut failed = None;
    for (name, source) in sources {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let journal = context.journal(&archive, &name);
        let submission = Submission { source, table: table.take(), journal, options };
        let read_before = watch.progress.counts().2;
        let target = Target { log: &mut log, index: &mut index, tables: tables.as_mut() };
        match ingester.ingest(target, submission, watch.clone()).await {
            Ok(outcome) => {
                outcomes.push((name, outcome, watch.progress.counts().2 - read_before));
            }
            // What was archived before is told all the same.
            Err(error) if !outcomes.is_empty() => {
                failed = Some(CommandError::from(error));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    drop(shown);
    let mut sealed = None;
    if !args.no_seal && failed.is_none() {
        match seal_and_stamp(&context, &mut log, &keys, true).await {
            Ok(report) => sealed = Some(report),
            Err(error) => failed = Some(error),
        }
    }
    // The acknowledgement comes first: it holds whether or not the state can be written.
    let code = report(&context, &outcomes, sealed.as_ref(), (failed, &stop));
    if let Some(tables) = tables.filter(|_| !stop.load(Ordering::Relaxed)) {
        complete_catalogue(&context, tables).await;
    }
    context.remember_signed_or_warn(&archive, &keys);
    Ok(code)
}

/// Refuses to write to the archive of another entity than the one that was named.
fn refuse_other_entity(args: &IngestArgs, archive: &Archive) -> Result<(), CommandError> {
    let entity = &archive.description().entity.name;
    let Some(named) = args.entity.as_ref().filter(|named| *named != entity) else { return Ok(()) };
    let words = format!(
        "OTHER_ENTITY: {} is the archive of {entity:?}, not of {named:?}; nothing was written",
        place_of(archive.store())
    );
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("name the archive of that entity with --archive, or leave out --entity"))
}

/// Opens the catalogue. Nothing depends on it: if it cannot be used, the ingest goes on without.
async fn open_catalogue(context: &Context, archive: &Archive, reads: &ReadPool) -> Option<Tables> {
    // The other threads read the source, and wait for what is committed meanwhile.
    match Tables::open(archive, reads.aside(), Arc::clone(&context.clock)).await {
        Ok(tables) => Some(tables),
        Err(error) => {
            say_incomplete(context, error);
            None
        }
    }
}

/// Adds to the catalogue what others committed, and what could not be added at once.
async fn complete_catalogue(context: &Context, mut tables: Tables) {
    if let Err(error) = tables.catch_up().await {
        say_incomplete(context, error);
    }
}

fn say_incomplete(context: &Context, error: TableFault) {
    let words = CommandError::from(error).words.join(": ");
    context.output.say(&format!("note: `sigillo find` will not know of all: {}", visible(&words)));
}

fn open_sources(
    args: &IngestArgs,
    url: &StoreUrl,
) -> Result<Vec<(String, FolderSource)>, CommandError> {
    let archive = url.folder().and_then(|folder| folder.canonicalize().ok());
    if args.metadata.is_some() && args.sources.len() > 1 {
        return Err(CommandError::usage("a table describes the documents of one source")
            .hint("ingest the sources one after the other, each with its own --metadata"));
    }
    let mut sources: Vec<(String, FolderSource)> = Vec::new();
    for path in &args.sources {
        if !path.exists()
            && let Some(similar) = similar_path(path)
        {
            let words = format!("there is no {}", path.display());
            return Err(CommandError::new(ErrorKind::Invalid, words).hint(similar));
        }
        let name = match &args.source {
            Some(name) => name.clone(),
            None => name_of(path)?,
        };
        if args.source.is_none() && sources.iter().any(|(other, _)| *other == name) {
            return Err(CommandError::usage(format!("two sources are called {name}"))
                .hint("ingest them one after the other, each with its own --source NAME"));
        }
        let mut source = FolderSource::open(path, &name)?.with_file_bytes_max(args.file_bytes_max);
        if let Some(table) = args.metadata.as_ref().and_then(|table| table.canonicalize().ok()) {
            source = source.with_table(&table);
        }
        if archive.as_ref().is_some_and(|archive| source.contains(archive)) {
            let words = format!("the archive lies within {}", source.folder().display());
            return Err(CommandError::usage(words)
                .hint("an archive cannot take itself in; move it elsewhere"));
        }
        if let Some(around) = archive_around(source.folder()) {
            let words = format!(
                "{} is in an archive, {}: what is there is no document",
                path.display(),
                around.display()
            );
            return Err(CommandError::usage(words).hint(
                "name the folder of the documents; `sigillo export` gives those of an archive back",
            ));
        }
        sources.push((name, source));
    }
    Ok(sources)
}

/// Refuses to archive private keys: who has them can sign for the archive.
fn refuse_keys(
    context: &Context,
    url: &StoreUrl,
    sources: &[(String, FolderSource)],
) -> Result<(), CommandError> {
    let folders = context.places.all_keys().into_iter().chain([context.places.keys_of(url)]);
    for keys in folders.filter_map(|folder| folder.canonicalize().ok()) {
        for (_, source) in sources {
            if source.contains(&keys) || source.folder().starts_with(&keys) {
                let words = format!(
                    "the private keys in {} would be archived with {}; nothing was written",
                    keys.display(),
                    source.folder().display()
                );
                return Err(CommandError::usage(words).hint(
                    "ingest a folder that holds documents only, or move the keys elsewhere and \
                     name them with --keys",
                ));
            }
        }
    }
    Ok(())
}

/// Reads the table that describes the documents.
fn read_table(path: &Path) -> Result<Manifest, CommandError> {
    let cannot = |error: std::io::Error| CommandError::file("reading", path, &error);
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(METADATA_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    read_metadata_csv(&bytes).map_err(|error| {
        let words = format!("the table {} cannot be used: {error}", path.display());
        let error_with_remedy = CommandError::new(ErrorKind::Invalid, words).hint(error.remedy());
        error_with_remedy.hint("docs/metadata.md says what it must have")
    })
}

fn name_of(path: &Path) -> Result<String, CommandError> {
    let canonical =
        path.canonicalize().map_err(|error| CommandError::file("reading", path, &error))?;
    let folder = if canonical.is_dir() { Some(canonical.as_path()) } else { canonical.parent() };
    let name = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| {
        CommandError::usage("this folder has no name").hint("give one with --source")
    })
}

/// The first Ctrl-C stops in good order, the second at once.
fn stop_on_interrupt(output: Output) -> Result<Arc<AtomicBool>, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    // From here on, not only once the task below is under way.
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| CommandError::io("listening for Ctrl-C", &error))?;
    let stopping = Arc::clone(&stop);
    tokio::spawn(async move {
        while interrupts.recv().await.is_some() {
            if stopping.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_INTERRUPTED.into());
            }
            output.say("Finishing what was begun; Ctrl-C again stops at once.");
        }
    });
    Ok(stop)
}

fn show(context: &Context, progress: &Arc<Progress>) -> Shown {
    let counted = Arc::clone(progress);
    let work = Work { verb: "Archived", unit: "documents" };
    Shown::begin(context.global.progress, context.output, work, move || {
        let (total, done, bytes) = counted.counts();
        Count { done, total, bytes }
    })
}

fn report(
    context: &Context,
    outcomes: &[(String, IngestOutcome, u64)],
    sealed: Option<&SealReport>,
    (failed, stop): (Option<CommandError>, &AtomicBool),
) -> u8 {
    let stopped = stop.load(Ordering::Relaxed);
    let mut text = String::new();
    for (name, outcome, _) in outcomes {
        text.push_str(&outcome_text(name, outcome));
    }
    if stopped {
        text.push_str("Stopped before the end: the same command again archives the rest.\n");
    }
    match sealed {
        Some(sealed) => text.push_str(&sealed.text()),
        None => text.push_str("Not sealed: run `sigillo seal`.\n"),
    }
    let submissions: Vec<Value> =
        outcomes.iter().map(|(name, outcome, bytes)| outcome_json(name, outcome, *bytes)).collect();
    let value = json!({
        "stopped": stopped,
        "submissions": submissions,
        "sealing": sealed.map(SealReport::json),
        "error": failed.as_ref().map(CommandError::json),
    });
    context.output.result("sigillo.ingest/1", &text, value);
    if let Some(error) = failed {
        context.output.explain(&error);
        return error.exit_code();
    }
    if stopped {
        return EXIT_INTERRUPTED;
    }
    // What was found damaged on the way is graver than what was refused.
    if let Some(code) = sealed.and_then(SealReport::damage_code) {
        return code;
    }
    if outcomes.iter().any(|(_, outcome, _)| outcome.refused > 0) {
        return EXIT_REFUSED;
    }
    // That a time-stamp waits is told, and is no failure of what was asked for.
    EXIT_CLEAN
}

fn outcome_text(name: &str, outcome: &IngestOutcome) -> String {
    let mut text = format!(
        "{}: {} archived, {} there before, {} refused (submission {}).\n",
        visible(name),
        counted(outcome.archived, "document"),
        grouped(outcome.already),
        grouped(outcome.refused),
        outcome.submission,
    );
    if outcome.aggregations > 0 {
        text.push_str(&format!("  {} changed\n", counted(outcome.aggregations, "aggregation")));
    }
    if outcome.pending > 0 {
        text.push_str(&format!("  {} not reached\n", counted(outcome.pending, "document")));
    }
    if let Some(head) = head_of(&outcome.checkpoint) {
        text.push_str(&format!("  acknowledged under checkpoint {}\n", head_text(head)));
    }
    let shown = telling(&outcome.refusals);
    for refusal in &shown {
        let path = if refusal.path.is_empty() { "a row" } else { &refusal.path };
        text.push_str(&format!(
            "  refused {}: {} - {}. What to do: {}.\n",
            visible(path),
            refusal.code.code(),
            visible(&refusal.reason),
            refusal.remedy,
        ));
    }
    let more = outcome.refusals.len().saturating_sub(shown.len());
    if more > 0 {
        text.push_str(&format!(
            "  and {} more; all of them: sigillo receipt show {}\n",
            counted(more as u64, "reason"),
            outcome.submission,
        ));
    }
    for note in outcome.notes.iter().take(PRINTED_MAX) {
        text.push_str(&format!("  note {}: {}\n", visible(&note.path), visible(&note.text)));
    }
    text
}

/// Chooses the refusals that are printed, in their order: a few of each kind first, so that many of
/// one kind do not hide the others.
fn telling(refusals: &[Refusal]) -> Vec<&Refusal> {
    let mut alike: HashMap<(RefusalCode, String), usize> = HashMap::new();
    let mut is_new_kind = |refusal: &Refusal| {
        let remedy = refusal.remedy.chars().filter(|c| !c.is_ascii_digit()).collect();
        let count = alike.entry((refusal.code, remedy)).or_default();
        *count += 1;
        *count <= ALIKE_MAX
    };
    let (few, many): (Vec<_>, Vec<_>) =
        refusals.iter().enumerate().partition(|(_, refusal)| is_new_kind(refusal));
    let mut chosen: Vec<_> = few.into_iter().chain(many).take(PRINTED_MAX).collect();
    chosen.sort_by_key(|(place, _)| *place);
    chosen.into_iter().map(|(_, refusal)| refusal).collect()
}

fn outcome_json(name: &str, outcome: &IngestOutcome, bytes_read: u64) -> Value {
    json!({
        "aggregations": outcome.aggregations,
        "already": outcome.already,
        "already_versions": outcome.already_versions,
        "archived": outcome.archived,
        "batches": outcome.batches.iter().map(|(commit, batch)| json!({
            "batch": batch.batch, "commit": commit, "documents": batch.documents,
            "order_root": batch.order_root, "root": batch.root,
        })).collect::<Vec<_>>(),
        "bytes_read": bytes_read,
        "checkpoint": outcome.checkpoint,
        "notes": outcome.notes,
        "pending": outcome.pending,
        "received": outcome.received,
        "refusals": outcome.refusals,
        "refused": outcome.refused,
        "source": name,
        "submission": outcome.submission,
    })
}
