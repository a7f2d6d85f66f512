//! Succeeding a log: one ends, and another begins in its place, with keys of its own.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_authorities::{CheckpointSigner, SealKey};
use sigillo_ers::{SEAL_BYTES_MAX, TrustAnchors, VerifiedSeal, prepare_seal, verify_seal};
use sigillo_merkle::{KeysOfLog, NoteSignature, VerifierKey};
use sigillo_model::{
    CLOCK_TOLERANCE_SECONDS, Clock, CommitOpened, Entropy, Entry, GENERATIONS_MAX, LogSucceeded,
    LogTime, ObjectKey, SUCCESSION_ACT_BYTES_MAX, SUCCESSION_ACT_FORMAT,
    SUCCESSION_CHECKPOINT_BYTES_MAX, SUCCESSION_WORDS_BYTES_MAX, Sha256Digest, Succession,
    SuccessionAct, SuccessionReason, WriterId, parse_canonical, to_canonical,
};
use sigillo_store::CreateOutcome;

use crate::{
    Archive, LogError, LogKeys, LogWriter,
    archive::commit_key_name,
    chain::{Chain, sha256_of},
    commit::{COMMIT_BYTES_MAX, encode_commit},
    find_head,
    recover::Recovered,
    right_edge::RightEdge,
};

/// In at most so many of the last commits the newest time-stamp is looked for.
const COMMITS_LOOKED_INTO_MAX: u64 = 1000;

/// The end of a log as it is now, and what would begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuccessionPlan {
    /// The generation that would begin.
    pub generation: u64,
    /// The last commit of the log as it is.
    pub last: u64,
    /// SHA-256 of that commit's object.
    pub last_sha256: Sha256Digest,
    /// Entries of the log as it is.
    pub size: u64,
    /// The root over them.
    pub root: Sha256Digest,
}

/// What a person adds to a plan.
#[derive(Clone, Debug)]
pub struct SuccessionTerms {
    /// When the act is written, by our clock.
    pub at: LogTime,
    /// The newest checkpoint of the old log that is known.
    pub checkpoint: Option<String>,
    /// The time of what the log has of later, by what [`clock_behind`] says at `at`, if that is said to have
    /// been made by a clock that was ahead.
    pub clock_ahead: Option<LogTime>,
    /// Why.
    pub reason: SuccessionReason,
    /// Why, in words. They are kept for ever.
    pub words: String,
}

/// A log that came after another.
#[derive(Debug)]
pub struct SucceededLog {
    /// What the log says of it.
    pub body: LogSucceeded,
    /// The commit that began it.
    pub commit: u64,
    /// A checkpoint signed by its key.
    pub checkpoint: String,
    /// Who signed the act.
    pub signer: VerifiedSeal,
    /// Writes to it.
    pub writer: LogWriter,
}

/// Looks where the log ends. Writes nothing, and needs no keys.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read to its end; [`LogError::NoSuccession`] for one without
/// commits, or beyond [`GENERATIONS_MAX`].
pub async fn plan_succession(archive: &Archive) -> Result<SuccessionPlan, LogError> {
    let recovered = Recovered::read(archive, 0).await?;
    plan_of(&recovered.chain)
}

fn plan_of(chain: &Chain) -> Result<SuccessionPlan, LogError> {
    let Some(last_sha256) = chain.digest else {
        return Err(refused("it has no commits yet"));
    };
    if chain.generation >= GENERATIONS_MAX {
        return Err(refused(format!(
            "an archive has {GENERATIONS_MAX} logs at most, and this is the last. What is in it stays \
             provable; what is to come goes into a new archive"
        )));
    }
    Ok(SuccessionPlan {
        generation: chain.generation + 1,
        last: chain.number,
        last_sha256,
        size: chain.edge.size(),
        root: chain.root(),
    })
}

