//! Checking a period statement without its archive: who trusts the log key needs nothing else.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use sigillo_ers::{Trust, verify_stamped_seal, verify_token};
use sigillo_merkle::{
    Checkpoint, Frontier, empty_root, leaf_hash, parse_signed_checkpoint, verify_consistency,
};
use sigillo_model::{Finding, FindingCode, Sha256Digest, Verdict};

use crate::{
    CheckedLog, CountedPeriod, PeriodError, PeriodStatement, ReceiptTrust, StatedPeriod, TypeCount,
    check::{Checker, not_qualified, tree_hash},
    check_ended::check_ended_period,
    check_logs::ProvenArchive,
    count_period,
    period_make::period_value,
    receipt::CosignedNote,
};

/// The object that findings are about.
const OBJECT: &str = "period";

/// A time that an authority attests for a period statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeriodTime {
    /// The time, RFC 3339 with the authority's own precision.
    pub stamped_at: String,
    /// The subject of the authority's certificate.
    pub authority: String,
    /// Whether the token is for trial only.
    pub trial: bool,
    /// Whether the trusted lists of the verifier prove that it is qualified.
    pub qualified: bool,
}

/// What checking a period statement met.
#[derive(Clone, Debug)]
pub struct PeriodCheck {
    /// The outcome in three values.
    pub verdict: Verdict,
    /// What was met, gravest first.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept in words.
    pub more_findings: u64,
    /// What is stated, as far as it can be read.
    pub stated: Option<StatedPeriod>,
    /// The newer checkpoint, if it bears the signature of the log that the archive names, or is proven to
    /// be of one that ended.
    pub checkpoint: Option<Checkpoint>,
    /// The older checkpoint, if there is one and it is as well.
    pub older: Option<Checkpoint>,
    /// The logs that are proven, oldest first: the newest by a checkpoint that bears a signature.
    pub logs: Vec<CheckedLog>,
    /// The generation of the log that the period is of, if it is known.
    pub generation: Option<u64>,
    /// What the entries add up to, if they lead from the older checkpoint to the newer one.
    pub counted: Option<CountedPeriod>,
    /// The types of entries that this program does not know.
    pub unknown: Vec<TypeCount>,
    /// The time of a valid time-stamp.
    pub time: Option<PeriodTime>,
    /// The signer of a valid seal, in words.
    pub sealed_by: Option<String>,
}

impl PeriodCheck {
    /// Says that what should be a period statement cannot be read.
    pub fn unreadable(error: &PeriodError) -> Self {
        let code = match error {
            PeriodError::LaterSchema { .. } => FindingCode::PeriodSchemaUnknown,
            _ => FindingCode::PeriodMalformed,
        };
        let mut checker = Checker::default();
        checker.find(code, OBJECT, error.to_string());
        PeriodChecker { checker, ..PeriodChecker::default() }.conclude()
    }
}

/// Checks everything that a period statement says: that its entries are all those between its two
/// checkpoints, that they add up to what it states, and that this was sealed.
///
/// Damage means that it does not prove what it says; that nobody vouches for the log's key is
/// [`FindingCode::OriginUnknown`]: consistent, but from whom cannot be told. Revocation is not
/// looked at. Source: `docs/format.md`, "Period statements".
pub fn check_period(period: &PeriodStatement, trust: &ReceiptTrust) -> PeriodCheck {
    let mut check = PeriodChecker::default();
    let stated = match StatedPeriod::parse(&period.statement) {
        Ok(stated) => stated,
        Err(error) => return PeriodCheck::unreadable(&error),
    };
    let note = period.ended.as_ref().map_or(&stated.newer, |it| &it.checkpoint);
    let note = CosignedNote { note, witnesses: &[] };
    let archive = check.checker.archive(&period.archive, note, trust);
    check.newer(period, &stated);
    if stated.archive != period.archive.id {
        check.find(FindingCode::PeriodDiffers, "it is stated of another archive");
    }
    if let Some(counted) = check.entries(period, &stated, &archive) {
        check.compare(&stated, &counted);
        check.unknown(&counted);
        check.counted = Some(counted);
    }
    check.seal(period, &stated, &archive, trust);
    let (section, at) = (&period.archive, check.believed_at);
    check_ended_period(&mut check.checker, section, at, trust);
    check.stated = Some(stated);
    check.conclude()
}

#[derive(Default)]
struct PeriodChecker {
    checker: Checker,
    stated: Option<StatedPeriod>,
    newer: Option<Checkpoint>,
    generation: Option<u64>,
    older: Option<Checkpoint>,
    counted: Option<CountedPeriod>,
    unknown: Vec<TypeCount>,
    time: Option<PeriodTime>,
    /// The time of a time-stamp that is believed; one for trial is in an archive for trial only.
    believed_at: Option<Timestamp>,
    sealed_by: Option<String>,
}

