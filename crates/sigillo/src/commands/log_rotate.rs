//! `sigillo log rotate-key`: another key signs the checkpoints from here on.

use serde_json::json;

use sigillo_evidence_log::{is_rotation_unfinished, read_view, rotate_log_key};
use sigillo_merkle::{KEY_ROTATIONS_MAX, VerifierKey};

use crate::{
    cli::RotateKeyArgs, commands::EXIT_CLEAN, context::Context, error::CommandError,
    output::grouped,
};

/// What is to be done once the key has changed.
const AFTERWARDS: &str = "Copy the key folder anew: without the new key nothing can be added to the \
                          archive. Give those who believe the archive what `sigillo trust export` \
                          prints now, and witnesses the new key; who has neither believes the new key \
                          by the signature of the old one, in every receipt and bundle.\n";

/// Shows which key would be followed by another and, with `--yes`, does it.
pub(crate) async fn run(context: &Context, args: &RotateKeyArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let view = read_view(&archive).await?;
    let keys = archive.log_keys();
    let value = |old: &VerifierKey, new: Option<&VerifierKey>, performed: bool| {
        json!({
            "new": new.map(ToString::to_string),
            "number": keys.rotations() + 1,
            "old": old.to_string(),
            "performed": performed,
        })
    };
    let old = keys.current();
    let plan = format!(
        "The log of {} entries is signed by its key number {} of {} at most:\n  {old}\nA new key is \
         made in the key folder and committed, signed by this one; it signs every checkpoint from \
         there on.\n",
        grouped(view.size),
        keys.rotations() + 1,
        KEY_ROTATIONS_MAX + 1,
    );
    if !args.yes {
        let text =
            format!("{plan}Nothing was changed. To rotate the key: sigillo log rotate-key --yes\n");
        context.output.result("sigillo.log.rotate-key/1", &text, value(old, None, false));
        return Ok(EXIT_CLEAN);
    }
    // The plan is shown before anything is changed.
    if !context.output.is_json() {
        context.output.data(&plan);
    }
    let folder = context.keys(&archive)?;
    let is_unfinished = is_rotation_unfinished(&view, &folder.log_signer())?;
    let mut log = context.log(&archive, &folder).await?;
    if is_unfinished {
        let text =
            format!("The rotation to this key was interrupted and is complete.\n{AFTERWARDS}");
        context.output.result("sigillo.log.rotate-key/1", &text, value(old, Some(old), true));
        context.remember_signed_or_warn(&archive, &folder);
        return Ok(EXIT_CLEAN);
    }
    let rotated = rotate_log_key(&mut log, &folder.log_signer()).await?;
    let text = format!(
        "Rotation {} is in the log; the key is now\n  {}\n{AFTERWARDS}",
        rotated.number, rotated.new
    );
    let value = value(&rotated.old, Some(&rotated.new), true);
    context.output.result("sigillo.log.rotate-key/1", &text, value);
    context.remember_signed_or_warn(&archive, &folder);
    Ok(EXIT_CLEAN)
}
