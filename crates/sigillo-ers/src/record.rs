//! Evidence records of RFC 4998: read as slices, and written.

use crate::{
    der::{self, DerError, Element, Reader},
    hash::HashFunction,
    request::algorithm_der,
    x509::Algorithm,
};

/// Largest evidence record accepted, in bytes.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Most chains of one record: each has another hash function, or a stronger one.
pub const RECORD_CHAINS_MAX: usize = 32;
/// Most time-stamps of one record, in all its chains. One a year is plenty.
pub const RECORD_STAMPS_MAX: usize = 1_000;
/// Most lists of one reduced hash tree: it is as deep as there are lists.
pub const RECORD_LISTS_MAX: usize = 1_000;
/// Most hashes of one record.
pub const RECORD_HASHES_MAX: usize = 200_000;
/// Most hash functions that a record lists.
pub(crate) const RECORD_ALGORITHMS_MAX: usize = 64;
/// Most DER elements of one record: tokens bring certificates and revocation lists.
const RECORD_ELEMENTS_MAX: usize = 2_000_000;

/// A record cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecordError {
    /// Its data were encrypted before they were hashed, which nothing here can follow.
    #[error("the evidence record has encryption information, which is not supported")]
    Encrypted,
    /// Not DER, or not an evidence record.
    #[error("the evidence record is malformed: {what}")]
    Malformed {
        /// What was wrong or being read.
        what: &'static str,
    },
    /// Larger than [`RECORD_BYTES_MAX`].
    #[error("the evidence record has {size_bytes} bytes, more than {RECORD_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
    },
    /// More of something than is read.
    #[error("the evidence record has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A version other than 1.
    #[error("the evidence record does not have version 1")]
    UnknownVersion,
}

impl From<DerError> for RecordError {
    fn from(error: DerError) -> Self {
        Self::Malformed { what: error.what }
    }
}

/// A hash function of a record, or the dotted OID of one that is not known here.
pub type NamedHash = Result<HashFunction, String>;

/// An evidence record that was read. Nothing of it is verified; all hashes and tokens are slices of
/// the bytes that it was read from.
#[derive(Clone, Debug)]
pub struct EvidenceRecord<'a> {
    /// The hash functions that it says it uses.
    pub hashes: Vec<NamedHash>,
    /// The list of them, as it stands in the record.
    pub(crate) hashes_raw: &'a [u8],
    /// Hints for its verification, which nothing protects and nothing here uses: all their bytes.
    pub hints: Option<&'a [u8]>,
    /// Its chains, oldest first; one at least.
    pub chains: Vec<StampChain<'a>>,
}

/// The time-stamps of one hash function, each over the one before it.
#[derive(Clone, Debug)]
pub struct StampChain<'a> {
    /// All its bytes, as the first time-stamp of the next chain covers them.
    pub raw: &'a [u8],
    /// The bytes of its time-stamps.
    content: &'a [u8],
    /// Its time-stamps, oldest first; one at least.
    pub stamps: Vec<ArchiveTimeStamp<'a>>,
}

/// An archive time-stamp: a reduced hash tree, and a token over its root.
#[derive(Clone, Debug)]
pub struct ArchiveTimeStamp<'a> {
    /// The hash function of the tree, if it is stated apart from the token.
    pub hash: Option<NamedHash>,
    /// The content of its `digestAlgorithm`, as it is spelt.
    pub(crate) hash_raw: Option<&'a [u8]>,
    /// It has attributes, which nothing here uses.
    pub has_attributes: bool,
    /// The lists of the reduced tree, from the leaf up, none empty; `None` without a tree.
    pub lists: Option<Vec<Vec<&'a [u8]>>>,
    /// The token, a `ContentInfo` with its tag and length, as the next time-stamp covers it.
    pub token: &'a [u8],
}

