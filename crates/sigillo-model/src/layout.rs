//! The keys of an archive's objects, as `docs/format.md` lists them.

use std::fmt;

use crate::{
    ActId, BatchId, Blake3Digest, RenewalId, SealingId, Sha256Digest, SubmissionId, ValidationOf,
};

/// The key of one stored object: a relative path of plain ASCII, never from outside.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The note for readers without Sigillo.
    pub fn readme() -> Self {
        Self("README.txt".to_owned())
    }

    /// The description of the archive.
    pub fn archive() -> Self {
        Self("archive.json".to_owned())
    }

    /// Commit `number` of the log, from 1.
    pub fn commit(number: u64) -> Self {
        Self(format!("log/seq/{number:020}"))
    }

    /// The newest published checkpoint of the first log.
    pub fn checkpoint() -> Self {
        Self::checkpoint_of(1)
    }

    /// The newest published checkpoint of the log of a generation, from 1.
    pub fn checkpoint_of(generation: u64) -> Self {
        Self(format!("{}/checkpoint", folder_of_log(generation)))
    }

    /// The folder of the cosigned checkpoints of the log of a generation.
    pub fn cosignatures(generation: u64) -> Self {
        Self(format!("{}/cosignatures", folder_of_log(generation)))
    }

    /// The checkpoint of `size` entries with the cosignature of one witness; `witness` is SHA-256 of
    /// the text of its verifier key.
    pub fn cosignature(generation: u64, size: u64, witness: Sha256Digest) -> Self {
        Self(format!("{}/cosignatures/{size}/{witness}", folder_of_log(generation)))
    }

    /// The same where something else lies under `key`, the name of a cosignature; `own` is SHA-256 of its
    /// bytes.
    pub fn cosignature_beside(key: &Self, own: Sha256Digest) -> Self {
        Self(format!("{key}-{own}"))
    }

    /// Tells whether this is the name of a cosignature beside `key`.
    pub fn is_beside_cosignature(&self, key: &Self) -> bool {
        self.0.strip_prefix(&key.0).is_some_and(|rest| rest.starts_with('-'))
    }

    /// The folder of the time-stamps over checkpoints of the log of a generation.
    pub fn anchors(generation: u64) -> Self {
        Self(format!("{}/anchors", folder_of_log(generation)))
    }

    /// A time-stamp over the checkpoint of `size` entries; `token` is SHA-256 of its bytes.
    pub fn anchor(generation: u64, size: u64, token: Sha256Digest) -> Self {
        Self(format!("{}/anchors/{size}/{token}.tst", folder_of_log(generation)))
    }

    /// A tile or entry bundle of the first log; `path` is its C2SP path, `tile/…`.
    pub fn tile(path: &str) -> Self {
        Self::tile_of(1, path)
    }

    /// A tile or entry bundle of the log of a generation, from 1.
    pub fn tile_of(generation: u64, path: &str) -> Self {
        Self(format!("{}/{path}", folder_of_log(generation)))
    }

    /// The act by which the log of a generation, from 2, began; `act` is SHA-256 of its bytes.
    pub fn succession_act(generation: u64, act: Sha256Digest) -> Self {
        Self(format!("{}/succession/{act}.json", folder_of_log(generation)))
    }

    /// The signature over that act; `signature` is SHA-256 of its bytes.
    pub fn succession_signature(generation: u64, signature: Sha256Digest) -> Self {
        Self(format!("{}/succession/{signature}.p7s", folder_of_log(generation)))
    }

    /// The leaves of a batch.
    pub fn leaves(batch: BatchId) -> Self {
        Self(format!("batches/{batch}/leaves"))
    }

    /// The list of packs of a batch.
    pub fn pack_list(batch: BatchId) -> Self {
        Self(format!("batches/{batch}/packs.json"))
    }

    /// The statement of a sealing.
    pub fn statement(sealing: SealingId) -> Self {
        Self(format!("sealings/{sealing}/statement.json"))
    }

    /// The seal over a statement.
    pub fn seal(sealing: SealingId) -> Self {
        Self(format!("sealings/{sealing}/seal.p7s"))
    }

    /// A time-stamp token of a sealing on an evidence line.
    pub fn token(sealing: SealingId, line: &str, token: Sha256Digest) -> Self {
        Self(format!("sealings/{sealing}/lines/{line}/{token}.tst"))
    }

    /// A token of a sealing as its authority gave it, beside that into which more was filled.
    pub fn received_token(sealing: SealingId, line: &str, token: Sha256Digest) -> Self {
        Self(format!("sealings/{sealing}/lines/{line}/{token}.received"))
    }

    /// The siblings that lead from a sealing's value to the token's imprint.
    pub fn token_path(sealing: SealingId, line: &str, token: Sha256Digest) -> Self {
        Self(format!("sealings/{sealing}/lines/{line}/{token}.path"))
    }

    /// What a renewal covers.
    pub fn renewal_members(renewal: RenewalId) -> Self {
        Self(format!("renewals/{renewal}/members.json"))
    }

    /// The time-stamp token of a renewal.
    pub fn renewal_token(renewal: RenewalId) -> Self {
        Self(format!("renewals/{renewal}/token.tst"))
    }

    /// The token of a renewal as its authority gave it, beside that into which more was filled.
    pub fn renewal_received_token(renewal: RenewalId) -> Self {
        Self(format!("renewals/{renewal}/token.received"))
    }

    /// What a hash-tree renewal covers.
    pub fn hash_tree(renewal: RenewalId) -> Self {
        Self(format!("renewals/{renewal}/tree.json"))
    }

    /// The leaves that a hash-tree renewal made of a batch, by the SHA-256 of their bytes: whoever begins
    /// anew finds those that were made already.
    pub fn hash_tree_leaves(leaves: Sha256Digest) -> Self {
        Self(format!("renewals/leaves/{leaves}"))
    }

    /// List `number`, from 1, of objects and their SHA-512, under a hash-tree renewal.
    pub fn hash_tree_objects(renewal: RenewalId, number: u64) -> Self {
        Self(format!("renewals/{renewal}/objects-{number}.sha512"))
    }

    /// A revocation list or an OCSP response that was gathered for a sealing or a renewal.
    pub fn validation(of: impl Into<ValidationOf>, evidence: Sha256Digest) -> Self {
        Self(format!("{}/validation/{evidence}", folder_of(of.into())))
    }

    /// List `number` of what was gathered for a sealing or a renewal, from 1.
    pub fn validation_list(of: impl Into<ValidationOf>, number: u64) -> Self {
        Self(format!("{}/validation/{number:020}.json", folder_of(of.into())))
    }

    /// A pack.
    pub fn pack(name: Blake3Digest) -> Self {
        let name = name.to_string();
        Self(format!("packs/{}/{name}.zip", &name[..2]))
    }

    /// The 64 KiB block values of a pack.
    pub fn blocks(name: Blake3Digest) -> Self {
        let name = name.to_string();
        Self(format!("packs/{}/{name}.blocks", &name[..2]))
    }

    /// The erasable body of a log entry.
    pub fn act(act: ActId) -> Self {
        Self(format!("acts/{act}.json"))
    }

    /// What says where the documents of a submission came from.
    pub fn submission_received(submission: SubmissionId) -> Self {
        Self(format!("submissions/{submission}/received.json"))
    }

    /// The report of a submission: what was received and what became of it.
    pub fn submission_report(submission: SubmissionId) -> Self {
        Self(format!("submissions/{submission}/report.json"))
    }

    /// Version `number` of the log of a table of the catalogue, from 0.
    pub fn table_version(table: &str, number: u64) -> Self {
        Self(format!("catalogue/{table}/_delta_log/{number:020}.json"))
    }

    /// A segment of a table of the catalogue, by its name within the table.
    pub fn table_segment(table: &str, name: &str) -> Self {
        Self(format!("catalogue/{table}/{name}"))
    }

    /// An object of the probe that a store must pass before it is written to.
    pub fn probe(attempt: &str, step: &str) -> Self {
        Self(format!("probe/{attempt}/{step}"))
    }

    /// A key as a listing of the store returned it.
    pub fn listed(path: String) -> Self {
        Self(path)
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the folder under which the log of a generation is published.
fn folder_of_log(generation: u64) -> String {
    if generation <= 1 { "log".to_owned() } else { format!("log-{generation}") }
}

/// Returns the folder of what evidence lies beside.
fn folder_of(of: ValidationOf) -> String {
    match of {
        ValidationOf::Sealing(sealing) => format!("sealings/{sealing}"),
        ValidationOf::Renewal(renewal) => format!("renewals/{renewal}"),
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
