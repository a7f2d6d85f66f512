//! The whole system cut off at every call of its store, and the controls that must fail.

mod controls;
mod family_faults;
mod faults;
mod ingests;
mod model;
mod operations;
mod rehash_faults;
mod sixty_years;
mod support;
mod sweeping;
