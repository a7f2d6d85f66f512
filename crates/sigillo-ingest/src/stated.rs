//! From what producers state, in a table or in sidecars, to units.

use std::{collections::HashSet, sync::Arc};

use sigillo_formats::{Manifest, MetadataProblem, StatedDocument, StatedKey};
use sigillo_model::DocumentKey;

use crate::{
    Refusal, RefusalCode,
    shared::Shared,
    unit::{MainFile, Stated, Unit, UnitFile},
    walk::{GROUP_UNITS, Group, Walk},
};

/// Makes a unit of a document as its producer describes it, for a source called `source`.
pub(crate) fn unit_of(stated: StatedDocument, source: &str) -> Unit {
    let StatedDocument { files, key, structure, mut description, operation, .. } = stated;
    let mut files =
        files.into_iter().map(|file| UnitFile { path: file.path.into_bytes(), role: file.role });
    let (path, main) = if let Some(file) = files.next() {
        (file.path, MainFile::Read { role: file.role })
    } else {
        let path = match &key {
            StatedKey::Path(path) => path.clone(),
            StatedKey::Register(key) => key.to_string(),
        };
        (path.into_bytes(), MainFile::NotRead)
    };
    let key = match key {
        StatedKey::Register(key) => key,
        StatedKey::Path(path) => DocumentKey::Path {
            path: sigillo_model::encode_name(path.as_bytes()),
            source: source.to_owned(),
        },
    };
    let closes_on = description.closed_on.take();
    let structure = structure.unwrap_or_else(|| source.to_owned());
    let stated = Stated { key, description, operation, structure, closes_on, main };
    Unit { path, others: files.collect(), stated: Some(Arc::new(stated)) }
}

/// Lists the documents of a table, and refuses what is wrong with it and what it does not name.
pub(crate) fn units_of_table(shared: &Arc<Shared>, manifest: &Manifest) -> Vec<Group> {
    let mut named: HashSet<Vec<u8>> = HashSet::new();
    for problem in &manifest.problems {
        named.extend(problem.path.clone().map(String::into_bytes));
        shared.refuse(refusal_of(problem));
    }
    let mut units = Vec::with_capacity(manifest.documents.len());
    for stated in &manifest.documents {
        let unit = unit_of(stated.clone(), &shared.source.name);
        named.extend(unit.files().map(|(path, _)| path.to_vec()));
        units.push(unit);
    }
    named.extend(shared.source.table.clone());
    for found in Walk::new(Arc::clone(&shared.source), Arc::clone(shared)).flatten() {
        for (path, _) in found.files() {
            if !named.contains(path) {
                let path = sigillo_model::encode_name(path);
                shared.refuse(Refusal::new(RefusalCode::NotListed, path));
            }
        }
    }
    units.chunks(GROUP_UNITS).map(<[Unit]>::to_vec).collect()
}

/// Says in the words of a refusal what is wrong with what is stated.
pub(crate) fn refusal_of(problem: &MetadataProblem) -> Refusal {
    let path = problem.path.clone().unwrap_or_default();
    let path = sigillo_model::encode_name(path.as_bytes());
    let mut refusal = Refusal::new(RefusalCode::MetadataInvalid, path);
    let mut place = Vec::new();
    if problem.line > 0 {
        place.push(format!("line {}", problem.line));
    }
    place.extend(problem.column.as_ref().map(|column| format!("column {column}")));
    let place = if place.is_empty() { String::new() } else { place.join(", ") + ": " };
    refusal.reason = format!("{place}{}", problem.reason);
    refusal.remedy.clone_from(&problem.remedy);
    refusal
}
