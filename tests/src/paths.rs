//! Where things are that were built.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The `weir` binary that was built with this program: beside it, or one folder up from a test.
pub fn weir() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let folders = here.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("weir")).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from("weir"))
}

/// A component that `make guests` built.
pub fn guest(name: &str) -> PathBuf {
    root().join("guest-examples/rust/target/weir").join(format!("{name}.wasm"))
}
