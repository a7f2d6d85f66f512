//! Checking the logs of the archive that a receipt is of: the keys of each, how it follows from the one
//! before it, and whether the newest is believed.

use sigillo_ers::pem_blocks;
use sigillo_merkle::{Checkpoint, KeysOfLog, TreeHash, VerifierKey};
use sigillo_model::{
    ArchiveDescription, Entry, FindingCode, LogSucceeded, Sha256Digest, Succession, parse_canonical,
};

use crate::{
    ArchiveSection, LoggedLine, ReceiptTrust, SuccessionSection,
    check::{Checker, tree_hash},
    check_ended::end_of,
    logged::SUCCESSION_INDEX,
    receipt::CosignedNote,
};

/// The tree of a log, as far as it is proven.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogTree {
    pub(crate) size: u64,
    pub(crate) root: TreeHash,
}

/// A log that is proven: its checkpoint, or its end, which the next log names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckedLog {
    /// Its generation, from 1.
    pub generation: u64,
    /// Its C2SP origin, its size and its root.
    pub checkpoint: Checkpoint,
    /// Whether it ended, and another log came after it.
    pub ended: bool,
}

/// A log, by what is said of it.
#[derive(Debug)]
pub(crate) struct StatedLog {
    pub(crate) keys: KeysOfLog,
    /// SHA-256 of the certificate that seals in its time.
    pub(crate) seal_certificate: Option<Sha256Digest>,
    /// How it came after the one before it; nothing for the first.
    succession: Option<LogSucceeded>,
}

/// What is known of the archive once its description was read.
#[derive(Debug, Default)]
pub(crate) struct ProvenArchive {
    /// Its logs, oldest first; none if it cannot be told which these are.
    pub(crate) logs: Vec<StatedLog>,
    pub(crate) trial: bool,
}

impl ProvenArchive {
    /// Returns the log of a generation.
    pub(crate) fn log(&self, generation: u64) -> Option<&StatedLog> {
        self.logs.get(usize::try_from(generation.checked_sub(1)?).ok()?)
    }

    /// Returns the log that the checkpoint of a commit is of, with its generation.
    pub(crate) fn log_of_commit(&self, commit: u64) -> Option<(u64, &StatedLog)> {
        let ended = self.logs.iter().filter_map(|it| it.succession.as_ref());
        let ended = ended.take_while(|it| it.succession.last < commit).count();
        Some((ended as u64 + 1, self.logs.get(ended)?))
    }
}

impl Checker {
    /// Returns the tree of the log of a generation, if it is proven.
    pub(crate) fn tree_of(&self, log: u64) -> Option<LogTree> {
        let at = usize::try_from(log.checked_sub(1)?).ok()?;
        self.trees.get(at).copied().flatten()
    }

    /// Checks what is said of the archive, the checkpoint `note`, and whether it is believed.
    pub(crate) fn archive(
        &mut self,
        section: &ArchiveSection,
        note: CosignedNote<'_>,
        trust: &ReceiptTrust,
    ) -> ProvenArchive {
        let mut logs = self.stated_logs(section);
        if logs.len() as u64 == section.newest_log()
            && let Some(newest) = logs.last()
        {
            self.checkpoint(note, &newest.keys, trust);
        }
        self.prove_trees(section);
        let later = section.successions.iter().flat_map(|it| &it.rotations);
        for rotation in section.rotations.iter().chain(later) {
            // That it is one was seen; now that it is in the log.
            let _ = self.entry(rotation, "key of the log");
        }
        let vouched = self.vouched(&logs);
        self.compare_ends(&logs, trust);
        if let Err(what) = self.believe(&logs, &vouched, trust) {
            let message = format!(
                "{what}: what is here may be consistent, but from whom it is cannot be told"
            );
            self.find(FindingCode::OriginUnknown, "checkpoint", message);
        }
        if section.trial {
            let message = "the archive, its seals and its time-stamps are for trial, not qualified";
            self.find(FindingCode::TrialEvidence, "archive", message);
        }
        self.end_known(section, trust);
        let mut certificate = self.description(section);
        for log in &mut logs {
            let stated = log.succession.as_ref().and_then(|it| it.succession.seal.as_deref());
            certificate = stated.map_or(certificate, certificate_in);
            log.seal_certificate = certificate;
        }
        ProvenArchive { logs, trial: section.trial }
    }

