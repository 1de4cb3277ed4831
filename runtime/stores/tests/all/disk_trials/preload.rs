//! Lets the child work behind `preload.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiled library.
pub(super) struct Preload(PathBuf);

impl Preload {
    pub(super) fn compile(scratch: &Path) -> Self {
        let library = scratch.join("preload.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/disk_trials/preload.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let made = Command::new(compiler).args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(made.unwrap().success(), "the library does not compile");
        Self(library)
    }

    /// Runs the child to its end, in a new folder.
    pub(super) fn run(&self, root: &Path, acks: &Path, variables: &[(&str, &str)]) {
        self.run_child("disk_trials::child", root, acks, variables);
    }

    /// The same with another child than the one that works.
    pub(super) fn run_child(&self, child: &str, root: &Path, acks: &Path, variables: &[(&str, &str)]) {
        fs::create_dir(root).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child, "--test-threads=1", "--nocapture"])
            .env(super::DIR, root)
            .env(super::ACKS, acks)
            .env("LD_PRELOAD", &self.0)
            .env("DISK_TRIAL_ROOT", root)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&said));
    }
}
