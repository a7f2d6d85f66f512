//! `sigillo log succeed` once more: a succession that was broken off is completed, and one that is
//! repeated stays one.

use serde_json::json;

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, log_contains, plan_succession, read_act};
use sigillo_model::{ErrorKind, ObjectKey, SUCCESSION_ACT_BYTES_MAX, SuccessionReason};

use crate::{
    commands::{
        EXIT_CLEAN,
        log_succeed::{AFTERWARDS, SCHEMA, SucceedArgs, believe, unreadable},
        log_succeed_known::{Lost, words_given},
    },
    context::Context,
    error::CommandError,
    guard::base_of,
    output::grouped,
};

/// A log that came after another and that this user's keys began.
pub(super) struct Begun {
    keys: KeyFolder,
    /// Whether its key signed nothing yet, or the trust store does not know of it.
    is_incomplete: bool,
}

impl Begun {
    /// Looks whether the newest log is one, and was not written by somebody else under copied keys.
    pub(super) async fn find(
        context: &Context,
        archive: &Archive,
    ) -> Result<Option<Self>, CommandError> {
        let Some(keys) = context.own_keys(archive) else { return Ok(None) };
        let last = keys.log_signer().last_signed()?;
        if let Some(last) = last
            && !log_contains(archive, last).await?
        {
            return Ok(None);
        }
        let is_incomplete = last.is_none() || !context.trust.believes_shown(archive)?;
        Ok(Some(Self { keys, is_incomplete }))
    }

    /// Completes it if it was interrupted, or is what the options ask for once more; nothing if another
    /// is meant.
    pub(super) async fn complete(
        self,
        context: &Context,
        args: &SucceedArgs,
        archive: &Archive,
    ) -> Result<Option<u8>, CommandError> {
        if args.signature.is_some() {
            // The act says which one is meant.
            return Ok(None);
        }
        let (is_incomplete, generation) = (self.is_incomplete, archive.generation());
        let commit = archive.opened(generation).unwrap_or_default();
        if is_incomplete && !args.yes {
            return refuse_unasked(context, args, archive).map(Some);
        }
        if !args.yes {
            return Ok(None);
        }
        let base = base_of(self.keys.path(), generation);
        let lost = Lost::find(context, archive, &base)?;
        // Where a later log is lost, another is meant in its place, with an act that says so.
        if !(is_incomplete || lost.is_nothing() && is_repeated(args, archive).await?) {
            return Ok(None);
        }
        lost.refuse_unless(context, archive, args.said.lost_successor)?;
        believe(context, args, archive, &self.keys)?;
        context.log(archive, &self.keys).await?;
        context.remember_signed_or_warn(archive, &self.keys);
        let text = format!(
            "Log {generation} had begun, and is complete now: it began because {}. If you mean to begin yet \
             another, give other --words.\n{AFTERWARDS}",
            archive.succession(generation).map_or("", |it| it.succession.reason.in_words())
        );
        let value = json!({
            "act_sha256": null, "commit": commit, "generation": generation, "lost": null,
            "origin": archive.origin(), "performed": true, "signer": null,
        });
        context.output.result(SCHEMA, &text, value);
        Ok(Some(EXIT_CLEAN))
    }
}

/// Says that a log has begun and is not complete, where nobody asked to complete it.
fn refuse_unasked(
    context: &Context,
    args: &SucceedArgs,
    archive: &Archive,
) -> Result<u8, CommandError> {
    let generation = archive.generation();
    let commit = archive.opened(generation).unwrap_or_default();
    let what = format!("log {generation} has begun with commit {commit}, and is not complete");
    let how = "the same again that began it completes it: --act FILE --signature FILE, or --reason \
               REASON --trial --yes; act and signature lie in the archive";
    if args.act.is_some() {
        return Err(CommandError::new(ErrorKind::Invalid, what)
            .hint(format!("{how} under log-{generation}/succession/")));
    }
    let text = format!(
        "Log {generation} has begun with commit {}, and is not complete. Nothing was changed. To \
         complete it: {how} under log-{generation}/succession/.\n",
        grouped(commit)
    );
    let value = json!({
        "act_sha256": null, "commit": commit, "generation": generation, "lost": null,
        "origin": archive.origin(), "performed": false, "signer": null,
    });
    context.output.result(SCHEMA, &text, value);
    Ok(EXIT_CLEAN)
}

/// Tells whether the newest log began for the reason and with the words that are given, and nothing
/// came after that.
async fn is_repeated(args: &SucceedArgs, archive: &Archive) -> Result<bool, CommandError> {
    let plan = plan_succession(archive).await.map_err(|error| unreadable(&error))?;
    let generation = archive.generation();
    let Some(body) = archive.succession(generation) else { return Ok(false) };
    let reason = args.reason.map(SuccessionReason::from);
    if archive.opened(generation) != Some(plan.last) || reason != Some(body.succession.reason) {
        return Ok(false);
    }
    let key = ObjectKey::succession_act(generation, body.act_sha256);
    let act = read_act(&archive.store().read(&key, SUCCESSION_ACT_BYTES_MAX).await?)?;
    Ok(words_given(&act.words) == args.words.as_deref().unwrap_or_default().trim_end())
}
