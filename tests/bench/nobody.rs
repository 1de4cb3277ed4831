//! Ports of an engine whose flows call nothing.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use serde_json::{Map, Value};
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::{Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, CallContext, Clock, ConnectorError, ConnectorErrorKind, Connectors, Exchange,
    GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, Plugins, PostResponseDecision, PreCallDecision,
    ReadResponse,
};
use weir_engine::time::Timestamp;

pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Nobody to call.
pub(crate) struct Nothing;

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
