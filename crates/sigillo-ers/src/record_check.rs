//! Verifying evidence records of RFC 4998, as of a given time.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use sigillo_model::{Finding, FindingCode, Sha256Digest, Verdict};

use crate::{
    AlgorithmTable, Lifetime, Trust, TrustAnchors, VerifiedToken,
    hash::HashFunction,
    path_bearing::{Judged, judge_until},
    record::{ArchiveTimeStamp, EvidenceRecord, RecordError, StampChain, write_sequence},
    record_revocation::{Judging, RevocationRules, judge_record},
    revocation::CertificateRevocation,
    signature::{Accepted, SignatureUse},
    token::ReadToken,
};

/// Clocks may differ by so much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// A data object that a record is to prove, known by its digests.
pub struct RecordObject<'a> {
    /// What it is called in findings.
    pub name: &'a str,
    /// Returns its digest, `None` if that digest of it is not at hand.
    pub digest: &'a dyn Fn(HashFunction) -> Option<Vec<u8>>,
}

impl fmt::Debug for RecordObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordObject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which authorities are accepted.
#[derive(Clone, Copy, Debug)]
pub enum Authorities<'a> {
    /// Those whose certificate leads to an anchor.
    Anchored(&'a TrustAnchors),
    /// Any: paths, and how strong signatures are, are not judged.
    Any,
}

/// By what rules a record is verified.
#[derive(Clone, Copy, Debug)]
pub struct RecordRules<'a> {
    /// Which authorities are accepted.
    pub authorities: Authorities<'a>,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
    /// The time as of which it must hold; `None` is the time of its last time-stamp.
    pub at: Option<Timestamp>,
    /// The first list must hold the objects and nothing else.
    pub whole_group: bool,
    /// How revocation is judged.
    pub revocation: RevocationRules<'a>,
}

/// What was found out about a record.
#[derive(Clone, Debug, Default)]
pub struct RecordReport {
    /// Its time-stamps, oldest first.
    pub stamps: Vec<StampReport>,
    /// What is wrong with it, or could not be told.
    pub findings: Vec<Finding>,
    /// The time as of which it was verified; `None` if it has no readable time-stamp.
    pub as_of: Option<Timestamp>,
}

impl RecordReport {
    /// Draws the verdict from the findings.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.findings)
    }
}

/// One time-stamp of a record.
#[derive(Clone, Debug)]
pub struct StampReport {
    /// Number of its chain, from 1.
    pub chain: usize,
    /// Its number in the chain, from 1.
    pub position: usize,
    /// SHA-256 of the token.
    pub token_sha256: Sha256Digest,
    /// The time it states.
    pub stamped_at: Option<Timestamp>,
    /// The hash function of its tree.
    pub hash: Option<HashFunction>,
    /// How many lists its reduced tree has, and how many hashes the first one.
    pub lists: Option<(usize, usize)>,
    /// What the token says, if its signature is right.
    pub token: Option<VerifiedToken>,
    /// What it was signed with.
    pub signature: Option<SignatureUse>,
    /// The last instant at which the signer's certificate and those above it are valid, the anchor apart.
    pub certificate_end: Option<Timestamp>,
    /// What these certificates are signed with, as far as there is a path.
    pub(crate) path_signatures: Vec<SignatureUse>,
    /// How long its algorithms may be relied on, together.
    pub lifetime: Lifetime,
    /// What is known of the revocation of its certificates, the signer's first. Anchors above
    /// the signer's are not asked about.
    pub revocation: Vec<CertificateRevocation>,
    /// The path to the anchor, if one was found.
    pub(crate) path: Vec<Vec<u8>>,
}

