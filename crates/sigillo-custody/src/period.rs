//! Making period statements: everything in one is read from the log, and sealed.

use sigillo_authorities::{
    AllRefused, Authorities, CheckpointSigner, Refusal, SealKey, SignedHead,
};
use sigillo_ers::prepare_seal;
use sigillo_evidence_log::{Archive, Commit, read_commits};
use sigillo_merkle::{
    Checkpoint, KeysOfLog, MemoryTree, NoteSignature, SignedNote, TreeHash, consistency_path,
    frontier_at, inclusion_path, root_at,
};
use sigillo_model::{
    ARCHIVE_BYTES_MAX, BatchCommitted, Clock, Entropy, Entry, LogTime, ObjectKey,
    PACK_LIST_BYTES_MAX, Sha256Digest,
};
use sigillo_proof::{
    ArchiveSection, Base64Bytes, LoggedLine, PERIOD_BYTES_MAX, PERIOD_ENTRIES_MAX, PeriodDraft,
    PeriodStatement, StatedPeriod, period_value,
};
use sigillo_store::StoreError;

use crate::{CustodyError, MakePeriodError};

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
}

impl PeriodAsked {
    /// Tells whether a commit, of entries from `first_leaf`, is not before the period.
    fn has_begun(&self, first_leaf: u64, at: LogTime) -> bool {
        match &self.from {
            None => true,
            Some(PeriodBound::Checkpoint(older)) => first_leaf >= older.size,
            Some(PeriodBound::Time(from)) => at.timestamp() >= *from,
        }
    }

    /// Tells whether a commit, of entries before `size_after`, is not after the period.
    fn goes_on(&self, size_after: u64, at: LogTime) -> bool {
        match &self.to {
            None => true,
            Some(PeriodBound::Checkpoint(newer)) => size_after <= newer.size,
            Some(PeriodBound::Time(to)) => at.timestamp() < *to,
        }
    }
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
        let read = self.read(asked).await?;
        let generation = self.archive.generation();
        if generation > 1 {
            return Err(MakePeriodError::Succeeded { generation });
        }
        let (older_size, newer_size) = read.check(asked)?;
        let (older, older_note) = if older_size == 0 {
            (None, None)
        } else {
            let (checkpoint, note) = self.checkpoint(older_size, &read.tree)?;
            (Some(checkpoint), Some(note))
        };
        let (newer, newer_note) = self.checkpoint(newer_size, &read.tree)?;
        let of_tree = |_| MakePeriodError::Outside;
        let draft = PeriodDraft {
            archive: self.archive_section(&read, newer_size).await?,
            at: LogTime::new(self.clock.now()),
            consistency: consistency_path(older_size, newer_size, &read.tree).map_err(of_tree)?,
            edge: frontier_at(older_size, &read.tree).map_err(of_tree)?,
            packs: self.packs(&read).await?,
            entries: read.entries,
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
        Ok(MadePeriod { statement, stated, older, newer, stamped_at, refused })
    }

    async fn read(&self, asked: &PeriodAsked) -> Result<PeriodLog, MakePeriodError> {
        let mut log = PeriodLog::default();
        read_commits(self.archive, (0, 0), &mut |commit| log.take(asked, commit)).await?;
        Ok(log)
    }

