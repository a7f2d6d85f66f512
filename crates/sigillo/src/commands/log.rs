//! `sigillo log`: the newest checkpoint, how it follows from an older one, and the entries.

use std::path::Path;

use serde_json::{Value, json};

use sigillo_authorities::SignedHead;
use sigillo_custody::{Growth, GrowthToEnd, ReceiptLog, list_cosigned_sizes, read_cosignatures};
use sigillo_evidence_log::{
    Archive, Commit, PublishedCheckpoint, Standing, read_checkpoint, read_commits,
};

use sigillo_merkle::{
    Checkpoint, NOTE_BYTES_MAX, SignedNote, TreeHash, VerifierKey, empty_root,
    write_witness_request,
};
use sigillo_model::{ErrorKind, Sha256Digest};
use sigillo_proof::CosignedBy;

use crate::{
    cli::{ConsistencyArgs, EntriesArgs, LogCommand},
    commands::{
        EXIT_CLEAN, EXIT_DAMAGE, EXIT_FINDINGS, log_anchor,
        log_ended::{NotContained, told_of_unsigned},
        log_rotate, log_statement, log_succeed, log_witness,
        receipt::{cosigned_json, cosigned_text},
    },
    context::Context,
    error::CommandError,
    places::read_beginning,
};

pub(crate) async fn run(context: &Context, command: LogCommand) -> Result<u8, CommandError> {
    match command {
        LogCommand::Checkpoint => checkpoint(context).await,
        LogCommand::Consistency(args) => consistency(context, &args).await,
        LogCommand::Witness(args) => log_witness::witness(context, &args),
        LogCommand::AddCosignature(args) => log_witness::add_cosignature(context, &args).await,
        LogCommand::RotateKey(args) => log_rotate::run(context, &args).await,
        LogCommand::Succeed(args) => log_succeed::run(context, &args).await,
        LogCommand::Anchor(args) => log_anchor::run(context, &args).await,
        LogCommand::Entries(args) => entries(context, &args).await,
        LogCommand::Statement(args) => log_statement::run(context, &args).await,
    }
}

/// Prints the published checkpoint, whole and signed, and says if it is not that of the log.
async fn checkpoint(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let Some(published) = read_checkpoint(&archive).await? else {
        let words = "nothing that bears the log's signature is published: run `sigillo rebuild`";
        context.output.say(words);
        let value = json!({"checkpoint": null, "standing": "damaged", "witnesses": []});
        context.output.result("sigillo.log.checkpoint/1", "", value);
        return Ok(EXIT_FINDINGS);
    };
    let PublishedCheckpoint { mut note, head, standing } = published;
    let covers = head.size;
    let (word, words, code) = match standing {
        Standing::Newest => ("newest", None, EXIT_CLEAN),
        Standing::Older { size } => {
            let words = format!(
                "the published checkpoint covers {covers} of {size} entries: run `sigillo rebuild`"
            );
            ("older", Some(words), EXIT_FINDINGS)
        }
        Standing::Contradicted { size } => {
            let words = format!(
                "DAMAGE: the published checkpoint, of {covers} entries, bears the log's signature, \
                 but the commits, of {size} entries, do not contain it; run `sigillo verify`"
            );
            ("contradicted", Some(words), EXIT_DAMAGE)
        }
    };
    if let Some(words) = words {
        context.output.say(&words);
    }
    let mut by = Vec::new();
    let expected = Checkpoint {
        origin: archive.origin(),
        size: head.size,
        root: TreeHash::from_bytes(*head.root.as_bytes()),
    };
    let policy = context.trust.witnesses()?;
    let witnesses = context.trust.witness_keys()?;
    if let Some(cosigned) = read_cosignatures(&archive, &expected, &witnesses).await? {
        note = cosigned.to_text();
        let seen = cosigned.witnesses.iter();
        by = seen.map(|(key, at)| CosignedBy::new(key, *at, policy.as_ref())).collect();
        context.output.say(cosigned_text(&by).trim_end());
    }
    let value = json!({
        "checkpoint": note, "root": head.root, "size": head.size, "standing": word,
        "witnesses": cosigned_json(&by),
    });
    context.output.result("sigillo.log.checkpoint/1", &note, value);
    Ok(code)
}

