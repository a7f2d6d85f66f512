//! Units of one key, one after the other: each is decided by an index that knows of those before.

use std::{collections::HashSet, sync::Arc};

use crate::{shared::Shared, unit::Unit, walk::Group};

/// Hands out groups without the units whose key another one has in this pass; these are put off to
/// the next pass, in their order.
pub(crate) struct Turns<I> {
    shared: Arc<Shared>,
    groups: I,
    /// The first bytes of the keys' digests. Two keys with the same ones only cost a pass.
    taken: HashSet<u64>,
}

impl<I> Turns<I> {
    pub(crate) fn new(shared: Arc<Shared>, groups: I) -> Self {
        Self { shared, groups, taken: HashSet::new() }
    }

    fn takes(&mut self, unit: &Unit) -> bool {
        // Files that nobody describes are known by their paths, which differ.
        let Some(stated) = &unit.stated else { return true };
        let mut first = [0; 8];
        first.copy_from_slice(&stated.key.digest().as_bytes()[..8]);
        self.taken.insert(u64::from_le_bytes(first))
    }
}

impl<I: Iterator<Item = Group>> Iterator for Turns<I> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let group = self.groups.next()?;
        let (now, later): (Group, Group) = group.into_iter().partition(|unit| self.takes(unit));
        if !later.is_empty() {
            self.shared.put_off(later);
        }
        Some(now)
    }
}
