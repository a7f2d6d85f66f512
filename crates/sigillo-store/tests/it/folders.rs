//! A store in a folder: what lies where, what a dead process leaves, and what is not a file.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    time::Duration,
};

use bytes::Bytes;

use sigillo_model::{Blake3Digest, ErrorKind, ObjectKey};
use sigillo_store::{
    AlignedBuffer, BackendError, CreateOutcome, DirectPackSink, PackSink, Store, StoreError,
    StoreUrl,
};

use crate::support::{blocking, folder_store, key, packs_of};

const BYTES: Bytes = Bytes::from_static(b"bytes");

/// Lists everything in a folder, staging files included.
fn paths_below(folder: &Path) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                paths.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    paths
}

fn write_pack(packs: &dyn PackSink, bytes: &[u8]) -> Result<Blake3Digest, BackendError> {
    let name = Blake3Digest::of(bytes);
    let mut aligned = AlignedBuffer::zeroed(bytes.len());
    aligned.copy_from_slice(bytes);
    let mut staged = packs.begin(None)?;
    staged.write_at(0, &aligned)?;
    staged.finish(&name, bytes.len() as u64)?;
    Ok(name)
}

#[tokio::test]
async fn objects_and_packs_lie_under_their_keys() {
    let (folder, store) = folder_store();
    store.create(&key("log/seq/1"), BYTES).await.unwrap();
    store.replace_derived(&key("log/checkpoint"), BYTES).await.unwrap();
    let packs = packs_of(&store);
    let pack = blocking(move || write_pack(&*packs, b"pack")).await.unwrap();
    let pack = ObjectKey::pack(pack);
    let expected = ["log/seq/1", "log/checkpoint", pack.as_str()];
    assert_eq!(paths_below(folder.path()), expected.map(str::to_owned).into());
    assert_eq!(fs::read(folder.path().join("log/seq/1")).unwrap(), BYTES);
    assert_eq!(fs::read(folder.path().join(pack.as_str())).unwrap(), b"pack");
}

#[tokio::test]
async fn a_pack_given_up_leaves_no_file() {
    let (folder, store) = folder_store();
    let packs = packs_of(&store);
    blocking(move || {
        drop(packs.begin(Some(1 << 20)).unwrap());
        let mut written = packs.begin(None).unwrap();
        written.write_at(0, &AlignedBuffer::zeroed(10_000)).unwrap();
        drop(written);
        let mut refused = packs.begin(None).unwrap();
        refused.write_at(0, &AlignedBuffer::zeroed(10_000)).unwrap();
        refused.finish(&Blake3Digest::of(b"another size"), 9999).unwrap_err();
        write_pack(&*packs, b"pack").unwrap();
        write_pack(&*packs, b"pack").unwrap();
    })
    .await;
    let pack = ObjectKey::pack(Blake3Digest::of(b"pack"));
    assert_eq!(paths_below(folder.path()), [pack.as_str().to_owned()].into());
}

#[tokio::test]
async fn what_a_dead_writer_left_disturbs_nobody() {
    let (folder, store) = folder_store();
    let left = |path: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"half an obj").unwrap();
    };
    for number in 1..=3 {
        left(&format!("batches/1/leaves#{number}"));
        left(&format!("log/checkpoint#{number}"));
    }
    let process = std::process::id();
    for number in 0..50 {
        left(&format!("packs/{process:08x}{number:024x}#1"));
    }
    let outcome = store.create(&key("batches/1/leaves"), BYTES).await.unwrap();
    assert_eq!(outcome, CreateOutcome::Created);
    store.replace_derived(&key("log/checkpoint"), BYTES).await.unwrap();
    assert_eq!(store.read(&key("log/checkpoint"), 100).await.unwrap(), BYTES);
    let packs = packs_of(&store);
    blocking(move || {
        drop(packs.begin(None).unwrap());
        write_pack(&*packs, b"pack").unwrap();
    })
    .await;
    let mut listed: Vec<_> =
        store.list("", 1000).await.unwrap().into_iter().map(|found| found.key).collect();
    listed.sort();
    let pack = ObjectKey::pack(Blake3Digest::of(b"pack"));
    assert_eq!(listed, [key("batches/1/leaves"), key("log/checkpoint"), pack]);
    // Nothing but one's own is removed: it may be a living writer's.
    let paths = paths_below(folder.path());
    assert_eq!(paths.iter().filter(|path| path.contains('#')).count(), 56);
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_no_pack() {
    let (folder, store) = folder_store();
    store.prepare().await.unwrap();
    let place =
        |bytes: &[u8]| folder.path().join(ObjectKey::pack(Blake3Digest::of(bytes)).as_str());
    fs::create_dir(place(b"folder")).unwrap();
    assert!(Command::new("mkfifo").arg(place(b"pipe")).status().unwrap().success());
    symlink("/dev/zero", place(b"device")).unwrap();
    symlink("nowhere", place(b"nowhere")).unwrap();
    let before = paths_below(folder.path());
    let packs = packs_of(&store);
    // Must come back: a pipe without a writer blocks whoever opens it carelessly.
    let checked = blocking(move || {
        for bytes in [&b"folder"[..], b"pipe", b"device", b"nowhere"] {
            let name = Blake3Digest::of(bytes);
            let opened = packs.open(&name).map(|_| ());
            assert!(opened.is_err(), "{bytes:?} was opened");
            let written = write_pack(&*packs, bytes);
            assert!(matches!(written, Err(BackendError::Failed { .. })), "{bytes:?}: {written:?}");
        }
    });
    tokio::time::timeout(Duration::from_mins(1), checked).await.unwrap();
    assert_eq!(paths_below(folder.path()), before, "something was left or replaced");
}

