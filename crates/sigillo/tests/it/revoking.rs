//! Whether certificates were revoked, from the stamping to a bundle that is checked elsewhere, with an
//! authority and a responder that OpenSSL plays.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{AlgorithmTable, TrustAnchors, pem_blocks};
use sigillo_model::Verdict;
use sigillo_proof::{Bundle, BundleRules, ReceiptTrust, check_bundle, check_receipt};

use crate::{
    lines::second_verifier,
    program::{World, finish, skip},
};

/// An authority with a responder, or with a revocation list, that answers once it is told to.
pub(crate) struct Authority {
    pub(crate) folder: PathBuf,
    pub(crate) answers: Arc<AtomicBool>,
    name: &'static str,
    address: String,
}

/// What its certificate says of where to learn whether it was revoked.
pub(crate) const RESPONDER: &str = "authorityInfoAccess=OCSP;URI:http://ADDRESS/ocsp";
pub(crate) const LIST: &str = "crlDistributionPoints=URI:http://ADDRESS/crl";

#[track_caller]
fn openssl(folder: &Path, line: &str) {
    let ran = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

impl Authority {
    fn new(folder: PathBuf) -> Self {
        Self::naming(folder, RESPONDER)
    }

    /// Sets up one whose certificate says this.
    pub(crate) fn naming(folder: PathBuf, whom: &str) -> Self {
        Self::signing(folder, whom, ("Altra", "sha256", "P-256"))
    }

    /// Sets up one of a name that signs with this hash function and curve, and whose certificate says this.
    pub(crate) fn signing(
        folder: PathBuf,
        whom: &str,
        (name, digest, curve): (&'static str, &str, &str),
    ) -> Self {
        fs::create_dir(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let configuration = format!(
            "[req]\ndistinguished_name=name\n[name]\n\
             [root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
             [tsa]\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n\
             {}\n\
             [ca]\ndefault_md={digest}\ndatabase=index\ncrlnumber=number\n\
             [t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest={digest}\n\
             default_policy=1.2.3.4.1\ndigests=sha256,sha512\ness_cert_id_alg={digest}\n",
            whom.replace("ADDRESS", &address)
        );
        fs::write(folder.join("openssl.cnf"), configuration).unwrap();
        fs::write(folder.join("serial"), "01\n").unwrap();
        fs::write(folder.join("number"), "01\n").unwrap();
        fs::write(folder.join("index"), "V\t491231000000Z\t\t20\tunknown\t/CN=tsa\n").unwrap();
        let new_key = format!(
            "-newkey ec -pkeyopt ec_paramgen_curve:{curve} -{digest} -nodes -config openssl.cnf"
        );
        for line in [
            &format!(
                "req -x509 {new_key} -keyout root.key -out root.pem -days 7300 -subj /CN={name} \
                 -extensions root"
            ),
            &format!("req -new {new_key} -keyout tsa.key -subj /CN=tsa -out tsa.csr"),
            &format!(
                "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 0x20 -days 3650 \
                 -{digest} -extfile openssl.cnf -extensions tsa -out tsa.pem"
            ),
        ] {
            openssl(&folder, line);
        }
        let this = Self { folder, answers: Arc::default(), name, address };
        let (place, answers) = (this.folder.clone(), Arc::clone(&this.answers));
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                serve(&place, answers.load(Ordering::SeqCst), &mut stream);
            }
        });
        this
    }

    /// Gives it a certificate that lasts longer than the one it has.
    pub(crate) fn certify_again(&self) {
        self.certify("21", 5000);
    }

    /// Gives it a certificate of a serial number that lasts some days, and is not revoked.
    pub(crate) fn certify(&self, serial: &str, days: u32) {
        let configuration = fs::read_to_string(self.folder.join("openssl.cnf")).unwrap();
        let digest = configuration.split_once("default_md=").unwrap().1.lines().next().unwrap();
        let line = format!(
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 0x{serial} -days {days} -{digest} \
             -extfile openssl.cnf -extensions tsa -out tsa.pem"
        );
        openssl(&self.folder, &line);
        self.list("V", "", serial);
    }

    /// Writes what the authority says of a certificate: its state, since when and why.
    pub(crate) fn list(&self, state: &str, since: &str, serial: &str) {
        let entry = format!("{state}\t491231000000Z\t{since}\t{serial}\tunknown\t/CN=tsa\n");
        fs::write(self.folder.join("index"), entry).unwrap();
    }

    /// Writes the settings that ask it.
    fn settings(&self, world: &World) {
        let folder = world.home().join(".config/sigillo");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("settings.toml"), self.section()).unwrap();
    }

    /// Returns what settings say of it.
    pub(crate) fn section(&self) -> String {
        format!(
            "[[authorities]]\nname = {:?}\nurl = \"http://{}/tsa\"\nanchor_file = {:?}\n",
            self.name,
            self.address,
            self.folder.join("root.pem").to_str().unwrap()
        )
    }
}

