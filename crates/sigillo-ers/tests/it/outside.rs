//! OpenSSL as an outside judge of what is made here, and as a maker of what is judged here.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say what they skip"
)]

use std::{
    path::Path,
    process::{Command, Output},
};

use jiff::SignedDuration;
use rstest::rstest;
use sigillo_ers::{
    Expectations, TRIAL_POLICY, TimeStampRequest, Trust, TrustAnchors, check_response, pem_blocks,
    to_pem, verify_seal,
};
use sigillo_model::Sha256Digest;
use tempfile::TempDir;

use crate::world::{World, now, time};

/// Tells whether there is an OpenSSL; without it prints so, and fails in CI.
fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        println!("SKIPPED: openssl is missing");
    }
    found
}

fn run(folder: &Path, line: &str) -> Output {
    let arguments = line.split(' ').filter(|argument| !argument.is_empty());
    Command::new("openssl").args(arguments).current_dir(folder).output().unwrap()
}

/// Runs OpenSSL, which must succeed, and returns what it printed.
#[track_caller]
fn openssl(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}\n{text}\n{errors}");
    text + &errors
}

#[track_caller]
fn openssl_refuses(folder: &Path, line: &str) {
    assert!(!run(folder, line).status.success(), "openssl {line}");
}

fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) {
    std::fs::write(folder.path().join(name), bytes).unwrap();
}

fn read(folder: &TempDir, name: &str) -> Vec<u8> {
    std::fs::read(folder.path().join(name)).unwrap()
}

fn folder_of(world: &World) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "root.pem", to_pem("CERTIFICATE", &world.root));
    write(&folder, "tsa.pem", to_pem("CERTIFICATE", &world.tsa));
    write(&folder, "seal.pem", to_pem("CERTIFICATE", &world.seal));
    folder
}

#[test]
fn openssl_reads_our_requests() {
    if !has_openssl() {
        return;
    }
    let world = World::new();
    let folder = folder_of(&world);
    let request = TimeStampRequest { policy: Some(TRIAL_POLICY.to_owned()), ..World::request() };
    write(&folder, "request.tsq", request.to_der());
    let text = openssl(folder.path(), "ts -query -in request.tsq -text");
    assert!(text.contains("Hash Algorithm: sha256"), "{text}");
    assert!(text.contains(&format!("Policy OID: {TRIAL_POLICY}")), "{text}");
    assert!(text.contains("Nonce: 0x8001020304050607"), "{text}");
    assert!(text.contains("Certificate required: yes"), "{text}");
}

#[test]
fn openssl_verifies_our_tokens() {
    if !has_openssl() {
        return;
    }
    let world = World::new();
    let folder = folder_of(&world);
    let request = World::request();
    write(&folder, "request.tsq", request.to_der());
    write(&folder, "data", b"what is stamped");
    write(&folder, "other", b"something else");
    let at = now().as_second();
    for chain in [&[][..], std::slice::from_ref(&world.root)] {
        let response = world.response(&request, chain);
        let token = check_response(&response, &world.expectations(&request)).unwrap();
        write(&folder, "response.tsr", &response);
        write(&folder, "token.tst", token.raw());
        let trust = format!("-CAfile root.pem -attime {at}");
        openssl(
            folder.path(),
            &format!("ts -verify -queryfile request.tsq -in response.tsr {trust}"),
        );
        openssl(folder.path(), &format!("ts -verify -data data -in response.tsr {trust}"));
        openssl(folder.path(), &format!("ts -verify -data data -token_in -in token.tst {trust}"));
        openssl(
            folder.path(),
            &format!(
                "cms -verify -cades -inform DER -in token.tst -purpose timestampsign {trust} -out info"
            ),
        );
        openssl_refuses(folder.path(), &format!("ts -verify -data other -in response.tsr {trust}"));
        let text = openssl(folder.path(), "ts -reply -in response.tsr -text");
        assert!(text.contains("Status: Granted."), "{text}");
        assert!(text.contains(TRIAL_POLICY), "{text}");
        assert!(text.contains("Time stamp: Nov 25 08:30:15.25 2026 GMT"), "{text}");
    }
}

