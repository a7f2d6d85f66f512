//! `sigillo log witness` and `sigillo log add-cosignature`: vouching for the logs of others, and
//! keeping what others say of one's own.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use sigillo_authorities::{KeyError, SignedHead, Witness, WitnessRefused, Witnessed};
use sigillo_custody::{CosignatureOutcome, ReceiptLog, store_cosignature};
use sigillo_evidence_log::Archive;
use sigillo_merkle::{
    CHECKPOINT_BYTES_MAX, Checkpoint, CosignedAt, KeysOfLog, NoteSignature, SignedNote, TreeHash,
    VerifierKey, WITNESS_REQUEST_BYTES_MAX, WitnessRefusal, WitnessRequest, cosignature_message,
};
use sigillo_model::{ErrorKind, LogTime, ObjectKey, Sha256Digest};
use sigillo_proof::CosignedBy;

use crate::{
    commands::{
        EXIT_CLEAN, EXIT_DAMAGE,
        log_ended::NotContained,
        log_witness_ended::{Ended, NotCosigned, judged},
    },
    context::Context,
    error::CommandError,
    output::{counted, visible},
    places::read_beginning,
    trust::Trusted,
};

/// A cosignature may be of one of so many sizes before the published one.
const OLDER_SIZES_MAX: u64 = 20_000;

/// Options of `log witness`.
#[derive(Args, Debug)]
pub(crate) struct WitnessArgs {
    /// What `sigillo log consistency` printed for the archive whose checkpoint is to be cosigned
    #[arg(value_name = "REQUEST")]
    request: Option<PathBuf>,
    /// The verifier key of that archive's log [default: as in the trust store]
    #[arg(long, value_name = "KEY", requires = "request", conflicts_with = "last")]
    log: Option<String>,
    /// Make the key of this witness, under this name: such as a domain and a path, without spaces
    #[arg(long, value_name = "NAME", conflicts_with_all = ["request", "last"])]
    new_key: Option<String>,
    /// Print the checkpoint that was cosigned last of the log of this name
    #[arg(long, value_name = "ORIGIN", conflicts_with = "request")]
    last: Option<String>,
}

