//! Lists of objects that prove documents, with their SHA-512: what hash trees cover beside the
//! documents. They are spelt as `sha512sum --check` reads them.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use sigillo_model::{
    BatchesSealed, Finding, FindingCode, HASH_TREE_LISTS_MAX, HashTree, ObjectKey, RenewalId,
    Sha256Digest, Sha512Digest, to_canonical,
};
use sigillo_store::StoreError;

use crate::{
    Archive, BatchObjectError, COMMIT_BYTES_MAX, Chains, LogError, LogView, LogWriter,
    audit::causes_of,
    batch_objects::{NOT_AN_OBJECT, read_object_list},
    sealing::create_fresh,
};

/// At most this many objects stand in one list.
const LIST_OBJECTS_MAX: usize = 100_000;

/// At most this many objects are read at once.
const OBJECTS_AHEAD_MAX: usize = 8;

/// At most this many objects are taken from one folder whose objects the log does not name.
const LISTED_MAX: usize = 100_000;

/// Longest key in a list, in bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Hash trees that lack only their time-stamp.
#[derive(Clone, Copy, Debug)]
pub struct UnstampedTree<'a> {
    /// The tree. The leaves that it names are in the store.
    pub tree: &'a HashTree,
    /// The lists that it names, in their order; they are in the store once it is stamped.
    pub lists: &'a [Bytes],
    /// How many documents are in it.
    pub documents: u64,
}

impl UnstampedTree<'_> {
    /// Stores lists and tree. Only now: each attempt has a name of its own, and while no authority helps
    /// every one of them would leave lists that nothing names.
    pub(crate) async fn store(&self, log: &LogWriter) -> Result<Sha256Digest, LogError> {
        let renewal = self.tree.renewal;
        for (number, list) in (1..).zip(self.lists) {
            let key = ObjectKey::hash_tree_objects(renewal, number);
            create_fresh(log, key, list.clone()).await?;
        }
        let bytes = to_canonical(self.tree);
        let sha256 = Sha256Digest::of(&bytes);
        create_fresh(log, ObjectKey::hash_tree(renewal), bytes).await?;
        Ok(sha256)
    }
}

/// Makes the lists of a hash-tree renewal, and says what could not be listed. Stores nothing.
///
/// # Errors
///
/// [`LogError`] if the store did not answer.
pub async fn list_objects(
    archive: &Archive,
    (view, chains): (&LogView, &Chains),
) -> Result<(Vec<Bytes>, Vec<Finding>), LogError> {
    let keys = keys_of(archive, view, chains).await?;
    lists_of(archive, keys).await
}

/// As [`list_objects`], of what proves the documents of one sealing to be in the log: the description
/// of the archive, the commits that the sealing covers, leaves and pack lists of their batches.
///
/// # Errors
///
/// As [`list_objects`].
pub async fn list_sealed_objects(
    archive: &Archive,
    (view, sealing): (&LogView, &BatchesSealed),
) -> Result<(Vec<Bytes>, Vec<Finding>), LogError> {
    let mut keys = vec![ObjectKey::archive()];
    keys.extend((sealing.after + 1..=sealing.through).map(ObjectKey::commit));
    for batch in view.batches_of(sealing) {
        let batch = batch.body.batch;
        keys.extend([ObjectKey::leaves(batch), ObjectKey::pack_list(batch)]);
    }
    lists_of(archive, keys).await
}

async fn lists_of(
    archive: &Archive,
    keys: Vec<ObjectKey>,
) -> Result<(Vec<Bytes>, Vec<Finding>), LogError> {
    let (mut lists, mut findings) = (Vec::new(), Vec::new());
    for keys in keys.chunks(LIST_OBJECTS_MAX) {
        let lines: Vec<Result<String, Finding>> = stream::iter(keys)
            .map(|key| async move { line_of(archive, key).await })
            .buffered(OBJECTS_AHEAD_MAX)
            .try_collect()
            .await?;
        let mut list = String::new();
        for line in lines {
            match line {
                Ok(line) => list.push_str(&line),
                Err(finding) => findings.push(finding),
            }
        }
        lists.push(Bytes::from(list));
    }
    Ok((lists, findings))
}