    /// Reads which logs there are, as far as each can follow from the one before it.
    fn stated_logs(&mut self, section: &ArchiveSection) -> Vec<StatedLog> {
        let first = VerifierKey::parse(&section.log).ok();
        let first = first.filter(|key| !key.is_cosigner() && key.name() == section.origin);
        let Some(first) = first else {
            let message = "the key of the log is none, or not that of its origin";
            self.find(FindingCode::ReceiptCheckpoint, "checkpoint", message);
            return Vec::new();
        };
        let commit = parse_canonical::<ArchiveDescription>(section.description.as_bytes());
        let commit = commit.ok().and_then(|it| VerifierKey::parse(&it.keys.commit).ok());
        let mut used: Vec<VerifierKey> = commit.into_iter().collect();
        let keys = self.rotated(first, &section.rotations);
        used.extend(keys.iter().cloned());
        let mut logs = vec![StatedLog { keys, seal_certificate: None, succession: None }];
        for (generation, it) in (2..).zip(&section.successions) {
            let last = logs
                .last()
                .and_then(|it| it.succession.as_ref())
                .map_or(0, |it| it.succession.last);
            let origin = format!("{}/g{generation}", section.origin);
            let (body, commit, first) = match begun(it, (generation, &origin, last), &used) {
                Ok(begun) => begun,
                Err(what) => {
                    let object = format!("log {generation}");
                    self.find(FindingCode::SuccessionFalse, object, what);
                    break;
                }
            };
            let keys = self.rotated(first, &it.rotations);
            used.extend(keys.iter().cloned().chain([commit]));
            logs.push(StatedLog { keys, seal_certificate: None, succession: Some(body) });
        }
        logs
    }

