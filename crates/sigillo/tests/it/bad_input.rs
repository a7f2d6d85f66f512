//! What a folder may hold besides plain files: each has a code, a sentence, and does no harm.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
};

use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat};
use serde_json::Value;

use sigillo_ingest::RefusalCode;
use sigillo_model::encode_name;

use crate::program::{PROGRAM, Ran, Tree, World, finish, skip, tree};

const GOOD: &[u8] = b"quanto sta bene";

/// Somebody without rights.
const NOBODY: u32 = 65_534;

/// Ingests one good file beside `bad` and sees that only `bad` is refused, in every place where it
/// is told, and that nothing of it is in the archive.
#[track_caller]
fn check_refused(bad: &[u8], code: RefusalCode, options: &[&str], make: impl FnOnce(&Path)) {
    let world = World::new();
    world.write("buono.txt", GOOD);
    make(&world.source().join(OsStr::from_bytes(bad)));
    let ran = world.create_with(options);
    check_told(&world, &ran, bad, code);
    let again = world.ingest(&[options, &["--json"]].concat());
    check_json(&again, bad, code);
}

/// Sees that standard output and the report of the submission tell of the one refusal.
#[track_caller]
fn check_told(world: &World, ran: &Ran, bad: &[u8], code: RefusalCode) {
    let path = encode_name(bad);
    ran.check(1, "carte: 1 document archived, 0 there before, 1 refused");
    ran.check(1, &format!(": {} - {}", code.code(), code.reason()));
    ran.check(1, &format!("What to do: {}.", code.remedy()));
    check_harmless(ran);
    let report = fs::read(world.object("submissions/", "/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!((&report["archived"], &report["refused"]), (&1.into(), &1.into()));
    check_refusals(&report["refusals"], &path, code);
    world.check_intact(1);
    assert_eq!(world.export(), Tree::from([(b"buono.txt".to_vec(), GOOD.to_vec())]));
}

#[track_caller]
fn check_json(ran: &Ran, bad: &[u8], code: RefusalCode) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let value = ran.json();
    assert_eq!(value["schema"], "sigillo.ingest/1");
    let submission = &value["submissions"][0];
    let counts = ["archived", "already", "refused"].map(|name| submission[name].as_u64().unwrap());
    assert_eq!(counts, [0, 1, 1]);
    check_refusals(&submission["refusals"], &encode_name(bad), code);
}

#[track_caller]
fn check_refusals(refusals: &Value, path: &str, code: RefusalCode) {
    let refusals = refusals.as_array().unwrap();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(refusals[0]["path"], path);
    assert_eq!(refusals[0]["code"], code.code());
    assert!(refusals[0]["reason"].as_str().unwrap().starts_with(code.reason()));
    assert_eq!(refusals[0]["remedy"], code.remedy());
}

/// Sees that nothing said could do something to a terminal or mislead who reads it.
#[track_caller]
fn check_harmless(ran: &Ran) {
    let misleads = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!ran.stdout.contains(misleads) && !ran.stderr.contains(misleads), "{ran:?}");
}

fn make_node(path: &Path, kind: FileType) -> rustix::io::Result<()> {
    // The device that is always empty and always full: 1, 3.
    mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, makedev(1, 3))
}

#[test]
fn a_pipe_is_refused_and_nobody_waits_for_it() {
    check_refused(b"tubo", RefusalCode::NotAFile, &[], |path| {
        make_node(path, FileType::Fifo).unwrap();
    });
}

#[test]
fn a_pipe_named_as_the_source_itself_is_refused_without_waiting() {
    let world = World::with(&[("buono.txt", GOOD)]);
    let pipe = world.place("tubo");
    make_node(&pipe, FileType::Fifo).unwrap();
    let ran = world.run(["ingest".as_ref(), "--source".as_ref(), "t".as_ref(), pipe.as_os_str()]);
    ran.check(1, "refused tubo: NOT_A_FILE");
    world.check_intact(1);
}

#[test]
fn a_socket_is_refused() {
    check_refused(b"presa", RefusalCode::NotAFile, &[], |path| {
        UnixListener::bind(path).unwrap();
    });
}

#[test]
fn a_device_is_refused() {
    let probe = tempfile::tempdir().unwrap();
    if make_node(&probe.path().join("null"), FileType::CharacterDevice).is_err() {
        return skip("only root may make devices");
    }
    for kind in [FileType::CharacterDevice, FileType::BlockDevice] {
        check_refused(b"null", RefusalCode::NotAFile, &[], |path| make_node(path, kind).unwrap());
    }
}

#[rstest]
#[case::to_a_file("buono.txt")]
#[case::to_a_folder("/etc")]
#[case::to_the_folder_it_is_in(".")]
#[case::to_itself("rinvio")]
#[case::to_nothing("altrove")]
fn a_symbolic_link_is_refused_and_never_followed(#[case] target: &str) {
    check_refused(b"rinvio", RefusalCode::SymbolicLink, &[], |path| {
        symlink(target, path).unwrap();
    });
}

