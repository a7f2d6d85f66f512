//! The whole system under faults: a world that can be cut off at any call of its store, actors
//! whose calls are interleaved in every order, and a checker that trusts none of the code it checks.

pub mod checker;

mod making;
mod recording;
mod sending;
mod world;

mod gate;
mod log_world;
mod parking;
mod schedule;

pub use gate::Gate;
pub use log_world::{LogTemplate, LogWorld, run_to_end};
pub use making::anchors;
pub use recording::{Recorder, Recording};
pub use schedule::{Actor, ActorFuture, Bounds, Schedule, explore};
pub use sending::{Expected, Sending};
pub use world::{Process, SimulationError, Template, World};