/// Writes the act that the responsible person is to sign: its bytes, as they will be stored.
///
/// `seal_pem` is the certificate of the seal key beside the new keys.
///
/// # Errors
///
/// [`LogError::NoSuccession`] if the words or the checkpoint are too long.
pub fn write_succession_act(
    archive: &Archive,
    plan: &SuccessionPlan,
    (keys, seal_pem): (&LogKeys, &str),
    terms: SuccessionTerms,
) -> Result<Vec<u8>, LogError> {
    let origin = archive.description().origin_of(plan.generation);
    let commit: [u8; 32] = keys
        .commit
        .public_key()
        .try_into()
        .map_err(|_| refused("the new key of the commits is no Ed25519 key"))?;
    let key = |name: String, public_key| {
        VerifierKey::new_ed25519(name, public_key)
            .map(|key| key.to_string())
            .map_err(|error| LogError::BadDescription { reason: error.to_string() })
    };
    let act = SuccessionAct {
        archive: archive.description().archive,
        at: terms.at,
        clock_ahead: terms.clock_ahead,
        format: SUCCESSION_ACT_FORMAT,
        succession: Succession {
            checkpoint: terms.checkpoint,
            commit: key(commit_key_name(&origin), commit)?,
            generation: plan.generation,
            last: plan.last,
            last_sha256: plan.last_sha256,
            log: key(origin, keys.checkpoint.public_key())?,
            reason: terms.reason,
            root: plan.root,
            seal: (archive.seal_at(plan.last) != seal_pem).then(|| seal_pem.to_owned()),
            size: plan.size,
        },
        words: terms.words,
    };
    let bytes = to_canonical(&act);
    read_act(&bytes)?;
    Ok(bytes)
}

/// Reads an act as it was written.
///
/// # Errors
///
/// [`LogError::NoSuccession`] for what is none, or is beyond its bounds.
pub fn read_act(bytes: &[u8]) -> Result<SuccessionAct, LogError> {
    if bytes.len() as u64 > SUCCESSION_ACT_BYTES_MAX {
        return Err(refused(format!("an act has {SUCCESSION_ACT_BYTES_MAX} bytes at most")));
    }
    let act: SuccessionAct = parse_canonical(bytes)
        .map_err(|error| refused(format!("the act cannot be read: {error}")))?;
    if act.format != SUCCESSION_ACT_FORMAT {
        return Err(refused(format!("the act has format {}, which is not known", act.format)));
    }
    let checkpoint = act.succession.checkpoint.as_ref().map_or(0, String::len);
    for (what, length, max) in [
        ("words", act.words.len(), SUCCESSION_WORDS_BYTES_MAX),
        ("checkpoint", checkpoint, SUCCESSION_CHECKPOINT_BYTES_MAX),
    ] {
        if length > max {
            return Err(refused(format!("the {what} of the act have more than {max} bytes")));
        }
    }
    Ok(act)
}

/// Signs an act with a seal key, as trial archives may.
///
/// # Errors
///
/// [`LogError::Seal`] or [`LogError::Signer`] if the key cannot sign.
pub fn sign_succession_act(key: &SealKey, act: &[u8], at: LogTime) -> Result<Vec<u8>, LogError> {
    let digest = Sha256Digest::of(act);
    let prepared = prepare_seal(digest, &key.certificate_der, &key.chain, at.timestamp())
        .map_err(|error| LogError::seal(&error))?;
    let signature = key.signer.sign(prepared.to_sign());
    Ok(prepared.finish(&signature.map_err(|source| LogError::Signer { source })?))
}

