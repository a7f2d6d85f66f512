//! What went wrong, for people and for scripts: kind, words, causes, hints.

use std::{error::Error, path::Path};

use serde_json::{Value, json};

use sigillo_authorities::KeyError;
use sigillo_custody::{CustodyError, GiveReceiptError, LocateError};
use sigillo_evidence_log::{LogError, TableFault};
use sigillo_ingest::{IngestError, SourceError};
use sigillo_model::ErrorKind;
use sigillo_store::{PoolUnavailable, StoreError, StoreUrlError};

/// An error as a command reports it.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: ErrorKind,
    /// What went wrong, then each cause, outermost first.
    pub(crate) words: Vec<String>,
    /// The lines of a text that it is about, to be shown as they are.
    pub(crate) excerpt: Vec<String>,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
    /// The command line asks for something that cannot be.
    usage: bool,
}

impl CommandError {
    pub(crate) fn new(kind: ErrorKind, words: impl Into<String>) -> Self {
        let words = vec![words.into()];
        Self { kind, words, excerpt: Vec::new(), hints: Vec::new(), usage: false }
    }

    pub(crate) fn of(kind: ErrorKind, error: &(dyn Error + 'static)) -> Self {
        let mut words = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !words.contains(&text) {
                words.push(text);
            }
            cause = error.source();
        }
        // It does not pass: whoever waits and tries again waits for ever.
        let is_refused = kind == ErrorKind::Transient && is_permission(&words);
        let kind = if is_refused { ErrorKind::Invalid } else { kind };
        let of_disk = hint_of_disk(&words).filter(|_| {
            // Damage is damage, whatever the disk says beside it.
            matches!(kind, ErrorKind::Invalid | ErrorKind::Transient)
        });
        let mut hints = of_disk.map_or_else(|| hints_for(kind), |hint| vec![hint]);
        if is_refused {
            hints.push(
                "this user may not use that place: look who owns it with `ls -ld`, give yourself \
                 access or name another place"
                    .to_owned(),
            );
        }
        Self { kind, words, excerpt: Vec::new(), hints, usage: false }
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self { usage: true, ..Self::new(ErrorKind::Invalid, words) }
    }

    /// The command line could not be understood: what clap says, without the usage.
    pub(crate) fn not_understood(error: &clap::Error) -> Self {
        let help = "`sigillo --help` lists the commands, `sigillo COMMAND --help` their options";
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self::usage("a command is missing").hint(help);
        }
        let text = error.to_string();
        let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let words: Vec<_> = first.trim_start_matches("error:").split_whitespace().collect();
        let tips = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
        let mut this = Self::usage(words.join(" "));
        this.hints = tips.map(str::to_owned).collect();
        this.hint(help)
    }

    pub(crate) fn io(doing: &str, error: &std::io::Error) -> Self {
        let mut this = Self::of(ErrorKind::Invalid, error);
        this.words.insert(0, format!("failed while {doing}"));
        this
    }

    pub(crate) fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::io(&format!("{doing} {}", path.display()), error)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says the same to a program.
    pub(crate) fn json(&self) -> Value {
        json!({
            "excerpt": self.excerpt, "hints": self.hints, "kind": self.kind_name(),
            "words": self.words,
        })
    }

    /// Names the kind for scripts.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self.kind {
            _ if self.usage => "usage",
            ErrorKind::Bug => "bug",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Integrity => "integrity",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Transient => "transient",
        }
    }

    /// Returns the exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            _ if self.usage => 2,
            ErrorKind::Invalid => 1,
            ErrorKind::Transient | ErrorKind::Conflict => 4,
            ErrorKind::Integrity => 5,
            ErrorKind::Bug => 70,
        }
    }
}

/// Tells whether the operating system says that it is not permitted.
fn is_permission(words: &[String]) -> bool {
    words.iter().any(|it| it.contains("(os error 13)") || it.contains("(os error 1)"))
}

/// Says what to do where the operating system says that a disk is full, broken or read-only.
fn hint_of_disk(words: &[String]) -> Option<String> {
    let said = |number: u32| {
        let number = format!("(os error {number})");
        words.iter().any(|words| words.contains(&number))
    };
    let what = if said(28) || said(122) {
        "free space on that disk (archive, keys and state may lie on several)"
    } else if said(30) {
        "that place is read-only: see that it is mounted for writing"
    } else if said(5) {
        "see whether the disk is sound, and what the system's log says of it"
    } else {
        return None;
    };
    Some(format!(
        "nothing that was acknowledged is lost; {what}, then run the same command again: it goes \
         on where it stopped"
    ))
}

/// Names that are less alike are no suggestion. Source: the same bound as in clap.
const SIMILARITY_MIN: f64 = 0.7;

