//! The only code of these tests that knows how to build the service and how to ask it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tower::ServiceExt;
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest, ResponseMode};
use weir_engine::digest::Digest;
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::{Method, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, CallContext, ConnectorError, ConnectorErrorKind, Connectors, Exchange, GrantedCalls,
    HookError, HookErrorKind, HookReport, Invocation, InvocationLimits, Plugins, PostResponseDecision, PreCallDecision,
    ReadResponse, Store,
};
use weir_engine::run::HookKind;
use weir_stores::MemoryStore;

use crate::api::{self, App, Inspected, Parts, Phase, Refused, Uploads};
use crate::auth::{IssueKey, Role};
use crate::clock::SystemClock;
use crate::config::{Config, Limits};
use crate::secrets::{MasterKey, PromptTokens, Vault};
use crate::telemetry;
use crate::templates::Templates;
use crate::tenants::Tenants;

/// A connector that nobody can reach.
pub(super) const CONNECTOR: &str = "connector: api\nbase-url: http://127.0.0.1:9\nfunctions:\n  - name: get\n    endpoint: /\n  - name: act\n    method: POST\n    endpoint: /act\n";
/// A saved action.
pub(super) const ACTION: &str = "action: gate\ntype: FLOW_EXTENSION\nservice: api.act\n";
/// A private key that was made for tests.
pub(super) const KEY: &str = include_str!("../../cli/identity_files/plain-key.pem");
/// A flow that needs nothing from outside.
pub(super) const FLOW: &str = "flow: hello\nsteps:\n  - id: greet\n    claims: [{ key: greeting, type: dynamic, value: \"${event.name}\" }]\n  - id: done\n    end: {}\n";

/// An action in the form of the reference.
pub(super) fn reference_action() -> Value {
    let authentication = json!({ "type": "BASIC", "properties": { "username": "u", "password": "c4nary" } });
    let endpoint = json!({ "uri": "https://service.test/act?v=1", "authentication": authentication });
    json!({ "name": "Gate Keeper", "description": "Lets in whom it knows.", "endpoint": endpoint })
}

/// No code runs here.
struct NoPlugins;

fn no_hook<D>() -> HookReport<D> {
    let error = HookError { kind: HookErrorKind::HookMissing, message: "no plugins here".to_owned(), detail: None };
    HookReport { outcome: Err(error), logs: Vec::new(), logs_dropped: 0, fuel: 0, elapsed_us: 0 }
}

#[async_trait]
impl Plugins for NoPlugins {
    async fn pre_call(
        &self,
        _: &Invocation,
        _: &weir_engine::message::Request,
        _: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision> {
        no_hook()
    }

    async fn post_response(
        &self,
        _: &Invocation,
        _: &weir_engine::message::Request,
        _: &Response,
        _: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        no_hook()
    }

    async fn action(&self, _: &Invocation, _: &ActionEvent, _: &dyn GrantedCalls) -> HookReport<ActionDecision> {
        no_hook()
    }
}

/// Nothing is sent here: binding fails with a text that only those who may inspect runs may read. What is for the
/// background is bound, and fails when it is sent.
struct NoConnectors;

fn no_connection() -> ConnectorError {
    ConnectorError { kind: ConnectorErrorKind::Connect, message: "no way to db.internal".to_owned() }
}

#[async_trait]
impl Connectors for NoConnectors {
    fn bind(
        &self,
        connector: &Arc<Connector>,
        name: &FunctionName,
        _: &Map<String, Value>,
        _: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        let function = connector.document.function(name).filter(|it| it.mode == ResponseMode::Background);
        let function = function.cloned().ok_or_else(no_connection)?;
        let uri = connector.document.base_url.clone();
        let request = weir_engine::message::Request { method: Method::Get, uri, headers: Vec::new(), body: None };
        Ok(BoundRequest::new(Arc::clone(connector), Arc::new(function), request))
    }

    async fn send(&self, _: &CallContext, _: &PermittedRequest) -> Exchange {
        Exchange { outcome: Err(no_connection()), attempts: Vec::new(), elapsed_us: 0 }
    }

    async fn read_response(&self, _: &PermittedRequest, _: &Response, _: u64) -> Result<ReadResponse, ConnectorError> {
        Err(no_connection())
    }

    async fn conclude_response(
        &self,
        _: &PermittedRequest,
        _: &Response,
        _: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        Err(no_connection())
    }
}

/// Takes everything that begins like Wasm.
struct TrustingUploads;

#[async_trait]
impl Uploads for TrustingUploads {
    async fn inspect(&self, bytes: Bytes) -> Result<Inspected, Refused> {
        if !bytes.starts_with(b"\0asm") {
            return Err(Refused { code: "plugin.upload.not-wasm", message: "these bytes are no Wasm".to_owned() });
        }
        Ok(Inspected {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            hooks: vec![HookKind::PreCall],
            imports: Vec::new(),
            exports: Vec::new(),
            wit_version: "0.1.0".to_owned(),
        })
    }

