//! Reading a sidecar: one JSON object beside the main file of a document.

use serde_json::{Map, Value};
use sigillo_model::{DESCRIPTION_MEMBERS_MAX, Operation, parse_json};

use super::{
    ATTACHMENT, MAIN, MetadataProblem, StatedDocument, StatedFile, StatedKey,
    column::Column,
    meant::{is_meant, meant_column},
    value::{Fault, Stated, check_path, check_plain, metadata_name_fault, shown},
};

/// Largest sidecar accepted, in bytes.
pub const SIDECAR_BYTES_MAX: u64 = 1 << 20;

/// No more unknown members are named in a message.
const UNKNOWN_SHOWN_MAX: usize = 5;

/// Reads what a sidecar says of the document whose main file has the path `main` in the source.
///
/// Attachments come back as the sidecar names them: plain names, to be looked for in the folder of
/// the main file. `docs/metadata.md` has the rules.
///
/// # Errors
///
/// [`MetadataProblem`] for the first thing that stands in the way, with line 0, the member as
/// column, and `main` as path.
pub fn read_sidecar(bytes: &[u8], main: &str) -> Result<StatedDocument, MetadataProblem> {
    read(bytes, main).map_err(|Fault { column, reason, remedy }| MetadataProblem {
        line: 0,
        column,
        path: Some(main.to_owned()),
        reason,
        remedy,
    })
}

fn read(bytes: &[u8], main: &str) -> Result<StatedDocument, Fault> {
    if bytes.len() as u64 > SIDECAR_BYTES_MAX {
        let reason =
            format!("the sidecar has {} bytes, more than {SIDECAR_BYTES_MAX}", bytes.len());
        return Err(Fault::of_all(reason, "send long texts as files of the document"));
    }
    check_path(Column::Path.name(), main)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let members = match parse_json(bytes) {
        Ok(Value::Object(members)) => members,
        Ok(_) => {
            let remedy = "write the members between { and }";
            return Err(Fault::of_all("the sidecar is no JSON object", remedy));
        }
        Err(error) => {
            let remedy = "write one JSON object in UTF-8, each member once";
            return Err(Fault::of_all(error.to_string(), remedy));
        }
    };
    check_known(&members)?;
    let mut stated = Stated::default();
    let mut attachments = Vec::new();
    for (name, value) in &members {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            (ATTACHMENTS, value) => attachments = attached_files(value, main)?,
            (AGGREGATIONS, value) => {
                stated.set_aggregations(name, texts(name, value)?.into_iter())?;
            }
            (METADATA, value) => set_metadata(&mut stated, value)?,
            (_, value) => {
                if let Some(column) = column_named(name) {
                    stated.set(column, &cell(column, value)?)?;
                }
            }
        }
    }
    stated.check_together()?;
    document(stated, main, attachments)
}

const AGGREGATIONS: &str = "aggregations";
const ATTACHMENTS: &str = "attachments";
const METADATA: &str = "metadata";

/// Returns the column that a member stands for; `path` and `main` say where the sidecar lies.
fn column_named(name: &str) -> Option<Column> {
    let columns = Column::ALL.into_iter();
    columns
        .filter(|column| !matches!(column, Column::Path | Column::Main))
        .find(|column| column.name() == name)
}

/// Returns the member that a name with no meaning probably stands for.
fn member_meant(name: &str) -> Option<&'static str> {
    let of_sidecars = [
        (ATTACHMENTS, &["allegati", "allegato", "attachment"][..]),
        (METADATA, &["metadati"]),
        (AGGREGATIONS, &["aggregazioni", "fascicoli"]),
    ];
    let mut of_sidecars = of_sidecars.into_iter();
    of_sidecars
        .find(|(member, others)| is_meant(name, member, others))
        .map(|(member, _)| member)
        .or_else(|| {
            meant_column(name).filter(|it| column_named(it.name()).is_some()).map(Column::name)
        })
}

fn check_known(members: &Map<String, Value>) -> Result<(), Fault> {
    let is_known = |name: &str| {
        [AGGREGATIONS, ATTACHMENTS, METADATA].contains(&name) || column_named(name).is_some()
    };
    let unknown: Vec<&String> = members.keys().filter(|name| !is_known(name)).collect();
    if let Some(first) = unknown.first() {
        let names: Vec<String> = unknown
            .iter()
            .take(UNKNOWN_SHOWN_MAX)
            .map(|name| format!("`{}`", shown(name)))
            .collect();
        let more = if unknown.len() > names.len() { " and others" } else { "" };
        let reason = format!("a sidecar has no member {}{more}", names.join(", "));
        let meant = unknown.iter().take(UNKNOWN_SHOWN_MAX).filter_map(|name| {
            member_meant(name).map(|meant| format!("write `{meant}` for `{}`", shown(name)))
        });
        let meant: Vec<String> = meant.collect();
        let correct =
            if meant.is_empty() { "correct the name".to_owned() } else { meant.join(", ") };
        let remedy = format!("{correct}; what has none of the known names goes into `metadata`");
        return Err(Fault::new(shown(first), reason, remedy));
    }
    if members.contains_key(AGGREGATIONS) && members.contains_key(Column::Aggregation.name()) {
        let reason = "aggregations are stated twice, in `aggregation` and in `aggregations`";
        return Err(Fault::new(AGGREGATIONS, reason, "write one of the two"));
    }
    Ok(())
}