/// Carries out a signed act: the log ends and the next begins. The new keys must be durable already.
///
/// Whatever a crash leaves, the same call with the same act completes it. `old` signs for the new keys
/// if the key of the old log is not lost.
///
/// # Errors
///
/// [`LogError::NoSuccession`] if act, signature, keys and log do not go together, among others because
/// the log went on since; otherwise as [`LogWriter::open`].
pub async fn succeed_log(
    archive: Archive,
    (keys, old): (LogKeys, Option<CheckpointSigner>),
    (act, signature): (&[u8], &[u8]),
    anchors: &TrustAnchors,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<SucceededLog, LogError> {
    let read = read_act(act)?;
    // The certificate must hold when the act was written, or now: auditors judge it so, too.
    let signer = signer_of(act, signature, anchors, read.at)
        .or_else(|_| signer_of(act, signature, anchors, LogTime::new(clock.now())))?;
    let recovered = Recovered::read(&archive, 0).await?;
    let known = archive.succession(archive.generation());
    let is_done = known.as_ref().is_some_and(|body| body.act_sha256 == Sha256Digest::of(act));
    if is_done && known.is_some_and(|it| it.signature_sha256 != Sha256Digest::of(signature)) {
        return Err(refused("the act was carried out already, with another signature"));
    }
    if !is_done {
        check_act(&archive, &recovered.chain, &read, &keys)?;
        check_clock(&archive, &read, clock.now()).await?;
        let writing = Writing { archive: &archive, keys: &keys, clock: &*clock, entropy };
        writing.commit(&recovered.chain, &read, old.as_ref(), (act, signature)).await?;
    }
    let begun = archive.generation();
    let mut writer = LogWriter::open(archive, keys, clock, entropy, read.succession.last).await?;
    let checkpoint = writer.signed_checkpoint().await?;
    let commit = writer.archive().opened(begun).unwrap_or(read.succession.last + 1);
    let body = writer.archive().succession(begun).ok_or_else(|| refused("it is not there"))?;
    Ok(SucceededLog { body, commit, checkpoint, signer, writer })
}

/// Returns who signed an act, if the signature covers it.
fn signer_of(
    act: &[u8],
    signature: &[u8],
    anchors: &TrustAnchors,
    at: LogTime,
) -> Result<VerifiedSeal, LogError> {
    if signature.len() > SEAL_BYTES_MAX {
        return Err(refused(format!("a signature has {SEAL_BYTES_MAX} bytes at most")));
    }
    verify_seal(signature, Sha256Digest::of(act), anchors, at.timestamp())
        .map_err(|error| refused(format!("the signature does not cover the act: {error}")))
}

/// Sees that an act is about this log as it is, and about these keys.
fn check_act(
    archive: &Archive,
    chain: &Chain,
    act: &SuccessionAct,
    keys: &LogKeys,
) -> Result<(), LogError> {
    if act.archive != archive.description().archive {
        return Err(refused("the act is about another archive"));
    }
    let (plan, terms) = (plan_of(chain)?, &act.succession);
    if terms.generation < plan.generation {
        let generation = terms.generation;
        return Err(refused(format!("log {generation} has begun already, by another act")));
    }
    let stated = SuccessionPlan {
        generation: terms.generation,
        last: terms.last,
        last_sha256: terms.last_sha256,
        size: terms.size,
        root: terms.root,
    };
    if stated != plan {
        return Err(refused(format!(
            "the act ends it with commit {} of {} entries, and it has commit {} of {} entries now: \
             write the act again",
            stated.last, stated.size, plan.last, plan.size
        )));
    }
    let origin = archive.description().origin_of(terms.generation);
    let is_of = |text: &str, name: &str, ours: &[u8]| {
        VerifierKey::parse(text).is_ok_and(|key| {
            key.name() == name && key.public_key() == ours && key.to_string() == text
        })
    };
    let is_ours = is_of(&terms.commit, &commit_key_name(&origin), &keys.commit.public_key())
        && is_of(&terms.log, &origin, &keys.checkpoint.public_key());
    if !is_ours {
        return Err(refused("the act names other keys than those in the key folder"));
    }
    Ok(())
}

/// What is of a later time than that at which a log would end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockBehind {
    /// What it is, in words.
    pub what: &'static str,
    /// Its time.
    pub at: LogTime,
    /// When the log would end, by the clock.
    pub now: LogTime,
}

impl ClockBehind {
    fn find(what: &'static str, at: LogTime, now: Timestamp) -> Option<Self> {
        let is_behind = at.timestamp().as_second() - now.as_second() > CLOCK_TOLERANCE_SECONDS;
        is_behind.then(|| Self { what, at, now: LogTime::new(now) })
    }

