//! Tests of the store from outside: every backend against one contract, stores that lie, answers
//! that get lost, folders with strange things in them, and packs as other people's tools see them.

mod support;

mod answers;
mod contract;
mod doubts;
mod folders;
mod lies;

mod malformed;
mod outsiders;
mod packs;

mod services;
