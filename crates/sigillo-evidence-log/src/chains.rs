//! The time-stamps that prove each sealing: the first one of a line, and those that renewed it.

use std::collections::{BTreeMap, HashMap, HashSet};

use sigillo_ers::{
    EvidenceTree, HashFunction, TreeDigest, evidence_value, renewal_leaf, sealing_value,
};
use sigillo_model::{
    BatchId, EvidenceDigest, FindingCode, HashTree, ObjectKey, RenewalMember, SealingStamped,
    Sha256Digest, Sha512Digest, ValidationOf,
};

use crate::{
    Archive, LogError, LogView,
    batch_objects::{BatchObjectError, read_first_tree, read_hash_tree, read_members},
    lost::{Unread, told_by_later, told_by_tree},
};

/// One time-stamp among those of a sealing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChainToken {
    /// SHA-256 of the token as received.
    pub sha256: Sha256Digest,
    /// SHA-512 of it, if it stands in a chain of that.
    pub sha512: Option<Sha512Digest>,
    /// Where it comes from.
    pub from: TokenFrom,
}

/// Where a time-stamp of a sealing comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFrom {
    /// It is the first of the sealing on the line.
    Stamped {
        /// Its place among the stamps of the view.
        stamp: usize,
        /// Whether it is known how it leads to the sealing: on a line of SHA-512 its tree says so.
        is_placed: bool,
    },
    /// It renewed those before it in its chain.
    Renewed {
        /// Its place among the renewals of the view.
        renewal: usize,
        /// The place of the sealing among the members of the renewal.
        member: usize,
    },
    /// It is over new hash trees, and begins a chain.
    Rehashed {
        /// Its place among the hash-tree renewals of the view.
        rehash: usize,
        /// The place of the sealing's own value among the leaves of the tree.
        leaf: usize,
    },
}

/// What a renewal covers.
#[derive(Debug)]
struct RenewalTree {
    levels: RenewalLevels,
    /// The revocation evidence of the members that have some, by their place.
    validation: HashMap<usize, Vec<EvidenceDigest>>,
}

/// The tree of a renewal, of the hash function of the chains that it renews.
#[derive(Debug)]
enum RenewalLevels {
    Sha256(EvidenceTree<Sha256Digest>),
    Sha512(EvidenceTree<Sha512Digest>),
}

/// A hash-tree renewal that counts, or what a first time-stamp of SHA-512 covers.
#[derive(Debug)]
pub struct Rehash {
    /// What it covers.
    pub tree: HashTree,
    /// The tree that its token covers the root of.
    levels: EvidenceTree<Sha512Digest>,
    /// The place of the own value of each sealing among the leaves, by its number.
    leaves: HashMap<u64, usize>,
}

/// The time-stamps of all sealings, by evidence line and number.
///
/// They follow from the log and what it says of renewals. A renewal counts if it names, of every
/// sealing in it, exactly the time-stamps that the sealing has by then on the line, in its last chain
/// or, for new hash trees, in all; one that does not is as if it were not there. One that cannot be
/// read has renewed what a later one says that it has.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "that is what there is most of in it")]
pub struct Chains {
    chains: BTreeMap<(String, u64), Vec<ChainToken>>,
    /// The trees of the renewals of the view, or why one does not count.
    trees: Vec<Result<RenewalTree, String>>,
    /// The hash-tree renewals of the view, or why one does not count.
    rehashes: Vec<Result<Rehash, String>>,
    /// The trees that first time-stamps of SHA-512 cover, by their place in the view, or why one does
    /// not count.
    first_trees: BTreeMap<usize, Result<Rehash, String>>,
    /// Those of both renewals whose list of what they cover is not there.
    unread: Vec<Unread>,
}

/// Something that changes what proves sealings, in the order in which it counts.
#[derive(Clone, Copy)]
enum Event {
    Renewed(usize),
    Rehashed(usize),
    Stamped(usize),
}

/// Returns all of them by commit; what renews in a commit does not renew what is stamped there.
fn events(view: &LogView) -> Vec<(u64, Event)> {
    let renewals = view.renewals.iter().enumerate();
    let rehashes = view.rehashes.iter().enumerate();
    let stamps = view.stamps.iter().enumerate();
    let mut events: Vec<_> = renewals
        .map(|(at, it)| (it.commit, Event::Renewed(at)))
        .chain(rehashes.map(|(at, it)| (it.commit, Event::Rehashed(at))))
        .chain(stamps.map(|(at, it)| (it.commit, Event::Stamped(at))))
        .collect();
    events.sort_by_key(|(commit, _)| *commit);
    events
}

