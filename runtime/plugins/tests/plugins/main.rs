//! The plugin host at its boundary: uploads, compilation, invocations, and guests that mean harm.
#![cfg(test)]

mod guests; // small guests, built from core WAT
mod host; // a host to run them on
mod uploads; // what is accepted, and what is said to the rest
mod compiling; // the child process and the cache
mod hostile; // guests that mean harm, one limit each
mod decisions; // what guests may decide
mod granted; // calls of connectors, and logs
mod isolation; // nothing passes from one invocation to another
mod wasi; // WASI with nothing behind it
mod fuzz; // bytes that nobody meant
