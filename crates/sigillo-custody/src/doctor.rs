//! Examining an archive: does everything that keeps it going work, and will it tomorrow? Reads only.

use jiff::{SignedDuration, Timestamp};

use sigillo_authorities::SignedHead;
use sigillo_ers::certificate_end;
use sigillo_evidence_log::{Archive, LogError, LogView, log_contains, read_pack_list};
use sigillo_model::{ErrorKind, LogTime};

use crate::{Check, CustodyError};

/// A certificate that ends sooner is worth a word.
const CERTIFICATE_DAYS_LOW: i64 = 60;

/// Log and clock may differ by so much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// What waits for a seal or a time-stamp for longer is worth a word.
const WAITING_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Nobody should leave an archive unread for longer.
const UNREAD_DAYS_MAX: i64 = 90;

/// Growth is taken from this many days back.
const GROWTH_DAYS: i64 = 30;

/// At most so many pack lists are read to learn how an archive grows.
const GROWTH_BATCHES_MAX: usize = 1000;

/// Compares what the log key remembers to have signed with the log.
///
/// # Errors
///
/// [`CustodyError`] if it could not look.
pub async fn check_signer(
    archive: &Archive,
    view: &LogView,
    last: Option<SignedHead>,
) -> Result<Check, CustodyError> {
    let name = "signer";
    let Some(last) = last else {
        let words = "the log key has signed nothing yet, although there is a log";
        return Ok(Check::fail(name, words, "restore the key folder from its newest copy"));
    };
    let contained = match log_contains(archive, last).await {
        Ok(contained) => contained,
        Err(LogError::Diverged { .. }) => false,
        Err(error) if error.kind() == ErrorKind::Integrity => false,
        Err(error) => return Err(error.into()),
    };
    Ok(match (contained, view.size.saturating_sub(last.size)) {
        (false, _) => Check::fail(
            name,
            format!(
                "LOG_DIVERGED: the log key signed a log of {} entries that is not this one",
                last.size
            ),
            "find the archive with the longer log, and write to no other; see \
             docs/operations/README.md",
        ),
        (true, 0) => Check::ok(name, format!("the log key signed all {} entries", last.size)),
        (true, unsigned) => Check::warn(
            name,
            format!("{unsigned} entries are not signed yet; the next command that writes does it"),
            "sigillo seal",
        ),
    })
}

/// Compares the clock with the newest time of the log.
pub fn check_clock(view: &LogView, now: Timestamp) -> Check {
    let name = "clock";
    let Some(header) = &view.header else {
        return Check::warn(name, "the log has no time to compare with", "sigillo init");
    };
    let ahead = header.at.timestamp().duration_since(now);
    if ahead > CLOCK_TOLERANCE {
        let words = format!(
            "the newest commit is of {}, {} ahead of this clock: either was or is wrong",
            header.at,
            span_text(ahead)
        );
        return Check::fail(name, words, "timedatectl status, then set the clock right");
    }
    let difference = header.at.timestamp().duration_since(header.clock.timestamp());
    if difference > CLOCK_TOLERANCE {
        let words = format!(
            "the newest commit was written while the clock was {} behind the log",
            span_text(difference)
        );
        return Check::warn(name, words, "timedatectl status, then set the clock right");
    }
    Check::ok(name, format!("it is not behind the log, whose newest time is {}", header.at))
}

/// Says how long documents have waited for a seal.
pub fn check_sealing(view: &LogView, now: Timestamp) -> Check {
    let name = "sealing";
    let Some(oldest) = view.unsealed().next() else {
        return Check::ok(name, "everything is sealed");
    };
    let documents: u64 = view.unsealed().map(|batch| u64::from(batch.body.documents)).sum();
    let age = now.duration_since(oldest.at.timestamp());
    let waiting = waiting(documents, "document");
    let words = format!("{waiting} for a seal, the oldest for {}", span_text(age));
    if age > WAITING_MAX {
        Check::warn(name, words, "sigillo seal")
    } else {
        Check::ok(name, words)
    }
}

/// Says how long sealings have waited for a time-stamp on the evidence line that is asked for.
pub fn check_stamping(view: &LogView, line: &str, now: Timestamp) -> Check {
    let name = "time-stamps";
    let unstamped = view.unstamped(line);
    let Some(oldest) = unstamped.first() else {
        return Check::ok(name, format!("every sealing has a time-stamp on the line {line}"));
    };
    let age = now.duration_since(oldest.at.timestamp());
    let waiting = waiting(unstamped.len() as u64, "sealing");
    let words =
        format!("{waiting} for a time-stamp on the line {line}, the oldest for {}", span_text(age));
    if age > WAITING_MAX {
        Check::warn(name, words, "sigillo seal --stamp-only")
    } else {
        Check::ok(name, words)
    }
}

