//! `sigillo find`: documents by what their producers say of them.

use jiff::civil::Date;
use serde_json::{Value, json};

use sigillo_custody::{FindOutcome, FindQuery, FoundDocument, find};
use sigillo_store::ReadPool;

use crate::{
    cli::FindArgs,
    commands::{EXIT_CLEAN, EXIT_FINDINGS},
    context::Context,
    error::CommandError,
    output::{counted, grouped, visible},
};

/// Digits of an id that are printed: as many as the other commands ask for, at least.
const ID_DIGITS: usize = 8;

/// Digits of a version's id that are printed.
const VERSION_DIGITS: usize = 16;

/// Looks for documents and prints one a line.
pub(crate) async fn run(context: &Context, args: FindArgs) -> Result<u8, CommandError> {
    let days = args.date.as_deref().map(parse_days).transpose()?;
    let query = FindQuery {
        words: args.text.iter().flat_map(|it| it.split_whitespace()).map(str::to_owned).collect(),
        key: args.key,
        path: args.path,
        subject: args.subject,
        class: args.class,
        document_type: args.document_type,
        aggregation: args.aggregation,
        fields: args.field.iter().map(|it| parse_field(it)).collect::<Result<_, _>>()?,
        days,
        versions: args.versions,
    };
    if query == (FindQuery { versions: query.versions, ..FindQuery::default() }) {
        return Err(CommandError::usage("nothing is said of what to find").hint(
            "give words, or --key, --path, --subject, --class, --date, --type, --aggregation or \
                 --field",
        ));
    }
    let archive = context.archive().await?;
    let outcome = find(&archive, &ReadPool::start()?, &query).await?;
    let shown = &outcome.found[..outcome.found.len().min(args.limit)];
    let complete = outcome.is_complete();
    let value = json!({
        "complete": complete,
        "documents": shown.iter().map(in_json).collect::<Vec<_>>(),
        "faults": outcome.faults.iter().map(|it| in_words(it)).collect::<Vec<_>>(),
        "found": outcome.found.len(),
        "missing": outcome.missing,
        "more": outcome.more || shown.len() < outcome.found.len(),
    });
    context.output.result("sigillo.find/1", &in_text(shown, &outcome, args.versions), value);
    if !context.output.is_json() {
        for fault in &outcome.faults {
            context.output.say(&format!("note: {}", visible(&in_words(fault))));
        }
        if outcome.missing > 0 {
            context.output.say(&format!(
                "note: not in the catalogue yet and not looked at: {}; the next ingest completes it, \
                 or `sigillo rebuild`, which names what is damaged",
                counted(outcome.missing, "document")
            ));
        }
    }
    Ok(if complete { EXIT_CLEAN } else { EXIT_FINDINGS })
}

fn in_text(shown: &[FoundDocument], outcome: &FindOutcome, versions: bool) -> String {
    let mut text = String::new();
    for found in shown {
        let mut columns = vec![shortened(&found.document, ID_DIGITS), one_line(&found.key)];
        if versions {
            let id = shortened(&found.version_id, VERSION_DIGITS);
            columns.extend([format!("version {}", found.version), id]);
        }
        let date = found.date.map(|date| date.to_string());
        let class = found.class.as_deref().map(one_line);
        let subject = found.subject.as_deref().map(one_line);
        let subject = if found.is_aggregation {
            Some(format!("[aggregation] {}", subject.unwrap_or_default()).trim_end().to_owned())
        } else {
            subject
        };
        // What is empty keeps its column.
        columns.extend([date, class, subject].map(|it| it.unwrap_or_else(|| "-".to_owned())));
        text.push_str(&columns.join("  "));
        text.push('\n');
    }
    let rest = outcome.found.len() - shown.len();
    if outcome.found.is_empty() {
        text.push_str("nothing found\n");
    } else if outcome.more {
        text.push_str("more than can be listed: say more of what you look for\n");
    } else if rest > 0 {
        text.push_str(&format!("and {} more: --limit shows them\n", grouped(rest as u64)));
    }
    text
}

/// Returns the first digits of an id.
fn shortened(id: &str, digits: usize) -> String {
    id[..id.len().min(digits)].to_owned()
}

