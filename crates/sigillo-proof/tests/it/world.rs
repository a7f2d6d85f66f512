//! A little archive in memory, with real keys, and the receipts it gives.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use jiff::{SignedDuration, Timestamp};

use sigillo_ers::{
    CertificateContent, CertificateRole, EvidenceTree, Expectations, Imprint, TimeStampRequest,
    TokenContent, TrustAnchors, check_response, list_value, prepare_certificate, prepare_seal,
    prepare_token, sealing_leaves, sealing_value, to_pem, walk_path,
};
use sigillo_merkle::{
    Checkpoint, MemoryTree, NoteSignature, SignedNote, TreeHash, VerifierKey, consistency_path,
    inclusion_path, leaf_hash, root_at,
};
use sigillo_model::{
    Algorithms, ArchiveCreated, ArchiveDescription, ArchiveId, ArchiveKeys, BatchCommitted,
    BatchesSealed, Entity, Entry, EvidenceRenewed, LogTime, RenewalId, SealedBatch, SealingId,
    SealingStamped, Sha256Digest, Signer as _, Statement, SubmissionCompleted, SubmissionId,
    SubmissionReceived, to_canonical,
};
use sigillo_proof::{
    ArchiveSection, Base64Bytes, BatchSection, Counts, EntryPlace, LoggedLine, Receipt,
    ReceiptTrust, RefusedDocument, RenewalSection, SealedIn, SealingSection, SubmissionSection,
    TokenSection,
};
use sigillo_testkit::MemorySigner;

pub(crate) use crate::documents::{document, file_bytes};
use crate::{
    documents::{add_documents, batch},
    successions::{Border, Ended},
};

pub(crate) const ORIGIN: &str = "sigillo.invalid/prova";
pub(crate) const LINE: &str = "plain-sha256-trial";
/// Until when certificates are valid.
const UNTIL: &str = "2036-01-01T00:00:00Z";
pub(crate) const SUBMISSION: SubmissionId = SubmissionId::from_bytes([5; 16]);

struct Key(EcdsaKeyPair);

impl Key {
    fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-25T08:30:15.25Z".parse().unwrap()
}

/// What the archive of a test is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Documents of each batch.
    pub(crate) batches: Vec<usize>,
    /// Every how many-th document the receipt lists; all of them make it that of a submission.
    pub(crate) every: usize,
    pub(crate) sealed: bool,
}

/// What somebody makes otherwise who has every key of an archive.
pub(crate) struct Changes<'c> {
    /// What the archive says of itself.
    pub(crate) description: &'c dyn Fn(&mut ArchiveDescription),
    /// What its statement says, before it is sealed, logged and stamped.
    pub(crate) statement: &'c dyn Fn(&mut Statement),
    /// Which key signs its log.
    pub(crate) log_key: u64,
    /// How often its time-stamp was renewed.
    pub(crate) renewals: usize,
    /// The digests of the revocation evidence that its first renewal covers.
    pub(crate) covered: Vec<Sha256Digest>,
    /// How often the key of its log was rotated: once after it was sealed, and before that the rest.
    pub(crate) rotations: usize,
    /// Whether its rotations are signed by somebody else, under the id of the right key.
    pub(crate) forged: bool,
    /// Where its log is succeeded by another.
    pub(crate) borders: &'c [Border],
    /// Whether the key of the old log signs for the new one.
    pub(crate) vouched: bool,
    /// Whether another key seals from there on.
    pub(crate) seals_anew: bool,
    /// Until when the certificate of its authority is valid.
    pub(crate) authority_until: &'c str,
    /// Until when that of its first seal is.
    pub(crate) seal_until: &'c str,
}

impl Default for Changes<'_> {
    fn default() -> Self {
        Self {
            description: &|_| (),
            statement: &|_| (),
            log_key: 1,
            renewals: 0,
            covered: Vec::new(),
            rotations: 0,
            forged: false,
            borders: &[],
            vouched: true,
            seals_anew: false,
            authority_until: UNTIL,
            seal_until: UNTIL,
        }
    }
}

