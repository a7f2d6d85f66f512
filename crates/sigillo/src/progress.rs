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
};

/// How often a bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// How often a sentence is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

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
            let every = if on_terminal { DRAW_EVERY } else { SAY_EVERY };
            tokio::spawn(async move {
                let began = tokio::time::Instant::now();
                loop {
                    tokio::time::sleep(every).await;
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let text = sentence(work, count(), began.elapsed());
                    match &bar {
                        Some(bar) => bar.set_message(text),
                        None => output.say(&text),
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
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(DRAW_EVERY);
    bar
}

/// Says how far it is, how fast, and how long it will take yet.
fn sentence(work: Work, count: Count, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs().max(1);
    let amount = |number| match work.unit {
        "bytes" => size_text(number),
        unit => format!("{} {unit}", grouped(number)),
    };
    let of = if count.total > 0 { format!(" of {}", amount(count.total)) } else { String::new() };
    let bytes = match work.unit {
        "bytes" => String::new(),
        _ => format!(", {}", size_text(count.bytes)),
    };
    let rate = format!(", {}/s", amount(count.done / seconds));
    let left = match (count.total.checked_sub(count.done), count.done) {
        (Some(left), done) if done > 0 && left > 0 => {
            let millis = u128::from(left) * elapsed.as_millis() / u128::from(done);
            format!(", about {} s left", millis.div_ceil(1000))
        }
        _ => String::new(),
    };
    format!("{} {}{of}{bytes}{rate}{left}", work.verb, amount(count.done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_tells_amount_rate_and_time_left() {
        let work = Work { verb: "Archived", unit: "documents" };
        let count = Count { done: 1000, total: 4000, bytes: 1 << 20 };
        assert_eq!(
            sentence(work, count, Duration::from_secs(10)),
            "Archived 1 000 documents of 4 000 documents, 1.0 MiB, 100 documents/s, about 30 s left"
        );
        let work = Work { verb: "Read", unit: "bytes" };
        let count = Count { done: 0, total: 0, bytes: 0 };
        assert_eq!(sentence(work, count, Duration::from_secs(1)), "Read 0 bytes, 0 bytes/s");
    }
}
