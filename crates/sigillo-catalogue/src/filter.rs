//! A filter that says of most keys which a run does not have that it does not have them.

use sigillo_model::Sha256Digest;

/// Length of a line: the part of the filter that one key touches.
pub(crate) const LINE_BYTES: usize = 64;

const BITS_PER_KEY: u64 = 12;
const BITS_SET: usize = 7;

/// A Bloom filter whose bits for a key all lie in one cache line (Putze, Sanders, Singler 2007).
///
/// Keys are SHA-256 digests, so their own bits serve as the hash: bytes 8 to 15 choose the line,
/// bytes 16 to 31 the bits. Fewer than 1 % of absent keys pass.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    /// Returns the length of the filter of a run, in bytes.
    pub(crate) fn length_bytes(keys: u64) -> u64 {
        (keys * BITS_PER_KEY).div_ceil(8 * LINE_BYTES as u64) * LINE_BYTES as u64
    }

    /// Takes the bytes of a filter, whose length is a multiple of [`LINE_BYTES`] and not zero.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn insert(&mut self, key: &[u8; Sha256Digest::LENGTH_BYTES]) {
        let line = self.line_of(key);
        for bit in bits_of(key) {
            self.bytes[line + bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Tells whether a key may have been inserted; never denies one that was.
    pub(crate) fn may_have(&self, key: &[u8; Sha256Digest::LENGTH_BYTES]) -> bool {
        let line = &self.bytes[self.line_of(key)..][..LINE_BYTES];
        bits_of(key).all(|bit| line[bit / 8] & (1 << (bit % 8)) != 0)
    }

    fn line_of(&self, key: &[u8; Sha256Digest::LENGTH_BYTES]) -> usize {
        let hash = u128::from(number_at(key, 8));
        let lines = self.bytes.len() / LINE_BYTES;
        let line = (hash * lines as u128) >> 64;
        usize::try_from(line).expect("it is less than the number of lines") * LINE_BYTES
    }
}

fn bits_of(key: &[u8; Sha256Digest::LENGTH_BYTES]) -> impl Iterator<Item = usize> {
    let (mut low, mut high) = (number_at(key, 16), number_at(key, 24));
    (0..BITS_SET).map(move |at| {
        let source = if at % 2 == 0 { &mut low } else { &mut high };
        let bit = *source & 511;
        *source >>= 9;
        usize::try_from(bit).expect("it is less than 512")
    })
}

fn number_at(key: &[u8; Sha256Digest::LENGTH_BYTES], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&key[at..at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inserted_key_passes_and_few_others_do() {
        let key = |number: u32| *Sha256Digest::of(&number.to_be_bytes()).as_bytes();
        let length = usize::try_from(Filter::length_bytes(10_000)).unwrap();
        let mut filter = Filter::from_bytes(vec![0; length]);
        (0..10_000).for_each(|number| filter.insert(&key(number)));
        assert!((0..10_000).all(|number| filter.may_have(&key(number))));
        let passed = (10_000..110_000).filter(|&number| filter.may_have(&key(number))).count();
        assert!(passed < 1000, "{passed} of 100,000 absent keys passed");
        assert!(passed > 0, "a filter of 12 bits a key cannot be perfect");
    }
}