/// Options of `log add-cosignature`.
#[derive(Args, Debug)]
pub(crate) struct AddCosignatureArgs {
    /// What `sigillo log witness`, or another witness, printed
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Cosigns a checkpoint, makes the key for it, or tells what was cosigned.
pub(crate) fn witness(context: &Context, args: &WitnessArgs) -> Result<u8, CommandError> {
    let folder = context.places.witness();
    if let Some(name) = &args.new_key {
        // A name that no note can hold is refused before there is a key of it.
        VerifierKey::new_cosigner(name.clone(), [0; 32])
            .map_err(|error| CommandError::of(ErrorKind::Invalid, &error))?;
        let witness = Witness::create(&folder, name)?;
        let place = visible(&folder.display().to_string());
        context.output.say(&format!(
            "The witness {} keeps its key and what it cosigned in {place}; never put back an older \
             copy of it. Give the line below to those who are to believe it.",
            visible(name)
        ));
        return Ok(told(context, &format!("{}\n", key_of(&witness)?), Facts::of(&witness)?));
    }
    let witness = Witness::open(&folder).map_err(|error| no_witness(error, &folder))?;
    if let Some(origin) = &args.last {
        let named = named_keys(&context.trust.list()?, origin).and_then(|it| it.1);
        let last = witness.last(origin, named.as_deref())?.ok_or_else(|| {
            let words = format!("no checkpoint of {origin:?} was cosigned yet");
            CommandError::new(ErrorKind::Invalid, words)
        })?;
        let text = last.checkpoint.clone();
        return Ok(told(context, &text, Facts { last: Some(last), ..Facts::of(&witness)? }));
    }
    match &args.request {
        Some(request) => cosign(context, &witness, request, args.log.as_deref()),
        None => Ok(told(context, &format!("{}\n", key_of(&witness)?), Facts::of(&witness)?)),
    }
}

/// What the command tells to programs.
#[derive(Default)]
struct Facts {
    key: String,
    cosignature: Option<String>,
    /// The last checkpoint that was cosigned before.
    last: Option<Witnessed>,
    /// What was asked for.
    asked: Option<Witnessed>,
    refused: Option<String>,
    kept: Option<PathBuf>,
}

impl Facts {
    fn of(witness: &Witness) -> Result<Self, CommandError> {
        Ok(Self { key: key_of(witness)?.to_string(), ..Self::default() })
    }
}

/// Prints what came of it.
fn told(context: &Context, text: &str, facts: Facts) -> u8 {
    let value_of = |it: Witnessed| {
        json!({
            "at": it.at, "checkpoint": it.checkpoint, "origin": it.origin, "root": it.root,
            "size": it.size,
        })
    };
    let code = if facts.refused.is_some() { EXIT_DAMAGE } else { EXIT_CLEAN };
    let value = json!({
        "asked": facts.asked.map(value_of),
        "cosignature": facts.cosignature,
        "kept": facts.kept.map(|path| path.display().to_string()),
        "last": facts.last.map(value_of),
        "refused": facts.refused,
        "witness": facts.key,
    });
    context.output.result("sigillo.log.witness/1", text, value);
    code
}

fn key_of(witness: &Witness) -> Result<VerifierKey, CommandError> {
    VerifierKey::new_cosigner(witness.name(), witness.public_key())
        .map_err(|error| CommandError::of(ErrorKind::Invalid, &error))
}

fn no_witness(error: KeyError, folder: &Path) -> CommandError {
    if !matches!(error, KeyError::Missing { .. }) || folder.exists() {
        return error.into();
    }
    let words = format!("there is no witness in {}", folder.display());
    CommandError::new(ErrorKind::Invalid, words)
        .hint("make its key once with `sigillo log witness --new-key NAME`")
        .hint("or bring its folder back, if it was a witness before: it remembers what it cosigned")
}

fn cosign(
    context: &Context,
    witness: &Witness,
    file: &Path,
    log: Option<&str>,
) -> Result<u8, CommandError> {
    let bytes = read_beginning(file, WITNESS_REQUEST_BYTES_MAX as u64)?;
    let request = WitnessRequest::parse(&bytes).map_err(|error| {
        let mut this = CommandError::of(ErrorKind::Invalid, &error);
        this.words.insert(0, format!("{} cannot be used", file.display()));
        this.hint("give a file that `sigillo log consistency` printed")
    })?;
    let log = AskedLog::find(context, &request.checkpoint, log)?;
    let end = Ended::find(context, &request.checkpoint.origin)?;
    let key = key_of(witness)?;
    let at = LogTime::new(context.clock.now());
    let cosigned_at = u64::try_from(at.timestamp().as_second()).ok();
    let cosigned_at = cosigned_at.and_then(CosignedAt::from_unix_seconds).ok_or_else(|| {
        CommandError::new(ErrorKind::Invalid, "the clock is before 1970: nothing was cosigned")
    })?;
    let asked = Witnessed {
        at,
        checkpoint: request.note.clone(),
        origin: request.checkpoint.origin.clone(),
        root: digest_of(request.checkpoint.root),
        size: request.checkpoint.size,
    };
    let (mut before, other) = (None, witness.last(&asked.origin, None)?);
    let judge = |last: Option<&Witnessed>| {
        before = last.cloned();
        judged(&request, &log.key, last.map(checkpoint_of).as_ref(), end.as_ref())?;
        Ok((asked.clone(), cosignature_message(cosigned_at, request.signed.text.as_bytes())))
    };
    let outcome = match log.apart_from(other.as_ref()) {
        Some(first) => witness.cosign_apart((&asked.origin, first), judge)?,
        None => witness.cosign((&asked.origin, log.first.as_deref()), judge)?,
    };
    let facts = Facts { last: before, asked: Some(asked), ..Facts::of(witness)? };
    match outcome {
        Ok(signature) => {
            let line = NoteSignature::cosignature(&key, cosigned_at, signature).to_line();
            context.output.say(&cosigned_words(&facts, other.as_ref()));
            Ok(told(context, &line, Facts { cosignature: Some(line.clone()), ..facts }))
        }
        Err(NotCosigned::Ended(error)) => Err(error),
        Err(NotCosigned::Refused(refusal)) if refusal.is_evidence() => {
            refused(context, witness, &refusal, (&bytes, facts, (&log, end.as_ref())))
        }
        Err(NotCosigned::Refused(refusal)) => {
            Err(not_cosigned(&refusal, &request, (&log, facts.last.as_ref())))
        }
    }
}

/// The log that a checkpoint to be cosigned is of.
struct AskedLog {
    /// The key that signs it: the one that is given, or that is believed.
    key: VerifierKey,
    /// What tells this log apart from another of the same origin: its first key, as the trust store names it
    /// of one that came after another.
    first: Option<String>,
    /// All of its keys that are known.
    keys: KeysOfLog,
    is_given: bool,
}

impl AskedLog {
    fn find(
        context: &Context,
        checkpoint: &Checkpoint,
        given: Option<&str>,
    ) -> Result<Self, CommandError> {
        let (origin, size) = (&checkpoint.origin, checkpoint.size);
        let known = named_keys(&context.trust.list()?, origin);
        if let Some(text) = given {
            let key = VerifierKey::parse(text)
                .map_err(|error| CommandError::of(ErrorKind::Invalid, &error))?;
            let known = known.filter(|(keys, _)| *keys.of_size(size) == key);
            let (keys, first) = known.unwrap_or_else(|| (key.clone().into(), None));
            return Ok(Self { key, first, keys, is_given: true });
        }
        let Some((keys, first)) = known else {
            let words =
                format!("the trust store does not know the log {origin:?}: nothing was cosigned");
            return Err(CommandError::new(ErrorKind::Invalid, words).hint(
                "add what its owner exported with `sigillo trust add`, or name its key with --log",
            ));
        };
        Ok(Self { key: keys.of_size(size).clone(), first, keys, is_given: false })
    }

