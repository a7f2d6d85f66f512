//! Sixty years of a whole archive: certificates of authorities end, a signature algorithm falls, then
//! SHA-256; authorities are silent for a year, and sealings wait; two logs end, and others come after
//! them. Every year every document is verified, in some years by others too.

use std::{fs, path::Path, process::Command, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    },
};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use sigillo_authorities::{Authorities, AuthorityError, KeyFolder, TimeStampAuthority};
use sigillo_catalogue::{Journal, KeyIndex};
use sigillo_custody::{
    ReceiptLog, ReceiptMaker, ReceiptOf, RehashJournal, Rehasher, Scope, Verifier, VerifyProgress,
    VerifyReport,
};
use sigillo_ers::{
    AlgorithmTable, CertificateContent, CertificateRole, HashFunction, RecordObject, RecordRules,
    RevocationRules, TimeStampRequest, TokenContent, TrustAnchors, pem_blocks, prepare_certificate,
    prepare_token, to_pem, verify_record,
};
use sigillo_evidence_log::{
    Archive, AuditKnowledge, AuditTime, Chains, EVIDENCE_LINE, LogError, LogKeys, LogWriter,
    NewArchive, RenewalPlan, RenewalRules, Renewer, SealOutcome, Sealer, commit_hash_tree,
    plan_renewals, read_leaves, read_view, stamp_sealings,
};
use sigillo_ingest::{FolderSource, IngestOptions, Ingester, Submission, Target, Watch};
use sigillo_model::{
    Clock as _, Entity, Finding, FindingCode, LogTime, Record, RenewalId, Sha256Digest, Verdict,
    VersionId,
};
use sigillo_proof::{
    Bundle, BundleCheck, BundleRules, EvidenceMaker, Receipt, ReceiptTrust, check_bundle,
};
use sigillo_store::{CpuPool, ReadPool, Store};
use sigillo_testkit::{Durability, ManualClock, SeededEntropy, VolatileBackend};

use crate::support::slow;

mod logs;

const TABLE: &str = r#"
    source = "a future that was made up"
    issued = "2026-01-01"
    [[hash]]
    name = "SHA-256"
    until = "2055-01-01"
    [[hash]]
    name = "SHA-384"
    [[hash]]
    name = "SHA-512"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 256
    until = "2045-01-01"
    [[signature]]
    scheme = "ecdsa"
    bits_min = 384
"#;

pub(crate) const FIRST: i16 = 2026;
const LAST: i16 = 2086;

/// A certificate of an authority is valid for so many years, and gets a successor before that.
const VALID_YEARS: i16 = 10;
const KEPT_YEARS: i16 = 7;

/// From then on authorities have stronger keys.
const STRONGER: i16 = 2042;

/// In these years no authority answers: sealings wait, renewals too.
const SILENT: [i16; 3] = [2029, 2034, 2061];

/// Documents come in until then.
const LAST_INGEST: i16 = 2033;

/// How long before its end evidence is renewed: two years and a half.
const LEAD: SignedDuration = SignedDuration::from_hours(30 * 31 * 24);

fn day_of(year: i16) -> Timestamp {
    format!("{year}-02-01T09:00:00Z").parse().unwrap()
}

/// A key of an authority.
#[derive(Debug)]
struct Key(EcdsaKeyPair);

impl Key {
    fn of(year: i16) -> Self {
        let weak = year < STRONGER;
        let of =
            if weak { &ECDSA_P256_SHA256_ASN1_SIGNING } else { &ECDSA_P384_SHA384_ASN1_SIGNING };
        Self(EcdsaKeyPair::generate(of).unwrap())
    }

    fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

/// An authority of some years, with a root of its own.
#[derive(Debug)]
struct Tsa {
    key: Key,
    certificate: Vec<u8>,
    root: Vec<u8>,
    clock: ManualClock,
}

impl Tsa {
    fn of(year: i16, clock: &ManualClock) -> Self {
        let (root_key, key) = (Key::of(year), Key::of(year));
        let root_name = format!("TRIAL root of {year}");
        let content = |role, subject: &str, key: &Key, until| CertificateContent {
            role,
            subject: subject.to_owned(),
            issuer: root_name.clone(),
            serial: Sha256Digest::of(subject.as_bytes()).as_bytes()[..16].try_into().unwrap(),
            not_before: day_of(year - 1),
            not_after: day_of(until),
            public_key: key.public(),
            issuer_public_key: root_key.public(),
        };
        let signed = |content: &CertificateContent| {
            let prepared = prepare_certificate(content).unwrap();
            let signature = root_key.sign(prepared.to_sign());
            prepared.finish(&signature)
        };
        let root = signed(&content(CertificateRole::TrialRoot, &root_name, &root_key, 2199));
        let (role, name) = (CertificateRole::TrialTimeStamping, format!("TRIAL TSA of {year}"));
        let certificate = signed(&content(role, &name, &key, year + VALID_YEARS));
        Self { key, certificate, root, clock: clock.clone() }
    }
}

#[async_trait]
impl TimeStampAuthority for Tsa {
    fn name(&self) -> &'static str {
        "an authority of its time"
    }

    fn is_trial(&self) -> bool {
        true
    }

    async fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = TimeStampRequest::parse(request).unwrap();
        let serial = Sha256Digest::of(&request.nonce).as_bytes()[..16].try_into().unwrap();
        let prepared = prepare_token(&TokenContent {
            request: &request,
            serial,
            stamped_at: self.clock.now(),
            certificate_der: &self.certificate,
            chain: &[],
        })
        .unwrap();
        let signature = self.key.sign(prepared.to_sign());
        Ok(prepared.finish(&signature))
    }
}

/// One archive over the years.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
    pub(crate) entropy: Arc<SeededEntropy>,
    keys: KeyFolder,
    folder: TempDir,
    algorithms: AlgorithmTable,
    /// The roots that people believed one day.
    anchors: TrustAnchors,
    roots: String,
    tsa: Arc<Tsa>,
    since: i16,
    reads: ReadPool,
    pub(crate) cpu: CpuPool,
    second_digest: bool,
}

impl World {
    pub(crate) async fn new(second_digest: bool) -> Self {
        let clock = ManualClock::at(day_of(FIRST));
        let entropy = Arc::new(SeededEntropy::new(60));
        let folder = tempfile::tempdir().unwrap();
        let entity = "Comune di Prova";
        let keys =
            KeyFolder::create(&folder.path().join("keys"), entity, &clock, &*entropy).unwrap();
        let store = VolatileBackend::new(Durability::OnAnswer).store();
        let new = NewArchive {
            entity: Entity { ipa: None, name: entity.to_owned() },
            commit_key: keys.commit_signer().public_key().try_into().unwrap(),
            log_key: keys.log_signer().public_key(),
            seal_pem: keys.seal_pem().to_owned(),
            trial: true,
        };
        new.create(store.clone(), LogTime::new(clock.now()), &*entropy).await.unwrap();
        let mut anchors = TrustAnchors::new();
        for der in pem_blocks(keys.trial_root_pem(), "CERTIFICATE").unwrap() {
            anchors.add_der("the archive", &der).unwrap();
        }
        let tsa = Arc::new(Tsa::of(FIRST, &clock));
        let mut this = Self {
            store,
            algorithms: AlgorithmTable::from_toml(TABLE).unwrap(),
            roots: keys.trial_root_pem().to_owned(),
            anchors,
            tsa,
            since: FIRST,
            reads: ReadPool::start().unwrap(),
            cpu: CpuPool::start(2).unwrap(),
            clock,
            entropy,
            keys,
            folder,
            second_digest,
        };
        this.believe();
        this
    }

    fn believe(&mut self) {
        self.anchors.add_der("an authority", &self.tsa.root).unwrap();
        self.roots.push_str(&to_pem("CERTIFICATE", &self.tsa.root));
    }

