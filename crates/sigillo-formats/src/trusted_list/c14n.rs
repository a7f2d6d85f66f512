//! Canonical XML 1.0 and Exclusive XML Canonicalization 1.0, of an element with all beneath it.
//!
//! Sources: W3C Recommendations of 2001-03-15 (`xml-c14n`) and 2002-07-18 (`xml-exc-c14n`).

use std::collections::BTreeSet;

use roxmltree::{Node, NodeId};

use super::{
    TrustedListError,
    xml::{spelt_name, split_name},
};

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// Longest canonical form, in bytes: name spaces can be written again and again.
pub(super) const CANONICAL_BYTES_MAX: usize = 64 << 20;
/// Most prefixes that are named as inclusive.
pub(super) const INCLUSIVE_PREFIXES_MAX: usize = 16;

/// How to write.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Canonical {
    /// Whether name spaces are written only where they are used.
    pub(super) exclusive: bool,
    /// Whether comments are written.
    pub(super) comments: bool,
    /// Prefixes that are written as if it were not exclusive; the empty one is that of none.
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
    ///
    /// # Errors
    ///
    /// [`TrustedListError::BeyondLimit`] if that has more than [`CANONICAL_BYTES_MAX`] bytes.
    pub(super) fn write(
        &self,
        apex: Node<'_, '_>,
        left_out: Option<NodeId>,
    ) -> Result<Vec<u8>, TrustedListError> {
        let mut writer = Writer::new(self, left_out);
        writer.node(apex, true);
        writer.finish()
    }

    /// Does the same for a whole document: what stands before and after its root is written too.
    pub(super) fn write_document(
        &self,
        root: Node<'_, '_>,
        left_out: Option<NodeId>,
    ) -> Result<Vec<u8>, TrustedListError> {
        let mut writer = Writer::new(self, left_out);
        let mut is_after = false;
        for node in root.document().root().children() {
            let start = writer.text.len();
            writer.node(node, node == root);
            if node == root {
                is_after = true;
            } else if writer.text.len() > start {
                let at = if is_after { start } else { writer.text.len() };
                writer.text.insert(at, '\n');
            }
        }
        writer.finish()
    }
}

struct Writer<'a> {
    rules: &'a Canonical,
    left_out: Option<NodeId>,
    text: String,
    /// Prefixes and their name spaces as the open elements have written them, innermost last.
    written: Vec<(&'a str, &'a str)>,
}

impl<'a> Writer<'a> {
    fn new(rules: &'a Canonical, left_out: Option<NodeId>) -> Self {
        Self { rules, left_out, text: String::new(), written: Vec::new() }
    }

    fn finish(self) -> Result<Vec<u8>, TrustedListError> {
        if self.text.len() > CANONICAL_BYTES_MAX {
            return Err(TrustedListError::BeyondLimit { what: "its canonical form is too long" });
        }
        Ok(self.text.into_bytes())
    }

