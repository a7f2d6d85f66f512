//! What one document's cells or members say, each checked by itself.

use std::fmt;

use jiff::civil::Date;
use sigillo_model::{DESCRIPTION_MEMBERS_MAX, Description, DocumentKey, Operation, TEXT_BYTES_MAX};

use super::{StatedKey, column::Column};

/// The name of a member of the producer's own has at most so many characters.
const METADATA_NAME_CHARACTERS_MAX: usize = 100;

/// Longest path, in bytes: what Linux takes (`PATH_MAX`, with the byte that ends it).
const PATH_BYTES_MAX: usize = 4_095;

/// No more of a text of others is repeated in a message.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// What `closed_on` says of an aggregation that was closed too early.
const OPEN: [&str; 3] = ["open", "aperta", "aperto"];

/// What is said of the closing of an aggregation.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Closing {
    /// It was closed on this day.
    On(Date),
    /// It was closed, and is open again.
    Open,
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(day) => write!(f, "closed on {day}"),
            Self::Open => f.write_str("open again"),
        }
    }
}

/// What is wrong with one cell or member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    /// Where, if it is about one column.
    pub(super) column: Option<String>,
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(
        column: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { column: Some(column.into()), reason: reason.into(), remedy: remedy.into() }
    }

    /// Makes a fault that is about no single column.
    pub(super) fn of_all(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { column: None, reason: reason.into(), remedy: remedy.into() }
    }
}

/// All that is said of a document or an attachment beside its path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Stated {
    pub(super) structure: Option<String>,
    pub(super) register: Option<String>,
    pub(super) year: Option<String>,
    pub(super) number: Option<String>,
    pub(super) operation: Option<Operation>,
    /// Its aggregations, which were closed, are open again.
    pub(super) reopens: bool,
    pub(super) description: Description,
}

