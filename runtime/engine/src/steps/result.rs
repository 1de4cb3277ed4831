//! What a call's response becomes (C-12 to C-15, C-17).
//!
//! Parse → schema → transformation (an expression, or a plugin's hook) → the step's own post-response hooks → schema
//! of `transformed_data` → context. Without schema and expression the body is parsed after the hooks, so that a hook
//! may mend one that is not of its format.

use serde_json::{Value, json};

use crate::connector::{PermittedRequest, ResponseSettings};
use crate::expression::{ValueTemplate, weight};
use crate::flow::HookUse;
use crate::message::Response;
use crate::run::StepError;
use crate::step::Attempt;

/// The reading of one response.
pub(super) struct Reading<'a> {
    attempt: &'a Attempt<'a>,
    permitted: &'a PermittedRequest,
    elapsed_us: u64,
    /// What was read, and its body: most hooks leave it as it is.
    read: Option<(Response, Value)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(attempt: &'a Attempt<'a>, permitted: &'a PermittedRequest, elapsed_us: u64) -> Self {
        Self { attempt, permitted, elapsed_us, read: None }
    }

    fn settings(&self) -> &ResponseSettings {
        &self.permitted.function().response
    }

    /// The plugin's hook that makes `transformed_data`, where the function names one. It sees no input and may call
    /// nothing: what it does belongs to the connector, whatever flow calls it.
    pub(super) fn transforming_hook(&self, response: &Response) -> Option<HookUse> {
        let transformation = self.settings().transformation.as_ref()?;
        let plugin = transformation.plugin.clone()?;
        let wanted = self.settings().valid_statuses.contains(response.status) && response.transformed_data.is_none();
        wanted.then(|| HookUse {
            plugin,
            input: ValueTemplate::Literal(Value::Null),
            config: transformation.config.clone(),
            grants: Vec::new(),
            limits: None,
        })
    }

    /// Reads the response before the hooks, where there is a reason to.
    pub(super) async fn begin(&mut self, mut response: Response, hooks_follow: bool) -> Result<Response, StepError> {
        let settings = self.settings();
        let expression = settings.transformation.as_ref().and_then(|it| it.expression.as_ref());
        if hooks_follow && settings.schema.is_none() && expression.is_none() {
            return Ok(response);
        }
        let connectors = &self.attempt.ports.connectors;
        let read = connectors.read_response(self.permitted, &response, self.elapsed_us).await?;
        self.read = Some((Response { transformed_data: None, ..response.clone() }, read.body));
        if let Some(data) = read.transformed_data {
            self.attempt.keep(weight(&data))?;
            response.transformed_data = Some(data);
        }
        Ok(response)
    }

    /// What goes into the context of the response that the hooks left (C-17), and whether its status is accepted
    /// (C-12): hooks may have changed it.
    pub(super) async fn conclude(self, response: &Response) -> Result<(Value, bool), StepError> {
        let settings = &self.permitted.function().response;
        let accepted = settings.valid_statuses.contains(response.status) || !settings.fail_on_invalid_status;
        let unchanged = |read: &Response| {
            (read.status, &read.headers, &read.body) == (response.status, &response.headers, &response.body)
        };
        let known = self.read.filter(|(read, _)| unchanged(read)).map(|(_, body)| body);
        let body = self.attempt.ports.connectors.conclude_response(self.permitted, response, known).await?;
        let value = json!({
            "status": response.status,
            "headers": response.headers_json(),
            "body": body,
            "transformed_data": response.transformed_data,
            "elapsed_ms": self.elapsed_us / 1000,
        });
        Ok((value, accepted))
    }
}
