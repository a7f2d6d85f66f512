//! Stores in services: against `moto_server`, and against any other that the environment names.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::env;

use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{AlignedBuffer, PACK_CHUNK_BYTES, ServiceAccess, Store, StoreError, StoreUrl};
use sigillo_testkit::{MotoServer, contract};

/// Opens a part of a bucket of the server.
fn store(
    server: &MotoServer,
    place: &str,
    change: impl Fn(ServiceAccess) -> ServiceAccess,
) -> Store {
    let access = change(ServiceAccess::from_variables(|name| server.variable(name)));
    let url = StoreUrl::parse(place).unwrap().with_access(access);
    Store::open(&url, tokio::runtime::Handle::current()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_keeps_the_contract() {
    let Some(server) = MotoServer::start_or_skip() else { return };
    server.make_bucket("contratto");
    contract::check_store(&store(&server, "s3://contratto", |access| access)).await;
    let part = store(&server, "s3://contratto/enti/comune", |access| access);
    contract::check_store(&part).await;
}

/// Any service can be checked by hand: `docs/operations/object-stores.md` says how.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_service_that_the_environment_names_keeps_the_contract() {
    let Ok(place) = env::var("SIGILLO_CONTRACT_STORE") else {
        println!("SKIPPED: SIGILLO_CONTRACT_STORE names no service; this one is run by hand");
        return;
    };
    let spool = tempfile::tempdir().unwrap();
    let access = ServiceAccess::from_variables(|name| env::var(name).ok());
    let access = access.with_spool_folder(spool.path());
    let url = StoreUrl::parse(&place).unwrap().with_access(access.clone());
    let store = Store::open(&url, tokio::runtime::Handle::current()).unwrap();
    contract::check_store(&store).await;
    large_pack_comes_back(&store, 1).await;
    let url = url.with_access(access.with_put_bytes_max(30 << 20));
    let in_parts = Store::open(&url, tokio::runtime::Handle::current()).unwrap();
    large_pack_comes_back(&in_parts, 2).await;
    println!("{} keeps the contract", store.identity());
}

/// Sends a pack that does not fit into the memory of a spool, twice, and reads it back.
async fn large_pack_comes_back(store: &Store, seed: u8) {
    let (_, packs) = store.parts();
    let pool = sigillo_store::CpuPool::start(1).unwrap();
    let sent = move || {
        let chunk = |index: usize| {
            let mut chunk = AlignedBuffer::zeroed(PACK_CHUNK_BYTES);
            chunk.fill(seed);
            chunk[index] = 1 + u8::try_from(index).unwrap();
            chunk
        };
        let mut hasher = blake3::Hasher::new();
        for index in 0..11 {
            hasher.update(&chunk(index));
        }
        hasher.update(b"and a short one");
        let name = Blake3Digest::from_bytes(*hasher.finalize().as_bytes());
        let size_bytes = 11 * PACK_CHUNK_BYTES as u64 + 15;
        for _ in 0..2 {
            let mut staged = packs.begin(None).unwrap();
            for index in (1..11).chain([0]) {
                staged.write_at((index * PACK_CHUNK_BYTES) as u64, &chunk(index)).unwrap();
            }
            staged.write_at(11 * PACK_CHUNK_BYTES as u64, b"and a short one").unwrap();
            staged.finish(&name, size_bytes).unwrap();
        }
        let source = packs.open(&name).unwrap();
        assert_eq!(source.size_bytes(), size_bytes);
        let scan = sigillo_store::pack::scan_pack(&*source, &mut |_, _| ()).unwrap();
        assert_eq!(scan.name_found, name);
        let mut end = [0; 15];
        source.read_exact_at(size_bytes - 15, &mut end).unwrap();
        assert_eq!(&end, b"and a short one");
        name
    };
    let name = pool.run(sent).await.unwrap();
    assert!(store.size(&ObjectKey::pack(name)).await.unwrap() > 40 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_pack_is_sent_at_once_from_a_file_or_in_parts() {
    let Some(server) = MotoServer::start_or_skip() else { return };
    server.make_bucket("grandi");
    let spool = tempfile::tempdir().unwrap();
    let at_once = store(&server, "s3://grandi/uno", |it| it.with_spool_folder(spool.path()));
    large_pack_comes_back(&at_once, 1).await;
    let in_parts = store(&server, "s3://grandi/due", |it| {
        it.with_spool_folder(spool.path()).with_put_bytes_max(30 << 20)
    });
    large_pack_comes_back(&in_parts, 2).await;
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "a spool file stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_missing_bucket_is_named_and_no_archive_that_is_absent() {
    let Some(server) = MotoServer::start_or_skip() else { return };
    let store = store(&server, "s3://nessuno/carte", |access| access);
    let key = ObjectKey::listed("archive.json".to_owned());
    for error in [
        store.read(&key, 100).await.unwrap_err(),
        store.create(&key, bytes::Bytes::from_static(b"x")).await.unwrap_err(),
        store.list("packs", 10).await.unwrap_err(),
    ] {
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("no bucket nessuno") && cause.contains("make it"), "{cause}");
        assert_eq!(error.kind(), sigillo_model::ErrorKind::Invalid);
        assert!(!matches!(error, StoreError::NotFound { .. }));
    }
}
