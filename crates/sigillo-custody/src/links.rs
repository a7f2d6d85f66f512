//! Following what versions say of earlier ones: which they supersede, and which hold their files.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use sigillo_evidence_log::Archive;
use sigillo_model::{
    BatchCommitted, Blake3Digest, DocumentId, Finding, FindingCode, ObjectKey, Place, Record,
    Sha256Digest, Sha256Hasher, VersionId,
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
    let key = if refers { record.key.to_string() } else { String::new() };
    let key: Arc<str> = key.chars().take(KEY_CHARACTERS_MAX).collect::<String>().into();
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
    open: Vec<Link>,
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
        self.open.append(&mut checked.links);
        self.lost += checked.more_links;
        if checked.sound {
            self.sound.insert(name);
        }
        self.open.len() >= LINKS_MAX
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
        let links = std::mem::take(&mut self.open);
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
    /// Files that were read, by offset, and what was found.
    read: HashMap<u64, FileRead>,
}

impl<'a> Held<'a> {
    fn of(pack: &'a OpenPack, version: VersionId, reads: bool) -> Self {
        let entries = pack.entries(version);
        let record = read_record(&*pack.source, version, entries);
        Self { pack, entries, record, reads, read: HashMap::new() }
    }
}

#[derive(Clone, Debug)]
enum FileRead {
    AsStated,
    Otherwise,
    /// The store did not give it.
    Not(String),
}

impl Followed {
    /// Checks what is said of one version.
    fn version(&mut self, key: &ObjectKey, mut held: Held<'_>, links: &[Link]) {
        for link in links {
            let wrong = match (&held.record, link.says) {
                (None, Says::Precedes { .. }) => None,
                (None, Says::Holds { .. }) => Some("whose record is damaged"),
                (Some(record), Says::Precedes { .. }) if record.document != link.document => {
                    Some("which belongs to another document")
                }
                (Some(record), Says::Precedes { number }) => {
                    (record.version >= number).then_some("which has no lower number")
                }
                (Some(record), Says::Holds { sha256, size, .. }) => {
                    match held_file(record, held.entries, link.document, (sha256, size)) {
                        Err(what) => Some(what),
                        Ok(_) if !held.reads => None,
                        Ok(entry) => match self.read(&mut held, &entry, sha256) {
                            FileRead::AsStated => None,
                            FileRead::Otherwise => Some("where its bytes are not as they were"),
                            FileRead::Not(why) => {
                                let message = format!("a file of later versions in it: {why}");
                                let finding = Finding::new(FindingCode::NotRead, key, message);
                                self.push(finding.at(link.place()));
                                None
                            }
                        },
                    }
                }
            };
            if let Some(what) = wrong {
                self.push(link.finding(key, what));
            }
        }
    }

    /// Reads a file, unless it was read before.
    fn read(&mut self, held: &mut Held<'_>, entry: &PackEntry, sha256: Sha256Digest) -> FileRead {
        let source = &*held.pack.source;
        let read = held.read.entry(entry.data_offset).or_insert_with(|| {
            self.bytes_read += entry.size_bytes;
            match digest_of(source, entry) {
                Ok(found) if found == sha256 => FileRead::AsStated,
                Ok(_) => FileRead::Otherwise,
                Err(error) => FileRead::Not(error.to_string()),
            }
        });
        read.clone()
    }
}

