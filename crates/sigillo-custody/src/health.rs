//! What an examination says of one thing, and how full a disk may be.

use serde::Serialize;

/// Less is too little for a batch with all that goes with it.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Less is worth a word whatever the archive grows by.
const FREE_BYTES_LOW: u64 = 2 << 30;

/// Space that is used up sooner is worth a word.
const DAYS_LEFT_LOW: u64 = 30;

/// How something is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, but will not for ever, or could not be told.
    Warn,
    /// It keeps commands from working, or evidence from being believed.
    Fail,
}

impl Health {
    /// Returns the word that is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// What an examination says of one thing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// The command that mends it, if something must be mended.
    pub mend: Option<String>,
    /// What was found, in a sentence.
    pub message: String,
    /// What was looked at. Names are stable.
    pub name: &'static str,
    /// How it is.
    pub state: Health,
}

impl Check {
    /// Says that something is as it should be.
    pub fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { mend: None, message: message.into(), name, state: Health::Ok }
    }

    /// Says that something will not do for ever, and what mends it.
    pub fn warn(name: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let (message, mend) = (message.into(), Some(mend.into()));
        Self { mend, message, name, state: Health::Warn }
    }

    /// Says that something is wrong, and what mends it.
    pub fn fail(name: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        let (message, mend) = (message.into(), Some(mend.into()));
        Self { mend, message, name, state: Health::Fail }
    }
}

/// The space of a disk, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// What may still be written.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Foretells how long the space lasts if the archive grows by as many bytes a day as it did.
pub fn check_space(name: &'static str, space: Space, growth_a_day: u64) -> Check {
    let (free, percent) = (mebibytes(space.free), percent(space));
    let days = space.free.checked_div(growth_a_day);
    let lasts = match days {
        Some(days) if days < 36_500 => format!("; at the pace of late it lasts {days} days"),
        _ => String::new(),
    };
    let message = format!("{free} are free, {percent} % of the disk{lasts}");
    let mend = "df -h, then make room or move the archive to a larger disk";
    if space.free < FREE_BYTES_MIN {
        Check::fail(name, message, mend)
    } else if space.free < FREE_BYTES_LOW || days.is_some_and(|days| days < DAYS_LEFT_LOW) {
        Check::warn(name, message, mend)
    } else {
        Check::ok(name, message)
    }
}

fn percent(space: Space) -> u64 {
    let percent = u128::from(space.free) * 100 / u128::from(space.total.max(1));
    u64::try_from(percent).unwrap_or(100)
}

fn mebibytes(bytes: u64) -> String {
    match bytes >> 30 {
        0 => format!("{} MiB", bytes >> 20),
        gibibytes => format!("{gibibytes} GiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[track_caller]
    fn check(free: u64, growth_a_day: u64, state: Health, said: &str) {
        let found = check_space("space", Space { free, total: 100 * GIB }, growth_a_day);
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.message.contains(said), "{found:?}");
        assert_eq!(found.mend.is_some(), state != Health::Ok);
    }

    #[test]
    fn space_is_judged_by_how_long_it_lasts() {
        check(60 * GIB, 0, Health::Ok, "60 GiB are free, 60 % of the disk");
        check(60 * GIB, GIB, Health::Ok, "lasts 60 days");
        check(29 * GIB, GIB, Health::Warn, "lasts 29 days");
        check(30 * GIB, GIB, Health::Ok, "lasts 30 days");
        check(GIB, 0, Health::Warn, "1 GiB are free, 1 %");
        check(63 << 20, 0, Health::Fail, "63 MiB are free, 0 %");
        check(0, GIB, Health::Fail, "lasts 0 days");
    }

    #[test]
    fn the_worst_state_is_the_greatest() {
        assert!(Health::Ok < Health::Warn && Health::Warn < Health::Fail);
    }
}
