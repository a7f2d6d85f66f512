//! `sigillo submission`: what was received, and what became of it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use sigillo_custody::{SubmissionAccount, read_submissions, source_of};

use crate::{
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    output::{counted, grouped, visible},
};

/// List submissions (versamenti) and what became of them
#[derive(Debug, Subcommand)]
pub(crate) enum SubmissionCommand {
    /// List the newest submissions
    ///
    /// One for each ingest, with how many documents it had and how many of them were archived,
    /// there before, refused, or are pending.
    ///
    /// Example: sigillo submission list --archive /srv/archive
    #[command(verbatim_doc_comment)]
    List(SubmissionsArgs),
    /// List submissions that did not come to their end, or left documents behind
    ///
    /// An ingest that was killed has no end in the log; one that runs just now has none yet. The
    /// same ingest again takes in what is pending, as another submission.
    ///
    /// Example: sigillo submission pending --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Pending(SubmissionsArgs),
}

/// Options of `submission list` and `submission pending`.
#[derive(Args, Debug)]
pub(crate) struct SubmissionsArgs {
    /// How many at most, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) count: usize,
}

pub(crate) async fn run(context: &Context, command: SubmissionCommand) -> Result<u8, CommandError> {
    let (args, only_pending, schema) = match command {
        SubmissionCommand::List(args) => (args, false, "sigillo.submission.list/1"),
        SubmissionCommand::Pending(args) => (args, true, "sigillo.submission.pending/1"),
    };
    let archive = context.archive().await?;
    let mut accounts = read_submissions(&archive).await?;
    if only_pending {
        accounts.retain(|account| account.pending() > 0 || account.completed.is_none());
    }
    let total = accounts.len();
    let shown = &accounts[total.saturating_sub(args.count)..];
    let (mut text, mut values) = (String::new(), Vec::new());
    for account in shown {
        let source = source_of(&archive, account).await?;
        text.push_str(&text_of(account, source.as_deref()));
        values.push(json_of(account, source.as_deref()));
    }
    text.push_str(&match (total, shown.len(), only_pending) {
        (0, _, true) => "Nothing is pending: every submission came to its end.\n".to_owned(),
        (0, _, false) => "Nothing was submitted yet: sigillo ingest FOLDER\n".to_owned(),
        (total, shown, _) if shown < total => {
            format!("{shown} of {}; --count shows more.\n", counted(total as u64, "submission"))
        }
        (_, _, true) => "The same ingest again takes in what is pending, as a submission of its own; these stay in \
             this list, for the log forgets nothing.\n"
            .to_owned(),
        _ => String::new(),
    });
    let value = json!({"submissions": values, "total": total});
    context.output.result(schema, &text, value);
    Ok(EXIT_CLEAN)
}

fn text_of(account: &SubmissionAccount, source: Option<&str>) -> String {
    let state = match &account.completed {
        None => "WITHOUT AN END",
        // It was told to stop, and accounted for what it did not reach.
        Some(_) if account.pending() > 0 => "INTERRUPTED",
        Some(_) => "completed",
    };
    let mut text = format!(
        "{}  {}  {}  {state}\n  {}: {} archived",
        account.received_at,
        account.submission,
        visible(source.unwrap_or("(its source cannot be read)")),
        counted(account.received, "document"),
        grouped(account.archived),
    );
    let (already, refused, pending) = (account.already(), account.refused(), account.pending());
    for (count, what) in [(already, "there before"), (refused, "refused"), (pending, "pending")] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", grouped(count)));
        }
    }
    if account.completed.is_none() {
        text.push_str("; interrupted, or still at work");
    }
    text.push('\n');
    text
}

fn json_of(account: &SubmissionAccount, source: Option<&str>) -> Value {
    json!({
        "already": account.already(),
        "archived": account.archived,
        "completed_at": account.completed.as_ref().map(|it| it.at),
        "pending": account.pending(),
        "received": account.received,
        "received_at": account.received_at,
        "refused": account.refused(),
        "source": source,
        "submission": account.submission,
    })
}
