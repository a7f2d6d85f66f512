//! What is demanded of bytes from outside, one function for each target: nothing they are makes it
//! panic, hang or take more memory than there is, and what is read has one spelling.

use jiff::Timestamp;

use sigillo_ers::{
    AlgorithmTable, Authorities, EvidenceRecord, HashFunction, ListedService, RecordObject,
    RecordRules, RevocationRules, RevocationSet, RevocationStatus, TrustAnchors, pem_blocks,
    record_hashes, renew_hash_tree, renew_time_stamp, renewals_due, token_revocation, tree_root,
    verify_record, verify_seal, verify_token,
};
use sigillo_formats::{TrustedList, listed_periods};
use sigillo_merkle::{
    Checkpoint, EntryBundleId, KEY_ROTATIONS_MAX, KeysOfLog, MemoryTree, SignedNote, TileId,
    TreeHash, VerifierKey, WITNESS_HASHES_MAX, WitnessRequest, consistency_path, decode_entries,
    encode_entries, inclusion_path, leaf_hash, parse_signed_checkpoint, root_at,
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
    write_witness_request,
};
use sigillo_model::{
    Entry, HashTree, Sha256Digest, Sha512Digest, Verdict, parse_canonical, to_canonical,
};
use sigillo_proof::{
    Bundle, BundleRules, EvidenceMaker, GivenFile, Receipt, ReceiptTrust, check_bundle,
    check_receipt, render_text,
};

const TABLE: &str = include_str!("../../policies/algorithms.toml");
const ROOT: &str = include_str!("../seeds/trust/root.pem");
const LOG: &str = include_str!("../seeds/trust/log.vkey");
const COSIGNER: &str =
    "witness.example.com/w1+a9ab7e3d+BJKxhTSjoELCWUySOUvUYZ1+IhbhWpt/uQF33g5wVjPL";
/// Who signed the seeds of trusted lists.
pub const LIST_SIGNERS: &str = concat!(
    include_str!("../../testdata/trusted-lists/signer-p256.pem"),
    include_str!("../../testdata/trusted-lists/signer-p384.pem"),
);
/// An authority that revokes, and a time-stamp under it.
const REVOKER: &str = include_str!("../seeds/trust/revoker.pem");
const REVOKED_TOKEN: &[u8] = include_bytes!("../seeds/trust/revoked.tst");
/// A bundle that holds, and the entry in it whose content is anybody's.
const BUNDLE: &[u8] = include_bytes!("../seeds/bundle/one.zip");
const PROOF_NAME: &[u8] = b"log/1.tlog-proof";

/// Most leaves of the trees that proofs are compared with.
const LEAVES_MAX: u64 = 64;

/// The time as of which everything is judged.
fn at() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time of this century")
}

fn algorithms() -> AlgorithmTable {
    AlgorithmTable::from_toml(TABLE).expect("the table is ours")
}

fn trust() -> ReceiptTrust {
    ReceiptTrust { log: Some(log_key().into()), anchors: anchors(ROOT), ..ReceiptTrust::default() }
}

fn anchors(pem: &str) -> TrustAnchors {
    let mut anchors = TrustAnchors::new();
    for der in pem_blocks(pem, "CERTIFICATE").expect("the seeds are ours") {
        anchors.add_der("root", &der).expect("the seeds are ours");
    }
    anchors
}

/// Returns the key of the log of the seeds.
pub fn log_key() -> VerifierKey {
    VerifierKey::parse(LOG.trim_end()).expect("the seeds are ours")
}

/// Time-stamp tokens and seals: both are CMS. Neither has another spelling that is accepted.
pub fn token(bytes: &[u8]) {
    let trust = trust();
    // The imprint is the beginning, so that the signature of a seed's token is reached.
    let (imprint, token) = bytes.split_first_chunk::<32>().unwrap_or((&[0; 32], bytes));
    let imprint = Sha256Digest::from_bytes(*imprint);
    if let Ok(verified) = verify_token(token, imprint, &trust.anchors) {
        let again = verify_token(token, imprint, &trust.anchors);
        assert_eq!(Ok(verified), again);
        let longer = [token, &[0]].concat();
        assert!(verify_token(&longer, imprint, &trust.anchors).is_err());
    }
    drop(verify_seal(token, imprint, &trust.anchors, at()));
    drop(pem_blocks(&String::from_utf8_lossy(bytes), "CERTIFICATE"));
}

