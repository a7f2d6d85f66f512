//! The log of a table: versions of the Delta protocol, one JSON action a line.
//!
//! Source: the protocol of Delta Lake, "Actions"; reader version 1 and writer version 2 suffice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use sigillo_model::{ArchiveId, LogTime};

use crate::tables::{
    coverage::Coverage,
    error::TableError,
    schema::TableKind,
    segment::{FooterPlace, Segment},
    state::SegmentFile,
};

/// No version of a table's log is longer, in bytes.
pub const DELTA_COMMIT_BYTES_MAX: u64 = 16 << 20;

/// No version of a table's log has more actions.
const ACTIONS_MAX: usize = 10_000;

/// What an `add` of ours says in its tag of this name: the commits whose documents it holds.
const COMMITS_TAG: &str = "sigillo.commits";
/// What it says in this one: `<offset of the footer>:<CRC-32 of the footer>`.
const FOOTER_TAG: &str = "sigillo.footer";

const READER_VERSION: u64 = 1;
const WRITER_VERSION: u64 = 2;

/// What an append says of itself.
#[derive(Clone, Debug)]
pub struct AppendInfo<'a> {
    /// The commits of the log that it takes in, those without documents too.
    pub commits: &'a Coverage,
    /// When it is made, by our own clock.
    pub at: LogTime,
}

/// One action of a version.
#[derive(Debug)]
pub(crate) enum Action {
    Add(SegmentFile),
    Remove { path: String },
    MetaData { id: String },
    Other,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    path: String,
    partition_values: BTreeMap<String, String>,
    size: u64,
    modification_time: u64,
    data_change: bool,
    #[serde(default)]
    stats: Option<String>,
    #[serde(default)]
    tags: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    path: String,
    deletion_timestamp: u64,
    data_change: bool,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "numRecords")]
    num_records: u64,
}

/// Writes version 0 of a table's log: what the table is.
pub fn create_commit(kind: TableKind, archive: ArchiveId, at: LogTime) -> Vec<u8> {
    let mut configuration = serde_json::Map::new();
    if kind == TableKind::Documents {
        configuration.insert("delta.appendOnly".to_owned(), Value::from("true"));
    }
    let actions = [
        json!({"commitInfo": {
            "timestamp": millis(at), "operation": "CREATE TABLE", "operationParameters": {},
            "engineInfo": "sigillo",
        }}),
        json!({"protocol": {
            "minReaderVersion": READER_VERSION, "minWriterVersion": WRITER_VERSION,
        }}),
        json!({"metaData": {
            "id": table_id(kind, archive),
            "name": kind.name(),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": kind.delta_schema(),
            "partitionColumns": [],
            "configuration": configuration,
            "createdTime": millis(at),
        }}),
    ];
    lines(&actions)
}

/// Writes a version that adds segments.
pub fn append_commit(segments: &[Segment], info: &AppendInfo<'_>) -> Vec<u8> {
    let mut actions = vec![json!({"commitInfo": {
        "timestamp": millis(info.at), "operation": "WRITE",
        "operationParameters": {"mode": "Append"},
        "isBlindAppend": true, "engineInfo": "sigillo",
    }})];
    if let Some(last) = info.commits.last() {
        actions.push(json!({"txn": {
            "appId": "sigillo", "version": last, "lastUpdated": millis(info.at),
        }}));
    }
    actions.extend(segments.iter().map(|it| add_action(it, info, true)));
    lines(&actions)
}

/// Writes a version that puts one segment in the place of others with the same rows.
pub fn merge_commit(removed: &[SegmentFile], merged: &Segment, at: LogTime) -> Vec<u8> {
    let mut commits = Coverage::default();
    for file in removed {
        commits.extend(&file.commits);
    }
    let info = AppendInfo { commits: &commits, at };
    let mut actions = vec![json!({"commitInfo": {
        "timestamp": millis(at), "operation": "OPTIMIZE", "operationParameters": {},
        "isBlindAppend": false, "engineInfo": "sigillo",
    }})];
    actions.extend(removed.iter().map(|file| {
        let remove =
            Remove { path: file.path.clone(), deletion_timestamp: millis(at), data_change: false };
        json!({"remove": remove})
    }));
    actions.push(add_action(merged, &info, false));
    lines(&actions)
}