/// Verifies the evidence record `raw` over `objects`.
///
/// Every hash tree, every link from one time-stamp to the next, every token at its own time and its
/// certificate and algorithms up to the time of the next one, or to `rules.at` for the last. Both
/// the unsorted concatenation of a hash-tree renewal and the sorted one are accepted. Revocation is
/// judged by what the time-stamps bring with them and by what else is given. Weak is not wrong: what an algorithm or a certificate does not reach gives a
/// finding of the kind "cannot tell".
///
/// Source: RFC 4998 §4.3, §5.3.
pub fn verify_record(
    raw: &[u8],
    objects: &[RecordObject<'_>],
    rules: &RecordRules<'_>,
) -> RecordReport {
    let mut check = Check { rules, objects, report: RecordReport::default() };
    match EvidenceRecord::read(raw) {
        Ok(record) => check.record(&record),
        Err(error @ RecordError::Encrypted) => {
            check.find(FindingCode::RecordUnsupported, "record", error.to_string());
        }
        Err(error) => check.find(FindingCode::RecordMalformed, "record", error.to_string()),
    }
    check.report
}

/// Returns the hash functions for which the digests of an object are needed to verify a record:
/// those of its chains, as far as they can be read.
pub fn record_hashes(raw: &[u8]) -> Vec<HashFunction> {
    let Ok(record) = EvidenceRecord::read(raw) else { return Vec::new() };
    let hashes = record.chains.iter().filter_map(|chain| {
        let first = chain.stamps.first()?;
        match &first.hash {
            Some(hash) => hash.clone().ok(),
            None => ReadToken::read(first.token).ok()?.imprint().0.ok(),
        }
    });
    let hashes: BTreeSet<HashFunction> = hashes.collect();
    hashes.into_iter().collect()
}

/// The hash of a chain, and the token before the one that is looked at.
#[derive(Default)]
struct Before<'a> {
    hash: Option<HashFunction>,
    token: Option<&'a [u8]>,
}

struct Check<'a> {
    rules: &'a RecordRules<'a>,
    objects: &'a [RecordObject<'a>],
    report: RecordReport,
}

