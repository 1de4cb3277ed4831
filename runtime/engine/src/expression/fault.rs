//! What is wrong with an expression: when it is parsed, and when it is evaluated.

use std::fmt;

use cel::ExecutionError;

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// What is wrong and how to mend it.
    pub message: String,
    /// Where in the expression, in bytes from its start.
    pub offset: usize,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its text.
    pub text: String,
    /// Where it begins, in bytes from the start of the expression.
    pub offset: usize,
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// The expression; its first 200 characters.
    pub expression: String,
    /// What is wrong, as the end of a sentence.
    pub problem: String,
    /// The smallest part that it is wrong with, where that is known.
    pub part: Option<Part>,
}

/// How much of an expression an error tells, in characters.
const SHOWN_CHARS_MAX: usize = 200;

impl EvaluationError {
    pub(super) fn new(expression: &str, problem: impl Into<String>) -> Self {
        let expression = expression.chars().take(SHOWN_CHARS_MAX).collect();
        Self { expression, problem: problem.into(), part: None }
    }

    pub(super) fn in_part(self, part: Part) -> Self {
        Self { part: Some(part), ..self }
    }
}

impl std::error::Error for EvaluationError {}

impl fmt::Display for EvaluationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {}", self.expression, self.problem)?;
        match &self.part {
            Some(part)
                if !self.expression.trim().starts_with(&part.text)
                    || part.text.len() < self.expression.trim().len() =>
            {
                let text: String = part.text.chars().take(SHOWN_CHARS_MAX).collect();
                write!(formatter, " (in `{text}`, from byte {} on)", part.offset + 1)
            }
            _ => Ok(()),
        }
    }
}

/// CEL counts lines and columns from 1.
pub(super) fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let before: usize = source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    (before + usize::try_from(column - 1).unwrap_or(0)).min(source.len())
}

/// An evaluation error in words, without the values that it happened on: they may be personal.
pub(super) fn explain(error: &ExecutionError) -> String {
    use cel::ExecutionError as E;
    match error {
        E::NoSuchKey(key) => format!("reads the field `{key}`, which is not there; test it with has(…) first"),
        E::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("uses `{}` on ({types}), which it is not made for", symbol(overload.function()))
        }
        E::UnsupportedBinaryOperator(operator, left, right) => {
            format!("uses `{operator}` on ({}, {}), which it is not made for", left.type_of(), right.type_of())
        }
        E::UndeclaredReference(name) => format!("calls `{name}`, which is not known"),
        E::ValuesNotComparable(..) => "compares values of types that have no order between them".to_owned(),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "divides by zero".to_owned(),
        E::Overflow(operator, ..) => format!("overflows at `{operator}`"),
        E::IndexOutOfBounds(_) => "reads past the end of a list".to_owned(),
        E::UnexpectedType { got, want } => format!("needs {want}, but got {got}"),
        E::FunctionError { function, message } if message.starts_with("is given") || message.starts_with("gives") => {
            format!("fails, because `{function}` {message}")
        }
        E::FunctionError { function, message } => format!("fails in `{function}`: {message}"),
        E::InvalidArgumentCount { expected, actual } => format!("gives a function {actual} arguments, not {expected}"),
        _ => "cannot be evaluated on these values".to_owned(),
    }
}

/// How an author writes an operator that CEL names `_<_` or `@in`.
pub(super) fn symbol(name: &str) -> &str {
    match name {
        "_[_]" => "[…]",
        other => other.trim_matches(['_', '@']),
    }
}
