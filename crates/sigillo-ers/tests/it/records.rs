//! Evidence records of other makers, judged as their table expects.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::unreachable, reason = "a table of cases that cannot be read ends the test")]

use std::{collections::HashMap, path::Path};

use sigillo_ers::{
    AlgorithmTable, Authorities, EvidenceRecord, HashFunction, RecordObject, RecordReport,
    RecordRules, RevocationRules, verify_record,
};
use sigillo_model::{FindingCode, Verdict};

use crate::vectors::vectors;

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

/// A data object of the table of cases.
enum Object {
    Bytes(Vec<u8>),
    Digests(HashMap<HashFunction, Vec<u8>>),
}

impl Object {
    fn read(folder: &Path, text: &str) -> Self {
        match text.split_once(':').unwrap() {
            ("hex", digits) => Self::Bytes(hex::decode(digits).unwrap()),
            ("file", path) => Self::Bytes(std::fs::read(folder.join(path)).unwrap()),
            ("digest", digests) => {
                let one = |text: &str| {
                    let (name, digits) = text.split_once(':').unwrap();
                    (name.parse().unwrap(), hex::decode(digits).unwrap())
                };
                Self::Digests(digests.split('+').map(one).collect())
            }
            other => unreachable!("{other:?}"),
        }
    }

    fn digest(&self, hash: HashFunction) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(hash.digest(bytes)),
            Self::Digests(digests) => digests.get(&hash).cloned(),
        }
    }
}

fn verify(raw: &[u8], object: &Object) -> RecordReport {
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let rules = RecordRules {
        authorities: Authorities::Any,
        algorithms: &algorithms,
        at: None,
        whole_group: false,
        revocation: RevocationRules::EMBEDDED,
    };
    let digest = |hash| object.digest(hash);
    verify_record(raw, &[RecordObject { name: "the object", digest: &digest }], &rules)
}

#[test]
fn records_of_others_are_judged_as_their_table_expects() {
    let Some(folder) = vectors() else { return };
    let table = std::fs::read_to_string(folder.join("ERS_CASES.tsv")).unwrap();
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let [record, object, expected, tags] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let raw = std::fs::read(folder.join(record)).unwrap();
        let report = verify(&raw, &Object::read(&folder, object));
        let codes: Vec<_> = report.findings.iter().map(|it| (it.code, &*it.message)).collect();
        let has = |code| codes.iter().any(|(found, _)| *found == code);
        let fits = match expected {
            "valid" => report.verdict() == Verdict::Intact,
            "invalid" => report.verdict() == Verdict::Damaged,
            "valid-late" => {
                report.verdict() == Verdict::CannotTell && has(FindingCode::RenewedLate)
            }
            "valid-weak" => {
                report.verdict() == Verdict::CannotTell && has(FindingCode::AlgorithmExpired)
            }
            other => panic!("{other}"),
        };
        cases += 1;
        if !fits {
            wrong.push(format!("{record} {tags}: expected {expected}, found {codes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{cases} records judged as expected");
}

#[test]
fn no_byte_from_the_first_chain_to_the_last_token_can_be_changed_unnoticed() {
    let Some(folder) = vectors() else { return };
    let raw = std::fs::read(folder.join("ers/dss/BIN-2_ER.ers")).unwrap();
    let object = Object::read(&folder, "file:ers/dss/BIN-2.bin");
    assert_eq!(verify(&raw, &object).verdict(), Verdict::Intact);
    let place_of = |part: &[u8]| part.as_ptr() as usize - raw.as_ptr() as usize;
    let record = EvidenceRecord::read(&raw).unwrap();
    let stamps = record.chains.iter().flat_map(|chain| &chain.stamps);
    let last = stamps.map(|stamp| place_of(stamp.token)).max().unwrap();
    // Nothing protects the list of hash functions before the first chain, and nothing rests on it,
    // nor on what is said of a time-stamp beside its lists and its token; that is told.
    for place in place_of(record.chains[0].raw)..last {
        let mut changed = raw.clone();
        changed[place] ^= 1;
        let report = verify(&changed, &object);
        let told = report.findings.iter().any(|it| it.code == FindingCode::RecordUnusual);
        let is_noticed = report.verdict() != Verdict::Intact || told;
        assert!(is_noticed, "byte {place}: {:?}", report.findings);
    }
}
