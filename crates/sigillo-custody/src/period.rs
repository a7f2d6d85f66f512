//! Making period statements: everything in one is read from the log, and sealed.

use sigillo_authorities::{
    AllRefused, Authorities, CheckpointSigner, Refusal, SealKey, SignedHead,
};
use sigillo_ers::prepare_seal;
use sigillo_evidence_log::Archive;
use sigillo_merkle::{
    Checkpoint, NoteSignature, SignedNote, TreeHash, consistency_path, frontier_at, root_at,
};
use sigillo_model::{
    ARCHIVE_BYTES_MAX, Clock, Entropy, LogTime, ObjectKey, PACK_LIST_BYTES_MAX, Sha256Digest,
};
use sigillo_proof::{
    ArchiveSection, Base64Bytes, EndedPeriod, PERIOD_BYTES_MAX, PeriodDraft, PeriodStatement,
    StatedPeriod, period_value,
};
use sigillo_store::StoreError;

use crate::{
    CustodyError, MakePeriodError, ReceiptLog,
    period_log::{PeriodLog, PeriodLogs},
};

/// Where a period begins or ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeriodBound {
    /// At a checkpoint of the log that somebody kept.
    Checkpoint(Checkpoint),
    /// At a time: commits count whose time is not before it. It is the writers' clock that decides.
    Time(jiff::Timestamp),
}

/// What period is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PeriodAsked {
    /// Its beginning; the beginning of the log if none is named.
    pub from: Option<PeriodBound>,
    /// Its end; the end of the log if none is named.
    pub to: Option<PeriodBound>,
    /// The generation of the log that it is of; if none is named, that of its entries.
    pub generation: Option<u64>,
}

/// Makes period statements.
#[derive(Debug)]
pub struct PeriodMaker<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// The key of its log, which signs the checkpoints at both ends.
    pub log_key: &'a CheckpointSigner,
    /// The key that seals, with its certificate.
    pub seal_key: &'a SealKey,
    /// Whom to ask for a time-stamp.
    pub authorities: &'a Authorities,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where nonces come from.
    pub entropy: &'a dyn Entropy,
}

/// A period statement that was made.
#[derive(Clone, Debug)]
pub struct MadePeriod {
    /// It.
    pub statement: PeriodStatement,
    /// What it states.
    pub stated: StatedPeriod,
    /// The generation of the log that it is of.
    pub generation: u64,
    /// The checkpoint at its beginning, if that is not the beginning of the log.
    pub older: Option<Checkpoint>,
    /// The checkpoint at its end.
    pub newer: Checkpoint,
    /// The time that an authority attests.
    pub stamped_at: Option<String>,
    /// What authorities answered that was refused.
    pub refused: Vec<Refusal>,
}

