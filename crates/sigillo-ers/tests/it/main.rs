//! Tests of the evidence crate from outside: laws, round trips, forgeries, outside judges.

mod forge;
mod world;

mod algorithms;
mod bearing;
mod filled;
mod flips;
mod listed;
mod outside;
mod paths;
mod records;
mod refusals;
mod revocation_limits;
mod revocations;
mod revocations_anchored;
mod revocations_left_out;
mod revocations_outlived;
mod revocations_several;
mod revocations_shared;
mod round_trip;
mod seals;
mod sixty_years;
mod tree;
mod vectors;