#[tokio::test]
async fn a_taken_name_is_never_replaced_by_a_pack() {
    let (folder, store) = folder_store();
    store.prepare().await.unwrap();
    let place = folder.path().join(ObjectKey::pack(Blake3Digest::of(b"pack")).as_str());
    fs::write(&place, b"something longer").unwrap();
    let packs = packs_of(&store);
    blocking(move || write_pack(&*packs, b"pack").unwrap_err()).await;
    assert_eq!(fs::read(&place).unwrap(), b"something longer");
}

#[tokio::test]
async fn a_store_is_opened_only_where_there_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Handle::current();
    fs::write(folder.path().join("file"), b"").unwrap();
    for place in ["missing", "file", "file/below"] {
        let url = StoreUrl::in_folder(folder.path().join(place));
        let error = Store::open(&url, runtime.clone()).unwrap_err();
        assert!(matches!(error, StoreError::Folder { .. }), "{place}: {error:?}");
    }
    assert!(!folder.path().join("missing").exists(), "opening made a folder");
    let url = StoreUrl::in_folder(folder.path().join("file/below"));
    assert!(Store::open_or_make(&url, runtime.clone()).is_err());

    let url = StoreUrl::in_folder(folder.path().join("made/with/those above"));
    let made = Store::open_or_make(&url, runtime.clone()).unwrap();
    made.create(&key("a"), BYTES).await.unwrap();
    let again = Store::open_or_make(&url, runtime.clone()).unwrap();
    assert_eq!(again.identity(), made.identity());
    assert_eq!(again.read(&key("a"), 9).await.unwrap(), BYTES);
    let other = StoreUrl::in_folder(folder.path());
    assert_ne!(Store::open(&other, runtime).unwrap().identity(), made.identity());
}

#[tokio::test]
async fn a_create_below_a_file_fails_and_leaves_the_file() {
    let (folder, store) = folder_store();
    store.create(&key("a"), BYTES).await.unwrap();
    let error = store.create(&key("a/b"), BYTES).await.unwrap_err();
    assert!(matches!(error, StoreError::WriteFailed { .. }), "{error:?}");
    assert_eq!(paths_below(folder.path()), ["a".to_owned()].into());
}

#[tokio::test]
async fn strange_names_in_the_folder_do_not_hide_the_others() {
    let (folder, store) = folder_store();
    store.create(&key("log/seq/1"), BYTES).await.unwrap();
    let strange: [&[u8]; 6] =
        [b".DS_Store", b"with space", b"caf\xc3\xa9", b"not \xff utf-8", b"new\nline", b"100%"];
    for name in strange {
        fs::write(folder.path().join("log/seq").join(OsStr::from_bytes(name)), b"x").unwrap();
    }
    symlink("nowhere", folder.path().join("log/dangling")).unwrap();
    symlink("..", folder.path().join("log/loop")).unwrap();
    let listed = store.list("log", 1000).await.unwrap();
    assert!(listed.iter().any(|found| found.key == key("log/seq/1")), "{listed:?}");
    assert_eq!(store.read(&key("log/seq/1"), 100).await.unwrap(), BYTES);
    store.create(&key("log/seq/2"), BYTES).await.unwrap();
}

#[tokio::test]
async fn what_is_not_a_regular_file_is_no_object_and_nobody_waits_for_it() {
    let (folder, store) = folder_store();
    fs::create_dir(folder.path().join("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    symlink("/dev/zero", folder.path().join("device")).unwrap();
    symlink("nowhere", folder.path().join("nowhere")).unwrap();
    symlink("circle", folder.path().join("circle")).unwrap();
    drop(UnixListener::bind(folder.path().join("socket")).unwrap());
    for name in ["folder", "pipe", "device", "circle", "socket"] {
        let size = store.size(&key(name)).await;
        assert!(matches!(size, Err(StoreError::NotAnObject { .. })), "{name}: {size:?}");
        assert_eq!(size.unwrap_err().kind(), ErrorKind::Integrity);
    }
    for name in ["folder", "pipe", "device", "circle", "socket", "nowhere"] {
        let checked = async {
            let read = store.read(&key(name), 100).await;
            assert!(read.is_err(), "{name}: {read:?}");
            let read = store.read_range(&key(name), 0..10).await;
            assert!(read.is_err(), "{name}: {read:?}");
            let created = store.create(&key(name), BYTES).await;
            assert!(created.is_err(), "{name}: {created:?}");
        };
        let answered = tokio::time::timeout(Duration::from_secs(5), checked).await;
        if answered.is_err() {
            // Nobody can be left waiting, or the runtime would not end.
            drop(File::options().read(true).write(true).open(folder.path().join(name)));
            panic!("{name} is waited for");
        }
    }
}

/// Returns how many bytes of the disk the only staging file of a folder takes.
fn staged_disk_bytes(folder: &Path) -> u64 {
    let mut staged = fs::read_dir(folder.join("packs")).unwrap();
    let entry = staged.next().unwrap().unwrap();
    assert!(staged.next().is_none());
    entry.metadata().unwrap().blocks() * 512
}

#[test]
fn space_is_set_aside_where_there_is_plenty() {
    const WANTED_BYTES: u64 = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let sink = DirectPackSink::new(folder.path());
    let staged = sink.begin(Some(WANTED_BYTES)).unwrap();
    assert!(staged_disk_bytes(folder.path()) >= WANTED_BYTES);
    drop(staged);

    // Others need what a pack of this size would take, although it fits.
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    let staged = sink.begin(Some(disk.f_bavail * disk.f_frsize / 4)).unwrap();
    assert_eq!(staged_disk_bytes(folder.path()), 0);
    drop(staged);
}
