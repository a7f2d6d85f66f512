//! What somebody may have meant who named a document, a source or a file that is not there.

use std::{collections::BTreeSet, path::Path};

use sigillo_custody::{LocateError, Locator, PREFIX_DIGITS_MIN, read_submissions, source_of};

use crate::error::{CommandError, most_similar};

/// At most so many of the newest submissions are asked for the names of their sources.
const SUBMISSIONS_ASKED_MAX: usize = 50;

/// At most so many entries of a folder are compared with a name that is not in it.
const ENTRIES_COMPARED_MAX: usize = 10_000;

/// A suggested id has as many first digits in common with the one that was asked for.
const LIKE_DIGITS: usize = PREFIX_DIGITS_MIN - 2;

/// Adds what may have been meant to the error about a document that is not there.
pub(crate) async fn with_suggestions(locator: &Locator<'_>, error: LocateError) -> CommandError {
    let suggestion = match &error {
        LocateError::NotFound { text } if text.contains('/') => similar_source(locator, text).await,
        LocateError::NotFound { text } => similar_id(locator, text).await,
        _ => return error.into(),
    };
    let error = CommandError::from(error);
    let error = suggestion.into_iter().fold(error, CommandError::hint);
    error.hint(
        "a document is named by its version id, its document id, 8 digits of one, or its key: \
         SOURCE/PATH, or STRUCTURE/REGISTER/YEAR/NUMBER if it was registered; `sigillo find WORD` \
         prints ids and keys",
    )
}

/// Suggests a source that is named alike, among those of the newest submissions.
async fn similar_source(locator: &Locator<'_>, text: &str) -> Option<String> {
    let named = text.split('/').next()?;
    let accounts = read_submissions(locator.archive).await.ok()?;
    let mut sources = BTreeSet::new();
    for account in accounts.iter().rev().take(SUBMISSIONS_ASKED_MAX) {
        sources.extend(source_of(locator.archive, account).await.ok().flatten());
    }
    if sources.contains(named) {
        return Some(format!("the source {named:?} is there: look at what comes after it"));
    }
    let similar = most_similar(named, sources.iter().map(String::as_str))?;
    Some(format!("did you mean the source {similar:?}?"))
}

/// Suggests documents whose id begins almost so.
async fn similar_id(locator: &Locator<'_>, text: &str) -> Option<String> {
    let ids = locator.beginning_with(text.get(..LIKE_DIGITS)?).await.ok()?;
    let shortened: Vec<_> = ids.iter().take(3).map(|id| format!("{}…", &id[..16])).collect();
    (!shortened.is_empty()).then(|| format!("did you mean {}?", shortened.join(" or ")))
}

/// Suggests a name in the folder of a file that is not there.
pub(crate) fn similar_path(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = match path.parent()? {
        folder if folder.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let entries = folder.read_dir().ok()?.flatten().take(ENTRIES_COMPARED_MAX);
    let names: Vec<_> = entries.filter_map(|it| it.file_name().into_string().ok()).collect();
    let similar = most_similar(name, names.iter().map(String::as_str))?;
    Some(format!("did you mean {}?", path.with_file_name(similar).display()))
}
