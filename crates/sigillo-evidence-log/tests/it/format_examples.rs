//! Every worked example of `docs/format.md`, computed again.
//!
//! A change of the format shows here first. Whoever means it runs the test once with
//! `SIGILLO_WRITE_EXAMPLES=1`, which writes the examples anew, and reads the difference.

use std::{collections::BTreeMap, fmt::Write as _};

use bytes::Bytes;

use sigillo_ers::{list_value, pair_value, renewal_leaf, sealing_value, tree_root, version_id};
use sigillo_evidence_log::{Commit, proven_record};
use sigillo_merkle::{
    Checkpoint, EntryBundleId, NoteSignature, SignedNote, TILE_WIDTH, TileId, TreeHash,
    VerifierKey, encode_entries, leaf_hash, node_hash, root_of,
};
use sigillo_model::{
    Algorithms, ArchiveCreated, ArchiveDescription, ArchiveId, ArchiveKeys, BatchCommitted,
    BatchId, BatchesSealed, Blake3Digest, CommitOpened, Description, DocumentId, DocumentKey,
    Entity, Entry, EvidenceRenewed, FileEntry, ListedPack, LogTime, Operation, PackList, Record,
    RecordKind, RenewalId, RenewalMember, RenewalMembers, SealedBatch, SealingId, SealingStamped,
    Sha256Digest, Signer as _, Statement, SubmissionCompleted, SubmissionId, VersionId, WriterId,
    encode_name, parse_canonical, salt_text, to_canonical,
};
use sigillo_store::{
    BackendError, PackSink, PackSource,
    pack::{
        ClosedPack, Extension, PackWriter, SegmentEntry, entry_name, local_header_bytes,
        merge_blocks, read_pack_index, record_name, scan_pack, write_local_header,
    },
};
use sigillo_testkit::{MemorySigner, VolatileBackend};

use crate::{
    examples::{HELD_ELSEWHERE, read_examples, write_examples},
    rotating::rotation_example,
};

const ORIGIN: &str = "sigillo.invalid/00112233445566778899aabbccddeeff";
const FIRST_FILE: &[u8] = b"ciao\n";
const SECOND_FILE: &[u8] = b"1;2\n";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn time(text: &str) -> LogTime {
    LogTime::new(text.parse().unwrap())
}

fn commit_signer() -> MemorySigner {
    MemorySigner::new(1)
}

fn log_signer() -> MemorySigner {
    MemorySigner::new(2)
}

fn key(name: &str, signer: &MemorySigner) -> VerifierKey {
    let public_key = signer.public_key().try_into().unwrap();
    VerifierKey::new_ed25519(name.to_owned(), public_key).unwrap()
}

fn commit_key() -> VerifierKey {
    key(&format!("{ORIGIN}/commit"), &commit_signer())
}

fn log_key() -> VerifierKey {
    key(ORIGIN, &log_signer())
}

fn file(name: &[u8], role: &str, content: &[u8], media_type: Option<&str>) -> FileEntry {
    FileEntry {
        media_type: media_type.map(str::to_owned),
        name: encode_name(name),
        puid: None,
        role: role.to_owned(),
        sha256: Sha256Digest::of(content),
        size: content.len() as u64,
        sha512: None,
        stored_in: None,
    }
}

fn record_of(id: u8, path: &[u8], files: Vec<FileEntry>) -> Record {
    Record {
        document: DocumentId::from_bytes([id; 16]),
        files,
        format: 1,
        description: Description::default(),
        key: DocumentKey::Path { path: encode_name(path), source: "delibere".to_owned() },
        kind: RecordKind::Document,
        operation: Operation::New,
        received_at: time("2026-11-25T08:00:00Z"),
        salt: salt_text(&[id; 32]),
        supersedes: None,
        version: 1,
    }
}

/// The record of a document with two files.
fn record() -> Record {
    let main = file("delibera.txt".as_bytes(), "main", FIRST_FILE, Some("text/plain"));
    let second = file(b"allegato 100%.csv", "attachment", SECOND_FILE, None);
    record_of(0x5a, b"2026/12", vec![main, second])
}

