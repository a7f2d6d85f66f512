//! The key folder: every private key of an archive, with its trial certificates.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use sigillo_ers::{
    CertificateContent, CertificateError, CertificateRole, certificate_end, certificate_start,
    pem_blocks, prepare_certificate, to_pem,
};
use sigillo_model::{Clock, Entropy, LogTime, Signer};

use crate::{
    CheckpointSigner, KeyError, TrialAuthority,
    checkpoint::{LOG_KEY_FILE, LOG_KEY_NAME, MEMORY, Memory},
    durable::{FolderLock, PrivateFolder},
    signers::{Ed25519Signer, FileKey, P256Signer},
};

/// Ed25519, signs the commits of the log.
const COMMIT_KEY: KeyFile = KeyFile { file: "commit.key", name: "commit" };
/// Ed25519, signs the checkpoints of the log; `log-2.key` and so on are those that followed it.
const LOG_KEY: KeyFile = KeyFile { file: LOG_KEY_FILE, name: LOG_KEY_NAME };
/// ECDSA P-256, signs sealings.
const SEAL_KEY: KeyFile = KeyFile { file: "seal.key", name: "seal" };
/// ECDSA P-256, signs trial time-stamps.
const TSA_KEY: KeyFile = KeyFile { file: "tsa.key", name: "trial TSA" };
/// ECDSA P-256, signs the trial certificates.
const ROOT_KEY: KeyFile = KeyFile { file: "root.key", name: "trial root" };

/// Certificate of the trial root.
const ROOT_PEM: &str = "root.pem";
/// Certificate of the trial time-stamping authority, and those above it but for the root.
const TSA_PEM: &str = "tsa.pem";
/// Certificate of the seal, and those above it but for the root.
const SEAL_PEM: &str = "seal.pem";

/// Label of a certificate's PEM block.
const CERTIFICATE_LABEL: &str = "CERTIFICATE";

/// How long the trial root is valid: 20 years.
const ROOT_VALIDITY: SignedDuration = SignedDuration::from_hours(7_305 * 24);
/// Certificates that are valid no longer than this are not taken over by the next log: a year.
const TAKEN_OVER_LEFT_MIN: SignedDuration = SignedDuration::from_hours(366 * 24);
/// How long the other trial certificates are valid: 10 years.
const OTHER_VALIDITY: SignedDuration = SignedDuration::from_hours(3_653 * 24);
/// How long before it was made a certificate is valid already, so that setting back a clock that
/// was ahead does not make it useless.
const VALID_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// Longest name in a certificate, in characters. Source: RFC 5280, `ub-common-name`.
const COMMON_NAME_CHARS_MAX: usize = 64;

/// The private keys of one archive, and the certificates of those that need one.
///
/// A folder of mode 0700 with files of mode 0600. `docs/operations/README.md` lists them. Nothing of it is
/// ever sent or written elsewhere.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    path: PathBuf,
    commit: Arc<Ed25519Signer>,
    log: CheckpointSigner,
    seal: SealKey,
    seal_pem: String,
    tsa: SealKey,
    root_pem: String,
}

/// A key with the certificates that say whose it is.
#[derive(Clone, Debug)]
pub struct SealKey {
    /// The key, ECDSA P-256.
    pub signer: Arc<dyn Signer>,
    /// Its certificate.
    pub certificate_der: Vec<u8>,
    /// The certificates above it, upwards, without the root.
    pub chain: Vec<Vec<u8>>,
}

/// One key of the folder.
#[derive(Clone, Copy, Debug)]
struct KeyFile {
    /// Name of its file.
    file: &'static str,
    /// What errors call it.
    name: &'static str,
}

