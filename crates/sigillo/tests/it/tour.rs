//! The tour of docs/tour.md, taken: its commands are run in an empty folder, and what they print is
//! compared with what the page says.

use std::{fs, path::PathBuf, process::Command};

use crate::program::{PROGRAM, World, finish};

/// What is printed after each block, with its number and the exit code of its last command.
const MARK: &str = "@@ end of block";

/// A block of commands and what the page says of it.
#[derive(Debug, Default)]
struct Block {
    commands: String,
    code: i32,
    /// Lines that are printed, in this order; `…` stands for anything.
    said: Vec<String>,
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads the blocks of a page: `sh` is run, `text` after it is what that prints.
fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence = None;
    for line in page.lines() {
        match (fence, line) {
            (None, "```sh") => {
                blocks.push(Block::default());
                fence = Some("sh");
            }
            (None, "```text") => fence = Some("text"),
            (Some(_), "```") => fence = None,
            (Some(kind), line) => {
                let block = blocks.last_mut().unwrap();
                if kind == "sh" {
                    block.commands.push_str(&format!("{line}\n"));
                } else {
                    block.said.push(line.to_owned());
                }
            }
            (None, line) => {
                let code = line.strip_prefix("<!-- exit code ").and_then(|it| it.split(' ').next());
                if let (Some(code), Some(block)) = (code, blocks.last_mut()) {
                    block.code = code.parse().unwrap();
                }
            }
        }
    }
    blocks
}

/// Tells whether a line is as a pattern says, in which `…` stands for anything.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut is_open = false;
    for part in parts {
        is_open = part.is_empty();
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    is_open || rest.is_empty()
}

#[test]
fn the_tour_goes_as_its_page_says() {
    let world = World::new();
    let place = world.place("giro");
    fs::create_dir(&place).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(repository().join("testdata")).arg(&place);
    assert_eq!(finish(copy).code, 0);
    let page = fs::read_to_string(repository().join("docs/tour.md")).unwrap();
    let blocks = blocks_of(&page);
    assert!(blocks.len() >= 12, "the page has only {} blocks", blocks.len());
    let mut script = format!("sigillo() {{ '{PROGRAM}' \"$@\"; }}\n");
    for (number, block) in blocks.iter().enumerate() {
        script.push_str(&format!("{}echo \"{MARK} {number}: $?\"\n", block.commands));
    }
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("{{\n{script}}} 2>&1")]).current_dir(&place);
    bash.env_remove("SIGILLO_ARCHIVE").env("HOME", world.home());
    for variable in ["XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
        bash.env_remove(variable);
    }
    let printed = finish(bash).stdout;
    let mut lines = printed.lines();
    for (number, block) in blocks.iter().enumerate() {
        let end = format!("{MARK} {number}: ");
        let mut said = Vec::new();
        let code = lines.find_map(|line| {
            said.push(line);
            line.strip_prefix(&end)
        });
        assert_eq!(code, Some(&*block.code.to_string()), "{}\n{said:#?}", block.commands);
        let mut rest = said.iter();
        for expected in &block.said {
            let found = rest.any(|line| fits(expected, line));
            assert!(found, "{}does not say {expected:?} in its turn: {said:#?}", block.commands);
        }
    }
}

#[test]
fn a_line_of_the_tour_is_compared_but_for_what_differs() {
    assert!(fits("a…c", "abc") && fits("a…c", "ac") && fits("…", "") && fits("ab", "ab"));
    assert!(fits("a…c…", "abcd") && fits("…d", "abcd"));
    assert!(
        !fits("ab", "abc") && !fits("a…c", "abcd") && !fits("b…", "abc") && !fits("a…x…", "abc")
    );
}
