//! `sigillo log succeed`: a log that cannot go on ends, and another begins in its place.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use sigillo_authorities::{CheckpointSigner, KeyFolder};
use sigillo_ers::{SEAL_BYTES_MAX, Trust, TrustAnchors, pem_blocks};
use sigillo_evidence_log::{
    Archive, LogError, LogKeys, SucceededLog, SuccessionPlan, SuccessionTerms, plan_succession,
    read_act, read_checkpoint, reason_in_words, sign_succession_act, succeed_log,
    write_succession_act,
};
use sigillo_merkle::{Checkpoint, NOTE_BYTES_MAX, TreeHash};
use sigillo_model::{ErrorKind, LogTime, SUCCESSION_ACT_BYTES_MAX, SuccessionReason};

use crate::{
    commands::{EXIT_CLEAN, log::checkpoint_of},
    context::Context,
    error::CommandError,
    guard::{base_of, keys_of_log},
    output::{grouped, visible},
    places::{read_beginning, write_new},
    trust::Trusted,
};

/// End a log that cannot go on, and begin another in its place
///
/// The way out when keys are lost or known to others, when the newest commits are lost or the store
/// was restored from a backup, and when the hash function of the log ends. What was archived stays
/// as it is and is proven as before; what is lost stays lost, and is said. Without --act and
/// --trial, shows what would happen.
///
/// The responsible person of the entity signs an act that says why. --act FILE writes it and makes
/// the new keys; with --signature, the signed act is carried out. In a trial archive, --trial --yes
/// does both and signs with the archive's own seal. Repeated after an interruption, it completes.
///
/// Example: sigillo log succeed --archive /srv/archive
///
/// Example: sigillo log succeed --reason keys-lost --words "..." --act act.json
///
/// Example: sigillo log succeed --act act.json --signature act.p7s
///
/// Example: sigillo log succeed --reason tail-lost --trial --yes
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct SucceedArgs {
    /// Why the log cannot go on
    #[arg(long, value_enum, conflicts_with = "signature")]
    pub(crate) reason: Option<SucceedReason>,
    /// Why, in words, for those who come later; kept for ever, so without names of people
    #[arg(long, value_name = "TEXT", requires = "reason")]
    pub(crate) words: Option<String>,
    /// The newest checkpoint of the log that somebody kept
    #[arg(long, value_name = "FILE", requires = "reason")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Write the act to be signed to this file; with --signature, the act that was signed
    #[arg(long, value_name = "FILE")]
    pub(crate) act: Option<PathBuf>,
    /// Carry out the act: its signature (CAdES, detached)
    #[arg(long, value_name = "FILE", requires = "act")]
    pub(crate) signature: Option<PathBuf>,
    /// Sign with the archive's own seal; trial archives only
    #[arg(long, conflicts_with_all = ["act", "signature"], requires = "reason")]
    pub(crate) trial: bool,
    /// With --trial, do it; without it, nothing is changed
    #[arg(long, requires = "trial")]
    pub(crate) yes: bool,
}

/// Why a log cannot go on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SucceedReason {
    /// The store was restored from a backup, and what came after that is lost
    BackupRestored,
    /// The hash function of the log comes to its end
    HashFunction,
    /// Somebody else may have the keys
    KeysExposed,
    /// A key of the log or of its commits is lost
    KeysLost,
    /// The keys signed two logs that do not continue each other
    LogForked,
    /// The newest commits are lost
    TailLost,
}

/// The name of the command's result.
const SCHEMA: &str = "sigillo.log.succeed/1";

/// What is to be done once another log has begun.
const AFTERWARDS: &str = "Copy the key folder anew. Give those who believe the archive what \
                          `sigillo trust export` prints now, and witnesses the key of the new log.\n";

/// What is known before anything is done.
struct Before {
    archive: Archive,
    plan: SuccessionPlan,
    /// The folder of the keys of the log as it is, whether or not they are there.
    old: PathBuf,
    /// Whether they are all there.
    has_old_keys: bool,
    /// The newest checkpoint that is known of the log as it is, and how many entries it covers.
    newest: Option<(u64, String)>,
}