    /// Says that the clock is right and the other one was not, for the words of an act that ends a log all the
    /// same.
    pub fn said_right(&self) -> String {
        format!(
            "the clock by which the log ends is said to be right, {}, and that of {} to have been ahead, {}",
            self.now, self.what, self.at
        )
    }

    /// Says why the log is not ended by this clock.
    pub fn refused(&self) -> LogError {
        refused(format!(
            "the clock is behind: {} is of {}, and it is {} by the clock; who is told that the log \
             ended then would not believe what it has. Set the clock right, and try again",
            self.what, self.at, self.now
        ))
    }
}

/// Tells whether a log would end at a time before that of its last commit or of its last time-stamp, by more
/// than [`CLOCK_TOLERANCE_SECONDS`]: who is told when it ended would not believe what it had then. Where
/// others may have written it, no clock but one's own counts; nor does what the logs before it have.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn clock_behind(
    archive: &Archive,
    reason: SuccessionReason,
    now: Timestamp,
) -> Result<Option<ClockBehind>, LogError> {
    if reason.others_may_sign() {
        return Ok(None);
    }
    let head = find_head(archive.store(), 0).await?;
    let behind = |what, at: Timestamp| ClockBehind::find(what, LogTime::new(at), now);
    let begun = archive.opened(archive.generation()).unwrap_or(1);
    let first = (head.saturating_sub(COMMITS_LOOKED_INTO_MAX) + 1).max(begun);
    for number in (first..=head).rev() {
        // What cannot be read, before the last one, is for `verify` to tell.
        let Ok(Some(commit)) = archive.commit(number).await else { break };
        let of_commit = behind("the last commit of the log", commit.header.clock.timestamp());
        if number == head && of_commit.is_some() {
            return Ok(of_commit);
        }
        let stamped = commit.entries.iter().rev().find_map(|it| match it {
            Entry::SealingStamped(body) => body.stamped_at.parse::<Timestamp>().ok(),
            _ => None,
        });
        if let Some(at) = stamped {
            return Ok(behind("the last time-stamp of the log", at));
        }
    }
    Ok(None)
}

/// Tells whether an act is not to be carried out by a clock, and why: as [`clock_behind`], unless the act says
/// that what it found when it was written was made by a clock that was ahead. Such an act is not carried out by
/// a clock that is behind the act itself: it would end the log before what it says to be right.
///
/// # Errors
///
/// [`LogError`] if the log cannot be read.
pub async fn act_clock_behind(
    archive: &Archive,
    act: &SuccessionAct,
    now: Timestamp,
) -> Result<Option<ClockBehind>, LogError> {
    let reason = act.succession.reason;
    let Some(behind) = clock_behind(archive, reason, now).await? else { return Ok(None) };
    let said = clock_behind(archive, reason, act.at.timestamp()).await?;
    if said.is_none_or(|it| act.clock_ahead != Some(it.at)) {
        return Ok(Some(behind));
    }
    Ok(ClockBehind::find("the act", act.at, now))
}

/// Sees that a log does not end by a clock that is behind, unless the act says that it is right.
async fn check_clock(
    archive: &Archive,
    act: &SuccessionAct,
    now: Timestamp,
) -> Result<(), LogError> {
    act_clock_behind(archive, act, now).await?.map_or(Ok(()), |it| Err(it.refused()))
}

/// What a succession is written with.
struct Writing<'a> {
    archive: &'a Archive,
    keys: &'a LogKeys,
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
}

