//! Compilation, apart from the serving process: Cranelift on hostile input is outside of wasmtime's security promise,
//! and takes as long as it takes (P-03, S-02).

mod request; // what the child is asked, over its standard input
mod child; // the compiling process
mod compiler; // starts it, waits, and says what went wrong
mod cache; // what it made, kept on disk

pub use self::child::compile_child;
pub use self::compiler::{COMPILE_VERB, CompileError, CompileProgram};

pub(crate) use self::cache::Cache;
pub(crate) use self::compiler::Compiler;
