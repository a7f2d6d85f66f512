//! Reading what a trusted list says, of elements whose digest was checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use roxmltree::Node;

use sigillo_ers::{CERTIFICATE_BYTES_MAX, certificate_subject};

use super::{
    HISTORY_MAX, IDENTITY_CERTIFICATES_MAX, LIST_SERVICES_MAX, LIST_SIGNERS_MAX, ListPointer,
    NAME_CHARACTERS_MAX, TrustedList, TrustedListError, TrustedService,
    status::{ListedStatus, ServiceKind},
    xml::{children, only_child, text_of},
};

/// The name space of trusted lists.
const TSL: &str = "http://uri.etsi.org/02231/v2#";
const LIST_OF_LISTS: &str = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUlistofthelists";
const VERSIONS: [u64; 2] = [5, 6];

fn malformed(what: impl Into<String>) -> TrustedListError {
    TrustedListError::Malformed { what: what.into() }
}

fn child<'a, 'input>(
    parent: Node<'a, 'input>,
    name: &'static str,
) -> Result<Node<'a, 'input>, TrustedListError> {
    let wrong = || malformed(format!("there is not one {name} where one must be"));
    only_child(parent, TSL, name).ok_or_else(wrong)
}

fn text(parent: Node<'_, '_>, name: &'static str) -> Result<String, TrustedListError> {
    child(parent, name).map(text_of)
}

fn time(text: &str) -> Result<Timestamp, TrustedListError> {
    text.parse().map_err(|_| malformed(format!("{text:.40?} is no time")))
}

fn information<'a, 'input>(root: Node<'a, 'input>) -> Result<Node<'a, 'input>, TrustedListError> {
    if !root.has_tag_name((TSL, "TrustServiceStatusList")) {
        return Err(malformed("its root is another element"));
    }
    child(root, "SchemeInformation")
}

/// Returns when a list was issued.
pub(super) fn issued(root: Node<'_, '_>) -> Result<Timestamp, TrustedListError> {
    time(&text(information(root)?, "ListIssueDateTime")?)
}

/// Returns the territory that a list claims.
pub(super) fn claimed_territory(root: Node<'_, '_>) -> Result<String, TrustedListError> {
    territory(&text(information(root)?, "SchemeTerritory")?)
}

fn territory(text: &str) -> Result<String, TrustedListError> {
    let letters = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if letters { Ok(text.to_owned()) } else { Err(malformed("its territory is none")) }
}

