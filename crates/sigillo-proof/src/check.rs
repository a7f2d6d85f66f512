//! Checking a receipt without its archive: description, log entries, batches, files.

use std::collections::BTreeMap;

use sigillo_ers::{TrustAnchors, VerifiedToken};
use sigillo_merkle::{
    Checkpoint, KeysOfLog, TreeHash, VerifierKey, WitnessPolicy, leaf_hash, verify_inclusion,
};
use sigillo_model::{
    ARCHIVE_BYTES_MAX, ArchiveDescription, BatchCommitted, Entry, Finding, FindingCode,
    KeptFindings, LogTime, Place, Record, Sha256Digest, Sha512Digest, Verdict, VersionId,
    parse_canonical,
};

use crate::{
    ArchiveSection, CheckedLog, CosignedBy, EntryPlace, LoggedLine, Receipt, ReceiptError,
    check_documents::check_documents,
    check_ended::{FirstStamp, check_ended},
    check_hash_trees::check_hash_trees,
    check_logs::{LogTree, certificate_in},
    check_sealings::check_sealings,
    check_seals::{WaitingSeal, check_seals},
    check_submission::check_submission,
    check_validation::check_validation,
    line_findings::{LineFindings, LineOf},
};

/// At most this many findings are kept in words beside the first of each code; more are counted.
pub const FINDINGS_MAX: usize = 10_000;

/// Whom the caller believes about the archive that a receipt names. Never taken from the receipt.
#[derive(Clone, Debug, Default)]
pub struct ReceiptTrust {
    /// The keys of the archive's first log, as far as the caller knows them.
    pub log: Option<KeysOfLog>,
    /// The keys of the logs that came after it, as far as the caller knows them.
    pub successors: Vec<SuccessorKeys>,
    /// The certificates that count for its seals and time-stamps.
    pub anchors: TrustAnchors,
    /// The witnesses that the caller knows, and how many of them it takes.
    pub witnesses: Option<WitnessPolicy>,
}

/// The keys that a log began with which came after another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuccessorKeys {
    /// The generation of the log, from 2.
    pub generation: u64,
    /// The key that signs its commits.
    pub commit: VerifierKey,
    /// The keys that sign its checkpoints, from the first on, as far as the caller knows them.
    pub log: KeysOfLog,
    /// How the log before it ended, if the caller knows.
    pub before: Option<EndedLog>,
}

/// How a log ended that another one came after.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndedLog {
    /// When the next one began.
    pub at: LogTime,
    /// Whether others than the archive may sign with its keys.
    pub others_may_sign: bool,
    /// RFC 6962 root over its entries.
    pub root: Sha256Digest,
    /// How many entries it has.
    pub size: u64,
}

/// A file that lies beside a receipt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GivenFile {
    /// Its name without folders, spelt as `encode_name` does.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// SHA-512 of its bytes, if it was computed: where a receipt states it, the file must have it.
    pub sha512: Option<Sha512Digest>,
    /// Its length, in bytes.
    pub size: u64,
}

/// A file that is one of those in the receipt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MatchedFile {
    /// The name of the file given.
    pub given: String,
    /// Its name in the record.
    pub name: String,
    /// What the producer calls the document.
    pub key: String,
    /// The version of the document.
    pub version: VersionId,
}

/// A time that an authority attests for a sealing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttestedTime {
    /// Number of the sealing.
    pub sealing: u64,
    /// The time, RFC 3339 with the authority's own precision.
    pub stamped_at: String,
    /// The subject of the authority's certificate.
    pub authority: String,
    /// Whether the token is for trial only.
    pub trial: bool,
    /// Whether the trusted lists of the verifier prove that it is qualified.
    pub qualified: bool,
    /// Whether it is that of a renewal, which attests that the older time-stamps were there then.
    pub renewal: bool,
    /// The evidence line.
    pub line: String,
    /// Whether that line holds.
    pub standing: LineStanding,
}

/// Whether an evidence line holds, as far as it was judged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineStanding {
    /// Nothing was found that speaks against it.
    Holds,
    /// Something was: its time-stamps attest nothing.
    #[default]
    Doubtful,
}

impl AttestedTime {
    /// Tells whether nothing was found that speaks against its evidence line: else it attests nothing.
    pub fn holds(&self) -> bool {
        self.standing == LineStanding::Holds
    }
}

