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
    signers::Ed25519Signer,
};

/// File that remembers the last head signed.
pub(crate) const MEMORY: &str = "last-signed.json";

/// Version of that file.
const MEMORY_FORMAT: u64 = 1;

/// The head of a log: what a checkpoint is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// Leaves of the log.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Sha256Digest,
}

/// The log key, which signs nothing but checkpoints that continue each other.
///
/// Clones share the key and its memory; so do all processes that open the same key folder.
#[derive(Clone, Debug)]
pub struct CheckpointSigner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    signer: Ed25519Signer,
    folder: PrivateFolder,
    /// The head that this process knows to be on stable storage. One that is merely visible may
    /// have been left by a process that died before its fsync.
    durable: Mutex<Option<SignedHead>>,
}

impl CheckpointSigner {
    pub(crate) fn new(signer: Ed25519Signer, folder: PrivateFolder) -> Self {
        Self { shared: Arc::new(Shared { signer, folder, durable: Mutex::default() }) }
    }

    /// Returns the Ed25519 public key of the log.
    pub fn public_key(&self) -> [u8; 32] {
        self.shared.signer.public_key_bytes()
    }

    /// Returns the largest head signed so far.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the memory cannot be read, is damaged, or belongs to another key.
    pub fn last_signed(&self) -> Result<Option<SignedHead>, KeyError> {
        let text = self.shared.folder.read_existing(MEMORY)?;
        let memory = Memory::parse(&text).and_then(|memory| {
            if memory.key == hex::encode(self.public_key()) {
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
        Ok(self.shared.signer.sign_bytes(text)?)
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
        let memory = Memory::text(self.public_key(), Some(head));
        self.shared.folder.write(MEMORY, &memory, lock)?;
        *durable = Some(head);
        Ok(())
    }
}

/// What the file holds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    format: u64,
    /// The log's public key in hexadecimal digits: the memory of another key proves nothing.
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
