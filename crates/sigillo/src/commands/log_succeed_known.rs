//! What `sigillo log succeed` knows of the log as it is: the heads that somebody kept, and logs after it
//! that are lost.

use std::path::{Path, PathBuf};

use sigillo_authorities::{CheckpointSigner, KeyFolder, SignedHead};
use sigillo_evidence_log::{
    Archive, ClockBehind, SeenHead, SeenLog, SuccessionPlan, log_contains, read_checkpoint,
};
use sigillo_merkle::{Checkpoint, NOTE_BYTES_MAX, TreeHash};
use sigillo_model::{ErrorKind, GENERATIONS_MAX, LogTime, Sha256Digest, SuccessionReason};

use crate::{
    commands::{log::checkpoint_of, log_ended::told_of_unsigned},
    context::{Context, head_text},
    error::CommandError,
    guard::{BACKUP, keys_of_log},
    output::{counted, grouped},
    places::read_beginning,
};

/// What the words of an act go on with, where something of the log is known that is not in it.
const KNOWN: &str = "Known when this was written: ";

/// Whence the head is known that the archive publishes.
const PUBLISHED: &str = "published";

/// Whence a head is known that was met in a file made from the archive, as in a bundle.
const MET: &str = "met in a proof";

/// At most so many heads are named that the log does not contain: the words of an act have their bound.
const STRANGE_NAMED_MAX: usize = 8;

/// A head of the log that somebody kept.
struct KnownHead {
    head: SignedHead,
    /// The checkpoint, as it was signed if it is known so.
    text: String,
    whence: String,
    is_contained: bool,
    /// Whether this user saw it.
    is_seen: bool,
    doubt: Doubt,
}

/// Whose a head may be, by the best of where it is known from.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Doubt {
    /// It was seen, signed or given here.
    None,
    /// It is published, and nothing but a signature of the log's key says that there was such a log.
    Published,
    /// It was met in a file: whoever has stolen keys can make one.
    Met,
}

impl Doubt {
    fn of(whence: &str) -> Self {
        match whence {
            PUBLISHED => Self::Published,
            MET => Self::Met,
            _ => Self::None,
        }
    }
}

/// All that is known of a log as it is.
pub(super) struct Known {
    /// Of equal ones the first, which is signed.
    heads: Vec<KnownHead>,
    /// Entries of the log as it is.
    size: u64,
    /// Where the head that was seen here is remembered.
    seen_file: PathBuf,
    /// The heads that were met in files.
    met: Vec<SeenHead>,
    /// Whether others may sign with the log's key, by the reason that is given.
    others_may_sign: bool,
}

impl Known {
    /// Reads what was given, published, signed last and seen of the log that a plan ends.
    pub(super) async fn read(
        context: &Context,
        (given, reason): (Option<&Path>, Option<SuccessionReason>),
        (archive, plan): (&Archive, &SuccessionPlan),
        old: Option<CheckpointSigner>,
    ) -> Result<Self, CommandError> {
        let (size, seen_file) = (plan.size, context.seen_file(archive));
        let others_may_sign = reason.is_some_and(SuccessionReason::others_may_sign);
        let met = context.met(archive)?;
        let mut this = Self { heads: Vec::new(), size, seen_file, met, others_may_sign };
        if let Some(file) = given {
            let (checkpoint, text) = read_given(file, archive).await?;
            let root = Sha256Digest::from_bytes(*checkpoint.root.as_bytes());
            this.add(SignedHead { size: checkpoint.size, root }, text, "given");
        }
        if let Some(published) = read_checkpoint(archive).await? {
            this.add(published.head, published.note, PUBLISHED);
        }
        let signed = old.and_then(|old| old.last_signed().ok().flatten());
        let own = [(signed, "signed last"), (context.seen(archive), "seen")];
        let own = own.into_iter().filter_map(|(head, whence)| Some((head?, whence)));
        let met: Vec<_> = this.met.iter().map(|it| (it.head, MET)).collect();
        for (head, whence) in own.chain(met) {
            let root = TreeHash::from_bytes(*head.root.as_bytes());
            let checkpoint = Checkpoint { origin: archive.origin(), size: head.size, root };
            this.add(head, checkpoint.to_text(), whence);
        }
        for known in &mut this.heads {
            known.is_contained =
                known.head.size <= size && log_contains(archive, known.head).await?;
        }
        Ok(this)
    }

