//! `fail` ends the run with words for the end user.

use crate::expression::{EvaluationError, Template, to_text};
use crate::message::Failure;
use crate::run::StepRecord;
use crate::step::{Attempt, Done, Way};

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 100;

/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

pub(crate) fn run_fail(attempt: &Attempt<'_>, reason: &Template, description: Option<&Template>) -> Done {
    let way = match failure(attempt, reason, description) {
        Ok(failure) => Way::Failure(failure),
        Err(error) => Way::Error(error.into()),
    };
    Done { record: StepRecord::Fail, way, changes: Vec::new() }
}

fn failure(
    attempt: &Attempt<'_>,
    reason: &Template,
    description: Option<&Template>,
) -> Result<Failure, EvaluationError> {
    let text = |template: &Template, most: usize| -> Result<String, EvaluationError> {
        Ok(to_text(&template.evaluate(&attempt.scope)?).chars().take(most).collect())
    };
    let description = description.map(|template| text(template, DESCRIPTION_CHARS_MAX)).transpose()?;
    Ok(Failure { reason: text(reason, REASON_CHARS_MAX)?, description })
}
