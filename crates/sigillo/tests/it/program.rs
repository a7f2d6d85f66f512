//! The program, run as a user runs it: a home of its own, a deadline, everything it said kept.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Read,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sigillo");

/// Whoever is not done by then hangs; a busy machine is no reason to fail.
const DEADLINE: Duration = Duration::from_mins(2);

/// The public body of these tests.
pub(crate) const ENTITY: &str = "Comune di Prova";

/// A home, an archive and a source, in a folder that goes when this is dropped.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    /// Makes the folders; the archive is not there yet, the source is empty.
    pub(crate) fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(this.home()).unwrap();
        fs::create_dir(this.source()).unwrap();
        this
    }

    /// Makes an archive of these files, sealed and stamped.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let this = Self::new();
        for (name, bytes) in files {
            this.write(name, bytes);
        }
        assert_eq!(this.create().code, 0, "the archive of a test was not made");
        this
    }

    pub(crate) fn place(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.place("home")
    }

    /// Returns the folder that is ingested; its name is that of the source.
    pub(crate) fn source(&self) -> PathBuf {
        self.place("carte")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.place("archivio")
    }

    /// Writes a file of the source.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Ingests the source into a new archive.
    pub(crate) fn create(&self) -> Ran {
        self.create_with(&[])
    }

    /// Ingests the source into a new archive, with more options.
    pub(crate) fn create_with(&self, more: &[&str]) -> Ran {
        let source = self.source();
        let mut args: Vec<OsString> =
            ["ingest", "--create", "--entity", ENTITY].map(OsString::from).to_vec();
        args.extend(more.iter().map(OsString::from));
        args.push(source.into_os_string());
        self.run(args)
    }

    /// Ingests the source into the archive, with more options.
    pub(crate) fn ingest(&self, more: &[&str]) -> Ran {
        let mut args = vec![OsString::from("ingest")];
        args.extend(more.iter().map(OsString::from));
        args.push(self.source().into_os_string());
        self.run(args)
    }

    /// Runs the program on the archive.
    pub(crate) fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        finish(self.command(args))
    }

    /// Returns the program on the archive, not started yet.
    pub(crate) fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().env("HOME", self.home());
        command.env("SIGILLO_ARCHIVE", self.archive()).current_dir(self.folder.path());
        command
    }

    /// Verifies every byte, and returns exit code and report.
    pub(crate) fn verify(&self) -> (i32, Value) {
        let ran = self.run(["verify", "--full", "--json"]);
        (ran.code, ran.json())
    }

    /// Sees that the archive is intact and has so many documents.
    #[track_caller]
    pub(crate) fn check_intact(&self, documents: u64) {
        let (code, report) = self.verify();
        assert_eq!((code, &report["verdict"]), (0, &"intact".into()), "{report}");
        assert_eq!(report["documents"], documents);
        assert_eq!(report["documents_read"], documents);
    }

    /// Gives everything back into a fresh folder, and returns what is in it below the source.
    #[track_caller]
    pub(crate) fn export(&self) -> Tree {
        let output = tempfile::tempdir_in(self.folder.path()).unwrap();
        let ran = self.run([
            OsStr::new("export"),
            "--all".as_ref(),
            "-o".as_ref(),
            output.path().as_os_str(),
        ]);
        assert_eq!(ran.code, 0, "{ran:?}");
        tree(&output.path().join("carte"))
    }

    /// Returns the keys of all objects of the archive, in order.
    pub(crate) fn objects(&self) -> Vec<String> {
        tree(&self.archive()).into_keys().map(|key| String::from_utf8(key).unwrap()).collect()
    }

    /// Returns the keys of all packs, in order.
    pub(crate) fn packs(&self) -> Vec<String> {
        self.objects().into_iter().filter(|key| is_pack(key)).collect()
    }

    /// Returns the one object whose key has these ends.
    #[track_caller]
    pub(crate) fn object(&self, starts: &str, ends: &str) -> PathBuf {
        let fits = |key: &&String| key.starts_with(starts) && key.ends_with(ends);
        let objects = self.objects();
        let found: Vec<_> = objects.iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "{starts}…{ends} among {objects:?}");
        self.archive().join(found[0])
    }
}

/// Tells whether an object is a pack, by its key.
pub(crate) fn is_pack(key: &str) -> bool {
    Path::new(key).extension().is_some_and(|extension| extension == "zip")
}

/// What the program said, and its exit code.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Reads what it said as one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Sees that it ended with this code and said this on stdout.
    #[track_caller]
    pub(crate) fn check(&self, code: i32, said: &str) {
        assert!(self.code == code && self.stdout.contains(said), "wanted {code}, {said}: {self:?}");
    }

    /// Sees that it ended with this code and said this on stderr.
    #[track_caller]
    pub(crate) fn check_error(&self, code: i32, said: &str) {
        assert!(self.code == code && self.stderr.contains(said), "wanted {code}, {said}: {self:?}");
    }
}

/// Runs a command to its end; one that does not end is killed.
#[track_caller]
pub(crate) fn finish(command: Command) -> Ran {
    finish_with(command, |_| ())
}

/// Runs a command to its end, and does something with its process meanwhile.
#[track_caller]
pub(crate) fn finish_with(mut command: Command, meanwhile: impl FnOnce(u32)) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (sender, ended) = mpsc::channel();
    let streams: [(usize, Box<dyn Read + Send>); 2] =
        [(0, Box::new(child.stdout.take().unwrap())), (1, Box::new(child.stderr.take().unwrap()))];
    for (number, mut stream) in streams {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            sender.send((number, bytes)).ok();
        });
    }
    meanwhile(child.id());
    let mut said = [String::new(), String::new()];
    for _ in 0..2 {
        let Ok((number, bytes)) = ended.recv_timeout(DEADLINE) else {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        };
        said[number] = String::from_utf8(bytes).unwrap();
    }
    let code = child.wait().unwrap().code().unwrap_or_else(|| panic!("{command:?}: {said:?}"));
    let [stdout, stderr] = said;
    Ran { code, stdout, stderr }
}

/// The files below a folder by path, with their bytes.
pub(crate) type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads all regular files below a folder; nothing if it is not there.
pub(crate) fn tree(folder: &Path) -> Tree {
    let mut files = Tree::new();
    let mut folders = vec![Vec::new()];
    while let Some(below) = folders.pop() {
        let Ok(entries) = folder.join(OsString::from_vec(below.clone())).read_dir() else {
            continue;
        };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let path = if below.is_empty() {
                name.as_bytes().to_vec()
            } else {
                [&below, b"/".as_slice(), name.as_bytes()].concat()
            };
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                files.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

/// Reads what an export gave back, without the records beside it.
pub(crate) fn given_back(folder: &Path) -> Tree {
    let mut files = tree(folder);
    files.remove(b"_records.jsonl".as_slice());
    files
}

/// Returns bytes that look random and are the same every time.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&next(&mut state).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Draws the next number of a sequence that is the same every time.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Says loudly that a test could not be made here.
pub(crate) fn skip(why: &str) {
    println!("SKIPPED: {why}");
}
