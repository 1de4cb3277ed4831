//! The engine over the memory store, with plugins and outside systems that do what a test says.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot go on has failed the test"
)]

mod action_entries;
mod action_events;
mod actions;
mod background;
mod bounded_families;
mod calls;
mod cancelling;
mod children;
mod compensations;
mod diagnostics;
mod encrypted_actions;
mod dying_store;
mod families_after_crashes;
mod house;
mod lifecycle;
mod model;
mod prompts;
mod responses;
mod recovery;
mod replay_rows;
mod replays;
mod retries;
mod retention;
mod rounds;
mod saved_actions;
mod signed_claims;
mod simple_steps;
mod suspended;
mod tried_calls;
mod unreadable;
mod waiting_families;