/// The record of the document in the pack.
fn small_record() -> Record {
    record_of(0xa5, b"ciao.txt", vec![file(b"ciao.txt", "main", FIRST_FILE, None)])
}

fn version_of(record: &Record) -> VersionId {
    let files: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
    version_id(Sha256Digest::of(&record.to_json()), &files)
}

fn leaf_example() -> String {
    let record = record().to_json();
    let digests = [record.as_slice(), FIRST_FILE, SECOND_FILE].map(Sha256Digest::of);
    let mut sorted = digests;
    sorted.sort_unstable();
    let concatenated = sorted.map(|digest| digest.to_string()).concat();
    let id = version_id(digests[0], &digests[1..]);
    assert!(proven_record(id, &record).is_some());
    format!(
        "SHA-256(record)     {}\nSHA-256(file 1)     {}\nSHA-256(file 2)     {}\n\
         sorted and joined   {concatenated}\nversion id          {id}\n",
        digests[0], digests[1], digests[2]
    )
}

/// Three leaves: the version of the example, 32 bytes of 01, 32 bytes of 02.
fn leaves() -> [Sha256Digest; 3] {
    let first = Sha256Digest::from_bytes(*version_of(&record()).as_bytes());
    [first, Sha256Digest::from_bytes([1; 32]), Sha256Digest::from_bytes([2; 32])]
}

fn evidence_tree_example() -> String {
    let [a, b, c] = leaves();
    let node = pair_value(a, b);
    let root = tree_root(&[a, b, c]).unwrap();
    assert_eq!(root, pair_value(node, c));
    format!("L0     {a}\nL1     {b}\nL2     {c}\nL0,L1  {node}\nR      {root}\n")
}

fn hex_of(hash: TreeHash) -> String {
    hex::encode(hash.as_bytes())
}

fn order_root_example() -> String {
    let hashes = leaves().map(|leaf| leaf_hash(leaf.as_bytes()));
    let node = node_hash(hashes[0], hashes[1]);
    let root = root_of(hashes);
    assert_eq!(root, node_hash(node, hashes[2]));
    let [a, b, c] = hashes.map(hex_of);
    let (node, root) = (hex_of(node), hex_of(root));
    format!(
        "H(00 L0)    {a}\nH(00 L1)    {b}\nH(00 L2)    {c}\nH(01 ab)    {node}\norder root  {root}\n"
    )
}

fn names_example() -> String {
    let names: [&[u8]; 6] = [
        "è.pdf".as_bytes(),
        b"e\xcc\x80.pdf",
        b"100%.txt",
        b"a\nb",
        b"\xff\xfe.doc",
        b"2026/delibera.pdf",
    ];
    names.map(|name| format!("{:<36}{}\n", hex::encode(name), encode_name(name))).concat()
}

fn archive() -> ArchiveDescription {
    ArchiveDescription {
        algorithms: Algorithms { address: "blake3".to_owned(), evidence: "sha256".to_owned() },
        archive: ArchiveId::from_bytes(
            hex::decode("00112233445566778899aabbccddeeff").unwrap().try_into().unwrap(),
        ),
        created_at: time("2026-11-25T08:00:00Z"),
        encryption: "none".to_owned(),
        entity: Entity { ipa: None, name: "Comune di Prova".to_owned() },
        format: 1,
        keys: ArchiveKeys {
            commit: commit_key().to_string(),
            log: log_key().to_string(),
            seal: PEM.to_owned(),
        },
        origin: ORIGIN.to_owned(),
        trial: true,
    }
}

fn pack_list() -> PackList {
    let (name, size, ..) = pack();
    let listed = |documents, name, size| ListedPack { documents, name, size };
    let other = Blake3Digest::from_bytes([0xee; 32]);
    PackList { format: 1, packs: vec![listed(1, name, size), listed(2, other, 70_000)] }
}