impl From<SucceedReason> for SuccessionReason {
    fn from(reason: SucceedReason) -> Self {
        match reason {
            SucceedReason::BackupRestored => Self::BackupRestored,
            SucceedReason::HashFunction => Self::HashFunction,
            SucceedReason::KeysExposed => Self::KeysExposed,
            SucceedReason::KeysLost => Self::KeysLost,
            SucceedReason::LogForked => Self::LogForked,
            SucceedReason::TailLost => Self::TailLost,
        }
    }
}

/// Shows where the log would end and how the next would begin; with an act, or in trial archives with
/// `--trial --yes`, does it.
pub(crate) async fn run(context: &Context, args: &SucceedArgs) -> Result<u8, CommandError> {
    let archive = context.archive_as_found().await?;
    archive.learn().await.map_err(|error| unreadable(&error))?;
    refuse_unbelieved(context, &archive)?;
    if let Some(code) = complete(context, args, &archive).await? {
        return Ok(code);
    }
    if let (Some(act), Some(signature)) = (&args.act, &args.signature) {
        return carry_out_file(context, archive, act, signature).await;
    }
    let before = look(context, args, archive).await?;
    let plan = plan_text(&before);
    let Some(reason) = args.reason.map(SuccessionReason::from) else {
        let text = format!(
            "{plan}Nothing was changed. Say why with --reason, and have the act signed that --act \
             writes; in a trial archive, --trial --yes signs it with the archive's own seal.\n"
        );
        context.output.result(SCHEMA, &text, value_of(&before, None));
        return Ok(EXIT_CLEAN);
    };
    refuse_reason(&before, reason)?;
    if args.trial && !before.archive.description().trial {
        let words = "this is no trial archive: the responsible person of the entity has to sign";
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("write the act with --act FILE, have it signed, and give both"));
    }
    if args.act.is_none() && !(args.trial && args.yes) {
        let text = format!(
            "{plan}The reason given is that {}.\nNothing was changed. To go on: --act FILE writes the \
             act to be signed; in a trial archive --trial --yes does all of it.\n",
            reason_in_words(reason)
        );
        context.output.result(SCHEMA, &text, value_of(&before, None));
        return Ok(EXIT_CLEAN);
    }
    if !context.output.is_json() {
        context.output.data(&plan);
    }
    let keys = next_keys(context, &before, reason)?;
    let at = LogTime::new(context.clock.now());
    let checkpoint = before.newest.as_ref().map(|(_, text)| text.clone());
    let words = args.words.clone().unwrap_or_default();
    let terms = SuccessionTerms { at, checkpoint, reason, words };
    let signers = log_keys(&keys);
    let new = (&signers, keys.seal_pem());
    let act = write_succession_act(&before.archive, &before.plan, new, terms)?;
    if let Some(file) = &args.act {
        write_new(file, &act)?;
        let text = format!(
            "The act is in {0}. Have it signed by the responsible person of the entity: detached \
             CAdES, over the bytes as they are. Then: sigillo log succeed --act {0} --signature \
             FILE.p7s\nUntil then the log goes on as it is; if it does, the act is to be written \
             again.\n",
            file.display()
        );
        context.output.result(SCHEMA, &text, value_of(&before, None));
        return Ok(EXIT_CLEAN);
    }
    let signature = sign_succession_act(&keys.seal(), &act, at)?;
    let old = old_signer(&before.archive, &before.old);
    finish(context, (before.archive, keys, old), (&act, &signature)).await
}

/// Refuses to end a log that came after another and that nobody vouches for: somebody else may have
/// begun it, and who follows it would let them.
fn refuse_unbelieved(context: &Context, archive: &Archive) -> Result<(), CommandError> {
    let generation = archive.generation();
    if generation == 1 || context.trust.knowledge_of(archive)?.0 {
        return Ok(());
    }
    let words = format!(
        "LOG_UNBELIEVED: log {generation} of this archive began with commit {}, and nothing in the trust \
         store vouches for it; nothing was written",
        archive.opened(generation).unwrap_or_default()
    );
    Err(CommandError::new(ErrorKind::Integrity, words)
        .hint("`sigillo verify` says by whose act it began")
        .hint("if it is yours, add what `sigillo trust export` printed where it was begun")
        .hint(
            "if it is not, keep these commits elsewhere and take them out of log/seq: the log before \
             goes on then",
        ))
}