/// Evidence records: read, verified by all rules, and renewed if they can be.
pub fn record(bytes: &[u8]) {
    let (algorithms, trust) = (algorithms(), trust());
    drop(record_hashes(bytes));
    let read = EvidenceRecord::read(bytes);
    if let Ok(record) = &read {
        let whole = record.chains.iter().map(|chain| chain.raw.len()).sum::<usize>();
        assert!(whole < bytes.len(), "the chains are parts of the record");
    }
    // An object whose digests stand in it.
    let first = read.as_ref().ok().and_then(|record| record.chains[0].stamps[0].lists.clone());
    let first = first.map_or_else(Vec::new, |lists| lists[0][0].to_vec());
    let digest = |hash: HashFunction| (hash.length_bytes() == first.len()).then(|| first.clone());
    let objects = [RecordObject { name: "object", digest: &digest }];
    let anchored = Authorities::Anchored(&trust.anchors);
    for (authorities, at) in [(anchored, Some(at())), (Authorities::Any, None)] {
        let rules = RecordRules {
            authorities,
            algorithms: &algorithms,
            at,
            whole_group: at.is_some(),
            revocation: RevocationRules::EMBEDDED,
        };
        let report = verify_record(bytes, &objects, &rules);
        assert!(read.is_ok() || report.verdict() != Verdict::Intact, "what cannot be read holds");
        if let Some(last) = report.stamps.last() {
            drop(renewals_due(last, &algorithms));
        }
    }
    let Ok(record) = &read else { return };
    if let Ok(renewal) = renew_time_stamp(record) {
        let renewed = renewal.finish(&[0x30, 0]);
        assert!(EvidenceRecord::read(&renewed).is_ok(), "what is renewed can be read");
    }
    let digests = [vec![0; HashFunction::Sha512.length_bytes()]];
    if let Ok(renewal) = renew_hash_tree(record, HashFunction::Sha512, &digests) {
        let renewed = renewal.finish(&[0x30, 0]);
        assert!(EvidenceRecord::read(&renewed).is_ok(), "what is renewed can be read");
    }
}

