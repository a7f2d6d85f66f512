//! Whether what hash trees consist of is there as it was when they were made: leaves, and lists of objects. It
//! is read by the same rule as where an audit reads it.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt as _, stream};

use sigillo_model::{
    Finding, FindingCode, HashTree, ObjectKey, RehashedBatch, RehashedSealing, RenewalId,
    Sha256Digest, Sha512Digest,
};
use sigillo_store::Store;

use crate::{
    Archive, BatchObjectError, ChainToken, Chains,
    audit::causes_of,
    batch_objects::{read_object_list, read_rehashed_leaves},
};

/// At most this many objects are read at once: leaves of a batch have 6.4 MB at most, a list 64 MiB.
const PARTS_AHEAD_MAX: usize = 4;

/// What is known of the objects that hash trees consist of: whoever shares this reads each of them once. Of
/// those that are as they were nothing is kept but that.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeParts(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    leaves: HashMap<Sha256Digest, Option<NotWhole>>,
    /// By the renewal, the lists that are not as they were, by their number.
    lists: HashMap<RenewalId, BTreeMap<u64, NotWhole>>,
}

/// What is wrong with an object.
#[derive(Clone, Debug)]
enum NotWhole {
    /// It is not there as it was.
    Lost(String),
    /// The store does not give it now.
    NotRead(String),
}

/// An object that hash trees consist of.
#[derive(Clone, Copy)]
enum Part<'t> {
    Leaves(&'t RehashedBatch, Sha256Digest),
    List((RenewalId, u64), Sha512Digest),
}

/// What is not there as it was of what the hash trees of a sealing consist of.
#[derive(Debug, Default)]
pub(crate) struct LostParts {
    pub(crate) findings: Vec<Finding>,
    /// Whether leaves are lost: nothing leads from their documents to the time-stamps over the trees.
    pub(crate) has_leaves: bool,
    /// Whether there are leaves that the store does not give now.
    pub(crate) unread_leaves: bool,
}

impl TreeParts {
    /// Looks at what the hash trees under some time-stamps of sealings consist of, as far as that is not known.
    pub(crate) async fn read<'c>(
        &self,
        (archive, chains): (&Archive, &Chains),
        of: impl Iterator<Item = (u64, &'c [ChainToken])>,
    ) {
        let mut wanted = Vec::new();
        {
            let (mut known, mut seen) = (self.known(), HashSet::new());
            for (number, chain) in of {
                let Some((_, tree)) = trees_under(chains, chain) else { continue };
                let leaves = leaves_of(tree, number).filter(|(_, it)| seen.insert(*it));
                let unknown = leaves.filter(|(_, sha256)| !known.leaves.contains_key(sha256));
                wanted.extend(unknown.map(|(batch, sha256)| Part::Leaves(batch, sha256)));
                if let Entry::Vacant(lists) = known.lists.entry(tree.renewal) {
                    lists.insert(BTreeMap::new());
                    let lists = (1..).zip(&tree.objects);
                    wanted.extend(lists.map(|(at, it)| Part::List((tree.renewal, at), *it)));
                }
            }
        }
        let store = archive.store();
        let mut read = stream::iter(wanted)
            .map(|part| async move { (part, part.look(store).await) })
            .buffer_unordered(PARTS_AHEAD_MAX);
        while let Some((part, found)) = read.next().await {
            let mut known = self.known();
            match (part, found) {
                (Part::Leaves(_, sha256), found) => drop(known.leaves.insert(sha256, found)),
                (Part::List((renewal, at), _), Some(found)) => {
                    known.lists.entry(renewal).or_default().insert(at, found);
                }
                (Part::List(..), None) => {}
            }
        }
    }

    /// Returns what is lost of what was looked at for a sealing.
    pub(crate) fn lost_of(
        &self,
        chains: &Chains,
        (number, chain): (u64, &[ChainToken]),
    ) -> LostParts {
        let mut lost = LostParts::default();
        let Some((code, tree)) = trees_under(chains, chain) else { return lost };
        let known = self.known();
        for (_, sha256) in leaves_of(tree, number) {
            if let Some(Some(what)) = known.leaves.get(&sha256) {
                match what {
                    NotWhole::Lost(_) => lost.has_leaves = true,
                    NotWhole::NotRead(_) => lost.unread_leaves = true,
                }
                lost.findings.push(what.finding(code, ObjectKey::hash_tree_leaves(sha256)));
            }
        }
        for (number, what) in known.lists.get(&tree.renewal).into_iter().flatten() {
            let key = ObjectKey::hash_tree_objects(tree.renewal, *number);
            lost.findings.push(what.finding(code, key));
        }
        lost
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the hash trees under some time-stamps of a sealing, and what damage to them is.
fn trees_under<'c>(
    chains: &'c Chains,
    chain: &[ChainToken],
) -> Option<(FindingCode, &'c HashTree)> {
    chain.iter().find_map(|token| Some((token.damage(), &chains.trees_under(token)?.tree)))
}

/// Returns the batches of a sealing that have leaves in hash trees, and the digests of these.
fn leaves_of(tree: &HashTree, number: u64) -> impl Iterator<Item = (&RehashedBatch, Sha256Digest)> {
    let at = tree.sealings.binary_search_by_key(&number, |it| it.number);
    let sealing: Option<&RehashedSealing> = at.ok().and_then(|at| tree.sealings.get(at));
    let batches = sealing.into_iter().flat_map(|it| &it.batches);
    batches.filter_map(|batch| Some((batch, batch.leaves?)))
}

impl Part<'_> {
    /// Reads it, and says what is wrong with it.
    async fn look(self, store: &Store) -> Option<NotWhole> {
        let read = match self {
            Self::Leaves(batch, _) => read_rehashed_leaves(store, batch).await.map(drop),
            Self::List(of, sha512) => read_object_list(store, of, sha512).await.map(drop),
        };
        match read {
            Ok(()) => None,
            Err(BatchObjectError::Damaged { what }) => Some(NotWhole::Lost(what.to_owned())),
            Err(BatchObjectError::Store(error)) => {
                let what = format!("it could not be read: {}", causes_of(&error));
                Some(NotWhole::NotRead(what))
            }
        }
    }
}

impl NotWhole {
    fn finding(&self, damage: FindingCode, key: ObjectKey) -> Finding {
        match self {
            Self::Lost(what) => Finding::new(damage, key, what.as_str()),
            Self::NotRead(what) => Finding::new(FindingCode::NotRead, key, what.as_str()),
        }
    }
}