impl PeriodChecker {
    fn find(&mut self, code: FindingCode, message: impl Into<String>) {
        self.checker.find(code, OBJECT, message);
    }

    fn conclude(self) -> PeriodCheck {
        let check = self.checker.conclude();
        PeriodCheck {
            verdict: check.verdict,
            findings: check.findings,
            more_findings: check.more_findings,
            checkpoint: self.newer,
            logs: check.logs,
            generation: self.generation,
            stated: self.stated,
            older: self.older,
            counted: self.counted,
            unknown: self.unknown,
            time: self.time,
            sealed_by: self.sealed_by,
        }
    }

    /// Reads the newer checkpoint: the signed one, or that of a log that ended, which must become what
    /// the next log names.
    fn newer(&mut self, period: &PeriodStatement, stated: &StatedPeriod) {
        let Some(ended) = &period.ended else {
            self.newer.clone_from(&self.checker.checkpoint);
            self.generation = Some(period.archive.newest_log());
            return;
        };
        let code = FindingCode::PeriodEntries;
        let newer = match Checkpoint::parse_strict(&stated.newer) {
            Ok(newer) => newer,
            Err(error) => return self.find(code, format!("the newer checkpoint: {error}")),
        };
        let logs = self.checker.logs.iter().filter(|it| it.ended);
        let mut logs = logs.filter(|it| it.checkpoint.origin == newer.origin);
        // Without such a log, what should have proven it is a finding, or it is of another archive.
        let Some(log) = logs.next().cloned() else {
            return self
                .find(code, "the newer checkpoint is of no log that is proven to have ended");
        };
        let path: Vec<_> = ended.consistency.iter().copied().map(tree_hash).collect();
        let end = &log.checkpoint;
        if let Err(error) = verify_consistency(newer.size, newer.root, end.size, end.root, &path) {
            return self
                .find(code, format!("the newer checkpoint is not of the log that ended: {error}"));
        }
        self.generation = Some(log.generation);
        self.newer = Some(newer);
    }

    /// Reads the older checkpoint, of the same log as the newer one.
    fn older(
        &self,
        period: &PeriodStatement,
        note: &str,
        archive: &ProvenArchive,
    ) -> Result<Checkpoint, String> {
        if period.ended.is_none() {
            let keys = archive.logs.last().map(|log| &log.keys).ok_or("its log is not known")?;
            let read = parse_signed_checkpoint(note.as_bytes(), keys.of_note(note.as_bytes()));
            return read.map_err(|error| error.to_string());
        }
        let older = Checkpoint::parse_strict(note).map_err(|error| error.to_string())?;
        if self.newer.as_ref().is_some_and(|newer| newer.origin != older.origin) {
            return Err("it is of another log".to_owned());
        }
        Ok(older)
    }

    /// Checks that the entries lead from the older checkpoint to the newer one, and counts them.
    fn entries(
        &mut self,
        period: &PeriodStatement,
        stated: &StatedPeriod,
        archive: &ProvenArchive,
    ) -> Option<CountedPeriod> {
        let code = FindingCode::PeriodEntries;
        let (size, root) = match &stated.older {
            None => (0, empty_root()),
            Some(note) => match self.older(period, note, archive) {
                Ok(older) => {
                    self.older = Some(older.clone());
                    (older.size, older.root)
                }
                Err(error) => {
                    self.find(code, format!("the older checkpoint: {error}"));
                    return None;
                }
            },
        };
        // Without a newer one there is nothing to lead to, which is a finding already.
        let newer = self.newer.clone()?;
        let path: Vec<_> = period.consistency.iter().copied().map(tree_hash).collect();
        if let Err(error) = verify_consistency(size, root, newer.size, newer.root, &path) {
            self.find(code, format!("the consistency proof of its checkpoints: {error}"));
        }
        let edge = period.edge.iter().copied().map(tree_hash).collect();
        let edge = Frontier::from_parts(size, edge).ok().filter(|edge| edge.root() == root);
        let Some(edge) = edge else {
            self.find(code, "its edge does not give the root of the older checkpoint");
            return None;
        };
        let mut reached = edge.clone();
        let lines = period.entries.split_terminator('\n');
        lines.for_each(|line| reached.push(leaf_hash(line.as_bytes())));
        if (reached.size(), reached.root()) != (newer.size, newer.root) {
            let message = "its entries are not those between its checkpoints: the newer root does \
                           not follow from them";
            self.find(code, message);
            return None;
        }
        match count_period(&mut edge.clone(), &period.entries, &period.packs) {
            Ok(counted) => Some(counted),
            Err(error) => {
                self.find(code, error.to_string());
                None
            }
        }
    }

