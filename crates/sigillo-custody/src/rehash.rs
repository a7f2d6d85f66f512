//! Making hash trees of SHA-512 over documents and over everything that proves them, for renewals and for
//! first time-stamps, and comparing those that were made with what is there.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_ers::{
    EvidenceTree, SEAL_BYTES_MAX, list_value, rehashed_group, sealing_leaves, tree_root,
};
use sigillo_evidence_log::{
    Archive, BatchObjectError, ChainToken, Chains, LogView, PlannedRehash, ReadTokens,
    SealingChains, UnstampedTree, checkpoint_value, list_objects, list_sealed_objects, read_leaves,
    read_pack_list, read_rehashed_leaves,
};
use sigillo_model::{
    BatchCommitted, BatchId, BatchesSealed, Blake3Digest, Finding, FindingCode,
    HASH_TREE_SEALINGS_MAX, HashTree, ObjectKey, RehashedBatch, RehashedSealing, RenewalId,
    STATEMENT_BYTES_MAX, Sha256Digest, Sha512Digest, Statement, VersionId, parse_canonical,
};
use sigillo_store::{CpuPool, CreateOutcome};

use crate::{
    CustodyError, RehashJournal, VerifyProgress,
    batch_check::not_read,
    holder::Holders,
    locate::packs_of,
    named::read_or_lost,
    rehash_pack::{PackLeaves, PackWork, rehash_pack},
};

/// At most this many packs are worked on at once.
const PACKS_IN_FLIGHT_MAX: usize = 4;

/// The format of `tree.json`.
const FORMAT: u32 = 1;

/// Makes new hash trees.
#[derive(Debug)]
pub struct Rehasher<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// Threads that compute.
    pub cpu: &'a CpuPool,
    /// What the log says.
    pub view: &'a LogView,
    /// The time-stamps of all sealings.
    pub chains: &'a Chains,
    /// The evidence line.
    pub line: &'a str,
    /// How far it is; `bytes_read` counts content alone.
    pub progress: Arc<VerifyProgress>,
}

/// New hash trees that lack only their time-stamp.
#[derive(Debug)]
pub struct MadeTree {
    /// The tree; without sealings there is nothing to stamp.
    pub tree: HashTree,
    /// The lists that it names, which are not in the store.
    pub lists: Vec<Bytes>,
    /// How many documents are in it.
    pub documents: u64,
    /// How many of its sealings' documents are left out.
    pub left_out: u64,
    /// Bytes of content that were read for it.
    pub content_bytes: u64,
    /// What could not be read, and is left out.
    pub findings: Vec<Finding>,
}

/// What proves a sealing, read for its documents.
struct SealingWork {
    chains: Arc<SealingChains>,
    statement: Statement,
    /// What the log says of its batches.
    batches: Vec<Option<BatchCommitted>>,
    /// SHA-512 of statement and seal.
    signed: [Sha512Digest; 2],
    /// S of the chapter Sealings.
    signed_value: Sha256Digest,
    tree: EvidenceTree,
}

/// The new leaves of a batch.
#[derive(Default)]
struct BatchLeaves {
    leaves: BTreeMap<u32, Sha512Digest>,
    left_out: Vec<u32>,
    findings: Vec<Finding>,
    content_bytes: u64,
}

impl MadeTree {
    fn new(line: &str, renewal: RenewalId) -> Self {
        let tree = HashTree {
            format: FORMAT,
            hash: HashTree::HASH.to_owned(),
            line: line.to_owned(),
            objects: Vec::new(),
            renewal,
            sealings: Vec::new(),
        };
        let (lists, findings) = (Vec::new(), Vec::new());
        Self { tree, lists, documents: 0, left_out: 0, content_bytes: 0, findings }
    }

    /// Returns what is to be stamped.
    pub fn unstamped(&self) -> UnstampedTree<'_> {
        UnstampedTree { tree: &self.tree, lists: &self.lists, documents: self.documents }
    }

    /// Takes in the lists, and what could not be listed.
    fn take_lists(&mut self, (lists, findings): (Vec<Bytes>, Vec<Finding>)) {
        self.tree.objects = lists.iter().map(|list| Sha512Digest::of(list)).collect();
        self.lists = lists;
        self.findings.extend(findings);
    }
}

