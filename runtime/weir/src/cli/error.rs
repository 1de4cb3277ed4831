//! Why a command failed, in words for the person who gave it.

use serde_json::{Value, json};

use crate::client::ClientError;
use crate::exit::Exit;

/// A message and how the process ends.
#[derive(Debug)]
pub(super) struct CliError {
    pub(super) exit: Exit,
    pub(super) message: String,
    /// What a program may read of it: the problem as the server told it, or as much of one as is known here.
    problem: Option<Value>,
}

impl CliError {
    /// A message and how the process ends.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), problem: None }
    }

    /// What was asked for failed.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command line or a file given is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An error with its causes, one a line.
    pub(super) fn of(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let causes = std::iter::successors(error.source(), |error| error.source());
        for cause in causes {
            message.push_str(&format!("\n  because: {cause}"));
        }
        Self::new(exit, message)
    }

    /// The same with a stable code.
    pub(super) fn with_code(mut self, code: &str) -> Self {
        self.message.push_str(&format!("\n  (`weir explain {code}` tells more)"));
        self.with_problem(json!({ "code": code }))
    }

    /// The same with what a program may read of it.
    pub(super) fn with_problem(self, problem: Value) -> Self {
        Self { problem: Some(problem), ..self }
    }

    /// For programs, on one line: `{"error": {"exit_code": …, "message": …, "problem": …}}`.
    pub(super) fn json(&self) -> Value {
        let mut error = json!({ "exit_code": self.exit.number(), "message": self.message });
        if let (Some(problem), Some(members)) = (&self.problem, error.as_object_mut()) {
            members.insert("problem".to_owned(), problem.clone());
        }
        json!({ "error": error })
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let told = Self::of(error.exit(), &error);
        match error {
            ClientError::Problem(problem) => match serde_json::to_value(problem) {
                Ok(problem) => told.with_problem(problem),
                Err(_) => told,
            },
            _ => told,
        }
    }
}

/// Reads a file, or standard input for `-`.
pub(super) fn read_text(path: &str) -> Result<String, CliError> {
    let read = if path == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    read.map_err(|error| CliError::usage(format!("`{path}` cannot be read: {error}")))
}