fn serve(folder: &Path, answers: bool, stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    let (status, kind, answer) = if head.starts_with("post /tsa ") {
        fs::write(folder.join("request.tsq"), body).unwrap();
        let line = "ts -reply -config openssl.cnf -section t -queryfile request.tsq -out reply";
        openssl(folder, line);
        ("200 OK", "application/timestamp-reply", fs::read(folder.join("reply")).unwrap())
    } else if answers && head.starts_with("get /crl ") {
        let line = "ca -config openssl.cnf -name ca -gencrl -cert root.pem -keyfile root.key \
                    -crldays 7 -out list.pem";
        openssl(folder, line);
        openssl(folder, "crl -in list.pem -outform DER -out list.crl");
        ("200 OK", "application/pkix-crl", fs::read(folder.join("list.crl")).unwrap())
    } else if answers {
        fs::write(folder.join("request"), body).unwrap();
        let line = "ocsp -index index -CA root.pem -rsigner root.pem -rkey root.key -reqin request \
                    -respout response -ndays 7";
        openssl(folder, line);
        ("200 OK", "application/ocsp-response", fs::read(folder.join("response")).unwrap())
    } else {
        ("503 Service Unavailable", "text/plain", Vec::new())
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&answer).unwrap();
}

/// Tells whether there is an OpenSSL; without it says so, and fails in CI.
pub(crate) fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        skip("openssl is missing");
    }
    found
}

/// Makes an archive with a time-stamp of an authority that does not say yet whether its certificate was
/// revoked; `None` without OpenSSL.
fn stamped() -> Option<(World, Authority)> {
    if !has_openssl() {
        return None;
    }
    let world = World::new();
    let authority = Authority::new(world.place("altra"));
    world.write("uno.txt", b"uno");
    authority.settings(&world);
    world.create().check(0, "could not be learnt from http://127.0.0.1");
    let exported = world.run(["trust", "export"]);
    fs::write(world.place("fidati.json"), &exported.stdout).unwrap();
    world.run(["trust", "add", "fidati.json"]).check(0, "Believed from now on");
    Some((world, authority))
}

#[test]
fn what_was_not_known_at_stamping_is_gathered_later_and_goes_into_bundles() {
    let Some((world, authority)) = stamped() else { return };
    let demanded = ["verify", "--require", "revocation"];
    world.run(["verify"]).check(0, "cannot tell: revocation");
    world.run(demanded).check(3, "CANNOT TELL F915");
    let planned = world.run(["renew", "--gather"]);
    planned.check(0, "Of the certificates of 1 time-stamp it is not known well enough");
    planned.check(0, "/ocsp\nNobody was asked.");
    let gather = ["renew", "--gather", "--yes"];
    world.run(gather).check(4, "/ocsp gave nothing that counts: ");
    authority.answers.store(true, Ordering::SeqCst);
    world.run(gather).check(0, "/ocsp gave the OCSP response ");
    let before = world.objects();
    world.run(gather).check(0, "of all time-stamps it is known");
    assert_eq!(world.objects(), before);
    // From here on nobody answers any more.
    authority.answers.store(false, Ordering::SeqCst);
    let verified = world.run(demanded);
    verified.check(0, "1 certificate not revoked, by the OCSP response of ");
    assert!(!verified.stdout.contains("F915"), "{verified:?}");
    let json = world.run(["verify", "--require", "revocation", "--json"]).json();
    assert_eq!(json["revocation"]["time_stamps_known"], 1);
    assert_eq!(json["revocation"]["evidence"][0]["not_revoked"], 1);

    let made = world.run(["prove", "carte/uno.txt", "-o", "prova.zip", "--json"]).json();
    let revocation = serde_json::json!({"answers": 1, "left_out": 0, "revoked_left_out": 0});
    assert_eq!(made["revocation"], revocation);
    fs::rename(world.archive(), world.place("via")).unwrap();
    let check = ["check", "prova.zip", "--require", "revocation", "--html", "prova.html"];
    let mut elsewhere = world.command(check);
    elsewhere.env_remove("SIGILLO_ARCHIVE");
    finish(elsewhere).check(0, "1 certificate not revoked, by the OCSP response of ");
    let page = fs::read_to_string(world.place("prova.html")).unwrap();
    assert!(page.contains("OCSP di / of"), "{page}");
    assert!(!page.contains("whether a certificate was revoked"), "{page}");
    check_record(&world, &authority);
}

