//! The witness: a key that cosigns the checkpoints of other archives, with a memory of the last one
//! of each.

use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sigillo_model::{JSON_INTEGER_MAX, LogTime, Sha256Digest, parse_canonical, to_canonical};

use crate::{
    KeyError,
    durable::PrivateFolder,
    signers::{Ed25519Signer, FileKey},
};

/// File of the key, Ed25519.
const KEY: &str = "witness.key";

/// What errors call the key.
const KEY_NAME: &str = "witness";

/// File that says whose key it is, and which logs it has cosigned.
const DESCRIPTION: &str = "witness.json";

/// Folder with the last checkpoint cosigned of each log.
const COSIGNED: &str = "cosigned";

/// Folder with what was refused.
const REFUSED: &str = "refused";

/// Version of these files.
const FORMAT: u64 = 1;

/// At most so many logs are witnessed: their list must fit into a file of the folder.
pub const WITNESSED_LOGS_MAX: usize = 3_000;

/// At most so many refusals of each kind are kept of one log; two prove as much as a thousand.
pub const REFUSALS_MAX: usize = 100;

/// At most so many are kept of checkpoints of fewer leaves than one cosigned before: anybody who kept old
/// ones can have them refused, and they contradict nothing.
pub const OLDER_REFUSALS_MAX: usize = 10;

/// A witness: its key, and what it cosigned.
///
/// A folder of mode 0700 with files of mode 0600. It must never be restored from a backup and used
/// again beside what came after: a witness that forgot what it cosigned would cosign a fork. So it
/// lies with the keys, not with what can be rebuilt. All processes that open the same folder are
/// one witness.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    name: String,
    signer: Ed25519Signer,
    folder: PrivateFolder,
}

/// A checkpoint that a witness cosigned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Witnessed {
    /// When, by the clock of the witness.
    pub at: LogTime,
    /// The whole note, as the log signed it.
    pub checkpoint: String,
    /// The name of the log.
    pub origin: String,
    /// Its root.
    pub root: Sha256Digest,
    /// Its leaves.
    pub size: u64,
}

/// A checkpoint that a witness did not cosign, with the last one that it did: what shows that a log
/// broke its word.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessRefused {
    /// The last checkpoint of this log that was cosigned, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Witnessed>,
    /// Why it was refused, in words.
    pub reason: String,
    /// What was not cosigned, and when it was refused.
    pub refused: Witnessed,
    /// The request, byte for byte.
    pub request: String,
}

impl WitnessRefused {
    /// Returns what kind of evidence it is, and how many of the kind are kept of one log.
    fn kind(&self) -> (&'static str, usize) {
        let last = self.last.as_ref().map_or(0, |last| last.size);
        // No tree without leaves has another root than the hash of nothing.
        let is_impossible = self.refused.size == 0 && self.refused.root != Sha256Digest::of(&[]);
        match self.refused.size.cmp(&last) {
            // Of one size two are a fork, whatever was sent with them.
            Ordering::Equal => ("fork", REFUSALS_MAX),
            _ if is_impossible => ("fork", REFUSALS_MAX),
            // The proof may be wrong, or the log forked.
            Ordering::Greater => ("unproven", REFUSALS_MAX),
            Ordering::Less => ("older", OLDER_REFUSALS_MAX),
        }
    }
}

impl Witness {
    /// Makes a witness, or completes one whose making was interrupted, and opens it.
    ///
    /// `name` is what others know its key by; that it can stand in a note is the caller's business.
    ///
    /// # Errors
    ///
    /// [`KeyError::Taken`] if the folder is that of a witness of another name; others as
    /// [`open`](Self::open).
    pub fn create(path: &Path, name: &str) -> Result<Self, KeyError> {
        let folder = PrivateFolder::create(path)?;
        let lock = folder.lock()?;
        if folder.read(KEY)?.is_none() {
            folder.write(KEY, &Ed25519Signer::generate(KEY_NAME)?, &lock)?;
        }
        let signer = read_signer(&folder)?;
        // Made after the key, so that a key without it has cosigned nothing.
        match read_json::<Description>(&folder, DESCRIPTION)? {
            Some(known) if known.name != name => {
                return Err(KeyError::Taken { path: path.to_owned(), name: known.name });
            }
            Some(_) => {}
            None => {
                for below in [COSIGNED, REFUSED] {
                    PrivateFolder::create(&path.join(below))?;
                }
                let key = hex::encode(signer.public_key_bytes());
                let name = name.to_owned();
                let description = Description { format: FORMAT, key, logs: Vec::new(), name };
                folder.write(DESCRIPTION, &text_of(&description), &lock)?;
            }
        }
        drop(lock);
        Self::open(path)
    }

