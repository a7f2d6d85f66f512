//! The published schema describes the receipts that are written, member by member.

use serde_json::Value;

use crate::{
    successions::{Border, succeeded},
    world::{Plan, receipt},
};

const SCHEMA: &str = include_str!("../../../../docs/schemas/receipt.json");

/// Compares a value with what the schema says of it, as far as members and types go.
pub(crate) fn compare(
    schema: &Value,
    root: &Value,
    value: &Value,
    path: &str,
    problems: &mut Vec<String>,
) {
    if let Some(place) = schema["$ref"].as_str() {
        let named = root.pointer(place.trim_start_matches('#')).unwrap();
        return compare(named, root, value, path, problems);
    }
    let kind = match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Null => "null",
    };
    let is_constant = schema["const"] == *value && value.is_string();
    if schema["type"] != kind && !is_constant {
        problems.push(format!("{path} is of type {kind}"));
    }
    if let Some(items) = value.as_array() {
        for item in items {
            compare(&schema["items"], root, item, path, problems);
        }
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().unwrap() {
        if !members.contains_key(name.as_str().unwrap()) {
            problems.push(format!("{path} has no {name}"));
        }
    }
    for (name, member) in members {
        let path = format!("{path}/{name}");
        match schema["properties"].get(name) {
            Some(schema) => compare(schema, root, member, &path, problems),
            None => problems.push(format!("{path} is not in the schema")),
        }
    }
}

#[test]
fn every_receipt_is_as_its_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (batches, every) in [(vec![2, 70], 1), (vec![9], 4)] {
        for sealed in [false, true] {
            let (_, receipt) = receipt(&Plan { batches: batches.clone(), every, sealed });
            let value = serde_json::to_value(&receipt).unwrap();
            let mut problems = Vec::new();
            compare(&schema, &schema, &value, "", &mut problems);
            assert_eq!(problems, Vec::<String>::new());
        }
    }
    let (_, receipt) = succeeded(&[Border::Committed, Border::Stamped], true);
    let mut problems = Vec::new();
    compare(&schema, &schema, &serde_json::to_value(&receipt).unwrap(), "", &mut problems);
    assert_eq!(problems, Vec::<String>::new());
    compare(&schema, &schema, &serde_json::json!({"x": 1}), "", &mut problems);
    assert_eq!(problems.len(), 7, "{problems:?}");
}
