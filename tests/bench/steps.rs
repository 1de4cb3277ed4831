//! Durable steps per second, through the engine and the store on disk, against the disk itself.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use weir_engine::catalogue::StoredDocument;
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::document::{Document, Format};
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports, StartRun};
use weir_engine::expression::Scope;
use weir_engine::ids::{FunctionName, TenantId};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, CallContext, Clock, ConnectorError, ConnectorErrorKind, Connectors, DefinitionKind,
    Exchange, Expectation, GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, InvocationLimits,
    NewDefinition, Plugins, PostResponseDecision, PreCallDecision, ReadResponse, Store as _,
};
use weir_engine::time::Timestamp;
use weir_stores::{SledSettings, SledStore};

use crate::report::{Report, percentile_us};

const FLOW: &str = "flow: three\nsteps:\n  - { id: a, claims: [{ key: a, type: number, value: 1 }] }\n  - { id: b, claims: [{ key: b, type: number, value: 2 }] }\n  - { id: c, claims: [{ key: c, type: number, value: 3 }] }\n";

/// Steps and the start itself: what becomes durable for one run.
const COMMITS: f64 = 4.0;

const TIME: Duration = Duration::from_secs(4);

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    report.add("disk: 4 KiB overwrite + fdatasync, one at a time", "/s", disk_floor(folder.path())?, None);
    let store = Arc::new(SledStore::open(&folder.path().join("store"), SledSettings::default())?);
    let tenant: TenantId = "bench".parse()?;
    let document = Document::parse(FLOW, Format::Yaml)?.value;
    let body = serde_json::to_value(StoredDocument { source: FLOW.to_owned(), format: Format::Yaml, document })?;
    let flow = NewDefinition {
        tenant: tenant.clone(),
        kind: DefinitionKind::Flow,
        name: "three".to_owned(),
        created_at: SystemClock.now(),
        body,
    };
    store.put_definition(flow, Expectation::Any).await?;
    let ports = Ports {
        plugins: Arc::new(Nothing),
        connectors: Arc::new(Nothing),
        store: store.clone(),
        clock: Arc::new(SystemClock),
        encryption: Arc::new(weir_engine::ports::NoEncryption),
        signer: Arc::new(weir_engine::ports::NoSigner),
        definitions: Definitions::new(store, weir_engine::action::ActionTypes::shipped()),
        limits: InvocationLimits::default(),
    };
    let engine = Engine::new(EngineSettings::default(), ports);
    for callers in [1_usize, 16, 64] {
        let (flows, mut latencies) = drive(&engine, &tenant, callers).await?;
        let floor = Some("disk: 4 KiB overwrite + fdatasync, one at a time");
        report.add(format!("durable commits, {callers} callers"), "/s", flows * COMMITS, floor);
        report.add(format!("3-step flows, {callers} callers"), "/s", flows, None);
        report.add(format!("3-step flow p50, {callers} callers"), "us", percentile_us(&mut latencies, 0.5), None);
        report.add(format!("3-step flow p99, {callers} callers"), "us", percentile_us(&mut latencies, 0.99), None);
    }
    Ok(())
}

fn disk_floor(folder: &std::path::Path) -> anyhow::Result<f64> {
    let file = std::fs::File::create(folder.join("floor"))?;
    let block = [7_u8; 4096];
    file.write_all_at(&block, 0)?;
    file.sync_all()?;
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

async fn drive(engine: &Arc<Engine>, tenant: &TenantId, callers: usize) -> anyhow::Result<(f64, Vec<Duration>)> {
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (engine, tenant) = (engine.clone(), tenant.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < TIME {
                let begun = Instant::now();
                let flow = "three".parse().map_err(anyhow::Error::new)?;
                let start = StartRun {
                    tenant: tenant.clone(),
                    flow,
                    version: None,
                    event: json!({}),
                    client_key: None,
                    request_id: None,
                };
                let run = engine.start(start).await?.run.id;
                engine.wait(&tenant, run, Duration::from_secs(30)).await?;
                latencies.push(begun.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok((all.len() as f64 / started.elapsed().as_secs_f64(), all))
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The flow calls nothing.
struct Nothing;

fn no_hook<D>() -> HookReport<D> {
    let error = HookError { kind: HookErrorKind::HookMissing, message: "no hooks here".to_owned(), detail: None };
    HookReport { outcome: Err(error), logs: Vec::new(), logs_dropped: 0, fuel: 0, elapsed_us: 0 }
}

#[async_trait]
impl Plugins for Nothing {
    async fn pre_call(&self, _: &Invocation, _: &Request, _: &dyn GrantedCalls) -> HookReport<PreCallDecision> {
        no_hook()
    }
    async fn post_response(
        &self,
        _: &Invocation,
        _: &Request,
        _: &Response,
        _: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        no_hook()
    }
    async fn action(&self, _: &Invocation, _: &ActionEvent, _: &dyn GrantedCalls) -> HookReport<ActionDecision> {
        no_hook()
    }
}

fn no_call() -> ConnectorError {
    ConnectorError { kind: ConnectorErrorKind::Connect, message: "no calls here".to_owned() }
}

#[async_trait]
impl Connectors for Nothing {
    fn bind(
        &self,
        _: &Arc<Connector>,
        _: &FunctionName,
        _: &Map<String, Value>,
        _: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        Err(no_call())
    }
    async fn send(&self, _: &CallContext, _: &PermittedRequest) -> Exchange {
        Exchange { outcome: Err(no_call()), attempts: Vec::new(), elapsed_us: 0 }
    }
    async fn read_response(&self, _: &PermittedRequest, _: &Response, _: u64) -> Result<ReadResponse, ConnectorError> {
        Err(no_call())
    }
    async fn conclude_response(
        &self,
        _: &PermittedRequest,
        _: &Response,
        _: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        Err(no_call())
    }
}
