//! Runs flows. A flow is a list of steps; a step is, in the main, one connector call between two hooks; what a step
//! learns is committed to the run's context before the next one begins.
//!
//! Invariant: this crate opens no socket, file or sandbox and reads no clock; everything outside is a port.

pub mod engine; // starts runs and drives them
pub mod replay; // executes finished runs again from their journals
mod outside; // what time and chance give a step
mod step; // one attempt of one step: the product's sentence
mod steps; // what each kind of step does
pub mod ports; // what the engine needs from outside
pub mod run; // record, context and journal of a run
pub mod action; // operations and the rules for them
pub mod connector; // what a connector is, and the proof that a request may be sent
pub mod message; // requests and responses
pub mod sensitive; // redaction by name
pub mod expression; // CEL and `${…}`
pub mod schema; // JSON Schemas of tenants, bounded in cost
pub mod flow; // what an author writes, checked and compiled
pub mod catalogue; // what a tenant has
pub mod document; // YAML and JSON with positions, and the faults in them
pub mod duration_text;
pub mod ids;
pub mod digest;
mod left_out; // of documents that say nothing
pub mod time;
