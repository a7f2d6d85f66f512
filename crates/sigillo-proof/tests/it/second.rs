//! The verifier of `docs/verify`, which was written from the specification alone, comes to the same
//! verdicts over thousands of changed bundles.

use std::{collections::BTreeMap, fs, process::Command};

use jiff::Timestamp;
use serde_json::{Value, json};

use sigillo_ers::{AlgorithmTable, TrustAnchors, to_pem};
use sigillo_merkle::VerifierKey;
use sigillo_model::{ArchiveDescription, Record, Sha256Digest, Verdict};
use sigillo_proof::{
    Base64Bytes, Bundle, BundleCheck, BundleRules, BundledFile, Receipt, ReceiptTrust,
    ValidationSection, check_bundle,
};

use crate::{
    mutations::{changes, each_scalar},
    successions::{Border, succeeded},
    witnesses::{cosign, with_unknown_kind},
    world::{Changes, Plan, World, file_bytes, receipt, receipt_changed, receipt_described},
};

pub(crate) const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));
pub(crate) const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify");

/// The time as of which bundles are checked.
pub(crate) const AT: &str = "2026-11-26T00:00:00Z";

/// Checks every bundle of a list and prints a line of JSON for each.
const PYTHON: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
import sigillo_verify
cases = json.load(open(sys.argv[2]))
for name in cases["bundles"]:
    data = open(name, "rb").read()
    key, ca = cases["log_key"], [cases["ca"]]
    print(json.dumps(sigillo_verify.verify_bundle(data, [], key, ca, cases["at"], cases["ended"])))
"#;

/// Bundles with the verdict of this program on each.
#[derive(Default)]
pub(crate) struct Cases {
    pub(crate) bundles: Vec<(String, Vec<u8>, Verdict)>,
    /// The time as of which they are checked, if it is another than [`AT`].
    pub(crate) at: Option<Timestamp>,
    /// With how many entries their log ended, if that is known.
    pub(crate) ended: Option<u64>,
}

impl Cases {
    fn at(&self) -> Timestamp {
        self.at.unwrap_or_else(|| AT.parse().unwrap())
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, zip: Vec<u8>, trust: &ReceiptTrust) {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let at = self.at();
        let check = match Bundle::parse(&zip) {
            Ok(bundle) => {
                check_bundle(&bundle, &[], &BundleRules { trust, algorithms: &algorithms, at })
            }
            Err(error) => BundleCheck::unreadable(&error),
        };
        self.bundles.push((name.into(), zip, check.verdict));
    }

    /// Flips a bit of every `step`-th byte, also with checksums that are right again, and cuts the
    /// bundle off at some places.
    pub(crate) fn flip_and_cut(&mut self, zip: &[u8], step: usize, trust: &ReceiptTrust) {
        for place in (0..zip.len()).step_by(step) {
            let mut changed = zip.to_vec();
            changed[place] ^= 1 << (place % 8);
            if let Some(whole) = with_checksums(&changed).filter(|whole| whole != zip) {
                self.push(format!("byte {place} with its checksum"), whole, trust);
            }
            self.push(format!("byte {place}"), changed, trust);
        }
        for length in (0..zip.len()).step_by(zip.len() / 20) {
            self.push(format!("cut at {length}"), zip[..length].to_vec(), trust);
        }
    }

    /// Changes every value in the receipt of a bundle in turn, and makes everything that follows
    /// from it anew.
    pub(crate) fn change_values(&mut self, bundle: &Bundle, trust: &ReceiptTrust) {
        let whole = serde_json::to_value(&bundle.receipt).unwrap();
        let mut others: Vec<(String, Value)> = Vec::new();
        each_scalar(&whole, "", &mut |path, value| {
            others.extend(changes(value).into_iter().map(|other| (path.to_owned(), other)));
        });
        each_list(&whole, "", &mut |path, items| {
            others.extend(other_lists(items).into_iter().map(|other| (path.to_owned(), other)));
        });
        for (path, other) in others {
            let mut changed = whole.clone();
            let name = format!("{path}: {other}");
            *changed.pointer_mut(&path).unwrap() = other;
            let Ok(receipt) = serde_json::from_value::<Receipt>(changed) else { continue };
            let bundle = Bundle { receipt, files: bundle.files.clone() };
            let Ok(zip) = bundle.to_zip() else { continue };
            self.push(name, zip, trust);
        }
    }
}

