//! What the demo, the scenarios and the benchmarks stand on: an outside system to call, and the real server to call it.

pub mod upstream; // an HTTP service that answers like the random-user API
pub mod paths; // where things are that were built
