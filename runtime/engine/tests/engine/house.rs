//! The parts that tests put around an engine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use weir_engine::catalogue::{PluginDefinition, StoredDocument};
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::digest::Digest;
use weir_engine::document::{Document, Format};
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports, StartRun};
use weir_engine::expression::Scope;
use weir_engine::ids::{FunctionName, TenantId};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, CallContext, Clock, ConnectorError, ConnectorErrorKind, Connectors, DefinitionKind,
    Exchange, Expectation, GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, InvocationLimits, LogLine,
    NewDefinition, Plugins, PostResponseDecision, PreCallDecision, PromptRef, PromptToken, ReadResponse, Store, Tokens,
};
use weir_engine::run::{HookKind, JournalEntry, Run};
use weir_engine::time::Timestamp;
use weir_stores::MemoryStore;

/// A hook of a test: what went in, what comes out.
pub(crate) type Hook<I, D> = Box<dyn Fn(&Invocation, &I) -> Result<D, HookErrorKind> + Send + Sync>;

/// Plugins that do what a test says.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) pre_call: HashMap<&'static str, Hook<Request, PreCallDecision>>,
    pub(crate) post_response: HashMap<&'static str, Hook<Response, PostResponseDecision>>,
    pub(crate) action: HashMap<&'static str, Hook<ActionEvent, ActionDecision>>,
    /// The action plugin of this name calls `sys.get` with its input.
    pub(crate) caller: Option<&'static str>,
    /// What every hook logs.
    pub(crate) logs: Vec<LogLine>,
    pub(crate) invocations: Mutex<Vec<Invocation>>,
}

impl Script {
    fn run<I, D>(
        &self,
        hooks: &HashMap<&'static str, Hook<I, D>>,
        invocation: &Invocation,
        input: &I,
    ) -> HookReport<D> {
        self.invocations.lock().unwrap().push(invocation.clone());
        let hook = hooks.get(invocation.plugin.name.as_str()).expect("the test says what this hook does");
        let outcome = hook(invocation, input).map_err(|kind| HookError {
            kind,
            message: "the hook went wrong".to_owned(),
            detail: None,
        });
        HookReport { outcome, logs: self.logs.clone(), logs_dropped: 0, fuel: 1, elapsed_us: 1 }
    }
}

#[async_trait]
impl Plugins for Script {
    async fn pre_call(
        &self,
        invocation: &Invocation,
        request: &Request,
        _: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision> {
        self.run(&self.pre_call, invocation, request)
    }

    async fn post_response(
        &self,
        invocation: &Invocation,
        _: &Request,
        response: &Response,
        _: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        self.run(&self.post_response, invocation, response)
    }

    async fn action(
        &self,
        invocation: &Invocation,
        event: &ActionEvent,
        calls: &dyn GrantedCalls,
    ) -> HookReport<ActionDecision> {
        if self.caller == Some(invocation.plugin.name.as_str()) {
            for function in ["get", "other"] {
                let (connector, function) = ("sys".parse().unwrap(), function.parse().unwrap());
                let _ = calls.call(&connector, &function, json!({"q": "granted"})).await;
            }
        }
        self.run(&self.action, invocation, event)
    }
}

/// An outside system that remembers its calls.
pub(crate) struct World {
    /// What was sent: idempotency key and URI.
    pub(crate) sent: watch::Sender<Vec<(String, String)>>,
    /// How many calls it answers; later ones wait.
    pub(crate) answers: watch::Sender<usize>,
    pub(crate) answer: Mutex<Result<Response, ConnectorError>>,
    /// How responses were read, in order.
    pub(crate) read: Mutex<Vec<&'static str>>,
}

impl Default for World {
    fn default() -> Self {
        let response = Response { status: 200, headers: Vec::new(), body: "{\"n\": 7}".into(), transformed_data: None };
        Self {
            sent: watch::Sender::new(Vec::new()),
            answers: watch::Sender::new(usize::MAX),
            answer: Mutex::new(Ok(response)),
            read: Mutex::default(),
        }
    }
}

impl World {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn uris(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|(_, uri)| uri.clone()).collect()
    }
}

#[async_trait]
impl Connectors for World {
    fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        _: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        let function = Arc::new(connector.document.function(function).expect("checked at save").clone());
        let mut uri = connector.document.base_url.clone();
        uri.set_query(arguments.get("q").and_then(Value::as_str));
        let request = Request { method: function.method, uri, headers: Vec::new(), body: None };
        Ok(BoundRequest::new(connector.clone(), function, request))
    }

    async fn send(&self, context: &CallContext, request: &PermittedRequest) -> Exchange {
        let call = (context.idempotency_key.clone(), request.request().uri.to_string());
        self.sent.send_modify(|sent| sent.push(call));
        let number = self.sent.borrow().len();
        let _ = self.answers.subscribe().wait_for(|answers| *answers >= number).await;
        Exchange { outcome: self.answer.lock().unwrap().clone(), attempts: Vec::new(), elapsed_us: 2_000 }
    }

    async fn read_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        elapsed_us: u64,
    ) -> Result<ReadResponse, ConnectorError> {
        self.read.lock().unwrap().push("read");
        let body: Value = serde_json::from_slice(response.body.as_slice()).unwrap_or_default();
        let transformation = request.function().response.transformation.as_ref();
        let expression = transformation.and_then(|it| it.expression.clone());
        let of = |expression: String| json!({ "of": expression, "body": body, "elapsed_us": elapsed_us });
        Ok(ReadResponse { transformed_data: expression.map(of), body })
    }

    async fn conclude_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        body: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        let transformation = request.function().response.transformation.as_ref();
        if transformation.is_some_and(|it| it.schema == Some(json!(false))) {
            let message = format!("no schema takes {:?}", response.transformed_data);
            return Err(ConnectorError { kind: ConnectorErrorKind::ResponseSchema, message });
        }
        self.read.lock().unwrap().push(if body.is_some() { "keep" } else { "parse" });
        Ok(body.unwrap_or_else(|| serde_json::from_slice(response.body.as_slice()).unwrap_or_default()))
    }
}

