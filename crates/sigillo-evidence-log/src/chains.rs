//! The time-stamps that prove each sealing: the first one of a line, and those that renewed it.

use std::collections::BTreeMap;

use sigillo_ers::{EvidenceTree, list_value, sealing_value};
use sigillo_model::{FindingCode, ObjectKey, RenewalMember, Sha256Digest, ValidationOf};

use crate::{
    Archive, LogError, LogView, LoggedRenewal,
    batch_objects::{BatchObjectError, read_members},
};

/// One time-stamp in the chain of a sealing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChainToken {
    /// SHA-256 of the token as received.
    pub sha256: Sha256Digest,
    /// Where it comes from.
    pub from: TokenFrom,
}

/// Where a time-stamp of a chain comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFrom {
    /// It is the first of the sealing on the line.
    Stamped {
        /// Its place among the stamps of the view.
        stamp: usize,
    },
    /// It renewed those before it.
    Renewed {
        /// Its place among the renewals of the view.
        renewal: usize,
        /// The place of the sealing among the members of the renewal.
        member: usize,
    },
}

/// The chains of all sealings, by evidence line and number.
///
/// They follow from the log and the members of its renewals. A renewal counts if it names, of every
/// sealing in it, exactly the time-stamps that the sealing has by then on the line; one that does
/// not is as if it were not there.
#[derive(Debug, Default)]
pub struct Chains {
    chains: BTreeMap<(String, u64), Vec<ChainToken>>,
    /// The trees of the renewals of the view, or why one does not count.
    trees: Vec<Result<EvidenceTree, String>>,
}

impl Chains {
    /// Reads the members of all renewals and makes the chains.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the store did not answer; what is damaged does not count.
    pub async fn read(archive: &Archive, view: &LogView) -> Result<Self, LogError> {
        let mut chains = Self::default();
        let mut stamps = (0..).zip(&view.stamps).peekable();
        for (at, renewal) in view.renewals.iter().enumerate() {
            while let Some((stamp, logged)) = stamps.next_if(|it| it.1.commit < renewal.commit) {
                chains.begin(
                    stamp,
                    &logged.body.line,
                    logged.body.number,
                    logged.body.token_sha256,
                );
            }
            let tree = match read_members(archive.store(), &renewal.body).await {
                Ok(members) => chains.renew(at, renewal, &members).map_err(ToOwned::to_owned),
                Err(BatchObjectError::Damaged { what }) => Err(what.to_owned()),
                Err(BatchObjectError::Store(error)) => return Err(error),
            };
            chains.trees.push(tree);
        }
        for (stamp, logged) in stamps {
            chains.begin(stamp, &logged.body.line, logged.body.number, logged.body.token_sha256);
        }
        Ok(chains)
    }

    /// Begins a chain; of several first time-stamps the first counts.
    fn begin(&mut self, stamp: usize, line: &str, number: u64, sha256: Sha256Digest) {
        let token = ChainToken { sha256, from: TokenFrom::Stamped { stamp } };
        self.chains.entry((line.to_owned(), number)).or_insert_with(|| vec![token]);
    }

