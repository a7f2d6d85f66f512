//! DER as slices: what is hashed, compared or kept is taken from here, byte for byte, and never
//! encoded again.

use std::fmt;

/// Deepest nesting accepted.
pub(crate) const DEPTH_MAX: usize = 32;
/// Most elements accepted in one structure. A full megabyte of revocation list has fewer.
pub(crate) const ELEMENTS_MAX: usize = 200_000;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
const CONSTRUCTED: u8 = 0x20;

/// Returns the tag [`number`], constructed.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// The bytes are not DER where they should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DerError {
    /// What was wrong or being read.
    pub(crate) what: &'static str,
}

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

/// One element: its tag, its content, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) raw: &'a [u8],
}

impl<'a> Element<'a> {
    /// Reads the elements inside.
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader { rest: self.content }
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads the elements of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the next element, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, DerError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (element, rest) = split_element(self.rest)?;
        self.rest = rest;
        Ok(Some(element))
    }

    /// Returns the next element, which must have `tag`.
    pub(crate) fn expect(&mut self, tag: u8, what: &'static str) -> Result<Element<'a>, DerError> {
        self.optional(tag)?.ok_or(DerError { what })
    }

    /// Returns the next element, whatever its tag.
    pub(crate) fn any(&mut self, what: &'static str) -> Result<Element<'a>, DerError> {
        self.next()?.ok_or(DerError { what })
    }

    /// Returns the next element if it has `tag`.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.rest.first() == Some(&tag) { self.next() } else { Ok(None) }
    }

    /// Returns how many bytes are left.
    pub(crate) fn byte_count(&self) -> usize {
        self.rest.len()
    }

    /// Begins at a later place, counted in bytes from here.
    pub(crate) fn from(&self, at: usize) -> Option<Self> {
        self.rest.get(at..).map(Self::new)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self, what: &'static str) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError { what }) }
    }
}

/// Reads the one SEQUENCE that `bytes` is, after the shape of everything in it was checked.
///
/// Lengths are minimal and definite, tags below 31, and nothing follows; depth and count are
/// bounded by [`DEPTH_MAX`] and [`ELEMENTS_MAX`].
pub(crate) fn read_checked<'a>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<Element<'a>, DerError> {
    read_bounded(bytes, ELEMENTS_MAX, what)
}

/// Does the same as [`read_checked`] with another bound on the count of elements.
pub(crate) fn read_bounded<'a>(
    bytes: &'a [u8],
    elements_max: usize,
    what: &'static str,
) -> Result<Element<'a>, DerError> {
    check_shape(bytes, elements_max)?;
    let mut reader = Reader::new(bytes);
    let element = reader.expect(SEQUENCE, what)?;
    reader.end("bytes follow the structure")?;
    Ok(element)
}

/// Walks all elements without recursion: a deep structure must not exhaust the stack.
fn check_shape(bytes: &[u8], elements_max: usize) -> Result<(), DerError> {
    let mut open = vec![Reader::new(bytes)];
    let mut count = 0;
    while let Some(reader) = open.last_mut() {
        let Some(element) = reader.next()? else {
            open.pop();
            continue;
        };
        count += 1;
        if count > elements_max {
            return Err(DerError { what: "too many elements" });
        }
        if element.tag & CONSTRUCTED != 0 {
            if open.len() == DEPTH_MAX {
                return Err(DerError { what: "nested too deeply" });
            }
            open.push(element.inside());
        }
    }
    Ok(())
}

