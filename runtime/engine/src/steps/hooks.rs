//! What all hooks have in common: their invocation, and the calls that they may make.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::Value;

use crate::connector::PermittedRequest;
use crate::engine::Trouble;
use crate::expression::Scope;
use crate::flow::{FunctionRef, HookUse};
use crate::ids::{ConnectorName, FunctionName};
use crate::message::Response;
use crate::ports::{
    CallContext, CallError, CallErrorKind, ConnectorError, ConnectorErrorKind, GrantedCalls, HookError, Invocation,
};
use crate::run::{GrantedCallRecord, StepError};
use crate::step::{Attempt, step_error};

/// One use of a hook, ready to run.
pub(crate) struct Prepared<'a> {
    pub(crate) invocation: Invocation,
    pub(crate) calls: StepCalls<'a>,
}

/// Resolves the plugin and evaluates the input of a hook. `place` tells the hooks of a step apart.
pub(crate) async fn prepare<'a>(
    attempt: &'a Attempt<'a>,
    hook: &'a HookUse,
    place: &str,
) -> Result<Prepared<'a>, Trouble> {
    prepare_over(attempt, hook, place, attempt.hook_scope().await?).await
}

/// The same with the input made of another scope.
pub(crate) async fn prepare_over<'a>(
    attempt: &'a Attempt<'a>,
    hook: &'a HookUse,
    place: &str,
    scope: &Scope,
) -> Result<Prepared<'a>, Trouble> {
    let plugin =
        attempt.ports.definitions.plugin(&attempt.run.tenant, &hook.plugin, attempt.outside.versions()).await?;
    let input = hook.input.evaluate(scope).map_err(StepError::from)?;
    let key = attempt.idempotency_key(&format!(".{place}"));
    let mut limits = hook.limits.unwrap_or_default().at_most(attempt.outside.limits(&attempt.ports.limits));
    let left = u64::try_from(attempt.budget().as_millis()).unwrap_or(u64::MAX);
    limits.time_ms = limits.time_ms.min(left.max(1));
    let invocation = Invocation {
        plugin,
        tenant: attempt.run.tenant.clone(),
        flow: attempt.run.flow.clone(),
        flow_version: attempt.run.flow_version,
        run: attempt.run.id,
        step: attempt.step.id.clone(),
        request_id: attempt.outside.request_id(place),
        started_at: attempt.outside.now(place),
        seed: seed_of(&key),
        input,
        config: hook.config.clone(),
        limits,
    };
    let calls = StepCalls { attempt, grants: &hook.grants, place: place.to_owned(), key, made: Mutex::new(Vec::new()) };
    Ok(Prepared { invocation, calls })
}

/// The same place of the same run has the same randomness, also when the step is run again after a crash.
fn seed_of(key: &str) -> u64 {
    let digest = crate::digest::Digest::of(key.as_bytes());
    digest.as_bytes().iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

impl From<HookError> for StepError {
    fn from(error: HookError) -> Self {
        Self { code: error.kind.code().to_owned(), message: error.message, detail: error.detail }
    }
}

impl From<ConnectorError> for StepError {
    fn from(error: ConnectorError) -> Self {
        step_error(error.kind.code(), error.message)
    }
}

/// The calls that one hook makes through the import `connectors`.
pub(crate) struct StepCalls<'a> {
    attempt: &'a Attempt<'a>,
    grants: &'a [FunctionRef],
    place: String,
    key: String,
    made: Mutex<Vec<GrantedCallRecord>>,
}

impl StepCalls<'_> {
    /// The calls that were made, in order.
    pub(crate) fn into_made(self) -> Vec<GrantedCallRecord> {
        self.made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn make(&self, record: &mut GrantedCallRecord) -> Result<Response, CallError> {
        let wanted = FunctionRef { connector: record.connector.clone(), function: record.function.clone() };
        let wanted = &wanted;
        if !self.grants.contains(wanted) {
            let message = format!("the step grants no call of `{wanted}`; add it to the hook's `grants`");
            return Err(CallError { kind: CallErrorKind::NotGranted, message });
        }
        let Value::Object(arguments) = &record.arguments else {
            let message = "the arguments must be a JSON object".to_owned();
            return Err(CallError { kind: CallErrorKind::InvalidArguments, message });
        };
        let (ports, tenant) = (self.attempt.ports, &self.attempt.run.tenant);
        let refused = |error: StepError| CallError { kind: CallErrorKind::Refused, message: error.message };
        let connector = self.attempt.connector(&wanted.connector).await.map_err(|trouble| {
            refused(match trouble {
                Trouble::Step(error) => error,
                Trouble::Store(error) => step_error(error.code(), error),
            })
        })?;
        record.connector_version = connector.version;
        let bound = ports.connectors.bind(&connector, &wanted.function, arguments, &self.attempt.scope);
        let bound = bound.inspect_err(|error| self.attempt.log_unbound(&connector, &wanted.function, error));
        let bound = bound.map_err(call_error)?;
        let request = bound.request().clone();
        let permitted: PermittedRequest = bound.permit(request).map_err(|error| refused(step_error("", error)))?;
        let number = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len();
        let context = CallContext {
            tenant: tenant.clone(),
            request_id: self.attempt.outside.request_id(&format!("{}.{number}", self.place)),
            idempotency_key: format!("{}.{number}", self.key),
            budget: self.attempt.budget(),
            attempts: crate::ports::Attempts::OfFunction,
        };
        record.sent_request = Some(permitted.request().clone());
        record.idempotency_key = Some(context.idempotency_key.clone());
        self.attempt.log_request(&context, &permitted).await;
        let exchange = ports.connectors.send(&context, &permitted).await;
        self.attempt.log_exchange(&context, &permitted, &exchange).await;
        let outcome = exchange.outcome.clone();
        record.exchange = Some(exchange);
        let response = outcome.map_err(call_error)?;
        self.attempt.keep(response.body.len()).map_err(refused)?;
        Ok(response)
    }
}

#[async_trait]
impl GrantedCalls for StepCalls<'_> {
    async fn call(
        &self,
        connector: &ConnectorName,
        function: &FunctionName,
        arguments: Value,
    ) -> Result<Response, CallError> {
        let mut record = GrantedCallRecord {
            connector: connector.clone(),
            function: function.clone(),
            arguments,
            connector_version: 0,
            sent_request: None,
            idempotency_key: None,
            exchange: None,
            outcome: Err(CallError { kind: CallErrorKind::Unreachable, message: String::new() }),
        };
        let outcome = self.make(&mut record).await;
        record.outcome = outcome.clone();
        self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(record);
        outcome
    }
}

fn call_error(error: ConnectorError) -> CallError {
    use ConnectorErrorKind as Kind;
    let kind = match error.kind {
        Kind::InvalidArgument | Kind::Interpolation => CallErrorKind::InvalidArguments,
        Kind::ConnectTimeout | Kind::RequestTimeout | Kind::ConcurrencyLimit => CallErrorKind::Timeout,
        Kind::Resolve | Kind::Connect | Kind::Tls | Kind::Protocol | Kind::CircuitOpen => CallErrorKind::Unreachable,
        Kind::RequestNotPermitted
        | Kind::Credential
        | Kind::Identity
        | Kind::Token
        | Kind::Redirect
        | Kind::ResponseSchema
        | Kind::Transformation
        | Kind::EgressDenied
        | Kind::ResponseTooLarge
        | Kind::InvalidBody
        | Kind::InvalidStatus => CallErrorKind::Refused,
    };
    CallError { kind, message: error.message }
}