/// Returns all real time-stamps that the log names, oldest first, each once. How they lead to sealings is
/// not looked at, and nothing is read for it.
pub(crate) fn logged_tokens(view: &LogView) -> Vec<ChainToken> {
    let (mut tokens, mut seen) = (Vec::new(), HashSet::new());
    for (_, event) in events(view) {
        let (sha256, from) = match event {
            Event::Stamped(stamp) => {
                let from = TokenFrom::Stamped { stamp, is_placed: false };
                (view.stamps[stamp].body.token_sha256, from)
            }
            Event::Renewed(renewal) => {
                let from = TokenFrom::Renewed { renewal, member: 0 };
                (view.renewals[renewal].body.token_sha256, from)
            }
            Event::Rehashed(rehash) => {
                let from = TokenFrom::Rehashed { rehash, leaf: 0 };
                (view.rehashes[rehash].body.token_sha256, from)
            }
        };
        let token = ChainToken { sha256, sha512: None, from };
        if !token.stated(view).1 && seen.insert(sha256) {
            tokens.push(token);
        }
    }
    tokens
}

impl Chains {
    /// Reads what renewals cover, and makes the chains.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer; what is damaged does not count.
    pub async fn read(archive: &Archive, view: &LogView) -> Result<Self, LogError> {
        let mut chains = Self::default();
        for (_, event) in events(view) {
            match event {
                Event::Stamped(stamp) => {
                    let body = &view.stamps[stamp].body;
                    let is_placed = chains.first_tree(archive, (stamp, body)).await?;
                    let from = TokenFrom::Stamped { stamp, is_placed };
                    let sha512 = body.tree.as_ref().map(|it| it.token_sha512);
                    let token = ChainToken { sha256: body.token_sha256, sha512, from };
                    // Of several first time-stamps the first counts.
                    let key = (body.line.clone(), body.number);
                    chains.chains.entry(key).or_insert_with(|| vec![token]);
                }
                Event::Renewed(at) => {
                    let members = read_members(archive.store(), &view.renewals[at].body).await;
                    let tree = match read_or_fault(members)? {
                        Ok(members) => chains.renew(view, at, &members).map_err(str::to_owned),
                        Err(what) => {
                            chains.unread.push(Unread::Renewal(at));
                            Err(what)
                        }
                    };
                    chains.trees.push(tree);
                }
                Event::Rehashed(at) => {
                    let tree = read_hash_tree(archive.store(), &view.rehashes[at].body).await;
                    let made = match read_or_fault(tree)? {
                        Ok(tree) => chains.rehash(view, at, tree).map_err(str::to_owned),
                        Err(what) => {
                            chains.unread.push(Unread::Rehash(at));
                            Err(what)
                        }
                    };
                    chains.rehashes.push(made);
                }
            }
        }
        Ok(chains)
    }

    /// Reads what a first time-stamp covers, if that does not follow from its sealing; says whether it is
    /// known how it leads there.
    async fn first_tree(
        &mut self,
        archive: &Archive,
        (stamp, body): (usize, &SealingStamped),
    ) -> Result<bool, LogError> {
        let Some(stated) = &body.tree else { return Ok(true) };
        let tree = read_first_tree(archive.store(), (body, stated)).await;
        let made = read_or_fault(tree)?.and_then(|tree| {
            let levels = rooted(tree.tree_leaves(), stated.root)?;
            Ok(Rehash { leaves: HashMap::from([(body.number, 0)]), levels, tree })
        });
        let is_placed = made.is_ok();
        self.first_trees.insert(stamp, made);
        Ok(is_placed)
    }

