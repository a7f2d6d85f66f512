//! The program under test, and the shim that kills it.

use std::{
    collections::{BTreeMap, HashSet},
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::site::Site;

/// What kills a process that must not get any further.
const SIGKILL: i32 = 9;

/// The program and the shim, both built.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    program: PathBuf,
    shim: PathBuf,
    /// The folder that the shim is in goes with it.
    _folder: Arc<TempDir>,
}

/// What the shim does during a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shim {
    /// There is none.
    Absent,
    /// It writes every counted call to the list, as it always does, and nothing else.
    List,
    /// Syncs do nothing.
    ListWithoutSync,
    /// It kills the process instead of this call, from 1.
    KillBefore(usize),
    /// It kills the process once this call has returned.
    KillAfter(usize),
    /// It counts reads as well, below the documents too.
    ListReads,
    /// It lets a call fail.
    Fail(Failure),
    /// Every counted call comes so many milliseconds later.
    Slow(u32),
    /// It stops the process at the first call on a path with this in it.
    Stop(&'static str),
}

/// Which calls fail, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// The number of the first call that fails, from 1.
    pub(crate) number: usize,
    /// The number of the error.
    pub(crate) errno: i32,
    /// Whether all later ones fail as well.
    pub(crate) lasting: bool,
    /// Whether reads count.
    pub(crate) reads: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Says how a run ended, which nothing but the shim may kill.
    pub(crate) fn of(output: &Output) -> Self {
        let killed = output.status.signal() == Some(SIGKILL);
        assert!(killed || output.status.code().is_some(), "another signal: {}", output.status);
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A counted call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Point {
    pub(crate) kind: String,
    pub(crate) path: String,
    /// It changed nothing.
    pub(crate) failed: bool,
}

impl Point {
    pub(crate) fn is_below(&self, folder: &Path) -> bool {
        Path::new(&self.path).starts_with(folder)
    }

    pub(crate) fn is_sync(&self) -> bool {
        self.kind == "fsync" || self.kind == "fdatasync"
    }
}

impl Kit {
    /// Builds both, or says loudly that there is no C compiler, which CI must have.
    pub(crate) fn build() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if Command::new("cc").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(env::var_os("CI").is_none(), "in CI there is a C compiler");
            println!("SKIPPED: no C compiler `cc`, so nothing can kill the program at a call");
            return None;
        }
        let built = Command::new(env!("CARGO"))
            .args(["build", "-p", "sigillo"])
            .current_dir(&root)
            .status()
            .expect("cargo runs tests, so it runs");
        assert!(built.success(), "the program does not build");
        let test = env::current_exe().expect("a running test has a path");
        let target = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
        // A folder for every test, so that no other one maps a file that is being written.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("target is ours");
        let shim = folder.path().join("crash.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&shim)
            .arg(root.join("benches/shim/crash.c"))
            .arg("-ldl")
            .status()
            .expect("cc answered before");
        assert!(compiled.success(), "the shim does not compile");
        // Whoever builds meanwhile does not change what is tested.
        let program = folder.path().join("sigillo");
        fs::copy(target.join("sigillo"), &program).expect("the program was just built");
        Some(Self { program, shim, _folder: Arc::new(folder) })
    }

    /// Runs the program on a site.
    pub(crate) fn run(&self, site: &Site, args: &[&str], shim: Shim) -> Ended {
        let output = self.command(site, args, shim).output().expect("the program was just built");
        Ended::of(&output)
    }

    /// Makes the call of the program on a site.
    pub(crate) fn command(&self, site: &Site, args: &[&str], shim: Shim) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--json", "--progress", "none"]);
        command.env_clear().env("HOME", site.home()).env("SIGILLO_ARCHIVE", site.archive());
        if shim != Shim::Absent {
            let skipped: Vec<String> =
                site.skipped().iter().map(|path| path.display().to_string()).collect();
            command.env("LD_PRELOAD", &self.shim);
            command.env("CRASH_UNDER", site.root()).env("CRASH_SKIP", skipped.join(":"));
        }
        if shim != Shim::Absent {
            // Nothing to remove is as good as removed.
            drop(fs::remove_file(site.list()));
            command.env("CRASH_LIST", site.list());
        }
        match shim {
            Shim::Absent | Shim::List => {}
            Shim::ListWithoutSync => {
                command.env("CRASH_NO_SYNC", "1");
            }
            Shim::KillBefore(number) => {
                command.env("CRASH_BEFORE", number.to_string());
            }
            Shim::KillAfter(number) => {
                command.env("CRASH_AFTER", number.to_string());
            }
            Shim::ListReads => count_reads(&mut command, site),
            Shim::Slow(milliseconds) => {
                command.env("CRASH_DELAY", milliseconds.to_string());
            }
            Shim::Stop(part) => {
                command.env("CRASH_STOP", part);
            }
            Shim::Fail(failure) => {
                command.env("CRASH_FAIL", failure.number.to_string());
                command.env("CRASH_ERRNO", failure.errno.to_string());
                if failure.lasting {
                    command.env("CRASH_FAIL_ON", "1");
                }
                if failure.reads {
                    count_reads(&mut command, site);
                }
            }
        }
        command
    }

    /// Runs the program to its end, which must be a good one, and returns its counted calls.
    pub(crate) fn list(&self, site: &Site, args: &[&str], shim: Shim) -> Vec<Point> {
        let ended = self.run(site, args, shim);
        assert_eq!(ended.code, Some(0), "{args:?}: {}{}", ended.stdout, ended.stderr);
        Self::listed(site)
    }

    /// Returns the counted calls of the last run under the shim.
    pub(crate) fn listed(site: &Site) -> Vec<Point> {
        let list = fs::read_to_string(site.list()).expect("the shim writes a list");
        let (mut points, mut failed) = (Vec::new(), HashSet::new());
        let number = |text: &str| text.parse::<usize>().expect("a call has a number");
        for line in list.lines() {
            let parts: Vec<&str> = line.splitn(3, ' ').collect();
            if parts[0] == "!" {
                failed.insert(number(parts[1]));
            } else {
                points.push((number(parts[0]), parts[1].to_owned(), parts[2].to_owned()));
            }
        }
        // Two threads may write their lines the other way round.
        points.sort();
        assert!(points.iter().map(|(number, ..)| *number).eq(1..=points.len()), "a list has gaps");
        let point = |(number, kind, path)| Point { kind, path, failed: failed.contains(&number) };
        points.into_iter().map(point).collect()
    }
}

/// Counts the calls of each kind, for people.
pub(crate) fn kinds(points: &[Point]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for point in points {
        *counts.entry(&point.kind).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    counts.join(", ")
}

fn count_reads(command: &mut Command, site: &Site) {
    let under = format!("{}:{}", site.root().display(), site.documents().display());
    command.env("CRASH_READS", "1").env("CRASH_UNDER", under);
}
