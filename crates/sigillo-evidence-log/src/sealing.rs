//! Sealing: one statement and one seal over all batches since the last sealing.

use bytes::Bytes;

use sigillo_authorities::SealKey;
use sigillo_ers::{prepare_seal, sealing_leaves, tree_root};
use sigillo_model::{
    BatchesSealed, Entropy, Entry, ObjectKey, SealedBatch, SealingId, Sha256Digest, Statement,
    to_canonical,
};
use sigillo_store::CreateOutcome;

use crate::{
    Commit, CommitOutcome, Committed, LogError, LogWriter, writer::checkpoint_text_digest,
};

/// At most this often a sealing is begun anew because others committed.
const SEALING_ATTEMPTS_MAX: u32 = 100;

/// The format of statements.
pub(crate) const FORMAT: u32 = 1;

/// The shape of the evidence.
pub(crate) const PROFILE: &str = "plain";

/// The preservation policy that statements name until a policy is adopted.
pub(crate) const POLICY: &str = "none";

/// What sealing needs besides the log.
#[derive(Debug)]
pub struct Sealer<'a> {
    /// The key that seals, with its certificate.
    pub key: &'a SealKey,
    /// Where the sealing's name comes from.
    pub entropy: &'a dyn Entropy,
}

/// What became of an attempt to seal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SealOutcome {
    /// There is nothing new to seal.
    NothingNew,
    /// The batches are sealed.
    Sealed(Box<Sealed>),
}

/// A sealing that is in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// What the log says of it.
    pub body: BatchesSealed,
    /// How many batches it covers.
    pub batches: usize,
    /// How many documents they hold.
    pub documents: u64,
    /// Its place in the log.
    pub committed: Committed,
}

impl Sealer<'_> {
    /// Seals everything that is committed and not sealed yet.
    ///
    /// # Errors
    ///
    /// [`LogError`]; nothing is sealed then, and the same call may be repeated.
    pub async fn seal(&self, log: &mut LogWriter) -> Result<SealOutcome, LogError> {
        log.catch_up().await?;
        for _ in 0..SEALING_ATTEMPTS_MAX {
            // What others committed so far is taken account of below.
            log.take_unseen();
            let (number, after) = newest_sealing(log).await?;
            let through = log.head();
            let commits = read_commits(log, after, through).await?;
            if !commits.iter().any(is_worth_sealing) {
                return Ok(SealOutcome::NothingNew);
            }
            let statement = self.statement(log, number + 1, after, &commits).await?;
            // Signing may have met others' commits, which the statement does not list.
            if statement.through != through {
                continue;
            }
            let (entry, batches) = self.store(log, &statement).await?;
            if let Some(committed) = commit_unless_resealed(log, &entry).await? {
                let documents = statement.batches.iter().map(|b| u64::from(b.documents)).sum();
                return Ok(SealOutcome::Sealed(Box::new(Sealed {
                    body: entry,
                    batches,
                    documents,
                    committed,
                })));
            }
        }
        Err(LogError::Crowded { attempts: SEALING_ATTEMPTS_MAX })
    }

    async fn statement(
        &self,
        log: &mut LogWriter,
        number: u64,
        after: u64,
        commits: &[Commit],
    ) -> Result<Statement, LogError> {
        let batches = commits.iter().flat_map(sealed_batches).collect();
        Ok(Statement {
            after,
            at: log.now(),
            batches,
            checkpoint: log.signed_checkpoint().await?,
            format: FORMAT,
            number,
            policy: POLICY.to_owned(),
            profile: PROFILE.to_owned(),
            sealing: SealingId::random(self.entropy),
            through: log.head(),
        })
    }

    /// Stores statement and seal, and returns the entry that names them.
    async fn store(
        &self,
        log: &LogWriter,
        statement: &Statement,
    ) -> Result<(BatchesSealed, usize), LogError> {
        let bytes = to_canonical(statement);
        let statement_sha256 = Sha256Digest::of(&bytes);
        let seal = self.seal_over(statement_sha256, statement)?;
        let seal_sha256 = Sha256Digest::of(&seal);
        create_fresh(log, ObjectKey::statement(statement.sealing), bytes).await?;
        create_fresh(log, ObjectKey::seal(statement.sealing), seal).await?;
        let root = sealing_root(statement)
            .ok_or(LogError::Seal { reason: "its checkpoint is no note".to_owned() })?;
        let entry = BatchesSealed {
            after: statement.after,
            number: statement.number,
            root,
            seal_sha256,
            sealing: statement.sealing,
            statement_sha256,
            through: statement.through,
        };
        Ok((entry, statement.batches.len()))
    }

    fn seal_over(
        &self,
        statement_sha256: Sha256Digest,
        statement: &Statement,
    ) -> Result<Vec<u8>, LogError> {
        let (certificate, chain) = (&self.key.certificate_der, &self.key.chain);
        let at = statement.at.timestamp();
        let prepared = prepare_seal(statement_sha256, certificate, chain, at)
            .map_err(|error| LogError::seal(&error))?;
        let signature = self.key.signer.sign(prepared.to_sign());
        Ok(prepared.finish(&signature.map_err(|source| LogError::Signer { source })?))
    }
}

