//! One pre-call hook, 1 KiB in and out: the host with all of its limits against the raw engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use weir_engine::digest::Digest;
use weir_engine::ids::{RequestId, RunId, TenantId};
use weir_engine::message::{Header, Method, Request};
use weir_engine::ports::{Invocation, InvocationLimits, NoGrantedCalls, PluginRef, Plugins as _};
use weir_engine::time::Timestamp;
use weir_plugins::{COMPILE_VERB, CompileProgram, Components, ComponentsError, HostSettings, PluginHost};

use crate::report::{Report, percentile_us};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "pre-call-plugin",
    imports: { default: async },
    exports: { default: async },
});

use exports::weir::plugin::pre_call as raw;

const CALLS: usize = 5_000;
const WARM_UP: usize = 500;
const RAW: &str = "hook: raw engine, fresh instance, p50";

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let path = weir_tests::paths::guest("correlate");
    let component =
        Bytes::from(std::fs::read(&path).with_context(|| format!("{} is missing; run `make guests`", path.display()))?);
    let mut raw = raw_engine(&component).await?;
    report.add(RAW, "us", percentile_us(&mut raw, 0.5), None);
    let mut host = through_the_host(component).await?;
    report.add("hook: through Weir's host, p50", "us", percentile_us(&mut host, 0.5), Some(RAW));
    report.add("hook: through Weir's host, p99", "us", percentile_us(&mut host, 0.99), None);
    Ok(())
}

fn input() -> Value {
    json!({ "user": { "id": "u-1001", "locale": "de-CH", "consent": true } })
}

fn config() -> Value {
    json!({ "query": { "locale": "/user/locale" }, "correlate": ["/user/id"], "drop": ["/user/email"], "consent": "/user/consent" })
}

fn body() -> String {
    json!({ "user": { "id": "u-1001", "email": "ada@example.org", "about": "x".repeat(900) } }).to_string()
}

async fn through_the_host(component: Bytes) -> anyhow::Result<Vec<Duration>> {
    let cache = tempfile::tempdir()?;
    let settings = HostSettings { cache_folder: cache.path().join("compiled"), ..HostSettings::default() };
    let program = CompileProgram { path: weir_tests::paths::weir(), arguments: vec![COMPILE_VERB.into()] };
    let digest = Digest::of(&component);
    let host = PluginHost::start_with(settings, Arc::new(One(component)), program)?;
    let invocation = Invocation {
        plugin: PluginRef { name: "correlate".parse()?, version: "1.0.0".parse()?, digest },
        tenant: "bench".parse()?,
        flow: "bench".parse()?,
        flow_version: 1,
        run: RunId::generate(),
        step: "call".parse()?,
        request_id: RequestId::generate(),
        started_at: Timestamp::from_millis(1_700_000_000_000),
        seed: 7,
        input: input(),
        config: config(),
        limits: InvocationLimits::default(),
    };
    let headers = vec![Header::new("content-type", "application/json")];
    let request = Request {
        method: Method::Post,
        uri: "https://upstream.test/api?seed=1".parse()?,
        headers,
        body: Some(body().into()),
    };
    let mut durations = Vec::with_capacity(CALLS);
    for call in 0..CALLS + WARM_UP {
        let started = Instant::now();
        let report = host.pre_call(&invocation, &request, &NoGrantedCalls).await;
        let elapsed = started.elapsed();
        report.outcome?;
        if call >= WARM_UP {
            durations.push(elapsed);
        }
    }
    Ok(durations)
}

struct One(Bytes);

#[async_trait]
impl Components for One {
    async fn component(&self, _: &TenantId, _: &Digest) -> Result<Option<Bytes>, ComponentsError> {
        Ok(Some(self.0.clone()))
    }
}

/// The floor: the same engine settings, the same component and the same call, and nothing else.
async fn raw_engine(component: &[u8]) -> anyhow::Result<Vec<Duration>> {
    let mut pool = PoolingAllocationConfig::new();
    pool.linear_memory_keep_resident(64 << 20)
        .pagemap_scan(Enabled::Auto)
        .decommit_batch_size(32)
        .max_unused_warm_slots(100);
    let mut engine_config = Config::new();
    engine_config
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&engine_config)?;
    let component = Component::new(&engine, component)?;
    let mut linker: Linker<Silent> = Linker::new(&engine);
    PreCallPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    let pre = PreCallPluginPre::new(linker.instantiate_pre(&component)?)?;
    let (invocation, request) = (raw_invocation(), raw_request());
    let mut durations = Vec::with_capacity(CALLS);
    for call in 0..CALLS + WARM_UP {
        let started = Instant::now();
        let mut store = Store::new(&engine, Silent);
        store.set_epoch_deadline(1 << 30);
        store.set_fuel(2_000_000_000)?;
        let instance = pre.instantiate_async(&mut store).await?;
        let decision = instance.weir_plugin_pre_call().call_transform(&mut store, &invocation, &request).await?;
        drop(store);
        let elapsed = started.elapsed();
        decision.map_err(|fault| anyhow::anyhow!(fault.message))?;
        if call >= WARM_UP {
            durations.push(elapsed);
        }
    }
    Ok(durations)
}

fn raw_invocation() -> raw::Invocation {
    raw::Invocation {
        tenant: "bench".to_owned(),
        flow: "bench".to_owned(),
        flow_version: 1,
        run: "0199".to_owned(),
        step: "call".to_owned(),
        request_id: "0199".to_owned(),
        started_at: 1_700_000_000_000,
        input: input().to_string(),
        config: config().to_string(),
    }
}

fn raw_request() -> raw::Request {
    raw::Request {
        method: "POST".to_owned(),
        uri: "https://upstream.test/api?seed=1".to_owned(),
        headers: vec![weir::plugin::types::Header {
            name: "content-type".to_owned(),
            value: b"application/json".to_vec(),
        }],
        body: Some(body().into_bytes()),
    }
}

/// Imports that do nothing.
struct Silent;

impl weir::plugin::types::Host for Silent {}

impl weir::plugin::log::Host for Silent {
    async fn write(&mut self, _: weir::plugin::log::Level, _: String, _: Vec<(String, String)>) {}
}

impl weir::plugin::connectors::Host for Silent {
    async fn call(
        &mut self,
        _: String,
        _: String,
        _: String,
    ) -> Result<weir::plugin::types::Response, weir::plugin::connectors::CallError> {
        Err(weir::plugin::connectors::CallError::NotGranted)
    }
}