/// Prints the proof that the log begins with that of an older checkpoint, for a witness.
async fn consistency(context: &Context, args: &ConsistencyArgs) -> Result<u8, CommandError> {
    let bytes = args.old.as_ref().map(|old| read_beginning(old, NOTE_BYTES_MAX as u64));
    let bytes = bytes.transpose()?;
    let archive = context.archive().await?;
    if let (Some(file), Some(bytes)) = (&args.old, &bytes)
        && let Some(code) = with_ended(context, &archive, file, bytes).await?
    {
        return Ok(code);
    }
    let (log, older) = log_and_older(context, args, &archive, bytes.as_deref()).await?;
    let newest = log.checkpoint();
    let (sizes, mut value) = (
        format!("{} entries, the checkpoint {}", log.size(), older.size),
        json!({
            "checkpoint": log.note,
            "new_root": hex::encode(newest.root.as_bytes()),
            "new_size": newest.size,
            "old_root": hex::encode(older.root.as_bytes()),
            "old_size": older.size,
            "proof": [],
            "standing": "continued",
        }),
    );
    if let Some(words) = context.rolled_back(&archive).await? {
        let is_shorter = context.seen(&archive).is_some_and(|seen| seen.size > log.size());
        value["standing"] = json!(if is_shorter { "shorter" } else { "forked" });
        context.output.say(&format!("DAMAGE: {words}"));
        context.output.result("sigillo.log.consistency/1", "", value);
        return Ok(EXIT_DAMAGE);
    }
    let (words, request, code) = match log.growth_since(&older) {
        Growth::Continued { path } => {
            value["proof"] = path.iter().map(|hash| Value::from(hash.to_base64())).collect();
            let request = write_witness_request(older.size, &path, &log.note);
            let mut words = format!("The log only grew: it has {sizes}.");
            if newest.size == log.size() {
                context.remember_or_warn(&archive, head_of_checkpoint(newest));
                (words, request, EXIT_CLEAN)
            } else {
                words.push_str(&stale(newest.size));
                (words, request, EXIT_FINDINGS)
            }
        }
        Growth::Forked { root } => {
            value["standing"] = json!("forked");
            (forked(&sizes, &older, root), String::new(), EXIT_DAMAGE)
        }
        Growth::Unpublished => {
            value["standing"] = json!("unpublished");
            let words = format!("The log only grew: it has {sizes}.{}", stale(newest.size));
            (words, String::new(), EXIT_FINDINGS)
        }
        Growth::Shorter => {
            value["standing"] = json!("shorter");
            (shorter(&sizes), String::new(), EXIT_DAMAGE)
        }
    };
    context.output.say(&words);
    context.output.result("sigillo.log.consistency/1", &request, value);
    Ok(code)
}

/// Compares a checkpoint of a log that ended with that log; nothing if it is none.
async fn with_ended(
    context: &Context,
    archive: &Archive,
    file: &Path,
    bytes: &[u8],
) -> Result<Option<u8>, CommandError> {
    let older = kept_checkpoint(archive, file, bytes).await?;
    let origin_of = |generation: &u64| archive.description().origin_of(*generation);
    let ended = (1..archive.generation()).find(|it| origin_of(it) == older.origin);
    let Some(generation) = ended else { return Ok(None) };
    let Some(end) = archive.succession(generation + 1).map(|it| it.succession) else {
        return Ok(None);
    };
    let head = head_of_checkpoint(&older);
    let not_contained = NotContained::find(context, archive, &older).await?;
    let explained = not_contained.as_ref().and_then(NotContained::explained);
    let sizes = format!("{} entries when it ended, the checkpoint {}", end.size, older.size);
    let mut value = json!({
        "checkpoint": "", "new_root": end.root, "new_size": end.size, "old_root": head.root,
        "old_size": head.size, "proof": [], "standing": "ended",
    });
    let (words, request, code) = if not_contained.is_none() {
        let log = ReceiptLog::read(archive).await?;
        let GrowthToEnd { path, note, is_signed } = log.growth_to_end(archive, &older).await?;
        value["proof"] = path.iter().map(|hash| Value::from(hash.to_base64())).collect();
        value["checkpoint"] = json!(note);
        let newest = archive.generation();
        let mut words = format!(
            "The checkpoint is of log {generation}, which only grew: it had {sizes}. It has ended; the \
             newest is log {newest}."
        );
        if !is_signed {
            words.push_str(&format!(
                " No signed checkpoint of its end is published: size and root are those that log {} \
                 names, without a signature, so no witness cosigns what is printed.",
                generation + 1
            ));
        }
        (words, write_witness_request(older.size, &path, &note), EXIT_CLEAN)
    } else if let Some((standing, words)) = explained {
        value["standing"] = json!(standing);
        (
            format!("Cannot tell by it whether the log only grew: {words}"),
            String::new(),
            EXIT_FINDINGS,
        )
    } else if head.size > end.size {
        value["standing"] = json!("shorter");
        (shorter(&sizes), String::new(), EXIT_DAMAGE)
    } else {
        value["standing"] = json!("forked");
        let words = format!(
            "DAMAGE: log {generation} had {sizes}, and does not contain what the checkpoint covers. Keep \
             the checkpoint: it proves that the log was rewritten"
        );
        (words, String::new(), EXIT_DAMAGE)
    };
    context.output.say(&words);
    context.output.result("sigillo.log.consistency/1", &request, value);
    Ok(Some(code))
}

fn head_of_checkpoint(checkpoint: &Checkpoint) -> SignedHead {
    SignedHead {
        size: checkpoint.size,
        root: Sha256Digest::from_bytes(*checkpoint.root.as_bytes()),
    }
}

fn shorter(sizes: &str) -> String {
    format!(
        "DAMAGE: the log has {sizes}: entries were taken back, or the archive is an older copy. Keep \
         the checkpoint: it proves that there were more"
    )
}

