#!/usr/bin/env python3
"""Makes the trusted lists of this folder, signed with keys that are thrown away.

Needs lxml, signxml and cryptography. What comes out is other bytes each time: new keys.
"""

import base64
import datetime
import hashlib
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import XMLSigner, methods

FOLDER = pathlib.Path(__file__).resolve().parent
DS = "http://www.w3.org/2000/09/xmldsig#"
TSL = "http://uri.etsi.org/02231/v2#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
KIND = "http://uri.etsi.org/TrstSvc/Svctype/"


class OldSigner(XMLSigner):
    """Signs with SHA-1 as well, which the library refuses."""

    def check_deprecated_methods(self):
        pass


def certificate(name, key, years=60):
    """Makes a self-signed certificate."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IT"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    begin = datetime.datetime(2015, 1, 1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin)
    builder = builder.not_valid_after(begin.replace(year=begin.year + years))
    return builder.sign(key, hashes.SHA256())


def der(cert):
    """Returns a certificate in Base64."""
    return base64.b64encode(cert.public_bytes(serialization.Encoding.DER)).decode()


def save_pem(name, cert):
    """Writes a certificate."""
    (FOLDER / name).write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def instance(tag, kind, name, cert, status, since):
    """Returns what a service is or was."""
    return f"""<{tag}>
            <ServiceTypeIdentifier>{KIND}{kind}</ServiceTypeIdentifier>
            <ServiceName><Name xml:lang="it">Marche di {name}</Name><Name xml:lang="en">{name}</Name></ServiceName>
            <ServiceDigitalIdentity>
              <DigitalId><X509Certificate>{cert}</X509Certificate></DigitalId>
              <DigitalId><X509SubjectName>CN={name}</X509SubjectName></DigitalId>
            </ServiceDigitalIdentity>
            <ServiceStatus>{STATUS}{status}</ServiceStatus>
            <StatusStartingTime>{since}T00:00:00Z</StatusStartingTime>
          </{tag}>"""


def service(name, cert, statuses):
    """Returns a service; statuses are newest first."""
    now, *past = statuses
    history = "".join(instance("ServiceHistoryInstance", k, name, cert, s, t) for k, s, t in past)
    return f"""<TSPService>
          {instance("ServiceInformation", now[0], name, cert, now[1], now[2])}
          {f"<ServiceHistory>{history}</ServiceHistory>" if history else ""}
        </TSPService>"""


def pointer(territory, cert):
    """Returns where another list is."""
    return f"""<OtherTSLPointer>
        <ServiceDigitalIdentities><ServiceDigitalIdentity>
          <DigitalId><X509Certificate>{cert}</X509Certificate></DigitalId>
        </ServiceDigitalIdentity></ServiceDigitalIdentities>
        <TSLLocation>https://example.org/{territory}.xml</TSLLocation>
        <AdditionalInformation>
          <OtherInformation><SchemeTerritory>{territory}</SchemeTerritory></OtherInformation>
          <OtherInformation><ns3:MimeType xmlns:ns3="http://uri.etsi.org/02231/v2/additionaltypes#">application/vnd.etsi.tsl+xml</ns3:MimeType></OtherInformation>
        </AdditionalInformation>
      </OtherTSLPointer>"""


def trusted_list(territory, sequence, issued, update, services="", pointers="", version=5):
    """Returns a list without its signature."""
    kind = "EUlistofthelists" if pointers else "EUgeneric"
    update = f"<dateTime>{update}T00:00:00Z</dateTime>" if update else ""
    pointers = f"<PointersToOtherTSL>{pointers}</PointersToOtherTSL>" if pointers else ""
    providers = f"""
  <TrustServiceProviderList>
    <TrustServiceProvider>
      <TSPInformation><TSPName><Name xml:lang="en">Fornitore di Prova &amp; Figli</Name></TSPName></TSPInformation>
      <TSPServices>
        {services}
      </TSPServices>
    </TrustServiceProvider>
  </TrustServiceProviderList>"""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- made up --><?stands before?>
<TrustServiceStatusList xmlns="{TSL}" xmlns:unused="urn:unused" Id="list" TSLTag="http://uri.etsi.org/19612/TSLTag">
  <SchemeInformation>
    <TSLVersionIdentifier>{version}</TSLVersionIdentifier>
    <TSLSequenceNumber>{sequence}</TSLSequenceNumber>
    <TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/{kind}</TSLType>
    <SchemeOperatorName><Name xml:lang="en">Agenzia che non esiste</Name></SchemeOperatorName>
    <SchemeTerritory>{territory}</SchemeTerritory>
    {pointers}
    <ListIssueDateTime>{issued}T12:00:00Z</ListIssueDateTime>
    <NextUpdate>{update}</NextUpdate>
  </SchemeInformation>{providers if services else ""}
</TrustServiceStatusList>""".encode()


