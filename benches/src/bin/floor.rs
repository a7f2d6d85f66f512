//! The floor of ingest on this machine: reads every file of a folder, hashes it, and writes the
//! same bytes durably into packs, and does nothing else.
//!
//! `floor SOURCE TARGET_DIR` prints the number of files and bytes and the seconds it took. There is
//! no log, no record, no directory of a pack: what an ingest takes longer is the price of those.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs::{self, File},
    hint,
    io::{self, Read as _},
    mem,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Instant,
};

use aws_lc_rs::digest;
use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use rustix::fs::OFlags;

/// Threads that read and hash; most of them wait for the disk.
const READERS: usize = 16;

/// Files that a reader takes at once.
const GROUP_FILES: usize = 32;

/// Groups found by the walk that no reader has taken yet.
const GROUPS_WAITING_MAX: usize = 64;

/// Length of a write: a power of two, so that its BLAKE3 value is that of a whole subtree.
const PIECE_BYTES: usize = 4 << 20;

/// Pieces being filled, hashed or written at once; they bound the memory. One for each reader, one
/// to gather what the readers leave, the rest on their way to the disk.
const PIECES: usize = READERS + 12;

/// Pieces in a pack of 128 MiB.
const PIECES_PER_PACK: u64 = 32;

/// Start and length of what goes past the page cache are multiples of this.
const ALIGNMENT_BYTES: usize = 4096;

/// What was done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Tally {
    files: u64,
    bytes: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a floor is measured by the real clock")]
#[expect(clippy::print_stdout, reason = "the figures are this program's output")]
fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("usage: floor SOURCE TARGET_DIR".into());
    };
    fs::create_dir_all(target)?;
    let start = Instant::now();
    let Tally { files, bytes } = measure(source, target, PIECES_PER_PACK)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{{\"files\":{files},\"bytes\":{bytes},\"seconds\":{seconds:.3}}}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "talk goes to the standard error")]
fn complain(message: &str) {
    eprintln!("floor: {message}");
}

/// Reads, hashes and writes everything below `source` into packs in `target`.
fn measure(source: &Path, target: &Path, pieces_per_pack: u64) -> io::Result<Tally> {
    let (groups, waiting) = sync_channel(GROUPS_WAITING_MAX);
    let (full, to_write) = channel();
    let (free, recycled) = channel();
    for _ in 0..PIECES {
        free.send(Piece::zeroed()).map_err(io::Error::other)?;
    }
    let queues = Queues {
        waiting: Mutex::new(waiting),
        recycled: Mutex::new(recycled),
        pieces: AtomicU64::new(0),
        pieces_per_pack,
    };
    thread::scope(|scope| {
        let writer = scope.spawn(move || write_packs(target, pieces_per_pack, &to_write, &free));
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let (queues, full) = (&queues, full.clone());
                scope.spawn(move || Reader::new(queues, full).read_groups())
            })
            .collect();
        let walked = walk(source, &groups);
        drop(groups);
        let mut last = Reader::new(&queues, full);
        let mut outcome = walked;
        for reader in readers {
            let read = reader.join().expect("a reader does not panic");
            outcome = outcome.and(read.and_then(|part| last.take_over(part)));
        }
        let outcome = outcome.and_then(|()| last.finish());
        let written = writer.join().expect("the writer does not panic");
        // A reader that finds nobody to write to knows less than the writer itself.
        written.and(outcome)
    })
}

/// What the readers share.
#[derive(Debug)]
struct Queues {
    waiting: Mutex<Receiver<Vec<PathBuf>>>,
    recycled: Mutex<Receiver<Piece>>,
    /// Number of full pieces so far: the place of the next one.
    pieces: AtomicU64,
    pieces_per_pack: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands out the regular files below `source` in groups, without following links.
fn walk(source: &Path, groups: &SyncSender<Vec<PathBuf>>) -> io::Result<()> {
    let mut group = Vec::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                group.push(entry.path());
                if group.len() == GROUP_FILES {
                    groups.send(mem::take(&mut group)).map_err(io::Error::other)?;
                }
            }
        }
    }
    groups.send(group).map_err(io::Error::other)
}

/// A reader: reads straight into the piece that will be written. A file that does not fit goes on
/// in the reader's next piece, which may lie elsewhere: a floor need not find it again.
#[derive(Debug)]
struct Reader<'a> {
    queues: &'a Queues,
    full: Sender<FullPiece>,
    piece: Option<Piece>,
    used: usize,
    tally: Tally,
}

impl<'a> Reader<'a> {
    fn new(queues: &'a Queues, full: Sender<FullPiece>) -> Self {
        Self { queues, full, piece: None, used: 0, tally: Tally::default() }
    }