    /// Compares what is stated with what the entries say, and names what differs.
    fn compare(&mut self, stated: &StatedPeriod, counted: &CountedPeriod) {
        let code = FindingCode::PeriodDiffers;
        let (said, found) = (members(&stated.counts), members(&counted.counts));
        for (name, number) in said {
            let found = found.get(&name).cloned().unwrap_or_default();
            if number != found {
                let message = format!("it states {number} {name}, and its entries say {found}");
                self.find(code, message);
            }
        }
        let rest = [
            ("the batches", stated.batches == counted.batches),
            ("the numbers of entries by type", stated.types == counted.types),
            ("the first commit", stated.first == counted.first),
            ("the last commit", stated.last == counted.last),
        ];
        for (what, same) in rest {
            if !same {
                self.find(code, format!("{what} that it states are not those of its entries"));
            }
        }
    }

    /// Names the types of entries of which only the number can be told.
    fn unknown(&mut self, counted: &CountedPeriod) {
        self.unknown = counted.types.iter().filter(|it| !it.is_known()).cloned().collect();
        let unknown = self.unknown.clone();
        for TypeCount { count, type_name, v } in unknown {
            let message = format!(
                "{count} entries are of the type {type_name:?}, version {v}, which this program \
                 does not know: what they say is not in the sums"
            );
            self.find(FindingCode::PeriodEntryUnknown, message);
        }
    }

    /// Checks seal and time-stamp.
    fn seal(
        &mut self,
        period: &PeriodStatement,
        stated: &StatedPeriod,
        archive: &ProvenArchive,
        trust: &ReceiptTrust,
    ) {
        let statement = Sha256Digest::of(period.statement.as_bytes());
        let attested = if let Some(token) = &period.token {
            let value = period_value(statement, Sha256Digest::of(&period.seal.0));
            self.token(&token.0, value, archive, trust)
        } else {
            let message = "it has no time-stamp: when it was sealed is only what it says itself";
            self.find(FindingCode::PeriodNotStamped, message);
            None
        };
        let at = attested.unwrap_or(stated.at.timestamp());
        match verify_stamped_seal(&period.seal.0, statement, &trust.anchors, at) {
            Ok(seal) => {
                // Where the description cannot be read, that is a finding already.
                let ours = archive.logs.last().and_then(|it| it.seal_certificate);
                if ours.is_some_and(|sha256| sha256 != seal.certificate_sha256) {
                    let message = "its seal was made with another certificate than the archive's";
                    self.find(FindingCode::PeriodSeal, message);
                }
                if let Some(doubt) = seal.doubt() {
                    self.find(FindingCode::SealOriginUnknown, doubt);
                }
                self.sealed_by = Some(seal.signer);
            }
            Err(error) => {
                let code = code_of(error.is_unknown_algorithm());
                self.find(code, format!("its seal: {error}"));
            }
        }
    }

    fn token(
        &mut self,
        token: &[u8],
        value: Sha256Digest,
        archive: &ProvenArchive,
        trust: &ReceiptTrust,
    ) -> Option<Timestamp> {
        match verify_token(token, value, &trust.anchors) {
            Ok(token) => {
                if token.trust == Trust::Unknown {
                    let message = "its authority leads to no anchor of the trust store";
                    self.find(FindingCode::AuthorityUnknown, message);
                }
                if token.trial && !archive.trial {
                    let message = "its time-stamp is for trial, not qualified";
                    self.find(FindingCode::TrialEvidence, message);
                }
                if let Some(message) = not_qualified(&token) {
                    self.find(FindingCode::NotQualified, message);
                }
                let counts = token.trust != Trust::Unknown && (!token.trial || archive.trial);
                self.believed_at = counts.then_some(token.stamped_at);
                let qualified = token.qualification.is_qualified();
                let (authority, trial) = (token.authority, token.trial);
                let stamped_at = token.stamped_at.to_string();
                self.time = Some(PeriodTime { stamped_at, authority, trial, qualified });
                Some(token.stamped_at)
            }
            Err(error) => {
                let code = code_of(error.is_unknown_algorithm());
                self.find(code, format!("its time-stamp: {error}"));
                None
            }
        }
    }
}

fn code_of(is_unknown_algorithm: bool) -> FindingCode {
    if is_unknown_algorithm { FindingCode::AlgorithmUnknown } else { FindingCode::PeriodSeal }
}

/// Returns the members of a value by name.
fn members<T: Serialize>(value: &T) -> serde_json::Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}