/// Completes a succession that was interrupted before its key had signed, if there is one.
async fn complete(
    context: &Context,
    args: &SucceedArgs,
    archive: &Archive,
) -> Result<Option<u8>, CommandError> {
    if archive.generation() == 1 || !(args.yes || args.signature.is_some()) {
        return Ok(None);
    }
    let Ok(keys) = context.keys(archive) else { return Ok(None) };
    if keys.log_signer().last_signed()?.is_some() {
        return Ok(None);
    }
    context.trust.add(&trusted(context, archive, &keys)?)?;
    context.log(archive, &keys).await?;
    context.remember_signed_or_warn(archive, &keys);
    let generation = archive.generation();
    let text = format!("Log {generation} had begun, and is complete now.\n{AFTERWARDS}");
    let value = json!({
        "act_sha256": null, "commit": archive.opened(generation), "generation": generation,
        "lost": null, "origin": archive.origin(), "performed": true, "signer": null,
    });
    context.output.result(SCHEMA, &text, value);
    Ok(Some(EXIT_CLEAN))
}

/// Looks at the log as it is, at its keys, and at what is known of it.
async fn look(
    context: &Context,
    args: &SucceedArgs,
    archive: Archive,
) -> Result<Before, CommandError> {
    let plan = plan_succession(&archive).await.map_err(|error| unreadable(&error))?;
    let generation = archive.generation();
    let old = keys_of_log(&context.places.keys_of(&context.url()?), generation);
    let found = context.keys(&archive).ok();
    let old = found.as_ref().map_or(old, |keys| keys.path().to_owned());
    let newest = newest_known(context, args, &archive, old_signer(&archive, &old)).await?;
    let has_old_keys = found.is_some();
    Ok(Before { archive, plan, old, has_old_keys, newest })
}

fn unreadable(error: &LogError) -> CommandError {
    CommandError::of(error.kind(), error).hint(
        "a log is succeeded where its commits end: whatever lies behind a gap, or is damaged at the \
         end, has to be moved out of log/seq first, and kept",
    )
}

/// Finds the newest checkpoint of the log as it is: given, published, signed last, or seen.
async fn newest_known(
    context: &Context,
    args: &SucceedArgs,
    archive: &Archive,
    old: Option<CheckpointSigner>,
) -> Result<Option<(u64, String)>, CommandError> {
    let mut known: Vec<(u64, String)> = Vec::new();
    if let Some(file) = &args.checkpoint {
        let bytes = read_beginning(file, NOTE_BYTES_MAX as u64)?;
        let key = archive.key_of(&bytes).await?;
        let checkpoint = checkpoint_of(&bytes, &key).map_err(|what| {
            let words = format!("{} is no checkpoint of this log: {what}", file.display());
            CommandError::new(ErrorKind::Invalid, words)
        })?;
        if checkpoint.origin != archive.origin() {
            let words =
                format!("{} is a checkpoint of a log of this archive that ended", file.display());
            return Err(CommandError::new(ErrorKind::Invalid, words)
                .hint(format!("give one of its newest log, {}", archive.origin())));
        }
        known.push((checkpoint.size, String::from_utf8_lossy(&bytes).into_owned()));
    }
    if let Some(published) = read_checkpoint(archive).await? {
        known.push((published.head.size, published.note));
    }
    let signed = old.and_then(|old| old.last_signed().ok().flatten());
    for head in [signed, context.seen(archive)].into_iter().flatten() {
        let root = TreeHash::from_bytes(*head.root.as_bytes());
        let checkpoint = Checkpoint { origin: archive.origin(), size: head.size, root };
        known.push((head.size, checkpoint.to_text()));
    }
    // Of equal ones the first, which is signed.
    known.reverse();
    Ok(known.into_iter().max_by_key(|(size, _)| *size))
}

