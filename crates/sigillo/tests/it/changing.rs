//! Files that change while they are read: refused, or archived as they were at one instant.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::program::{Ran, World, given_back};

/// A file is written in pages, each full of the number of the round that wrote it.
const PAGE_BYTES: usize = 4096;

/// Tries until the file must have changed under the reader at least once.
const TRIES: usize = 20;

/// Writes to a file without pause until it is dropped.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(path: PathBuf, write: fn(&Path, u64)) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for round in 2.. {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                write(&path, round);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn page(round: u64) -> Vec<u8> {
    round.to_le_bytes().repeat(PAGE_BYTES / 8)
}

/// Writes the next round over the last one, page after page from the front.
fn write_over(path: &Path, round: u64) {
    let pages = usize::try_from(path.metadata().unwrap().len()).unwrap() / PAGE_BYTES;
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    for _ in 0..pages {
        file.write_all(&page(round)).unwrap();
    }
}

/// Adds pages of the next round at the end, and begins again once the file is large.
fn append(path: &Path, round: u64) {
    if path.metadata().unwrap().len() > 64 << 20 {
        File::options().write(true).open(path).unwrap().set_len(16 << 20).unwrap();
    }
    File::options().append(true).open(path).unwrap().write_all(&page(round)).unwrap();
}

/// Puts a whole new file in the place of the old one.
fn replace(path: &Path, round: u64) {
    let next = path.with_file_name("../prossimo");
    fs::write(&next, page(round).repeat(2048)).unwrap();
    fs::rename(next, path).unwrap();
}

/// Returns the rounds of the pages of a file that was read whole.
fn rounds(bytes: &[u8]) -> Vec<u64> {
    assert!(bytes.len().is_multiple_of(8));
    let words = bytes.as_chunks::<8>().0;
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Tells whether the file can ever have been like this: of every two rounds that follow each
/// other the newer one stands in front, and there are at most these two.
fn was_written_over_from_the_front(bytes: &[u8]) -> bool {
    let rounds = rounds(bytes);
    let (first, last) = (rounds[0], rounds[rounds.len() - 1]);
    rounds.is_sorted_by(|a, b| a >= b) && first - last <= 1
}

fn was_appended_to(bytes: &[u8]) -> bool {
    rounds(bytes).is_sorted()
}

fn is_one_round(bytes: &[u8]) -> bool {
    let rounds = rounds(bytes);
    rounds.iter().all(|round| *round == rounds[0])
}

/// Ingests a file again and again while it is written to, each time as another source. What is not
/// refused must be as the file was at one instant.
#[track_caller]
fn check(length: usize, write: fn(&Path, u64), was: fn(&[u8]) -> bool, must_be_refused: bool) {
    let world = World::new();
    assert_eq!(world.create().code, 0);
    world.write("registro.bin", &page(1).repeat(length / PAGE_BYTES));
    let mut refused = 0;
    {
        let path = world.source().join("registro.bin");
        let _writer = Writer::start(path, write);
        for number in 0..TRIES {
            let ran = world.ingest(&["--no-seal", "--source", &format!("prova{number}")]);
            refused += usize::from(is_refused(&ran));
            if must_be_refused && refused > 0 && number > 4 {
                break;
            }
        }
    }
    let output = world.place("fuori");
    let ran = world.run(["export", "--all", "-o", output.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for (path, bytes) in given_back(&output) {
        assert!(was(&bytes), "{} was never so", String::from_utf8_lossy(&path));
    }
    assert!(!must_be_refused || refused > 0, "the file never changed under the reader");
    let (code, report) = world.verify();
    assert_eq!(code, 0, "{report}");
}

#[track_caller]
fn is_refused(ran: &Ran) -> bool {
    if ran.code == 1 {
        ran.check(1, "0 documents archived, 0 there before, 1 refused");
        ran.check(1, "refused registro.bin: CHANGED - it changed while it was read");
        return true;
    }
    ran.check(0, "1 document archived, 0 there before, 0 refused");
    false
}

#[test]
fn a_large_file_written_over_while_it_is_read_is_refused_or_kept_unmixed() {
    check(32 << 20, write_over, was_written_over_from_the_front, true);
}

#[test]
fn a_small_file_written_over_while_it_is_read_is_refused_or_kept_unmixed() {
    check(64 << 10, write_over, was_written_over_from_the_front, false);
}

#[test]
fn a_file_appended_to_while_it_is_read_is_refused_or_kept_unmixed() {
    check(16 << 20, append, was_appended_to, true);
}

#[test]
fn a_file_replaced_while_it_is_read_is_kept_unmixed() {
    check(8 << 20, replace, is_one_round, false);
}
