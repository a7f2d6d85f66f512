//! Batches: complete, from the entry of the log down to the bytes of every file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{DocumentKey, Sha256Digest, VersionId};

use super::{
    Acknowledged, Invariant, ReplayedLog, Snapshot, Violation,
    log::{digest_text, text},
    zip::{ZipEntry, read_zip},
};

type Hash = [u8; 32];

/// A version that was found in a pack of a committed batch, every hash of it computed again.
#[derive(Clone, Debug)]
pub(super) struct FoundVersion {
    /// The commit of its batch; 0 outside any.
    pub(super) commit: u64,
    pub(super) key: DocumentKey,
    /// SHA-256 of the first file that its record lists.
    pub(super) sha256: Sha256Digest,
    /// SHA-256 of the files that lie with it.
    pub(super) held: BTreeSet<String>,
    /// The one file of an aggregation.
    pub(super) members: Option<BTreeSet<String>>,
    pub(super) record: Value,
}

impl FoundVersion {
    pub(super) fn number(&self) -> u64 {
        self.record["version"].as_u64().unwrap_or(0)
    }

    /// Returns what the version is called outside.
    pub(super) fn label(&self) -> String {
        label(&self.key, u32::try_from(self.number()).unwrap_or(0))
    }
}

/// Returns what a version of a document is called outside the archive.
pub fn label(key: &DocumentKey, number: u32) -> String {
    format!("{key}, version {number}")
}

/// I2: every batch that a commit names is complete. Returns what is in those that are.
pub(super) fn check_batches(
    snapshot: &Snapshot,
    log: &ReplayedLog,
    violations: &mut Vec<Violation>,
) -> BTreeMap<VersionId, FoundVersion> {
    let mut found = BTreeMap::new();
    for entry in log.entries_of("batch.committed") {
        match read_batch(snapshot, &entry.body) {
            Ok(documents) => {
                for (version, mut document) in documents {
                    document.commit = entry.commit;
                    if found.insert(version, document).is_some() {
                        let message = format!("version {version} is in the archive twice");
                        violations.push(Violation::new(Invariant::NoHalfBatch, message));
                    }
                }
            }
            Err(message) => {
                let (batch, commit) = (text(&entry.body, "batch"), entry.commit);
                let message = format!("batch {batch} of commit {commit}: {message}");
                violations.push(Violation::new(Invariant::NoHalfBatch, message));
            }
        }
    }
    found
}

fn read_batch(snapshot: &Snapshot, body: &Value) -> Result<Vec<(VersionId, FoundVersion)>, String> {
    let folder = format!("batches/{}", text(body, "batch"));
    let read = |name: &str, member: &str| {
        let bytes = snapshot.get(&format!("{folder}/{name}")).ok_or(format!("no {name}"))?;
        if Sha256Digest::of(bytes).to_string() != text(body, member) {
            return Err(format!("{name} is not the one that the log names"));
        }
        Ok(bytes)
    };
    let (leaves, rest) = read("leaves", "leaves_sha256")?.as_chunks::<32>();
    if !rest.is_empty() || body["documents"] != leaves.len() {
        return Err("it has another number of leaves".to_owned());
    }
    let order_root = root_of(leaves.iter().map(|leaf| leaf_hash(leaf)));
    if digest_text(order_root) != text(body, "order_root") {
        return Err("its leaves do not give the order root".to_owned());
    }
    let root = evidence_root(leaves.to_vec()).ok_or("it has no leaves")?;
    if Sha256Digest::from_bytes(root).to_string() != text(body, "root") {
        return Err("its leaves do not give the evidence root".to_owned());
    }
    let list: Value = serde_json::from_slice(read("packs.json", "packs_sha256")?)
        .map_err(|error| error.to_string())?;
    let mut documents = Vec::new();
    for pack in list["packs"].as_array().ok_or("its list has no packs")? {
        let before = documents.len();
        documents.extend(read_listed_pack(snapshot, pack)?);
        if pack["documents"] != documents.len() - before {
            return Err("a pack holds another number of documents".to_owned());
        }
    }
    if !documents.iter().map(|(version, _)| version.as_bytes()).eq(leaves) {
        return Err("its packs hold other documents than its leaves".to_owned());
    }
    Ok(documents)
}