/// Says how long certificates are still valid; each comes with what it is called.
pub fn check_certificates(certificates: &[(String, Vec<u8>)], now: Timestamp) -> Check {
    let name = "certificates";
    let mend = "sigillo log succeed --reason certificates-ended   (for one of an authority in the settings: name an \
                authority there whose certificate lasts longer; docs/operations/README.md)";
    let mut ends = Vec::new();
    for (of, der) in certificates {
        match certificate_end(der) {
            Ok(end) => ends.push((end, of)),
            Err(error) => {
                let words = format!("the certificate of {of} cannot be read: {error}");
                return Check::fail(name, words, mend);
            }
        }
    }
    let Some((end, of)) = ends.into_iter().min() else {
        return Check::ok(name, "there is none to look at");
    };
    let (left, at) = (end.duration_since(now), LogTime::new(end));
    if left.is_negative() {
        Check::fail(name, format!("the certificate of {of} ended at {at}"), mend)
    } else if left < SignedDuration::from_hours(CERTIFICATE_DAYS_LOW * 24) {
        let words = format!("the certificate of {of} ends in {}, at {at}", span_text(left));
        Check::warn(name, words, mend)
    } else {
        Check::ok(name, format!("the first to end is that of {of}, at {at}"))
    }
}

/// Says how long ago every byte of the archive was read and found intact, as far as is known.
pub fn check_last_read(last: Option<LogTime>, begun: Option<LogTime>, now: Timestamp) -> Check {
    let name = "last-full-read";
    let mend = "sigillo verify --full";
    let is_old = |time: LogTime| {
        now.duration_since(time.timestamp()) > SignedDuration::from_hours(UNREAD_DAYS_MAX * 24)
    };
    match (last, begun) {
        (Some(last), _) if is_old(last) => {
            Check::warn(name, format!("every byte was last read at {last}"), mend)
        }
        (Some(last), _) => Check::ok(name, format!("every byte was last read at {last}")),
        (None, Some(begun)) if is_old(begun) => {
            let words = "nobody here has read every byte yet, as far as this user's state tells";
            Check::warn(name, words, mend)
        }
        (None, _) => Check::ok(name, "not known, but the archive is young"),
    }
}

/// Returns by how many bytes a day packs grew of late, 0 if that cannot be told.
pub async fn growth_a_day(archive: &Archive, view: &LogView, now: Timestamp) -> u64 {
    let window = SignedDuration::from_hours(GROWTH_DAYS * 24);
    let recent = view.batches.iter().rev().take(GROWTH_BATCHES_MAX);
    let recent = recent.take_while(|it| now.duration_since(it.at.timestamp()) < window);
    let mut bytes = 0_u64;
    for batch in recent {
        let Ok(packs) = read_pack_list(archive.store(), &batch.body).await else { continue };
        bytes += packs.iter().map(|pack| pack.size).sum::<u64>();
    }
    let begun = view.batches.first().map_or(now, |batch| batch.at.timestamp());
    // An archive that began less than a day ago says nothing about its days.
    let days = now.duration_since(begun.max(now - window)).as_hours() / 24;
    bytes.checked_div(u64::try_from(days).unwrap_or(0)).unwrap_or(0)
}

/// Says how many of something wait: `1 document waits`, `2 documents wait`.
fn waiting(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} waits") } else { format!("{number} {what}s wait") }
}