    /// Opens a witness. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if there is none, [`KeyError::Exposed`] if others than the owner can
    /// read a file of it, [`KeyError::Damaged`] if one is not what it should be.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let folder = PrivateFolder::open(path)?;
        let signer = read_signer(&folder)?;
        let description = read_description(&folder, &signer)?;
        Ok(Self { path: path.to_owned(), name: description.name, signer, folder })
    }

    /// Returns the name that others know its key by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its Ed25519 public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.signer.public_key_bytes()
    }

    /// Returns the last checkpoint of a log that it cosigned; `key` tells apart logs of one origin, as for
    /// [`cosign`](Self::cosign).
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if it cosigned one and forgot which; others as [`open`](Self::open).
    pub fn last(&self, origin: &str, key: Option<&str>) -> Result<Option<Witnessed>, KeyError> {
        let description = read_description(&self.folder, &self.signer)?;
        Ok(self.memory_of((origin, key, false), &description)?.1.map(|it| it.last))
    }

    /// Cosigns a checkpoint, if `judge` agrees.
    ///
    /// `key` is the first key of the log, if it is known which that is. Where a log of this origin with
    /// another first key was cosigned, each has its own memory: the one in place of the other is none of
    /// its forks. Without it, the log is the one that was cosigned first, and so it is where that memory
    /// names no key, unless the log [was set apart](Self::cosign_apart).
    ///
    /// `judge` is told the last one cosigned of the log `origin`; it returns the one to be cosigned
    /// and the message to be signed for it, or why not. Nobody else cosigns meanwhile: the folder is
    /// locked, against other processes as well. What is cosigned is on stable storage before it is
    /// signed. Source: C2SP tlog-witness.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the memory cannot be read or written, and then nothing is signed. The inner
    /// error is that of `judge`.
    pub fn cosign<E>(
        &self,
        (origin, key): (&str, Option<&str>),
        judge: impl FnOnce(Option<&Witnessed>) -> Result<(Witnessed, Vec<u8>), E>,
    ) -> Result<Result<[u8; 64], E>, KeyError> {
        self.cosign_of((origin, key, false), judge)
    }

    /// As [`cosign`](Self::cosign), where it is known that a memory of this origin which names no key is
    /// not that of the log with this first key: that is kept as it is, and this log begins anew.
    ///
    /// # Errors
    ///
    /// As [`cosign`](Self::cosign).
    pub fn cosign_apart<E>(
        &self,
        (origin, key): (&str, &str),
        judge: impl FnOnce(Option<&Witnessed>) -> Result<(Witnessed, Vec<u8>), E>,
    ) -> Result<Result<[u8; 64], E>, KeyError> {
        self.cosign_of((origin, Some(key), true), judge)
    }

    fn cosign_of<E>(
        &self,
        (origin, key, is_apart): (&str, Option<&str>, bool),
        judge: impl FnOnce(Option<&Witnessed>) -> Result<(Witnessed, Vec<u8>), E>,
    ) -> Result<Result<[u8; 64], E>, KeyError> {
        let lock = self.folder.lock()?;
        let mut description = read_description(&self.folder, &self.signer)?;
        let (id, known) = self.memory_of((origin, key, is_apart), &description)?;
        let (new, message) = match judge(known.as_ref().map(|it| &it.last)) {
            Ok(agreed) => agreed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let file = format!("{id}.json");
        if new.origin != origin || new.size > JSON_INTEGER_MAX {
            let (path, reason) = (self.folder.file(&file), "what was agreed cannot be kept");
            return Err(KeyError::Damaged { path, reason: reason.to_owned() });
        }
        let is_known = description.logs.contains(&id);
        if !is_known && description.logs.len() >= WITNESSED_LOGS_MAX {
            return Err(KeyError::TooMany { path: self.path.clone(), max: WITNESSED_LOGS_MAX });
        }
        let key = key.map(str::to_owned).or_else(|| known.and_then(|it| it.key));
        let memory = Memory { format: FORMAT, key, last: new };
        self.below(COSIGNED)?.write(&file, &text_of(&memory), &lock)?;
        // After what it lists: so a listed log without its file is one that was forgotten.
        if !is_known {
            description.logs.push(id);
            self.folder.write(DESCRIPTION, &text_of(&description), &lock)?;
        }
        Ok(Ok(self.signer.sign_bytes(&message)?))
    }

    /// Keeps what was refused, durably, unless enough of its kind is kept of the log. Returns its file.
    ///
    /// What contradicts the last checkpoint has its room, whatever else was refused before.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it cannot be written.
    pub fn keep_refusal(&self, refused: &WitnessRefused) -> Result<Option<PathBuf>, KeyError> {
        let lock = self.folder.lock()?;
        let folder = self.below(REFUSED)?;
        let of = |checkpoint: &str| Sha256Digest::of(checkpoint.as_bytes()).to_string();
        let last = refused.last.as_ref().map_or("", |last| &last.checkpoint);
        // The same pair of checkpoints is the same evidence, whenever it is met.
        let pair = of(&format!("{}{}", of(last), of(&refused.refused.checkpoint)));
        let (kind, max) = refused.kind();
        let of_kind = format!("{}-{kind}-", &id_of(&refused.refused.origin)[..16]);
        let file = format!("{of_kind}{}.json", &pair[..32]);
        let path = folder.file(&file);
        if path.exists() {
            return Ok(Some(path));
        }
        let failed = |source| KeyError::Io { doing: "listing", path: path.clone(), source };
        let listed = path.parent().map(Path::read_dir).transpose().map_err(failed)?;
        let is_of_kind = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(&of_kind);
        let kept = listed.into_iter().flatten().flatten();
        if kept.filter(|it| is_of_kind(&it.file_name())).count() >= max {
            return Ok(None);
        }
        folder.write(&file, &text_of(refused), &lock)?;
        Ok(Some(path))
    }

    /// Returns what is remembered of a log, and under which id.
    fn memory_of(
        &self,
        (origin, key, is_apart): (&str, Option<&str>, bool),
        description: &Description,
    ) -> Result<(String, Option<Memory>), KeyError> {
        let first = id_of(origin);
        let memory = self.memory(origin, &first, description)?;
        let (Some(cosigned), Some(key)) = (&memory, key) else { return Ok((first, memory)) };
        // No origin has a second line.
        let own = id_of(&format!("{origin}\n{key}"));
        let is_other = match &cosigned.key {
            Some(cosigned) => cosigned != key,
            None => is_apart || description.logs.contains(&own),
        };
        if !is_other {
            return Ok((first, memory));
        }
        let memory = self.memory(origin, &own, description)?;
        Ok((own, memory))
    }

    fn memory(
        &self,
        origin: &str,
        id: &str,
        description: &Description,
    ) -> Result<Option<Memory>, KeyError> {
        let (folder, file) = (self.below(COSIGNED)?, format!("{id}.json"));
        match read_json::<Memory>(&folder, &file)? {
            Some(memory) if memory.format == FORMAT && memory.last.origin == origin => {
                Ok(Some(memory))
            }
            Some(_) => Err(KeyError::Damaged {
                path: folder.file(&file),
                reason: "it is of another log or format".to_owned(),
            }),
            None if description.logs.iter().any(|it| it == id) => {
                Err(KeyError::Missing { path: folder.file(&file) })
            }
            None => Ok(None),
        }
    }

    fn below(&self, name: &str) -> Result<PrivateFolder, KeyError> {
        PrivateFolder::open(&self.path.join(name))
    }
}

