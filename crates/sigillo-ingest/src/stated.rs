//! From what producers state, in a table or in sidecars, to units.

use std::{collections::HashSet, sync::Arc};

use sigillo_formats::{Manifest, MetadataProblem, StatedDocument, StatedKey};
use sigillo_model::DocumentKey;

use crate::{
    Note, NoteCode, Refusal, RefusalCode,
    missing::Missing,
    shared::Shared,
    unit::{Closing, MainFile, Stated, Unit, UnitFile},
    walk::{GROUP_UNITS, Group, Walk},
};

/// No more columns are named in a note.
const COLUMNS_SHOWN_MAX: usize = 20;

/// Makes a unit of a document as its producer describes it, for a source called `source`.
pub(crate) fn unit_of(stated: StatedDocument, source: &str) -> Unit {
    let StatedDocument { files, key, structure, mut description, operation, reopens, .. } = stated;
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
    let closed_on = description.closed_on.take().map(Closing::On);
    let closing = if reopens { Some(Closing::Open) } else { closed_on };
    let structure = structure.unwrap_or_else(|| source.to_owned());
    let stated = Stated { key, description, operation, structure, closing, main };
    Unit { path, others: files.collect(), stated: Some(Arc::new(stated)) }
}

/// Lists the documents of a table, and refuses what is wrong with it, what it does not name and
/// what it names and is not there.
pub(crate) fn units_of_table(shared: &Arc<Shared>, manifest: &Manifest) -> Vec<Group> {
    let problems = manifest.problems.iter().map(refusal_of);
    shared.refuse_documents(manifest.refused_documents, problems);
    hold_refused(shared, manifest);
    note_own_columns(shared, &manifest.own_columns);
    let named = Arc::new(named_by(shared, manifest));
    // Of the files that are to be read, those that were not found.
    let mut missing: HashSet<&[u8]> = HashSet::new();
    for stated in &manifest.documents {
        missing.extend(stated.files.iter().map(|file| file.path.as_bytes()));
    }
    let mut unlisted = Vec::new();
    for found in Walk::beside_table(shared, Arc::clone(&named)).flatten() {
        if named.contains(&found.path) {
            missing.remove(&*found.path);
        } else {
            let path = sigillo_model::encode_name(&found.path);
            let mut refusal = Refusal::new(RefusalCode::NotListed, path);
            if std::str::from_utf8(&found.path).is_err() {
                refusal = refusal.because("its name is not UTF-8, so no table can name it");
                "rename it and add a row for it, or remove it from the source"
                    .clone_into(&mut refusal.remedy);
            }
            shared.refuse(refusal);
            unlisted.push(found.path);
        }
    }
    let mut missing = Missing::new(shared, missing, unlisted);
    let mut units = Vec::with_capacity(manifest.documents.len());
    for stated in &manifest.documents {
        let is_refused = missing.refuse(stated);
        let unit = unit_of(stated.clone(), &shared.source.name);
        if is_refused {
            shared.hold_open(unit.aggregations());
        } else {
            units.push(unit);
        }
    }
    units.chunks(GROUP_UNITS).map(<[Unit]>::to_vec).collect()
}

/// Sees that no aggregation is closed that documents of refused rows may yet enter.
fn hold_refused(shared: &Shared, manifest: &Manifest) {
    if manifest.is_refused_unreadable {
        shared.hold_all_open();
    }
    shared.hold_open(manifest.refused_aggregations.iter().map(|(structure, name)| {
        DocumentKey::Aggregation {
            aggregation: name.clone(),
            structure: structure.clone().unwrap_or_else(|| shared.source.name.clone()),
        }
    }));
}

/// Returns every file that a table names, whether it is to be read or not, and the table itself.
fn named_by(shared: &Shared, manifest: &Manifest) -> HashSet<Vec<u8>> {
    let mut named: HashSet<Vec<u8>> = shared.source.table.iter().cloned().collect();
    let mut name = |path: &String| named.insert(path.clone().into_bytes());
    manifest.problems.iter().filter_map(|problem| problem.path.as_ref()).for_each(|path| {
        name(path);
    });
    for stated in &manifest.documents {
        let main = match &stated.key {
            StatedKey::Path(path) => Some(path),
            StatedKey::Register(_) => None,
        };
        let files = stated.files.iter().map(|file| &file.path);
        files.chain(main).chain(&stated.unread).for_each(|path| {
            name(path);
        });
    }
    named
}

/// Tells which columns have none of the known names: one of them may be a mistake.
fn note_own_columns(shared: &Shared, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let more = names.len().saturating_sub(COLUMNS_SHOWN_MAX);
    let shown = names.iter().take(COLUMNS_SHOWN_MAX).map(|name| format!("`{name}`"));
    let mut text = format!(
        "columns without a known name are kept as the producer's own: {}",
        shown.collect::<Vec<_>>().join(", ")
    );
    if more > 0 {
        text += &format!(" and {more} others");
    }
    let path = shared
        .source
        .table
        .as_ref()
        .map_or_else(|| shared.source.name.clone(), |table| sigillo_model::encode_name(table));
    shared.note(Note { code: NoteCode::OwnColumns, path, text });
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
