//! What is gathered of the certificates of time-stamps, from an authority that OpenSSL plays.

#![expect(clippy::print_stdout, reason = "a test says what it skips")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use jiff::SignedDuration;
use tempfile::TempDir;

use sigillo_authorities::{Authorities, HttpAuthority, HttpSettings, RevocationGatherer};
use sigillo_ers::{RevocationSet, RevocationStatus, TrustAnchors, pem_blocks, token_revocation};
use sigillo_evidence_log::{StampOutcome, read_validation, stamp_sealings};
use sigillo_model::{Clock, ObjectKey, Sha256Digest};

use crate::world::{Place, World};

pub(crate) const LINE: &str = "plain-sha256-unqualified";

#[derive(Debug)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "OpenSSL stamps with the real time")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// Tells whether there is an OpenSSL; without it prints so, and fails in CI.
pub(crate) fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        println!("SKIPPED: openssl is missing");
    }
    found
}

#[track_caller]
pub(crate) fn openssl(folder: &Path, line: &str) {
    let ran = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "openssl {line}\n{}", String::from_utf8_lossy(&ran.stderr));
}

/// A time-stamping authority and, if it has a list, what its certificate's issuer publishes.
pub(crate) struct Far {
    folder: TempDir,
    has_list: Arc<AtomicBool>,
    pub(crate) authorities: Authorities,
    pub(crate) anchors: TrustAnchors,
}

