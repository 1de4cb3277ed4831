//! The API as clients see it: a router over the memory store, one tenant with everything, one with nothing.

mod house;

mod definitions;
mod diagnostics;
mod edge;
mod limits;
mod matrix;
mod runs;
mod secrets;
mod tenants;