impl PeriodMaker<'_> {
    /// Makes the statement of a period, and asks for a time-stamp over it. That no authority answers
    /// is no error: the statement then has none.
    ///
    /// # Errors
    ///
    /// [`MakePeriodError`] if there is no such period, it is too large, or something that it must
    /// show cannot be read.
    pub async fn make(&self, asked: &PeriodAsked) -> Result<MadePeriod, MakePeriodError> {
        let logs = PeriodLogs::read(self.archive, asked).await?;
        let (generation, log) = logs.of_period()?;
        let (older_size, newer_size) = log.check(asked)?;
        let (archive, ended) = self.logs((generation, log), newer_size).await?;
        let signed = |size| self.checkpoint((generation, size), log, ended.is_none());
        let older = (older_size > 0).then(|| signed(older_size)).transpose()?;
        let (older, older_note) = older.unzip();
        let (newer, newer_note) = signed(newer_size)?;
        let of_tree = |_| MakePeriodError::Outside;
        let draft = PeriodDraft {
            archive,
            at: LogTime::new(self.clock.now()),
            consistency: consistency_path(older_size, newer_size, &log.tree).map_err(of_tree)?,
            edge: frontier_at(older_size, &log.tree).map_err(of_tree)?,
            ended,
            packs: self.packs(log).await?,
            entries: log.entries.clone(),
            newer: newer_note,
            older: older_note,
        };
        let stated = draft.state().map_err(MakePeriodError::Fault)?;
        let seal = self.seal(&stated)?;
        let seal_sha256 = Sha256Digest::of(&seal);
        let mut statement = draft.seal(&stated, seal).map_err(MakePeriodError::TooLarge)?;
        let sha256 = Sha256Digest::of(statement.statement.as_bytes());
        let value = period_value(sha256, seal_sha256);
        let (mut stamped_at, refused) =
            match self.authorities.stamp(value, self.clock, self.entropy).await {
                Ok(stamped) => {
                    let token = stamped.token;
                    statement.token = Some(Base64Bytes(token.raw().to_vec()));
                    (Some(token.verified().stamped_at.to_string()), stamped.refused)
                }
                Err(AllRefused { refusals }) => (None, refusals),
            };
        if statement.size_bytes() > PERIOD_BYTES_MAX {
            (statement.token, stamped_at) = (None, None);
        }
        Ok(MadePeriod { statement, stated, generation, older, newer, stamped_at, refused })
    }

    /// Says of the archive what proves a period of a log: its logs, and the checkpoint of the newest if
    /// that is another one.
    async fn logs(
        &self,
        (generation, log): (u64, &PeriodLog),
        newer_size: u64,
    ) -> Result<(ArchiveSection, Option<EndedPeriod>), MakePeriodError> {
        let newest = self.archive.generation();
        if newest == 1 {
            return Ok((self.archive_section(log, newer_size).await?, None));
        }
        let read = ReceiptLog::read(self.archive).await.map_err(MakePeriodError::Logs)?;
        let section = read.archive_section(self.archive).await;
        let mut section = section.map_err(MakePeriodError::Logs)?;
        if generation == newest {
            read.prove_section(&mut section, newer_size).map_err(MakePeriodError::Logs)?;
            return Ok((section, None));
        }
        let path = consistency_path(newer_size, log.tree.size(), &log.tree);
        let path = path.map_err(|_| MakePeriodError::Outside)?.into_iter().map(digest);
        let ended = EndedPeriod { checkpoint: read.note.clone(), consistency: path.collect() };
        Ok((section, Some(ended)))
    }

    /// Writes the checkpoint of the first `size` entries of a log, signed if that is the newest: the key
    /// of one that ended may be lost.
    fn checkpoint(
        &self,
        (generation, size): (u64, u64),
        log: &PeriodLog,
        is_signed: bool,
    ) -> Result<(Checkpoint, String), MakePeriodError> {
        let tree = &log.tree;
        let root = root_at(size, tree).map_err(|_| MakePeriodError::Outside)?;
        let origin = self.archive.description().origin_of(generation);
        let checkpoint = Checkpoint { origin, size, root };
        if !is_signed {
            let text = checkpoint.to_text();
            return Ok((checkpoint, text));
        }
        let text = checkpoint.to_text();
        let head = SignedHead { size, root: digest(root) };
        let extends = &mut |last: SignedHead| {
            root_at(last.size, tree).is_ok_and(|root| digest(root) == last.root)
        };
        // Every commit was read: the keys are known.
        let keys = self.archive.log_keys();
        let key = keys.of_size(size);
        let signer = self.log_key.of_key(key.public_key()).map_err(MakePeriodError::Key)?;
        let signature = signer.sign(head, text.as_bytes(), extends);
        let signature = signature.map_err(MakePeriodError::Key)?;
        let signature = NoteSignature::ed25519(key, signature);
        let note = SignedNote::new(text, vec![signature]).map_err(|_| MakePeriodError::Outside)?;
        let note = String::from_utf8(note.to_bytes()).map_err(|_| MakePeriodError::Outside)?;
        Ok((checkpoint, note))
    }

    async fn archive_section(
        &self,
        log: &PeriodLog,
        size: u64,
    ) -> Result<ArchiveSection, MakePeriodError> {
        let key = ObjectKey::archive();
        let read = self.archive.store().read(&key, ARCHIVE_BYTES_MAX).await;
        let bytes = read.map_err(|source| CustodyError::Store {
            doing: "reading the description of the archive",
            source,
        })?;
        let unreadable = || MakePeriodError::Object { key, what: "it is not UTF-8" };
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| unreadable())?;
        let (index, line) = log.created.as_ref().ok_or(MakePeriodError::Outside)?;
        let description = self.archive.description();
        Ok(ArchiveSection {
            created: log.logged(*index, line, size)?,
            description: text,
            entity: description.entity.name.clone(),
            id: description.archive,
            log: description.keys.log.clone(),
            origin: description.origin.clone(),
            rotations: log.rotations(&self.archive.log_keys(), size)?,
            successions: Vec::new(),
            trial: description.trial,
        })
    }

    /// Reads the lists of packs of the period's batches, as they stand in the store.
    async fn packs(&self, log: &PeriodLog) -> Result<String, MakePeriodError> {
        let mut packs = String::new();
        for batch in &log.batches {
            let key = ObjectKey::pack_list(batch.batch);
            let bad = |what| MakePeriodError::Object { key: key.clone(), what };
            let bytes = match self.archive.store().read(&key, PACK_LIST_BYTES_MAX).await {
                Ok(bytes) => bytes,
                Err(StoreError::NotFound { .. }) => return Err(bad("it is not in the store")),
                Err(source) => {
                    let doing = "reading a list of packs";
                    return Err(CustodyError::Store { doing, source }.into());
                }
            };
            if Sha256Digest::of(&bytes) != batch.packs_sha256 {
                return Err(bad("it does not have the digest that the log states"));
            }
            packs.push_str(std::str::from_utf8(&bytes).map_err(|_| bad("it is not UTF-8"))?);
            packs.push('\n');
            if packs.len() as u64 > PERIOD_BYTES_MAX {
                let what = "bytes of lists of packs";
                let (count, max) = (packs.len() as u64, PERIOD_BYTES_MAX);
                return Err(MakePeriodError::TooMuch { what, count, max });
            }
        }
        Ok(packs)
    }

    fn seal(&self, stated: &StatedPeriod) -> Result<Vec<u8>, MakePeriodError> {
        let sha256 = Sha256Digest::of(stated.to_json().as_bytes());
        let (certificate, chain) = (&self.seal_key.certificate_der, &self.seal_key.chain);
        let prepared = prepare_seal(sha256, certificate, chain, stated.at.timestamp())
            .map_err(MakePeriodError::Certificate)?;
        let signature = self.seal_key.signer.sign(prepared.to_sign());
        Ok(prepared.finish(&signature.map_err(MakePeriodError::Signer)?))
    }
}

pub(crate) fn digest(hash: TreeHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*hash.as_bytes())
}
