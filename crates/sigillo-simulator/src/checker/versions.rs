//! Versions and aggregations: each version follows the one before, and nothing enters what is closed.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_model::{DocumentKey, VersionId};

use super::{Invariant, Violation, batches::FoundVersion, log::text};

type Found = BTreeMap<VersionId, FoundVersion>;

/// I7 and I6: a key has every number once, each version follows the one before it, and what an
/// earlier version holds is there.
pub(super) fn check_versions(found: &Found, violations: &mut Vec<Violation>) {
    let mut labels: BTreeMap<String, VersionId> = BTreeMap::new();
    for (version, it) in found {
        let label = it.label();
        if let Some(other) = labels.insert(label.clone(), *version) {
            let message = format!("{label} is archived as {other} and as {version}");
            violations.push(Violation::new(Invariant::ResubmissionSame, message));
        }
        let before = version_named(found, text(&it.record, "supersedes"));
        let follows = match (it.number(), before) {
            (1, None) => true,
            (number, Some(before)) => {
                let same = text(&before.record, "document") == text(&it.record, "document");
                number == before.number() + 1 && same && before.key == it.key
            }
            _ => false,
        };
        if !follows {
            let message = format!("{label} does not follow the version before it");
            violations.push(Violation::new(Invariant::ResubmissionSame, message));
        }
        for file in it.record["files"].as_array().into_iter().flatten() {
            let Some(holder) = file["stored_in"].as_str() else { continue };
            let holds = version_named(found, holder).is_some_and(|holder| {
                let same = text(&holder.record, "document") == text(&it.record, "document");
                same && holder.held.contains(text(file, "sha256"))
            });
            if !holds {
                let message = format!("{label} has a file that {holder} does not hold");
                violations.push(Violation::new(Invariant::NothingReferencedMissing, message));
            }
        }
    }
}

/// No document enters an aggregation in a commit after the one that closed it.
pub(super) fn check_closed(found: &Found, violations: &mut Vec<Violation>) {
    let mut closed: BTreeMap<&DocumentKey, u64> = BTreeMap::new();
    for it in found.values().filter(|it| it.members.is_some()) {
        if it.record["description"]["closed_on"].is_string() {
            let since = closed.entry(&it.key).or_insert(it.commit);
            *since = it.commit.min(*since);
        }
    }
    for it in found.values() {
        let before = version_named(found, text(&it.record, "supersedes"));
        let before = before.map(aggregations_of).unwrap_or_default();
        for aggregation in aggregations_of(it).difference(&before) {
            if closed.get(aggregation).is_some_and(|since| *since < it.commit) {
                let message = format!("{} entered {aggregation} after it was closed", it.label());
                violations.push(Violation::new(Invariant::Aggregated, message));
            }
        }
    }
}

/// The newest version of every aggregation lists the documents that name it, and no others.
pub(super) fn check_members(found: &Found, violations: &mut Vec<Violation>) {
    let mut naming: BTreeMap<DocumentKey, BTreeSet<String>> = BTreeMap::new();
    let mut listed: BTreeMap<DocumentKey, (u64, BTreeSet<String>)> = BTreeMap::new();
    for it in found.values() {
        for aggregation in aggregations_of(it) {
            naming.entry(aggregation).or_default().insert(text(&it.record, "document").to_owned());
        }
        if let Some(members) = &it.members {
            let newest = listed.entry(it.key.clone()).or_default();
            if it.number() > newest.0 {
                *newest = (it.number(), members.clone());
            }
        }
    }
    let listed: BTreeMap<_, _> = listed.into_iter().map(|(key, (_, it))| (key, it)).collect();
    if naming != listed {
        let message = format!("documents name {naming:?}, aggregations list {listed:?}");
        violations.push(Violation::new(Invariant::Aggregated, message));
    }
}

fn version_named<'a>(found: &'a Found, version: &str) -> Option<&'a FoundVersion> {
    found.get(&version.parse().ok()?)
}

/// The keys of the aggregations that a document names.
fn aggregations_of(it: &FoundVersion) -> BTreeSet<DocumentKey> {
    let structure = match &it.key {
        DocumentKey::Path { source: structure, .. } | DocumentKey::Register { structure, .. } => {
            structure
        }
        DocumentKey::Aggregation { .. } => return BTreeSet::new(),
    };
    let names = it.record["description"]["aggregations"].as_array().into_iter().flatten();
    names
        .filter_map(|name| name.as_str())
        .map(|name| DocumentKey::Aggregation {
            aggregation: name.to_owned(),
            structure: structure.clone(),
        })
        .collect()
}
