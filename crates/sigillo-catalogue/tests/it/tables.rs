//! Tables are read back as they were written, merged or not, and damage is noticed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use sigillo_catalogue::tables::{
    AppendInfo, COPIED_ROWS_MIN, Coverage, DescriptionColumn, Segment, SegmentFooter, SortedRows,
    TableError, TableKind, TableRow, TableState, append_commit, create_commit, merge_commit,
    merge_segments, plan_merge, write_segment,
};
use sigillo_model::ArchiveId;

use crate::samples::{at, sample};

const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);

/// A table in memory: the versions of its log and its segments.
pub(crate) struct Table {
    pub(crate) state: TableState,
    pub(crate) log: Vec<Vec<u8>>,
    pub(crate) segments: BTreeMap<String, Bytes>,
}

impl Table {
    pub(crate) fn new(kind: TableKind) -> Self {
        let state = TableState::new(kind);
        let mut table = Self { state, log: Vec::new(), segments: BTreeMap::new() };
        table.commit(create_commit(kind, ARCHIVE, at(0))).unwrap();
        table
    }

    pub(crate) fn commit(&mut self, version: Vec<u8>) -> Result<(), TableError> {
        self.state.apply(&version)?;
        self.log.push(version);
        Ok(())
    }

    pub(crate) fn append(&mut self, rows: &[TableRow], commits: &Coverage) {
        let rows = SortedRows::new(rows.to_vec());
        let segment = write_segment(self.state.kind(), &rows).unwrap().unwrap();
        let info = AppendInfo { commits, at: at(1) };
        let version = append_commit(std::slice::from_ref(&segment), &info);
        self.keep(segment);
        self.commit(version).unwrap();
    }

    pub(crate) fn merge(&mut self) -> bool {
        let Some(plan) = plan_merge(&self.state) else { return false };
        let inputs = plan.iter().map(|file| (file.footer, self.segments[&file.path].clone()));
        let inputs: Vec<_> = inputs.collect();
        let merged = merge_segments(self.state.kind(), &inputs).unwrap();
        let version = merge_commit(&plan, &merged, at(2));
        self.keep(merged);
        self.commit(version).unwrap();
        true
    }

    fn keep(&mut self, segment: Segment) {
        self.segments.insert(segment.name, segment.bytes);
    }
}

/// Ten appends of commits 2 to 20, every second one.
pub(crate) fn filled(kind: TableKind) -> (Table, Vec<Value>) {
    let (mut table, mut expected) = (Table::new(kind), Vec::new());
    for commit in (2..=20).step_by(2) {
        let samples: Vec<_> = (0..50).map(|leaf| sample(commit, leaf)).collect();
        let rows: Vec<_> = samples.iter().map(|it| it.row.clone()).collect();
        table.append(&rows, &Coverage::from(commit - 1..=commit));
        expected.extend(samples.into_iter().map(|it| {
            let [documents, descriptions] = it.expected;
            if kind == TableKind::Documents { documents } else { descriptions }
        }));
    }
    (table, expected)
}

const READ: [(DescriptionColumn, &str); 5] = [
    (DescriptionColumn::DocumentId, "document_id"),
    (DescriptionColumn::Key, "key"),
    (DescriptionColumn::Path, "path"),
    (DescriptionColumn::Subject, "subject"),
    (DescriptionColumn::FileNames, "file_names"),
];

/// Reads some columns of a segment, as texts.
fn read(segment: &Segment) -> Result<Vec<Vec<Option<String>>>, TableError> {
    let kind = TableKind::Descriptions;
    let footer = SegmentFooter::of_whole(kind, segment.footer, &segment.bytes)?;
    let mut found = Vec::new();
    for group in 0..footer.row_groups() {
        let chunk = |(column, _)| {
            let range = footer.chunk(group, column);
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            (column, segment.bytes.slice(range))
        };
        let mut reader = footer.read(group, READ.into_iter().map(chunk).collect())?;
        while let Some(rows) = reader.next_rows(7)? {
            for row in 0..rows.len() {
                let texts = READ.iter().map(|(it, _)| rows.text(*it, row).map(str::to_owned));
                found.push(texts.collect());
            }
        }
    }
    Ok(found)
}