impl Check<'_> {
    fn find(&mut self, code: FindingCode, object: &str, message: impl Into<String>) {
        self.report.findings.push(Finding::new(code, object, message));
    }

    fn record(&mut self, record: &EvidenceRecord<'_>) {
        if record.hints.is_some() {
            let message = "it has hints for its verification, which nothing protects: not used";
            self.find(FindingCode::RecordUnusual, "record", message);
        }
        // What each time-stamp must hold until: the time of the next one that can be read.
        let stamps = record.chains.iter().flat_map(|chain| &chain.stamps);
        let times: Vec<Option<Timestamp>> =
            stamps.map(|stamp| Some(ReadToken::read(stamp.token).ok()?.stamped_at)).collect();
        self.report.as_of = self.rules.at.or(times.iter().rev().find_map(|time| *time));
        let mut place = 0;
        for (index, chain) in record.chains.iter().enumerate() {
            let mut before = Before::default();
            for (position, stamp) in chain.stamps.iter().enumerate() {
                let next = times[place + 1..].iter().find_map(|time| *time);
                self.stamp(record, (index, position), stamp, &mut before, next);
                place += 1;
            }
        }
        self.order(&times);
        self.later(&times);
        let anchors = match self.rules.authorities {
            Authorities::Anchored(anchors) => Some(anchors),
            Authorities::Any => {
                let message = "any authority was accepted: who signed, and how strong its \
                               signatures are, is not judged";
                self.find(FindingCode::AnyAuthority, "record", message);
                None
            }
        };
        if let Some(as_of) = self.report.as_of {
            let RecordRules { algorithms, at, revocation, .. } = *self.rules;
            let RevocationRules { evidence, required } = revocation;
            let algorithms = anchors.map(|_| algorithms);
            let judging = Judging { evidence, anchors, algorithms, at, as_of };
            let findings = judge_record(record, &mut self.report.stamps, (judging, required));
            self.report.findings.extend(findings);
        }
    }

    /// Tells of time-stamps that were not there yet at the time as of which the record must hold: the
    /// clock that said it, or that of the authority, is far off, or somebody asks about the past.
    fn later(&mut self, times: &[Option<Timestamp>]) {
        let Some(as_of) = self.report.as_of else { return };
        let latest = times.iter().flatten().copied().max();
        if let Some(latest) = latest
            && latest.duration_since(as_of) > CLOCK_TOLERANCE
        {
            let message = format!("a time-stamp of {latest} was not there yet on {as_of}");
            self.find(FindingCode::RecordFromLater, "record", message);
        }
    }

    fn order(&mut self, times: &[Option<Timestamp>]) {
        let times: Vec<Timestamp> = times.iter().flatten().copied().collect();
        for pair in times.windows(2) {
            if pair[1] < pair[0] {
                let message = format!("a time-stamp of {} follows one of {}", pair[1], pair[0]);
                self.find(FindingCode::RecordOrder, "record", message);
            }
        }
    }

    fn stamp<'r>(
        &mut self,
        record: &EvidenceRecord<'r>,
        (index, position): (usize, usize),
        stamp: &ArchiveTimeStamp<'r>,
        before: &mut Before<'r>,
        next: Option<Timestamp>,
    ) {
        let name = format!("chain {}, time-stamp {}", index + 1, position + 1);
        let mut report = StampReport {
            chain: index + 1,
            position: position + 1,
            token_sha256: Sha256Digest::of(stamp.token),
            stamped_at: None,
            hash: None,
            lists: stamp.lists.as_ref().map(|lists| (lists.len(), lists[0].len())),
            token: None,
            signature: None,
            certificate_end: None,
            path_signatures: Vec::new(),
            lifetime: Lifetime::Unknown,
            revocation: Vec::new(),
            path: Vec::new(),
        };
        if stamp.has_attributes {
            let message = "it has attributes, which nothing protects: not used";
            self.find(FindingCode::RecordUnusual, &name, message);
        }
        match ReadToken::read(stamp.token) {
            Err(error) => self.find(FindingCode::RecordToken, &name, error.to_string()),
            Ok(token) => {
                report.stamped_at = Some(token.stamped_at);
                report.hash = self.hash_of(record, stamp, &token, before.hash, &name);
                if let Some(hash) = report.hash {
                    before.hash.get_or_insert(hash);
                    let wanted = self.wanted(&record.chains[..index], before.token, hash, &name);
                    self.tree(stamp, &token, hash, &wanted, &name);
                }
                self.token(&token, &mut report, next, &name);
            }
        }
        before.token = Some(stamp.token);
        self.report.stamps.push(report);
    }

    /// Returns the hash function of a time-stamp: one for the tree, the imprint and the chain.
    fn hash_of(
        &mut self,
        record: &EvidenceRecord<'_>,
        stamp: &ArchiveTimeStamp<'_>,
        token: &ReadToken<'_>,
        of_chain: Option<HashFunction>,
        name: &str,
    ) -> Option<HashFunction> {
        let (imprint, _) = token.imprint();
        let hash = match stamp.hash.clone().unwrap_or_else(|| imprint.clone()) {
            Ok(hash) => hash,
            Err(oid) => {
                let message = format!("the hash function is not known here: {oid}");
                self.find(FindingCode::AlgorithmUnknown, name, message);
                return None;
            }
        };
        if imprint != Ok(hash) {
            let found = imprint.map_or_else(|oid| oid, |hash| hash.to_string());
            let message = format!("its tree is of {hash}, its token over a digest of {found}");
            self.find(FindingCode::RecordHash, name, message);
            return None;
        }
        if let Some(other) = of_chain.filter(|other| *other != hash) {
            let message = format!("it is of {hash}, the chain of {other}");
            self.find(FindingCode::RecordHash, name, message);
        }
        if !record.hashes.contains(&Ok(hash)) {
            let message = format!("the record does not list {hash} among its digest algorithms");
            self.find(FindingCode::RecordUnusual, name, message);
        }
        Some(hash)
    }

    /// Returns what the first list must hold: name, and digests of which one is enough.
    fn wanted(
        &mut self,
        older: &[StampChain<'_>],
        token_before: Option<&[u8]>,
        hash: HashFunction,
        name: &str,
    ) -> Vec<Wanted> {
        if let Some(token) = token_before {
            return vec![Wanted { object: None, any_of: vec![hash.digest(token)] }];
        }
        let raws: Vec<&[u8]> = older.iter().map(|chain| chain.raw).collect();
        let sequence = (!raws.is_empty()).then(|| hash.digest(&write_sequence(&raws)));
        let objects = self.objects;
        let mut wanted = Vec::with_capacity(objects.len());
        for object in objects {
            let Some(digest) = (object.digest)(hash) else {
                let message = format!("the {hash} digest of {} is not at hand", object.name);
                self.find(FindingCode::RecordDigestMissing, name, message);
                continue;
            };
            let any_of = match &sequence {
                None => vec![digest],
                Some(sequence) => renewed(hash, &digest, sequence),
            };
            wanted.push(Wanted { object: Some(object.name.to_owned()), any_of });
        }
        wanted
    }

    fn tree(
        &mut self,
        stamp: &ArchiveTimeStamp<'_>,
        token: &ReadToken<'_>,
        hash: HashFunction,
        wanted: &[Wanted],
        name: &str,
    ) {
        let (_, imprint) = token.imprint();
        let alone = [imprint];
        let first = stamp.lists.as_ref().map_or(&alone[..], |lists| &lists[0][..]);
        if let Some(lists) = &stamp.lists
            && lists_root(hash, lists) != imprint
        {
            let message = "its lists do not give the digest that was stamped";
            self.find(FindingCode::RecordRoot, name, message);
        }
        let held: HashSet<&[u8]> = first.iter().copied().collect();
        let mut group: Vec<&[u8]> = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let found = wanted.any_of.iter().position(|digest| held.contains(&digest.as_slice()));
            group.extend(found.map(|found| wanted.any_of[found].as_slice()));
            match (found, &wanted.object) {
                (Some(0), _) => {}
                (Some(_), _) => {
                    let message = "its renewal joins the hashes sorted, which few verifiers accept";
                    self.find(FindingCode::RecordUnusual, name, message);
                }
                (None, Some(object)) => {
                    let message = format!("its first list does not hold {object}");
                    self.find(FindingCode::RecordObject, name, message);
                }
                (None, None) => {
                    let message = "its first list does not hold the time-stamp before it";
                    self.find(FindingCode::RecordLink, name, message);
                }
            }
        }
        let is_of_objects = wanted.iter().all(|wanted| wanted.object.is_some())
            && wanted.len() == self.objects.len();
        if self.rules.whole_group && is_of_objects {
            self.group(first.to_vec(), group, wanted.len(), name);
        }
    }

    /// Sees that the first list holds the objects and nothing else; `found` are those that it holds.
    fn group<'h>(
        &mut self,
        mut first: Vec<&'h [u8]>,
        mut found: Vec<&'h [u8]>,
        objects: usize,
        name: &str,
    ) {
        if first.len() != objects {
            let message = format!("its first list holds {} hashes, not {objects}", first.len());
            return self.find(FindingCode::RecordGroup, name, message);
        }
        first.sort_unstable();
        found.sort_unstable();
        // What was not found at all is told already.
        if found.len() == first.len() && found != first {
            let message = "its first list holds another object in place of one that is named twice";
            self.find(FindingCode::RecordGroup, name, message);
        }
    }

    /// Verifies a token at its own time, and whether it held until the next one.
    fn token(
        &mut self,
        token: &ReadToken<'_>,
        report: &mut StampReport,
        next: Option<Timestamp>,
        name: &str,
    ) {
        let certificate = match token.check_signature(Accepted::Legacy) {
            Ok(certificate) => certificate,
            Err(error) if error.is_unknown_algorithm() => {
                return self.find(FindingCode::AlgorithmUnknown, name, error.to_string());
            }
            Err(error) => return self.find(FindingCode::RecordToken, name, error.to_string()),
        };
        report.signature = token.signature_use(&certificate);
        // Nothing asks of a time-stamp that it holds before it was made.
        let until = next.or(self.report.as_of).unwrap_or(token.stamped_at).max(token.stamped_at);
        let none = TrustAnchors::new();
        let (anchors, judged) = match self.rules.authorities {
            Authorities::Any => (&none, false),
            Authorities::Anchored(anchors) => (anchors, true),
        };
        let (end, at) = match judge_until(token, &certificate, until, anchors) {
            Err(error) => return self.find(FindingCode::RecordToken, name, error.to_string()),
            Ok(Judged { verified, path, bearing, at }) => {
                report.path = path;
                report.path_signatures = bearing.signatures;
                if judged && verified.trust == Trust::Unknown {
                    let message = format!(
                        "no path that is valid on {at} leads from {} to a trust anchor",
                        verified.authority
                    );
                    self.find(FindingCode::AuthorityUnknown, name, message);
                }
                if verified.trial {
                    let message = "its time-stamp is for trial, not qualified";
                    self.find(FindingCode::TrialEvidence, name, message);
                } else if !verified.qualification.is_qualified() {
                    let message = format!("not proven to be qualified: {}", verified.qualification);
                    self.find(FindingCode::NotQualified, name, message);
                }
                report.token = Some(verified);
                (bearing.end, at)
            }
        };
        report.certificate_end = Some(end);
        report.lifetime = self.lifetime(report);
        if at < until {
            self.too_late(end, until, next.is_some(), name);
        }
        self.strength(report, until, judged, name);
    }

    fn too_late(&mut self, end: Timestamp, until: Timestamp, is_renewed: bool, name: &str) {
        if is_renewed {
            let message = format!(
                "its certificate, or one above it, ended on {end}, and it was renewed on {until} only"
            );
            self.find(FindingCode::RenewedLate, name, message);
        } else {
            let message = format!(
                "its certificate, or one above it, ended on {end}, and it was not renewed since"
            );
            self.find(FindingCode::EvidenceEnded, name, message);
        }
    }

    fn lifetime(&self, report: &StampReport) -> Lifetime {
        let algorithms = self.rules.algorithms;
        let of_hash = report.hash.map_or(Lifetime::Unknown, |hash| algorithms.hash(hash));
        let of = |signature: &SignatureUse| algorithms.signature(signature);
        let of_signature = report.signature.as_ref().map_or(Lifetime::Unknown, of);
        let of_path = report.path_signatures.iter().map(of);
        match self.rules.authorities {
            Authorities::Any => of_hash,
            Authorities::Anchored(_) => {
                of_path.fold(of_hash.earlier(of_signature), Lifetime::earlier)
            }
        }
    }

    /// Tells of algorithms that did not hold until `until`.
    fn strength(&mut self, report: &StampReport, until: Timestamp, judged: bool, name: &str) {
        let algorithms = self.rules.algorithms;
        let mut uses = Vec::new();
        if let Some(hash) = report.hash {
            uses.push((hash.to_string(), algorithms.hash(hash)));
        }
        if let Some(signature) = report.signature.filter(|_| judged) {
            uses.push((signature.to_string(), algorithms.signature(&signature)));
        }
        // What its certificates are signed with, unless the token is signed so too.
        let mut above: Vec<&SignatureUse> = Vec::new();
        for signature in &report.path_signatures {
            if report.signature.as_ref() != Some(signature) && !above.contains(&signature) {
                above.push(signature);
            }
        }
        uses.extend(above.into_iter().filter(|_| judged).map(|signature| {
            (format!("{signature}, of a certificate,"), algorithms.signature(signature))
        }));
        for (what, lifetime) in uses {
            let message = match lifetime {
                Lifetime::Open => continue,
                Lifetime::Until(end) if until < end => continue,
                Lifetime::Until(end) => format!(
                    "{what} could be relied on until {end}, and nothing stronger covered it by then"
                ),
                Lifetime::Unknown => {
                    format!("how long {what} may be relied on is not in the table of algorithms")
                }
            };
            self.find(FindingCode::AlgorithmExpired, name, message);
        }
    }
}

