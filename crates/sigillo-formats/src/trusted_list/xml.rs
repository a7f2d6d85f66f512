//! XML from outside: bounds that are seen to before it is parsed, and what is read of elements.

use roxmltree::{Document, Node, ParsingOptions};

use super::TrustedListError;

/// Deepest nesting of elements.
pub(super) const DEPTH_MAX: usize = 64;
/// Most attributes of one element, declarations of name spaces included.
const ATTRIBUTES_MAX: usize = 64;
/// Longest start tag, in bytes.
const TAG_BYTES_MAX: usize = 32 << 10;
/// Most elements, texts, comments and processing instructions.
const NODES_MAX: u32 = 2_000_000;
/// Most attributes in all.
const ATTRIBUTES_IN_ALL_MAX: usize = 1_000_000;
/// Most name spaces that an element and those around it declare.
const NAMESPACES_IN_SCOPE_MAX: usize = 128;
/// Most name spaces in sum over the elements that declare any: each has a copy of all that are in
/// scope.
const NAMESPACE_COPIES_MAX: usize = 4_000_000;

/// Parses `text`, which has no document type, no entities and nothing deeper than [`DEPTH_MAX`].
pub(super) fn parse(text: &str) -> Result<Document<'_>, TrustedListError> {
    check_bounds(text)?;
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let malformed = |error: roxmltree::Error| TrustedListError::Xml { what: error.to_string() };
    Document::parse_with_options(text, options).map_err(malformed)
}

/// Goes over the tags of `text` as a parser would, without building anything.
///
/// What is not well-formed may be misread here; a parser stops at the same place.
fn check_bounds(text: &str) -> Result<(), TrustedListError> {
    let too_large = |what| TrustedListError::BeyondLimit { what };
    let mut rest = text;
    // For each open element, how many name spaces are in scope at most.
    let mut open: Vec<usize> = Vec::new();
    let (mut copies, mut attributes) = (0, 0);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let (end, skipped) = if let Some(comment) = rest.strip_prefix("!--") {
            ("-->", comment)
        } else if let Some(characters) = rest.strip_prefix("![CDATA[") {
            ("]]>", characters)
        } else if rest.starts_with('!') {
            return Err(TrustedListError::Xml { what: "there is a document type".to_owned() });
        } else if let Some(instruction) = rest.strip_prefix('?') {
            ("?>", instruction)
        } else if rest.starts_with('/') {
            open.pop();
            continue;
        } else {
            let tag = Tag::read(rest);
            if tag.attributes > ATTRIBUTES_MAX || tag.length > TAG_BYTES_MAX {
                return Err(too_large("an element has too many attributes, or too long ones"));
            }
            attributes += tag.attributes;
            if attributes > ATTRIBUTES_IN_ALL_MAX {
                return Err(too_large("there are too many attributes"));
            }
            let in_scope = open.last().copied().unwrap_or_default() + tag.declarations;
            copies += if tag.declarations > 0 { in_scope } else { 0 };
            if copies > NAMESPACE_COPIES_MAX || in_scope > NAMESPACES_IN_SCOPE_MAX {
                return Err(too_large("there are too many declarations of name spaces"));
            }
            if !tag.is_empty {
                open.push(in_scope);
            }
            if open.len() > DEPTH_MAX {
                return Err(too_large("elements are nested too deeply"));
            }
            rest = &rest[tag.length..];
            continue;
        };
        // What does not end is malformed, which the parser says.
        rest = skipped.split_once(end).map_or("", |(_, after)| after);
    }
    Ok(())
}

/// A start tag, as far as bounds are concerned.
struct Tag {
    /// Bytes up to the `>`.
    length: usize,
    attributes: usize,
    declarations: usize,
    is_empty: bool,
}