fn descriptions_of(count: u32) -> (Segment, Vec<Vec<Option<String>>>) {
    let samples: Vec<_> = (0..count).map(|leaf| sample(3, leaf)).collect();
    let rows: Vec<_> = samples.iter().map(|it| it.row.clone()).collect();
    let mut expected: Vec<Vec<Option<String>>> = samples
        .iter()
        .map(|it| {
            let text = |name: &str| it.expected[1][name].as_str().map(str::to_owned);
            READ.iter().map(|(_, name)| text(name)).collect()
        })
        .collect();
    expected.sort();
    let rows = SortedRows::new(rows);
    (write_segment(TableKind::Descriptions, &rows).unwrap().unwrap(), expected)
}

#[test]
fn what_is_written_is_read_sorted_by_document() {
    let (segment, expected) = descriptions_of(1000);
    assert_eq!(read(&segment).unwrap(), expected);
    assert_eq!(segment.rows, 1000);
}

#[test]
fn more_rows_than_a_row_group_takes_are_read_too() {
    let samples: Vec<_> = (0..9000).map(|leaf| sample(1, leaf).row).collect();
    let rows: Vec<_> = samples.iter().cycle().take(140_000).cloned().collect();
    let rows = SortedRows::new(rows);
    let segment = write_segment(TableKind::Descriptions, &rows).unwrap().unwrap();
    let kind = TableKind::Descriptions;
    let footer = SegmentFooter::of_whole(kind, segment.footer, &segment.bytes).unwrap();
    assert_eq!((footer.row_groups(), read(&segment).unwrap().len()), (2, 140_000));
}

