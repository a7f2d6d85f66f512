//! What commands open before they begin: store, archive, keys, log, index, authorities.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use sigillo_authorities::{
    Credentials, HttpAuthority, HttpSettings, KeyError, KeyFolder, SignedHead,
};
use sigillo_catalogue::{Journal, KeyIndex};
use sigillo_ers::{TrustAnchors, pem_blocks, to_pem};
use sigillo_evidence_log::{Archive, AuditKnowledge, AuditTime, LogKeys, LogSummary, LogWriter};
use sigillo_model::{Clock, Entropy, ErrorKind, GENERATIONS_MAX, LogTime, Sha256Digest};
use sigillo_store::{ServiceAccess, Store, StoreUrl};

use crate::{
    cli::GlobalArgs,
    commands::er::algorithms,
    error::CommandError,
    guard::{keys_of_log, refuse_used_keys},
    output::{Output, counted, visible},
    places::{Places, place_of, write_whole},
    settings::{AuthoritySettings, Settings},
    system::{SystemClock, SystemEntropy},
    trust::Trusted,
    trust_store::TrustStore,
};

/// The file of the state that names the store that was probed.
const PROBED: &str = "probed";

/// What the files of the state begin with that say when every byte was last found intact, one for
/// each place that the archive, or a copy of it, lies in.
const FULL_READ: &str = "full-read-";

/// The file of the state that holds the log in sum.
const SUMMARY: &str = "summary.json";

/// Largest sum of a log that is read, in bytes.
const SUMMARY_BYTES_MAX: u64 = 16 << 20;

