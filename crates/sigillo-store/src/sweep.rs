//! Removing what no commit names: the permit that it takes, and what dead writers left unfinished.

use sigillo_model::ObjectKey;

use crate::ListedObject;

/// The right to remove content that no commit names, up to the commit that raised the epoch.
///
/// Whoever has one knows that no writer can commit any more what it made before that commit: it
/// would be fenced. Which objects no commit names is for the holder to know.
///
/// Issued in one place only, where the log has committed the higher epoch and read it back; a lint
/// and a test hold everybody to it.
#[derive(Debug)]
pub struct SweepPermit {
    epoch: u64,
    commit: u64,
}

impl SweepPermit {
    /// Says that `epoch` is in force from `commit` on, which is durable and was read back.
    pub fn issue(epoch: u64, commit: u64) -> Self {
        Self { epoch, commit }
    }

    /// Returns the epoch in force.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the commit that put it in force: what a commit up to it names must stay.
    pub fn commit(&self) -> u64 {
        self.commit
    }
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RemoveOutcome {
    /// The object is gone, durably.
    Removed,
    /// There was no such object.
    WasGone,
}

/// What became of the unfinished files of writers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StagingSweep {
    /// Those that are gone, durably.
    pub removed: Vec<ListedObject>,
    /// Whether they were left alone because others write to the store now, or may.
    pub in_use: bool,
}

/// Tells whether `key` is content: what a warrant erases, and a sweep may remove.
pub(crate) fn is_content(key: &ObjectKey) -> bool {
    let parts: Vec<&str> = key.as_str().split('/').collect();
    match parts[..] {
        ["packs", folder, name] => {
            let stem = name.strip_suffix(".zip").or_else(|| name.strip_suffix(".blocks"));
            stem.is_some_and(|stem| stem.starts_with(folder) && is_hex(stem, 64))
                && is_hex(folder, 2)
        }
        ["acts", name] => name.strip_suffix(".json").is_some_and(|stem| is_hex(stem, 32)),
        ["submissions", id, "received.json" | "report.json"] => is_hex(id, 32),
        _ => false,
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packs_bodies_of_acts_and_submissions_are_content() {
        let (name, id) = ("ab".repeat(32), "0".repeat(32));
        for key in [
            format!("packs/ab/{name}.zip"),
            format!("packs/ab/{name}.blocks"),
            format!("acts/{id}.json"),
            format!("submissions/{id}/received.json"),
            format!("submissions/{id}/report.json"),
        ] {
            assert!(is_content(&ObjectKey::listed(key.clone())), "{key}");
        }
        for key in [
            format!("packs/cd/{name}.zip"),
            format!("packs/{name}.zip"),
            format!("packs/ab/{name}.tar"),
            format!("packs/ab/{}.zip", name.to_uppercase()),
            format!("batches/{id}/leaves"),
            format!("batches/{id}/packs.json"),
            format!("sealings/{id}/seal.p7s"),
            format!("submissions/{id}/letter.pdf"),
            format!("submissions/../log/seq/1/{id}"),
            "log/seq/00000000000000000001".to_owned(),
            "archive.json".to_owned(),
        ] {
            assert!(!is_content(&ObjectKey::listed(key.clone())), "{key}");
        }
    }
}