/// Returns a member as a cell; years and numbers may be written as JSON numbers.
fn cell(column: Column, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if matches!(column, Column::Year | Column::Number) => {
            Ok(number.to_string())
        }
        _ => Err(no_text(column.name())),
    }
}

fn no_text(name: &str) -> Fault {
    let reason = format!("`{}` is no text", shown(name));
    Fault::new(shown(name), reason, "write it in double quotes")
}

fn texts<'a>(name: &str, value: &'a Value) -> Result<Vec<&'a str>, Fault> {
    let list = value.as_array().map(|items| items.iter().map(Value::as_str).collect());
    list.flatten().ok_or_else(|| {
        let reason = format!("`{name}` is no list of texts");
        Fault::new(name, reason, r#"write it as ["one", "another"]"#)
    })
}

fn set_metadata(stated: &mut Stated, value: &Value) -> Result<(), Fault> {
    let Value::Object(members) = value else {
        let remedy = r#"write it as {"name": "text"}"#;
        return Err(Fault::new(METADATA, "`metadata` is no object of texts", remedy));
    };
    for (name, value) in members {
        if let Some(fault) = metadata_name_fault(name) {
            let reason = format!("the name `{}` {fault}", shown(name));
            return Err(Fault::new(METADATA, reason, "give the member a shorter, plain name"));
        }
        if value.is_null() {
            continue;
        }
        stated.set_metadata(name, value.as_str().ok_or_else(|| no_text(name))?)?;
        if stated.description.metadata.len() > DESCRIPTION_MEMBERS_MAX {
            let reason = format!("`metadata` has more than {DESCRIPTION_MEMBERS_MAX} members");
            return Err(Fault::new(METADATA, reason, "remove those that nobody needs"));
        }
    }
    Ok(())
}

fn attached_files(value: &Value, main: &str) -> Result<Vec<String>, Fault> {
    let main = main.rsplit_once('/').map_or(main, |(_, name)| name);
    let mut names: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::from([main]);
    for name in texts(ATTACHMENTS, value)? {
        check_plain(ATTACHMENTS, name)?;
        if name.contains('/') {
            let reason = format!("`{}` is in another folder", shown(name));
            let remedy = "put attachments beside the main file, or describe them in a CSV";
            return Err(Fault::new(ATTACHMENTS, reason, remedy));
        }
        check_path(ATTACHMENTS, name)?;
        if !seen.insert(name) {
            let reason = format!("`{}` is there twice, or is the main file", shown(name));
            return Err(Fault::new(ATTACHMENTS, reason, "name each attachment once"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn document(stated: Stated, main: &str, attachments: Vec<String>) -> Result<StatedDocument, Fault> {
    let key = stated.register_key();
    let operation = stated.operation;
    let name = Column::Operation.name();
    if operation == Some(Operation::AddedFile) && key.is_none() {
        let reason = "the sidecar does not say to which document it adds the file";
        let remedy = "fill in structure, register, year and number; for a document that is known \
                      by its path, use a CSV";
        return Err(Fault::new(name, reason, remedy));
    }
    let mut files = Vec::new();
    if operation == Some(Operation::CorrectedMetadata) {
        if !attachments.is_empty() {
            let reason = "an operation that corrects metadata takes no files in";
            return Err(Fault::new(ATTACHMENTS, reason, "remove `attachments`"));
        }
    } else {
        let role = if operation == Some(Operation::AddedFile) { ATTACHMENT } else { MAIN };
        let file = |path, role: &str| StatedFile { line: 0, path, role: role.to_owned() };
        files.push(file(main.to_owned(), role));
        files.extend(attachments.into_iter().map(|path| file(path, ATTACHMENT)));
    }
    Ok(StatedDocument {
        line: 0,
        unread: files.is_empty().then(|| main.to_owned()),
        files,
        key: key.unwrap_or_else(|| StatedKey::Path(main.to_owned())),
        structure: stated.structure,
        reopens: stated.reopens,
        description: stated.description,
        operation,
    })
}
