//! What is made from the command line: the reference in docs/cli.md, completions, and the manual.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{Ran, World, finish, skip};

/// Set to write docs/cli.md anew instead of comparing.
const WRITE: &str = "SIGILLO_WRITE_DOCS";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md")
}

fn help(world: &World, words: &[String]) -> Ran {
    let mut command = world.command(words);
    command.arg("--help").env_remove("SIGILLO_ARCHIVE");
    let ran = finish(command);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?}");
    ran
}

/// Returns the commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, commands)) = help.split_once("Commands:\n") else { return Vec::new() };
    let commands = commands.split("\n\n").next().unwrap();
    // What is described on further lines is indented deeper.
    let lines = commands.lines().filter(|line| !line.starts_with("   "));
    let names = lines.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

fn describe(world: &World, words: &[String], text: &mut String) {
    let help = help(world, words).stdout;
    let name = [&["sigillo".to_owned()], words].concat().join(" ");
    let depth = "#".repeat(words.len().min(2) + 1);
    let heading = if words.is_empty() { String::new() } else { format!("{depth} {name}\n\n") };
    text.push_str(&format!("\n{heading}```text\n{}\n```\n", help.trim_end()));
    for below in listed(&help) {
        describe(world, &[words, &[below]].concat(), text);
    }
}

#[test]
fn the_reference_of_the_commands_is_what_they_say_themselves() {
    let mut text =
        "# Commands\n\nWhat `sigillo COMMAND --help` says of every command. This page is made \
                    by a test; run the tests of the program with `SIGILLO_WRITE_DOCS=1` to make it \
                    anew. With `--json` every command prints one object as [its schema](schemas) \
                    says, errors too ([error](schemas/error.json)).\n"
            .to_owned();
    describe(&World::new(), &[], &mut text);
    if std::env::var_os(WRITE).is_some() {
        fs::write(page(), &text).unwrap();
    }
    let kept = fs::read_to_string(page()).unwrap_or_default();
    for (number, (kept, said)) in (1..).zip(kept.lines().zip(text.lines())) {
        assert_eq!(kept, said, "line {number} of docs/cli.md; {WRITE}=1 makes it anew");
    }
    assert!(kept == text, "docs/cli.md ends too early or too late; {WRITE}=1 makes it anew");
}

#[test]
fn every_shell_gets_completions() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = world.run(["completions", shell]);
        assert_eq!(ran.code, 0, "{ran:?}");
        for word in ["ingest", "checkpoint", "metadata"] {
            assert!(ran.stdout.contains(word), "{word} is not in what {shell} gets");
        }
    }
    world.run(["completions", "cmd"]).check_error(2, "possible values: bash");
}

#[test]
fn bash_accepts_its_completions_and_completes_with_them() {
    let world = World::new();
    fs::write(world.place("sigillo.bash"), world.run(["completions", "bash"]).stdout).unwrap();
    let script = ". ./sigillo.bash; COMP_WORDS=(sigillo ver); COMP_CWORD=1; \
                  _sigillo sigillo ver sigillo; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-n", "sigillo.bash"]).current_dir(world.folder.path());
    assert_eq!(finish(bash).code, 0);
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(world.folder.path());
    assert_eq!(finish(bash).stdout, "verify\n");
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let world = World::new();
    let ran = world.run(["man", "-o", "pagine/man1", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let pages = ran.json()["pages"].as_array().unwrap().clone();
    let mut expected = vec!["sigillo.1".to_owned()];
    expect_pages(&world, &[], &mut expected);
    assert_eq!(pages.iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>(), expected);
    for page in &expected {
        let path = world.place("pagine/man1").join(page);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("sigillo"), "{page}");
        check_rendered(&path);
    }
}

fn expect_pages(world: &World, words: &[String], pages: &mut Vec<String>) {
    for below in listed(&help(world, words).stdout) {
        let words = [words, &[below]].concat();
        pages.push(format!("sigillo-{}.1", words.join("-")));
        expect_pages(world, &words, pages);
    }
}

/// Lets the manual's own program show a page, where there is one.
fn check_rendered(page: &Path) {
    let mut man = Command::new("man");
    man.args(["--warnings", "-l"]).arg(page).env("MANPAGER", "cat").env("LC_ALL", "C.UTF-8");
    match man.output() {
        Err(_) => skip("there is no `man` to show the manual with"),
        Ok(shown) => {
            let text = String::from_utf8_lossy(&shown.stdout);
            let said = String::from_utf8_lossy(&shown.stderr);
            assert!(shown.status.success() && said.is_empty(), "{}: {said}", page.display());
            assert!(
                text.contains("SYNOPSIS") && text.contains("OPTIONS"),
                "{}: {text}",
                page.display()
            );
        }
    }
}

#[test]
fn a_mistyped_word_is_answered_with_the_right_one() {
    let world = World::new();
    world.run(["verfy"]).check_error(2, "'verify'");
    world.run(["verify", "--ful"]).check_error(2, "a similar argument exists: '--full'");
    world.run(["trust", "exprt"]).check_error(2, "a similar subcommand exists: 'export'");
    let ran = world.run(["verify", "--ful", "--json"]);
    assert_eq!(ran.json()["error"]["kind"], "usage");
    assert_eq!(ran.json()["error"]["hints"][0], "a similar argument exists: '--full'");
    assert_eq!((ran.code, ran.stderr.as_str()), (2, ""));
}

#[test]
fn an_unknown_key_in_the_settings_is_shown_where_it_stands() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let settings = world.home().join(".config/sigillo/settings.toml");
    fs::write(&settings, "[[authorities]]\nname = \"tsa\"\nurll = \"https://tsa.example\"\n")
        .unwrap();
    let ran = world.run(["seal"]);
    ran.check_error(1, "settings.toml cannot be understood\n");
    ran.check_error(1, "because: unknown field `urll`, expected one of `name`, `url`");
    ran.check_error(1, "  line 3, column 1\n  3 | urll = \"https://tsa.example\"\n    | ^^^^\n");
    ran.check_error(1, "hint: did you mean `url`?");
}

#[test]
fn who_names_something_that_is_not_there_is_told_what_is() {
    let world = World::with(&[("uno.txt", b"uno")]);
    let get = |id: &str| world.run(["get", id, "-o", "fuori"]);
    get("crate/uno.txt").check_error(1, "hint: did you mean the source \"carte\"?");
    get("carte/due.txt").check_error(1, "hint: the source \"carte\" is there");
    get("xyz/uno.txt").check_error(1, "hint: a document is named by its version id");
    let root = world.run(["ingest", "carte", "--json"]).json();
    let version = root["submissions"][0]["already_versions"][0].as_str().unwrap().to_owned();
    let other = if version.as_bytes()[7] == b'0' { "1" } else { "0" };
    let mistyped = format!("{}{other}", &version[..7]);
    get(&mistyped).check_error(1, &format!("hint: did you mean {}…?", &version[..16]));
    let ran = world.run(["ingest", "catre"]);
    ran.check_error(1, "error: there is no catre\n  hint: did you mean carte?");
}
