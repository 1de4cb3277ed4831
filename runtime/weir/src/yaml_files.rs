//! Folders of YAML files that operators fill.

use std::fs::DirEntry;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use weir_engine::document::{Fault, Faults};

/// The YAML files of a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_yaml =
        |entry: &DirEntry| entry.path().extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(Result::ok).filter(is_yaml).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// The text of a file of at most so many bytes.
///
/// # Errors
/// It cannot be read, is no text, or is larger.
pub(crate) fn text_of(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Each fault in a line of the log, with its place. `what` is what the file should hold, such as `a template`.
pub(crate) fn report(path: &Path, what: &str, faults: &Faults) {
    for Fault { line, column, code, message, .. } in &faults.0 {
        tracing::warn!(file = %path.display(), line, column, code, "{what} has a fault: {message}");
    }
}