    async fn prepare(&self, bytes: Bytes) -> Result<Inspected, Refused> {
        self.inspect(bytes).await
    }
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    /// The code of a problem; empty otherwise.
    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The body without what differs between two requests.
    pub(super) fn without_identity(&self) -> Value {
        let mut body = self.body.clone();
        for member in ["request_id", "instance"] {
            body.as_object_mut().map(|body| body.remove(member));
        }
        body
    }
}

/// A request about to be made.
pub(super) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Ask {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_uppercase(), path: path.to_owned(), headers: Vec::new(), body: Body::empty() }
    }

    pub(super) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A body without a content type.
    pub(super) fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn body(mut self, kind: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }
}

/// The service.
pub(super) struct House {
    pub(super) app: Arc<App>,
    pub(super) router: Router,
    pub(super) phase: watch::Sender<Phase>,
    /// The operator's key, and keys of tenant `acme` and `other`.
    pub(super) operator: String,
    pub(super) admin: String,
    pub(super) author: String,
    pub(super) runner: String,
    pub(super) viewer: String,
    pub(super) stranger: String,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other limits than the defaults.
    pub(super) async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::for_tests(dir.path());
        let mut limits = config.limits.clone();
        change(&mut limits);
        let (phase, phases) = watch::channel(Phase::Serving);
        let app = app(dir.path(), config, limits, phases);
        let key = async |tenant: &str, role| {
            let issue = IssueKey { tenant: tenant.parse().unwrap(), role, label: String::new(), expires_at: None };
            app.keys.issue(issue).await.unwrap().0.reveal().to_string()
        };
        for tenant in ["acme", "other"] {
            app.tenants.create(tenant.parse().unwrap(), String::new()).await.unwrap();
        }
        Self {
            operator: key(Tenants::system().unwrap().as_str(), Role::Operator).await,
            admin: key("acme", Role::Admin).await,
            author: key("acme", Role::Author).await,
            runner: key("acme", Role::Runner).await,
            viewer: key("acme", Role::Viewer).await,
            stranger: key("other", Role::Admin).await,
            router: api::router(Arc::clone(&app)),
            app,
            phase,
        }
    }

    /// The key of a role, of `acme` where there can be one.
    pub(super) fn key_of(&self, role: Role) -> &str {
        match role {
            Role::Operator => &self.operator,
            Role::Admin => &self.admin,
            Role::Author => &self.author,
            Role::Runner => &self.runner,
            Role::Viewer => &self.viewer,
        }
    }

    pub(super) async fn ask(&self, ask: Ask) -> Answer {
        let mut request = Request::builder().method(ask.method.as_str()).uri(&ask.path);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let response = self.router.clone().oneshot(request.body(ask.body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        // A live view has no end.
        let is_endless = ask.path.contains("/stream") && parts.status == StatusCode::OK;
        let body = if is_endless { Body::empty() } else { body };
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Saves the connector, the flow, a credential and a plugin in `acme`, and runs the flow once. The run's id.
    pub(super) async fn furnish(&self) -> String {
        let yaml = "application/yaml";
        for ask in [
            Ask::new("PUT", "/v1/connectors/api").body(yaml, CONNECTOR),
            Ask::new("PUT", "/v1/actions/FLOW_EXTENSION/gate").body(yaml, ACTION),
            Ask::new("PUT", "/v1/flows/hello").body(yaml, FLOW),
            Ask::new("PUT", "/v1/credentials/upstream").json(&json!({ "type": "bearer", "token": "c4nary" })),
            Ask::new("PUT", "/v1/identities/partner").json(&json!({ "private_key": KEY })),
            Ask::new("PUT", "/v1/plugins/sign/versions/1.0.0").body("application/wasm", "\0asm"),
        ] {
            let answer = self.ask(ask.key(&self.admin)).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
        let start = Ask::new("POST", "/v1/flows/hello/runs?wait=10s").key(&self.admin);
        let answer = self.ask(start.json(&json!({ "event": { "name": "Ann" } }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }
}

fn app(dir: &Path, config: Config, limits: Limits, phase: watch::Receiver<Phase>) -> Arc<App> {
    let memory = Arc::new(MemoryStore::default());
    let store: Arc<dyn Store> = Arc::clone(&memory) as _;
    let clock = Arc::new(SystemClock);
    let (master, _) = MasterKey::load(None, &dir.join("master.key")).unwrap();
    let ports = Ports {
        plugins: Arc::new(NoPlugins),
        connectors: Arc::new(NoConnectors),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock) as _,
        tokens: Arc::new(PromptTokens::new(&master, "https://weir.test")),
        encryption: Arc::new(weir_engine::ports::NoEncryption),
        signer: Arc::new(weir_engine::ports::NoSigner),
        definitions: Definitions::new(Arc::clone(&store), weir_engine::action::ActionTypes::shipped()),
        limits: InvocationLimits::default(),
    };
    App::new(Parts {
        engine: Engine::new(EngineSettings::default(), ports),
        uploads: Arc::new(TrustingUploads),
        vault: Arc::new(Vault::new(Arc::clone(&store), Arc::clone(&clock) as _, master)),
        templates: Arc::new(Templates::new(config.templates_dir)),
        ceilings: config.connectors.ceilings,
        limits,
        metrics: telemetry::recorder().unwrap().handle(),
        phase,
        store,
        backups: memory,
        clock,
    })
}
