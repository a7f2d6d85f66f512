//! The contract of `ObjectBackend`.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use sigillo_model::ObjectKey;
use sigillo_store::{BackendError, CreateAnswer, ObjectBackend, Store};

use super::{BYTES_MAX, RACERS, RACES, bytes, key};

/// Checks what `ObjectBackend` promises.
///
/// # Panics
///
/// If the backend breaks a sentence of its contract.
pub async fn check_objects(store: &Store) {
    let (objects, _) = store.parts();
    a_backend_has_one_name(store, &*objects);
    preparing_twice_is_preparing_once(&*objects).await;
    what_was_created_is_read(&*objects).await;
    a_second_create_changes_nothing(&*objects).await;
    a_race_has_one_winner_whose_bytes_stay(&objects).await;
    what_is_absent_is_not_found(&*objects).await;
    a_bound_is_kept_to_the_byte(&*objects).await;
    a_range_is_exact_or_refused(&*objects).await;
    replacing_replaces(&*objects).await;
    a_listing_is_of_one_folder_and_bounded(&*objects).await;
    only_what_is_made_again_is_removed(&*objects).await;
}

fn a_backend_has_one_name(store: &Store, objects: &dyn ObjectBackend) {
    assert!(!objects.identity().is_empty(), "a store without a name");
    assert_eq!(objects.identity(), store.identity(), "a store with two names");
}

async fn preparing_twice_is_preparing_once(objects: &dyn ObjectBackend) {
    objects.prepare().await.expect("a store can be prepared");
    objects.prepare().await.expect("a prepared store can be prepared again");
}

async fn what_was_created_is_read(objects: &dyn ObjectBackend) {
    for length in [0, 1, 4095, 4096, 4097, 300_000] {
        let key = key(&format!("deep/er/and/deeper/{length}"));
        let bytes = bytes(1, length);
        let answer = objects.create(&key, bytes.clone()).await.expect("an object can be created");
        assert_eq!(answer, CreateAnswer::Created, "{key}");
        assert_eq!(objects.read(&key, BYTES_MAX).await.expect("it is read"), bytes, "{key}");
        assert_eq!(objects.size(&key).await.expect("it has a size"), length as u64, "{key}");
        objects.settle(&key).await.expect("it is made durable again");
    }
}

async fn a_second_create_changes_nothing(objects: &dyn ObjectBackend) {
    let (key, first) = (key("twice"), bytes(1, 5000));
    let answer = objects.create(&key, first.clone()).await.expect("the first is created");
    assert_eq!(answer, CreateAnswer::Created);
    // Shorter, longer, empty, and the same again.
    for other in [bytes(2, 10), bytes(2, 9000), Bytes::new(), first.clone()] {
        let answer = objects.create(&key, other).await.expect("the second is answered");
        assert_eq!(answer, CreateAnswer::AlreadyExists, "a second create was accepted");
        assert_eq!(objects.read(&key, BYTES_MAX).await.expect("it is read"), first);
    }
}

async fn a_race_has_one_winner_whose_bytes_stay(objects: &Arc<dyn ObjectBackend>) {
    for race in 0..RACES {
        let key = key(&format!("race/{race}"));
        let racers = (0..RACERS).map(|racer| {
            let (objects, key) = (Arc::clone(objects), key.clone());
            tokio::spawn(async move { objects.create(&key, bytes(racer as u64, 20_000)).await })
        });
        let mut winners = Vec::new();
        for (racer, answer) in join_all(racers).await.into_iter().enumerate() {
            match answer.expect("a create does not panic").expect("every racer is answered") {
                CreateAnswer::Created => winners.push(racer as u64),
                CreateAnswer::AlreadyExists => {}
            }
        }
        let [winner] = winners[..] else { panic!("race {race} was won by {winners:?}") };
        let stays = objects.read(&key, BYTES_MAX).await.expect("the winner's object is read");
        assert_eq!(stays, bytes(winner, 20_000), "race {race} left the bytes of a loser");
    }
}

async fn what_is_absent_is_not_found(objects: &dyn ObjectBackend) {
    let absent = key("absent");
    let answers = [
        objects.read(&absent, BYTES_MAX).await.map(drop),
        objects.read_range(&absent, 0..1).await.map(drop),
        objects.read_range(&absent, 0..0).await.map(drop),
        objects.size(&absent).await.map(drop),
        objects.settle(&absent).await,
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        assert!(matches!(answer, Err(BackendError::NotFound)), "answer {number}: {answer:?}");
    }
}

