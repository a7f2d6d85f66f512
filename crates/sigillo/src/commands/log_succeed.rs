//! `sigillo log succeed`: a log that cannot go on ends, and another begins in its place.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use sigillo_authorities::{CheckpointSigner, KeyFolder};
use sigillo_ers::{SEAL_BYTES_MAX, Trust, TrustAnchors, pem_blocks};
use sigillo_evidence_log::{
    Archive, ClockBehind, LogError, LogKeys, SuccessionPlan, SuccessionTerms, act_clock_behind,
    beyond_end, clock_behind, plan_succession, read_act, sign_succession_act, succeed_log,
    write_succession_act,
};
use sigillo_merkle::VerifierKey;
use sigillo_model::{
    ErrorKind, LogTime, SUCCESSION_ACT_BYTES_MAX, Succession, SuccessionAct, SuccessionReason,
};

use crate::{
    commands::{
        EXIT_CLEAN,
        log_succeed_again::Begun,
        log_succeed_known::{Known, Lost, words_of_act},
    },
    context::Context,
    error::CommandError,
    guard::{BACKUP, base_of, keys_of_log},
    output::{counted, grouped, visible},
    places::{read_beginning, refuse_taken, write_new},
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
    #[command(flatten)]
    pub(crate) said: SaidArgs,
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

/// What the act says beside that.
#[derive(Args, Debug)]
pub(crate) struct SaidArgs {
    /// A log that came after this one is lost for good: what knows of it here is kept elsewhere
    #[arg(long)]
    pub(crate) lost_successor: bool,
    /// The clock is right, and the last commit or time-stamp was made by one that was ahead: the act says so
    #[arg(long, requires = "reason")]
    pub(crate) clock_is_right: bool,
}

/// Why a log cannot go on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SucceedReason {
    /// The store was restored from a backup, and what came after that is lost
    BackupRestored,
    /// The certificates of seal and trial authority come to their end, or have ended
    CertificatesEnded,
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
pub(super) const SCHEMA: &str = "sigillo.log.succeed/1";

/// What is to be done once another log has begun.
pub(super) const AFTERWARDS: &str = "Copy the key folder anew. Give those who believe the archive what \
                          `sigillo trust export` prints now, and witnesses the key of the new log. What \
                          came in with commits that are gone or were moved out of log/seq is named by \
                          none any more: ingest it again before `sigillo sweep --yes`, which removes \
                          it.\n";

/// What comes of ending a log by a clock that is behind what it has.
const CLOCK_CONSEQUENCE: &str = "The act says that the clock is right. Whoever is told when the log ended \
                                 does not believe of it, but through the next log, what no time-stamp of \
                                 before that covers: give new proofs of that.";

/// What is known before anything is done.
struct Before {
    archive: Archive,
    plan: SuccessionPlan,
    /// The folder of the keys of the log as it is, whether or not they are there.
    old: PathBuf,
    /// Whether they are all there, up to that which signs for the end of the log.
    has_old_keys: bool,
    /// What is known of the log as it is.
    known: Known,
    /// What came after it and is lost.
    lost: Lost,
}

impl From<SucceedReason> for SuccessionReason {
    fn from(reason: SucceedReason) -> Self {
        match reason {
            SucceedReason::BackupRestored => Self::BackupRestored,
            SucceedReason::CertificatesEnded => Self::CertificatesEnded,
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
    if context.lacks_log(&archive)?.is_some() {
        archive.learn_hidden().await.map_err(|error| unreadable(&error))?;
    }
    let begun = Begun::find(context, &archive).await?;
    if begun.is_none() {
        refuse_unbelieved(context, &archive)?;
    }
    if let Some(begun) = begun
        && let Some(code) = begun.complete(context, args, &archive).await?
    {
        return Ok(code);
    }
    if let (Some(act), Some(signature)) = (&args.act, &args.signature) {
        return carry_out_file(context, args, archive, (act, signature)).await;
    }
    let before = look(context, args, archive).await?;
    let plan = plan_text(context, &before)?;
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
            reason.in_words()
        );
        context.output.result(SCHEMA, &text, value_of(&before, Some(reason)));
        return Ok(EXIT_CLEAN);
    }
    if !context.output.is_json() {
        context.output.data(&plan);
    }
    begin(context, args, before, reason).await
}

/// Writes the act, and in trial archives carries it out.
async fn begin(
    context: &Context,
    args: &SucceedArgs,
    before: Before,
    reason: SuccessionReason,
) -> Result<u8, CommandError> {
    before.lost.refuse_unless(context, &before.archive, args.said.lost_successor)?;
    context.trust.refuse_others(&before.archive)?;
    let at = LogTime::new(context.clock.now());
    let behind = clock_behind(&before.archive, reason, at.timestamp()).await?;
    if let Some(behind) = behind {
        if !args.said.clock_is_right {
            return Err(refused_by_clock(behind));
        }
        context.output.say(CLOCK_CONSEQUENCE);
    }
    if let Some(file) = &args.act {
        refuse_taken(file)?;
    }
    before.lost.set_keys_aside(at)?;
    let keys = next_keys(context, &before, reason)?;
    let words = words_of_act(args.words.as_deref(), &before.known, (&before.lost, behind));
    let (checkpoint, clock_ahead) = (before.known.checkpoint(), behind.map(|it| it.at));
    let terms = SuccessionTerms { at, checkpoint, clock_ahead, reason, words };
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
        context.output.result(SCHEMA, &text, value_of(&before, Some(reason)));
        return Ok(EXIT_CLEAN);
    }
    let signature = sign_succession_act(&keys.seal(), &act, at)?;
    let old = signer_of_end(&before.archive, old_signer(context, &before.archive)?);
    finish(context, args, (before.archive, keys, old), (&act, &signature)).await
}

