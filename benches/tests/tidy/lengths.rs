//! Files and functions stay short enough to be read at once.

use crate::{
    scan::{leading_identifier, line_of, past_closing_brace, words},
    tree::RustFile,
};

/// Lines of a file, tests and comments included.
const FILE_LINES_MAX: usize = 600;

/// Lines of code in the body of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of a file of the verifier for auditors, and columns of a line.
const VERIFIER_LINES_MAX: usize = 400;
const VERIFIER_COLUMNS_MAX: usize = 120;

fn problems(files: &[RustFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}", file.path));
        }
        for at in words(&file.code, "fn") {
            let name = leading_identifier(&file.code[at + 2..]);
            let lines = body(&file.code, at).map_or(0, code_lines);
            if lines > FUNCTION_LINES_MAX {
                let line = line_of(&file.code, at);
                problems.push(format!(
                    "{}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}",
                    file.path
                ));
            }
        }
    }
    problems
}

/// An auditor must be able to read a file of `docs/verify` in one go.
fn verifier_problems(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let long = (lines > VERIFIER_LINES_MAX).then(|| format!("{path}: {lines} lines"));
    let is_wide = |line: &&str| line.chars().count() > VERIFIER_COLUMNS_MAX;
    let wide = text.lines().filter(is_wide).map(|line| format!("{path}: too wide: {line}"));
    long.into_iter().chain(wide).collect()
}

/// Returns what is between the braces of the function whose `fn` stands at `at`, if it has any.
fn body(code: &str, at: usize) -> Option<&str> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' | b',' | b'}' if depth == 0 => return None,
            b'{' if depth == 0 => {
                let end = past_closing_brace(code, offset)?;
                return Some(&code[offset + 1..end - 1]);
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    None
}

fn code_lines(body: &str) -> usize {
    body.lines().filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_none, assert_one, tree::rust_files};

    fn function(lines: usize) -> RustFile {
        let body = "    f();\n    // a remark is not code\n\n".repeat(lines);
        RustFile::new("long.rs", &format!("fn long<T>(x: [u8; 3]) where T: Copy {{\n{body}}}\n"))
    }

    #[test]
    fn files_and_functions_are_short() {
        assert_none(&problems(&rust_files()));
    }

    #[test]
    fn the_verifier_for_auditors_is_short() {
        for name in ["sigillo_verify.py", "archive_logs.py", "evidence_lines.py", "public_specs.py"]
        {
            let path = format!("docs/verify/{name}");
            assert_none(&verifier_problems(&path, &crate::tree::file(&path).text));
        }
        let long = "\n".repeat(VERIFIER_LINES_MAX + 1);
        assert_one(&verifier_problems("a.py", &long), "401");
        assert_one(&verifier_problems("a.py", &"è".repeat(VERIFIER_COLUMNS_MAX + 1)), "too wide");
    }

    #[test]
    fn a_long_file_is_seen() {
        assert_none(&problems(&[RustFile::new("a.rs", &"\n".repeat(FILE_LINES_MAX))]));
        assert_one(&problems(&[RustFile::new("a.rs", &"\n".repeat(FILE_LINES_MAX + 1))]), "601");
    }

    #[test]
    fn a_long_function_is_seen() {
        assert_none(&problems(&[function(FUNCTION_LINES_MAX)]));
        assert_one(&problems(&[function(FUNCTION_LINES_MAX + 1)]), "long has 71");
    }

    #[test]
    fn what_has_no_body_has_no_length() {
        for code in ["trait T { fn f(&self); } struct S {", "type F = fn(u8) -> u8; mod m {"] {
            let code = format!("{code}{}}}", "a();\n".repeat(100));
            assert_none(&problems(&[RustFile::new("a.rs", &code)]));
        }
    }
}
