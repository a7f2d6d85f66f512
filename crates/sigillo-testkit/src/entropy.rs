//! Randomness that is the same in every run.

use std::sync::{Mutex, PoisonError};

use sigillo_model::Entropy;

/// Random bytes that follow from a seed: the output of BLAKE3, read on and on.
///
/// In one process the same calls in the same order give the same bytes. Two instances of one seed
/// draw the same names: give each process of a test its own seed.
#[derive(Debug)]
pub struct SeededEntropy {
    stream: Mutex<blake3::OutputReader>,
}

impl SeededEntropy {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("Sigillo 2026-11 testkit entropy");
        hasher.update(&seed.to_le_bytes());
        Self { stream: Mutex::new(hasher.finalize_xof()) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(entropy: &SeededEntropy, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        entropy.fill(&mut bytes);
        bytes
    }

    #[test]
    fn a_seed_gives_one_stream_however_it_is_cut() {
        let (one, two) = (SeededEntropy::new(7), SeededEntropy::new(7));
        let cut = [draw(&two, 1), draw(&two, 64), draw(&two, 35)].concat();
        assert_eq!(draw(&one, 100), cut);
        assert_ne!(draw(&one, 100), cut);
        assert_ne!(draw(&SeededEntropy::new(8), 100), cut);
    }
}