/// Writes the checksums of a ZIP anew, if its headers can be read.
pub(crate) fn with_checksums(zip: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip.to_vec();
    let number = |zip: &[u8], at: usize| {
        Some(usize::from(*zip.get(at)?) | usize::from(*zip.get(at + 1)?) << 8)
    };
    let (mut at, mut checksums) = (0, Vec::new());
    while zip.get(at..at + 4)? == b"PK\x03\x04" {
        let start = at + 30 + number(&zip, at + 26)?;
        let end = start + (number(&zip, at + 22)? | number(&zip, at + 24)? << 16);
        let checksum = crc32fast::hash(zip.get(start..end)?).to_le_bytes();
        zip.get_mut(at + 14..at + 18)?.copy_from_slice(&checksum);
        checksums.push(checksum);
        at = end;
    }
    for checksum in checksums {
        zip.get_mut(at + 16..at + 20)?.copy_from_slice(&checksum);
        at += 46 + number(&zip, at + 28)?;
    }
    Some(zip)
}

/// Calls `with` on every list below `value`, by its path.
fn each_list(value: &Value, path: &str, with: &mut dyn FnMut(&str, &[Value])) {
    match value {
        Value::Array(items) => {
            with(path, items);
            for (index, item) in items.iter().enumerate() {
                each_list(item, &format!("{path}/{index}"), with);
            }
        }
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, item)| each_list(item, &format!("{path}/{name}"), with));
        }
        _ => {}
    }
}

/// Returns other lists in place of one: empty, without its first item, with it twice, turned round.
fn other_lists(items: &[Value]) -> Vec<Value> {
    let Some((first, rest)) = items.split_first() else { return Vec::new() };
    let doubled = [std::slice::from_ref(first), items].concat();
    let turned: Vec<_> = items.iter().rev().cloned().collect();
    [Vec::new(), rest.to_vec(), doubled, turned].into_iter().map(Value::from).collect()
}

/// Changes what an archive says of itself.
type Change = fn(&mut ArchiveDescription);

/// Archives that say of themselves what is not known, or not right.
fn descriptions() -> [(&'static str, Change); 5] {
    [
        ("another format", |it| it.format = 2),
        ("encrypted", |it| "aes".clone_into(&mut it.encryption)),
        ("other digests", |it| "md5".clone_into(&mut it.algorithms.evidence)),
        ("no seal certificate", |it| it.keys.seal.clear()),
        ("a large description", |it| it.entity.ipa = Some("x".repeat(70_000))),
    ]
}

fn bundle(plan: &Plan, documents: usize) -> (World, Bundle) {
    let (world, mut receipt) = receipt(plan);
    receipt.submission = None;
    receipt.documents.truncate(documents);
    (world, Bundle { receipt, files: Vec::new() })
}

/// Puts the only file of the first document into a bundle.
fn with_file(mut bundle: Bundle) -> Bundle {
    let record = Record::parse(bundle.receipt.documents[0].record.as_bytes()).unwrap();
    assert_eq!(record.files.len(), 1);
    let bytes = file_bytes(0, 0).into_bytes();
    bundle.files.push(BundledFile { document: 0, position: 0, bytes });
    bundle
}

/// Lets the other verifier judge the cases, and returns those on which the two disagree.
pub(crate) fn disagreements(cases: &Cases, world: &World) -> Vec<String> {
    disagreements_by(cases, world, world.log_key())
}

/// Does the same with another key of the log.
fn disagreements_by(cases: &Cases, world: &World, log: &VerifierKey) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("root.pem"), to_pem("CERTIFICATE", &world.root)).unwrap();
    let mut names = Vec::new();
    for (number, (_, zip, _)) in cases.bundles.iter().enumerate() {
        let path = place(&format!("{number}.zip"));
        fs::write(&path, zip).unwrap();
        names.push(path);
    }
    let list = json!({
        "at": cases.at().as_second(), "bundles": names, "ca": place("root.pem"),
        "ended": cases.ended, "log_key": log.to_string(),
    });
    fs::write(place("cases.json"), list.to_string()).unwrap();
    let mut python = Command::new("python3");
    let ran = python.args(["-B", "-c", PYTHON, SCRIPTS]).arg(place("cases.json")).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(said.lines().count(), cases.bundles.len());
    let each = cases.bundles.iter().zip(said.lines());
    let differing = each.filter_map(|((name, _, verdict), line)| {
        let (theirs, findings): (String, Vec<String>) = serde_json::from_str(line).unwrap();
        let ours = spelt(*verdict);
        (theirs != ours).then(|| format!("{name}: {ours} here, {theirs} there: {findings:?}"))
    });
    differing.collect()
}