/// What a first list must hold: a data object by its name, or else the time-stamp before.
struct Wanted {
    object: Option<String>,
    any_of: Vec<Vec<u8>>,
}

/// Returns what a new chain covers of an object: unsorted, as all do, and sorted, as RFC 4998
/// figure 4 has it.
fn renewed(hash: HashFunction, digest: &[u8], sequence: &[u8]) -> Vec<Vec<u8>> {
    let (first, second) = if digest <= sequence { (digest, sequence) } else { (sequence, digest) };
    let unsorted = renewed_value(hash, digest, sequence);
    let sorted = hash.digest_parts([first, second]);
    if sorted == unsorted { vec![unsorted] } else { vec![unsorted, sorted] }
}

/// Returns the hash of a data object and of the sequence of all its older chains, in this order:
/// what a hash-tree renewal covers. Source: RFC 4998 §5.2 step 4.
pub fn renewed_value(hash: HashFunction, digest: &[u8], sequence: &[u8]) -> Vec<u8> {
    hash.digest_parts([digest, sequence])
}

/// Returns the root that the lists of a reduced tree give, each joined by the value of the lists
/// before it. Source: RFC 4998 §4.3.
pub fn lists_root<B: AsRef<[u8]>>(hash: HashFunction, lists: &[Vec<B>]) -> Vec<u8> {
    let mut value: Option<Vec<u8>> = None;
    for list in lists {
        let mut hashes: Vec<&[u8]> = list.iter().map(AsRef::as_ref).collect();
        hashes.extend(value.as_deref());
        hashes.sort_unstable();
        value = match hashes[..] {
            [] => None,
            [only] => Some(only.to_vec()),
            _ => Some(hash.digest_parts(hashes)),
        };
    }
    value.unwrap_or_default()
}