    /// Returns its first key if what was cosigned under its origin, of no key that is known, is another
    /// log's: the trust store names this one, and so does who asks. By one alone a key that the log was given
    /// later would seem to be another log's.
    fn apart_from(&self, other: Option<&Witnessed>) -> Option<&str> {
        let is_other = self.is_given && other.is_some_and(|it| self.is_stranger(it));
        self.first.as_deref().filter(|_| is_other)
    }

    fn is_stranger(&self, last: &Witnessed) -> bool {
        self.keys.is_stranger(last.checkpoint.as_bytes())
    }

    /// Says how it is cosigned if it took the place of a lost one, of which `last` was cosigned.
    fn in_place_of(&self, last: &Witnessed) -> Option<String> {
        let how = if self.first.is_some() {
            format!(
                "name its key as the trust store does, with --log {}: what was cosigned of the lost one is \
                 kept, and this one begins anew",
                self.key
            )
        } else {
            "move what the trust store says of the archive elsewhere, `sigillo trust add` what its owner \
             exports now, and ask again with --log and the key in that"
                .to_owned()
        };
        let words = "another key signed the one before: if this log took the place of a lost one";
        self.is_stranger(last).then(|| format!("{words}, {how}"))
    }
}

/// Returns the keys of a log that is believed; of one that came after another, also its first key.
///
/// Only such a one can be lost and have another in its place. Of the first log, older files know nothing
/// but the newest key: by that, it would seem to be another after a rotation.
fn named_keys(trusted: &[Trusted], origin: &str) -> Option<(KeysOfLog, Option<String>)> {
    let first = trusted.iter().filter_map(|it| Some((it.log_keys().ok()?, None)));
    let later = trusted.iter().flat_map(|it| &it.successors);
    let later = later.filter_map(|it| Some((it.log_keys()?, Some(it.log.clone()))));
    first.chain(later).find(|(keys, _)| keys.first().name() == origin)
}

fn checkpoint_of(last: &Witnessed) -> Checkpoint {
    let root = TreeHash::from_bytes(*last.root.as_bytes());
    Checkpoint { origin: last.origin.clone(), size: last.size, root }
}

pub(super) fn digest_of(root: TreeHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*root.as_bytes())
}

fn cosigned_words(facts: &Facts, other: Option<&Witnessed>) -> String {
    let Some(asked) = &facts.asked else { return String::new() };
    let (origin, entries) = (visible(&asked.origin), counted(asked.size, "entry"));
    match (&facts.last, other) {
        (None, Some(other)) => format!(
            "Cosigned {origin} with {entries}: the first checkpoint seen here of the log that the trust store \
             names. Another log of this name was cosigned before, last on {} with {}",
            other.at,
            counted(other.size, "entry")
        ),
        (None, None) => {
            format!("Cosigned {origin} with {entries}: the first checkpoint of it seen here")
        }
        (Some(last), _) => format!(
            "Cosigned {origin} with {entries}: it only grew since the {} cosigned on {}",
            last.size, last.at
        ),
    }
}

