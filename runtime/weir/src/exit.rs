//! Exit codes, after `sysexits.h`.

use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything went well.
    Done,
    /// What was asked for failed.
    Failed,
    /// The command line, the configuration or a file given is wrong.
    Usage,
    /// The server is not there or takes no requests.
    Unavailable,
    /// The API key is missing, wrong, or may not do that.
    NotPermitted,
}

/// The table that `weir --help` shows.
pub(crate) const HELP: &str = "\
Exit codes:
  0   done
  1   what was asked for failed
  64  the command line, the configuration or a given file is wrong
  69  the server cannot be reached or takes no requests
  77  the API key is missing, wrong, or may not do that";

impl Exit {
    /// The code that the process exits with.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::NotPermitted => 77,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
