//! Our types in the contract's.

use serde_json::Value;
use weir_engine::action::{AllowedOperation, OperationKind};
use weir_engine::message::{Header, Request, Response};
use weir_engine::ports::{ActionEvent, Invocation};

use super::bindings::{action, types};

/// A value as JSON text. `Display` of a [`Value`] cannot fail.
fn json(value: &Value) -> String {
    value.to_string()
}

fn headers(headers: &[Header]) -> Vec<types::Header> {
    let header = |header: &Header| types::Header { name: header.name.clone(), value: header.value.as_slice().to_vec() };
    headers.iter().map(header).collect()
}

pub(super) fn invocation(invocation: &Invocation) -> types::Invocation {
    types::Invocation {
        tenant: invocation.tenant.to_string(),
        flow: invocation.flow.to_string(),
        flow_version: invocation.flow_version,
        run: invocation.run.to_string(),
        step: invocation.step.to_string(),
        request_id: invocation.request_id.to_string(),
        started_at: invocation.started_at.as_millis(),
        input: json(&invocation.input),
        config: json(&invocation.config),
    }
}

pub(super) fn request(request: &Request) -> types::Request {
    types::Request {
        method: request.method.as_str().to_owned(),
        uri: request.uri.as_str().to_owned(),
        headers: headers(&request.headers),
        body: request.body.as_ref().map(|body| body.as_slice().to_vec()),
    }
}

pub(super) fn response(response: &Response) -> types::Response {
    types::Response {
        status: response.status,
        headers: headers(&response.headers),
        body: response.body.as_slice().to_vec(),
        transformed_data: response.transformed_data.as_ref().map(json),
    }
}

pub(super) fn event(event: &ActionEvent) -> action::Event {
    action::Event {
        action_type: event.action_type.clone(),
        payload: json(&event.payload),
        allowed_operations: event.allowed_operations.iter().map(allowed_operation).collect(),
    }
}

fn allowed_operation(allowed: &AllowedOperation) -> types::AllowedOperation {
    let op = match allowed.op {
        OperationKind::Add => types::OperationKind::Add,
        OperationKind::Replace => types::OperationKind::Replace,
        OperationKind::Remove => types::OperationKind::Remove,
        OperationKind::Redirect => types::OperationKind::Redirect,
    };
    types::AllowedOperation { op, paths: allowed.paths.clone() }
}