/// Keeps what speaks against a log, and says so.
fn refused(
    context: &Context,
    witness: &Witness,
    refusal: &WitnessRefusal,
    (bytes, facts, (log, end)): (&[u8], Facts, (&AskedLog, Option<&Ended>)),
) -> Result<u8, CommandError> {
    let reason = refusal.to_string();
    let kept = match &facts.asked {
        Some(asked) => witness.keep_refusal(&WitnessRefused {
            last: facts.last.clone(),
            reason: reason.clone(),
            refused: asked.clone(),
            request: String::from_utf8_lossy(bytes).into_owned(),
        })?,
        None => None,
    };
    let origin = facts.asked.as_ref().map_or("", |it| &it.origin);
    let mut words = format!("DAMAGE: {} was not cosigned: {reason}.", visible(origin));
    if let (Some(last), Some(asked)) = (&facts.last, &facts.asked) {
        words.push_str(&format!(
            " The checkpoint of {} entries was cosigned on {}; this one of {} came on {}.",
            last.size, last.at, asked.size, asked.at
        ));
    }
    match &kept {
        Some(file) => words.push_str(&format!(" Both are kept in {}", file.display())),
        None => words.push_str(" As many refusals of this log are kept as there may be"),
    }
    if let Some(way) = facts.last.as_ref().and_then(|it| log.in_place_of(it)) {
        words.push_str(&format!(". But {way}"));
    }
    if let Some(end) = end {
        words.push_str(&format!(". The log {}: nothing else of it is cosigned", end.words()));
    }
    context.output.say(&words);
    Ok(told(context, "", Facts { refused: Some(reason), kept, ..facts }))
}

/// Says why nothing was cosigned, where nothing speaks against the log.
fn not_cosigned(
    refusal: &WitnessRefusal,
    request: &WitnessRequest,
    (log, last): (&AskedLog, Option<&Witnessed>),
) -> CommandError {
    let this = CommandError::of(ErrorKind::Invalid, refusal);
    let origin = visible(&request.checkpoint.origin);
    match (refusal, last) {
        (WitnessRefusal::OldSize { .. }, None) => this.hint(
            "nothing of this log was cosigned here yet: ask for `sigillo log consistency` without \
             a checkpoint",
        ),
        (WitnessRefusal::OldSize { .. }, Some(last)) => {
            let this = this.hint(format!(
                "`sigillo log witness --last {origin}` prints the checkpoint cosigned last; ask for \
                 `sigillo log consistency` since that one"
            ));
            log.in_place_of(last).into_iter().fold(this, CommandError::hint)
        }
        (WitnessRefusal::NotSigned(_) | WitnessRefusal::OtherOrigin, _) => {
            this.hint("see that the key of the log is the right one, and the file whole").hint(
                "if the log's key was rotated, add what its owner's `sigillo trust export` prints \
                 now with `sigillo trust add`, or name the new key with --log",
            ).hint(
                "if this log took the place of a lost one, move what the trust store says of the archive \
                 elsewhere first",
            )
        }
        _ => this,
    }
}