    fn add(&mut self, head: SignedHead, text: String, whence: &str) {
        let is_seen = whence == "seen";
        if let Some(known) = self.heads.iter_mut().find(|it| it.head == head) {
            known.whence.push_str(&format!(", {whence}"));
            known.is_seen |= is_seen;
            known.doubt = known.doubt.min(Doubt::of(whence));
            return;
        }
        self.heads.push(KnownHead {
            head,
            text,
            whence: whence.to_owned(),
            is_contained: false,
            is_seen,
            doubt: Doubt::of(whence),
        });
    }

    /// Tells whether a head may be somebody else's, who has the log's key: one that was only met, and where
    /// the reason says so one that is only published.
    fn may_be_theirs(&self, known: &KnownHead) -> bool {
        let is_unsure = match known.doubt {
            Doubt::None => false,
            Doubt::Published => self.others_may_sign,
            Doubt::Met => true,
        };
        is_unsure && !known.is_contained
    }

    /// Returns the newest; of those of one size one that the log does not contain.
    fn newest(&self) -> Option<&KnownHead> {
        let newest = self.heads.iter().rev().filter(|it| !self.may_be_theirs(it));
        newest.max_by_key(|it| (it.head.size, !it.is_contained))
    }

    /// Returns the text of the newest checkpoint.
    pub(super) fn checkpoint(&self) -> Option<String> {
        self.newest().map(|it| it.text.clone())
    }

    /// Counts the entries that the newest checkpoint covers beyond the end of the log.
    fn beyond(&self) -> u64 {
        self.newest().map_or(0, |it| it.head.size.saturating_sub(self.size))
    }

    /// Counts the entries that are lost, as an act for this reason would; nothing if that cannot be told,
    /// because the newest checkpoint may be of another history.
    pub(super) fn lost(&self, reason: Option<SuccessionReason>) -> Option<u64> {
        let is_of_other =
            reason.map_or_else(|| self.is_forked(), SuccessionReason::others_may_sign);
        match self.newest() {
            Some(it) if it.head.size == self.size && !it.is_contained => None,
            Some(it) if it.head.size > self.size && is_of_other => None,
            _ => Some(self.beyond()),
        }
    }

    /// Tells whether two histories are known: of one size there are two heads, or the log lacks one of
    /// its own size or below.
    fn is_forked(&self) -> bool {
        let strange: Vec<_> = self.strange().filter(|it| it.doubt != Doubt::Met).collect();
        strange.iter().any(|it| {
            it.head.size <= self.size
                || strange
                    .iter()
                    .any(|other| other.head.size == it.head.size && other.head.root != it.head.root)
        })
    }

    fn strange(&self) -> impl Iterator<Item = &KnownHead> {
        self.heads.iter().filter(|it| !it.is_contained)
    }

    /// Says in one line which heads the log does not contain, those of which it is known best whose they are
    /// first; nothing if it contains all.
    fn strange_text(&self) -> Option<String> {
        let whose = |it| if self.may_be_theirs(it) { ", perhaps by others" } else { "" };
        let mut strange: Vec<_> = self.strange().collect();
        strange.sort_by_key(|it| it.doubt);
        let named = strange.iter().take(STRANGE_NAMED_MAX);
        let mut all: Vec<_> = named
            .map(|it| format!("{} ({}{})", head_text(it.head), it.whence, whose(it)))
            .collect();
        let more = strange.len().saturating_sub(STRANGE_NAMED_MAX) as u64;
        all.extend((more > 0).then(|| format!("nor {}", counted(more, "other checkpoint"))));
        (!all.is_empty()).then(|| format!("this log does not contain {}", all.join("; ")))
    }

    /// Says for people what is known.
    pub(super) fn text(&self) -> String {
        let Some(newest) = self.newest() else {
            return "No checkpoint of the log as it is is known here.\n".to_owned();
        };
        let covered = grouped(newest.head.size);
        let mut text = format!("The newest checkpoint known covers {covered} entries");
        text.push_str(&match (self.beyond(), self.is_forked()) {
            (0, _) => ".\n".to_owned(),
            (beyond, true) => {
                format!(": at least {} of them are not in this log.\n", grouped(beyond))
            }
            (lost, false) => format!(
                ": {} of them are lost, and stay so. Look for a copy that has them before you go on.\n",
                grouped(lost)
            ),
        });
        if let Some(strange) = self.strange_text() {
            text.push_str(&format!("Known here, and yet {strange}.\n"));
        }
        if self.is_forked() {
            let contained = self.heads.iter().filter(|it| it.is_contained);
            let shared = contained.map(|it| it.head.size).max().unwrap_or(0);
            text.push_str(&format!(
                "So there are two histories of it, which are the same through entry {} as far as is known \
                 here: whatever the other has beyond that is not in this log. Find out which of the two \
                 is the archive's before you go on (--reason log-forked).\n",
                grouped(shared)
            ));
        }
        let met = self.met.iter().filter_map(|it| self.met_text(it));
        text.extend(met.take(STRANGE_NAMED_MAX));
        if self.heads.iter().any(|it| self.may_be_theirs(it) && it.doubt != Doubt::Met) {
            text.push_str(
                "What is published beyond the log may be by others who have its key: the act does not say that \
                 it is lost. If it is yours, give it with --checkpoint.\n",
            );
        }
        text.push_str(&self.for_ever_text().unwrap_or_default());
        text
    }