fn read_listed_pack(
    snapshot: &Snapshot,
    pack: &Value,
) -> Result<Vec<(VersionId, FoundVersion)>, String> {
    let name = text(pack, "name");
    let key = format!("packs/{}/{name}.zip", name.get(..2).unwrap_or_default());
    let bytes = snapshot.get(&key).ok_or(format!("no {key}"))?;
    if pack["size"] != bytes.len() || blake3::hash(bytes).to_hex().as_str() != name {
        return Err(format!("{key} is not the pack of that name"));
    }
    documents_of(bytes).ok_or(format!("{key} is no pack of whole documents"))
}

/// Lists what lies in packs, whether or not any commit names them: for harnesses that acknowledge too
/// early on purpose.
pub fn packed(snapshot: &Snapshot) -> Vec<(String, Acknowledged)> {
    let packs = snapshot.below("packs").filter_map(|(_, bytes)| documents_of(bytes));
    let documents = packs.flatten();
    let acknowledge = |version, sha256| Acknowledged { version, sha256 };
    documents.map(|(version, it)| (it.label(), acknowledge(version, it.sha256))).collect()
}

/// Reads the versions of a pack, or nothing unless every one of them proves itself.
fn documents_of(pack: &[u8]) -> Option<Vec<(VersionId, FoundVersion)>> {
    let entries = read_zip(pack)?;
    let folder = |entry: &ZipEntry<'_>| entry.name.split('/').next().map(str::to_owned);
    let groups = entries.chunk_by(|one, next| folder(one) == folder(next));
    let versions = groups.map(version_of).collect::<Option<Vec<_>>>()?;
    (!versions.is_empty()).then_some(versions)
}

fn version_of(entries: &[ZipEntry<'_>]) -> Option<(VersionId, FoundVersion)> {
    let (record, files) = entries.split_last()?;
    let version_text = record.name.strip_suffix("/record.json")?;
    let body: Value = serde_json::from_slice(record.bytes).ok()?;
    let (listed, mut own) = (body["files"].as_array()?, files.iter());
    let mut hashes = vec![sha256(&[record.bytes])];
    let mut held = BTreeSet::new();
    for (position, stated) in (1..).zip(listed) {
        let mut hash = [0; 32];
        hex::decode_to_slice(text(stated, "sha256"), &mut hash).ok()?;
        hashes.push(hash);
        if stated["stored_in"].is_string() {
            continue;
        }
        let file = own.next()?;
        let name = file.name.strip_prefix(&format!("{version_text}/{position}"))?;
        if !(name.is_empty() || name.starts_with('.')) || sha256(&[file.bytes]) != hash {
            return None;
        }
        if stated["size"] != file.bytes.len() {
            return None;
        }
        held.insert(text(stated, "sha256").to_owned());
    }
    let first = Sha256Digest::from_bytes(*hashes.get(1)?);
    hashes.sort_unstable();
    let version = VersionId::from_bytes(sha256(&[hashes.as_flattened()]));
    if own.next().is_some() || version.to_string() != version_text {
        return None;
    }
    let key = serde_json::from_value(body["key"].clone()).ok()?;
    let members = match text(&body, "kind") {
        "aggregation" => Some(serde_json::from_slice(files.first()?.bytes).ok()?),
        _ => None,
    };
    let found = FoundVersion { commit: 0, key, sha256: first, held, members, record: body };
    Some((version, found))
}

/// The binary tree of RFC 4998: pairs sorted, an odd last node rises unchanged.
fn evidence_root(mut level: Vec<Hash>) -> Option<Hash> {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|nodes| if let [left, right] = nodes { pair(*left, *right) } else { nodes[0] })
            .collect();
    }
    level.first().copied()
}

fn pair(a: Hash, b: Hash) -> Hash {
    sha256(&[&a.min(b), &a.max(b)])
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
