//! Sixty years of an evidence record: certificates of authorities end, a hash function falls, and what
//! was renewed in time is verified every year, by others too.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers fail, and say what they skip"
)]

use std::{fs, process::Command};

use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{
    AlgorithmTable, Authorities, CertificateContent, CertificateRole, EvidenceRecord, Expectations,
    HashFunction, Imprint, RecordObject, RecordReport, RecordRules, Renewal, RenewalError,
    RevocationRules, StampParts, TimeStampRequest, TokenContent, TrustAnchors, check_response,
    lists_root, prepare_token, renew_hash_tree, renew_time_stamp, renewals_due, to_pem,
    verify_record, write_chain, write_record,
};
use sigillo_model::{Finding, FindingCode, Verdict};

use crate::{
    vectors::vectors,
    world::{Key, ROOT_NAME, certificate, content, time},
};

/// SHA-384 falls in 2050, nothing else.
const TABLE: &str = r#"
    source = "a future that was made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    [[hash]]
    name = "SHA-384"
    until = "2050-01-01"
    [[hash]]
    name = "SHA-512"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
"#;

/// A certificate of an authority is valid for so many years.
const VALID_YEARS: i32 = 10;

/// How long before its end evidence is renewed: two years.
const LEAD: SignedDuration = SignedDuration::from_hours(2 * 366 * 24);

/// The data objects.
const OBJECTS: [&[u8]; 2] = [b"record", b"file"];

fn new_year(year: i32) -> Timestamp {
    time(&format!("{year}-01-01T00:00:00Z"))
}

/// A root that outlives everything, and an authority that gets a new key every few years.
struct Authority {
    root_key: Key,
    root: Vec<u8>,
    anchors: TrustAnchors,
    key: Key,
    certificate: Vec<u8>,
    since: i32,
}

impl Authority {
    fn new(year: i32) -> Self {
        let root_key = Key::generate();
        let root = CertificateContent {
            not_before: new_year(year - 1),
            not_after: new_year(2200),
            ..content(CertificateRole::TrialRoot, ROOT_NAME, &root_key, &root_key)
        };
        let root = certificate(&root, &root_key);
        let mut anchors = TrustAnchors::new();
        anchors.add_der("trial", &root).unwrap();
        let key = Key::generate();
        let mut this = Self { root_key, root, anchors, key, certificate: Vec::new(), since: year };
        this.take_new_key(year);
        this
    }

    fn take_new_key(&mut self, year: i32) {
        self.key = Key::generate();
        let role = CertificateRole::TrialTimeStamping;
        let of_key = CertificateContent {
            not_before: new_year(year),
            not_after: new_year(year + VALID_YEARS),
            ..content(role, &format!("TRIAL TSA of {year}"), &self.key, &self.root_key)
        };
        self.certificate = certificate(&of_key, &self.root_key);
        self.since = year;
    }

    /// Stamps, in the first minutes of a year.
    fn stamp(&self, imprint: Imprint, year: i32) -> Vec<u8> {
        let stamped_at = new_year(year) + SignedDuration::from_mins(5);
        let request = TimeStampRequest { imprint, nonce: [7; 8], policy: None };
        let prepared = prepare_token(&TokenContent {
            request: &request,
            serial: [3; 16],
            stamped_at,
            certificate_der: &self.certificate,
            chain: &[],
        })
        .unwrap();
        let signature = self.key.sign(prepared.to_sign());
        let tolerance = SignedDuration::from_mins(1);
        let anchors = &self.anchors;
        let expected = Expectations { request: &request, at: stamped_at, tolerance, anchors };
        check_response(&prepared.finish(&signature), &expected).unwrap().raw().to_vec()
    }
}

struct World {
    authority: Authority,
    algorithms: AlgorithmTable,
}

impl World {
    fn new(year: i32) -> Self {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        Self { authority: Authority::new(year), algorithms }
    }

    fn first_record(&self, year: i32) -> Vec<u8> {
        let hash = HashFunction::Sha384;
        let lists = vec![digests(hash)];
        let imprint = Imprint::new(hash, lists_root(hash, &lists)).unwrap();
        let token = self.authority.stamp(imprint, year);
        let chain = write_chain(&[StampParts { hash, lists, token: &token }]);
        write_record(&[hash], &[&chain])
    }