fn forked(sizes: &str, older: &Checkpoint, root: TreeHash) -> String {
    format!(
        "DAMAGE: the log has {sizes}, and its first {} entries are others than those that the \
         checkpoint covers: their root is {} and not {}. Keep the checkpoint: it proves that the log \
         was rewritten",
        older.size,
        hex::encode(root.as_bytes()),
        hex::encode(older.root.as_bytes())
    )
}

/// Reads the log, and the checkpoint that it is compared with: the one kept, the one that a witness
/// cosigned last, or that of no entries.
async fn log_and_older(
    context: &Context,
    args: &ConsistencyArgs,
    archive: &Archive,
    bytes: Option<&[u8]>,
) -> Result<(ReceiptLog, Checkpoint), CommandError> {
    let kept = match (&args.old, bytes) {
        (Some(old), Some(bytes)) => Some(kept_checkpoint(archive, old, bytes).await?),
        _ => None,
    };
    let log = ReceiptLog::read(archive).await?;
    let older = match (kept, &args.since_witness) {
        (Some(kept), _) => kept,
        (None, Some(name)) => cosigned_last(context, archive, &log, name).await?,
        (None, None) => nothing(&archive.origin()),
    };
    Ok((log, older))
}

/// Reads a checkpoint that somebody kept.
async fn kept_checkpoint(
    archive: &Archive,
    file: &Path,
    bytes: &[u8],
) -> Result<Checkpoint, CommandError> {
    checkpoint_of(bytes, &archive.key_of(bytes).await?).map_err(|what| {
        let words = format!("{} is no checkpoint of this log: {what}", file.display());
        let error = CommandError::new(ErrorKind::Invalid, words)
            .hint("give a file that `sigillo log checkpoint` printed for this archive");
        told_of_unsigned(error, archive, bytes)
    })
}

/// What a log is before its first entry.
fn nothing(origin: &str) -> Checkpoint {
    Checkpoint { origin: origin.to_owned(), size: 0, root: empty_root() }
}

/// Returns the newest checkpoint that a witness cosigned, as far as it was taken in; before the first
/// it is that of no entries.
async fn cosigned_last(
    context: &Context,
    archive: &Archive,
    log: &ReceiptLog,
    name: &str,
) -> Result<Checkpoint, CommandError> {
    let known = context.trust.witnesses()?.map(|it| it.witnesses).unwrap_or_default();
    let witness = known.into_iter().find(|it| it.name == name || it.key.name() == name);
    let Some(witness) = witness else {
        let words = format!("the trust store knows no witness {name:?}");
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("`sigillo trust list` lists those that it knows"));
    };
    for size in list_cosigned_sizes(archive).await? {
        let Some(checkpoint) = log.checkpoint_at(size) else { continue };
        let key = std::slice::from_ref(&witness.key);
        if read_cosignatures(archive, &checkpoint, key).await?.is_some() {
            return Ok(checkpoint);
        }
    }
    Ok(nothing(&archive.origin()))
}

fn stale(size: u64) -> String {
    format!(" The published checkpoint covers {size} only: run `sigillo rebuild`")
}

/// Reads a checkpoint that a log signed, perhaps with the signatures of others below.
pub(crate) fn checkpoint_of(bytes: &[u8], key: &VerifierKey) -> Result<Checkpoint, String> {
    let note = SignedNote::parse(bytes).map_err(|error| error.to_string())?;
    note.verify(std::slice::from_ref(key)).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(&note.text).map_err(|error| error.to_string())?;
    if checkpoint.origin != key.name() {
        return Err("it is that of another log".to_owned());
    }
    Ok(checkpoint)
}

/// Prints entries as they stand in the log.
async fn entries(context: &Context, args: &EntriesArgs) -> Result<u8, CommandError> {
    let archive = context.archive_as_found().await?;
    let end = args.from.saturating_add(args.count);
    let mut printed: Vec<Value> = Vec::new();
    let mut print = |commit: &Commit| {
        for (index, line) in (commit.header.first_leaf..).zip(&commit.lines) {
            if (args.from..end).contains(&index) {
                let line = String::from_utf8_lossy(line).into_owned();
                if context.output.is_json() {
                    let entry: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                    printed.push(json!({"index": index, "entry": entry}));
                } else {
                    context.output.data(&format!("{line}\n"));
                }
            }
        }
    };
    let generation = args.generation.unwrap_or(archive.generation());
    let Some(opened) = archive.opened(generation) else {
        let words = format!("the archive has no log {generation}");
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint(format!("its newest is log {}", archive.generation())));
    };
    let (mut head, mut size) = (opened - 1, 0);
    while size < end {
        let Some(commit) = archive.commit(head + 1).await? else {
            // The end of the log, or a gap: an error then, for what is printed must not look whole.
            read_commits(&archive, (head, size), &mut print).await?;
            break;
        };
        if commit.header.generation != generation {
            break;
        }
        print(&commit);
        (head, size) = (commit.header.commit, commit.size_after());
    }
    if context.output.is_json() {
        context.output.result("sigillo.log.entries/1", "", json!({"entries": printed}));
    }
    Ok(EXIT_CLEAN)
}
