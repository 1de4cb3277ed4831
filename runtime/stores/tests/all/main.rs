//! What every store must do, on every back end, and what the store on disk must survive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect should end there"
)]

mod support; // runs, steps and stores to test with
mod conformance; // the meaning of every verb, case by case
mod model; // random verbs against a simple model
mod crowd; // many callers at once
mod crash; // kill -9, and open again
mod disk_trials; // power cuts, and calls that fail
mod backup; // a whole store in one file
mod damage; // torn, missing and changed files
