//! Files that a table names and the source does not have: is one there under a similar name?

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization as _;

use sigillo_formats::{StatedDocument, StatedKey};
use sigillo_model::encode_name;

use crate::{RefusalCode, shared::Shared};

/// The files that were not found, and those that nobody names.
pub(crate) struct Missing<'a> {
    shared: &'a Shared,
    files: HashSet<&'a [u8]>,
    unlisted: Vec<Vec<u8>>,
    /// Places of unlisted files by what remains of their paths; made once it is needed.
    similar: Option<HashMap<String, usize>>,
}

impl<'a> Missing<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        files: HashSet<&'a [u8]>,
        unlisted: Vec<Vec<u8>>,
    ) -> Self {
        Self { shared, files, unlisted, similar: None }
    }

    /// Refuses a document if files of it are not there; returns whether it did.
    ///
    /// A walk does not find all that can be opened, so each file is tried once more. Whatever else
    /// is wrong with a file is told when it is read.
    pub(crate) fn refuse(&mut self, stated: &StatedDocument) -> bool {
        let mut refusals = Vec::new();
        for file in &stated.files {
            if !self.files.contains(file.path.as_bytes()) {
                continue;
            }
            let Err(refusal) = self.shared.source.open_file(file.path.as_bytes()) else { continue };
            if refusal.code != RefusalCode::FileMissing {
                continue;
            }
            let refusal = match self.similar(&file.path) {
                Some(words) => refusal.because(words),
                None => refusal,
            };
            let mut refusal = refusal.of_document(&name_of(stated));
            refusal.reason = format!("line {}: {}", file.line, refusal.reason);
            refusals.push(refusal);
        }
        let refuses = !refusals.is_empty();
        self.shared.refuse_documents(refuses.into(), refusals);
        refuses
    }

    /// Says which file that nobody names has nearly the same path.
    fn similar(&mut self, path: &str) -> Option<String> {
        let unlisted = &self.unlisted;
        let similar = self.similar.get_or_insert_with(|| {
            let texts = unlisted.iter().enumerate();
            let texts = texts.filter_map(|(at, path)| Some((at, std::str::from_utf8(path).ok()?)));
            texts.map(|(at, path)| (remains(path), at)).collect()
        });
        let found = &unlisted[*similar.get(&remains(path))?];
        let text = std::str::from_utf8(found).ok()?;
        let how = how_it_differs(path, text);
        Some(format!("the folder has {}, spelt differently: {how}", encode_name(found)))
    }
}

/// Returns what messages call a document.
fn name_of(stated: &StatedDocument) -> String {
    let first = stated.files.first().map(|file| file.path.as_bytes());
    match (first, &stated.key) {
        (Some(path), _) => encode_name(path),
        (None, StatedKey::Path(path)) => encode_name(path.as_bytes()),
        (None, StatedKey::Register(key)) => encode_name(key.to_string().as_bytes()),
    }
}

/// One thing in which two spellings of a path may differ, taken away.
type Change = fn(&str) -> String;

const CHANGES: [(Change, &str); 4] = [
    (|path| path.to_lowercase(), "upper and lower case"),
    (|path| path.nfc().collect(), "accents are written in another way (Unicode normalisation)"),
    (|path| path.split('/').map(str::trim).collect::<Vec<_>>().join("/"), "a space too many"),
    (|path| path.replace('\\', "/"), "`\\` for `/`"),
];

/// Returns what remains of a path once everything is taken away that people do not see.
fn remains(path: &str) -> String {
    CHANGES.iter().rev().fold(path.to_owned(), |path, (change, _)| change(&path))
}

fn how_it_differs(one: &str, other: &str) -> &'static str {
    let only = CHANGES.iter().find(|(change, _)| change(one) == change(other));
    only.map_or("in several ways", |(_, words)| words)
}