impl Far {
    pub(crate) fn new(has_list: bool) -> Self {
        let has_list = Arc::new(AtomicBool::new(has_list));
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let place = folder.path().to_owned();
        let configuration = format!(
            "[req]\ndistinguished_name=name\n[name]\n\
             [root]\nbasicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n\
             [tsa]\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n\
             crlDistributionPoints=URI:http://{address}/a.crl\n\
             [ca]\ndefault_md=sha256\ndatabase=index\n\
             [t]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest=sha256\n\
             default_policy=1.2.3.4.1\ndigests=sha256, sha512\ness_cert_id_alg=sha256\n"
        );
        fs::write(place.join("openssl.cnf"), configuration).unwrap();
        fs::write(place.join("serial"), "01\n").unwrap();
        fs::write(place.join("index"), "").unwrap();
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf";
        for line in [
            &format!(
                "req -x509 {new_key} -keyout root.key -out root.pem -days 7300 -subj /CN=Root \
                 -extensions root"
            ),
            &format!("req -new {new_key} -keyout tsa.key -subj /CN=tsa -out tsa.csr"),
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 0x20 -days 3650 \
             -extfile openssl.cnf -extensions tsa -out tsa.pem",
            "ca -config openssl.cnf -name ca -gencrl -cert root.pem -keyfile root.key -crldays 30 \
             -out list.pem",
            "crl -in list.pem -outform DER -out list.crl",
        ] {
            openssl(&place, line);
        }
        let root = fs::read_to_string(place.join("root.pem")).unwrap();
        let mut anchors = TrustAnchors::new();
        anchors.add_der("root", &pem_blocks(&root, "CERTIFICATE").unwrap()[0]).unwrap();
        let answers = Arc::clone(&has_list);
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                serve(&place, answers.load(Ordering::SeqCst), &mut stream);
            }
        });
        let settings = HttpSettings::new("far", format!("http://{address}/tsa"));
        let list: Vec<Arc<dyn sigillo_authorities::TimeStampAuthority>> =
            vec![Arc::new(HttpAuthority::new(settings).unwrap())];
        let gatherer = RevocationGatherer::new(
            RevocationGatherer::ANSWER_LIMIT,
            RevocationGatherer::ALL_LIMIT,
        );
        let authorities = Authorities::new(list, anchors.clone(), SignedDuration::from_mins(5));
        let authorities = authorities.asking_revocation(gatherer.unwrap());
        Self { folder, has_list, authorities, anchors }
    }

    /// From now on the authority puts the certificate of its issuer into its time-stamps.
    pub(crate) fn bring_issuer(&self) {
        let place = self.folder.path().join("openssl.cnf");
        let configuration = fs::read_to_string(&place).unwrap() + "certs=root.pem\n";
        fs::write(place, configuration).unwrap();
    }

    /// Gives the root an RSA key, and the authority a certificate by it.
    pub(crate) fn under_rsa(&mut self) {
        openssl(
            self.folder.path(),
            "req -x509 -newkey rsa:2048 -nodes -config openssl.cnf -keyout root.key -out root.pem \
             -days 7300 -subj /CN=Root -extensions root",
        );
        self.certify("20", 3650);
        self.believe(&["root.pem"]);
    }

    /// Has the root certified by another one, with an RSA key, for some days; certificates of these files
    /// come with each time-stamp from now on, and these are believed.
    pub(crate) fn cross_certify(&mut self, days: u32, beside: &[&str], believed: &[&str]) {
        for line in [
            "req -x509 -newkey rsa:2048 -nodes -config openssl.cnf -keyout old.key -out old.pem \
             -days 7300 -subj /CN=Old -extensions root",
            "req -new -key root.key -config openssl.cnf -subj /CN=Root -out root.csr",
            &format!(
                "x509 -req -in root.csr -CA old.pem -CAkey old.key -set_serial 0x40 -days {days} \
                 -extfile openssl.cnf -extensions root -out cross.pem"
            ),
        ] {
            openssl(self.folder.path(), line);
        }
        let read = |file: &&str| fs::read_to_string(self.folder.path().join(file)).unwrap();
        let beside: String = beside.iter().map(read).collect();
        fs::write(self.folder.path().join("beside.pem"), beside).unwrap();
        let configuration = self.folder.path().join("openssl.cnf");
        let written = fs::read_to_string(&configuration).unwrap();
        fs::write(configuration, format!("{written}certs=beside.pem\n")).unwrap();
        self.believe(believed);
    }

    fn believe(&mut self, files: &[&str]) {
        self.anchors = TrustAnchors::new();
        for file in files {
            let pem = fs::read_to_string(self.folder.path().join(file)).unwrap();
            self.anchors.add_der(file, &pem_blocks(&pem, "CERTIFICATE").unwrap()[0]).unwrap();
        }
        self.authorities = self.authorities.clone().believing(self.anchors.clone());
    }

    /// From now on the list is given to who asks.
    pub(crate) fn publish(&self) {
        self.has_list.store(true, Ordering::SeqCst);
    }

    /// Makes the list anew.
    pub(crate) fn new_list(&self) {
        for line in [
            "ca -config openssl.cnf -name ca -gencrl -cert root.pem -keyfile root.key -crldays 30 \
             -out list.pem",
            "crl -in list.pem -outform DER -out list.crl",
        ] {
            openssl(self.folder.path(), line);
        }
    }

    /// Revokes the certificate of the authority, and lists that.
    pub(crate) fn revoke(&self, reason: &str) {
        let line = format!(
            "ca -config openssl.cnf -name ca -revoke tsa.pem -cert root.pem -keyfile root.key \
             -crl_reason {reason}"
        );
        openssl(self.folder.path(), &line);
        self.new_list();
    }

    /// Lists the certificate of the authority as revoked some days from now.
    pub(crate) fn revoke_in(&self, days: i64, reason: &str) {
        let at = RealClock.now() + SignedDuration::from_hours(24 * days);
        let at = at.strftime("%y%m%d%H%M%SZ");
        self.list_revoked(&format!("{at},{reason}"), "20");
    }

    /// Lists a certificate of the authority, by its serial number, as revoked then, for a reason.
    pub(crate) fn list_revoked(&self, when: &str, serial: &str) {
        self.list_all(&[(when, serial)]);
    }

    /// As [`Self::list_revoked`], of several.
    pub(crate) fn list_all(&self, revoked: &[(&str, &str)]) {
        let entries = revoked.iter().map(|(when, serial)| {
            format!("R\t491231000000Z\t{when}\t{serial}\tunknown\t/CN=tsa\n")
        });
        fs::write(self.folder.path().join("index"), entries.collect::<String>()).unwrap();
        self.new_list();
    }

    /// Makes a list as of some seconds from now, on which the certificate of the authority is revoked then
    /// and for that reason, or nothing is.
    pub(crate) fn list_as_of(&self, seconds: i64, revoked: Option<(i64, &str)>) {
        let day = |from_now: i64| {
            let at = RealClock.now() + SignedDuration::from_secs(from_now);
            at.strftime("%y%m%d%H%M%SZ").to_string()
        };
        let entry = revoked.map_or(String::new(), |(at, reason)| {
            format!("R\t491231000000Z\t{},{reason}\t20\tunknown\t/CN=tsa\n", day(at))
        });
        fs::write(self.folder.path().join("index"), entry).unwrap();
        let line = format!(
            "ca -config openssl.cnf -name ca -gencrl -cert root.pem -keyfile root.key -crl_lastupdate {} \
             -crl_nextupdate {} -out list.pem",
            day(seconds),
            day(86_400 * 30)
        );
        openssl(self.folder.path(), &line);
        openssl(self.folder.path(), "crl -in list.pem -outform DER -out list.crl");
    }

    /// Returns the list.
    pub(crate) fn list(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("list.crl")).unwrap()
    }

    /// Gives the authority a certificate that lasts longer than the one it has.
    pub(crate) fn certify_again(&self) {
        self.certify("21", 5000);
    }

    /// Gives the authority a certificate of a serial number that lasts some days.
    pub(crate) fn certify(&self, serial: &str, days: u32) {
        let line = format!(
            "x509 -req -in tsa.csr -CA root.pem -CAkey root.key -set_serial 0x{serial} -days {days} \
             -extfile openssl.cnf -extensions tsa -out tsa.pem"
        );
        openssl(self.folder.path(), &line);
    }
}

