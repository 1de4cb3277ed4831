//! Arguments and templates become a request (C-02 to C-05). Sends nothing and knows no credential.

mod allowance;
mod arguments;
mod body;
mod cache;
mod compile;
mod endpoint;
mod headers;

use std::sync::Arc;

use serde_json::{Map, Value};
use weir_engine::connector::{BoundRequest, Connector, Function, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::{Header, Octets, Request};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use self::allowance::Allowance;
use self::body::Encoding;
use self::compile::CompiledFunction;
use crate::error::{error, of_function};
use crate::response::ResponseReader;

pub(crate) use self::arguments::{name_of, of_type};
pub(crate) use self::compile::{function as compile_function, shared_headers};
pub(crate) use self::headers::HeaderField;

/// Binds, and remembers what it has parsed.
pub(crate) struct Binder {
    cache: cache::Cache,
    request_bytes_max: u64,
}

impl Binder {
    /// Requests have at most that many bytes.
    pub(crate) fn new(request_bytes_max: u64) -> Self {
        Self { cache: cache::Cache::default(), request_bytes_max }
    }

    /// Binds arguments to a function.
    ///
    /// # Errors
    /// `invalid-argument`, `interpolation`.
    pub(crate) fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        scope: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        let name = connector.document.connector.as_str();
        let of_function = of_function(name, function.as_str());
        let compiled = self.cache.compiled(connector);
        let (source, compiled) = match compiled.function(function) {
            Some(Ok(it)) => it,
            Some(Err(faults)) => return Err(of_function(unusable(faults))),
            None => return Err(no_function(connector, function)),
        };
        let args = arguments::bind(&compiled.arguments, arguments).map_err(&of_function)?;
        let scope = scope.clone().with("args", args.clone());
        let request = self.request(connector, source, compiled, &scope).map_err(of_function)?;
        Ok(BoundRequest::new(connector.clone(), source.clone(), request).with_arguments(args))
    }

    /// What reads the responses of a request's function.
    ///
    /// # Errors
    /// `interpolation`, where the document has faults: it was bound before, so there are none.
    pub(crate) fn response_reader(&self, request: &PermittedRequest) -> Result<Arc<ResponseReader>, ConnectorError> {
        let (connector, function) = (request.connector(), &request.function().name);
        match self.cache.compiled(connector).function(function) {
            Some(Ok((_, compiled))) => Ok(compiled.response.clone()),
            Some(Err(faults)) => Err(unusable(faults)),
            None => Err(no_function(connector, function)),
        }
    }

    fn request(
        &self,
        connector: &Connector,
        source: &Function,
        compiled: &CompiledFunction,
        scope: &Scope,
    ) -> Result<Request, ConnectorError> {
        let mut allowance = Allowance::new(self.request_bytes_max);
        let uri = compiled.endpoint.render(&connector.document.base_url, scope, &mut allowance)?;
        let headers = compiled.headers.iter().map(|field| field.render(scope, &mut allowance));
        let mut headers = headers.collect::<Result<Vec<_>, ConnectorError>>()?;
        let mut body = None;
        if let Some(template) = &compiled.body {
            let content_type = headers.iter().rfind(|header| header.name == "content-type");
            let encoding = Encoding::of(content_type.and_then(|header| header.value.as_text()));
            body = Some(Octets::from(template.render(encoding, scope, &mut allowance)?));
            if content_type.is_none() {
                headers.push(Header::new("content-type", "application/json"));
            }
        }
        Ok(Request { method: source.method, uri, headers, body })
    }
}

fn unusable(faults: &[crate::Fault]) -> ConnectorError {
    let faults: Vec<String> = faults.iter().map(|fault| format!("{}: {}", fault.pointer, fault.message)).collect();
    let message = format!("the connector's document has faults; save it again without them: {}", faults.join("; "));
    error(ConnectorErrorKind::Interpolation, message)
}

fn no_function(connector: &Connector, function: &FunctionName) -> ConnectorError {
    let document = &connector.document;
    let names: Vec<&str> = document.functions.iter().map(|function| function.name.as_str()).collect();
    error(
        ConnectorErrorKind::InvalidArgument,
        format!(
            "connector `{}` version {} has no function `{function}`; it has `{}`",
            document.connector,
            connector.version,
            names.join("`, `")
        ),
    )
}