    /// Follows the rotations from the first key of a log: each is signed by the key before it.
    fn rotated(&mut self, first: VerifierKey, rotations: &[LoggedLine]) -> KeysOfLog {
        let mut keys = KeysOfLog::new(first);
        for logged in rotations {
            let followed = match Entry::parse_line(logged.line.as_bytes()) {
                Ok(Entry::KeyRotated(it)) => keys
                    .rotate(logged.index, it.number, &it.log, &it.signature)
                    .map_err(|error| error.to_string()),
                Ok(_) => Err("it is another entry".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(what) = followed {
                let message = format!("{}, a rotation of the key: {what}", logged.name());
                self.find(FindingCode::KeyRotationFalse, "key of the log", message);
            }
        }
        keys
    }

    /// Proves size and root of every log: the newest by the checkpoint, each before it by the entry with
    /// which the next begins.
    fn prove_trees(&mut self, section: &ArchiveSection) {
        let newest = self.checkpoint.as_ref().map(|it| LogTree { size: it.size, root: it.root });
        self.trees = vec![None; section.successions.len()];
        self.trees.push(newest);
        for (at, it) in section.successions.iter().enumerate().rev() {
            let object = format!("log {}", it.entry.log);
            if let Some(Entry::LogSucceeded(body)) = self.entry(&it.entry, &object) {
                let Succession { size, root, .. } = body.succession;
                self.trees[at] = Some(LogTree { size, root: tree_hash(root) });
            }
        }
        for (generation, tree) in (1..).zip(&self.trees) {
            let Some(LogTree { size, root }) = *tree else { continue };
            let origin = match generation {
                1 => section.origin.clone(),
                _ => format!("{}/g{generation}", section.origin),
            };
            let (checkpoint, ended) =
                (Checkpoint { origin, size, root }, generation < section.newest_log());
            self.logs.push(CheckedLog { generation, checkpoint, ended });
        }
    }

    /// Tells of every log that came after another whether the key of that one signed for it, and says how
    /// it came about.
    fn vouched(&mut self, logs: &[StatedLog]) -> Vec<bool> {
        let mut vouched = Vec::new();
        for (old, log) in logs.iter().zip(logs.iter().skip(1)) {
            let Some(body) = &log.succession else { continue };
            let object = format!("log {}", body.succession.generation);
            let is_vouched = is_vouched(body, &old.keys);
            if body.signature.is_some() && !is_vouched {
                let message = "the key of the log before it did not sign for it, as it says";
                self.find(FindingCode::SuccessionFalse, &object, message);
            }
            self.find(FindingCode::LogSucceeded, &object, words_of(body, is_vouched));
            vouched.push(is_vouched);
        }
        vouched
    }

    /// Compares where each log ended with what the caller was told of it: who has the keys of the next one
    /// said that once.
    fn compare_ends(&mut self, logs: &[StatedLog], trust: &ReceiptTrust) {
        for (log, body) in logs.iter().filter_map(|log| Some((log, log.succession.as_ref()?))) {
            let terms = &body.succession;
            let known = trust.successors.iter().find(|it| it.generation == terms.generation);
            let known = known.filter(|it| it.log.first() == log.keys.first());
            let Some(told) = known.and_then(|it| it.before.as_ref()) else { continue };
            if (told.size, told.root) != (terms.size, terms.root) {
                let message = format!(
                    "the trust store says that the log before it ended with {} entries, root {}; here that \
                     is said of {} entries, root {}: the archive was rewritten",
                    told.size, told.root, terms.size, terms.root
                );
                let object = format!("log {}", terms.generation);
                self.find(FindingCode::SuccessionFalse, object, message);
            }
        }
    }

    /// Compares the checkpoint with where its log ended, if the caller knows that it did. Of the same size
    /// there is one history, unless others may sign for it. What it covers beyond the end is not known to
    /// be the archive's, whatever ended the log: where its tail was lost, nobody said how far that went.
    fn end_known(&mut self, section: &ArchiveSection, trust: &ReceiptTrust) {
        let ended = end_of(section.newest_log(), &trust.successors);
        let Some((ended, head)) = ended.zip(self.checkpoint.clone()) else { return };
        let is_other = head.size == ended.size && head.root != tree_hash(ended.root);
        if head.size <= ended.size && !is_other {
            return;
        }
        let end = format!(
            "this log ended with {} entries and root {} on {}, by what the trust store says",
            ended.size, ended.root, ended.at
        );
        let (code, what) = match (is_other, ended.others_may_sign) {
            (true, false) => (FindingCode::SuccessionFalse, "this is another history of it".into()),
            (true, true) => {
                let what = "this checkpoint of as many may be anybody's who has its keys";
                (FindingCode::OriginUnknown, what.to_owned())
            }
            (false, _) => {
                let what = format!(
                    "a checkpoint of {} covers what the archive lost, or is by somebody else who has \
                     its keys",
                    head.size
                );
                (FindingCode::OriginUnknown, what)
            }
        };
        self.find(code, "checkpoint", format!("{end}: {what}"));
    }

    /// Tells whether the newest log is believed: because the caller knows its keys, or because the one
    /// before it is and its key signed for it.
    fn believe(
        &self,
        logs: &[StatedLog],
        vouched: &[bool],
        trust: &ReceiptTrust,
    ) -> Result<(), String> {
        for (log, is_vouched) in logs.iter().skip(1).zip(vouched).rev() {
            let Some(LogSucceeded { succession: terms, .. }) = &log.succession else { continue };
            let generation = terms.generation;
            if let Some(known) = trust.successors.iter().find(|it| it.generation == generation) {
                let size = self.tree_of(generation).map_or(0, |it| it.size);
                let is_same = known.log.first() == log.keys.first()
                    && known.log.believes(&log.keys, size)
                    && known.commit.to_string() == terms.commit;
                if !is_same {
                    return Err(format!("the trust store has other keys for log {generation}"));
                }
                return believe_end(logs, (generation, &known.log, log));
            }
            if !is_vouched {
                return Err(format!(
                    "the key of log {generation} is in no trust store, and that of the log before it did \
                     not sign for it"
                ));
            }
        }
        let size = self.trees.first().copied().flatten().map_or(0, |it| it.size);
        let Some((known, log)) = trust.log.as_ref().zip(logs.first()) else {
            return Err("the log's key is in no trust store".to_owned());
        };
        if !known.believes(&log.keys, size) {
            return Err("the log's key is in no trust store".to_owned());
        }
        believe_end(logs, (1, known, log))
    }
}

/// Tells whether the key that signed for the end of a log, if it ended here, had not retired, as far as the
/// caller knows the keys of it.
fn believe_end(
    logs: &[StatedLog],
    (generation, known, log): (u64, &KeysOfLog, &StatedLog),
) -> Result<(), String> {
    if generation == logs.len() as u64 || known.believes_end(&log.keys) {
        return Ok(());
    }
    Err(format!(
        "the trust store knows a later key of log {generation}, and an older one signed for the end of it"
    ))
}

/// What is said of a log at its beginning, with the key of its commits and the first of its own.
type Begun = (LogSucceeded, VerifierKey, VerifierKey);

/// Reads the entry with which a log begins: `last` is the commit that the log before it began behind,
/// `used` are the keys of all before it.
fn begun(
    section: &SuccessionSection,
    (generation, origin, last): (u64, &str, u64),
    used: &[VerifierKey],
) -> Result<Begun, &'static str> {
    let body = section.body().ok_or("it does not begin with an entry log.succeeded")?;
    let terms = &body.succession;
    if section.entry.index != SUCCESSION_INDEX {
        return Err("what should begin it stands elsewhere in it");
    }
    if terms.generation != generation || terms.last <= last {
        return Err("it does not come after the log before it");
    }
    let named = |text: &str, name: &str| {
        let key = VerifierKey::parse(text).ok()?;
        let is_fit = key.name() == name && !key.is_cosigner() && key.to_string() == text;
        is_fit.then_some(key)
    };
    let commit = named(&terms.commit, &format!("{origin}/commit"));
    let keys = commit.zip(named(&terms.log, origin));
    let (commit, log) = keys.ok_or("its keys are none, or not of its name")?;
    if terms.seal.as_deref().is_some_and(|pem| certificate_in(pem).is_none()) {
        return Err("it names no certificate of its seal");
    }
    let is_used = |key: &VerifierKey| used.iter().any(|it| it.public_key() == key.public_key());
    if is_used(&commit) || is_used(&log) || commit.public_key() == log.public_key() {
        return Err("one of its keys is another key of the archive");
    }
    Ok((body, commit, log))
}

/// Tells whether the key of the old log, which one of `keys` is, signed for the new one.
fn is_vouched(body: &LogSucceeded, keys: &KeysOfLog) -> bool {
    let key = keys.of_size(body.succession.size);
    let text = body.text(keys.first().name());
    body.signature.as_ref().is_some_and(|line| key.has_signed(&text, line))
}

/// Says how a log came after another.
fn words_of(body: &LogSucceeded, is_vouched: bool) -> String {
    let terms = &body.succession;
    let stated = terms.checkpoint.as_deref().and_then(Checkpoint::stated);
    let stated = stated.map(|it| (it.size, Sha256Digest::from_bytes(*it.root.as_bytes())));
    let beyond = terms.beyond_end(stated).in_words();
    let key = if is_vouched { "its key signed for the next" } else { "its key did not sign" };
    format!(
        "log {} ended with commit {} of {} entries, because {}{beyond}; {key}; by whose act log {} came \
         after it is not in here",
        terms.generation - 1,
        terms.last,
        terms.size,
        terms.reason.in_words(),
        terms.generation,
    )
}

/// Returns the digest of the first certificate of a PEM text.
pub(crate) fn certificate_in(pem: &str) -> Option<Sha256Digest> {
    let blocks = pem_blocks(pem, "CERTIFICATE").unwrap_or_default();
    blocks.first().map(|der| Sha256Digest::of(der))
}