    /// Adds a renewal to the chains of its members.
    fn renew(
        &mut self,
        view: &LogView,
        at: usize,
        members: &[RenewalMember],
    ) -> Result<RenewalTree, &'static str> {
        let body = &view.renewals[at].body;
        let unread = self.unread_of(view, &body.line);
        let (mut sha256, mut sha512, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for member in members {
            let chain = self.chains.get(&(body.line.clone(), member.number));
            let chain = chain.ok_or("it names a sealing that had no time-stamp on its line")?;
            let more = told_by_later(view, &unread, chain, &member.tokens);
            let more = more.ok_or("it does not name all time-stamps that a sealing had by then")?;
            let whole: Vec<_> = chain.iter().chain(&more).copied().collect();
            told.push(more);
            let digests: Vec<_> = last_chain(&whole).iter().map(ChainToken::digest).collect();
            match renewal_leaf(&digests, &member.validation) {
                Some(EvidenceDigest::Sha256(leaf)) => sha256.push(leaf),
                Some(EvidenceDigest::Sha512(leaf)) => sha512.push(leaf),
                None => return Err("it names revocation evidence by another hash function"),
            }
        }
        let otherwise = "its members do not give the root in the log";
        let levels = match (body.root, sha256.len(), sha512.len()) {
            (EvidenceDigest::Sha256(root), _, 0) => RenewalLevels::Sha256(rooted(sha256, root)?),
            (EvidenceDigest::Sha512(root), 0, _) => RenewalLevels::Sha512(rooted(sha512, root)?),
            _ => return Err(otherwise),
        };
        if body.token_sha512.is_some() != matches!(levels, RenewalLevels::Sha512(_)) {
            return Err("the log does not state the digest of its time-stamp, or one too many");
        }
        let covered = members.iter().enumerate().filter(|(_, it)| !it.validation.is_empty());
        let validation = covered.map(|(place, it)| (place, it.validation.clone())).collect();
        let tree = RenewalTree { levels, validation };
        for ((place, member), told) in members.iter().enumerate().zip(told) {
            let from = TokenFrom::Renewed { renewal: at, member: place };
            let token = ChainToken { sha256: body.token_sha256, sha512: body.token_sha512, from };
            self.push(&body.line, member.number, told, token);
        }
        Ok(tree)
    }

