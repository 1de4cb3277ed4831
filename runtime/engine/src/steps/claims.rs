//! Claims: typed values of the run's result (F-08).

use serde_json::{Value, json};

use super::signing;
use crate::expression::{EvaluationError, weight};
use crate::flow::{ClaimTemplate, ClaimsStep};
use crate::run::{Claim, ClaimRecord, ClaimType, ContextChange, ContextKey, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

pub(crate) async fn run_claims(attempt: &Attempt<'_>, step: &ClaimsStep) -> Done {
    let mut record = ClaimRecord { claims: Vec::new(), signed: None };
    let (way, changes) = match set(attempt, step, &mut record).await {
        Ok(changes) => (Way::Next, changes),
        Err(error) => (Way::Error(error), Vec::new()),
    };
    Done { record: StepRecord::Claims(record), way, changes }
}

/// What the step changes; its record has the claims only where all of them could be had.
async fn set(
    attempt: &Attempt<'_>,
    step: &ClaimsStep,
    record: &mut ClaimRecord,
) -> Result<Vec<ContextChange>, StepError> {
    let claims = step.claims.iter().map(|template| claim(attempt, template)).collect::<Result<Vec<Claim>, _>>()?;
    let set = step.claims.iter().zip(&claims);
    let change = |(template, claim): (&ClaimTemplate, &Claim)| ContextChange {
        key: template.context_key.clone(),
        value: claim.value.clone(),
    };
    let mut changes: Vec<ContextChange> = set.map(change).collect();
    record.claims = claims;
    if let Some(signing) = &step.sign {
        let signed = signing::sign(attempt, signing, &changes).await?;
        changes.push(ContextChange { key: ContextKey::step(&attempt.step.id), value: json!({ "jwt": signed.jwt }) });
        record.signed = Some(signed);
    }
    Ok(changes)
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
