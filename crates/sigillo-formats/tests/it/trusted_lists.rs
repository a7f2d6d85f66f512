//! Trusted lists made by others' code, and every way to change one.

use std::path::Path;

use rstest::rstest;
use sigillo_ers::{Standing, pem_blocks};
use sigillo_formats::{ServiceKind, TrustedList, TrustedListError, listed_periods};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/trusted-lists");

fn read(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FOLDER).join(name)).unwrap()
}

fn signer(name: &str) -> Vec<u8> {
    let pem = String::from_utf8(read(&format!("signer-{name}.pem"))).unwrap();
    pem_blocks(&pem, "CERTIFICATE").unwrap().remove(0)
}

fn it_2() -> String {
    String::from_utf8(read("it-2.xml")).unwrap()
}

#[track_caller]
fn refuse(text: &str) -> TrustedListError {
    TrustedList::read(text.as_bytes(), &[signer("p256")]).unwrap_err()
}

/// Replaces what stands there once.
#[track_caller]
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replacen(old, new, 1)
}

#[rstest]
#[case("signed-rsa-sha256.xml", "rsa")]
#[case("signed-rsa-sha384.xml", "rsa")]
#[case("signed-rsa-sha512.xml", "rsa")]
#[case("signed-pss-sha256.xml", "rsa")]
#[case("signed-pss-sha512.xml", "rsa")]
#[case("signed-p384.xml", "p384")]
#[case("signed-p521.xml", "p521")]
#[case("signed-p256-sha512.xml", "p256")]
#[case("signed-document.xml", "p256")]
fn each_algorithm_is_verified(#[case] file: &str, #[case] by: &str) {
    let list = TrustedList::read(&read(file), &[signer("p256"), signer(by)]).unwrap();
    assert_eq!(list.signer, signer(by));
    assert_eq!((list.territory.as_str(), list.sequence), ("IT", 2));
}

#[rstest]
#[case("sha1-signature.xml")]
#[case("sha1-digest.xml")]
fn sha_1_is_refused_as_too_weak(#[case] file: &str) {
    let error = TrustedList::read(&read(file), &[signer("rsa")]).unwrap_err();
    assert!(matches!(error, TrustedListError::WeakAlgorithm { .. }), "{error}");
    assert!(error.to_string().contains("too weak"));
}

#[test]
fn services_for_time_stamps_are_read_with_their_history() {
    let list = TrustedList::read(&read("it-2.xml"), &[signer("p256")]).unwrap();
    assert_eq!(list.operator, "Agenzia che non esiste");
    assert_eq!(list.issued, "2025-06-01T12:00:00Z".parse().unwrap());
    assert!(!list.is_list_of_lists && list.left_out.is_empty());
    let [service] = &list.services[..] else { panic!("{:?}", list.services) };
    assert_eq!(service.provider, "Fornitore di Prova & Figli");
    assert_eq!(service.name, "QTST");
    let pem = String::from_utf8(read("unit.pem")).unwrap();
    assert_eq!(service.certificates, pem_blocks(&pem, "CERTIFICATE").unwrap());
    let states: Vec<_> =
        service.statuses.iter().map(|it| (it.kind.unwrap(), it.status.as_str())).collect();
    let (qualified, plain) = (ServiceKind::Qualified, ServiceKind::TimeStamps);
    let expected = [(qualified, "withdrawn"), (qualified, "granted"), (plain, "undersupervision")];
    assert_eq!(states, expected);
    let periods = listed_periods(&service.statuses, list.speaks_until());
    for (day, standing) in [
        ("2015-05-31", None),
        ("2015-06-01", Some(Standing::Active)),
        ("2019-12-31", Some(Standing::Active)),
        ("2020-01-01", Some(Standing::Qualified)),
        ("2023-12-31", Some(Standing::Qualified)),
        ("2024-01-01", Some(Standing::Inactive)),
        ("2074-12-31", Some(Standing::Inactive)),
        ("2075-01-01", None),
    ] {
        let at: jiff::Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        let found = periods.iter().find(|it| it.from <= at && at < it.until);
        assert_eq!(found.map(|it| it.standing), standing, "{day}");
    }
}

#[test]
fn a_list_of_lists_names_the_signers_of_others() {
    let list = TrustedList::read(&read("lotl.xml"), &[signer("p384")]).unwrap();
    assert!(list.is_list_of_lists && list.services.is_empty());
    let signers: Vec<_> =
        list.pointers.iter().map(|it| (it.territory.as_str(), it.signers.clone())).collect();
    assert_eq!(signers, [("IT", vec![signer("p256")]), ("EU", vec![signer("p384")])]);
    assert_eq!(list.pointers[0].location, "https://example.org/IT.xml");
}

