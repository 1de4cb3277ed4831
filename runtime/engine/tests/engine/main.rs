//! The engine over the memory store, with plugins and outside systems that do what a test says.

mod actions;
mod calls;
mod house;
mod lifecycle;
mod recovery;