    /// Signs the checkpoint of the first `size` entries.
    fn checkpoint(
        &self,
        size: u64,
        tree: &MemoryTree,
    ) -> Result<(Checkpoint, String), MakePeriodError> {
        let root = root_at(size, tree).map_err(|_| MakePeriodError::Outside)?;
        let checkpoint = Checkpoint { origin: self.archive.origin(), size, root };
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

/// The log, with all that a statement of a period of it needs.
#[derive(Debug, Default)]
struct PeriodLog {
    /// 64 bytes for each entry of the log.
    tree: MemoryTree,
    /// The entry that created the archive, and its place.
    created: Option<(u64, String)>,
    /// The rotations of the log's key: place, line, and the key that each names.
    rotations: Vec<(u64, String, String)>,
    /// Entries before the period, whole commits.
    older_size: u64,
    /// Entries up to its end, whole commits.
    newer_size: u64,
    /// The entries of the period, each with its newline.
    entries: String,
    /// Their number, also beyond what is kept.
    count: u64,
    /// Their length, also beyond what is kept, in bytes.
    bytes: u64,
    /// The batches of the period.
    batches: Vec<BatchCommitted>,
}

impl PeriodLog {
    fn take(&mut self, asked: &PeriodAsked, commit: &Commit) {
        let (header, size_after) = (&commit.header, commit.size_after());
        if let Some(index) =
            commit.entries.iter().position(|it| matches!(it, Entry::ArchiveCreated(_)))
            && self.created.is_none()
        {
            let line = String::from_utf8_lossy(&commit.lines[index]).into_owned();
            self.created = Some((header.first_leaf + index as u64, line));
        }
        for ((index, entry), line) in (header.first_leaf..).zip(&commit.entries).zip(&commit.lines)
        {
            if let Entry::KeyRotated(body) = entry {
                let line = String::from_utf8_lossy(line).into_owned();
                self.rotations.push((index, line, body.log.clone()));
            }
        }
        self.tree.extend(commit.leaves());
        let (begun, goes_on) =
            (asked.has_begun(header.first_leaf, header.at), asked.goes_on(size_after, header.at));
        if !begun {
            self.older_size = size_after;
        }
        if goes_on {
            self.newer_size = size_after;
        }
        if begun && goes_on {
            self.keep(commit);
        }
    }

    /// Keeps the entries of a commit of the period, as long as they are no more than may be.
    fn keep(&mut self, commit: &Commit) {
        self.count += commit.lines.len() as u64;
        self.bytes += commit.lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        if self.is_too_large() {
            return;
        }
        for line in &commit.lines {
            self.entries.push_str(&String::from_utf8_lossy(line));
            self.entries.push('\n');
        }
        self.batches.extend(commit.entries.iter().filter_map(|entry| match entry {
            Entry::BatchCommitted(body) => Some(body.clone()),
            _ => None,
        }));
    }

    /// Returns the rotations that count under a checkpoint of `size` entries, with their proofs.
    fn rotations(&self, keys: &KeysOfLog, size: u64) -> Result<Vec<LoggedLine>, MakePeriodError> {
        let counts = |(index, _, key): &&(u64, String, String)| {
            *index < size && keys.of_size(*index + 1).to_string() == *key
        };
        let rotations = self.rotations.iter().filter(counts);
        let logged = rotations.map(|(index, line, _)| self.logged(*index, line, size));
        logged.collect()
    }

    /// Proves that an entry is under the checkpoint of `size` entries.
    fn logged(&self, index: u64, line: &str, size: u64) -> Result<LoggedLine, MakePeriodError> {
        let proof =
            inclusion_path(index, size, &self.tree).map_err(|_| MakePeriodError::Outside)?;
        let proof = proof.into_iter().map(digest).collect();
        Ok(LoggedLine { index, line: line.to_owned(), log: 1, proof })
    }

    fn is_too_large(&self) -> bool {
        self.count > PERIOD_ENTRIES_MAX as u64 || self.bytes > PERIOD_BYTES_MAX
    }

    /// Checks that there is such a period, and returns the sizes of the log at both ends.
    fn check(&self, asked: &PeriodAsked) -> Result<(u64, u64), MakePeriodError> {
        for (bound, size) in [(&asked.from, self.older_size), (&asked.to, self.newer_size)] {
            let Some(PeriodBound::Checkpoint(kept)) = bound else { continue };
            if kept.size > self.tree.size() || root_at(kept.size, &self.tree) != Ok(kept.root) {
                return Err(MakePeriodError::LogDiffers { size: kept.size });
            }
            if kept.size != size {
                return Err(MakePeriodError::NotWhole { size: kept.size });
            }
        }
        if self.newer_size == 0 || self.older_size > self.newer_size {
            return Err(MakePeriodError::Empty);
        }
        let (count, max) = (self.count, PERIOD_ENTRIES_MAX as u64);
        if count > max {
            return Err(MakePeriodError::TooMuch { what: "entries", count, max });
        }
        let (count, max) = (self.bytes, PERIOD_BYTES_MAX);
        if count > max {
            return Err(MakePeriodError::TooMuch { what: "bytes of entries", count, max });
        }
        Ok((self.older_size, self.newer_size))
    }
}

fn digest(hash: TreeHash) -> Sha256Digest {
    Sha256Digest::from_bytes(*hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use sigillo_merkle::leaf_hash;

    use super::*;

    fn log(leaves: usize) -> PeriodLog {
        let lines = (0..leaves).map(|number| leaf_hash(&number.to_be_bytes()));
        PeriodLog { tree: lines.collect(), newer_size: leaves as u64, ..PeriodLog::default() }
    }

    fn kept(log: &PeriodLog, size: u64) -> PeriodAsked {
        let root = root_at(size, &log.tree).unwrap();
        let kept = Checkpoint { origin: "prova".to_owned(), size, root };
        PeriodAsked { from: Some(PeriodBound::Checkpoint(kept)), to: None }
    }

    #[test]
    fn a_checkpoint_amidst_a_commit_bounds_no_period() {
        let mut log = log(5);
        let asked = kept(&log, 3);
        // The commits are of the entries 0 and 1, and of 2 to 4.
        log.older_size = 2;
        assert!(matches!(log.check(&asked), Err(MakePeriodError::NotWhole { size: 3 })));
        log.older_size = 3;
        assert_eq!(log.check(&asked).unwrap(), (3, 5));
    }

    #[test]
    fn a_checkpoint_of_another_log_bounds_no_period() {
        let (mut short, other) = (log(5), log(9));
        let mut asked = kept(&other, 9);
        assert!(matches!(short.check(&asked), Err(MakePeriodError::LogDiffers { size: 9 })));
        asked = kept(&other, 3);
        short.older_size = 3;
        if let Some(PeriodBound::Checkpoint(kept)) = &mut asked.from {
            kept.root = leaf_hash(b"");
        }
        assert!(matches!(short.check(&asked), Err(MakePeriodError::LogDiffers { size: 3 })));
    }

    #[test]
    fn a_period_with_more_than_a_statement_holds_is_refused() {
        let asked = PeriodAsked::default();
        let most =
            PeriodLog { count: PERIOD_ENTRIES_MAX as u64, bytes: PERIOD_BYTES_MAX, ..log(5) };
        assert!(most.check(&asked).is_ok());
        let many = PeriodLog { count: PERIOD_ENTRIES_MAX as u64 + 1, ..log(5) };
        let error = many.check(&asked).unwrap_err();
        assert!(error.is_too_large() && error.to_string().contains("100001 entries"), "{error}");
        let long = PeriodLog { bytes: PERIOD_BYTES_MAX + 1, ..log(5) };
        assert!(long.check(&asked).unwrap_err().is_too_large());
        assert!(matches!(log(0).check(&asked), Err(MakePeriodError::Empty)));
        let reversed = PeriodLog { older_size: 5, newer_size: 4, ..log(5) };
        assert!(matches!(reversed.check(&asked), Err(MakePeriodError::Empty)));
    }
}