#[test]
fn a_closed_list_says_nothing_after_its_issue() {
    let list = TrustedList::read(&read("closed-v6.xml"), &[signer("p256")]).unwrap();
    assert_eq!((list.version, list.next_update), (6, None));
    assert_eq!(list.speaks_until(), list.issued);
}

#[test]
fn another_signer_is_refused() {
    let nobody = TrustedList::read(&read("it-2.xml"), &[]).unwrap_err();
    assert!(matches!(nobody, TrustedListError::UnknownSigner { .. }), "{nobody}");
    let other = TrustedList::read(&read("it-2.xml"), &[signer("p384"), signer("rsa")]).unwrap_err();
    assert!(other.to_string().contains("Firma di prova p256"), "{other}");
    // Whoever puts the right certificate beside a wrong key's signature.
    let text = String::from_utf8(read("signed-p384.xml")).unwrap();
    let of = |name: &str| {
        let text = String::from_utf8(read(name)).unwrap();
        let (_, rest) = text.split_once("<ds:X509Certificate>").unwrap();
        rest.split_once("</ds:X509Certificate>").unwrap().0.to_owned()
    };
    let swapped = replaced(&text, &of("signed-p384.xml"), &of("it-2.xml"));
    assert!(matches!(refuse(&swapped), TrustedListError::Signature(_)));
}

#[test]
fn whatever_is_changed_in_the_list_is_seen() {
    let text = it_2();
    let service = {
        let from = text.find("<TSPService>").unwrap();
        let to = text.find("</TSPService>").unwrap() + "</TSPService>".len();
        text[from..to].to_owned()
    };
    for (old, new) in [
        ("Svcstatus/withdrawn", "Svcstatus/granted"),
        ("2024-01-01T", "2034-01-01T"),
        ("<TSLSequenceNumber>2<", "<TSLSequenceNumber>3<"),
        ("<SchemeTerritory>IT<", "<SchemeTerritory>FR<"),
        (" TSLTag=\"", " Other=\"1\" TSLTag=\""),
        ("<TSPServices>", "<TSPServices><?p x?>"),
        ("<TSPServices>", &format!("<TSPServices>{service}")),
        ("<?stands before?>", ""),
        ("</TrustServiceProviderList>", "</TrustServiceProviderList><TrustServiceProviderList/>"),
    ] {
        if old.starts_with("<?") {
            // A reference to the root alone leaves out what stands before it.
            let whole = String::from_utf8(read("signed-document.xml")).unwrap();
            let error = refuse(&replaced(&whole, old, new));
            assert!(matches!(error, TrustedListError::OtherDigest { .. }), "{old}: {error}");
            continue;
        }
        let error = refuse(&replaced(&text, old, new));
        assert!(matches!(error, TrustedListError::OtherDigest { .. }), "{old}: {error}");
    }
    // A certificate of a unit for another.
    let unit = text.match_indices("<X509Certificate>").next().unwrap().0 + 60;
    let mut swapped = text.clone().into_bytes();
    swapped[unit] = if swapped[unit] == b'A' { b'B' } else { b'A' };
    let error = TrustedList::read(&swapped, &[signer("p256")]).unwrap_err();
    assert!(matches!(error, TrustedListError::OtherDigest { .. }), "{error}");
}

#[test]
fn whatever_is_changed_in_the_signature_is_seen() {
    let text = it_2();
    let digest = text.find("<ds:DigestValue>").unwrap() + 20;
    let value = text.find("<ds:SignatureValue>").unwrap() + 25;
    for at in [digest, value] {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let error = TrustedList::read(&changed, &[signer("p256")]).unwrap_err();
        let seen =
            matches!(error, TrustedListError::OtherDigest { .. } | TrustedListError::Signature(_));
        assert!(seen, "{error}");
    }
    let signed_at = {
        let at = text.find("<xades:SigningTime>").unwrap();
        text[at..at + 24].to_owned()
    };
    let error = refuse(&replaced(&text, &signed_at, "<xades:SigningTime>1999-"));
    assert_eq!(error, TrustedListError::OtherDigest { what: "what was signed with it" });
    let method = "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#";
    for (new, wrong) in [
        ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "the signature is wrong"),
        ("http://www.w3.org/2006/12/xml-c14n11", "is not known"),
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", "is not known"),
    ] {
        let changed = format!("<ds:CanonicalizationMethod Algorithm=\"{new}");
        let error = refuse(&replaced(&text, method, &changed));
        assert!(error.to_string().contains(wrong), "{new}: {error}");
    }
}

