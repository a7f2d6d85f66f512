//! A checker that reads the files of an archive by itself, with nothing of ours but Merkle trees.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::Path,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use sigillo_merkle::{TreeHash, leaf_hash, root_of};

use crate::site::{SeenCheckpoint, files};

/// What an archive holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examined {
    /// The documents of all batches, in order.
    pub(crate) leaves: Vec<[u8; 32]>,
    /// The lines of all commits, in order.
    entries: Vec<TreeHash>,
    pub(crate) packs: BTreeSet<String>,
    /// Finished packs that no batch names.
    pub(crate) orphans: usize,
    pub(crate) problems: Vec<String>,
}

impl Examined {
    /// Reads commits, batches and packs of an archive.
    pub(crate) fn of(archive: &Path) -> Self {
        let mut examined = Self::default();
        examined.read_commits(archive);
        let distinct: HashSet<&[u8; 32]> = examined.leaves.iter().collect();
        if distinct.len() != examined.leaves.len() {
            examined.problem("a document is in the log twice".to_owned());
        }
        for path in files(&archive.join("packs")) {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".zip") {
                examined.orphans += usize::from(!examined.packs.contains(name));
            }
        }
        examined
    }

    /// Says in what a checkpoint contradicts the commits, if it does.
    pub(crate) fn contradiction(&self, checkpoint: &SeenCheckpoint) -> Option<String> {
        let SeenCheckpoint { place, size, root } = checkpoint;
        let length = usize::try_from(*size).unwrap_or(usize::MAX);
        let Some(entries) = self.entries.get(..length) else {
            let count = self.entries.len();
            return Some(format!("{place} states {size} entries, the commits have {count}"));
        };
        let computed = root_of(entries.iter().copied()).to_string();
        (computed != *root)
            .then(|| format!("{place} states another root over {size} entries: {root}, {computed}"))
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn read_commits(&mut self, archive: &Path) {
        let mut previous = String::new();
        let paths = files(&archive.join("log/seq"));
        let commits = paths.iter().filter(|path| !path.to_string_lossy().contains('#'));
        for (number, path) in (1..).zip(commits) {
            if !path.ends_with(format!("{number:020}")) {
                self.problem(format!("{} is not commit {number}", path.display()));
            }
            let bytes = fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((lines, signatures)) = text.split_once("\n\n") else {
                self.problem(format!("commit {number} is no note"));
                continue;
            };
            if !signatures.starts_with('—') || !signatures.ends_with('\n') {
                self.problem(format!("commit {number} is not signed"));
            }
            let values: Vec<Value> =
                lines.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
            self.check_header(number, values.first().unwrap_or(&Value::Null), &previous);
            self.entries.extend(lines.lines().map(|line| leaf_hash(line.as_bytes())));
            for value in values.iter().filter(|value| value["type"] == "batch.committed") {
                self.read_batch(archive, value);
            }
            previous = sha256_hex(&bytes);
        }
    }

    fn check_header(&mut self, number: u64, header: &Value, previous: &str) {
        let root = root_of(self.entries.iter().copied()).to_string();
        if header["commit"] != number
            || header["first_leaf"] != self.entries.len()
            || header["root"] != root
        {
            self.problem(format!("the header of commit {number} does not fit what is before it"));
        }
        if number > 1 && header["previous"] != previous {
            self.problem(format!("commit {number} does not follow the one before it"));
        }
    }

    fn read_batch(&mut self, archive: &Path, entry: &Value) {
        let batch = entry["batch"].as_str().unwrap_or_default().to_owned();
        let folder = archive.join("batches").join(&batch);
        let bytes = fs::read(folder.join("leaves")).unwrap_or_default();
        let list = fs::read(folder.join("packs.json")).unwrap_or_default();
        let (leaves, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || entry["documents"] != leaves.len() {
            self.problem(format!("batch {batch} has another number of leaves"));
        }
        let order_root = root_of(leaves.iter().map(|leaf| leaf_hash(leaf))).to_string();
        if entry["order_root"] != order_root
            || entry["root"] != evidence_root(leaves)
            || entry["leaves_sha256"] != sha256_hex(&bytes)
        {
            self.problem(format!("batch {batch} has other leaves"));
        }
        if entry["packs_sha256"] != sha256_hex(&list) {
            self.problem(format!("batch {batch} has another list of packs"));
        }
        self.leaves.extend(leaves);
        let list: Value = serde_json::from_slice(&list).unwrap_or_default();
        for pack in list["packs"].as_array().into_iter().flatten() {
            let name = pack["name"].as_str().unwrap_or_default().to_owned();
            self.read_pack(archive, &name, pack["size"].as_u64());
            if !self.packs.insert(name) {
                self.problem(format!("batch {batch} names a pack of another one"));
            }
        }
    }

    fn read_pack(&mut self, archive: &Path, name: &str, size: Option<u64>) {
        let folder = name.get(..2).unwrap_or_default();
        let path = archive.join("packs").join(folder).join(format!("{name}.zip"));
        let Ok(bytes) = fs::read(&path) else {
            return self.problem(format!("pack {name} is missing"));
        };
        if size != u64::try_from(bytes.len()).ok() || blake3::hash(&bytes).to_hex().as_str() != name
        {
            self.problem(format!("pack {name} has other bytes"));
        }
    }
}

/// The root of the tree of the evidence: nodes over sorted pairs, an odd node rises.
fn evidence_root(leaves: &[[u8; 32]]) -> String {
    let mut row = leaves.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).map(evidence_node).collect();
    }
    row.first().map(|root| TreeHash::from_bytes(*root).to_string()).unwrap_or_default()
}

fn evidence_node(pair: &[[u8; 32]]) -> [u8; 32] {
    let mut pair = pair.to_vec();
    pair.sort_unstable();
    if let [only] = pair[..] { only } else { Sha256::digest(pair.concat()).into() }
}

fn sha256_hex(bytes: &[u8]) -> String {
    TreeHash::from_bytes(Sha256::digest(bytes).into()).to_string()
}
