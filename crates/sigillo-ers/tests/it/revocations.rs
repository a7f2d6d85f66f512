//! Revocation lists and OCSP responses that OpenSSL makes, and what they say of a token of its.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they skip"
)]

use std::{path::Path, process::Command};

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use sigillo_ers::{
    AlgorithmTable, Authorities, HashFunction, RecordObject, RecordReport, RecordRules,
    RevocationEffect, RevocationError, RevocationKind, RevocationRules, RevocationSet,
    RevocationStatus, StampParts, TimeStampRequest, TrustAnchors, pem_blocks, verify_record,
    write_chain, write_record,
};
use sigillo_model::{FindingCode, Sha256Digest, Verdict};
use tempfile::TempDir;

use crate::forge::Node;

const TABLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

const DATA: &[u8] = b"data";
/// Serial numbers of the certificates.
const AUTHORITY: &str = "10";
pub(crate) const TSA: &str = "20";

const CONFIGURATION: &str = "
[req]
distinguished_name=name
[name]
[root]
basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign,cRLSign
[authority]
basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign,cRLSign
[tsa]
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
crlDistributionPoints=URI:http://example.test/a.crl
authorityInfoAccess=OCSP;URI:http://example.test/ocsp
[responder]
keyUsage=critical,digitalSignature
extendedKeyUsage=OCSPSigning
noCheck=ignored
[plain]
keyUsage=critical,digitalSignature
[ca]
default_md=sha256
database=index
crlnumber=number
serial=next
new_certs_dir=.
policy=any
unique_subject=no
[any]
commonName=supplied
[delta]
2.5.29.27=critical,DER:020101
[strange]
1.2.3.4=critical,DER:0500
[harmless]
1.2.3.4=DER:0500
[indirect]
issuingDistributionPoint=critical,@i
[i]
indirectCRL=TRUE
[reasons]
issuingDistributionPoint=critical,@r
[r]
onlysomereasons=keyCompromise
[users]
issuingDistributionPoint=critical,@u
[u]
onlyuser=TRUE
[authorities]
issuingDistributionPoint=critical,@a
[a]
onlyCA=TRUE
[attributes]
issuingDistributionPoint=critical,@at
[at]
onlyAA=TRUE
[same]
issuingDistributionPoint=critical,@s
[s]
fullname=URI:http://example.test/a.crl
[other]
issuingDistributionPoint=critical,@o
[o]
fullname=URI:http://example.test/b.crl
[t]
serial=serial
signer_cert=tsa.pem
certs=authority.pem
signer_key=tsa.key
signer_digest=sha256
default_policy=1.2.3.4.1
digests=sha256
ess_cert_id_alg=sha256
";

/// Tells whether there is an OpenSSL; without it prints so, and fails in CI.
pub(crate) fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        println!("SKIPPED: openssl is missing");
    }
    found
}

/// A root, an authority below it, and a time-stamping authority below that; a token of it.
pub(crate) struct Installation {
    folder: TempDir,
    pub(crate) token: Vec<u8>,
    stamped_at: Timestamp,
    pub(crate) anchors: TrustAnchors,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
        write("openssl.cnf", CONFIGURATION.as_bytes()).unwrap();
        write("serial", b"01\n").unwrap();
        let run = |line: &str| openssl(folder.path(), line);
        for (name, issuer, serial) in [
            ("root", "root", "01"),
            ("authority", "root", AUTHORITY),
            ("tsa", "authority", TSA),
            ("responder", "authority", "30"),
            ("plain", "authority", "40"),
        ] {
            issue(folder.path(), name, name, issuer, serial);
        }
        let imprint = Sha256Digest::of(DATA).into();
        let request = TimeStampRequest { imprint, nonce: [7; 8], policy: None };
        write("request.tsq", &request.to_der()).unwrap();
        run(
            "ts -reply -config openssl.cnf -section t -queryfile request.tsq -token_out -out token",
        );
        let token = std::fs::read(folder.path().join("token")).unwrap();
        let mut anchors = TrustAnchors::new();
        let root = std::fs::read_to_string(folder.path().join("root.pem")).unwrap();
        anchors.add_der("root", &pem_blocks(&root, "CERTIFICATE").unwrap()[0]).unwrap();
        let mut this = Self { folder, token, stamped_at: Timestamp::MIN, anchors };
        this.stamped_at = this.verify_as(&this.record(), None, None).stamps[0].stamped_at.unwrap();
        this
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Verifies a token as of two years after the time-stamp, with nothing but what is in it.
    pub(crate) fn verify_token(&self, token: &[u8]) -> RecordReport {
        let none = RevocationSet::new();
        self.verify_as(&record_of(token), Some(&none), Some(self.after(730)))
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        record_of(&self.token)
    }

