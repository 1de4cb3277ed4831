//! What the demo and the scenarios stand on: an outside system to call, and the real server to call it.

pub mod upstream; // an HTTP service that answers like the random-user API
