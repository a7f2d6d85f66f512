//! `sigillo log`: the newest checkpoint, and the entries.

use serde_json::{Value, json};

use sigillo_model::{ErrorKind, ObjectKey};

use crate::{
    cli::{EntriesArgs, LogCommand},
    commands::EXIT_CLEAN,
    context::{Context, head_of},
    error::CommandError,
};

/// Largest checkpoint read, in bytes.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

pub(crate) async fn run(context: &Context, command: LogCommand) -> Result<u8, CommandError> {
    match command {
        LogCommand::Checkpoint => checkpoint(context).await,
        LogCommand::Entries(args) => entries(context, &args).await,
    }
}

/// Prints the published checkpoint, whole and signed.
async fn checkpoint(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let bytes = archive.store().read(&ObjectKey::checkpoint(), CHECKPOINT_BYTES_MAX).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Some(head) = head_of(&text) else {
        return Err(CommandError::new(ErrorKind::Integrity, "the published checkpoint is damaged")
            .hint("run `sigillo rebuild`"));
    };
    let value = json!({"checkpoint": text, "root": head.root, "size": head.size});
    context.output.result("sigillo.log.checkpoint/1", &text, value);
    Ok(EXIT_CLEAN)
}

/// Prints entries as they stand in the log.
async fn entries(context: &Context, args: &EntriesArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let end = args.from.saturating_add(args.count);
    let mut printed: Vec<Value> = Vec::new();
    let mut number = 1;
    while let Some(commit) = archive.commit(number).await? {
        number += 1;
        if commit.size_after() <= args.from {
            continue;
        }
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
        if end <= commit.size_after() {
            break;
        }
    }
    if context.output.is_json() {
        context.output.result("sigillo.log.entries/1", "", json!({"entries": printed}));
    }
    Ok(EXIT_CLEAN)
}
