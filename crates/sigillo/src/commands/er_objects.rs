//! What an evidence record is to prove, and whose certificates count for it.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use sigillo_ers::{
    HashFunction, JoinedHashes, RecordObject, RecordReport, RecordRules, TrustAnchors, pem_blocks,
    verify_record,
};
use sigillo_model::{
    ErrorKind, Finding, FindingCode, RECORD_BYTES_MAX, Record, Severity, Sha256Digest,
};

use crate::{context::Context, error::CommandError};

/// At most so many objects are in one record, or verified at a time.
const OBJECTS_MAX: usize = 10_000;
/// Bytes of a file that are read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Largest file of certificates, in bytes.
const CERTIFICATES_BYTES_MAX: u64 = 4 << 20;

/// The objects that a record is to prove, on the command line.
#[derive(Args, Debug)]
pub(crate) struct ErObjects {
    /// The files that it is to prove
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An object known by its digests only, one for each hash function; may be repeated
    #[arg(long, value_name = "ALG:HEX[+ALG:HEX]")]
    digest: Vec<String>,
}

impl ErObjects {
    /// Reads what is named, which may be nothing.
    pub(super) fn read(&self) -> Result<Vec<Proven>, CommandError> {
        let digests = self.digest.iter().map(|text| parse_digests(text));
        let proven = digests.collect::<Result<Vec<_>, _>>()?;
        of_files(&self.files, proven)
    }
}

/// What is to be proven: a file, or digests.
pub(super) enum Proven {
    File(PathBuf),
    Digests(String, HashMap<HashFunction, Vec<u8>>),
}

/// Takes files, and `more` behind them.
pub(super) fn of_files(files: &[PathBuf], more: Vec<Proven>) -> Result<Vec<Proven>, CommandError> {
    let proven: Vec<Proven> = files.iter().cloned().map(Proven::File).chain(more).collect();
    if proven.len() > OBJECTS_MAX {
        let words = format!("more than {OBJECTS_MAX} objects are not taken at a time");
        return Err(CommandError::usage(words));
    }
    Ok(proven)
}

fn parse_digests(text: &str) -> Result<Proven, CommandError> {
    let unusable = |what: &str| {
        CommandError::usage(format!("{what}: {text:.80?}"))
            .hint("write it as sha256:HEX, several for the same object as sha256:HEX+sha512:HEX")
    };
    let mut digests = HashMap::new();
    for part in text.split('+') {
        let (name, digits) = part.split_once(':').ok_or_else(|| unusable("this is no digest"))?;
        let hash: HashFunction = name
            .parse()
            .map_err(|_| unusable(&format!("{name:.20?} is no hash function known here")))?;
        let bytes = hex::decode(digits).map_err(|_| unusable("a digest is not hexadecimal"))?;
        if bytes.len() != hash.length_bytes() {
            let what = format!("a digest of {hash} has {} bytes", hash.length_bytes());
            return Err(unusable(&what));
        }
        if digests.insert(hash, bytes).is_some() {
            return Err(unusable("there are two digests of one hash function"));
        }
    }
    Ok(Proven::Digests(text.to_owned(), digests))
}

fn name_of(proven: &Proven) -> String {
    match proven {
        Proven::File(path) => path.display().to_string(),
        Proven::Digests(text, _) => text.clone(),
    }
}

/// Returns the anchors that count, `None` if any authority is accepted.
pub(super) fn anchors(
    context: &Context,
    trust: Option<&str>,
) -> Result<Option<TrustAnchors>, CommandError> {
    match trust {
        Some("any") => Ok(None),
        Some(path) => read_anchors(Path::new(path)).map(Some),
        None => context.trust.all_anchors().map(Some),
    }
}