/// Spells a verdict as the other verifier does.
pub(crate) fn spelt(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Damaged => "DAMAGED",
        Verdict::CannotTell => "CANNOT TELL",
        Verdict::Intact => "INTACT",
    }
}

/// Bundles whose checkpoint was cosigned.
fn cosigned(cases: &mut Cases, bundle: &Bundle, trust: &ReceiptTrust) {
    let mut bundle = bundle.clone();
    bundle.receipt.documents.truncate(1);
    bundle.receipt.batches.truncate(1);
    let mut unknown = bundle.clone();
    with_unknown_kind(&mut unknown.receipt);
    cases.push("witness of an unknown kind", unknown.to_zip().unwrap(), trust);
    cosign(&mut bundle.receipt, &[7, 8]);
    let zip = bundle.to_zip().unwrap();
    cases.push("cosigned", zip.clone(), trust);
    cases.flip_and_cut(&zip, 11, trust);
    cases.change_values(&bundle, trust);
}

#[test]
fn of_renewed_time_stamps_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let (world, mut receipt) =
        receipt_changed(&plan, &Changes { renewals: 2, ..Changes::default() });
    receipt.submission = None;
    receipt.documents.truncate(1);
    let (trust, mut cases) = (world.trust(), Cases::default());
    let bundle = Bundle { receipt, files: Vec::new() };
    let zip = bundle.to_zip().unwrap();
    cases.push("renewed twice", zip.clone(), &trust);
    assert_eq!(cases.bundles[0].2, Verdict::Intact);
    cases.flip_and_cut(&zip, 61, &trust);
    cases.change_values(&bundle, &trust);
    // Lists may be cut as if the bundle had been made earlier, but no value can be changed.
    let intact = cases.bundles.iter().filter(|it| it.2 == Verdict::Intact && !it.0.contains('['));
    let names: Vec<_> = intact.map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["renewed twice"]);
    let differing = disagreements(&cases, &world);
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn of_what_renewals_cover_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let sections = validation(&[b"0\x03uno", b"0\x03due", b"0\x03tre"]);
    let covered: Vec<_> = sections.iter().map(|it| it.sha256).collect();
    for covered in [&covered[..1], &covered[..2]] {
        let covered = covered.to_vec();
        let (world, mut receipt) =
            receipt_changed(&plan, &Changes { renewals: 2, covered, ..Changes::default() });
        receipt.submission = None;
        receipt.documents.truncate(1);
        receipt.validation.clone_from(&sections);
        let (trust, mut cases) = (world.trust(), Cases::default());
        let bundle = Bundle { receipt, files: Vec::new() };
        cases.push("covers", bundle.to_zip().unwrap(), &trust);
        cases.change_values(&bundle, &trust);
        for at in 0..2 {
            for (name, digests) in [
                ("not all", vec![sections[0].sha256]),
                ("another", vec![sections[2].sha256]),
                ("more", sections.iter().map(|it| it.sha256).collect()),
                ("out of order", vec![sections[1].sha256, sections[0].sha256]),
                ("twice", vec![sections[0].sha256; 2]),
            ] {
                let mut changed = bundle.clone();
                let told = &mut changed.receipt.sealings[0].tokens[0].renewals[at].validation;
                let digests: Vec<_> = digests.into_iter().map(Into::into).collect();
                let same = *told == digests;
                *told = digests;
                cases.push(format!("{name}, {at}"), changed.to_zip().unwrap(), &trust);
                assert_eq!(
                    cases.bundles.last().unwrap().2 == Verdict::Intact,
                    same,
                    "{name}, {at}"
                );
            }
        }
        assert_eq!(cases.bundles[0].2, Verdict::Intact);
        let differing = disagreements(&cases, &world);
        assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
    }
}

