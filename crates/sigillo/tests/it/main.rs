//! Tests of the program from outside: every command as a user runs it, on folders of their own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]
#![expect(clippy::print_stdout, reason = "a test that is left out says so")]

mod program;

mod bad_input;
mod changing;

mod judge;
mod killing;

mod damage;
mod left_out;
mod lines;
mod revoking;
mod rollback;
mod submissions;
mod tampering;

mod doctor;
mod evidence_records;
mod filling;
mod finding;
mod forging;
mod giving_back;
mod hash_families;
mod hash_trees;
mod hostile;
mod identity;
mod impostors;
mod interrupting;
mod newcomer;
mod object_store;
mod periods;
mod personal;
mod printing;
mod proving;
mod receipts;
mod reference;
mod refusals;
mod remembering;
mod renewing;
mod renewing_lost;
mod requiring;
mod rotating;
mod schemas;
mod sealing_later;
mod stating;
mod succeeding;
mod succeeding_again;
mod succeeding_border;
mod succeeding_forged;
mod sweeping;
mod texts;
mod time_stamping;
mod together;
mod tour;
mod trees_left_out;
mod trees_revoked;
mod trusted_lists;
mod versions;
mod witnessing;
