//! Trusted lists in the trust store: imported, shown, and what they make of time-stamps.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    hash_families::{SHORT, line},
    lines::believe,
    program::{World, skip},
    renewing::json,
    revoking::{self, RESPONDER},
    time_stamping::{answer, now, serve, write_settings},
};

/// The line of the authority that is in a list.
const LISTED: &str = "plain-sha256-b";

const LISTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/trusted-lists");

fn test_list(name: &str) -> String {
    Path::new(LISTS).join(name).to_str().unwrap().to_owned()
}

fn has_openssl() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "openssl is missing");
    skip("openssl is missing");
    false
}

/// Runs OpenSSL in a folder; returns what it printed.
fn openssl(folder: &Path, line: &str) -> Vec<u8> {
    let ran = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(ran.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

/// An authority for time-stamps that is not for trial, in a folder, and who signs lists.
struct Authority {
    folder: PathBuf,
    /// The time, as the archive has it.
    now: Timestamp,
}

impl Authority {
    fn new(world: &World) -> Self {
        let folder = world.place("authority");
        fs::create_dir(&folder).unwrap();
        let run = |line: &str| drop(openssl(&folder, line));
        let key = "-newkey rsa:2048 -nodes -sha256";
        run(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 90 -subj /CN=Root"));
        run(&format!("req -x509 {key} -keyout list.key -out list.pem -days 90 -subj /CN=Signer"));
        run(&format!("req -new {key} -keyout tsa.key -out tsa.csr -subj /CN=Unit"));
        let extensions = "basicConstraints=critical,CA:FALSE\n\
                          keyUsage=critical,digitalSignature\n\
                          extendedKeyUsage=critical,timeStamping\n";
        fs::write(folder.join("ext.cnf"), extensions).unwrap();
        run("x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 60 -sha256 \
             -extfile ext.cnf -out tsa.pem");
        let config = "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\ncrypto_device=builtin\n\
                      signer_cert=tsa.pem\ncerts=ca.pem\nsigner_key=tsa.key\n\
                      signer_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256\n\
                      ess_cert_id_alg=sha256\n";
        fs::write(folder.join("tsa.cnf"), config).unwrap();
        fs::write(folder.join("serial"), "01").unwrap();
        Self { folder, now: now(world) }
    }

    /// Answers requests until the test ends; returns its address.
    fn serve(&self) -> String {
        let folder = self.folder.clone();
        serve(move |request, stream| {
            fs::write(folder.join("request"), request).unwrap();
            let line = "ts -reply -config tsa.cnf -queryfile request";
            answer(stream, &openssl(&folder, line));
        })
    }

    fn pem(&self, name: &str) -> String {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        text.lines().filter(|line| !line.starts_with("-----")).collect()
    }

    /// Writes a list with one qualified service, known by the certificate in a file, in the states
    /// given, newest first; returns the list's place.
    ///
    /// It is written in canonical form, so that nothing but OpenSSL is needed to sign it.
    fn list(&self, sequence: u64, certificate: &str, states: &[(&str, Timestamp)]) -> String {
        // The certificate of who signs it was made a little later than the archive.
        let issued = self.now + SignedDuration::from_mins(10);
        let day = SignedDuration::from_hours(24);
        let instance = |(tag, (status, from)): (&str, &(&str, Timestamp))| {
            format!(
                "<{tag}><ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST\
                 </ServiceTypeIdentifier><ServiceName><Name xml:lang=\"en\">Marche</Name>\
                 </ServiceName><ServiceDigitalIdentity><DigitalId><X509Certificate>{}\
                 </X509Certificate></DigitalId></ServiceDigitalIdentity><ServiceStatus>\
                 http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/{status}</ServiceStatus>\
                 <StatusStartingTime>{from}</StatusStartingTime></{tag}>",
                self.pem(certificate)
            )
        };
        let (now, past) = states.split_first().unwrap();
        let past = past.iter().map(|state| instance(("ServiceHistoryInstance", state)));
        let list = format!(
            "<TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\"><SchemeInformation>\
             <TSLVersionIdentifier>5</TSLVersionIdentifier><TSLSequenceNumber>{sequence}\
             </TSLSequenceNumber><TSLType>\
             http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric</TSLType>\
             <SchemeOperatorName><Name xml:lang=\"en\">Agenzia</Name></SchemeOperatorName>\
             <SchemeTerritory>IT</SchemeTerritory><ListIssueDateTime>{issued}</ListIssueDateTime>\
             <NextUpdate><dateTime>{}</dateTime></NextUpdate></SchemeInformation>\
             <TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName>\
             <Name xml:lang=\"en\">Fornitore</Name></TSPName></TSPInformation><TSPServices>\
             <TSPService>{}<ServiceHistory>{}</ServiceHistory></TSPService></TSPServices>\
             </TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>",
            issued + day * 30,
            instance(("ServiceInformation", now)),
            past.collect::<String>(),
        );
        let place = self.folder.join(format!("list-{sequence}.xml"));
        fs::write(&place, self.signed(&list)).unwrap();
        place.to_str().unwrap().to_owned()
    }

    fn signed(&self, list: &str) -> String {
        let base64 = |line: &str| {
            fs::write(self.folder.join("out"), openssl(&self.folder, line)).unwrap();
            let text = openssl(&self.folder, "base64 -A -in out");
            String::from_utf8(text).unwrap().trim().to_owned()
        };
        fs::write(self.folder.join("in"), list).unwrap();
        let digest = base64("dgst -sha256 -binary in");
        let (namespace, exclusive) =
            ("http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/10/xml-exc-c14n#");
        let info = format!(
            "<SignedInfo xmlns=\"{namespace}\"><CanonicalizationMethod Algorithm=\"{exclusive}\">\
             </CanonicalizationMethod><SignatureMethod \
             Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></SignatureMethod>\
             <Reference URI=\"\"><Transforms><Transform Algorithm=\"{namespace}enveloped-signature\">\
             </Transform><Transform Algorithm=\"{exclusive}\"></Transform></Transforms>\
             <DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></DigestMethod>\
             <DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
        );
        fs::write(self.folder.join("in"), &info).unwrap();
        let value = base64("dgst -sha256 -sign list.key in");
        let signature = format!(
            "<Signature xmlns=\"{namespace}\">{}<SignatureValue>{value}</SignatureValue><KeyInfo>\
             <X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></Signature>",
            info.replacen(&format!(" xmlns=\"{namespace}\""), "", 1),
            self.pem("list.pem")
        );
        let end = "</TrustServiceStatusList>";
        list.replacen(end, &format!("{signature}{end}"), 1)
    }
}

#[test]
fn a_time_stamp_is_qualified_exactly_if_a_list_granted_it_at_its_time() {
    if !has_openssl() {
        return;
    }
    let world = World::with(&[("uno.txt", b"uno")]);
    let authority = Authority::new(&world);
    let root = authority.folder.join("ca.pem");
    write_settings(&world, &authority.serve(), &root, None);
    world.run(["er", "create", "carte/uno.txt", "-o", "uno.er"]).check(0, "with a time-stamp");
    let verify =
        |more: &[&str]| world.run([&["er", "verify", "uno.er", "carte/uno.txt"], more].concat());
    // Without a list: not even known; by an anchor of one's own known, and not qualified.
    verify(&[]).check(3, "F603");
    let own = ["--trust", root.to_str().unwrap()];
    verify(&own).check(0, "F607");
    verify(&[&own[..], &["--require", "qualified"]].concat()).check(3, "F607");
    verify(&["--trust", "any", "--require", "qualified"]).check(3, "F607");

    let signer = authority.folder.join("list.pem").to_str().unwrap().to_owned();
    let import = |list: &str| world.run(["trust", "import-list", list, "--signer", &signer]);
    let (now, day) = (authority.now, SignedDuration::from_hours(24));
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    // Known by the certificate of the unit, then by that of who issued it.
    for (sequence, certificate) in [(1, "tsa.pem"), (2, "ca.pem")] {
        let list = authority.list(sequence, certificate, &[("granted", long_ago)]);
        import(&list).check(0, "Marche of Fornitore: granted (TSA/QTST)");
        let ran = verify(&["--require", "qualified"]);
        ran.check(0, "PROVEN: 1 object");
        ran.check(0, "qualified, by IT: Fornitore, Marche");
    }
    // Withdrawn since: what was made before stays qualified.
    let later = now + day;
    let list = authority.list(3, "tsa.pem", &[("withdrawn", later), ("granted", long_ago)]);
    import(&list).check(0, "withdrawn");
    verify(&["--require", "qualified"]).check(0, "PROVEN");
    // Withdrawn before it was made, and granted only after it was made.
    let list = authority.list(4, "tsa.pem", &[("withdrawn", now - day), ("granted", long_ago)]);
    import(&list).check(0, "withdrawn");
    verify(&["--require", "qualified"]).check(3, "was withdrawn (TSA/QTST) at its time");
    let list = authority.list(5, "tsa.pem", &[("granted", later), ("withdrawn", long_ago)]);
    import(&list).check(0, "granted");
    verify(&["--require", "qualified"]).check(3, "was withdrawn (TSA/QTST) at its time");
    // An older list changes nothing any more.
    let older = authority.folder.join("list-1.xml").to_str().unwrap().to_owned();
    import(&older).check_error(1, "LIST_OLDER");
}

#[test]
fn a_bundle_tells_which_time_stamps_are_qualified_and_trial_stays_trial() {
    if !has_openssl() {
        return;
    }
    let world = World::with(&[("uno.txt", b"uno")]);
    let authority = Authority::new(&world);
    let root = authority.folder.join("ca.pem");
    write_settings(&world, &authority.serve(), &root, None);
    world.write("due.txt", b"due");
    world.ingest(&[]).check(0, "");
    let found = world.run(["find", "due.txt", "--json"]).json();
    let id = found["documents"][0]["document"].as_str().unwrap().to_owned();
    world.run(["prove", &id, "-o", "due.zip"]).check(0, "");
    let check = |more: &[&str]| world.run([&["check", "due.zip", "--json"], more].concat());
    let codes = |value: &Value| -> Vec<String> {
        let all = value["findings"].as_array().unwrap().iter();
        all.map(|it| it["code"].as_str().unwrap().to_owned()).collect()
    };
    let before = check(&[]).json();
    assert!(codes(&before).contains(&"F607".to_owned()), "{before}");
    let verified = world.run(["verify", "--require", "qualified", "--json"]).json();
    assert!(codes(&verified).contains(&"F607".to_owned()), "{verified}");
    let list = authority.list(1, "ca.pem", &[("granted", "2020-01-01T00:00:00Z".parse().unwrap())]);
    let signer = authority.folder.join("list.pem");
    let import = ["trust", "import-list", &list, "--signer", signer.to_str().unwrap()];
    world.run(import).check(0, "Believed from now on");
    let verified = world.run(["verify", "--require", "qualified", "--json"]).json();
    assert!(!codes(&verified).contains(&"F607".to_owned()), "{verified}");
    let after = check(&[]).json();
    assert!(!codes(&after).contains(&"F607".to_owned()), "{after}");
    let times = after["time_stamps"].as_array().unwrap();
    assert!(times.iter().any(|it| it["qualified"] == true), "{after}");
    assert!(times.iter().all(|it| it["qualified"] != it["trial"]), "{after}");
    world.run(["check", "due.zip"]).check(0, "qualified time-stamp of");
    // Its keys are for trial: no time-stamp makes a trial archive qualified.
    let required = check(&["--require", "qualified"]);
    assert_eq!(required.code, 3);
    assert!(codes(&required.json()).contains(&"F507".to_owned()));
}

#[test]
fn a_list_of_lists_says_who_may_sign_the_others() {
    let world = World::new();
    let import = |name: &str, more: &[&str]| {
        let list = test_list(name);
        world.run([&["trust", "import-list", &list], more].concat())
    };
    import("it-2.xml", &[]).check_error(1, "LIST_REFUSED");
    let [wrong, right] = ["signer-rsa.pem", "signer-p384.pem"].map(test_list);
    import("lotl.xml", &["--signer", &wrong]).check_error(1, "none of the signers given");
    import("lotl.xml", &["--signer", &right]).check(0, "the signers of 2 lists");
    // Each by the one that was imported before; the list of lists by itself too.
    import("lotl.xml", &[]).check(0, "Believed already");
    import("fr-by-signer-of-it.xml", &[]).check_error(1, "none of the signers given");
    import("it-1.xml", &[]).check(0, "was to be replaced by 2023-07-01");
    import("it-2.xml", &[]).check(0, "QTST of Fornitore di Prova & Figli: withdrawn (TSA/QTST)");
    import("it-1.xml", &[]).check_error(1, "LIST_OLDER");
    import("signed-document.xml", &[]).check_error(1, "LIST_OLDER");
    import("it-2.xml", &[]).check(0, "Believed already");
    import("closed-v6.xml", &[]).check(0, "the list is closed");

    let shown = world.run(["trust", "list", "--json"]).json();
    let lists = shown["lists"].as_array().unwrap();
    let numbers: Vec<_> = lists.iter().map(|it| (&it["territory"], &it["sequence"])).collect();
    assert_eq!(numbers, [(&"EU".into(), &7.into()), (&"IT".into(), &3.into())], "{shown}");
    assert_eq!(lists[1]["services"][0]["statuses"][1]["qualified"], true);
    world.run(["trust", "list"]).check(0, "trusted list of IT, by Agenzia che non esiste");
    // Each is kept as it came.
    let folder = world.home().join(".config/sigillo/trust/lists");
    for (kept, from) in [("EU-7", "lotl"), ("IT-2", "it-2"), ("IT-3", "closed-v6")] {
        let kept = fs::read(folder.join(format!("{kept}.xml"))).unwrap();
        assert!(kept == fs::read(test_list(&format!("{from}.xml"))).unwrap(), "{from}");
    }
    fs::write(folder.join("IT.json"), b"{}").unwrap();
    world.run(["trust", "list"]).check_error(1, "TRUST_UNUSABLE");
}

#[test]
fn what_is_no_list_is_refused_with_a_remedy() {
    let world = World::new();
    let signer = test_list("signer-p256.pem");
    for (bytes, said) in [
        (&b"no XML"[..], "it is no XML that is read here"),
        (b"<a/>", "it is no trusted list"),
        (b"<!DOCTYPE a><a/>", "there is a document type"),
        (b"", "it is no XML that is read here"),
    ] {
        fs::write(world.place("list.xml"), bytes).unwrap();
        let args = ["trust", "import-list", "list.xml", "--signer", &signer];
        world.run(args).check_error(1, said);
    }
    let sha1 = test_list("sha1-signature.xml");
    let by = test_list("signer-rsa.pem");
    let args = ["trust", "import-list", &sha1, "--signer", &by];
    world.run(args).check_error(1, "too weak to be accepted");
    fs::write(world.place("nobody.pem"), "nobody").unwrap();
    let args = ["trust", "import-list", &sha1, "--signer", "nobody.pem"];
    world.run(args).check_error(1, "it has no block -----BEGIN CERTIFICATE-----");
    assert!(!world.home().join(".config/sigillo/trust/lists").exists());
}

/// Returns how grave it is that time-stamps are not proven to be qualified, where that is required, and
/// in which words it is said.
fn unqualified(world: &World, args: &[&str]) -> Vec<(String, String)> {
    let ran = json(world, 3, &[args, &["--require", "qualified"]].concat());
    let findings = ran["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = findings.filter(|it| it["code"] == "F607");
    found.map(|it| (text(&it["severity"]), text(&it["message"]))).collect()
}

#[test]
fn one_line_of_qualified_time_stamps_is_enough() {
    if !has_openssl() {
        return;
    }
    let world = World::new();
    world.write("uno.txt", b"uno");
    world.create_with(&["--no-seal"]).check(0, "Not sealed");
    let listed = Authority::new(&world);
    let (place, signing) = (world.place("altra"), ("Altra", "sha256", "P-256"));
    let other = revoking::Authority::signing(place, RESPONDER, signing);
    let settings = format!(
        "[[authorities]]\nname = \"Marche\"\nurl = {:?}\nanchor_file = {:?}\n",
        listed.serve(),
        listed.folder.join("ca.pem").to_str().unwrap(),
    );
    let lines = [line(SHORT, "sha256", "Altra"), line(LISTED, "sha256", "Marche")].concat();
    let folder = world.home().join(".config/sigillo");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("settings.toml"), [settings, other.section(), lines].concat()).unwrap();
    json(&world, 0, &["seal"]);
    believe(&world);
    json(&world, 0, &["prove", "carte/uno.txt", "-o", "prova.zip"]);
    json(&world, 0, &["receipt", "show", "carte/uno.txt", "-o", "rdv.json"]);
    let asked = [&["check", "prova.zip"][..], &["verify", "--receipt", "rdv.json"], &["verify"]];
    for args in asked {
        let found = unqualified(&world, args);
        assert!(found.len() == 2 && found.iter().all(|it| it.0 == "cannot-tell"), "{found:?}");
    }
    let list = listed.list(1, "tsa.pem", &[("granted", "2020-01-01T00:00:00Z".parse().unwrap())]);
    let signer = listed.folder.join("list.pem");
    world
        .run(["trust", "import-list", &list, "--signer", signer.to_str().unwrap()])
        .check(0, "granted");
    let words = format!("the time-stamps on the line {LISTED} hold, and do not need these");
    for args in asked {
        let found = unqualified(&world, args);
        assert!(found.len() == 1 && found[0].0 == "note", "{args:?}: {found:?}");
        assert!(found[0].1.contains(&words), "{args:?}: {found:?}");
    }
}