    /// Begins a chain of new hash trees for the sealings of a renewal.
    fn rehash(
        &mut self,
        view: &LogView,
        at: usize,
        tree: HashTree,
    ) -> Result<Rehash, &'static str> {
        let body = &view.rehashes[at].body;
        let (unread, mut told) = (self.unread_of(view, &body.line), Vec::new());
        let (mut leaves, mut leaf) = (HashMap::with_capacity(tree.sealings.len()), 0);
        for sealing in &tree.sealings {
            let chain = self.chains.get(&(body.line.clone(), sealing.number));
            let chain = chain.ok_or("it names a sealing that had no time-stamp on its line")?;
            if chain_hash(chain) != HashFunction::Sha256 {
                return Err("it names a sealing that had new hash trees already");
            }
            let more = told_by_tree(view, &unread, chain, &sealing.tokens);
            told.push(more.ok_or("it does not name all time-stamps that a sealing had by then")?);
            leaves.insert(sealing.number, leaf);
            leaf += 1 + sealing.batches.iter().filter(|it| it.root.is_some()).count();
        }
        let levels = rooted(tree.tree_leaves(), body.root)?;
        for (sealing, told) in tree.sealings.iter().zip(told) {
            let from = TokenFrom::Rehashed { rehash: at, leaf: leaves[&sealing.number] };
            let sha512 = Some(body.token_sha512);
            let token = ChainToken { sha256: body.token_sha256, sha512, from };
            self.push(&body.line, sealing.number, told, token);
        }
        Ok(Rehash { tree, levels, leaves })
    }

    fn push(&mut self, line: &str, number: u64, told: Vec<ChainToken>, token: ChainToken) {
        if let Some(chain) = self.chains.get_mut(&(line.to_owned(), number)) {
            chain.extend(told);
            chain.push(token);
        }
    }

    /// Returns what on a line cannot be read, in log order.
    pub(crate) fn unread_of(&self, view: &LogView, line: &str) -> Vec<Unread> {
        self.unread.iter().copied().filter(|it| it.line(view) == line).collect()
    }

    /// Returns the time-stamps of a sealing on a line, oldest first; none before it is stamped.
    pub fn of(&self, line: &str, number: u64) -> &[ChainToken] {
        self.chains.get(&(line.to_owned(), number)).map_or(&[], Vec::as_slice)
    }

    /// Returns those of all sealings: line, number of the sealing, time-stamps.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, &[ChainToken])> {
        self.chains.iter().map(|((line, number), chain)| (line.as_str(), *number, &chain[..]))
    }

    /// Returns the renewals that do not count: their place in the view, and why.
    pub fn faults(&self) -> impl Iterator<Item = (usize, &str)> {
        let trees = self.trees.iter().enumerate();
        trees.filter_map(|(at, tree)| Some((at, tree.as_ref().err()?.as_str())))
    }

    /// Returns the hash-tree renewals of the view, in log order, or why one does not count.
    pub fn rehashes(&self) -> &[Result<Rehash, String>] {
        &self.rehashes
    }

    /// Returns what first time-stamps of SHA-512 cover, by their place in the view, or why one does not
    /// count.
    pub fn first_trees(&self) -> impl Iterator<Item = (usize, &Result<Rehash, String>)> {
        self.first_trees.iter().map(|(stamp, made)| (*stamp, made))
    }

    /// Returns the hash trees of SHA-512 that a token is over, `None` if it is over none, or they do not
    /// count.
    pub fn trees_under(&self, token: &ChainToken) -> Option<&Rehash> {
        match token.from {
            TokenFrom::Stamped { stamp, .. } => self.first_trees.get(&stamp)?.as_ref().ok(),
            TokenFrom::Renewed { .. } => None,
            TokenFrom::Rehashed { rehash, .. } => self.rehashes.get(rehash)?.as_ref().ok(),
        }
    }

    /// Returns the documents that the hash trees of a sealing leave out: their batch, and their place in it
    /// from 0. `tokens` are its time-stamps on a line, of which one at most is over hash trees.
    pub fn left_out(
        &self,
        (number, tokens): (u64, &[ChainToken]),
    ) -> impl Iterator<Item = (BatchId, u32)> {
        let trees = tokens.iter().filter_map(|token| self.trees_under(token));
        trees.flat_map(move |made| {
            let sealings = &made.tree.sealings;
            let at = sealings.binary_search_by_key(&number, |it| it.number).ok();
            at.into_iter().flat_map(|at| sealings[at].left_out())
        })
    }

    /// Returns the siblings from what a token covers of its sealing up to its root; none for the first
    /// token of a sealing, unless it is over hash trees.
    pub fn path(&self, token: &ChainToken) -> Vec<EvidenceDigest> {
        fn of<D: TreeDigest + Into<EvidenceDigest>>(
            tree: &EvidenceTree<D>,
            leaf: usize,
        ) -> Vec<EvidenceDigest> {
            tree.path(leaf).unwrap_or_default().into_iter().map(Into::into).collect()
        }
        match token.from {
            TokenFrom::Stamped { .. } => {
                self.trees_under(token).map(|it| of(&it.levels, 0)).unwrap_or_default()
            }
            TokenFrom::Renewed { renewal, member } => {
                let Some(Ok(tree)) = self.trees.get(renewal) else { return Vec::new() };
                let above = match &tree.levels {
                    RenewalLevels::Sha256(tree) => of(tree, member),
                    RenewalLevels::Sha512(tree) => of(tree, member),
                };
                evidence_value(self.validation(token)).into_iter().chain(above).collect()
            }
            TokenFrom::Rehashed { rehash, leaf } => match self.rehashes.get(rehash) {
                Some(Ok(rehash)) => of(&rehash.levels, leaf),
                Some(Err(_)) | None => Vec::new(),
            },
        }
    }

    /// Returns the digests of the revocation evidence that a token covers beside the older time-stamps
    /// of a sealing, in their order; none unless it renewed them.
    pub fn validation(&self, token: &ChainToken) -> &[EvidenceDigest] {
        let TokenFrom::Renewed { renewal, member } = token.from else { return &[] };
        let Some(Ok(tree)) = self.trees.get(renewal) else { return &[] };
        tree.validation.get(&member).map_or(&[], Vec::as_slice)
    }
}

impl Rehash {
    /// Returns the siblings from the root that a batch of a sealing has in it up to the root of all;
    /// `None` if it does not cover the batch. `place` is that of the batch in its sealing.
    pub fn batch_path(&self, number: u64, place: usize) -> Option<Vec<Sha512Digest>> {
        let at = self.tree.sealings.binary_search_by_key(&number, |it| it.number).ok()?;
        let batches = &self.tree.sealings[at].batches;
        batches.get(place)?.root?;
        let before = batches[..place].iter().filter(|it| it.root.is_some()).count();
        self.levels.path(self.leaves.get(&number)? + 1 + before)
    }
}

/// Makes the tree over leaves, which must have the root.
fn rooted<D: TreeDigest>(leaves: Vec<D>, root: D) -> Result<EvidenceTree<D>, &'static str> {
    let tree = EvidenceTree::new(leaves);
    if tree.root() == Some(root) {
        Ok(tree)
    } else {
        Err("its members do not give the root in the log")
    }
}

/// Parts what is damaged from what the store did not give.
fn read_or_fault<T>(read: Result<T, BatchObjectError>) -> Result<Result<T, String>, LogError> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(BatchObjectError::Damaged { what }) => Ok(Err(what.to_owned())),
        Err(BatchObjectError::Store(error)) => Err(error),
    }
}

