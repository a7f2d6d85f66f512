//! Units of one key, one after the other: each is decided by an index that knows of those before.

use std::{collections::HashSet, sync::Arc};

use sigillo_model::Operation;

use crate::{Refusal, RefusalCode, shared::Shared, unit::Unit, walk::Group};

/// After so many passes what is still put off is refused: each ends with a commit.
pub(crate) const PUT_OFF_PASSES_MAX: u32 = 250;

/// Refuses what was put off too often.
pub(crate) fn refuse_put_off(shared: &Shared, units: &[Unit]) {
    for unit in units {
        shared.hold_open(unit.aggregations());
        shared.refuse(Refusal::new(RefusalCode::TooManyAtOnce, unit.name()));
    }
}

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
        let key = stated.key.digest();
        let mut first = [0; 8];
        first.copy_from_slice(&key.as_bytes()[..8]);
        if self.taken.insert(u64::from_le_bytes(first)) {
            return true;
        }
        // What may not follow on a version that is there waits for nothing: it is there before, or
        // refused. What the index says when it fails is told by whoever reads the unit.
        let builds_on = self.shared.options.new_versions
            || !matches!(stated.operation, None | Some(Operation::New));
        !builds_on && !matches!(self.shared.index.lookup(key), Ok(None))
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
