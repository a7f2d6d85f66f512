//! What to look for, and whether a row of the table of descriptions is that.

use std::{collections::BTreeMap, ops::RangeInclusive};

use jiff::civil::Date;

use sigillo_catalogue::tables::{DescriptionColumn as Column, Rows, SegmentFooter};
use sigillo_model::encode_name;

/// What to look for: all that is given must be true of a document.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FindQuery {
    /// Each is a part of the key, the subject or the names of files, upper and lower case alike; in
    /// keys and names as people write them, or as they are spelt.
    pub words: Vec<String>,
    /// A part of the key, as it is printed.
    pub key: Option<String>,
    /// A part of the path.
    pub path: Option<String>,
    /// A part of the subject.
    pub subject: Option<String>,
    /// The class, or one above it, upper and lower case alike: `vi` finds `VI.3`, `VI/3` and `VI-3`.
    pub class: Option<String>,
    /// The document type.
    pub document_type: Option<String>,
    /// The days of the document, from and to.
    pub days: Option<(Date, Date)>,
    /// The aggregation it belongs to, by its name or by its key, upper and lower case alike.
    pub aggregation: Option<String>,
    /// Parts of what the producer states under names of its own; names and texts in either case.
    pub fields: Vec<(String, String)>,
    /// Older versions as well.
    pub versions: bool,
}

/// A query made ready: lower case, days as numbers.
#[derive(Debug)]
pub(crate) struct Matcher {
    words: Vec<Wanted>,
    parts: Vec<(Column, Wanted)>,
    class: Option<String>,
    document_type: Option<String>,
    aggregation: Option<String>,
    fields: Vec<(String, String)>,
    days: Option<RangeInclusive<i64>>,
}

/// A part of a text, in lower case.
#[derive(Debug)]
struct Wanted {
    plain: String,
    /// As names are spelt, where that is something else: `50%25` for `50%`.
    spelt: Option<String>,
}

impl Wanted {
    fn new(text: &str) -> Self {
        let spelt = Some(encode_name(text.as_bytes())).filter(|spelt| spelt != text);
        Self { plain: text.to_lowercase(), spelt: spelt.map(|it| it.to_lowercase()) }
    }

    fn is_in(&self, text: &str) -> bool {
        text.contains(&self.plain) || self.spelt.as_ref().is_some_and(|it| text.contains(it))
    }
}

/// A word may stand in any of these. A path is part of its key.
const WORD_COLUMNS: [Column; 3] = [Column::Key, Column::Subject, Column::FileNames];

impl Matcher {
    pub(crate) fn new(query: &FindQuery) -> Self {
        let parts = [
            (Column::Key, &query.key),
            (Column::Path, &query.path),
            (Column::Subject, &query.subject),
        ];
        let parts = parts
            .into_iter()
            .filter_map(|(column, part)| part.as_ref().map(|part| (column, Wanted::new(part))));
        Self {
            words: query.words.iter().map(|word| Wanted::new(word)).collect(),
            parts: parts.collect(),
            class: query.class.as_ref().map(|it| it.to_lowercase()),
            document_type: query.document_type.as_ref().map(|it| it.to_lowercase()),
            aggregation: query.aggregation.as_ref().map(|it| it.to_lowercase()),
            fields: query
                .fields
                .iter()
                .map(|(name, part)| (name.to_lowercase(), part.to_lowercase()))
                .collect(),
            days: query.days.map(|(from, to)| day_of(from)..=day_of(to)),
        }
    }

