//! Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, of an element with all beneath it.
//!
//! Sources: W3C Recommendations of 2001-03-15 (`xml-c14n`) and 2002-07-18 (`xml-exc-c14n`).

use std::collections::BTreeSet;

use roxmltree::{Node, NodeId};

use super::xml::{spelt_name, split_name};

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// How to write.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Canonical {
    /// Whether name spaces are written only where they are used.
    pub(super) exclusive: bool,
    /// Whether comments are written.
    pub(super) comments: bool,
    /// Prefixes that are written as if it were not exclusive; `` is the one without.
    pub(super) inclusive_prefixes: Vec<String>,
}

impl Canonical {
    /// Returns the method that an address names, `None` if it is none of these.
    pub(super) fn named(address: &str) -> Option<Self> {
        let (exclusive, comments) = match address {
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" => (false, false),
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments" => (false, true),
            "http://www.w3.org/2001/10/xml-exc-c14n#" => (true, false),
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments" => (true, true),
            _ => return None,
        };
        Some(Self { exclusive, comments, inclusive_prefixes: Vec::new() })
    }

    /// Writes `apex` and all beneath it, without the element `left_out` and what is beneath that.
    ///
    /// Recursion is bounded by the depth to which documents are parsed.
    pub(super) fn write(&self, apex: Node<'_, '_>, left_out: Option<NodeId>) -> Vec<u8> {
        let mut writer = Writer { rules: self, left_out, text: String::new() };
        writer.node(apex, &[], true);
        writer.text.into_bytes()
    }

    /// Does the same for a whole document: what stands before and after its root is written too.
    pub(super) fn write_document(&self, root: Node<'_, '_>, left_out: Option<NodeId>) -> Vec<u8> {
        let mut writer = Writer { rules: self, left_out, text: String::new() };
        let document = root.document().root();
        let mut is_after = false;
        for node in document.children() {
            let start = writer.text.len();
            writer.node(node, &[], node == root);
            if node == root {
                is_after = true;
            } else if writer.text.len() > start {
                let at = if is_after { start } else { writer.text.len() };
                writer.text.insert(at, '\n');
            }
        }
        writer.text.into_bytes()
    }
}

struct Writer<'r> {
    rules: &'r Canonical,
    left_out: Option<NodeId>,
    text: String,
}

/// A prefix and its name space as written last, innermost last.
type Written<'a> = (&'a str, &'a str);

impl Writer<'_> {
    fn node<'a>(&mut self, node: Node<'a, '_>, written: &[Written<'a>], is_apex: bool) {
        if Some(node.id()) == self.left_out {
            return;
        }
        if node.is_element() {
            self.element(node, written, is_apex);
        } else if let Some(instruction) = node.pi() {
            self.text.push_str("<?");
            self.text.push_str(instruction.target);
            if let Some(value) = instruction.value.filter(|value| !value.is_empty()) {
                self.text.push(' ');
                self.text.push_str(value);
            }
            self.text.push_str("?>");
        } else if node.is_comment() {
            if self.rules.comments {
                self.text.push_str("<!--");
                self.text.push_str(node.text().unwrap_or_default());
                self.text.push_str("-->");
            }
        } else if let Some(text) = node.text().filter(|_| !is_outside(node)) {
            escape_into(&mut self.text, text, false);
        }
    }

    fn element<'a>(&mut self, element: Node<'a, '_>, written: &[Written<'a>], is_apex: bool) {
        let (prefix, local) = spelt_name(element);
        let attributes = attributes_of(element, is_apex && !self.rules.exclusive);
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        let in_scope = |wanted: &str| {
            let mut all = element.namespaces();
            all.find(|it| it.name().unwrap_or_default() == wanted).map_or("", |it| it.uri())
        };
        if self.rules.exclusive {
            wanted.insert(prefix);
            wanted.extend(attributes.iter().map(|it| it.prefix).filter(|it| !it.is_empty()));
            let named = self.rules.inclusive_prefixes.iter().map(String::as_str);
            let declared = element.namespaces().filter_map(|it| {
                let name = it.name().unwrap_or_default();
                named.clone().any(|prefix| prefix == name).then_some(name)
            });
            wanted.extend(declared);
        } else {
            wanted.insert("");
            wanted.extend(element.namespaces().map(|it| it.name().unwrap_or_default()));
        }
        wanted.remove("xml");
        let mut written = written.to_vec();
        self.text.push('<');
        push_name(&mut self.text, prefix, local);
        for prefix in wanted {
            let uri = in_scope(prefix);
            let last = written.iter().rev().find(|(it, _)| *it == prefix);
            if last.map_or("", |(_, uri)| *uri) == uri {
                continue;
            }
            self.text.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.text.push_str(prefix);
            push_value(&mut self.text, uri);
            written.push((prefix, uri));
        }
        for attribute in &attributes {
            self.text.push(' ');
            push_name(&mut self.text, attribute.prefix, attribute.local);
            push_value(&mut self.text, attribute.value);
        }
        self.text.push('>');
        for child in element.children() {
            self.node(child, &written, false);
        }
        self.text.push_str("</");
        push_name(&mut self.text, prefix, local);
        self.text.push('>');
    }
}

/// White space outside of the root element is not part of the document.
fn is_outside(node: Node<'_, '_>) -> bool {
    node.parent().is_none_or(|parent| parent.is_root())
}

struct Attribute<'a> {
    namespace: &'a str,
    prefix: &'a str,
    local: &'a str,
    value: &'a str,
}

/// Returns the attributes of an element in canonical order: by name space, then by name. Those
/// named `xml:` of the elements around it are among them where they are to be taken over.
fn attributes_of<'a>(element: Node<'a, '_>, with_inherited: bool) -> Vec<Attribute<'a>> {
    let of = |node: Node<'a, '_>| -> Vec<Attribute<'a>> {
        let text = node.document().input_text();
        let all = node.attributes().map(|it| {
            let (prefix, local) = split_name(text.get(it.range_qname()).unwrap_or_default());
            Attribute { namespace: it.namespace().unwrap_or(""), prefix, local, value: it.value() }
        });
        all.collect()
    };
    let mut all = of(element);
    if with_inherited {
        for outer in element.ancestors().skip(1).filter(Node::is_element) {
            for attribute in of(outer).into_iter().filter(|it| it.namespace == XML_NAMESPACE) {
                let same = |it: &Attribute<'_>| {
                    it.namespace == XML_NAMESPACE && it.local == attribute.local
                };
                if !all.iter().any(same) {
                    all.push(attribute);
                }
            }
        }
    }
    all.sort_by_key(|it| (it.namespace, it.local));
    all
}

fn push_name(text: &mut String, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        text.push_str(prefix);
        text.push(':');
    }
    text.push_str(local);
}

fn push_value(text: &mut String, value: &str) {
    text.push_str("=\"");
    escape_into(text, value, true);
    text.push('"');
}

fn escape_into(text: &mut String, value: &str, in_attribute: bool) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' if !in_attribute => text.push_str("&gt;"),
            '"' if in_attribute => text.push_str("&quot;"),
            '\t' if in_attribute => text.push_str("&#x9;"),
            '\n' if in_attribute => text.push_str("&#xA;"),
            '\r' => text.push_str("&#xD;"),
            other => text.push(other),
        }
    }
}