/// Puts a span into words, in its largest unit.
fn span_text(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use sigillo_evidence_log::{LoggedBatch, LoggedSealing, LoggedStamp};
    use sigillo_model::{
        BatchCommitted, BatchId, BatchesSealed, CommitOpened, SealingId, SealingStamped,
        Sha256Digest, SubmissionId, WriterId,
    };

    use super::*;
    use crate::Health;

    fn at(text: &str) -> LogTime {
        LogTime::new(text.parse().unwrap())
    }

    fn header(log: &str, clock: &str) -> CommitOpened {
        CommitOpened {
            at: at(log),
            clock: at(clock),
            commit: 2,
            epoch: 1,
            first_leaf: 2,
            generation: 1,
            previous: None,
            root: Sha256Digest::of(b""),
            rotated: None,
            sealed: 0,
            succeeded: None,
            writer: WriterId::from_bytes([1; 16]),
        }
    }

    fn batch(time: &str) -> LoggedBatch {
        let digest = Sha256Digest::of(b"");
        let body = BatchCommitted {
            batch: BatchId::from_bytes([1; 16]),
            documents: 7,
            leaves_sha256: digest,
            order_root: digest,
            packs_sha256: digest,
            root: digest,
            submission: SubmissionId::from_bytes([1; 16]),
        };
        LoggedBatch { body, commit: 2, at: at(time), entry_index: 3, generation: 1 }
    }

    fn sealing(time: &str) -> LoggedSealing {
        let digest = Sha256Digest::of(b"");
        let body = BatchesSealed {
            after: 0,
            number: 1,
            root: digest,
            seal_sha256: digest,
            sealing: SealingId::from_bytes([1; 16]),
            statement_sha256: digest,
            through: 2,
        };
        LoggedSealing { body, commit: 3, at: at(time) }
    }

    fn stamp(line: &str) -> LoggedStamp {
        let body = SealingStamped {
            line: line.to_owned(),
            number: 1,
            sealing: SealingId::from_bytes([1; 16]),
            stamped_at: "2026-11-24T10:00:00Z".to_owned(),
            token_sha256: Sha256Digest::of(b""),
            tree: None,
            trial: true,
        };
        LoggedStamp { body, commit: 4, at: at("2026-11-24T10:00:00Z") }
    }

    #[track_caller]
    fn check(found: &Check, state: Health, said: &str, mend: Option<&str>) {
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.message.contains(said), "{found:?}");
        let mended = found.mend.as_deref();
        assert_eq!(mended.is_some(), mend.is_some(), "{found:?}");
        assert!(mended.unwrap_or_default().contains(mend.unwrap_or_default()), "{found:?}");
    }

    #[test]
    fn a_clock_behind_the_log_is_seen() {
        let now = "2026-11-25T10:00:00Z".parse().unwrap();
        let judge = |log, clock| {
            let view = LogView { header: Some(header(log, clock)), ..LogView::default() };
            check_clock(&view, now)
        };
        let (soon, late) = ("2026-11-25T10:10:00Z", "2026-11-25T10:10:01Z");
        check(&judge(soon, soon), Health::Ok, "not behind", None);
        check(&judge(late, late), Health::Fail, "10 minutes ahead", Some("timedatectl"));
        let before = "2026-11-25T09:30:00Z";
        check(&judge(before, before), Health::Ok, "not behind", None);
        let behind = judge(before, "2026-11-25T09:00:00Z");
        check(&behind, Health::Warn, "30 minutes behind the log", Some("timedatectl"));
    }

    #[test]
    fn what_waits_for_more_than_a_day_is_told() {
        let view =
            LogView { batches: vec![batch("2026-11-24T10:00:00Z")], head: 2, ..LogView::default() };
        let [soon, late] =
            ["2026-11-25T10:00:00Z", "2026-11-25T10:00:01Z"].map(|it| it.parse().unwrap());
        check(&check_sealing(&view, soon), Health::Ok, "7 documents wait for a seal", None);
        check(&check_sealing(&view, late), Health::Warn, "for 24 hours", Some("sigillo seal"));
        let sealed = LogView { sealings: vec![sealing("2026-11-24T10:00:00Z")], ..view };
        check(&check_sealing(&sealed, late), Health::Ok, "everything is sealed", None);
        let line = "plain-sha256-trial";
        check(&check_stamping(&sealed, line, soon), Health::Ok, "1 sealing waits", None);
        let mend = Some("sigillo seal --stamp-only");
        check(&check_stamping(&sealed, line, late), Health::Warn, "for 24 hours", mend);
        let stamped = LogView { stamps: vec![stamp(line)], ..sealed };
        check(&check_stamping(&stamped, line, late), Health::Ok, "every sealing", None);
        check(
            &check_stamping(&stamped, "another", late),
            Health::Warn,
            "on the line another",
            mend,
        );
    }

    #[test]
    fn an_archive_that_nobody_reads_is_told() {
        let [day, soon, late] =
            ["2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-04-01T00:00:01Z"]
                .map(|it| it.parse::<Timestamp>().unwrap());
        let read = Some(LogTime::new(day));
        let mend = Some("sigillo verify --full");
        check(&check_last_read(read, read, soon), Health::Ok, "last read at 2026-01-01", None);
        check(&check_last_read(read, read, late), Health::Warn, "last read at 2026-01-01", mend);
        check(&check_last_read(None, read, soon), Health::Ok, "the archive is young", None);
        check(&check_last_read(None, read, late), Health::Warn, "nobody here has read", mend);
        check(&check_last_read(None, None, late), Health::Ok, "young", None);
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        for (seconds, said) in
            [(119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (172_800, "2 days")]
        {
            assert_eq!(span_text(SignedDuration::from_secs(seconds)), said);
        }
    }
}