/// What every command has.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    pub(crate) output: Output,
    pub(crate) places: Places,
    pub(crate) trust: TrustStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl Context {
    pub(crate) fn new(global: GlobalArgs, output: Output) -> Result<Self, CommandError> {
        let places = Places::find(&global)?;
        let trust = TrustStore::in_folder(places.trust());
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        Ok(Self { global, output, places, trust, clock, entropy })
    }

    /// Returns the place of the archive.
    pub(crate) fn url(&self) -> Result<StoreUrl, CommandError> {
        let Some(place) = &self.global.archive else {
            return Err(CommandError::usage("no archive is named")
                .hint("name it with --archive PLACE, or set SIGILLO_ARCHIVE"));
        };
        Ok(StoreUrl::parse(place)?.with_access(self.service_access()))
    }

    /// Reads how object stores are reached, and as whom, from where their own tools read it.
    fn service_access(&self) -> ServiceAccess {
        ServiceAccess::from_variables(|name| std::env::var(name).ok())
            .with_spool_folder(self.places.spool())
    }

    /// Opens the archive as it lies there, believed or not: for those who judge it. Logs that cannot be
    /// read to learn of them are met again by whoever reads the log.
    pub(crate) async fn archive_as_found(&self) -> Result<Archive, CommandError> {
        let archive = self.opened().await?;
        if let Err(error) = archive.learn().await {
            tracing::debug!(%error, "the logs of the archive are not known");
        }
        Ok(archive)
    }

    /// Opens the archive, whatever its log; what logs it has is not known yet.
    pub(crate) async fn opened(&self) -> Result<Archive, CommandError> {
        let url = self.url()?;
        if let Some(folder) = url.folder()
            && !folder.exists()
        {
            let words = format!("there is no archive in {}", folder.display());
            return Err(CommandError::new(ErrorKind::Invalid, words).hint(
                "make one with `sigillo init ARCHIVE --entity NAME`, or name another with --archive",
            ));
        }
        let store = Store::open(&url, tokio::runtime::Handle::current())?;
        Ok(Archive::open(store).await?)
    }

    /// Opens the keys of an archive, also of one that was moved since they were made.
    pub(crate) fn keys(&self, archive: &Archive) -> Result<KeyFolder, CommandError> {
        let expected = archive.commit_key();
        let fits =
            |keys: &KeyFolder| keys.commit_signer().public_key()[..] == *expected.public_key();
        let generation = archive.generation();
        let named = self.places.keys_of(&self.url()?);
        let folder = keys_of_log(&named, generation);
        let opened = KeyFolder::open(&folder);
        if let Ok(keys) = &opened
            && fits(keys)
        {
            return Ok(opened?);
        }
        let others = self.places.all_keys().into_iter().map(|it| keys_of_log(&it, generation));
        // The folder of this very log may be named, too.
        for other in std::iter::once(named).chain(others) {
            if let Ok(keys) = KeyFolder::open(&other)
                && fits(&keys)
            {
                return Ok(keys);
            }
        }
        let aside = kept_aside(&folder, &fits);
        match opened {
            Ok(_) => {
                let words = format!("the keys in {} are not this archive's", folder.display());
                let this = CommandError::new(ErrorKind::Invalid, words);
                Err(this.hint(aside.unwrap_or_else(|| {
                    "name the folder with this archive's keys with --keys".to_owned()
                })))
            }
            Err(KeyError::Missing { path }) => {
                let this = aside.into_iter().fold(lost_keys(&path, &folder), CommandError::hint);
                Err(match archive.opened(generation).filter(|_| generation > 1) {
                    Some(commit) => this.hint(format!(
                        "log {generation} of this archive began with commit {commit}; `sigillo verify` \
                         says by whose act"
                    )),
                    None => this,
                })
            }
            Err(error) => Err(CommandError::from(error)
                .hint("name the folder with this archive's keys with --keys")),
        }
    }

    /// Opens the log for writing, after the store proved once that it keeps its word. An archive whose
    /// making died before the first commit is completed, as `sigillo init` would.
    pub(crate) async fn log(
        &self,
        archive: &Archive,
        keys: &KeyFolder,
    ) -> Result<LogWriter, CommandError> {
        self.refuse_older(archive).await?;
        refuse_used_keys(archive, keys)?;
        self.probed(archive).await?;
        // The same of a log that succeeded another, and had not signed anything yet.
        let is_new = archive.generation() > 1 && keys.log_signer().last_signed()?.is_none();
        if is_new || archive.commit(1).await?.is_none() {
            self.trust.add(&Trusted::of(archive, vec![keys.trial_root_pem().to_owned()]))?;
        }
        let keys = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
        let clock = Arc::clone(&self.clock);
        Ok(LogWriter::open(archive.clone(), keys, clock, &*self.entropy, 0).await?)
    }

    /// Lets a store that is to be written to prove once that it keeps its word.
    pub(crate) async fn probed(&self, archive: &Archive) -> Result<(), CommandError> {
        if self.is_probed(archive) { Ok(()) } else { self.probe(archive).await }
    }

    /// Tells whether this store has proved that it keeps its word.
    pub(crate) fn is_probed(&self, archive: &Archive) -> bool {
        let probed = std::fs::read_to_string(self.state_file(archive, PROBED));
        probed.is_ok_and(|probed| probed == archive.store().identity())
    }

    /// Lets the store prove that it keeps its word, and remembers it.
    pub(crate) async fn probe(&self, archive: &Archive) -> Result<(), CommandError> {
        archive.store().probe(&*self.entropy).await?;
        self.remember_probed(archive)
    }

    /// Remembers that the store of an archive proved that it keeps its word.
    pub(crate) fn remember_probed(&self, archive: &Archive) -> Result<(), CommandError> {
        let file = self.state_file(archive, PROBED);
        write_whole(&file, archive.store().identity().as_bytes())
    }

    /// Returns the sum of the log that was remembered; an empty one if there is none.
    pub(crate) fn known_summary(&self, archive: &Archive) -> LogSummary {
        let file = self.state_file(archive, SUMMARY);
        if file.metadata().is_ok_and(|it| it.len() > SUMMARY_BYTES_MAX) {
            return LogSummary::default();
        }
        let bytes = std::fs::read(file).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Remembers the sum of the log. Without it the log is only read again.
    pub(crate) fn remember_summary(&self, archive: &Archive, summary: &LogSummary) {
        let bytes = serde_json::to_vec(summary).unwrap_or_default();
        let file = self.state_file(archive, SUMMARY);
        if std::fs::read(&file).is_ok_and(|known| known == bytes) {
            return;
        }
        if let Err(error) = write_whole(&file, &bytes) {
            tracing::debug!(?error, "the sum of the log was not remembered");
        }
    }

    /// Returns when every byte of the archive in this place was last found intact, as far as is
    /// remembered.
    pub(crate) fn last_full_read(&self, archive: &Archive) -> Option<LogTime> {
        let text = std::fs::read_to_string(self.full_read_file(archive).ok()?).ok()?;
        text.trim_end().parse().ok().map(LogTime::new)
    }

    /// Remembers that every byte of the archive was found intact just now.
    pub(crate) fn remember_full_read(&self, archive: &Archive) -> Result<(), CommandError> {
        let text = format!("{}\n", LogTime::new(self.clock.now()));
        write_whole(&self.full_read_file(archive)?, text.as_bytes())
    }

    /// The memory of one place: that a copy was read says nothing of the bytes of another.
    fn full_read_file(&self, archive: &Archive) -> Result<PathBuf, CommandError> {
        let place = place_of(&self.url()?);
        let key = Sha256Digest::of(place.as_os_str().as_encoded_bytes()).to_string();
        Ok(self.state_file(archive, &format!("{FULL_READ}{}", &key[..16])))
    }

    /// Opens the index of keys; catching up is left to whoever uses it.
    pub(crate) fn index(&self, archive: &Archive) -> Result<KeyIndex, CommandError> {
        let id = archive.description().archive;
        let folder = self.index_folder(archive);
        KeyIndex::open(&folder, id).map_err(|error| CommandError::of(error.kind(), &error))
    }

    /// Opens the index of keys to look at it: nothing is written, nor is a folder made.
    pub(crate) fn peek_index(&self, archive: &Archive) -> Result<KeyIndex, CommandError> {
        let id = archive.description().archive;
        let folder = self.index_folder(archive);
        KeyIndex::peek(&folder, id).map_err(|error| CommandError::of(error.kind(), &error))
    }

    /// Begins an empty index beside the one in use, for nobody else as long as the lock is held.
    pub(crate) fn index_beside(&self, archive: &Archive) -> Result<(KeyIndex, File), CommandError> {
        let folder = self.state_file(archive, "index-being-made");
        let path = self.state_file(archive, "index-being-made.lock");
        let taken = || {
            if let Some(above) = path.parent() {
                std::fs::create_dir_all(above)?;
            }
            let lock = File::create(&path)?;
            lock.lock().or_else(|error| match error.kind() {
                std::io::ErrorKind::Unsupported => Ok(()),
                _ => Err(error),
            })?;
            Ok(lock)
        };
        let lock = taken().map_err(|error| CommandError::file("locking", &path, &error))?;
        let of = |error: sigillo_catalogue::IndexError| CommandError::of(error.kind(), &error);
        let mut index = KeyIndex::open(&folder, archive.description().archive).map_err(of)?;
        index.clear().map_err(of)?;
        Ok((index, lock))
    }

    /// Returns the folder of the index of keys.
    pub(crate) fn index_folder(&self, archive: &Archive) -> PathBuf {
        self.state_file(archive, "index")
    }

    /// Where it is noted what an interrupted hash-tree renewal of a line has done.
    pub(crate) fn rehash_journal(&self, archive: &Archive, line: &str) -> PathBuf {
        let key = Sha256Digest::of(line.as_bytes()).to_string();
        self.state_file(archive, &format!("hash-trees-{}", &key[..16]))
    }

    /// Opens the journal of a source; without it, its files are read again.
    pub(crate) fn journal(&self, archive: &Archive, source: &str) -> Journal {
        let folder = self.places.state_of(archive.description().archive).join("journal");
        Journal::open(&folder, source).unwrap_or_else(|error| {
            tracing::warn!(%error, "the journal cannot be used: all files are read");
            Journal::default()
        })
    }

    /// Returns what is known of an archive apart from itself.
    pub(crate) fn knowledge(&self, archive: &Archive) -> Result<AuditKnowledge, CommandError> {
        let (log_key_trusted, anchors) = self.trust.knowledge_of(archive)?;
        let time = AuditTime { algorithms: algorithms()?, at: self.clock.now() };
        let (seen, seen_before) = (self.seen(archive), self.seen_before(archive)?);
        Ok(AuditKnowledge { anchors, log_key_trusted, seen, seen_before, time: Some(time) })
    }

    /// As [`remember_signed`](Self::remember_signed), after the result was told: it holds whether
    /// or not it is remembered.
    pub(crate) fn remember_signed_or_warn(&self, archive: &Archive, keys: &KeyFolder) {
        self.warn_unless(self.remember_signed(archive, keys));
    }

    pub(crate) fn warn_unless(&self, remembered: Result<(), CommandError>) {
        if let Err(error) = remembered {
            let words = visible(&error.words.join(": "));
            self.output.say(&format!(
                "warning: what was seen of the log is not remembered, the rest is done: {words}"
            ));
        }
    }

    /// Remembers what the keys signed last.
    pub(crate) fn remember_signed(
        &self,
        archive: &Archive,
        keys: &KeyFolder,
    ) -> Result<(), CommandError> {
        match keys.log_signer().last_signed()? {
            Some(head) => self.remember(archive, head),
            None => Ok(()),
        }
    }

    fn state_file(&self, archive: &Archive, name: &str) -> PathBuf {
        self.places.state_of(archive.description().archive).join(name)
    }

    /// Reads the certificates that the authorities of the settings lead to, PEM.
    pub(crate) fn authority_anchors(&self) -> Result<Vec<String>, CommandError> {
        let settings = Settings::read(&self.places.settings())?;
        let mut pems = Vec::new();
        for authority in &settings.authorities {
            let file = &authority.anchor_file;
            let pem = std::fs::read_to_string(file)
                .map_err(|error| CommandError::file("reading", file, &error))?;
            add_anchors(&mut TrustAnchors::new(), &authority.name, &pem)?;
            // Certificates alone: whatever else is in the file, such as a key, stays there.
            let ders = pem_blocks(&pem, "CERTIFICATE")
                .map_err(|error| CommandError::of(ErrorKind::Invalid, &error))?;
            pems.extend(ders.iter().map(|der| to_pem("CERTIFICATE", der)));
        }
        pems.dedup();
        Ok(pems)
    }

    /// Sees that the settings, and the authorities in them, can be used; returns the names of these.
    /// Nobody is asked.
    pub(crate) fn usable_authorities(&self) -> Result<Vec<String>, CommandError> {
        self.authority_anchors()?;
        let settings = Settings::read(&self.places.settings())?;
        for authority in &settings.authorities {
            http_authority(authority)?;
        }
        Ok(settings.authorities.into_iter().map(|it| it.name).collect())
    }

    /// Opens the keys that are named, by their folder or by an archive in a folder, without looking
    /// at the archive.
    pub(crate) fn named_keys(&self) -> Result<KeyFolder, CommandError> {
        let folder = match &self.global.keys {
            Some(folder) => folder.clone(),
            None => self.places.keys_of(&self.url()?),
        };
        let newest = (2..=GENERATIONS_MAX).map(|it| keys_of_log(&folder, it));
        let newest = newest.take_while(|it| it.exists()).last();
        Ok(KeyFolder::open(&newest.unwrap_or(folder))?)
    }

    /// Tells whether the settings name authorities; without any, the trial one of some keys is asked.
    pub(crate) fn has_authorities(&self) -> Result<bool, CommandError> {
        Ok(!Settings::read(&self.places.settings())?.authorities.is_empty())
    }

    /// Returns the settings.
    pub(crate) fn settings(&self) -> Result<Settings, CommandError> {
        Settings::read(&self.places.settings())
    }
}

/// The keys of an archive that is there are not where they are expected, or not all of them. They
/// cannot be made anew: others would not be the archive's.
fn lost_keys(missing: &Path, folder: &Path) -> CommandError {
    let words = format!("{} does not exist: keys of this archive are missing", missing.display());
    CommandError::new(ErrorKind::Invalid, words)
        .hint(format!("bring the key folder back from its copy to {}", folder.display()))
        .hint("name the folder with this archive's keys with --keys, if it lies elsewhere")
        .hint("without its keys an archive can be read and verified, but nothing can be added")
}

/// Says which folder beside that of the keys of a log has them, if one does that was set aside when the log
/// was thought to be lost.
fn kept_aside(folder: &Path, fits: &dyn Fn(&KeyFolder) -> bool) -> Option<String> {
    const KEPT_MAX: usize = 1000;
    let start = format!("{}-lost-", folder.file_name()?.to_str()?);
    let is_kept = |it: &PathBuf| {
        let name = it.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&start))
    };
    let beside = folder.parent()?.read_dir().ok()?.flatten().map(|it| it.path());
    let mut kept = beside.filter(is_kept).take(KEPT_MAX);
    let kept = kept.find(|it| KeyFolder::open(it).is_ok_and(|keys| fits(&keys)))?;
    Some(format!(
        "they are in {}, set aside by `sigillo log succeed --lost-successor`: name that folder with --keys \
         or, as the log is not lost after all, move {} elsewhere and give that one its name",
        kept.display(),
        folder.display()
    ))
}

