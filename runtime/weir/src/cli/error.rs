//! Why a command failed, in words for the person who gave it.

use crate::client::ClientError;
use crate::exit::Exit;

/// A message and how the process ends.
#[derive(Debug)]
pub(super) struct CliError {
    pub(super) exit: Exit,
    pub(super) message: String,
}

impl CliError {
    /// What was asked for failed.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into() }
    }

    /// The command line or a file given is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// An error with its causes, one a line.
    pub(super) fn of(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let causes = std::iter::successors(error.source(), |error| error.source());
        for cause in causes {
            message.push_str(&format!("\n  because: {cause}"));
        }
        Self { exit, message }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::of(error.exit(), &error)
    }
}

/// Reads a file, or standard input for `-`.
pub(super) fn read_text(path: &str) -> Result<String, CliError> {
    let read = if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    read.map_err(|error| CliError::usage(format!("`{path}` cannot be read: {error}")))
}
