//! DER as a tree to be altered and signed again: makes what a bad authority would send.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use sigillo_model::Sha256Digest;

use crate::world::Key;

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    pub(crate) tag: u8,
    pub(crate) bytes: Vec<u8>,
    pub(crate) nodes: Vec<Node>,
}

impl Node {
    pub(crate) fn leaf(tag: u8, bytes: &[u8]) -> Self {
        Self { tag, bytes: bytes.to_vec(), nodes: Vec::new() }
    }

    pub(crate) fn list(tag: u8, nodes: Vec<Self>) -> Self {
        Self { tag, bytes: Vec::new(), nodes }
    }

    pub(crate) fn parse(der: &[u8]) -> Self {
        let (node, rest) = Self::split(der);
        assert!(rest.is_empty(), "bytes follow");
        node
    }

    fn split(der: &[u8]) -> (Self, &[u8]) {
        let (tag, first) = (der[0], usize::from(der[1]));
        let digits = first.saturating_sub(0x80);
        let length = match digits {
            0 => first & 0x7f,
            _ => der[2..2 + digits].iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte)),
        };
        let (content, rest) = der[2 + digits..].split_at(length);
        let (mut nodes, mut inside) = (Vec::new(), content);
        while tag & 0x20 != 0 && !inside.is_empty() {
            let (node, after) = Self::split(inside);
            nodes.push(node);
            inside = after;
        }
        let bytes = if tag & 0x20 == 0 { content.to_vec() } else { Vec::new() };
        (Self { tag, bytes, nodes }, rest)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut content = self.bytes.clone();
        content.extend(self.nodes.iter().flat_map(Self::encode));
        let mut der = vec![self.tag];
        let digits: Vec<u8> =
            content.len().to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
        match digits.as_slice() {
            [] => der.push(0),
            [short] if *short < 0x80 => der.push(*short),
            long => {
                der.push(0x80 + u8::try_from(long.len()).unwrap());
                der.extend(long);
            }
        }
        der.extend(content);
        der
    }

    /// Walks down by the numbers of the children.
    pub(crate) fn at(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |node, index| &mut node.nodes[*index])
    }

    /// Finds the attribute or extension that starts with the OID of content `oid`.
    pub(crate) fn position_of(&self, oid: &[u8]) -> usize {
        let starts = |node: &Self| node.nodes.first().is_some_and(|first| first.bytes == oid);
        self.nodes.iter().position(starts).unwrap()
    }
}

pub(crate) const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
pub(crate) const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
pub(crate) const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5];
pub(crate) const SIGNING_CERTIFICATE_V2: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];
pub(crate) const SIGNING_CERTIFICATE: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 12];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

/// A `ContentInfo` taken apart.
pub(crate) struct Forgery(pub(crate) Node);

impl Forgery {
    /// Takes the token out of a response.
    pub(crate) fn of_response(response: &[u8]) -> Self {
        Self(Node::parse(response).nodes.remove(1))
    }

    pub(crate) fn signed_data(&mut self) -> &mut Node {
        self.0.at(&[1, 0])
    }

    pub(crate) fn certificates(&mut self) -> &mut Node {
        self.0.at(&[1, 0, 3])
    }

    pub(crate) fn signers(&mut self) -> &mut Node {
        self.0.at(&[1, 0, 4])
    }

    pub(crate) fn attributes(&mut self) -> &mut Node {
        self.0.at(&[1, 0, 4, 0, 3])
    }

    /// Alters the `TSTInfo` and states its digest.
    pub(crate) fn change_info(&mut self, change: impl FnOnce(&mut Node)) {
        let octets = self.0.at(&[1, 0, 2, 1, 0]);
        let mut info = Node::parse(&octets.bytes);
        change(&mut info);
        octets.bytes = info.encode();
        let digest = Sha256Digest::of(&octets.bytes);
        self.set_digest(digest.as_bytes());
    }

    pub(crate) fn set_digest(&mut self, digest: &[u8]) {
        let attributes = self.attributes();
        let index = attributes.position_of(MESSAGE_DIGEST);
        attributes.at(&[index, 1, 0]).bytes = digest.to_vec();
    }

    /// Puts another certificate in the place of the signer's, and names it in the attributes.
    pub(crate) fn change_certificate(&mut self, der: &[u8]) {
        self.certificates().nodes = vec![Node::parse(der)];
        let digest = Sha256Digest::of(der);
        let attributes = self.attributes();
        let index = attributes.position_of(SIGNING_CERTIFICATE_V2);
        attributes.at(&[index, 1, 0, 0, 0, 0]).bytes = digest.as_bytes().to_vec();
    }

    /// Signs the attributes again.
    pub(crate) fn sign(&mut self, key: &Key) {
        self.sign_by(|message| key.sign(message));
    }

    pub(crate) fn sign_by(&mut self, sign: impl FnOnce(&[u8]) -> Vec<u8>) {
        let mut attributes = self.attributes().clone();
        attributes.tag = 0x31;
        let signature = sign(&attributes.encode());
        self.0.at(&[1, 0, 4, 0, 5]).bytes = signature;
    }

    pub(crate) fn token(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// Encodes a granted response with the token.
    pub(crate) fn response(&self) -> Vec<u8> {
        let status = Node::list(0x30, vec![Node::leaf(2, &[0])]);
        Node::list(0x30, vec![status, self.0.clone()]).encode()
    }
}

/// Alters the `TBSCertificate` of a certificate and signs it again.
pub(crate) fn change_certificate(
    der: &[u8],
    issuer: &Key,
    change: impl FnOnce(&mut Node),
) -> Vec<u8> {
    let mut certificate = Node::parse(der);
    change(certificate.at(&[0]));
    let mut signature = vec![0];
    signature.extend(issuer.sign(&certificate.at(&[0]).encode()));
    certificate.at(&[2]).bytes = signature;
    certificate.encode()
}

/// Returns the extensions of a `TBSCertificate`.
pub(crate) fn extensions(tbs: &mut Node) -> &mut Node {
    tbs.nodes.last_mut().unwrap().at(&[0])
}
