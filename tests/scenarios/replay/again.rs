//! Executes the runs of a server that has stopped again, from its data folder alone: real plugins, no network.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use tempfile::TempDir;
use weir_connectors::{
    ConnectorSettings, CredentialError, Credentials, HttpConnectors, Identity, StoredCredential, SystemResolver,
};
use weir_engine::action::ActionTypes;
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::digest::Digest;
use weir_engine::engine::EngineSettings;
use weir_engine::expression::Scope;
use weir_engine::ids::{CredentialName, FunctionName, IdentityName, RunId, TenantId};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, CallContext, ConnectorError, Connectors, Exchange, GrantedCalls, HookReport,
    Invocation, Plugins, PostResponseDecision, PreCallDecision, ReadResponse, Store,
};
use weir_engine::replay::{RecordedRun, ReplayError, ReplayHouse, ReplayReport, replay_run};
use weir_plugins::{COMPILE_VERB, CompileProgram, Components, ComponentsError, HostSettings, PluginHost};
use weir_stores::{SledSettings, SledStore};

/// What a server has left behind.
pub(super) struct Left {
    store: Arc<dyn Store>,
    host: Arc<PluginHost>,
    tenant: TenantId,
    _compiled: TempDir,
}

impl Left {
    /// Opens the data folder.
    pub(super) fn open(data: &Path) -> Self {
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&data.join("store"), SledSettings::default()).unwrap());
        let compiled = tempfile::tempdir().unwrap();
        let settings = HostSettings { cache_folder: compiled.path().join("compiled"), ..HostSettings::default() };
        let program = CompileProgram { path: weir_tests::paths::weir(), arguments: vec![COMPILE_VERB.into()] };
        let shelf = Arc::new(Shelf(store.clone()));
        let host = Arc::new(PluginHost::start_with(settings, shelf, program).unwrap());
        Self { store, host, tenant: "demo".parse().unwrap(), _compiled: compiled }
    }

    /// A run with its journal, unmasked.
    pub(super) async fn recorded(&self, run: &Value) -> RecordedRun {
        let id: RunId = run["id"].as_str().unwrap().parse().unwrap();
        let run = self.store.run(&self.tenant, id).await.unwrap().unwrap();
        let context = self.store.run_context(&self.tenant, id).await.unwrap().unwrap();
        let entries = self.store.journal(&self.tenant, id, 0, 1_000).await.unwrap();
        RecordedRun { run, context, entries, children: Vec::new() }
    }

    /// Executes a run again.
    pub(super) async fn again(&self, recorded: &RecordedRun) -> ReplayReport {
        self.try_again(recorded).await.unwrap()
    }

    /// The same, where that may not be possible.
    pub(super) async fn try_again(&self, recorded: &RecordedRun) -> Result<ReplayReport, ReplayError> {
        replay_run(recorded, &self.house(self.host.clone())).await
    }

    /// The same, and where `plugin` is asked to run, the component of that digest runs.
    pub(super) async fn with_other(&self, recorded: &RecordedRun, plugin: &str, runs: Digest) -> ReplayReport {
        let swapped = Swapped { inner: self.host.clone(), plugin: plugin.to_owned(), runs };
        replay_run(recorded, &self.house(Arc::new(swapped))).await.unwrap()
    }

    fn house(&self, plugins: Arc<dyn Plugins>) -> ReplayHouse {
        let settings = ConnectorSettings::default();
        let connectors = HttpConnectors::new(settings, Arc::new(NoCredentials), Arc::new(SystemResolver)).unwrap();
        ReplayHouse {
            store: self.store.clone(),
            types: ActionTypes::shipped(),
            plugins,
            connectors: Arc::new(Severed(connectors)),
            settings: EngineSettings::default(),
        }
    }
}

/// The artifacts of the store.
struct Shelf(Arc<dyn Store>);

#[async_trait]
impl Components for Shelf {
    async fn component(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, ComponentsError> {
        self.0.artifact(tenant, digest).await.map_err(|error| ComponentsError(error.to_string()))
    }
}

struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn credential(&self, _: &TenantId, _: &CredentialName) -> Result<Option<StoredCredential>, CredentialError> {
        panic!("a replay asked for a credential")
    }

    async fn identity(&self, _: &TenantId, _: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        panic!("a replay asked for an identity")
    }
}

/// Binds and reads, and cannot send.
struct Severed(HttpConnectors);

#[async_trait]
impl Connectors for Severed {
    fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        scope: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        self.0.bind(connector, function, arguments, scope)
    }

    async fn send(&self, context: &CallContext, _: &PermittedRequest) -> Exchange {
        panic!("a replay sent the call {}", context.idempotency_key)
    }

    async fn read_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        elapsed_us: u64,
    ) -> Result<ReadResponse, ConnectorError> {
        self.0.read_response(request, response, elapsed_us).await
    }

    async fn conclude_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        body: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        self.0.conclude_response(request, response, body).await
    }
}

/// Runs another component in the place of one plugin.
struct Swapped {
    inner: Arc<PluginHost>,
    plugin: String,
    runs: Digest,
}

impl Swapped {
    fn swapped(&self, invocation: &Invocation) -> Invocation {
        let mut invocation = invocation.clone();
        if invocation.plugin.name.as_str() == self.plugin {
            invocation.plugin.digest = self.runs;
        }
        invocation
    }
}

#[async_trait]
impl Plugins for Swapped {
    async fn pre_call(
        &self,
        invocation: &Invocation,
        request: &Request,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision> {
        self.inner.pre_call(&self.swapped(invocation), request, calls).await
    }

    async fn post_response(
        &self,
        invocation: &Invocation,
        request: &Request,
        response: &Response,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        self.inner.post_response(&self.swapped(invocation), request, response, calls).await
    }

    async fn action(
        &self,
        invocation: &Invocation,
        event: &ActionEvent,
        calls: &dyn GrantedCalls,
    ) -> HookReport<ActionDecision> {
        self.inner.action(&self.swapped(invocation), event, calls).await
    }
}