/// Takes in the cosignatures of a file.
pub(crate) async fn add_cosignature(
    context: &Context,
    args: &AddCosignatureArgs,
) -> Result<u8, CommandError> {
    let lines = cosignature_lines(&args.file)?;
    let witnesses = context.trust.witness_keys()?;
    let archive = context.archive().await?;
    let log = ReceiptLog::read(&archive).await?;
    let (mut text, mut values, mut code) = (String::new(), Vec::new(), EXIT_CLEAN);
    for line in lines {
        let known = witnesses.iter().find(|it| it.name() == line.name && it.id() == line.id);
        let Some(witness) = known else {
            let words = format!("the trust store knows no witness {:?} with this key", line.name);
            return Err(CommandError::new(ErrorKind::Invalid, words)
                .hint("add its key, got from its owner, with `sigillo trust witness KEY`"));
        };
        let note = cosigned_note(context, (&archive, &log), witness, &line).await?;
        context.probed(&archive).await?;
        let outcome = store_cosignature(&archive, &note, witness, &line).await?;
        let at = witness.verify_cosignature(note.text.as_bytes(), &line.signature);
        let by = at.map(|at| CosignedBy::new(witness, at, None));
        let at = by.map_or_else(String::new, |it| it.at);
        let size = note.text.lines().nth(1).and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        let was_there = outcome == CosignatureOutcome::WasThere;
        text.push_str(&format!(
            "{}: the checkpoint of {}, which {} cosigned at {at}\n",
            if was_there { "Was there before" } else { "Stored" },
            counted(size, "entry"),
            visible(witness.name()),
        ));
        let damaged = match outcome {
            CosignatureOutcome::StoredBeside { damaged } => Some(damaged),
            CosignatureOutcome::Stored | CosignatureOutcome::WasThere => None,
        };
        if let Some(key) = &damaged {
            context.output.say(&format!(
                "DAMAGE: {key} is no cosignature of this witness on this checkpoint: somebody else wrote it, \
                 or it is damaged. The right one is stored beside it; keep it, and find out who can write there"
            ));
            code = EXIT_DAMAGE;
        }
        values.push(json!({
            "at": at, "damaged": damaged.map(|key| key.to_string()), "key": witness.to_string(), "size": size,
            "was_there": was_there, "witness": witness.name(),
        }));
    }
    let value = json!({"cosignatures": Value::from(values)});
    context.output.result("sigillo.log.add-cosignature/1", &text, value);
    Ok(code)
}

/// Reads signature lines, by themselves as witnesses answer, or below a note.
fn cosignature_lines(file: &Path) -> Result<Vec<NoteSignature>, CommandError> {
    let bytes = read_beginning(file, WITNESS_REQUEST_BYTES_MAX as u64)?;
    let none = || {
        let words = format!("{} has no cosignature", file.display());
        CommandError::new(ErrorKind::Invalid, words).hint("give the line that a witness printed")
    };
    if bytes.len() > WITNESS_REQUEST_BYTES_MAX {
        return Err(none());
    }
    let lines = str::from_utf8(&bytes).ok().and_then(cosignatures_in);
    lines.filter(|lines| !lines.is_empty()).ok_or_else(none)
}

/// Takes a text of signature lines apart, with or without the note above them; nothing if one of its lines is
/// none.
fn cosignatures_in(text: &str) -> Option<Vec<NoteSignature>> {
    let text = text.trim_end_matches('\n');
    let (is_note, below) = match text.rsplit_once("\n\n") {
        Some((_, below)) => (true, below),
        None => (false, text),
    };
    // The first in a note is that of the log.
    below.lines().map(NoteSignature::parse_line).skip(usize::from(is_note)).collect()
}

/// Finds the checkpoint that a witness cosigned, with the log's signature: the published one, the last one
/// of a log that ended, or one before the published one, which is signed anew.
async fn cosigned_note(
    context: &Context,
    (archive, log): (&Archive, &ReceiptLog),
    witness: &VerifierKey,
    line: &NoteSignature,
) -> Result<SignedNote, CommandError> {
    let is_of = |text: &str| witness.verify_cosignature(text.as_bytes(), &line.signature).is_some();
    let published = SignedNote::parse(log.note.as_bytes())
        .map_err(|error| CommandError::of(ErrorKind::Integrity, &error))?;
    if is_of(&published.text) {
        return Ok(published);
    }
    if let Some(note) = ended_note(context, archive, &is_of).await? {
        return Ok(note);
    }
    let newest = log.checkpoint().size;
    let sizes = (newest.saturating_sub(OLDER_SIZES_MAX)..newest).rev();
    let mut checkpoints = sizes.filter_map(|size| log.checkpoint_at(size));
    let Some(checkpoint) = checkpoints.find(|it| is_of(&it.to_text())) else {
        let words = format!(
            "the cosignature of {:?} is of no checkpoint of this log, up to the published one of \
             {newest} entries, nor of the last one of a log that ended",
            line.name
        );
        let ended = if archive.generation() > 1 {
            ", or of what a log that ended lost, or others signed with its keys"
        } else {
            ""
        };
        return Err(CommandError::new(ErrorKind::Invalid, words).hint(format!(
            "the line may be damaged, or of another archive{ended}; if it is nothing of this, the \
             witness was shown another log than this one"
        )));
    };
    let head = SignedHead { size: checkpoint.size, root: digest_of(checkpoint.root) };
    let text = checkpoint.to_text();
    let signer = context.keys(archive)?.log_signer();
    let contained = |last: SignedHead| {
        let root = log.checkpoint_at(last.size).map(|it| digest_of(it.root));
        root == Some(last.root)
    };
    // Every commit was read: the keys are known.
    let keys = archive.log_keys();
    let key = keys.of_size(head.size);
    let signer = signer.of_key(key.public_key())?;
    let signature = signer.sign(head, text.as_bytes(), &mut |last| contained(last))?;
    let signature = NoteSignature::ed25519(key, signature);
    SignedNote::new(text, vec![signature]).map_err(|error| CommandError::of(ErrorKind::Bug, &error))
}