#[test]
fn openssl_verifies_our_seals() {
    if !has_openssl() {
        return;
    }
    let world = World::new();
    let folder = folder_of(&world);
    write(&folder, "content", b"a\nstatement\r\n");
    write(&folder, "other", b"another");
    let at = now().as_second();
    for chain in [&[][..], std::slice::from_ref(&world.root)] {
        write(&folder, "seal.p7s", world.seal_over(b"a\nstatement\r\n", chain));
        let verify = format!(
            "cms -verify -cades -binary -inform DER -in seal.p7s -CAfile root.pem -attime {at} -out out"
        );
        openssl(folder.path(), &format!("{verify} -content content"));
        openssl_refuses(folder.path(), &format!("{verify} -content other"));
        let text = openssl(folder.path(), "cms -cmsout -print -noout -inform DER -in seal.p7s");
        assert!(text.contains("signingTime"), "{text}");
        assert!(text.contains("signingCertificateV2"), "{text}");
    }
}

#[test]
fn openssl_verifies_our_certificates() {
    if !has_openssl() {
        return;
    }
    let world = World::new();
    let folder = folder_of(&world);
    let at = now().as_second();
    let verify = |purpose: &str, name: &str| {
        format!("verify -x509_strict -attime {at} -purpose {purpose} -CAfile root.pem {name}.pem")
    };
    openssl(folder.path(), &verify("timestampsign", "tsa"));
    openssl(folder.path(), &verify("smimesign", "seal"));
    openssl_refuses(folder.path(), &verify("timestampsign", "seal"));
    openssl_refuses(folder.path(), &verify("smimesign", "tsa"));
    let text = openssl(folder.path(), "x509 -in tsa.pem -noout -text");
    for expected in [
        "X509v3 Extended Key Usage: critical\n                Time Stamping",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        TRIAL_POLICY,
        "TRIAL",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

/// Makes a root and a certificate with OpenSSL; `key` and `extensions` are its own words.
fn make_certificate(folder: &TempDir, key: &str, extensions: &str) {
    let path = folder.path();
    write(folder, "extensions", extensions);
    openssl(
        path,
        "req -x509 -newkey rsa:3072 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=Root -addext keyUsage=critical,keyCertSign",
    );
    openssl(path, &format!("genpkey {key} -out key.pem"));
    openssl(path, "req -new -key key.pem -subj /C=IT/CN=Signer -out signer.csr");
    openssl(
        path,
        "x509 -req -in signer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out signer.pem",
    );
}

fn anchors_of(folder: &TempDir) -> TrustAnchors {
    let text = String::from_utf8(read(folder, "ca.pem")).unwrap();
    let mut anchors = TrustAnchors::new();
    anchors.add_der("root", &pem_blocks(&text, "CERTIFICATE").unwrap()[0]).unwrap();
    anchors
}

/// Returns the time at which OpenSSL made something just now.
fn made_at(folder: &TempDir) -> jiff::Timestamp {
    let modified = std::fs::metadata(folder.path().join("signer.pem")).unwrap().modified();
    jiff::Timestamp::try_from(modified.unwrap()).unwrap()
}

#[rstest]
#[case::rsa("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "sha256")]
#[case::rsa_4096("-algorithm RSA -pkeyopt rsa_keygen_bits:4096", "sha512")]
#[case::p_256("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "sha256")]
#[case::p_384("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "sha384")]
#[case::p_384_sha_256("-algorithm EC -pkeyopt ec_paramgen_curve:P-384", "sha256")]
#[case::p_521("-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "sha512")]
fn tokens_of_openssl_are_verified(#[case] key: &str, #[case] digest: &str) {
    if !has_openssl() {
        return;
    }
    let folder = TempDir::new().unwrap();
    make_certificate(
        &folder,
        key,
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n",
    );
    let configuration = format!(
        "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\nsigner_cert=signer.pem\ncerts=ca.pem\n\
         signer_key=key.pem\nsigner_digest={digest}\ndefault_policy=1.2.3.4.1\ndigests=sha256\n\
         accuracy=secs:1\nordering=yes\ntsa_name=yes\ness_cert_id_alg={digest}\n"
    );
    write(&folder, "tsa.cnf", configuration);
    write(&folder, "serial", "01\n");
    let imprint = Sha256Digest::of(b"data").into();
    let policy = Some("1.2.3.4.1".to_owned());
    let request = TimeStampRequest { imprint, nonce: [7; 8], policy };
    write(&folder, "request.tsq", request.to_der());
    openssl(folder.path(), "ts -reply -config tsa.cnf -queryfile request.tsq -out response.tsr");
    let anchors = anchors_of(&folder);
    let tolerance = SignedDuration::from_mins(1);
    let at = made_at(&folder);
    let expected = Expectations { request: &request, at, tolerance, anchors: &anchors };
    let response = read(&folder, "response.tsr");
    let token = check_response(&response, &expected).unwrap();
    assert_eq!(token.verified().trust, Trust::Anchored { anchor: "root".to_owned() });
    assert_eq!(token.verified().authority, "C=IT, CN=Signer");
    assert!(!token.verified().trial);
    let other = TimeStampRequest { nonce: [8; 8], ..request.clone() };
    assert!(check_response(&response, &Expectations { request: &other, ..expected }).is_err());
}

#[rstest]
#[case::rsa("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", "")]
#[case::pss(
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest"
)]
#[case::p_256("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", "")]
fn seals_of_openssl_are_verified(#[case] key: &str, #[case] options: &str) {
    if !has_openssl() {
        return;
    }
    let folder = TempDir::new().unwrap();
    make_certificate(&folder, key, "keyUsage=critical,nonRepudiation\n");
    write(&folder, "content", b"content");
    openssl(
        folder.path(),
        &format!(
            "cms -sign -cades -binary -md sha256 -in content -signer signer.pem -inkey key.pem {options} -outform DER -out seal.p7s"
        ),
    );
    let seal = read(&folder, "seal.p7s");
    let (anchors, digest) = (anchors_of(&folder), Sha256Digest::of(b"content"));
    let verified = verify_seal(&seal, digest, &anchors, made_at(&folder)).unwrap();
    assert_eq!(verified.trust, Trust::Anchored { anchor: "root".to_owned() });
    assert_eq!(verified.signer, "C=IT, CN=Signer");
    assert!(!verified.trial);
    assert!(verified.claimed_at > time("2020-01-01T00:00:00Z"));
    assert!(verify_seal(&seal, Sha256Digest::of(b""), &anchors, made_at(&folder)).is_err());
}

#[rstest]
#[case::short_key("-algorithm RSA -pkeyopt rsa_keygen_bits:1024", "")]
#[case::odd_salt(
    "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20"
)]
#[case::odd_curve("-algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1", "")]
fn what_no_rule_covers_is_unknown_rather_than_wrong(#[case] key: &str, #[case] options: &str) {
    if !has_openssl() {
        return;
    }
    let folder = TempDir::new().unwrap();
    make_certificate(&folder, key, "keyUsage=critical,digitalSignature\n");
    write(&folder, "content", b"content");
    openssl(
        folder.path(),
        &format!(
            "cms -sign -cades -binary -md sha256 -in content -signer signer.pem -inkey key.pem {options} -outform DER -out seal.p7s"
        ),
    );
    let digest = Sha256Digest::of(b"content");
    let found =
        verify_seal(&read(&folder, "seal.p7s"), digest, &anchors_of(&folder), made_at(&folder));
    assert!(found.unwrap_err().is_unknown_algorithm());
}
