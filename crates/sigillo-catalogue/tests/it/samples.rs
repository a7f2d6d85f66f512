//! Made-up documents of every sort, and what both tables must say of them, spelt out apart from
//! the code under test.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use sigillo_catalogue::{
    RecordPlace,
    tables::{TablePlace, TableRow},
};
use sigillo_model::{
    BatchId, Blake3Digest, Description, DocumentId, DocumentKey, FileEntry, LogTime, Operation,
    Record, RecordKind, Sha256Digest, VersionId,
};

pub(crate) fn at(second: i64) -> LogTime {
    LogTime::new(jiff::Timestamp::from_second(1_764_000_000 + second).unwrap())
}

/// A document of commit `commit`, and what both tables must say of it.
pub(crate) struct Sample {
    pub(crate) row: TableRow,
    pub(crate) expected: [Value; 2],
}

/// Every third has no description; texts of all sorts, days of several years.
pub(crate) fn sample(commit: u64, leaf: u32) -> Sample {
    let number = u32::try_from(commit).unwrap() * 10_000 + leaf;
    let digest = Blake3Digest::of(&number.to_be_bytes());
    let version_id = VersionId::from_bytes(*digest.as_bytes());
    let place = TablePlace {
        commit,
        batch: BatchId::from_bytes([u8::try_from(commit).unwrap(); 16]),
        leaf,
        record: RecordPlace {
            pack: Blake3Digest::of(&commit.to_be_bytes()),
            offset: u64::from(number) << 30,
            size_bytes: number,
        },
    };
    let record = record(number, commit, leaf);
    let expected =
        [document_row(&record, version_id, &place), description_row(&record, version_id, commit)];
    Sample { row: TableRow::new(version_id, &record, place), expected }
}

fn record(number: u32, commit: u64, leaf: u32) -> Record {
    let digest = Blake3Digest::of(&number.to_be_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_bytes()[..16]);
    let key = match number % 3 {
        0 => DocumentKey::Path { path: format!("à/{number}.pdf"), source: "atti".into() },
        1 => DocumentKey::Register {
            number: format!("{number}/bis"),
            register: "protocollo".into(),
            structure: "AOO1".into(),
            year: (2000 + commit).to_string(),
        },
        _ => DocumentKey::Aggregation { aggregation: format!("f{number}"), structure: "A".into() },
    };
    let file = |role: &str, name: String, size| FileEntry {
        media_type: Some(format!("type/{role}")),
        name,
        puid: leaf.is_multiple_of(2).then(|| format!("fmt/{commit}")),
        role: role.to_owned(),
        sha256: Sha256Digest::of(b"x"),
        size,
        sha512: None,
        stored_in: None,
    };
    Record {
        description: description(number, commit, leaf),
        document: DocumentId::from_bytes(id),
        files: vec![
            file("attachment", format!("all-{number}.txt"), 1),
            file("main", format!("{number}.pdf"), u64::from(number) << 20),
        ],
        format: 1,
        key,
        kind: RecordKind::Document,
        operation: Operation::NewVersion,
        received_at: at(i64::from(number)),
        salt: "00".repeat(32),
        supersedes: None,
        version: 1 + leaf % 4,
    }
}

fn description(number: u32, commit: u64, leaf: u32) -> Description {
    if leaf % 3 == 1 {
        return Description::default();
    }
    let year = 2000 + i16::try_from(commit).unwrap();
    let day = jiff::civil::date(year, 1, 1 + i8::try_from(leaf % 28).unwrap());
    Description {
        aggregations: vec!["a".into(), "b\u{10ffff}".into()],
        class: Some(format!("VI.{commit}.{}", leaf % 5)),
        closed_on: leaf.is_multiple_of(7).then_some(day),
        date: Some(day),
        document_type: Some(format!("delibera {}", leaf % 2)),
        metadata: BTreeMap::from([("firma\"".to_owned(), format!("Anna {leaf}"))]),
        series: Some("x".repeat(60 + (leaf % 3) as usize)),
        stated_retention: Some(format!("{commit} anni")),
        subject: Some(format!("Oggetto, nº {number} ' \" \\ \n 𝄞")),
    }
}

fn document_row(record: &Record, version_id: VersionId, place: &TablePlace) -> Value {
    let description = &record.description;
    json!({
        "document_id": record.document, "version_id": version_id, "version": record.version,
        "kind": "document", "operation": "new-version", "class": description.class,
        "document_type": description.document_type, "series": description.series,
        "aggregations": description.aggregations.len(), "files": 2,
        "bytes": record.files[1].size + 1, "received_at": record.received_at,
        "date": description.date, "closed_on": description.closed_on,
        "stated_retention": description.stated_retention, "commit": place.commit,
        "batch": place.batch, "leaf": place.leaf, "pack": place.record.pack.to_string(),
        "record_offset": place.record.offset, "record_bytes": place.record.size_bytes,
        "media_type": "type/main", "puid": record.files[1].puid,
    })
}

fn description_row(record: &Record, version_id: VersionId, commit: u64) -> Value {
    let description = &record.description;
    let key = serde_json::to_value(&record.key).unwrap();
    let key_kind =
        ["path", "aggregation"].into_iter().find(|it| key.get(it).is_some()).unwrap_or("register");
    let described = !description.aggregations.is_empty();
    let firma = description.metadata.values().next();
    json!({
        "document_id": record.document, "version_id": version_id, "version": record.version,
        "key_kind": key_kind, "key": record.key.to_string(), "source": key.get("source"),
        "path": key.get("path"), "structure": key.get("structure"),
        "register": key.get("register"), "year": key.get("year"), "number": key.get("number"),
        "aggregation": key.get("aggregation"), "subject": description.subject,
        "date": description.date, "class": description.class,
        "document_type": description.document_type, "series": description.series,
        "file_names": format!("{}\n{}", record.files[0].name, record.files[1].name),
        "aggregations": described.then_some("a\nb\u{10ffff}"),
        "metadata": firma.map(|it| format!("{{\"firma\\\"\":\"{it}\"}}")),
        "commit": commit,
    })
}
