//! The verifier of `docs/verify` on evidence records and log proofs that were changed.

use std::{fs, path::Path, process::Command};

use jiff::Timestamp;
use serde_json::json;

use sigillo_ers::{
    AlgorithmTable, Authorities, HashFunction, RecordObject, RecordRules, RevocationRules,
    StampParts, to_pem, verify_record, write_chain, write_record,
};
use sigillo_merkle::{TreeHash, write_tlog_proof};
use sigillo_model::{EvidenceDigest, Record, Sha256Digest, Sha512Digest};
use sigillo_proof::{EvidenceMaker, Receipt};

use crate::{
    second::{AT, SCRIPTS, TABLE, has_programs, spelt},
    world::{Changes, Plan, World, receipt_changed},
};

/// Checks every record and every proof of a list and prints a line of JSON for each.
const PYTHON: &str = r#"
import json, sys
sys.path.insert(0, sys.argv[1])
import sigillo_verify
cases = json.load(open(sys.argv[2]))
objects = [("object", {"sha256": it}.get) for it in cases["objects"]]
for it in cases["records"]:
    data = bytes.fromhex(it)
    print(json.dumps(sigillo_verify.verify_record(data, objects, [cases["ca"]], True, cases["at"])))
for it in cases["proofs"]:
    data, entry = bytes.fromhex(it), cases["entry"].encode()
    print(json.dumps(sigillo_verify.verify_proof(data, entry, cases["log_key"])))
"#;

/// A document whose time-stamp was renewed twice: its evidence, and what it is over.
struct Case {
    world: World,
    receipt: Receipt,
    record: Vec<u8>,
    objects: Vec<Sha256Digest>,
}

impl Case {
    fn new() -> Self {
        let plan = Plan { batches: vec![3], every: 1, sealed: true };
        let (world, receipt) =
            receipt_changed(&plan, &Changes { renewals: 2, ..Changes::default() });
        let document = &receipt.documents[0];
        let record = EvidenceMaker::new(&receipt).records_of(document).remove(0).record;
        let read = Record::parse(document.record.as_bytes()).unwrap();
        let mut objects = vec![Sha256Digest::of(document.record.as_bytes())];
        objects.extend(read.files.iter().map(|file| file.sha256));
        Self { world, receipt, record, objects }
    }