#[test]
fn a_flipped_bit_is_noticed_wherever_it_is_read() {
    let (segment, expected) = descriptions_of(40);
    let (mut noticed, mut harmless) = (0, 0);
    for at in 0..segment.bytes.len() {
        let mut bytes = segment.bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        match read(&Segment { bytes: bytes.into(), ..segment.clone() }) {
            Err(TableError::Segment { .. }) => noticed += 1,
            // It lies in a column that is not read, or in the index of pages.
            Ok(rows) => {
                harmless += 1;
                assert_eq!(rows, expected, "byte {at}");
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(noticed > 1000 && harmless > 0, "{noticed} {harmless}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_the_reader_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        repaired in any::<bool>(),
    ) {
        let (mut segment, _) = descriptions_of(20);
        let mut bytes = segment.bytes.to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if repaired {
            let offset = usize::try_from(segment.footer.offset).unwrap();
            segment.footer.crc32 = crc32fast::hash(&bytes[offset..]);
        }
        segment.bytes = bytes.into();
        drop(read(&segment));
    }

    #[test]
    fn no_log_makes_the_reader_panic(text in "\\PC{0,80}", version in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut state = TableState::new(TableKind::Documents);
        prop_assert!(state.apply(text.as_bytes()).is_err());
        prop_assert!(state.apply(&version).is_err());
    }
}

#[test]
fn a_merged_table_has_the_same_rows_and_covers_the_same_commits() {
    let (mut table, mut expected) = filled(TableKind::Descriptions);
    let before = table.state.clone();
    assert!(table.merge());
    assert!(!table.merge(), "one segment is left");
    assert_eq!(table.state.files().len(), 1);
    assert_eq!((table.state.rows(), table.state.coverage()), (500, before.coverage()));
    let file = table.state.files().next().unwrap().clone();
    let merged = Segment {
        bytes: table.segments[&file.path].clone(),
        rows: file.rows,
        name: file.path,
        stats: String::new(),
        footer: file.footer,
    };
    expected.sort_by_key(|it| it["document_id"].as_str().unwrap().to_owned());
    let subjects: Vec<_> = read(&merged).unwrap().into_iter().map(|row| row[3].clone()).collect();
    let expected: Vec<_> =
        expected.iter().map(|it| it["subject"].as_str().map(str::to_owned)).collect();
    assert_eq!(subjects, expected);
}

/// Two segments of one large row group each, and a small one.
fn large_and_small(kind: TableKind) -> (Vec<Segment>, Vec<TableRow>) {
    let large = u32::try_from(COPIED_ROWS_MIN).unwrap();
    let mut all = Vec::new();
    let segments = [(1, large), (2, 300), (3, large + 7)].map(|(commit, count)| {
        let rows: Vec<_> = (0..count).map(|leaf| sample(commit, leaf).row).collect();
        all.extend(rows.iter().cloned());
        write_segment(kind, &SortedRows::new(rows)).unwrap().unwrap()
    });
    (segments.into(), all)
}

#[test]
fn merging_copies_large_row_groups_and_states_the_same_of_all_rows() {
    for kind in TableKind::ALL {
        let (segments, all) = large_and_small(kind);
        let inputs: Vec<_> = segments.iter().map(|it| (it.footer, it.bytes.clone())).collect();
        let merged = merge_segments(kind, &inputs).unwrap();
        let at_once = write_segment(kind, &SortedRows::new(all)).unwrap().unwrap();
        assert_eq!(merged.rows, at_once.rows);
        let stats = |it: &Segment| serde_json::from_str::<Value>(&it.stats).unwrap();
        assert_eq!(stats(&merged), stats(&at_once));
        let footer = SegmentFooter::of_whole(kind, merged.footer, &merged.bytes).unwrap();
        assert_eq!(footer.row_groups(), 3);
        if kind == TableKind::Descriptions {
            let sorted = |segment| {
                let mut rows = read(segment).unwrap();
                rows.sort();
                rows
            };
            assert!(sorted(&merged) == sorted(&at_once), "a row is another");
        }
        // What was copied is copied once more, and merged with what was not.
        let again = [(merged.footer, merged.bytes.clone()), inputs[1].clone()];
        let again = merge_segments(kind, &again).unwrap();
        assert_eq!(again.rows, merged.rows + 300);
        let footer = SegmentFooter::of_whole(kind, again.footer, &again.bytes).unwrap();
        assert_eq!(footer.row_groups(), 3);
    }
}

#[test]
fn a_damaged_row_group_is_not_copied() {
    let kind = TableKind::Documents;
    let (segments, _) = large_and_small(kind);
    for place in [100, segments[0].bytes.len() / 2] {
        let mut bytes = segments[0].bytes.to_vec();
        bytes[place] ^= 1;
        let inputs = [(segments[0].footer, bytes.into())];
        let error = merge_segments(kind, &inputs).unwrap_err();
        assert!(matches!(error, TableError::Segment { .. }), "{error}");
    }
}

#[test]
fn a_log_that_cannot_be_is_refused() {
    let (table, _) = filled(TableKind::Documents);
    let mut state = TableState::new(TableKind::Documents);
    assert!(state.apply(&table.log[1]).is_err(), "it begins with what the table is");
    state.apply(&table.log[0]).unwrap();
    state.apply(&table.log[1]).unwrap();
    let refused = |version: &[u8], part: &str| {
        let error = state.clone().apply(version).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&table.log[1], "a second time");
    refused(b"{", "EOF");
    refused(&[0xff], "UTF-8");
    refused(br#"{"remove":{"path":"x"}}"#, "not there");
    refused(br#"{"cdc":{}}"#, "does not write");
    refused(br#"{"txn":{},"add":{}}"#, "two actions");
    refused(br#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7}}"#, "protocol");
    let add = String::from_utf8(table.log[2].clone()).unwrap();
    refused(add.replace("sigillo.commits", "other").as_bytes(), "did not write");
    refused(add.replace("\"path\":\"", "\"path\":\"../").as_bytes(), "did not write");
    refused(add.replace("numRecords", "other").as_bytes(), "number of rows");
    let removed = state.files().next().unwrap().path.clone();
    refused(format!(r#"{{"remove":{{"path":"{removed}"}}}}"#).as_bytes(), "removes documents");
    assert!(TableState::new(TableKind::Descriptions).apply(&table.log[0]).is_err());
}

#[test]
fn merging_leaves_every_row_alone_for_the_most_part() {
    let (mut table, mut merges) = (Table::new(TableKind::Documents), 0);
    let row = |commit| vec![sample(commit, 1).row];
    for commit in 1..=200 {
        table.append(&row(commit), &Coverage::from(commit..=commit));
        while table.merge() {
            merges += 1;
        }
    }
    assert_eq!(table.state.coverage().to_string(), "1-200");
    assert_eq!(table.state.rows(), 200);
    assert!(table.state.files().len() < 16, "{}", table.state.files().len());
    assert!(merges <= 200 / 7, "{merges}");
    let names: BTreeSet<_> = table.state.files().map(|it| &it.path).collect();
    assert!(names.iter().all(|name| table.segments.contains_key(*name)));
}