/// Says why a log is not ended by this clock, and the ways out.
fn refused_by_clock(behind: ClockBehind) -> CommandError {
    CommandError::from(behind.refused())
        .hint(
            "if the clock is right, what was made by one that was ahead has to be the last no more: where the \
             log can go on, `sigillo ingest` or `sigillo seal` something first. Whoever is told when the log ended \
             does not believe then what it has of later time-stamps, but through the next log: give new proofs of \
             that",
        )
        .hint("where it cannot, --clock-is-right ends it with that in the act, which is signed with it")
}

/// Says why an act is not carried out by this clock.
fn refused_act_by_clock(behind: ClockBehind, act: &SuccessionAct) -> CommandError {
    if act.clock_ahead.is_some() && behind.at == act.at {
        return CommandError::from(behind.refused()).hint(
            "if the clock is right, that by which the act was written was not: write it again",
        );
    }
    refused_by_clock(behind).hint("the act has to be written again for that")
}

/// Refuses to end a log that came after another and that nobody vouches for: somebody else may have
/// begun it, and who follows it would let them.
fn refuse_unbelieved(context: &Context, archive: &Archive) -> Result<(), CommandError> {
    if archive.generation() == 1
        || context.trust.knowledge_of(archive)?.0
        || context.trust.believes_shown(archive)?
    {
        return Ok(());
    }
    Err(context.unbelieved(archive)?)
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
    let signer = old_signer(context, &archive)?;
    let given = (args.checkpoint.as_deref(), args.reason.map(SuccessionReason::from));
    let has_old_keys = found.is_some() && signer_of_end(&archive, signer.clone()).is_some();
    let known = Known::read(context, given, (&archive, &plan), signer).await?;
    let lost = Lost::find(context, &archive, &base_of(&old, generation))?;
    Ok(Before { archive, plan, old, has_old_keys, known, lost })
}