/// Splits the first element off `bytes`, whose length must be written minimally.
fn split_element(bytes: &[u8]) -> Result<(Element<'_>, &[u8]), DerError> {
    let truncated = DerError { what: "an element is cut short" };
    let [tag, first, after @ ..] = bytes else {
        return Err(truncated);
    };
    if tag & 0x1f == 0x1f || *tag == 0 {
        return Err(DerError { what: "a tag outside DER as used here" });
    }
    let (length, header) = match *first {
        short @ 0..=0x7f => (usize::from(short), 2),
        long @ 0x81..=0x84 => {
            let count = usize::from(long & 0x7f);
            let digits = after.get(..count).ok_or(truncated.clone())?;
            let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            let minimal = length >= 0x80 && digits[0] != 0;
            if !minimal {
                return Err(DerError { what: "a length is not minimal" });
            }
            (length, 2 + count)
        }
        _ => return Err(DerError { what: "a length is indefinite or too long" }),
    };
    let end = header.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(truncated)?;
    let (raw, rest) = bytes.split_at(end);
    Ok((Element { tag: *tag, content: &raw[header..], raw }, rest))
}

/// Writes an element of `tag` around the concatenation of `parts`.
pub(crate) fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(length + 6);
    bytes.push(tag);
    let digits = length.to_be_bytes();
    let skipped = digits.iter().take_while(|digit| **digit == 0).count();
    match digits[skipped..] {
        [] => bytes.push(0),
        [short @ 0..=0x7f] => bytes.push(short),
        ref long => {
            bytes.push(0x80 | u8::try_from(long.len()).expect("a usize has at most eight bytes"));
            bytes.extend_from_slice(long);
        }
    }
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Writes the unsigned big-endian `magnitude` as an INTEGER.
pub(crate) fn unsigned_integer(magnitude: &[u8]) -> Vec<u8> {
    let skipped = magnitude.iter().take_while(|byte| **byte == 0).count();
    match &magnitude[skipped..] {
        [] => wrap(INTEGER, &[&[0]]),
        digits @ [0x80..=0xff, ..] => wrap(INTEGER, &[&[0], digits]),
        digits => wrap(INTEGER, &[digits]),
    }
}

/// Reads the content of a non-negative INTEGER: its magnitude without leading zeros.
pub(crate) fn read_unsigned(content: &[u8]) -> Result<&[u8], DerError> {
    match content {
        [0] => Ok(&[]),
        [0, 0x80..=0xff, ..] => Ok(&content[1..]),
        [] | [0, ..] => Err(DerError { what: "an integer is not minimal" }),
        [0x80..=0xff, ..] => Err(DerError { what: "an integer is negative" }),
        digits => Ok(digits),
    }
}

/// Writes the dotted OID `text` as the content of an OBJECT IDENTIFIER, `None` if it is none.
///
/// Arcs have up to 128 bits, as the UUIDs under 2.25 do.
pub(crate) fn oid_content(text: &str) -> Option<Vec<u8>> {
    // What the longest content read gives: four characters for each byte.
    const TEXT_BYTES_MAX: usize = 512;
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let canonical = |arc: &str| {
        let digits = arc.bytes().all(|b| b.is_ascii_digit());
        (digits && (arc == "0" || !arc.starts_with('0'))).then(|| arc.parse::<u128>().ok())?
    };
    let arcs = text.split('.').map(canonical).collect::<Option<Vec<u128>>>()?;
    let [first, second, rest @ ..] = arcs.as_slice() else {
        return None;
    };
    if *first > 2 || (*first < 2 && *second > 39) {
        return None;
    }
    let mut content = Vec::new();
    push_arc(&mut content, first.checked_mul(40)?.checked_add(*second)?);
    for arc in rest {
        push_arc(&mut content, *arc);
    }
    Some(content)
}

/// Writes `arc` in base 128, every byte but the last with its high bit set.
fn push_arc(content: &mut Vec<u8>, arc: u128) {
    let groups = (u128::BITS - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        content.push(more | u8::try_from((arc >> (7 * group)) & 0x7f).unwrap_or(0));
    }
}

