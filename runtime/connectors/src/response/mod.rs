//! What a function makes of a response (C-12 to C-15): parse, schema, transformation. The order is the engine's.

mod compile;

use serde_json::{Value, json};
use weir_engine::connector::{PermittedRequest, ResponseSettings};
use weir_engine::expression::{Expression, RESPONSE_ROOT, Scope};
use weir_engine::message::Response;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind as Kind, ReadResponse};
use weir_engine::schema::Schema;

use crate::error::error;
use crate::format::{self, Limits};

/// The schemas and the expression of one function, ready for use.
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    schema: Option<Schema>,
    expression: Option<Expression>,
    transformed_schema: Option<Schema>,
}

/// A response, and what it answers.
pub(crate) struct Received<'a> {
    pub(crate) request: &'a PermittedRequest,
    pub(crate) response: &'a Response,
    pub(crate) limits: Limits,
}

impl Received<'_> {
    fn settings(&self) -> &ResponseSettings {
        &self.request.function().response
    }

    fn status_is_valid(&self) -> bool {
        self.settings().valid_statuses.contains(self.response.status)
    }

    /// The body as its format has it. A refusal often has a body of another format: it is text then.
    fn body(&self) -> Result<Value, ConnectorError> {
        match format::parse(self.request, self.response, self.limits) {
            Ok(body) => Ok(body),
            Err(problem) if self.status_is_valid() => Err(error(Kind::InvalidBody, problem)),
            Err(_) => Ok(Value::String(String::from_utf8_lossy(self.response.body.as_slice()).into_owned())),
        }
    }
}

impl ResponseReader {
    /// The transformation.
    pub(crate) fn expression(&self) -> Option<&Expression> {
        self.expression.as_ref()
    }

    /// See [`weir_engine::ports::Connectors::read_response`].
    pub(crate) fn read(&self, received: &Received<'_>, elapsed_us: u64) -> Result<ReadResponse, ConnectorError> {
        let body = received.body()?;
        if !received.status_is_valid() {
            return Ok(ReadResponse { body, transformed_data: None });
        }
        // No schema is about a body that HTTP does not give.
        if let Some(schema) = self.schema.as_ref().filter(|_| !format::has_no_body(received.request, received.response))
        {
            fulfils(schema, &body, "the body does not fulfil the function's `response.schema`")?;
        }
        let wanted = self.expression.as_ref().filter(|_| received.response.transformed_data.is_none());
        let Some(expression) = wanted else { return Ok(ReadResponse { body, transformed_data: None }) };
        let transformed = transform(expression, received, &body, elapsed_us)?;
        Ok(ReadResponse { body, transformed_data: Some(transformed) })
    }

    /// See [`weir_engine::ports::Connectors::conclude_response`].
    pub(crate) fn conclude(&self, received: &Received<'_>, body: Option<Value>) -> Result<Value, ConnectorError> {
        if let Some(schema) = self.transformed_schema.as_ref().filter(|_| received.status_is_valid()) {
            let transformed = received.response.transformed_data.as_ref().unwrap_or(&Value::Null);
            let what = "`transformed_data` does not fulfil the function's `response.transformation.schema`";
            fulfils(schema, transformed, what)?;
        }
        body.map_or_else(|| received.body(), Ok)
    }
}

fn transform(
    expression: &Expression,
    received: &Received<'_>,
    body: &Value,
    elapsed_us: u64,
) -> Result<Value, ConnectorError> {
    let seen = json!({
        "status": received.response.status,
        "headers": received.response.headers_json(),
        "body": body,
        "elapsed_ms": elapsed_us / 1000,
    });
    let scope = Scope::new([(RESPONSE_ROOT, seen), ("args", received.request.arguments().clone())]);
    let told = |problem| error(Kind::Transformation, format!("the function's `response.transformation`: {problem}"));
    expression.evaluate(&scope).map_err(told)
}

fn fulfils(schema: &Schema, value: &Value, otherwise: &str) -> Result<(), ConnectorError> {
    let violations = schema.violations(value);
    if violations.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    Err(error(Kind::ResponseSchema, format!("{otherwise}: {}", told.join("; "))))
}
