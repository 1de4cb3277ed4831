//! Claims: typed values of the run's result (F-08).

use serde_json::Value;

use crate::expression::{EvaluationError, weight};
use crate::flow::ClaimTemplate;
use crate::run::{Claim, ClaimRecord, ClaimType, ContextChange, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

pub(crate) fn run_claims(attempt: &Attempt<'_>, templates: &[ClaimTemplate]) -> Done {
    let evaluated: Result<Vec<Claim>, StepError> = templates.iter().map(|template| claim(attempt, template)).collect();
    match evaluated {
        Ok(claims) => {
            let changes = templates
                .iter()
                .zip(&claims)
                .map(|(template, claim)| ContextChange {
                    key: template.context_key.clone(),
                    value: claim.value.clone(),
                })
                .collect();
            Done { record: StepRecord::Claims(ClaimRecord { claims }), way: Way::Next, changes }
        }
        Err(error) => {
            let record = StepRecord::Claims(ClaimRecord { claims: Vec::new() });
            Done { record, way: Way::Error(error), changes: Vec::new() }
        }
    }
}

fn claim(attempt: &Attempt<'_>, template: &ClaimTemplate) -> Result<Claim, StepError> {
    let value = template.value.evaluate(&attempt.scope).map_err(|error: EvaluationError| StepError::from(error))?;
    attempt.keep(weight(&value))?;
    if !template.kind.accepts(&value) {
        let message = format!("the value of claim `{}` is not of its type `{}`", template.key, template.kind.as_str());
        return Err(step_error("flow.claim-type", message));
    }
    Ok(Claim { key: template.key.clone(), value })
}

impl ClaimType {
    /// Whether a value is of this type.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Dynamic => true,
        }
    }

    /// The name as documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
            Self::Dynamic => "dynamic",
        }
    }
}