    /// Takes groups until there are none.
    fn read_groups(mut self) -> io::Result<Self> {
        let mut outcome = Ok(());
        loop {
            let Ok(group) = lock(&self.queues.waiting).recv() else {
                return outcome.map(|()| self);
            };
            // After an error groups are still taken, or the walk would wait for ever.
            if outcome.is_ok() {
                outcome = group.iter().try_for_each(|path| self.read_file(path));
            }
        }
    }

    fn read_file(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut sha256 = digest::Context::new(&digest::SHA256);
        loop {
            let space = self.space()?;
            let count = file.read(space)?;
            if count == 0 {
                break;
            }
            sha256.update(&space[..count]);
            self.advance(count)?;
        }
        // Nobody needs the digest; it must have been computed all the same.
        hint::black_box(sha256.finish());
        self.tally.files += 1;
        Ok(())
    }

    /// Returns what is left of the piece, at least one byte.
    fn space(&mut self) -> io::Result<&mut [u8]> {
        if self.piece.is_none() {
            self.piece = Some(lock(&self.queues.recycled).recv().map_err(io::Error::other)?);
        }
        let piece = self.piece.as_mut().expect("just seen to");
        Ok(&mut piece.bytes_mut()[self.used..])
    }

    /// Counts bytes that were put into the piece, and passes it on when it is full.
    fn advance(&mut self, count: usize) -> io::Result<()> {
        self.tally.bytes += count as u64;
        self.used += count;
        if self.used == PIECE_BYTES { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let Some(piece) = self.piece.take() else { return Ok(()) };
        let number = self.queues.pieces.fetch_add(1, Ordering::Relaxed);
        let at = Place {
            pack: number / self.queues.pieces_per_pack,
            index: number % self.queues.pieces_per_pack,
        };
        let used = mem::take(&mut self.used);
        self.full.send(FullPiece::hash(at, piece, used)).map_err(io::Error::other)
    }

    /// Adds what another reader has counted, and the piece that it has not filled.
    fn take_over(&mut self, other: Reader<'_>) -> io::Result<()> {
        self.tally.files += other.tally.files;
        self.tally.bytes += other.tally.bytes;
        let Some(piece) = other.piece else { return Ok(()) };
        let mut rest = &piece.bytes()[..other.used];
        while !rest.is_empty() {
            let space = self.space()?;
            let count = rest.len().min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            self.advance(count)?;
            // The other reader has counted them.
            self.tally.bytes -= count as u64;
        }
        Ok(())
    }

    /// Passes on the last piece of all, which need not be full.
    fn finish(mut self) -> io::Result<Tally> {
        self.pass_on()?;
        Ok(self.tally)
    }
}

/// Where a piece goes: the number of its pack, and its index in it, both from 0.
#[derive(Clone, Copy, Debug)]
struct Place {
    pack: u64,
    index: u64,
}

impl Place {
    /// Returns the offset of the piece in its pack, in bytes.
    fn offset(self) -> u64 {
        self.index * PIECE_BYTES as u64
    }
}

/// Memory that the disk can take from without a copy.
#[derive(Debug)]
struct Piece {
    storage: Vec<u8>,
    start: usize,
}

impl Piece {
    fn zeroed() -> Self {
        let storage = vec![0; PIECE_BYTES + ALIGNMENT_BYTES];
        // In a spare of one whole alignment there always is such a place.
        let start = storage.as_ptr().align_offset(ALIGNMENT_BYTES).min(ALIGNMENT_BYTES);
        Self { storage, start }
    }

    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + PIECE_BYTES]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + PIECE_BYTES]
    }
}

/// A piece to be written, with the BLAKE3 value of its bytes where it will lie in its pack.
#[derive(Debug)]
struct FullPiece {
    at: Place,
    piece: Piece,
    used: usize,
    value: ChainingValue,
    /// Of the first piece of a pack: the name of the pack, should no other follow.
    alone: Option<blake3::Hash>,
}

impl FullPiece {
    fn hash(at: Place, piece: Piece, used: usize) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(at.offset());
        hasher.update(&piece.bytes()[..used]);
        let alone = (at.index == 0).then(|| hasher.finalize());
        Self { at, used, value: hasher.finalize_non_root(), alone, piece }
    }
}

/// The writer: writes pieces as they come, and makes a pack durable once it has all of them.
fn write_packs(
    target: &Path,
    pieces_per_pack: u64,
    to_write: &Receiver<FullPiece>,
    free: &Sender<Piece>,
) -> io::Result<()> {
    let mut open = BTreeMap::new();
    for full in to_write {
        let number = full.at.pack;
        let mut pack = match open.remove(&number) {
            Some(pack) => pack,
            None => OpenPack::create(target, number)?,
        };
        pack.write(&full)?;
        if pack.values.len() as u64 == pieces_per_pack {
            pack.publish(target)?;
        } else {
            open.insert(number, pack);
        }
        // At the end nobody takes it any more.
        drop(free.send(full.piece));
    }
    open.into_values().try_for_each(|pack| pack.publish(target))
}