/// A clock that follows tokio's, so that tests may pause it.
pub(crate) struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.0.elapsed())
    }
}

/// What outlives an engine.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) world: Arc<World>,
    pub(crate) script: Arc<Script>,
    pub(crate) tenant: TenantId,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) settings: EngineSettings,
}

pub(crate) const CONNECTOR: &str = "connector: sys\nbase-url: https://sys.test/\nfunctions:\n  - name: get\n    arguments: [{ name: q, type: string }]\n  - name: other\n";

impl House {
    pub(crate) async fn new(flow: &str, script: Script) -> Self {
        Self::with_connector(CONNECTOR, flow, script).await
    }

    pub(crate) async fn with_connector(connector: &str, flow: &str, script: Script) -> Self {
        let house = Self {
            store: Arc::default(),
            world: Arc::default(),
            script: Arc::new(script),
            tenant: "acme".parse().unwrap(),
            clock: Arc::new(TestClock(tokio::time::Instant::now())),
            settings: EngineSettings::default(),
        };
        house.define(DefinitionKind::Connector, "sys", stored(connector)).await;
        for (hooks, kind) in [
            (house.script.pre_call.keys().collect::<Vec<_>>(), HookKind::PreCall),
            (house.script.post_response.keys().collect(), HookKind::PostResponse),
            (house.script.action.keys().collect(), HookKind::Action),
        ] {
            for name in hooks {
                let plugin = PluginDefinition {
                    name: name.parse().unwrap(),
                    version: "1.0.0".parse().unwrap(),
                    digest: Digest::of(name.as_bytes()),
                    size: 1,
                    hooks: vec![kind],
                    imports: Vec::new(),
                    disabled: false,
                };
                house
                    .define(DefinitionKind::Plugin, &format!("{name}@1.0.0"), serde_json::to_value(plugin).unwrap())
                    .await;
            }
        }
        house.define(DefinitionKind::Flow, "f", stored(flow)).await;
        house
    }

    pub(crate) async fn define(&self, kind: DefinitionKind, name: &str, body: Value) {
        let new = NewDefinition {
            tenant: self.tenant.clone(),
            kind,
            name: name.to_owned(),
            created_at: self.clock.now(),
            body,
        };
        self.store.put_definition(new, Expectation::Any).await.unwrap();
    }

    /// An engine as a process would have it. Dropping what it spawned is up to the test.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        let ports = Ports {
            plugins: self.script.clone(),
            connectors: self.world.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            tokens: Arc::new(OpenTokens),
            encryption: Arc::new(super::encrypted_actions::Mirror),
            signer: Arc::new(super::signed_claims::Clerk),
            definitions: Definitions::new(self.store.clone(), weir_engine::action::ActionTypes::shipped()),
            limits: InvocationLimits::default(),
        };
        Engine::new(self.settings.clone(), ports)
    }

    pub(crate) fn start_of(&self, event: Value) -> StartRun {
        StartRun {
            tenant: self.tenant.clone(),
            flow: "f".parse().unwrap(),
            version: None,
            event,
            client_key: None,
            request_id: None,
        }
    }

    /// Runs the flow to its end.
    pub(crate) async fn run(&self, event: Value) -> (Run, Vec<JournalEntry>) {
        let engine = self.engine();
        let started = engine.start(self.start_of(event)).await.expect("starts");
        let run = engine.wait(&self.tenant, started.run.id, Duration::from_secs(60)).await.unwrap().unwrap();
        let journal = self.store.journal(&self.tenant, run.id, 0, 1000).await.unwrap();
        (run, journal)
    }

    pub(crate) async fn context(&self, run: &Run) -> Value {
        self.store.run_context(&self.tenant, run.id).await.unwrap().unwrap().to_json()
    }
}

/// Tokens that nobody signs.
pub(crate) struct OpenTokens;

impl Tokens for OpenTokens {
    fn issue(&self, prompt: &PromptRef) -> PromptToken {
        let PromptRef { tenant, run, suspension, until } = prompt;
        let token = format!("{tenant}~{run}~{suspension}~{}", until.as_millis());
        PromptToken { url: format!("https://weir.test/{token}"), token }
    }

    fn read(&self, token: &str) -> Option<PromptRef> {
        let parts: Vec<&str> = token.split('~').collect();
        let [tenant, run, suspension, until] = parts.as_slice() else { return None };
        let until = Timestamp::from_millis(until.parse().ok()?);
        let (tenant, run) = (tenant.parse().ok()?, run.parse().ok()?);
        Some(PromptRef { tenant, run, suspension: suspension.parse().ok()?, until })
    }
}

/// Waits for what is seen in the store alone; nothing tells of it.
pub(crate) async fn until(mut probe: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while !probe().await {
        assert!(tokio::time::Instant::now() < patience, "it did not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A document as the service stores it.
pub(crate) fn stored(source: &str) -> Value {
    let document = Document::parse(source, Format::Yaml).expect("yaml").value;
    serde_json::to_value(StoredDocument { source: source.to_owned(), format: Format::Yaml, document }).unwrap()
}
