//! The documents of the small world, and how violations are counted and shown.

use sigillo_model::Entropy as _;
use sigillo_simulator::{Bounds, Template, checker::Violation};
use sigillo_testkit::{Durability, SeededEntropy};

/// More than the limit above which a document is streamed into a pack of its own.
const LARGE_BYTES: usize = 9 << 20;

/// Three documents, an empty one and a large one.
pub(crate) fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let mut large = vec![0; LARGE_BYTES];
    SeededEntropy::new(7).fill(&mut large);
    vec![
        ("delibera.pdf", b"%PDF-1.7 delibera".to_vec()),
        ("fattura.xml", b"<?xml version=\"1.0\"?><fattura/>".to_vec()),
        ("niente", Vec::new()),
        ("registro.txt", vec![b'r'; 70_000]),
        ("video.mp4", large),
    ]
}

/// The same without the large one, where very many worlds are needed.
pub(crate) fn small_documents() -> Vec<(&'static str, Vec<u8>)> {
    let mut documents = documents();
    documents.truncate(4);
    documents
}

/// The template of a world of these documents.
pub(crate) async fn template_of(durability: Durability, documents: &[(&str, Vec<u8>)]) -> Template {
    Template::make(durability, 0, documents).await.unwrap()
}

/// Tells whether the long form of the tests was asked for.
pub(crate) fn slow() -> bool {
    std::env::var_os("SIGILLO_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// Of the last of several preemptions the long form tries those at every so-many-th step: all of them
/// would take hours.
pub(crate) const LAST_EVERY: usize = 20;

/// Returns the bounds of the short form, or of the long one.
pub(crate) fn either(short: Bounds, long: Bounds) -> Bounds {
    if slow() { long } else { short }
}

/// Counts points and what was found wrong at them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) points: u64,
    pub(crate) violations: u64,
}

impl Tally {
    /// Takes in what was found at one point; the first few are printed.
    pub(crate) fn take(&mut self, point: &str, violations: &[Violation]) {
        self.points += 1;
        for violation in violations {
            self.violations += 1;
            if self.violations <= 20 {
                println!("VIOLATION at {point}: {violation}");
            }
        }
    }

    /// Prints both numbers and fails if anything was wrong.
    pub(crate) fn finish(&self, what: &str) {
        println!("{what}: {} points, {} violations", self.points, self.violations);
        assert!(self.points > 0, "nothing was tried");
        assert_eq!(self.violations, 0, "{what}");
    }
}
