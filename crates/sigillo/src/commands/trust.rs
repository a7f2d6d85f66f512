//! `sigillo trust`: whose archives and certificates are believed.

use std::path::Path;

use serde_json::{Value, json};

use sigillo_authorities::KeyFolder;
use sigillo_ers::{TrustAnchors, is_seal_anchored};
use sigillo_evidence_log::{Archive, read_view};
use sigillo_merkle::{POLICY_BYTES_MAX, PolicyWitness, VerifierKey, WitnessPolicy};
use sigillo_model::ErrorKind;

use crate::{
    cli::{TrustCommand, TrustWitnessArgs},
    commands::{EXIT_CLEAN, trust_lists},
    context::Context,
    error::CommandError,
    guard::{base_of, keys_of_log},
    output::{counted, visible},
    places::read_beginning,
    trust::{Trusted, certificates_in, without_repeats},
    trust_store::{read_trusted, unknown_members},
};

pub(crate) async fn run(context: &Context, command: TrustCommand) -> Result<u8, CommandError> {
    match command {
        TrustCommand::List => list(context),
        TrustCommand::Add(args) => {
            let trusted = read_trusted(&args.file)?;
            let unknown = unknown_members(&args.file, &trusted)?;
            let now = context.trust.add(&trusted)?;
            let mut text = format!("Believed from now on: {}\n", line_of(&now));
            if now.anchors.len() > trusted.anchors.len() {
                let kept = (now.anchors.len() - trusted.anchors.len()) as u64;
                text.push_str(&format!(
                    "  {} believed before stay so; who is not to be believed any more is taken out of {}\n",
                    counted(kept, "certificate"),
                    context.trust.file_of(trusted.archive).display(),
                ));
            }
            if !unknown.is_empty() {
                context.output.say(&format!(
                    "note: not known here, and left out of what is kept: {}; a newer version of Sigillo may \
                     know what it says",
                    visible(&unknown.join(", "))
                ));
            }
            context.output.result("sigillo.trust.add/1", &text, value_of(&now));
            Ok(EXIT_CLEAN)
        }
        TrustCommand::Witness(args) => witness(context, &args),
        TrustCommand::ImportList(args) => trust_lists::import(context, &args),
        TrustCommand::Export => export(context).await,
    }
}

async fn export(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let keys = context.keys(&archive)?;
    let mut anchors = vec![keys.trial_root_pem().to_owned()];
    anchors.extend(context.authority_anchors()?);
    // Whoever has only this must be able to verify what was signed before, under other keys.
    let base = base_of(keys.path(), archive.generation());
    let older = (1..archive.generation()).map(|it| keys_of_log(&base, it));
    anchors.extend(older.filter_map(|it| KeyFolder::read_trial_root(&it).ok()));
    anchors.extend(context.trust.anchors_of(&archive)?);
    let anchors = without_repeats(anchors);
    let view = read_view(&archive).await?;
    let trusted = Trusted::of(&archive, anchors).rotated_by(&archive, &view);
    let lacking = logs_without_anchor(&archive, &trusted)?;
    if let Some(first) = lacking.first() {
        context.output.say(&format!(
            "warning: the certificate that the seal of log {first} leads to is not here, so who has only this \
             file cannot tell whose seals and time-stamps of that time are: bring its key folder back, or \
             `sigillo trust add` what was exported before, and export again"
        ));
    }
    let text = format!("{}\n", String::from_utf8_lossy(&trusted.to_json()));
    context.output.result("sigillo.trust.export/1", &text, json!({"trusted": trusted}));
    Ok(EXIT_CLEAN)
}

/// Returns the logs of an archive whose seals lead to no certificate that is exported.
fn logs_without_anchor(archive: &Archive, trusted: &Trusted) -> Result<Vec<u64>, CommandError> {
    let mut anchors = TrustAnchors::new();
    trusted.anchors_into(&mut anchors)?;
    let first = archive.description().keys.seal.clone();
    let later = (2..=archive.generation())
        .filter_map(|it| Some((it, archive.succession(it)?.succession.seal?)));
    let is_lacking = |(_, pem): &(u64, String)| {
        let ders = certificates_in(pem).unwrap_or_default();
        let ders: Vec<_> = ders.iter().map(Vec::as_slice).collect();
        let is_anchored = |(first, others): (&&[u8], _)| is_seal_anchored(first, others, &anchors);
        !ders.split_first().is_some_and(|it| is_anchored(it).unwrap_or(false))
    };
    let seals = std::iter::once((1, first)).chain(later);
    Ok(seals.filter(is_lacking).map(|it| it.0).collect())
}

