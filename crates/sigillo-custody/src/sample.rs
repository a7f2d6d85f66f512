//! Verifying a sample that a seed draws: the same documents for everybody who has the seed.

use std::collections::BTreeMap;

use sigillo_authorities::SignedHead;
use sigillo_ers::{Trust, TrustAnchors};
use sigillo_evidence_log::{
    Archive, BatchObjectError, Commit, LogView, LoggedBatch, Uncontained, read_commits,
    read_leaves, read_pack_list, uncontained,
};
use sigillo_merkle::{Checkpoint, MemoryTree, VerifierKey, root_at};
use sigillo_model::{Finding, FindingCode, LogTime, ObjectKey, Sha256Digest, VersionId};
use sigillo_proof::{
    CheckpointSeed, SeedError, TokenSeed, checkpoint_seed, draw_sample, token_seed,
};

use crate::{CustodyError, Located, Verifier, VerifyReport, batch_check::not_read};

/// What a sample was drawn with.
#[derive(Clone, Debug)]
pub enum SampleSeed {
    /// A checkpoint of the archive's log, perhaps cosigned.
    Checkpoint(CheckpointSeed),
    /// A time-stamp token, and its digest.
    Token(Box<TokenSeed>, Sha256Digest),
}

impl SampleSeed {
    /// Makes a seed of a checkpoint of `log` that bears the cosignature of every one of `witnesses`.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if it is none.
    pub fn of_checkpoint(
        note: &[u8],
        log: &VerifierKey,
        witnesses: &[VerifierKey],
    ) -> Result<Self, SeedError> {
        checkpoint_seed(note, log, witnesses).map(Self::Checkpoint)
    }

    /// Makes a seed of a time-stamp token.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if it is none.
    pub fn of_token(raw: &[u8], anchors: &TrustAnchors) -> Result<Self, SeedError> {
        let seed = token_seed(raw, anchors)?;
        Ok(Self::Token(Box::new(seed), Sha256Digest::of(raw)))
    }

    /// Returns the seed itself.
    pub fn seed(&self) -> Sha256Digest {
        match self {
            Self::Checkpoint(it) => it.seed,
            Self::Token(it, _) => it.seed,
        }
    }
}

/// What was drawn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SampleReport {
    /// The seed.
    pub seed: Sha256Digest,
    /// Documents that could be drawn: those that the seed came after.
    pub population: u64,
    /// Documents that came after the seed.
    pub later: u64,
    /// The documents drawn: their places in log order, from 0, with their ids as far as the leaves
    /// of their batch could be read.
    pub drawn: Vec<(u64, Option<VersionId>)>,
    /// Documents drawn that were read to the last byte and are as they were.
    pub good: u64,
}

impl Verifier {
    /// Verifies the log, and `count` documents that the seed draws, to their last byte.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] only if it could not look; damage is a finding.
    pub async fn verify_sample(
        &self,
        seed: &SampleSeed,
        count: u64,
    ) -> Result<(VerifyReport, SampleReport), CustodyError> {
        let log = SampledLog::read(&self.archive).await?;
        let (batches, mut findings) = log.population(seed);
        let population = sum_of(&batches);
        let later = log.view.documents() - population;
        if later > 0 {
            let message = format!(
                "{later} documents came after the seed: they could not be drawn; take a later seed \
                 for a sample of all"
            );
            findings.push(Finding::new(FindingCode::SampleSeedOlder, "sample", message));
        }
        let places = draw_sample(seed.seed(), population, count);
        let (drawn, located) = self.locate_places(&batches, &places, &mut findings).await?;
        let mut report = self.verify_documents(&located).await?;
        report.findings.append(&mut findings);
        report.conclude();
        let good = report.documents_read;
        Ok((report, SampleReport { seed: seed.seed(), population, later, drawn, good }))
    }