    /// Returns the columns that a row must be looked at by.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let mut columns = vec![Column::DocumentId, Column::Version];
        if !self.words.is_empty() {
            columns.extend(WORD_COLUMNS);
        }
        columns.extend(self.parts.iter().map(|(column, _)| *column));
        columns.extend(self.class.as_ref().map(|_| Column::Class));
        columns.extend(self.document_type.as_ref().map(|_| Column::DocumentType));
        columns.extend(self.days.as_ref().map(|_| Column::Date));
        if self.aggregation.is_some() {
            columns.extend([Column::Aggregations, Column::Structure, Column::Source]);
        }
        if !self.fields.is_empty() {
            columns.push(Column::Metadata);
        }
        columns.sort_by_key(|column| *column as usize);
        columns.dedup();
        columns
    }

    /// Tells whether a row group may hold a match, by the bounds that its footer states.
    pub(crate) fn may_match(&self, footer: &SegmentFooter, group: usize) -> bool {
        let class = self.class.as_ref();
        class.is_none_or(|class| footer.may_hold_text(group, Column::Class, class))
            && self.days.as_ref().is_none_or(|days| footer.may_hold_day(group, days))
    }

    pub(crate) fn matches(&self, rows: &Rows, row: usize, buffer: &mut String) -> bool {
        if let Some(days) = &self.days
            && !rows.number(Column::Date, row).is_some_and(|day| days.contains(&day))
        {
            return false;
        }
        if let Some(wanted) = &self.class {
            let Some(found) = rows.text(Column::Class, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if !is_below(buffer, wanted) {
                return false;
            }
        }
        if let Some(wanted) = &self.document_type {
            let Some(found) = rows.text(Column::DocumentType, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if buffer != wanted {
                return false;
            }
        }
        for (column, part) in &self.parts {
            let Some(found) = rows.text(*column, row) else { return false };
            buffer.clear();
            lower_into(buffer, found);
            if !part.is_in(buffer) {
                return false;
            }
        }
        if !self.is_member(rows, row) || !self.states_fields(rows, row) {
            return false;
        }
        if self.words.is_empty() {
            return true;
        }
        buffer.clear();
        for text in WORD_COLUMNS.iter().filter_map(|column| rows.text(*column, row)) {
            lower_into(buffer, text);
            // No word has it, so that none is found across two texts.
            buffer.push('\0');
        }
        self.words.iter().all(|word| word.is_in(buffer))
    }
}

impl Matcher {
    /// Tells whether a row belongs to the aggregation, which is named alone or after who named it.
    fn is_member(&self, rows: &Rows, row: usize) -> bool {
        let Some(wanted) = &self.aggregation else { return true };
        let Some(names) = rows.text(Column::Aggregations, row) else { return false };
        let by = rows.text(Column::Structure, row).or_else(|| rows.text(Column::Source, row));
        let by = by.unwrap_or_default().to_lowercase();
        names.split('\n').map(str::to_lowercase).any(|name| {
            let after = wanted.strip_suffix(&*name).and_then(|before| before.strip_suffix('/'));
            name == *wanted || after.is_some_and(|before| before == by)
        })
    }

    fn states_fields(&self, rows: &Rows, row: usize) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        let Some(json) = rows.text(Column::Metadata, row) else { return false };
        let stated = metadata_of(json);
        self.fields.iter().all(|(name, part)| {
            let named = stated.iter().filter(|(other, _)| other.to_lowercase() == *name);
            named.map(|(_, text)| text.to_lowercase()).any(|text| text.contains(&**part))
        })
    }
}

/// Appends a text in lower case.
fn lower_into(buffer: &mut String, text: &str) {
    if text.is_ascii() {
        let start = buffer.len();
        buffer.push_str(text);
        buffer[start..].make_ascii_lowercase();
    } else {
        buffer.push_str(&text.to_lowercase());
    }
}

/// Tells whether a class is another one, or below it, whatever stands between their parts.
fn is_below(class: &str, above: &str) -> bool {
    class.strip_prefix(above).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Days since 1970-01-01.
fn day_of(date: Date) -> i64 {
    let since = date.since(Date::constant(1970, 1, 1));
    since.map_or(i64::MAX, |span| i64::from(span.get_days()))
}

pub(crate) fn date_of(day: i64) -> Option<Date> {
    let span = jiff::Span::new().try_days(day).ok()?;
    Date::constant(1970, 1, 1).checked_add(span).ok()
}

/// Reads what the producer states under names of its own. A column that is not as it was written
/// was told by its checksum.
pub(crate) fn metadata_of(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_those_below_it() {
        for (class, above, below) in [
            ("VI.3", "VI.3", true),
            ("VI.3.1", "VI", true),
            ("VI/3", "VI", true),
            ("VI-3", "VI", true),
            ("VI, 3", "VI", true),
            ("VI.3bis", "VI.3", false),
            ("VI.30", "VI.3", false),
            ("VII", "VI", false),
            ("VI", "VI.3", false),
        ] {
            assert_eq!(is_below(class, above), below, "{class} {above}");
        }
    }

    #[test]
    fn days_are_numbered_both_ways() {
        for date in
            [Date::constant(1, 1, 1), Date::constant(1969, 12, 31), Date::constant(9999, 12, 31)]
        {
            assert_eq!(date_of(day_of(date)), Some(date));
        }
        assert_eq!(day_of(Date::constant(1970, 1, 2)), 1);
    }

    #[test]
    fn lower_case_is_that_of_all_letters() {
        let mut buffer = "x".to_owned();
        lower_into(&mut buffer, "PERÙ");
        lower_into(&mut buffer, "ABC");
        assert_eq!(buffer, "xperùabc");
    }
}