impl<'a> EvidenceRecord<'a> {
    /// Reads the record that `raw` is.
    ///
    /// Its outer structure has one spelling: lengths are minimal and definite, nothing follows.
    ///
    /// # Errors
    ///
    /// [`RecordError`]. Source: RFC 4998 §3.1 and §4.1.
    pub fn read(raw: &'a [u8]) -> Result<Self, RecordError> {
        if raw.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { size_bytes: raw.len() });
        }
        let whole = der::read_bounded(raw, RECORD_ELEMENTS_MAX, "an evidence record")?;
        let mut fields = whole.inside();
        if fields.expect(der::INTEGER, "a version")?.content != [1] {
            return Err(RecordError::UnknownVersion);
        }
        let listed = fields.expect(der::SEQUENCE, "the digest algorithms")?;
        let hashes = read_hashes(&listed)?;
        let hints = fields.optional(der::context(0))?.map(|hints| hints.raw);
        if fields.optional(der::context(1))?.is_some() {
            return Err(RecordError::Encrypted);
        }
        let sequence = fields.expect(der::SEQUENCE, "the archive time-stamp sequence")?;
        fields.end("an evidence record")?;

        let mut room = Room { stamps: RECORD_STAMPS_MAX, hashes: RECORD_HASHES_MAX };
        let (mut chains, mut reader) = (Vec::new(), sequence.inside());
        while let Some(chain) = reader.optional(der::SEQUENCE)? {
            if chains.len() == RECORD_CHAINS_MAX {
                return Err(RecordError::TooMany { what: "chains", max: RECORD_CHAINS_MAX });
            }
            chains.push(read_chain(&chain, &mut room)?);
        }
        reader.end("the archive time-stamp sequence")?;
        if chains.is_empty() {
            return Err(RecordError::Malformed { what: "there is no chain" });
        }
        Ok(Self { hashes, hashes_raw: listed.content, hints, chains })
    }
}

/// What there is still room for in a record.
struct Room {
    stamps: usize,
    hashes: usize,
}

fn read_hashes(list: &Element<'_>) -> Result<Vec<NamedHash>, RecordError> {
    let (mut hashes, mut reader) = (Vec::new(), list.inside());
    while let Some(algorithm) = reader.optional(der::SEQUENCE)? {
        if hashes.len() == RECORD_ALGORITHMS_MAX {
            let what = "digest algorithms";
            return Err(RecordError::TooMany { what, max: RECORD_ALGORITHMS_MAX });
        }
        hashes.push(named(&Algorithm::read(&algorithm)?));
    }
    reader.end("the digest algorithms")?;
    Ok(hashes)
}

fn named(algorithm: &Algorithm<'_>) -> NamedHash {
    HashFunction::of_algorithm(algorithm).ok_or_else(|| algorithm.oid.clone())
}

fn read_chain<'a>(chain: &Element<'a>, room: &mut Room) -> Result<StampChain<'a>, RecordError> {
    let (mut stamps, mut reader) = (Vec::new(), chain.inside());
    while let Some(stamp) = reader.optional(der::SEQUENCE)? {
        room.stamps = room
            .stamps
            .checked_sub(1)
            .ok_or(RecordError::TooMany { what: "archive time-stamps", max: RECORD_STAMPS_MAX })?;
        stamps.push(read_stamp(&stamp, room)?);
    }
    reader.end("an archive time-stamp chain")?;
    if stamps.is_empty() {
        return Err(RecordError::Malformed { what: "a chain is empty" });
    }
    Ok(StampChain { raw: chain.raw, content: chain.content, stamps })
}

fn read_stamp<'a>(
    stamp: &Element<'a>,
    room: &mut Room,
) -> Result<ArchiveTimeStamp<'a>, RecordError> {
    let mut fields = stamp.inside();
    let hash = fields.optional(der::context(0))?;
    let hash_raw = hash.map(|hash| hash.content);
    let hash = hash.map(|hash| Algorithm::read(&hash)).transpose()?;
    let has_attributes = fields.optional(der::context(1))?.is_some();
    let lists = fields.optional(der::context(2))?;
    let lists = lists.map(|lists| read_lists(&lists, room)).transpose()?;
    let token = fields.expect(der::SEQUENCE, "a time-stamp")?.raw;
    fields.end("an archive time-stamp")?;
    let hash = hash.as_ref().map(named);
    Ok(ArchiveTimeStamp { hash, hash_raw, has_attributes, lists, token })
}

fn read_lists<'a>(tree: &Element<'a>, room: &mut Room) -> Result<Vec<Vec<&'a [u8]>>, RecordError> {
    let (mut lists, mut reader) = (Vec::new(), tree.inside());
    while let Some(list) = reader.optional(der::SEQUENCE)? {
        if lists.len() == RECORD_LISTS_MAX {
            let what = "lists in a reduced hash tree";
            return Err(RecordError::TooMany { what, max: RECORD_LISTS_MAX });
        }
        lists.push(read_list(&list, room)?);
    }
    reader.end("a reduced hash tree")?;
    if lists.is_empty() {
        return Err(RecordError::Malformed { what: "a reduced hash tree is empty" });
    }
    Ok(lists)
}

