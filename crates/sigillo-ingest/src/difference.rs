//! In which way a document differs from the version that the archive has, in words.

use std::sync::atomic::Ordering;

use sigillo_catalogue::IndexedVersion;
use sigillo_model::{Description, FileEntry, Record};

use crate::shared::Shared;

/// For so many refused documents the version before is read; beyond, it would take too long.
const TOLD_MAX: u64 = 1_000;

/// No more names are listed.
const NAMES_MAX: usize = 3;

/// Says what a document that comes has different from the newest version of its key. May block.
pub(crate) fn in_words(shared: &Shared, newest: &IndexedVersion, record: &Record) -> String {
    let version = format!("version {}", newest.version);
    if shared.refused.load(Ordering::Relaxed) >= TOLD_MAX {
        return version;
    }
    match shared.previous.record(newest) {
        Ok(before) => format!("{version}; {}", difference(&before, record)),
        Err(_) => version,
    }
}

fn difference(before: &Record, after: &Record) -> String {
    let files = files_difference(&before.files, &after.files);
    let description = description_difference(&before.description, &after.description);
    match (files, description) {
        (None, None) => "it was sent before as an earlier version".to_owned(),
        (Some(files), None) => format!("{files}; the description is the same"),
        (None, Some(description)) => format!("the files are the same; {description}"),
        (Some(files), Some(description)) => format!("{files}; {description}"),
    }
}

fn files_difference(before: &[FileEntry], after: &[FileEntry]) -> Option<String> {
    let same = |a: &FileEntry, b: &FileEntry| (&a.name, &a.role) == (&b.name, &b.role);
    let absent = |files: &[FileEntry], others: &[FileEntry]| -> Vec<String> {
        let absent = files.iter().filter(|file| !others.iter().any(|other| same(file, other)));
        absent.map(|file| file.name.clone()).collect()
    };
    let (fewer, more) = (absent(before, after), absent(after, before));
    let changed = after.iter().filter(|file| {
        let mut namesakes = before.iter().filter(|other| same(file, other)).peekable();
        namesakes.peek().is_some() && !namesakes.any(|other| other.sha256 == file.sha256)
    });
    let changed: Vec<String> = changed.map(|file| file.name.clone()).collect();
    let mut parts = Vec::new();
    if !changed.is_empty() {
        parts.push(format!("other content of {}", list(&changed)));
    }
    for (names, what) in [(more, "more"), (fewer, "fewer")] {
        if !names.is_empty() {
            let files = if names.len() == 1 { "file" } else { "files" };
            parts.push(format!("{} {files} {what} ({})", names.len(), list(&names)));
        }
    }
    if parts.is_empty() && !before.iter().map(digest_of).eq(after.iter().map(digest_of)) {
        parts.push("the files are others, or in another order".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn digest_of(file: &FileEntry) -> (&str, &str, sigillo_model::Sha256Digest) {
    (&file.name, &file.role, file.sha256)
}

fn description_difference(before: &Description, after: &Description) -> Option<String> {
    let fields = [
        ("aggregation", before.aggregations != after.aggregations),
        ("class", before.class != after.class),
        ("date", before.date != after.date),
        ("document_type", before.document_type != after.document_type),
        ("series", before.series != after.series),
        ("stated_retention", before.stated_retention != after.stated_retention),
        ("subject", before.subject != after.subject),
    ];
    let fields = fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name);
    let keys = before.metadata.keys().chain(after.metadata.keys());
    let mut keys: Vec<&str> = keys.map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    let keys = keys.into_iter().filter(|key| before.metadata.get(*key) != after.metadata.get(*key));
    let names: Vec<String> = fields.chain(keys).map(str::to_owned).collect();
    let differ = if names.len() == 1 { "differs" } else { "differ" };
    (!names.is_empty()).then(|| format!("{} {differ}", list(&names)))
}

fn list(names: &[String]) -> String {
    match names {
        [all @ .., last] if (1..NAMES_MAX).contains(&all.len()) => {
            format!("{} and {last}", all.join(", "))
        }
        names if names.len() > NAMES_MAX => {
            format!("{} and {} others", names[..NAMES_MAX].join(", "), names.len() - NAMES_MAX)
        }
        names => names.join(", "),
    }
}
