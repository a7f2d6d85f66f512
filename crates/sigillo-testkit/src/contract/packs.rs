//! The contract of `PackSink`.

use std::sync::Arc;

use bytes::Bytes;

use sigillo_model::{Blake3Digest, ObjectKey};
use sigillo_store::{
    AlignedBuffer, BackendError, PACK_CHUNK_BYTES, PackSink, PackSource, StagedPack, Store,
};

use super::{blocking, bytes};

/// Checks what `PackSink` promises of packs as bytes; what is in them is nothing to it.
///
/// # Panics
///
/// If the sink breaks a sentence of its contract.
pub async fn check_packs(store: &Store) {
    let (_, packs) = store.parts();
    blocking({
        let packs = Arc::clone(&packs);
        move || {
            what_was_finished_is_read_back(&*packs);
            chunks_come_in_any_order(&*packs);
            a_hint_is_only_a_hint(&*packs);
            a_chunk_out_of_place_is_refused(&*packs);
            what_is_absent_is_not_found(&*packs);
        }
    })
    .await;
    a_finished_pack_is_an_object(store).await;
    a_staged_pack_is_seen_by_nobody_and_leaves_nothing(store).await;
    a_pack_of_another_size_is_refused(store).await;
    the_same_pack_twice_is_one(store).await;
    packs_finished_at_once_are_one(store).await;
}

fn what_was_finished_is_read_back(packs: &dyn PackSink) {
    for length in [0, 1, 4095, 4096, 4097, PACK_CHUNK_BYTES, 2 * PACK_CHUNK_BYTES + 12_345] {
        let whole = bytes(10, length);
        let name = write(packs, &whole, Some(length as u64)).expect("a pack is finished");
        let source = packs.open(&name).expect("a finished pack is opened");
        assert_eq!(source.size_bytes(), length as u64);
        let mut found = AlignedBuffer::zeroed(length);
        source.read_exact_at(0, &mut found).expect("a whole pack is read");
        assert!(found[..] == whole[..], "a pack of {length} bytes has others");
        check_parts(&*source, &whole);
    }
}

fn check_parts(source: &dyn PackSource, whole: &Bytes) {
    let length = whole.len();
    for (start, end) in [
        (0, length.min(1)),
        (length - length.min(1), length),
        (length / 3, length / 2),
        (length, length),
        // From an aligned place, long enough to go past the page cache, up to the end.
        (length.min(4096), length),
    ] {
        let mut part = AlignedBuffer::zeroed(end - start);
        source.read_exact_at(start as u64, &mut part).expect("a part of a pack is read");
        assert!(part[..] == whole[start..end], "bytes {start} to {end} of {length} are others");
    }
    for beyond in [length as u64, length as u64 + 4096, u64::MAX - 5] {
        let answer = source.read_exact_at(beyond, &mut [0; 2]);
        assert!(answer.is_err(), "bytes beyond the end of a pack were read");
    }
}

fn chunks_come_in_any_order(packs: &dyn PackSink) {
    let whole = bytes(11, 2 * PACK_CHUNK_BYTES + 77);
    for (number, order) in [[2, 1, 0], [1, 2, 0]].into_iter().enumerate() {
        // Told apart by their first byte, so that each is written anew.
        let mut whole = whole.to_vec();
        whole[0] = u8::try_from(number).expect("two orders");
        let mut staged = packs.begin(None).expect("a pack is begun");
        for index in order {
            let chunk = whole.chunks(PACK_CHUNK_BYTES).nth(index).expect("there are three");
            write_chunk(&mut *staged, index * PACK_CHUNK_BYTES, chunk).expect("a chunk is written");
        }
        let name = Blake3Digest::of(&whole);
        staged.finish(&name, whole.len() as u64).expect("a pack is finished");
        check_content(packs, &name, &whole);
    }
}

fn a_hint_is_only_a_hint(packs: &dyn PackSink) {
    for (number, hint) in [None, Some(0), Some(1), Some(50 << 20)].into_iter().enumerate() {
        let whole = bytes(12 + number as u64, 5000);
        let name = write(packs, &whole, hint).expect("a pack of any hint is finished");
        check_content(packs, &name, &whole);
    }
}

fn a_chunk_out_of_place_is_refused(packs: &dyn PackSink) {
    let mut staged = packs.begin(None).expect("a pack is begun");
    for offset in [1, 4096, PACK_CHUNK_BYTES - 1, PACK_CHUNK_BYTES + 4096] {
        assert!(write_chunk(&mut *staged, offset, b"chunk").is_err(), "a chunk at {offset}");
    }
    let mut staged = packs.begin(None).expect("a pack is begun");
    let oversized = vec![0; PACK_CHUNK_BYTES + 1];
    assert!(write_chunk(&mut *staged, 0, &oversized).is_err(), "an oversized chunk");
}

fn what_is_absent_is_not_found(packs: &dyn PackSink) {
    let answer = packs.open(&Blake3Digest::of(b"nobody wrote this")).map(|_| ());
    assert!(matches!(answer, Err(BackendError::NotFound)), "{answer:?}");
}