/// Refuses a reason that the keys contradict.
fn refuse_reason(before: &Before, reason: SuccessionReason) -> Result<(), CommandError> {
    let are_said_lost = reason == SuccessionReason::KeysLost;
    if are_said_lost && before.has_old_keys {
        let words =
            format!("the keys of this log are not lost: they are in {}", before.old.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("give another --reason, or name the right folder with --keys"));
    }
    if !are_said_lost && !before.has_old_keys {
        let words = format!("the keys of this log are not all in {}", before.old.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("bring the key folder back, or name it with --keys")
            .hint("if they are lost for good, say so: --reason keys-lost"));
    }
    Ok(())
}

fn plan_text(before: &Before) -> String {
    let plan = &before.plan;
    let generation = plan.generation;
    let mut text = format!(
        "Log {} would end with commit {} of {} entries, and log {generation} begin with commit {}: \
         origin {}, its entries counted from 0, published under log-{generation}/.\n",
        generation - 1,
        grouped(plan.last),
        grouped(plan.size),
        grouped(plan.last + 1),
        before.archive.description().origin_of(generation),
    );
    text.push_str(&match &before.newest {
        None => "No checkpoint of the log as it is is known here.\n".to_owned(),
        Some((size, _)) if *size > plan.size => format!(
            "The newest checkpoint known covers {} entries: {} of them are lost, and stay so. Look for \
             a copy that has them before you go on.\n",
            grouped(*size),
            grouped(size - plan.size)
        ),
        Some((size, _)) => {
            format!("The newest checkpoint known covers {} entries.\n", grouped(*size))
        }
    });
    text.push_str(&if before.has_old_keys {
        format!("The keys in {} sign for the new ones.\n", before.old.display())
    } else {
        "The keys of the log are not here: who believes it has to be given the new key, or believe who \
         signs the act.\n"
            .to_owned()
    });
    text.push_str(
        "Receipts, bundles and statements that were given out stay as they are. New ones that need both \
         logs say so, and need a version of Sigillo that knows of it.\n",
    );
    text
}

fn value_of(before: &Before, done: Option<&SucceededLog>) -> Value {
    let newest = before.newest.as_ref().map_or(0, |(size, _)| *size);
    let generation = before.plan.generation;
    json!({
        "act_sha256": done.map(|it| it.body.act_sha256),
        "commit": before.plan.last + 1,
        "generation": generation,
        "lost": newest.saturating_sub(before.plan.size),
        "origin": before.archive.description().origin_of(generation),
        "performed": done.is_some(),
        "signer": done.map(|it| it.signer.signer.clone()),
    })
}

/// Makes the keys of the next log, or opens those that were made before.
///
/// The seal, the trial authority and the trial root go on, unless somebody else may have them.
fn next_keys(
    context: &Context,
    before: &Before,
    reason: SuccessionReason,
) -> Result<KeyFolder, CommandError> {
    let generation = before.plan.generation;
    let base = base_of(&before.old, generation.saturating_sub(1));
    let path = keys_of_log(&base, generation);
    if let Ok(signer) = KeyFolder::open_log_signer(&path)
        && let Some(last) = signer.last_signed()?
    {
        let words = format!(
            "LOG_DIVERGED: the keys in {} signed {} entries of log {generation} already, which this \
             archive does not show; nothing was written",
            path.display(),
            last.size
        );
        return Err(CommandError::new(ErrorKind::Integrity, words)
            .hint("the store may have been restored from a backup: bring back its newest state")
            .hint("if that log is lost for good, keep that folder elsewhere, and try again"));
    }
    let entity = &before.archive.description().entity.name;
    let (clock, entropy) = (&*context.clock, &*context.entropy);
    let is_exposed = reason == SuccessionReason::KeysExposed;
    let old = (!is_exposed).then_some(before.old.as_path());
    let keys = KeyFolder::create_successor(&path, old, entity, clock, entropy)?;
    if is_exposed && keys.seal_pem() == before.archive.seal_at(before.plan.last) {
        let words = format!(
            "the keys in {} were made for another reason, and with them goes on the seal that somebody \
             else may have",
            path.display()
        );
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("they signed nothing yet: remove that folder, and try again"));
    }
    Ok(keys)
}

