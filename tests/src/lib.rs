//! What the demo, the scenarios and the benchmarks stand on: an outside system to call, and the real server to call it.

pub mod upstream; // an HTTP service that answers like the random-user API
pub mod preload; // a disk that refuses
pub mod server; // the real binary, serving in a folder of its own
pub mod demo; // the demo's tenant: its plugins, connector, credential and flow
pub mod partner; // the other side of an action that encrypts
pub mod paths; // where things are that were built