fn read_anchors(path: &Path) -> Result<TrustAnchors, CommandError> {
    let failed = |error| CommandError::file("reading", path, &error);
    let unusable = |what: String| {
        let words = format!("{} cannot be used as trust anchors: {what}", path.display());
        CommandError::new(ErrorKind::Invalid, words)
            .hint("give a PEM file with certificates, or `any`")
    };
    if path.metadata().map_err(failed)?.len() > CERTIFICATES_BYTES_MAX {
        return Err(unusable("it is too large".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let blocks = pem_blocks(&text, "CERTIFICATE").map_err(|error| unusable(error.to_string()))?;
    if blocks.is_empty() {
        return Err(unusable("it has no block -----BEGIN CERTIFICATE-----".to_owned()));
    }
    let mut anchors = TrustAnchors::new();
    for der in blocks {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        anchors.add_der(&name, &der).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(anchors)
}

/// What was read of an object.
#[derive(Default)]
struct ReadObject {
    digests: HashMap<HashFunction, Vec<u8>>,
    /// Whether it may be a node of a tree of one of the hash functions.
    may_be_node: bool,
    /// The files that it names, if it is the record of a document.
    names: Vec<Sha256Digest>,
}

/// Computes the digests of what is to be proven, reading a file once for all of them.
fn digests_of(what: &Proven, hashes: &[HashFunction]) -> Result<ReadObject, CommandError> {
    let path = match what {
        Proven::Digests(_, digests) => {
            return Ok(ReadObject { digests: digests.clone(), ..ReadObject::default() });
        }
        Proven::File(path) => path,
    };
    let failed = |error: io::Error| CommandError::file("reading", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut digests: Vec<_> = hashes.iter().map(|hash| (*hash, hash.hasher())).collect();
    let mut joined: Vec<_> = hashes.iter().map(|hash| JoinedHashes::new(*hash)).collect();
    let (mut piece, mut record) = (vec![0; PIECE_BYTES], Vec::new());
    let mut may_be_record = true;
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                for (_, digest) in &mut digests {
                    digest.update(&piece[..length]);
                }
                for it in &mut joined {
                    it.update(&piece[..length]);
                }
                // Only what begins as JSON does may be a record.
                may_be_record &= !record.is_empty() || piece[0] == b'{';
                if may_be_record {
                    record.extend_from_slice(&piece[..length]);
                    may_be_record = record.len() as u64 <= RECORD_BYTES_MAX;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let digests = digests.into_iter().map(|(hash, digest)| (hash, digest.finish())).collect();
    let record = Record::parse(if may_be_record { &record } else { &[] });
    let names = record.map(|it| it.files).unwrap_or_default();
    let names = names.iter().map(|file| file.sha256).collect();
    Ok(ReadObject { digests, may_be_node: joined.iter().any(JoinedHashes::finish), names })
}

/// Objects with the digests of a few hash functions.
pub(super) struct Digested {
    /// What they are called.
    pub(super) names: Vec<String>,
    digests: Vec<HashMap<HashFunction, Vec<u8>>>,
    /// Which of them may be nodes of a tree.
    may_be_nodes: Vec<bool>,
    /// The files that the records of documents among them name.
    named: HashSet<Sha256Digest>,
}

impl Digested {
    /// Reads each file once.
    pub(super) fn read(proven: &[Proven], hashes: &[HashFunction]) -> Result<Self, CommandError> {
        let names = proven.iter().map(name_of).collect();
        let read: Vec<_> =
            proven.iter().map(|it| digests_of(it, hashes)).collect::<Result<_, _>>()?;
        let of_records = read.iter().flat_map(|it| &it.names).copied().collect();
        let (digests, may_be_nodes) =
            read.into_iter().map(|it| (it.digests, it.may_be_node)).unzip();
        Ok(Self { names, digests, may_be_nodes, named: of_records })
    }

    /// Returns the digests of one hash function.
    ///
    /// # Errors
    ///
    /// The name of an object whose digest is not at hand.
    pub(super) fn of(&self, hash: HashFunction) -> Result<Vec<Vec<u8>>, String> {
        let each = self.names.iter().zip(&self.digests);
        each.map(|(name, digests)| digests.get(&hash).cloned().ok_or_else(|| name.clone()))
            .collect()
    }

    /// Tells whether the record of a document among the objects names an object as a file: once the
    /// evidence record proves both side by side, it is no node. A node that stands beside the record
    /// of a document in a list was a file of it, for the list is the group of the document.
    fn is_named(&self, at: usize) -> bool {
        let sha256 = self.digests[at].get(&HashFunction::Sha256);
        let sha256 = sha256.and_then(|it| <[u8; 32]>::try_from(&it[..]).ok());
        sha256.is_some_and(|it| self.named.contains(&Sha256Digest::from_bytes(it)))
    }

    /// Verifies a record over these objects.
    pub(super) fn verify(&self, raw: &[u8], rules: &RecordRules<'_>) -> RecordReport {
        let lookups: Vec<_> = self
            .digests
            .iter()
            .map(|digests| move |hash: HashFunction| digests.get(&hash).cloned())
            .collect();
        let objects: Vec<RecordObject<'_>> = self
            .names
            .iter()
            .zip(&lookups)
            .map(|(name, digest)| RecordObject { name, digest })
            .collect();
        let mut report = verify_record(raw, &objects, rules);
        let is_whole = report.findings.iter().all(|it| it.severity != Severity::Damage);
        for (at, name) in self.names.iter().enumerate().filter(|(at, _)| self.may_be_nodes[*at]) {
            if is_whole && self.is_named(at) {
                continue;
            }
            let message = "it may spell hashes that are joined, as a node of a hash tree does: \
                           whether it is a document or such a node, no evidence record can tell; a \
                           receipt or a bundle can, and so can the record.json of the document, if it is \
                           named as well";
            let code = FindingCode::RecordObjectMayBeNode;
            report.findings.push(Finding::new(code, name, message));
        }
        report
    }
}