#[test]
fn a_renewal_that_lost_its_token_is_left_out_and_named() {
    if !has_programs() {
        return;
    }
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let (world, mut receipt) =
        receipt_changed(&plan, &Changes { renewals: 3, ..Changes::default() });
    receipt.submission = None;
    receipt.documents.truncate(1);
    let (trust, mut cases) = (world.trust(), Cases::default());
    for lost in [vec![0], vec![1], vec![2], vec![0, 1], vec![0, 1, 2]] {
        let mut receipt = receipt.clone();
        for place in &lost {
            let renewal = &mut receipt.sealings[0].tokens[0].renewals[*place];
            (renewal.token, renewal.path) = (None, Vec::new());
        }
        let check = sigillo_proof::check_receipt(&receipt, &trust, &[]);
        let told = check.findings.iter().filter(|it| it.code.code() == "F515").count();
        assert_eq!((check.verdict, told), (Verdict::Intact, lost.len()), "{:?}", check.findings);
        let bundle = Bundle { receipt, files: Vec::new() };
        let zip = bundle.to_zip().unwrap();
        cases.push(format!("lost {lost:?}"), zip.clone(), &trust);
        assert_eq!(cases.bundles.last().unwrap().2, Verdict::Intact);
        let evidence = sigillo_proof::EvidenceMaker::new(&bundle.receipt)
            .records_of(&bundle.receipt.documents[0]);
        let record = sigillo_ers::EvidenceRecord::read(&evidence[0].record).unwrap();
        assert_eq!(record.chains[0].stamps.len(), 4 - lost.len());
        // Nothing stands where a path was, and no entry of another renewal.
        let mut with_path = bundle.clone();
        let renewals = &mut with_path.receipt.sealings[0].tokens[0].renewals;
        renewals[lost[0]].path = vec![Sha256Digest::of(b"another").into()];
        cases.push(format!("path {lost:?}"), with_path.to_zip().unwrap(), &trust);
        assert_eq!(cases.bundles.last().unwrap().2, Verdict::Damaged);
        if lost == [0] {
            cases.flip_and_cut(&zip, 61, &trust);
            cases.change_values(&bundle, &trust);
        }
    }
    let differing = disagreements(&cases, &world);
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn of_revocation_evidence_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    let (world, mut bundle) = bundle(&Plan { batches: vec![2], every: 1, sealed: true }, 1);
    bundle.receipt.validation = validation(&[b"0\x03uno", b"0\x03due"]);
    let (trust, mut cases) = (world.trust(), Cases::default());
    let zip = bundle.to_zip().unwrap();
    cases.push("with evidence", zip.clone(), &trust);
    assert_eq!(cases.bundles[0].2, Verdict::Intact);
    cases.flip_and_cut(&zip, 61, &trust);
    cases.change_values(&bundle, &trust);
    // Each piece may be left out, as if the bundle had been made before it was gathered.
    let changed = cases.bundles.iter().filter(|it| it.0.starts_with("/validation"));
    let (intact, others): (Vec<_>, Vec<_>) = changed.partition(|it| it.2 == Verdict::Intact);
    assert_eq!((intact.len(), others.len() >= 6), (2, true), "{} others", others.len());
    assert!(others.iter().all(|it| it.2 == Verdict::Damaged));
    // Too much of it.
    bundle.receipt.validation = validation(&[&vec![b'0'; (4 << 20) + 1]]);
    cases.push("too much evidence", bundle.to_zip().unwrap(), &trust);
    let differing = disagreements(&cases, &world);
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn of_rotated_log_keys_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let (world, mut receipt) =
        receipt_changed(&plan, &Changes { rotations: 2, ..Changes::default() });
    receipt.submission = None;
    receipt.documents.truncate(1);
    let (trust, mut cases) = (world.trust(), Cases::default());
    let bundle = Bundle { receipt, files: Vec::new() };
    let zip = bundle.to_zip().unwrap();
    cases.push("rotated twice", zip.clone(), &trust);
    assert_eq!(cases.bundles[0].2, Verdict::Intact);
    cases.flip_and_cut(&zip, 61, &trust);
    cases.change_values(&bundle, &trust);
    for (name, forged) in crate::rotations::forged(&world, &bundle.receipt) {
        let bundle = Bundle { receipt: forged, files: Vec::new() };
        cases.push(name, bundle.to_zip().unwrap(), &trust);
    }
    let (_, mut usurped) = crate::rotations::usurped();
    usurped.submission = None;
    let usurped = Bundle { receipt: usurped, files: Vec::new() };
    cases.push("usurped", usurped.to_zip().unwrap(), &trust);
    let intact = cases.bundles.iter().filter(|it| it.2 == Verdict::Intact && !it.0.contains('['));
    let names: Vec<_> = intact.map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["rotated twice"]);
    let differing = disagreements(&cases, &world);
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn of_several_logs_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    for borders in
        [&[Border::Received][..], &[Border::Stamped], &[Border::Committed, Border::Stamped]]
    {
        let (mut world, mut receipt) = succeeded(borders, true);
        receipt.documents.truncate(1);
        let (trust, mut cases) = (world.trust(), Cases::default());
        let bundle = Bundle { receipt, files: Vec::new() };
        let zip = bundle.to_zip().unwrap();
        cases.push("two logs", zip.clone(), &trust);
        assert_eq!(cases.bundles[0].2, Verdict::Intact);
        cases.flip_and_cut(&zip, 61, &trust);
        cases.change_values(&bundle, &trust);
        let mut forged = crate::successions::other_archives(&bundle.receipt);
        if borders == [Border::Stamped] {
            forged.extend(crate::successions::false_beginnings(&mut world, &bundle.receipt));
        }
        for (name, receipt) in forged {
            let Ok(zip) = (Bundle { receipt, files: Vec::new() }).to_zip() else { continue };
            cases.push(name, zip, &trust);
        }
        let intact =
            cases.bundles.iter().filter(|it| it.2 == Verdict::Intact && !it.0.contains('['));
        assert_eq!(intact.count(), 1, "{borders:?}");
        let differing = disagreements(&cases, &world);
        assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
    }
}

