//! A log with entries of many kinds, and the statements of its periods.

use serde_json::Value;

use sigillo_merkle::{consistency_path, frontier_at, root_at};
use sigillo_model::{
    BatchCommitted, BatchId, Blake3Digest, CommitOpened, Entry, EvidenceRenewed, FindingCode,
    ListedPack, LogSucceeded, LogTime, PackList, RenewalId, Sha256Digest, SubmissionCompleted,
    SubmissionId, SubmissionReceived, Succession, SuccessionReason, Verdict, WriterId,
    to_canonical,
};
use sigillo_proof::{
    ArchiveSection, Base64Bytes, PeriodCheck, PeriodDraft, PeriodStatement, StatedPeriod,
    check_period, period_value,
};

use crate::world::{World, now};

/// A log of five commits, with their sizes and the lists of packs of their batches.
pub(crate) struct Log {
    pub(crate) world: World,
    /// Entries after so many commits.
    pub(crate) sizes: Vec<u64>,
    /// By the commit of the batch.
    packs: Vec<(usize, String)>,
    created: u64,
    description: String,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Makes a log whose last commit has more lines.
    pub(crate) fn with(more: &[&str]) -> Self {
        let world = World::new();
        let description = String::new();
        let mut log = Self { world, sizes: vec![0], packs: Vec::new(), created: 1, description };
        log.open();
        let (created, description) = log.world.describe(&|_| ());
        (log.created, log.description) = (created, description);
        log.close();
        let submission = SubmissionId::from_bytes([5; 16]);
        log.open();
        let received_sha256 = Sha256Digest::of(b"received");
        let received = SubmissionReceived { received: 9, received_sha256, submission };
        log.world.push(&Entry::SubmissionReceived(received));
        log.batch(3, &[700, 41]);
        log.batch(2, &[90]);
        log.world.push(&Entry::SubmissionCompleted(SubmissionCompleted {
            aggregations: 1,
            already: 2,
            archived: 4,
            pending: 1,
            received: 9,
            refused: 2,
            report_sha256: Sha256Digest::of(b"report"),
            submission,
        }));
        log.close();
        log.commit(&[
            r#"{"hold":"x","type":"hold.placed","v":1}"#,
            r#"{"hold":"x","type":"hold.released","v":1}"#,
            r#"{"hold":"y","type":"hold.placed","v":1}"#,
            r#"{"type":"fixity.checked","v":1}"#,
        ]);
        log.open();
        log.batch(1, &[5]);
        log.close();
        let renewed = Entry::EvidenceRenewed(EvidenceRenewed {
            line: "plain-sha256-trial".to_owned(),
            members: 1,
            members_sha256: Sha256Digest::of(b"members"),
            renewal: RenewalId::from_bytes([7; 16]),
            root: Sha256Digest::of(b"root").into(),
            stamped_at: "2036-05-25T08:00:00Z".to_owned(),
            token_sha256: Sha256Digest::of(b"token"),
            token_sha512: None,
            trial: true,
        });
        let renewed = String::from_utf8(renewed.to_line().unwrap()).unwrap();
        let succeeded = Entry::LogSucceeded(Box::new(succeeded()));
        let succeeded = String::from_utf8(succeeded.to_line().unwrap()).unwrap();
        let last = [
            &renewed,
            r#"{"type":"disposal.completed","v":1}"#,
            r#"{"type":"copy.repaired","v":1}"#,
            &succeeded,
            r#"{"type":"unit.annulled","v":1}"#,
            r#"{"type":"content.erased","v":1}"#,
            r#"{"type":"submission.refused","v":1}"#,
        ];
        log.commit(&[&last, more].concat());
        log
    }

    pub(crate) fn open(&mut self) {
        let commit = self.sizes.len() as u64;
        let (size, tree) = (self.world.tree.size(), &self.world.tree);
        let at: jiff::Timestamp = "2026-11-25T08:00:00Z".parse().unwrap();
        let at = LogTime::new(at + jiff::SignedDuration::from_secs(commit.cast_signed()));
        let root = Sha256Digest::from_bytes(*root_at(size, tree).unwrap().as_bytes());
        self.world.push(&Entry::CommitOpened(CommitOpened {
            at,
            clock: at,
            commit,
            epoch: 1,
            first_leaf: size,
            generation: 1,
            previous: (commit > 1).then(|| Sha256Digest::of(b"previous")),
            root,
            rotated: None,
            sealed: 0,
            succeeded: None,
            writer: WriterId::from_bytes([7; 16]),
        }));
    }

    pub(crate) fn close(&mut self) {
        self.sizes.push(self.world.tree.size());
    }

    pub(crate) fn commit(&mut self, lines: &[&str]) {
        self.open();
        for line in lines {
            self.world.push_line(line.as_bytes().to_vec());
        }
        self.close();
    }

