//! Whether an archive shows its newest state: nothing in it says so, nor what was seen or met before; a
//! checkpoint from elsewhere does.

use std::path::Path;

use sigillo_authorities::SignedHead;
use sigillo_evidence_log::{Archive, log_contains};
use sigillo_merkle::Checkpoint;
use sigillo_model::{Finding, FindingCode, ObjectKey, Severity, Sha256Digest};

use crate::{
    commands::{
        bundle::name_of,
        log::checkpoint_of,
        log_ended::{NotContained, Told, unsigned_words},
    },
    context::Context,
    output::{counted, visible},
};

/// A checkpoint from elsewhere that the user names.
#[derive(Debug)]
pub(crate) struct Named {
    /// The name of its file.
    file: String,
    says: Says,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Says {
    /// Nothing of the newest log of the archive; why.
    Nothing(String),
    /// That the newest log had this head, and whether that is so here.
    Had { head: SignedHead, is_contained: bool },
    /// That a log that ended had one of so many entries; what is to be told if that is not so here.
    Ended { generation: u64, newest: u64, size: u64, told: Option<Told> },
}

impl Named {
    /// Reads a checkpoint, whatever it is, and looks whether its log contains it.
    pub(crate) async fn of(
        context: &Context,
        archive: &Archive,
        (path, bytes): (&Path, &[u8]),
    ) -> Self {
        let says = says(context, archive, bytes).await.unwrap_or_else(Says::Nothing);
        Self { file: visible(&name_of(path)), says }
    }

    /// Says how the state that was verified, of this head, stands to it; nothing if it is the newest one.
    fn findings(&self, head: Option<SignedHead>) -> Vec<Finding> {
        let of_ended = match &self.says {
            Says::Ended { size, told: Some(told), .. } => Some(told.finding(&self.file, *size)),
            _ => None,
        };
        of_ended.into_iter().chain(self.freshness(head)).collect()
    }

    fn freshness(&self, head: Option<SignedHead>) -> Option<Finding> {
        let file = &self.file;
        let unknown = |message: String| {
            Some(Finding::new(FindingCode::FreshnessUnknown, ObjectKey::checkpoint(), message))
        };
        let nothing = |why: &str| {
            let finding =
                unknown(format!("{file} does not tell whether this is the newest state: {why}"));
            finding.map(|it| Finding { severity: Severity::CannotTell, ..it })
        };
        let Some(own) = head else { return nothing("the tree of the log could not be derived") };
        let here = counted(own.size, "entry");
        match &self.says {
            Says::Nothing(why) => nothing(why),
            Says::Ended { generation, newest, size, told } => {
                let has = if told.is_none() { ", which has what it covers" } else { "" };
                nothing(&format!(
                    "it is a checkpoint of {} of log {generation}{has}; that log has ended, and the newest is \
                     log {newest}",
                    counted(*size, "entry")
                ))
            }
            Says::Had { head, is_contained: false } => {
                let message = format!(
                    "{file} is a checkpoint of {} that this log signed, and which it, of {here}, does not \
                     contain: it was rolled back or rewritten",
                    counted(head.size, "entry")
                );
                Some(Finding::new(FindingCode::LogRolledBack, "log/seq", message))
            }
            Says::Had { head, .. } if *head == own => None,
            Says::Had { head, .. } => unknown(format!(
                "{file} is a checkpoint of {}, and this log has {here}: whether it had more is not known",
                counted(head.size, "entry")
            )),
        }
    }
}

/// Says what a checkpoint shows of the log that it is of, or why nothing.
async fn says(context: &Context, archive: &Archive, bytes: &[u8]) -> Result<Says, String> {
    let unread =
        |error: sigillo_evidence_log::LogError| format!("the log could not be read: {error}");
    let key = archive.key_of(bytes).await.map_err(unread)?;
    let shown = checkpoint_of(bytes, &key).map_err(|what| {
        unsigned_words(archive, bytes)
            .unwrap_or_else(|| format!("it is no checkpoint of this archive: {what}"))
    })?;
    let newest = archive.generation();
    if let Some(generation) = ended_log_of(archive, &shown) {
        let found = NotContained::find(context, archive, &shown).await;
        let found = found
            .map_err(|error| format!("the log could not be read: {}", error.words.join(": ")))?;
        let told = found.as_ref().map(NotContained::told);
        return Ok(Says::Ended { generation, newest, size: shown.size, told });
    }
    let root = Sha256Digest::from_bytes(*shown.root.as_bytes());
    let head = SignedHead { size: shown.size, root };
    let is_contained = log_contains(archive, head).await.map_err(unread)?;
    Ok(Says::Had { head, is_contained })
}

/// Returns the log that a checkpoint is of, if it is one that ended.
fn ended_log_of(archive: &Archive, shown: &Checkpoint) -> Option<u64> {
    let is_of = |it: &u64| archive.description().origin_of(*it) == shown.origin;
    (1..archive.generation()).find(is_of)
}

/// Tells among the findings of an archive, verified with this head, whether it is the newest state: by what
/// is shown, and where that is required also if nothing is.
pub(crate) fn judge(
    findings: &mut Vec<Finding>,
    head: Option<SignedHead>,
    shown: Option<&Named>,
    is_required: bool,
) {
    let is_note = |it: &Finding| it.code == FindingCode::FreshnessUnknown;
    if let Some(shown) = shown {
        findings.retain(|it| !is_note(it));
        findings.extend(shown.findings(head));
    } else if is_required && !findings.iter().any(is_note) {
        let message = "no checkpoint from elsewhere is named, so whether this is the newest state cannot \
                       be told; what was seen or met before does not show that";
        let object = ObjectKey::checkpoint();
        findings.push(Finding::new(FindingCode::FreshnessUnknown, object, message));
    }
}

#[cfg(test)]
mod tests {
    use sigillo_model::Verdict;