/// Opens the log key of the log as it is, whatever else is lost.
fn old_signer(archive: &Archive, folder: &Path) -> Option<CheckpointSigner> {
    let signer = KeyFolder::open_log_signer(folder).ok()?;
    (signer.public_key()[..] == *archive.log_keys().first().public_key()).then_some(signer)
}

fn log_keys(keys: &KeyFolder) -> LogKeys {
    LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() }
}

/// Carries out an act that somebody signed.
async fn carry_out_file(
    context: &Context,
    archive: Archive,
    act: &Path,
    signature: &Path,
) -> Result<u8, CommandError> {
    let bytes = read_beginning(act, SUCCESSION_ACT_BYTES_MAX)?;
    let signature = read_beginning(signature, SEAL_BYTES_MAX as u64)?;
    let generation = read_act(&bytes)?.succession.generation;
    let base = context.places.keys_of(&context.url()?);
    let older = generation.saturating_sub(1).max(1);
    let keys = KeyFolder::open(&keys_of_log(&base, generation)).map_err(|error| {
        CommandError::from(error)
            .hint("name the folder with the keys made with the act with --keys")
    })?;
    let old = if archive.generation() < generation {
        old_signer(&archive, &keys_of_log(&base, older))
    } else {
        None
    };
    finish(context, (archive, keys, old), (&bytes, &signature)).await
}

/// Carries out an act, and remembers what came of it.
async fn finish(
    context: &Context,
    (archive, keys, old): (Archive, KeyFolder, Option<CheckpointSigner>),
    (act, signature): (&[u8], &[u8]),
) -> Result<u8, CommandError> {
    context.probed(&archive).await?;
    let mut anchors = context.trust.all_anchors()?;
    add_root(&mut anchors, &keys)?;
    let clock = std::sync::Arc::clone(&context.clock);
    let signers = (log_keys(&keys), old);
    let done =
        succeed_log(archive, signers, (act, signature), &anchors, clock, &*context.entropy).await?;
    let archive = done.writer.archive().clone();
    context.trust.add(&trusted(context, &archive, &keys)?)?;
    context.remember_signed_or_warn(&archive, &keys);
    let body = &done.body;
    let (by, terms) = (&done.signer, &body.succession);
    let known = match (by.trial, &by.trust) {
        (true, _) => " (TRIAL)",
        (_, Trust::Unknown) => ", who leads to no anchor of the trust store",
        _ => "",
    };
    let text = format!(
        "Log {} has begun with commit {}, by an act signed by {}{known}:\n  {}\n{AFTERWARDS}",
        terms.generation,
        grouped(done.commit),
        visible(&by.signer),
        terms.log
    );
    let value = json!({
        "act_sha256": body.act_sha256, "commit": done.commit, "generation": terms.generation,
        "lost": sigillo_evidence_log::entries_lost(terms), "origin": archive.origin(),
        "performed": true, "signer": by.signer,
    });
    context.output.result(SCHEMA, &text, value);
    Ok(EXIT_CLEAN)
}

/// Says what is believed of an archive with this log.
fn trusted(
    context: &Context,
    archive: &Archive,
    keys: &KeyFolder,
) -> Result<Trusted, CommandError> {
    let mut anchors = vec![keys.trial_root_pem().to_owned()];
    anchors.extend(context.authority_anchors()?);
    Ok(Trusted::of(archive, anchors))
}

fn add_root(anchors: &mut TrustAnchors, keys: &KeyFolder) -> Result<(), CommandError> {
    let bad = |error: &dyn std::fmt::Display| {
        CommandError::new(ErrorKind::Invalid, format!("the trial root cannot be used: {error}"))
    };
    for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE").map_err(|error| bad(&error))? {
        anchors.add_der("trial root", &der).map_err(|error| bad(&error))?;
    }
    Ok(())
}
