//! Chains of archive time-stamps as a sealing has them: the same for all that it covers, but for the
//! lists that lead from each object to the sealing.

use sigillo_model::{EvidenceDigest, Sha512Digest};

use crate::{
    HashFunction,
    record::{StampParts, write_chain, write_sequence},
};

/// The time-stamps of one chain, with what is the same for all objects under them.
#[derive(Clone, Debug)]
pub struct ChainStamps<'a> {
    hash: HashFunction,
    /// The siblings above what the objects have of their own, then the token of the first.
    first: (Vec<Vec<u8>>, &'a [u8]),
    newer: Vec<Newer<'a>>,
}

/// What came after the first time-stamp.
#[derive(Clone, Debug)]
enum Newer<'a> {
    /// The siblings above the digests of the older tokens, and the token.
    Renewal(Vec<Vec<u8>>, &'a [u8]),
    /// One that is lost, by its digest: later ones name it.
    Lost(Vec<u8>),
}

impl<'a> ChainStamps<'a> {
    /// Begins a chain; `path` are the siblings that objects have in common.
    pub fn new<D: Into<EvidenceDigest> + Copy>(
        hash: HashFunction,
        path: &[D],
        token: &'a [u8],
    ) -> Self {
        Self { hash, first: (siblings(path), token), newer: Vec::new() }
    }

    /// Adds a renewal; `path` are the siblings from the value of all older tokens of the chain up to
    /// what its token covers. Source: RFC 4998 §5.2.
    pub fn renew<D: Into<EvidenceDigest> + Copy>(&mut self, path: &[D], token: &'a [u8]) {
        self.newer.push(Newer::Renewal(siblings(path), token));
    }

    /// Leaves out a renewal whose token is lost: those after it name it by its digest.
    pub fn lose(&mut self, digest: EvidenceDigest) {
        self.newer.push(Newer::Lost(digest.as_bytes().to_vec()));
    }

    /// Writes the chain of one object; `lists` lead from it up to where the siblings that objects have
    /// in common begin.
    pub fn write(&self, mut lists: Vec<Vec<Vec<u8>>>) -> Vec<u8> {
        let (hash, (path, token)) = (self.hash, &self.first);
        lists.extend(path.iter().map(|sibling| vec![sibling.clone()]));
        let mut stamps = vec![StampParts { hash, lists, token }];
        let mut older = vec![hash.digest(token)];
        for newer in &self.newer {
            match newer {
                Newer::Renewal(path, token) => {
                    let alone = path.iter().map(|sibling| vec![sibling.clone()]);
                    let lists = std::iter::once(older.clone()).chain(alone).collect();
                    stamps.push(StampParts { hash, lists, token });
                    older.push(hash.digest(token));
                }
                Newer::Lost(digest) => older.push(digest.clone()),
            }
        }
        write_chain(&stamps)
    }
}

fn siblings<D: Into<EvidenceDigest> + Copy>(path: &[D]) -> Vec<Vec<u8>> {
    path.iter().map(|sibling| (*sibling).into().as_bytes().to_vec()).collect()
}

/// Returns the first list of a chain of SHA-512 over a group of objects: for each of them the hash of
/// its digest and of that of all older chains, each as [`ChainStamps::write`] wrote it. Source: RFC 4998
/// §5.2 step 4, unsorted.
pub fn rehashed_group(digests: &[Sha512Digest], chains: &[&[u8]]) -> Vec<Sha512Digest> {
    let sequence = Sha512Digest::of(&write_sequence(chains));
    let joined = |digest: &Sha512Digest| {
        Sha512Digest::of_parts([&digest.as_bytes()[..], &sequence.as_bytes()[..]])
    };
    digests.iter().map(joined).collect()
}