impl Tag {
    fn read(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut tag = Self { length: bytes.len(), attributes: 0, declarations: 0, is_empty: false };
        let (mut at, mut word) = (0, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'>' => {
                    tag.is_empty = at > 0 && bytes.get(at - 1) == Some(&b'/');
                    tag.length = at;
                    break;
                }
                quote @ (b'"' | b'\'') => {
                    tag.attributes += 1;
                    let name = bytes.get(word..at).unwrap_or_default();
                    tag.declarations += usize::from(name.starts_with(b"xmlns"));
                    let value = bytes.get(at + 1..).unwrap_or_default();
                    at += 1 + value.iter().position(|it| it == quote).unwrap_or(value.len());
                    word = at + 1;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {
                    // White space may stand around the `=` too: a name begins after other space.
                    let next = bytes.get(at + 1).copied().unwrap_or(b' ');
                    if !matches!(next, b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'"' | b'\'') {
                        word = at + 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        tag
    }
}

/// Returns the one child element of a name; `None` without any or with several.
pub(super) fn only_child<'a, 'input>(
    parent: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> Option<Node<'a, 'input>> {
    let mut children = children(parent, namespace, name);
    let first = children.next()?;
    children.next().is_none().then_some(first)
}

/// Returns the child elements of a name.
pub(super) fn children<'a, 'input>(
    parent: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |child| child.has_tag_name((namespace, name)))
}

/// Returns the whole text of an element: comments may part it, and are not signed.
pub(super) fn text_of(element: Node<'_, '_>) -> String {
    let texts = element.children().filter(Node::is_text);
    let text: String = texts.filter_map(|it| it.text()).collect();
    text.trim_matches([' ', '\t', '\r', '\n']).to_owned()
}

/// Returns the name of an element as it is spelt, its prefix first, which may be empty.
pub(super) fn spelt_name<'a>(element: Node<'a, '_>) -> (&'a str, &'a str) {
    let text = element.document().input_text();
    let tag = text.get(element.range().start + 1..).unwrap_or_default();
    let end = tag.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(tag.len());
    split_name(tag.get(..end).unwrap_or_default())
}

/// Parts a name at its colon.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_attributes_and_name_spaces_are_bounded_before_parsing() {
        let deep = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(parse(&deep(DEPTH_MAX)).is_ok());
        assert!(matches!(parse(&deep(DEPTH_MAX + 1)), Err(TrustedListError::BeyondLimit { .. })));
        assert!(matches!(
            parse(&"<a>".repeat(1_000_000)),
            Err(TrustedListError::BeyondLimit { .. })
        ));
        let wide = |count: usize| {
            let attributes: Vec<_> = (0..count).map(|at| format!("a{at} = '>'")).collect();
            format!("<a {}/>", attributes.join("\n"))
        };
        assert!(parse(&wide(ATTRIBUTES_MAX)).is_ok());
        assert!(parse(&wide(ATTRIBUTES_MAX + 1)).is_err());
        let declares = |count: usize| {
            let declared = |at| format!(" xmlns:n{at}\n=\n'u:{at}'");
            (0..count).map(declared).collect::<Vec<_>>().concat()
        };
        let one = format!("<b{}/>", declares(1));
        let nested = format!("<a{0}><a{0}>", declares(60));
        assert!(parse(&format!("{nested}</a></a>")).is_ok());
        let third = format!("{nested}<a{}>", declares(9));
        assert!(matches!(parse(&third), Err(TrustedListError::BeyondLimit { .. })));
        let long = |length| format!("<a b='{}'/>", "x".repeat(length));
        assert!(parse(&long(TAG_BYTES_MAX - 10)).is_ok());
        assert!(parse(&long(TAG_BYTES_MAX)).is_err());
        let many = format!("<a{}>{}</a>", declares(60), one.repeat(NAMESPACE_COPIES_MAX / 61 + 1));
        assert!(matches!(parse(&many), Err(TrustedListError::BeyondLimit { .. })));
    }

    #[test]
    fn tags_in_comments_and_characters_are_none() {
        let quiet = format!("<a><!-- {0} --><![CDATA[{0}]]><?p {0}?></a>", "<b>".repeat(100));
        assert!(parse(&quiet).is_ok());
        let hidden = format!("<a t='<!--'>{}", "<b>".repeat(100));
        assert!(parse(&hidden).is_err());
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        for text in [
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&e;</a>",
            "<a><!ELEMENT b></a>",
            "<a></b>",
            "<a/><a/>",
            "",
        ] {
            assert!(matches!(parse(text), Err(TrustedListError::Xml { .. })), "{text}");
        }
    }

    #[test]
    fn text_is_whole_whatever_comments_part_it() {
        let document = parse("<a> gran<!-- withdrawn -->ted<![CDATA[ ]]></a>").unwrap();
        assert_eq!(text_of(document.root_element()), "granted");
    }
}