impl KeyFolder {
    /// Makes what is missing of a key folder and opens it.
    ///
    /// Every file is on stable storage before the next one is made, so that whatever a crash
    /// leaves is completed by repeating the call, with the keys that exist. Several processes may
    /// call it at once; they end up with the same keys. A folder that has signed a checkpoint is
    /// in use and only opened: a key that is missing then was lost, and a new one would not be
    /// the archive's.
    ///
    /// Private keys come from the operating system through aws-lc-rs, serial numbers from
    /// `entropy`. The trial certificates say `TRIAL` and, cut to what a certificate can hold, the
    /// name of `entity`; the root is valid for 20 years, the others for 10.
    ///
    /// # Errors
    ///
    /// [`KeyError`] as [`open`](Self::open); [`KeyError::Entity`] for a name that is empty, has
    /// control characters, or is not the one that an existing root certificate was made for.
    pub fn create(
        path: &Path,
        entity: &str,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyError> {
        check_entity(entity)?;
        let folder = PrivateFolder::create(path)?;
        let lock = folder.lock()?;
        let maker = Maker { folder: &folder, lock: &lock, entity, clock, entropy };
        if !maker.is_in_use()? {
            maker.complete()?;
        }
        drop(lock);
        Self::open(path)
    }

    /// Makes what is missing of the key folder of a log that succeeds another, and opens it: new keys for
    /// commits and checkpoints. Seal, trial authority and trial root go on if `old`, the folder of the
    /// keys before, is given and has them all, and their certificates are valid, and so for a year yet; else
    /// they are made anew.
    ///
    /// As [`create`](Self::create) it can be repeated, and called by several processes at once.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_successor(
        path: &Path,
        old: Option<&Path>,
        entity: &str,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyError> {
        check_entity(entity)?;
        let folder = PrivateFolder::create(path)?;
        let lock = folder.lock()?;
        let maker = Maker { folder: &folder, lock: &lock, entity, clock, entropy };
        if !maker.is_in_use()? {
            if let Some(old) = old {
                maker.take_over(old)?;
            }
            maker.complete()?;
        }
        drop(lock);
        Self::open(path)
    }

    /// Opens the log keys of a folder alone, whatever else of it is lost. Writes nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_log_signer(path: &Path) -> Result<CheckpointSigner, KeyError> {
        let folder = PrivateFolder::open(path)?;
        Ok(CheckpointSigner::new(read_key(&folder, LOG_KEY)?, folder))
    }

    /// Reads the certificate of the trial root of a folder alone, PEM, whatever else of it is lost.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn read_trial_root(path: &Path) -> Result<String, KeyError> {
        let folder = PrivateFolder::open(path)?;
        let text = folder.read_existing(ROOT_PEM)?;
        certificates(&folder, ROOT_PEM, &text)?;
        Ok(text)
    }

    /// Opens a complete key folder. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if the folder or a file is not there, [`KeyError::Exposed`] if others
    /// than the owner can read one, [`KeyError::Damaged`] or [`KeyError::Mismatch`] if one is not
    /// what it should be, [`KeyError::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let folder = PrivateFolder::open(path)?;
        let root: P256Signer = read_key(&folder, ROOT_KEY)?;
        let (root_pem, _) = read_certificates(&folder, ROOT_PEM, &root, ROOT_KEY)?;
        let (seal_pem, seal) = read_certified(&folder, SEAL_PEM, SEAL_KEY)?;
        let (_, tsa) = read_certified(&folder, TSA_PEM, TSA_KEY)?;
        let log = CheckpointSigner::new(read_key(&folder, LOG_KEY)?, folder.clone());
        // A memory that is lost or unreadable must come up before the log is written to.
        log.last_signed()?;
        let commit = Arc::new(read_key(&folder, COMMIT_KEY)?);
        let path = path.to_owned();
        Ok(Self { path, commit, log, seal, seal_pem, tsa, root_pem })
    }

    /// Returns the path of the folder, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the key that signs commits, Ed25519.
    pub fn commit_signer(&self) -> Arc<dyn Signer> {
        self.commit.clone()
    }

    /// Returns the first key that signed checkpoints; it finds the later ones of the folder.
    pub fn log_signer(&self) -> CheckpointSigner {
        self.log.clone()
    }

    /// Returns the key that signs sealings, with its certificate.
    pub fn seal(&self) -> SealKey {
        self.seal.clone()
    }

    /// Returns the certificate of the trial root, PEM.
    pub fn trial_root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Returns the certificate of the seal, and those above it but for the root, PEM.
    pub fn seal_pem(&self) -> &str {
        &self.seal_pem
    }

    /// Returns the certificates of the folder, each with what it is called: seal, trial TSA and
    /// trial root.
    pub fn certificates(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut certificates = vec![
            (SEAL_KEY.name, self.seal.certificate_der.clone()),
            (TSA_KEY.name, self.tsa.certificate_der.clone()),
        ];
        let root = pem_blocks(&self.root_pem, CERTIFICATE_LABEL).unwrap_or_default();
        certificates.extend(root.into_iter().map(|der| (ROOT_KEY.name, der)));
        certificates
    }

    /// Returns the local trial time-stamping authority over this folder's keys.
    pub fn trial_authority(
        &self,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> TrialAuthority {
        TrialAuthority::new(self.tsa.clone(), clock, entropy)
    }
}