impl Rehasher<'_> {
    /// Makes the trees of planned sealings, at most [`HASH_TREE_SEALINGS_MAX`] of them. The leaves are in
    /// the store when it returns, under names that another attempt gives them as well; nothing names them
    /// yet.
    ///
    /// What cannot be read as it was archived is left out and told.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] if the store did not answer or could not be written.
    pub async fn make(
        &self,
        planned: &[PlannedRehash],
        renewal: RenewalId,
        journal: &mut RehashJournal,
    ) -> Result<MadeTree, CustodyError> {
        let (mut made, mut known) = (MadeTree::new(self.line, renewal), ReadTokens::new());
        for planned in planned.iter().take(HASH_TREE_SEALINGS_MAX) {
            let tokens = self.chains.of(self.line, planned.number);
            let of = (planned.number, tokens);
            let Some(work) = self.sealing(of, &mut known, &mut made.findings).await? else {
                continue;
            };
            let of = (planned.number, planned.tokens.as_slice());
            self.add_sealing(of, &work, journal, &mut made).await?;
        }
        if !made.tree.sealings.is_empty() {
            made.take_lists(list_objects(self.archive, (self.view, self.chains)).await?);
        }
        Ok(made)
    }

    /// Makes the trees that the first time-stamp of a sealing on a line of SHA-512 covers: as
    /// [`make`](Self::make), without older time-stamps.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make).
    pub async fn first(
        &self,
        sealing: &BatchesSealed,
        renewal: RenewalId,
    ) -> Result<MadeTree, CustodyError> {
        let (mut made, number) = (MadeTree::new(self.line, renewal), sealing.number);
        let mut known = ReadTokens::new();
        let work = self.sealing((number, &[]), &mut known, &mut made.findings).await?;
        let Some(work) = work else { return Ok(made) };
        self.add_sealing((number, &[]), &work, &mut RehashJournal::default(), &mut made).await?;
        if made.tree.sealings.is_empty() {
            return Ok(made);
        }
        made.take_lists(list_sealed_objects(self.archive, (self.view, sealing)).await?);
        Ok(made)
    }

    /// Adds a sealing with the leaves of its documents to a tree; one none of whose documents is there as it
    /// was archived waits, which is told.
    async fn add_sealing(
        &self,
        (number, tokens): (u64, &[Sha256Digest]),
        work: &SealingWork,
        journal: &mut RehashJournal,
        made: &mut MadeTree,
    ) -> Result<(), CustodyError> {
        let Some(value) = self.value(number, work) else { return Ok(()) };
        let by = RehashJournal::key(self.line, tokens);
        let mut batches = Vec::with_capacity(work.statement.batches.len());
        for place in 0..work.statement.batches.len() {
            batches.push(self.store_batch((work, place), (by, journal), made).await?);
        }
        if !batches.is_empty() && batches.iter().all(|batch| batch.root.is_none()) {
            made.left_out -= batches.iter().map(|batch| batch.left_out.len() as u64).sum::<u64>();
            let key = ObjectKey::statement(work.statement.sealing);
            let message = format!(
                "sealing {number} is in no hash trees, and waits: none of its documents is there as it was \
                 archived; see that the store has its packs, or bring them back from a copy of the archive"
            );
            made.findings.push(Finding::new(FindingCode::NotRead, key, message));
            return Ok(());
        }
        let tokens = tokens.to_vec();
        made.tree.sealings.push(RehashedSealing { batches, number, tokens, value });
        Ok(())
    }

    /// Compares hash trees that were made with what is there now: of every document that is in
    /// them the leaf, of every batch the root.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] only if it could not look; damage is a finding.
    pub async fn compare(&self, tree: &HashTree) -> Result<Vec<Finding>, CustodyError> {
        let (mut findings, mut known) = (Vec::new(), ReadTokens::new());
        for sealing in &tree.sealings {
            let code = damage_under(&sealing.tokens);
            let tokens = self.chains.of(self.line, sealing.number);
            let older = &tokens[..sealing.tokens.len().min(tokens.len())];
            // What is wrong with sealings and their time-stamps is told where they are audited.
            let work = self.sealing((sealing.number, older), &mut known, &mut Vec::new()).await;
            let work = match work {
                Ok(Some(work)) => work,
                Ok(None) => continue,
                Err(error) => {
                    findings.push(not_read(ObjectKey::hash_tree(tree.renewal), &error));
                    continue;
                }
            };
            let listed = work.statement.batches.iter().map(|it| it.batch);
            if !listed.eq(sealing.batches.iter().map(|it| it.batch)) {
                let key = ObjectKey::hash_tree(tree.renewal);
                let message = format!(
                    "it has other batches of sealing {} than the statement of that",
                    sealing.number
                );
                findings.push(Finding::new(code, key, message));
                continue;
            }
            for (place, batch) in sealing.batches.iter().enumerate() {
                let Some(sha256) = batch.leaves else { continue };
                let key = ObjectKey::hash_tree_leaves(sha256);
                let stored = match read_rehashed_leaves(self.archive.store(), batch).await {
                    Ok(stored) => stored,
                    Err(BatchObjectError::Store(error)) => {
                        findings.push(not_read(&key, &error.into()));
                        continue;
                    }
                    Err(error) => {
                        findings.push(Finding::new(code, &key, error.to_string()));
                        continue;
                    }
                };
                let found = match self.batch(&work, place).await {
                    Ok(found) => found,
                    Err(error) => {
                        findings.push(not_read(&key, &error));
                        continue;
                    }
                };
                findings.extend(differences((code, &key), batch, &stored, &found));
            }
        }
        Ok(findings)
    }

    /// Reads what proves a sealing; `None` if something of it is not there as it was, which is told.
    async fn sealing(
        &self,
        (number, tokens): (u64, &[ChainToken]),
        known: &mut ReadTokens,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<SealingWork>, CustodyError> {
        let Some(sealing) = self.view.sealing(number) else { return Ok(None) };
        let sealing = &sealing.body;
        let of = (self.archive, self.view, self.chains);
        let mut lacking = |key: String, what: &str| {
            let message = format!("sealing {number} is in no hash trees: {what}");
            findings.push(Finding::new(FindingCode::RenewalDamaged, key, message));
        };
        let read = SealingChains::read(of, tokens, known).await?;
        let chains = match read {
            Ok(chains) if chains.lost().is_none() => Arc::new(chains),
            read => {
                let lost = match &read {
                    Ok(chains) => chains.lost(),
                    Err(finding) => Some(finding),
                };
                if let Some(Finding { object, message, .. }) =
                    lost.filter(|finding| finding.code == FindingCode::NotRead)
                {
                    let (key, what) = (object.clone(), message.clone());
                    return Err(CustodyError::NotGiven { key, what });
                }
                let key = lost.map(|finding| finding.object.clone()).unwrap_or_default();
                lacking(key, "this time-stamp of it is lost; bring it back from a copy");
                return Ok(None);
            }
        };
        let key = ObjectKey::statement(sealing.sealing);
        let sha256 = sealing.statement_sha256;
        let Ok(bytes) = read_or_lost(self.archive, &key, STATEMENT_BYTES_MAX, sha256).await? else {
            lacking(key.to_string(), "its statement is not there as it was");
            return Ok(None);
        };
        let seal = ObjectKey::seal(sealing.sealing);
        let (bytes_max, sha256) = (SEAL_BYTES_MAX as u64, sealing.seal_sha256);
        let Ok(seal_bytes) = read_or_lost(self.archive, &seal, bytes_max, sha256).await? else {
            lacking(seal.to_string(), "its seal is not there as it was");
            return Ok(None);
        };
        let statement = parse_canonical::<Statement>(&bytes).ok();
        let statement = statement.and_then(|it| checkpoint_value(&it).map(|value| (it, value)));
        let Some((statement, checkpoint)) = statement else {
            lacking(key.to_string(), "its statement cannot be read");
            return Ok(None);
        };
        let signed = [sealing.statement_sha256, sealing.seal_sha256];
        let batches = self.view.batches_of(sealing).iter().map(|it| (it.body.batch, &it.body));
        let batches: HashMap<BatchId, &BatchCommitted> = batches.collect();
        let listed = statement.batches.iter().map(|it| batches.get(&it.batch).copied().cloned());
        Ok(Some(SealingWork {
            batches: listed.collect(),
            chains,
            signed: [Sha512Digest::of(&bytes), Sha512Digest::of(&seal_bytes)],
            signed_value: list_value(&signed).unwrap_or(sealing.statement_sha256),
            tree: EvidenceTree::new(sealing_leaves(&statement, checkpoint)),
            statement,
        }))
    }

    /// Returns what statement and seal are in the trees.
    fn value(&self, number: u64, work: &SealingWork) -> Option<Sha512Digest> {
        if work.chains.count() == 0 {
            return list_value(&work.signed);
        }
        let BatchesSealed { root, statement_sha256, seal_sha256, .. } =
            &self.view.sealing(number)?.body;
        let group = [statement_sha256, seal_sha256].map(|it| it.as_bytes().to_vec()).to_vec();
        let chain = work.chains.stamps(0, &[])?.write(vec![group, vec![root.as_bytes().to_vec()]]);
        list_value(&rehashed_group(&work.signed, &[&chain]))
    }

    /// Makes the new leaves of a batch, unless that was done, and stores them.
    async fn store_batch(
        &self,
        (work, place): (&SealingWork, usize),
        (by, journal): (Sha256Digest, &mut RehashJournal),
        made: &mut MadeTree,
    ) -> Result<RehashedBatch, CustodyError> {
        let sealed = &work.statement.batches[place];
        let documents = u64::from(sealed.documents);
        if let Some(done) = journal.done(sealed.batch, by) {
            let read = read_rehashed_leaves(self.archive.store(), done).await;
            if read.is_ok_and(|leaves| leaves.len() as u64 == documents) {
                made.documents += documents;
                self.progress.documents.fetch_add(documents, Ordering::Relaxed);
                return Ok(done.clone());
            }
        }
        let found = self.batch(work, place).await?;
        let leaves: Vec<_> = found.leaves.into_values().collect();
        made.documents += leaves.len() as u64;
        made.left_out += found.left_out.len() as u64;
        made.content_bytes += found.content_bytes;
        made.findings.extend(found.findings);
        let root = tree_root(&leaves);
        let sha256 = match root {
            Some(_) => Some(self.store_leaves(&leaves).await?),
            None => None,
        };
        let batch =
            RehashedBatch { batch: sealed.batch, leaves: sha256, left_out: found.left_out, root };
        journal.note(by, &batch);
        Ok(batch)
    }

    async fn store_leaves(&self, leaves: &[Sha512Digest]) -> Result<Sha256Digest, CustodyError> {
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        let sha256 = Sha256Digest::of(&bytes);
        let key = ObjectKey::hash_tree_leaves(sha256);
        let doing = "storing the leaves of a hash tree";
        let created = self.archive.store().create(&key, Bytes::from(bytes)).await;
        match created.map_err(|source| CustodyError::Store { doing, source })? {
            CreateOutcome::Created | CreateOutcome::AlreadyEqual => Ok(sha256),
            CreateOutcome::Taken(_) => {
                let what = "its bytes do not have the digest that is its name";
                let source = std::io::Error::new(std::io::ErrorKind::InvalidData, what);
                Err(CustodyError::Unreadable { key, source })
            }
        }
    }

    /// Computes the new leaves of a batch.
    async fn batch(&self, work: &SealingWork, place: usize) -> Result<BatchLeaves, CustodyError> {
        let mut made = BatchLeaves::default();
        let sealed = &work.statement.batches[place];
        let count = sealed.documents;
        let Some(logged) = &work.batches[place] else {
            let key = ObjectKey::leaves(sealed.batch);
            made.findings.push(Finding::new(
                FindingCode::NotRead,
                key,
                "the log has no such batch",
            ));
            made.left_out = (0..count).collect();
            return Ok(made);
        };
        let key = ObjectKey::leaves(sealed.batch);
        let leaves = read_leaves(self.archive.store(), logged).await;
        let Some(leaves) = made.object(leaves, (FindingCode::LeavesDamaged, key))? else {
            made.left_out = (0..count).collect();
            return Ok(made);
        };
        let key = ObjectKey::pack_list(sealed.batch);
        let list = read_pack_list(self.archive.store(), logged).await;
        let packs = made.object(list, (FindingCode::PackListDamaged, key))?.unwrap_or_default();
        let mut rest = (0..).zip(leaves.iter().copied());
        let documents: Vec<(Blake3Digest, Vec<(u32, VersionId)>)> = packs
            .iter()
            .map(|pack| (pack.name, rest.by_ref().take(pack.documents as usize).collect()))
            .collect();
        let digests = leaves.iter().map(|leaf| Sha256Digest::from_bytes(*leaf.as_bytes()));
        let tree = Arc::new(EvidenceTree::new(digests.collect()));
        let mut above = work.tree.path(place).unwrap_or_default();
        above.push(work.signed_value);
        let above = Arc::new(above);
        let holders = Arc::new(Holders::new(Arc::clone(self.archive.store().packs())));
        let of = |pack, documents, held| PackWork {
            holders: Arc::clone(&holders),
            pack,
            documents,
            tree: Arc::clone(&tree),
            above: Arc::clone(&above),
            chains: Arc::clone(&work.chains),
            held,
        };
        let first = documents.into_iter().map(|(pack, documents)| of(pack, documents, None));
        let (waiting, wanted) = self.packs(&mut made, first.collect()).await?;
        if !waiting.is_empty() {
            let batches = self.view.batches.iter().map(|batch| &batch.body);
            let held = packs_of(self.archive, batches, &wanted).await?;
            let held = Some(Arc::new(held.packs));
            let again =
                waiting.into_iter().map(|(pack, documents)| of(pack, documents, held.clone()));
            self.packs(&mut made, again.collect()).await?;
        }
        made.left_out = (0..count).filter(|place| !made.leaves.contains_key(place)).collect();
        Ok(made)
    }

    /// Works on packs, and returns what has to wait for which earlier versions.
    async fn packs(
        &self,
        made: &mut BatchLeaves,
        works: Vec<PackWork>,
    ) -> Result<(Vec<(Blake3Digest, Vec<(u32, VersionId)>)>, HashSet<VersionId>), CustodyError>
    {
        let done: Vec<(Blake3Digest, PackLeaves)> = stream::iter(works)
            .map(|work| async move {
                let (name, count) = (work.pack, work.documents.len() as u64);
                let done = self.cpu.run(move || rehash_pack(&work)).await;
                self.progress.documents.fetch_add(count, Ordering::Relaxed);
                let key = ObjectKey::pack(name);
                match done.map_err(|_| CustodyError::Panicked)? {
                    Ok(done) => Ok((name, done)),
                    Err(source) => Err(CustodyError::Pack { key, source }),
                }
            })
            .buffer_unordered(PACKS_IN_FLIGHT_MAX)
            .try_collect()
            .await?;
        let (mut waiting, mut wanted) = (Vec::new(), HashSet::new());
        for (pack, done) in done {
            made.leaves.extend(done.leaves);
            made.findings.extend(done.findings);
            made.content_bytes += done.content_bytes;
            self.progress.bytes_read.fetch_add(done.content_bytes, Ordering::Relaxed);
            if !done.waiting.is_empty() {
                waiting.push((pack, done.waiting));
            }
            wanted.extend(done.wanted);
        }
        Ok((waiting, wanted))
    }
}

