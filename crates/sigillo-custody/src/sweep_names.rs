//! What the commits name of content, and what that means for an object that lies in the store.

use std::collections::{BTreeMap, HashSet};

use sigillo_model::{BatchId, Blake3Digest, Entry, ListedPack, ObjectKey, SubmissionId};

/// At most so many packs, and so many submissions, are held in memory at once.
pub const NAMED_MAX: usize = 4_000_000;

/// What the commits up to some number name of content.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The packs of batches, with the commit that names each.
    packs: BTreeMap<Blake3Digest, u64>,
    batches: HashSet<BatchId>,
    received: HashSet<SubmissionId>,
    completed: HashSet<SubmissionId>,
}

/// What an object that lies in the store is to the commits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// A commit names it.
    Named,
    /// No commit names it, and none will: who made it is dead, or fenced once the epoch is raised.
    Unnamed,
    /// The report of a submission whose end is not logged: its ingest may still log it, in any
    /// epoch, under this very name.
    Unfinished,
    /// It is no object of content as the format has them.
    Strange,
}

impl Names {
    /// Takes in an entry of commit `commit`; `packs` are those of its batch, if it is one.
    pub fn take(&mut self, commit: u64, entry: &Entry, packs: &[ListedPack]) {
        match entry {
            Entry::BatchCommitted(batch) => {
                self.batches.insert(batch.batch);
                self.packs.extend(packs.iter().map(|pack| (pack.name, commit)));
            }
            Entry::SubmissionReceived(body) => {
                self.received.insert(body.submission);
            }
            Entry::SubmissionCompleted(body) => {
                self.completed.insert(body.submission);
            }
            _ => {}
        }
    }

    /// Tells whether there are more names than can be held.
    pub fn is_full(&self) -> bool {
        NAMED_MAX < self.packs.len() || NAMED_MAX < self.received.len()
    }

    /// Says what an object is to these commits.
    pub fn standing(&self, key: &ObjectKey) -> Standing {
        let parts: Vec<&str> = key.as_str().split('/').collect();
        let known = |is: bool| if is { Standing::Named } else { Standing::Unnamed };
        match parts[..] {
            ["packs", _, file] => {
                let stem = file.strip_suffix(".zip").or_else(|| file.strip_suffix(".blocks"));
                match stem.and_then(|stem| stem.parse::<Blake3Digest>().ok()) {
                    Some(name) if is_spelt(key, name) => known(self.packs.contains_key(&name)),
                    _ => Standing::Strange,
                }
            }
            ["submissions", id, file] => match (id.parse::<SubmissionId>(), file) {
                (Ok(id), "received.json") => known(self.received.contains(&id)),
                (Ok(id), "report.json") if self.completed.contains(&id) => Standing::Named,
                (Ok(id), "report.json") if self.received.contains(&id) => Standing::Unfinished,
                (Ok(_), "report.json") => Standing::Unnamed,
                _ => Standing::Strange,
            },
            // No entry that this program knows names an act; one that it does not know stops it.
            ["acts", file] => {
                let id = file.strip_suffix(".json").map(str::parse::<sigillo_model::ActId>);
                if matches!(id, Some(Ok(_))) { Standing::Unnamed } else { Standing::Strange }
            }
            _ => Standing::Strange,
        }
    }

    /// Tells whether a batch is in the log.
    pub(crate) fn has_batch(&self, key: &ObjectKey) -> bool {
        let id = key.as_str().split('/').nth(1).and_then(|id| id.parse::<BatchId>().ok());
        id.is_some_and(|id| self.batches.contains(&id))
    }

    /// Returns the packs whose names begin with this byte, with the commits that name them.
    pub(crate) fn packs_of(&self, first_byte: u8) -> impl Iterator<Item = (Blake3Digest, u64)> {
        let mut first = [0; 32];
        let mut last = [u8::MAX; 32];
        (first[0], last[0]) = (first_byte, first_byte);
        let range = Blake3Digest::from_bytes(first)..=Blake3Digest::from_bytes(last);
        self.packs.range(range).map(|(name, commit)| (*name, *commit))
    }
}

