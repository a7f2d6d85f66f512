//! Other people's programs check an archive that the binary made.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where, and what the programs said"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds the program beside this test, which takes no time when it is there.
fn sigillo() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "-p", "sigillo"])
        .current_dir(root())
        .status()
        .expect("cargo runs tests, so it runs");
    assert!(built.success(), "the program does not build");
    let test = env::current_exe().expect("a running test has a path");
    let target = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    target.join("sigillo")
}

fn run(program: &Path, home: &Path, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .env("HOME", home)
        .env_remove("SIGILLO_ARCHIVE")
        .output()
        .expect("the program was just built");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn trial_root(home: &Path) -> PathBuf {
    let keys = home.join(".local/share/sigillo/keys");
    let folder = fs::read_dir(keys).unwrap().next().expect("one key folder").unwrap().path();
    folder.join("root.pem")
}

fn check(archive: &Path, home: &Path) -> bool {
    let output = Command::new("bash")
        .arg(root().join("benches/outsiders.sh"))
        .arg(archive)
        .arg(trial_root(home))
        .output()
        .expect("there is a bash");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

fn flip_last_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn outsiders_agree_and_notice_damage() {
    if env::var_os("HAVE_NO_OUTSIDERS").is_some() {
        println!("SKIPPED: HAVE_NO_OUTSIDERS is set");
        assert!(env::var_os("CI").is_none(), "in CI they are there");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (home, archive) = (scratch.path().join("home"), scratch.path().join("archive"));
    let (program, source) = (sigillo(), root().join("testdata/comune"));
    let place = archive.to_str().unwrap();
    let source = source.to_str().unwrap();
    let create = ["--create", "--entity", "Comune di Prova", "--source", "first"];
    run(&program, &home, &[&["ingest", source, "--archive", place][..], &create].concat());
    run(&program, &home, &["ingest", source, "--archive", place, "--source", "second"]);
    assert!(check(&archive, &home), "outsiders do not agree");

    let bundles = archive.join("log/tile/entries/000.p");
    let newest = fs::read_dir(bundles).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip_last_bit(&newest);
    if env::var_os("CI").is_some() {
        assert!(!check(&archive, &home), "a damaged log passes");
    }
}