    pub(crate) fn verify_as(
        &self,
        record: &[u8],
        evidence: Option<&RevocationSet>,
        at: Option<Timestamp>,
    ) -> RecordReport {
        let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
        let rules = RecordRules {
            authorities: Authorities::Anchored(&self.anchors),
            algorithms: &algorithms,
            at,
            whole_group: true,
            revocation: RevocationRules { evidence, required: false },
        };
        let digest = |hash: HashFunction| Some(hash.digest(DATA));
        verify_record(record, &[RecordObject { name: "data", digest: &digest }], &rules)
    }

    /// Verifies as of two years after the time-stamp, with evidence.
    pub(crate) fn verify(&self, evidence: &[Vec<u8>]) -> RecordReport {
        let mut set = RevocationSet::new();
        for bytes in evidence {
            set.add("file", bytes).unwrap();
        }
        self.verify_with(&self.record(), &set)
    }

    /// Verifies a record as of then, with evidence.
    pub(crate) fn verify_with(&self, record: &[u8], evidence: &RevocationSet) -> RecordReport {
        self.verify_as(record, Some(evidence), Some(self.after(730)))
    }

    fn after(&self, days: i64) -> Timestamp {
        self.stamped_at + SignedDuration::from_hours(24 * days)
    }

    /// Makes a list of `issuer` as of `from` days after the time-stamp, current for a month, on which
    /// are `entries`: serial number, days after the time-stamp, reason.
    pub(crate) fn list(
        &self,
        issuer: &str,
        from: i64,
        entries: &[(&str, i64, &str)],
        options: &str,
    ) -> Vec<u8> {
        let day = |days| self.after(days).strftime("%y%m%d%H%M%SZ").to_string();
        let line = |(serial, at, reason): &(&str, i64, &str)| {
            let reason = if reason.is_empty() { String::new() } else { format!(",{reason}") };
            format!("R\t400101000000Z\t{}{reason}\t{serial}\tunknown\t/CN=x\n", day(*at))
        };
        let index: String = entries.iter().map(line).collect();
        std::fs::write(self.path().join("index"), index).unwrap();
        std::fs::write(self.path().join("number"), "01\n").unwrap();
        let (last, next) = (day(from), day(from + 30));
        openssl(
            self.path(),
            &format!(
                "ca -config openssl.cnf -name ca -gencrl -cert {issuer}.pem -keyfile {issuer}.key \
                 -crl_lastupdate {last} -crl_nextupdate {next} -out list.pem {options}"
            ),
        );
        openssl(self.path(), "crl -in list.pem -outform DER -out list.crl");
        std::fs::read(self.path().join("list.crl")).unwrap()
    }

    /// Makes a response of `signer` for the time-stamping authority, as of now; `status` is a line of
    /// the index.
    pub(crate) fn answer(&self, signer: &str, status: &str) -> Vec<u8> {
        std::fs::write(self.path().join("index"), status).unwrap();
        openssl(
            self.path(),
            "ocsp -issuer authority.pem -cert tsa.pem -no_nonce -reqout request.ocsp",
        );
        openssl(
            self.path(),
            &format!(
                "ocsp -index index -rsigner {signer}.pem -rkey {signer}.key -CA authority.pem \
                 -reqin request.ocsp -ndays 30 -respout answer.ocsp"
            ),
        );
        std::fs::read(self.path().join("answer.ocsp")).unwrap()
    }
}

pub(crate) fn record_of(token: &[u8]) -> Vec<u8> {
    let hash = HashFunction::Sha256;
    let lists = vec![vec![hash.digest(DATA)]];
    let chain = write_chain(&[StampParts { hash, lists, token }]);
    write_record(&[hash], &[&chain])
}

fn issue(folder: &Path, name: &str, extensions: &str, issuer: &str, serial: &str) {
    issue_until("40", folder, name, extensions, (issuer, serial));
}