def sign(name, text, key, cert, signer=XMLSigner, c14n=EXCLUSIVE, **algorithms):
    """Signs a list as the library signxml does, by a reference to the document, and writes it."""
    text = text.replace(b' Id="list"', b"")
    if "WithComments" in c14n:  # signxml digests them, although the reference leaves them out
        text = text.replace(b"<!-- made up -->", b"")
    worker = signer(method=methods.enveloped, c14n_algorithm=c14n, **algorithms)
    write(name, worker.sign(etree.fromstring(text), key=key, cert=[cert]))


def sign_xades(name, text, key, cert, transform=True, reference="#list", whole=True):
    """Signs a list as XAdES asks, by a reference to its root or to all, and writes it.

    Canonical XML is libxml2's. Without a transform the signed properties are digested as XML
    Signature has it, inclusively; signxml does otherwise.
    """
    root = etree.fromstring(text)
    transforms = f'<ds:Transforms><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
    digest = '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    sha256 = base64.b64encode(cert.fingerprint(hashes.SHA256())).decode()
    signature = etree.fromstring(
        f"""<ds:Signature xmlns:ds="{DS}" Id="sig"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>
<ds:Reference URI="{reference}"><ds:Transforms><ds:Transform Algorithm="{DS}enveloped-signature"/>
<ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>{digest}<ds:DigestValue/></ds:Reference>
<ds:Reference URI="#signed" Type="http://uri.etsi.org/01903#SignedProperties">
{transforms if transform else ""}{digest}<ds:DigestValue/></ds:Reference></ds:SignedInfo>
<ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{der(cert)}</ds:X509Certificate>
</ds:X509Data></ds:KeyInfo><ds:Object><xades:QualifyingProperties Target="#sig"
xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"><xades:SignedProperties Id="signed">
<xades:SignedSignatureProperties><xades:SigningTime>2025-06-01T12:00:00Z</xades:SigningTime>
<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>{digest}
<ds:DigestValue>{sha256}</ds:DigestValue></xades:CertDigest></xades:Cert>
</xades:SigningCertificateV2></xades:SignedSignatureProperties></xades:SignedProperties>
</xades:QualifyingProperties></ds:Object></ds:Signature>"""
    )
    values = signature.findall(f".//{{{DS}}}Reference/{{{DS}}}DigestValue")
    if not whole:  # then nothing but the properties is signed
        signature[0].remove(signature.find(f".//{{{DS}}}Reference"))
    values[0].text = hashed(canonical(root if reference else root.getroottree(), True))
    root.append(signature)
    signed = signature.find(".//{http://uri.etsi.org/01903/v1.3.2#}SignedProperties")
    values[1].text = hashed(canonical(signed, transform))
    info = canonical(signature.find(f"{{{DS}}}SignedInfo"), True)
    r, s = utils.decode_dss_signature(key.sign(info, ec.ECDSA(hashes.SHA256())))
    value = base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    signature.find(f"{{{DS}}}SignatureValue").text = value.decode()
    write(name, root)


