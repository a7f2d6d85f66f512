//! Evidence records on the command line: those of others, and one made here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{PROGRAM, World, finish, skip};

/// Returns the folder of shared inputs; without it says so, and fails in CI.
pub(crate) fn shared() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("SIGILLO_SHARED").map_or(PathBuf::from(default), PathBuf::from);
    if shared.join("vectors/ERS_CASES.tsv").is_file() {
        return Some(shared);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", shared.display());
    skip(&format!("{} is missing", shared.display()));
    None
}

#[test]
fn the_table_of_records_of_others_is_answered_as_it_expects() {
    let Some(shared) = shared() else { return };
    let world = World::new();
    let mut command = Command::new("python3");
    command.arg(shared.join("verifiers/run_ers_cases.py")).arg(shared.join("vectors"));
    command.arg("--cmd").arg(format!("{PROGRAM} er verify --trust any"));
    command.env("HOME", world.home()).current_dir(world.folder.path());
    let ran = finish(command);
    ran.check(0, "38 cases, 0 disagree");
}

#[test]
fn a_record_over_files_outside_of_any_archive_is_made_and_verified() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    world
        .run(["er", "create", "carte/uno.txt", "carte/due.txt", "-o", "due.er"])
        .check(0, "over 2 files is in due.er, with a TRIAL time-stamp");
    let both = ["er", "verify", "due.er", "carte/uno.txt", "carte/due.txt", "--group"];
    world.run(both).check(0, "PROVEN: 2 objects");
    world.run(["er", "verify", "due.er", "carte/due.txt"]).check(0, "PROVEN: 1 object");
    world.run(["er", "verify", "due.er", "carte/due.txt", "--group"]).check(5, "F908");
    fs::write(world.place("tre.txt"), b"tre").unwrap();
    world.run(["er", "verify", "due.er", "tre.txt"]).check(5, "NOT PROVEN");
    let again = world.run(["er", "create", "tre.txt", "-o", "due.er"]);
    again.check_error(1, "due.er is there already");
    // Whoever believes nobody, and whoever looks too late, cannot tell.
    let nobody = world.run(["er", "verify", "due.er", "carte/uno.txt", "--config", "nessuno"]);
    nobody.check(3, "F603");
    let late = world.run(["er", "verify", "due.er", "carte/uno.txt", "--at", "2999-01-01"]);
    late.check(3, "F911");
    world.run(["er", "show", "due.er"]).check(0, "chain 1, time-stamp 1");
}

#[test]
fn what_cannot_be_verified_is_told_with_a_remedy() {
    let world = World::new();
    fs::write(world.place("uno.txt"), b"uno").unwrap();
    fs::write(world.place("rotto.er"), b"uno").unwrap();
    world.run(["er", "verify", "rotto.er", "uno.txt", "--trust", "any"]).check(5, "F901");
    world.run(["er", "show", "rotto.er"]).check_error(1, "is no evidence record");
    world.run(["er", "verify", "rotto.er"]).check_error(2, "name the files");
    for (digest, said) in [
        ("x", "this is no digest"),
        ("md5:00", "is no hash function known here"),
        ("sha256:00", "has 32 bytes"),
        ("sha256:zz", "not hexadecimal"),
    ] {
        let args = ["er", "verify", "rotto.er", "--digest", digest, "--trust", "any"];
        world.run(args).check_error(2, said);
    }
    world.run(["er", "verify", "manca.er", "uno.txt"]).check_error(1, "manca.er");
    let args = ["er", "verify", "rotto.er", "uno.txt", "--trust", "uno.txt"];
    world.run(args).check_error(1, "BEGIN CERTIFICATE");
}

/// The Python that reads certificates, for the verifiers of others; without it says so, and fails in
/// CI.
pub(crate) fn can_judge() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import asn1crypto, cryptography"]);
    if python.output().is_ok_and(|ran| ran.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "python3 lacks asn1crypto or cryptography");
    skip("python3 lacks asn1crypto or cryptography");
    false
}

/// Verifies a record over both files: here, with the verifier of others, and token by token with
/// openssl.
fn all_agree(world: &World, shared: &Path, record: &str) {
    let files = ["carte/uno.txt", "carte/due.txt"];
    let here = world.run(["er", "verify", record, files[0], files[1], "--group"]);
    here.check(0, "PROVEN: 2 objects");
    let root = only_root(world);
    let judges = shared.join("verifiers");
    let mut python = Command::new("python3");
    python.arg(judges.join("verify_er.py")).args(["--strict", "--group", "--ca"]).arg(&root);
    python.arg(record).args(files).current_dir(world.folder.path());
    finish(python).check(0, "VALID");
    let mut openssl = Command::new("sh");
    openssl.arg(judges.join("verify_ts_openssl.sh")).arg("er").arg(&root).arg(record);
    openssl.current_dir(world.folder.path());
    finish(openssl).check(0, "VALID");
}

