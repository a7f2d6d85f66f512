//! Names of files as texts: reversible, never normalised.

/// Spells the bytes of a name as text.
///
/// Valid UTF-8 is kept as it is; `%`, control characters and bytes that are not UTF-8 become
/// `%XX`. [`decode_name`] gives the bytes back. `/` is kept, so that paths can be spelt too.
pub fn encode_name(bytes: &[u8]) -> String {
    // Nearly every name is plain.
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~' if *byte != b'%')) {
        return str::from_utf8(bytes).expect("ASCII").to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_control() {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    push_escape(&mut text, byte);
                }
            } else {
                text.push(character);
            }
        }
        for &byte in chunk.invalid() {
            push_escape(&mut text, byte);
        }
    }
    text
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Gives back the bytes that [`encode_name`] spelt, or nothing if it cannot have spelt `text`.
pub fn decode_name(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = tail.get(..2)?;
            let mut byte = [0];
            hex::decode_to_slice(digits, &mut byte).ok()?;
            bytes.push(byte[0]);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    (encode_name(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(encode_name("délibera n. 12/è.pdf".as_bytes()), "délibera n. 12/è.pdf");
    }

    #[test]
    fn what_could_mislead_is_spelt_out() {
        assert_eq!(encode_name(b"a\nb\x1b[31m%\xff\xc3"), "a%0Ab%1B[31m%25%FF%C3");
        assert_eq!(encode_name("c\u{9b}1".as_bytes()), "c%C2%9B1");
    }

    #[test]
    fn nfc_and_nfd_stay_apart() {
        assert_ne!(encode_name("è".as_bytes()), encode_name("e\u{300}".as_bytes()));
    }

    #[test]
    fn a_text_that_was_never_a_name_is_refused() {
        for text in ["%", "%4", "%zz", "%41", "%2f", "%ff", "a\nb"] {
            assert_eq!(decode_name(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode_name(&encode_name(&bytes)), Some(bytes));
        }
    }
}
