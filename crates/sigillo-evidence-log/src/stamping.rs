//! Stamping: a time-stamp for every sealing that has none yet.

use jiff::Timestamp;

use sigillo_authorities::{AllRefused, Authorities, Refusal};
use sigillo_ers::{TimeStampToken, TrustAnchors, sealing_value, tree_root};
use sigillo_model::{
    BatchesSealed, Clock, Entropy, Entry, EvidenceDigest, ObjectKey, SealingStamped, Sha256Digest,
    Sha512Digest, StampedTree, is_sha512_line,
};

use crate::{
    CommitOutcome, GatherOutcome, LogError, LogView, LogWriter, ToldRevocations, UnstampedTree,
    gather_validation, is_trial_line, read_view, sealing::create_fresh,
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

/// Asks the authorities for a time-stamp on every sealing without one, oldest first. A line of SHA-512
/// needs more for that: see [`Stamping`].
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
    let with = StampWith { line, authorities, clock, entropy };
    let mut stamping = Stamping::begin(log, with).await?;
    for sealing in stamping.waiting() {
        if !stamping.stamp(log, &sealing, None).await? {
            break;
        }
    }
    stamping.finish(log).await
}

/// What stamping needs besides the log.
#[derive(Clone, Copy, Debug)]
pub struct StampWith<'a> {
    /// The evidence line.
    pub line: &'a str,
    /// Who gives the time-stamps.
    pub authorities: &'a Authorities,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where nonces come from.
    pub entropy: &'a dyn Entropy,
}

/// Stamping the sealings without a time-stamp on a line one by one, for who makes hash trees of them.
#[derive(Debug)]
pub struct Stamping<'a> {
    with: StampWith<'a>,
    view: LogView,
    outcome: StampOutcome,
    stamps: Vec<(SealingStamped, TimeStampToken)>,
    /// What is known to be revoked, once somebody is to be asked.
    told: Option<ToldRevocations>,
}

impl<'a> Stamping<'a> {
    /// Reads which sealings wait.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log or the store failed.
    pub async fn begin(log: &LogWriter, with: StampWith<'a>) -> Result<Self, LogError> {
        let view = read_view(log.archive()).await?;
        let waiting = view.unstamped(with.line).len();
        let outcome = StampOutcome { waiting, ..StampOutcome::default() };
        Ok(Self { with, view, outcome, stamps: Vec::new(), told: None })
    }

    /// Returns the sealings that waited when it began, oldest first.
    pub fn waiting(&self) -> Vec<BatchesSealed> {
        self.view.unstamped(self.with.line).into_iter().map(|it| it.body.clone()).collect()
    }

    /// Returns what the log said when it began.
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// Asks for a time-stamp on a sealing, and commits it: on a line of SHA-512 over `made`, which is
    /// stored then, on another over what follows from the sealing. Says whether an authority
    /// helped. One whose certificate the archive knows to be revoked helps nobody.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log or the store failed.
    pub async fn stamp(
        &mut self,
        log: &mut LogWriter,
        sealing: &BatchesSealed,
        made: Option<UnstampedTree<'_>>,
    ) -> Result<bool, LogError> {
        let StampWith { line, authorities, clock, entropy } = self.with;
        let root = made.and_then(|made| tree_root(&made.tree.tree_leaves()));
        // What the name of the line promises, its tokens hold.
        if root.is_some() != is_sha512_line(line) {
            return Ok(false);
        }
        let own = || EvidenceDigest::from(sealing_value(sealing));
        let covered = root.map_or_else(own, Into::into);
        let told = self.known_revoked(log).await;
        let anchors = authorities.anchors();
        let fits = |token: &TimeStampToken| not_revoked(&told, token, (anchors, clock.now()));
        let stamped = authorities.stamp_fitting(covered, (clock, entropy), &fits).await;
        self.told = Some(told);
        let outcome = &mut self.outcome;
        let stamped = match stamped {
            Ok(stamped) => stamped,
            Err(AllRefused { refusals }) => {
                outcome.refused.extend(refusals);
                return Ok(false);
            }
        };
        outcome.refused.extend(stamped.refused);
        let token_sha256 = Sha256Digest::of(stamped.token.raw());
        let stated = match (made, root) {
            (Some(made), Some(root)) => {
                let tree_sha256 = made.store(log).await?;
                let token_sha512 = Sha512Digest::of(stamped.token.raw());
                let (documents, renewal) = (made.documents, made.tree.renewal);
                Some(StampedTree { documents, renewal, root, token_sha512, tree_sha256 })
            }
            _ => None,
        };
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
            tree: stated,
            trial: stamped.token.verified().trial,
        };
        if commit_unless_stamped(log, &body).await? {
            outcome.stamped.push(body.clone());
            self.stamps.push((body, stamped.token));
        }
        outcome.waiting -= 1;
        Ok(true)
    }

    /// Reads what is known to be revoked, once for all sealings: some of it, for every sealing waits for that.
    /// What the store does not give tells nothing.
    async fn known_revoked(&mut self, log: &LogWriter) -> ToldRevocations {
        if let Some(told) = self.told.take() {
            return told;
        }
        if is_trial_line(self.with.line) {
            return ToldRevocations::default();
        }
        let of = (log.archive(), &self.view);
        ToldRevocations::read_some(of, self.with.authorities.anchors()).await.unwrap_or_default()
    }

    /// Gathers what is known of the revocation of the certificates, and says what became of all.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log or the store failed.
    pub async fn finish(self, log: &LogWriter) -> Result<StampOutcome, LogError> {
        let Self { with, stamps, mut outcome, .. } = self;
        outcome.gathered = gather_validation(log, &stamps, with.authorities, with.clock).await?;
        Ok(outcome)
    }
}

/// Says why a token that was made now is not taken as the first: a certificate behind it is revoked.
fn not_revoked(
    told: &ToldRevocations,
    token: &TimeStampToken,
    (anchors, now): (&TrustAnchors, Timestamp),
) -> Result<(), String> {
    let Some(why) = told.said_of(token.raw(), (anchors, now)) else { return Ok(()) };
    let help = if told.has_hold_of((token.raw(), anchors)) {
        "that a hold has ended is learnt by `sigillo renew --gather --yes`; until then another authority is \
         needed"
    } else {
        "another authority, or a new certificate for this one, is needed"
    };
    Err(format!("{why}: what it stamps proves nothing; {help}"))
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