#[test]
fn links_that_lead_to_each_other_are_refused() {
    let world = World::new();
    for (name, target) in [("a", "b"), ("b", "a")] {
        symlink(target, world.source().join(name)).unwrap();
    }
    let ran = world.create();
    ran.check(1, "carte: 0 documents archived, 0 there before, 2 refused");
    ran.check(1, "refused a: SYMBOLIC_LINK");
    world.check_intact(0);
}

#[test]
fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    check_refused(b"grande", RefusalCode::TooLarge, &["--file-bytes-max", "15"], |path| {
        fs::write(path, [GOOD, b"!"].concat()).unwrap();
    });
}

#[test]
fn a_file_that_is_large_only_in_name_is_refused_before_it_is_read() {
    check_refused(b"vuoto", RefusalCode::TooLarge, &[], |path| {
        File::create(path).unwrap().set_len(sigillo_ingest::FILE_BYTES_MAX + 1).unwrap();
    });
}

/// Makes folders in each other until their path is longer than the system takes, with a file in
/// the last; returns the path of the first folder that cannot be listed.
fn make_deep(folder: &Path) -> Vec<u8> {
    const PATH_MAX: usize = 4096;
    let name = "p".repeat(200);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut place = openat(CWD, folder, flags, Mode::empty()).unwrap();
    let (mut path, mut too_long) = (Vec::new(), None);
    for _ in 0..25 {
        mkdirat(&place, name.as_str(), Mode::RWXU).unwrap();
        place = openat(&place, name.as_str(), flags, Mode::empty()).unwrap();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        if folder.as_os_str().len() + 1 + path.len() >= PATH_MAX {
            too_long.get_or_insert_with(|| path.clone());
        }
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    openat(&place, "fondo.txt", flags, Mode::RWXU).unwrap();
    too_long.unwrap()
}

#[test]
fn a_folder_deeper_than_paths_can_be_is_refused_as_too_long() {
    let world = World::new();
    world.write("buono.txt", GOOD);
    let too_long = make_deep(&world.source().canonicalize().unwrap());
    check_told(&world, &world.create(), &too_long, RefusalCode::PathTooLong);
    check_json(&world.ingest(&["--json"]), &too_long, RefusalCode::PathTooLong);
}

/// Runs `check` in a world where `forbid` was applied to what nobody may read: as somebody without
/// rights if we are root, who may read everything.
fn check_forbidden(bad: &[u8], make: impl FnOnce(&Path)) {
    let world = World::new();
    world.write("buono.txt", GOOD);
    let path = world.source().join(OsStr::from_bytes(bad));
    make(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let ran = if fs::metadata(&path).unwrap().uid() == 0 {
        match as_nobody(&world) {
            Some(command) => finish(command),
            None => return skip("setpriv is not installed, and root may read everything"),
        }
    } else {
        world.create()
    };
    check_told(&world, &ran, bad, RefusalCode::Unreadable);
    // What cannot be listed could not be removed either.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Returns the ingest of [`World::create`], run by somebody without rights.
fn as_nobody(world: &World) -> Option<Command> {
    Command::new("setpriv").arg("--version").output().ok()?;
    // Their folders must be theirs, and the program where they can reach it.
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = world.place("sigillo");
    fs::copy(PROGRAM, &program).unwrap();
    fs::create_dir(world.archive()).unwrap();
    for path in [world.home(), world.archive()] {
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
        .arg("--clear-groups")
        .arg(program)
        .args(["ingest", "--create", "--entity", crate::program::ENTITY])
        .arg(world.source())
        .env("HOME", world.home())
        .env("SIGILLO_ARCHIVE", world.archive());
    Some(command)
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    check_forbidden(b"segreto.txt", |path| fs::write(path, b"non per tutti").unwrap());
}

#[test]
fn a_folder_that_may_not_be_listed_is_refused_once() {
    check_forbidden(b"chiuso", |path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("dentro.txt"), b"non per tutti").unwrap();
    });
}

/// Ingests a file of this name and sees that name and bytes come back, and that the name as it is
/// told does nothing to a terminal.
#[rstest]
#[case::newline(b"riga\ndue.txt")]
#[case::escape_sequence(b"rosso\x1b[31m\x07.txt")]
#[case::invalid_utf8(b"\xff\xfe\x80.bin")]
#[case::overlong_utf8(b"\xc0\xaf")]
#[case::longest(&[b'n'; 255])]
#[case::longest_invalid(&[b'\xf0'; 255])]
#[case::staging(b"nome#1")]
#[case::option(b"-rf")]
#[case::long_option(b"--all")]
#[case::looks_encoded(b"%41")]
#[case::percent(b"100%")]
#[case::right_to_left("\u{202e}fdp.exe".as_bytes())]
#[case::backslash(b"a\\..\\b")]
#[case::dots(b"...")]
#[case::hidden(b".nascosto")]
#[case::blank(b" ")]
#[case::delete(b"\x7f")]
#[case::not_normal("\u{212b}ngstr\u{f6}m".as_bytes())]
fn a_strange_name_comes_back_byte_for_byte(#[case] name: &[u8]) {
    let world = World::new();
    let folder = world.source().join("sotto");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
    let ran = world.create();
    ran.check(0, "carte: 1 document archived, 0 there before, 0 refused");
    check_harmless(&ran);
    world.check_intact(1);
    assert_eq!(world.export(), tree(&world.source()));
    // And it is found by its key.
    let key = format!("carte/sotto/{}", encode_name(name));
    let ran = world.run(["get", "-o", "fuori", &key]);
    ran.check(0, "1 document");
    check_harmless(&ran);
    let got = Tree::from([(name.to_vec(), name.to_vec())]);
    assert_eq!(tree(&world.place("fuori")), got);
}

#[test]
fn a_refused_name_that_could_mislead_is_spelt_out() {
    let bad = "a\n\u{1b}[2J\u{202e}\u{ff}b".as_bytes();
    check_refused(bad, RefusalCode::SymbolicLink, &[], |path| symlink("altrove", path).unwrap());
}

#[test]
fn names_that_look_the_same_are_both_kept_and_noted() {
    let world = World::new();
    world.write("caff\u{e8}.txt", b"composto");
    world.write("caffe\u{300}.txt", b"scomposto");
    let ran = world.create();
    ran.check(0, "carte: 2 documents archived");
    ran.check(0, "is spelt differently; both are kept");
    world.check_intact(2);
    assert_eq!(world.export(), tree(&world.source()));
    let again = world.ingest(&["--json"]).json();
    let notes = again["submissions"][0]["notes"].as_array().unwrap().clone();
    assert_eq!((notes.len(), &notes[0]["code"]), (1, &"NAME_TWINS".into()));
}

#[test]
fn folders_whose_names_look_the_same_are_both_kept_and_noted() {
    let world = World::new();
    world.write("perch\u{e9}/uno.txt", b"composto");
    world.write("perche\u{301}/uno.txt", b"scomposto");
    world.create().check(0, "is spelt differently; both are kept");
    world.check_intact(2);
    assert_eq!(world.export(), tree(&world.source()));
}

#[test]
fn empty_files_are_documents_like_others() {
    let world = World::with(&[("vuoto.txt", b""), ("vuoto2", b"")]);
    world.check_intact(2);
    assert_eq!(world.export(), tree(&world.source()));
}

/// Files of the kernel say that they are empty and are not.
#[test]
fn a_file_that_has_bytes_although_it_says_it_is_empty_is_not_kept_as_empty() {
    let kernel = Path::new("/proc/version");
    if fs::metadata(kernel).is_ok_and(|it| it.len() == 0) {
        let world = World::with(&[("buono.txt", GOOD)]);
        let ran = world.run(["ingest", "--source", "proc", "/proc/version"]);
        ran.check(1, "proc: 0 documents archived, 0 there before, 1 refused");
        ran.check(1, "refused version: CHANGED - ");
        world.check_intact(1);
    } else {
        skip("there is no /proc/version of no bytes");
    }
}

#[test]
fn an_empty_folder_gives_an_empty_archive() {
    let world = World::new();
    world.create().check(0, "carte: 0 documents archived, 0 there before, 0 refused");
    world.check_intact(0);
    assert_eq!(world.export(), Tree::new());
}

#[test]
fn bad_input_of_every_sort_at_once_leaves_the_good_untouched() {
    let world = World::new();
    let source = world.source();
    for number in 0..70 {
        world.write(&format!("buoni/{number:02}.txt"), format!("documento {number}").as_bytes());
        make_node(&source.join(format!("buoni/{number:02}.tubo")), FileType::Fifo).unwrap();
        symlink("00.txt", source.join(format!("buoni/{number:02}.rinvio"))).unwrap();
    }
    let ran = world.create();
    ran.check(1, "carte: 70 documents archived, 0 there before, 140 refused");
    ran.check(1, "  and 120 reasons more; all of them: sigillo receipt show ");
    world.check_intact(70);
    let good: Tree = tree(&source);
    assert_eq!(world.export(), good);
    let again = world.ingest(&["--json"]).json();
    assert_eq!(again["submissions"][0]["refusals"].as_array().unwrap().len(), 140);
}

#[test]
fn private_keys_are_not_archived() {
    let world = World::with(&[("buono.txt", GOOD)]);
    for source in [world.home(), world.folder.path().join("home/.local/share/sigillo/keys")] {
        let ran = world.run([OsStr::new("ingest"), source.as_os_str()]);
        ran.check_error(2, "the private keys in ");
        ran.check_error(2, "nothing was written");
    }
    world.check_intact(1);
}
