//! The plan by which the calls of a store go wrong, and the count of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sigillo_store::BackendError;

/// What goes wrong at one call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The call does nothing and says so: [`BackendError::Failed`].
    Fails,
    /// The call does what it should, and its answer is lost: [`BackendError::OutcomeUnknown`].
    LosesAnswer,
    /// The call does nothing, and nobody learns so: [`BackendError::OutcomeUnknown`].
    LosesRequest,
    /// The process dies before the call: it does nothing, and neither does any later one.
    Crashes,
    /// The process dies after the call: it does what it should, and no later one does anything.
    CrashesAfter,
}

impl Fault {
    /// All of them, for those who try each.
    pub const ALL: [Self; 5] =
        [Self::Fails, Self::LosesAnswer, Self::LosesRequest, Self::Crashes, Self::CrashesAfter];
}

/// One call that reached the store, or would have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreCall {
    /// Its number over all objects and packs of the plan, from 1.
    pub number: u64,
    /// The method, such as `create` or `pack finish`.
    pub operation: &'static str,
    /// The key, the prefix of a listing, the name of a pack, or nothing.
    pub key: String,
}

/// Counts every call of the stores that it wraps and makes some of them go wrong.
///
/// Clones are the same plan: one count runs through objects and packs, over all threads. Where
/// calls run at once, their numbers are those of one possible order. Calls after a crash fail and
/// are counted no more: the process that would make them is dead.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: Vec<(u64, Fault)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    crashed: bool,
    trace: Vec<StoreCall>,
}

impl FaultPlan {
    /// Lets every call pass, and counts.
    pub fn none() -> Self {
        Self::default()
    }

    /// Makes call `number`, from 1, go wrong.
    pub fn at(number: u64, fault: Fault) -> Self {
        Self::of(vec![(number, fault)])
    }

    /// Makes two calls go wrong.
    pub fn pair(first: (u64, Fault), second: (u64, Fault)) -> Self {
        Self::of(vec![first, second])
    }

    /// Makes any number of calls go wrong, each as the first of its entries says.
    pub fn of(faults: Vec<(u64, Fault)>) -> Self {
        Self { shared: Arc::new(Shared { faults, state: Mutex::default() }) }
    }

    /// Returns how many calls there were, but for those after a crash.
    pub fn calls(&self) -> u64 {
        self.state().trace.len() as u64
    }

    /// Returns whether a fault of the plan was reached: whether the run was another than without.
    pub fn struck(&self) -> bool {
        let calls = self.calls();
        self.shared.faults.iter().any(|(number, _)| (1..=calls).contains(number))
    }

    /// Returns whether the process that makes the calls counts as dead.
    pub fn crashed(&self) -> bool {
        self.state().crashed
    }

    /// Returns the calls so far, in order.
    pub fn trace(&self) -> Vec<StoreCall> {
        self.state().trace.clone()
    }

    /// Counts a call and says what is to become of it.
    pub(crate) fn begin(
        &self,
        operation: &'static str,
        key: String,
    ) -> Result<Admitted, BackendError> {
        let mut state = self.state();
        if state.crashed {
            return Err(BackendError::failed(InjectedFault::Dead));
        }
        let number = state.trace.len() as u64 + 1;
        state.trace.push(StoreCall { number, operation, key });
        let planned = self.shared.faults.iter().find(|(at, _)| *at == number);
        match planned.map(|(_, fault)| *fault) {
            None => Ok(Admitted { number, fault: None }),
            Some(Fault::Fails) => Err(BackendError::failed(InjectedFault::Failed { number })),
            Some(Fault::LosesRequest) => {
                Err(BackendError::outcome_unknown(InjectedFault::RequestLost { number }))
            }
            Some(Fault::Crashes) => {
                state.crashed = true;
                Err(BackendError::failed(InjectedFault::Crashed { number }))
            }
            Some(fault) => Ok(Admitted { number, fault: Some(fault) }),
        }
    }

    /// Decides what the caller learns of a call that was made.
    pub(crate) fn end<T>(
        &self,
        admitted: Admitted,
        answer: Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let Admitted { number, fault } = admitted;
        match fault {
            Some(Fault::LosesAnswer) => {
                Err(BackendError::outcome_unknown(InjectedFault::AnswerLost { number }))
            }
            Some(Fault::CrashesAfter) => {
                self.state().crashed = true;
                Err(BackendError::outcome_unknown(InjectedFault::Crashed { number }))
            }
            _ => answer,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that the plan lets through, and what is to become of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    number: u64,
    fault: Option<Fault>,
}

/// The source of the errors that a plan makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InjectedFault {
    /// The call was not made.
    #[error("call {number} was made to fail")]
    Failed {
        /// Number of the call, from 1.
        number: u64,
    },
    /// The call was made, and its answer kept back.
    #[error("the answer to call {number} was made to get lost")]
    AnswerLost {
        /// Number of the call, from 1.
        number: u64,
    },
    /// The call was not made, and looks as if it might have been.
    #[error("call {number} was made to get lost")]
    RequestLost {
        /// Number of the call, from 1.
        number: u64,
    },
    /// The process died at this call.
    #[error("crashed at call {number}")]
    Crashed {
        /// Number of the call, from 1.
        number: u64,
    },
    /// The process died earlier.
    #[error("crashed before this call")]
    Dead,
}