/// Finds the checkpoint that `is_of` is sought for among the last ones of the logs that ended: those
/// published, and those that the next log names.
///
/// # Errors
///
/// [`CommandError`] if it is one that the log does not contain, and the act of its end says why.
async fn ended_note(
    context: &Context,
    archive: &Archive,
    is_of: &impl Fn(&str) -> bool,
) -> Result<Option<SignedNote>, CommandError> {
    let mut refused = None;
    for generation in (1..archive.generation()).rev() {
        let key = ObjectKey::checkpoint_of(generation);
        let published = archive.store().read_optional(&key, CHECKPOINT_BYTES_MAX as u64).await;
        let stated = archive.succession(generation + 1).and_then(|it| it.succession.checkpoint);
        let published = published.ok().flatten().map(Vec::from).map(|note| (note, false));
        let stated = stated.map(|note| (note.into_bytes(), true));
        for (note, is_stated) in published.into_iter().chain(stated) {
            let Ok(text) = str::from_utf8(&note) else { continue };
            let Some(checkpoint) = Checkpoint::stated(text) else { continue };
            // An act may name one of which only size and root were known.
            let signed = SignedNote::parse(&note).ok();
            let is_own = checkpoint.origin == archive.description().origin_of(generation);
            if !is_own || !is_of(signed.as_ref().map_or(text, |it| &it.text)) {
                continue;
            }
            let not_contained = NotContained::find(context, archive, &checkpoint).await?;
            refused = refused.or(not_contained.as_ref().and_then(NotContained::refused));
            // Whoever has the keys of a log that ended may have published something else.
            if !is_stated && not_contained.is_some() {
                continue;
            }
            let Some(signed) = signed else { continue };
            let key = archive.key_of(&note).await?;
            let mut signatures = signed.signatures.into_iter();
            let own = signatures.find(|it| it.name == key.name() && it.id == key.id());
            if let Some(own) = own {
                let note = SignedNote::new(signed.text, vec![own]);
                return note.map(Some).map_err(|error| CommandError::of(ErrorKind::Bug, &error));
            }
        }
    }
    refused.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosignatures_are_read_with_or_without_their_note_and_whatever_empty_lines_follow() {
        let line = |name: &str| {
            let (name, signature) = (name.to_owned(), vec![7; 72]);
            NoteSignature { name, id: [0, 1, 2, 3], signature }.to_line()
        };
        let (log, witness) = (line("log.example/a"), line("witness.example/w"));
        let note = format!("log.example/a\n1\nAA==\n\n{log}");
        let names = |text: &str| {
            let lines = cosignatures_in(text)?;
            Some(lines.into_iter().map(|it| it.name).collect::<Vec<_>>())
        };
        let one = Some(vec!["witness.example/w".to_owned()]);
        for empty in ["", "\n", "\n\n"] {
            assert_eq!(names(&format!("{note}{witness}{empty}")), one, "{empty:?}");
            assert_eq!(names(&format!("{witness}{empty}")), one, "{empty:?}");
            assert_eq!(names(&format!("{note}{empty}")), Some(Vec::new()), "{empty:?}");
        }
        assert_eq!(names(&format!("{note}none")), None);
        assert_eq!(names("\n\n").unwrap_or_default(), Vec::<String>::new());
    }
}
