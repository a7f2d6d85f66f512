//! A clock that stands still until a test moves it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use sigillo_model::Clock;

/// A clock that only tests move. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<Mutex<Timestamp>>,
}

impl ManualClock {
    /// Starts at `at`.
    pub fn at(at: Timestamp) -> Self {
        Self { now: Arc::new(Mutex::new(at)) }
    }

    /// Starts at an RFC 3339 instant such as `2026-11-25T08:00:00Z`.
    ///
    /// # Panics
    ///
    /// If `text` is no such instant.
    pub fn starting(text: &str) -> Self {
        Self::at(text.parse().expect("the start of a test's clock is an RFC 3339 instant"))
    }

    /// Moves the clock to `at`, which may be earlier.
    pub fn set(&self, at: Timestamp) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Moves the clock forward by `step`.
    ///
    /// # Panics
    ///
    /// If that is beyond the last instant that can be written.
    pub fn advance(&self, step: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add(step).expect("tests stay within the years that can be written");
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_until_it_is_moved() {
        let clock = ManualClock::starting("2026-11-25T08:00:00Z");
        let other = clock.clone();
        assert_eq!(clock.now().to_string(), "2026-11-25T08:00:00Z");
        assert_eq!(clock.now(), other.now());
        clock.advance(Duration::from_secs(90));
        assert_eq!(other.now().to_string(), "2026-11-25T08:01:30Z");
        clock.set("2025-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(other.now().to_string(), "2025-01-01T00:00:00Z");
    }
}
