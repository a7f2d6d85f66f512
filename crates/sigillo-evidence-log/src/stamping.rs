//! Stamping: a time-stamp for every sealing that has none yet.

use sigillo_authorities::{AllRefused, Authorities, Refusal};
use sigillo_ers::sealing_value;
use sigillo_model::{Clock, Entropy, Entry, ObjectKey, SealingStamped, Sha256Digest};

use crate::{
    CommitOutcome, GatherOutcome, LogError, LogWriter, gather_validation, read_view,
    sealing::create_fresh,
};

/// The evidence line of trial time-stamps: profile, hash family, trust class.
pub const EVIDENCE_LINE: &str = "plain-sha256-trial";

/// At most this often a stamping is committed again because others committed.
const COMMIT_ATTEMPTS_MAX: u32 = 100;

/// What became of an attempt to stamp all sealings.
#[derive(Debug, Default)]
pub struct StampOutcome {
    /// The sealings stamped now.
    pub stamped: Vec<SealingStamped>,
    /// How many still have no time-stamp.
    pub waiting: usize,
    /// What authorities answered that was refused, also where a later one helped.
    pub refused: Vec<Refusal>,
    /// What was gathered to judge the certificates of the new time-stamps later.
    pub gathered: GatherOutcome,
}

/// Asks the authorities for a time-stamp on every sealing without one, oldest first.
///
/// That no authority helps is an outcome, not an error: nothing is lost, the sealings wait. When all
/// is stamped, what is known of the revocation of the certificates is gathered, within a limit of
/// time.
///
/// # Errors
///
/// [`LogError`] if the log or the store failed.
pub async fn stamp_sealings(
    log: &mut LogWriter,
    line: &str,
    authorities: &Authorities,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<StampOutcome, LogError> {
    let view = read_view(log.archive()).await?;
    let waiting: Vec<_> = view.unstamped(line).into_iter().map(|it| it.body.clone()).collect();
    let mut outcome = StampOutcome { waiting: waiting.len(), ..StampOutcome::default() };
    let mut stamps = Vec::new();
    for sealing in waiting {
        let stamped = match authorities.stamp(sealing_value(&sealing), clock, entropy).await {
            Ok(stamped) => stamped,
            Err(AllRefused { refusals }) => {
                outcome.refused.extend(refusals);
                break;
            }
        };
        outcome.refused.extend(stamped.refused);
        let token_sha256 = Sha256Digest::of(stamped.token.raw());
        if let Some(received) = stamped.received {
            let key = ObjectKey::received_token(sealing.sealing, line, token_sha256);
            create_fresh(log, key, received).await?;
        }
        let key = ObjectKey::token(sealing.sealing, line, token_sha256);
        create_fresh(log, key, stamped.token.raw().to_vec()).await?;
        let body = SealingStamped {
            line: line.to_owned(),
            number: sealing.number,
            sealing: sealing.sealing,
            stamped_at: stamped.token.verified().stamped_at.to_string(),
            token_sha256,
            trial: stamped.token.verified().trial,
        };
        if commit_unless_stamped(log, &body).await? {
            outcome.stamped.push(body.clone());
            stamps.push((body, stamped.token));
        }
        outcome.waiting -= 1;
    }
    outcome.gathered = gather_validation(log, &stamps, authorities, clock).await?;
    Ok(outcome)
}

/// Commits a stamping unless another one of the same sealing and line came first.
async fn commit_unless_stamped(
    log: &mut LogWriter,
    body: &SealingStamped,
) -> Result<bool, LogError> {
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match log.commit(&[Entry::SealingStamped(body.clone())]).await? {
            CommitOutcome::Committed(_) => return Ok(true),
            // A token is not content: no sweep removes it.
            CommitOutcome::Fenced { .. } => {}
            CommitOutcome::Lost(others) => {
                let twin = |entry: &Entry| match entry {
                    Entry::SealingStamped(other) => {
                        other.number == body.number && other.line == body.line
                    }
                    _ => false,
                };
                if others.iter().flat_map(|commit| &commit.entries).any(twin) {
                    return Ok(false);
                }
            }
        }
    }
    Err(LogError::Crowded { attempts: COMMIT_ATTEMPTS_MAX })
}