#[test]
fn of_a_log_that_nobody_signed_for_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    for borders in [&[Border::Received][..], &[Border::Committed, Border::Stamped]] {
        let (world, receipt) = succeeded(borders, false);
        let zip = Bundle { receipt, files: Vec::new() }.to_zip().unwrap();
        let mut by_old = Cases::default();
        by_old.push("by the old key", zip.clone(), &world.trust());
        assert_eq!(by_old.bundles[0].2, Verdict::CannotTell);
        assert_eq!(disagreements(&by_old, &world), Vec::<String>::new());
        // Whoever was given the new one believes it.
        let known = world.successor_keys();
        let (mut by_new, log) = (Cases::default(), known.log.clone());
        let trust = ReceiptTrust { successors: vec![known], ..world.trust() };
        by_new.push("by the new key", zip, &trust);
        assert_eq!(by_new.bundles[0].2, Verdict::Intact);
        assert_eq!(disagreements_by(&by_new, &world, log.first()), Vec::<String>::new());
    }
}

#[test]
fn of_anchors_that_may_not_certify_the_second_implementation_thinks_the_same() {
    if !has_programs() {
        return;
    }
    // A signature by the root is not looked at, so its bytes may be changed.
    let authority: [&[u8]; 2] = [&[1, 1, 0xff, 2, 1, 0], &[1, 1, 0, 2, 1, 0]];
    let usage: [&[u8]; 2] = [&[3, 2, 1, 6], &[3, 2, 1, 0x80]];
    let ended: [&[u8]; 2] = [b"360101000000Z", b"260102000000Z"];
    for (name, [from, to], ours, theirs) in [
        ("no authority", authority, "CANNOT TELL", "CANNOT TELL"),
        ("no certificate signing", usage, "CANNOT TELL", "CANNOT TELL"),
        // openssl knows no anchor without an end; nothing is wrong with the signature.
        ("ended", ended, "INTACT", "CANNOT TELL"),
    ] {
        let plan = Plan { batches: vec![1], every: 1, sealed: true };
        let (mut world, bundle) = bundle(&plan, 1);
        let at = world.root.windows(from.len()).position(|it| it == from).unwrap();
        world.root[at..at + to.len()].copy_from_slice(to);
        world.anchors = TrustAnchors::new();
        world.anchors.add_der("changed", &world.root).unwrap();
        let mut cases = Cases::default();
        cases.push(name, bundle.to_zip().unwrap(), &world.trust());
        assert_eq!(spelt(cases.bundles[0].2), ours, "{name}");
        let differing = disagreements(&cases, &world);
        let expected = format!("{name}: {ours} here, {theirs} there");
        assert_eq!(differing.is_empty(), ours == theirs, "{differing:?}");
        assert!(differing.iter().all(|it| it.starts_with(&expected)), "{differing:?}");
    }
}