    pub(crate) fn batch(&mut self, documents: u32, sizes: &[u64]) {
        let pack = |(number, size): (usize, &u64)| ListedPack {
            documents: if number == 0 { documents } else { 0 },
            name: Blake3Digest::of(&size.to_be_bytes()),
            size: *size,
        };
        let packs = sizes.iter().enumerate().map(pack).collect();
        let list = to_canonical(&PackList { format: 1, packs });
        let batch = BatchId::from_bytes([u8::try_from(self.packs.len()).unwrap() + 1; 16]);
        self.world.push(&Entry::BatchCommitted(BatchCommitted {
            batch,
            documents,
            leaves_sha256: Sha256Digest::of(b"leaves"),
            order_root: Sha256Digest::of(b"order"),
            packs_sha256: Sha256Digest::of(&list),
            root: Sha256Digest::of(&batch.as_bytes()[..]),
            submission: SubmissionId::from_bytes([5; 16]),
        }));
        self.packs.push((self.sizes.len(), String::from_utf8(list).unwrap()));
    }

    /// Signs the checkpoint of the log after a commit.
    pub(crate) fn checkpoint(&self, commit: usize) -> String {
        self.world.checkpoint_of(self.sizes[commit])
    }

    /// Drafts the statement of the commits after `after` up to `through`.
    pub(crate) fn draft(&self, after: usize, through: usize) -> PeriodDraft {
        let (older, newer) = (self.sizes[after], self.sizes[through]);
        let description: Value = serde_json::from_str(&self.description).unwrap();
        let text = |name: &str| description[name].as_str().unwrap().to_owned();
        let within = usize::try_from(older).unwrap()..usize::try_from(newer).unwrap();
        let lines = self.world.lines[within].iter();
        let packs = self.packs.iter().filter(|(commit, _)| (after + 1..=through).contains(commit));
        PeriodDraft {
            archive: ArchiveSection {
                created: self.world.line_of(self.created, newer),
                description: self.description.clone(),
                entity: description["entity"]["name"].as_str().unwrap().to_owned(),
                id: text("archive").parse().unwrap(),
                log: description["keys"]["log"].as_str().unwrap().to_owned(),
                origin: text("origin"),
                rotations: Vec::new(),
                successions: Vec::new(),
                trial: true,
            },
            at: LogTime::new(now()),
            consistency: consistency_path(older, newer, &self.world.tree).unwrap(),
            edge: frontier_at(older, &self.world.tree).unwrap(),
            ended: None,
            entries: ended(lines.map(|line| String::from_utf8_lossy(line))),
            newer: self.checkpoint(through),
            older: (after > 0).then(|| self.checkpoint(after)),
            packs: ended(packs.map(|(_, list)| list)),
        }
    }

    pub(crate) fn statement(&self, after: usize, through: usize) -> PeriodStatement {
        let draft = self.draft(after, through);
        let stated = draft.state().unwrap();
        self.sealed(draft, &stated)
    }

    /// Seals what is stated, true or not, and stamps it.
    pub(crate) fn sealed(&self, draft: PeriodDraft, stated: &StatedPeriod) -> PeriodStatement {
        let seal = self.world.seal_over(Sha256Digest::of(stated.to_json().as_bytes()));
        let mut statement = draft.seal(stated, seal).unwrap();
        self.stamp(&mut statement);
        statement
    }

    pub(crate) fn stamp(&self, statement: &mut PeriodStatement) {
        let sha256 = Sha256Digest::of(statement.statement.as_bytes());
        let value = period_value(sha256, Sha256Digest::of(&statement.seal.0));
        statement.token = Some(Base64Bytes(self.world.stamp(value).0));
    }

    /// Seals and stamps a statement anew, as who has the keys for that can.
    pub(crate) fn seal_again(&self, statement: &mut PeriodStatement) {
        let sha256 = Sha256Digest::of(statement.statement.as_bytes());
        statement.seal = Base64Bytes(self.world.seal_over(sha256));
        self.stamp(statement);
    }

    pub(crate) fn check(&self, statement: &PeriodStatement) -> PeriodCheck {
        let read = PeriodStatement::parse(&statement.to_json()).unwrap();
        check_period(&read, &self.world.trust())
    }

    /// Sees that a statement is found to be false, first of all by this code, and says why.
    #[track_caller]
    pub(crate) fn check_refused(&self, statement: &PeriodStatement, code: FindingCode) -> String {
        let check = self.check(statement);
        let first = &check.findings[0];
        assert_eq!((check.verdict, first.code), (Verdict::Damaged, code), "{:?}", check.findings);
        first.message.clone()
    }
}

/// Ends every line with a newline, as entries and lists of packs stand in a statement.
pub(crate) fn ended(lines: impl Iterator<Item = impl AsRef<str>>) -> String {
    lines.fold(String::new(), |text, line| text + line.as_ref() + "\n")
}

/// A succession that says little: a statement only counts it.
fn succeeded() -> LogSucceeded {
    LogSucceeded {
        act_sha256: Sha256Digest::of(b"act"),
        signature: None,
        signature_sha256: Sha256Digest::of(b"signature"),
        succession: Succession {
            checkpoint: None,
            commit: "commit".to_owned(),
            generation: 2,
            last: 1,
            last_sha256: Sha256Digest::of(b"last"),
            log: "log".to_owned(),
            reason: SuccessionReason::TailLost,
            root: Sha256Digest::of(b"root"),
            seal: None,
            size: 1,
        },
    }
}