    /// The verdict of this program on a record.
    fn verdict(&self, record: &[u8]) -> &'static str {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let digest_of = |digest: Sha256Digest| {
            move |hash| (hash == HashFunction::Sha256).then(|| digest.as_bytes().to_vec())
        };
        let digests: Vec<_> = self.objects.iter().map(|it| digest_of(*it)).collect();
        let objects: Vec<_> =
            digests.iter().map(|digest| RecordObject { name: "object", digest }).collect();
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.world.anchors),
            algorithms: &algorithms,
            at: Some(AT.parse().unwrap()),
            whole_group: true,
            revocation: RevocationRules::EMBEDDED,
        };
        spelt(verify_record(record, &objects, &rules).verdict())
    }

    /// The record, and with every bit turned that is in no time-stamp: those have
    /// bytes that no signature covers, which openssl reads as it likes.
    fn records(&self) -> Vec<Vec<u8>> {
        let token = &self.receipt.sealings[0].tokens[0];
        let newer = token.renewals.iter().map(|it| it.token.as_ref().unwrap());
        let tokens: Vec<_> = std::iter::once(&token.token).chain(newer).map(|it| &it.0).collect();
        let start = |token: &[u8]| {
            self.record.windows(token.len()).position(|window| window == token).unwrap()
        };
        let within: Vec<_> = tokens.iter().map(|it| start(it)..start(it) + it.len()).collect();
        let outside = (0..self.record.len()).filter(|at| !within.iter().any(|it| it.contains(at)));
        let turned = outside.flat_map(|at| (0..8).map(move |bit| (at, bit))).map(|(at, bit)| {
            let mut record = self.record.clone();
            record[at] ^= 1 << bit;
            record
        });
        let others = turned.chain([self.last_twice()]);
        std::iter::once(self.record.clone()).chain(others).collect()
    }

    /// The record with its last time-stamp twice: the second does not cover the first.
    fn last_twice(&self) -> Vec<u8> {
        // Where the lengths of record, chains and chain are, and where the chain begins.
        let (lengths, mut at) = ([2, 24, 28], 30);
        let number = |at: usize| u16::from_be_bytes([self.record[at], self.record[at + 1]]);
        let mut last = at;
        while at < self.record.len() {
            last = at;
            at += 4 + usize::from(number(at + 2));
        }
        let stamp = &self.record[last..];
        let mut longer = [&self.record, stamp].concat();
        for at in lengths {
            let length = number(at) + u16::try_from(stamp.len()).unwrap();
            longer[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
        longer
    }

    /// The proof of a log entry, with a bit turned in every byte, and cut off at every place.
    fn proofs(&self) -> Vec<Vec<u8>> {
        let entry = &self.receipt.batches[0].entry;
        let hash = |digest: &Sha256Digest| TreeHash::from_bytes(*digest.as_bytes());
        let path: Vec<_> = entry.proof.iter().map(hash).collect();
        let proof = write_tlog_proof(entry.index, &path, &self.receipt.checkpoint).into_bytes();
        let turned = (0..proof.len()).map(|at| {
            let mut changed = proof.clone();
            changed[at] ^= 1 << (at % 8);
            changed
        });
        let cut = (0..proof.len()).map(|at| proof[..at].to_vec());
        std::iter::once(proof.clone()).chain(turned).chain(cut).collect()
    }
}

#[test]
fn of_changed_evidence_records_and_log_proofs_it_thinks_the_same() {
    if !has_programs() {
        return;
    }
    let case = Case::new();
    let (records, proofs, folder) = (case.records(), case.proofs(), tempfile::tempdir().unwrap());
    let place = |name: &str| folder.path().join(name);
    fs::write(place("root.pem"), to_pem("CERTIFICATE", &case.world.root)).unwrap();
    let at: Timestamp = AT.parse().unwrap();
    let hexes = |list: &[Vec<u8>]| list.iter().map(|it| hex(it)).collect::<Vec<_>>();
    let objects: Vec<_> = case.objects.iter().map(ToString::to_string).collect();
    let list = json!({
        "at": at.as_second(), "ca": place("root.pem"), "entry": case.receipt.batches[0].entry.line,
        "log_key": case.world.log_key().to_string(), "objects": objects,
        "records": hexes(&records), "proofs": hexes(&proofs),
    });
    fs::write(place("cases.json"), list.to_string()).unwrap();
    let mut python = Command::new("python3");
    let ran = python.args(["-B", "-c", PYTHON, SCRIPTS]).arg(place("cases.json")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8(ran.stdout).unwrap();
    let theirs: Vec<(String, Vec<String>)> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(theirs.len(), records.len() + proofs.len());
    assert!(records.len() > 2_000 && proofs.len() > 600, "{} and {}", records.len(), proofs.len());
    let (of_records, of_proofs) = theirs.split_at(records.len());
    let (mut intact, mut differing) = (Vec::new(), Vec::new());
    for (number, (record, (theirs, findings))) in records.iter().zip(of_records).enumerate() {
        let ours = case.verdict(record);
        intact.extend((theirs == "INTACT").then_some(number));
        differing.extend((theirs != ours).then(|| format!("{number}: {ours} here, {findings:?}")));
    }
    assert!(differing.is_empty(), "{} disagree:\n{}", differing.len(), differing.join("\n"));
    // The hash functions that are named beside the time-stamps are hints: each names its own.
    assert!(intact[0] == 0 && intact.len() < 100, "{intact:?}");
    for (number, (theirs, findings)) in of_proofs.iter().enumerate() {
        assert_eq!(number == 0, theirs == "INTACT", "proof {number}: {findings:?}");
    }
}

/// Runs the other verifier on an evidence record and files; returns its exit code and what it says.
fn run_record(folder: &Path, files: &[&str]) -> (Option<i32>, String) {
    let mut python = Command::new("python3");
    python.current_dir(folder).args([
        "-B",
        &format!("{SCRIPTS}/sigillo_verify.py"),
        "record",
        "it.er",
    ]);
    let ran = python.args(files).args(["--ca", "root.pem", "--at", AT]).output().unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn a_file_that_may_be_a_node_is_told_unless_a_record_names_it() {
    if !has_programs() {
        return;
    }
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("root.pem", to_pem("CERTIFICATE", &world.root).as_bytes());
    for (hash, length) in [(HashFunction::Sha256, 32), (HashFunction::Sha512, 64)] {
        // New hash trees join two in any order.
        for (parts, may_be) in [(&[1, 2][..], true), (&[2, 1], true), (&[2, 1, 2], false)] {
            let file = parts.iter().flat_map(|part| vec![*part; length]).collect::<Vec<u8>>();
            let record = |of: &[u8]| {
                let sha256 = Sha256Digest::of(of);
                format!(r#"{{"files":[{{"name":"a","sha256":"{sha256}"}}],"format":1}}"#)
            };
            let record = [record(&file), record(b"another")];
            let group: Vec<_> = record.iter().map(String::as_bytes).chain([&file[..]]).collect();
            let group: Vec<_> = group.into_iter().map(|it| hash.digest(it)).collect();
            let mut sorted = group.clone();
            sorted.sort_unstable();
            let root = hash.digest(&sorted.concat());
            let (token, _) = match hash {
                HashFunction::Sha256 => {
                    world.stamp(Sha256Digest::from_bytes(root.try_into().unwrap()))
                }
                _ => world.stamp(EvidenceDigest::from(Sha512Digest::from_bytes(
                    root.try_into().unwrap(),
                ))),
            };
            let chain = write_chain(&[StampParts { hash, lists: vec![group], token: &token }]);
            write("it.er", &write_record(&[hash], &[&chain]));
            write("due.bin", &file);
            write("record.json", record[0].as_bytes());
            write("other.json", record[1].as_bytes());
            write("false.json", record[0].replace("\"a\"", "\"b\"").as_bytes());
            for (files, unknown) in [
                (&["due.bin"][..], may_be),
                (&["record.json", "due.bin"], false),
                (&["due.bin", "other.json"], may_be),
                (&["record.json"], false),
            ] {
                let (code, said) = run_record(folder.path(), files);
                assert_eq!(code, Some(if unknown { 3 } else { 0 }), "{hash} {files:?}: {said}");
                assert_eq!(said.contains("may be a node"), unknown, "{said}");
            }
            assert_eq!(run_record(folder.path(), &["due.bin", "false.json"]).0, Some(5));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