    fn node(&mut self, node: Node<'a, '_>, is_apex: bool) {
        // What is too long already is refused in the end: no more of it is needed.
        if Some(node.id()) == self.left_out || self.text.len() > CANONICAL_BYTES_MAX {
            return;
        }
        if node.is_element() {
            self.element(node, is_apex);
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

    fn element(&mut self, element: Node<'a, '_>, is_apex: bool) {
        let (prefix, local) = spelt_name(element);
        let attributes = attributes_of(element, is_apex && !self.rules.exclusive);
        let outer = self.written.len();
        self.text.push('<');
        push_name(&mut self.text, prefix, local);
        for prefix in self.wanted(element, prefix, &attributes, is_apex) {
            let mut in_scope = element.namespaces();
            let uri = in_scope.find(|it| it.name().unwrap_or_default() == prefix);
            let uri = uri.map_or("", |it| it.uri());
            let last = self.written.iter().rev().find(|(it, _)| *it == prefix);
            if last.map_or("", |(_, uri)| *uri) == uri {
                continue;
            }
            self.text.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.text.push_str(prefix);
            push_value(&mut self.text, uri);
            self.written.push((prefix, uri));
        }
        for attribute in &attributes {
            self.text.push(' ');
            push_name(&mut self.text, attribute.prefix, attribute.local);
            push_value(&mut self.text, attribute.value);
        }
        self.text.push('>');
        for child in element.children() {
            self.node(child, false);
        }
        self.text.push_str("</");
        push_name(&mut self.text, prefix, local);
        self.text.push('>');
        self.written.truncate(outer);
    }

    /// Returns the prefixes whose name spaces an element writes where they are not written yet, in
    /// canonical order.
    fn wanted(
        &self,
        element: Node<'a, '_>,
        prefix: &'a str,
        attributes: &[Attribute<'a>],
        is_apex: bool,
    ) -> BTreeSet<&'a str> {
        let mut wanted = BTreeSet::new();
        let in_scope = || element.namespaces().map(|it| it.name().unwrap_or_default());
        if self.rules.exclusive {
            wanted.insert(prefix);
            wanted.extend(attributes.iter().map(|it| it.prefix).filter(|it| !it.is_empty()));
            let named = &self.rules.inclusive_prefixes;
            wanted.extend(in_scope().filter(|it| named.iter().any(|named| named == it)));
        } else if is_apex || declares(element) {
            wanted.insert("");
            wanted.extend(in_scope());
        }
        wanted.remove("xml");
        wanted
    }
}

/// Tells whether other name spaces are in scope in an element than around it.
fn declares(element: Node<'_, '_>) -> bool {
    let around = |outer: Node<'_, '_>| outer.namespaces().eq(element.namespaces());
    !element.parent_element().is_some_and(around)
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::trusted_list::xml::parse;

    fn by_id<'a, 'input>(root: Node<'a, 'input>, id: &str) -> Node<'a, 'input> {
        root.descendants().find(|it| it.attribute("Id") == Some(id)).unwrap()
    }

    #[test]
    fn canonical_forms_are_those_of_libxml2() {
        let cases = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../testdata/trusted-lists/c14n.json"
        ));
        let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
        let forms = |case: &Value| case["forms"].as_array().unwrap().clone();
        let each = cases.iter().flat_map(|it| forms(it).into_iter().map(|form| (&it["xml"], form)));
        let mut count = 0;
        for (text, case) in each {
            count += 1;
            let document = parse(text.as_str().unwrap()).unwrap();
            let root = document.root_element();
            let prefixes = case["prefixes"].as_array().unwrap().iter();
            let canonical = Canonical {
                exclusive: case["exclusive"].as_bool().unwrap(),
                comments: case["comments"].as_bool().unwrap(),
                inclusive_prefixes: prefixes.map(|it| it.as_str().unwrap().to_owned()).collect(),
            };
            let written = match case["apex"].as_str() {
                None => canonical.write_document(root, None).unwrap(),
                Some(id) => canonical.write(by_id(root, id), None).unwrap(),
            };
            assert_eq!(String::from_utf8(written).unwrap(), case["canonical"], "{text}");
        }
        assert!(count > 300, "{count}");
    }

    #[test]
    fn attributes_of_xml_are_taken_over_from_around_and_only_inclusively() {
        let text = "<a xml:lang='it' xml:base='u' b='1'><c xml:lang='en'><d Id='x' e='2'/></c></a>";
        let document = parse(text).unwrap();
        let write = |address: &str| {
            let canonical = Canonical::named(address).unwrap();
            String::from_utf8(canonical.write(by_id(document.root(), "x"), None).unwrap()).unwrap()
        };
        let inclusive = write("http://www.w3.org/TR/2001/REC-xml-c14n-20010315");
        assert_eq!(inclusive, "<d Id=\"x\" e=\"2\" xml:base=\"u\" xml:lang=\"en\"></d>");
        let exclusive = write("http://www.w3.org/2001/10/xml-exc-c14n#");
        assert_eq!(exclusive, "<d Id=\"x\" e=\"2\"></d>");
        assert_eq!(Canonical::named("http://www.w3.org/2006/12/xml-c14n11"), None);
    }

    #[test]
    fn an_element_can_be_left_out_with_all_beneath_it() {
        let document = parse("<a> <b><c/></b>t</a>").unwrap();
        let root = document.root_element();
        let b = root.children().find(|it| it.has_tag_name("b")).unwrap();
        let canonical = Canonical::default();
        assert_eq!(canonical.write(root, Some(b.id())).unwrap(), b"<a> t</a>");
    }

    #[test]
    fn what_grows_without_bound_is_refused() {
        let elements = "<p:b/>".repeat(CANONICAL_BYTES_MAX / 30_000);
        let text = format!("<a xmlns:p='{}'>{elements}</a>", "u".repeat(30_000));
        let document = parse(&text).unwrap();
        let canonical = Canonical { exclusive: true, ..Canonical::default() };
        let error = canonical.write_document(document.root_element(), None).unwrap_err();
        assert!(matches!(error, TrustedListError::BeyondLimit { .. }));
        assert!(Canonical::default().write(document.root_element(), None).is_ok());
    }
}
