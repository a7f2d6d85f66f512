//! `sigillo seal`: statement, seal and time-stamp for what waits.

use serde_json::{Value, json};

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{LogWriter, SealOutcome, Sealed, Sealer, StampOutcome, stamp_sealings};

use crate::{
    cli::SealArgs,
    commands::{EXIT_CLEAN, EXIT_TRANSIENT},
    context::Context,
    error::CommandError,
    output::{counted, visible, waiting},
};

/// What was sealed and stamped.
#[derive(Debug)]
pub(crate) struct SealReport {
    sealed: Option<Box<Sealed>>,
    stamps: StampOutcome,
}

/// Seals what is new, unless only time-stamps are asked for, and asks for the time-stamps.
pub(crate) async fn run(context: &Context, args: SealArgs) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let report = seal_and_stamp(context, &mut log, &keys, !args.stamp_only).await?;
    context.remember_signed_or_warn(&archive, &keys);
    context.output.result("sigillo.seal/1", &report.text(), report.json());
    Ok(report.exit_code())
}

/// Seals and stamps; that no authority answers is told, and is no failure.
pub(crate) async fn seal_and_stamp(
    context: &Context,
    log: &mut LogWriter,
    keys: &KeyFolder,
    seal: bool,
) -> Result<SealReport, CommandError> {
    let mut sealed = None;
    if seal {
        let key = keys.seal();
        let with = Sealer { key: &key, entropy: &*context.entropy };
        if let SealOutcome::Sealed(done) = with.seal(log).await? {
            sealed = Some(done);
        }
    }
    let (authorities, line) = context.authorities(keys)?;
    let (clock, entropy) = (&*context.clock, &*context.entropy);
    let stamps = stamp_sealings(log, line, &authorities, clock, entropy).await?;
    Ok(SealReport { sealed, stamps })
}

impl SealReport {
    pub(crate) fn exit_code(&self) -> u8 {
        if self.stamps.waiting > 0 { EXIT_TRANSIENT } else { EXIT_CLEAN }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = match &self.sealed {
            None => "Nothing new to seal.\n".to_owned(),
            Some(sealed) => format!(
                "Sealing {} covers {} in {}.\n",
                sealed.body.number,
                counted(sealed.documents, "document"),
                counted(sealed.batches as u64, "batch"),
            ),
        };
        for stamp in &self.stamps.stamped {
            let what =
                if stamp.trial { "a TRIAL time-stamp, not qualified" } else { "a time-stamp" };
            text.push_str(&format!(
                "Sealing {} has {what}, of {}.\n",
                stamp.number,
                visible(&stamp.stamped_at)
            ));
        }
        for refused in &self.stamps.refused {
            text.push_str(&format!(
                "The authority {} did not help: {}\n",
                visible(&refused.authority),
                visible(&refused.words)
            ));
        }
        if self.stamps.gathered.stored > 0 {
            text.push_str(&format!(
                "Kept {} on whether the certificates of time-stamps were revoked.\n",
                counted(self.stamps.gathered.stored as u64, "answer"),
            ));
        }
        for refused in &self.stamps.gathered.refused {
            text.push_str(&format!(
                "Whether a certificate was revoked could not be learnt from {}: {}\n",
                visible(&refused.authority),
                visible(&refused.words)
            ));
        }
        if self.stamps.waiting > 0 {
            text.push_str(&format!(
                "{} for a time-stamp; nothing is lost. Later: sigillo seal --stamp-only\n",
                waiting(self.stamps.waiting as u64, "sealing")
            ));
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "sealed": self.sealed.as_ref().map(|sealed| json!({
                "batches": sealed.batches,
                "commit": sealed.committed.number,
                "documents": sealed.documents,
                "number": sealed.body.number,
                "sealing": sealed.body.sealing,
                "through": sealed.body.through,
            })),
            "revocation": {
                "kept": self.stamps.gathered.stored,
                "not_asked": self.stamps.gathered.left,
                "refused": self.stamps.gathered.refused.iter().map(|refused| json!({
                    "address": refused.authority, "words": refused.words,
                })).collect::<Vec<_>>(),
            },
            "stamped": self.stamps.stamped,
            "refused": self.stamps.refused.iter().map(|refused| json!({
                "authority": refused.authority, "words": refused.words,
            })).collect::<Vec<_>>(),
            "waiting": self.stamps.waiting,
        })
    }
}
