//! `sigillo verify --sample`: what a seed is made of, and what a sample of documents tells.

use std::path::Path;

use serde_json::{Value, json};

use sigillo_custody::{SampleReport, SampleSeed};
use sigillo_ers::TOKEN_BYTES_MAX;
use sigillo_evidence_log::{Archive, AuditKnowledge};
use sigillo_merkle::{NOTE_BYTES_MAX, VerifierKey};
use sigillo_model::ErrorKind;
use sigillo_proof::{SeedError, detection_ppm, smallest_found};

use crate::{
    commands::log_ended::told_of_unsigned,
    error::CommandError,
    output::{counted, grouped, visible},
    places::read_beginning,
};

/// What stands between text and signatures of a note, and not in a token.
const NOTE_BLANK_LINE: &[u8] = b"\n\n\xe2\x80\x94 ";

/// Shares of damaged documents that the chance is told for, one in so many.
const SHARES: [u64; 4] = [1_000, 200, 100, 20];

/// Reads what draws the sample.
pub(crate) async fn seed_of(
    file: &Path,
    witnesses: &[String],
    archive: &Archive,
    knowledge: &AuditKnowledge,
) -> Result<SampleSeed, CommandError> {
    let bytes = read_beginning(file, NOTE_BYTES_MAX.max(TOKEN_BYTES_MAX) as u64)?;
    let is_note = bytes.windows(NOTE_BLANK_LINE.len()).any(|window| window == NOTE_BLANK_LINE);
    let refused = |error: &SeedError| {
        let words = format!("{} cannot draw a sample: {error}", file.display());
        CommandError::new(ErrorKind::Invalid, words).hint(
            "give a checkpoint of this archive's log, as `sigillo log checkpoint` printed it, or a \
             time-stamp token (RFC 3161), as those in sealings/…/lines of an archive",
        )
    };
    let keys = witnesses.iter().map(|key| {
        VerifierKey::parse(key).map_err(|error| {
            CommandError::usage(format!("{:?} is no key of a witness: {error}", visible(key)))
        })
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if is_note {
        let seed = SampleSeed::of_checkpoint(&bytes, &archive.key_of(&bytes).await?, &keys);
        return seed.map_err(|error| told_of_unsigned(refused(&error), archive, &bytes));
    }
    if !keys.is_empty() {
        return Err(CommandError::usage("only a checkpoint has witnesses")
            .hint("leave --witness out, or name a checkpoint that they cosigned"));
    }
    SampleSeed::of_token(&bytes, &knowledge.anchors).map_err(|error| refused(&error))
}

/// Says what a sample finds, as far as nobody steered it.
pub(crate) fn sample_text(sample: &SampleReport) -> String {
    let (population, drawn) = (sample.population, sample.drawn.len() as u64);
    let mut text = format!(
        "  sample: {} of {}, drawn by the seed {}\n",
        grouped(drawn),
        counted(population, "document"),
        sample.seed
    );
    for (damaged, ppm) in chances(sample) {
        text.push_str(&format!(
            "  if {} of them were damaged, such a sample would find one or more with {} %\n",
            grouped(damaged),
            percent(ppm)
        ));
    }
    if let Some(smallest) = smallest_found(population, drawn) {
        text.push_str(&format!(
            "  found with 95 % or more: {} damaged, {} % of all\n",
            counted(smallest, "document"),
            percent(share_ppm(smallest, population))
        ));
    }
    text
}

pub(crate) fn sample_json(sample: &SampleReport) -> Value {
    let drawn = sample.drawn.len() as u64;
    let smallest = smallest_found(sample.population, drawn);
    json!({
        "chances": chances(sample).iter().map(|(damaged, ppm)| json!({
            "damaged": damaged, "found_ppm": ppm,
        })).collect::<Vec<_>>(),
        "documents_good": sample.good,
        "drawn": sample.drawn.iter().map(|(place, version)| json!({
            "place": place, "version": version,
        })).collect::<Vec<_>>(),
        "later": sample.later,
        "population": sample.population,
        "seed": sample.seed,
        "smallest_found": smallest,
    })
}

/// Returns numbers of damaged documents, rising, with the chance that the sample finds one of them,
/// in millionths.
fn chances(sample: &SampleReport) -> Vec<(u64, u64)> {
    let (population, drawn) = (sample.population, sample.drawn.len() as u64);
    if population == 0 {
        return Vec::new();
    }
    let mut damaged: Vec<_> = SHARES.iter().map(|share| population.div_ceil(*share)).collect();
    damaged.insert(0, 1);
    damaged.dedup();
    damaged.iter().map(|it| (*it, detection_ppm(population, *it, drawn))).collect()
}

fn share_ppm(part: u64, whole: u64) -> u64 {
    let ppm = u128::from(part) * 1_000_000 / u128::from(whole.max(1));
    u64::try_from(ppm).unwrap_or(u64::MAX)
}

/// Spells millionths as a percentage with two decimals, cut down.
fn percent(ppm: u64) -> String {
    format!("{}.{:02}", ppm / 10_000, ppm / 100 % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_spelt_as_a_percentage_and_never_rounded_up() {
        assert_eq!(percent(1_000_000), "100.00");
        assert_eq!(percent(949_999), "94.99");
        assert_eq!(percent(99), "0.00");
        assert_eq!(share_ppm(1, 3), 333_333);
        assert_eq!(share_ppm(0, 0), 0);
    }
}