impl Stated {
    /// Takes in one cell, without the spaces around it; an empty one says nothing.
    ///
    /// `path` and `main` are the caller's.
    pub(super) fn set(&mut self, column: Column, cell: &str) -> Result<(), Fault> {
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok(());
        }
        let name = column.name();
        let description = &mut self.description;
        match column {
            Column::Path | Column::Main => {}
            Column::Aggregation => {
                return self.set_aggregations(name, cell.split('|'));
            }
            Column::Class => description.class = Some(text(name, cell)?),
            Column::ClosedOn if OPEN.contains(&cell) => self.reopens = true,
            Column::ClosedOn => description.closed_on = Some(date(name, cell)?),
            Column::Date => description.date = Some(date(name, cell)?),
            Column::DocumentType => description.document_type = Some(text(name, cell)?),
            Column::Series => description.series = Some(text(name, cell)?),
            Column::StatedRetention => description.stated_retention = Some(text(name, cell)?),
            Column::Subject => description.subject = Some(text(name, cell)?),
            Column::Number => self.number = Some(plain_text(name, cell)?),
            Column::Operation => self.operation = Some(operation(cell)?),
            Column::Register => self.register = Some(key_name(name, cell)?),
            Column::Structure => self.structure = Some(key_name(name, cell)?),
            Column::Year => self.year = Some(year(cell)?),
        }
        Ok(())
    }

    /// Takes in names of aggregations, without the spaces around them; empty ones are left out.
    pub(super) fn set_aggregations<'a>(
        &mut self,
        column: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), Fault> {
        let mut aggregations = Vec::new();
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            if aggregations.len() == DESCRIPTION_MEMBERS_MAX {
                let reason = format!("there are more than {DESCRIPTION_MEMBERS_MAX} aggregations");
                return Err(Fault::new(column, reason, "name fewer aggregations"));
            }
            aggregations.push(plain_text(column, name)?);
        }
        aggregations.sort_unstable();
        aggregations.dedup();
        self.description.aggregations = aggregations;
        Ok(())
    }

    /// Takes in a member of the producer's own, whose name was found good.
    pub(super) fn set_metadata(&mut self, name: &str, cell: &str) -> Result<(), Fault> {
        let cell = cell.trim();
        if !cell.is_empty() {
            self.description.metadata.insert(name.to_owned(), text(name, cell)?);
        }
        Ok(())
    }

    /// Checks what concerns several cells of a document at once.
    pub(super) fn check_together(&self) -> Result<(), Fault> {
        let parts = self.key_parts();
        let missing: Vec<&str> = parts
            .iter()
            .filter(|(_, part)| part.is_none())
            .map(|(column, _)| column.name())
            .collect();
        if let [first, ..] = missing[..]
            && missing.len() < parts.len()
        {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let reason = format!(
                "a register key has structure, register, year and number; {} {verb} missing",
                missing.join(", ")
            );
            let remedy = "fill in all four, or leave all four empty: then the document is known by \
                          its path, and its aggregations are those of the source";
            return Err(Fault::new(first, reason, remedy));
        }
        if self.reopens && self.operation != Some(Operation::CorrectedMetadata) {
            let reason = "closed_on says that a closed aggregation is open again, but the row is \
                          no correction";
            let remedy = "write corrected-metadata in the column operation, or leave closed_on \
                          empty: an aggregation is open until it is closed";
            return Err(Fault::new(Column::ClosedOn.name(), reason, remedy));
        }
        if self.closing().is_some() && self.description.aggregations.is_empty() {
            let reason = "closed_on says when an aggregation was closed, but none is named";
            let remedy = "name the aggregation, or leave closed_on empty";
            return Err(Fault::new(Column::ClosedOn.name(), reason, remedy));
        }
        Ok(())
    }

    /// Returns what is said of the closing of its aggregations.
    pub(super) fn closing(&self) -> Option<Closing> {
        if self.reopens { Some(Closing::Open) } else { self.description.closed_on.map(Closing::On) }
    }

    /// Returns the key in the register, if all its parts are there.
    pub(super) fn register_key(&self) -> Option<StatedKey> {
        let [structure, register, year, number] = self.register_parts()?.map(str::to_owned);
        Some(StatedKey::Register(DocumentKey::Register { number, register, structure, year }))
    }

    /// Returns the parts of the key in the register, if all are there.
    pub(super) fn register_parts(&self) -> Option<[&str; 4]> {
        let [structure, register, year, number] = self.key_parts().map(|(_, part)| part);
        Some([structure?, register?, year?, number?])
    }

    fn key_parts(&self) -> [(Column, Option<&str>); 4] {
        [
            (Column::Structure, self.structure.as_deref()),
            (Column::Register, self.register.as_deref()),
            (Column::Year, self.year.as_deref()),
            (Column::Number, self.number.as_deref()),
        ]
    }

    fn texts(&self) -> [(Column, Option<&str>); 5] {
        let description = &self.description;
        [
            (Column::Class, description.class.as_deref()),
            (Column::DocumentType, description.document_type.as_deref()),
            (Column::Series, description.series.as_deref()),
            (Column::StatedRetention, description.stated_retention.as_deref()),
            (Column::Subject, description.subject.as_deref()),
        ]
    }

    /// Returns the first column in which this says something else than `other`; saying nothing is
    /// no contradiction.
    pub(super) fn contradiction<'a>(&'a self, other: &Self) -> Option<&'a str> {
        let own_texts = self.key_parts().into_iter().chain(self.texts());
        let other_texts = other.key_parts().into_iter().chain(other.texts());
        for ((column, own), (_, others)) in own_texts.zip(other_texts) {
            if own.is_some() && own != others {
                return Some(column.name());
            }
        }
        let (own, others) = (&self.description, &other.description);
        let says_names = !own.aggregations.is_empty();
        let columns = [
            (Column::Operation, self.operation.is_some() && self.operation != other.operation),
            (Column::Aggregation, says_names && own.aggregations != others.aggregations),
            (Column::ClosedOn, self.closing().is_some() && self.closing() != other.closing()),
            (Column::Date, own.date.is_some() && own.date != others.date),
        ];
        if let Some((column, _)) = columns.into_iter().find(|(_, differs)| *differs) {
            return Some(column.name());
        }
        let mut metadata = own.metadata.iter();
        let differing = metadata.find(|(name, text)| others.metadata.get(*name) != Some(text));
        differing.map(|(name, _)| name.as_str())
    }
}

/// Says what is wrong with the name of a member of the producer's own, if anything.
///
/// Below U+D800 the order of UTF-16 units (RFC 8785) and that of bytes are the same.
pub(super) fn metadata_name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.trim() != name {
        Some("begins or ends with a space")
    } else if name.chars().count() > METADATA_NAME_CHARACTERS_MAX {
        Some("has more than 100 characters")
    } else if name.contains(char::is_control) {
        Some("holds a control character, such as a line break")
    } else if name.contains(|c| c > '\u{d7ff}') {
        Some("holds a character beyond U+D7FF, such as an emoji")
    } else {
        None
    }
}