    /// Lets a year come; now and then the authority has a new key.
    fn enter(&mut self, year: i16) {
        self.clock.set(day_of(year));
        if year - self.since >= KEPT_YEARS || year == STRONGER {
            self.tsa = Arc::new(Tsa::of(year, &self.clock));
            self.since = year;
            self.believe();
        }
    }

    pub(crate) fn authorities(&self, year: i16) -> Authorities {
        let tsa = Arc::clone(&self.tsa);
        let list: Vec<Arc<dyn TimeStampAuthority>> =
            if SILENT.contains(&year) { Vec::new() } else { vec![tsa] };
        Authorities::new(list, self.anchors.clone(), SignedDuration::from_mins(1))
    }

    pub(crate) async fn archive(&self) -> Archive {
        self.try_archive().await.unwrap()
    }

    pub(crate) async fn try_archive(&self) -> Result<Archive, LogError> {
        Archive::open(self.store.clone()).await
    }

    pub(crate) async fn writer(&self) -> LogWriter {
        self.try_writer().await.unwrap()
    }

    pub(crate) async fn try_writer(&self) -> Result<LogWriter, LogError> {
        let keys =
            LogKeys { commit: self.keys.commit_signer(), checkpoint: self.keys.log_signer() };
        let clock = Arc::new(self.clock.clone());
        LogWriter::open(self.try_archive().await?, keys, clock, &*self.entropy, 0).await
    }

    pub(crate) fn renewer<'a>(&'a self, authorities: &'a Authorities) -> Renewer<'a> {
        let (anchors, algorithms, clock) = (&self.anchors, &self.algorithms, &self.clock);
        Renewer { authorities, anchors, algorithms, clock, entropy: &*self.entropy }
    }

    /// Takes in some documents of a year, and seals and stamps them if an authority answers.
    pub(crate) async fn ingest(&self, year: i16) {
        let folder = self.folder.path().join(format!("carte-{year}"));
        fs::create_dir(&folder).unwrap();
        for number in 0..=(year % 4) {
            let content = format!("delibera {number} del {year}\n").repeat(7);
            fs::write(folder.join(format!("{year}-{number}.txt")), content).unwrap();
        }
        let mut log = self.writer().await;
        let mut index = KeyIndex::in_memory(log.archive().description().archive);
        let ingester = Ingester {
            reads: self.reads.clone(),
            clock: Arc::new(self.clock.clone()),
            entropy: self.entropy.clone(),
        };
        let options =
            IngestOptions { second_digest: self.second_digest, ..IngestOptions::default() };
        let source = FolderSource::open(&folder, &format!("carte-{year}")).unwrap();
        let submission = Submission { source, table: None, journal: Journal::default(), options };
        let target = Target { log: &mut log, index: &mut index, tables: None };
        let done = ingester.ingest(target, submission, Watch::default()).await.unwrap();
        assert_eq!(done.archived, u64::try_from(year % 4 + 1).unwrap());
        let seal = self.keys.seal();
        let sealer = Sealer { key: &seal, entropy: &*self.entropy };
        assert!(matches!(sealer.seal(&mut log).await.unwrap(), SealOutcome::Sealed(_)));
    }

    /// Stamps what waits, and tells how many sealings still do.
    pub(crate) async fn stamp(&self, year: i16) -> usize {
        let (mut log, authorities) = (self.writer().await, self.authorities(year));
        let stamped =
            stamp_sealings(&mut log, EVIDENCE_LINE, &authorities, &self.clock, &*self.entropy);
        stamped.await.unwrap().waiting
    }

    async fn plan(&self) -> RenewalPlan {
        self.plan_with(false, false).await.unwrap()
    }

    /// Plans what is due, and all time-stamps or all hash trees.
    pub(crate) async fn plan_with(
        &self,
        all: bool,
        all_trees: bool,
    ) -> Result<RenewalPlan, LogError> {
        let rules = RenewalRules {
            line: EVIDENCE_LINE,
            anchors: &self.anchors,
            algorithms: &self.algorithms,
            at: self.clock.now(),
            lead: LEAD,
            all,
            all_trees,
            over_lost: false,
        };
        plan_renewals(&self.try_archive().await?, &rules).await
    }

