//! How fast work goes and how long it will take yet, estimated from how far it was at some times.

use std::{collections::VecDeque, time::Duration};

/// The pace is that of so long: it forgets how fast an earlier part of the work was, and evens out
/// that work is done in pieces.
const WINDOW: Duration = Duration::from_secs(10);

/// How far work was at more times is not kept; later ones take the place of the last.
const SAMPLES_MAX: usize = 256;

/// Samples closer to each other are taken for one.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// What is known of the pace of some work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// Times since the work began and how much was done, in order. The first is at or before the
    /// beginning of the window, if there is one that old.
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Notes how much is done at a time since the work began. Neither may go back.
    pub(crate) fn note(&mut self, at: Duration, done: u64) {
        if self.samples.is_empty() {
            self.samples.push_back((Duration::ZERO, 0));
        }
        let is_close = |last: &(Duration, u64)| at.saturating_sub(last.0) < SAMPLE_EVERY;
        // The beginning itself stays.
        let replaces = self.samples.len() > 1 && self.samples.back().is_some_and(is_close);
        if replaces || self.samples.len() == SAMPLES_MAX {
            self.samples.pop_back();
        }
        self.samples.push_back((at, done));
        while self.samples.get(1).is_some_and(|second| second.0 + WINDOW <= at) {
            self.samples.pop_front();
        }
    }

    /// Returns how much is done in a second, of late; nothing where nothing was.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let ((began, before), (at, done)) = (*self.samples.front()?, *self.samples.back()?);
        let seconds = at.checked_sub(began)?.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let amount = done.saturating_sub(before) as f64;
        (seconds > 0.0 && amount > 0.0).then(|| amount / seconds)
    }

    /// Returns how long the rest will take, if it goes on like this.
    pub(crate) fn left(&self, total: u64) -> Option<Duration> {
        let done = self.samples.back()?.1;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rest = total.checked_sub(done).filter(|rest| *rest > 0)? as f64;
        Duration::try_from_secs_f64(rest / self.per_second()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the program looks.
    const LOOK_EVERY_MS: u64 = 200;

    /// Lets work go at `rate(second)` units a second until `total` is done, and compares the time
    /// that was foretold at each look with what it took.
    #[track_caller]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "small numbers"
    )]
    #[expect(clippy::cast_sign_loss, reason = "work only grows")]
    fn check(total: u64, rate: impl Fn(f64) -> f64, in_pieces_of: u64, from: f64, to: f64) {
        let mut states = Vec::new();
        let (mut done, mut pace) = (0.0, Pace::default());
        let mut at = Duration::ZERO;
        while done < total as f64 {
            at += Duration::from_millis(LOOK_EVERY_MS);
            done += rate(at.as_secs_f64()) * 0.001 * LOOK_EVERY_MS as f64;
            let told = (done as u64).min(total) / in_pieces_of * in_pieces_of;
            pace.note(at, told);
            states.push((at, pace.left(total)));
        }
        let mut judged = 0;
        for (now, left) in states {
            let truly = at.saturating_sub(now).as_secs_f64();
            // The last pieces are neither here nor there.
            if (from..to).contains(&now.as_secs_f64()) && truly > 5.0 {
                let left = left.unwrap_or_default().as_secs_f64();
                let error = (left - truly).abs() / truly;
                assert!(error < 0.2, "at {now:?}: {left:.1} s left, truly {truly:.1} s");
                judged += 1;
            }
        }
        assert!(judged > 50, "only {judged} estimates were judged");
    }

    #[test]
    fn steady_work_is_foretold_within_a_fifth_after_ten_seconds() {
        check(60_000, |_| 1000.0, 1, 10.0, 60.0);
        check(6_000, |_| 1.7, 1, 10.0, 3600.0);
    }

    #[test]
    fn steady_work_in_pieces_is_foretold_as_well() {
        check(600_000, |_| 1000.0, 1000, 10.0, 580.0);
    }

    #[test]
    fn work_that_shakes_is_foretold_as_well() {
        let shaking = |second: f64| 1000.0 + 600.0 * (second * 5.0).sin();
        check(60_000, shaking, 1, 10.0, 50.0);
    }

    #[test]
    fn ten_seconds_after_it_changed_its_pace_work_is_foretold_anew() {
        // Files that are known go fast, new ones slowly, and the other way about.
        let slower = |second: f64| if second < 20.0 { 5000.0 } else { 500.0 };
        check(140_000, slower, 1, 30.2, 90.0);
        let faster = |second: f64| if second < 20.0 { 500.0 } else { 2000.0 };
        check(130_000, faster, 1, 30.2, 75.0);
    }

    #[test]
    fn nothing_is_foretold_of_work_that_stands_still() {
        let mut pace = Pace::default();
        assert_eq!((pace.per_second(), pace.left(10)), (None, None));
        pace.note(Duration::from_secs(1), 0);
        assert_eq!(pace.left(10), None);
        pace.note(Duration::from_secs(2), 2);
        assert_eq!(pace.left(10), Some(Duration::from_secs(8)));
        assert_eq!(pace.left(2), None);
        pace.note(Duration::from_secs(13), 2);
        assert_eq!(pace.per_second(), None);
    }

    #[test]
    fn the_samples_are_bounded() {
        let mut pace = Pace::default();
        for millis in 0..100_000 {
            pace.note(Duration::from_millis(millis), millis);
            assert!(pace.samples.len() <= SAMPLES_MAX);
        }
        let rate = pace.per_second().expect("it moved");
        assert!((990.0..1010.0).contains(&rate), "{rate}");
    }
}