/// Makes the pack with one document of one file of five bytes.
fn pack() -> (Blake3Digest, u64, Bytes) {
    let backend = VolatileBackend::with_fsync();
    let (_, closed) = write_pack(&backend);
    let bytes = backend.objects().into_values().next().unwrap();
    assert_eq!(read_pack_index(&Source(bytes.clone())).unwrap().entries.len(), 2);
    (closed.name, closed.size_bytes, bytes)
}

/// Writes that pack to a sink; returns the version in it.
pub(crate) fn write_pack(sink: &dyn PackSink) -> (VersionId, ClosedPack) {
    let record = small_record();
    let (version, json) = (version_of(&record), record.to_json());
    let ext = Extension::parse("txt");
    let parts = [
        (entry_name(version, 1, ext.as_ref()), FIRST_FILE),
        (record_name(version), json.as_slice()),
    ];
    let (mut segment, mut entries) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let (crc32, size_bytes) = (crc32fast::hash(content), content.len() as u64);
        let header_offset_in_segment = segment.len() as u64;
        let mut header = vec![0; local_header_bytes(name.len(), size_bytes)];
        write_local_header(&mut header, &name, crc32, size_bytes);
        segment.extend_from_slice(&header);
        segment.extend_from_slice(content);
        entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
    }
    let mut writer = PackWriter::begin(sink, [0x0f; 16], None).unwrap();
    writer.add_segment(&segment, &entries).unwrap();
    (version, writer.finish().unwrap())
}

/// Bytes as a pack.
struct Source(Bytes);

impl PackSource for Source {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), BackendError> {
        let start = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.0[start..start + buf.len()]);
        Ok(())
    }
}

fn pack_example() -> String {
    let (name, size, bytes) = pack();
    let mut text = format!("name {name}\nsize {size}\n");
    for (index, row) in bytes.chunks(32).enumerate() {
        let digits: Vec<_> = row.chunks(4).map(hex::encode).collect();
        writeln!(text, "{:04x}  {}", 32 * index, digits.join(" ")).unwrap();
    }
    text
}

fn blocks_example() -> String {
    let scan = scan_pack(&Source(vec![b'a'; 3 * 65_536 + 1].into()), &mut |_, _| {}).unwrap();
    assert_eq!(merge_blocks(&scan.blocks, 3 * 65_536 + 1), Some(scan.name_found));
    let mut text = String::new();
    for (index, value) in scan.blocks.iter().enumerate() {
        writeln!(text, "block {index}  {}", hex::encode(value)).unwrap();
    }
    writeln!(text, "BLAKE3   {}", scan.name_found).unwrap();
    text
}

fn submission() -> SubmissionId {
    SubmissionId::from_bytes([0x44; 16])
}

fn batch_committed() -> BatchCommitted {
    let leaves = leaves();
    let leaf_bytes = leaves.map(|leaf| *leaf.as_bytes()).concat();
    let order_root = root_of(leaves.map(|leaf| leaf_hash(leaf.as_bytes())));
    BatchCommitted {
        batch: BatchId::from_bytes([0x33; 16]),
        documents: 3,
        leaves_sha256: Sha256Digest::of(&leaf_bytes),
        order_root: Sha256Digest::from_bytes(*order_root.as_bytes()),
        packs_sha256: Sha256Digest::of(&to_canonical(&pack_list())),
        root: tree_root(&leaves).unwrap(),
        submission: submission(),
    }
}

fn header(number: u64, previous: Option<&Bytes>, leaves: &[TreeHash]) -> Entry {
    Entry::CommitOpened(CommitOpened {
        at: time("2026-11-25T08:00:01Z"),
        clock: time("2026-11-25T08:00:01Z"),
        commit: number,
        epoch: 1,
        first_leaf: leaves.len() as u64,
        generation: 1,
        previous: previous.map(|bytes| Sha256Digest::of(bytes)),
        root: Sha256Digest::from_bytes(*root_of(leaves.iter().copied()).as_bytes()),
        rotated: None,
        sealed: 0,
        succeeded: None,
        writer: WriterId::from_bytes([0x77; 16]),
    })
}