/// Says why a time-stamp that is not for trial is not known to be qualified; `None` if it is.
pub(crate) fn not_qualified(token: &VerifiedToken) -> Option<String> {
    let told = token.trial || token.qualification.is_qualified();
    (!told)
        .then(|| format!("its time-stamp is not proven to be qualified: {}", token.qualification))
}

/// What checking a receipt met.
#[derive(Clone, Debug)]
pub struct ReceiptCheck {
    /// The outcome in three values.
    pub verdict: Verdict,
    /// What was met, gravest first.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept in words.
    pub more_findings: u64,
    /// Documents that were proven to be in their batch.
    pub documents: u64,
    /// The checkpoint, if it bears the signature of the log that the receipt names.
    pub checkpoint: Option<Checkpoint>,
    /// The logs that are proven, oldest first: that of the checkpoint, and those that ended before it.
    pub logs: Vec<CheckedLog>,
    /// The witnesses that cosigned it, known or not, in the order of the receipt.
    pub cosigned: Vec<CosignedBy>,
    /// Whether those whom the caller knows are enough, by the rule of the caller.
    pub is_witnessed: bool,
    /// Sealings whose statement and seal are as they should be.
    pub sealings: u64,
    /// The times that valid time-stamps attest.
    pub times: Vec<AttestedTime>,
    /// The files given that are in the receipt.
    pub files: Vec<MatchedFile>,
}

impl ReceiptCheck {
    /// Says that what should be a receipt cannot be read.
    pub fn unreadable(error: &ReceiptError) -> Self {
        let code = match error {
            ReceiptError::LaterSchema { .. } => FindingCode::ReceiptSchemaUnknown,
            _ => FindingCode::ReceiptMalformed,
        };
        let mut checker = Checker::default();
        checker.find(code, "receipt", error.to_string());
        checker.conclude()
    }
}

/// Checks everything that a receipt says, from the files beside it up to the checkpoint.
///
/// Damage means that the receipt does not prove what it says; that nobody vouches for the log's
/// key is [`FindingCode::OriginUnknown`]: consistent, but from whom cannot be told.
pub fn check_receipt(receipt: &Receipt, trust: &ReceiptTrust, files: &[GivenFile]) -> ReceiptCheck {
    let mut checker = begin_check(receipt, trust, files);
    check_seals(&mut checker, receipt, trust);
    check_ended(&mut checker, receipt, trust);
    checker.conclude()
}

/// As [`check_receipt`], for who has more to find on its evidence lines, and says then what nothing proves
/// to be older than the end of its log.
pub(crate) fn begin_check(receipt: &Receipt, trust: &ReceiptTrust, files: &[GivenFile]) -> Checker {
    let mut checker = Checker::default();
    let proven = checker.archive(&receipt.archive, receipt.note(), trust);
    let batches = checker.batches(receipt);
    let mut matcher = FileMatcher::new(files);
    check_documents(&mut checker, receipt, &batches, &mut matcher);
    check_hash_trees(&mut checker, receipt);
    if let Some(submission) = &receipt.submission {
        check_submission(&mut checker, receipt, submission, &batches);
    }
    check_sealings(&mut checker, receipt, &proven, &batches, trust);
    check_validation(&mut checker, receipt);
    matcher.conclude(&mut checker);
    checker
}

/// A record of the receipt, with the version it belongs to.
#[derive(Debug)]
pub(crate) struct CheckedRecord {
    pub(crate) version: VersionId,
    pub(crate) record: Record,
}

/// Compares the files beside the receipt with those in it.
pub(crate) struct FileMatcher<'f> {
    given: &'f [GivenFile],
    /// The places of the files given, by what they are.
    places: BTreeMap<(Sha256Digest, u64), Vec<usize>>,
    names: BTreeMap<&'f str, bool>,
    found: Vec<Option<MatchedFile>>,
}

impl<'f> FileMatcher<'f> {
    fn new(given: &'f [GivenFile]) -> Self {
        let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (place, file) in given.iter().enumerate() {
            places.entry((file.sha256, file.size)).or_default().push(place);
        }
        let names = given.iter().map(|file| (file.name.as_str(), false)).collect();
        Self { given, places, names, found: vec![None; given.len()] }
    }

