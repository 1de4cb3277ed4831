//! A disk that refuses: a library that is preloaded into a server or a command and stands between it and its files. The
//! same that the trials of the store use.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::paths;

/// The compiled library.
pub struct Preload(PathBuf);

impl Preload {
    /// Compiles it into a folder, with `CC` or `cc`.
    ///
    /// # Errors
    /// It does not compile, or there is no compiler.
    pub fn compile(scratch: &Path) -> anyhow::Result<Self> {
        let library = scratch.join("preload.so");
        let source = paths::root().join("runtime/stores/tests/all/disk_trials/preload.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let made = Command::new(compiler).args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status()?;
        if !made.success() {
            bail!("the library does not compile");
        }
        Ok(Self(library))
    }

    /// The variables for a process of whose calls those below `root` go through the library.
    pub fn variables(&self, root: &Path) -> Vec<(String, String)> {
        let text = |path: &Path| path.display().to_string();
        vec![("LD_PRELOAD".to_owned(), text(&self.0)), ("DISK_TRIAL_ROOT".to_owned(), text(root))]
    }
}
