//! What the compiling child is asked: one line of JSON on its standard input, then the component to the end.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::Shape;

/// The first line of the child's standard input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompileRequest {
    /// The engine to compile for.
    pub(super) shape: Shape,
    /// Processor time, in seconds.
    pub(super) cpu_seconds: u64,
    /// Address space, in bytes.
    pub(super) memory_bytes: u64,
    /// Largest compiled file, in bytes.
    pub(super) artifact_bytes_max: u64,
    /// Where the compiled file goes.
    pub(super) output: PathBuf,
}

/// The compiled file is written.
pub(super) const EXIT_DONE: u8 = 0;
/// The request itself is wrong: another version of the program, or a full disk. The reason is on standard error.
pub(super) const EXIT_HOST: u8 = 70;
/// The component does not compile. The reason is on standard error.
pub(super) const EXIT_REFUSED: u8 = 65;
