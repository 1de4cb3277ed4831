//! What is around the engine of a trial: a store that crashes where the trial says, an outside system that answers as
//! the flow's tree says, a clock that goes on across crashes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::Response;
use weir_engine::ports::{CallContext, Clock, ConnectorError, ConnectorErrorKind, Connectors, Exchange, ReadResponse};
use weir_engine::time::Timestamp;

use super::flow::{Answers, Kind, Node, name};
use crate::house::World;

/// Answers as the tree says, and remembers under which keys it was called.
pub(crate) struct Upstream {
    inner: World,
    answers: BTreeMap<String, Answers>,
    /// How often each key came.
    calls: Mutex<HashMap<String, u32>>,
}

impl Upstream {
    pub(crate) fn of(nodes: &[Node]) -> Self {
        let mut answers = BTreeMap::new();
        collect(nodes, &mut answers);
        Self { inner: World::default(), answers, calls: Mutex::default() }
    }

    /// The runs that called, by step.
    pub(crate) fn callers(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut callers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for key in self.calls.lock().unwrap().keys() {
            let (run, step) = key.split_once('.').expect("a key names run and step");
            callers.entry(step.to_owned()).or_default().insert(run.to_owned());
        }
        callers
    }
}

fn collect(nodes: &[Node], all: &mut BTreeMap<String, Answers>) {
    for node in nodes {
        match &node.kind {
            Kind::Call { answers, .. } => {
                all.insert(name(node.id), *answers);
            }
            Kind::Parallel { branches, .. } => branches.iter().for_each(|branch| collect(branch, all)),
            Kind::ForEach { steps, .. } => collect(steps, all),
            _ => {}
        }
    }
}

#[async_trait]
impl Connectors for Upstream {
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
        let before = {
            let mut calls = self.calls.lock().unwrap();
            let count = calls.entry(context.idempotency_key.clone()).or_default();
            *count += 1;
            *count - 1
        };
        tokio::task::yield_now().await;
        let step = context.idempotency_key.split_once('.').map(|(_, step)| step).unwrap_or_default();
        let error = ConnectorError { kind: ConnectorErrorKind::Connect, message: "nobody is there".to_owned() };
        let status = match self.answers.get(step).copied().unwrap_or(Answers::Well) {
            Answers::Well => Ok(200),
            Answers::WithFailure => Ok(500),
            Answers::WithError => Err(error),
            Answers::WellAfter(errors) if before < errors => Err(error),
            Answers::WellAfter(_) => Ok(200),
        };
        let response = |status| Response {
            status,
            headers: Vec::new(),
            body: json!({ "step": step }).to_string().into_bytes().into(),
            transformed_data: None,
        };
        Exchange { outcome: status.map(response), attempts: Vec::new(), elapsed_us: 1 }
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

/// A clock that follows tokio's paused one, and goes on in the next process.
pub(crate) struct LongClock(Mutex<(Duration, Instant)>);

impl LongClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new((Duration::ZERO, Instant::now())))
    }

    /// The process is about to end.
    pub(crate) fn stop(&self) {
        let mut state = self.0.lock().unwrap();
        let lived = state.1.elapsed();
        state.0 += lived;
    }

    /// Another process has begun.
    pub(crate) fn go_on(&self) {
        self.0.lock().unwrap().1 = Instant::now();
    }
}

impl Clock for LongClock {
    fn now(&self) -> Timestamp {
        let state = self.0.lock().unwrap();
        Timestamp::from_millis(1_700_000_000_000).after(state.0 + state.1.elapsed())
    }
}
