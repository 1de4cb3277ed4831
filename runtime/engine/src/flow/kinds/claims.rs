//! `claims`: typed values of the run's result, and their signature (F-08).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signing::{SignDocument, Signing};
use crate::expression::ValueTemplate;
use crate::flow::compile::{Compiler, Parts};
use crate::flow::model::{StepKind, Target};
use crate::ids::StepId;
use crate::run::{ClaimType, ContextKey};

/// Sets claims of the run's result, and signs them (F-08).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct ClaimsDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// In order; a later claim of the same key replaces an earlier one. May be empty where the step signs.
    pub claims: Vec<ClaimDocument>,
    /// Signs all claims that the run has then as a JWT: at `steps.ID.jwt`, and in the run's result.
    #[serde(default)]
    pub sign: Option<SignDocument>,
    /// The next step, or `end`.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step after a value that cannot be had or is of another type, or a signature that cannot be made.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// One claim.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::flow) struct ClaimDocument {
    /// Its name, often a URI; 1 to 256 characters.
    pub key: String,
    /// The type that the value must have.
    #[serde(rename = "type")]
    pub kind: ClaimType,
    /// A template.
    pub value: Value,
}

/// Claims, compiled.
#[derive(Debug)]
pub struct ClaimsStep {
    /// In order.
    pub claims: Vec<ClaimTemplate>,
    /// How they are signed.
    pub sign: Option<Box<Signing>>,
}

/// One claim.
#[derive(Debug)]
pub struct ClaimTemplate {
    /// Its name.
    pub key: String,
    /// Where it lands in the context.
    pub context_key: ContextKey,
    /// The type that the value must have.
    pub kind: ClaimType,
    /// Its value.
    pub value: ValueTemplate,
}

impl Compiler<'_> {
    pub(in crate::flow) fn claims(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: ClaimsDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/claims");
        if !(it.claims.is_empty() && it.sign.is_some()) {
            self.bound(&at, it.claims.len())?;
        }
        let claims: Vec<Option<ClaimTemplate>> = it
            .claims
            .into_iter()
            .enumerate()
            .map(|(index, claim)| self.claim(&format!("{at}/{index}"), claim))
            .collect();
        let sign = it.sign.map(|sign| self.signing(&format!("{pointer}/sign"), sign));
        let transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        let claims = claims.into_iter().collect::<Option<Vec<_>>>()?;
        let sign = match sign {
            Some(sign) => Some(Box::new(sign?)),
            None => None,
        };
        Some((it.id, StepKind::Claims(ClaimsStep { claims, sign }), transitions))
    }

    fn claim(&mut self, pointer: &str, claim: ClaimDocument) -> Option<ClaimTemplate> {
        let context_key = ContextKey::claim(&claim.key);
        if context_key.is_err() {
            let message = "a claim's key has 1 to 256 bytes and no control characters";
            self.error(&format!("{pointer}/key"), "flow.claim-key", message);
        }
        let value = self.values(&format!("{pointer}/value"), &claim.value)?;
        Some(ClaimTemplate { key: claim.key, context_key: context_key.ok()?, kind: claim.kind, value })
    }
}
