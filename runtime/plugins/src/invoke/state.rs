//! What the store of one invocation holds. Nothing of the engine's: hooks can move into worker processes.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use weir_engine::ids::{ConnectorName, FunctionName};
use weir_engine::message::Response;
use weir_engine::ports::{CallError, Invocation, InvocationLimits};
use weir_engine::time::Timestamp;

use super::limiter::Limiter;
use super::log::SharedLog;
use super::wasi;

/// Most WASI resources that a guest may hold at once: streams, pollables, descriptors.
const RESOURCES_MAX: usize = 1_000;

/// A call of a granted function, on its way to whoever may make it.
pub(super) struct CallRequest {
    pub(super) connector: ConnectorName,
    pub(super) function: FunctionName,
    pub(super) arguments: Value,
    pub(super) reply: oneshot::Sender<Result<Response, CallError>>,
}

/// The state of one invocation.
pub(crate) struct HostState {
    pub(super) limiter: Limiter,
    pub(super) log: SharedLog,
    /// Where calls of granted functions go. A store must own what it holds, so they travel to the driver.
    pub(super) calls: mpsc::Sender<CallRequest>,
    /// How many calls are left, and how many there were.
    pub(super) calls_left: u32,
    pub(super) calls_max: u32,
    pub(super) started_at: Timestamp,
    seed: u64,
    /// Made for guests that use WASI only.
    wasi: Option<Box<WasiCtx>>,
    pub(super) resources: ResourceTable,
}

impl HostState {
    pub(super) fn new(invocation: &Invocation, limits: &InvocationLimits, calls: mpsc::Sender<CallRequest>) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES_MAX);
        Self {
            limiter: Limiter::new(limits),
            log: SharedLog::new(limits),
            calls,
            calls_left: limits.connector_calls,
            calls_max: limits.connector_calls,
            started_at: invocation.started_at,
            seed: invocation.seed,
            wasi: None,
            resources,
        }
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, started_at, seed, log, .. } = self;
        let ctx = wasi.get_or_insert_with(|| Box::new(wasi::context(*started_at, *seed, log)));
        WasiCtxView { ctx, table: &mut self.resources }
    }
}