/// Returns what a statement's checkpoint adds to the tree: SHA-256 of its text, unsigned.
pub fn checkpoint_value(statement: &Statement) -> Option<Sha256Digest> {
    checkpoint_text_digest(&statement.checkpoint)
}

/// Returns the root over the batches' roots, in log order, and the checkpoint.
pub(crate) fn sealing_root(statement: &Statement) -> Option<Sha256Digest> {
    tree_root(&sealing_leaves(statement, checkpoint_value(statement)?))
}

/// Returns the batches of a commit as a statement lists them.
pub(crate) fn sealed_batches(commit: &Commit) -> Vec<SealedBatch> {
    let batches = commit.entries.iter().filter_map(|entry| match entry {
        Entry::BatchCommitted(batch) => Some(SealedBatch {
            batch: batch.batch,
            commit: commit.header.commit,
            documents: batch.documents,
            order_root: batch.order_root,
            root: batch.root,
        }),
        _ => None,
    });
    batches.collect()
}

/// Headers, sealings, stampings, renewals and anchors alone are no reason to seal again.
fn is_worth_sealing(commit: &Commit) -> bool {
    commit.entries.iter().any(|entry| {
        !matches!(
            entry,
            Entry::CommitOpened(_)
                | Entry::BatchesSealed(_)
                | Entry::SealingStamped(_)
                | Entry::EvidenceRenewed(_)
                | Entry::CheckpointAnchored(_)
        )
    })
}

/// Finds number and last commit of the newest sealing: the first commit whose header states the
/// present `sealed` is preceded by the one that records it.
async fn newest_sealing(log: &LogWriter) -> Result<(u64, u64), LogError> {
    let sealed = log.sealed();
    if sealed == 0 {
        return Ok((0, 0));
    }
    let (mut low, mut high) = (1, log.head());
    while low < high {
        let middle = low + (high - low) / 2;
        let commit = log.archive().existing_commit(middle).await?;
        if commit.sealed_after() < sealed { low = middle + 1 } else { high = middle }
    }
    let commit = log.archive().existing_commit(low).await?;
    let newest = commit.entries.iter().rev().find_map(|entry| match entry {
        Entry::BatchesSealed(body) => Some((body.number, body.through)),
        _ => None,
    });
    newest.ok_or(LogError::CommitMissing { number: low })
}

async fn read_commits(log: &LogWriter, after: u64, through: u64) -> Result<Vec<Commit>, LogError> {
    let mut commits = Vec::new();
    for number in after + 1..=through {
        commits.push(log.archive().existing_commit(number).await?);
    }
    Ok(commits)
}

/// Commits a sealing unless another one came first, or the epoch was raised.
async fn commit_unless_resealed(
    log: &mut LogWriter,
    entry: &BatchesSealed,
) -> Result<Option<Committed>, LogError> {
    for _ in 0..SEALING_ATTEMPTS_MAX {
        match log.commit(&[Entry::BatchesSealed(entry.clone())]).await? {
            CommitOutcome::Committed(committed) => return Ok(Some(committed)),
            CommitOutcome::Fenced { .. } => return Ok(None),
            CommitOutcome::Lost(others) => {
                let sealed = others.iter().flat_map(|commit| &commit.entries);
                if sealed.into_iter().any(|entry| matches!(entry, Entry::BatchesSealed(_))) {
                    return Ok(None);
                }
            }
        }
    }
    Err(LogError::Crowded { attempts: SEALING_ATTEMPTS_MAX })
}

/// Creates an object under a name drawn afresh.
pub(crate) async fn create_fresh(
    log: &LogWriter,
    key: ObjectKey,
    bytes: impl Into<Bytes>,
) -> Result<(), LogError> {
    let created = log.archive().store().create(&key, bytes.into()).await;
    match created.map_err(LogError::store("storing evidence"))? {
        CreateOutcome::Created | CreateOutcome::AlreadyEqual => Ok(()),
        CreateOutcome::Taken(_) => Err(LogError::NameTaken { key }),
    }
}