    /// Looks whether files given are in a record; the first record with one counts. `sha512` are those
    /// of its files, where they are stated.
    pub(crate) fn look_at(&mut self, it: &CheckedRecord, sha512: &[Sha512Digest]) {
        for (position, file) in it.record.files.iter().enumerate() {
            if let Some(is_known) = self.names.get_mut(file.name.as_str()) {
                *is_known = true;
            }
            let stated = file.sha512.as_ref().or(sha512.get(position));
            let is_other = |given: &GivenFile| {
                stated.zip(given.sha512.as_ref()).is_some_and(|(stated, found)| stated != found)
            };
            let Some(places) = self.places.get_mut(&(file.sha256, file.size)) else { continue };
            let given = self.given;
            let (others, same) = places.drain(..).partition(|place| is_other(&given[*place]));
            let (others, same): (Vec<usize>, Vec<usize>) = (others, same);
            *places = others;
            for place in same {
                self.found[place] = Some(MatchedFile {
                    given: self.given[place].name.clone(),
                    name: file.name.clone(),
                    key: it.record.key.to_string(),
                    version: it.version,
                });
            }
        }
    }

    /// Tells of what is not in any record.
    fn conclude(self, checker: &mut Checker) {
        for (given, found) in self.given.iter().zip(self.found) {
            match found {
                Some(found) => checker.files.push(found),
                None if self.names.get(given.name.as_str()) == Some(&true) => {
                    let message = "it has the name of a file in the receipt, and other bytes";
                    checker.find(FindingCode::ReceiptFileDiffers, &given.name, message);
                }
                None => {
                    let message = "it is none of the files in the receipt";
                    checker.find(FindingCode::ReceiptFileUnknown, &given.name, message);
                }
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Checker {
    findings: KeptFindings,
    pub(crate) documents: u64,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What is proven of each log, oldest first.
    pub(crate) trees: Vec<Option<LogTree>>,
    pub(crate) logs: Vec<CheckedLog>,
    pub(crate) cosigned: Vec<CosignedBy>,
    pub(crate) is_witnessed: bool,
    pub(crate) sealings: u64,
    pub(crate) times: Vec<AttestedTime>,
    /// The seals that wait for what the time-stamps prove.
    pub(crate) seals: Vec<WaitingSeal>,
    /// The first time-stamps that are what the log says, whoever made them.
    pub(crate) stamps: Vec<FirstStamp>,
    /// What the statement of each sealing covers of its log.
    pub(crate) heads: BTreeMap<u64, EntryPlace>,
    files: Vec<MatchedFile>,
    pub(crate) lines: LineFindings,
    /// The evidence line that is looked at.
    line: Option<LineOf>,
}

impl Default for Checker {
    fn default() -> Self {
        Self {
            findings: KeptFindings::new(FINDINGS_MAX),
            documents: 0,
            checkpoint: None,
            trees: Vec::new(),
            logs: Vec::new(),
            cosigned: Vec::new(),
            is_witnessed: false,
            sealings: 0,
            times: Vec::new(),
            seals: Vec::new(),
            stamps: Vec::new(),
            heads: BTreeMap::new(),
            files: Vec::new(),
            lines: LineFindings::default(),
            line: None,
        }
    }
}

impl Checker {
    /// Looks at an evidence line of a sealing: what is found from here on is found on it.
    pub(crate) fn look_at_line(&mut self, line: Option<LineOf>) {
        self.line = line;
    }

    /// Takes note that the first time-stamp of the line that is looked at is sound.
    pub(crate) fn verified_line(&mut self, trial: bool) {
        if let Some(line) = &self.line {
            self.lines.verified(line, trial);
        }
    }

    pub(crate) fn find(
        &mut self,
        code: FindingCode,
        object: impl std::fmt::Display,
        message: impl Into<String>,
    ) {
        self.add(Finding::new(code, object, message));
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        let finding = match &self.line {
            Some(line) => self.lines.take(line, finding),
            None => Some(finding),
        };
        if let Some(finding) = finding {
            self.findings.push(finding);
        }
    }

    pub(crate) fn conclude(mut self) -> ReceiptCheck {
        for time in &mut self.times {
            if self.lines.is_sound(&(time.sealing, time.line.clone())) {
                time.standing = LineStanding::Holds;
            }
        }
        self.findings.extend(std::mem::take(&mut self.lines).settle());
        let (findings, more_findings) = self.findings.conclude();
        ReceiptCheck {
            verdict: Verdict::of(&findings),
            findings,
            more_findings,
            documents: self.documents,
            checkpoint: self.checkpoint,
            logs: self.logs,
            cosigned: self.cosigned,
            is_witnessed: self.is_witnessed,
            sealings: self.sealings,
            times: self.times,
            files: self.files,
        }
    }

    /// Checks the description against the log, and the section against the description; returns the
    /// certificate that it names.
    pub(crate) fn description(&mut self, section: &ArchiveSection) -> Option<Sha256Digest> {
        let differs = FindingCode::ReceiptDiffers;
        match self.entry(&section.created, "archive") {
            Some(Entry::ArchiveCreated(body))
                if body.archive_sha256 == Sha256Digest::of(section.description.as_bytes())
                    && body.archive == section.id => {}
            Some(_) => {
                self.find(differs, "archive", "its description is not the one the log names");
            }
            None => {}
        }
        let bytes = section.description.as_bytes();
        let is_too_large = bytes.len() as u64 > ARCHIVE_BYTES_MAX;
        let parsed =
            if is_too_large { None } else { parse_canonical::<ArchiveDescription>(bytes).ok() };
        let Some(description) = parsed else {
            self.find(differs, "archive", "its description cannot be read");
            return None;
        };
        if let Some(what) = description.unknown() {
            let message = format!("it has {what}, which this program does not know");
            self.find(FindingCode::ReceiptArchiveUnknown, "archive", message);
        }
        let same = description.archive == section.id
            && description.entity.name == section.entity
            && description.keys.log == section.log
            && description.origin == section.origin
            && description.trial == section.trial;
        if !same {
            self.find(differs, "archive", "what is said of it differs from its description");
        }
        let certificate = certificate_in(&description.keys.seal);
        if certificate.is_none() {
            self.find(differs, "archive", "its description has no certificate of its seal");
        }
        certificate
    }

    /// Reads an entry if it leads to the root of its log: that of the checkpoint, or, of one that ended,
    /// the one that the next log names.
    pub(crate) fn entry(&mut self, logged: &LoggedLine, object: &str) -> Option<Entry> {
        let code = FindingCode::ReceiptLogProof;
        // Without a root there is nothing to lead to, which is a finding already.
        let LogTree { size, root } = self.tree_of(logged.log)?;
        let proof: Vec<_> = logged.proof.iter().copied().map(tree_hash).collect();
        let leaf = leaf_hash(logged.line.as_bytes());
        if let Err(error) = verify_inclusion(leaf, logged.index, &proof, size, root) {
            self.find(code, object, format!("{}: {error}", logged.name()));
            return None;
        }
        match Entry::parse_line(logged.line.as_bytes()) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.find(code, object, format!("{}: {error}", logged.name()));
                None
            }
        }
    }

    /// Reads the entry of each batch; none where it is not proven.
    fn batches(&mut self, receipt: &Receipt) -> Vec<Option<BatchCommitted>> {
        let mut after = None;
        let mut checked = Vec::with_capacity(receipt.batches.len());
        for (number, batch) in receipt.batches.iter().enumerate() {
            let object = format!("batch {number}");
            if after.is_some_and(|place| batch.entry.place() <= place) {
                let message = "the batches do not stand in the order of the log";
                self.find(FindingCode::ReceiptDiffers, &object, message);
            }
            after = Some(batch.entry.place());
            checked.push(match self.entry(&batch.entry, &object) {
                Some(Entry::BatchCommitted(body)) => Some(body),
                Some(_) => {
                    let message = "its log entry is of another type";
                    self.find(FindingCode::ReceiptLogProof, &object, message);
                    None
                }
                None => None,
            });
        }
        checked
    }

    /// Adds a finding about one document.
    pub(crate) fn find_document(
        &mut self,
        code: FindingCode,
        (number, version, key): (usize, VersionId, Option<String>),
        message: impl Into<String>,
    ) {
        let place = Place { version: Some(version.to_string()), key, bytes: None };
        self.add(Finding::new(code, format_args!("document {number}"), message).at(place));
    }
}

/// Takes a digest as the hash of a tree: both are SHA-256.
pub(crate) const fn tree_hash(digest: Sha256Digest) -> TreeHash {
    TreeHash::from_bytes(*digest.as_bytes())
}
