//! `sigillo log`: the newest checkpoint, and the entries.

use serde_json::{Value, json};

use sigillo_evidence_log::{Commit, PublishedCheckpoint, Standing, read_checkpoint, read_commits};

use crate::{
    cli::{EntriesArgs, LogCommand},
    commands::{EXIT_CLEAN, EXIT_DAMAGE, EXIT_FINDINGS},
    context::Context,
    error::CommandError,
};

pub(crate) async fn run(context: &Context, command: LogCommand) -> Result<u8, CommandError> {
    match command {
        LogCommand::Checkpoint => checkpoint(context).await,
        LogCommand::Entries(args) => entries(context, &args).await,
    }
}

/// Prints the published checkpoint, whole and signed, and says if it is not that of the log.
async fn checkpoint(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let Some(published) = read_checkpoint(&archive).await? else {
        let words = "nothing that bears the log's signature is published: run `sigillo rebuild`";
        context.output.say(words);
        let value = json!({"checkpoint": null, "standing": "damaged"});
        context.output.result("sigillo.log.checkpoint/1", "", value);
        return Ok(EXIT_FINDINGS);
    };
    let PublishedCheckpoint { note, head, standing } = published;
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
    let value = json!({
        "checkpoint": note, "root": head.root, "size": head.size, "standing": word,
    });
    context.output.result("sigillo.log.checkpoint/1", &note, value);
    Ok(code)
}

/// Prints entries as they stand in the log.
async fn entries(context: &Context, args: &EntriesArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
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
    let (mut head, mut size) = (0, 0);
    while size < end {
        let Some(commit) = archive.commit(head + 1).await? else {
            // The end of the log, or a gap: an error then, for what is printed must not look whole.
            read_commits(&archive, (head, size), &mut print).await?;
            break;
        };
        print(&commit);
        (head, size) = (commit.header.commit, commit.size_after());
    }
    if context.output.is_json() {
        context.output.result("sigillo.log.entries/1", "", json!({"entries": printed}));
    }
    Ok(EXIT_CLEAN)
}