/// Signed notes, checkpoints and verifier keys: what is read is written again as it was.
pub fn checkpoint(bytes: &[u8]) {
    let keys: Vec<_> =
        [LOG.trim_end(), COSIGNER].iter().filter_map(|key| VerifierKey::parse(key).ok()).collect();
    if let Ok(note) = SignedNote::parse(bytes) {
        // Signatures may have more than one spelling in base64; what is written is read again.
        let written = note.to_bytes();
        assert_eq!(SignedNote::parse(&written).as_ref(), Ok(&note));
        drop(note.verify(&keys));
        if let Ok(checkpoint) = Checkpoint::parse(&note.text) {
            assert_eq!(Checkpoint::parse_strict(&checkpoint.to_text()), Ok(checkpoint));
        }
    }
    if parse_signed_checkpoint(bytes, &keys[0]).is_ok() {
        let note = SignedNote::parse(bytes).expect("it was read as a checkpoint");
        assert_eq!(note.to_bytes(), bytes, "a checkpoint has one spelling");
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = VerifierKey::parse(&text) {
        assert_eq!(key.to_string(), text, "a key has one spelling");
    }
}

/// Proofs of inclusion and consistency, tiles and entry bundles.
pub fn proof(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (first, second, third) = (input.number(), input.number(), input.number());
    let hashes: Vec<_> =
        input.0.as_chunks::<32>().0.iter().map(|hash| TreeHash::from_bytes(*hash)).collect();
    let (one, other) = (leaf_hash(bytes), leaf_hash(b"other"));
    for path in [&hashes[..], hashes.get(1..).unwrap_or_default()] {
        let of = |result: Result<(), _>| assert!(result.is_err(), "made up, and accepted");
        // Of one leaf the root is the leaf: the roots here are none of these trees.
        of(verify_inclusion(one, first, path, second, other));
        of(verify_subtree_inclusion(one, first, path, (second, third), other));
        of(verify_consistency(first, one, second, other, path));
        of(verify_subtree_consistency((first, second), one, third, other, path));
    }
    compare_with_tree(first % LEAVES_MAX, second % LEAVES_MAX + 1, third, &hashes);

    let text = String::from_utf8_lossy(bytes);
    if let Ok(tile) = TileId::parse(&text) {
        assert_eq!(tile.path(), text, "a tile has one path");
    }
    if let Ok(bundle) = EntryBundleId::parse(&text) {
        assert_eq!(bundle.path(), text, "a bundle has one path");
    }
    let width = u16::try_from(third % 257).unwrap_or(0);
    if let Ok(entries) = decode_entries(input.0, width) {
        assert_eq!(encode_entries(&entries).as_deref(), Ok(input.0), "entries have one spelling");
    }
}

/// Honest proofs of a small tree are accepted, and no other ones.
fn compare_with_tree(small: u64, size: u64, change: u64, hashes: &[TreeHash]) {
    let tree: MemoryTree = (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
    let root = root_at(size, &tree).expect("the tree is in memory");
    let leaf = small % size;
    let path = inclusion_path(leaf, size, &tree).expect("the tree is in memory");
    let hash = leaf_hash(&leaf.to_be_bytes());
    assert_eq!(verify_inclusion(hash, leaf, &path, size, root), Ok(()));
    assert_eq!(verify_inclusion(hash, leaf, hashes, size, root).is_ok(), hashes == path);
    let old = change % (size + 1);
    let old_root = root_at(old, &tree).expect("the tree is in memory");
    let path = consistency_path(old, size, &tree).expect("the tree is in memory");
    assert_eq!(verify_consistency(old, old_root, size, root, &path), Ok(()));
    assert_eq!(verify_consistency(old, old_root, size, root, hashes).is_ok(), hashes == path);
}

/// Bundles, as they are and with their checksums put right.
pub fn bundle(bytes: &[u8]) {
    let (algorithms, trust) = (algorithms(), trust());
    for bytes in [bytes.to_vec(), with_checksums(bytes)] {
        let Ok(bundle) = Bundle::parse(&bytes) else { continue };
        assert_eq!(bundle.to_zip().as_deref(), Ok(&bytes[..]), "a bundle has one spelling");
        let rules = BundleRules { trust: &trust, algorithms: &algorithms, at: at() };
        let checked = check_bundle(&bundle, &[given()], &rules);
        if checked.verdict == Verdict::Intact {
            let receipt = checked.receipt.expect("it was read");
            assert_eq!(receipt.documents, bundle.receipt.documents.len() as u64);
            assert_eq!(checked.files, bundle.files.len());
            assert!(receipt.checkpoint.is_some());
        }
    }
}

/// Receipts, and the evidence records that follow from them.
pub fn receipt(bytes: &[u8]) {
    let Ok(receipt) = Receipt::parse(bytes) else { return };
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    assert_eq!(receipt.to_json(), bytes, "a receipt has one spelling");
    let checked = check_receipt(&receipt, &trust(), &[given()]);
    if checked.verdict == Verdict::Intact {
        assert_eq!(checked.documents, receipt.documents.len() as u64);
        assert!(checked.checkpoint.is_some());
    }
    drop(render_text(&receipt, 10));
    let maker = EvidenceMaker::new(&receipt);
    receipt.documents.iter().for_each(|document| drop(maker.records_of(document)));
}

fn given() -> GivenFile {
    GivenFile {
        name: "uno.txt".to_owned(),
        sha256: Sha256Digest::of(b"uno"),
        sha512: None,
        size: 3,
    }
}

/// Trusted lists: what is signed by nobody known is not read, and what is read can be used.
pub fn trusted_list(bytes: &[u8]) {
    let signers = pem_blocks(LIST_SIGNERS, "CERTIFICATE").expect("the lists are ours");
    let claimed = TrustedList::claimed_territory(bytes);
    assert!(TrustedList::read(bytes, &[]).is_err(), "signed by nobody, and read");
    let Ok(list) = TrustedList::read(bytes, &signers) else { return };
    assert_eq!(claimed.as_ref(), Ok(&list.territory), "who keeps it is who it claims");
    assert!(signers.contains(&list.signer));
    let mut anchors = TrustAnchors::new();
    for service in &list.services {
        let periods = listed_periods(&service.statuses, list.speaks_until());
        assert!(periods.is_sorted_by(|a, b| a.until <= b.from), "no two overlap");
        let (name, certificates) = (service.name.clone(), service.certificates.clone());
        drop(anchors.add_listed(&ListedService { name, certificates, periods }));
    }
}

/// The keys of a log: the first, then a line for each log entry. What does not count changes nothing,
/// and each key signs from its entry on.
pub fn log_keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let Some(Ok(first)) = lines.next().map(VerifierKey::parse) else { return };
    let mut keys = KeysOfLog::new(first);
    for (index, line) in (0_u64..).zip(lines) {
        let Ok(Entry::KeyRotated(body)) = Entry::parse_line(line.as_bytes()) else { continue };
        let before = keys.clone();
        if keys.rotate(index, body.number, &body.log, &body.signature).is_err() {
            assert_eq!(keys, before, "a rotation that does not count changed something");
            continue;
        }
        assert_eq!(keys.rotations(), before.rotations() + 1);
        assert!(!before.contains(keys.current()), "a key came back");
        assert_eq!(keys.of_size(index), before.current());
        assert_eq!(keys.of_size(index + 1), keys.current());
        assert!(before.believes(&keys, index + 1) && keys.believes(&before, index));
    }
    assert!(keys.iter().count() <= KEY_ROTATIONS_MAX + 1);
}

/// Requests to a witness: one spelling, and nobody cosigns what does not follow.
pub fn witness(bytes: &[u8]) {
    let Ok(request) = WitnessRequest::parse(bytes) else { return };
    assert!(request.path.len() <= WITNESS_HASHES_MAX);
    let again = write_witness_request(request.old_size, &request.path, &request.note);
    assert_eq!(again.as_bytes(), bytes, "a request has one spelling");
    let (log, new) = (log_key(), &request.checkpoint);
    if request.judge(&log, None).is_ok() {
        assert_eq!((request.old_size, &*new.origin), (0, log.name()));
    }
    if request.judge(&log, Some(new)).is_ok() {
        assert_eq!((request.old_size, request.path.len()), (new.size, 0));
    }
    let other = Checkpoint { root: leaf_hash(bytes), ..new.clone() };
    assert!(request.judge(&log, Some(&other)).is_err(), "a fork is cosigned");
    let newer = Checkpoint { size: new.size.saturating_add(1), ..new.clone() };
    assert!(request.judge(&log, Some(&newer)).is_err(), "a rollback is cosigned");
}

/// Proofs of log entries as bundles carry them: one spelling, byte for byte.
pub fn tlog_proof(bytes: &[u8]) {
    let mut entries = zip_entries(BUNDLE);
    let proof = entries.iter_mut().find(|it| it.name == PROOF_NAME).expect("the seed is ours");
    let is_same = proof.content == bytes;
    proof.content = bytes;
    assert_eq!(Bundle::parse(&write_zip(&entries)).is_ok(), is_same, "a proof has one spelling");
}

/// `tree.json` of new hash trees: what is read is read again as it was written, and has a root.
pub fn hash_tree(bytes: &[u8]) {
    let Ok(tree) = parse_canonical::<HashTree>(bytes) else { return };
    let written = to_canonical(&tree);
    assert_eq!(parse_canonical::<HashTree>(&written).as_ref(), Ok(&tree));
    assert!(written.len() <= bytes.len(), "what is left out is not written");
    let leaves: Vec<Sha512Digest> = tree.tree_leaves();
    assert_eq!(tree_root(&leaves).is_none(), leaves.is_empty());
}

/// Revocation lists and OCSP responses: what cannot be read says nothing of a certificate.
pub fn revocation(bytes: &[u8]) {
    let mut evidence = RevocationSet::new();
    let is_read = evidence.add("evidence", bytes).is_ok();
    assert!(is_read || evidence.is_empty());
    let known = revocation_by(&evidence);
    assert_eq!(known, revocation_by(&evidence));
    assert!(is_read || known.iter().all(|it| matches!(it, RevocationStatus::Unknown { .. })));
}

/// Says what `evidence` tells of the certificates of a time-stamp of ours.
pub fn revocation_by(evidence: &RevocationSet) -> Vec<RevocationStatus> {
    let known = token_revocation(REVOKED_TOKEN, &anchors(REVOKER), evidence, at());
    let known = known.expect("the time-stamp is ours");
    known.into_iter().map(|certificate| certificate.status).collect()
}

/// An entry of a ZIP: the common fields of its headers before the sizes, and after them.
struct ZipEntry<'a> {
    before: &'a [u8],
    after: &'a [u8],
    name: &'a [u8],
    content: &'a [u8],
}