/// Issues a certificate that lasts until a year, with a new key and a subject of the same name.
pub(crate) fn issue_until(
    end: &str,
    folder: &Path,
    name: &str,
    extensions: &str,
    (issuer, serial): (&str, &str),
) {
    openssl(
        folder,
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
             -subj /CN={name} -config openssl.cnf -out request.csr"
        ),
    );
    std::fs::write(folder.join("index"), "").unwrap();
    std::fs::write(folder.join("next"), format!("{serial}\n")).unwrap();
    let by = if issuer == name {
        format!("-selfsign -keyfile {name}.key")
    } else {
        format!("-cert {issuer}.pem -keyfile {issuer}.key")
    };
    openssl(
        folder,
        &format!(
            "ca -batch -notext -config openssl.cnf -name ca -in request.csr {by} -extensions \
             {extensions} -startdate 200101000000Z -enddate {end}0101000000Z -out {name}.pem"
        ),
    );
}

/// Runs OpenSSL, which must succeed.
#[track_caller]
pub(crate) fn openssl(folder: &Path, line: &str) {
    let arguments = line.split_whitespace();
    let ran = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

fn codes(report: &RecordReport) -> Vec<FindingCode> {
    // No trusted list is at hand here, and none is asked for.
    let codes = report.findings.iter().map(|finding| finding.code);
    codes.filter(|code| *code != FindingCode::NotQualified).collect()
}

/// Returns what is known of the certificate of the time-stamping authority.
pub(crate) fn of_tsa(report: &RecordReport) -> RevocationStatus {
    assert_eq!(report.stamps[0].revocation[0].subject, "CN=tsa");
    report.stamps[0].revocation[0].status.clone()
}

pub(crate) fn missing(report: &RecordReport) -> String {
    match of_tsa(report) {
        RevocationStatus::Unknown { missing } => missing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_evidence_revocation_cannot_be_told() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let report = world.verify(&[]);
    let expected = [FindingCode::RevocationUnknown; 2];
    assert_eq!(codes(&report), expected, "{:?}", report.findings);
    assert_eq!(report.verdict(), Verdict::Intact);
    assert_eq!(missing(&report), "no revocation list and no OCSP response for it");
    // The root is an anchor: it is not asked about.
    let subjects: Vec<_> = report.stamps[0].revocation.iter().map(|it| &*it.subject).collect();
    assert_eq!(subjects, ["CN=tsa", "CN=authority"]);
}

#[test]
fn lists_of_both_issuers_tell_that_nothing_was_revoked() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let lists = [
        world.list("authority", 1, &[("21", -5, ""), ("30", 0, "superseded")], ""),
        world.list("root", 1, &[], ""),
    ];
    let report = world.verify(&lists);
    assert_eq!(codes(&report), [], "{:?}", report.findings);
    let RevocationStatus::Good { source } = of_tsa(&report) else { panic!("{report:?}") };
    assert_eq!((source.kind, &*source.maker), (RevocationKind::Crl, "CN=authority"));
    assert_eq!(source.sha256, Sha256Digest::of(&lists[0]));
    assert_eq!(source.as_of.as_second(), world.after(1).as_second());
    // The same as PEM text.
    let pem = std::fs::read(world.path().join("list.pem")).unwrap();
    assert_eq!(codes(&world.verify(&[lists[0].clone(), pem])), []);
}

#[rstest]
#[case::before(-1, "superseded", Some(FindingCode::CertificateRevoked))]
#[case::before_for_no_reason(-1, "", Some(FindingCode::CertificateRevoked))]
#[case::later(9, "superseded", None)]
#[case::later_for_compromise(9, "keyCompromise", Some(FindingCode::RevokedLater))]
#[case::later_for_no_reason(9, "", Some(FindingCode::RevokedLater))]
fn a_revoked_certificate_is_told_with_what_it_means(
    #[case] at: i64,
    #[case] reason: &str,
    #[case] expected: Option<FindingCode>,
) {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    // Both of the time-stamping authority and of the one above it.
    for (issuer, serial, other) in [("authority", TSA, "root"), ("root", AUTHORITY, "authority")] {
        let lists =
            [world.list(issuer, 10, &[(serial, at, reason)], ""), world.list(other, 10, &[], "")];
        let report = world.verify(&lists);
        assert_eq!(codes(&report), Vec::from_iter(expected), "{:?}", report.findings);
        let place = usize::from(issuer == "root");
        let status = &report.stamps[0].revocation[place].status;
        assert!(matches!(status, RevocationStatus::Revoked { .. }), "{status:?}");
    }
}

#[test]
fn a_list_that_says_since_when_a_key_was_unsafe_counts_from_then() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let since = world.after(-3).strftime("%Y%m%d%H%M%SZ").to_string();
    let list = world.list("authority", 10, &[(TSA, 9, &format!("keyTime,{since}"))], "");
    let report = world.verify(&[list, world.list("root", 10, &[], "")]);
    assert_eq!(codes(&report), [FindingCode::CertificateRevoked], "{:?}", report.findings);
}