fn note_of(entries: &[Entry]) -> Bytes {
    let lines: Vec<_> =
        entries.iter().map(|it| String::from_utf8(it.to_line().unwrap()).unwrap() + "\n").collect();
    let text = lines.concat();
    let signature = commit_signer().sign(text.as_bytes()).unwrap().try_into().unwrap();
    let signature = NoteSignature::ed25519(&commit_key(), signature);
    SignedNote::new(text, vec![signature]).unwrap().to_bytes().into()
}

/// The first two commits of the example's log.
fn commits() -> [Bytes; 2] {
    let created = Entry::ArchiveCreated(ArchiveCreated {
        archive: archive().archive,
        archive_sha256: Sha256Digest::of(&to_canonical(&archive())),
    });
    let first = note_of(&[header(1, None, &[]), created]);
    let leaves: Vec<_> = Commit::parse(&first, 1, &commit_key()).unwrap().leaves().collect();
    let batch = Entry::BatchCommitted(batch_committed());
    let second = note_of(&[header(2, Some(&first), &leaves), batch]);
    [first, second]
}

fn lines() -> Vec<Bytes> {
    let commits = (1..).zip(commits());
    let parsed =
        commits.map(|(number, bytes)| Commit::parse(&bytes, number, &commit_key()).unwrap());
    parsed.flat_map(|commit| commit.lines).collect()
}

fn commit_hashes_example() -> String {
    let hashes: Vec<_> = lines().iter().map(|line| leaf_hash(line)).collect();
    let mut text = String::new();
    for (index, hash) in hashes.iter().enumerate() {
        writeln!(text, "leaf {index}            {}", hex_of(*hash)).unwrap();
    }
    writeln!(text, "root of 0 leaves  {}", hex_of(root_of([]))).unwrap();
    for size in [2, 4] {
        let root = root_of(hashes[..size].iter().copied());
        writeln!(text, "root of {size} leaves  {}", hex_of(root)).unwrap();
    }
    for (number, bytes) in (1..).zip(commits()) {
        let digest = Sha256Digest::of(&bytes);
        writeln!(text, "commit {number}          {digest}").unwrap();
    }
    text
}

fn checkpoint() -> String {
    let root = root_of(lines().iter().map(|line| leaf_hash(line)));
    let text = Checkpoint { origin: ORIGIN.to_owned(), size: 4, root }.to_text();
    let signature = log_signer().sign(text.as_bytes()).unwrap().try_into().unwrap();
    let signature = NoteSignature::ed25519(&log_key(), signature);
    let note = SignedNote::new(text, vec![signature]).unwrap();
    note.verify(&[log_key()]).unwrap();
    String::from_utf8(note.to_bytes()).unwrap()
}

fn statement() -> Statement {
    let batch = batch_committed();
    let sealed = SealedBatch {
        batch: batch.batch,
        commit: 2,
        documents: batch.documents,
        order_root: batch.order_root,
        root: batch.root,
    };
    Statement {
        after: 0,
        at: time("2026-11-25T08:00:02Z"),
        batches: vec![sealed],
        checkpoint: checkpoint(),
        format: 1,
        number: 1,
        policy: "none".to_owned(),
        profile: "plain".to_owned(),
        sealing: SealingId::from_bytes([0x66; 16]),
        through: 2,
    }
}

fn sealed() -> BatchesSealed {
    let text = SignedNote::parse(checkpoint().as_bytes()).unwrap().text;
    let leaves = [batch_committed().root, Sha256Digest::of(text.as_bytes())];
    BatchesSealed {
        after: 0,
        number: 1,
        root: tree_root(&leaves).unwrap(),
        seal_sha256: Sha256Digest::of(b"seal"),
        sealing: SealingId::from_bytes([0x66; 16]),
        statement_sha256: Sha256Digest::of(&to_canonical(&statement())),
        through: 2,
    }
}

