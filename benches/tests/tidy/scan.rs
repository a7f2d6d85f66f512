//! A rough scanner of Rust: enough to tell code from comments and literals, and no more.

/// What the inside of a literal is replaced by: visible, so that its lines still count.
const INSIDE_LITERAL: u8 = b'~';

/// Returns `source` with comments replaced by spaces and the insides of string and character
/// literals by `~`. Lines stay lines.
pub(crate) fn code_of(source: &str) -> String {
    let mut scanner = Scanner { source: source.as_bytes(), at: 0, code: Vec::new() };
    while scanner.at < source.len() {
        scanner.step();
    }
    String::from_utf8(scanner.code).expect("only whole literals and comments are replaced")
}

/// Returns the 1-based line of the byte at `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Returns every place where `word` stands in `text` with no letter, digit or `_` beside it.
pub(crate) fn words(text: &str, word: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let outside =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|&byte| !is_word_byte(byte));
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| outside(at.checked_sub(1)) && outside(Some(at + word.len())))
        .collect()
}

/// Returns the identifier that `text` starts with, after white space; empty if there is none.
pub(crate) fn leading_identifier(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.bytes().position(|byte| !is_word_byte(byte)).unwrap_or(text.len());
    &text[..end]
}

/// Returns the offset just past the `}` that closes the `{` at `open` of blanked code.
pub(crate) fn past_closing_brace(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

struct Scanner<'a> {
    source: &'a [u8],
    at: usize,
    code: Vec<u8>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = &self.source[self.at..];
        let after_word = self.code.last().is_some_and(|&byte| is_word_byte(byte));
        if rest.starts_with(b"//") {
            let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            self.blank(length, b' ');
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment_length(rest), b' ');
        } else if let (false, Some(hashes)) = (after_word, raw_string_hashes(rest)) {
            self.raw_string(hashes);
        } else if rest[0] == b'"' {
            self.literal(b'"');
        } else if rest[0] == b'\'' && is_character(rest) {
            self.literal(b'\'');
        } else {
            self.keep(1);
        }
    }

    fn literal(&mut self, quote: u8) {
        self.keep(1);
        let rest = &self.source[self.at..];
        let mut length = 0;
        while length < rest.len() && rest[length] != quote {
            length += if rest[length] == b'\\' { 2 } else { 1 };
        }
        self.blank(length.min(rest.len()), INSIDE_LITERAL);
        self.keep(1);
    }

    fn raw_string(&mut self, hashes: usize) {
        let opening = self.source[self.at..].iter().position(|&byte| byte == b'"');
        self.keep(opening.expect("a raw string was recognised by its quote") + 1);
        let mut closing = vec![b'"'];
        closing.resize(hashes + 1, b'#');
        let rest = &self.source[self.at..];
        let length = rest.windows(closing.len()).position(|window| window == closing);
        self.blank(length.unwrap_or(rest.len()), INSIDE_LITERAL);
        self.keep(closing.len());
    }

    fn keep(&mut self, length: usize) {
        let end = (self.at + length).min(self.source.len());
        self.code.extend_from_slice(&self.source[self.at..end]);
        self.at = end;
    }

    fn blank(&mut self, length: usize, with: u8) {
        let covered = &self.source[self.at..self.at + length];
        self.code.extend(covered.iter().map(|&byte| if byte == b'\n' { byte } else { with }));
        self.at += length;
    }
}

/// Block comments nest.
fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Returns the number of `#` of the raw string that starts here, if one does.
fn raw_string_hashes(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"r"[..], b"br", b"cr"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let rest = &rest[prefix.len()..];
    let hashes = rest.iter().position(|&byte| byte != b'#')?;
    (rest[hashes] == b'"').then_some(hashes)
}

/// Tells a character literal from a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(&byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => rest.iter().take(6).skip(2).any(|&byte| byte == b'\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_insides_of_literals_are_blanked() {
        for (source, code) in [
            ("a // b { \nc", "a        \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("{ \" //", '{', '\'')"#, r#"f("~~~~~~~", '~', '~~')"#),
            ("f(r#\"{ \" }\"#) + b\"x\"", "f(r#\"~~~~~\"#) + b\"~\""),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("let r#type = 'é';", "let r#type = '~~';"),
            ("\"a\nb\"", "\"~\n~\""),
        ] {
            assert_eq!(code_of(source), code, "{source}");
            assert_eq!(code_of(source).len(), source.len(), "{source}");
        }
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("fn fnord fn", "fn"), [0, 9]);
        assert_eq!(words("a_fn", "fn"), [0_usize; 0]);
    }

    #[test]
    fn braces_match() {
        assert_eq!(past_closing_brace("a { { } } b", 2), Some(9));
        assert_eq!(past_closing_brace("a { { }", 2), None);
    }
}
