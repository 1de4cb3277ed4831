//! Scenarios over the real binary, and what keeps the house tidy.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a scenario that cannot go on has failed"
)]

mod action_services; // plugins for systems that call action services
mod action_answers; // external services that answer badly
mod action_types; // types that an operator adds, and what clients get
mod api; // the API without its command line: answers to good and bad requests
mod backup;
mod background;
mod bad_input;
mod both_providers; // one action, served by a plugin and by an external service
mod command_line;
mod conformance; // vectors
mod connector_tests;
mod deadlines;
mod demo_flow;
mod diagnostics;
mod durability;
mod encrypted_actions;
mod flow_runner;
mod guarantees; // each clause has its test
mod full_disk;
mod expressions; // `weir eval`
mod families;
mod guest_actions; // the guest examples that serve actions
mod hostile_guests;
mod house;
mod identities;
mod prompts;
mod replay; // runs, executed again from their journals
mod real_world; // systems that others have written
mod responses;
mod retention;
mod run_commands;
mod saved_actions;
mod secrets;
mod simple_steps;
mod suspended;
mod templates;
mod tenants;
mod tidy;
mod watching; // live streams of runs