fn read_list<'a>(list: &Element<'a>, room: &mut Room) -> Result<Vec<&'a [u8]>, RecordError> {
    let mut reader: Reader<'a> = list.inside();
    let mut hashes = Vec::new();
    while let Some(hash) = reader.optional(der::OCTET_STRING)? {
        let what = "hashes";
        room.hashes = room
            .hashes
            .checked_sub(1)
            .ok_or(RecordError::TooMany { what, max: RECORD_HASHES_MAX })?;
        hashes.push(hash.content);
    }
    reader.end("a list of hashes")?;
    if hashes.is_empty() {
        return Err(RecordError::Malformed { what: "a list of hashes is empty" });
    }
    Ok(hashes)
}

/// What an archive time-stamp is made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StampParts<'a> {
    /// The hash function of the tree and of the token's imprint.
    pub hash: HashFunction,
    /// The lists of the reduced tree, from the leaf up.
    pub lists: Vec<Vec<Vec<u8>>>,
    /// The token, a `ContentInfo`.
    pub token: &'a [u8],
}

/// Writes a chain of time-stamps, oldest first.
pub fn write_chain(stamps: &[StampParts<'_>]) -> Vec<u8> {
    let bare = |stamp: &StampParts<'_>| crate::request::oid_der(stamp.hash.oid());
    let stamps: Vec<Vec<u8>> = stamps.iter().map(|it| write_stamp(it, &bare(it))).collect();
    let stamps: Vec<&[u8]> = stamps.iter().map(Vec::as_slice).collect();
    der::wrap(der::SEQUENCE, &stamps)
}

/// Writes the sequence of chains, each as [`write_chain`] wrote it: what a new chain covers.
pub fn write_sequence(chains: &[&[u8]]) -> Vec<u8> {
    der::wrap(der::SEQUENCE, chains)
}

/// Writes an evidence record over chains, each as [`write_chain`] wrote it; `hashes` are the hash
/// functions of the chains, in their order. Source: RFC 4998 §3.1.
pub fn write_record(hashes: &[HashFunction], chains: &[&[u8]]) -> Vec<u8> {
    let mut listed: Vec<HashFunction> = Vec::new();
    for hash in hashes {
        if !listed.contains(hash) {
            listed.push(*hash);
        }
    }
    let listed: Vec<Vec<u8>> = listed.iter().map(|hash| algorithm_der(hash.oid())).collect();
    let listed: Vec<&[u8]> = listed.iter().map(Vec::as_slice).collect();
    der::wrap(
        der::SEQUENCE,
        &[
            &der::unsigned_integer(&[1]),
            &der::wrap(der::SEQUENCE, &listed),
            &write_sequence(chains),
        ],
    )
}

/// Writes `record` with one more time-stamp, in a chain of its own or at the end of the last one. All
/// bytes that are there stay as they are, but for lengths around them and a hash function that is
/// listed anew. `spelling` is what the algorithm of the last chain is spelt like, for others compare
/// it byte by byte; none begins a chain.
pub(crate) fn extend_record(
    record: &EvidenceRecord<'_>,
    stamp: &StampParts<'_>,
    spelling: Option<&[u8]>,
) -> Vec<u8> {
    let is_listed = record.hashes.contains(&Ok(stamp.hash));
    let listed = if is_listed { Vec::new() } else { algorithm_der(stamp.hash.oid()) };
    let mut chains: Vec<Vec<u8>> = record.chains.iter().map(|chain| chain.raw.to_vec()).collect();
    match (spelling, chains.last_mut(), record.chains.last()) {
        (Some(spelling), Some(last), Some(chain)) => {
            *last = der::wrap(der::SEQUENCE, &[chain.content, &write_stamp(stamp, spelling)]);
        }
        _ => chains.push(write_chain(std::slice::from_ref(stamp))),
    }
    let chains: Vec<&[u8]> = chains.iter().map(Vec::as_slice).collect();
    der::wrap(
        der::SEQUENCE,
        &[
            &der::unsigned_integer(&[1]),
            &der::wrap(der::SEQUENCE, &[record.hashes_raw, &listed]),
            record.hints.unwrap_or_default(),
            &write_sequence(&chains),
        ],
    )
}

/// Writes a time-stamp whose `digestAlgorithm` has the content `algorithm`.
fn write_stamp(stamp: &StampParts<'_>, algorithm: &[u8]) -> Vec<u8> {
    let algorithm = der::wrap(der::context(0), &[algorithm]);
    let mut lists = Vec::new();
    for list in &stamp.lists {
        let hashes: Vec<Vec<u8>> =
            list.iter().map(|hash| der::wrap(der::OCTET_STRING, &[hash])).collect();
        let hashes: Vec<&[u8]> = hashes.iter().map(Vec::as_slice).collect();
        lists.extend(der::wrap(der::SEQUENCE, &hashes));
    }
    let lists = if lists.is_empty() { lists } else { der::wrap(der::context(2), &[&lists]) };
    der::wrap(der::SEQUENCE, &[&algorithm, &lists, stamp.token])
}

#[cfg(test)]
mod tests {
    use crate::asn1::SIGNED_DATA;

    use super::*;

    fn token() -> Vec<u8> {
        let oid = crate::request::oid_der(SIGNED_DATA);
        der::wrap(der::SEQUENCE, &[&oid, &der::wrap(der::context(0), &[])])
    }

    fn record(lists: Vec<Vec<Vec<u8>>>) -> Vec<u8> {
        let token = token();
        let stamp = StampParts { hash: HashFunction::Sha256, lists, token: &token };
        let chain = write_chain(&[stamp]);
        write_record(&[HashFunction::Sha256], &[&chain])
    }

    #[test]
    fn a_record_is_read_back() {
        let lists = vec![vec![vec![1; 32], vec![2; 32]], vec![vec![3; 32]]];
        let (first, second, token) = (token(), token(), token());
        let stamp = |hash, token| StampParts { hash, lists: lists.clone(), token };
        let old = write_chain(&[
            stamp(HashFunction::Sha256, &first),
            stamp(HashFunction::Sha256, &second),
        ]);
        let new = write_chain(&[StampParts {
            hash: HashFunction::Sha512,
            lists: Vec::new(),
            token: &token,
        }]);
        let hashes = [HashFunction::Sha256, HashFunction::Sha256, HashFunction::Sha512];
        let raw = write_record(&hashes, &[&old, &new]);
        let read = EvidenceRecord::read(&raw).unwrap();
        assert_eq!(read.hashes, [Ok(HashFunction::Sha256), Ok(HashFunction::Sha512)]);
        assert_eq!((read.chains.len(), read.hints), (2, None));
        assert_eq!(read.chains[0].raw, old);
        let stamp = &read.chains[0].stamps[1];
        assert_eq!(stamp.hash, Some(Ok(HashFunction::Sha256)));
        assert_eq!(stamp.token, second);
        assert_eq!(stamp.lists.as_ref().unwrap()[0], [[1; 32], [2; 32]]);
        assert_eq!(read.chains[1].stamps[0].lists, None);
    }

    #[test]
    fn what_has_no_hash_or_no_time_stamp_is_malformed() {
        for (lists, what) in [
            (vec![vec![]], "a list of hashes is empty"),
            (vec![vec![vec![1; 32]], vec![]], "a list of hashes is empty"),
        ] {
            let error = EvidenceRecord::read(&record(lists)).map(|_| ()).unwrap_err();
            assert_eq!(error, RecordError::Malformed { what });
        }
        for (chains, what) in
            [(vec![], "there is no chain"), (vec![write_chain(&[])], "a chain is empty")]
        {
            let chains: Vec<&[u8]> = chains.iter().map(Vec::as_slice).collect();
            let raw = write_record(&[HashFunction::Sha256], &chains);
            let error = EvidenceRecord::read(&raw).map(|_| ()).unwrap_err();
            assert_eq!(error, RecordError::Malformed { what });
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let many = |lists: usize, hashes: usize| {
            EvidenceRecord::read(&record(vec![vec![vec![7; 1]; hashes]; lists])).map(|_| ())
        };
        assert_eq!(many(RECORD_LISTS_MAX, 1), Ok(()));
        let max = RECORD_LISTS_MAX;
        let what = "lists in a reduced hash tree";
        assert_eq!(many(RECORD_LISTS_MAX + 1, 1), Err(RecordError::TooMany { what, max }));
        assert_eq!(many(1, RECORD_HASHES_MAX), Ok(()));
        let max = RECORD_HASHES_MAX;
        assert_eq!(many(2, max / 2 + 1), Err(RecordError::TooMany { what: "hashes", max }));
        let size_bytes = RECORD_BYTES_MAX + 1;
        let error = EvidenceRecord::read(&vec![0x30; size_bytes]).map(|_| ()).unwrap_err();
        assert_eq!(error, RecordError::TooLarge { size_bytes });
    }
}
