//! Signing checkpoints, with a memory that keeps the log from being forked by accident.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use sigillo_model::{JSON_INTEGER_MAX, Sha256Digest, parse_canonical, to_canonical};

use crate::{
    KeyError,
    durable::{FolderLock, PrivateFolder},
    signers::{Ed25519Signer, FileKey as _},
};

/// File that remembers the last head signed.
pub(crate) const MEMORY: &str = "last-signed.json";

/// Version of that file.
const MEMORY_FORMAT: u64 = 1;

/// File of the first log key.
pub(crate) const LOG_KEY_FILE: &str = "log.key";

/// What errors call a log key.
pub(crate) const LOG_KEY_NAME: &str = "log";

/// The head of a log: what a checkpoint is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Leaves of the log.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Sha256Digest,
}

/// Most log keys in one folder: the first, and one for each rotation that counts.
pub const LOG_KEYS_MAX: u64 = 65;

/// What the text of a rotation begins with. Beside checkpoints a log key signs these, and successions.
const ROTATION_PREFIX: &[u8] = b"sigillo key rotation v1\n";

/// What the text of a succession begins with.
const SUCCESSION_PREFIX: &[u8] = b"sigillo log succession v1\n";

/// A log key, which signs nothing but checkpoints that continue each other, and the key that follows.
///
/// Clones share the memory, and so do the later keys of the same log and all processes that open the
/// same key folder.
#[derive(Clone, Debug)]
pub struct CheckpointSigner {
    signer: Arc<Ed25519Signer>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Public key of the log's first key, by which the memory is known.
    first: [u8; 32],
    folder: PrivateFolder,
    /// The head that this process knows to be on stable storage. One that is merely visible may
    /// have been left by a process that died before its fsync.
    durable: Mutex<Option<SignedHead>>,
}

impl CheckpointSigner {
    pub(crate) fn new(signer: Ed25519Signer, folder: PrivateFolder) -> Self {
        let first = signer.public_key_bytes();
        let shared = Shared { first, folder, durable: Mutex::default() };
        Self { signer: Arc::new(signer), shared: Arc::new(shared) }
    }