/// Makes what is missing, under the lock.
#[derive(Debug)]
struct Maker<'a> {
    folder: &'a PrivateFolder,
    lock: &'a FolderLock,
    entity: &'a str,
    clock: &'a dyn Clock,
    entropy: &'a dyn Entropy,
}

impl Maker<'_> {
    /// Tells whether the log key has signed, by what the memory says.
    fn is_in_use(&self) -> Result<bool, KeyError> {
        let Some(text) = self.folder.read(MEMORY)? else {
            return Ok(false);
        };
        match Memory::parse(&text) {
            Ok(memory) => Ok(memory.last.is_some()),
            Err(reason) => Err(KeyError::Damaged { path: self.folder.file(MEMORY), reason }),
        }
    }

    fn complete(&self) -> Result<(), KeyError> {
        self.key::<Ed25519Signer>(COMMIT_KEY)?;
        self.log_key()?;
        let seal = self.key::<P256Signer>(SEAL_KEY)?;
        let tsa = self.key::<P256Signer>(TSA_KEY)?;
        let root = self.key::<P256Signer>(ROOT_KEY)?;
        self.certificate(ROOT_PEM, CertificateRole::TrialRoot, &root, &root)?;
        self.certificate(TSA_PEM, CertificateRole::TrialTimeStamping, &tsa, &root)?;
        self.certificate(SEAL_PEM, CertificateRole::TrialSeal, &seal, &root)
    }

    /// Copies the keys with certificates from another folder, all or none of them: none if one of these
    /// ends soon, or is of a clock that was ahead and not valid yet, for with it nothing could be sealed.
    fn take_over(&self, old: &Path) -> Result<(), KeyError> {
        let Ok(old) = PrivateFolder::open(old) else { return Ok(()) };
        let pairs = [(ROOT_KEY, ROOT_PEM), (TSA_KEY, TSA_PEM), (SEAL_KEY, SEAL_PEM)];
        let mut files = Vec::new();
        for (key, certificate) in pairs {
            let Ok((_, certified)) = read_certified(&old, certificate, key) else { return Ok(()) };
            let (der, now) = (&certified.certificate_der, self.clock.now());
            let end = certificate_end(der).unwrap_or(Timestamp::MIN);
            let is_valid = certificate_start(der).is_ok_and(|start| start <= now);
            if !is_valid || end.duration_since(now) < TAKEN_OVER_LEFT_MIN {
                return Ok(());
            }
            for file in [key.file, certificate] {
                let text = old.read_existing(file)?;
                // Keys that were begun anew are not mixed with the older ones.
                if self.folder.read(file)?.is_some_and(|ours| ours != text) {
                    return Ok(());
                }
                files.push((file, text));
            }
        }
        for (file, text) in files {
            if self.folder.read(file)?.is_none() {
                self.folder.write(file, &text, self.lock)?;
            }
        }
        Ok(())
    }

    /// Makes a key if there is none, and reads it.
    fn key<K: FileKey>(&self, key: KeyFile) -> Result<K, KeyError> {
        if self.folder.read(key.file)?.is_none() {
            self.folder.write(key.file, &K::generate(key.name)?, self.lock)?;
        }
        read_key(self.folder, key)
    }

    /// Makes the log key, its memory first: a key without a memory is one that lost it, and
    /// [`KeyFolder::open`] says so.
    fn log_key(&self) -> Result<(), KeyError> {
        if self.folder.read(LOG_KEY.file)?.is_some() {
            return Ok(());
        }
        let text = Ed25519Signer::generate(LOG_KEY.name)?;
        let damaged = |reason| KeyError::Damaged { path: self.folder.file(LOG_KEY.file), reason };
        let signer = Ed25519Signer::from_text(LOG_KEY.name, &text).map_err(damaged)?;
        let memory = Memory::text(signer.public_key_bytes(), None);
        self.folder.write(MEMORY, &memory, self.lock)?;
        self.folder.write(LOG_KEY.file, &text, self.lock)
    }

    /// Makes a trial certificate if there is none.
    fn certificate(
        &self,
        file: &'static str,
        role: CertificateRole,
        key: &P256Signer,
        root: &P256Signer,
    ) -> Result<(), KeyError> {
        if self.folder.read(file)?.is_some() {
            return Ok(());
        }
        let issuer = common_name(CertificateRole::TrialRoot, self.entity);
        if role != CertificateRole::TrialRoot {
            self.check_issuer(&issuer)?;
        }
        let mut serial = [0; 16];
        self.entropy.fill(&mut serial);
        let now = LogTime::new(self.clock.now()).timestamp();
        let validity = match role {
            CertificateRole::TrialRoot => ROOT_VALIDITY,
            CertificateRole::TrialTimeStamping | CertificateRole::TrialSeal => OTHER_VALIDITY,
        };
        let content = CertificateContent {
            role,
            subject: common_name(role, self.entity),
            issuer,
            serial,
            not_before: now - VALID_BEFORE,
            not_after: now + validity,
            public_key: key.public_key(),
            issuer_public_key: root.public_key(),
        };
        let prepared = prepare_certificate(&content)
            .map_err(|source| KeyError::Certificate { path: self.folder.file(file), source })?;
        let signature = root.sign(prepared.to_sign())?;
        let pem = to_pem(CERTIFICATE_LABEL, &prepared.finish(&signature));
        self.folder.write(file, &pem, self.lock)
    }

    /// Refuses to issue under a root that was made under another name: no path would lead to it.
    fn check_issuer(&self, issuer: &str) -> Result<(), KeyError> {
        let text = self.folder.read_existing(ROOT_PEM)?;
        let certificates = certificates(self.folder, ROOT_PEM, &text)?;
        // The name stands in the certificate as it is, in UTF-8.
        if certificates.iter().any(|der| contains(der, issuer.as_bytes())) {
            return Ok(());
        }
        let path = self.folder.file(ROOT_PEM);
        Err(self.refused_entity(format!("{} was made for another entity", path.display())))
    }

    fn refused_entity(&self, reason: String) -> KeyError {
        KeyError::Entity { entity: shortened(self.entity), reason }
    }
}