    /// Finds the documents in these places, batch by batch.
    async fn locate_places(
        &self,
        batches: &[&LoggedBatch],
        places: &[u64],
        findings: &mut Vec<Finding>,
    ) -> Result<(Vec<(u64, Option<VersionId>)>, Vec<Located>), CustodyError> {
        let (mut drawn, mut located) = (Vec::with_capacity(places.len()), Vec::new());
        let (mut places, mut first) = (places, 0);
        for batch in batches {
            let end = first + u64::from(batch.body.documents);
            let (here, rest) = places.split_at(places.partition_point(|place| *place < end));
            if !here.is_empty() {
                let found = self.locate_in(batch, here, first, findings).await;
                for place in here {
                    drawn.push((*place, found.get(place).map(|it| it.version)));
                }
                located.extend(found.into_values());
            }
            (places, first) = (rest, end);
        }
        Ok((drawn, located))
    }

    /// Finds documents of one batch, of which `first` come before; what cannot be found is a finding.
    async fn locate_in(
        &self,
        batch: &LoggedBatch,
        places: &[u64],
        first: u64,
        findings: &mut Vec<Finding>,
    ) -> BTreeMap<u64, Located> {
        let (store, body) = (self.archive.store(), &batch.body);
        let leaves = read_leaves(store, body).await;
        let key = ObjectKey::leaves(body.batch);
        let leaves = taken(leaves, FindingCode::LeavesDamaged, key, findings);
        let packs = read_pack_list(store, body).await;
        let key = ObjectKey::pack_list(body.batch);
        let packs = taken(packs, FindingCode::PackListDamaged, key, findings);
        let (Some(leaves), Some(packs)) = (leaves, packs) else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        for place in places {
            let leaf_index = place - first;
            let version = usize::try_from(leaf_index).ok().and_then(|at| leaves.get(at));
            let mut before = 0;
            let pack = packs.iter().find(|pack| {
                before += u64::from(pack.documents);
                leaf_index < before
            });
            let (Some(version), Some(pack)) = (version, pack) else { continue };
            let (version, pack) = (*version, pack.clone());
            let (commit, batch) = (batch.commit, body.clone());
            found.insert(*place, Located { version, commit, batch, leaf_index, pack });
        }
        found
    }
}

fn taken<T>(
    read: Result<T, BatchObjectError>,
    code: FindingCode,
    key: ObjectKey,
    findings: &mut Vec<Finding>,
) -> Option<T> {
    let finding = match read {
        Ok(object) => return Some(object),
        Err(BatchObjectError::Store(error)) => not_read(key, &CustodyError::Log(error)),
        Err(error) => Finding::new(code, key, error.to_string()),
    };
    findings.push(finding);
    None
}

/// The log that a sample is drawn from.
struct SampledLog {
    view: LogView,
    /// The trees of its logs, oldest first.
    trees: Vec<MemoryTree>,
    /// Their origins.
    origins: Vec<String>,
}

impl SampledLog {
    async fn read(archive: &Archive) -> Result<Self, CustodyError> {
        let (mut view, mut trees) = (LogView::default(), vec![MemoryTree::new()]);
        let mut take = |commit: &Commit| {
            if commit.succession().is_some() {
                trees.push(MemoryTree::new());
            }
            if let Some(tree) = trees.last_mut() {
                tree.extend(commit.leaves());
            }
            view.take(commit);
        };
        read_commits(archive, (0, 0), &mut take).await?;
        let origins = (1..).take(trees.len()).map(|it| archive.description().origin_of(it));
        Ok(Self { view, origins: origins.collect(), trees })
    }

    /// Returns the generation that a checkpoint is of, and the tree of that log.
    fn log_of(&self, checkpoint: &Checkpoint) -> Option<(u64, &MemoryTree)> {
        let mut logs = (1..).zip(self.origins.iter().zip(&self.trees));
        logs.find_map(|(it, (origin, tree))| (*origin == checkpoint.origin).then_some((it, tree)))
    }

