//! An archive with an object of every kind, and a judge that verifies it again and again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use tokio::runtime::Runtime;

use sigillo_custody::{Scope, Verifier, VerifyProgress};
use sigillo_ers::{TrustAnchors, pem_blocks};
use sigillo_evidence_log::{Archive, AuditKnowledge};
use sigillo_model::{ErrorKind, Finding, FindingCode, ObjectKey, Severity};
use sigillo_store::{CpuPool, Store, StoreUrl};

use crate::program::{World, noise};

/// What a change of an object means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It is truth or content: a change is damage.
    Truth,
    /// It follows from the truth: a change is mended by rebuilding.
    Derived,
    /// A note for readers, or left over from a smaller log: nobody relies on it.
    Unprotected,
}

/// The files of the archive: a pack of less than a block, one of several, one of its own.
pub(crate) fn documents() -> Vec<(String, Vec<u8>)> {
    let first = (0..5).map(|it| (format!("prima/{it}.bin"), noise(100 + it, 900)));
    let mut all: Vec<_> = first.collect();
    all.extend((0..8).map(|it| (format!("poi/{it}.bin"), noise(200 + it, 20_000))));
    all.push(("poi/mappa.bin".to_owned(), noise(300, 300 << 10)));
    all.push(("poi/video.bin".to_owned(), noise(400, (8 << 20) + 12_345)));
    all
}

/// An archive with an object of every kind, twice sealed and stamped.
pub(crate) fn archive_of_every_kind() -> World {
    let world = World::new();
    let (first, then): (Vec<_>, Vec<_>) =
        documents().into_iter().partition(|(name, _)| name.starts_with("prima"));
    for (name, bytes) in &first {
        world.write(name, bytes);
    }
    assert_eq!(world.create().code, 0);
    for (name, bytes) in &then {
        world.write(name, bytes);
    }
    assert_eq!(world.ingest(&[]).code, 0);
    world
}

/// Verifies one archive in this process, as the program does.
pub(crate) struct Judge {
    folder: PathBuf,
    knowledge: AuditKnowledge,
    cpu: CpuPool,
    runtime: Runtime,
    /// Entries in the log while nothing is wrong.
    size: u64,
}

impl Judge {
    /// Gets to know the archive while nothing is wrong with it.
    pub(crate) fn of(world: &World) -> Self {
        let exported = world.run(["trust", "export", "--json"]).json();
        let mut anchors = TrustAnchors::new();
        for pem in exported["trusted"]["anchors"].as_array().unwrap() {
            for der in pem_blocks(pem.as_str().unwrap(), "CERTIFICATE").unwrap() {
                anchors.add_der("trial", &der).unwrap();
            }
        }
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let (code, report) = world.verify();
        assert_eq!(code, 0, "{report}");
        Self {
            folder: world.archive(),
            knowledge: AuditKnowledge {
                anchors,
                log_key_trusted: true,
                seen: None,
                seen_before: Vec::new(),
                time: None,
            },
            cpu: CpuPool::start(1).unwrap(),
            runtime: runtime.worker_threads(1).enable_all().build().unwrap(),
            size: report["log"]["size"].as_u64().unwrap(),
        }
    }

    /// Says what a change of an object means.
    pub(crate) fn kind(&self, key: &str) -> Kind {
        let partial_of_now = format!(".p/{}", self.size);
        match key {
            "README.txt" => Kind::Unprotected,
            // `find` checks it, and a rebuild makes other files of it.
            _ if key.starts_with("catalogue/") => Kind::Unprotected,
            "log/checkpoint" => Kind::Derived,
            _ if key.starts_with("log/tile/") && key.ends_with(&partial_of_now) => Kind::Derived,
            _ if key.starts_with("log/tile/") => Kind::Unprotected,
            _ if key.ends_with(".blocks") => Kind::Derived,
            _ => Kind::Truth,
        }
    }

    /// Verifies; returns the exit code that the program gives, and what is wrong.
    pub(crate) fn verify(&self, scope: Scope) -> (i32, Vec<Finding>) {
        let url = StoreUrl::in_folder(&self.folder);
        let findings = self.runtime.block_on(async {
            let store = Store::open(&url, tokio::runtime::Handle::current()).unwrap();
            let archive = match Archive::open(store).await {
                Ok(archive) => archive,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
                    let (code, key) = (FindingCode::ArchiveDamaged, ObjectKey::archive());
                    return vec![Finding::new(code, key, error.to_string())];
                }
            };
            let (cpu, knowledge) = (self.cpu.clone(), self.knowledge.clone());
            let progress = Arc::new(VerifyProgress::default());
            let verifier = Verifier { archive, cpu, knowledge, progress };
            verifier.verify(scope).await.unwrap().findings
        });
        let wrong: Vec<_> =
            findings.into_iter().filter(|it| it.severity > Severity::Note).collect();
        let code = match wrong.iter().map(|finding| finding.severity).max() {
            Some(Severity::Damage) => 5,
            Some(_) => 3,
            None => 0,
        };
        (code, wrong)
    }

    /// Sees that verifying tells of a change of this object, and accuses no other.
    #[track_caller]
    pub(crate) fn check_told(&self, key: &str, (code, objects): (i32, &[String]), what: &str) {
        let wanted = match self.kind(key) {
            Kind::Truth => 5,
            Kind::Derived => 3,
            Kind::Unprotected => 0,
        };
        assert_eq!(code, wanted, "{key}, {what}: {objects:?}");
        let accused = objects.iter().all(|object| object == key);
        assert!(accused && objects.is_empty() == (wanted == 0), "{key}, {what}: {objects:?}");
    }
}

/// Returns the objects that something is wrong with, by the report of the program.
pub(crate) fn accused(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| finding["severity"] != "note");
    wrong.map(|finding| finding["object"].as_str().unwrap().to_owned()).collect()
}

/// An object that was changed; it is as it was once this is dropped.
pub(crate) struct Changed {
    path: PathBuf,
    before: Vec<u8>,
}

impl Changed {
    /// Changes an object.
    pub(crate) fn with(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let before = fs::read(path).unwrap();
        let mut after = before.clone();
        change(&mut after);
        fs::write(path, after).unwrap();
        Self { path: path.to_owned(), before }
    }

    /// Removes an object.
    pub(crate) fn removed(path: &Path) -> Self {
        let this = Self { path: path.to_owned(), before: fs::read(path).unwrap() };
        fs::remove_file(path).unwrap();
        this
    }

    /// Sees that the object is as it was before the change.
    #[track_caller]
    pub(crate) fn check_mended(&self) {
        let now = fs::read(&self.path).unwrap();
        assert!(now == self.before, "{} was not mended", self.path.display());
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        fs::write(&self.path, &self.before).unwrap();
    }
}