    fn verify(&self, record: &[u8], at: Timestamp) -> RecordReport {
        let each = OBJECTS.map(|object| move |hash: HashFunction| Some(hash.digest(object)));
        let objects: Vec<RecordObject<'_>> =
            each.iter().map(|digest| RecordObject { name: "object", digest }).collect();
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.authority.anchors),
            algorithms: &self.algorithms,
            at: Some(at),
            whole_group: true,
            revocation: RevocationRules::EMBEDDED,
        };
        verify_record(record, &objects, &rules)
    }

    /// Does what is due, if anything is.
    fn renew(&self, record: &[u8], year: i32) -> Option<(Renewal, Vec<u8>)> {
        let now = new_year(year);
        let report = self.verify(record, now);
        let due = renewals_due(report.stamps.last().unwrap(), &self.algorithms);
        let due = due.into_iter().filter(|due| due.is_due(now, LEAD));
        let renewal = due.map(|due| due.renewal).max()?;
        let read = EvidenceRecord::read(record).unwrap();
        let hash = HashFunction::Sha512;
        let prepared = match renewal {
            Renewal::TimeStamp => renew_time_stamp(&read).unwrap(),
            Renewal::HashTree => renew_hash_tree(&read, hash, &digests(hash)).unwrap(),
        };
        let token = self.authority.stamp(prepared.imprint(), year);
        Some((renewal, prepared.finish(&token)))
    }

    /// Lets a record be verified by somebody else's program.
    fn check_outside(&self, record: &[u8], year: i32) {
        let Some(vectors) = vectors() else { return };
        let modules =
            Command::new("python3").args(["-c", "import asn1crypto, cryptography"]).output();
        if !modules.is_ok_and(|ran| ran.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "python3 lacks asn1crypto or cryptography");
            println!("SKIPPED: python3 lacks asn1crypto or cryptography");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let names = ["root.pem", "record.er", "0", "1"];
        let [root, er, first, second] = names.map(|name| folder.path().join(name));
        fs::write(&root, to_pem("CERTIFICATE", &self.authority.root)).unwrap();
        fs::write(&er, record).unwrap();
        fs::write(&first, OBJECTS[0]).unwrap();
        fs::write(&second, OBJECTS[1]).unwrap();
        let mut python = Command::new("python3");
        python.arg(vectors.join("../verifiers/verify_er.py")).args(["--strict", "--group"]);
        let ran = python.arg("--ca").args([root, er, first, second]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("VALID"), "{year}: {ran:?}");
    }
}

fn digests(hash: HashFunction) -> Vec<Vec<u8>> {
    OBJECTS.map(|object| hash.digest(object)).to_vec()
}

fn graver_than_notes(report: &RecordReport) -> Vec<&Finding> {
    let notes = [FindingCode::TrialEvidence, FindingCode::RevocationUnknown];
    report.findings.iter().filter(|finding| !notes.contains(&finding.code)).collect()
}

#[test]
fn what_is_renewed_when_it_is_due_is_proven_for_sixty_years() {
    let mut world = World::new(2026);
    let first = world.first_record(2026);
    let (mut record, mut done) = (first.clone(), Vec::new());
    for year in 2026..=2086 {
        if year >= world.authority.since + VALID_YEARS - 3 {
            world.authority.take_new_key(year);
        }
        if let Some((renewal, renewed)) = world.renew(&record, year) {
            record = renewed;
            done.push((year, renewal));
        }
        let at = new_year(year) + SignedDuration::from_hours(24);
        let report = world.verify(&record, at);
        assert_eq!(graver_than_notes(&report), Vec::<&Finding>::new(), "{year}");
        assert_eq!(report.verdict(), Verdict::Intact, "{year}");
        if year % 15 == 0 || year == 2086 {
            world.check_outside(&record, year);
        }
    }
    let trees: Vec<_> = done.iter().filter(|(_, it)| *it == Renewal::HashTree).collect();
    assert_eq!(trees, [&(2048, Renewal::HashTree)]);
    assert!(done.len() >= 7, "{done:?}");
    // Nothing was renewed more often than the certificates ask for.
    assert!(done.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 5), "{done:?}");
    // What nobody renews is not proven any more, and not wrong.
    let report = world.verify(&first, new_year(2037));
    assert_eq!(report.verdict(), Verdict::CannotTell);
    assert!(report.findings.iter().any(|it| it.code == FindingCode::EvidenceEnded));
}

#[test]
fn what_is_renewed_too_late_stays_doubtful() {
    let mut world = World::new(2026);
    let record = world.first_record(2026);
    world.authority.take_new_key(2037);
    let (renewal, late) = world.renew(&record, 2037).unwrap();
    assert_eq!(renewal, Renewal::TimeStamp);
    let report = world.verify(&late, new_year(2038));
    assert_eq!(report.verdict(), Verdict::CannotTell);
    assert!(report.findings.iter().any(|it| it.code == FindingCode::RenewedLate));
    // A hash function that had fallen before the tree was renewed.
    world.authority.take_new_key(2034);
    let in_time = world.renew(&record, 2034).unwrap().1;
    world.authority.take_new_key(2043);
    let in_time = world.renew(&in_time, 2043).unwrap().1;
    world.authority.take_new_key(2051);
    let (renewal, late) = world.renew(&in_time, 2051).unwrap();
    assert_eq!(renewal, Renewal::HashTree);
    let report = world.verify(&late, new_year(2052));
    assert!(report.findings.iter().any(|it| it.code == FindingCode::AlgorithmExpired));
    assert_eq!(report.verdict(), Verdict::CannotTell);
}

#[test]
fn what_cannot_be_renewed_so_is_refused() {
    let world = World::new(2026);
    let record = world.first_record(2026);
    let read = EvidenceRecord::read(&record).unwrap();
    let refused = |hash, digests: &[Vec<u8>]| renew_hash_tree(&read, hash, digests).unwrap_err();
    let hash = HashFunction::Sha384;
    assert_eq!(refused(hash, &digests(hash)), RenewalError::SameHash { hash });
    assert_eq!(refused(HashFunction::Sha512, &[]), RenewalError::NoObject);
    let error = RenewalError::DigestLength { hash: HashFunction::Sha512, length_bytes: 48 };
    assert_eq!(refused(HashFunction::Sha512, &digests(hash)), error);
}
