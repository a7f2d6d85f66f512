//! Files that spell hashes joined together: they may be nodes of a hash tree.

use crate::HashFunction;

/// Tells of bytes, taken piece by piece, whether they are as long as two hashes, or more hashes in ascending
/// order.
///
/// The value of a list of hashes is the hash of the latter, what a hash-tree renewal joins is two hashes in
/// any order, and a tree of RFC 4998 does not tell
/// its leaves from its nodes: whoever cuts the path short proves such a file as if it were a data
/// object. It did exist, but nobody archived it. Source: RFC 4998 §4.2.1, §5.2.2.
#[derive(Clone, Debug)]
pub struct JoinedHashes {
    length_bytes: usize,
    /// The last whole piece, and what follows it.
    before: Vec<u8>,
    pending: Vec<u8>,
    pieces: usize,
    ascending: bool,
    bytes: u64,
}

impl JoinedHashes {
    /// Starts with no bytes, for hashes of `hash`.
    pub fn new(hash: HashFunction) -> Self {
        let length_bytes = hash.length_bytes();
        Self {
            length_bytes,
            before: Vec::new(),
            pending: Vec::new(),
            pieces: 0,
            ascending: true,
            bytes: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        while self.ascending && !bytes.is_empty() {
            let (head, rest) =
                bytes.split_at(bytes.len().min(self.length_bytes - self.pending.len()));
            self.pending.extend_from_slice(head);
            bytes = rest;
            if self.pending.len() == self.length_bytes {
                self.ascending = self.before <= self.pending;
                self.before = std::mem::take(&mut self.pending);
                self.pieces += 1;
            }
        }
    }

    /// Tells whether all bytes may be such hashes.
    pub fn finish(&self) -> bool {
        let is_joined = self.ascending && self.pending.is_empty() && self.pieces >= 2;
        is_joined || self.bytes == 2 * self.length_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_joined(parts: &[&[u8]]) -> bool {
        let mut joined = JoinedHashes::new(HashFunction::Sha256);
        for part in parts {
            joined.update(part);
        }
        joined.finish()
    }

    #[test]
    fn two_hashes_or_more_in_ascending_order_may_be_a_node() {
        let (low, high) = ([1; 32], [2; 32]);
        for (parts, wanted) in [
            (&[&low[..], &high][..], true),
            (&[&low, &low], true),
            (&[&high, &low], true),
            (&[&low], false),
            (&[], false),
            (&[&low, &high, &high[..1]], false),
            (&[&low, &high, &low], false),
            (&[&low, &low, &high], true),
        ] {
            assert_eq!(is_joined(parts), wanted, "{} parts", parts.len());
            let bytes = parts.concat();
            assert_eq!(is_joined(&[&bytes]), wanted, "at once");
            let single: Vec<&[u8]> = bytes.chunks(7).collect();
            assert_eq!(is_joined(&single), wanted, "in pieces of seven");
        }
    }
}