    /// Returns the generation of the log that a checkpoint is of: it contains it, or the act of its end says
    /// that what the checkpoint covers more is lost. Says what a checkpoint proves that is of none.
    fn generation_of(&self, kept: &Checkpoint) -> Result<u64, Box<Finding>> {
        let log = self.log_of(kept);
        let later = self.view.successions.iter().map(|it| &it.body.succession);
        let later = || later.clone().filter(|it| log.is_some_and(|log| log.0 < it.generation));
        let theirs = later().any(|it| it.reason.others_may_sign());
        let root = Sha256Digest::from_bytes(*kept.root.as_bytes());
        let head = SignedHead { size: kept.size, root };
        let contains = |tree: &MemoryTree| root_at(kept.size, tree) == Ok(kept.root);
        let says = later().next().map_or(Uncontained::Damage, |it| uncontained(it, theirs, head));
        match log {
            Some((generation, tree)) if says == Uncontained::Lost || contains(tree) => {
                return Ok(generation);
            }
            _ => {}
        }
        let finding = if says == Uncontained::Theirs {
            let message = format!(
                "the seed is a checkpoint of {} entries of a log that ended because others may sign with \
                 its keys, and that log does not contain it: it may be anybody's, and nothing was drawn",
                kept.size
            );
            Finding::new(FindingCode::OriginUnknown, "sample", message)
        } else {
            let message = format!(
                "the log does not contain the checkpoint of {} entries that is the seed: \
                 keep it, it proves that the log was shortened or rewritten",
                kept.size
            );
            Finding::new(FindingCode::LogRolledBack, "log", message)
        };
        Err(Box::new(finding))
    }

    /// Returns the batches that the seed came after, and says who could have steered it.
    fn population(&self, seed: &SampleSeed) -> (Vec<&LoggedBatch>, Vec<Finding>) {
        let mut findings = Vec::new();
        let (batches, message) = match seed {
            SampleSeed::Checkpoint(seed) => {
                let kept = &seed.checkpoint;
                let generation = match self.generation_of(kept) {
                    Ok(generation) => generation,
                    Err(finding) => return (Vec::new(), vec![*finding]),
                };
                let is_before = |it: &&LoggedBatch| {
                    it.generation < generation
                        || it.generation == generation && it.entry_index < kept.size
                };
                (self.view.batches.iter().filter(is_before).collect(), checkpoint_words(seed))
            }
            SampleSeed::Token(seed, sha256) => {
                let stamps = self.view.stamps.iter();
                // Of several for one sealing and line the first counts: a later one may be chosen.
                let logged = stamps.filter(|it| it.body.token_sha256 == *sha256).find(|it| {
                    let first = self.view.stamp_of(it.body.number, &it.body.line);
                    first.is_some_and(|first| first.body.token_sha256 == *sha256)
                });
                let sealing = logged.and_then(|stamp| {
                    self.view.sealings.iter().find(|it| it.body.number == stamp.body.number)
                });
                let through = sealing.map(|it| it.body.through);
                let stamped_at = LogTime::new(seed.token.verified.stamped_at);
                let batches = self.view.batches.iter().filter(|it| match through {
                    Some(through) => it.commit <= through,
                    None => it.at <= stamped_at,
                });
                if seed.token.verified.trust == Trust::Unknown {
                    let message = "the authority of the token that is the seed leads to no anchor \
                                   of the trust store: the archive may have made it itself";
                    findings.push(Finding::new(FindingCode::AuthorityUnknown, "sample", message));
                }
                let number = sealing.map(|it| it.body.number);
                (batches.collect(), token_words(seed, number))
            }
        };
        findings.push(Finding::new(FindingCode::SampleSteerable, "sample", message));
        (batches, findings)
    }
}

/// Says who could have steered a sample that a checkpoint draws.
fn checkpoint_words(seed: &CheckpointSeed) -> String {
    if seed.witnesses.is_empty() {
        return "the seed is a checkpoint that the archive alone signed: it can make one after the \
                other, at no cost and unseen, and keep one whose sample suits it, unless somebody \
                else chose which; a checkpoint that witnesses cosigned, named with --witness, or a \
                time-stamp token, cannot be tried over so cheaply"
            .to_owned();
    }
    let names: Vec<_> = seed.witnesses.iter().map(|(name, _)| name.as_str()).collect();
    format!(
        "the cosignatures of {} are in the seed: the archive could try another one only by asking \
         them again, and they would know; only with all of them in league could it choose freely",
        names.join(", ")
    )
}