#[derive(Debug)]
struct OpenPack {
    file: File,
    path: PathBuf,
    size_bytes: u64,
    /// BLAKE3 values by index of the piece.
    values: BTreeMap<u64, ChainingValue>,
    alone: Option<blake3::Hash>,
}

impl OpenPack {
    fn create(target: &Path, number: u64) -> io::Result<Self> {
        let path = target.join(format!("{number}.part"));
        let flags = OFlags::DIRECT.bits().cast_signed();
        let file = File::options().write(true).create_new(true).custom_flags(flags).open(&path)?;
        Ok(Self { file, path, size_bytes: 0, values: BTreeMap::new(), alone: None })
    }

    fn write(&mut self, full: &FullPiece) -> io::Result<()> {
        // The last piece is written up to the next whole alignment; `publish` cuts that off.
        let padded = full.used.next_multiple_of(ALIGNMENT_BYTES);
        self.file.write_all_at(&full.piece.bytes()[..padded], full.at.offset())?;
        self.size_bytes += full.used as u64;
        self.values.insert(full.at.index, full.value);
        self.alone = self.alone.or(full.alone);
        Ok(())
    }

    /// Makes the pack durable under the BLAKE3 digest of its bytes.
    fn publish(self, target: &Path) -> io::Result<()> {
        self.file.set_len(self.size_bytes)?;
        rustix::fs::fdatasync(&self.file)?;
        let values: Vec<_> = self.values.into_values().collect();
        let name = if values.len() == 1 {
            self.alone.expect("the only piece is the first")
        } else {
            let (left, right) = halves(&values);
            merge_subtrees_root(&merged(left), &merged(right), Mode::Hash)
        };
        fs::rename(&self.path, target.join(format!("{}.pack", name.to_hex())))?;
        File::open(target)?.sync_all()
    }
}

/// Merges the values of pieces that follow one another into that of their subtree.
fn merged(values: &[ChainingValue]) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right) = halves(values);
    merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
}

/// Splits at the largest power of two that leaves something on the right.
fn halves(values: &[ChainingValue]) -> (&[ChainingValue], &[ChainingValue]) {
    values.split_at(values.len().next_power_of_two() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measures a folder with these files and returns the sizes of the packs, having checked
    /// their names.
    #[track_caller]
    fn check(files: &[usize], pieces_per_pack: u64) -> Vec<usize> {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        fs::create_dir_all(source.join("inner")).unwrap();
        fs::create_dir(&target).unwrap();
        for (index, &length) in files.iter().enumerate() {
            let bytes: Vec<u8> =
                (0..length).map(|at| ((at * 31 + index) % 251).to_le_bytes()[0]).collect();
            let folder = if index % 2 == 0 { source.clone() } else { source.join("inner") };
            fs::write(folder.join(index.to_string()), bytes).unwrap();
        }
        let tally = measure(&source, &target, pieces_per_pack).unwrap();
        let bytes: usize = files.iter().sum();
        assert_eq!(tally, Tally { files: files.len() as u64, bytes: bytes as u64 });
        let mut sizes = Vec::new();
        for entry in fs::read_dir(&target).unwrap() {
            let entry = entry.unwrap();
            let written = fs::read(entry.path()).unwrap();
            let name = format!("{}.pack", blake3::hash(&written).to_hex());
            assert_eq!(entry.file_name().to_str(), Some(name.as_str()));
            sizes.push(written.len());
        }
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn every_byte_is_in_a_pack_that_bears_its_digest() {
        assert!(check(&[], 4).is_empty());
        assert!(check(&[0, 0], 4).is_empty());
        assert_eq!(check(&[1], 4), [1]);
        assert_eq!(check(&[5000; 100], 4), [500_000]);
        assert_eq!(check(&[PIECE_BYTES], 4), [PIECE_BYTES]);
    }

    #[test]
    fn packs_follow_one_another() {
        let whole = 4 * PIECE_BYTES;
        assert_eq!(check(&[whole], 4), [whole]);
        assert_eq!(check(&[whole, 1], 4), [1, whole]);
        assert_eq!(check(&[PIECE_BYTES - 1; 7], 4), [3 * PIECE_BYTES - 7, whole]);
        assert_eq!(check(&[6 * PIECE_BYTES + 3], 8), [6 * PIECE_BYTES + 3]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "a").unwrap();
        let target = folder.path().join("missing");
        assert_eq!(measure(folder.path(), &target, 4).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
