//! A host to run guests on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use weir_engine::digest::Digest;
use weir_engine::ids::{RequestId, RunId, TenantId};
use weir_engine::message::{Method, Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, HookErrorKind, HookReport, Invocation, InvocationLimits, NoGrantedCalls, PluginRef,
    Plugins, PostResponseDecision, PreCallDecision,
};
use weir_engine::time::Timestamp;
use weir_plugins::{CompileProgram, Components, ComponentsError, HostSettings, PluginHost};

/// Components in memory, of one tenant.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<Digest, Bytes>>);

impl Shelf {
    pub(crate) fn put(&self, component: Vec<u8>) -> PluginRef {
        let digest = Digest::of(&component);
        self.0.lock().unwrap().insert(digest, component.into());
        plugin(digest)
    }

    /// Puts a component where another one should be.
    pub(crate) fn put_as(&self, digest: Digest, component: Vec<u8>) {
        self.0.lock().unwrap().insert(digest, component.into());
    }
}

pub(crate) fn plugin(digest: Digest) -> PluginRef {
    PluginRef { name: "guest".parse().unwrap(), version: semver::Version::new(1, 2, 3), digest }
}

#[async_trait]
impl Components for Shelf {
    async fn component(&self, _: &TenantId, digest: &Digest) -> Result<Option<Bytes>, ComponentsError> {
        Ok(self.0.lock().unwrap().get(digest).cloned())
    }
}

/// This test binary, which runs `compiling::compile_child` when it is asked to.
pub(crate) fn compile_program() -> CompileProgram {
    let arguments = ["--exact", "compiling::compile_child", "--ignored", "--nocapture", "--test-threads=1"];
    CompileProgram { arguments: arguments.map(Into::into).to_vec(), ..CompileProgram::this().unwrap() }
}

pub(crate) struct TestHost {
    pub(crate) host: PluginHost,
    pub(crate) shelf: Arc<Shelf>,
}

impl TestHost {
    pub(crate) fn start(settings: HostSettings) -> Self {
        Self::start_on(settings, &Arc::default())
    }

    pub(crate) fn start_on(settings: HostSettings, shelf: &Arc<Shelf>) -> Self {
        let host = PluginHost::start_with(settings, Arc::clone(shelf) as _, compile_program()).unwrap();
        Self { host, shelf: Arc::clone(shelf) }
    }
}

pub(crate) fn settings(cache: &Path) -> HostSettings {
    HostSettings {
        cache_folder: cache.to_owned(),
        invocations_max: 8,
        queue_time_ms: 20_000,
        ..HostSettings::default()
    }
}

/// One host for the tests that need nothing of their own. Its cache outlives a test run.
pub(crate) static HOST: LazyLock<TestHost> =
    LazyLock::new(|| TestHost::start(settings(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled"))));

/// Limits that no test meets by accident, on a busy machine.
pub(crate) fn roomy() -> InvocationLimits {
    InvocationLimits { time_ms: 20_000, ..InvocationLimits::default() }
}

pub(crate) fn invocation(plugin: PluginRef, limits: InvocationLimits) -> Invocation {
    Invocation {
        plugin,
        tenant: "acme".parse().unwrap(),
        flow: "sign-up".parse().unwrap(),
        flow_version: 3,
        run: RunId::generate(),
        step: "risk".parse().unwrap(),
        request_id: RequestId::generate(),
        started_at: Timestamp::from_millis(1_700_000_000_123),
        seed: 7,
        input: json!({"user": "é"}),
        config: json!(null),
        limits,
    }
}

pub(crate) fn event() -> ActionEvent {
    ActionEvent {
        action_type: "FLOW_EXTENSION".to_owned(),
        payload: json!({"user": {"id": 1}}),
        allowed_operations: Vec::new(),
    }
}

pub(crate) fn request() -> Request {
    Request {
        method: Method::Get,
        uri: "https://api.example.com/v1?x=y".parse().unwrap(),
        headers: Vec::new(),
        body: None,
    }
}

pub(crate) fn response() -> Response {
    Response { status: 200, headers: Vec::new(), body: b"{}".to_vec().into(), transformed_data: None }
}

pub(crate) async fn act(component: Vec<u8>, limits: InvocationLimits) -> HookReport<ActionDecision> {
    let invocation = invocation(HOST.shelf.put(component), limits);
    HOST.host.action(&invocation, &event(), &NoGrantedCalls).await
}

pub(crate) async fn pre_call(component: Vec<u8>, limits: InvocationLimits) -> HookReport<PreCallDecision> {
    let invocation = invocation(HOST.shelf.put(component), limits);
    HOST.host.pre_call(&invocation, &request(), &NoGrantedCalls).await
}

pub(crate) async fn post_response(component: Vec<u8>, limits: InvocationLimits) -> HookReport<PostResponseDecision> {
    let invocation = invocation(HOST.shelf.put(component), limits);
    HOST.host.post_response(&invocation, &request(), &response(), &NoGrantedCalls).await
}

/// The invocation failed with that kind, its message has these words, and the next invocation works.
pub(crate) async fn check<D: std::fmt::Debug>(
    report: HookReport<D>,
    kind: HookErrorKind,
    words: &str,
) -> HookReport<D> {
    let error = report.outcome.as_ref().unwrap_err();
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.message.starts_with("plugin `guest@1.2.3`, hook `"), "{error:?}");
    assert!(error.message.contains(words), "{error:?}");
    let next = act(crate::guests::good(), roomy()).await;
    assert_eq!(next.outcome, Ok(ActionDecision::Success(Vec::new())), "the next invocation");
    report
}