#[test]
fn what_a_renewal_covers_is_known_when_who_answered_is_long_gone() {
    let Some((world, authority)) = stamped() else { return };
    authority.answers.store(true, Ordering::SeqCst);
    world.run(["renew", "--gather", "--yes"]).check(0, "Kept 1 answer");
    authority.certify_again();
    world.run(["renew", "--all", "--yes"]).check(0, "are under a time-stamp");
    world.run(["renew", "--gather", "--yes"]).check(0, "Kept 1 answer");
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world
        .run(["check", "prova.zip", "--require", "revocation"])
        .check(0, "1 certificate not revoked");

    let bundle = Bundle::parse(&fs::read(world.place("prova.zip")).unwrap()).unwrap();
    let root = fs::read_to_string(authority.folder.join("root.pem")).unwrap();
    let mut anchors = TrustAnchors::new();
    anchors.add_der("Altra", &pem_blocks(&root, "CERTIFICATE").unwrap()[0]).unwrap();
    let trust = ReceiptTrust { anchors, ..ReceiptTrust::default() };
    let table = "source = \"a future that was made up\"\nissued = \"2026-01-01\"\n\
                 [[hash]]\nname = \"SHA-256\"\n[[signature]]\nscheme = \"ecdsa\"\nbits_min = 256\n";
    let algorithms = AlgorithmTable::from_toml(table).unwrap();
    // The certificate that signed the answers lasts 7300 days.
    let judged = |bundle: &Bundle| {
        let at = now() + SignedDuration::from_hours(24 * 7_400);
        let rules = BundleRules { trust: &trust, algorithms: &algorithms, at };
        let revocation = check_bundle(bundle, &[], &rules).revocation;
        (revocation.known, revocation.unknown)
    };
    assert_eq!(judged(&bundle), (1, 1), "only what came before the renewal is covered");
    let mut silent = bundle.clone();
    silent.receipt.sealings[0].tokens[0].renewals[0].validation.clear();
    assert_eq!(judged(&silent), (0, 2));
    let check = |bundle: &Bundle| check_receipt(&bundle.receipt, &trust, &[]).verdict;
    assert_eq!(check(&silent), check(&bundle), "it may be left out, for the path stands");
    let mut false_one = bundle;
    let covered = &mut false_one.receipt.sealings[0].tokens[0].renewals[0].validation;
    *covered = false_one.receipt.validation.iter().map(|it| it.sha256.into()).collect();
    assert_eq!(check(&false_one), Verdict::Damaged);
    assert_eq!(judged(&false_one), (0, 2));
}

#[expect(clippy::disallowed_methods, reason = "OpenSSL stamps with the real time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Takes the evidence record and what it is judged by out of the bundle.
fn check_record(world: &World, authority: &Authority) {
    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "-e"]).arg(world.place("prova.zip")).arg(world.place("aperto"));
    assert!(unzip.status().unwrap().success());
    let listed = |folder: &str| {
        let found = fs::read_dir(world.place("aperto").join(folder)).unwrap();
        let found: Vec<PathBuf> = found.map(|it| it.unwrap().path()).collect();
        found
    };
    let evidence = listed("validation").remove(0);
    let record = listed("documents/1").into_iter().find(|it| it.extension().unwrap() == "er");
    let record = record.unwrap();
    let verify = |more: &[&str]| {
        let root = authority.folder.join("root.pem");
        let args = ["er", "verify", record.to_str().unwrap(), "aperto/documents/1/record.json"];
        let demands = ["--require", "revocation", "--trust", root.to_str().unwrap()];
        world.run([&args[..], &demands, more].concat())
    };
    verify(&[]).check(3, "cannot tell: revocation");
    verify(&["--revocation", evidence.to_str().unwrap()]).check(0, "not revoked, by the OCSP");
}

#[test]
fn what_was_revoked_before_the_time_stamp_is_damage_everywhere() {
    let Some((world, authority)) = stamped() else { return };
    let entry = "R\t491231000000Z\t250101000000Z,superseded\t20\tunknown\t/CN=tsa\n";
    fs::write(authority.folder.join("index"), entry).unwrap();
    authority.answers.store(true, Ordering::SeqCst);
    world.run(["renew", "--gather", "--yes"]).check(3, "REVOKED: the certificate of CN=tsa");
    // And again as long as it is so, whether somebody is asked or not.
    world.run(["renew", "--gather"]).check(3, "REVOKED: the certificate of CN=tsa");
    world.run(["renew", "--gather", "--yes"]).check(3, "REVOKED: the certificate of CN=tsa");
    // No first time-stamp is taken from who is known to be revoked.
    world.write("due.txt", b"due");
    world.run(["ingest", "--no-seal", "carte"]).check(0, "1 document archived");
    world.run(["seal"]).check(4, "was revoked on 2025-01-01T00:00:00Z (superseded)");
    world.write("tre.txt", b"tre");
    world.run(["ingest", "carte"]).check(0, "was revoked on 2025-01-01T00:00:00Z (superseded)");
    // Who is told so of a new one at once is told so, too.
    authority.certify("22", 4000);
    authority.list("R", "250101000000Z,superseded", "22");
    world.run(["seal", "--stamp-only"]).check(3, "REVOKED: the certificate of CN=tsa");
    world.run(["verify"]).check(5, "F917");
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    let checked = world.run(["check", "prova.zip"]);
    checked.check(5, "F917");
    checked.check(5, "1 certificate revoked, by the OCSP response of ");
}

