//! Words that say nothing, work left undone, and traces of the machine it was done on.

use crate::{
    scan::{is_word_byte, leading_identifier, line_of, words},
    tree::{RustFile, TextFile},
};

/// Words that are no name for anything. Written so that this file does not name them.
const EMPTY_WORDS: [&str; 7] = [
    concat!("ut", "il"),
    concat!("ut", "ils"),
    concat!("hel", "per"),
    concat!("hel", "pers"),
    concat!("mana", "ger"),
    concat!("mana", "gers"),
    concat!("com", "mon"),
];

/// A term of X.520 that holds one of them.
const COMMON_NAME: [&str; 2] = [concat!("com", "mon"), "name"];

/// What gives something a name of ours.
const NAMING: [&str; 11] = [
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "mod",
    "type",
    "const",
    "static",
    "let",
    "macro_rules",
];

/// Code that says it is not done, or a test that does not run.
const UNDONE_CODE: [&str; 3] =
    [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];

/// Remarks that say the same.
const UNDONE_REMARKS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Folders of a developer's machine.
const MACHINE_FOLDERS: [&str; 3] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

fn empty_names(files: &[RustFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let stem = file.path.trim_end_matches(".rs");
        if let Some(word) = stem.split('/').find_map(empty_word) {
            problems.push(format!("{}: `{word}` is no name for a file", file.path));
        }
        for (at, name) in named(&file.code) {
            if let Some(word) = empty_word(name) {
                let line = line_of(&file.code, at);
                problems.push(format!("{}:{line}: `{name}` says `{word}`", file.path));
            }
        }
    }
    problems
}

/// Returns what the code gives a name to, with the place.
fn named(code: &str) -> impl Iterator<Item = (usize, &str)> {
    NAMING.iter().flat_map(move |keyword| {
        words(code, keyword).into_iter().map(move |at| {
            let rest = code[at + keyword.len()..].trim_start_matches(['!', ' ', '\n']);
            let rest = rest.strip_prefix("mut ").unwrap_or(rest);
            (at, leading_identifier(rest))
        })
    })
}

fn empty_word(name: &str) -> Option<&'static str> {
    let parts = parts_of(name);
    EMPTY_WORDS.into_iter().find(|word| {
        parts.iter().enumerate().any(|(index, part)| {
            let pair = [part.as_str(), parts.get(index + 1).map_or("", String::as_str)];
            part == word && pair != COMMON_NAME
        })
    })
}

/// Splits a name, `snake_case`, `kebab-case` or `CamelCase`, into its words in lower case.
fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        if letter.is_alphanumeric() {
            parts.last_mut().expect("it starts with one").extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase() || letter.is_numeric();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn undone(files: &[RustFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for needle in UNDONE_CODE {
            for (at, _) in file.code.match_indices(needle) {
                problems.push(format!("{}:{}: {needle}", file.path, line_of(&file.code, at)));
            }
        }
        for needle in UNDONE_REMARKS {
            for at in words(&file.text, needle) {
                problems.push(format!("{}:{}: {needle}", file.path, line_of(&file.text, at)));
            }
        }
    }
    problems
}

fn machine_paths(files: &[TextFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for folder in MACHINE_FOLDERS {
            for (at, _) in file.text.match_indices(folder) {
                let before = at.checked_sub(1).map(|before| file.text.as_bytes()[before]);
                // Within a longer path it is somebody else's folder.
                if !before.is_some_and(|byte| is_word_byte(byte) || b".}*>".contains(&byte)) {
                    let line = line_of(&file.text, at);
                    problems.push(format!("{}:{line}: {folder}", file.path));
                }
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assert_none, assert_one,
        tree::{file, manifests, pages, rust_files},
    };

    fn check_seen(code: &str) {
        assert_one(&empty_names(&[RustFile::new("a.rs", code)]), "a.rs:1");
    }

    #[test]
    fn names_say_something() {
        assert_none(&empty_names(&rust_files()));
    }

    #[test]
    fn a_name_that_says_nothing_is_seen() {
        let [util, _, helper, _, manager, _, common] = EMPTY_WORDS;
        check_seen(&format!("pub fn {util}_of() {{}}"));
        check_seen(&format!("struct Log{}{};", manager[..1].to_uppercase(), &manager[1..]));
        check_seen(&format!("let mut {helper} = 1;"));
        check_seen(&format!("macro_rules! {common} {{}}"));
        let path = format!("src/{common}/a.rs");
        assert_one(&empty_names(&[RustFile::new(&path, "")]), common);
    }

    #[test]
    fn names_of_others_and_longer_words_are_left_alone() {
        let [util, .., common] = EMPTY_WORDS;
        let code = format!("use tokio_{util}::io; const {}_NAME: u8 = 1;", common.to_uppercase());
        let code = format!("{code} fn {common}ly() {{}} // {util}");
        assert_none(&empty_names(&[RustFile::new("a.rs", &code)]));
    }

    #[test]
    fn nothing_is_left_undone() {
        assert_none(&undone(&rust_files()));
    }

    #[test]
    fn what_is_left_undone_is_seen() {
        for code in UNDONE_CODE {
            assert_one(&undone(&[RustFile::new("a.rs", code)]), "a.rs:1");
            assert_none(&undone(&[RustFile::new("a.rs", &format!("// {code}"))]));
        }
        for remark in UNDONE_REMARKS {
            assert_one(&undone(&[RustFile::new("a.rs", &format!("\n// {remark}: f"))]), "a.rs:2");
        }
    }

    #[test]
    fn no_file_names_a_folder_of_a_developers_machine() {
        let mut files = pages();
        files.extend(manifests());
        for path in [".ci/run", "Cargo.toml", "clippy.toml", "deny.toml", "publiccode.yml"] {
            files.push(file(path));
        }
        for RustFile { path, text, .. } in rust_files() {
            files.push(TextFile { path, text });
        }
        assert_none(&machine_paths(&files));
    }

    #[test]
    fn a_folder_of_a_developers_machine_is_seen() {
        for folder in MACHINE_FOLDERS {
            let page = |text| TextFile { path: "a.md".to_owned(), text };
            assert_one(&machine_paths(&[page(format!("cd {folder}x"))]), "a.md:1");
            assert_one(&machine_paths(&[page(format!("{folder}x"))]), "a.md:1");
            assert_none(&machine_paths(&[page(format!("tree{folder}x"))]));
        }
    }
}