/// The archive: its log so far, its batches, its keys.
pub(crate) struct World {
    pub(crate) signer: MemorySigner,
    log: VerifierKey,
    /// The keys that followed, each with the place of the entry that names it.
    pub(crate) later: Vec<(u64, MemorySigner)>,
    seal_key: Key,
    /// Key and certificate that can seal after it.
    next_seal: Option<(Key, Vec<u8>)>,
    tsa_key: Key,
    /// Key and certificate of another authority.
    next_tsa: Option<(Key, Vec<u8>)>,
    pub(crate) seal: Vec<u8>,
    pub(crate) tsa: Vec<u8>,
    pub(crate) anchors: TrustAnchors,
    /// The certificate of the root, DER.
    pub(crate) root: Vec<u8>,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) tree: MemoryTree,
    /// The logs that ended, oldest first.
    pub(crate) ended: Vec<Ended>,
    /// The time of its authority.
    pub(crate) at: Timestamp,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Changes::default())
    }

    fn with(changes: &Changes<'_>) -> Self {
        let [root_key, tsa_key, other_key, seal_key, next_key] = [(); 5].map(|()| Key::generate());
        let make = |role, subject: &str, key: &Key, until: &str| {
            let content = CertificateContent {
                role,
                subject: subject.to_owned(),
                issuer: "Sigillo TRIAL root".to_owned(),
                serial: Sha256Digest::of(subject.as_bytes()).as_bytes()[..16].try_into().unwrap(),
                not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
                not_after: until.parse().unwrap(),
                public_key: key.public(),
                issuer_public_key: root_key.public(),
            };
            let prepared = prepare_certificate(&content).unwrap();
            let signature = root_key.sign(prepared.to_sign());
            prepared.finish(&signature)
        };
        let root = make(CertificateRole::TrialRoot, "Sigillo TRIAL root", &root_key, UNTIL);
        let tsa = |key, until| {
            make(CertificateRole::TrialTimeStamping, "Sigillo TRIAL time-stamps", key, until)
        };
        let (tsa, other) = (tsa(&tsa_key, changes.authority_until), tsa(&other_key, UNTIL));
        let next_tsa = Some((other_key, other));
        let seal = |subject, key, until| make(CertificateRole::TrialSeal, subject, key, until);
        let next = seal("Comune di Prova TRIAL next seal", &next_key, UNTIL);
        let seal = seal("Comune di Prova TRIAL seal", &seal_key, changes.seal_until);
        let next_seal = Some((next_key, next));
        let mut anchors = TrustAnchors::new();
        anchors.add_der("trial", &root).unwrap();
        let signer = MemorySigner::new(changes.log_key);
        let log = verifier_key(ORIGIN, &signer);
        let tree = MemoryTree::new();
        let lines = Vec::new();
        let (later, ended) = (Vec::new(), Vec::new());
        Self {
            signer,
            log,
            later,
            seal_key,
            next_seal,
            tsa_key,
            next_tsa,
            seal,
            tsa,
            anchors,
            root,
            lines,
            tree,
            ended,
            at: now(),
        }
    }

    /// Returns the verifier key of the first log.
    pub(crate) fn log_key(&self) -> &VerifierKey {
        &self.log
    }

    pub(crate) fn trust(&self) -> ReceiptTrust {
        ReceiptTrust {
            log: Some(self.log.clone().into()),
            anchors: self.anchors.clone(),
            ..ReceiptTrust::default()
        }
    }

    pub(crate) fn push(&mut self, entry: &Entry) -> u64 {
        self.push_line(entry.to_line().unwrap())
    }

    pub(crate) fn push_line(&mut self, line: Vec<u8>) -> u64 {
        self.tree.push(leaf_hash(&line));
        self.lines.push(line);
        self.tree.size() - 1
    }

    pub(crate) fn signed_checkpoint(&self) -> String {
        self.checkpoint_of(self.tree.size())
    }

    /// Signs the checkpoint of the first `size` entries.
    pub(crate) fn checkpoint_of(&self, size: u64) -> String {
        let newer = self.later.iter().rev().find(|(index, _)| *index < size);
        self.checkpoint_by(newer.map_or(&self.signer, |(_, signer)| signer), size)
    }

    /// Does the same with any key, under the name and id of the log's.
    pub(crate) fn checkpoint_by(&self, signer: &MemorySigner, size: u64) -> String {
        let root = root_at(size, &self.tree).unwrap();
        let origin = self.origin();
        let text = Checkpoint { origin: origin.clone(), size, root }.to_text();
        let signature = signer.sign(text.as_bytes()).unwrap();
        let is_later = |it: &&(u64, MemorySigner)| it.1.public_key() == signer.public_key();
        let later = self.later.iter().find(is_later);
        let id = verifier_key(&origin, later.map_or(&self.signer, |(_, it)| it)).id();
        let signature = NoteSignature { name: origin, id, signature };
        let note = SignedNote::new(text, vec![signature]).unwrap();
        String::from_utf8(note.to_bytes()).unwrap()
    }

    pub(crate) fn line(&self, index: u64) -> LoggedLine {
        self.line_of(index, self.tree.size())
    }

    /// Returns an entry with the proof that it is among the first `size`.
    pub(crate) fn line_of(&self, index: u64, size: u64) -> LoggedLine {
        let line = self.lines[usize::try_from(index).unwrap()].clone();
        let proof = inclusion_path(index, size, &self.tree).unwrap();
        let (line, log) = (String::from_utf8(line).unwrap(), self.generation());
        LoggedLine { index, line, log, proof: digests(&proof) }
    }

    pub(crate) fn describe(&mut self, change: &dyn Fn(&mut ArchiveDescription)) -> (u64, String) {
        let archive = ArchiveId::from_bytes([1; 16]);
        let commit_name = format!("{ORIGIN}/commit");
        let mut description = ArchiveDescription {
            algorithms: Algorithms { address: "blake3".to_owned(), evidence: "sha256".to_owned() },
            archive,
            created_at: LogTime::new(now()),
            encryption: "none".to_owned(),
            entity: Entity { ipa: None, name: "Comune di Prova".to_owned() },
            format: 1,
            keys: ArchiveKeys {
                commit: verifier_key(&commit_name, &MemorySigner::new(2)).to_string(),
                log: self.log.to_string(),
                seal: to_pem("CERTIFICATE", &self.seal),
            },
            origin: ORIGIN.to_owned(),
            trial: true,
        };
        change(&mut description);
        let text = String::from_utf8(to_canonical(&description)).unwrap();
        let archive_sha256 = Sha256Digest::of(text.as_bytes());
        (self.push(&Entry::ArchiveCreated(ArchiveCreated { archive, archive_sha256 })), text)
    }

    fn seal(&mut self, batches: &[(EntryPlace, BatchCommitted)], changes: &Changes<'_>) -> Sealed {
        let mut statement = Statement {
            after: 0,
            at: LogTime::new(now()),
            batches: batches
                .iter()
                .map(|(_, body)| SealedBatch {
                    batch: body.batch,
                    commit: 2,
                    documents: body.documents,
                    order_root: body.order_root,
                    root: body.root,
                })
                .collect(),
            checkpoint: self.signed_checkpoint(),
            format: 1,
            number: 1,
            policy: "none".to_owned(),
            profile: "plain".to_owned(),
            sealing: SealingId::from_bytes([8; 16]),
            through: 2,
        };
        (changes.statement)(&mut statement);
        let text = to_canonical(&statement);
        let statement_sha256 = Sha256Digest::of(&text);
        let seal = self.seal_over(statement_sha256);
        let older = self.at(self.tree.size());
        let note = SignedNote::parse(statement.checkpoint.as_bytes()).unwrap();
        let leaves = sealing_leaves(&statement, Sha256Digest::of(note.text.as_bytes()));
        let tree = EvidenceTree::new(leaves);
        let body = BatchesSealed {
            after: 0,
            number: 1,
            root: tree.root().unwrap(),
            seal_sha256: Sha256Digest::of(&seal),
            sealing: statement.sealing,
            statement_sha256,
            through: 2,
        };
        let index = self.push(&Entry::BatchesSealed(body.clone()));
        let index = self.at(index);
        let (token, stamped_at) = self.stamp(sealing_value(&body));
        let stamped = self.push(&Entry::SealingStamped(SealingStamped {
            line: LINE.to_owned(),
            number: 1,
            sealing: body.sealing,
            stamped_at,
            token_sha256: Sha256Digest::of(&token),
            tree: None,
            trial: true,
        }));
        let stamped = self.at(stamped);
        self.pass(changes, Border::Stamped);
        let renewals = self.renew(&token, changes);
        Sealed { older, index, stamped, statement: text, seal, token, renewals, tree }
    }

    /// Lets another key seal from here on, and returns its certificate.
    pub(crate) fn seal_anew(&mut self) -> String {
        let next = self.next_seal.take().unwrap();
        (self.seal_key, self.seal) = next;
        to_pem("CERTIFICATE", &self.seal)
    }

    /// Lets another authority stamp from here on.
    pub(crate) fn stamp_anew(&mut self) {
        (self.tsa_key, self.tsa) = self.next_tsa.take().unwrap();
    }

    /// Makes a seal over what has this digest.
    pub(crate) fn seal_over(&self, sha256: Sha256Digest) -> Vec<u8> {
        let prepared = prepare_seal(sha256, &self.seal, &[], now()).unwrap();
        let signature = self.seal_key.sign(prepared.to_sign());
        prepared.finish(&signature)
    }

    /// Renews a time-stamp some times, an hour apart, each time together with that of another sealing.
    fn renew(&mut self, token: &[u8], changes: &Changes<'_>) -> Vec<Renewed> {
        let mut older = vec![Sha256Digest::of(token)];
        let mut renewals = Vec::new();
        for number in 1..=changes.renewals {
            let other = Sha256Digest::of(format!("another sealing, {number}").as_bytes());
            let covered = if number == 1 { &changes.covered[..] } else { &[] };
            let path: Vec<_> = list_value(covered).into_iter().chain([other]).collect();
            let root = walk_path(list_value(&older).unwrap(), &path);
            let at = now() + SignedDuration::from_hours(i64::try_from(number).unwrap());
            let (token, stamped_at) = self.stamp_at(root, at);
            let token_sha256 = Sha256Digest::of(&token);
            older.push(token_sha256);
            let index = self.push(&Entry::EvidenceRenewed(EvidenceRenewed {
                line: LINE.to_owned(),
                members: 2,
                members_sha256: Sha256Digest::of(b"members"),
                renewal: RenewalId::from_bytes([9; 16]),
                root: root.into(),
                stamped_at,
                token_sha256,
                token_sha512: None,
                trial: true,
            }));
            let index = self.at(index);
            renewals.push(Renewed { index, path, token, covered: covered.to_vec() });
        }
        renewals
    }

    pub(crate) fn stamp(&self, imprint: impl Into<Imprint>) -> (Vec<u8>, String) {
        self.stamp_at(imprint, self.at)
    }

    pub(crate) fn stamp_at(&self, imprint: impl Into<Imprint>, at: Timestamp) -> (Vec<u8>, String) {
        let request = TimeStampRequest { imprint: imprint.into(), nonce: [0x80; 8], policy: None };
        let prepared = prepare_token(&TokenContent {
            request: &request,
            serial: [0x90; 16],
            stamped_at: at,
            certificate_der: &self.tsa,
            chain: &[],
        })
        .unwrap();
        let signature = self.tsa_key.sign(prepared.to_sign());
        let response = prepared.finish(&signature);
        let tolerance = SignedDuration::from_mins(5);
        let expectations =
            Expectations { request: &request, at, tolerance, anchors: &self.anchors };
        let token = check_response(&response, &expectations).unwrap();
        (token.raw().to_vec(), token.verified().stamped_at.to_string())
    }
}