fn is_spelt(key: &ObjectKey, name: Blake3Digest) -> bool {
    *key == ObjectKey::pack(name) || *key == ObjectKey::blocks(name)
}

#[cfg(test)]
mod tests {
    use sigillo_model::{BatchCommitted, Sha256Digest, SubmissionCompleted, SubmissionReceived};

    use super::*;

    const COMMIT: u64 = 7;

    fn key(text: &str) -> ObjectKey {
        ObjectKey::listed(text.to_owned())
    }

    fn names() -> Names {
        let digest = Sha256Digest::of(b"");
        let (done, open) = (SubmissionId::from_bytes([1; 16]), SubmissionId::from_bytes([2; 16]));
        let batch = Entry::BatchCommitted(BatchCommitted {
            batch: BatchId::from_bytes([3; 16]),
            documents: 1,
            leaves_sha256: digest,
            order_root: digest,
            packs_sha256: digest,
            root: digest,
            submission: done,
        });
        let pack = ListedPack { documents: 1, name: Blake3Digest::of(b"named"), size: 70_000 };
        let mut names = Names::default();
        names.take(COMMIT, &batch, &[pack]);
        for submission in [done, open] {
            let body = SubmissionReceived { received: 1, received_sha256: digest, submission };
            names.take(COMMIT, &Entry::SubmissionReceived(body), &[]);
        }
        let body = SubmissionCompleted {
            aggregations: 0,
            already: 0,
            archived: 1,
            pending: 0,
            received: 1,
            refused: 0,
            report_sha256: digest,
            submission: done,
        };
        names.take(COMMIT, &Entry::SubmissionCompleted(body), &[]);
        names
    }

    #[test]
    fn what_a_commit_names_stays_and_only_content_as_the_format_has_it_goes() {
        let log = names();
        let (pack, other) = (Blake3Digest::of(b"named"), Blake3Digest::of(b"other"));
        let [done, open, unknown] = [1, 2, 9].map(|byte| SubmissionId::from_bytes([byte; 16]));
        for (key, standing) in [
            (ObjectKey::pack(pack), Standing::Named),
            (ObjectKey::blocks(pack), Standing::Named),
            (ObjectKey::pack(other), Standing::Unnamed),
            (ObjectKey::blocks(other), Standing::Unnamed),
            (ObjectKey::submission_received(done), Standing::Named),
            (ObjectKey::submission_received(open), Standing::Named),
            (ObjectKey::submission_received(unknown), Standing::Unnamed),
            (ObjectKey::submission_report(done), Standing::Named),
            (ObjectKey::submission_report(open), Standing::Unfinished),
            (ObjectKey::submission_report(unknown), Standing::Unnamed),
            (key(&format!("acts/{unknown}.json")), Standing::Unnamed),
            (key("acts/letter.json"), Standing::Strange),
            (key(&format!("submissions/{unknown}/letter.pdf")), Standing::Strange),
            (key(&format!("packs/zz/{other}.zip")), Standing::Strange),
            (key("packs/ab/note.txt"), Standing::Strange),
            (ObjectKey::leaves(BatchId::from_bytes([9; 16])), Standing::Strange),
            (ObjectKey::commit(1), Standing::Strange),
            (ObjectKey::archive(), Standing::Strange),
        ] {
            assert_eq!(log.standing(&key), standing, "{key}");
        }
        assert!(log.has_batch(&ObjectKey::leaves(BatchId::from_bytes([3; 16]))));
        assert!(!log.has_batch(&ObjectKey::leaves(BatchId::from_bytes([9; 16]))));
    }

    #[test]
    fn packs_are_found_by_their_first_byte() {
        let log = names();
        let pack = Blake3Digest::of(b"named");
        let found: Vec<_> = (0..=u8::MAX).flat_map(|byte| log.packs_of(byte)).collect();
        assert_eq!(found, [(pack, COMMIT)]);
        assert_eq!(log.packs_of(pack.as_bytes()[0]).count(), 1);
    }
}