#[rstest]
#[case::complete("", true)]
#[case::harmless("-crlexts harmless", true)]
#[case::users("-crlexts users", true)]
#[case::same_point("-crlexts same", true)]
#[case::delta("-crlexts delta", false)]
#[case::unknown_extension("-crlexts strange", false)]
#[case::indirect("-crlexts indirect", false)]
#[case::some_reasons("-crlexts reasons", false)]
#[case::authorities_only("-crlexts authorities", false)]
#[case::attributes_only("-crlexts attributes", false)]
#[case::other_point("-crlexts other", false)]
fn a_list_that_is_not_for_all_or_not_understood_says_nothing(
    #[case] options: &str,
    #[case] usable: bool,
) {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    // Neither that a certificate is good nor that it is revoked.
    for entries in [&[][..], &[(TSA, -1, "superseded")]] {
        let report = world.verify(&[world.list("authority", 1, entries, options)]);
        let is_told = !matches!(of_tsa(&report), RevocationStatus::Unknown { .. });
        assert_eq!(is_told, usable, "{options}: {:?}", of_tsa(&report));
    }
}

#[rstest]
#[case::of_later(1, true)]
#[case::current(-1, true)]
#[case::stale(-31, false)]
#[case::after_the_time_asked_for(731, false)]
#[case::before_its_signer_was_valid(-5_000, false)]
fn a_list_counts_by_its_times(#[case] from: i64, #[case] usable: bool) {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let report = world.verify(&[world.list("authority", from, &[], "")]);
    let is_known = !matches!(of_tsa(&report), RevocationStatus::Unknown { .. });
    assert_eq!(is_known, usable, "{:?}", of_tsa(&report));
    let expected = match from {
        -31 => "does not reach",
        731 => "of a later time than asked for",
        -5_000 => "when its signer's certificate was not valid",
        _ => return,
    };
    assert!(missing(&report).contains(expected), "{}", missing(&report));
}

#[test]
fn a_list_of_somebody_else_of_that_name_says_nothing() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    let (key, certificate) =
        (world.path().join("authority.key"), world.path().join("authority.pem"));
    let kept = [&key, &certificate].map(|path| std::fs::read(path).unwrap());
    issue(world.path(), "authority", "authority", "root", "11");
    let list = world.list("authority", 1, &[], "");
    let report = world.verify(&[list]);
    assert!(missing(&report).contains("its signature is wrong"), "{:?}", of_tsa(&report));
    std::fs::write(key, &kept[0]).unwrap();
    std::fs::write(certificate, &kept[1]).unwrap();
    let report = world.verify(&[world.list("authority", 1, &[], "")]);
    assert!(matches!(of_tsa(&report), RevocationStatus::Good { .. }));
}

pub(crate) const GOOD: &str = "V\t400101000000Z\t\t20\tunknown\t/CN=tsa\n";

#[test]
fn responses_of_the_issuer_and_of_whom_it_named_are_used() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    for (signer, maker) in [("authority", "CN=authority"), ("responder", "CN=responder")] {
        let report = world.verify(&[world.answer(signer, GOOD)]);
        let RevocationStatus::Good { source } = of_tsa(&report) else {
            panic!("{:?}", of_tsa(&report))
        };
        assert_eq!((source.kind, &*source.maker), (RevocationKind::Ocsp, maker));
    }
    let revoked = "R\t400101000000Z\t200101000000Z,keyCompromise\t20\tunknown\t/CN=tsa\n";
    let report = world.verify(&[world.answer("responder", revoked)]);
    let RevocationStatus::Revoked { at, reason, effect, .. } = of_tsa(&report) else {
        panic!("{:?}", of_tsa(&report))
    };
    assert_eq!(at.to_string(), "2020-01-01T00:00:00Z");
    assert_eq!(reason.unwrap().to_string(), "key compromise");
    assert_eq!(effect, RevocationEffect::Void);
    assert!(codes(&report).contains(&FindingCode::CertificateRevoked));
}