/// Returns the certificate of the trial root, in the only key folder.
pub(crate) fn only_root(world: &World) -> PathBuf {
    let keys = world.home().join(".local/share/sigillo/keys");
    let mut folders = fs::read_dir(keys).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    folder.join("root.pem")
}

#[test]
fn a_record_is_renewed_again_and_again_and_others_agree() {
    let Some(shared) = shared() else { return };
    if !can_judge() {
        return;
    }
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    let files = ["carte/uno.txt", "carte/due.txt"];
    world.run(["er", "create", files[0], files[1], "-o", "1.er"]).check(0, "over 2 files");
    all_agree(&world, &shared, "1.er");
    world.run(["er", "renew", "1.er", "-o", "2.er"]).check(0, "in 2.er, with a TRIAL time-stamp");
    all_agree(&world, &shared, "2.er");
    world.run(["er", "renew", "2.er", "-o", "3.er"]).check(0, "renew the time-stamp before");
    all_agree(&world, &shared, "3.er");
    // The files, and both hash functions from here on.
    let hash = ["er", "renew", "3.er", files[0], files[1], "--hash", "sha512", "-o", "4.er"];
    world.run(hash).check(0, "in 4.er");
    all_agree(&world, &shared, "4.er");
    let more = ["er", "renew", "4.er", files[0], files[1], "-o", "5.er"];
    world.run(more).check(0, "in 5.er");
    all_agree(&world, &shared, "5.er");
    let third = ["er", "renew", "5.er", files[0], files[1], "--hash", "sha384", "-o", "6.er"];
    world.run(third).check(0, "in 6.er");
    all_agree(&world, &shared, "6.er");
    world.run(["er", "show", "6.er"]).check(0, "chain 3, time-stamp 1");
    // What was there is there still, byte for byte.
    let (old, new) = ["1.er", "6.er"].map(|name| fs::read(world.place(name)).unwrap()).into();
    let token = &old[old.len() - 1_000..];
    assert!(new.windows(token.len()).any(|window| window == token));
    // Another object in place of one, and one that is left out.
    let other = ["er", "verify", "6.er", files[0], files[0], "--group"];
    world.run(other).check(5, "named twice");
}

#[test]
fn what_does_not_become_better_by_a_time_stamp_gets_none() {
    let Some(shared) = shared() else { return };
    let world = World::with(&[("uno.txt", b"uno")]);
    let old = shared.join("vectors/ers/bsi-c2/ER_OK_SHA1_DFN_XAIP_OK_SIG_OK.ers");
    let ran = world.run(["er", "renew", old.to_str().unwrap(), "--trust", "any", "-o", "x.er"]);
    ran.check_error(1, "is of SHA-1, which cannot be relied on any more");
    assert!(ran.stderr.contains("--hash sha512"), "{ran:?}");
    // One that holds, and whose authority was none for trial.
    let real = shared.join("vectors/ers/dss/BIN-1_ER.ers");
    let ran = world.run(["er", "renew", real.to_str().unwrap(), "--trust", "any", "-o", "x.er"]);
    ran.check_error(1, "the record has real time-stamps");
    assert!(!world.place("x.er").exists());
}