/// Believes a witness, or all those of a policy.
fn witness(context: &Context, args: &TrustWitnessArgs) -> Result<u8, CommandError> {
    let file = Path::new(&args.key);
    let text = if file.exists() {
        let bytes = read_beginning(file, POLICY_BYTES_MAX as u64)?;
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        args.key.clone()
    };
    let policy = match VerifierKey::parse(text.trim()) {
        Ok(key) if key.is_cosigner() => context.trust.add_witness(&key, args.quorum)?,
        Ok(key) => {
            let words = format!("{:?} is the key of a log, not of a witness", key.name());
            return Err(CommandError::new(ErrorKind::Invalid, words)
                .hint("give what `sigillo log witness` printed there"));
        }
        Err(_) if file.exists() && args.quorum.is_none() => context.trust.set_witnesses(&text)?,
        Err(error) => {
            let mut this = CommandError::of(ErrorKind::Invalid, &error);
            this.words.insert(0, format!("{:?} is no key of a witness", args.key));
            return Err(
                this.hint("give what `sigillo log witness` printed there, or a file with it")
            );
        }
    };
    let place = context.trust.witnesses_file();
    let text = format!(
        "Witnesses believed from now on, by {}:\n{}",
        place.display(),
        witnesses_text(&policy)
    );
    context.output.result(
        "sigillo.trust.witness/1",
        &text,
        json!({
            "file": place.display().to_string(), "witnesses": witnesses_json(Some(&policy)),
        }),
    );
    Ok(EXIT_CLEAN)
}

fn witnesses_text(policy: &WitnessPolicy) -> String {
    let line = |it: &PolicyWitness| format!("witness {}  {}\n", visible(&it.name), it.key);
    policy.witnesses.iter().map(line).collect()
}

fn witnesses_json(policy: Option<&WitnessPolicy>) -> Value {
    let witnesses = policy.map_or(&[][..], |it| &it.witnesses);
    witnesses.iter().map(|it| json!({"key": it.key.to_string(), "name": it.name})).collect()
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
    let witnesses = context.trust.witnesses()?;
    if let Some(policy) = &witnesses {
        text.push_str(&witnesses_text(policy));
    }
    let (lists, at) = (context.trust.trusted_lists()?, context.clock.now());
    for known in &lists {
        text.push_str(&trust_lists::list_text(known));
        let notes = known.notes(at);
        text.extend(notes.iter().map(|note| format!("  note: {}\n", visible(note))));
    }
    let value = json!({
        "lists": lists.iter().map(|it| trust_lists::list_json(it, at)).collect::<Vec<_>>(),
        "trusted": all.iter().map(value_of).collect::<Vec<_>>(),
        "witnesses": witnesses_json(witnesses.as_ref()),
    });
    context.output.result("sigillo.trust.list/1", &text, value);
    Ok(EXIT_CLEAN)
}

fn line_of(trusted: &Trusted) -> String {
    let older = trusted.older_keys().len() as u64;
    let later = trusted.successors.iter().filter_map(|it| {
        let keys = it.log_keys().filter(|keys| keys.rotations() > 0)?;
        let rotations = counted(keys.rotations(), "rotation");
        Some(format!("  log {} key {}, after {rotations}", it.generation, keys.current()))
    });
    format!(
        "{}  {}{}{}{}",
        trusted.archive,
        visible(&trusted.entity),
        if trusted.trial { " (TRIAL)" } else { "" },
        if older > 0 {
            format!("  log key {}, after {}", trusted.log, counted(older, "rotation"))
        } else {
            String::new()
        },
        later.collect::<String>()
    )
}

fn value_of(trusted: &Trusted) -> Value {
    json!({
        "archive": trusted.archive, "entity": trusted.entity,
        "log": trusted.log, "older_keys": trusted.older_keys(), "trial": trusted.trial,
    })
}
