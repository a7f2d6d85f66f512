//! Times of ASN.1 and of this workspace, each turned into the other.

use jiff::{Timestamp, tz::TimeZone};
use rasn::types::{GeneralizedTime, UtcTime};

use crate::der::{self, DerError};

/// First year that ASN.1 times are written for.
const YEAR_MIN: i16 = 1950;
/// First year after those that a `UTCTime` can express.
const YEAR_AFTER_UTC_TIME: i16 = 2050;

/// Returns a `GeneralizedTime` as an instant.
pub(crate) fn from_generalized(time: &GeneralizedTime) -> Result<Timestamp, DerError> {
    from_parts(time.timestamp(), time.timestamp_subsec_nanos())
}

/// Returns a `UTCTime` as an instant.
///
/// Its two digits mean 1950 to 2049 (RFC 5280 §4.1.2.5.1); rasn reads 50 to 69 as 2050 to 2069.
fn from_utc(time: &UtcTime) -> Result<Timestamp, DerError> {
    let read = from_parts(time.timestamp(), time.timestamp_subsec_nanos())?;
    let zoned = read.to_zoned(TimeZone::UTC);
    if zoned.year() < YEAR_AFTER_UTC_TIME {
        return Ok(read);
    }
    let earlier = zoned.checked_sub(jiff::Span::new().years(100));
    earlier.map(|zoned| zoned.timestamp()).map_err(|_| DerError { what: "a time" })
}

/// Returns a `Time` of a certificate as an instant.
pub(crate) fn from_time(time: &rasn_pkix::Time) -> Result<Timestamp, DerError> {
    match time {
        rasn_pkix::Time::Utc(time) => from_utc(time),
        rasn_pkix::Time::General(time) => from_generalized(time),
    }
}

fn from_parts(seconds: i64, nanoseconds: u32) -> Result<Timestamp, DerError> {
    // "No well-defined expiry" is 9999-12-31T23:59:59Z, a day after the last instant of jiff.
    if seconds > Timestamp::MAX.as_second() {
        return Ok(Timestamp::MAX);
    }
    i32::try_from(nanoseconds)
        .ok()
        .and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok())
        .ok_or(DerError { what: "a time" })
}

/// Writes `at`, to the millisecond, as a `GeneralizedTime`; `None` before 1950.
pub(crate) fn generalized(at: Timestamp) -> Option<Vec<u8>> {
    let civil = at.to_zoned(TimeZone::UTC).datetime();
    let millisecond = civil.millisecond();
    let fraction = match millisecond {
        0 => String::new(),
        _ => format!(".{millisecond:03}").trim_end_matches('0').to_owned(),
    };
    let text = format!("{}{fraction}Z", civil.strftime("%Y%m%d%H%M%S"));
    (civil.year() >= YEAR_MIN).then(|| der::wrap(der::GENERALIZED_TIME, &[text.as_bytes()]))
}

/// Writes `at`, to the second, as RFC 5280 and RFC 5652 want it: `UTCTime` through 2049,
/// `GeneralizedTime` afterwards; `None` before 1950.
pub(crate) fn time(at: Timestamp) -> Option<Vec<u8>> {
    let civil = at.to_zoned(TimeZone::UTC).datetime();
    match civil.year() {
        YEAR_AFTER_UTC_TIME.. => generalized(Timestamp::from_second(at.as_second()).ok()?),
        YEAR_MIN.. => {
            let text = format!("{}Z", civil.strftime("%y%m%d%H%M%S"));
            Some(der::wrap(der::UTC_TIME, &[text.as_bytes()]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-11-25T06:07:08Z", "20261125060708Z", "261125060708Z")]
    #[case("2026-11-25T06:07:08.5Z", "20261125060708.5Z", "261125060708Z")]
    #[case("2026-11-25T06:07:08.0309Z", "20261125060708.03Z", "261125060708Z")]
    #[case("2050-01-01T00:00:00.5Z", "20500101000000.5Z", "20500101000000Z")]
    #[case("1950-01-01T00:00:00Z", "19500101000000Z", "500101000000Z")]
    fn times_are_written_as_der_wants(
        #[case] at: Timestamp,
        #[case] fine: &str,
        #[case] coarse: &str,
    ) {
        assert_eq!(&generalized(at).unwrap()[2..], fine.as_bytes());
        assert_eq!(&time(at).unwrap()[2..], coarse.as_bytes());
        let read: rasn_pkix::Time = rasn::der::decode(&time(at).unwrap()).unwrap();
        assert_eq!(from_time(&read).unwrap().as_second(), at.as_second());
        let read: GeneralizedTime = rasn::der::decode(&generalized(at).unwrap()).unwrap();
        let milliseconds = from_generalized(&read).unwrap().as_millisecond();
        assert_eq!(milliseconds, at.as_millisecond());
    }

    #[test]
    fn a_certificate_without_expiry_ends_with_time() {
        let never = der::wrap(der::GENERALIZED_TIME, &[b"99991231235959Z"]);
        let read: rasn_pkix::Time = rasn::der::decode(&never).unwrap();
        assert_eq!(from_time(&read), Ok(Timestamp::MAX));
        assert_eq!(time("1949-12-31T23:59:59Z".parse().unwrap()), None);
    }
}