def canonical(element, exclusive):
    """Returns an element in canonical form, without comments."""
    return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False)


def hashed(text):
    """Returns the SHA-256 of a text in Base64."""
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def write(name, root):
    """Writes a document."""
    text = etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
    (FOLDER / name).write_bytes(text)


def main():
    """Makes all of them."""
    keys = {
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "p521": ec.generate_private_key(ec.SECP521R1()),
        "rsa": rsa.generate_private_key(65537, 3072),
    }
    certs = {name: certificate(f"Firma di prova {name}", key) for name, key in keys.items()}
    for name, cert in certs.items():
        save_pem(f"signer-{name}.pem", cert)
    unit = certificate("Unità di validazione", ec.generate_private_key(ec.SECP256R1()))
    save_pem("unit.pem", unit)
    unit = der(unit)
    granted = [("TSA/QTST", "granted", "2020-01-01"), ("TSA", "undersupervision", "2015-06-01")]
    withdrawn = [("TSA/QTST", "withdrawn", "2024-01-01"), *granted]
    other = service("Other", unit, [("CA/QC", "granted", "2016-07-01")])
    first = service("QTST", unit, granted) + other
    second = service("QTST", unit, withdrawn) + other
    p256 = (keys["p256"], certs["p256"])
    one = trusted_list("IT", 1, "2023-01-01", "2023-07-01", first)
    two = trusted_list("IT", 2, "2025-06-01", "2075-01-01", second)
    sign_xades("it-1.xml", one, *p256)
    sign_xades("it-2.xml", two, *p256)
    sign_xades("signed-document.xml", two, *p256, reference="")
    foreign = trusted_list("FR", 1, "2025-06-01", "2075-01-01", second)
    sign_xades("fr-by-signer-of-it.xml", foreign, *p256)
    sign_xades("properties-only.xml", two, *p256, whole=False)
    lists = pointer("IT", der(certs["p256"])) + pointer("EU", der(certs["p384"]))
    lotl = trusted_list("EU", 7, "2025-06-01", "2075-01-01", pointers=lists)
    sign("lotl.xml", lotl, keys["p384"], certs["p384"], signature_algorithm="ecdsa-sha384")
    closed = trusted_list("IT", 3, "2025-07-01", None, second, version=6)
    sign_xades("closed-v6.xml", closed, *p256, transform=False)
    rsa_pair = (keys["rsa"], certs["rsa"])
    for name, pair, algorithm, digest, c14n in [
        ("rsa-sha256", rsa_pair, "rsa-sha256", "sha256", INCLUSIVE),
        ("rsa-sha384", rsa_pair, "rsa-sha384", "sha384", INCLUSIVE + "#WithComments"),
        ("rsa-sha512", rsa_pair, "rsa-sha512", "sha512", EXCLUSIVE + "WithComments"),
        ("pss-sha256", rsa_pair, "sha256-rsa-MGF1", "sha256", EXCLUSIVE),
        ("pss-sha512", rsa_pair, "sha512-rsa-MGF1", "sha512", EXCLUSIVE),
        ("p384", (keys["p384"], certs["p384"]), "ecdsa-sha384", "sha384", EXCLUSIVE),
        ("p521", (keys["p521"], certs["p521"]), "ecdsa-sha512", "sha512", INCLUSIVE),
        ("p256-sha512", p256, "ecdsa-sha512", "sha512", EXCLUSIVE),
    ]:
        sign(
            f"signed-{name}.xml", two, *pair, c14n=c14n,
            signature_algorithm=algorithm, digest_algorithm=digest,
        )
    for name, algorithm, digest in [
        ("signature", "rsa-sha1", "sha256"),
        ("digest", "rsa-sha256", "sha1"),
    ]:
        sign(
            f"sha1-{name}.xml", two, *rsa_pair, signer=OldSigner,
            signature_algorithm=algorithm, digest_algorithm=digest,
        )


if __name__ == "__main__":
    sys.exit(main())
