//! A small world: one archive in memory, one folder of documents, and processes that ingest, seal
//! and stamp until they are done or die.

use std::{collections::BTreeSet, fs, io, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tempfile::TempDir;

use sigillo_authorities::{Authorities, KeyError, KeyFolder};
use sigillo_catalogue::{Journal, KeyIndex};
use sigillo_custody::{CustodyError, SweepOutcome, SweepPlan, perform_sweep, plan_sweep};
use sigillo_ers::CertificateError;
use sigillo_evidence_log::{
    Archive, AuditKnowledge, EVIDENCE_LINE, LogError, LogWriter, SealOutcome, Sealer, audit_log,
    catch_up_index, read_view, stamp_sealings,
};
use sigillo_ingest::{
    FolderSource, IngestError, IngestOptions, IngestOutcome, Ingester, SourceError, Submission,
    Target, Watch,
};
use sigillo_model::{BATCH_DOCUMENTS_MAX, Clock, Entry, Severity};
use sigillo_store::{PoolUnavailable, ReadPool, Store};
use sigillo_testkit::{Durability, FaultPlan, ManualClock, SeededEntropy, VolatileBackend};

use crate::{
    Expected, Recorder, Sending,
    checker::{
        self, Acknowledged, Invariant, NAMED_FOLDERS, OBJECTS_MAX, Outside, Snapshot, Violation,
        named, named_by_the_code_under_test, orphans,
    },
    making::{
        ENTITY, START, anchors, copy_private_folder, folder, lengthen, log_keys, new_archive,
    },
    sending::SOURCE,
};

/// What the key folder remembers of what it signed.
const MEMORY: &str = "last-signed.json";

/// No world of a test has this seed or a larger one: what came before it has.
const SEED_BEFORE: u64 = 1_000_003;

/// Why a process did not reach its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// The log failed.
    #[error("the log failed")]
    Log(#[from] LogError),
    /// The sweep failed.
    #[error("the sweep failed")]
    Sweep(#[from] CustodyError),
    /// The ingest failed.
    #[error("the ingest failed")]
    Ingest(#[from] IngestError),
    /// The key folder failed.
    #[error("the key folder failed")]
    Keys(#[from] KeyError),
    /// A certificate could not be read.
    #[error("a certificate could not be read")]
    Certificate(#[from] CertificateError),
    /// The source could not be opened.
    #[error("the source could not be opened")]
    Source(#[from] SourceError),
    /// A folder could not be made or copied.
    #[error("a folder could not be made or copied")]
    Io(#[from] io::Error),
    /// Threads could not be started.
    #[error("threads could not be started")]
    Pool(#[from] PoolUnavailable),
    /// The trial authority refused, which it never should.
    #[error("the trial authority refused")]
    NotStamped,
}

/// A new archive and the documents that are to go into it; worlds are copies of it.
#[derive(Debug)]
pub struct Template {
    backend: VolatileBackend,
    keys: TempDir,
    sending: Sending,
    /// What was kept outside the store until now.
    outside: Outside,
    /// How many sendings were taken in before.
    sendings_before: u64,
    reads: ReadPool,
    batch_documents_max: usize,
}

impl Template {
    /// Makes the archive, with a log of at least `log_size` entries, and the folder of `files`, by
    /// name.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if that fails, without any fault being injected.
    pub async fn make(
        durability: Durability,
        log_size: u64,
        files: &[(&str, Vec<u8>)],
    ) -> Result<Self, SimulationError> {
        let (keys, sending) = (folder()?, Sending::of_files(files)?);
        let backend = VolatileBackend::new(durability);
        let (clock, entropy) = (ManualClock::starting(START), SeededEntropy::new(0));
        let key_folder = KeyFolder::create(&keys.path().join("keys"), ENTITY, &clock, &entropy)?;
        let archive = new_archive(&key_folder, backend.store(), &clock, &entropy).await?;
        let keys_of_log = log_keys(&key_folder);
        let mut log = LogWriter::open(archive, keys_of_log, Arc::new(clock), &entropy, 0).await?;
        lengthen(&mut log, log_size).await?;
        backend.flush();
        let (reads, batch_documents_max) = (ReadPool::start()?, BATCH_DOCUMENTS_MAX as usize);
        let outside = Outside::default();
        let sendings_before = 0;
        Ok(Self { backend, keys, sending, outside, sendings_before, reads, batch_documents_max })
    }

    /// Takes the sending in, without faults, and returns the template of worlds that begin
    /// after that and are sent `next`.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if the work of the first sending fails.
    pub async fn followed_by(self, next: Sending) -> Result<Self, SimulationError> {
        let mut world = self.world(SEED_BEFORE + self.sendings_before)?;
        Box::pin(world.run(&FaultPlan::none(), 0)).await?;
        let World { backend, keys, outside, .. } = world;
        backend.flush();
        let sendings_before = self.sendings_before + 1;
        Ok(Self { backend, keys, outside, sending: next, sendings_before, ..self })
    }

    /// Lets ingests commit at most so many documents at once.
    #[must_use]
    pub fn in_batches_of(mut self, batch_documents_max: usize) -> Self {
        self.batch_documents_max = batch_documents_max;
        self
    }

    /// Counts the documents of the sending.
    pub fn documents(&self) -> usize {
        self.sending.expected.len()
    }

    /// Returns a world of its own that begins where this ends.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Io`] if the key folder could not be copied.
    pub fn world(&self, seed: u64) -> Result<World<'_>, SimulationError> {
        let keys = folder()?;
        copy_private_folder(&self.keys.path().join("keys"), &keys.path().join("keys"))?;
        Ok(World {
            template: self,
            backend: self.backend.fork(),
            keys,
            clock: ManualClock::starting(START),
            outside: self.outside.clone(),
            seed,
            processes: 0,
        })
    }
}

/// One archive, one folder of documents, and what was kept outside the store.
#[derive(Debug)]
pub struct World<'a> {
    template: &'a Template,
    backend: VolatileBackend,
    keys: TempDir,
    clock: ManualClock,
    outside: Outside,
    seed: u64,
    processes: u64,
}

/// One process that has opened the archive.
#[derive(Debug)]
pub struct Process {
    log: LogWriter,
    index: KeyIndex,
    keys: KeyFolder,
    entropy: Arc<SeededEntropy>,
}

impl World<'_> {
    /// Returns the store behind every fault.
    pub fn backend(&self) -> &VolatileBackend {
        &self.backend
    }

    /// Returns what was kept outside the store.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// Returns what was kept outside the store, for harnesses that keep it wrongly on purpose.
    pub fn outside_mut(&mut self) -> &mut Outside {
        &mut self.outside
    }

    /// Returns what is in the store.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::from_objects(self.backend.objects())
    }

    /// Runs one process from its start: opens the archive, ingests the folder, seals and stamps.
    /// After an error it begins again `patience` times without being restarted.
    ///
    /// # Errors
    ///
    /// [`SimulationError`], the last one. What was acknowledged until then is kept.
    pub async fn run(&mut self, plan: &FaultPlan, patience: u32) -> Result<(), SimulationError> {
        let recorder = Recorder::default();
        let store = recorder.wrap(&plan.wrap(&self.backend.store()));
        let done = Box::pin(self.process(store, patience)).await;
        self.outside.checkpoints.extend(recorder.recording().checkpoints);
        self.remember_signed()?;
        done
    }

    async fn process(&mut self, store: Store, patience: u32) -> Result<(), SimulationError> {
        let mut process = self.open_next(store).await?;
        let mut done = self.work(&mut process).await;
        for _ in 0..patience {
            if done.is_ok() {
                break;
            }
            done = self.work(&mut process).await;
        }
        done
    }

    async fn work(&mut self, process: &mut Process) -> Result<(), SimulationError> {
        let ingested = self.ingest(process).await;
        self.keep_indexed(&process.index);
        self.keep_outcome(&ingested?);
        self.seal_and_stamp(process).await
    }

    async fn open_next(&mut self, store: Store) -> Result<Process, SimulationError> {
        self.processes += 1;
        self.open(store, self.processes).await
    }

    /// Opens the archive in `store`, as process `number` of this world.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if it cannot be opened.
    pub async fn open(&self, store: Store, number: u64) -> Result<Process, SimulationError> {
        self.clock.advance(Duration::from_secs(1));
        let entropy = Arc::new(SeededEntropy::new(self.seed * 1_000 + number));
        let keys = KeyFolder::open(&self.keys.path().join("keys"))?;
        let archive = Archive::open(store).await?;
        let index = KeyIndex::in_memory(archive.description().archive);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let log = LogWriter::open(archive, log_keys(&keys), clock, &*entropy, 0).await?;
        Ok(Process { log, index, keys, entropy })
    }

    /// Ingests the folder.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Ingest`]; what was committed until then stays.
    pub async fn ingest(&self, process: &mut Process) -> Result<IngestOutcome, SimulationError> {
        self.ingest_on(process, &self.template.reads).await
    }

    /// Ingests another sending than that of the template.
    ///
    /// # Errors
    ///
    /// As [`ingest`](Self::ingest).
    pub async fn ingest_other(
        &self,
        process: &mut Process,
        sending: &Sending,
    ) -> Result<IngestOutcome, SimulationError> {
        self.ingest_sending(process, (sending, &self.template.reads)).await
    }

    /// Ingests the folder on threads of its own.
    ///
    /// # Errors
    ///
    /// As [`ingest`](Self::ingest).
    pub async fn ingest_on(
        &self,
        process: &mut Process,
        reads: &ReadPool,
    ) -> Result<IngestOutcome, SimulationError> {
        self.ingest_sending(process, (&self.template.sending, reads)).await
    }

    async fn ingest_sending(
        &self,
        process: &mut Process,
        (sending, reads): (&Sending, &ReadPool),
    ) -> Result<IngestOutcome, SimulationError> {
        let ingester = Ingester {
            reads: reads.clone(),
            clock: Arc::new(self.clock.clone()),
            entropy: process.entropy.clone(),
        };
        let source = FolderSource::open(sending.folder.path(), SOURCE)?;
        let batch_documents_max = Some(self.template.batch_documents_max);
        let options =
            IngestOptions { batch_documents_max, new_versions: false, second_digest: false };
        let journal = Journal::default();
        let submission = Submission { source, table: sending.manifest(), journal, options };
        let Process { log, index, .. } = process;
        let target = Target { log, index, tables: None };
        Ok(Box::pin(ingester.ingest(target, submission, Watch::default())).await?)
    }

    async fn seal_and_stamp(&mut self, process: &mut Process) -> Result<(), SimulationError> {
        let seal = process.keys.seal();
        let sealer = Sealer { key: &seal, entropy: &*process.entropy };
        if let SealOutcome::Sealed(sealed) = sealer.seal(&mut process.log).await? {
            self.outside.checkpoints.insert(sealed.committed.checkpoint);
        }
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let authority = process.keys.trial_authority(clock, process.entropy.clone());
        let anchors = anchors(&process.keys)?;
        let tolerance = SignedDuration::from_mins(10);
        let authorities = Authorities::new(vec![Arc::new(authority)], anchors, tolerance);
        let (clock, entropy) = (&self.clock, &*process.entropy);
        let line = EVIDENCE_LINE;
        let outcome = stamp_sealings(&mut process.log, line, &authorities, clock, entropy).await?;
        if outcome.waiting > 0 { Err(SimulationError::NotStamped) } else { Ok(()) }
    }

    /// Lists what no commit names.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Sweep`].
    pub async fn plan_sweep(&self, process: &Process) -> Result<SweepPlan, SimulationError> {
        Ok(plan_sweep(process.log.archive()).await?)
    }

    /// Lists what no commit names, and removes it.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Sweep`]; what was removed until then is gone.
    pub async fn sweep(&self, process: &mut Process) -> Result<SweepOutcome, SimulationError> {
        let plan = self.plan_sweep(process).await?;
        Ok(perform_sweep(&mut process.log, plan).await?)
    }

    /// Runs one process that opens the archive and sweeps.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if it did not come to its end.
    pub async fn run_sweep(&mut self, plan: &FaultPlan) -> Result<SweepOutcome, SimulationError> {
        let recorder = Recorder::default();
        let store = recorder.wrap(&plan.wrap(&self.backend.store()));
        let swept = match Box::pin(self.open_next(store)).await {
            Ok(mut process) => Box::pin(self.sweep(&mut process)).await,
            Err(error) => Err(error),
        };
        self.outside.checkpoints.extend(recorder.recording().checkpoints);
        self.remember_signed()?;
        swept
    }

    /// Keeps what a process was told and has told.
    pub fn keep(&mut self, process: &Process, outcome: &IngestOutcome) {
        self.keep_indexed(&process.index);
        self.keep_outcome(outcome);
    }

    /// What a process has in its index it takes for archived, and would say so to the producer.
    fn keep_indexed(&mut self, index: &KeyIndex) {
        for Expected { key, number, sha256 } in &self.template.sending.expected {
            let versions = index.versions(key.digest()).expect("it is in memory");
            if let Some(known) = versions.iter().find(|known| known.number == *number) {
                let acknowledged = Acknowledged { version: known.version, sha256: *sha256 };
                self.outside.documents.insert((checker::label(key, *number), acknowledged));
            }
        }
    }

    fn keep_outcome(&mut self, outcome: &IngestOutcome) {
        self.outside.checkpoints.insert(outcome.checkpoint.clone());
        self.outside.submissions.insert(outcome.submission);
        for (commit, batch) in &outcome.batches {
            let line = Entry::BatchCommitted(batch.clone()).to_line().expect("it was committed");
            let body = serde_json::from_slice(&line).expect("a line of the log is JSON");
            self.outside.batches.push((*commit, body));
        }
    }

    fn remember_signed(&mut self) -> Result<(), SimulationError> {
        let keys = KeyFolder::open(&self.keys.path().join("keys"))?;
        self.outside.signed.extend(keys.log_signer().last_signed()?);
        Ok(())
    }

    /// Recovers once with `plan`, as a process that opens the archive and does nothing else.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] if it cannot be opened.
    pub async fn recover(&mut self, plan: &FaultPlan) -> Result<Recorder, SimulationError> {
        let recorder = Recorder::default();
        let store = recorder.wrap(&plan.wrap(&self.backend.store()));
        let opened = self.open_and_index(store).await;
        self.outside.checkpoints.extend(recorder.recording().checkpoints);
        self.remember_signed()?;
        opened.map(|()| recorder)
    }

    async fn open_and_index(&mut self, store: Store) -> Result<(), SimulationError> {
        let mut process = Box::pin(self.open_next(store)).await?;
        let archive = process.log.archive().clone();
        catch_up_index(&archive, &mut process.index, &self.template.reads).await?;
        self.keep_indexed(&process.index);
        Ok(())
    }

    /// Lets faults stop: recovers twice, finishes the work, sends everything again, and checks
    /// every invariant on the way.
    ///
    /// # Errors
    ///
    /// [`SimulationError`] only if the check could not be made.
    pub async fn finish_and_check(&mut self) -> Result<Vec<Violation>, SimulationError> {
        let mut violations = checker::check(&self.snapshot(), &self.outside);
        if let Err(error) = self.recover(&FaultPlan::none()).await {
            violations.push(not_ended("recovery", &error));
            return Ok(violations);
        }
        self.check_idempotent(&mut violations).await?;
        if let Err(error) = self.run(&FaultPlan::none(), 0).await {
            violations.push(not_ended("the work", &error));
            return Ok(violations);
        }
        self.check_idempotent(&mut violations).await?;
        self.check_resubmission(&mut violations).await?;
        violations.extend(checker::check(&self.snapshot(), &self.outside));
        violations.extend(checker::check_members(&self.snapshot()));
        self.check_references(&mut violations).await?;
        self.check_audit(&mut violations).await?;
        self.check_everything_sent(&mut violations);
        Ok(violations)
    }

    /// I5: opening an archive that was just opened writes nothing, nor does it change the keys.
    async fn check_idempotent(
        &mut self,
        violations: &mut Vec<Violation>,
    ) -> Result<(), SimulationError> {
        let memory = self.keys.path().join("keys").join(MEMORY);
        let before = (self.backend.objects(), fs::read(&memory)?);
        let writes = self.recover(&FaultPlan::none()).await?.recording().writes;
        if !writes.is_empty() {
            let message = format!("it wrote {writes:?}");
            violations.push(Violation::new(Invariant::RecoveryIdempotent, message));
        }
        if before != (self.backend.objects(), fs::read(&memory)?) {
            let message = "the store or the key folder is another than before";
            violations.push(Violation::new(Invariant::RecoveryIdempotent, message));
        }
        Ok(())
    }

    /// I7: the same folder again archives nothing.
    async fn check_resubmission(
        &mut self,
        violations: &mut Vec<Violation>,
    ) -> Result<(), SimulationError> {
        let content = |world: &Self| -> BTreeSet<String> {
            let keys = world.backend.objects().into_keys();
            keys.filter(|key| key.starts_with("batches/") || key.starts_with("packs/")).collect()
        };
        let (before, recorder) = (content(self), Recorder::default());
        let mut process = self.open_next(recorder.wrap(&self.backend.store())).await?;
        let outcome = self.ingest(&mut process).await?;
        self.keep(&process, &outcome);
        self.outside.checkpoints.extend(recorder.recording().checkpoints);
        let counts = (outcome.archived, outcome.already, outcome.refused);
        let files = self.template.documents() as u64;
        if counts != (0, files, 0) || before != content(self) {
            let message = format!("sent again: {counts:?} archived, already there, refused");
            violations.push(Violation::new(Invariant::ResubmissionSame, message));
        }
        Ok(())
    }

    /// I6 from the other side: what the code under test takes for named is what the checker does.
    async fn check_references(
        &mut self,
        violations: &mut Vec<Violation>,
    ) -> Result<(), SimulationError> {
        let archive = Archive::open(self.backend.store()).await?;
        let snapshot = self.snapshot();
        let log = checker::replay(&snapshot, violations);
        let theirs = named_by_the_code_under_test(&archive).await;
        let theirs = theirs.unwrap_or_else(|error| [error].into());
        let mut lying = BTreeSet::new();
        for folder in NAMED_FOLDERS {
            let listed = archive.store().list(folder, OBJECTS_MAX).await.map_err(|source| {
                LogError::Store { doing: "listing what may be orphaned", source }
            })?;
            lying.extend(listed.into_iter().map(|object| object.key.as_str().to_owned()));
        }
        let theirs_orphaned = lying.difference(&theirs).cloned().collect::<BTreeSet<_>>();
        if theirs != named(&snapshot, &log) || theirs_orphaned != orphans(&snapshot, &log) {
            let message = "checker and code under test differ about what the commits name";
            violations.push(Violation::new(Invariant::NothingReferencedMissing, message));
        }
        Ok(())
    }

    /// The project's own audit must agree, and everything must be sealed and stamped but for the
    /// submission that was sent again.
    async fn check_audit(
        &mut self,
        violations: &mut Vec<Violation>,
    ) -> Result<(), SimulationError> {
        let keys = KeyFolder::open(&self.keys.path().join("keys"))?;
        let archive = Archive::open(self.backend.store()).await?;
        let seen = keys.log_signer().last_signed()?;
        let knowledge = AuditKnowledge {
            anchors: anchors(&keys)?,
            log_key_trusted: true,
            seen,
            seen_before: Vec::new(),
            time: None,
        };
        let audit = audit_log(&archive, &knowledge, &mut |_, _| {}).await?;
        for finding in audit.findings.iter().filter(|it| it.severity > Severity::Note) {
            let message = format!("the audit finds {finding:?}");
            violations.push(Violation::new(Invariant::AcknowledgedVerifies, message));
        }
        let view = read_view(&archive).await?;
        if view.unsealed().count() > 0 || !view.unstamped(EVIDENCE_LINE).is_empty() {
            let message = "something is not sealed or not stamped";
            violations.push(Violation::new(Invariant::ComesToItsEnd, message));
        }
        Ok(())
    }

    fn check_everything_sent(&self, violations: &mut Vec<Violation>) {
        for Expected { key, number, .. } in &self.template.sending.expected {
            let label = checker::label(key, *number);
            if !self.outside.documents.iter().any(|(acknowledged, _)| *acknowledged == label) {
                let message = format!("{label} was never acknowledged");
                violations.push(Violation::new(Invariant::ComesToItsEnd, message));
            }
        }
    }
}

fn not_ended(what: &str, error: &SimulationError) -> Violation {
    let message = format!("{what} fails without faults: {error:?}");
    Violation::new(Invariant::ComesToItsEnd, message)
}