fn check_entity(entity: &str) -> Result<(), KeyError> {
    let reason = if entity.trim().is_empty() {
        "it is empty"
    } else if entity.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(KeyError::Entity { entity: shortened(entity), reason: reason.to_owned() })
}

/// Returns the subject of a trial certificate, cut to [`COMMON_NAME_CHARS_MAX`].
fn common_name(role: CertificateRole, entity: &str) -> String {
    let role = match role {
        CertificateRole::TrialRoot => "root",
        CertificateRole::TrialTimeStamping => "TSA",
        CertificateRole::TrialSeal => "seal",
    };
    shortened(&format!("TRIAL {role}, {}", entity.trim()))
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= COMMON_NAME_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(COMMON_NAME_CHARS_MAX - 1).chain(['…']).collect()
}

fn read_key<K: FileKey>(folder: &PrivateFolder, key: KeyFile) -> Result<K, KeyError> {
    let text = folder.read_existing(key.file)?;
    K::from_text(key.name, &text)
        .map_err(|reason| KeyError::Damaged { path: folder.file(key.file), reason })
}

/// Reads a key and its certificates; returns the text of the latter as well.
fn read_certified(
    folder: &PrivateFolder,
    file: &str,
    key: KeyFile,
) -> Result<(String, SealKey), KeyError> {
    let signer: P256Signer = read_key(folder, key)?;
    let (text, mut certificates) = read_certificates(folder, file, &signer, key)?;
    let certificate_der = certificates.remove(0);
    Ok((text, SealKey { signer: Arc::new(signer), certificate_der, chain: certificates }))
}

/// Reads the certificates of a file, at least one; the first must be that of `signer`.
fn read_certificates(
    folder: &PrivateFolder,
    file: &str,
    signer: &P256Signer,
    key: KeyFile,
) -> Result<(String, Vec<Vec<u8>>), KeyError> {
    let text = folder.read_existing(file)?;
    let certificates = certificates(folder, file, &text)?;
    // The uncompressed point stands in the certificate as it is.
    if !certificates.first().is_some_and(|der| contains(der, &signer.public_key())) {
        let (certificate, key) = (folder.file(file), folder.file(key.file));
        return Err(KeyError::Mismatch { certificate, key });
    }
    Ok((text, certificates))
}

fn certificates(folder: &PrivateFolder, file: &str, text: &str) -> Result<Vec<Vec<u8>>, KeyError> {
    let damaged = |reason| KeyError::Damaged { path: folder.file(file), reason };
    let blocks = pem_blocks(text, CERTIFICATE_LABEL)
        .map_err(|error: CertificateError| damaged(error.to_string()))?;
    if blocks.is_empty() {
        return Err(damaged("it has no certificate".to_owned()));
    }
    Ok(blocks)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