    /// Renews what is due; returns how many sealings got newer time-stamps and new hash trees.
    async fn renew(&self, year: i16) -> (usize, usize) {
        let plan = self.plan().await;
        assert_eq!(plan.findings, [], "{year}");
        let (mut log, authorities) = (self.writer().await, self.authorities(year));
        let renewer = self.renewer(&authorities);
        let mut stamped = 0;
        if !plan.due.is_empty() {
            let outcome = renewer.renew(&mut log, &plan).await.unwrap();
            stamped = plan.due.len() - outcome.waiting;
            assert!(outcome.renewed.len() <= 2, "one time-stamp for each hash function");
        }
        let plan = self.plan().await;
        if plan.trees.is_empty() {
            return (stamped, 0);
        }
        let archive = self.archive().await;
        let view = read_view(&archive).await.unwrap();
        let chains = Chains::read(&archive, &view).await.unwrap();
        let rehasher = Rehasher {
            archive: &archive,
            cpu: &self.cpu,
            view: &view,
            chains: &chains,
            line: EVIDENCE_LINE,
            progress: Arc::new(VerifyProgress::default()),
        };
        let renewal = RenewalId::random(&*self.entropy);
        let mut journal = RehashJournal::default();
        let made = rehasher.make(&plan.trees, renewal, &mut journal).await.unwrap();
        assert_eq!((made.left_out, &made.findings[..]), (0, &[][..]), "{year}");
        assert_eq!(made.content_bytes == 0, self.second_digest, "{year}");
        let made_tree = made.unstamped();
        let done = commit_hash_tree(&renewer, &mut log, &plan, made_tree).await.unwrap();
        (stamped, if done.rehashed.is_some() { made.tree.sealings.len() } else { 0 })
    }

    /// Audits the archive as of now, every byte of it.
    pub(crate) async fn audit(&self, year: i16) {
        let report = self.verified().await;
        assert_eq!(report.verdict, Verdict::Intact, "{year}: {:?}", report.findings);
        assert_eq!(report.documents_read, report.documents, "{year}");
    }

    /// Verifies every byte.
    pub(crate) async fn verified(&self) -> VerifyReport {
        let knowledge = AuditKnowledge {
            anchors: self.anchors.clone(),
            log_key_trusted: true,
            seen: None,
            seen_before: Vec::new(),
            time: Some(AuditTime { algorithms: self.algorithms.clone(), at: self.clock.now() }),
        };
        let verifier = Verifier {
            archive: self.archive().await,
            cpu: CpuPool::start(2).unwrap(),
            knowledge,
            progress: Arc::new(VerifyProgress::default()),
        };
        verifier.verify(Scope::Full).await.unwrap()
    }

    async fn versions(&self) -> Vec<VersionId> {
        let archive = self.archive().await;
        let view = read_view(&archive).await.unwrap();
        let stamped = |number| view.stamp_of(number, EVIDENCE_LINE).is_some();
        let sealings = view.sealings.iter().filter(|it| stamped(it.body.number));
        let mut versions = Vec::new();
        for batch in sealings.flat_map(|it| view.batches_of(&it.body)) {
            versions.extend(read_leaves(archive.store(), &batch.body).await.unwrap());
        }
        versions
    }

    async fn receipt(&self) -> Receipt {
        let archive = self.archive().await;
        let log = ReceiptLog::read(&archive).await.unwrap();
        let (archive, log, reads, anchors) = (&archive, &log, &self.reads, &self.anchors);
        let told = &log.told_revocations(archive, anchors).await.unwrap();
        let (at, algorithms) = (self.clock.now(), &self.algorithms);
        let maker = ReceiptMaker { archive, log, reads, told, anchors, algorithms, at };
        let given = maker.make(&ReceiptOf::Versions(self.versions().await)).await.unwrap();
        assert_eq!(given.findings, []);
        given.receipt
    }

