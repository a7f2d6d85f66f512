//! Samples that nobody can steer: what a seed is, which documents it draws, what that finds.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use sigillo_ers::{DrawnToken, TokenError, TrustAnchors, draw_from_token};
use sigillo_merkle::{
    Checkpoint, CheckpointError, CosignedAt, NoteError, NoteSignature, SignedNote, VerifierKey,
};
use sigillo_model::{JSON_INTEGER_MAX, Sha256Digest};

/// Most documents in one sample.
pub const SAMPLE_DOCUMENTS_MAX: u64 = 100_000;

/// Most witnesses whose cosignatures are looked for.
pub const SAMPLE_WITNESSES_MAX: usize = 32;

/// A sample finds what it finds with at least this chance, in millionths, where one is spoken of.
pub const DETECTION_SHARE_PPM: u64 = 950_000;

/// Everything, in millionths.
const WHOLE_PPM: u64 = 1_000_000;

/// What is hashed before a checkpoint.
const CHECKPOINT_PREFIX: &[u8] = b"sigillo.sample/1 checkpoint\n";

/// What is hashed before a token.
const TOKEN_PREFIX: &[u8] = b"sigillo.sample/1 token\n";

/// A seed made of a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckpointSeed {
    /// The seed.
    pub seed: Sha256Digest,
    /// What the checkpoint states.
    pub checkpoint: Checkpoint,
    /// The witnesses whose cosignatures are in the seed, by name, and when each says it saw it.
    pub witnesses: Vec<(String, CosignedAt)>,
}

/// A seed made of a time-stamp token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSeed {
    /// The seed.
    pub seed: Sha256Digest,
    /// What the token says.
    pub token: DrawnToken,
}

/// Why something is no seed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// What is signed is no checkpoint.
    #[error("what is signed is no checkpoint: {0}")]
    Checkpoint(CheckpointError),
    /// A key is none of a witness.
    #[error("the key {name} is not that of a witness")]
    NoWitness {
        /// Its name.
        name: String,
    },
    /// It is no note, or not signed as it must be.
    #[error("{0}")]
    Note(NoteError),
    /// It is the checkpoint of another log.
    #[error("it is not the checkpoint of this log")]
    OtherLog,
    /// It is no token, or one that does not verify.
    #[error("{0}")]
    Token(TokenError),
    /// There are more witnesses than are looked for.
    #[error("{count} witnesses are named, more than {SAMPLE_WITNESSES_MAX}")]
    TooManyWitnesses {
        /// How many are named.
        count: usize,
    },
    /// A witness that was named did not cosign.
    #[error("it bears no cosignature of {name}")]
    Uncosigned {
        /// Its name.
        name: String,
    },
}

/// Makes a seed of a checkpoint that bears the signature of `log` and, each, of `witnesses`.
///
/// Other signatures are passed over: whoever hands on the file could add any. The seed is the
/// SHA-256 of a prefix, the checkpoint's text and the signature lines of the witnesses, sorted.
/// Source: `docs/format.md`, "Samples".
///
/// # Errors
///
/// [`SeedError`] if a signature is missing or wrong, or it is the checkpoint of another log.
pub fn checkpoint_seed(
    note: &[u8],
    log: &VerifierKey,
    witnesses: &[VerifierKey],
) -> Result<CheckpointSeed, SeedError> {
    if witnesses.len() > SAMPLE_WITNESSES_MAX {
        return Err(SeedError::TooManyWitnesses { count: witnesses.len() });
    }
    let note = SignedNote::parse(note).map_err(SeedError::Note)?;
    note.verify(std::slice::from_ref(log)).map_err(SeedError::Note)?;
    let checkpoint = Checkpoint::parse_strict(&note.text).map_err(SeedError::Checkpoint)?;
    if checkpoint.origin != log.name() {
        return Err(SeedError::OtherLog);
    }
    let (mut lines, mut cosigned) = (BTreeSet::new(), Vec::new());
    for witness in witnesses {
        let name = witness.name().to_owned();
        if !witness.is_cosigner() {
            return Err(SeedError::NoWitness { name });
        }
        let verified = match note.verify(std::slice::from_ref(witness)) {
            Err(NoteError::NoKnownSignature) => return Err(SeedError::Uncosigned { name }),
            verified => verified.map_err(SeedError::Note)?,
        };
        // One key was asked about, so there is one answer.
        for it in verified {
            if lines.insert(line_of(&note.signatures[it.signature_index])) {
                cosigned.extend(it.cosigned_at.map(|at| (name.clone(), at)));
            }
        }
    }
    let text = [CHECKPOINT_PREFIX, note.text.as_bytes()].concat();
    let lines: Vec<u8> = lines.into_iter().flat_map(String::into_bytes).collect();
    let seed = Sha256Digest::of(&[text, lines].concat());
    Ok(CheckpointSeed { seed, checkpoint, witnesses: cosigned })
}

