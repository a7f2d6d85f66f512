//! Bundles: read back as they were made, and never again once anything in them was changed.

use jiff::Timestamp;

use sigillo_ers::AlgorithmTable;
use sigillo_model::{FindingCode, Record, Verdict};
use sigillo_proof::{
    Bundle, BundleCheck, BundleError, BundleRules, BundledFile, EvidenceMaker, ReceiptTrust,
    check_bundle,
};

use crate::world::{Plan, World, file_bytes, receipt};

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

fn bundle(plan: &Plan) -> (World, Bundle) {
    let (world, mut receipt) = receipt(plan);
    receipt.submission = None;
    (world, Bundle { receipt, files: Vec::new() })
}

fn one() -> (World, Bundle) {
    let (world, mut bundle) = bundle(&Plan { batches: vec![5], every: 1, sealed: true });
    bundle.receipt.documents.truncate(1);
    (world, bundle)
}

fn check(bundle: &Bundle, trust: &ReceiptTrust) -> BundleCheck {
    let at: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    check_bundle(bundle, &[], &BundleRules { trust, algorithms: &algorithms, at })
}

#[test]
fn a_bundle_is_read_back_and_proves_its_documents() {
    for (batches, every, sealed) in
        [(vec![1], 1, true), (vec![3, 40], 2, true), (vec![200], 1, true), (vec![4], 1, false)]
    {
        let (world, bundle) = bundle(&Plan { batches, every, sealed });
        let zip = bundle.to_zip().unwrap();
        assert_eq!(Bundle::parse(&zip), Ok(bundle.clone()));
        let checked = check(&bundle, &world.trust());
        assert_eq!(checked.verdict, Verdict::Intact, "{:?}", checked.findings);
        let documents = checked.receipt.unwrap().documents;
        assert_eq!(documents, bundle.receipt.documents.len() as u64);
    }
}

/// Whether all of the long form is wanted.
fn is_slow() -> bool {
    std::env::var_os("SIGILLO_SLOW_TESTS").is_some()
}

#[test]
fn no_bit_of_a_bundle_can_be_changed_unnoticed() {
    let (_, bundle) = one();
    let zip = bundle.to_zip().unwrap();
    assert!(zip.len() <= 30 << 10, "{} bytes", zip.len());
    for place in 0..zip.len() {
        // One bit of every byte; in the long form all eight.
        let bits = if is_slow() { 0..8 } else { place % 8..place % 8 + 1 };
        for bit in bits {
            let mut changed = zip.clone();
            changed[place] ^= 1 << bit;
            assert!(Bundle::parse(&changed).is_err(), "byte {place}, bit {bit}");
        }
    }
}

/// Returns where the content of each entry of a bundle stands, and its checksum: before the content
/// and in the directory.
fn contents(zip: &[u8]) -> Vec<(std::ops::Range<usize>, [usize; 2])> {
    let number = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().unwrap()) as usize;
    let name_length = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
    let mut directory = number(zip.len() - 6);
    let (mut at, mut found) = (0, Vec::new());
    while zip[at..].starts_with(b"PK\x03\x04") {
        let start = at + 30 + name_length(at + 26);
        let end = start + number(at + 18);
        found.push((start..end, [at + 14, directory + 16]));
        at = end;
        directory += 46 + name_length(directory + 28);
    }
    found
}

#[test]
fn no_byte_of_an_entry_can_be_changed_with_its_checksums() {
    let (world, bundle) = one();
    let (zip, trust) = (bundle.to_zip().unwrap(), world.trust());
    let contents = contents(&zip);
    assert!(contents.len() > 10, "{contents:?}");
    // Every byte in the long form, else some of each entry.
    let step = if is_slow() { 1 } else { 61 };
    for (content, sums) in contents {
        for place in content.clone().step_by(step).chain([content.end - 1]) {
            let mut changed = zip.clone();
            changed[place] ^= 1 << (place % 8);
            let sum = crc32fast::hash(&changed[content.clone()]).to_le_bytes();
            for at in &sums {
                changed[*at..at + 4].copy_from_slice(&sum);
            }
            let Ok(bundle) = Bundle::parse(&changed) else { continue };
            let checked = check(&bundle, &trust);
            assert_ne!(checked.verdict, Verdict::Intact, "byte {place}");
        }
    }
}

#[test]
fn what_does_not_follow_from_the_rest_is_told_by_its_name() {
    let (_, bundle) = one();
    let (_, other) = one();
    let zip = bundle.to_zip().unwrap();
    let (old, new) = (&bundle.receipt.documents[0].record, &other.receipt.documents[0].record);
    assert_eq!(old, new, "the documents of the little archive are always the same");
    // A later schema, and something that is no bundle at all.
    assert!(matches!(Bundle::parse(b"PK"), Err(BundleError::Malformed { .. })));
    assert!(matches!(Bundle::parse(&zip[..zip.len() - 1]), Err(BundleError::Malformed { .. })));
    // Another archive's seal under the same proof.
    let mut forged = bundle.clone();
    forged.receipt.sealings[0].seal = other.receipt.sealings[0].seal.clone();
    let zip = forged.to_zip().unwrap();
    assert_eq!(Bundle::parse(&zip), Ok(forged.clone()));
    let (world, _) = one();
    assert_eq!(check(&forged, &world.trust()).verdict, Verdict::Damaged);
}

/// Changes the last byte of the content `old` of an entry, and its checksums in the ZIP with it.
fn reseal(zip: &[u8], old: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    *new.last_mut().unwrap() ^= 1;
    replace(zip, old, &new)
}