/// Spells a text on one line: line breaks and tabs in it are spaces.
fn one_line(text: &str) -> String {
    visible(&text.replace("\r\n", " ").replace(['\n', '\r', '\t'], " "))
}

/// Reads what to look for under a name of the producer's own.
fn parse_field(text: &str) -> Result<(String, String), CommandError> {
    match text.split_once('=') {
        Some((name, part)) if !name.is_empty() => Ok((name.to_owned(), part.to_owned())),
        _ => Err(CommandError::usage(format!("{text:.40?} does not name a field"))
            .hint("write NAME=PART, such as --field Firmatario=Bianchi")),
    }
}

fn in_json(found: &FoundDocument) -> Value {
    json!({
        "class": found.class,
        "commit": found.commit,
        "date": found.date,
        "document": found.document,
        "document_type": found.document_type,
        "files": found.files,
        "key": found.key,
        "kind": if found.is_aggregation { "aggregation" } else { "document" },
        "metadata": found.metadata,
        "subject": found.subject,
        "version": found.version,
        "version_id": found.version_id,
    })
}

fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Reads days: a year, a month, a day, or two of them with `..` between.
fn parse_days(text: &str) -> Result<(Date, Date), CommandError> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let first = if from.is_empty() { Some(Date::MIN) } else { period(from).map(|it| it.0) };
    let last = if to.is_empty() { Some(Date::MAX) } else { period(to).map(|it| it.1) };
    match (first, last) {
        (Some(first), Some(last)) if first <= last && !(from.is_empty() && to.is_empty()) => {
            Ok((first, last))
        }
        _ => Err(CommandError::usage(format!("{text:.40?} is no date")).hint(
            "write 2026, 2026-03, 2026-03-01 or 01/03/2026, or two of them as 2025..2026-03",
        )),
    }
}

/// Returns the first and the last day of a year, a month or a day.
fn period(text: &str) -> Option<(Date, Date)> {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    // As the tables of producers may write it.
    if let [day, month, year] = text.split('/').collect::<Vec<_>>()[..] {
        let short = |text: &str| digits(text, 1) || digits(text, 2);
        let are_numbers = short(day) && short(month) && digits(year, 4);
        return are_numbers.then(|| period(&format!("{year}-{month:0>2}-{day:0>2}")))?;
    }
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next(), parts.next());
    let lengths = digits(year, 4)
        && month.is_none_or(|month| digits(month, 2))
        && day.is_none_or(|day| digits(day, 2));
    if !lengths || parts.next().is_some() {
        return None;
    }
    let number = |text: Option<&str>| text.unwrap_or("1").parse::<i8>().ok();
    let first = Date::new(year.parse().ok()?, number(month)?, number(day)?).ok()?;
    let last = match (month, day) {
        (None, _) => first.last_of_year(),
        (Some(_), None) => first.last_of_month(),
        (Some(_), Some(_)) => first,
    };
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, first: &str, last: &str) {
        let days = parse_days(text).map(|(first, last)| (first.to_string(), last.to_string()));
        assert_eq!(days.unwrap(), (first.to_owned(), last.to_owned()), "{text}");
    }

    #[test]
    fn days_are_given_in_part_and_as_a_range() {
        check("2026", "2026-01-01", "2026-12-31");
        check("2024-02", "2024-02-01", "2024-02-29");
        check("2026-03-01", "2026-03-01", "2026-03-01");
        check("2025..2026-03", "2025-01-01", "2026-03-31");
        check("03/02/2025", "2025-02-03", "2025-02-03");
        check("3/2/2025..28/02/2025", "2025-02-03", "2025-02-28");
        check("..2025", "-009999-01-01", "2025-12-31");
        check("2026-02..", "2026-02-01", "9999-12-31");
        for text in [
            "",
            "..",
            "x",
            "30/02/2025",
            "2025/02/03",
            "02/2025",
            "1/1/1/2025",
            "26",
            "2026-3",
            "2026-13",
            "2026-02-30",
            "2027..2026",
            "2026-01-01-01",
        ] {
            assert!(parse_days(text).is_err(), "{text}");
        }
    }
}
