//! Following what versions say of earlier ones: which they supersede, and which hold their files.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use sigillo_evidence_log::Archive;
use sigillo_model::{
    BatchCommitted, Blake3Digest, DocumentId, Finding, FindingCode, ObjectKey, Place, Record,
    Sha256Digest, VersionId,
};
use sigillo_store::{
    BackendError, CpuPool, PackSink, PackSource,
    pack::{PackEntry, PackError},
};

use crate::{
    CustodyError,
    holder::{OpenPack, held_file, read_record},
    locate::packs_of,
    pack_check::PackCheck,
};

/// At most this many links of one pack are kept; as many are collected before they are followed.
pub(crate) const LINKS_MAX: usize = 250_000;

/// At most this many findings are told in words each time links are followed; the rest are counted.
const TOLD_MAX: usize = 1000;

/// No more of what the producer calls a document is kept for each link.
const KEY_CHARACTERS_MAX: usize = 200;

/// Files are read in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What a version says of an earlier one.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    from: VersionId,
    key: Arc<str>,
    document: DocumentId,
    to: VersionId,
    says: Says,
}

#[derive(Clone, Copy, Debug)]
enum Says {
    /// It holds the file at this position.
    Holds { position: u32, sha256: Sha256Digest, size: u64 },
    /// It comes before this number.
    Precedes { number: u32 },
}

/// Returns what a record says of earlier versions.
pub(crate) fn links_of(from: VersionId, record: &Record) -> impl Iterator<Item = Link> {
    let refers = record.supersedes.is_some() || record.files.iter().any(|f| f.stored_in.is_some());
    let key: Arc<str> = match refers {
        true => record.key.to_string().chars().take(KEY_CHARACTERS_MAX).collect::<String>().into(),
        false => Arc::from(""),
    };
    let precedes = Says::Precedes { number: record.version };
    let supersedes = record.supersedes.map(|to| (to, precedes));
    let files = (1..).zip(&record.files).filter_map(|(position, file)| {
        let holds = Says::Holds { position, sha256: file.sha256, size: file.size };
        Some((file.stored_in?, holds))
    });
    let document = record.document;
    let all = supersedes.into_iter().chain(files);
    all.map(move |(to, says)| Link { from, key: Arc::clone(&key), document, to, says })
}

/// Links that were not followed yet, and what is known of packs.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: Vec<Link>,
    /// Packs whose every byte was found as it was: their files need not be read again.
    sound: HashSet<Blake3Digest>,
    /// Links that were not kept.
    lost: u64,
}

/// What was met.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) findings: Vec<Finding>,
    pub(crate) more_findings: u64,
    pub(crate) bytes_read: u64,
}

impl Links {
    /// Takes in the links of a pack; tells whether it is time to follow them.
    pub(crate) fn take(&mut self, name: Blake3Digest, mut checked: PackCheck) -> bool {
        self.links.append(&mut checked.links);
        self.lost += checked.more_links;
        if checked.sound {
            self.sound.insert(name);
        }
        self.links.len() >= LINKS_MAX
    }

    /// Follows all links and forgets them.
    ///
    /// # Errors
    ///
    /// [`CustodyError`] only if it could not look; damage is a finding.
    pub(crate) async fn follow<'a>(
        &mut self,
        archive: &Archive,
        cpu: &CpuPool,
        batches: impl Iterator<Item = &'a BatchCommitted>,
    ) -> Result<Followed, CustodyError> {
        let mut followed = Followed::default();
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            let message =
                format!("what {lost} files and versions say of earlier versions was not checked");
            followed.push(Finding::new(FindingCode::NotRead, "packs", message));
        }
        let links = std::mem::take(&mut self.links);
        if links.is_empty() {
            return Ok(followed);
        }
        let wanted: HashSet<VersionId> = links.iter().map(|link| link.to).collect();
        let found = packs_of(archive, batches, &wanted).await?;
        drop(wanted);
        let mut by_pack: BTreeMap<Blake3Digest, Vec<Link>> = BTreeMap::new();
        for link in links {
            match found.packs.get(&link.to) {
                Some(pack) => by_pack.entry(*pack).or_default().push(link),
                None if found.complete => {
                    followed.push(link.finding("packs", "which is not in the archive"));
                }
                None => {
                    let message = format!(
                        "whether version {} is in the archive cannot be told: lists of batches \
                         are damaged",
                        link.to
                    );
                    let finding = Finding::new(FindingCode::NotRead, "packs", message);
                    followed.push(finding.at(link.place()));
                }
            }
        }
        for (name, mut links) in by_pack {
            links.sort_unstable_by_key(|link| link.to);
            let sink = Arc::clone(archive.store().packs());
            let reads = !self.sound.contains(&name);
            let checked = cpu.run(move || check_links(&*sink, (name, reads), &links)).await;
            followed.add(checked.map_err(|_| CustodyError::Panicked)?);
        }
        Ok(followed)
    }
}