#[test]
fn what_must_not_be_renewed_is_not() {
    let world = World::with(&[("uno.txt", b"uno"), ("due.txt", b"due")]);
    let files = ["carte/uno.txt", "carte/due.txt"];
    world.run(["er", "create", files[0], files[1], "-o", "1.er"]).check(0, "over 2 files");
    let renew = |more: &[&str]| {
        let args = ["er", "renew", "1.er", "-o", "2.er"].into_iter().chain(more.iter().copied());
        world.run(args)
    };
    renew(&["--hash", "sha512"]).check_error(2, "none is named");
    renew(&["--hash", "md5", files[0]]).check_error(2, "sha256, sha384 or sha512");
    renew(&["--hash", "sha512", files[0]]).check_error(1, "all files that the record proves");
    // One file twice is not both.
    renew(&["--hash", "sha512", files[0], files[0]]).check_error(1, "each once");
    renew(&["--hash", "sha256", files[0], files[1]]).check_error(1, "SHA-256 already");
    // A digest that the record was never seen to prove.
    let unseen = format!("sha512:{}", "00".repeat(64));
    renew(&["--hash", "sha512", files[0], "--digest", &unseen]).check_error(5, "F912");
    let digest = format!("sha256:{}", "00".repeat(32));
    renew(&["--digest", &digest]).check_error(5, "not seen to prove what it should");
    let inside = ["er", "renew", "1.er", "-o", "archivio/2.er"];
    world.run(inside).check_error(1, "inside of the archive");
    // Whoever does not believe the authority gets the record, and is told.
    let doubtful = ["er", "renew", "1.er", "-o", "dubbio.er", "--config", "nessuno"];
    world.run(doubtful).check(3, "F603");
    let mut broken = fs::read(world.place("1.er")).unwrap();
    let at = broken.len() - 20;
    broken[at] ^= 1;
    fs::write(world.place("rotto.er"), broken).unwrap();
    world.run(["er", "renew", "rotto.er", "-o", "2.er"]).check_error(5, "F907");
    assert!(!world.place("2.er").exists());
    fs::write(world.place("2.er"), b"mio").unwrap();
    renew(&[]).check_error(1, "2.er is there already");
    assert_eq!(fs::read(world.place("2.er")).unwrap(), b"mio");
}

#[test]
fn records_of_others_are_told_with_the_revocation_data_that_they_bring() {
    let Some(shared) = shared() else { return };
    let world = World::new();
    for (record, object, said) in [
        ("dss/BIN-1_ER.ers", "dss/BIN-1.bin", "not revoked, by the OCSP response of C"),
        (
            "bsi/ER_OK_INIT.ers",
            "bsi/DO-01.bin",
            "not revoked, by the OCSP response of CN=test ocsp",
        ),
    ] {
        let [record, object] = [record, object].map(|name| shared.join("vectors/ers").join(name));
        let [record, object] = [&record, &object].map(|path| path.to_str().unwrap());
        let args = ["er", "verify", record, object, "--trust", "any", "--require", "revocation"];
        world.run(args).check(0, said);
        world.run(["er", "show", record]).check(0, said);
    }
}

#[test]
fn whether_a_certificate_was_revoked_is_told_by_lists_that_are_named() {
    let world = World::with(&[("uno.txt", b"uno")]);
    world.run(["er", "create", "carte/uno.txt", "-o", "uno.er"]).check(0, "uno.er");
    let verify = |more: &[&str]| {
        let args = [&["er", "verify", "uno.er", "carte/uno.txt"], more].concat();
        world.run(args)
    };
    verify(&[]).check(0, "cannot tell: revocation");
    verify(&["--require", "revocation"]).check(3, "CANNOT TELL");
    fs::write(world.place("rotto.crl"), b"rotto").unwrap();
    verify(&["--revocation", "rotto.crl"]).check_error(1, "neither a revocation list nor");
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        return skip("openssl is missing");
    }
    let keys = only_root(&world).parent().unwrap().to_owned();
    let openssl = |line: &str| {
        let mut command = Command::new("openssl");
        command.args(line.split(' ')).current_dir(world.folder.path());
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "openssl {line}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let [root, key, tsa] = ["root.pem", "root.key", "tsa.pem"].map(|name| keys.join(name));
    let serial = openssl(&format!("x509 -in {} -noout -serial", tsa.display()));
    let serial = serial.trim().strip_prefix("serial=").unwrap().to_owned();
    fs::write(world.place("ca.cnf"), "[ca]\ndefault_md=sha256\ndatabase=index\n").unwrap();
    let with = |entry: &str, status: i32, said: &str| {
        let entry = entry.replace("SERIAL", &serial);
        fs::write(world.place("index"), entry).unwrap();
        openssl(&format!(
            "ca -config ca.cnf -name ca -gencrl -cert {} -keyfile {} -crldays 30 -out tsa.crl",
            root.display(),
            key.display()
        ));
        verify(&["--revocation", "tsa.crl", "--require", "revocation"]).check(status, said);
    };
    with("", 0, "not revoked, by the revocation list of CN=");
    let revoked = |year: &str, reason: &str| {
        format!("R\t400101000000Z\t{year}0101000000Z{reason}\tSERIAL\tunknown\t/CN=x\n")
    };
    with(&revoked("20", ",superseded"), 5, "F917");
    with(&revoked("49", ",superseded"), 0, "which does not touch this time-stamp");
    with(&revoked("49", ",keyCompromise"), 3, "F918");
}