/// Puts content of the same length in place of that of an entry.
fn replace(zip: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let sums = [old, new].map(|content| crc32fast::hash(content).to_le_bytes());
    let (mut changed, mut places) = (zip.to_vec(), 0);
    for (from, to) in [(old, new), (&sums[0], &sums[1])] {
        let mut at = 0;
        while at + from.len() <= changed.len() {
            if changed[at..].starts_with(from) {
                changed[at..at + from.len()].copy_from_slice(to);
                places += 1;
            }
            at += 1;
        }
    }
    // The content once, its checksum before it and in the directory.
    assert_eq!(places, 3);
    changed
}

#[test]
fn what_follows_from_the_rest_cannot_be_changed_with_its_checksums_either() {
    let (world, bundle) = one();
    let zip = bundle.to_zip().unwrap();
    let maker = EvidenceMaker::new(&bundle.receipt);
    let evidence = maker.records_of(&bundle.receipt.documents[0]).remove(0).record;
    let readme = include_bytes!("../../src/bundle_readme.txt");
    for (content, entry) in
        [(&readme[..], "README.txt"), (&evidence[..], "documents/1/1-plain-sha256-trial.er")]
    {
        let differs = BundleError::Differs { entry: entry.to_owned() };
        assert_eq!(Bundle::parse(&reseal(&zip, content)), Err(differs));
    }
    // What is hashed elsewhere is read, and does not prove anything any more.
    let statement = bundle.receipt.sealings[0].statement.as_bytes();
    let changed = Bundle::parse(&reseal(&zip, statement)).unwrap();
    assert_eq!(check(&changed, &world.trust()).verdict, Verdict::Damaged);
}

#[test]
fn schemas_are_those_of_this_program() {
    let (_, mut bundle) = one();
    let zip = bundle.to_zip().unwrap();
    let start = zip.windows(9).position(|it| it == b"{\"files\":").unwrap();
    let end = zip.windows(27).position(|it| it == b"\"schema\":\"sigillo.bundle/1\"").unwrap() + 28;
    let proof = std::str::from_utf8(&zip[start..end]).unwrap();
    // A later one, with a member that this program does not know.
    let later = proof.replace("bundle/1", "bundle/4").replace("\"files\"", "\"lists\"");
    let later = replace(&zip, proof.as_bytes(), later.as_bytes());
    assert_eq!(Bundle::parse(&later), Err(BundleError::OtherSchema));
    // The receipt in it has its own, which nothing else protects.
    bundle.receipt.schema = "sigillo.receipt/4".to_owned();
    let other = bundle.to_zip().unwrap();
    assert!(matches!(Bundle::parse(&other), Err(BundleError::Malformed { .. })));
}

#[test]
fn files_in_a_bundle_are_those_of_the_record() {
    let (world, mut bundle) = one();
    let record = Record::parse(bundle.receipt.documents[0].record.as_bytes()).unwrap();
    assert_eq!(record.files.len(), 1);
    let bytes = file_bytes(0, 0).into_bytes();
    bundle.files.push(BundledFile { document: 0, position: 0, bytes });
    let zip = bundle.to_zip().unwrap();
    assert_eq!(Bundle::parse(&zip), Ok(bundle.clone()));
    let good = check(&bundle, &world.trust());
    assert_eq!((good.verdict, good.files), (Verdict::Intact, 1), "{:?}", good.findings);
    bundle.files[0].bytes.push(b'x');
    let wrong = check(&bundle, &world.trust());
    assert_eq!(
        (wrong.verdict, wrong.findings[0].code),
        (Verdict::Damaged, FindingCode::BundleFile)
    );
    bundle.files[0].bytes.pop();
    // Another one of the same size is another one.
    bundle.files[0].bytes[0] ^= 1;
    let wrong = check(&bundle, &world.trust());
    let found = (wrong.verdict, wrong.files, wrong.findings[0].code);
    assert_eq!(found, (Verdict::Damaged, 0, FindingCode::BundleFile));
    bundle.files[0].bytes[0] ^= 1;
    let (stated, other) = (format!("\"size\":{}", record.files[0].size), "\"size\":1}");
    let document = &mut bundle.receipt.documents[0];
    document.record = document.record.replacen(&format!("{stated}}}"), other, 1);
    assert!(document.record.contains(other), "{}", document.record);
    let codes: Vec<_> = check(&bundle, &world.trust()).findings.iter().map(|it| it.code).collect();
    assert!(codes.contains(&FindingCode::BundleFile), "{codes:?}");
    bundle.files[0].position = 7;
    assert!(matches!(bundle.to_zip(), Err(BundleError::Unfit { .. })));
}

#[test]
fn a_bundle_of_keys_of_ones_own_is_consistent_and_no_more() {
    let (_, bundle) = one();
    let (believed, _) = one();
    let checked = check(&bundle, &believed.trust());
    assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
    let codes: Vec<_> = checked.findings.iter().map(|it| it.code).collect();
    for code in [FindingCode::SealOriginUnknown, FindingCode::AuthorityUnknown] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[test]
fn the_receipt_of_a_submission_is_no_bundle() {
    let (_, receipt) = receipt(&Plan { batches: vec![2], every: 1, sealed: true });
    let bundle = Bundle { receipt, files: Vec::new() };
    assert!(matches!(bundle.to_zip(), Err(BundleError::Unfit { .. })));
}