    async fn check_bundle(&self, bundle: &Bundle) -> BundleCheck {
        let trust = ReceiptTrust {
            log: self.archive().await.log_keys_of(1),
            anchors: self.anchors.clone(),
            ..ReceiptTrust::default()
        };
        let at = self.clock.now();
        check_bundle(bundle, &[], &BundleRules { trust: &trust, algorithms: &self.algorithms, at })
    }

    /// Returns what a stranger thinks of a bundle, as of now.
    pub(crate) async fn check(&self, bundle: &Bundle) -> Verdict {
        self.check_bundle(bundle).await.verdict
    }

    /// Verifies every stamped document alone, as a stranger does, as of now.
    pub(crate) async fn prove(&self, year: i16) -> Bundle {
        let bundle = Bundle { receipt: self.receipt().await, files: Vec::new() };
        let again = Bundle::parse(&bundle.to_zip().unwrap()).unwrap();
        assert_eq!(again, bundle, "{year}");
        let check = self.check_bundle(&bundle).await;
        assert_eq!(check.verdict, Verdict::Intact, "{year}: {:?}", check.findings);
        let (maker, mut proven) = (EvidenceMaker::new(&bundle.receipt), 0);
        for document in &bundle.receipt.documents {
            for evidence in maker.records_of(document) {
                let findings = self.verify_alone(document, &evidence.record);
                assert_eq!(findings, [], "{year}: {}", document.version_id);
                proven += 1;
            }
        }
        let lines = bundle.receipt.sealings[0].tokens.len();
        assert_eq!(proven, bundle.receipt.documents.len() * lines, "{year}");
        bundle
    }

    /// Verifies an evidence record against record and files, as one group.
    fn verify_alone(
        &self,
        document: &sigillo_proof::DocumentSection,
        evidence: &[u8],
    ) -> Vec<Finding> {
        let record = Record::parse(document.record.as_bytes()).unwrap();
        let contents: Vec<Vec<u8>> = std::iter::once(document.record.clone().into_bytes())
            .chain(record.files.iter().map(|file| self.content(&file.name)))
            .collect();
        let digests: Vec<_> = contents
            .iter()
            .map(|content| move |hash: HashFunction| Some(hash.digest(content)))
            .collect();
        let objects: Vec<_> =
            digests.iter().map(|digest| RecordObject { name: "object", digest }).collect();
        let rules = RecordRules {
            authorities: sigillo_ers::Authorities::Anchored(&self.anchors),
            algorithms: &self.algorithms,
            at: Some(self.clock.now()),
            whole_group: true,
            revocation: RevocationRules::EMBEDDED,
        };
        let report = verify_record(evidence, &objects, &rules);
        let notes = [FindingCode::TrialEvidence, FindingCode::RevocationUnknown];
        report.findings.into_iter().filter(|it| !notes.contains(&it.code)).collect()
    }

    /// Returns what was sent by that name.
    fn content(&self, name: &str) -> Vec<u8> {
        let year = name.split_once('-').unwrap().0;
        fs::read(self.folder.path().join(format!("carte-{year}")).join(name)).unwrap()
    }

    /// Lets others verify some documents: an evidence record, and the whole bundle.
    fn show_to_others(&self, bundle: &Bundle, year: i16) {
        let Some(verifiers) = verifiers() else { return };
        let folder = self.folder.path().join(format!("others-{year}"));
        fs::create_dir(&folder).unwrap();
        let roots = folder.join("roots.pem");
        fs::write(&roots, &self.roots).unwrap();
        let maker = EvidenceMaker::new(&bundle.receipt);
        let documents = &bundle.receipt.documents;
        for document in [documents.first().unwrap(), documents.last().unwrap()] {
            let evidence = maker.records_of(document).remove(0);
            fs::write(folder.join("evidence.er"), evidence.record).unwrap();
            fs::write(folder.join("record.json"), &document.record).unwrap();
            let record = Record::parse(document.record.as_bytes()).unwrap();
            let name = &record.files[0].name;
            fs::write(folder.join(name), self.content(name)).unwrap();
            let mut python = Command::new("python3");
            python.arg(verifiers.join("verify_er.py")).args(["--strict", "--group", "--ca"]);
            python.arg(&roots).args(["evidence.er", "record.json", name]).current_dir(&folder);
            let ran = python.output().unwrap();
            let said = String::from_utf8_lossy(&ran.stdout);
            assert!(ran.status.success() && said.contains("VALID"), "{year}: {ran:?}");
        }
        self.second_says(bundle, &year.to_string(), "INTACT");
    }