fn sealing_example() -> String {
    let body = sealed();
    let text = SignedNote::parse(checkpoint().as_bytes()).unwrap().text;
    let [statement, seal] = [body.statement_sha256, body.seal_sha256];
    let signed = list_value(&[statement, seal]).unwrap();
    let value = sealing_value(&body);
    assert_eq!(value, pair_value(body.root, signed));
    format!(
        "R of the batch          {}\nSHA-256(checkpoint)     {}\nroot                    {}\n\
         SHA-256(statement.json) {statement}\nSHA-256(seal.p7s)       {seal}\n\
         S                       {signed}\nV = imprint             {value}\n",
        batch_committed().root,
        Sha256Digest::of(text.as_bytes()),
        body.root,
    )
}

/// A renewal over two sealings, of which the second was renewed once before.
fn members() -> RenewalMembers {
    let member = |number, tokens: &[&[u8]], validation| {
        let tokens = tokens.iter().map(|it| Sha256Digest::of(it)).collect();
        RenewalMember { number, tokens, validation }
    };
    let list = Sha256Digest::of(b"revocation list").into();
    let members =
        vec![member(1, &[b"token"], vec![list]), member(2, &[b"second token", b"renewed"], vec![])];
    let renewal = RenewalId::from_bytes([0x77; 16]);
    RenewalMembers { format: 1, line: "plain-sha256-trial".to_owned(), members, renewal }
}

fn member_value(at: usize) -> Sha256Digest {
    let RenewalMember { tokens, validation, .. } = &members().members[at];
    let tokens: Vec<_> = tokens.iter().map(|it| (*it).into()).collect();
    renewal_leaf(&tokens, validation).unwrap().sha256().unwrap()
}

fn renewed_root() -> Sha256Digest {
    tree_root(&[member_value(0), member_value(1)]).unwrap()
}

fn renewal_example() -> String {
    let (one, two, root) = (member_value(0), member_value(1), renewed_root());
    let list = Sha256Digest::of(b"revocation list");
    assert_eq!(one, pair_value(Sha256Digest::of(b"token"), list));
    assert_eq!(root, pair_value(one, two));
    let values = format!("value of sealing 1      {one}\nvalue of sealing 2      {two}\n");
    values + &format!("root = imprint          {root}\n")
}

fn entries_example() -> String {
    let renewed = EvidenceRenewed {
        line: "plain-sha256-trial".to_owned(),
        members: 2,
        members_sha256: Sha256Digest::of(&to_canonical(&members())),
        renewal: RenewalId::from_bytes([0x77; 16]),
        root: renewed_root().into(),
        stamped_at: "2036-05-25T08:00:00Z".to_owned(),
        token_sha256: Sha256Digest::of(b"newer token"),
        token_sha512: None,
        trial: true,
    };
    let stamped = SealingStamped {
        line: "plain-sha256-trial".to_owned(),
        number: 1,
        sealing: SealingId::from_bytes([0x66; 16]),
        stamped_at: "2026-11-25T08:00:03.25Z".to_owned(),
        token_sha256: Sha256Digest::of(b"token"),
        tree: None,
        trial: true,
    };
    let completed = SubmissionCompleted {
        aggregations: 0,
        already: 0,
        archived: 3,
        pending: 0,
        received: 3,
        refused: 0,
        report_sha256: Sha256Digest::of(&report()),
        submission: submission(),
    };
    let entries = [
        Entry::SubmissionCompleted(completed),
        Entry::BatchesSealed(sealed()),
        Entry::SealingStamped(stamped),
        Entry::EvidenceRenewed(renewed),
    ];
    entries.map(|entry| String::from_utf8(entry.to_line().unwrap()).unwrap() + "\n").concat()
}

fn report() -> Vec<u8> {
    let value: serde_json::Value = serde_json::json!({
        "aggregations": 0,
        "already": 0,
        "already_versions": [],
        "archived": 3,
        "finished_at": "2026-11-25T08:00:01Z",
        "format": 1,
        "notes": [],
        "pending": 0,
        "received": 3,
        "received_at": "2026-11-25T08:00:00Z",
        "refusals": [],
        "refused": 0,
        "salt": "44".repeat(32),
        "source": "delibere",
        "submission": submission(),
    });
    to_canonical(&value)
}

