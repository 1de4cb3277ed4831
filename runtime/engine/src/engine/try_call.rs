//! Tries one call of a connector function (C-16): the very step that a run would take, but nothing of it is stored.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use super::scope::scope_of;
use super::{Engine, Trouble, Versions};
use crate::connector::{Authentication, Connector, ConnectorDocument, ResponseMode};
use crate::document::{Document, Faults};
use crate::duration_text;
use crate::expression::ValueTemplate;
use crate::flow::{self, Block, CallHooks, CallStep, Flow, FunctionRef, Step, StepKind};
use crate::ids::{ConnectorName, FlowName, FunctionName, RunId, StepId, TenantId};
use crate::message::Failure;
use crate::outside::Outside;
use crate::ports::StoreError;
use crate::run::{CallRecord, ContextKey, Run, RunContext, StepError};
use crate::step::{Attempt, Way, micros, step_error};
use crate::steps::Diagnostics;
use crate::steps::{Called, make_call};

/// What a call may take beyond its time so that it can still say how far it came.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A call to try.
#[derive(Debug, Clone)]
pub struct TryCall {
    /// Whose connector, plugins and credentials.
    pub tenant: TenantId,
    /// The connector.
    pub connector: TryConnector,
    /// Its function.
    pub function: FunctionName,
    /// The arguments: values, no templates.
    pub arguments: Map<String, Value>,
    /// What the templates of the function and the inputs of the hooks see.
    pub context: RunContext,
    /// Hooks before the call: a list as a step of a flow has it.
    pub pre_call: Value,
    /// Hooks after the response: a list as a step of a flow has it.
    pub post_response: Value,
}

/// Which connector is tried.
#[derive(Debug, Clone)]
pub enum TryConnector {
    /// The tenant's live one of that name.
    Saved(ConnectorName),
    /// One that was checked as at a save, but not saved. It stands before a saved one of its name.
    Unsaved(Box<ConnectorDocument>),
}

/// What a tried call did.
#[derive(Debug, Clone, PartialEq)]
pub struct TriedCall {
    /// How it came out.
    pub outcome: TriedOutcome,
    /// How the host authenticates the connector's calls: no request in the record has it.
    pub authentication: Authentication,
    /// The requests, the hooks, the exchange and the response, as a journal has them. Version 0 of a connector is one
    /// that is not saved.
    pub record: CallRecord,
    /// What a run would have in its context now; none where the call came to no response.
    pub result: Option<Value>,
    /// All of it, in microseconds.
    pub elapsed_us: u64,
}

/// How a tried call came out.
#[derive(Debug, Clone, PartialEq)]
pub enum TriedOutcome {
    /// A run would go on.
    Success,
    /// A business failure.
    Failure(Failure),
    /// A technical error.
    Error(StepError),
}

/// Why a call was not tried.
#[derive(Debug, thiserror::Error)]
pub enum TryCallError {
    /// The tenant has no such connector.
    #[error("there is no connector `{0}`")]
    UnknownConnector(ConnectorName),
    /// The connector has no such function.
    #[error("connector `{0}` has no function `{1}`")]
    UnknownFunction(ConnectorName, FunctionName),
    /// The hooks have faults. Their pointers begin with `/pre_call` or `/post_response`.
    #[error("the hooks around the call have {} fault(s)", .0.0.len())]
    Hooks(Faults),
    /// A plugin around the call cannot be had; nothing was sent.
    #[error("nothing was sent: {0}")]
    Plugin(StepError),
    /// It took longer than it may.
    #[error(
        "the call with its hooks took longer than {} (`engine.test-call-timeout`)", duration_text::to_text(*.0)
    )]
    TimedOut(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TryCallError {
    /// The code of [`TryCallError::TimedOut`].
    const TIMED_OUT: &str = "connector.test-timeout";

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownConnector(_) => "connector.unknown",
            Self::UnknownFunction(..) => "connector.unknown-function",
            Self::Hooks(_) | Self::Plugin(_) => "connector.test-hooks",
            Self::TimedOut(_) => Self::TIMED_OUT,
            Self::Store(error) => error.code(),
        }
    }
}