    /// Lets the second verifier say what it thinks of a bundle.
    pub(crate) fn second_says(&self, bundle: &Bundle, what: &str, verdict: &str) {
        if verifiers().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roots.pem"), &self.roots).unwrap();
        fs::write(folder.path().join("bundle.zip"), bundle.to_zip().unwrap()).unwrap();
        let second =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify/sigillo_verify.py");
        let mut python = Command::new("python3");
        python.arg("-B").arg(second).args(["bundle", "bundle.zip", "--log-key"]);
        python.arg(&bundle.receipt.archive.log).args(["--ca", "roots.pem"]);
        python.args(["--at", &self.clock.now().to_string()]).current_dir(folder.path());
        let ran = python.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(said.ends_with(&format!("{verdict}\n")), "{what}: {ran:?}");
    }
}

/// Returns the folder of other people's verifiers; says so loudly if they cannot be run.
fn verifiers() -> Option<std::path::PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared =
        std::env::var_os("SIGILLO_SHARED").map_or(default.into(), std::path::PathBuf::from);
    let verifiers = shared.join("verifiers");
    let modules = Command::new("python3").args(["-c", "import asn1crypto, cryptography"]).output();
    let why = if !verifiers.join("verify_er.py").is_file() {
        format!("{} is missing", verifiers.display())
    } else if !modules.is_ok_and(|ran| ran.status.success()) {
        "python3 lacks asn1crypto or cryptography".to_owned()
    } else {
        return Some(verifiers);
    };
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("SKIPPED: {why}");
    None
}

/// Lets sixty years pass, and returns when what was renewed.
async fn live(second_digest: bool) -> (Vec<(i16, usize)>, Vec<(i16, usize)>) {
    let mut world = World::new(second_digest).await;
    let (mut stamps, mut trees) = (Vec::new(), Vec::new());
    for year in FIRST..=LAST {
        world.enter(year);
        if let Some((_, reason)) = logs::ENDS.iter().find(|it| it.0 == year) {
            Box::pin(world.succeed(*reason)).await;
        }
        if year <= LAST_INGEST {
            Box::pin(world.ingest(year)).await;
        }
        let waiting = world.stamp(year).await;
        assert_eq!(waiting, usize::from(year == SILENT[0]), "{year}");
        let (stamped, made) = Box::pin(world.renew(year)).await;
        stamps.extend((stamped > 0).then_some((year, stamped)));
        trees.extend((made > 0).then_some((year, made)));
        Box::pin(world.audit(year)).await;
        let bundle = world.prove(year).await;
        if [2030, 2044, 2055, LAST].contains(&year) || slow() && year % 5 == 0 {
            world.show_to_others(&bundle, year);
        }
    }
    (stamps, trees)
}

#[tokio::test]
async fn every_document_is_proven_in_every_one_of_sixty_years() {
    let (stamps, trees) = live(true).await;
    println!("time-stamps renewed {stamps:?}, new hash trees {trees:?}");
    assert_eq!(trees, [(2053, 8)], "all sealings before SHA-256 falls, once");
    assert!(stamps.len() >= 7, "{stamps:?}");
    assert!(!stamps.iter().any(|(year, _)| SILENT.contains(year)), "{stamps:?}");
}

#[tokio::test]
async fn without_second_digests_content_is_read_once_and_proven_as_well() {
    if !slow() {
        return;
    }
    let (_, trees) = live(false).await;
    assert_eq!(trees, [(2053, 8)]);
}
