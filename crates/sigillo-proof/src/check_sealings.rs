//! Checking the sealings of a receipt: statement, seal, time-stamps.

use std::collections::HashSet;

use sigillo_ers::{Trust, sealing_leaves, sealing_value, tree_root, verify_token, walk_path};
use sigillo_merkle::{Checkpoint, SignedNote, parse_signed_checkpoint, verify_consistency};
use sigillo_model::{
    BatchCommitted, BatchesSealed, Entry, EvidenceDigest, Finding, FindingCode, Sha256Digest,
    Sha512Digest, Statement, parse_canonical,
};

use crate::{
    EntryPlace, Receipt, ReceiptTrust, SealingSection, TokenSection,
    check::{AttestedTime, Checker, LineStanding, not_qualified, tree_hash},
    check_ended::FirstStamp,
    check_logs::ProvenArchive,
    check_seals::WaitingSeal,
    evidence::sealing_tree_value,
};

/// The format of the statements that this program knows.
const FORMAT: u32 = 1;
/// Their profile.
const PROFILE: &str = "plain";
/// The policy they name until one is adopted.
const POLICY: &str = "none";

/// A sealing whose entry is proven.
struct Proven<'a> {
    section: &'a SealingSection,
    body: BatchesSealed,
    statement: Option<Statement>,
}

/// Checks every sealing, and how the batches lead to them.
pub(crate) fn check_sealings(
    checker: &mut Checker,
    receipt: &Receipt,
    archive: &ProvenArchive,
    batches: &[Option<BatchCommitted>],
    trust: &ReceiptTrust,
) {
    let mut check = SealingsCheck { checker, receipt, archive, trust };
    let mut proven: Vec<Proven<'_>> = Vec::new();
    let mut after = None;
    for (place, section) in receipt.sealings.iter().enumerate() {
        if after.is_some_and(|after| section.entry.place() <= after) {
            let message = "the sealings do not stand in the order of the log";
            check.checker.find(FindingCode::ReceiptDiffers, "sealing", message);
            // The same one again and again would be verified each time.
            continue;
        }
        after = Some(section.entry.place());
        let Some(sealing) = check.sealing((place, section)) else { continue };
        if proven.last().is_some_and(|last| last.body.number >= sealing.body.number) {
            let message = "the sealings do not stand in the order of the log";
            check.find(FindingCode::ReceiptDiffers, &sealing.body, message);
        }
        proven.push(sealing);
    }
    check.batches(&proven, batches);
}

pub(crate) struct SealingsCheck<'a> {
    pub(crate) checker: &'a mut Checker,
    receipt: &'a Receipt,
    pub(crate) archive: &'a ProvenArchive,
    pub(crate) trust: &'a ReceiptTrust,
}

