//! One invocation: a fresh store and instance, one call of one hook, a report, and everything dropped (P-04).

pub(crate) mod bindings; // `wit/` as Rust types
mod limiter; // memory and tables
mod log; // what the guest says
mod random; // randomness that a seed decides
mod wasi; // WASI with nothing behind it
mod state; // what a store holds
mod imports; // the contract's imports
mod to_guest; // our types in the contract's
mod from_guest; // the contract's types in ours, checked
mod hook; // the three hooks
mod failure; // what ended an invocation, in words
mod run; // from start to report

pub(crate) use self::hook::{Action, Hook, Hooks, PostResponse, PreCall};
pub(crate) use self::imports::linker;
pub(crate) use self::run::{Start, failed, run};
pub(crate) use self::state::HostState;
