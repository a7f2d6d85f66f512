//! What is demanded of bytes from outside, one function for each target: nothing they are makes it
//! panic, hang or take more memory than there is, and what is read has one spelling.

use jiff::Timestamp;

use sigillo_ers::{
    AlgorithmTable, Authorities, EvidenceRecord, HashFunction, RecordObject, RecordRules,
    RevocationRules, TrustAnchors, pem_blocks, record_hashes, renew_hash_tree, renew_time_stamp,
    renewals_due, verify_record, verify_seal, verify_token,
};
use sigillo_merkle::{
    Checkpoint, EntryBundleId, MemoryTree, SignedNote, TileId, TreeHash, VerifierKey,
    consistency_path, decode_entries, encode_entries, inclusion_path, leaf_hash,
    parse_signed_checkpoint, root_at, verify_consistency, verify_inclusion,
    verify_subtree_consistency, verify_subtree_inclusion,
};
use sigillo_model::{Sha256Digest, Verdict};
use sigillo_proof::{
    Bundle, BundleRules, EvidenceMaker, GivenFile, Receipt, ReceiptTrust, check_bundle,
    check_receipt, render_text,
};

const TABLE: &str = include_str!("../../policies/algorithms.toml");
const ROOT: &str = include_str!("../seeds/trust/root.pem");
const LOG: &str = include_str!("../seeds/trust/log.vkey");
const COSIGNER: &str =
    "witness.example.com/w1+a9ab7e3d+BJKxhTSjoELCWUySOUvUYZ1+IhbhWpt/uQF33g5wVjPL";

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
    let mut anchors = TrustAnchors::new();
    for der in pem_blocks(ROOT, "CERTIFICATE").expect("the seeds are ours") {
        anchors.add_der("root", &der).expect("the seeds are ours");
    }
    ReceiptTrust {
        log: VerifierKey::parse(LOG.trim_end()).ok().map(Into::into),
        anchors,
        witnesses: None,
    }
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

/// Writes the ZIP of what entries can be read, in the one spelling of bundles.
fn with_checksums(zip: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory, mut count, mut rest) = (Vec::new(), Vec::new(), 0_u16, zip);
    while let Some(header) = rest.get(..30).filter(|it| it.starts_with(b"PK\x03\x04")) {
        let number = |at: usize| usize::from(u16::from_le_bytes([header[at], header[at + 1]]));
        let (size, name) = (number(18) | number(20) << 16, number(26));
        let Some(content) = rest.get(30 + name..).and_then(|it| it.get(..size)) else { break };
        let mut shared = header[4..14].to_vec();
        shared.extend(crc32fast::hash(content).to_le_bytes());
        shared.extend(&header[18..30]);
        let offset = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes.extend([b"PK\x03\x04", &shared[..], &rest[30..30 + name], content].concat());
        directory.extend([b"PK\x01\x02\x1e\x03", &shared[..], &[0; 6]].concat());
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&rest[30..30 + name]);
        count = count.wrapping_add(1);
        rest = &rest[30 + name + size..];
    }
    let lengths = [directory.len(), bytes.len()].map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend(lengths.map(u32::to_le_bytes).concat());
    bytes.extend([0, 0]);
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