/// Returns the last chain among the time-stamps of a sealing.
pub fn last_chain(tokens: &[ChainToken]) -> &[ChainToken] {
    chains_of(tokens).last().unwrap_or_default()
}

/// Parts the time-stamps of a sealing into its chains, oldest first.
pub fn chains_of(tokens: &[ChainToken]) -> impl Iterator<Item = &[ChainToken]> {
    tokens.chunk_by(|_, next| !matches!(next.from, TokenFrom::Rehashed { .. }))
}

/// Returns the hash function of a chain.
pub fn chain_hash(chain: &[ChainToken]) -> HashFunction {
    match chain.last().and_then(|token| token.sha512) {
        Some(_) => HashFunction::Sha512,
        None => HashFunction::Sha256,
    }
}

impl ChainToken {
    /// Returns what it is if the token is missing or changed.
    pub(crate) fn damage(&self) -> FindingCode {
        match self.from {
            TokenFrom::Stamped { .. } => FindingCode::TokenDamaged,
            TokenFrom::Renewed { .. } | TokenFrom::Rehashed { .. } => FindingCode::RenewalDamaged,
        }
    }

    /// Returns the digest of the token by the hash function of its chain.
    pub fn digest(&self) -> EvidenceDigest {
        self.sha512.map_or(EvidenceDigest::Sha256(self.sha256), EvidenceDigest::Sha512)
    }

    /// Returns where the token lies.
    pub fn key(&self, view: &LogView) -> ObjectKey {
        match self.from {
            TokenFrom::Stamped { stamp, .. } => {
                let body = &view.stamps[stamp].body;
                ObjectKey::token(body.sealing, &body.line, body.token_sha256)
            }
            TokenFrom::Renewed { renewal, .. } => {
                ObjectKey::renewal_token(view.renewals[renewal].body.renewal)
            }
            TokenFrom::Rehashed { rehash, .. } => {
                ObjectKey::renewal_token(view.rehashes[rehash].body.renewal)
            }
        }
    }

    /// Returns the generation of the log and the place in it of the entry that names the token; nothing
    /// for a first time-stamp.
    pub fn entry_place(&self, view: &LogView) -> Option<(u64, u64)> {
        match self.from {
            TokenFrom::Stamped { .. } => None,
            TokenFrom::Renewed { renewal, .. } => Some(Unread::Renewal(renewal).entry_place(view)),
            TokenFrom::Rehashed { rehash, .. } => Some(Unread::Rehash(rehash).entry_place(view)),
        }
    }

    /// Returns beside what the evidence on its certificates lies.
    pub fn validation_of(&self, view: &LogView) -> ValidationOf {
        match self.from {
            TokenFrom::Stamped { stamp, .. } => view.stamps[stamp].body.sealing.into(),
            TokenFrom::Renewed { renewal, .. } => view.renewals[renewal].body.renewal.into(),
            TokenFrom::Rehashed { rehash, .. } => view.rehashes[rehash].body.renewal.into(),
        }
    }

    /// Returns what the token covers, `None` if the log does not name its sealing.
    pub fn covers(&self, view: &LogView) -> Option<EvidenceDigest> {
        match self.from {
            TokenFrom::Stamped { stamp, .. } => {
                let SealingStamped { number, tree, .. } = &view.stamps[stamp].body;
                let sealing = &view.sealing(*number)?.body;
                let value = || sealing_value(sealing).into();
                Some(tree.as_ref().map_or_else(value, |it| it.root.into()))
            }
            TokenFrom::Renewed { renewal, .. } => Some(view.renewals[renewal].body.root),
            TokenFrom::Rehashed { rehash, .. } => Some(view.rehashes[rehash].body.root.into()),
        }
    }

    /// Returns what the log says of it: the time that it attests, and whether it is for trial.
    pub fn stated<'a>(&self, view: &'a LogView) -> (&'a str, bool) {
        match self.from {
            TokenFrom::Stamped { stamp, .. } => {
                let body = &view.stamps[stamp].body;
                (&body.stamped_at, body.trial)
            }
            TokenFrom::Renewed { renewal, .. } => {
                let body = &view.renewals[renewal].body;
                (&body.stamped_at, body.trial)
            }
            TokenFrom::Rehashed { rehash, .. } => {
                let body = &view.rehashes[rehash].body;
                (&body.stamped_at, body.trial)
            }
        }
    }
}