/// Writes the ZIP of what entries can be read, in the one spelling of bundles.
fn with_checksums(zip: &[u8]) -> Vec<u8> {
    write_zip(&zip_entries(zip))
}

/// Returns what entries can be read.
fn zip_entries(zip: &[u8]) -> Vec<ZipEntry<'_>> {
    let (mut entries, mut rest) = (Vec::new(), zip);
    while let Some(header) = rest.get(..30).filter(|it| it.starts_with(b"PK\x03\x04")) {
        let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let (size, name) = (number(18) | number(20) << 16, number(26));
        let Some(content) = rest.get(30 + name..).and_then(|it| it.get(..size)) else { break };
        let (before, after) = (&header[4..14], &header[28..30]);
        entries.push(ZipEntry { before, after, name: &rest[30..30 + name], content });
        rest = &rest[30 + name + size..];
    }
    entries
}

fn write_zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let of = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    for entry in entries {
        let size = of(entry.content.len());
        let mut shared = entry.before.to_vec();
        shared.extend(crc32fast::hash(entry.content).to_le_bytes());
        shared.extend([&size[..], &size, &of(entry.name.len())[..2], entry.after].concat());
        directory.extend([b"PK\x01\x02\x1e\x03", &shared[..], &[0; 6]].concat());
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend([&of(bytes.len())[..], entry.name].concat());
        bytes.extend([b"PK\x03\x04", &shared[..], entry.name, entry.content].concat());
    }
    let (count, lengths) = (of(entries.len()), [of(directory.len()), of(bytes.len())]);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([&count[..2], &count[..2], &lengths.concat(), &[0, 0]].concat());
    bytes
}

/// Numbers at the beginning of the bytes.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn number(&mut self) -> u64 {
        let (head, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        head.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
