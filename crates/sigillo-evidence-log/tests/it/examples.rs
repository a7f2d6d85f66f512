//! The worked examples of `docs/format.md`: fenced blocks whose info string names them.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// The examples that are held to the page elsewhere: what a seed draws by
/// `sigillo-proof/tests/it/samples.rs`, the rest beside.
pub(crate) const HELD_ELSEWHERE: [&str; 6] =
    ["sample", "succession-act", "succession-text", "commit-3", "line-of-sha-512", "stamped"];

fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.md"))
}

/// Returns the examples of the page by name, each with the newline of its last line.
///
/// # Panics
///
/// If the page cannot be read, or two examples have one name.
pub(crate) fn read_examples() -> BTreeMap<String, String> {
    let text = fs::read_to_string(page()).unwrap();
    let mut examples = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = name_of(line) else { continue };
        let body = lines.by_ref().take_while(|line| *line != "```");
        let body: String = body.flat_map(|line| [line, "\n"]).collect();
        assert!(examples.insert(name.to_owned(), body).is_none(), "{name} stands twice");
    }
    examples
}

/// Writes the examples anew, for whoever changed the format on purpose.
pub(crate) fn write_examples(examples: &BTreeMap<&str, String>) {
    let text = fs::read_to_string(page()).unwrap();
    let mut written = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        written.extend([line, "\n"]);
        if let Some(body) = name_of(line).and_then(|name| examples.get(name)) {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
            written.extend([body.as_str(), "```\n"]);
        }
    }
    fs::write(page(), written).unwrap();
}

fn name_of(line: &str) -> Option<&str> {
    line.strip_prefix("```")?.split_once(" example=").map(|(_, name)| name)
}