/// Whose key it is, and which logs it has cosigned.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u64,
    /// The public key in hexadecimal digits: what another key cosigned proves nothing.
    key: String,
    /// The ids of the logs.
    logs: Vec<String>,
    name: String,
}

/// The last checkpoint cosigned of a log.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    format: u64,
    /// The first key of the log, if it was known which that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    last: Witnessed,
}

/// Names the files of a log: an origin may have any characters.
fn id_of(origin: &str) -> String {
    Sha256Digest::of(origin.as_bytes()).to_string()
}

fn read_signer(folder: &PrivateFolder) -> Result<Ed25519Signer, KeyError> {
    let text = folder.read_existing(KEY)?;
    Ed25519Signer::from_text(KEY_NAME, &text)
        .map_err(|reason| KeyError::Damaged { path: folder.file(KEY), reason })
}

fn read_description(
    folder: &PrivateFolder,
    signer: &Ed25519Signer,
) -> Result<Description, KeyError> {
    let path = || folder.file(DESCRIPTION);
    let description: Description =
        read_json(folder, DESCRIPTION)?.ok_or_else(|| KeyError::Missing { path: path() })?;
    if description.format == FORMAT && description.key == hex::encode(signer.public_key_bytes()) {
        return Ok(description);
    }
    let reason = "it belongs to another key or has another format".to_owned();
    Err(KeyError::Damaged { path: path(), reason })
}

fn read_json<T>(folder: &PrivateFolder, file: &str) -> Result<Option<T>, KeyError>
where
    T: DeserializeOwned + Serialize,
{
    let Some(text) = folder.read(file)? else { return Ok(None) };
    let read = parse_canonical(text.as_bytes());
    let damaged = |reason: String| KeyError::Damaged { path: folder.file(file), reason };
    read.map(Some).map_err(|error| damaged(error.to_string()))
}

fn text_of(value: &impl Serialize) -> String {
    String::from_utf8(to_canonical(value)).expect("JSON is UTF-8")
}
