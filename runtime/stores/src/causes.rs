//! An error with all that caused it, as one line for the log and for health.

/// The error's words and those of its causes.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let words = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    words.collect::<Vec<_>>().join(": ")
}
