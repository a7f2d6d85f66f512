//! What a witness does with checkpoints of a log that ended, by what its trust store says.

use sigillo_authorities::SignedHead;
use sigillo_merkle::{Checkpoint, VerifierKey, WitnessRefusal, WitnessRequest};
use sigillo_model::{ErrorKind, SuccessionReason};
use sigillo_proof::EndedLog;

use crate::{
    commands::log_witness::digest_of,
    context::Context,
    error::CommandError,
    output::{counted, visible},
    trust_ends::is_end,
};

/// What to do with a checkpoint that the log signed, that nothing known contradicts, and that may be of before
/// the end.
const MAY_BE_OLDER: &str = "of a log that ended a witness cosigns only its end, and then what comes after it. Nobody can \
                            tell from the file whether it was made before the end and came too late, and then may \
                            be in order, or since, by others who sign with the keys: keep it, and ask the entity \
                            for a new request";

/// What to do with one that cannot be of before.
const IS_NOT_THEIRS: &str = "of a log that ended a witness cosigns only its end, and then what comes after it: somebody may \
                             sign with keys that are not theirs. Tell the entity, and keep the file";

/// Why a checkpoint is not cosigned.
pub(super) enum NotCosigned {
    /// Its log ended, and it is not the end.
    Ended(CommandError),
    Refused(WitnessRefusal),
}

/// Tells whether a checkpoint may be cosigned.
///
/// What was cosigned before is asked first: that the log ended excuses no checkpoint that contradicts it, nor
/// one that the log did not sign. Only where a proof is not about what was cosigned last, the end counts more.
pub(super) fn judged(
    request: &WitnessRequest,
    log: &VerifierKey,
    last: Option<&Checkpoint>,
    end: Option<&Ended>,
) -> Result<(), NotCosigned> {
    let judged = request.judge(log, last);
    if matches!(judged, Ok(()) | Err(WitnessRefusal::OldSize { .. }))
        && let Some(error) = end.and_then(|it| it.refused(&request.checkpoint))
    {
        return Err(NotCosigned::Ended(error));
    }
    judged.map_err(NotCosigned::Refused)
}

/// The end of a log, if the trust store knows of it: nothing else of that log is cosigned, for an archive asks
/// for nothing else then, and within it whoever has old keys can sign another history.
pub(super) struct Ended {
    reason: SuccessionReason,
    end: EndedLog,
}

impl Ended {
    pub(super) fn find(context: &Context, origin: &str) -> Result<Option<Self>, CommandError> {
        let trusted = context.trust.list()?;
        let end = trusted.iter().find_map(|it| it.end_of_origin(origin));
        Ok(end.map(|(reason, end)| Self { reason, end }))
    }

    /// Says how the log ended.
    pub(super) fn words(&self) -> String {
        let Self { reason, end } = self;
        let is_later = end.others_may_sign && !reason.others_may_sign();
        format!(
            "ended with {} and the root {} by what the trust store says, because {}{}",
            counted(end.size, "entry"),
            end.root,
            reason.in_words(),
            if is_later { " (others may have its keys beside those of a later log)" } else { "" },
        )
    }