/// Checks a path or the name of a file: relative, `/` between names, nothing that leads elsewhere.
pub(super) fn check_path(column: &str, path: &str) -> Result<(), Fault> {
    let reason = if path.len() > PATH_BYTES_MAX {
        format!("the path has {} bytes, more than {PATH_BYTES_MAX}", path.len())
    } else if path.starts_with('/') {
        format!("the path `{}` is absolute", shown(path))
    } else if path.contains('\0') {
        "the path holds the character U+0000".to_owned()
    } else if let Some(name) = path.split('/').find(|name| matches!(*name, "" | "." | "..")) {
        let what = if name.is_empty() { "an empty name".to_owned() } else { format!("`{name}`") };
        format!("the path `{}` holds {what}", shown(path))
    } else {
        return Ok(());
    };
    let remedy = "write the path from the folder that is ingested, such as Delibere/2026/1.pdf";
    Err(Fault::new(column, reason, remedy))
}

/// Checks that a cell holds no control character at all.
pub(super) fn check_plain(column: &str, cell: &str) -> Result<(), Fault> {
    match cell.chars().find(|c| c.is_control()) {
        Some(c) => Err(control_fault(column, c)),
        None => Ok(()),
    }
}

/// Spells the beginning of a text of others for a message, on one line.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut shown: String = characters
        .by_ref()
        .take(SHOWN_CHARACTERS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A text may have line breaks and tabs, and no other control characters.
fn text(column: &str, cell: &str) -> Result<String, Fault> {
    if cell.len() > TEXT_BYTES_MAX {
        let reason = format!("the text has {} bytes, more than {TEXT_BYTES_MAX}", cell.len());
        return Err(Fault::new(column, reason, "shorten it, or send it as a file of the document"));
    }
    match cell.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(c) => Err(control_fault(column, c)),
        None => Ok(cell.to_owned()),
    }
}

fn plain_text(column: &str, cell: &str) -> Result<String, Fault> {
    check_plain(column, cell)?;
    text(column, cell)
}

fn control_fault(column: &str, character: char) -> Fault {
    let reason = match character {
        '\n' => "it holds a line break".to_owned(),
        '\t' => "it holds a tab".to_owned(),
        other => format!("it holds the control character U+{:04X}", u32::from(other)),
    };
    Fault::new(column, reason, "remove that character, and look whether a quote is missing")
}

fn key_name(column: &str, cell: &str) -> Result<String, Fault> {
    if cell.contains('/') {
        let reason =
            format!("`{}` holds `/`, which stands between the parts of a key", shown(cell));
        return Err(Fault::new(column, reason, "write it without `/`, for example with `-`"));
    }
    plain_text(column, cell)
}

fn year(cell: &str) -> Result<String, Fault> {
    if cell.len() == 4 && cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(cell.to_owned());
    }
    let reason = format!("`{}` is no year of four digits", shown(cell));
    Err(Fault::new(Column::Year.name(), reason, "write the year such as 2026"))
}

fn date(column: &str, cell: &str) -> Result<Date, Fault> {
    parse_date(cell).ok_or_else(|| {
        let reason = format!("`{}` is no date", shown(cell));
        Fault::new(column, reason, "write a day of the calendar such as 2026-03-01 or 01/03/2026")
    })
}

/// Reads `YYYY-MM-DD`, `D/M/YYYY` or `D.M.YYYY`, and midnight behind it, as spreadsheets write it.
fn parse_date(cell: &str) -> Option<Date> {
    let (day, time) = cell.split_once(' ').unwrap_or((cell, "0:00"));
    if !matches!(time.trim_start(), "0:00" | "00:00" | "0:00:00" | "00:00:00") {
        return None;
    }
    let parts = |separator| -> Option<[&str; 3]> {
        day.split(separator).collect::<Vec<_>>().try_into().ok()
    };
    let (year, [month, day], digits_min) = match (parts('-'), parts('/'), parts('.')) {
        (Some([year, month, day]), ..) => (year, [month, day], 2),
        (_, Some([day, month, year]), _) | (.., Some([day, month, year])) => {
            (year, [month, day], 1)
        }
        _ => return None,
    };
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_number = digits.contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| text.parse::<i16>().ok()).flatten()
    };
    let small = |text| i8::try_from(number(text, digits_min..=2)?).ok();
    Date::new(number(year, 4..=4)?, small(month)?, small(day)?).ok()
}

fn operation(cell: &str) -> Result<Operation, Fault> {
    let known = [
        ("new", Operation::New),
        ("new-version", Operation::NewVersion),
        ("added-file", Operation::AddedFile),
        ("corrected-metadata", Operation::CorrectedMetadata),
    ];
    let found = known.into_iter().find(|(name, _)| cell.eq_ignore_ascii_case(name));
    found.map(|(_, operation)| operation).ok_or_else(|| {
        let reason = format!("`{}` is no operation", shown(cell));
        let remedy = "write new, new-version, added-file or corrected-metadata, or nothing";
        Fault::new(Column::Operation.name(), reason, remedy)
    })
}
