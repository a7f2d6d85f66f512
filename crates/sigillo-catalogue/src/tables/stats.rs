//! Statistics of a segment, as an `add` of the Delta protocol states them.

use jiff::{Timestamp, civil::Date};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use serde_json::{Map, Value, json};

use crate::tables::{
    columns::Values,
    schema::{ColumnType, TableKind},
};

/// Longer texts are cut in statistics, in characters.
const STATISTIC_CHARS: usize = 48;

/// Whether an `add` states the least and the greatest value of columns.
///
/// All or none: whoever reads statistics of a few columns takes those without for empty, and finds
/// nothing there. Tried with the readers of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stated {
    All,
    NumberOfRows,
}

/// What is known of the values of every column.
#[derive(Debug)]
pub(crate) struct SegmentStats {
    columns: Vec<ColumnStats>,
    rows: u64,
}

#[derive(Debug, Default)]
struct ColumnStats {
    nulls: u64,
    texts: Option<(String, String)>,
    numbers: Option<(i64, i64)>,
}

impl SegmentStats {
    pub(crate) fn new(kind: TableKind) -> Self {
        let columns = kind.columns().iter().map(|_| ColumnStats::default());
        Self { columns: columns.collect(), rows: 0 }
    }

    pub(crate) fn add_rows(&mut self, rows: usize) {
        self.rows += rows as u64;
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes in the values of a column.
    pub(crate) fn add(&mut self, column: usize, values: &Values) {
        let Some(stats) = self.columns.get_mut(column) else { return };
        match values {
            Values::Text(texts) => {
                let mut range: Option<(&str, &str)> = None;
                for row in 0..texts.ends.len() {
                    match texts.get(row) {
                        None => stats.nulls += 1,
                        Some(text) => {
                            let (least, greatest) = range.unwrap_or((text, text));
                            range = Some((least.min(text), greatest.max(text)));
                        }
                    }
                }
                if let Some((least, greatest)) = range {
                    stats.widen_texts(least, greatest);
                }
            }
            Values::Number(numbers) => {
                for number in numbers {
                    match number {
                        None => stats.nulls += 1,
                        Some(number) => stats.widen_numbers(*number, *number),
                    }
                }
            }
        }
    }

    /// Takes in what a row group of another segment states of its columns; does nothing, and says
    /// so, if that is not enough. Bounds of texts that were cut there are bounds still.
    pub(crate) fn add_group(&mut self, kind: TableKind, group: &RowGroupMetaData) -> bool {
        let stated = kind.columns().iter().zip(group.columns());
        let stated: Option<Vec<_>> =
            stated.map(|(column, chunk)| stated_of(column.ty, chunk)).collect();
        let (Some(stated), Ok(rows)) = (stated, u64::try_from(group.num_rows())) else {
            return false;
        };
        for (stats, (nulls, range)) in self.columns.iter_mut().zip(stated) {
            stats.nulls += nulls;
            match range {
                None => {}
                Some(Range::Texts(low, high)) => stats.widen_texts(&low, &high),
                Some(Range::Numbers(low, high)) => stats.widen_numbers(low, high),
            }
        }
        self.rows += rows;
        true
    }

    /// Writes the statistics as an `add` has them.
    pub(crate) fn to_json(&self, kind: TableKind, stated: Stated) -> String {
        if stated == Stated::NumberOfRows {
            return json!({"numRecords": self.rows}).to_string();
        }
        let (mut least, mut greatest, mut nulls) = (Map::new(), Map::new(), Map::new());
        for (column, stats) in kind.columns().iter().zip(&self.columns) {
            nulls.insert(column.name.to_owned(), Value::from(stats.nulls));
            let range = match column.ty {
                ColumnType::Text => stats
                    .texts
                    .as_ref()
                    .map(|(low, high)| (Value::from(below(low)), Value::from(above(high)))),
                ty => stats.numbers.map(|(low, high)| (spelt(ty, low), spelt(ty, high))),
            };
            if let Some((low, high)) = range {
                least.insert(column.name.to_owned(), low);
                greatest.insert(column.name.to_owned(), high);
            }
        }
        json!({
            "numRecords": self.rows,
            "minValues": least,
            "maxValues": greatest,
            "nullCount": nulls,
        })
        .to_string()
    }
}

impl ColumnStats {
    fn widen_texts(&mut self, least: &str, greatest: &str) {
        let (low, high) = self.texts.get_or_insert_with(|| (least.to_owned(), greatest.to_owned()));
        if least < low.as_str() {
            least.clone_into(low);
        }
        if greatest > high.as_str() {
            greatest.clone_into(high);
        }
    }