    /// Says of a head that was only met, and that the log does not contain, what it can mean.
    fn met_text(&self, met: &SeenHead) -> Option<String> {
        let known = self.heads.iter().find(|it| it.head == met.head);
        known.filter(|it| it.doubt == Doubt::Met && !it.is_contained)?;
        Some(format!(
            "A checkpoint of {} was {}. Either the archive was rolled back, and a copy may have what is \
             missing, or others have its keys and made that file (--reason keys-exposed). The act does not say \
             that any of it is lost. If it is yours, give it with --checkpoint.\n",
            head_text(met.head),
            met.how()
        ))
    }

    /// Says that what was seen here will be missed for ever, if no act can say that it is lost: it
    /// speaks of what lay beyond the end.
    fn for_ever_text(&self) -> Option<String> {
        let newest = self.newest()?.head;
        let is_told =
            |head: SignedHead| head.size > self.size && (head == newest || head.size < newest.size);
        let missed = self.strange().find(|it| it.is_seen && !is_told(it.head))?;
        Some(format!(
            "Whoever saw {} is told of a rollback (F304) whenever they verify, and is refused to write, and \
             so are you until you move {} elsewhere; with --reason log-forked or keys-exposed only who does not have what \
             `sigillo trust export` prints afterwards.\n",
            head_text(missed.head),
            self.seen_file.display()
        ))
    }
}