impl SealingsCheck<'_> {
    pub(crate) fn find(
        &mut self,
        code: FindingCode,
        sealing: &BatchesSealed,
        message: impl Into<String>,
    ) {
        let object = format_args!("sealing {}", sealing.number).to_string();
        self.checker.add(Finding::new(code, object, message));
    }

    fn sealing<'b>(&mut self, (place, section): (usize, &'b SealingSection)) -> Option<Proven<'b>> {
        let Entry::BatchesSealed(body) = self.checker.entry(&section.entry, "sealing")? else {
            let message = "its log entry is of another type";
            self.checker.find(FindingCode::ReceiptLogProof, "sealing", message);
            return None;
        };
        let statement = self.statement(section, &body);
        self.tokens(section, &body);
        let stated_at = statement.as_ref().map(|it| it.at.timestamp());
        let certificate = self.archive.log(section.entry.log).and_then(|it| it.seal_certificate);
        let waiting = WaitingSeal { place, body: body.clone(), stated_at, certificate };
        self.checker.seals.push(waiting);
        Some(Proven { section, body, statement })
    }

    /// Reads a statement that says what the log says.
    fn statement(&mut self, section: &SealingSection, body: &BatchesSealed) -> Option<Statement> {
        let bytes = section.statement.as_bytes();
        if Sha256Digest::of(bytes) != body.statement_sha256 {
            let message = "its statement does not have the digest that the log states";
            self.find(FindingCode::StatementDamaged, body, message);
            return None;
        }
        let statement = match parse_canonical::<Statement>(bytes) {
            Ok(statement) => statement,
            Err(error) => {
                self.find(FindingCode::StatementDamaged, body, error.to_string());
                return None;
            }
        };
        if statement.format != FORMAT || statement.profile != PROFILE {
            let message = "its statement has a format or profile that this program does not know";
            self.find(FindingCode::StatementUnknown, body, message);
            return None;
        }
        if statement.policy != POLICY {
            let message = "its statement names a policy that this program does not know";
            self.find(FindingCode::StatementUnknown, body, message);
        }
        if let Some(message) = self.difference(section, body, &statement) {
            self.find(FindingCode::StatementDiffers, body, message);
            return None;
        }
        self.covers(body, &statement);
        Some(statement)
    }

    /// Takes note of what a statement covers that says what the log says.
    fn covers(&mut self, body: &BatchesSealed, statement: &Statement) {
        let log = self.archive.log_of_commit(body.through).map(|(generation, _)| generation);
        if let Some((log, head)) = log.zip(Checkpoint::stated(&statement.checkpoint)) {
            self.checker.heads.insert(body.number, EntryPlace { log, index: head.size });
        }
    }

    fn difference(
        &self,
        section: &SealingSection,
        body: &BatchesSealed,
        statement: &Statement,
    ) -> Option<&'static str> {
        let header = (statement.number, statement.after, statement.through, statement.sealing);
        if header != (body.number, body.after, body.through, body.sealing) {
            return Some("its statement has another number or interval than the log");
        }
        let text = SignedNote::parse(statement.checkpoint.as_bytes()).ok();
        let text = text.map(|note| Sha256Digest::of(note.text.as_bytes()));
        let root = text.and_then(|text| tree_root(&sealing_leaves(statement, text)));
        if root != Some(body.root) {
            return Some("the batches and the checkpoint of its statement do not give its root");
        }
        let (generation, log) = self.archive.log_of_commit(body.through)?;
        let note = statement.checkpoint.as_bytes();
        let Ok(older) = parse_signed_checkpoint(note, log.keys.of_note(note)) else {
            return Some("the checkpoint of its statement does not bear the log's signature");
        };
        if (EntryPlace { log: generation, index: older.size }) > section.entry.place() {
            return Some("the checkpoint of its statement covers the entry of the sealing itself");
        }
        let newer = self.checker.tree_of(generation)?;
        let path: Vec<_> = section.consistency.iter().copied().map(tree_hash).collect();
        let grown = verify_consistency(older.size, older.root, newer.size, newer.root, &path);
        grown.is_err().then_some("the log of its statement's checkpoint is not that of the receipt")
    }

    /// Checks the time-stamps, and returns the first time that is attested.
    fn tokens(&mut self, section: &SealingSection, body: &BatchesSealed) {
        let (mut after, mut lines) = (section.entry.place(), HashSet::new());
        for token in &section.tokens {
            if token.entry.place() <= after {
                let message = "its time-stamps do not stand in the order of the log";
                self.find(FindingCode::ReceiptDiffers, body, message);
                // The same one again and again would be verified each time.
                continue;
            }
            after = token.entry.place();
            if !lines.insert(token.line.as_str()) {
                let message =
                    "it has two time-stamps on one evidence line, of which only the first counts";
                self.find(FindingCode::ReceiptDiffers, body, message);
                continue;
            }
            self.checker.look_at_line(Some((body.number, token.line.clone())));
            let stamped_at = self.token((section, body), token);
            self.renewals((section, body), token, stamped_at);
            self.checker.look_at_line(None);
        }
        if section.tokens.is_empty() {
            self.find(
                FindingCode::NotStamped,
                body,
                "it has no time-stamp yet, or none in this receipt",
            );
        }
    }

    fn token(
        &mut self,
        (sealing, body): (&SealingSection, &BatchesSealed),
        section: &TokenSection,
    ) -> Option<jiff::Timestamp> {
        let code = FindingCode::TokenDamaged;
        let Entry::SealingStamped(stamped) = self.checker.entry(&section.entry, "time-stamp")?
        else {
            self.find(FindingCode::ReceiptLogProof, body, "a log entry is of another type");
            return None;
        };
        let named = stamped.number == body.number
            && stamped.sealing == body.sealing
            && stamped.line == section.line
            && stamped.token_sha256 == Sha256Digest::of(&section.token.0);
        if !named {
            self.find(code, body, "its time-stamp is not the one that the log names");
            return None;
        }
        let Some(imprint) = imprint_of((sealing, body), section) else {
            self.find(code, body, "a hash of its time-stamp is of another hash function");
            return None;
        };
        let stated = stamped.tree.as_ref();
        let own = stated.map(|it| (EvidenceDigest::from(it.root), it.token_sha512));
        if own.is_some_and(|own| own != (imprint, Sha512Digest::of(&section.token.0))) {
            let message = "statement and seal do not lead to what the log says that its time-stamp \
                           covers, or that is another token";
            self.find(code, body, message);
            return None;
        }
        match verify_token(&section.token.0, imprint, &self.trust.anchors) {
            Ok(token) => {
                self.checker.verified_line(token.trial);
                let stamped_at = token.stamped_at.to_string();
                if stamped_at != stamped.stamped_at || token.trial != stamped.trial {
                    self.find(code, body, "its time-stamp attests another time than the log says");
                }
                if token.trust == Trust::Unknown {
                    let message = "its authority leads to no anchor of the trust store";
                    self.find(FindingCode::AuthorityUnknown, body, message);
                }
                if token.trial && !self.archive.trial {
                    let message = "its time-stamp is for trial, not qualified";
                    self.find(FindingCode::TrialEvidence, body, message);
                }
                if let Some(message) = not_qualified(&token) {
                    self.find(FindingCode::NotQualified, body, message);
                }
                self.checker.stamps.push(FirstStamp {
                    line: (body.number, section.line.clone()),
                    at: token.stamped_at,
                    counts: !token.trial || self.archive.trial,
                });
                self.checker.times.push(AttestedTime {
                    sealing: body.number,
                    stamped_at,
                    trial: token.trial,
                    qualified: token.qualification.is_qualified(),
                    authority: token.authority,
                    renewal: false,
                    line: section.line.clone(),
                    standing: LineStanding::Doubtful,
                });
                Some(token.stamped_at)
            }
            Err(error) if error.is_unknown_algorithm() => {
                self.find(FindingCode::AlgorithmUnknown, body, error.to_string());
                None
            }
            Err(error) => {
                self.find(code, body, error.to_string());
                None
            }
        }
    }

    /// Checks that every batch is in the statement of the sealing it leads to.
    fn batches(&mut self, sealings: &[Proven<'_>], batches: &[Option<BatchCommitted>]) {
        let mut unsealed = 0;
        let statements = sealings.iter().filter_map(|it| it.statement.as_ref());
        let listed_by_any: HashSet<_> =
            statements.flat_map(|it| &it.batches).map(|it| it.batch).collect();
        let mut used = vec![false; sealings.len()];
        for (number, (section, body)) in self.receipt.batches.iter().zip(batches).enumerate() {
            let object = format!("batch {number}");
            let Some(sealed) = &section.sealed else {
                unsealed += 1;
                if body.as_ref().is_some_and(|body| listed_by_any.contains(&body.batch)) {
                    let message = "a sealing of the receipt lists it, and it does not lead there";
                    self.checker.find(FindingCode::ReceiptDiffers, &object, message);
                }
                continue;
            };
            let at = sealings.iter().position(|it| it.body.number == sealed.number);
            let Some(at) = at else {
                if sealings.len() == self.receipt.sealings.len() {
                    let message = "the sealing it leads to is not in the receipt";
                    self.checker.find(FindingCode::ReceiptDiffers, &object, message);
                }
                continue;
            };
            used[at] = true;
            let Some(body) = body else { continue };
            let sealing = &sealings[at];
            if walk_path(body.root, &sealed.tree_path) != sealing.body.root {
                let message = "its tree path does not lead to the root of its sealing";
                self.checker.find(FindingCode::ReceiptBatchProof, &object, message);
            }
            let listed = sealing.statement.as_ref().is_none_or(|it| lists(it, body));
            if !listed || section.entry.place() >= sealing.section.entry.place() {
                let message = "the statement of its sealing does not list it";
                self.checker.find(FindingCode::StatementDiffers, &object, message);
            }
        }
        if let Some(at) = used.iter().position(|used| !used) {
            let message = "it covers no batch of the receipt";
            let body = sealings[at].body.clone();
            self.find(FindingCode::ReceiptDiffers, &body, message);
        }
        if unsealed > 0 {
            let message = format!(
                "{unsealed} batches are not sealed yet, or their sealing is not in this receipt"
            );
            self.checker.find(FindingCode::NotSealed, "batches", message);
        }
    }
}

/// Returns what the first token of a line should cover, `None` if a hash is of another hash function than
/// the line.
pub(crate) fn imprint_of(
    (sealing, body): (&SealingSection, &BatchesSealed),
    section: &TokenSection,
) -> Option<EvidenceDigest> {
    if section.is_over_trees() {
        let path: Option<Vec<_>> = section.path.iter().map(EvidenceDigest::sha512).collect();
        let value = sealing_tree_value(sealing, body, section)?;
        return Some(walk_path(value, &path?).into());
    }
    let path: Option<Vec<_>> = section.path.iter().map(EvidenceDigest::sha256).collect();
    Some(walk_path(sealing_value(body), &path?).into())
}

fn lists(statement: &Statement, body: &BatchCommitted) -> bool {
    statement.batches.iter().any(|it| {
        it.batch == body.batch
            && it.documents == body.documents
            && it.order_root == body.order_root
            && it.root == body.root
    })
}