fn line_of(signature: &NoteSignature) -> String {
    let encoded = STANDARD.encode([&signature.id[..], &signature.signature].concat());
    format!("\u{2014} {} {encoded}\n", signature.name)
}

/// Makes a seed of a time-stamp token, whatever it is over.
///
/// The seed is the SHA-256 of a prefix, the `TSTInfo` that was signed, and of its signature what
/// nobody else could have chosen; certificates and unsigned attributes, which whoever hands on the
/// token could change, are not in it. Source: `docs/format.md`, "Samples".
///
/// # Errors
///
/// [`SeedError::Token`] if the token does not verify.
pub fn token_seed(raw: &[u8], anchors: &TrustAnchors) -> Result<TokenSeed, SeedError> {
    let token = draw_from_token(raw, anchors).map_err(SeedError::Token)?;
    let hashed = [TOKEN_PREFIX, &token.content, &token.unforeseen].concat();
    Ok(TokenSeed { seed: Sha256Digest::of(&hashed), token })
}

/// Draws `count` different documents of `population`, by their places in log order from 0; all of
/// them if there are no more. The places are sorted. `count` is cut to [`SAMPLE_DOCUMENTS_MAX`].
///
/// Word i is the first 8 bytes, big-endian, of SHA-256(seed ‖ i as 8 bytes, big-endian), i = 0, 1, …
/// A word not below the largest multiple of `population` that 64 bits hold is passed over; of the
/// others the remainder by `population` is a place, unless it was drawn before. So every set of
/// places is as likely as any other. Source: `docs/format.md`, "Samples".
pub fn draw_sample(seed: Sha256Digest, population: u64, count: u64) -> Vec<u64> {
    let count = count.min(SAMPLE_DOCUMENTS_MAX);
    if count >= population {
        return (0..population).collect();
    }
    // 2^64 mod population, of which 64 bits hold one less.
    let rest = (u64::MAX % population + 1) % population;
    let mut places = BTreeSet::new();
    let mut words = (0_u64..).map(|number| word(seed, number));
    while (places.len() as u64) < count {
        let Some(word) = words.next() else { break };
        if word <= u64::MAX - rest {
            places.insert(word % population);
        }
    }
    places.into_iter().collect()
}

fn word(seed: Sha256Digest, number: u64) -> u64 {
    let hash = Sha256Digest::of(&[&seed.as_bytes()[..], &number.to_be_bytes()].concat());
    let bytes = hash.as_bytes().first_chunk().expect("a digest has 32 bytes");
    u64::from_be_bytes(*bytes)
}

/// Returns the chance, in millionths cut down, that a sample of `count` finds at least one of
/// `damaged` documents among `population`, if nobody could steer it.
///
/// 1 − C(population − damaged, count) / C(population, count), hypergeometric, in whole numbers: no
/// further than 10⁻¹⁴ from the exact chance. Takes the smaller of `count` and `damaged` steps.
pub fn detection_ppm(population: u64, damaged: u64, count: u64) -> u64 {
    let population = population.min(JSON_INTEGER_MAX);
    let (damaged, count) = (damaged.min(population), count.min(population));
    if damaged > population - count {
        return WHOLE_PPM;
    }
    let (fewer, more) = (damaged.min(count), damaged.max(count));
    let mut missed: u128 = 1 << 64;
    for step in 0..fewer {
        let (left, of) = (population - more - step, population - step);
        missed = missed * u128::from(left) / u128::from(of);
    }
    // What is missed is cut down by less than one at each step, so what is found is not.
    let found = (1 << 64) - missed;
    u64::try_from((found * u128::from(WHOLE_PPM)) >> 64).unwrap_or(WHOLE_PPM)
}

/// Returns the smallest number of damaged documents among `population` of which a sample of `count`
/// finds at least one with a chance of [`DETECTION_SHARE_PPM`]; none if there is no such number.
pub fn smallest_found(population: u64, count: u64) -> Option<u64> {
    let finds = |damaged| detection_ppm(population, damaged, count) >= DETECTION_SHARE_PPM;
    let (mut low, mut high) = (1, population);
    if high == 0 || !finds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if finds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}