async fn read_given(file: &Path, archive: &Archive) -> Result<(Checkpoint, String), CommandError> {
    let bytes = read_beginning(file, NOTE_BYTES_MAX as u64)?;
    let key = archive.key_of(&bytes).await?;
    let checkpoint = checkpoint_of(&bytes, &key).map_err(|what| {
        let words = format!("{} is no checkpoint of this log: {what}", file.display());
        told_of_unsigned(CommandError::new(ErrorKind::Invalid, words), archive, &bytes)
    })?;
    if checkpoint.origin != archive.origin() {
        let words = format!("{} is of a log of this archive that ended already", file.display());
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint(format!("give one of its newest log, {}", archive.origin())));
    }
    Ok((checkpoint, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the words of an act: those that were given, what is known that the log lacks, and that the clock
/// is right, where it has something of a later time.
pub(super) fn words_of_act(
    given: Option<&str>,
    known: &Known,
    (lost, behind): (&Lost, Option<ClockBehind>),
) -> String {
    let all = known.strange_text().into_iter().chain(lost.lines());
    let all: Vec<_> = all.chain(behind.map(|it| it.said_right())).collect();
    let given = given.unwrap_or_default().trim_end();
    match (given, all.is_empty()) {
        (given, true) => given.to_owned(),
        ("", false) => format!("{KNOWN}{}.", all.join("; ")),
        (given, false) => format!("{given}\n\n{KNOWN}{}.", all.join("; ")),
    }
}

/// Returns the words that a person gave, of those of an act.
pub(super) fn words_given(words: &str) -> &str {
    words.split(KNOWN).next().unwrap_or_default().trim_end()
}

/// Logs that came after the newest one that the archive shows: known here, and lost.
pub(super) struct Lost {
    /// Those that were seen here or that the trust store names.
    logs: Vec<SeenLog>,
    /// Key folders that signed one, with what they signed last.
    folders: Vec<(u64, PathBuf, SignedHead)>,
}

impl Lost {
    /// Looks for them in the memory, in the trust store and in the key folder.
    pub(super) fn find(
        context: &Context,
        archive: &Archive,
        keys: &Path,
    ) -> Result<Self, CommandError> {
        let used = |generation| {
            let folder = keys_of_log(keys, generation);
            let last = KeyFolder::open_log_signer(&folder).ok()?.last_signed().ok().flatten()?;
            Some((generation, folder, last))
        };
        let later = archive.generation() + 1..=GENERATIONS_MAX;
        // Another log in place of the first is no loss, and nobody can go on with that.
        let mut logs = context.lost_logs(archive)?;
        logs.retain(|it| it.generation > 1);
        Ok(Self { logs, folders: later.filter_map(used).collect() })
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.logs.is_empty() && self.folders.is_empty()
    }

    fn generations(&self) -> Vec<u64> {
        let seen = self.logs.iter().map(|it| it.generation);
        let mut all: Vec<_> = seen.chain(self.folders.iter().map(|it| it.0)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Says of each how much of it is known to be lost.
    fn lines(&self) -> impl Iterator<Item = String> {
        self.generations().into_iter().map(|generation| {
            let of_seen = self.logs.iter().filter(|it| it.generation == generation);
            let of_seen = of_seen.flat_map(|it| &it.heads).filter(|it| it.met_in.is_none());
            let of_seen = of_seen.map(|it| it.head);
            let of_keys = self.folders.iter().filter(|it| it.0 == generation).map(|it| it.2);
            let size = of_seen.chain(of_keys).map(|head| head.size).max();
            let known = size.map_or_else(
                || "how many entries it had is not known here".to_owned(),
                |size| format!("{} of it are known", counted(size, "entry")),
            );
            format!("Log {generation}, which came after it, is lost: {known}")
        })
    }

    /// Says for people what is lost, and what would be kept elsewhere; nothing if there is nothing.
    pub(super) fn text(
        &self,
        context: &Context,
        archive: &Archive,
    ) -> Result<String, CommandError> {
        let lines: Vec<_> = self.lines().collect();
        let mut text = String::new();
        if !lines.is_empty() {
            text.push_str(&format!(
                "{}.\nLook for a copy that has it before you go on. --lost-successor goes on without it, and \
                 keeps elsewhere what knows of it: {}. Whoever has its key, or a proof from it, has to be \
                 told.\n",
                lines.join(".\n"),
                self.places(context, archive)?
            ));
        }
        Ok(text)
    }

    /// Refuses to go on without these logs unless that was asked for.
    pub(super) fn refuse_unless(
        &self,
        context: &Context,
        archive: &Archive,
        is_asked: bool,
    ) -> Result<(), CommandError> {
        let generations = self.generations();
        let Some(first) = generations.first().filter(|_| !is_asked) else { return Ok(()) };
        let words = format!(
            "LOG_DIVERGED: log {first} of this archive is known here, and the archive does not show it: \
             it was rolled back or rewritten; nothing was written"
        );
        Err(CommandError::new(ErrorKind::Integrity, words).hint(BACKUP).hint(format!(
            "if that log is lost for good, --lost-successor goes on without it; the act says so, and \
             what knows of it is kept elsewhere: {}",
            self.places(context, archive)?
        )))
    }

    /// Names everything here that knows of them.
    fn places(&self, context: &Context, archive: &Archive) -> Result<String, CommandError> {
        let named = context.trust.successors_of(archive)?;
        let is_named = |it: &SeenLog| {
            named.iter().any(|(number, key)| (it.generation, &it.log) == (*number, key))
        };
        let mut all: Vec<_> = self.folders.iter().map(|it| it.1.display().to_string()).collect();
        if self.logs.iter().any(is_named) {
            let file = context.trust.file_of(archive.description().archive);
            all.push(file.display().to_string());
        }
        let seen = context.seen_logs_file(archive);
        if !self.logs.is_empty() && seen.exists() {
            all.push(seen.display().to_string());
        }
        Ok(all.join(", "))
    }

    /// Keeps the key folders elsewhere that signed them: beside, under another name.
    pub(super) fn set_keys_aside(&self, at: LogTime) -> Result<(), CommandError> {
        for (_, folder, _) in &self.folders {
            let mut name = folder.file_name().unwrap_or_default().to_owned();
            name.push(kept_name(at));
            let kept = folder.with_file_name(name);
            let moved = std::fs::rename(folder, &kept).and_then(|()| match kept.parent() {
                Some(above) => std::fs::File::open(above)?.sync_all(),
                None => Ok(()),
            });
            moved.map_err(|error| CommandError::file("moving", folder, &error))?;
        }
        Ok(())
    }

    /// Takes them out of trust store and memory, and keeps what these were beside them.
    pub(super) fn forget(
        &self,
        context: &Context,
        archive: &Archive,
        at: LogTime,
    ) -> Result<(), CommandError> {
        let kept = kept_name(at);
        context.forget_logs(archive, &self.logs, &kept)?;
        let logs: Vec<_> = self.logs.iter().map(|it| (it.generation, it.log.clone())).collect();
        context.trust.forget_successors(archive, &logs, &kept)?;
        Ok(())
    }
}

/// What is put behind the name of something that is kept, and not used any more.
fn kept_name(at: LogTime) -> String {
    format!("-lost-{}", at.to_string().replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use sigillo_merkle::leaf_hash;

    use super::*;

    /// What is known of a log of five entries, of which its own checkpoint is kept, and one of a million is
    /// published; `whence` says whence else that is known.
    fn known(reason: Option<SuccessionReason>, whence: &[&str]) -> Known {
        let mut this = Known {
            heads: Vec::new(),
            size: 5,
            seen_file: PathBuf::from("seen"),
            met: Vec::new(),
            others_may_sign: reason.is_some_and(SuccessionReason::others_may_sign),
        };
        let head = |size, text: &str| {
            let root = Sha256Digest::from_bytes(*leaf_hash(text.as_bytes()).as_bytes());
            SignedHead { size, root }
        };
        for whence in whence {
            this.add(head(1_000_000, "other"), "theirs".to_owned(), whence);
        }
        this.met.extend(whence.contains(&MET).then(|| SeenHead {
            head: head(1_000_000, "other"),
            at: None,
            met_in: Some("fascicolo.zip".to_owned()),
        }));
        this.add(head(5, "own"), "own".to_owned(), "signed last");
        this.heads.iter_mut().for_each(|it| it.is_contained = it.text == "own");
        this
    }

    #[test]
    fn an_act_believes_no_checkpoint_that_only_an_exposed_key_signed() {
        let exposed = [SuccessionReason::KeysExposed, SuccessionReason::LogForked];
        for reason in exposed {
            let planted = known(Some(reason), &[PUBLISHED]);
            let found = (planted.lost(Some(reason)), planted.checkpoint());
            assert_eq!(found, (Some(0), Some("own".to_owned())));
            assert!(planted.text().contains("give it with --checkpoint"), "{}", planted.text());
            assert!(planted.strange_text().unwrap().contains("published, perhaps by others"));
            // What somebody here saw, signed or gives is named, and not counted: it may be of another history.
            for whence in ["given", "signed last", "seen"] {
                for both in [&[whence][..], &[whence, PUBLISHED], &[PUBLISHED, whence]] {
                    let known = known(Some(reason), both);
                    let found = (known.lost(Some(reason)), known.checkpoint());
                    assert_eq!(found, (None, Some("theirs".to_owned())), "{both:?}");
                }
            }
        }
        for reason in [None, Some(SuccessionReason::TailLost), Some(SuccessionReason::KeysLost)] {
            assert_eq!(known(reason, &[PUBLISHED]).lost(reason), Some(999_995), "{reason:?}");
        }
    }

    #[test]
    fn the_words_of_an_act_have_room_for_all_that_may_be_met() {
        let mut this = known(None, &["seen"]);
        for size in 1_000_000_001..=1_000_000_064 {
            let head = SignedHead { size, root: Sha256Digest::of(b"met") };
            this.met.push(SeenHead { head, at: None, met_in: Some("x.zip".to_owned()) });
            this.add(head, "met".to_owned(), MET);
        }
        let text = this.strange_text().unwrap();
        assert!(text.len() < 1000, "{text}");
        assert!(text.contains("(seen)"), "{text}");
        assert!(text.ends_with("; nor 57 other checkpoints"), "{text}");
        assert_eq!(this.text().matches("was met in x.zip").count(), STRANGE_NAMED_MAX);
    }

    #[test]
    fn what_was_only_met_in_a_file_is_never_counted_as_lost() {
        for reason in
            [None, Some(SuccessionReason::BackupRestored), Some(SuccessionReason::KeysExposed)]
        {
            let met = known(reason, &[MET]);
            let found = (met.lost(reason), met.checkpoint());
            assert_eq!(found, (Some(0), Some("own".to_owned())), "{reason:?}");
            assert!(!met.is_forked());
            for said in ["met in fascicolo.zip earlier", "rolled back", "--reason keys-exposed"] {
                assert!(met.text().contains(said), "{}", met.text());
            }
            assert!(met.strange_text().unwrap().contains("met in a proof, perhaps by others"));
            // The name of the file may be of people: the act goes without it.
            assert!(!met.strange_text().unwrap().contains("fascicolo"));
        }
        // That somebody published what was met makes it no surer where others may sign.
        let exposed = Some(SuccessionReason::KeysExposed);
        for both in [[MET, PUBLISHED], [PUBLISHED, MET]] {
            assert_eq!(known(exposed, &both).lost(exposed), Some(0));
            assert_eq!(known(None, &both).lost(None), Some(999_995));
        }
        let also_seen = known(None, &[MET, "seen"]);
        assert_eq!(also_seen.lost(None), Some(999_995));
        assert!(!also_seen.text().contains("fascicolo"), "{}", also_seen.text());
    }
}