fn digest_of(source: &dyn PackSource, entry: &PackEntry) -> Result<Sha256Digest, BackendError> {
    let (mut hasher, mut offset) = (Sha256Hasher::default(), 0);
    let mut buffer =
        vec![0; PIECE_BYTES.min(usize::try_from(entry.size_bytes).unwrap_or(PIECE_BYTES))];
    while offset < entry.size_bytes {
        let left = usize::try_from(entry.size_bytes - offset).unwrap_or(PIECE_BYTES);
        let piece = &mut buffer[..left.min(PIECE_BYTES)];
        source.read_exact_at(entry.data_offset + offset, piece)?;
        hasher.update(&*piece);
        offset += piece.len() as u64;
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use sigillo_ers::version_id;
    use sigillo_evidence_log::NewArchive;
    use sigillo_model::{
        Description, DocumentKey, Entity, FileEntry, LogTime, Operation, RecordKind, salt_text,
    };
    use sigillo_store::{
        Store,
        pack::{
            PackWriter, SegmentEntry, entry_name, local_header_bytes, record_name,
            write_local_header,
        },
    };
    use sigillo_testkit::SeededEntropy;

    use super::*;

    const CONTENT: &[u8] = b"ciao";

    /// The second version of document 1, with a file of its own and one that lies elsewhere.
    fn earlier() -> Record {
        let file = |content: &[u8], stored_in| FileEntry {
            media_type: None,
            name: "1.txt".to_owned(),
            puid: None,
            role: "main".to_owned(),
            sha256: Sha256Digest::of(content),
            size: content.len() as u64,
            sha512: None,
            stored_in,
        };
        let first = VersionId::from_bytes([8; 32]);
        Record {
            document: DocumentId::from_bytes([1; 16]),
            files: vec![file(CONTENT, None), file(b"altrove", Some(first))],
            format: 1,
            description: Description::default(),
            key: DocumentKey::Path { path: "1.txt".to_owned(), source: "atti".to_owned() },
            kind: RecordKind::Document,
            operation: Operation::AddedFile,
            received_at: LogTime::new("2026-11-25T08:00:00Z".parse().unwrap()),
            salt: salt_text(&[1; 32]),
            supersedes: Some(first),
            version: 2,
        }
    }

    /// Writes a pack of that version, with these bytes as its file; returns its name, too.
    async fn pack(store: &Store, content: &'static [u8]) -> (Blake3Digest, VersionId) {
        let record = earlier();
        let digests: Vec<_> = record.files.iter().map(|file| file.sha256).collect();
        let record = record.to_json();
        let version = version_id(Sha256Digest::of(&record), &digests);
        let (mut segment, mut entries) = (Vec::new(), Vec::new());
        let parts = [(entry_name(version, 1, None), content), (record_name(version), &record[..])];
        for (name, bytes) in parts {
            let (start, size_bytes) = (segment.len(), bytes.len() as u64);
            let crc32 = crc32fast::hash(bytes);
            segment.resize(start + local_header_bytes(name.len(), size_bytes), 0);
            write_local_header(&mut segment[start..], &name, crc32, size_bytes);
            segment.extend_from_slice(bytes);
            let header_offset_in_segment = start as u64;
            entries.push(SegmentEntry { name, crc32, size_bytes, header_offset_in_segment });
        }
        let sink = Arc::clone(store.packs());
        let cpu = CpuPool::start(1).unwrap();
        let written = cpu.run(move || {
            let mut writer = PackWriter::begin(&*sink, [7; 16], None).unwrap();
            writer.add_segment(&segment, &entries).unwrap();
            writer.finish().unwrap().name
        });
        (written.await.unwrap(), version)
    }

    fn link(document: u8, to: VersionId, says: Says) -> Link {
        let (from, document) =
            (VersionId::from_bytes([9; 32]), DocumentId::from_bytes([document; 16]));
        Link { from, key: Arc::from("atti/1.txt"), document, to, says }
    }

    fn holds(content: &[u8]) -> Says {
        let (sha256, size) = (Sha256Digest::of(content), content.len() as u64);
        Says::Holds { position: 3, sha256, size }
    }

    /// Checks one link to the version in a pack; returns the findings.
    async fn check(content: &'static [u8], document: u8, says: Says) -> Vec<(FindingCode, String)> {
        let store = Store::memory(Handle::current());
        let (name, version) = pack(&store, content).await;
        let links = [link(document, version, says)];
        let sink = Arc::clone(store.packs());
        let cpu = CpuPool::start(1).unwrap();
        let checked = cpu.run(move || check_links(&*sink, (name, true), &links));
        let found = checked.await.unwrap().findings;
        found.into_iter().map(|finding| (finding.code, finding.message)).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reference_leads_to_the_same_file_of_the_same_document() {
        assert_eq!(check(CONTENT, 1, holds(CONTENT)).await, []);
        let cases: [(&'static [u8], _, _, _); 4] = [
            (CONTENT, 2, holds(CONTENT), "which belongs to another document"),
            (CONTENT, 1, holds(b"mai"), "which states no such file of its own"),
            (CONTENT, 1, holds(b"altrove"), "which states no such file of its own"),
            (b"Ciao", 1, holds(CONTENT), "where its bytes are not as they were"),
        ];
        for (content, document, says, what) in cases {
            let found = check(content, document, says).await;
            assert!(matches!(&found[..], [(FindingCode::EarlierFileDamaged, message)]
                if message.starts_with("file 3 of it lies in version ") && message.ends_with(what)));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_follows_a_lower_one_of_the_same_document() {
        assert_eq!(check(CONTENT, 1, Says::Precedes { number: 3 }).await, []);
        let cases =
            [(2, 3, "which belongs to another document"), (1, 2, "which has no lower number")];
        for (document, number, what) in cases {
            let found = check(CONTENT, document, Says::Precedes { number }).await;
            assert!(matches!(&found[..], [(FindingCode::VersionChain, message)]
                if message.ends_with(what)));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_that_is_not_in_the_archive_is_missed() {
        let new = NewArchive {
            entity: Entity { ipa: None, name: "Comune di Prova".to_owned() },
            commit_key: [1; 32],
            log_key: [2; 32],
            seal_pem: String::new(),
            trial: true,
        };
        let (at, store) = (earlier().received_at, Store::memory(Handle::current()));
        let archive = new.create(store, at, &SeededEntropy::new(1)).await.unwrap();
        let from = VersionId::from_bytes([9; 32]);
        let open = links_of(from, &earlier()).collect();
        let mut links = Links { open, lost: 5, ..Links::default() };
        let cpu = CpuPool::start(1).unwrap();
        let followed = links.follow(&archive, &cpu, std::iter::empty()).await.unwrap();
        let codes: Vec<_> = followed.findings.iter().map(|finding| finding.code).collect();
        let wanted =
            [FindingCode::NotRead, FindingCode::VersionChain, FindingCode::EarlierFileDamaged];
        assert_eq!(codes, wanted);
        let file = &followed.findings[2];
        assert_eq!(file.place.version, Some(from.to_string()));
        assert_eq!(file.place.key.as_deref(), Some("atti/1.txt"));
        let message = format!(
            "file 2 of it lies in version {}, which is not in the archive",
            "08".repeat(32)
        );
        assert_eq!(file.message, message);
        assert!(links.open.is_empty() && links.lost == 0);
    }
}