#[test]
fn responses_of_others_say_nothing() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    // Without the purpose; issued by somebody else; revoked by the issuer's list; unknown to it.
    let report = world.verify(&[world.answer("plain", GOOD)]);
    assert!(missing(&report).contains("not for signing OCSP responses"), "{}", missing(&report));
    issue(world.path(), "stranger", "responder", "root", "31");
    let report = world.verify(&[world.answer("stranger", GOOD)]);
    assert!(missing(&report).contains("not issued by the same issuer"), "{}", missing(&report));
    // Revoked by the issuer's list, which then counts alone; a list that is not used is not asked.
    let answer = world.answer("responder", GOOD);
    let revoked = [("30", -1, "superseded")];
    for (options, kind) in [("", RevocationKind::Crl), ("-crlexts reasons", RevocationKind::Ocsp)] {
        let list = world.list("authority", 0, &revoked, options);
        let report = world.verify(&[answer.clone(), list]);
        let RevocationStatus::Good { source } = of_tsa(&report) else { panic!("{report:?}") };
        assert_eq!(source.kind, kind);
    }
    let only = world.list("authority", 0, &[("30", 9, "keyCompromise")], "-crlexts authorities");
    let report = world.verify(&[answer.clone(), only]);
    assert!(matches!(of_tsa(&report), RevocationStatus::Good { .. }), "{report:?}");
    let report = world.verify(&[world.answer("responder", "")]);
    assert!(missing(&report).contains("its answer is: unknown"), "{}", missing(&report));
}

#[test]
fn no_byte_of_evidence_can_be_changed_so_that_it_counts() {
    if !has_openssl() {
        return;
    }
    let world = Installation::new();
    for evidence in [
        world.list("authority", 1, &[(TSA, 9, "keyCompromise")], ""),
        world.answer("responder", GOOD),
    ] {
        let honest = of_tsa(&world.verify(std::slice::from_ref(&evidence)));
        for place in 0..evidence.len() {
            let mut changed = evidence.clone();
            changed[place] ^= 1;
            let mut set = RevocationSet::new();
            if set.add("changed", &changed).is_err() {
                continue;
            }
            let at = Some(world.after(730));
            let found = of_tsa(&world.verify_as(&world.record(), Some(&set), at));
            // Certificates in a response are not under its signature: of those that are not used any
            // byte may change.
            let same = match (&found, &honest) {
                (RevocationStatus::Good { source: a }, RevocationStatus::Good { source: b }) => {
                    (a.as_of, &a.maker) == (b.as_of, &b.maker)
                }
                _ => false,
            };
            let is_unknown = matches!(found, RevocationStatus::Unknown { .. });
            assert!(is_unknown || same, "byte {place}: {found:?}");
        }
    }
}

#[test]
fn what_a_token_brings_with_it_counts() {
    if !has_openssl() {
        return;
    }
    let mut world = Installation::new();
    let list = Node::parse(&world.list("authority", 1, &[], ""));
    let mut token = Node::parse(&world.token);
    // Behind the certificates: [1] IMPLICIT RevocationInfoChoices.
    token.at(&[1, 0]).nodes.insert(4, Node { tag: 0xa1, nodes: vec![list], bytes: Vec::new() });
    world.token = token.encode();
    let at = Some(world.after(730));
    let report = world.verify_as(&world.record(), None, at);
    let RevocationStatus::Good { source } = of_tsa(&report) else { panic!("{report:?}") };
    assert_eq!(source.name, "in time-stamp 1");
    // Of the authority above nothing is known: that is a note, and more where it is demanded.
    assert_eq!(codes(&report), [FindingCode::RevocationUnknown]);
}

#[test]
fn what_is_no_evidence_is_refused() {
    let mut set = RevocationSet::new();
    for bytes in [&b""[..], b"x", &[0x30, 0], &[0x30, 3, 0x0a, 1, 6], b"-----BEGIN X509 CRL-----\n"]
    {
        let found = set.add("x", bytes);
        assert!(matches!(found, Err(RevocationError::Malformed { .. })), "{found:?}");
    }
    assert!(set.is_empty());
}
