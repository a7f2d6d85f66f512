//! Batches: complete, from the entry of the log down to the bytes of every file.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{Sha256Digest, VersionId};

use super::{
    Acknowledged, Invariant, ReplayedLog, Snapshot, Violation,
    log::{digest_text, text},
    zip::{ZipEntry, read_zip},
};

type Hash = [u8; 32];

/// A document that was found in a pack of a committed batch, every hash of it computed again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FoundDocument {
    pub(super) path: String,
    pub(super) sha256: Sha256Digest,
}

/// I2: every batch that a commit names is complete. Returns what is in those that are.
pub(super) fn check_batches(
    snapshot: &Snapshot,
    log: &ReplayedLog,
    violations: &mut Vec<Violation>,
) -> BTreeMap<VersionId, FoundDocument> {
    let mut found = BTreeMap::new();
    for entry in log.entries_of("batch.committed") {
        match read_batch(snapshot, &entry.body) {
            Ok(documents) => {
                for (version, document) in documents {
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

fn read_batch(
    snapshot: &Snapshot,
    body: &Value,
) -> Result<Vec<(VersionId, FoundDocument)>, String> {
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
) -> Result<Vec<(VersionId, FoundDocument)>, String> {
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
    documents.map(|(version, it)| (it.path, Acknowledged { version, sha256: it.sha256 })).collect()
}

/// Reads the documents of a pack, or nothing unless every one of them proves itself.
fn documents_of(pack: &[u8]) -> Option<Vec<(VersionId, FoundDocument)>> {
    let entries = read_zip(pack)?;
    let (pairs, rest) = entries.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    pairs.iter().map(|[file, record]| document_of(file, record)).collect()
}

fn document_of(file: &ZipEntry<'_>, record: &ZipEntry<'_>) -> Option<(VersionId, FoundDocument)> {
    let version_text = record.name.strip_suffix("/record.json")?;
    if !file.name.starts_with(&format!("{version_text}/1")) {
        return None;
    }
    let (file_hash, record_hash) = (sha256(&[file.bytes]), sha256(&[record.bytes]));
    let version = VersionId::from_bytes(pair(file_hash, record_hash));
    let body: Value = serde_json::from_slice(record.bytes).ok()?;
    let sha256 = Sha256Digest::from_bytes(file_hash);
    let stated = body["files"].as_array().filter(|files| files.len() == 1)?.first()?;
    let proven = version.to_string() == version_text
        && text(stated, "sha256") == sha256.to_string()
        && stated["size"] == file.bytes.len();
    let path = text(&body["key"], "path").to_owned();
    proven.then_some((version, FoundDocument { path, sha256 }))
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