/// Reads the content of an OBJECT IDENTIFIER as dotted text.
pub(crate) fn oid_text(content: &[u8]) -> Result<String, DerError> {
    const CONTENT_BYTES_MAX: usize = 128;
    let malformed = DerError { what: "an object identifier" };
    if content.is_empty() || content.len() > CONTENT_BYTES_MAX {
        return Err(malformed);
    }
    let (mut text, mut arc, mut inside) = (String::new(), 0_u128, false);
    for byte in content {
        if !inside && *byte == 0x80 {
            return Err(malformed);
        }
        arc = arc.checked_mul(128).ok_or(malformed.clone())? | u128::from(byte & 0x7f);
        inside = byte & 0x80 != 0;
        if inside {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            text = format!("{first}.{}", arc - 40 * first);
        } else {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        arc = 0;
    }
    if inside { Err(malformed) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_minimal_and_nothing_follows() {
        for (bytes, good) in [
            (&[0x30, 0x00][..], true),
            (&[0x30, 0x81, 0x00], false),
            (&[0x30, 0x83, 0x00, 0x00, 0x00], false),
            (&[0x30, 0x80, 0x00, 0x00], false),
            (&[0x30, 0x00, 0x00], false),
            (&[0x30, 0x01], false),
            (&[0x30], false),
            (&[0x30, 0x02, 0x05, 0x00], true),
            (&[0x30, 0x03, 0x05, 0x81, 0x00], false),
            (&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff], false),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], false),
            (&[], false),
        ] {
            assert_eq!(read_checked(bytes, "test").is_ok(), good, "{bytes:02x?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            (1..depth).fold(wrap(SEQUENCE, &[]), |inner, _| wrap(SEQUENCE, &[&inner]))
        };
        assert!(read_checked(&nested(DEPTH_MAX - 1), "test").is_ok());
        let error = read_checked(&nested(20_000), "test").map(|_| ()).unwrap_err();
        assert_eq!(error.what, "nested too deeply");
    }

    #[test]
    fn the_count_of_elements_is_bounded() {
        let many = wrap(SEQUENCE, &[&[5, 0].repeat(ELEMENTS_MAX)]);
        let error = read_checked(&many, "test").map(|_| ()).unwrap_err();
        assert_eq!(error.what, "too many elements");
    }

    #[test]
    fn an_oid_has_one_spelling() {
        for text in ["1.2.840.113549.1.7.2", "2.5.29.37", "0.39", crate::TRIAL_POLICY] {
            assert_eq!(oid_text(&oid_content(text).unwrap()).unwrap(), text);
        }
        for text in ["", "1", "3.1", "1.40", "1.2.", "1..2", "1.02", "1.+2", "2.a"] {
            assert_eq!(oid_content(text), None, "{text}");
        }
        for content in [&[0x2a, 0x80, 0x01][..], &[0x2a, 0x86], &[0x80], &[0xff; 40]] {
            assert!(oid_text(content).is_err(), "{content:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_read_back(tag in 1_u8..0x1f, content in prop::collection::vec(any::<u8>(), 0..70_000)) {
            let bytes = wrap(tag, &[&content]);
            let element = Reader::new(&bytes).any("test").unwrap();
            prop_assert_eq!((element.tag, element.content, element.raw), (tag, &content[..], &bytes[..]));
        }

        #[test]
        fn unsigned_integers_are_read_back(magnitude in prop::collection::vec(any::<u8>(), 0..20)) {
            let bytes = unsigned_integer(&magnitude);
            let read = read_unsigned(&bytes[2..]).unwrap();
            let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
            prop_assert_eq!(read, &magnitude[zeros..]);
        }

        #[test]
        fn whatever_is_read_has_no_other_spelling(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = oid_text(&bytes) {
                prop_assert_eq!(oid_content(&text), Some(bytes.clone()));
            }
            if let Ok(element) = read_checked(&bytes, "test") {
                prop_assert_eq!(wrap(SEQUENCE, &[element.content]), bytes.clone());
            }
            if let Ok(magnitude) = read_unsigned(&bytes) {
                prop_assert_eq!(unsigned_integer(magnitude), wrap(INTEGER, &[&bytes]));
            }
        }
    }
}