impl Writing<'_> {
    /// Stores act and signature, then the commit that begins the new log.
    async fn commit(
        &self,
        chain: &Chain,
        act: &SuccessionAct,
        old: Option<&CheckpointSigner>,
        (bytes, signature): (&[u8], &[u8]),
    ) -> Result<(), LogError> {
        let (generation, number) = (act.succession.generation, chain.number + 1);
        let mut body = LogSucceeded {
            act_sha256: Sha256Digest::of(bytes),
            signature: None,
            signature_sha256: Sha256Digest::of(signature),
            succession: act.succession.clone(),
        };
        self.store(ObjectKey::succession_act(generation, body.act_sha256), bytes).await?;
        let key = ObjectKey::succession_signature(generation, body.signature_sha256);
        self.store(key, signature).await?;
        body.signature = old.map(|old| self.vouch(&body, old)).transpose()?;
        let commit = VerifierKey::parse(&act.succession.commit)
            .map_err(|error| refused(error.to_string()))?;
        let header = self.header(chain, &body);
        let entry = Entry::LogSucceeded(Box::new(body.clone()));
        let note = encode_commit(header, &[entry], &*self.keys.commit, &commit)?;
        let key = ObjectKey::commit(number);
        let created = self.archive.store().create(&key, note.clone()).await;
        let stored = match created.map_err(LogError::store("creating a commit"))? {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => note,
            CreateOutcome::Taken(existing) => existing,
        };
        let read = self.archive.store().read(&key, COMMIT_BYTES_MAX).await;
        if read.map_err(LogError::store("reading a commit back"))? != stored {
            return Err(LogError::ReadBack { key });
        }
        let stored = self.archive.parse_commit(number, &stored).await?;
        if stored.succession().is_none_or(|it| it.act_sha256 != body.act_sha256) {
            return Err(refused("somebody else committed meanwhile: write the act again"));
        }
        Ok(())
    }

    /// Lets the key of the old log sign for the new one.
    fn vouch(&self, body: &LogSucceeded, old: &CheckpointSigner) -> Result<String, LogError> {
        let generation = body.succession.generation - 1;
        let keys = self.archive.log_keys_of(generation);
        let current = keys.ok_or_else(|| refused("its key is not known"))?.current().clone();
        let text = body.text(&self.archive.description().origin_of(generation));
        let signature = old
            .of_key(current.public_key())
            .and_then(|old| old.sign_succession(text.as_bytes()))
            .map_err(LogError::keys("signing the next log"))?;
        Ok(NoteSignature::ed25519(&current, signature).to_line().trim_end().to_owned())
    }

    fn header(&self, chain: &Chain, body: &LogSucceeded) -> CommitOpened {
        let clock = LogTime::new(self.clock.now());
        let empty = RightEdge::new();
        CommitOpened {
            at: chain.time_of(clock, Some(body)),
            clock,
            commit: chain.number + 1,
            // Everything begins anew: writers of the old log are stopped by the generation.
            epoch: 1,
            first_leaf: 0,
            generation: body.succession.generation,
            previous: chain.digest,
            root: sha256_of(empty.root()),
            rotated: None,
            sealed: chain.sealed,
            succeeded: Some(chain.number + 1),
            writer: WriterId::random(self.entropy),
        }
    }

    async fn store(&self, key: ObjectKey, bytes: &[u8]) -> Result<(), LogError> {
        let created = self.archive.store().create(&key, Bytes::copy_from_slice(bytes)).await;
        match created.map_err(LogError::store("storing the act of a succession"))? {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => Ok(()),
            CreateOutcome::Taken(_) => Err(LogError::NameTaken { key }),
        }
    }
}

/// Tells whether the key of the old log, which the last of `keys` is, signed for the new one. `origin`
/// is that of the old log.
pub fn is_vouched_by_old_key(body: &LogSucceeded, origin: &str, keys: &KeysOfLog) -> bool {
    let Some(signature) = &body.signature else { return false };
    let key = keys.of_size(body.succession.size);
    NoteSignature::parse_line(signature).is_some_and(|line| {
        line.to_line().strip_suffix('\n') == Some(signature)
            && (line.name.as_str(), line.id) == (key.name(), key.id())
            && key.verify(body.text(origin).as_bytes(), &line.signature)
    })
}

fn refused(what: impl Into<String>) -> LogError {
    LogError::NoSuccession { what: what.into() }
}