fn add_action(segment: &Segment, info: &AppendInfo<'_>, data_change: bool) -> Value {
    let FooterPlace { offset, crc32 } = segment.footer;
    let tags = BTreeMap::from([
        (COMMITS_TAG.to_owned(), Some(info.commits.to_string())),
        (FOOTER_TAG.to_owned(), Some(format!("{offset}:{crc32:08x}"))),
    ]);
    let add = Add {
        path: segment.name.clone(),
        partition_values: BTreeMap::new(),
        size: segment.bytes.len() as u64,
        modification_time: millis(info.at),
        data_change,
        stats: Some(segment.stats.clone()),
        tags: Some(tags),
    };
    json!({"add": add})
}

/// Reads the actions of a version.
pub(crate) fn parse_actions(
    kind: TableKind,
    version: u64,
    bytes: &[u8],
) -> Result<Vec<Action>, TableError> {
    let bad = |what: String| TableError::Log { version, what };
    if bytes.len() as u64 > DELTA_COMMIT_BYTES_MAX {
        return Err(bad(format!("it has {} bytes", bytes.len())));
    }
    let text = str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".to_owned()))?;
    let mut actions = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if actions.len() >= ACTIONS_MAX {
            return Err(bad(format!("it has more than {ACTIONS_MAX} actions")));
        }
        let mut value: serde_json::Map<String, Value> =
            serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        let name = value.keys().next().cloned().unwrap_or_default();
        let body = value.remove(&name).unwrap_or_default();
        if !value.is_empty() {
            return Err(bad("a line with two actions".to_owned()));
        }
        actions.push(parse_action(kind, &name, body).map_err(bad)?);
    }
    Ok(actions)
}

fn parse_action(kind: TableKind, name: &str, body: Value) -> Result<Action, String> {
    match name {
        "add" => {
            let add: Add = serde_json::from_value(body).map_err(|error| error.to_string())?;
            file_of(add).map(Action::Add)
        }
        "remove" => {
            #[derive(Deserialize)]
            struct Removed {
                path: String,
            }
            let Removed { path } =
                serde_json::from_value(body).map_err(|error| error.to_string())?;
            Ok(Action::Remove { path })
        }
        "protocol" => {
            let version = |name: &str| body.get(name).and_then(Value::as_u64);
            let versions = (version("minReaderVersion"), version("minWriterVersion"));
            if versions == (Some(READER_VERSION), Some(WRITER_VERSION)) {
                Ok(Action::Other)
            } else {
                Err("it needs another version of the protocol".to_owned())
            }
        }
        "metaData" => {
            let text = |name: &str| body.get(name).and_then(Value::as_str);
            if text("schemaString") != Some(&*kind.delta_schema()) {
                return Err("the table has other columns".to_owned());
            }
            Ok(Action::MetaData { id: text("id").unwrap_or_default().to_owned() })
        }
        "commitInfo" | "txn" => Ok(Action::Other),
        _ => Err(format!("an action {name:.40?} that Sigillo does not write")),
    }
}

fn file_of(add: Add) -> Result<SegmentFile, String> {
    let name = add.path.strip_suffix(".parquet");
    if name.is_none_or(|name| name.parse::<sigillo_model::Blake3Digest>().is_err()) {
        return Err(format!("a segment {:.80?} that Sigillo did not write", add.path));
    }
    let tag = |name: &str| add.tags.as_ref().and_then(|tags| tags.get(name)?.clone());
    let untagged = "a segment that Sigillo did not write";
    let commits = tag(COMMITS_TAG).and_then(|text| text.parse().ok()).ok_or(untagged)?;
    let footer = tag(FOOTER_TAG).ok_or(untagged)?;
    let (offset, crc32) = footer.split_once(':').ok_or(untagged)?;
    let footer = FooterPlace {
        offset: offset.parse().map_err(|_| untagged)?,
        crc32: u32::from_str_radix(crc32, 16).map_err(|_| untagged)?,
    };
    if footer.offset >= add.size {
        return Err("a segment with its footer outside of it".to_owned());
    }
    let stats = add.stats.as_deref().and_then(|text| serde_json::from_str::<Stats>(text).ok());
    let rows = stats.ok_or("a segment without its number of rows")?.num_records;
    Ok(SegmentFile { path: add.path, size_bytes: add.size, rows, commits, footer })
}

fn lines(actions: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for action in actions {
        bytes.extend_from_slice(action.to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Returns the id of a table, in the form of a UUID: always the same for an archive.
fn table_id(kind: TableKind, archive: ArchiveId) -> String {
    let mut bytes = *archive.as_bytes();
    bytes[15] ^= kind as u8;
    let hex = ArchiveId::from_bytes(bytes).to_string();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn millis(at: LogTime) -> u64 {
    u64::try_from(at.timestamp().as_millisecond()).unwrap_or(0)
}
