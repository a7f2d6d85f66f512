//! Looking whether the index of keys has all documents, or lacks some and cannot take them in.

use sigillo_catalogue::KeyIndex;
use sigillo_evidence_log::{Archive, LogError, index_commit};
use sigillo_model::Entry;
use sigillo_store::ReadPool;

use crate::Check;

/// At most so many commits that the index does not have yet are tried.
const TRIED_COMMITS_MAX: u64 = 1000;

/// No further commit is tried once so many documents were.
const TRIED_DOCUMENTS_MAX: u64 = 50_000;

/// What an index has and lacks.
#[derive(Clone, Debug, Default)]
struct Found {
    /// The last commit that it has.
    complete_to: u64,
    documents: u64,
    /// The newest commit of the log.
    head: u64,
    /// The last commit that was tried beyond what it has.
    tried_to: u64,
    /// The first object that could not be read, what is wrong with it, and of how many documents.
    lacks: Option<(String, String, u64)>,
}

/// Compares an index of keys with the log, whose newest commit is `head`, and tries to take in what
/// it lacks, as far as that is quick. The index is one to look at: what is taken in is not kept.
///
/// # Errors
///
/// [`LogError`] if it could not look.
pub async fn check_index(
    archive: &Archive,
    mut index: KeyIndex,
    reads: &ReadPool,
    head: u64,
) -> Result<Check, LogError> {
    let (complete_to, documents) = (index.complete_to(), index.len() as u64);
    let mut tried = 0;
    while index.complete_to() < head.min(complete_to.saturating_add(TRIED_COMMITS_MAX))
        && tried < TRIED_DOCUMENTS_MAX
    {
        let Some(commit) = archive.commit(index.complete_to() + 1).await? else { break };
        tried += commit.entries.iter().map(documents_of).sum::<u64>();
        index_commit(archive, (&mut index, None), reads, &commit).await?;
    }
    let lacks = index.left_out().first().map(|first| {
        let documents = index.left_out().iter().map(|it| it.documents).sum();
        (first.object.clone(), first.what.clone(), documents)
    });
    let tried_to = index.complete_to();
    Ok(judge(&Found { complete_to, documents, head, tried_to, lacks }))
}

fn documents_of(entry: &Entry) -> u64 {
    match entry {
        Entry::BatchCommitted(batch) => batch.documents.into(),
        _ => 0,
    }
}

fn judge(found: &Found) -> Check {
    let (name, Found { complete_to, documents, head, tried_to, lacks }) = ("index", found);
    if let Some((object, what, lacking)) = lacks {
        let lacking = match lacking {
            0 => "some documents".to_owned(),
            1 => "1 document".to_owned(),
            lacking => format!("{lacking} documents"),
        };
        let words = format!(
            "it lacks {lacking} that cannot be read, so that nothing can be ingested ({object}: {what})"
        );
        let mend = format!("bring {object} back from a copy, then: sigillo rebuild");
        return Check::fail(name, words, mend);
    }
    match head.checked_sub(*complete_to) {
        None => Check::warn(
            name,
            format!("it knows commit {complete_to}, but the log ends at {head}: it is of another"),
            "sigillo rebuild",
        ),
        Some(0) => Check::ok(name, format!("it has {documents} documents, up to commit {head}")),
        Some(behind) => {
            let tried = match tried_to.saturating_sub(*complete_to) {
                tried if tried == behind => "all of them can be read".to_owned(),
                tried => {
                    format!("the first {tried} of them can be read, the others were not tried")
                }
            };
            let words = format!(
                "it lacks the newest {behind} commits, which the next command that needs it adds; \
                 {tried}"
            );
            Check::ok(name, words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Health;

    #[track_caller]
    fn check(found: &Found, state: Health, said: &str, mend: Option<&str>) {
        let check = judge(found);
        assert!(check.state == state && check.message.contains(said), "{check:?}");
        assert_eq!(check.mend.is_some(), mend.is_some(), "{check:?}");
        assert!(check.mend.unwrap_or_default().contains(mend.unwrap_or_default()));
    }

    #[test]
    fn an_index_that_lacks_what_it_cannot_take_in_is_told() {
        let whole = Found { complete_to: 9, documents: 5, head: 9, tried_to: 9, lacks: None };
        check(&whole, Health::Ok, "it has 5 documents", None);
        let behind = Found { complete_to: 7, ..whole.clone() };
        check(&behind, Health::Ok, "newest 2 commits", None);
        check(&behind, Health::Ok, "all of them can be read", None);
        let in_part = Found { tried_to: 8, ..behind.clone() };
        check(&in_part, Health::Ok, "the first 1 of them can be read", None);
        let foreign = Found { complete_to: 10, ..whole.clone() };
        check(&foreign, Health::Warn, "knows commit 10", Some("sigillo rebuild"));
        let lacks = Some(("packs/x.zip".to_owned(), "a record in it is damaged".to_owned(), 1));
        let lacking = Found { lacks, ..whole };
        check(&lacking, Health::Fail, "it lacks 1 document", Some("bring packs/x.zip back"));
    }
}