#[test]
fn a_renewal_by_a_revoked_certificate_is_left_out_of_all_proofs() {
    let Some((world, authority)) = stamped() else { return };
    world.run(["receipt", "show", "carte/uno.txt", "-o", "prima.json"]).check(0, "prima.json");
    authority.certify_again();
    world.run(["renew", "--all", "--yes"]).check(0, "are under a time-stamp");
    world.run(["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    world.run(["prove", "carte/uno.txt", "-o", "ignara.zip"]).check(0, "ignara.zip");
    authority.list("R", "250101000000Z,keyCompromise", "21");
    authority.answers.store(true, Ordering::SeqCst);
    let gather = ["renew", "--gather", "--yes"];
    world.run(gather).check(3, "REVOKED: the certificate of CN=tsa");
    world.run(["verify"]).check(0, "F522");
    // Whoever proves it now leaves it out, and says so.
    for proof in ["due.zip", "prova.zip"] {
        world.run(["prove", "carte/uno.txt", "-o", proof]).check_error(0, "F522");
        let checked = world.run(["check", proof]);
        checked.check(0, "F515");
        assert!(!checked.stdout.contains("F917"), "{checked:?}");
        if proof == "due.zip" {
            // A newer renewal is over what it renewed, and over it.
            authority.certify("22", 6000);
            let planned = world.run(["renew", "--all"]);
            planned.check(0, "the time-stamps of 1 sealing are to be renewed");
            world.run(["renew", "--all", "--yes"]).check(0, "are under a time-stamp");
            world.run(["verify"]).check(0, "F522");
        }
    }
    for receipt in ["prima.json", "rdv.json"] {
        world.run(["receipt", "refresh", receipt]).check_error(0, "F522");
        let checked = world.run(["verify", "--receipt", receipt]);
        checked.check(0, "F515");
    }
    second_verifier(&world, &[authority.folder.join("root.pem")]).check(0, "INTACT");
}

#[test]
fn what_is_learnt_later_of_a_key_is_true_of_all_that_it_stamped() {
    let Some((world, authority)) = stamped() else { return };
    authority.answers.store(true, Ordering::SeqCst);
    world.run(["renew", "--gather", "--yes"]).check(0, "Kept 1 answer");
    world.run(["verify", "--require", "revocation"]).check(0, "1 certificate not revoked");
    // It is learnt with the next time-stamp only.
    let at = (now() + SignedDuration::from_hours(24)).strftime("%y%m%d%H%M%SZ").to_string();
    let entry = format!("R\t491231000000Z\t{at},keyCompromise\t20\tunknown\t/CN=tsa\n");
    fs::write(authority.folder.join("index"), entry).unwrap();
    world.write("due.txt", b"due");
    world.run(["ingest", "carte"]).check(3, "REVOKED: the certificate of CN=tsa");
    let json = world.run(["verify", "--json"]).json();
    let told = json["findings"].as_array().unwrap().iter().filter(|it| it["code"] == "F918");
    assert_eq!(told.count(), 2, "{json}");
    world.run(["prove", "carte/uno.txt", "-o", "prova.zip"]).check(0, "prova.zip");
    world.run(["check", "prova.zip"]).check(3, "F918");
    world.run(["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    let receipt = fs::read(world.place("rdv.json")).unwrap();
    let receipt: serde_json::Value = serde_json::from_slice(&receipt).unwrap();
    assert_eq!(receipt["validation"].as_array().unwrap().len(), 2);
    world.run(["verify", "--receipt", "rdv.json"]).check(3, "F918");
    let gather = world.run(["renew", "--gather", "--yes"]);
    gather.check(3, "was put beside 1 time-stamp by the same certificates");
    let json = world.run(["renew", "--gather", "--json"]).json();
    assert_eq!(json["plan"]["lying_elsewhere"], 0);
    assert_eq!(json["plan"]["revoked"].as_array().unwrap().len(), 2);
}

#[test]
fn of_trial_time_stamps_nothing_can_be_told() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["verify"]).check(0, "INTACT");
    world.run(["verify", "--require", "revocation"]).check(3, "1 trial time-stamps");
    world.run(["renew", "--gather"]).check(0, "1 time-stamp for trial");
    world.run(["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]).check(0, "rdv.json");
    let verify = ["verify", "--receipt", "rdv.json", "--require", "revocation"];
    world.run(verify).check(3, "1 trial time-stamps");
}
