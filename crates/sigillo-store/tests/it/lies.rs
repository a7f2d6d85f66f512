//! Stores that lie, and whether the probe finds out.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use rstest::rstest;

use sigillo_model::ObjectKey;
use sigillo_store::{
    BackendError, CREATE_ATTEMPTS_MAX, CreateAnswer, ListedObject, ObjectBackend, Store, StoreError,
};
use sigillo_testkit::{Fault, FaultPlan, SeededEntropy, VolatileBackend};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lie {
    /// Every create succeeds and overwrites: the condition is ignored.
    SecondCreateAccepted,
    /// A refused create overwrites nevertheless.
    RefusedCreateOverwrites,
    /// A fresh name is said to be taken.
    FreshNameTaken,
    /// Two creates at once are both told that they won.
    TwoWinners,
    /// Most races have one winner, but not all.
    TwoWinnersOnce,
    /// Of many creates at once all are told that they lost.
    NoWinner,
    /// The last loser of a race leaves its bytes.
    LoserStays,
    /// Ranges are off by one.
    RangeShifted,
    /// Ranges are ignored.
    RangeIgnored,
    /// Sizes are wrong.
    SizeWrong,
    /// One's own writes are not seen.
    WritesUnseen,
    /// One's own writes are seen only by `read`.
    SizeUnseen,
    /// What is read is not what was written.
    ReadsDamaged,
    /// What nobody wrote is there.
    AbsentInvented,
    /// What is read is endless.
    ReadsEndless,
    /// Everything is said to exist, and nothing is found.
    Contradicts,
}

#[derive(Debug)]
struct Liar {
    inner: VolatileBackend,
    lie: Lie,
    creates_in_race: AtomicU32,
}

impl Liar {
    async fn create_in_race(
        &self,
        key: &ObjectKey,
        bytes: Bytes,
    ) -> Result<CreateAnswer, BackendError> {
        let earlier = self.creates_in_race.fetch_add(1, Ordering::SeqCst);
        let answer = self.inner.create(key, bytes.clone()).await?;
        match self.lie {
            Lie::TwoWinners if earlier == 7 => return Ok(CreateAnswer::Created),
            Lie::TwoWinnersOnce if earlier == 4 * 16 + 7 => return Ok(CreateAnswer::Created),
            Lie::NoWinner => return Ok(CreateAnswer::AlreadyExists),
            Lie::LoserStays if earlier == 15 => self.inner.replace(key, bytes).await?,
            _ => {}
        }
        Ok(answer)
    }
}

#[async_trait]
impl ObjectBackend for Liar {
    async fn create(&self, key: &ObjectKey, bytes: Bytes) -> Result<CreateAnswer, BackendError> {
        if key.as_str().contains("/race-") {
            return self.create_in_race(key, bytes).await;
        }
        match self.lie {
            Lie::SecondCreateAccepted => {
                self.inner.replace(key, bytes).await.map(|()| CreateAnswer::Created)
            }
            Lie::RefusedCreateOverwrites => {
                let answer = self.inner.create(key, bytes.clone()).await?;
                self.inner.replace(key, bytes).await.map(|()| answer)
            }
            Lie::FreshNameTaken | Lie::Contradicts => Ok(CreateAnswer::AlreadyExists),
            _ => self.inner.create(key, bytes).await,
        }
    }