/// Returns the keys of all objects that prove documents, as far as a view goes.
async fn keys_of(
    archive: &Archive,
    view: &LogView,
    chains: &Chains,
) -> Result<Vec<ObjectKey>, LogError> {
    let mut keys = vec![ObjectKey::archive()];
    keys.extend((1..=view.head).map(ObjectKey::commit));
    for batch in &view.batches {
        let batch = batch.body.batch;
        keys.extend([ObjectKey::leaves(batch), ObjectKey::pack_list(batch)]);
    }
    for sealing in &view.sealings {
        let sealing = sealing.body.sealing;
        keys.extend([ObjectKey::statement(sealing), ObjectKey::seal(sealing)]);
    }
    for stamp in &view.stamps {
        let body = &stamp.body;
        keys.push(ObjectKey::token(body.sealing, &body.line, body.token_sha256));
        keys.extend(body.tree.iter().map(|tree| ObjectKey::hash_tree(tree.renewal)));
    }
    let first = chains.first_trees().filter_map(|(_, made)| made.as_ref().ok());
    keys.extend(first.flat_map(|made| keys_under(&made.tree)));
    for renewal in &view.renewals {
        let renewal = renewal.body.renewal;
        keys.extend([ObjectKey::renewal_members(renewal), ObjectKey::renewal_token(renewal)]);
    }
    for (rehash, made) in view.rehashes.iter().zip(chains.rehashes()) {
        let renewal = rehash.body.renewal;
        keys.extend([ObjectKey::hash_tree(renewal), ObjectKey::renewal_token(renewal)]);
        keys.extend(made.iter().flat_map(|made| keys_under(&made.tree)));
    }
    for logged in &view.successions {
        let (body, generation) = (&logged.body, logged.body.succession.generation);
        keys.push(ObjectKey::succession_act(generation, body.act_sha256));
        keys.push(ObjectKey::succession_signature(generation, body.signature_sha256));
    }
    let logs = 1..=view.generation();
    let mut folders: Vec<_> = logs
        .flat_map(|it| [ObjectKey::cosignatures(it), ObjectKey::anchors(it)])
        .map(|key| key.to_string())
        .collect();
    let sealings = view.sealings.iter().map(|it| it.body.sealing);
    folders.extend(sealings.map(|sealing| format!("sealings/{sealing}/validation")));
    let renewals = view.renewals.iter().map(|it| it.body.renewal);
    let renewals = renewals.chain(view.rehashes.iter().map(|it| it.body.renewal));
    folders.extend(renewals.map(|renewal| format!("renewals/{renewal}/validation")));
    for folder in folders {
        let listed = archive.store().list(&folder, LISTED_MAX).await;
        let mut listed: Vec<_> = listed
            .map_err(LogError::store("listing evidence"))?
            .into_iter()
            .map(|listed| listed.key)
            .collect();
        listed.sort_unstable();
        keys.extend(listed);
    }
    Ok(keys)
}

/// Returns the keys of the objects that hash trees consist of.
fn keys_under(tree: &HashTree) -> impl Iterator<Item = ObjectKey> {
    let batches = tree.sealings.iter().flat_map(|sealing| &sealing.batches);
    let leaves = batches.filter_map(|batch| batch.leaves).map(ObjectKey::hash_tree_leaves);
    let lists = 1..=tree.objects.len() as u64;
    leaves.chain(lists.map(|number| ObjectKey::hash_tree_objects(tree.renewal, number)))
}

/// Reads an object and spells its line; a finding if it is known not to be there.
async fn line_of(archive: &Archive, key: &ObjectKey) -> Result<Result<String, Finding>, LogError> {
    let read = digest_of(archive, key).await;
    Ok(match read.map_err(LogError::store("reading evidence"))? {
        Ok(digest) => Ok(format!("{digest}  {key}\n")),
        Err(message) => {
            let message = format!("the new hash trees do not cover it: {message}");
            Err(Finding::new(FindingCode::NotRead, key, message))
        }
    })
}

