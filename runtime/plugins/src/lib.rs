//! Runs untrusted code. A plugin is a Wasm component; a hook is one of its exported functions; an invocation is one
//! call of a hook in an instance of its own.
//!
//! Invariants: this is the only crate that names wasmtime. A guest can fail, never panic us. Nothing of one invocation
//! reaches another. Nothing is compiled in the serving process, and no compiled code is taken from outside.

mod host; // the port `Plugins`, and what the service asks besides
mod settings;
mod upload; // what an upload is, found out without running or compiling it
mod compile; // a child process that compiles, and the cache of what it made
mod engine; // one wasmtime engine for everything
mod library; // plugins that are loaded
mod turns; // how many invocations run at once
mod invoke; // one invocation from start to report

pub use self::compile::{COMPILE_VERB, CompileError, CompileProgram, compile_child};
pub use self::engine::SetupError;
pub use self::host::{Components, ComponentsError, PluginHost, PrepareError};
pub use self::settings::{Allocator, CompileSettings, HostSettings, PoolSettings};
pub use self::upload::{Inspection, TypeMismatch, UploadError, validate};
