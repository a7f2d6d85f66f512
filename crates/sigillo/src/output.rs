//! Printing: results on stdout, talk on stderr, one JSON object where it was asked for.

use std::{
    io::{self, Write as _},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::error::CommandError;

/// Why something that was to be printed was not: the first failure of this process.
static NOT_PRINTED: OnceLock<io::Error> = OnceLock::new();

/// Where a command says what it has to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result: `text` for people, or `value` as JSON under `schema`.
    pub(crate) fn result(self, schema: &str, text: &str, mut value: Value) {
        if self.json {
            if let Value::Object(members) = &mut value {
                members.insert("schema".to_owned(), Value::from(schema));
            }
            self.data(&format!("{value}\n"));
        } else {
            self.data(text);
        }
    }

    /// Prints data as it is. A reader that went away is no error; after any other failure nothing
    /// more is printed, so that what lacks a part does not look whole.
    #[expect(clippy::unused_self, reason = "all printing goes through an Output")]
    pub(crate) fn data(self, text: &str) {
        if NOT_PRINTED.get().is_none() {
            remember(io::stdout().write_all(text.as_bytes()));
        }
    }

    /// Hands what was printed to the system, and returns the exit code: `code`, but no success if
    /// not all of it was taken.
    pub(crate) fn finish(self, code: u8) -> u8 {
        remember(io::stdout().flush());
        let Some(error) = NOT_PRINTED.get() else {
            return code;
        };
        let error = CommandError::io("printing the result", error)
            .hint("what was printed is not whole: do not keep it");
        self.explain(&error);
        if code == 0 { error.exit_code() } else { code }
    }

    /// Says something beside the result.
    #[expect(clippy::unused_self, reason = "all printing goes through an Output")]
    pub(crate) fn say(self, text: &str) {
        drop(writeln!(io::stderr(), "{text}"));
    }

    /// Reports an error and returns its exit code.
    pub(crate) fn fail(self, error: &CommandError) -> u8 {
        if self.json {
            self.result("sigillo.error/1", "", json!({"error": error.json()}));
        } else {
            self.explain(error);
        }
        error.exit_code()
    }

    /// Says what an error is, why, and what to do.
    pub(crate) fn explain(self, error: &CommandError) {
        let mut words = error.words.iter();
        if let Some(first) = words.next() {
            self.say(&format!("error: {}", visible(first)));
        }
        for cause in words {
            self.say(&format!("  because: {}", visible(cause)));
        }
        for line in &error.excerpt {
            self.say(&format!("  {}", visible(line)));
        }
        for hint in &error.hints {
            self.say(&format!("  hint: {}", visible(hint)));
        }
    }
}

/// Keeps the first failure to print, unless it is that of a reader that went away.
fn remember(outcome: io::Result<()>) {
    if let Err(error) = outcome
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // Only the first failure counts.
        drop(NOT_PRINTED.set(error));
    }
}

/// Spells out what could mislead a reader or a terminal: control and direction-changing characters.
pub(crate) fn visible(text: &str) -> String {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    let spell = |c: char| if misleads(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}

/// Spells a number with thin groups, `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Spells how many there are of something: `1 document`, `2 documents`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = match what.strip_suffix('y') {
        _ if number == 1 => what.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if what.ends_with("ch") || what.ends_with("sh") => format!("{what}es"),
        None => format!("{what}s"),
    };
    format!("{} {plural}", grouped(number))
}

/// Says how many of something wait: `1 document waits`, `2 documents wait`.
pub(crate) fn waiting(number: u64, what: &str) -> String {
    format!("{} {}", counted(number, what), if number == 1 { "waits" } else { "wait" })
}

/// Spells a size in the largest unit that leaves a whole part.
pub(crate) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_legible() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(counted(1, "document"), "1 document");
        assert_eq!(counted(1_000, "batch"), "1 000 batches");
        assert_eq!(counted(0, "entry"), "0 entries");
        assert_eq!(
            waiting(1, "sealing") + &waiting(2, "sealing"),
            "1 sealing waits2 sealings wait"
        );
        assert_eq!(size_text(1023), "1023 bytes");
        assert_eq!(size_text(1536), "1.5 KiB");
        assert_eq!(size_text(1 << 30), "1.0 GiB");
    }

    #[test]
    fn what_could_mislead_a_terminal_is_spelt_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b"), "a\\u{1b}[31m\\u{202e}b");
    }
}
