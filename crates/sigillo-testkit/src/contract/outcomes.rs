//! The contract of `Store`: what its answers mean.

use futures::future::join_all;

use sigillo_model::ObjectKey;
use sigillo_store::{CreateOutcome, Store, StoreError};

use super::{BYTES_MAX, RACERS, RACES, bytes, key};
use crate::SeededEntropy;

/// Checks what `Store` promises of its answers, and that its probe passes and leaves nothing.
///
/// # Panics
///
/// If the store breaks a sentence of its contract.
pub async fn check_outcomes(store: &Store) {
    a_create_is_compared_with_what_is_there(store).await;
    creates_at_once_agree_on_one_object(store).await;
    equal_creates_at_once_all_succeed(store).await;
    only_what_is_derived_is_replaced(store).await;
    reads_say_what_is_wrong(store).await;
    the_probe_passes_and_leaves_nothing(store).await;
}

async fn a_create_is_compared_with_what_is_there(store: &Store) {
    let (key, first) = (key("compared"), bytes(1, 3000));
    let create = |bytes| store.create(&key, bytes);
    let outcome = create(first.clone()).await.expect("an object is created");
    assert_eq!(outcome, CreateOutcome::Created);
    let outcome = create(first.clone()).await.expect("it is compared");
    assert_eq!(outcome, CreateOutcome::AlreadyEqual);
    for other in [bytes(2, 3000), first.slice(1..), first.slice(..2999), bytes(3, 0)] {
        let outcome = create(other).await.expect("it is compared");
        assert_eq!(outcome, CreateOutcome::Taken(first.clone()));
    }
    assert_eq!(store.read(&key, BYTES_MAX).await.expect("it is read"), first);
}

async fn creates_at_once_agree_on_one_object(store: &Store) {
    for race in 0..RACES {
        let key = key(&format!("agreed/{race}"));
        let racers = (0..RACERS as u64).map(|racer| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move { store.create(&key, bytes(racer, 5000)).await })
        });
        let mut winners = Vec::new();
        let mut seen_by_losers = Vec::new();
        for (racer, outcome) in join_all(racers).await.into_iter().enumerate() {
            match outcome.expect("a create does not panic").expect("every racer is answered") {
                CreateOutcome::Created => winners.push(racer as u64),
                CreateOutcome::Taken(bytes) => seen_by_losers.push(bytes),
                CreateOutcome::AlreadyEqual => panic!("racer {racer} found bytes it did not write"),
            }
        }
        let [winner] = winners[..] else { panic!("race {race} was won by {winners:?}") };
        let kept = bytes(winner, 5000);
        assert!(seen_by_losers.iter().all(|seen| *seen == kept), "a loser saw other bytes");
    }
}

async fn equal_creates_at_once_all_succeed(store: &Store) {
    let key = key("equal");
    let racers = (0..RACERS).map(|_| {
        let (store, key) = (store.clone(), key.clone());
        tokio::spawn(async move { store.create(&key, bytes(1, 5000)).await })
    });
    let mut created = 0;
    for outcome in join_all(racers).await {
        match outcome.expect("a create does not panic").expect("every racer is answered") {
            CreateOutcome::Created => created += 1,
            CreateOutcome::AlreadyEqual => {}
            CreateOutcome::Taken(_) => panic!("equal bytes were told apart"),
        }
    }
    assert_eq!(created, 1, "one of the equal creates is the first");
}

async fn only_what_is_derived_is_replaced(store: &Store) {
    for derived in ["log/checkpoint", "log/tile/0/000.p/1", "catalogue/contract"] {
        let derived = ObjectKey::listed(derived.to_owned());
        for seed in [1, 2] {
            let replaced = store.replace_derived(&derived, bytes(seed, 50)).await;
            replaced.expect("a derived object is replaced");
            assert_eq!(store.read(&derived, 50).await.expect("it is read"), bytes(seed, 50));
        }
    }
    for written_once in [key("once"), ObjectKey::listed("log/seq/contract".to_owned())] {
        store.create(&written_once, bytes(1, 50)).await.expect("an object is created");
        let answer = store.replace_derived(&written_once, bytes(2, 50)).await;
        assert!(matches!(answer, Err(StoreError::NotDerived { .. })), "{answer:?}");
        assert_eq!(store.read(&written_once, 50).await.expect("it is read"), bytes(1, 50));
    }
}

async fn reads_say_what_is_wrong(store: &Store) {
    let (key, absent) = (key("read"), key("not/there"));
    store.create(&key, bytes(1, 100)).await.expect("an object is created");
    let found = store.read_optional(&key, 100).await.expect("it is read");
    assert_eq!(found, Some(bytes(1, 100)));
    assert_eq!(store.read_optional(&absent, 100).await.expect("its absence is seen"), None);
    assert_eq!(store.size(&key).await.expect("it has a size"), 100);
    let part = store.read_range(&key, 10..20).await.expect("a part of it is read");
    assert_eq!(part, bytes(1, 100).slice(10..20));
    for answer in [
        store.read(&absent, 100).await.map(drop),
        store.read_range(&absent, 0..1).await.map(drop),
        store.size(&absent).await.map(drop),
    ] {
        assert!(
            matches!(&answer, Err(StoreError::NotFound { key }) if *key == absent),
            "{answer:?}"
        );
    }
    for answer in
        [store.read(&key, 99).await.map(drop), store.read_optional(&key, 0).await.map(drop)]
    {
        assert!(matches!(answer, Err(StoreError::TooLarge { size_bytes: 100, .. })), "{answer:?}");
    }
    let answer = store.read_range(&key, 90..101).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
}

async fn the_probe_passes_and_leaves_nothing(store: &Store) {
    let entropy = SeededEntropy::new(1);
    for _ in 0..2 {
        let report = store.probe(&entropy).await.expect("the probe passes");
        assert_eq!(report.identity, store.identity());
        assert!(report.removed, "the probe could not be removed");
    }
    let left = store.list("probe", 9).await.expect("the probes are listed");
    assert!(left.is_empty(), "the probe left {left:?}");
}
