//! `sigillo submission`: what was received, and what became of it.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use sigillo_custody::{SubmissionAccount, read_submissions, source_of};
use sigillo_evidence_log::Archive;
use sigillo_model::SubmissionId;

use crate::{
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    output::{counted, grouped, visible},
};

/// No more submissions are looked at for one that made up for a pending one.
const ENDS_MAX: usize = 1_000;

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
    let all = read_submissions(&archive).await?;
    let accounts: Vec<_> =
        all.iter().enumerate().filter(|(_, it)| !only_pending || is_pending(it)).collect();
    let total = accounts.len();
    let shown = &accounts[total.saturating_sub(args.count)..];
    let mut ends = Ends::of(&archive, &all);
    let (mut text, mut values) = (String::new(), Vec::new());
    for (place, account) in shown {
        let source = source_of(&archive, account).await?;
        let made_up = match source.as_deref().filter(|_| is_pending(account)) {
            Some(source) => ends.after(*place, source).await?,
            None => None,
        };
        text.push_str(&text_of(account, source.as_deref(), made_up));
        values.push(json_of(account, source.as_deref(), made_up));
    }
    text.push_str(&match (total, shown.len(), only_pending) {
        (0, _, true) => "Nothing is pending: every submission came to its end.\n".to_owned(),
        (0, _, false) => "Nothing was submitted yet: sigillo ingest FOLDER\n".to_owned(),
        (total, shown, _) if shown < total => {
            format!("{shown} of {}; --count shows more.\n", counted(total as u64, "submission"))
        }
        (_, _, true) => "The same ingest again takes in what is pending, as a submission of its own; these stay in \
             this list, for the log forgets nothing. Where the same source came to its end later, see \
             there whether all came.\n"
            .to_owned(),
        _ => String::new(),
    });
    let value = json!({"submissions": values, "total": total});
    context.output.result(schema, &text, value);
    Ok(EXIT_CLEAN)
}

/// Tells whether a submission did not come to its end, or left documents behind.
fn is_pending(account: &SubmissionAccount) -> bool {
    account.pending() > 0 || account.completed.is_none()
}

/// Submissions that came to their end with nothing pending, the newest first.
struct Ends<'a> {
    archive: &'a Archive,
    newest_first: Vec<Ended<'a>>,
}

/// One of them.
struct Ended<'a> {
    /// Its place in the log's order of submissions.
    place: usize,
    account: &'a SubmissionAccount,
    /// Its source, if it is known and was looked up.
    source: Option<String>,
    is_looked_up: bool,
}

impl<'a> Ends<'a> {
    fn of(archive: &'a Archive, all: &'a [SubmissionAccount]) -> Self {
        let ended = all.iter().enumerate().rev().filter(|(_, account)| !is_pending(account));
        let ended = ended.map(|(place, account)| Ended {
            place,
            account,
            source: None,
            is_looked_up: false,
        });
        Self { archive, newest_first: ended.take(ENDS_MAX).collect() }
    }

    /// Returns the newest submission of the same source behind a place.
    async fn after(
        &mut self,
        place: usize,
        source: &str,
    ) -> Result<Option<SubmissionId>, CommandError> {
        for ended in self.newest_first.iter_mut().take_while(|ended| ended.place > place) {
            if !ended.is_looked_up {
                ended.source = source_of(self.archive, ended.account).await?;
                ended.is_looked_up = true;
            }
            if ended.source.as_deref() == Some(source) {
                return Ok(Some(ended.account.submission));
            }
        }
        Ok(None)
    }
}

fn text_of(
    account: &SubmissionAccount,
    source: Option<&str>,
    made_up: Option<SubmissionId>,
) -> String {
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
    if let Some(later) = made_up {
        text.push_str(&format!("\n  the same source came to its end later, in {later}"));
    }
    text.push('\n');
    text
}

fn json_of(
    account: &SubmissionAccount,
    source: Option<&str>,
    made_up: Option<SubmissionId>,
) -> Value {
    json!({
        "made_up_in": made_up,
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