/// Reads the digest of an object, or says what is known to be there in its place; an error if the store
/// does not give it now.
async fn digest_of(
    archive: &Archive,
    key: &ObjectKey,
) -> Result<Result<Sha512Digest, &'static str>, StoreError> {
    match archive.store().read(key, COMMIT_BYTES_MAX).await {
        Ok(bytes) => Ok(Ok(Sha512Digest::of(&bytes))),
        Err(StoreError::NotFound { .. }) => Ok(Err("it is not in the store")),
        Err(StoreError::TooLarge { .. }) => Ok(Err("it is larger than it can be")),
        Err(StoreError::NotAnObject { .. }) => Ok(Err(NOT_AN_OBJECT)),
        Err(error) => Err(error),
    }
}

/// Compares every object in the lists under hash trees with what it was; `lists` are their SHA-512. What
/// is damaged is a finding of `code`.
///
/// # Errors
///
/// [`LogError`] if the store did not answer; damage is a finding.
pub async fn check_objects(
    archive: &Archive,
    (renewal, lists): (RenewalId, &[Sha512Digest]),
    code: FindingCode,
) -> Result<Vec<Finding>, LogError> {
    let mut findings = Vec::new();
    let damaged = |key: &ObjectKey, what: &str| Finding::new(code, key, what);
    for (number, digest) in (1..).zip(lists.iter().take(HASH_TREE_LISTS_MAX)) {
        let key = ObjectKey::hash_tree_objects(renewal, number);
        let list = (renewal, number);
        let bytes = match read_object_list(archive.store(), list, *digest).await {
            Ok(bytes) => bytes,
            Err(BatchObjectError::Damaged { what }) => {
                findings.push(damaged(&key, what));
                continue;
            }
            Err(BatchObjectError::Store(error)) => {
                let message = format!("it could not be read: {}", causes_of(&error));
                findings.push(Finding::new(FindingCode::NotRead, &key, message));
                continue;
            }
        };
        let Some(listed) = parse_list(&bytes) else {
            findings.push(damaged(&key, "it is no list of objects"));
            continue;
        };
        let checked: Vec<Option<Finding>> = stream::iter(listed)
            .map(|(digest, key)| async move {
                let (code, what) = match digest_of(archive, &key).await {
                    Ok(Ok(found)) if found == digest => return None,
                    Ok(Ok(_)) => (code, "its bytes are not those that hash trees cover".to_owned()),
                    Ok(Err(what)) => (code, format!("hash trees cover it, and {what}")),
                    Err(error) => {
                        let what = format!("it could not be read: {}", causes_of(&error));
                        (FindingCode::NotRead, what)
                    }
                };
                Some(Finding::new(code, &key, what))
            })
            .buffered(OBJECTS_AHEAD_MAX)
            .collect()
            .await;
        findings.extend(checked.into_iter().flatten());
    }
    Ok(findings)
}

/// Reads the lines of a list.
fn parse_list(bytes: &[u8]) -> Option<Vec<(Sha512Digest, ObjectKey)>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.is_empty() && !text.ends_with('\n') {
        return None;
    }
    let line = |line: &str| {
        let (digest, key) = line.split_once("  ")?;
        let is_plain = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let fits = key.len() <= KEY_BYTES_MAX && key.split('/').all(is_plain);
        Some((digest.parse().ok()?, ObjectKey::listed(fits.then(|| key.to_owned())?)))
    };
    let lines: Option<Vec<_>> = text.lines().map(line).collect();
    lines.filter(|lines| lines.len() <= LIST_OBJECTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_is_spelt_and_leads_nowhere_else() {
        let digest = Sha512Digest::of(b"uno");
        let good = format!("{digest}  log/seq/00000000000000000001\n");
        let key = ObjectKey::commit(1);
        assert_eq!(parse_list(good.as_bytes()), Some(vec![(digest, key)]));
        assert_eq!(parse_list(b""), Some(Vec::new()));
        for bad in ["/etc/passwd", "../x", "a//b", "a/../b", "", "a b", "a\\b"] {
            assert_eq!(parse_list(format!("{digest}  {bad}\n").as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_list(good.trim_end().as_bytes()), None, "no newline at its end");
        assert_eq!(parse_list(format!("{digest} log/seq\n").as_bytes()), None, "one space");
    }
}