fn validation(pieces: &[&[u8]]) -> Vec<ValidationSection> {
    let sections = pieces.iter().map(|piece| ValidationSection {
        evidence: Base64Bytes(piece.to_vec()),
        sha256: Sha256Digest::of(piece),
    });
    let mut sections: Vec<_> = sections.collect();
    sections.sort_by_key(|section| section.sha256);
    sections
}

/// Tells whether the programs are there that the other verifier needs, and says so if not.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) fn has_programs() -> bool {
    for program in ["python3", "openssl"] {
        if Command::new(program).arg("version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing");
            println!("SKIPPED: {program} is missing");
            return false;
        }
    }
    true
}

#[test]
fn the_second_implementation_comes_to_the_same_verdicts() {
    if !has_programs() {
        return;
    }
    let plan = Plan { batches: vec![3, 2], every: 1, sealed: true };
    let (world, several) = bundle(&plan, 5);
    let (trust, mut cases) = (world.trust(), Cases::default());
    let mut one = several.clone();
    one.receipt.documents.truncate(1);
    one.receipt.batches.truncate(1);
    let zip = one.to_zip().unwrap();
    cases.push("one document", zip.clone(), &trust);
    cases.push("several documents", several.to_zip().unwrap(), &trust);
    cases.push("with its file", with_file(one.clone()).to_zip().unwrap(), &trust);
    // Every byte in the long form.
    let step = if std::env::var_os("SIGILLO_SLOW_TESTS").is_some() { 1 } else { 7 };
    cases.flip_and_cut(&zip, step, &trust);
    cases.change_values(&with_file(one), &trust);
    cases.change_values(&several, &trust);
    cosigned(&mut cases, &several, &trust);
    // Of other keys, not sealed, and with all leaves of a batch.
    for (batches, sealed, documents) in
        [(vec![4], true, 1), (vec![4], false, 2), (vec![200], true, 200)]
    {
        let plan = Plan { batches, every: 1, sealed };
        let (_, other) = bundle(&plan, documents);
        cases.push(format!("of others, {documents}"), other.to_zip().unwrap(), &trust);
    }
    for (name, change) in descriptions() {
        let (_, mut receipt) = receipt_described(&plan, &change);
        receipt.submission = None;
        let zip = Bundle { receipt, files: Vec::new() }.to_zip().unwrap();
        cases.push(name, zip, &trust);
    }
    assert!(cases.bundles.len() >= 2_000, "{} cases only", cases.bundles.len());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, verdict) in &cases.bundles {
        *counts.entry(format!("{verdict:?}")).or_default() += 1;
    }
    println!("{} bundles: {counts:?}", cases.bundles.len());
    let differing = disagreements(&cases, &world);
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
}