/// Returns a head as people write it: the digits of its root that matter, and its size.
pub(crate) fn head_text(head: SignedHead) -> String {
    let root = head.root.to_string();
    format!("{}, root {}…{}", counted(head.size, "entry"), &root[..8], &root[56..])
}

/// Reads the head that a signed checkpoint states.
pub(crate) fn head_of(note: &str) -> Option<SignedHead> {
    let mut lines = note.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = sigillo_merkle::TreeHash::from_base64(lines.next()?).ok()?;
    Some(SignedHead { size, root: Sha256Digest::from_bytes(*root.as_bytes()) })
}

pub(crate) fn add_anchors(
    anchors: &mut TrustAnchors,
    name: &str,
    pem: &str,
) -> Result<(), CommandError> {
    let bad = |error: &dyn std::fmt::Display| {
        CommandError::new(
            ErrorKind::Invalid,
            format!("the anchor of {name} cannot be used: {error}"),
        )
    };
    for der in pem_blocks(pem, "CERTIFICATE").map_err(|error| bad(&error))? {
        anchors.add_der(name, &der).map_err(|error| bad(&error))?;
    }
    Ok(())
}

pub(crate) fn http_authority(settings: &AuthoritySettings) -> Result<HttpAuthority, CommandError> {
    let mut http = HttpSettings::new(&settings.name, &settings.url);
    http.policy.clone_from(&settings.policy);
    if let Some(limit) = settings.answer_limit() {
        http.answer_limit = limit;
    }
    if let (Some(user), Some(file)) = (&settings.user, &settings.password_file) {
        let password = std::fs::read_to_string(file)
            .map_err(|error| CommandError::file("reading", file, &error))?;
        http.credentials = Some(Credentials::new(user, password.trim_end()));
    }
    HttpAuthority::new(http).map_err(|error| CommandError::of(ErrorKind::Invalid, &error))
}
