//! The published cases for proofs: which must hold, and which must be refused.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test says how much it has run")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use sigillo_merkle::{
    ProofError, TreeHash, verify_consistency, verify_inclusion, verify_subtree_consistency,
    verify_subtree_inclusion,
};

use crate::shared::shared_folder;

/// One case; which of the numbers and hashes it has depends on its folder.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    desc: String,
    want_err: bool,
    /// Null where it is empty.
    proof: Option<Vec<String>>,

    leaf_hash: Option<String>,
    leaf_idx: Option<u64>,
    tree_size: Option<u64>,
    root: Option<String>,

    size: Option<u64>,
    size1: Option<u64>,
    size2: Option<u64>,
    root1: Option<String>,
    root2: Option<String>,

    start: Option<u64>,
    end: Option<u64>,
}

/// What became of a case: a verdict, or nothing if a hash in it is not even one.
type Verdict = Option<Result<(), ProofError>>;

impl Case {
    fn path(&self) -> Option<Vec<TreeHash>> {
        self.proof.iter().flatten().map(|hash| TreeHash::from_base64(hash).ok()).collect()
    }

    fn inclusion(&self) -> Verdict {
        let (leaf, root) = (hash(self.leaf_hash.as_ref())?, hash(self.root.as_ref())?);
        let (index, size) = (self.leaf_idx.unwrap(), self.tree_size.unwrap());
        Some(verify_inclusion(leaf, index, &self.path()?, size, root))
    }

    fn consistency(&self) -> Verdict {
        let (old_root, new_root) = (hash(self.root1.as_ref())?, hash(self.root2.as_ref())?);
        let (old_size, new_size) = (self.size1.unwrap(), self.size2.unwrap());
        Some(verify_consistency(old_size, old_root, new_size, new_root, &self.path()?))
    }

    fn subtree_inclusion(&self) -> Verdict {
        let (leaf, root) = (hash(self.leaf_hash.as_ref())?, hash(self.root.as_ref())?);
        let (index, range) = (self.leaf_idx.unwrap(), (self.start.unwrap(), self.end.unwrap()));
        Some(verify_subtree_inclusion(leaf, index, &self.path()?, range, root))
    }

    fn subtree_consistency(&self) -> Verdict {
        let (subtree_root, root) = (hash(self.root1.as_ref())?, hash(self.root2.as_ref())?);
        let (range, size) = ((self.start.unwrap(), self.end.unwrap()), self.size.unwrap());
        Some(verify_subtree_consistency(range, subtree_root, size, root, &self.path()?))
    }
}

fn hash(text: Option<&String>) -> Option<TreeHash> {
    TreeHash::from_base64(text.unwrap()).ok()
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files
}

/// Runs all cases of a folder, and fails unless there are at least `count_min` of them.
fn check_cases(kind: &str, count_min: usize, verdict: impl Fn(&Case) -> Verdict) {
    let Some(folder) = shared_folder(&format!("vectors/tlog/merkle/{kind}")) else { return };
    let (mut hold, mut refused) = (0, 0);
    for file in json_files(&folder) {
        let case: Case = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let verdict = verdict(&case);
        let holds = verdict == Some(Ok(()));
        assert_eq!(holds, !case.want_err, "{} ({}): {verdict:?}", file.display(), case.desc);
        if holds { hold += 1 } else { refused += 1 }
    }
    println!("{kind}: {} cases run, {hold} hold, {refused} are refused", hold + refused);
    assert!(count_min <= hold + refused, "only {hold} + {refused} cases of {kind} were found");
    assert!(0 < hold && 0 < refused, "{kind} has cases of one sort only");
}

#[test]
fn published_inclusion_proofs_are_judged_as_they_should_be() {
    check_cases("inclusion", 49, Case::inclusion);
}

#[test]
fn published_consistency_proofs_are_judged_as_they_should_be() {
    check_cases("consistency", 43, Case::consistency);
}

#[test]
fn published_subtree_inclusion_proofs_are_judged_as_they_should_be() {
    check_cases("subtreeinclusion", 106, Case::subtree_inclusion);
}

#[test]
fn published_subtree_consistency_proofs_are_judged_as_they_should_be() {
    check_cases("subtreeconsistency", 45, Case::subtree_consistency);
}