fn number(text: &str) -> Option<u64> {
    (text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Reads a list whose signature was found right.
pub(super) fn list(
    root: Node<'_, '_>,
    issued: Timestamp,
    signer: Vec<u8>,
) -> Result<TrustedList, TrustedListError> {
    let about = information(root)?;
    let found = text(about, "TSLVersionIdentifier")?;
    let version = number(&found).filter(|version| VERSIONS.contains(version));
    let version = version.ok_or(TrustedListError::UnknownVersion { found })?;
    let sequence = number(&text(about, "TSLSequenceNumber")?);
    let next_update = match only_child(child(about, "NextUpdate")?, TSL, "dateTime") {
        Some(at) => Some(time(&text_of(at))?),
        None => None,
    };
    let mut list = TrustedList {
        territory: claimed_territory(root)?,
        operator: name_in(about, "SchemeOperatorName"),
        is_list_of_lists: text(about, "TSLType")? == LIST_OF_LISTS,
        version,
        sequence: sequence.ok_or_else(|| malformed("its sequence number is none"))?,
        issued,
        next_update,
        services: Vec::new(),
        pointers: Vec::new(),
        signer,
        left_out: Vec::new(),
    };
    if list.is_list_of_lists {
        let pointers = children(about, TSL, "PointersToOtherTSL");
        for pointer in pointers.flat_map(|it| children(it, TSL, "OtherTSLPointer")) {
            list.pointers.extend(read_pointer(pointer, &mut list.left_out));
        }
    }
    let providers = children(root, TSL, "TrustServiceProviderList");
    for provider in providers.flat_map(|it| children(it, TSL, "TrustServiceProvider")) {
        let information = only_child(provider, TSL, "TSPInformation");
        let name = information.map(|it| name_in(it, "TSPName")).unwrap_or_default();
        let services = children(provider, TSL, "TSPServices");
        for service in services.flat_map(|it| children(it, TSL, "TSPService")) {
            match read_service(service, &name, &mut list.left_out) {
                Ok(read) => list.services.extend(read),
                Err(error) => list.left_out.push(format!("a service of {name}: {error}")),
            }
        }
    }
    if list.services.len() > LIST_SERVICES_MAX {
        return Err(TrustedListError::BeyondLimit { what: "it has too many services" });
    }
    Ok(list)
}

/// Reads where another list is; those that are for people, as PDF, have no certificates for us.
fn read_pointer(pointer: Node<'_, '_>, left_out: &mut Vec<String>) -> Option<ListPointer> {
    let additional = only_child(pointer, TSL, "AdditionalInformation")?;
    let of = |node: Node<'_, '_>| only_child(node, TSL, "SchemeTerritory").map(text_of);
    let named = children(additional, TSL, "OtherInformation").find_map(of)?;
    let territory = territory(&named).ok()?;
    let location = only_child(pointer, TSL, "TSLLocation").map(text_of).unwrap_or_default();
    let identities = children(pointer, TSL, "ServiceDigitalIdentities");
    let identities = identities.flat_map(|it| children(it, TSL, "ServiceDigitalIdentity"));
    let mut signers = Vec::new();
    for identity in identities {
        certificates_in(identity, &mut signers, &format!("a signer of {territory}"), left_out);
    }
    signers.truncate(LIST_SIGNERS_MAX);
    let location = location.chars().take(NAME_CHARACTERS_MAX).collect();
    (!signers.is_empty()).then_some(ListPointer { territory, location, signers })
}

/// Reads a service; `None` if it never made time-stamps, or is not known by a certificate.
fn read_service(
    service: Node<'_, '_>,
    provider: &str,
    left_out: &mut Vec<String>,
) -> Result<Option<TrustedService>, TrustedListError> {
    let now = child(service, "ServiceInformation")?;
    let history = children(service, TSL, "ServiceHistory");
    let history = history.flat_map(|it| children(it, TSL, "ServiceHistoryInstance"));
    let instances: Vec<_> = [now].into_iter().chain(history.take(HISTORY_MAX)).collect();
    let kind = |it: &Node<'_, '_>| -> Result<Option<ServiceKind>, TrustedListError> {
        Ok(ServiceKind::of_address(&text(*it, "ServiceTypeIdentifier")?))
    };
    let kinds = instances.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    if kinds.iter().all(Option::is_none) {
        return Ok(None);
    }
    if instances.len() > HISTORY_MAX {
        return Err(TrustedListError::BeyondLimit { what: "its history is too long" });
    }
    let mut statuses = Vec::new();
    for (instance, kind) in instances.iter().zip(kinds) {
        let address = text(*instance, "ServiceStatus")?;
        let status = ListedStatus::name_of(&address).chars().take(NAME_CHARACTERS_MAX).collect();
        let from = time(&text(*instance, "StatusStartingTime")?)?;
        statuses.push(ListedStatus { from, kind, status });
    }
    let name = name_in(now, "ServiceName");
    let mut certificates = Vec::new();
    let identity = child(now, "ServiceDigitalIdentity")?;
    certificates_in(identity, &mut certificates, &name, left_out);
    let provider = provider.to_owned();
    let known = !certificates.is_empty();
    Ok(known.then_some(TrustedService { provider, name, certificates, statuses }))
}

/// Adds the certificates of a digital identity; other sorts of identity are passed over.
fn certificates_in(
    identity: Node<'_, '_>,
    certificates: &mut Vec<Vec<u8>>,
    of: &str,
    left_out: &mut Vec<String>,
) {
    let all = children(identity, TSL, "DigitalId");
    let all = all.flat_map(|it| children(it, TSL, "X509Certificate"));
    for certificate in all.take(IDENTITY_CERTIFICATES_MAX) {
        match decode_base64(&text_of(certificate), CERTIFICATE_BYTES_MAX) {
            Some(der) if certificate_subject(&der).is_ok() => {
                if !certificates.contains(&der) {
                    certificates.push(der);
                }
            }
            _ => left_out.push(format!("{of}: a certificate that cannot be read")),
        }
    }
}

/// Decodes Base64 of at most `bytes_max` bytes, white space in it aside.
pub(super) fn decode_base64(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|it| !it.is_ascii_whitespace()).collect();
    let decoded =
        (digits.len() <= bytes_max.div_ceil(3) * 4).then(|| STANDARD.decode(digits).ok())??;
    (decoded.len() <= bytes_max).then_some(decoded)
}

/// Returns a name: the English one where there are several.
fn name_in(parent: Node<'_, '_>, element: &'static str) -> String {
    const LANGUAGE: (&str, &str) = ("http://www.w3.org/XML/1998/namespace", "lang");
    let names = only_child(parent, TSL, element).into_iter();
    let names: Vec<_> = names.flat_map(|it| children(it, TSL, "Name")).collect();
    let english = names.iter().find(|it| it.attribute(LANGUAGE) == Some("en"));
    let name = english.or(names.first()).map(|it| text_of(*it)).unwrap_or_default();
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    name.chars().take(NAME_CHARACTERS_MAX).map(plain).collect()
}
