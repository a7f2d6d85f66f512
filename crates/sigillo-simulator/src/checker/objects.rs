//! What lies in a store, and which of it the commits name.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use sigillo_model::{ObjectKey, Sha256Digest};
use sigillo_store::{Store, StoreError};

use super::{Invariant, ReplayedLog, Violation, log::text};

/// At most this many objects are taken from a store.
pub const OBJECTS_MAX: usize = 1_000_000;

/// Where objects lie that count only if a commit names them.
pub const NAMED_FOLDERS: [&str; 5] = ["acts", "batches", "packs", "sealings", "submissions"];

/// Every object of a store at one moment, by key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    objects: BTreeMap<String, Bytes>,
}

impl Snapshot {
    /// Reads everything that is in `store`. For small stores: all of it is held.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if something could not be listed or read.
    pub async fn of(store: &Store) -> Result<Self, StoreError> {
        let mut objects = BTreeMap::new();
        for object in store.list("", OBJECTS_MAX).await? {
            let bytes = store.read(&object.key, object.size_bytes).await?;
            objects.insert(object.key.as_str().to_owned(), bytes);
        }
        Ok(Self { objects })
    }

    /// Takes objects that were read already.
    pub fn from_objects(objects: BTreeMap<String, Bytes>) -> Self {
        Self { objects }
    }

    /// Returns the bytes of an object.
    pub fn get(&self, key: &str) -> Option<&Bytes> {
        self.objects.get(key)
    }

    /// Lists the objects below a folder, in the order of their keys.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Bytes)> {
        let prefix = format!("{folder}/");
        let objects = self.objects.range(prefix.clone()..);
        objects
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .map(|(key, bytes)| (key.as_str(), bytes))
    }
}

/// Lists the objects that no commit names, below the folders where objects need to be named.
pub fn orphans(snapshot: &Snapshot, log: &ReplayedLog) -> BTreeSet<String> {
    let named: BTreeSet<String> = referenced(snapshot, log).into_iter().map(|it| it.key).collect();
    let lying = NAMED_FOLDERS.iter().flat_map(|folder| snapshot.below(folder));
    lying.map(|(key, _)| key.to_owned()).filter(|key| !named.contains(key)).collect()
}

/// I6: what the commits name is there, with the bytes that they state.
pub(super) fn check_references(
    snapshot: &Snapshot,
    log: &ReplayedLog,
    violations: &mut Vec<Violation>,
) {
    for Reference { key, digest } in referenced(snapshot, log) {
        let message = match (snapshot.get(&key), digest) {
            (None, _) => format!("{key} is named by a commit and not there"),
            (Some(bytes), Some(digest)) if Sha256Digest::of(bytes).to_string() != digest => {
                format!("{key} does not have the digest {digest} that a commit states")
            }
            _ => continue,
        };
        violations.push(Violation::new(Invariant::NothingReferencedMissing, message));
    }
}

/// An object that a commit names, with the SHA-256 that it states.
struct Reference {
    key: String,
    digest: Option<String>,
}

fn referenced(snapshot: &Snapshot, log: &ReplayedLog) -> Vec<Reference> {
    log.entries.iter().flat_map(|entry| references_of(snapshot, &entry.body)).collect()
}

fn references_of(snapshot: &Snapshot, body: &Value) -> Vec<Reference> {
    let stated =
        |key: String, member: &str| Reference { key, digest: Some(text(body, member).to_owned()) };
    match text(body, "type") {
        "batch.committed" => {
            let folder = format!("batches/{}", text(body, "batch"));
            let list = format!("{folder}/packs.json");
            let mut references = packs_of(snapshot, &list);
            references.push(stated(format!("{folder}/leaves"), "leaves_sha256"));
            references.push(stated(list, "packs_sha256"));
            references
        }
        "submission.received" => {
            let key = format!("submissions/{}/received.json", text(body, "submission"));
            vec![stated(key, "received_sha256")]
        }
        "submission.completed" => {
            let key = format!("submissions/{}/report.json", text(body, "submission"));
            vec![stated(key, "report_sha256")]
        }
        "batches.sealed" => {
            let folder = format!("sealings/{}", text(body, "sealing"));
            vec![
                stated(format!("{folder}/statement.json"), "statement_sha256"),
                stated(format!("{folder}/seal.p7s"), "seal_sha256"),
            ]
        }
        "sealing.stamped" => {
            let (sealing, line) = (text(body, "sealing"), text(body, "line"));
            let token = text(body, "token_sha256");
            vec![stated(format!("sealings/{sealing}/lines/{line}/{token}.tst"), "token_sha256")]
        }
        _ => Vec::new(),
    }
}

fn packs_of(snapshot: &Snapshot, list: &str) -> Vec<Reference> {
    let list = snapshot.get(list).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let packs = list.and_then(|list| list["packs"].as_array().cloned()).unwrap_or_default();
    let mut references = Vec::new();
    for pack in packs {
        let name = text(&pack, "name");
        let base = format!("packs/{}/{name}", name.get(..2).unwrap_or_default());
        references.push(Reference { key: format!("{base}.zip"), digest: None });
        // A pack of one block needs no values.
        if pack["size"].as_u64().unwrap_or(0) > 65_536 {
            references.push(Reference { key: format!("{base}.blocks"), digest: None });
        }
    }
    references
}

/// Lists what the code under test would say that the log names: the other side of I6.
///
/// # Errors
///
/// The words of whatever could not be read.
pub async fn named_by_the_code_under_test(
    archive: &sigillo_evidence_log::Archive,
) -> Result<BTreeSet<String>, String> {
    let view = sigillo_evidence_log::read_view(archive).await.map_err(|error| error.to_string())?;
    let mut named = BTreeSet::new();
    let mut name = |key: ObjectKey| named.insert(key.as_str().to_owned());
    for batch in &view.batches {
        let packs = sigillo_evidence_log::read_pack_list(archive.store(), &batch.body).await;
        for pack in packs.map_err(|error| error.to_string())? {
            name(ObjectKey::pack(pack.name));
            if pack.size > 65_536 {
                name(ObjectKey::blocks(pack.name));
            }
        }
        name(ObjectKey::leaves(batch.body.batch));
        name(ObjectKey::pack_list(batch.body.batch));
    }
    for submission in &view.received {
        name(ObjectKey::submission_received(submission.submission));
    }
    for submission in &view.completed {
        name(ObjectKey::submission_report(submission.submission));
    }
    for sealing in &view.sealings {
        name(ObjectKey::statement(sealing.body.sealing));
        name(ObjectKey::seal(sealing.body.sealing));
    }
    for stamp in &view.stamps {
        name(ObjectKey::token(stamp.body.sealing, &stamp.body.line, stamp.body.token_sha256));
    }
    Ok(named)
}

/// Lists what the checker says that the log names.
pub fn named(snapshot: &Snapshot, log: &ReplayedLog) -> BTreeSet<String> {
    referenced(snapshot, log).into_iter().map(|reference| reference.key).collect()
}
