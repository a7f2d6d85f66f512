//! Renewing evidence records before what they rest on comes to its end, and when that is.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{
    AlgorithmTable, Imprint, Lifetime, TrustAnchors,
    hash::HashFunction,
    path_bearing::{PathBearing, bearing_of},
    record::{
        EvidenceRecord, RECORD_ALGORITHMS_MAX, RECORD_CHAINS_MAX, RECORD_HASHES_MAX,
        RECORD_STAMPS_MAX, StampParts, extend_record, write_sequence,
    },
    record_check::{StampReport, lists_root, renewed_value},
    request::oid_der,
    signature::{Accepted, SignatureUse},
    token::{ReadToken, TokenError},
};

/// NULL in DER.
const NULL: [u8; 2] = [0x05, 0x00];

/// How evidence is renewed. Source: RFC 4998 §5.2.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Renewal {
    /// A new time-stamp over those of the last chain. The data objects are not needed.
    TimeStamp,
    /// A new chain of another hash function, over the data objects and all older chains.
    HashTree,
}

/// Why evidence has to be renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DueCause {
    /// The certificate of the last time-stamp ends, or one above it.
    Certificate,
    /// What the last time-stamp was signed with cannot be relied on any more.
    Signature(SignatureUse),
    /// What a certificate of the last time-stamp is signed with cannot be relied on any more.
    CertificateSignature(SignatureUse),
    /// The hash function of the last chain cannot be relied on any more.
    Hash(HashFunction),
}

/// A renewal that is to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Due {
    /// When it comes too late; `None` if it is due at once, for nothing says how long the algorithm
    /// may be relied on.
    pub before: Option<Timestamp>,
    /// What is to be done.
    pub renewal: Renewal,
    /// Why.
    pub cause: DueCause,
}

impl Due {
    /// Tells whether it is due at `at`, for who wants to be early by `lead`.
    pub fn is_due(&self, at: Timestamp, lead: SignedDuration) -> bool {
        self.before.is_none_or(|before| before.duration_since(at) <= lead)
    }
}

impl fmt::Display for DueCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate => f.write_str("the certificate of the last time-stamp ends"),
            Self::Signature(signature) => {
                write!(f, "the signature of the last time-stamp is weak then: {signature}")
            }
            Self::CertificateSignature(signature) => {
                write!(
                    f,
                    "a certificate of the last time-stamp is signed in a way that is weak then: {signature}"
                )
            }
            Self::Hash(hash) => {
                write!(f, "the hash function of the last chain is weak then: {hash}")
            }
        }
    }
}

/// Returns the renewals that the last time-stamp of a record asks for, the first to come first. An
/// algorithm without an end in sight asks for none, and so does a time-stamp that was not verified.
pub fn renewals_due(last: &StampReport, algorithms: &AlgorithmTable) -> Vec<Due> {
    match last.certificate_end {
        Some(end) => {
            let signatures = last.path_signatures.clone();
            let bearing = PathBearing { end, signatures, unfollowed: None };
            due_before(&bearing, last.signature, last.hash, algorithms)
        }
        None => Vec::new(),
    }
}

/// Returns the renewals that a time-stamp asks for if it is the newest of its evidence, the first to
/// come first. Its certificates are judged as [`verify_record`](crate::verify_record) judges those of a
/// record's last time-stamp as of `at`: by their path to one of `anchors`. Where none leads there, those
/// that came with it count, as far as one signed the other. What it covers is not checked.
///
/// # Errors
///
/// [`TokenError`] for what is no token with a right signature, by a certificate for time-stamping.
pub fn token_renewals_due(
    token: &[u8],
    algorithms: &AlgorithmTable,
    (anchors, at): (&TrustAnchors, Timestamp),
) -> Result<Vec<Due>, TokenError> {
    let token = ReadToken::read(token)?;
    let certificate = token.check_signature(Accepted::Kept)?;
    let (signature, hash) = (token.signature_use(&certificate), token.imprint().0.ok());
    let bearing = bearing_of(&token, &certificate, (anchors, at))?;
    Ok(due_before(&bearing, signature, hash, algorithms))
}

/// Returns when the first of the certificates ends that bear a time-stamp as of `at`, the anchor apart,
/// as [`token_renewals_due`] judges them.
///
/// # Errors
///
/// As [`token_renewals_due`].
pub fn token_certificate_end(
    token: &[u8],
    (anchors, at): (&TrustAnchors, Timestamp),
) -> Result<Timestamp, TokenError> {
    let token = ReadToken::read(token)?;
    let certificate = token.check_signature(Accepted::Kept)?;
    Ok(bearing_of(&token, &certificate, (anchors, at))?.end)
}