    fn widen_numbers(&mut self, least: i64, greatest: i64) {
        let (low, high) = self.numbers.unwrap_or((least, greatest));
        self.numbers = Some((low.min(least), high.max(greatest)));
    }
}

enum Range {
    Texts(String, String),
    Numbers(i64, i64),
}

/// Returns how many values of a column chunk are missing, and the bounds of the others.
fn stated_of(ty: ColumnType, chunk: &ColumnChunkMetaData) -> Option<(u64, Option<Range>)> {
    let stats = chunk.statistics()?;
    let nulls = stats.null_count_opt()?;
    if i64::try_from(nulls) == Ok(chunk.num_values()) {
        return Some((nulls, None));
    }
    let (low, high) = (stats.min_bytes_opt()?, stats.max_bytes_opt()?);
    let range = match ty {
        ColumnType::Text => {
            let text = |bytes: &[u8]| str::from_utf8(bytes).ok().map(str::to_owned);
            Range::Texts(text(low)?, text(high)?)
        }
        ColumnType::Integer | ColumnType::Date => {
            let number = |bytes: &[u8]| Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?)));
            Range::Numbers(number(low)?, number(high)?)
        }
        ColumnType::Long | ColumnType::Timestamp => {
            let number = |bytes: &[u8]| Some(i64::from_le_bytes(bytes.try_into().ok()?));
            Range::Numbers(number(low)?, number(high)?)
        }
    };
    Some((nulls, Some(range)))
}

fn spelt(ty: ColumnType, number: i64) -> Value {
    match ty {
        ColumnType::Date => {
            let day = i32::try_from(number).ok().and_then(|days| {
                Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
            });
            day.map_or(Value::Null, |day| Value::from(day.to_string()))
        }
        ColumnType::Timestamp => {
            let at = Timestamp::from_microsecond(number).ok();
            // Milliseconds and no more: so it is written everywhere.
            at.map_or(Value::Null, |at| Value::from(format!("{at:.3}")))
        }
        ColumnType::Text | ColumnType::Integer | ColumnType::Long => Value::from(number),
    }
}

/// Returns a text that is not greater, and not long.
fn below(text: &str) -> String {
    text.chars().take(STATISTIC_CHARS).collect()
}

/// Returns a text that is not less, and hardly ever long.
fn above(text: &str) -> String {
    let Some((at, _)) = text.char_indices().nth(STATISTIC_CHARS) else { return text.to_owned() };
    if text[at..].starts_with(char::MAX) {
        return text.to_owned();
    }
    format!("{}{}", &text[..at], char::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bounds_are_bounds(text in "(\u{10ffff}|[a-c]){0,60}") {
            prop_assert!(below(&text) <= text);
            prop_assert!(above(&text) >= text);
        }
    }

    #[test]
    fn days_and_instants_are_spelt_as_delta_does() {
        assert_eq!(spelt(ColumnType::Date, 0), "1970-01-01");
        assert_eq!(spelt(ColumnType::Date, -1), "1969-12-31");
        assert_eq!(spelt(ColumnType::Timestamp, 1_000_000), "1970-01-01T00:00:01.000Z");
    }
}