/// Returns the one of `names` that is most like a word that is none of them.
pub(crate) fn most_similar<'a>(
    word: &str,
    names: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = names.map(|name| (strsim::jaro(word, name), name));
    let likely = likeness.filter(|(likeness, _)| *likeness > SIMILARITY_MIN);
    likely.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

fn hints_for(kind: ErrorKind) -> Vec<String> {
    let hint = match kind {
        ErrorKind::Integrity => {
            "do not write to this archive; run `sigillo verify --full` and keep its report"
        }
        ErrorKind::Transient => "nothing that was acknowledged is lost; try again later",
        ErrorKind::Conflict => "somebody else writes to this archive; try again",
        ErrorKind::Bug => "this is a mistake of Sigillo itself; please report it with these lines",
        ErrorKind::Invalid => return Vec::new(),
    };
    vec![hint.to_owned()]
}

macro_rules! from_errors {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::of(error.kind(), &error)
            }
        })*
    };
}

from_errors!(KeyError, SourceError, StoreError, StoreUrlError, TableFault,);

/// What to do about an index that lacks what could not be read.
const COMPLETE_INDEX: &str = "bring the damaged object back from a copy, then run `sigillo rebuild`, which completes the index";

impl From<IngestError> for CommandError {
    fn from(error: IngestError) -> Self {
        let this = Self::of(error.kind(), &error);
        match error {
            IngestError::IndexIncomplete { .. } => this.hint(COMPLETE_INDEX).hint(
                "without a copy, a state folder from before the damage helps: its index knows these \
                 documents, and `sigillo rebuild` takes them over",
            ),
            _ => this,
        }
    }
}

impl From<LocateError> for CommandError {
    fn from(error: LocateError) -> Self {
        let this = Self::of(error.kind(), &error);
        match error {
            LocateError::CannotTell { .. } => this.hint(COMPLETE_INDEX),
            _ => this,
        }
    }
}

impl From<LogError> for CommandError {
    fn from(error: LogError) -> Self {
        let this = Self::of(error.kind(), &error);
        match error {
            LogError::NoArchive { .. } => this.hint(
                "make one with `sigillo init ARCHIVE --entity NAME`, or name another with --archive",
            ),
            LogError::LaterProgram { .. } => this.hint("use a newer version of Sigillo"),
            LogError::OtherArchive { .. } => {
                this.hint("choose another folder, or name this archive's keys with --keys")
            }
            LogError::SealCertificate { .. } => this.hint(
                "see whether the clock is right (`sigillo doctor`); if it is, another log with new \
                 certificates is begun with `sigillo log succeed --reason certificates-ended`",
            ),
            LogError::Diverged { .. } => this.hint(
                "the store may have been restored from a backup, or these keys were used on a copy",
            ),
            _ => this,
        }
    }
}

impl From<CustodyError> for CommandError {
    fn from(error: CustodyError) -> Self {
        let this = Self::of(error.kind(), &error);
        match error {
            CustodyError::NamedMissing { .. } => {
                this.hint("bring the pack back from a copy before anything is removed")
            }
            _ => this,
        }
    }
}

impl From<GiveReceiptError> for CommandError {
    fn from(error: GiveReceiptError) -> Self {
        let this = Self::of(error.kind(), &error);
        match error {
            GiveReceiptError::Checkpoint { .. } | GiveReceiptError::NotCovered { .. } => {
                this.hint("run `sigillo rebuild`, which publishes the log anew from its commits")
            }
            GiveReceiptError::Foreign { .. } => this.hint(
                "nothing is wrong with the archive; `sigillo receipt show` gives a new receipt",
            ),
            GiveReceiptError::NoSubmission { .. } => {
                this.hint("`sigillo log entries` lists the submissions of an archive")
            }
            GiveReceiptError::TooLarge(_) => {
                this.hint("ask for receipts of its documents, some at a time")
            }
            _ => this,
        }
    }
}

impl From<PoolUnavailable> for CommandError {
    fn from(error: PoolUnavailable) -> Self {
        Self::of(ErrorKind::Transient, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_permitted_is_nothing_to_try_again() {
        let of = |number| {
            let error = std::io::Error::from_raw_os_error(number);
            CommandError::of(ErrorKind::Transient, &error)
        };
        assert_eq!((of(13).exit_code(), of(1).exit_code(), of(11).exit_code()), (1, 1, 4));
        assert!(of(13).hints[0].contains("ls -ld"), "{:?}", of(13).hints);
    }

    #[test]
    fn a_word_is_likened_to_the_nearest_name_or_to_none() {
        let names = ["name", "url", "anchor_file", "user"];
        assert_eq!(most_similar("urll", names.into_iter()), Some("url"));
        assert_eq!(most_similar("usr", names.into_iter()), Some("user"));
        assert_eq!(most_similar("xyz", names.into_iter()), None);
    }
}