/// Returns what a time-stamp is signed with, `None` if that is not known here. Only its signature is
/// checked.
///
/// # Errors
///
/// As [`token_renewals_due`].
pub fn token_signature(token: &[u8]) -> Result<Option<SignatureUse>, TokenError> {
    let token = ReadToken::read(token)?;
    let certificate = token.check_signature(Accepted::Kept)?;
    Ok(token.signature_use(&certificate))
}

fn due_before(
    bearing: &PathBearing,
    signature: Option<SignatureUse>,
    hash: Option<HashFunction>,
    algorithms: &AlgorithmTable,
) -> Vec<Due> {
    let of = |lifetime, renewal, cause| match lifetime {
        Lifetime::Open => None,
        Lifetime::Until(end) => Some(Due { before: Some(end), renewal, cause }),
        Lifetime::Unknown => Some(Due { before: None, renewal, cause }),
    };
    let certificate = Lifetime::Until(bearing.end);
    let above = bearing.signatures.iter().filter_map(|signature| {
        let cause = DueCause::CertificateSignature(*signature);
        of(algorithms.signature(signature), Renewal::TimeStamp, cause)
    });
    let unfollowed = bearing.unfollowed.and_then(|signature| {
        let before = Some(algorithms.signature_at_most(&signature)?);
        let cause = DueCause::CertificateSignature(signature);
        Some(Due { before, renewal: Renewal::TimeStamp, cause })
    });
    let signature = signature.map(|signature| {
        let lifetime = algorithms.signature(&signature);
        of(lifetime, Renewal::TimeStamp, DueCause::Signature(signature))
    });
    let hash = hash.map(|hash| of(algorithms.hash(hash), Renewal::HashTree, DueCause::Hash(hash)));
    let certificate = of(certificate, Renewal::TimeStamp, DueCause::Certificate);
    let mut due: Vec<Due> = [certificate, signature.flatten(), hash.flatten()]
        .into_iter()
        .flatten()
        .chain(above)
        .chain(unfollowed)
        .collect();
    due.sort_by_key(|due| (due.before, due.renewal));
    due
}

/// A record cannot be renewed in this way.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenewalError {
    /// A digest is not one of the new hash function.
    #[error("a digest of {hash} has {} bytes, not {length_bytes}", hash.length_bytes())]
    DigestLength {
        /// The hash function.
        hash: HashFunction,
        /// The length found.
        length_bytes: usize,
    },
    /// The record would be larger than records are read.
    #[error("the evidence record would have more than {max} {what}")]
    Full {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// No data object is named.
    #[error("a hash-tree renewal is over data objects, and none is named")]
    NoObject,
    /// The new chain would have the hash function of the last one.
    #[error("the last chain is of {hash} already")]
    SameHash {
        /// The hash function.
        hash: HashFunction,
    },
    /// The last time-stamp cannot be read, or has a hash function that is not known here.
    #[error("the last time-stamp cannot be renewed: {what}")]
    Unreadable {
        /// What stands in the way.
        what: String,
    },
}

/// A renewal that lacks only its token.
#[derive(Clone, Debug)]
pub struct PreparedRenewal<'a> {
    record: &'a EvidenceRecord<'a>,
    hash: HashFunction,
    /// How the chain that goes on spells its algorithm; none begins a chain.
    spelling: Option<Vec<u8>>,
    list: Vec<Vec<u8>>,
}

impl PreparedRenewal<'_> {
    /// Returns what the new token must be over.
    pub fn imprint(&self) -> Imprint {
        let root = lists_root(self.hash, std::slice::from_ref(&self.list));
        Imprint::new(self.hash, root).expect("a root is a digest, or one of the checked digests")
    }

    /// Writes the renewed record: all bytes of the older chains as they were.
    pub fn finish(&self, token: &[u8]) -> Vec<u8> {
        let stamp = StampParts { hash: self.hash, lists: vec![self.list.clone()], token };
        extend_record(self.record, &stamp, self.spelling.as_deref())
    }
}

/// Prepares a time-stamp renewal: one list with the digests of all time-stamps of the last chain, for
/// some verifiers want each and not only the last. Source: RFC 4998 §5.2.
///
/// # Errors
///
/// [`RenewalError`].
pub fn renew_time_stamp<'a>(
    record: &'a EvidenceRecord<'a>,
) -> Result<PreparedRenewal<'a>, RenewalError> {
    let (hash, spelling) = last_hash(record)?;
    check_room(record, hash)?;
    let stamps = record.chains.last().into_iter().flat_map(|chain| &chain.stamps);
    let list: Vec<Vec<u8>> = stamps.map(|stamp| hash.digest(stamp.token)).collect();
    check_hashes(record, list.len())?;
    Ok(PreparedRenewal { record, hash, spelling: Some(spelling), list })
}