#[test]
fn signatures_of_other_shapes_are_refused() {
    let text = it_2();
    let from = text.find("<ds:Signature ").unwrap();
    let to = text.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    let signature = &text[from..to];
    let root = "</TrustServiceStatusList>";
    let without = text.replacen(signature, "", 1);
    let shape = |text: &str, what: &str| match refuse(text) {
        TrustedListError::SignatureShape { what: found } => assert_eq!(found, what),
        other => panic!("{what}: {other}"),
    };
    shape(&without, "there is none");
    shape(&replaced(&text, root, &format!("{signature}{root}")), "there are several");
    let deeper = replaced(&without, root, &format!("<x>{signature}</x>{root}"));
    shape(&deeper, "it is not a child of the root");
    let properties = String::from_utf8(read("properties-only.xml")).unwrap();
    shape(&properties, "not exactly one reference is to the whole document");
    // The signed list within a list of the attacker's, with and without its signature moved.
    let inner = text.split_once("?>\n").map_or(text.as_str(), |(_, rest)| rest);
    let inner = inner.split_once("?>").map_or(inner, |(_, rest)| rest);
    let head = "<TrustServiceStatusList xmlns=\"http://uri.etsi.org/02231/v2#\">";
    let about = {
        let from = text.find("<SchemeInformation>").unwrap();
        let to = text.find("</SchemeInformation>").unwrap() + "</SchemeInformation>".len();
        text[from..to].to_owned()
    };
    shape(&format!("{head}{about}{inner}{root}"), "it is not a child of the root");
    let bare = inner.replacen(signature, "", 1);
    let wrapped = format!("{head}{about}<x>{bare}</x>{signature}{root}");
    shape(&wrapped, "a reference is outside of it");
    let twice = replaced(&text, "<SchemeInformation>", "<SchemeInformation Id=\"list\">");
    shape(&twice, "an Id is there twice");
    let hidden = replaced(
        &text,
        "</ds:Signature>",
        &format!("<ds:Object Id=\"other\">{bare}</ds:Object></ds:Signature>"),
    );
    shape(&hidden, "an Id is there twice");
    for (uri, what) in [
        ("https://example.org/list.xml", "a reference leads out of the document"),
        ("#xpointer(/)", "a reference is outside of it"),
    ] {
        let elsewhere =
            replaced(&text, "<ds:Reference URI=\"#list\"", &format!("<ds:Reference URI=\"{uri}\""));
        let enveloped =
            "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
        shape(&replaced(&elsewhere, enveloped, ""), what);
    }
}

#[test]
fn comments_change_nothing_that_is_read() {
    let text = it_2();
    let commented = replaced(&text, "Svcstatus/withdrawn", "Svcstatus/with<!-- granted -->drawn");
    let list = TrustedList::read(commented.as_bytes(), &[signer("p256")]).unwrap();
    assert_eq!(list.services[0].statuses[0].status, "withdrawn");
    let before = replaced(&text, "<SchemeInformation>", "<!-- <Signature/> --><SchemeInformation>");
    assert!(TrustedList::read(before.as_bytes(), &[signer("p256")]).is_ok());
}

#[test]
fn what_is_no_list_is_refused_in_words() {
    let text = it_2();
    let (_, rest) = text.split_once("?>").unwrap();
    let entity = format!("<!DOCTYPE x [<!ENTITY e 'granted'>]>{rest}");
    assert!(matches!(refuse(&entity), TrustedListError::Xml { .. }));
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(TrustedList::read(&utf_16, &[signer("p256")]).is_err());
    assert!(matches!(refuse("<a/>"), TrustedListError::Malformed { .. }));
    let large = vec![b' '; 32 << 20 | 1];
    assert_eq!(TrustedList::read(&large, &[]), Err(TrustedListError::TooLarge));
    let bom = format!("\u{feff}{text}");
    assert!(TrustedList::read(bom.as_bytes(), &[signer("p256")]).is_ok());
}

#[test]
fn no_byte_can_be_changed_to_another_meaning() {
    let text = it_2().into_bytes();
    let signers = [signer("p256")];
    let right = TrustedList::read(&text, &signers).unwrap();
    // Every byte once, in steps that touch all parts.
    for at in (0..text.len()).step_by(7) {
        let mut changed = text.clone();
        changed[at] ^= 1;
        if let Ok(list) = TrustedList::read(&changed, &signers) {
            assert_eq!(list, right, "byte {at}");
        }
    }
}