/// A sealing with everything that belongs to it.
struct Sealed {
    older: EntryPlace,
    index: EntryPlace,
    stamped: EntryPlace,
    statement: Vec<u8>,
    seal: Vec<u8>,
    token: Vec<u8>,
    renewals: Vec<Renewed>,
    tree: EvidenceTree,
}

/// A renewal: its place in the log, the siblings in its tree, the token, what it covers besides.
struct Renewed {
    index: EntryPlace,
    path: Vec<Sha256Digest>,
    token: Vec<u8>,
    covered: Vec<Sha256Digest>,
}

/// Makes an archive and the receipt it gives.
pub(crate) fn receipt(plan: &Plan) -> (World, Receipt) {
    receipt_changed(plan, &Changes::default())
}

/// Does the same, with an archive that says something else of itself.
pub(crate) fn receipt_described(
    plan: &Plan,
    description: &dyn Fn(&mut ArchiveDescription),
) -> (World, Receipt) {
    receipt_changed(plan, &Changes { description, ..Changes::default() })
}

/// Does the same with other changes.
pub(crate) fn receipt_changed(plan: &Plan, changes: &Changes<'_>) -> (World, Receipt) {
    let mut world = World::with(changes);
    world.push_line(br#"{"type":"commit.opened","v":2}"#.to_vec());
    let (created, description) = world.describe(changes.description);
    let received = world.push(&Entry::SubmissionReceived(SubmissionReceived {
        received: plan.batches.iter().sum::<usize>() as u64 + 1,
        received_sha256: Sha256Digest::of(b"received"),
        submission: SUBMISSION,
    }));
    let (created, received) = (world.at(created), world.at(received));
    world.pass(changes, Border::Received);
    let (mut batches, mut records) = (Vec::new(), Vec::new());
    for (number, count) in plan.batches.iter().enumerate() {
        let documents: Vec<_> = (0..*count).map(|index| document(number, index)).collect();
        let body = batch(number, &documents);
        let index = world.push(&Entry::BatchCommitted(body.clone()));
        batches.push((world.at(index), body));
        records.push(documents);
    }
    let archived = plan.batches.iter().sum::<usize>() as u64;
    let completed = (plan.every == 1).then(|| end(&mut world, archived));
    (1..changes.rotations).for_each(|_| world.rotate(changes.forged));
    world.pass(changes, Border::Committed);
    let sealed = plan.sealed.then(|| world.seal(&batches, changes));
    (0..changes.rotations.min(1)).for_each(|_| world.rotate(changes.forged));
    world.push_line(br#"{"type":"commit.opened","v":2}"#.to_vec());

    let mut receipt = Receipt {
        archive: ArchiveSection {
            created: world.line_at(created),
            description,
            entity: "Comune di Prova".to_owned(),
            id: ArchiveId::from_bytes([1; 16]),
            log: world.log.to_string(),
            origin: ORIGIN.to_owned(),
            rotations: world.rotations_of(1),
            successions: world.successions(),
            trial: true,
        },
        batches: Vec::new(),
        checkpoint: world.signed_checkpoint(),
        documents: Vec::new(),
        schema: String::new(),
        sealings: Vec::new(),
        submission: completed.map(|(index, counts, report)| SubmissionSection {
            completed: Some(world.line_at(index)),
            counts: Some(counts),
            id: SUBMISSION,
            received: Some(world.line_at(received)),
            received_at: Some(LogTime::new(now())),
            refusals: vec![refusal()],
            report: Some(report),
            source: Some("atti".to_owned()),
        }),
        validation: Vec::new(),
        witnesses: Vec::new(),
    };
    receipt.schema_wanted().clone_into(&mut receipt.schema);
    for (number, ((index, _), documents)) in batches.iter().zip(&records).enumerate() {
        let entry = world.line_at(*index);
        let sealed = sealed
            .as_ref()
            .map(|sealed| SealedIn { number: 1, tree_path: sealed.tree.path(number).unwrap() });
        let leaves = add_documents(&mut receipt, documents, plan.every);
        receipt.batches.push(BatchSection { entry, leaves, sealed });
    }
    if let Some(sealed) = sealed {
        receipt.sealings.push(sealing_section(&world, &sealed));
    }
    (world, receipt)
}

fn sealing_section(world: &World, sealed: &Sealed) -> SealingSection {
    let tree = world.tree_of(sealed.older.log);
    let path = consistency_path(sealed.older.index, tree.size(), tree).unwrap();
    SealingSection {
        consistency: digests(&path),
        entry: world.line_at(sealed.index),
        seal: Base64Bytes(sealed.seal.clone()),
        statement: String::from_utf8(sealed.statement.clone()).unwrap(),
        tokens: vec![TokenSection {
            entry: world.line_at(sealed.stamped),
            hash_tree: None,
            line: LINE.to_owned(),
            path: Vec::new(),
            renewals: sealed
                .renewals
                .iter()
                .map(|it| RenewalSection {
                    entry: world.line_at(it.index),
                    path: it.path.iter().map(|it| (*it).into()).collect(),
                    token: Some(Base64Bytes(it.token.clone())),
                    validation: it.covered.iter().map(|it| (*it).into()).collect(),
                })
                .collect(),
            token: Base64Bytes(sealed.token.clone()),
        }],
    }
}

fn end(world: &mut World, archived: u64) -> (EntryPlace, Counts, String) {
    let report = serde_json::json!({
        "already": 0, "archived": archived, "format": 1, "received_at": LogTime::new(now()),
        "refusals": [refusal()], "salt": "00", "source": "atti", "submission": SUBMISSION,
    });
    let report = String::from_utf8(to_canonical(&report)).unwrap();
    let counts = Counts { archived, received: archived + 1, refused: 1, ..Counts::default() };
    let index = world.push(&Entry::SubmissionCompleted(SubmissionCompleted {
        aggregations: 0,
        already: 0,
        archived,
        pending: 0,
        received: archived + 1,
        refused: 1,
        report_sha256: Sha256Digest::of(report.as_bytes()),
        submission: SUBMISSION,
    }));
    (world.at(index), counts, report)
}

fn refusal() -> RefusedDocument {
    RefusedDocument {
        code: "SYMBOLIC_LINK".to_owned(),
        path: "rinvio".to_owned(),
        reason: "it is a symbolic link".to_owned(),
        remedy: "put the file itself in its place".to_owned(),
    }
}

pub(crate) fn digests(hashes: &[TreeHash]) -> Vec<Sha256Digest> {
    hashes.iter().map(|hash| Sha256Digest::from_bytes(*hash.as_bytes())).collect()
}

pub(crate) fn verifier_key(name: &str, signer: &MemorySigner) -> VerifierKey {
    let public_key = signer.public_key().try_into().unwrap();
    VerifierKey::new_ed25519(name.to_owned(), public_key).unwrap()
}
