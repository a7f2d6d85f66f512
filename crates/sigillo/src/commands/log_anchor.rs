//! `sigillo log anchor`: time-stamps over checkpoints.

use clap::Args;
use serde_json::{Value, json};

use sigillo_custody::{CheckpointAnchor, ReceiptLog, store_anchor};
use sigillo_ers::Trust;
use sigillo_evidence_log::{Archive, commit_anchor};
use sigillo_model::{CheckpointAnchored, ErrorKind, ObjectKey, Severity, Sha256Digest};

use crate::{
    commands::{EXIT_CLEAN, EXIT_DAMAGE, EXIT_FINDINGS},
    context::Context,
    error::CommandError,
    output::{counted, visible},
};

/// Options of `log anchor`.
#[derive(Args, Debug)]
pub(crate) struct AnchorArgs {
    /// Only list the time-stamps that there are, each verified
    #[arg(long)]
    list: bool,
}

/// Has the published checkpoint time-stamped and keeps the token, or lists those that there are.
pub(crate) async fn run(context: &Context, args: &AnchorArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let added = if args.list { None } else { Some(add(context, &archive).await?) };
    let log = ReceiptLog::read(&archive).await?;
    let (_, trusted) = context.trust.knowledge_of(&archive)?;
    let mut anchors = log.anchors(&archive, &trusted).await?;
    if let Some(added) = &added {
        anchors.retain(|it| it.key == *added);
    }
    let worst = anchors.iter().map(CheckpointAnchor::severity).max().unwrap_or(Severity::Note);
    let text: String = anchors.iter().map(|it| line_of(it, archive.generation())).collect();
    let text =
        if anchors.is_empty() { "No checkpoint was time-stamped.\n".to_owned() } else { text };
    let values: Vec<Value> = anchors.iter().map(value_of).collect();
    context.output.result("sigillo.log.anchor/1", &text, json!({"anchors": values}));
    Ok(match worst {
        Severity::Damage => EXIT_DAMAGE,
        Severity::CannotTell => EXIT_FINDINGS,
        Severity::Derived | Severity::Note => EXIT_CLEAN,
    })
}

/// Has the published checkpoint time-stamped, keeps the token and logs it; returns where it lies.
async fn add(context: &Context, archive: &Archive) -> Result<ObjectKey, CommandError> {
    let keys = context.keys(archive)?;
    let authorities = context.authorities(&keys)?;
    context.probed(archive).await?;
    // Opened before the checkpoint is read: a log that ends meanwhile commits nothing.
    let mut writer = context.log(archive, &keys).await?;
    let log = ReceiptLog::read(archive).await?;
    let size = log.checkpoint().size;
    let imprint = log.checkpoint_digest(size).ok_or_else(|| {
        CommandError::new(ErrorKind::Bug, "the published checkpoint is not that of the log")
    })?;
    let stamped = authorities.stamp(imprint, &*context.clock, &*context.entropy).await;
    let stamped = stamped.map_err(|error| CommandError::of(error.kind(), &error))?;
    let token = &stamped.token;
    let key = store_anchor(archive, size, token.raw()).await?;
    let body = CheckpointAnchored {
        size,
        stamped_at: token.verified().stamped_at.to_string(),
        token_sha256: Sha256Digest::of(token.raw()),
        trial: token.verified().trial,
    };
    commit_anchor(&mut writer, &body).await?;
    context.remember_signed_or_warn(archive, &keys);
    Ok(key)
}

/// Says what a time-stamp attests; where there are several logs, of which of them.
fn line_of(anchor: &CheckpointAnchor, logs: u64) -> String {
    let log = if logs > 1 { format!("log {}, ", anchor.generation) } else { String::new() };
    let entries = format!("{log}{}", counted(anchor.size, "entry"));
    match &anchor.token {
        Ok(token) => format!(
            "{}: {} of {} by {}{}\n",
            entries,
            if token.trial { "TRIAL time-stamp, not qualified," } else { "time-stamp" },
            token.stamped_at,
            visible(&token.authority),
            match token.trust {
                Trust::Unknown => ", which the trust store does not know",
                Trust::Anchored { .. } => "",
            }
        ),
        Err(fault) => {
            let word = match anchor.severity() {
                Severity::Damage => "DAMAGE",
                Severity::Note | Severity::Derived => "note",
                Severity::CannotTell => "CANNOT TELL",
            };
            let unnamed = if anchor.is_logged { "" } else { "; no entry of the log names it" };
            format!("{entries}: {word} {}: {}{unnamed}\n", anchor.key, visible(&fault.to_string()))
        }
    }
}

fn value_of(anchor: &CheckpointAnchor) -> Value {
    let token = anchor.token.as_ref().ok();
    json!({
        "authority": token.map(|it| &it.authority),
        "fault": anchor.token.as_ref().err().map(ToString::to_string),
        "key": anchor.key.as_str(),
        "known": token.is_some_and(|it| it.trust != Trust::Unknown),
        "size": anchor.size,
        "stamped_at": token.map(|it| it.stamped_at.to_string()),
        "trial": token.map(|it| it.trial),
    })
}
