//! The API as clients see it: a router over the memory store, one tenant with everything, one with nothing.

mod house;
mod begun_runs;

mod connector_tests;
mod action_services;
mod actions;
mod background_calls;
mod backup;
mod definitions;
mod diagnostics;
mod edge;
mod hidden;
mod identities;
mod limits;
mod matrix;
mod prompts;
mod runs;
mod secrets;
mod tenants;
