//! Packs and lists that were replaced: what is given back must be what the log commits to.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use tokio::runtime::Handle;

use sigillo_catalogue::KeyIndex;
use sigillo_custody::{ExportOutcome, ExportProgress, Exporter, KnownVersions};
use sigillo_ers::version_id;
use sigillo_evidence_log::{Archive, LogView, LoggedBatch, NewArchive};
use sigillo_model::{
    BatchCommitted, BatchId, Blake3Digest, Description, DocumentId, DocumentKey, Entity, FileEntry,
    ListedPack, LogTime, ObjectKey, Operation, PackList, Record, RecordKind, Sha256Digest,
    SubmissionId, VersionId, salt_text, to_canonical,
};
use sigillo_store::{
    ReadPool, Store,
    pack::{
        PackWriter, SegmentEntry, SpeltName, entry_name, local_header_bytes, record_name,
        write_local_header,
    },
};
use sigillo_testkit::SeededEntropy;

/// Which files of its documents a pack holds.
#[derive(Clone, Copy)]
enum Files {
    All,
    None,
}

struct Pack {
    bytes: Bytes,
    versions: Vec<VersionId>,
}

/// Writes a pack of two documents of `source`.
async fn pack_of(source: &str, files: Files) -> Pack {
    let (mut segment, mut entries, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for number in [1, 2] {
        let content = format!("{source} {number}").into_bytes();
        let sha256 = Sha256Digest::of(&content);
        let record = record(source, number, sha256, content.len() as u64).to_json();
        let version = version_id(Sha256Digest::of(&record), &[sha256]);
        if let Files::All = files {
            add(&mut segment, &mut entries, entry_name(version, 1, None), &content);
        }
        add(&mut segment, &mut entries, record_name(version), &record);
        versions.push(version);
    }
    let store = Store::memory(Handle::current());
    let sink = Arc::clone(store.packs());
    let reads = ReadPool::start().unwrap();
    let name = reads.run(move || {
        let mut writer = PackWriter::begin(&*sink, [7; 16], None).unwrap();
        writer.add_segment(&segment, &entries).unwrap();
        writer.finish().unwrap().name
    });
    let key = ObjectKey::pack(name.await.unwrap());
    Pack { bytes: store.read(&key, u64::MAX).await.unwrap(), versions }
}

pub(crate) fn record(source: &str, number: u8, sha256: Sha256Digest, size: u64) -> Record {
    let file = FileEntry {
        media_type: None,
        name: format!("{number}.txt"),
        puid: None,
        role: "main".to_owned(),
        sha256,
        size,
        sha512: None,
        stored_in: None,
    };
    Record {
        document: DocumentId::from_bytes([number; 16]),
        files: vec![file],
        format: 1,
        description: Description::default(),
        key: DocumentKey::Path { path: format!("{number}.txt"), source: source.to_owned() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: LogTime::new("2026-11-25T08:00:00Z".parse().unwrap()),
        salt: salt_text(&[number; 32]),
        supersedes: None,
        version: 1,
    }
}

pub(crate) fn add(
    segment: &mut Vec<u8>,
    entries: &mut Vec<SegmentEntry>,
    name: SpeltName,
    content: &[u8],
) {
    let (start, size_bytes) = (segment.len(), content.len() as u64);
    let crc32 = crc32fast::hash(content);
    segment.resize(start + local_header_bytes(name.len(), size_bytes), 0);
    write_local_header(&mut segment[start..], &name, crc32, size_bytes);
    segment.extend_from_slice(content);
    let header_offset_in_segment = start as u64;
    entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
}

struct World {
    archive: Archive,
    view: LogView,
}

impl World {
    async fn new() -> Self {
        let new = NewArchive {
            entity: Entity { ipa: None, name: "Comune di Prova".to_owned() },
            commit_key: [1; 32],
            log_key: [2; 32],
            seal_pem: String::new(),
            trial: true,
        };
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        let store = Store::memory(Handle::current());
        let archive = new.create(store, at, &SeededEntropy::new(1)).await.unwrap();
        Self { archive, view: LogView::default() }
    }

    /// Adds a batch that lists `listed`, with `stored` under the name of its pack.
    async fn batch(&mut self, listed: &Pack, stored: &Pack) -> BatchId {
        let batch = BatchId::from_bytes([u8::try_from(self.view.batches.len()).unwrap(); 16]);
        let name = Blake3Digest::of(&listed.bytes);
        let pack = ListedPack { documents: 2, name, size: listed.bytes.len() as u64 };
        let list = to_canonical(&PackList { format: 1, packs: vec![pack] });
        let leaves: Vec<u8> = listed.versions.iter().flat_map(|it| *it.as_bytes()).collect();
        let body = BatchCommitted {
            batch,
            documents: 2,
            leaves_sha256: Sha256Digest::of(&leaves),
            order_root: Sha256Digest::of(b""),
            packs_sha256: Sha256Digest::of(&list),
            root: Sha256Digest::of(b""),
            submission: SubmissionId::from_bytes([1; 16]),
        };
        let at = LogTime::new("2026-11-25T08:00:00Z".parse().unwrap());
        self.view.batches.push(LoggedBatch { body, commit: 2, at, entry_index: 3, generation: 1 });
        self.put(ObjectKey::leaves(batch), leaves.into()).await;
        self.put(ObjectKey::pack_list(batch), list.into()).await;
        self.put(ObjectKey::pack(name), stored.bytes.clone()).await;
        batch
    }

    async fn put(&self, key: ObjectKey, bytes: Bytes) {
        self.archive.store().parts().0.replace(&key, bytes).await.unwrap();
    }

    async fn export(&self, folder: &Path) -> ExportOutcome {
        let exporter = Exporter {
            archive: self.archive.clone(),
            reads: ReadPool::start().unwrap(),
            progress: Arc::default(),
        };
        let index = KeyIndex::in_memory(self.archive.description().archive);
        let mut known = KnownVersions::new(index);
        known.read_beyond(&self.archive, &self.view, &exporter.reads).await.unwrap();
        let outcome = exporter.export_all(&self.view, known, folder).await.unwrap();
        let [done, found, documents] = {
            let ExportProgress { bytes, bytes_found, documents } = &*exporter.progress;
            [bytes, bytes_found, documents].map(|count| count.load(Ordering::Relaxed))
        };
        assert_eq!((done, documents), (found, outcome.documents), "the progress ends at its total");
        outcome
    }
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_batches_list_is_given_back() {
    let (mut world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let pack = pack_of("atti", Files::All).await;
    world.batch(&pack, &pack).await;
    let outcome = world.export(folder.path()).await;
    assert_eq!((outcome.documents, outcome.problems.len()), (2, 0));
    assert_eq!(std::fs::read(folder.path().join("atti/2.txt")).unwrap(), b"atti 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_another_pack_are_damage_although_they_prove_themselves() {
    let (mut world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let (ours, foreign) = (pack_of("atti", Files::All).await, pack_of("lega", Files::All).await);
    world.batch(&ours, &foreign).await;
    let outcome = world.export(folder.path()).await;
    assert_eq!(outcome.documents, 0);
    let mut versions: Vec<_> = outcome.problems.iter().filter_map(|it| it.version).collect();
    versions.sort_unstable();
    let mut expected = [ours.versions, foreign.versions].concat();
    expected.sort_unstable();
    assert_eq!(versions, expected);
    assert!(outcome.problems.iter().all(|problem| problem.damage));
    assert!(is_empty(folder.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_its_files_is_damage() {
    let (mut world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let (whole, bare) = (pack_of("atti", Files::All).await, pack_of("atti", Files::None).await);
    assert_eq!(whole.versions, bare.versions);
    world.batch(&whole, &bare).await;
    let outcome = world.export(folder.path()).await;
    assert_eq!((outcome.documents, outcome.bytes), (0, 0));
    assert_eq!(outcome.problems.len(), 2);
    assert!(outcome.problems.iter().all(|problem| problem.damage));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_lists_of_one_batch_do_not_keep_the_others_back() {
    let (mut world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let (first, second) = (pack_of("atti", Files::All).await, pack_of("lega", Files::All).await);
    let damaged = world.batch(&first, &first).await;
    world.batch(&second, &second).await;
    world.put(ObjectKey::leaves(damaged), Bytes::from_static(b"other")).await;
    let outcome = world.export(folder.path()).await;
    assert_eq!((outcome.documents, outcome.problems.len()), (2, 1));
    assert!(outcome.problems[0].damage);
    assert!(folder.path().join("lega/1.txt").exists());
}