fn tile_paths_example() -> String {
    let tile = |level, index, width| TileId { level, index, width }.path();
    let bundle = |index, width| EntryBundleId { index, width }.path();
    [
        tile(0, 0, 4),
        bundle(0, 4),
        tile(0, 273, TILE_WIDTH),
        tile(1, 1, 17),
        bundle(1_234_067, TILE_WIDTH),
    ]
    .map(|path| format!("log/{path}\n"))
    .concat()
}

fn bundle_example() -> String {
    hex::encode(encode_entries(&[&b"{}"[..], b"abc"]).unwrap()) + "\n"
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// What the page must say, by the names of its examples.
fn expected() -> BTreeMap<&'static str, String> {
    let [first, second] = commits().map(|bytes| text_of(bytes.to_vec()));
    BTreeMap::from([
        ("archive", text_of(to_canonical(&archive())) + "\n"),
        ("blocks", blocks_example()),
        ("bundle", bundle_example()),
        ("checkpoint", checkpoint()),
        ("commit-1", first),
        ("commit-2", second),
        ("commit-hashes", commit_hashes_example()),
        ("entries", entries_example()),
        ("evidence-tree", evidence_tree_example()),
        ("key-rotated", rotation_example().1),
        ("key-rotation-text", rotation_example().0),
        ("leaf", leaf_example()),
        ("members", text_of(to_canonical(&members())) + "\n"),
        ("names", names_example()),
        ("order-root", order_root_example()),
        ("pack", pack_example()),
        ("packs", text_of(to_canonical(&pack_list())) + "\n"),
        ("record", text_of(record().to_json()) + "\n"),
        ("renewal", renewal_example()),
        ("report", text_of(report()) + "\n"),
        ("sealing", sealing_example()),
        ("statement", text_of(to_canonical(&statement())) + "\n"),
        ("tile-paths", tile_paths_example()),
    ])
}

#[test]
fn every_example_of_the_page_is_what_the_code_makes() {
    let expected = expected();
    if std::env::var_os("SIGILLO_WRITE_EXAMPLES").is_some() {
        write_examples(&expected);
    }
    let mut found = read_examples();
    for name in HELD_ELSEWHERE {
        assert!(found.remove(name).is_some());
    }
    let names: Vec<_> = found.keys().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>());
    for (name, body) in &expected {
        assert_eq!(found[*name], *body, "the example {name:?}");
    }
}

#[test]
fn the_code_reads_what_the_page_says() {
    let page = read_examples();
    let record = Record::parse(page["record"].trim_end().as_bytes()).unwrap();
    assert_eq!(record.files.len(), 2);
    let archive: ArchiveDescription =
        parse_canonical(page["archive"].trim_end().as_bytes()).unwrap();
    let key = VerifierKey::parse(&archive.keys.commit).unwrap();
    for (number, name) in [(1, "commit-1"), (2, "commit-2")] {
        let bytes = Bytes::copy_from_slice(page[name].as_bytes());
        let commit = Commit::parse(&bytes, number, &key).unwrap();
        assert_eq!(commit.lines.len(), 2);
        let mut damaged = bytes.to_vec();
        damaged[10] ^= 1;
        assert!(Commit::parse(&damaged.into(), number, &key).is_err());
    }
    let note = SignedNote::parse(page["checkpoint"].as_bytes()).unwrap();
    note.verify(&[VerifierKey::parse(&archive.keys.log).unwrap()]).unwrap();
    assert_eq!(Checkpoint::parse_strict(&note.text).unwrap().size, 4);
    for line in page["entries"].lines() {
        let entry = Entry::parse_line(line.as_bytes()).unwrap();
        assert!(!matches!(entry, Entry::Other { .. }), "{line}");
    }
}