impl Followed {
    fn push(&mut self, finding: Finding) {
        if self.findings.len() < TOLD_MAX {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    fn add(&mut self, other: Self) {
        other.findings.into_iter().for_each(|finding| self.push(finding));
        self.more_findings += other.more_findings;
        self.bytes_read += other.bytes_read;
    }
}

impl Link {
    fn place(&self) -> Place {
        let (version, key) = (Some(self.from.to_string()), Some(self.key.to_string()));
        Place { version, key, bytes: None }
    }

    fn finding(&self, object: impl std::fmt::Display, what: &str) -> Finding {
        let (code, message) = match self.says {
            Says::Holds { position, .. } => (
                FindingCode::EarlierFileDamaged,
                format!("file {position} of it lies in version {}, {what}", self.to),
            ),
            Says::Precedes { .. } => {
                (FindingCode::VersionChain, format!("it follows version {}, {what}", self.to))
            }
        };
        Finding::new(code, object, message).at(self.place())
    }
}

/// Checks what is said of versions in one pack; `links` are in the order of these versions. What
/// is said of the order of versions cannot be checked where their records are damaged, which is a
/// finding of its own.
fn check_links(
    sink: &dyn PackSink,
    (name, reads): (Blake3Digest, bool),
    links: &[Link],
) -> Followed {
    let mut followed = Followed::default();
    let key = ObjectKey::pack(name);
    let files = || links.iter().filter(|link| matches!(link.says, Says::Holds { .. }));
    let pack = match OpenPack::open(sink, name) {
        Ok(pack) => pack,
        Err(PackError::Store { source: BackendError::NotFound, .. }) => {
            files().for_each(|link| followed.push(link.finding(&key, "whose pack is missing")));
            return followed;
        }
        Err(PackError::Malformed { .. }) => {
            let what = "whose pack has a damaged directory";
            files().for_each(|link| followed.push(link.finding(&key, what)));
            return followed;
        }
        Err(error) => {
            let message = format!("the files in it of later versions were not checked: {error}");
            followed.push(Finding::new(FindingCode::NotRead, &key, message));
            return followed;
        }
    };
    for links in links.chunk_by(|a, b| a.to == b.to) {
        let held = Held::of(&pack, links[0].to, reads);
        followed.version(&key, held, links);
    }
    followed
}

/// A version that others refer to.
struct Held<'a> {
    pack: &'a OpenPack,
    entries: &'a [PackEntry],
    record: Option<Record>,
    /// Whether its files are to be read.
    reads: bool,
    /// Files that were read, by offset, and whether they were as stated.
    read: HashMap<u64, bool>,
}

impl<'a> Held<'a> {
    fn of(pack: &'a OpenPack, version: VersionId, reads: bool) -> Self {
        let entries = pack.entries(version);
        let record = read_record(&*pack.source, version, entries);
        Self { pack, entries, record, reads, read: HashMap::new() }
    }
}

impl Followed {
    /// Checks what is said of one version.
    fn version(&mut self, key: &ObjectKey, mut held: Held<'_>, links: &[Link]) {
        for link in links {
            let wrong = match (&held.record, link.says) {
                (None, Says::Precedes { .. }) => None,
                (None, Says::Holds { .. }) => Some("whose record is damaged"),
                (Some(record), Says::Precedes { number }) => {
                    if record.document != link.document {
                        Some("which belongs to another document")
                    } else {
                        (record.version >= number).then_some("which has no lower number")
                    }
                }
                (Some(record), Says::Holds { sha256, size, .. }) => {
                    match held_file(record, held.entries, link.document, (sha256, size)) {
                        Err(what) => Some(what),
                        Ok(_) if !held.reads => None,
                        Ok(entry) => {
                            let as_stated =
                                held.read.entry(entry.data_offset).or_insert_with(|| {
                                    self.bytes_read += entry.size_bytes;
                                    has_digest(&*held.pack.source, &entry, sha256)
                                });
                            (!*as_stated).then_some("where its bytes are not as they were")
                        }
                    }
                }
            };
            if let Some(what) = wrong {
                self.push(link.finding(key, what));
            }
        }
    }
}

/// Reads a file; one that cannot be read is not as it was.
fn has_digest(source: &dyn PackSource, entry: &PackEntry, sha256: Sha256Digest) -> bool {
    let (mut hasher, mut offset) = (Sha256::new(), 0);
    let mut buffer =
        vec![0; PIECE_BYTES.min(usize::try_from(entry.size_bytes).unwrap_or(PIECE_BYTES))];
    while offset < entry.size_bytes {
        let left = usize::try_from(entry.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        if source.read_exact_at(entry.data_offset + offset, piece).is_err() {
            return false;
        }
        hasher.update(&*piece);
        offset += piece.len() as u64;
    }
    Sha256Digest::from_bytes(hasher.finalize().into()) == sha256
}