/// Prepares a hash-tree renewal with `hash`: one list, for each of the data objects the hash of its
/// digest and of that of all older chains, unsorted. `digests` are those of `hash` over every data
/// object that the record is to prove from now on. Source: RFC 4998 §5.2 step 4.
///
/// # Errors
///
/// [`RenewalError`].
pub fn renew_hash_tree<'a>(
    record: &'a EvidenceRecord<'a>,
    hash: HashFunction,
    digests: &[Vec<u8>],
) -> Result<PreparedRenewal<'a>, RenewalError> {
    check_room(record, hash)?;
    if record.chains.len() >= RECORD_CHAINS_MAX {
        return Err(RenewalError::Full { what: "chains", max: RECORD_CHAINS_MAX });
    }
    check_hashes(record, digests.len())?;
    if last_hash(record)?.0 == hash {
        return Err(RenewalError::SameHash { hash });
    }
    if digests.is_empty() {
        return Err(RenewalError::NoObject);
    }
    if let Some(digest) = digests.iter().find(|digest| digest.len() != hash.length_bytes()) {
        return Err(RenewalError::DigestLength { hash, length_bytes: digest.len() });
    }
    let chains: Vec<&[u8]> = record.chains.iter().map(|chain| chain.raw).collect();
    let sequence = hash.digest(&write_sequence(&chains));
    let list = digests.iter().map(|digest| renewed_value(hash, digest, &sequence)).collect();
    Ok(PreparedRenewal { record, hash, spelling: None, list })
}

fn check_room(record: &EvidenceRecord<'_>, hash: HashFunction) -> Result<(), RenewalError> {
    if !record.hashes.contains(&Ok(hash)) && record.hashes.len() >= RECORD_ALGORITHMS_MAX {
        return Err(RenewalError::Full { what: "digest algorithms", max: RECORD_ALGORITHMS_MAX });
    }
    let stamps: usize = record.chains.iter().map(|chain| chain.stamps.len()).sum();
    if stamps < RECORD_STAMPS_MAX {
        return Ok(());
    }
    Err(RenewalError::Full { what: "archive time-stamps", max: RECORD_STAMPS_MAX })
}

fn check_hashes(record: &EvidenceRecord<'_>, more: usize) -> Result<(), RenewalError> {
    let stamps = record.chains.iter().flat_map(|chain| &chain.stamps);
    let there: usize = stamps.flat_map(|stamp| stamp.lists.iter().flatten()).map(Vec::len).sum();
    if there + more <= RECORD_HASHES_MAX {
        return Ok(());
    }
    Err(RenewalError::Full { what: "hashes", max: RECORD_HASHES_MAX })
}

/// Returns the hash function of the last chain, and how the content of its algorithm is spelt.
fn last_hash(record: &EvidenceRecord<'_>) -> Result<(HashFunction, Vec<u8>), RenewalError> {
    let unreadable = |what: String| RenewalError::Unreadable { what };
    let first = record.chains.last().and_then(|chain| chain.stamps.first());
    let first = first.ok_or_else(|| unreadable("there is none".to_owned()))?;
    let unknown = |oid: String| unreadable(format!("its hash function is not known here: {oid}"));
    if let (Some(hash), Some(raw)) = (&first.hash, first.hash_raw) {
        return Ok((hash.clone().map_err(unknown)?, raw.to_vec()));
    }
    let token = ReadToken::read(first.token).map_err(|it| unreadable(it.to_string()))?;
    let hash = token.imprint().0.map_err(unknown)?;
    let mut spelling = oid_der(hash.oid());
    if token.has_imprint_parameters() {
        spelling.extend(NULL);
    }
    Ok((hash, spelling))
}

#[cfg(test)]
mod tests {
    use crate::{der, record::write_record};

    use super::*;

    #[test]
    fn the_algorithm_of_a_chain_is_spelt_as_it_was() {
        let oid = oid_der(HashFunction::Sha256.oid());
        let explicit = der::wrap(der::context(0), &[]);
        let token = der::wrap(der::SEQUENCE, &[&oid_der(crate::asn1::SIGNED_DATA), &explicit]);
        for spelling in [oid.clone(), [&oid[..], &NULL].concat()] {
            let stamp =
                der::wrap(der::SEQUENCE, &[&der::wrap(der::context(0), &[&spelling]), &token]);
            let chain = der::wrap(der::SEQUENCE, &[&stamp]);
            let raw = write_record(&[HashFunction::Sha256], &[&chain]);
            let record = EvidenceRecord::read(&raw).unwrap();
            let renewed = renew_time_stamp(&record).unwrap().finish(&token);
            let renewed = EvidenceRecord::read(&renewed).unwrap();
            let spelt: Vec<_> = renewed.chains[0].stamps.iter().map(|it| it.hash_raw).collect();
            assert_eq!(spelt, [Some(&spelling[..]); 2]);
        }
    }
}
