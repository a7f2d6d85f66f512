//! The probe a store must pass before it is written to: some stores accept a conditional write
//! and ignore the condition.

use bytes::Bytes;
use futures::future::join_all;

use sigillo_model::{Entropy, ObjectKey};

use crate::{BackendError, CreateAnswer, ObjectBackend, Store, StoreError, convert::size_of_len};

/// As many creates race for one key; exactly one may win.
const RACERS: usize = 16;

/// As many races are run: some stores lose only some of them.
const RACES: usize = 6;

/// Size of a probe object.
const PROBE_BYTES: usize = 4096;

/// Bytes that a probe object may have when it is read back.
const PROBE_BYTES_MAX: u64 = 64 << 10;

const OTHER_BYTES: &str = "it does not return what was just written";

/// What a probe that succeeded has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeReport {
    /// The store that was probed, as [`Store::identity`] names it.
    pub identity: String,
    /// Whether the objects of the probe could be removed again.
    pub removed: bool,
}

impl Store {
    /// Tests what everything else rests on: create-if-absent, one winner of every race, reading
    /// one's own writes, reading ranges. Writes a few small objects under `probe/` and removes them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfit`] says in words what the store got wrong; [`StoreError::Unavailable`]
    /// if it did not answer, which proves nothing.
    pub async fn probe(&self, entropy: &dyn Entropy) -> Result<ProbeReport, StoreError> {
        let mut name = [0; 16];
        entropy.fill(&mut name);
        let mut contents = vec![0; (RACERS + 2) * PROBE_BYTES];
        entropy.fill(&mut contents);
        let name = hex::encode(name);
        let probe = Probe {
            backend: self.objects(),
            contents: Bytes::from(contents),
            single: ObjectKey::probe(&name, "single"),
            races: (1..=RACES).map(|it| ObjectKey::probe(&name, &format!("race-{it}"))).collect(),
            absent: ObjectKey::probe(&name, "absent"),
        };
        let verdict = probe.run().await;
        let removed = probe.remove().await;
        verdict.map(|()| ProbeReport { identity: self.identity(), removed })
    }
}

struct Probe<'a> {
    backend: &'a dyn ObjectBackend,
    contents: Bytes,
    single: ObjectKey,
    races: Vec<ObjectKey>,
    absent: ObjectKey,
}

impl Probe<'_> {
    async fn run(&self) -> Result<(), StoreError> {
        self.absence().await?;
        self.create_twice().await?;
        self.ranges().await?;
        for race in &self.races {
            self.create_at_once(race).await?;
        }
        Ok(())
    }

    async fn absence(&self) -> Result<(), StoreError> {
        match self.read(&self.absent).await {
            Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(unfit("it returns an object that nobody wrote")),
        }
    }

    async fn create_twice(&self) -> Result<(), StoreError> {
        if self.create(&self.single, 0).await? != CreateAnswer::Created {
            return Err(unfit("it says of a fresh name that an object of that name exists"));
        }
        if self.read_own(&self.single).await? != self.content(0) {
            return Err(unfit(OTHER_BYTES));
        }
        if self.create(&self.single, 1).await? != CreateAnswer::AlreadyExists {
            return Err(unfit("it accepts a second create of the same name"));
        }
        if self.read_own(&self.single).await? != self.content(0) {
            return Err(unfit("a refused create changed the object that was there"));
        }
        self.settle(&self.single).await
    }

    async fn ranges(&self) -> Result<(), StoreError> {
        let size = self.backend.size(&self.single).await;
        let size = size.map_err(|source| of_own(&self.single, source))?;
        if size != size_of_len(PROBE_BYTES) {
            return Err(unfit("it states a wrong size of an object"));
        }
        let part = self.backend.read_range(&self.single, 1000..1100).await;
        let part = part.map_err(|source| of_own(&self.single, source))?;
        if part != self.content(0).slice(1000..1100) {
            return Err(unfit("it does not return the range of bytes that was asked for"));
        }
        Ok(())
    }

    async fn create_at_once(&self, race: &ObjectKey) -> Result<(), StoreError> {
        let answers = join_all((0..RACERS).map(|racer| self.create(race, 2 + racer))).await;
        let mut winners = Vec::new();
        for (racer, answer) in answers.into_iter().enumerate() {
            if answer? == CreateAnswer::Created {
                winners.push(racer);
            }
        }
        let &[winner] = winners.as_slice() else {
            let count = winners.len();
            return Err(StoreError::Unfit {
                what: format!("of {RACERS} creates of one name at once {count} succeeded, not one"),
            });
        };
        if self.read_own(race).await? != self.content(2 + winner) {
            return Err(unfit("after a race for one name it keeps the bytes of a loser"));
        }
        Ok(())
    }

    async fn remove(&self) -> bool {
        let mut removed = true;
        for key in std::iter::once(&self.single).chain(&self.races) {
            match self.backend.remove_derived(key).await {
                // A probe that ended early did not write them all.
                Ok(()) | Err(BackendError::NotFound) => {}
                Err(error) => {
                    tracing::debug!(%key, %error, "an object of the probe stays");
                    removed = false;
                }
            }
        }
        removed
    }

    async fn create(&self, key: &ObjectKey, number: usize) -> Result<CreateAnswer, StoreError> {
        let answer = self.backend.create(key, self.content(number)).await;
        answer.map_err(|source| StoreError::reading(key, "probing", source))
    }

    async fn read(&self, key: &ObjectKey) -> Result<Bytes, StoreError> {
        let read = self.backend.read(key, PROBE_BYTES_MAX).await;
        read.map_err(|source| StoreError::reading(key, "probing", source))
    }

    /// Reads an object that was written before.
    async fn read_own(&self, key: &ObjectKey) -> Result<Bytes, StoreError> {
        let read = self.backend.read(key, PROBE_BYTES_MAX).await;
        read.map_err(|source| of_own(key, source))
    }

    async fn settle(&self, key: &ObjectKey) -> Result<(), StoreError> {
        let settled = self.backend.settle(key).await;
        settled.map_err(|source| of_own(key, source))
    }

    fn content(&self, number: usize) -> Bytes {
        self.contents.slice(number * PROBE_BYTES..(number + 1) * PROBE_BYTES)
    }
}

/// Sorts an error about an object that was written before: it must be there, and not larger.
fn of_own(key: &ObjectKey, source: BackendError) -> StoreError {
    match source {
        BackendError::NotFound => unfit("it does not find what was just written"),
        BackendError::TooLarge { .. } => unfit(OTHER_BYTES),
        source => StoreError::reading(key, "probing", source),
    }
}

fn unfit(what: &str) -> StoreError {
    StoreError::Unfit { what: what.to_owned() }
}