async fn a_bound_is_kept_to_the_byte(objects: &dyn ObjectBackend) {
    let key = key("bounded");
    objects.create(&key, bytes(1, 100)).await.expect("an object is created");
    assert_eq!(objects.read(&key, 100).await.expect("it is just small enough").len(), 100);
    for bytes_max in [0, 99] {
        let answer = objects.read(&key, bytes_max).await;
        assert!(
            matches!(answer, Err(BackendError::TooLarge { size_bytes: 100, bytes_max: found })
                if found == bytes_max),
            "{answer:?}"
        );
    }
}

async fn a_range_is_exact_or_refused(objects: &dyn ObjectBackend) {
    let (key, whole) = (key("ranges"), bytes(1, 1000));
    objects.create(&key, whole.clone()).await.expect("an object is created");
    for (start, end) in
        [(0, 1000), (0, 1), (999, 1000), (10, 990), (0, 0), (500, 500), (1000, 1000)]
    {
        let part = objects.read_range(&key, start..end).await.expect("the range is inside");
        let (from, to) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
        assert_eq!(part, whole.slice(from..to), "{start}..{end}");
    }
    let outside = [
        (0, 1001),
        (999, 1001),
        (1000, 1001),
        (1001, 1001),
        (5000, 5001),
        (0, u64::MAX),
        (u64::MAX - 1, u64::MAX),
        (20, 10),
        (2000, 10),
    ];
    for (start, end) in outside {
        let answer = objects.read_range(&key, start..end).await;
        assert!(matches!(answer, Err(BackendError::Failed { .. })), "{start}..{end}: {answer:?}");
    }
}

async fn replacing_replaces(objects: &dyn ObjectBackend) {
    let key = key("replaced");
    for bytes in [bytes(1, 100), bytes(2, 9000), bytes(3, 10), bytes(3, 10), Bytes::new()] {
        objects.replace(&key, bytes.clone()).await.expect("an object is replaced");
        assert_eq!(objects.read(&key, BYTES_MAX).await.expect("it is read"), bytes);
    }
}

async fn a_listing_is_of_one_folder_and_bounded(objects: &dyn ObjectBackend) {
    let inside = [("list/a", 1), ("list/b/c", 2), ("list/b/d/e", 3)];
    for (path, length) in inside.into_iter().chain([("list-other/a", 4), ("lis", 5)]) {
        objects.create(&key(path), bytes(1, length)).await.expect("an object is created");
    }
    let mut listed = objects.list("contract/list", 100).await.expect("a folder is listed");
    listed.sort_by(|one, other| one.key.cmp(&other.key));
    let listed: Vec<_> = listed.into_iter().map(|found| (found.key, found.size_bytes)).collect();
    assert_eq!(listed, inside.map(|(path, length)| (key(path), length as u64)));
    let some = objects.list("contract/list", 2).await.expect("a part of a folder is listed");
    assert_eq!(some.len(), 2, "a listing beyond its bound");
    let none = objects.list("contract/list", 0).await.expect("nothing is listed");
    assert!(none.is_empty(), "a listing beyond its bound");
    let none = objects.list("contract/no-such", 9).await.expect("an absent folder is listed");
    assert!(none.is_empty(), "objects in a folder that does not exist");
    let all = objects.list("", 10_000).await.expect("the root is listed");
    assert!(all.iter().any(|found| found.key == key("lis")), "the root lacks an object");
}

async fn only_what_is_made_again_is_removed(objects: &dyn ObjectBackend) {
    for key in [key("stays"), ObjectKey::listed("probes/stays".to_owned())] {
        objects.create(&key, bytes(1, 10)).await.expect("an object is created");
        let answer = objects.remove_derived(&key).await;
        assert!(matches!(answer, Err(BackendError::Unsupported { .. })), "{answer:?}");
        assert_eq!(objects.size(&key).await.expect("it is still there"), 10);
    }
    let probes = ["one", "two"].map(|step| ObjectKey::probe("contract", step));
    for probe in &probes {
        objects.create(probe, bytes(1, 10)).await.expect("a probe is created");
    }
    objects.remove_derived(&probes[0]).await.expect("a probe is removed");
    let answer = objects.read(&probes[0], BYTES_MAX).await;
    assert!(matches!(answer, Err(BackendError::NotFound)), "{answer:?}");
    assert_eq!(objects.size(&probes[1]).await.expect("the other probe is still there"), 10);
    objects.remove_derived(&probes[1]).await.expect("the other probe is removed");
    let derived = ObjectKey::listed("catalogue/removed/x".to_owned());
    for _ in 0..2 {
        objects.create(&derived, bytes(1, 10)).await.expect("a part of the catalogue is created");
        objects.remove_derived(&derived).await.expect("a part of the catalogue is removed");
        let answer = objects.read(&derived, BYTES_MAX).await;
        assert!(matches!(answer, Err(BackendError::NotFound)), "{answer:?}");
    }
    let left = objects.list("probe", 9).await.expect("the probes are listed");
    assert!(left.is_empty(), "removed probes are listed: {left:?}");
}