impl BatchLeaves {
    /// Tells of an object that is damaged, for which the documents of the batch are left out.
    fn object<T>(
        &mut self,
        read: Result<T, BatchObjectError>,
        (code, key): (FindingCode, ObjectKey),
    ) -> Result<Option<T>, CustodyError> {
        match read {
            Ok(object) => Ok(Some(object)),
            Err(BatchObjectError::Store(error)) => Err(error.into()),
            Err(error) => {
                let message =
                    format!("the documents of the batch are left out of the hash trees: {error}");
                self.findings.push(Finding::new(code, key, message));
                Ok(None)
            }
        }
    }
}

/// Returns what damage under hash trees is: of a renewal, or of first time-stamps, which have none before
/// them.
fn damage_under(older: &[Sha256Digest]) -> FindingCode {
    if older.is_empty() { FindingCode::TokenDamaged } else { FindingCode::RenewalDamaged }
}

/// Compares the leaves of a batch that were stored with those that its documents give now. What
/// cannot be read now is told where it lies.
fn differences(
    (code, key): (FindingCode, &ObjectKey),
    batch: &RehashedBatch,
    stored: &[Sha512Digest],
    found: &BatchLeaves,
) -> Vec<Finding> {
    let (mut findings, mut stored) = (Vec::new(), stored.iter());
    let (left_out, mut place) = (&batch.left_out, 0_u32);
    let mut other = 0_u64;
    loop {
        if left_out.binary_search(&place).is_err() {
            let Some(leaf) = stored.next() else { break };
            other += u64::from(found.leaves.get(&place).is_some_and(|found| found != leaf));
        }
        place += 1;
    }
    if other > 0 {
        let message = format!(
            "{other} documents of batch {} do not give the leaves that they have there",
            batch.batch
        );
        findings.push(Finding::new(code, key, message));
    }
    let documents = found.leaves.len() + found.left_out.len();
    if place as usize != documents && !found.leaves.is_empty() {
        let message = format!("it has leaves for {place} places, and the batch {documents}");
        findings.push(Finding::new(code, key, message));
    }
    findings
}