    use super::*;

    fn head(size: u64) -> SignedHead {
        SignedHead { size, root: Sha256Digest::of(&size.to_be_bytes()) }
    }

    fn had(size: u64, is_contained: bool) -> Named {
        let says = Says::Had { head: head(size), is_contained };
        Named { file: "cp.txt".to_owned(), says }
    }

    /// Judges a log of 12 entries, at first sight or not; returns the codes and the severest.
    fn judged(
        shown: Option<&Named>,
        is_required: bool,
        is_first: bool,
    ) -> (Vec<&'static str>, Verdict) {
        let first = Finding::new(FindingCode::FreshnessUnknown, "log/checkpoint", "not known");
        let mut findings: Vec<_> = is_first.then_some(first).into_iter().collect();
        judge(&mut findings, Some(head(12)), shown, is_required);
        let verdict = Verdict::of(&findings);
        (findings.iter().map(|it| it.code.code()).collect(), verdict)
    }

    #[test]
    fn what_was_seen_before_does_not_show_the_newest_state() {
        for is_first in [true, false] {
            assert_eq!(judged(None, true, is_first).0, ["F604"], "first: {is_first}");
        }
        assert_eq!(judged(None, false, true).0, ["F604"], "a note at first sight");
        assert_eq!(judged(None, false, false).0, Vec::<&str>::new());
    }

    #[test]
    fn a_checkpoint_from_elsewhere_of_all_entries_does() {
        for (is_required, is_first) in [(true, true), (true, false), (false, true)] {
            let (codes, verdict) = judged(Some(&had(12, true)), is_required, is_first);
            assert_eq!((codes, verdict), (vec![], Verdict::Intact));
        }
    }

    #[test]
    fn an_older_one_does_not_and_a_newer_one_shows_what_was_taken_back() {
        for is_first in [true, false] {
            let (codes, verdict) = judged(Some(&had(7, true)), false, is_first);
            assert_eq!((codes, verdict), (vec!["F604"], Verdict::Intact));
            for size in [38, 12, 7] {
                let (codes, verdict) = judged(Some(&had(size, false)), false, is_first);
                assert_eq!((codes, verdict), (vec!["F304"], Verdict::Damaged));
            }
        }
    }

    #[test]
    fn one_of_a_log_that_ended_leaves_the_question_open_and_proves_what_it_proves() {
        let told = |code| Told { code, words: "words".to_owned() };
        for (told, codes, verdict) in [
            (None, vec!["F604"], Verdict::CannotTell),
            (Some(told(FindingCode::OriginUnknown)), vec!["F601", "F604"], Verdict::CannotTell),
            (Some(told(FindingCode::LogRolledBack)), vec!["F304", "F604"], Verdict::Damaged),
        ] {
            // Of as many entries as the newest log, or of more: that is no matter.
            for size in [12, 38] {
                let says = Says::Ended { generation: 1, newest: 2, size, told: told.clone() };
                let shown = Named { file: "cp.txt".to_owned(), says };
                for is_required in [true, false] {
                    let judged = judged(Some(&shown), is_required, false);
                    assert_eq!(judged, (codes.clone(), verdict), "{told:?} {size}");
                }
            }
        }
    }

    #[test]
    fn one_that_cannot_be_used_leaves_the_question_open() {
        let says = Says::Nothing("it is no checkpoint of this archive".to_owned());
        let unfit = Named { file: "cp.txt".to_owned(), says };
        assert_eq!(judged(Some(&unfit), false, false), (vec!["F604"], Verdict::CannotTell));
        let mut findings = Vec::new();
        judge(&mut findings, None, Some(&had(12, true)), false);
        assert_eq!(findings[0].severity, Severity::CannotTell, "without a tree");
    }
}
