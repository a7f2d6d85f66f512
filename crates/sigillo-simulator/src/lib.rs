//! The whole system under faults: a world that can be cut off at any call of its store, actors
//! whose calls are interleaved in every order, and a checker that trusts none of the code it checks.

pub mod checker;

mod recording;
mod world;

pub use recording::{Recorder, Recording};
pub use world::{SimulationError, Template, World};