async fn a_finished_pack_is_an_object(store: &Store) {
    let whole = bytes(20, 70_000);
    let name = on_packs(store, {
        let whole = whole.clone();
        move |packs| write(packs, &whole, None).expect("a pack is finished")
    })
    .await;
    let key = ObjectKey::pack(name);
    assert_eq!(store.size(&key).await.expect("a pack has a size"), 70_000);
    assert_eq!(store.read(&key, 70_000).await.expect("a pack is read as an object"), whole);
    let part = store.read_range(&key, 65_536..65_600).await.expect("a part of it, too");
    assert_eq!(part, whole.slice(65_536..65_600));
    let listed = store.list("packs", 10_000).await.expect("packs are listed");
    assert!(listed.iter().any(|found| found.key == key), "a pack is not listed");
}

async fn a_staged_pack_is_seen_by_nobody_and_leaves_nothing(store: &Store) {
    let before = pack_count(store).await;
    let whole = bytes(21, PACK_CHUNK_BYTES + 10);
    let name = Blake3Digest::of(&whole);
    let staged = on_packs(store, move |packs| {
        let mut staged = packs.begin(Some(1 << 20)).expect("a pack is begun");
        write_chunks(&mut *staged, &whole).expect("its chunks are written");
        assert!(packs.open(&name).is_err(), "a pack is there before it is finished");
        staged
    })
    .await;
    assert_eq!(pack_count(store).await, before, "a staged pack is listed");
    on_packs(store, move |packs| {
        drop(staged);
        let answer = packs.open(&name).map(|_| ());
        assert!(matches!(answer, Err(BackendError::NotFound)), "{answer:?}");
    })
    .await;
    assert_eq!(pack_count(store).await, before, "a dropped pack left something");
}

async fn a_pack_of_another_size_is_refused(store: &Store) {
    let before = pack_count(store).await;
    let whole = bytes(22, 9000);
    on_packs(store, move |packs| {
        let name = Blake3Digest::of(&whole);
        for size_bytes in [0, 8999, 9001] {
            let mut staged = packs.begin(None).expect("a pack is begun");
            write_chunks(&mut *staged, &whole).expect("its chunks are written");
            assert!(staged.finish(&name, size_bytes).is_err(), "9000 bytes passed as {size_bytes}");
            assert!(packs.open(&name).is_err(), "a refused pack is there");
        }
        write(packs, &whole, None).expect("a pack is finished");
        // Shorter bytes under the name of what is there.
        let mut staged = packs.begin(None).expect("a pack is begun");
        write_chunks(&mut *staged, &whole[..500]).expect("its chunks are written");
        assert!(staged.finish(&name, 500).is_err(), "another pack was accepted under its name");
        check_content(packs, &name, &whole);
    })
    .await;
    assert_eq!(pack_count(store).await, before + 1, "refused packs left something");
}

async fn the_same_pack_twice_is_one(store: &Store) {
    let before = pack_count(store).await;
    on_packs(store, |packs| {
        let whole = bytes(23, 100_000);
        let first = write(packs, &whole, None).expect("a pack is finished");
        let second = write(packs, &whole, None).expect("the same pack is finished again");
        assert_eq!(first, second);
        check_content(packs, &first, &whole);
    })
    .await;
    assert_eq!(pack_count(store).await, before + 1, "the same pack twice left two");
}

async fn packs_finished_at_once_are_one(store: &Store) {
    let before = pack_count(store).await;
    let (_, packs) = store.parts();
    blocking(move || {
        let whole = bytes(24, 100_000);
        let name = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| write(&*packs, &whole, None))).collect();
            for writer in writers {
                writer.join().expect("a writer does not panic").expect("each pack is finished");
            }
            Blake3Digest::of(&whole)
        });
        check_content(&*packs, &name, &whole);
    })
    .await;
    assert_eq!(pack_count(store).await, before + 1, "one pack finished at once left several");
}

async fn on_packs<T: Send + 'static>(
    store: &Store,
    task: impl FnOnce(&dyn PackSink) -> T + Send + 'static,
) -> T {
    let (_, packs) = store.parts();
    blocking(move || task(&*packs)).await
}

async fn pack_count(store: &Store) -> usize {
    store.list("packs", 10_000).await.expect("packs are listed").len()
}

#[track_caller]
fn check_content(packs: &dyn PackSink, name: &Blake3Digest, whole: &[u8]) {
    let source = packs.open(name).expect("a finished pack is opened");
    assert_eq!(source.size_bytes(), whole.len() as u64, "a pack has another size");
    let mut found = vec![0; whole.len()];
    source.read_exact_at(0, &mut found).expect("a whole pack is read");
    assert!(found == whole, "a pack has other bytes");
}

fn write(
    packs: &dyn PackSink,
    whole: &[u8],
    size_hint_bytes: Option<u64>,
) -> Result<Blake3Digest, BackendError> {
    let name = Blake3Digest::of(whole);
    let mut staged = packs.begin(size_hint_bytes)?;
    write_chunks(&mut *staged, whole)?;
    staged.finish(&name, whole.len() as u64)?;
    Ok(name)
}

fn write_chunks(staged: &mut dyn StagedPack, whole: &[u8]) -> Result<(), BackendError> {
    for (index, chunk) in whole.chunks(PACK_CHUNK_BYTES).enumerate() {
        write_chunk(staged, index * PACK_CHUNK_BYTES, chunk)?;
    }
    Ok(())
}

/// Writes from an aligned buffer, as the contract demands.
fn write_chunk(staged: &mut dyn StagedPack, at: usize, chunk: &[u8]) -> Result<(), BackendError> {
    let mut aligned = AlignedBuffer::zeroed(chunk.len());
    aligned.copy_from_slice(chunk);
    staged.write_at(at as u64, &aligned)
}