    async fn replace(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), BackendError> {
        self.inner.replace(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, bytes_max: u64) -> Result<Bytes, BackendError> {
        match self.lie {
            Lie::WritesUnseen | Lie::Contradicts => Err(BackendError::NotFound),
            Lie::ReadsEndless if self.inner.size(key).await.is_ok() => {
                Err(BackendError::TooLarge { size_bytes: u64::MAX, bytes_max })
            }
            Lie::AbsentInvented => {
                Ok(self.inner.read(key, bytes_max).await.unwrap_or(Bytes::from_static(b"what")))
            }
            Lie::ReadsDamaged => {
                let mut bytes = self.inner.read(key, bytes_max).await?.to_vec();
                bytes[2000] ^= 1;
                Ok(Bytes::from(bytes))
            }
            _ => self.inner.read(key, bytes_max).await,
        }
    }

    async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, BackendError> {
        match self.lie {
            Lie::RangeShifted => self.inner.read_range(key, range.start + 1..range.end + 1).await,
            Lie::RangeIgnored => self.inner.read(key, u64::MAX).await,
            _ => self.inner.read_range(key, range).await,
        }
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, BackendError> {
        match self.lie {
            Lie::SizeWrong => Ok(self.inner.size(key).await? + 1),
            Lie::SizeUnseen => Err(BackendError::NotFound),
            _ => self.inner.size(key).await,
        }
    }

    async fn list(
        &self,
        prefix: &str,
        count_max: usize,
    ) -> Result<Vec<ListedObject>, BackendError> {
        self.inner.list(prefix, count_max).await
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.settle(key).await
    }

    async fn remove_derived(&self, key: &ObjectKey) -> Result<(), BackendError> {
        self.inner.remove_derived(key).await
    }

    fn identity(&self) -> String {
        "a liar".to_owned()
    }
}

fn lying_store(inner: &VolatileBackend, lie: Lie) -> Store {
    let liar = Liar { inner: inner.clone(), lie, creates_in_race: AtomicU32::new(0) };
    Store::from_parts(Arc::new(liar), Arc::new(inner.clone()))
}

#[rstest]
#[case(Lie::SecondCreateAccepted, "accepts a second create")]
#[case(Lie::RefusedCreateOverwrites, "a refused create changed")]
#[case(Lie::FreshNameTaken, "says of a fresh name")]
#[case(Lie::TwoWinners, "2 succeeded, not one")]
#[case(Lie::TwoWinnersOnce, "2 succeeded, not one")]
#[case(Lie::NoWinner, "0 succeeded, not one")]
#[case(Lie::LoserStays, "keeps the bytes of a loser")]
#[case(Lie::RangeShifted, "does not return the range")]
#[case(Lie::RangeIgnored, "does not return the range")]
#[case(Lie::SizeWrong, "states a wrong size")]
#[case(Lie::WritesUnseen, "does not find what was just written")]
#[case(Lie::SizeUnseen, "does not find what was just written")]
#[case(Lie::ReadsDamaged, "does not return what was just written")]
#[case(Lie::ReadsEndless, "does not return what was just written")]
#[case(Lie::AbsentInvented, "returns an object that nobody wrote")]
#[tokio::test]
async fn the_probe_refuses_a_store_that_lies(#[case] lie: Lie, #[case] words: &str) {
    let inner = VolatileBackend::with_fsync();
    let store = lying_store(&inner, lie);
    match store.probe(&SeededEntropy::new(1)).await {
        Err(StoreError::Unfit { what }) => assert!(what.contains(words), "{what}"),
        other => panic!("{lie:?} gave {other:?}"),
    }
    assert!(inner.objects().is_empty(), "a refused probe left {:?}", inner.objects().keys());
}

#[tokio::test]
async fn a_probe_without_an_answer_proves_nothing() {
    let passing = FaultPlan::none();
    let backend = VolatileBackend::with_fsync();
    passing.wrap(&backend.store()).probe(&SeededEntropy::new(1)).await.unwrap();
    // Its last calls remove what it wrote: they may fail, and are reported.
    for number in 1..=passing.calls() {
        let removes = passing.trace()[usize::try_from(number).unwrap() - 1].operation;
        let store = FaultPlan::at(number, Fault::Fails).wrap(&backend.store());
        match store.probe(&SeededEntropy::new(number)).await {
            Ok(report) => assert!(removes == "remove" && !report.removed, "call {number}"),
            Err(StoreError::Unavailable { .. }) => assert_ne!(removes, "remove"),
            Err(other) => panic!("call {number} gave {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_store_that_contradicts_itself_is_not_decided_for() {
    let plan = FaultPlan::none();
    let store = plan.wrap(&lying_store(&VolatileBackend::with_fsync(), Lie::Contradicts));
    let key = ObjectKey::listed("object".to_owned());
    let error = store.create(&key, Bytes::from_static(b"bytes")).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Undecided { attempts: CREATE_ATTEMPTS_MAX, .. }),
        "{error:?}"
    );
    assert_eq!(plan.calls(), 2 * u64::from(CREATE_ATTEMPTS_MAX));
}
