//! Receiving a submission: what it has is counted and logged before anything is read.

use std::sync::{Arc, atomic::Ordering};

use sigillo_formats::Manifest;

use crate::{
    shared::Shared,
    stated::units_of_table,
    walk::{Group, Walk},
};

/// A list of more documents is not kept: they are looked for again when they are read.
const LISTED_UNITS_MAX: usize = 200_000;

/// Nor is one in which more is stated than this many bytes.
const LISTED_STATED_BYTES_MAX: usize = 64 << 20;

/// What a submission was found to have.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Number of its documents, refused ones among them.
    pub(crate) received: u64,
    /// The documents, unless they are too many.
    pub(crate) groups: Option<Vec<Group>>,
}

/// Looks through a source once; refuses what is no document, unless it has to be looked through
/// again. Every call may block.
pub(crate) fn list(shared: &Arc<Shared>, table: Option<&Manifest>) -> Listed {
    if let Some(manifest) = table {
        let groups = units_of_table(shared, manifest);
        let received = count(&groups) + shared.refused.load(Ordering::Relaxed);
        return Listed { received, groups: Some(groups) };
    }
    let (mut groups, mut units, mut stated_bytes) = (Some(Vec::new()), 0, 0);
    for group in Walk::new(Arc::clone(&shared.source), Arc::clone(shared)) {
        units += group.len();
        stated_bytes +=
            group.iter().flat_map(|it| &it.stated).map(|it| it.memory_bytes()).sum::<usize>();
        if units > LISTED_UNITS_MAX || stated_bytes > LISTED_STATED_BYTES_MAX {
            groups = None;
        }
        if let Some(groups) = &mut groups {
            groups.push(group);
        }
    }
    let received = units as u64 + shared.refused.load(Ordering::Relaxed);
    if groups.is_none() {
        // The same will be refused again.
        shared.refused.store(0, Ordering::Relaxed);
        drop(shared.take_told());
    }
    Listed { received, groups }
}

fn count(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.len() as u64).sum()
}
