//! Backups that are being made when the server is killed: one that has its name is whole, and one that broke off has
//! none.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use weir_tests::paths;
use weir_tests::server::Server;

/// A `weir backup` at work.
pub(crate) struct Backup {
    child: Child,
    file: PathBuf,
}

impl Backup {
    pub(crate) fn begin(folder: &Path, server: &Server) -> Self {
        let file = folder.join("trial.backup");
        let child = Command::new(paths::weir())
            .arg("backup")
            .arg(&file)
            .env("WEIR_URL", &server.url)
            .env("WEIR_API_KEY_FILE", server.operator_key())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, file }
    }

    /// Whether it is not done yet.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.file.exists()
    }

    /// Waits for its end, and looks at what it left.
    pub(crate) fn end(self) -> Result<(), String> {
        let output = self.child.wait_with_output().unwrap();
        if !output.status.success() {
            return match self.file.exists() {
                true => Err(format!("a backup that broke off has its name: {}", said(&output))),
                false => Ok(()),
            };
        }
        let verified = Command::new(paths::weir()).args(["restore", "--verify"]).arg(&self.file).output().unwrap();
        std::fs::remove_file(&self.file).unwrap();
        match verified.status.success() {
            true => Ok(()),
            false => Err(format!("a backup that was made is not whole: {}", said(&verified))),
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}