impl Engine {
    /// Makes one call as a step of a run would, with its hooks, and waits for it also where its function does not.
    /// No run, journal, context or outbox ever knows of it. Hooks see the flow and the step `connector-test`.
    ///
    /// # Errors
    /// See [`TryCallError`]. A call that was made and went wrong is no error here.
    pub async fn try_call(&self, call: TryCall) -> Result<TriedCall, TryCallError> {
        let connector = self.tried_connector(&call).await?;
        let hooks = json!({ "pre_call": call.pre_call, "post_response": call.post_response });
        let hooks = flow::call_hooks(&Document::of_value(hooks)).map_err(TryCallError::Hooks)?;
        self.find_plugins(&call.tenant, &connector, &call.function, &hooks).await?;
        let within = self.settings.test_call_timeout;
        let made = Arc::new(call_of(&connector, call.function, call.arguments, hooks));
        let kind = StepKind::Call(Arc::clone(&made));
        let step = Arc::new(Step::alone(StepId::tried(), kind));
        let flow = flow_of(Arc::clone(&step), within);
        let run = self.tried_run(call.tenant, within);
        let started = Instant::now();
        let this = Attempt {
            ports: &self.ports,
            outside: Outside::live(&*self.ports.clock),
            flow: &flow,
            step: &step,
            run: &run,
            context: &call.context,
            scope: scope_of(&run, &call.context),
            until: started + within,
            bytes_left: AtomicUsize::new(self.settings.step_bytes_max),
            tried: Some(&connector),
            diagnostics: Diagnostics::new(&run, &step.id, &*self.ports.clock, &self.settings.diagnostics),
            sensitive_names: &self.settings.diagnostics.sensitive_names,
            suspensions: self.settings.suspensions(),
            calls: self.settings.calls(),
            shown: OnceCell::new(),
            reminder: None,
        };
        let called = timeout(within + GRACE, make_call(&this, &made)).await;
        let Called { mut record, way, changes } = called.map_err(|_| TryCallError::TimedOut(within))?;
        let over = self.weigh(&call.context, &changes).err();
        let outcome = match way {
            Way::Later(error) => return Err(error.into()),
            Way::Error(_) if Instant::now() >= this.until => {
                TriedOutcome::Error(step_error(TryCallError::TIMED_OUT, TryCallError::TimedOut(within)))
            }
            Way::Error(error) => TriedOutcome::Error(error),
            Way::Next | Way::Branch(_) | Way::Suspend { .. } | Way::Wait { .. } | Way::Begin(_) => {
                over.map_or(TriedOutcome::Success, TriedOutcome::Error)
            }
            Way::Failure(failure) => over.map_or(TriedOutcome::Failure(failure), TriedOutcome::Error),
        };
        let mut result = changes.into_iter().next().map(|change| change.value);
        let names = this.marked().await?.clone().and_standard();
        record.mask(&names);
        result.iter_mut().for_each(|result| names.mask_json(result));
        let authentication = connector.document.authentication.clone();
        Ok(TriedCall { outcome, authentication, record, result, elapsed_us: micros(started.elapsed()) })
    }

    /// Whether there are the plugins of all hooks: a call that was made cannot be taken back.
    async fn find_plugins(
        &self,
        tenant: &TenantId,
        connector: &Connector,
        function: &FunctionName,
        hooks: &CallHooks,
    ) -> Result<(), TryCallError> {
        let function = connector.document.function(function);
        let transforming = function.and_then(|function| function.response.transformation.as_ref()?.plugin.as_ref());
        let of_hooks = hooks.pre_call.iter().chain(&hooks.post_response).map(|hook| &hook.plugin);
        for plugin in of_hooks.chain(transforming) {
            match self.ports.definitions.plugin(tenant, plugin, &Versions::default()).await {
                Ok(_) => {}
                Err(Trouble::Step(error)) => return Err(TryCallError::Plugin(error)),
                Err(Trouble::Store(error)) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The connector with the function set to be waited for: a saved one itself where it is, so that what was made of
    /// it for runs is used.
    async fn tried_connector(&self, call: &TryCall) -> Result<Arc<Connector>, TryCallError> {
        let mut connector = match &call.connector {
            TryConnector::Unsaved(document) => Arc::new(Connector { version: 0, document: document.as_ref().clone() }),
            TryConnector::Saved(name) => match self.ports.definitions.live_connector(&call.tenant, name).await? {
                Some(connector) => connector,
                None => return Err(TryCallError::UnknownConnector(name.clone())),
            },
        };
        let functions = &connector.document.functions;
        let Some(index) = functions.iter().position(|function| function.name == call.function) else {
            let name = connector.document.connector.clone();
            return Err(TryCallError::UnknownFunction(name, call.function.clone()));
        };
        if functions.get(index).is_some_and(|function| function.mode != ResponseMode::Wait)
            && let Some(function) = Arc::make_mut(&mut connector).document.functions.get_mut(index)
        {
            function.mode = ResponseMode::Wait;
        }
        Ok(connector)
    }

    /// A run that nobody stores.
    pub(super) fn tried_run(&self, tenant: TenantId, within: Duration) -> Run {
        let now = self.ports.clock.now();
        let pinned = (FlowName::tried(), 0);
        Run::new(tenant, RunId::generate(), pinned, StepId::tried(), now, now.after(within))
    }
}

/// The flow of that one step.
pub(super) fn flow_of(step: Arc<Step>, deadline: Duration) -> Flow {
    Flow {
        name: FlowName::tried(),
        trigger: String::new(),
        input: None,
        deadline,
        compensation_deadline: deadline,
        main: Block { first: step.id.clone(), steps: vec![step.id.clone()] },
        steps: vec![step],
        repeated: HashSet::new(),
    }
}

fn call_of(connector: &Connector, function: FunctionName, arguments: Map<String, Value>, hooks: CallHooks) -> CallStep {
    let CallHooks { pre_call, post_response } = hooks;
    let connector = connector.document.connector.clone();
    CallStep {
        context_key: ContextKey::connector(&connector),
        function: FunctionRef { connector, function },
        arguments: ValueTemplate::Literal(Value::Object(arguments)),
        pre_call,
        post_response,
    }
}
