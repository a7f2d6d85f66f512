//! `sigillo trust`: whose archives and certificates are believed.

use serde_json::{Value, json};

use crate::{
    cli::TrustCommand,
    commands::EXIT_CLEAN,
    context::Context,
    error::CommandError,
    output::{counted, visible},
    trust::{Trusted, read_trusted},
};

pub(crate) async fn run(context: &Context, command: TrustCommand) -> Result<u8, CommandError> {
    match command {
        TrustCommand::List => list(context),
        TrustCommand::Add(args) => {
            let trusted = read_trusted(&args.file)?;
            let now = context.trust.add(&trusted)?;
            let mut text = format!("Believed from now on: {}\n", line_of(&trusted));
            if now.anchors.len() > trusted.anchors.len() {
                let kept = (now.anchors.len() - trusted.anchors.len()) as u64;
                text.push_str(&format!(
                    "  {} believed before stay so; who is not to be believed any more is taken out of {}\n",
                    counted(kept, "certificate"),
                    context.trust.file_of(trusted.archive).display(),
                ));
            }
            context.output.result("sigillo.trust.add/1", &text, value_of(&trusted));
            Ok(EXIT_CLEAN)
        }
        TrustCommand::Export => {
            let archive = context.archive().await?;
            let keys = context.keys(&archive)?;
            let mut anchors = vec![keys.trial_root_pem().to_owned()];
            anchors.extend(context.authority_anchors()?);
            let trusted = Trusted::of(&archive, anchors);
            let text = format!("{}\n", String::from_utf8_lossy(&trusted.to_json()));
            context.output.result("sigillo.trust.export/1", &text, json!({"trusted": trusted}));
            Ok(EXIT_CLEAN)
        }
    }
}

fn list(context: &Context) -> Result<u8, CommandError> {
    let all = context.trust.list()?;
    let mut text = String::new();
    for trusted in &all {
        text.push_str(&line_of(trusted));
        text.push('\n');
    }
    if all.is_empty() {
        text.push_str(
            "Nobody is believed yet: `sigillo init` and `sigillo trust add` add to this.\n",
        );
    }
    let value = json!({"trusted": all.iter().map(value_of).collect::<Vec<_>>()});
    context.output.result("sigillo.trust.list/1", &text, value);
    Ok(EXIT_CLEAN)
}

fn line_of(trusted: &Trusted) -> String {
    format!(
        "{}  {}{}",
        trusted.archive,
        visible(&trusted.entity),
        if trusted.trial { " (TRIAL)" } else { "" }
    )
}

fn value_of(trusted: &Trusted) -> Value {
    json!({
        "archive": trusted.archive, "entity": trusted.entity,
        "log": trusted.log, "trial": trusted.trial,
    })
}
