//! Checking the checkpoint of a receipt: the log's signature, and who cosigned.

use jiff::Timestamp;

use sigillo_merkle::{
    Checkpoint, CosignedAt, KeysOfLog, SignedCheckpointError, SignedNote, VerifierKey,
    VerifierKeyError, WitnessPolicy, parse_cosigned_checkpoint, parse_signed_checkpoint,
};
use sigillo_model::FindingCode;

use crate::{ReceiptTrust, check::Checker, receipt::CosignedNote};

/// A witness that cosigned the checkpoint. Its cosignature is valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CosignedBy {
    /// The name of its key.
    pub witness: String,
    /// Its key, as a C2SP verifier key.
    pub key: String,
    /// When it says that it saw the checkpoint, RFC 3339; seconds since 1970 beyond the year 9999.
    pub at: String,
    /// Whether the caller knows the witness.
    pub is_known: bool,
}

/// Returns whether these witnesses are enough for who trusts `policy`, for the log of these keys.
pub fn is_witnessed(policy: &WitnessPolicy, log: &KeysOfLog, by: &[CosignedBy]) -> bool {
    let names_log = policy.logs.is_empty() || log.iter().any(|key| policy.logs.contains(key));
    let cosigned = |key: &VerifierKey| {
        let key = key.to_string();
        by.iter().any(|it| it.key == key)
    };
    names_log && policy.is_met(cosigned)
}

impl CosignedBy {
    /// Takes a cosignature that was found valid.
    pub fn new(key: &VerifierKey, at: CosignedAt, policy: Option<&WitnessPolicy>) -> Self {
        let is_known = policy.is_some_and(|it| it.witnesses.iter().any(|it| it.key == *key));
        let seconds = at.as_unix_seconds();
        let time = i64::try_from(seconds).ok().and_then(|it| Timestamp::from_second(it).ok());
        Self {
            witness: key.name().to_owned(),
            key: key.to_string(),
            at: time.map_or_else(|| seconds.to_string(), |time| time.to_string()),
            is_known,
        }
    }
}

impl Checker {
    /// Checks the checkpoint by the key of its log, and every cosignature by the key that the receipt
    /// has for it; tells whether witnesses whom the caller knows are enough.
    pub(crate) fn checkpoint(
        &mut self,
        note: CosignedNote<'_>,
        keys: &KeysOfLog,
        trust: &ReceiptTrust,
    ) {
        let policy = trust.witnesses.as_ref();
        let log = keys.of_note(note.note.as_bytes());
        match cosigned(note, log) {
            Ok((checkpoint, Some(by))) => {
                self.cosigned =
                    by.iter().map(|(key, at)| CosignedBy::new(key, *at, policy)).collect();
                self.checkpoint = Some(checkpoint);
            }
            Ok((checkpoint, None)) => {
                let message = "a witness has a key of a kind that this program does not know: the \
                               cosignatures were not checked";
                self.find(FindingCode::CosignatureUnknown, "checkpoint", message);
                self.checkpoint = Some(checkpoint);
            }
            Err(error) => {
                self.find(FindingCode::ReceiptCheckpoint, "checkpoint", error);
                return;
            }
        }
        self.is_witnessed = policy.is_some_and(|it| is_witnessed(it, keys, &self.cosigned));
        if !self.is_witnessed {
            let message = not_witnessed(&self.cosigned, policy);
            self.find(FindingCode::NotWitnessed, "checkpoint", message);
        }
    }
}

type Cosigned = (Checkpoint, Option<Vec<(VerifierKey, CosignedAt)>>);

/// Reads the checkpoint, and who cosigned it; nothing of these if a key is of an unknown kind.
fn cosigned(given: CosignedNote<'_>, log: &VerifierKey) -> Result<Cosigned, String> {
    let note = given.note.as_bytes();
    let failed = |error: SignedCheckpointError| error.to_string();
    match given.witness_keys() {
        Ok(keys) => {
            let (checkpoint, times) =
                parse_cosigned_checkpoint(note, log, &keys).map_err(failed)?;
            Ok((checkpoint, Some(keys.into_iter().zip(times).collect())))
        }
        Err(VerifierKeyError::UnknownType { .. }) => {
            let mut note = SignedNote::parse(note).map_err(|error| error.to_string())?;
            note.signatures.truncate(1);
            Ok((parse_signed_checkpoint(&note.to_bytes(), log).map_err(failed)?, None))
        }
        Err(error) => Err(format!("the key of a witness is none: {error}")),
    }
}

/// Says why the witnesses are not enough.
pub fn not_witnessed(by: &[CosignedBy], policy: Option<&WitnessPolicy>) -> String {
    let unseen = "whether others are shown another log is not known";
    let known = by.iter().filter(|it| it.is_known).count();
    match (by.len(), known, policy) {
        (0, ..) => format!("no witness has cosigned the checkpoint: {unseen}"),
        (_, _, None) => {
            format!(
                "the trust store knows none of the witnesses that cosigned the checkpoint: {unseen}"
            )
        }
        (_, 0, Some(_)) => {
            format!("none of the witnesses that cosigned the checkpoint is known here: {unseen}")
        }
        (_, known, Some(_)) => format!(
            "{known} of the witnesses known here cosigned the checkpoint, which the trust store \
             does not take for enough: {unseen}"
        ),
    }
}
