//! The program for strangers, `docs/verify_document.py`: it believes what is sound, and nothing
//! that was changed.

use std::{
    fs,
    process::{Command, Output},
};

use sigillo_ers::tree_root;
use sigillo_merkle::{leaf_hash, root_of};
use sigillo_model::{
    BatchCommitted, BatchId, Entry, ListedPack, ObjectKey, PackList, Sha256Digest, SubmissionId,
    VersionId, to_canonical,
};

use crate::{
    format_examples::write_pack,
    world::{Place, World, commit, completed},
};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify_document.py");

/// At most so many lines can be read over a cup of coffee.
const PROGRAM_LINES_MAX: usize = 80;

/// An archive with one real document among three leaves.
async fn archive() -> (World, VersionId, Vec<ObjectKey>) {
    let world = World::new(Place::Folder).await;
    let (version, pack) = write_pack(&**world.store.packs());
    let leaf = Sha256Digest::from_bytes(*version.as_bytes());
    let leaves = [leaf, Sha256Digest::of(b"another"), Sha256Digest::of(b"a third")];
    let leaf_bytes = leaves.map(|leaf| *leaf.as_bytes()).concat();
    let listed = ListedPack { documents: 3, name: pack.name, size: pack.size_bytes };
    let packs = to_canonical(&PackList { format: 1, packs: vec![listed] });
    let batch = BatchId::from_bytes([0x33; 16]);
    let order_root = root_of(leaves.map(|leaf| leaf_hash(leaf.as_bytes())));
    let entry = Entry::BatchCommitted(BatchCommitted {
        batch,
        documents: 3,
        leaves_sha256: Sha256Digest::of(&leaf_bytes),
        order_root: Sha256Digest::from_bytes(*order_root.as_bytes()),
        packs_sha256: Sha256Digest::of(&packs),
        root: tree_root(&leaves).unwrap(),
        submission: SubmissionId::from_bytes([0x44; 16]),
    });
    let objects = [(ObjectKey::leaves(batch), leaf_bytes), (ObjectKey::pack_list(batch), packs)];
    for (key, bytes) in objects.clone() {
        world.store.create(&key, bytes.into()).await.unwrap();
    }
    let mut log = world.writer().await;
    commit(&mut log, &[completed(1)]).await;
    commit(&mut log, &[entry]).await;
    commit(&mut log, &[completed(2)]).await;
    let mut keys = vec![ObjectKey::pack(pack.name)];
    keys.extend(objects.map(|(key, _)| key));
    keys.extend((1..=3).map(ObjectKey::commit));
    (world, version, keys)
}

/// Runs the program; `None` where there is no Python, which a continuous-integration machine has.
#[expect(clippy::print_stdout, reason = "what is skipped is said aloud")]
fn run(world: &World, id: &str) -> Option<Output> {
    let folder = world.file(&ObjectKey::listed(String::new()));
    match Command::new("python3").arg(PROGRAM).arg(folder).arg(id).output() {
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("SKIPPED: python3 cannot be run: {error}");
            None
        }
        output => Some(output.unwrap()),
    }
}

#[tokio::test]
async fn a_stranger_verifies_a_document_and_finds_every_changed_object() {
    let (world, version, keys) = archive().await;
    let id = version.to_string();
    let Some(output) = run(&world, &id[..12]) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().all(|line| line.starts_with("OK  ")), "{said}");
    assert!(said.contains("commits 1 to 4 follow") && said.contains(&id), "{said}");
    for key in keys {
        let good = fs::read(world.file(&key)).unwrap();
        for position in [33, good.len() / 2] {
            let mut damaged = good.clone();
            damaged[position] ^= 1;
            fs::write(world.file(&key), &damaged).unwrap();
            let output = run(&world, &id[..12]).unwrap();
            assert_eq!(output.status.code(), Some(1), "byte {position} of {key}");
        }
        fs::write(world.file(&key), good).unwrap();
    }
    assert!(run(&world, &id).unwrap().status.success());
    assert_eq!(run(&world, "ffffffff").unwrap().status.code(), Some(1));
}

#[test]
fn the_program_for_strangers_is_short() {
    assert!(fs::read_to_string(PROGRAM).unwrap().lines().count() <= PROGRAM_LINES_MAX);
}
