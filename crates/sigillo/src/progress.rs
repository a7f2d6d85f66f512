//! Showing how far long work is: a bar on a terminal, a sentence every ten seconds elsewhere.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    cli::ProgressMode,
    output::{Output, grouped, size_text},
    pace::Pace,
};

/// How often it is looked how far the work is, and a bar is drawn.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often a sentence is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How a bar is drawn once it is known how much there is to do, and before.
const WITH_TOTAL: &str = "[{bar:24}] {percent:>3} %  {msg}";
const WITHOUT_TOTAL: &str = "{spinner} {msg}";

/// How far some work is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) done: u64,
    /// How much there is to do, as far as that is known; 0 if it is not.
    pub(crate) total: u64,
    pub(crate) bytes: u64,
}

/// What is being done, and in which unit it is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// As it begins a sentence: "Archived".
    pub(crate) verb: &'static str,
    /// What is counted: "documents", or "bytes".
    pub(crate) unit: &'static str,
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub(crate) struct Shown {
    ended: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
}

impl Shown {
    /// Shows what `count` says, again and again.
    pub(crate) fn begin(
        mode: ProgressMode,
        output: Output,
        work: Work,
        count: impl Fn() -> Count + Send + 'static,
    ) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let on_terminal = mode == ProgressMode::Auto && std::io::stderr().is_terminal();
        let bar = on_terminal.then(bar);
        if mode != ProgressMode::None {
            let (ended, bar) = (Arc::clone(&ended), bar.clone());
            tokio::spawn(async move {
                let began = tokio::time::Instant::now();
                let (mut pace, mut of_bytes) = (Pace::default(), Pace::default());
                let mut said = Duration::ZERO;
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let (count, elapsed) = (count(), began.elapsed());
                    pace.note(elapsed, count.done);
                    of_bytes.note(elapsed, count.bytes);
                    if let Some(bar) = &bar {
                        draw(bar, count, sentence(work, count, (&pace, &of_bytes)));
                    } else if elapsed.saturating_sub(said) >= SAY_EVERY {
                        said = elapsed;
                        output.say(&sentence(work, count, (&pace, &of_bytes)));
                    }
                }
            });
        }
        Self { ended, bar }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    style(&bar, WITHOUT_TOTAL);
    bar.enable_steady_tick(LOOK_EVERY);
    bar
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

fn draw(bar: &ProgressBar, count: Count, text: String) {
    if count.total > 0 {
        if bar.length().is_none() {
            style(bar, WITH_TOTAL);
        }
        bar.set_length(count.total);
        bar.set_position(count.done.min(count.total));
    }
    bar.set_message(text);
}

/// Says how far it is, how fast it goes, and how long it will take yet. While one large thing is
/// under way, its bytes tell how fast.
fn sentence(work: Work, count: Count, (pace, of_bytes): (&Pace, &Pace)) -> String {
    let amount = |number| match work.unit {
        "bytes" => size_text(number),
        _ => grouped(number),
    };
    let (unit, bytes) = match work.unit {
        "bytes" => (String::new(), String::new()),
        unit if count.bytes > 0 => (format!(" {unit}"), format!(", {}", size_text(count.bytes))),
        unit => (format!(" {unit}"), String::new()),
    };
    let of = if count.total > 0 { format!(" of {}", amount(count.total)) } else { String::new() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let rate = match (pace.per_second(), of_bytes.per_second()) {
        (Some(rate), _) if rate < 10.0 && work.unit != "bytes" => format!(", {rate:.1}/s"),
        (Some(rate), _) => format!(", {}/s", amount(rate as u64)),
        (None, Some(rate)) => format!(", {}/s", size_text(rate as u64)),
        (None, None) => ", nothing in the last seconds".to_owned(),
    };
    let left = pace.left(count.total);
    let left = left.map_or_else(String::new, |left| format!(", about {} left", span_text(left)));
    format!("{} {}{of}{unit}{bytes}{rate}{left}", work.verb, amount(count.done))
}

/// Puts a span into words that fit how well it is known.
fn span_text(span: Duration) -> String {
    let seconds = span.as_secs().max(1);
    match seconds {
        1..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", seconds.div_ceil(60)),
        5400..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(samples: &[(u64, u64)]) -> Pace {
        let mut pace = Pace::default();
        for (second, done) in samples {
            pace.note(Duration::from_secs(*second), *done);
        }
        pace
    }

    #[test]
    fn a_sentence_tells_amount_rate_and_time_left() {
        let work = Work { verb: "Archived", unit: "documents" };
        let count = Count { done: 1000, total: 4000, bytes: 1 << 20 };
        assert_eq!(
            sentence(work, count, (&pace(&[(10, 1000)]), &Pace::default())),
            "Archived 1 000 of 4 000 documents, 1.0 MiB, 100/s, about 30 s left"
        );
        let count = Count { done: 20, total: 400, bytes: 0 };
        assert_eq!(
            sentence(work, count, (&pace(&[(10, 20)]), &Pace::default())),
            "Archived 20 of 400 documents, 2.0/s, about 4 min left"
        );
    }

    #[test]
    fn a_sentence_about_bytes_or_without_a_total_says_less() {
        let work = Work { verb: "Read", unit: "bytes" };
        let count = Count { done: 10 << 20, total: 30 << 20, bytes: 0 };
        assert_eq!(
            sentence(work, count, (&pace(&[(10, 10 << 20)]), &Pace::default())),
            "Read 10.0 MiB of 30.0 MiB, 1.0 MiB/s, about 20 s left"
        );
        let nothing = Count::default();
        assert_eq!(
            sentence(work, nothing, (&pace(&[(1, 0)]), &Pace::default())),
            "Read 0 bytes, nothing in the last seconds"
        );
    }

    #[test]
    fn one_large_document_is_told_by_its_bytes() {
        let work = Work { verb: "Archived", unit: "documents" };
        let count = Count { done: 0, total: 1, bytes: 4000 << 20 };
        assert_eq!(
            sentence(work, count, (&pace(&[(10, 0)]), &pace(&[(8, 3000 << 20), (10, 4000 << 20)]))),
            "Archived 0 of 1 documents, 3.9 GiB, 400.0 MiB/s"
        );
    }

    #[test]
    fn spans_are_told_as_exactly_as_they_are_known() {
        for (seconds, said) in [
            (0, "1 s"),
            (89, "89 s"),
            (90, "2 min"),
            (5399, "90 min"),
            (5400, "1 h 30 min"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span_text(Duration::from_secs(seconds)), said);
        }
    }
}