fn serve(folder: &Path, has_list: bool, stream: &mut TcpStream) {
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
        openssl(
            folder,
            "ts -reply -config openssl.cnf -section t -queryfile request.tsq -out reply",
        );
        ("200 OK", "application/timestamp-reply", fs::read(folder.join("reply")).unwrap())
    } else if has_list {
        ("200 OK", "application/pkix-crl", fs::read(folder.join("list.crl")).unwrap())
    } else {
        ("404 Not Found", "text/plain", Vec::new())
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&answer).unwrap();
}

/// Seals something and stamps it.
pub(crate) async fn stamp(world: &World, far: &Far) -> StampOutcome {
    let mut log = world.writer().await;
    log.commit(&[world.batch(2).await]).await.unwrap();
    world.sealed(&mut log).await;
    let entropy = &*world.entropy;
    stamp_sealings(&mut log, LINE, &far.authorities, &RealClock, entropy).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_gathered_at_stamping_is_kept_and_found_again() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.gathered.stored), (1, 1), "{outcome:?}");
    let body = &outcome.stamped[0];
    let (archive, token) = (world.archive().await, body.token_sha256);
    let kept = read_validation(&archive, body.sealing, token).await.unwrap();
    assert_eq!(kept.len(), 1);
    // Without any network it tells what is known.
    let key = ObjectKey::token(body.sealing, LINE, token);
    let raw = world.store.read(&key, 1 << 20).await.unwrap();
    let mut set = RevocationSet::new();
    set.add("validation", &kept[0]).unwrap();
    let later = RealClock.now() + SignedDuration::from_hours(24);
    let told = token_revocation(&raw, &far.anchors, &set, later).unwrap();
    assert!(matches!(told[0].status, RevocationStatus::Good { .. }), "{told:?}");
    // Another token is another matter.
    let none = read_validation(&archive, body.sealing, Sha256Digest::of(b"x")).await.unwrap();
    assert!(none.is_empty());
    let keys = world.keys_in_folder();
    let evidence = ObjectKey::validation(body.sealing, Sha256Digest::of(&kept[0]));
    assert!(
        keys.contains(&evidence) && keys.contains(&ObjectKey::validation_list(body.sealing, 1))
    );
    // What nobody listed beside it is no evidence, and a gap ends the lists.
    let stray = ObjectKey::validation_list(body.sealing, 3);
    let first = ObjectKey::validation_list(body.sealing, 1);
    let list = world.store.read(&first, 1 << 16).await.unwrap();
    world.store.create(&stray, list).await.unwrap();
    let again = read_validation(&archive, body.sealing, token).await.unwrap();
    assert_eq!(again, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_read_hides_none_after_it() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(true));
    let mut log = world.writer().await;
    log.commit(&[world.batch(2).await]).await.unwrap();
    let sealed = world.sealed(&mut log).await;
    let first = ObjectKey::validation_list(sealed.body.sealing, 1);
    world.store.create(&first, bytes::Bytes::from_static(b"{}")).await.unwrap();
    let entropy = &*world.entropy;
    let outcome =
        stamp_sealings(&mut log, LINE, &far.authorities, &RealClock, entropy).await.unwrap();
    assert_eq!(outcome.gathered.stored, 1);
    let token = outcome.stamped[0].token_sha256;
    let kept = read_validation(&world.archive().await, sealed.body.sealing, token).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_knows_of_revocation_stops_no_stamping() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    let outcome = stamp(&world, &far).await;
    assert_eq!((outcome.stamped.len(), outcome.waiting), (1, 0));
    assert_eq!((outcome.gathered.stored, outcome.gathered.refused.len()), (0, 1));
    assert!(!world.keys_in_folder().iter().any(|key| key.as_str().contains("validation")));
}

#[tokio::test]
async fn nobody_is_asked_about_trial_time_stamps() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    log.commit(&[world.batch(1).await]).await.unwrap();
    world.sealed(&mut log).await;
    let gatherer =
        RevocationGatherer::new(RevocationGatherer::ANSWER_LIMIT, RevocationGatherer::ALL_LIMIT);
    let authorities = world.authorities().asking_revocation(gatherer.unwrap());
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let outcome = stamp_sealings(&mut log, LINE, &authorities, clock, entropy).await.unwrap();
    assert_eq!((outcome.stamped.len(), outcome.gathered.stored), (1, 0));
    assert_eq!(outcome.gathered.refused, []);
}