    /// Refuses a checkpoint that the log signed, that nothing cosigned before contradicts, and that is not the
    /// end.
    fn refused(&self, checkpoint: &Checkpoint) -> Option<CommandError> {
        let head = SignedHead { size: checkpoint.size, root: digest_of(checkpoint.root) };
        if is_end(&self.end, head) {
            return None;
        }
        let words = format!(
            "{} {}, and this is a checkpoint of {} and the root {}: nothing was cosigned",
            visible(&checkpoint.origin),
            self.words(),
            checkpoint.size,
            head.root,
        );
        let hint = if checkpoint.size < self.end.size { MAY_BE_OLDER } else { IS_NOT_THEIRS };
        Some(CommandError::new(ErrorKind::Integrity, words).hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use sigillo_merkle::{NoteSignature, SignedNote, TreeHash, leaf_hash, node_hash};
    use sigillo_model::{LogTime, Sha256Digest, Signer as _};
    use sigillo_testkit::MemorySigner;

    use super::*;

    const ORIGIN: &str = "log.example/a";

    fn key() -> VerifierKey {
        let public_key = MemorySigner::new(1).public_key().try_into().unwrap();
        VerifierKey::new_ed25519(ORIGIN.to_owned(), public_key).unwrap()
    }

    fn leaf(number: u8) -> TreeHash {
        leaf_hash(&[number])
    }

    /// A checkpoint of two entries is the end.
    fn end() -> TreeHash {
        node_hash(leaf(0), leaf(1))
    }

    fn checkpoint(size: u64, root: TreeHash) -> Checkpoint {
        Checkpoint { origin: ORIGIN.to_owned(), size, root }
    }

    /// Asks for a cosignature of a checkpoint, signed by the key of a seed.
    fn asked(seed: u64, (old_size, path): (u64, &[TreeHash]), new: Checkpoint) -> WitnessRequest {
        let text = new.to_text();
        let signature = MemorySigner::new(seed).sign(text.as_bytes()).unwrap();
        let signature = NoteSignature::ed25519(&key(), signature.try_into().unwrap());
        let signed = SignedNote::new(text, vec![signature]).unwrap();
        let note = String::from_utf8(signed.to_bytes()).unwrap();
        WitnessRequest { old_size, path: path.to_vec(), note, signed, checkpoint: new }
    }

    /// Judges a request by a witness that cosigned the first entry of a log that ended with the second.
    fn judged_of(request: &WitnessRequest) -> Result<(), NotCosigned> {
        let end = Ended {
            reason: SuccessionReason::CertificatesEnded,
            end: EndedLog {
                at: LogTime::new("2026-11-30T08:00:00Z".parse().unwrap()),
                others_may_sign: false,
                root: Sha256Digest::from_bytes(*end().as_bytes()),
                size: 2,
            },
        };
        judged(request, &key(), Some(&checkpoint(1, leaf(0))), Some(&end))
    }

    #[track_caller]
    fn check_refused(request: &WitnessRequest, expected: &str) {
        let Err(NotCosigned::Refused(refusal)) = judged_of(request) else {
            panic!("not refused: {request:?}");
        };
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }

    #[track_caller]
    fn check_ended(request: &WitnessRequest, may_be_older: bool) {
        let Err(NotCosigned::Ended(error)) = judged_of(request) else {
            panic!("not said to have ended: {request:?}");
        };
        assert_eq!(error.hints.concat().contains("may be in order"), may_be_older, "{error:?}");
    }

    #[test]
    fn what_was_cosigned_is_asked_before_the_end_is() {
        // Another one of the entries that were cosigned, and one that leads elsewhere.
        check_refused(&asked(1, (0, &[]), checkpoint(1, leaf(9))), "the log was forked");
        check_refused(&asked(1, (0, &[]), checkpoint(0, leaf(9))), "such a log does not have");
        check_refused(&asked(1, (1, &[leaf(9)]), checkpoint(2, end())), "either the proof");
        // One that the log did not sign, whatever its size.
        for size in 1..=3 {
            check_refused(&asked(2, (1, &[]), checkpoint(size, leaf(9))), "bear the signature");
        }
    }

    #[test]
    fn only_the_end_is_cosigned_and_what_may_be_of_before_is_told_apart() {
        assert!(judged_of(&asked(1, (1, &[leaf(1)]), checkpoint(2, end()))).is_ok());
        // The one that was cosigned, again; another one of the end; one beyond it.
        check_ended(&asked(1, (1, &[]), checkpoint(1, leaf(0))), true);
        check_ended(&asked(1, (0, &[]), checkpoint(1, leaf(0))), true);
        let other = node_hash(leaf(0), leaf(9));
        check_ended(&asked(1, (1, &[leaf(9)]), checkpoint(2, other)), false);
        check_ended(&asked(1, (0, &[]), checkpoint(3, other)), false);
    }
}