    /// Returns the Ed25519 public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.signer.public_key_bytes()
    }

    /// Returns the key of this folder with a public key. Blocks on files.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if the folder does not have it, others if it cannot be read.
    pub fn of_key(&self, public_key: &[u8]) -> Result<Self, KeyError> {
        if self.public_key()[..] == *public_key {
            return Ok(self.clone());
        }
        self.numbered(public_key).map(|(_, signer)| signer)
    }

    /// Makes the key that is to follow this one, durably, or returns the one that was made before.
    /// Blocks on files.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if a key cannot be read or written; [`KeyError::TooManyKeys`] beyond
    /// [`LOG_KEYS_MAX`].
    pub fn next_key(&self) -> Result<Self, KeyError> {
        let lock = self.shared.folder.lock()?;
        let (number, _) = self.numbered(&self.public_key())?;
        let next = number + 1;
        if next > LOG_KEYS_MAX {
            let folder = self.shared.folder.file(LOG_KEY_FILE);
            return Err(KeyError::TooManyKeys { path: folder, max: LOG_KEYS_MAX });
        }
        if let Some(signer) = self.read_numbered(next)? {
            return Ok(signer);
        }
        let text = Ed25519Signer::generate(LOG_KEY_NAME)?;
        self.shared.folder.write(&file_of(next), &text, &lock)?;
        self.read_numbered(next)?.ok_or_else(|| self.missing(next))
    }

    /// Signs the text of a rotation, which names the key that follows this one.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRotation`] for any other text.
    pub fn sign_rotation(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        if !text.starts_with(ROTATION_PREFIX) {
            return Err(KeyError::NoRotation);
        }
        Ok(self.signer.sign_bytes(text)?)
    }

    /// Signs the text of a succession, which names the log that comes after this key's.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRotation`] for any other text.
    pub fn sign_succession(&self, text: &[u8]) -> Result<[u8; 64], KeyError> {
        if !text.starts_with(SUCCESSION_PREFIX) {
            return Err(KeyError::NoRotation);
        }
        Ok(self.signer.sign_bytes(text)?)
    }

    /// Finds a key of the folder, and its number, from 1.
    fn numbered(&self, public_key: &[u8]) -> Result<(u64, Self), KeyError> {
        for number in 1..=LOG_KEYS_MAX {
            let signer = self.read_numbered(number)?.ok_or_else(|| self.missing(number))?;
            if signer.public_key()[..] == *public_key {
                return Ok((number, signer));
            }
        }
        Err(self.missing(LOG_KEYS_MAX + 1))
    }

    fn read_numbered(&self, number: u64) -> Result<Option<Self>, KeyError> {
        let file = file_of(number);
        let Some(text) = self.shared.folder.read(&file)? else { return Ok(None) };
        let signer = Ed25519Signer::from_text(LOG_KEY_NAME, &text)
            .map_err(|reason| KeyError::Damaged { path: self.shared.folder.file(&file), reason })?;
        Ok(Some(Self { signer: Arc::new(signer), shared: Arc::clone(&self.shared) }))
    }

    fn missing(&self, number: u64) -> KeyError {
        KeyError::Missing { path: self.shared.folder.file(&file_of(number)) }
    }

    /// Returns the largest head signed so far.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the memory cannot be read, is damaged, or belongs to another key.
    pub fn last_signed(&self) -> Result<Option<SignedHead>, KeyError> {
        let text = self.shared.folder.read_existing(MEMORY)?;
        let memory = Memory::parse(&text).and_then(|memory| {
            if memory.key == hex::encode(self.shared.first) {
                return Ok(memory);
            }
            Err("it belongs to another log key".to_owned())
        });
        match memory {
            Ok(memory) => Ok(memory.last),
            Err(reason) => Err(KeyError::Damaged { path: self.shared.folder.file(MEMORY), reason }),
        }
    }

    /// Signs `text`, the checkpoint of `head`, if `head` and the last head signed belong to one
    /// log.
    ///
    /// The key folder is locked meanwhile, against other processes as well. `extends` is asked
    /// about the last head signed, unless there is none or it is `head` itself: it tells whether
    /// one of the two continues the other. A larger head is remembered on stable storage before it
    /// is signed; a smaller one that is consistent is signed and the memory left alone. That
    /// `text` states `head` is the caller's business. Blocks on files and on `extends`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Diverged`] if `extends` says no, or at once for the same size with another
    /// root; other variants if the memory cannot be read or written. Nothing is signed then.
    pub fn sign(
        &self,
        head: SignedHead,
        text: &[u8],
        extends: &mut dyn FnMut(SignedHead) -> bool,
    ) -> Result<[u8; 64], KeyError> {
        let lock = self.shared.folder.lock()?;
        let last = self.last_signed()?;
        let diverged = |last| Err(KeyError::Diverged { last, head });
        match last {
            Some(last) if last.size == head.size && last.root != head.root => {
                return diverged(last);
            }
            Some(last) if last != head && !extends(last) => return diverged(last),
            _ => {}
        }
        if last.is_none_or(|last| last.size <= head.size) {
            self.remember(head, last, &lock)?;
        }
        Ok(self.signer.sign_bytes(text)?)
    }

    /// Makes the memory of `head` durable, unless it is there and this process wrote it.
    fn remember(
        &self,
        head: SignedHead,
        last: Option<SignedHead>,
        lock: &FolderLock,
    ) -> Result<(), KeyError> {
        let mut durable = self.shared.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if last == Some(head) && *durable == last {
            return Ok(());
        }
        if head.size > JSON_INTEGER_MAX {
            // It could be written but never read again.
            let (path, source) = (self.shared.folder.file(MEMORY), io::ErrorKind::InvalidInput);
            let doing = "remembering more than 2^53-1 leaves in";
            return Err(KeyError::Io { doing, path, source: source.into() });
        }
        // Forgotten first: after an error nothing is known about what the disk holds.
        *durable = None;
        let memory = Memory::text(self.shared.first, Some(head));
        self.shared.folder.write(MEMORY, &memory, lock)?;
        *durable = Some(head);
        Ok(())
    }
}

/// Names the file of a log key: `log.key`, then `log-2.key` and so on.
fn file_of(number: u64) -> String {
    if number == 1 { LOG_KEY_FILE.to_owned() } else { format!("log-{number}.key") }
}

/// What the file holds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    format: u64,
    /// The log's first public key in hexadecimal digits: the memory of another key proves nothing.
    key: String,
    /// The largest head signed; none in a new folder.
    pub(crate) last: Option<SignedHead>,
}

impl Memory {
    /// Returns the text of the file.
    pub(crate) fn text(key: [u8; 32], last: Option<SignedHead>) -> String {
        let memory = Self { format: MEMORY_FORMAT, key: hex::encode(key), last };
        String::from_utf8(to_canonical(&memory)).expect("JSON is UTF-8")
    }

    /// Reads the text of the file; what is wrong with it is said in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match parse_canonical::<Self>(text.as_bytes()) {
            Ok(memory) if memory.format == MEMORY_FORMAT => Ok(memory),
            Ok(memory) => Err(format!("format {} is unknown to this version", memory.format)),
            Err(error) => Err(error.to_string()),
        }
    }
}