/// Says who could have steered a sample that a token draws; `sealing` is the one it is logged for.
fn token_words(seed: &TokenSeed, sealing: Option<u64>) -> String {
    let token = &seed.token.verified;
    let mut words = if token.trial {
        "the seed is a token of a trial authority, whose key is the archive's own: it can make one \
         after the other and keep one whose sample suits it"
            .to_owned()
    } else {
        format!(
            "the seed is a token of {}: the archive could try another one only by asking that \
             authority again",
            token.authority
        )
    };
    match sealing {
        Some(number) => words.push_str(&format!(
            "; it is the one that the log names for sealing {number}, so it cannot be exchanged \
             any more"
        )),
        None => words.push_str(&format!(
            "; the log does not name it as the first of a sealing, so that nothing but the archive's own clock says which \
             documents were there at {}, and one added since with an earlier time changes the sample",
            token.stamped_at
        )),
    }
    words
}

fn sum_of(batches: &[&LoggedBatch]) -> u64 {
    batches.iter().map(|it| u64::from(it.body.documents)).sum()
}

#[cfg(test)]
mod tests {
    use sigillo_evidence_log::LoggedSuccession;
    use sigillo_merkle::{TreeHash, leaf_hash};
    use sigillo_model::{LogSucceeded, Succession, SuccessionReason};

    use super::*;

    /// A log of five entries, which ended for a reason; the act says that two more are lost.
    fn ended(reason: SuccessionReason) -> SampledLog {
        let leaves = |count: usize| (0..count).map(|it| leaf_hash(&it.to_be_bytes()));
        let (tree, origin): (MemoryTree, _) = (leaves(5).collect(), "prova".to_owned());
        let root = |tree: &MemoryTree| root_at(tree.size(), tree).unwrap();
        let lost = Checkpoint { origin: origin.clone(), size: 7, root: root(&leaves(7).collect()) };
        let digest = Sha256Digest::of(b"");
        let succession = Succession {
            checkpoint: Some(lost.to_text()),
            commit: String::new(),
            generation: 2,
            last: 1,
            last_sha256: digest,
            log: String::new(),
            reason,
            root: Sha256Digest::from_bytes(*root(&tree).as_bytes()),
            seal: None,
            size: 5,
        };
        let body = LogSucceeded {
            act_sha256: digest,
            signature: None,
            signature_sha256: digest,
            succession,
        };
        let at = "2026-11-30T08:00:00Z".parse().map(LogTime::new).unwrap();
        let successions = vec![LoggedSuccession { body, commit: 2, at }];
        let view = LogView { successions, ..LogView::default() };
        let origins = vec![origin.clone(), origin + "/g2"];
        SampledLog { view, trees: vec![tree, MemoryTree::new()], origins }
    }

    fn drawn(log: &SampledLog, size: u64, root: TreeHash) -> Vec<&'static str> {
        let checkpoint = Checkpoint { origin: "prova".to_owned(), size, root };
        let seed = Sha256Digest::of(b"seed");
        let seed = CheckpointSeed { seed, checkpoint, witnesses: Vec::new() };
        let (_, findings) = log.population(&SampleSeed::Checkpoint(seed));
        findings.iter().map(|it| it.code.code()).collect()
    }

    #[test]
    fn what_an_act_says_of_a_log_that_ended_is_no_damage_in_a_sample() {
        let other = leaf_hash(b"other");
        for (reason, code) in [
            (SuccessionReason::TailLost, "F304"),
            (SuccessionReason::KeysExposed, "F601"),
            (SuccessionReason::LogForked, "F601"),
        ] {
            let log = ended(reason);
            let root = root_at(3, &log.trees[0]).unwrap();
            assert_eq!(drawn(&log, 3, root), ["F831"], "it is contained");
            // Where others may sign, nobody vouches for what the act says to be lost either.
            let lost = if code == "F304" { "F831" } else { code };
            assert_eq!(drawn(&log, 6, other), [lost], "it is said to be lost, {reason:?}");
            for size in [3, 5, 8] {
                assert_eq!(drawn(&log, size, other), [code], "{size} {reason:?}");
            }
        }
        // Others may have the keys of a later log, and so those beside them.
        let mut log = ended(SuccessionReason::CertificatesEnded);
        let mut later = log.view.successions[0].clone();
        later.body.succession.generation = 3;
        later.body.succession.reason = SuccessionReason::KeysExposed;
        log.view.successions.push(later);
        assert_eq!(drawn(&log, 3, other), ["F601"]);
    }
}
