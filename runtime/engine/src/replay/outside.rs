//! The ports of a replay: what the journal holds comes from there, plugins run again, nothing goes out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::facts::{self, MadeCall};
use crate::connector::{BoundRequest, Connector, PermittedRequest};
use crate::expression::Scope;
use crate::ids::FunctionName;
use crate::message::{Request, Response};
use crate::ports::{
    ActionDecision, ActionEvent, CallContext, Clock, ConnectorError, ConnectorErrorKind, Connectors, Exchange,
    GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, LogLine, Plugins, PostResponseDecision,
    PreCallDecision, PromptRef, PromptToken, ReadResponse, Tokens,
};
use crate::run::JournalEntry;
use crate::time::Timestamp;

/// The least wall time that a hook may take again, in milliseconds. Fuel bounds it as before; a slower machine must not
/// make a difference.
const HOOK_TIME_MS: u64 = 120_000;

/// No instant of a replay comes from a clock.
pub(super) struct JournalClock;

impl Clock for JournalClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
}

/// Nobody is reminded in a replay: no token is asked for.
pub(super) struct NoPrompts;

impl Tokens for NoPrompts {
    fn issue(&self, _: &PromptRef) -> PromptToken {
        PromptToken { token: String::new(), url: String::new() }
    }

    fn read(&self, _: &str) -> Option<PromptRef> {
        None
    }
}

/// What the entry holds of the step that is executed again.
#[derive(Default)]
pub(super) struct Script(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    /// By the key of the call.
    exchanges: HashMap<String, VecDeque<Exchange>>,
    /// Hooks that the host ended, by the id of their invocation: what a plugin does cannot end them so again.
    ended: HashMap<String, Ended>,
}

#[derive(Clone)]
struct Ended {
    error: HookError,
    logs: Vec<LogLine>,
    logs_dropped: u32,
    fuel: u64,
    calls: Vec<MadeCall>,
}

impl Script {
    pub(super) fn set(&self, entry: &JournalEntry) {
        let mut lines = Lines::default();
        for (key, exchange) in facts::exchanges(&entry.record) {
            lines.exchanges.entry(key.to_owned()).or_default().push_back(exchange.clone());
        }
        for hook in facts::hooks(&entry.record) {
            let Some(error) = hook.error.filter(|error| is_of_host(error.kind)) else { continue };
            let made = hook.granted_calls.iter().map(|call| MadeCall {
                connector: call.connector.clone(),
                function: call.function.clone(),
                arguments: call.arguments.clone(),
            });
            let ended = Ended {
                error: error.clone(),
                logs: hook.logs.to_vec(),
                logs_dropped: hook.logs_dropped,
                fuel: hook.fuel,
                calls: made.collect(),
            };
            lines.ended.insert(hook.request_id.to_owned(), ended);
        }
        *self.lock() = lines;
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the host's state or speed was the reason, and not what the plugin did.
fn is_of_host(kind: HookErrorKind) -> bool {
    use HookErrorKind as Kind;
    match kind {
        Kind::TimeExhausted | Kind::Unloadable | Kind::Busy | Kind::Host => true,
        Kind::Fault
        | Kind::Trap
        | Kind::StackOverflow
        | Kind::FuelExhausted
        | Kind::MemoryExhausted
        | Kind::TableExhausted
        | Kind::OutputTooLarge
        | Kind::InvalidOutput
        | Kind::HookMissing => false,
    }
}

/// Binds and reads as ever, and answers each call with what the journal has.
pub(super) struct RecordedExchanges {
    pub(super) inner: Arc<dyn Connectors>,
    pub(super) script: Arc<Script>,
}

#[async_trait]
impl Connectors for RecordedExchanges {
    fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        scope: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        self.inner.bind(connector, function, arguments, scope)
    }

    async fn send(&self, context: &CallContext, _: &PermittedRequest) -> Exchange {
        let recorded = self.script.lock().exchanges.get_mut(&context.idempotency_key).and_then(VecDeque::pop_front);
        recorded.unwrap_or_else(|| {
            let message = format!("the journal has no answer to the call `{}`", context.idempotency_key);
            let error = ConnectorError { kind: ConnectorErrorKind::Protocol, message };
            Exchange { outcome: Err(error), attempts: Vec::new(), elapsed_us: 0 }
        })
    }

    async fn read_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        elapsed_us: u64,
    ) -> Result<ReadResponse, ConnectorError> {
        self.inner.read_response(request, response, elapsed_us).await
    }

    async fn conclude_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        body: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        self.inner.conclude_response(request, response, body).await
    }
}

/// Runs hooks again, except those that the host had ended.
pub(super) struct RecordedPlugins {
    pub(super) inner: Arc<dyn Plugins>,
    pub(super) script: Arc<Script>,
}

impl RecordedPlugins {
    /// The report of a hook that the host had ended, after the calls that it made until then.
    async fn ended<D>(&self, invocation: &Invocation, calls: &dyn GrantedCalls) -> Option<HookReport<D>> {
        let ended = self.script.lock().ended.get(invocation.request_id.as_str()).cloned()?;
        for call in ended.calls {
            // Its record is what counts.
            let _ = calls.call(&call.connector, &call.function, call.arguments).await;
        }
        let Ended { error, logs, logs_dropped, fuel, .. } = ended;
        Some(HookReport { outcome: Err(error), logs, logs_dropped, fuel, elapsed_us: 0 })
    }
}

/// The same with time enough.
fn unhurried(invocation: &Invocation) -> Invocation {
    let mut invocation = invocation.clone();
    invocation.limits.time_ms = invocation.limits.time_ms.max(HOOK_TIME_MS);
    invocation
}

#[async_trait]
impl Plugins for RecordedPlugins {
    async fn pre_call(
        &self,
        invocation: &Invocation,
        request: &Request,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision> {
        match self.ended(invocation, calls).await {
            Some(report) => report,
            None => self.inner.pre_call(&unhurried(invocation), request, calls).await,
        }
    }

    async fn post_response(
        &self,
        invocation: &Invocation,
        request: &Request,
        response: &Response,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        match self.ended(invocation, calls).await {
            Some(report) => report,
            None => self.inner.post_response(&unhurried(invocation), request, response, calls).await,
        }
    }

    async fn action(
        &self,
        invocation: &Invocation,
        event: &ActionEvent,
        calls: &dyn GrantedCalls,
    ) -> HookReport<ActionDecision> {
        match self.ended(invocation, calls).await {
            Some(report) => report,
            None => self.inner.action(&unhurried(invocation), event, calls).await,
        }
    }
}
