//! What a vector comes to.

use std::fmt::Debug;

/// What a vector comes to, and why.
#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// The check of one expectation: `Err` with what was seen instead.
pub(crate) type Check = anyhow::Result<()>;

/// Both are the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, seen: &T, expected: &T) -> Check {
    anyhow::ensure!(seen == expected, "{what} is {seen:?} instead of {expected:?}");
    Ok(())
}

/// It holds.
pub(crate) fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> Check {
    anyhow::ensure!(condition, "{}", otherwise());
    Ok(())
}

/// An expectation whose words no runner knows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoSuchRule(pub(crate) String);

/// Skips the vector: nobody here knows what these words ask for.
pub(crate) fn unknown_rule(rule: &str) -> anyhow::Error {
    NoSuchRule(format!("no check knows the rule `{rule}`")).into()
}

impl From<Check> for Verdict {
    fn from(check: Check) -> Self {
        match check {
            Ok(()) => Self::Passed,
            Err(error) if error.is::<NoSuchRule>() => Self::Skipped(error.to_string()),
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }
}
