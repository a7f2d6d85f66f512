//! Tests of the command line as a whole: every command has a schema, and examples that it accepts.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::{CommandFactory as _, Parser as _};
use serde_json::Value;

use crate::cli::Cli;

/// The schemas that are of no command of their own.
const OTHER_SCHEMAS: [&str; 6] =
    ["error", "receipt", "verify.receipt", "check.statement", "period-statement", "renew.gather"];

/// The members of schemas whose shape is told elsewhere: what producers state under names of their
/// own, and an entry as it stands in the log.
const FREE: [&str; 2] = [
    "find/properties/documents/items/properties/metadata",
    "log.entries/properties/entries/items/properties/entry",
];

/// Returns every command that does something, by the words that name it.
fn leaves(command: &clap::Command, words: &[&str]) -> Vec<(String, clap::Command)> {
    let below: Vec<_> = command.get_subcommands().filter(|it| it.get_name() != "help").collect();
    if below.is_empty() {
        return vec![(words.join(" "), command.clone())];
    }
    below.iter().flat_map(|it| leaves(it, &[words, &[it.get_name()]].concat())).collect()
}

fn all_leaves() -> Vec<(String, clap::Command)> {
    let found = leaves(&Cli::command(), &[]);
    assert!(found.len() >= 20, "only {} commands were found", found.len());
    found
}

fn schemas() -> BTreeMap<String, Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    let files = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let read = files.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    });
    read.collect()
}

#[test]
fn every_command_has_a_schema_of_its_name_and_no_schema_is_left_over() {
    let schemas = schemas();
    let mut expected: Vec<String> =
        all_leaves().into_iter().map(|(words, _)| words.replace(' ', ".")).collect();
    expected.extend(OTHER_SCHEMAS.map(str::to_owned));
    expected.sort();
    assert_eq!(schemas.keys().cloned().collect::<Vec<_>>(), expected);
    for (name, schema) in &schemas {
        let stated = &schema["properties"]["schema"];
        // With what programs from before do not know, receipts and the like have another schema.
        let stated = if stated["const"].is_null() { &stated["enum"][0] } else { &stated["const"] };
        assert_eq!(*stated, format!("sigillo.{name}/1"), "in docs/schemas/{name}.json");
    }
}

/// Looks for objects whose members are not all told.
fn open_objects(schema: &Value, path: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let is_object = schema["type"] == "object" || members.contains_key("properties");
            // `properties` itself holds names, which may be any.
            let is_schema = !path.ends_with("/properties") && !path.ends_with("/$defs");
            if is_schema && is_object && schema["additionalProperties"] != false {
                found.push(path.to_owned());
            }
            for (name, member) in members {
                open_objects(member, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                open_objects(item, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn schemas_name_every_member_so_that_a_new_one_needs_a_change_of_the_schema() {
    let mut found = Vec::new();
    for (name, schema) in schemas() {
        open_objects(&schema, &name, &mut found);
    }
    assert_eq!(found, FREE);
}

/// Returns the command lines in a help text: after `Example:`, or on indented lines.
fn examples(help: &str) -> Vec<Vec<String>> {
    let lines = help.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("Example: ");
        line.starts_with("sigillo ").then(|| shell_words(line))
    });
    lines.collect()
}

/// Splits a command line as a shell does, as far as our examples need it, up to a redirection.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in line.chars().chain([' ']) {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    words.into_iter().filter(|it| !it.is_empty()).take_while(|it| it != ">").collect()
}

#[test]
fn every_command_has_examples_and_each_of_them_is_accepted() {
    let mut commands = all_leaves();
    commands.push((String::new(), Cli::command()));
    for (words, command) in commands {
        let help = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "`sigillo {words}` has no example in its help");
        for example in examples {
            assert!(example[1..].join(" ").starts_with(&words), "{example:?} in `{words}`");
            let parsed = Cli::try_parse_from(&example);
            assert!(parsed.is_ok(), "{example:?} in `{words}`: {}", parsed.unwrap_err());
        }
    }
}

#[test]
fn an_example_that_is_not_accepted_would_be_seen() {
    let found = examples("Words.\n\nExample: sigillo get 5c1e9a02 -o \"a b\" > x\n");
    assert_eq!(found, [["sigillo", "get", "5c1e9a02", "-o", "a b"]]);
    assert!(Cli::try_parse_from(&found[0]).is_ok());
    assert!(Cli::try_parse_from(["sigillo", "get", "5c1e9a02"]).is_err());
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Cli::command().debug_assert();
}