    /// Adds a renewal to the chains of its members.
    fn renew(
        &mut self,
        at: usize,
        renewal: &LoggedRenewal,
        members: &[RenewalMember],
    ) -> Result<EvidenceTree, &'static str> {
        let body = &renewal.body;
        let mut leaves = Vec::with_capacity(members.len());
        for member in members {
            let chain = self.chains.get(&(body.line.clone(), member.number));
            let chain = chain.ok_or("it names a sealing that had no time-stamp on its line")?;
            if !chain.iter().map(|it| it.sha256).eq(member.tokens.iter().copied()) {
                return Err("it does not name all time-stamps that a sealing had by then");
            }
            leaves.extend(list_value(&member.tokens));
        }
        let tree = EvidenceTree::new(leaves);
        if tree.root() != Some(body.root) {
            return Err("its members do not give the root in the log");
        }
        for (place, member) in members.iter().enumerate() {
            let from = TokenFrom::Renewed { renewal: at, member: place };
            let token = ChainToken { sha256: body.token_sha256, from };
            if let Some(chain) = self.chains.get_mut(&(body.line.clone(), member.number)) {
                chain.push(token);
            }
        }
        Ok(tree)
    }

    /// Returns the time-stamps of a sealing on a line, oldest first; none before it is stamped.
    pub fn of(&self, line: &str, number: u64) -> &[ChainToken] {
        self.chains.get(&(line.to_owned(), number)).map_or(&[], Vec::as_slice)
    }

    /// Returns all chains: line, number of the sealing, time-stamps.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, &[ChainToken])> {
        self.chains.iter().map(|((line, number), chain)| (line.as_str(), *number, &chain[..]))
    }

    /// Returns the renewals that do not count: their place in the view, and why.
    pub fn faults(&self) -> impl Iterator<Item = (usize, &str)> {
        let trees = self.trees.iter().enumerate();
        trees.filter_map(|(at, tree)| Some((at, tree.as_ref().err()?.as_str())))
    }

    /// Returns the siblings from what a token covers of its sealing up to the root of the renewal;
    /// none for the first token of a sealing.
    pub fn path(&self, token: &ChainToken) -> Vec<Sha256Digest> {
        let TokenFrom::Renewed { renewal, member } = token.from else { return Vec::new() };
        let tree = self.trees.get(renewal).and_then(|tree| tree.as_ref().ok());
        tree.and_then(|tree| tree.path(member)).unwrap_or_default()
    }
}

impl ChainToken {
    /// Returns what it is if the token is missing or changed.
    pub(crate) fn damage(&self) -> FindingCode {
        match self.from {
            TokenFrom::Stamped { .. } => FindingCode::TokenDamaged,
            TokenFrom::Renewed { .. } => FindingCode::RenewalDamaged,
        }
    }

    /// Returns where the token lies.
    pub fn key(&self, view: &LogView) -> ObjectKey {
        match self.from {
            TokenFrom::Stamped { stamp } => {
                let body = &view.stamps[stamp].body;
                ObjectKey::token(body.sealing, &body.line, body.token_sha256)
            }
            TokenFrom::Renewed { renewal, .. } => {
                ObjectKey::renewal_token(view.renewals[renewal].body.renewal)
            }
        }
    }

    /// Returns beside what the evidence on its certificates lies.
    pub fn validation_of(&self, view: &LogView) -> ValidationOf {
        match self.from {
            TokenFrom::Stamped { stamp } => view.stamps[stamp].body.sealing.into(),
            TokenFrom::Renewed { renewal, .. } => view.renewals[renewal].body.renewal.into(),
        }
    }

    /// Returns what the token covers, `None` if the log does not name its sealing.
    pub fn covers(&self, view: &LogView) -> Option<Sha256Digest> {
        match self.from {
            TokenFrom::Stamped { stamp } => {
                let number = view.stamps[stamp].body.number;
                let at = usize::try_from(number.checked_sub(1)?).ok()?;
                let sealing = view.sealings.get(at).map(|it| &it.body);
                sealing.filter(|it| it.number == number).map(sealing_value)
            }
            TokenFrom::Renewed { renewal, .. } => Some(view.renewals[renewal].body.root),
        }
    }

    /// Returns what the log says of it: the time that it attests, and whether it is for trial.
    pub fn stated<'a>(&self, view: &'a LogView) -> (&'a str, bool) {
        match self.from {
            TokenFrom::Stamped { stamp } => {
                let body = &view.stamps[stamp].body;
                (&body.stamped_at, body.trial)
            }
            TokenFrom::Renewed { renewal, .. } => {
                let body = &view.renewals[renewal].body;
                (&body.stamped_at, body.trial)
            }
        }
    }
}