pub(super) fn unreadable(error: &LogError) -> CommandError {
    let this = CommandError::of(error.kind(), error);
    if error.kind() != ErrorKind::Integrity {
        // Nothing of the log is damaged: the hints would lead astray.
        return this;
    }
    this
        .hint(
            "a log is succeeded where its commits end: whatever lies behind a gap, or is damaged at the \
             end, has to be moved out of log/seq first, and kept",
        )
        .hint(
            "what those commits brought in has to be ingested again before `sigillo sweep --yes`, which \
             removes what no commit names",
        )
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

fn plan_text(context: &Context, before: &Before) -> Result<String, CommandError> {
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
    text.push_str(&before.known.text());
    text.push_str(&before.lost.text(context, &before.archive)?);
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
    Ok(text)
}

fn value_of(before: &Before, reason: Option<SuccessionReason>) -> Value {
    let generation = before.plan.generation;
    json!({
        "act_sha256": null, "commit": before.plan.last + 1, "generation": generation,
        "lost": before.known.lost(reason), "origin": before.archive.description().origin_of(generation),
        "performed": false, "signer": null,
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
    let is_exposed = reason == SuccessionReason::KeysExposed;
    if is_exposed && path.exists() {
        let words = format!(
            "the keys in {} were there before, and whoever has the other keys may have these",
            path.display()
        );
        let kept = path.with_file_name(format!("g{generation}-unused"));
        return Err(CommandError::new(ErrorKind::Invalid, words).hint(format!(
            "if no act that names them is being signed, put them elsewhere and try again: mv '{}' '{}'",
            path.display(),
            kept.display()
        )));
    }
    let entity = &before.archive.description().entity.name;
    let (clock, entropy) = (&*context.clock, &*context.entropy);
    let old = (!is_exposed).then_some(before.old.as_path());
    Ok(KeyFolder::create_successor(&path, old, entity, clock, entropy)?)
}

/// Lists the folders in which the keys of the log of a generation may lie: where they are expected, what
/// was named, and those of other archives of this user, for one that was moved.
fn folders_of(context: &Context, generation: u64) -> Result<Vec<PathBuf>, CommandError> {
    let named = context.places.keys_of(&context.url()?);
    let base = base_of(&named, generation.saturating_sub(1));
    let mut folders = vec![keys_of_log(&named, generation), named, keys_of_log(&base, generation)];
    let others = context.places.all_keys();
    folders.extend(others.into_iter().map(|it| keys_of_log(&it, generation)));
    Ok(folders)
}

/// Returns the signer if it has the key that signs for the end of the log: one that was copied before a
/// rotation has not.
fn signer_of_end(archive: &Archive, old: Option<CheckpointSigner>) -> Option<CheckpointSigner> {
    let newest = archive.log_keys();
    old.filter(|it| it.of_key(newest.current().public_key()).is_ok())
}

/// Opens the log key of the log as it is, wherever it lies and whatever else is lost.
fn old_signer(
    context: &Context,
    archive: &Archive,
) -> Result<Option<CheckpointSigner>, CommandError> {
    let first = archive.log_keys().first().clone();
    let folders = folders_of(context, archive.generation())?;
    let mut signers = folders.iter().filter_map(|it| KeyFolder::open_log_signer(it).ok());
    Ok(signers.find(|it| it.public_key()[..] == *first.public_key()))
}

fn log_keys(keys: &KeyFolder) -> LogKeys {
    LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() }
}

/// Carries out an act that somebody signed.
async fn carry_out_file(
    context: &Context,
    args: &SucceedArgs,
    archive: Archive,
    (act, signature): (&Path, &Path),
) -> Result<u8, CommandError> {
    let bytes = read_beginning(act, SUCCESSION_ACT_BYTES_MAX)?;
    let signature = read_beginning(signature, SEAL_BYTES_MAX as u64)?;
    let read = read_act(&bytes)?;
    let terms = &read.succession;
    let keys = keys_of_act(context, terms)?;
    let lost = Lost::find(context, &archive, &base_of(keys.path(), terms.generation))?;
    lost.refuse_unless(context, &archive, args.said.lost_successor)?;
    let old = if archive.generation() < terms.generation {
        refuse_used(&keys, terms.generation)?;
        if let Some(behind) = act_clock_behind(&archive, &read, context.clock.now()).await? {
            return Err(refused_act_by_clock(behind, &read));
        }
        context.trust.refuse_others(&archive)?;
        let old = signer_of_end(&archive, old_signer(context, &archive)?);
        if old.is_none() && terms.reason != SuccessionReason::KeysLost {
            return Err(missing_old_key(context, &archive)?);
        }
        old
    } else {
        None
    };
    finish(context, args, (archive, keys, old), (&bytes, &signature)).await
}

/// Opens the keys that an act names, wherever they lie; else those where they are expected.
fn keys_of_act(context: &Context, terms: &Succession) -> Result<KeyFolder, CommandError> {
    let folders = folders_of(context, terms.generation)?;
    let named = VerifierKey::parse(&terms.commit).ok();
    let is_named = |keys: &KeyFolder| {
        named.as_ref().is_some_and(|it| keys.commit_signer().public_key()[..] == *it.public_key())
    };
    let found = folders.iter().filter_map(|it| KeyFolder::open(it).ok()).find(is_named);
    if let Some(keys) = found {
        return Ok(keys);
    }
    let base = context.places.keys_of(&context.url()?);
    KeyFolder::open(&keys_of_log(&base, terms.generation)).map_err(|error| {
        CommandError::from(error)
            .hint("name the folder with the keys made with the act with --keys")
    })
}

/// Refuses an act whose keys signed already: the log that it began is not there any more.
fn refuse_used(keys: &KeyFolder, generation: u64) -> Result<(), CommandError> {
    let Some(last) = keys.log_signer().last_signed()? else { return Ok(()) };
    let words = format!(
        "LOG_DIVERGED: the keys of this act signed {} of log {generation} already, and the archive does \
         not show it; nothing was written",
        counted(last.size, "entry")
    );
    Err(CommandError::new(ErrorKind::Integrity, words).hint(BACKUP).hint(
        "if that log is lost for good, write another act: --lost-successor --reason REASON --act",
    ))
}

fn missing_old_key(context: &Context, archive: &Archive) -> Result<CommandError, CommandError> {
    let generation = archive.generation();
    let folder = keys_of_log(&context.places.keys_of(&context.url()?), generation);
    let words = format!(
        "the key of log {generation}, which is to sign for the next, is not in {}; nothing was written",
        folder.display()
    );
    Ok(CommandError::new(ErrorKind::Invalid, words)
        .hint("bring the key folder back, or name it with --keys: it holds the keys of all logs")
        .hint("if it is lost for good, write the act again with --reason keys-lost"))
}

/// Carries out an act, and remembers what came of it.
async fn finish(
    context: &Context,
    args: &SucceedArgs,
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
    believe(context, args, &archive, &keys)?;
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
        "lost": beyond_end(terms).lost(), "origin": archive.origin(),
        "performed": true, "signer": by.signer,
    });
    context.output.result(SCHEMA, &text, value);
    Ok(EXIT_CLEAN)
}

/// Believes a log that these keys began, and no more those that are lost, if that was asked for.
pub(super) fn believe(
    context: &Context,
    args: &SucceedArgs,
    archive: &Archive,
    keys: &KeyFolder,
) -> Result<(), CommandError> {
    if args.said.lost_successor {
        let lost = Lost::find(context, archive, &base_of(keys.path(), archive.generation()))?;
        let at = LogTime::new(context.clock.now());
        lost.set_keys_aside(at)?;
        lost.forget(context, archive, at)?;
    }
    let mut anchors = vec![keys.trial_root_pem().to_owned()];
    anchors.extend(context.authority_anchors()?);
    context.trust.add(&Trusted::of(archive, anchors))?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_to_be_moved_away_only_where_some_are_damaged() {
        let hints = |error: &LogError| unreadable(error).hints.concat();
        assert!(hints(&LogError::CommitMissing { number: 3 }).contains("out of log/seq"));
        let last = LogError::NoSuccession { what: "an archive has 64 logs at most".to_owned() };
        assert_eq!(hints(&last), "");
    }
}
